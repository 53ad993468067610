//! From a plan to its end, whatever it was made from: it is shown and agreed to, written down, locked, applied, told.

use anyhow::Context as _;

use super::apply::{Applied, Hands, apply};
use super::deed::Deed;
use super::plan::{Plan, Step};
use super::recorded::Recorded;
use super::show::{
    announcement, by_hand_table, counted, left_out, look_into_table, plan_table, plan_values, results_table,
};
use super::site::{Site, unchanged};
use super::verify::{ServiceResult, Verdict};
use crate::action::consent::{Proposal, is_production};
use crate::action::interrupt::Shield;
use crate::action::report::{Finding, Outcome, Table};
use crate::journal::State;
use crate::platform::{Application, Change};

/// A plan that is to be carried out.
pub struct Undertaking<'a> {
    /// Where.
    pub site: Site<'a>,
    /// What.
    pub plan: Plan,
    /// To what end: `back to 2026-11-20`.
    pub purpose: String,
    /// What is said of the images in the plan's title: `, with images of 'develop'`.
    pub images: String,
    /// The registry that the images come from.
    pub registry: String,
}

impl Undertaking<'_> {
    /// Shows the plan, asks, and carries it out. `changes_nothing` is the end where there is nothing to do.
    ///
    /// # Errors
    /// When something is wrong before anything is written; all later ends are findings.
    pub async fn go(&self, changes_nothing: impl FnOnce() -> Finding) -> anyhow::Result<Finding> {
        let Site { means, platform, context, .. } = &self.site;
        let changes = self.plan.changes();
        if changes.is_empty() {
            let finding = changes_nothing();
            return Ok(self.end(Finding { message: finding.message.clone() + &left(&self.plan), ..finding }));
        }
        if let Some(finding) = means.consent.settle(&self.proposal(), &*context.operator).await? {
            return Ok(self.end(finding));
        }
        let journal = context.journal.journal()?;
        let recorded = Recorded::of(&self.plan, &self.purpose, &self.registry);
        let recorded = serde_json::to_value(recorded).context("the plan cannot be written down")?;
        let id = journal.plan(platform.address(), recorded)?;
        let shield = context.interrupt.shield();
        let applied = match self.locked(&changes, &shield).await {
            Ok(Ok(applied)) => applied,
            Ok(Err(refused)) => {
                journal.enter(State::Unchanged)?;
                return Ok(self.end(refused));
            }
            Err(error) => {
                journal.enter(State::Unchanged)?;
                return Err(error);
            }
        };
        let deed = Deed::of(&self.purpose);
        let applied = Applied { message: applied.message.clone() + &left(&self.plan), ..applied };
        self.site.tell(&applied, &deed, &shield).await;
        Ok(self.end(finding(applied, &deed, &self.plan)).with("plan", id))
    }

    /// Applies the changes while nobody else acts there.
    async fn locked(&self, changes: &[Change], shield: &Shield) -> anyhow::Result<Result<Applied, Finding>> {
        let Site { environment, platform, context, .. } = self.site;
        let journal = context.journal.journal()?;
        let holder = context.journal.holder();
        let _lock = match self.site.lock_here(&holder)? {
            Ok(lock) => lock,
            Err(held) => return Ok(Err(held)),
        };
        if let Some(run) = self.site.open_run()? {
            return Ok(Err(unchanged(&run.died())));
        }
        let act = async || {
            journal.enter(State::Locked)?;
            let text = announcement(&context.who, environment, &self.purpose, &self.plan);
            self.site.notifier.say(&text, &*context.watch).await;
            let (limits, watch) = (self.site.limits(), &*context.watch);
            let deed = &Deed::of(&self.purpose);
            Ok(apply(changes, Hands { platform, deed, limits, shield, watch, journal }).await)
        };
        self.site.locked_there(&holder, act).await
    }

    fn place(&self) -> String {
        format!("'{}' on {} {}", self.site.environment, self.site.platform.address(), self.purpose)
    }

    fn table(&self) -> Table {
        let title = format!("The plan: {}{}", self.place(), self.images);
        plan_table(&self.plan, title, self.site.context.started)
    }

    fn proposal(&self) -> Proposal {
        let environment = self.site.environment;
        Proposal {
            plan: self.table(),
            what: counted(&self.plan.changes()),
            place: format!(" of {}", self.place()),
            word: is_production(environment).then(|| environment.to_owned()),
        }
    }

    /// Adds to a finding what every end tells. The plan is shown where it has not been yet.
    fn end(&self, finding: Finding) -> Finding {
        let mut finding = finding
            .with("environment", self.site.environment)
            .with("platform", self.site.platform.address())
            .with("steps", plan_values(&self.plan))
            .with("left_out", &self.plan.left_out)
            .with("left", &self.plan.left)
            .with("notes", &self.plan.notes);
        if matches!(finding.outcome, Outcome::Planned | Outcome::NothingToDo | Outcome::Failed)
            && finding.tables.is_empty()
        {
            finding.tables = vec![self.table()];
        }
        finding
    }
}

/// What is said beside the outcome of those workloads that run images of the set, and are left as they are.
fn left(plan: &Plan) -> String {
    let mut names: Vec<&str> = plan.left.iter().map(|left| left.service.as_str()).collect();
    names.dedup();
    if names.is_empty() { String::new() } else { format!(" (left as they are: {})", names.join(", ")) }
}

/// The end of an applied plan, with a result for each of its steps.
fn finding(applied: Applied, deed: &Deed, plan: &Plan) -> Finding {
    let mut applied_results = applied.results.iter().cloned();
    let result = |step: &Step| if step.unchanged { Some(untouched(step)) } else { applied_results.next() };
    let results: Vec<ServiceResult> = plan.steps.iter().filter_map(result).collect();
    let mut finding = ended(&Applied { results, ..applied }, deed);
    // Where nobody saw the plan, in Ansible say, this is the place to say it.
    if let Some(table) = finding.tables.first_mut() {
        table.legend.extend(left_out(plan));
    }
    finding
}

/// The end of what was applied.
#[must_use]
pub fn ended(applied: &Applied, deed: &Deed) -> Finding {
    let outcome = applied.outcome();
    let mut finding = Finding::new(outcome, applied.message.clone()).with("results", &applied.results);
    finding.changed = matches!(outcome, Outcome::Done | Outcome::NeedsOperator);
    finding.tables = vec![results_table(&applied.results, deed)];
    if !applied.by_hand.is_empty() {
        finding.tables.push(by_hand_table(&applied.by_hand));
        finding = finding.with("by_hand", &applied.by_hand);
    }
    if !applied.look_into.is_empty() {
        finding.tables.push(look_into_table(&applied.look_into));
        finding = finding.with("look_into", &applied.look_into);
    }
    finding
}

fn untouched(step: &Step) -> ServiceResult {
    let Application { id, service, images, .. } = &step.change.application;
    let (service, application, image) = (service.clone(), id.clone(), Some(images.join(", ")));
    let (state, detail) = (Verdict::Untouched, String::new());
    ServiceResult { service, application, state, image, detail, is_set_back: false }
}
