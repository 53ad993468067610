//! How the services stand, and what that means: at the target, as before, or somebody must look.

use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::platform::{Change, Platform, Standing};

/// How one service stands at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceResult {
    /// The service.
    pub service: String,
    /// Its application.
    pub application: String,
    /// How it ended.
    pub state: Verdict,
    /// The image that it is set to, where that is known.
    pub image: Option<String>,
    /// What is to be said about it: why it is not well.
    pub detail: String,
}

/// How a service ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It runs the target image and is well.
    Target,
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
        Standing::Before { trouble: None } => named(change, Verdict::Before, before(), String::new()),
        Standing::Before { trouble: Some(why) } => match first {
            Standing::Before { trouble: None } => named(change, Verdict::NeedsOperator, before(), why.clone()),
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
    ServiceResult { service: application.service.clone(), application: application.id.clone(), state, image, detail }
}

/// Which services did not get well, and why.
pub(super) fn failures(results: &[ServiceResult]) -> String {
    let unwell = results.iter().filter(|result| result.state != Verdict::Target);
    let said = |result: &ServiceResult| {
        let why = if result.detail.is_empty() { "it is as before" } else { &result.detail };
        format!("{} did not get well: {why}", result.service)
    };
    unwell.map(said).collect::<Vec<_>>().join("; ")
}

/// Whom somebody must look at.
pub(super) fn next(results: &[ServiceResult]) -> String {
    let unsure = results.iter().filter(|result| result.state != Verdict::Before);
    let list: Vec<_> = unsure.map(|result| format!("'{}'", result.application)).collect();
    format!("Look at {}; the commands that set each back by hand are shown", list.join(", "))
}
