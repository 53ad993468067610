//! The way to the target: pull, make, compare, and only then replace.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::time::timeout;

use super::container::{Container, ContainerRole};
use super::fidelity::{Read, differences};
use super::{Engine, configuration, health, late};
use crate::platform::Change;
use crate::platform::image::WrittenImage;
use crate::watch::{Progress, Watch};

/// Why there is no container of ours any more.
const REMOVED: &str = "the new container was removed by others";

/// One container and the one that is to take its place.
struct Replacement {
    old: Container,
    /// The id of the new one.
    new: String,
}

pub(super) async fn deploy(
    engine: &Engine,
    changes: &[Change],
    limit: Duration,
    watch: &dyn Watch,
) -> anyhow::Result<()> {
    unchanged(engine, changes).await?;
    for change in changes {
        let (service, to) = (&change.application.service, &change.to);
        watch.at(service, &Progress { done: 0, total: 0, note: format!("pulling {to}") });
        let pulled = timeout(limit, pull(engine, to)).await.with_context(|| late(limit)).flatten();
        pulled.with_context(|| format!("failed to pull '{to}' for '{service}'"))?;
    }
    // A pull takes its time, and somebody else may have been faster.
    let sets = unchanged(engine, changes).await?;
    let prepared = prepare_all(engine, changes, sets).await?;
    for (change, set) in changes.iter().zip(&prepared) {
        let service = &change.application.service;
        let replaced = timeout(limit, replace_all(engine, service, set, watch)).await;
        let replaced = replaced.with_context(|| late(limit)).flatten();
        replaced.with_context(|| format!("failed to bring '{service}' to '{}'", change.to))?;
    }
    Ok(())
}

/// The containers of each application, if they are still those of the plan and can be replaced.
async fn unchanged(engine: &Engine, changes: &[Change]) -> anyhow::Result<Vec<Vec<Container>>> {
    let everybody = engine.containers(|_| true).await?;
    let mut sets = Vec::new();
    for (change, service) in changes.iter().zip(engine.services(changes).await?) {
        let application = &change.application;
        if service.revision() != application.revision {
            bail!(
                "'{}' has other containers than when the plan was made: it was changed by others; plan again",
                application.id
            );
        }
        if let Some(obstacle) = engine.obstacle(&service, &everybody).await? {
            bail!(obstacle);
        }
        sets.push(service.current().into_iter().cloned().collect());
    }
    Ok(sets)
}

/// Pulls an image, unless it is pinned to a digest that the engine has.
async fn pull(engine: &Engine, image: &WrittenImage) -> anyhow::Result<()> {
    let (name, image) = (image.known()?, image.as_str());
    if name.digest().is_some() && engine.resolve(image).await?.is_some() {
        return Ok(());
    }
    let login = engine.registry.as_ref().filter(|registry| Some(registry.host.as_str()) == name.host());
    let auth = login.map(|registry| {
        let header = json!({
            "username": registry.user,
            "password": registry.password.expose_secret(),
            "serveraddress": registry.host,
        });
        base64url(header.to_string().as_bytes())
    });
    engine.client.pull(image, auth.as_deref()).await?;
    engine.resolve(image).await?.with_context(|| format!("the engine pulled '{image}' and does not have it")).map(drop)
}

/// Makes the new containers of all services; where one cannot be made, none is left.
async fn prepare_all(
    engine: &Engine,
    changes: &[Change],
    sets: Vec<Vec<Container>>,
) -> anyhow::Result<Vec<Vec<Replacement>>> {
    let had_begun = engine.own.begin();
    let mut prepared = Vec::new();
    for (change, olds) in changes.iter().zip(sets) {
        match prepare_service(engine, change.to.as_str(), olds).await {
            Ok(set) => prepared.push(set),
            Err(error) => {
                let service = &change.application.service;
                let error =
                    error.context(format!("failed to make the new containers of '{service}'; the old ones run on"));
                remove_prepared(engine, changes).await.map_err(|left| anyhow!("{error:#}; {left:#}"))?;
                if !had_begun {
                    engine.own.forget();
                }
                return Err(error);
            }
        }
    }
    Ok(prepared)
}

