//! The HTTP client that every port shares: TLS roots, name resolution, retries, URLs that are safe to print.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Whom to trust.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// A PEM file with certificate authorities, trusted beside the system's (`--cacert`).
    pub authorities: Option<PathBuf>,
    /// Accept any certificate (`--insecure`).
    pub insecure: bool,
}

/// A client for servers on the network.
///
/// # Errors
/// When the file with authorities cannot be read, or TLS cannot be set up.
pub fn client(trust: &Trust) -> anyhow::Result<reqwest::Client> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder().tls_danger_accept_invalid_certs(trust.insecure);
    if let Some(file) = &trust.authorities {
        let pem = std::fs::read(file).with_context(|| format!("failed to read {}", file.display()))?;
        for authority in reqwest::Certificate::from_pem_bundle(&pem)? {
            builder = builder.add_root_certificate(authority);
        }
    }
    builder.build().context("failed to set up an HTTP client")
}

/// A client for a server behind a Unix socket.
///
/// # Errors
/// When it cannot be set up.
pub fn unix_client(path: &Path) -> anyhow::Result<reqwest::Client> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().unix_socket(path).build().context("failed to set up an HTTP client")
}
