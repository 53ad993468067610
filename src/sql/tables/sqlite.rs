//! `SQLite`, on a thread of its own since it has no other way than to wait. A cell has the type that it was stored with, and what the
//! column is declared as where that says more.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::types::ValueRef;
use rusqlite::{Batch, Connection, Error, ErrorCode, InterruptHandle, OpenFlags, Statement};
use tokio::sync::mpsc;

use super::{Answer, Cell, Column, Kind, Rows, Trouble, listed, quoted, spot};

/// How long somebody else's lock is waited for.
const LOCKED: Duration = Duration::from_secs(15);

/// So many rows are handed on at a time.
const BATCH: usize = 256;

pub(super) struct Database {
    connection: Arc<Mutex<Connection>>,
    interrupt: Arc<InterruptHandle>,
    address: String,
}

/// Ends what a thread is at when nobody waits for it any more.
struct Cut(Option<Arc<InterruptHandle>>);

impl Drop for Cut {
    fn drop(&mut self) {
        if let Some(interrupt) = &self.0 {
            interrupt.interrupt();
        }
    }
}

impl Database {
    pub(super) async fn open(file: &Path, make: bool) -> Result<Self, Trouble> {
        let (file, address) = (file.to_owned(), file.display().to_string());
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if make {
            flags |= OpenFlags::SQLITE_OPEN_CREATE;
        }
        let opened = tokio::task::spawn_blocking(move || {
            let connection = Connection::open_with_flags(&file, flags)?;
            connection.busy_timeout(LOCKED)?;
            // As every other program has it; whoever wants them on says so.
            connection.execute_batch("PRAGMA foreign_keys = off")?;
            // Whether it is a database shows only when it is read.
            connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
            Ok(connection)
        });
        let opened: Result<Connection, Error> = opened.await.unwrap_or(Err(Error::InvalidQuery));
        let connection =
            opened.map_err(|error| Trouble::Unreachable(format!("failed to open {address}: {}", said(&error))))?;
        let interrupt = Arc::new(connection.get_interrupt_handle());
        Ok(Self { connection: Arc::new(Mutex::new(connection)), interrupt, address })
    }

    /// Does something on a thread that may wait; it is cut off when the caller is.
    async fn on_thread<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Connection, &str) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let (connection, address) = (Arc::clone(&self.connection), self.address.clone());
        let mut cut = Cut(Some(Arc::clone(&self.interrupt)));
        let thread = tokio::task::spawn_blocking(move || {
            act(&connection.lock().unwrap_or_else(PoisonError::into_inner), &address)
        });
        let ended = thread.await;
        cut.0 = None;
        ended.unwrap_or_else(|_| Err(Trouble::Unreachable(format!("{} broke off", self.address))))
    }
}

/// In `SQLite`'s own words.
fn said(error: &Error) -> String {
    match error {
        Error::SqlInputError { msg, .. } | Error::SqliteFailure(_, Some(msg)) => msg.clone(),
        Error::SqliteFailure(code, None) => code.to_string(),
        other => other.to_string(),
    }
}

fn trouble(address: &str, error: &Error, statements: &str) -> Trouble {
    let mut why = format!("{address}: {}", said(error));
    if let Error::SqlInputError { sql, offset, .. } = error
        && let Ok(offset) = usize::try_from(*offset)
    {
        // What is left of the statements ends where they end.
        let before = statements.len().saturating_sub(sql.len()) + offset;
        let position = statements.get(..before).map_or(0, |text| text.chars().count());
        why = format!("{why}, at {}", spot(statements, position + 1));
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen | ErrorCode::NotADatabase | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Trouble::Unreachable(why)
        }
        _ => Trouble::Refused(why),
    }
}

