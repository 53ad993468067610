//! A judge that has `run` alone: whether each file of a folder holds what it should.

use std::path::PathBuf;

use firebreak::action;
use firebreak::action::runner::{Judged, Judgement, PLAIN, Vocabulary, judged};

const USAGE: &str = "
Say whether the files of a folder hold what they should.

Problem:
  Nobody knows whether all files were written.

Solution:
  `run` reads each file and compares it with what is wanted. It changes nothing.

Usage:
  judge_files run --folder=<dir> --wanted=<text> [options]
  judge_files (-h | --help | --version)

Options of run:
  --folder=<dir>   The folder.
  --wanted=<text>  What each file is to hold.

General options:
  --format=<f>     Tables for people, or one JSON document. [choices: table json] [default: table]
  -h, --help       Show this text.
  --version        Show the version.

Approval:
  none

Verify:
  The message says how many files hold it; each other one is named.

Undo:
  Nothing is to be undone: it changes nothing.

Exit status:
  0    All files hold it.
  1    A file holds something else.
  2    The command line is wrong.
  5    A file could not be read, or there is none.
  130  Interrupted.

Examples:
  judge_files run --folder=/srv/pages --wanted=open
";

const WORDS: Vocabulary = Vocabulary { one: "file", many: "files", ..PLAIN };

#[derive(Debug, serde::Deserialize)]
struct Args {
    flag_folder: PathBuf,
    flag_wanted: String,
}

fn judge(file: &std::fs::DirEntry, wanted: &str) -> Judged {
    let (state, detail) = match std::fs::read_to_string(file.path()) {
        Ok(content) if content == wanted => (Judgement::Passed, String::new()),
        Ok(content) => (Judgement::NotPassed, format!("it holds '{content}'")),
        Err(error) => (Judgement::NotJudged, error.to_string()),
    };
    Judged { subject: file.file_name().to_string_lossy().into_owned(), state, detail }
}

fn main() -> std::process::ExitCode {
    action::run(USAGE, async |args: Args, _context| {
        let files = std::fs::read_dir(&args.flag_folder)?.collect::<Result<Vec<_>, _>>()?;
        let mut results: Vec<_> = files.iter().map(|file| judge(file, &args.flag_wanted)).collect();
        results.sort_by(|one, other| one.subject.cmp(&other.subject));
        Ok(judged(&results, WORDS))
    })
}
