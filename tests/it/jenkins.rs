//! The Jenkinsfiles, run step by step in Groovy against a strict list of what they may say (`tests/jenkins`).

mod credentials;
mod shapes;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::support::core::Core;
use crate::support::need;

const BUTTON: &str = "roles/rollback_service/Jenkinsfile";

/// What somebody might type who wants to reach another environment, a shell or a template.
const INJECTION: &str = "billing rollback_service_env=prod {{ lookup('env', 'HOME') }} \"; $(id) #";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs all builds in one process: starting Groovy takes longer than running them.
fn run(builds: &Value) -> Vec<Value> {
    run_in(root(), builds)
}

/// The same with the files of another folder.
pub(crate) fn run_in(root_of_files: &Path, builds: &Value) -> Vec<Value> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let request = folder.path().join("builds.json");
    std::fs::write(&request, json!({ "root": root_of_files, "builds": builds }).to_string()).expect("the request");
    let _core = Core::wait();
    let output = Command::new(need("groovy", "groovy"))
        .arg("-cp")
        .arg(root().join("tests/jenkins"))
        .arg(root().join("tests/jenkins/run.groovy"))
        .arg(&request)
        .output()
        .expect("groovy runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "groovy failed: {errors}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("groovy's answer: {error}\n{errors}"))
}

/// A build of the button that goes well, to be changed by a test.
fn build(environment: &str, repositories: &str) -> Value {
    let dates =
        json!({ "2026-11-18": [], "2026-11-20": [{ "1.4.0-develop": "billing" }], "2026-11-16": [], "2026-11-19": [] });
    let found = json!({ "all": ["billing", "orders"], "rollbacks": dates, "incomplete": { "2026-11-16": ["orders"] } });
    let plan = json!({
        "text": "service  from   to\nbilling  1.5.0  1.4.0\nThe look is two days old.",
        "message": "would change 1 service",
        "warnings": ["the clock is wrong"],
    });
    let credentials = ["pwd", "registry-pwd", "slack"]
        .map(|name| (format!("firebreak-{environment}-{name}"), json!("Secret text")))
        .into_iter()
        .collect::<Map<_, _>>();
    json!({
        "file": BUTTON,
        "params": { "environment": environment, "repo": repositories },
        "credentials": credentials,
        "ansiblePlaybook": [
            { "writes": { "rollback.json": found } },
            { "writes": { "plan.json": plan } },
            { "writes": { "report.json": { "outcome": "done", "message": "All services are at 2026-11-19." } } },
        ],
        "input": [
            { "by": "anna", "values": { "date": "2026-11-19" } },
            { "by": "bert", "values": { "confirmation": environment } },
        ],
    })
}

/// A build's steps, one line each: stage, the steps around it, and what tells it from others.
pub(crate) fn lines(build: &Value) -> Vec<String> {
    let steps = build["steps"].as_array().expect("steps");
    steps
        .iter()
        .map(|step| {
            let text = |name: &str| step[name].as_str().expect("a text").to_owned();
            let inside: Vec<_> = step["inside"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
            let takes = &step["takes"];
            let telling =
                ["tags", "checkMode", "script", "file", "name", "message", "resource", "artifacts", "overrides"];
            let told: Vec<_> = telling.iter().map(|name| &takes[*name]).filter(|value| !value.is_null()).collect();
            let told: Vec<_> =
                told.iter().map(|value| value.as_str().map_or(value.to_string(), str::to_owned)).collect();
            let bound = takes["bindings"].as_array().map(|bindings| {
                bindings.iter().filter_map(|binding| binding["variable"].as_str().map(str::to_owned)).collect()
            });
            let told: Vec<_> = bound.unwrap_or(told);
            let place: Vec<_> =
                std::iter::once(text("stage")).chain(inside.iter().map(|&name| name.to_owned())).collect();
            format!("{}: {} {}", place.join(" > "), text("step"), told.join(" ")).trim_end().to_owned()
        })
        .collect()
}

/// The calls of one step, with all they take.
fn calls<'a>(build: &'a Value, step: &str) -> Vec<&'a Value> {
    build["steps"].as_array().expect("steps").iter().filter(|call| call["step"] == step).collect()
}

fn said(build: &Value) -> Vec<&str> {
    calls(build, "echo").iter().filter_map(|call| call["takes"]["message"].as_str()).collect()
}

