//! The usage texts as they were at a revision of git, and `diff`, which holds today's against them.

use std::path::Path;

use serde_json::json;

use super::diff::{Level, compare};
use super::git::Repository;
use super::{Program, Toolkit};
use crate::action::arguments::UsageError;
use crate::action::report::{Cell, Finding, Outcome, Table, Tone};
use crate::process::Failed;

/// What changed since `revision`.
///
/// # Errors
/// Where git is not there, the toolkit is in no repository, or there is no such revision.
pub fn diff(toolkit: &Toolkit, revision: &str) -> anyhow::Result<Finding> {
    let (old, unread) = read(&toolkit.root, revision)?;
    let changes = compare(&old, &toolkit.programs);
    let count = |level| changes.iter().filter(|change| change.level == level).count();
    let breaking = count(Level::Breaking);
    let message = match changes.len() {
        0 => format!("the manuals say what they said at {revision}"),
        _ => format!(
            "since {revision}: {breaking} breaking, {} compatible, {} of wording",
            count(Level::Compatible),
            count(Level::Wording)
        ),
    };
    let outcome = match (breaking, changes.len()) {
        (0, 0) => Outcome::NothingToDo,
        (0, _) => Outcome::Done,
        _ => Outcome::Failed,
    };
    let rows = changes.iter().map(|change| {
        let (tone, word) = match change.level {
            Level::Breaking => (Tone::Bad, "breaking"),
            Level::Compatible => (Tone::Good, "compatible"),
            Level::Wording => (Tone::Quiet, "wording"),
        };
        vec![Cell::new(tone, word), change.program.as_str().into(), change.what.as_str().into()]
    });
    let head = ["", "program", "what changed"].map(str::to_owned).to_vec();
    let legend = unread.iter().map(|(path, why)| format!("not compared: {path} as it was at {revision}: {why}"));
    let mut finding = Finding::new(outcome, message)
        .with("revision", revision)
        .with("changes", &changes)
        .with("unread", unread.iter().map(|(path, why)| json!({"path": path, "why": why})).collect::<Vec<_>>());
    let table = Table { head, rows: rows.collect(), legend: legend.collect(), ..Table::default() };
    finding.tables = Some(table).filter(|it| !it.rows.is_empty() || !it.legend.is_empty()).into_iter().collect();
    Ok(finding)
}

type Unreadable = Vec<(String, String)>;

/// The programs at a revision, and the texts that cannot be read: each with why.
fn read(root: &Path, revision: &str) -> anyhow::Result<(Vec<Program>, Unreadable)> {
    let git = Repository::of(root)?;
    let commit = format!("{revision}^{{commit}}");
    let commit = git.read(&["rev-parse", "--verify", "--quiet", "--end-of-options", &commit]).map_err(|error| {
        // Of a revision that there is not it says nothing, since it is told to be quiet; of all else that is wrong it does.
        if !error.downcast_ref::<Failed>().is_some_and(|failed| failed.said.is_empty()) {
            return error.context(format!("failed to look for the revision '{revision}'"));
        }
        let hint = if git.is_shallow() {
            "this clone is shallow, and has only its newest commits: `git fetch --unshallow` brings the others"
        } else {
            "`git log --oneline` lists them"
        };
        UsageError(format!("there is no revision '{revision}' in this repository: {hint}")).into()
    })?;
    let commit = commit.trim();
    let listed = git.read(&["ls-tree", "-r", "-z", "--name-only", commit, "--", "src/bin", "roles"])?;
    let (mut programs, mut unread) = (Vec::new(), Vec::new());
    for path in listed.split('\0').filter(|path| is_text(path)) {
        let show = || git.read(&["show", &format!("{commit}:./{path}")]);
        match show().and_then(|text| Ok(Program::from_text(Path::new(path), text)?)) {
            Ok(program) => programs.extend(program),
            Err(error) => unread.push((path.to_owned(), format!("{error:#}"))),
        }
    }
    programs.sort_by(|one: &Program, other| one.name.cmp(&other.name));
    Ok((programs, unread))
}

/// Whether a usage text may stand there: `src/bin/x.rs`, `roles/x/usage.txt`.
fn is_text(path: &str) -> bool {
    match path.split('/').collect::<Vec<_>>()[..] {
        ["src", "bin", file] => Path::new(file).extension().is_some_and(|extension| extension == "rs"),
        ["roles", _, file] => file == "usage.txt",
        _ => false,
    }
}
