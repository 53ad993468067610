//! PostgreSQL. Cells are what the server writes as text, and their types what it says of the statement: so no number is a binary fraction
//! on the way, and what has no kind of its own is as the server shows it.

use std::fmt::Write as _;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, pin_mut};
use tokio_postgres::error::ErrorPosition;
use tokio_postgres::types::{Kind as Sort, Type};
use tokio_postgres::{Client, Error, SimpleQueryMessage};

use super::kind::as_array;
use super::statements::split;
use super::{Answer, Cell, Column, Kind, Rows, Trouble, listed, of_types, quoted, spot};
use crate::http::Trust;
use crate::sql::Place;
use crate::sql::postgres::{connect, said};

/// How the server is to write values, whatever is set for the user.
const FORMAT: &str =
    "SET datestyle = 'ISO'; SET intervalstyle = 'postgres'; SET bytea_output = 'hex'; SET extra_float_digits = 1";

/// What makes two readings of a table alike: its rows in the order in which they lie, and times without a zone in UTC.
const STEADY: &str = "SET timezone = 'UTC'; SET max_parallel_workers_per_gather = 0; SET synchronize_seqscans = off";

/// So many bytes are sent at a time.
const CHUNK: usize = 64 * 1024;

pub(super) struct Database {
    client: Client,
    address: String,
}

impl Database {
    pub(super) async fn open(place: &Place, trust: &Trust, application: &str) -> Result<Self, Trouble> {
        let client = connect(place, trust, application).await;
        let client = client.map_err(|error| Trouble::Unreachable(format!("{error:#}")))?;
        let database = Self { client, address: place.to_string() };
        database.execute(FORMAT).await?;
        Ok(database)
    }

    async fn execute(&self, statements: &str) -> Result<(), Trouble> {
        self.client.batch_execute(statements).await.map_err(|error| self.trouble(&error, statements))
    }

    /// What became of statements, in the server's words.
    fn trouble(&self, error: &Error, statements: &str) -> Trouble {
        let Some(refusal) = error.as_db_error() else {
            return Trouble::Unreachable(format!("{} was lost: {}", self.address, said(error)));
        };
        let mut why = format!("{}: {}", self.address, said(error));
        if let Some(ErrorPosition::Original(position)) = refusal.position() {
            let _ = write!(why, ", at {}", spot(statements, usize::try_from(*position).unwrap_or(1)));
        }
        // Of a text that is copied in it says the line and the column.
        if let Some(place) = refusal.where_().filter(|_| refusal.position().is_none()) {
            let _ = write!(why, ", at {}", place.lines().next().unwrap_or_default());
        }
        Trouble::Refused(why)
    }

    /// The columns of what a statement answers; none where it answers no rows.
    async fn described(&self, statement: &str) -> Result<Vec<(String, Kind)>, Error> {
        let described = self.client.prepare(statement).await?;
        Ok(described.columns().iter().map(|column| (column.name().to_owned(), kind(column.type_()))).collect())
    }
}

/// The kind of a type.
fn kind(of: &Type) -> Kind {
    match of.kind() {
        Sort::Array(item) => return Kind::List(Box::new(kind(item))),
        Sort::Domain(base) => return kind(base),
        _ => {}
    }
    match *of {
        Type::BOOL => Kind::Bool,
        Type::INT2 | Type::INT4 | Type::INT8 | Type::OID | Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC => Kind::Number,
        Type::BYTEA => Kind::Bytes,
        Type::DATE => Kind::Date,
        Type::TIMESTAMP => Kind::Local,
        Type::TIMESTAMPTZ => Kind::Instant,
        Type::JSON | Type::JSONB => Kind::Json,
        _ => Kind::Text,
    }
}

fn cell(kind: Option<&Kind>, text: Option<&str>) -> Cell {
    text.map_or(Cell::Null, |text| kind.unwrap_or(&Kind::Text).cell(text))
}

