//! A plan of changes as the runner needs it: rows that people see, and what of each is written.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::show::{plan_table, plan_values};
use super::vocabulary::Vocabulary;
use crate::action::report::Table;
use crate::journal::Run;
use crate::port::{Change, Standing};

/// One subject of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<C> {
    /// The subject, as people call it.
    pub subject: String,
    /// The subject, as its port calls it.
    pub id: String,
    /// What it is now.
    pub before: String,
    /// What it is to be.
    pub after: String,
    /// What the operator should know of it.
    pub notes: Vec<String>,
    /// What is written; none where the subject is at its target already.
    pub change: Option<C>,
}

impl<C: Change> Row<C> {
    /// The row of a change.
    #[must_use]
    pub fn of(change: C, notes: Vec<String>) -> Self {
        let (subject, id) = (change.subject().to_owned(), change.id().to_owned());
        Self { subject, id, before: change.before(), after: change.after().to_owned(), notes, change: Some(change) }
    }
}

/// A set of changes that is to be carried out.
#[derive(Debug, Clone)]
pub struct SetPlan<C> {
    /// One for each subject, in order; those that are at their target already as well.
    pub rows: Vec<Row<C>>,
    /// To what end: `back to 2026-11-20`.
    pub purpose: String,
    /// The plan for people.
    pub table: Table,
    /// What Slack is told at the beginning.
    pub announcement: String,
    /// What is said behind the outcome: ` (left as it is: billing-worker)`; may be empty.
    pub left: String,
    /// What the results say below, besides: what was left alone, and why.
    pub legend: Vec<String>,
    /// What the journal keeps; it has the members of [`Recorded`], and whatever the domain reads later.
    pub recorded: Value,
    /// What the report tells besides.
    pub details: Map<String, Value>,
}

impl<C: Change> SetPlan<C> {
    /// The changes that are to be written.
    #[must_use]
    pub fn changes(&self) -> Vec<C> {
        self.rows.iter().filter_map(|row| row.change.clone()).collect()
    }
}

impl<C: Change + Serialize> SetPlan<C> {
    /// A plan of which nothing is to be told besides its rows. `title` stands above them.
    #[must_use]
    pub fn of(rows: Vec<Row<C>>, purpose: String, title: String, announcement: String, words: Vocabulary) -> Self {
        let steps = rows.iter().filter_map(|row| row.change.as_ref()).map(|change| json!({ "change": change }));
        Self {
            table: plan_table(&rows, title, words),
            announcement,
            recorded: json!({ "purpose": purpose, "steps": steps.collect::<Vec<_>>() }),
            details: Map::from_iter([("steps".to_owned(), plan_values(&rows).into())]),
            left: String::new(),
            legend: Vec::new(),
            rows,
            purpose,
        }
    }
}

/// What the runner reads of a plan in the journal, to end a run that died.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded<C> {
    /// To what end: `back to 2026-11-20`.
    pub purpose: String,
    /// The changes, in order.
    pub steps: Vec<RecordedStep<C>>,
}

/// What was to become of one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedStep<C> {
    /// From what it was, to its target.
    pub change: C,
    /// Why the subject was not well before, if it was not.
    #[serde(default)]
    pub trouble: Option<String>,
}

impl<C: Change + for<'a> Deserialize<'a>> Recorded<C> {
    /// The plan of a run.
    ///
    /// # Errors
    /// When it is of another kind of changes, or was never made.
    pub fn read(run: &Run) -> anyhow::Result<Self> {
        let plan = run.planned.as_ref().map(|planned| planned.plan.clone()).unwrap_or_default();
        serde_json::from_value(plan).map_err(|error| {
            anyhow::anyhow!("the plan of run {} cannot be read: it is of another action or version ({error})", run.id)
        })
    }

    /// The changes.
    #[must_use]
    pub fn changes(&self) -> Vec<C> {
        self.steps.iter().map(|step| step.change.clone()).collect()
    }

    /// How the subjects stood before the run.
    #[must_use]
    pub fn initial(&self) -> Vec<Standing> {
        self.steps.iter().map(|step| Standing::Before { trouble: step.trouble.clone() }).collect()
    }
}
