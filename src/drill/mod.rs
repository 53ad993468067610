//! The embedded world: a registry, a Marathon or a Kubernetes, and a Slack on loopback, for drills, tests and benches alike.
//!
//! Real HTTP, real digests, and as strict as what it stands for. [`story`] says what is in it, [`faults`] what can be
//! ordered to go wrong.

mod control;
pub mod faults;
pub mod indexes;
pub mod kubernetes;
pub mod marathon;
pub mod pipeline;
mod platform_server;
pub mod practice;
pub mod program;
mod proof;
pub mod registry;
mod server;
pub mod settlement;
pub mod slack;
pub mod story;
pub mod transactions;
pub mod world;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tempfile::TempDir;

use self::faults::{Fault, Faults};
use self::kubernetes::Kubernetes;
use self::marathon::{Marathon, Pullable};
pub use self::platform_server::Platform;
use self::platform_server::{Kubeconfig, PlatformServer};
use self::proof::Inspector;
pub use self::proof::{Proof, Standing};
use self::registry::{Auth, Registry};
use self::server::Server;
pub use self::server::{Log, Request};
use self::slack::Slack;
use self::story::ShopState;
use self::world::{Inspect as _, World};
use crate::temporary;

/// How a drill is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Now: the day of the broken release.
    pub now: DateTime<Utc>,
    /// The first of four ports in a row; 0 takes free ones.
    pub port: u16,
    /// Where the services run.
    pub platform: Platform,
    /// What is to go wrong from the beginning.
    pub faults: Vec<Fault>,
    /// The DC/OS login, user and password, if one is to be asked for. Marathon alone has it.
    pub login: Option<(String, String)>,
    /// Whom the registry lets in.
    pub auth: Auth,
    /// How long one small step of a deployment, or of a roll-out, takes.
    pub pace: Duration,
}

impl Settings {
    /// A drill at `now` on free ports, with a Marathon, without faults, open to everybody, quick.
    #[must_use]
    pub fn at(now: DateTime<Utc>) -> Self {
        let pace = marathon::Settings::default().pace;
        let platform = Platform::default();
        Self { now, port: 0, platform, faults: Vec::new(), login: None, auth: Auth::Open, pace }
    }
}

/// A running drill. Its servers end when it goes out of scope.
#[derive(Debug)]
pub struct Drill {
    /// The registry with the story's images.
    pub registry: Registry,
    /// Where messages go.
    pub slack: Slack,
    /// What goes wrong: more can be ordered at any time.
    pub faults: Faults,
    /// What the servers were asked.
    pub log: Log,
    platform_server: PlatformServer,
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

        let shop = registry::Settings { port: port(0), auth: settings.auth.clone(), ..registry::Settings::default() };
        let registry = Registry::start(shop, &faults, &log).await?;
        story::stock(registry.images(), settings.now);

        let prefix = format!("{}/", registry.address());
        let (images, host) = (registry.images().clone(), prefix.clone());
        let pullable: Pullable =
            Arc::new(move |image: &str| image.strip_prefix(&host).and_then(|image| images.pulled(image)));
        let platform_server =
            open(&settings, port(1), &registry.address().to_string(), pullable, (&faults, &log)).await?;

        let slack = Slack::start(port(2), &faults, &log).await?;
        let inspector = Inspector::new(registry.images().clone(), platform_server.shop(), prefix);
        let control = control::start(port(3), &faults, &log, Arc::new(inspector.clone())).await?;
        let journal = temporary::folder()?;
        Ok(Self { registry, slack, faults, log, platform_server, control, inspector, settings, journal })
    }

    /// Its Marathon.
    ///
    /// # Panics
    /// When the drill was set up with another platform.
    #[must_use]
    pub fn marathon(&self) -> &Marathon {
        let PlatformServer::Marathon(marathon) = &self.platform_server else { panic!("this drill has no Marathon") };
        marathon
    }

    /// Its Kubernetes.
    ///
    /// # Panics
    /// When the drill was set up with another platform.
    #[must_use]
    pub fn kubernetes(&self) -> &Kubernetes {
        let PlatformServer::Kubernetes(kubernetes, _) = &self.platform_server else {
            panic!("this drill has no Kubernetes")
        };
        kubernetes
    }

    /// The address of the operator's port: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn control(&self) -> String {
        format!("http://{}", self.control.address())
    }

    /// Whether the services of an environment stand as they should. None: there is no such environment.
    #[must_use]
    pub fn proof(&self, environment: &str, stand: ShopState) -> Option<Proof> {
        self.inspector.proof(environment, stand)
    }

    /// The environment variables that lead a program of the toolkit, and a script, to this drill.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let mut variables = vec![("FIREBREAK_REGISTRY", format!("http://{}", self.registry.address()))];
        variables.extend(self.platform_server.environment());
        variables.extend([
            ("FIREBREAK_SLACK", format!("http://{}/services/drill", self.slack.address())),
            ("FIREBREAK_JOURNAL", self.journal.path().display().to_string()),
            ("FIREDRILL_CONTROL", self.control()),
            ("FIREDRILL_DATE", story::good_day(self.settings.now).to_string()),
            ("FIREDRILL_REPO", story::SERVICES.join(",")),
        ]);
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

impl World for Drill {
    fn environment(&self) -> Vec<(String, String)> {
        self.environment()
    }

    fn proof(&self, environment: &str, stand: ShopState) -> Option<Proof> {
        self.proof(environment, stand)
    }

    fn commands(&self) -> String {
        let user = if self.settings.login.is_some() { " --user=$FIREDRILL_USER" } else { "" };
        format!(
            "  rollback_service get --repo=$FIREDRILL_REPO --env=develop --running=dev{user}
  rollback_service run --env=dev{user}"
        )
    }
}

/// Starts the platform and fills it with the story. `host` is the registry's.
async fn open(
    settings: &Settings,
    port: u16,
    host: &str,
    pullable: Pullable,
    (faults, log): (&Faults, &Log),
) -> anyhow::Result<PlatformServer> {
    let pace = settings.pace;
    match settings.platform {
        Platform::Marathon => {
            let how = marathon::Settings { port, login: settings.login.clone(), pace };
            let marathon = Marathon::start(how, pullable, faults, log).await?;
            let services = story::ENVIRONMENTS.iter().flat_map(|(name, _)| story::applications(host, name));
            for app in services.chain(story::strangers(host)) {
                let (since, past) = story::past(&app, settings.now);
                marathon.applications().place(&app, since, &past)?;
            }
            Ok(PlatformServer::Marathon(marathon))
        }
        Platform::Kubernetes => {
            let how = kubernetes::Settings { port, pace };
            let kubernetes = Kubernetes::start(how, pullable, faults, log).await?;
            for (at, object) in story::kubernetes::applied(host, settings.now) {
                kubernetes.objects().place(&object, at)?;
            }
            let kubeconfig = Kubeconfig::write(&kubernetes.kubeconfig())?;
            Ok(PlatformServer::Kubernetes(kubernetes, kubeconfig))
        }
    }
}
