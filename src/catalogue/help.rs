//! What a program that was not written here says of itself, and whether its role's usage text still says the same.

use std::path::Path;

use super::facts::Role;
use super::package::{Package, UnpackedPackage};
use super::reference::rewritten;
use super::{Program, Toolkit, calls};
use crate::action::manual::{Manual, Opt};

/// What kind of program a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A Python script.
    Python,
    /// A script that names its interpreter in its first line.
    Script,
    /// A program that needs nothing beside it.
    Static,
    /// A program that needs the libraries of the machine it was built on.
    Dynamic,
}

impl Kind {
    /// The kind of the file of this name and content; none where it is no program.
    #[must_use]
    pub fn of(path: &Path, bytes: &[u8]) -> Option<Self> {
        let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == "py") {
            Some(Self::Python)
        } else if first.starts_with(b"#!") {
            Some(if String::from_utf8_lossy(first).contains("python") { Self::Python } else { Self::Script })
        } else if bytes.starts_with(b"\x7fELF") {
            Some(if names_a_loader(bytes) { Self::Dynamic } else { Self::Static })
        } else {
            None
        }
    }
}

/// Whether an ELF file has a segment `PT_INTERP`: the loader that brings its libraries (elf(5)).
fn names_a_loader(bytes: &[u8]) -> bool {
    const INTERPRETER: u64 = 3;
    let wide = bytes.get(4) == Some(&2);
    let big = bytes.get(5) == Some(&2);
    let number = |at: usize, length: usize| {
        let digits = bytes.get(at..at.checked_add(length)?)?.iter();
        let join = |sum: u64, byte: &u8| (sum << 8) | u64::from(*byte);
        Some(if big { digits.fold(0, join) } else { digits.rev().fold(0, join) })
    };
    let (table, entry, count) = if wide {
        (number(32, 8), number(54, 2), number(56, 2))
    } else {
        (number(28, 4), number(42, 2), number(44, 2))
    };
    let (Some(table), Some(entry), Some(count)) = (table, entry, count) else { return false };
    let segment = |index: u64| usize::try_from(index.checked_mul(entry)?.checked_add(table)?).ok();
    (0..count).any(|index| segment(index).and_then(|at| number(at, 4)) == Some(INTERPRETER))
}

/// The help of a program.
#[derive(Debug, Clone)]
pub struct Help {
    /// What it printed, in our own grammar.
    pub text: String,
    /// The same, read.
    pub manual: Manual,
    /// What is read otherwise than it seems to be meant, with the line of what was printed.
    pub notes: Vec<(usize, String)>,
}

impl Help {
    /// Reads what `name --help` printed.
    ///
    /// # Errors
    /// Where it is no text that docopt reads: with its line.
    pub fn read(name: &str, printed: &str) -> anyhow::Result<Self> {
        let help = rewritten(printed);
        let why = |line: usize, why: &str| {
            let text = help.text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim();
            anyhow::anyhow!("what `{name} --help` prints is no docopt text: line {line} ('{text}'): {why}")
        };
        let manual = Manual::read(&help.text).map_err(|error| why(error.line, &error.why))?;
        anyhow::ensure!(!manual.usages.is_empty(), why(1, "there is no `Usage:` with a line for each way to call it"));
        Ok(Self { text: help.text, manual, notes: help.notes })
    }

    /// Asks a program that lies beside its files.
    ///
    /// # Errors
    /// When it does not print its help, or no docopt text.
    pub fn of(laid: &UnpackedPackage) -> anyhow::Result<Self> {
        Self::read(&laid.name, &laid.help()?)
    }
}

/// Something that a usage text says otherwise than the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// The line of the usage text, from 1.
    pub line: usize,
    /// What is said, and what is so.
    pub why: String,
}

/// Holds the usage text of an adopted program against its own help.
///
/// # Errors
/// When the program cannot be asked.
pub fn held_against_help(toolkit: &Toolkit, program: &Program) -> anyhow::Result<Vec<Contradiction>> {
    let Some(package) = Package::of(toolkit, program) else { return Ok(Vec::new()) };
    let help = Help::of(&UnpackedPackage::out(&package)?)?;
    let mut found = contradictions(&program.manual, &help.manual);
    let line_of = |key: &str| 1 + program.text.lines().position(|line| line.trim_start().starts_with(key)).unwrap_or(0);
    let check = program.adopted.as_ref().and_then(|adopted| adopted.check.as_ref());
    let is_switch = |name: &&String| help.manual.option(name).is_some_and(|option| option.placeholder.is_none());
    if let Some(check) = check.filter(|check| !is_switch(check)) {
        let why =
            format!("{check}, by which a check is to be made, is no option of the program, or takes a value there");
        found.push(Contradiction { line: line_of("check:"), why });
    }
    // What its role calls it with stands in no usage line of the text.
    if found.is_empty()
        && let Err(error) = calls::check(&Role::of(program), &help.text, &help.manual)
    {
        found.push(Contradiction { line: line_of("Adopted:"), why: error.to_string() });
    }
    Ok(found)
}

