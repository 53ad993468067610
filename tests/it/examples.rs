//! Every example of every usage text is run, as it stands there. Only the addresses of example hosts, and a port, are put in
//! the place of others: those of a drill. What a person has by then is there: the file that holds the password, the
//! script, the program that is adopted. Where a terminal would ask, there is one, and it is answered.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use chrono::{TimeZone as _, Utc};
use firebreak::drill::Log;
use firebreak::drill::faults::Faults;
use firebreak::drill::settlement::{self, Settlement};
use firebreak::drill::story::ShopState;
use rexpect::session::PtySession;

use crate::author::Workshop;
use crate::support::etcd::Etcd;
use crate::support::program::{DrillFixture, PROGRAM};
use crate::support::queue::TestQueue as _;
use crate::support::redis::Redis;
use crate::support::s3::{ACCESS, Bucket};
use crate::support::{postgres, pty};

/// The examples of a program's help.
fn examples(program: &str) -> Vec<String> {
    let help = Command::new(program).arg("--help").output().expect("the help");
    let help = String::from_utf8(help.stdout).expect("UTF-8");
    let examples = help.split("\nExamples:\n").nth(1).expect("examples");
    let lines: Vec<String> =
        examples.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    assert!(!lines.is_empty(), "{program} shows no example");
    lines
}

/// A line in a shell with our programs on the path.
fn shell(line: &str, folder: &Path) -> Command {
    let programs = Path::new(PROGRAM).parent().expect("the folder of the programs");
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(folder).env_clear();
    command.env("PATH", format!("{}:{}:/usr/bin:/bin", folder.display(), programs.display()));
    command.env("HOME", folder).env("TERM", "xterm-256color").env("USER", "tester");
    command
}

/// The rest of the screen and the exit code.
fn leave(mut session: PtySession) -> (i32, String) {
    let screen = session.exp_eof().expect("the program ends");
    match session.process().wait().expect("an exit code") {
        nix::sys::wait::WaitStatus::Exited(_, code) => (code, screen),
        other => panic!("the program ended by {other:?}: {screen}"),
    }
}

/// Types each example, with what is there put in the place of what it names, and agrees where it acts, after all that the screen then
/// says; the exit code and the screen of each.
fn played(program: &str, folder: &Path, there: impl Fn(&str) -> String, says: &[&str]) -> Vec<(i32, String)> {
    let play = |line: &String| {
        let typed = there(line);
        assert!(!typed.contains(".example"), "{typed}");
        let mut session = pty::start(shell(&typed, folder));
        if line.split(' ').nth(1) != Some("get") && !line.contains("--check") {
            for said in says {
                session.exp_string(said).expect(said);
            }
            session.send("y\r").and_then(|_| session.flush()).expect("to type");
        }
        leave(session)
    };
    examples(program).iter().map(play).collect()
}

#[test]
fn each_program_has_its_examples_run_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin");
    let names = std::fs::read_dir(folder).expect("the programs").map(|entry| entry.expect("a program").file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "firebreak.rs",
            "firedrill.rs",
            "rebuild_indexes.rs",
            "reelect_leader.rs",
            "repopulate_images.rs",
            "resolve_transactions.rs",
            "rollback_service.rs",
            "test_pipeline.rs",
        ],
        "run the examples of what came, too"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn those_of_rollback_service_take_a_set_back_behind_a_dcos() {
    let fixture = DrillFixture::furnished(&[], |settings| {
        settings.now = Utc.with_ymd_and_hms(2026, 11, 21, 12, 0, 0).unwrap();
        settings.login = Some(("ops".to_owned(), "p4ssword".to_owned()));
    })
    .await;
    std::fs::write(fixture.folder.path().join("pwd"), "p4ssword\n").expect("the password");
    let (registry, marathon) = (fixture.drill.registry.address(), fixture.drill.marathon().address());
    let folder = fixture.folder.path().to_owned();
    let ends = tokio::task::spawn_blocking(move || {
        let there = |line: &str| {
            let line = line.replace("https://registry.example", &format!("http://{registry}"));
            line.replace("marathon+https://dcos.example", &format!("marathon+http://{marathon}"))
        };
        let plan = format!("The plan: 'dev' on http://{marathon}/service/marathon");
        played(PROGRAM, &folder, there, &[&plan, "Change 5 workloads of 4 services of 'dev'"])
    })
    .await
    .expect("every example to run");
    let lines = examples(PROGRAM);
    let commands: Vec<_> = lines.iter().map(|line| line.split(' ').nth(1).unwrap_or_default()).collect();
    let codes: Vec<_> = commands.into_iter().zip(ends.iter().map(|(code, _)| *code)).collect();
    assert_eq!(codes, [("get", 0), ("run", 0)], "{ends:?}");
    assert!(ends[1].1.contains("4 services rolled back and verified"), "{ends:?}");
    fixture.stands(ShopState::Good);
}