#[test]
fn the_button_goes_its_way_and_ends_without_a_change_where_somebody_says_no() {
    let mut nobody_chooses = build("dev", "");
    nobody_chooses["input"] = json!([{ "abort": "timeout" }]);
    let mut declined = build("dev", "");
    declined["input"][1] = json!({ "abort": "anna" });
    let mut same_person = build("prod", "");
    same_person["input"][1]["by"] = json!("anna");
    let mut mistyped = build("stage", "");
    mistyped["input"][1]["values"]["confirmation"] = json!("prod");
    let mut look_fails = build("dev", "");
    look_fails["ansiblePlaybook"] = json!([{ "fails": "2" }]);
    let mut no_date = build("dev", "");
    no_date["ansiblePlaybook"][0]["writes"]["rollback.json"]["rollbacks"] = json!({ "2026-11-16": [] });
    let mut changed_in_part = build("dev", "");
    changed_in_part["ansiblePlaybook"][2] = json!({ "fails": "2", "writes":
        { "report.json": { "outcome": "needs_operator", "message": "orders is neither at its target nor as before." } } });

    let mut limited = build("dev", "");
    limited["params"]["LIMIT"] = json!("host-2.example_com");
    let mut no_host = build("dev", "");
    no_host["params"]["LIMIT"] = json!("@/etc/hostname");

    let mut undo = build("prod", "");
    undo["params"]["action"] = json!("undo");
    undo["params"]["run"] = json!("7-abc123");
    undo["ansiblePlaybook"].as_array_mut().expect("plays").remove(0);
    undo["input"][0] = json!({ "by": "anna" });

    let builds = run(&json!([
        undo,
        build("prod", ""),
        build("dev", INJECTION),
        nobody_chooses,
        declined,
        same_person,
        mistyped,
        look_fails,
        no_date,
        changed_in_part,
        limited,
        no_host,
        { "file": "Jenkinsfile" },
    ]));
    for build in &builds {
        assert_eq!(build["findings"], json!([]), "{}", build["file"]);
    }
    let (undo, builds) = builds.split_first().expect("answers");
    let [
        good,
        injected,
        nobody_chooses,
        declined,
        same_person,
        mistyped,
        look_fails,
        no_date,
        changed_in_part,
        limited,
        no_host,
        seed,
    ] = builds
    else {
        panic!("as many answers as builds")
    };

    goes_its_way(good);
    keeps_typed_text_as_data(injected);
    undoes_without_a_look(undo, good);
    makes_a_button_of_every_role(seed, good);

    for (build, result, error, stages) in [
        (nobody_chooses, "ABORTED", None, 1),
        (declined, "ABORTED", None, 2),
        (same_person, "FAILURE", Some("Production needs a second person: anna has chosen. Nothing was changed."), 2),
        (mistyped, "FAILURE", Some("What was typed is not 'stage'. Nothing was changed."), 2),
        (look_fails, "FAILURE", Some("Ansible playbook execution failed: 2"), 1),
        (
            no_date,
            "FAILURE",
            Some("The look found no date that rollback_service could go by in dev. Nothing was changed."),
            1,
        ),
        (changed_in_part, "FAILURE", Some("Ansible playbook execution failed: 2"), 3),
        (limited, "SUCCESS", None, 3),
        (no_host, "FAILURE", Some("LIMIT is not the name of a host: '@/etc/hostname'. Nothing was changed."), 0),
    ] {
        assert_eq!(build["result"], result, "{:?}", lines(build));
        assert_eq!(build["error"].as_str(), error);
        assert_eq!(calls(build, "ansiblePlaybook").len(), stages, "{:?}", lines(build));
    }
    for (build, host) in [(good, ""), (limited, "host-2.example_com")] {
        let limits: Vec<_> = calls(build, "ansiblePlaybook").iter().map(|play| &play["takes"]["limit"]).collect();
        assert_eq!(limits, [host; 3]);
    }
    assert_eq!(said(nobody_chooses), ["Nobody chose. Nothing was changed."]);
    assert_eq!(said(declined), ["Nobody approved. Nothing was changed."]);
    assert_eq!(said(changed_in_part), ["needs_operator: orders is neither at its target nor as before."]);
    assert_eq!(
        lines(changed_in_part).last().expect("a step"),
        "Run: archiveArtifacts run.json,report.json,*.journal,rollback.json"
    );
}

