//! The world of missed transactions: a real Redis with a stream of them, and the embedded bank and master.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::control;
use super::faults::{Fault, Faults};
use super::proof::{Proof, Standing};
use super::server::{Log, Server};
use super::settlement::{self, Settlement};
use super::slack::Slack;
use super::story::ShopState;
use super::world::{Inspect, World};
use crate::action::arguments::UsageError;
use crate::poll::Looks;
use crate::{process, temporary};

/// The stream, and the group of those who work on it.
const STREAM: &str = "missed";
const GROUP: &str = "master";

/// The environment of the story.
const ENVIRONMENT: &str = "dev";

/// The transactions that were missed: their ids, whose first word is what the bank says, and their issuers.
const MISSED: [(&str, &str); 15] = [
    ("confirmed-1001", "primary"),
    ("confirmed-1002", "primary"),
    ("declined-1003", "primary"),
    ("confirmed-1004", "primary"),
    ("confirmed-1005", "primary"),
    ("pending-1006", "primary"),
    ("confirmed-1007", "primary"),
    ("declined-1008", "primary"),
    ("confirmed-1009", "backup"),
    ("confirmed-1010", "primary"),
    ("confirmed-1011", "primary"),
    ("forgotten-1012", "primary"),
    ("confirmed-1013", "primary"),
    ("pending-1014", "primary"),
    ("confirmed-1015", "backup"),
];

/// How long the server may take to come up.
const PATIENCE: Duration = Duration::from_secs(20);

/// The world, running. Its servers end when it goes out of scope.
#[derive(Debug)]
pub struct Transactions {
    queue: Queue,
    slack: Slack,
    control: Server,
    inspector: Arc<Inspector>,
    services: PathBuf,
    /// What is practised is not written down among what was done.
    folder: TempDir,
}

/// A Redis of the drill's own.
#[derive(Debug)]
struct Queue {
    _server: Child,
    port: u16,
}

impl Queue {
    /// Starts it on a free port, with what it has in this folder.
    async fn start(folder: &Path) -> anyhow::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string(), "--dir"]).arg(folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        // A Ctrl-C is for the program of the drill, not for its queue.
        command.process_group(0);
        let mut server = command.spawn().context("failed to start redis-server, which `make tools` installs")?;
        let mut looks = Looks::every(Duration::from_millis(50), Instant::now() + PATIENCE);
        let mut why = String::new();
        while looks.next().await {
            if let Some(status) = server.try_wait()? {
                bail!("redis-server ended at once ({status}): is port {port} of loopback taken?");
            }
            match ask(port, &["PING"]) {
                Ok(answer) if answer == "PONG" => return Ok(Self { _server: server, port }),
                Ok(answer) => why = answer,
                Err(error) => why = format!("{error:#}"),
            }
        }
        bail!("redis-server did not come up on port {port} of loopback: {why}")
    }

    fn ask(&self, words: &[&str]) -> anyhow::Result<String> {
        ask(self.port, words)
    }
}

fn ask(port: u16, words: &[&str]) -> anyhow::Result<String> {
    let port = port.to_string();
    let words: Vec<&str> = ["-h", "127.0.0.1", "-p", &port].into_iter().chain(words.iter().copied()).collect();
    Ok(process::read("redis-cli", &words, Path::new("/"))?.trim().to_owned())
}

impl Transactions {
    /// Starts the servers, and puts the transactions into the queue.
    ///
    /// # Errors
    /// When a server cannot be started, or a fault is none of this world.
    pub async fn start(port: u16, faults: &[Fault]) -> anyhow::Result<Self> {
        if let Some(fault) = faults.iter().find(|fault| !has(fault)) {
            let why = "the world 'transactions' has bank-503, lose-reply, reset, gone, gone-at-write, latency and slack-fails";
            return Err(UsageError(format!("--fault: '{fault}' is none of this world: {why}")).into());
        }
        let (ordered, log) = (Faults::default(), Log::default());
        for fault in faults {
            ordered.order(fault.clone());
        }
        let port = |place: u16| if port == 0 { 0 } else { port.saturating_add(place) };
        let folder = temporary::folder()?;
        let queue = Queue::start(folder.path()).await?;
        queue.ask(&["XGROUP", "CREATE", STREAM, GROUP, "0", "MKSTREAM"])?;
        for (id, issuer) in MISSED {
            queue.ask(&["XADD", STREAM, "*", "body", &json!({ "id": id, "issuer": issuer }).to_string()])?;
        }
        queue.ask(&["XADD", STREAM, "*", "body", "{\"id\": \"cut off in the mid"])?;
        let settings = settlement::Settings { port: port(0), pause: Duration::from_millis(50) };
        let settlement = Arc::new(Settlement::start(settings, &ordered, &log).await?);
        let services = folder.path().join("services.json");
        std::fs::write(&services, settlement.services().to_string()).context("failed to write the services")?;
        let slack = Slack::start(port(1), &ordered, &log).await?;
        let inspector = Arc::new(Inspector { settlement, port: queue.port });
        let control = control::start(port(2), &ordered, &log, inspector.clone()).await?;
        Ok(Self { queue, slack, control, inspector, services, folder })
    }
}

