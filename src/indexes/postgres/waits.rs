//! Who waits because of a rebuild. The rebuild itself blocks no writer; but a session that wants the whole table, such as `ALTER TABLE`,
//! waits for its end, and every reader and writer that comes after that one waits behind it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use crate::sql::postgres::Error;
use crate::watch::Progress;

/// Who waits for a session, directly or behind somebody who does, and how long: `waitstart` is known since PostgreSQL 14. All of it is
/// in `pg_locks`, which shows every user those of all.
const WAITS: &str = "
WITH RECURSIVE waiting AS MATERIALIZED (
  SELECT pid, pg_blocking_pids(pid) AS blockers FROM (SELECT DISTINCT pid FROM pg_locks WHERE NOT granted AND pid <> $1) w
), behind (pid) AS (
  SELECT pid FROM waiting WHERE $1 = ANY (blockers)
  UNION SELECT w.pid FROM waiting w JOIN behind b ON b.pid = ANY (w.blockers)
)
SELECT l.pid, extract(epoch FROM clock_timestamp() - SINCE)::float8 AS waited
FROM behind JOIN pg_locks l ON l.pid = behind.pid AND NOT l.granted
WHERE l.mode IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock') AND l.locktype = 'relation'
   OR l.locktype IN ('tuple', 'transactionid')";

/// How far a rebuild has come.
const PROGRESS: &str = "
SELECT phase, blocks_done, blocks_total, lockers_done, lockers_total
FROM pg_stat_progress_create_index WHERE pid = $1";

/// Looks at one session's rebuild from another.
pub(super) struct Lookout {
    session: Client,
    waits: String,
    /// The session that rebuilds.
    pid: i32,
    /// Since when each that waits was seen waiting.
    seen: Mutex<HashMap<i32, Instant>>,
}

/// A reader or writer that waits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wait {
    pub pid: i32,
    pub time: Duration,
}

impl Lookout {
    pub(super) fn new(session: Client, pid: i32, version: i32) -> Self {
        let since = if version >= 140_000 { "l.waitstart" } else { "NULL::timestamptz" };
        Self { session, waits: WAITS.replace("SINCE", since), pid, seen: Mutex::default() }
    }

    /// The reader or writer that waits longest; none where nobody does.
    pub(super) async fn longest(&self) -> Result<Option<Wait>, Error> {
        let rows = self.session.query(&self.waits, &[&self.pid]).await?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let waits: Vec<Wait> = rows
            .into_iter()
            .map(|row| {
                let (pid, seconds): (i32, Option<f64>) = (row.get("pid"), row.get("waited"));
                let told = Duration::from_secs_f64(seconds.unwrap_or(0.0).max(0.0));
                let first = *seen.entry(pid).or_insert(now);
                Wait { pid, time: told.max(now - first) }
            })
            .collect();
        seen.retain(|pid, _| waits.iter().any(|wait| wait.pid == *pid));
        Ok(waits.into_iter().max_by_key(|wait| wait.time))
    }

    /// How far it has come; none where the server does not say.
    pub(super) async fn progress(&self) -> Result<Option<Progress>, Error> {
        let row = self.session.query_opt(PROGRESS, &[&self.pid]).await?;
        Ok(row.map(|row| {
            let phase: String = row.get("phase");
            let number =
                |name: &str| row.get::<_, Option<i64>>(name).and_then(|number| u64::try_from(number).ok()).unwrap_or(0);
            let (done, total) = match (number("blocks_total"), number("lockers_total")) {
                (0, total) => (number("lockers_done"), total),
                (total, _) => (number("blocks_done"), total),
            };
            Progress { done, total, note: phase }
        }))
    }

    /// Has the server break the rebuild off.
    pub(super) async fn cancel(&self) -> Result<(), Error> {
        self.session.execute("SELECT pg_cancel_backend($1)", &[&self.pid]).await.map(drop)
    }
}
