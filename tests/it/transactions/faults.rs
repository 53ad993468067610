//! What goes wrong meanwhile: each transaction has its one effect all the same, and none is lost.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::trial::{reconciled, transactions};
use super::*;
use crate::support::fake::{Fake, reply};

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_is_down_is_told_once_and_waited_for() {
    let world = World::open(quick()).await;
    let put = transactions(120);
    world.add(put.iter().map(String::as_str));
    world.faults.order("bank-503=40".parse().expect("a fault"));
    let ended = world.run("").await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let down = "the bank 'north' is down (it answers 503 Service Unavailable: the bank is closed): waiting until it answers again";
    assert_eq!(ended.report["warnings"], json!([down, "the bank 'north' answers again"]));
    assert_eq!(ended.stderr.matches("is down").count(), 1, "{}", ended.stderr);
    reconciled(&world, &put).await;
}

/// A short queue is taken as a whole before the first answer comes: that the bank is down ends the run all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_stays_down_ends_even_a_short_run_as_failed() {
    let world = World::open(quick()).await;
    let put = transactions(6);
    world.add(put.iter().map(String::as_str));
    let mut services = world.settlement.services();
    services["banks"]["north"]["token"] = "another".into();
    let mut command = world.command("run --bank=north --yes");
    command.env("FIREBREAK_SERVICES", services.to_string());
    let ended = world.ends(command).await;
    assert_eq!((ended.code, ended.report["outcome"].as_str()), (1, Some("failed")), "{ended:?}");
    reconciled(&world, &put).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_refused_end_the_run_and_everything_waits() {
    let world = World::open(quick()).await;
    let put = transactions(60);
    world.add(put.iter().map(String::as_str));
    let mut services = world.settlement.services();
    services["banks"]["north"]["token"] = "s3cret".into();
    let mut command = world.command("run --bank=north --yes");
    command.env("FIREBREAK_SERVICES", services.to_string());
    let ended = world.ends(command).await;
    let message = ended.report["message"].as_str().unwrap_or_default();
    let why = "the bank 'north' refuses the credentials (401: no such token); what was not settled waits in the queue";
    assert!(ended.code == 1 && message.contains(why), "{ended:?}");
    assert!(!format!("{ended:?}").contains("s3cret"), "{ended:?}");
    assert_eq!(world.ledger().effects.len(), 0);
    reconciled(&world, &put).await;
}

/// A login page in place of the master stores nothing, and nothing counts as stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_leads_to_a_page_has_stored_nothing() {
    let world = World::open(quick()).await;
    let put = transactions(6);
    world.add(put.iter().map(String::as_str));
    let fake = Fake::start(|asked| match asked.line.as_str() {
        "GET /login" => reply(200, &[("content-type", "text/html")], "<html>Log in"),
        _ => reply(302, &[("location", "/login")], ""),
    });
    let fake = fake.await;
    let mut services = world.settlement.services();
    services["master"]["url"] = fake.url().into();
    let mut command = world.command("run --bank=north --yes");
    command.env("FIREBREAK_SERVICES", services.to_string());
    let ended = world.ends(command).await;
    assert_eq!((ended.code, numbers(&ended.report)), (3, [0, 0, 1, 1, 0, 0, 4]), "{ended:?}");
    let why = "the master leads elsewhere (/login): is its URL in the services right?";
    assert!(ended.report["results"].to_string().contains(why), "{}", ended.report["results"]);
    assert_eq!(world.ledger().effects.len(), 0);
    reconciled(&world, &put).await;
}

/// Entries whose names or values are any bytes are parked, and stand in nobody's way.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_utf_8_is_parked() {
    let world = World::open(quick()).await;
    for (name, value) in [(&b"issuer"[..], &b"M\xfcller"[..]), (b"n\xfcmber", b"1")] {
        world.queue.add_bytes(&[(b"id", b"confirmed-1"), (name, value)]);
    }
    world.add(["confirmed-2"]);
    let ended = world.run("").await;
    assert_eq!((ended.code, numbers(&ended.report)), (3, [1, 0, 0, 0, 0, 2, 0]), "{ended:?}");
    assert_eq!(world.ledger().effects.len(), 1);
}

/// Those that were left come after all that nobody took yet: a run of a few gets on.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_gets_past_what_was_left() {
    let world = World::open(quick()).await;
    world.add(["pending-1", "pending-2", "confirmed-3", "confirmed-4"]);
    let mut committed = 0;
    for _ in 0..4 {
        let ended = world.run("--limit=1").await;
        assert_eq!(ended.code, 0, "{ended:?}");
        committed += numbers(&ended.report)[0];
    }
    assert_eq!((committed, world.queue.pending().len()), (2, 2));
}

/// Entries that are trimmed before anybody read them are lost: the look counts them, and a run warns before it begins.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_trimmed_before_it_was_read_is_told() {
    let world = World::open(quick()).await;
    world.add(["confirmed-1", "confirmed-2", "confirmed-3", "confirmed-4"]);
    world.queue.ask::<u64>(&["XTRIM", STREAM, "MAXLEN", "1"]);
    let look = world.look("").await;
    assert_eq!((&look["lost"]["waiting"], &look["waiting"]), (&json!(3), &json!(1)));
    let ended = world.run("").await;
    assert_eq!((ended.code, numbers(&ended.report)[0]), (0, 1), "{ended:?}");
    assert_eq!(ended.report["lost"]["waiting"], 3);
    let warning = "LOST by the queue: 3. `get` names them; after this run the queue may no longer know";
    assert_eq!(ended.report["warnings"], json!([warning]));
}

/// A run that is interrupted says what it did, and what it had taken and not ended is there for the next one at once.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_what_is_begun_and_gives_back_the_rest() {
    let world = World::open(Settings { pause: Duration::from_millis(100), ..quick() }).await;
    let put = transactions(600);
    world.add(put.iter().map(String::as_str));
    let mut command = world.command("run --bank=north --yes --format=json");
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a start");
    world.has_settled(20, &mut run).await;
    let id = run.id().expect("it still runs").to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().expect("kill").success());
    let output = run.wait_with_output().await.expect("its end");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(
        (output.status.code(), report["outcome"].as_str()),
        (Some(130), Some("interrupted")),
        "{}",
        report["message"]
    );
    assert!(report["committed"].as_u64() >= Some(10), "{}", report["message"]);
    reconciled(&world, &put).await;
}

/// A bank that is down is waited for, but not by somebody who has had enough.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_the_waiting_for_a_bank_that_is_down() {
    let world = World::open(quick()).await;
    let put = transactions(60);
    world.add(put.iter().map(String::as_str));
    world.faults.order("bank-503=100000".parse().expect("a fault"));
    let mut command = world.command("run --bank=north --yes --format=json");
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a start");
    let mut told = BufReader::new(run.stderr.take().expect("what it tells")).lines();
    while !told.next_line().await.expect("a line").expect("that the bank is down").contains("is down") {}
    let id = run.id().expect("it still runs").to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().expect("kill").success());
    let output = run.wait_with_output().await.expect("its end");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!((output.status.code(), report["outcome"].as_str()), (Some(130), Some("interrupted")), "{report:#}");
    // Its minute was not over: that would have been the reason.
    assert!(!report["message"].as_str().is_some_and(|message| message.contains("has been down for")), "{report:#}");
    assert_eq!(world.ledger().effects.len(), 0);
    world.faults.clear();
    reconciled(&world, &put).await;
}
