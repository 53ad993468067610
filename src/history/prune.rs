//! `firebreak history --prune`: old journals go; never that of a run without an end, nor the last of a place.

use std::collections::BTreeSet;

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};

use super::{environment, shown};
use crate::action::arguments::UsageError;
use crate::action::consent::{Consent, Proposal};
use crate::action::context::Context;
use crate::action::report::{Finding, Outcome, Table};
use crate::journal::{Folder, Run};
use crate::words::counted;

/// An age: `90d`, `12w`.
pub fn age(text: &str) -> Result<TimeDelta, UsageError> {
    let count =
        |unit: char| text.strip_suffix(unit).and_then(|count| count.parse::<i64>().ok()).filter(|count| *count > 0);
    let age = match (count('d'), count('w')) {
        (Some(days), _) => TimeDelta::try_days(days),
        (_, Some(weeks)) => TimeDelta::try_weeks(weeks),
        _ => None,
    };
    age.filter(|age| age.num_days() <= 36_500).ok_or_else(|| {
        UsageError(format!("--prune cannot be '{text}': it is a number of days or weeks, as in 90d or 12w"))
    })
}

/// Removes the journals of runs that ended longer ago than that.
///
/// # Errors
/// When the folder cannot be read, the terminal fails, or a journal cannot be removed.
pub async fn prune(folder: &Folder, age: TimeDelta, consent: Consent, context: &Context) -> anyhow::Result<Finding> {
    let (runs, unreadable) = folder.summaries()?;
    for error in &unreadable {
        context.watch.warn(&format!("it is kept, for {error}"));
    }
    let old = old(&runs, context.started - age);
    let count = counted(old.len(), "run");
    let rest = format!("of {} in '{}'", runs.len() + unreadable.len(), folder.path().display());
    if old.is_empty() {
        return Ok(Finding::new(Outcome::NothingToDo, format!("no run {rest} is that old and may go: nothing to do")));
    }
    let row = |run: &&Run| {
        let what = format!("{} {}", run.began.action, run.began.command);
        vec![
            run.id.as_str().into(),
            shown(run.began.at).into(),
            what.into(),
            environment(run).unwrap_or_default().into(),
        ]
    };
    let head = ["run", "when", "action", "environment"].map(str::to_owned).to_vec();
    let plan = Table { title: String::new(), head, rows: old.iter().map(row).collect(), legend: Vec::new() };
    let proposal = Proposal { plan, what: format!("{count} to nothing"), place: format!(", {rest}"), word: None };
    if let Some(finding) = consent.confirm(&proposal, &*context.operator).await? {
        return Ok(finding);
    }
    for run in &old {
        std::fs::remove_file(&run.path).with_context(|| format!("failed to remove '{}'", run.path.display()))?;
    }
    let ids: Vec<_> = old.iter().map(|run| run.id.as_str()).collect();
    let mut finding = Finding::new(Outcome::Done, format!("{count} {rest} removed")).with("removed", ids);
    finding.changed = true;
    Ok(finding)
}

/// The runs that may go, of all, the newest first: those that ended before `limit`, less the last of each place.
fn old(runs: &[Run], limit: DateTime<Utc>) -> Vec<&Run> {
    let mut places = BTreeSet::new();
    let mut old = Vec::new();
    for run in runs {
        let is_last = places.insert((&run.began.action, &run.began.environment, &run.place));
        let has_ended = run.ended.as_ref().is_some_and(|ended| ended.at < limit) && !run.is_open();
        if has_ended && !is_last {
            old.push(run);
        }
    }
    old
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::journal::record::{Began, Ended};
    use crate::journal::{Folder, Intention, State};

    #[test]
    fn an_age_is_days_or_weeks() {
        assert_eq!((age("90d"), age("2w")), (Ok(TimeDelta::days(90)), Ok(TimeDelta::days(14))));
        for text in ["", "d", "0d", "-1d", "9", "1m", "99999999999d", "1.5d"] {
            let message = format!("--prune cannot be '{text}': it is a number of days or weeks, as in 90d or 12w");
            assert_eq!(age(text), Err(UsageError(message)));
        }
    }

    fn run(folder: &Path, environment: &str, place: &str, days: i64, ends: Option<State>) {
        let at = DateTime::UNIX_EPOCH + TimeDelta::days(days);
        let began = Began { at, environment: environment.to_owned(), ..Began::default() };
        let journal = Folder::new(folder).begin(began).expect("a journal");
        journal.plan(Intention::of_set(place, serde_json::Value::Null)).expect("a plan");
        for state in [State::Locked, State::Applying].into_iter().chain(ends) {
            journal.enter(state).expect("a state");
        }
        if ends.is_some() {
            journal.end(Ended { at, ..Ended::default() });
        }
    }

    #[test]
    fn neither_a_run_without_an_end_nor_the_last_of_a_place_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = |environment, place, days, ends| run(folder.path(), environment, place, days, ends);
        run("dev", "here", 1, Some(State::Done)); // 1: goes
        run("dev", "here", 2, None); // 2: died
        run("dev", "there", 3, Some(State::Done)); // 3: the last of its place
        run("prod", "here", 4, Some(State::Done)); // 4: the last of its environment
        run("dev", "here", 5, Some(State::Unchanged)); // 5: goes
        run("dev", "here", 6, Some(State::Done)); // 6: the last
        run("stage", "here", 50, Some(State::Done)); // 7: too young
        run("stage", "here", 51, Some(State::Done)); // 8: the last
        let (runs, _) = Folder::new(folder.path()).summaries().expect("the runs");
        let went: Vec<_> =
            old(&runs, DateTime::UNIX_EPOCH + TimeDelta::days(30)).iter().map(|run| run.number()).collect();
        assert_eq!(went, [5, 1]);
    }
}
