//! The way to the target: compare revisions, have every patch tried by the server, write one after another, and wait.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use futures_util::future::try_join_all;
use http::{Method, StatusCode};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::client::{Answer, Write};
use super::own::{Images, SET, Sent, Written, is_made_of};
use super::workload::{self, CAUSE, Container, Kind, parts};
use super::{Kubernetes, rollout, wait};
use crate::journal::write::Unanswered;
use crate::platform::image::WrittenImage;
use crate::platform::{Change, missed};
use crate::poll::Looks;
use crate::watch::Watch;

/// How long it may take until a write whose answer was lost shows.
const SHOWS_WITHIN: Duration = Duration::from_secs(5);
/// How often a write is made that is refused because the object's status moved meanwhile.
const TRIES: usize = 10;
/// Between two of them.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn deploy(
    kubernetes: &Kubernetes,
    changes: &[Change],
    limit: Duration,
    watch: &dyn Watch,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + limit;
    let sets = sets(changes);
    // All of them before the first is written.
    try_join_all(sets.iter().map(|set| planned(kubernetes, set))).await?;
    let mut tried = Vec::with_capacity(sets.len());
    for set in &sets {
        tried.push(try_out(kubernetes, set, watch).await?);
    }
    for (set, made) in sets.iter().zip(&tried) {
        write(kubernetes, set, made, watch).await?;
    }
    wait::until_arrived(kubernetes, changes, deadline, watch).await.with_context(|| missed(limit))
}

/// The changes of one object, which are written as one: each is about other containers of it.
struct Set<'a> {
    id: &'a str,
    changes: Vec<&'a Change>,
}

/// The changes by their objects, in their order.
fn sets(changes: &[Change]) -> Vec<Set<'_>> {
    let mut sets: Vec<Set> = Vec::new();
    for change in changes {
        let id = change.application.id.as_str();
        match sets.iter_mut().find(|set| set.id == id) {
            Some(set) => set.changes.push(change),
            None => sets.push(Set { id, changes: vec![change] }),
        }
    }
    sets
}

/// The object that changes are about, if nobody changed it since the plan.
async fn planned(kubernetes: &Kubernetes, set: &Set<'_>) -> anyhow::Result<(Kind, Value)> {
    let id = set.id;
    let (kind, object) = kubernetes.object(id).await?;
    let Some(object) = object else { bail!("application '{id}' is no longer there") };
    let revision = workload::revision(&object);
    if set.changes.iter().any(|change| revision.as_deref() != Some(&change.application.revision)) {
        bail!("application '{id}' was changed by others since the plan was made: plan again");
    }
    if let Some(why) = workload::obstacle(kind, &object) {
        bail!("application '{id}' cannot be changed: {why}");
    }
    Ok((kind, object))
}

