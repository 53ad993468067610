//! `MariaDB` and `MySQL`. Cells are what the server writes as text, with the types of its answer.

use async_trait::async_trait;
use chrono::FixedOffset;
use mysql_async::consts::{ColumnFlags, ColumnType};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Error, Value};

use super::kind::local;
use super::statements::split;
use super::{Answer, Cell, Column, Kind, Rows, Trouble, listed, of_types, quoted};
use crate::http::Trust;
use crate::sql::Place;
use crate::sql::mysql::{connect, said};
use crate::words::hexadecimal;

/// The character set of what is no text.
const BINARY: u16 = 63;

/// How long a statement that adds rows grows, in bytes: every server takes a megabyte.
const LONGEST: usize = 256 * 1024;

/// Wrong values are refused and not made to fit, zeros are zeros, and a backslash is one.
const EXACT: &str = "SET time_zone = '+00:00', sql_mode = CONCAT(@@sql_mode, \
                     ',STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_BACKSLASH_ESCAPES')";

pub(super) struct Database {
    connection: Conn,
    address: String,
    /// The zone in which the server writes instants, where that is one of a fixed distance from UTC.
    zone: Option<FixedOffset>,
}

/// How cells of a column are read.
struct Read {
    kind: Kind,
    is_bits: bool,
}

impl Read {
    fn of(column: &mysql_async::Column) -> Self {
        use ColumnType as T;
        let is_binary = column.character_set() == BINARY;
        let kind = match column.column_type() {
            T::MYSQL_TYPE_TINY
            | T::MYSQL_TYPE_SHORT
            | T::MYSQL_TYPE_INT24
            | T::MYSQL_TYPE_LONG
            | T::MYSQL_TYPE_LONGLONG
            | T::MYSQL_TYPE_FLOAT
            | T::MYSQL_TYPE_DOUBLE
            | T::MYSQL_TYPE_DECIMAL
            | T::MYSQL_TYPE_NEWDECIMAL
            | T::MYSQL_TYPE_BIT
            | T::MYSQL_TYPE_YEAR => Kind::Number,
            T::MYSQL_TYPE_DATE | T::MYSQL_TYPE_NEWDATE => Kind::Date,
            T::MYSQL_TYPE_DATETIME | T::MYSQL_TYPE_DATETIME2 => Kind::Local,
            T::MYSQL_TYPE_TIMESTAMP | T::MYSQL_TYPE_TIMESTAMP2 => Kind::Instant,
            T::MYSQL_TYPE_JSON => Kind::Json,
            T::MYSQL_TYPE_TIME | T::MYSQL_TYPE_TIME2 | T::MYSQL_TYPE_NULL => Kind::Text,
            // Names and the like are of no character set where they are made up by the server.
            _ if is_binary && column.flags().contains(ColumnFlags::BINARY_FLAG) => Kind::Bytes,
            _ => Kind::Text,
        };
        Self { kind, is_bits: column.column_type() == T::MYSQL_TYPE_BIT }
    }

    fn cell(&self, value: Value, zone: Option<FixedOffset>) -> Cell {
        let bytes = match value {
            Value::NULL => return Cell::Null,
            Value::Bytes(bytes) => bytes,
            other => other.as_sql(true).trim_matches('\'').as_bytes().to_vec(),
        };
        if self.is_bits && bytes.len() <= 8 {
            return Cell::Number(bytes.iter().fold(0_u64, |all, byte| all << 8 | u64::from(*byte)).to_string());
        }
        if self.kind == Kind::Bytes {
            return Cell::Bytes(bytes);
        }
        match (String::from_utf8(bytes), &self.kind) {
            (Err(error), _) => Cell::Bytes(error.into_bytes()),
            (Ok(text), Kind::Instant) => match (local(&text), zone) {
                (Some(time), Some(zone)) => {
                    time.and_local_timezone(zone).single().map_or(Cell::Local(time), Cell::Instant)
                }
                (Some(time), None) => Cell::Local(time),
                (None, _) => Cell::Text(text),
            },
            (Ok(text), kind) => kind.cell(&text),
        }
    }
}

