//! Move the leadership of a cluster to another member, and back.
//!
//! [`plan`](mod@plan) is pure: which member is to lead, or why none is to. [`get`] looks; [`run`](mod@run) hands the move to the
//! runner as a set of one, and [`again`] ends or undoes an earlier run.

pub mod again;
pub mod arguments;
pub mod get;
pub mod plan;
pub mod run;

use crate::action::context::Context;
use crate::action::report::Finding;
use crate::action::runner::{PLAIN, Recovery, Vocabulary};
use arguments::{Arguments, Command};

/// What the runner calls the subjects of this domain.
pub const WORDS: Vocabulary = Vocabulary {
    one: "leader",
    many: "leaders",
    row: "cluster",
    value: "leader",
    changed: "moved",
    place: "cluster",
    ..PLAIN
};

/// Carries out `reelect_leader` with these arguments.
///
/// # Errors
/// When the action failed and nothing was changed.
pub async fn go(arguments: Arguments, context: Context) -> anyhow::Result<Finding> {
    match arguments.command() {
        Command::Get => get::get(&arguments, &context).await,
        Command::Run => run::run(&arguments, &context).await,
        Command::Undo => again::again(&arguments, Recovery::Undo, &context).await,
        Command::Resume => again::again(&arguments, Recovery::Resume, &context).await,
    }
}
