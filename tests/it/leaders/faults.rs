//! What goes wrong before and meanwhile: the leadership is not moved, or was moved whole, and it is said which.

use std::sync::Arc;

use nix::sys::signal::Signal;

use super::gate::{At, Gate};
use super::*;
use crate::support::etcd::Setup;

const TRANSFER: &str = "/v3/maintenance/transfer-leadership";
const STATUS: &str = "/v3/maintenance/status";

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_stands_still_is_not_made_the_leader() {
    let etcd = Etcd::start().await;
    let desk = Desk::at(etcd.url());
    let (leader, others) = (etcd.leader().await, etcd.followers().await);
    let (still, well) = (&others[0], &others[1]);
    let writer = Writer::start(&etcd);
    etcd.signal(still, Signal::SIGSTOP);
    let refused = desk.does(&format!("run --to={still} --yes")).await;
    let refused =
        refused.with(1, &format!("{still} cannot lead: it does not answer: no answer within 3 s. Nothing was changed"));
    assert_eq!((&refused.report["changed"], etcd.leader().await), (&json!(false), leader.clone()));
    let text = refused.report["text"].as_str().expect("the members");
    assert!(text.contains("no answer"), "{text}");
    // The best is the other one; and it is said that no more may fail.
    let moved = desk.does("run --yes").await.with(0, &format!("{leader} to {well}."));
    let note = moved.report["steps"][0]["note"].as_str().expect("a note");
    assert!(note.contains("only 2 of 3 voters are healthy: the next one that fails ends the quorum"), "{note}");
    etcd.signal(still, Signal::SIGCONT);
    // Where the leader itself stands still the others elect one by themselves, and it is not made the leader again meanwhile.
    etcd.signal(well, Signal::SIGSTOP);
    let elected = etcd.leader().await;
    desk.does("get").await.with(0, &format!("{elected} leads "));
    desk.does(&format!("run --to={well} --yes")).await.with(1, &format!("{well} cannot lead: it does not answer"));
    etcd.signal(well, Signal::SIGCONT);
    writer.reconciled(&etcd).await;
}