/// Whether a fault has an effect here.
fn has(fault: &Fault) -> bool {
    use Fault::{BankUnavailable, Gone, GoneAtWrite, Latency, LoseReply, Reset, Slack};
    matches!(
        fault,
        BankUnavailable { .. } | Gone | GoneAtWrite | Latency { .. } | LoseReply { .. } | Reset { .. } | Slack
    )
}

impl World for Transactions {
    fn environment(&self) -> Vec<(String, String)> {
        let queue = format!("redis://127.0.0.1:{}/{STREAM}?group={GROUP}", self.queue.port);
        let variables = [
            ("FIREBREAK_QUEUE", queue),
            ("FIREBREAK_SERVICES", format!("@{}", self.services.display())),
            ("FIREBREAK_SLACK", format!("http://{}/services/drill", self.slack.address())),
            ("FIREBREAK_JOURNAL", self.folder.path().join("journal").display().to_string()),
            ("FIREDRILL_CONTROL", format!("http://{}", self.control.address())),
        ];
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn commands(&self) -> String {
        format!("  resolve_transactions get\n  resolve_transactions run --bank=north --env={ENVIRONMENT}")
    }

    fn proof(&self, environment: &str, stand: ShopState) -> Option<Proof> {
        self.inspector.proof(environment, stand)
    }
}

/// What says whether each transaction has its one effect, and none is lost.
#[derive(Debug)]
struct Inspector {
    settlement: Arc<Settlement>,
    port: u16,
}

impl Inspect for Inspector {
    fn proof(&self, environment: &str, stand: ShopState) -> Option<Proof> {
        (environment == ENVIRONMENT).then_some(())?;
        let ledger = self.settlement.ledger();
        let effects = |word: &str| ledger.effects.values().filter(|all| all.iter().any(|one| one == word)).count();
        let said = |word: &str| {
            MISSED.iter().filter(|(id, issuer)| *issuer == "primary" && id.split('-').next() == Some(word)).count()
        };
        let length = |stream: &str| ask(self.port, &["XLEN", stream]).unwrap_or_else(|error| error.to_string());
        let pending = ask(self.port, &["XPENDING", STREAM, GROUP]).unwrap_or_else(|error| error.to_string());
        let waiting = pending.lines().next().unwrap_or_default().to_owned();
        // Who means the other issuer as well may have resolved some of its transactions.
        let others = ledger.effects.keys().filter(|(issuer, _)| issuer != "primary").count();
        let (committed, cancelled) = (said("confirmed") + others, said("declined"));
        let is_before = stand == ShopState::Broken;
        let number = |number: usize| if is_before { "0".to_owned() } else { number.to_string() };
        let rows = [
            ("committed", effects("committed").to_string(), number(committed)),
            ("cancelled", effects("cancelled").to_string(), number(cancelled)),
            ("left in the queue", waiting, number(MISSED.len() - committed - cancelled)),
            ("parked, malformed", length(&format!("{STREAM}:parked")), number(1)),
            ("with a wrong effect", ledger.wrong().len().to_string(), "0".to_owned()),
        ];
        let services: Vec<Standing> = rows
            .into_iter()
            .map(|(what, found, wanted)| {
                let wrong = if found == wanted { Vec::new() } else { vec![format!("it should be {wanted}")] };
                Standing { service: format!("transactions {what}"), wanted, found, wrong }
            })
            .collect();
        let holds = services.iter().all(|row| row.wrong.is_empty());
        Some(Proof { environment: environment.to_owned(), holds, services })
    }
}
