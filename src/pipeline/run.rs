//! The run: tests beside one another, each to its end, and a verdict.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::arguments::Arguments;
use super::file::TestFile;
use super::get::refusal;
use super::record::{TestState, Tested};
use super::report;
use super::secrets::Secrets;
use super::setup::{Found, Setup, set_up};
use super::test::{Manner, execute};
use super::world::Settings;
use crate::action::context::Context;
use crate::action::interrupt::CriticalSection;
use crate::action::report::Finding;
use crate::http::client;
use crate::journal::{Answer, Intention, Kind, Ledger as _};
use crate::watch::Progress;

/// Runs the tests.
///
/// # Errors
/// When a test is not there, the inventory cannot be read, or the results cannot be written.
pub async fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<Finding> {
    let (limit, jobs, shuffle) = (arguments.limit()?, arguments.jobs()?, arguments.shuffle()?);
    let setup = set_up(arguments, context)?;
    let wrong: usize = setup.tests.iter().map(|found| found.wrong.len()).sum();
    if wrong > 0 {
        let unknown: usize = setup.tests.iter().map(|found| found.unknown.len()).sum();
        let mut finding = refusal(&setup, wrong + unknown);
        finding.message += ": no test was run";
        return Ok(finding);
    }
    let Setup { folder, resources, scope, environment, secrets, tests } = setup;

    let settings = Arc::new(Settings {
        folder: folder.clone(),
        resources,
        scope,
        environment,
        trust: arguments.trust(false),
        http: client(&arguments.trust(false))?,
        trusting: client(&arguments.trust(true))?,
    });
    if let Some(journal) = context.journal.begin()? {
        let names: Vec<&str> = tests.iter().map(|found| found.file.as_str()).collect();
        let place = folder.to_string_lossy();
        let plan = json!({ "tests": names });
        journal.plan(Intention { kind: Kind::Judge, place: &place, purpose: "", subjects: Vec::new(), plan })?;
    }
    let section = Arc::new(context.interrupt.critical_section());
    let manner = Manner { limit, tag: arguments.flag_tag.clone(), keep: arguments.flag_keep };
    let jobs = jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    let all = All { settings, manner, section, context: context.clone(), jobs, fail_fast: arguments.flag_fail_fast };
    let tested = all.go(ordered(tests, shuffle), &secrets).await;
    let interrupted = all.section.is_interrupted();
    all.section.over();
    if let Some(file) = &arguments.flag_junit {
        report::write(&folder.join(file), &report::junit(&tested)?)?;
    }
    if arguments.flag_output.as_deref() == Some("json") {
        let text = serde_json::to_string_pretty(&tested)?;
        report::write(&folder.join("reports/report.json"), &text)?;
    }
    Ok(report::finding(&tested, arguments.tells_all(), interrupted))
}

/// The tests in the order in which they begin.
fn ordered(mut tests: Vec<Found>, shuffle: Option<u64>) -> Vec<Found> {
    match shuffle {
        None => {}
        Some(0) => fastrand::shuffle(&mut tests),
        Some(seed) => fastrand::Rng::with_seed(seed).shuffle(&mut tests),
    }
    tests
}

/// How all tests are run.
struct All {
    settings: Arc<Settings>,
    manner: Manner,
    section: Arc<CriticalSection>,
    context: Context,
    jobs: usize,
    fail_fast: bool,
}

