//! One at a time on this host: a lock for each environment and place, which says who holds it.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::line;

/// How often a lock is tried.
const TRIES: u32 = 10;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(20);

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
    #[error("locked by {}", .0.as_ref().map_or("an unknown run".to_owned(), ToString::to_string))]
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
        if let Err(error) = lock_soon(&file) {
            if error != Errno::WOULDBLOCK {
                return Err(failed(error.into()));
            }
            let mut text = String::new();
            let _ = file.read_to_string(&mut text);
            // What follows is the end of a longer text, which its writer has not cut off yet.
            let holder = serde_json::Deserializer::from_str(&text).into_iter().next();
            return Err(LockError::Held(holder.and_then(Result::ok)));
        }
        let text = serde_json::to_string(holder).expect("a holder is plain data");
        // Never empty: somebody may read it just now.
        let write = file.rewind().and_then(|()| file.write_all(text.as_bytes()));
        let write = write.and_then(|()| file.set_len(text.len() as u64));
        write.map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Locks a file that nobody has for long. Who only looks whether somebody acts has it for a moment, and keeps nobody from
/// acting; who acts has written meanwhile who it is.
fn lock_soon(file: &File) -> Result<(), Errno> {
    for _ in 1..TRIES {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => sleep(PAUSE),
            locked => return locked,
        }
    }
    flock(file, FlockOperation::NonBlockingLockExclusive)
}

/// `dev-0123456789abcdef.lock`: the environment for people, and the place in a few letters.
fn name(environment: &str, place: &str) -> String {
    format!("{}-{}.lock", environment.replace('/', "_"), line::digest(&format!("{environment}\n{place}"), 8))
}
