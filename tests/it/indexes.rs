//! `rebuild_indexes` against a real PostgreSQL, while others write; [`mariadb`] does the same with a real `MariaDB`.

mod faults;
mod mariadb;
mod role;

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::support::ended::Ended;
use crate::support::postgres::{Database, Postgres};

const PROGRAM: &str = env!("CARGO_BIN_EXE_rebuild_indexes");

/// How long something may take to show; CI has two busy cores.
const PATIENCE: Duration = Duration::from_mins(2);

/// A database, and a folder to run in.
struct World<D = Database> {
    database: D,
    folder: TempDir,
}

/// A database that the program can be led to.
trait Reachable {
    fn url(&self) -> String;
}

impl Reachable for Database {
    fn url(&self) -> String {
        self.url()
    }
}

impl<D: Reachable> World<D> {
    fn command(&self, words: &str) -> Command {
        command(&self.database.url(), &self.folder, words)
    }

    async fn ends(&self, words: &str) -> Ended {
        end(self.command(words).spawn().expect("the program starts")).await
    }

    async fn run(&self, words: &str) -> Ended {
        self.ends(&format!("run --yes {words}")).await
    }

    /// What a look says of each index, by its name without what all names begin with.
    async fn seen(&self, begin: &str) -> Value {
        let ended = self.ends("get").await;
        assert_eq!(ended.code, 0, "{ended:?}");
        let indexes = ended.report["indexes"].as_array().expect("indexes");
        let name = |index: &Value| index["index"].as_str().unwrap_or_default().replacen(begin, "", 1);
        indexes.iter().map(|index| (name(index), index.clone())).collect::<serde_json::Map<_, _>>().into()
    }
}

/// The indexes that were rebuilt, or removed.
fn done(ended: &Ended) -> Vec<&str> {
    let rebuilt = ended.report["rebuilt"].as_array().unwrap_or_else(|| panic!("nothing was begun: {ended:?}"));
    rebuilt.iter().filter(|one| one["is_done"] == true).filter_map(|one| one["index"].as_str()).collect()
}

impl World {
    /// A database with these statements run in it.
    async fn open(statements: &str) -> Self {
        let database = Database::new().await;
        database.run(statements).await;
        Self { database, folder: tempfile::tempdir().expect("a folder") }
    }

    /// What a look says of each index, by its name without the schema.
    async fn look(&self) -> Value {
        self.seen("public.").await
    }

    /// Makes statistics of the orders, once all that was done to them is counted.
    async fn analyse(&self) {
        self.wait_for(
            "SELECT coalesce((SELECT n_tup_del >= 90000 FROM pg_stat_user_tables WHERE relname = 'orders'), false)",
        )
        .await;
        self.database.run("VACUUM orders").await;
        self.database.run("ANALYZE orders").await;
    }

    /// The indexes that are invalid.
    async fn invalid(&self) -> Vec<String> {
        let statement =
            "SELECT indexrelid::regclass FROM pg_index WHERE NOT (indisvalid AND indisready AND indislive) ORDER BY 1";
        self.database.lines(statement).await
    }

