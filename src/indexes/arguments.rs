//! What the command line says.

use std::time::Duration;

use serde::Deserialize;

use super::choose::Request;
use super::index::Kind;
use super::server::Limits;
use crate::action::arguments::UsageError;
use crate::action::standard::{Standard, Trusted, number};
use crate::http::{Address, Trust};

/// docopt's values.
#[derive(Debug, Deserialize)]
pub struct Arguments {
    cmd_get: bool,
    pub(super) arg_standard: Standard,
    pub(super) flag_database: Address,
    flag_index: Option<String>,
    flag_table: Option<String>,
    flag_kind: Option<String>,
    flag_min_waste: String,
    flag_jobs: String,
    flag_lock_timeout: String,
    arg_trusted: Trusted,
}

impl Arguments {
    /// Whether it only looks.
    #[must_use]
    pub fn looks(&self) -> bool {
        self.cmd_get
    }

    pub(super) fn trust(&self) -> Trust {
        self.arg_trusted.trust()
    }

    /// Which indexes are meant.
    ///
    /// # Errors
    /// When a kind is none, or a percentage is none.
    pub(super) fn request(&self) -> Result<Request, UsageError> {
        let kinds =
            words(self.flag_kind.as_deref()).into_iter().map(|word| kind(&word)).collect::<Result<Vec<_>, _>>()?;
        let kinds = if kinds.is_empty() { Kind::ALL.to_vec() } else { kinds };
        let (indexes, tables) = (words(self.flag_index.as_deref()), words(self.flag_table.as_deref()));
        if !indexes.is_empty() && !tables.is_empty() {
            return Err(UsageError("--index names indexes by themselves: leave --table out".to_owned()));
        }
        if !indexes.is_empty() && self.flag_kind.as_deref().is_some_and(|kinds| !kinds.trim().is_empty()) {
            return Err(UsageError("--index names indexes by themselves: leave --kind out".to_owned()));
        }
        Ok(Request { indexes, tables, kinds, min_waste: self.min_waste()? })
    }

    /// From which percentage on an index counts as bloated.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn min_waste(&self) -> Result<u64, UsageError> {
        let text = self.flag_min_waste.trim_end_matches('%');
        let wrong =
            || UsageError(format!("--min-waste cannot be '{}': it is a percentage, 1 to 99", self.flag_min_waste));
        text.parse().ok().filter(|percent| (1..100).contains(percent)).ok_or_else(wrong)
    }

    /// How many indexes are rebuilt at a time.
    ///
    /// # Errors
    /// When it is no such number.
    pub(super) fn jobs(&self) -> Result<usize, UsageError> {
        let wrong = || UsageError(format!("--jobs cannot be '{}': it is a whole number, 1 to 16", self.flag_jobs));
        self.flag_jobs.parse().ok().filter(|jobs| (1..=16).contains(jobs)).ok_or_else(wrong)
    }

    /// How long a rebuild may take, wait, and keep others waiting.
    ///
    /// # Errors
    /// When one of these is no number of seconds.
    pub(super) fn limits(&self) -> Result<Limits, UsageError> {
        let lock = Duration::from_secs(number("--lock-timeout", &self.flag_lock_timeout, "seconds")?);
        Ok(Limits { lock, statement: self.arg_standard.limit()? })
    }
}

/// Words that are separated by commas.
fn words(text: Option<&str>) -> Vec<String> {
    let words = text.unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

fn kind(word: &str) -> Result<Kind, UsageError> {
    let known = Kind::ALL.map(Kind::name).join(", ");
    let found = Kind::ALL.into_iter().find(|kind| kind.name() == word);
    found.ok_or_else(|| UsageError(format!("--kind cannot be '{word}': it is {known}, or several of them with commas")))
}
