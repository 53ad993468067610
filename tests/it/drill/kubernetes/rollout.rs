//! How the controllers roll out, and when they do not.

use std::cell::Cell;

use reqwest::Method;
use serde_json::{Value, json};

use super::{BILLING, Cluster, ORDERS, USERS, WEB, image, start};

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

fn progressing(object: &Value) -> &str {
    condition(object, "Progressing").and_then(|condition| condition["reason"].as_str()).unwrap_or_default()
}

/// The numbers of a status, without conditions.
fn numbers(object: &Value) -> Value {
    let mut status = object["status"].clone();
    status.as_object_mut().expect("a status").remove("conditions");
    status
}

fn is_done(object: &Value) -> bool {
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
        && progressing(object) == "NewReplicaSetAvailable"
}

#[tokio::test]
async fn a_deployment_goes_back_to_the_replica_set_that_it_had() {
    let drill = start(&[]).await;
    let cluster = Cluster::of(&drill);
    let sets = async || {
        let sets = cluster.get("/apis/apps/v1/namespaces/dev/replicasets?labelSelector=app%3Dbilling").await;
        let mut sets: Vec<(String, Value, Value)> = sets["items"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|set| {
                let annotations = &set["metadata"]["annotations"];
                let text = annotations["deployment.kubernetes.io/revision"].as_str().expect("a number").to_owned();
                (
                    text,
                    annotations["deployment.kubernetes.io/revision-history"].clone(),
                    set["spec"]["replicas"].clone(),
                )
            })
            .collect();
        sets.sort_by_key(|(number, ..)| number.clone());
        sets
    };
    let row = |number: &str, history: Value, replicas: u64| (number.to_owned(), history, json!(replicas));
    let none = || Value::Null;
    let before = [row("1", none(), 0), row("2", none(), 0), row("3", none(), 0), row("4", none(), 2)];
    assert_eq!(sets().await, before);
    let answer = cluster.set(BILLING, &image(&drill, "billing:1.2.0-develop")).await;
    assert_eq!((answer.status, &answer.body["metadata"]["generation"]), (200, &json!(5)));
    assert_eq!(answer.body["status"]["observedGeneration"], 4, "nobody has looked at it yet");
    let after = cluster.until(BILLING, is_done).await;
    let expected = json!({
        "observedGeneration": 5, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2,
    });
    assert_eq!(numbers(&after), expected);
    assert_eq!(after["metadata"]["annotations"], json!({"deployment.kubernetes.io/revision": "5"}));
    let after = [row("1", none(), 0), row("2", none(), 0), row("4", none(), 0), row("5", json!("3"), 2)];
    assert_eq!(sets().await, after);
}

