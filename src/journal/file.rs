//! The file of one run, while it is written: each line is on the disk before anything else happens.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use chrono::Utc;
use rustix::fs::{FallocateFlags, fallocate};
use serde_json::Value;

use super::Ledger;
use super::line::{self, FIRST};
use super::record::{Answer, Began, Counts, Ended, ItemState, Kind, Planned, Record, State, Subject};

/// What is kept free on the disk for the lines to come, in bytes: a few hundred calls.
const RESERVE: u64 = 64 << 10;

/// The journal of a run that is under way. Its clones write to the same file.
#[derive(Debug, Clone)]
pub struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    run: String,
    path: PathBuf,
    page: Mutex<Page>,
}

#[derive(Debug)]
struct Page {
    file: File,
    /// The checksum of its last line.
    sum: String,
    /// The bytes of its whole lines.
    length: u64,
    /// The number of the last intent.
    calls: u64,
    state: Option<State>,
    place: Option<String>,
    kind: Option<Kind>,
    /// This process came to its end.
    over: bool,
    /// The first line that could not be written, and was not to stop anything.
    trouble: Option<String>,
}

/// What a run is about to do, as its journal keeps it.
#[derive(Debug, Clone)]
pub struct Intention<'a> {
    /// How it acts.
    pub kind: Kind,
    /// Where, without credentials.
    pub place: &'a str,
    /// To what end: `back to 2026-11-20`.
    pub purpose: &'a str,
    /// What is changed; empty for a batch.
    pub subjects: Vec<Subject>,
    /// The plan, as its action reads it.
    pub plan: Value,
}

impl<'a> Intention<'a> {
    /// To change a set there, of which nothing but the plan is known.
    #[must_use]
    pub fn of_set(place: &'a str, plan: Value) -> Self {
        Self { kind: Kind::Set, place, purpose: "", subjects: Vec::new(), plan }
    }
}

impl Journal {
    /// Begins the journal of a new run in a file that is not there yet.
    ///
    /// # Errors
    /// When the file is there, or cannot be written.
    pub(super) fn create(path: PathBuf, run: String, began: Began) -> anyhow::Result<Self> {
        let what =
            || format!("failed to write the journal '{}' (--journal=<dir> names another folder)", path.display());
        let folder = path.parent().unwrap_or(Path::new("."));
        // It gets its name with its first line: whoever reads the folder finds no run without a beginning.
        let new = tempfile::Builder::new().append(true).tempfile_in(folder).with_context(what)?;
        let file = new.as_file().try_clone().with_context(what)?;
        let mut page = Page::new(file, FIRST.to_owned(), 0);
        page.append(&[Record::Began(began)]).with_context(what)?;
        new.persist_noclobber(&path).with_context(what)?;
        File::open(folder).and_then(|folder| folder.sync_all()).with_context(what)?;
        Ok(Self(Arc::new(Inner { run, path, page: Mutex::new(page) })))
    }

    /// Goes on with the journal of a run that died; what was torn is cut off.
    ///
    /// # Errors
    /// When the file cannot be read or written, or is damaged.
    pub(super) fn go_on(path: PathBuf, run: String, began: Began) -> anyhow::Result<Self> {
        let what = || format!("failed to go on with the journal '{}'", path.display());
        let bytes = std::fs::read(&path).with_context(what)?;
        let lines = line::read(&bytes).with_context(what)?;
        let file = OpenOptions::new().append(true).open(&path).with_context(what)?;
        file.set_len(lines.length as u64).with_context(what)?;
        let mut page = Page::new(file, lines.sum, lines.length as u64);
        for record in &lines.records {
            match record {
                // On a full disk an answer may be there without its intent.
                Record::Intent { number, .. } | Record::Answer { number, .. } => page.calls = page.calls.max(*number),
                Record::State { state, .. } => page.state = Some(*state),
                Record::Planned(planned) => (page.place, page.kind) = (Some(planned.place.clone()), planned.kind),
                _ => {}
            }
        }
        // Where the disk is full already it can still be taken back.
        let _ = page.reserve(0);
        let journal = Self(Arc::new(Inner { run, path, page: Mutex::new(page) }));
        journal.write(&Record::Began(began))?;
        Ok(journal)
    }

    /// The id of the run.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.0.run
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The state that it is in.
    #[must_use]
    pub fn state(&self) -> Option<State> {
        self.page().state
    }

