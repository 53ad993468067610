//! How long it takes to list the runs of a folder of 10,000 journals, beside reading every byte of them in the same run.
//! `cargo bench --bench journal`
#![allow(missing_docs, reason = "a program, not a library")]

use std::path::Path;
use std::time::{Duration, Instant};

use chrono::Utc;
use firebreak::journal::record::{Began, Ended, State};
use firebreak::journal::{Answer, Folder, Intention, Ledger as _};
use serde_json::json;

const RUNS: usize = 10_000;
const ROUNDS: u32 = 5;

fn main() {
    let memory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
    write_one(memory.path());
    multiply(memory.path());
    let folder = Folder::new(memory.path());
    let listing = best(|| folder.summaries().expect("the runs").0.len());
    let whole = best(|| folder.runs().expect("the runs").0.len());
    let bytes = best(|| read_all(memory.path()));
    println!("{RUNS} runs are listed               {}", milliseconds(listing));
    println!("every line of them is read and checked {}", milliseconds(whole));
    println!("every byte of them is read             {}", milliseconds(bytes));
    let verdict = if listing <= Duration::from_millis(300) { "reached" } else { "MISSED" };
    let ratio = listing.as_secs_f64() / bytes.as_secs_f64();
    println!("listing / reading every byte: {ratio:.1} (goal: 300 ms at most: {verdict})");
}

/// The journal of a run that changed four services.
fn write_one(folder: &Path) {
    let began = Began { environment: "dev".to_owned(), action: "rollback_service".to_owned(), ..Began::default() };
    let journal = Folder::new(folder).begin(began).expect("a journal");
    let steps: Vec<_> =
        (0..4).map(|number| json!({ "change": { "to": "r/x:1", "n": number }, "image": "x" })).collect();
    journal.plan(Intention::of_set("kubernetes://prod/shop", json!({ "steps": steps }))).expect("a plan");
    journal.enter(State::Locked).expect("a state");
    journal.enter(State::Applying).expect("a state");
    for number in 0..8 {
        let call = journal.intent("patch", json!({ "name": "billing", "number": number })).expect("an intent");
        journal.answer(call, Answer::Taken(json!({ "revision": number })));
    }
    journal.enter(State::Verifying).expect("a state");
    journal.enter(State::Done).expect("a state");
    let message = "4 services rolled back and verified".to_owned();
    journal.end(Ended { at: Utc::now(), outcome: "done".to_owned(), message, ..Ended::default() });
}

/// Copies it under the names of later runs: nothing in it names its run.
fn multiply(folder: &Path) {
    let one = std::fs::read_dir(folder).expect("the folder").next().expect("a journal").expect("an entry").path();
    for number in 2..=RUNS {
        std::fs::copy(&one, folder.join(format!("{number}-abcdef.journal"))).expect("a copy");
    }
}

fn read_all(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("the folder");
    entries.map(|entry| std::fs::read(entry.expect("an entry").path()).expect("a journal").len().min(1)).sum()
}

/// The shortest of some rounds: what the work takes where nothing else takes the machine.
fn best(work: impl Fn() -> usize) -> Duration {
    let round = |_| {
        let begun = Instant::now();
        assert_eq!(work(), RUNS);
        begun.elapsed()
    };
    (0..ROUNDS).map(round).min().unwrap_or_default()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
