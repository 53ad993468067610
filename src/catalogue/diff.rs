//! What changed between two readings of the manuals, and what it means for who calls the programs.

use std::fmt::Display;

use serde::Serialize;

use super::Program;
use super::facts::{Exit, Role, exits};
use crate::action::manual::{Manual, Opt, Usage};

/// What a change means for a command line, play or button that worked before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// It fails now, or does something else.
    Breaking,
    /// It does what it did, and there is more.
    Compatible,
    /// It is only told otherwise.
    Wording,
}

use Level::{Breaking, Compatible, Wording};

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What it means.
    pub level: Level,
    /// The program.
    pub program: String,
    /// What changed, in one sentence.
    pub what: String,
}

/// What can happen to one thing that has a name, and what that means: gone, new, or another value.
struct Rule {
    /// What it is called in a sentence.
    thing: &'static str,
    gone: Level,
    new: Level,
    changed: Level,
}

const PROGRAM: Rule = Rule { thing: "the program", gone: Breaking, new: Compatible, changed: Wording };
const COMMAND: Rule = Rule { thing: "the command", gone: Breaking, new: Compatible, changed: Wording };
const SPELLING: Rule = Rule { thing: "the spelling", gone: Breaking, new: Compatible, changed: Breaking };
const CHOICE: Rule = Rule { thing: "the choice", gone: Breaking, new: Compatible, changed: Breaking };
// The same command line now does something else.
const DEFAULT: Rule = Rule { thing: "the default", gone: Breaking, new: Breaking, changed: Breaking };
const ENVIRONMENT: Rule =
    Rule { thing: "the environment variable", gone: Breaking, new: Compatible, changed: Breaking };
const SECRET: Rule = Rule { thing: "the tag [secret]", gone: Breaking, new: Compatible, changed: Wording };
const REPEATS: Rule =
    Rule { thing: "that it can be given more than once", gone: Breaking, new: Compatible, changed: Wording };
const KEPT: Rule = Rule { thing: "the kept file", gone: Breaking, new: Compatible, changed: Breaking };
const FOUND: Rule = Rule { thing: "the offered member", gone: Compatible, new: Compatible, changed: Breaking };
const EXIT: Rule = Rule { thing: "the exit code", gone: Breaking, new: Compatible, changed: Wording };
const SECTION: Rule = Rule { thing: "the section", gone: Wording, new: Wording, changed: Wording };
const DESCRIPTION: Rule = Rule { thing: "the description", gone: Wording, new: Wording, changed: Wording };
const ROLE: Rule = Rule { thing: "the role", gone: Breaking, new: Compatible, changed: Wording };
// The role calls another program, or says another word to it.
const ADOPTED: Rule = Rule { thing: "what is adopted:", gone: Breaking, new: Breaking, changed: Breaking };
// What it is run with: its callers see nothing of that.
const MEANS: Rule = Rule { gone: Wording, new: Wording, changed: Wording, ..ADOPTED };
// With it a check plans; without it a check does nothing.
const CHECK: Rule = Rule { new: Compatible, ..ADOPTED };
const VARIABLE: Rule = Rule { thing: "the role's variable", gone: Breaking, new: Compatible, changed: Breaking };

/// What changed from `old` to `new`, the worst first.
#[must_use]
pub fn compare(old: &[Program], new: &[Program]) -> Vec<Change> {
    let mut changes = Vec::new();
    for (before, after) in pairs(old, new, |program| program.name.clone()) {
        let name = &before.or(after).expect("one of a pair is there").name;
        let mut changes_of = ProgramChanges { program: name, changes: &mut changes };
        match (before, after) {
            (Some(before), Some(after)) => changes_of.program(before, after),
            (before, after) => {
                changes_of.one(&PROGRAM, name, before.map(|it| &it.name), after.map(|it| &it.name));
            }
        }
    }
    changes.sort_by_key(|change| change.level);
    changes
}

/// Where the changes of one program are written.
struct ProgramChanges<'a> {
    program: &'a str,
    changes: &'a mut Vec<Change>,
}