#[async_trait]
impl super::Database for Database {
    async fn run(&mut self, statements: &str) -> Result<Answer, Trouble> {
        let several = split(statements, false);
        let mut columns = Vec::new();
        if let [_] = several[..] {
            let described = self.described(statements).await;
            columns = described.map_err(|error| self.trouble(&error, statements))?;
        }
        let mut named: Vec<String> = Vec::new();
        let (mut rows, mut changed, mut has_rows) = (Vec::new(), 0, false);
        {
            let answer = self.client.simple_query_raw(statements).await;
            let answer = answer.map_err(|error| self.trouble(&error, statements))?;
            pin_mut!(answer);
            let mut is_new = true;
            while let Some(message) = answer.next().await {
                match message.map_err(|error| self.trouble(&error, statements))? {
                    SimpleQueryMessage::RowDescription(described) => {
                        named = described.iter().map(|column| column.name().to_owned()).collect();
                        (rows, has_rows, is_new) = (Vec::new(), true, false);
                    }
                    SimpleQueryMessage::Row(row) => {
                        rows.push((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect::<Vec<_>>());
                    }
                    SimpleQueryMessage::CommandComplete(count) => {
                        has_rows &= !is_new;
                        (changed, is_new) = (count, true);
                    }
                    _ => {}
                }
            }
        }
        if several.len() > 1 {
            // What a BEGIN among them left open.
            self.execute("COMMIT").await?;
        }
        if !has_rows {
            return Ok(Answer::Changed(changed));
        }
        if let [_, .., last] = several[..] {
            // The others may have made what the last one reads, so its types are known only now. Where they are not, texts remain.
            columns = self.described(last).await.unwrap_or_default();
        }
        let kinds: Vec<&Kind> =
            if columns.len() == named.len() { columns.iter().map(|(_, kind)| kind).collect() } else { Vec::new() };
        let typed = |row: Vec<Option<String>>| {
            row.iter().enumerate().map(|(at, text)| cell(kinds.get(at).copied(), text.as_deref())).collect()
        };
        Ok(Answer::Rows(named, rows.into_iter().map(typed).collect()))
    }

    async fn columns(&mut self, table: &str) -> Result<Vec<Column>, Trouble> {
        let name = quoted(table, '"');
        let statement = format!("SELECT * FROM {name} LIMIT 0");
        let described = self.described(&statement).await;
        let described = described.map_err(|error| match error.code() {
            Some(&tokio_postgres::error::SqlState::UNDEFINED_TABLE) => {
                Trouble::Refused(format!("{}: there is no table {table}", self.address))
            }
            _ => self.trouble(&error, &statement),
        })?;
        let statement = format!(
            "SELECT a.attname, format_type(a.atttypid, a.atttypmod), EXISTS (SELECT FROM pg_index i \
             WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY (i.indkey)) \
             FROM pg_attribute a WHERE a.attrelid = '{}'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
            name.replace('\'', "''")
        );
        let rows = self.client.simple_query(&statement).await.map_err(|error| self.trouble(&error, &statement))?;
        let rows = rows.iter().filter_map(|row| if let SimpleQueryMessage::Row(row) = row { Some(row) } else { None });
        let column = |((name, kind), row): ((String, Kind), &tokio_postgres::SimpleQueryRow)| Column {
            name,
            kind,
            typed: row.get(1).unwrap_or_default().to_owned(),
            is_key: row.get(2) == Some("t"),
        };
        Ok(described.into_iter().zip(rows).map(column).collect())
    }

    async fn read(
        &mut self,
        table: &str,
        columns: &[Column],
        see: &mut (dyn FnMut(Vec<Cell>) + Send),
    ) -> Result<(), Trouble> {
        self.execute(STEADY).await?;
        let statement = format!("SELECT {} FROM {}", listed(columns, '"'), quoted(table, '"'));
        let answer = self.client.simple_query_raw(&statement).await;
        let answer = answer.map_err(|error| self.trouble(&error, &statement))?;
        pin_mut!(answer);
        while let Some(message) = answer.next().await {
            if let SimpleQueryMessage::Row(row) = message.map_err(|error| self.trouble(&error, &statement))? {
                see(columns.iter().enumerate().map(|(at, column)| cell(Some(&column.kind), row.get(at))).collect());
            }
        }
        Ok(())
    }

    async fn fill(&mut self, table: &str, columns: &[Column], rows: &mut Rows<'_>) -> Result<u64, Trouble> {
        self.execute(STEADY).await?;
        let statement = format!("COPY {} ({}) FROM STDIN", quoted(table, '"'), listed(columns, '"'));
        let sink = self.client.copy_in(&statement).await.map_err(|error| self.trouble(&error, &statement))?;
        pin_mut!(sink);
        let mut text = String::with_capacity(2 * CHUNK);
        for row in rows {
            // A sink that is dropped takes back what it has sent.
            let row = row.map_err(Trouble::Input)?;
            for (at, (cell, column)) in row.iter().zip(columns).enumerate() {
                if at > 0 {
                    text.push('\t');
                }
                copied(cell.as_deref(), &column.kind, &mut text);
            }
            text.push('\n');
            if text.len() >= CHUNK {
                let chunk = Bytes::from(std::mem::replace(&mut text, String::with_capacity(2 * CHUNK)));
                // Why the server takes no more is said when it is asked for the end.
                if sink.send(chunk).await.is_err() {
                    break;
                }
            }
        }
        if !text.is_empty() {
            let _ = sink.send(Bytes::from(text)).await;
        }
        sink.finish().await.map_err(|error| self.trouble(&error, &statement))
    }

    async fn types(&mut self, types: &[String]) -> Result<Vec<String>, Trouble> {
        let columns = of_types(types);
        self.execute(&format!("BEGIN; CREATE TEMPORARY TABLE firebreak_types ({columns}) ON COMMIT DROP")).await?;
        let found = self.columns("firebreak_types").await;
        self.execute("ROLLBACK").await?;
        Ok(found?.into_iter().map(|column| column.typed).collect())
    }
}

/// A cell as COPY reads it.
fn copied(cell: Option<&str>, kind: &Kind, text: &mut String) {
    let Some(cell) = cell else { return text.push_str("\\N") };
    let array = matches!(kind, Kind::List(_)).then(|| as_array(cell));
    for c in array.as_deref().unwrap_or(cell).chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c => text.push(c),
        }
    }
}
