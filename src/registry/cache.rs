//! What is remembered of a repository from one run to the next.
//!
//! What a digest names is remembered by it, since those bytes never change. What a tag pointed at is remembered too, but believed only where the registry's tags are declared immutable; otherwise it only tells that a HEAD is
//! likely to be enough.
//!
//! One file for each repository, replaced as a whole. Of two programs that write at once the later one wins, after it
//! has taken over what the other wrote; at worst something is asked for once more. Deleting the folder is always safe.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::dating::Found;
use super::digest;
use crate::watch::Watch;

/// Changes with the meaning of the file: one of another version is not read. The first one trusted annotations alone.
const VERSION: u32 = 3;

/// What is remembered of one repository.
#[derive(Debug, Default)]
pub(super) struct Memory {
    file: Option<PathBuf>,
    content: Content,
    changed: bool,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    version: u32,
    registry: String,
    repository: String,
    /// The digest that each tag pointed at when it was last looked at.
    tags: BTreeMap<String, String>,
    /// What each digest names.
    found: BTreeMap<String, Found>,
}

impl Memory {
    /// Reads what is remembered. A file that cannot be read or is of no use is as good as none, and warned of.
    pub(super) fn load(folder: Option<&Path>, registry: &str, repository: &str, watch: &dyn Watch) -> Self {
        let key = digest::of(format!("{registry}\n{repository}").as_bytes()).replace("sha256:", "");
        let file = folder.map(|folder| folder.join(key + ".json"));
        let nothing = Content {
            version: VERSION,
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            ..Content::default()
        };
        let content = match file.as_deref().map(read) {
            Some(Ok(Some(content))) if content.is_about(&nothing) => content,
            Some(Err(error)) => {
                watch.warn(&format!("what was remembered of repository '{repository}' is of no use: {error:#}"));
                nothing
            }
            _ => nothing,
        };
        Self { file, content, changed: false }
    }

    /// The digest that a tag pointed at.
    pub(super) fn tag(&self, tag: &str) -> Option<&str> {
        self.content.tags.get(tag).map(String::as_str)
    }

    /// What a digest names.
    pub(super) fn found(&self, digest: &str) -> Option<Found> {
        self.content.found.get(digest).cloned()
    }

    /// Remembers where a tag points, and what that is.
    pub(super) fn learn(&mut self, tag: &str, digest: &str, found: &Found) {
        let moved = self.content.tags.insert(tag.to_owned(), digest.to_owned()).as_deref() != Some(digest);
        let new = self.content.found.insert(digest.to_owned(), found.clone()).as_ref() != Some(found);
        self.changed |= moved || new;
    }

    /// Forgets the tags that the repository no longer has, and what no tag leads to.
    pub(super) fn keep_only(&mut self, tags: &[String]) {
        let before = self.content.tags.len() + self.content.found.len();
        let tags: HashSet<&str> = tags.iter().map(String::as_str).collect();
        self.content.tags.retain(|tag, _| tags.contains(tag.as_str()));
        self.content.drop_the_loose();
        self.changed |= before != self.content.tags.len() + self.content.found.len();
    }

    /// Writes what changed. `listed`: all the tags of the repository, if they were listed to the end.
    pub(super) fn save(&mut self, listed: Option<&[String]>, watch: &dyn Watch) {
        if let Some(listed) = listed {
            self.keep_only(listed);
        }
        let Some(file) = self.file.clone().filter(|_| self.changed) else { return };
        if let Ok(Some(other)) = read(&file)
            && other.is_about(&self.content)
        {
            self.content.take_over(other);
            if let Some(listed) = listed {
                self.keep_only(listed);
            }
        }
        match write(&file, &self.content) {
            Ok(()) => self.changed = false,
            Err(error) => {
                let repository = &self.content.repository;
                watch.warn(&format!("the dates of repository '{repository}' are not remembered: {error:#}"));
            }
        }
    }
}

impl Content {
    fn is_about(&self, other: &Self) -> bool {
        (self.version, &self.registry, &self.repository) == (other.version, &other.registry, &other.repository)
    }

    /// Adds what another program learned in the meantime; where both know something, ours is as good.
    fn take_over(&mut self, other: Self) {
        for (tag, digest) in other.tags {
            self.tags.entry(tag).or_insert(digest);
        }
        for (digest, found) in other.found {
            self.found.entry(digest).or_insert(found);
        }
    }

    fn drop_the_loose(&mut self) {
        let used: HashSet<&String> = self.tags.values().collect();
        self.found.retain(|digest, _| used.contains(digest));
    }
}

fn read(file: &Path) -> anyhow::Result<Option<Content>> {
    let name = file.display();
    let text = match std::fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.with_context(|| format!("failed to read {name}"))?,
    };
    let document: Value = serde_json::from_slice(&text).with_context(|| format!("failed to understand {name}"))?;
    if document["version"] != VERSION {
        return Ok(None);
    }
    Ok(Some(serde_json::from_value(document).with_context(|| format!("failed to understand {name}"))?))
}

