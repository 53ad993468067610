//! What a template sees: a program as its usage text describes it, and a role with its variables. Plain data, in order.

use serde::Serialize;

use super::approval::Approval;
pub use super::variables::{Kind, Variable};
use super::variables::{identifier, variables};
use super::{Adopted, Program};
use crate::action::manual::{Manual, Opt};
use crate::words::capital;

/// A role.
#[derive(Debug, Clone, Serialize)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// What it does, without a period at the end.
    pub title: String,
    /// The paragraph of that section.
    pub problem: String,
    /// The paragraph of that section.
    pub solution: String,
    /// How one sees that it worked; empty where the text does not say.
    pub verify: String,
    /// How it is taken back; empty where the text does not say.
    pub undo: String,
    /// How people word the problem: the lines of `Symptoms:`, else the problem's first sentence.
    pub symptoms: Vec<String>,
    /// The usage text's file.
    pub source: String,
    /// The program's file in the role's folder `files`.
    pub program: String,
    /// Whether it is built here.
    pub native: bool,
    /// The files and folders that it needs beside it, in the role's folder `files`.
    pub beside: Vec<String>,
    /// It is a Python script.
    pub python: bool,
    /// The list of Python packages of a script that needs a virtual environment.
    pub requirements: Option<String>,
    /// The variables that must not be seen.
    pub secrets: Vec<Variable>,
    /// What stands behind `--` on a command line is a positional argument, whatever it begins with.
    pub dashes: bool,
    /// What looks.
    pub get: Command,
    /// What acts: `run`, and each further command of a program of this toolkit.
    pub acts: Vec<Command>,
    /// What a button asks for before it acts.
    pub approval: Approval,
    /// All variables, in the order of their options.
    pub variables: Vec<Variable>,
    /// The exit codes and their meanings.
    pub exits: Vec<Exit>,
    /// The lines of the section `Examples`.
    pub examples: Vec<String>,
}

/// One of the things that a role does.
#[derive(Debug, Clone, Serialize)]
pub struct Command {
    /// The tag, and the file of tasks: `get`, `run`, or a further command.
    pub entry: String,
    /// The same as part of a variable's name.
    pub id: String,
    /// The program's own words for it, or the program itself where it needs none; none where it cannot do that.
    pub word: Option<String>,
    /// What the command line begins with: those words. Where there is no command to look with, `--help` of an adopted program;
    /// one of this toolkit is not called then.
    pub words: Vec<String>,
    /// What the solution says of it.
    pub summary: String,
    /// It can report in JSON.
    pub json: bool,
    /// It asks unless it is told `--yes`.
    pub yes: bool,
    /// The option by which it plans without acting, if it has one.
    pub check: Option<String>,
    /// The variable of its option `--env`: where it looks or acts.
    pub environment: Option<String>,
    /// Its variables.
    pub variables: Vec<Variable>,
}

/// An exit code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exit {
    /// The code.
    pub code: String,
    /// What it means.
    pub meaning: String,
}

impl Role {
    /// What templates see of a program that is a role.
    #[must_use]
    pub fn of(program: &Program) -> Self {
        let manual = &program.manual;
        let solution = paragraph(manual.section("Solution").unwrap_or_default());
        let title = capital(manual.title.trim_end_matches('.'));
        let said = if solution.is_empty() { &title } else { &solution };
        let entries = Entry::of(program);
        let variables = variables(program, &entries);
        let adopted = program.adopted.as_ref();
        let native = adopted.is_none();
        let command = |Entry { name: entry, word }: &Entry| {
            // What is known to mean the same in every program of this toolkit can mean anything in another's.
            let is_known = native && word.is_some();
            let option = |name: &str| {
                options_of(manual, word.as_deref()).find(|option| option.name == name).filter(|_| is_known)
            };
            let own: Vec<_> = variables.iter().filter(|it| it.commands.iter().any(|name| name == entry)).collect();
            let nothing_looks = entry == GET && word.is_none();
            let help = (nothing_looks && !native).then(|| "--help".to_owned());
            Command {
                entry: entry.clone(),
                id: identifier(entry),
                word: word.clone().map(|word| if word.is_empty() { program.name.clone() } else { word }),
                words: word
                    .iter()
                    .flat_map(|word| word.split_whitespace())
                    .map(str::to_owned)
                    .chain(help.clone())
                    .collect(),
                summary: match help {
                    Some(_) => "Shows the program's help.".to_owned(),
                    None if nothing_looks => "Does nothing: the program has no command to look with.".to_owned(),
                    None => summary(said, entry, &entries),
                },
                json: option("--format").is_some_and(|option| option.choices.iter().any(|choice| choice == "json")),
                yes: option("--yes").is_some(),
                check: option("--check").map(|option| option.name.clone()).or_else(|| {
                    let own = adopted.and_then(|adopted| adopted.check.as_ref()).filter(|_| entry != GET)?;
                    options_of(manual, word.as_deref()).any(|option| option.is(own)).then(|| own.clone())
                }),
                environment: own
                    .iter()
                    .find(|variable| variable.option.as_deref() == Some("--env"))
                    .map(|variable| variable.name.clone()),
                variables: own.into_iter().cloned().collect(),
            }
        };
        let get = command(&entries[0]);
        let acts = entries[1..].iter().map(command).collect();
        Self {
            name: program.name.clone(),
            title,
            problem: paragraph(manual.section("Problem").unwrap_or_default()),
            verify: paragraph(manual.section("Verify").unwrap_or_default()),
            undo: paragraph(manual.section("Undo").unwrap_or_default()),
            symptoms: symptoms(manual),
            source: program.source.path.display().to_string(),
            program: adopted.map_or_else(|| program.name.clone(), |adopted| adopted.program.clone()),
            native,
            beside: adopted.map_or_else(Vec::new, |adopted| adopted.beside.clone()),
            python: adopted.is_some_and(Adopted::is_python),
            requirements: adopted.and_then(|adopted| adopted.requirements.clone()),
            secrets: variables.iter().filter(|variable| variable.secret).cloned().collect(),
            dashes: native || manual.usages.iter().any(|usage| usage.pattern.names("--")),
            get,
            acts,
            approval: Approval::of(manual.section("Approval")),
            solution,
            variables,
            exits: exits(manual.section("Exit status").unwrap_or_default()),
            examples: manual
                .section("Examples")
                .unwrap_or_default()
                .lines()
                .map(|line| line.trim().to_owned())
                .collect(),
        }
    }
}

