//! One test, from its beginning to its clean-up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::file::{Condition, Include, RunIf, Step, TestFile};
use super::module::{Failure, Fault};
use super::record::{Part, TestState, Tested};
use super::scope::Layer;
use super::secrets::Secrets;
use super::world::{Settings, World};
use crate::action::interrupt::CriticalSection;

/// How a test is run.
#[derive(Debug, Clone)]
pub struct Manner {
    /// How long its steps may take, and each step of its clean-up.
    pub limit: Duration,
    /// The steps that are run, where not all are.
    pub tag: Option<String>,
    /// Whether what failed is left as it is, for a look: there is no clean-up then.
    pub keep: bool,
}

/// Runs a test, and its clean-up whatever becomes of it.
pub async fn execute(
    file: &Arc<TestFile>,
    settings: &Arc<Settings>,
    manner: &Manner,
    section: &CriticalSection,
    began: Instant,
) -> Tested {
    let start = Instant::now();
    let mut world = World::new(settings, file);
    let mut tested = Tested {
        test: file.file.to_string(),
        state: TestState::Passed,
        why: String::new(),
        details: Vec::new(),
        left_behind: Vec::new(),
        steps: Vec::new(),
        began: start - began,
        took: Duration::ZERO,
    };
    let ended = tokio::select! {
        ended = world.whole(file, manner) => ended,
        () = tokio::time::sleep(manner.limit) => {
            Err(End::Failed(Failure::failed(format!("it did not end within {} seconds (--timeout)", manner.limit.as_secs()))))
        }
        () = section.interrupted() => Err(End::Interrupted),
    };
    match ended {
        Ok(()) => {}
        Err(End::Skipped(why)) => (tested.state, tested.why) = (TestState::Skipped, why),
        Err(End::Interrupted) => (tested.state, tested.why) = (TestState::Interrupted, "interrupted".to_owned()),
        Err(End::Failed(failure)) => {
            tested.state = if failure.fault == Fault::Unreachable { TestState::Unreachable } else { TestState::Failed };
            (tested.why, tested.details) = (failure.to_string(), failure.details);
        }
    }
    if tested.state != TestState::Skipped {
        world.end(file, manner, &mut tested).await;
    }
    tested.steps = std::mem::take(&mut world.records);
    tested.took = start.elapsed();
    // What the test itself has set or fetched, besides what all tests begin with.
    let own = [Layer::Test, Layer::Include, Layer::Earlier, Layer::Registered].map(|layer| world.scope.layer(layer));
    let own = own.into_iter().flatten().chain(world.confided.iter().map(|(name, value)| (name, value)));
    tested.masked(&Secrets::of(own.map(|(name, value)| (name.as_str(), value))))
}

