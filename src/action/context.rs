//! What an action is given besides its arguments: the clock's reading, the operator, the watch, interrupts. Only this
//! file reads the environment.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::interrupt::Interrupt;
use super::keeper::Keeper;
use super::operator::Operator;
use super::report::Who;
use crate::watch::Watch;

/// What an action is given besides its arguments.
#[derive(Clone)]
pub struct Context {
    /// When it began; the only "now" that the logic knows.
    pub started: DateTime<Utc>,
    /// Who runs it.
    pub who: Who,
    /// Where what was learnt may be kept for the next time.
    pub cache_folder: Option<PathBuf>,
    /// The journal, for whoever changes something.
    pub journal: Arc<Keeper>,
    /// The person at the terminal.
    pub operator: Arc<dyn Operator>,
    /// Who watches the progress.
    pub watch: Arc<dyn Watch>,
    /// Whether somebody interrupts.
    pub interrupt: Interrupt,
}

/// A variable of the environment; none where it is unset, empty or not UTF-8.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Who runs this process, as far as its environment tells.
#[must_use]
pub fn who() -> Who {
    Who {
        user: variable("USER")
            .or_else(|| variable("LOGNAME"))
            .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw())),
        sudo_user: variable("SUDO_USER"),
        build: variable("BUILD_URL").or_else(|| variable("BUILD_TAG")),
        approver: variable("FIREBREAK_APPROVER"),
    }
}

/// The folder for what may be forgotten: `$XDG_CACHE_HOME/firebreak`, else `~/.cache/firebreak`.
#[must_use]
pub fn cache_folder() -> Option<PathBuf> {
    let base = variable("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = base.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".cache")));
    base.map(|base| base.join("firebreak"))
}

/// The folder for what must be kept: `$XDG_STATE_HOME/firebreak`, else `~/.local/state/firebreak`.
#[must_use]
pub fn state_folder() -> Option<PathBuf> {
    let base = variable("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = base.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".local/state")));
    base.map(|base| base.join("firebreak"))
}

/// What this host calls itself.
#[must_use]
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A program that stands beside this one.
///
/// # Errors
/// When the system does not say where this one is.
pub fn sibling(program: &str) -> std::io::Result<PathBuf> {
    Ok(env::current_exe()?.with_file_name(program))
}
