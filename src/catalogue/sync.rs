//! `sync`: writes what is derived, or compares it with what stands there.
//!
//! Only what the tool wrote itself is ever removed, which the first line says, and of that only what git has, so that it
//! can be had again. A link is never followed on the way to it: what it leads to may be anybody's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use similar::{ChangeTag, TextDiff};

use super::git::Repository;
use super::parts::{has_parts, renew};
use super::render::render;
use super::{Toolkit, entries};
use crate::action::report::{Cell, Table, Tone};
use crate::words::counted;

/// Stands in the first line of every file that is wholly derived.
pub const NOTICE: &str = "`firebreak sync`";

/// A file that does not stand as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// The file, below the toolkit's folder.
    pub path: PathBuf,
    /// What it holds; none where it is missing.
    pub old: Option<String>,
    /// What it should hold; none where it should be gone.
    pub new: Option<String>,
}

/// A file in which a person wrote where it cannot be derived anew: its marked parts are not those that are derived, or
/// it does not say that it is derived.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct Unmarked {
    /// The file, below the toolkit's folder.
    pub path: PathBuf,
    /// What is wrong, and what to do.
    pub why: String,
}

/// What stands there, held against what is derived.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// The files that are to be written or removed.
    pub stale: Vec<Stale>,
    /// The files that a person's words stand in the way of.
    pub unmarked: Vec<Unmarked>,
    /// What nothing derives any more, and git does not have: it is left alone.
    pub orphans: Vec<PathBuf>,
}

impl Comparison {
    /// The same, where nothing stands in the way.
    ///
    /// # Errors
    /// The first of the files in which a person wrote.
    pub fn unhindered(mut self) -> Result<Self, Unmarked> {
        if self.unmarked.is_empty() { Ok(self) } else { Err(self.unmarked.swap_remove(0)) }
    }
}

/// The files that do not stand as the usage texts say, and are to be written or removed.
///
/// # Errors
/// Where a template or a file with marked parts is wrong, or a file cannot be read.
pub fn stale(toolkit: &Toolkit) -> anyhow::Result<Vec<Stale>> {
    Ok(compare(toolkit)?.unhindered()?.stale)
}

