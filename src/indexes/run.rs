//! The run: the indexes are looked at, the plan shown, and each that was chosen rebuilt.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::bail;
use serde_json::{Map, Value, json};

use super::WORDS;
use super::arguments::Arguments;
use super::batch::Indexes;
use super::choose::{Act, Choice, Request, Step, choose};
use super::get::{in_the_way, obstacle};
use super::index::{Seen, Waste};
use super::mysql::Mysql;
use super::postgres::Postgres;
use super::server::{Limits, Server};
use super::size::{bytes, time};
use crate::action::context::Context;
use crate::action::report::{Cell, Finding, Outcome, Table, Tone};
use crate::action::runner::{BatchExecution, BatchPlan};
use crate::port::Unfit;
use crate::sql::{Engine, Place};

/// How long a step may take beside its statement: to be broken off, to be cleaned up after, to be verified.
const BESIDES: u32 = 3;

/// The server of a database.
pub(super) fn connect(arguments: &Arguments, run: &str) -> Result<Arc<dyn Server>, Unfit> {
    let place = Place::read(&arguments.flag_database)?;
    Ok(match place.engine {
        Engine::Postgres => Arc::new(Postgres::new(place, arguments.trust(), run)),
        Engine::Mysql => Arc::new(Mysql::new(place, arguments.trust(), run)),
    })
}

/// Rebuilds what was chosen.
///
/// # Errors
/// When something is wrong before anything is done; all later ends are findings.
pub async fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<Finding> {
    let (request, jobs, limits) = (arguments.request()?, arguments.jobs()?, arguments.limits()?);
    context.journal.begin()?;
    let database = connect(arguments, &context.journal.holder().run)?;
    let seen = database.look(&*context.watch).await?;
    if let Some(why) = &seen.refusal {
        bail!("{why}; nothing was changed");
    }
    let choice = choose(&seen, &request)?;
    let plan = plan(&seen, &choice, &*database, (jobs, limits));
    if choice.steps.is_empty() {
        let mut finding = nothing_to_do(&choice, database.address(), &request);
        finding.details.extend(plan.details);
        return Ok(finding);
    }
    let needed = space(&choice.steps, jobs);
    if let Some(free) = seen.free.filter(|free| *free < needed) {
        let folder = &seen.folder;
        bail!(
            "a rebuild needs {} {}, and {} are free in {folder}; nothing was changed",
            bytes(needed),
            database.needs(),
            bytes(free)
        );
    }
    let place = database.lock();
    let standard = &arguments.arg_standard;
    let notifier = standard.notifier()?;
    let mut scope = standard.scope(&*place, WORDS, &notifier, context)?;
    scope.limit = limits.statement * BESIDES + limits.lock * BESIDES;
    if let Some(refusal) = scope.refusal()? {
        return Ok(refusal);
    }
    let batch = Arc::new(Indexes::new(database, choice.steps, limits, context));
    BatchExecution { scope, batch, plan, concurrency: jobs }.go().await
}

/// How much room rebuilds of so many at a time may need.
fn space(steps: &[Step], jobs: usize) -> u64 {
    // Of a table there is one at a time.
    let mut rooms: HashMap<u32, u64> = HashMap::new();
    for step in steps.iter().filter(|step| step.act == Act::Rebuild) {
        let room = rooms.entry(step.index.table_id).or_default();
        // What is empty now needs no room in the new one.
        let waste = step.index.waste.as_ref().and_then(Waste::bytes).unwrap_or(0);
        *room = step.index.room.saturating_sub(waste).max(*room);
    }
    let mut rooms: Vec<u64> = rooms.into_values().collect();
    rooms.sort_unstable_by_key(|room| std::cmp::Reverse(*room));
    rooms.into_iter().take(jobs).sum()
}

fn nothing_to_do(choice: &Choice, address: &str, request: &Request) -> Finding {
    let asked = if request.is_all() { "" } else { " that --table and --kind name" };
    let mut message = format!("no index of {address}{asked} is to be rebuilt: nothing to do");
    for (name, why) in &choice.not {
        message.extend(["; ", name.as_str(), " is left: ", why.as_str()]);
    }
    Finding::new(Outcome::NothingToDo, message)
}

fn plan(seen: &Seen, choice: &Choice, server: &dyn Server, (jobs, limits): (usize, Limits)) -> BatchPlan {
    let address = server.address();
    let after = |step: &Step| match step.act {
        Act::Rebuild => "rebuilt",
        Act::Remove => "removed",
    };
    let row = |step: &Step| {
        vec![
            step.index.full_name().into(),
            step.index.table.as_str().into(),
            bytes(step.index.size).into(),
            step.why.as_str().into(),
            after(step).into(),
        ]
    };
    let not = choice.not.iter().map(|(name, why)| {
        vec![name.as_str().into(), "".into(), "".into(), Cell::new(Tone::Bad, why.as_str()), "left".into()]
    });
    let needed = space(&choice.steps, jobs);
    let free = match seen.free {
        Some(free) => format!("{} are free", bytes(free)),
        None if seen.folder.is_empty() => "the server does not tell how much is free".to_owned(),
        None => format!("the server does not tell how much is free: `df -h {}` on its host does", seen.folder),
    };
    let mut legend = vec![
        format!("needs up to {} on the server's disk {}; {free}", bytes(needed), server.needs()),
        format!(
            "{} at a time; gives way where it would wait, or keep another session waiting, for {} (--lock-timeout)",
            WORDS.count(jobs),
            time(limits.lock)
        ),
    ];
    legend.extend(in_the_way(&seen.obstacles).into_iter().flat_map(|table| table.rows).flatten().map(|cell| cell.text));
    let head = ["index", "table", "size", "why", "will be"].map(str::to_owned).to_vec();
    let rows: Vec<Vec<Cell>> = choice.steps.iter().map(row).chain(not).collect();
    let step = |step: &Step| json!({ "subject": step.index.full_name(), "before": step.why, "after": after(step), "size": step.index.size });
    let steps: Vec<Value> = choice.steps.iter().map(step).collect();
    let left: Vec<Value> = choice.not.iter().map(|(name, why)| json!({ "subject": name, "why": why })).collect();
    let obstacles: Vec<Value> = seen.obstacles.iter().map(obstacle).collect();
    BatchPlan {
        total: Some(choice.steps.len() as u64),
        purpose: "while others write".to_owned(),
        table: Table { head, rows, legend, ..Table::default() },
        recorded: json!({ "database": address, "steps": steps }),
        details: Map::from_iter([
            ("steps".to_owned(), steps.into()),
            ("not_possible".to_owned(), left.into()),
            ("obstacles".to_owned(), obstacles.into()),
        ]),
    }
}
