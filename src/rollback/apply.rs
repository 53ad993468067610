//! Carries a plan out. The promise: every service ends at its target, or every service is restored, or those that are
//! neither are named. What the platform answers to a write is never believed; how the services stand is.

use std::time::Duration;

use super::show::services;
use super::verify::{ServiceResult, Set, State, all, failures, next};
use crate::action::interrupt::Shield;
use crate::action::report::Outcome;
use crate::platform::{Change, DeployError, Platform};
use crate::watch::{Progress, Watch};

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The outcome of the whole set.
    pub outcome: Outcome,
    /// The outcome in a sentence, with what to do next.
    pub message: String,
    /// How each service stands, in the order of the changes; empty where that could not be seen and nothing was sent.
    pub results: Vec<ServiceResult>,
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

/// Deploys the changes as one; verifies each service; on failure or interrupt takes the whole set back. The shield is
/// told when there is nothing left to take back.
pub async fn apply(
    changes: &[Change],
    platform: &dyn Platform,
    limits: Limits,
    shield: &Shield,
    watch: &dyn Watch,
) -> Applied {
    // A service that is not well now (production burns) cannot be asked to be well after being restored.
    let set = match platform.look(changes).await {
        Ok(initial) => Set { changes, initial },
        Err(error) => return nothing_changed(Outcome::Failed, &format!("{error:#}"), Vec::new()),
    };
    for change in changes {
        let note = format!("{} to {}", change.application.images.join(", "), change.to);
        watch.at(&change.application.service, &Progress { done: 0, total: 0, note });
    }
    let deployed = tokio::select! {
        biased;
        () = shield.interrupted() => Err(DeployError::Sent(anyhow::anyhow!("interrupted"))),
        deployed = platform.deploy(changes, limits.deployment, watch) => deployed,
    };
    let reason = match deployed {
        Ok(()) => None,
        Err(DeployError::Sent(error)) => Some(format!("{error:#}")),
        Err(DeployError::NothingSent(error)) => {
            // What stands otherwise than before is somebody else's doing, and not to be taken back.
            shield.over();
            let results = set.look(platform, limits.silence, Duration::ZERO).await.unwrap_or_default();
            return nothing_changed(Outcome::Failed, &format!("{error:#}"), results);
        }
    };
    let calm = if reason.is_none() { limits.calm } else { Duration::ZERO };
    let found = tokio::select! {
        biased;
        () = shield.interrupted(), if reason.is_none() => set.look(platform, limits.silence, Duration::ZERO).await,
        found = set.look(platform, limits.silence, calm) => found,
    };
    let interrupted = shield.is_interrupted();
    let failed = if interrupted { Outcome::Interrupted } else { Outcome::Failed };
    let reason = match (reason, found) {
        (reason, Ok(results)) if !interrupted && all(&results, State::Target) => {
            shield.over();
            return done(changes, platform, reason, results, watch).await;
        }
        (reason, Ok(results)) if all(&results, State::Before) => {
            shield.over();
            let reason = reason.unwrap_or_else(|| "the platform did nothing".to_owned());
            return nothing_changed(failed, &reason, results);
        }
        (Some(reason), _) => reason,
        (None, _) if interrupted => "interrupted".to_owned(),
        (None, Ok(results)) => failures(&results),
        (None, Err(error)) => format!("{error:#}"),
    };
    if !interrupted {
        watch.warn(&format!("{reason}: taking the set back"));
    }
    let applied = take_back(&set, platform, limits, &reason, watch).await;
    shield.over();
    match applied.outcome {
        Outcome::Restored if shield.is_interrupted() => Applied { outcome: Outcome::Interrupted, ..applied },
        _ => applied,
    }
}

async fn done(
    changes: &[Change],
    platform: &dyn Platform,
    reason: Option<String>,
    results: Vec<ServiceResult>,
    watch: &dyn Watch,
) -> Applied {
    if let Some(reason) = reason {
        watch.warn(&format!("{reason}; but every service stands at its target"));
    }
    if let Err(error) = platform.settle(changes).await {
        watch.warn(&format!("what was kept for going back could not be removed: {error:#}"));
    }
    let message = format!("{} rolled back and verified", services(changes.len()));
    Applied { outcome: Outcome::Done, message, results }
}

