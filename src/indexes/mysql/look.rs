//! What is there, and what stands in the way of a rebuild.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{anyhow, bail};
use chrono::{DateTime, Utc};
use mysql_async::Row;
use mysql_async::prelude::Queryable as _;

use super::tables::{self, About, Scope};
use super::waits::bare_table;
use super::{MARK, Mysql, is_definition, quoted, text, value};
use crate::indexes::disk;
use crate::indexes::index::{Index, Obstacle, Seen};
use crate::indexes::size::time;
use crate::sql::mysql::{Conn, Error, said};

/// From this age on, in seconds, a transaction is looked at as one that stays.
const OLD: u64 = 10;

/// Transactions of this age in seconds, with their sessions. A rebuild and a check by this program are transactions as well.
const OLD_TRANSACTIONS: &str = "
SELECT t.trx_mysql_thread_id AS NUMBER, TIMESTAMPDIFF(SECOND, t.trx_started, NOW()) AS AGE, p.USER, p.COMMAND, p.INFO
FROM information_schema.INNODB_TRX t
LEFT JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id
WHERE t.trx_started < NOW() - INTERVAL ? SECOND AND t.trx_mysql_thread_id <> CONNECTION_ID()
ORDER BY t.trx_started";

/// What is known of the server, and why nothing can be rebuilt there.
pub(super) async fn about(server: &Mysql, session: &mut Conn) -> anyhow::Result<(About, String, Option<String>)> {
    let statement = "SELECT VERSION() AS VERSION, @@innodb_page_size AS PAGE, @@datadir AS FOLDER, @@log_bin AS LOGS,
                            @@innodb_stats_auto_recalc AS RECOUNTS";
    let row: Option<Row> = session.query_first(statement).await.map_err(|error| server.refused(&error))?;
    let Some(row) = row else { bail!("{} does not say what it is", server.address) };
    let version = text(&row, "VERSION");
    let is_mariadb = version.contains("MariaDB");
    let about = About {
        is_mariadb,
        page: value(&row, "PAGE").unwrap_or(16384),
        recounts: value::<u64>(&row, "RECOUNTS") == Some(1),
    };
    let first = if is_mariadb { (10, 3) } else { (8, 0) };
    let cluster: Result<Option<(String, String)>, _> =
        session.query_first("SHOW GLOBAL VARIABLES LIKE 'wsrep_on'").await;
    let refusal = if number(&version) < first {
        Some(format!("this is {version}: indexes are rebuilt on MariaDB 10.3, MySQL 8.0, or later"))
    } else if cluster.is_ok_and(|found| found.is_some_and(|(_, is_on)| is_on == "ON")) {
        Some(
            "this is a member of a Galera cluster, where a rebuild would keep the writers of all members waiting"
                .to_owned(),
        )
    } else if value::<u64>(&row, "LOGS") == Some(1) {
        unlogged(server, session, is_mariadb).await
    } else {
        None
    };
    Ok((about, text(&row, "FOLDER"), refusal))
}

/// Keeps what the session does out of the binary log: replicas would do it after their primary, and stand still as long as that takes.
/// Gives why that cannot be.
async fn unlogged(server: &Mysql, session: &mut Conn, is_mariadb: bool) -> Option<String> {
    let refused = session.query_drop("SET SESSION sql_log_bin = 0").await.err()?;
    let right = if is_mariadb { "BINLOG ADMIN" } else { "SYSTEM_VARIABLES_ADMIN" };
    Some(format!(
        "'{}' may not keep a rebuild out of the binary log, and replicas would stand still as long as it takes: GRANT {right} ON *.* \
         ({})",
        server.place.user,
        said(&refused)
    ))
}