impl ProgramChanges<'_> {
    fn write(&mut self, level: Level, what: String) {
        self.changes.push(Change { level, program: self.program.to_owned(), what });
    }

    /// Holds a thing of a name against itself.
    fn one<T: PartialEq + Display>(&mut self, rule: &Rule, name: &str, before: Option<T>, after: Option<T>) {
        let thing = format!("{} {name}", rule.thing);
        match (before, after) {
            (Some(_), None) => self.write(rule.gone, format!("{} is gone", thing.trim())),
            (None, Some(_)) => self.write(rule.new, format!("{} is new", thing.trim())),
            (Some(before), Some(after)) if before != after => {
                self.write(rule.changed, format!("{} changed: {before} → {after}", thing.trim()));
            }
            _ => {}
        }
    }

    /// Holds what an option has against what it had.
    fn part(&mut self, rule: &Rule, option: &str, before: Option<&str>, after: Option<&str>) {
        match (before, after) {
            (Some(before), None) => self.write(rule.gone, format!("{option}: {} {before} is gone", rule.thing)),
            (None, Some(after)) => self.write(rule.new, format!("{option}: {} {after} is new", rule.thing)),
            (Some(before), Some(after)) if before != after => {
                self.write(rule.changed, format!("{option}: {} changed: {before} → {after}", rule.thing));
            }
            _ => {}
        }
    }

    fn flag(&mut self, rule: &Rule, option: &str, before: bool, after: bool) {
        if before && !after {
            self.write(rule.gone, format!("{option}: {} is gone", rule.thing));
        } else if after && !before {
            self.write(rule.new, format!("{option}: {} is new", rule.thing));
        }
    }

    fn program(&mut self, before: &Program, after: &Program) {
        let (old, new) = (&before.manual, &after.manual);
        if old.title != new.title {
            self.write(Wording, format!("the title changed: {} → {}", old.title, new.title));
        }
        let commands = |manual: &Manual| manual.commands().into_iter().map(str::to_owned).collect::<Vec<_>>();
        for (before, after) in pairs(&commands(old), &commands(new), Clone::clone) {
            let name = before.or(after).map_or("", String::as_str);
            self.one(&COMMAND, &format!("`{name}`"), before, after);
        }
        for command in kept_commands(old, new) {
            self.options(old, new, command);
            self.positionals(old, new, command);
        }
        for (before, after) in pairs(&old.sections, &new.sections, |section| section.heading.clone()) {
            let heading = before.or(after).map_or("", |section| section.heading.as_str());
            let is_data = ["Exit status", "Usage", "Adopted"].contains(&heading) || heading.contains("ptions");
            if !is_data && before.map(|it| &it.text) != after.map(|it| &it.text) {
                let level = if before.is_none() { SECTION.new } else { SECTION.changed };
                self.write(level, format!("{} {heading}: is told otherwise", SECTION.thing));
            }
        }
        let codes = |manual: &Manual| exits(manual.section("Exit status").unwrap_or_default());
        for (before, after) in pairs(&codes(old), &codes(new), |exit: &Exit| exit.code.clone()) {
            let code = before.or(after).map_or("", |exit| exit.code.as_str());
            self.one(&EXIT, code, before.map(|it| &it.meaning), after.map(|it| &it.meaning));
        }
        self.role(before, after);
    }

    fn options(&mut self, old: &Manual, new: &Manual, command: Option<&str>) {
        let behind = command.map_or(String::new(), |command| format!(" of `{command}`"));
        let (had, has) = (options(old, command), options(new, command));
        for (before, after) in pairs(&had, &has, |option| option.name.clone()) {
            let name = &before.or(after).expect("one of a pair is there").name;
            let shown = format!("{name}{behind}");
            let needed = |manual: &Manual| manual.is_needed(command.unwrap_or(""), name);
            let (needed_it, needs_it) = (needed(old), needed(new));
            match (before, after) {
                (Some(before), Some(after)) => {
                    if needs_it && !needed_it {
                        self.write(Breaking, format!("{shown} is needed now"));
                    } else if needed_it && !needs_it {
                        self.write(Compatible, format!("{shown} is not needed any more"));
                    }
                    self.option(&shown, before, after, needed_it);
                }
                (None, _) if needs_it => self.write(Breaking, format!("{shown} is new, and needed")),
                (None, _) => self.write(Compatible, format!("{shown} is new")),
                (_, None) => self.write(Breaking, format!("{shown} is gone")),
            }
        }
    }

    fn option(&mut self, name: &str, before: &Opt, after: &Opt, was_needed: bool) {
        match (&before.placeholder, &after.placeholder) {
            (None, Some(value)) => self.write(Breaking, format!("{name} was a switch, and takes a value now: {value}")),
            (Some(_), None) => self.write(Breaking, format!("{name} took a value, and is a switch now")),
            _ => {}
        }
        self.part(&SPELLING, name, before.short.as_deref(), after.short.as_deref());
        self.choices(name, before, after);
        // Whoever had to give a value still gives it.
        if !(was_needed && before.default.is_none()) {
            self.part(&DEFAULT, name, before.default.as_deref(), after.default.as_deref());
        }
        self.part(&ENVIRONMENT, name, before.environment.as_deref(), after.environment.as_deref());
        self.part(&KEPT, name, before.keeps.as_deref(), after.keeps.as_deref());
        self.part(&FOUND, name, before.found.as_deref(), after.found.as_deref());
        self.flag(&SECRET, name, before.secret, after.secret);
        self.flag(&REPEATS, name, before.repeats, after.repeats);
        if before.description != after.description {
            self.write(DESCRIPTION.changed, format!("{name}: {} is told otherwise", DESCRIPTION.thing));
        }
    }

    fn choices(&mut self, name: &str, before: &Opt, after: &Opt) {
        if before.choices.is_empty() && !after.choices.is_empty() {
            self.write(CHOICE.gone, format!("{name} took any value, and is one of {} now", after.choices.join(", ")));
        } else if after.choices.is_empty() && !before.choices.is_empty() {
            self.write(CHOICE.new, format!("{name} takes any value now"));
        } else {
            for (before, after) in pairs(&before.choices, &after.choices, Clone::clone) {
                self.part(&CHOICE, name, before.map(String::as_str), after.map(String::as_str));
            }
        }
    }

    fn positionals(&mut self, old: &Manual, new: &Manual, command: Option<&str>) {
        let behind = command.map_or(String::new(), |command| format!(" of `{command}`"));
        let (had, has) = (positionals(old, command), positionals(new, command));
        for (before, after) in pairs(&had, &has, |positional| positional.name.clone()) {
            let name = &before.or(after).expect("one of a pair is there").name;
            let shown = format!("{name}{behind}");
            match (before, after) {
                (Some(before), Some(after)) => {
                    if after.needed && !before.needed {
                        self.write(Breaking, format!("{shown} is needed now"));
                    } else if before.needed && !after.needed {
                        self.write(Compatible, format!("{shown} is not needed any more"));
                    }
                    self.flag(&REPEATS, &shown, before.repeats, after.repeats);
                }
                (None, Some(after)) if after.needed => self.write(Breaking, format!("{shown} is new, and needed")),
                (None, _) => self.write(Compatible, format!("{shown} is new")),
                (_, None) => self.write(Breaking, format!("{shown} is gone")),
            }
        }
    }

    /// A role's variables are named by the options; a play names the variables.
    fn role(&mut self, before: &Program, after: &Program) {
        let (was, is) = (before.adopted.clone().unwrap_or_default(), after.adopted.clone().unwrap_or_default());
        let value = |text: String| Some(text).filter(|text| !text.is_empty());
        self.one(&ADOPTED, "program", value(was.program), value(is.program));
        self.one(&MEANS, "requirements", was.requirements, is.requirements);
        self.one(&MEANS, "beside", value(was.beside.join(" ")), value(is.beside.join(" ")));
        self.one(&MEANS, "language", was.language, is.language);
        self.one(&ADOPTED, "get", was.get, is.get);
        self.one(&ADOPTED, "run", was.run, is.run);
        self.one(&CHECK, "check", was.check, is.check);
        let is = |program: &Program| program.is_role().then(|| program.name.clone());
        self.one(&ROLE, "", is(before), is(after));
        if !before.is_role() || !after.is_role() {
            return;
        }
        let (old, new) = (&before.manual, &after.manual);
        let (before, after) = (Role::of(before), Role::of(after));
        let called = |role: &Role| {
            let variables = role.variables.iter();
            let named = variables.filter_map(|it| Some((it.option.clone()?, it.commands.join(" "), it.name.clone())));
            named.collect::<Vec<_>>()
        };
        let (had, has) = (called(&before), called(&after));
        let names =
            |called: &[(String, String, String)]| called.iter().map(|(.., name)| name.clone()).collect::<Vec<_>>();
        for (before, after) in pairs(&had, &has, |(option, commands, _)| (option.clone(), commands.clone())) {
            match (before, after) {
                (Some((option, _, before)), Some((_, _, after))) => {
                    self.part(&VARIABLE, option, Some(before), Some(after));
                }
                // The program still has the option, but the role gives it by itself: it is that of `--check`.
                (Some((option, _, before)), None) if new.option(option).is_some() && !names(&has).contains(before) => {
                    self.part(&VARIABLE, option, Some(before), None);
                }
                (None, Some((option, _, after))) if old.option(option).is_some() && !names(&had).contains(after) => {
                    self.part(&VARIABLE, option, None, Some(after));
                }
                _ => {}
            }
        }
    }
}

