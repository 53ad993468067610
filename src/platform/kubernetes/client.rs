//! Kubernetes' HTTP API as plain JSON: typed models drop the fields that they do not know.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail};
use http::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use kube::client::{AuthError, Body};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::super::secrets::Secrets;
use super::login::{self, Plugin};
use super::workload::containers;
use crate::http::retry::{Retry, causes};
use crate::http::{is_page, printable, sentence};
use crate::journal::write::{Answered, Unanswered, Writes};
use crate::journal::{self, Ledger};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads are asked again a few times; a write only where it was not begun.
const RETRY: Retry = Retry { tries: 4, first_pause: Duration::from_millis(200) };

/// No answer is longer, in bytes: thousands of objects fit into it.
const LONGEST: usize = 64 << 20;

/// How many items of a list are asked for at once.
const PAGE: usize = 500;

/// Who is named as the one that last set a field.
const MANAGER: &str = "firebreak";

/// A connection to an API server.
#[derive(Clone)]
pub(super) struct Client {
    kube: kube::Client,
    /// Host, port and path of the server, for people to read.
    server: Arc<str>,
    plugin: Option<Plugin>,
    pub(super) writes: Writes,
}

/// An answer, whatever it says.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Its JSON; null where it is something else.
    pub(super) body: Value,
    /// What it says in words where it is no JSON: some answers come from a proxy before Kubernetes.
    words: Option<String>,
    headers: HeaderMap,
}

/// A write.
pub(super) struct Write {
    /// Its name in the journal.
    pub(super) call: &'static str,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Value,
    /// What must not be shown of an answer.
    pub(super) secrets: Secrets,
}

impl Answer {
    /// It was not done: somebody changed the object.
    pub(super) fn is_conflict(&self) -> bool {
        self.status == StatusCode::CONFLICT
    }

    /// It was not begun: the server is too busy.
    pub(super) fn is_busy(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS
    }

    /// How long to wait before what was asked so often is asked again; none where that is no use.
    fn rest(&self, tried: u32) -> Option<Duration> {
        RETRY.before_next(tried, &self.headers)
    }

    /// What it says of a refusal, without what must not be shown.
    pub(super) fn error(&self, secrets: &Secrets) -> anyhow::Error {
        let message = self.body["message"].as_str().or(self.words.as_deref()).map(|message| secrets.scrub(message));
        let message = message.filter(|message| !message.is_empty());
        anyhow!("Kubernetes answered {}{}", self.status, message.map(|text| format!(": {text}")).unwrap_or_default())
    }
}

impl Answered for Answer {
    fn written(&self) -> journal::Answer {
        if !self.status.is_success() {
            return journal::Answer::Refused(self.status.to_string());
        }
        let metadata = &self.body["metadata"];
        let mut kept = json!({ "uid": metadata["uid"], "generation": metadata["generation"] });
        for one in containers(&self.body) {
            kept["images"][one.name] = one.image.as_str().into();
        }
        journal::Answer::Taken(kept)
    }
}

impl Client {
    pub(super) fn new(kube: kube::Client, server: &str, plugin: Option<Plugin>, ledger: Arc<dyn Ledger>) -> Self {
        Self { kube, server: server.into(), plugin, writes: Writes::new(ledger) }
    }