/// Makes the new containers of one service, and compares each with its old one.
async fn prepare_service(engine: &Engine, to: &str, olds: Vec<Container>) -> anyhow::Result<Vec<Replacement>> {
    let mut set = Vec::new();
    for old in olds {
        let name = old.prepared_name();
        if let Some(left) = engine.inspect(&name).await? {
            // Left by a rollback that was cut short; it was never started under this name.
            engine.client.remove(&left).await?;
        }
        let new = prepare(engine, &old, &name, to).await.with_context(|| format!("container '{}'", old.name))?;
        set.push(Replacement { old, new });
    }
    Ok(set)
}

async fn prepare(engine: &Engine, old: &Container, name: &str, to: &str) -> anyhow::Result<String> {
    let client = &engine.client;
    let old_image = client.get(&format!("/images/{}/json", old.image_id)).await?;
    let old_image =
        old_image.context("its image is gone, so what it was given itself cannot be told from what it has from it")?;
    let new_image = client.get(&format!("/images/{to}/json")).await?.with_context(|| format!("no image '{to}'"))?;
    let old_podman = engine.inspect_podman(&old.id).await?;
    let body = configuration::request(old, &old_image, old_podman.as_ref(), to);
    let id = client.create(name, &body, old).await?;
    engine.own.add(&id);
    let made = engine.inspect(&id).await?.context(REMOVED)?;
    // The first network came with the request: older engines take no more than one there.
    for (network, endpoint) in configuration::endpoints(old, old_podman.as_ref()).iter().skip(1) {
        client.join(&made, network, endpoint).await?;
    }
    let new = engine.inspect(&id).await?.context(REMOVED)?;
    let new_podman = engine.inspect_podman(&id).await?;
    let different = differences(
        &Read { container: old, image: &old_image, podman: old_podman.as_ref() },
        &Read { container: &new, image: &new_image, podman: new_podman.as_ref() },
    );
    if !different.is_empty() {
        bail!("the engine would not carry over everything that it was given: {}", different.join(", "));
    }
    Ok(id)
}

/// Removes the new containers that were made and not started.
pub(super) async fn remove_prepared(engine: &Engine, changes: &[Change]) -> anyhow::Result<()> {
    for service in engine.services(changes).await? {
        for left in service.0.iter().filter(|one| one.place == ContainerRole::Prepared) {
            let removed = engine.client.remove(left).await;
            removed.with_context(|| format!("failed to remove '{}'", left.called()))?;
        }
    }
    Ok(())
}

/// Replaces the containers of one service, one after another.
async fn replace_all(engine: &Engine, service: &str, set: &[Replacement], watch: &dyn Watch) -> anyhow::Result<()> {
    let total = set.len() as u64;
    for (done, replacement) in (0..).zip(set) {
        let name = &replacement.old.name;
        watch.at(service, &Progress { done, total, note: format!("replaced, now {name}") });
        replace(engine, replacement).await.with_context(|| format!("container '{name}'"))?;
        watch.at(service, &Progress { done: done + 1, total, note: "replaced".into() });
    }
    Ok(())
}

async fn replace(engine: &Engine, Replacement { old, new }: &Replacement) -> anyhow::Result<()> {
    let client = &engine.client;
    let now = engine.inspect(&old.id).await?.context("it was removed by others")?;
    if (&now.name, now.place) != (&old.name, old.place) {
        bail!("it was put aside or renamed by others");
    }
    let Some(new) = engine.inspect(new).await?.filter(|new| new.place == ContainerRole::Prepared) else {
        bail!("what was to take its place was removed or renamed by others");
    };
    let aside = match now.place {
        // The name comes first: it remembers whether the container ran.
        ContainerRole::Standing => client.rename(&now, &now.aside_name()).await?,
        _ => now,
    };
    client.stop(&aside).await?;
    let new = client.rename(&new, &old.name).await?;
    client.start(&new).await?;
    health::wait_until_well(engine, &new.id, 0).await
}

fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().chain(&[0; 3]).take(3).fold(0_usize, |group, byte| group << 8 | usize::from(*byte));
        for place in 0..4 {
            let letter = if place <= chunk.len() { LETTERS[group >> (18 - 6 * place) & 63] } else { b'=' };
            text.push(char::from(letter));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let pairs = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy"), ("??>", "Pz8-")];
        for (plain, encoded) in pairs {
            assert_eq!(base64url(plain.as_bytes()), encoded);
        }
    }
}