/// Whole or not at all: a reader sees the old file or the new one.
fn write(file: &Path, content: &Content) -> anyhow::Result<()> {
    let name = file.display();
    let folder = file.parent().unwrap_or(Path::new("."));
    let text = serde_json::to_vec(content).with_context(|| format!("failed to write {name}"))?;
    std::fs::create_dir_all(folder).with_context(|| format!("failed to make the folder {}", folder.display()))?;
    let mut draft = tempfile::NamedTempFile::new_in(folder).with_context(|| format!("failed to write {name}"))?;
    io::Write::write_all(&mut draft, &text).with_context(|| format!("failed to write {name}"))?;
    draft.persist(file).with_context(|| format!("failed to write {name}"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::registry::dates::Dates;
    use crate::registry::{DateSource, MissingDate};
    use crate::watch::Progress;

    #[derive(Default)]
    struct Warnings(Mutex<Vec<String>>);

    impl Watch for Warnings {
        fn at(&self, _subject: &str, _progress: &Progress) {}

        fn warn(&self, message: &str) {
            self.0.lock().unwrap().push(message.to_owned());
        }
    }

    fn date(day: u32) -> Found {
        Found::Image(Dates::read(Some(&format!("2026-11-{day:02}T08:00:00.5Z")), DateSource::Config))
    }

    fn tags(tags: &[&str]) -> Vec<String> {
        tags.iter().map(|tag| (*tag).to_owned()).collect()
    }

    #[test]
    fn what_is_saved_is_loaded_for_this_repository_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let (place, watch) = (Some(folder.path()), Warnings::default());
        let mut memory = Memory::load(place, "r", "billing", &watch);
        memory.learn("1-develop", "sha256:a", &date(20));
        memory.learn("2-develop", "sha256:b", &Found::Image(Dates::none(MissingDate::Absent)));
        let chart = Found::Other { kind: "a/chart".to_owned() };
        memory.learn("3-develop", "sha256:c", &chart);
        memory.save(None, &watch);
        let again = Memory::load(place, "r", "billing", &watch);
        assert_eq!(again.content, memory.content);
        assert_eq!((again.tag("1-develop"), again.found("sha256:a")), (Some("sha256:a"), Some(date(20))));
        assert_eq!(again.found("sha256:b"), Some(Found::Image(Dates::none(MissingDate::Absent))));
        assert_eq!(again.found("sha256:c"), Some(chart));
        for (registry, repository) in [("other", "billing"), ("r", "web")] {
            assert_eq!(Memory::load(place, registry, repository, &watch).tag("1-develop"), None);
        }
        assert!(watch.0.lock().unwrap().is_empty());
    }

    #[test]
    fn two_writers_lose_nothing_and_what_is_gone_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let (place, watch) = (Some(folder.path()), Warnings::default());
        let mut one = Memory::load(place, "r", "billing", &watch);
        let mut other = Memory::load(place, "r", "billing", &watch);
        one.learn("1", "sha256:a", &date(20));
        one.learn("gone", "sha256:c", &date(22));
        one.save(None, &watch);
        other.learn("2", "sha256:b", &date(21));
        other.save(Some(&tags(&["1", "2"])), &watch);
        let both = Memory::load(place, "r", "billing", &watch);
        assert_eq!(both.content.tags.keys().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(both.content.found.keys().collect::<Vec<_>>(), ["sha256:a", "sha256:b"]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_broken_file_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let (place, watch) = (Some(folder.path()), Warnings::default());
        let mut memory = Memory::load(place, "r", "billing", &watch);
        memory.learn("1", "sha256:a", &date(20));
        memory.save(None, &watch);
        let file = memory.file.clone().unwrap();
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        assert_eq!(Memory::load(place, "r", "billing", &watch).tag("1"), None);
        let warnings = watch.0.lock().unwrap().clone();
        assert_eq!(warnings.len(), 1);
        let expected = format!(
            "what was remembered of repository 'billing' is of no use: failed to understand {}",
            file.display()
        );
        assert!(warnings[0].starts_with(&expected), "{warnings:?}");
        memory.learn("2", "sha256:b", &date(21));
        memory.save(None, &watch);
        assert_eq!(Memory::load(place, "r", "billing", &watch).tag("2"), Some("sha256:b"));
    }

    #[test]
    fn what_an_earlier_version_wrote_is_not_trusted_and_not_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let (place, watch) = (Some(folder.path()), Warnings::default());
        let file = Memory::load(place, "r", "billing", &watch).file.unwrap();
        let old = r#"{"version":1,"registry":"r","repository":"billing","tags":{"1":"sha256:a"},
            "dates":{"sha256:a":{"date":["2026-11-02T08:00:00Z","annotation"]}}}"#;
        std::fs::write(&file, old).unwrap();
        let mut memory = Memory::load(place, "r", "billing", &watch);
        assert_eq!((memory.tag("1"), memory.found("sha256:a")), (None, None));
        memory.learn("1", "sha256:a", &date(27));
        memory.save(None, &watch);
        assert_eq!(Memory::load(place, "r", "billing", &watch).found("sha256:a"), Some(date(27)));
        assert!(watch.0.lock().unwrap().is_empty());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let watch = Warnings::default();
        let mut memory = Memory::load(Some(&file), "r", "billing", &Warnings::default());
        memory.learn("1", "sha256:a", &date(20));
        memory.save(None, &watch);
        let warnings = watch.0.lock().unwrap();
        assert!(warnings[0].starts_with("the dates of repository 'billing' are not remembered: "), "{warnings:?}");
    }
}
