//! A batch: every line of a file is put into a store, once. A line is known there by its text.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use firebreak::action::context::Context;
use firebreak::action::report::Finding;
use firebreak::action::runner::{BatchPlan, Each, ItemEnd, PLAIN, Vocabulary, carry_out};
use firebreak::action::{self, Threads, standard::Standard};
use firebreak::port::NoRemoteLock;

const USAGE: &str = include_str!("batch_lines.txt");
const WORDS: Vocabulary = Vocabulary { one: "line", many: "lines", place: "store", ..PLAIN };

#[derive(Debug, serde::Deserialize)]
struct Args {
    cmd_get: bool,
    arg_standard: Standard,
    flag_lines: PathBuf,
    flag_store: PathBuf,
    flag_pace: u64,
}

/// Puts a line into the store, where it is known by its text.
async fn put(line: String, store: PathBuf, pace: Duration) -> ItemEnd {
    tokio::time::sleep(pace).await;
    match line.split_once(' ') {
        Some(("pending", _)) => ItemEnd::Left("it is pending".to_owned()),
        Some(("malformed", _)) => ItemEnd::SetAside("it is malformed".to_owned()),
        Some(("broken", _)) => ItemEnd::Failed("it is broken".to_owned()),
        _ => match fs::write(store.join(line), "1") {
            Ok(()) => ItemEnd::Done,
            Err(error) => ItemEnd::Failed(error.to_string()),
        },
    }
}

async fn go(args: Args, context: Context) -> anyhow::Result<Finding> {
    let text = fs::read_to_string(&args.flag_lines)?;
    let lines: Vec<String> =
        text.lines().filter(|line| !args.flag_store.join(line).exists()).map(str::to_owned).collect();
    let listed = BatchPlan::listed(WORDS, &[], lines.iter().take(3).map(String::as_str));
    let plan = BatchPlan { total: Some(lines.len() as u64), ..listed };
    if args.cmd_get {
        return Ok(plan.shown(WORDS));
    }
    let place = NoRemoteLock(args.flag_store.display().to_string());
    let (store, pause) = (args.flag_store, Duration::from_millis(args.flag_pace));
    let batch = Each::new(lines, move |line| put(line, store.clone(), pause));
    carry_out(&args.arg_standard, &place, WORDS, (batch, 64), plan, &context).await
}

fn main() -> std::process::ExitCode {
    action::run_on(Threads::EachCore, USAGE, go)
}
