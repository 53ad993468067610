//! The results as a page: one file that asks nobody for anything and runs nothing, to be sent around and read on a phone.

use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

use crate::pipeline::WORDS;
use crate::pipeline::record::{Part, Record, StepState, TestState, Tested};

/// Whose text it is, with its style.
const TEMPLATE: &str = include_str!("page.html");

/// A bar is never narrower than this share of its line, in percent: what took no time is to be seen as well.
const NARROWEST: f64 = 0.4;

/// How many of the tests that ran beside one are named.
const NAMED: usize = 5;

/// The page, of results in which secrets are masked already.
///
/// # Errors
/// When it cannot be rendered, which is a defect.
pub fn page(tested: &[Tested], started: DateTime<Utc>) -> anyhow::Result<String> {
    let mut jinja = Environment::new();
    jinja.set_undefined_behavior(UndefinedBehavior::Strict);
    jinja.set_auto_escape_callback(|_| AutoEscape::Html);
    let lines = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    jinja.set_syntax(lines.context("failed to set up the report's template")?);
    let page = jinja.render_str(TEMPLATE, Serde(Page::of(tested, started)));
    page.context("failed to render the report as a page")
}

#[derive(Serialize)]
struct Page {
    title: String,
    started: String,
    took: String,
    /// How many tests came to what, without what none came to.
    counts: Vec<(&'static str, &'static str, usize)>,
    /// The ends of quarters of the run.
    ticks: Vec<String>,
    lanes: Vec<Vec<Bar>>,
    tests: Vec<Test>,
    version: &'static str,
}

/// A stretch of time on a line, in percent of it.
#[derive(Serialize)]
struct Bar {
    from: String,
    width: String,
    number: usize,
    name: String,
    state: &'static str,
    said: String,
}

#[derive(Serialize)]
struct Test {
    number: usize,
    name: String,
    state: &'static str,
    said: &'static str,
    why: String,
    details: Vec<Line>,
    left_behind: Vec<String>,
    took: String,
    began: String,
    /// Those that ran at the same time.
    beside: String,
    parts: Vec<Section>,
}

/// A part of a test.
#[derive(Serialize)]
struct Section {
    title: &'static str,
    steps: Vec<Step>,
    /// Whether they are to be seen without a click.
    is_open: bool,
}

#[derive(Serialize)]
struct Step {
    name: String,
    module: &'static str,
    place: String,
    depth: usize,
    state: &'static str,
    said: &'static str,
    took: String,
    bar: Bar,
    why: String,
    details: Vec<Line>,
    output: String,
    /// Whether the output is a document of its own.
    is_long: bool,
}

/// A line of what is otherwise: what is missing, what is too much, or anything else.
#[derive(Serialize)]
struct Line {
    kind: &'static str,
    text: String,
}

