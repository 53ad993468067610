//! The role, by the real Ansible.

use serde_json::json;

use super::*;
use crate::support::ansible::{AnsibleSandbox, Played};

#[tokio::test(flavor = "multi_thread")]
async fn the_playbook_looks_plans_and_acts_and_shows_no_secret() {
    let world = World::open(ORDERS).await;
    world.analyse().await;
    world.database.run("CREATE USER repair SUPERUSER PASSWORD 'hunter2'").await;
    let sandbox = AnsibleSandbox::of("rebuild_indexes", PROGRAM.as_ref());
    let variables = sandbox.variables(&json!({
        "rebuild_indexes_database": world.database.url().replace("fire@", "repair:hunter2@"),
        "rebuild_indexes_report": "report.json",
    }));
    let play = async |words: &[&str]| {
        let words = [&["-e", &variables, "-vvv"], words].concat();
        let command = sandbox.command_of("rebuild_indexes", &words);
        let played: Played = tokio::task::spawn_blocking(|| AnsibleSandbox::end(command)).await.expect("a play");
        assert!(!played.text.contains("hunter2"), "a secret is shown: {}", played.text);
        played
    };
    let look = play(&[]).await;
    assert!(look.code == 0 && look.text.contains("7 indexes of "), "{}", look.text);
    assert_eq!(look.recap("changed"), 0);
    let planned = play(&["--tags", "run", "--check", "--diff"]).await;
    assert!(planned.code == 0 && planned.recap("changed") == 1, "{}", planned.text);
    assert!(planned.text.contains("+public.orders_pkey"), "{}", planned.text);
    let acted = play(&["--tags", "run"]).await;
    assert!(acted.code == 0 && acted.recap("changed") == 1, "{}", acted.text);
    let report = std::fs::read(sandbox.path("report.json")).expect("the report");
    let report: Value = serde_json::from_slice(&report).expect("JSON");
    assert!(report["freed"].as_u64() > Some(1024 * 1024), "{report}");
    world.database.run("DROP USER repair").await;
    assert_eq!((sandbox.left_over(), sandbox.records().len()), (Vec::new(), 1));
}

/// The story of `make drill ROLE=rebuild_indexes`, without a terminal: it goes through by itself, and tells by its exit code.
#[test]
fn the_story_ends_with_all_indexes_well() {
    let sandbox = AnsibleSandbox::of("rebuild_indexes", PROGRAM.as_ref());
    let programs = std::path::Path::new(PROGRAM).parent().expect("the folder of the programs");
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_firedrill"));
    command.args(["--world=indexes", "--"]);
    command.arg(root.join("scripts/stories/rebuild_indexes.sh")).stdin(Stdio::null());
    command.env("PATH", format!("{}:{}", programs.display(), std::env::var("PATH").expect("a PATH")));
    command.env("PLAYS", sandbox.folder.path()).env("HOME", sandbox.path("home"));
    let told = AnsibleSandbox::end(command);
    assert_eq!(told.code, 0, "{}", told.text);
    for line in [
        "1 invalid, 1 left by failed rebuilds, 3 bloated",
        "4 rebuilt, 1 left by failed rebuilds removed",
        "nothing to do",
    ] {
        assert!(told.text.contains(line), "'{line}' is missing: {}", told.text);
    }
    // Twice the proof: before, when two rows are as they should be, and in the end.
    let count = |sign: char| told.text.matches(sign).count();
    assert_eq!((count('✓'), count('✗')), (2 + 5, 3), "{}", told.text);
}
