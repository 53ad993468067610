//! The embedded Marathon, with a DC/OS in front of it if wished: real HTTP on loopback, strict.
//!
//! It merges updates shallowly, wipes what the real one wipes, takes an array as one deployment in the order of
//! dependencies, answers 409 while a deployment holds an application, and deploys in small steps that take time.

mod app;
mod dcos;
mod definition;
mod deployment;
mod events;
mod refusal;
mod world;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use url::Url;

use self::app::written;
use self::dcos::Passed;
use self::definition::{Update, absolute, parse};
use self::refusal::Refusal;
use self::world::{Begun, Manner, World};
use super::faults::{Fault, Faults};
use super::server::{Log, Server, through_faults};

pub use self::definition::fields;

/// How the Marathon is to behave.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The port on loopback; 0 takes a free one.
    pub port: u16,
    /// A DC/OS stands in front of it, with this user and password. None: everybody may do everything.
    pub login: Option<(String, String)>,
    /// How long one small step of a deployment takes: an instance that starts, gets healthy, or ends.
    pub pace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { port: 0, login: None, pace: Duration::from_millis(20) }
    }
}

/// Says which digest an image has that could be pulled; none for one that could not.
pub type Pullable = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A running Marathon. Ends when it goes out of scope.
#[derive(Debug)]
pub struct Marathon {
    server: Server,
    applications: Applications,
    ticker: JoinHandle<()>,
}

impl Marathon {
    /// Starts a Marathon without applications.
    ///
    /// # Errors
    /// When the port cannot be taken.
    pub async fn start(settings: Settings, pullable: Pullable, faults: &Faults, log: &Log) -> anyhow::Result<Self> {
        let world = Arc::new(Mutex::new(World::new(faults)));
        let api = Arc::new(Api { world: Arc::clone(&world), faults: faults.clone(), login: settings.login });
        let server = Server::start("marathon", settings.port, faults, log, |_| {
            Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| async move {
                api.answer(&method, &uri, &headers, &body)
            })
        })
        .await?;
        let ticking = Arc::clone(&world);
        let ticker = tokio::spawn(async move {
            loop {
                tokio::time::sleep(settings.pace).await;
                lock(&ticking).tick(Instant::now(), &|image| pullable(image).is_some());
            }
        });
        Ok(Self { server, applications: Applications(world), ticker })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Its applications: a handle that outlives it.
    #[must_use]
    pub fn applications(&self) -> &Applications {
        &self.applications
    }
}

impl Drop for Marathon {
    fn drop(&mut self) {
        self.ticker.abort();
    }
}

/// The applications of a Marathon.
#[derive(Debug, Clone)]
pub struct Applications(Arc<Mutex<World>>);

impl Applications {
    /// Puts an application there that runs since a moment. Before that it ran other images, each since its own moment,
    /// the oldest first.
    ///
    /// # Errors
    /// When the definition is not one that a Marathon takes.
    pub fn place(&self, app: &Value, since: DateTime<Utc>, past: &[(DateTime<Utc>, String)]) -> anyhow::Result<()> {
        lock(&self.0)
            .place(app, since, past)
            .map_err(|refusal| anyhow!("the drill's Marathon refuses it: {}", refusal.body))
    }

    /// Puts a pod there, as `GET /v2/pods` shows it. Pods cannot be changed here.
    pub fn place_pod(&self, pod: Value) {
        lock(&self.0).pods.push(pod);
    }

    /// An application as `GET /v2/apps/{id}` shows it, without counting as a read.
    #[must_use]
    pub fn app(&self, id: &str) -> Option<Value> {
        let world = lock(&self.0);
        world.app(id).map(|app| world.read(app, false))
    }

    /// How many deployments run.
    #[must_use]
    pub fn deployments(&self) -> usize {
        lock(&self.0).deployments().as_array().map_or(0, Vec::len)
    }
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Api {
    world: Arc<Mutex<World>>,
    faults: Faults,
    login: Option<(String, String)>,
}

/// What a request asks for, besides its path.
struct Asked<'a> {
    method: &'a Method,
    headers: &'a HeaderMap,
    body: &'a Bytes,
    query: Vec<(String, String)>,
}

