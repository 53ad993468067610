//! One at a time on this host: a lock for each environment and place, which says who holds it.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The run.
    pub run: String,
    /// Who runs it, and where: `ann on ops1`.
    pub who: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "run {} by {} since {}", self.run, self.who, self.since.to_rfc3339_opts(SecondsFormat::Secs, true))
    }
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it; none where it is not known who.
    #[error("somebody else is at it: {}", .0.as_ref().map_or("it is not known who".to_owned(), ToString::to_string))]
    Held(Option<Holder>),
    /// It could not be had.
    #[error("{0:#}")]
    Failed(anyhow::Error),
}

/// The lock of an environment, held until it goes out of scope or the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(folder: &Path, environment: &str, place: &str, holder: &Holder) -> Result<Self, LockError> {
        let path = folder.join(name(environment, place));
        let failed = |error: std::io::Error| {
            LockError::Failed(anyhow::Error::new(error).context(format!("failed to lock '{}'", path.display())))
        };
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = open.map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut text = String::new();
                // Whoever took it just now may not have written who it is.
                let _ = file.read_to_string(&mut text);
                return Err(LockError::Held(serde_json::from_str(&text).ok()));
            }
            Err(error) => return Err(failed(error.into())),
        }
        let text = serde_json::to_string(holder).expect("a holder is plain data");
        let write = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(text.as_bytes()));
        write.map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// `dev-0123456789abcdef.lock`: the environment for people, and the place in a few letters.
fn name(environment: &str, place: &str) -> String {
    let digest = Sha256::digest(format!("{environment}\n{place}"));
    let mut name = environment.replace('/', "_") + "-";
    for byte in digest.iter().take(8) {
        let _ = write!(name, "{byte:02x}");
    }
    name + ".lock"
}
