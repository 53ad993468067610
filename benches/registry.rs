//! How fast 20 repositories of 50 tags are read from Debian's docker-registry behind 20 ms of latency, side by side
//! with skopeo doing the same, and with the latency alone. `cargo bench --bench registry`
//!
//! Server, client and wire share the machine's cores: the server alone takes one to two milliseconds of them for each
//! request, and where other work takes them, all times grow but that of the latency alone. Skopeo runs 16 at once;
//! ours has as many requests under way as its default says, which the table names.
#![allow(missing_docs, reason = "a program, not a library")]

#[path = "../tests/it/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use firebreak::http::{Trust, client};
use firebreak::registry::{Options, Registry};
use firebreak::watch::Unwatched;
use futures_util::future::join_all;
use support::registry::{DockerRegistry, config};
use support::wire::Wire;

const REPOSITORIES: usize = 20;
/// A length that pages have: each list costs a second request, to see that it is whole.
const TAGS: usize = 50;
const LATENCY: Duration = Duration::from_millis(20);
const SKOPEOS: usize = 16;
/// What this program is called with to be the one that is measured.
const MEASURED: &str = "--measured";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if let [mode, url, folder, immutable] = arguments.as_slice()
        && mode == MEASURED
    {
        runtime.block_on(read(url, Path::new(folder), immutable == "true"));
        return ExitCode::SUCCESS;
    }
    runtime.block_on(compare());
    ExitCode::SUCCESS
}

fn repositories() -> Vec<String> {
    (0..REPOSITORIES).map(|number| format!("team/service-{number:02}")).collect()
}

/// The program that is measured: it reads, and prints its peak memory in KiB.
async fn read(url: &str, folder: &Path, immutable_tags: bool) {
    let http = client(&Trust::default()).expect("a client");
    let options = Options { immutable_tags, cache_folder: Some(folder.to_owned()), ..Options::default() };
    let registry = Registry::new(&url.into(), http, options).expect("an address");
    let tagged = registry.images(&repositories(), "develop", Utc::now(), &Unwatched).await.expect("all images");
    assert_eq!(tagged.images.iter().filter(|image| image.created.is_some()).count(), REPOSITORIES * TAGS);
    println!("{}", peak("self").unwrap_or_default());
}

/// The most memory that a process ever held, in KiB.
fn peak(process: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}

struct Row {
    name: &'static str,
    requests: usize,
    time: Duration,
    /// In KiB.
    peak: Option<u64>,
}

async fn compare() {
    let skopeo = support::need("skopeo", "skopeo");
    let server = DockerRegistry::start();
    eprintln!("pushing {REPOSITORIES} repositories of {TAGS} tags …");
    join_all(repositories().iter().map(|repository| push(&server, repository))).await;
    let wire = Wire::to(server.port, LATENCY);
    let folder = tempfile::tempdir().expect("a folder");

    let mut rows = Vec::new();
    for (name, immutable) in [("ours, cold", false), ("ours, warm", false), ("ours, tags immutable", true)] {
        let (time, peak) = ours(wire.port, folder.path(), immutable);
        rows.push(Row { name, requests: wire.take().len(), time, peak: Some(peak) });
        eprintln!("{name}: {:.2} s", time.as_secs_f64());
    }
    let requests = rows[0].requests;
    let time = latency_alone(requests);
    rows.push(Row { name: "latency alone (of cold)", requests, time, peak: None });
    eprintln!("skopeo, {} runs …", REPOSITORIES * TAGS);
    let (time, peak) = skopeos(&skopeo, wire.port, folder.path());
    rows.push(Row { name: "skopeo, 16 at once", requests: wire.take().len(), time, peak: Some(peak) });
    print(&rows);
}

/// Half of the repositories hold Docker images of schema 2, half OCI images; each has a config of its own.
async fn push(server: &DockerRegistry, repository: &str) {
    let first: DateTime<Utc> = "2026-01-01T08:00:00Z".parse().expect("a date");
    for number in 0..TAGS {
        let created =
            first.checked_add_signed(TimeDelta::hours(i64::try_from(number).expect("a few"))).expect("a date");
        let config = config(Some(&created.to_rfc3339()), repository);
        let tag = format!("1.{number}.0-develop");
        if repository.ends_with(['0', '2', '4', '6', '8']) {
            server.push_schema2(repository, Some(&tag), config).await;
        } else {
            server.push_oci(repository, Some(&tag), config).await;
        }
    }
}

