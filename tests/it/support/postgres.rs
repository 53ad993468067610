//! A real PostgreSQL, shared by the tests that run at the same time: the first starts it, the last ends it. Each test has a database of
//! its own.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use firebreak::http::Trust;
use firebreak::sql::Place;
use firebreak::sql::postgres::{Client, connect};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::{Server, Shared, free_port, own_folder, unprivileged};

static RUNNING: Shared<Postgres> = Shared::new();
static DATABASES: AtomicUsize = AtomicUsize::new(1);

/// Who may do everything, and needs no password.
pub const SUPERUSER: &str = "fire";

/// A running server, whose data need not survive it.
pub struct Postgres {
    pub port: u16,
    pub folder: TempDir,
    server: Server,
}

/// A database of a test's own.
pub struct Database {
    pub server: Arc<Postgres>,
    pub name: String,
}

/// A program of PostgreSQL: Debian keeps those of the server in a folder of each version.
pub fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = versions.map(|version| version.path().join("bin").join(name)).collect();
    found.retain(|program| program.is_file());
    found.sort();
    found.pop().unwrap_or_else(|| super::need(name, "postgresql"))
}

impl Postgres {
    /// The server that runs, or a new one.
    pub fn shared() -> Arc<Self> {
        RUNNING.get(|| Self::start(&[]))
    }

    /// A server of a test's own, with these settings besides.
    pub fn start(settings: &[&str]) -> Self {
        Self::start_as(false, settings)
    }

    /// A replica, whose primary is nowhere.
    pub fn start_replica() -> Self {
        Self::start_as(true, &[])
    }

    fn start_as(is_replica: bool, settings: &[&str]) -> Self {
        let folder = own_folder();
        let data = folder.path().join("data");
        let mut command = Command::new(program("initdb"));
        command.arg("--pgdata").arg(&data).args([
            "--username",
            SUPERUSER,
            "--auth=trust",
            "--no-sync",
            "--no-instructions",
        ]);
        command.args(["--encoding=UTF8", "--locale=C"]).current_dir(folder.path());
        let output = unprivileged(&mut command).output().expect("initdb runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // The first line that fits decides.
        let access = "local all all trust\nhost all fire 127.0.0.1/32 trust\nhostnossl all wants_tls 127.0.0.1/32 reject\n\
                      host all all 127.0.0.1/32 scram-sha-256\nhost all fire ::1/128 trust\n";
        std::fs::write(data.join("pg_hba.conf"), access).expect("pg_hba.conf");
        if is_replica {
            std::fs::write(data.join("standby.signal"), "").expect("standby.signal");
        }
        let port = free_port();
        let mut command = Command::new(program("postgres"));
        command.arg("-D").arg(&data).arg("-k").arg(folder.path()).args(["-p", &port.to_string(), "-h", "127.0.0.1"]);
        let usual = [
            "fsync=off",
            "full_page_writes=off",
            "synchronous_commit=off",
            "autovacuum=off",
            "shared_buffers=32MB",
            "max_connections=100",
            "max_prepared_transactions=10",
            "dynamic_shared_memory_type=mmap",
            "jit=off",
        ];
        command.args(usual.iter().chain(settings).flat_map(|setting| ["-c", setting]));
        let log = folder.path().join("log");
        let ready =
            |folder: &Path| std::os::unix::net::UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).is_ok();
        // What stands in the file of the process says when it is ready to be asked.
        let is_up = || {
            let state = std::fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
            state.lines().nth(7).is_some_and(|line| matches!(line.trim(), "ready" | "standby")) && ready(folder.path())
        };
        let server = Server::start_until(command_of(command), &log, is_up);
        Self { port, folder, server }
    }

    /// Where a database of it is, for a user and a password: `ann:secret`.
    pub fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// A new session of the superuser.
    pub async fn session(&self, database: &str) -> Client {
        let place = Place::read(&self.url(SUPERUSER, database).into()).expect("a URL");
        connect(&place, &Trust::default(), "test").await.expect("a session")
    }

    /// Its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.server.log).unwrap_or_default()
    }
}

fn command_of(mut command: Command) -> Command {
    unprivileged(&mut command);
    // A Ctrl-C at the terminal is for the tests, which then end it themselves.
    command.process_group(0);
    command
}

impl Drop for Postgres {
    /// At once, but so that it removes what it has of shared memory.
    fn drop(&mut self) {
        self.server.end(Signal::SIGQUIT);
    }
}

impl Database {
    /// A new database of the shared server.
    pub async fn new() -> Self {
        let server = tokio::task::spawn_blocking(Postgres::shared).await.expect("a PostgreSQL");
        Self::of(server).await
    }

    /// A new database of a server.
    pub async fn of(server: Arc<Postgres>) -> Self {
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let statement = format!("CREATE DATABASE {name}");
        server.session("postgres").await.batch_execute(&statement).await.expect("a database");
        Self { server, name }
    }

    /// Where it is, for the superuser.
    pub fn url(&self) -> String {
        self.server.url(SUPERUSER, &self.name)
    }

    /// A new session.
    pub async fn session(&self) -> Client {
        self.server.session(&self.name).await
    }

    /// Runs statements.
    pub async fn run(&self, statements: &str) {
        self.session().await.batch_execute(statements).await.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
    }

    /// The rows of an answer, each as a line, its values separated by `|`.
    pub async fn lines(&self, statement: &str) -> Vec<String> {
        let place = Place::read(&self.url().as_str().into()).expect("a URL");
        let mut session =
            firebreak::sql::postgres::Postgres::open(&place, &Trust::default(), "test").await.expect("a session");
        let rows = firebreak::sql::Session::rows(&mut session, statement).await.expect("an answer");
        rows.into_iter()
            .map(|row| row.values.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().join("|"))
            .collect()
    }
}
