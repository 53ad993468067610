//! The role, by the real Ansible.

use super::*;
use crate::support::ansible::{AnsibleSandbox, Played};

#[tokio::test(flavor = "multi_thread")]
async fn the_playbook_looks_plans_moves_and_undoes() {
    let etcd = Etcd::start().await;
    let (leader, target) = (etcd.leader().await, etcd.followers().await.remove(0));
    let sandbox = AnsibleSandbox::of("reelect_leader", PROGRAM.as_ref());
    let variables = sandbox.variables(&json!({
        "reelect_leader_cluster": etcd.url(),
        "reelect_leader_to": target,
        "reelect_leader_report": "report.json",
    }));
    let play = async |words: &[&str]| {
        let words = [&["-e", &variables], words].concat();
        let command = sandbox.command_of("reelect_leader", &words);
        tokio::task::spawn_blocking(|| AnsibleSandbox::end(command)).await.expect("a play")
    };
    let look: Played = play(&[]).await;
    assert!(look.code == 0 && look.text.contains("3 of 3 voters healthy"), "{}", look.text);
    let planned = play(&["--tags", "run", "--check", "--diff"]).await;
    assert!(planned.code == 0 && planned.recap("changed") == 1, "{}", planned.text);
    assert!(planned.text.contains(&format!("-{leader}")) || planned.text.contains(&leader), "{}", planned.text);
    assert_eq!(etcd.leader().await, leader);
    let acted = play(&["--tags", "run"]).await;
    assert!(acted.code == 0 && acted.recap("changed") == 1, "{}", acted.text);
    assert_eq!(etcd.leader().await, target);
    let report = std::fs::read(sandbox.path("report.json")).expect("the report");
    let report: Value = serde_json::from_slice(&report).expect("JSON");
    assert!(report["gap"]["longest_ms"].is_u64(), "{report}");
    let undone = play(&["--tags", "undo"]).await;
    assert!(undone.code == 0 && undone.recap("changed") == 1, "{}", undone.text);
    assert_eq!((etcd.leader().await, sandbox.left_over()), (leader, Vec::new()));
}
