//! Who waits because of a rebuild. It has the whole table for a moment at its beginning and at its end, and waits for whoever has it then;
//! everybody who comes later waits behind it, as behind any other session that wants the whole table while it is rebuilt.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use mysql_async::Row;
use mysql_async::prelude::Queryable as _;

use super::{is_definition, text, value};
use crate::indexes::index::Index;
use crate::sql::mysql::{Conn, Error};
use crate::watch::Progress;

/// Looks at one session's rebuild from another.
pub(super) struct Lookout {
    session: Conn,
    /// The session that rebuilds.
    number: u32,
    is_mariadb: bool,
    schema: String,
    table: String,
    /// Since when each that waits was seen waiting.
    seen: HashMap<u64, Instant>,
}

/// A reader or writer that waits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wait {
    pub number: u64,
    pub time: Duration,
}

impl Lookout {
    pub(super) fn new(session: Conn, number: u32, is_mariadb: bool, index: &Index) -> Self {
        let (schema, table) = (index.schema.clone(), bare_table(index).to_owned());
        Self { session, number, is_mariadb, schema, table, seen: HashMap::new() }
    }

    /// The reader or writer that waits longest; none where nobody does. Whose lock a session waits for the list of processes does not
    /// say: those of the same database count, and those whose statement names the table.
    pub(super) async fn longest(&mut self) -> Result<Option<Wait>, Error> {
        let waiting = "SELECT ID, INFO FROM information_schema.PROCESSLIST
                       WHERE STATE LIKE 'Waiting for table%lock' AND ID <> ? AND (DB = ? OR LOCATE(?, INFO) > 0)";
        let rows: Vec<Row> = self.session.exec(waiting, (self.number, &self.schema, &self.table)).await?;
        let now = Instant::now();
        let readers = rows.iter().filter(|row| !is_definition(&text(row, "INFO")));
        let numbers: HashSet<u64> = readers.filter_map(|row| value(row, "ID")).collect();
        self.seen.retain(|number, _| numbers.contains(number));
        let waits = numbers.into_iter().map(|number| {
            // The server tells only how long the statement runs.
            let first = *self.seen.entry(number).or_insert(now);
            Wait { number, time: now - first }
        });
        Ok(waits.max_by_key(|wait| wait.time))
    }

    /// How far it has come; none where the server does not say. `MariaDB` counts for the server as a whole.
    pub(super) async fn progress(&mut self) -> Result<Option<Progress>, Error> {
        if self.is_mariadb {
            let state = "SELECT p.STATE, CAST(v.VARIABLE_VALUE AS UNSIGNED) AS DONE
                         FROM information_schema.PROCESSLIST p
                         JOIN information_schema.GLOBAL_STATUS v ON v.VARIABLE_NAME = 'INNODB_ONLINEDDL_PCT_PROGRESS'
                         WHERE p.ID = ?";
            let row: Option<Row> = self.session.exec_first(state, (self.number,)).await?;
            let of = |row: Row| Progress {
                done: value::<u64>(&row, "DONE").unwrap_or(0) / 100,
                total: 100,
                note: format!("%, {}", text(&row, "STATE").to_lowercase()),
            };
            return Ok(row.map(of));
        }
        let stage =
            "SELECT s.EVENT_NAME, s.WORK_COMPLETED, s.WORK_ESTIMATED FROM performance_schema.events_stages_current s
                     JOIN performance_schema.threads t ON t.THREAD_ID = s.THREAD_ID WHERE t.PROCESSLIST_ID = ?";
        let row: Option<Row> = self.session.exec_first(stage, (self.number,)).await?;
        Ok(row.map(|row| Progress {
            done: value(&row, "WORK_COMPLETED").unwrap_or(0),
            total: value(&row, "WORK_ESTIMATED").unwrap_or(0),
            note: text(&row, "EVENT_NAME").trim_start_matches("stage/").to_owned(),
        }))
    }

    /// Has the server break the statement off.
    pub(super) async fn cancel(&mut self) -> Result<(), Error> {
        self.session.query_drop(format!("KILL QUERY {}", self.number)).await
    }
}

/// The table of an index, without its database.
pub(super) fn bare_table(index: &Index) -> &str {
    index.table.strip_prefix(&index.schema).and_then(|rest| rest.strip_prefix('.')).unwrap_or(&index.table)
}
