//! What the tests came to: for people, as a page, for Jenkins, and for whoever reads TAP.

mod junit;
mod page;
mod tap;

use std::path::Path;

use anyhow::Context as _;

use super::WORDS;
use super::record::{Record, StepState, TestState, Tested};
use crate::action::report::{Cell, Finding, Outcome, Table, Tone};
use crate::action::runner::{Judged, Judgement, judged};

pub use junit::junit;
pub use page::page;
pub use tap::{bail_out, tap};

/// How many lines of what went wrong are shown of each test.
const SHOWN: usize = 40;

/// The end of a run.
#[must_use]
pub fn finding(tested: &[Tested], all_steps: bool, interrupted: bool) -> Finding {
    let results: Vec<Judged> = tested.iter().map(result).collect();
    let mut finding = judged(&results, WORDS);
    if tested.is_empty() {
        "there are no tests: nothing was judged".clone_into(&mut finding.message);
    }
    let skipped = tested.iter().filter(|test| test.state == TestState::Skipped).count();
    if skipped > 0 {
        finding.message.extend([format!("; {skipped} of those that passed left out, as they say")]);
    }
    let left: usize = tested.iter().map(|test| test.left_behind.len()).sum();
    if left > 0 {
        finding.message.extend([format!("; LEFT BEHIND: {left}, see above")]);
    }
    if interrupted {
        finding.outcome = Outcome::Interrupted;
        finding.message = format!("interrupted; {}", finding.message);
    }
    finding.changed = tested.iter().any(|test| !test.steps.is_empty());
    for test in tested {
        let mut lines = Vec::new();
        if all_steps {
            lines.extend(test.steps.iter().map(step));
        }
        lines.extend(test.details.iter().take(SHOWN).map(|line| Cell::new(Tone::Bad, format!("  {line}"))));
        if test.details.len() > SHOWN {
            lines.push(Cell::new(
                Tone::Quiet,
                format!("  … and {} more lines (--format=json)", test.details.len() - SHOWN),
            ));
        }
        lines.extend(test.left_behind.iter().map(|what| Cell::new(Tone::Bad, format!("  left behind: {what}"))));
        if !lines.is_empty() {
            lines.insert(0, Cell::new(Tone::Plain, format!("{}:", test.test)));
            // Before the table of all tests, which is the last one.
            finding.tables.insert(finding.tables.len().saturating_sub(1), Table::lines(lines));
        }
    }
    finding.with("tests", tested)
}

fn result(test: &Tested) -> Judged {
    let state = match test.state {
        TestState::Passed | TestState::Skipped => Judgement::Passed,
        TestState::Failed => Judgement::NotPassed,
        TestState::Unreachable | TestState::Interrupted => Judgement::NotJudged,
    };
    Judged { subject: test.test.clone(), state, detail: test.why.clone() }
}

/// A line for a step.
fn step(record: &Record) -> Cell {
    let (tone, state) = match record.state {
        StepState::Passed => (Tone::Good, "passed"),
        StepState::Failed => (Tone::Bad, "failed"),
        StepState::Ignored => (Tone::Quiet, "failed, ignored"),
        StepState::Skipped => (Tone::Quiet, "left out"),
        StepState::CutOff => (Tone::Bad, "cut off"),
    };
    let indent = "  ".repeat(record.depth + 1);
    let said = if record.why.is_empty() { record.output.as_deref().unwrap_or_default() } else { &record.why };
    let said = if said.is_empty() { String::new() } else { format!(": {}", said.replace('\n', " ")) };
    Cell::new(tone, format!("{indent}{} [{:.3} s] {state}{said}", record.name, record.took.as_secs_f64()))
}

/// Writes a file, with the folders on its way.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let what = || format!("the tests are through, and {} could not be written", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(what)?;
    }
    std::fs::write(path, text).with_context(what)
}
