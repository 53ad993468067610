//! Many independent items: each ends as done, left, failed or set aside; nothing is taken back. A run that died is simply
//! run again: an effect happens once because the other side knows its key, not because a journal remembers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at, timeout};

use super::scope::RunScope;
use super::vocabulary::Vocabulary;
use crate::action::consent::Proposal;
use crate::action::context::Context;
use crate::action::interrupt::CriticalSection;
use crate::action::report::{Cell, Finding, Outcome, Table, Tone};
use crate::action::standard::Standard;
use crate::journal::{Counts, Intention, ItemState, Journal, Kind, State};
use crate::port::RemoteLock;
use crate::watch::Progress;

/// How many items that are not done are named, in the journal and in the report; the others are only counted.
const NAMED: usize = 1000;

/// How many of them the table for people shows.
const SHOWN: usize = 20;

/// How often the counts are written down.
const PACE: Duration = Duration::from_secs(5);

/// How an item ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemEnd {
    /// What was to be done with it is done.
    Done,
    /// It stays as it is, for a later run.
    Left(String),
    /// It failed: an operator must look.
    Failed(String),
    /// It was put where it is in nobody's way: an operator must look.
    SetAside(String),
}

/// Where items come from, and what is done with each.
#[async_trait]
pub trait Batch: Send + Sync + 'static {
    /// One item.
    type Item: Send + Sync + 'static;

    /// The next item; none where there is no more. The future may be dropped while it waits, and must lose no item then.
    ///
    /// # Errors
    /// When no more can be had. What is begun by then is ended.
    async fn next(&self) -> anyhow::Result<Option<Self::Item>>;

    /// The item, as people call it.
    fn name(&self, item: &Self::Item) -> String;

    /// Does what is to be done with an item. To do it twice must have one effect.
    async fn act(&self, item: &Self::Item) -> ItemEnd;

    /// Why it did not come to its end, though each item that was begun is ended; none where it did.
    fn stopped(&self) -> Option<String> {
        None
    }

    /// Items that were found beforehand to be of no use, by name, and why: they are counted as failed.
    fn unusable(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Called once when the run is interrupted: what waits for others is to give up soon.
    fn hurry(&self) {}

    /// What became of the items, in words of its own; none for the runner's: `items: 3 done, 1 left`.
    fn summary(&self) -> Option<String> {
        None
    }

    /// What the report tells besides of what became of the items.
    fn details(&self) -> Map<String, Value> {
        Map::new()
    }

    /// A table of what became of the items, above the runner's own.
    fn table(&self) -> Option<Table> {
        None
    }

    /// Called once when no item is under way any more, however it came to that, while an interrupt still waits.
    async fn close(&self) {}
}

/// A batch that is to be carried out.
pub struct BatchExecution<'a, B> {
    /// Where.
    pub scope: RunScope<'a>,
    /// What is done.
    pub batch: Arc<B>,
    /// What is said of it.
    pub plan: BatchPlan,
    /// How many items are worked on at the same time.
    pub concurrency: usize,
}

/// What is said of a batch before it begins.
#[derive(Debug, Clone)]
pub struct BatchPlan {
    /// How many items there are; none where that is not known.
    pub total: Option<u64>,
    /// To what end: `to be confirmed by 'north'`; may be empty.
    pub purpose: String,
    /// The plan for people.
    pub table: Table,
    /// What the journal keeps, for people who ask later what was to be done.
    pub recorded: Value,
    /// What the report tells besides.
    pub details: Map<String, Value>,
}

