//! How the services stand, and what that means: at the target, as before, or somebody must look.

use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::platform::{Change, Platform, Standing};

/// How one workload stands at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceResult {
    /// Its name.
    pub service: String,
    /// Its id.
    pub application: String,
    /// How it ended.
    pub state: Verdict,
    /// The image that it is set to, where that is known.
    pub image: Option<String>,
    /// What is to be said about it: why it is not well.
    pub detail: String,
    /// It is set to what it was, and all that is wrong is that it is not well.
    #[serde(skip)]
    pub is_set_back: bool,
}

/// How a service ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It runs the target image and is well.
    Target,
    /// It is set to the target image, and nothing of it runs by which more could be seen.
    Set,
    /// It is as it was before.
    Before,
    /// It was set to the target already, and not touched.
    #[serde(rename = "unchanged")]
    Untouched,
    /// It is neither, or that cannot be known: somebody must look.
    NeedsOperator,
}

/// A set of changes, and how each application stood before the first write.
pub(super) struct Set<'a> {
    pub(super) changes: &'a [Change],
    pub(super) initial: Vec<Standing>,
}

impl Verdict {
    /// It is set to the target image, and as well as can be seen.
    #[must_use]
    pub fn is_at_target(self) -> bool {
        matches!(self, Self::Target | Self::Set)
    }
}

/// Whether all are at their targets, as far as can be seen.
pub(super) fn all_at_target(results: &[ServiceResult]) -> bool {
    results.iter().all(|result| result.state.is_at_target())
}

/// Whether all ended like this.
pub(super) fn all(results: &[ServiceResult], state: Verdict) -> bool {
    results.iter().all(|result| result.state == state)
}

impl Set<'_> {
    /// Whether this run wrote any of the changes, or may have.
    pub(super) fn wrote(&self, platform: &dyn Platform) -> bool {
        self.changes.iter().any(|change| platform.wrote(change))
    }

    /// Looks until the platform answers, for as long as `silence`; and as long as `calm` until no service is on its way.
    /// A look that has begun is not cut off: it may wait for a write to end.
    pub(super) async fn look(
        &self,
        platform: &dyn Platform,
        silence: Duration,
        calm: Duration,
    ) -> anyhow::Result<Vec<Standing>> {
        let begun = Instant::now();
        let mut pause = Duration::from_millis(250);
        loop {
            match platform.look(self.changes).await {
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

    /// What the standings mean for each service.
    pub(super) fn results(&self, standings: &[Standing]) -> Vec<ServiceResult> {
        self.changes
            .iter()
            .zip(standings)
            .zip(&self.initial)
            .map(|((change, now), first)| result(change, now, first))
            .collect()
    }

    /// The results where nobody knows how the services stand.
    pub(super) fn unknown(&self) -> Vec<ServiceResult> {
        let unknown = |change: &Change| {
            let was = change.application.images.join(", ");
            named(change, Verdict::NeedsOperator, None, format!("it ran {was} and was being set to {}", change.to))
        };
        self.changes.iter().map(unknown).collect()
    }
}

/// What the standing of a service means, given how it stood at first.
fn result(change: &Change, now: &Standing, first: &Standing) -> ServiceResult {
    let before = || Some(change.application.images.join(", "));
    match now {
        Standing::Target => named(change, Verdict::Target, Some(change.to.clone()), String::new()),
        Standing::Idle { why } => named(change, Verdict::Set, Some(change.to.clone()), why.clone()),
        Standing::Before { trouble: None } => named(change, Verdict::Before, before(), String::new()),
        Standing::Before { trouble: Some(why) } => match first {
            Standing::Before { trouble: None } => {
                let result = named(change, Verdict::NeedsOperator, before(), why.clone());
                ServiceResult { is_set_back: true, ..result }
            }
            _ => named(change, Verdict::Before, before(), format!("{why}, and it was not well before")),
        },
        Standing::Unwell { image, why } => named(change, Verdict::NeedsOperator, Some(image.clone()), why.clone()),
        Standing::Other { image } => {
            named(change, Verdict::NeedsOperator, Some(image.clone()), "somebody else set it to this image".to_owned())
        }
        Standing::Gone => named(change, Verdict::NeedsOperator, None, "it is no longer there".to_owned()),
    }
}

fn named(change: &Change, state: Verdict, image: Option<String>, detail: String) -> ServiceResult {
    let application = &change.application;
    let (service, application) = (application.service.clone(), application.id.clone());
    ServiceResult { service, application, state, image, detail, is_set_back: false }
}

/// Which services did not get well, and why.
pub(super) fn failures(results: &[ServiceResult]) -> String {
    let unwell = results.iter().filter(|result| !result.state.is_at_target());
    let said = |result: &ServiceResult| {
        let why = if result.detail.is_empty() { "it is as before" } else { &result.detail };
        format!("{} did not get well: {why}", result.service)
    };
    unwell.map(said).collect::<Vec<_>>().join("; ")
}

/// Whom somebody must look at.
pub(super) fn next(results: &[ServiceResult]) -> String {
    let unsure = results.iter().filter(|result| result.state != Verdict::Before);
    let mut list: Vec<_> = unsure.clone().map(|result| format!("'{}'", result.application)).collect();
    list.dedup();
    let (mut back, mut others) = (0, 0);
    unsure.for_each(|result| *(if result.is_set_back { &mut back } else { &mut others }) += 1);
    let hint = match (back, others) {
        (0, _) => "the commands that set each back by hand are shown",
        (_, 0) => "set back already, and not well: the commands that show why are shown",
        _ => "the commands that set them back by hand, or show why they are not well, are shown",
    };
    format!("Look at {}; {hint}", list.join(", "))
}
