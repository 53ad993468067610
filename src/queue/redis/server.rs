//! A server of Redis: how to get in, and any of its commands.

use std::net::SocketAddr;

use anyhow::Context as _;
use redis::aio::MultiplexedConnection;
use redis::io::AsyncDNSResolver;
use redis::{AsyncConnectionConfig, Client, RedisFuture, RedisResult, TlsCertificates, Value, cmd};

use super::PATIENCE;
use crate::http::{Address, Names, Trust};
use crate::queue::{AskError, shown};

/// A client of the server at a URL, which trusts whom it is told to; the inner error says what is wrong with the URL.
///
/// # Errors
/// When the file of the authorities cannot be read.
pub(super) fn client(url: &str, trust: &Trust) -> anyhow::Result<RedisResult<Client>> {
    let root_cert = match &trust.authorities {
        Some(file) => {
            let name = file.display();
            Some(std::fs::read(file).with_context(|| format!("failed to read the authorities {name}"))?)
        }
        None => None,
    };
    let url = if trust.insecure { format!("{url}#insecure") } else { url.to_owned() };
    Ok(match (url.starts_with("rediss:"), root_cert) {
        (true, root_cert @ Some(_)) => {
            Client::build_with_tls(url.as_str(), TlsCertificates { client_tls: None, root_cert })
        }
        _ => Client::open(url.as_str()),
    })
}

/// Names by our own resolver.
struct Resolver(Names);

impl AsyncDNSResolver for Resolver {
    fn resolve<'a, 'b: 'a>(
        &'a self,
        host: &'b str,
        port: u16,
    ) -> RedisFuture<'a, Box<dyn Iterator<Item = SocketAddr> + Send + 'a>> {
        Box::pin(async move {
            let addresses = self.0.addresses(host).await?;
            let addresses = addresses.into_iter().map(move |address| SocketAddr::new(address, port));
            Ok(Box::new(addresses) as Box<dyn Iterator<Item = SocketAddr> + Send + 'a>)
        })
    }
}

/// A connection to a server, for single commands: each is sent once.
#[derive(Clone)]
pub struct Server {
    connection: MultiplexedConnection,
    address: String,
}

/// What a server answers, by its first protocol (RESP2), which every version speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Nothing: there is no such key.
    Nothing,
    /// That it is done.
    Okay,
    /// A whole number.
    Integer(i64),
    /// A text of the server itself, such as a type.
    Text(String),
    /// What is stored: any bytes.
    Bytes(Vec<u8>),
    /// Several answers.
    List(Vec<Reply>),
}

impl Server {
    /// Connects to the server at `redis://user:password@host:port/database`, or `rediss://` for TLS.
    ///
    /// # Errors
    /// When the URL is none, or the server does not let this client in.
    pub async fn open(url: &Address, trust: &Trust) -> Result<Self, AskError> {
        let address = shown(url);
        let wrong = |why: String| AskError::Wrong(format!("'{address}' names no server of Redis: {why}"));
        let client = client(url.whole(), trust).map_err(|error| wrong(format!("{error:#}")))?;
        let client = client.map_err(|error| wrong(error.to_string()))?;
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            .set_dns_resolver(Resolver(Names::of_the_system()));
        match client.get_multiplexed_async_connection_with_config(&settings).await {
            Ok(connection) => Ok(Self { connection, address }),
            Err(error) => Err(AskError::Lost(format!("failed to reach Redis at {address}: {error}"))),
        }
    }

    /// Has the server do a command, and gives its answer.
    ///
    /// # Errors
    /// When the server refuses it, or gives no answer; it may have done it then.
    pub async fn ask(&self, words: &[Vec<u8>]) -> Result<Reply, AskError> {
        let (first, rest) = words.split_first().ok_or_else(|| AskError::Wrong("there is no command".to_owned()))?;
        let mut command = cmd(&String::from_utf8_lossy(first));
        command.arg(rest);
        let answer: RedisResult<Value> = command.query_async(&mut self.connection.clone()).await;
        let refused = |why: String| AskError::Refused(format!("Redis at {} refuses it: {why}", self.address));
        match answer {
            Ok(value) => reply(value).map_err(refused),
            Err(error) if matches!(error.kind(), redis::ErrorKind::Server(_) | redis::ErrorKind::Extension) => {
                Err(refused(said(&error)))
            }
            Err(error) => Err(AskError::Lost(format!("no answer from Redis at {}: {error}", self.address))),
        }
    }
}

/// What the server itself said.
fn said(error: &redis::RedisError) -> String {
    let parts = [error.code(), error.detail()].into_iter().flatten().collect::<Vec<_>>();
    if parts.is_empty() { error.to_string() } else { parts.join(" ") }
}

fn reply(value: Value) -> Result<Reply, String> {
    let all = |values: Vec<Value>| values.into_iter().map(reply).collect::<Result<Vec<_>, _>>();
    Ok(match value {
        Value::Nil => Reply::Nothing,
        Value::Okay => Reply::Okay,
        Value::Int(number) => Reply::Integer(number),
        Value::SimpleString(text) => Reply::Text(text),
        Value::BulkString(bytes) => Reply::Bytes(bytes),
        Value::Array(values) | Value::Set(values) => Reply::List(all(values)?),
        Value::ServerError(error) => return Err(format!("{} {}", error.code(), error.details().unwrap_or_default())),
        other => return Err(format!("its answer is of no kind that is known here: {other:?}")),
    })
}