/// In what `text` is at odds with `help`: commands, options and whether they take values, positional arguments, and
/// what a command cannot do without. Descriptions and tags are a person's.
#[must_use]
pub fn contradictions(text: &Manual, help: &Manual) -> Vec<Contradiction> {
    let first = text.usages.first().map_or(1, |usage| usage.line);
    let line_with = |word: &str| {
        let found = text.usages.iter().find(|usage| usage.text.contains(word)).map(|usage| usage.line);
        text.option(word).map(|option| option.line).or(found).unwrap_or(first)
    };
    let mut found = Vec::new();
    let mut odd = |line: usize, why: String| found.push(Contradiction { line, why });
    let mut compare = |what: &str, here: &[String], there: &[String]| {
        for name in here.iter().filter(|name| !there.contains(name)) {
            odd(line_with(name), format!("the program has no {what} {name}"));
        }
        for name in there.iter().filter(|name| !here.contains(name)) {
            odd(first, format!("the program has the {what} {name}, which is missing here"));
        }
    };
    compare("command", &commands(text), &commands(help));
    compare("argument", &positionals(text), &positionals(help));
    let (here, there) = (options(text), options(help));
    compare("option", &here, &there);
    for name in here.iter().filter(|name| there.contains(name)) {
        let takes_value = |manual: &Manual| manual.option(name).is_some_and(|option| option.placeholder.is_some());
        match (takes_value(text), takes_value(help)) {
            (true, false) => odd(line_with(name), format!("{name} takes no value in the program")),
            (false, true) => odd(line_with(name), format!("{name} takes a value in the program")),
            _ => {}
        }
    }
    let mut ways = text.commands();
    ways.retain(|way| help.commands().contains(way));
    // A command line without a command.
    ways.extend(text.commands().is_empty().then_some(""));
    for way in ways {
        let who = if way.is_empty() { "it".to_owned() } else { format!("`{way}`") };
        let (here, there) = (text.needs(way), help.needs(way));
        let lacks = |list: &[&Opt], option: &Opt| !list.iter().any(|other| other.name == option.name);
        for Opt { name, .. } in here.iter().filter(|option| lacks(&there, option)) {
            odd(line_with(name), format!("{who} needs {name} here, and not in the program"));
        }
        for Opt { name, .. } in there.iter().filter(|option| lacks(&here, option)) {
            odd(line_with(name), format!("{who} needs {name} in the program, and not here"));
        }
    }
    found
}

fn commands(manual: &Manual) -> Vec<String> {
    manual.commands().into_iter().map(str::to_owned).collect()
}

fn positionals(manual: &Manual) -> Vec<String> {
    let dots = |repeats| if repeats { "..." } else { "" };
    manual.positionals.iter().map(|it| format!("{}{}", it.name, dots(it.repeats))).collect()
}

/// The names of the options, each once.
pub(super) fn options(manual: &Manual) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for option in &manual.options {
        if !names.contains(&option.name) {
            names.push(option.name.clone());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Mend.

Usage:
  mend get --repo=<r> [--all]
  mend run <host> --date=<d> [options]

Options:
  -r, --repo=<r>  Repositories.
  --date=<d>      The day.
  --all           All.
";

    fn held(help: &str) -> Vec<(usize, String)> {
        let read = |text| Manual::read(text).expect("a manual");
        contradictions(&read(TEXT), &read(help)).into_iter().map(|it| (it.line, it.why)).collect()
    }

    #[test]
    fn descriptions_and_order_are_a_persons() {
        let help = "Usage:\n  mend.py run <host> --date=<day>\n  mend.py get [--all] --repo=<r>\n\n-r, --repo=<r>  x\n";
        assert_eq!(held(help), []);
    }

    #[test]
    fn what_is_at_odds_is_named_with_its_line() {
        let help = "Usage:\n  mend.py get [--repo] --all\n  mend.py stop <host>... --date=<d> --force\n";
        let odd = |line, why: &str| (line, why.to_owned());
        assert_eq!(
            held(help),
            [
                odd(5, "the program has no command run"),
                odd(4, "the program has the command stop, which is missing here"),
                odd(5, "the program has no argument <host>"),
                odd(4, "the program has the argument <host>..., which is missing here"),
                odd(4, "the program has the option --force, which is missing here"),
                odd(8, "--repo takes no value in the program"),
                odd(8, "`get` needs --repo here, and not in the program"),
                odd(10, "`get` needs --all in the program, and not here"),
            ]
        );
    }

    #[test]
    fn a_file_is_known_by_what_it_holds() {
        let kind = |name: &str, bytes: &[u8]| Kind::of(Path::new(name), bytes);
        assert_eq!(kind("x.py", b"import os"), Some(Kind::Python));
        assert_eq!(kind("x", b"#!/usr/bin/env python3\n"), Some(Kind::Python));
        assert_eq!(kind("x", b"#!/bin/sh\npython"), Some(Kind::Script));
        assert_eq!(kind("x", b"words"), None);
        // The head alone, with a count of segments that are not there.
        let mut head = vec![0_u8; 64];
        head[..6].copy_from_slice(b"\x7fELF\x02\x01");
        head[54] = 56;
        head[56] = 9;
        head[32] = 64;
        assert_eq!(kind("x", &head), Some(Kind::Static));
        head.extend([3, 0, 0, 0]);
        assert_eq!(kind("x", &head), Some(Kind::Dynamic));
    }
}
