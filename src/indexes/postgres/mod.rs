//! PostgreSQL: [`look`] reads what is there, [`bloat`] estimates what is empty, [`rebuild`] takes a step, and [`waits`] sees who waits
//! because of it. [`lock`] keeps other runs out.

mod bloat;
mod lock;
mod look;
mod rebuild;
mod waits;

use anyhow::anyhow;
use async_trait::async_trait;
use tokio_postgres::Client;

use super::choose::Step;
use super::index::Seen;
use super::server::{Eyes, Limits, Rebuilt, Server};
use crate::http::Trust;
use crate::port::RemoteLock;
use crate::sql::Place;
use crate::sql::postgres::{Error, connect, said};
use crate::watch::Watch;
use lock::Lock;

/// What the sessions of this program are called, with the run behind it.
const APPLICATION: &str = "firebreak rebuild_indexes";

/// A database, and how to get in.
#[derive(Clone)]
pub struct Postgres {
    place: Place,
    trust: Trust,
    address: String,
    application: String,
}

impl Postgres {
    /// The database at a place, for a run.
    #[must_use]
    pub fn new(place: Place, trust: Trust, run: &str) -> Self {
        let address = place.to_string();
        Self { place, trust, address, application: format!("{APPLICATION} {run}").trim().to_owned() }
    }

    async fn session(&self) -> anyhow::Result<Client> {
        connect(&self.place, &self.trust, &self.application).await
    }

    fn refused(&self, error: &Error) -> anyhow::Error {
        anyhow!("{}: {}", self.address, said(error))
    }
}

#[async_trait]
impl Server for Postgres {
    fn address(&self) -> &str {
        &self.address
    }

    fn measures(&self) -> &'static str {
        "looked for four times a second in pg_locks, by pg_blocking_pids; shorter waits may go unseen"
    }

    fn needs(&self) -> &'static str {
        "beside the old index, and as much WAL"
    }

    fn lock(&self) -> Box<dyn RemoteLock> {
        Box::new(Lock::new(self.clone()))
    }

    async fn look(&self, watch: &dyn Watch) -> anyhow::Result<Seen> {
        look::look(self, watch).await
    }

    async fn take(&self, step: &Step, limits: Limits, eyes: Eyes<'_>) -> Rebuilt {
        rebuild::take(self, step, limits, eyes).await
    }
}

/// A name as SQL has it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
