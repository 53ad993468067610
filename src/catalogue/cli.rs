//! What the templates of completions and man pages see of a program: its commands, and what can stand behind each.

use serde::Serialize;

use super::Program;
use super::facts::{Exit, exits, paragraph};
use crate::action::manual::{Manual, Opt, Usage};

/// A program as its completions and its man page see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cli {
    /// Its name.
    pub name: String,
    /// What it is called by: its name, or of an adopted program its file's.
    pub call: String,
    /// What it does, without a period at the end.
    pub title: String,
    /// The usage text's file.
    pub source: String,
    /// The usage lines.
    pub usages: Vec<String>,
    /// The first words that it takes, in order.
    pub commands: Vec<Command>,
    /// What it takes without a command.
    pub plain: Command,
    /// All options, grouped as in the usage text.
    pub groups: Vec<Group>,
    /// What else the usage text says, in order.
    pub sections: Vec<Section>,
    /// The exit codes and their meanings.
    pub exits: Vec<Exit>,
}

/// A command, and what can stand behind it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Command {
    /// Its word; empty for what stands without one.
    pub name: String,
    /// The words of which one follows: `bash`, `zsh`, `fish` behind `completions`.
    pub words: Vec<String>,
    /// The options that it takes.
    pub options: Vec<Choice>,
    /// What its positional arguments are: `files`, `folders`, or empty for what nobody can know.
    pub positionals: String,
}

/// An option, and what its value can be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// The long name, or the only one.
    pub name: String,
    /// The other spelling.
    pub short: Option<String>,
    /// The placeholder of its value, without its brackets; none for a switch.
    pub value: Option<String>,
    /// What it is for.
    pub description: String,
    /// Its default.
    pub default: Option<String>,
    /// The variable of the environment that it can come from.
    pub environment: Option<String>,
    /// It must not be seen.
    pub secret: bool,
    /// The values that it may have.
    pub choices: Vec<String>,
    /// Whether it can be given more than once.
    pub repeats: bool,
    /// `files` or `folders`, or empty.
    pub paths: String,
    /// Whether its values are the names of the inventories' environments.
    pub inventory: bool,
    /// Where its values were found.
    pub found: Option<Found>,
}

/// Where values were found: a member of a file in the folder that another option says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The member.
    pub member: String,
    /// The file.
    pub file: String,
    /// The option that says the folder.
    pub option: String,
    /// The folder when it is not said.
    pub folder: String,
}

/// Options under one heading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The heading.
    pub heading: String,
    /// The options.
    pub options: Vec<Choice>,
}

/// A section of the usage text, or (without a heading) a paragraph between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    /// The heading.
    pub heading: String,
    /// The text: paragraphs of one line each, or the lines as they are.
    pub text: String,
    /// Whether the lines are to be left as they are.
    pub lines: bool,
}

impl Cli {
    /// What templates see of a program.
    #[must_use]
    pub fn of(program: &Program) -> Self {
        let manual = &program.manual;
        let mut commands: Vec<Command> = Vec::new();
        for usage in &manual.usages {
            let heads = usage.pattern.heads();
            let rest = usage.commands.iter().filter(|name| !heads.contains(&name.as_str()));
            for name in &heads {
                let at = commands.iter().position(|command| command.name == *name).unwrap_or_else(|| {
                    let options =
                        manual.options_of(name).map(|option| Choice::of(option, manual, Some(name))).collect();
                    commands.push(Command { name: (*name).to_owned(), options, ..Command::default() });
                    commands.len() - 1
                });
                commands[at].words.extend(rest.clone().cloned());
                commands[at].take_positionals(usage);
            }
        }
        let bare: Vec<&Usage> = manual.usages.iter().filter(|usage| usage.commands.is_empty()).collect();
        let named = |option: &&Opt| {
            let names =
                |list: &[String]| list.iter().any(|name| *name == option.name || Some(name) == option.short.as_ref());
            bare.iter()
                .any(|usage| (usage.any && option.commands.is_empty()) || names(&usage.needs) || names(&usage.takes))
        };
        let options = manual.options.iter().filter(named).map(|option| Choice::of(option, manual, None)).collect();
        let mut plain = Command { options, ..Command::default() };
        for usage in &bare {
            plain.take_positionals(usage);
        }
        let mut groups: Vec<Group> = Vec::new();
        for option in manual.options.iter().filter(|option| option.described) {
            let choice = Choice::of(option, manual, option.commands.first().map(String::as_str));
            match groups.last_mut().filter(|group| group.heading == option.group) {
                Some(group) => group.options.push(choice),
                None => groups.push(Group { heading: option.group.clone(), options: vec![choice] }),
            }
        }
        Self {
            name: program.name.clone(),
            call: program.adopted.as_ref().map_or_else(|| program.name.clone(), |adopted| adopted.program.clone()),
            title: manual.title.trim_end_matches('.').to_owned(),
            source: program.source.path.display().to_string(),
            usages: manual.usages.iter().map(|usage| usage.text.clone()).collect(),
            commands,
            plain,
            groups,
            sections: sections(manual, &program.text),
            exits: exits(manual.section("Exit status").unwrap_or_default()),
        }
    }
}

impl Command {
    fn take_positionals(&mut self, usage: &Usage) {
        if let Some(paths) = usage.positionals.iter().map(|name| paths(name)).find(|paths| !paths.is_empty()) {
            paths.clone_into(&mut self.positionals);
        }
    }
}

