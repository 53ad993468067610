//! A gate before one member: it lets every question through, and at one of a test's choice something happens first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use firebreak::http::{self, Trust};
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What happens at a question.
pub enum At {
    /// This, before the member hears of it.
    Before(BoxFuture<'static, ()>),
    /// This, after the member has answered, and before whoever asked hears of it.
    Between(BoxFuture<'static, ()>),
}

type Hook = Arc<dyn Fn(&str, usize) -> Option<At> + Send + Sync>;

/// The gate; it ends when it goes out of scope.
pub struct Gate {
    /// Where it listens: `127.0.0.1:2379`.
    pub address: String,
    task: JoinHandle<()>,
}

impl Gate {
    /// Starts one before the member at this URL. `hook` is asked at each question by its path, and how many of this path came
    /// before.
    pub async fn before(member: String, hook: impl Fn(&str, usize) -> Option<At> + Send + Sync + 'static) -> Self {
        let (hook, counts): (Hook, _) = (Arc::new(hook), Arc::new(Mutex::new(BTreeMap::<String, usize>::new())));
        let client = http::client(&Trust::default()).expect("a client");
        let router = Router::new().fallback(move |method: Method, uri: Uri, body: Bytes| {
            let at = {
                let mut counts = counts.lock().expect("the counts");
                let count = counts.entry(uri.path().to_owned()).or_default();
                *count += 1;
                hook(uri.path(), *count - 1)
            };
            let request = client.request(method, format!("{member}{uri}")).body(body);
            async move { pass(request, at).await }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address").to_string();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("a server") });
        Self { address, task }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(request: reqwest::RequestBuilder, at: Option<At>) -> Response {
    let mut between = None;
    match at {
        Some(At::Before(happens)) => happens.await,
        Some(At::Between(happens)) => between = Some(happens),
        None => {}
    }
    let Ok(answer) = request.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let status = answer.status();
    let body = answer.bytes().await.unwrap_or_default();
    if let Some(happens) = between {
        happens.await;
    }
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
}
