//! Why a plan is refused: every reason at once, each with the way out of it.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::action::arguments::nearest;

/// A reason to refuse a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A service has no image that old.
    #[error("'{repository}' has no image that old{}: choose a later date, or leave it as it is with --allow-partial",
        undated_hint(*.undated))]
    NoImage {
        /// The service's repository.
        repository: String,
        /// How many undated images it has.
        undated: usize,
    },
    /// Nothing is known of what an application ran.
    #[error(
        "what '{application}' ran then is not known{}: choose a later date, go by what was built (--by=built), \
        or leave it as it is with --allow-partial",
        since_hint(*.since)
    )]
    NothingKnown {
        /// The application.
        application: String,
        /// Since when it is known.
        since: Option<DateTime<Utc>>,
    },
    /// What an application ran is not sure enough.
    #[error(
        "what '{application}' ran then is not sure: {why}; choose another date, or go by what was built (--by=built)"
    )]
    Unsure {
        /// The application.
        application: String,
        /// Why not.
        why: String,
    },
    /// What an application ran is gone.
    #[error("'{application}' ran '{image}' then, and the registry has it no longer: choose another date")]
    Gone {
        /// The application.
        application: String,
        /// The image.
        image: String,
    },
    /// Of no service it is known what ran: nothing is left to go back, even in part.
    #[error("of no service it is known what ran then: choose a later date")]
    NothingKnownOfAny,
    /// No service has an image that old: nothing is left to go back, even in part.
    #[error("no service has an image that old: choose a later date")]
    NothingThatOld,
    /// No workload that could be set runs the service.
    #[error(
        "no workload of the environment that could be set runs '{repository}'{}", candidates_hint(.candidates)
    )]
    NoApplication {
        /// The service's repository.
        repository: String,
        /// Workloads of the service's name that run another repository, and what runs it and cannot be set.
        candidates: Vec<String>,
    },
    /// Somebody named a workload that is none of the set.
    #[error("--only: no workload of the set is called '{name}'{}", known_hint(name, known))]
    NoSuchWorkload {
        /// The name.
        name: String,
        /// Those that the workloads of the set have.
        known: Vec<String>,
    },
    /// Every workload of the set is left as it is.
    #[error("nothing is left to be set: {}", .0.join("; "))]
    AllLeft(Vec<String>),
    /// All workloads of a service run images of other environments than the dump's: this is one.
    #[error(
        "'{application}' runs '{image}', an image of '{theirs}', and rollback.json is of '{ours}': \
        run `rollback_service get --env={theirs}` first"
    )]
    OtherEnvironment {
        /// The application.
        application: String,
        /// The image that it runs.
        image: String,
        /// That image's environment.
        theirs: String,
        /// The dump's.
        ours: String,
    },
    /// The platform knows beforehand that it cannot change the application.
    #[error("'{application}' cannot be changed: {why}")]
    Obstacle {
        /// The application.
        application: String,
        /// Why not.
        why: String,
    },
}

fn undated_hint(undated: usize) -> String {
    if undated == 0 { String::new() } else { format!(" (it has {undated} without a date, never chosen by themselves)") }
}

fn since_hint(since: Option<DateTime<Utc>>) -> String {
    since.map(|since| format!(" (it is since {})", since.format("%F %R UTC"))).unwrap_or_default()
}

fn candidates_hint(candidates: &[String]) -> String {
    if candidates.is_empty() { String::new() } else { format!(": there is {}", candidates.join(", ")) }
}

fn known_hint(name: &str, known: &[String]) -> String {
    match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!(": did you mean '{near}'?"),
        None if known.is_empty() => ": it has none".to_owned(),
        None => format!(": there are {}", known.join(", ")),
    }
}

/// All reasons to refuse a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub Vec<Problem>);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the plan is refused, and nothing was changed:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

impl std::error::Error for Refusal {}