/// What stands in either list, in the order of the first and then of the second, side by side.
fn pairs<'a, T, K: PartialEq>(
    old: &'a [T],
    new: &'a [T],
    key: impl Fn(&T) -> K,
) -> Vec<(Option<&'a T>, Option<&'a T>)> {
    let of = |list: &'a [T], item: &T| list.iter().find(|other| key(other) == key(item));
    let kept = old.iter().map(|item| (Some(item), of(new, item)));
    let added = new.iter().filter(|item| of(old, item).is_none()).map(|item| (None, Some(item)));
    kept.chain(added).collect()
}

/// The commands that both have, and none: what stands without one.
fn kept_commands<'a>(old: &'a Manual, new: &Manual) -> Vec<Option<&'a str>> {
    let kept = old.commands().into_iter().filter(|command| new.commands().contains(command)).map(Some);
    std::iter::once(None).chain(kept).collect()
}

fn usages<'a>(manual: &'a Manual, command: Option<&'a str>) -> impl Iterator<Item = &'a Usage> {
    manual.usages.iter().filter(move |usage| match command {
        None => usage.commands.is_empty(),
        Some(command) => usage.commands.iter().any(|word| word == command),
    })
}

fn options(manual: &Manual, command: Option<&str>) -> Vec<Opt> {
    let Some(command) = command else {
        let named = |option: &&Opt| {
            usages(manual, None)
                .any(|usage| usage.any || usage.needs.contains(&option.name) || usage.takes.contains(&option.name))
        };
        return manual.options.iter().filter(named).cloned().collect();
    };
    manual.options_of(command).cloned().collect()
}

