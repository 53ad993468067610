//! Missed transactions of a real Redis and a real RabbitMQ, with a bank that takes 50 ms: this program beside a Python script that
//! takes them one by one, and one with 16 threads (redis-py or pika, requests); and its memory with 1,000 and with 100,000.
//! `cargo bench --bench transactions`
//!
//! Rates are compared, so each may take as many as it gets through in a reasonable time. Servers and clients share the machine.
#![allow(missing_docs, reason = "a program, not a library")]

#[path = "../tests/it/support/mod.rs"]
mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use firebreak::drill::Log;
use firebreak::drill::faults::Faults;
use firebreak::drill::settlement::{Settings, Settlement, TOKEN};
use serde_json::{Value, json};
use support::peak::watched;
use support::queue::TestQueue;
use support::rabbit::Classic;
use support::redis::Redis;

const PAUSE: Duration = Duration::from_millis(50);
/// What the bank bears.
const PER_SECOND: u32 = 1000;
const CONCURRENCY: u32 = 64;

/// What is to be reached.
const BOUNDS: &str =
    "at most 1.3 × the time that the bank's limit allows; at least 10 × one by one, 1.5 × 16 threads; 40 MiB at most";

#[tokio::main]
async fn main() {
    println!("transactions a second, with a bank that takes 50 ms and bears {PER_SECOND} a second ({BOUNDS})");
    compared("Redis", "redis", Redis::start).await;
    compared("RabbitMQ", "amqp", Classic::alone).await;
}

/// One queue: this program beside the scripts, and its memory.
async fn compared<Q: TestQueue>(name: &str, kind: &'static str, start: fn() -> Q) {
    let ours = rate(100_000, PAUSE, &Peer::Ours, start).await;
    let one = rate(300, PAUSE, &Peer::Python(kind, 1), start).await;
    let threads = rate(4000, PAUSE, &Peer::Python(kind, 16), start).await;
    let few = rate(1000, Duration::ZERO, &Peer::Ours, start).await;
    let rate = ours.a_second;
    println!("{name}");
    println!(
        "  this program, 100,000     {rate:>8.0}   {:.2} × the time that the bank's limit allows",
        f64::from(PER_SECOND) / rate
    );
    println!("  Python, one by one        {:>8.0}   ours is {:.1} ×", one.a_second, rate / one.a_second);
    println!("  Python, 16 threads        {:>8.0}   ours is {:.1} ×", threads.a_second, rate / threads.a_second);
    println!("  memory at most            {:.1} MiB with 1,000, {:.1} MiB with 100,000", few.peak(), ours.peak());
}

enum Peer {
    Ours,
    /// By a client of this queue, with so many threads.
    Python(&'static str, usize),
}

struct Measured {
    a_second: f64,
    /// In KiB.
    peak: u32,
}

impl Measured {
    /// In MiB.
    fn peak(&self) -> f64 {
        f64::from(self.peak) / 1024.0
    }
}

async fn rate<Q: TestQueue>(count: usize, pause: Duration, peer: &Peer, start: fn() -> Q) -> Measured {
    let bodies: Vec<String> = (0..count)
        .map(|number| {
            let word = if number % 5 == 0 { "declined" } else { "confirmed" };
            json!({ "id": format!("{word}-{number}"), "issuer": "primary", "amount": number }).to_string()
        })
        .collect();
    let filled = move || {
        let queue = start();
        bodies.chunks(1000).for_each(|part| queue.put(part));
        queue
    };
    let queue = tokio::task::spawn_blocking(filled).await.expect("a queue");
    let settings = Settings { pause, ..Settings::default() };
    let settlement = Settlement::start(settings, &Faults::default(), &Log::default()).await.expect("a bank");
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = match peer {
        Peer::Ours => {
            let mut services = settlement.services();
            let per_second = if pause.is_zero() { 100_000 } else { PER_SECOND };
            for service in ["/banks/north", "/master"] {
                let service = services.pointer_mut(service).expect("a service");
                service["per_second"] = per_second.into();
                service["concurrency"] = CONCURRENCY.into();
            }
            let mut command = Command::new(env!("CARGO_BIN_EXE_resolve_transactions"));
            command.args(["run", "--bank=north", "--yes", "--format=json"]).env("XDG_STATE_HOME", folder.path());
            command.env("FIREBREAK_QUEUE", queue.url()).env("FIREBREAK_SERVICES", services.to_string());
            command
        }
        Peer::Python(kind, threads) => {
            let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.venv/bin/python"));
            command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/transactions.py")).arg(kind).arg(queue.url());
            command.args([format!("http://{}", settlement.address()), TOKEN.to_owned()]);
            command.args([threads.to_string(), count.to_string()]);
            command
        }
    };
    let begun = Instant::now();
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a start");
    let (output, peak) = tokio::task::spawn_blocking(|| watched(child)).await.expect("its end");
    let seconds = match peer {
        Peer::Ours => {
            let report: Value = serde_json::from_str(&output).expect("a report");
            assert_eq!(report["outcome"], "done", "{}", report["message"]);
            begun.elapsed().as_secs_f64()
        }
        // Without the start of Python.
        Peer::Python(..) => output.trim().parse().expect("seconds"),
    };
    let ledger = settlement.ledger();
    assert_eq!((ledger.effects.len(), ledger.wrong()), (count, Vec::new()));
    #[expect(clippy::cast_precision_loss, reason = "a hundred thousand is exact")]
    Measured { a_second: count as f64 / seconds, peak }
}
