//! The completions in real shells, the man pages in real formatters, and what AWX is told, checked by a JSON Schema
//! implementation.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rexpect::session::{PtySession, spawn_command};
use tempfile::TempDir;

use crate::support::need;

const FIREBREAK: &str = env!("CARGO_BIN_EXE_firebreak");
const TIMEOUT: Option<u64> = Some(60_000);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What firebreak prints.
fn printed(words: &[&str]) -> String {
    let output = Command::new(FIREBREAK).args(words).current_dir(root()).output().expect("firebreak starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// A folder with kept files, a script of completions, and whatever else a value may name.
fn desk(shell: &str) -> TempDir {
    let desk = tempfile::tempdir().expect("a folder");
    let write = |path: &str, text: &str| {
        let path = desk.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    // With an adopted program in a toolkit of its own, whose file is called otherwise than its role.
    let kit = tempfile::tempdir().expect("a folder");
    for folder in ["src/bin", "inventories/europe", "inventories/asia", "inventories/none"] {
        std::fs::create_dir_all(kit.path().join(folder)).expect("a folder");
    }
    for hosts in ["europe/hosts.yml", "asia/hosts.ini"] {
        std::fs::write(kit.path().join("inventories").join(hosts), "").expect("an inventory");
    }
    std::os::unix::fs::symlink(root().join("templates"), kit.path().join("templates")).expect("a link");
    for (role, text) in [("mend_bells", BELLS), ("hang_bells", HANG)] {
        std::fs::create_dir_all(kit.path().join("roles").join(role)).expect("a folder");
        std::fs::write(kit.path().join("roles").join(role).join("usage.txt"), text).expect("a text");
    }
    let other = printed(&["completions", shell, &format!("--root={}", kit.path().display())]);
    write("completions", &format!("{}\n{other}", printed(&["completions", shell])));
    write(
        "odd/rollback.json",
        r#"{"rollbacks": {"Z\u00fcrich it's \"$HOME\"": [], "\ud83d\udd14:a b": [], "c`d\\e": []}}"#,
    );
    write("my secret's $file", "");
    write(
        "rollback.json",
        r#"{"all": ["2026-01-01"], "rollbacks": {"2026-11-20": [{"1.0": "a:\"b\""}], "2026-11-19": [], "2026-10-01": []},
            "incomplete": {"2026-10-01": ["orders"]}, "env": "develop"}"#,
    );
    write(
        "kept/rollback.json",
        "{\n  \"rollbacks\": {\n    \"2026-12-24T18:00:00Z\": [],\n    \"2026-12-01\": []\n  }\n}",
    );
    write("damaged/rollback.json", "{\"rollbacks\": {\"2026-");
    write("ca.pem", "");
    desk
}

const BELLS: &str = "Mend bells.

Usage:
  bells.py ring <bell> [--tone=<t>] [--key=<k>] [--env=<e>]
  bells.py hush

Options:
  --tone=<t>  How. [choices: it's cost$x a|b]
  --key=<k>   The key. [secret]
  --env=<e>   Where.

Adopted:
  program: bells.py
  run: ring
";

/// A program without a command, whose arguments are files.
const HANG: &str = "Hang bells.

Usage:
  hang [--key KEY] [--env=<bell-env>] <file>...

Options:
  --key KEY         The key. [secret]
  --env=<bell-env>  The environment of the bell.

Adopted:
  program: hang
";

/// What is typed, the tabulator being `>`, and the arguments that the program is then called with.
const TYPED: &[(&str, &str)] = &[
    ("rollback_service ru>", "run"),
    ("rollback_service get --imm>", "get --immutable-tags"),
    ("rollback_service run --format=j>", "run --format=json"),
    ("rollback_service run --format j>", "run --format json"),
    ("rollback_service run --date=2026-11-1>", "run --date=2026-11-19"),
    ("rollback_service run --date 2026-11-20>", "run --date 2026-11-20"),
    ("rollback_service run --date=2026-10>", "run --date=2026-10"),
    ("rollback_service run --dump=kept --date=2026-12-24T18:>", "run --dump=kept --date=2026-12-24T18:00:00Z"),
    ("rollback_service run --dump kept --date=2026-12-0>", "run --dump kept --date=2026-12-01"),
    ("rollback_service run --dump=nowhere --date=2>", "run --dump=nowhere --date=2"),
    ("rollback_service run --dump=damaged --date=2>", "run --dump=damaged --date=2"),
    ("rollback_service get --cacert=ca>", "get --cacert=ca.pem"),
    ("rollback_service get --dump=ke>", "get --dump=kept/"),
    ("rollback_service run --env=st>", "run --env=stage"),
    // It is the environment of the images, which has other names.
    ("rollback_service get --env=st>", "get --env=st"),
    ("rollback_service run --pwd=@ca>", "run --pwd=@ca.pem"),
    ("rollback_service run --pwd @ca>", "run --pwd @ca.pem"),
    ("rollback_service run --pwd=@my>", "run --pwd=@my secret's $file"),
    ("rollback_service run --pwd=ca>", "run --pwd=ca"),
    ("rollback_service run --dump=odd --date=Z>", "run --dump=odd --date=Zürich it's \"$HOME\""),
    ("rollback_service run --dump=odd --date Z>", "run --dump=odd --date Zürich it's \"$HOME\""),
    ("rollback_service run --dump=odd --date=Zürich\\ it>", "run --dump=odd --date=Zürich it's \"$HOME\""),
    ("rollback_service run --dump=odd --date=\"Zürich it>", "run --dump=odd --date=Zürich it's \"$HOME\""),
    ("rollback_service run --dump=odd --date=c>", "run --dump=odd --date=c`d\\e"),
    ("bells.py ring --tone=i>", "ring --tone=it's"),
    ("bells.py ring --tone=c>", "ring --tone=cost$x"),
    ("bells.py ring --tone a>", "ring --tone a|b"),
    ("bells.py hu>", "hush"),
    ("bells.py ring --env=eu>", "ring --env=europe"),
    ("bells.py ring --key=@ca>", "ring --key=@ca.pem"),
    ("bells.py ring --key @ca>", "ring --key @ca.pem"),
    ("hang --key @ca>", "--key @ca.pem"),
    ("hang --env=eu>", "--env=eu"),
    ("hang ca>", "ca.pem"),
    ("hang ca.pem ca>", "ca.pem ca.pem"),
    ("firebreak completions z>", "completions zsh"),
    ("firedrill proof --env=pr>", "proof --env=prod"),
];

/// What a shell asks with: nothing else on the screen looks like it.
const PROMPT: &str = "bells-at-midnight> ";

/// Types when the shell asks, and never before: it may still be reading its own files, or changing how it reads keys.
fn types_out(mut shell: PtySession, set_up: &str) {
    shell.exp_string(PROMPT).expect("the shell to ask");
    shell.send_line(set_up).expect("to type");
    shell.exp_string("it is set up").expect("the shell to be set up");
    for (typed, expected) in TYPED {
        shell.exp_string(PROMPT).expect("the shell to ask");
        shell.send(&typed.replace('>', "\t")).expect("to type");
        shell.send_line("").expect("to type");
        let (_, got) = shell.exp_regex("GOT<[^>]*>").unwrap_or_else(|error| panic!("`{typed}`: {error}"));
        // A pseudo-terminal is read byte by byte.
        let got = String::from_utf8(got.chars().filter_map(|byte| u8::try_from(byte).ok()).collect()).expect("UTF-8");
        assert_eq!(got, format!("GOT<{expected}>"), "for `{typed}`");
    }
    shell.exp_string(PROMPT).expect("the shell to ask");
    // A shell at a terminal does not mind being told to terminate.
    shell.send_line("exit").expect("to type");
    shell.exp_eof().expect("the shell ends");
}

fn interactive(shell: &str, words: &[&str], folder: &Path) -> PtySession {
    let mut command = Command::new(need(shell, shell));
    command.args(words).current_dir(folder).env("HOME", folder);
    command.envs([("TERM", "dumb"), ("PS1", PROMPT), ("LANG", "C.UTF-8"), ("LC_ALL", "C.UTF-8")]);
    spawn_command(command, TIMEOUT).expect("a shell in a pseudo-terminal")
}

#[test]
fn bash_completes_what_is_typed() {
    let desk = desk("bash");
    let shell = interactive("bash", &["--norc", "--noprofile", "-i"], desk.path());
    let programs = "for p in rollback_service firebreak firedrill bells.py hang; do eval \"$p() { printf 'GO%s<%s>\\n' T \\\"\\$*\\\"; }\"; done";
    types_out(shell, &format!("bind 'set bell-style none'; source ./completions; {programs}; echo it is 's'et up"));
}

#[test]
fn zsh_completes_what_is_typed() {
    let desk = desk("zsh");
    let shell = interactive("zsh", &["-f", "-i"], desk.path());
    let programs = "for p in rollback_service firebreak firedrill bells.py hang; do eval \"$p() { printf 'GO%s<%s>\\n' T \\\"\\$*\\\"; }\"; done";
    // Otherwise the slash of a folder goes again when the line is accepted at once.
    let set_up = "unsetopt beep autoremoveslash; autoload -Uz compinit && compinit -u -D; source ./completions";
    types_out(shell, &format!("{set_up}; {programs}; echo it is 's'et up"));
}

/// What bash offers behind these words, as readline cuts them.
fn offered_by_bash(desk: &Path, line: &str) -> Vec<String> {
    let script = r#"
        source ./completions
        COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=() word=
        shopt -s extglob
        rest=$1
        while [[ -n $rest ]]; do
          case $rest in
            [[:space:]]*) rest=${rest##+([[:space:]])}; [[ -n $rest ]] || COMP_WORDS+=('') ;;
            [=:@]*) word=${rest%%[!=:@]*}; COMP_WORDS+=("$word"); rest=${rest#"$word"} ;;
            *) word=${rest%%[=:@[:space:]]*}; COMP_WORDS+=("$word"); rest=${rest#"$word"} ;;
          esac
        done
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        specification=$(complete -p "${COMP_WORDS[0]}") specification=${specification#*-F }
        "${specification%% *}"
        if ((${#COMPREPLY[@]})); then printf '%s\n' "${COMPREPLY[@]}"; fi"#;
    let mut command = Command::new(need("bash", "bash"));
    let output = command.args(["--norc", "-c", script, "bash", line]).current_dir(desk).output().expect("bash starts");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

/// What fish offers behind these words.
fn offered_by_fish(desk: &Path, line: &str) -> Vec<String> {
    let mut command = Command::new(need("fish", "fish"));
    command.args(["--no-config", "--command", "source ./completions; complete -C $argv[1]", line]);
    let output = command.current_dir(desk).env("HOME", desk).env("LC_ALL", "C.UTF-8").output().expect("fish starts");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn bash_and_fish_offer_the_same() {
    let (bash, fish) = (desk("bash"), desk("fish"));
    for (line, from_bash, from_fish) in [
        (
            "rollback_service run --date=",
            &["2026-11-20", "2026-11-19"][..],
            &["--date=2026-11-20", "--date=2026-11-19"][..],
        ),
        ("rollback_service run --date ", &["2026-11-20", "2026-11-19"], &["2026-11-20", "2026-11-19"]),
        (
            "rollback_service run --dump=kept --date=",
            &["2026-12-24T18:00:00Z", "2026-12-01"],
            &["--date=2026-12-24T18:00:00Z", "--date=2026-12-01"],
        ),
        (
            "rollback_service run --dump=odd --date=",
            // Quoted, since bash puts there what it is given; fish quotes what it puts there.
            &["Zürich\\ it\\'s\\ \\\"\\$HOME\\\"", "🔔:a\\ b", "c\\`d\\\\e"],
            &["--date=Zürich it's \"$HOME\"", "--date=🔔:a b", "--date=c`d\\e"],
        ),
        ("rollback_service run --env=", &["dev", "stage", "prod"], &["--env=dev", "--env=prod", "--env=stage"]),
        ("rollback_service get --env=", &[], &[]),
        ("hang --env=", &[], &[]),
        ("hang --key=@ca", &["@ca.pem"], &["--key=@ca.pem"]),
        ("hang ca", &["ca.pem"], &["ca.pem"]),
        ("rollback_service run --pwd=@my", &["@my\\ secret\\'s\\ \\$file"], &["--pwd=@my secret's $file"]),
        ("rollback_service run --pwd=my", &[], &[]),
        ("bells.py ring --tone=", &["it\\'s", "cost\\$x", "a\\|b"], &["--tone=a|b", "--tone=cost$x", "--tone=it's"]),
        ("bells.py ring --env=", &["asia", "europe"], &["--env=asia", "--env=europe"]),
        ("rollback_service run --dump=nowhere --date=", &[], &[]),
        ("rollback_service get --format=", &["table", "json"], &["--format=json", "--format=table"]),
        ("rollback_service get --rep", &["--repo="], &["--repo"]),
        ("rollback_service run --allow", &["--allow-partial"], &["--allow-partial"]),
        ("rollback_service run --imm", &[], &[]),
        ("firebreak completions ", &["bash", "fish", "zsh"], &["bash", "fish", "zsh"]),
    ] {
        let mut offered = offered_by_bash(bash.path(), line);
        if line.ends_with("completions ") {
            offered.retain(|word| !word.starts_with('-'));
            offered.sort();
        }
        assert_eq!(offered, from_bash, "bash, for `{line}`");
        let mut offered = offered_by_fish(fish.path(), line);
        if !line.contains("--date") {
            offered.sort();
        }
        assert_eq!(offered, from_fish, "fish, for `{line}`");
    }
}

#[test]
fn what_cannot_be_written_is_an_error_and_a_closed_pipe_is_none() {
    let programs = [FIREBREAK, env!("CARGO_BIN_EXE_firedrill"), env!("CARGO_BIN_EXE_rollback_service")];
    let calls = programs.iter().flat_map(|program| [(*program, &["--help"][..]), (program, &["--version"])]);
    let printing: [&[&str]; 4] = [&["completions", "zsh"], &["man"], &["list"], &["list", "--format=json"]];
    for (program, words) in calls.chain(printing.map(|words| (FIREBREAK, words))) {
        let name = Path::new(program).file_name().expect("a name").to_string_lossy().into_owned();
        let call = |to: Stdio| {
            let mut command = Command::new(program);
            let output = command.args(words).current_dir(root()).stdout(to).output().expect("the program starts");
            (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
        };
        let full = File::options().write(true).open("/dev/full").expect("a disk that is full");
        let (code, said) = call(full.into());
        assert_eq!(code, Some(1), "{name} {words:?}: {said}");
        let why = format!("{name} error: failed to write to stdout: No space left on device (os error 28)");
        assert!(said.starts_with(&why) && said.lines().count() == 1, "{name} {words:?}: {said}");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        assert_eq!(call(writer.into()), (Some(0), String::new()), "{name} {words:?}");
    }
}

fn pages() -> Vec<PathBuf> {
    let folder = root().join("share/man/man1");
    let pages = std::fs::read_dir(folder).expect("the man pages").map(|entry| entry.expect("a page").path());
    pages.collect()
}

#[test]
fn the_man_pages_are_free_of_warnings() {
    assert!(!pages().is_empty());
    for page in pages() {
        let mut groff = Command::new(need("groff", "groff"));
        let output = groff.args(["-man", "-ww", "-z", "-Tutf8"]).arg(&page).output().expect("groff starts");
        assert!(output.status.success() && output.stderr.is_empty(), "{}: {output:?}", page.display());
        let mut mandoc = Command::new(need("mandoc", "mandoc"));
        let output = mandoc.args(["-Tlint", "-W", "warning"]).arg(&page).output().expect("mandoc starts");
        let said = String::from_utf8(output.stdout).expect("UTF-8");
        // A page that is derived has no date of its own.
        let said: Vec<_> = said.lines().filter(|line| !line.contains("missing date, using \"\": TH")).collect();
        assert_eq!(said, [""; 0], "{}", page.display());
    }
}

#[test]
fn man_prints_a_page_that_says_what_the_usage_text_says() {
    let text = printed(&["man", "rollback_service"]);
    assert!(text.starts_with(".\\\" Derived from src/bin/rollback_service.rs by `firebreak sync`"), "{text}");
    let folder = tempfile::tempdir().expect("a folder");
    let page = folder.path().join("rollback_service.1");
    std::fs::write(&page, text).expect("a file");
    let mut mandoc = Command::new(need("mandoc", "mandoc"));
    let output = mandoc.args(["-Tutf8", "-Owidth=78"]).arg(page).output().expect("mandoc starts");
    let shown = String::from_utf8(output.stdout).expect("UTF-8");
    // Bold is a letter printed over itself.
    let letters: Vec<char> = shown.chars().collect();
    let over = |at: usize| letters.get(at + 1) == Some(&'\u{8}');
    let plain: String =
        (0..letters.len()).filter(|&at| !over(at) && letters[at] != '\u{8}').map(|at| letters[at]).collect();
    let words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "NAME rollback_service - Roll back a set of services to a date SYNOPSIS rollback_service get --repo=<r> --env=<e>",
        "PROBLEM A release of several services is broken.",
        "--keep=n How many dates to offer, the newest first. Default: 10",
        "--format=f Tables for people, or one JSON document. One of: table, json. Default: table",
        "EXIT STATUS 0 Done, or nothing to do.",
        "NOTES A secret is best given as @path",
        "EXAMPLES rollback_service get --repo=billing,orders,users,web --env=develop",
    ] {
        assert!(words.contains(part), "'{part}' is missing in:\n{plain}");
    }
    let own = printed(&["man"]);
    assert!(own.starts_with(".\\\" Derived from src/bin/firebreak.rs by `firebreak sync`"), "{own}");
}

/// Python with jsonschema, which ansible-lint brings.
const CHECK: &str = r"
import json, sys, yaml, jsonschema
folder, inventories = sys.argv[1], sys.argv[2:]
schema = json.load(open(folder + '/arguments.schema.json'))
jsonschema.Draft202012Validator.check_schema(schema)
def errors(part, value):
    return [e.message for e in jsonschema.Draft202012Validator({**schema, **part}).iter_errors(value)]
found = {}
for name in inventories:
    found.update(yaml.safe_load(open(name)) or {})
assert errors({}, found) == [], errors({}, found)
ref = lambda entry: {'$ref': '#/$defs/' + entry}
assert errors(ref('get'), found) == [], errors(ref('get'), found)
assert errors(ref('run'), found) == [repr('rollback_service_date') + ' is a required property'], errors(ref('run'), found)
assert errors(ref('run'), {**found, 'rollback_service_date': '2026-11-20'}) == []
assert errors({}, {'rollback_service_keep': 'many'}) == [repr('many') + ' is not of type ' + repr('integer')]
assert all(schema['properties'][n].get('writeOnly') for n in schema['properties'] if n.endswith('_pwd'))
survey = json.load(open(folder + '/survey.json'))
asked = {q['variable']: q for q in survey['spec']}
assert set(asked) <= set(schema['properties']), asked
assert asked['rollback_service_date']['type'] == 'text'
assert asked['rollback_service_pwd'] == {
    'question_name': '--pwd', 'required': False, 'type': 'password', 'choices': [],
    'question_description': 'The password at DC/OS. Leave it empty: then as the inventory has it.', 'variable': 'rollback_service_pwd'}, asked['rollback_service_pwd']
for q in asked.values():
    assert q['type'] in ('text', 'password', 'integer', 'multiplechoice'), q
    # AWX passes a default as an extra variable, which beats the inventory.
    assert 'default' not in q, q
";

#[test]
fn the_schema_is_one_and_the_inventories_keep_it() {
    let python = root().join(".venv/bin/python");
    assert!(python.is_file(), "this test needs .venv: run `make tools`");
    for environment in ["dev", "stage", "prod"] {
        let mut command = Command::new(&python);
        command.args(["-c", CHECK]).arg(root().join("roles/rollback_service"));
        for file in ["00_global.yml", "10_env.yml"] {
            command.arg(root().join(format!("inventories/{environment}/group_vars/all/{file}")));
        }
        let output = command.output().expect("python starts");
        assert!(output.status.success(), "{environment}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
