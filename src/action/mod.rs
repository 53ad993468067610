//! What every action shares: its manual, arguments, context, report and console, and [`run`], which ties them together.

pub mod arguments;
pub mod consent;
pub mod console;
pub mod context;
pub mod interrupt;
pub mod manual;
#[cfg(feature = "http")]
pub mod notify;
pub mod operator;
pub mod report;
pub mod run_journal;
#[cfg(feature = "http")]
pub mod runner;
#[cfg(feature = "http")]
pub mod standard;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use chrono::Utc;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use arguments::{Arguments, Request, UsageError};
use consent::Consent;
use console::{Console, Format};
use context::Context;
use interrupt::{Ends, Interrupt, Meaning};
use manual::Manual;
use operator::Operator as _;
use report::{Finding, Outcome, Report};
use run_journal::RunJournal;

use crate::journal::record::Began;

/// How many threads an action works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// One: an action waits for others most of its time, and many small answers are read faster in one place.
    One,
    /// One for each core: for an action that computes.
    EachCore,
}

/// Runs an action from beginning to end: reads the command line as `usage` says, hands `A` and the context to `go`,
/// prints the report, and turns it into the exit code.
pub fn run<A, F>(usage: &str, go: F) -> ExitCode
where
    A: DeserializeOwned,
    F: AsyncFnOnce(A, Context) -> anyhow::Result<Finding>,
{
    run_on(Threads::One, usage, go)
}

/// The same on so many threads. What is spawned runs beside the rest; what is awaited in one place, there.
pub fn run_on<A, F>(threads: Threads, usage: &str, go: F) -> ExitCode
where
    A: DeserializeOwned,
    F: AsyncFnOnce(A, Context) -> anyhow::Result<Finding>,
{
    let program = Manual::program_of(usage);
    let console = Arc::new(Console::new(program));
    let (arguments, decoded) = match read::<A>(usage) {
        Ok(Parsed::Act(arguments, decoded)) => (arguments, decoded),
        Ok(Parsed::Print(text)) => {
            console.print(&text);
            return console.end(0, "");
        }
        Err(error) => {
            let finding = Finding::new(Outcome::Usage, error.to_string());
            let report = complete(program.to_owned(), String::new(), context::who(), Utc::now(), finding, Vec::new());
            console.report(&report, if asks_for_json() { Format::Json } else { Format::Table });
            console.hint();
            return console.end(Outcome::Usage.exit_code(), "");
        }
    };
    let format = match arguments.values.get_str("--format") {
        "json" => Format::Json,
        _ => Format::Table,
    };
    if arguments.values.get_bool("--no-color") {
        console.no_colours();
    }
    let given = |option| arguments.values.find(option).map(|value| value.as_str().to_owned()).unwrap_or_default();
    let journal = Some(given("--journal")).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let journal = journal.or_else(context::state_folder);
    let consent = Consent::of(arguments.values.get_bool("--check"), arguments.values.get_bool("--yes"));
    let about = About {
        command: arguments.command.clone(),
        environment: given("--env"),
        asked: arguments.asked.clone(),
        consent,
    };
    let context = context_of(&console, journal, program, about);
    let mut builder = match threads {
        Threads::One => tokio::runtime::Builder::new_current_thread(),
        Threads::EachCore => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            console.error(&format!("failed to start the program's threads: {error}"));
            return Outcome::Failed.exit_code().into();
        }
    };
    let (started, who, interrupt) = (context.started, context.who.clone(), context.interrupt.clone());
    let run_journal = Arc::clone(&context.journal);
    let mut finding = runtime.block_on(async {
        // Before anything is begun: a signal that comes in the middle must not leave temporary files behind.
        let ends = Ends::listen();
        tokio::select! {
            result = go(decoded, context) => result.unwrap_or_else(|error| Finding::of(&error)),
            end = interrupts(ends, &interrupt, &console, &run_journal) => end,
        }
    });
    // A prompt that was cut off still waits for a key in a thread of its own: do not wait for it.
    runtime.shutdown_background();
    let outcome = finding.outcome;
    console.restore();
    let warnings = console.warnings().into_iter().chain(run_journal.end(&mut finding)).collect();
    let report = complete(program.to_owned(), arguments.command, who, started, finding, warnings);
    console.report(&report, format);
    console.end(outcome.exit_code(), &report.message)
}

