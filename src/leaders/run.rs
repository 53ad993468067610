//! `run`: looks, plans, shows, asks, and moves the leadership.

use super::WORDS;
use super::arguments::Arguments;
use super::get::table;
use super::plan::{Plan, plan};
use crate::action::context::Context;
use crate::action::report::{Finding, Outcome};
use crate::action::runner::{Execution, Row, RunScope, SetPlan};
use crate::cluster::{Cluster, Move, Survey};
use crate::port::NoRemoteLock;

/// Moves the leadership to the named member, or to the best.
///
/// # Errors
/// When something is wrong before anything is written; all later ends are findings.
pub async fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<Finding> {
    context.journal.begin()?;
    let cluster = arguments.cluster(context)?;
    let max_lag = arguments.max_lag(&cluster.facts())?;
    let notifier = arguments.arg_standard.notifier()?;
    let place = place(&cluster);
    let scope = arguments.arg_standard.scope(&place, WORDS, &notifier, context)?;
    if let Some(refusal) = scope.refusal()? {
        return Ok(refusal);
    }
    let survey = cluster.survey().await?;
    let plan = plan(&survey, arguments.to(), max_lag, &cluster.facts())?;
    carry_out(scope, &cluster, &survey, plan, None).await
}

/// Who leads can be moved only by the one who leads, so a second run is refused by the cluster itself.
pub(super) fn place(cluster: &Cluster) -> NoRemoteLock {
    NoRemoteLock(cluster.address().to_owned())
}

/// Carries out a plan; `purpose` says to what end, if it is not to have another member lead.
pub(super) async fn carry_out(
    scope: RunScope<'_>,
    cluster: &Cluster,
    survey: &Survey,
    plan: Plan,
    purpose: Option<String>,
) -> anyhow::Result<Finding> {
    let about = |outcome: Outcome, message: String| {
        let mut finding = Finding::new(outcome, message);
        finding.tables = vec![table(survey, &cluster.facts())];
        finding.with("environment", scope.environment).with("platform", scope.place.address())
    };
    let (change, notes) = match plan {
        Plan::Already { leader, dangers } if dangers.is_empty() => {
            return Ok(about(Outcome::NothingToDo, format!("{leader} leads {} already: nothing to do", survey.name)));
        }
        Plan::Already { leader, dangers } => {
            let message =
                format!("{leader} leads {} already; but {}. Nothing was changed", survey.name, dangers.join("; "));
            return Ok(about(Outcome::Failed, message));
        }
        Plan::Refused(why) => {
            let message = format!("the leadership of {} is not moved: {why}. Nothing was changed", survey.name);
            return Ok(about(Outcome::Failed, message));
        }
        Plan::Move { change, notes } => (change, notes),
    };
    let plan = set_plan(&change, notes, purpose, &scope);
    let execution = Execution { scope, port: cluster, plan };
    let finding = execution.go(|| Finding::new(Outcome::NothingToDo, "nothing to do")).await?;
    Ok(with_gap(finding, cluster, &change))
}

fn set_plan(change: &Move, notes: Vec<String>, purpose: Option<String>, scope: &RunScope<'_>) -> SetPlan<Move> {
    let way = format!("from {} to {}", change.from.name, change.to.name);
    let purpose = purpose.unwrap_or_else(|| way.clone());
    let title = format!("The plan: {}, {purpose}", scope.name());
    let (who, place) = (&scope.context.who, scope.place.address());
    let announcement = format!("{who} moves the leadership of {} on {place} {way}", change.name);
    SetPlan::of(vec![Row::of(change.clone(), notes)], purpose, title, announcement, WORDS)
}

/// Adds what the move cost those who use the cluster.
pub(super) fn with_gap(mut finding: Finding, cluster: &Cluster, change: &Move) -> Finding {
    let Some(gap) = cluster.gap() else { return finding };
    if finding.outcome == Outcome::Done {
        let (from, to) = (&change.from.name, &change.to.name);
        let longest = gap.longest.as_millis();
        let how = &gap.measured;
        finding.message = format!(
            "{}: {from} to {to}. Nobody was served for {longest} ms at most (measured by {how})",
            finding.message
        );
        if !gap.is_over {
            finding.message += "; and nobody is served yet: look at the members by `get`";
        }
    }
    finding.with("gap", gap)
}
