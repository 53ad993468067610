//! A server of Redis: how it is asked, and reached again where the connection broke.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::HeaderMap;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo as _, Pipeline, RedisResult, cmd,
};
use redis::{ConnectionAddr, RedisConnectionInfo, ServerErrorKind};
use rustls::ClientConfig;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};
use url::Url;

use crate::http::retry::Retry;
use crate::http::{Trust, tls_configuration};
use crate::port::Unfit;
use crate::queue::wire;

/// How long the server may take for a command, and to greet a new connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a command is tried where its connection breaks, with growing pauses: half a minute in all.
const TRIES: Retry = Retry { tries: 9, first_pause: Duration::from_millis(200) };

/// A server, with the connection to it.
#[derive(Clone)]
pub(super) struct Server {
    host: String,
    port: u16,
    login: RedisConnectionInfo,
    tls: Option<Arc<ClientConfig>>,
    /// The connection, and how many there were before; none where it broke.
    live: Arc<Mutex<(u64, Option<MultiplexedConnection>)>>,
}

impl Server {
    /// Connects to the server of a URL, whose path is the number of a database. Whoever mistyped the address waits for no second try.
    ///
    /// # Errors
    /// When the URL names no server, it does not answer, or does not let the user in. `shown` is its address as it may be printed.
    pub(super) async fn connect(url: &Url, shown: &str, trust: &Trust) -> anyhow::Result<Self> {
        let is_tls = url.scheme() == "rediss";
        let mut plain = url.clone();
        // TLS is our own: the same authorities as everywhere, and no other library's.
        plain.set_scheme("redis").expect("neither scheme is a special one");
        let unfit = |error| Unfit(format!("'{shown}' names no server of Redis: {error}"));
        let named = plain.as_str().into_connection_info().map_err(unfit)?;
        let ConnectionAddr::Tcp(host, port) = named.addr() else { unreachable!("its scheme is `redis`") };
        // As a name server and a certificate know it: an address of IPv6 stands in brackets only in a URL.
        let host = host.trim_matches(['[', ']']).to_owned();
        let tls = if is_tls { Some(Arc::new(tls_configuration(trust, None)?)) } else { None };
        let (login, live) = (named.redis_settings().clone(), Arc::new(Mutex::new((0, None))));
        let server = Self { host, port: *port, login, tls, live };
        server.connection().await.with_context(|| format!("failed to reach Redis at {shown}"))?;
        Ok(server)
    }

    /// The connection, or a new one where it broke; and its number.
    async fn connection(&self) -> RedisResult<(u64, MultiplexedConnection)> {
        let mut live = self.live.lock().await;
        if let (number, Some(connection)) = &*live {
            return Ok((*number, connection.clone()));
        }
        let bytes = wire::open(&self.host, self.port, self.tls.clone()).await?;
        let settings = AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
        let greeted = timeout(PATIENCE, MultiplexedConnection::new_with_config(&self.login, bytes, settings)).await;
        let (connection, driver) = greeted.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
        // It ends when nobody has the connection any more.
        tokio::spawn(driver);
        *live = (live.0 + 1, Some(connection.clone()));
        Ok((live.0, connection))
    }

    /// Asks until there is an answer. Each command that is sent so may be sent twice.
    pub(super) async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let mut command = cmd(words[0]);
        command.arg(&words[1..]);
        let command = &command;
        self.again(|mut connection| async move { command.query_async(&mut connection).await }).await
    }

    /// The same for several commands at a time.
    pub(super) async fn ask_all<T: FromRedisValue>(&self, commands: &Pipeline) -> RedisResult<T> {
        self.again(|mut connection| async move { commands.query_async(&mut connection).await }).await
    }

    /// Asks for these commands, unless the answer to a question before says that they were done already, by an earlier try.
    pub(super) async fn ask_all_unless(
        &self,
        question: &Cmd,
        is_done: impl Fn(&redis::Value) -> bool + Send + Sync,
        commands: &Pipeline,
    ) -> RedisResult<()> {
        let is_done = &is_done;
        self.again(|mut connection| async move {
            if is_done(&question.query_async(&mut connection).await?) {
                return Ok(());
            }
            commands.query_async::<redis::Value>(&mut connection).await.map(drop)
        })
        .await
    }

    /// Asks once, whatever comes of it: for commands whose effect must not come twice.
    pub(super) async fn once(&self, command: &Cmd) -> RedisResult<redis::Value> {
        self.by_connection(|mut connection| async move { command.query_async(&mut connection).await }).await
    }

    /// Does something by the connection, which is used no more where it broke.
    async fn by_connection<T, F>(&self, ask: impl FnOnce(MultiplexedConnection) -> F + Send) -> RedisResult<T>
    where
        F: Future<Output = RedisResult<T>> + Send,
    {
        let (number, connection) = self.connection().await?;
        let answer = ask(connection).await;
        if answer.as_ref().is_err_and(|error| error.is_io_error() || error.is_unrecoverable_error()) {
            self.forget(number).await;
        }
        answer
    }

    /// Does something again where the connection broke; the server may have done it the first time.
    async fn again<T, F>(&self, once: impl Fn(MultiplexedConnection) -> F + Send + Sync) -> RedisResult<T>
    where
        F: Future<Output = RedisResult<T>> + Send,
    {
        let mut count = 0;
        loop {
            count += 1;
            let error = match self.by_connection(&once).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let may_pass =
                error.is_io_error() || matches!(error.kind(), ErrorKind::Server(ServerErrorKind::BusyLoading));
            // A server that stands still is not asked for minutes.
            let is_worth_it = may_pass && (count < 2 || !error.is_timeout());
            match TRIES.before_next(count, &HeaderMap::new()).filter(|_| is_worth_it) {
                Some(pause) => sleep(pause).await,
                None => return Err(error),
            }
        }
    }

    /// A connection that broke is used no more, unless there is a newer one by now.
    async fn forget(&self, number: u64) {
        let mut live = self.live.lock().await;
        if live.0 == number {
            live.1 = None;
        }
    }
}
