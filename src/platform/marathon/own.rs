//! What this process wrote: going back touches that, and nothing that anybody else did.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::application;
use super::client::Write;
use super::deployments::Deployment;
use crate::journal::{Answer, Call};
use crate::platform::Change;

/// What is known of the write to the targets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Written {
    /// None was sent, or it was refused.
    #[default]
    Nothing,
    /// One was sent, and its answer is not known.
    Unanswered,
    /// Marathon took it, as this version of the applications, by this deployment.
    Taken { version: String, deployment: String },
}

/// The write to the targets, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct OwnWrites(Mutex<Written>);

impl OwnWrites {
    /// Notes that the write is about to be sent: from now on it may have been.
    pub(super) fn send(&self) {
        *self.lock() = Written::Unanswered;
    }

    /// Notes that it did not leave, or was refused.
    pub(super) fn forget(&self) {
        *self.lock() = Written::Nothing;
    }

    /// Notes the answer by which Marathon took it, and gives the deployment that it names.
    pub(super) fn taken(&self, body: &Value) -> Option<String> {
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        let (version, deployment) = (text("version")?, text("deploymentId")?);
        *self.lock() = Written::Taken { version, deployment: deployment.clone() };
        Some(deployment)
    }

    /// Notes what the journal of a run says of its writes: the last one tells that was not refused.
    pub(super) fn recall(&self, calls: &[Call]) {
        self.forget();
        let was_sent = |call: &&Call| call.call == Write::UPDATE && !matches!(call.answer, Some(Answer::Refused(_)));
        let Some(update) = calls.iter().rfind(was_sent) else { return };
        self.send();
        if let Some(Answer::Taken(body)) = &update.answer {
            self.taken(body);
        }
    }

    pub(super) fn written(&self) -> Written {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Written {
    /// Whether an application is still as this write left it. Where the answer was lost, its image must tell.
    pub(super) fn left(&self, app: &Value, change: &Change) -> bool {
        match self {
            Self::Nothing => false,
            Self::Taken { version, .. } => app["version"] == version.as_str(),
            Self::Unanswered => {
                application::image(app) == Some(change.to.as_str())
                    && !application::is_untouched(app, &change.application)
            }
        }
    }

    /// Whether a running deployment is that of this write. Where the answer was lost, it is one that changes nothing
    /// but applications that this write left.
    pub(super) fn runs(&self, deployment: &Deployment, is_left: impl Fn(&String) -> bool) -> bool {
        match self {
            Self::Nothing => false,
            Self::Taken { deployment: ours, .. } => deployment.id == *ours,
            Self::Unanswered => !deployment.apps.is_empty() && deployment.apps.iter().all(is_left),
        }
    }
}
