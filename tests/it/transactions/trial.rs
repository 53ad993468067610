//! The trial of a queue: thousands of transactions while workers are killed, answers are lost, and the broker goes away. In the end
//! the ledger is held against what was put in, to the last one. The same for every queue.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::support::rabbit::{Classic, Quorum};

/// So many of each kind.
pub fn transactions(count: usize) -> Vec<String> {
    let kinds = ["confirmed", "declined", "confirmed", "pending", "confirmed", "nobody"];
    (0..count).map(|number| format!("{}-{number}", kinds[number % kinds.len()])).collect()
}

/// Runs until nothing is left but what the bank has not decided, and holds the ledger against what was put in, to the last one.
pub async fn reconciled<Q: TestQueue>(world: &World<Q>, put: &[String]) -> String {
    let mut last = world.run("").await;
    // What a worker had that was killed just before, or what a broker forgot that was, may come back a little later.
    for _ in 0..10 {
        assert_eq!(last.code, 0, "{last:?}");
        let [committed, cancelled, ..] = numbers(&last.report);
        if committed + cancelled == 0 {
            break;
        }
        last = world.run("").await;
    }
    let [committed, cancelled, pending, unknown, others, parked, failed] = numbers(&last.report);
    assert_eq!([committed, cancelled, others, parked, failed], [0; 5], "{last:?}");
    let ledger = world.ledger();
    let settled: BTreeSet<&str> = ledger.effects.keys().map(|(_, id)| id.as_str()).collect();
    let of = |kinds: &[&str]| -> BTreeSet<&str> {
        put.iter().map(String::as_str).filter(|id| kinds.iter().any(|kind| id.starts_with(kind))).collect()
    };
    assert_eq!(settled, of(&["confirmed", "declined"]), "each has its effect, and no other");
    assert_eq!((pending, unknown), (of(&["pending"]).len() as u64, of(&["nobody"]).len() as u64));
    assert_eq!(world.queue.left() as u64, pending + unknown, "they wait in the queue, and nothing else does");
    let count = |result: &str| ledger.effects.values().filter(|all| all[0] == result).count();
    format!(
        "{} put in: {} committed, {} cancelled, {pending} pending, {unknown} unknown; the bank was asked {} times",
        put.len(),
        count("committed"),
        count("cancelled"),
        ledger.asked
    )
}

/// Two workers at a time, of which one after the other is killed, while answers are lost.
async fn workers_are_killed<Q: TestQueue>(queue: &str, count: usize, start: impl FnOnce() -> Q + Send + 'static) {
    let world = World::of(Settings { pause: Duration::from_millis(2), ..quick() }, start).await;
    let put = transactions(count);
    world.put(put.iter().map(String::as_str));
    let beside = |folder: &str| {
        let mut command = world.command("run --bank=north --yes");
        command.env("XDG_STATE_HOME", world.folder.path().join(folder)).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let mut killed = 0;
    for round in 0..6 {
        for fault in ["lose-reply=20", "reset=10"] {
            world.faults.order(fault.parse().expect("a fault"));
        }
        // On a host of its own: another journal, another lock. One of them is the host that goes on in the end.
        let mut workers = ["", "beside"].map(|host| beside(host).spawn().expect("a worker"));
        let begun = world.settlement.ledger().asked;
        let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
        while world.settlement.ledger().asked < begun + 60 + 30 * round && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for worker in &mut workers {
            killed += usize::from(worker.try_wait().expect("its state").is_none());
            worker.kill().await.expect("killed");
        }
    }
    assert!(killed > 4, "only {killed} were killed while they worked");
    let told = reconciled(&world, &put).await;
    eprintln!("{queue}, {killed} workers killed: {told}");
}

/// The broker is killed while a worker is in the middle, and comes back.
async fn the_broker_goes_away<Q: TestQueue>(queue: &str, mut world: World<Q>) {
    let put = transactions(600);
    world.put(put.iter().map(String::as_str));
    let mut command = world.command("run --bank=north --yes --format=json");
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a start");
    world.has_settled(50, &mut run).await;
    world = tokio::task::spawn_blocking(move || {
        world.queue.down();
        std::thread::sleep(Duration::from_millis(500));
        world.queue.up();
        world
    })
    .await
    .expect("it is back");
    let output = run.wait_with_output().await.expect("its end");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert!(report["committed"].as_u64() > Some(0), "{report:#}");
    let told = reconciled(&world, &put).await;
    eprintln!("{queue}, a broker that was away: {told}; the run meanwhile: {}", report["message"]);
}

fn slow() -> Settings {
    Settings { pause: Duration::from_millis(20), ..quick() }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_workers_and_lost_answers_leave_one_effect_each_with_redis() {
    workers_are_killed("Redis", 3000, Redis::start).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_workers_and_lost_answers_leave_one_effect_each_with_a_classic_queue() {
    workers_are_killed("a classic queue", 2000, Classic::start).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_workers_and_lost_answers_leave_one_effect_each_with_a_quorum_queue() {
    workers_are_killed("a quorum queue", 2000, Quorum::start).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_goes_away_and_comes_back_loses_nothing() {
    the_broker_goes_away("Redis", World::of(slow(), Redis::start).await).await;
}

/// One broker after the other, since a RabbitMQ takes seconds to start.
#[tokio::test(flavor = "multi_thread")]
async fn a_rabbit_that_goes_away_and_comes_back_loses_nothing() {
    let classic = World::of(slow(), Classic::alone).await;
    let quorum: Quorum = classic.queue.beside();
    let quorum = World::of(slow(), || quorum).await;
    the_broker_goes_away("a classic queue", classic).await;
    the_broker_goes_away("a quorum queue", quorum).await;
}
