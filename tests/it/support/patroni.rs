//! Three real PostgreSQL servers under Patroni, with an etcd behind them, and those who write to them.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use firebreak::http::{self, Trust};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::etcd::{Etcd, Setup};
use super::postgres::program;
use super::{Server, free_port, need};

/// A running cluster. Its members are `pg1`, `pg2`, `pg3`.
pub struct Patroni {
    members: Vec<Member>,
    /// Ends after its members.
    _store: Etcd,
    folder: TempDir,
}

struct Member {
    name: String,
    rest: u16,
    postgres: u16,
    server: Server,
}

/// PostgreSQL does not run as root: then its own user runs it.
fn as_postgres(command: Command) -> Command {
    if !rustix::process::geteuid().is_root() {
        return command;
    }
    let mut other = Command::new(need("setpriv", "util-linux"));
    other.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=KILL"]);
    other.arg(command.get_program()).args(command.get_args());
    other
}

impl Patroni {
    /// Starts it, and waits until one leads and two follow.
    pub async fn start() -> Self {
        let store = Etcd::start_with(Setup { members: 1, ..Setup::default() }).await;
        let folder = tempfile::Builder::new().prefix("patroni").tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("a folder for all");
        let data = folder.path().join("data");
        std::fs::create_dir(&data).expect("a folder");
        if rustix::process::geteuid().is_root() {
            let owned = Command::new("chown").arg("postgres").arg(&data).status().expect("chown");
            assert!(owned.success());
        }
        let mut members = Vec::new();
        for number in 1..=3 {
            let (rest, postgres, name) = (free_port(), free_port(), format!("pg{number}"));
            let file = folder.path().join(format!("{name}.yml"));
            let settings = settings(&name, (rest, postgres), store.port("m1"), &data);
            std::fs::write(&file, settings.to_string()).expect("a configuration");
            let mut command = Command::new(need("patroni", "patroni"));
            command.arg(file);
            let mut command = as_postgres(command);
            command.env("HOME", &data).env("LC_ALL", "C.UTF-8");
            let log = folder.path().join(format!("{name}.log"));
            let server = Server::start_until(command, &log, || true);
            members.push(Member { name, rest, postgres, server });
        }
        let patroni = Self { members, _store: store, folder };
        patroni.settled().await;
        patroni
    }

    /// The URL of the cluster by these members.
    pub fn url_by(&self, names: &[&str]) -> String {
        let hosts: Vec<_> = names.iter().map(|name| format!("127.0.0.1:{}", self.member(name).rest)).collect();
        format!("patroni+http://ops:s3cret@{}", hosts.join(","))
    }

    fn member(&self, name: &str) -> &Member {
        self.members.iter().find(|member| member.name == name).expect("pg1, pg2 or pg3")
    }

    /// Sends the Patroni of a member a signal; its PostgreSQL goes on.
    pub fn signal(&self, name: &str, signal: Signal) {
        self.member(name).server.signal(signal);
    }

