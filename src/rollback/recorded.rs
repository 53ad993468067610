//! A plan as the journal keeps it: enough to finish the run, to take it back, and to undo it later.

use serde::{Deserialize, Serialize};

use super::plan::{Plan, Step};
use crate::journal::Run;
use crate::platform::Change;
use crate::registry::Image;

/// What a run was to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// To what end: `back to 2026-11-20`.
    pub purpose: String,
    /// The registry that the images come from.
    pub registry: String,
    /// The changes, in order.
    pub steps: Vec<RecordedStep>,
}

/// What was to become of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedStep {
    /// From the application as it was, to the image.
    pub change: Change,
    /// That image, as the registry knows it.
    pub image: Image,
    /// The image before it, as the registry knew it then; none where it did not.
    pub before: Option<Image>,
    /// Why the service was not well before, if it was not.
    pub trouble: Option<String>,
}

impl Recorded {
    /// The record of a plan.
    #[must_use]
    pub fn of(plan: &Plan, purpose: &str, registry: &str) -> Self {
        let step = |step: &Step| RecordedStep {
            change: step.change.clone(),
            image: step.image.clone(),
            before: step.before.clone(),
            trouble: step.trouble.clone(),
        };
        let steps = plan.steps.iter().filter(|step| !step.unchanged).map(step).collect();
        Self { purpose: purpose.to_owned(), registry: registry.to_owned(), steps }
    }

    /// The plan of a run; none where it is of another action, or was never made.
    #[must_use]
    pub fn read(run: &Run) -> Option<Self> {
        serde_json::from_value(run.planned.as_ref()?.plan.clone()).ok()
    }

    /// The changes.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        self.steps.iter().map(|step| step.change.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_is_read_as_it_was_always_written_and_written_so_still() {
        let image = |tag: &str| json!({"repository": "billing", "tag": tag, "digest": "sha256:1", "created": null});
        let first = json!({
            "purpose": "back to 2026-11-20", "registry": "https://r",
            "steps": [{
                "change": {
                    "application": {
                        "id": "dev/deployment/billing", "service": "billing", "images": ["r/billing:2"],
                        "revision": "u/1", "instances": 2, "notes": ["down while it restarts"], "obstacle": null,
                    },
                    "to": "r/billing:1",
                },
                "image": image("1"), "before": image("2"), "trouble": null,
            }],
        });
        let read: Recorded = serde_json::from_value(first.clone()).expect("a plan");
        assert_eq!((read.changes()[0].application.apart.clone(), read.steps.len()), (None, 1));
        let written = serde_json::to_value(&read).expect("JSON");
        assert_eq!(written["steps"][0]["change"], first["steps"][0]["change"], "an older version understands it");
    }
}
