//! Roll back a set of services to a date.
//!
//! [`points`] and [`plan`](mod@plan) are pure: what can be gone back to, and which steps that takes. So are [`ran`] and
//! [`plan_ran`](mod@plan_ran): what ran, rather than what was built, as [`remember`](mod@remember) reads it. [`dump`] is the
//! file between the two commands. [`get`] looks; [`run`](mod@run) acts, by [`apply`](mod@apply).

pub mod apply;
pub mod arguments;
pub mod dump;
pub mod get;
pub mod matrix;
pub mod plan;
pub mod plan_ran;
pub mod points;
pub mod ran;
pub mod remember;
pub mod run;
pub mod show;
pub mod target;
pub mod verify;

use crate::action::context::Context;
use crate::action::report::Finding;
use arguments::{Arguments, Command};

/// Carries out `rollback_service` with these arguments.
///
/// # Errors
/// When the action failed and nothing was changed.
pub async fn go(arguments: Arguments, context: Context) -> anyhow::Result<Finding> {
    match arguments.check()? {
        Command::Get(look) => get::get(&look, &context).await,
        Command::Run(act) => run::run(&act, &context).await,
    }
}