impl All {
    /// Runs them, as many at a time as that is allowed, and gives what they came to in their order.
    async fn go(&self, tests: Vec<Found>, secrets: &Secrets) -> Vec<Tested> {
        let began = Instant::now();
        let mut locks: BTreeMap<String, Arc<Mutex<()>>> = BTreeMap::new();
        let (total, mut under_way, mut ended) = (tests.len(), JoinSet::new(), BTreeMap::new());
        let names: Vec<String> = tests.iter().map(|found| found.file.clone()).collect();
        let mut waiting = tests.into_iter().enumerate();
        let mut stopped = None;
        self.tell(total, &ended);
        loop {
            while under_way.len() < self.jobs
                && let Some((at, found)) = waiting.next()
            {
                if self.section.is_interrupted() {
                    stopped.get_or_insert("not begun, as the run was interrupted");
                }
                match (found.test.clone(), stopped) {
                    (_, Some(why)) => drop(ended.insert(at, empty(&found.file, TestState::Interrupted, why))),
                    (None, None) => drop(ended.insert(at, unknown(&found).masked(secrets))),
                    (Some(test), None) => {
                        let lock = test.exclusive.as_ref().map(|name| locks.entry(name.clone()).or_default());
                        let lock = lock.map(|lock| Arc::clone(lock));
                        drop(under_way.spawn(self.one(at, test, lock, began)));
                    }
                }
            }
            let Some(done) = under_way.join_next().await else { break };
            // What broke off is told of in the end.
            let Ok((at, tested)) = done else { continue };
            let tested = tested.masked(secrets);
            let ended_badly = match tested.state {
                TestState::Failed => Some("did not pass"),
                TestState::Unreachable => Some("could not be judged"),
                _ => None,
            };
            if let Some(how) = ended_badly {
                self.context.operator.say(&format!("  {}: {how}: {}", tested.test, tested.why));
                if self.fail_fast {
                    stopped.get_or_insert("not begun, as another did not pass (--fail-fast)");
                }
            }
            ended.insert(at, tested);
            self.tell(total, &ended);
        }
        for (at, name) in names.iter().enumerate() {
            let broken =
                || empty(name, TestState::Failed, "this program broke off in it, which is a defect of the program");
            ended.entry(at).or_insert_with(broken);
        }
        ended.into_values().collect()
    }

    /// One of them, with its place in the order.
    fn one(
        &self,
        at: usize,
        test: Arc<TestFile>,
        lock: Option<Arc<Mutex<()>>>,
        began: Instant,
    ) -> impl Future<Output = (usize, Tested)> + use<> {
        let (settings, manner, section) = (Arc::clone(&self.settings), self.manner.clone(), Arc::clone(&self.section));
        let journal = Arc::clone(&self.context.journal);
        async move {
            let _alone = match &lock {
                Some(lock) => Some(lock.lock().await),
                None => None,
            };
            // Written down before it begins, so that whoever looks after a death knows which were under way.
            let call = journal.intent("test", json!({ "test": &*test.file }));
            let tested = execute(&test, &settings, &manner, &section, began).await;
            if let Ok(call) = call {
                journal.answer(call, Answer::Taken(serde_json::Value::Null));
            }
            (at, tested)
        }
    }

    fn tell(&self, total: usize, ended: &BTreeMap<usize, Tested>) {
        let bad =
            ended.values().filter(|tested| !matches!(tested.state, TestState::Passed | TestState::Skipped)).count();
        let note = if bad == 0 { "ended".to_owned() } else { format!("ended, {bad} not well") };
        self.context.watch.at("tests", &Progress { done: ended.len() as u64, total: total as u64, note });
    }
}

/// A test of which no step was run.
fn empty(file: &str, state: TestState, why: &str) -> Tested {
    Tested {
        test: file.to_owned(),
        state,
        why: why.to_owned(),
        details: Vec::new(),
        left_behind: Vec::new(),
        steps: Vec::new(),
        began: Duration::ZERO,
        took: Duration::ZERO,
    }
}

/// A test that uses variables that nobody gives: it does not pass, and none of its steps is run.
fn unknown(found: &Found) -> Tested {
    let mut problems = found.unknown.iter().map(ToString::to_string);
    let first = problems.next().unwrap_or_default();
    let mut tested = empty(&found.file, TestState::Failed, &format!("no step was run: {first}"));
    tested.details = problems.collect();
    tested
}
