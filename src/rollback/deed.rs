//! What a run does to its services, in words: it rolls them back, or sets them back to what ran before another run.

use std::collections::BTreeSet;

use super::show::counted;
use super::verify::{ServiceResult, Verdict};
use crate::platform::Change;

/// What a run does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// It goes back to a date.
    RollBack,
    /// It undoes the run of this id, be it that the services then go forward.
    SetBack(String),
}

/// How the purpose of an undo begins.
const UNDOES: &str = "as before run ";

impl Deed {
    /// The purpose of an undo of a run.
    #[must_use]
    pub fn undoing(run: &str) -> String {
        format!("{UNDOES}{run}")
    }

    /// What a run of this purpose does.
    #[must_use]
    pub fn of(purpose: &str) -> Self {
        purpose.strip_prefix(UNDOES).map_or(Self::RollBack, |run| Self::SetBack(run.to_owned()))
    }

    /// What is said of a workload that arrived.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::RollBack => "rolled back",
            Self::SetBack(_) => "set back",
        }
    }

    /// What is said where all are at their targets: only what was seen is said to be verified.
    #[must_use]
    pub fn done(&self, changes: &[Change], results: &[ServiceResult]) -> String {
        let workloads = |state: Option<Verdict>| {
            let wanted = results.iter().filter(|result| state.is_none_or(|state| result.state == state));
            wanted.map(|result| &result.application).collect::<BTreeSet<_>>().len()
        };
        let (all, idle) = (workloads(None), workloads(Some(Verdict::Set)));
        let done = match self {
            Self::RollBack if idle == 0 => format!("{} rolled back", counted(changes)),
            Self::RollBack => format!("{} set", counted(changes)),
            Self::SetBack(run) => format!("{} set back to what ran before run {run}", counted(changes)),
        };
        let has = if idle == 1 { "has" } else { "have" };
        match self {
            _ if idle > 0 => format!("{done}; {} verified, {idle} {has} no instances", all - idle),
            Self::RollBack => format!("{done} and verified"),
            Self::SetBack(_) => format!("{done}, and verified"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Application;

    #[test]
    fn it_is_said_what_was_done_and_what_was_seen_of_it() {
        let change = |id: &str, repository: &str| Change {
            application: Application { id: id.to_owned(), ..Application::default() },
            to: format!("r/{repository}:1"),
        };
        let changes = [change("billing", "billing"), change("worker", "billing"), change("worker", "web")];
        let done = |purpose: &str, states: [Verdict; 3]| {
            let result = |(change, state): (&Change, Verdict)| ServiceResult {
                service: String::new(),
                application: change.application.id.clone(),
                state,
                image: None,
                detail: String::new(),
                is_set_back: false,
            };
            let results: Vec<_> = changes.iter().zip(states).map(result).collect();
            Deed::of(purpose).done(&changes, &results)
        };
        let (seen, set) = (Verdict::Target, Verdict::Set);
        assert_eq!(done("back to 2026-11-20", [seen; 3]), "2 services rolled back and verified");
        assert_eq!(done("back to 2026-11-20", [seen, set, set]), "2 services set; 1 verified, 1 has no instances");
        assert_eq!(done("back to 2026-11-20", [set; 3]), "2 services set; 0 verified, 2 have no instances");
        let undo = Deed::undoing("7-abc");
        assert_eq!(done(&undo, [seen; 3]), "2 services set back to what ran before run 7-abc, and verified");
        assert_eq!(
            done(&undo, [set, seen, seen]),
            "2 services set back to what ran before run 7-abc; 1 verified, 1 has no instances"
        );
        assert_eq!((Deed::of(&undo).word(), Deed::of("back to 2026-11-20").word()), ("set back", "rolled back"));
    }
}
