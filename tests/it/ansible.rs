//! The playbook, run by the real Ansible: what reaches the program, what is shown, what stays behind.

mod calls;
mod check_mode;
mod hosts;
mod real;
mod used;
mod versions;

use std::process::Command;

use firebreak::action::manual::Manual;
use serde_json::{Value, json};

use crate::support::ansible::{AnsibleSandbox, Played, tool};
use crate::support::program::PROGRAM;

pub const RUN: [&str; 4] = ["--tags", "run", "-e", "rollback_service_date=2026-11-20"];

/// A sandbox where somebody has looked.
pub fn looked() -> AnsibleSandbox {
    let sandbox = AnsibleSandbox::with_stand_in();
    std::fs::write(sandbox.path("rollback.json"), r#"{"all":["billing"]}"#).expect("a dump");
    sandbox
}

pub fn succeeds(played: &Played, changed: u32) {
    assert_eq!(played.code, 0, "{}", played.text);
    assert_eq!((played.recap("changed"), played.recap("failed")), (changed, 0), "{}", played.text);
}

#[test]
fn without_tags_it_only_looks() {
    let sandbox = AnsibleSandbox::with_stand_in();
    let mut command = sandbox.command(&[]);
    command.envs([
        ("FIREBREAK_REGISTRY_PWD", "secret"),
        ("BUILD_URL", "https://jenkins/7"),
        ("FIREBREAK_APPROVER", "anna"),
    ]);
    let played = AnsibleSandbox::end(command);
    succeeds(&played, 0);
    assert_eq!(
        sandbox.notes(),
        [json!({
            "command": "get",
            "options": {
                "--format": "json",
                "--dump": "FOLDER",
                "--repo": "billing,orders,users,web",
                "--env": "develop",
                "--registry": "https://registry.example",
                "--registry-user": "",
                "--registry-pwd": "@FOLDER/secrets/registry_pwd",
                "--cacert": "",
                "--keep": "10",
                "--running": "dev",
                "--journal": "",
                "--platform": "marathon+https://dcos.example",
                "--user": "",
            },
            "switches": [],
            "secrets": { "--registry-pwd": { "value": "secret", "mode": "0o600", "folder_mode": "0o700" } },
            "folder": "FOLDER",
            "folder_mode": "0o700",
            "files": ["rollback_service", "secrets"],
            "build": "https://jenkins/7",
            "approver": "anna",
        })]
    );
    let dates = "date        billing\n        2026-11-20  1.5.0-develop\n        2026-11-19  ↑ 1.4.0-develop\n        \
                 ↑ nothing was built that day\n        develop: Looked.\n";
    assert!(played.text.contains(dates), "{}", played.text);
    let dump: Value =
        serde_json::from_slice(&std::fs::read(sandbox.path("rollback.json")).expect("a dump")).expect("JSON");
    assert_eq!(dump["all"], json!(["billing", "orders", "users", "web"]));
    assert_eq!(sandbox.left_over(), [""; 0]);

    let checked = AnsibleSandbox::with_stand_in();
    succeeds(&checked.play(&["--tags", "get", "--check", "--diff"]), 0);
    assert_eq!(checked.notes().len(), 1);
    assert!(!checked.path("rollback.json").exists(), "--check wrote the dump");
}

#[test]
fn with_the_tag_run_it_acts_and_keeps_the_report() {
    let sandbox = looked();
    let mut command = sandbox.command(&RUN);
    command.args(["-e", "rollback_service_report=report.json"]);
    command.envs([("FIREBREAK_PWD", "a"), ("FIREBREAK_REGISTRY_PWD", "b"), ("FIREBREAK_SLACK", "c")]);
    let played = AnsibleSandbox::end(command);
    succeeds(&played, 1);
    let secret = |value: &str| json!({ "value": value, "mode": "0o600", "folder_mode": "0o700" });
    assert_eq!(
        sandbox.notes(),
        [json!({
            "command": "run",
            "options": {
                "--format": "json",
                "--dump": "FOLDER",
                "--date": "2026-11-20",
                "--env": "dev",
                "--platform": "marathon+https://dcos.example",
                "--user": "",
                "--pwd": "@FOLDER/secrets/pwd",
                "--registry": "https://registry.example",
                "--by": "built",
                "--only": "",
                "--journal": "",
                "--registry-user": "",
                "--registry-pwd": "@FOLDER/secrets/registry_pwd",
                "--cacert": "",
                "--slack": "@FOLDER/secrets/slack",
                "--timeout": "600",
            },
            "switches": ["--yes"],
            "secrets": { "--pwd": secret("a"), "--registry-pwd": secret("b"), "--slack": secret("c") },
            "folder": "FOLDER",
            "folder_mode": "0o700",
            "files": ["rollback.json", "rollback_service", "secrets"],
            "build": "",
            "approver": "",
            "dump": { "all": ["billing"] },
        })]
    );
    let told = "service  from           to\n        billing  billing:1.5.0  billing:1.4.0\n        dev: Went back.\n";
    assert!(played.text.contains(told), "{}", played.text);
    let report: Value =
        serde_json::from_slice(&std::fs::read(sandbox.path("report.json")).expect("a report")).expect("JSON");
    assert_eq!(report["outcome"], "done");
    assert_eq!(sandbox.left_over(), [""; 0]);

    let again = sandbox.play(&["--tags", "run", "-e", "rollback_service_date=2026-11-21"]);
    succeeds(&again, 0);
}

#[test]
fn each_further_command_has_a_tag_of_its_name() {
    let sandbox = AnsibleSandbox::with_stand_in();
    for command in ["undo", "resume"] {
        let mut play = sandbox.command(&["--tags", command, "-e", "rollback_service_report=report.json"]);
        play.envs([("FIREBREAK_PWD", "a"), ("FIREBREAK_REGISTRY_PWD", "b"), ("FIREBREAK_SLACK", "c")]);
        succeeds(&AnsibleSandbox::end(play), 1);
        let report = std::fs::read(sandbox.path("report.json")).expect("a report");
        assert_eq!(serde_json::from_slice::<Value>(&report).expect("JSON")["command"], command);

        let checked = sandbox.play(&["--tags", command, "-e", "rollback_service_run=7-abc123", "--check", "--diff"]);
        succeeds(&checked, 1);
        assert!(checked.text.contains("\n-billing: billing:1.5.0\n+billing: billing:1.4.0\n"), "{}", checked.text);
    }
    let secret = |value: &str| json!({ "value": value, "mode": "0o600", "folder_mode": "0o700" });
    let [undo, chosen, resume, _] = sandbox.notes().try_into().expect("four calls");
    assert_eq!(
        undo,
        json!({
            "command": "undo",
            "options": {
                "--format": "json",
                "--env": "dev",
                "--run": "",
                "--platform": "marathon+https://dcos.example",
                "--user": "",
                "--pwd": "@FOLDER/secrets/pwd",
                "--registry": "https://registry.example",
                "--journal": "",
                "--registry-user": "",
                "--registry-pwd": "@FOLDER/secrets/registry_pwd",
                "--cacert": "",
                "--slack": "@FOLDER/secrets/slack",
                "--timeout": "600",
            },
            "switches": ["--yes"],
            "secrets": { "--pwd": secret("a"), "--registry-pwd": secret("b"), "--slack": secret("c") },
            "folder": "FOLDER",
            "folder_mode": "0o700",
            "files": ["rollback_service", "secrets"],
            "build": "",
            "approver": "",
        })
    );
    assert_eq!(chosen["options"]["--run"], "7-abc123");
    assert_eq!(chosen["switches"], json!(["--yes", "--check"]));
    assert_eq!((&resume["command"], &resume["options"]), (&json!("resume"), &undo["options"]));
    assert_eq!(sandbox.left_over(), [""; 0]);
}

#[test]
fn check_and_diff_do_what_an_ansible_user_expects() {
    let sandbox = looked();
    let played = sandbox.play(&[&RUN[..], &["--check", "--diff"]].concat());
    succeeds(&played, 1);
    assert_eq!(sandbox.notes()[0]["switches"], json!(["--yes", "--check"]));
    assert!(played.text.contains("\n-billing: billing:1.5.0\n+billing: billing:1.4.0\n"), "{}", played.text);
    assert_eq!(sandbox.left_over(), [""; 0]);

    let unchanged = sandbox.play(&["--tags", "run", "-e", "rollback_service_date=2026-11-21", "--check", "--diff"]);
    succeeds(&unchanged, 0);
}

#[test]
fn a_failing_program_says_why_and_leaves_nothing_behind() {
    let sandbox = looked();
    for words in [&[][..], &RUN] {
        let mut command = sandbox.command(words);
        command.env("STAND_IN_EXIT", "3");
        let played = AnsibleSandbox::end(command);
        assert_eq!(played.code, 2, "{}", played.text);
        assert_eq!((played.recap("failed"), played.recap("changed")), (1, 0), "{}", played.text);
        for line in [
            "error: failed to list the tags of repository 'billing'",
            "hint: the second line of what the program says",
            "rc: 3",
        ] {
            assert!(played.text.contains(line), "'{line}' is missing: {}", played.text);
        }
        assert_eq!(sandbox.left_over(), [""; 0]);
    }
}

#[test]
fn what_the_report_says_is_shown_where_people_approve_and_where_it_fails() {
    let sandbox = looked();
    let play = |words: &[&str], code: &str, report: Value| {
        let mut command = sandbox.command(words);
        command.env("STAND_IN_EXIT", code).env("STAND_IN_REPORT", report.to_string());
        AnsibleSandbox::end(command)
    };
    let table = "service  from  to\nbilling  2     1\nweb      1     unchanged\nusers: left as it is";
    let checked = play(
        &[&RUN[..], &["--check"]].concat(),
        "0",
        json!({ "message": "would change 1 service", "text": table, "warnings": ["{{ not a template }}"] }),
    );
    succeeds(&checked, 1);
    let planned = "service  from  to\n        billing  2     1\n        web      1     unchanged\n        \
                users: left as it is\n        warning: {{ not a template }}\n        dev: would change 1 service\n";
    assert!(checked.text.contains(planned), "{}", checked.text);

    let table = "service  state\nbilling  as before\nweb      needs an operator\nweb: it is no longer there";
    let failed = play(&RUN, "3", json!({ "message": "Look at web.", "changed": true, "text": table }));
    assert_eq!(failed.code, 2, "{}", failed.text);
    assert_eq!((failed.recap("failed"), failed.recap("changed")), (1, 1), "{}", failed.text);
    // What is to be done next stands last.
    let told = "service  state\n        billing  as before\n        web      needs an operator\n        \
                web: it is no longer there\n        dev: Look at web.\n        rc: 3\n\nPLAY RECAP ";
    assert!(failed.text.contains(told), "{}", failed.text);
    assert!(!failed.text.contains("stderr"), "{}", failed.text);
    assert_eq!(sandbox.left_over(), [""; 0]);
}

#[test]
fn secrets_are_in_no_output_and_no_file_at_any_verbosity() {
    let secrets = ["MARKED-dcos-one", "MARKED-registry-two", "https://hooks.example/MARKED-slack-three"];
    let sandbox = looked();
    let names = ["rollback_service_pwd", "rollback_service_registry_pwd", "rollback_service_slack"];
    let variables = ["FIREBREAK_PWD", "FIREBREAK_REGISTRY_PWD", "FIREBREAK_SLACK"];
    for (code, by_variable) in [("0", false), ("1", true)] {
        let mut command = sandbox.command(&["--tags", "get,run", "-e", RUN[3], "-vvvvv", "--diff"]);
        command.env("STAND_IN_EXIT", code);
        if by_variable {
            let values: serde_json::Map<_, _> =
                names.iter().zip(secrets).map(|(name, secret)| ((*name).to_owned(), json!(secret))).collect();
            command.args(["-e", &sandbox.variables(&Value::Object(values))]);
        } else {
            command.envs(variables.iter().zip(secrets));
        }
        let played = AnsibleSandbox::end(command);
        assert_eq!(played.code == 0, code == "0", "{}", played.text);
        let shown: Vec<_> = played.text.lines().filter(|line| line.contains("MARKED")).collect();
        assert_eq!(shown, [""; 0]);
    }
    let received = |note: &Value| note["secrets"].as_object().map_or(0, serde_json::Map::len);
    assert_eq!(sandbox.notes().iter().map(received).collect::<Vec<_>>(), [2, 3, 2]);
    // What the test itself wrote; nothing else holds one.
    let mut files = sandbox.files_with("MARKED");
    files.sort();
    assert_eq!(files, [sandbox.path("note"), sandbox.path("vars.json")]);

    let mistyped = sandbox
        .variables(&json!({ "rollback_service_pwd": ["MARKED-in-a-list"], "rollback_service_date": "2026-11-20" }));
    let played = sandbox.play(&["--tags", "run", "-vvvvv", "-e", &mistyped]);
    assert!(!played.text.contains("MARKED-in-a-list"), "{}", played.text);
}

#[test]
fn awkward_values_go_through_as_they_are() {
    let awkward = "a 'b' \"c\" {{ 1 + 1 }} {% if %} $HOME $(id) `id` ~ \\n\nsecond line é ☃ #; & | * --yes";
    let as_data = |value: &str| json!({ "__ansible_unsafe": value });
    let sandbox = looked();
    std::fs::write(sandbox.path("hook of ours"), " spaces around \n").expect("a file with a secret");
    let values = json!({
        "rollback_service_date": as_data(awkward),
        "rollback_service_repo": as_data(awkward),
        "rollback_service_user": as_data(awkward),
        "rollback_service_cacert": as_data(awkward),
        "rollback_service_pwd": as_data(awkward),
        "rollback_service_registry_pwd": as_data("{\"looks\": [\"like\", \"JSON\"]}"),
        // A file of the controller, named as on the program's command line.
        "rollback_service_slack": "@hook of ours",
        "rollback_service_timeout": 30,
        "rollback_service_keep": "5",
        "rollback_service_insecure": "yes",
        "rollback_service_pin": "false",
        "rollback_service_allow_partial": true,
        "rollback_service_immutable_tags": "True",
    });
    let mut command = sandbox.command(&["--tags", "get,run", "-e", &sandbox.variables(&values)]);
    command.env("FIREBREAK_APPROVER", awkward);
    succeeds(&AnsibleSandbox::end(command), 1);
    let [get, run] = sandbox.notes().try_into().expect("two calls");
    assert_eq!(get["options"]["--repo"], awkward);
    assert_eq!(get["options"]["--cacert"], awkward);
    assert_eq!(get["options"]["--keep"], "5");
    assert_eq!(get["switches"], json!(["--immutable-tags", "--insecure"]));
    assert_eq!(run["options"]["--date"], awkward);
    assert_eq!(run["options"]["--user"], awkward);
    assert_eq!(run["options"]["--timeout"], "30");
    assert_eq!(run["switches"], json!(["--yes", "--allow-partial", "--insecure"]));
    assert_eq!(run["secrets"]["--pwd"]["value"], awkward);
    assert_eq!(run["secrets"]["--registry-pwd"]["value"], "{\"looks\": [\"like\", \"JSON\"]}");
    assert_eq!(run["secrets"]["--slack"]["value"], " spaces around \n");
    assert_eq!(run["approver"], awkward);
}

#[test]
fn what_is_typed_cannot_become_another_variable() {
    let sandbox = looked();
    // As the Jenkins button writes it.
    let typed = "2020-01-01 rollback_service_env=prod rollback_service_insecure=true";
    let variables = sandbox.variables(&json!({ "rollback_service_date": { "__ansible_unsafe": typed } }));
    succeeds(&sandbox.play(&["--tags", "run", "-e", &variables]), 1);
    let note = &sandbox.notes()[0];
    assert_eq!(note["options"]["--date"], typed);
    assert_eq!(note["options"]["--env"], "dev");
    assert_eq!(note["switches"], json!(["--yes"]));
}

#[test]
fn what_is_missing_or_wrong_is_named_before_anything_runs() {
    let sandbox = AnsibleSandbox::with_stand_in();
    let refused = |words: &[&str], why: &str| {
        let played = sandbox.play(words);
        assert_ne!(played.code, 0, "{words:?}: {}", played.text);
        assert!(
            played.text.split_whitespace().collect::<Vec<_>>().join(" ").contains(why),
            "{words:?}: {}",
            played.text
        );
    };
    refused(&RUN, "There is no rollback.json in '.' on the controller. Call the playbook without tags first");
    refused(
        &["--tags", "run"],
        "`--tags run` needs rollback_service_date: one of those that the look prints. Nothing was changed.",
    );
    refused(&["--tags", "rnu"], "There is no tag 'rnu', so nothing was done.");
    refused(
        &["-e", "rollback_service_registry_pwd=@/nope"],
        "rollback_service_registry_pwd: the file that it names cannot be read on the controller (No such file or directory). A value \
         that begins with @ is the path of a file. Nothing was done.",
    );
    refused(&["--tags", "never", "--check"], "There is no tag 'never', so nothing was done.");
    for tag in ["undo", "resume"] {
        let why = format!("`--tags {tag}` needs rollback_service_env: The environment in the names");
        refused(&["--tags", tag, "-e", "rollback_service_env="], &why);
    }
    std::fs::write(sandbox.path("empty.ini"), "[firebreak]\n").expect("an inventory without a host");
    let mut command = Command::new(tool("ansible-playbook"));
    let template = sandbox.command(&[]);
    command.args(["-i", "empty.ini", "playbooks/rollback_service.yml"]).current_dir(sandbox.folder.path());
    command.env_clear().envs(template.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let played = AnsibleSandbox::end(command);
    assert_eq!(played.code, 2, "{}", played.text);
    assert!(played.text.contains("The inventory has no host in the group 'firebreak'"), "{}", played.text);
    refused(&["-e", "rollback_service_keep=many"], "rollback_service_keep");
    refused(&["-i", "inventories/pord/hosts.ini"], "inventories/pord/hosts.ini");
    std::fs::remove_file(sandbox.path("roles/rollback_service/files/rollback_service")).expect("the program");
    refused(&[], "The static program is not built yet. Run `make build` in the toolkit's folder first.");
    assert_eq!(sandbox.notes(), [Value::Null; 0]);
    assert_eq!(sandbox.left_over(), [""; 0]);
}

#[test]
fn every_environment_has_its_own_variables_beside_the_shared_ones() {
    let sandbox = AnsibleSandbox::with_stand_in();
    for (environment, image, host) in [
        ("local", "develop", "localhost"),
        ("dev", "develop", "firebreak.dev.example.com"),
        ("stage", "stage", "firebreak.stage.example.com"),
        ("prod", "master", "firebreak.prod.example.com"),
    ] {
        let folder = sandbox.path("inventories").join(environment);
        let link =
            std::fs::read_link(folder.join("group_vars/all/00_global.yml")).expect("a link to the shared variables");
        assert_eq!(link, std::path::Path::new("../../../group_vars/00_global.yml"));
        let output = Command::new(tool("ansible-inventory"))
            .args(["--list", "-i"])
            .arg(folder.join("hosts.ini"))
            .current_dir(sandbox.folder.path())
            .env("HOME", sandbox.path("home"))
            .output()
            .expect("ansible-inventory runs");
        let inventory: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(inventory["firebreak"]["hosts"], json!([host]), "one host acts");
        let variables = &inventory["_meta"]["hostvars"][host];
        let env = if environment == "local" { "dev" } else { environment };
        assert_eq!(variables["rollback_service_env"], env);
        assert_eq!(variables["rollback_service_image_env"], image);
        assert_eq!(variables["rollback_service_repo"], "billing,orders,users,web");
    }
}

/// The role's variables are the program's options, with the same defaults: neither can know one that the other does not.
#[test]
fn the_roles_variables_are_the_programs_options() {
    let help = Command::new(PROGRAM).arg("--help").output().expect("the program runs");
    let manual = Manual::read(&String::from_utf8(help.stdout).expect("UTF-8")).expect("a manual");
    let output = Command::new(tool("ansible-doc"))
        .args(["--type", "role", "--roles-path", "roles", "--json", "rollback_service"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("ansible-doc runs");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    // The role sets these itself.
    let own = ["--format", "--check", "--yes", "--help", "--version"];
    // What only the role knows: two words for one environment, and files around the program.
    let around = ["approver", "build", "report", "temp", "records"];
    for command in ["get", "run", "undo", "resume"] {
        let options = manual
            .options
            .iter()
            .filter(|option| manual.takes(command, option) && !own.contains(&option.name.as_str()));
        let variable = |name: &str| match (command, name) {
            ("get", "--env") => "rollback_service_image_env".to_owned(),
            _ => name.replacen("--", "rollback_service_", 1).replace('-', "_"),
        };
        let mut expected: Vec<_> = options.clone().map(|option| variable(&option.name)).collect();
        expected.extend(around.map(|name| format!("rollback_service_{name}")));
        expected.sort();
        let specification = &document["rollback_service"]["entry_points"][command]["options"];
        let mut documented: Vec<_> = specification.as_object().expect("options").keys().cloned().collect();
        documented.sort();
        assert_eq!(documented, expected, "{command}");
        for option in options {
            let documented = &specification[variable(&option.name)];
            if let Some(default) = &option.default {
                let shown =
                    documented["default"].as_str().map_or_else(|| documented["default"].to_string(), str::to_owned);
                assert_eq!(&shown, default, "{command} {}", option.name);
            }
            assert_eq!(documented["no_log"] == true, option.secret, "{command} {}", option.name);
        }
    }
}