fn goes_its_way(build: &Value) {
    assert_eq!(build["result"], "SUCCESS");
    assert_eq!(build["description"], "prod run with date 2026-11-19, approved by bert: done");
    assert_eq!(
        lines(build),
        [
            "Look: sh rm -f look.json rollback.json && make build ROLE=rollback_service",
            "Look: writeJSON look.json",
            "Look: withCredentials FIREBREAK_PWD",
            "Look: withCredentials FIREBREAK_REGISTRY_PWD",
            "Look: withCredentials FIREBREAK_PWD FIREBREAK_REGISTRY_PWD",
            "Look > withCredentials: ansiblePlaybook get",
            "Look: readJSON rollback.json",
            "Look: stash found",
            "Look: archiveArtifacts rollback.json",
            "Choose: timeout",
            "Choose > timeout: input prod: choose from what the look found. Nothing is changed yet.",
            "Plan: sh rm -f plan.json",
            "Plan: unstash found",
            "Plan: writeJSON run.json",
            "Plan: withCredentials FIREBREAK_SLACK",
            "Plan: withCredentials FIREBREAK_PWD",
            "Plan: withCredentials FIREBREAK_REGISTRY_PWD",
            "Plan: withCredentials FIREBREAK_SLACK FIREBREAK_PWD FIREBREAK_REGISTRY_PWD",
            "Plan > withCredentials: ansiblePlaybook run true",
            "Plan: readJSON plan.json",
            "Plan: archiveArtifacts plan.json",
            "Approve: timeout",
            "Approve > timeout: input Run rollback_service run in prod with date 2026-11-19? Chosen by anna.\n\
             service  from   to\nbilling  1.5.0  1.4.0\nThe look is two days old.\nwould change 1 service\n\
             warning: the clock is wrong",
            "Approve: milestone",
            "Run: lock rollback_service-prod",
            "Run > lock: sh rm -f report.json",
            "Run > lock: unstash found",
            "Run > lock: writeJSON run.json",
            r#"Run > lock: withEnv ["FIREBREAK_APPROVER=bert"]"#,
            "Run > lock > withEnv: withCredentials FIREBREAK_SLACK",
            "Run > lock > withEnv: withCredentials FIREBREAK_PWD",
            "Run > lock > withEnv: withCredentials FIREBREAK_REGISTRY_PWD",
            "Run > lock > withEnv: withCredentials FIREBREAK_SLACK FIREBREAK_PWD FIREBREAK_REGISTRY_PWD",
            "Run > lock > withEnv > withCredentials: ansiblePlaybook run",
            "Run: fileExists report.json",
            "Run: readJSON report.json",
            "Run: echo done: All services are at 2026-11-19.",
            "Run: archiveArtifacts run.json,report.json,*.journal,rollback.json",
        ]
    );
    let limits: Vec<_> = build["options"]
        .as_array()
        .expect("options")
        .iter()
        .filter(|option| option["option"] == "timeout")
        .map(|option| (option["stage"].as_str().unwrap_or_default(), &option["takes"]))
        .collect();
    let half_an_hour = json!({ "time": 30, "unit": "MINUTES" });
    let all = json!({ "time": 4, "unit": "HOURS" });
    assert_eq!(limits, [("", &all), ("Look", &half_an_hour), ("Plan", &half_an_hour)]);
    for wait in calls(build, "timeout") {
        assert_eq!(wait["takes"], half_an_hour);
    }
    let inputs = calls(build, "input");
    // Newest first; the day that lacks a service is not offered.
    assert_eq!(inputs[0]["takes"]["parameters"][0]["choices"], json!(["2026-11-20", "2026-11-19", "2026-11-18"]));
    assert_eq!(inputs[0]["takes"]["submitter"], "firebreak-operators");
    assert_eq!(inputs[1]["takes"]["submitter"], "firebreak-approvers");

    let date = json!({ "__ansible_unsafe": "2026-11-19" });
    let plays = calls(build, "ansiblePlaybook");
    assert_eq!(plays[0]["variables"], json!([{ "rollback_service_dump": "." }]));
    for (play, report) in [(plays[1], "plan.json"), (plays[2], "report.json")] {
        let expected =
            json!({ "rollback_service_date": date, "rollback_service_dump": ".", "rollback_service_report": report });
        assert_eq!(play["variables"], json!([expected]));
    }
    for play in &plays {
        assert_eq!(play["takes"]["inventory"], "inventories/prod");
    }
    let registry = "secret-of-firebreak-prod-registry-pwd";
    let pwd = "secret-of-firebreak-prod-pwd";
    assert_eq!(plays[0]["env"], json!({ "FIREBREAK_REGISTRY_PWD": registry, "FIREBREAK_PWD": pwd }));
    assert_eq!(
        plays[2]["env"],
        json!({
            "FIREBREAK_REGISTRY_PWD": registry,
            "FIREBREAK_PWD": pwd,
            "FIREBREAK_SLACK": "secret-of-firebreak-prod-slack",
            "FIREBREAK_APPROVER": "bert",
        })
    );
}

/// What it does otherwise than a run.
fn undoes_without_a_look(build: &Value, run: &Value) {
    assert_eq!(build["result"], "SUCCESS");
    assert_eq!(build["description"], "prod undo, approved by bert: done");
    let looks = ["Look: writeJSON", "Look: withCredentials", "Look > withCredentials", "Look: readJSON"];
    let expected = lines(run).into_iter().filter(|line| !looks.iter().any(|look| line.starts_with(look))).map(|line| {
        line.replace("ansiblePlaybook run", "ansiblePlaybook undo")
            .replace("prod: choose from what the look found.", "prod: undo. Go on?")
            .replace("Run rollback_service run in prod with date 2026-11-19?", "Run rollback_service undo in prod?")
    });
    assert_eq!(lines(build), expected.collect::<Vec<_>>());
    let id = json!({ "__ansible_unsafe": "7-abc123" });
    for (play, report) in calls(build, "ansiblePlaybook").iter().zip(["plan.json", "report.json"]) {
        let expected =
            json!({ "rollback_service_run": id, "rollback_service_dump": ".", "rollback_service_report": report });
        assert_eq!(play["variables"], json!([expected]));
    }
}

