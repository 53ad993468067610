//! One at a time on an engine, from whatever host.

use chrono::{DateTime, Utc};
use firebreak::journal::lock::{Holder, LockError};
use firebreak::watch::Unwatched;
use futures_util::future::join_all;

use super::{WELL, platform};
use crate::support::contract::{BEFORE, LIMIT, changes};
use crate::support::podman::{Podman, Temper};

fn holder(run: &str) -> Holder {
    let since: DateTime<Utc> = "2026-11-20T10:00:00Z".parse().expect("a time");
    Holder { run: run.to_owned(), who: format!("ann on ops1, '{run}'"), since }
}

fn held(locked: Result<(), LockError>) -> Holder {
    match locked {
        Err(LockError::Held(Some(holder))) => holder,
        other => panic!("somebody else has it: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_the_same_moment_one_gets_it() {
    let podman = Podman::start();
    let old = podman.image("web", "2-dev", Temper::Well);
    podman.container("dev-web", &old, &WELL);
    let before = podman.containers();
    let volumes = podman.run(&["volume", "ls", "--quiet"]);
    for round in 1..=2 {
        let operators: Vec<_> = join_all((0..10).map(|_| platform(&podman))).await;
        let runs: Vec<_> = (0..10).map(|number| holder(&format!("{round}-{number}"))).collect();
        let tries = operators.iter().zip(&runs).map(|(operator, run)| operator.lock("dev", run));
        let (winners, others): (Vec<_>, Vec<_>) =
            join_all(tries).await.into_iter().zip(&runs).partition(|(locked, _)| locked.is_ok());
        let [(_, winner)] = &winners[..] else { panic!("exactly one gets it: {winners:?}, {others:?}") };
        for (locked, _) in others {
            assert_eq!(held(locked), **winner);
        }
        join_all(operators.iter().zip(&runs).map(|(operator, run)| operator.unlock("dev", run))).await;
        assert_eq!(podman.containers(), before);
    }
    assert_eq!(podman.run(&["volume", "ls", "--quiet"]), volumes, "no volume of a lock is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_no_service_and_whoever_has_it_keeps_it() {
    let podman = Podman::start();
    let (old, new) = (podman.image("web", "2-dev", Temper::Well), podman.image("web", "1-dev", Temper::Well));
    podman.container("dev-web", &old, &WELL);
    // An environment whose services are called like locks.
    podman.container("firebreak-web", &old, &WELL);
    let before = podman.containers();
    let (ours, theirs) = (platform(&podman).await, platform(&podman).await);
    let seen = ours.applications("dev").await.expect("applications");
    ours.lock("dev", &holder("7-abcdef")).await.expect("the lock");
    ours.lock("firebreak", &holder("7-abcdef")).await.expect("the lock of another environment");
    assert_eq!(held(theirs.lock("dev", &holder("8-abcdef")).await), holder("7-abcdef"));
    theirs.lock("dev", &holder("7-abcdef")).await.expect("the same run goes on");

    assert_eq!(ours.applications("dev").await.expect("applications"), seen);
    let of_firebreak = ours.applications("firebreak").await.expect("applications");
    assert_eq!(of_firebreak.iter().map(|one| one.service.as_str()).collect::<Vec<_>>(), ["web"]);
    let planned = changes(&*ours, "dev", &[("web", &new)]).await;
    ours.deploy(&planned, LIMIT, &Unwatched).await.expect("a deployment");
    ours.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(ours.look(&planned).await.expect("a look"), [BEFORE]);
    ours.deploy(&planned, LIMIT, &Unwatched).await.expect("a deployment");
    ours.clean_up(&planned).await.expect("to settle");
    assert_eq!(podman.inspect("firebreak-lock-dev")["State"]["Status"], "created", "it never ran");

    theirs.unlock("dev", &holder("8-abcdef")).await.expect("nothing of theirs");
    assert_eq!(held(theirs.lock("dev", &holder("8-abcdef")).await), holder("7-abcdef"));
    for environment in ["dev", "firebreak"] {
        ours.unlock(environment, &holder("7-abcdef")).await.expect("to unlock");
        ours.unlock(environment, &holder("7-abcdef")).await.expect("it is gone, and that is well");
    }
    theirs.lock("dev", &holder("8-abcdef")).await.expect("the lock");
    podman.run(&["rm", "firebreak-lock-dev"]);
    theirs.unlock("dev", &holder("8-abcdef")).await.expect("it vanished, and that is well");

    // Somebody's container of that name does not say who that is.
    podman.run(&["create", "--name", "firebreak-lock-dev", "--network", "none", &old]);
    let locked = ours.lock("dev", &holder("7-abcdef")).await;
    assert!(matches!(locked, Err(LockError::Held(None))), "{locked:?}");
    ours.unlock("dev", &holder("7-abcdef")).await.expect("it is not ours");
    podman.run(&["rm", "firebreak-lock-dev"]);
    assert_eq!(podman.containers().len(), before.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_without_any_image_cannot_be_locked() {
    let podman = Podman::start();
    let locked = platform(&podman).await.lock("dev", &holder("7-abcdef")).await.expect_err("no image").to_string();
    let expected =
        format!("failed to lock 'dev' at {}: the engine has no image that a lock could be made of", podman.url());
    assert_eq!(locked, expected);
}
