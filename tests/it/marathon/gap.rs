//! What somebody else does between our last read and our write: Marathon keeps them apart by nothing but its versions.

use std::sync::Mutex;

use axum::body::Bytes;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};

use super::*;

/// Passes everything on to a Marathon. Right before a write others change `orders`, and their whole deployment comes to its
/// end.
struct Gap {
    http: http::Client,
    marathon: String,
    /// How many writes pass before that, and what they set.
    theirs: Mutex<Option<(usize, Value)>>,
}

const ORDERS: &str = "/shop/dev/shop/orders";

impl Gap {
    async fn open(drill: &Drill, theirs: Value) -> Box<dyn Platform> {
        Self::open_at(drill, 0, theirs).await
    }

    /// The same at a later write.
    async fn open_at(drill: &Drill, passes: usize, theirs: Value) -> Box<dyn Platform> {
        let marathon = format!("http://{}", drill.marathon().address());
        let http = http::client(&Trust::default()).expect("a client");
        let gap = Arc::new(Self { http, marathon, theirs: Mutex::new(Some((passes, theirs))) });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let router = axum::Router::new().fallback(move |request: Request| pass(Arc::clone(&gap), request));
        tokio::spawn(async move { axum::serve(listener, router).await });
        platform(&format!("marathon+http://{address}")).await
    }

    async fn they_act(&self) {
        let due = {
            let mut theirs = self.theirs.lock().expect("theirs");
            match &mut *theirs {
                Some((passes, _)) if *passes > 0 => {
                    *passes -= 1;
                    None
                }
                _ => theirs.take(),
            }
        };
        let Some((_, theirs)) = due else { return };
        let url = format!("{}/v2/apps{ORDERS}", self.marathon);
        let answer = self.http.put(url).json(&theirs).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{answer:?}");
        let running = async || {
            let answer = self.http.get(format!("{}/v2/deployments", self.marathon)).send().await.expect("an answer");
            answer.json::<Vec<Value>>().await.expect("deployments").len()
        };
        while running().await > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn pass(gap: Arc<Gap>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    if parts.method == Method::PUT {
        gap.they_act().await;
    }
    let mut headers = parts.headers;
    headers.remove("host");
    let request = gap.http.request(parts.method, format!("{}{}", gap.marathon, parts.uri)).headers(headers);
    let answer = request.body(body).send().await.expect("an answer");
    let (status, kind) = (answer.status(), answer.headers().get("content-type").cloned());
    let body = answer.bytes().await.expect("a body");
    (status, kind.map(|kind| [("content-type", kind)]), body).into_response()
}

fn app(drill: &Drill) -> Value {
    drill.marathon().applications().app(ORDERS).expect("the application")
}

/// The change that sets another image and nothing else.
fn other_image(drill: &Drill) -> (String, Value) {
    let image = format!("{}/orders:1.0.0-develop", drill.registry.address());
    let mut container = app(drill)["container"].clone();
    container["docker"]["image"] = image.clone().into();
    (image, json!({ "container": container }))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_overwritten_is_told_with_the_command_that_brings_it_back() {
    let (drill, _, planned) = drill(&[]).await;
    let (image, theirs) = other_image(&drill);
    let platform = Gap::open(&drill, theirs).await;
    let tale = Tale::default();
    platform.deploy(&planned, LIMIT, &tale).await.expect("a deployment");
    assert_eq!(look(&*platform, &planned).await, [Target, Target, Target, Target]);
    let base = platform.address();
    let versions = format!("http://{}/v2/apps{ORDERS}/versions", drill.marathon().address());
    let http = http::client(&Trust::default()).expect("a client");
    let versions: Value = http.get(versions).send().await.expect("an answer").json().await.expect("JSON");
    let theirs = versions["versions"][1].as_str().expect("the version before ours");
    let command = format!(
        "curl --fail-with-body -X PUT -H 'Content-Type: application/json' '{base}/v2/apps' -d \
         '[{{\"id\":\"{ORDERS}\",\"version\":\"{theirs}\"}}]'"
    );
    let told = format!(
        "'{ORDERS}' was set to '{image}' by others between the last look and the write of this run, which overwrote that change; this \
         brings it back: {command}"
    );
    assert_eq!(tale.warnings(), [told]);
    // And so it does.
    let typed = tokio::process::Command::new("sh").args(["-c", &command]).output().await.expect("curl");
    assert!(typed.status.success(), "{typed:?}");
    assert_eq!(app(&drill)["container"]["docker"]["image"], image.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_overwritten_on_the_way_back_is_told() {
    let (drill, _, planned) = drill(&[]).await;
    let (image, theirs) = other_image(&drill);
    let platform = Gap::open_at(&drill, 1, theirs).await;
    platform.deploy(&planned, LIMIT, &Unwatched).await.expect("a deployment");
    let tale = Tale::default();
    platform.go_back(&planned, LIMIT, &tale).await.expect("the way back");
    assert_eq!(look(&*platform, &planned).await, [BEFORE, BEFORE, BEFORE, BEFORE]);
    let warnings = tale.warnings();
    let told = format!(
        "'{ORDERS}' was set to '{image}' by others between the last look and the write of this run, which overwrote that change; this \
         brings it back: "
    );
    assert!(warnings.len() == 1 && warnings[0].starts_with(&told), "{warnings:?}");
    // And so it does.
    let command = warnings[0].strip_prefix(&told).expect("a command");
    let typed = tokio::process::Command::new("sh").args(["-c", command]).output().await.expect("curl");
    assert!(typed.status.success(), "{typed:?}");
    assert_eq!(app(&drill)["container"]["docker"]["image"], image.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_beside_our_write_is_kept_there_and_back() {
    let (drill, _, planned) = drill(&[]).await;
    // A partial update wipes the two that it leaves out.
    let now = app(&drill);
    let mut theirs = json!({ "labels": { "changed-by": "somebody else" } });
    for field in ["executorResources", "resourceLimits"] {
        theirs[field] = now[field].clone();
    }
    let platform = Gap::open(&drill, theirs).await;
    let tale = Tale::default();
    platform.deploy(&planned, LIMIT, &tale).await.expect("a deployment");
    assert_eq!(tale.warnings(), [""; 0]);
    assert_eq!(look(&*platform, &planned).await, [Target, Target, Target, Target]);
    assert_eq!(app(&drill)["labels"]["changed-by"], "somebody else");
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(look(&*platform, &planned).await, [BEFORE, BEFORE, BEFORE, BEFORE]);
    assert_eq!(app(&drill)["labels"]["changed-by"], "somebody else");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_overwritten_is_there_again_after_the_way_back() {
    let (drill, _, planned) = drill(&[]).await;
    let (image, theirs) = other_image(&drill);
    let platform = Gap::open(&drill, theirs).await;
    platform.deploy(&planned, LIMIT, &Unwatched).await.expect("a deployment");
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(look(&*platform, &planned).await, [BEFORE, Standing::Other { value: image }, BEFORE, BEFORE]);
}
