//! What can go wrong, one row each: it is ordered, the real program runs into it, and ends as RELIABILITY.md says.

mod promises;
mod rows;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use firebreak::drill::Platform;
use firebreak::drill::faults::Fault;
use firebreak::drill::story::ShopState;
use firebreak::journal::Folder;
use firebreak::journal::record::Record;
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::Value;
use tokio::process::Command;

use self::rows::{FIRST_PATCH, ROWS, Row, Then, Trouble, table};
use crate::support::program::{DrillFixture, PROGRAM, send, until};
use crate::support::{UNSHARE, need};

/// How many rows are tried at a time.
const AT_ONCE: usize = 6;

const RUN: &str = "run --date=DAY --env=dev --yes --format=json";

use Then::{Before, Named, Target, TargetTheirs, Theirs};
use Trouble::{ClockJumps, DiskFills, Faults, FullDisk, Interrupt, Later, Somebody};

#[test]
fn reliability_md_says_what_the_rows_say() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("RELIABILITY.md")).expect("the page");
    let tried = text.split("\n## What was tried\n").nth(1).expect("its part");
    let lines: Vec<&str> = tried.lines().filter(|line| line.starts_with('|')).collect();
    let expected = table();
    assert!(lines.join("\n") + "\n" == expected, "the table of RELIABILITY.md is to be:\n{expected}");
    let expected = promises::table();
    assert!(
        text.contains(&format!("\n\n{expected}\n")),
        "the table of promises in RELIABILITY.md is to be:\n{expected}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_ends_as_the_table_says() {
    let trials = ROWS.iter().flat_map(|row| row.on.iter().map(|platform| (*row, *platform)));
    let mut trials = stream::iter(trials.map(|(row, platform)| async move {
        let name = format!("{} on {platform:?}: {}", row.what, row.trouble);
        let (stand, found) = tokio::spawn(trial(row, platform)).await.unwrap_or_else(|_| (false, "no end".to_owned()));
        let expected = format!("{} {}", row.outcome, row.code);
        (!stand || !found.starts_with(&expected))
            .then(|| format!("{name}\n  expected {expected}, {}\n  {found}", row.then))
    }))
    .buffer_unordered(AT_ONCE);
    let mut wrong = Vec::new();
    while let Some(trial) = trials.next().await {
        wrong.extend(trial);
    }
    assert!(wrong.is_empty(), "{} rows are not true:\n{}", wrong.len(), wrong.join("\n"));
}

