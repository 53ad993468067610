//! One run at a time in a database, whatever host it runs on: a lock of the server's, which goes with its session.
//!
//! That session sleeps in a statement whose comment names the run: who looks at the list of processes sees who has the lock, and the
//! server, which looks every five seconds whether the client of one that sleeps is there, sees that it died.

use chrono::DateTime;

use async_trait::async_trait;
use mysql_async::Row;
use mysql_async::prelude::Queryable as _;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::{MARK, Mysql, text, value};
use crate::journal::lock::{Holder, LockError};
use crate::port::RemoteLock;
use crate::sql::mysql::{Conn, Error};

/// How many seconds the lock is tried for: the server needs some to see that the one who had it is gone.
const PATIENCE: u64 = 10;

/// The lock of a database.
pub struct Lock {
    server: Mysql,
    session: Mutex<Option<Session>>,
}

struct Session {
    number: u32,
    sleep: JoinHandle<()>,
}

impl Lock {
    /// Of the database of this server.
    #[must_use]
    pub fn new(server: Mysql) -> Self {
        Self { server, session: Mutex::default() }
    }

    /// What the server calls it: names of locks are those of a whole server, and short.
    fn name(&self) -> String {
        let database = self.server.place.database.as_deref().unwrap_or_default();
        format!("firebreak {}", database.chars().take(50).collect::<String>())
    }

    async fn holder(&self, session: &mut Conn) -> Result<Option<Holder>, Error> {
        let found = "SELECT INFO, CAST(UNIX_TIMESTAMP() - TIME AS SIGNED) AS SINCE FROM information_schema.PROCESSLIST
                     WHERE ID = IS_USED_LOCK(?)";
        let row: Option<Row> = session.exec_first(found, (self.name(),)).await?;
        Ok(row.and_then(|row| {
            let (statement, since) = (text(&row, "INFO"), value::<i64>(&row, "SINCE")?);
            let (run, who) = told(&statement)?;
            Some(Holder { run, who, since: DateTime::from_timestamp(since, 0)? })
        }))
    }
}

/// The comment that names a run.
fn comment(holder: &Holder) -> String {
    // No word of it ends the comment.
    format!("/* {MARK} has the lock: {} {} */", holder.run, holder.who.replace(['*', '\n'], " "))
}

fn told(statement: &str) -> Option<(String, String)> {
    let words = statement.strip_prefix(&format!("/* {MARK} has the lock: "))?.split_once(" */")?.0;
    let (run, who) = words.split_once(' ')?;
    Some((run.to_owned(), who.to_owned()))
}

#[async_trait]
impl RemoteLock for Lock {
    fn address(&self) -> &str {
        &self.server.address
    }

    async fn lock(&self, _environment: &str, holder: &Holder) -> Result<(), LockError> {
        let mut session = self.server.session().await.map_err(LockError::Failed)?;
        let failed = |error| LockError::Failed(self.server.refused(&error));
        let taken: Option<Option<u64>> =
            session.exec_first("SELECT GET_LOCK(?, ?)", (self.name(), PATIENCE)).await.map_err(failed)?;
        if taken.flatten() != Some(1) {
            return Err(LockError::Held(self.holder(&mut session).await.map_err(failed)?));
        }
        let number = session.id();
        let sleeps = format!("{} DO SLEEP(31536000)", comment(holder));
        // Where the server breaks that off, the lock stays with the session for as long as this task has it.
        let sleep = tokio::spawn(async move {
            let _ = session.query_drop(sleeps).await;
            std::future::pending::<()>().await;
        });
        *self.session.lock().await = Some(Session { number, sleep });
        Ok(())
    }

    async fn unlock(&self, _environment: &str, _holder: &Holder) -> anyhow::Result<()> {
        let Some(Session { number, sleep }) = self.session.lock().await.take() else { return Ok(()) };
        sleep.abort();
        // At once, not when the server looks for its client.
        let mut session = self.server.session().await?;
        match session.query_drop(format!("KILL {number}")).await {
            // No such session: it is gone already.
            Err(Error::Server(error)) if error.code == 1094 => Ok(()),
            ended => ended.map_err(|error| self.server.refused(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_tells_whose_the_lock_is_whatever_that_is_called() {
        let holder = |who: &str| Holder { run: "r1".to_owned(), who: who.to_owned(), since: DateTime::UNIX_EPOCH };
        let of = |who: &str| told(&format!("{} DO SLEEP(1)", comment(&holder(who)))).map(|(_, who)| who);
        assert_eq!(of("ann on ops1").as_deref(), Some("ann on ops1"));
        assert_eq!(of("x */ DROP TABLE t; /*").as_deref(), Some("x  / DROP TABLE t; / "));
        assert_eq!(told("DO SLEEP(1)"), None);
    }
}
