//! From a plan to its end, whatever it was made from: it is shown and agreed to, written down, locked, applied, told.

use std::time::Duration;

use anyhow::Context as _;

use super::apply::{Applied, Hands, Limits, apply};
use super::arguments::Means;
use super::plan::{Plan, Step};
use super::recorded::Recorded;
use super::show::{announcement, by_hand_table, left_out, plan_table, plan_values, results_table, sentence, services};
use super::verify::{ServiceResult, State as Stands};
use crate::action::consent::{Consent, Proposal, is_production};
use crate::action::context::Context;
use crate::action::interrupt::Shield;
use crate::action::notify::Notifier;
use crate::action::report::{Finding, Outcome, Table};
use crate::http;
use crate::journal::lock::{Holder, Lock, LockError};
use crate::journal::{Run, State};
use crate::platform::{Application, Change, Platform};

/// How long at most the platform may be silent while the services' standing is asked for.
const SILENCE: Duration = Duration::from_mins(1);

/// How long services may take to get well after their deployment is done.
const CALM: Duration = Duration::from_secs(10);

/// Where a run acts, and by whom.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// What every command that acts takes.
    pub means: &'a Means,
    /// The environment of the running services.
    pub environment: &'a str,
    /// Where they run.
    pub platform: &'a dyn Platform,
    /// The client that Slack is told by.
    pub http: &'a http::Client,
    /// Everything else.
    pub context: &'a Context,
}

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

impl Site<'_> {
    /// How long each step may take.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits { deployment: self.means.limit, silence: SILENCE.min(self.means.limit), calm: CALM }
    }

    /// Refuses where somebody acts just now, or a run died: before a plan is made in vain.
    ///
    /// # Errors
    /// When the lock or the journals cannot be read. A refusal is a finding.
    pub fn refusal(&self) -> anyhow::Result<Option<Finding>> {
        if self.means.consent == Consent::Withheld && self.context.journal.folder().is_err() {
            return Ok(None);
        }
        Ok(match self.lock_here(&self.context.journal.holder())? {
            Ok(_lock) => self.open_run()?.map(|run| unchanged(&died(&run))),
            Err(held) => Some(held),
        })
    }

    /// Keeps everybody else on this host out, until the lock goes out of scope or the process ends.
    ///
    /// # Errors
    /// When it cannot be had. That somebody else has it is a finding.
    pub fn lock_here(&self, holder: &Holder) -> anyhow::Result<Result<Lock, Finding>> {
        let folder = self.context.journal.folder()?;
        match folder.lock(self.environment, self.platform.address(), holder) {
            Ok(lock) => Ok(Ok(lock)),
            Err(LockError::Failed(error)) => Err(error),
            Err(held) => Ok(Err(unchanged(&held.to_string()))),
        }
    }

    /// The run that died here, if one did. Only who has the lock of this host knows that it died.
    ///
    /// # Errors
    /// When the journals cannot be read.
    pub fn open_run(&self) -> anyhow::Result<Option<Run>> {
        self.context.journal.open_run(self.environment, self.platform.address())
    }

    /// Keeps everybody else out where the services run, while `act` is under way. The caller has the lock of this host.
    ///
    /// # Errors
    /// When the lock cannot be had. That somebody else has it is a finding.
    pub async fn locked_there<T>(
        &self,
        holder: &Holder,
        act: impl AsyncFnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<Result<T, Finding>> {
        match self.lock_there(holder).await {
            Ok(()) => {}
            Err(LockError::Failed(error)) => return Err(error.context("failed to keep others out")),
            Err(held) => {
                let hint = "if that run died, `rollback_service resume` or `undo` on its host ends it";
                return Ok(Err(unchanged(&format!("{held}; {hint}"))));
            }
        }
        let acted = act().await;
        if let Err(error) = self.platform.unlock(self.environment, holder).await {
            self.context.watch.warn(&format!("the lock of '{}' could not be removed: {error:#}", self.environment));
        }
        acted.map(Ok)
    }

    /// The lock where the services run. One that a run of this host left behind, which has come to its end, is removed.
    async fn lock_there(&self, holder: &Holder) -> Result<(), LockError> {
        let locked = self.platform.lock(self.environment, holder).await;
        let Err(LockError::Held(Some(other))) = &locked else { return locked };
        let folder = self.context.journal.folder().map_err(LockError::Failed)?;
        // Nobody else of this host acts here: its lock is ours.
        if !folder.run(&other.run).is_ok_and(|run| run.id == other.run && !run.is_open()) {
            return locked;
        }
        self.platform.unlock(self.environment, other).await.map_err(LockError::Failed)?;
        self.platform.lock(self.environment, holder).await
    }

    /// Tells Slack how it ended, unless somebody is in a hurry.
    pub async fn tell(&self, applied: &Applied, shield: &Shield) {
        let notifier = self.notifier();
        let say = async {
            for result in &applied.results {
                notifier.say(&sentence(result), &*self.context.watch).await;
            }
            notifier.say(&format!("{}: {}", self.environment, applied.message), &*self.context.watch).await;
        };
        tokio::select! {
            () = say => {}
            () = shield.hurried() => {}
        }
    }

    /// Whoever is told.
    #[must_use]
    pub fn notifier(&self) -> Notifier {
        Notifier::new(self.http, self.means.slack.clone())
    }
}

