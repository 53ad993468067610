//! `resume` and `undo`: what becomes of a run that died, and the way back from one that ended.

use super::WORDS;
use super::arguments::Arguments;
use super::plan::{Plan, plan};
use super::run::{carry_out, place, with_gap};
use crate::action::context::Context;
use crate::action::report::Finding;
use crate::action::runner::{Found, Recorded, Recovery, UNDOES, end_run};
use crate::cluster::{Facts, Move, Survey};
use crate::journal::Run;
use crate::port::Unfit;

/// Ends a run that died, or moves the leadership back to who had it before a run that came to its end.
///
/// # Errors
/// When something is wrong before anything is written; all later ends are findings.
pub async fn again(arguments: &Arguments, recovery: Recovery, context: &Context) -> anyhow::Result<Finding> {
    let cluster = arguments.cluster(context)?;
    let notifier = arguments.arg_standard.notifier()?;
    let place = place(&cluster);
    let scope = arguments.arg_standard.scope(&place, WORDS, &notifier, context)?;
    let run = match recovery.find(arguments.earlier(), &scope).await? {
        Found::Nothing(finding) => return Ok(*finding),
        Found::Died(run) => {
            let change = recorded(&run)?;
            let finding = end_run(&scope, &cluster, &run, recovery).await?;
            let change = if recovery == Recovery::Undo { change.reversed() } else { change };
            return Ok(with_gap(finding, &cluster, &change));
        }
        Found::Ended(run) => run,
    };
    let change = recorded(&run)?;
    context.journal.begin()?;
    if let Some(refusal) = scope.refusal()? {
        return Ok(refusal);
    }
    let survey = cluster.survey().await?;
    let plan = back(&survey, &change, &run.id, &cluster.facts())?;
    carry_out(scope, &cluster, &survey, plan, Some(format!("{UNDOES}{}", run.id))).await
}

fn recorded(run: &Run) -> anyhow::Result<Move> {
    let steps = Recorded::<Move>::read(run)?.steps;
    let step = steps.into_iter().next();
    Ok(step.ok_or_else(|| anyhow::anyhow!("the plan of run {} moves no leadership", run.id))?.change)
}

/// The way back from a move: only where that very member still leads.
fn back(survey: &Survey, change: &Move, run: &str, facts: &Facts) -> Result<Plan, Unfit> {
    if survey.is_of_another(&change.cluster) {
        let why = format!("another cluster answers here than that of run {run}, {}", change.cluster);
        return Ok(Plan::Refused(why));
    }
    if survey.member(&change.from.id).is_none() {
        return Ok(Plan::Refused(format!("{}, which led before run {run}, is no member any more", change.from.name)));
    }
    if let Ok(led) = survey.led()
        && led.leader.id != change.to.id
        && led.leader.id != change.from.id
    {
        let (now, was, back) = (&led.leader.name, &change.to.name, &change.from.name);
        let why =
            format!("{now} leads by now, and not {was} as after run {run}: `run --to={back}` moves it all the same");
        return Ok(Plan::Refused(why));
    }
    plan(survey, Some(&change.from.id), change.max_lag, facts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Seat;
    use crate::cluster::survey::tests::{FACTS, member, survey};

    fn change() -> Move {
        let seat = |name: &str| Seat { id: name.to_owned(), name: name.to_owned() };
        Move { cluster: "c".to_owned(), name: "c".to_owned(), from: seat("a"), to: seat("b"), max_lag: 10 }
    }

    #[test]
    fn the_way_back_is_planned_only_where_the_run_left_it() {
        let of = |leader: &str| survey(["a", "b", "c"].map(|name| member(name, leader)));
        let planned = |survey: &Survey, change: &Move| back(survey, change, "7-abcdef", &FACTS).expect("a plan");
        match planned(&of("b"), &change()) {
            Plan::Move { change, .. } => assert_eq!((change.from.name.as_str(), change.to.name.as_str()), ("b", "a")),
            other => panic!("{other:?}"),
        }
        assert!(matches!(planned(&of("a"), &change()), Plan::Already { leader, .. } if leader == "a"));
        let refused = |survey: &Survey, change: &Move| match planned(survey, change) {
            Plan::Refused(why) => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            refused(&of("c"), &change()),
            "c leads by now, and not b as after run 7-abcdef: `run --to=a` moves it all the same"
        );
        let elsewhere = Move { cluster: "d".to_owned(), ..change() };
        assert_eq!(refused(&of("b"), &elsewhere), "another cluster answers here than that of run 7-abcdef, d");
        let gone = Move { from: Seat { id: "z".to_owned(), name: "z".to_owned() }, ..change() };
        assert_eq!(refused(&of("b"), &gone), "z, which led before run 7-abcdef, is no member any more");
    }
}