/// A distance from UTC, as the server names its zone: `+02:00`, `UTC`; none of a zone whose distance changes.
fn fixed(zone: &str) -> Option<FixedOffset> {
    if matches!(zone, "UTC" | "GMT" | "Etc/UTC") {
        return FixedOffset::east_opt(0);
    }
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let seconds = 3600 * hours.parse::<i32>().ok()? + 60 * minutes.parse::<i32>().ok()?;
    match &zone[..1] {
        "+" => FixedOffset::east_opt(seconds),
        "-" => FixedOffset::west_opt(seconds),
        _ => None,
    }
}

impl Database {
    pub(super) async fn open(place: &Place, trust: &Trust, application: &str) -> Result<Self, Trouble> {
        let connection = connect(place, trust, application).await;
        let connection = connection.map_err(|error| Trouble::Unreachable(format!("{error:#}")))?;
        let mut database = Self { connection, address: place.to_string(), zone: None };
        let question = "SELECT IF(@@session.time_zone = 'SYSTEM', @@system_time_zone, @@session.time_zone)";
        let zone: Result<Option<String>, Error> = database.connection.query_first(question).await;
        database.zone = fixed(&zone.map_err(|error| trouble(&database.address, &error))?.unwrap_or_default());
        Ok(database)
    }

    async fn execute(&mut self, statement: &str) -> Result<(), Trouble> {
        self.connection.query_drop(statement).await.map_err(|error| trouble(&self.address, &error))
    }

    async fn exact(&mut self) -> Result<(), Trouble> {
        self.zone = FixedOffset::east_opt(0);
        self.execute(EXACT).await
    }
}

/// What became of a statement. The server's own words name the line, where it knows it.
fn trouble(address: &str, error: &Error) -> Trouble {
    match error {
        Error::Server(_) => Trouble::Refused(format!("{address}: {}", said(error))),
        _ => Trouble::Unreachable(format!("{address} was lost: {}", said(error))),
    }
}

#[async_trait]
impl super::Database for Database {
    async fn run(&mut self, statements: &str) -> Result<Answer, Trouble> {
        let Self { connection, address, zone } = self;
        let several = split(statements, true);
        let refused = |error: Error, done: usize| match trouble(address, &error) {
            Trouble::Refused(why) if several.len() > 1 => Trouble::Refused(format!("{why}, in statement {}", done + 1)),
            trouble => trouble,
        };
        // A comment behind the last one would be a statement of its own.
        let end = several
            .last()
            .map_or(statements.len(), |last| last.as_ptr().addr() - statements.as_ptr().addr() + last.len());
        let mut answer = connection.query_iter(&statements[..end]).await.map_err(|error| refused(error, 0))?;
        let (mut came, mut done) = (Answer::Changed(0), 0);
        while let Some(columns) = answer.columns() {
            if columns.is_empty() {
                came = Answer::Changed(answer.affected_rows());
                // This steps on to the next statement, if there is one.
                answer.next().await.map_err(|error| refused(error, done))?;
            } else {
                let reads: Vec<Read> = columns.iter().map(Read::of).collect();
                let names = columns.iter().map(|column| column.name_str().into_owned()).collect();
                let mut rows = Vec::new();
                while let Some(row) = answer.next().await.map_err(|error| refused(error, done))? {
                    let cells = row.unwrap().into_iter().zip(&reads);
                    rows.push(cells.map(|(value, read)| read.cell(value, *zone)).collect());
                }
                came = Answer::Rows(names, rows);
            }
            done += 1;
        }
        // That the next one was refused is said only now.
        answer.drop_result().await.map_err(|error| refused(error, done))?;
        self.execute("COMMIT").await?;
        Ok(came)
    }

    async fn columns(&mut self, table: &str) -> Result<Vec<Column>, Trouble> {
        let name = quoted(table, '`');
        let address = self.address.clone();
        let refused = |error: Error| match &error {
            Error::Server(refusal) if refusal.code == 1146 => {
                Trouble::Refused(format!("{address}: there is no table {table}"))
            }
            error => trouble(&address, error),
        };
        let answer = self.connection.query_iter(format!("SELECT * FROM {name} LIMIT 0")).await.map_err(&refused)?;
        let reads: Vec<(String, Kind)> = answer.columns().map_or_else(Vec::new, |columns| {
            columns.iter().map(|column| (column.name_str().into_owned(), Read::of(column).kind)).collect()
        });
        answer.drop_result().await.map_err(&refused)?;
        let shown: Vec<mysql_async::Row> =
            self.connection.query(format!("SHOW COLUMNS FROM {name}")).await.map_err(&refused)?;
        let column = |((name, kind), row): ((String, Kind), &mysql_async::Row)| Column {
            name,
            kind,
            typed: row.get("Type").unwrap_or_default(),
            is_key: row.get::<String, _>("Key").as_deref() == Some("PRI"),
        };
        Ok(reads.into_iter().zip(&shown).map(column).collect())
    }

