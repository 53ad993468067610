//! `MariaDB` and `MySQL`.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use async_trait::async_trait;
use mysql_async::prelude::Queryable as _;
pub use mysql_async::{Conn, Error};
use mysql_async::{DriverError, IoError, Opts, OptsBuilder, SslOpts, Value};
use tokio::time::timeout;

use super::{Host, KEEPALIVE, PATIENCE, Place, Row, Session, Tls, addresses, of_the_socket, trust_for};
use crate::http::{Trust, authorities};
use crate::words::hexadecimal;

/// A session.
pub struct Mysql {
    connection: Conn,
    address: String,
}

impl Mysql {
    /// Opens a session; `application` is what `performance_schema.session_connect_attrs` shows of it as `program_name`.
    ///
    /// # Errors
    /// As [`connect`].
    pub async fn open(place: &Place, trust: &Trust, application: &str) -> anyhow::Result<Self> {
        Ok(Self { connection: connect(place, trust, application).await?, address: place.to_string() })
    }
}

/// Connects to a server; `application` is what `performance_schema.session_connect_attrs` shows of the session as `program_name`.
///
/// # Errors
/// When the server cannot be reached or refuses: why, and where that is known what to do about it.
pub async fn connect(place: &Place, trust: &Trust, application: &str) -> anyhow::Result<Conn> {
    let failed = || format!("failed to connect to {place}");
    let options = OptsBuilder::default()
        .user(Some(&place.user))
        .pass(place.password())
        .db_name(place.database.as_deref())
        .tcp_keepalive(Some(KEEPALIVE))
        .connect_attribute("program_name", application)
        .prefer_socket(false);
    let connecting = async {
        let (name, port) = match &place.host {
            Host::Socket(path, _) => {
                let options = options.socket(Some(path.to_string_lossy())).into();
                return enter(options).await.map_err(|error| refusal(&error, place));
            }
            Host::Network(name, port) => (name, *port),
        };
        let found: Vec<IpAddr> = addresses(name).await?;
        let options = options.ip_or_hostname(name).tcp_port(port).resolved_ips(Some(found));
        let plain: Opts = options.clone().into();
        if place.tls == Tls::Never {
            return enter(plain).await.map_err(|error| refusal(&error, place));
        }
        match enter(options.ssl_opts(encryption(place, trust)?).into()).await {
            Err(Error::Driver(DriverError::NoClientSslFlagFromServer)) if place.tls == Tls::Prefer => {
                enter(plain).await.map_err(|error| refusal(&error, place))
            }
            entered => entered.map_err(|error| refusal(&error, place)),
        }
    };
    let connected = timeout(PATIENCE, connecting).await;
    let late = || anyhow!("{} did not answer within {} s", place.host, PATIENCE.as_secs());
    connected.unwrap_or_else(|_| Err(late())).with_context(failed)
}

async fn enter(options: Opts) -> Result<Conn, Error> {
    Conn::new(options).await
}

fn encryption(place: &Place, trust: &Trust) -> anyhow::Result<SslOpts> {
    let trust = trust_for(place, trust);
    let roots = authorities(&trust)?;
    let options = SslOpts::default().with_danger_accept_invalid_certs(trust.insecure);
    // A bare host has none: those built into the library serve.
    let options = options.with_disable_built_in_roots(!roots.is_empty());
    Ok(options.with_root_certs(roots.into_iter().map(|root| root.as_ref().to_vec().into()).collect()))
}

/// Why a server could not be logged into, and what to do about it. The numbers are `MariaDB`'s and `MySQL`'s alike.
fn refusal(error: &Error, place: &Place) -> anyhow::Error {
    let user = &place.user;
    let why = match error {
        Error::Server(error) => match error.code {
            1045 | 1698 => format!("the server refuses user '{user}' with this password ({})", error.message),
            1044 => format!("user '{user}' may not use this database ({})", error.message),
            1049 => format!("there is no database '{}'", place.database.as_deref().unwrap_or_default()),
            1040 | 1203 | 1226 => format!("the server has too many connections ({}); try again", error.message),
            3159 | 1759 => format!("the server wants TLS; add ?ssl-mode=require ({})", error.message),
            1130 => format!("the server lets nobody in from this host ({})", error.message),
            _ => said_by(error),
        },
        Error::Driver(DriverError::NoClientSslFlagFromServer) => {
            "the server does not speak TLS; with ssl-mode=disable it is not asked to".to_owned()
        }
        Error::Io(IoError::Io(error)) => of_the_socket(error, place).unwrap_or_else(|| error.to_string()),
        other => said(other),
    };
    anyhow!(why)
}

/// What the server says of a statement that it refused: `Unknown column 'x' (1054)`; or how the connection broke.
#[must_use]
pub fn said(error: &Error) -> String {
    match error {
        Error::Server(error) => said_by(error),
        Error::Io(IoError::Io(error)) => error.to_string(),
        Error::Io(IoError::Tls(error)) => error.to_string(),
        other => other.to_string(),
    }
}

fn said_by(error: &mysql_async::ServerError) -> String {
    format!("{} ({})", error.message, error.code)
}

#[async_trait]
impl Session for Mysql {
    fn address(&self) -> &str {
        &self.address
    }

    async fn query(&mut self, statement: &str, see: &mut (dyn FnMut(Row) + Send)) -> anyhow::Result<u64> {
        let address = self.address.clone();
        let refused = |error: Error| anyhow!("{address}: {}", said(&error));
        let mut answer = self.connection.query_iter(statement).await.map_err(refused)?;
        // Of a statement that answers no rows there are none.
        let named = answer.columns().filter(|named| !named.is_empty());
        let columns: Option<Arc<[String]>> =
            named.map(|named| named.iter().map(|column| column.name_str().into_owned()).collect());
        let is_answered = columns.is_some();
        let mut count = 0;
        if let Some(columns) = columns {
            while let Some(row) = answer.next().await.map_err(refused)? {
                count += 1;
                let values = row.unwrap().into_iter().map(text).collect();
                see(Row { columns: Arc::clone(&columns), values });
            }
        }
        answer.drop_result().await.map_err(refused)?;
        Ok(if is_answered { count } else { self.connection.affected_rows() })
    }
}

/// A value as text; none for NULL. What a statement without parameters answers is text already.
fn text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => {
            Some(String::from_utf8(bytes).unwrap_or_else(|error| format!("\\x{}", hexadecimal(error.as_bytes()))))
        }
        other => Some(other.as_sql(true).trim_matches('\'').to_owned()),
    }
}