/// The entry that only looks; each other acts.
pub(super) const GET: &str = "get";

/// An entry point of a role, and the program's own word for it.
pub(super) struct Entry {
    pub name: String,
    pub word: Option<String>,
}

impl Entry {
    /// `get`, `run`, and each further command. One of several words is left to a terminal.
    fn of(program: &Program) -> Vec<Self> {
        if let Some(Adopted { get, run, .. }) = &program.adopted {
            // What else such a program can do is not known.
            let entry = |name: &str, word: &Option<String>| Self { name: name.to_owned(), word: word.clone() };
            return vec![entry(GET, get), entry("run", run)];
        }
        let mut names = vec![GET, "run"];
        for usage in &program.manual.usages {
            let heads = usage.pattern.heads();
            let alone = usage.commands.iter().all(|word| heads.contains(&word.as_str()));
            for head in heads.into_iter().filter(|_| alone) {
                if !names.contains(&head) {
                    names.push(head);
                }
            }
        }
        let commands = program.manual.commands();
        let word = |name: &str| (name != GET || commands.contains(&GET)).then(|| name.to_owned());
        names.into_iter().map(|name| Self { name: name.to_owned(), word: word(name) }).collect()
    }
}

/// The options that a command takes; for a program without commands, all.
fn options_of<'a>(manual: &'a Manual, command: Option<&'a str>) -> impl Iterator<Item = &'a Opt> {
    manual.options.iter().filter(move |option| command.is_none_or(|command| manual.takes(command, option)))
}

/// Wrapped lines as paragraphs of one line each; each step of a list begins a line.
pub(super) fn paragraph(text: &str) -> String {
    let joined = |part: &str| {
        let mut lines: Vec<String> = Vec::new();
        for line in part.lines() {
            let words = line.split_whitespace().collect::<Vec<_>>().join(" ");
            match lines.last_mut() {
                Some(last) if !is_step(&words) => last.extend([" ", &words]),
                _ => lines.push(words),
            }
        }
        lines.join("\n").trim().to_owned()
    };
    let paragraphs = text.split("\n\n").map(joined);
    paragraphs.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// Whether a line begins a step or an item of a list: `1. Stop the workers.`, `- the queue`.
fn is_step(line: &str) -> bool {
    let (sign, rest) = line.split_once(' ').unwrap_or((line, ""));
    let number = sign.strip_suffix(['.', ')']).is_some_and(|number| number.parse::<u8>().is_ok());
    (number || sign == "-" || sign == "*") && !rest.is_empty()
}

/// What a solution says of an entry point: from its name to that of the next. All of it, where it does not name it.
fn summary(solution: &str, entry: &str, entries: &[Entry]) -> String {
    let place = |name: &str| solution.find(&format!("`{name}` "));
    let Some(from) = place(entry) else { return solution.to_owned() };
    let others = entries.iter().filter_map(|other| place(&other.name));
    let end = others.filter(|end| *end > from).min().unwrap_or(solution.len());
    capital(solution[from + entry.len() + "`` ".len()..end].trim())
}

fn symptoms(manual: &Manual) -> Vec<String> {
    let given: Vec<_> =
        manual.section("Symptoms").unwrap_or_default().lines().map(|line| line.trim().to_owned()).collect();
    if !given.is_empty() {
        return given;
    }
    let problem = paragraph(manual.section("Problem").unwrap_or_default());
    let first = problem.split_inclusive(". ").next().unwrap_or_default();
    vec![first.trim().trim_end_matches('.').to_owned()]
}

pub(super) fn exits(section: &str) -> Vec<Exit> {
    let mut exits: Vec<Exit> = Vec::new();
    for line in section.lines() {
        let (code, meaning) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        if !line.starts_with(' ') && code.parse::<u8>().is_ok() {
            exits.push(Exit { code: code.to_owned(), meaning: meaning.trim().to_owned() });
        } else if let Some(exit) = exits.last_mut().filter(|_| line.starts_with(' ')) {
            exit.meaning.push(' ');
            exit.meaning.push_str(line.trim());
        }
    }
    exits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_lines_are_joined_and_each_step_of_a_list_begins_a_line() {
        let text = "Do this,\nin order:\n1. Stop the\n   workers.\n2. Start 2\n   more.\n\n- a\n- b - c\n* d\n12\n";
        let lines = "Do this, in order:\n1. Stop the workers.\n2. Start 2 more.\n\n- a\n- b - c\n* d 12";
        assert_eq!(paragraph(text), lines);
    }
}
