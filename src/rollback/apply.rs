//! Carries a plan out. The promise: every service ends at its target, or every service is restored, or those that are
//! neither are named; whatever dies, whenever. What the platform answers to a write is never believed; how the services
//! stand is. Each state is in the journal before it begins.

use std::time::Duration;

use super::deed::Deed;
use super::verify::{ServiceResult, Set, Verdict, all, all_at_target, failures, next};
use crate::action::interrupt::Shield;
use crate::action::report::Outcome;
use crate::journal::{Journal, State};
use crate::platform::{Change, DeployError, Platform};
use crate::watch::{Progress, Watch};

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The last state of the run.
    pub end: State,
    /// Somebody interrupted it.
    pub interrupted: bool,
    /// The outcome in a sentence, with what to do next.
    pub message: String,
    /// How each service stands, in the order of the changes; empty where that could not be seen and nothing was sent.
    pub results: Vec<ServiceResult>,
    /// What a person types to set back each that is not as before.
    pub by_hand: Vec<String>,
    /// What a person types to see why those are not well that are set back.
    pub look_into: Vec<String>,
}

impl Applied {
    /// The outcome of the whole set.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self.end {
            State::Done => Outcome::Done,
            State::Restored | State::Unchanged if self.interrupted => Outcome::Interrupted,
            State::Restored => Outcome::Restored,
            State::Unchanged => Outcome::Failed,
            _ => Outcome::NeedsOperator,
        }
    }
}

/// How long each step may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For each deployment.
    pub deployment: Duration,
    /// For the platform to answer again where it does not.
    pub silence: Duration,
    /// For services to get well after a deployment that says it is done: old instances still end, checks still run.
    pub calm: Duration,
}

/// What a run works with.
#[derive(Clone, Copy)]
pub struct Hands<'a> {
    /// Where the services run.
    pub platform: &'a dyn Platform,
    /// What is done to them.
    pub deed: &'a Deed,
    /// How long each step may take.
    pub limits: Limits,
    /// Told when there is nothing left to take back.
    pub shield: &'a Shield,
    /// Who watches.
    pub watch: &'a dyn Watch,
    /// Where each state is written down.
    pub journal: &'a Journal,
}

/// Deploys the changes as one; verifies each service; on failure or interrupt takes the whole set back. The run is locked.
pub async fn apply(changes: &[Change], hands: Hands<'_>) -> Applied {
    // A service that is not well now (production burns) cannot be asked to be well after being restored.
    let look = hands.platform.look(changes).await;
    let (initial, unseen) = look.map_or_else(|error| (Vec::new(), Some(error)), |initial| (initial, None));
    let machine = Machine { set: Set { changes, initial }, hands };
    if let Some(error) = unseen {
        return machine.unchanged(&format!("{error:#}"), Vec::new());
    }
    if let Err(error) = hands.journal.enter(State::Applying) {
        return machine.unchanged(&format!("{error:#}"), Vec::new());
    }
    match machine.deploy(changes).await {
        Err(DeployError::NothingSent(error)) => machine.take_back(&format!("{error:#}")).await,
        deployed => machine.conclude(deployed).await,
    }
}

/// Carries a set of changes from state to state.
pub(super) struct Machine<'a> {
    pub(super) set: Set<'a>,
    pub(super) hands: Hands<'a>,
}

