//! Kubernetes: Deployments, StatefulSets, DaemonSets and CronJobs of one namespace. There is no write for a set of them, so each is
//! tried by the server before the first is written, and every write says what it must find.

mod client;
mod deploy;
mod go_back;
mod history;
mod kubeconfig;
mod lease;
mod login;
mod others;
mod own;
mod place;
mod pods;
mod rollout;
mod wait;
mod workload;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use futures_util::future::try_join_all;
use serde_json::Value;
use tokio::time::Instant;

use self::client::Client;
use self::lease::Held;
use self::own::OwnWrites;
use self::place::ClusterAccess;
use self::workload::{Kind, parts};
use super::image::WrittenImage;
use super::{Application, Change, DeployError, Platform, Ran, RemoteLock, Settable, Standing, quoted};
use crate::journal::lock::{Holder, LockError};
use crate::journal::{Call, Ledger};
use crate::watch::Watch;

pub(super) use place::SCHEME;

/// One namespace of a Kubernetes.
pub(super) struct Kubernetes {
    client: Client,
    namespace: String,
    address: String,
    /// How kubectl is told where that is.
    kubectl: String,
    own: OwnWrites,
    held: Held,
    /// The containers of each application as they were when it was listed, or first seen.
    listed: Mutex<HashMap<String, Vec<Listed>>>,
}

/// A container as it was first seen.
#[derive(Debug, Clone)]
struct Listed {
    name: String,
    image: WrittenImage,
    /// It ends before the others begin.
    is_init: bool,
    has_readiness: bool,
}

impl Kubernetes {
    /// The namespace at a URL; without one in it, the one that bears the environment's name. `kubeconfigs` are those that
    /// KUBECONFIG lists. Nothing is asked yet.
    pub(super) async fn new(
        url: &str,
        environment: &str,
        kubeconfigs: Option<&str>,
        ledger: Arc<dyn Ledger>,
    ) -> anyhow::Result<Self> {
        let place = ClusterAccess::at(url, environment, kubeconfigs).await?;
        let kubeconfig = place.kubeconfig.as_ref().map(|path| path.display().to_string());
        let mut kubectl = "kubectl".to_owned();
        for (option, value) in [("kubeconfig", &kubeconfig), ("context", &place.context)] {
            kubectl += &value.as_ref().map(|value| format!(" --{option}={}", quoted(value))).unwrap_or_default();
        }
        Ok(Self {
            address: place.address(),
            kubectl: format!("{kubectl} --namespace={}", place.namespace),
            client: Client::new(place.client, &place.server, place.plugin, ledger),
            namespace: place.namespace,
            own: OwnWrites::default(),
            held: Held::default(),
            listed: Mutex::default(),
        })
    }

    async fn namespace_exists(&self) -> anyhow::Result<()> {
        // An account that may not see namespaces is not told that there is none.
        if let Ok(None) = self.client.get(&format!("/api/v1/namespaces/{}", self.namespace)).await {
            bail!("there is no namespace '{}' at {}: name it in the URL", self.namespace, self.address);
        }
        Ok(())
    }

    /// The containers of an application as they were first seen, for some of its images.
    fn listed(&self, id: &str, is_wanted: impl Fn(&WrittenImage) -> bool) -> Vec<Listed> {
        let listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let all = listed.get(id).map(Vec::as_slice).unwrap_or_default();
        all.iter().filter(|one| is_wanted(&one.image)).cloned().collect()
    }

    /// Notes the containers of an application as they are.
    fn list(&self, id: &str, object: &Value) {
        let listed = |one: workload::Container| Listed {
            is_init: one.is_init(),
            has_readiness: workload::has_readiness(object, &one),
            name: one.name,
            image: one.image,
        };
        let containers = workload::containers(object).into_iter().map(listed).collect();
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), containers);
    }

    /// The same, as far as they are not known: in a run that another process began nobody listed them.
    fn remember(&self, id: &str, object: &Value) {
        let is_known = self.listed.lock().unwrap_or_else(PoisonError::into_inner).contains_key(id);
        if !is_known {
            self.list(id, object);
        }
    }

    /// The containers that a change is about, with the images that they had. One that is set to something else when it is
    /// first seen had what the application had.
    fn had(&self, change: &Change) -> Vec<(String, WrittenImage)> {
        let Application { id, images, .. } = &change.application;
        if let Some(written) = self.own.of(id) {
            let about = written.containers.into_iter().filter(|images| change.is_about(&images.from));
            return about.map(|images| (images.name, images.from)).collect();
        }
        let had = |image: WrittenImage| {
            if images.contains(&image) { image } else { images.first().cloned().unwrap_or(image) }
        };
        let listed = self.listed(id, |image| change.is_about(image));
        listed.into_iter().map(|one| (one.name, had(one.image))).collect()
    }

    /// The container by which it is known what an application ran: the first that runs one of its images.
    fn container(&self, application: &Application) -> String {
        let listed = self.listed(&application.id, |image| application.images.contains(image));
        listed.into_iter().next().map(|one| one.name).unwrap_or_default()
    }
}

