//! A docopt text read as data: what docopt itself does not tell (order, groups, placeholders, choices, where a value
//! may come from, which command takes which option). docopt stays the parser; this is for its helpers and messages.
//!
//! Beyond docopt's own grammar a description may end with tags, in this order: `[env: NAME]`, `[choices: a b]`,
//! `[keeps: file]` (in this folder `get` leaves that file, and `run` finds it), `[found: member]` (its values are those
//! that `get` found: the keys or items of that member of the kept file), `[secret]`, `[default: x]`. A heading that
//! names commands (`Options of run:`) gives its options to those commands alone; any other gives them to all. An option
//! that means one thing to one command and another to the next is described under each.

mod describe;
mod doubts;
mod grammar;
mod names;
mod pattern;
mod read;
mod sections;

pub use describe::TAGS;
pub(crate) use describe::has_tags;
pub(crate) use grammar::is_short;
pub use pattern::{Atom, Pattern};

/// A program's manual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manual {
    /// The first line.
    pub title: String,
    /// The program's name, as its usage lines begin.
    pub program: String,
    /// The sections, in order: every heading of its own line and what stands below it.
    pub sections: Vec<Section>,
    /// The usage lines, in order.
    pub usages: Vec<Usage>,
    /// The options, in order.
    pub options: Vec<Opt>,
    /// The positional arguments, in order, each once.
    pub positionals: Vec<Positional>,
    /// What docopt takes, but hardly as it was meant: the line and why.
    pub doubts: Vec<TextError>,
}

/// A text that cannot be a manual: docopt refuses it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the usage text: {why}")]
pub struct TextError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

/// A heading and what stands below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Section {
    /// The heading, without the colon.
    pub heading: String,
    /// The lines below it, without what they are indented by in common.
    pub text: String,
    /// The line of the heading, from 1.
    pub line: usize,
}

/// A positional argument.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positional {
    /// What it is called: `<file>` or `FILE`.
    pub name: String,
    /// Whether it can be given more than once.
    pub repeats: bool,
    /// What it is for, if the text says so: `  <file>  The file.`
    pub description: String,
}

/// One usage line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// The line, trimmed.
    pub text: String,
    /// The command words in it.
    pub commands: Vec<String>,
    /// The options named in it that it cannot do without.
    pub needs: Vec<String>,
    /// The options named in it that it can do without.
    pub takes: Vec<String>,
    /// It has docopt's `[options]`: it takes all that are described for its command.
    pub any: bool,
    /// The positional arguments in it.
    pub positionals: Vec<String>,
    /// What it allows.
    pub pattern: Pattern,
    /// The line, from 1.
    pub line: usize,
}

/// One option, as it is described.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Opt {
    /// What it is called: `--env`, or `-e` where it has no long name.
    pub name: String,
    /// The other spelling, if it has two.
    pub short: Option<String>,
    /// The placeholder of its value, `<e>`; none for a switch.
    pub placeholder: Option<String>,
    /// Its value is described as a word of its own: `--env <e>`.
    pub apart: bool,
    /// What it is for, without the tags.
    pub description: String,
    /// The heading above it, without the colon.
    pub group: String,
    /// The commands that take it; none named: all of them.
    pub commands: Vec<String>,
    /// The value it has when nothing is said.
    pub default: Option<String>,
    /// The values it may have; empty: any.
    pub choices: Vec<String>,
    /// The variable of the environment that its value can come from.
    pub environment: Option<String>,
    /// Its value must not be seen.
    pub secret: bool,
    /// The file that `get` leaves in the folder which is its value, and `run` finds there.
    pub keeps: Option<String>,
    /// The member of the kept file that offers its values.
    pub found: Option<String>,
    /// It can be given more than once.
    pub repeats: bool,
    /// It has a description, and is one of docopt's `[options]`; otherwise it stands in usage lines alone.
    pub described: bool,
    /// The line of its description, or else of the first usage line that names it, from 1.
    pub line: usize,
}

impl Manual {
    /// Reads a docopt text.
    ///
    /// # Errors
    /// Where docopt refuses the text: the line and why.
    pub fn read(text: &str) -> Result<Self, TextError> {
        read::read(text)
    }

    /// The program's name as a usage text gives it, without reading the rest.
    #[must_use]
    pub fn program_of(text: &str) -> &str {
        read::usage_section(text).map_or("", |section| section.program)
    }