    /// Waits until an answer is yes.
    async fn wait_for(&self, question: &str) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let session = self.database.session().await;
        while !session.query_one(question, &[]).await.expect("an answer").get::<_, bool>(0) {
            assert!(tokio::time::Instant::now() < deadline, "it never came to be: {question}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The program about a database, run in a folder.
fn command(database: &str, folder: &TempDir, words: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(words.split_whitespace()).arg("--format=json").current_dir(folder.path()).env_clear();
    command.env("USER", "tester").env("XDG_STATE_HOME", folder.path()).env("FIREBREAK_DATABASE", database);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

async fn end(child: Child) -> Ended {
    let output = child.wait_with_output().await.expect("the program ends");
    Ended::of(output)
}

/// A table of which most was deleted, and what is wrong with its indexes in each way.
const ORDERS: &str = "
CREATE TABLE orders (id bigint PRIMARY KEY, day date, customer int, state text);
INSERT INTO orders SELECT g, '2026-01-01'::date + g % 300, g, 's' || g % 4 FROM generate_series(1, 100000) g;
CREATE INDEX orders_customer ON orders (customer);
CREATE INDEX orders_customer_again ON orders (customer);
CREATE INDEX orders_customer_day ON orders (customer, day);
CREATE INDEX orders_open ON orders (id) WHERE state <> 's1';
CREATE INDEX orders_lower ON orders (lower(state));
CREATE UNIQUE INDEX orders_customer_once ON orders (customer);
DELETE FROM orders WHERE id % 10 <> 0";

/// An index whose rebuild takes long: each of its entries is computed for a while.
const SLOW: &str = "
CREATE TABLE slow (id int, note text);
CREATE FUNCTION slowly(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
  'BEGIN PERFORM pg_sleep(CASE WHEN i > 0 THEN 0.05 ELSE 0 END); RETURN i; END';
CREATE INDEX slow_id ON slow (slowly(id));
ALTER TABLE slow DISABLE TRIGGER ALL;
INSERT INTO slow SELECT g FROM generate_series(1, 200) g";

/// While it holds, the rebuild of the slow index is at its slow part.
const BUILDING: &str = "SELECT EXISTS (SELECT FROM pg_stat_progress_create_index WHERE datname = current_database() AND phase LIKE 'building index%')";

#[tokio::test(flavor = "multi_thread")]
async fn a_look_finds_what_is_wrong_and_says_how_it_knows() {
    let world = World::open(ORDERS).await;
    world.analyse().await;
    world.database.run("CREATE TABLE twice (a int); INSERT INTO twice VALUES (1), (1)").await;
    let broken =
        world.database.session().await.batch_execute("CREATE UNIQUE INDEX CONCURRENTLY twice_a ON twice (a)").await;
    assert!(broken.is_err());
    // What a rebuild of an invalid index leaves.
    assert!(world.database.session().await.batch_execute("REINDEX INDEX CONCURRENTLY twice_a").await.is_err());
    let seen = world.look().await;
    let of = |index: &str, what: &str| seen[index][what].clone();
    assert_eq!((of("twice_a", "kind"), of("twice_a_ccnew", "kind")), ("invalid".into(), "leftover".into()));
    assert_eq!(of("twice_a_ccnew", "leftover_of"), "public.twice_a");
    for index in ["orders_pkey", "orders_customer"] {
        assert_eq!(
            (of(index, "kind"), of(index, "how")),
            ("bloated".into(), "estimated from statistics".into()),
            "{seen:#}"
        );
        let (size, waste) =
            (of(index, "size").as_u64().expect("a size"), of(index, "waste").as_u64().expect("a waste"));
        assert!(waste * 10 > size * 8 && waste < size, "{waste} of {size}");
    }
    for (index, why) in [("orders_open", "partial"), ("orders_lower", "expression")] {
        let how = of(index, "how");
        assert!(how.as_str().is_some_and(|how| how.starts_with("unknown: ") && how.contains(why)), "{how}");
        assert_eq!((of(index, "waste"), of(index, "kind")), (Value::Null, Value::Null));
    }
    assert_eq!(of("orders_customer_again", "needless"), "duplicate of public.orders_customer");
    assert_eq!(of("orders_customer", "needless"), "redundant: public.orders_customer_day begins with the same columns");
    assert_eq!((of("orders_pkey", "needless"), of("orders_customer_once", "needless")), (Value::Null, Value::Null));
    assert_eq!((of("orders_lower", "unused"), of("orders_pkey", "unused")), (true.into(), false.into()));
    world.database.run("CREATE EXTENSION pgstattuple").await;
    let seen = world.look().await;
    assert_eq!(
        (&seen["orders_open"]["how"], &seen["orders_open"]["kind"]),
        (&"measured by pgstattuple".into(), &"bloated".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_are_rebuilt_while_others_write_and_nobody_waits_longer_than_was_said() {
    let world = World::open(ORDERS).await;
    world.analyse().await;
    world.database.run("CREATE EXTENSION amcheck; CREATE EXTENSION pgstattuple").await;
    let before = world
        .database
        .lines("SELECT sum(pg_relation_size(indexrelid)) FROM pg_index WHERE indrelid = 'orders'::regclass")
        .await;
    let stop = tokio_util::sync::CancellationToken::new();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4_i64 {
        let (session, stop) = (world.database.session().await, stop.clone());
        writers.spawn(async move {
            // A write that waits longer fails, and with it this test.
            session.batch_execute("SET lock_timeout = '30s'").await.expect("a setting");
            let mut written = 0_i64;
            while !stop.is_cancelled() {
                let id = 1_000_000 * (writer + 1) + written;
                let statement = format!(
                    "INSERT INTO orders VALUES ({id}, now(), {id}, 's1'); UPDATE orders SET state = 's2' WHERE id = {}; \
                     DELETE FROM orders WHERE id = {}",
                    id - 1,
                    id - 2
                );
                session.batch_execute(&statement).await.expect("a write");
                written += 1;
            }
            written
        });
    }
    let planned = world.ends("run --check").await;
    assert_eq!((planned.code, planned.report["outcome"].as_str()), (0, Some("planned")), "{planned:?}");
    let text = planned.report["text"].as_str().expect("the plan");
    assert!(text.contains("public.orders_pkey") && text.contains("% empty, measured by pgstattuple"), "{text}");
    let ended = world.run("--lock-timeout=30").await;
    stop.cancel();
    let mut written = 0;
    while let Some(writer) = writers.join_next().await {
        written += writer.expect("a writer that was never refused");
    }
    assert!(written > 20, "the writers came to nothing: {written}");
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(done(&ended).len(), 6, "{ended:?}");
    assert!(done(&ended).contains(&"public.orders_pkey"), "{ended:?}");
    let verified: Vec<&Value> =
        ended.report["rebuilt"].as_array().expect("rebuilt").iter().map(|one| &one["verified"]).collect();
    assert!(verified.iter().all(|how| **how == "valid, checked by amcheck"), "{verified:?}");
    let longest = ended.report["longest_wait"]["milliseconds"].as_u64().expect("the longest wait");
    assert!(longest < 30_000, "{ended:?}");
    assert_eq!(world.invalid().await, [""; 0]);
    let after = world
        .database
        .lines("SELECT sum(pg_relation_size(indexrelid)) FROM pg_index WHERE indrelid = 'orders'::regclass")
        .await;
    let number = |lines: &[String]| lines[0].parse::<u64>().expect("a number");
    assert!(number(&after) * 2 < number(&before), "{before:?} {after:?}");
    let constraint =
        "SELECT conindid::regclass FROM pg_constraint WHERE conrelid = 'orders'::regclass AND contype = 'p'";
    assert_eq!(world.database.lines(constraint).await, ["orders_pkey"]);
    world.database.run("ANALYZE orders").await;
    let again = world.run("").await;
    assert_eq!((again.code, again.report["outcome"].as_str()), (0, Some("nothing_to_do")), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_rebuilt_one_by_one_several_tables_at_a_time() {
    let world = World::open(
        "CREATE TABLE parts (id int, k int) PARTITION BY RANGE (id);
         CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (1000);
         CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (1000) TO (2000) PARTITION BY RANGE (id);
         CREATE TABLE parts_2a PARTITION OF parts_2 FOR VALUES FROM (1000) TO (1500);
         CREATE UNIQUE INDEX parts_k ON parts (id, k); INSERT INTO parts SELECT g, g FROM generate_series(1, 1400) g;",
    )
    .await;
    let ended = world.run("--index=parts_k --jobs=2").await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let mut done = done(&ended);
    done.sort_unstable();
    assert_eq!(done, ["public.parts_1_id_k_idx", "public.parts_2a_id_k_idx"]);
    assert_eq!(world.invalid().await, [""; 0]);
    let attached = world
        .database
        .lines(
            "SELECT count(*) FROM pg_inherits WHERE inhparent IN ('parts_k'::regclass, 'parts_2_id_k_idx'::regclass)",
        )
        .await;
    assert_eq!(attached, ["3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unique_stays_so_and_what_cannot_be_is_named() {
    let world = World::open(
        "CREATE TABLE twice (a int); INSERT INTO twice VALUES (1), (1);
         CREATE TABLE booked (room int, during int4range, EXCLUDE USING gist (during WITH &&)); INSERT INTO booked VALUES (1, '[1,2)')",
    )
    .await;
    let session = world.database.session().await;
    assert!(session.batch_execute("CREATE UNIQUE INDEX CONCURRENTLY twice_a ON twice (a)").await.is_err());
    let ended = world.run("").await;
    assert_eq!(ended.code, 3, "{ended:?}");
    let why = ended.why("public.twice_a");
    assert!(why.starts_with("its rows are not unique: ") && why.contains("(a)=(1)"), "{ended:?}");
    assert_eq!(world.invalid().await, ["twice_a"], "what was tried left nothing");
    let apart = world.run("--index=booked_during_excl").await;
    assert_eq!(apart.code, 0, "{apart:?}");
    assert!(apart.message().contains("cannot do that for an exclusion constraint"), "{apart:?}");
    session
        .batch_execute("DELETE FROM twice WHERE ctid IN (SELECT ctid FROM twice LIMIT 1)")
        .await
        .expect("one of the two");
    let ended = world.run("--index=twice_a").await;
    assert_eq!((ended.code, done(&ended)), (0, vec!["public.twice_a"]), "{ended:?}");
    assert!(session.batch_execute("INSERT INTO twice VALUES (1)").await.is_err(), "it keeps rows apart again");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_a_failed_rebuild_left_is_removed() {
    let world = World::open(
        "CREATE TABLE twice (a int, b int); INSERT INTO twice VALUES (1, 1), (1, 2); CREATE INDEX day_ccnew ON twice (b);
         CREATE INDEX day ON twice (b); CREATE INDEX \"Odd \"\"name\" ON twice (a, b)",
    )
    .await;
    let session = world.database.session().await;
    assert!(session.batch_execute("CREATE UNIQUE INDEX CONCURRENTLY alone_ccnew ON twice (a)").await.is_err());
    assert!(session.batch_execute("REINDEX INDEX CONCURRENTLY alone_ccnew").await.is_err());
    let ended = world.run("--kind=leftover").await;
    assert_eq!((ended.code, done(&ended)), (0, vec!["public.alone_ccnew_ccnew"]), "{ended:?}");
    assert_eq!(world.invalid().await, ["alone_ccnew"], "nothing is beside it");
    let all = world.database.lines("SELECT count(*) FROM pg_class WHERE relname IN ('day_ccnew', 'day')").await;
    assert_eq!(all, ["2"]);
    let odd = world.command("run --yes").arg("--index=Odd \"name").spawn().expect("the program starts");
    let odd = end(odd).await;
    assert_eq!((odd.code, done(&odd)), (0, vec!["public.Odd \"name"]), "{odd:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_before_anything_is_done() {
    let world = World::open("CREATE TABLE orders (id int PRIMARY KEY)").await;
    for (words, code, why) in [
        ("--index=orders_pky", 2, "there is no index 'orders_pky'; near are public.orders_pkey"),
        ("--table=nowhere", 2, "there is no index on a table 'nowhere'"),
        ("--index=x --kind=bloated", 2, "leave --kind out"),
        ("--kind=slow", 2, "--kind cannot be 'slow': it is leftover, invalid, bloated"),
        ("--min-waste=100", 2, "--min-waste cannot be '100': it is a percentage, 1 to 99"),
        ("--jobs=0", 2, "--jobs cannot be '0': it is a whole number, 1 to 16"),
        ("--lock-timeout=x", 2, "--lock-timeout cannot be 'x'"),
        ("--index=a --table=b", 2, "--index names indexes by themselves"),
        ("--database=redis://h/x", 2, "names no database"),
        ("--database=postgres://u:hunter2@127.0.0.1:1/x", 1, "nothing listens at 127.0.0.1:1"),
    ] {
        let ended = world.run(words).await;
        assert!(ended.code == code && ended.message().contains(why), "{words}: {ended:?}");
        assert!(!format!("{ended:?}").contains("hunter2"), "{ended:?}");
    }
    world.database.run("CREATE USER stranger; CREATE INDEX orders_id ON orders (id)").await;
    let stranger = world.database.url().replace("fire@", "stranger@");
    let folder = world.database.server.folder.path().display().to_string().replace('/', "%2F");
    let stranger = stranger.replace("127.0.0.1", &folder);
    let ended = world.run(&format!("--index=orders_id --database={stranger}")).await;
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.why("public.orders_id").contains("must be owner of"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_looked_at_and_never_asked_to_change_anything() {
    let server = tokio::task::spawn_blocking(Postgres::start_replica).await.expect("a replica");
    let world = World::open("SELECT 1").await;
    let url = server.url("fire", "postgres");
    let seen = world.ends(&format!("get --database={url}")).await;
    assert_eq!((seen.code, &seen.report["can_rebuild"]), (0, &Value::Bool(false)), "{seen:?}");
    let ended = world.run(&format!("--database={url}")).await;
    let why = "this server is a replica, which cannot change anything: connect to its primary; nothing was changed";
    assert_eq!((ended.code, ended.message()), (1, why));
}
