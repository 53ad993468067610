//! The Kubernetes platform against a real Kubernetes: API server and controllers of 1.33, on etcd.

mod between;
mod history;
mod lease;
mod others;
mod place;
mod sets;

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::Method;
use firebreak::http::{self, Trust};
use firebreak::journal::{Answer, Call, Ledger};
use firebreak::platform::{Change, DeployError, Platform, Standing, connect};
use firebreak::watch::Unwatched;
use serde_json::{Value, json};

use crate::support::contract::{self, BEFORE, LIMIT, Tale, access, changes};
use crate::support::kubernetes::Kubernetes;

use Standing::Target;

/// Short, for what is not to succeed: what is told of it is there already.
const SHORT: Duration = Duration::from_secs(2);

/// The services of [`set`], and what they go back to.
const TARGETS: [(&str, &str); 3] = [
    ("billing", "r:5000/team/billing:1-dev"),
    ("ledger", "r:5000/team/ledger:1-dev"),
    ("agent", "r:5000/team/agent:1-dev"),
];

/// The objects of [`set`].
const OBJECTS: [&str; 3] = ["deployments/billing", "statefulsets/ledger", "daemonsets/agent"];

const PROXY: (&str, &str) = ("proxy", "r:5000/mesh/envoy:1.30");

async fn platform(url: &str) -> Box<dyn Platform> {
    let http = http::client(&Trust::default()).expect("a client");
    connect(&url.into(), "dev", access(http, None, None)).await.expect("a platform")
}

/// A platform whose writes are written down.
async fn recorded(url: &str, notes: &Arc<Notes>) -> Box<dyn Platform> {
    let http = http::client(&Trust::default()).expect("a client");
    let mut access = access(http, None, None);
    access.ledger = Arc::clone(notes) as Arc<dyn Ledger>;
    connect(&url.into(), "dev", access).await.expect("a platform")
}

/// A ledger in memory, of the run `7-abc`.
#[derive(Default)]
struct Notes(Mutex<Vec<Call>>);

impl Notes {
    fn calls(&self) -> Vec<Call> {
        self.0.lock().expect("the calls").clone()
    }

    fn names(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.call).collect()
    }
}

impl Ledger for Notes {
    fn run(&self) -> &'static str {
        "7-abc"
    }

    fn intent(&self, call: &str, about: Value) -> anyhow::Result<u64> {
        let mut calls = self.0.lock().expect("the calls");
        calls.push(Call { call: call.to_owned(), about, answer: None });
        Ok(calls.len() as u64)
    }

    fn answer(&self, call: u64, answer: Answer) {
        let place = usize::try_from(call).expect("a number of a call") - 1;
        self.0.lock().expect("the calls")[place].answer = Some(answer);
    }
}

/// A Deployment with a sidecar, a StatefulSet, and a DaemonSet with a sidecar, all well.
async fn set(kubernetes: &Kubernetes) {
    let two = json!({ "spec": { "replicas": 2 } });
    kubernetes.make("deployments", "billing", &[PROXY, ("app", "r:5000/team/billing:2-dev")], two.clone()).await;
    kubernetes.make("statefulsets", "ledger", &[("ledger", "r:5000/team/ledger:2-dev")], two).await;
    kubernetes.make("daemonsets", "agent", &[("agent", "r:5000/team/agent:2-dev"), PROXY], json!({})).await;
    for what in OBJECTS {
        kubernetes.until_well(what).await;
    }
}

/// A Deployment `billing` of two replicas, well.
async fn billing(kubernetes: &Kubernetes, more: Value) {
    let mut object = json!({ "spec": { "replicas": 2 } });
    json_patch::merge(&mut object, &more);
    kubernetes.make("deployments", "billing", &[("billing", "r:5000/team/billing:2-dev")], object).await;
    kubernetes.until_well("deployments/billing").await;
}

/// What somebody wants of the objects: their specs.
async fn specs(kubernetes: &Kubernetes, objects: &[&str]) -> Vec<Value> {
    let mut specs = Vec::new();
    for what in objects {
        specs.push(kubernetes.get(what).await["spec"].take());
    }
    specs
}

async fn look(platform: &dyn Platform, planned: &[Change]) -> Vec<Standing> {
    platform.look(planned).await.expect("how they stand")
}

