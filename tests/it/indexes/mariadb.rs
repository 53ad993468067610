//! `rebuild_indexes` against a real `MariaDB`, while others write.

mod faults;

use serde_json::Value;

use super::*;
use crate::support::mariadb::{Conn, Database, Mariadb};

type World = super::World<Database>;

impl Reachable for Database {
    fn url(&self) -> String {
        self.url()
    }
}

impl World {
    /// A database with these statements run in it.
    async fn open(statements: &str) -> Self {
        Self::open_with(&[], statements).await
    }

    /// The same on a server with these options. Each test has a server of its own: a transaction of another test on the same one would
    /// hold its rebuilds up.
    async fn open_with(options: &'static [&'static str], statements: &str) -> Self {
        let server = tokio::task::spawn_blocking(|| Mariadb::start(options)).await.expect("a MariaDB");
        let database = Database::of(server.into()).await;
        for statement in statements.split(';').filter(|statement| !statement.trim().is_empty()) {
            database.lines(statement).await;
        }
        Self { database, folder: tempfile::tempdir().expect("a folder") }
    }

    /// The name of an index of this database.
    fn name(&self, index: &str) -> String {
        format!("{}.{index}", self.database.name)
    }

    /// What a look says of each index, by its name without the database.
    async fn look(&self) -> Value {
        self.seen(&self.name("")).await
    }

    /// Waits until what was deleted of the orders is gone from the disk's pages, and counts them again.
    async fn purge(&self) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            self.database.lines("ANALYZE TABLE orders").await;
            let seen = self.look().await;
            if ["orders.PRIMARY", "orders.customer"].iter().all(|index| seen[index]["kind"] == "bloated") {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "nothing becomes bloated: {seen:#}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// How the orders are defined, and what a crash or a rebuild may have left.
    async fn stands(&self) -> Vec<String> {
        let mut lines = self.database.lines("SHOW CREATE TABLE orders").await;
        lines.extend(self.database.lines("SELECT NAME FROM information_schema.INNODB_SYS_TABLES WHERE NAME LIKE CONCAT(DATABASE(), '/#sql%')").await);
        lines
    }

    /// Waits until a statement answers something. The server reads its transactions anew only where nobody asked for a tenth of a second.
    async fn wait_for(&self, question: &str) -> String {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.database.lines(question).await.into_iter().next() {
                return line;
            }
            assert!(tokio::time::Instant::now() < deadline, "it never came to be: {question}");
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
}

async fn run_in(session: &mut Conn, statement: &str) -> Result<(), String> {
    use mysql_async::prelude::Queryable as _;
    session.query_drop(statement).await.map_err(|error| error.to_string())
}

/// A table of which most was deleted, and what is needless beside others.
const ORDERS: &str = "
CREATE TABLE orders (id bigint PRIMARY KEY, day date, customer int NOT NULL, state varchar(10), KEY customer (customer),
  KEY customer_again (customer), KEY customer_day (customer, day), UNIQUE KEY once (id, customer), KEY state (state));
INSERT INTO orders SELECT seq, '2026-01-01' + INTERVAL seq % 300 DAY, seq, CONCAT('s', seq % 4) FROM seq_1_to_200000;
ANALYZE TABLE orders PERSISTENT FOR COLUMNS (id, day, customer, state) INDEXES ();
DELETE FROM orders WHERE id % 10 <> 0";

#[tokio::test(flavor = "multi_thread")]
async fn a_look_finds_what_is_wrong_and_says_how_it_knows() {
    const OTHERS: &str = "
CREATE TABLE notes (id int PRIMARY KEY, note text, FULLTEXT KEY words (note));
CREATE TABLE places (id int PRIMARY KEY, place point NOT NULL, SPATIAL KEY place (place));
CREATE TABLE computed (a int, twice int AS (a * 2) VIRTUAL, KEY twice (twice));
CREATE TABLE old (a int, KEY a (a)) ENGINE=MyISAM;
CREATE TABLE parent (id int PRIMARY KEY) ENGINE=InnoDB;
CREATE TABLE child (parent int, KEY alone (parent), FOREIGN KEY (parent) REFERENCES parent (id));
CREATE TABLE parts (id int PRIMARY KEY, k int, KEY k (k)) PARTITION BY HASH (id) PARTITIONS 3;
SELECT * FROM orders FORCE INDEX (customer_day) WHERE customer = 10";
    let options = &["--performance-schema=ON", "--log-bin=log", "--server-id=1"];
    let world = World::open_with(options, &format!("{ORDERS};{OTHERS}")).await;
    world.purge().await;
    let seen = world.look().await;
    let of = |index: &str, what: &str| seen[index][what].clone();
    for index in ["orders.PRIMARY", "orders.customer", "orders.once"] {
        assert_eq!(
            (of(index, "kind"), of(index, "how"), of(index, "obstacle")),
            ("bloated".into(), "estimated from statistics".into(), Value::Null),
            "{index}: {seen:#}"
        );
        let number = |what: &str| of(index, what).as_u64().expect("a number");
        assert!(number("waste") * 10 > number("size") * 3 && number("waste") < number("size"), "{seen:#}");
    }
    let how = of("notes.PRIMARY", "how");
    assert!(how.as_str().is_some_and(|how| how.starts_with("unknown: how wide its columns are")), "{how}");
    let duplicate = format!("duplicate of {}", world.name("orders.customer"));
    assert_eq!(of("orders.customer_again", "needless"), duplicate);
    assert_eq!((of("orders.PRIMARY", "needless"), of("orders.once", "needless")), (Value::Null, Value::Null));
    let unused = |index: &str| of(index, "unused");
    assert_eq!(
        ["orders.state", "orders.customer_day", "orders.PRIMARY", "child.alone"].map(unused),
        [true, false, false, false].map(Value::Bool),
        "{seen:#}"
    );
    for (index, why) in [
        ("notes.PRIMARY", "its index words is FULLTEXT"),
        ("places.place", "its index place is SPATIAL"),
        ("computed.twice", "its index twice is on a virtual column"),
        ("old.a", "its engine is MyISAM, and InnoDB alone does that"),
    ] {
        assert_eq!(of(index, "obstacle"), why, "{index}");
    }
    assert_eq!((of("parts.k", "size"), of("parts.k", "obstacle")), ((3 * 16384).into(), Value::Null));

    // No replica is to repeat what is done.
    let ended = world.run("--table=orders").await;
    assert!(ended.code == 0 && done(&ended).len() >= 4, "{ended:?}");
    let logged = world.database.lines("SHOW BINLOG EVENTS").await.join("\n");
    assert!(logged.contains("CREATE TABLE orders") && !logged.contains("ALTER TABLE"), "{logged}");
    world.database.lines("CREATE USER stranger").await;
    let stranger = world.database.server.url("stranger", &world.database.name);
    world.database.lines(&format!("GRANT ALL ON {}.* TO stranger", world.database.name)).await;
    let ended = world.run(&format!("--database={stranger}")).await;
    assert_eq!(
        (ended.code, ended.message().contains("GRANT PROCESS ON *.* and GRANT SELECT ON mysql.*")),
        (1, true),
        "{ended:?}"
    );
    world.database.lines("GRANT PROCESS ON *.* TO stranger").await;
    world.database.lines("GRANT SELECT ON mysql.* TO stranger").await;
    let ended = world.run(&format!("--database={stranger}")).await;
    assert_eq!((ended.code, ended.message().contains("GRANT BINLOG ADMIN ON *.*")), (1, true), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_are_rebuilt_while_others_write_and_nobody_waits_longer_than_was_said() {
    let world = World::open(ORDERS).await;
    world.purge().await;
    let (stands, before) = (world.stands().await, world.look().await);
    assert_eq!(before["orders.state"]["unused"], Value::Null, "nobody counts there");
    let stop = tokio_util::sync::CancellationToken::new();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4_i64 {
        let (mut session, stop) = (world.database.session().await, stop.clone());
        writers.spawn(async move {
            // A write that waits longer fails, and with it this test.
            run_in(&mut session, "SET lock_wait_timeout = 30").await.expect("a setting");
            let mut written = 0_i64;
            while !stop.is_cancelled() {
                let id = 1_000_000 * (writer + 1) + written;
                for statement in [
                    format!("INSERT INTO orders VALUES ({id}, NOW(), {id}, 's1')"),
                    format!("UPDATE orders SET state = 's2' WHERE id = {}", id - 1),
                    format!("DELETE FROM orders WHERE id = {}", id - 2),
                ] {
                    run_in(&mut session, &statement).await.expect("a write");
                }
                written += 1;
            }
            written
        });
    }
    let planned = world.ends("run --check").await;
    assert_eq!((planned.code, planned.report["outcome"].as_str()), (0, Some("planned")), "{planned:?}");
    let text = planned.report["text"].as_str().expect("the plan");
    assert!(text.contains("beside the old table, since all indexes of a table are rebuilt with it"), "{text}");
    let ended = world.run("--lock-timeout=30").await;
    stop.cancel();
    let mut written = 0;
    while let Some(writer) = writers.join_next().await {
        written += writer.expect("a writer that was never refused");
    }
    assert!(written > 20, "the writers came to nothing: {written}");
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(done(&ended).len() >= 4 && done(&ended).contains(&world.name("orders.PRIMARY").as_str()), "{ended:?}");
    let rebuilt = ended.report["rebuilt"].as_array().expect("rebuilt");
    for one in rebuilt {
        assert_eq!(one["verified"], "defined as before, checked by CHECK TABLE", "{ended:?}");
        assert!(one["size"].as_u64() < one["size_before"].as_u64(), "{ended:?}");
    }
    let longest = ended.report["longest_wait"]["milliseconds"].as_u64().expect("the longest wait");
    assert!(longest < 30_000, "{ended:?}");
    assert_eq!(world.stands().await, stands);
    assert_eq!(world.database.lines("SELECT COUNT(*) FROM orders WHERE id <= 200000").await, ["20000"]);
    let rows = world.database.lines("SELECT (SELECT COUNT(*) FROM orders FORCE INDEX (once)) - (SELECT COUNT(*) FROM orders FORCE INDEX (PRIMARY))").await;
    assert_eq!(rows, ["0"]);
    world.database.lines("ANALYZE TABLE orders").await;
    let again = world.run("").await;
    assert_eq!((again.code, again.report["outcome"].as_str()), (0, Some("nothing_to_do")), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_taken_as_they_are_and_what_cannot_be_is_named() {
    let world = World::open(
        "CREATE TABLE orders (id int PRIMARY KEY, a int); CREATE TABLE `o``d \"d` (id int PRIMARY KEY, a int, KEY `k``-- ' k` (a));
         CREATE TABLE old (a int, KEY a (a)) ENGINE=MyISAM; CREATE TABLE notes (note text, FULLTEXT KEY words (note));
         CREATE TABLE keyless (a int); CREATE TABLE parts (id int PRIMARY KEY, k int, KEY k (k)) PARTITION BY HASH (id) PARTITIONS 3;
         INSERT INTO parts SELECT seq, seq FROM seq_1_to_1000",
    )
    .await;
    let odd = world.command("run --yes").arg("--index=o`d \"d.k`-- ' k").spawn().expect("the program starts");
    let odd = end(odd).await;
    assert_eq!((odd.code, done(&odd)), (0, vec![world.name("o`d \"d.k`-- ' k").as_str()]), "{odd:?}");
    for (index, why) in [
        ("old.a", "cannot be rebuilt without blocking writers: its engine is MyISAM"),
        ("words", "cannot be rebuilt without blocking writers: its index words is FULLTEXT"),
    ] {
        let ended = world.run(&format!("--index={index}")).await;
        assert_eq!((ended.code, ended.message().contains(why)), (0, true), "{ended:?}");
    }
    let ended = world.run("--index=PRIMARY").await;
    assert_eq!(
        (ended.code, ended.message().contains("several indexes are called 'PRIMARY': say which")),
        (2, true),
        "{ended:?}"
    );
    let ended = world.run("--index=orders.PRIMARY,k,keyless.GEN_CLUST_INDEX --jobs=3").await;
    let mut done = done(&ended);
    done.sort_unstable();
    let all = ["keyless.GEN_CLUST_INDEX", "orders.PRIMARY", "parts.k"].map(|index| world.name(index));
    assert_eq!((ended.code, done), (0, all.iter().map(String::as_str).collect()), "{ended:?}");
    assert_eq!(world.database.lines("SELECT COUNT(*) FROM parts FORCE INDEX (k)").await, ["1000"]);
}