/// One run of ours in a process of its own: how long it took from start to end, and its peak memory in KiB.
fn ours(port: u16, folder: &Path, immutable: bool) -> (Duration, u64) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.arg(MEASURED).arg(format!("http://127.0.0.1:{port}")).arg(folder).arg(immutable.to_string());
    let begun = Instant::now();
    let output = command.stderr(Stdio::inherit()).output().expect("a process");
    let time = begun.elapsed();
    assert!(output.status.success(), "the measured program failed");
    (time, String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number of KiB"))
}

/// As many requests that cost nothing but their latency.
fn latency_alone(requests: usize) -> Duration {
    let left = AtomicUsize::new(requests);
    at_once(ours_at_once(), || {
        while left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            std::thread::sleep(LATENCY);
        }
    })
}

/// How many requests ours has under way by itself.
fn ours_at_once() -> usize {
    Options::default().concurrency
}

/// How long it takes until so many workers have done their work.
fn at_once(workers: usize, work: impl Fn() + Sync) -> Duration {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(&work);
        }
    });
    begun.elapsed()
}

/// A skopeo for each tag: how long all took, and the peak memory of as many as run at once, in KiB.
fn skopeos(skopeo: &Path, port: u16, home: &Path) -> (Duration, u64) {
    let images: Vec<String> = repositories()
        .iter()
        .flat_map(|repository| (0..TAGS).map(move |number| format!("{repository}:1.{number}.0-develop")))
        .collect();
    let (next, largest) = (AtomicUsize::new(0), AtomicU64::new(0));
    let time = at_once(SKOPEOS, || {
        let mut is_first = true;
        while let Some(image) = images.get(next.fetch_add(1, Ordering::SeqCst)) {
            let mut command = Command::new(skopeo);
            command
                .args(["inspect", "--no-tags", "--tls-verify=false"])
                .arg(format!("docker://127.0.0.1:{port}/{image}"));
            let mut child = command.env("HOME", home).stdout(Stdio::null()).spawn().expect("skopeo");
            // Watching costs time, so only the first of each worker is watched.
            while is_first && child.try_wait().expect("its state").is_none() {
                largest.fetch_max(peak(&child.id().to_string()).unwrap_or_default(), Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(2));
            }
            is_first = false;
            assert!(child.wait().expect("its end").success(), "skopeo failed on {image}");
        }
    });
    (time, largest.into_inner() * SKOPEOS as u64)
}

fn print(rows: &[Row]) {
    let (latency, ours) = (LATENCY.as_millis(), ours_at_once());
    println!("\n{REPOSITORIES} repositories of {TAGS} tags, {latency} ms of latency; ours: {ours} requests at once\n");
    println!("{:<26}{:>10}{:>10}{:>14}", "", "requests", "time", "peak memory");
    for row in rows {
        let peak = row.peak.map_or_else(|| "-".to_owned(), |peak| format!("{} MiB", peak.div_ceil(1024)));
        println!("{:<26}{:>10}{:>8.2} s{peak:>14}", row.name, row.requests, row.time.as_secs_f64());
    }
    let seconds = |name: &str| {
        let row = rows.iter().find(|row| row.name.starts_with(name)).expect("a row of this name");
        row.time.as_secs_f64()
    };
    let (cold, latency, skopeo) = (seconds("ours, cold"), seconds("latency"), seconds("skopeo"));
    let verdict = |reached: bool| if reached { "reached" } else { "MISSED" };
    println!();
    println!("cold / latency alone: {:.2} (goal: 1.30 at most: {})", cold / latency, verdict(cold / latency <= 1.3));
    println!("skopeo / cold: {:.1} (goal: 5.0 at least: {})", skopeo / cold, verdict(skopeo / cold >= 5.0));
}
