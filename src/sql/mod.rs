//! The port to databases: PostgreSQL, and `MariaDB` or `MySQL`. A URL says where one is; [`connect`] opens a [`Session`] for whoever only
//! runs statements, [`postgres`] and [`mysql`] the drivers' own connections for whoever needs more, and `tables` cells with their types.
//!
//! Names become addresses by our own resolver, and TLS is rustls, whose certificates are checked as [`Tls`] says.

mod address;
pub mod mysql;
pub mod postgres;
#[cfg(feature = "tables")]
pub mod tables;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use address::{Engine, Host, Place, Tls};

use crate::http::{Address, Names, Trust};

/// How long a connection may take to come up, with its TLS and its password.
const PATIENCE: Duration = Duration::from_secs(15);

/// After so much silence the other side is asked whether it is there: a firewall forgets what is silent for minutes.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// A row of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What the columns are called; the same for all rows of an answer.
    pub columns: Arc<[String]>,
    /// The values as the server writes them as text; none for NULL. Bytes that are no text are written as `\x00ff`.
    pub values: Vec<Option<String>>,
}

impl Row {
    /// The value of a column; none for NULL, and where there is no such column.
    #[must_use]
    pub fn get(&self, column: &str) -> Option<&str> {
        let at = self.columns.iter().position(|name| name == column)?;
        self.values.get(at)?.as_deref()
    }
}

/// A connection to a database. One statement at a time.
#[async_trait]
pub trait Session: Send {
    /// Where it is, without credentials: `postgres://db.example:5432/shop`.
    fn address(&self) -> &str;

    /// Runs one statement, and shows each row of its answer to `see`, as it comes in: the rows are not all kept. Gives the number of
    /// rows that were shown or, of a statement that has none, changed.
    ///
    /// # Errors
    /// When the server refuses it, in the server's words, or is lost.
    async fn query(&mut self, statement: &str, see: &mut (dyn FnMut(Row) + Send)) -> anyhow::Result<u64>;

    /// Runs one statement and gives all rows of its answer.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    async fn rows(&mut self, statement: &str) -> anyhow::Result<Vec<Row>> {
        let mut rows = Vec::new();
        self.query(statement, &mut |row| rows.push(row)).await?;
        Ok(rows)
    }
}

/// Opens the database at a URL. `application` is what the server shows of this session, where it shows something.
///
/// # Errors
/// When the URL names no database ([`Unfit`](crate::port::Unfit)), or its server cannot be reached or refuses: what it refuses, and
/// where that is known what to do about it.
pub async fn connect(address: &Address, trust: &Trust, application: &str) -> anyhow::Result<Box<dyn Session>> {
    let place = Place::read(address)?;
    Ok(match place.engine {
        Engine::Postgres => Box::new(postgres::Postgres::open(&place, trust, application).await?),
        Engine::Mysql => Box::new(mysql::Mysql::open(&place, trust, application).await?),
    })
}

/// The addresses of a host, by our own resolver.
async fn addresses(name: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
    Names::of_the_system().addresses(name).await
}

/// The trust of a session: nobody's certificate is looked at where TLS was not ordered to be verified.
fn trust_for(place: &Place, trust: &Trust) -> Trust {
    if place.tls.verifies(trust) { trust.clone() } else { Trust { authorities: None, insecure: true } }
}

/// Why a socket could not be opened, where that has a common reason.
fn of_the_socket(error: &std::io::Error, place: &Place) -> Option<String> {
    use std::io::ErrorKind;
    Some(match error.kind() {
        ErrorKind::ConnectionRefused => format!("nothing listens at {}", place.host),
        ErrorKind::NotFound => format!("there is no socket {}", place.host),
        ErrorKind::TimedOut => format!("{} does not answer", place.host),
        ErrorKind::PermissionDenied => format!("this user may not use {}", place.host),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => {
            format!("{} closed the connection: its log says why", place.host)
        }
        _ => return None,
    })
}