/// What is sent for the changes of an object, and what is to be remembered of it; `made` is what the server made of them
/// when they were tried.
fn patch(
    kubernetes: &Kubernetes,
    set: &Set<'_>,
    (kind, object): (Kind, &Value),
    made: &[Container],
) -> anyhow::Result<(Write, Written)> {
    let id = set.id;
    let mut images = Vec::new();
    for change in &set.changes {
        let containers = workload::containers_of(object, change);
        if containers.is_empty() {
            bail!("application '{id}' has no container with the image '{}'", change.application.images.join("' or '"));
        }
        images.extend(containers.into_iter().map(|one| (one, change.to.clone())));
    }
    let targets: Vec<&str> = set.changes.iter().map(|change| change.to.as_str()).collect();
    let cause = kubernetes.cause(&targets.join(", "));
    let write = kubernetes.patch(SET, id, object, workload::patch(object, &images, &cause))?;
    let rollout = rollout::rollout(kind, object);
    let own = |(one, to): (Container, WrittenImage)| {
        let made = made.iter().find(|made| made.name == one.name).map(|made| made.image.clone());
        Images { name: one.name, from: one.image, to, made }
    };
    let written = Written {
        application: id.to_owned(),
        uid: object["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
        cause,
        lacked: rollout.lacks.or(rollout.trouble),
        given_up: rollout.given_up,
        containers: images.into_iter().map(own).collect(),
    };
    Ok((write, written))
}

/// Has the changes of an object checked by the server without writing them: an account that may not, an admission that
/// refuses. Gives the containers as the server would make them; none where that cannot be tried.
async fn try_out(kubernetes: &Kubernetes, set: &Set<'_>, watch: &dyn Watch) -> anyhow::Result<Vec<Container>> {
    let id = set.id;
    for _ in 0..TRIES {
        let (kind, object) = planned(kubernetes, set).await?;
        let (write, written) = patch(kubernetes, set, (kind, &object), &[])?;
        let answer = kubernetes.client.try_out(&write).await.with_context(|| format!("failed to try '{id}'"))?;
        if answer.status.is_success() {
            let made = workload::containers(&answer.body);
            may_be_meant(&written, &made)?;
            return Ok(made);
        }
        let error = answer.error(&workload::secrets(&object));
        if cannot_be_tried(&answer) {
            watch.warn(&format!("the change of '{id}' could not be tried beforehand: {error:#}"));
            return Ok(Vec::new());
        }
        if !answer.is_conflict() && !moved(kubernetes, id, &object).await? {
            return Err(error.context(refused(id)));
        }
        sleep(PAUSE).await;
    }
    Err(busy(id))
}

/// Refuses where the server would make another image of the target, or leave the old one: a rule of the cluster.
fn may_be_meant(written: &Written, made: &[Container]) -> anyhow::Result<()> {
    for Images { name, from, to, .. } in &written.containers {
        let Some(made) = made.iter().find(|made| made.name == *name) else { continue };
        if !is_made_of(&made.image, to) || (made.image == *from && from != to) {
            let (id, made) = (&written.application, &made.image);
            bail!("application '{id}' cannot be set to '{to}': a rule of the cluster makes '{made}' of it");
        }
    }
    Ok(())
}

/// A webhook of the cluster that has effects of its own: nothing can be tried there. One that denies without a code answers
/// 400 as well, but gives no reason.
fn cannot_be_tried(answer: &Answer) -> bool {
    answer.status == StatusCode::BAD_REQUEST && answer.body["reason"] == "BadRequest"
}

/// Writes the changes of an object, of which the server said what it makes of them.
async fn write(kubernetes: &Kubernetes, set: &Set<'_>, made: &[Container], watch: &dyn Watch) -> anyhow::Result<()> {
    let id = set.id;
    for _ in 0..TRIES {
        let (kind, object) = planned(kubernetes, set).await?;
        let (write, written) = patch(kubernetes, set, (kind, &object), made)?;
        let about = serde_json::to_value(&written).context("what is written is plain data")?;
        let (cause, sending) = (written.cause.clone(), Sent::from(&written));
        let known = kubernetes.own.send(written);
        match kubernetes.client.write(write, about).await {
            Ok(answer) if answer.status.is_success() => {
                kubernetes.own.sent(sending, Some(&answer.body));
                return Ok(());
            }
            Ok(answer) => {
                kubernetes.own.forget(id, known);
                if !answer.is_conflict() && !moved(kubernetes, id, &object).await? {
                    return Err(answer.error(&workload::secrets(&object)).context(refused(id)));
                }
                sleep(PAUSE).await;
            }
            Err(Unanswered::NotSent(error)) => {
                kubernetes.own.forget(id, known);
                return Err(error);
            }
            Err(Unanswered::Lost(error)) => {
                kubernetes.own.sent(sending, None);
                watch.warn(&format!("{error:#}: looking what became of it"));
                return shows(kubernetes, id, &cause).await.map_err(|_| error);
            }
        }
    }
    Err(busy(id))
}

fn refused(id: &str) -> String {
    format!("Kubernetes refused the change of application '{id}'")
}

fn busy(id: &str) -> anyhow::Error {
    anyhow!("application '{id}' changed between reading and writing, {TRIES} times: try again")
}

/// Whether anything about an object changed since it was read, be it its status: a patch that was refused for that may
/// be made again.
pub(super) async fn moved(kubernetes: &Kubernetes, id: &str, object: &Value) -> anyhow::Result<bool> {
    let now = kubernetes.object(id).await?.1;
    let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
    Ok(now.is_none_or(|now| version(&now) != version(object)))
}

/// Waits until a write whose answer was lost shows: the object says that we made it.
async fn shows(kubernetes: &Kubernetes, id: &str, cause: &str) -> anyhow::Result<()> {
    let mut looks = Looks::every(PAUSE, Instant::now() + SHOWS_WITHIN);
    while looks.next().await {
        let object = kubernetes.object(id).await?.1.unwrap_or_default();
        if object["metadata"]["annotations"][CAUSE] == cause {
            return Ok(());
        }
    }
    bail!("it stands as before")
}

impl Kubernetes {
    /// Why an object is changed, as it is written into it.
    pub(super) fn cause(&self, what: &str) -> String {
        match self.client.writes.run() {
            "" => format!("firebreak: {what}"),
            run => format!("firebreak run {run}: {what}"),
        }
    }

    /// A JSON Patch of an application.
    pub(super) fn patch(&self, call: &'static str, id: &str, object: &Value, body: Value) -> anyhow::Result<Write> {
        let path = self.path(id)?;
        Ok(Write { call, method: Method::PATCH, path, body, secrets: workload::secrets(object) })
    }

    /// Where an application is.
    fn path(&self, id: &str) -> anyhow::Result<String> {
        let (kind, name) = parts(id).with_context(|| format!("'{id}' is no application of Kubernetes"))?;
        Ok(format!("{}/{name}", kind.path(&self.namespace)))
    }

    /// An application as it is now; none where it is gone.
    pub(super) async fn object(&self, id: &str) -> anyhow::Result<(Kind, Option<Value>)> {
        let (kind, _) = parts(id).with_context(|| format!("'{id}' is no application of Kubernetes"))?;
        let found = self.client.get(&self.path(id)?).await;
        Ok((kind, found.with_context(|| format!("failed to read application '{id}'"))?))
    }
}
