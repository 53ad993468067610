//! The variables of a role: one for each option and each positional argument of its program.

use serde::Serialize;
use serde_json::{Value, json};

use super::Program;
use super::cli::paths;
use super::facts::{Entry, GET};
use crate::action::manual::{Manual, Opt};

/// What a role fills in by itself, so that it is no variable.
const OWN: [&str; 6] = ["-h", "--help", "--version", "--format", "--yes", "--check"];

/// The same of a program that was not written here: there the others may mean anything.
const OWN_OF_ADOPTED: [&str; 3] = ["-h", "--help", "--version"];

/// The variables that every role has beside its program's options, and what its button asks for by itself.
const GENERAL: [&str; 9] =
    ["report", "records", "temp", "approver", "build", "environment", "action", "who", "confirmation"];

/// A variable of a role.
#[derive(Debug, Clone, Serialize)]
pub struct Variable {
    /// Its name: the role's, and the option's.
    pub name: String,
    /// The same without the role's name.
    pub short: String,
    /// The option with its dashes; none for a positional argument.
    pub option: Option<String>,
    /// What stands right before its value on a command line: `--name=` or `-n`; empty for a positional argument.
    pub prefix: String,
    /// Its value is a word of its own, as its program describes it: `--name value`.
    pub apart: bool,
    /// What it is for.
    pub description: String,
    /// What stands under the same heading.
    pub group: String,
    /// What values it takes.
    pub kind: Kind,
    /// What its text is.
    pub content: Content,
    /// The value that it has when nothing is said.
    pub default: Value,
    /// The values that it may have; empty: any.
    pub choices: Vec<String>,
    /// The same, and the empty text where that says nothing; empty for a secret, whose wrong value must not be printed.
    pub allowed: Vec<String>,
    /// The variable of the environment that it can come from; a secret always has one.
    pub environment: Option<String>,
    /// It must not be seen.
    pub secret: bool,
    /// The entry points that take it: the tags.
    pub commands: Vec<String>,
    /// The entry points that cannot do without it.
    pub required: Vec<String>,
    /// A button asks for it.
    pub asked: bool,
    /// The file that `get` leaves in the folder which is its value, and `run` finds there.
    pub keeps: Option<String>,
    /// The member of the kept file that offers its values.
    pub found: Option<String>,
    /// The value that the text's examples give it.
    pub example: Option<String>,
    /// The name of a Jenkins credential that holds it, behind `firebreak-<environment>-`.
    pub credential: Option<String>,
}

/// What values a variable takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Any text.
    Text,
    /// A whole number.
    Number,
    /// On or off.
    Switch,
    /// Several texts.
    List,
    /// A folder on the controller.
    Folder,
}

/// What the text of a variable is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// One value, whatever it means.
    Plain,
    /// Several values, separated by commas.
    Commas,
    /// A path on the host.
    Path,
    /// Several of those, separated by commas.
    Paths,
}

impl Content {
    /// By its placeholder, and by what its description says.
    fn of(placeholder: &str, description: &str) -> Self {
        let commas = ["separated by commas", "comma-separated"].iter().any(|words| description.contains(words));
        match (!paths(placeholder).is_empty(), commas) {
            (false, false) => Self::Plain,
            (false, true) => Self::Commas,
            (true, false) => Self::Path,
            (true, true) => Self::Paths,
        }
    }
}

pub(super) fn variables(program: &Program, entries: &[Entry]) -> Vec<Variable> {
    let manual = &program.manual;
    // Where there is no command to look with, nothing is said to one.
    let entries = entries.iter().filter(|entry| entry.name != GET || entry.word.is_some());
    let entries: Vec<(&str, &str)> =
        entries.map(|entry| (entry.name.as_str(), entry.word.as_deref().unwrap_or(""))).collect();
    let own = if program.adopted.is_none() { &OWN[..] } else { &OWN_OF_ADOPTED };
    let check = program.adopted.as_ref().and_then(|adopted| adopted.check.as_deref());
    let is_own = |option: &&Opt| own.contains(&option.name.as_str()) || check.is_some_and(|check| option.is(check));
    let mut variables: Vec<Variable> = Vec::new();
    for option in manual.options.iter().filter(|option| !is_own(option)) {
        let takes = |(_, word): &&(&str, &str)| manual.takes(word, option);
        let commands: Vec<_> = entries.iter().filter(takes).copied().collect();
        if !commands.is_empty() {
            variables.push(Variable::of_option(program, option, &commands));
        }
    }
    for positional in &manual.positionals {
        let stands = |(_, word): &&(&str, &str)| named(manual, word, &positional.name);
        let commands: Vec<_> = entries.iter().filter(stands).copied().collect();
        if commands.is_empty() {
            continue;
        }
        let short = free(identifier(&positional.name), "_argument", &variables);
        variables.push(Variable {
            name: format!("{}_{short}", program.name),
            short,
            option: None,
            prefix: String::new(),
            apart: false,
            description: described(&positional.description, "argument", &positional.name),
            group: String::new(),
            kind: if positional.repeats { Kind::List } else { Kind::Text },
            content: Content::of(&positional.name, ""),
            default: if positional.repeats { json!([]) } else { json!("") },
            choices: Vec::new(),
            allowed: Vec::new(),
            environment: None,
            secret: false,
            required: names(commands.iter().filter(|(_, word)| manual.is_needed(word, &positional.name))),
            commands: names(commands.iter()),
            asked: true,
            keeps: None,
            found: None,
            example: None,
            credential: None,
        });
    }
    variables
}

