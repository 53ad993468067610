//! What a template sees: a program as its usage text describes it, and a role with its variables. Plain data, in order.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Adopted, Program};
use crate::action::manual::{Manual, Opt};

/// What a role fills in by itself, so that it is no variable.
const OWN: [&str; 5] = ["--help", "--version", "--format", "--yes", "--check"];

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
    /// The list of Python packages of a script that needs a virtual environment.
    pub requirements: Option<String>,
    /// What the entry points call.
    pub get: Command,
    /// What the entry points call.
    pub run: Command,
    /// All variables, in the order of their options.
    pub variables: Vec<Variable>,
    /// The exit codes and their meanings.
    pub exits: Vec<Exit>,
    /// The lines of the section `Examples`.
    pub examples: Vec<String>,
}

/// One of the two things that a role does.
#[derive(Debug, Clone, Serialize)]
pub struct Command {
    /// `get` or `run`.
    pub entry: String,
    /// The program's own word for it; none where it has none.
    pub word: Option<String>,
    /// What the solution says of it.
    pub summary: String,
    /// It can report in JSON.
    pub json: bool,
    /// It asks unless it is told `--yes`.
    pub yes: bool,
    /// It can plan without acting, by `--check`.
    pub check: bool,
    /// Its variables.
    pub variables: Vec<Variable>,
}

