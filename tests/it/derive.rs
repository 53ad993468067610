//! What is derived: it is up to date here, follows its usage text, and holds for odd usage texts and adopted programs.
//! `tests/derive` is a toolkit of those.

mod leftovers;

use std::path::Path;
use std::process::{Command, Output};

use firebreak::catalogue::sync::NOTICE;
use firebreak::catalogue::{Toolkit, parts, render};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::ansible::{AnsibleSandbox, Played, tool};
use crate::support::git::keep;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn firebreak(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firebreak"));
    command.args(words).arg(format!("--root={}", folder.display())).output().expect("firebreak runs")
}

/// How it ended, its stdout and its stderr.
fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn up_to_date() -> (Option<i32>, String, String) {
    (Some(0), "all that is derived is up to date\n".to_owned(), String::new())
}

/// Copies these of a folder into another.
fn copy(from: &Path, names: &[&str], to: &Path) {
    let paths = names.iter().map(|name| from.join(name));
    assert!(Command::new("cp").arg("-r").args(paths).arg(to).status().expect("cp").success());
}

/// The toolkit of odd usage texts, with all that is derived from them.
pub fn odd() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    copy(&root().join("tests/derive"), &["src", "roles"], folder.path());
    copy(root(), &["templates", "ansible.cfg", "inventories", ".ansible-lint", ".yamllint"], folder.path());
    let (code, _, errors) = said(&firebreak(folder.path(), &["sync"]));
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    folder
}

#[test]
fn all_that_is_derived_is_up_to_date() {
    assert_eq!(said(&firebreak(root(), &["sync", "--check"])), up_to_date());
}

#[test]
fn one_changed_word_is_found_and_mended() {
    let folder = tempfile::tempdir().expect("a folder");
    let names: Vec<String> = std::fs::read_dir(root())
        .expect("the repository")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| !["target", ".venv", ".git", ".cache", "bin", "fuzz"].contains(&name.as_str()))
        .collect();
    copy(root(), &names.iter().map(String::as_str).collect::<Vec<_>>(), folder.path());
    let source = folder.path().join("src/bin/rollback_service.rs");
    let text = std::fs::read_to_string(&source).expect("the program");
    assert_eq!(text.matches("How many dates to offer").count(), 1);
    std::fs::write(&source, text.replace("How many dates", "How many days").replace("Plan and stop", "Stop"))
        .expect("the program");

    for _ in 0..2 {
        let (code, shown, errors) = said(&firebreak(folder.path(), &["sync", "--check"]));
        assert_eq!(code, Some(1), "{shown}{errors}");
        let specs = "roles/rollback_service/meta/argument_specs.yml";
        let lines = [
            &format!("--- {specs}\n+++ {specs}\n@@ "),
            "\n-            How many dates",
            "\n+            How many days",
        ];
        for line in lines {
            assert!(shown.contains(line), "'{line}' is missing: {shown}");
        }
        assert!(errors.starts_with("firebreak error: "), "{errors}");
        assert!(errors.ends_with(" out of date. `firebreak sync` writes them anew\n"), "{errors}");
    }
    assert_eq!(firebreak(folder.path(), &["sync"]).status.code(), Some(0));
    assert_eq!(said(&firebreak(folder.path(), &["sync", "--check"])), up_to_date());
    // A standard option has the standard's words again; what is this program's own is as it was written.
    let kept = std::fs::read_to_string(&source).expect("the program");
    assert_eq!(kept, text.replace("How many dates", "How many days"));
}

