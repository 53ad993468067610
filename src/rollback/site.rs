//! Where a run acts: nobody else acts there meanwhile, and whoever should know is told.

use std::time::Duration;

use tokio::time::sleep;

use super::apply::{Applied, Limits};
use super::arguments::Means;
use super::deed::Deed;
use super::show::sentence;
use crate::action::consent::Consent;
use crate::action::context::Context;
use crate::action::interrupt::Shield;
use crate::action::notify::Notifier;
use crate::action::report::{Finding, Outcome};
use crate::journal::Run;
use crate::journal::lock::{Holder, Lock, LockError};
use crate::platform::{Application, Platform};

/// How long at most the platform may be silent while the services' standing is asked for.
const SILENCE: Duration = Duration::from_mins(1);

/// How long services may take to get well after their deployment is done.
const CALM: Duration = Duration::from_secs(10);

/// How long a lock may be waited for without a word.
const PROMPT: Duration = Duration::from_secs(2);

/// Where a run acts, and by whom.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// What every command that acts takes.
    pub means: &'a Means,
    /// The environment of the running services.
    pub environment: &'a str,
    /// Where they run.
    pub platform: &'a dyn Platform,
    /// Who is told of it.
    pub notifier: &'a Notifier,
    /// Everything else.
    pub context: &'a Context,
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
            Ok(_lock) => self.open_run()?.map(|run| unchanged(&run.died())),
            Err(held) => Some(held),
        })
    }

    /// The workloads of the environment; those that cannot be set as well, as far as they can be read.
    ///
    /// # Errors
    /// When the platform cannot be read.
    pub async fn workloads(&self) -> anyhow::Result<Vec<Application>> {
        let mut applications = self.platform.applications(self.environment).await?;
        match self.platform.others(self.environment).await {
            Ok(others) => applications.extend(others),
            Err(error) => self.context.watch.warn(&format!(
                "what else runs there, and cannot be set, is not known, so none of it is named: {error:#}"
            )),
        }
        Ok(applications)
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
        match self.patiently(self.lock_there(holder)).await {
            Ok(()) => {}
            Err(LockError::Failed(error)) => return Err(error.context("failed to keep others out")),
            Err(held) => return Ok(Err(unchanged(&format!("{held}{}", hint(&held))))),
        }
        let acted = act().await;
        if let Err(error) = self.platform.unlock(self.environment, holder).await {
            self.context.watch.warn(&format!("the lock of '{}' could not be removed: {error:#}", self.environment));
        }
        acted.map(Ok)
    }

    /// Says so where a lock is waited for.
    async fn patiently<T>(&self, locking: impl Future<Output = T>) -> T {
        tokio::pin!(locking);
        tokio::select! {
            locked = &mut locking => locked,
            () = sleep(PROMPT) => {
                let place = self.platform.address();
                self.context.operator.say(&format!("waiting for the lock of '{}' on {place}", self.environment));
                locking.await
            }
        }
    }

    /// The lock where the services run. One that a run of this host left behind, which has come to its end, is removed.
    async fn lock_there(&self, holder: &Holder) -> Result<(), LockError> {
        let locked = self.platform.lock(self.environment, holder).await;
        let Err(LockError::Held(Some(other))) = &locked else { return locked };
        let folder = self.context.journal.folder().map_err(LockError::Failed)?;
        let has_ended =
            |run: &Run| run.id == other.run && !run.is_open() && self.context.journal.is_alive(run) == Some(false);
        if !folder.run(&other.run).is_ok_and(|run| has_ended(&run)) {
            return locked;
        }
        self.platform.unlock(self.environment, other).await.map_err(LockError::Failed)?;
        self.platform.lock(self.environment, holder).await
    }

    /// Tells Slack how it ended, unless somebody is in a hurry.
    pub async fn tell(&self, applied: &Applied, deed: &Deed, shield: &Shield) {
        let notifier = self.notifier;
        let say = async {
            for result in &applied.results {
                notifier.say(&sentence(result, deed), &*self.context.watch).await;
            }
            notifier.say(&format!("{}: {}", self.environment, applied.message), &*self.context.watch).await;
        };
        tokio::select! {
            () = say => {}
            () = shield.hurried() => {}
        }
    }
}

/// The way out where the holder of a lock may have died on another host.
fn hint(held: &LockError) -> String {
    let LockError::Held(Some(Holder { run, .. })) = held else { return String::new() };
    format!("; if that run died, `rollback_service resume --run={run}` by its user on its host ends it")
}

/// The end of a run that was not to begin.
pub(super) fn unchanged(why: &str) -> Finding {
    Finding::new(Outcome::Failed, format!("{why}; nothing was changed"))
}
