//! A running deployment: what it changes in which order, and how it is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde_json::{Value, json};

use super::app::{Stamp, written};
use super::definition::Definition;

/// A running deployment.
#[derive(Debug)]
pub(super) struct Deployment {
    pub(super) id: String,
    pub(super) version: Stamp,
    /// What is changed, step after step: those of one step at once.
    pub(super) steps: Vec<Vec<(Action, String)>>,
    pub(super) current: usize,
    /// The definitions from before; None where the application is new.
    pub(super) before: BTreeMap<String, Option<Definition>>,
    /// Why it does not just go on.
    pub(super) held: Held,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// It does.
    Free,
    /// It was ordered to hang.
    Hangs,
    /// It is somebody else's, and runs until then (None: for ever).
    Foreign(Option<Instant>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Start,
    Scale,
    Restart,
    Stop,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "StartApplication",
            Self::Scale => "ScaleApplication",
            Self::Restart => "RestartApplication",
            Self::Stop => "StopApplication",
        }
    }
}

impl Deployment {
    pub(super) fn affects(&self, id: &str) -> bool {
        self.steps.iter().flatten().any(|(_, affected)| affected == id)
    }

    pub(super) fn json(&self) -> Value {
        let action = |(action, app): &(Action, String)| json!({"action": action.name(), "app": app});
        let steps: Vec<Value> =
            self.steps.iter().map(|step| json!({"actions": step.iter().map(action).collect::<Vec<_>>()})).collect();
        let mut current: Vec<Value> = self.steps.get(self.current).into_iter().flatten().map(action).collect();
        for action in &mut current {
            action["readinessCheckResults"] = json!([]);
        }
        let affected: BTreeSet<&str> = self.steps.iter().flatten().map(|(_, app)| app.as_str()).collect();
        json!({
            "id": self.id,
            "version": written(self.version),
            "affectedApps": affected,
            "affectedPods": [],
            "steps": steps,
            "currentActions": current,
            "currentStep": self.current + 1,
            "totalSteps": self.steps.len(),
        })
    }
}
