//! `resolve_transactions` against a real Redis and a real RabbitMQ, and the drill's bank and master, which are as strict as the
//! contract.

mod faults;
mod mapping;
mod rabbit;
mod role;
mod trial;

use std::process::Stdio;

use firebreak::drill::Log;
use firebreak::drill::faults::Faults;
use firebreak::drill::settlement::{Ledger, Settings, Settlement};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::queue::TestQueue;
use crate::support::redis::{GROUP, Redis, STREAM};

const PROGRAM: &str = env!("CARGO_BIN_EXE_resolve_transactions");

/// A queue, a bank, a master, and a folder to run in.
struct World<Q = Redis> {
    queue: Q,
    settlement: Settlement,
    faults: Faults,
    folder: TempDir,
}

/// What came of a run: its exit code, its report, and what it said meanwhile.
struct Ended {
    code: i32,
    report: Value,
    stderr: String,
}

impl std::fmt::Debug for Ended {
    /// Without each single result, of which there are many.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (outcome, message) = (&self.report["outcome"], &self.report["message"]);
        write!(f, "{}, {outcome}: {message}, {:?}\n{}", self.code, self.report["warnings"], self.stderr)
    }
}

impl World {
    async fn open(settings: Settings) -> Self {
        Self::of(settings, Redis::start).await
    }

    /// Puts transactions into the queue; one of `primary` where no issuer is said: `confirmed-1`, `confirmed-1 of backup`. Their ids.
    fn add<'a>(&self, transactions: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let bodies: Vec<String> = transactions.into_iter().map(body).collect();
        self.queue.add(bodies.iter().map(String::as_str))
    }
}

/// The message of a transaction: see [`World::add`].
fn body(text: &str) -> String {
    match text.split_once(" of ") {
        Some((id, issuer)) => json!({ "id": id, "issuer": issuer }).to_string(),
        None => json!({ "id": text, "issuer": "primary" }).to_string(),
    }
}

impl<Q: TestQueue> World<Q> {
    async fn of(settings: Settings, start: impl FnOnce() -> Q + Send + 'static) -> Self {
        let faults = Faults::default();
        let settlement = Settlement::start(settings, &faults, &Log::default()).await.expect("a bank and a master");
        let queue = tokio::task::spawn_blocking(start).await.expect("a queue");
        Self { queue, settlement, faults, folder: tempfile::tempdir().expect("a folder") }
    }

