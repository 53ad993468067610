//! One step: an index is rebuilt, or a leftover removed, while others read and write.
//!
//! `REINDEX INDEX CONCURRENTLY` builds a new index beside the old one, and swaps the two; the index has another number then. Where it
//! does not come to its end it leaves an invalid one behind (`_ccnew`, or `_ccold` after the swap), which costs every write. So what is
//! known to break it is looked for first, and what it left is removed.

use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::waits::{Lookout, Wait};
use super::{Postgres, look, quoted};
use crate::action::runner::ItemEnd;
use crate::indexes::choose::{Act, Step};
use crate::indexes::ends;
use crate::indexes::index::{Index, Obstacle};
use crate::indexes::server::{Eyes, Limits, Rebuilt};
use crate::poll::Looks;
use crate::sql::postgres::{Error, said};

/// How often a rebuild is looked at.
const PACE: Duration = Duration::from_millis(250);

/// How long after the death of its client a rebuild is broken off by the server.
const WAKE: &str = "1s";

/// Since this version the server sees that a client is gone while it works for it.
const SEES_CLIENTS: i32 = 140_000;

/// Why a statement did not come to its end.
enum Broken {
    /// The server says why.
    Refused(Error),
    /// A reader or writer waited too long because of it.
    GaveWay(Wait),
    /// It had no end in time.
    Late,
    /// Somebody interrupted.
    Stopped,
}

/// A step under way.
struct Taking<'a> {
    index: &'a Index,
    limits: Limits,
    eyes: Eyes<'a>,
    session: Client,
    lookout: Lookout,
}

/// Takes a step.
pub(super) async fn take(database: &Postgres, step: &Step, limits: Limits, eyes: Eyes<'_>) -> Rebuilt {
    let began = Instant::now();
    let mut rebuilt = Rebuilt::not(ItemEnd::Done);
    let taking = Taking::begin(database, &step.index, limits, eyes).await;
    rebuilt.end = match taking {
        Ok(taking) => match step.act {
            Act::Rebuild => taking.rebuild(&mut rebuilt).await,
            Act::Remove => taking.remove().await,
        },
        Err(error) => {
            rebuilt.stops = Some(format!("{error:#}"));
            Ok(ItemEnd::Left(format!("{error:#}")))
        }
    }
    .unwrap_or_else(|error| {
        if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) {
            return ItemEnd::Left(ends::waited(limits.lock));
        }
        let gone = error.is_closed();
        let why = database.refused(&error);
        rebuilt.stops = gone.then(|| format!("the server is gone ({why:#})"));
        ItemEnd::Failed(format!("{why:#}"))
    });
    rebuilt.took = began.elapsed();
    rebuilt
}

impl<'a> Taking<'a> {
    async fn begin(database: &'a Postgres, index: &'a Index, limits: Limits, eyes: Eyes<'a>) -> anyhow::Result<Self> {
        let (session, other) = (database.session().await?, database.session().await?);
        let refused = |error: Error| database.refused(&error);
        let about = "SELECT pg_backend_pid(), current_setting('server_version_num')::int4";
        let row = session.query_one(about, &[]).await.map_err(refused)?;
        let version: i32 = row.get(1);
        let (lock, statement) = (limits.lock.as_millis(), limits.statement.as_millis());
        let mut settings = format!("SET lock_timeout = {lock}; SET statement_timeout = {statement}");
        if version >= SEES_CLIENTS {
            settings.push_str("; SET client_connection_check_interval = '");
            settings.push_str(WAKE);
            settings.push('\'');
        }
        session.batch_execute(&settings).await.map_err(refused)?;
        let lookout = Lookout::new(other, row.get(0), version);
        Ok(Self { index, limits, eyes, session, lookout })
    }

    async fn rebuild(&self, rebuilt: &mut Rebuilt) -> Result<ItemEnd, Error> {
        if let Some(why) = self.hindered().await? {
            return Ok(ItemEnd::Left(why));
        }
        let before = self.beside().await?;
        let Some(now) = self.found(&before) else { return Ok(ItemEnd::Left(ends::GONE.to_owned())) };
        let tried = self.run(&format!("REINDEX INDEX CONCURRENTLY {}", self.sql_name(&now.name)), true).await;
        // It may have come so far that only the old index was not removed.
        let after = match self.beside().await {
            Ok(after) => after,
            Err(error) => match tried {
                Err(broken) => return self.told(broken),
                Ok(()) => return Err(error),
            },
        };
        // What earlier rebuilds of this index left as well.
        let own = self.index.full_name();
        let leftovers = after.iter().filter(|index| index.leftover_of.as_ref() == Some(&own));
        let mut left = Vec::new();
        for leftover in leftovers {
            // Who interrupts wants nothing left behind.
            if let Err(broken) = self.run(&self.drop_statement(leftover), false).await {
                left.push(format!("{} could not be removed ({})", leftover.full_name(), self.reason(&broken)));
            }
        }
        let is_new = self.found(&after).is_some_and(|index| index.id != now.id);
        let end = match tried {
            Err(broken) if !is_new => self.told(broken)?,
            _ => match self.verify(now, rebuilt).await? {
                None => ItemEnd::Done,
                Some(wrong) => ItemEnd::Failed(format!("it was rebuilt, and is not as it should be: {wrong}")),
            },
        };
        Ok(with_leftovers(end, &left))
    }

