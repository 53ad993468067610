//! A real etcd cluster of a test's own, and those who write to it.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firebreak::http::{self, Trust};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::{Server, free_port, need};

/// How a cluster is started.
#[derive(Clone, Default)]
pub struct Setup {
    /// How many members; 0 for three.
    pub members: usize,
    /// Arguments that each member gets besides.
    pub arguments: Vec<String>,
    /// `https` where the arguments turn TLS on for clients; empty for `http`.
    pub scheme: &'static str,
    /// By what the test asks it; none for a plain one.
    pub client: Option<http::Client>,
}

/// A running cluster. Its members are `m1`, `m2`, `m3`.
pub struct Etcd {
    members: Vec<Option<Server>>,
    ports: Vec<(u16, u16)>,
    setup: Setup,
    folder: TempDir,
}

impl Etcd {
    /// Starts three members, and waits until one leads.
    pub async fn start() -> Self {
        Self::start_with(Setup::default()).await
    }

    pub async fn start_with(mut setup: Setup) -> Self {
        setup.members = if setup.members == 0 { 3 } else { setup.members };
        setup.scheme = if setup.scheme.is_empty() { "http" } else { setup.scheme };
        let ports: Vec<_> = (0..setup.members).map(|_| (free_port(), free_port())).collect();
        let folder = tempfile::tempdir().expect("a folder");
        let mut etcd = Self { members: Vec::new(), ports, setup, folder };
        for place in 0..etcd.ports.len() {
            let command = etcd.command(place, &[]);
            let log = etcd.folder.path().join(format!("m{}.log", place + 1));
            etcd.members.push(Some(Server::start_until(command, &log, || true)));
        }
        etcd.leader().await;
        etcd
    }

