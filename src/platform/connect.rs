//! From a URL to a platform: the one place that knows which there are.

use std::path::Path;

use anyhow::{Context as _, bail};
use secrecy::SecretString;
use url::Url;

use super::Platform;
use super::engine::Engine;
use super::marathon::Marathon;
use crate::http;

const KNOWN: &str = "known are marathon+http://HOST:PORT, marathon+https://HOST/service/marathon, \
                     podman+unix:///run/podman/podman.sock and docker+unix:///var/run/docker.sock";

/// What an engine may pull with from one registry.
#[derive(Debug, Clone)]
pub struct RegistryLogin {
    /// The registry as images name it: `registry.example:5000`. Nobody else is shown the login.
    pub host: String,
    /// Its user.
    pub user: String,
    /// Its password.
    pub password: SecretString,
}

/// The platform at a URL. `user` and `password` are the login of DC/OS; `registry` serves engines, which pull images
/// by themselves; `http` serves platforms on the network.
///
/// # Errors
/// When the URL names no known platform, a user comes without a password, or an engine does not answer on its socket.
pub async fn connect(
    url: &str,
    user: Option<&str>,
    password: Option<&SecretString>,
    registry: Option<RegistryLogin>,
    http: &reqwest::Client,
) -> anyhow::Result<Box<dyn Platform>> {
    let shown = http::printable(url);
    let Some((kind, inner)) = url.split_once('+') else { bail!("'{shown}' names no platform: {KNOWN}") };
    match (kind, inner.split_once("://")) {
        ("marathon", Some(("http" | "https", _))) => {
            let inner = Url::parse(inner).with_context(|| format!("'{shown}' is not a URL"))?;
            let login = match (user, password) {
                (Some(user), Some(password)) => Some((user, password)),
                (None, None) => None,
                (Some(_), None) => bail!("the login of DC/OS has a user and no password: give --pwd as well"),
                (None, Some(_)) => bail!("the login of DC/OS has a password and no user: give --user as well"),
            };
            Ok(Box::new(Marathon::new(&inner, login, http.clone())?))
        }
        ("podman" | "docker", Some(("unix", path))) if path.starts_with('/') => {
            let http = http::unix_client(Path::new(path))?;
            Ok(Box::new(Engine::new(shown, http, registry).await?))
        }
        _ => bail!("'{shown}' names no platform: {KNOWN}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Trust;

    fn client() -> reqwest::Client {
        http::client(&Trust::default()).expect("a client")
    }

    #[tokio::test]
    async fn what_is_not_known_is_refused_with_what_is() {
        for (url, shown) in [
            ("http://ann:pw@host:8080", "http://host:8080"),
            ("marathon+ftp://host", "marathon+ftp://host"),
            ("marathon", "marathon"),
            ("podman+unix://relative", "podman+unix://relative"),
            ("podman+tcp://host:1", "podman+tcp://host:1"),
            ("kubernetes+https://ann:pw@host", "kubernetes+https://host"),
        ] {
            let error = connect(url, None, None, None, &client()).await.err().expect(url);
            assert_eq!(error.to_string(), format!("'{shown}' names no platform: {KNOWN}"));
        }
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_an_error() {
        let error = connect("podman+unix:///nowhere/podman.sock", None, None, None, &client()).await.err();
        assert!(error.expect("no engine").to_string().contains("podman+unix:///nowhere/podman.sock"));
    }
}
