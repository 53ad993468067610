//! The world of broken indexes: a real PostgreSQL with a table that lost most of its rows, an index that is invalid, what a failed
//! rebuild left, and an application that goes on writing.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::control;
use super::faults::{Fault, Faults};
use super::proof::{Proof, Standing};
use super::server::{Log, Server};
use super::slack::Slack;
use super::story::ShopState;
use super::world::{Inspect, World};
use crate::action::arguments::UsageError;
use crate::http::Trust;
use crate::poll::Looks;
use crate::sql::postgres::{Client, Postgres, connect, said};
use crate::sql::{Place, Session as _};
use crate::temporary;

/// The environment of the story.
const ENVIRONMENT: &str = "dev";

/// Who owns the database.
const OWNER: &str = "shop";

/// The user without rights that the server runs as where the drill runs as root: PostgreSQL refuses root.
const NOBODY: u32 = 65534;

/// How long the server may take to come up.
const PATIENCE: Duration = Duration::from_mins(1);

/// What happened to the shop, one statement at a time. Two customers had one address while an index was made of it: it is invalid, and so
/// is what a first attempt to rebuild it left. Then one of them got another address; but nobody rebuilt the index.
const STORY: [(&str, bool); 12] = [
    ("CREATE TABLE orders (id bigint PRIMARY KEY, customer int, day date)", true),
    ("CREATE INDEX orders_customer ON orders (customer)", true),
    ("CREATE INDEX orders_day ON orders (day, customer)", true),
    ("INSERT INTO orders SELECT g, g, '2026-01-01'::date + g % 300 FROM generate_series(1, 200000) g", true),
    ("DELETE FROM orders WHERE id % 20 <> 0", true),
    (
        "CREATE TABLE customers AS SELECT g AS id, 'customer' || least(g, 999) || '@shop.example' AS mail FROM generate_series(1, 1000) g",
        true,
    ),
    ("CREATE UNIQUE INDEX CONCURRENTLY customers_mail ON customers (mail)", false),
    ("REINDEX INDEX CONCURRENTLY customers_mail", false),
    ("UPDATE customers SET mail = 'other@shop.example' WHERE id = 1000", true),
    // What a session has counted is told after a second; told after an ANALYZE it would look like news.
    ("SELECT pg_sleep(1.1)", true),
    ("VACUUM ANALYZE orders", true),
    ("ANALYZE customers", true),
];

/// The world, running. Its servers end when it goes out of scope.
#[derive(Debug)]
pub struct Indexes {
    database: Database,
    slack: Slack,
    control: Server,
    inspector: Arc<Inspector>,
    writer: JoinHandle<()>,
    /// What is practised is not written down among what was done.
    folder: TempDir,
}

/// A PostgreSQL of the drill's own.
#[derive(Debug)]
struct Database {
    server: Child,
    port: u16,
}

/// A program of PostgreSQL: Debian keeps those of the server in a folder of each version.
fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = versions.map(|version| version.path().join("bin").join(name)).collect();
    found.retain(|program| program.is_file());
    found.sort();
    found.pop().unwrap_or_else(|| name.into())
}

fn unprivileged(command: &mut Command) -> &mut Command {
    if geteuid().is_root() { command.uid(NOBODY).gid(NOBODY) } else { command }
}