impl BatchPlan {
    /// The plan of items that are all known: what was given stands above them.
    #[must_use]
    pub fn listed<'a>(
        words: Vocabulary,
        given: &[(&'static str, String)],
        items: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let items: Vec<&str> = items.into_iter().collect();
        let steps = items.iter().map(|item| json!({ "subject": item, "before": "to be done", "after": "done" }));
        let rows = given.iter().map(|(name, value)| vec![(*name).into(), value.as_str().into()]);
        let rows = rows.chain(items.iter().map(|item| vec![words.one.into(), (*item).into()])).collect();
        Self {
            total: Some(items.len() as u64),
            purpose: String::new(),
            table: Table { head: vec![String::new(); 2], rows, ..Table::default() },
            recorded: json!({ "given": given, "steps": items }),
            details: Map::from_iter([("steps".to_owned(), steps.collect())]),
        }
    }

    /// The plan, for who only looks.
    #[must_use]
    pub fn shown(self, words: Vocabulary) -> Finding {
        let total = self.total.and_then(|total| usize::try_from(total).ok());
        let message = match total {
            Some(0) => "nothing is wrong: nothing to do".to_owned(),
            Some(total) => format!("{} to do", words.count(total)),
            None => format!("{} to do", words.many),
        };
        let mut finding = Finding::new(Outcome::Done, message);
        finding.details = self.details;
        finding.tables = vec![self.table];
        finding
    }
}

/// Carries out a batch as the options of the command line say.
///
/// # Errors
/// When something is wrong before anything is done; all later ends are findings.
pub async fn carry_out<B: Batch>(
    standard: &Standard,
    place: &dyn RemoteLock,
    words: Vocabulary,
    (batch, concurrency): (B, usize),
    plan: BatchPlan,
    context: &Context,
) -> anyhow::Result<Finding> {
    context.journal.begin()?;
    let notifier = standard.notifier()?;
    let scope = standard.scope(place, words, &notifier, context)?;
    if let Some(refusal) = scope.refusal()? {
        return Ok(refusal);
    }
    BatchExecution { scope, batch: Arc::new(batch), plan, concurrency }.go().await
}

/// A batch of items that are all known, each by its name.
pub struct Each<A> {
    items: Mutex<VecDeque<String>>,
    act: A,
}

impl<A, F> Each<A>
where
    A: Fn(String) -> F + Send + Sync + 'static,
    F: Future<Output = ItemEnd> + Send + 'static,
{
    /// These items, and what is done with each: see [`Batch::act`].
    #[must_use]
    pub fn new(items: impl IntoIterator<Item = String>, act: A) -> Self {
        Self { items: Mutex::new(items.into_iter().collect()), act }
    }
}

#[async_trait]
impl<A, F> Batch for Each<A>
where
    A: Fn(String) -> F + Send + Sync + 'static,
    F: Future<Output = ItemEnd> + Send + 'static,
{
    type Item = String;

    async fn next(&self) -> anyhow::Result<Option<String>> {
        Ok(self.items.lock().unwrap_or_else(PoisonError::into_inner).pop_front())
    }

    fn name(&self, item: &String) -> String {
        item.clone()
    }

    async fn act(&self, item: &String) -> ItemEnd {
        (self.act)(item.clone()).await
    }
}

/// What became of a batch.
#[derive(Debug, Default)]
struct BatchResult {
    counts: Counts,
    /// The first that are not done, and why.
    named: Vec<(String, ItemState, String)>,
    /// How many of them were gone through for the journal.
    written: usize,
    /// Why it ended early.
    stopped: Option<String>,
}

impl<B: Batch> BatchExecution<'_, B> {
    /// Shows the plan, asks, and works through the items.
    ///
    /// # Errors
    /// When something is wrong before anything is done; all later ends are findings.
    pub async fn go(&self) -> anyhow::Result<Finding> {
        let RunScope { consent, place, context, words, .. } = self.scope;
        if self.plan.total == Some(0) {
            let message = format!("there are no {}: nothing to do", words.many);
            return Ok(self.end(Finding::new(Outcome::NothingToDo, message)));
        }
        if let Some(finding) = consent.confirm(&self.proposal(), &*context.operator).await? {
            return Ok(self.end(finding));
        }
        let section = context.interrupt.drained_section();
        let (address, purpose, plan) = (place.address(), self.plan.purpose.as_str(), self.plan.recorded.clone());
        let intention = Intention { kind: Kind::Batch, place: address, purpose, subjects: Vec::new(), plan };
        let act = async |journal: &Journal| {
            let announcement = format!("{} begins in {}: {}", context.who, self.scope.name(), self.what());
            self.scope.notifier.say(&announcement, &*context.watch).await;
            journal.enter(State::Applying)?;
            Ok(self.work(journal, &section).await)
        };
        let (id, result) = match self.scope.carry_out(intention, act).await? {
            (id, Ok(result)) => (id, result),
            (_, Err(refused)) => return Ok(self.end(refused)),
        };
        let finding = self.finding(&result, section.is_interrupted());
        let urgent = result.named.iter().filter(|(_, state, _)| *state != ItemState::Left);
        let sentences: Vec<_> = urgent.take(3).map(|(item, state, why)| format!("{item}: {state}, {why}")).collect();
        self.scope.tell(&sentences, &finding.message, &section).await;
        let mut finding = self.end(finding).with("plan", id);
        finding.details.extend(self.batch.details());
        finding.tables.splice(0..0, self.batch.table());
        Ok(finding)
    }

