//! The floors: an arrow only ever points down, the logic names no terminal and no process, and files stay readable.

use std::fs;
use std::path::{Path, PathBuf};

use firebreak::catalogue::source::usage_in_rust;

fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    if place.is_file() {
        return vec![place];
    }
    let mut folders = vec![place];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry of a folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The code of a file, without comments and without its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a source file");
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn refuse(folder: &str, words: &[&str], except: &[&str]) {
    let mut found = Vec::new();
    for path in sources(folder).iter().filter(|path| !except.iter().any(|name| path.ends_with(name))) {
        let code = code(path);
        found.extend(
            words.iter().filter(|word| code.contains(**word)).map(|word| format!("{}: {word}", path.display())),
        );
    }
    assert!(found.is_empty(), "these do not belong there:\n{}", found.join("\n"));
}

/// What only the edge may name.
const EDGE: [&str; 8] =
    ["docopt", "indicatif", "dialoguer", "std::env", "std::process", "println!", "Utc::now", "reqwest"];

#[test]
fn a_domain_knows_no_terminal_no_environment_no_clock_and_speaks_no_http() {
    refuse("src/rollback", &EDGE, &[]);
    refuse("src/history", &EDGE, &[]);
    // It writes and reads docopt texts, so the word stands in its messages; the parser is not called.
    let edge: Vec<_> = EDGE.iter().map(|word| if *word == "docopt" { "docopt::" } else { word }).collect();
    refuse("src/catalogue", &edge, &[]);
}

#[test]
fn a_domain_knows_no_other_domain() {
    refuse("src/rollback", &["crate::catalogue", "crate::history", "crate::drill"], &[]);
    refuse("src/catalogue", &["crate::rollback", "crate::history", "crate::drill"], &[]);
    refuse("src/history", &["crate::rollback", "crate::catalogue", "crate::drill"], &[]);
}

#[test]
fn other_programs_are_started_in_one_place() {
    // The drill is host to the command of its user, and the edge ends with an exit code.
    refuse("src", &["process::Command"], &["src/process.rs", "src/drill/practice.rs"]);
}

#[test]
fn lower_floors_do_not_know_the_upper_ones() {
    for folder in ["src/action", "src/http", "src/registry", "src/platform"] {
        refuse(folder, &["crate::rollback", "crate::catalogue", "crate::history", "crate::drill"], &[]);
    }
    refuse("src/http", &["crate::registry", "crate::platform", "crate::action"], &[]);
    refuse("src/registry", &["crate::platform", "crate::action"], &[]);
    refuse("src/platform", &["crate::registry", "crate::action"], &[]);
    refuse("src/address.rs", &["crate::"], &[]);
    refuse("src/image.rs", &["crate::"], &[]);
    refuse("src/watch.rs", &["crate::"], &[]);
    refuse("src/port.rs", &["crate::action", "crate::platform", "crate::registry", "crate::http"], &[]);
    refuse("src/journal", &["crate::"], &[]);
    refuse("src/process.rs", &["crate::"], &[]);
    refuse("src/temporary.rs", &["crate::"], &[]);
    refuse("src", &["tempdir()"], &["src/temporary.rs", "src/action/runner/simulation.rs"]);
}

#[test]
fn only_the_console_prints_and_only_the_context_reads_the_environment() {
    refuse(
        "src",
        &["println!", "eprintln!", "print!(", "std::io::stdout", "std::io::stderr"],
        &["action/console.rs", "action/runner/simulation.rs"],
    );
    refuse("src", &["env::var"], &["action/context.rs"]);
}

#[test]
fn files_can_be_read_in_one_go() {
    let sizes: Vec<_> = sources("src").into_iter().map(|path| (code(&path).lines().count(), path)).collect();
    let over = |limit| sizes.iter().filter(|(lines, _)| *lines > limit).collect::<Vec<_>>();
    assert!(over(500).is_empty(), "over 500 lines of code: {:?}", over(500));
    assert!(over(400).len() * 10 <= sizes.len(), "more than one in ten over 400 lines of code: {:?}", over(400));
    // A manual is as long as it has to be; what stands around it is a hand-over.
    for path in sources("src/bin") {
        let text = fs::read_to_string(&path).expect("a source file");
        let count = text.lines().count();
        let manual = usage_in_rust(&text).expect("Rust").map_or(0, |(manual, _)| manual.lines().count());
        assert!(count - manual <= 100, "{} has {count} lines, {manual} of a manual", path.display());
    }
}
