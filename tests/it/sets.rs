//! A set goes together: every workload that runs an image of its services, whatever it is called; and what is left as it is
//! is named. The real program against a drill in this process.

use chrono::Utc;
use firebreak::drill::Platform;
use firebreak::drill::story::{ShopState, application_id};
use firebreak::http::{self, Trust};
use serde_json::{Value, json};

use crate::support::program::{DrillFixture, Output};

const RUN: &str = "run --date=DAY --env=dev --yes";

async fn on(platform: Platform) -> DrillFixture {
    let fixture = DrillFixture::furnished(&[], |settings| settings.platform = platform).await;
    fixture.look().await;
    fixture
}

fn report(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("one JSON document: {error}: {output:?}"))
}

/// Changes an application of the drill's Marathon as somebody else, and waits until that is done.
async fn put(fixture: &DrillFixture, workload: &str, body: &Value) {
    let marathon = fixture.drill.marathon();
    let url = format!("http://{}/v2/apps{}", marathon.address(), application_id("dev", workload));
    let answer = http::client(&Trust::default()).expect("a client").put(url).json(body).send().await;
    let answer = answer.expect("an answer");
    assert!(answer.status().is_success(), "{:?}", answer.text().await);
    for _ in 0..3000 {
        if marathon.applications().deployments() == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the deployment did not end within 30 seconds");
}

/// What an application of the drill's Marathon is set to, without the registry.
fn image(fixture: &DrillFixture, workload: &str) -> String {
    let app = fixture.drill.marathon().applications().app(&application_id("dev", workload)).expect("an application");
    let image = app["container"]["docker"]["image"].as_str().expect("an image");
    image.replace(&format!("{}/", fixture.drill.registry.address()), "")
}

/// Sets another image of an application of the drill's Marathon, as somebody else.
async fn set(fixture: &DrillFixture, workload: &str, image: &str) {
    let app = fixture.drill.marathon().applications().app(&application_id("dev", workload)).expect("an application");
    let mut container = app["container"].clone();
    container["docker"]["image"] = format!("{}/{image}", fixture.drill.registry.address()).into();
    put(fixture, workload, &json!({ "container": container })).await;
}

/// How each workload ended, by its name.
fn states(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let results = report["results"].as_array().expect("results");
    results.iter().map(|result| (text(&result["subject"]), text(&result["state"]))).collect()
}

fn are(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, state)| ((*name).to_owned(), (*state).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_a_cron_job_and_an_init_container_go_back_with_their_service() {
    let fixture = on(Platform::Kubernetes).await;
    let output = fixture.run(&format!("{RUN} --format=json")).await;
    let done = report(&output);
    assert_eq!((output.code, &done["outcome"]), (0, &json!("done")), "{output:?}");
    assert_eq!(done["message"], "6 workloads of 4 services set; 5 verified, 1 has no instances");
    let expected = [
        ("billing", "target"),
        ("billing-report", "set"),
        ("billing-worker", "target"),
        ("orders", "target"),
        ("users", "target"),
        ("web", "target"),
    ];
    assert_eq!(states(&done), are(&expected));
    assert_eq!(done["results"][1]["detail"], "its next job runs this image");
    assert_eq!(done["steps"][1]["note"], "it runs at its times: only its image is set");
    assert_eq!(
        done["steps"][2]["note"],
        "its containers billing-worker, migrate run the same repository and move together; no readiness probe: that it runs \
         is all that can be seen"
    );
    fixture.stands(ShopState::Good);

    let output = fixture.run("undo --env=dev --yes").await;
    assert_eq!(output.code, 0, "{output:?}");
    let said = "6 workloads of 4 services set back as before run RUN; 5 verified, 1 has no instances\n";
    assert!(output.stdout.ends_with(said), "{output:?}");
    let rows: Vec<Vec<&str>> = output.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["workload", "state", "image"]);
    assert_eq!(rows[1], ["billing", "set", "back", "1.3.0-develop"]);
    assert_eq!(rows[2], ["billing-report", "set", "1.3.0-develop"]);
    assert!(output.stdout.contains("billing-report: its next job runs this image\n"), "{output:?}");
    fixture.stands(ShopState::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_left_and_named_in_plan_report_and_slack() {
    let fixture = on(Platform::Marathon).await;
    let labels = |value: &str| json!({ "labels": { "team": "money", "tier": "back", "firebreak.io/hold": value } });
    put(&fixture, "billing-worker", &labels("incident 7")).await;
    let planned = fixture.run("run --date=DAY --env=dev --check").await;
    let line = "billing-worker: left as it is, with 1.3.0-develop: it is held (firebreak.io/hold: incident 7)\n";
    assert!(planned.code == 0 && planned.stdout.contains(line), "{planned:?}");
    assert!(planned.stdout.ends_with("would change 4 services\n"), "{planned:?}");
    let output = fixture.run(&format!("{RUN} --format=json")).await;
    let done = report(&output);
    let message = "4 services rolled back and verified (left as it is: billing-worker)";
    assert_eq!((output.code, &done["message"]), (0, &json!(message)), "{output:?}");
    assert_eq!(
        done["left"],
        json!([{
            "service": "billing-worker", "application": "/shop/dev/shop/billing-worker",
            "images": ["REGISTRY/billing:1.3.0-develop"], "why": "it is held (firebreak.io/hold: incident 7)",
        }])
    );
    assert_eq!(fixture.told().last().map(String::as_str), Some(&*format!("dev: {message}")));
    assert_eq!(
        [image(&fixture, "billing"), image(&fixture, "billing-worker")],
        ["billing:1.2.0-develop", "billing:1.3.0-develop"]
    );

    // Nothing to do is not all is well: the one that is held is named still.
    let again = fixture.run(RUN).await;
    let said = "every service stands at DAY already: nothing to do (left as it is: billing-worker)\n";
    assert!(again.code == 0 && again.stdout.ends_with(said), "{again:?}");
    put(&fixture, "billing-worker", &labels("false")).await;
    let output = fixture.run(RUN).await;
    assert!(output.code == 0 && output.stdout.ends_with("1 service rolled back and verified\n"), "{output:?}");
    assert_eq!(image(&fixture, "billing-worker"), "billing:1.2.0-develop");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_since_is_left_by_undo() {
    let fixture = on(Platform::Marathon).await;
    assert_eq!(fixture.run(RUN).await.code, 0);
    put(&fixture, "billing-worker", &json!({ "labels": { "firebreak.io/hold": "true" } })).await;
    let output = fixture.run("undo --env=dev --yes").await;
    let said = "4 services set back as before run RUN, and verified (left as it is: billing-worker)\n";
    assert!(output.code == 0 && output.stdout.ends_with(said), "{output:?}");
    assert_eq!(
        [image(&fixture, "billing"), image(&fixture, "billing-worker")],
        ["billing:1.3.0-develop", "billing:1.2.0-develop"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_another_environment_is_left_and_named() {
    let fixture = on(Platform::Marathon).await;
    set(&fixture, "billing-worker", "billing:1.3.0-master").await;
    let output = fixture.run(RUN).await;
    let line = "billing-worker: left as it is, with 1.3.0-master: its image is one of 'master', not of 'develop'\n";
    assert!(output.code == 0 && output.stdout.contains(line), "{output:?}");
    assert!(
        output.stdout.ends_with("4 services rolled back and verified (left as it is: billing-worker)\n"),
        "{output:?}"
    );
    assert_eq!(image(&fixture, "billing-worker"), "billing:1.3.0-master");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_narrows_the_set_and_a_name_that_nobody_has_is_refused() {
    let fixture = on(Platform::Marathon).await;
    let refused = fixture.run(&format!("{RUN} --only=web,biling-worker")).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{refused:?}");
    let reason = "  - --only: no workload of the set is called 'biling-worker': did you mean 'billing-worker'?\n";
    assert!(refused.stderr.ends_with(reason), "{refused:?}");
    fixture.stands(ShopState::Broken);

    let output = fixture.run(&format!("{RUN} --only=billing-worker,/shop/dev/shop/web --format=json")).await;
    let done = report(&output);
    assert_eq!((output.code, &done["message"]), (0, &json!("2 services rolled back and verified")), "{output:?}");
    assert_eq!(states(&done), are(&[("billing-worker", "target"), ("web", "target")]));
    assert_eq!(done["notes"], json!(["left as they are, for --only does not name them: billing, orders, users"]));
    let found = ["billing", "billing-worker", "orders", "web"].map(|workload| image(&fixture, workload));
    assert_eq!(found, ["billing:1.3.0-develop", "billing:1.2.0-develop", "orders:1.2.0-develop", "web:2.2.0-develop"]);
    assert_eq!(fixture.run("undo --env=dev --yes").await.code, 0);
    fixture.stands(ShopState::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_set_is_named_and_left() {
    let fixture = on(Platform::Kubernetes).await;
    let pod = |name: &str, owner: Value, image: &str| {
        let image = format!("{}/{image}", fixture.drill.registry.address());
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "dev", "ownerReferences": owner},
            "spec": {"containers": [{"name": "app", "image": image}]}, "status": {"phase": "Running"},
        })
    };
    let by = |version: &str, kind: &str, name: &str| json!([{"apiVersion": version, "kind": kind, "name": name, "uid": name, "controller": true}]);
    for pod in [
        pod("migrate-7-x2b4", by("batch/v1", "Job", "migrate-7"), "billing:1.3.0-develop"),
        pod("debug", json!([]), "web:2.3.0-develop"),
        pod("mesh-1", by("mesh.example/v1", "Mesh", "mesh"), "proxy:1.0.0-develop"),
    ] {
        fixture.drill.kubernetes().objects().place(&pod, Utc::now()).expect("a pod");
    }
    // What a controller of another kind made it sets back: a revision of Knative, say.
    let mut made = fixture.drill.kubernetes().objects().object("Deployment", "dev", "billing").expect("a Deployment");
    let labels = json!({"app": "web-00001"});
    made["metadata"] = json!({
        "name": "web-00001", "namespace": "dev", "ownerReferences": by("serving.knative.dev/v1", "Revision", "web-00001"),
    });
    made["spec"]["selector"]["matchLabels"] = labels.clone();
    made["spec"]["template"]["metadata"] = json!({ "labels": labels });
    fixture.drill.kubernetes().objects().place(&made, Utc::now()).expect("a Deployment");
    let output = fixture.run(RUN).await;
    assert_eq!(output.code, 0, "{output:?}");
    for line in [
        "job/migrate-7: left as it is, with 1.3.0-develop: a job under way, which keeps its image\n",
        "pod/debug: left as it is, with 2.3.0-develop: a pod of its own, whose image cannot be set\n",
        "web-00001: left as it is, with 1.3.0-develop: Revision 'web-00001' made it, and would set it back\n",
        "6 workloads of 4 services set; 5 verified, 1 has no instances (left as they are: web-00001, job/migrate-7, pod/debug)\n",
    ] {
        assert!(output.stdout.contains(line), "{line}{output:?}");
    }
    fixture.stands(ShopState::Good);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_of_marathon_that_runs_an_image_of_the_set_is_named_and_left() {
    let fixture = on(Platform::Marathon).await;
    let pod = |id: &str, labels: Value, image: &str| {
        let image = format!("{}/{image}", fixture.drill.registry.address());
        json!({
            "id": id, "version": "2026-11-20T10:00:00.000Z", "labels": labels,
            "containers": [{"name": "main", "image": {"kind": "DOCKER", "id": image}}, {"name": "bare"}],
            "scaling": {"kind": "fixed", "instances": 1}, "networks": [{"mode": "host"}],
        })
    };
    for pod in [
        pod("/shop/dev/batch/report", json!({}), "billing:1.3.0-develop"),
        pod("/shop/dev/batch/frozen", json!({"firebreak.io/hold": "incident 7"}), "web:2.3.0-develop"),
        pod("/shop/dev/batch/mesh", json!({}), "proxy:1.0.0-develop"),
        pod("/shop/stage/batch/report", json!({}), "billing:1.3.0-develop"),
    ] {
        fixture.drill.marathon().applications().place_pod(pod);
    }
    let output = fixture.run(RUN).await;
    assert_eq!(output.code, 0, "{output:?}");
    for line in [
        "pod/report: left as it is, with 1.3.0-develop: a pod, which is not set by this program\n",
        "pod/frozen: left as it is, with 2.3.0-develop: it is held (firebreak.io/hold: incident 7)\n",
        "(left as they are: pod/report, pod/frozen)\n",
    ] {
        assert!(output.stdout.contains(line), "{line}{output:?}");
    }
    for absent in ["pod/mesh", "/shop/stage"] {
        assert!(!output.stdout.contains(absent), "{absent}: {output:?}");
    }
    fixture.stands(ShopState::Good);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_instances_is_set_and_not_said_to_be_verified() {
    let fixture = on(Platform::Marathon).await;
    put(&fixture, "orders", &json!({ "instances": 0 })).await;
    let output = fixture.run(&format!("{RUN} --format=json")).await;
    let done = report(&output);
    let message = "5 workloads of 4 services set; 4 verified, 1 has no instances";
    assert_eq!((output.code, &done["message"]), (0, &json!(message)), "{output:?}");
    let orders = &done["results"][2];
    assert_eq!((&orders["state"], &orders["detail"]), (&json!("set"), &json!("0 instances")));
    assert_eq!(image(&fixture, "orders"), "orders:1.1.0-develop");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pinned_stays_pinned_and_its_tag_is_shown() {
    let fixture = on(Platform::Marathon).await;
    let digest = |tag: &str| fixture.drill.registry.images().digest("billing", tag).expect("an image");
    let pinned = |tag: &str| format!("billing:{tag}@{}", digest(tag));
    set(&fixture, "billing", &pinned("1.3.0-develop")).await;
    let planned = fixture.run("run --date=DAY --env=dev --check").await;
    let row = planned.stdout.lines().find(|line| line.starts_with("billing ")).expect("a row of the plan");
    let cells: Vec<&str> = row.split_whitespace().take(3).collect();
    let short = |tag: &str| format!("{tag}@{}", &digest(tag)[..19]);
    assert_eq!(cells, ["billing", &short("1.3.0-develop"), &short("1.2.0-develop")], "{planned:?}");
    assert_eq!(fixture.run(RUN).await.code, 0);
    assert_eq!(
        [image(&fixture, "billing"), image(&fixture, "billing-worker")],
        [pinned("1.2.0-develop"), "billing:1.2.0-develop".to_owned()]
    );
    let again = fixture.run(&format!("{RUN} --format=json")).await;
    assert_eq!(report(&again)["outcome"], "nothing_to_do", "{again:?}");
    // What it was pinned to is there still, whatever its tag says by now.
    fixture.drill.registry.images().tag("billing", "1.3.0-develop", &digest("1.0.0-develop"));
    let refused = fixture.run("undo --env=dev --yes").await;
    assert!(
        refused.code == 1 && refused.stderr.contains("the tag '1.3.0-develop' of 'billing' now points at"),
        "the worker's: {refused:?}"
    );
}
