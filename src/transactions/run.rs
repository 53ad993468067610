//! The run: the queue is looked at, the plan shown, and each transaction settled.

use std::sync::Arc;

use anyhow::bail;
use async_trait::async_trait;
use serde_json::{Map, json};
use tokio::sync::{Mutex, Notify, mpsc};

use super::WORDS;
use super::arguments::{Arguments, usage};
use super::get::look;
use super::message::Seen;
use super::settle::{Ledger, Transactions, feed};
use crate::action::arguments::UsageError;
use crate::action::context::Context;
use crate::action::report::{Finding, Table};
use crate::action::runner::{BatchExecution, BatchPlan};
use crate::journal::lock::{Holder, LockError};
use crate::port::RemoteLock;
use crate::queue::{Survey, connect};
use crate::{queue, settlement};

/// How many messages are looked into for the plan.
const LOOKED_INTO: usize = 1000;

/// So many messages of which none is a transaction are more likely read in the wrong way than malformed.
const SUSPECT: u64 = 3;

/// A queue that several hosts may work on at the same time: nobody is kept out.
struct Shared(String);

#[async_trait]
impl RemoteLock for Shared {
    fn address(&self) -> &str {
        &self.0
    }

    async fn lock(&self, _environment: &str, _holder: &Holder) -> Result<(), LockError> {
        Ok(())
    }

    async fn unlock(&self, _environment: &str, _holder: &Holder) -> anyhow::Result<()> {
        Ok(())
    }
}

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
    let issuer = arguments.flag_issuer.as_deref().unwrap_or("primary").to_owned();
    let limit = arguments.limit()?;
    let watch = Arc::clone(&context.watch);
    let trust = arguments.trust();
    let settlement = settlement::connect(&services, bank, &trust, Arc::clone(&watch)).map_err(usage)?;
    // As a queue names this run among its workers.
    let worker = format!("firebreak-{}", context.journal.holder().run);
    let queue: Arc<dyn queue::Queue> = connect(&arguments.flag_queue, &worker, &trust).await.map_err(usage)?.into();
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
        watch.warn(&format!("LOST by the queue: {count}. `get` names them; after this run Redis may no longer know"));
    }
    let plan = plan(&survey, &seen, queue.as_ref(), (bank, &issuer), limit);

    let place = Shared(queue.address().to_owned());
    let standard = &arguments.arg_standard;
    let notifier = standard.notifier()?;
    let scope = standard.scope(&place, WORDS, &notifier, context)?;
    if let Some(refusal) = scope.refusal()? {
        return Ok(refusal);
    }
    let ledger = Arc::new(Ledger::default());
    let concurrency = settlement.concurrency();
    let (to, taken) = mpsc::channel(1);
    // It takes nothing before the runner asks for the first item: then the plan was agreed to.
    let start = Arc::new(Notify::new());
    let feeder = tokio::spawn({
        let (queue, start, watch) = (Arc::clone(&queue), Arc::clone(&start), Arc::clone(&watch));
        async move {
            start.notified().await;
            feed(queue, concurrency, limit, to, watch).await;
        }
    });
    let batch = Arc::new(Transactions {
        queue: Arc::clone(&queue),
        settlement,
        places: services.message,
        issuer,
        ledger: Arc::clone(&ledger),
        watch: Arc::clone(&watch),
        start: Arc::clone(&start),
        taken: Mutex::new(taken),
        feeder: Mutex::new(Some(feeder)),
    });
    let ended = BatchExecution { scope, batch: Arc::clone(&batch), plan, concurrency }.go().await;
    if let Some(feeder) = batch.feeder.lock().await.take() {
        // It was never begun, and has taken nothing.
        feeder.abort();
    }
    let mut finding = ended?;
    // Where the runner tells what became of the items.
    if finding.details.contains_key("counts") {
        finding.details.extend(ledger.numbers());
    }
    Ok(finding)
}

fn plan(
    survey: &Survey,
    seen: &Seen,
    queue: &dyn queue::Queue,
    (bank, issuer): (&str, &str),
    limit: Option<usize>,
) -> BatchPlan {
    let all = survey.count();
    let total = limit.map_or(all, |limit| all.min(limit as u64));
    let address = queue.address();
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
