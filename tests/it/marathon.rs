//! The Marathon platform against the drill's Marathon, and against one that misbehaves in ways of its own.

mod gap;
mod login;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, Method, StatusCode, Uri};
use chrono::Utc;
use firebreak::drill::faults::Fault;
use firebreak::drill::story::{self, SECRET, SERVICES, ShopState};
use firebreak::drill::{Drill, Settings};
use firebreak::http::{self, Trust};
use firebreak::platform::{Access, Application, Change, DeployError, Platform, Standing, connect};
use firebreak::watch::Unwatched;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::contract::{self, BEFORE, LIMIT, Tale, access, changes};

use Standing::Target;

/// Short, for what is not to succeed.
const SHORT: Duration = Duration::from_millis(700);

async fn drill(faults: &[Fault]) -> (Drill, Box<dyn Platform>, Vec<Change>) {
    let drill = Drill::start(Settings::at(Utc::now())).await.expect("a drill");
    let platform = platform(&format!("marathon+http://{}", drill.marathon().address())).await;
    let targets = targets(&drill);
    let targets: Vec<(&str, &str)> = targets.iter().map(|(service, to)| (service.as_str(), to.as_str())).collect();
    let planned = changes(&*platform, "dev", &targets).await;
    for fault in faults {
        drill.faults.order(fault.clone());
    }
    drill.log.clear();
    (drill, platform, planned)
}

async fn platform(url: &str) -> Box<dyn Platform> {
    let http = http::client(&Trust::default()).expect("a client");
    connect(&url.into(), "dev", access(http, None, None)).await.expect("a platform")
}

fn image(drill: &Drill, service: &str, stand: ShopState) -> String {
    format!("{}/{service}:{}-develop", drill.registry.address(), story::version(service, stand).expect("a version"))
}

fn targets(drill: &Drill) -> Vec<(String, String)> {
    SERVICES.iter().map(|service| ((*service).to_owned(), image(drill, service, ShopState::Good))).collect()
}

/// The applications of the services as the Marathon has them, without what tells their state and their versions.
fn definitions(drill: &Drill) -> Vec<Value> {
    let read = |service: &&str| {
        let mut app =
            drill.marathon().applications().app(&story::application_id("dev", service)).expect("an application");
        let state =
            ["version", "versionInfo", "deployments", "tasksStaged", "tasksRunning", "tasksHealthy", "tasksUnhealthy"];
        for key in state {
            drop(app[key].take());
        }
        app
    };
    SERVICES.iter().map(read).collect()
}

/// The writes that the Marathon was asked for, whatever it answered.
fn writes(drill: &Drill) -> Vec<String> {
    let asked = drill.log.all().into_iter().filter(|request| request.server == "marathon" && request.method != "GET");
    asked.map(|request| format!("{} {}", request.method, request.path)).collect()
}

async fn look(platform: &dyn Platform, planned: &[Change]) -> Vec<Standing> {
    platform.look(planned).await.expect("how they stand")
}

