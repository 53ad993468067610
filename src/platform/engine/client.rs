//! The HTTP API that Docker and Podman share, over a Unix socket. Answers are plain JSON, not typed models: what a
//! model does not know it drops, and a container must be made again with everything that it had.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::container::Container;
use crate::journal::write::Writes;
use crate::journal::{Answer, Ledger};
use crate::platform::secrets::Secrets;

/// The newest version of the API that this was written for. An engine may ask for a newer one at least.
const VERSION: (u32, u32) = (1, 44);

/// How long an engine may take to answer what takes no time.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long a stop may take: the container's own grace time is in it.
const STOP: Duration = Duration::from_mins(5);

/// The names of the writes, as they are written down.
pub(super) mod call {
    pub(in super::super) const CREATE: &str = "create";
    pub(in super::super) const JOIN: &str = "join";
    pub(in super::super) const RENAME: &str = "rename";
    pub(in super::super) const STOP: &str = "stop";
    pub(in super::super) const START: &str = "start";
    pub(in super::super) const REMOVE: &str = "remove";
    pub(in super::super) const PULL: &str = "pull";
    pub(in super::super) const LOCK: &str = "lock";
    pub(in super::super) const UNLOCK: &str = "unlock";
}

/// A connection to an engine.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    version: String,
    /// It is Podman: it has an API of its own beside the shared one.
    pub(super) podman: bool,
    pub(super) writes: Writes,
    /// Where it is, for people to read.
    pub(super) address: Arc<str>,
}

impl Client {
    /// Asks the engine what it is.
    pub(super) async fn new(address: String, http: reqwest::Client, ledger: Arc<dyn Ledger>) -> anyhow::Result<Self> {
        let unreachable = || {
            format!(
                "failed to reach the engine at {address}: does it run, and may you use its socket? \
                 (Podman: podman system service --time=0 unix://PATH)"
            )
        };
        let ping = http.get("http://engine/_ping").timeout(PATIENCE).send().await.with_context(unreachable)?;
        let podman = ping.headers().contains_key("Libpod-Api-Version");
        let answer = http.get("http://engine/version").timeout(PATIENCE).send().await.with_context(unreachable)?;
        let answer: Value =
            answer.json().await.with_context(|| format!("the engine at {address} did not say what it is"))?;
        let version = common_version(&answer)
            .with_context(|| format!("what answers at {address} is neither Docker nor Podman"))?;
        Ok(Self { http, version, podman, writes: Writes::new(ledger), address: address.into() })
    }

