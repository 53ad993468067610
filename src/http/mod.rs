//! The HTTP client that every port shares: TLS roots, name resolution, retries, URLs that are safe to print.

mod names;
mod proxy;
pub mod retry;
mod said;
mod tls;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use hyper_util::client::legacy::connect::HttpConnector;
use url::Url;

pub use crate::address::{Address, printable};
pub use names::Names;
#[cfg(feature = "registry")]
pub(crate) use proxy::is_loopback;
#[cfg(feature = "platform")]
pub(crate) use proxy::of_the_environment_for as proxy_for;
pub use reqwest::Client;
pub use said::{is_page, sentence};
pub use tls::{authorities, configuration as tls_configuration, verifier};

/// How long a connection may take to come up.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a server may keep silent in the middle of an answer.
const SILENCE: Duration = Duration::from_secs(30);
/// How long an engine may keep silent: it stops containers and pulls images before it answers.
const ENGINE_SILENCE: Duration = Duration::from_mins(5);
/// How often one request may be sent elsewhere on its own host.
const REDIRECTS: usize = 5;

/// Whom to trust.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// A PEM file with certificates of authorities, or of a server itself, trusted beside the system's (`--cacert`).
    pub authorities: Option<PathBuf>,
    /// Accept any certificate (`--insecure`).
    pub insecure: bool,
}

/// Who this program is to a server that asks for a certificate of its clients (mutual TLS).
#[derive(Debug, Clone)]
pub struct Identity {
    /// A PEM file with the certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// A PEM file with its key.
    pub key: PathBuf,
}

/// A client for servers on the network. It repeats nothing by itself: see [`retry`].
///
/// A redirect is followed within the server that was asked (same scheme, host and port). At any other place it stops,
/// and the caller gets the redirect itself: neither credentials nor a body ever go to a server that nobody named.
///
/// # Errors
/// When the file of authorities is missing, cannot be read or holds no certificate.
pub fn client(trust: &Trust) -> anyhow::Result<reqwest::Client> {
    of(builder().read_timeout(SILENCE), trust, None)
}

/// The same for a caller that bounds the time of each request itself: a server may keep silent for as long as that.
/// The identity is for servers that ask for a certificate of their clients.
///
/// # Errors
/// As [`client`]; and when a file of the identity is missing, or holds no certificate or key, or they do not belong together.
pub fn patient_client(trust: &Trust, identity: Option<&Identity>) -> anyhow::Result<reqwest::Client> {
    of(builder(), trust, identity)
}

fn of(builder: reqwest::ClientBuilder, trust: &Trust, identity: Option<&Identity>) -> anyhow::Result<reqwest::Client> {
    let mut tls = tls::configuration(trust, identity)?;
    tls.alpn_protocols = vec![b"http/1.1".into()];
    builder
        .tls_backend_preconfigured(tls)
        .dns_resolver(Names::of_the_system())
        .proxy(proxy::of_the_environment())
        .build()
        .context("failed to set up the HTTP client")
}

/// A client that speaks HTTP to one Unix socket, whatever host its URLs name.
///
/// # Errors
/// When the client cannot be set up. Whether anybody listens shows with the first request.
pub fn unix_client(socket: &Path) -> anyhow::Result<reqwest::Client> {
    builder()
        .read_timeout(ENGINE_SILENCE)
        .tls_backend_preconfigured(tls::none())
        .no_proxy()
        .unix_socket(socket)
        .build()
        .with_context(|| format!("failed to set up the HTTP client for {}", socket.display()))
}

/// What connects a client that is built on hyper, with the same names and the same patience as [`client`].
#[must_use]
pub fn connector() -> HttpConnector<Names> {
    let mut connector = HttpConnector::new_with_resolver(Names::of_the_system());
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(CONNECT));
    connector
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("firebreak/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .referer(false)
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::custom(|attempt| {
            let stays = attempt.previous().last().is_some_and(|from| from.origin() == attempt.url().origin());
            if !stays {
                attempt.stop()
            } else if attempt.previous().len() > REDIRECTS {
                attempt.error("redirected too often")
            } else {
                attempt.follow()
            }
        }))
}

/// The URL as it may be printed: without user and password.
#[must_use]
pub fn without_credentials(url: &Url) -> String {
    let mut url = url.clone();
    // A URL that cannot have a user part (`mailto:`) refuses both, and has nothing to hide.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_url_has_no_user_part() {
        for (url, printed) in [
            ("https://user:secret@registry.example:5000/prefix?x=1", "https://registry.example:5000/prefix?x=1"),
            ("https://user@registry.example/", "https://registry.example/"),
            ("http://registry.example/", "http://registry.example/"),
            ("mailto:somebody@example.org", "mailto:somebody@example.org"),
        ] {
            assert_eq!(without_credentials(&url.parse().unwrap()), printed);
        }
    }

    #[test]
    fn both_clients_can_be_set_up() {
        client(&Trust::default()).unwrap();
        client(&Trust { insecure: true, ..Trust::default() }).unwrap();
        unix_client(Path::new("/run/podman/podman.sock")).unwrap();
    }

    #[test]
    fn authorities_that_are_missing_or_none_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let trust = Trust { authorities: Some(file.clone()), insecure: false };
        let missing = format!("{:#}", client(&trust).unwrap_err());
        assert!(missing.starts_with(&format!("failed to read the authorities {}: ", file.display())), "{missing}");
        std::fs::write(&file, "no certificate").unwrap();
        let none = format!("{:#}", client(&trust).unwrap_err());
        assert_eq!(none, format!("there is no certificate in the authorities {} (PEM is expected)", file.display()));
        std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        let broken = format!("{:#}", client(&trust).unwrap_err());
        assert!(broken.starts_with(&format!("failed to use the authorities {}: ", file.display())), "{broken}");
    }
}
