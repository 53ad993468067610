//! The embedded Kubernetes over plain HTTP, fact by fact.

mod real;
mod rollout;

use std::time::Duration;

use firebreak::drill::kubernetes::{OPERATOR, READER};
use firebreak::drill::story::{self, ShopState};
use firebreak::drill::{Drill, Platform, Settings};
use firebreak::http::{self, Trust};
use firebreak::platform::connect;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{Answer, Api, client, quick, within};
use crate::support::contract;

const BILLING: &str = "/apis/apps/v1/namespaces/dev/deployments/billing";
const ORDERS: &str = "/apis/apps/v1/namespaces/dev/deployments/orders";
const USERS: &str = "/apis/apps/v1/namespaces/dev/statefulsets/users";
const WEB: &str = "/apis/apps/v1/namespaces/dev/daemonsets/web";
const WORKER: &str = "/apis/apps/v1/namespaces/dev/deployments/billing-worker";
const REPORT: &str = "/apis/batch/v1/namespaces/dev/cronjobs/billing-report";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/dev/leases";

async fn start(faults: &[&str]) -> Drill {
    start_at(quick().pace, faults).await
}

/// One whose controllers do nothing: what a caller read stays as it is until the caller writes it.
async fn start_still(faults: &[&str]) -> Drill {
    start_at(Duration::from_hours(1), faults).await
}

async fn start_at(pace: Duration, faults: &[&str]) -> Drill {
    let faults = faults.iter().map(|text| text.parse().expect("a fault")).collect();
    let settings = Settings { faults, pace, platform: Platform::Kubernetes, ..quick() };
    Drill::start(settings).await.expect("a drill on free ports")
}

/// A client of the API server, as one of its users.
struct Cluster {
    api: Api,
    token: &'static str,
}

impl Cluster {
    fn of(drill: &Drill) -> Self {
        let api = Api { client: client(), base: format!("http://{}", drill.kubernetes().address()) };
        Self { api, token: OPERATOR.1 }
    }

