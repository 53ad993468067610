//! The world of one test: its variables, what its modules keep, and what its steps came to. No test sees another's.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::file::{Condition, Data, Step, TestFile, Until};
use super::module::{Call, Failure, Fault};
use super::record::{Record, StepState};
use super::scope::{Layer, Scope};
use super::value::{Value, short};
use crate::http::{Client, Trust};

/// How many steps of a test are told of one by one; of more only those that did not pass.
const TOLD: usize = 2_000;

/// What all tests of a run have in common.
#[derive(Debug)]
pub struct Settings {
    /// The folder that files are named from.
    pub folder: PathBuf,
    /// Where resources are.
    pub resources: PathBuf,
    /// The variables that every test begins with.
    pub scope: Scope,
    /// Who asks servers, and trusts only whom the system trusts.
    pub http: Client,
    /// The same for `verify: false`, which trusts everybody.
    pub trusting: Client,
    /// Whom sessions trust that speak TLS and no HTTP.
    pub trust: Trust,
    /// The environment, for programs that a test starts.
    pub environment: Vec<(String, String)>,
}

/// The world of one test.
pub struct World {
    /// What all tests have in common.
    pub settings: Arc<Settings>,
    pub(super) scope: Scope,
    /// The file whose steps are under way, whose includes can be run.
    pub(super) file: Arc<TestFile>,
    pub(super) records: Vec<Record>,
    depth: usize,
    began: Instant,
    /// What modules keep.
    kept: HashMap<TypeId, Box<dyn Any + Send>>,
    /// The includes that ran and have a clean-up, each with its variables.
    pub(super) ran: Vec<(Arc<TestFile>, Scope)>,
}

impl World {
    /// The world of a test that begins.
    #[must_use]
    pub fn new(settings: &Arc<Settings>, file: &Arc<TestFile>) -> Self {
        let mut scope = settings.scope.clone();
        scope.set(Layer::BuiltIn, "TEST_NAME", Value::from(&*file.file));
        scope.expect(file.registers());
        Self {
            settings: Arc::clone(settings),
            scope,
            file: Arc::clone(file),
            records: Vec::new(),
            depth: 0,
            began: Instant::now(),
            kept: HashMap::new(),
            ran: Vec::new(),
        }
    }

    /// The variables of now.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Sets a variable of the step that is under way: `ITEM`.
    pub fn set(&mut self, name: &str, value: Value) {
        self.scope.set(Layer::Step, name, value);
    }

    /// What a module keeps for the length of this test, made anew where there is none yet.
    ///
    /// # Panics
    /// Never: what is kept for a type is of that type.
    pub fn state<T: Any + Send + Default>(&mut self) -> &mut T {
        let kept = self.kept.entry(TypeId::of::<T>()).or_insert_with(|| Box::new(T::default()));
        kept.downcast_mut().expect("what is kept for a type is of that type")
    }

    /// Steps, one after the other, up to the first that fails. Where a tag is given, those alone that have it.
    ///
    /// # Errors
    /// The first failure that is not to be ignored; also that the test is to stop here.
    pub async fn run(&mut self, steps: &[Step], tag: Option<&str>) -> Result<(), Failure> {
        for step in steps.iter().filter(|step| tag.is_none_or(|tag| step.tag.as_deref() == Some(tag))) {
            self.step(step).await?;
        }
        Ok(())
    }

