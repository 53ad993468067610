//! Where services run, behind one trait. A place for each platform: Marathon, Kubernetes, the Docker and Podman engine.

mod connect;
mod engine;
mod kubernetes;
mod marathon;
mod secrets;
mod writes;

use std::borrow::Cow;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::port;

pub use crate::image;
pub use crate::port::{DeployError, RemoteLock, Settable, Standing};
pub use connect::{Access, RegistryLogin, Unfit, connect, takes_login};

/// A running application, as it was read: what a service is on this platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// What the platform calls it: `/shop/dev/web/billing` on Marathon, `dev/billing` on an engine.
    pub id: String,
    /// The name of the service within its environment, `billing`.
    pub service: String,
    /// The images that it runs, each once, as the platform writes them. More than one: its replicas disagree.
    pub images: Vec<String>,
    /// What a write is conditional on: changes whenever anybody changes the application.
    pub revision: String,
    /// How many instances are wanted.
    pub instances: u64,
    /// What the operator should know before changing it: a capacity that doubles, a downtime.
    pub notes: Vec<String>,
    /// Why it cannot be changed, if that is known beforehand.
    pub obstacle: Option<String>,
}

/// One application's change of image: from the application as it was read to an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The application as it was when the plan was made.
    pub application: Application,
    /// The image to run, written as the platform takes it: `registry:5000/team/billing:1.4.0-develop`.
    pub to: String,
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
        &self.to
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
    pub image: String,
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
    /// The applications of an environment.
    ///
    /// # Errors
    /// When the platform cannot be reached, refuses, or answers what cannot be understood.
    async fn applications(&self, environment: &str) -> anyhow::Result<Vec<Application>>;

    /// What the target of a change may be called where this run wrote it: the target, and what the platform made of it on
    /// its way in, such as the same image with its digest.
    fn became(&self, change: &Change) -> Vec<String> {
        vec![change.to.clone()]
    }

    /// What ran, as far as the platform remembers, in the order of the applications; each the newest first. Empty where
    /// it remembers nothing.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn history(&self, applications: &[Application]) -> anyhow::Result<Vec<Vec<Ran>>>;
}