/// Whether the services stand as the row says, and how it ended.
async fn trial(row: Row, platform: Platform) -> (bool, String) {
    let fixture = Arc::new(DrillFixture::furnished(&[], |settings| settings.platform = platform).await);
    fixture.look().await;
    fixture.drill.log.clear();
    let words = format!("{RUN} {}", row.options);
    let (mut command, scratch) = match row.trouble {
        FullDisk => (in_a_tmpfs(&fixture, &words, ""), None),
        DiskFills => {
            let scratch = fixture.folder.path().join("scratch");
            std::fs::create_dir(&scratch).expect("a folder");
            fixture.drill.faults.order("latency=200".parse().expect("a fault"));
            (in_a_tmpfs(&fixture, &words, scratch.to_str().expect("UTF-8")), Some(scratch))
        }
        ClockJumps => (at_jumping_times(&fixture, &words), None),
        // Whoever runs the tests may have said that a hang-up is to be ignored.
        Interrupt(..) => {
            let env = need("env", "coreutils");
            (fixture.command_by(env.to_str().expect("UTF-8"), &["--default-signal=HUP", PROGRAM], &words), None)
        }
        _ => (fixture.command(&words), None),
    };
    let order =
        |faults: &[&str]| faults.iter().for_each(|one| fixture.drill.faults.order(one.parse().expect("a fault")));
    match row.trouble {
        Faults(faults) => order(faults),
        Interrupt(fault, _) => order(&[fault]),
        // Slow from the beginning, so that what comes in the middle comes in time.
        Later([slow, ..], _) => order(&[slow]),
        Somebody => order(&["latency=100"]),
        _ => {}
    }
    let child = command.spawn().expect("a start");
    let jumping = Arc::new(AtomicBool::new(true));
    match row.trouble {
        Later(faults, (method, count)) => {
            until("the moment of the fault", || answered(&fixture, method) >= count).await;
            order(&faults[1..]);
        }
        Somebody => {
            until("the trial of all changes", || answered(&fixture, FIRST_PATCH.0) >= FIRST_PATCH.1).await;
            fixture.set_users().await;
        }
        Interrupt(_, signal) => {
            until("the first change", || fixture.changes() > 0).await;
            send(&child, signal).await;
        }
        DiskFills => {
            until("the first change", || fixture.changes() > 0).await;
            std::fs::write(fixture.folder.path().join("scratch/fill"), "").expect("to say so");
        }
        ClockJumps => drop(tokio::spawn(jump(Arc::clone(&fixture), Arc::clone(&jumping)))),
        _ => {}
    }
    let output = fixture.end(child).await;
    jumping.store(false, Ordering::Relaxed);
    let report: Value = serde_json::from_str(&output.stdout).unwrap_or_default();
    let message = report["message"].as_str().unwrap_or_default();
    let was_met = match row.trouble {
        FullDisk => message.contains("No space left on device"),
        DiskFills => is_whole(&scratch.expect("the copy of the journal")),
        ClockJumps => has_jumped(&fixture),
        _ => !fixture.drill.faults.all().iter().any(is_unmet),
    };
    let stands = was_met && stands(&fixture, row.then, &report);
    let outcome = report["outcome"].as_str().unwrap_or("no report");
    let standing = found(&fixture);
    (stands, format!("{outcome} {}: {}; {standing:?}, {}", output.code, report["message"], output.stderr))
}

/// A fault that is over once it was met, and is in force still.
fn is_unmet(fault: &Fault) -> bool {
    match fault {
        Fault::Reset { writes } => *writes < 90,
        Fault::Unavailable { requests } => *requests < 900,
        Fault::Hang { .. }
        | Fault::Lock { .. }
        | Fault::Change { .. }
        | Fault::LoseReply { .. }
        | Fault::TooMany { .. }
        | Fault::GoneAtWrite => true,
        _ => false,
    }
}

/// Whether the lines of the only journal there is say that time went on for days.
fn has_jumped(fixture: &DrillFixture) -> bool {
    let folder = fixture.drill.environment().into_iter().find(|(name, _)| name == "FIREBREAK_JOURNAL");
    let (runs, damaged) = Folder::new(folder.expect("a journal").1).runs().expect("the runs");
    let at = |record: &Record| match record {
        Record::State { at, .. } | Record::Intent { at, .. } | Record::Answer { at, .. } => Some(*at),
        _ => None,
    };
    let times: Vec<_> = runs[0].records.iter().filter_map(at).collect();
    let (first, last) = (times.iter().min().expect("times"), times.iter().max().expect("times"));
    damaged.is_empty() && runs.len() == 1 && *last - *first > TimeDelta::days(2)
}

/// How many requests of a method the platform has answered.
fn answered(fixture: &DrillFixture, method: &str) -> usize {
    let is = |server: &str| server == "marathon" || server == "kubernetes";
    fixture.drill.log.all().iter().filter(|request| is(request.server) && request.method == method).count()
}

/// What the services of `dev` are set to.
fn found(fixture: &DrillFixture) -> Vec<String> {
    let proof = fixture.drill.proof("dev", ShopState::Broken).expect("an environment");
    proof.services.into_iter().map(|service| service.found).collect()
}

