//! Why a plan is refused: every reason at once, each with the way out of it.

use std::fmt;

use chrono::{DateTime, Utc};

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
    /// No application runs the service.
    #[error("no application of the environment runs '{repository}'{}", candidates_hint(.candidates))]
    NoApplication {
        /// The service's repository.
        repository: String,
        /// Applications of the service's name that run another repository.
        candidates: Vec<String>,
    },
    /// Several applications run the service.
    #[error("'{repository}' is run by several applications, and it is not known which is meant{}", candidates_hint(.candidates))]
    SeveralApplications {
        /// The service's repository.
        repository: String,
        /// Those applications.
        candidates: Vec<String>,
    },
    /// A service runs an image of another environment than the dump's.
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
