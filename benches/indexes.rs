//! Indexes of a real PostgreSQL while an application writes: this program beside `reindexdb --concurrently` and `pg_repack
//! --only-indexes`. How long they take, how long a write took at most meanwhile, also where somebody wants the whole table in the middle of
//! it, and what is left behind where they are killed. `cargo bench --bench indexes`
#![allow(missing_docs, reason = "a program, not a library")]

#[path = "../tests/it/support/mod.rs"]
mod support;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use support::postgres::{Database, Postgres, SUPERUSER};
use tokio_util::sync::CancellationToken;

/// A table of which most was deleted, with three indexes.
const TABLE: &str = "
CREATE TABLE orders (id bigint PRIMARY KEY, customer int, note text);
INSERT INTO orders SELECT g, g, md5(g::text) FROM generate_series(1, 1500000) g;
CREATE INDEX orders_customer ON orders (customer); CREATE INDEX orders_note ON orders (note);
DELETE FROM orders WHERE id % 2 = 0; CREATE EXTENSION pgstattuple";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Peer {
    Ours,
    Reindexdb,
    Repack,
}

/// What happens meanwhile.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trial {
    Calm,
    /// Somebody wants the whole table.
    Alter,
    Killed,
}

struct Measured {
    seconds: f64,
    /// Of a write, in milliseconds.
    longest: u128,
    /// Indexes that are invalid, and other things that were not there before.
    left: String,
}

#[tokio::main]
async fn main() {
    let server =
        tokio::task::spawn_blocking(|| Arc::new(Postgres::start(&["max_wal_size=4GB"]))).await.expect("a PostgreSQL");
    println!("three indexes of 1,500,000 entries of which half are gone, while an application writes");
    println!("{:>38}{:>16}{:>28}   left after kill -9", "takes", "longest write", "longest write with an ALTER");
    let mut ours = 0.0;
    for (peer, name) in [
        (Peer::Ours, "this program"),
        (Peer::Reindexdb, "reindexdb --concurrently"),
        (Peer::Repack, "pg_repack --only-indexes"),
    ] {
        if peer == Peer::Repack && program("pg_repack").is_none() {
            println!("{name:<28} is not installed");
            continue;
        }
        let calm = measure(&server, peer, Trial::Calm).await;
        let alter = measure(&server, peer, Trial::Alter).await;
        let killed = measure(&server, peer, Trial::Killed).await;
        if peer == Peer::Ours {
            ours = calm.seconds;
        }
        let ratio = calm.seconds / ours;
        println!(
            "{name:<28}{:>6.1} s {ratio:.2} ×{:>11} ms{:>25} ms   {}",
            calm.seconds, calm.longest, alter.longest, killed.left
        );
    }
}

fn program(name: &str) -> Option<PathBuf> {
    let folders = ["/usr/bin".into()].into_iter().chain(
        std::fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .flatten()
            .map(|version| version.path().join("bin")),
    );
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

fn command(database: &Database, peer: Peer, folder: &std::path::Path) -> Command {
    let port = database.server.port.to_string();
    let there = ["-h", "127.0.0.1", "-U", SUPERUSER, "-p", &port, "-d", &database.name];
    match peer {
        Peer::Ours => {
            let mut command = Command::new(env!("CARGO_BIN_EXE_rebuild_indexes"));
            command.args(["run", "--yes", "--lock-timeout=2", "--index=orders_pkey,orders_customer,orders_note"]);
            command.env("FIREBREAK_DATABASE", database.url()).env("XDG_STATE_HOME", folder);
            command
        }
        Peer::Reindexdb => {
            let mut command = Command::new(program("reindexdb").expect("reindexdb"));
            command.args(there).args(["--concurrently", "--table=orders"]);
            command
        }
        Peer::Repack => {
            let mut command = Command::new(program("pg_repack").expect("pg_repack"));
            command.args(there).args(["--only-indexes", "--table=orders"]);
            command
        }
    }
}

async fn measure(server: &Arc<Postgres>, peer: Peer, trial: Trial) -> Measured {
    let database = Database::of(Arc::clone(server)).await;
    database.run(TABLE).await;
    if peer == Peer::Repack {
        database.run("CREATE EXTENSION pg_repack").await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let stop = CancellationToken::new();
    let writer = tokio::spawn(write(database.session().await, stop.clone()));
    let began = Instant::now();
    let mut child = start(command(&database, peer, folder.path()));
    if trial != Trial::Calm {
        let session = database.session().await;
        let building = "SELECT EXISTS (SELECT FROM pg_stat_progress_create_index WHERE datname = current_database() AND blocks_done > 0)";
        while !session.query_one(building, &[]).await.expect("an answer").get::<_, bool>(0) {
            assert!(child.try_wait().expect("its state").is_none(), "it was over before it was disturbed");
        }
        if trial == Trial::Killed {
            child.kill().expect("killed");
        } else {
            session.batch_execute("ALTER TABLE orders ADD COLUMN more int").await.expect("a column");
        }
    }
    let _ = tokio::task::spawn_blocking(move || child.wait()).await.expect("its end");
    let seconds = began.elapsed().as_secs_f64();
    if trial == Trial::Killed {
        // A second try, as a person makes it.
        let calm = "SELECT NOT EXISTS (SELECT FROM pg_stat_progress_create_index WHERE datname = current_database())";
        let session = database.session().await;
        while !session.query_one(calm, &[]).await.expect("an answer").get::<_, bool>(0) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let mut again = start(command(&database, peer, folder.path()));
        let _ = tokio::task::spawn_blocking(move || again.wait()).await.expect("its end");
    }
    stop.cancel();
    let longest = writer.await.expect("the writer").as_millis();
    let found =
        "SELECT count(*) FILTER (WHERE NOT indisvalid) || ' invalid, ' || count(*) - 3 || ' too many' FROM pg_index
                 WHERE indrelid = 'orders'::regclass";
    Measured { seconds, longest, left: database.lines(found).await.concat() }
}

fn start(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a start")
}

/// Writes, one row after the other; how long one took at most.
async fn write(session: firebreak::sql::postgres::Client, stop: CancellationToken) -> Duration {
    let mut longest = Duration::ZERO;
    let mut id = 10_000_000_i64;
    while !stop.is_cancelled() {
        id += 1;
        let began = Instant::now();
        let statement = format!("INSERT INTO orders (id, customer, note) VALUES ({id}, {id}, md5('{id}'))");
        session.batch_execute(&statement).await.expect("a write");
        longest = longest.max(began.elapsed());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    longest
}
