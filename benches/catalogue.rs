//! How long it takes to derive everything from the usage texts of 40 programs, beside docopt's own parsing of the same
//! texts in the same run. `cargo bench --bench catalogue`
#![allow(missing_docs, reason = "a program, not a library")]

use std::path::Path;
use std::time::{Duration, Instant};

use docopt::Docopt;
use firebreak::catalogue::render::render;
use firebreak::catalogue::sync::stale;
use firebreak::catalogue::{Program, Toolkit};

const PROGRAMS: usize = 40;
const ROUNDS: u32 = 10;

fn main() {
    let toolkit = Toolkit::open(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("the toolkit");
    let own = toolkit.programs.len();
    let all = many(&toolkit);
    let reading = best(|| Toolkit::open(&toolkit.root).expect("the toolkit").programs.len());
    let deriving = best(|| render(&toolkit).expect("all that is derived").len());
    let deriving_many = best(|| render(&all).expect("all that is derived").len());
    let parsing = best(|| parse(&toolkit.programs));
    let parsing_many = best(|| parse(&all.programs));

    println!("{:<44}{:>10}{:>10}", "", format!("{own} texts"), format!("{PROGRAMS} texts"));
    let row = |name: &str, few: Duration, many: Option<Duration>| {
        let many = many.map_or_else(|| "-".to_owned(), milliseconds);
        println!("{name:<44}{:>10}{many:>10}", milliseconds(few));
    };
    row("the toolkit is read", reading, None);
    row("everything is derived", deriving, Some(deriving_many));
    row("docopt parses the same texts", parsing, Some(parsing_many));
    let ratio = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64();
    println!();
    println!("deriving / docopt: {:.1}, {:.1}", ratio(deriving, parsing), ratio(deriving_many, parsing_many));
    let comparing = best(|| 1 + stale(&toolkit).expect("what is out of date").len());
    let total = reading + comparing;
    let verdict = if total < Duration::from_millis(100) { "reached" } else { "MISSED" };
    println!("reading, deriving, comparing: {} (goal: 100 ms at most: {verdict})", milliseconds(total));
}

/// The same programs under other names, again and again.
fn many(toolkit: &Toolkit) -> Toolkit {
    let named = |(number, program): (usize, &Program)| {
        let mut program = program.clone();
        program.name = format!("{}_{number}", program.name);
        program
    };
    let mut programs: Vec<_> = toolkit.programs.iter().cycle().take(PROGRAMS).enumerate().map(named).collect();
    programs.sort_by(|one, other| one.name.cmp(&other.name));
    Toolkit { root: toolkit.root.clone(), programs }
}

fn parse(programs: &[Program]) -> usize {
    programs.iter().filter(|program| Docopt::new(program.text.as_str()).is_ok()).count()
}

/// The shortest of some rounds: what the work takes where nothing else takes the machine.
fn best(work: impl Fn() -> usize) -> Duration {
    let round = |_| {
        let begun = Instant::now();
        assert!(work() > 0, "there is something to do");
        begun.elapsed()
    };
    (0..ROUNDS).map(round).min().unwrap_or_default()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