    fn request(&self, method: Method, path: &str, media_type: &str, body: &Value) -> RequestBuilder {
        let request = self.api.request(method, path).bearer_auth(self.token);
        if body.is_null() { request } else { request.header("content-type", media_type).body(body.to_string()) }
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Answer {
        let media_type = if method == Method::PATCH { "application/json-patch+json" } else { "application/json" };
        Api::read(self.request(method, path, media_type, body)).await
    }

    /// What is at a path.
    async fn get(&self, path: &str) -> Value {
        let answer = self.call(Method::GET, path, &Value::Null).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// Sets a service's image as it should be done: only where nobody changed it.
    async fn set(&self, path: &str, image: &str) -> Answer {
        let object = self.get(path).await;
        self.call(Method::PATCH, path, &careful(&object, image)).await
    }

    /// Waits until an object is as wanted, and gives it.
    async fn until(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let coming = async {
            loop {
                let object = self.get(path).await;
                if is_so(&object) {
                    return object;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        within(path, coming).await
    }
}

/// A patch of the container that has the name of its object.
fn careful(object: &Value, image: &str) -> Value {
    let is_cron_job = !object["spec"]["jobTemplate"].is_null();
    let pods = if is_cron_job { "/spec/jobTemplate/spec/template/spec" } else { "/spec/template/spec" };
    let containers = object.pointer(pods).expect("pods")["containers"].as_array().expect("containers");
    let place = containers.iter().position(|container| container["name"] == object["metadata"]["name"]);
    let place = place.expect("the service's container");
    let path = format!("{pods}/containers/{place}/image");
    json!([
        {"op": "test", "path": "/metadata/resourceVersion", "value": object["metadata"]["resourceVersion"]},
        {"op": "test", "path": path, "value": containers[place]["image"]},
        {"op": "replace", "path": path, "value": image},
    ])
}

fn image(drill: &Drill, name: &str) -> String {
    format!("{}/{name}", drill.registry.address())
}

fn refusal(code: u16, reason: &str, message: &str, details: &Value) -> Value {
    let mut body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": reason, "code": code,
    });
    if !details.is_null() {
        body["details"] = details.clone();
    }
    body
}

fn refused(answer: &Answer, code: u16, reason: &str, message: &str, details: &Value) {
    assert_eq!((answer.status, &answer.body), (code, &refusal(code, reason, message, details)));
}

fn of_billing() -> Value {
    json!({"name": "billing", "group": "apps", "kind": "deployments"})
}

const PATCH_REFUSED: &str = "the server rejected our request due to an error in our request";

#[tokio::test]
async fn a_write_is_taken_only_by_who_may_and_where_nobody_changed_anything() {
    let drill = start(&[]).await;
    let mut cluster = Cluster::of(&drill);
    let before = cluster.get(BILLING).await;
    let patch = careful(&before, "other:1");

    let mut stale = patch.clone();
    stale[0]["value"] = json!("1");
    refused(&cluster.call(Method::PATCH, BILLING, &stale).await, 422, "Invalid", PATCH_REFUSED, &json!({}));
    let mut other = patch.clone();
    other[1]["value"] = json!("another:1");
    refused(&cluster.call(Method::PATCH, BILLING, &other).await, 422, "Invalid", PATCH_REFUSED, &json!({}));
    let mut object = before.clone();
    object["metadata"]["resourceVersion"] = json!("1");
    let message = "Operation cannot be fulfilled on deployments.apps \"billing\": the object has been modified; please \
                   apply your changes to the latest version and try again";
    refused(&cluster.call(Method::PUT, BILLING, &object).await, 409, "Conflict", message, &of_billing());
    let merge = cluster.request(Method::PATCH, BILLING, "application/merge-patch+json", &json!({}));
    let message = "415: Unsupported Media Type (the drill takes JSON Patch alone)";
    refused(&Api::read(merge).await, 415, "UnsupportedMediaType", message, &json!({}));
    let gone = cluster.call(Method::PATCH, &format!("{BILLING}s"), &patch).await;
    let details = json!({"name": "billings", "group": "apps", "kind": "deployments"});
    refused(&gone, 404, "NotFound", "deployments.apps \"billings\" not found", &details);

    let dry = cluster.call(Method::PATCH, &format!("{BILLING}?dryRun=All"), &patch).await;
    assert_eq!((dry.status, &dry.body["metadata"]["generation"]), (200, &json!(5)));
    assert_eq!(dry.body["spec"]["template"]["spec"]["containers"][1]["image"], "other:1");

    cluster.token = READER.1;
    let message = "deployments.apps \"billing\" is forbidden: User \"reader\" cannot patch resource \"deployments\" in \
                   API group \"apps\" in the namespace \"dev\"";
    refused(&cluster.call(Method::PATCH, BILLING, &patch).await, 403, "Forbidden", message, &of_billing());
    cluster.token = "nobody's";
    refused(&cluster.call(Method::GET, BILLING, &Value::Null).await, 401, "Unauthorized", "Unauthorized", &Value::Null);
    cluster.token = OPERATOR.1;
    assert_eq!(cluster.get(BILLING).await, before);
}

#[tokio::test]
async fn lists_say_what_they_are_are_filtered_and_come_in_pages() {
    let drill = start(&[]).await;
    let cluster = Cluster::of(&drill);
    let path = "/apis/apps/v1/namespaces/dev/deployments";
    let names = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().expect("items").iter();
        items.filter_map(|item| Some(item["metadata"]["name"].as_str()?.to_owned())).collect()
    };
    let all = cluster.get(path).await;
    assert_eq!((&all["kind"], &all["apiVersion"]), (&json!("DeploymentList"), &json!("apps/v1")));
    assert_eq!((&all["items"][0]["kind"], &all["items"][0]["apiVersion"]), (&Value::Null, &Value::Null));
    assert_eq!(names(&all), ["billing", "billing-worker", "orders", "pre-orders"]);
    let of_money = cluster.get(&format!("{path}?labelSelector=team%20in%20(money)")).await;
    assert_eq!(names(&of_money), ["billing", "billing-worker"]);
    assert_eq!(names(&cluster.get("/apis/apps/v1/deployments?labelSelector=app%3Dbilling").await).len(), 3);
    let first = cluster.get(&format!("{path}?limit=3")).await;
    assert_eq!((names(&first).len(), &first["metadata"]["remainingItemCount"]), (3, &json!(1)));
    let next = first["metadata"]["continue"].as_str().expect("a token");
    assert_eq!(names(&cluster.get(&format!("{path}?limit=3&continue={next}")).await), ["pre-orders"]);
    let cron_jobs = cluster.get("/apis/batch/v1/namespaces/dev/cronjobs").await;
    assert_eq!((&cron_jobs["kind"], names(&cron_jobs)), (&json!("CronJobList"), vec!["billing-report".to_owned()]));
    assert_eq!(names(&cluster.get("/apis/apps/v1/namespaces/none/deployments").await), Vec::<String>::new());
    let pods = cluster.get("/api/v1/namespaces/dev/pods?labelSelector=app%3Dusers").await;
    assert_eq!(names(&pods), ["users-0", "users-1"]);
    assert_eq!(cluster.get("/api/v1/namespaces/dev").await["status"], json!({"phase": "Active"}));
    let wrong = cluster.call(Method::GET, &format!("{path}?fieldSelector=spec.replicas%3D1"), &Value::Null).await;
    let message = "\"spec.replicas\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"";
    refused(&wrong, 400, "BadRequest", message, &Value::Null);
}

#[tokio::test]
async fn the_generation_is_that_of_the_spec_and_every_write_has_its_version() {
    let drill = start(&[]).await;
    let cluster = Cluster::of(&drill);
    let step = async |path: &str, what: &str, value: Value| {
        let before = cluster.get(path).await;
        let answer = cluster.call(Method::PATCH, path, &json!([{"op": "add", "path": what, "value": value}])).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let number = |object: &Value| object["metadata"]["generation"].as_u64().expect("a generation");
        let is_other = before["metadata"]["resourceVersion"] != answer.body["metadata"]["resourceVersion"];
        (number(&answer.body) - number(&before), is_other)
    };
    assert_eq!(step(WEB, "/metadata/labels/colour", json!("red")).await, (0, true));
    assert_eq!(step(WEB, "/metadata/annotations/colour", json!("red")).await, (0, true));
    assert_eq!(step(BILLING, "/metadata/annotations/colour", json!("red")).await, (1, true), "as the real one");
    assert_eq!(step(BILLING, "/spec/replicas", json!(3)).await, (1, true));
    assert_eq!(step(BILLING, "/status/replicas", json!(77)).await.0, 0);
    assert_eq!(step(ORDERS, "/metadata/generation", json!(77)).await, (0, false));
}

#[tokio::test]
async fn a_lease_is_had_by_one_and_removed_only_as_it_was_read() {
    let drill = start(&["lock=prod/billing"]).await;
    let cluster = Cluster::of(&drill);
    let lease = |version: &Value| {
        let mut lease =
            json!({"metadata": {"name": "one"}, "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15}});
        if !version.is_null() {
            lease["metadata"]["resourceVersion"] = version.clone();
        }
        lease
    };
    let made = cluster.call(Method::POST, LEASES, &lease(&Value::Null)).await;
    assert_eq!((made.status, &made.body["spec"]["holderIdentity"]), (201, &json!("me")));
    let again = cluster.call(Method::POST, LEASES, &lease(&Value::Null)).await;
    let details = json!({"name": "one", "group": "coordination.k8s.io", "kind": "leases"});
    refused(&again, 409, "AlreadyExists", "leases.coordination.k8s.io \"one\" already exists", &details);
    let path = format!("{LEASES}/one");
    let stale = cluster.call(Method::PUT, &path, &lease(&json!("1"))).await;
    assert_eq!((stale.status, &stale.body["reason"]), (409, &json!("Conflict")));
    let put = cluster.call(Method::PUT, &path, &lease(&made.body["metadata"]["resourceVersion"])).await;
    assert_eq!(put.status, 200);
    let only = |uid: &Value| json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid}});
    let wrong = cluster.call(Method::DELETE, &path, &only(&json!("other"))).await;
    assert_eq!((wrong.status, &wrong.body["reason"]), (409, &json!("Conflict")));
    let uid = &put.body["metadata"]["uid"];
    let done = cluster.call(Method::DELETE, &path, &only(uid)).await;
    let details = json!({"name": "one", "kind": "leases", "uid": uid, "group": "coordination.k8s.io"});
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
    assert_eq!((done.status, done.body), (200, body));
    assert_eq!(cluster.call(Method::GET, &path, &Value::Null).await.status, 404);
}

#[tokio::test]
async fn somebody_else_has_the_lease_for_a_while_or_for_ever() {
    let drill = start(&["lock=dev/billing:1", "lock=prod/web"]).await;
    let cluster = Cluster::of(&drill);
    let lease = json!({"metadata": {"name": "one"}, "spec": {"holderIdentity": "me"}});
    assert_eq!(cluster.call(Method::POST, LEASES, &lease).await.status, 409);
    let free = async { while cluster.call(Method::POST, LEASES, &lease).await.status != 201 {} };
    within("the lease is let go", free).await;
    let prod = LEASES.replace("/dev/", "/prod/");
    assert_eq!(cluster.call(Method::POST, &prod, &lease).await.status, 409);
    let held = cluster.get(&format!("{prod}/one")).await;
    assert_eq!(held["spec"]["holderIdentity"], "somebody-else");
    let renewed = |now: &Value| now["spec"]["renewTime"] != held["spec"]["renewTime"];
    cluster.until(&format!("{prod}/one"), renewed).await;
}

#[tokio::test]
async fn writes_are_refused_cut_off_or_not_answered_as_ordered() {
    let drill = start_still(&["refuse=billing"]).await;
    let cluster = Cluster::of(&drill);
    let before = cluster.get(BILLING).await;
    let message = "admission webhook \"drill.firebreak\" denied the request: it is refused, as ordered";
    refused(&cluster.set(BILLING, "other:1").await, 422, "Invalid", message, &Value::Null);
    let dry = cluster.call(Method::PATCH, &format!("{BILLING}?dryRun=All"), &careful(&before, "other:1")).await;
    refused(&dry, 422, "Invalid", message, &Value::Null);
    drill.faults.clear();
    let order = |fault: &str| drill.faults.order(fault.parse().expect("a fault"));
    order("refuse=billing:400");
    let bare = cluster.set(BILLING, "other:1").await;
    let mut body = refusal(400, "", message, &Value::Null);
    body.as_object_mut().expect("an object").remove("reason");
    assert_eq!((bare.status, bare.body), (400, body));
    drill.faults.clear();
    order("forbid");
    let answer = cluster.set(BILLING, "other:1").await;
    assert_eq!((answer.status, &answer.body["reason"]), (403, &json!("Forbidden")));
    drill.faults.clear();
    assert_eq!(cluster.get(BILLING).await, before);

    let write = async |image: &str| {
        let patch = careful(&cluster.get(BILLING).await, image);
        cluster.request(Method::PATCH, BILLING, "application/json-patch+json", &patch).send().await.is_ok()
    };
    let now = async || cluster.get(BILLING).await["spec"]["template"]["spec"]["containers"][1]["image"].clone();
    order("reset");
    assert!(!write("a:1").await);
    assert_eq!(now().await, before["spec"]["template"]["spec"]["containers"][1]["image"]);
    order("lose-reply");
    assert!(!write("a:1").await);
    assert_eq!(now().await, "a:1");
    order("gone-at-write");
    assert!(!write("a:2").await);
    assert!(cluster.request(Method::GET, BILLING, "", &Value::Null).send().await.is_err());
    drill.faults.clear();
    assert_eq!(now().await, "a:2");
}

#[tokio::test]
async fn somebody_changes_a_workload_after_it_was_read() {
    let drill = start(&["change=dev/billing:2"]).await;
    let cluster = Cluster::of(&drill);
    let first = cluster.get("/apis/apps/v1/namespaces/dev/deployments").await["items"][0].take();
    let second = cluster.get(BILLING).await;
    assert_eq!(first["metadata"], second["metadata"]);
    let late = cluster.call(Method::PATCH, BILLING, &careful(&second, "other:1")).await;
    refused(&late, 422, "Invalid", PATCH_REFUSED, &json!({}));
    let third = cluster.get(BILLING).await;
    assert_eq!(third["metadata"]["labels"]["changed-by"], "somebody-else");
    assert_eq!(third["metadata"]["generation"], second["metadata"]["generation"]);
    assert_eq!(cluster.get(BILLING).await, third);
}

#[tokio::test]
async fn the_proof_sees_a_careful_rollback_and_a_careless_one() {
    let drill = start(&[]).await;
    let cluster = Cluster::of(&drill);
    for (environment, _) in story::ENVIRONMENTS {
        assert!(drill.proof(environment, ShopState::Broken).expect("an environment").holds);
    }
    let proof = || drill.proof("dev", ShopState::Good).expect("an environment");
    let images = [
        (BILLING, "billing:1.2.0"),
        (ORDERS, "orders:1.1.0"),
        (USERS, "users:1.3.1"),
        (WEB, "web:2.2.0"),
        (WORKER, "billing:1.2.0"),
        (REPORT, "billing:1.2.0"),
    ];
    for (path, name) in images {
        let answer = cluster.set(path, &image(&drill, &format!("{name}-develop"))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    // Whoever sets the containers alone leaves what migrates before them.
    let wrong = proof().services.remove(4).wrong;
    let migrates = image(&drill, "billing:1.3.0-develop");
    assert!(wrong.contains(&format!("it migrates by \"{migrates}\"")), "{wrong:?}");
    let path = "/spec/template/spec/initContainers/0/image";
    let change = json!([{"op": "replace", "path": path, "value": image(&drill, "billing:1.2.0-develop")}]);
    assert_eq!(cluster.call(Method::PATCH, WORKER, &change).await.status, 200);
    let all = async {
        while !proof().holds {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    within("all roll-outs end", all).await;
    let secret = "/spec/template/spec/containers/0/env";
    assert_eq!(cluster.call(Method::PATCH, ORDERS, &json!([{"op": "remove", "path": secret}])).await.status, 200);
    let kept = cluster.call(Method::DELETE, WEB, &Value::Null).await;
    assert_eq!(kept.status, 200);
    let wrong: Vec<Vec<String>> = proof().services.into_iter().map(|service| service.wrong).collect();
    assert_eq!((wrong[0].len(), wrong[2].len()), (0, 0));
    assert!(wrong[1].contains(&"its 'template' is not as it was".to_owned()), "{wrong:?}");
    assert_eq!(wrong[3], ["its application is gone"]);
}

#[tokio::test]
async fn the_kubeconfig_is_nobody_elses_and_goes_away() {
    use std::os::unix::fs::PermissionsExt as _;
    let drill = start(&[]).await;
    let variables = drill.environment();
    let value = |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    assert_eq!(value("FIREBREAK_PLATFORM").as_deref(), Some("kubernetes://drill/"));
    let path = std::path::PathBuf::from(value("KUBECONFIG").expect("a kubeconfig"));
    let mode = |path: &std::path::Path| path.metadata().expect("its rights").permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().expect("a folder"))), (0o600, 0o700));
    let text = std::fs::read_to_string(&path).expect("the kubeconfig");
    let config: Value = serde_json::from_str(&text).expect("JSON, which is YAML");
    let server = format!("http://{}", drill.kubernetes().address());
    assert_eq!(
        (&config["current-context"], &config["clusters"][0]["cluster"]["server"]),
        (&json!("drill"), &json!(server))
    );
    drop(drill);
    assert!(!path.parent().expect("a folder").exists());
}

fn platform_url(drill: &Drill) -> String {
    let kubeconfig = drill.environment().into_iter().find(|(name, _)| name == "KUBECONFIG").expect("a kubeconfig").1;
    format!("kubernetes://drill/dev?kubeconfig={kubeconfig}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_of_platforms_holds() {
    let drill = start(&[]).await;
    let http = http::client(&Trust::default()).expect("a client");
    let access = contract::access(http, None, None);
    let platform = connect(&platform_url(&drill).as_str().into(), "dev", access).await.expect("a platform");
    let targets = ["billing:1.2.0", "orders:1.1.0", "users:1.3.1", "web:2.2.0"];
    let targets =
        targets.map(|name| (name.split(':').next().expect("a name"), image(&drill, &format!("{name}-develop"))));
    let targets: Vec<(&str, &str)> = targets.iter().map(|(service, to)| (*service, to.as_str())).collect();
    contract::hold(&*platform, "dev", &targets).await;
}
