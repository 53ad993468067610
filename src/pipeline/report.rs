//! What the tests came to, for people, for programs and for Jenkins.

use std::path::Path;

use anyhow::Context as _;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::WORDS;
use super::record::{Record, StepState, TestState, Tested};
use crate::action::report::{Cell, Finding, Outcome, Table, Tone};
use crate::action::runner::{Judged, Judgement, judged};

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

/// The results as XML of `JUnit`: a case for each test.
///
/// # Errors
/// When it cannot be written as XML.
pub fn junit(tested: &[Tested]) -> anyhow::Result<String> {
    let mut suite = TestSuite::new("test_pipeline");
    for test in tested {
        let status = match test.state {
            TestState::Passed => TestCaseStatus::success(),
            TestState::Skipped => {
                let mut status = TestCaseStatus::skipped();
                status.set_message(test.why.as_str());
                status
            }
            TestState::Failed => failure(NonSuccessKind::Failure, "failed", test),
            TestState::Unreachable => failure(NonSuccessKind::Error, "unreachable", test),
            TestState::Interrupted => failure(NonSuccessKind::Error, "interrupted", test),
        };
        let mut case = TestCase::new(test.test.as_str(), status);
        let name = Path::new(&test.test).with_extension("");
        case.set_classname(name.to_string_lossy().replace('/', "."));
        case.set_time(test.took);
        let lines: Vec<String> = test.steps.iter().map(|record| step(record).text).collect();
        case.set_system_out(lines.join("\n"));
        suite.add_test_case(case);
    }
    let mut report = Report::new("test_pipeline");
    report.add_test_suite(suite);
    report.to_string().context("failed to write the results as JUnit XML")
}

fn failure(kind: NonSuccessKind, name: &str, test: &Tested) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(name).set_message(test.why.as_str());
    let lines = test.details.iter().cloned().chain(test.left_behind.iter().map(|what| format!("left behind: {what}")));
    status.set_description(lines.collect::<Vec<_>>().join("\n"));
    status
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
