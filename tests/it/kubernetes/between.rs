//! What gets lost on the way to Kubernetes, and what its answers say then.

use std::collections::VecDeque;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
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
    /// It adds this digest to every image on the way in, as a webhook of the cluster would.
    digest: Mutex<Option<String>>,
}

/// What becomes of a patch.
enum Fate {
    /// It arrives, and so does its answer.
    Passed,
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
            digest: Mutex::default(),
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

    /// A patch, with a digest added to the images that it sets.
    fn pinned(&self, parts: &Parts, body: Bytes) -> Bytes {
        let digest = self.digest.lock().expect("the digest");
        let Some(digest) = digest.as_ref().filter(|_| parts.method == Method::PATCH) else { return body };
        let mut steps: Value = serde_json::from_slice(&body).expect("a patch");
        for step in steps.as_array_mut().expect("steps").iter_mut().filter(|step| step["op"] == "replace") {
            let image = step["value"].as_str().expect("an image");
            let pinned = if image.contains('@') { image.to_owned() } else { format!("{image}@{digest}") };
            step["value"] = pinned.into();
        }
        steps.to_string().into()
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
    let body = between.pinned(&parts, body);
    let gone = || answered(StatusCode::GATEWAY_TIMEOUT, &json!({ "message": "gave up on s3cret" }));
    match &fate {
        Some(Fate::Dropped) => return gone(),
        Some(Fate::Refused(status, body)) => return answered(*status, body),
        Some(Fate::Passed | Fate::Lost) | None => {}
    }
    let uri = parts.uri.to_string().replace("limit=500", "limit=1");
    between.asked.lock().expect("what was asked for").push(uri.clone());
    let request = between.kubernetes.request(parts.method, format!("{}{uri}", between.server));
    let headers = parts
        .headers
        .into_iter()
        .filter_map(|(name, value)| Some((name.filter(|name| name != "host" && name != CONTENT_LENGTH)?, value)));
    let answer = request.headers(headers.collect()).body(body).send().await.expect("an answer");
    let status = answer.status();
    let body = answer.bytes().await.expect("a body");
    if matches!(fate, Some(Fate::Lost)) { gone() } else { (status, body).into_response() }
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
        let images: Vec<_> = ran.iter().map(|one| &one.image).collect();
        assert_eq!(images, [&application.images[0]]);
    }
    let asked = between.asked.lock().expect("what was asked for");
    let pages = |list: &str| asked.iter().filter(|uri| uri.contains(list)).count();
    assert_eq!([pages("/replicasets?"), pages("/controllerrevisions?")], [2, 2], "one item each: {asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rule_of_the_cluster_makes_of_our_images_is_ours() {
    let kubernetes = Kubernetes::start().await;
    set(&kubernetes).await;
    let (between, platform, notes) = Between::stand(&kubernetes).await;
    let digest = format!("sha256:{}", "ab".repeat(32));
    *between.digest.lock().expect("the digest") = Some(digest.clone());
    let image = async |what: &str, place: usize| {
        let object = kubernetes.get(what).await;
        object["spec"]["template"]["spec"]["containers"][place]["image"].as_str().expect("an image").to_owned()
    };
    // The answer to the third write is lost, as is that of the first on the way back.
    between.patches([Fate::Passed, Fate::Passed, Fate::Lost, Fate::Lost]);
    let planned = changes(&*platform, "dev", &TARGETS).await;
    platform.deploy(&planned, LIMIT, &Unwatched).await.expect("a deployment");
    assert_eq!(look(&*platform, &planned).await, [Target, Target, Target]);
    assert_eq!(image("deployments/billing", 1).await, format!("{}@{digest}", TARGETS[0].1));
    for (change, (_, target)) in planned.iter().zip(TARGETS) {
        assert_eq!(platform.became(change), [target.to_owned(), format!("{target}@{digest}")]);
    }
    // For a process that has nothing but the journal it is the same.
    let heir = self::platform(&kubernetes.url()).await;
    heir.recall(&notes.calls());
    assert_eq!(look(&*heir, &planned).await, [Target, Target, Target]);
    heir.recall(&[]);
    let other = |target: &str| Standing::Other { value: format!("{target}@{digest}") };
    assert_eq!(look(&*heir, &planned).await, TARGETS.map(|(_, target)| other(target)));

    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(look(&*platform, &planned).await, [BEFORE, BEFORE, BEFORE]);
    assert_eq!(image("statefulsets/ledger", 0).await, format!("r:5000/team/ledger:2-dev@{digest}"));
    heir.recall(&notes.calls());
    assert_eq!(look(&*heir, &planned).await, [BEFORE, BEFORE, BEFORE]);
    assert_eq!(notes.names(), ["set", "set", "set", "restore", "restore", "restore"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_makes_another_image_of_ours_is_told_before_anything_is_written() {
    let kubernetes = Kubernetes::start().await;
    billing(&kubernetes, json!({})).await;
    let (between, platform, notes) = Between::stand(&kubernetes).await;
    let planned = changes(&*platform, "dev", &TARGETS[..1]).await;
    let id = format!("{}/deployment/billing", kubernetes.namespace);
    for image in ["r:5000/team/billing:2-dev", "r:5000/team/billing:9-dev"] {
        let mut object = kubernetes.get("deployments/billing").await;
        object["spec"]["template"]["spec"]["containers"][0]["image"] = image.into();
        between.trials([Fate::Refused(StatusCode::OK, object)]);
        let to = TARGETS[0].1;
        let expected =
            format!("application '{id}' cannot be set to '{to}': a rule of the cluster makes '{image}' of it");
        assert_eq!(refusal(&*platform, &planned).await, expected);
    }
    assert_eq!(look(&*platform, &planned).await, [BEFORE]);
    assert_eq!(notes.names(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_says_in_its_own_words_is_told() {
    let page = |status: &str, kind: &str, body: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
    };
    let leads = "HTTP/1.1 302 Found\r\nLocation: https://sso.example/login?state=s3cret\r\nContent-Length: 0\r\n\r\n";
    for (answer, said) in [
        (
            page("403 Forbidden", "text/plain", "not from this network\n"),
            "Kubernetes answered 403 Forbidden: not from this network",
        ),
        (
            page("401 Unauthorized", "text/html", "<html>who?</html>"),
            "Kubernetes answered 401 Unauthorized: a web page, from SERVER",
        ),
        (
            page("200 OK", "text/html", "<!doctype html><html>"),
            "what answers GET PATH is no Kubernetes: it gives a web page, from SERVER",
        ),
        (page("200 OK", "text/plain", "pong"), "what answers GET PATH is no Kubernetes: it gives what is not JSON"),
        (leads.to_owned(), "Kubernetes answered 302 Found: it leads to https://sso.example/login"),
    ] {
        let address = saying(answer).await;
        let folder = tempfile::tempdir().expect("a folder");
        let kubeconfig = folder.path().join("config");
        let text = json!({
            "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c"}}],
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
        });
        std::fs::write(&kubeconfig, text.to_string()).expect("a kubeconfig");
        let platform = self::platform(&format!("kubernetes:///shop?kubeconfig={}", kubeconfig.display())).await;
        let error = format!("{:#}", platform.applications("dev").await.expect_err("no Kubernetes"));
        // They are listed beside one another: whichever fails first is told.
        let kinds = [("apps", "deployment"), ("apps", "statefulset"), ("apps", "daemonset"), ("batch", "cronjob")];
        let begin = kinds.iter().find_map(|(group, kind)| {
            let begin = format!("failed to list the {kind}s at kubernetes://c/shop ({address}): ");
            let path = format!("/apis/{group}/v1/namespaces/shop/{kind}s?limit=500");
            let from = format!("from {address}{}", path.split('?').next()?);
            Some(error.strip_prefix(&begin)?.replace(&from, "from SERVER").replace(&path, "PATH"))
        });
        assert_eq!(begin.as_deref(), Some(said), "{error}");
    }
}

/// A server that gives one answer to whoever asks; where it listens.
async fn saying(answer: String) -> std::net::SocketAddr {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut asked = [0; 4096];
                let _ = stream.read(&mut asked).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    address
}
