//! The embedded world behaves as what it stands for. Starts drills in process, on free ports of loopback, and skopeo
//! as somebody else's client.

mod compat;
mod kubernetes;
mod marathon;
mod program;
mod registry;
mod story;

use chrono::{DateTime, Utc};
use firebreak::drill::{Drill, Settings};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;

/// A Sunday at noon.
fn noon() -> DateTime<Utc> {
    "2026-11-22T12:00:00Z".parse().expect("an instant")
}

async fn start(faults: &[&str]) -> Drill {
    let faults = faults.iter().map(|text| text.parse().expect("a fault")).collect();
    Drill::start(Settings { faults, ..quick() }).await.expect("a drill on free ports")
}

fn quick() -> Settings {
    Settings { pace: std::time::Duration::from_millis(2), ..Settings::at(noon()) }
}

/// What comes of something that comes by itself; a minute is far more than it takes.
async fn within<T>(what: &str, coming: impl Future<Output = T>) -> T {
    let limit = std::time::Duration::from_mins(1);
    tokio::time::timeout(limit, coming).await.unwrap_or_else(|_| panic!("waited in vain for this: {what}"))
}

fn client() -> Client {
    // The library wants to know whose TLS it would be; none is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().expect("a client")
}

/// A plain HTTP client of one server.
struct Api {
    client: Client,
    base: String,
}

/// An answer that was read whole.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header that is text"))
    }
}

impl Api {
    fn marathon(drill: &Drill) -> Self {
        Self { client: client(), base: format!("http://{}", drill.marathon().address()) }
    }

    fn registry(drill: &Drill) -> Self {
        Self { client: client(), base: format!("http://{}", drill.registry.address()) }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    async fn read(request: RequestBuilder) -> Answer {
        let answer = request.send().await.expect("an answer");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.expect("a body");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        Self::read(self.request(Method::GET, path)).await
    }

    async fn delete(&self, path: &str) -> Answer {
        Self::read(self.request(Method::DELETE, path)).await
    }

    async fn put(&self, path: &str, body: &Value) -> Answer {
        Self::read(self.request(Method::PUT, path).json(body)).await
    }

    async fn patch(&self, path: &str, body: &Value) -> Answer {
        Self::read(self.request(Method::PATCH, path).json(body)).await
    }

    /// An application as it is now.
    async fn app(&self, id: &str) -> Value {
        let mut answer = self.get(&format!("/v2/apps{id}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.body["app"].take()
    }

    /// Waits until no deployment runs.
    async fn quiet(&self) {
        let quiet = async {
            while self.get("/v2/deployments").await.body != serde_json::json!([]) {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        };
        within("all deployments end", quiet).await;
    }
}
