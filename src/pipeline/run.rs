//! The run: tests beside one another, each to its end, and a verdict.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use chrono::{DateTime, Utc};
use serde_json::json;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::arguments::{Arguments, REPORTS};
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
use crate::action::report::{Finding, Outcome};
use crate::http::client_without_redirects as client;
use crate::journal::{Answer, Intention, Kind, Ledger as _};
use crate::watch::Progress;

/// Runs the tests.
///
/// # Errors
/// When a test is not there, or the inventory cannot be read.
pub async fn run(arguments: &Arguments, context: &Context) -> anyhow::Result<Finding> {
    let (limit, jobs) = (arguments.limit()?, arguments.jobs()?);
    let seed = arguments.shuffle()?.map(|seed| if seed == 0 { fastrand::u64(1..=u64::from(u32::MAX)) } else { seed });
    let setup = set_up(arguments, context)?;
    let wrong: usize = setup.tests.iter().map(|found| found.wrong.len()).sum();
    if wrong > 0 {
        let unknown: usize = setup.tests.iter().map(|found| found.unknown.len()).sum();
        let mut finding = refusal(&setup, wrong + unknown);
        finding.message += ": no test was run";
        if let Some(file) = &arguments.flag_tap {
            let problems = finding.tables.iter().flat_map(|table| table.rows.iter().flatten());
            let lines = report::bail_out(&finding.message, problems.map(|cell| cell.text.clone()));
            report::write(&setup.folder.join(file), &lines)?;
        }
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
        journal.plan(Intention { kind: Kind::Judge, ..Intention::of_set(&place, plan) })?;
    }
    let section = Arc::new(context.interrupt.judging_section());
    let manner = Manner { limit, tag: arguments.flag_tag.clone(), keep: arguments.flag_keep };
    let jobs = jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    let (stopped, fail_fast) = (Arc::default(), arguments.flag_fail_fast);
    let all = All { settings, manner, section, stopped, context: context.clone(), jobs, fail_fast };
    let tested = all.go(ordered(tests, seed), &secrets).await;
    let interrupted = all.section.is_interrupted();
    all.section.over();
    let mut finding = report::finding(&tested, arguments.tells_all(), interrupted);
    if let Some(seed) = seed {
        finding.message.extend([format!("; in the order of --shuffle={seed}")]);
    }
    for (file, text) in results(arguments, &tested, context.started) {
        if let Err(error) = text.and_then(|text| report::write(&folder.join(file), &text)) {
            unwritten(&mut finding, &error);
        }
    }
    Ok(finding)
}

/// The files with results that are asked for, each with its text.
fn results(arguments: &Arguments, tested: &[Tested], started: DateTime<Utc>) -> Vec<(PathBuf, anyhow::Result<String>)> {
    let mut files = Vec::new();
    if let Some(file) = &arguments.flag_junit {
        files.push((file.clone(), report::junit(tested)));
    }
    if arguments.flag_output.as_deref() == Some("json") {
        let text = serde_json::to_string_pretty(tested).map_err(Into::into);
        files.push((Path::new(REPORTS).join("report.json"), text));
    }
    files.extend(arguments.pages().into_iter().map(|file| (file, report::page(tested, started))));
    if let Some(file) = &arguments.flag_tap {
        files.push((file.clone(), Ok(report::tap(tested))));
    }
    files
}

/// Tells of results that could not be written. What the tests came to stands; only a pass, which whoever waits for the file would
/// miss, is none.
fn unwritten(finding: &mut Finding, error: &anyhow::Error) {
    finding.message.extend([format!("; {error:#}")]);
    if finding.outcome == Outcome::Passed {
        finding.outcome = Outcome::Failed;
    }
}

/// The tests in the order in which they begin.
fn ordered(mut tests: Vec<Found>, seed: Option<u64>) -> Vec<Found> {
    if let Some(seed) = seed {
        fastrand::Rng::with_seed(seed).shuffle(&mut tests);
    }
    tests
}

/// How all tests are run.
struct All {
    settings: Arc<Settings>,
    manner: Manner,
    section: Arc<CriticalSection>,
    /// Why no more tests are to begin.
    stopped: Arc<OnceLock<&'static str>>,
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
        self.tell(total, &ended);
        loop {
            while under_way.len() < self.jobs
                && let Some((at, found)) = waiting.next()
            {
                match (found.test.clone(), stopped(&self.section, &self.stopped)) {
                    (_, Some(why)) => drop(ended.insert(at, not_begun(&found.file, why))),
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
            }
            ended.insert(at, tested);
            self.tell(total, &ended);
        }
        for (at, name) in names.iter().enumerate() {
            let broken = || {
                Tested::new(name, TestState::Failed, "this program broke off in it, which is a defect of the program")
            };
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
        let (stop, fail_fast) = (Arc::clone(&self.stopped), self.fail_fast);
        let journal = Arc::clone(&self.context.journal);
        async move {
            let _alone = match &lock {
                Some(lock) => Some(lock.lock().await),
                None => None,
            };
            // It may have waited for the lock for long.
            if let Some(why) = stopped(&section, &stop) {
                return (at, not_begun(&test.file, why));
            }
            // Written down before it begins, so that whoever looks after a death knows which were under way.
            let call = journal.intent("test", json!({ "test": &*test.file }));
            let tested = execute(&test, &settings, &manner, &section, began).await;
            if let Ok(call) = call {
                journal.answer(call, Answer::Taken(serde_json::Value::Null));
            }
            if fail_fast && matches!(tested.state, TestState::Failed | TestState::Unreachable) {
                // Before the lock is given to the next.
                let _ = stop.set("not begun, as another did not pass (--fail-fast)");
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

/// Why no more tests are to begin; none where they are.
fn stopped(section: &CriticalSection, stopped: &OnceLock<&'static str>) -> Option<&'static str> {
    let why = stopped.get().copied();
    why.or_else(|| section.is_interrupted().then_some("not begun, as the run was interrupted"))
}

fn not_begun(file: &str, why: &str) -> Tested {
    Tested::new(file, TestState::Interrupted, why)
}

/// A test that uses variables that nobody gives: it does not pass, and none of its steps is run.
fn unknown(found: &Found) -> Tested {
    let mut problems = found.unknown.iter().map(ToString::to_string);
    let first = problems.next().unwrap_or_default();
    let mut tested = Tested::new(&found.file, TestState::Failed, &format!("no step was run: {first}"));
    tested.details = problems.collect();
    tested
}
