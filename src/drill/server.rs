//! A small HTTP server on loopback that ends when it goes out of scope, writes down what it was asked, is as slow as
//! ordered and can close a connection without an answer.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::faults::{Fault, Faults};

/// A request that a server of the drill got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Which server: `registry`, `marathon`, `kubernetes`, `slack`, `control`.
    pub server: &'static str,
    /// `GET`, `HEAD`, `PUT`, …
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The status of the answer. None: the connection was closed without one.
    pub status: Option<u16>,
}

impl Request {
    /// What is asked for, whoever is meant: `registry GET manifests`, `marathon PUT apps`, `kubernetes PATCH deployments`.
    #[must_use]
    pub fn kind(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        let known =
            ["manifests", "blobs", "tags", "token", "apps", "deployments", "events", "info", "login", "services"];
        let what = match self.server {
            // From the end: a repository may be called `apps`.
            "registry" => path.rsplit('/').find(|part| known.contains(part)),
            // What follows the namespace, or is it.
            "kubernetes" => path.split_once("/v1/").map(|(_, path)| {
                let parts: Vec<&str> = path.split('/').collect();
                if let ["namespaces", _, plural, ..] = parts.as_slice() { plural } else { parts[0] }
            }),
            _ => path.split('/').find(|part| known.contains(part)),
        };
        format!("{} {} {}", self.server, self.method, what.unwrap_or(path))
    }
}

/// What the servers of one drill were asked, in the order in which they answered.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Vec<Request>>>);

impl Log {
    /// Every request so far.
    #[must_use]
    pub fn all(&self) -> Vec<Request> {
        self.lock().clone()
    }

    /// How many requests there were of each [kind](Request::kind).
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for request in self.lock().iter() {
            *counts.entry(request.kind()).or_default() += 1;
        }
        counts
    }

    /// Forgets what was asked so far.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Request>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks an answer that is never sent: the connection is closed instead.
#[derive(Debug, Clone, Copy)]
struct HangUp;

/// An "answer" that closes the connection without a byte.
pub(super) fn hang_up() -> Response {
    let mut response = ().into_response();
    response.extensions_mut().insert(HangUp);
    response
}

/// Answers as it is ordered: may cut the connection off before what a request asks for is done, or after it.
pub(super) fn through_faults<R: IntoResponse>(
    faults: &Faults,
    writes: bool,
    answer: impl FnOnce() -> Result<Response, R>,
) -> Response {
    let reset = |fault: &Fault| matches!(fault, Fault::Reset { .. }).then_some(());
    if faults.any(|fault| *fault == Fault::Gone) || writes && faults.spend(reset).is_some() {
        return hang_up();
    }
    let answer = answer();
    if writes && answer.is_ok() {
        if faults.spend(|fault| (*fault == Fault::GoneAtWrite).then_some(())).is_some() {
            faults.order(Fault::Gone);
            return hang_up();
        }
        if faults.spend(|fault| matches!(fault, Fault::LoseReply { .. }).then_some(())).is_some() {
            return hang_up();
        }
    }
    answer.into_response()
}

/// A running server. Ends, with its connections, when it goes out of scope.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves `router` on `port` of loopback; 0 takes a free one.
    pub(super) async fn start(
        name: &'static str,
        port: u16,
        faults: &Faults,
        log: &Log,
        router: impl FnOnce(SocketAddr) -> Router,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .with_context(|| format!("failed to listen on port {port} of loopback for the drill's {name}"))?;
        let address = listener.local_addr().context("failed to read the port that the system gave")?;
        let api = Arc::new(Shared {
            name,
            service: TowerToHyperService::new(router(address)),
            faults: faults.clone(),
            log: log.clone(),
        });
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                // An accept that fails is one caller's misfortune (it left, or the process has no file handle left).
                if let Ok((stream, _)) = listener.accept().await {
                    connections.spawn(Arc::clone(&api).serve(stream));
                }
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, task })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What every connection of a server shares.
struct Shared {
    name: &'static str,
    service: TowerToHyperService<Router>,
    faults: Faults,
    log: Log,
}

impl Shared {
    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let answer = service_fn(move |request| {
            let api = Arc::clone(&self);
            async move { api.answer(request).await }
        });
        // The error is the caller's (a connection that broke off) or was ordered: nobody is to be told.
        let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer).await;
    }

    async fn answer(&self, request: hyper::Request<hyper::body::Incoming>) -> Result<Response, std::io::Error> {
        let method = request.method().to_string();
        let path = request.uri().to_string();
        let latency = |fault: &Fault| match fault {
            Fault::Latency { milliseconds } => Some(Duration::from_millis(*milliseconds)),
            _ => None,
        };
        // The control port stays quick: it is the operator's, not part of the world.
        if let Some(latency) = self.faults.find(latency).filter(|_| self.name != "control") {
            tokio::time::sleep(latency).await;
        }
        let response = self.service.call(request).await.unwrap_or_else(|never: Infallible| match never {});
        let sent = response.extensions().get::<HangUp>().is_none();
        let status = sent.then(|| response.status().as_u16());
        self.log.lock().push(Request { server: self.name, method, path, status });
        if sent { Ok(response) } else { Err(std::io::Error::other("closed without an answer, as ordered")) }
    }
}
