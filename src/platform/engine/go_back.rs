//! The way back, from whatever state: the names say what was put aside, and the plan says who stood there before.

use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::timeout;

use super::container::{Container, ContainerRole};
use super::deploy::remove_prepared;
use super::{Engine, Service, health, late};
use crate::platform::Change;
use crate::watch::{Progress, Watch};

pub(super) async fn go_back(
    engine: &Engine,
    changes: &[Change],
    limit: Duration,
    watch: &dyn Watch,
) -> anyhow::Result<()> {
    engine.client.writes.over().await;
    if !engine.own.has_begun() {
        return Ok(());
    }
    if engine.own.has_cleaned_up() {
        bail!("this run was at its target, and its old containers are removed: there is nothing to go back to");
    }
    let mut failures = Vec::new();
    // The last that was changed is the first to go back. One that fails does not keep the others.
    for (change, service) in changes.iter().zip(engine.services(changes).await?).rev() {
        let name = &change.application.service;
        let restored = timeout(limit, restore(engine, change, &service, watch)).await;
        let restored = restored.with_context(|| late(limit)).flatten();
        if let Err(error) = restored {
            failures.push(format!("'{name}': {error:#}"));
        }
    }
    if let Err(error) = remove_prepared(engine, changes).await {
        failures.push(format!("{error:#}"));
    }
    if !failures.is_empty() {
        bail!("failed to take back {}", failures.join("; "));
    }
    engine.own.forget();
    Ok(())
}

async fn restore(engine: &Engine, change: &Change, service: &Service, watch: &dyn Watch) -> anyhow::Result<()> {
    let total = change.application.instances;
    let mut failures = Vec::new();
    for (done, id) in (0..).zip(change.application.revision.split('+')) {
        watch.at(&change.application.service, &Progress { done, total, note: "as before".into() });
        if let Err(error) = restore_one(engine, service, id).await {
            failures.push(format!("{error:#}"));
        }
    }
    if !failures.is_empty() {
        bail!("{}", failures.join("; "));
    }
    watch.at(&change.application.service, &Progress { done: total, total, note: "as before".into() });
    Ok(())
}

async fn restore_one(engine: &Engine, service: &Service, id: &str) -> anyhow::Result<()> {
    let Some(old) = service.0.iter().find(|one| one.id == id) else {
        bail!("the old container {} is gone", id.get(..12).unwrap_or(id));
    };
    let client = &engine.client;
    if engine.own.is_stopping(id) {
        // An engine carries a stop to its end also where nobody waits for it: this waits, so that it does not hit later.
        client.stop(old).await?;
    }
    let (back, ran) = match old.place {
        ContainerRole::Aside { ran } => {
            let now_there = |one: &&Container| one.name == old.name && one.place == ContainerRole::Standing;
            if let Some(new) = service.0.iter().find(now_there) {
                if !engine.own.made(&new.id) {
                    bail!("others put '{}' into the place of container '{}': left as it is", new.image, old.name);
                }
                client.stop(new).await?;
                client.remove(new).await?;
            }
            // It may still run, where the rollback ended between its new name and the stop; the name is all that was wrong.
            (client.rename(old, &old.name).await?, ran)
        }
        // An earlier try may have ended between the name and the start.
        ContainerRole::Standing | ContainerRole::Prepared => (old.clone(), engine.own.put_back(id)),
    };
    if !ran {
        return Ok(());
    }
    client.start(&back).await?;
    let restarts = engine.inspect(id).await?.map_or(0, |now| now.restarts());
    health::wait_until_well(engine, id, restarts)
        .await
        .with_context(|| format!("container '{}' is back, and not well", old.name))
}
