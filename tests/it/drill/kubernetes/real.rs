//! The embedded Kubernetes beside a real one: the same questions, the same answers. Starts an API server of 1.33.

use std::time::Duration;

use firebreak::drill::{Drill, Platform, Settings};
use reqwest::Method;
use serde_json::{Value, json};

use super::super::{Api, client, noon};
use super::{OPERATOR, READER};
use crate::support::kubernetes::Kubernetes;

/// One of the two.
struct Side {
    api: Api,
    namespace: String,
    /// Of who may do everything, and of who may not.
    tokens: [&'static str; 2],
}

/// What is asked of both. `NS` in a path stands for the namespace.
struct Question {
    method: Method,
    path: String,
    body: Body,
    media_type: &'static str,
    /// Which token.
    user: usize,
}

enum Body {
    None,
    Text(&'static str),
    Json(Value),
    /// What is at a path of the namespace, changed.
    Changed(String, fn(&mut Value)),
}

impl Question {
    fn new(method: Method, path: &str, body: Body) -> Self {
        let media_type = if method == Method::PATCH { "application/json-patch+json" } else { "application/json" };
        Self { method, path: path.to_owned(), body, media_type, user: 0 }
    }
}

impl Side {
    async fn send(&self, method: &Method, path: &str, body: &str, (media_type, user): (&str, usize)) -> (u16, Value) {
        let path = path.replace("NS", &self.namespace);
        let request = self.api.request(method.clone(), &path).bearer_auth(self.tokens[user]);
        let request = request.header("content-type", media_type).header("accept", "application/json");
        let answer = Api::read(request.body(body.to_owned())).await;
        (answer.status, answer.body)
    }

    /// The answer, without what is different at any two places.
    async fn answer(&self, question: &Question) -> (u16, Value) {
        let body = match &question.body {
            Body::None => String::new(),
            Body::Text(text) => (*text).to_owned(),
            Body::Json(body) => body.to_string(),
            Body::Changed(path, change) => {
                let (_, mut object) = self.send(&Method::GET, path, "", ("", 0)).await;
                change(&mut object);
                object.to_string()
            }
        };
        let (status, answer) =
            self.send(&question.method, &question.path, &body, (question.media_type, question.user)).await;
        // A refusal is compared whole; an object as far as a caller can have written it.
        let kept = if answer["kind"] == "Status" || answer.is_string() {
            answer
        } else {
            json!({"kind": answer["kind"], "spec": answer["spec"], "generation": answer["metadata"]["generation"]})
        };
        (status, without_own(&kept))
    }
}

/// Replaces every uid, and the version that a precondition did not meet.
fn without_own(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), without_own(value))).collect(),
        Value::Array(list) => list.iter().map(without_own).collect(),
        Value::String(text) => {
            let is_own = |word: &str| {
                let word = word.trim_matches(|letter: char| !letter.is_ascii_alphanumeric());
                word.len() == 36 && word.split('-').count() == 5
            };
            let words = text.split(' ').map(|word| if is_own(word) { "UID" } else { word });
            let text = words.collect::<Vec<_>>().join(" ");
            match text.split_once("ResourceVersion in record (") {
                Some((before, after)) => {
                    let after = after.split_once(')').map_or("", |(_, after)| after);
                    json!(format!("{before}ResourceVersion in record (VERSION){after}"))
                }
                None => json!(text),
            }
        }
        other => other.clone(),
    }
}

fn workload(name: &str) -> Value {
    let containers =
        json!([{"name": "a", "image": "r/a:1"}, {"name": "b", "image": "r/b:1", "env": [{"name": "X", "value": "y"}]}]);
    let labels = json!({"app": name});
    json!({
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
    })
}

fn lease(version: Option<&str>) -> Value {
    let mut lease = json!({
        "metadata": {"name": "l"},
        "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2026-11-22T12:00:00.000000Z"},
    });
    if let Some(version) = version {
        lease["metadata"]["resourceVersion"] = json!(version);
    }
    lease
}

/// The object as one that was read, and is not there any more.
fn with_uid(mut object: Value) -> Value {
    object["metadata"]["uid"] = json!("another");
    object
}

const IMAGE: &str = "/spec/template/spec/containers/1/image";
const APPS: &str = "/apis/apps/v1/namespaces/NS";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/NS/leases";

