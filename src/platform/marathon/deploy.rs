//! The way to the target: compare versions, write all as one deployment, and wait for it.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::secrets::Secrets;
use super::client::{Answer, Write};
use super::{Marathon, application, between, refusal};
use crate::journal::write::Unanswered;
use crate::platform::{Change, missed};
use crate::poll::Looks;
use crate::watch::Watch;

/// How long it may take until a write whose answer was lost shows.
const SHOWS_WITHIN: Duration = Duration::from_secs(5);

/// Between two looks for it.
const PAUSE: Duration = Duration::from_millis(250);

pub(super) async fn deploy(
    marathon: &Marathon,
    changes: &[Change],
    limit: Duration,
    watch: &dyn Watch,
) -> anyhow::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let deadline = Instant::now() + limit;
    let ids = loop {
        let (body, secrets) = updates(marathon, changes).await?;
        marathon.own.send();
        let about = json!({ "applications": ids_of(changes) });
        match marathon.client.write(Write::Update, about, Some(body)).await {
            Ok(answer) => {
                let Some(holders) = refusal::holders(&answer) else {
                    let id = deployment(marathon, &answer, &secrets)?;
                    was_needed(marathon, changes, &id).await?;
                    between::tell(marathon, changes, watch).await;
                    break vec![id];
                };
                // Somebody's deployment holds an application. What it does there shows in the version afterwards.
                marathon.own.forget();
                watch.warn(&format!("deployment {} holds the services: waiting for it", holders.join(", ")));
                let gone = marathon.until_gone(&holders, deadline, &[], watch).await;
                gone.context("a deployment by others holds the services")?;
            }
            Err(Unanswered::NotSent(error)) => {
                marathon.own.forget();
                return Err(error);
            }
            Err(Unanswered::Lost(error)) => {
                watch.warn(&format!("{error:#}: looking what became of it"));
                // What cannot be found here is looked for again by whoever called.
                let found = found_after_loss(marathon, changes).await.map_err(|_| error)?;
                between::tell(marathon, changes, watch).await;
                break found;
            }
        }
        if Instant::now() >= deadline {
            bail!("time ran out: again and again a deployment held the services");
        }
    };
    let waited = marathon.until_gone(&ids, deadline, changes, watch).await;
    waited.with_context(|| missed(limit))
}

/// The updates for all applications as they are now, if none was changed since the plan.
async fn updates(marathon: &Marathon, changes: &[Change]) -> anyhow::Result<(Value, Secrets)> {
    let mut secrets = Secrets::default();
    let mut bodies = Vec::with_capacity(changes.len());
    for (change, app) in changes.iter().zip(marathon.apps(changes).await?) {
        let id = &change.application.id;
        let Some(app) = app else { bail!("application '{id}' is no longer there") };
        if app["version"] != change.application.revision.as_str() {
            bail!("application '{id}' was changed by others since the plan was made: plan again");
        }
        application::secrets(&app, &mut secrets);
        bodies.push(application::update(&app, change.to.as_str()));
    }
    Ok((Value::Array(bodies), secrets))
}

/// The deployment that an answer names.
fn deployment(marathon: &Marathon, answer: &Answer, secrets: &Secrets) -> anyhow::Result<String> {
    if !answer.status.is_success() {
        marathon.own.forget();
        return Err(refusal::error(answer, &marathon.client, secrets).context("Marathon refused the deployment"));
    }
    let id = marathon.own.taken(&answer.body);
    id.context("Marathon took the change and named no deployment")
}

/// Whether a write that was taken changed anything. One that sets what somebody else has set since it was read is taken,
/// too, and changes no application: what happens there is theirs.
async fn was_needed(marathon: &Marathon, changes: &[Change], id: &str) -> anyhow::Result<()> {
    // Where it cannot be read now, it is looked at later how the services stand.
    let (Ok(apps), Ok(running)) = (marathon.apps(changes).await, marathon.deployments().await) else { return Ok(()) };
    let written = marathon.own.written();
    let is_ours = |(change, app): (&Change, &Option<Value>)| app.as_ref().is_some_and(|app| written.left(app, change));
    if changes.iter().zip(&apps).any(is_ours) || running.iter().any(|one| one.id == id) {
        return Ok(());
    }
    marathon.own.forget();
    bail!("the services were changed by others at the same moment, after the plan was made: plan again")
}

/// The deployments of a write whose answer was lost.
async fn found_after_loss(marathon: &Marathon, changes: &[Change]) -> anyhow::Result<Vec<String>> {
    let mut looks = Looks::every(PAUSE, Instant::now() + SHOWS_WITHIN);
    while looks.next().await {
        let apps = marathon.apps(changes).await?;
        let set = |(change, app): (&Change, &Option<Value>)| {
            app.as_ref().is_some_and(|app| application::image(app) == Some(change.to.as_str()))
        };
        if changes.iter().zip(&apps).all(set) {
            let ours = |id: &String| changes.iter().any(|change| change.application.id == *id);
            let running = marathon.deployments().await?;
            return Ok(running.into_iter().filter(|one| one.apps.iter().any(ours)).map(|one| one.id).collect());
        }
    }
    bail!("the services stand as before")
}

fn ids_of(changes: &[Change]) -> Vec<&str> {
    changes.iter().map(|change| change.application.id.as_str()).collect()
}
