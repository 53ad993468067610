//! Deployments of Marathon: which are running, and waiting until they are not.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::time::Instant;

use super::Marathon;
use crate::platform::Change;
use crate::poll::{Looks, Sight};
use crate::watch::Watch;

/// The pauses between two looks at a deployment: quick at first, for most are short.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// How long Marathon may be out of sight (it elects a new leader) before a deployment is given up.
const OUT_OF_SIGHT: Duration = Duration::from_secs(30);

/// A running deployment.
pub(super) struct Deployment {
    pub(super) id: String,
    /// The applications that it changes.
    pub(super) apps: Vec<String>,
}

impl Marathon {
    /// The running deployments.
    pub(super) async fn deployments(&self) -> anyhow::Result<Vec<Deployment>> {
        let listed = self.client.get("/v2/deployments").await.context("failed to list the deployments")?;
        let read = |deployment: &Value| {
            let apps = deployment["affectedApps"].as_array().into_iter().flatten();
            let apps = apps.filter_map(|app| app.as_str().map(str::to_owned)).collect();
            Some(Deployment { id: deployment["id"].as_str()?.to_owned(), apps })
        };
        Ok(listed.as_ref().and_then(Value::as_array).into_iter().flatten().filter_map(read).collect())
    }

    /// Waits until none of these deployments is running: finished, failed or cancelled, that does not show.
    pub(super) async fn until_gone(
        &self,
        ids: &[String],
        deadline: Instant,
        changes: &[Change],
        watch: &dyn Watch,
    ) -> anyhow::Result<()> {
        let (mut looks, mut sight) = (Looks::growing(FIRST_PAUSE, LAST_PAUSE, deadline), Sight::new(OUT_OF_SIGHT));
        let mut behind = Vec::new();
        while looks.next().await {
            let running = sight.seen(self.deployments().await);
            let running = running.with_context(|| format!("lost sight of deployment {}", ids.join(", ")))?;
            behind = self.tell(changes, watch).await;
            if running.is_some_and(|running| running.iter().all(|deployment| !ids.contains(&deployment.id))) {
                return Ok(());
            }
        }
        let behind = if behind.is_empty() { String::new() } else { format!(": {}", behind.join(", ")) };
        bail!("time ran out: deployment {} is still running{behind}", ids.join(", "))
    }
}
