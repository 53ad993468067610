//! Rebuild indexes that are broken or bloated, while others write.
//!
//! [`index`] is what is known of an index, [`choose`] which are rebuilt, and why others are not; both are pure. [`get`] looks, and
//! changes nothing; [`run`](mod@run) hands what was chosen to the runner as a batch. What a kind of database can do stands behind one
//! trait, [`server::Server`].

pub mod arguments;
mod batch;
pub mod choose;
mod disk;
mod ends;
pub mod get;
pub mod index;
mod mysql;
mod postgres;
pub mod run;
pub mod server;
mod size;

use crate::action::context::Context;
use crate::action::report::Finding;
use crate::action::runner::{PLAIN, Vocabulary};
use arguments::Arguments;

/// What the runner calls the items of this domain.
pub const WORDS: Vocabulary =
    Vocabulary { one: "index", many: "indexes", row: "index", changed: "rebuilt", place: "database", ..PLAIN };

/// Carries out `rebuild_indexes` with these arguments.
///
/// # Errors
/// When the action failed and nothing was changed.
pub async fn go(arguments: Arguments, context: Context) -> anyhow::Result<Finding> {
    if arguments.looks() { get::get(&arguments, &context).await } else { run::run(&arguments, &context).await }
}
