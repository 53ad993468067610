//! From a URL to a platform: the one place that knows which there are.

use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use secrecy::SecretString;
use url::Url;

use super::Platform;
use super::engine::Engine;
use super::kubernetes::{self, Kubernetes};
use super::marathon::Marathon;
use crate::http::{self, Address};
use crate::journal::Ledger;
use crate::port::Unfit;

const KNOWN: &str = "known are marathon+http://HOST:PORT, marathon+https://HOST/service/marathon, \
                     kubernetes://CONTEXT/NAMESPACE, podman+unix:///run/podman/podman.sock and docker+unix:///var/run/docker.sock";

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

/// What is needed to get in, and to write down what is done there.
#[derive(Clone)]
pub struct Access {
    /// The user at DC/OS.
    pub user: Option<String>,
    /// The password at DC/OS.
    pub password: Option<SecretString>,
    /// For engines, which pull images by themselves.
    pub registry: Option<RegistryLogin>,
    /// The kubeconfigs that the environment names: the value of KUBECONFIG.
    pub kubeconfigs: Option<String>,
    /// For platforms on the network.
    pub http: reqwest::Client,
    /// Where every write is written down.
    pub ledger: Arc<dyn Ledger>,
}

/// Whether a platform takes a user and a password. Kubernetes does not: its kubeconfig says who one is.
#[must_use]
pub fn takes_login(address: &Address) -> bool {
    !address.whole().starts_with(kubernetes::SCHEME)
}

/// The platform at a URL, where `environment` is to be found.
///
/// # Errors
/// When the URL names no known platform, a user comes without a password, or an engine does not answer on its socket.
pub async fn connect(address: &Address, environment: &str, access: Access) -> anyhow::Result<Box<dyn Platform>> {
    let Access { user, password, registry, kubeconfigs, http, ledger } = access;
    let url = address.whole();
    if url.starts_with(kubernetes::SCHEME) {
        return Ok(Box::new(Kubernetes::new(url, environment, kubeconfigs.as_deref(), ledger).await?));
    }
    let shown = address.to_string();
    let none = || Unfit(format!("'{shown}' names no platform: {KNOWN}"));
    let (kind, inner) = url.split_once('+').ok_or_else(none)?;
    match (kind, inner.split_once("://")) {
        ("marathon", Some(("http" | "https", _))) => {
            let inner = Url::parse(inner).map_err(|error| Unfit(format!("'{shown}' is not a URL: {error}")))?;
            let login = match (user.as_deref(), password.as_ref()) {
                (Some(user), Some(password)) => Some((user, password)),
                (None, None) => None,
                (Some(_), None) => bail!(half("a user and no password: give --pwd as well")),
                (None, Some(_)) => bail!(half("a password and no user: give --user as well")),
            };
            Ok(Box::new(Marathon::new(&inner, login, http, ledger).await?))
        }
        ("podman" | "docker", Some(("unix", path))) if path.starts_with('/') => {
            let http = http::unix_client(Path::new(path))?;
            Ok(Box::new(Engine::new(shown, http, registry, ledger).await?))
        }
        _ => bail!(none()),
    }
}

fn half(login: &str) -> Unfit {
    Unfit(format!("the login of DC/OS has {login}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Trust;
    use crate::journal::Unrecorded;

    fn access() -> Access {
        let http = http::client(&Trust::default()).expect("a client");
        Access {
            user: None,
            password: None,
            registry: None,
            kubeconfigs: None,
            http,
            ledger: Arc::new(Unrecorded::default()),
        }
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
            let error = connect(&url.into(), "dev", access()).await.err().expect(url);
            assert_eq!(error.to_string(), format!("'{shown}' names no platform: {KNOWN}"));
            assert!(error.is::<Unfit>(), "{url}");
        }
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_an_error() {
        let error = connect(&"podman+unix:///nowhere/podman.sock".into(), "dev", access()).await.err();
        assert!(error.expect("no engine").to_string().contains("podman+unix:///nowhere/podman.sock"));
    }
}