    /// What is at a path; none where there is nothing.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Option<Value>> {
        let path = format!("/v{}{path}", self.version);
        self.read(&path).await
    }

    /// The same from Podman's own API; none where the engine is Docker.
    pub(super) async fn get_podman(&self, path: &str) -> anyhow::Result<Option<Value>> {
        if self.podman { self.read(&format!("/v4.0.0/libpod{path}")).await } else { Ok(None) }
    }

    async fn read(&self, path: &str) -> anyhow::Result<Option<Value>> {
        let answer = self.http.get(format!("http://engine{path}")).timeout(PATIENCE).send().await;
        let answer = answer.with_context(|| format!("failed to ask the engine at {} for {path}", self.address))?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = checked(answer).await.with_context(|| format!("the engine refused GET {path}"))?;
        Ok(Some(answer.json().await.with_context(|| format!("the engine's answer to GET {path} is not JSON"))?))
    }

    /// Makes a container in the place of `of`; its id.
    pub(super) async fn create(&self, name: &str, body: &Value, of: &Container) -> anyhow::Result<String> {
        self.make(call::CREATE, name, body, of.secrets()).await
    }

    /// Makes a container of a name that only one can have: a lock.
    pub(super) async fn make_lock(&self, name: &str, body: &Value) -> anyhow::Result<()> {
        self.make(call::LOCK, name, body, Secrets::default()).await.map(drop)
    }

    async fn make(&self, call: &'static str, name: &str, body: &Value, secrets: Secrets) -> anyhow::Result<String> {
        let about = json!({"name": name, "image": body["Image"]});
        let request = self.request(Method::POST, "/containers/create").query(&[("name", name)]).json(body);
        let made = self.write(call, about, secrets, request, made).await?;
        Ok(made["id"].as_str().unwrap_or_default().to_owned())
    }

    /// Joins a container to a network.
    pub(super) async fn join(&self, container: &Container, network: &str, endpoint: &Value) -> anyhow::Result<()> {
        let mut about = about(container);
        about["network"] = network.into();
        let body = json!({"Container": container.id, "EndpointConfig": endpoint});
        let request = self.request(Method::POST, &format!("/networks/{network}/connect")).json(&body);
        self.write(call::JOIN, about, container.secrets(), request, nothing).await.map(drop)
    }

    /// Gives a container another name; the container as it is called then.
    pub(super) async fn rename(&self, container: &Container, name: &str) -> anyhow::Result<Container> {
        let mut about = about(container);
        about["to"] = name.into();
        let path = format!("/containers/{}/rename", container.id);
        let request = self.request(Method::POST, &path).query(&[("name", name)]);
        self.write(call::RENAME, about, container.secrets(), request, nothing).await?;
        Ok(container.renamed(name))
    }

    /// Stops a container, or finds it stopped.
    pub(super) async fn stop(&self, container: &Container) -> anyhow::Result<()> {
        let request = self.request(Method::POST, &format!("/containers/{}/stop", container.id)).timeout(STOP);
        self.write(call::STOP, about(container), container.secrets(), request, nothing).await.map(drop)
    }

    /// Starts a container, or finds it started.
    pub(super) async fn start(&self, container: &Container) -> anyhow::Result<()> {
        let request = self.request(Method::POST, &format!("/containers/{}/start", container.id));
        self.write(call::START, about(container), container.secrets(), request, nothing).await.map(drop)
    }

    /// Removes a container and none of its volumes: they may be in use by the one that came after it.
    pub(super) async fn remove(&self, container: &Container) -> anyhow::Result<()> {
        self.take_away(call::REMOVE, container, "false").await
    }

    /// Removes a lock, with the volumes that the engine gave it for its image.
    pub(super) async fn remove_lock(&self, container: &Container) -> anyhow::Result<()> {
        self.take_away(call::UNLOCK, container, "true").await
    }

    async fn take_away(&self, call: &'static str, container: &Container, volumes: &str) -> anyhow::Result<()> {
        let request = self.request(Method::DELETE, &format!("/containers/{}", container.id));
        let request = request.query(&[("force", "true"), ("v", volumes)]);
        self.write(call, about(container), container.secrets(), request, nothing).await.map(drop)
    }

    /// Pulls an image and waits until it is there. `auth` is the header that Docker wants a registry's login in. It is
    /// not carried on once nobody waits for it: it takes its time, and changes no container.
    pub(super) async fn pull(&self, image: &str, auth: Option<&str>) -> anyhow::Result<()> {
        let url = format!("http://engine/v{}/images/create", self.version);
        let mut request = self.http.post(url).query(&[("fromImage", image)]);
        if let Some(auth) = auth {
            request = request.header("X-Registry-Auth", auth);
        }
        let about = json!({ "image": image });
        let answer = self.writes.send(call::PULL, about, answered(request, Secrets::default(), pulled)).await?;
        self.taken(call::PULL, answer).map(drop)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://engine/v{}{path}", self.version)).timeout(PATIENCE)
    }

    /// A write, carried to its end whatever becomes of the caller.
    async fn write(
        &self,
        call: &'static str,
        about: Value,
        secrets: Secrets,
        request: RequestBuilder,
        read: Reader,
    ) -> anyhow::Result<Value> {
        let answer = self.writes.carry(call, about, answered(request, secrets, read)).await?;
        self.taken(call, answer)
    }

    /// What is kept of the answer to a write that was taken.
    fn taken(&self, call: &str, answer: Answer) -> anyhow::Result<Value> {
        match answer {
            Answer::Taken(kept) => Ok(kept),
            Answer::Refused(why) | Answer::Lost(why) => {
                bail!("the engine at {} did not {call} it: {why}", self.address)
            }
        }
    }
}

