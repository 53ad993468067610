//! The ports that an action's runner works with, whatever the domain: what can be set and set back, and a lock that
//! outlives a process. A domain brings its own changes (an image of a workload, the leader of a cluster); how a set of
//! changes is carried through is the same for all.

use std::time::Duration;

use async_trait::async_trait;

use crate::journal::Call;
use crate::journal::lock::{Holder, LockError};
use crate::watch::Watch;

/// What was asked of a port cannot be, wherever it is asked: a URL that names no platform or queue, a user without a password, a
/// description that is wrong. It is an error of the command line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(pub String);

/// The change of one subject, from what it was when the plan was made to what it is set to.
pub trait Change: Clone + Send + Sync {
    /// The subject as people call it: `billing`.
    fn subject(&self) -> &str;

    /// The subject as its port calls it: `/shop/dev/web/billing`.
    fn id(&self) -> &str;

    /// What it was, as its port writes it.
    fn before(&self) -> String;

    /// What it is set to, as its port writes it.
    fn after(&self) -> &str;

    /// What several changes are about, with its number: `4 services`, `6 workloads of 4 services`. `one` and `many` are
    /// what its domain calls one subject, and several.
    fn counted(changes: &[Self], one: &str, many: &str) -> String {
        format!("{} {}", changes.len(), if changes.len() == 1 { one } else { many })
    }
}

/// How a subject stands towards its [`Change`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is at its target and well, and nothing is under way.
    Target,
    /// It is set to its target, and nothing of it runs by which that could be seen.
    Idle {
        /// Why: `0 replicas`, `its next job runs this image`.
        why: String,
    },
    /// It is set to what it was set to before, and nothing of ours is under way.
    Before {
        /// Why it is not well, if it is not: `1 of 2 instances healthy`. It may have been like this before.
        trouble: Option<String>,
    },
    /// It is on its way, or is set to the target and not well: what it is set to, and why it has not arrived.
    Unwell {
        /// What it is set to.
        value: String,
        /// What is wrong: `1 of 2 instances healthy`, `a deployment is running`.
        why: String,
    },
    /// Another operator or program set it to something that is neither the target nor what it was before.
    Other {
        /// What it is set to.
        value: String,
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

/// Why a set of changes did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// Nothing was sent, or all of it was refused: what stands otherwise than before was changed by others.
    #[error("{0:#}")]
    NothingSent(anyhow::Error),
    /// Something was sent, or may have been.
    #[error("{0:#}")]
    Sent(anyhow::Error),
}

/// A lock where the changes are made, against runs of this toolkit on any host.
#[async_trait]
pub trait RemoteLock: Send + Sync {
    /// Where this is, without credentials, for people to read.
    fn address(&self) -> &str;

    /// Keeps every other run of this toolkit out, on whatever host. The lock outlives this process, if it dies: that of a
    /// run of the same id is taken over. A port that lets nobody else write meanwhile may leave it to that.
    ///
    /// # Errors
    /// [`LockError::Held`] with the holder and since when, or the lock cannot be had.
    async fn lock(&self, environment: &str, holder: &Holder) -> Result<(), LockError>;

    /// Removes the lock that this holder has. One that another holder has is left alone.
    ///
    /// # Errors
    /// When it could not be removed.
    async fn unlock(&self, environment: &str, holder: &Holder) -> anyhow::Result<()>;
}

/// A place that has no lock of its own: the lock of this host keeps runs apart.
#[derive(Debug, Clone)]
pub struct NoRemoteLock(pub String);

#[async_trait]
impl RemoteLock for NoRemoteLock {
    fn address(&self) -> &str {
        &self.0
    }

    async fn lock(&self, _environment: &str, _holder: &Holder) -> Result<(), LockError> {
        Ok(())
    }

    async fn unlock(&self, _environment: &str, _holder: &Holder) -> anyhow::Result<()> {
        Ok(())
    }
}

/// A port to what can be set and set back.
///
/// A run plans, takes the [`RemoteLock`], and calls [`deploy`](Settable::deploy) once for the whole set. It then believes
/// only [`look`](Settable::look). Where not all stand at their target it calls [`go_back`](Settable::go_back); where all
/// do, [`clean_up`](Settable::clean_up).
///
/// Every write is in the ledger that the port was connected with: the intent before it is sent, the answer after it. From
/// that a later process learns by [`recall`](Settable::recall) what the one that died had done.
#[async_trait]
pub trait Settable: Send + Sync {
    /// What is changed here.
    type Change: Change;

    /// Learns from the calls of a run what it had done, as if this process had done it: for [`go_back`](Settable::go_back).
    fn recall(&self, calls: &[Call]);

    /// Whether this run wrote a change, or may have. What stands at a target that the run did not write was changed by
    /// others.
    fn wrote(&self, change: &Self::Change) -> bool;

    /// What a person types to set one subject back to what it was, for the shell.
    fn by_hand(&self, change: &Self::Change) -> String;

    /// What a person types to see why a subject is not well, for the shell.
    fn look_into(&self, change: &Self::Change) -> String;

    /// Sets every subject to its target, as one step or as near to it as the port has, and waits until the other side
    /// says that it has finished. Each write is conditional: nothing is written where a subject is no longer as it was
    /// read. `limit` bounds each step.
    ///
    /// The future may be dropped at any point (an interrupt); `look` and `go_back` cope with whatever is left.
    ///
    /// # Errors
    /// When it was refused, failed or ran out of time: [`DeployError`] says whether anything was sent. What became of
    /// that the error does not say: `look` does.
    async fn deploy(&self, changes: &[Self::Change], limit: Duration, watch: &dyn Watch) -> Result<(), DeployError>;

    /// Waits until what was written for these changes, by this process or one that died, has come to an end by itself,
    /// good or bad; `look` says which. Sets nothing; an instance that holds up the others may be removed, for the
    /// platform to make it anew.
    ///
    /// # Errors
    /// When it takes longer than `limit`, or the other side is out of sight.
    async fn arrive(&self, changes: &[Self::Change], limit: Duration, watch: &dyn Watch) -> anyhow::Result<()>;

    /// How each subject stands now, in the order of `changes`.
    ///
    /// # Errors
    /// When that cannot be found out.
    async fn look(&self, changes: &[Self::Change]) -> anyhow::Result<Vec<Standing>>;

    /// Takes back what `deploy` did, from whatever state it left, and waits. Touches only what is still as `deploy`
    /// left it: never a subject in the state [`Standing::Other`], and nothing at all where nothing was sent.
    ///
    /// # Errors
    /// When it could not be carried through. The error does not say what was restored: `look` does.
    async fn go_back(&self, changes: &[Self::Change], limit: Duration, watch: &dyn Watch) -> anyhow::Result<()>;

    /// Removes what `deploy` kept for going back (old containers). Called when all stand at their target.
    ///
    /// # Errors
    /// When something could not be removed; the subjects are not affected.
    async fn clean_up(&self, changes: &[Self::Change]) -> anyhow::Result<()>;
}
