//! Carries a plan out. The promise: every service ends at its target, or every service is restored, or those that are
//! neither are named. What the platform answers to a write is never believed; how the services stand is.

use std::time::Duration;

use serde::Serialize;

use crate::action::interrupt::Shield;
use crate::action::report::Outcome;
use crate::action::watch::Watch;
use crate::platform::{Change, Platform, Standing};

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The outcome of the whole set.
    pub outcome: Outcome,
    /// The outcome in a sentence, with what to do next.
    pub message: String,
    /// How each service stands, in the order of the changes.
    pub results: Vec<ServiceResult>,
}

/// How one service stands at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceResult {
    /// The service.
    pub service: String,
    /// Its application.
    pub application: String,
    /// How it ended.
    pub state: State,
    /// The image that it is set to, where that is known.
    pub image: Option<String>,
    /// What is to be said about it: why it is not well.
    pub detail: String,
}

/// How a service ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It runs the target image and is well.
    Target,
    /// It is as it was before.
    Before,
    /// It was set to the target already, and not touched.
    Unchanged,
    /// It is neither, or that cannot be known: somebody must look.
    NeedsOperator,
}

/// How long each step may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For each deployment.
    pub deployment: Duration,
    /// For finding out how the services stand while the platform does not answer.
    pub look: Duration,
}

/// Deploys the changes as one; verifies each service; on failure or interrupt takes the whole set back.
pub async fn apply(
    changes: &[Change],
    platform: &dyn Platform,
    limits: Limits,
    shield: &Shield,
    watch: &dyn Watch,
) -> Applied {
    // A service that is not well now (production burns) cannot be asked to be well after being restored.
    let initial = platform.look(changes).await.unwrap_or_default();
    let deployed = tokio::select! {
        biased;
        () = shield.interrupted() => Err(anyhow::anyhow!("interrupted")),
        deployed = platform.deploy(changes, limits.deployment, watch) => deployed,
    };
    let reason = deployed.err();
    let standings = match look(changes, platform, limits.look).await {
        Ok(standings) => standings,
        Err(error) => return unknown(changes, reason, &error),
    };
    let states = |standings: &[Standing]| -> Vec<State> {
        let initial = |index| initial.get(index);
        changes.iter().zip(standings).enumerate().map(|(i, (change, now))| state(change, now, initial(i))).collect()
    };
    let found = states(&standings);
    if !shield.is_interrupted() && found.iter().all(|state| *state == State::Target) {
        if let Some(reason) = reason {
            watch.warn(&format!("{reason:#}; but every service stands at its target"));
        }
        if let Err(error) = platform.settle(changes).await {
            watch.warn(&format!("what was kept for going back could not be removed: {error:#}"));
        }
        let results = results(changes, &standings, &found);
        return Applied { outcome: Outcome::Done, message: done(changes.len()), results };
    }
    let reason = match reason {
        Some(reason) => format!("{reason:#}"),
        None if shield.is_interrupted() => "interrupted".to_owned(),
        None => failures(changes, &standings, &found),
    };
    let ended = |outcome| if shield.is_interrupted() { Outcome::Interrupted } else { outcome };
    if found.iter().all(|state| *state == State::Before) {
        let results = results(changes, &standings, &found);
        let message = format!("{reason}; nothing was changed");
        return Applied { outcome: ended(Outcome::Failed), message, results };
    }
    watch.warn(&format!("{reason}: taking the set back"));
    let gone_back = platform.go_back(changes, limits.deployment, watch).await;
    let standings = match look(changes, platform, limits.look).await {
        Ok(standings) => standings,
        Err(error) => return unknown(changes, Some(anyhow::anyhow!(reason)), &error),
    };
    let found = states(&standings);
    let results = results(changes, &standings, &found);
    if found.iter().all(|state| *state == State::Before) {
        let message = format!("{reason}; all that had been changed was restored");
        return Applied { outcome: ended(Outcome::Restored), message, results };
    }
    let trouble = gone_back.err().map(|error| format!(" (taking it back: {error:#})")).unwrap_or_default();
    let message = format!("{reason}; the set could not be restored{trouble}. {}", next(&results));
    Applied { outcome: Outcome::NeedsOperator, message, results }
}

/// What the standing of a service means, given how it stood at first.
fn state(change: &Change, now: &Standing, initial: Option<&Standing>) -> State {
    match now {
        Standing::Target => State::Target,
        Standing::Before => State::Before,
        Standing::Unwell { image, .. }
            if change.application.images.contains(image) && matches!(initial, Some(Standing::Unwell { .. })) =>
        {
            State::Before
        }
        Standing::Unwell { .. } | Standing::Other { .. } | Standing::Gone => State::NeedsOperator,
    }
}

