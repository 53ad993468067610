//! Tests of data pipelines, end to end: files of steps that prepare, act, wait and compare.
//!
//! [`file`](mod@file) reads a test whole, and finds all that is wrong with it before anything runs. [`template`] and [`value`] say what its texts
//! mean, and run nothing. [`module`] has what a step can be, a file each; [`world`] is where the steps of one test are done, and
//! [`test`](mod@test) does them to the end; [`table`] compares tables for modules that read databases, [`database`] opens these, and [`mod@sheet`] the files of tables. [`get`] looks, [`run`](mod@run) runs them beside one another and judges, and [`schema`] tells editors.

pub mod arguments;
pub mod choose;
pub mod database;
pub mod file;
pub mod get;
pub mod module;
pub mod record;
pub mod report;
pub mod run;
pub mod schema;
pub mod scope;
pub mod secrets;
pub mod setup;
pub mod sheet;
pub mod table;
pub mod template;
pub mod test;
pub mod value;
pub mod world;

use crate::action::context::Context;
use crate::action::report::Finding;
use crate::action::runner::{PLAIN, Vocabulary};
use arguments::{Arguments, Command};

/// What the runner calls the subjects of this domain.
pub const WORDS: Vocabulary = Vocabulary { one: "test", many: "tests", row: "test", ..PLAIN };

/// Carries out `test_pipeline` with these arguments.
///
/// # Errors
/// When files are wrong, or what is needed to run them is not there.
pub async fn go(arguments: Arguments, context: Context) -> anyhow::Result<Finding> {
    match arguments.command() {
        Command::Get => get::get(&arguments, &context),
        Command::Run => run::run(&arguments, &context).await,
        Command::Schema => Ok(schema::finding()),
    }
}