/// What is written down of a container that a write is about.
fn about(container: &Container) -> Value {
    json!({"id": container.id, "name": container.called()})
}

/// Why a write did not succeed.
enum Failure {
    /// It was refused, or never left: it changed nothing.
    Refused(anyhow::Error),
    /// What became of it is not known.
    Lost(anyhow::Error),
}

/// What is to be kept of the answer to a write that was taken.
type Reader = fn(&str) -> Result<Value, Failure>;

#[expect(clippy::unnecessary_wraps, reason = "it is one of the readers")]
fn nothing(_: &str) -> Result<Value, Failure> {
    Ok(Value::Null)
}

fn made(answer: &str) -> Result<Value, Failure> {
    let answer: Value = serde_json::from_str(answer).unwrap_or_default();
    match answer["Id"].as_str() {
        Some(id) => Ok(json!({ "id": id })),
        None => Err(Failure::Lost(anyhow!("it made a container and did not say its id"))),
    }
}

/// The engine says 200 before it begins; what went wrong stands in the lines that follow.
fn pulled(progress: &str) -> Result<Value, Failure> {
    let mut lines = progress.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    match lines.find_map(|line| line["error"].as_str().map(str::to_owned)) {
        Some(failure) => Err(Failure::Refused(anyhow!(failure))),
        None => Ok(Value::Null),
    }
}

/// Sends a write; what came of it. What the engine says of it may quote what it was sent.
async fn answered(request: RequestBuilder, secrets: Secrets, read: Reader) -> Answer {
    let scrubbed = |error: &anyhow::Error| secrets.scrub(&format!("{error:#}"));
    match send(request).await.and_then(|text| read(&text)) {
        Ok(kept) => Answer::Taken(kept),
        Err(Failure::Refused(error)) => Answer::Refused(scrubbed(&error)),
        Err(Failure::Lost(error)) => Answer::Lost(scrubbed(&error)),
    }
}

/// The body of the answer to a write that was taken; that things were so already (`304`) is as good.
async fn send(request: RequestBuilder) -> Result<String, Failure> {
    let answer = request.send().await.map_err(|error| {
        let never_left = error.is_connect() || error.is_builder();
        let error = anyhow::Error::new(error.without_url());
        if never_left {
            Failure::Refused(error.context("it cannot be reached"))
        } else {
            Failure::Lost(error.context("it did not answer"))
        }
    })?;
    let status = answer.status();
    let answer = checked(answer).await.map_err(|error| {
        // What an engine fails at it may have begun.
        if status.is_server_error() { Failure::Lost(error) } else { Failure::Refused(error) }
    })?;
    answer
        .text()
        .await
        .map_err(|error| Failure::Lost(anyhow::Error::new(error.without_url()).context("its answer broke off")))
}

/// The answer, or what the engine says went wrong.
async fn checked(answer: reqwest::Response) -> anyhow::Result<reqwest::Response> {
    let status = answer.status();
    if status.is_success() || status == StatusCode::NOT_MODIFIED {
        return Ok(answer);
    }
    let text = answer.text().await.unwrap_or_default();
    let said: Option<Value> = serde_json::from_str(&text).ok();
    match said.as_ref().and_then(|said| said["message"].as_str()) {
        Some(message) => bail!("{message} ({status})"),
        None => bail!("{status}"),
    }
}

