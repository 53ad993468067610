//! A docopt text read as data: what docopt itself does not tell (order, groups, placeholders, choices, where a value
//! may come from, which command takes which option). docopt stays the parser; this is for its helpers and messages.
//!
//! Beyond docopt's own grammar a description may end with tags, in this order: `[env: NAME]`, `[choices: a b]`,
//! `[keeps: file]` (in this folder `get` leaves that file, and `run` finds it), `[found: member]` (its values are those
//! that `get` found: the keys or items of that member of the kept file), `[secret]`, `[default: x]`. A heading that
//! names commands (`Options of run:`) gives its options to those commands alone; any other gives them to all. An option
//! that means one thing to one command and another to the next is described under each.

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
    /// The options in it that can be given more than once.
    pub repeats: Vec<String>,
    /// The line, from 1.
    pub line: usize,
}

/// One option, as it is described.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opt {
    /// What it is called: `--env`, or `-e` where it has no long name.
    pub name: String,
    /// The other spelling, if it has two.
    pub short: Option<String>,
    /// The placeholder of its value, `<e>`; none for a switch.
    pub placeholder: Option<String>,
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
    /// The line of its description, from 1.
    pub line: usize,
}

impl Manual {
    /// Reads a docopt text.
    ///
    /// # Errors
    /// Where docopt refuses the text: the line and why.
    pub fn read(text: &str) -> Result<Self, TextError> {
        let mut manual = Self {
            title: text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned(),
            program: String::new(),
            sections: sections(text),
            usages: Vec::new(),
            options: Vec::new(),
            positionals: Vec::new(),
        };
        let mut heading = String::new();
        let mut in_usage = false;
        let mut in_option = false;
        for (number, line) in (1..).zip(text.lines()) {
            let words = line.trim();
            if let Some(pattern) =
                words.get(..6).filter(|start| start.eq_ignore_ascii_case("usage:")).map(|_| &words[6..])
            {
                in_usage = true;
                manual.read_usage(pattern.trim(), number);
            } else if words.is_empty() {
                (in_usage, in_option) = (false, false);
            } else if in_usage {
                manual.read_usage(words, number);
            } else if words.starts_with('-') {
                let commands = manual.commands_in(&heading);
                manual.options.push(Opt { line: number, ..Opt::read(words, &heading, commands) });
                in_option = true;
            } else if let Some(text) = line.strip_suffix(':').filter(|text| !text.starts_with(' ')) {
                text.clone_into(&mut heading);
                in_option = false;
            } else if let Some(option) = manual.options.last_mut().filter(|_| in_option) {
                option.description.push(' ');
                option.description.push_str(words);
            }
        }
        manual.options.iter_mut().for_each(Opt::take_tags);
        manual.relate();
        Ok(manual)
    }

    /// Brings usage lines and options together, once both are read.
    fn relate(&mut self) {
        for usage in &mut self.usages {
            usage.know(&self.options);
        }
        let usages = &self.usages;
        self.positionals.retain(|known| usages.iter().any(|usage| usage.positionals.contains(&known.name)));
        for option in &mut self.options {
            option.repeats = usages.iter().any(|usage| usage.repeats.contains(&option.name));
        }
    }

    /// The program's name as a usage text gives it, without reading the rest.
    #[must_use]
    pub fn program_of(text: &str) -> &str {
        let lower = text.to_ascii_lowercase();
        let after = lower.find("usage:").map_or("", |at| &text[at + 6..]);
        after.split_whitespace().next().unwrap_or_default()
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

    /// The option of this name, long or short.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&Opt> {
        self.options.iter().find(|option| option.name == name || option.short.as_deref() == Some(name))
    }

    /// Whether `command` takes `option`.
    #[must_use]
    pub fn takes(&self, command: &str, option: &Opt) -> bool {
        self.usages.iter().filter(|usage| usage.commands.iter().any(|word| word == command)).any(|usage| {
            (option.commands.is_empty() || option.commands.iter().any(|word| word == command))
                && (usage.any || usage.needs.contains(&option.name) || usage.takes.contains(&option.name))
        })
    }

    /// The options that `command` takes, each as it is described for it.
    pub fn options_of(&self, command: &str) -> impl Iterator<Item = &Opt> {
        self.options.iter().filter(move |option| self.takes(command, option))
    }

    /// The options that `command` cannot do without.
    #[must_use]
    pub fn needs(&self, command: &str) -> Vec<&Opt> {
        let usages = self.usages.iter().filter(|usage| usage.commands.iter().any(|word| word == command));
        let of = |name: &String| self.options_of(command).find(|option| option.name == *name);
        usages.flat_map(|usage| &usage.needs).filter_map(of).collect()
    }

    fn read_usage(&mut self, line: &str, number: usize) {
        let Some(program) = line.split_whitespace().next() else { return };
        if self.program.is_empty() {
            program.clone_into(&mut self.program);
        }
        let usage = Usage { line: number, ..Usage::read(line) };
        for name in &usage.positionals {
            if !self.positionals.iter().any(|known| known.name == *name) {
                let repeats = line.contains(&format!("{name}..."));
                self.positionals.push(Positional { name: name.clone(), repeats });
            }
        }
        self.usages.push(usage);
    }

    fn commands_in(&self, heading: &str) -> Vec<String> {
        let words: Vec<&str> = heading.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').collect();
        self.commands().into_iter().filter(|command| words.contains(command)).map(str::to_owned).collect()
    }
}