/// Runs a program that has no report because it is host to others: `go` says what there is to say, answers signals by
/// itself, and gives the exit code.
pub fn host<A, F>(usage: &str, go: F) -> ExitCode
where
    A: DeserializeOwned,
    F: AsyncFnOnce(A, Context, &Console) -> anyhow::Result<u8>,
{
    let program = Manual::program_of(usage);
    let console = Arc::new(Console::new(program));
    let result = match read::<A>(usage) {
        Ok(Parsed::Act(_, decoded)) => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
            runtime.map_err(|error| anyhow::anyhow!("failed to start the program's threads: {error}")).and_then(
                |runtime| {
                    let context = context_of(&console, context::state_folder(), program, About::default());
                    let result = runtime.block_on(go(decoded, context, &console));
                    runtime.shutdown_background();
                    result
                },
            )
        }
        Ok(Parsed::Print(text)) => {
            console.print(&text);
            Ok(0)
        }
        Err(error) => Err(error.into()),
    };
    console.restore();
    match result {
        Ok(code) => console.end(code, ""),
        Err(error) => {
            let finding = Finding::of(&error);
            console.error(&finding.message);
            if finding.outcome == Outcome::Usage {
                console.hint();
            }
            finding.outcome.exit_code().into()
        }
    }
}

/// What the command line says of a run.
#[derive(Default)]
struct About {
    command: String,
    environment: String,
    asked: Map<String, Value>,
    consent: Consent,
}

fn context_of(console: &Arc<Console>, journal: Option<PathBuf>, action: &str, about: About) -> Context {
    let About { command, environment, asked, consent } = about;
    let (started, who) = (Utc::now(), context::who());
    let began = Began {
        at: started,
        action: action.to_owned(),
        command,
        environment,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        who: who.clone(),
        host: context::host(),
        process: std::process::id(),
        asked,
    };
    Context {
        started,
        who,
        cache_folder: context::cache_folder(),
        kubeconfigs: context::variable("KUBECONFIG"),
        journal: Arc::new(RunJournal::new(journal, began, consent)),
        operator: console.clone(),
        watch: console.clone(),
        interrupt: Interrupt::default(),
    }
}

/// Whether JSON is asked for by a command line that cannot be read otherwise.
fn asks_for_json() -> bool {
    let words: Vec<_> = std::env::args_os().collect();
    words.iter().any(|word| word == "--format=json")
        || words.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "json")
}

enum Parsed<A> {
    Act(Arguments, A),
    Print(String),
}

fn read<A: DeserializeOwned>(usage: &str) -> Result<Parsed<A>, UsageError> {
    // Told by its place: it may be a secret.
    let words = (1..).zip(std::env::args_os().skip(1)).map(|(place, word)| {
        word.into_string().map_err(|_| UsageError(format!("argument {place} of the command line is not UTF-8")))
    });
    let words = words.collect::<Result<Vec<_>, _>>()?;
    match arguments::parse(usage, env!("CARGO_PKG_VERSION"), &words, &context::variable)? {
        Request::Print(text) => Ok(Parsed::Print(text)),
        Request::Act(arguments) => {
            let decoded = arguments.decode()?;
            Ok(Parsed::Act(arguments, decoded))
        }
    }
}

/// Ends with a finding when an interrupt ends the action; tells the action where it is to take back what it did.
async fn interrupts(
    ends: anyhow::Result<Ends>,
    interrupt: &Interrupt,
    console: &Console,
    run_journal: &RunJournal,
) -> Finding {
    let Ok(mut ends) = ends else { return std::future::pending().await };
    loop {
        ends.any().await;
        match interrupt.arrive() {
            Meaning::End => return untouched(),
            Meaning::TakeBack => console.say("Interrupted: taking the set back. Interrupt again to leave at once."),
            Meaning::Drain => {
                console.say(
                    "Interrupted: what was begun is finished, and nothing more is begun. Interrupt again to leave at once.",
                );
            }
            Meaning::CleanUp => {
                console.say(
                    "Interrupted: what was begun is broken off and cleaned up, and nothing more is begun. Interrupt again to leave at once.",
                );
            }
            Meaning::Hurry => console.say("The outcome is decided already: see the report. Slack is told no more."),
            Meaning::Leave => {
                let Some(died) = run_journal.died() else { return run_journal.cut_off().unwrap_or_else(untouched) };
                let mut finding = Finding::new(Outcome::Interrupted, format!("{}\n{died}", console.last_seen()));
                finding.changed = true;
                return finding;
            }
        }
    }
}

fn untouched() -> Finding {
    Finding::new(Outcome::Interrupted, "interrupted: nothing was changed")
}

fn complete(
    action: String,
    command: String,
    who: report::Who,
    started: chrono::DateTime<Utc>,
    finding: Finding,
    warnings: Vec<String>,
) -> Report {
    let Finding { changed, outcome, message, details, tables } = finding;
    let text = console::plain(&tables);
    let finished = Utc::now();
    Report { action, command, changed, outcome, message, who, started, finished, warnings, text, details, tables }
}