/// The version to speak: ours, or an older one where the engine is older, or a newer one where it insists.
fn common_version(answer: &Value) -> Option<String> {
    let version = |key: &str| {
        let (major, minor) = answer[key].as_str()?.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    };
    let (major, minor) = VERSION.min(version("ApiVersion")?).max(version("MinAPIVersion").unwrap_or_default());
    Some(format!("{major}.{minor}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixListener;

    use super::super::configuration::tests::docker_container;
    use super::*;

    #[test]
    fn the_version_is_one_that_both_speak() {
        let common = |newest: &str, oldest: &str| {
            common_version(&serde_json::json!({"ApiVersion": newest, "MinAPIVersion": oldest}))
        };
        assert_eq!(common("1.41", "1.24").as_deref(), Some("1.41"));
        assert_eq!(common("1.52", "1.24").as_deref(), Some("1.44"));
        assert_eq!(common("1.60", "1.50").as_deref(), Some("1.50"));
        assert_eq!(common("nonsense", "1.50"), None);
    }

    /// Remembers what it was told, and refuses intents where it is full.
    #[derive(Default)]
    struct Page {
        answers: Mutex<Vec<Answer>>,
        full: bool,
    }

    impl Ledger for Page {
        fn run(&self) -> &'static str {
            "7-abcdef"
        }

        fn intent(&self, _: &str, _: Value) -> anyhow::Result<u64> {
            anyhow::ensure!(!self.full, "the disk is full");
            Ok(1)
        }

        fn answer(&self, _: u64, answer: Answer) {
            self.answers.lock().expect("the answers").push(answer);
        }
    }

    /// An engine that answers what it is, and to a write this; how often it was written to.
    fn engine(socket: &std::path::Path, answer: &'static str) -> Arc<Mutex<usize>> {
        let listener = UnixListener::bind(socket).expect("a socket");
        let writes = Arc::new(Mutex::new(0));
        let count = Arc::clone(&writes);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let mut asked = vec![0; 4096];
                let length = stream.read(&mut asked).await.expect("a request");
                let body = r#"{"ApiVersion": "1.44", "MinAPIVersion": "1.24"}"#;
                let version = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 47\r\n\r\n{body}");
                let is_write = asked[..length].starts_with(b"POST");
                *count.lock().expect("the count") += usize::from(is_write);
                let said = if is_write { answer } else { &version };
                stream.write_all(said.as_bytes()).await.expect("an answer");
            }
        });
        writes
    }

    /// What is written down of a start, what the caller is told, and how often the engine was asked.
    async fn started(answer: &'static str, page: Page) -> (Vec<Answer>, Option<String>, usize) {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("socket");
        let writes = engine(&socket, answer);
        let http = crate::http::unix_client(&socket).expect("a client");
        let page = Arc::new(page);
        let client = Client::new("here".to_owned(), http, Arc::<Page>::clone(&page)).await.expect("an engine");
        if answer == "gone" {
            std::fs::remove_file(&socket).expect("the socket");
        }
        let error = client.start(&docker_container()).await.err().map(|error| error.to_string());
        let answers = std::mem::take(&mut *page.answers.lock().expect("the answers"));
        let writes = *writes.lock().expect("the count");
        (answers, error, writes)
    }

    #[tokio::test]
    async fn what_came_of_a_write_is_written_down() {
        let (answers, error, writes) = started("HTTP/1.1 304 Not Modified\r\n\r\n", Page::default()).await;
        assert_eq!((&answers[..], error, writes), (&[Answer::Taken(Value::Null)][..], None, 1));

        let refused = "HTTP/1.1 409 Conflict\r\nContent-Length: 26\r\n\r\n{\"message\": \"not s3cret!\"}";
        let (answers, error, _) = started(refused, Page::default()).await;
        let text = "not ***! (409 Conflict)";
        assert_eq!(answers, [Answer::Refused(text.to_owned())]);
        assert_eq!(error, Some(format!("the engine at here did not start it: {text}")));

        let failed = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
        let (answers, _, _) = started(failed, Page::default()).await;
        assert_eq!(answers, [Answer::Lost("500 Internal Server Error".to_owned())], "it may have begun");

        let (answers, _, writes) = started("", Page::default()).await;
        assert!(matches!(&answers[..], [Answer::Lost(why)] if why.starts_with("it did not answer: ")), "{answers:?}");
        assert_eq!(writes, 1, "it is sent once");

        let (answers, _, _) = started("gone", Page::default()).await;
        assert!(matches!(&answers[..], [Answer::Refused(why)] if why.contains("cannot be reached")), "{answers:?}");
    }

    #[tokio::test]
    async fn what_cannot_be_written_down_is_not_sent() {
        let (answers, error, writes) = started("", Page { full: true, ..Page::default() }).await;
        assert_eq!((answers, error.as_deref(), writes), (Vec::new(), Some("the disk is full"), 0));
    }
}
