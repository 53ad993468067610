//! The same by the real program, against the drill.

use std::time::Duration;

use firebreak::drill::faults::Fault;
use firebreak::drill::story::ShopState;
use serde_json::json;

use super::succeeds;
use crate::support::ansible::AnsibleSandbox;
use crate::support::program::{DrillFixture, PROGRAM};

/// The broken release goes back, and one that fails is restored.
#[tokio::test(flavor = "multi_thread")]
async fn the_real_program_takes_a_broken_release_back() {
    let fixture = DrillFixture::open(&[]).await;
    let sandbox = AnsibleSandbox::with(PROGRAM.as_ref());
    let day = sandbox.variables(&json!({ "rollback_service_date": fixture.day() }));
    let play = async |words: &[&str]| {
        let mut command = sandbox.command(words);
        command.envs(fixture.drill.environment());
        tokio::task::spawn_blocking(|| AnsibleSandbox::end(command)).await.expect("a play")
    };
    let look = play(&[]).await;
    succeeds(&look, 0);
    assert!(look.text.contains("written to ./rollback.json"), "{}", look.text);
    assert!(look.text.contains("\n        date        billing  "), "{}", look.text);
    let words = look.text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(&format!("{} 1.2.0-develop ↑ 1.1.0-develop ", fixture.day())), "{}", look.text);

    let planned = play(&["--tags", "run", "-e", &day, "--check", "--diff"]).await;
    succeeds(&planned, 1);
    assert!(planned.text.contains("\n-billing: ") && planned.text.contains("\n+billing: "), "{}", planned.text);
    fixture.stands(ShopState::Broken);

    fixture.drill.faults.order("unhealthy=billing".parse().expect("a fault"));
    let failed = play(&["--tags", "run", "-e", &day, "-e", "rollback_service_timeout=2"]).await;
    assert_eq!(failed.code, 2, "{}", failed.text);
    for line in ["rc: 1", "dev: failed to bring the services to their targets (limit 2s): time ran out", "as before"] {
        assert!(failed.text.contains(line), "'{line}' is missing: {}", failed.text);
    }
    fixture.stands(ShopState::Broken);

    fixture.drill.faults.clear();
    succeeds(&play(&["--tags", "run", "-e", &day]).await, 1);
    fixture.stands(ShopState::Good);
    succeeds(&play(&["--tags", "run", "-e", &day]).await, 0);
    assert_eq!(sandbox.left_over(), [""; 0]);
}

/// A run dies with its program, where nobody can call the program but Ansible: one tag finishes it, another takes it back.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_died_is_finished_and_taken_back_by_tags() {
    let fixture = DrillFixture::open(&[]).await;
    let sandbox = AnsibleSandbox::with(PROGRAM.as_ref());
    let day = sandbox.variables(&json!({ "rollback_service_date": fixture.day() }));
    let start = |words: &[&str]| {
        let mut command = sandbox.command(words);
        command.envs(fixture.drill.environment());
        tokio::task::spawn_blocking(|| AnsibleSandbox::end(command))
    };
    let play = async |words: &[&str]| start(words).await.expect("a play");
    succeeds(&play(&[]).await, 0);

    fixture.drill.faults.order("gone-at-write".parse().expect("a fault"));
    let dying = start(&["--tags", "run", "-e", &day]);
    while fixture.drill.faults.all() != [Fault::Gone] {
        assert!(!dying.is_finished(), "it ended before it wrote anything");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    sandbox.kill();
    let died = dying.await.expect("a play");
    assert!(died.code == 2 && died.text.contains("rc: -9"), "{}", died.text);
    fixture.drill.faults.clear();

    let refused = play(&["--tags", "run", "-e", &day]).await;
    assert_eq!(refused.code, 2, "{}", refused.text);
    assert!(refused.text.contains("died while applying on http"), "{}", refused.text);
    let planned = play(&["--tags", "resume", "--check", "--diff"]).await;
    assert!(planned.text.contains("died while applying. This is how it stands:"), "{}", planned.text);
    assert_eq!(sandbox.records().len(), 1, "only what was refused is over");
    succeeds(&play(&["--tags", "resume"]).await, 1);
    fixture.stands(ShopState::Good);
    assert_eq!(sandbox.records().len(), 2, "its journal was brought to the controller");

    let planned = play(&["--tags", "undo", "--check", "--diff"]).await;
    succeeds(&planned, 1);
    assert!(planned.text.contains("\n-billing: ") && planned.text.contains("\n+billing: "), "{}", planned.text);
    fixture.stands(ShopState::Good);
    succeeds(&play(&["--tags", "undo"]).await, 1);
    fixture.stands(ShopState::Broken);
    assert_eq!(sandbox.left_over(), [""; 0]);
}
