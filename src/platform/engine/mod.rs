//! Docker and Podman: a service is one or several containers, and its image is changed by making each again.
//!
//! An engine has no compare-and-swap and no transaction, so the order gives the safety: pull everything, make every
//! new container beside its old one and compare the two, and only then, one after another, put the old one aside
//! under a name that tells what it is, and start the new one in its place. What is aside is kept until all stand at
//! their target; the names alone say how far a rollback came, so a later run can begin where one was cut short. A run
//! goes back on what it did itself, and knows that by the ids of the containers that it made.

mod by_hand;
mod client;
mod configuration;
mod container;
mod deploy;
mod fidelity;
mod go_back;
mod health;
mod history;
mod lock;
mod obstacle;
mod own;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use serde_json::Value;

use self::client::Client;
use self::container::{Container, ContainerRole, PROJECT, image_id, may_be_of};
use self::own::OwnWrites;
use super::connect::RegistryLogin;
use super::image::{ImageName, WrittenImage};
use super::{Apart, Application, Change, DeployError, Platform, Ran, RemoteLock, Settable, Standing};
use crate::journal::lock::{Holder, LockError};
use crate::journal::{Call, Ledger};
use crate::watch::Watch;
use crate::words::counted;

/// The label by which compose says which image it made a container of.
const COMPOSED: &str = "com.docker.compose.image";

/// The Docker or Podman engine behind a socket.
pub(super) struct Engine {
    client: Client,
    registry: Option<RegistryLogin>,
    own: OwnWrites,
    /// Each service that a change was about, by the id of its application, as it stood at the last look.
    seen: Mutex<BTreeMap<String, Service>>,
}

impl Engine {
    /// Connects to an engine and asks what it is.
    pub(super) async fn new(
        address: String,
        http: reqwest::Client,
        registry: Option<RegistryLogin>,
        ledger: Arc<dyn Ledger>,
    ) -> anyhow::Result<Self> {
        let client = Client::new(address, http, ledger).await?;
        Ok(Self { client, registry, own: OwnWrites::default(), seen: Mutex::default() })
    }

    /// Every container of an environment, by service, in the order of their names.
    async fn survey(&self, environment: &str) -> anyhow::Result<BTreeMap<String, Service>> {
        let mut services: BTreeMap<String, Service> = BTreeMap::new();
        for container in self.containers(|summary| may_be_of(summary, environment)).await? {
            if let Some(service) = container.service(environment) {
                services.entry(service).or_default().0.push(container);
            }
        }
        for service in services.values_mut() {
            service.0.sort_by(|one, other| (&one.name, one.place).cmp(&(&other.name, other.place)));
        }
        Ok(services)
    }

