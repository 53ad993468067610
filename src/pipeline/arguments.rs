//! What the command line says.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::action::arguments::UsageError;
use crate::action::standard::number;
use crate::http::Trust;
use crate::port::Unfit;

/// The folder that Catcher writes its reports into.
pub(super) const REPORTS: &str = "reports";

/// docopt's values.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "docopt's switches")]
pub struct Arguments {
    cmd_get: bool,
    cmd_schema: bool,
    pub(super) arg_tests: Vec<String>,
    pub(super) flag_inventory: Option<PathBuf>,
    flag_environment: Vec<String>,
    pub(super) flag_resources: PathBuf,
    flag_system_env: String,
    flag_modules: Option<String>,
    flag_filter: Vec<String>,
    pub(super) flag_only: Option<String>,
    flag_shard: Option<String>,
    pub(super) flag_failed: bool,
    flag_jobs: Option<String>,
    pub(super) flag_tag: Option<String>,
    flag_shuffle: Option<String>,
    pub(super) flag_fail_fast: bool,
    pub(super) flag_keep: bool,
    flag_timeout: String,
    pub(super) flag_junit: Option<PathBuf>,
    pub(super) flag_tap: Option<PathBuf>,
    flag_report: Option<PathBuf>,
    pub(super) flag_output: Option<String>,
    flag_level: String,
    flag_cacert: Option<PathBuf>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// To look.
    Get,
    /// To run the tests.
    Run,
    /// The schema of a test.
    Schema,
}

impl Arguments {
    /// What is asked for.
    #[must_use]
    pub fn command(&self) -> Command {
        match (self.cmd_get, self.cmd_schema) {
            (true, _) => Command::Get,
            (_, true) => Command::Schema,
            _ => Command::Run,
        }
    }

    pub(super) fn trust(&self, insecure: bool) -> Trust {
        Trust { authorities: self.flag_cacert.clone(), insecure }
    }

    /// The variables of the command line.
    ///
    /// # Errors
    /// When one is not `name=value`.
    pub(super) fn variables(&self) -> Result<Vec<(&str, &str)>, UsageError> {
        let pair = |text: &String| {
            let refusal = || UsageError(format!("-e cannot be '{}': it is name=value", shown(text)));
            text.split_once('=').map(|(name, _)| name.len()).filter(|length| *length > 0).ok_or_else(refusal)
        };
        let lengths = self.flag_environment.iter().map(pair).collect::<Result<Vec<_>, _>>()?;
        Ok(self.flag_environment.iter().zip(lengths).map(|(text, at)| (&text[..at], &text[at + 1..])).collect())
    }

    /// Whether the environment's variables are the tests'.
    pub(super) fn takes_environment(&self) -> bool {
        self.flag_system_env != "false"
    }

    /// Sees whether the modules that are asked for are there.
    ///
    /// # Errors
    /// When one is not.
    pub(super) fn modules(&self) -> Result<(), Unfit> {
        let Some(name) = self.flag_modules.as_deref().filter(|name| !name.is_empty()) else { return Ok(()) };
        let last = name.trim_end_matches(".py").rsplit(['.', '/']).next().unwrap_or(name);
        super::module::named(last).map(drop).map_err(|why| {
            Unfit(format!("-m {name}: modules in Python are not run here, and none of this name is built in. {why}"))
        })
    }

    /// Refuses filters in Python, which Catcher takes.
    ///
    /// # Errors
    /// When there is one.
    pub(super) fn filters(&self) -> Result<(), Unfit> {
        let Some(name) = self.flag_filter.iter().find(|name| !name.is_empty()) else { return Ok(()) };
        Err(Unfit(format!(
            "-f {name}: filters and functions in Python are not run here. What one does can be said in a template (Jinja's own filters, hash, \
             b64encode, b64decode, astimestamp, asdate, as…, and Python's methods of texts), or be asked of Python by a step, such as \
             `sh: {{command: 'python3 filters.py', register: {{x: '{{{{ OUTPUT }}}}'}}}}`; then leave -f out"
        )))
    }

