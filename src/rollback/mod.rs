//! Roll back a set of services to a date.
//!
//! [`points`], [`plan`](mod@plan) and [`reverse`](mod@reverse) are pure: what can be gone back to, which steps that takes
//! or why it is refused ([`refusal`]), and the way back from them; [`members`] says which workloads belong. So are [`ran`] and [`plan_ran`](mod@plan_ran): what
//! ran, rather than what was built, as [`remember`](mod@remember) reads it. [`dump`] is the file between `get` and `run`,
//! [`recorded`] what the journal keeps of a plan. [`get`] looks; [`run`](mod@run) makes an [`undertaking`] of a date, at a
//! [`site`] that it has for itself, which [`apply`](mod@apply) carries out; [`again`] goes on with a run that died
//! ([`resume`](mod@resume)), or undoes one.

pub mod again;
pub mod apply;
pub mod arguments;
pub mod deed;
pub mod dump;
pub mod get;
pub mod matrix;
pub mod members;
pub mod plan;
pub mod plan_ran;
pub mod points;
pub mod ran;
pub mod recorded;
pub mod refusal;
pub mod remember;
pub mod resume;
pub mod reverse;
pub mod run;
pub mod show;
#[cfg(test)]
mod simulation;
pub mod site;
pub mod target;
pub mod undertaking;
pub mod verify;

use crate::action::context::Context;
use crate::action::report::Finding;
use again::Way;
use arguments::{Arguments, Command};

/// Carries out `rollback_service` with these arguments.
///
/// # Errors
/// When the action failed and nothing was changed.
pub async fn go(arguments: Arguments, context: Context) -> anyhow::Result<Finding> {
    match arguments.check()? {
        Command::Get(look) => get::get(&look, &context).await,
        Command::Run(act) => run::run(&act, &context).await,
        Command::Undo(again) => again::again(&again, Way::Back, &context).await,
        Command::Resume(again) => again::again(&again, Way::Forth, &context).await,
    }
}