    /// Puts transactions into the queue, as [`World::add`] does.
    fn put<'a>(&self, transactions: impl IntoIterator<Item = &'a str>) {
        self.queue.put(&transactions.into_iter().map(body).collect::<Vec<_>>());
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(words.split_whitespace()).current_dir(self.folder.path()).env_clear();
        command.env("USER", "tester").env("XDG_STATE_HOME", self.folder.path());
        command.env("FIREBREAK_QUEUE", self.queue.url());
        command.env("FIREBREAK_SERVICES", self.settlement.services().to_string());
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    async fn ends(&self, mut command: Command) -> Ended {
        let output = command.arg("--format=json").output().await.expect("the program runs");
        Ended {
            code: output.status.code().unwrap_or(-1),
            report: serde_json::from_slice(&output.stdout).unwrap_or_default(),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    async fn look(&self, words: &str) -> Value {
        let ended = self.ends(self.command(&format!("get {words}"))).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.report
    }

    async fn run(&self, words: &str) -> Ended {
        self.ends(self.command(&format!("run --bank=north --yes {words}"))).await
    }

    /// What the master has, after nothing was asked against the contract and no transaction has another effect than its one.
    fn ledger(&self) -> Ledger {
        let ledger = self.settlement.ledger();
        assert_eq!(ledger.violations, [""; 0]);
        assert_eq!(ledger.wrong(), [""; 0]);
        ledger
    }
}

fn quick() -> Settings {
    Settings::default()
}

/// How many ended in which way.
fn numbers(report: &Value) -> [u64; 7] {
    ["committed", "cancelled", "pending", "unknown", "of_other_issuers", "parked", "not_settled"]
        .map(|name| report[name].as_u64().unwrap_or_else(|| panic!("{name}: {}", report["message"])))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_counts_everything_and_takes_nothing() {
    let world = World::open(quick()).await;
    let ids = world.add(["confirmed-1", "declined-1", "pending-1 of backup", "confirmed-2"]);
    world.queue.add(["{", r#"{"amount": 1}"#]);
    world.queue.take("slave", 2);
    world.queue.ask::<u64>(&["XDEL", STREAM, &ids[0]]);
    world.queue.ask::<u64>(&["XDEL", STREAM, &ids[3]]);
    let before: Vec<String> = world.queue.pending();
    let report = world.look("").await;
    let first = report["oldest"].as_str().expect("an instant");
    assert!(chrono::DateTime::parse_from_rfc3339(first).is_ok(), "{first}");
    let said = ["waiting", "taken", "parked", "seen"].map(|name| report[name].as_u64());
    assert_eq!(said, [Some(3), Some(1), Some(0), Some(4)]);
    assert_eq!(report["lost"], json!({ "taken": [ids[0]], "waiting": 1 }));
    let issuers: Vec<_> = report["issuers"]
        .as_array()
        .expect("issuers")
        .iter()
        .map(|one| (one["issuer"].as_str().expect("a name"), one["transactions"].as_u64().expect("a number")))
        .collect();
    assert_eq!(issuers, [("backup", 1), ("primary", 1)]);
    assert_eq!(report["malformed"]["count"], 2);
    let why: Vec<_> = report["malformed"]["first"].as_array().expect("some").iter().map(|one| one[1].clone()).collect();
    assert_eq!(why, [json!("it is no JSON object"), json!("it has no id at '/id'")]);
    let message = report["message"].as_str().expect("a message");
    let lost =
        "; taken by a worker that is at it or died: 1; malformed: 2; LOST by the queue: 2, look for them at the slaves";
    assert!(message.starts_with("4 transactions wait in redis://127.0.0.1:") && message.ends_with(lost), "{message}");
    let table = report["text"].as_str().expect("a text");
    assert!(table.contains("lost: ") && table.contains("malformed: ") && table.contains("backup"), "{table}");
    // Nothing has moved, and who looks again sees the same.
    assert_eq!(world.queue.pending(), before);
    assert_eq!(
        world.look("").await["message"].as_str().map(|text| text.split(", the oldest").next()),
        Some(message.split(", the oldest").next())
    );
    assert_eq!(world.look("--limit=1").await["seen"], 1);
    assert_eq!(world.settlement.ledger().asked, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_transaction_is_committed_cancelled_left_or_parked() {
    let world = World::open(quick()).await;
    world.add(["confirmed-1", "declined-1", "pending-1", "nobody-knows", "confirmed-9 of backup"]);
    let malformed = world.queue.add(["{"]);
    let ended = world.run("").await;
    assert_eq!((ended.code, ended.report["outcome"].as_str()), (3, Some("needs_operator")), "{ended:?}");
    assert_eq!(numbers(&ended.report), [1, 1, 1, 1, 1, 1, 0]);
    let named = ended.report["settled"].as_array().expect("those that were settled");
    let named: std::collections::BTreeSet<_> =
        named.iter().map(|one| (one["transaction"].as_str(), one["result"].as_str())).collect();
    assert_eq!(named, [(Some("confirmed-1"), Some("committed")), (Some("declined-1"), Some("cancelled"))].into());
    let effects = world.ledger().effects;
    let has = |issuer: &str, id: &str| effects.get(&(issuer.to_owned(), id.to_owned())).map(|all| all.join(" "));
    assert_eq!(
        (has("primary", "confirmed-1"), has("primary", "declined-1")),
        (Some("committed".into()), Some("cancelled".into()))
    );
    assert_eq!(effects.len(), 2);
    // What is not clear waits, and what is malformed lies aside with the reason.
    assert_eq!(world.queue.pending().len(), 3);
    let parked: redis::streams::StreamRangeReply = world.queue.ask(&["XRANGE", "missed:parked", "-", "+"]);
    let field = |name: &str| parked.ids[0].get::<String>(name).expect("a field");
    assert_eq!(
        [field("id"), field("reason"), field("body")],
        [malformed[0].clone(), "it is no JSON object".into(), "\"{\"".into()]
    );
    let look = world.look("").await;
    let counts = ["waiting", "taken", "left", "parked"].map(|name| look[name].as_u64());
    assert_eq!(counts, [Some(0), Some(0), Some(3), Some(1)]);
    // The next run takes what was left at once, and no worker stays behind in the group.
    let again = world.run("").await;
    assert_eq!((again.code, numbers(&again.report)), (0, [0, 0, 1, 1, 1, 0, 0]), "{again:?}");
    let workers: redis::streams::StreamInfoConsumersReply = world.queue.ask(&["XINFO", "CONSUMERS", STREAM, GROUP]);
    assert_eq!(workers.consumers.into_iter().map(|one| one.name).collect::<Vec<_>>(), ["firebreak-left"]);
    let other = world.run("--issuer=backup").await;
    assert_eq!((other.code, numbers(&other.report)), (0, [1, 0, 0, 0, 2, 0, 0]), "{other:?}");
    assert_eq!(world.ledger().effects.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_shows_the_plan_and_changes_nothing_and_an_empty_queue_has_nothing_to_do() {
    let world = World::open(quick()).await;
    let empty = world.run("").await;
    assert_eq!((empty.code, empty.report["outcome"].as_str()), (0, Some("nothing_to_do")), "{empty:?}");
    world.add(["confirmed-1", "confirmed-2 of backup"]);
    let planned = world.run("--check").await;
    assert_eq!((planned.code, planned.report["outcome"].as_str()), (0, Some("planned")), "{planned:?}");
    let text = planned.report["text"].as_str().expect("the plan");
    assert!(text.contains("left, of other issuers") && text.contains("north"), "{text}");
    assert_eq!((world.settlement.ledger().asked, world.queue.pending().len()), (0, 0));
    let one = world.run("--limit=1").await;
    assert_eq!((one.code, numbers(&one.report)), (0, [1, 0, 0, 0, 0, 0, 0]), "{one:?}");
    assert_eq!(world.look("").await["waiting"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_before_anything_is_done() {
    let world = World::open(quick()).await;
    world.add(["confirmed-1", "confirmed-2", "confirmed-3"]);
    let mut mispointed = world.settlement.services();
    mispointed["message"] = json!({ "id": "/nope" });
    let url = world.queue.url();
    let at = url.split('?').next().expect("the address");
    let server = at.rsplit_once('/').expect("a path").0;
    for (option, code, why) in [
        ("--bank=south".to_owned(), 2, "there is no bank 'south'; there are 'north'".to_owned()),
        (format!("--queue={at}"), 2, format!("'{at}' names no stream of Redis: it has no `?group=`")),
        (format!("--queue={at}?group=nobody"), 1, "has no group 'nobody'; it has 'master'".to_owned()),
        (format!("--queue={server}/none?group=master"), 1, "there is no stream 'none' at redis://".to_owned()),
        ("--queue=kafka://h/q".to_owned(), 2, "'kafka://h/q' names no queue: known are redis://".to_owned()),
        (
            "--queue=redis://127.0.0.1:1/a?group=b".to_owned(),
            1,
            "failed to reach Redis at redis://127.0.0.1:1/a".to_owned(),
        ),
        ("--services={}".to_owned(), 2, "the services cannot be used: missing field `banks`".to_owned()),
        (
            "--limit=0".to_owned(),
            2,
            "--limit cannot be '0': it is a whole number of transactions, 1 or more".to_owned(),
        ),
    ] {
        let words = if option.starts_with("--bank") { option } else { format!("--bank=north {option}") };
        let ended = world.ends(world.command(&format!("run --yes {words}"))).await;
        let message = ended.report["message"].as_str().unwrap_or_default();
        assert!(ended.code == code && message.contains(&why), "{words}: {ended:?}");
    }
    assert_eq!((world.settlement.ledger().asked, world.queue.pending().len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_trusts_whom_cacert_names() {
    let world = World::of(quick(), Redis::start_with_tls).await;
    world.add(["confirmed-1"]);
    let (queue, certificate) = world.queue.by_tls();
    let stranger = world.ends(world.command(&format!("get --queue={queue}"))).await;
    assert_eq!(stranger.code, 1, "{stranger:?}");
    assert!(format!("{stranger:?}").contains("it can be named as --cacert"), "{stranger:?}");
    let trusted = format!("run --bank=north --yes --queue={queue} --cacert={}", certificate.display());
    let ended = world.ends(world.command(&trusted)).await;
    assert_eq!((ended.code, numbers(&ended.report)[0]), (0, 1), "{ended:?}");
    let insecure = world.ends(world.command(&format!("get --queue={queue} --insecure"))).await;
    assert_eq!((insecure.code, insecure.report["outcome"].as_str()), (0, Some("nothing_to_do")), "{insecure:?}");
}
