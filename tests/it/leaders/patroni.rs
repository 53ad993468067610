//! PostgreSQL under Patroni: three real members.

use std::sync::Arc;

use nix::sys::signal::Signal;

use super::*;
use crate::support::patroni::{Patroni, Writer};

#[tokio::test(flavor = "multi_thread")]
async fn the_primary_moves_there_and_back_and_no_committed_row_is_lost() {
    let patroni = Arc::new(Patroni::start().await);
    let leader = patroni.settled().await;
    let others: Vec<_> = ["pg1", "pg2", "pg3"].into_iter().filter(|name| *name != leader).collect();
    let (target, third) = (others[0], others[1]);
    // One member is enough to find the others.
    let desk = Desk::at(patroni.url_by(&[third]));
    let look = desk.does("get").await.with(0, &format!("{leader} leads demo in timeline 1; 3 of 3 voters healthy"));
    let members = look.report["members"].as_array().expect("members");
    for member in members {
        assert!(member["lag"].is_u64() && member["lag_unit"] == "bytes" && member["cluster"].is_string(), "{member}");
        assert!(member["version"].as_str().is_some_and(|version| version.contains(", Patroni ")), "{member}");
    }

    // What makes it dangerous is refused before Patroni is asked.
    desk.does("run --yes --to=pg9").await.with(2, "there is no member 'pg9'; there are pg1, pg2, pg3");
    patroni.pause(true).await;
    let refused = until(&desk, "run --yes", "Patroni is paused").await;
    assert_eq!((refused.code, &refused.report["changed"]), (1, &json!(false)));
    patroni.pause(false).await;
    patroni.signal(target, Signal::SIGSTOP);
    let still = desk.does(&format!("run --yes --to={target}")).await;
    still.with(1, &format!("{target} cannot lead: it does not answer: no answer within 3 s"));
    patroni.signal(target, Signal::SIGCONT);
    until(&desk, "get", "3 of 3 voters healthy. The best").await;
    let wrong = patroni.url_by(&[third]).replace("s3cret", "hunter2");
    let refused = desk.does(&format!("run --yes --to={target} --cluster={wrong}")).await.with(1, " refused: ");
    assert!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");
    assert_eq!(patroni.settled().await, leader);

    let writer = Writer::start(&patroni);
    writer.more(10).await;
    let moved = desk.does(&format!("run --to={target} --yes")).await;
    let moved = moved.with(0, &format!("1 leader moved and verified: {leader} to {target}. Nobody was served for "));
    let gap = &moved.report["gap"];
    assert!(
        gap["measured"] == "asking each member's `/patroni` whether it takes writes every 100 ms"
            && gap["is_over"] == true,
        "{gap}"
    );
    assert!(gap["longest_ms"].as_u64() > Some(0) && !format!("{moved:?}").contains("s3cret"), "{moved:?}");
    assert_eq!(patroni.settled().await, target);
    writer.more(10).await;
    desk.does(&format!("run --to={target} --yes")).await.with(0, "already: nothing to do");
    let undone = desk.does("undo --yes").await.with(0, "1 leader set back as before run");
    assert_eq!(patroni.settled().await, leader, "{undone:?}");
    writer.more(10).await;
    let (there, back) = (&moved.report["gap"]["longest_ms"], &undone.report["gap"]["longest_ms"]);
    let (count, longest) = writer.reconciled(&patroni).await;
    println!(
        "{count} rows were committed, and all are there; nobody was served for {there} and {back} ms; between two rows: {longest:?}"
    );
}

/// Does this until its message has this part.
async fn until(desk: &Desk, words: &str, part: &str) -> Ended {
    let deadline = std::time::Instant::now() + std::time::Duration::from_mins(2);
    loop {
        let ended = desk.does(words).await;
        if ended.message().contains(part) {
            return ended;
        }
        assert!(std::time::Instant::now() < deadline, "no '{part}': {ended:?}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}
