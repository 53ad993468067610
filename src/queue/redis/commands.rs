//! Single commands of a Redis, any of them.

use redis::{ErrorKind, RedisError, Value, cmd};
use url::Url;

use super::server::Server;
use crate::address::ESCAPES;
use crate::http::{Address, Trust};
use crate::port::Unfit;
use crate::queue::{AskError, shown};

/// A server, for single commands: each is sent once. They share a connection, as long as that does not break.
#[derive(Clone)]
pub struct Commands {
    server: Server,
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

impl Commands {
    /// Connects to the server at `redis://user:password@host:port/database`, or `rediss://` for TLS.
    ///
    /// # Errors
    /// When the URL is none, or the server does not let this client in.
    pub async fn open(address: &Address, trust: &Trust) -> Result<Self, AskError> {
        let shown = shown(address);
        let wrong = |why: String| AskError::Wrong(format!("'{shown}' names no server of Redis: {why}"));
        if address.may_be_cut_by_a_password() {
            return Err(wrong(ESCAPES.to_owned()));
        }
        let url = Url::parse(address.whole()).map_err(|error| wrong(error.to_string()))?;
        if !["redis", "rediss"].contains(&url.scheme()) {
            return Err(wrong("it is redis://HOST:PORT/DB, or rediss:// for TLS".to_owned()));
        }
        match Server::connect(&url, &shown, trust).await {
            Ok(server) => Ok(Self { server, address: shown }),
            Err(error) if error.is::<Unfit>() => Err(AskError::Wrong(error.to_string())),
            Err(error) => Err(AskError::Lost(format!("{error:#}"))),
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
        let refused = |why: String| AskError::Refused(format!("Redis at {} refuses it: {why}", self.address));
        match self.server.once(&command).await {
            Ok(value) => reply(value).map_err(refused),
            Err(error) if matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) => {
                Err(refused(said(&error)))
            }
            Err(error) => Err(AskError::Lost(format!("no answer from Redis at {}: {error}", self.address))),
        }
    }
}

/// What the server itself said.
fn said(error: &RedisError) -> String {
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
