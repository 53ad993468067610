//! What goes wrong while a table is rebuilt: old transactions, others who want it, kills, interrupts.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;

const PLAIN: &str = "
CREATE TABLE orders (id int PRIMARY KEY, a int, note varchar(200), KEY a (a), UNIQUE KEY note (note));
INSERT INTO orders SELECT seq, seq * 7919 % 1000003, MD5(seq) FROM seq_1_to_100000";

/// The rebuild, while it waits for whoever has the table; and while it is at work.
const WAITS: &str = "SELECT ID FROM information_schema.PROCESSLIST
                     WHERE INFO LIKE '% ALTER TABLE %' AND STATE LIKE 'Waiting for table%' AND DB = DATABASE()";
const WORKS: &str = "SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE '% ALTER TABLE %' AND STATE = 'altering table' AND DB = DATABASE()";

/// A session whose transaction has the orders, and a run that waits for it.
async fn held_up(world: &World, words: &str) -> (Conn, Child) {
    let mut holder = world.database.session().await;
    run_in(&mut holder, "START TRANSACTION").await.expect("a transaction");
    run_in(&mut holder, "SELECT * FROM orders LIMIT 1").await.expect("the table");
    let child = world.command(&format!("run --yes --index=orders.a {words}")).spawn().expect("the program starts");
    world.wait_for(WAITS).await;
    (holder, child)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_gives_way_where_a_writer_waits_because_of_it() {
    let world = World::open(PLAIN).await;
    let stands = world.stands().await;
    let (mut holder, run) = held_up(&world, "--lock-timeout=5").await;
    let mut writer = world.database.session().await;
    run_in(&mut writer, "SET lock_wait_timeout = 60").await.expect("a setting");
    run_in(&mut writer, "INSERT INTO orders VALUES (-1, 1, 'x')").await.expect("the writer's turn comes");
    let ended = end(run).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let why = ended.why(&world.name("orders.a"));
    // Whether it gives way, or the server's own limit ends its wait, nobody waits longer.
    assert!(why.starts_with("it gave way: session ") || why.starts_with("it waited 5.0 s for a lock"), "{ended:?}");
    assert!(ended.report["longest_wait"]["milliseconds"].as_u64() >= Some(1000), "{ended:?}");
    run_in(&mut holder, "COMMIT").await.expect("an end");
    assert_eq!(world.stands().await, stands);

    // While it is at work somebody else wants the whole table, and a writer comes after that one.
    let mut run = world.command("run --yes --index=orders.a --lock-timeout=2").spawn().expect("the program starts");
    let mut other = world.database.session().await;
    loop {
        if !world.database.lines(WORKS).await.is_empty() {
            let alter = tokio::spawn(async move { run_in(&mut other, "ALTER TABLE orders ADD COLUMN more int").await });
            run_in(&mut writer, "INSERT INTO orders (id) VALUES (-2)").await.expect("the writer's turn comes");
            alter.await.expect("a session").expect("the other's turn comes as well");
            break;
        }
        // On a fast disk it may be done before it is seen.
        if run.try_wait().expect("a process").is_some() {
            break;
        }
    }
    let ended = end(run).await;
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_and_run_again_leaves_nothing_behind() {
    let world = World::open(PLAIN).await;
    let stands = world.stands().await;
    for is_held in [true, false] {
        let mut run = if is_held {
            let (mut holder, run) = held_up(&world, "--lock-timeout=60").await;
            run_in(&mut holder, "COMMIT").await.expect("an end");
            run
        } else {
            world.command("run --yes --index=orders.a").spawn().expect("the program starts")
        };
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while world.database.lines(WORKS).await.is_empty() && run.try_wait().expect("a process").is_none() {
            assert!(tokio::time::Instant::now() < deadline, "the rebuild was never seen");
        }
        run.kill().await.expect("killed");
        let ended = world.run("--index=orders.a --lock-timeout=60").await;
        assert_eq!((ended.code, done(&ended)), (0, vec![world.name("orders.a").as_str()]), "{ended:?}");
        assert_eq!(world.stands().await, stands);
    }
    assert_eq!(world.database.lines("SELECT COUNT(*) FROM orders FORCE INDEX (note)").await, ["100000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_is_killed_or_interrupted_leaves_nothing_behind() {
    let world = World::open(PLAIN).await;
    let stands = world.stands().await;
    let (mut holder, run) = held_up(&world, "--lock-timeout=60").await;
    let number = world.wait_for(WAITS).await;
    // The program looks four times a second, and sees it as well.
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.database.lines(&format!("KILL QUERY {number}")).await;
    let ended = end(run).await;
    assert_eq!((ended.code, ended.why(&world.name("orders.a"))), (3, "somebody else cancelled it"), "{ended:?}");
    assert!(ended.stderr.contains("of 100 %, waiting for table metadata lock"), "the server's own view: {ended:?}");
    run_in(&mut holder, "COMMIT").await.expect("an end");
    let (mut holder, run) = held_up(&world, "--lock-timeout=60").await;
    let process = i32::try_from(run.id().expect("it runs")).expect("a number");
    kill(Pid::from_raw(process), Signal::SIGINT).expect("a signal");
    let ended = end(run).await;
    assert_eq!((ended.code, ended.report["outcome"].as_str()), (130, Some("interrupted")), "{ended:?}");
    run_in(&mut holder, "COMMIT").await.expect("an end");
    let (mut holder, run) = held_up(&world, "--lock-timeout=60 --timeout=1").await;
    let ended = end(run).await;
    assert_eq!(
        (ended.code, ended.why(&world.name("orders.a"))),
        (3, "it had no end within 1.0 s (--timeout)"),
        "{ended:?}"
    );
    run_in(&mut holder, "COMMIT").await.expect("an end");
    assert_eq!(world.stands().await, stands);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_keep_out_of_each_others_way_on_whatever_host() {
    let world = World::open(PLAIN).await;
    let (mut holder, run) = held_up(&world, "--lock-timeout=60").await;
    let folder = tempfile::tempdir().expect("a folder");
    let other = command(&world.database.url(), &folder, "run --yes --index=orders.a").spawn();
    let ended = end(other.expect("the program starts")).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.message().starts_with("locked by run ") && ended.message().contains("tester on "), "{ended:?}");
    run_in(&mut holder, "COMMIT").await.expect("an end");
    assert_eq!(end(run).await.code, 0);
    let again = world.run("--index=orders.a").await;
    assert_eq!((again.code, done(&again).len()), (0, 1), "the lock is free at once: {again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_transaction_is_looked_for_before_anything_is_tried() {
    let world =
        World::open("CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE other (id int) ENGINE=InnoDB").await;
    let mut held = world.database.session().await;
    run_in(&mut held, "START TRANSACTION WITH CONSISTENT SNAPSHOT").await.expect("a snapshot");
    run_in(&mut held, "SELECT * FROM other").await.expect("another table");
    world.wait_for("SELECT 1 FROM information_schema.INNODB_TRX WHERE trx_started < NOW() - INTERVAL 2 SECOND").await;
    let ended = world.run("--index=orders.PRIMARY --lock-timeout=1").await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let why = ended.why(&world.name("orders.PRIMARY"));
    assert!(
        why.contains("(root, idle in transaction) has a transaction open for") && why.contains("wait, or KILL "),
        "{ended:?}"
    );
    // It finds the table as it was.
    run_in(&mut held, "SELECT * FROM orders").await.expect("no error 1412");
    run_in(&mut held, "COMMIT").await.expect("an end");
    for statement in ["XA START 'left'", "INSERT INTO other VALUES (1)", "XA END 'left'", "XA PREPARE 'left'"] {
        run_in(&mut held, statement).await.expect("a step");
    }
    drop(held);
    world.wait_for("SELECT 1 FROM information_schema.INNODB_TRX WHERE trx_started < NOW() - INTERVAL 2 SECOND AND trx_mysql_thread_id = 0").await;
    let ended = world.run("--index=orders.PRIMARY --lock-timeout=1").await;
    let why = ended.why(&world.name("orders.PRIMARY"));
    assert!(why.contains("a prepared XA transaction is open for") && why.contains("XA ROLLBACK ends it"), "{ended:?}");
    world.database.lines("XA ROLLBACK 'left'").await;
    let ended = world.run("--index=orders.PRIMARY --lock-timeout=1").await;
    assert_eq!((ended.code, done(&ended).len()), (0, 1), "{ended:?}");
}
