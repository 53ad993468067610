//! One run at a time in a database, whatever host it runs on: an advisory lock, which goes with its session.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::Mutex;
use tokio_postgres::Client;

use super::{APPLICATION, Postgres};
use crate::journal::lock::{Holder, LockError};
use crate::poll::Looks;
use crate::port::RemoteLock;

/// The number of the lock: `firebre` in ASCII.
const NUMBER: i64 = 0x0066_6972_6562_7265;

/// How long the lock is tried for: the server may need a moment to see that the one who had it is gone.
const PATIENCE: Duration = Duration::from_secs(3);

/// The session is called by who has the lock, and is not ended for being idle, which PostgreSQL can do since 14.
const KEPT: &str = "SELECT set_config('application_name', $1, false)
UNION ALL SELECT set_config('idle_session_timeout', '0', false) WHERE current_setting('server_version_num')::int4 >= 140000";

/// The lock of a database.
pub struct Lock {
    database: Postgres,
    session: Mutex<Option<Client>>,
}

impl Lock {
    /// Of this database.
    #[must_use]
    pub fn new(database: Postgres) -> Self {
        Self { database, session: Mutex::default() }
    }

    async fn take(&self, session: &Client, holder: &Holder) -> Result<(), LockError> {
        let failed = |error| LockError::Failed(self.database.refused(&error));
        let mut looks = Looks::every(Duration::from_millis(200), tokio::time::Instant::now() + PATIENCE);
        while looks.next().await {
            let row = session.query_one("SELECT pg_try_advisory_lock($1)", &[&NUMBER]).await.map_err(failed)?;
            if row.get(0) {
                // Who looks at the server sees who has it.
                let name = format!("{APPLICATION} {} {}", holder.run, holder.who);
                session.query(KEPT, &[&name]).await.map_err(failed)?;
                return Ok(());
            }
        }
        let found =
            "SELECT a.application_name, a.backend_start FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
                     WHERE l.locktype = 'advisory' AND l.granted AND a.datname = current_database()
                       AND (l.classid::int8 << 32 | l.objid::int8) = $1 AND l.objsubid = 1";
        let row = session.query_opt(found, &[&NUMBER]).await.map_err(failed)?;
        let holder = row.and_then(|row| {
            let (name, since): (String, DateTime<Utc>) = (row.get(0), row.get(1));
            let mut words = name.strip_prefix(APPLICATION)?.trim_start().splitn(2, ' ');
            Some(Holder { run: words.next()?.to_owned(), who: words.next().unwrap_or_default().to_owned(), since })
        });
        Err(LockError::Held(holder))
    }
}

#[async_trait]
impl RemoteLock for Lock {
    fn address(&self) -> &str {
        &self.database.address
    }

    async fn lock(&self, _environment: &str, holder: &Holder) -> Result<(), LockError> {
        let session = self.database.session().await.map_err(LockError::Failed)?;
        self.take(&session, holder).await?;
        *self.session.lock().await = Some(session);
        Ok(())
    }

    async fn unlock(&self, _environment: &str, _holder: &Holder) -> anyhow::Result<()> {
        // It goes with its session.
        self.session.lock().await.take();
        Ok(())
    }
}
