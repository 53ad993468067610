//! A set of changes from its plan to its end, whatever the plan was made from: shown and agreed to, written down, locked,
//! applied, told.

use super::plan::{Row, SetPlan};
use super::scope::RunScope;
use super::set::{Applied, ApplyContext, apply};
use super::show::{by_hand_table, look_into_table, results_table};
use super::verify::{ItemResult, Verdict};
use super::vocabulary::Vocabulary;
use crate::action::consent::Proposal;
use crate::action::report::{Finding, Outcome};
use crate::journal::{Intention, Journal, Kind, Subject};
use crate::port::{Change, Settable};

/// A set that is to be carried out.
pub struct Execution<'a, C> {
    /// Where.
    pub scope: RunScope<'a>,
    /// By what the changes are made.
    pub port: &'a dyn Settable<Change = C>,
    /// What.
    pub plan: SetPlan<C>,
}

impl<C: Change> Execution<'_, C> {
    /// Shows the plan, asks, and carries it out. `changes_nothing` is the end where there is nothing to do.
    ///
    /// # Errors
    /// When something is wrong before anything is written; all later ends are findings.
    pub async fn go(&self, changes_nothing: impl FnOnce() -> Finding) -> anyhow::Result<Finding> {
        let RunScope { consent, place, context, .. } = self.scope;
        let (words, purpose) = (self.words(), self.plan.purpose.as_str());
        let changes = self.plan.changes();
        if changes.is_empty() {
            let finding = changes_nothing();
            return Ok(self.end(Finding { message: finding.message.clone() + &self.plan.left, ..finding }));
        }
        if let Some(finding) = consent.confirm(&self.proposal(&changes), &*context.operator).await? {
            return Ok(self.end(finding));
        }
        let section = context.interrupt.critical_section();
        let act = async |journal: &Journal| {
            self.scope.notifier.say(&self.plan.announcement, &*context.watch).await;
            let (section, limits, watch) = (&section, self.scope.limits(), &*context.watch);
            Ok(apply(&changes, ApplyContext { port: self.port, words, purpose, limits, section, watch, journal }).await)
        };
        let (id, applied) = match self.scope.carry_out(self.intention(place.address()), act).await? {
            (id, Ok(applied)) => (id, applied),
            (_, Err(refused)) => return Ok(self.end(refused)),
        };
        let applied = Applied { message: applied.message.clone() + &self.plan.left, ..applied };
        self.scope.tell(&applied.sentences(words), &applied.message, &section).await;
        Ok(self.end(self.finding(applied)).with("plan", id))
    }

    fn intention<'b>(&'b self, place: &'b str) -> Intention<'b> {
        let changed = self.plan.rows.iter().filter(|row| row.change.is_some());
        let subject = |row: &Row<C>| Subject {
            subject: row.subject.clone(),
            before: (self.scope.words.short)(&row.before),
            after: (self.scope.words.short)(&row.after),
        };
        let (purpose, plan) = (self.plan.purpose.as_str(), self.plan.recorded.clone());
        let (option, subjects) = (self.scope.words.option(), changed.map(subject).collect());
        Intention { kind: Kind::Set, place, option, purpose, subjects, plan }
    }

    /// The words for this run, which may undo another.
    fn words(&self) -> Vocabulary {
        self.scope.words.of(&self.plan.purpose)
    }

    fn proposal(&self, changes: &[C]) -> Proposal {
        let words = self.words();
        Proposal {
            plan: self.plan.table.clone(),
            what: C::counted(changes, words.one, words.many),
            place: format!(" of {} {}", self.scope.name(), self.plan.purpose),
            word: self.scope.protected(),
        }
    }

    /// Adds to a finding what every end tells. The plan is shown where it has not been yet.
    fn end(&self, finding: Finding) -> Finding {
        let mut finding =
            finding.with("environment", self.scope.environment).with("platform", self.scope.place.address());
        finding.details.extend(self.plan.details.clone());
        if matches!(finding.outcome, Outcome::Planned | Outcome::NothingToDo | Outcome::Failed)
            && finding.tables.is_empty()
        {
            finding.tables = vec![self.plan.table.clone()];
        }
        finding
    }

    /// The end of an applied plan, with a result for each of its subjects.
    fn finding(&self, applied: Applied) -> Finding {
        let mut applied_results = applied.results.iter().cloned();
        let result = |row: &Row<C>| match row.change {
            Some(_) => applied_results.next(),
            None => Some(untouched(row)),
        };
        let results: Vec<ItemResult> = self.plan.rows.iter().filter_map(result).collect();
        let mut finding = ended(&Applied { results, ..applied }, self.words());
        // Where nobody saw the plan, in Ansible say, this is the place to say it.
        if let Some(table) = finding.tables.first_mut() {
            table.legend.extend(self.plan.legend.iter().cloned());
        }
        finding
    }
}

/// The end of what was applied.
#[must_use]
pub fn ended(applied: &Applied, words: Vocabulary) -> Finding {
    let outcome = applied.outcome();
    let mut finding = Finding::new(outcome, applied.message.clone()).with("results", &applied.results);
    finding.changed = matches!(outcome, Outcome::Done | Outcome::NeedsOperator);
    finding.tables = vec![results_table(&applied.results, words)];
    if !applied.by_hand.is_empty() {
        finding.tables.push(by_hand_table(&applied.by_hand));
        finding = finding.with("by_hand", &applied.by_hand);
    }
    if !applied.look_into.is_empty() {
        finding.tables.push(look_into_table(&applied.look_into, words));
        finding = finding.with("look_into", &applied.look_into);
    }
    finding
}

fn untouched<C>(row: &Row<C>) -> ItemResult {
    let (subject, id, value) = (row.subject.clone(), row.id.clone(), Some(row.before.clone()));
    let (state, detail) = (Verdict::Untouched, String::new());
    ItemResult { subject, id, state, value, detail, is_set_back: false }
}