struct Positional {
    name: String,
    needed: bool,
    repeats: bool,
}

fn positionals(manual: &Manual, command: Option<&str>) -> Vec<Positional> {
    let mut places: Vec<Positional> = Vec::new();
    for usage in usages(manual, command) {
        for name in &usage.positionals {
            let place = Positional {
                name: name.clone(),
                needed: manual.is_needed(command.unwrap_or(""), name),
                repeats: manual.positionals.iter().any(|known| known.name == *name && known.repeats),
            };
            if !places.iter().any(|known| known.name == place.name) {
                places.push(place);
            }
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::source::Source;

    const TEXT: &str = "Mend a thing.

Problem:
  It is broken.

Usage:
  mend get --repo=<r> [options]
  mend run [--date=<d>] [<thing>] [options]
  mend -h | --help

Options of get:
  --repo=<r>    Repositories.

Options of run:
  -d, --date=<d>  The day. [env: DAY]
  --format=<f>  How. [choices: table json] [default: table]
  --pwd=<p>     The password. [env: PWD] [secret]
  --all         All.

General options:
  -h, --help    This text.

Exit status:
  0  Done.
  3  In part.
";

    fn program(text: &str) -> Program {
        let manual = Manual::read(text).expect("a usage text");
        let source = Source { path: "src/bin/mend.rs".into(), line: 1 };
        Program { name: manual.program.clone(), text: text.to_owned(), manual, source, adopted: None }
    }

    fn changes(from: &str, to: &str) -> Vec<(Level, String)> {
        assert!(TEXT.contains(from), "the text has no '{from}'");
        let found = compare(&[program(TEXT)], &[program(&TEXT.replacen(from, to, 1))]);
        found.into_iter().map(|change| (change.level, change.what)).collect()
    }

    #[test]
    fn every_change_is_told_with_what_it_means() {
        for (from, to, expected) in [
            ("Mend a thing.", "Mend it.", vec![(Wording, "the title changed: Mend a thing. → Mend it.")]),
            ("It is broken.", "It broke.", vec![(Wording, "the section Problem: is told otherwise")]),
            ("Repositories.", "What.", vec![(Wording, "--repo of `get`: the description is told otherwise")]),
            ("  --all         All.\n", "", vec![(Breaking, "--all of `run` is gone")]),
            (
                "  --all         All.\n",
                "  --all         All.\n  --more        More.\n",
                vec![(Compatible, "--more of `run` is new")],
            ),
            (
                "--all         All.",
                "--all=<x>     All.",
                vec![(Breaking, "--all of `run` was a switch, and takes a value now: <x>")],
            ),
            (
                "--repo=<r> [options]",
                "[--repo=<r>] [options]",
                vec![(Compatible, "--repo of `get` is not needed any more")],
            ),
            ("[--date=<d>]", "--date=<d>", vec![(Breaking, "--date of `run` is needed now")]),
            ("--date=<d>  The", "--date=<day>  The", vec![]),
            ("-d, --date=<d>", "--date=<d>", vec![(Breaking, "--date of `run`: the spelling -d is gone")]),
            ("table json]", "table]", vec![(Breaking, "--format of `run`: the choice json is gone")]),
            ("table json]", "table json yaml]", vec![(Compatible, "--format of `run`: the choice yaml is new")]),
            ("[choices: table json] ", "", vec![(Compatible, "--format of `run` takes any value now")]),
            ("All.", "All. [choices: a]", vec![(Breaking, "--all of `run` took any value, and is one of a now")]),
            (
                "[default: table]",
                "[default: json]",
                vec![(Breaking, "--format of `run`: the default changed: table → json")],
            ),
            (" [default: table]", "", vec![(Breaking, "--format of `run`: the default table is gone")]),
            (" [env: DAY]", "", vec![(Breaking, "--date of `run`: the environment variable DAY is gone")]),
            ("DAY]", "DATE]", vec![(Breaking, "--date of `run`: the environment variable changed: DAY → DATE")]),
            (" [secret]", "", vec![(Breaking, "--pwd of `run`: the tag [secret] is gone")]),
            (" [<thing>]", "", vec![(Breaking, "<thing> of `run` is gone")]),
            (" [<thing>]", " <thing>", vec![(Breaking, "<thing> of `run` is needed now")]),
            (
                " [<thing>]",
                " [<thing>...]",
                vec![(Compatible, "<thing> of `run`: that it can be given more than once is new")],
            ),
            ("  3  In part.\n", "", vec![(Breaking, "the exit code 3 is gone")]),
            ("In part.", "Partly.", vec![(Wording, "the exit code 3 changed: In part. → Partly.")]),
            ("Done.\n", "Done.\n  1  Failed.\n", vec![(Compatible, "the exit code 1 is new")]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|(level, what)| (level, what.to_owned())).collect();
            assert_eq!(changes(from, to), expected, "for '{from}' → '{to}'");
        }
    }

    #[test]
    fn a_program_without_commands_can_need_something_new() {
        let text = |usage: &str| format!("Ring.\n\nUsage:\n  ring {usage}\n  ring -h | --help\n");
        let changes = |from: &str, to: &str| {
            let found = compare(&[program(&text(from))], &[program(&text(to))]);
            found.into_iter().map(|change| (change.level, change.what)).collect::<Vec<_>>()
        };
        assert_eq!(changes("[--hard=<h>]", "--hard=<h>"), [(Breaking, "--hard is needed now".to_owned())]);
        assert_eq!(changes("", "--hard=<h>"), [(Breaking, "--hard is new, and needed".to_owned())]);
        assert_eq!(changes("", "<bell>"), [(Breaking, "<bell> is new, and needed".to_owned())]);
    }

    #[test]
    fn a_role_that_calls_its_program_otherwise_breaks() {
        let read = |adopted: &str| {
            let text = format!("Mend.\n\nAdopted:\n{adopted}\nUsage:\n  mend look\n  mend see\n  mend act\n");
            let read = Program::from_text("roles/mend/usage.txt".as_ref(), text).expect("a text");
            read.expect("a program")
        };
        let (old, new) = (
            read("  program: mend.py\n  requirements: a.txt\n  get: look\n  run: act\n"),
            read("  program: fix.py\n  requirements: b.txt\n  run: see\n"),
        );
        let found = compare(&[old], &[new]).into_iter().map(|change| (change.level, change.what));
        assert_eq!(
            found.collect::<Vec<_>>(),
            [
                (Breaking, "what is adopted: program changed: mend.py → fix.py".to_owned()),
                (Breaking, "what is adopted: get is gone".to_owned()),
                (Breaking, "what is adopted: run changed: act → see".to_owned()),
                (Wording, "what is adopted: requirements changed: a.txt → b.txt".to_owned()),
            ]
        );
    }

    #[test]
    fn what_an_adopted_program_is_run_with_is_told_and_what_a_check_means() {
        let read = |adopted: &str| {
            let text = format!(
                "Mend.\n\nAdopted:\n  program: mend\n{adopted}\nUsage:\n  mend [--dry-run] [--more]\n\nOptions:\n  --dry-run  Only \
                 show.\n  --more     More.\n"
            );
            let read = Program::from_text("roles/mend/usage.txt".as_ref(), text).expect("a text");
            read.expect("a program")
        };
        let found = |old: &str, new: &str| {
            let found = compare(&[read(old)], &[read(new)]).into_iter();
            found.map(|change| (change.level, change.what)).collect::<Vec<_>>()
        };
        for (old, new, expected) in [
            ("", "  beside: lib words.py\n", vec![(Wording, "what is adopted: beside is new")]),
            (
                "  beside: lib words.py\n",
                "  beside: lib\n",
                vec![(Wording, "what is adopted: beside changed: lib words.py → lib")],
            ),
            ("  beside: lib\n", "", vec![(Wording, "what is adopted: beside is gone")]),
            ("", "  language: python\n", vec![(Wording, "what is adopted: language is new")]),
            ("  language: python\n", "", vec![(Wording, "what is adopted: language is gone")]),
            // The role gives the option by itself now: a play that gives it is refused.
            (
                "",
                "  check: --dry-run\n",
                vec![
                    (Breaking, "--dry-run: the role's variable mend_dry_run is gone"),
                    (Compatible, "what is adopted: check is new"),
                ],
            ),
            (
                "  check: --dry-run\n",
                "",
                vec![
                    (Breaking, "what is adopted: check is gone"),
                    (Compatible, "--dry-run: the role's variable mend_dry_run is new"),
                ],
            ),
            (
                "  check: --dry-run\n",
                "  check: --more\n",
                vec![
                    (Breaking, "what is adopted: check changed: --dry-run → --more"),
                    (Breaking, "--more: the role's variable mend_more is gone"),
                    (Compatible, "--dry-run: the role's variable mend_dry_run is new"),
                ],
            ),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|(level, what)| (level, what.to_owned())).collect();
            assert_eq!(found(old, new), expected, "'{old}' → '{new}'");
        }
    }

    #[test]
    fn a_command_or_program_that_is_gone_breaks() {
        let none = compare(&[program(TEXT)], &[]);
        assert_eq!(none, [Change { level: Breaking, program: "mend".into(), what: "the program mend is gone".into() }]);
        let new = compare(&[], &[program(TEXT)]);
        assert_eq!(new, [Change { level: Compatible, program: "mend".into(), what: "the program mend is new".into() }]);
        assert_eq!(
            changes("  mend get --repo=<r> [options]\n", ""),
            [
                (Breaking, "the command `get` is gone".to_owned()),
                // Its heading names no command any more, so it is for all.
                (Compatible, "--repo of `run` is new".to_owned())
            ]
        );
        assert_eq!(compare(&[program(TEXT)], &[program(TEXT)]), []);
    }
}
