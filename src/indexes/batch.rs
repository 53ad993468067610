//! The indexes as the runner takes them: one of a table at a time, since two rebuilds of one table would wait for each other.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::anyhow;
use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::choose::{Act, Step};
use super::server::{Eyes, Limits, LongestWait, Rebuilt, Server};
use super::size::{bytes, time};
use crate::action::context::Context;
use crate::action::report::{Cell, Table, Tone};
use crate::action::run_journal::RunJournal;
use crate::action::runner::{Batch, ItemEnd};
use crate::journal::{Answer, Ledger as _};
use crate::watch::Watch;

/// The steps, and what became of them.
pub(super) struct Indexes {
    server: Arc<dyn Server>,
    limits: Limits,
    watch: Arc<dyn Watch>,
    journal: Arc<RunJournal>,
    stop: CancellationToken,
    waits: LongestWait,
    state: Mutex<State>,
    /// A table is free again.
    freed: Notify,
}

#[derive(Default)]
struct State {
    steps: Vec<Step>,
    busy: HashSet<u32>,
    ended: Vec<(Step, Rebuilt)>,
    stopped: Option<String>,
}

impl Indexes {
    pub(super) fn new(server: Arc<dyn Server>, steps: Vec<Step>, limits: Limits, context: &Context) -> Self {
        let state = State { steps, ..State::default() };
        Self {
            server,
            limits,
            watch: Arc::clone(&context.watch),
            journal: Arc::clone(&context.journal),
            stop: context.interrupt.told(),
            waits: LongestWait::default(),
            state: Mutex::new(state),
            freed: Notify::new(),
        }
    }
}

/// A table that a step is at work on: it is free again when this goes.
struct Busy<'a> {
    indexes: &'a Indexes,
    table: u32,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.indexes.state.lock().unwrap_or_else(PoisonError::into_inner).busy.remove(&self.table);
        self.indexes.freed.notify_waiters();
        self.indexes.freed.notify_one();
    }
}

fn freed(ended: &[(Step, Rebuilt)]) -> u64 {
    let done = ended.iter().filter(|(_, rebuilt)| rebuilt.end == ItemEnd::Done);
    done.map(|(step, rebuilt)| step.index.size.saturating_sub(rebuilt.size.unwrap_or(0))).sum()
}

#[async_trait]
impl Batch for Indexes {
    type Item = Step;

    async fn next(&self) -> anyhow::Result<Option<Step>> {
        loop {
            let freed = self.freed.notified();
            {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(why) = &state.stopped {
                    return Err(anyhow!(why.clone()));
                }
                if state.steps.is_empty() {
                    return Ok(None);
                }
                let first = state.steps.iter().position(|step| !state.busy.contains(&step.index.table_id));
                if let Some(at) = first {
                    let step = state.steps.remove(at);
                    state.busy.insert(step.index.table_id);
                    return Ok(Some(step));
                }
            }
            freed.await;
        }
    }

    fn name(&self, step: &Step) -> String {
        step.index.full_name()
    }

    async fn act(&self, step: &Step) -> ItemEnd {
        // Also where nobody waits for this step any more.
        let _busy = Busy { indexes: self, table: step.index.table_id };
        let name = step.index.full_name();
        let call = match step.act {
            Act::Rebuild => "rebuild",
            Act::Remove => "remove",
        };
        let intent = self.journal.intent(call, json!({ "index": name, "table": step.index.table }));
        let rebuilt = match intent {
            Ok(number) => {
                let eyes = Eyes { watch: &*self.watch, waits: &self.waits, stop: &self.stop };
                let rebuilt = self.server.take(step, self.limits, eyes).await;
                let answer = match &rebuilt.end {
                    ItemEnd::Done => Answer::Taken(Value::Null),
                    ItemEnd::Left(why) | ItemEnd::Failed(why) | ItemEnd::SetAside(why) => Answer::Refused(why.clone()),
                };
                self.journal.answer(number, answer);
                rebuilt
            }
            Err(error) => Rebuilt::not(ItemEnd::Failed(format!("it could not be written down: {error:#}"))),
        };
        let end = rebuilt.end.clone();
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.stopped = state.stopped.take().or_else(|| rebuilt.stops.clone());
            state.ended.push((step.clone(), rebuilt));
        }
        end
    }

    fn stopped(&self) -> Option<String> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).stopped.clone()
    }

    fn summary(&self) -> Option<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let count =
            |is_meant: &dyn Fn(&(Step, Rebuilt)) -> bool| state.ended.iter().filter(|one| is_meant(one)).count();
        let done = |act: Act| count(&|(step, rebuilt)| step.act == act && rebuilt.end == ItemEnd::Done);
        let number = |count: usize, what: &str| (count > 0).then(|| format!("{count} {what}"));
        let parts = [
            Some(format!("{} rebuilt", done(Act::Rebuild))),
            number(done(Act::Remove), "left by failed rebuilds removed"),
            number(count(&|(_, rebuilt)| matches!(rebuilt.end, ItemEnd::Left(_))), "left"),
            number(count(&|(_, rebuilt)| matches!(rebuilt.end, ItemEnd::Failed(_))), "failed"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let wait = match self.waits.longest() {
            wait if wait.is_zero() => "no reader or writer was seen waiting because of it".to_owned(),
            wait => format!("a reader or writer waited {} at most because of it", time(wait)),
        };
        Some(format!("{}; {} freed; {wait}", parts.join(", "), bytes(freed(&state.ended))))
    }

    fn details(&self) -> Map<String, Value> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let row = |(step, rebuilt): &(Step, Rebuilt)| {
            json!({
                "index": step.index.full_name(), "size_before": step.index.size, "size": rebuilt.size,
                "seconds": rebuilt.took.as_secs_f64(), "verified": rebuilt.verified, "is_done": rebuilt.end == ItemEnd::Done,
            })
        };
        let wait = json!({ "milliseconds": self.waits.longest().as_millis(), "how": self.server.measures() });
        Map::from_iter([
            ("rebuilt".to_owned(), state.ended.iter().map(row).collect()),
            ("freed".to_owned(), freed(&state.ended).into()),
            ("longest_wait".to_owned(), wait),
        ])
    }

    fn table(&self) -> Option<Table> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let done = state.ended.iter().filter(|(_, rebuilt)| rebuilt.end == ItemEnd::Done);
        let row = |(step, rebuilt): &(Step, Rebuilt)| {
            let (after, verified) = match step.act {
                Act::Rebuild => (rebuilt.size.map(bytes).unwrap_or_default(), rebuilt.verified.as_str()),
                Act::Remove => ("removed".to_owned(), ""),
            };
            let (before, took) = (bytes(step.index.size), time(rebuilt.took));
            vec![
                step.index.full_name().into(),
                before.into(),
                after.into(),
                took.into(),
                Cell::new(Tone::Good, verified),
            ]
        };
        let rows: Vec<Vec<Cell>> = done.map(row).collect();
        let head = ["index", "size before", "size", "took", "verified"].map(str::to_owned).to_vec();
        (!rows.is_empty()).then(|| Table { head, rows, ..Table::default() })
    }
}
