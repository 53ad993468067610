//! The journal of this process: begun by the action when it knows that it acts, ended with its report. Every platform
//! writes its calls to it, and sends none that is not in it. A dry run has no journal: so it cannot write, whatever the
//! domain does.

use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::Context as _;
use chrono::Utc;
use serde_json::Value;

use super::consent::Consent;
use super::report::{Finding, Outcome};
use crate::journal::lock::Holder;
use crate::journal::record::{Began, Ended};
use crate::journal::{Answer, Folder, Journal, Ledger, Run, State};
use crate::process::is_alive;

/// Keeps the journal of this process.
#[derive(Debug)]
pub struct RunJournal {
    folder: Option<Folder>,
    began: Began,
    consent: Consent,
    journal: OnceLock<Journal>,
}

impl RunJournal {
    /// A run journal that writes to a folder once it is asked to; none where no folder is known. `consent` says whether
    /// there is an act that it could be of.
    #[must_use]
    pub fn new(folder: Option<PathBuf>, began: Began, consent: Consent) -> Self {
        Self { folder: folder.map(Folder::new), began, consent, journal: OnceLock::new() }
    }

    /// Whether this process may change anything: a dry run may not.
    #[must_use]
    pub fn may_begin(&self) -> bool {
        self.consent != Consent::Withheld
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

    /// The environment that it is about; empty for one that has none.
    #[must_use]
    pub fn environment(&self) -> &str {
        &self.began.environment
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
        let (runs, unreadable) = self.folder()?.runs()?;
        let ours = runs.into_iter().filter(|run| run.is_of(environment, place) && run.id != self.run());
        // What a later run brought to its end is not half done any more.
        let open = ours.take_while(|run| !run.is_done()).find(Run::is_open);
        match unreadable.first() {
            Some(journal) if open.is_none() => Err(journal.stops("whether an earlier run died half-way is not known")),
            _ => Ok(open),
        }
    }

    /// Whether the last process of a run is there; none where that cannot be seen from this host.
    #[must_use]
    pub fn is_alive(&self, run: &Run) -> Option<bool> {
        let Began { host, process, at, .. } = &run.latest;
        (*host == self.began.host).then(|| is_alive(*process, *at))
    }

    /// Begins the journal of a new run; a dry run has none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(&self) -> anyhow::Result<Option<&Journal>> {
        if !self.may_begin() {
            return Ok(None);
        }
        let journal = self.folder()?.begin(self.now())?;
        Ok(Some(self.journal.get_or_init(|| journal)))
    }

    /// Goes on with the journal of a run that died.
    ///
    /// # Errors
    /// When it cannot be read or written, and in a dry run.
    pub fn go_on(&self, run: &str) -> anyhow::Result<&Journal> {
        anyhow::ensure!(self.may_begin(), "a dry run does not go on with run {run}");
        let journal = self.folder()?.go_on(run, self.now())?;
        Ok(self.journal.get_or_init(|| journal))
    }

    /// What is to be said where this process leaves at once; none where it changed nothing.
    pub(super) fn died(&self) -> Option<String> {
        let journal = self.journal.get().filter(|journal| journal.state().is_some_and(State::is_open))?;
        let told = Run::read(journal.path()).map(|run| run.died());
        Some(told.unwrap_or_else(|error| format!("what it did is not known: {error:#}")))
    }

    /// What is to be said where this process leaves a judgement at once: whose clean-up was broken off; none where nothing was under way.
    pub(super) fn cut_off(&self) -> Option<Finding> {
        let run = Run::read(self.journal.get()?.path()).ok()?;
        let open = run.calls.iter().filter(|call| call.answer.is_none());
        let names: Vec<&str> =
            open.filter_map(|call| call.about.as_object()?.values().find_map(Value::as_str)).collect();
        let names = Some(names.join(", ")).filter(|names| !names.is_empty())?;
        let message = format!(
            "left at once: the clean-up of {names} was broken off, and what was made for that may be left behind"
        );
        let mut finding = Finding::new(Outcome::Interrupted, message);
        finding.changed = true;
        Some(finding)
    }

    /// Writes the end down, and adds to the finding where it is all written.
    pub(super) fn end(&self, finding: &mut Finding) -> Option<String> {
        let journal = self.journal.get()?;
        // To take a run back may be what was asked for; of the run it is said what became of it.
        let is_taken_back = finding.outcome == Outcome::Done && journal.state() == Some(State::Restored);
        let outcome = if is_taken_back { Outcome::Restored } else { finding.outcome };
        let outcome = serde_json::to_value(outcome).ok();
        journal.end(Ended {
            at: Utc::now(),
            outcome: outcome.and_then(|outcome| outcome.as_str().map(str::to_owned)).unwrap_or_default(),
            message: finding.message.clone(),
            results: finding.details.get("results").cloned().unwrap_or(Value::Null),
            ..Ended::default()
        });
        finding.details.insert("run".to_owned(), journal.run().into());
        finding.details.insert("journal".to_owned(), journal.path().to_string_lossy().into());
        journal.trouble().map(|trouble| format!("the journal of this run is incomplete: {trouble}"))
    }