/// Holds what stands there against what is derived.
///
/// # Errors
/// Where a template is wrong, or a file cannot be read.
pub fn compare(toolkit: &Toolkit) -> anyhow::Result<Comparison> {
    let Comparison { mut stale, mut unmarked, .. } = Comparison::default();
    let derived = render(toolkit)?;
    for file in &derived {
        let path = toolkit.root.join(&file.path);
        let old = if path.exists() {
            Some(std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", file.path.display()))?)
        } else {
            None
        };
        let new = match &old {
            Some(old) if has_parts(&file.text) => match renew(old, &file.text) {
                Ok(text) => text,
                Err(why) => {
                    unmarked.push(Unmarked { path: file.path.clone(), why });
                    continue;
                }
            },
            Some(old) if is_derived(&file.text) && !is_derived(old) => {
                let why = format!(
                    "it was written by hand, and would be overwritten: move it away, or write '{}' above its first line",
                    first_line(&file.text)
                );
                unmarked.push(Unmarked { path: file.path.clone(), why });
                continue;
            }
            _ => file.text.clone(),
        };
        if old.as_ref() != Some(&new) {
            stale.push(Stale { path: file.path.clone(), old, new: Some(new) });
        }
    }
    let mut left = Vec::new();
    for folder in ["roles", "playbooks", "share", "jenkins", "collection"] {
        for path in derived_below(&toolkit.root.join(folder))? {
            let shown = path.strip_prefix(&toolkit.root).unwrap_or(&path);
            if !derived.iter().any(|file| file.path == shown) {
                left.push(shown.to_owned());
            }
        }
    }
    let saved = saved(&toolkit.root, &left);
    let (gone, orphans): (Vec<_>, Vec<_>) = left.into_iter().partition(|path| saved.contains(path));
    stale.extend(gone.into_iter().map(|path| {
        let old = std::fs::read_to_string(toolkit.root.join(&path)).ok();
        Stale { path, old, new: None }
    }));
    Ok(Comparison { stale, unmarked, orphans })
}

/// Those of these files that git has. None, where there is no git or no repository.
fn saved(root: &Path, files: &[PathBuf]) -> BTreeSet<PathBuf> {
    if files.is_empty() {
        return BTreeSet::new();
    }
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    Repository::of(root).and_then(|git| git.tracked(&files)).unwrap_or_default()
}

/// Makes every one of these files stand as it should; where one cannot be written, all stand as before.
///
/// # Errors
/// When one cannot be written or removed.
pub fn fix(root: &Path, stale: &[Stale]) -> anyhow::Result<()> {
    for (index, file) in stale.iter().enumerate() {
        if let Err(error) = leave(root, &file.path, file.new.as_deref()) {
            for file in &stale[..=index] {
                let _ = leave(root, &file.path, file.old.as_deref());
            }
            return Err(error).with_context(|| format!("failed to write {}", file.path.display()));
        }
    }
    Ok(())
}

/// Leaves a file with this text, or no file, and no empty folder of a role where it was.
///
/// # Errors
/// When it cannot be written or removed.
pub fn leave(root: &Path, path: &Path, text: Option<&str>) -> std::io::Result<()> {
    let full = root.join(path);
    if let Some(text) = text {
        full.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        return std::fs::write(&full, text);
    }
    let removed = std::fs::remove_file(&full);
    for folder in path.ancestors().skip(1).filter(|folder| folder.components().count() > 1) {
        let _ = std::fs::remove_dir(root.join(folder));
    }
    removed
}

/// The difference as people read it: what stands there, and what should. A whole file is not shown, only counted.
#[must_use]
pub fn difference(file: &Stale) -> Table {
    let (old, new) = (file.old.as_deref().unwrap_or_default(), file.new.as_deref().unwrap_or_default());
    let lines_of = |text: &str| counted(text.lines().count(), "line");
    if file.old.is_none() {
        return Table::lines([Cell::new(
            Tone::Good,
            format!("+++ {} (missing: {})", file.path.display(), lines_of(new)),
        )]);
    }
    if file.new.is_none() {
        return Table::lines([Cell::new(
            Tone::Bad,
            format!("--- {} (should be gone: {})", file.path.display(), lines_of(old)),
        )]);
    }
    let diff = TextDiff::from_lines(old, new);
    let mut lines = vec![
        Cell::new(Tone::Bad, format!("--- {}", file.path.display())),
        Cell::new(Tone::Good, format!("+++ {}", file.path.display())),
    ];
    for hunk in diff.unified_diff().context_radius(2).iter_hunks() {
        lines.push(Cell::new(Tone::Quiet, hunk.header().to_string().trim_end()));
        for change in hunk.iter_changes() {
            let (sign, tone) = match change.tag() {
                ChangeTag::Delete => ("-", Tone::Bad),
                ChangeTag::Insert => ("+", Tone::Good),
                ChangeTag::Equal => (" ", Tone::Plain),
            };
            lines.push(Cell::new(tone, format!("{sign}{}", change.value().trim_end_matches('\n'))));
        }
    }
    Table::lines(lines)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Whether the first line of a text says that it is derived.
fn is_derived(text: &str) -> bool {
    ["Derived", NOTICE].iter().all(|words| first_line(text).contains(words))
}

/// What is derived in the folder `files`. The rest of it is copied to hosts: programs, large and not ours to read.
const IN_FILES: [&str; 2] = ["launch.py", ".gitignore"];

/// The files below a folder whose first line says that they are derived. What is behind a link is not below it.
fn derived_below(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let kind = |path: &Path| path.symlink_metadata().map(|it| it.file_type());
    if !kind(folder).is_ok_and(|kind| kind.is_dir()) {
        return Ok(found);
    }
    let says_so = |path: &Path| std::fs::read_to_string(path).is_ok_and(|text| is_derived(&text));
    let in_files = folder.ends_with("files");
    for path in entries(folder)? {
        let is_ours = !in_files || IN_FILES.iter().any(|name| path.ends_with(name));
        match kind(&path) {
            Ok(kind) if kind.is_dir() && !in_files => found.extend(derived_below(&path)?),
            Ok(kind) if kind.is_file() && is_ours && says_so(&path) => found.push(path),
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DERIVED: &str = "# Derived from src/bin/mend.rs by `firebreak sync`.\nmend\n";

    /// A toolkit of one role, of which one file is derived.
    fn toolkit(files: &[(&str, &str)]) -> (tempfile::TempDir, Toolkit) {
        let folder = tempfile::tempdir().expect("a folder");
        let usage = "const USAGE: &str = \"Mend.\n\nUsage:\n  mend get\n  mend run\n\";";
        let template = "# Derived from << role.source >> by `firebreak sync`.\n<< role.name >>\n";
        let own = [("src/bin/mend.rs", usage), ("templates/roles/ROLE/defaults/main.yml", template)];
        std::fs::create_dir(folder.path().join("roles")).expect("a folder");
        for (path, text) in own.iter().chain(files) {
            leave(folder.path(), Path::new(path), Some(text)).expect("a file");
        }
        let toolkit = Toolkit::open(folder.path()).expect("a toolkit");
        (folder, toolkit)
    }

    #[test]
    fn what_a_person_wrote_is_not_overwritten() {
        let path = "roles/mend/defaults/main.yml";
        for text in ["---\nmine: 1\n", "# See `firebreak sync`.\n", ""] {
            let (_folder, toolkit) = toolkit(&[(path, text)]);
            assert_eq!(
                stale(&toolkit).expect_err("a refusal").to_string(),
                "roles/mend/defaults/main.yml: it was written by hand, and would be overwritten: move it away, or write \
                 '# Derived from src/bin/mend.rs by `firebreak sync`.' above its first line"
            );
        }
        let old = DERIVED.replace("mend\n", "old\n");
        let (_folder, toolkit) = toolkit(&[(path, &old)]);
        assert_eq!(
            stale(&toolkit).expect("what is stale"),
            [Stale { path: path.into(), old: Some(old), new: Some(DERIVED.to_owned()) }]
        );
    }

    #[test]
    fn only_what_says_that_it_was_derived_is_left_over() {
        let (_folder, toolkit) = toolkit(&[
            ("roles/mend/defaults/main.yml", DERIVED),
            ("roles/gone/files/.gitignore", DERIVED),
            ("roles/gone/files/launch.py", DERIVED),
            ("roles/gone/files/program", DERIVED),
            ("roles/gone/notes.md", "Call `firebreak sync`.\n"),
            ("roles/gone/tasks/get.yml", DERIVED),
        ]);
        let comparison = compare(&toolkit).expect("a comparison");
        let expected =
            ["files/.gitignore", "files/launch.py", "tasks/get.yml"].map(|name| format!("roles/gone/{name}"));
        // There is no git here, so none of it could be had again.
        assert_eq!(comparison.orphans, expected.map(PathBuf::from));
        assert_eq!(comparison.stale, []);
    }
}