    /// Works through the items, as many at a time as that is allowed, and writes down how far it came.
    async fn work(&self, journal: &Journal, section: &CriticalSection) -> BatchResult {
        let mut result = BatchResult::default();
        let mut under_way = JoinSet::new();
        let mut written = interval_at(Instant::now() + PACE, PACE);
        let (mut more, mut hurried) = (true, false);
        while more || !under_way.is_empty() {
            tokio::select! {
                biased;
                () = section.interrupted(), if !hurried => {
                    (more, hurried) = (false, true);
                    self.batch.hurry();
                    result.stopped = Some("interrupted".to_owned());
                }
                ended = under_way.join_next(), if !under_way.is_empty() => {
                    let ended = ended.expect("there are some");
                    result.add(ended.unwrap_or_else(|error| (String::new(), ItemEnd::Failed(error.to_string()))));
                    self.progress(&result);
                }
                _ = written.tick() => self.write(&mut result, journal),
                next = self.batch.next(), if more && under_way.len() < self.concurrency => match next {
                    Ok(Some(item)) => {
                        let (batch, limit) = (Arc::clone(&self.batch), self.scope.limit);
                        under_way.spawn(async move { act(&*batch, &item, limit).await });
                    }
                    Ok(None) => more = false,
                    Err(error) => {
                        more = false;
                        result.stopped = Some(format!("{error:#}"));
                    }
                },
            }
        }
        result.stopped = result.stopped.or_else(|| self.batch.stopped());
        for (name, why) in self.batch.unusable() {
            result.add((name, ItemEnd::Failed(why)));
        }
        self.batch.close().await;
        section.over();
        self.write(&mut result, journal);
        if let Err(error) = journal.enter(result.state()) {
            self.scope.context.watch.warn(&format!("{error:#}"));
        }
        result
    }

    fn progress(&self, result: &BatchResult) {
        let (done, total) = (result.counts.all(), self.plan.total.unwrap_or(0));
        let note = if total == 0 { result.counts.to_string() } else { String::new() };
        self.scope.context.watch.at(self.scope.words.many, &Progress { done, total, note });
    }

    fn write(&self, result: &mut BatchResult, journal: &Journal) {
        let news = result.named[result.written..].iter().filter(|(_, state, _)| *state != ItemState::Left).cloned();
        let news: Vec<_> = news.collect();
        result.written = result.named.len();
        if let Err(error) = journal.count(result.counts, news) {
            self.scope.context.watch.warn(&format!("{error:#}"));
        }
    }

    fn what(&self) -> String {
        let words = self.scope.words;
        match self.plan.total.and_then(|total| usize::try_from(total).ok()) {
            Some(total) => words.count(total),
            None => words.many.to_owned(),
        }
    }

    fn proposal(&self) -> Proposal {
        let purpose = if self.plan.purpose.is_empty() { String::new() } else { format!(" {}", self.plan.purpose) };
        let place = format!(" in {}{purpose}", self.scope.name());
        Proposal { plan: self.plan.table.clone(), what: self.what(), place, word: self.scope.protected() }
    }

