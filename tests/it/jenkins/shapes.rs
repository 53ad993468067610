//! Buttons of roles that are made differently from those of this repository.

use std::path::Path;

use firebreak::catalogue::{Toolkit, render};
use serde_json::json;

use super::{calls, lines, root, run_in};

/// A role whose command plans, but finds nothing to choose from; every kind of question.
const QUEUE: &str = "Empty a queue of 'jobs'.

Problem:
  The queue is full.

Solution:
  `get` counts. `run` empties.

Usage:
  empty_queue get --queue=<q> [--depth=<d>] [options]
  empty_queue run --queue=<q> [--force] [--only=<name>]... [options]
  empty_queue -h | --help

Options of get:
  --depth=<d>    How to count. [choices: quick exact]

Options of run:
  --force        Also what is under way.
  --only=<name>  Only jobs of this name.

Options of get and run:
  --queue=<q>    The queue: it's a $name.
  --key=<k>      The key of the broker. [env: BROKER_KEY] [secret]
  --check        Plan and stop: change nothing.
  --format=<f>   How to print. [choices: table json] [default: table]
  -h, --help     Show this text.
";

/// An adopted script without a way to plan, to report or to look.
const SCRIPT: &str = "Warm the caches.

Adopted:
  program: warm.py
  run:

Usage: warm.py [--token=<t>] <host>...

Options:
  --token=<t>  The token. [secret]
";

/// Buttons of other shapes than the one role of this repository has.
#[test]
fn a_button_of_every_shape_goes_its_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |path: &str, text: &str| write(folder.path(), path, text);
    write("src/bin/empty_queue.rs", &format!("const USAGE: &str = {QUEUE:?};"));
    write("roles/warm/usage.txt", SCRIPT);
    // An inventory is a folder: its hosts stand in a file of any kind.
    for hosts in ["prod/hosts.yml", "dev/hosts.ini", "dev/hosts.yml", "local/hosts.ini", "group_vars/00_global.yml"] {
        write(&format!("inventories/{hosts}"), "");
    }
    for role in ["empty_queue", "warm"] {
        write(&format!("playbooks/{role}.yml"), "");
    }
    for path in ["roles/ROLE/Jenkinsfile", "jenkins/buttons.groovy", "_actions"] {
        write(&format!("templates/{path}"), &template(path));
    }
    derive(folder.path());
    let awkward = "a 'b' ${1 + 1} \\ {{ x }}";
    let builds = run_in(
        folder.path(),
        &json!([
            {
                "file": "roles/empty_queue/Jenkinsfile",
                "credentials": { "firebreak-prod-broker-key": "Secret text" },
                "params": { "environment": "prod", "queue": awkward, "depth": "exact", "force": true, "only": " one, two\r\n\nthree\n" },
                "ansiblePlaybook": [{}, { "writes": { "plan.json": { "text": "", "message": "would empty it" } } },
                    { "writes": { "report.json": { "outcome": "done", "message": "Empty." } } }],
                "input": [{ "by": "anna" }, { "by": "bert", "values": { "confirmation": "prod" } }],
            },
            {
                "file": "roles/warm/Jenkinsfile",
                "credentials": { "firebreak-dev-warm-token": "Secret text" },
                "params": { "environment": "dev", "host": "" },
                "ansiblePlaybook": [{}, {}],
                "input": [{ "by": "anna" }, { "by": "anna", "values": { "confirmation": "dev" } }],
            },
        ]),
    );
    for build in &builds {
        assert_eq!((&build["findings"], &build["result"]), (&json!([]), &json!("SUCCESS")), "{build:#}");
    }
    let [queue, script] = builds.as_slice() else { panic!("two answers") };
    let literal = |value: &str| json!({ "__ansible_unsafe": value });
    let plays = calls(queue, "ansiblePlaybook");
    assert_eq!(
        plays.iter().map(|play| play["variables"][0].clone()).collect::<Vec<_>>(),
        [
            json!({ "empty_queue_queue": literal(awkward), "empty_queue_depth": literal("exact") }),
            json!({ "empty_queue_report": "plan.json", "empty_queue_queue": literal(awkward), "empty_queue_force": true,
                "empty_queue_only": [literal(" one, two"), literal("three")] }),
            json!({ "empty_queue_report": "report.json", "empty_queue_queue": literal(awkward), "empty_queue_force": true,
                "empty_queue_only": [literal(" one, two"), literal("three")] }),
        ]
    );
    assert_eq!(plays[1]["env"], json!({ "BROKER_KEY": "secret-of-firebreak-prod-broker-key" }));
    assert_eq!(queue["description"], "prod, approved by bert: done");
    let asked: Vec<_> = queue["declared"].as_array().expect("parameters").iter().map(|asked| &asked["kind"]).collect();
    assert_eq!(asked, ["choice", "choice", "booleanParam", "text", "string", "string"]);
    let only = "Only jobs of this name. One value a line. Leave it empty: then as the environment has it.";
    assert_eq!(
        queue["declared"][3],
        json!({ "kind": "text", "name": "only", "defaultValue": "", "description": only })
    );
    let seed = std::fs::read_to_string(folder.path().join("jenkins/buttons.groovy")).expect("the seed");
    assert!(seed.contains(&format!("        textParam('only', '',\n            '{only}')\n")), "{seed}");
    assert_eq!(queue["declared"][0]["choices"], json!(["dev", "prod"]));
    assert_eq!(queue["declared"][1]["choices"], json!(["", "quick", "exact"]));
    assert_eq!(
        lines(script),
        [
            "Look: sh rm -f look.json",
            "Look: writeJSON look.json",
            "Look: ansiblePlaybook get",
            "Choose: timeout",
            "Choose > timeout: input dev: the log says what the look found. Go on? Nothing is changed yet.",
            "Approve: timeout",
            "Approve > timeout: input Run warm in dev? Chosen by anna.",
            "Approve: milestone",
            "Run: lock warm-dev",
            "Run > lock: sh rm -f report.json",
            "Run > lock: writeJSON run.json",
            r#"Run > lock: withEnv ["FIREBREAK_APPROVER=anna"]"#,
            "Run > lock > withEnv: withCredentials WARM_TOKEN",
            "Run > lock > withEnv: withCredentials WARM_TOKEN",
            "Run > lock > withEnv > withCredentials: ansiblePlaybook run",
            "Run: archiveArtifacts run.json,report.json",
        ]
    );
    assert_eq!(
        calls(script, "ansiblePlaybook")[1]["env"],
        json!({ "FIREBREAK_APPROVER": "anna", "WARM_TOKEN": "secret-of-firebreak-dev-warm-token" })
    );
}

