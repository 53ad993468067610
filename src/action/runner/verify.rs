//! How the subjects of a set stand, and what that means: at the target, as before, or an operator must look.

use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::vocabulary::Vocabulary;
use crate::port::{Change, Settable, Standing};

/// How one subject stands at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ItemResult {
    /// The subject, as people call it.
    pub subject: String,
    /// The subject, as its port calls it.
    pub id: String,
    /// How it ended.
    pub state: Verdict,
    /// What it is set to, where that is known.
    pub value: Option<String>,
    /// What is to be said about it: why it is not well.
    pub detail: String,
    /// It is set to what it was, and all that is wrong is that it is not well.
    #[serde(skip)]
    pub is_set_back: bool,
}

/// How a subject ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is at its target and well.
    Target,
    /// It is set to its target, and nothing of it runs by which more could be seen.
    Set,
    /// It is as it was before.
    Before,
    /// It was set to the target already, and not touched.
    #[serde(rename = "unchanged")]
    Untouched,
    /// It is neither, or that cannot be known: an operator must look.
    NeedsOperator,
}

/// A set of changes, and how each subject stood before the first write.
pub(super) struct Set<'a, C> {
    pub(super) changes: &'a [C],
    pub(super) initial: Vec<Standing>,
    pub(super) words: Vocabulary,
}

impl Verdict {
    /// It is set to its target, and as well as can be seen.
    #[must_use]
    pub fn is_at_target(self) -> bool {
        matches!(self, Self::Target | Self::Set)
    }
}

/// Whether all are at their targets, as far as can be seen.
pub(super) fn all_at_target(results: &[ItemResult]) -> bool {
    results.iter().all(|result| result.state.is_at_target())
}

/// Whether all ended like this.
pub(super) fn all(results: &[ItemResult], state: Verdict) -> bool {
    results.iter().all(|result| result.state == state)
}

impl<C: Change> Set<'_, C> {
    /// Whether this run wrote any of the changes, or may have.
    pub(super) fn wrote(&self, port: &dyn Settable<Change = C>) -> bool {
        self.changes.iter().any(|change| port.wrote(change))
    }

    /// Looks until the port answers, for as long as `silence`; and as long as `calm` until no subject is on its way.
    /// A look that has begun is not cut off: it may wait for a write to end.
    pub(super) async fn look(
        &self,
        port: &dyn Settable<Change = C>,
        silence: Duration,
        calm: Duration,
    ) -> anyhow::Result<Vec<Standing>> {
        let begun = Instant::now();
        let mut pause = Duration::from_millis(250);
        loop {
            match port.look(self.changes).await {
                Ok(standings) => {
                    let results = self.results(&standings);
                    if begun.elapsed() >= calm || !results.iter().any(|result| result.state == Verdict::NeedsOperator) {
                        return Ok(standings);
                    }
                }
                Err(error) if begun.elapsed() >= silence => return Err(error),
                Err(_) => {}
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    /// What the standings mean for each subject.
    pub(super) fn results(&self, standings: &[Standing]) -> Vec<ItemResult> {
        self.changes
            .iter()
            .zip(standings)
            .zip(&self.initial)
            .map(|((change, now), first)| result(change, now, first, self.words))
            .collect()
    }

    /// The results where nobody knows how the subjects stand.
    pub(super) fn unknown(&self) -> Vec<ItemResult> {
        let unknown = |change: &C| {
            let (was, after) = (change.before(), change.after());
            named(change, Verdict::NeedsOperator, None, format!("it was at {was} and was being set to {after}"))
        };
        self.changes.iter().map(unknown).collect()
    }
}

/// What the standing of a subject means, given how it stood at first.
fn result<C: Change>(change: &C, now: &Standing, first: &Standing, words: Vocabulary) -> ItemResult {
    let before = || Some(change.before());
    match now {
        Standing::Target => named(change, Verdict::Target, Some(change.after().to_owned()), String::new()),
        Standing::Idle { why } => named(change, Verdict::Set, Some(change.after().to_owned()), why.clone()),
        Standing::Before { trouble: None } => named(change, Verdict::Before, before(), String::new()),
        Standing::Before { trouble: Some(why) } => match first {
            Standing::Before { trouble: None } => {
                let result = named(change, Verdict::NeedsOperator, before(), why.clone());
                ItemResult { is_set_back: true, ..result }
            }
            _ => named(change, Verdict::Before, before(), format!("{why}, and it was not {} before", words.well)),
        },
        Standing::Unwell { value, why } => named(change, Verdict::NeedsOperator, Some(value.clone()), why.clone()),
        Standing::Other { value } => {
            let why = format!("set to this {} by others", words.value);
            named(change, Verdict::NeedsOperator, Some(value.clone()), why)
        }
        Standing::Gone => named(change, Verdict::NeedsOperator, None, "it is no longer there".to_owned()),
    }
}

fn named<C: Change>(change: &C, state: Verdict, value: Option<String>, detail: String) -> ItemResult {
    let (subject, id) = (change.subject().to_owned(), change.id().to_owned());
    ItemResult { subject, id, state, value, detail, is_set_back: false }
}

/// Which subjects did not arrive at their targets, and why.
pub(super) fn failures(results: &[ItemResult], words: Vocabulary) -> String {
    let unwell = results.iter().filter(|result| !result.state.is_at_target());
    let said = |result: &ItemResult| {
        let why = if result.detail.is_empty() { "it is as before" } else { &result.detail };
        format!("{} did not become {}: {why}", result.subject, words.well)
    };
    unwell.map(said).collect::<Vec<_>>().join("; ")
}

/// Which subjects an operator must look at.
pub(super) fn next(results: &[ItemResult], words: Vocabulary) -> String {
    let unsure = results.iter().filter(|result| result.state != Verdict::Before);
    let mut list: Vec<_> = unsure.clone().map(|result| format!("'{}'", result.id)).collect();
    list.dedup();
    let (mut back, mut others) = (0, 0);
    unsure.for_each(|result| *(if result.is_set_back { &mut back } else { &mut others }) += 1);
    let well = words.well;
    let hint = match (back, others) {
        (0, _) => "the commands that set each back by hand are shown".to_owned(),
        (_, 0) => format!("set back already, and not {well}: the commands that show why are shown"),
        _ => format!("the commands that set them back by hand, or show why they are not {well}, are shown"),
    };
    format!("Look at {}; {hint}", list.join(", "))
}
