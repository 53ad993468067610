//! The run: the queue is looked at, the plan shown, and each transaction settled.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::bail;
use serde_json::{Map, json};
use tokio::sync::Mutex;

use super::WORDS;
use super::arguments::Arguments;
use super::get::look;
use super::message::Seen;
use super::settle::{Outcomes, Transactions};
use crate::action::arguments::{UsageError, nearest};
use crate::action::context::Context;
use crate::action::report::{Finding, Table};
use crate::action::runner::{BatchExecution, BatchPlan};
use crate::port::NoRemoteLock;
use crate::queue::{self, Queue, Survey};
use crate::settlement;

/// How many messages are looked into for the plan.
const LOOKED_INTO: usize = 1000;

/// So many messages of which none is a transaction are more likely read in the wrong way than malformed.
const SUSPECT: u64 = 3;

/// Settles what waits in the queue.
///
/// # Errors
/// When something is wrong before anything is done; all later ends are findings.
pub async fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<Finding> {
    context.journal.begin()?;
    let Some(services) = arguments.services()? else {
        let why = "--services (or FIREBREAK_SERVICES) is needed: where the banks and the master are, see docs/transactions.md";
        return Err(UsageError(why.to_owned()).into());
    };
    let bank = arguments.flag_bank.as_deref().unwrap_or_default();
    let issuer = arguments.flag_issuer.clone();
    let limit = arguments.limit()?;
    let watch = Arc::clone(&context.watch);
    let trust = arguments.trust();
    let settlement = settlement::connect(&services, bank, &trust, Arc::clone(&watch))?;
    // As a queue names this run among its workers.
    let worker = format!("firebreak-{}", context.journal.holder().run);
    let queue: Arc<dyn Queue> = queue::connect(&arguments.flag_queue, &worker, &trust).await?.into();
    let (survey, seen) = look(&*queue, LOOKED_INTO, &services.message).await?;
    if seen.malformed_count >= SUSPECT && seen.issuers.is_empty() {
        let why = seen.malformed.first().map(|(_, why)| why.as_str()).unwrap_or_default();
        bail!(
            "none of the {} messages that were looked at is a transaction ({why}): is `message` of the services right? \
             Nothing was changed",
            seen.malformed_count
        );
    }
    if survey.lost.count() > 0 {
        let count = survey.lost.count();
        watch.warn(&format!(
            "LOST by the queue: {count}. `get` names them; after this run the queue may no longer know"
        ));
    }
    if let Some(why) = of_no_such_issuer(&survey, &seen, &issuer)? {
        watch.warn(&why);
    }
    let plan = plan(&survey, &seen, queue.address(), (bank, &issuer), limit);

    // Several hosts may work on a queue at the same time: nobody else is kept out.
    let place = NoRemoteLock(queue.address().to_owned());
    let standard = &arguments.arg_standard;
    let notifier = standard.notifier()?;
    let scope = standard.scope(&place, WORDS, &notifier, context)?;
    if let Some(refusal) = scope.refusal()? {
        return Ok(refusal);
    }
    let concurrency = settlement.concurrency();
    // Where enough could be looked at, the messages are known to be transactions; else the first of them has to show it.
    let is_sure = !seen.issuers.is_empty() || survey.count() < SUSPECT || !survey.is_closed;
    let batch = Arc::new(Transactions {
        queue,
        settlement,
        places: services.message,
        issuer,
        limit,
        ledger: Outcomes::default(),
        is_sure: AtomicBool::new(is_sure),
        watch,
        feed: Mutex::default(),
    });
    BatchExecution { scope, batch, plan, concurrency }.go().await
}

/// What is odd where no transaction that was looked at is of the issuer.
///
/// # Errors
/// Where all were looked at, and the name of another one is so near that a slip of the hand is likely.
fn of_no_such_issuer(survey: &Survey, seen: &Seen, issuer: &str) -> Result<Option<String>, UsageError> {
    if seen.issuers.is_empty() || seen.issuers.contains_key(issuer) {
        return Ok(None);
    }
    let names: Vec<&str> = seen.issuers.keys().map(String::as_str).collect();
    let why = format!("no transaction that was looked at is of issuer '{issuer}'; there are {}", names.join(", "));
    match nearest(issuer, names.iter().copied()) {
        Some(near) if seen.count() >= survey.count() => {
            Err(UsageError(format!("{why}. Is '{near}' meant? Nothing was changed")))
        }
        _ => Ok(Some(why)),
    }
}

fn plan(survey: &Survey, seen: &Seen, address: &str, (bank, issuer): (&str, &str), limit: Option<usize>) -> BatchPlan {
    let all = survey.count();
    let total = limit.map_or(all, |limit| all.min(limit as u64));
    let mut rows = vec![
        vec!["queue".into(), address.into()],
        vec!["bank".into(), bank.into()],
        vec!["issuer".into(), issuer.into()],
        vec!["transactions".into(), total.to_string().into()],
    ];
    let others: u64 = seen.issuers.iter().filter(|(name, _)| *name != issuer).map(|(_, (count, _))| count).sum();
    let is_whole = seen.count() >= all;
    let about = if is_whole { "" } else { "at least " };
    if others > 0 {
        rows.push(vec!["left, of other issuers".into(), format!("{about}{others}").into()]);
    }
    if seen.malformed_count > 0 {
        rows.push(vec!["to be parked, malformed".into(), format!("{about}{}", seen.malformed_count).into()]);
    }
    rows.extend(survey.remarks.iter().map(|remark| vec!["to be known".into(), remark.as_str().into()]));
    if survey.lost.count() > 0 {
        rows.push(vec!["LOST by the queue".into(), survey.lost.count().to_string().into()]);
    }
    let lost = json!({ "taken": survey.lost.taken, "waiting": survey.lost.waiting });
    let recorded = json!({ "queue": address, "bank": bank, "issuer": issuer, "transactions": total, "lost": lost });
    let step = json!({
        "subject": address, "before": format!("{total} transactions wait"), "after": "each is settled, left, or parked",
    });
    BatchPlan {
        total: Some(total),
        purpose: format!("of issuer '{issuer}', as the bank '{bank}' confirms"),
        table: Table { head: vec![String::new(); 2], rows, ..Table::default() },
        recorded,
        details: Map::from_iter([("steps".to_owned(), json!([step])), ("lost".to_owned(), lost)]),
    }
}
