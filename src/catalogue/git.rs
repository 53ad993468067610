//! git, asked of the toolkit's folder and of nothing else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::process;

/// With these git leads what it calls, a hook for one, to a repository, a folder and an index of its own choice: then the
/// folder that git is asked in would be taken for the top of a repository.
const LEADING: [&str; 7] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
];

/// The repository that holds a folder.
#[derive(Debug, Clone, Copy)]
pub struct Repository<'a> {
    folder: &'a Path,
}

impl<'a> Repository<'a> {
    /// The repository that holds `folder`.
    ///
    /// # Errors
    /// Where git is not there, or the folder is in no repository.
    pub fn of(folder: &'a Path) -> anyhow::Result<Self> {
        let repository = Self { folder };
        repository.read(&["--version"]).context("git is needed here: install it")?;
        repository
            .read(&["rev-parse", "--is-inside-work-tree"])
            .with_context(|| format!("'{}' is in no git repository", folder.display()))?;
        Ok(repository)
    }

    /// What git prints when it is called with these words in the folder.
    ///
    /// # Errors
    /// When it cannot be started, or fails.
    pub fn read(&self, words: &[&str]) -> anyhow::Result<String> {
        process::read_without(&LEADING, "git", words, self.folder)
    }

    /// Whether only the newest commits were cloned.
    #[must_use]
    pub fn is_shallow(&self) -> bool {
        self.read(&["rev-parse", "--is-shallow-repository"]).is_ok_and(|said| said.trim() == "true")
    }

    /// Those of these files that git has, so that one which is removed can be had again.
    ///
    /// # Errors
    /// When git fails.
    pub fn tracked(&self, files: &[&Path]) -> anyhow::Result<BTreeSet<PathBuf>> {
        self.listed(&["ls-files", "-z"], files)
    }

    /// The files below these that git does not have as they are: new ones, changed ones, and ignored ones.
    ///
    /// # Errors
    /// When git fails.
    pub fn unsaved(&self, files: &[&Path]) -> anyhow::Result<BTreeSet<PathBuf>> {
        let mut unsaved = self.listed(&["ls-files", "-z", "--others"], files)?;
        unsaved.extend(self.listed(&["diff", "--name-only", "--relative", "-z", "HEAD"], files)?);
        Ok(unsaved)
    }

    /// The paths that git lists of these files, or of what is below them.
    fn listed(&self, words: &[&str], files: &[&Path]) -> anyhow::Result<BTreeSet<PathBuf>> {
        if files.is_empty() {
            // Without a path git would list all.
            return Ok(BTreeSet::new());
        }
        let paths: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
        let words = ["--literal-pathspecs"].iter().chain(words).copied().chain(["--"]);
        let words: Vec<&str> = words.chain(paths.iter().map(String::as_str)).collect();
        let listed = self.read(&words)?;
        Ok(listed.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from).collect())
    }
}