/// Whoever presses the button reads three steps, each on a line of its own, whatever the role is like.
#[test]
fn the_steps_of_the_button_are_a_numbered_list_in_every_readme() {
    let folder = odd();
    let mut seen = 0;
    for root in [root(), folder.path()] {
        for file in render::render(&Toolkit::open(root).expect("a toolkit")).expect("texts") {
            let Some((_, button)) = file.text.split_once("### The button in Jenkins\n\n") else { continue };
            let list = button.split("\n\nMembers of").next().expect("a list");
            let numbers: Vec<&str> =
                list.lines().filter_map(|line| line.split_once(". ").map(|(number, _)| number)).collect();
            let steps: Vec<&str> = numbers.into_iter().filter(|number| number.len() == 1).collect();
            assert_eq!(steps, ["1", "2", "3"], "{}: {list}", file.path.display());
            for glued in [" 2. ", " 3. ", ".2. ", ".3. "] {
                assert!(!list.contains(glued), "{}: {list}", file.path.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 3, "{seen} READMEs");
}

#[test]
fn a_derived_file_says_so_first_and_names_its_source() {
    let folder = odd();
    for root in [root(), folder.path()] {
        let toolkit = Toolkit::open(root).expect("a toolkit");
        let sources = toolkit.programs.iter().map(|program| program.source.path.display().to_string());
        let sources: Vec<_> = sources.chain(["the usage texts of all roles".to_owned()]).collect();
        for file in render::render(&toolkit).expect("texts") {
            if !parts::has_parts(&file.text) {
                let first = file.text.lines().next().unwrap_or_default();
                assert!(first.contains(NOTICE), "{}: {first}", file.path.display());
                assert!(sources.iter().any(|source| first.contains(source)), "{}: {first}", file.path.display());
            }
        }
    }
}

#[test]
fn odd_usage_texts_become_roles_that_load_and_pass_the_linters() {
    let folder = odd();
    let load = "import json, sys, yaml\n\
                yaml.SafeLoader.add_constructor('!unsafe', lambda loader, node: 'unsafe: ' + node.value)\n\
                print(json.dumps([yaml.safe_load(open(path)) for path in sys.argv[1:]]))";
    let output = Command::new(tool("python"))
        .args(["-c", load, "roles/mend_files/meta/argument_specs.yml", "roles/mend_files/defaults/main.yml"])
        .current_dir(folder.path())
        .output();
    let (code, text, errors) = said(&output.expect("python runs"));
    assert_eq!(code, Some(0), "{errors}");
    let [specs, defaults]: [Value; 2] = serde_json::from_str(&text).expect("two texts");
    let get = &specs["argument_specs"]["get"];
    assert_eq!(
        get["short_description"],
        "Mend 'files': \"quotes\", { { braces }}, # signs: and more: look, change nothing"
    );
    assert_eq!(
        get["options"]["mend_files_tag"],
        json!({
            "description": ["A tag: # not a comment, { { not_a_template }} and \"quoted\" { % if %} { # no #}. A long one, so \
                             that it must be wrapped: - like an item, and: like a mapping."],
            "type": "list", "elements": "str", "required": false, "default": [],
        })
    );
    assert_eq!(get["options"]["mend_files_mode"]["choices"], json!(["quick", "yes", "1", "a|b", ""]));
    let own: Vec<_> = defaults.as_object().expect("variables").iter().take(6).collect();
    let expected = json!({
        "mend_files_tag": [],
        "mend_files_mode": "",
        "mend_files_greeting": "unsafe: {{ 'a' }}: # \"b\"",
        "mend_files_report_option": "",
        "mend_files_count": 0,
        "mend_files_q": false,
    });
    assert_eq!(own, expected.as_object().expect("variables").iter().collect::<Vec<_>>());
    for (program, words) in
        [("yamllint", &["--strict", "."][..]), ("ansible-lint", &["--offline", "--strict", "--nocolor"])]
    {
        let output = Command::new(tool(program)).args(words).current_dir(folder.path()).output();
        let (code, text, errors) = said(&output.expect("a linter runs"));
        assert_eq!(code, Some(0), "{program}: {text}{errors}");
    }
}

/// Plays a role's playbook of the odd toolkit.
fn play(sandbox: &AnsibleSandbox, role: &str, words: &[&str], code: &str) -> Played {
    let mut command = sandbox.command_of(role, words);
    command.env("NOTE", sandbox.path("note")).env("EXIT", code);
    AnsibleSandbox::end(command)
}

fn note(sandbox: &AnsibleSandbox) -> Value {
    serde_json::from_slice(&std::fs::read(sandbox.path("note")).expect("a note")).expect("JSON")
}

const AWKWARD: &str =
    "a 'b' \"c\" {{ 1 + 1 }} {% if %} $HOME $(id) `id` ~ \\n key=value\nsecond line é ☃ #; & | * --yes";

fn as_data(value: &str) -> Value {
    json!({ "__ansible_unsafe": value })
}

#[test]
fn positionals_and_lists_go_through_as_they_are() {
    let sandbox = AnsibleSandbox::in_folder(odd());
    // The stand-in for the program that would be built.
    std::fs::create_dir_all(sandbox.path("roles/mend_files/files")).expect("a folder");
    let stand_in = sandbox.path("roles/fix_labels/files/fix.py");
    std::fs::copy(stand_in, sandbox.path("roles/mend_files/files/mend_files")).expect("the program");
    let values = sandbox.variables(&json!({
        "mend_files_tag": [as_data(AWKWARD), as_data("[1, 2]"), "~"],
        "mend_files_mode": "yes",
        "mend_files_q": true,
        // The home is that of the host, in each path of a list as in one alone; a text that is no path keeps its tilde.
        "mend_files_beside": ["~/one", "two", "~/three ~"],
        "mend_files_parts": ["~/one", "two,~/three"],
        "mend_files_target": as_data(AWKWARD),
        "mend_files_file": [as_data("--yes"), as_data("{{ 1 }}"), 2, "~"],
    }));
    let played = play(&sandbox, "mend_files", &["--tags", "run", "-e", &values], "0");
    assert_eq!((played.code, played.recap("changed")), (0, 1), "{}", played.text);
    let first = format!("--tag={AWKWARD}");
    let home = sandbox.path("home").display().to_string();
    assert_eq!(
        note(&sandbox)["given"],
        json!([
            "run",
            first,
            "--tag=[1, 2]",
            "--tag=~",
            "--mode=yes",
            "--greeting={{ 'a' }}: # \"b\"",
            "--report=",
            "--count=0",
            "-q",
            format!("--beside={home}/one"),
            "--beside=two",
            format!("--beside={home}/three ~"),
            format!("--parts={home}/one,two,{home}/three"),
            "--",
            AWKWARD,
            "--yes",
            "{{ 1 }}",
            "2",
            home,
        ])
    );
    assert_eq!(sandbox.left_over(), [""; 0]);
}

#[test]
fn each_further_command_becomes_a_tag_until_the_text_names_it_no_more() {
    let sandbox = AnsibleSandbox::in_folder(odd());
    let role = sandbox.path("roles/more_ways");
    std::fs::create_dir_all(role.join("files")).expect("a folder");
    std::fs::copy(sandbox.path("roles/fix_labels/files/fix.py"), role.join("files/more_ways")).expect("the program");
    for (tag, words, given) in [
        ("run", &[][..], json!(["run"])),
        ("off", &["--check"], json!(["off", "--check"])),
        ("roll-back", &["-e", "more_ways_to=x"], json!(["roll-back", "--to=x"])),
    ] {
        let played = play(&sandbox, "more_ways", &[&["--tags", tag], words].concat(), "0");
        assert_eq!((played.code, played.recap("changed")), (0, 1), "{}", played.text);
        assert_eq!(note(&sandbox)["given"], given);
        assert!(played.text.contains(&format!("more_ways {tag} ended with 0\n")), "{}", played.text);
    }
    let checked = play(&sandbox, "more_ways", &["--tags", "roll-back", "--check"], "0");
    assert_eq!((checked.code, checked.recap("changed")), (0, 0), "{}", checked.text);
    assert!(checked.text.contains("Not run. The program cannot plan without acting"), "{}", checked.text);
    // It is more than one word, so it is left to a terminal.
    let queue = play(&sandbox, "more_ways", &["--tags", "queue"], "0");
    assert!(queue.text.contains("There is no tag 'queue', so nothing was done."), "{}", queue.text);

    keep(sandbox.folder.path());
    let source = sandbox.path("src/bin/more_ways.rs");
    let text = std::fs::read_to_string(&source).expect("the text");
    std::fs::write(&source, text.replace("(run | off)", "run").replace("run and off", "run")).expect("the text");
    assert!(role.join("tasks/off.yml").exists());
    assert_eq!(firebreak(sandbox.folder.path(), &["sync"]).status.code(), Some(0));
    assert!(!role.join("tasks/off.yml").exists());
    let gone = play(&sandbox, "more_ways", &["--tags", "off"], "0");
    assert!(gone.text.contains("There is no tag 'off', so nothing was done."), "{}", gone.text);
    assert_eq!(sandbox.left_over(), [""; 0]);
}

#[test]
fn an_adopted_script_gets_its_secrets_where_nobody_sees_them() {
    let sandbox = AnsibleSandbox::in_folder(odd());
    let secret = "MARKED {{ 1 }} 'one'\n";
    let values = sandbox.variables(&json!({
        "fix_labels_label": [as_data(AWKWARD), "b"],
        "fix_labels_pwd": as_data(secret),
        "fix_labels_check": true,
        "fix_labels_where": as_data("--pwd=@/etc/hostname"),
        "fix_labels_what": [as_data(AWKWARD)],
        "fix_labels_report": "report.json",
    }));
    let mut command = sandbox.command_of("fix_labels", &["--tags", "get,run", "-vvvvv", "--diff", "-e", &values]);
    command.env("NOTE", sandbox.path("note")).env("FIX_LABELS_T", "MARKED-two");
    let played = AnsibleSandbox::end(command);
    assert_eq!((played.code, played.recap("changed")), (0, 1), "{}", played.text);
    assert!(played.text.contains("Usage: fix.py fix\n        fix_labels --help ended with 0\n"), "{}", played.text);
    let told = "labels fixed\n        a word of warning\n        fix_labels fix ended with 0\n";
    assert!(played.text.contains(told), "{}", played.text);
    assert_eq!(played.text.lines().filter(|line| line.contains("MARKED")).collect::<Vec<_>>(), [""; 0]);
    let note = note(&sandbox);
    let (label, password) = (format!("--label={AWKWARD}"), format!("--pwd={secret}"));
    assert_eq!(
        note["given"],
        json!(["fix", label, "--label=b", password, "-tMARKED-two", "--check", "--", "--pwd=@/etc/hostname", AWKWARD])
    );
    assert!(!note["seen"].as_str().expect("a command line").contains("MARKED"), "{note}");
    assert_eq!(note["files"], json!(["fix.py", "launch.py", "secrets"]));
    let report: Value =
        serde_json::from_slice(&std::fs::read(sandbox.path("report.json")).expect("a report")).expect("JSON");
    assert_eq!(
        report,
        json!({
            "action": "fix_labels", "command": "run", "changed": true, "outcome": "done",
            "message": "fix_labels fix ended with 0", "text": "labels fixed\na word of warning", "warnings": [],
        })
    );
    assert_eq!(sandbox.left_over(), [""; 0]);
}

#[test]
fn words_that_yaml_takes_for_switches_stay_words_and_no_secret_takes_a_files_place() {
    let sandbox = AnsibleSandbox::in_folder(odd());
    // A Python script without an ending, called like its secret.
    for (tag, word) in [("get", "off"), ("run", "on")] {
        let mut command = sandbox.command_of("turn_key", &["--tags", tag]);
        command.env("NOTE", sandbox.path("note")).env("TURN_KEY_TOKEN", "MARKED").env("TURN_KEY_KEY", "-MARKED two");
        let played = AnsibleSandbox::end(command);
        assert_eq!(played.code, 0, "{}", played.text);
        let note = note(&sandbox);
        // Its value stands in a word of its own, as its text has it.
        assert_eq!(note["given"], json!([word, "--token=MARKED", "--key", "-MARKED two"]));
        assert_eq!(note["files"], json!(["launch.py", "secrets", "token"]));
        assert!(!note["seen"].as_str().expect("a command line").contains("MARKED"), "{note}");
    }
    assert_eq!(sandbox.left_over(), [""; 0]);
}

#[test]
fn a_readme_says_what_is_so_for_its_program() {
    let folder = odd();
    let read = |role: &str| {
        let path = folder.path().join("roles").join(role).join("README.md");
        std::fs::read_to_string(path).expect("a README")
    };
    let (files, line) = ("They reach the program in files that only it reads", "takes them on its command line alone");
    for (role, said, unsaid) in [("fix_labels", files, line), ("turn_key", files, line), ("ring_bell", line, files)] {
        let text = read(role);
        assert!(text.contains(said) && !text.contains(unsaid), "{role}: {text}");
    }
    let (looks, helps) = ("The first call only looks", "The first call only prints the program's `--help`");
    for (role, said, unsaid) in [("in_venv", looks, helps), ("fix_labels", helps, looks)] {
        let text = read(role);
        assert!(text.contains(said) && !text.contains(unsaid), "{role}: {text}");
    }
    // Where the first call only prints a help, nothing is said of a look.
    let help = "The program has no command to look with: a job with the job tag `get` prints its `--help`.\n";
    for (role, said, unsaid) in [
        ("fix_labels", &[help, "2. It prints the program's `--help`", "up to a call of its program"][..], "look again"),
        ("ring_bell", &[help, "look at what it should have mended"], "Look again"),
        ("in_venv", &["A job with the job tag `get` looks.", "up to a look", "Look again: the first call"], help),
        ("ring_bell", &["prints its `--help`.\nOne with the job tag `run` acts."], "the type Check"),
    ] {
        let text = read(role);
        for said in said {
            assert!(text.contains(said), "{role}: '{said}' is missing: {text}");
        }
        assert!(!text.contains(unsaid), "{role}: {text}");
    }
    for role in ["fix_labels", "in_venv", "mend_files", "turn_key"] {
        let text = read(role);
        let try_it = format!("\nansible-playbook -i inventories/local playbooks/{role}.yml\n");
        let ci = ["### In your CI\n\nNo drill has a world for this role", &*try_it];
        assert!(ci.into_iter().all(|part| text.contains(part)), "{role}: {text}");
        let parts = ["### In a playbook of your own", "### AWX", &format!("/job/firebreak/job/{role}/`")];
        for part in parts.into_iter().chain([&*format!("        name: {role}\n        tasks_from: run\n")]) {
            assert!(text.contains(part), "{role}: '{part}' is missing: {text}");
        }
        // The drill has no world for it.
        assert!(!text.contains("firedrill"), "{role}: {text}");
    }
    let (needs, none) = ("that has no credential is left out", "needs no credential of its own");
    for (role, said, unsaid) in [("turn_key", needs, none), ("in_venv", none, needs)] {
        let text = read(role);
        assert!(text.contains(said) && !text.contains(unsaid), "{role}: {text}");
    }
    let text = read("mend_files");
    for row in [
        "| `mend_files_mode` | get, run | 'How'? One of quick, yes, 1, a\\|b. |",
        "| `mend_files_approver` | get, run | Who said yes; ",
        "| `mend_files_build` | get, run | The Jenkins build; ",
    ] {
        assert!(text.contains(row), "'{row}' is missing: {text}");
    }
}

#[test]
fn an_adopted_script_runs_in_a_virtual_environment_of_its_own_and_fails_by_its_exit_code() {
    let sandbox = AnsibleSandbox::in_folder(odd());
    let played = play(&sandbox, "in_venv", &[], "0");
    assert_eq!((played.code, played.recap("changed")), (0, 0), "{}", played.text);
    let seen = note(&sandbox);
    assert_eq!(seen["given"], json!(["look", "--depth=3"]));
    let folder = Path::new(seen["script"].as_str().expect("a path")).parent().expect("a folder");
    assert_eq!(seen["prefix"], json!(folder.join(".venv")));

    let failed = play(&sandbox, "in_venv", &["--tags", "run", "-e", "in_venv_to=x"], "3");
    assert_eq!((failed.code, failed.recap("changed"), failed.recap("failed")), (2, 0, 1), "{}", failed.text);
    assert!(
        failed.text.contains("a word of warning\n        in_venv act ended with 3\n        rc: 3\n"),
        "{}",
        failed.text
    );
    assert_eq!(note(&sandbox)["given"], json!(["act", "--depth=3", "--to=x"]));
    assert_eq!(sandbox.left_over(), [""; 0]);
}

#[test]
fn an_adopted_executable_is_left_out_under_check_and_shows_no_secret() {
    let sandbox = AnsibleSandbox::in_folder(odd());
    let bell = sandbox.variables(&json!({ "ring_bell_bell": as_data("big $(id)"), "ring_bell_n": 0 }));
    let checked = play(&sandbox, "ring_bell", &["--tags", "run", "--check", "-e", &bell], "0");
    assert_eq!((checked.code, checked.recap("changed")), (0, 0), "{}", checked.text);
    assert!(checked.text.contains("Not run. The program cannot plan without acting"), "{}", checked.text);
    assert!(!sandbox.path("note").exists(), "it ran under --check");

    let mut command = sandbox.command_of("ring_bell", &["--tags", "run", "-vvvvv", "-e", &bell]);
    command.env("NOTE", sandbox.path("note")).env("TOWER_KEY", "MARKED");
    let played = AnsibleSandbox::end(command);
    assert_eq!((played.code, played.recap("changed")), (0, 1), "{}", played.text);
    assert!(played.text.contains("rung\n        ring_bell ended with 0\n"), "{}", played.text);
    assert!(!played.text.contains("MARKED"), "{}", played.text);
    assert_eq!(std::fs::read_to_string(sandbox.path("note")).expect("a note"), "-n0\n--key=MARKED\nbig $(id)\n");

    let dash = sandbox.variables(&json!({ "ring_bell_bell": as_data("--key=mine") }));
    let refused = play(&sandbox, "ring_bell", &["--tags", "run", "-e", &dash], "0");
    assert_eq!(refused.code, 2, "{}", refused.text);
    assert!(refused.text.contains("ring_bell_bell must not begin with `-`. Nothing was changed."), "{}", refused.text);
    assert_eq!(sandbox.left_over(), [""; 0]);
}
