//! A proxy between a program and its platform that ends the program by `kill -9` at a request of its choice: before the
//! platform hears of it, after it was carried out and before the answer, or after the answer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use firebreak::http::{self, Trust};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;

/// When, at a request, the program dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// The platform has not heard of it.
    Before,
    /// It was carried out, and the answer was not sent.
    Between,
    /// The answer was sent.
    After,
}

/// A request of a program at which it dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// Its place among the requests that count, from 0.
    pub request: usize,
    /// The moment.
    pub moment: Moment,
}

#[derive(Default)]
struct State {
    /// The requests so far that count: whether each one writes.
    seen: Vec<bool>,
    aim: Option<Point>,
    process: Option<u32>,
    hit: bool,
}

/// Where the platform listens, or the program is to look for it.
pub enum Place {
    /// An address of loopback: `127.0.0.1:80`.
    Port(String),
    /// A Unix socket.
    Socket(std::path::PathBuf),
}

/// A running proxy. Ends when it goes out of scope.
pub struct Proxy {
    state: Arc<Mutex<State>>,
    /// Where it listens; empty for a socket.
    pub address: String,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy before the platform at a place, on a free port or at a socket.
    ///
    /// An engine is asked again and again between its writes: there only these count.
    pub async fn start(platform: Place, socket: Option<&std::path::Path>) -> Self {
        let counts_reads = matches!(platform, Place::Port(_));
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let (client, base) = match platform {
            Place::Port(address) => (http::client(&Trust::default()), format!("http://{address}")),
            Place::Socket(path) => (http::unix_client(&path), "http://engine".to_owned()),
        };
        let client = client.expect("a client");
        let router = Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let (shared, client, url) = (Arc::clone(&shared), client.clone(), format!("{base}{uri}"));
            // A dry run is a question.
            let writes = ![Method::GET, Method::HEAD].contains(&method) && !url.contains("dryRun=");
            let counted = (writes || counts_reads).then_some(writes);
            async move { answer(&shared, client.request(method, url).headers(headers).body(body), counted).await }
        });
        let (address, task) = if let Some(path) = socket {
            let listener = UnixListener::bind(path).expect("a socket");
            (String::new(), tokio::spawn(async move { axum::serve(listener, router).await.expect("a server") }))
        } else {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = listener.local_addr().expect("its address").to_string();
            (address, tokio::spawn(async move { axum::serve(listener, router).await.expect("a server") }))
        };
        Self { state, address, task }
    }

    /// From now on the program dies at this point; requests are counted from here.
    pub fn aim(&self, point: Option<Point>) {
        *self.state.lock().expect("the state") = State { aim: point, ..State::default() };
    }

    /// The process that dies.
    pub fn is(&self, process: u32) {
        self.state.lock().expect("the state").process = Some(process);
    }

    /// The requests so far: whether each one writes.
    pub fn seen(&self) -> Vec<bool> {
        self.state.lock().expect("the state").seen.clone()
    }

    /// Whether the point was reached.
    pub fn has_hit(&self) -> bool {
        self.state.lock().expect("the state").hit
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `counted`: whether it writes, if it counts.
async fn answer(state: &Arc<Mutex<State>>, request: reqwest::RequestBuilder, counted: Option<bool>) -> Response {
    let moment = counted.and_then(|writes| {
        let mut state = state.lock().expect("the state");
        let request = state.seen.len();
        state.seen.push(writes);
        state.aim.filter(|aim| aim.request == request).map(|aim| aim.moment)
    });
    if moment == Some(Moment::Before) {
        return kill(state).await;
    }
    let Ok(answer) = request.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = answer.bytes().await.unwrap_or_default();
    match moment {
        Some(Moment::Between) => return kill(state).await,
        Some(_) => {
            let state = Arc::clone(state);
            // The answer is on its way: the program may read it, and comes no further.
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(2)).await;
                kill(&state).await
            });
        }
        None => {}
    }
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    for (name, value) in &headers {
        if name != "transfer-encoding" && name != "content-length" && name != "connection" {
            response.headers_mut().append(name, value.clone());
        }
    }
    response
}

/// Ends the program, and never answers.
async fn kill(state: &Mutex<State>) -> Response {
    let process = loop {
        if let Some(process) = state.lock().expect("the state").process {
            break process;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    let pid = nix::unistd::Pid::from_raw(i32::try_from(process).expect("a process number"));
    // Before it dies: whoever waits for its end asks at once.
    state.lock().expect("the state").hit = true;
    let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
    std::future::pending().await
}
