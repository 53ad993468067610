//! Temporary files: nobody else can read them, and they go away, also when a signal ends the program.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::program::Hall;

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
fn wait(child: &mut Child, folder: &Path, enough: impl Fn(&[(PathBuf, u32)]) -> bool) -> Vec<(PathBuf, u32)> {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let found = below(folder);
        if enough(&found) {
            return found;
        }
        let ended = child.try_wait().expect("the state of a child");
        assert!(ended.is_none() && Instant::now() < deadline, "{ended:?}: {found:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn end(mut child: Child, signal: &str) -> Option<i32> {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill");
    assert!(sent.success());
    child.wait().expect("its end").code()
}

/// Folders at the top that only their owner enters: what is in them is nobody else's.
fn are_private(found: &[(PathBuf, u32)], folder: &Path) {
    let top: Vec<_> = found.iter().filter(|(path, _)| path.parent() == Some(folder)).collect();
    assert!(!top.is_empty());
    assert!(top.iter().all(|(path, mode)| path.is_dir() && *mode == 0o700), "{found:?}");
}

#[test]
fn a_drill_keeps_its_files_to_itself_and_takes_them_with_it() {
    let cases: [(&[&str], usize); 3] = [
        (&["serve"], 1),
        (&["serve", "--platform=kubernetes"], 3),
        (&["--platform=kubernetes", "--", "sleep", "60"], 3),
    ];
    for (words, count) in cases {
        for signal in SIGNALS {
            let folder = tempfile::tempdir().expect("a folder");
            let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
            command.args(words).env("TMPDIR", folder.path()).stdin(Stdio::null());
            // Of a group of its own: what is sent to it is not sent to the tests.
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("firedrill");
            let found = wait(&mut child, folder.path(), |found| found.len() >= count);
            are_private(&found, folder.path());
            let files: Vec<_> = found.iter().filter(|(path, _)| path.ends_with("config")).collect();
            assert!(files.iter().all(|(_, mode)| *mode == 0o600), "{found:?}");
            if signal == "-INT" && words.contains(&"sleep") {
                // Ctrl-C is left to the command, which is ended by a termination.
                assert!(
                    Command::new("kill")
                        .args(["-INT", "--", &format!("-{}", child.id())])
                        .status()
                        .expect("kill")
                        .success()
                );
                child.wait().expect("its end");
            } else {
                end(child, signal);
            }
            assert_eq!(below(folder.path()), [], "{words:?} {signal}");
        }
    }
}

#[test]
fn a_program_that_is_adopted_is_asked_in_a_folder_of_its_own_which_goes_away() {
    for signal in SIGNALS {
        let (place, folder) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let script = place.path().join("slow");
        std::fs::write(&script, "#!/bin/sh\nsleep 2\n").expect("a script");
        std::fs::set_permissions(&script, Permissions::from_mode(0o755)).expect("an executable");
        let mut command = Command::new(env!("CARGO_BIN_EXE_firebreak"));
        command.arg("adopt").arg(&script).env("TMPDIR", folder.path()).current_dir(env!("CARGO_MANIFEST_DIR"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("firebreak");
        let found = wait(&mut child, folder.path(), |found| found.len() >= 2);
        are_private(&found, folder.path());
        assert_ne!(end(child, signal), Some(0));
        assert_eq!(below(folder.path()), [], "{signal}");
    }
}

/// `rollback_service` writes nothing but what it keeps, so a signal leaves nothing; a draft stands beside its target.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_is_ended_leaves_no_temporary_file() {
    let hall = Hall::open(&[]).await;
    hall.look().await;
    let kept = below(hall.folder.path());
    hall.drill.faults.order("latency=20".parse().expect("a fault"));
    let look = "get --repo=billing,orders,users,web --env=develop --running=dev";
    for words in [look, "run --date=DAY --env=dev --yes", "undo --env=dev --yes"] {
        for (signal, after) in SIGNALS.into_iter().zip([40, 150, 300]) {
            let temporary: TempDir = tempfile::tempdir().expect("a folder");
            let mut command = hall.command(words);
            command.env("TMPDIR", temporary.path()).env("XDG_CACHE_HOME", hall.folder.path().join("cache"));
            let mut child = command.spawn().expect("the program starts");
            tokio::time::sleep(Duration::from_millis(after)).await;
            assert_eq!(below(temporary.path()), []);
            let id = child.id().expect("a process").to_string();
            assert!(Command::new("kill").args([signal, &id]).status().expect("kill").success());
            child.wait().await.expect("its end");
            assert_eq!(below(temporary.path()), []);
            assert_eq!(below(hall.folder.path()), kept, "{words} {signal}");
        }
    }
}
