//! The arguments of `rollback_service`: as docopt gives them, then checked, before any work begins.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;

use super::plan::{By, PlanRequest};
use super::target::Target;
use crate::action::arguments::UsageError;
use crate::action::context::Context;
use crate::action::standard::{Standard, Trusted, number};
use crate::http::{self, Address, Trust};
use crate::platform::{Access, Platform, RegistryLogin, connect, takes_login};
use crate::registry::{Options, Registry};

/// The command line, by docopt's field names.
#[derive(Debug, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct Arguments {
    cmd_get: bool,
    cmd_run: bool,
    cmd_undo: bool,
    flag_run: Option<String>,
    flag_repo: Option<String>,
    flag_env: String,
    flag_running: Option<String>,
    flag_by: String,
    flag_only: Option<String>,
    flag_date: Option<String>,
    flag_dump: PathBuf,
    flag_registry: Option<Address>,
    flag_registry_user: Option<String>,
    flag_registry_pwd: Option<SecretString>,
    flag_immutable_tags: bool,
    flag_platform: Option<Address>,
    flag_user: Option<String>,
    flag_pwd: Option<SecretString>,
    flag_keep: String,
    arg_standard: Standard,
    arg_trusted: Trusted,
    flag_allow_partial: bool,
    flag_pin: bool,
}

/// One of the commands, with what it needs.
#[derive(Debug)]
pub enum Command {
    /// `get`: look.
    Get(Look),
    /// `run`: act.
    Run(Act),
    /// `undo`: restore what a run changed.
    Undo(Again),
    /// `resume`: finish a run that died.
    Resume(Again),
}

/// What all commands take.
#[derive(Debug)]
pub struct Shared {
    /// The environment: of the images' tags for `get`, of the running services else.
    pub environment: String,
    /// The registry's URL; none for the one that `get` read, or the run used.
    pub registry: Option<Address>,
    /// The user at the registry.
    pub registry_user: Option<String>,
    /// The password at the registry.
    pub registry_password: Option<SecretString>,
    /// Whom to trust.
    pub trust: Trust,
}

impl Shared {
    /// The registry at a URL, for whoever the command line says, with the cache of the context.
    ///
    /// # Errors
    /// A [`UsageError`] where the URL is none of a registry.
    pub fn registry_at(
        &self,
        url: &Address,
        immutable_tags: bool,
        http: http::Client,
        context: &Context,
    ) -> Result<Registry, UsageError> {
        let options = Options {
            user: self.registry_user.clone(),
            password: self.registry_password.clone(),
            immutable_tags,
            cache_folder: context.cache_folder.clone(),
            ..Options::default()
        };
        Registry::new(url, http, options).map_err(|error| UsageError(format!("--registry: {error}")))
    }
}

/// What an engine needs to pull the images of a registry by itself.
#[must_use]
pub fn pull_login(registry: &Registry) -> Option<RegistryLogin> {
    let (user, password) = registry.login()?;
    Some(RegistryLogin { host: registry.host().to_owned(), user: user.to_owned(), password: password.clone() })
}

/// Where the services run, and as whom it is reached.
#[derive(Debug)]
pub struct PlatformLogin {
    /// The platform.
    pub platform: Address,
    /// The user there.
    pub user: Option<String>,
    /// The password there.
    pub password: Option<SecretString>,
}

/// What every command takes that changes something.
#[derive(Debug)]
pub struct ActOptions {
    /// Where the services run.
    pub place: PlatformLogin,
    /// What every action takes.
    pub standard: Standard,
}

impl PlatformLogin {
    /// The platform; every write to it is written down in the journal of the context.
    ///
    /// # Errors
    /// A [`UsageError`] where the URL names none; and when it cannot be reached.
    pub async fn connect(
        &self,
        environment: &str,
        registry: Option<RegistryLogin>,
        http: &http::Client,
        context: &Context,
    ) -> anyhow::Result<Box<dyn Platform>> {
        let access = Access {
            user: self.user.clone(),
            password: self.password.clone(),
            registry,
            kubeconfigs: context.kubeconfigs.clone(),
            http: http.clone(),
            ledger: context.journal.clone(),
        };
        connect(&self.platform, environment, access).await
    }
}

/// What `get` takes.
#[derive(Debug)]
pub struct Look {
    /// What all take.
    pub shared: Shared,
    /// The repositories, each once, in the order given.
    pub repositories: Vec<String>,
    /// The registry's URL.
    pub registry: Address,
    /// The folder that `rollback.json` is written to.
    pub dump: PathBuf,
    /// Tags never move there.
    pub immutable_tags: bool,
    /// How many dates are offered.
    pub keep: usize,
    /// Where the services run, if what ran is to be read.
    pub place: Option<PlatformLogin>,
    /// The environment in the names of the running services.
    pub running: String,
}

/// What `run` takes.
#[derive(Debug)]
pub struct Act {
    /// What all take.
    pub shared: Shared,
    /// What those take that act.
    pub means: ActOptions,
    /// The folder of `rollback.json`.
    pub dump: PathBuf,
    /// The moment to go back to; none: ask.
    pub target: Option<Target>,
    /// What the images are chosen by.
    pub by: By,
    /// What is asked of the plan besides that.
    pub request: PlanRequest,
}

/// What `undo` and `resume` take.
#[derive(Debug)]
pub struct Again {
    /// What all take.
    pub shared: Shared,
    /// What those take that act.
    pub means: ActOptions,
    /// The run; none: the last one.
    pub run: Option<String>,
}