    async fn read(
        &mut self,
        table: &str,
        columns: &[Column],
        see: &mut (dyn FnMut(Vec<Cell>) + Send),
    ) -> Result<(), Trouble> {
        self.exact().await?;
        let (zone, address) = (self.zone, self.address.clone());
        let statement = format!("SELECT {} FROM {}", listed(columns, '`'), quoted(table, '`'));
        let answer = self.connection.query_iter(statement).await;
        let mut answer = answer.map_err(|error| trouble(&address, &error))?;
        let reads: Vec<Read> = answer.columns().map_or_else(Vec::new, |columns| columns.iter().map(Read::of).collect());
        while let Some(row) = answer.next().await.map_err(|error| trouble(&address, &error))? {
            see(row.unwrap().into_iter().zip(&reads).map(|(value, read)| read.cell(value, zone)).collect());
        }
        Ok(())
    }

    async fn fill(&mut self, table: &str, columns: &[Column], rows: &mut Rows<'_>) -> Result<u64, Trouble> {
        self.exact().await?;
        self.execute("START TRANSACTION").await?;
        let insert = format!("INSERT INTO {} ({}) VALUES ", quoted(table, '`'), listed(columns, '`'));
        let (mut statement, mut count, mut held) = (insert.clone(), 0, 0_u64);
        for row in rows {
            let row = row.map_err(Trouble::Input)?;
            statement.push_str(if held == 0 { "(" } else { ",(" });
            for (at, (cell, column)) in row.iter().zip(columns).enumerate() {
                if at > 0 {
                    statement.push(',');
                }
                written(cell.as_deref(), &column.kind, &mut statement);
            }
            statement.push(')');
            held += 1;
            if statement.len() >= LONGEST {
                self.rows(&statement, count).await?;
                statement.truncate(insert.len());
                (count, held) = (count + held, 0);
            }
        }
        if held > 0 {
            self.rows(&statement, count).await?;
        }
        self.execute("COMMIT").await?;
        Ok(count + held)
    }

    async fn types(&mut self, types: &[String]) -> Result<Vec<String>, Trouble> {
        let columns = of_types(types);
        self.execute(&format!("CREATE TEMPORARY TABLE firebreak_types ({columns})")).await?;
        let found = self.columns("firebreak_types").await;
        self.execute("DROP TEMPORARY TABLE firebreak_types").await?;
        Ok(found?.into_iter().map(|column| column.typed).collect())
    }
}

impl Database {
    /// Adds rows, of which the first is the one behind so many; the server counts from 1 those of this statement alone.
    async fn rows(&mut self, statement: &str, before: u64) -> Result<(), Trouble> {
        match self.execute(statement).await {
            Err(Trouble::Refused(why)) if before > 0 => {
                Err(Trouble::Refused(format!("{why}; rows are counted from the {}th of the file", before + 1)))
            }
            ended => ended,
        }
    }
}

/// A cell as a statement has it.
fn written(cell: Option<&str>, kind: &Kind, statement: &mut String) {
    let Some(text) = cell else { return statement.push_str("NULL") };
    match (kind, kind.cell(text)) {
        (Kind::Number, Cell::Number(number)) => statement.push_str(&number),
        (Kind::Number, _) if text.trim().eq_ignore_ascii_case("true") => statement.push('1'),
        (Kind::Number, _) if text.trim().eq_ignore_ascii_case("false") => statement.push('0'),
        (Kind::Bytes, Cell::Bytes(bytes)) => {
            statement.push_str("x'");
            statement.push_str(&hexadecimal(&bytes));
            statement.push('\'');
        }
        (Kind::Instant, Cell::Instant(at)) => {
            statement.push_str(&at.to_utc().format("'%Y-%m-%d %H:%M:%S%.6f'").to_string());
        }
        _ => {
            statement.push('\'');
            statement.push_str(&text.replace('\'', "''"));
            statement.push('\'');
        }
    }
}