/// Deploys what is to fail; the error's text, in which nothing secret is.
async fn failure(platform: &dyn Platform, planned: &[Change], limit: Duration) -> String {
    let tale = Tale::default();
    let error = platform.deploy(planned, limit, &tale).await.expect_err("it fails");
    let (text, debug) = (format!("{error:#}"), format!("{error:?}"));
    assert!(!format!("{text}{debug}{:?}", tale.warnings()).contains(SECRET), "{text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds() {
    let (drill, platform, _) = drill(&[]).await;
    let targets = targets(&drill);
    let targets: Vec<(&str, &str)> = targets.iter().map(|(service, to)| (service.as_str(), to.as_str())).collect();
    contract::hold(&*platform, "dev", &targets).await;
    assert_eq!(drill.marathon().applications().deployments(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_cannot_write_whatever_its_domain_forgets() {
    let (drill, _, _) = drill(&[]).await;
    let targets = targets(&drill);
    let targets: Vec<(&str, &str)> = targets.iter().map(|(service, to)| (service.as_str(), to.as_str())).collect();
    let url = format!("marathon+http://{}", drill.marathon().address());
    contract::a_dry_run_cannot_write(&url, "dev", &targets).await;
    assert_eq!(writes(&drill), [""; 0]);
}

/// Marathon takes both: the second changes nothing any more.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_set_the_same_at_the_same_moment_one_did_it_and_the_other_knows_that_it_did_not() {
    // Slow enough that both have read before one of them writes.
    let (drill, one, planned) = drill(&[Fault::Latency { milliseconds: 300 }]).await;
    let other = platform(&format!("marathon+http://{}", drill.marathon().address())).await;
    let both = tokio::join!(one.deploy(&planned, LIMIT, &Unwatched), other.deploy(&planned, LIMIT, &Unwatched));
    let (error, loser) = match both {
        (Ok(()), Err(error)) => (error, other),
        (Err(error), Ok(())) => (error, one),
        both => panic!("{both:?}"),
    };
    let DeployError::NothingSent(error) = error else { panic!("{error:?}") };
    let told = "the services were changed by others at the same moment, after the plan was made: plan again";
    assert_eq!(error.to_string(), told);
    assert_eq!(writes(&drill), ["PUT /v2/apps"; 2]);
    loser.go_back(&planned, LIMIT, &Unwatched).await.expect("nothing to take back");
    assert_eq!(writes(&drill), ["PUT /v2/apps"; 2]);
    assert_eq!(look(&*loser, &planned).await, vec![Target; planned.len()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn applications_are_those_of_the_environment() {
    let (drill, platform, _) = drill(&[]).await;
    let applications = platform.applications("dev").await.expect("applications");
    let told: Vec<(&str, &str, u64, Vec<&str>)> = applications
        .iter()
        .map(|one| (&*one.id, &*one.service, one.instances, one.notes.iter().map(String::as_str).collect()))
        .collect();
    let blind = "no health check: that it runs is all that can be seen";
    let doubles = "capacity doubles for a while";
    let expected = [
        ("/shop/dev/shop/billing", "billing", 2, vec![doubles]),
        ("/shop/dev/shop/billing-worker", "billing-worker", 1, vec!["down while it restarts", blind]),
        ("/shop/dev/shop/orders", "orders", 1, vec!["down while it restarts", blind]),
        ("/shop/dev/shop/pre-orders", "pre-orders", 1, vec![doubles, blind]),
        ("/shop/dev/shop/users", "users", 2, vec![]),
        ("/shop/dev/shop/web", "web", 3, vec![doubles]),
        ("/tools/dev/proxy/web", "web", 1, vec![doubles, blind]),
    ];
    assert_eq!(told, expected);
    let billing = drill.marathon().applications().app("/shop/dev/shop/billing").expect("an application");
    assert_eq!(applications[0].images, [image(&drill, "billing", ShopState::Broken)]);
    assert_eq!(applications[0].revision, billing["version"].as_str().expect("a version"));
    let error = platform.applications("nowhere").await.expect_err("nothing there").to_string();
    let compared = "was compared with the second part of each id";
    assert!(error.starts_with("no application of 'nowhere' runs on ") && error.contains(compared), "{error}");
    assert_eq!(platform.address(), format!("http://{}", drill.marathon().address()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_set_is_one_write_that_changes_the_images_and_nothing_else() {
    let (drill, platform, planned) = drill(&[]).await;
    let mut expected = definitions(&drill);
    for (app, service) in expected.iter_mut().zip(SERVICES) {
        app["container"]["docker"]["image"] = image(&drill, service, ShopState::Good).into();
    }
    platform.deploy(&planned, LIMIT, &Unwatched).await.expect("a deployment");
    assert_eq!(look(&*platform, &planned).await, [Target, Target, Target, Target]);
    assert_eq!(definitions(&drill), expected);
    assert_eq!(writes(&drill), ["PUT /v2/apps"]);
    platform.clean_up(&planned).await.expect("nothing to settle");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_that_ends_is_waited_for() {
    let (drill, platform, planned) = drill(&[Fault::Lock { service: "orders".into(), milliseconds: Some(300) }]).await;
    let tale = Tale::default();
    platform.deploy(&planned, LIMIT, &tale).await.expect("a deployment");
    assert_eq!(look(&*platform, &planned).await, [Target, Target, Target, Target]);
    assert_eq!(writes(&drill), ["PUT /v2/apps", "PUT /v2/apps"], "never forced");
    let warnings = tale.warnings();
    assert!(warnings.len() == 1 && warnings[0].ends_with("holds the services: waiting for it"), "{warnings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_that_does_not_end_changes_nothing() {
    let (drill, platform, planned) = drill(&[Fault::Lock { service: "orders".into(), milliseconds: None }]).await;
    let before = definitions(&drill);
    let error = failure(&*platform, &planned, SHORT).await;
    assert!(error.starts_with("a deployment by others holds the services: time ran out: deployment "), "{error}");
    assert!(error.ends_with(" is still running"), "{error}");
    assert_eq!(look(&*platform, &planned).await, [BEFORE, BEFORE, BEFORE, BEFORE], "theirs is not our business");
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("nothing to take back");
    assert_eq!(definitions(&drill), before);
    assert_eq!(writes(&drill), ["PUT /v2/apps"], "theirs was not cancelled");
    assert_eq!(drill.marathon().applications().deployments(), 1, "theirs runs on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_why_and_changes_nothing() {
    let (drill, platform, planned) = drill(&[Fault::Refuse { service: "users".into(), is_bare: false }]).await;
    let before = definitions(&drill);
    assert_eq!(
        failure(&*platform, &planned, LIMIT).await,
        "Marathon refused the deployment: Marathon answered 422 Unprocessable Entity: Object is not valid \
         (/container/docker/image is refused, as ordered)"
    );
    assert_eq!(look(&*platform, &planned).await, [BEFORE, BEFORE, BEFORE, BEFORE]);
    assert_eq!(definitions(&drill), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_hangs_is_taken_back() {
    let (drill, platform, planned) = drill(&[Fault::Hang { deployments: 1 }]).await;
    let before = definitions(&drill);
    let error = failure(&*platform, &planned, SHORT).await;
    assert!(
        error.starts_with("failed to bring the services to their targets (limit 700ms): time ran out: deployment "),
        "{error}"
    );
    assert!(look(&*platform, &planned).await.iter().all(|one| matches!(one, Standing::Unwell { .. })));
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(look(&*platform, &planned).await, [BEFORE, BEFORE, BEFORE, BEFORE]);
    assert_eq!(definitions(&drill), before);
    let writes = writes(&drill);
    assert!(
        matches!(&writes[..], [put, delete] if put == "PUT /v2/apps" && delete.starts_with("DELETE /v2/deployments/")),
        "{writes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_never_gets_healthy_is_taken_back_with_the_set() {
    let (drill, platform, planned) = drill(&[Fault::Unhealthy { service: "billing".into() }]).await;
    let before = definitions(&drill);
    let error = failure(&*platform, &planned, SHORT).await;
    assert!(error.contains(" is still running: billing has 0 of 2 healthy"), "{error}");
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(look(&*platform, &planned).await, [BEFORE, BEFORE, BEFORE, BEFORE]);
    assert_eq!(definitions(&drill), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_was_dropped_is_taken_back() {
    for milliseconds in [0, 5, 20, 60, 150, 300] {
        let (drill, platform, planned) = drill(&[Fault::Latency { milliseconds: 10 }]).await;
        let before = definitions(&drill);
        drop(
            tokio::time::timeout(Duration::from_millis(milliseconds), platform.deploy(&planned, LIMIT, &Unwatched))
                .await,
        );
        platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
        assert_eq!(look(&*platform, &planned).await, [BEFORE, BEFORE, BEFORE, BEFORE], "after {milliseconds} ms");
        assert_eq!(definitions(&drill), before, "after {milliseconds} ms");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_is_looked_into() {
    let (drill, platform, planned) = drill(&[Fault::LoseReply { writes: 1 }]).await;
    let before = definitions(&drill);
    platform.deploy(&planned, LIMIT, &Unwatched).await.expect("it was taken all the same");
    assert_eq!(look(&*platform, &planned).await, [Target, Target, Target, Target]);
    // The restoring write is lost as well.
    drill.faults.order(Fault::LoseReply { writes: 1 });
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(look(&*platform, &planned).await, [BEFORE, BEFORE, BEFORE, BEFORE]);
    assert_eq!(definitions(&drill), before);
    assert_eq!(writes(&drill), ["PUT /v2/apps", "PUT /v2/apps"], "nothing was sent twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_to_the_cancelling_is_no_failure() {
    let (drill, platform, planned) = drill(&[Fault::Hang { deployments: 1 }]).await;
    failure(&*platform, &planned, SHORT).await;
    drill.faults.order(Fault::LoseReply { writes: 1 });
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(look(&*platform, &planned).await, [BEFORE, BEFORE, BEFORE, BEFORE]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_was_cut_off_is_not_sent_again() {
    let (drill, platform, planned) = drill(&[Fault::Reset { writes: 1 }]).await;
    let before = definitions(&drill);
    let error = failure(&*platform, &planned, LIMIT).await;
    let base = format!("http://{}", drill.marathon().address());
    assert!(error.starts_with(&format!("Marathon at {base} did not answer PUT /v2/apps: ")), "{error}");
    assert_eq!(look(&*platform, &planned).await, [BEFORE, BEFORE, BEFORE, BEFORE]);
    assert_eq!(definitions(&drill), before);
    assert_eq!(writes(&drill), ["PUT /v2/apps"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_went_away_is_told_and_taken_back_later() {
    let (drill, platform, planned) = drill(&[Fault::GoneAtWrite]).await;
    let before = definitions(&drill);
    let error = failure(&*platform, &planned, LIMIT).await;
    assert!(error.contains(" did not answer PUT /v2/apps: "), "{error}");
    platform.look(&planned).await.expect_err("it is gone");
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect_err("it is gone");
    drill.faults.clear();
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(look(&*platform, &planned).await, [BEFORE, BEFORE, BEFORE, BEFORE]);
    assert_eq!(definitions(&drill), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changed_since_the_plan_is_not_written() {
    let (drill, platform, planned) = drill(&[]).await;
    drill.faults.order(Fault::Change { service: "users".into(), reads: 1 });
    platform.applications("dev").await.expect("the reading after which somebody changes it");
    assert_eq!(
        failure(&*platform, &planned, LIMIT).await,
        "application '/shop/dev/shop/users' was changed by others since the plan was made: plan again"
    );
    assert_eq!(writes(&drill), [""; 0]);
    assert_eq!(look(&*platform, &planned).await, [BEFORE, BEFORE, BEFORE, BEFORE]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changed_since_the_write_is_left_alone() {
    let (drill, platform, planned) = drill(&[]).await;
    platform.deploy(&planned, LIMIT, &Unwatched).await.expect("a deployment");
    let theirs = format!("{}/web:2.1.0-develop", drill.registry.address());
    let http = http::client(&Trust::default()).expect("a client");
    let url = format!("http://{}/v2/apps/shop/dev/shop/web", drill.marathon().address());
    let mut container = definitions(&drill)[3]["container"].clone();
    container["docker"]["image"] = theirs.clone().into();
    let answer = http.put(url).json(&json!({ "container": container })).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    let other = Standing::Other { value: theirs };
    assert_eq!(look(&*platform, &planned).await, [BEFORE, BEFORE, BEFORE, other]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revert_that_ends_without_instances_is_made_good() {
    let faults = [Fault::Hang { deployments: 1 }, Fault::RevertToZero { service: "billing".into() }];
    let (drill, platform, planned) = drill(&faults).await;
    let before = definitions(&drill);
    failure(&*platform, &planned, SHORT).await;
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(look(&*platform, &planned).await, [BEFORE, BEFORE, BEFORE, BEFORE]);
    assert_eq!(definitions(&drill), before, "with its two instances");
    assert_eq!(writes(&drill).len(), 3, "write, cancel, restore: {:?}", writes(&drill));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_is_gone_is_named() {
    let (drill, platform, planned) = drill(&[]).await;
    let http = http::client(&Trust::default()).expect("a client");
    let url = format!("http://{}/v2/apps/shop/dev/shop/web", drill.marathon().address());
    http.delete(url).send().await.expect("an answer");
    while drill.marathon().applications().app("/shop/dev/shop/web").is_some() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let error = failure(&*platform, &planned, LIMIT).await;
    assert_eq!(error, "application '/shop/dev/shop/web' is no longer there");
    assert_eq!(look(&*platform, &planned).await, [BEFORE, BEFORE, BEFORE, Standing::Gone]);
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("nothing to take back");
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_what_the_versions_tell() {
    let (drill, platform, _) = drill(&[]).await;
    let applications = platform.applications("dev").await.expect("applications");
    let history = platform.history(&applications).await.expect("a history");
    assert_eq!(history.len(), applications.len());
    for (application, spans) in applications.iter().zip(&history) {
        assert_eq!([&spans[0].image], [&application.images[0]], "the newest runs now");
        assert_eq!((spans[0].until, spans[0].from.map(|at| at.timestamp_millis())), {
            let since: chrono::DateTime<Utc> = application.revision.parse().expect("a version");
            (None, Some(since.timestamp_millis()))
        });
        for pair in spans.windows(2) {
            assert_eq!(pair[1].until, pair[0].from, "one ends where the next begins");
        }
        assert!(spans.iter().all(|ran| ran.doubt.is_none()), "{spans:?}");
    }
    let users = applications.iter().position(|one| one.service == "users").expect("users");
    let tags: Vec<_> = history[users].iter().filter_map(|ran| ran.image.as_str().rsplit(':').next()).collect();
    assert_eq!(tags, ["1.4.0-develop", "1.3.1-develop", "1.3.0-develop", "1.1.0-develop", "1.0.0-develop"]);
    assert_eq!(writes(&drill), [""; 0]);

    let mut gone = applications[users].clone();
    gone.id = "/shop/dev/shop/gone".to_owned();
    assert_eq!(platform.history(&[gone]).await.expect("a history"), [[]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_versions_the_oldest_may_have_begun_earlier() {
    let (drill, platform, _) = drill(&[]).await;
    let url = format!("http://{}/v2/apps/shop/dev/shop/billing?force=true", drill.marathon().address());
    let http = http::client(&Trust::default()).expect("a client");
    for number in 0..60 {
        let body = json!({"labels": {"number": number.to_string()}});
        let answer = http.put(&url).json(&body).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let applications = platform.applications("dev").await.expect("applications");
    let billing: Vec<Application> = applications.into_iter().filter(|one| one.service == "billing").collect();
    let history = platform.history(&billing).await.expect("a history");
    let [now, before] = &history[0][..] else { panic!("two spans: {history:?}") };
    assert_eq!((&now.image, now.until, &now.doubt), (&before.image, None, &None));
    assert_eq!((before.from, before.until), (None, now.from));
    let doubt = "it may have begun earlier: only the last 50 versions are kept";
    assert_eq!(before.doubt.as_deref(), Some(doubt));
}