    /// The text of the section of this heading, whatever its case.
    #[must_use]
    pub fn section(&self, heading: &str) -> Option<&str> {
        let found = self.sections.iter().find(|section| section.heading.eq_ignore_ascii_case(heading));
        found.map(|section| section.text.as_str())
    }

    /// The command words of all usage lines, each once, in order.
    #[must_use]
    pub fn commands(&self) -> Vec<&str> {
        let mut commands = Vec::new();
        for command in self.usages.iter().flat_map(|usage| &usage.commands) {
            if !commands.contains(&command.as_str()) {
                commands.push(command.as_str());
            }
        }
        commands
    }

    /// What each usage line begins with besides options and arguments: the words of its commands, each once, in order;
    /// the empty text for a line that needs none.
    #[must_use]
    pub fn ways(&self) -> Vec<String> {
        let mut ways: Vec<String> = Vec::new();
        for usage in self.usages.iter().filter(|usage| !usage.is_about_itself()) {
            for words in usage.pattern.commands() {
                let way = words.join(" ");
                if !ways.contains(&way) {
                    ways.push(way);
                }
            }
        }
        ways
    }

    /// The option of this name, long or short; of several descriptions the first.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&Opt> {
        self.options.iter().find(|option| option.is(name))
    }

    /// The option of this name as it is described for `command`; none if `command` does not take it.
    #[must_use]
    pub fn option_of(&self, command: &str, name: &str) -> Option<&Opt> {
        self.options.iter().find(|option| option.is(name) && self.takes(command, option))
    }

    /// The usage lines of `command`, which may be several words, or, if it is empty, those that need no command.
    pub fn usages_of(&self, command: &str) -> impl Iterator<Item = &Usage> {
        self.usages.iter().filter(move |usage| usage.pattern.serves(command))
    }

    /// Whether `command` takes `option`. The command that is empty stands for a command line without one.
    #[must_use]
    pub fn takes(&self, command: &str, option: &Opt) -> bool {
        (option.commands.is_empty() || command.split_whitespace().any(|own| option.commands.iter().any(|it| it == own)))
            && self.usages_of(command).any(|usage| {
                let pattern = usage.pattern.of(command);
                pattern.names(&option.name) || (option.described && pattern.any() && !usage.pattern.names(&option.name))
            })
    }

    /// The options that `command` takes, each as it is described for it.
    pub fn options_of(&self, command: &str) -> impl Iterator<Item = &Opt> {
        self.options.iter().filter(move |option| self.takes(command, option))
    }

    /// The options that `command` cannot do without, whichever of its usage lines is followed.
    #[must_use]
    pub fn needs(&self, command: &str) -> Vec<&Opt> {
        self.options_of(command).filter(|option| self.is_needed(command, &option.name)).collect()
    }

    /// Whether `command` cannot do without this option or argument, whichever of its usage lines is followed. One that
    /// only asks for the help is none that is followed.
    #[must_use]
    pub fn is_needed(&self, command: &str, name: &str) -> bool {
        let mut usages = self.usages_of(command).filter(|usage| !usage.is_about_itself()).peekable();
        let needs = |usage: &Usage| usage.pattern.of(command).needed().iter().any(|atom| atom.name() == name);
        usages.peek().is_some() && usages.all(needs)
    }

    /// Whether `command` takes both options, but never at once.
    #[must_use]
    pub fn excludes(&self, command: &str, one: &Opt, other: &Opt) -> bool {
        let both = |usage: &Usage| usage.pattern.of(command).allows_both(&one.name, &other.name);
        self.takes(command, one) && self.takes(command, other) && !self.usages_of(command).any(both)
    }
}

impl Usage {
    /// The positional argument that is somebody else's command line, behind a `[--]`.
    #[must_use]
    pub fn foreign(&self) -> Option<&str> {
        let atoms = self.pattern.atoms();
        let dashes = atoms.iter().position(|atom| atom.name() == "--")?;
        atoms[dashes..].iter().find_map(|atom| atom.positional())
    }

    /// Whether it only asks for the help or the version.
    #[must_use]
    pub fn is_about_itself(&self) -> bool {
        let atoms = self.pattern.atoms();
        !atoms.is_empty() && atoms.iter().all(|atom| ["-h", "--help", "--version"].contains(&atom.name()))
    }
}

