//! Docker and Podman: a service is one or several containers, and its image is changed by making each again.
//!
//! An engine has no compare-and-swap and no transaction, so the order gives the safety: pull everything, make every
//! new container beside its old one and compare the two, and only then, one after another, put the old one aside
//! under a name that tells what it is, and start the new one in its place. What is aside is kept until all stand at
//! their target; the names alone say how far a rollback came, so a later run can take it back as well.

mod client;
mod configuration;
mod container;
mod deploy;
mod fidelity;
mod go_back;
mod health;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use serde_json::Value;

use self::client::Client;
use self::container::{Container, Place, image_id, service};
use super::connect::RegistryLogin;
use super::{Application, Change, Platform, Standing};
use crate::action::watch::Watch;

/// The Docker or Podman engine behind a socket.
pub(super) struct Engine {
    client: Client,
    registry: Option<RegistryLogin>,
}

impl Engine {
    /// Connects to an engine and asks what it is.
    pub(super) async fn new(
        address: String,
        http: reqwest::Client,
        registry: Option<RegistryLogin>,
    ) -> anyhow::Result<Self> {
        Ok(Self { client: Client::new(address, http).await?, registry })
    }

    /// Every container of an environment, by service, in the order of their names.
    async fn survey(&self, environment: &str) -> anyhow::Result<BTreeMap<String, Service>> {
        let listed = self.client.get("/containers/json?all=true").await?;
        let listed = listed.as_ref().and_then(Value::as_array).context("the engine did not list its containers")?;
        let mut services: BTreeMap<String, Service> = BTreeMap::new();
        for summary in listed {
            let (Some(id), Some(name)) = (summary["Id"].as_str(), summary["Names"][0].as_str()) else { continue };
            let Some(service) = service(&summary["Labels"], name, environment) else { continue };
            // One that is gone by now was never there for us.
            if let Some(container) = self.inspect(id).await? {
                services.entry(service).or_default().0.push(container);
            }
        }
        for service in services.values_mut() {
            service.0.sort_by(|one, other| (&one.name, one.place).cmp(&(&other.name, other.place)));
        }
        Ok(services)
    }

    /// The services that changes are about, in their order; an empty one where there is none.
    async fn services(&self, changes: &[Change]) -> anyhow::Result<Vec<Service>> {
        let mut surveys: BTreeMap<&str, BTreeMap<String, Service>> = BTreeMap::new();
        let mut found = Vec::with_capacity(changes.len());
        for change in changes {
            let id = &change.application.id;
            let (environment, service) = id.split_once('/').with_context(|| format!("'{id}' is not of an engine"))?;
            if !surveys.contains_key(environment) {
                surveys.insert(environment, self.survey(environment).await?);
            }
            found.push(surveys.get(environment).and_then(|all| all.get(service)).cloned().unwrap_or_default());
        }
        Ok(found)
    }

    /// What the engine says of a container; none where there is no such one.
    async fn inspect(&self, id: &str) -> anyhow::Result<Option<Container>> {
        let Some(inspect) = self.client.get(&format!("/containers/{id}/json")).await? else { return Ok(None) };
        Ok(Some(
            Container::new(inspect).with_context(|| format!("the engine's words on container {id} make no sense"))?,
        ))
    }

    /// The id of the image that a name stands for now; none where the engine has none.
    async fn resolve(&self, image: &str) -> anyhow::Result<Option<String>> {
        let found = self.client.get(&format!("/images/{image}/json")).await?;
        Ok(found.and_then(|found| Some(image_id(found["Id"].as_str()?))))
    }

    /// The image as it may be read: a container that was told only an image's id is looked up.
    async fn image_text(&self, container: &Container) -> anyhow::Result<String> {
        if container.image.parse::<super::image::ImageName>().is_ok()
            && !container.image_id.starts_with(&container.image)
        {
            return Ok(container.image.clone());
        }
        let image = self.client.get(&format!("/images/{}/json", container.image_id)).await?.unwrap_or_default();
        let known = image["RepoDigests"][0].as_str().or(image["RepoTags"][0].as_str());
        Ok(known.unwrap_or(&container.image).to_owned())
    }

    async fn application(
        &self,
        environment: &str,
        name: &str,
        service: &Service,
    ) -> anyhow::Result<Option<Application>> {
        let current = service.current();
        if current.is_empty() {
            return Ok(None);
        }
        let mut images: Vec<String> = Vec::new();
        for container in &current {
            let image = self.image_text(container).await?;
            if !images.contains(&image) {
                images.push(image);
            }
        }
        let mut notes = service.notes();
        for container in &current {
            let podman = self.client.get_podman(&format!("/containers/{}/json", container.id)).await?;
            if let Some(why) = fidelity::obstacle(container, podman.as_ref()) {
                notes.push(format!("{} cannot be replaced: {why}", container.name));
            }
        }
        Ok(Some(Application {
            id: format!("{environment}/{name}"),
            service: name.to_owned(),
            images,
            revision: service.revision(),
            instances: current.len() as u64,
            notes,
        }))
    }
}

/// The containers of one service, by name.
#[derive(Clone, Default)]
struct Service(Vec<Container>);

