//! What an action found or did: one report, printed as a table for people or as JSON for programs, and the one table
//! of exit codes.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use super::arguments::UsageError;
pub use crate::journal::Who;
use crate::port::Unfit;

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did what was asked.
    Done,
    /// There was nothing to do.
    NothingToDo,
    /// It only planned, as `--check` asks.
    Planned,
    /// It failed, and nothing was changed.
    Failed,
    /// It failed, and all that it had changed was restored.
    Restored,
    /// The command line or a value was wrong.
    Usage,
    /// It failed, and something is neither at its target nor as before.
    NeedsOperator,
    /// Somebody said no, or nobody said yes.
    Declined,
    /// Somebody interrupted it; nothing was changed, or all was restored; of a batch, what is done stays done.
    Interrupted,
    /// What was to be judged is as it should be.
    Passed,
    /// What was to be judged is not as it should be.
    NotPassed,
    /// It could not be judged: what is needed for that is not there.
    NotJudged,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Done,
        Self::NothingToDo,
        Self::Planned,
        Self::Failed,
        Self::Restored,
        Self::Usage,
        Self::NeedsOperator,
        Self::Declined,
        Self::Interrupted,
        Self::Passed,
        Self::NotPassed,
        Self::NotJudged,
    ];

    /// The exit code that tells this outcome.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Done | Self::NothingToDo | Self::Planned | Self::Passed => 0,
            Self::Failed | Self::Restored | Self::NotPassed => 1,
            Self::Usage => 2,
            Self::NeedsOperator => 3,
            Self::Declined => 4,
            Self::NotJudged => 5,
            Self::Interrupted => 130,
        }
    }
}

/// What an action found or did.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The program.
    pub action: String,
    /// Its command.
    pub command: String,
    /// Whether it changed anything; for [`Outcome::Planned`] whether it would.
    pub changed: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// The outcome in one sentence, with what to do next where something is to be done.
    pub message: String,
    /// Who ran it.
    pub who: Who,
    /// When it began.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub finished: DateTime<Utc>,
    /// What was warned of meanwhile.
    pub warnings: Vec<String>,
    /// What a terminal would show above the message, for whoever passes it on to people: Ansible, Jenkins.
    pub text: String,
    /// What is particular to the action.
    #[serde(flatten)]
    pub details: Map<String, Value>,
    /// The same for people.
    #[serde(skip)]
    pub tables: Vec<Table>,
}

/// What an action hands back: the part of a [`Report`] that it knows.
#[derive(Debug, Clone)]
pub struct Finding {
    /// See [`Report::changed`].
    pub changed: bool,
    /// See [`Report::outcome`].
    pub outcome: Outcome,
    /// See [`Report::message`].
    pub message: String,
    /// See [`Report::details`].
    pub details: Map<String, Value>,
    /// See [`Report::tables`].
    pub tables: Vec<Table>,
}

impl Finding {
    /// A finding of an outcome and a sentence, without details.
    #[must_use]
    pub fn new(outcome: Outcome, message: impl Into<String>) -> Self {
        Self { changed: false, outcome, message: message.into(), details: Map::new(), tables: Vec::new() }
    }

    /// What an error that ended an action means for its outcome.
    #[must_use]
    pub fn of(error: &anyhow::Error) -> Self {
        let is_usage = error.is::<UsageError>() || error.is::<Unfit>();
        let outcome = if is_usage { Outcome::Usage } else { Outcome::Failed };
        Self::new(outcome, format!("{error:#}"))
    }

    /// Adds one of the details.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Serialize) -> Self {
        let value = serde_json::to_value(value).expect("the details of a report are plain data");
        self.details.insert(name.to_owned(), value);
        self
    }
}

/// A table for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// What stands above it.
    pub title: String,
    /// The columns' names; no line of their own where all are empty.
    pub head: Vec<String>,
    /// The rows, each as wide as the head.
    pub rows: Vec<Vec<Cell>>,
    /// What stands below it: what the marks mean.
    pub legend: Vec<String>,
}

impl Table {
    /// Lines as they are: a table of one column without a head.
    #[must_use]
    pub fn lines(lines: impl IntoIterator<Item = impl Into<Cell>>) -> Self {
        let rows = lines.into_iter().map(|line| vec![line.into()]).collect();
        Self { head: vec![String::new()], rows, ..Self::default() }
    }
}

/// A cell of a [`Table`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Its text; what colour says is said in the text as well.
    pub text: String,
    /// How it is shown on a terminal.
    pub tone: Tone,
}

/// How a cell is shown on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    Plain,
    /// Less important.
    Quiet,
    /// As it should be.
    Good,
    /// Something to look at.
    Bad,
}

impl Cell {
    /// A cell of this tone.
    #[must_use]
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { text: text.into(), tone }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(Tone::Plain, text)
    }
}