/// The paths of the examples are led to folders of the test, the bucket and its keys to a real S3.
#[tokio::test(flavor = "multi_thread")]
async fn those_of_repopulate_images_store_what_is_missing() {
    let bucket = Bucket::new().await;
    let (address, folder) = (bucket.address("thumbs"), tempfile::tempdir().expect("a folder"));
    let ends = tokio::task::spawn_blocking(move || {
        let path = |name: &str| folder.path().join(name);
        for name in ["backup", "dashboard"] {
            std::fs::create_dir(path(name)).expect("a folder");
        }
        // The smallest picture there is.
        let picture = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
        std::fs::write(path("backup/1"), picture).expect("a picture");
        std::fs::write(path("keys.txt"), "1\n").expect("the keys");
        std::fs::write(path("s3.keys"), ACCESS).expect("the access");
        let there = |line: &str| {
            let line = line.replace("https://cdn.example", "http://127.0.0.1:9");
            let line = line.replace("/srv/dashboard", "dashboard").replace("/backup", "backup");
            line.replace("s3://shop/thumbs?", &format!("{address}&"))
        };
        played(env!("CARGO_BIN_EXE_repopulate_images"), folder.path(), there, &["from backup? [y/N]"])
    })
    .await
    .expect("every example to run");
    let ended = |place: usize, said: &str| ends[place].0 == 0 && ends[place].1.contains(said);
    assert!(ends.len() == 2 && ended(0, "1 picture in dashboard: 1 missing") && ended(1, "1 stored"), "{ends:?}");
    assert!(bucket.content("thumbs/1").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn those_of_resolve_transactions_settle_what_waits() {
    let settlement = Settlement::start(settlement::Settings::default(), &Faults::default(), &Log::default()).await;
    let settlement = settlement.expect("a bank and a master");
    let services = settlement.services().to_string();
    let ends = tokio::task::spawn_blocking(move || {
        let redis = Redis::start();
        redis.add([r#"{"id": "confirmed-1"}"#, r#"{"id": "declined-2"}"#]);
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("services.json"), services).expect("the services");
        std::fs::write(folder.path().join("queue.url"), redis.url()).expect("the queue");
        let there = |line: &str| line.replace("queue.example:6379", &format!("127.0.0.1:{}", redis.port()));
        played(
            env!("CARGO_BIN_EXE_resolve_transactions"),
            folder.path(),
            there,
            &["of issuer 'primary', as the bank 'north' confirms? [y/N]"],
        )
    })
    .await
    .expect("every example to run");
    let ended = |place: usize, said: &str| ends[place].0 == 0 && ends[place].1.contains(said);
    assert!(
        ends.len() == 2 && ended(0, "2 transactions wait in redis://") && ended(1, "1 committed, 1 cancelled"),
        "{ends:?}"
    );
    assert_eq!((settlement.ledger().effects.len(), settlement.ledger().wrong()), (2, Vec::new()));
}

#[test]
fn those_of_test_pipeline_run_what_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    write("inventory/dev.yml", "day: today\n");
    write("tests/orders.yaml", "steps: [{check: {contains: {the: '{{ day }}', in: [today, '2026-11-28']}}}]\n");
    for line in examples(env!("CARGO_BIN_EXE_test_pipeline")) {
        let output = shell(&line, folder.path()).stdin(Stdio::null()).output().expect("a shell");
        assert!(output.status.success(), "{line}: {output:?}");
    }
    assert!(folder.path().join("results.xml").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn those_of_reelect_leader_move_a_leadership_and_take_it_back() {
    let etcd = Etcd::start().await;
    etcd.lead("m1").await;
    let (url, ports) = (etcd.url(), ["m1", "m2"].map(|name| etcd.port(name)));
    let ends = tokio::task::spawn_blocking(move || {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("cluster.url"), url).expect("the cluster");
        let there = |line: &str| {
            let line = line.replace("etcd1.example:2379", &format!("127.0.0.1:{}", ports[0]));
            let line = line.replace("etcd2.example:2379", &format!("127.0.0.1:{}", ports[1]));
            // The members of this cluster are called otherwise.
            line.replace("--to=etcd2", "--to=m2")
        };
        played(env!("CARGO_BIN_EXE_reelect_leader"), folder.path(), there, &["? [y/N]"])
    })
    .await
    .expect("every example to run");
    let ended = |place: usize, said: &str| ends[place].0 == 0 && ends[place].1.contains(said);
    assert!(
        ends.len() == 3 && ended(0, "m1 leads ") && ended(1, "m1 to m2") && ended(2, "1 leader set back"),
        "{ends:?}"
    );
    assert_eq!(etcd.leader().await, "m1");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_of_rebuild_indexes_mend_a_broken_index() {
    let database = postgres::Database::new().await;
    database.run("CREATE TABLE orders (id int PRIMARY KEY); CREATE INDEX orders_id ON orders (id); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'orders_id'::regclass").await;
    let url = database.url();
    let ends = tokio::task::spawn_blocking(move || {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("shop.url"), &url).expect("the database");
        let there = |line: &str| line.replace("postgres://repair@db.example/shop", &url);
        played(env!("CARGO_BIN_EXE_rebuild_indexes"), folder.path(), there, &["while others write? [y/N]"])
    })
    .await
    .expect("every example to run");
    let ended = |place: usize, said: &str| ends[place].0 == 0 && ends[place].1.contains(said);
    let all = ended(0, "1 invalid") && ended(1, "invalid: queries do not use it") && ended(2, "1 rebuilt");
    assert!(ends.len() == 3 && all, "{ends:?}");
}

/// Four free ports in a row begin here.
fn four_ports() -> u16 {
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let first = (20_000..60_000).step_by(17).skip(std::process::id() as usize % 1000);
    let mut first = first.filter(|first| (*first..first + 4).all(is_free));
    first.next().expect("four free ports in a row")
}

#[test]
fn those_of_firedrill_end_as_they_should() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = "#!/bin/sh\nset -e\n\
                  rollback_service get --repo=$FIREDRILL_REPO --env=develop --running=dev --dump=\"$HOME\"\n\
                  rollback_service run --env=dev --date=$FIREDRILL_DATE --yes --dump=\"$HOME\"\n";
    let path = folder.path().join("my-rollback-script");
    std::fs::write(&path, script).expect("the script");
    assert!(Command::new("chmod").arg("+x").arg(&path).status().expect("chmod").success());
    let mut ends = Vec::new();
    for line in examples(env!("CARGO_BIN_EXE_firedrill")) {
        let typed = line.replace("--port=5000", &format!("--port={}", four_ports()));
        ends.push(if line.starts_with("firedrill serve") {
            // In the place of the shell, so that what ends it is for the program.
            serve(shell(&format!("exec {typed}"), folder.path()))
        } else {
            ended(shell(&typed, folder.path()))
        });
    }
    let well = "All four services stand as they did on";
    let expected = [
        (0, well),
        (1, "The services run as before: still today's broken release."),
        (0, well),
        (0, "Each transaction is where it should be."),
        (0, "All indexes are well, and no order was refused."),
        (0, "1 test, and nothing is wrong with them"),
        (0, "The drill is up"),
        (0, "4 services rolled back and verified"),
    ];
    assert_eq!(ends.len(), expected.len(), "{ends:?}");
    for ((code, text), (wanted, part)) in ends.iter().zip(expected) {
        assert!(*code == wanted && text.contains(part), "{code}, and not {wanted} with '{part}': {text}");
    }
}

fn ended(mut command: Command) -> (i32, String) {
    let output = command.stdin(Stdio::null()).output().expect("a start");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap_or(-1), text.into_owned())
}

/// Ends a server when it is up.
fn serve(mut command: Command) -> (i32, String) {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("a start");
    let mut line = String::new();
    BufReader::new(child.stderr.take().expect("stderr")).read_line(&mut line).expect("a line");
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill").success());
    (child.wait().expect("its end").code().unwrap_or(-1), line)
}

#[test]
fn those_of_firebreak_find_show_make_and_adopt() {
    let workshop = Workshop::copied();
    let root = workshop.path("");
    for name in ["rollback.py", "requirements.txt"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/adopt").join(name);
        std::fs::copy(from, root.join(name)).expect("what is adopted");
    }
    let mut ends = Vec::new();
    for line in examples(env!("CARGO_BIN_EXE_firebreak")) {
        // It calls git and rustfmt, wherever these are.
        let mut command = Command::new("sh");
        let programs = Path::new(PROGRAM).parent().expect("the folder of the programs");
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").expect("a PATH"));
        command.args(["-c", &line]).current_dir(&root).env("PATH", path).env("TERM", "xterm-256color");
        command.env("FIREBREAK_JOURNAL", root.join("journal"));
        let mut session = pty::start(command);
        let mut says = |questions: &[(&str, &str)]| {
            for (question, answer) in questions {
                session.exp_string(question).expect(question);
                session.send_line(answer).expect("to type");
            }
        };
        let texts = [
            ("What does it do, in one line?", "Mend it."),
            ("Which problem does it solve?", "It broke."),
            ("What does it do about it?", "It mends it."),
        ];
        if let Some("new" | "adopt") = line.split(' ').nth(1) {
            says(&texts);
        }
        if line.contains(" adopt ") {
            says(&[("Try the look now", "n")]);
        }
        let (code, screen) = leave(session);
        ends.push((line, code, screen));
    }
    let expected = ["rollback_service", "", "restart_slaves", "roles/rollback/"];
    assert_eq!(ends.len(), expected.len(), "{ends:?}");
    for ((line, code, screen), part) in ends.iter().zip(expected) {
        assert!(*code == 0 && screen.contains(part), "`{line}` ended with {code}: {screen}");
    }
    assert!(workshop.read("src/bin/restart_slaves.rs").contains("--host=<h>"));
    assert!(workshop.read("roles/rollback/usage.txt").contains("[keeps: rollback.json]"));
}
