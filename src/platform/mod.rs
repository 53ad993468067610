//! Where services run, behind one trait. A place for each platform: Marathon, Kubernetes, the Docker and Podman engine.

mod connect;
mod engine;
mod kubernetes;
mod marathon;
mod secrets;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::image::{ImageName, WrittenImage};
use crate::port;
use crate::words::counted;

pub use crate::image;
pub use crate::port::{DeployError, RemoteLock, Settable, Standing};
pub use connect::{Access, RegistryLogin, connect, takes_login};

/// A workload, as it was read: what runs instances of images on this platform, and is set as one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// What the platform calls it: `/shop/dev/web/billing` on Marathon, `dev/billing` on an engine.
    pub id: String,
    /// Its name: `billing`, `billing-worker`.
    pub service: String,
    /// The images that it runs, each once, as the platform writes them; in a [`Change`] only those of one repository.
    pub images: Vec<WrittenImage>,
    /// What a write is conditional on: changes whenever anybody changes the application.
    pub revision: String,
    /// How many instances are wanted.
    pub instances: u64,
    /// What the operator should know before changing it: a capacity that doubles, a downtime.
    pub notes: Vec<String>,
    /// Why it cannot be changed, if that is known beforehand.
    pub obstacle: Option<String>,
    /// Why it is left as it is, whatever it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apart: Option<Apart>,
}

/// Why a workload is none of a set, though it may run an image of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Apart {
    /// Somebody holds it on purpose, by [`HOLD`]: what is said of that.
    Held(String),
    /// It is nothing that can be set here, a job under way say: what it is.
    Fixed(String),
}

/// The label, or on Kubernetes the annotation too, by which somebody has a workload left as it is. `false` is as if it
/// were not there.
pub const HOLD: &str = "firebreak.io/hold";

impl Apart {
    /// The reason for people: `it is held (firebreak.io/hold: incident 7)`.
    #[must_use]
    pub fn why(&self) -> &str {
        let (Self::Held(why) | Self::Fixed(why)) = self;
        why
    }

    /// Whether one of these sets of labels holds a workload.
    #[must_use]
    pub fn held<'a>(labels: impl IntoIterator<Item = &'a Value>) -> Option<Self> {
        let value = labels.into_iter().filter_map(|labels| labels[HOLD].as_str()).find(|value| *value != "false")?;
        let said = if ["", "true"].contains(&value) { String::new() } else { format!(": {value}") };
        Some(Self::Held(format!("it is held ({HOLD}{said})")))
    }
}

/// A workload's change of the images of one repository, in whichever of its containers they are. One that runs several
/// repositories of a set has a change for each, all from the same state of it: they are written together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The workload as it was when the plan was made, with its images of that repository.
    pub application: Application,
    /// The image to run, written as the platform takes it: `registry:5000/team/billing:1.4.0-develop`.
    pub to: WrittenImage,
}

impl Change {
    /// Whether an image is one of those that this changes: of the same repository, from the same registry.
    #[must_use]
    pub fn is_about(&self, image: &WrittenImage) -> bool {
        match (self.to.name(), image.name()) {
            (Some(to), Some(image)) => to.is_beside(image),
            _ => self.to == *image || self.application.images.contains(image),
        }
    }
}

impl port::Change for Change {
    fn subject(&self) -> &str {
        &self.application.service
    }

    fn id(&self) -> &str {
        &self.application.id
    }

    fn before(&self) -> String {
        self.application.images.join(", ")
    }

    fn after(&self) -> &str {
        self.to.as_str()
    }

    fn counted(changes: &[Self], one: &str, _many: &str) -> String {
        let workloads: BTreeSet<&str> = changes.iter().map(|change| change.application.id.as_str()).collect();
        let targets = changes.iter().map(|change| &change.to);
        let services: BTreeSet<&str> = targets.map(|to| to.name().map_or(to.as_str(), ImageName::repository)).collect();
        if workloads.len() == services.len() {
            return counted(services.len(), one);
        }
        format!("{} of {}", counted(workloads.len(), "workload"), counted(services.len(), one))
    }
}

/// What is said of services that did not arrive; with the limit, for it may have been too short.
fn missed(limit: Duration) -> String {
    format!("failed to bring the services to their targets (limit {limit:?})")
}

/// A word for the shell.
fn quoted(word: &str) -> Cow<'_, str> {
    shlex::try_quote(word).unwrap_or(Cow::Borrowed(word))
}

/// A time in which an application ran an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// The image, as the platform writes it.
    pub image: WrittenImage,
    /// Since when; none where only the end is known.
    pub from: Option<DateTime<Utc>>,
    /// Until when; none where it runs still.
    pub until: Option<DateTime<Utc>>,
    /// How that is known: `Marathon's version 2026-11-20T10:00:00.000Z`, `ReplicaSet billing-5d4f`.
    pub source: String,
    /// Why these times may be wrong, where they may.
    pub doubt: Option<String>,
}

/// A place where services run: what can be set and set back there are the images of its applications.
#[async_trait]
pub trait Platform: Settable<Change = Change> + RemoteLock {
    /// The workloads of an environment that can be set.
    ///
    /// # Errors
    /// When the platform cannot be reached, refuses, or answers what cannot be understood.
    async fn applications(&self, environment: &str) -> anyhow::Result<Vec<Application>>;

    /// What else runs images in an environment and cannot be set: a job under way, a bare pod, another controller's. Each
    /// is [`Apart::Fixed`].
    ///
    /// # Errors
    /// When it cannot be read.
    async fn others(&self, _environment: &str) -> anyhow::Result<Vec<Application>> {
        Ok(Vec::new())
    }

    /// What the operator should know of a change, besides what is noted of its workload.
    fn notes(&self, _change: &Change) -> Vec<String> {
        Vec::new()
    }

    /// What the target of a change may be called where this run wrote it: the target, and what the platform made of it on
    /// its way in, such as the same image with its digest.
    fn became(&self, change: &Change) -> Vec<WrittenImage> {
        vec![change.to.clone()]
    }

    /// What ran, as far as the platform remembers, in the order of the applications; each the newest first. Empty where
    /// it remembers nothing.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn history(&self, applications: &[Application]) -> anyhow::Result<Vec<Vec<Ran>>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workloads_are_counted_where_they_are_more_than_services() {
        let change = |id: &str, to: &str| Change {
            application: Application { id: id.to_owned(), ..Application::default() },
            to: to.into(),
        };
        let told = |changes: &[Change]| <Change as port::Change>::counted(changes, "service", "services");
        let changes = [change("billing", "r/billing:1"), change("worker", "r/billing:1"), change("web", "r/web:1")];
        assert_eq!(told(&changes), "3 workloads of 2 services");
        assert_eq!(told(&changes[1..]), "2 services");
        assert_eq!(told(&changes[..2]), "2 workloads of 1 service");
        assert_eq!(told(&[change("pod", "r/billing:1"), change("pod", "r/web:1")]), "1 workload of 2 services");
    }
}
