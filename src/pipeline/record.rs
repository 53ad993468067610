//! What a test came to, step by step.

use std::time::Duration;

use serde::Serialize;

use super::file::Step;
use super::secrets::Secrets;

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// What it is called: its name, or that of its module.
    pub name: String,
    /// The module.
    pub module: &'static str,
    /// Where it stands: `file:line:column`.
    pub place: String,
    /// Which part of the test it belongs to.
    pub part: Part,
    /// How many steps it is within.
    pub depth: usize,
    /// How it ended.
    pub state: StepState,
    /// Why, where it did not pass.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// More lines to that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// What came out, cut off where it is long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// When it began, in seconds from the test's beginning.
    #[serde(serialize_with = "seconds")]
    pub began: Duration,
    /// How long it took, in seconds.
    #[serde(serialize_with = "seconds")]
    pub took: Duration,
}

/// A part of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Its steps, and those of its includes.
    Steps,
    /// What collects evidence where it fails.
    Catch,
    /// Its clean-up.
    Finally,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// As it should.
    Passed,
    /// Otherwise.
    Failed,
    /// Otherwise, and nobody minds.
    Ignored,
    /// It was left out.
    Skipped,
    /// It was under way when the test was ended.
    CutOff,
}

impl Record {
    pub(super) fn begin(step: &Step, part: Part, depth: usize, began: Duration) -> Self {
        Self {
            name: String::new(),
            module: step.module.definition().name,
            place: step.place.to_string(),
            part,
            depth,
            state: StepState::CutOff,
            why: String::new(),
            details: Vec::new(),
            output: None,
            began,
            took: Duration::ZERO,
        }
    }
}

/// What a test came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tested {
    /// Its file.
    pub test: String,
    /// How it ended.
    pub state: TestState,
    /// Why, where it did not pass.
    pub why: String,
    /// More lines to that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// What its clean-up has left behind, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_behind: Vec<String>,
    /// Its steps.
    pub steps: Vec<Record>,
    /// When it began, in seconds from the run's beginning.
    #[serde(serialize_with = "seconds")]
    pub began: Duration,
    /// How long it took, in seconds.
    #[serde(serialize_with = "seconds")]
    pub took: Duration,
}

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TestState {
    /// All is as it should be.
    Passed,
    /// Something is not.
    Failed,
    /// What is tested could not be reached.
    Unreachable,
    /// It is to be left out.
    Skipped,
    /// Somebody interrupted it, or the run before it began.
    Interrupted,
}

impl Tested {
    /// A test of which no step was run.
    #[must_use]
    pub fn new(test: &str, state: TestState, why: &str) -> Self {
        Self {
            test: test.to_owned(),
            state,
            why: why.to_owned(),
            details: Vec::new(),
            left_behind: Vec::new(),
            steps: Vec::new(),
            began: Duration::ZERO,
            took: Duration::ZERO,
        }
    }

    /// Without the secrets.
    #[must_use]
    pub fn masked(mut self, secrets: &Secrets) -> Self {
        let all = |texts: &mut Vec<String>| texts.iter_mut().for_each(|text| secrets.mask(text));
        secrets.mask(&mut self.why);
        all(&mut self.details);
        all(&mut self.left_behind);
        for step in &mut self.steps {
            secrets.mask(&mut step.name);
            secrets.mask(&mut step.why);
            all(&mut step.details);
            step.output.iter_mut().for_each(|text| secrets.mask(text));
        }
        self
    }
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1000.0).round() / 1000.0)
}