#[async_trait]
impl Platform for Kubernetes {
    async fn applications(&self, _environment: &str) -> anyhow::Result<Vec<Application>> {
        let lists = Kind::ALL.map(|kind| async move {
            let listed = self.client.list(&kind.path(&self.namespace)).await;
            listed.with_context(|| format!("failed to list the {}s at {}", kind.word(), self.address))
        });
        let mut found = Vec::new();
        for (kind, objects) in Kind::ALL.into_iter().zip(try_join_all(lists).await?) {
            for object in &objects {
                let Some(application) = workload::application(kind, object) else { continue };
                self.list(&application.id, object);
                found.push(application);
            }
        }
        if found.is_empty() {
            self.namespace_exists().await?;
        }
        found.sort_by(|one, other| one.service.cmp(&other.service).then_with(|| one.id.cmp(&other.id)));
        Ok(found)
    }

    async fn others(&self, _environment: &str) -> anyhow::Result<Vec<Application>> {
        others::of(self).await
    }

    fn notes(&self, change: &Change) -> Vec<String> {
        let containers = self.listed(&change.application.id, |image| change.is_about(image));
        let mut notes = Vec::new();
        if containers.len() > 1 {
            let names: Vec<&str> = containers.iter().map(|one| one.name.as_str()).collect();
            notes.push(format!("its containers {} run the same repository and move together", names.join(", ")));
        }
        let mut lasting = containers.iter().filter(|one| !one.is_init).peekable();
        if lasting.peek().is_none() {
            notes.push("it is run before the other containers only".to_owned());
        } else if change.application.instances > 0 && !lasting.any(|one| one.has_readiness) {
            notes.push("no readiness probe: that it runs is all that can be seen".to_owned());
        }
        notes
    }

    fn became(&self, change: &Change) -> Vec<WrittenImage> {
        self.own.became(&change.application.id, &change.to)
    }

    async fn history(&self, applications: &[Application]) -> anyhow::Result<Vec<Vec<Ran>>> {
        history::of(self, applications).await
    }
}

#[async_trait]
impl RemoteLock for Kubernetes {
    fn address(&self) -> &str {
        &self.address
    }

    async fn lock(&self, _environment: &str, holder: &Holder) -> Result<(), LockError> {
        lease::lock(self, holder).await
    }

    async fn unlock(&self, _environment: &str, holder: &Holder) -> anyhow::Result<()> {
        lease::unlock(self, holder).await
    }
}

#[async_trait]
impl Settable for Kubernetes {
    type Change = Change;

    fn recall(&self, calls: &[Call]) {
        self.own.recall(calls);
    }

    fn wrote(&self, change: &Change) -> bool {
        self.own.of(&change.application.id).is_some()
    }

    fn by_hand(&self, change: &Change) -> String {
        let Some((kind, name)) = parts(&change.application.id) else { return String::new() };
        let mut command = vec![format!("{} set image {}/{name}", self.kubectl, kind.word())];
        let images = self.had(change);
        command.extend(images.into_iter().map(|(container, image)| format!("{container}={}", quoted(image.as_str()))));
        command.join(" ")
    }

    fn look_into(&self, change: &Change) -> String {
        let Some((kind, name)) = parts(&change.application.id) else { return String::new() };
        let Self { kubectl, .. } = self;
        format!("{kubectl} describe {}/{name} && {kubectl} get pods", kind.word())
    }

    async fn deploy(&self, changes: &[Change], limit: Duration, watch: &dyn Watch) -> Result<(), DeployError> {
        let deployed = deploy::deploy(self, changes, limit, watch).await;
        deployed.map_err(
            |error| {
                if self.own.is_empty() { DeployError::NothingSent(error) } else { DeployError::Sent(error) }
            },
        )
    }

    async fn arrive(&self, changes: &[Change], limit: Duration, watch: &dyn Watch) -> anyhow::Result<()> {
        // Nothing comes of what was about to be written, and was not.
        let standings = self.look(changes).await?;
        let is_set = |standing: &Standing| standing.is_at_target() || matches!(standing, Standing::Unwell { .. });
        let set: Vec<_> =
            changes.iter().zip(&standings).filter(|(_, now)| is_set(now)).map(|(change, _)| change.clone()).collect();
        wait::until_arrived(self, &set, Instant::now() + limit, watch).await
    }

    async fn look(&self, changes: &[Change]) -> anyhow::Result<Vec<Standing>> {
        self.client.writes.over().await;
        let objects = try_join_all(changes.iter().map(|change| self.object(&change.application.id))).await?;
        let standing = |(change, (kind, object)): (&Change, (Kind, Option<Value>))| match object {
            Some(object) => {
                let read = self.own.read(&change.application.id, &object);
                self.remember(&change.application.id, &read);
                rollout::standing(kind, &read, change)
            }
            None => Standing::Gone,
        };
        Ok(changes.iter().zip(objects).map(standing).collect())
    }

    async fn go_back(&self, changes: &[Change], limit: Duration, watch: &dyn Watch) -> anyhow::Result<()> {
        go_back::go_back(self, changes, limit, watch).await
    }

    async fn clean_up(&self, _changes: &[Change]) -> anyhow::Result<()> {
        // Kubernetes keeps old revisions by itself.
        Ok(())
    }
}
