//! One operator at a time: a Lease in the namespace, renewed while it is held. It is no fence: every write says by itself
//! what it must find.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use chrono::{DateTime, SecondsFormat, Utc};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::super::secrets::Secrets;
use super::Kubernetes;
use super::client::{Answer, Client, Write};
use crate::journal::lock::{Holder, LockError};
use crate::journal::write::Unanswered;
use crate::poll::Looks;

/// The Lease's name.
const NAME: &str = "firebreak";
/// Who runs it, and where.
const WHO: &str = "firebreak/who";
/// Since when.
const SINCE: &str = "firebreak/since";
/// A Lease that nobody renewed for so long is nobody's.
const LASTS: Duration = Duration::from_secs(15);
/// How often it is renewed.
const RENEWED: Duration = Duration::from_secs(3);
/// How often it is looked at whether its holder renews it.
const LOOK: Duration = Duration::from_millis(500);
/// How often it is tried to have it: others may want it, too.
const TRIES: usize = 5;

/// What renews the Lease that is held; it ends with the platform.
#[derive(Default)]
pub(super) struct Held(Mutex<Option<JoinHandle<()>>>);

impl Held {
    fn set(&self, renewal: Option<JoinHandle<()>>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = std::mem::replace(&mut *held, renewal) {
            before.abort();
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.set(None);
    }
}

pub(super) async fn lock(kubernetes: &Kubernetes, holder: &Holder) -> Result<(), LockError> {
    let failed =
        |error: anyhow::Error| LockError::Failed(error.context(format!("failed to lock {}", kubernetes.address)));
    let place = path(kubernetes);
    let mut trouble = restless();
    for _ in 0..TRIES {
        let body = lease(kubernetes, holder, &Value::Null);
        let create = write("lock", Method::POST, collection(kubernetes), body);
        let mut answer = taken(kubernetes, create, holder).await;
        if matches!(&answer, Ok(answer) if answer.status == StatusCode::CONFLICT) {
            let Some(theirs) = kubernetes.client.get(&place).await.map_err(failed)? else { continue };
            if theirs["spec"]["holderIdentity"] != holder.run.as_str()
                && !is_left(kubernetes, &theirs).await.map_err(failed)?
            {
                return Err(LockError::Held(holder_of(&theirs)));
            }
            let body = lease(kubernetes, holder, &theirs["metadata"]["resourceVersion"]);
            answer = taken(kubernetes, write("lock", Method::PUT, place.clone(), body), holder).await;
        }
        match answer {
            Ok(answer) if answer.status.is_success() => {
                return keep(kubernetes, holder, answer.body).await.map_err(failed);
            }
            // Somebody was quicker; or it is gone. Of an answer that was lost the next try tells what became.
            Ok(answer) if answer.is_conflict() || answer.status == StatusCode::NOT_FOUND => trouble = restless(),
            Err(Unanswered::Lost(error)) => trouble = error,
            Ok(answer) => return Err(failed(refusal(&answer))),
            Err(Unanswered::NotSent(error)) => return Err(failed(error)),
        }
    }
    Err(failed(trouble))
}

/// Has a Lease be renewed for as long as it is held. Once at once: an account that may only make it is told so now.
async fn keep(kubernetes: &Kubernetes, holder: &Holder, mut lease: Value) -> anyhow::Result<()> {
    let place = path(kubernetes);
    match renewal(&kubernetes.client, &place, &lease).await {
        Ok(answer) if answer.status.is_success() => lease = answer.body,
        Ok(answer) if answer.status == StatusCode::FORBIDDEN => {
            // Nobody is kept out by what cannot be renewed.
            let _ = unlock(kubernetes, holder).await;
            return Err(refusal(&answer));
        }
        // The next one may get through.
        _ => {}
    }
    let renewal = renew(kubernetes.client.clone(), place, lease, holder.run.clone());
    kubernetes.held.set(Some(tokio::spawn(renewal)));
    Ok(())
}

pub(super) async fn unlock(kubernetes: &Kubernetes, holder: &Holder) -> anyhow::Result<()> {
    let what = || format!("failed to unlock {}", kubernetes.address);
    kubernetes.held.set(None);
    let mut trouble = restless();
    for _ in 0..TRIES {
        let found = kubernetes.client.get(&path(kubernetes)).await.with_context(what)?;
        let Some(found) = found.filter(|found| found["spec"]["holderIdentity"] == holder.run.as_str()) else {
            return Ok(());
        };
        let metadata = &found["metadata"];
        let only = json!({ "uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"] });
        let body = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": only });
        let delete = write("unlock", Method::DELETE, path(kubernetes), body);
        match taken(kubernetes, delete, holder).await {
            Ok(answer) if answer.status.is_success() || answer.status == StatusCode::NOT_FOUND => return Ok(()),
            // The last renewal was on its way.
            Ok(answer) if answer.is_conflict() => trouble = restless(),
            Err(Unanswered::Lost(error)) => trouble = error,
            Ok(answer) => return Err(refusal(&answer).context(what())),
            Err(Unanswered::NotSent(error)) => return Err(error.context(what())),
        }
    }
    Err(trouble.context(what()))
}