    /// The containers of the engine, of those in its list that are wanted.
    async fn containers(&self, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Vec<Container>> {
        let listed = self.client.get("/containers/json?all=true").await?;
        let listed = listed.as_ref().and_then(Value::as_array).context("the engine did not list its containers")?;
        let mut containers = Vec::new();
        for id in listed.iter().filter(|summary| wanted(summary)).filter_map(|summary| summary["Id"].as_str()) {
            // One that is gone by now was never there for us.
            containers.extend(self.inspect(id).await?);
        }
        Ok(containers)
    }

    /// The services that changes are about, in their order; an empty one where there is none.
    async fn services(&self, changes: &[Change]) -> anyhow::Result<Vec<Service>> {
        self.services_of(changes.iter().map(|change| change.application.id.as_str())).await
    }

    /// The services of these applications, in their order; an empty one where there is none.
    async fn services_of<'a>(&self, ids: impl Iterator<Item = &'a str>) -> anyhow::Result<Vec<Service>> {
        let mut surveys: BTreeMap<&str, BTreeMap<String, Service>> = BTreeMap::new();
        let mut found = Vec::new();
        for id in ids {
            let (environment, service) = id.split_once('/').with_context(|| format!("'{id}' is not of an engine"))?;
            if !surveys.contains_key(environment) {
                surveys.insert(environment, self.survey(environment).await?);
            }
            let service = surveys.get(environment).and_then(|all| all.get(service)).cloned().unwrap_or_default();
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), service.clone());
            found.push(service);
        }
        Ok(found)
    }

    /// A service as it stood at the last look.
    fn seen(&self, application: &str) -> Option<Service> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(application).cloned()
    }

    /// What the engine says of a container; none where there is no such one.
    async fn inspect(&self, id: &str) -> anyhow::Result<Option<Container>> {
        let Some(inspect) = self.client.get(&format!("/containers/{id}/json")).await? else { return Ok(None) };
        Ok(Some(
            Container::new(inspect).with_context(|| format!("the engine's words on container {id} make no sense"))?,
        ))
    }

    /// What Podman's own API says of a container; none where the engine is Docker.
    async fn inspect_podman(&self, id: &str) -> anyhow::Result<Option<Value>> {
        self.client.get_podman(&format!("/containers/{id}/json")).await
    }

    /// Why a service cannot be changed, in a sentence; none where it can. `everybody` is all containers of the engine.
    async fn obstacle(&self, service: &Service, everybody: &[Container]) -> anyhow::Result<Option<String>> {
        for container in service.current() {
            let podman = self.inspect_podman(&container.id).await?;
            if let Some(why) = obstacle::obstacle(container, podman.as_ref(), everybody) {
                return Ok(Some(format!("container '{}' cannot be replaced: {why}", container.name)));
            }
        }
        Ok(None)
    }

    /// The id of the image that a name stands for now; none where the engine has none.
    async fn resolve(&self, image: &str) -> anyhow::Result<Option<String>> {
        let found = self.client.get(&format!("/images/{image}/json")).await?;
        Ok(found.and_then(|found| Some(image_id(found["Id"].as_str()?))))
    }

    /// The image as it may be read: a container that was told only an image's id is looked up.
    async fn image_text(&self, container: &Container) -> anyhow::Result<WrittenImage> {
        if container.image.name().is_some() && !container.image_id.starts_with(container.image.as_str()) {
            return Ok(container.image.clone());
        }
        let image = self.client.get(&format!("/images/{}/json", container.image_id)).await?.unwrap_or_default();
        let known = image["RepoDigests"][0].as_str().or(image["RepoTags"][0].as_str());
        Ok(known.map_or_else(|| container.image.clone(), WrittenImage::from))
    }

    async fn application(
        &self,
        environment: &str,
        name: &str,
        service: &Service,
        everybody: &[Container],
    ) -> anyhow::Result<Option<Application>> {
        let current = service.current();
        if current.is_empty() {
            return Ok(None);
        }
        let mut images: Vec<WrittenImage> = Vec::new();
        for container in &current {
            let image = self.image_text(container).await?;
            if !images.contains(&image) {
                images.push(image);
            }
        }
        let obstacle = match several_repositories(&images) {
            Some(why) => Some(why),
            None => self.obstacle(service, everybody).await?,
        };
        Ok(Some(Application {
            id: format!("{environment}/{name}"),
            service: name.to_owned(),
            images,
            revision: service.revision(),
            instances: current.len() as u64,
            notes: service.notes(),
            obstacle,
            apart: Apart::held(current.iter().map(|one| &one.inspect["Config"]["Labels"]))
                .or_else(|| current.iter().find_map(|one| obstacle::unit(one)).map(Apart::Fixed)),
        }))
    }
}

/// Why containers of one name cannot be set as one, where their images are of several repositories.
fn several_repositories(images: &[WrittenImage]) -> Option<String> {
    let names: Vec<&ImageName> = images.iter().filter_map(WrittenImage::name).collect();
    let first = names.first()?;
    let other = names.iter().find(|name| !name.is_beside(first))?;
    Some(format!("its containers run images of several repositories: '{first}' and '{other}'"))
}

/// The containers of one service, by name.
#[derive(Clone, Default)]
struct Service(Vec<Container>);

impl Service {
    /// Those that make up the service now: the ones that stand, and one kept aside where a rollback was cut short
    /// before the new one had its name.
    fn current(&self) -> Vec<&Container> {
        let stands = |name: &str| self.0.iter().any(|one| one.name == name && one.place == ContainerRole::Standing);
        let is_current = |one: &&Container| match one.place {
            ContainerRole::Standing => true,
            ContainerRole::Aside { .. } => !stands(&one.name),
            ContainerRole::Prepared => false,
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
        self.0.iter().filter(|one| one.place == ContainerRole::Standing).collect()
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
            notes.push(format!("{down} of {} not running: will be started", counted(current.len(), "container")));
        }
        if self.0.iter().any(|one| one.place != ContainerRole::Standing) {
            notes.push("an earlier rollback was cut short and left containers behind".into());
        }
        if current.iter().any(|one| one.label(PROJECT).is_some()) {
            let label = current.iter().any(|one| one.label(COMPOSED).is_some());
            let label = if label { format!(" and its label {COMPOSED} name") } else { " names".to_owned() };
            notes.push(format!(
                "its compose file{label} the bad version still, and `compose up` will put that back: set the image there, too"
            ));
        }
        notes
    }