    fn now(&self) -> Began {
        Began { at: Utc::now(), ..self.began.clone() }
    }
}

impl Ledger for RunJournal {
    fn run(&self) -> &str {
        self.journal.get().map(Journal::run).unwrap_or_default()
    }

    fn intent(&self, call: &str, about: Value) -> anyhow::Result<u64> {
        anyhow::ensure!(self.may_begin(), "this is a dry run, which writes nothing: '{call}' was not sent");
        let journal = self.journal.get().context("a call was to be made before its run was written down")?;
        journal.intent(call, about)
    }

    fn answer(&self, call: u64, answer: Answer) {
        if let Some(journal) = self.journal.get() {
            journal.answer(call, answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Intention;

    /// A run journal whose folder has a run of `dev` that died while it was applying, and the journal of that run.
    fn after_a_death(folder: &std::path::Path) -> (RunJournal, PathBuf) {
        let began = || Began { environment: "dev".to_owned(), ..Began::default() };
        let journal = Folder::new(folder).begin(began()).expect("a journal");
        journal.plan(Intention::of_set("there", Value::Null)).expect("a plan");
        for state in [State::Locked, State::Applying] {
            journal.enter(state).expect("a state");
        }
        (RunJournal::new(Some(folder.to_owned()), began(), Consent::Given), journal.path().to_owned())
    }

    #[test]
    fn a_run_that_died_is_open_until_a_later_one_is_done() {
        let folder = tempfile::tempdir().expect("a folder");
        let (run_journal, _) = after_a_death(folder.path());
        assert!(run_journal.open_run("dev", "there").expect("the journals").is_some());
        assert!(run_journal.open_run("dev", "elsewhere").expect("the journals").is_none());
        assert!(run_journal.open_run("prod", "there").expect("the journals").is_none());
        let later = run_journal.begin().expect("a folder").expect("a journal");
        later.plan(Intention::of_set("there", Value::Null)).expect("a plan");
        for state in [State::Locked, State::Applying, State::Verifying, State::Done] {
            assert!(
                run_journal.open_run("dev", "there").expect("the journals").is_some(),
                "its own run does not count"
            );
            later.enter(state).expect("a state");
        }
        let next = RunJournal::new(Some(folder.path().to_owned()), Began::default(), Consent::Given);
        assert!(next.open_run("dev", "there").expect("the journals").is_none());
    }

    #[test]
    fn a_dry_run_has_no_journal_and_nothing_can_be_written_in_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (_, died) = after_a_death(folder.path());
        let journals = || std::fs::read_dir(folder.path()).expect("a folder").count();
        let before = journals();
        let dry = RunJournal::new(Some(folder.path().to_owned()), Began::default(), Consent::Withheld);
        assert!(dry.begin().expect("no journal").is_none());
        let error = dry.intent("set", Value::Null).expect_err("a refusal").to_string();
        assert_eq!(error, "this is a dry run, which writes nothing: 'set' was not sent");
        let run = Run::read(&died).expect("a run").id;
        let error = dry.go_on(&run).expect_err("a refusal").to_string();
        assert_eq!(error, format!("a dry run does not go on with run {run}"));
        assert_eq!((journals(), dry.journal().is_err()), (before, true));
    }

    #[test]
    fn whether_a_run_is_open_cannot_be_known_of_a_damaged_journal_until_it_is_moved_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let (run_journal, journal) = after_a_death(&folder.path().join("ann's journals"));
        let text = std::fs::read_to_string(&journal).expect("the journal");
        std::fs::write(&journal, text.replacen("there", "where", 1)).expect("to damage it");
        let error = format!("{:#}", run_journal.open_run("dev", "there").expect_err("a refusal"));
        assert!(error.starts_with("whether an earlier run died half-way is not known: failed to read"), "{error}");
        assert!(error.contains(&*journal.to_string_lossy()) && error.contains("line 2"), "{error}");
        let command = error.split('`').nth(1).expect("a command");
        let words = shlex::split(command).expect("words for a shell");
        assert_eq!(words[..2], ["mv".to_owned(), journal.to_string_lossy().into_owned()]);
        std::fs::rename(&words[1], &words[2]).expect("to move it away");
        assert!(run_journal.open_run("dev", "there").expect("the journals").is_none());
    }
}
