//! The files of tests: read whole and checked before anything runs, with all that is wrong at once.

mod condition;
mod data;
mod include;
mod place;
mod read;
mod scalar;
mod step;

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;

pub use condition::{Condition, items};
pub use data::{Data, Form};
pub use include::{Refused, inspect, load};
pub use place::{Place, Problem};
pub use read::values;

use super::module::Module;

/// A test, as its file says.
#[derive(Debug)]
pub struct TestFile {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// What it includes.
    pub includes: Vec<Include>,
    /// Its own variables.
    pub variables: Vec<(String, Data)>,
    /// Its steps.
    pub steps: Vec<Step>,
    /// The clean-up.
    pub finally: Vec<Step>,
    /// What collects evidence when it fails.
    pub catch: Vec<Step>,
    /// When it is not run at all.
    pub ignore: Option<Condition>,
    /// The name of what it shares with other tests, so that they do not run beside it.
    pub exclusive: Option<String>,
}

/// Another file that a test includes.
#[derive(Debug, Clone)]
pub struct Include {
    /// By which name `run` calls it.
    pub alias: Option<String>,
    /// What it is given.
    pub variables: Vec<(String, Data)>,
    /// Whether it runs before the test.
    pub runs: bool,
    /// The file.
    pub test: Arc<TestFile>,
}

/// A step.
pub struct Step {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub module: &'static dyn Module,
    /// The command of the module; empty for one without any.
    pub command: &'static str,
    /// The arguments.
    pub fields: Vec<(&'static str, Field)>,
    /// What it is called.
    pub name: Option<Data>,
    /// The variables that it sets.
    pub register: Vec<(String, Data)>,
    /// Whether the test goes on where it fails.
    pub ignore_errors: Option<Data>,
    /// The word by which it is chosen.
    pub tag: Option<String>,
    /// When it is left out.
    pub skip_if: Option<Condition>,
    /// For a clean-up: after which end of the test.
    pub run_if: RunIf,
    /// How it is tried again.
    pub until: Option<Until>,
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", self.module.definition().name, self.place)
    }
}

/// What stands in the place of an argument.
#[derive(Debug)]
pub enum Field {
    /// Data.
    Data(Data),
    /// A check.
    Check(Condition),
    /// Steps.
    Steps(Vec<Step>),
}

/// After which end of a test a clean-up is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunIf {
    /// After both.
    #[default]
    Always,
    /// Where the test passed.
    Pass,
    /// Where it failed.
    Fail,
}

/// How a step is tried again until it passes.
#[derive(Debug)]
pub struct Until {
    /// Seconds in all; 30 where nothing is said.
    pub timeout: Option<Data>,
    /// Seconds before the second try; half a second where nothing is said.
    pub pause: Option<Data>,
    /// By what the pause grows; 1.5 where nothing is said.
    pub factor: Option<Data>,
    /// When waiting is in vain.
    pub fail_if: Option<Condition>,
}

impl TestFile {
    /// A test of nothing.
    fn empty(file: &str) -> Self {
        Self {
            file: file.into(),
            includes: Vec::new(),
            variables: Vec::new(),
            steps: Vec::new(),
            finally: Vec::new(),
            catch: Vec::new(),
            ignore: None,
            exclusive: None,
        }
    }

    /// Its own steps, and those within them, of all kinds.
    pub fn each_step<'a>(&'a self, take: &mut dyn FnMut(&'a Step)) {
        for steps in [&self.steps, &self.catch, &self.finally] {
            each(steps, take);
        }
    }

    /// The modules that it needs, with those of its includes.
    #[must_use]
    pub fn needs(&self) -> BTreeSet<&'static str> {
        let mut needs = BTreeSet::new();
        self.each_step(&mut |step| {
            needs.insert(step.module.definition().name);
        });
        self.includes.iter().for_each(|include| needs.extend(include.test.needs()));
        needs
    }

    /// The names that its steps register, with those of its includes.
    #[must_use]
    pub fn registers(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        self.each_step(&mut |step| names.extend(step.register.iter().map(|(name, _)| name.clone())));
        self.includes.iter().for_each(|include| names.extend(include.test.registers()));
        names
    }

    /// The includes that can be run by name.
    #[must_use]
    pub fn aliases(&self) -> IndexMap<&str, &Include> {
        self.includes.iter().filter_map(|include| Some((include.alias.as_deref()?, include))).collect()
    }
}

fn each<'a>(steps: &'a [Step], take: &mut dyn FnMut(&'a Step)) {
    for step in steps {
        take(step);
        for (_, field) in &step.fields {
            if let Field::Steps(steps) = field {
                each(steps, take);
            }
        }
    }
}