    /// How the service stands towards a change; `target` is the id of the image that it is to run, where known.
    fn stands(&self, change: &Change, target: Option<&str>) -> Standing {
        let before: Vec<&str> = change.application.revision.split('+').collect();
        let current = self.current();
        let was_there = |one: &Container| before.contains(&one.id.as_str());
        // One that was there is yet to be replaced, even where its image is the target under another name.
        let at_target =
            |one: &Container| !was_there(one) && (one.image == change.to || target == Some(one.image_id.as_str()));
        let Some(first) = current.first() else { return Standing::Gone };
        if let Some(other) = current.iter().find(|one| !at_target(one) && !was_there(one)) {
            return Standing::Other { value: other.image.to_string() };
        }
        // Of several the one that is not well says what is the matter.
        let trouble = current.iter().find_map(|one| Some((one, one.trouble()?)));
        let standing = self.standing();
        let all_back = before.iter().all(|id| standing.iter().any(|one| one.id == *id));
        let prepared = self.0.iter().any(|one| one.place == ContainerRole::Prepared);
        if all_back && !prepared {
            return Standing::Before { trouble: trouble.map(|(_, why)| why) };
        }
        let at_targets = current.iter().filter(|one| at_target(one)).count();
        let (one, why) = if all_back {
            (first, "a new container was made and not started".to_owned())
        } else if current.len() < before.len() {
            (first, format!("{} of {} there", current.len(), counted(before.len(), "container")))
        } else if let Some(aside) = current.iter().find(|one| one.place != ContainerRole::Standing) {
            (aside, "put aside, and nothing in its place".to_owned())
        } else if let Some((one, why)) = trouble {
            (one, why)
        } else if at_targets == current.len() {
            return Standing::Target;
        } else {
            (first, format!("{at_targets} of {} at the target", counted(current.len(), "container")))
        };
        Standing::Unwell { value: one.image.to_string(), why }
    }
}

/// What is said where something did not come to its end.
fn late(limit: Duration) -> String {
    format!("time ran out after {limit:?}")
}

#[async_trait]
impl Platform for Engine {
    async fn applications(&self, environment: &str) -> anyhow::Result<Vec<Application>> {
        let what = || format!("failed to list the services of '{environment}' at {}", self.client.address);
        let mut applications = Vec::new();
        let everybody = self.containers(|_| true).await.with_context(what)?;
        for (name, service) in self.survey(environment).await.with_context(what)? {
            let application = self.application(environment, &name, &service, &everybody).await;
            applications.extend(application.with_context(what)?);
        }
        Ok(applications)
    }

    async fn others(&self, environment: &str) -> anyhow::Result<Vec<Application>> {
        let containers = self.containers(|summary| summary["Labels"][PROJECT] == environment).await?;
        let mut others = Vec::new();
        for container in containers.iter().filter(|one| one.ran_once() && one.runs()) {
            let held = Apart::held([&container.inspect["Config"]["Labels"]]);
            let once = || Apart::Fixed("compose runs it for one command, which keeps its image".to_owned());
            others.push(Application {
                id: format!("{environment}/{}", container.called()),
                service: container.called().to_owned(),
                images: vec![self.image_text(container).await?],
                apart: Some(held.unwrap_or_else(once)),
                ..Application::default()
            });
        }
        Ok(others)
    }

    async fn history(&self, applications: &[Application]) -> anyhow::Result<Vec<Vec<Ran>>> {
        history::history(self, applications).await
    }
}

#[async_trait]
impl RemoteLock for Engine {
    fn address(&self) -> &str {
        &self.client.address
    }

    async fn lock(&self, environment: &str, holder: &Holder) -> Result<(), LockError> {
        lock::lock(self, environment, holder).await
    }

    async fn unlock(&self, environment: &str, holder: &Holder) -> anyhow::Result<()> {
        lock::unlock(self, environment, holder).await
    }
}

#[async_trait]
impl Settable for Engine {
    type Change = Change;

    fn recall(&self, calls: &[Call]) {
        self.own.recall(calls);
    }

    fn wrote(&self, _change: &Change) -> bool {
        self.own.has_begun()
    }

    fn by_hand(&self, change: &Change) -> String {
        by_hand::by_hand(self, change)
    }

    fn look_into(&self, change: &Change) -> String {
        by_hand::look_into(self, change)
    }

    async fn deploy(&self, changes: &[Change], limit: Duration, watch: &dyn Watch) -> Result<(), DeployError> {
        let deployed = deploy::deploy(self, changes, limit, watch).await;
        deployed.map_err(
            |error| {
                if self.own.has_begun() { DeployError::Sent(error) } else { DeployError::NothingSent(error) }
            },
        )
    }

    async fn arrive(&self, _changes: &[Change], _limit: Duration, _watch: &dyn Watch) -> anyhow::Result<()> {
        // An engine carries out one call at a time, and nothing by itself; `go_back` waits for a stop under way.
        Ok(())
    }

    async fn look(&self, changes: &[Change]) -> anyhow::Result<Vec<Standing>> {
        self.client.writes.over().await;
        let mut standings = Vec::with_capacity(changes.len());
        for (change, mut service) in changes.iter().zip(self.services(changes).await?) {
            let target = self.resolve(change.to.as_str()).await?;
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

    async fn clean_up(&self, changes: &[Change]) -> anyhow::Result<()> {
        let mut kept = Vec::new();
        for service in self.services(changes).await? {
            let standing = service.standing();
            for old in service.0.iter().filter(|one| one.place != ContainerRole::Standing) {
                if standing.iter().any(|one| one.name == old.name)
                    && let Err(error) = self.client.remove(old).await
                {
                    kept.push(format!("{}: {error:#}", old.name));
                }
            }
        }
        if !kept.is_empty() {
            bail!("failed to remove old containers: {}", kept.join("; "));
        }
        self.own.forget();
        Ok(())
    }
}
