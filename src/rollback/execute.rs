//! What the runner is told of a rollback: its rows, its words, what its journal keeps.

use anyhow::Context as _;
use serde_json::Map;

use super::plan::{Plan, Step};
use super::recorded::Recorded;
use super::show::{announcement, left_out, plan_table, plan_values};
use crate::action::runner::{Row, RunScope, SetPlan, Vocabulary};
use crate::platform::Change;
use crate::platform::image::short;

/// What is rolled back, and what it is called.
pub const WORDS: Vocabulary = Vocabulary {
    one: "service",
    many: "services",
    row: "workload",
    value: "image",
    changed: "rolled back",
    well: "healthy",
    place: "platform",
    short,
};

/// A plan as the runner carries it out. `purpose` is to what end (`back to 2026-11-20`); `images` is said of the images
/// in the plan's title (`, with images of 'develop'`); `registry` is where they come from.
///
/// # Errors
/// When the plan cannot be written down.
pub fn set_plan(
    plan: &Plan,
    scope: &RunScope<'_>,
    purpose: &str,
    images: &str,
    registry: &str,
) -> anyhow::Result<SetPlan<Change>> {
    let title = format!("The plan: {} {purpose}{images}", scope.name());
    let recorded = Recorded::of(plan, purpose, registry);
    let mut details = Map::new();
    details.insert("steps".to_owned(), plan_values(plan).into());
    details.insert("left_out".to_owned(), plan.left_out.clone().into());
    details.insert("left".to_owned(), serde_json::to_value(&plan.left).context("the plan cannot be told")?);
    details.insert("notes".to_owned(), plan.notes.clone().into());
    Ok(SetPlan {
        rows: plan.steps.iter().map(row).collect(),
        purpose: purpose.to_owned(),
        table: plan_table(plan, title, scope.context.started),
        announcement: announcement(&scope.context.who, scope.environment, purpose, plan),
        left: left(plan),
        legend: left_out(plan).collect(),
        recorded: serde_json::to_value(recorded).context("the plan cannot be written down")?,
        details,
    })
}

/// What is said beside the outcome of those workloads that run images of the set, and are left as they are.
fn left(plan: &Plan) -> String {
    let mut names: Vec<&str> = plan.left.iter().map(|left| left.service.as_str()).collect();
    names.dedup();
    match &names[..] {
        [] => String::new(),
        [name] => format!(" (left as it is: {name})"),
        names => format!(" (left as they are: {})", names.join(", ")),
    }
}

fn row(step: &Step) -> Row<Change> {
    let row = Row::of(step.change.clone(), step.notes.clone());
    if step.unchanged { Row { change: None, ..row } } else { row }
}