impl Usage {
    fn read(line: &str) -> Self {
        let mut usage = Self { text: line.to_owned(), ..Self::default() };
        let pattern = line.split_once(char::is_whitespace).map_or("", |(_program, pattern)| pattern);
        let alternatives = pattern.contains('|');
        let mut optional = 0_usize;
        let words = split_pattern(pattern);
        for (at, word) in words.iter().enumerate() {
            match *word {
                "[" => optional += 1,
                "]" => optional = optional.saturating_sub(1),
                "(" | ")" | "|" | "..." => {}
                "options" if optional > 0 => usage.any = true,
                _ if word.starts_with('-') => {
                    let name = word.split('=').next().unwrap_or(word).to_owned();
                    if matches!(words[at + 1..], ["...", ..] | ["]" | ")", "...", ..] | [_, "]" | ")", "...", ..]) {
                        usage.repeats.push(name.clone());
                    }
                    let list = if optional > 0 || alternatives { &mut usage.takes } else { &mut usage.needs };
                    list.push(name);
                }
                _ if word.starts_with('<') || word.chars().all(char::is_uppercase) => {
                    usage.positionals.push((*word).to_owned());
                }
                _ => usage.commands.push((*word).to_owned()),
            }
        }
        usage
    }

    /// Calls each option by the name under which it is described, and takes its value for no positional argument.
    fn know(&mut self, options: &[Opt]) {
        let named = |word: &str| options.iter().find(|it| it.name == word || it.short.as_deref() == Some(word));
        for name in self.needs.iter_mut().chain(&mut self.takes).chain(&mut self.repeats) {
            if let Some(option) = named(name) {
                option.name.clone_into(name);
            }
        }
        let words = split_pattern(&self.text);
        let values: Vec<_> =
            words.windows(2).filter(|pair| named(pair[0]).is_some_and(|it| it.placeholder.is_some())).collect();
        self.positionals.retain(|name| !values.iter().any(|pair| pair[1] == name));
    }
}

fn sections(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(heading) = line.strip_suffix(':').filter(|text| !text.starts_with(' ') && !text.is_empty()) {
            sections.push(Section { heading: heading.to_owned(), line: number, text: String::new() });
        } else if !line.starts_with(' ') && !line.is_empty() {
            // A paragraph at the margin belongs to no section.
            sections.push(Section::default());
        } else if let Some(section) = sections.last_mut() {
            section.text.push_str(line);
            section.text.push('\n');
        }
    }
    sections.retain(|section| !section.heading.is_empty());
    for section in &mut sections {
        section.text = dedent(&section.text);
    }
    sections
}

/// The lines without what they are indented by in common, and without empty lines around them.
fn dedent(text: &str) -> String {
    let indent = |line: &&str| line.len() - line.trim_start().len();
    let least = text.lines().filter(|line| !line.trim().is_empty()).map(|line| indent(&line)).min().unwrap_or(0);
    let lines: Vec<_> = text.lines().map(|line| line.get(least..).unwrap_or_default()).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

/// The words and brackets of a usage pattern.
fn split_pattern(pattern: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = pattern.trim_start();
    while !rest.is_empty() {
        let end = if rest.starts_with("...") {
            3
        } else if rest.starts_with(['[', ']', '(', ')', '|']) {
            1
        } else {
            let stop = rest.find(|c: char| c.is_whitespace() || "[]()|".contains(c)).unwrap_or(rest.len());
            rest[..stop].find("...").filter(|&dots| dots > 0).unwrap_or(stop)
        };
        parts.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    parts
}

impl Opt {
    fn read(line: &str, heading: &str, commands: Vec<String>) -> Self {
        let (spelling, description) = line.split_once("  ").unwrap_or((line, ""));
        let mut option =
            Self { description: description.trim().to_owned(), group: heading.to_owned(), commands, ..Self::default() };
        for word in spelling.split([' ', ',', '=']).filter(|word| !word.is_empty()) {
            if word.starts_with("--") {
                option.short = (!option.name.is_empty()).then(|| std::mem::take(&mut option.name));
                word.clone_into(&mut option.name);
            } else if word.starts_with('-') {
                if option.name.is_empty() {
                    word.clone_into(&mut option.name);
                } else {
                    option.short = Some(word.to_owned());
                }
            } else if word != "..." {
                option.placeholder = Some(word.to_owned());
            }
        }
        option
    }

    /// Moves the tags at the end of the description into their fields.
    fn take_tags(&mut self) {
        while let Some(open) = self.description.strip_suffix(']').and_then(|text| text.rfind('[')) {
            let tag = self.description[open + 1..self.description.len() - 1].to_owned();
            match tag.split_once(':').map_or((tag.as_str(), ""), |(name, value)| (name, value.trim())) {
                ("default", value) => self.default = Some(value.to_owned()),
                ("choices", value) => self.choices = value.split_whitespace().map(str::to_owned).collect(),
                ("env", value) => self.environment = Some(value.to_owned()),
                ("keeps", value) => self.keeps = Some(value.to_owned()),
                ("found", value) => self.found = Some(value.to_owned()),
                ("secret", "") => self.secret = true,
                _ => return,
            }
            self.description.truncate(open);
            self.description.truncate(self.description.trim_end().len());
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
    fn an_option_may_stand_by_its_short_name_with_its_value_beside_it_and_repeat() {
        let text = "Usage: mend [-l <l>]... [-q] <file>...\n\nOptions:\n  -l <l>, --label <l>  One.\n  -q  Quiet.\n";
        let manual = Manual::read(text).expect("a manual");
        assert_eq!(manual.usages[0].takes, ["--label", "-q"]);
        assert_eq!(manual.options.iter().map(|option| option.repeats).collect::<Vec<_>>(), [true, false]);
        assert_eq!(manual.positionals, [Positional { name: "<file>".into(), repeats: true }]);
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
