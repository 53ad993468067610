//! Waits until pods have followed.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::future::try_join_all;
use serde_json::Value;
use tokio::time::Instant;

use super::Kubernetes;
use super::pods::{self, Unblock};
use super::rollout::{Rollout, rollout, standing};
use super::workload::Kind;
use crate::platform::{Change, Standing};
use crate::poll::{Looks, Sight};
use crate::watch::{Progress, Watch};

/// The pause after the first look; it grows.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// No pause is longer.
const LAST_PAUSE: Duration = Duration::from_secs(1);
/// How long one that was not well before is waited for.
const UNWELL_BEFORE: Duration = Duration::from_secs(20);
/// How long the server may be out of sight.
const OUT_OF_SIGHT: Duration = Duration::from_secs(30);

/// Waits until all stand at their targets.
///
/// # Errors
/// When Kubernetes gives one up, somebody sets one to something else, or time runs out; with the reason.
pub(super) async fn until_arrived(
    kubernetes: &Kubernetes,
    changes: &[Change],
    deadline: Instant,
    watch: &dyn Watch,
) -> anyhow::Result<()> {
    let own =
        |change: &Change| Some((change.application.id.clone(), kubernetes.own.of(&change.application.id)?.given_up));
    let given_up = changes.iter().filter_map(own).collect();
    until(kubernetes, changes, given_up, deadline, watch, |change, seen| {
        let id = &change.application.id;
        let Some(Seen { kind, object, rollout }) = seen else { bail!("application '{id}' is no longer there") };
        match standing(*kind, object, change) {
            Standing::Target | Standing::Idle { .. } => Ok(true),
            Standing::Other { value } => bail!("'{id}' was set to '{value}' by others meanwhile"),
            Standing::Before { .. } => bail!("'{id}' was set back by others meanwhile"),
            Standing::Unwell { .. } | Standing::Gone => Ok(rollout.total == 0 && rollout.trouble.is_none()),
        }
    })
    .await
}

/// Waits until those that are set to what they were are well again. One that was not well before need not become healthy: it
/// is waited for until it lacks what it lacked, for a little time.
///
/// # Errors
/// When Kubernetes gives one up, or time runs out; with the reason.
pub(super) async fn until_healthy(
    kubernetes: &Kubernetes,
    changes: &[Change],
    deadline: Instant,
    watch: &dyn Watch,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    until(kubernetes, changes, HashMap::new(), deadline, watch, |change, seen| {
        // What is gone gets no better by waiting, and keeps none of the others from it.
        let Some(Seen { object, rollout, .. }) = seen else { return Ok(true) };
        let own = kubernetes.own.of(&change.application.id);
        // What somebody else did meanwhile is not waited for.
        let is_back = own.as_ref().is_some_and(|own| own.is_back(object));
        let lacked = own.and_then(|own| own.lacked);
        let is_as_it_was =
            lacked.is_some() && (!rollout.moves || rollout.lacks == lacked || begun.elapsed() >= UNWELL_BEFORE);
        Ok(!is_back || rollout.trouble.is_none() || is_as_it_was)
    })
    .await
}

/// An object as it was seen.
struct Seen<'a> {
    kind: Kind,
    object: &'a Value,
    rollout: Rollout,
}

/// Waits until each is there; what is seen of one that is gone is none.
///
/// `given_up` says since when Kubernetes had given an application up before it was changed: that stays so until its first
/// new pod is there. For one that is not in it, what is seen first counts as that.
async fn until(
    kubernetes: &Kubernetes,
    changes: &[Change],
    mut given_up: HashMap<String, Option<String>>,
    deadline: Instant,
    watch: &dyn Watch,
    is_there: impl Fn(&Change, Option<&Seen>) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let (mut looks, mut sight) = (Looks::growing(FIRST_PAUSE, LAST_PAUSE, deadline), Sight::new(OUT_OF_SIGHT));
    let mut unblock: HashMap<&str, Unblock> = HashMap::new();
    let mut behind = Vec::new();
    while looks.next().await {
        let found = try_join_all(changes.iter().map(|change| kubernetes.object(&change.application.id))).await;
        let Some(found) = sight.seen(found).context("lost sight of the services")? else { continue };
        behind.clear();
        for (change, (kind, object)) in changes.iter().zip(&found) {
            let id = &change.application.id;
            let object = object.as_ref().map(|object| kubernetes.own.read(id, object));
            let seen = object.as_ref().map(|object| Seen { kind: *kind, object, rollout: rollout(*kind, object) });
            if let Some(seen) = &seen {
                tell(change, &seen.rollout, watch);
            }
            if is_there(change, seen.as_ref())? {
                continue;
            }
            let Some(Seen { object, rollout, .. }) = seen else { continue };
            let before = given_up.entry(id.clone()).or_insert_with(|| rollout.given_up.clone());
            if rollout.given_up.is_some() && *before != rollout.given_up {
                bail!("{}", why(kubernetes, change, object, &rollout).await);
            }
            if rollout.moves {
                unblock.entry(id).or_default().free(kubernetes, *kind, id, object, watch).await;
            }
            behind.push((change, object.clone(), rollout));
        }
        if behind.is_empty() {
            return Ok(());
        }
    }
    let mut reasons = Vec::new();
    for (change, object, rollout) in behind {
        reasons.push(why(kubernetes, change, &object, &rollout).await);
    }
    if reasons.is_empty() {
        bail!("time ran out");
    }
    bail!("time ran out: {}", reasons.join("; "))
}

/// Only for people to see: what matters is asked again.
fn tell(change: &Change, rollout: &Rollout, watch: &dyn Watch) {
    let Rollout { done, total, .. } = *rollout;
    watch.at(&change.application.service, &Progress { done, total, note: "ready".to_owned() });
}

async fn why(kubernetes: &Kubernetes, change: &Change, object: &Value, rollout: &Rollout) -> String {
    let trouble = rollout.trouble.as_deref().unwrap_or("it is not as it should be");
    let reason = pods::reason(kubernetes, object).await.map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{} has {trouble}{reason}", change.application.service)
}
