//! Carries a set of changes out, all or nothing. The promise: every subject ends at its target, or every subject is
//! restored, or those that are neither are named; whatever dies, whenever. What a port answers to a write is never
//! believed; how the subjects stand is. Each state is in the journal before it begins.

use std::collections::BTreeSet;
use std::time::Duration;

use super::show::sentence;
use super::verify::{ItemResult, Set, Verdict, all, all_at_target, failures, next};
use super::vocabulary::{UNDOES, Vocabulary};
use crate::action::interrupt::CriticalSection;
use crate::action::report::Outcome;
use crate::journal::{Journal, State};
use crate::port::{Change, DeployError, Settable};
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
    /// How each subject stands, in the order of the changes; empty where that could not be seen and nothing was sent.
    pub results: Vec<ItemResult>,
    /// What a person types to set back each that is not as before.
    pub by_hand: Vec<String>,
    /// What a person types to see why those are not well that are set back.
    pub look_into: Vec<String>,
}

impl Applied {
    /// A sentence for each subject, for Slack.
    #[must_use]
    pub fn sentences(&self, words: Vocabulary) -> Vec<String> {
        self.results.iter().map(|result| sentence(result, words)).collect()
    }

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
    /// For the port to answer again where it does not.
    pub silence: Duration,
    /// For subjects to become healthy after a deployment that says it is done: old instances still end, checks still run.
    pub calm: Duration,
}

/// What a run works with.
pub struct ApplyContext<'a, C> {
    /// Where the changes are made.
    pub port: &'a dyn Settable<Change = C>,
    /// What the subjects are called, and what is done to them.
    pub words: Vocabulary,
    /// To what end: `back to 2026-11-20`.
    pub purpose: &'a str,
    /// How long each step may take.
    pub limits: Limits,
    /// Told when there is nothing left to take back.
    pub section: &'a CriticalSection,
    /// Who watches.
    pub watch: &'a dyn Watch,
    /// Where each state is written down.
    pub journal: &'a Journal,
}

impl<C> Clone for ApplyContext<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for ApplyContext<'_, C> {}

/// Deploys the changes as one; verifies each subject; on failure or interrupt takes the whole set back. The run is locked.
pub async fn apply<C: Change>(changes: &[C], context: ApplyContext<'_, C>) -> Applied {
    // A subject that is not well now (production burns) cannot be asked to be well after being restored.
    let look = context.port.look(changes).await;
    let (initial, unseen) = look.map_or_else(|error| (Vec::new(), Some(error)), |initial| (initial, None));
    let machine = Machine { set: Set { changes, initial, words: context.words }, context };
    if let Some(error) = unseen {
        return machine.unchanged(&format!("{error:#}"), Vec::new());
    }
    if let Err(error) = context.journal.enter(State::Applying) {
        return machine.unchanged(&format!("{error:#}"), Vec::new());
    }
    match machine.deploy(changes).await {
        Err(DeployError::NothingSent(error)) => machine.take_back(&format!("{error:#}")).await,
        deployed => machine.conclude(deployed).await,
    }
}

/// Carries a set of changes from state to state.
pub(super) struct Machine<'a, C> {
    pub(super) set: Set<'a, C>,
    pub(super) context: ApplyContext<'a, C>,
}

