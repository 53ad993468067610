//! What a run writes down: one append-only file each, a checksummed line for each thing that happened. The intent comes
//! before the call and the result after it, each synced to the disk, so that whatever dies, the next one knows what may
//! have been done. No secret and no application's environment is ever in it.
//!
//! [`record`] says what is written, [`line`] how, [`file`](mod@file) writes it, [`run`](mod@run) is what is read of one run, and
//! [`folder`] holds them all, with the lock that lets one act at a time; [`write`](mod@write) is how a port sends what it writes down here.

pub mod file;
pub mod folder;
pub mod line;
pub mod lock;
pub mod record;
pub mod run;
pub mod write;

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

pub use file::{Intention, Journal};
pub use folder::Folder;
pub use record::{Answer, Counts, ItemState, Kind, State, Subject, Who};
pub use run::{Call, Run, Unreadable};

/// Where a port to the world writes down each change that it makes there.
pub trait Ledger: Send + Sync {
    /// The run that makes the changes; empty for one that makes none.
    fn run(&self) -> &str;

    /// Writes down that a call is about to be made, and gives its number. Only then may it be sent. `call` names it in
    /// the port's own words; `about` is what the port needs to know of it later, without secrets.
    ///
    /// # Errors
    /// When it cannot be written down. While things are taken back it is never refused.
    fn intent(&self, call: &str, about: Value) -> anyhow::Result<u64>;

    /// Writes down what came of a call. Where that fails, the call counts as one whose answer was lost.
    fn answer(&self, call: u64, answer: Answer);
}

/// A ledger for those who change nothing that has to be known later: tests, and programs that only look.
#[derive(Debug, Default)]
pub struct Unrecorded(AtomicU64);

impl Ledger for Unrecorded {
    fn run(&self) -> &'static str {
        ""
    }

    fn intent(&self, _call: &str, _about: Value) -> anyhow::Result<u64> {
        Ok(self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn answer(&self, _call: u64, _answer: Answer) {}
}
