//! `reelect_leader` against a real etcd of three members, and real PostgreSQL servers under Patroni.

mod access;
mod died;
mod faults;
mod gate;
mod patroni;
mod role;

use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::ended::Ended;
use crate::support::etcd::{Etcd, Writer};

const PROGRAM: &str = env!("CARGO_BIN_EXE_reelect_leader");

/// A folder to run in, and the URL of a cluster.
struct Desk {
    folder: TempDir,
    url: String,
}

impl Desk {
    fn at(url: String) -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), url }
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(words.split_whitespace()).current_dir(self.folder.path()).env_clear();
        command.env("USER", "tester").env("XDG_STATE_HOME", self.folder.path());
        command.env("FIREBREAK_CLUSTER", &self.url).arg("--format=json");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    async fn does(&self, words: &str) -> Ended {
        let output = self.command(words).output().await.expect("the program runs");
        Ended::of(output)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_shows_the_members_and_changes_nothing() {
    let etcd = Etcd::start().await;
    let leader = etcd.leader().await;
    // One member is enough to find the others.
    for url in [etcd.url(), etcd.url_by(&["m2"])] {
        let ended = Desk::at(url).does("get").await.with(0, "3 of 3 voters healthy. The best to lead instead is m");
        let report = &ended.report;
        assert_eq!((report["leader"].as_str(), &report["changed"]), (Some(leader.as_str()), &json!(false)));
        assert_eq!(report["quorum"], json!({ "voters": 3, "healthy": 3, "needed": 2 }));
        assert_eq!([&report["alarms"], &report["dangers"]], [&json!([]); 2]);
        assert_eq!(report["clusters"].as_array().map(Vec::len), Some(1));
        let members = report["members"].as_array().expect("members");
        let names: Vec<_> = members.iter().map(|member| member["name"].as_str().expect("a name")).collect();
        assert_eq!(names, ["m1", "m2", "m3"]);
        for member in members {
            let role = if member["name"] == leader.as_str() { "leader" } else { "follower" };
            assert_eq!((member["role"].as_str(), &member["term"]), (Some(role), &report["term"]), "{member}");
            assert!(
                member["lag"].is_u64() && member["size"].as_u64() > Some(0) && member["answered_ms"].is_u64(),
                "{member}"
            );
            assert_eq!(member["cluster"], report["clusters"][0]);
            assert!(member["version"].as_str().is_some_and(|version| version.starts_with("3.")), "{member}");
        }
        let text = report["text"].as_str().expect("a text");
        assert!(text.contains("entries behind") && text.contains("healthy, "), "{text}");
    }
    assert_eq!(etcd.leader().await, leader);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leadership_moves_there_and_back_and_no_acknowledged_write_is_lost() {
    let etcd = Etcd::start().await;
    let desk = Desk::at(etcd.url());
    let (leader, target) = (etcd.leader().await, etcd.followers().await.remove(0));
    let writer = Writer::start(&etcd);
    writer.more(50).await;
    let planned = desk.does(&format!("run --to={target} --check")).await.with(0, "");
    assert_eq!((planned.report["outcome"].as_str(), etcd.leader().await), (Some("planned"), leader.clone()));
    let steps = &planned.report["steps"];
    assert_eq!(
        (steps[0]["before"].as_str(), steps[0]["after"].as_str()),
        (Some(&*leader), Some(&*target)),
        "{planned:?}"
    );
    desk.does(&format!("run --to={target}")).await.with(4, "--yes");

    let moved = desk.does(&format!("run --to={target} --yes")).await;
    let moved = moved.with(0, &format!("1 leader moved and verified: {leader} to {target}. Nobody was served for "));
    assert_eq!((etcd.leader().await, &moved.report["changed"]), (target.clone(), &json!(true)));
    let gap = &moved.report["gap"];
    let measured = gap["measured"].as_str().expect("how");
    assert!(measured.starts_with("a linearizable read through m") && measured.ends_with(" every 10 ms"), "{measured}");
    assert!(gap["asked"].as_u64() > Some(1) && gap["longest_ms"].is_u64() && gap["is_over"] == true, "{gap}");
    writer.more(50).await;

    let again = desk.does(&format!("run --to={target} --yes")).await;
    let again = again.with(0, &format!("{target} leads ")).with(0, " already: nothing to do");
    assert_eq!((again.report["outcome"].as_str(), &again.report["changed"]), (Some("nothing_to_do"), &json!(false)));
    desk.does("undo --yes").await.with(0, "1 leader set back as before run ");
    assert_eq!(etcd.leader().await, leader);
    // Undone is undone: pressed once more it does not put back what was undone.
    desk.does("undo --yes").await.with(0, "was an undo already");
    desk.does("resume --yes").await.with(0, "no run of ");
    assert_eq!(etcd.leader().await, leader);
    writer.more(50).await;
    let best = desk.does("run --yes").await.with(0, "1 leader moved and verified");
    let now = etcd.leader().await;
    assert!(now != leader && best.message().contains(&format!("{leader} to {now}")), "{best:?}");
    writer.more(50).await;
    println!("{} writes were acknowledged, and all are there", writer.reconciled(&etcd).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_on_the_command_line_is_said_with_the_way_out() {
    let etcd = Etcd::start().await;
    let leader = etcd.leader().await;
    let desk = Desk::at(etcd.url());
    for (words, code, part) in [
        ("run --yes --to=m9", 2, "there is no member 'm9'; there are m1, m2, m3"),
        ("run --yes --max-lag=few", 2, "--max-lag cannot be 'few': it is a whole number of entries"),
        (
            "run --yes --cluster=kafka://a:9092",
            2,
            "leaders of Kafka's partitions cannot be moved yet; known are etcd+https://",
        ),
        ("run --yes --cluster=http://a:1", 2, "'http://a:1' names no cluster: known are etcd+https://HOST:PORT"),
        ("run --yes --cert=c.pem", 2, "--cert and --key belong together"),
        ("get --cert=c.pem --key=k.pem", 1, "failed to read the client certificate c.pem"),
        (
            "get --cluster=etcd+http://127.0.0.1:1",
            1,
            "no member of etcd+http://127.0.0.1:1 answers: http://127.0.0.1:1: ",
        ),
    ] {
        desk.does(words).await.with(code, part);
    }
    // A port of something else.
    let patroni = etcd.url().replace("etcd+", "patroni+");
    desk.does(&format!("get --cluster={patroni}")).await.with(1, "404 Not Found at /patroni is no answer of Patroni");
    assert_eq!(etcd.leader().await, leader);
}