    /// Waits until one member leads, and the others follow without a lag: gives the leader's name.
    pub async fn settled(&self) -> String {
        let client = http::client(&Trust::default()).expect("a client");
        let deadline = Instant::now() + Duration::from_mins(3);
        loop {
            for member in &self.members {
                let url = format!("http://127.0.0.1:{}/cluster", member.rest);
                let Ok(answer) = client.get(url).timeout(Duration::from_secs(2)).send().await else { continue };
                let cluster: Value = answer.json().await.unwrap_or_default();
                let members = cluster["members"].as_array().cloned().unwrap_or_default();
                let is_well = |member: &&Value| {
                    let runs = ["running", "streaming"].iter().any(|state| member["state"] == *state);
                    runs && (member["role"] == "leader" || member["lag"].as_u64().is_some_and(|lag| lag < 1 << 20))
                };
                let leader = members.iter().find(|member| member["role"] == "leader");
                if let Some(name) = leader.and_then(|leader| leader["name"].as_str())
                    && members.iter().filter(is_well).count() == 3
                {
                    return name.to_owned();
                }
            }
            if Instant::now() > deadline {
                let log = |member: &Member| std::fs::read_to_string(&member.server.log).unwrap_or_default();
                let logs: Vec<_> = self.members.iter().map(log).collect();
                panic!("PostgreSQL under Patroni did not come up:\n{}", logs.join("\n---\n"));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Pauses Patroni, or goes on.
    pub async fn pause(&self, pause: bool) {
        let client = http::client(&Trust::default()).expect("a client");
        let url = format!("http://127.0.0.1:{}/config", self.members[0].rest);
        let request = client.patch(url).basic_auth("ops", Some("s3cret"));
        let body = json!({ "pause": if pause { json!(true) } else { Value::Null } });
        let answer = request.json(&body).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    /// What `psql` answers, of the member that takes writes.
    pub fn sql(&self, statement: &str) -> Result<String, String> {
        let ports: Vec<_> = self.members.iter().map(|member| member.postgres.to_string()).collect();
        let place = format!(
            "host=127.0.0.1,127.0.0.1,127.0.0.1 port={} user=postgres dbname=postgres target_session_attrs=read-write connect_timeout=2",
            ports.join(",")
        );
        let output = Command::new(program("psql")).args(["-qAtX", "-c", statement, &place]).output().expect("psql");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }
}

impl Drop for Patroni {
    /// Patroni's own end takes its PostgreSQL with it; one that stands still is killed, and its PostgreSQL by its own file.
    fn drop(&mut self) {
        for member in std::mem::take(&mut self.members) {
            let pid = self.folder.path().join("data").join(&member.name).join("postmaster.pid");
            let postmaster = || std::fs::read_to_string(&pid).ok()?.lines().next()?.trim().parse::<i32>().ok();
            let running = postmaster();
            drop(member.server);
            if let Some(process) = postmaster().or(running) {
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(process), Signal::SIGQUIT);
            }
        }
    }
}

fn settings(name: &str, (rest, postgres): (u16, u16), store: u16, data: &std::path::Path) -> Value {
    json!({
        "scope": "demo",
        "name": name,
        "restapi": {
            "listen": format!("127.0.0.1:{rest}"),
            "connect_address": format!("127.0.0.1:{rest}"),
            "authentication": { "username": "ops", "password": "s3cret" },
        },
        "etcd3": { "host": format!("127.0.0.1:{store}") },
        "bootstrap": {
            "dcs": { "ttl": 30, "loop_wait": 1, "retry_timeout": 10, "maximum_lag_on_failover": 1_048_576 },
            "initdb": [{ "encoding": "UTF8" }, { "auth": "trust" }, "no-sync"],
            "pg_hba": ["host replication all 127.0.0.1/32 trust", "host all all 127.0.0.1/32 trust"],
        },
        "postgresql": {
            "listen": format!("127.0.0.1:{postgres}"),
            "connect_address": format!("127.0.0.1:{postgres}"),
            "data_dir": data.join(name),
            "bin_dir": program("initdb").parent(),
            "pgpass": data.join(format!("{name}.pass")),
            "authentication": {
                "superuser": { "username": "postgres", "password": "x" },
                "replication": { "username": "replicator", "password": "x" },
            },
            "parameters": { "unix_socket_directories": data, "shared_buffers": "16MB", "max_connections": 30, "fsync": "off" },
        },
    })
}

/// Somebody who commits one row after the other.
pub struct Writer {
    committed: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<(Vec<usize>, Duration)>,
}

impl Writer {
    pub fn start(patroni: &Arc<Patroni>) -> Self {
        patroni.sql("create table written (number int primary key)").expect("a table");
        let (committed, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (count, ends, patroni) = (Arc::clone(&committed), Arc::clone(&stop), Arc::clone(patroni));
        let thread = std::thread::spawn(move || {
            let (mut written, mut last, mut longest) = (Vec::new(), Instant::now(), Duration::ZERO);
            for number in 0.. {
                if ends.load(Ordering::SeqCst) {
                    break;
                }
                if patroni.sql(&format!("insert into written values ({number})")).is_ok() {
                    written.push(number);
                    longest = longest.max(last.elapsed());
                    last = Instant::now();
                    count.fetch_add(1, Ordering::SeqCst);
                } else {
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
            (written, longest)
        });
        Self { committed, stop, thread }
    }

    /// Waits until so many more were committed.
    pub async fn more(&self, count: usize) {
        let wanted = self.committed.load(Ordering::SeqCst) + count;
        let deadline = Instant::now() + Duration::from_mins(3);
        while self.committed.load(Ordering::SeqCst) < wanted {
            assert!(Instant::now() < deadline, "no {count} rows were committed");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends, and holds what was committed against what is there: gives how many were committed, all of which are there, and the
    /// longest time between two of them.
    pub async fn reconciled(self, patroni: &Patroni) -> (usize, Duration) {
        self.stop.store(true, Ordering::SeqCst);
        let thread = self.thread;
        let (written, longest) =
            tokio::task::spawn_blocking(|| thread.join().expect("the writer")).await.expect("its end");
        let there = patroni.sql("select number from written").expect("all that was written");
        let there: BTreeSet<usize> = there.lines().map(|line| line.parse().expect("a number")).collect();
        let lost: Vec<_> = written.iter().filter(|number| !there.contains(number)).collect();
        assert!(lost.is_empty(), "committed and lost: {lost:?}");
        (written.len(), longest)
    }
}
