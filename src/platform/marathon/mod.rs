//! Marathon, alone or below a DC/OS. A set of applications is changed by one array of updates, which is one
//! deployment. There is no conditional write, so versions are compared right before it; never is anything forced.

mod application;
mod between;
mod client;
mod deploy;
mod deployments;
mod find;
mod go_back;
mod history;
mod own;
mod refusal;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use futures_util::future::try_join_all;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

use self::client::Client;
use self::own::{OwnWrites, Written};
use super::{Application, Change, DeployError, Platform, Ran, RemoteLock, Settable, Standing, quoted};
use crate::journal::lock::{Holder, LockError};
use crate::journal::{Call, Ledger};
use crate::watch::{Progress, Watch};

/// A Marathon.
pub(super) struct Marathon {
    client: Client,
    own: OwnWrites,
}

impl Marathon {
    /// The Marathon at a URL; `login` is that of DC/OS. Where the URL names no path, it is asked whether one is there.
    pub(super) async fn new(
        url: &Url,
        login: Option<(&str, &SecretString)>,
        http: reqwest::Client,
        ledger: Arc<dyn Ledger>,
    ) -> anyhow::Result<Self> {
        let url = find::find(url, &http).await;
        Ok(Self { client: Client::new(&url, login, http, ledger)?, own: OwnWrites::default() })
    }

    /// What a person types to restore a version of an application, for the shell.
    fn restoring(&self, id: &str, version: &str) -> String {
        let body = json!([application::restore(id, version)]);
        let url = format!("{}/v2/apps", self.client.base());
        let login = self.client.curl_login();
        format!("curl --fail-with-body{login} -X PUT -H 'Content-Type: application/json' '{url}' -d '{body}'")
    }

    /// The applications of some changes as they are now, in their order; none for one that is gone.
    async fn apps(&self, changes: &[Change]) -> anyhow::Result<Vec<Option<Value>>> {
        try_join_all(changes.iter().map(|change| async {
            let id = &change.application.id;
            let found = self.client.get(&format!("/v2/apps{id}")).await;
            Ok(found
                .with_context(|| format!("failed to read application '{id}'"))?
                .map(|mut found| found["app"].take()))
        }))
        .await
    }

    /// Tells how far each application has come, and returns in words those that have not arrived. Only for people to
    /// see: what matters is asked again.
    async fn tell(&self, changes: &[Change], watch: &dyn Watch) -> Vec<String> {
        let Ok(apps) = self.apps(changes).await else { return Vec::new() };
        let mut behind = Vec::new();
        for (change, app) in changes.iter().zip(apps) {
            let Some(app) = app else { continue };
            let (done, total) = (application::arrived(&app), application::instances(&app));
            let word = if app["healthChecks"][0].is_null() { "running" } else { "healthy" };
            let service = &change.application.service;
            if done < total {
                behind.push(format!("{service} has {done} of {total} {word}"));
            }
            watch.at(service, &Progress { done, total, note: word.to_owned() });
        }
        behind
    }
}

/// What an environment was compared with, where nothing was found, and what is there instead.
fn compared(environment: &str, apps: &[Value]) -> String {
    let ids: Vec<String> = apps.iter().filter_map(|app| Some(format!("'{}'", app["id"].as_str()?))).take(2).collect();
    let (part, is) = (application::ENVIRONMENT, if ids.len() == 1 { "is" } else { "are" });
    format!(
        "'{environment}' (--env, or --running of `get`) was compared with the {part} part of each id, \
         /<department>/<environment>/<project>/<service>, and there {is} {}",
        ids.join(" and ")
    )
}

#[async_trait]
impl Platform for Marathon {
    async fn applications(&self, environment: &str) -> anyhow::Result<Vec<Application>> {
        let listed = self.client.get("/v2/apps").await;
        let listed = listed.with_context(|| format!("failed to list the applications of '{environment}'"))?;
        let Some(apps) = listed.as_ref().and_then(|listed| listed["apps"].as_array()) else {
            bail!("what answers at {} is no Marathon: it has no list of applications", self.client.base());
        };
        let found: Vec<_> = apps.iter().filter_map(|app| application::application(app, environment)).collect();
        if found.is_empty() && !apps.is_empty() {
            bail!("no application of '{environment}' runs on {}: {}", self.client.base(), compared(environment, apps));
        }
        Ok(found)
    }

    async fn others(&self, environment: &str) -> anyhow::Result<Vec<Application>> {
        // Marathon knows pods since 1.4; one that does not has no such path.
        let pods = self.client.get("/v2/pods").await;
        let pods = pods.with_context(|| format!("failed to list the pods of '{environment}'"))?.unwrap_or_default();
        Ok(pods.as_array().into_iter().flatten().filter_map(|pod| application::pod(pod, environment)).collect())
    }

    async fn history(&self, applications: &[Application]) -> anyhow::Result<Vec<Vec<Ran>>> {
        history::history(&self.client, applications).await
    }
}

#[async_trait]
impl RemoteLock for Marathon {
    fn address(&self) -> &str {
        self.client.base()
    }

    async fn lock(&self, _environment: &str, _holder: &Holder) -> Result<(), LockError> {
        // A running deployment is Marathon's own lock: it answers 409 while there is one, and `deploy` waits for its end.
        Ok(())
    }

    async fn unlock(&self, _environment: &str, _holder: &Holder) -> anyhow::Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Settable for Marathon {
    type Change = Change;

    fn recall(&self, calls: &[Call]) {
        self.own.recall(calls);
    }

    fn wrote(&self, _change: &Change) -> bool {
        // The set is one write.
        self.own.written() != Written::Nothing
    }

    fn by_hand(&self, change: &Change) -> String {
        self.restoring(&change.application.id, &change.application.revision)
    }

    fn look_into(&self, change: &Change) -> String {
        let url = format!("{}/v2/apps{}", self.client.base(), change.application.id);
        let login = self.client.curl_login();
        let url = quoted(&format!("{url}?embed=app.tasks&embed=app.lastTaskFailure")).into_owned();
        format!("curl --fail-with-body{login} {url}")
    }

    async fn deploy(&self, changes: &[Change], limit: Duration, watch: &dyn Watch) -> Result<(), DeployError> {
        let deployed = deploy::deploy(self, changes, limit, watch).await;
        deployed.map_err(|error| match self.own.written() {
            Written::Nothing => DeployError::NothingSent(error),
            Written::Unanswered | Written::Taken { .. } => DeployError::Sent(error),
        })
    }

    async fn arrive(&self, changes: &[Change], limit: Duration, watch: &dyn Watch) -> anyhow::Result<()> {
        self.client.writes.over().await;
        let running = go_back::our_deployments(self, changes).await?;
        // The process that wrote died perhaps before it told.
        between::tell(self, changes, watch).await;
        self.until_gone(&running, Instant::now() + limit, changes, watch).await
    }

    async fn look(&self, changes: &[Change]) -> anyhow::Result<Vec<Standing>> {
        self.client.writes.over().await;
        let apps = self.apps(changes).await?;
        let standing = |(change, app): (&Change, &Option<Value>)| match app {
            Some(app) => application::standing(app, change),
            None => Standing::Gone,
        };
        Ok(changes.iter().zip(&apps).map(standing).collect())
    }

    async fn go_back(&self, changes: &[Change], limit: Duration, watch: &dyn Watch) -> anyhow::Result<()> {
        go_back::go_back(self, changes, limit, watch).await
    }

    async fn clean_up(&self, _changes: &[Change]) -> anyhow::Result<()> {
        // Marathon keeps old versions by itself.
        Ok(())
    }
}
