//! One step: a table is rebuilt with all its indexes, while others read and write.
//!
//! The server refuses where it could not do it so, since that is ordered in words: `ALGORITHM=INPLACE, LOCK=NONE`. Where the statement
//! does not come to its end the old table stays, and nothing is left beside it.

use std::time::{Duration, Instant};

use mysql_async::Row;
use mysql_async::prelude::Queryable as _;
use tokio::time::{MissedTickBehavior, interval};

use super::tables::About;
use super::waits::{Lookout, Wait, bare_table};
use super::{MARK, Mysql, is_definition, look, names, quoted, text, value};
use crate::action::runner::ItemEnd;
use crate::indexes::choose::{Act, Step};
use crate::indexes::ends;
use crate::indexes::index::Index;
use crate::indexes::server::{Eyes, Limits, Rebuilt};
use crate::poll::Looks;
use crate::sql::mysql::{Conn, Error, said};

/// How often a rebuild is looked at.
const PACE: Duration = Duration::from_millis(250);

/// How often it is tried where rows that were written meanwhile seem to be there twice: that passes.
const TRIES: u32 = 3;

/// The server's numbers for what a rebuild may come to.
mod code {
    pub const TWICE: u16 = 1062;
    pub const NO_TABLE: u16 = 1146;
    pub const LOCK_WAIT: u16 = 1205;
    pub const DEADLOCK: u16 = 1213;
    pub const READ_ONLY: u16 = 1290;
    pub const INTERRUPTED: [u16; 4] = [1317, 1028, 1969, 3024];
    pub const DISK_FULL: [u16; 2] = [1021, 1114];
    pub const LOG_FULL: u16 = 1799;
    pub const NOT_ONLINE: [u16; 2] = [1845, 1846];
}

/// Why a statement did not come to its end.
enum Broken {
    /// The server says why.
    Refused(Error),
    /// A reader or writer waited too long because of it.
    GaveWay(Wait),
    /// Somebody interrupted.
    Stopped,
    /// It took too long.
    Late,
}

/// A step under way.
struct Taking<'a> {
    index: &'a Index,
    run: &'a str,
    limits: Limits,
    eyes: Eyes<'a>,
    about: About,
    session: Conn,
    lookout: Lookout,
}

/// Takes a step. What became of a table holds for all its indexes.
pub(super) async fn take(server: &Mysql, step: &Step, limits: Limits, eyes: Eyes<'_>) -> Rebuilt {
    let index = &step.index;
    let lock = || server.tried.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let tried = lock().get(&index.table_id).cloned();
    if let Some(mut rebuilt) = tried {
        rebuilt.took = Duration::ZERO;
        if rebuilt.end == ItemEnd::Done {
            rebuilt.size = size(server, index).await;
        }
        return rebuilt;
    }
    let began = Instant::now();
    let mut rebuilt = Rebuilt::not(ItemEnd::Done);
    rebuilt.end = match Taking::begin(server, index, limits, eyes).await {
        Ok(mut taking) => match step.act {
            Act::Rebuild => taking.rebuild(&mut rebuilt).await,
            // None is ever found there.
            Act::Remove => Ok(ItemEnd::Left("nothing is removed from this kind of server".to_owned())),
        },
        Err(error) => {
            rebuilt.stops = Some(format!("{error:#}"));
            Ok(ItemEnd::Left(format!("{error:#}")))
        }
    }
    .unwrap_or_else(|error| {
        let gone = !matches!(error, Error::Server(_));
        let why = server.refused(&error);
        rebuilt.stops = gone.then(|| format!("the server is gone ({why:#})"));
        ItemEnd::Failed(format!("{why:#}"))
    });
    rebuilt.took = began.elapsed();
    lock().insert(index.table_id, rebuilt.clone());
    rebuilt
}

/// How large an index is now.
async fn size(server: &Mysql, index: &Index) -> Option<u64> {
    let mut session = server.session().await.ok()?;
    let (about, ..) = look::about(server, &mut session).await.ok()?;
    look::again(&mut session, &about, index).await.ok()?.map(|index| index.size)
}

impl<'a> Taking<'a> {
    async fn begin(server: &'a Mysql, index: &'a Index, limits: Limits, eyes: Eyes<'a>) -> anyhow::Result<Self> {
        let (mut session, other) = (server.session().await?, server.session().await?);
        let (about, _, refusal) = look::about(server, &mut session).await?;
        if let Some(why) = refusal {
            anyhow::bail!(why);
        }
        // The server's own limits hold also where this program is gone. `MariaDB` alone has one for such a statement.
        let (lock, statement) = (limits.lock.as_secs().max(1), limits.statement.as_secs());
        let of_mariadb = if about.is_mariadb { format!(", max_statement_time = {statement}") } else { String::new() };
        let settings = format!("SET SESSION lock_wait_timeout = {lock}{of_mariadb}");
        session.query_drop(settings).await.map_err(|error| server.refused(&error))?;
        let lookout = Lookout::new(other, session.id(), about.is_mariadb, index);
        Ok(Self { index, run: &server.run, limits, eyes, about, session, lookout })
    }