/// It was well when it was probed, and stands still when the leader is to hand over: etcd would not answer for over a minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_stops_after_it_was_probed_leaves_the_leader_and_the_run_ends() {
    let etcd = Arc::new(Etcd::start().await);
    let (leader, others) = (etcd.leader().await, etcd.followers().await);
    let (stops, cluster) = (others[0].clone(), Arc::clone(&etcd));
    let gate = Gate::before(etcd.address(&leader), move |path, _| {
        let (stops, cluster) = (stops.clone(), Arc::clone(&cluster));
        (path == TRANSFER).then(|| At::Before(Box::pin(async move { cluster.signal(&stops, Signal::SIGSTOP) })))
    })
    .await;
    let desk = Desk::at(format!("etcd+http://{}", gate.address));
    let writer = Writer::start(&etcd);
    let ended = desk.does(&format!("run --to={} --yes", others[0])).await;
    let why = format!(
        "{leader} gave no answer within 15 s: {} did not become the leader: {leader} leads; nothing was changed",
        others[0]
    );
    ended.with(1, &why);
    // What it was sent it may yet obey.
    etcd.signal(&others[0], Signal::SIGCONT);
    println!("{} writes were acknowledged, and all are there", writer.reconciled(&etcd).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_changes_by_itself_meanwhile_is_told_and_the_plan_is_off() {
    let etcd = Arc::new(Etcd::start().await);
    let others = etcd.followers().await;
    let (target, third) = (others[0].clone(), others[1].clone());
    // After the plan was made; and at the very last moment, when etcd itself has to refuse.
    for (place, count, why) in [
        (STATUS, 1, format!("the leader changed by itself meanwhile: {third} leads in term ")),
        (TRANSFER, 0, " refused: not leader; nothing was changed".to_owned()),
    ] {
        let leader = etcd.leader().await;
        let (cluster, third) = (Arc::clone(&etcd), third.clone());
        let changes = third.clone();
        let gate = Gate::before(etcd.address(&leader), move |path, before| {
            let (cluster, third) = (Arc::clone(&cluster), changes.clone());
            (path == place && before == count).then(|| At::Before(Box::pin(async move { cluster.lead(&third).await })))
        })
        .await;
        let desk = Desk::at(format!("etcd+http://{}", gate.address));
        let ended = desk.does(&format!("run --to={target} --yes")).await.with(1, &why);
        assert_eq!((&ended.report["changed"], etcd.leader().await), (&json!(false), third.clone()), "{ended:?}");
        etcd.lead(&leader).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_nothing_is_moved_and_get_says_what_is_seen() {
    let mut etcd = Etcd::start().await;
    let desk = Desk::at(etcd.url());
    let (leader, others) = (etcd.leader().await, etcd.followers().await);
    // One that is gone leaves a majority: there is a leader, whoever it is.
    etcd.kill(&leader);
    let now = etcd.leader().await;
    let look = desk.does("get").await.with(0, &format!("{now} leads "));
    assert_eq!(look.report["quorum"], json!({ "voters": 3, "healthy": 2, "needed": 2 }), "{look:?}");
    desk.does(&format!("run --to={leader} --yes")).await.with(1, &format!("{leader} cannot lead: it does not answer"));
    let gone = others.iter().find(|name| **name != now).expect("the other one");
    etcd.kill(gone);
    let refused = desk.does("run --yes").await.with(1, "there is no quorum: 0 of 3 voters are healthy, 2 are needed");
    assert_eq!(refused.report["changed"], json!(false));
    let look =
        desk.does("get").await.with(0, " has no leader; 0 of 3 voters healthy. The leadership cannot be moved now");
    assert_eq!((&look.report["leader"], look.report["dangers"].as_array().map(Vec::len)), (&Value::Null, Some(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_several_clusters_are_told_apart_and_nothing_is_moved() {
    let alone = || Etcd::start_with(Setup { members: 1, ..Setup::default() });
    let (one, two, three) = tokio::join!(alone(), alone(), alone());
    let hosts: Vec<_> = [&one, &two, &three].map(|etcd| format!("127.0.0.1:{}", etcd.port("m1"))).to_vec();
    let desk = Desk::at(format!("etcd+http://{}", hosts.join(",")));
    // Each leads, each in the same term.
    let look = desk.does("get").await.with(0, "the members belong to 3 clusters (");
    assert_eq!(look.report["clusters"].as_array().map(Vec::len), Some(3));
    for words in ["run --yes", "run --to=m1 --yes"] {
        let refused = desk.does(words).await.with(1, "is not moved: the members belong to 3 clusters (");
        assert_eq!(refused.report["changed"], json!(false));
    }
}

/// The run is about the cluster whose id it has, and not about whichever answers at the address.
#[tokio::test(flavor = "multi_thread")]
async fn another_cluster_at_the_same_address_is_not_touched() {
    let (etcd, other) = tokio::join!(Etcd::start(), Etcd::start());
    let leader = etcd.leader().await;
    let desk = Desk::at(etcd.url());
    desk.does("run --yes").await.with(0, "moved and verified");
    // At the same addresses the other cluster answers from now on.
    let place = desk.url.clone();
    drop(etcd);
    let was = other.leader().await;
    let mut gates = Vec::new();
    for (name, port) in ["m1", "m2", "m3"].iter().zip(place.split("//").nth(1).expect("hosts").split(',')) {
        gates.push(relay(port.to_owned(), format!("127.0.0.1:{}", other.port(name))).await);
    }
    let refused = desk.does("undo --yes").await.with(1, "another cluster answers here than that of run 1-");
    assert_eq!((&refused.report["changed"], other.leader().await), (&json!(false), was), "{leader}: {refused:?}");
}

/// Hands every connection on.
async fn relay(from: String, to: String) -> tokio::task::JoinHandle<()> {
    let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
    let listener = loop {
        match tokio::net::TcpListener::bind(&from).await {
            Ok(listener) => break listener,
            Err(error) if std::time::Instant::now() > deadline => panic!("{from}: {error}"),
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    };
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let to = to.clone();
            tokio::spawn(async move {
                let mut far = tokio::net::TcpStream::connect(to).await.expect("a member");
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_learner_and_an_alarm_are_refused() {
    let mut etcd = Etcd::start().await;
    etcd.add_learner().await;
    let desk = Desk::at(etcd.url());
    let leader = etcd.leader().await;
    let look = desk.does("get").await.with(0, "3 of 3 voters healthy");
    let learner = look.report["members"].as_array().expect("members").iter().find(|member| member["role"] == "learner");
    let name = learner.expect("the learner")["name"].as_str().expect("a name").to_owned();
    desk.does(&format!("run --to={name} --yes"))
        .await
        .with(1, "cannot lead: it is a learner: it has no vote and cannot lead");
    let target = etcd.followers().await.into_iter().find(|name| name != "m4").expect("a voter");
    let id = etcd.id(&target).await;
    let alarm = json!({ "action": "ACTIVATE", "memberID": id, "alarm": "NOSPACE" });
    etcd.ask(&leader, "maintenance/alarm", &alarm).await.expect("an alarm");
    let refused = desk.does(&format!("run --to={target} --yes")).await;
    let refused = refused.with(1, "writes are refused, whoever leads, by the alarm: NOSPACE of ");
    assert_eq!((&refused.report["changed"], etcd.leader().await), (&json!(false), leader.clone()));
    // Who leads already is told so, and what is wrong as well.
    desk.does(&format!("run --to={leader} --yes"))
        .await
        .with(1, "already; but writes are refused, whoever leads, by the alarm");
    let look = desk.does("get").await.with(0, "The leadership cannot be moved now: writes are refused");
    assert_eq!(look.report["alarms"].as_array().map(Vec::len), Some(1));
}