/// Patches of one object, most of which are refused.
fn patches() -> Vec<Question> {
    let x = format!("{APPS}/deployments/x");
    let patch = |path: &str, patch: Value| Question::new(Method::PATCH, path, Body::Json(patch));
    let replace = |path: &str, value: Value| json!([{"op": "replace", "path": path, "value": value}]);
    let good =
        json!([{"op": "test", "path": IMAGE, "value": "r/b:1"}, {"op": "replace", "path": IMAGE, "value": "r/b:2"}]);
    let selector = json!([
        {"op": "replace", "path": "/spec/selector/matchLabels/app", "value": "y"},
        {"op": "replace", "path": "/spec/template/metadata/labels/app", "value": "y"},
    ]);
    let mut questions = vec![
        patch(&x, json!([{"op": "test", "path": IMAGE, "value": "r/b:9"}, good[1]])),
        patch(&x, json!([{"op": "test", "path": "/metadata/resourceVersion", "value": "1"}, good[1]])),
        patch(&x, replace("/metadata/resourceVersion", json!("1"))),
        patch(&x, replace("/spec/nothing/x", json!(1))),
        patch(&x, json!([{"op": "burn", "path": "/spec"}])),
        patch(&x, json!({"op": "test"})),
        patch(&x, json!([1])),
        Question::new(Method::PATCH, &x, Body::Text("{")),
        patch(&x, replace(IMAGE, json!(""))),
        patch(&x, replace("/spec/replicas", json!(-1))),
        patch(&x, replace("/spec/progressDeadlineSeconds", json!(0))),
        patch(&x, replace("/spec/template/metadata/labels/app", json!("y"))),
        patch(&x, replace("/spec/template/spec/containers", json!([]))),
        patch(&x, replace("/spec/template/spec/containers/1/name", json!("a"))),
        patch(&x, replace("/metadata/name", json!("y"))),
        patch(&x, replace("/metadata/namespace", json!("y"))),
        patch(&x, replace("/metadata/uid", json!("y"))),
        patch(&x, selector.clone()),
        patch(&format!("{APPS}/daemonsets/d"), selector),
        patch(&format!("{APPS}/statefulsets/s"), replace("/spec/serviceName", json!("y"))),
        patch(
            &format!("{APPS}/statefulsets/s"),
            json!([{"op": "add", "path": "/metadata/annotations/a", "value": "b"}]),
        ),
        patch(&format!("{x}?dryRun=Some"), good.clone()),
        patch(&format!("{x}?dryRun=All"), good.clone()),
        patch(&format!("{APPS}/deployments/none"), good.clone()),
    ];
    questions.push(Question { media_type: "text/plain", ..patch(&x, good.clone()) });
    questions.push(Question { user: 1, ..patch(&x, good.clone()) });
    questions.push(Question { user: 1, ..patch(&format!("{x}?dryRun=All"), good.clone()) });
    questions.push(patch(&x, good.clone()));
    questions.push(patch(&x, json!([{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}])));
    questions.push(patch(&format!("{APPS}/statefulsets/s"), good.clone()));
    questions.push(patch(&format!("{APPS}/daemonsets/d"), good));
    questions
}

