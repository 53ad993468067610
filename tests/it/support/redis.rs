//! A real Redis of a test's own.

use std::process::Command;

use redis::{FromRedisValue, cmd};
use tempfile::TempDir;

use super::queue::TestQueue;
use super::tls::SelfSigned;
use super::{Server, free_port, need};

/// A stream, and the group of those who work on it.
pub const STREAM: &str = "missed";
pub const GROUP: &str = "master";

/// A running server, which keeps what it has on the disk.
pub struct Redis {
    port: u16,
    /// Where it speaks TLS, and with which certificate.
    tls: Option<(u16, SelfSigned)>,
    folder: TempDir,
    server: Option<Server>,
}

impl Redis {
    /// Starts it, with an empty stream and its group.
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// Starts it so that it speaks TLS as well.
    pub fn start_with_tls() -> Self {
        Self::start_with(Some((free_port(), SelfSigned::of("localhost", 2100))))
    }

    fn start_with(tls: Option<(u16, SelfSigned)>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut redis = Self { port: free_port(), tls, folder, server: None };
        redis.begin();
        redis.ask::<()>(&["XGROUP", "CREATE", STREAM, GROUP, "0", "MKSTREAM"]);
        redis
    }

    fn begin(&mut self) {
        let mut command = Command::new(need("redis-server", "redis-server"));
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
        command.args(["--port", &self.port.to_string(), "--dir"]).arg(self.folder.path());
        if let Some((port, certificate)) = &self.tls {
            let key = self.folder.path().join("key.pem");
            certificate.write_key(&key);
            command.args(["--tls-port", &port.to_string(), "--tls-auth-clients", "no", "--tls-key-file"]).arg(key);
            command.arg("--tls-cert-file").arg(&certificate.file);
        }
        self.server = Some(Server::start_until(command, &self.folder.path().join("log"), || {
            self.client().get_connection().is_ok_and(|mut it| cmd("PING").query::<String>(&mut it).is_ok())
        }));
    }

    fn client(&self) -> redis::Client {
        redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).expect("a URL")
    }

    /// The stream by TLS, and the certificate of the server.
    pub fn by_tls(&self) -> (String, &std::path::Path) {
        let (port, certificate) = self.tls.as_ref().expect("it was started with TLS");
        (format!("rediss://localhost:{port}/{STREAM}?group={GROUP}"), &certificate.file)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What the server answers.
    pub fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut connection = self.client().get_connection().expect("a connection");
        let mut command = cmd(words[0]);
        command.arg(&words[1..]);
        command.query(&mut connection).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Puts messages into the stream, each with this content; their ids.
    pub fn add<'a>(&self, bodies: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let mut pipe = redis::pipe();
        for body in bodies {
            pipe.cmd("XADD").arg(STREAM).arg("*").arg("body").arg(body);
        }
        pipe.query(&mut self.client().get_connection().expect("a connection")).expect("their ids")
    }

    /// Puts a message of any bytes into the stream.
    pub fn add_bytes(&self, fields: &[(&[u8], &[u8])]) {
        let mut command = cmd("XADD");
        command.arg(STREAM).arg("*");
        for (name, value) in fields {
            command.arg(*name).arg(*value);
        }
        command.query::<String>(&mut self.client().get_connection().expect("a connection")).expect("its id");
    }

    /// Has a worker take so many messages, and die.
    pub fn take(&self, worker: &str, count: usize) {
        let count = count.to_string();
        self.ask::<redis::Value>(&["XREADGROUP", "GROUP", GROUP, worker, "COUNT", &count, "STREAMS", STREAM, ">"]);
    }

    /// The ids of all that was taken and not ended.
    pub fn pending(&self) -> Vec<String> {
        let found: redis::streams::StreamPendingCountReply = self.ask(&["XPENDING", STREAM, GROUP, "-", "+", "100000"]);
        found.ids.into_iter().map(|one| one.id).collect()
    }
}

impl TestQueue for Redis {
    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/{STREAM}?group={GROUP}", self.port)
    }

    fn put(&self, bodies: &[String]) {
        self.add(bodies.iter().map(String::as_str));
    }

    fn left(&self) -> usize {
        self.pending().len()
    }

    fn down(&mut self) {
        self.server = None;
    }

    fn up(&mut self) {
        self.begin();
    }
}