/// Looks until the platform answers, for as long as `limit`.
async fn look(changes: &[Change], platform: &dyn Platform, limit: Duration) -> anyhow::Result<Vec<Standing>> {
    let mut last = None;
    let answer = tokio::time::timeout(limit, async {
        let mut pause = Duration::from_millis(500);
        loop {
            match platform.look(changes).await {
                Ok(standings) => return standings,
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(10));
        }
    });
    match answer.await {
        Ok(standings) => Ok(standings),
        Err(_) => Err(last.unwrap_or_else(|| anyhow::anyhow!("the platform does not answer"))),
    }
}

fn results(changes: &[Change], standings: &[Standing], states: &[State]) -> Vec<ServiceResult> {
    let result = |((change, standing), state): ((&Change, &Standing), &State)| {
        let before = change.application.images.join(", ");
        let (image, detail) = match standing {
            Standing::Target => (Some(change.to.clone()), String::new()),
            Standing::Before => (Some(before), String::new()),
            Standing::Unwell { image, why } if *state == State::Before => {
                (Some(image.clone()), format!("{why}, as it was before"))
            }
            Standing::Unwell { image, why } => (Some(image.clone()), why.clone()),
            Standing::Other { image } => (Some(image.clone()), "somebody else set it to this image".to_owned()),
            Standing::Gone => (None, "it is no longer there".to_owned()),
        };
        let application = &change.application;
        ServiceResult {
            service: application.service.clone(),
            application: application.id.clone(),
            state: *state,
            image,
            detail,
        }
    };
    changes.iter().zip(standings).zip(states).map(result).collect()
}

/// The end where nobody knows how the services stand.
fn unknown(changes: &[Change], reason: Option<anyhow::Error>, error: &anyhow::Error) -> Applied {
    let result = |change: &Change| ServiceResult {
        service: change.application.service.clone(),
        application: change.application.id.clone(),
        state: State::NeedsOperator,
        image: None,
        detail: format!("it ran {} and was being set to {}", change.application.images.join(", "), change.to),
    };
    let results: Vec<_> = changes.iter().map(result).collect();
    let reason = reason.map(|reason| format!("{reason:#}; ")).unwrap_or_default();
    let message = format!("{reason}how the services stand could not be found out: {error:#}. {}", next(&results));
    Applied { outcome: Outcome::NeedsOperator, message, results }
}

fn failures(changes: &[Change], standings: &[Standing], states: &[State]) -> String {
    let results = results(changes, standings, states);
    let unwell = results.iter().filter(|result| result.state != State::Target);
    let list: Vec<_> = unwell.map(|result| format!("{} did not get well: {}", result.service, result.detail)).collect();
    list.join("; ")
}

fn done(count: usize) -> String {
    format!("{count} service{} rolled back and verified", if count == 1 { "" } else { "s" })
}

fn next(results: &[ServiceResult]) -> String {
    let named = results.iter().filter(|result| result.state == State::NeedsOperator);
    let list: Vec<_> = named.map(|result| format!("'{}'", result.application)).collect();
    format!("Look at {}, then run the same command again or set each image by hand", list.join(", "))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::action::interrupt::Interrupt;
    use crate::action::watch::Unwatched;
    use crate::platform::Application;

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

        async fn deploy(&self, _: &[Change], _: Duration, _: &dyn Watch) -> anyhow::Result<()> {
            self.call("deploy");
            if let Some(interrupt) = &self.interrupts {
                let _ = interrupt.arrive();
                std::future::pending::<()>().await;
            }
            self.deploy.map_err(anyhow::Error::msg)
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
            },
            to: format!("r/{service}:1"),
        };
        vec![change("a"), change("b")]
    }

    async fn applied(script: &Script, interrupt: &Interrupt) -> (Applied, Vec<&'static str>) {
        let limits = Limits { deployment: Duration::from_secs(9), look: Duration::from_millis(1) };
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

    use Standing::{Before, Target};

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
            [Ok(vec![Before, unwell("r/b:2")]), Ok(vec![Target, unwell("r/b:1")]), Ok(vec![Before, unwell("r/b:2")])];
        let (applied, _) = applied(&Script::new(Err("hung"), &looks), &Interrupt::default()).await;
        assert_eq!(applied.outcome, Outcome::Restored);
        assert_eq!(applied.results[1].detail, "0 of 1 healthy, as it was before");
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