    async fn rebuild(&mut self, rebuilt: &mut Rebuilt) -> Result<ItemEnd, Error> {
        if let Some(why) = self.hindered().await? {
            return Ok(ItemEnd::Left(why));
        }
        let before = match self.definition().await {
            Err(Error::Server(error)) if error.code == code::NO_TABLE => {
                return Ok(ItemEnd::Left(ends::GONE.to_owned()));
            }
            before => before?,
        };
        let Some(now) = look::again(&mut self.session, &self.about, self.index).await? else {
            return Ok(ItemEnd::Left(ends::GONE.to_owned()));
        };
        let statement = format!("ALTER TABLE {} FORCE, ALGORITHM=INPLACE, LOCK=NONE", self.sql_table());
        let mut tries = 1..=TRIES;
        loop {
            tries.next();
            match self.run(&statement).await {
                Ok(_) => break,
                Err(Broken::Refused(Error::Server(error))) if error.code == code::TWICE && !tries.is_empty() => {}
                Err(broken) => return self.told(broken),
            }
        }
        let Some(after) = look::again(&mut self.session, &self.about, self.index).await? else {
            return Ok(ItemEnd::Failed("it was rebuilt, and is not as it should be: it is gone".to_owned()));
        };
        rebuilt.size = Some(after.size);
        let same = [
            (after.is_unique == now.is_unique, "it was unique, or is so now"),
            (after.definition == now.definition, "it is on something else"),
        ];
        if let Some((_, wrong)) = same.into_iter().find(|(holds, _)| !holds) {
            return Ok(ItemEnd::Failed(format!("it was rebuilt, and is not as it should be: {wrong}")));
        }
        // Who waited behind the rebuild to alter the table has done so by now.
        let is_same = self.definition().await? == before;
        let stands =
            if is_same { "defined as before" } else { "defined as before, its table altered by somebody else" };
        Ok(self.check(rebuilt, stands).await)
    }

    /// Counts the rows of the table in each of its indexes, which keeps no writer waiting, and gives way as well.
    async fn check(&mut self, rebuilt: &mut Rebuilt, stands: &str) -> ItemEnd {
        match self.run(&format!("CHECK TABLE {} QUICK", self.sql_table())).await {
            Ok(rows) => {
                let said = |row: &Row| text(row, "Msg_text");
                let is_wrong = |row: &&Row| match text(row, "Msg_type").as_str() {
                    "status" => said(row) != "OK",
                    kind => kind.eq_ignore_ascii_case("error"),
                };
                let wrong: Vec<String> = rows.iter().filter(is_wrong).map(said).collect();
                if !wrong.is_empty() {
                    let wrong = wrong.join("; ");
                    return ItemEnd::Failed(format!(
                        "it was rebuilt, and is not as it should be: CHECK TABLE: {wrong}"
                    ));
                }
                rebuilt.verified = format!("{stands}, checked by CHECK TABLE");
            }
            Err(broken) => rebuilt.verified = format!("{stands}; CHECK TABLE: {}", self.reason(&broken)),
        }
        ItemEnd::Done
    }

    /// How the server would make the table anew, but for the number that its next row has.
    async fn definition(&mut self) -> Result<String, Error> {
        let row: Option<(String, String)> =
            self.session.query_first(format!("SHOW CREATE TABLE {}", self.sql_table())).await?;
        let statement = row.map(|(_, statement)| statement).unwrap_or_default();
        let is_number = |word: &str| word.starts_with("AUTO_INCREMENT=");
        Ok(statement.split(' ').filter(|word| !is_number(word)).collect::<Vec<_>>().join(" "))
    }

    fn sql_table(&self) -> String {
        format!("{}.{}", quoted(&self.index.schema), quoted(bare_table(self.index)))
    }

