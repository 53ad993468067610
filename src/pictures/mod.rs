//! Put missing pictures back into their store: each that is missing or broken there is taken from the source, checked, and stored.
//!
//! [`template`], [`keys`] and [`picture`] are pure: where a key's picture is, which keys there are, and whether bytes are a picture.
//! [`look`] says how each picture stands and changes nothing; [`run`](mod@run) hands those to be stored to the runner as a batch, of
//! which [`restore`] says what becomes of each.

pub mod arguments;
pub mod ends;
pub mod get;
pub mod keys;
pub mod look;
pub mod picture;
pub mod restore;
pub mod run;
pub mod source;
pub mod template;

use crate::action::context::Context;
use crate::action::report::Finding;
use crate::action::runner::{PLAIN, Vocabulary};
use arguments::Arguments;

/// What the runner calls the items of this domain.
pub const WORDS: Vocabulary =
    Vocabulary { one: "picture", many: "pictures", row: "picture", changed: "stored", place: "target", ..PLAIN };

/// Carries out `repopulate_images` with these arguments.
///
/// # Errors
/// When the action failed and nothing was changed.
pub async fn go(arguments: Arguments, context: Context) -> anyhow::Result<Finding> {
    if arguments.looks() { get::get(&arguments, &context).await } else { run::run(&arguments, &context).await }
}
