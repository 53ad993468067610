//! What the drill is filled with, and what its oracle and its other ports say.

use firebreak::drill::story::{self, ShopState};
use firebreak::drill::{Drill, Settings};
use proptest::prelude::*;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Api, client, noon, quick, start, within};

#[tokio::test]
async fn it_begins_with_the_broken_release_in_every_environment() {
    let drill = start(&[]).await;
    for (environment, tag) in story::ENVIRONMENTS {
        let proof = drill.proof(environment, ShopState::Broken).expect("an environment");
        assert!(proof.holds, "{proof:?}");
        let found: Vec<&str> = proof.services.iter().map(|service| service.found.as_str()).collect();
        let expected = ["billing:1.3.0", "orders:1.2.0", "users:1.4.0", "web:2.3.0", "billing:1.3.0"]
            .map(|image| format!("{image}-{tag}"));
        assert_eq!(found, expected);
        assert!(!drill.proof(environment, ShopState::Good).expect("an environment").holds);
    }
    assert_eq!(drill.proof("nowhere", ShopState::Good), None);
}

/// What was built and what ran are told apart: one image was never deployed.
#[tokio::test]
async fn marathon_remembers_what_each_service_ran() {
    let drill = start(&[]).await;
    let api = Api::marathon(&drill);
    for (service, expected) in [
        ("billing", ["11-18 1.0.0", "11-19 1.1.0", "11-21 1.2.0", "11-22 1.3.0"].as_slice()),
        ("orders", &["11-18 1.0.0", "11-20 1.1.0", "11-22 1.2.0"]),
        ("users", &["11-18 1.0.0", "11-19 1.1.0", "11-21 1.3.0", "11-21 1.3.1", "11-22 1.4.0"]),
        ("web", &["11-18 2.0.0", "11-20 2.1.0", "11-21 2.2.0", "11-22 2.3.0"]),
        ("billing-worker", &["11-18 1.0.0", "11-19 1.1.0", "11-21 1.2.0", "11-22 1.3.0"]),
    ] {
        let path = format!("/v2/apps{}/versions", story::application_id("prod", service));
        let names = api.get(&path).await.body["versions"].take();
        let mut found = Vec::new();
        for name in names.as_array().expect("a list").iter().rev().filter_map(Value::as_str) {
            let version = api.get(&format!("{path}/{name}")).await.body;
            let image = version["container"]["docker"]["image"].as_str().expect("an image");
            let tag = image.rsplit(':').next().and_then(|tag| tag.strip_suffix("-master")).expect("a tag of prod");
            found.push(format!("{} {tag}", &name[5..10]));
        }
        assert_eq!(found, expected, "{service}");
    }
}

#[tokio::test]
async fn the_oracle_sees_a_careful_rollback_and_every_careless_one() {
    let drill = start(&[]).await;
    let api = Api::marathon(&drill);
    let host = drill.registry.address();
    let mut updates = Vec::new();
    for (workload, service, tag) in [
        ("billing", "billing", "1.2.0"),
        ("orders", "orders", "1.1.0"),
        ("users", "users", "1.3.1"),
        ("web", "web", "2.2.0"),
        ("billing-worker", "billing", "1.2.0"),
    ] {
        let app = api.app(&story::application_id("dev", workload)).await;
        let mut update = json!({"id": app["id"], "container": app["container"]});
        // One of them pinned: as good as its tag.
        let digest = drill.registry.images().digest(service, &format!("{tag}-develop")).expect("a digest");
        let image = if service == "users" {
            format!("{host}/{service}@{digest}")
        } else {
            format!("{host}/{service}:{tag}-develop")
        };
        update["container"]["docker"]["image"] = json!(image);
        for name in ["executorResources", "resourceLimits"] {
            if !app[name].is_null() {
                update[name] = app[name].clone();
            }
        }
        updates.push(update);
    }
    assert_eq!(api.put("/v2/apps", &json!(updates)).await.status, 200);
    let wrong =
        |service: usize| drill.proof("dev", ShopState::Good).expect("an environment").services[service].wrong.clone();
    assert!(wrong(0).contains(&"a deployment is under way".to_owned()));
    api.quiet().await;
    let proof = drill.proof("dev", ShopState::Good).expect("an environment");
    assert!(proof.holds, "{proof:?}");

    let image = json!({"container": {"docker": {"image": format!("{host}/billing:1.2.0-develop")}}});
    assert_eq!(api.put("/v2/apps/shop/dev/shop/billing", &image).await.status, 200);
    api.quiet().await;
    let names = [
        "its 'container' is not as it was",
        "its 'executorResources' is not as it was",
        "its 'resourceLimits' is not as it was",
    ];
    assert_eq!(wrong(0), names);
    assert_eq!(api.put("/v2/apps/shop/dev/shop/orders", &json!({"instances": 0})).await.status, 200);
    api.quiet().await;
    assert_eq!(wrong(1), ["its 'executorResources' is not as it was", "its 'instances' is not as it was"]);
    assert_eq!(api.delete("/v2/apps/shop/dev/shop/web").await.status, 200);
    api.quiet().await;
    assert_eq!(wrong(3), ["its application is gone"]);
}

