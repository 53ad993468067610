//! The run: the pictures are looked at, the plan shown, and each that is to be stored is taken from the source.

use std::sync::Arc;

use serde_json::json;

use super::WORDS;
use super::arguments::Arguments;
use super::get::{details, sentence};
use super::look::Survey;
use super::restore::Pictures;
use crate::action::context::Context;
use crate::action::report::{Finding, Outcome, Table};
use crate::action::runner::{BatchExecution, BatchPlan};
use crate::port::NoRemoteLock;
use crate::words::counted;

/// Stores what is missing or broken.
///
/// # Errors
/// When something is wrong before anything is done; all later ends are findings.
pub async fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<Finding> {
    context.journal.begin()?;
    let (gallery, concurrency) = (arguments.gallery(&context.watch)?, arguments.jobs()?);
    let target = gallery.target.address().to_owned();
    // Several hosts may work on a store at the same time: each picture is looked at right before it is stored.
    let place = NoRemoteLock(target.clone());
    let standard = &arguments.arg_standard;
    let notifier = standard.notifier()?;
    let scope = standard.scope(&place, WORDS, &notifier, context)?;
    if let Some(refusal) = scope.refusal()? {
        return Ok(refusal);
    }
    gallery.target.ready(true).await?;
    let replace = arguments.flag_stale;
    let survey = gallery.look(arguments.keys().await?, concurrency, replace, replace).await?;
    if let Err(why) = gallery.source.answers(survey.first_to_store(replace)).await {
        anyhow::bail!("{why}. Nothing was changed");
    }
    let plan = plan(&survey, &arguments.flag_source.to_string(), &arguments.flag_target.to_string(), replace);
    let bad = (survey.bad.1 > 0).then(|| format!("{}: `get` names them", counted(survey.bad.1, "unusable key")));
    if let Some(bad) = &bad {
        context.watch.warn(bad);
    }
    let seen = sentence(&survey, &target);
    let batch = Arc::new(Pictures::new(gallery, survey.to_store, replace, survey.bad.0));
    let mut finding = BatchExecution { scope, batch, plan, concurrency }.go().await?;
    if finding.outcome == Outcome::NothingToDo {
        finding.message = format!("{seen}. Nothing to store");
        // Nothing is journalled of such a run; of a key that cannot be used somebody has to know all the same.
        if let Some(bad) = bad {
            finding.outcome = Outcome::NeedsOperator;
            finding.message = format!("{}; {bad}", finding.message);
        }
    }
    Ok(finding)
}

fn plan(survey: &Survey, source: &str, target: &str, replace: bool) -> BatchPlan {
    let counts = survey.counts;
    let mut rows = vec![
        vec!["source".into(), source.into()],
        vec!["target".into(), target.into()],
        vec!["looked at".into(), counts.all().to_string().into()],
        vec!["good".into(), counts.good.to_string().into()],
    ];
    let stale = if replace { "stale, to be replaced" } else { "stale, left (--stale replaces them)" };
    for (count, what) in [
        (counts.missing, "missing, to be stored"),
        (counts.broken, "broken, to be replaced"),
        (counts.stale, stale),
        (counts.unclear, "not looked into, left"),
        (survey.bad.1, "unusable keys"),
    ] {
        if count > 0 {
            rows.push(vec![what.into(), count.to_string().into()]);
        }
    }
    let total = survey.to_store.count;
    let stored = survey.named.iter().filter(|(_, standing)| standing.is_to_store(replace));
    let steps =
        stored.map(|(key, standing)| json!({ "subject": key.as_str(), "before": standing.word(), "after": "stored" }));
    let steps = steps.collect();
    let mut told = details(survey);
    told.insert("steps".to_owned(), steps);
    BatchPlan {
        total: Some(total),
        purpose: format!("from {source}"),
        table: Table { head: vec![String::new(); 2], rows, ..Table::default() },
        recorded: json!({ "source": source, "target": target, "pictures": total, "looked_at": counts }),
        details: told,
    }
}