fn nothing_changed(outcome: Outcome, reason: &str, results: Vec<ServiceResult>) -> Applied {
    Applied { outcome, message: format!("{reason}; nothing was changed"), results }
}

/// Once: a rollback is never rolled back in a loop.
async fn take_back(set: &Set<'_>, platform: &dyn Platform, limits: Limits, reason: &str, watch: &dyn Watch) -> Applied {
    let trouble = platform.go_back(set.changes, limits.deployment, watch).await.err();
    let trouble = trouble.map(|error| format!(" ({error:#})")).unwrap_or_default();
    match set.look(platform, limits.silence, limits.calm).await {
        Ok(results) if all(&results, State::Before) => {
            let message = format!("{reason}; all that had been changed was restored");
            Applied { outcome: Outcome::Restored, message, results }
        }
        Ok(results) => {
            let message = format!("{reason}; the set could not be restored{trouble}. {}", next(&results));
            Applied { outcome: Outcome::NeedsOperator, message, results }
        }
        Err(error) => {
            let results = set.unknown();
            let message = format!("{reason}; now the platform does not answer: {error:#}. {}", next(&results));
            Applied { outcome: Outcome::NeedsOperator, message, results }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::action::interrupt::Interrupt;
    use crate::journal::Call;
    use crate::journal::lock::{Holder, LockError};
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

        fn by_hand(&self, change: &Change) -> String {
            format!("restore {}", change.application.id)
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
                notes: Vec::new(),
                obstacle: None,
            },
            to: format!("r/{service}:1"),
        };
        vec![change("a"), change("b")]
    }

    async fn applied(script: &Script, interrupt: &Interrupt) -> (Applied, Vec<&'static str>) {
        let limits = Limits { deployment: Duration::from_secs(9), silence: Duration::ZERO, calm: Duration::ZERO };
        let applied = apply(&changes(), script, limits, &interrupt.shield(), &Unwatched).await;
        let calls = script.calls.lock().expect("the calls").clone();
        (applied, calls)
    }

    fn unwell(image: &str) -> Standing {
        Standing::Unwell { image: image.to_owned(), why: "0 of 1 healthy".to_owned() }
    }

    fn states(applied: &Applied) -> Vec<State> {
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
        assert_eq!((applied.outcome, applied.message.as_str()), (Outcome::Done, "2 services rolled back and verified"));
        assert_eq!(calls, ["deploy", "settle"]);
        assert_eq!(states(&applied), [State::Target, State::Target]);
    }

    #[tokio::test]
    async fn a_lost_reply_is_no_failure_where_all_stand_at_their_target() {
        let script = Script::new(Err("connection closed"), &[Ok(vec![Before, Before]), Ok(vec![Target, Target])]);
        assert_eq!(applied(&script, &Interrupt::default()).await.0.outcome, Outcome::Done);
    }

    #[tokio::test]
    async fn a_refusal_that_changed_nothing_is_not_taken_back() {
        let script = Script::new(Err("422"), &[Ok(vec![Before, Before]), Ok(vec![Before, Before])]);
        let (applied, calls) = applied(&script, &Interrupt::default()).await;
        assert_eq!((applied.outcome, applied.message.as_str()), (Outcome::Failed, "422; nothing was changed"));
        assert_eq!(calls, ["deploy"]);
    }

    #[tokio::test]
    async fn one_that_does_not_get_well_takes_the_whole_set_back() {
        let looks = [Ok(vec![Before, Before]), Ok(vec![Target, unwell("r/b:1")]), Ok(vec![Before, Before])];
        let (applied, calls) = applied(&Script::new(Ok(()), &looks), &Interrupt::default()).await;
        assert_eq!(applied.outcome, Outcome::Restored);
        assert_eq!(applied.message, "b did not get well: 0 of 1 healthy; all that had been changed was restored");
        assert_eq!(calls, ["deploy", "go_back"]);
    }

    #[tokio::test]
    async fn a_service_that_was_not_well_before_counts_as_restored_where_it_is_as_before() {
        let looks =
            [Ok(vec![Before, before_unwell()]), Ok(vec![Target, unwell("r/b:1")]), Ok(vec![Before, before_unwell()])];
        let (applied, _) = applied(&Script::new(Err("hung"), &looks), &Interrupt::default()).await;
        assert_eq!(applied.outcome, Outcome::Restored);
        assert_eq!(applied.results[1].detail, "0 of 1 healthy, and it was not well before");
    }

    #[tokio::test]
    async fn those_that_are_neither_are_named() {
        let other = Standing::Other { image: "r/b:9".to_owned() };
        let looks = [Ok(vec![Before, Before]), Ok(vec![Target, other.clone()]), Ok(vec![Before, other])];
        let (applied, _) = applied(&Script::new(Ok(()), &looks), &Interrupt::default()).await;
        assert_eq!(applied.outcome, Outcome::NeedsOperator);
        assert_eq!(states(&applied), [State::Before, State::NeedsOperator]);
        assert_eq!(
            applied.message,
            "b did not get well: somebody else set it to this image; the set could not be restored. \
             Look at '/dev/b', then run the same command again or set each image by hand"
        );
    }

    #[tokio::test]
    async fn what_somebody_else_did_is_not_taken_back_where_nothing_was_sent() {
        let script = Script::new(Err("stale"), &[Ok(vec![Before, Before]), Ok(vec![Target, Target])]);
        let (applied, calls) = applied(&script, &Interrupt::default()).await;
        assert_eq!((applied.outcome, applied.message.as_str()), (Outcome::Failed, "stale; nothing was changed"));
        assert_eq!(calls, ["deploy"]);
        assert_eq!(states(&applied), [State::Target, State::Target]);
    }

    #[tokio::test]
    async fn one_that_is_half_way_back_is_not_as_before_though_it_was_unwell_at_first() {
        let looks =
            [Ok(vec![Before, before_unwell()]), Ok(vec![Before, unwell("r/b:2")]), Ok(vec![Before, unwell("r/b:2")])];
        let (applied, calls) = applied(&Script::new(Err("cut off"), &looks), &Interrupt::default()).await;
        assert_eq!(applied.outcome, Outcome::NeedsOperator);
        assert_eq!(calls, ["deploy", "go_back"]);
    }

    #[tokio::test]
    async fn where_the_platform_is_not_seen_after_the_deployment_it_is_taken_back_all_the_same() {
        let looks = [Ok(vec![Before, Before]), Err("busy"), Ok(vec![Before, Before])];
        let (applied, calls) = applied(&Script::new(Err("cut off"), &looks), &Interrupt::default()).await;
        assert_eq!((applied.outcome, calls), (Outcome::Restored, vec!["deploy", "go_back"]));
    }

    #[tokio::test]
    async fn a_platform_that_cannot_be_read_at_first_is_not_written_to() {
        let (applied, calls) = applied(&Script::new(Ok(()), &[Err("refused")]), &Interrupt::default()).await;
        assert_eq!((applied.outcome, applied.message.as_str()), (Outcome::Failed, "refused; nothing was changed"));
        assert_eq!(calls, [""; 0]);
    }

    #[tokio::test]
    async fn a_platform_that_is_gone_leaves_it_to_an_operator() {
        let script = Script::new(Err("connection refused"), &[Ok(vec![Before, Before]), Err("connection refused")]);
        let (applied, _) = applied(&script, &Interrupt::default()).await;
        assert_eq!(applied.outcome, Outcome::NeedsOperator);
        assert_eq!(states(&applied), [State::NeedsOperator, State::NeedsOperator]);
    }

    #[tokio::test]
    async fn an_interrupt_takes_the_set_back_even_where_it_had_arrived() {
        let interrupt = Interrupt::default();
        let looks = [Ok(vec![Before, Before]), Ok(vec![Target, Target]), Ok(vec![Before, Before])];
        let mut script = Script::new(Ok(()), &looks);
        script.interrupts = Some(interrupt.clone());
        let (applied, calls) = applied(&script, &interrupt).await;
        assert_eq!(applied.outcome, Outcome::Interrupted);
        assert_eq!(applied.message, "interrupted; all that had been changed was restored");
        assert_eq!(calls, ["deploy", "go_back"]);
    }
}
