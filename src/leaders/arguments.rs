//! What the command line says.

use std::path::PathBuf;

use serde::Deserialize;

use crate::action::arguments::UsageError;
use crate::action::context::Context;
use crate::action::standard::{Standard, Trusted};
use crate::cluster::{self, Access, Cluster, Facts};
use crate::http::{Address, Identity};

/// docopt's values.
#[derive(Debug, Deserialize)]
pub struct Arguments {
    cmd_get: bool,
    cmd_undo: bool,
    cmd_resume: bool,
    pub(super) arg_standard: Standard,
    flag_cluster: Address,
    flag_to: Option<String>,
    flag_max_lag: Option<String>,
    flag_run: Option<String>,
    flag_cert: Option<PathBuf>,
    flag_key: Option<PathBuf>,
    arg_trusted: Trusted,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Look.
    Get,
    /// Move the leadership.
    Run,
    /// Take back what a run did.
    Undo,
    /// End a run that died.
    Resume,
}

impl Arguments {
    /// What is to be done.
    #[must_use]
    pub fn command(&self) -> Command {
        match self {
            Self { cmd_get: true, .. } => Command::Get,
            Self { cmd_undo: true, .. } => Command::Undo,
            Self { cmd_resume: true, .. } => Command::Resume,
            _ => Command::Run,
        }
    }

    /// The cluster; nothing is asked yet.
    ///
    /// # Errors
    /// When the URL names none, or a file cannot be used.
    pub(super) fn cluster(&self, context: &Context) -> anyhow::Result<Cluster> {
        let identity = match (given_file(self.flag_cert.as_ref()), given_file(self.flag_key.as_ref())) {
            (Some(certificate), Some(key)) => Some(Identity { certificate, key }),
            (None, None) => None,
            _ => {
                return Err(
                    UsageError("--cert and --key belong together: one was given without the other".to_owned()).into()
                );
            }
        };
        cluster::connect(
            &self.flag_cluster,
            &Access { trust: self.arg_trusted.trust(), identity },
            context.journal.clone(),
        )
    }

    /// The member that is to lead; none for the best.
    pub(super) fn to(&self) -> Option<&str> {
        self.flag_to.as_deref().filter(|name| !name.is_empty())
    }

    /// The run that is to be ended or undone; none for the last.
    pub(super) fn earlier(&self) -> Option<&str> {
        self.flag_run.as_deref().filter(|id| !id.is_empty())
    }

    /// How far behind a member may be that is to lead.
    ///
    /// # Errors
    /// When it is no number.
    pub(super) fn max_lag(&self, facts: &Facts) -> Result<u64, UsageError> {
        let Some(text) = self.flag_max_lag.as_deref().filter(|text| !text.is_empty()) else { return Ok(facts.max_lag) };
        let wrong = || UsageError(format!("--max-lag cannot be '{text}': it is a whole number of {}", facts.unit));
        text.parse().map_err(|_| wrong())
    }
}

fn given_file(path: Option<&PathBuf>) -> Option<PathBuf> {
    path.filter(|path| !path.as_os_str().is_empty()).cloned()
}
