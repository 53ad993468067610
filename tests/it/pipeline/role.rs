//! The role, by the real Ansible, and the drill.

use std::process::{Command, Stdio};

use super::PROGRAM;
use crate::support::ansible::AnsibleSandbox;

/// The program of the drills.
const FIREDRILL: &str = env!("CARGO_BIN_EXE_firedrill");

/// The story of `make drill ROLE=test_pipeline`, without a terminal: it goes through by itself, and tells by its exit code.
#[test]
fn the_story_ends_with_a_pipeline_that_loses_no_order() {
    let sandbox = AnsibleSandbox::of("test_pipeline", PROGRAM.as_ref());
    let programs = std::path::Path::new(PROGRAM).parent().expect("the folder of the programs");
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(FIREDRILL);
    command.args(["--world=pipeline", "--"]);
    command.arg(root.join("scripts/stories/test_pipeline.sh")).stdin(Stdio::null());
    command.env("PATH", format!("{}:{}", programs.display(), std::env::var("PATH").expect("a PATH")));
    command.env("PLAYS", sandbox.folder.path()).env("HOME", sandbox.path("home"));
    let told = AnsibleSandbox::end(command);
    assert_eq!(told.code, 0, "{}", told.text);
    for line in [
        "1 test, and nothing is wrong with them",
        ".orders: 1 is not 2",
        "tests: 0 passed, 1 did not pass",
        "tests: 1 passed, 0 did not pass",
    ] {
        assert!(told.text.contains(line), "'{line}' is missing: {}", told.text);
    }
    // Twice the proof: before, when nothing was left behind yet, and in the end.
    let count = |sign: char| told.text.matches(sign).count();
    assert_eq!((count('✓'), count('✗')), (2 + 4, 2), "{}", told.text);
}

#[test]
fn the_walk_fails_the_test_mends_the_pipeline_and_passes_it() {
    let home = tempfile::tempdir().expect("a folder");
    let walk = |words: &[&str]| {
        let mut command = Command::new(FIREDRILL);
        command.args(words).stdin(Stdio::null()).env("HOME", home.path());
        super::Ended::of(command.output().expect("the drill runs"))
    };
    let ended = walk(&["--world=pipeline"]);
    let text = format!("{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.code, 0, "{text}");
    assert!(text.contains("ended with exit code 1, and then with 0. No order is left out."), "{text}");
    let refused = walk(&["--world=pipeline", "--fault=slack-fails"]);
    assert!(refused.code == 2 && refused.stderr.contains("is none of this world"), "{refused:?}");
    let refused = walk(&["--world=pipeline", "--platform=kubernetes"]);
    assert!(refused.code == 2 && refused.stderr.contains("the world 'pipeline' has no platform"), "{refused:?}");
}
