//! What an action is given besides its arguments: the clock's reading, the operator, the watch, interrupts. Only this
//! file reads the environment.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Local, Utc};

use super::interrupt::Interrupt;
use super::operator::Operator;
use super::report::Who;
use super::run_journal::RunJournal;
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
    /// The kubeconfigs that the environment names.
    pub kubeconfigs: Option<String>,
    /// The journal, for whoever changes something.
    pub journal: Arc<RunJournal>,
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

/// The whole environment, as far as it is UTF-8.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The folder that this process works in.
///
/// # Errors
/// When it is gone, or may not be seen.
pub fn working_folder() -> std::io::Result<PathBuf> {
    env::current_dir()
}

/// What the clock shows now, in the zone of this host: for those to whom time is data.
#[must_use]
pub fn local_now() -> DateTime<Local> {
    Local::now()
}

/// Who runs this process, as far as its environment tells.
#[must_use]
pub fn who() -> Who {
    Who {
        user: variable("USER")
            .or_else(|| variable("LOGNAME"))
            .unwrap_or_else(|| own_name(rustix::process::getuid().as_raw())),
        sudo_user: variable("SUDO_USER"),
        build: variable("BUILD_URL").or_else(|| variable("BUILD_TAG")),
        approver: variable("FIREBREAK_APPROVER"),
    }
}

/// The name of a user by the system's own list: a static program cannot ask the C library, which may know others.
fn own_name(id: u32) -> String {
    let list = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_in(&list, id).map_or_else(|| format!("uid {id}"), str::to_owned)
}

/// The name of a user in a list of lines `name:password:id:…`.
fn name_in(list: &str, id: u32) -> Option<&str> {
    list.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next().filter(|name| !name.is_empty())?;
        (parts.nth(1)?.parse() == Ok(id)).then_some(name)
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_number() {
        let list =
            "# users\nroot:x:0:0:root:/root:/bin/sh\n:x:7:7::/:\nann:x:1000:100::/home/ann:/bin/sh\nann2:x:1000:1\n";
        assert_eq!([name_in(list, 0), name_in(list, 1000)], [Some("root"), Some("ann")]);
        assert_eq!([name_in(list, 7), name_in(list, 100), name_in("", 0)], [None; 3]);
    }
}
