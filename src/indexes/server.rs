//! What a kind of database can do about its indexes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::choose::Step;
use super::index::Seen;
use crate::action::runner::ItemEnd;
use crate::port::RemoteLock;
use crate::watch::Watch;

/// How long a rebuild may take and wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long it may wait for a lock or an old transaction, and how long any other session may wait because of it.
    pub lock: Duration,
    /// How long it may take.
    pub statement: Duration,
}

/// What a rebuild did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// How it ended.
    pub end: ItemEnd,
    /// How large the index is now; none where it was not rebuilt.
    pub size: Option<u64>,
    /// What was verified afterwards: `valid, ready, checked by amcheck`.
    pub verified: String,
    /// How long it took.
    pub took: Duration,
    /// Why nothing more can be done here at all; none where the next can be tried.
    pub stops: Option<String>,
}

impl Rebuilt {
    /// One that was not begun.
    #[must_use]
    pub fn not(end: ItemEnd) -> Self {
        Self { end, size: None, verified: String::new(), took: Duration::ZERO, stops: None }
    }
}

/// The longest time that another session was seen waiting because of a rebuild.
#[derive(Debug, Default)]
pub struct LongestWait(AtomicU64);

impl LongestWait {
    /// Notes a wait.
    pub fn saw(&self, wait: Duration) {
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.0.fetch_max(millis, Ordering::Relaxed);
    }

    /// The longest.
    #[must_use]
    pub fn longest(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// Who looks at a rebuild that is under way.
#[derive(Clone, Copy)]
pub struct Eyes<'a> {
    /// Sees how far it came.
    pub watch: &'a dyn Watch,
    /// Sees how long readers and writers waited because of it.
    pub waits: &'a LongestWait,
    /// Ends when it is to stop.
    pub stop: &'a tokio_util::sync::CancellationToken,
}

/// A database whose indexes can be rebuilt.
#[async_trait]
pub trait Server: Send + Sync {
    /// Where it is, without credentials.
    fn address(&self) -> &str;

    /// How waits of others are measured, for the report.
    fn measures(&self) -> &'static str;

    /// What the rebuild of an index needs beside its room on the disk, for the plan: `beside the old index`.
    fn needs(&self) -> &'static str;

    /// What keeps every other run out.
    fn lock(&self) -> Box<dyn RemoteLock>;

    /// All that is to be known of its indexes, and of what stands in the way. Changes nothing.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn look(&self, watch: &dyn Watch) -> anyhow::Result<Seen>;

    /// Takes a step, while others read and write. Where it does not come to its end, nothing of it is left behind, or what is left is
    /// named. To take it twice has one effect.
    async fn take(&self, step: &Step, limits: Limits, eyes: Eyes<'_>) -> Rebuilt;
}