/// The kind of what is declared, by the rules of `SQLite`'s affinities and the names in common use.
fn kind(declared: &str) -> Kind {
    let declared = declared.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    if has(&["BOOL"]) {
        Kind::Bool
    } else if has(&["DATETIME", "TIMESTAMP"]) {
        Kind::Local
    } else if has(&["DATE"]) {
        Kind::Date
    } else if has(&["JSON"]) {
        Kind::Json
    } else if has(&["CHAR", "CLOB", "TEXT"]) {
        Kind::Text
    } else if has(&["BLOB"]) {
        Kind::Bytes
    } else if has(&["INT", "REAL", "FLOA", "DOUB", "NUM", "DEC", "SERIAL"]) {
        Kind::Number
    } else {
        Kind::Text
    }
}

fn cell(kind: &Kind, value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number @ (0 | 1)) if *kind == Kind::Bool => Cell::Bool(number == 1),
        ValueRef::Integer(number) => Cell::Number(number.to_string()),
        ValueRef::Real(number) => Kind::Number.cell(&format!("{number:?}")),
        ValueRef::Text(text) => match (std::str::from_utf8(text), kind) {
            (Ok(text), Kind::Local | Kind::Date | Kind::Json) => kind.cell(text),
            (Ok(text), _) => Cell::Text(text.to_owned()),
            (Err(_), _) => Cell::Bytes(text.to_vec()),
        },
        ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
    }
}

/// Shows each row of a statement's answer; until nobody wants more.
fn each(statement: &mut Statement<'_>, see: &mut dyn FnMut(Vec<Cell>) -> bool) -> Result<(), Error> {
    let kinds: Vec<Kind> = statement.columns().map(|column| column.decl_type().map_or(Kind::Text, kind)).collect();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        let cells = kinds.iter().enumerate().map(|(at, kind)| row.get_ref(at).map(|value| cell(kind, value)));
        if !see(cells.collect::<Result<_, _>>()?) {
            break;
        }
    }
    Ok(())
}

fn run(connection: &Connection, statements: &str) -> Result<Answer, Error> {
    let mut came = Answer::Changed(0);
    let mut batch = Batch::new(connection, statements);
    while let Some(mut statement) = batch.next()? {
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        if names.is_empty() {
            let before = connection.total_changes();
            statement.raw_execute()?;
            came = Answer::Changed(connection.total_changes() - before);
        } else {
            let mut rows = Vec::new();
            each(&mut statement, &mut |row| {
                rows.push(row);
                true
            })?;
            came = Answer::Rows(names, rows);
        }
    }
    if !connection.is_autocommit() {
        connection.execute_batch("COMMIT")?;
    }
    Ok(came)
}

fn columns(connection: &Connection, table: &str) -> Result<Vec<Column>, Error> {
    let (schema, name) = table.split_once('.').map_or((None, table), |(schema, name)| (Some(schema), name));
    let mut statement = connection.prepare("SELECT name, type, pk FROM pragma_table_info(?1, ?2)")?;
    let column = |row: &rusqlite::Row<'_>| {
        let typed: String = row.get(1)?;
        Ok(Column { name: row.get(0)?, kind: kind(&typed), typed, is_key: row.get::<_, i64>(2)? > 0 })
    };
    statement.query_map((name, schema), column)?.collect()
}

/// A cell as it is stored: what its column is declared as does the rest.
fn bound(cell: Option<String>, kind: &Kind) -> rusqlite::types::Value {
    use rusqlite::types::Value;
    let Some(text) = cell else { return Value::Null };
    match (kind, kind.cell(&text)) {
        (Kind::Bool, Cell::Bool(is)) => Value::Integer(i64::from(is)),
        (Kind::Bytes, Cell::Bytes(bytes)) => Value::Blob(bytes),
        _ => Value::Text(text),
    }
}

#[async_trait]
impl super::Database for Database {
    async fn run(&mut self, statements: &str) -> Result<Answer, Trouble> {
        let statements = statements.to_owned();
        self.on_thread(move |connection, address| {
            run(connection, &statements).map_err(|error| trouble(address, &error, &statements))
        })
        .await
    }

