//! The HTTP API that Docker and Podman share, over a Unix socket. Answers are plain JSON, not typed models: what a
//! model does not know it drops, and a container must be made again with everything that it had.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::super::writes::Writes;
use crate::journal::Ledger;

/// The newest version of the API that this was written for. An engine may ask for a newer one at least.
const VERSION: (u32, u32) = (1, 44);

/// How long an engine may take to answer what takes no time.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long a stop may take: the container's own grace time is in it.
const STOP: Duration = Duration::from_mins(5);

/// A connection to an engine.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    version: String,
    /// It is Podman: it has an API of its own beside the shared one.
    pub(super) podman: bool,
    pub(super) writes: Writes,
    pub(super) ledger: Arc<dyn Ledger>,
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
        Ok(Self { http, version, podman, writes: Writes::default(), ledger, address: address.into() })
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

    /// A write, carried to its end whatever becomes of the caller. The body of the answer, null where it has none; that
    /// things were so already (`304`) is as good as a success.
    async fn write(
        &self,
        method: Method,
        path: String,
        query: Vec<(&'static str, String)>,
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let url = format!("http://engine/v{}{path}", self.version);
        let patience = if path.ends_with("/stop") { STOP } else { PATIENCE };
        let mut request = self.http.request(method.clone(), url).query(&query).timeout(patience);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let address = Arc::clone(&self.address);
        self.writes
            .carry(async move {
                let answer = request
                    .send()
                    .await
                    .with_context(|| format!("no answer from the engine at {address} to {method} {path}"))?;
                let text = checked(answer).await?.text().await.context("the engine's answer broke off")?;
                Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
            })
            .await
    }

    /// Makes a container; its id.
    pub(super) async fn create(&self, name: &str, body: Value) -> anyhow::Result<String> {
        let made =
            self.write(Method::POST, "/containers/create".into(), vec![("name", name.into())], Some(body)).await?;
        made["Id"].as_str().map(str::to_owned).context("the engine made a container and did not say its id")
    }

    /// Joins a container to a network.
    pub(super) async fn join(&self, id: &str, network: &str, endpoint: &Value) -> anyhow::Result<()> {
        let body = serde_json::json!({"Container": id, "EndpointConfig": endpoint});
        self.write(Method::POST, format!("/networks/{network}/connect"), vec![], Some(body)).await?;
        Ok(())
    }

    /// Gives a container another name.
    pub(super) async fn rename(&self, id: &str, name: &str) -> anyhow::Result<()> {
        self.write(Method::POST, format!("/containers/{id}/rename"), vec![("name", name.into())], None).await?;
        Ok(())
    }

    /// Stops a container, or finds it stopped.
    pub(super) async fn stop(&self, id: &str) -> anyhow::Result<()> {
        self.write(Method::POST, format!("/containers/{id}/stop"), vec![], None).await?;
        Ok(())
    }

    /// Starts a container, or finds it started.
    pub(super) async fn start(&self, id: &str) -> anyhow::Result<()> {
        self.write(Method::POST, format!("/containers/{id}/start"), vec![], None).await?;
        Ok(())
    }

    /// Removes a container and none of its volumes: they may be in use by the one that came after it.
    pub(super) async fn remove(&self, id: &str) -> anyhow::Result<()> {
        let query = vec![("force", "true".into()), ("v", "false".into())];
        self.write(Method::DELETE, format!("/containers/{id}"), query, None).await?;
        Ok(())
    }

    /// Pulls an image and waits until it is there. `auth` is the header that Docker wants a registry's login in.
    pub(super) async fn pull(&self, image: &str, auth: Option<&str>) -> anyhow::Result<()> {
        let url = format!("http://engine/v{}/images/create", self.version);
        let mut request = self.http.post(url).query(&[("fromImage", image)]);
        if let Some(auth) = auth {
            request = request.header("X-Registry-Auth", auth);
        }
        let answer = request.send().await.with_context(|| format!("no answer from the engine at {}", self.address))?;
        let progress = checked(answer).await?.text().await.context("the engine's answer broke off")?;
        // The engine says 200 before it begins; what went wrong stands in the lines that follow.
        let failure = progress
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find_map(|line| line["error"].as_str().map(str::to_owned));
        failure.map_or(Ok(()), |failure| Err(anyhow!(failure)))
    }
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
}
