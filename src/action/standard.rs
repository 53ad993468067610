//! The options that every action has which changes something: whether to ask, whom to tell, how long to wait.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use super::arguments::UsageError;
use super::consent::Consent;
use super::context::Context;
use super::notify::Notifier;
use super::runner::{RunScope, Vocabulary};
use crate::http::{Client, Trust, client};
use crate::port::RemoteLock;

/// How long a step may take where `--timeout` is not given.
const LIMIT: u64 = 600;

/// The largest number that an option takes: the seconds of a day.
const MOST: u64 = 86_400;

/// `--env`, `--check`, `--yes`, `--slack` and `--timeout`, as a field `arg_standard` of an action's arguments.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "docopt's names")]
pub struct Standard {
    flag_env: Option<String>,
    flag_check: bool,
    flag_yes: bool,
    flag_slack: Option<SecretString>,
    flag_timeout: Option<String>,
}

impl Standard {
    /// What `--yes` alone says.
    #[cfg(test)]
    pub(super) fn agreed() -> Self {
        Self { flag_yes: true, ..Self::default() }
    }

    /// The environment that it is about; empty for none.
    #[must_use]
    pub fn environment(&self) -> &str {
        self.flag_env.as_deref().unwrap_or_default()
    }

    /// Whether to ask before something is changed.
    #[must_use]
    pub fn consent(&self) -> Consent {
        Consent::of(self.flag_check, self.flag_yes)
    }

    /// How long a step may take.
    ///
    /// # Errors
    /// When it is no number of seconds.
    pub fn limit(&self) -> Result<Duration, UsageError> {
        let limit = self.flag_timeout.as_deref().map(|text| number("--timeout", text, "seconds")).transpose()?;
        Ok(Duration::from_secs(limit.unwrap_or(LIMIT)))
    }

    /// Slack, by a client of its own.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn notifier(&self) -> anyhow::Result<Notifier> {
        // A client reads all certificates of the host.
        if self.flag_slack.is_none() {
            Ok(Notifier::silent())
        } else {
            Ok(self.notifier_by(&client(&Trust::default())?))
        }
    }

    /// Slack, by this client.
    #[must_use]
    pub fn notifier_by(&self, http: &Client) -> Notifier {
        Notifier::new(http, self.flag_slack.clone())
    }

    /// Where a run acts: at a place, with the words for what is changed there.
    ///
    /// # Errors
    /// When `--timeout` is no number of seconds.
    pub fn scope<'a>(
        &'a self,
        place: &'a dyn RemoteLock,
        words: Vocabulary,
        notifier: &'a Notifier,
        context: &'a Context,
    ) -> Result<RunScope<'a>, UsageError> {
        let (environment, consent, limit) = (self.environment(), self.consent(), self.limit()?);
        Ok(RunScope { environment, place, words, consent, limit, notifier, context })
    }
}

/// `--cacert` and `--insecure`, as a field `arg_trusted` of an action's arguments.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Trusted {
    flag_cacert: Option<PathBuf>,
    flag_insecure: bool,
}

impl Trusted {
    /// Whom to trust.
    #[must_use]
    pub fn trust(&self) -> Trust {
        Trust { authorities: self.flag_cacert.clone(), insecure: self.flag_insecure }
    }
}

/// A whole number above zero, up to the seconds of a day.
///
/// # Errors
/// When it is none; `unit` is what it counts.
pub fn number(option: &str, text: &str, unit: &str) -> Result<u64, UsageError> {
    number_up_to(option, text, unit, MOST)
}

/// A whole number above zero, up to this one.
///
/// # Errors
/// When it is none; `unit` is what it counts.
pub fn number_up_to(option: &str, text: &str, unit: &str, most: u64) -> Result<u64, UsageError> {
    let refusal = || UsageError(format!("{option} cannot be '{text}': it is a whole number of {unit}, 1 to {most}"));
    text.parse().ok().filter(|number| (1..=most).contains(number)).ok_or_else(refusal)
}

/// How many at most, of `unit`; none for all.
///
/// # Errors
/// When it is no whole number above zero.
pub fn limit(option: &str, text: Option<&str>, unit: &str) -> Result<Option<usize>, UsageError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let refusal = || UsageError(format!("{option} cannot be '{text}': it is a whole number of {unit}, 1 or more"));
    text.parse().ok().filter(|limit| *limit > 0).map(Some).ok_or_else(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_whole_and_above_zero() {
        assert_eq!(number("--keep", "7", "dates"), Ok(7));
        for text in ["0", "-1", "1.5", "x", "", "86401"] {
            let message = format!("--keep cannot be '{text}': it is a whole number of dates, 1 to 86400");
            assert_eq!(number("--keep", text, "dates"), Err(UsageError(message)));
        }
    }
}