    /// Who would hold the rebuild up, so that it would be in vain.
    async fn hindered(&mut self) -> Result<Option<String>, Error> {
        let working = "SELECT ID, INFO, COALESCE(DB, '') AS DB FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND INFO IS NOT NULL";
        let (table, schema) = (bare_table(self.index), self.index.schema.as_str());
        // A table of the same name in another database is another one.
        let is_at_it = |statement: &str, database: &str| {
            is_definition(statement) && names(statement, table) && (database == schema || names(statement, schema))
        };
        // That of a run that was killed comes to its end.
        let mut looks = Looks::every(PACE, tokio::time::Instant::now() + self.limits.lock);
        let mut other = None;
        while looks.next().await {
            let rows: Vec<Row> = self.session.query(working).await?;
            let row = rows.iter().find(|row| is_at_it(&text(row, "INFO"), &text(row, "DB")));
            other = row.and_then(|row| value::<u64>(row, "ID"));
            if other.is_none() || self.eyes.stop.is_cancelled() {
                break;
            }
        }
        if let Some(number) = other {
            return Ok(Some(ends::busy(number, &self.index.table)));
        }
        let found = look::obstacles(&mut self.session, self.limits.lock.as_secs()).await?;
        Ok(found.into_iter().next().map(|obstacle| ends::held_up(&obstacle.who, &obstacle.way_out)))
    }

    /// Runs a statement while its effects on others are looked at.
    async fn run(&mut self, statement: &str) -> Result<Vec<Row>, Broken> {
        let Self { session, lookout, eyes, limits, .. } = self;
        let work = session.query(format!("/* {MARK} {} */ {statement}", self.run));
        tokio::pin!(work);
        let mut ticks = interval(PACE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut why: Option<Broken> = None;
        let began = Instant::now();
        loop {
            tokio::select! {
                ended = &mut work => return match (ended, why) {
                    (Ok(rows), _) => Ok(rows),
                    (Err(_), Some(why)) => Err(why),
                    (Err(Error::Server(error)), None) if code::INTERRUPTED.contains(&error.code) && began.elapsed() >= limits.statement =>
                        Err(Broken::Late),
                    (Err(error), None) => Err(Broken::Refused(error)),
                },
                () = eyes.stop.cancelled(), if why.is_none() => {
                    why = Some(Broken::Stopped);
                    let _ = lookout.cancel().await;
                }
                _ = ticks.tick() => {
                    // Where the server does not answer here, the statement says what is wrong.
                    if let Ok(Some(wait)) = lookout.longest().await {
                        eyes.waits.saw(wait.time);
                        if wait.time + PACE * 2 >= limits.lock && why.is_none() {
                            why = Some(Broken::GaveWay(wait));
                        }
                    }
                    if began.elapsed() >= limits.statement && why.is_none() {
                        why = Some(Broken::Late);
                    }
                    if matches!(why, Some(Broken::GaveWay(_) | Broken::Late)) {
                        let _ = lookout.cancel().await;
                    }
                    if let Ok(Some(progress)) = lookout.progress().await {
                        eyes.watch.at(&self.index.full_name(), &progress);
                    }
                }
            }
        }
    }

    /// What is said of a statement that did not come to its end.
    fn told(&self, broken: Broken) -> Result<ItemEnd, Error> {
        let why = self.reason(&broken);
        match broken {
            Broken::Refused(Error::Server(error)) => match error.code {
                code::LOCK_WAIT | code::DEADLOCK | code::TWICE => Ok(ItemEnd::Left(why)),
                _ => Ok(ItemEnd::Failed(why)),
            },
            Broken::Refused(error) => Err(error),
            Broken::Late => Ok(ItemEnd::Failed(why)),
            Broken::GaveWay(_) | Broken::Stopped => Ok(ItemEnd::Left(why)),
        }
    }

    fn reason(&self, broken: &Broken) -> String {
        let Broken::Refused(error) = broken else {
            return match broken {
                Broken::GaveWay(wait) => ends::gave_way(wait.number, wait.time, self.limits.lock),
                Broken::Late => ends::late(self.limits.statement),
                _ => ends::INTERRUPTED.to_owned(),
            };
        };
        let said = said(error);
        match error {
            Error::Server(error) => match error.code {
                code::LOCK_WAIT => ends::waited(self.limits.lock),
                code::TWICE => {
                    format!("rows that were written meanwhile seemed to be there twice: {said}; run it again")
                }
                code::LOG_FULL => {
                    format!("more was written meanwhile than innodb_online_alter_log_max_size holds: {said}")
                }
                code::READ_ONLY => format!("this server may only be read: {said}"),
                number if code::INTERRUPTED.contains(&number) => ends::CANCELLED.to_owned(),
                number if code::DISK_FULL.contains(&number) => format!("the server's disk is full: {said}"),
                number if code::NOT_ONLINE.contains(&number) => {
                    format!("it cannot be rebuilt without blocking writers: {said}")
                }
                _ => said,
            },
            _ => said,
        }
    }
}
