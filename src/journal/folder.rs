//! The folder of all journals: `<id>.journal` for each run, and the locks of their environments.

use std::cmp::Reverse;
use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

use super::file::Journal;
use super::line;
use super::lock::{Holder, Lock, LockError};
use super::record::Began;
use super::run::{Run, Unreadable, number};

/// What the file of a run is called at its end.
const EXTENSION: &str = "journal";

/// Where else a run may be written down, and who may read that.
pub const ELSEWHERE: [&str; 2] = [
    "Each user has journals of their own, in ~/.local/state/firebreak, that only this user and root can read.",
    "A run of a button or of Ansible is in those of the user that it runs as: become that user, or give --journal=<dir>.",
];

/// A folder of journals. It need not be there before the first run.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at a path.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Begins the journal of a new run. Its number is one more than the highest there, so the order of the runs does not
    /// hang on the clock.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(&self, began: Began) -> anyhow::Result<Journal> {
        self.make()?;
        let highest = self.ids()?.iter().map(|id| number(id)).max().unwrap_or(0);
        let run = format!("{}-{}", highest + 1, letters(&began));
        Journal::create(self.path_of(&run), run, began)
    }

    /// Goes on with the journal of a run that died. The caller holds the lock of its environment.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn go_on(&self, run: &str, began: Began) -> anyhow::Result<Journal> {
        Journal::go_on(self.path_of(run), run.to_owned(), began)
    }

    /// Every run, the newest first, and those that cannot be read.
    ///
    /// # Errors
    /// When the folder cannot be read. One that is not there has no runs.
    pub fn runs(&self) -> anyhow::Result<(Vec<Run>, Vec<Unreadable>)> {
        self.each(Run::read)
    }

    /// The same by the ends of their journals alone: for who shows them, not for who acts by them.
    ///
    /// # Errors
    /// When the folder cannot be read. One that is not there has no runs.
    pub fn summaries(&self) -> anyhow::Result<(Vec<Run>, Vec<Unreadable>)> {
        self.each(Run::summary)
    }

    fn each(&self, read: impl Fn(&Path) -> Result<Run, Unreadable>) -> anyhow::Result<(Vec<Run>, Vec<Unreadable>)> {
        let (mut runs, mut unreadable) = (Vec::new(), Vec::new());
        for id in self.ids()? {
            match read(&self.path_of(&id)) {
                Ok(run) => runs.push(run),
                Err(error) => unreadable.push(error),
            }
        }
        runs.sort_by_key(|run| Reverse((run.number(), run.began.at)));
        Ok((runs, unreadable))
    }

    /// The run of an id, or of its number alone.
    ///
    /// # Errors
    /// When there is none, more than one, or it cannot be read.
    pub fn run(&self, id: &str) -> anyhow::Result<Run> {
        Ok(Run::read(&self.journal(id)?)?)
    }

    /// The file of the run of an id, or of its number alone.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn journal(&self, id: &str) -> anyhow::Result<PathBuf> {
        let ids = self.ids()?;
        let fits = |known: &&String| *known == id || known.split('-').next() == Some(id);
        let found: Vec<_> = ids.iter().filter(fits).collect();
        match found[..] {
            [id] => Ok(self.path_of(id)),
            [] => bail!(
                "there is no run '{id}' in '{}': `firebreak history` shows which there are. {}",
                self.0.display(),
                ELSEWHERE.join(" ")
            ),
            _ => {
                let found: Vec<_> = found.iter().map(|id| format!("'{id}'")).collect();
                bail!("'{id}' may be any of {}: give the whole id", found.join(", "))
            }
        }
    }

    /// Takes the lock of an environment on this host. The kernel releases it when the process ends, however it does.
    ///
    /// # Errors
    /// [`LockError::Held`] with who holds it since when; or the lock cannot be had at all.
    pub fn lock(&self, environment: &str, place: &str, holder: &Holder) -> Result<Lock, LockError> {
        self.make().map_err(LockError::Failed)?;
        Lock::take(&self.0, environment, place, holder)
    }

    fn make(&self) -> anyhow::Result<()> {
        let what = || {
            let folder = self.0.display();
            format!("failed to make the folder of the journals, '{folder}' (--journal=<dir> names another one)")
        };
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0).with_context(what)
    }

    fn path_of(&self, run: &str) -> PathBuf {
        self.0.join(format!("{run}.{EXTENSION}"))
    }

    fn ids(&self) -> anyhow::Result<Vec<String>> {
        let what = || format!("failed to read the folder of the journals, '{}'", self.0.display());
        let entries = match std::fs::read_dir(&self.0) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(error).with_context(|| format!("{}: {}", what(), owner(&self.0)));
            }
            entries => entries.with_context(what)?,
        };
        let mut ids = Vec::new();
        for entry in entries {
            let entry = entry.with_context(what)?;
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                ensure!(
                    entry.file_type().is_ok_and(|kind| kind.is_file()) || path.is_file(),
                    "{}: '{}' is no file",
                    what(),
                    path.display()
                );
                ids.push(path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
            }
        }
        ids.sort_unstable_by_key(|id| number(id));
        Ok(ids)
    }
}

/// Who may read a folder that this user may not: whoever has it, or what it is in.
fn owner(folder: &Path) -> String {
    let known = folder.ancestors().find_map(|path| Some((path, path.metadata().ok()?)));
    let Some((path, known)) = known else { return "another user has it".to_owned() };
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let id = known.uid().to_string();
    let user =
        users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|user| user.get(2) == Some(&id.as_str()));
    let user = user.map_or_else(|| format!("with the id {id}"), |user| user[0].to_owned());
    format!("'{}' belongs to the user {user}: become that user, or root", path.display())
}

/// Six letters that tell this run from those of other hosts, and from one that begins at the same moment here.
fn letters(began: &Began) -> String {
    let Began { at, host, process, .. } = began;
    line::digest(&format!("{host} {process} {}", at.timestamp_nanos_opt().unwrap_or_default()), 3)
}
