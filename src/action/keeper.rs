//! The journal of this process: begun by the action when it knows that it acts, ended with its report. Every platform
//! writes its calls to it.

use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::Context as _;
use chrono::Utc;
use serde_json::Value;

use super::report::Finding;
use crate::journal::lock::Holder;
use crate::journal::record::{Began, Ended};
use crate::journal::{Answer, Folder, Journal, Ledger, Run};
use crate::process::is_alive;

/// Keeps the journal of this process.
#[derive(Debug)]
pub struct Keeper {
    folder: Option<Folder>,
    began: Began,
    journal: OnceLock<Journal>,
}

impl Keeper {
    /// A keeper that writes to a folder once it is asked to; none where no folder is known.
    #[must_use]
    pub fn new(folder: Option<PathBuf>, began: Began) -> Self {
        Self { folder: folder.map(Folder::new), began, journal: OnceLock::new() }
    }

    /// The folder of all journals.
    ///
    /// # Errors
    /// When none is known.
    pub fn folder(&self) -> anyhow::Result<&Folder> {
        self.folder.as_ref().context("no folder for the journal is known, for HOME is not set: give --journal=<dir>")
    }

    /// The program that acts.
    #[must_use]
    pub fn action(&self) -> &str {
        &self.began.action
    }

    /// The journal that was begun.
    ///
    /// # Errors
    /// When none was.
    pub fn journal(&self) -> anyhow::Result<&Journal> {
        self.journal.get().context("the run was not begun in the journal")
    }

    /// Somebody who goes on with this run, as others are told who holds a lock.
    #[must_use]
    pub fn holder_of(&self, run: &str) -> Holder {
        Holder { run: run.to_owned(), who: format!("{} on {}", self.began.who, self.began.host), since: Utc::now() }
    }

    /// This process, as others are told who holds a lock.
    #[must_use]
    pub fn holder(&self) -> Holder {
        self.holder_of(self.run())
    }

    /// The last run that changes, or changed, something in this environment there and did not come to an end.
    ///
    /// # Errors
    /// When the journals cannot be read; also where one is damaged and no other run is open, for it may be that one.
    pub fn open_run(&self, environment: &str, place: &str) -> anyhow::Result<Option<Run>> {
        let (runs, damaged) = self.folder()?.runs()?;
        let open = runs.into_iter().find(|run| run.is_of(environment, place) && run.is_open() && run.id != self.run());
        match damaged.into_iter().next() {
            Some(error) if open.is_none() => Err(error.context(
                "whether an earlier run died half-way is not known, for its journal cannot be read: look how the \
                 services stand, then move the journal away, and try again",
            )),
            _ => Ok(open),
        }
    }

    /// Whether the last process of a run is there; none where that cannot be seen from this host.
    #[must_use]
    pub fn is_alive(&self, run: &Run) -> Option<bool> {
        let Began { host, process, at, .. } = &run.latest;
        (*host == self.began.host).then(|| is_alive(*process, *at))
    }

    /// Begins the journal of a new run.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(&self) -> anyhow::Result<&Journal> {
        let journal = self.folder()?.begin(self.now())?;
        Ok(self.journal.get_or_init(|| journal))
    }

    /// Goes on with the journal of a run that died.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn go_on(&self, run: &str) -> anyhow::Result<&Journal> {
        let journal = self.folder()?.go_on(run, self.now())?;
        Ok(self.journal.get_or_init(|| journal))
    }

    /// Writes the end down, and adds to the finding where it is all written.
    pub(super) fn end(&self, finding: &mut Finding) -> Option<String> {
        let journal = self.journal.get()?;
        let outcome = serde_json::to_value(finding.outcome).ok();
        journal.end(Ended {
            at: Utc::now(),
            outcome: outcome.and_then(|outcome| outcome.as_str().map(str::to_owned)).unwrap_or_default(),
            message: finding.message.clone(),
            results: finding.details.get("results").cloned().unwrap_or(Value::Null),
        });
        finding.details.insert("run".to_owned(), journal.run().into());
        finding.details.insert("journal".to_owned(), journal.path().to_string_lossy().into());
        journal.trouble().map(|trouble| format!("the journal is not whole: {trouble}"))
    }

    fn now(&self) -> Began {
        Began { at: Utc::now(), ..self.began.clone() }
    }
}

impl Ledger for Keeper {
    fn run(&self) -> &str {
        self.journal.get().map(Journal::run).unwrap_or_default()
    }

    fn intent(&self, call: &str, about: Value) -> anyhow::Result<u64> {
        let journal = self.journal.get().context("a call was to be made before its run was written down")?;
        journal.intent(call, about)
    }

    fn answer(&self, call: u64, answer: Answer) {
        if let Some(journal) = self.journal.get() {
            journal.answer(call, answer);
        }
    }
}