    /// The same, as steps within a step.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn within(&mut self, steps: &[Step], tag: Option<&str>) -> Result<(), Failure> {
        self.depth += 1;
        let ended = self.run(steps, tag).await;
        self.depth -= 1;
        ended
    }

    /// Where the test is: its variables, and whose steps are under way.
    pub(super) fn here(&self) -> (Scope, Arc<TestFile>) {
        (self.scope.clone(), Arc::clone(&self.file))
    }

    /// Back to there, from within steps that were cut off.
    pub(super) fn back(&mut self, (scope, file): (Scope, Arc<TestFile>)) {
        self.scope = scope;
        self.file = file;
    }

    /// One step.
    pub(super) async fn step(&mut self, step: &Step) -> Result<(), Failure> {
        let at = self.records.len();
        let (depth, began) = (self.depth, Instant::now());
        let mut record = Record::begin(step, depth, began - self.began);
        record.name = self.name_of(step);
        self.records.push(record);
        let ended = self.tried(step).await;
        // A limit that cut off steps within this one left them one deeper.
        self.depth = depth;
        let record = &mut self.records[at];
        record.took = began.elapsed();
        match ended {
            Ok(Some(output)) => {
                record.state = StepState::Passed;
                record.output = output;
                if at >= TOLD {
                    self.records.truncate(at);
                }
                Ok(())
            }
            Ok(None) => {
                record.state = StepState::Skipped;
                Ok(())
            }
            Err(failure) if failure.fault == Fault::Stopped => {
                record.state = StepState::Passed;
                Err(failure)
            }
            Err(mut failure) => {
                record.why = failure.to_string();
                if failure.at.is_empty() {
                    failure.at = format!("{}, {}", step.module.definition().name, step.place);
                }
                record.details.clone_from(&failure.details);
                let ignored = step.ignore_errors.as_ref().map(|data| data.render(&self.scope)).transpose();
                let ignored = ignored.ok().flatten().is_some_and(|value| value.same(&true.into()));
                self.records[at].state = if ignored { StepState::Ignored } else { StepState::Failed };
                if ignored { Ok(()) } else { Err(failure) }
            }
        }
    }

    fn name_of(&self, step: &Step) -> String {
        let name = step.name.as_ref().and_then(|name| name.render(&self.scope).ok()).map(|name| name.to_string());
        name.unwrap_or_else(|| step.module.definition().name.to_owned())
    }

    /// What came out of a step, tried as often as it is to be; none where it is left out.
    async fn tried(&mut self, step: &Step) -> Result<Option<Option<String>>, Failure> {
        if let Some(condition) = &step.skip_if
            && condition.holds(&self.scope).map_err(Failure::failed)?
        {
            return Ok(None);
        }
        let Some(until) = &step.until else { return self.once(step).await.map(Some) };
        let Until { timeout, pause, factor, fail_if } = until;
        let limit = self.seconds(timeout.as_ref(), 30.0)?;
        let mut pause = self.seconds(pause.as_ref(), 0.5)?;
        let factor = self.seconds(factor.as_ref(), 1.5)?.as_secs_f64().max(1.0);
        let deadline = tokio::time::Instant::now() + limit;
        let mut last = None;
        loop {
            let before = self.here();
            let failure = match tokio::time::timeout_at(deadline, self.once(step)).await {
                Ok(Ok(output)) => return Ok(Some(output)),
                Ok(Err(failure)) if matches!(failure.fault, Fault::Stopped | Fault::Wrong) => return Err(failure),
                Ok(Err(failure)) => failure,
                Err(_) => {
                    self.back(before);
                    last.unwrap_or_else(|| Failure::unreachable("it did not come to an end"))
                }
            };
            if self.is_in_vain(fail_if.as_ref(), &failure)? {
                return Err(Failure { why: format!("waiting is in vain (fail_if): {}", failure.why), ..failure });
            }
            if tokio::time::Instant::now() + pause >= deadline {
                let why = format!("not within {} seconds: {}", limit.as_secs_f64(), failure.why);
                return Err(Failure { why, ..failure });
            }
            last = Some(failure);
            tokio::time::sleep(pause).await;
            pause = pause.mul_f64(factor).min(Duration::from_mins(1));
        }
    }

    fn is_in_vain(&mut self, fail_if: Option<&Condition>, failure: &Failure) -> Result<bool, Failure> {
        let Some(condition) = fail_if else { return Ok(false) };
        self.scope.set(Layer::Step, "ERROR", Value::from(failure.why.as_str()));
        let holds = condition.holds(&self.scope).map_err(Failure::failed);
        self.scope.remove(Layer::Step, "ERROR");
        holds
    }

    fn seconds(&self, data: Option<&Data>, default: f64) -> Result<Duration, Failure> {
        let Some(data) = data else { return Ok(Duration::from_secs_f64(default)) };
        let value = data.render(&self.scope).map_err(Failure::failed)?;
        let number = value.number().or_else(|| Value::literal(value.text()?)?.number());
        let seconds = number.and_then(|number| number.to_string().parse::<f64>().ok());
        let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        duration.ok_or_else(|| Failure::wrong(format!("{} is no number of seconds", short(&value))))
    }

    /// Does it once, registers what came out, and gives that as a text.
    async fn once(&mut self, step: &Step) -> Result<Option<String>, Failure> {
        let module = step.module;
        let call = Call { command: step.command, place: &step.place, fields: &step.fields };
        let output = module.act(&call, self).await?;
        let before = self.scope.layer(Layer::Step).get("OUTPUT").cloned();
        self.scope.set(Layer::Step, "OUTPUT", output.clone());
        let mut registered = Ok(());
        for (name, data) in &step.register {
            match data.render(&self.scope) {
                Ok(value) => self.scope.set(Layer::Registered, name, value),
                Err(why) => {
                    registered = Err(Failure::failed(format!("register {name}: {why}")));
                    break;
                }
            }
        }
        match before {
            Some(before) => self.scope.set(Layer::Step, "OUTPUT", before),
            None => self.scope.remove(Layer::Step, "OUTPUT"),
        }
        registered.map(|()| (output != Value::Null).then(|| short(&output)))
    }
}