impl Variable {
    fn of_option(program: &Program, option: &Opt, commands: &[(&str, &str)]) -> Self {
        let manual = &program.manual;
        let twice = manual.options.iter().filter(|other| other.name == option.name).count() > 1;
        // An option of two meanings is told apart by its placeholder.
        let called = option.placeholder.as_ref().filter(|_| twice).unwrap_or(&option.name);
        let short = free(identifier(called), "_option", &[]);
        let kind = match (&option.placeholder, &option.default) {
            (None, _) => Kind::Switch,
            _ if option.secret => Kind::Text,
            _ if option.repeats => Kind::List,
            _ if option.keeps.is_some() => Kind::Folder,
            (_, Some(default)) if default.parse::<i64>().is_ok() && option.choices.is_empty() => Kind::Number,
            _ => Kind::Text,
        };
        let text = option.default.clone().unwrap_or_default();
        let default = match kind {
            Kind::Switch => json!(false),
            // docopt takes a default of several apart like this.
            Kind::List => json!(text.split_whitespace().collect::<Vec<_>>()),
            Kind::Number => json!(text.parse::<i64>().unwrap_or_default()),
            Kind::Text | Kind::Folder => json!(text),
        };
        let open = option.default.is_none() && option.environment.is_none() && !option.secret;
        let required = commands.iter().filter(|(entry, word)| {
            (open && kind != Kind::Switch && manual.is_needed(word, &option.name))
                || (option.found.is_some() && *entry != GET)
        });
        let required = names(required);
        let unsaid = (!option.choices.is_empty() && text.is_empty() && required.is_empty()).then(String::new);
        let allowed = option.choices.iter().cloned().chain(unsaid).filter(|_| !option.secret).collect();
        let on_usage_line = commands.iter().any(|(_, word)| named(manual, word, &option.name));
        let given_elsewhere = option.secret
            || option.environment.is_some()
            || option.keeps.is_some()
            || option.found.is_some()
            || option.name == "--env";
        let environment = option
            .environment
            .clone()
            .or_else(|| option.secret.then(|| format!("{}_{}", program.name, short).to_uppercase()));
        let credential = environment.as_ref().filter(|_| option.secret).map(|name| {
            let name = name.strip_prefix("FIREBREAK_").unwrap_or(name);
            name.to_lowercase().replace('_', "-")
        });
        Self {
            name: format!("{}_{short}", program.name),
            short,
            prefix: if option.name.starts_with("--") { format!("{}=", option.name) } else { option.name.clone() },
            // A program of another may read its command line in a way of its own.
            apart: option.apart && option.name.starts_with("--") && program.adopted.is_some(),
            option: Some(option.name.clone()),
            description: described(&option.description, "option", &option.name),
            group: option.group.clone(),
            kind,
            content: Content::of(option.placeholder.as_deref().unwrap_or_default(), &option.description),
            default,
            choices: option.choices.clone(),
            allowed,
            environment,
            secret: option.secret,
            commands: names(commands.iter()),
            required,
            asked: on_usage_line && !given_elsewhere,
            keeps: option.keeps.clone(),
            found: option.found.clone(),
            example: example(manual, &option.name),
            credential,
        }
    }
}

/// Whether a usage line of the command names this option or argument.
fn named(manual: &Manual, command: &str, name: &str) -> bool {
    manual.usages_of(command).any(|usage| usage.pattern.of(command).names(name))
}

/// The entry points alone, without the program's words for them.
fn names<'a>(entries: impl Iterator<Item = &'a (&'a str, &'a str)>) -> Vec<String> {
    entries.map(|(entry, _)| (*entry).to_owned()).collect()
}

/// What the text says of it, or that it says nothing.
fn described(text: &str, thing: &str, name: &str) -> String {
    if text.is_empty() { format!("The {thing} {name}.") } else { text.to_owned() }
}

/// The name, or a longer one where a variable of every role or one of these has it.
fn free(name: String, more: &str, taken: &[Variable]) -> String {
    let is_taken = GENERAL.contains(&name.as_str()) || taken.iter().any(|variable| variable.short == name);
    if is_taken { name + more } else { name }
}

