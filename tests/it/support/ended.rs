//! What came of a run of a program.

use std::fmt;
use std::process::Output;

use serde_json::Value;

/// Its exit code, its report, and what it said meanwhile.
pub struct Ended {
    pub code: i32,
    /// Null where it gave none.
    pub report: Value,
    pub stderr: String,
}

impl Ended {
    /// What came of a program that was called with `--format=json`.
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            report: serde_json::from_slice(&output.stdout).unwrap_or_default(),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    /// How it ended, in a sentence.
    pub fn message(&self) -> &str {
        self.report["message"].as_str().unwrap_or_default()
    }

    /// What is told of one subject.
    pub fn why(&self, subject: &str) -> &str {
        let results = self.report["results"].as_array().map_or(&[][..], Vec::as_slice);
        let result = results.iter().find(|result| result["subject"] == subject);
        result.and_then(|result| result["detail"].as_str()).unwrap_or("nothing is told of it")
    }

    /// Fails the test where it did not end with this code, or its message has not this part.
    #[track_caller]
    pub fn with(self, code: i32, part: &str) -> Self {
        assert!(self.code == code && self.message().contains(part), "not {code} with '{part}': {self:?}");
        self
    }
}

impl fmt::Debug for Ended {
    /// Of the results only the first, for there may be thousands.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (outcome, warnings) = (&self.report["outcome"], &self.report["warnings"]);
        let results = self.report["results"].as_array().map_or(&[][..], Vec::as_slice);
        let first = &results[..results.len().min(20)];
        write!(f, "{}, {outcome}: {}, {warnings}, {first:?}\n{}", self.code, self.message(), self.stderr)
    }
}
