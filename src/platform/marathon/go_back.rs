//! The way back, from whatever state: cancel what runs, which reverts it; restore what stands at the target still.

use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::secrets::Secrets;
use super::client::{Answer, Write};
use super::own::Written;
use super::{Marathon, application, between, refusal};
use crate::journal::write::Unanswered;
use crate::platform::Change;
use crate::poll::Looks;
use crate::watch::Watch;

/// Between two tries of what did not get through.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) async fn go_back(
    marathon: &Marathon,
    changes: &[Change],
    limit: Duration,
    watch: &dyn Watch,
) -> anyhow::Result<()> {
    marathon.client.writes.over().await;
    if marathon.own.written() == Written::Nothing {
        return Ok(());
    }
    revert(marathon, changes, Instant::now() + limit, watch).await?;
    restore(marathon, changes, Instant::now() + limit, watch).await
}

/// Cancels our deployments, as long as there are any: Marathon makes each a new one that reverts it.
async fn revert(marathon: &Marathon, changes: &[Change], deadline: Instant, watch: &dyn Watch) -> anyhow::Result<()> {
    let what = |id: &str| format!("failed to take back deployment {id}");
    let (mut looks, mut last) = (Looks::every(PAUSE, deadline), String::new());
    while looks.next().await {
        let ours = our_deployments(marathon, changes).await?;
        let Some(id) = ours.into_iter().next() else { return Ok(()) };
        // The id makes it safe to repeat: once it is reverted, that deployment is gone.
        match marathon.client.write(Write::Revert { deployment: id.clone() }, json!({ "deployment": id }), None).await {
            Ok(answer) if answer.status.is_success() => {
                let waited = marathon.until_gone(&deployment_of(&answer), deadline, changes, watch).await;
                waited.with_context(|| format!("the revert of deployment {id} did not end"))?;
            }
            Ok(answer) if answer.status == StatusCode::NOT_FOUND => {} // It ended by itself meanwhile.
            Ok(answer) if answer.status.is_server_error() => {}
            Ok(answer) => {
                return Err(refusal::error(&answer, &marathon.client, &Secrets::default()).context(what(&id)));
            }
            Err(Unanswered::NotSent(error) | Unanswered::Lost(error)) => {
                watch.warn(&format!("{error:#}: trying again"));
            }
        }
        last = id;
    }
    bail!("{}: time ran out", what(&last))
}

/// The running deployments that are ours.
pub(super) async fn our_deployments(marathon: &Marathon, changes: &[Change]) -> anyhow::Result<Vec<String>> {
    let written = marathon.own.written();
    let apps = marathon.apps(changes).await?;
    let is_left = |id: &String| {
        let mut pairs = changes.iter().zip(&apps).filter(|(change, _)| change.application.id == *id);
        pairs.any(|(change, app)| app.as_ref().is_some_and(|app| written.left(app, change)))
    };
    let running = marathon.deployments().await?.into_iter();
    Ok(running.filter(|one| written.runs(one, is_left)).map(|one| one.id).collect())
}

/// Restores the version of every application that is as our write left it still, or that a revert left without
/// instances, as one deployment.
async fn restore(marathon: &Marathon, changes: &[Change], deadline: Instant, watch: &dyn Watch) -> anyhow::Result<()> {
    let written = marathon.own.written();
    let mut looks = Looks::every(PAUSE, deadline);
    while looks.next().await {
        let mut secrets = Secrets::default();
        let (mut bodies, mut touched, mut read) = (Vec::new(), Vec::new(), Vec::new());
        for (change, app) in changes.iter().zip(marathon.apps(changes).await?) {
            let Some(app) = app else { continue };
            if written.left(&app, change) || is_emptied(&app, change) {
                application::secrets(&app, &mut secrets);
                bodies.push(between::restore(marathon, change, &app, &written).await);
                read.extend(app["version"].as_str().map(|version| (change.application.id.clone(), version.to_owned())));
            }
            if !application::is_untouched(&app, &change.application) {
                touched.push(change.application.id.clone());
            }
        }
        if bodies.is_empty() {
            // A revert may be under way, whose answer was lost. What holds an untouched application is not ours.
            let running = marathon.deployments().await?.into_iter();
            let ids: Vec<String> =
                running.filter(|one| one.apps.iter().any(|app| touched.contains(app))).map(|one| one.id).collect();
            let waited = marathon.until_gone(&ids, deadline, changes, watch).await;
            return waited.context("the services are set to what they were, and a deployment does not end");
        }
        let about = bodies.iter().map(|body| body["id"].clone()).collect::<Value>();
        match marathon.client.write(Write::Restore, json!({ "applications": about }), Some(Value::Array(bodies))).await
        {
            Ok(answer) => match refusal::holders(&answer) {
                Some(holders) => {
                    let gone = marathon.until_gone(&holders, deadline, changes, watch).await;
                    gone.context("a deployment holds the services, so their versions could not be restored")?;
                }
                None if answer.status.is_success() => {
                    if let Some(version) = answer.body["version"].as_str() {
                        between::tell_restored(marathon, &read, version, watch).await;
                    }
                    let waited = marathon.until_gone(&deployment_of(&answer), deadline, changes, watch).await;
                    return waited.context("the deployment that restores the services did not end");
                }
                None => {
                    let error = refusal::error(&answer, &marathon.client, &secrets);
                    return Err(error.context("failed to restore the versions of the services"));
                }
            },
            // Setting the same version once more changes nothing, and the next look says whether it is needed.
            Err(Unanswered::NotSent(error) | Unanswered::Lost(error)) => {
                watch.warn(&format!("{error:#}: looking again"));
            }
        }
    }
    bail!("time ran out while restoring the versions of the services")
}

/// A revert left it without instances: it is set to what it was, and nothing runs.
fn is_emptied(app: &Value, change: &Change) -> bool {
    let before = &change.application;
    let was = before.images.iter().any(|was| application::image(app) == Some(was.as_str()));
    was && application::instances(app) == 0 && before.instances > 0
}

/// The deployment that an answer names.
fn deployment_of(answer: &Answer) -> Vec<String> {
    answer.body["deploymentId"].as_str().map(str::to_owned).into_iter().collect()
}