impl Choice {
    fn of(option: &Opt, manual: &Manual, command: Option<&str>) -> Self {
        let found = option.found.as_ref().and_then(|member| {
            let takes = |other: &&Opt| command.is_none_or(|command| manual.takes(command, other));
            let keeping = manual.options.iter().filter(takes).find(|other| other.keeps.is_some())?;
            Some(Found {
                member: member.clone(),
                file: keeping.keeps.clone()?,
                option: keeping.name.clone(),
                folder: keeping.default.clone().unwrap_or_else(|| ".".to_owned()),
            })
        });
        Self {
            name: option.name.clone(),
            short: option.short.clone(),
            value: option.placeholder.as_ref().map(|name| name.trim_matches(['<', '>']).to_owned()),
            description: option.description.clone(),
            default: option.default.clone(),
            environment: option.environment.clone(),
            secret: option.secret,
            choices: option.choices.clone(),
            repeats: option.repeats,
            paths: option.placeholder.as_deref().map_or("", paths).to_owned(),
            inventory: option.name == "--env" && option.placeholder.as_deref().is_some_and(is_environment),
            found,
        }
    }
}

/// What a placeholder asks for: `files`, `folders`, or empty.
pub(super) fn paths(placeholder: &str) -> &'static str {
    match placeholder.trim_matches(['<', '>']).to_lowercase().as_str() {
        "file" | "files" | "path" | "paths" => "files",
        "dir" | "folder" | "directory" => "folders",
        _ => "",
    }
}

/// Whether a placeholder of `--env` stands for an environment that is acted on: what only ends in `env`, as in
/// `<image-env>`, is called otherwise than the inventories.
fn is_environment(placeholder: &str) -> bool {
    let name = placeholder.trim_matches(['<', '>']).to_lowercase();
    name == "env" || !name.ends_with("env")
}

/// The sections that are neither usage nor options nor exit codes, and what stands between them.
fn sections(manual: &Manual, text: &str) -> Vec<Section> {
    const PROSE: [&str; 4] = ["Problem", "Solution", "Verify", "Undo"];
    let is_other = |heading: &str| {
        let options = manual.options.iter().any(|option| option.group == heading);
        options || ["Usage", "Exit status", "Adopted"].iter().any(|known| known.eq_ignore_ascii_case(heading))
    };
    let mut sections: Vec<Section> = Vec::new();
    for section in manual.sections.iter().filter(|section| !is_other(&section.heading)) {
        let lines = !PROSE.contains(&section.heading.as_str());
        let text = if lines { section.text.clone() } else { paragraph(&section.text) };
        sections.push(Section { heading: section.heading.clone(), text, lines });
    }
    let paragraphs = text.trim().split("\n\n").skip(1);
    let notes = paragraphs.filter(|text| {
        let first = text.lines().next().unwrap_or_default();
        !text.starts_with(char::is_whitespace) && !first.ends_with(':') && !first.to_lowercase().starts_with("usage:")
    });
    let notes: Vec<_> = notes.map(paragraph).collect();
    if !notes.is_empty() {
        sections.push(Section { heading: "Notes".to_owned(), text: notes.join("\n\n"), lines: false });
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const TEXT: &str = "Mend a thing.

Problem:
  It is
  broken.

Usage:
  mend (get | run) --env=<e> [<file>] [options]
  mend print (bash | zsh) [--fault=<f>]...
  mend -h | --help

Options of run:
  --date=<d>    The day. [found: days]
  --dump=<dir>  The folder. [keeps: kept.json] [default: out]

General options:
  --env=<e>     Where. [choices: dev prod]
  --fault=<f>   What goes wrong.
  -h, --help    This text.

What stands alone
is a note.
";

    #[test]
    fn knows_what_stands_behind_each_command() {
        let text = format!("{TEXT}\nAdopted:\n  program: mend.py\n");
        let program = Program::from_text(Path::new("roles/mend/usage.txt"), text).expect("a text").expect("a program");
        let cli = Cli::of(&program);
        let shown = |command: &Command| {
            let options = command.options.iter().map(|option| option.name.as_str()).collect::<Vec<_>>().join(" ");
            format!("{} [{}] {options} ({})", command.name, command.words.join(" "), command.positionals)
        };
        assert_eq!(
            cli.commands.iter().map(shown).collect::<Vec<_>>(),
            [
                "get [] --env --fault --help (files)",
                "run [] --date --dump --env --fault --help (files)",
                "print [bash zsh] --fault ()"
            ]
        );
        assert_eq!(shown(&cli.plain), " [] --help ()");
        assert_eq!(cli.call, "mend.py");
        let date = &cli.commands[1].options[0];
        let found =
            Found { member: "days".into(), file: "kept.json".into(), option: "--dump".into(), folder: "out".into() };
        assert_eq!(date.found.as_ref(), Some(&found));
        assert_eq!(cli.commands[1].options[1].paths, "folders");
        assert!(cli.commands[2].options[0].repeats);
        assert!(cli.commands[0].options[0].inventory && !cli.commands[2].options[0].inventory);
        for (placeholder, offered) in
            [("<env>", true), ("<e>", true), ("ENV", true), ("<image-env>", false), ("<tagenv>", false)]
        {
            assert_eq!(is_environment(placeholder), offered, "{placeholder}");
        }
        let section = |heading: &str, text: &str| Section { heading: heading.into(), text: text.into(), lines: false };
        assert_eq!(
            cli.sections,
            [section("Problem", "It is broken."), section("Notes", "What stands alone is a note.")]
        );
    }
}
