//! How long reading each program's manual takes, side by side with docopt reading the same text, and with the start of
//! the program. `cargo bench --bench manual`
#![allow(missing_docs, reason = "a program, not a library")]

use std::hint::black_box;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use docopt::Docopt;
use firebreak::action::manual::Manual;

const PROGRAMS: [(&str, &str); 3] = [
    ("firebreak", env!("CARGO_BIN_EXE_firebreak")),
    ("firedrill", env!("CARGO_BIN_EXE_firedrill")),
    ("rollback_service", env!("CARGO_BIN_EXE_rollback_service")),
];

fn main() {
    println!(
        "{:<18} {:>10} {:>10} {:>10} {:>16} {:>16}",
        "program", "manual", "docopt", "start", "manual/docopt", "manual/start"
    );
    for (name, path) in PROGRAMS {
        let help = Command::new(path).arg("--help").output().expect("a program that starts").stdout;
        let text = String::from_utf8(help).expect("UTF-8");
        let manual = typical(500, || drop(black_box(Manual::read(black_box(&text)))));
        let docopt = typical(100, || drop(black_box(Docopt::new(black_box(text.as_str())))));
        let start = typical(50, || {
            let status = Command::new(path).arg("--version").stdout(Stdio::null()).status();
            assert!(status.expect("a program that starts").success());
        });
        let share = |whole: Duration| manual.as_secs_f64() / whole.as_secs_f64();
        println!(
            "{name:<18} {manual:>10.0?} {docopt:>10.0?} {start:>10.0?} {:>16.3} {:>16.3}",
            share(docopt),
            share(start)
        );
        let verdict = if manual < Duration::from_millis(1) { "reached" } else { "MISSED" };
        println!("  read in {manual:.0?} (goal: under a millisecond: {verdict})");
    }
}

/// The median of so many runs.
fn typical(runs: usize, run: impl Fn()) -> Duration {
    let mut times: Vec<Duration> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[runs / 2]
}
