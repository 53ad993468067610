//! `test_pipeline` as its users run it: files of Catcher's format, and what comes of them.

mod compat;
mod databases;
mod format;
mod http;
mod includes;
mod objects;
mod queues;
mod reports;
mod role;
mod running;
mod secrets;
mod tables;

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_test_pipeline");

/// A folder with tests, in which the program is run.
pub struct Place {
    pub folder: TempDir,
}

/// What came of a run.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    /// A folder with these files.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a folder") };
        for (name, text) in files {
            place.write(name, text);
        }
        place
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// What a file holds; none where it is not there.
    pub fn read(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.path(name)).ok()
    }

    pub fn command(&self, words: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(words.split_whitespace()).current_dir(self.folder.path()).env_clear();
        command.env("PATH", "/usr/bin:/bin").env("USER", "tester").env("HOME", self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the program with these words, split at spaces.
    pub fn run(&self, words: &str) -> Ended {
        Ended::of(self.command(words).output().expect("the program runs"))
    }

    /// The report of a run.
    pub fn report(&self, words: &str) -> (i32, Value) {
        let ended = self.run(&format!("{words} --format=json"));
        (ended.code, serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}")))
    }
}

impl Ended {
    pub fn of(output: std::process::Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// What a test of this text comes to: the exit code, and why.
pub fn verdict(text: &str) -> (i32, String) {
    let place = Place::with(&[("main.yaml", text)]);
    let (code, report) = place.report("run main.yaml -s false");
    let why = match report["results"][0]["detail"].as_str() {
        Some(why) => why.to_owned(),
        None => report["problems"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|problem| format!("{}: {}", problem["line"], problem["what"]))
            .collect::<Vec<_>>()
            .join("\n"),
    };
    (code, why)
}

/// Asserts that a test of this text passes.
pub fn passes(text: &str) {
    assert_eq!(verdict(text), (0, String::new()), "{text}");
}

/// Asserts that a test of this text does not pass, and why.
pub fn fails(text: &str, why: &str) {
    let (code, said) = verdict(text);
    assert!(code == 1 && said.contains(why), "{code}, {said}\n{text}");
}

/// Asserts that a file of this text is refused before anything is run, and why.
pub fn refused(text: &str, why: &str) {
    let (code, said) = verdict(text);
    assert!(code == 2 && said.contains(why), "{code}, {said}\n{text}");
}

/// Waits until a file is there; a busy machine has time.
pub fn await_file(path: &Path) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_mins(2);
    while !path.exists() {
        assert!(std::time::Instant::now() < deadline, "{} did not come", path.display());
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
