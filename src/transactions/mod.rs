//! Resolve missed transactions: each that lies in a queue is confirmed by the bank or not, and its result stored by the master.
//!
//! [`message`] is pure: what a message says, and which are settled by a run. [`get`] looks, and changes nothing; [`run`](mod@run)
//! hands the queue to the runner as a batch, of which [`settle`] says what becomes of each transaction.

pub mod arguments;
pub mod get;
pub mod message;
pub mod run;
pub mod settle;

use crate::action::context::Context;
use crate::action::report::Finding;
use crate::action::runner::{PLAIN, Vocabulary};
use arguments::Arguments;

/// What the runner calls the items of this domain.
pub const WORDS: Vocabulary = Vocabulary {
    one: "transaction",
    many: "transactions",
    row: "transaction",
    changed: "resolved",
    place: "queue",
    ..PLAIN
};

/// Carries out `resolve_transactions` with these arguments.
///
/// # Errors
/// When the action failed and nothing was changed.
pub async fn go(arguments: Arguments, context: Context) -> anyhow::Result<Finding> {
    if arguments.looks() { get::get(&arguments, &context).await } else { run::run(&arguments, &context).await }
}
