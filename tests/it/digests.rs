//! A cluster whose rule adds its digest to every image on the way in: what that makes of our writes is ours, in a run, on
//! the way back, and for whoever ends the run later.

use firebreak::drill::Platform::Kubernetes;
use firebreak::drill::story::{self, SERVICES, ShopState};
use serde_json::{Value, json};

use crate::support::program::{DrillFixture, Output, until};

const RUN: &str = "run --date=DAY --env=dev --yes --format=json";

async fn fixture(faults: &[&str]) -> DrillFixture {
    let fixture = DrillFixture::furnished(&[], |settings| settings.platform = Kubernetes).await;
    fixture.look().await;
    fixture.drill.faults.order("digests".parse().expect("a fault"));
    for fault in faults {
        fixture.drill.faults.order(fault.parse().expect("a fault"));
    }
    fixture.drill.log.clear();
    fixture
}

/// Outcome, exit code, the services' images as the report tells them, and what is to be done by hand.
fn told(output: &Output) -> (i32, String, Vec<String>, Value) {
    let report: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let results = report["results"].as_array().cloned().unwrap_or_default();
    let images =
        results.iter().map(|one| format!("{} {}", one["state"].as_str().unwrap(), one["value"].as_str().unwrap()));
    assert_eq!(report["warnings"], json!([]), "{report:#}");
    (
        output.code,
        report["outcome"].as_str().expect("an outcome").to_owned(),
        images.collect(),
        report["by_hand"].clone(),
    )
}

/// How each workload ended: the services, and of billing its cron job, of which nothing can be seen, and its worker.
fn rows(stand: ShopState, state: &str, cron_job: &str) -> Vec<String> {
    let row = |state: &str, service: &str| format!("{state} {}", image(service, stand));
    let [billing, others @ ..] = SERVICES;
    let of_billing = [state, cron_job, state].map(|state| row(state, billing));
    of_billing.into_iter().chain(others.map(|service| row(state, service))).collect()
}

fn image(service: &str, stand: ShopState) -> String {
    format!("REGISTRY/{service}:{}-develop", story::version(service, stand).expect("a version"))
}

/// What the cluster has: each image of this stand with its digest.
fn pinned(fixture: &DrillFixture, stand: ShopState) {
    fixture.stands(stand);
    for service in SERVICES {
        let object = fixture.drill.kubernetes().objects().object(story::kubernetes::kind(service), "dev", service);
        let object = object.expect("the object");
        let containers = object["spec"]["template"]["spec"]["containers"].as_array().expect("containers");
        let own = containers.iter().find(|one| one["name"] == service).expect("its own");
        let tag = format!("{}-develop", story::version(service, stand).expect("a version"));
        let digest = fixture.drill.registry.images().digest(service, &tag).expect("a digest");
        let expected = format!("{}/{service}:{tag}@{digest}", fixture.drill.registry.address());
        assert_eq!(own["image"], expected.as_str());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_done_and_undone_where_a_webhook_adds_digests() {
    let fixture = fixture(&[]).await;
    let expected = |stand| rows(stand, "target", "set");
    let done = told(&fixture.run(RUN).await);
    assert_eq!(done, (0, "done".to_owned(), expected(ShopState::Good), Value::Null));
    pinned(&fixture, ShopState::Good);
    let again = fixture.run(RUN).await;
    let report: Value = serde_json::from_str(&again.stdout).expect("a report");
    assert_eq!((again.code, &report["outcome"]), (0, &json!("nothing_to_do")), "{report:#}");
    let undone = told(&fixture.run("undo --env=dev --yes --format=json").await);
    assert_eq!(undone, (0, "done".to_owned(), expected(ShopState::Broken), Value::Null));
    pinned(&fixture, ShopState::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_is_restored_where_a_webhook_adds_digests() {
    let fixture = fixture(&["unhealthy=billing"]).await;
    let (code, outcome, images, by_hand) = told_of_failure(&fixture.run(&format!("{RUN} --timeout=2")).await);
    let expected = rows(ShopState::Broken, "before", "before");
    assert_eq!((code, outcome.as_str(), images, by_hand), (1, "restored", expected, Value::Null));
    fixture.stands(ShopState::Broken);
}

/// The same where it was warned of what failed.
fn told_of_failure(output: &Output) -> (i32, String, Vec<String>, Value) {
    let mut report: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    report["warnings"] = json!([]);
    told(&Output { code: output.code, stdout: report.to_string(), stderr: String::new() })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_died_is_finished_or_taken_back_where_a_webhook_adds_digests() {
    for (way, stand) in [("resume", ShopState::Good), ("undo", ShopState::Broken)] {
        let fixture = fixture(&["latency=50"]).await;
        let mut child = fixture.command(RUN).spawn().expect("a start");
        until("the second change", || fixture.changes() >= 2).await;
        child.kill().await.expect("to kill it");
        fixture.drill.faults.clear();
        fixture.drill.faults.order("digests".parse().expect("a fault"));
        let output = fixture.run(&format!("{way} --env=dev --yes --format=json")).await;
        let (code, outcome, _, by_hand) = told_of_failure(&output);
        assert_eq!((code, outcome.as_str(), by_hand), (0, "done", Value::Null), "{way}: {output:?}");
        fixture.stands(stand);
    }
}

/// The answer to the write is lost, so that only the trial before it has told what becomes of the images.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_made_up_for_by_the_trial() {
    let fixture = fixture(&["latency=50"]).await;
    let child = fixture.command(RUN).spawn().expect("a start");
    let tried = || fixture.drill.log.all().iter().filter(|one| one.path.contains("dryRun")).count();
    until("the trial of all changes", || tried() >= SERVICES.len()).await;
    fixture.drill.faults.order("lose-reply=3".parse().expect("a fault"));
    let (code, outcome, _, by_hand) = told_of_failure(&fixture.end(child).await);
    assert_eq!((code, outcome.as_str(), by_hand), (0, "done", Value::Null));
    pinned(&fixture, ShopState::Good);
    let (code, outcome, ..) = told_of_failure(&fixture.run("undo --env=dev --yes --format=json").await);
    assert_eq!((code, outcome.as_str()), (0, "done"));
    pinned(&fixture, ShopState::Broken);
}
