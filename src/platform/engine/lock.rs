//! The lock of an environment: a container that is made and never started. An engine has no compare-and-swap, but of one
//! name there is one container: whoever makes it has the lock, and its labels say who that is.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::Engine;
use super::container::{Container, LOCK, image_id, may_be_of};
use crate::journal::lock::{Holder, LockError};

/// The labels beside [`LOCK`], which holds the run.
const WHO: &str = "firebreak.who";
const SINCE: &str = "firebreak.since";

/// How often a name is asked for that is in use, in the words of both engines, by a container that cannot be seen: it is
/// being made, or removed. Podman says so with 500, so the status does not tell.
const TRIES: u32 = 20;
const IN_USE: &str = "already in use";
const PAUSE: Duration = Duration::from_millis(250);

/// Takes the lock, or finds it taken by the same run.
pub(super) async fn lock(engine: &Engine, environment: &str, holder: &Holder) -> Result<(), LockError> {
    let what = || format!("failed to lock '{environment}' at {}", engine.client.address);
    let name = name(environment);
    let image = image(engine, environment).await.with_context(what).map_err(LockError::Failed)?;
    let body = body(&image, holder);
    let mut refused: Option<anyhow::Error> = None;
    for _ in 0..TRIES {
        let there = engine.inspect(&name).await.with_context(what).map_err(LockError::Failed)?;
        match there.as_ref().map(self::holder) {
            Some(Some(found)) if found.run == holder.run => return Ok(()),
            Some(found) => return Err(LockError::Held(found)),
            None => {}
        }
        if refused.as_ref().is_some_and(|error| !error.to_string().contains(IN_USE)) {
            break;
        }
        match engine.client.make_lock(&name, &body).await {
            Ok(()) => return Ok(()),
            // Somebody was faster, or the answer was lost: the next look tells.
            Err(error) => refused = Some(error),
        }
        sleep(PAUSE).await;
    }
    Err(LockError::Failed(refused.unwrap_or_else(|| anyhow!("it comes and goes")).context(what())))
}

/// Removes the lock if this run has it.
pub(super) async fn unlock(engine: &Engine, environment: &str, holder: &Holder) -> anyhow::Result<()> {
    let what = || format!("failed to remove the lock of '{environment}' at {}", engine.client.address);
    let name = name(environment);
    let ours = async || -> anyhow::Result<Option<Container>> {
        let there = engine.inspect(&name).await?;
        Ok(there.filter(|lock| self::holder(lock).is_some_and(|found| found.run == holder.run)))
    };
    let Some(lock) = ours().await.with_context(what)? else { return Ok(()) };
    let removed = engine.client.remove_lock(&lock).await;
    // Somebody else may have been faster, or the answer was lost.
    if removed.is_err() && ours().await.with_context(what)?.is_none() {
        return Ok(());
    }
    removed.with_context(|| format!("{}: remove the container '{name}' by hand", what()))
}

/// It must not begin with the environment: it is none of its services.
fn name(environment: &str) -> String {
    format!("firebreak-lock-{environment}")
}

/// Any image will do that is there already: nothing of it ever runs.
async fn image(engine: &Engine, environment: &str) -> anyhow::Result<String> {
    let listed = engine.client.get("/containers/json?all=true").await?.unwrap_or_default();
    let containers = listed.as_array().map(Vec::as_slice).unwrap_or_default();
    let of_it = containers.iter().find(|summary| may_be_of(summary, environment)).or(containers.first());
    if let Some(id) = of_it.and_then(|summary| summary["ImageID"].as_str()).filter(|id| !id.is_empty()) {
        return Ok(image_id(id));
    }
    let images = engine.client.get("/images/json").await?.unwrap_or_default();
    let id = images[0]["Id"].as_str().context("the engine has no image that a lock could be made of")?;
    Ok(image_id(id))
}

/// What the engine is to be told. The labels of compose that an image may have are emptied: it is none of its services.
fn body(image: &str, holder: &Holder) -> Value {
    json!({
        "Image": image,
        "Entrypoint": ["/firebreak-lock"],
        "Cmd": [],
        "Healthcheck": {"Test": ["NONE"]},
        "Labels": {
            LOCK: holder.run,
            WHO: holder.who,
            SINCE: holder.since.to_rfc3339_opts(SecondsFormat::Secs, true),
            "com.docker.compose.project": "",
            "com.docker.compose.service": "",
        },
        "HostConfig": {"NetworkMode": "none"},
    })
}

/// Who made a lock; none where it does not say so.
fn holder(lock: &Container) -> Option<Holder> {
    let label = |key: &str| lock.inspect["Config"]["Labels"][key].as_str();
    let since = DateTime::parse_from_rfc3339(label(SINCE)?).ok()?.with_timezone(&Utc);
    Some(Holder { run: label(LOCK)?.to_owned(), who: label(WHO)?.to_owned(), since })
}