impl Page {
    fn of(tested: &[Tested], started: DateTime<Utc>) -> Self {
        let end = tested.iter().map(|test| test.began + test.took).max().unwrap_or_default();
        let states =
            [TestState::Passed, TestState::Failed, TestState::Unreachable, TestState::Interrupted, TestState::Skipped];
        let count = |state| tested.iter().filter(|test| test.state == state).count();
        let counts = states.map(|state| (of_test(state).0, of_test(state).1, count(state)));
        let title = counts.iter().find(|(.., count)| *count == tested.len()).filter(|_| !tested.is_empty());
        let title = match title {
            Some((_, said, count)) => format!("{}: all {said}", WORDS.count(*count)),
            None => format!("{}: {} did not pass", WORDS.count(tested.len()), unwell(tested)),
        };
        Self {
            title,
            started: started.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
            took: seconds(end),
            counts: counts.into_iter().filter(|(.., count)| *count > 0).collect(),
            ticks: (1..=4).map(|quarter| seconds(end * quarter / 4)).collect(),
            lanes: lanes(tested, end),
            tests: tested.iter().enumerate().map(|(at, test)| Test::of(tested, at, test)).collect(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

impl Test {
    fn of(tested: &[Tested], at: usize, test: &Tested) -> Self {
        let (state, said) = of_test(test.state);
        let parts = [
            (Part::Steps, "Steps", !is_well(test.state)),
            (Part::Catch, "Evidence (catch)", true),
            (Part::Finally, "Clean-up (finally)", !test.left_behind.is_empty()),
        ];
        let parts = parts.into_iter().map(|(part, title, is_open)| {
            let steps = test.steps.iter().filter(|record| record.part == part);
            Section { title, steps: steps.map(|record| Step::of(record, at + 1, test.took)).collect(), is_open }
        });
        Self {
            number: at + 1,
            name: test.test.clone(),
            state,
            said,
            why: test.why.clone(),
            details: lines(&test.details),
            left_behind: test.left_behind.clone(),
            took: seconds(test.took),
            began: seconds(test.began),
            beside: beside(tested, at),
            parts: parts.filter(|part| !part.steps.is_empty()).collect(),
        }
    }
}

impl Step {
    fn of(record: &Record, number: usize, whole: Duration) -> Self {
        let (state, said) = match record.state {
            StepState::Passed => ("good", "passed"),
            StepState::Failed => ("bad", "failed"),
            StepState::Ignored => ("quiet", "failed, ignored"),
            StepState::Skipped => ("quiet", "left out"),
            StepState::CutOff => ("bad", "cut off"),
        };
        let output = record.output.clone().unwrap_or_default();
        Self {
            name: record.name.clone(),
            module: record.module,
            place: record.place.clone(),
            depth: record.depth.min(8),
            state,
            said,
            took: seconds(record.took),
            bar: Bar::of((record.began, record.took), whole, number, &record.name, (state, said)),
            why: record.why.clone(),
            details: lines(&record.details),
            is_long: record.part == Part::Catch || output.contains('\n'),
            output,
        }
    }
}

impl Bar {
    fn of(
        (began, took): (Duration, Duration),
        whole: Duration,
        number: usize,
        name: &str,
        (state, said): (&'static str, &str),
    ) -> Self {
        let percent = |part: Duration| 100.0 * part.as_secs_f64() / whole.as_secs_f64().max(f64::MIN_POSITIVE);
        let width = percent(took).clamp(NARROWEST, 100.0);
        let from = percent(began).clamp(0.0, 100.0 - width);
        Self {
            from: format!("{from:.3}"),
            width: format!("{width:.3}"),
            number,
            name: name.to_owned(),
            state,
            said: format!("{name}: {said}, {} from {}", seconds(took), seconds(began)),
        }
    }
}

/// The tests that ran, each on the first line that is free by then: those on different lines at one place ran beside one another.
fn lanes(tested: &[Tested], end: Duration) -> Vec<Vec<Bar>> {
    let mut ran: Vec<(usize, &Tested)> = (1..).zip(tested).filter(|(_, test)| has_run(test)).collect();
    ran.sort_by_key(|(_, test)| test.began);
    let mut lanes: Vec<(Duration, Vec<Bar>)> = Vec::new();
    for (number, test) in ran {
        let at = lanes.iter().position(|(free, _)| *free <= test.began).unwrap_or_else(|| {
            lanes.push((Duration::ZERO, Vec::new()));
            lanes.len() - 1
        });
        lanes[at].0 = test.began + test.took;
        lanes[at].1.push(Bar::of((test.began, test.took), end, number, &test.test, of_test(test.state)));
    }
    lanes.into_iter().map(|(_, bars)| bars).collect()
}

/// The names of those that ran while this one did.
fn beside(tested: &[Tested], at: usize) -> String {
    let this = &tested[at];
    if !has_run(this) {
        return String::new();
    }
    let meets = |other: &Tested| {
        has_run(other) && other.began < this.began + this.took && this.began < other.began + other.took
    };
    let others = tested.iter().enumerate().filter(|(place, other)| *place != at && meets(other));
    let names: Vec<&str> = others.map(|(_, other)| other.test.as_str()).collect();
    let more = names.len().saturating_sub(NAMED);
    let first = names[..names.len() - more].join(", ");
    if more > 0 { format!("{first} and {more} more") } else { first }
}

fn has_run(test: &Tested) -> bool {
    test.state != TestState::Skipped && !test.took.is_zero()
}

fn is_well(state: TestState) -> bool {
    matches!(state, TestState::Passed | TestState::Skipped)
}

fn unwell(tested: &[Tested]) -> usize {
    tested.iter().filter(|test| !is_well(test.state)).count()
}

/// How a test's end looks, and what is said of it.
fn of_test(state: TestState) -> (&'static str, &'static str) {
    match state {
        TestState::Passed => ("good", "passed"),
        TestState::Failed => ("bad", "failed"),
        TestState::Unreachable => ("unsure", "unreachable"),
        TestState::Interrupted => ("unsure", "interrupted"),
        TestState::Skipped => ("quiet", "left out"),
    }
}

fn lines(details: &[String]) -> Vec<Line> {
    let line = |text: &String| {
        let kinds = ["missing", "unexpected"];
        let kind = kinds.into_iter().find(|kind| text.starts_with(&format!("{kind}: "))).unwrap_or_default();
        Line { kind, text: text.clone() }
    };
    details.iter().map(line).collect()
}

/// A time as people read it.
fn seconds(duration: Duration) -> String {
    match duration.as_secs_f64() {
        short if short < 10.0 => format!("{short:.3} s"),
        middle if middle < 120.0 => format!("{middle:.1} s"),
        _ => format!("{} min {:02} s", duration.as_secs() / 60, duration.as_secs() % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(name: &str, began: u64, took: u64) -> Tested {
        let [began, took] = [began, took].map(Duration::from_millis);
        Tested { began, took, ..Tested::new(name, TestState::Passed, "") }
    }

    #[test]
    fn those_that_ran_at_the_same_time_stand_on_lines_of_their_own() {
        let tests = [test("a", 0, 100), test("b", 10, 40), test("c", 50, 50), test("d", 100, 100), test("e", 0, 0)];
        let lanes = lanes(&tests, Duration::from_millis(200));
        let shown: Vec<Vec<_>> = lanes
            .iter()
            .map(|bars| bars.iter().map(|bar| (bar.name.as_str(), bar.from.as_str(), bar.width.as_str())).collect())
            .collect();
        let expected = [
            vec![("a", "0.000", "50.000"), ("d", "50.000", "50.000")],
            vec![("b", "5.000", "20.000"), ("c", "25.000", "25.000")],
        ];
        assert_eq!(shown, expected);
        assert_eq!([beside(&tests, 0), beside(&tests, 3), beside(&tests, 4)], ["b, c", "", ""]);
        let many: Vec<Tested> = (0..9).map(|at| test(&at.to_string(), 0, 10)).collect();
        assert_eq!(beside(&many, 0), "1, 2, 3, 4, 5 and 3 more");
    }

    #[test]
    fn a_text_of_a_test_is_no_part_of_the_page() {
        let mut bad = test("<b>.yaml", 0, 10);
        bad.state = TestState::Failed;
        bad.why = "<script>alert(1)</script>".to_owned();
        bad.details = vec!["missing: a=\"<i>\"".to_owned()];
        let page = page(&[bad], DateTime::UNIX_EPOCH).expect("a page");
        for text in ["<script", "<b>", "<i>"] {
            assert!(!page.contains(text), "{text}");
        }
        assert!(page.contains("&lt;b&gt;.yaml") && page.contains("1970-01-01 00:00:00 UTC"), "{page}");
    }

    #[test]
    fn a_time_is_told_as_people_read_it() {
        let told = |millis: u64| seconds(Duration::from_millis(millis));
        assert_eq!([told(7), told(12_345), told(125_900)], ["0.007 s", "12.3 s", "2 min 05 s"]);
    }
}