    /// Writes down what is to be done, as the state that follows from it, and gives the plan's id.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn plan(&self, intention: Intention<'_>) -> anyhow::Result<String> {
        let Intention { kind, place, purpose, subjects, plan } = intention;
        let (id, place, purpose) = (id(&plan), place.to_owned(), purpose.to_owned());
        {
            let mut page = self.page();
            (page.place, page.kind) = (Some(place.clone()), Some(kind));
        }
        let planned = Planned { at: Utc::now(), id: id.clone(), place, kind: Some(kind), purpose, subjects, plan };
        self.write(&Record::Planned(planned))?;
        self.enter(State::Planned)?;
        Ok(id)
    }

    /// Writes down that a state begins.
    ///
    /// # Errors
    /// When it cannot be written; never once something is taken back, nor for an end: the run must go on.
    ///
    /// # Panics
    /// When the state cannot follow the one before.
    pub fn enter(&self, state: State) -> anyhow::Result<()> {
        {
            let mut page = self.page();
            let follows = page.state.map_or(state == State::Planned, |before| before.leads_to(state));
            assert!(follows, "a run does not go from {:?} to {state:?}", page.state);
            page.state = Some(state);
        }
        self.write(&Record::State { at: Utc::now(), state })
    }

    /// Writes down the end of this process.
    pub fn end(&self, ended: Ended) {
        let ended = {
            let mut page = self.page();
            page.over = true;
            Ended { state: page.state, place: page.place.clone(), kind: page.kind, ..ended }
        };
        let _ = self.write(&Record::Ended(ended));
        // What was reserved and not needed is given back.
        let page = self.page();
        let _ = page.file.set_len(page.length);
    }

    /// Writes down how far a batch has come, and which of its items need somebody: all in one go.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn count(
        &self,
        counts: Counts,
        items: impl IntoIterator<Item = (String, ItemState, String)>,
    ) -> anyhow::Result<()> {
        let at = Utc::now();
        let items = items.into_iter().map(|(item, end, why)| Record::Item { at, item, end, why });
        let records: Vec<_> = items.chain([Record::Counted { at, counts }]).collect();
        self.write_all(&records)
    }

    /// The first line that could not be written and stopped nothing, with the reason.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.page().trouble.clone()
    }

    fn write(&self, record: &Record) -> anyhow::Result<()> {
        self.write_all(std::slice::from_ref(record))
    }

    fn write_all(&self, records: &[Record]) -> anyhow::Result<()> {
        let mut page = self.page();
        let written = page.append(records);
        match written.with_context(|| format!("failed to write the journal '{}'", self.0.path.display())) {
            Err(error) if page.is_lenient() => {
                page.trouble.get_or_insert_with(|| format!("{error:#}"));
                Ok(())
            }
            written => written,
        }
    }

    fn page(&self) -> MutexGuard<'_, Page> {
        self.0.page.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The id of a plan: equal plans have equal ones.
fn id(plan: &Value) -> String {
    line::digest(&plan.to_string(), 6)
}

impl Page {
    fn new(file: File, sum: String, length: u64) -> Self {
        Self { file, sum, length, calls: 0, state: None, place: None, kind: None, over: false, trouble: None }
    }

    /// Whether a line that cannot be written stops nothing: what is looked at or taken back does not wait for a disk,
    /// what is changed does.
    fn is_lenient(&self) -> bool {
        let is_lenient = |state: State| matches!(state, State::Verifying | State::GoingBack) || state.is_end();
        self.over || self.state.is_some_and(is_lenient)
    }

    /// The lines are written whole, or not at all as far as that can be had.
    fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let (mut text, mut sum) = (String::new(), self.sum.clone());
        for record in records {
            let (line, next) = line::line(record, &sum);
            text.push_str(&line);
            sum = next;
        }
        let is_open = self.state.is_some_and(State::is_open);
        let reserved = if self.is_lenient() || is_open { Ok(()) } else { self.reserve(text.len() as u64) };
        let written = reserved.and_then(|()| {
            self.file.write_all(text.as_bytes())?;
            self.file.sync_data()
        });
        if written.is_err() {
            // Half a line in the middle would make all that follows unreadable.
            self.file.set_len(self.length)?;
            return written;
        }
        self.sum = sum;
        self.length += text.len() as u64;
        Ok(())
    }

    /// A disk that is full is found out before something is changed; what was reserved until then lasts to the end.
    fn reserve(&self, coming: u64) -> io::Result<()> {
        match fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, self.length + coming + RESERVE) {
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Ledger for Journal {
    fn run(&self) -> &str {
        &self.0.run
    }

    fn intent(&self, call: &str, about: Value) -> anyhow::Result<u64> {
        let number = {
            let mut page = self.page();
            page.calls += 1;
            page.calls
        };
        self.write(&Record::Intent { at: Utc::now(), number, call: call.to_owned(), about })?;
        Ok(number)
    }

    fn answer(&self, call: u64, answer: Answer) {
        let record = Record::Answer { at: Utc::now(), number: call, answer };
        if let Err(error) = self.write(&record) {
            self.page().trouble.get_or_insert_with(|| format!("{error:#}"));
        }
    }
}