/// `--registry-user`, `<image-env>`, `FILE` or a command as part of a variable's name.
pub(super) fn identifier(name: &str) -> String {
    name.trim_matches(['-', '<', '>']).replace(|c: char| !c.is_ascii_alphanumeric(), "_").to_lowercase()
}

/// The value that the first example which gives this option gives it.
fn example(manual: &Manual, option: &str) -> Option<String> {
    let given = format!("{option}=");
    let mut words = manual.section("Examples")?.split_whitespace();
    words.find_map(|word| word.strip_prefix(&given).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::catalogue::facts::Role;

    #[test]
    fn what_a_button_asks_by_itself_is_no_name_of_a_variable() {
        let names = GENERAL;
        let options = names.iter().map(|name| format!("  --{name}=<x>  X.\n")).collect::<Vec<_>>().concat();
        let text = format!("Mend.\n\nUsage:\n  mend [options] <who>\n\nOptions:\n{options}");
        let program = Program::from_text(Path::new("roles/mend/usage.txt"), text).expect("a text").expect("a program");
        let shorts: Vec<_> = Role::of(&program).variables.into_iter().map(|variable| variable.short).collect();
        let expected = names.iter().map(|name| format!("{name}_option")).chain(["who_argument".to_owned()]);
        assert_eq!(shorts, expected.collect::<Vec<_>>());
    }

    #[test]
    fn a_value_stands_apart_where_an_adopted_program_describes_it_so() {
        let usage = "Ring.\n\nUsage:\n  ring [options]\n\nOptions:\n  --out DIR   Out.\n  --in=<i>    In.\n  -n <n>      N.\n  \
                     --key KEY   Key. [secret]\n";
        let apart = |text: &str| {
            let program = Program::from_text(Path::new("roles/ring/usage.txt"), text.to_owned());
            let variables = Role::of(&program.expect("a text").expect("a program")).variables.into_iter();
            variables.filter(|it| it.apart).map(|it| it.short).collect::<Vec<_>>()
        };
        assert_eq!(apart(usage), ["out", "key"]);
    }

    #[test]
    fn a_path_is_known_by_its_placeholder_whether_one_or_several_are_taken() {
        let text = "Ring.\n\nUsage:\n  ring [options] [--bell=<file>]... [<paths>...]\n\nOptions:\n  --bell=<file>  Bells.\n  \
                    --all=<files>  Files, separated by commas.\n  --pitches=<p>  Separated, as ever: separated by commas.\n  \
                    --loud         Loud.\n";
        let program = Program::from_text(Path::new("roles/ring/usage.txt"), text.to_owned());
        let variables = Role::of(&program.expect("a text").expect("a program")).variables.into_iter();
        let contents: Vec<_> = variables.map(|it| (it.short, it.kind, it.content)).collect();
        let of = |short: &str, kind, content| (short.to_owned(), kind, content);
        assert_eq!(
            contents,
            [
                of("bell", Kind::List, Content::Path),
                of("all", Kind::Text, Content::Paths),
                of("pitches", Kind::Text, Content::Commas),
                of("loud", Kind::Switch, Content::Plain),
                of("paths", Kind::List, Content::Path),
            ]
        );
    }

    fn required(path: &str, text: &str) -> Vec<(String, String, Vec<String>)> {
        let program = Program::from_text(Path::new(path), text.to_owned()).expect("a text").expect("a program");
        let variables = Role::of(&program).variables.into_iter();
        variables.map(|variable| (variable.short, variable.description, variable.required)).collect()
    }

    #[test]
    fn what_every_usage_line_of_a_command_needs_is_required() {
        let text = "Mend.

Adopted:
  program: mend
  get: look
  run: act

Usage:
  mend look --repo=<r> [<thing>]
  mend act --repo=<r> --all <thing> [<more>]
  mend act --date=<d> --repo=<r> <thing>
  mend -h | --help

Arguments:
  <thing>  What is mended.

Options:
  --repo=<r>  Where it is.
  --date=<d>  The day.
  --all       All.
";
        let variable = |short: &str, description: &str, required: &[&str]| {
            (short.to_owned(), description.to_owned(), required.iter().map(|entry| (*entry).to_owned()).collect())
        };
        assert_eq!(
            required("roles/mend/usage.txt", text),
            [
                variable("repo", "Where it is.", &["get", "run"]),
                variable("date", "The day.", &[]),
                variable("all", "All.", &[]),
                variable("thing", "What is mended.", &["run"]),
                variable("more", "The argument <more>.", &[]),
            ]
        );
        let text =
            "Ring.\n\nAdopted:\n  program: ring\n\nUsage:\n  ring --hard=<h> [--soft=<s>] <bell>\n  ring --help\n";
        assert_eq!(
            required("roles/ring/usage.txt", text),
            [
                variable("hard", "The option --hard.", &["run"]),
                variable("soft", "The option --soft.", &[]),
                variable("bell", "The argument <bell>.", &["run"]),
            ]
        );
    }
}
