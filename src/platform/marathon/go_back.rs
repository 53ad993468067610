//! The way back, from whatever state: cancel what runs, which reverts it; restore what stands at the target still.

use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::super::secrets::Secrets;
use super::client::Unanswered;
use super::{Marathon, application, refusal};
use crate::watch::Watch;
use crate::platform::Change;

/// Between two tries of what did not get through.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) async fn go_back(
    marathon: &Marathon,
    changes: &[Change],
    limit: Duration,
    watch: &dyn Watch,
) -> anyhow::Result<()> {
    marathon.client.writes.over().await;
    revert(marathon, changes, Instant::now() + limit, watch).await?;
    restore(marathon, changes, Instant::now() + limit, watch).await
}

/// Cancels our deployments, as long as there are any: Marathon makes each a new one that reverts it.
async fn revert(marathon: &Marathon, changes: &[Change], deadline: Instant, watch: &dyn Watch) -> anyhow::Result<()> {
    loop {
        let ours = our_deployments(marathon, changes).await?;
        let Some(id) = ours.first() else { return Ok(()) };
        let what = || format!("failed to take back deployment {id}");
        // The id makes it safe to repeat: once it is reverted, that deployment is gone.
        match marathon.client.write(Method::DELETE, format!("/v2/deployments/{id}"), None).await {
            Ok(answer) if answer.status.is_success() => {
                let reverting: Vec<String> =
                    answer.body["deploymentId"].as_str().map(str::to_owned).into_iter().collect();
                let waited = marathon.until_gone(&reverting, deadline, changes, watch).await;
                waited.with_context(|| format!("the revert of deployment {id} did not end"))?;
            }
            Ok(answer) if answer.status == StatusCode::NOT_FOUND => {} // It ended by itself meanwhile.
            Ok(answer) if answer.status.is_server_error() => {}
            Ok(answer) => {
                return Err(refusal::error(&answer, &marathon.client, &Secrets::default()).context(what()));
            }
            Err(Unanswered::NotSent(error) | Unanswered::Lost(error)) => {
                watch.warn(&format!("{error:#}: trying again"));
            }
        }
        if Instant::now() >= deadline {
            bail!("{}: ran out of time", what());
        }
        sleep(PAUSE).await;
    }
}

/// The running deployments that are ours: they change nothing but our applications, and each of these to our target.
async fn our_deployments(marathon: &Marathon, changes: &[Change]) -> anyhow::Result<Vec<String>> {
    let apps = marathon.apps(changes).await?;
    let at_target = |id: &String| {
        changes.iter().zip(&apps).any(|(change, app)| {
            change.application.id == *id
                && app.as_ref().is_some_and(|app| application::image(app) == Some(change.to.as_str()))
        })
    };
    let running = marathon.deployments().await?.into_iter();
    Ok(running.filter(|one| !one.apps.is_empty() && one.apps.iter().all(at_target)).map(|one| one.id).collect())
}

/// Restores the version of every application that stands at the target still, or that a revert left without
/// instances, as one deployment.
async fn restore(marathon: &Marathon, changes: &[Change], deadline: Instant, watch: &dyn Watch) -> anyhow::Result<()> {
    loop {
        let mut secrets = Secrets::default();
        let (mut bodies, mut touched) = (Vec::new(), Vec::new());
        for (change, app) in changes.iter().zip(marathon.apps(changes).await?) {
            let Some(app) = app else { continue };
            if is_ours_to_restore(&app, change) {
                application::secrets(&app, &mut secrets);
                bodies.push(application::restore(&change.application));
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
        match marathon.put(Value::Array(bodies)).await {
            Ok(answer) => match refusal::holders(&answer) {
                Some(holders) => {
                    let gone = marathon.until_gone(&holders, deadline, changes, watch).await;
                    gone.context("a deployment holds the services, so their versions could not be restored")?;
                }
                None if answer.status.is_success() => {
                    let ids: Vec<String> =
                        answer.body["deploymentId"].as_str().map(str::to_owned).into_iter().collect();
                    let waited = marathon.until_gone(&ids, deadline, changes, watch).await;
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
        if Instant::now() >= deadline {
            bail!("ran out of time while restoring the versions of the services");
        }
        sleep(PAUSE).await;
    }
}

/// It stands at our target, or a revert left it without instances. At any other image it is somebody else's.
fn is_ours_to_restore(app: &Value, change: &Change) -> bool {
    let before = &change.application;
    let image = application::image(app).unwrap_or_default();
    let was = before.images.iter().any(|was| was == image);
    let emptied = was && application::instances(app) == 0 && before.instances > 0;
    (image == change.to && !was) || emptied
}