/// Whole objects, written and removed.
fn writes() -> Vec<Question> {
    let x = format!("{APPS}/deployments/x");
    let l = format!("{LEASES}/l");
    let ask = |method: Method, path: &str, body: Value| Question::new(method, path, Body::Json(body));
    let changed = |path: &str, change| Question::new(Method::PUT, path, Body::Changed(path.to_owned(), change));
    let only =
        |name: &str, value: &str| json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {name: value}});
    vec![
        ask(Method::POST, &format!("{APPS}/deployments"), workload("x")),
        changed(&x, |object| object["metadata"]["resourceVersion"] = json!("1")),
        ask(Method::PUT, &x, workload("y")),
        ask(Method::PUT, &x, json!({"spec": {}})),
        ask(Method::PUT, &format!("{APPS}/deployments/none"), workload("none")),
        Question::new(Method::PUT, &x, Body::Text("{")),
        Question { media_type: "text/plain", ..Question::new(Method::PUT, &x, Body::Text("a")) },
        ask(
            Method::POST,
            &format!("{APPS}/deployments"),
            json!({"kind": "Lease", "apiVersion": "coordination.k8s.io/v1"}),
        ),
        ask(Method::POST, &format!("{APPS}/deployments"), json!({"metadata": {"name": "z"}, "spec": {}})),
        ask(Method::POST, "/apis/apps/v1/namespaces/none/deployments", workload("x")),
        ask(Method::POST, &x, workload("x")),
        ask(Method::PUT, &format!("{APPS}/deployments"), workload("x")),
        ask(Method::POST, LEASES, json!({"metadata": {}, "spec": {}})),
        ask(Method::POST, LEASES, json!({"metadata": {"name": "q"}, "spec": {"leaseDurationSeconds": 0}})),
        ask(Method::POST, LEASES, lease(Some("5"))),
        Question { user: 1, ..ask(Method::POST, LEASES, lease(None)) },
        ask(Method::POST, LEASES, lease(None)),
        ask(Method::POST, LEASES, lease(None)),
        ask(Method::PUT, &l, lease(None)),
        ask(Method::PUT, &l, lease(Some("1"))),
        changed(&l, |object| object["spec"]["holderIdentity"] = json!("you")),
        changed(&l, |object| object["metadata"]["uid"] = json!("another")),
        ask(Method::DELETE, &l, only("uid", "another")),
        ask(Method::DELETE, &l, only("resourceVersion", "1")),
        Question::new(Method::DELETE, &format!("{l}?dryRun=All"), Body::None),
        Question { user: 1, ..Question::new(Method::DELETE, &l, Body::None) },
        Question::new(Method::DELETE, &l, Body::None),
        Question::new(Method::DELETE, &l, Body::None),
        ask(Method::PUT, &l, with_uid(lease(None))),
        ask(Method::PUT, &l, with_uid(lease(Some("1")))),
        ask(Method::PUT, &format!("{APPS}/deployments/none"), with_uid(workload("none"))),
        ask(Method::PUT, &l, lease(None)),
        Question::new(Method::DELETE, &l, Body::None),
        Question::new(Method::DELETE, &format!("{APPS}/deployments/none"), Body::None),
    ]
}

/// Reads.
fn reads() -> Vec<Question> {
    let paths = [
        "/api/v1/namespaces/none",
        "/apis/apps/v1/namespaces/NS/deployments/none",
        "/apis/apps/v1/namespaces/NS/none",
        "/apis/none/v1/namespaces/NS/none",
        "/apis/apps/v1/namespaces/NS/deployments/x/none",
        "/apis/apps/v1/namespaces/NS/deployments?fieldSelector=spec.x%3D1",
        "/apis/apps/v1/namespaces/NS/deployments?fieldSelector=x",
        "/apis/apps/v1/namespaces/NS/deployments?limit=x",
    ];
    paths.map(|path| Question::new(Method::GET, path, Body::None)).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_as_a_real_one() {
    let real = Kubernetes::start().await;
    // Nothing is rolled out in either: a real namespace has nodes that these pods do not ask for.
    let settings = Settings { platform: Platform::Kubernetes, pace: Duration::from_hours(1), ..Settings::at(noon()) };
    let drill = Drill::start(settings).await.expect("a drill on free ports");
    let theirs = Side {
        api: Api { client: real.http(), base: real.server() },
        namespace: real.namespace.clone(),
        tokens: ["admin", "reader"],
    };
    let namespace = json!({"kind": "Namespace", "metadata": {"name": real.namespace}});
    drill.kubernetes().objects().place(&namespace, noon()).expect("a namespace");
    let base = format!("http://{}", drill.kubernetes().address());
    let ours =
        Side { api: Api { client: client(), base }, namespace: real.namespace.clone(), tokens: [OPERATOR.1, READER.1] };
    for (kind, name) in [("deployments", "x"), ("statefulsets", "s"), ("daemonsets", "d")] {
        let mut object = workload(name);
        if kind == "statefulsets" {
            object["spec"]["serviceName"] = json!("s");
        }
        let question = Question::new(Method::POST, &format!("{APPS}/{kind}"), Body::Json(object));
        assert_eq!(ours.answer(&question).await, theirs.answer(&question).await, "{kind}");
    }
    for question in reads().into_iter().chain(writes()).chain(patches()) {
        let (ours, theirs) = (ours.answer(&question).await, theirs.answer(&question).await);
        let body = if let Body::Json(body) = &question.body { body.to_string() } else { String::new() };
        assert_eq!(ours, theirs, "{} {} {body}", question.method, question.path);
    }
}