/// The end of a run that was not to begin.
fn unchanged(why: &str) -> Finding {
    Finding::new(Outcome::Failed, format!("{why}; nothing was changed"))
}

/// What is said of a run that died, with both ways out.
fn died(run: &Run) -> String {
    let (id, who, host) = (&run.id, &run.latest.who, &run.latest.host);
    let state = run.state.map_or_else(String::new, |(state, _)| format!(" while {state}"));
    format!(
        "run {id} by {who} on {host} died{state}: `rollback_service resume --run={id}` finishes it, \
         `rollback_service undo --run={id}` takes it back"
    )
}

impl Undertaking<'_> {
    /// Shows the plan, asks, and carries it out. `changes_nothing` is the end where there is nothing to do.
    ///
    /// # Errors
    /// When something is wrong before anything is written; all later ends are findings.
    pub async fn go(&self, changes_nothing: impl FnOnce() -> Finding) -> anyhow::Result<Finding> {
        let Site { means, environment, platform, context, .. } = &self.site;
        let changes = self.plan.changes();
        if changes.is_empty() {
            return Ok(self.end(changes_nothing()));
        }
        if let Some(finding) = means.consent.settle(&self.proposal(), &*context.operator).await? {
            return Ok(self.end(finding));
        }
        let journal = context.journal.journal()?;
        let recorded = Recorded::of(&self.plan, &self.purpose, &self.registry);
        let recorded = serde_json::to_value(recorded).context("the plan cannot be written down")?;
        let id = journal.plan(environment, platform.address(), recorded)?;
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
        self.site.tell(&applied, &shield).await;
        Ok(self.end(finding(applied, &self.plan)).with("plan", id))
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
            return Ok(Err(unchanged(&died(&run))));
        }
        let act = async || {
            journal.enter(State::Locked)?;
            let text = announcement(&context.who, environment, &self.purpose, &self.plan);
            self.site.notifier().say(&text, &*context.watch).await;
            let (limits, watch) = (self.site.limits(), &*context.watch);
            Ok(apply(changes, Hands { platform, limits, shield, watch, journal }).await)
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
            what: services(self.plan.changes().len()),
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
            .with("notes", &self.plan.notes);
        if matches!(finding.outcome, Outcome::Planned | Outcome::NothingToDo | Outcome::Failed)
            && finding.tables.is_empty()
        {
            finding.tables = vec![self.table()];
        }
        finding
    }
}

/// The end of an applied plan, with a result for each of its services.
fn finding(applied: Applied, plan: &Plan) -> Finding {
    let mut applied_results = applied.results.iter().cloned();
    let result = |step: &Step| if step.unchanged { Some(untouched(step)) } else { applied_results.next() };
    let results: Vec<ServiceResult> = plan.steps.iter().filter_map(result).collect();
    let mut finding = ended(&Applied { results, ..applied });
    // Where nobody saw the plan, in Ansible say, this is the place to say it.
    if let Some(table) = finding.tables.first_mut() {
        table.legend.extend(left_out(plan));
    }
    finding
}

/// The end of what was applied.
#[must_use]
pub fn ended(applied: &Applied) -> Finding {
    let outcome = applied.outcome();
    let mut finding = Finding::new(outcome, applied.message.clone()).with("results", &applied.results);
    finding.changed = matches!(outcome, Outcome::Done | Outcome::NeedsOperator);
    finding.tables = vec![results_table(&applied.results)];
    if !applied.by_hand.is_empty() {
        finding.tables.push(by_hand_table(&applied.by_hand));
        finding = finding.with("by_hand", &applied.by_hand);
    }
    finding
}

fn untouched(step: &Step) -> ServiceResult {
    let Application { id, service, images, .. } = &step.change.application;
    let (service, application, image) = (service.clone(), id.clone(), Some(images.join(", ")));
    ServiceResult { service, application, state: Stands::Unchanged, image, detail: String::new() }
}
