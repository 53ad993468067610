//! What gets lost on the way to Kubernetes, and what its answers say then.

use std::collections::VecDeque;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;

use super::*;

/// What stands between us and Kubernetes: it passes everything on, but for the next patches. Lists are of one item a page.
struct Between {
    kubernetes: http::Client,
    server: String,
    /// What becomes of the next patches.
    patches: Mutex<VecDeque<Fate>>,
    /// What becomes of the next that are only tried.
    trials: Mutex<VecDeque<Fate>>,
    /// What was asked for.
    asked: Mutex<Vec<String>>,
}

/// What becomes of a patch.
enum Fate {
    /// It arrives, and its answer is lost.
    Lost,
    /// It does not arrive.
    Dropped,
    /// It does not arrive, and this is answered.
    Refused(StatusCode, Value),
}

impl Between {
    async fn stand(kubernetes: &Kubernetes) -> (Arc<Self>, Box<dyn Platform>, Arc<Notes>) {
        let between = Arc::new(Self {
            kubernetes: kubernetes.http(),
            server: kubernetes.server(),
            patches: Mutex::default(),
            trials: Mutex::default(),
            asked: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let state = Arc::clone(&between);
        let router = axum::Router::new().fallback(move |request: Request| pass(Arc::clone(&state), request));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let kubeconfig = kubernetes.kubeconfig_by(&url);
        let notes = Arc::new(Notes::default());
        let url = format!("kubernetes:///{}?kubeconfig={}", kubernetes.namespace, kubeconfig.display());
        let platform = recorded(&url, &notes).await;
        (between, platform, notes)
    }

    fn patches(&self, fates: impl IntoIterator<Item = Fate>) {
        self.patches.lock().expect("the next patches").extend(fates);
    }

    fn trials(&self, fates: impl IntoIterator<Item = Fate>) {
        self.trials.lock().expect("the next trials").extend(fates);
    }

    fn fate(&self, parts: &Parts) -> Option<Fate> {
        if parts.method != Method::PATCH {
            return None;
        }
        let is_trial = parts.uri.to_string().contains("dryRun");
        let next = if is_trial { &self.trials } else { &self.patches };
        next.lock().expect("what is next").pop_front()
    }
}

async fn pass(between: Arc<Between>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let fate = between.fate(&parts);
    let gone = || answered(StatusCode::GATEWAY_TIMEOUT, &json!({ "message": "gave up on s3cret" }));
    match &fate {
        Some(Fate::Dropped) => return gone(),
        Some(Fate::Refused(status, body)) => return answered(*status, body),
        Some(Fate::Lost) | None => {}
    }
    let uri = parts.uri.to_string().replace("limit=500", "limit=1");
    between.asked.lock().expect("what was asked for").push(uri.clone());
    let request = between.kubernetes.request(parts.method, format!("{}{uri}", between.server));
    let headers =
        parts.headers.into_iter().filter_map(|(name, value)| Some((name.filter(|name| name != "host")?, value)));
    let answer = request.headers(headers.collect()).body(body).send().await.expect("an answer");
    let status = answer.status();
    let body = answer.bytes().await.expect("a body");
    if fate.is_some() { gone() } else { (status, body).into_response() }
}

fn answered(status: StatusCode, body: &Value) -> Response {
    (status, [("Retry-After", "0")], body.to_string()).into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_is_looked_into() {
    let kubernetes = Kubernetes::start().await;
    billing(&kubernetes, json!({})).await;
    // The patch arrives, and so does the one that takes it back.
    let (between, platform, notes) = Between::stand(&kubernetes).await;
    between.patches([Fate::Lost, Fate::Lost]);
    let planned = changes(&*platform, "dev", &TARGETS[..1]).await;
    let tale = Tale::default();
    platform.deploy(&planned, LIMIT, &tale).await.expect("it was taken all the same");
    assert_eq!(tale.warnings(), ["Kubernetes answered 504 Gateway Timeout: gave up on ***: looking what became of it"]);
    assert_eq!(look(&*platform, &planned).await, [Target]);
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(look(&*platform, &planned).await, [BEFORE]);
    assert_eq!(notes.names(), ["set", "restore"], "nothing was sent twice");
    let lost = |call: &Call| matches!(call.answer, Some(Answer::Lost(_)));
    assert!(notes.calls().iter().all(lost), "{:?}", notes.calls());
    assert!(!format!("{:?}", notes.calls()).contains("s3cret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_never_arrived_is_not_sent_again_but_on_the_way_back() {
    let kubernetes = Kubernetes::start().await;
    set(&kubernetes).await;
    let before = specs(&kubernetes, &OBJECTS).await;
    // The first arrives, the second does not; of the way back the first try does not arrive.
    let (between, platform, notes) = Between::stand(&kubernetes).await;
    let planned = changes(&*platform, "dev", &TARGETS).await;
    platform.deploy(&planned[..1], LIMIT, &Unwatched).await.expect("a deployment");
    between.patches([Fate::Dropped, Fate::Dropped]);
    assert_eq!(
        failure(&*platform, &planned[1..], LIMIT).await,
        "Kubernetes answered 504 Gateway Timeout: gave up on ***"
    );
    assert_eq!(look(&*platform, &planned).await, [Target, BEFORE, BEFORE]);
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(look(&*platform, &planned).await, [BEFORE, BEFORE, BEFORE]);
    assert_eq!(specs(&kubernetes, &OBJECTS).await, before);
    assert_eq!(notes.names(), ["set", "set", "restore", "restore"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_denies_without_a_code_refuses_and_one_that_cannot_be_tried_does_not() {
    let kubernetes = Kubernetes::start().await;
    billing(&kubernetes, json!({})).await;
    let before = specs(&kubernetes, &["deployments/billing"]).await;
    let (between, platform, notes) = Between::stand(&kubernetes).await;
    let planned = changes(&*platform, "dev", &TARGETS[..1]).await;
    let told = |reason: &str, message: &str| json!({ "kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": 400 });
    let denied = "admission webhook \"night.example\" denied the request: not at night";
    between.trials([Fate::Refused(StatusCode::BAD_REQUEST, told("", denied))]);
    let id = format!("{}/deployment/billing", kubernetes.namespace);
    assert_eq!(
        refusal(&*platform, &planned).await,
        format!("Kubernetes refused the change of application '{id}': Kubernetes answered 400 Bad Request: {denied}")
    );
    assert_eq!(specs(&kubernetes, &["deployments/billing"]).await, before);
    assert_eq!(notes.names(), [""; 0]);

    let unable = "admission webhook \"audit.example\" does not support dry run";
    between.trials([Fate::Refused(StatusCode::BAD_REQUEST, told("BadRequest", unable))]);
    let tale = Tale::default();
    platform.deploy(&planned, LIMIT, &tale).await.expect("a deployment");
    assert_eq!(
        tale.warnings(),
        [format!("the change of '{id}' could not be tried beforehand: Kubernetes answered 400 Bad Request: {unable}")]
    );
    assert_eq!(look(&*platform, &planned).await, [Target]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_too_busy_is_waited_for() {
    let kubernetes = Kubernetes::start().await;
    billing(&kubernetes, json!({})).await;
    let (between, platform, notes) = Between::stand(&kubernetes).await;
    let planned = changes(&*platform, "dev", &TARGETS[..1]).await;
    let busy = |times: usize| {
        let body = json!({ "reason": "TooManyRequests", "message": "try again later" });
        (0..times).map(move |_| Fate::Refused(StatusCode::TOO_MANY_REQUESTS, body.clone()))
    };
    // For longer than it is waited for: nothing is changed, and nobody is said to have done so.
    between.patches(busy(4));
    let id = format!("{}/deployment/billing", kubernetes.namespace);
    assert_eq!(
        refusal(&*platform, &planned).await,
        format!(
            "Kubernetes refused the change of application '{id}': \
             Kubernetes answered 429 Too Many Requests: try again later"
        )
    );
    assert_eq!(look(&*platform, &planned).await, [BEFORE]);
    between.trials(busy(2));
    between.patches(busy(2));
    platform.deploy(&planned, LIMIT, &Unwatched).await.expect("a deployment");
    assert_eq!(look(&*platform, &planned).await, [Target]);
    // On the way back there is as much time as it takes.
    between.patches(busy(6));
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(look(&*platform, &planned).await, [BEFORE]);
    let times = |call: &str| notes.names().iter().filter(|name| *name == call).count();
    assert_eq!((times("set"), times("restore")), (7, 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_read_to_their_end_and_what_ran_of_all_is_read_at_once() {
    let kubernetes = Kubernetes::start().await;
    set(&kubernetes).await;
    kubernetes.make("deployments", "orders", &[("orders", "r:5000/team/orders:2-dev")], json!({})).await;
    kubernetes.until_well("deployments/orders").await;
    let (between, platform, _) = Between::stand(&kubernetes).await;
    let applications = platform.applications("dev").await.expect("applications");
    let services: Vec<&str> = applications.iter().map(|one| one.service.as_str()).collect();
    assert_eq!(services, ["agent", "billing", "ledger", "orders"]);
    let ran = platform.history(&applications).await.expect("what ran");
    for (application, ran) in applications.iter().zip(ran) {
        let images: Vec<&String> = ran.iter().map(|one| &one.image).collect();
        assert_eq!(images, [&application.images[0]]);
    }
    let asked = between.asked.lock().expect("what was asked for");
    let pages = |list: &str| asked.iter().filter(|uri| uri.contains(list)).count();
    assert_eq!([pages("/replicasets?"), pages("/controllerrevisions?")], [2, 2], "one item each: {asked:?}");
}