    /// What is at a path; none where there is nothing.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Option<Value>> {
        let mut tried = 0;
        loop {
            tried += 1;
            let answer = self.send(&Method::GET, path, &Value::Null).await;
            let pause = match &answer {
                Ok(answer) if answer.status.is_server_error() || answer.is_busy() => answer.rest(tried),
                Ok(_) => None,
                Err(_) => RETRY.before_next(tried, &HeaderMap::new()),
            };
            if let Some(pause) = pause {
                sleep(pause).await;
                continue;
            }
            let answer = answer?;
            return match answer.status {
                StatusCode::NOT_FOUND => Ok(None),
                status if !status.is_success() => Err(answer.error(&Secrets::default())),
                _ if answer.body.is_null() => {
                    let what = answer.words.as_deref().unwrap_or("what is not JSON");
                    bail!("what answers GET {path} is no Kubernetes: it gives {what}")
                }
                _ => Ok(Some(answer.body)),
            };
        }
    }

    /// The items of a list, read page by page; none where the server has no such list.
    pub(super) async fn list(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let first = format!("{path}{}limit={PAGE}", if path.contains('?') { '&' } else { '?' });
        let (mut next, mut all) = (first.clone(), Vec::new());
        loop {
            let listed = self.get(&next).await?;
            // A server that is too old for a kind of objects has none of them: CronJobs, before 1.21.
            let Some(mut listed) = listed.or_else(|| path.starts_with("/apis/batch/").then(|| json!({ "items": [] })))
            else {
                bail!("there is nothing at {path}: what answers is no Kubernetes");
            };
            let Value::Array(items) = listed["items"].take() else {
                bail!("what answers GET {path} is no Kubernetes: it gives no list");
            };
            all.extend(items);
            let Some(more) = listed["metadata"]["continue"].as_str().filter(|more| !more.is_empty()) else {
                return Ok(all);
            };
            next = format!("{first}&continue={}", utf8_percent_encode(more, NON_ALPHANUMERIC));
        }
    }

    /// A write. It is sent again only where the server was too busy to begin with it.
    pub(super) async fn write(&self, write: Write, about: Value) -> Result<Answer, Unanswered> {
        let write = Arc::new(write);
        when_it_has_time(|| self.carry(Arc::clone(&write), about.clone())).await
    }

    /// A write, sent once and carried to its end whatever becomes of the caller; written down before and after.
    async fn carry(&self, write: Arc<Write>, about: Value) -> Result<Answer, Unanswered> {
        let client = self.clone();
        self.writes.carry(write.call, about, async move { client.once(&write).await }).await.flatten()
    }

    /// A write that nobody has to know of later: what renews a lock that is held.
    pub(super) async fn once(&self, write: &Write) -> Result<Answer, Unanswered> {
        let path = format!("{}?fieldManager={MANAGER}", write.path);
        match self.send(&write.method, &path, &write.body).await {
            // It gave up waiting, or a proxy before it did; the change may have been taken all the same.
            Ok(answer) if answer.status.is_server_error() => Err(Unanswered::Lost(answer.error(&write.secrets))),
            outcome => outcome,
        }
    }

    /// Has everything about a write checked, by the server and by whoever has a say at it, and nothing written.
    pub(super) async fn try_out(&self, write: &Write) -> anyhow::Result<Answer> {
        let path = format!("{}?fieldManager={MANAGER}&dryRun=All", write.path);
        Ok(when_it_has_time(|| self.send(&write.method, &path, &write.body)).await?)
    }

    async fn send(&self, method: &Method, path: &str, body: &Value) -> Result<Answer, Unanswered> {
        let kind = if method == Method::PATCH { "application/json-patch+json" } else { "application/json" };
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, kind).body(Body::from(bytes));
        let request = request.map_err(|error| Unanswered::NotSent(error.into()))?;
        let what = || format!("Kubernetes did not answer {method} {path}");
        let answer = timeout(PATIENCE, async {
            let answer = self.kube.send(request).await.map_err(|error| unanswered(&error, self.plugin.as_ref()))?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, LONGEST).collect().await;
            let body = body.map_err(|error| Unanswered::Lost(anyhow!("{}", causes(&*error))))?.to_bytes();
            let from = format!("{}{}", self.server, path.split('?').next().unwrap_or_default());
            let words = words(parts.status, &parts.headers, &body, &from);
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            Ok(Answer { status: parts.status, body, words, headers: parts.headers })
        });
        match answer.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Unanswered::Lost(error))) => Err(Unanswered::Lost(error.context(what()))),
            Ok(Err(not_sent)) => Err(not_sent),
            Err(_) => Err(Unanswered::Lost(anyhow!("nothing within {PATIENCE:?}").context(what()))),
        }
    }
}

/// Sends a write again while the server is too busy to begin with it, for as long as that is of use.
async fn when_it_has_time<F>(mut send: impl FnMut() -> F) -> Result<Answer, Unanswered>
where
    F: Future<Output = Result<Answer, Unanswered>>,
{
    let mut tried = 0;
    loop {
        tried += 1;
        let answer = send().await?;
        match answer.rest(tried).filter(|_| answer.is_busy()) {
            Some(pause) => sleep(pause).await,
            None => return Ok(answer),
        }
    }
}

/// What an answer says that is none that was hoped for.
fn words(status: StatusCode, headers: &HeaderMap, body: &[u8], from: &str) -> Option<String> {
    if status.is_redirection() {
        let to = headers.get(LOCATION)?.to_str().ok()?.split('?').next().unwrap_or_default();
        Some(format!("it leads to {}", printable(to)))
    } else if is_page(headers, body) {
        Some(format!("a web page, from {from}"))
    } else if status.is_success() {
        None
    } else {
        sentence(body, "")
    }
}

/// Whether a request that failed had left: one that found no connection, or no login, had not. `plugin` gives the login.
fn unanswered(error: &kube::Error, plugin: Option<&Plugin>) -> Unanswered {
    let login = match error {
        kube::Error::Auth(login) => Some(login),
        kube::Error::Service(error) => error.downcast_ref::<AuthError>(),
        _ => None,
    };
    if let Some(error) = login {
        return Unanswered::NotSent(login::failure(error, plugin));
    }
    let never_left = match error {
        kube::Error::Service(error) => error
            .downcast_ref::<hyper_util::client::legacy::Error>()
            .is_some_and(hyper_util::client::legacy::Error::is_connect),
        kube::Error::Auth(_) => true,
        _ => false,
    };
    let error = match error {
        kube::Error::Service(error) => anyhow!("{}", causes(&**error)),
        error => anyhow!("{}", causes(error)),
    };
    if never_left { Unanswered::NotSent(error.context("failed to reach Kubernetes")) } else { Unanswered::Lost(error) }
}