impl Database {
    /// Starts it on a free port, with what it has in a folder below this one.
    async fn start(folder: &Path) -> anyhow::Result<Self> {
        let missing = "failed to start PostgreSQL, which `make tools` installs";
        let (data, port) = (folder.join("data"), TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port());
        let mut command = Command::new(program("initdb"));
        command.arg("--pgdata").arg(&data).args([
            "--username",
            OWNER,
            "--auth=trust",
            "--no-sync",
            "--no-instructions",
        ]);
        command.args(["--encoding=UTF8", "--locale=C"]).current_dir(folder).stdin(Stdio::null());
        let output = unprivileged(&mut command).output().await.context(missing)?;
        ensure!(output.status.success(), "{missing}: {}", String::from_utf8_lossy(&output.stderr).trim());
        let mut command = Command::new(program("postgres"));
        command.arg("-D").arg(&data).arg("-k").arg(folder).args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        for setting in ["fsync=off", "autovacuum=off", "shared_buffers=32MB", "dynamic_shared_memory_type=mmap"] {
            command.args(["-c", setting]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        // A Ctrl-C is for the program of the drill, not for its server.
        let server = unprivileged(&mut command).process_group(0).spawn().context(missing)?;
        let database = Self { server, port };
        let mut looks = Looks::every(Duration::from_millis(50), Instant::now() + PATIENCE);
        let mut why = String::new();
        while looks.next().await {
            match connect(&database.place("postgres"), &Trust::default(), "firedrill").await {
                Ok(session) => {
                    session.batch_execute("CREATE DATABASE shop").await.context("failed to make a database")?;
                    return Ok(database);
                }
                Err(error) => why = format!("{error:#}"),
            }
        }
        bail!("PostgreSQL did not come up on port {port} of loopback: {why}")
    }

    fn url(&self, name: &str) -> String {
        format!("postgres://{OWNER}@127.0.0.1:{}/{name}", self.port)
    }

    fn place(&self, name: &str) -> Place {
        Place::read(&self.url(name).into()).expect("a URL of our own")
    }
}

impl Drop for Database {
    /// At once, but so that it removes what it has of shared memory.
    fn drop(&mut self) {
        let process = self.server.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let _ = process.map(|process| kill_process(process, Signal::QUIT));
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
        while self.server.try_wait().is_ok_and(|ended| ended.is_none()) && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Indexes {
    /// Starts the servers, breaks the indexes, and has an application write.
    ///
    /// # Errors
    /// When a server cannot be started, or a fault is none of this world.
    pub async fn start(port: u16, faults: &[Fault]) -> anyhow::Result<Self> {
        if let Some(fault) = faults.iter().find(|fault| !matches!(fault, Fault::Slack)) {
            let why = format!("--fault: '{fault}' is none of this world: the world 'indexes' has slack-fails");
            return Err(UsageError(why).into());
        }
        let (ordered, log) = (Faults::default(), Log::default());
        for fault in faults {
            ordered.order(fault.clone());
        }
        let port = |place: u16| if port == 0 { 0 } else { port.saturating_add(place) };
        let folder = temporary::folder()?;
        let own = folder.path().join("postgres");
        std::fs::create_dir(&own).context("failed to make a folder for PostgreSQL")?;
        if geteuid().is_root() {
            let others = std::os::unix::fs::PermissionsExt::from_mode(0o711);
            std::fs::set_permissions(folder.path(), others).context("failed to let PostgreSQL into its folder")?;
            chown(&own, Some(NOBODY), Some(NOBODY)).context("failed to give PostgreSQL its folder")?;
        }
        let database = Database::start(&own).await?;
        let place = database.place("shop");
        let session = connect(&place, &Trust::default(), "firedrill").await?;
        for (statement, is_well) in STORY {
            let done = session.batch_execute(statement).await;
            let why = done.as_ref().err().map(said).unwrap_or_default();
            ensure!(done.is_ok() == is_well, "the story does not begin as it should, at {statement}: {why}");
        }
        let written = Arc::new(Written::default());
        let writer = tokio::spawn(write(session, Arc::clone(&written)));
        let slack = Slack::start(port(0), &ordered, &log).await?;
        let inspector = Arc::new(Inspector { place, written });
        let control = control::start(port(1), &ordered, &log, inspector.clone()).await?;
        Ok(Self { database, slack, control, inspector, writer, folder })
    }
}

impl Drop for Indexes {
    fn drop(&mut self) {
        self.writer.abort();
    }
}

/// What became of the writes of the application.
#[derive(Debug, Default)]
struct Written {
    count: AtomicU64,
    refused: AtomicU64,
    /// In milliseconds.
    longest: AtomicU64,
}

/// Takes orders, one after the other, until the world ends.
async fn write(session: Client, written: Arc<Written>) {
    let mut id = 1_000_000_u64;
    loop {
        id += 1;
        let (customer, began) = (id % 1000, Instant::now());
        let statement = format!(
            "INSERT INTO orders VALUES ({id}, {customer}, now()); UPDATE customers SET mail = mail WHERE id = {customer}"
        );
        let counter = if session.batch_execute(&statement).await.is_ok() { &written.count } else { &written.refused };
        counter.fetch_add(1, Ordering::Relaxed);
        let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        written.longest.fetch_max(took, Ordering::Relaxed);
        sleep(Duration::from_millis(20)).await;
    }
}

impl World for Indexes {
    fn environment(&self) -> Vec<(String, String)> {
        let variables = [
            ("FIREBREAK_DATABASE", self.database.url("shop")),
            ("FIREBREAK_SLACK", format!("http://{}/services/drill", self.slack.address())),
            ("FIREBREAK_JOURNAL", self.folder.path().join("journal").display().to_string()),
            ("FIREDRILL_CONTROL", format!("http://{}", self.control.address())),
        ];
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn commands(&self) -> String {
        format!("  rebuild_indexes get\n  rebuild_indexes run --env={ENVIRONMENT}")
    }

    fn proof(&self, environment: &str, stand: ShopState) -> Option<Proof> {
        self.inspector.proof(environment, stand)
    }
}

/// What says whether the indexes are well, and the application was not held up.
#[derive(Debug)]
struct Inspector {
    place: Place,
    written: Arc<Written>,
}

/// What is to be known: how many indexes are invalid, how many are leftovers, whether the one that keeps addresses apart is unique, and
/// how large the bloated ones are beside what they would be anew, roughly.
const QUESTION: &str = "
SELECT count(*) FILTER (WHERE NOT i.indisvalid AND c.relname !~ '_ccnew[0-9]*$') AS invalid,
       count(*) FILTER (WHERE c.relname ~ '_ccnew[0-9]*$') AS leftovers,
       count(*) FILTER (WHERE i.indrelid = 'orders'::regclass AND pg_relation_size(c.oid) > 2 * 1024 * 1024) AS bloated,
       count(*) FILTER (WHERE c.relname = 'customers_mail' AND i.indisunique) AS once
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public'";

impl Inspector {
    /// A proof is asked for from wherever: the database is asked by a thread of its own.
    fn found(&self) -> anyhow::Result<[String; 4]> {
        let ask = || tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(self.rows());
        std::thread::scope(|scope| scope.spawn(ask).join()).unwrap_or_else(|_| bail!("the database could not be asked"))
    }

    async fn rows(&self) -> anyhow::Result<[String; 4]> {
        let mut session = Postgres::open(&self.place, &Trust::default(), "firedrill").await?;
        let rows = session.rows(QUESTION).await?;
        let row = rows.first().context("no answer")?;
        Ok(["invalid", "leftovers", "bloated", "once"].map(|name| row.get(name).unwrap_or_default().to_owned()))
    }
}

impl Inspect for Inspector {
    fn proof(&self, environment: &str, stand: ShopState) -> Option<Proof> {
        (environment == ENVIRONMENT).then_some(())?;
        let found = self.found().unwrap_or_else(|error| [(); 4].map(|()| format!("{error:#}")));
        let [invalid, leftovers, bloated, once] = found;
        let (before, after) = (stand == ShopState::Broken, "0");
        let number = |number: &'static str| if before { number } else { after };
        let refused = self.written.refused.load(Ordering::Relaxed).to_string();
        let rows = [
            ("indexes that are invalid", invalid, number("1")),
            ("indexes that a failed rebuild left", leftovers, number("1")),
            ("indexes that are bloated", bloated, number("3")),
            ("indexes that keep addresses apart", once, "1"),
            ("orders that were refused meanwhile", refused, "0"),
        ];
        let services: Vec<Standing> = rows
            .into_iter()
            .map(|(what, found, wanted)| {
                let wrong = if found == wanted { Vec::new() } else { vec![format!("it should be {wanted}")] };
                Standing { service: what.to_owned(), wanted: wanted.to_owned(), found, wrong }
            })
            .collect();
        let holds = services.iter().all(|row| row.wrong.is_empty());
        Some(Proof { environment: environment.to_owned(), holds, services })
    }
}
