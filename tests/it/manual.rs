//! The manual against docopt: how each reads a text, and which command lines each says to fit.

mod broken;
mod lines;
mod refusals;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use docopt::Docopt;
use docopt::parse::{Argument, Atom, Parser};
use firebreak::action::manual::Manual;

/// The help of each program of the repository, as the program itself prints it.
fn programs() -> Vec<(String, String)> {
    let built = Path::new(env!("CARGO_BIN_EXE_firebreak"));
    let files = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin")).expect("the programs");
    let names = files.map(|entry| entry.expect("an entry").path());
    let mut names: Vec<_> = names.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    let help = |name: &String| {
        let output = Command::new(built.with_file_name(name)).arg("--help").output().expect("a program that starts");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    names.into_iter().map(|name| (name.clone(), help(&name))).collect()
}

/// The usage texts of docopt's own suite. None: they are not here, and `case` is left out.
fn suite(case: &str) -> Vec<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/compat/docopt/testcases.docopt");
    let Ok(text) = std::fs::read_to_string(&path) else {
        // Straight to stderr: what a passing test prints would be swallowed, and nobody would know.
        let _ = writeln!(std::io::stderr(), "left out, for {} is not here: {case}", path.display());
        return Vec::new();
    };
    let texts: Vec<String> =
        text.split("r\"\"\"").skip(1).filter_map(|rest| Some(rest.split_once("\"\"\"")?.0.to_owned())).collect();
    assert_eq!(texts.len(), 81);
    texts
}

/// What a reading says of each name: (has a value, default, repeats, described), and which name is short for which.
type Reading = (String, BTreeMap<String, (bool, Option<String>, bool, bool)>, BTreeMap<String, String>);

fn of_docopt(parser: &Parser) -> Reading {
    let names = parser.descs.iter().map(|(atom, options)| {
        let default = match &options.arg {
            Argument::Zero => None,
            Argument::One(default) => Some(default.clone()),
        };
        (atom.to_string(), (default.is_some(), default.flatten(), options.repeats, options.is_desc))
    });
    let synonyms = parser.descs.synonyms().map(|(short, long)| (short.to_string(), long.to_string()));
    let synonyms: BTreeMap<String, String> = synonyms.collect();
    // What was described by its short name alone before it had a long one is never looked up again.
    let names = names.filter(|(name, _)| !synonyms.contains_key(name)).collect();
    (parser.program.clone(), names, synonyms)
}

fn of_manual(manual: &Manual, parser: &Parser) -> Reading {
    let mut names = BTreeMap::new();
    for option in &manual.options {
        let value = (option.placeholder.is_some(), option.default.clone(), option.repeats, option.described);
        names.insert(option.name.clone(), value);
    }
    for positional in &manual.positionals {
        names.insert(positional.name.clone(), (false, None, positional.repeats, false));
    }
    // Of commands the manual knows only the names, and `-` and `--` are none to it.
    for (atom, options) in parser.descs.iter().filter(|(atom, _)| matches!(atom, Atom::Command(_))) {
        let name = atom.to_string();
        if name == "-" || name == "--" || manual.commands().contains(&name.as_str()) {
            names.insert(name, (false, None, options.repeats, false));
        }
    }
    let synonyms = manual.options.iter().filter_map(|option| Some((option.short.clone()?, option.name.clone())));
    (manual.program.clone(), names, synonyms.collect())
}

/// The manual says the same as docopt of a text, also whether it is one.
fn agrees(text: &str) {
    match (Docopt::new(text), Manual::read(text)) {
        (Ok(docopt), Ok(manual)) => {
            let parser = docopt.parser();
            assert_eq!(of_manual(&manual, parser), of_docopt(parser), "{text}");
            let commands: BTreeSet<&str> = manual.commands().into_iter().collect();
            let known = parser.descs.keys().filter(|atom| matches!(atom, Atom::Command(_))).map(ToString::to_string);
            let known: BTreeSet<String> = known.filter(|name| name != "-" && name != "--").collect();
            assert_eq!(commands, known.iter().map(String::as_str).collect(), "{text}");
        }
        (Err(_), Err(_)) => {}
        (Ok(_), Err(why)) => panic!("only the manual refuses: {why}\n{text}"),
        (Err(why), Ok(_)) => panic!("only docopt refuses: {why}\n{text}"),
    }
}

#[test]
fn an_option_described_first_by_its_letter_and_later_by_two_long_names_is_read_as_docopt_does() {
    agrees("Usage:\n  prog -bX [options]...\n\n  -b X  [default: a]\n  -b=<x> --in=<x>\n");
    agrees("Usage:\n  prog [options]... -b <x>\n\n  -b <x>\n  -b, --in <x>\n  -b, --long <x>\n");
}

#[test]
fn the_manual_of_each_program_agrees_with_docopt_and_leaves_no_doubt() {
    for (name, text) in programs() {
        agrees(&text);
        let manual = Manual::read(&text).expect("a manual");
        assert_eq!((manual.program, manual.doubts), (name, Vec::new()));
    }
}

#[test]
fn the_manual_agrees_with_docopt_over_docopts_own_suite() {
    for text in suite("the manual against docopt's own suite") {
        agrees(&text);
    }
}