impl Asked<'_> {
    fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn is(&self, name: &str, default: bool) -> bool {
        self.query(name).map_or(default, |value| value != "false")
    }

    fn manner(&self, create: bool) -> Manner {
        Manner {
            partial: self.is("partialUpdate", true) || self.method == Method::PATCH,
            force: self.is("force", false),
            create,
        }
    }

    /// The body of a write: JSON that says so.
    fn json(&self) -> Result<Value, Refusal> {
        let media_type = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if media_type.and_then(|value| value.split(';').next()).map(str::trim) != Some("application/json") {
            return Err(Refusal::media_type());
        }
        parse(self.body)
    }
}

impl Api {
    fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Response {
        let writes = ![Method::GET, Method::HEAD].contains(method) && !uri.path().starts_with("/acs/");
        let query = Url::parse(&format!("http://drill{uri}")).map(|url| url.query_pairs().into_owned().collect());
        let asked = Asked { method, headers, body, query: query.unwrap_or_default() };
        through_faults(&self.faults, writes, || {
            if writes && self.faults.any(|fault| *fault == Fault::Forbid) {
                return Err(Refusal::forbidden());
            }
            self.route(uri.path(), &asked)
        })
    }

    fn route(&self, path: &str, asked: &Asked) -> Result<Response, Refusal> {
        let path = match &self.login {
            Some(login) => match dcos::pass(login, path, asked)? {
                Passed::Answered(answer) => return Ok(answer),
                Passed::ToMarathon(path) => path,
            },
            None => path.to_owned(),
        };
        let path = path.as_str();
        if path == "/ping" {
            return Ok("pong".into_response());
        }
        let path = path.strip_prefix("/v2/").ok_or_else(Refusal::no_page)?;
        let (what, rest) = path.split_once('/').unwrap_or((path, ""));
        let rest = rest.trim_matches('/');
        match (what, rest) {
            ("info", "") => Ok(axum::Json(json!({
                "name": "marathon", "version": "1.11.24", "buildref": "drill", "elected": true,
                "leader": "127.0.0.1", "frameworkId": "drill-0000",
                "marathon_config": {
                    "features": ["secrets"], "task_lost_expunge_initial_delay": 300_000, "task_lost_expunge_interval": 30_000,
                },
                "zookeeper_config": {
                    "zk": "zk://127.0.0.1:2181/marathon", "zk_connection_timeout": 10_000, "zk_max_versions": 50,
                    "zk_session_timeout": 10_000, "zk_timeout": 10_000,
                },
                "http_config": {"http_port": 8080, "https_port": 8443},
            }))
            .into_response()),
            ("events", "") => events::answer(asked.method, asked.headers, &lock(&self.world)),
            ("deployments", id) => self.deployments(id, asked),
            ("pods", "") if asked.method == Method::GET => Ok(axum::Json(&lock(&self.world).pods).into_response()),
            ("apps", "") => self.all_apps(asked),
            ("apps", rest) => self.one_app(rest, asked),
            _ => Err(Refusal::no_page()),
        }
    }

    fn deployments(&self, id: &str, asked: &Asked) -> Result<Response, Refusal> {
        let mut world = lock(&self.world);
        match (asked.method, id) {
            (&Method::GET, "") => Ok(axum::Json(world.deployments()).into_response()),
            (&Method::DELETE, id) if !id.is_empty() => {
                if asked.is("force", false) {
                    world.abandon(id)?;
                    return Ok(StatusCode::ACCEPTED.into_response());
                }
                Ok(begun(&world.revert(id)?, StatusCode::OK))
            }
            _ => Err(Refusal::method()),
        }
    }

