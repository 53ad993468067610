//! Temporary files: nobody else can read them, and they go away, also when a signal ends the program.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use firebreak::drill::Request;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use crate::support::program::{DrillFixture, send, until};

const SIGNALS: [&str; 3] = ["-INT", "-TERM", "-HUP"];

/// Every folder and file below a folder, with its mode.
fn below(folder: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(about) = entry.metadata() else { continue };
        found.push((entry.path(), about.permissions().mode() & 0o777));
        if about.is_dir() {
            found.extend(below(&entry.path()));
        }
    }
    found
}

/// Waits until something stands in the folder for temporary files that `enough` accepts.
async fn wait(child: &mut Child, folder: &Path, enough: impl Fn(&[(PathBuf, u32)]) -> bool) -> Vec<(PathBuf, u32)> {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let found = below(folder);
        if enough(&found) {
            return found;
        }
        let ended = child.try_wait().expect("the state of a child");
        assert!(ended.is_none() && Instant::now() < deadline, "{ended:?}: {found:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The program without input and output, its temporary files in this folder.
fn quiet(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("TMPDIR", folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

/// Only their owner enters the folders at the top, and reads the files in them.
fn are_private(found: &[(PathBuf, u32)], folder: &Path) {
    let top: Vec<_> = found.iter().filter(|(path, _)| path.parent() == Some(folder)).collect();
    assert!(!top.is_empty());
    assert!(top.iter().all(|(path, mode)| path.is_dir() && *mode == 0o700), "{found:?}");
    assert!(found.iter().all(|(_, mode)| [0o600, 0o700].contains(mode)), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_keeps_its_files_to_itself_and_takes_them_with_it() {
    let cases: [(&[&str], usize); 3] = [
        (&["serve"], 1),
        (&["serve", "--platform=kubernetes"], 3),
        (&["--platform=kubernetes", "--", "sleep", "60"], 3),
    ];
    for (words, count) in cases {
        for signal in SIGNALS {
            let folder = tempfile::tempdir().expect("a folder");
            let mut command = quiet(env!("CARGO_BIN_EXE_firedrill"), folder.path());
            // Of a group of its own: what is sent to it is not sent to the tests.
            let mut child = command.args(words).process_group(0).spawn().expect("firedrill");
            are_private(&wait(&mut child, folder.path(), |found| found.len() >= count).await, folder.path());
            if signal == "-INT" && words.contains(&"sleep") {
                // Ctrl-C is left to the command, which it reaches as well.
                let group = child.id().and_then(|id| id.try_into().ok()).map(Pid::from_raw).expect("a process");
                killpg(group, Signal::SIGINT).expect("a signal to the group");
            } else {
                send(&child, signal).await;
            }
            child.wait().await.expect("its end");
            assert_eq!(below(folder.path()), [], "{words:?} {signal}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_adopted_is_asked_in_a_folder_of_its_own_which_goes_away() {
    for signal in SIGNALS {
        let (place, folder) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let script = place.path().join("slow");
        std::fs::write(&script, "#!/bin/sh\nsleep 2\n").expect("a script");
        std::fs::set_permissions(&script, Permissions::from_mode(0o755)).expect("an executable");
        let mut command = quiet(env!("CARGO_BIN_EXE_firebreak"), folder.path());
        command.arg("adopt").arg(&script).current_dir(env!("CARGO_MANIFEST_DIR"));
        let mut child = command.spawn().expect("firebreak");
        are_private(&wait(&mut child, folder.path(), |found| found.len() >= 2).await, folder.path());
        send(&child, signal).await;
        assert_ne!(child.wait().await.expect("its end").code(), Some(0));
        assert_eq!(below(folder.path()), [], "{signal}");
    }
}

const LOOK: &str = "get --repo=billing,orders,users,web --env=develop --running=dev";
const RUN: &str = "run --date=DAY --env=dev --yes";

/// `rollback_service` writes nothing but what it keeps, so a signal leaves nothing; a draft stands beside its target.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_is_ended_leaves_no_temporary_file() {
    let fixture = DrillFixture::open(&[]).await;
    assert_eq!(fixture.run(LOOK).await.code, 0);
    for (signal, requests) in SIGNALS.into_iter().zip([1, 4, 8]) {
        order(&fixture, "latency=50");
        // From that moment nothing is answered any more.
        let stop = |log: &[Request]| log.len() >= requests;
        interrupt(&fixture, LOOK, signal, stop, "latency=60000").await;
    }
    let changed = |log: &[Request]| log.iter().any(|request| request.method == "PUT");
    for signal in SIGNALS {
        order(&fixture, "hang");
        interrupt(&fixture, RUN, signal, changed, "latency=1").await;
    }
    assert_eq!(fixture.run(RUN).await.code, 0);
    for signal in SIGNALS {
        order(&fixture, "hang");
        interrupt(&fixture, "undo --env=dev --yes", signal, changed, "latency=1").await;
    }
}

fn order(fixture: &DrillFixture, fault: &str) {
    fixture.drill.faults.clear();
    fixture.drill.faults.order(fault.parse().expect("a fault"));
}

/// Runs the program up to a moment, where the world becomes another and a signal is sent: nothing is left.
async fn interrupt(fixture: &DrillFixture, words: &str, signal: &str, moment: impl Fn(&[Request]) -> bool, then: &str) {
    let temporary = tempfile::tempdir().expect("a folder");
    let kept = below(fixture.folder.path());
    fixture.drill.log.clear();
    let child = fixture.command(words).env("TMPDIR", temporary.path()).spawn().expect("the program starts");
    until("the moment of the signal", || moment(&fixture.drill.log.all())).await;
    order(fixture, then);
    assert_eq!(below(temporary.path()), []);
    send(&child, signal).await;
    let output = fixture.end(child).await;
    assert_eq!(output.code, 130, "{words} {signal}: {output:?}");
    assert_eq!(below(temporary.path()), []);
    assert_eq!(below(fixture.folder.path()), kept, "{words} {signal}");
    fixture.drill.faults.clear();
}
