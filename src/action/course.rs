//! The usual course of an action whose plan is a list of steps: show it, ask, take one step after the other, report.

use serde_json::{Value, json};

use super::consent::{Consent, Proposal};
use super::context::Context;
use super::interrupt::CriticalSection;
use super::report::{Finding, Outcome, Table};
use crate::journal::{Answer, Journal, Ledger as _, State};
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
    /// When the terminal fails. A step that fails ends the course, and is a finding: nobody knows how far it came.
    pub async fn run(
        &self,
        consent: Consent,
        context: &Context,
        mut act: impl AsyncFnMut(&str) -> anyhow::Result<bool>,
    ) -> anyhow::Result<Finding> {
        if consent != Consent::Withheld {
            context.journal.begin()?;
        }
        if self.steps.is_empty() {
            return Ok(self.end(Finding::new(Outcome::NothingToDo, "all is well: nothing to do")));
        }
        let proposal = Proposal { plan: self.table(), what: self.count(), place: String::new(), word: None };
        if let Some(finding) = consent.settle(&proposal, &*context.operator).await? {
            return Ok(self.end(finding));
        }
        let journal = context.journal.journal()?;
        let (environment, place) = (context.journal.environment(), context.journal.action());
        journal.plan(place, json!({ "given": self.given, "steps": self.steps }))?;
        let _lock = match context.journal.folder()?.lock(environment, place, &context.journal.holder()) {
            Ok(lock) => lock,
            Err(error) => {
                journal.enter(State::Unchanged)?;
                return Ok(self.end(Finding::new(Outcome::Failed, format!("{error}; nothing was changed"))));
            }
        };
        if let Some(died) = context.journal.open_run(environment, place)? {
            context.watch.warn(&died.died());
        }
        let section = context.interrupt.critical_section();
        journal.enter(State::Locked)?;
        journal.enter(State::Applying)?;
        let mut changed = false;
        for step in &self.steps {
            let at = |done, note: &str| context.watch.at(step, &Progress { done, total: 1, note: note.to_owned() });
            at(0, "begun");
            match taken(journal, step, act(step), &section).await {
                Ok(news) => changed |= news,
                Err(error) => {
                    section.over();
                    journal.enter(State::NeedsOperator)?;
                    let before = if changed { "steps before it were taken" } else { "nothing was changed before it" };
                    let message = format!("failed to {step}, which may be half done; {before}: {error:#}");
                    let mut finding = Finding::new(Outcome::NeedsOperator, message);
                    finding.changed = true;
                    return Ok(self.end(finding));
                }
            }
            at(1, "done");
        }
        section.over();
        journal.enter(State::Verifying)?;
        journal.enter(State::Done)?;
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

/// Takes a step, written down before and after. One that is interrupted is cut off where it stands.
async fn taken(
    journal: &Journal,
    step: &str,
    act: impl Future<Output = anyhow::Result<bool>>,
    section: &CriticalSection,
) -> anyhow::Result<bool> {
    let number = journal.intent(step, Value::Null)?;
    let taken = tokio::select! {
        biased;
        () = section.interrupted() => Err(anyhow::anyhow!("interrupted")),
        taken = act => taken,
    };
    journal.answer(
        number,
        match &taken {
            Ok(news) => Answer::Taken(json!({ "changed": news })),
            Err(error) => Answer::Lost(format!("{error:#}")),
        },
    );
    taken
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use chrono::DateTime;

    use super::*;
    use crate::action::interrupt::{Interrupt, Meaning};
    use crate::action::keeper::Keeper;
    use crate::action::operator::Operator;
    use crate::action::report::Who;
    use crate::journal::record::Began;
    use crate::watch::Unwatched;

    struct Nobody;

    #[async_trait]
    impl Operator for Nobody {
        fn present(&self) -> bool {
            false
        }
        fn say(&self, _text: &str) {}
        fn show(&self, _table: &Table) {}
        async fn choose(&self, _question: &str, _answers: &[String]) -> anyhow::Result<Option<usize>> {
            Ok(None)
        }
        async fn confirm(&self, _question: &str) -> anyhow::Result<bool> {
            Ok(false)
        }
        async fn type_out(&self, _question: &str, _word: &str) -> anyhow::Result<bool> {
            Ok(false)
        }
        async fn ask(&self, _question: &str) -> anyhow::Result<String> {
            Ok(String::new())
        }
    }

    /// How a course of two steps ends, of which the one of this name fails; and the steps that were begun.
    async fn end(consent: Consent, fails: &str) -> (Outcome, String, bool, Vec<String>) {
        let folder = tempfile::tempdir().expect("a folder");
        let context = Context {
            started: DateTime::UNIX_EPOCH,
            who: Who::default(),
            cache_folder: None,
            journal: Arc::new(Keeper::new(Some(folder.path().to_owned()), Began::default())),
            operator: Arc::new(Nobody),
            watch: Arc::new(Unwatched),
            interrupt: Interrupt::default(),
        };
        let course = Course { given: Vec::new(), steps: vec!["stop it".to_owned(), "start it".to_owned()] };
        let mut begun = Vec::new();
        let act = async |step: &str| {
            begun.push(step.to_owned());
            if fails == "interrupt" && begun.len() == 2 {
                assert_eq!(context.interrupt.arrive(), Meaning::TakeBack);
                std::future::pending::<()>().await;
            }
            anyhow::ensure!(step != fails, "no power");
            Ok(true)
        };
        let finding = course.run(consent, &context, act).await.expect("a finding");
        (finding.outcome, finding.message, finding.changed, begun)
    }

    #[tokio::test]
    async fn a_step_that_fails_needs_an_operator() {
        let first = "failed to stop it, which may be half done; nothing was changed before it: no power";
        let begun = vec!["stop it".to_owned()];
        assert_eq!(end(Consent::Given, "stop it").await, (Outcome::NeedsOperator, first.to_owned(), true, begun));
        let second = "failed to start it, which may be half done; steps before it were taken: no power";
        let begun = vec!["stop it".to_owned(), "start it".to_owned()];
        assert_eq!(
            end(Consent::Given, "start it").await,
            (Outcome::NeedsOperator, second.to_owned(), true, begun.clone())
        );
        let second = second.replace("no power", "interrupted");
        assert_eq!(end(Consent::Given, "interrupt").await, (Outcome::NeedsOperator, second, true, begun));
    }

    #[tokio::test]
    async fn what_was_not_begun_changed_nothing() {
        let declined = "--yes is needed where no terminal is: nothing was changed".to_owned();
        assert_eq!(end(Consent::Asked, "stop it").await, (Outcome::Declined, declined, false, Vec::new()));
    }
}