/// Deploys what is to fail after something was sent; the error's text.
async fn failure(platform: &dyn Platform, planned: &[Change], limit: Duration) -> String {
    match platform.deploy(planned, limit, &Unwatched).await {
        Err(DeployError::Sent(error)) => format!("{error:#}"),
        other => panic!("it fails, and something was sent: {other:?}"),
    }
}

/// Deploys what does not arrive, until it has come so far: an interrupt.
async fn deploy_until(platform: &dyn Platform, planned: &[Change], so_far: impl Future<Output = ()>) {
    tokio::select! {
        deployed = platform.deploy(planned, LIMIT, &Unwatched) => panic!("it comes to no end: {deployed:?}"),
        () = so_far => {}
    }
}

/// Why what is on its way does not arrive.
async fn why(platform: &dyn Platform, planned: &[Change]) -> String {
    format!("{:#}", platform.arrive(planned, SHORT, &Unwatched).await.expect_err("it does not arrive"))
}

/// Whether the status has a condition of this type that is so.
fn is(object: &Value, condition: &str, status: &str, reason: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let mut known = conditions.map(|one| (&one["type"], &one["status"], &one["reason"]));
    known.any(|known| known == (&json!(condition), &json!(status), &json!(reason)))
}

/// Deploys what is to be refused before anything is sent; the error's text.
async fn refusal(platform: &dyn Platform, planned: &[Change]) -> String {
    match platform.deploy(planned, LIMIT, &Unwatched).await {
        Err(DeployError::NothingSent(error)) => format!("{error:#}"),
        other => panic!("it is refused, and nothing was sent: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds() {
    let kubernetes = Kubernetes::start().await;
    set(&kubernetes).await;
    let platform = platform(&kubernetes.url()).await;
    assert_eq!(platform.address(), kubernetes.address_as("admin"));
    contract::hold(&*platform, "dev", &TARGETS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_cannot_write_whatever_its_domain_forgets() {
    let kubernetes = Kubernetes::start().await;
    set(&kubernetes).await;
    contract::a_dry_run_cannot_write(&kubernetes.url(), "dev", &TARGETS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_is_changed_in_its_images_and_says_why() {
    let kubernetes = Kubernetes::start().await;
    set(&kubernetes).await;
    let mut expected = specs(&kubernetes, &OBJECTS).await;
    for (spec, (place, (_, image))) in expected.iter_mut().zip([1, 0, 0].into_iter().zip(TARGETS)) {
        spec["template"]["spec"]["containers"][place]["image"] = image.into();
    }
    let notes = Arc::new(Notes::default());
    let platform = recorded(&kubernetes.url(), &notes).await;
    let planned = changes(&*platform, "dev", &TARGETS).await;
    let tale = Tale::default();
    platform.deploy(&planned, LIMIT, &tale).await.expect("a deployment");
    assert_eq!(look(&*platform, &planned).await, [Target, Target, Target]);
    assert_eq!(specs(&kubernetes, &OBJECTS).await, expected);
    assert_eq!(tale.warnings(), [""; 0]);
    for (what, (_, image)) in OBJECTS.into_iter().zip(TARGETS) {
        let cause = &kubernetes.get(what).await["metadata"]["annotations"]["kubernetes.io/change-cause"];
        assert_eq!(*cause, format!("firebreak run 7-abc: {image}"));
    }
    assert_eq!(notes.names(), ["set", "set", "set"]);
    assert!(!format!("{:?}", notes.calls()).contains("s3cret"));
    platform.clean_up(&planned).await.expect("nothing to settle");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_never_gets_ready_is_restored_with_the_set() {
    let kubernetes = Kubernetes::start().await;
    set(&kubernetes).await;
    let before = specs(&kubernetes, &OBJECTS).await;
    let platform = platform(&kubernetes.url()).await;
    let targets = [TARGETS[0], ("ledger", "r:5000/team/ledger:sick-dev"), ("agent", "r:5000/team/agent:sick-dev")];
    let planned = changes(&*platform, "dev", &targets).await;
    let so_far = async {
        // It is well before it is set, too.
        kubernetes.until(OBJECTS[0], |set| set["spec"].to_string().contains(TARGETS[0].1)).await;
        kubernetes.until_well(OBJECTS[0]).await;
        let is_on = |set: &Value| set["status"]["updatedReplicas"] == 1 && set["status"]["readyReplicas"] == 1;
        kubernetes.until(OBJECTS[1], is_on).await;
        let is_on = |set: &Value| set["status"]["updatedNumberScheduled"] == 1 && set["status"]["numberReady"] == 0;
        kubernetes.until(OBJECTS[2], is_on).await;
        kubernetes.until_waits("ledger").await;
        kubernetes.until_waits("agent").await;
    };
    deploy_until(&*platform, &planned, so_far).await;
    assert_eq!(
        why(&*platform, &planned).await,
        "time ran out: ledger has 1 of 2 pods updated, 1 ready (pod ledger-1: ImagePullBackOff); \
         agent has 0 of 1 pod ready (pod agent-?: ImagePullBackOff)"
            .replace("agent-?", &kubernetes.until_waits("agent").await)
    );
    let standing = look(&*platform, &planned).await;
    assert!(matches!(&standing[..], [Target, Standing::Unwell { .. }, Standing::Unwell { .. }]), "{standing:?}");
    // A StatefulSet would wait for ever for the pod that never gets ready.
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(look(&*platform, &planned).await, [BEFORE, BEFORE, BEFORE]);
    assert_eq!(specs(&kubernetes, &OBJECTS).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stateful_set_that_is_stuck_in_the_bad_version_gets_out_of_it() {
    let kubernetes = Kubernetes::start().await;
    let two = json!({ "spec": { "replicas": 2 } });
    kubernetes.make("statefulsets", "ledger", &[("ledger", "r:5000/team/ledger:1-dev")], two).await;
    kubernetes.until_well("statefulsets/ledger").await;
    kubernetes.set_image("statefulsets/ledger", "ledger", "r:5000/team/ledger:2-sick-dev").await;
    kubernetes.until("statefulsets/ledger", |object| object["status"]["readyReplicas"] == 1).await;
    let notes = Arc::new(Notes::default());
    let platform = recorded(&kubernetes.url(), &notes).await;
    let planned = changes(&*platform, "dev", &TARGETS[1..2]).await;
    platform.deploy(&planned, LIMIT, &Unwatched).await.expect("a deployment");
    assert_eq!(look(&*platform, &planned).await, [Target]);
    assert_eq!(notes.names(), ["set", "evict"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_pod_that_flaps_while_the_new_one_starts_is_not_deleted() {
    let kubernetes = Kubernetes::start().await;
    let two = json!({ "spec": { "replicas": 2 } });
    kubernetes.make("statefulsets", "ledger", &[("ledger", "r:5000/team/ledger:2-dev")], two).await;
    kubernetes.until_well("statefulsets/ledger").await;
    let notes = Arc::new(Notes::default());
    let platform = recorded(&kubernetes.url(), &notes).await;
    let planned = changes(&*platform, "dev", &[("ledger", "r:5000/team/ledger:sick-dev")]).await;
    // Longer than an old pod may be unready.
    let limit = Duration::from_secs(10);
    let (error, ()) = tokio::join!(failure(&*platform, &planned, limit), async {
        let the_new_one_is_there =
            |set: &Value| set["status"]["updatedReplicas"] == 1 && set["status"]["readyReplicas"] == 1;
        kubernetes.until("statefulsets/ledger", the_new_one_is_there).await;
        kubernetes.set_ready("ledger-0", false).await;
    });
    assert!(error.ends_with("ledger has 1 of 2 pods updated, 0 ready (pod ledger-1: ImagePullBackOff)"), "{error}");
    assert_eq!(notes.names(), ["set"]);
    kubernetes.set_ready("ledger-0", true).await;
    kubernetes.until("statefulsets/ledger", |set| set["status"]["readyReplicas"] == 1).await;
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(look(&*platform, &planned).await, [BEFORE]);
    assert_eq!(notes.names(), ["set", "restore", "evict"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kubernetes_gives_up_fails_at_once() {
    let kubernetes = Kubernetes::start().await;
    billing(&kubernetes, json!({})).await;
    let platform = platform(&kubernetes.url()).await;
    let planned = changes(&*platform, "dev", &[("billing", "r:5000/team/billing:sick-dev")]).await;
    let so_far = async {
        kubernetes.until("deployments/billing", |object| object["status"]["updatedReplicas"] == 1).await;
        kubernetes.until_waits("billing").await;
    };
    deploy_until(&*platform, &planned, so_far).await;
    kubernetes.change("deployments/billing", &json!({ "spec": { "progressDeadlineSeconds": 1 } })).await;
    let sick = kubernetes.until_waits("billing").await;
    // It is not waited for until this has passed.
    let limit = Duration::from_hours(1);
    let arrives = tokio::time::timeout(LIMIT, platform.arrive(&planned, limit, &Unwatched)).await;
    assert_eq!(
        arrives.expect("it is given up").expect_err("it is given up").to_string(),
        format!(
            "billing has 1 of 2 pods updated, 2 ready; it made no progress within its deadline \
             (pod {sick}: ImagePullBackOff)"
        )
    );
    // A second is little on a machine that does other things as well.
    kubernetes.change("deployments/billing", &json!({ "spec": { "progressDeadlineSeconds": 600 } })).await;
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(look(&*platform, &planned).await, [BEFORE]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kubernetes_had_given_up_before_goes_back() {
    let kubernetes = Kubernetes::start().await;
    billing(&kubernetes, json!({ "spec": { "progressDeadlineSeconds": 1 } })).await;
    kubernetes.set_image("deployments/billing", "billing", "r:5000/team/billing:3-sick-dev").await;
    let given_up = |object: &Value| is(object, "Progressing", "False", "ProgressDeadlineExceeded");
    kubernetes.until("deployments/billing", given_up).await;
    // It stays given up; and a second is little for what follows.
    kubernetes.change("deployments/billing", &json!({ "spec": { "progressDeadlineSeconds": 600 } })).await;
    let platform = platform(&kubernetes.url()).await;
    // The condition stays until the first new pod is there.
    let planned = changes(&*platform, "dev", &[("billing", "r:5000/team/billing:2-dev")]).await;
    platform.deploy(&planned, LIMIT, &Unwatched).await.expect("a deployment");
    assert_eq!(look(&*platform, &planned).await, [Target]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_lets_no_pod_start_is_named() {
    let kubernetes = Kubernetes::start().await;
    billing(&kubernetes, json!({ "spec": { "strategy": { "rollingUpdate": { "maxUnavailable": 0 } } } })).await;
    let path = format!("/api/v1/namespaces/{}/resourcequotas", kubernetes.namespace);
    let quota = json!({ "metadata": { "name": "small" }, "spec": { "hard": { "pods": "2" } } });
    kubernetes.call(Method::POST, &path, &quota).await;
    kubernetes.until_at(&format!("{path}/small"), |quota| quota["status"]["used"]["pods"] == "2").await;
    let platform = platform(&kubernetes.url()).await;
    let planned = changes(&*platform, "dev", &TARGETS[..1]).await;
    let refused = |object: &Value| is(object, "ReplicaFailure", "True", "FailedCreate");
    deploy_until(&*platform, &planned, kubernetes.until("deployments/billing", refused)).await;
    let error = why(&*platform, &planned).await;
    let expected = "time ran out: billing has 0 of 2 pods updated, 2 ready; no pod can be made: pods \"billing-";
    assert!(error.starts_with(expected), "{error}");
    assert!(error.ends_with("exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2"), "{error}");
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(look(&*platform, &planned).await, [BEFORE]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_not_well_is_restored_without_waiting_for_it_to_get_well() {
    let kubernetes = Kubernetes::start().await;
    billing(&kubernetes, json!({})).await;
    kubernetes.set_image("deployments/billing", "billing", "r:5000/team/billing:3-sick-dev").await;
    kubernetes.until("deployments/billing", |object| object["status"]["updatedReplicas"] == 1).await;
    let before = specs(&kubernetes, &["deployments/billing"]).await;
    let platform = platform(&kubernetes.url()).await;
    let planned = changes(&*platform, "dev", &[("billing", "r:5000/team/billing:sick-dev")]).await;
    let [Standing::Before { trouble: Some(trouble) }] = &look(&*platform, &planned).await[..] else {
        panic!("it is not well");
    };
    failure(&*platform, &planned, SHORT).await;
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(look(&*platform, &planned).await, [Standing::Before { trouble: Some(trouble.clone()) }]);
    assert_eq!(specs(&kubernetes, &["deployments/billing"]).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_died_is_taken_back_by_what_its_journal_says() {
    let kubernetes = Kubernetes::start().await;
    set(&kubernetes).await;
    let before = specs(&kubernetes, &OBJECTS).await;
    let notes = Arc::new(Notes::default());
    let dies = recorded(&kubernetes.url(), &notes).await;
    let planned = changes(&*dies, "dev", &TARGETS).await;
    // It dies after the second of three writes, before the answer to that is written down.
    dies.deploy(&planned[..2], LIMIT, &Unwatched).await.expect("a deployment");
    drop(dies);
    let mut calls = notes.calls();
    calls.last_mut().expect("a call").answer = None;
    // The third is set by somebody else, to the very image that the run would have set.
    kubernetes.set_image(OBJECTS[2], "agent", TARGETS[2].1).await;
    kubernetes.until_well(OBJECTS[2]).await;

    let fresh = platform(&kubernetes.url()).await;
    fresh.go_back(&planned, LIMIT, &Unwatched).await.expect("nothing to take back");
    assert_eq!(look(&*fresh, &planned).await, [Target, Target, Target], "it knows of nothing");
    fresh.recall(&calls);
    fresh.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(look(&*fresh, &planned).await, [BEFORE, BEFORE, Target]);
    assert_eq!(specs(&kubernetes, &OBJECTS[..2]).await, before[..2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_by_hand_is_the_way_back() {
    let kubernetes = Kubernetes::start().await;
    set(&kubernetes).await;
    let before = specs(&kubernetes, &OBJECTS).await;
    let platform = platform(&kubernetes.url()).await;
    let planned = changes(&*platform, "dev", &TARGETS).await;
    platform.deploy(&planned, LIMIT, &Unwatched).await.expect("a deployment");
    let (kubeconfig, namespace) = (kubernetes.kubeconfig(), &kubernetes.namespace);
    assert_eq!(
        platform.by_hand(&planned[0]),
        format!(
            "kubectl --kubeconfig={} --context=admin --namespace={namespace} \
             set image deployment/billing app=r:5000/team/billing:2-dev",
            kubeconfig.display()
        )
    );
    // Another process knows no better than by looking.
    let fresh = self::platform(&kubernetes.url()).await;
    look(&*fresh, &planned).await;
    for change in &planned {
        assert_eq!(fresh.by_hand(change), platform.by_hand(change));
        let words = shlex::split(&platform.by_hand(change)).expect("words");
        let done = Command::new(Kubernetes::program("kubectl")).args(&words[1..]).output().expect("kubectl");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    for what in OBJECTS {
        kubernetes.until_well(what).await;
    }
    assert_eq!(look(&*platform, &planned).await, [BEFORE, BEFORE, BEFORE]);
    assert_eq!(specs(&kubernetes, &OBJECTS).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_init_container_of_the_same_repository_moves_along() {
    let kubernetes = Kubernetes::start().await;
    let init =
        json!([{ "name": "migrate", "image": "r:5000/team/billing:2-dev" }, { "name": "wait", "image": "busy:1" }]);
    billing(&kubernetes, json!({ "spec": { "template": { "spec": { "initContainers": init } } } })).await;
    let platform = platform(&kubernetes.url()).await;
    let planned = changes(&*platform, "dev", &TARGETS[..1]).await;
    let moves = "its containers billing, migrate run the same repository and move together";
    assert_eq!(platform.notes(&planned[0]), [moves]);
    platform.deploy(&planned, LIMIT, &Unwatched).await.expect("a deployment");
    let pods = kubernetes.get("deployments/billing").await["spec"]["template"]["spec"].take();
    let images = |list: &str| [&pods[list][0]["image"], &pods[list][1]["image"]].map(Value::as_str);
    assert_eq!(images("containers"), [Some(TARGETS[0].1), None]);
    assert_eq!(images("initContainers"), [Some(TARGETS[0].1), Some("busy:1")]);
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(look(&*platform, &planned).await, [BEFORE]);
}
