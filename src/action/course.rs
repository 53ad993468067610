//! The usual course of an action whose plan is a list of steps: show it, ask, take one step after the other, report.

use serde_json::json;

use super::consent::{Consent, Proposal};
use super::context::Context;
use super::report::{Finding, Outcome, Table};
use crate::watch::Progress;

/// Steps that are planned and not yet taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// What was given, by the options' names; never a secret.
    pub given: Vec<(&'static str, String)>,
    /// What is to be done, each in a few words.
    pub steps: Vec<String>,
}

impl Course {
    /// The steps, for somebody who only looks.
    #[must_use]
    pub fn shown(&self) -> Finding {
        let message = if self.steps.is_empty() {
            "all is well: nothing to do".to_owned()
        } else {
            format!("{} to do", self.count())
        };
        self.end(Finding::new(Outcome::Done, message))
    }

    /// Shows the steps, asks as far as that is needed, and has them taken: `act` says whether a step changed anything.
    ///
    /// # Errors
    /// When the terminal fails. A step that fails ends the course, and is a finding.
    pub async fn run(
        &self,
        consent: Consent,
        context: &Context,
        mut act: impl AsyncFnMut(&str) -> anyhow::Result<bool>,
    ) -> anyhow::Result<Finding> {
        if self.steps.is_empty() {
            return Ok(self.end(Finding::new(Outcome::NothingToDo, "all is well: nothing to do")));
        }
        let proposal = Proposal { plan: self.table(), what: self.count(), place: String::new(), word: None };
        if let Some(finding) = consent.settle(&proposal, &*context.operator).await? {
            return Ok(self.end(finding));
        }
        let mut changed = false;
        for step in &self.steps {
            let at = |done, note: &str| context.watch.at(step, &Progress { done, total: 1, note: note.to_owned() });
            at(0, "begun");
            match act(step).await {
                Ok(news) => changed |= news,
                Err(error) => {
                    let (outcome, state) = if changed {
                        (Outcome::NeedsOperator, "the steps before it were taken")
                    } else {
                        (Outcome::Failed, "nothing was changed before it")
                    };
                    let mut finding = Finding::new(outcome, format!("failed to {step}, and {state}: {error:#}"));
                    finding.changed = changed;
                    return Ok(self.end(finding));
                }
            }
            at(1, "done");
        }
        let mut finding = Finding::new(Outcome::Done, format!("{} taken", self.count()));
        finding.changed = changed;
        Ok(self.end(finding))
    }

    fn count(&self) -> String {
        format!("{} step{}", self.steps.len(), if self.steps.len() == 1 { "" } else { "s" })
    }

    fn end(&self, mut finding: Finding) -> Finding {
        if finding.outcome != Outcome::Declined {
            finding.tables = vec![self.table()];
        }
        let step = |step| json!({ "service": step, "from": "to be done", "to": "done" });
        finding.with("steps", self.steps.iter().map(step).collect::<Vec<_>>())
    }

    fn table(&self) -> Table {
        let given = self.given.iter().map(|(name, value)| vec![(*name).into(), value.as_str().into()]);
        let steps = self.steps.iter().map(|step| vec!["step".into(), step.as_str().into()]);
        Table { head: vec![String::new(); 2], rows: given.chain(steps).collect(), ..Table::default() }
    }
}
