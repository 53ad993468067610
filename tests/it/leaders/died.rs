//! A program that is killed at any moment of a move: the next run is refused, and `resume` or `undo` ends it whole.

use std::sync::{Arc, Mutex};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::gate::{At, Gate};
use super::*;

/// Where it dies.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// When it looks once more, before it asks for the move.
    Looking,
    /// It asked for the move, and the leader has not heard of it.
    Before,
    /// The leader has handed over, and the answer was not sent.
    Between,
    /// The answer was sent.
    After,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_killed_is_ended_whole_by_resume_or_undo() {
    let etcd = Arc::new(Etcd::start().await);
    let writer = Writer::start(&etcd);
    for (moment, command) in [
        (Moment::Looking, "resume"),
        (Moment::Before, "undo"),
        (Moment::Before, "resume"),
        (Moment::Between, "resume"),
        (Moment::Between, "undo"),
        (Moment::After, "undo"),
    ] {
        let (leader, target) = (etcd.leader().await, etcd.followers().await.remove(0));
        let process = Arc::new(Mutex::new(None::<u32>));
        let (victim, address) = (Arc::clone(&process), etcd.address(&leader));
        let gate = Gate::before(address, move |path, before| {
            let victim = Arc::clone(&victim);
            let dies = Box::pin(async move {
                let process = loop {
                    if let Some(process) = *victim.lock().expect("the process") {
                        break process;
                    }
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                };
                let _ = kill(Pid::from_raw(i32::try_from(process).expect("a process")), Signal::SIGKILL);
                std::future::pending::<()>().await;
            });
            let is_move = path == "/v3/maintenance/transfer-leadership" && before == 0;
            match moment {
                Moment::Looking => (path == "/v3/maintenance/status" && before == 2).then_some(At::Before(dies)),
                Moment::Before => is_move.then_some(At::Before(dies)),
                Moment::Between => is_move.then_some(At::Between(dies)),
                // By the first question that follows it may have ended.
                Moment::After => (path == "/v3/maintenance/status" && before == 3).then_some(At::Before(dies)),
            }
        })
        .await;
        let desk = Desk::at(format!("etcd+http://{}", gate.address));
        let words = format!("run --to={target} --yes");
        let child = desk.command(&words).spawn().expect("the program");
        *process.lock().expect("the process") = child.id();
        let ended = child.wait_with_output().await.expect("its end");
        assert_eq!(ended.status.code(), None, "{moment:?}: it was not killed: {ended:?}");

        let refused = desk.does(&words).await.with(1, "died");
        let ways = ["reelect_leader resume --run=", "reelect_leader undo --run=", "(--cluster as before; in Ansible"];
        assert!(ways.iter().all(|way| refused.message().contains(way)), "{refused:?}");
        assert!(!refused.message().contains("--platform"), "{refused:?}");
        let before = etcd.leader().await;
        let planned = desk.does(&format!("{command} --check")).await.with(0, "").report["text"].to_string();
        assert!(!planned.contains("service") && !planned.contains("platform"), "a leader is no service: {planned}");
        assert_eq!(etcd.leader().await, before, "a check changes nothing");
        let ended = desk.does(&format!("{command} --yes")).await.with(0, "");
        let expected = if command == "resume" { &target } else { &leader };
        assert_eq!(etcd.leader().await, *expected, "{moment:?}, {command}: {ended:?}");
        desk.does(&format!("{command} --yes")).await.with(0, "nothing to do");
        assert_eq!(etcd.leader().await, *expected, "{moment:?}, {command}, once more");
    }
    println!("{} writes were acknowledged, and all are there", writer.reconciled(&etcd).await);
}

/// An interrupt while the leader hands over: it is carried to its end, and then back.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_while_it_moves_takes_the_leadership_back() {
    let etcd = Arc::new(Etcd::start().await);
    let (leader, target) = (etcd.leader().await, etcd.followers().await.remove(0));
    let process = Arc::new(Mutex::new(None::<u32>));
    let victim = Arc::clone(&process);
    let gate = Gate::before(etcd.address(&leader), move |path, before| {
        let victim = Arc::clone(&victim);
        let interrupt = Box::pin(async move {
            let process = loop {
                if let Some(process) = *victim.lock().expect("the process") {
                    break process;
                }
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            };
            kill(Pid::from_raw(i32::try_from(process).expect("a process")), Signal::SIGINT).expect("it runs");
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        });
        (path == "/v3/maintenance/transfer-leadership" && before == 0).then_some(At::Before(interrupt))
    })
    .await;
    let desk = Desk::at(format!("etcd+http://{}", gate.address));
    let child = desk.command(&format!("run --to={target} --yes")).spawn().expect("the program");
    *process.lock().expect("the process") = child.id();
    let ended = child.wait_with_output().await.expect("its end");
    Ended::of(ended).with(130, "interrupted; all that had been changed was restored");
    assert_eq!(etcd.leader().await, leader);
}