/// The approval that a button asks for is what the usage text says.
#[test]
fn a_button_asks_for_the_approval_that_its_text_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |path: &str, text: &str| write(folder.path(), path, text);
    let roles = [
        ("open_queue", "none"),
        ("name_queue", "typed name"),
        ("two_queue", "second person"),
        ("guard_queue", "none; second person in production"),
    ];
    write("roles/.gitkeep", "");
    for (role, approval) in roles {
        let text = format!("{}\nApproval:\n  {approval}\n", QUEUE.replace("empty_queue", role));
        write(&format!("src/bin/{role}.rs"), &format!("const USAGE: &str = {text:?};"));
        write(&format!("playbooks/{role}.yml"), "");
    }
    for hosts in ["prod/hosts.ini", "dev/hosts.ini"] {
        write(&format!("inventories/{hosts}"), "");
    }
    for path in ["roles/ROLE/Jenkinsfile", "_actions"] {
        write(&format!("templates/{path}"), &template(path));
    }
    derive(folder.path());
    let pressed = |role: &str, environment: &str, inputs: serde_json::Value| {
        json!({
            "file": format!("roles/{role}/Jenkinsfile"),
            "params": { "environment": environment, "queue": "jobs of anna", "depth": "", "force": false, "only": "" },
            "ansiblePlaybook": [{}, { "writes": { "plan.json": { "text": "", "message": "would empty it" } } },
                { "writes": { "report.json": { "outcome": "done", "message": "Empty." } } }],
            "input": inputs,
        })
    };
    let person = |who: &str, environment: &str| json!({ "by": who, "values": { "confirmation": environment } });
    let (anna, bert) = (json!({ "by": "anna" }), json!({ "by": "bert" }));
    let builds = run_in(
        folder.path(),
        &json!([
            pressed("open_queue", "prod", json!([])),
            pressed("name_queue", "prod", json!([anna, person("anna", "prod")])),
            pressed("two_queue", "dev", json!([anna, person("anna", "dev")])),
            pressed("two_queue", "dev", json!([anna, person("bert", "dev")])),
            pressed("guard_queue", "dev", json!([bert])),
            pressed("guard_queue", "prod", json!([anna, person("anna", "prod")])),
            pressed("guard_queue", "prod", json!([anna, person("bert", "prod")])),
        ]),
    );
    let ends: Vec<_> = builds
        .iter()
        .map(|build| {
            assert_eq!(build["findings"], json!([]), "{build:#}");
            let description = build["description"].as_str().unwrap_or_default().to_owned();
            (build["result"].as_str().unwrap_or_default().to_owned(), description, calls(build, "input").len())
        })
        .collect();
    let end = |result: &str, description: &str, inputs: usize| (result.to_owned(), description.to_owned(), inputs);
    assert_eq!(
        ends,
        [
            end("SUCCESS", "prod: done", 0),
            end("SUCCESS", "prod, approved by anna: done", 2),
            end("FAILURE", "", 2),
            end("SUCCESS", "dev, approved by bert: done", 2),
            end("SUCCESS", "dev: done", 1),
            end("FAILURE", "", 2),
            end("SUCCESS", "prod, approved by bert: done", 2),
        ]
    );
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, text).expect("a file");
}

/// Writes what the templates of a toolkit make of its texts.
fn derive(folder: &Path) {
    let toolkit = Toolkit::open(folder).expect("the toolkit");
    for file in render::render(&toolkit).expect("the buttons") {
        write(folder, &file.path.display().to_string(), &file.text);
    }
}

fn template(path: &str) -> String {
    std::fs::read_to_string(root().join("templates").join(path)).expect("a template")
}