fn stands(fixture: &DrillFixture, then: Then, report: &Value) -> bool {
    let proof = |stand| fixture.drill.proof("dev", stand).expect("an environment");
    match then {
        Target => proof(ShopState::Good).holds,
        Before => proof(ShopState::Broken).holds,
        Theirs => proof(ShopState::Broken).services.iter().all(|service| service.found == service.wanted),
        TargetTheirs => proof(ShopState::Good).services.iter().all(|service| service.found == service.wanted),
        Named => {
            let results = report["results"].as_array().cloned().unwrap_or_default();
            let message = report["message"].as_str().unwrap_or_default();
            let lost: Vec<_> = results.iter().filter(|one| one["state"] == "needs_operator").collect();
            let is_named = |one: &&Value| message.contains(one["id"].as_str().unwrap_or("nothing"));
            let count = |name: &str| report[name].as_array().map_or(0, Vec::len);
            let by_hand = count("by_hand") + count("look_into");
            results.len() == found(fixture).len()
                && !lost.is_empty()
                && lost.iter().all(is_named)
                && by_hand >= lost.len()
        }
    }
}

/// The program with its journal on a small disk of its own, in a mount namespace. Where a folder is given, the disk is
/// filled when a file `fill` appears there, and the journal is copied there at the end; else it is full from the beginning.
fn in_a_tmpfs(fixture: &DrillFixture, words: &str, scratch: &str) -> Command {
    need("unshare", "util-linux");
    let script = r#"
        disk=$1 scratch=$2
        shift 2
        mount -t tmpfs -o size=256k none "$disk" || exit 99
        fill() { dd if=/dev/zero of="$disk/ballast" bs=4k 2>/dev/null; }
        [ -n "$scratch" ] || { fill; exec "$@"; }
        (until [ -e "$scratch/fill" ] || [ ! -d "$scratch" ]; do sleep 0.01; done; fill; : >"$scratch/filled") &
        "$@"
        code=$?
        [ -e "$scratch/fill" ] || kill $!
        wait
        cp "$disk"/*.journal "$scratch/"
        exit $code
    "#;
    let disk = fixture.folder.path().join("disk");
    std::fs::create_dir(&disk).expect("a folder");
    let disk = disk.to_str().expect("UTF-8");
    let mut command =
        fixture.command_by("sh", &["-c", UNSHARE, "sh", "sh", "-c", script, "sh", disk, scratch, PROGRAM], words);
    command.env("FIREBREAK_JOURNAL", disk).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

/// Whether the only run there is whole, and came to its end.
fn is_whole(folder: &Path) -> bool {
    let (runs, damaged) = Folder::new(folder).runs().expect("the runs");
    let is_filled = folder.join("filled").is_file();
    is_filled
        && damaged.is_empty()
        && runs.len() == 1
        && runs[0].ended.as_ref().is_some_and(|end| end.outcome == "done")
}

/// The program, whose time is what a file says.
fn at_jumping_times(fixture: &DrillFixture, words: &str) -> Command {
    need("faketime", "faketime");
    let found = std::fs::read_dir("/usr/lib").expect("/usr/lib").filter_map(Result::ok);
    let library = found.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.is_file());
    let library = library.expect("the library of faketime");
    let clock = fixture.folder.path().join("clock");
    std::fs::write(&clock, "+0d\n").expect("to write");
    let mut command = fixture.command(words);
    command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", clock);
    command.env("FAKETIME_NO_CACHE", "1").env("DONT_FAKE_MONOTONIC", "1");
    command
}

/// Lets that time jump.
async fn jump(fixture: Arc<DrillFixture>, jumping: Arc<AtomicBool>) {
    let (clock, next) = (fixture.folder.path().join("clock"), fixture.folder.path().join("clock.next"));
    for offset in ["+3d\n", "-3d\n", "+0d\n"].iter().cycle() {
        if !jumping.load(Ordering::Relaxed) {
            return;
        }
        std::fs::write(&next, offset).and_then(|()| std::fs::rename(&next, &clock)).expect("to write");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
