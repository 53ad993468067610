//! PostgreSQL.

use std::error::Error as _;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use async_trait::async_trait;
use futures_util::{StreamExt as _, pin_mut};
use tokio::time::timeout;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::config::{Config, SslMode};
use tokio_postgres::error::SqlState;
pub use tokio_postgres::{Client, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Host, KEEPALIVE, PATIENCE, Place, Row, Session, Tls, addresses, of_the_socket, trust_for};
use crate::http::{Trust, tls_configuration};

/// A session.
pub struct Postgres {
    client: Client,
    address: String,
}

impl Postgres {
    /// Opens a session; `application` is what `pg_stat_activity` shows of it.
    ///
    /// # Errors
    /// As [`connect`].
    pub async fn open(place: &Place, trust: &Trust, application: &str) -> anyhow::Result<Self> {
        Ok(Self { client: connect(place, trust, application).await?, address: place.to_string() })
    }
}

/// Connects to a database; `application` is what `pg_stat_activity` shows of the session. The connection is closed when the client is
/// dropped.
///
/// # Errors
/// When the server cannot be reached or refuses: why, and where that is known what to do about it.
pub async fn connect(place: &Place, trust: &Trust, application: &str) -> anyhow::Result<Client> {
    let failed = || format!("failed to connect to {place}");
    let mut tls = tls_configuration(&trust_for(place, trust), None)?;
    // Since PostgreSQL 17 a server refuses what names only other protocols.
    tls.alpn_protocols = vec![b"postgresql".into()];
    let tls = MakeRustlsConnect::new(tls);
    let mut config = Config::new();
    config.user(&place.user).application_name(application).keepalives_idle(KEEPALIVE);
    config.dbname(place.database.as_deref().unwrap_or_default());
    config.ssl_mode(match place.tls {
        Tls::Never => SslMode::Disable,
        Tls::Prefer => SslMode::Prefer,
        Tls::Require | Tls::Verify => SslMode::Require,
    });
    if let Some(password) = place.password() {
        config.password(password);
    }
    let connecting = async {
        let (name, port) = match &place.host {
            Host::Socket(folder, port) => {
                config.host_path(folder).port(*port).ssl_mode(SslMode::Disable);
                return enter(&config, &tls).await.map_err(|error| refusal(&error, place));
            }
            Host::Network(name, port) => (name, *port),
        };
        config.port(port);
        let found: Vec<IpAddr> = addresses(name).await?;
        if found.len() > 1 {
            // One that swallows what it is sent keeps no other from being tried.
            config.connect_timeout(PATIENCE / u32::try_from(found.len()).unwrap_or(u32::MAX));
        }
        let mut first = anyhow!("'{name}' has no address");
        for (tried, address) in found.into_iter().enumerate() {
            let mut config = config.clone();
            match enter(config.host(name).hostaddr(address), &tls).await {
                Ok(client) => return Ok(client),
                // What one address refuses, another would not allow.
                Err(error) if error.as_db_error().is_some() => return Err(refusal(&error, place)),
                Err(error) if tried == 0 => first = refusal(&error, place),
                Err(_) => {}
            }
        }
        Err(first)
    };
    let connected = timeout(PATIENCE, connecting).await;
    let late = || anyhow!("{} did not answer within {} s", place.host, PATIENCE.as_secs());
    connected.unwrap_or_else(|_| Err(late())).with_context(failed)
}

async fn enter(config: &Config, tls: &MakeRustlsConnect) -> Result<Client, Error> {
    let (client, connection) = config.connect(tls.clone()).await?;
    // It ends with the client; that it broke shows with the next statement.
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}

/// Why a server could not be logged into, and what to do about it.
fn refusal(error: &Error, place: &Place) -> anyhow::Error {
    let (user, database) = (&place.user, place.database.as_deref().unwrap_or_default());
    let text = said(error);
    let why = match error.code() {
        Some(&SqlState::INVALID_PASSWORD) => format!("the server refuses the password of user '{user}'"),
        Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION) if text.contains("no encryption") => {
            format!("the server wants TLS, or does not let '{user}' in from this host; add ?sslmode=require ({text})")
        }
        Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {
            format!("the server does not let '{user}' in ({text}); its pg_hba.conf says who may come from where")
        }
        Some(&SqlState::INVALID_CATALOG_NAME) => format!("there is no database '{database}'"),
        Some(&SqlState::TOO_MANY_CONNECTIONS) => format!("the server has too many connections ({text}); try again"),
        Some(&SqlState::CANNOT_CONNECT_NOW) => format!("the server is not ready ({text}); try again"),
        Some(_) => text,
        None if text.contains("server does not support TLS") => {
            "the server does not speak TLS; with sslmode=disable it is not asked to".to_owned()
        }
        None if text.contains("password missing") => {
            format!("the server asks for the password of '{user}', and the URL has none")
        }
        None => socket_error(error).and_then(|error| of_the_socket(error, place)).unwrap_or(text),
    };
    anyhow!(why)
}

fn socket_error(error: &Error) -> Option<&std::io::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return Some(error);
        }
        cause = error.source();
    }
    None
}

/// What the server says of a statement that it refused: `relation "x" does not exist (42P01); a hint`; or how the connection broke.
#[must_use]
pub fn said(error: &Error) -> String {
    let Some(error) = error.as_db_error() else {
        let causes = std::iter::successors(error.source(), |cause| (*cause).source());
        return causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    };
    let more = [error.detail(), error.hint()].into_iter().flatten().map(|text| format!("; {text}"));
    format!("{} ({}){}", error.message(), error.code().code(), more.collect::<String>())
}

#[async_trait]
impl Session for Postgres {
    fn address(&self) -> &str {
        &self.address
    }

    async fn query(&mut self, statement: &str, see: &mut (dyn FnMut(Row) + Send)) -> anyhow::Result<u64> {
        let refused = |error: Error| anyhow!("{}: {}", self.address, said(&error));
        let answer = self.client.simple_query_raw(statement).await.map_err(refused)?;
        pin_mut!(answer);
        let mut columns: Arc<[String]> = Arc::new([]);
        let mut count = 0;
        while let Some(message) = answer.next().await {
            match message.map_err(refused)? {
                SimpleQueryMessage::RowDescription(named) => {
                    columns = named.iter().map(|column| column.name().to_owned()).collect();
                }
                SimpleQueryMessage::Row(row) => {
                    let values = (0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect();
                    see(Row { columns: Arc::clone(&columns), values });
                }
                SimpleQueryMessage::CommandComplete(rows) => count = rows,
                _ => {}
            }
        }
        Ok(count)
    }
}
