//! A webhook as Slack's incoming ones, that keeps what it was sent.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;

use super::faults::{Fault, Faults};
use super::server::{Log, Server};

/// A running webhook. Ends when it goes out of scope.
#[derive(Debug)]
pub struct Slack {
    server: Server,
    kept: Kept,
}

type Kept = Arc<Mutex<Vec<Value>>>;

impl Slack {
    /// Starts it on a port of loopback; 0 takes a free one.
    ///
    /// # Errors
    /// When the port cannot be taken.
    pub async fn start(port: u16, faults: &Faults, log: &Log) -> anyhow::Result<Self> {
        let kept = Kept::default();
        let (taken, shown, ordered) = (Arc::clone(&kept), Arc::clone(&kept), faults.clone());
        let server = Server::start("slack", port, faults, log, |_| {
            Router::new()
                .route("/services/{*secret}", post(|body: Bytes| async move { take(&ordered, &taken, &body) }))
                .route("/messages", get(|| async move { axum::Json(lock(&shown).clone()) }))
        })
        .await?;
        Ok(Self { server, kept })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The messages so far, whole.
    #[must_use]
    pub fn messages(&self) -> Vec<Value> {
        lock(&self.kept).clone()
    }
}

fn lock(kept: &Kept) -> MutexGuard<'_, Vec<Value>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take(faults: &Faults, kept: &Kept, body: &Bytes) -> Response {
    if faults.any(|fault| *fault == Fault::Slack) {
        return (StatusCode::INTERNAL_SERVER_ERROR, "server_error").into_response();
    }
    let Ok(message) = serde_json::from_slice::<Value>(body) else {
        return (StatusCode::BAD_REQUEST, "invalid_payload").into_response();
    };
    if message["text"].as_str().is_none_or(str::is_empty) {
        return (StatusCode::BAD_REQUEST, "no_text").into_response();
    }
    lock(kept).push(message);
    "ok".into_response()
}