impl Opt {
    /// Whether it is called so, long or short.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name == name || self.short.as_deref() == Some(name)
    }

    /// How it is typed: `--env=<e>`, `-e <e>`, `--yes`.
    #[must_use]
    pub fn typed(&self) -> String {
        match &self.placeholder {
            Some(value) if self.name.starts_with("--") => format!("{}={value}", self.name),
            Some(value) => format!("{} {value}", self.name),
            None => self.name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Mend a thing.

Usage:
  mend get --repo=<r> [options]
  mend run [--date=<d>] (--all | <thing>...) [options]
  mend -h | --help

Options of get:
  --repo=<r>    Repositories, separated by commas.
Options of run:
  -d, --date=<d>  The day to go back to, one of those
                that `get` prints. [env: DAY] [default: today]
  --all         All of them.
General options:
  --pwd=<p>     The password. [env: PWD] [secret]
  --format=<f>  How to print. [choices: table json] [default: table]
  -h, --help    This text.
";

    #[test]
    fn reads_the_program_its_usage_lines_and_what_they_need() {
        let manual = Manual::read(TEXT).expect("a manual");
        assert_eq!((manual.title.as_str(), manual.program.as_str()), ("Mend a thing.", "mend"));
        assert_eq!(manual.commands(), ["get", "run"]);
        let names = |options: Vec<&Opt>| options.iter().map(|option| option.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(manual.needs("get")), ["--repo"]);
        assert_eq!(names(manual.needs("run")), Vec::<String>::new());
        assert_eq!(manual.usages[1].takes, ["--date", "--all"]);
        assert!(manual.usages[1].any && !manual.usages[2].any);
    }

    #[test]
    fn reads_each_option_with_its_tags() {
        let manual = Manual::read(TEXT).expect("a manual");
        let date = manual.option("-d").expect("the option -d");
        assert_eq!(
            *date,
            Opt {
                name: "--date".into(),
                short: Some("-d".into()),
                placeholder: Some("<d>".into()),
                description: "The day to go back to, one of those that `get` prints.".into(),
                group: "Options of run".into(),
                commands: vec!["run".into()],
                default: Some("today".into()),
                environment: Some("DAY".into()),
                described: true,
                line: 11,
                ..Opt::default()
            }
        );
        let password = manual.option("--pwd").expect("the option --pwd");
        assert!(password.secret);
        assert_eq!(password.description, "The password.");
        assert_eq!(manual.option("--format").expect("the option --format").choices, ["table", "json"]);
    }

    #[test]
    fn what_is_needed_is_needed_on_every_usage_line() {
        let text = "Usage:\n  mend --repo=<r> --all <thing> [<more>]\n  mend --repo=<r> <thing>\n  mend -h | --help\n";
        let manual = Manual::read(text).expect("a manual");
        let needed = ["--repo", "--all", "<thing>", "<more>", "--help"].map(|name| manual.is_needed("", name));
        assert_eq!(needed, [true, false, true, false, false]);
        assert_eq!(manual.needs("").iter().map(|option| option.name.as_str()).collect::<Vec<_>>(), ["--repo"]);
        assert!(!Manual::read("Usage: mend -h | --help\n").expect("a manual").is_needed("", "--help"));
    }

    #[test]
    fn tags_are_written_as_they_are_read() {
        let tags = "[env: X] [choices: a b] [keeps: f] [found: m] [secret] [default: a]";
        let text = format!("Usage: mend [options]\n\nOptions:\n  --x=<x>  Words. {tags}\n  --y      Words.\n");
        let manual = Manual::read(&text).expect("a manual");
        assert_eq!(manual.option("--x").expect("an option").tags().join(" "), tags);
        assert_eq!(manual.option("--y").expect("an option").tags(), [""; 0]);
    }

    #[test]
    fn gives_an_option_to_the_commands_that_its_heading_names() {
        let manual = Manual::read(TEXT).expect("a manual");
        let takes = |command, name| manual.takes(command, manual.option(name).expect("a described option"));
        assert!(takes("get", "--repo") && !takes("run", "--repo"));
        assert!(takes("run", "--date") && !takes("get", "--date"));
        assert!(takes("get", "--pwd") && takes("run", "--pwd"));
    }
}