impl Service {
    /// Those that make up the service now: the ones that stand, and one kept aside where a rollback was cut short
    /// before the new one had its name.
    fn current(&self) -> Vec<&Container> {
        let stands = |name: &str| self.0.iter().any(|one| one.name == name && one.place == Place::Standing);
        let is_current = |one: &&Container| match one.place {
            Place::Standing => true,
            Place::Aside { .. } => !stands(&one.name),
            Place::Prepared => false,
        };
        self.0.iter().filter(is_current).collect()
    }

    /// What changes whenever a container is made again: their ids. A container's image and settings never change.
    fn revision(&self) -> String {
        let mut ids: Vec<&str> = self.current().iter().map(|one| one.id.as_str()).collect();
        ids.sort_unstable();
        ids.join("+")
    }

    fn standing(&self) -> Vec<&Container> {
        self.0.iter().filter(|one| one.place == Place::Standing).collect()
    }

    fn notes(&self) -> Vec<String> {
        let current = self.current();
        let mut notes = vec![match current.len() {
            1 => "down while it restarts".to_owned(),
            count => format!("{count} containers, replaced one after another"),
        }];
        if current.iter().any(|one| one.health().is_none()) {
            notes.push("no health check: that it keeps running is all that can be seen".into());
        }
        let down = current.iter().filter(|one| !one.runs()).count();
        if down > 0 {
            notes.push(format!("{down} of {} containers do not run: they will be started", current.len()));
        }
        if self.0.iter().any(|one| one.place != Place::Standing) {
            notes.push("an earlier rollback was cut short and left containers behind".into());
        }
        notes
    }

    /// How the service stands towards a change; `target` is the id of the image that it is to run, where known.
    fn stands(&self, change: &Change, target: Option<&str>) -> Standing {
        let before: Vec<&str> = change.application.revision.split('+').collect();
        let current = self.current();
        let was_there = |one: &Container| before.contains(&one.id.as_str());
        let at_target = |one: &Container| match target {
            Some(target) if one.image_id == target => true,
            Some(_) => !was_there(one) && one.image == change.to,
            None => one.image == change.to,
        };
        let Some(first) = current.first() else { return Standing::Gone };
        if let Some(other) = current.iter().find(|one| !at_target(one) && !was_there(one)) {
            return Standing::Other { image: other.image.clone() };
        }
        // Of several the one that is not well says what is the matter.
        let trouble = current.iter().find_map(|one| Some((one.image.clone(), one.trouble()?)));
        let why = if current.len() < before.len() {
            Some((first.image.clone(), format!("{} of {} containers are there", current.len(), before.len())))
        } else if let Some(aside) = current.iter().find(|one| one.place != Place::Standing) {
            Some((aside.image.clone(), "put aside, and nothing in its place".to_owned()))
        } else if let Some((image, why)) = trouble {
            Some((image, why))
        } else if current.iter().all(|one| at_target(one)) {
            return Standing::Target;
        } else if !current.iter().all(|one| was_there(one)) {
            let count = current.iter().filter(|one| at_target(one)).count();
            Some((first.image.clone(), format!("{count} of {} containers at the target", current.len())))
        } else if self.0.iter().any(|one| one.place == Place::Prepared) {
            Some((first.image.clone(), "a new container was made and not started".to_owned()))
        } else {
            None
        };
        why.map_or(Standing::Before, |(image, why)| Standing::Unwell { image, why })
    }
}

#[async_trait]
impl Platform for Engine {
    fn address(&self) -> &str {
        &self.client.address
    }

    async fn applications(&self, environment: &str) -> anyhow::Result<Vec<Application>> {
        let what = || format!("failed to list the services of '{environment}' at {}", self.client.address);
        let mut applications = Vec::new();
        for (name, service) in self.survey(environment).await.with_context(what)? {
            applications.extend(self.application(environment, &name, &service).await.with_context(what)?);
        }
        Ok(applications)
    }

    async fn deploy(&self, changes: &[Change], limit: Duration, watch: &dyn Watch) -> anyhow::Result<()> {
        deploy::deploy(self, changes, limit, watch).await
    }

    async fn look(&self, changes: &[Change]) -> anyhow::Result<Vec<Standing>> {
        self.client.writes.over().await;
        let mut standings = Vec::with_capacity(changes.len());
        for (change, mut service) in changes.iter().zip(self.services(changes).await?) {
            let target = self.resolve(&change.to).await?;
            for container in &mut service.0 {
                if container.runs() && container.health() == Some("starting") {
                    health::check(&self.client, container).await;
                    *container = self.inspect(&container.id).await?.unwrap_or_else(|| container.clone());
                }
            }
            standings.push(service.stands(change, target.as_deref()));
        }
        Ok(standings)
    }

    async fn go_back(&self, changes: &[Change], limit: Duration, watch: &dyn Watch) -> anyhow::Result<()> {
        go_back::go_back(self, changes, limit, watch).await
    }

    async fn settle(&self, changes: &[Change]) -> anyhow::Result<()> {
        let mut kept = Vec::new();
        for service in self.services(changes).await? {
            let standing = service.standing();
            for old in service.0.iter().filter(|one| one.place != Place::Standing) {
                if standing.iter().any(|one| one.name == old.name)
                    && let Err(error) = self.client.remove(&old.id).await
                {
                    kept.push(format!("{}: {error:#}", old.name));
                }
            }
        }
        if !kept.is_empty() {
            bail!("failed to remove old containers: {}", kept.join("; "));
        }
        Ok(())
    }
}
