//! A run that died: what is left of it to do, and going on with it.

use std::time::Duration;

use super::set::{Applied, ApplyContext, Machine};
use super::verify::{Set, failures};
use super::vocabulary::Vocabulary;
use crate::journal::State;
use crate::port::{Change, Standing};
use crate::words::capital;

/// Goes on with a run that died while it was applied or verified, as far as it came: what is at its target stays, what
/// is as before is done; what is half-way takes the set back; where others changed one since, nothing is touched.
///
/// `initial` is how the subjects stood before that run. The port recalls what it did.
pub async fn resume<C: Change>(changes: &[C], initial: Vec<Standing>, context: ApplyContext<'_, C>) -> Applied {
    let machine = Machine { set: Set { changes, initial, words: context.words }, context };
    if context.journal.state() == Some(State::GoingBack) {
        return machine.take_back("that run was taking back its changes when it died").await;
    }
    machine.enter(State::Verifying);
    let arrived = tokio::select! {
        biased;
        () = context.section.interrupted() => Err(anyhow::anyhow!("interrupted")),
        arrived = context.port.arrive(changes, context.limits.deployment, context.watch) => arrived,
    };
    let calm = if arrived.is_ok() { context.limits.calm } else { Duration::ZERO };
    let standings = match machine.set.look(context.port, context.limits.silence, calm).await {
        Ok(standings) => standings,
        Err(error) => return machine.take_back(&format!("{error:#}")).await,
    };
    let words = context.words;
    let todo: Vec<C> = match (left(&standings), arrived) {
        (Left::Theirs | Left::HalfWay | Left::Nothing, _) if !machine.set.wrote(context.port) => {
            let reason = format!("that run had written nothing, and the {} were changed by others since", words.many);
            return machine.unchanged(&reason, machine.set.results(&standings));
        }
        (Left::Theirs, _) => {
            let any = words.any();
            let reason = format!("{any} was changed by others since that run died, and nothing more was touched");
            return machine.needs_operator(&reason, machine.set.results(&standings));
        }
        (_, Err(error)) => return machine.take_back(&format!("{error:#}")).await,
        (Left::HalfWay, Ok(())) => {
            return machine.take_back(&failures(&machine.set.results(&standings), words)).await;
        }
        (Left::Nothing, Ok(())) => return machine.conclude(Ok(())).await,
        (Left::Before, Ok(())) => {
            let pairs = changes.iter().zip(&standings).filter(|(_, standing)| is_before(standing));
            pairs.map(|(change, _)| change.clone()).collect()
        }
    };
    if let Err(error) = context.journal.enter(State::Applying) {
        return machine.take_back(&format!("{error:#}")).await;
    }
    let deployed = machine.deploy(&todo).await;
    machine.conclude(deployed).await
}

/// Takes back what a run did that died. `initial` is how the subjects stood before it; the port recalls what it did.
pub async fn take_back<C: Change>(changes: &[C], initial: Vec<Standing>, context: ApplyContext<'_, C>) -> Applied {
    let machine = Machine { set: Set { changes, initial, words: context.words }, context };
    let reason = if machine.set.wrote(context.port) { "taken back as asked" } else { "that run had written nothing" };
    machine.take_back(reason).await
}

/// What [`resume`] would do with a run that died in this state, having written something or not, where the subjects
/// stand like this: for people.
#[must_use]
pub fn forecast(state: Option<State>, wrote: bool, standings: &[Standing], words: Vocabulary) -> String {
    let Vocabulary { one, many, well, .. } = words;
    match left(standings) {
        _ if state == Some(State::GoingBack) => forecast_back(wrote, standings).to_owned(),
        Left::Theirs | Left::HalfWay | Left::Nothing if !wrote => {
            format!("The run had written nothing, and the {many} were changed by others since: nothing is touched.")
        }
        Left::Theirs => {
            let any = capital(&words.any());
            format!("{any} was changed by others since: nothing is touched, and what to do is shown.")
        }
        Left::HalfWay => format!(
            "What is under way is waited for, and what is as before is set to its target; where {} does not become {well}, \
             the whole set is taken back.",
            words.any()
        ),
        Left::Nothing => format!("Every {one} is at its target: each is checked to be {well}, and the run ends."),
        Left::Before => format!(
            "Those that are as before are set to their targets; where one does not become {well}, the whole set is taken back."
        ),
    }
}