    fn all_apps(&self, asked: &Asked) -> Result<Response, Refusal> {
        let mut world = lock(&self.world);
        match *asked.method {
            Method::GET => {
                let labels = asked.query("label").map(events::selector).transpose()?;
                let chosen: Vec<&app::App> = world
                    .apps()
                    .filter(|app| asked.query("id").is_none_or(|part| app.id.contains(part)))
                    .filter(|app| labels.as_ref().is_none_or(|chosen| chosen(&app.current().definition)))
                    .collect();
                let ids: Vec<String> = chosen.iter().map(|app| app.id.clone()).collect();
                let apps: Vec<Value> = chosen.into_iter().map(|app| world.read(app, false)).collect();
                world.was_read(&ids);
                Ok(axum::Json(json!({ "apps": apps })).into_response())
            }
            Method::PUT | Method::PATCH => {
                let body = asked.json()?;
                let Value::Array(items) = &body else {
                    return Err(Refusal::json("/", "error.expected.jsarray"));
                };
                let updates = items.iter().map(|item| Update::read(item, None)).collect::<Result<Vec<_>, _>>()?;
                let manner = asked.manner(asked.method == Method::PUT);
                Ok(begun(&world.update(&updates, manner)?, StatusCode::OK))
            }
            Method::POST => {
                let update = Update::read(&asked.json()?, None)?;
                if world.app(&update.id).is_some() {
                    return Err(Refusal::exists(&update.id));
                }
                let id = update.id.clone();
                let started = world
                    .update(&[update], Manner { partial: false, force: asked.is("force", false), create: true })?;
                let app = world.app(&id).map(|app| world.read(app, false));
                let mut response = (StatusCode::CREATED, axum::Json(app)).into_response();
                mark(&mut response, &started);
                Ok(response)
            }
            _ => Err(Refusal::method()),
        }
    }

    fn one_app(&self, rest: &str, asked: &Asked) -> Result<Response, Refusal> {
        let mut world = lock(&self.world);
        let (name, version) = match rest.rsplit_once("/versions") {
            Some((name, "")) => (name, Some("")),
            Some((name, version)) if version.starts_with('/') => (name, Some(&version[1..])),
            _ => (rest, None),
        };
        let id = absolute(name)?;
        let found = |world: &World| world.app(&id).map(|_| ()).ok_or_else(|| Refusal::no_app(&id, None));
        match (asked.method, version) {
            (&Method::GET, None) => {
                let app = world.app(&id).ok_or_else(|| Refusal::no_app(&id, None))?;
                let value = json!({"app": world.read(app, true)});
                world.was_read(&[id]);
                Ok(axum::Json(value).into_response())
            }
            (&Method::GET, Some(version)) => {
                let app = world.app(&id).ok_or_else(|| Refusal::no_app(&id, None))?;
                if version.is_empty() {
                    return Ok(axum::Json(json!({"versions": app.versions()})).into_response());
                }
                if DateTime::parse_from_rfc3339(version).is_err() {
                    return Err(Refusal::bad(&format!("Invalid format: \"{version}\"")));
                }
                let found = app.version(version).ok_or_else(|| Refusal::no_app(&id, Some(version)))?;
                Ok(axum::Json(found.json(&id)).into_response())
            }
            (&Method::PUT | &Method::PATCH, None) => {
                let update = Update::read(&asked.json()?, Some(&id))?;
                let started = world.update(&[update], asked.manner(asked.method == Method::PUT))?;
                let status = if started.created { StatusCode::CREATED } else { StatusCode::OK };
                Ok(begun(&started, status))
            }
            (&Method::DELETE, None) => {
                found(&world)?;
                Ok(begun(&world.delete(&id, asked.is("force", false))?, StatusCode::OK))
            }
            _ => Err(Refusal::method()),
        }
    }
}

/// The answer that names a deployment.
fn begun(begun: &Begun, status: StatusCode) -> Response {
    let body = json!({"version": written(begun.version), "deploymentId": begun.id});
    let mut response = (status, axum::Json(body)).into_response();
    mark(&mut response, begun);
    response
}

fn mark(response: &mut Response, begun: &Begun) {
    if let Ok(id) = begun.id.parse() {
        response.headers_mut().insert("marathon-deployment-id", id);
    }
}
