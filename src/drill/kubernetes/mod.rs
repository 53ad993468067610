//! The embedded Kubernetes: an API server with the controllers of Deployments, StatefulSets and DaemonSets behind it.
//! CronJobs are kept, and none of them ever runs. Real HTTP on loopback, strict.
//!
//! It refuses as the real one does: by `Status` objects, in the same words where a client could read them. It keeps
//! resource versions and generations, takes JSON Patch alone, and rolls out in small steps that take time. `kubectl` does
//! not work with it: that one sends no token by plain HTTP.

mod api;
mod daemon_set;
mod definition;
mod deployment;
pub(super) mod pods;
mod refusal;
mod replica_set;
mod resource;
mod revision;
mod selector;
mod stateful_set;
mod status;
mod store;
mod world;
mod write;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Uri};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use self::api::{Api, Asked};
use self::resource::{Key, Resource};
use self::world::World;
use super::faults::Faults;
use super::server::{Log, Server, through_faults};

/// Says which digest an image has that could be pulled.
pub use super::marathon::Pullable;

/// Who may do everything, and the token.
pub const OPERATOR: (&str, &str) = ("operator", "drill-kubernetes-operator-token");

/// Who may read and not write, and the token.
pub const READER: (&str, &str) = ("reader", "drill-kubernetes-reader-token");

/// How the cluster is to behave.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The port on loopback; 0 takes a free one.
    pub port: u16,
    /// How long one small step of a roll-out takes: a pod that is made, starts, gets ready, or ends.
    pub pace: Duration,
}

/// A running cluster. Ends when it goes out of scope.
#[derive(Debug)]
pub struct Kubernetes {
    server: Server,
    objects: Objects,
    ticker: JoinHandle<()>,
}

impl Kubernetes {
    /// Starts a cluster without objects.
    ///
    /// # Errors
    /// When the port cannot be taken.
    pub async fn start(settings: Settings, pullable: Pullable, faults: &Faults, log: &Log) -> anyhow::Result<Self> {
        let pulls = Pulls(pullable);
        let world = Arc::new(Mutex::new(World::new(faults, settings.pace, pulls.clone())));
        let (api, ordered) = (Arc::new(Api { world: Arc::clone(&world), faults: faults.clone() }), faults.clone());
        let server = Server::start("kubernetes", settings.port, faults, log, |_| {
            Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| async move {
                let asked = Asked::new(&method, &uri, &headers, &body);
                through_faults(&ordered, asked.writes(), || api.answer(uri.path(), &asked))
            })
        })
        .await?;
        let (ticking, can_pull) = (Arc::clone(&world), pulls.clone());
        let ticker = tokio::spawn(async move {
            loop {
                tokio::time::sleep(settings.pace).await;
                lock(&ticking).tick(Instant::now(), &|image| can_pull.0(image).is_some());
            }
        });
        Ok(Self { server, objects: Objects { world, pulls }, ticker })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Its objects: a handle that outlives it.
    #[must_use]
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// What leads clients here: the contexts `drill`, which may do everything, and `drill-reader`, which may only read.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        let contexts = [("drill", OPERATOR.0), ("drill-reader", READER.0)];
        let users = [OPERATOR, READER];
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "drill", "preferences": {},
            "clusters": [{"name": "drill", "cluster": {"server": format!("http://{}", self.address())}}],
            "contexts": contexts.map(|(name, user)| json!({"name": name, "context": {"cluster": "drill", "user": user}})),
            "users": users.map(|(name, token)| json!({"name": name, "user": {"token": token}})),
        });
        // JSON is YAML.
        format!("{config:#}\n")
    }
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        self.ticker.abort();
    }
}

#[derive(Clone)]
struct Pulls(Pullable);

impl std::fmt::Debug for Pulls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Pulls")
    }
}

/// The objects of a cluster.
#[derive(Debug, Clone)]
pub struct Objects {
    world: Arc<Mutex<World>>,
    pulls: Pulls,
}

impl Objects {
    /// Puts an object there, or in the place of the one of its name, as if somebody had done so at an instant of the
    /// past and all had gone well since: what ran before is in the history of the object.
    ///
    /// # Errors
    /// When the object is not one that the cluster takes.
    pub fn place(&self, object: &Value, at: DateTime<Utc>) -> anyhow::Result<()> {
        let mut world = lock(&self.world);
        let placed = world.place(object, at, &|image| self.pulls.0(image).is_some());
        placed.map_err(|refusal| anyhow!("the drill's Kubernetes refuses it: {refusal:?}"))
    }

    /// An object as it is read, without counting as a read. The kind is as in `Deployment`.
    #[must_use]
    pub fn object(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        let resource = Resource::ALL.into_iter().find(|resource| resource.kind() == kind)?;
        lock(&self.world).store.get(&Key::new(resource, namespace, name)).cloned()
    }
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}
