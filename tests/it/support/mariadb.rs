//! A real `MariaDB`, shared by the tests that run at the same time: the first starts it, the last ends it. Each test has a database of
//! its own.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use firebreak::http::Trust;
pub use firebreak::sql::mysql::Conn;
use firebreak::sql::mysql::{Mysql, connect};
use firebreak::sql::{Place, Session as _};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::{Server, Shared, free_port, need, own_folder, unprivileged};

static RUNNING: Shared<Mariadb> = Shared::new();
static DATABASES: AtomicUsize = AtomicUsize::new(1);

/// A running server, whose data need not survive it. `root` needs no password.
pub struct Mariadb {
    pub port: u16,
    pub folder: TempDir,
    server: Server,
}

/// A database of a test's own.
pub struct Database {
    pub server: Arc<Mariadb>,
    pub name: String,
}

impl Mariadb {
    /// The server that runs, or a new one.
    pub fn shared() -> Arc<Self> {
        RUNNING.get(|| Self::start(&[]))
    }

    /// A server of a test's own, with these options besides.
    pub fn start(options: &[&str]) -> Self {
        let folder = own_folder();
        let data = folder.path().join("data");
        let mut command = Command::new(need("mariadb-install-db", "mariadb-server"));
        // Servers that share a folder for temporary tables remove those of each other.
        command.env("TMPDIR", folder.path());
        command.arg("--no-defaults").arg(format!("--datadir={}", data.display()));
        command.args(["--auth-root-authentication-method=normal", "--skip-test-db"]).current_dir(folder.path());
        let output = unprivileged(&mut command).output().expect("mariadb-install-db runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (port, socket) = (free_port(), folder.path().join("socket"));
        let server = std::path::Path::new("/usr/sbin/mariadbd");
        let server = if server.is_file() { server.to_owned() } else { need("mariadbd", "mariadb-server") };
        let mut command = Command::new(server);
        command.arg("--no-defaults").arg(format!("--datadir={}", data.display()));
        command.env("TMPDIR", folder.path());
        command.arg(format!("--socket={}", socket.display())).arg(format!("--port={port}"));
        command.args([
            "--bind-address=127.0.0.1",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=64M",
        ]);
        command
            .args(["--innodb-doublewrite=0", "--skip-name-resolve", "--pid-file=pid"])
            .args(options)
            .current_dir(folder.path());
        unprivileged(&mut command);
        let server = Server::start_until(command, &folder.path().join("log"), || {
            std::os::unix::net::UnixStream::connect(&socket).is_ok()
        });
        Self { port, folder, server }
    }

    /// Where a database of it is, for a user and a password: `ann:secret`.
    pub fn url(&self, user: &str, database: &str) -> String {
        format!("mariadb://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// Its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.server.log).unwrap_or_default()
    }
}

impl Drop for Mariadb {
    fn drop(&mut self) {
        self.server.end(Signal::SIGKILL);
    }
}

impl Database {
    /// A new database of the shared server.
    pub async fn new() -> Self {
        Self::of(tokio::task::spawn_blocking(Mariadb::shared).await.expect("a MariaDB")).await
    }

    /// A new database of a server.
    pub async fn of(server: Arc<Mariadb>) -> Self {
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let database = Self { server, name };
        let place = Place::read(&database.server.url("root", "").into()).expect("a URL");
        let mut session = Mysql::open(&place, &Trust::default(), "test").await.expect("a session");
        session.rows(&format!("CREATE DATABASE {}", database.name)).await.expect("a database");
        database
    }

    /// Where it is, for root.
    pub fn url(&self) -> String {
        self.server.url("root", &self.name)
    }

    fn place(&self) -> Place {
        Place::read(&self.url().into()).expect("a URL")
    }

    /// A new session.
    pub async fn session(&self) -> Conn {
        connect(&self.place(), &Trust::default(), "test").await.expect("a session")
    }

    /// The rows of an answer, each as a line, its values separated by `|`.
    pub async fn lines(&self, statement: &str) -> Vec<String> {
        let mut session = Mysql::open(&self.place(), &Trust::default(), "test").await.expect("a session");
        let rows = session.rows(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:#}"));
        rows.into_iter()
            .map(|row| row.values.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().join("|"))
            .collect()
    }
}
