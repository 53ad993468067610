//! An HTTP server that answers as a test says, for what no real server does on demand.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

/// What is asked.
pub struct Asked {
    /// `GET /v2/billing/tags/list?n=1000`.
    pub line: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// How many requests came before it.
    pub number: usize,
}

impl Asked {
    /// The header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// What is answered.
pub fn reply(status: u16, headers: &[(&'static str, &str)], body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    for (name, value) in headers {
        response.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header"));
    }
    response
}

#[derive(Default)]
struct Seen {
    lines: Mutex<Vec<String>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

/// The server; it stops with the runtime of the test.
pub struct Fake {
    /// The port of loopback that it listens on.
    pub port: u16,
    seen: Arc<Seen>,
}

impl Fake {
    /// Starts a server that answers with what `answer` gives, at once.
    pub async fn start(answer: impl Fn(&Asked) -> Response + Send + Sync + 'static) -> Self {
        Self::start_slow(Duration::ZERO, move |_| answer).await
    }

    /// Starts a server that takes its time. `answer` is made from the server's own URL.
    pub async fn start_slow<A>(time: Duration, make: impl FnOnce(String) -> A) -> Self
    where
        A: Fn(&Asked) -> Response + Send + Sync + 'static,
    {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
        let port = listener.local_addr().expect("its address").port();
        let seen = Arc::new(Seen::default());
        let (log, answer) = (Arc::clone(&seen), Arc::new(make(format!("http://127.0.0.1:{port}"))));
        let handler = move |parts: Parts| {
            let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
            async move {
                let line = format!("{} {}", parts.method, parts.uri);
                let number = {
                    let mut lines = log.lines.lock().expect("no panic under the lock");
                    lines.push(line.clone());
                    lines.len() - 1
                };
                log.most_under_way.fetch_max(log.under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(time).await;
                log.under_way.fetch_sub(1, Ordering::SeqCst);
                answer(&Asked { line, headers: parts.headers, number })
            }
        };
        let router = axum::Router::new().fallback(handler);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { port, seen }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The first lines of the requests since the last call.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lines.lock().expect("no panic under the lock"))
    }

    /// How many requests were under way at the busiest moment.
    pub fn most_under_way(&self) -> usize {
        self.seen.most_under_way.load(Ordering::SeqCst)
    }
}
