//! The look: which tests there are, what they need, and all that is wrong with them.

use std::path::Path;

use serde_json::json;

use super::WORDS;
use super::arguments::Arguments;
use super::setup::{Found, Setup, is_of, set_up};
use crate::action::context::Context;
use crate::action::report::{Cell, Finding, Outcome, Table, Tone};
use crate::words::counted;

/// Looks, and runs nothing.
///
/// # Errors
/// When a test is not there, or the inventory cannot be read.
pub fn get(arguments: &Arguments, context: &Context) -> anyhow::Result<Finding> {
    let setup = set_up(arguments, context)?;
    for (run, tests) in cut_off(context, &setup.folder) {
        context.watch.warn(&format!("run {run} was cut off: the clean-up of {} may not be done", tests.join(", ")));
    }
    let wrong = |found: &Found| found.wrong.len() + found.unknown.len();
    let bad: Vec<&Found> = setup.tests.iter().filter(|found| wrong(found) > 0).collect();
    if !bad.is_empty() {
        let count = bad.iter().map(|found| wrong(found)).sum();
        return Ok(refusal(&setup, count));
    }
    let mut finding =
        Finding::new(Outcome::Done, format!("{}, and nothing is wrong with them", WORDS.count(setup.tests.len())));
    if setup.tests.is_empty() {
        (finding.outcome, finding.message) = (Outcome::NotJudged, "there are no tests".to_owned());
    }
    finding.tables = vec![tests(&setup)];
    Ok(finding.with("tests", listed(&setup)))
}

/// What is said where files are wrong: all of it.
pub(super) fn refusal(setup: &Setup, count: usize) -> Finding {
    let problems = || setup.tests.iter().flat_map(|found| found.wrong.iter().chain(&found.unknown));
    let message = format!("{} in {}", counted(count, "mistake"), counted(bad(setup), "test"));
    let mut lines: Vec<String> = Vec::new();
    for line in problems().map(|problem| setup.secrets.masked(problem.to_string())) {
        // What several tests include is wrong only once.
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let list = problems().map(|problem| {
        json!({
            "file": &*problem.place.file, "line": problem.place.line, "column": problem.place.column,
            "what": setup.secrets.masked(problem.what.clone()),
        })
    });
    let list: Vec<_> = list.collect();
    let mut finding = Finding::new(Outcome::Usage, message).with("problems", list).with("tests", listed(setup));
    finding.tables = vec![Table::lines(lines.into_iter().map(|line| Cell::new(Tone::Bad, line)))];
    finding
}

fn bad(setup: &Setup) -> usize {
    setup.tests.iter().filter(|found| found.test.is_none()).count()
}

fn listed(setup: &Setup) -> serde_json::Value {
    let test = |found: &Found| match &found.test {
        Some(test) => {
            let includes: Vec<&str> = test.includes.iter().map(|include| &*include.test.file).collect();
            json!({ "test": found.file, "steps": test.steps.len(), "needs": test.needs(), "includes": includes })
        }
        None => json!({ "test": found.file, "mistakes": found.wrong.len() + found.unknown.len() }),
    };
    setup.tests.iter().map(test).collect()
}

fn tests(setup: &Setup) -> Table {
    let row = |found: &Found| {
        let test = found.test.as_ref()?;
        let includes: Vec<&str> = test.includes.iter().map(|include| &*include.test.file).collect();
        let needs: Vec<&str> = test.needs().into_iter().collect();
        Some(vec![
            found.file.as_str().into(),
            test.steps.len().to_string().into(),
            needs.join(", ").into(),
            includes.join(", ").into(),
        ])
    };
    let head = ["test", "steps", "needs", "includes"].map(str::to_owned).to_vec();
    Table { head, rows: setup.tests.iter().filter_map(row).collect(), ..Table::default() }
}

/// Runs in this folder that died, with the tests that were under way then. What cannot be read is not known, and no reason not to look.
fn cut_off(context: &Context, folder: &Path) -> Vec<(String, Vec<String>)> {
    let Ok((runs, _)) = context.journal.folder().and_then(crate::journal::Folder::runs) else { return Vec::new() };
    let ours = runs.into_iter().filter(|run| is_of(run, context, folder));
    // What a later run brought to its end is no news.
    let is_cut_off =
        |run: &crate::journal::Run| run.ended.is_none() || run.calls.iter().any(|call| call.answer.is_none());
    let died = ours.take_while(is_cut_off).filter(|run| context.journal.is_alive(run) == Some(false));
    let tests = |run: crate::journal::Run| {
        let open = run.calls.iter().filter(|call| call.answer.is_none());
        let names: Vec<String> = open.filter_map(|call| Some(call.about["test"].as_str()?.to_owned())).collect();
        (!names.is_empty()).then_some((run.id, names))
    };
    died.filter_map(tests).collect()
}