impl<C: Change> Machine<'_, C> {
    pub(super) async fn deploy(&self, todo: &[C]) -> Result<(), DeployError> {
        let ApplyContext { port, limits, section, watch, .. } = self.context;
        for change in todo {
            let note = format!("{} to {}", change.before(), change.after());
            watch.at(change.subject(), &Progress { done: 0, total: 0, note });
        }
        tokio::select! {
            biased;
            () = section.interrupted() => Err(DeployError::Sent(anyhow::anyhow!("interrupted"))),
            deployed = port.deploy(todo, limits.deployment, watch) => deployed,
        }
    }

    /// Looks how the subjects stand after a deployment, and takes them back where they do not stand at their targets.
    pub(super) async fn conclude(&self, deployed: Result<(), DeployError>) -> Applied {
        let ApplyContext { port, limits, section, watch, .. } = self.context;
        self.enter(State::Verifying);
        let reason = deployed.err().map(|error| format!("{error:#}"));
        let calm = if reason.is_none() { limits.calm } else { Duration::ZERO };
        let found = tokio::select! {
            biased;
            () = section.interrupted(), if reason.is_none() =>
                self.set.look(port, limits.silence, Duration::ZERO).await,
            found = self.set.look(port, limits.silence, calm) => found,
        };
        let found = found.map(|standings| self.set.results(&standings));
        let interrupted = section.is_interrupted();
        let reason = match (reason, found) {
            (reason, Ok(results)) if !interrupted && all_at_target(&results) => {
                return self.done(reason, results).await;
            }
            (reason, Ok(results)) if all(&results, Verdict::Before) => {
                let idle = format!("{} did nothing", self.context.words.the_place());
                return self.unchanged(&reason.unwrap_or(idle), results);
            }
            (Some(reason), _) => reason,
            (None, _) if interrupted => "interrupted".to_owned(),
            (None, Ok(results)) => failures(&results, self.context.words),
            (None, Err(error)) => format!("{error:#}"),
        };
        if !interrupted {
            watch.warn(&format!("{reason}: taking the set back"));
        }
        self.take_back(&reason).await
    }

    async fn done(&self, reason: Option<String>, results: Vec<ItemResult>) -> Applied {
        let ApplyContext { port, watch, .. } = self.context;
        let words = self.context.words;
        if let Some(reason) = reason {
            watch.warn(&format!("{reason}; but every {} stands at its target", words.one));
        }
        // From here on nothing is taken back: what is kept for that can go.
        let message = done(self.set.changes, &results, words, self.context.purpose);
        let applied = self.end(State::Done, message, results);
        if let Err(error) = port.clean_up(self.set.changes).await {
            watch.warn(&format!("what was kept for going back could not be removed: {error:#}"));
        }
        applied
    }

    /// Once: a rollback is never rolled back in a loop. What stands otherwise than before where nothing was written is
    /// somebody else's doing, and not to be taken back.
    pub(super) async fn take_back(&self, reason: &str) -> Applied {
        let ApplyContext { port, limits, watch, journal, .. } = self.context;
        if !self.set.wrote(port) && journal.state() != Some(State::GoingBack) {
            let standings = self.set.look(port, limits.silence, Duration::ZERO).await;
            return self.unchanged(reason, self.set.results(&standings.unwrap_or_default()));
        }
        self.enter(State::GoingBack);
        let trouble = port.go_back(self.set.changes, limits.deployment, watch).await.err();
        let trouble = trouble.map(|error| format!(" ({error:#})")).unwrap_or_default();
        let found = self.set.look(port, limits.silence, limits.calm).await;
        match found.map(|standings| self.set.results(&standings)) {
            Ok(results) if all(&results, Verdict::Before) => {
                self.end(State::Restored, format!("{reason}; all that had been changed was restored"), results)
            }
            Ok(results) => self.needs_operator(&format!("{reason}; the set could not be restored{trouble}"), results),
            Err(error) => {
                let place = self.context.words.the_place();
                let reason = format!("{reason}; now {place} does not answer: {error:#}");
                self.needs_operator(&reason, self.set.unknown())
            }
        }
    }

    pub(super) fn needs_operator(&self, reason: &str, results: Vec<ItemResult>) -> Applied {
        let pairs = self.set.changes.iter().zip(&results).filter(|(_, result)| result.state != Verdict::Before);
        let port = self.context.port;
        let (set_back, others): (Vec<_>, Vec<_>) = pairs.partition(|(_, result)| result.is_set_back);
        let by_hand = others.into_iter().map(|(change, _)| port.by_hand(change)).collect();
        let look_into = set_back.into_iter().map(|(change, _)| port.look_into(change)).collect();
        let applied =
            self.end(State::NeedsOperator, format!("{reason}. {}", next(&results, self.context.words)), results);
        Applied { by_hand, look_into, ..applied }
    }

    pub(super) fn unchanged(&self, reason: &str, results: Vec<ItemResult>) -> Applied {
        self.end(State::Unchanged, format!("{reason}; nothing was changed"), results)
    }

    fn end(&self, end: State, message: String, results: Vec<ItemResult>) -> Applied {
        self.context.section.over();
        self.enter(end);
        let interrupted = self.context.section.is_interrupted();
        Applied { end, interrupted, message, results, by_hand: Vec::new(), look_into: Vec::new() }
    }

    /// These states are not refused by a journal that cannot be written: the report says so in the end.
    pub(super) fn enter(&self, state: State) {
        if let Err(error) = self.context.journal.enter(state) {
            self.context.watch.warn(&format!("{error:#}"));
        }
    }
}

