//! A bank that confirms transactions and a master that stores their results, as strict as docs/transactions.openapi.yaml: what
//! the contract does not allow is refused, and counted.
//!
//! What the bank says of a transaction is the word at the begin of its id: `confirmed-17`, `declined-3`, `pending-1`; of any other
//! the bank knows nothing.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::faults::{Fault, Faults};
use super::server::{Log, Server, through_faults};

/// What both services let in.
pub const TOKEN: &str = "drill-token";

/// How the services are.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The port; 0 takes a free one.
    pub port: u16,
    /// How long the bank takes for an answer.
    pub pause: Duration,
}

/// The running services. They end when this goes out of scope.
#[derive(Debug)]
pub struct Settlement {
    server: Server,
    ledger: Arc<Mutex<Ledger>>,
}

/// What the master has stored, and what was asked against the contract.
#[derive(Debug, Default, Clone)]
pub struct Ledger {
    /// The effects on each transaction, by issuer and id: each of them is one, or something is wrong.
    pub effects: BTreeMap<(String, String), Vec<String>>,
    /// How often the bank was asked.
    pub asked: u64,
    /// What the contract does not allow.
    pub violations: Vec<String>,
    /// The requests that were stored, by their keys: what was in them.
    keys: HashMap<String, Value>,
}

impl Ledger {
    /// Every transaction that has more than one effect, or one that the bank did not say.
    #[must_use]
    pub fn wrong(&self) -> Vec<String> {
        let expected = |id: &str| match id.split('-').next() {
            Some("confirmed") => Some("committed"),
            Some("declined") => Some("cancelled"),
            _ => None,
        };
        let is_right =
            |id: &str, effects: &[String]| effects.len() == 1 && expected(id) == effects.first().map(String::as_str);
        let wrong = self.effects.iter().filter(|((_, id), effects)| !is_right(id, effects));
        wrong.map(|((issuer, id), effects)| format!("{issuer}/{id}: {}", effects.join(", "))).collect()
    }
}

impl Settlement {
    /// Starts both on one port of loopback: the bank below `/bank`, the master below `/master`.
    ///
    /// # Errors
    /// When the port cannot be taken.
    pub async fn start(settings: Settings, faults: &Faults, log: &Log) -> anyhow::Result<Self> {
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let (bank, master) = (Arc::clone(&ledger), Arc::clone(&ledger));
        let (bank_faults, master_faults) = (faults.clone(), faults.clone());
        let confirm =
            move |Path(id): Path<String>, Query(query): Query<HashMap<String, String>>, headers: HeaderMap| {
                let (ledger, faults) = (Arc::clone(&bank), bank_faults.clone());
                async move {
                    tokio::time::sleep(settings.pause).await;
                    through_faults(&faults, false, || confirmation(&faults, &ledger, &id, &query, &headers))
                }
            };
        let store = move |Path(id): Path<String>, headers: HeaderMap, body: Bytes| {
            let (ledger, faults) = (Arc::clone(&master), master_faults.clone());
            async move { through_faults(&faults, true, || stored(&ledger, &id, &headers, &body)) }
        };
        let server = Server::start("settlement", settings.port, faults, log, |_| {
            Router::new()
                .route("/bank/confirmations/{id}", get(confirm))
                .route("/master/transactions/{id}/result", post(store))
        })
        .await?;
        Ok(Self { server, ledger })
    }

    /// Where both listen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What `resolve_transactions --services` is given for them, with a bank `north`.
    #[must_use]
    pub fn services(&self) -> Value {
        let base = format!("http://{}", self.address());
        json!({
            "banks": {
                "north": { "url": format!("{base}/bank"), "token": TOKEN, "per_second": 2000, "concurrency": 32 },
            },
            "master": { "url": format!("{base}/master"), "token": TOKEN, "per_second": 2000, "concurrency": 32 },
        })
    }

    /// What was stored so far.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        lock(&self.ledger).clone()
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An answer that is not what was asked for.
struct Refusal(StatusCode, &'static str);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, axum::Json(json!({ "message": self.1 }))).into_response()
    }
}

const LET_NOBODY_IN: Refusal = Refusal(StatusCode::UNAUTHORIZED, "no such token");

/// What the contract does not allow.
fn refused(ledger: &Mutex<Ledger>, status: StatusCode, why: &'static str) -> Refusal {
    lock(ledger).violations.push(why.to_owned());
    Refusal(status, why)
}

fn is_let_in(headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|login| login.as_bytes() == format!("Bearer {TOKEN}").as_bytes())
}

fn confirmation(
    faults: &Faults,
    ledger: &Mutex<Ledger>,
    id: &str,
    query: &HashMap<String, String>,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    if !is_let_in(headers) {
        return Err(LET_NOBODY_IN);
    }
    if faults.spend(|fault| matches!(fault, Fault::BankUnavailable { .. }).then_some(())).is_some() {
        return Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, "the bank is closed"));
    }
    let issuer = query.get("issuer").filter(|issuer| !issuer.is_empty());
    let (Some(issuer), 1) = (issuer, query.len()) else {
        return Err(refused(
            ledger,
            StatusCode::BAD_REQUEST,
            "a confirmation is asked with an issuer, and nothing else",
        ));
    };
    lock(ledger).asked += 1;
    let Some(status @ ("confirmed" | "declined" | "pending")) = id.split('-').next() else {
        return Err(Refusal(StatusCode::NOT_FOUND, "no such transaction"));
    };
    Ok(axum::Json(json!({ "id": id, "issuer": issuer, "status": status })).into_response())
}

fn stored(ledger: &Mutex<Ledger>, id: &str, headers: &HeaderMap, body: &Bytes) -> Result<Response, Refusal> {
    if !is_let_in(headers) {
        return Err(LET_NOBODY_IN);
    }
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).filter(|key| !key.is_empty());
    let Some(key) = key.map(str::to_owned) else {
        return Err(refused(ledger, StatusCode::BAD_REQUEST, "a result is stored with an Idempotency-Key"));
    };
    let Ok(document) = serde_json::from_slice::<Value>(body) else {
        return Err(refused(ledger, StatusCode::BAD_REQUEST, "the body is no JSON"));
    };
    let (issuer, result) = (document["issuer"].as_str(), document["result"].as_str());
    let is_whole = document.as_object().is_some_and(|members| members.len() == 2);
    let (Some(issuer), Some(result @ ("committed" | "cancelled")), true) = (issuer, result, is_whole) else {
        return Err(refused(ledger, StatusCode::BAD_REQUEST, "a result has an issuer and a result, and nothing else"));
    };
    let (answer, asked) = (json!({ "id": id, "result": result }), json!([id, document]));
    let mut ledger_now = lock(ledger);
    match ledger_now.keys.get(&key) {
        Some(before) if *before == asked => return Ok((StatusCode::OK, axum::Json(answer)).into_response()),
        Some(_) => {
            drop(ledger_now);
            return Err(refused(ledger, StatusCode::UNPROCESSABLE_ENTITY, "this key was used for another request"));
        }
        None => {}
    }
    ledger_now.keys.insert(key, asked);
    ledger_now.effects.entry((issuer.to_owned(), id.to_owned())).or_default().push(result.to_owned());
    Ok((StatusCode::CREATED, axum::Json(answer)).into_response())
}