fn keeps_typed_text_as_data(build: &Value) {
    assert_eq!(build["result"], "SUCCESS");
    let plays = calls(build, "ansiblePlaybook");
    assert_eq!(
        plays[0]["variables"],
        json!([{ "rollback_service_dump": ".", "rollback_service_repo": { "__ansible_unsafe": INJECTION } }])
    );
    for play in plays {
        assert_eq!(play["takes"]["inventory"], "inventories/dev");
    }
}

fn makes_a_button_of_every_role(build: &Value, button: &Value) {
    assert_eq!(build["result"], "SUCCESS");
    let jobs = &calls(build, "jobDsl")[0]["jobs"];
    let word = |word: &str, value: &str, block: Value| json!({ "word": word, "takes": [value], "block": block });
    let leaf = |word: &str, value: &str| json!({ "word": word, "takes": [value] });
    let block = |word: &str, block: Value| json!({ "word": word, "takes": [], "block": block });
    let remote = block(
        "remote",
        json!([leaf("url", "https://git.example.com/firebreak.git"), leaf("credentials", "firebreak-git")]),
    );
    let scm = block("scm", json!([block("git", json!([remote, leaf("branch", "main")]))]));
    let definition = block("definition", json!([block("cpsScm", json!([scm, leaf("scriptPath", BUTTON)]))]));
    let folder = "Repair and rollback buttons. Each has a README beside its Jenkinsfile.";
    // The seed asks what the button's own Jenkinsfile asks.
    let questions = button["declared"].as_array().expect("parameters").iter().map(|asked| {
        let text = |name: &str| asked[name].as_str().expect("a text").to_owned();
        let choices = asked["choices"].as_array().map(|choices| {
            let choices: Vec<_> = choices.iter().filter_map(Value::as_str).collect();
            format!("[{}]", choices.join(", "))
        });
        let value = choices.unwrap_or_else(|| asked["defaultValue"].as_str().unwrap_or_default().to_owned());
        json!({ "word": format!("{}Param", text("kind")), "takes": [text("name"), value, text("description")] })
    });
    let questions = block("parameters", questions.collect());
    let button =
        "See roles/rollback_service/README.md in the toolkit's repository: when to press it, and what it does.";
    let jobs = jobs.as_array().expect("jobs");
    assert_eq!(jobs[0], word("folder", "firebreak", json!([leaf("description", folder)])));
    let buttons: Vec<_> = jobs[1..].iter().map(|job| job["takes"][0].as_str().unwrap_or_default()).collect();
    let expected = [
        "rebuild_indexes",
        "reelect_leader",
        "repopulate_images",
        "resolve_transactions",
        "rollback_service",
        "test_pipeline",
    ];
    assert_eq!(buttons, expected.map(|name| format!("firebreak/{name}")));
    let rollback = json!([leaf("description", button), questions, definition]);
    assert_eq!(jobs[5], word("pipelineJob", "firebreak/rollback_service", rollback));
}

/// The list is worth as much as what it refuses: each of these pipelines has one fault, named in its first line.
#[test]
fn bad_pipelines_are_refused_one_by_one() {
    let mut files: Vec<PathBuf> = std::fs::read_dir(root().join("tests/jenkins/bad"))
        .expect("the bad pipelines")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(files.len() >= 40, "only {} bad pipelines", files.len());
    let builds: Vec<_> = files
        .iter()
        .map(|file| {
            json!({
                "file": file.strip_prefix(root()).expect("a file of this folder"),
                "params": if file.to_string_lossy().contains("typed_into") { json!({ "date": INJECTION }) } else { json!({}) },
                "input": [{ "by": "anna", "values": { "date": "2026-11-20" } }],
                "ansiblePlaybook": [{}],
                "credentials": { "firebreak-dev-dcos-pwd": "Secret text" },
            })
        })
        .collect();
    for (file, build) in files.iter().zip(run(&json!(builds))) {
        let text = std::fs::read_to_string(file).expect("the pipeline");
        let expected = text.lines().next().and_then(|line| line.strip_prefix("// refused: ")).expect("a first line");
        let findings = build["findings"].as_array().expect("a list");
        let found = findings.iter().any(|finding| finding.as_str().is_some_and(|finding| finding.contains(expected)));
        assert!(found, "{}: expected '{expected}' among {findings:?}", file.display());
    }
}
