//! Folders for files that are not to stay. The only place that makes one.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::Context as _;
use tempfile::TempDir;

/// A new folder that nobody else can look into. It goes away, with all that is in it, when it goes out of scope.
///
/// # Errors
/// When it cannot be made: the folder for temporary files (`TMPDIR`) is full, or may not be written.
pub fn folder() -> anyhow::Result<TempDir> {
    let own = Permissions::from_mode(0o700);
    let folder = tempfile::Builder::new().prefix("firebreak.").permissions(own).tempdir();
    folder.context("failed to make a temporary folder")
}