impl Machine<'_> {
    pub(super) async fn deploy(&self, todo: &[Change]) -> Result<(), DeployError> {
        let Hands { platform, limits, shield, watch, .. } = self.hands;
        for change in todo {
            let note = format!("{} to {}", change.application.images.join(", "), change.to);
            watch.at(&change.application.service, &Progress { done: 0, total: 0, note });
        }
        tokio::select! {
            biased;
            () = shield.interrupted() => Err(DeployError::Sent(anyhow::anyhow!("interrupted"))),
            deployed = platform.deploy(todo, limits.deployment, watch) => deployed,
        }
    }

    /// Looks how the services stand after a deployment, and takes them back where they do not stand at their targets.
    pub(super) async fn conclude(&self, deployed: Result<(), DeployError>) -> Applied {
        let Hands { platform, limits, shield, watch, .. } = self.hands;
        self.enter(State::Verifying);
        let reason = deployed.err().map(|error| format!("{error:#}"));
        let calm = if reason.is_none() { limits.calm } else { Duration::ZERO };
        let found = tokio::select! {
            biased;
            () = shield.interrupted(), if reason.is_none() =>
                self.set.look(platform, limits.silence, Duration::ZERO).await,
            found = self.set.look(platform, limits.silence, calm) => found,
        };
        let found = found.map(|standings| self.set.results(&standings));
        let interrupted = shield.is_interrupted();
        let reason = match (reason, found) {
            (reason, Ok(results)) if !interrupted && all_at_target(&results) => {
                return self.done(reason, results).await;
            }
            (reason, Ok(results)) if all(&results, Verdict::Before) => {
                return self.unchanged(reason.as_deref().unwrap_or("the platform did nothing"), results);
            }
            (Some(reason), _) => reason,
            (None, _) if interrupted => "interrupted".to_owned(),
            (None, Ok(results)) => failures(&results),
            (None, Err(error)) => format!("{error:#}"),
        };
        if !interrupted {
            watch.warn(&format!("{reason}: taking the set back"));
        }
        self.take_back(&reason).await
    }

    async fn done(&self, reason: Option<String>, results: Vec<ServiceResult>) -> Applied {
        let Hands { platform, deed, watch, .. } = self.hands;
        if let Some(reason) = reason {
            watch.warn(&format!("{reason}; but every service stands at its target"));
        }
        // From here on nothing is taken back: what is kept for that can go.
        let message = deed.done(self.set.changes, &results);
        let applied = self.end(State::Done, message, results);
        if let Err(error) = platform.settle(self.set.changes).await {
            watch.warn(&format!("what was kept for going back could not be removed: {error:#}"));
        }
        applied
    }

    /// Once: a rollback is never rolled back in a loop. What stands otherwise than before where nothing was written is
    /// somebody else's doing, and not to be taken back.
    pub(super) async fn take_back(&self, reason: &str) -> Applied {
        let Hands { platform, limits, watch, journal, .. } = self.hands;
        if !self.set.wrote(platform) && journal.state() != Some(State::GoingBack) {
            let standings = self.set.look(platform, limits.silence, Duration::ZERO).await;
            return self.unchanged(reason, self.set.results(&standings.unwrap_or_default()));
        }
        self.enter(State::GoingBack);
        let trouble = platform.go_back(self.set.changes, limits.deployment, watch).await.err();
        let trouble = trouble.map(|error| format!(" ({error:#})")).unwrap_or_default();
        let found = self.set.look(platform, limits.silence, limits.calm).await;
        match found.map(|standings| self.set.results(&standings)) {
            Ok(results) if all(&results, Verdict::Before) => {
                self.end(State::Restored, format!("{reason}; all that had been changed was restored"), results)
            }
            Ok(results) => self.needs_operator(&format!("{reason}; the set could not be restored{trouble}"), results),
            Err(error) => {
                let reason = format!("{reason}; now the platform does not answer: {error:#}");
                self.needs_operator(&reason, self.set.unknown())
            }
        }
    }

    pub(super) fn needs_operator(&self, reason: &str, results: Vec<ServiceResult>) -> Applied {
        let platform = self.hands.platform;
        let pairs = self.set.changes.iter().zip(&results).filter(|(_, result)| result.state != Verdict::Before);
        let (set_back, others): (Vec<_>, Vec<_>) = pairs.partition(|(_, result)| result.is_set_back);
        let by_hand = others.into_iter().map(|(change, _)| platform.by_hand(change)).collect();
        let look_into = set_back.into_iter().map(|(change, _)| platform.look_into(change)).collect();
        let applied = self.end(State::NeedsOperator, format!("{reason}. {}", next(&results)), results);
        Applied { by_hand, look_into, ..applied }
    }

    pub(super) fn unchanged(&self, reason: &str, results: Vec<ServiceResult>) -> Applied {
        self.end(State::Unchanged, format!("{reason}; nothing was changed"), results)
    }

    fn end(&self, end: State, message: String, results: Vec<ServiceResult>) -> Applied {
        self.hands.shield.over();
        self.enter(end);
        let interrupted = self.hands.shield.is_interrupted();
        Applied { end, interrupted, message, results, by_hand: Vec::new(), look_into: Vec::new() }
    }

    /// These states are not refused by a journal that cannot be written: the report says so in the end.
    pub(super) fn enter(&self, state: State) {
        if let Err(error) = self.hands.journal.enter(state) {
            self.hands.watch.warn(&format!("{error:#}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::action::interrupt::Interrupt;
    use crate::journal::lock::{Holder, LockError};
    use crate::journal::record::Began;
    use crate::journal::{Call, Folder};
    use crate::platform::{Application, Ran, Standing};
    use crate::watch::Unwatched;

    /// A platform that answers by the book: what `deploy` and `go_back` answer, and how things stand at each look.
    struct Script {
        deploy: Result<(), &'static str>,
        interrupts: Option<Interrupt>,
        looks: Mutex<Vec<Result<Vec<Standing>, &'static str>>>,
        calls: Mutex<Vec<&'static str>>,
    }

    impl Script {
        fn new(deploy: Result<(), &'static str>, looks: &[Result<Vec<Standing>, &'static str>]) -> Self {
            let looks = Mutex::new(looks.iter().rev().cloned().collect());
            Self { deploy, interrupts: None, looks, calls: Mutex::default() }
        }

        fn call(&self, name: &'static str) {
            self.calls.lock().expect("the calls").push(name);
        }
    }

    #[async_trait]
    impl Platform for Script {
        fn address(&self) -> &'static str {
            "script"
        }

        async fn applications(&self, _environment: &str) -> anyhow::Result<Vec<Application>> {
            unreachable!("apply does not list")
        }

        async fn lock(&self, _: &str, _: &Holder) -> Result<(), LockError> {
            Ok(())
        }

        async fn unlock(&self, _: &str, _: &Holder) -> anyhow::Result<()> {
            Ok(())
        }

        fn recall(&self, _: &[Call]) {}

        fn wrote(&self, _: &Change) -> bool {
            self.deploy != Err("stale")
        }

        fn by_hand(&self, change: &Change) -> String {
            format!("restore {}", change.application.id)
        }

        fn look_into(&self, change: &Change) -> String {
            format!("show {}", change.application.id)
        }

        async fn history(&self, _: &[Application]) -> anyhow::Result<Vec<Vec<Ran>>> {
            unreachable!("apply does not ask what ran")
        }

        async fn deploy(&self, _: &[Change], _: Duration, _: &dyn Watch) -> Result<(), DeployError> {
            self.call("deploy");
            if let Some(interrupt) = &self.interrupts {
                let _ = interrupt.arrive();
                std::future::pending::<()>().await;
            }
            match self.deploy {
                Err("stale") => Err(DeployError::NothingSent(anyhow::Error::msg("stale"))),
                deployed => deployed.map_err(|error| DeployError::Sent(anyhow::Error::msg(error))),
            }
        }

        async fn look(&self, _: &[Change]) -> anyhow::Result<Vec<Standing>> {
            let mut looks = self.looks.lock().expect("the looks");
            let look = if looks.len() > 1 { looks.pop().expect("a look") } else { looks[0].clone() };
            look.map_err(anyhow::Error::msg)
        }

        async fn arrive(&self, _: &[Change], _: Duration, _: &dyn Watch) -> anyhow::Result<()> {
            Ok(())
        }

        async fn go_back(&self, _: &[Change], _: Duration, _: &dyn Watch) -> anyhow::Result<()> {
            self.call("go_back");
            Ok(())
        }

        async fn settle(&self, _: &[Change]) -> anyhow::Result<()> {
            self.call("settle");
            Ok(())
        }
    }

    fn changes() -> Vec<Change> {
        let change = |service: &str| Change {
            application: Application {
                id: format!("/dev/{service}"),
                service: service.to_owned(),
                images: vec![format!("r/{service}:2")],
                revision: "1".to_owned(),
                instances: 1,
                ..Application::default()
            },
            to: format!("r/{service}:1"),
        };
        vec![change("a"), change("b")]
    }

    /// The journal of a run that is about to change something.
    fn locked(folder: &Path) -> Journal {
        let journal = Folder::new(folder).begin(Began::default()).expect("a journal");
        journal.plan("script", serde_json::Value::Null).expect("a plan");
        journal.enter(State::Locked).expect("a state");
        journal
    }

    async fn applied(script: &Script, interrupt: &Interrupt) -> (Applied, Vec<&'static str>) {
        let limits = Limits { deployment: Duration::from_secs(9), silence: Duration::ZERO, calm: Duration::ZERO };
        let folder = tempfile::tempdir().expect("a folder");
        let journal = locked(folder.path());
        let (shield, watch) = (&interrupt.shield(), &Unwatched);
        let deed = &Deed::of("back to 2026-11-20");
        let hands = Hands { platform: script, deed, limits, shield, watch, journal: &journal };
        let applied = apply(&changes(), hands).await;
        assert_eq!(journal.state(), Some(applied.end));
        let calls = script.calls.lock().expect("the calls").clone();
        (applied, calls)
    }

    fn unwell(image: &str) -> Standing {
        Standing::Unwell { image: image.to_owned(), why: "0 of 1 healthy".to_owned() }
    }

    fn states(applied: &Applied) -> Vec<Verdict> {
        applied.results.iter().map(|result| result.state).collect()
    }

    use Standing::Target;

    #[allow(non_upper_case_globals, reason = "it stands where the variant of a standing would")]
    const Before: Standing = Standing::Before { trouble: None };

    fn before_unwell() -> Standing {
        Standing::Before { trouble: Some("0 of 1 healthy".to_owned()) }
    }

    #[tokio::test]
    async fn all_at_their_target_is_done_and_what_was_kept_is_removed() {
        let script = Script::new(Ok(()), &[Ok(vec![Before, Before]), Ok(vec![Target, Target])]);
        let (applied, calls) = applied(&script, &Interrupt::default()).await;
        assert_eq!(
            (applied.outcome(), applied.message.as_str()),
            (Outcome::Done, "2 services rolled back and verified")
        );
        assert_eq!(calls, ["deploy", "settle"]);
        assert_eq!(states(&applied), [Verdict::Target, Verdict::Target]);
    }

    #[tokio::test]
    async fn a_lost_reply_is_no_failure_where_all_stand_at_their_target() {
        let script = Script::new(Err("connection closed"), &[Ok(vec![Before, Before]), Ok(vec![Target, Target])]);
        assert_eq!(applied(&script, &Interrupt::default()).await.0.outcome(), Outcome::Done);
    }

    #[tokio::test]
    async fn a_refusal_that_changed_nothing_is_not_taken_back() {
        let script = Script::new(Err("422"), &[Ok(vec![Before, Before]), Ok(vec![Before, Before])]);
        let (applied, calls) = applied(&script, &Interrupt::default()).await;
        assert_eq!((applied.outcome(), applied.message.as_str()), (Outcome::Failed, "422; nothing was changed"));
        assert_eq!(calls, ["deploy"]);
    }

    #[tokio::test]
    async fn one_that_does_not_get_well_takes_the_whole_set_back() {
        let looks = [Ok(vec![Before, Before]), Ok(vec![Target, unwell("r/b:1")]), Ok(vec![Before, Before])];
        let (applied, calls) = applied(&Script::new(Ok(()), &looks), &Interrupt::default()).await;
        assert_eq!(applied.outcome(), Outcome::Restored);
        assert_eq!(applied.message, "b did not get well: 0 of 1 healthy; all that had been changed was restored");
        assert_eq!(calls, ["deploy", "go_back"]);
    }

    #[tokio::test]
    async fn a_service_that_was_not_well_before_counts_as_restored_where_it_is_as_before() {
        let looks =
            [Ok(vec![Before, before_unwell()]), Ok(vec![Target, unwell("r/b:1")]), Ok(vec![Before, before_unwell()])];
        let (applied, _) = applied(&Script::new(Err("hung"), &looks), &Interrupt::default()).await;
        assert_eq!(applied.outcome(), Outcome::Restored);
        assert_eq!(applied.results[1].detail, "0 of 1 healthy, and it was not well before");
    }

    #[tokio::test]
    async fn those_that_are_neither_are_named() {
        let other = Standing::Other { image: "r/b:9".to_owned() };
        let looks = [Ok(vec![Before, Before]), Ok(vec![Target, other.clone()]), Ok(vec![Before, other])];
        let (applied, _) = applied(&Script::new(Ok(()), &looks), &Interrupt::default()).await;
        assert_eq!(applied.outcome(), Outcome::NeedsOperator);
        assert_eq!(states(&applied), [Verdict::Before, Verdict::NeedsOperator]);
        assert_eq!(
            applied.message,
            "b did not get well: somebody else set it to this image; the set could not be restored. \
             Look at '/dev/b'; the commands that set each back by hand are shown"
        );
    }

    #[tokio::test]
    async fn one_that_is_set_back_and_not_well_is_to_be_looked_into_not_set_back_again() {
        let looks = [Ok(vec![Before, Before]), Ok(vec![Target, unwell("r/b:1")]), Ok(vec![Before, before_unwell()])];
        let (applied, _) = applied(&Script::new(Err("hung"), &looks), &Interrupt::default()).await;
        assert_eq!(applied.outcome(), Outcome::NeedsOperator);
        assert_eq!((applied.by_hand.len(), applied.look_into), (0, vec!["show /dev/b".to_owned()]));
        assert_eq!(
            applied.message,
            "hung; the set could not be restored. Look at '/dev/b'; set back already, and not well: the commands that show \
             why are shown"
        );
    }

    #[tokio::test]
    async fn what_has_no_instances_is_set_and_is_not_said_to_be_verified() {
        let idle = Standing::Idle { why: "0 replicas".to_owned() };
        let script = Script::new(Ok(()), &[Ok(vec![Before, Before]), Ok(vec![Target, idle])]);
        let (applied, calls) = applied(&script, &Interrupt::default()).await;
        assert_eq!(
            (applied.outcome(), applied.message.as_str()),
            (Outcome::Done, "2 services set; 1 verified, 1 has no instances")
        );
        assert_eq!(states(&applied), [Verdict::Target, Verdict::Set]);
        assert_eq!((applied.results[1].detail.as_str(), calls), ("0 replicas", vec!["deploy", "settle"]));
    }

    #[tokio::test]
    async fn what_somebody_else_did_is_not_taken_back_where_nothing_was_sent() {
        let script = Script::new(Err("stale"), &[Ok(vec![Before, Before]), Ok(vec![Target, Target])]);
        let (applied, calls) = applied(&script, &Interrupt::default()).await;
        assert_eq!((applied.outcome(), applied.message.as_str()), (Outcome::Failed, "stale; nothing was changed"));
        assert_eq!(calls, ["deploy"]);
        assert_eq!(states(&applied), [Verdict::Target, Verdict::Target]);
    }

    #[tokio::test]
    async fn one_that_is_half_way_back_is_not_as_before_though_it_was_unwell_at_first() {
        let looks =
            [Ok(vec![Before, before_unwell()]), Ok(vec![Before, unwell("r/b:2")]), Ok(vec![Before, unwell("r/b:2")])];
        let (applied, calls) = applied(&Script::new(Err("cut off"), &looks), &Interrupt::default()).await;
        assert_eq!(applied.outcome(), Outcome::NeedsOperator);
        assert_eq!(calls, ["deploy", "go_back"]);
    }

    #[tokio::test]
    async fn where_the_platform_is_not_seen_after_the_deployment_it_is_taken_back_all_the_same() {
        let looks = [Ok(vec![Before, Before]), Err("busy"), Ok(vec![Before, Before])];
        let (applied, calls) = applied(&Script::new(Err("cut off"), &looks), &Interrupt::default()).await;
        assert_eq!((applied.outcome(), calls), (Outcome::Restored, vec!["deploy", "go_back"]));
    }

    #[tokio::test]
    async fn a_platform_that_cannot_be_read_at_first_is_not_written_to() {
        let (applied, calls) = applied(&Script::new(Ok(()), &[Err("refused")]), &Interrupt::default()).await;
        assert_eq!((applied.outcome(), applied.message.as_str()), (Outcome::Failed, "refused; nothing was changed"));
        assert_eq!(calls, [""; 0]);
    }

    #[tokio::test]
    async fn a_platform_that_is_gone_leaves_it_to_an_operator() {
        let script = Script::new(Err("connection refused"), &[Ok(vec![Before, Before]), Err("connection refused")]);
        let (applied, _) = applied(&script, &Interrupt::default()).await;
        assert_eq!(applied.outcome(), Outcome::NeedsOperator);
        assert_eq!(states(&applied), [Verdict::NeedsOperator, Verdict::NeedsOperator]);
    }

    #[tokio::test]
    async fn an_interrupt_takes_the_set_back_even_where_it_had_arrived() {
        let interrupt = Interrupt::default();
        let looks = [Ok(vec![Before, Before]), Ok(vec![Target, Target]), Ok(vec![Before, Before])];
        let mut script = Script::new(Ok(()), &looks);
        script.interrupts = Some(interrupt.clone());
        let (applied, calls) = applied(&script, &interrupt).await;
        assert_eq!(applied.outcome(), Outcome::Interrupted);
        assert_eq!(applied.message, "interrupted; all that had been changed was restored");
        assert_eq!(calls, ["deploy", "go_back"]);
    }
}
