//! What this run made: going back removes that, and nothing that anybody else put into its place.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The new containers of a deployment, by their ids; none where it has changed nothing on the engine, or where all
/// that it had made is gone again.
#[derive(Debug, Default)]
pub(super) struct Own(Mutex<Option<BTreeSet<String>>>);

impl Own {
    /// Notes that from now on the engine may have been changed.
    pub(super) fn begin(&self) {
        *self.lock() = Some(BTreeSet::new());
    }

    /// Notes that nothing is left of what was made.
    pub(super) fn forget(&self) {
        *self.lock() = None;
    }

    /// Notes a container that was made.
    pub(super) fn add(&self, id: &str) {
        self.lock().get_or_insert_default().insert(id.to_owned());
    }

    /// Something may have been changed.
    pub(super) fn has_begun(&self) -> bool {
        self.lock().is_some()
    }

    /// Whether this run made a container.
    pub(super) fn made(&self, id: &str) -> bool {
        self.lock().as_ref().is_some_and(|made| made.contains(id))
    }

    fn lock(&self) -> MutexGuard<'_, Option<BTreeSet<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
