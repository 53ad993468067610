//! The role, by the real Ansible: the services are a dictionary of the group variables.

use firebreak::drill::settlement::TOKEN;

use super::*;
use crate::support::ansible::{AnsibleSandbox, Played};

#[tokio::test(flavor = "multi_thread")]
async fn the_playbook_looks_plans_and_acts_and_shows_no_secret() {
    let world = World::open(quick()).await;
    world.add(["confirmed-1", "declined-2", "pending-3"]);
    let sandbox = AnsibleSandbox::of("resolve_transactions", PROGRAM.as_ref());
    let variables = sandbox.variables(&json!({
        "resolve_transactions_queue": world.queue.url(),
        "resolve_transactions_services": world.settlement.services(),
        "resolve_transactions_report": "report.json",
    }));
    let play = async |words: &[&str]| {
        let words = [&["-e", &variables, "-vvv"], words].concat();
        let command = sandbox.command_of("resolve_transactions", &words);
        let played: Played = tokio::task::spawn_blocking(|| AnsibleSandbox::end(command)).await.expect("a play");
        assert!(!played.text.contains(TOKEN), "a secret is shown: {}", played.text);
        played
    };
    let look = play(&[]).await;
    assert!(look.code == 0 && look.text.contains("3 transactions wait in redis://127.0.0.1:"), "{}", look.text);
    assert_eq!(look.recap("changed"), 0);
    let planned = play(&["--tags", "run", "--check", "--diff"]).await;
    assert!(planned.code == 0 && planned.recap("changed") == 1, "{}", planned.text);
    assert!(planned.text.contains("3 transactions wait\n") && planned.text.contains("+redis://"), "{}", planned.text);
    assert_eq!((world.settlement.ledger().asked, world.queue.pending().len()), (0, 0));
    let acted = play(&["--tags", "run"]).await;
    assert!(acted.code == 0 && acted.recap("changed") == 1, "{}", acted.text);
    let report = std::fs::read(sandbox.path("report.json")).expect("the report");
    let report: Value = serde_json::from_slice(&report).expect("JSON");
    assert_eq!(numbers(&report), [1, 1, 1, 0, 0, 0, 0]);
    assert_eq!(world.ledger().effects.len(), 2);
    assert_eq!((sandbox.left_over(), sandbox.records().len()), (Vec::new(), 1));
}

/// The story of `make drill ROLE=resolve_transactions`, without a terminal: it goes through by itself, and tells by its exit code.
#[test]
fn the_story_ends_with_each_transaction_where_it_should_be() {
    let sandbox = AnsibleSandbox::of("resolve_transactions", PROGRAM.as_ref());
    let programs = std::path::Path::new(PROGRAM).parent().expect("the folder of the programs");
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_firedrill"));
    // More than a few transactions can use up by trying again, however slowly the others come.
    command.args(["--world=transactions", "--fault=bank-503=12", "--"]);
    command.arg(root.join("scripts/stories/resolve_transactions.sh")).stdin(Stdio::null());
    command.env("PATH", format!("{}:{}", programs.display(), std::env::var("PATH").expect("a PATH")));
    command.env("PLAYS", sandbox.folder.path()).env("HOME", sandbox.path("home"));
    let told = AnsibleSandbox::end(command);
    assert_eq!(told.code, 0, "{}", told.text);
    for line in [
        "8 committed, 2 cancelled; left: 2 not decided, 1 unknown to the bank, 2 of other issuers; 1 parked",
        "0 committed, 0 cancelled; left: 2 not decided",
        "the bank 'north' is down",
    ] {
        assert!(told.text.contains(line), "'{line}' is missing: {}", told.text);
    }
    // Twice the proof: before, when only nothing was wrong, and in the end.
    let count = |sign: char| told.text.matches(sign).count();
    assert_eq!((count('✓'), count('✗')), (1 + 5, 4), "{}", told.text);
}