    /// Where the results are written as a page, if they are.
    pub(super) fn pages(&self) -> Vec<PathBuf> {
        let catchers = (self.flag_output.as_deref() == Some("html")).then(|| PathBuf::from(REPORTS));
        self.flag_report.iter().cloned().chain(catchers).map(|folder| folder.join("index.html")).collect()
    }

    /// Which part of the tests, from 0, of how many.
    ///
    /// # Errors
    /// When it is no such part.
    pub(super) fn shard(&self) -> Result<Option<(usize, usize)>, UsageError> {
        let Some(text) = self.flag_shard.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
        let parts = text.split_once('/').and_then(|(k, n)| Some((k.parse::<usize>().ok()?, n.parse::<usize>().ok()?)));
        let part = parts.filter(|(k, n)| (1..=*n).contains(k)).map(|(k, n)| Some((k - 1, n)));
        part.ok_or_else(|| UsageError(format!("--shard cannot be '{text}': it is k/n, such as 2/5")))
    }

    /// By which number the order is given; none for that of the names.
    ///
    /// # Errors
    /// When it is no number.
    pub(super) fn shuffle(&self) -> Result<Option<u64>, UsageError> {
        let Some(text) = self.flag_shuffle.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
        let refusal = |_| UsageError(format!("--shuffle cannot be '{text}': it is a number, 0 for any"));
        text.parse().map(Some).map_err(refusal)
    }

    /// How many tests at a time; none where it is not said.
    ///
    /// # Errors
    /// When it is no number.
    pub(super) fn jobs(&self) -> Result<Option<usize>, UsageError> {
        let text = self.flag_jobs.as_deref().filter(|text| !text.is_empty());
        let jobs = text.map(|text| number("--jobs", text, "tests")).transpose()?;
        Ok(jobs.and_then(|jobs| usize::try_from(jobs).ok()))
    }

    /// How long a test may take.
    ///
    /// # Errors
    /// When it is no number of seconds.
    pub(super) fn limit(&self) -> Result<Duration, UsageError> {
        number("--timeout", &self.flag_timeout, "seconds").map(Duration::from_secs)
    }

    /// Whether each step is told of.
    pub(super) fn tells_all(&self) -> bool {
        self.flag_level == "debug"
    }
}

/// What may be shown of a variable that may be a secret.
fn shown(text: &str) -> &str {
    text.split('=').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_tests_and_a_variable_are_what_they_say() {
        let shard = |text: &str| Arguments { flag_shard: Some(text.to_owned()), ..Arguments::default() }.shard();
        assert_eq!(shard("2/5"), Ok(Some((1, 5))));
        for text in ["0/5", "6/5", "2", "a/b", "/"] {
            let message = format!("--shard cannot be '{text}': it is k/n, such as 2/5");
            assert_eq!(shard(text), Err(UsageError(message)));
        }
        let arguments = |text: &str| Arguments { flag_environment: vec![text.to_owned()], ..Arguments::default() };
        assert_eq!(arguments("a=b=c").variables(), Ok(vec![("a", "b=c")]));
        assert!(arguments("=b").variables().is_err() && arguments("a").variables().is_err());
    }

    #[test]
    fn a_filter_in_python_is_refused_with_what_to_write() {
        let filters = |names: &[&str]| {
            let flag_filter = names.iter().map(|name| (*name).to_owned()).collect();
            Arguments { flag_filter, ..Arguments::default() }.filters()
        };
        assert!(filters(&[]).is_ok());
        let error = filters(&["my/filters.py", "b.py"]).expect_err("a refusal").to_string();
        assert!(error.starts_with("-f my/filters.py: filters and functions in Python are not run here."), "{error}");
        assert!(error.contains("`sh: {command: 'python3 filters.py', register: {x: '{{ OUTPUT }}'}}`"), "{error}");
    }

    #[test]
    fn a_module_that_is_asked_for_is_looked_for_among_those_built_in() {
        let modules = |name: &str| Arguments { flag_modules: Some(name.to_owned()), ..Arguments::default() }.modules();
        assert!(modules("catcher_modules.service.http").is_ok());
        let error = modules("my/steps.py").expect_err("a refusal").to_string();
        assert!(error.starts_with("-m my/steps.py: modules in Python are not run here"), "{error}");
    }
}