#[tokio::test]
async fn a_new_template_gets_a_replica_set_of_its_own_and_the_oldest_is_forgotten() {
    let drill = start(&[]).await;
    let cluster = Cluster::of(&drill);
    let add = json!([
        {"op": "replace", "path": "/spec/revisionHistoryLimit", "value": 2},
        {"op": "add", "path": "/metadata/annotations/kubernetes.io~1change-cause", "value": "a test"},
        {"op": "add", "path": "/spec/template/metadata/labels/colour", "value": "red"},
    ]);
    assert_eq!(cluster.call(Method::PATCH, BILLING, &add).await.status, 200);
    let after = cluster.until(BILLING, is_done).await;
    assert_eq!(after["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "5");
    let kept = |sets: &Value| sets["items"].as_array().expect("a list").len() == 3;
    let path = "/apis/apps/v1/namespaces/dev/replicasets?labelSelector=app%3Dbilling";
    let sets = cluster.until(path, kept).await;
    let new = sets["items"].as_array().expect("a list").iter().find(|set| set["spec"]["replicas"] == 2);
    assert_eq!(new.expect("the new one")["metadata"]["annotations"]["kubernetes.io/change-cause"], "a test");
}

#[tokio::test]
async fn what_never_gets_ready_is_said_after_the_deadline_and_the_old_pods_stay() {
    for fault in ["unhealthy=dev/billing", "hang"] {
        let drill = start(&[fault]).await;
        let cluster = Cluster::of(&drill);
        let old = image(&drill, "billing:1.3.0-develop");
        assert_eq!(cluster.set(BILLING, &image(&drill, "billing:1.2.0-develop")).await.status, 200);
        let late = |object: &Value| progressing(object) == "ProgressDeadlineExceeded";
        let stuck = cluster.until(BILLING, late).await;
        let expected = json!({
            "observedGeneration": 5, "replicas": 3, "updatedReplicas": 1, "readyReplicas": 2, "availableReplicas": 2,
            "unavailableReplicas": 1,
        });
        assert_eq!(numbers(&stuck), expected);
        let said = condition(&stuck, "Progressing").expect("a condition");
        assert_eq!(said["status"], "False");
        assert!(said["message"].as_str().expect("text").ends_with("\" has timed out progressing."), "{said}");
        assert_eq!(condition(&stuck, "Available").expect("a condition")["status"], "True");
        assert_eq!(cluster.set(BILLING, &old).await.status, 200);
        cluster.until(BILLING, is_done).await;
    }
}

#[tokio::test]
async fn an_image_that_is_nowhere_and_a_quota_are_told() {
    let drill = start(&["quota=orders"]).await;
    let cluster = Cluster::of(&drill);
    assert_eq!(cluster.set(BILLING, &image(&drill, "billing:9.9.9-develop")).await.status, 200);
    let waits = |pods: &Value| {
        pods["items"]
            .as_array()
            .expect("a list")
            .iter()
            .any(|pod| pod["status"]["containerStatuses"][1]["state"]["waiting"]["reason"] == "ImagePullBackOff")
    };
    cluster.until("/api/v1/namespaces/dev/pods?labelSelector=app%3Dbilling", waits).await;
    assert_eq!(cluster.set(ORDERS, &image(&drill, "orders:1.1.0-develop")).await.status, 200);
    let failed = |object: &Value| condition(object, "ReplicaFailure").is_some();
    let orders = cluster.until(ORDERS, failed).await;
    let said = condition(&orders, "ReplicaFailure").expect("a condition");
    assert_eq!((&said["status"], &said["reason"]), (&json!("True"), &json!("FailedCreate")));
    assert!(said["message"].as_str().expect("text").contains("is forbidden: exceeded quota: drill"), "{said}");
    drill.faults.clear();
    let orders = cluster.until(ORDERS, is_done).await;
    assert!(condition(&orders, "ReplicaFailure").is_none());
}

#[tokio::test]
async fn a_paused_deployment_does_not_roll() {
    let drill = start(&[]).await;
    let cluster = Cluster::of(&drill);
    let pause = json!([{"op": "add", "path": "/spec/paused", "value": true}]);
    assert_eq!(cluster.call(Method::PATCH, BILLING, &pause).await.status, 200);
    // Until its controller has seen it, its status changes, and with it the version that a write asks for.
    let seen = |object: &Value| object["status"]["observedGeneration"] == object["metadata"]["generation"];
    cluster.until(BILLING, seen).await;
    assert_eq!(cluster.set(BILLING, &image(&drill, "billing:1.2.0-develop")).await.status, 200);
    let paused = cluster.until(BILLING, seen).await;
    assert_eq!((progressing(&paused), &paused["status"]["updatedReplicas"]), ("DeploymentPaused", &Value::Null));
    assert_eq!(paused["status"]["readyReplicas"], 2);
    let go_on = json!([{"op": "remove", "path": "/spec/paused"}]);
    assert_eq!(cluster.call(Method::PATCH, BILLING, &go_on).await.status, 200);
    cluster.until(BILLING, is_done).await;
}

#[tokio::test]
async fn a_stateful_set_waits_for_a_pod_that_never_gets_ready_even_when_it_is_set_back() {
    let drill = start(&["unhealthy=users"]).await;
    let cluster = Cluster::of(&drill);
    let before = cluster.get(USERS).await;
    assert_eq!(cluster.set(USERS, &image(&drill, "users:1.3.1-develop")).await.status, 200);
    let ill = |object: &Value| object["status"]["updatedReplicas"] == 1 && object["status"]["readyReplicas"] == 1;
    let stuck = cluster.until(USERS, ill).await;
    assert_eq!(stuck["status"]["currentRevision"], before["status"]["currentRevision"]);
    let running = |pod: &Value| pod["status"]["phase"] == "Running";
    let pod = "/api/v1/namespaces/dev/pods/users-1";
    let old = cluster.until(pod, running).await;
    assert_eq!(old["spec"]["containers"][0]["image"], image(&drill, "users:1.3.1-develop"), "the highest goes first");

    assert_eq!(cluster.set(USERS, &image(&drill, "users:1.4.0-develop")).await.status, 200);
    let seen = |object: &Value| object["status"]["observedGeneration"] == object["metadata"]["generation"];
    cluster.until(USERS, seen).await;
    assert_eq!(cluster.get(pod).await["metadata"]["uid"], old["metadata"]["uid"], "it is waited for");
    assert_eq!(cluster.call(Method::DELETE, pod, &Value::Null).await.status, 200);
    let done = |object: &Value| object["status"]["readyReplicas"] == 2 && seen(object);
    let after = cluster.until(USERS, done).await;
    let mut expected = before["status"].clone();
    let generation = before["metadata"]["generation"].as_u64().expect("a number");
    expected["observedGeneration"] = json!(generation + 2);
    assert_eq!(after["status"], expected);
}

#[tokio::test]
async fn a_daemon_set_is_rolled_out_a_node_at_a_time() {
    let drill = start(&[]).await;
    let cluster = Cluster::of(&drill);
    assert_eq!(cluster.set(WEB, &image(&drill, "web:2.2.0-develop")).await.status, 200);
    let least = Cell::new(3);
    let is_done = |web: &Value| {
        least.set(web["status"]["numberReady"].as_u64().expect("a number").min(least.get()));
        web["status"]["observedGeneration"] == 5
            && web["status"]["updatedNumberScheduled"] == 3
            && web["status"]["numberReady"] == 3
    };
    let after = cluster.until(WEB, is_done).await;
    assert!(least.get() >= 2, "only {least:?} of 3 were ready");
    let status = json!({
        "currentNumberScheduled": 3, "numberMisscheduled": 0, "desiredNumberScheduled": 3, "numberReady": 3,
        "observedGeneration": 5, "updatedNumberScheduled": 3, "numberAvailable": 3,
    });
    assert_eq!(after["status"], status);
    let revisions = cluster.get("/apis/apps/v1/namespaces/dev/controllerrevisions?labelSelector=app%3Dweb").await;
    let numbers = revisions["items"].as_array().expect("a list").iter().filter_map(|one| one["revision"].as_u64());
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 4, 5], "the third was used again");
}