/// The two first numbers of a version.
fn number(version: &str) -> (u32, u32) {
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Looks.
pub(super) async fn look(server: &Mysql) -> anyhow::Result<Seen> {
    let mut session = server.session().await?;
    let (about, folder, refusal) = about(server, &mut session).await?;
    if !about.is_mariadb {
        // Otherwise it shows sizes of yesterday.
        let _ = session.query_drop("SET SESSION information_schema_stats_expiry = 0").await;
    }
    let scope = Scope { schema: server.place.database.clone(), table: None };
    let mut indexes = tables::read(&mut session, &scope, &about).await.map_err(|error| unreadable(server, &error))?;
    let (counted_since, uncounted) = match uses(&mut session).await {
        Ok((uses, since)) => {
            for index in &mut indexes {
                let of = (index.schema.clone(), bare_table(index).to_owned(), index.name.clone());
                index.scans = Some(uses.get(&of).copied().unwrap_or(0));
            }
            (since, None)
        }
        Err(why) => (None, Some(why)),
    };
    let refused = |error| unreadable(server, &error);
    let mut found = obstacles(&mut session, OLD).await.map_err(refused)?;
    found.extend(leftovers(&mut session, &about).await.map_err(refused)?);
    let free = disk::free(&server.place.host, &folder);
    Ok(Seen { indexes, counted_since, uncounted, obstacles: found, free, folder, refusal })
}

/// What is said where the server does not let somebody look.
fn unreadable(server: &Mysql, error: &Error) -> anyhow::Error {
    match error {
        Error::Server(refused) if [1044, 1142, 1143, 1227].contains(&refused.code) => anyhow!(
            "{}: '{}' may not see all that is needed: GRANT PROCESS ON *.* and GRANT SELECT ON mysql.* to this user ({})",
            server.address,
            server.place.user,
            said(error)
        ),
        _ => server.refused(error),
    }
}

/// How often an index was used, by its database, its table and its name.
type Uses = HashMap<(String, String, String), u64>;

/// How often each index was used since the server started; or why that is not known.
async fn uses(session: &mut Conn) -> Result<(Uses, Option<DateTime<Utc>>), String> {
    let unread = |error: Error| format!("performance_schema cannot be read ({})", said(&error));
    let is_on: Option<u64> = session.query_first("SELECT @@performance_schema").await.map_err(unread)?;
    if is_on != Some(1) {
        return Err("performance_schema is off".to_owned());
    }
    let counts = "SELECT (SELECT COUNT(*) FROM performance_schema.setup_instruments
                          WHERE NAME = 'wait/io/table/sql/handler' AND ENABLED = 'YES')
                       * (SELECT COUNT(*) FROM performance_schema.setup_consumers
                          WHERE NAME = 'global_instrumentation' AND ENABLED = 'YES')";
    let counts: Option<u64> = session.query_first(counts).await.map_err(unread)?;
    if counts != Some(1) {
        return Err(
            "performance_schema does not count the uses of tables (wait/io/table/sql/handler is disabled)".to_owned()
        );
    }
    let lost: Vec<(String, u64)> =
        session.query("SHOW GLOBAL STATUS LIKE 'Performance\\_schema\\_%\\_lost'").await.map_err(unread)?;
    let is_lost = |(name, lost): &(String, u64)| {
        *lost > 0 && ["_table_handles_", "_table_instances_", "_index_stat_"].iter().any(|what| name.contains(what))
    };
    if lost.iter().any(is_lost) {
        return Err("performance_schema had no room for all tables".to_owned());
    }
    let uses = "SELECT OBJECT_SCHEMA, OBJECT_NAME, INDEX_NAME, COUNT_STAR
                FROM performance_schema.table_io_waits_summary_by_index_usage WHERE INDEX_NAME IS NOT NULL";
    let uses: Vec<(String, String, String, u64)> = session.query(uses).await.map_err(unread)?;
    let uses = uses.into_iter().map(|(schema, table, index, count)| ((schema, table, index), count)).collect();
    let uptime: Option<(String, i64)> =
        session.query_first("SHOW GLOBAL STATUS LIKE 'Uptime'").await.map_err(unread)?;
    let now: Option<i64> = session.query_first("SELECT UNIX_TIMESTAMP()").await.map_err(unread)?;
    let since = now.zip(uptime).and_then(|(now, (_, uptime))| DateTime::from_timestamp(now - uptime, 0));
    Ok((uses, since))
}