enum End {
    Skipped(String),
    Interrupted,
    Failed(Failure),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl World {
    /// Variables, includes and steps of a test.
    async fn whole(&mut self, file: &Arc<TestFile>, manner: &Manner) -> Result<(), End> {
        if let Some(ignore) = &file.ignore {
            // What an include would give first is not there yet: a check that needs it says so itself.
            let _ = self.variables(file);
            if ignore.holds(&self.scope).map_err(Failure::failed)? {
                let is_plain = matches!(ignore, Condition::True(data) if data.fixed().is_some());
                return Err(End::Skipped(if is_plain { "ignored" } else { "ignored: its check holds" }.to_owned()));
            }
            self.scope.replace(Layer::Test, indexmap::IndexMap::new());
        }
        self.includes(&file.includes).await?;
        self.variables(file)?;
        match self.run(&file.steps, manner.tag.as_deref()).await {
            Err(failure) if failure.fault != Fault::Stopped => Err(failure.into()),
            _ => Ok(()),
        }
    }

    /// Sets the variables of a file, each of which sees those before.
    fn variables(&mut self, file: &TestFile) -> Result<(), Failure> {
        for (name, data) in &file.variables {
            let value = data.render(&self.scope);
            let value = value.map_err(|why| Failure::failed(format!("variable {name} ({}): {why}", data.place)))?;
            self.scope.set(Layer::Test, name, value);
        }
        Ok(())
    }

    /// Sets the variables of an include: its own, and what it is given.
    pub(super) fn prepare(&mut self, include: &Include) -> Result<(), Failure> {
        let mut given = indexmap::IndexMap::new();
        for (name, data) in &include.variables {
            let value = data.render(&self.scope);
            let value = value.map_err(|why| Failure::failed(format!("variable {name} ({}): {why}", data.place)))?;
            given.insert(name.clone(), value);
        }
        self.scope.replace(Layer::Test, indexmap::IndexMap::new());
        self.scope.replace(Layer::Include, given);
        self.variables(&include.test)
    }

    /// Runs the includes that are to run before the test; each before its own. What they have set stays, below what comes later.
    async fn includes(&mut self, includes: &[Include]) -> Result<(), Failure> {
        for include in includes {
            if include.runs {
                self.before(include).await?;
            }
            let nested = self.includes(&include.test.includes);
            Box::pin(nested).await?;
        }
        Ok(())
    }

    async fn before(&mut self, include: &Include) -> Result<(), Failure> {
        let outer = self.scope.clone();
        let file = std::mem::replace(&mut self.file, Arc::clone(&include.test));
        let ended = match self.prepare(include) {
            Ok(()) => match include.test.ignore.as_ref().map(|ignore| ignore.holds(&self.scope)).transpose() {
                Ok(Some(true)) => Ok(()),
                Ok(_) => self.run(&include.test.steps, None).await,
                Err(why) => Err(Failure::failed(why)),
            },
            Err(failure) => Err(failure),
        };
        self.keep(&include.test);
        let inner = std::mem::replace(&mut self.scope, outer);
        self.file = file;
        for layer in [Layer::Test, Layer::Include, Layer::Registered] {
            for (name, value) in inner.layer(layer) {
                self.scope.set(Layer::Earlier, name, value.clone());
            }
        }
        match ended {
            Err(failure) if failure.fault == Fault::Stopped => Ok(()),
            Err(failure) => Err(Failure { why: format!("include {}: {}", include.test.file, failure.why), ..failure }),
            Ok(()) => Ok(()),
        }
    }

    /// Notes that an include ran, whose clean-up is to be done at the end.
    pub(super) fn keep(&mut self, test: &Arc<TestFile>) {
        let is_new = !self.ran.iter().any(|(ran, _)| Arc::ptr_eq(ran, test));
        if is_new && !test.finally.is_empty() {
            self.ran.push((Arc::clone(test), self.scope.clone()));
        }
    }

    /// Evidence and clean-up: first the test's own, then those of its includes, the last first.
    async fn end(&mut self, file: &Arc<TestFile>, manner: &Manner, tested: &mut Tested) {
        let passed = tested.state == TestState::Passed;
        if !passed {
            self.scope.set(Layer::Step, "ERROR", tested.why.as_str().into());
            self.part = Part::Catch;
            for step in &file.catch {
                // Evidence that cannot be had is no second failure.
                let _ = tokio::time::timeout(manner.limit, self.step(step)).await;
            }
        }
        self.part = Part::Finally;
        let mut cleanups = vec![(Arc::clone(file), self.scope.clone())];
        cleanups.extend(std::mem::take(&mut self.ran).into_iter().rev());
        for (file, scope) in cleanups {
            self.scope = scope;
            self.file = Arc::clone(&file);
            for step in &file.finally {
                let applies = match step.run_if {
                    RunIf::Always => true,
                    RunIf::Pass => passed,
                    RunIf::Fail => !passed,
                };
                if applies && manner.keep && !passed {
                    tested.left_behind.push(format!("{}: not done, as --keep says", what(step)));
                } else if applies {
                    self.clean_up(step, manner, tested).await;
                }
            }
        }
        if !tested.left_behind.is_empty() && passed {
            tested.state = TestState::Failed;
            tested.why = format!("the test passed, and its clean-up failed: {}", tested.left_behind[0]);
        }
    }

    async fn clean_up(&mut self, step: &Step, manner: &Manner, tested: &mut Tested) {
        let why = match tokio::time::timeout(manner.limit, self.step(step)).await {
            Ok(Ok(())) => return,
            Ok(Err(failure)) if failure.fault == Fault::Stopped => return,
            Ok(Err(failure)) => failure.to_string(),
            Err(_) => format!("{} did not end within {} seconds", what(step), manner.limit.as_secs()),
        };
        tested.left_behind.push(format!("clean-up: {why}"));
    }
}

fn what(step: &Step) -> String {
    format!("{} at {}", step.module.definition().name, step.place)
}
