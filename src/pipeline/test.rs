//! One test, from its beginning to its clean-up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::file::{Condition, Include, RunIf, Step, TestFile};
use super::module::{Failure, Fault};
use super::record::{Part, TestState, Tested};
use super::scope::Layer;
use super::secrets::Secrets;
use super::world::{Leaves, Settings, World};
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
    let beginning = world.here();
    let mut tested = Tested { began: start - began, ..Tested::new(&file.file, TestState::Passed, "") };
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
        // Includes that were under way when the test was ended are to be cleaned up as well.
        world.back(&beginning);
        world.end(file, manner, &mut tested).await;
    }
    tested.steps = std::mem::take(&mut world.records);
    tested.took = start.elapsed();
    tested.masked(&Secrets::from(world.secrets))
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
            self.give(Layer::Test, name, value);
        }
        Ok(())
    }

    /// Sets the variables of an include: its own, and what it is given.
    pub(super) fn prepare(&mut self, include: &Include) -> Result<(), Failure> {
        let mut given = indexmap::IndexMap::new();
        for (name, data) in &include.variables {
            let value = data.render(&self.scope);
            let value = value.map_err(|why| Failure::failed(format!("variable {name} ({}): {why}", data.place)))?;
            self.confide(name, &value);
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
        self.enter(&include.test, Leaves::All);
        let ended = match self.prepare(include) {
            Ok(()) => match include.test.ignore.as_ref().map(|ignore| ignore.holds(&self.scope)).transpose() {
                Ok(Some(true)) => Ok(()),
                Ok(_) => self.run(&include.test.steps, None).await,
                Err(why) => Err(Failure::failed(why)),
            },
            Err(failure) => Err(failure),
        };
        self.leave();
        match ended {
            Err(failure) if failure.fault == Fault::Stopped => Ok(()),
            Err(failure) => Err(Failure { why: format!("include {}: {}", include.test.file, failure.why), ..failure }),
            Ok(()) => Ok(()),
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
                let _ = self.limited(step, manner).await;
            }
        }
        self.part = Part::Finally;
        let mut next = Some((Arc::clone(file), self.scope.clone()));
        while let Some((file, scope)) = next {
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
            // Also an include that ran within a clean-up.
            next = self.ran.pop();
        }
        if !tested.left_behind.is_empty() && passed {
            tested.state = TestState::Failed;
            tested.why = format!("the test passed, and its clean-up failed: {}", tested.left_behind[0]);
        }
    }

    async fn clean_up(&mut self, step: &Step, manner: &Manner, tested: &mut Tested) {
        let why = match self.limited(step, manner).await {
            Some(Ok(())) => return,
            Some(Err(failure)) if failure.fault == Fault::Stopped => return,
            Some(Err(failure)) => failure.to_string(),
            None => format!("{} did not end within {} seconds", what(step), manner.limit.as_secs()),
        };
        tested.left_behind.push(format!("clean-up: {why}"));
    }

    /// How a step ended; none where it took too long.
    async fn limited(&mut self, step: &Step, manner: &Manner) -> Option<Result<(), Failure>> {
        let here = self.here();
        let ended = tokio::time::timeout(manner.limit, self.step(step)).await;
        if ended.is_err() {
            self.back(&here);
        }
        ended.ok()
    }
}

fn what(step: &Step) -> String {
    format!("{} at {}", step.module.definition().name, step.place)
}