/// Who holds up a rebuild: transactions that are this old, in seconds. Which tables they have used the server does not say; and one that
/// has a snapshot, as a dump has, would find a rebuilt table changed (error 1412), even where it has not used it yet.
pub(super) async fn obstacles(session: &mut Conn, age: u64) -> Result<Vec<Obstacle>, Error> {
    let rows: Vec<Row> = session.exec(OLD_TRANSACTIONS, (age,)).await?;
    let is_other = |row: &&Row| {
        let statement = text(row, "INFO");
        !statement.contains(MARK) && !is_definition(&statement)
    };
    let of = |row: &Row| {
        let age = time(Duration::from_secs(value(row, "AGE").unwrap_or(0)));
        match value::<u64>(row, "NUMBER").unwrap_or(0) {
            0 => Obstacle {
                who: format!("a prepared XA transaction is open for {age}"),
                way_out: "XA RECOVER names it, and XA COMMIT or XA ROLLBACK ends it".to_owned(),
                stops: true,
            },
            number => {
                let state = if text(row, "COMMAND") == "Sleep" { "idle in transaction" } else { "active" };
                Obstacle {
                    who: format!("session {number} ({}, {state}) has a transaction open for {age}", text(row, "USER")),
                    way_out: format!("KILL {number}"),
                    stops: true,
                }
            }
        }
    };
    Ok(rows.iter().filter(is_other).map(of).collect())
}

/// What a server that crashed within an `ALTER TABLE` left; `MariaDB` removes it when it starts, since 10.6.
async fn leftovers(session: &mut Conn, about: &About) -> Result<Vec<Obstacle>, Error> {
    let of = if about.is_mariadb { "INNODB_SYS_TABLES" } else { "INNODB_TABLES" };
    let found = format!("SELECT NAME FROM information_schema.{of} WHERE NAME LIKE '%/#sql%'");
    let found: Vec<String> = session.query(found).await?;
    let statements: Vec<String> =
        session.query("SELECT INFO FROM information_schema.PROCESSLIST WHERE INFO IS NOT NULL").await?;
    if statements.iter().any(|statement| is_definition(statement)) {
        return Ok(Vec::new());
    }
    Ok(found.iter().filter_map(|name| leftover(name)).collect())
}

/// What a table that a crash left is called: `shop/#sql-alter-1-2`.
fn leftover(name: &str) -> Option<Obstacle> {
    let (schema, table) = name.split_once('/').filter(|(_, table)| table.starts_with("#sql"))?;
    Some(Obstacle {
        who: format!("table '{table}' in {schema} was left by an ALTER TABLE that a crash ended"),
        way_out: format!("DROP TABLE {}.{}", quoted(schema), quoted(&format!("#mysql50#{table}"))),
        stops: false,
    })
}

/// The index, as it is now; none where it is gone.
pub(super) async fn again(session: &mut Conn, about: &About, index: &Index) -> Result<Option<Index>, Error> {
    let scope = Scope { schema: Some(index.schema.clone()), table: Some(bare_table(index).to_owned()) };
    let found = tables::read(session, &scope, about).await?;
    Ok(found.into_iter().find(|one| one.name == index.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_crash_left_is_named_with_what_removes_it() {
        let found = leftover("shop/#sql-ib12-3").expect("a leftover");
        assert_eq!((found.way_out.as_str(), found.stops), ("DROP TABLE `shop`.`#mysql50##sql-ib12-3`", false));
        assert_eq!(["shop/orders", "#sql", "shop/a#sql"].map(leftover), [None, None, None]);
    }

    #[test]
    fn a_version_is_compared_by_its_numbers() {
        let numbers = ["10.11.6-MariaDB-0+deb12u1", "8.0.36", "5.7", "?"].map(number);
        assert_eq!(numbers, [(10, 11), (8, 0), (5, 7), (0, 0)]);
        assert!(number("10.11.6") > number("10.3.0") && number("5.6.51") < (5, 7));
    }
}
