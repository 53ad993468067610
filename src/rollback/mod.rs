//! Roll back a set of services to a date.
//!
//! [`points`], [`plan`](mod@plan) and [`reverse`](mod@reverse) are pure: what can be gone back to, which steps that takes
//! or why it is refused ([`refusal`]), and the way back from them; [`members`] says which workloads belong. So are [`ran`] and [`plan_ran`](mod@plan_ran): what
//! ran, rather than what was built, as [`remember`](mod@remember) reads it. [`dump`] is the file between `get` and `run`,
//! [`recorded`] what the journal keeps of a plan. [`get`] looks; [`run`](mod@run) plans the way to a date and [`again`] the
//! way back from a run; [`execute`] hands a plan to the runner, which carries it out.

pub mod again;
pub mod arguments;
pub mod dump;
pub mod execute;
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
pub mod reverse;
pub mod run;
pub mod show;
pub mod target;

use crate::action::context::Context;
use crate::action::report::Finding;
use crate::action::runner::Recovery;
use arguments::{Arguments, Command};

/// Carries out `rollback_service` with these arguments.
///
/// # Errors
/// When the action failed and nothing was changed.
pub async fn go(arguments: Arguments, context: Context) -> anyhow::Result<Finding> {
    match arguments.check()? {
        Command::Get(look) => get::get(&look, &context).await,
        Command::Run(act) => run::run(&act, &context).await,
        Command::Undo(again) => again::again(&again, Recovery::Undo, &context).await,
        Command::Resume(again) => again::again(&again, Recovery::Resume, &context).await,
    }
}
