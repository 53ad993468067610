//! Databases as who compares and fills tables needs them: cells with their types, exact; tables read and filled as a stream, so that
//! memory does not grow with them; and `SQLite` beside the servers.
//!
//! Numbers are digits, never binary fractions on the way. A [`Column`] has a [`Kind`], by which a text, from the server or from
//! a file, becomes a [`Cell`].

mod kind;
mod mysql;
mod postgres;
mod sqlite;
mod statements;

use std::path::Path;

use async_trait::async_trait;

pub use kind::{Cell, Kind};

use super::{Engine, Place};
use crate::http::Trust;

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// What it is called.
    pub name: String,
    /// What its cells are.
    pub kind: Kind,
    /// Its type in the database's own words: `character varying(36)`.
    pub typed: String,
    /// Whether it is of the primary key.
    pub is_key: bool,
}

/// What statements came to: what the last of them did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Rows, each with a cell for each column.
    Rows(Vec<String>, Vec<Vec<Cell>>),
    /// So many rows were changed.
    Changed(u64),
}

/// Why something could not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The database is not there, or was lost on the way.
    #[error("{0}")]
    Unreachable(String),
    /// The database refuses: its own words, and where in the statement.
    #[error("{0}")]
    Refused(String),
    /// What was to be written is not as it should be.
    #[error("{0}")]
    Input(String),
}

/// The rows that fill a table: a text for each cell, none for NULL; or why there are no more.
pub type Rows<'a> = dyn Iterator<Item = Result<Vec<Option<String>>, String>> + Send + 'a;

/// A connection to a database. What it changes is committed.
#[async_trait]
pub trait Database: Send {
    /// Runs statements, one or several, and gives what the last one came to.
    ///
    /// # Errors
    /// [`Trouble`]. Of several statements those before the one that is refused may have been done, where the database cannot take
    /// them back.
    async fn run(&mut self, statements: &str) -> Result<Answer, Trouble>;

    /// The columns of a table, `name` or `schema.name`.
    ///
    /// # Errors
    /// [`Trouble`]; also when there is no such table.
    async fn columns(&mut self, table: &str) -> Result<Vec<Column>, Trouble>;

    /// Shows these columns of each row of a table to `see`, in the order in which the database has the rows. The rows are not kept.
    ///
    /// # Errors
    /// [`Trouble`].
    async fn read(
        &mut self,
        table: &str,
        columns: &[Column],
        see: &mut (dyn FnMut(Vec<Cell>) + Send),
    ) -> Result<(), Trouble>;

    /// Adds rows to a table, all or none, and gives their number. Each text becomes what its column is.
    ///
    /// # Errors
    /// [`Trouble`].
    async fn fill(&mut self, table: &str, columns: &[Column], rows: &mut Rows<'_>) -> Result<u64, Trouble>;

    /// How the database itself writes these types: `varchar(36)` as `character varying(36)`.
    ///
    /// # Errors
    /// [`Trouble`]; also when one is no type.
    async fn types(&mut self, types: &[String]) -> Result<Vec<String>, Trouble>;
}

/// Opens a database of a server. `application` is what the server shows of the session.
///
/// # Errors
/// [`Trouble::Unreachable`], with what to do about it where that is known.
pub async fn open(place: &Place, trust: &Trust, application: &str) -> Result<Box<dyn Database>, Trouble> {
    match place.engine {
        Engine::Postgres => Ok(Box::new(postgres::Database::open(place, trust, application).await?)),
        Engine::Mysql => Ok(Box::new(mysql::Database::open(place, trust, application).await?)),
    }
}

/// Opens a file of `SQLite`, and makes one where that is wanted and there is none.
///
/// # Errors
/// [`Trouble::Unreachable`] when it is not there or is no such file.
pub async fn open_file(file: &Path, make: bool) -> Result<Box<dyn Database>, Trouble> {
    Ok(Box::new(sqlite::Database::open(file, make).await?))
}

/// A name in a statement: each part between points in quotes, so that it may be any word.
fn quoted(name: &str, quote: char) -> String {
    let part = |part: &str| format!("{quote}{}{quote}", part.replace(quote, &format!("{quote}{quote}")));
    name.split('.').map(part).collect::<Vec<_>>().join(".")
}

/// The names of columns in a statement; a point in one is its own.
fn listed(columns: &[Column], quote: char) -> String {
    let name = |column: &Column| format!("{quote}{}{quote}", column.name.replace(quote, &format!("{quote}{quote}")));
    columns.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// Columns of these types in a statement that makes a table, to be asked for what the database calls the types.
fn of_types(types: &[String]) -> String {
    types.iter().enumerate().map(|(at, name)| format!("c{at} {name}")).collect::<Vec<_>>().join(", ")
}

/// Where a statement is wrong, by the number of a character from 1: `line 2, column 8`.
fn spot(statements: &str, position: usize) -> String {
    let before: String = statements.chars().take(position.saturating_sub(1)).collect();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("line {line}, column {column} of the statement")
}