/// What [`take_back`] would do where the subjects stand like this: for people.
#[must_use]
pub fn forecast_back(wrote: bool, standings: &[Standing]) -> &'static str {
    match left(standings) {
        _ if !wrote => "The run had written nothing: nothing is touched.",
        Left::Theirs => {
            "What the run changed is taken back; changes by others since are kept, and what to do is shown."
        }
        Left::HalfWay | Left::Nothing | Left::Before => "What the run changed is taken back.",
    }
}

/// What is left to do of a run that died.
enum Left {
    /// One was changed by others since.
    Theirs,
    /// One is neither at its target nor as before.
    HalfWay,
    /// All are at their targets.
    Nothing,
    /// Some are as before, the others at their targets.
    Before,
}

fn left(standings: &[Standing]) -> Left {
    if standings.iter().any(|standing| matches!(standing, Standing::Other { .. } | Standing::Gone)) {
        return Left::Theirs;
    }
    if standings.iter().any(|standing| !is_before(standing) && !standing.is_at_target()) {
        return Left::HalfWay;
    }
    if standings.iter().any(is_before) { Left::Before } else { Left::Nothing }
}

fn is_before(standing: &Standing) -> bool {
    matches!(standing, Standing::Before { .. })
}

#[cfg(test)]
mod tests {
    use super::super::vocabulary::PLAIN;
    use super::*;

    const SERVICES: Vocabulary = Vocabulary { one: "service", many: "services", ..PLAIN };

    #[test]
    fn what_would_become_of_it_is_told_by_how_the_subjects_stand() {
        let before = || Standing::Before { trouble: Some("2 of 3 healthy".to_owned()) };
        let unwell = || Standing::Unwell { value: "r/web:1".to_owned(), why: "1 of 2 healthy".to_owned() };
        let other = || Standing::Other { value: "r/web:7".to_owned() };
        let told = |standings: &[Standing]| forecast(Some(State::Applying), true, standings, SERVICES);
        assert_eq!(
            told(&[Standing::Target, Standing::Target]),
            "Every service is at its target: each is checked to be healthy, and the run ends."
        );
        assert_eq!(
            told(&[Standing::Target, before()]),
            "Those that are as before are set to their targets; where one does not become healthy, the whole set is taken back."
        );
        assert_eq!(
            told(&[before(), unwell()]),
            "What is under way is waited for, and what is as before is set to its target; where a service does not \
             become healthy, the whole set is taken back."
        );
        for theirs in [other(), Standing::Gone] {
            assert_eq!(
                told(&[before(), unwell(), theirs]),
                "A service was changed by others since: nothing is touched, and what to do is shown."
            );
        }
        let idle = |standings: &[Standing]| forecast(Some(State::Applying), false, standings, SERVICES);
        let nothing = "The run had written nothing, and the services were changed by others since: nothing is touched.";
        assert_eq!([idle(&[Standing::Target]), idle(&[before(), unwell()]), idle(&[other()])], [nothing; 3]);
        assert!(idle(&[before()]).starts_with("Those that are as before are set to their targets"));
        let back = |standings: &[Standing]| forecast(Some(State::GoingBack), true, standings, SERVICES);
        assert_eq!(back(&[Standing::Target, unwell()]), "What the run changed is taken back.");
        assert_eq!(
            back(&[Standing::Target, other()]),
            "What the run changed is taken back; changes by others since are kept, and what to do is shown."
        );
    }

    #[test]
    fn an_action_that_is_no_rollback_hears_of_its_own_subjects() {
        let leaders = Vocabulary { one: "leader", many: "leaders", well: "in office", ..PLAIN };
        let told = |standing: Standing, words| forecast(Some(State::Applying), true, &[standing], words);
        assert_eq!(
            told(Standing::Gone, leaders),
            "A leader was changed by others since: nothing is touched, and what to do is shown."
        );
        assert_eq!(
            told(Standing::Target, leaders),
            "Every leader is at its target: each is checked to be in office, and the run ends."
        );
        assert!(told(Standing::Gone, PLAIN).starts_with("An item was changed by others since"));
        let unwritten = forecast(Some(State::Applying), false, &[Standing::Gone], leaders);
        assert!(unwritten.contains("the leaders were changed by others since"), "{unwritten}");
    }
}
