//! Roles of other shapes than looking and acting: programs that have `run` alone.

use std::fs;
use std::process::Command;

use serde_json::json;

use super::{Workshop, output, repository};
use crate::jenkins::{lines, run_in};
use crate::support::program::DrillFixture;

/// Work that a schedule starts: it plans and acts, and has nothing to look with.
const SWEEP: &str = "Remove what is old.

Problem:
  The disk fills.

Solution:
  `run` removes what is old.

Usage:
  sweep run [--age=<d>] [options]

Options of run:
  --age=<d>     How old, in days. [default: 30]
  --check       Plan and stop: change nothing.
  --yes         Do not ask. Needed where no terminal is.
  --format=<f>  Tables for people, or one JSON document. [choices: table json] [default: table]

Exit status:
  0  Done.

Examples:
  sweep run --check
";

#[tokio::test(flavor = "multi_thread")]
async fn a_program_with_run_alone_has_a_role_a_playbook_and_a_button() {
    let workshop = Workshop::copied();
    fs::copy(repository().join("tests/actions/judge_files.rs"), workshop.path("src/bin/judge_files.rs"))
        .expect("a program");
    workshop.write("src/bin/sweep.rs", &format!("const USAGE: &str = {SWEEP:?};\nfn main() {{}}\n"));
    assert_eq!(workshop.firebreak(&["sync"]).code, 0);
    let checked = workshop.firebreak(&["check"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    let shown = workshop.firebreak(&["show", "judge_files"]).stdout;
    let plays = "Ansible\n  ansible-playbook -i inventories/<environment> playbooks/judge_files.yml --tags run\n\n";
    assert!(shown.contains(plays), "{shown}");

    let files = workshop.path("roles/judge_files/files");
    fs::create_dir_all(&files).expect("a folder");
    fs::copy(env!("CARGO_BIN_EXE_judge_files"), files.join("judge_files")).expect("the program in its role");
    fs::create_dir(workshop.path("pages")).expect("a folder");
    workshop.write("pages/a", "open");
    workshop.write("pages/b", "shut");
    let fixture = DrillFixture::open(&[]).await;
    let values = json!({ "judge_files_folder": workshop.path("pages"), "judge_files_wanted": "open" });
    let unread = workshop.play(&fixture, "judge_files", &["--tags", "get,run", "--check"], &values).await;
    assert_eq!(unread.code, 0, "{}", unread.text);
    // Ansible wraps what it shows.
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "judge_files has no command to look with, so nothing was done. `--tags run` acts.",
        "Not run. The program cannot plan without acting, so there is nothing to do under --check.",
    ] {
        assert!(words(&unread.text).contains(said), "{}", unread.text);
    }
    let judged = workshop.play(&fixture, "judge_files", &["--tags", "run"], &values).await;
    assert_eq!((judged.code, judged.recap("changed")), (2, 0), "{}", judged.text);
    for said in ["files: 1 passed, 1 did not pass, 0 could not be judged", "it holds 'shut'", "rc: 1"] {
        assert!(words(&judged.text).contains(said), "{said}: {}", judged.text);
    }
    assert_eq!(workshop.left_over(), [""; 0]);

    let report = |outcome: &str| json!({ "report.json": { "outcome": outcome, "message": "It is judged." } });
    let judge = |play: serde_json::Value| {
        let params = json!({ "environment": "dev", "folder": "", "wanted": "open" });
        json!({ "file": "roles/judge_files/Jenkinsfile", "params": params, "ansiblePlaybook": [play] })
    };
    let sweep = json!({
        "file": "roles/sweep/Jenkinsfile",
        "params": { "environment": "dev", "age": "" },
        "ansiblePlaybook": [
            { "writes": { "plan.json": { "text": "", "message": "would remove 1 file" } } },
            { "writes": report("done") },
        ],
        "input": [{ "by": "anna" }, { "by": "anna", "values": { "confirmation": "dev" } }],
    });
    let builds = run_in(
        &workshop.path(""),
        &json!([
            judge(json!({ "writes": report("passed") })),
            judge(json!({ "fails": "2", "writes": report("not_passed") })),
            sweep
        ]),
    );
    let [passed, not_passed, swept] = builds.as_slice() else { panic!("three answers") };
    for (build, result) in [(passed, "SUCCESS"), (not_passed, "FAILURE"), (swept, "SUCCESS")] {
        assert_eq!((&build["findings"], &build["result"]), (&json!([]), &json!(result)), "{build:#}");
    }
    assert_eq!(not_passed["description"], "dev: not_passed");
    let pressed = lines(passed);
    assert_eq!(pressed[..2], ["Build: sh make build ROLE=judge_files", "Build: stash found"].map(str::to_owned));
    assert!(pressed[2..].iter().all(|line| line.starts_with("Run")), "nobody is asked: {pressed:?}");
    let asked: Vec<_> = lines(swept).into_iter().filter(|line| line.contains(": input ")).collect();
    assert_eq!(
        asked,
        [
            "Choose > timeout: input dev: run. Go on? Nothing is changed yet.",
            "Approve > timeout: input Run sweep in dev? Chosen by anna.\nwould remove 1 file",
        ]
    );
}

#[test]
fn a_new_judge_is_built_and_judges_nothing_yet() {
    let workshop = Workshop::copied();
    let made = workshop.firebreak(&[
        "new",
        "count_pages",
        "--shape=judge",
        "--title=Count the pages",
        "--problem=Pages are missing.",
        "--solution=`run` counts them.",
        "--option=--site=<s>  The site.",
    ]);
    assert_eq!(made.code, 0, "{made:?}");
    assert!(made.stdout.contains("fill in `look` and `judge`"), "{}", made.stdout);
    assert_eq!(workshop.firebreak(&["sync", "--check"]).code, 0);
    let checked = workshop.firebreak(&["check"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    workshop.cargo(&["fmt", "--check"]);
    workshop.cargo(&["clippy", "--offline", "--bin", "count_pages", "--", "-D", "warnings"]);
    let program = workshop.cargo(&["build", "--offline", "--bin", "count_pages"]).join("count_pages");
    let judged = output(Command::new(&program).args(["run", "--site=shop"]).envs(workshop.state()));
    let table = "check                        state                why\n\
                 the first thing --site shop  could not be judged  `judge` in src/bin/count_pages.rs is to be filled in\n\n";
    assert_eq!((judged.code, judged.stdout.as_str()), (5, table));
    let message = "checks: 0 passed, 0 did not pass, 1 could not be judged";
    assert!(judged.stderr.contains(message), "{judged:?}");
}