    fn command(&self, place: usize, more: &[String]) -> Command {
        let (client, peer) = self.ports[place];
        let scheme = self.setup.scheme;
        let cluster: Vec<String> = (1..)
            .zip(&self.ports)
            .take(self.setup.members)
            .map(|(number, (_, peer))| format!("m{number}=http://127.0.0.1:{peer}"))
            .collect();
        let mut command = Command::new(need("etcd", "etcd-server"));
        command
            .arg(format!("--name=m{}", place + 1))
            .arg("--data-dir")
            .arg(self.folder.path().join(format!("m{}", place + 1)))
            .arg(format!("--listen-client-urls={scheme}://127.0.0.1:{client}"))
            .arg(format!("--advertise-client-urls={scheme}://127.0.0.1:{client}"))
            .arg(format!("--listen-peer-urls=http://127.0.0.1:{peer}"))
            .arg(format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"))
            .arg(format!("--initial-cluster={}", cluster.join(",")))
            .arg(format!("--initial-cluster-token={}", self.folder.path().display()))
            .args(["--unsafe-no-fsync", "--log-level=error", "--logger=zap"])
            // A busy machine is late now and then: nobody else is to be elected for that.
            .args(["--heartbeat-interval=100", "--election-timeout=1500"])
            .args(&self.setup.arguments)
            .args(more);
        command
    }

    /// The address of a member's clients: `http://127.0.0.1:2379`.
    pub fn address(&self, name: &str) -> String {
        format!("{}://127.0.0.1:{}", self.setup.scheme, self.ports[place(name)].0)
    }

    /// The port of a member's clients.
    pub fn port(&self, name: &str) -> u16 {
        self.ports[place(name)].0
    }

    /// The URL of the cluster by these members.
    pub fn url_by(&self, names: &[&str]) -> String {
        let hosts: Vec<_> = names.iter().map(|name| format!("127.0.0.1:{}", self.port(name))).collect();
        format!("etcd+{}://{}", self.setup.scheme, hosts.join(","))
    }

    /// The URL of the cluster by its first three members.
    pub fn url(&self) -> String {
        self.url_by(&["m1", "m2", "m3"][..self.setup.members])
    }

    fn client(&self) -> http::Client {
        let client = || http::client(&Trust::default()).expect("a client");
        self.setup.client.clone().unwrap_or_else(client)
    }

    /// What a member answers at its gateway; none where it does not, or refuses.
    pub async fn ask(&self, name: &str, path: &str, body: &Value) -> Option<Value> {
        let request = self.client().post(format!("{}/v3/{path}", self.address(name)));
        let request = request.timeout(Duration::from_secs(2)).body(body.to_string());
        let answer = request.send().await.ok()?;
        if answer.status().is_success() { answer.json().await.ok() } else { None }
    }

    pub fn names(&self) -> Vec<String> {
        (1..=self.members.len()).map(|number| format!("m{number}")).collect()
    }

    /// Who leads, once all that run and answer agree and there is one.
    pub async fn leader(&self) -> String {
        let deadline = Instant::now() + Duration::from_mins(2);
        loop {
            let mut leaders = Vec::new();
            for name in self.names() {
                if let Some(status) = self.ask(&name, "maintenance/status", &json!({})).await {
                    let is_learner = status["isLearner"] == true;
                    if !is_learner {
                        leaders.push((name, status["header"]["member_id"].clone(), status["leader"].clone()));
                    }
                }
            }
            let named = leaders.first().map(|(_, _, leader)| leader.clone()).unwrap_or_default();
            let agree = leaders.len() * 2 > self.setup.members && leaders.iter().all(|(_, _, leader)| *leader == named);
            if let Some((name, ..)) = leaders.iter().find(|(_, id, _)| agree && *id == named) {
                return name.clone();
            }
            assert!(Instant::now() < deadline, "the members of etcd have no leader: {leaders:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A member that does not lead.
    pub async fn followers(&self) -> Vec<String> {
        let leader = self.leader().await;
        self.names().into_iter().filter(|name| *name != leader).collect()
    }

    /// Has another member lead, as somebody else would.
    pub async fn lead(&self, name: &str) {
        let deadline = Instant::now() + Duration::from_mins(2);
        loop {
            let leader = self.leader().await;
            if leader == name {
                return;
            }
            let id = self.id(name).await;
            self.ask(&leader, "maintenance/transfer-leadership", &json!({ "targetID": id })).await;
            assert!(Instant::now() < deadline, "{name} does not become the leader");
        }
    }

    /// The id of a member, as the gateway writes it.
    pub async fn id(&self, name: &str) -> String {
        let status = self.ask(name, "maintenance/status", &json!({})).await.expect("a status");
        status["header"]["member_id"].as_str().expect("an id").to_owned()
    }

    /// Sends a member a signal: `SIGSTOP` has it stand still.
    pub fn signal(&self, name: &str, signal: Signal) {
        self.members[place(name)].as_ref().expect("it runs").signal(signal);
    }

    /// Kills a member.
    pub fn kill(&mut self, name: &str) {
        self.members[place(name)] = None;
    }

    /// Adds a member that only learns, `m4`, and starts it.
    pub async fn add_learner(&mut self) {
        let leader = self.leader().await;
        let ports = (free_port(), free_port());
        self.ports.push(ports);
        let peer = format!("http://127.0.0.1:{}", ports.1);
        let deadline = Instant::now() + Duration::from_mins(2);
        // etcd refuses it until the members have seen one another for five seconds.
        while self.ask(&leader, "cluster/member/add", &json!({ "peerURLs": [peer], "isLearner": true })).await.is_none()
        {
            assert!(Instant::now() < deadline, "no learner is added");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let cluster: Vec<String> =
            (1..).zip(&self.ports).map(|(number, (_, peer))| format!("m{number}=http://127.0.0.1:{peer}")).collect();
        let more = ["--initial-cluster-state=existing".to_owned(), format!("--initial-cluster={}", cluster.join(","))];
        let command = self.command(self.ports.len() - 1, &more);
        let log = self.folder.path().join("m4.log");
        self.members.push(Some(Server::start(command, ports.0, &log)));
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        // One that stands still is killed all the same.
        self.members.clear();
    }
}

fn place(name: &str) -> usize {
    name.trim_start_matches('m').parse::<usize>().expect("m1, m2 or m3") - 1
}

/// Somebody who writes one key after the other, as fast as they are acknowledged, through every member in turn.
pub struct Writer {
    acknowledged: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    task: JoinHandle<Vec<u64>>,
}

impl Writer {
    pub fn start(etcd: &Etcd) -> Self {
        let addresses: Vec<String> = etcd.names().iter().map(|name| etcd.address(name)).collect();
        let (acknowledged, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (count, ends, client) = (Arc::clone(&acknowledged), Arc::clone(&stop), etcd.client());
        let task = tokio::spawn(async move {
            let mut written = Vec::new();
            for number in 0_u64.. {
                if ends.load(Ordering::SeqCst) {
                    break;
                }
                let address = &addresses[usize::try_from(number).expect("small") % addresses.len()];
                let body = json!({ "key": STANDARD.encode(format!("write/{number}")), "value": STANDARD.encode("x") });
                let put = client.post(format!("{address}/v3/kv/put")).timeout(Duration::from_secs(2));
                let answer = put.body(body.to_string()).send().await;
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    written.push(number);
                    count.fetch_add(1, Ordering::SeqCst);
                } else {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            written
        });
        Self { acknowledged, stop, task }
    }

    /// How many writes were acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Waits until so many more were acknowledged.
    pub async fn more(&self, count: u64) {
        let (wanted, deadline) = (self.acknowledged() + count, Instant::now() + Duration::from_mins(2));
        while self.acknowledged() < wanted {
            assert!(Instant::now() < deadline, "no {count} writes were acknowledged");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends, and holds what was acknowledged against what is there: gives how many were acknowledged, all of which are there.
    pub async fn reconciled(self, etcd: &Etcd) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        let written = self.task.await.expect("the writer");
        let leader = etcd.leader().await;
        let (begin, end) = (STANDARD.encode("write/"), STANDARD.encode("write0"));
        let all = etcd.ask(&leader, "kv/range", &json!({ "key": begin, "range_end": end, "keys_only": true })).await;
        let all = all.expect("all that was written");
        let there: std::collections::BTreeSet<String> = all["kvs"]
            .as_array()
            .expect("keys")
            .iter()
            .map(|kv| {
                String::from_utf8(STANDARD.decode(kv["key"].as_str().expect("a key")).expect("base64")).expect("UTF-8")
            })
            .collect();
        let lost: Vec<_> = written.iter().filter(|number| !there.contains(&format!("write/{number}"))).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        written.len()
    }
}