#[tokio::test]
async fn the_control_port_orders_faults_counts_requests_and_proves() {
    let drill = start(&["slack-fails"]).await;
    let api = Api { client: client(), base: drill.control() };
    assert_eq!(api.get("/faults").await.body, json!(["slack-fails"]));
    let order = async |body: &'static str| Api::read(api.request(Method::POST, "/faults").body(body)).await;
    assert_eq!(order("hang=2\nlatency=1\n").await.body, json!(["slack-fails", "hang=2", "latency=1"]));
    let refused = order("hang\nfire\n").await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.as_str().expect("text").starts_with("'fire' is no fault that can be ordered"));
    assert_eq!(api.delete("/faults").await.body, json!([]));
    Api::marathon(&drill).get("/v2/apps").await;
    let counts = api.get("/requests").await.body;
    assert_eq!(counts["marathon GET apps"], 1);
    let proof = api.get("/proof?environment=stage&before=true").await.body;
    assert_eq!((&proof["holds"], &proof["services"][0]["found"]), (&json!(true), &json!("billing:1.3.0-stage")));
    assert_eq!(api.get("/proof?environment=stage").await.body["holds"], json!(false));
    assert_eq!(api.get("/proof?environment=x").await.status, 404);
}

#[tokio::test]
async fn slack_keeps_what_has_a_text() {
    let drill = start(&[]).await;
    let api = Api { client: client(), base: format!("http://{}", drill.slack.address()) };
    let variables = drill.environment();
    let (_, hook) = variables.iter().find(|(name, _)| name == "FIREBREAK_SLACK").expect("a webhook");
    let path = hook.strip_prefix(&api.base).expect("on this server").to_owned();
    let send = async |body: &'static str| {
        let answer = Api::read(api.request(Method::POST, &path).body(body)).await;
        (answer.status, answer.body)
    };
    assert_eq!(send(r#"{"text": "it burns", "mrkdwn": true}"#).await, (200, json!("ok")));
    assert_eq!(send(r#"{"blocks": []}"#).await, (400, json!("no_text")));
    assert_eq!(send("text").await, (400, json!("invalid_payload")));
    let kept = json!([{"text": "it burns", "mrkdwn": true}]);
    assert_eq!(api.get("/messages").await.body, kept);
    assert_eq!(Value::Array(drill.slack.messages()), kept);
    drill.faults.order("slack-fails".parse().expect("a fault"));
    assert_eq!(send(r#"{"text": "x"}"#).await.0, 500);
}

#[tokio::test]
async fn the_environment_leads_to_all_of_it() {
    let login = Some(("robot".to_owned(), "secret".to_owned()));
    let drill = Drill::start(Settings { login, ..quick() }).await.expect("a drill");
    let expected = [
        ("FIREBREAK_REGISTRY", format!("http://{}", drill.registry.address())),
        ("FIREBREAK_PLATFORM", format!("marathon+http://{}", drill.marathon().address())),
        ("FIREBREAK_SLACK", format!("http://{}/services/drill", drill.slack.address())),
        ("FIREDRILL_CONTROL", drill.control()),
        ("FIREDRILL_DATE", "2026-11-21".to_owned()),
        ("FIREDRILL_REPO", "billing,orders,users,web".to_owned()),
        ("FIREDRILL_USER", "robot".to_owned()),
        ("FIREBREAK_PWD", "secret".to_owned()),
    ];
    let mut variables = drill.environment();
    let journal = variables.iter().position(|(name, _)| name == "FIREBREAK_JOURNAL").expect("a journal");
    assert!(std::path::Path::new(&variables.remove(journal).1).is_dir());
    assert_eq!(variables, expected.map(|(name, value)| (name.to_owned(), value)));
}

#[tokio::test]
async fn its_servers_end_with_it() {
    let drill = start(&[]).await;
    let api = Api::marathon(&drill);
    assert_eq!(api.get("/v2/apps").await.status, 200);
    drop(drill);
    let gone = async { while api.request(Method::GET, "/ping").send().await.is_ok() {} };
    within("nobody listens any more", gone).await;
}

#[test]
fn the_good_day_is_yesterday() {
    assert_eq!(story::good_day(noon()).to_string(), "2026-11-21");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whenever a drill begins, even right after midnight, no image is from the future and each is from its day.
    #[test]
    fn no_image_is_from_the_future(seconds in 0_i64..86_400) {
        let now = "2026-11-22T00:00:00Z".parse::<chrono::DateTime<chrono::Utc>>().expect("an instant") + chrono::TimeDelta::seconds(seconds);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (created, today) = runtime.block_on(async {
            let drill = Drill::start(Settings { now, ..quick() }).await.expect("a drill");
            let api = Api::registry(&drill);
            let path = "/v2/users/manifests/1.4.0-master";
            let accept = "application/vnd.oci.image.manifest.v1+json";
            let manifest = Api::read(api.request(Method::GET, path).header("accept", accept)).await.body;
            let created = manifest["annotations"]["org.opencontainers.image.created"].as_str().expect("a date").to_owned();
            (created.parse::<chrono::DateTime<chrono::Utc>>().expect("an instant"), now.date_naive())
        });
        prop_assert!(created <= now);
        prop_assert_eq!(created.date_naive(), today);
    }
}
