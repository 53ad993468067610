//! The floors: an arrow only ever points down, the logic names no terminal and no process, and files stay readable.

use std::collections::{BTreeMap, BTreeSet};
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

/// The floors below the domains, the lowest first. A module may name what stands on a lower floor; `temporary` and `process` say
/// who else may do what they do.
const FLOORS: [&[&str]; 5] = [
    &["address", "image", "poll", "process", "temporary", "watch", "words", "yaml"],
    &["journal"],
    &["http", "port"],
    &["cluster", "platform", "queue", "registry", "settlement", "sql", "store"],
    &["action"],
];

/// A domain that is there for practice and tests, and is itself the edge: it serves.
const DRILL: &str = "drill";

/// What only the edge may name.
const EDGE: [&str; 8] =
    ["docopt::", "indicatif", "dialoguer", "std::env", "std::process", "println!", "Utc::now", "reqwest"];

/// The modules of `src` but `bin`, each with its code. Each of its own is a floor's of the list, or a domain.
fn modules() -> BTreeMap<String, String> {
    let mut modules = BTreeMap::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("the sources") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        if !["bin", "lib"].contains(&&*name) {
            let code: Vec<String> = sources(path.to_str().expect("a path")).iter().map(|file| code(file)).collect();
            modules.insert(name, code.join("\n"));
        }
    }
    modules
}

/// The modules of this crate that some code names: `crate::http`, `crate::{http, registry}`, `super::super` aside.
fn named(code: &str) -> BTreeSet<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for (at, path) in code.match_indices("crate::") {
        let rest = &code[at + path.len()..];
        match rest.strip_prefix('{') {
            Some(list) => found.extend(top_level(list).into_iter().map(word)),
            None => drop(found.insert(word(rest))),
        }
    }
    found
}

/// The items of a list in braces, up to its end: of `http::{a, b}, words}` these are `http::{a, b}` and `words`.
fn top_level(list: &str) -> Vec<&str> {
    let (mut depth, mut from, mut items) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                items.push(list[from..at].trim());
                from = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    items
}

/// What points up or sideways, and what of the edge a domain names.
fn violations(modules: &BTreeMap<String, String>) -> Vec<String> {
    let floor = |name: &str| FLOORS.iter().position(|floor| floor.contains(&name));
    let mut found = Vec::new();
    for (module, code) in modules {
        for other in named(code).iter().filter(|other| *other != module && modules.contains_key(*other)) {
            let is_below = match (floor(module), floor(other)) {
                (Some(here), Some(there)) => there < here,
                (None, there) => there.is_some(),
                (Some(_), None) => false,
            };
            if !is_below {
                found.push(format!("{module} names {other}"));
            }
        }
        if floor(module).is_none() && module != DRILL {
            found.extend(EDGE.iter().filter(|word| code.contains(**word)).map(|word| format!("{module} names {word}")));
        }
    }
    found
}

#[test]
fn an_arrow_only_points_down_and_no_domain_names_another_or_the_edge() {
    let modules = modules();
    assert_eq!(violations(&modules), [""; 0]);
    for floor in FLOORS.iter().flat_map(|floor| floor.iter()) {
        assert!(modules.contains_key(*floor), "there is no module '{floor}'");
    }
}

#[test]
fn what_points_up_or_sideways_is_found_also_in_a_domain_that_is_new() {
    let found = |module: &str, code: &str| {
        let mut modules = modules();
        modules.entry(module.to_owned()).or_default().push_str(code);
        violations(&modules)
    };
    assert_eq!(found("indexes", "use crate::action::runner;"), [""; 0]);
    assert_eq!(found("indexes", "use crate::rollback::plan;"), ["indexes names rollback"]);
    assert_eq!(found("rollback", "use crate::{http, history::{Life, list}, words};"), ["rollback names history"]);
    assert_eq!(found("rollback", "use crate::drill::Drill;"), ["rollback names drill"]);
    assert_eq!(found("registry", "fn f() { crate::platform::g() }"), ["registry names platform"]);
    assert_eq!(found("journal", "use crate::port::Change;"), ["journal names port"]);
    assert_eq!(found("action", "use crate::rollback::go;"), ["action names rollback"]);
    assert_eq!(found("indexes", "fn f() { println!() }"), ["indexes names println!"]);
}

#[test]
fn other_programs_are_started_in_one_place() {
    // The drill is host to the command of its user, and the edge ends with an exit code.
    refuse("src", &["process::Command"], &["src/process.rs", "src/drill/practice.rs"]);
}

#[test]
fn a_temporary_folder_is_made_in_one_place() {
    let simulations = ["src/action/runner/simulation.rs", "src/action/runner/batch_simulation.rs"];
    refuse("src", &["tempdir()"], &["src/temporary.rs", simulations[0], simulations[1]]);
}

#[test]
fn only_the_console_prints_and_only_the_context_reads_the_environment() {
    refuse(
        "src",
        &["println!", "eprintln!", "print!(", "std::io::stdout", "std::io::stderr"],
        &["action/console.rs", "action/console/prompt.rs", "action/runner/simulation.rs"],
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
