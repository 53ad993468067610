//! What goes wrong while an index is rebuilt: old transactions, others who want the table, kills, interrupts.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;

/// A run of the slow index, at its slow part.
async fn slow_run(world: &World, words: &str) -> Child {
    let child = world.command(&format!("run --yes --index=slow_id {words}")).spawn().expect("the program starts");
    world.wait_for(BUILDING).await;
    child
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_gives_way_where_a_writer_waits_because_of_it() {
    let world = World::open(SLOW).await;
    let run = slow_run(&world, "--lock-timeout=2").await;
    let (alters, writes) = (world.database.session().await, world.database.session().await);
    let alters = tokio::spawn(async move { alters.batch_execute("ALTER TABLE slow ADD COLUMN more int").await });
    world.wait_for("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock' AND relation = 'slow'::regclass)").await;
    writes
        .batch_execute("SET lock_timeout = '60s'; INSERT INTO slow VALUES (-1)")
        .await
        .expect("the writer's turn comes");
    alters.await.expect("a session").expect("the other's turn comes as well");
    let ended = end(run).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.why("public.slow_id").starts_with("it gave way: session "), "{ended:?}");
    assert!(ended.report["longest_wait"]["milliseconds"].as_u64() >= Some(1000), "{ended:?}");
    assert_eq!(world.invalid().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_and_run_again_leaves_nothing_invalid() {
    let world = World::open(SLOW).await;
    let mut run = slow_run(&world, "").await;
    run.kill().await.expect("killed");
    let ended = world.run("--index=slow_id --lock-timeout=60").await;
    assert_eq!((ended.code, done(&ended)), (0, vec!["public.slow_id"]), "{ended:?}");
    assert_eq!(world.invalid().await, [""; 0]);
    let all = world.database.lines("SELECT count(*) FROM pg_index WHERE indrelid = 'slow'::regclass").await;
    assert_eq!(all, ["1"]);
    // And once more, with what is left to the second run alone.
    let mut run = slow_run(&world, "").await;
    run.kill().await.expect("killed");
    world
        .wait_for("SELECT NOT EXISTS (SELECT FROM pg_stat_progress_create_index WHERE datname = current_database())")
        .await;
    assert_eq!(world.invalid().await, ["slow_id_ccnew"], "the server broke it off");
    let ended = world.run("").await;
    assert_eq!((ended.code, done(&ended)), (0, vec!["public.slow_id_ccnew"]), "{ended:?}");
    assert_eq!(world.invalid().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_interrupted_breaks_off_and_cleans_up() {
    let world = World::open(SLOW).await;
    let run = slow_run(&world, "").await;
    let process = i32::try_from(run.id().expect("it runs")).expect("a number");
    kill(Pid::from_raw(process), Signal::SIGINT).expect("a signal");
    let ended = end(run).await;
    assert_eq!((ended.code, ended.report["outcome"].as_str()), (130, Some("interrupted")), "{ended:?}");
    assert_eq!(ended.why("public.slow_id"), "interrupted");
    assert_eq!(world.invalid().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_keep_out_of_each_others_way_on_whatever_host() {
    let world = World::open(SLOW).await;
    let run = slow_run(&world, "").await;
    let other = World {
        database: Database { server: world.database.server.clone(), name: world.database.name.clone() },
        folder: tempfile::tempdir().expect("a folder"),
    };
    let ended = other.run("--index=slow_id").await;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.message().starts_with("locked by run ") && ended.message().contains("tester on "), "{ended:?}");
    drop(run);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_transaction_is_looked_for_before_anything_is_tried() {
    let world = World::open("CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE other (id int)").await;
    let held = world.database.session().await;
    held.batch_execute("SET application_name = 'nightly'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM other")
        .await
        .expect("a snapshot");
    world.wait_for("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'nightly' AND datname = current_database() AND xact_start < clock_timestamp() - interval '1.5s')").await;
    let ended = world.run("--index=orders_pkey --lock-timeout=1").await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let why = ended.why("public.orders_pkey");
    assert!(
        why.contains("(fire, nightly, idle in transaction) has a transaction open for")
            && why.contains("pg_terminate_backend("),
        "{ended:?}"
    );
    held.batch_execute("COMMIT; BEGIN; INSERT INTO orders VALUES (1); PREPARE TRANSACTION 'left-open'")
        .await
        .expect("prepared");
    let ended = world.run("--index=orders_pkey --lock-timeout=1").await;
    let why = ended.why("public.orders_pkey");
    assert!(
        why.contains("prepared transaction 'left-open' is open") && why.contains("ROLLBACK PREPARED 'left-open'"),
        "{ended:?}"
    );
    held.batch_execute("ROLLBACK PREPARED 'left-open'").await.expect("rolled back");
    let ended = world.run("--index=orders_pkey --lock-timeout=1").await;
    assert_eq!((ended.code, done(&ended)), (0, vec!["public.orders_pkey"]), "{ended:?}");
    assert_eq!(world.invalid().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_stays_breaks_a_rebuild_off_and_what_is_left_is_removed() {
    let world = World::open("CREATE TABLE orders (id int PRIMARY KEY, day date); CREATE TABLE other (id int)").await;
    // One that only has a snapshot: what the rebuild leaves can be removed at once.
    let held = world.database.session().await;
    let run = world.command("run --yes --index=orders_pkey --lock-timeout=3").spawn().expect("the program starts");
    held.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM other").await.expect("a snapshot");
    let ended = end(run).await;
    let is_late = done(&ended) == ["public.orders_pkey"];
    if !is_late {
        assert!(
            ended
                .why("public.orders_pkey")
                .starts_with("it waited 3.0 s for a lock or for the end of an older transaction"),
            "{ended:?}"
        );
    }
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(world.invalid().await, [""; 0]);
    held.batch_execute("COMMIT").await.expect("an end");
    // One that has the table: even to remove a leftover means to wait for it, so a later run does.
    let run = world.command("run --yes --index=orders_pkey --lock-timeout=3").spawn().expect("the program starts");
    held.batch_execute("BEGIN; INSERT INTO orders VALUES (1)").await.expect("a lock");
    let ended = end(run).await;
    if done(&ended).is_empty() {
        assert_eq!(world.invalid().await, ["orders_pkey_ccnew"], "{ended:?}");
        assert!(ended.why("public.orders_pkey").contains("public.orders_pkey_ccnew could not be removed"), "{ended:?}");
    }
    held.batch_execute("COMMIT").await.expect("an end");
    let again = world.run("--index=orders_pkey").await;
    assert_eq!((again.code, done(&again)), (0, vec!["public.orders_pkey"]), "{again:?}");
    assert_eq!(world.invalid().await, [""; 0]);
}
