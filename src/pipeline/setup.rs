//! What the command line, the inventory and the environment give: the tests, and the variables that they begin with.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use super::arguments::Arguments;
use super::choose::{chosen, files};
use super::file::{Problem, TestFile, load, values};
use super::scope::{Layer, Scope};
use super::secrets::Secrets;
use super::value::Value;
use crate::action::context::{self, Context};
use crate::journal::Run;
use crate::port::Unfit;

/// What there is to run.
#[derive(Debug)]
pub struct Setup {
    /// The folder that files are named from.
    pub folder: PathBuf,
    /// Where resources are.
    pub resources: PathBuf,
    /// The variables that each test begins with.
    pub scope: Scope,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// What no report may show.
    pub secrets: Secrets,
    /// The tests, each with what is wrong with it.
    pub tests: Vec<Found>,
}

/// A test that was found.
#[derive(Debug)]
pub struct Found {
    /// Its file, as it was named.
    pub file: String,
    /// The test; none where its files are wrong, or name variables that nobody gives.
    pub test: Option<Arc<TestFile>>,
    /// What its files say wrongly.
    pub wrong: Vec<Problem>,
    /// Variables that it uses and that nobody gives.
    pub unknown: Vec<Problem>,
}

/// Reads all.
///
/// # Errors
/// When a test is not there, or the inventory cannot be read.
pub fn set_up(arguments: &Arguments, action: &Context) -> anyhow::Result<Setup> {
    arguments.modules()?;
    arguments.filters()?;
    let folder = context::working_folder().context("failed to find out which folder this program works in")?;
    let resources = folder.join(&arguments.flag_resources);
    let environment: Vec<(String, String)> = context::environment().collect();
    let scope = scope(arguments, &folder, &resources, &environment)?;
    let last = if arguments.flag_failed { Some(failed_last(action, &folder)?) } else { None };
    let names = files(&arguments.arg_tests, &folder, &resources)?;
    let names = chosen(names, arguments.flag_only.as_deref(), last.as_ref(), arguments.shard()?);
    let tests = names.into_iter().map(|file| match load(&file, &folder, &resources, &scope) {
        Ok(test) => Found { file, test: Some(Arc::new(test)), wrong: Vec::new(), unknown: Vec::new() },
        Err(refused) => Found { file, test: None, wrong: refused.wrong, unknown: refused.unknown },
    });
    let tests = tests.collect();
    let of_environment: Vec<(&str, Value)> =
        environment.iter().map(|(name, value)| (name.as_str(), Value::from(value.as_str()))).collect();
    let of_environment = of_environment.iter().map(|(name, value)| (*name, value));
    let secrets = Secrets::of(scope.all().into_iter().chain(of_environment));
    Ok(Setup { folder, resources, scope, environment, secrets, tests })
}

fn scope(
    arguments: &Arguments,
    folder: &Path,
    resources: &Path,
    environment: &[(String, String)],
) -> anyhow::Result<Scope> {
    let mut scope = Scope::default();
    if arguments.takes_environment() {
        for (name, value) in environment {
            scope.set(Layer::Environment, name, Value::from(value.as_str()));
        }
    }
    for (name, value) in arguments.variables()? {
        scope.set(Layer::CommandLine, name, Value::read(value));
    }
    scope.set(Layer::BuiltIn, "CURRENT_DIR", Value::from(folder.to_string_lossy().into_owned()));
    scope.set(Layer::BuiltIn, "RESOURCES_DIR", Value::from(resources.to_string_lossy().into_owned()));
    let Some(inventory) = &arguments.flag_inventory else { return Ok(scope) };
    let shown = inventory.display().to_string();
    let text = std::fs::read_to_string(folder.join(inventory));
    let text = text.map_err(|error| Unfit(format!("failed to read the inventory {shown}: {error}")))?;
    let name = inventory.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    scope.set(Layer::BuiltIn, "INVENTORY", Value::from(name));
    scope.set(Layer::BuiltIn, "INVENTORY_FILE", Value::from(shown.as_str()));
    let variables = values(&shown, &text).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
        Unfit(format!("the inventory is wrong: {}", problems.join("; ")))
    })?;
    for (name, data) in variables {
        let value = data.render(&scope);
        let value = value.map_err(|why| Unfit(format!("the inventory is wrong: {}: {name}: {why}", data.place)))?;
        scope.set(Layer::Inventory, &name, value);
    }
    Ok(scope)
}

/// The tests that did not pass in the last run in this folder, by its journal.
fn failed_last(action: &Context, folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let (runs, _) = action.journal.folder()?.runs()?;
    let mut ended = runs.iter().filter(|run| is_of(run, action, folder) && run.id != action.journal.holder().run);
    let results = ended.find_map(|run| run.ended.as_ref()?.results.as_array());
    let refusal = || Unfit(format!("--failed: no earlier run of tests in {} is in the journal", folder.display()));
    let failed = results.ok_or_else(refusal)?.iter().filter(|result| result["state"] != "passed");
    Ok(failed.filter_map(|result| Some(result["subject"].as_str()?.to_owned())).collect())
}

/// Whether a run is one of tests in this folder: those of another one may have the same names.
pub(super) fn is_of(run: &Run, action: &Context, folder: &Path) -> bool {
    run.began.action == action.journal.action() && run.place.as_deref() == Some(&*folder.to_string_lossy())
}
