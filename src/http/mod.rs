//! The HTTP client that every port shares: TLS roots, name resolution, retries, URLs that are safe to print.

use std::path::PathBuf;

/// Whom to trust.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// A PEM file with certificate authorities, trusted beside the system's (`--cacert`).
    pub authorities: Option<PathBuf>,
    /// Accept any certificate (`--insecure`).
    pub insecure: bool,
}
