//! The embedded world: a registry, a Marathon and a Slack on loopback, for drills, tests and benches alike.
//!
//! Real HTTP, real digests, and as strict as what it stands for. [`story`] says what is in it, [`faults`] what can be
//! ordered to go wrong.

mod control;
pub mod faults;
pub mod marathon;
pub mod practice;
pub mod program;
mod proof;
pub mod registry;
mod server;
pub mod slack;
pub mod story;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use tempfile::TempDir;

use self::faults::{Fault, Faults};
use self::marathon::Marathon;
use self::proof::Inspector;
pub use self::proof::{Proof, Standing};
use self::registry::{Auth, Registry};
use self::server::Server;
pub use self::server::{Log, Request};
use self::slack::Slack;
use self::story::Stand;

/// How a drill is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Now: the day of the broken release.
    pub now: DateTime<Utc>,
    /// The first of four ports in a row; 0 takes free ones.
    pub port: u16,
    /// What is to go wrong from the beginning.
    pub faults: Vec<Fault>,
    /// The DC/OS login, user and password, if one is to be asked for.
    pub login: Option<(String, String)>,
    /// Whom the registry lets in.
    pub auth: Auth,
    /// How long one small step of a deployment takes.
    pub pace: Duration,
}

impl Settings {
    /// A drill at `now` on free ports, without faults, open to everybody, quick.
    #[must_use]
    pub fn at(now: DateTime<Utc>) -> Self {
        let pace = marathon::Settings::default().pace;
        Self { now, port: 0, faults: Vec::new(), login: None, auth: Auth::Open, pace }
    }
}

/// A running drill. Its servers end when it goes out of scope.
#[derive(Debug)]
pub struct Drill {
    /// The registry with the story's images.
    pub registry: Registry,
    /// The Marathon with the story's applications.
    pub marathon: Marathon,
    /// Where messages go.
    pub slack: Slack,
    /// What goes wrong: more can be ordered at any time.
    pub faults: Faults,
    /// What the servers were asked.
    pub log: Log,
    control: Server,
    inspector: Inspector,
    settings: Settings,
    /// What is practised is not written down among what was done.
    journal: TempDir,
}

impl Drill {
    /// Starts the servers and fills them with the story.
    ///
    /// # Errors
    /// When a port cannot be taken.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        let (faults, log) = (Faults::default(), Log::default());
        for fault in &settings.faults {
            faults.order(fault.clone());
        }
        let port = |place: u16| if settings.port == 0 { 0 } else { settings.port.saturating_add(place) };

        let shop = registry::Settings { port: port(0), auth: settings.auth.clone(), page: None };
        let registry = Registry::start(shop, &faults, &log).await?;
        story::stock(registry.shelves(), settings.now);

        let prefix = format!("{}/", registry.address());
        let (shelves, host) = (registry.shelves().clone(), prefix.clone());
        let pullable = Arc::new(move |image: &str| image.strip_prefix(&host).is_some_and(|image| shelves.has(image)));
        let town = marathon::Settings { port: port(1), login: settings.login.clone(), pace: settings.pace };
        let marathon = Marathon::start(town, pullable, &faults, &log).await?;
        let mut placed = Vec::new();
        let host = registry.address().to_string();
        let services = story::ENVIRONMENTS.iter().flat_map(|(environment, _)| story::applications(&host, environment));
        for app in services.chain(story::strangers(&host)) {
            marathon.applications().place(&app)?;
            placed.extend(app["id"].as_str().and_then(|id| marathon.applications().app(id)));
        }

        let slack = Slack::start(port(2), &faults, &log).await?;
        let (shelves, applications) = (registry.shelves().clone(), marathon.applications().clone());
        let inspector = Inspector { shelves, applications, prefix, placed };
        let control = control::start(port(3), &faults, &log, inspector.clone()).await?;
        let journal = tempfile::tempdir().context("failed to make a folder for the drill's journal")?;
        Ok(Self { registry, marathon, slack, faults, log, control, inspector, settings, journal })
    }

    /// The address of the operator's port: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn control(&self) -> String {
        format!("http://{}", self.control.address())
    }

    /// Whether the services of an environment stand as they should. None: there is no such environment.
    #[must_use]
    pub fn proof(&self, environment: &str, stand: Stand) -> Option<Proof> {
        self.inspector.proof(environment, stand)
    }

    /// The environment variables that lead a program of the toolkit, and a script, to this drill.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let mut variables = vec![
            ("FIREBREAK_REGISTRY", format!("http://{}", self.registry.address())),
            ("FIREBREAK_PLATFORM", format!("marathon+http://{}", self.marathon.address())),
            ("FIREBREAK_SLACK", format!("http://{}/services/drill", self.slack.address())),
            ("FIREBREAK_JOURNAL", self.journal.path().display().to_string()),
            ("FIREDRILL_CONTROL", self.control()),
            ("FIREDRILL_DATE", story::good_day(self.settings.now).to_string()),
            ("FIREDRILL_REPO", story::SERVICES.join(",")),
        ];
        if let Auth::Basic { user, password } | Auth::Token { user, password } = &self.settings.auth {
            variables.push(("FIREDRILL_REGISTRY_USER", user.clone()));
            variables.push(("FIREBREAK_REGISTRY_PWD", password.clone()));
        }
        if let Some((user, password)) = &self.settings.login {
            variables.push(("FIREDRILL_USER", user.clone()));
            variables.push(("FIREBREAK_PWD", password.clone()));
        }
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
