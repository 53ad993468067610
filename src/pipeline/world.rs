//! The world of one test: its variables, what its modules keep, and what its steps came to. No test sees another's.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indexmap::IndexMap;

use super::file::{Condition, Data, Step, TestFile, Until};
use super::module::{Call, Failure, Fault, time};
use super::record::{Part, Record, StepState};
use super::scope::{Layer, Scope};
use super::secrets::Found;
use super::value::{Value, short};
use crate::http::{Client, Trust};

/// How many steps of a test are told of one by one; of more only those that did not pass.
const TOLD: usize = 2_000;

/// Between two tries the longest pause comes soon enough by this factor.
const STEEPEST: f64 = 100.0;

/// How many characters of a piece of evidence are kept.
const KEPT: usize = 20_000;

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
    /// Whom modules with a driver of their own trust.
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
    /// The part of the test that is under way.
    pub(super) part: Part,
    depth: usize,
    began: Instant,
    /// What modules keep.
    kept: HashMap<TypeId, Box<dyn Any + Send>>,
    /// The includes that are under way, the outermost first.
    frames: Vec<Frame>,
    /// The includes that ran and have a clean-up, each with its variables.
    pub(super) ran: Vec<(Arc<TestFile>, Scope)>,
    /// The secrets among all that the test has set or fetched, whatever has become of the variable.
    pub(super) secrets: Found,
}

/// What an include stands in while it is under way.
struct Frame {
    /// The variables outside of it.
    scope: Scope,
    /// The file that includes it.
    file: Arc<TestFile>,
    /// What it leaves when it ends.
    leaves: Leaves,
}

/// What an include leaves outside when it ends.
pub(super) enum Leaves {
    /// All that it has set, below what comes later: it runs before the test.
    All,
    /// What it has registered, apart from what it was given: it is run by name.
    Registered(IndexMap<String, Value>),
}

/// Where a test is: see [`World::here`].
pub(super) struct Here {
    pub(super) scope: Scope,
    includes: usize,
    depth: usize,
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
            part: Part::Steps,
            depth: 0,
            began: Instant::now(),
            kept: HashMap::new(),
            frames: Vec::new(),
            ran: Vec::new(),
            secrets: Found::default(),
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

    /// Notes a value that the test has or was given: where its name or a URL in it says that it is a secret, no report shows it.
    pub fn confide(&mut self, name: &str, value: &Value) {
        self.secrets.note(name, value);
    }

    /// Sets a variable of the test itself, which may be a secret.
    pub(super) fn give(&mut self, layer: Layer, name: &str, value: Value) {
        self.confide(name, &value);
        self.scope.set(layer, name, value);
    }

    /// Where the test is, to come back to it where steps are cut off.
    pub(super) fn here(&self) -> Here {
        Here { scope: self.scope.clone(), includes: self.frames.len(), depth: self.depth }
    }

    /// Out of steps that were cut off: each include that was under way ends, and is to be cleaned up. What is registered stays.
    pub(super) fn back(&mut self, here: &Here) {
        while self.frames.len() > here.includes {
            self.leave();
        }
        self.depth = here.depth;
        self.scope.replace(Layer::Step, here.scope.layer(Layer::Step).clone());
    }

    /// Begins an include.
    pub(super) fn enter(&mut self, test: &Arc<TestFile>, leaves: Leaves) {
        let file = std::mem::replace(&mut self.file, Arc::clone(test));
        self.frames.push(Frame { scope: self.scope.clone(), file, leaves });
    }

    /// Ends the include that began last: its clean-up is to be done at the end, with the variables that it has now.
    pub(super) fn leave(&mut self) {
        let Some(Frame { scope, file, leaves }) = self.frames.pop() else { return };
        let test = std::mem::replace(&mut self.file, file);
        let inner = std::mem::replace(&mut self.scope, scope);
        match leaves {
            Leaves::All => {
                for (name, value) in
                    [Layer::Test, Layer::Include, Layer::Registered].iter().flat_map(|layer| inner.layer(*layer))
                {
                    self.scope.set(Layer::Earlier, name, value.clone());
                }
            }
            Leaves::Registered(given) => {
                for (name, value) in inner.layer(Layer::Registered) {
                    let before = given.get(name).or_else(|| self.scope.layer(Layer::Registered).get(name));
                    if before != Some(value) {
                        self.scope.set(Layer::Registered, name, value.clone());
                    }
                }
            }
        }
        // With the same variables it would be the same clean-up again.
        let is_known = self.ran.iter().any(|(ran, scope)| Arc::ptr_eq(ran, &test) && *scope == inner);
        if !is_known && !test.finally.is_empty() {
            self.ran.push((test, inner));
        }
    }

    /// One step.
    pub(super) async fn step(&mut self, step: &Step) -> Result<(), Failure> {
        let at = self.records.len();
        let (depth, began) = (self.depth, Instant::now());
        let mut record = Record::begin(step, self.part, depth, began - self.began);
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
        let limit = time(self.number(timeout.as_ref(), 30.0)?)?;
        let mut pause = time(self.number(pause.as_ref(), 0.5)?)?;
        let factor = self.number(factor.as_ref(), 1.5)?.clamp(1.0, STEEPEST);
        let deadline = tokio::time::Instant::now() + limit;
        let mut last = None;
        loop {
            let before = self.here();
            let failure = match tokio::time::timeout_at(deadline, self.once(step)).await {
                Ok(Ok(output)) => return Ok(Some(output)),
                Ok(Err(failure)) if matches!(failure.fault, Fault::Stopped | Fault::Wrong) => return Err(failure),
                Ok(Err(failure)) => failure,
                Err(_) => {
                    self.back(&before);
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

    fn number(&self, data: Option<&Data>, default: f64) -> Result<f64, Failure> {
        let Some(data) = data else { return Ok(default) };
        let value = data.render(&self.scope).map_err(Failure::failed)?;
        let number = value.number().or_else(|| Value::literal(value.text()?)?.number());
        let number = number.and_then(|number| number.to_string().parse().ok());
        number.ok_or_else(|| Failure::wrong(format!("{} is no number", short(&value))))
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
                Ok(value) => self.give(Layer::Registered, name, value),
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
        let told = if self.part == Part::Catch { evidence } else { short };
        registered.map(|()| (output != Value::Null).then(|| told(&output)))
    }
}

/// A piece of evidence, as it came; cut off where it is very long.
fn evidence(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(KEPT) {
        Some((at, _)) => format!("{}… ({} characters)", &text[..at], text.chars().count()),
        None => text,
    }
}