impl Arguments {
    /// Checks every value.
    ///
    /// # Errors
    /// A [`UsageError`] that names the option and what it may be.
    pub fn check(self) -> Result<Command, UsageError> {
        // A password alone may come from an environment that serves other platforms as well.
        if let (Some(user), Some(platform)) = (&self.flag_user, &self.flag_platform)
            && !takes_login(platform)
        {
            return Err(UsageError(format!(
                "--user: '{user}' would be passed over at {platform}: the kubeconfig says who you are there"
            )));
        }
        let shared = Shared {
            environment: word("--env", &self.flag_env)?,
            registry: self.flag_registry,
            registry_user: self.flag_registry_user,
            registry_password: self.flag_registry_pwd,
            trust: self.arg_trusted.trust(),
        };
        let place = self.flag_platform.map(|platform| PlatformLogin {
            platform,
            user: self.flag_user,
            password: self.flag_pwd,
        });
        if self.cmd_get {
            let keep = number("--keep", &self.flag_keep, "dates")?;
            let running = self.flag_running.map(|running| word("--running", &running));
            return Ok(Command::Get(Look {
                repositories: repositories(self.flag_repo.as_deref().unwrap_or_default())?,
                registry: shared.registry.clone().unwrap_or_default(),
                dump: self.flag_dump,
                immutable_tags: self.flag_immutable_tags,
                keep: usize::try_from(keep).unwrap_or(usize::MAX),
                place,
                running: running.transpose()?.unwrap_or_else(|| shared.environment.clone()),
                shared,
            }));
        }
        let means = ActOptions { place: place.expect("the usage text asks for it"), standard: self.arg_standard };
        means.standard.limit()?;
        if !self.cmd_run {
            let again = Again { shared, means, run: self.flag_run };
            return Ok(if self.cmd_undo { Command::Undo(again) } else { Command::Resume(again) });
        }
        let target = self.flag_date.as_deref().map(str::parse).transpose();
        Ok(Command::Run(Act {
            shared,
            means,
            dump: self.flag_dump,
            target: target.map_err(|error: String| UsageError(format!("--date: {error}")))?,
            by: if self.flag_by == "ran" { By::Ran } else { By::Built },
            request: PlanRequest {
                only: names(self.flag_only.as_deref())?,
                allow_partial: self.flag_allow_partial,
                pin: self.flag_pin,
            },
        }))
    }
}

/// An environment: one path part of an id, one word at the end of a tag.
fn word(option: &str, text: &str) -> Result<String, UsageError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if text.chars().all(allowed) && !text.is_empty() {
        return Ok(text.to_owned());
    }
    Err(UsageError(format!("{option} cannot be '{text}': it is one word of letters, digits, '-', '_' and '.'")))
}

/// The names of a comma-separated list; none where none is given.
fn names(text: Option<&str>) -> Result<Vec<String>, UsageError> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let names: Vec<String> = names.map(str::to_owned).collect();
    if names.is_empty() { Err(UsageError("--only names no workload".to_owned())) } else { Ok(names) }
}

/// The repositories of a comma-separated list, by the grammar of the OCI distribution specification.
fn repositories(text: &str) -> Result<Vec<String>, UsageError> {
    let mut list: Vec<String> = Vec::new();
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
        let ends = |part: &str| part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.chars().all(allowed);
        if !name.split('/').all(ends) {
            let rule = "it is small letters, digits, '-', '_' and '.', in parts between '/'";
            return Err(UsageError(format!("--repo: '{name}' is no repository: {rule}")));
        }
        if !list.iter().any(|known| known == name) {
            list.push(name.to_owned());
        }
    }
    if list.is_empty() { Err(UsageError("--repo names no repository".to_owned())) } else { Ok(list) }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn repositories_are_each_there_once_in_the_order_given() {
        assert_eq!(repositories("b, a,b,team/c-1").expect("a list"), ["b", "a", "team/c-1"]);
        for (text, message) in [
            ("", "--repo names no repository"),
            (" ,", "--repo names no repository"),
            (
                "a,B",
                "--repo: 'B' is no repository: it is small letters, digits, '-', '_' and '.', in parts between '/'",
            ),
            (
                "../x",
                "--repo: '../x' is no repository: it is small letters, digits, '-', '_' and '.', in parts between '/'",
            ),
        ] {
            assert_eq!(repositories(text).expect_err("a refusal").to_string(), message);
        }
    }

    #[test]
    fn names_are_separated_by_commas_and_one_is_there_at_least() {
        assert_eq!(names(None), Ok(Vec::new()));
        assert_eq!(names(Some(" web,cronjob/report ,")), Ok(vec!["web".to_owned(), "cronjob/report".to_owned()]));
        assert_eq!(names(Some(" ,")), Err(UsageError("--only names no workload".to_owned())));
    }

    #[test]
    fn an_environment_is_one_word() {
        assert_eq!(word("--env", "dev"), Ok("dev".to_owned()));
        for text in ["a/b", "a b", "../x", "é"] {
            word("--env", text).expect_err("a refusal");
        }
    }

    #[test]
    fn an_engine_gets_the_login_by_the_host_alone_be_it_given_or_in_the_url() {
        let login = |url: &str, user: Option<&str>| {
            let http = http::client(&Trust::default()).expect("a client");
            let password = user.map(|_| "given".to_owned().into());
            let options = Options { user: user.map(str::to_owned), password, ..Options::default() };
            let login = pull_login(&Registry::new(&url.into(), http, options).expect("a registry"))?;
            Some((login.host, login.user, login.password.expose_secret().to_owned()))
        };
        let expected = |user: &str, password: &str| {
            Some(("registry.example:5000".to_owned(), user.to_owned(), password.to_owned()))
        };
        assert_eq!(login("https://registry.example:5000/some/prefix", Some("ann")), expected("ann", "given"));
        assert_eq!(login("https://bob:p%40ss@registry.example:5000", None), expected("bob", "p@ss"));
        assert_eq!(login("https://registry.example:5000", None), None);
    }
}