/// A variable of a role.
#[derive(Debug, Clone, Serialize)]
pub struct Variable {
    /// Its name: the role's, and the option's.
    pub name: String,
    /// The same without the role's name.
    pub short: String,
    /// The option with its dashes; none for a positional argument.
    pub option: Option<String>,
    /// What it is for.
    pub description: String,
    /// What stands under the same heading.
    pub group: String,
    /// What values it takes.
    pub kind: Kind,
    /// The value that it has when nothing is said.
    pub default: Value,
    /// The values that it may have; empty: any.
    pub choices: Vec<String>,
    /// The variable of the environment that it can come from; a secret always has one.
    pub environment: Option<String>,
    /// It must not be seen.
    pub secret: bool,
    /// The entry points that take it.
    pub commands: Vec<String>,
    /// The entry points that cannot do without it.
    pub required: Vec<String>,
    /// A button asks for it.
    pub asked: bool,
    /// The file that `get` leaves in the folder which is its value, and `run` finds there.
    pub keeps: Option<String>,
    /// The member of the kept file that offers its values.
    pub found: Option<String>,
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
        let (get, run) = summaries(&solution);
        let words = Words::of(program);
        let variables = variables(program, &words);
        let command = |entry: &str, word: &Option<String>, summary| {
            let takes = |name: &str| options_of(manual, word.as_deref()).any(|option| option.name == name);
            let json = options_of(manual, word.as_deref())
                .any(|option| option.name == "--format" && option.choices.iter().any(|choice| choice == "json"));
            let own = variables.iter().filter(|variable| variable.commands.iter().any(|name| name == entry));
            Command {
                entry: entry.to_owned(),
                word: word.clone(),
                summary,
                json,
                yes: takes("--yes"),
                check: takes("--check"),
                variables: own.cloned().collect(),
            }
        };
        Self {
            name: program.name.clone(),
            title: manual.title.trim_end_matches('.').to_owned(),
            problem: paragraph(manual.section("Problem").unwrap_or_default()),
            verify: paragraph(manual.section("Verify").unwrap_or_default()),
            undo: paragraph(manual.section("Undo").unwrap_or_default()),
            symptoms: symptoms(manual),
            source: program.source.path.display().to_string(),
            program: program.adopted.as_ref().map_or_else(|| program.name.clone(), |adopted| adopted.program.clone()),
            native: program.adopted.is_none(),
            requirements: program.adopted.as_ref().and_then(|adopted| adopted.requirements.clone()),
            get: command("get", &words.get, get),
            run: command("run", &words.run, run),
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

/// The program's own words for the two entry points.
struct Words {
    get: Option<String>,
    run: Option<String>,
}

impl Words {
    fn of(program: &Program) -> Self {
        match &program.adopted {
            None => Self { get: Some("get".to_owned()), run: Some("run".to_owned()) },
            Some(Adopted { get, run, .. }) => Self { get: get.clone(), run: run.clone() },
        }
    }
}

/// The options that a command takes; for a program without commands, all.
fn options_of<'a>(manual: &'a Manual, command: Option<&'a str>) -> impl Iterator<Item = &'a Opt> {
    manual.options.iter().filter(move |option| command.is_none_or(|command| manual.takes(command, option)))
}

fn variables(program: &Program, words: &Words) -> Vec<Variable> {
    let manual = &program.manual;
    let entries = [("get", &words.get), ("run", &words.run)];
    // An adopted program that has no command to look with is looked at by its help alone.
    let entries = entries.into_iter().filter(|(entry, word)| *entry == "run" || word.is_some());
    let entries: Vec<(&str, Option<&str>)> = entries.map(|(entry, word)| (entry, word.as_deref())).collect();
    let mut variables = Vec::new();
    for option in manual.options.iter().filter(|option| !OWN.contains(&option.name.as_str())) {
        let takes = |(_, word): &&(&str, Option<&str>)| word.is_none_or(|word| manual.takes(word, option));
        let commands: Vec<_> = entries.iter().filter(takes).copied().collect();
        if !commands.is_empty() {
            variables.push(Variable::of_option(program, option, &commands));
        }
    }
    for positional in &manual.positionals {
        let stands = |(_, word): &&(&str, Option<&str>)| {
            manual.usages.iter().any(|usage| {
                usage.positionals.contains(&positional.name)
                    && word.is_none_or(|word| usage.commands.iter().any(|command| command == word))
            })
        };
        let commands: Vec<_> = entries.iter().filter(stands).map(|(entry, _)| (*entry).to_owned()).collect();
        if commands.is_empty() {
            continue;
        }
        let short = identifier(&positional.name);
        variables.push(Variable {
            name: format!("{}_{short}", program.name),
            short,
            option: None,
            description: format!("The argument {}.", positional.name),
            group: String::new(),
            kind: if positional.repeats { Kind::List } else { Kind::Text },
            default: if positional.repeats { json!([]) } else { json!("") },
            choices: Vec::new(),
            environment: None,
            secret: false,
            commands,
            required: Vec::new(),
            asked: true,
            keeps: None,
            found: None,
            credential: None,
        });
    }
    variables
}

impl Variable {
    fn of_option(program: &Program, option: &Opt, commands: &[(&str, Option<&str>)]) -> Self {
        let manual = &program.manual;
        let twice = manual.options.iter().filter(|other| other.name == option.name).count() > 1;
        // An option of two meanings is told apart by its placeholder.
        let called = option.placeholder.as_ref().filter(|_| twice).unwrap_or(&option.name);
        let short = identifier(called);
        let kind = match (&option.placeholder, &option.default) {
            (None, _) => Kind::Switch,
            _ if option.repeats => Kind::List,
            _ if option.keeps.is_some() => Kind::Folder,
            (_, Some(default)) if default.parse::<i64>().is_ok() => Kind::Number,
            _ => Kind::Text,
        };
        let text = option.default.clone().unwrap_or_default();
        let default = match kind {
            Kind::Switch => json!(false),
            Kind::List => json!([]),
            Kind::Number => json!(text.parse::<i64>().unwrap_or_default()),
            Kind::Text | Kind::Folder => json!(text),
        };
        let named = |word: Option<&str>, list: fn(&crate::action::manual::Usage) -> &Vec<String>| {
            manual.usages.iter().any(|usage| {
                list(usage).contains(&option.name)
                    && word.is_none_or(|word| usage.commands.iter().any(|command| command == word))
            })
        };
        let open = option.default.is_none() && option.environment.is_none() && !option.secret;
        let required = commands.iter().filter(|(entry, word)| {
            (open && kind != Kind::Switch && named(*word, |usage| &usage.needs))
                || (option.found.is_some() && *entry == "run")
        });
        let on_usage_line =
            commands.iter().any(|(_, word)| named(*word, |usage| &usage.needs) || named(*word, |usage| &usage.takes));
        let settled = option.secret
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
            option: Some(option.name.clone()),
            description: option.description.clone(),
            group: option.group.clone(),
            kind,
            default,
            choices: option.choices.clone(),
            environment,
            secret: option.secret,
            commands: commands.iter().map(|(entry, _)| (*entry).to_owned()).collect(),
            required: required.map(|(entry, _)| (*entry).to_owned()).collect(),
            asked: on_usage_line && !settled,
            keeps: option.keeps.clone(),
            found: option.found.clone(),
            credential,
        }
    }
}

/// `--registry-user`, `<image-env>` or `FILE` as part of a variable's name.
fn identifier(name: &str) -> String {
    name.trim_matches(['-', '<', '>']).replace(|c: char| !c.is_ascii_alphanumeric(), "_").to_lowercase()
}

/// Wrapped lines as paragraphs of one line each.
pub(super) fn paragraph(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
    paragraphs.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// What a solution says of `get` and of `run`: from that word to the other.
fn summaries(solution: &str) -> (String, String) {
    let (get, run) = (solution.find("`get` "), solution.find("`run` "));
    let part = |from: Option<usize>, other: Option<usize>| {
        let Some(from) = from else { return solution.to_owned() };
        let end = other.filter(|end| *end > from).unwrap_or(solution.len());
        let mut words = solution[from + 6..end].trim().chars();
        words.next().map(|first| first.to_uppercase().chain(words).collect()).unwrap_or_default()
    };
    (part(get, run), part(run, get))
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