/// What is said where all are at their targets: only what was seen is said to be verified.
fn done<C: Change>(changes: &[C], results: &[ItemResult], words: Vocabulary, purpose: &str) -> String {
    let subjects = |state: Option<Verdict>| {
        let wanted = results.iter().filter(|result| state.is_none_or(|state| result.state == state));
        wanted.map(|result| &result.id).collect::<BTreeSet<_>>().len()
    };
    let (all, idle) = (subjects(None), subjects(Some(Verdict::Set)));
    let counted = C::counted(changes, words.one, words.many);
    let undone = purpose.strip_prefix(UNDOES);
    let done = match undone {
        Some(run) => format!("{counted} {} as before run {run}", words.changed),
        None if idle == 0 => format!("{counted} {}", words.changed),
        None => format!("{counted} set"),
    };
    match (idle, undone) {
        (0, None) => format!("{done} and verified"),
        (0, Some(_)) => format!("{done}, and verified"),
        (idle, _) => {
            format!("{done}; {} verified, {idle} {} no instances", all - idle, if idle == 1 { "has" } else { "have" })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::super::testing::Thing;
    use super::super::vocabulary::PLAIN;
    use super::*;
    use crate::action::interrupt::Interrupt;
    use crate::journal::record::Began;
    use crate::journal::{Call, Folder, Intention};
    use crate::port::Standing;
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
    impl Settable for Script {
        type Change = Thing;

        fn recall(&self, _: &[Call]) {}

        fn wrote(&self, _: &Thing) -> bool {
            self.deploy != Err("stale")
        }

        fn by_hand(&self, change: &Thing) -> String {
            format!("restore {}", change.id)
        }

        fn look_into(&self, change: &Thing) -> String {
            format!("show {}", change.id)
        }

        async fn deploy(&self, _: &[Thing], _: Duration, _: &dyn Watch) -> Result<(), DeployError> {
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

        async fn look(&self, _: &[Thing]) -> anyhow::Result<Vec<Standing>> {
            let mut looks = self.looks.lock().expect("the looks");
            let look = if looks.len() > 1 { looks.pop().expect("a look") } else { looks[0].clone() };
            look.map_err(anyhow::Error::msg)
        }

        async fn arrive(&self, _: &[Thing], _: Duration, _: &dyn Watch) -> anyhow::Result<()> {
            Ok(())
        }

        async fn go_back(&self, _: &[Thing], _: Duration, _: &dyn Watch) -> anyhow::Result<()> {
            self.call("go_back");
            Ok(())
        }

        async fn clean_up(&self, _: &[Thing]) -> anyhow::Result<()> {
            self.call("clean_up");
            Ok(())
        }
    }

    fn changes() -> Vec<Thing> {
        ["a", "b"]
            .map(|name| Thing::new(&format!("/dev/{name}"), &format!("r/{name}:2"), &format!("r/{name}:1")))
            .into()
    }

    /// The journal of a run that is about to change something.
    fn locked(folder: &Path) -> Journal {
        let journal = Folder::new(folder).begin(Began::default()).expect("a journal");
        journal.plan(Intention::of_set("script", serde_json::Value::Null)).expect("a plan");
        journal.enter(State::Locked).expect("a state");
        journal
    }

    const WORDS: Vocabulary = Vocabulary {
        one: "service",
        many: "services",
        changed: "rolled back",
        value: "image",
        place: "platform",
        ..PLAIN
    };

    async fn applied(script: &Script, interrupt: &Interrupt) -> (Applied, Vec<&'static str>) {
        let limits = Limits { deployment: Duration::from_secs(9), silence: Duration::ZERO, calm: Duration::ZERO };
        let folder = tempfile::tempdir().expect("a folder");
        let journal = locked(folder.path());
        let (section, watch) = (&interrupt.critical_section(), &Unwatched);
        let applied = apply(
            &changes(),
            ApplyContext {
                port: script,
                words: WORDS,
                purpose: "back to 2026-11-20",
                limits,
                section,
                watch,
                journal: &journal,
            },
        )
        .await;
        assert_eq!(journal.state(), Some(applied.end));
        let calls = script.calls.lock().expect("the calls").clone();
        (applied, calls)
    }

    fn unwell(image: &str) -> Standing {
        Standing::Unwell { value: image.to_owned(), why: "0 of 1 healthy".to_owned() }
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
        assert_eq!(calls, ["deploy", "clean_up"]);
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
        assert_eq!(applied.message, "b did not become healthy: 0 of 1 healthy; all that had been changed was restored");
        assert_eq!(calls, ["deploy", "go_back"]);
    }

    #[tokio::test]
    async fn a_service_that_was_not_well_before_counts_as_restored_where_it_is_as_before() {
        let looks =
            [Ok(vec![Before, before_unwell()]), Ok(vec![Target, unwell("r/b:1")]), Ok(vec![Before, before_unwell()])];
        let (applied, _) = applied(&Script::new(Err("hung"), &looks), &Interrupt::default()).await;
        assert_eq!(applied.outcome(), Outcome::Restored);
        assert_eq!(applied.results[1].detail, "0 of 1 healthy, and it was not healthy before");
    }

    #[tokio::test]
    async fn those_that_are_neither_are_named() {
        let other = Standing::Other { value: "r/b:9".to_owned() };
        let looks = [Ok(vec![Before, Before]), Ok(vec![Target, other.clone()]), Ok(vec![Before, other])];
        let (applied, _) = applied(&Script::new(Ok(()), &looks), &Interrupt::default()).await;
        assert_eq!(applied.outcome(), Outcome::NeedsOperator);
        assert_eq!(states(&applied), [Verdict::Before, Verdict::NeedsOperator]);
        assert_eq!(
            applied.message,
            "b did not become healthy: set to this image by others; the set could not be restored. \
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
            "hung; the set could not be restored. Look at '/dev/b'; set back already, and not healthy: the commands that show \
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
        assert_eq!((applied.results[1].detail.as_str(), calls), ("0 replicas", vec!["deploy", "clean_up"]));
    }

    #[test]
    fn it_is_said_what_was_done_and_what_was_seen_of_it() {
        let result = |(change, state): (&Thing, Verdict)| {
            let (subject, id) = (String::new(), change.id.clone());
            ItemResult { subject, id, state, value: None, detail: String::new(), is_set_back: false }
        };
        let changes = changes();
        let told = |purpose: &str, states: [Verdict; 2]| {
            let results: Vec<_> = changes.iter().zip(states).map(result).collect();
            done(&changes, &results, WORDS.of(purpose), purpose)
        };
        let (seen, set) = (Verdict::Target, Verdict::Set);
        assert_eq!(told("back to 2026-11-20", [seen; 2]), "2 services rolled back and verified");
        assert_eq!(told("back to 2026-11-20", [seen, set]), "2 services set; 1 verified, 1 has no instances");
        assert_eq!(told("back to 2026-11-20", [set; 2]), "2 services set; 0 verified, 2 have no instances");
        let undo = "as before run 7-abc";
        assert_eq!(told(undo, [seen; 2]), "2 services set back as before run 7-abc, and verified");
        assert_eq!(told(undo, [set, seen]), "2 services set back as before run 7-abc; 1 verified, 1 has no instances");
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