    async fn columns(&mut self, table: &str) -> Result<Vec<Column>, Trouble> {
        let table = table.to_owned();
        self.on_thread(move |connection, address| {
            let found = columns(connection, &table).map_err(|error| trouble(address, &error, ""))?;
            let none = || Trouble::Refused(format!("{address}: there is no table {table}"));
            if found.is_empty() { Err(none()) } else { Ok(found) }
        })
        .await
    }

    async fn read(
        &mut self,
        table: &str,
        columns: &[Column],
        see: &mut (dyn FnMut(Vec<Cell>) + Send),
    ) -> Result<(), Trouble> {
        let statement = format!("SELECT {} FROM {}", listed(columns, '"'), quoted(table, '"'));
        let (sender, mut receiver) = mpsc::channel::<Vec<Vec<Cell>>>(4);
        let reading = self.on_thread(move |connection, address| {
            let mut rows = Vec::with_capacity(BATCH);
            let read = connection.prepare(&statement).and_then(|mut prepared| {
                each(&mut prepared, &mut |row| {
                    rows.push(row);
                    rows.len() < BATCH || sender.blocking_send(std::mem::take(&mut rows)).is_ok()
                })
            });
            let _ = sender.blocking_send(rows);
            read.map_err(|error| trouble(address, &error, &statement))
        });
        let showing = async {
            while let Some(rows) = receiver.recv().await {
                rows.into_iter().for_each(&mut *see);
            }
        };
        tokio::join!(reading, showing).0
    }

    async fn fill(&mut self, table: &str, columns: &[Column], rows: &mut Rows<'_>) -> Result<u64, Trouble> {
        let marks = vec!["?"; columns.len()].join(", ");
        let statement = format!("INSERT INTO {} ({}) VALUES ({marks})", quoted(table, '"'), listed(columns, '"'));
        let kinds: Vec<Kind> = columns.iter().map(|column| column.kind.clone()).collect();
        let (sender, mut receiver) = mpsc::channel::<Option<Vec<Vec<Option<String>>>>>(4);
        let filling = self.on_thread(move |connection, address| {
            let mut count = 0;
            let mut is_whole = false;
            let mut fill = || {
                let transaction = connection.unchecked_transaction()?;
                {
                    let mut prepared = connection.prepare(&statement)?;
                    while let Some(rows) = receiver.blocking_recv() {
                        let Some(rows) = rows else {
                            is_whole = true;
                            break;
                        };
                        for row in rows {
                            count += 1;
                            let cells = row.into_iter().zip(&kinds).map(|(cell, kind)| bound(cell, kind));
                            prepared.execute(rusqlite::params_from_iter(cells))?;
                        }
                    }
                }
                if is_whole { transaction.commit() } else { transaction.rollback() }
            };
            let filled = fill();
            match filled.map_err(|error| trouble(address, &error, &statement)) {
                Err(Trouble::Refused(why)) if count > 0 => Err(Trouble::Refused(format!("{why}, in row {count}"))),
                ended => ended.map(|()| count),
            }
        });
        // It owns the sender, whose end is the end of the thread.
        let sending = async move {
            let mut held = Vec::with_capacity(BATCH);
            for row in rows {
                held.push(row.map_err(Trouble::Input)?);
                // Why no more is taken, the thread says.
                if held.len() == BATCH && sender.send(Some(std::mem::take(&mut held))).await.is_err() {
                    return Ok(());
                }
            }
            let _ = sender.send(Some(held)).await;
            let _ = sender.send(None).await;
            Ok::<(), Trouble>(())
        };
        let (filled, sent) = tokio::join!(filling, sending);
        sent.and(filled)
    }

    async fn types(&mut self, types: &[String]) -> Result<Vec<String>, Trouble> {
        let written = |name: &String| name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        Ok(types.iter().map(written).collect())
    }
}
