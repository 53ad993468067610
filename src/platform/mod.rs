//! Where services run, behind one trait. A place for each platform: Marathon, Kubernetes, the Docker and Podman engine.

mod connect;
mod engine;
pub mod image;
mod kubernetes;
mod marathon;
mod secrets;
mod writes;

use std::borrow::Cow;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::image::ImageName;
use crate::journal::Call;
use crate::journal::lock::{Holder, LockError};
use crate::watch::Watch;

pub use connect::{Access, RegistryLogin, connect, takes_login};

/// A workload, as it was read: what runs instances of images on this platform, and is set as one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// What the platform calls it: `/shop/dev/web/billing` on Marathon, `dev/billing` on an engine.
    pub id: String,
    /// Its name: `billing`, `billing-worker`.
    pub service: String,
    /// The images that it runs, each once, as the platform writes them; in a [`Change`] only those of one repository.
    pub images: Vec<String>,
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
    pub to: String,
}

impl Change {
    /// Whether an image is one of those that this changes: of the same repository, from the same registry.
    #[must_use]
    pub fn is_about(&self, image: &str) -> bool {
        match (self.to.parse::<ImageName>(), image.parse::<ImageName>()) {
            (Ok(to), Ok(image)) => to.is_beside(&image),
            _ => self.to == image || self.application.images.iter().any(|was| was == image),
        }
    }
}

/// How an application stands towards its [`Change`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It runs the target image, all instances run and are healthy, nothing is under way.
    Target,
    /// It is set to the target image, and nothing of it runs by which that could be seen.
    Idle {
        /// Why: `0 replicas`, `its next job runs this image`.
        why: String,
    },
    /// It is set to what it was set to before, and nothing of ours is under way.
    Before {
        /// Why it is not well, if it is not: `1 of 2 instances healthy`. It may have been like this before.
        trouble: Option<String>,
    },
    /// It is on its way, or is set to the target and not well: which image it is set to, and why it has not arrived.
    Unwell {
        /// The image that it is set to.
        image: String,
        /// What is wrong: `1 of 2 instances healthy`, `a deployment is running`.
        why: String,
    },
    /// Somebody else set it to an image that is neither the target nor the one before.
    Other {
        /// That image.
        image: String,
    },
    /// It is no longer there.
    Gone,
}

impl Standing {
    /// It is set to its target, and as well as it can be.
    #[must_use]
    pub fn is_at_target(&self) -> bool {
        matches!(self, Self::Target | Self::Idle { .. })
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

/// Why a deployment did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// Nothing was sent, or all of it was refused: what stands otherwise than before is somebody else's doing.
    #[error("{0:#}")]
    NothingSent(anyhow::Error),
    /// Something was sent, or may have been.
    #[error("{0:#}")]
    Sent(anyhow::Error),
}

/// A place where services run.
///
/// A rollback reads [`applications`](Platform::applications), plans, takes the [`lock`](Platform::lock), and calls
/// [`deploy`](Platform::deploy) once for the whole set. It then believes only [`look`](Platform::look). Where not all
/// stand at their target it calls [`go_back`](Platform::go_back); where all do, [`settle`](Platform::settle).
///
/// Every write is in the ledger that the platform was connected with: the intent before it is sent, the answer after it.
/// From that a later process learns by [`recall`](Platform::recall) what the one that died had done.
#[async_trait]
pub trait Platform: Send + Sync {
    /// Where this is, without credentials, for people to read.
    fn address(&self) -> &str;

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

    /// Keeps everybody else of this toolkit out, on whatever host. It outlives this process, if it dies: the lock of a
    /// run of the same id is taken over. A platform that lets nobody write meanwhile by itself may leave it to that.
    ///
    /// # Errors
    /// [`LockError::Held`] with who holds it since when, or it cannot be had.
    async fn lock(&self, environment: &str, holder: &Holder) -> Result<(), LockError>;

    /// Lets others in again: removes the lock that this holder has. One that somebody else has is left alone.
    ///
    /// # Errors
    /// When it could not be removed.
    async fn unlock(&self, environment: &str, holder: &Holder) -> anyhow::Result<()>;

    /// Learns from the calls of a run what it had done, as if this process had done it: for [`go_back`](Platform::go_back).
    fn recall(&self, calls: &[Call]);

    /// Whether this run wrote a change, or may have. What stands at a target that it did not write is somebody else's.
    fn wrote(&self, change: &Change) -> bool;

    /// What a person types to set one application back to what it was, for the shell.
    fn by_hand(&self, change: &Change) -> String;

    /// What a person types to see why a workload is not well, for the shell.
    fn look_into(&self, change: &Change) -> String;

    /// What ran, as far as the platform remembers, in the order of the applications; each the newest first. Empty where
    /// it remembers nothing.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn history(&self, applications: &[Application]) -> anyhow::Result<Vec<Vec<Ran>>>;

    /// Sets every workload to its target, as one step or as near to it as the platform has, and waits until the
    /// platform says that it has finished. Changes the images and nothing else. Each write is conditional: nothing
    /// is written where an application is no longer at its `revision`. `limit` bounds each deployment.
    ///
    /// The future may be dropped at any point (an interrupt); `look` and `go_back` cope with whatever is left.
    ///
    /// # Errors
    /// When it was refused, failed or ran out of time: [`DeployError`] says whether anything was sent. What became of
    /// that the error does not say: `look` does.
    async fn deploy(&self, changes: &[Change], limit: Duration, watch: &dyn Watch) -> Result<(), DeployError>;

    /// Waits until what was written for these changes, by this process or one that died, has come to an end by itself,
    /// good or bad; `look` says which. Sets nothing; an instance that holds up the others may be removed, for the
    /// platform to make it anew.
    ///
    /// # Errors
    /// When it takes longer than `limit`, or the platform is out of sight.
    async fn arrive(&self, changes: &[Change], limit: Duration, watch: &dyn Watch) -> anyhow::Result<()>;

    /// How each application stands now, in the order of `changes`.
    ///
    /// # Errors
    /// When that cannot be found out.
    async fn look(&self, changes: &[Change]) -> anyhow::Result<Vec<Standing>>;

    /// Takes back what `deploy` did, from whatever state it left, and waits. Touches only what is still as `deploy`
    /// left it: never an application in the state [`Standing::Other`], and nothing at all where nothing was sent.
    ///
    /// # Errors
    /// When it could not be carried through. The error does not say what was restored: `look` does.
    async fn go_back(&self, changes: &[Change], limit: Duration, watch: &dyn Watch) -> anyhow::Result<()>;

    /// Removes what `deploy` kept for going back (old containers). Called when all stand at their target.
    ///
    /// # Errors
    /// When something could not be removed; the services are not affected.
    async fn settle(&self, changes: &[Change]) -> anyhow::Result<()>;
}