    fn finding(&self, result: &BatchResult, interrupted: bool) -> Finding {
        let outcome = match result.state() {
            State::Done => Outcome::Done,
            State::NeedsOperator => Outcome::NeedsOperator,
            _ if interrupted => Outcome::Interrupted,
            _ => Outcome::Failed,
        };
        let mut message =
            self.batch.summary().unwrap_or_else(|| format!("{}: {}", self.scope.words.many, result.counts));
        if let Some(why) = &result.stopped {
            message = format!("{why}; {message}. What is done stays done: run it again to go on");
        }
        let value =
            |(item, end, why): &(String, ItemState, String)| json!({ "subject": item, "state": end, "detail": why });
        let results: Vec<_> = result.named.iter().map(value).collect();
        let mut finding = Finding::new(outcome, message).with("counts", result.counts).with("results", results);
        finding.changed = result.counts.done + result.counts.set_aside > 0;
        finding.tables = result.table(self.scope.words.one).into_iter().collect();
        finding
    }

    /// Adds to a finding what every end tells. The plan is shown where it has not been yet.
    fn end(&self, finding: Finding) -> Finding {
        let mut finding =
            finding.with("environment", self.scope.environment).with("platform", self.scope.place.address());
        finding.details.extend(self.plan.details.clone());
        if matches!(finding.outcome, Outcome::Planned | Outcome::NothingToDo) && finding.tables.is_empty() {
            finding.tables = vec![self.plan.table.clone()];
        }
        finding
    }
}

/// Acts on one item, for no longer than `limit`.
async fn act<B: Batch>(batch: &B, item: &B::Item, limit: Duration) -> (String, ItemEnd) {
    let end = timeout(limit, batch.act(item)).await;
    (batch.name(item), end.unwrap_or_else(|_| ItemEnd::Failed(format!("it had no end within {limit:?}"))))
}

impl BatchResult {
    fn add(&mut self, (name, end): (String, ItemEnd)) {
        let (count, state, why) = match end {
            ItemEnd::Done => return self.counts.done += 1,
            ItemEnd::Left(why) => (&mut self.counts.left, ItemState::Left, why),
            ItemEnd::Failed(why) => (&mut self.counts.failed, ItemState::Failed, why),
            ItemEnd::SetAside(why) => (&mut self.counts.set_aside, ItemState::SetAside, why),
        };
        *count += 1;
        if self.named.len() < NAMED {
            self.named.push((name, state, why));
        }
    }

    /// The state that the run ends in.
    fn state(&self) -> State {
        match (&self.stopped, self.counts) {
            (_, counts) if counts.need_somebody() > 0 => State::NeedsOperator,
            (Some(_), counts) if counts.done == 0 => State::Unchanged,
            (Some(_), _) => State::Stopped,
            (None, _) => State::Done,
        }
    }

    /// The items that are not done, for people: first those that need somebody.
    fn table(&self, one: &str) -> Option<Table> {
        let count = self.counts.left + self.counts.need_somebody();
        let is_left = |item: &&(String, ItemState, String)| item.1 == ItemState::Left;
        let (left, urgent): (Vec<_>, Vec<_>) = self.named.iter().partition(is_left);
        let row = |(item, state, why): &(String, ItemState, String)| {
            let tone = if *state == ItemState::Left { Tone::Quiet } else { Tone::Bad };
            vec![item.as_str().into(), Cell::new(tone, state.to_string()), why.as_str().into()]
        };
        let rows: Vec<_> = urgent.into_iter().chain(left).take(SHOWN).map(row).collect();
        let more = count.saturating_sub(rows.len() as u64);
        let legend = (more > 0).then(|| format!("and {more} more: the report as JSON names the first {NAMED}"));
        let head = [one, "state", "why"].map(str::to_owned).to_vec();
        (count > 0).then(|| Table { title: String::new(), head, rows, legend: legend.into_iter().collect() })
    }
}
