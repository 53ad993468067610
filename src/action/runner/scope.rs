//! Where a run acts: no other run acts there meanwhile, a run that died there is not passed over, and the people who
//! should know are told.

use std::time::Duration;

use tokio::time::sleep;

use super::set::Limits;
use super::vocabulary::Vocabulary;
use crate::action::consent::{Consent, is_production};
use crate::action::context::Context;
use crate::action::interrupt::CriticalSection;
use crate::action::notify::Notifier;
use crate::action::report::{Finding, Outcome};
use crate::journal::lock::{Holder, Lock, LockError};
use crate::journal::{Intention, Journal, Run, State};
use crate::port::RemoteLock;

/// How long at most the other side may be silent while it is asked how the subjects stand.
const SILENCE: Duration = Duration::from_mins(1);

/// How long subjects may take to become healthy after their change is done.
const CALM: Duration = Duration::from_secs(10);

/// How long a lock may be waited for without a word.
const PROMPT: Duration = Duration::from_secs(2);

/// Where a run acts, and under which conditions.
#[derive(Clone, Copy)]
pub struct RunScope<'a> {
    /// The environment that it is about.
    pub environment: &'a str,
    /// The place of that environment, with the lock against runs on other hosts.
    pub place: &'a dyn RemoteLock,
    /// What its subjects are called.
    pub words: Vocabulary,
    /// Whether to ask before anything is changed.
    pub consent: Consent,
    /// How long each step may take.
    pub limit: Duration,
    /// Who is told of it.
    pub notifier: &'a Notifier,
    /// Everything else.
    pub context: &'a Context,
}

impl RunScope<'_> {
    /// How long each step may take.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits { deployment: self.limit, silence: SILENCE.min(self.limit), calm: CALM }
    }

    /// `'dev' on https://dcos.example`.
    #[must_use]
    pub fn name(&self) -> String {
        name_of(self.environment, self.place.address())
    }

    /// The word that must be typed out before something is changed here; none where a yes is enough.
    #[must_use]
    pub fn protected(&self) -> Option<String> {
        is_production(self.environment).then(|| self.environment.to_owned())
    }

    /// Refuses where somebody acts just now, or a run died: before a plan is made in vain.
    ///
    /// # Errors
    /// When the lock or the journals cannot be read. A refusal is a finding.
    pub fn refusal(&self) -> anyhow::Result<Option<Finding>> {
        if !self.context.journal.may_begin() && self.context.journal.folder().is_err() {
            return Ok(None);
        }
        Ok(match self.lock_here(&self.context.journal.holder())? {
            Ok(_lock) => self.open_run()?.map(|run| unchanged(&run.died())),
            Err(held) => Some(held),
        })
    }

    /// Writes down what is to be done, and does it while no other run acts there, in the journal's state `Locked`. Gives the
    /// plan's id, and what `act` gave; or, as a finding, why it was refused.
    ///
    /// # Errors
    /// When it cannot be written down, a lock cannot be had, or `act` fails. Then nothing was changed.
    pub async fn carry_out<T>(
        &self,
        intention: Intention<'_>,
        act: impl AsyncFnOnce(&Journal) -> anyhow::Result<T>,
    ) -> anyhow::Result<(String, Result<T, Finding>)> {
        let journal = self.context.journal.journal()?;
        let id = journal.plan(intention)?;
        let act = async || {
            journal.enter(State::Locked)?;
            act(journal).await
        };
        let acted = self.exclusively(act).await;
        if !matches!(acted, Ok(Ok(_))) {
            journal.enter(State::Unchanged)?;
        }
        Ok((id, acted?))
    }

    async fn exclusively<T>(&self, act: impl AsyncFnOnce() -> anyhow::Result<T>) -> anyhow::Result<Result<T, Finding>> {
        let holder = self.context.journal.holder();
        let _lock = match self.lock_here(&holder)? {
            Ok(lock) => lock,
            Err(held) => return Ok(Err(held)),
        };
        if let Some(run) = self.open_run()? {
            return Ok(Err(unchanged(&run.died())));
        }
        self.locked_there(&holder, act).await
    }

    /// Keeps everybody else on this host out, until the lock goes out of scope or the process ends.
    ///
    /// # Errors
    /// When it cannot be had. That somebody else has it is a finding.
    pub fn lock_here(&self, holder: &Holder) -> anyhow::Result<Result<Lock, Finding>> {
        let folder = self.context.journal.folder()?;
        match folder.lock(self.environment, self.place.address(), holder) {
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
        self.context.journal.open_run(self.environment, self.place.address())
    }

    /// Keeps every other run out at the place itself, while `act` is under way. The caller has the lock of this host.
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
            Err(LockError::Failed(error)) => return Err(error.context("failed to take the lock")),
            Err(held) => return Ok(Err(unchanged(&format!("{held}{}", hint(&held, self.context.journal.action()))))),
        }
        let acted = act().await;
        if let Err(error) = self.place.unlock(self.environment, holder).await {
            self.context.watch.warn(&format!("the lock of {} could not be removed: {error:#}", self.name()));
        }
        acted.map(Ok)
    }

    /// Says so where a lock is waited for.
    async fn patiently<T>(&self, locking: impl Future<Output = T>) -> T {
        tokio::pin!(locking);
        tokio::select! {
            locked = &mut locking => locked,
            () = sleep(PROMPT) => {
                self.context.operator.say(&format!("waiting for the lock of {}", self.name()));
                locking.await
            }
        }
    }

    /// The lock at the place itself. One that a run of this host left behind, which has come to its end, is removed.
    async fn lock_there(&self, holder: &Holder) -> Result<(), LockError> {
        let locked = self.place.lock(self.environment, holder).await;
        let Err(LockError::Held(Some(other))) = &locked else { return locked };
        let folder = self.context.journal.folder().map_err(LockError::Failed)?;
        let has_ended =
            |run: &Run| run.id == other.run && !run.is_open() && self.context.journal.is_alive(run) == Some(false);
        if !folder.run(&other.run).is_ok_and(|run| has_ended(&run)) {
            return locked;
        }
        self.place.unlock(self.environment, other).await.map_err(LockError::Failed)?;
        self.place.lock(self.environment, holder).await
    }

    /// Tells Slack how it ended, in these sentences and a last one, unless somebody is in a hurry.
    pub async fn tell(&self, sentences: &[String], message: &str, section: &CriticalSection) {
        let say = async {
            for sentence in sentences {
                self.notifier.say(sentence, &*self.context.watch).await;
            }
            let environment =
                if self.environment.is_empty() { self.context.journal.action() } else { self.environment };
            self.notifier.say(&format!("{environment}: {message}"), &*self.context.watch).await;
        };
        tokio::select! {
            () = say => {}
            () = section.hurried() => {}
        }
    }
}

/// An environment and its place, either of which may be empty: `'dev' on https://dcos.example`.
pub(super) fn name_of(environment: &str, place: &str) -> String {
    match (environment, place) {
        ("", "") => "no environment".to_owned(),
        ("", place) => place.to_owned(),
        (environment, "") => format!("'{environment}'"),
        (environment, place) => format!("'{environment}' on {place}"),
    }
}

/// The way out where the holder of a lock may have died on another host.
fn hint(held: &LockError, action: &str) -> String {
    let LockError::Held(Some(Holder { run, .. })) = held else { return String::new() };
    format!("; if that run died, `{action} resume --run={run}` by its user on its host ends it")
}

/// The end of a run that was not to begin.
pub(super) fn unchanged(why: &str) -> Finding {
    Finding::new(Outcome::Failed, format!("{why}; nothing was changed"))
}