    async fn remove(&self) -> Result<ItemEnd, Error> {
        if let Some(why) = self.hindered().await? {
            return Ok(ItemEnd::Left(why));
        }
        let beside = self.beside().await?;
        let Some(index) = self.found(&beside) else { return Ok(ItemEnd::Done) };
        if index.leftover_of.is_none() {
            return Ok(ItemEnd::Left("it is no leftover any more: it is valid, or somebody works on it".to_owned()));
        }
        match self.run(&self.drop_statement(index), true).await {
            Ok(()) => Ok(ItemEnd::Done),
            Err(broken) => self.told(broken),
        }
    }

    /// The indexes of the same table, as they are now.
    async fn beside(&self) -> Result<Vec<Index>, Error> {
        look::indexes(&self.session, Some(self.index.table_id)).await
    }

    fn found<'i>(&self, indexes: &'i [Index]) -> Option<&'i Index> {
        indexes.iter().find(|index| (&index.schema, &index.name) == (&self.index.schema, &self.index.name))
    }

    fn sql_name(&self, name: &str) -> String {
        format!("{}.{}", quoted(&self.index.schema), quoted(name))
    }

    fn drop_statement(&self, index: &Index) -> String {
        format!("DROP INDEX CONCURRENTLY {}", self.sql_name(&index.name))
    }

    /// Who would hold the rebuild up, so that it would be in vain.
    async fn hindered(&self) -> Result<Option<String>, Error> {
        let builder =
            "SELECT pid FROM pg_stat_progress_create_index WHERE relid = $1 AND pid <> pg_backend_pid() LIMIT 1";
        // One whose client died ends by itself.
        let mut looks = Looks::every(PACE, tokio::time::Instant::now() + self.limits.lock);
        let mut other = None;
        while looks.next().await {
            other = self.session.query_opt(builder, &[&self.index.table_id]).await?.map(|row| row.get::<_, i32>(0));
            if other.is_none() || self.eyes.stop.is_cancelled() {
                break;
            }
        }
        if let Some(pid) = other {
            return Ok(Some(ends::busy(pid, &self.index.table)));
        }
        let found = look::obstacles(&self.session, self.limits.lock.as_secs_f64(), Some(self.index.table_id)).await?;
        let first = found.into_iter().find(|obstacle| obstacle.stops);
        Ok(first.map(|Obstacle { who, way_out, .. }| ends::held_up(&who, &way_out)))
    }

    /// Runs a statement while its effects on others are looked at; an interrupt breaks it off where it is said to.
    async fn run(&self, statement: &str, is_interruptible: bool) -> Result<(), Broken> {
        let began = Instant::now();
        let work = self.session.batch_execute(statement);
        tokio::pin!(work);
        let mut ticks = interval(PACE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut why: Option<Broken> = None;
        loop {
            tokio::select! {
                ended = &mut work => return match (ended, why) {
                    (Ok(()), _) => Ok(()),
                    (Err(_), Some(why)) => Err(why),
                    (Err(error), None) if error.code() == Some(&SqlState::QUERY_CANCELED)
                        && began.elapsed() >= self.limits.statement => Err(Broken::Late),
                    (Err(error), None) => Err(Broken::Refused(error)),
                },
                () = self.eyes.stop.cancelled(), if is_interruptible && why.is_none() => {
                    why = Some(Broken::Stopped);
                    let _ = self.lookout.cancel().await;
                }
                _ = ticks.tick() => {
                    // Where the server does not answer here, the statement says what is wrong.
                    if let Ok(Some(wait)) = self.lookout.longest().await {
                        self.eyes.waits.saw(wait.time);
                        if wait.time + PACE * 2 >= self.limits.lock && why.is_none() {
                            why = Some(Broken::GaveWay(wait));
                        }
                    }
                    if matches!(why, Some(Broken::GaveWay(_))) {
                        let _ = self.lookout.cancel().await;
                    }
                    if let Ok(Some(progress)) = self.lookout.progress().await {
                        self.eyes.watch.at(&self.index.full_name(), &progress);
                    }
                }
            }
        }
    }

    /// What is said of a statement that did not come to its end.
    fn told(&self, broken: Broken) -> Result<ItemEnd, Error> {
        let why = self.reason(&broken);
        let error = match broken {
            Broken::Refused(error) => error,
            Broken::Late => return Ok(ItemEnd::Failed(why)),
            Broken::GaveWay(_) | Broken::Stopped => return Ok(ItemEnd::Left(why)),
        };
        match error.code() {
            Some(&(SqlState::LOCK_NOT_AVAILABLE | SqlState::T_R_DEADLOCK_DETECTED)) => Ok(ItemEnd::Left(why)),
            Some(_) => Ok(ItemEnd::Failed(why)),
            None => Err(error),
        }
    }

    fn reason(&self, broken: &Broken) -> String {
        match broken {
            Broken::GaveWay(wait) => ends::gave_way(wait.pid, wait.time, self.limits.lock),
            Broken::Late => ends::late(self.limits.statement),
            Broken::Stopped => ends::INTERRUPTED.to_owned(),
            Broken::Refused(error) => match error.code() {
                Some(&SqlState::LOCK_NOT_AVAILABLE) => ends::waited(self.limits.lock),
                Some(&SqlState::UNIQUE_VIOLATION) => {
                    format!("its rows are not unique: {} Remove what is there twice first", said(error))
                }
                Some(&SqlState::QUERY_CANCELED) => ends::CANCELLED.to_owned(),
                Some(&SqlState::DISK_FULL) => format!("the server's disk is full: {}", said(error)),
                _ => said(error),
            },
        }
    }

    /// What is wrong with an index that was rebuilt; none where it is well.
    async fn verify(&self, before: &Index, rebuilt: &mut Rebuilt) -> Result<Option<String>, Error> {
        let beside = self.beside().await?;
        let Some(index) = self.found(&beside) else { return Ok(Some("it is gone".to_owned())) };
        rebuilt.size = Some(index.size);
        let same = [
            (index.is_valid, "it is invalid"),
            (index.is_unique == before.is_unique, "it was unique, or is so now"),
            (index.is_needed == before.is_needed, "its constraint is another one"),
            (index.definition == before.definition, "it is on something else"),
        ];
        if let Some((_, wrong)) = same.into_iter().find(|(holds, _)| !holds) {
            return Ok(Some(wrong.to_owned()));
        }
        "valid".clone_into(&mut rebuilt.verified);
        let tool = "SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'amcheck'";
        let tool = self.session.query_opt(tool, &[]).await?.map(|row| row.get::<_, String>(0));
        let Some(schema) = tool.filter(|_| index.definition.method == "btree") else { return Ok(None) };
        let check = format!("SELECT {}.bt_index_check($1::oid::pg_catalog.regclass)::text", quoted(&schema));
        let about: [&(dyn ToSql + Sync); 1] = [&index.id];
        let checked = self.session.query(&check, &about);
        tokio::pin!(checked);
        let checked = tokio::select! {
            checked = &mut checked => checked,
            () = self.eyes.stop.cancelled() => {
                let _ = self.lookout.cancel().await;
                let _ = checked.await;
                "valid; not checked by amcheck: interrupted".clone_into(&mut rebuilt.verified);
                return Ok(None);
            }
        };
        match checked {
            Ok(_) => "valid, checked by amcheck".clone_into(&mut rebuilt.verified),
            Err(error) if error.code() == Some(&SqlState::INDEX_CORRUPTED) => return Ok(Some(said(&error))),
            // Who may rebuild may not always check, and a check gives way as well.
            Err(error) if error.code().is_some() => {
                rebuilt.verified = format!("valid; amcheck refused: {}", said(&error));
            }
            Err(error) => return Err(error),
        }
        Ok(None)
    }
}

/// What is left behind is told, whatever came of the rebuild.
fn with_leftovers(end: ItemEnd, left: &[String]) -> ItemEnd {
    if left.is_empty() {
        return end;
    }
    let left = format!("{}; a later run removes it", left.join(", "));
    match end {
        ItemEnd::Done => ItemEnd::Left(format!("it was rebuilt and is well, but {left}")),
        ItemEnd::Left(why) => ItemEnd::Left(format!("{why}; {left}")),
        ItemEnd::Failed(why) => ItemEnd::Failed(format!("{why}; {left}")),
        ItemEnd::SetAside(why) => ItemEnd::SetAside(format!("{why}; {left}")),
    }
}