/// A write of the Lease, in which nothing is secret.
fn write(call: &'static str, method: Method, path: String, body: Value) -> Write {
    Write { call, method, path, body, secrets: Secrets::default() }
}

async fn taken(kubernetes: &Kubernetes, write: Write, holder: &Holder) -> Result<Answer, Unanswered> {
    kubernetes.client.write(write, json!({ "lease": NAME, "run": holder.run })).await
}

/// Whether nobody renews a Lease any more. Its holder's clock may be wrong, so its times say nothing: it is looked at for
/// as long as it lasts.
async fn is_left(kubernetes: &Kubernetes, theirs: &Value) -> anyhow::Result<bool> {
    if theirs["spec"]["holderIdentity"].as_str().unwrap_or_default().is_empty() {
        return Ok(true);
    }
    let lasts = theirs["spec"]["leaseDurationSeconds"].as_u64().map_or(LASTS, Duration::from_secs).min(LASTS * 4);
    let mut looks = Looks::every(LOOK, Instant::now() + lasts);
    // It was read just now.
    looks.next().await;
    while looks.next().await {
        let Some(now) = kubernetes.client.get(&path(kubernetes)).await? else { return Ok(true) };
        if now["metadata"]["resourceVersion"] != theirs["metadata"]["resourceVersion"] {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Renews a Lease until it is somebody else's.
async fn renew(client: Client, path: String, mut lease: Value, run: String) {
    loop {
        sleep(RENEWED).await;
        // Whatever keeps one renewal must not keep the next ones until the Lease is nobody's.
        match timeout(LASTS / 3, renewed(&client, &path, &lease)).await {
            Ok(Ok(Some(now))) if now["spec"]["holderIdentity"] == run.as_str() => lease = now,
            Ok(Ok(_)) => return,
            // Nobody stops for it: every write says by itself what it must find.
            Ok(Err(_)) | Err(_) => {}
        }
    }
}

/// A Lease after a renewal; as it is, where that was not taken.
async fn renewed(client: &Client, path: &str, lease: &Value) -> anyhow::Result<Option<Value>> {
    match renewal(client, path, lease).await {
        Ok(answer) if answer.status.is_success() => Ok(Some(answer.body)),
        _ => client.get(path).await,
    }
}

/// Renews a Lease once.
async fn renewal(client: &Client, path: &str, lease: &Value) -> Result<Answer, Unanswered> {
    let mut body = lease.clone();
    body["spec"]["renewTime"] = micro(Utc::now()).into();
    client.once(&write("renew", Method::PUT, path.to_owned(), body)).await
}

/// The Lease as it is held by somebody; with the version that it replaces.
fn lease(kubernetes: &Kubernetes, holder: &Holder, version: &Value) -> Value {
    let now = micro(Utc::now());
    let mut lease = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": NAME,
            "namespace": kubernetes.namespace,
            "annotations": { WHO: holder.who, SINCE: holder.since.to_rfc3339_opts(SecondsFormat::Secs, true) },
        },
        "spec": {
            "holderIdentity": holder.run,
            "leaseDurationSeconds": LASTS.as_secs(),
            "acquireTime": now,
            "renewTime": now,
        },
    });
    if !version.is_null() {
        lease["metadata"]["resourceVersion"] = version.clone();
    }
    lease
}

/// Who holds a Lease, as far as it says.
fn holder_of(lease: &Value) -> Option<Holder> {
    let annotations = &lease["metadata"]["annotations"];
    let since = annotations[SINCE].as_str().or(lease["metadata"]["creationTimestamp"].as_str())?;
    Some(Holder {
        run: lease["spec"]["holderIdentity"].as_str()?.to_owned(),
        who: annotations[WHO].as_str().unwrap_or("an unknown holder").to_owned(),
        since: DateTime::parse_from_rfc3339(since).ok()?.to_utc(),
    })
}

fn restless() -> anyhow::Error {
    anyhow!("the lease '{NAME}' changed again and again: try again")
}

fn refusal(answer: &Answer) -> anyhow::Error {
    let error = answer.error(&Secrets::default());
    if answer.status == StatusCode::FORBIDDEN {
        error.context(
            "the account may not keep others out: let it get, create, update and delete leases.coordination.k8s.io",
        )
    } else {
        error
    }
}

fn micro(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn collection(kubernetes: &Kubernetes) -> String {
    format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", kubernetes.namespace)
}

fn path(kubernetes: &Kubernetes) -> String {
    format!("{}/{NAME}", collection(kubernetes))
}
