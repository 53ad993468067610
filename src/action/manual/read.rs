//! From a text to its manual: the usage section is found, the lines around it are read, then the usage lines.

use super::names::{Names, is_placeholder, normal};
use super::sections::{heading, sections};
use super::{Atom, grammar};
use super::{Manual, Opt, Positional, TextError, Usage, describe};

/// Where docopt sees the usage section.
pub(super) struct UsageSection<'a> {
    /// The text before it.
    pub before: &'a str,
    pub program: &'a str,
    /// What follows the program's name, up to an empty line.
    patterns: &'a str,
    /// The line of the program's name.
    line: usize,
    /// The text behind it, and the line that it begins in.
    after: (&'a str, usize),
}

/// Finds the first `usage:`, whatever its case and wherever it stands, with a word behind it.
pub(super) fn usage_section(text: &str) -> Option<UsageSection<'_>> {
    const WORD: &[u8] = b"usage:";
    let start = text.as_bytes().windows(WORD.len()).position(|part| part.eq_ignore_ascii_case(WORD))?;
    let behind = &text[start + WORD.len()..];
    let name = behind.trim_start();
    let name_start = text.len() - name.len();
    let program = name.split(char::is_whitespace).next().filter(|program| !program.is_empty())?;
    let rest = &name[program.len()..];
    // An empty line ends it.
    let mut ends = rest.match_indices('\n').filter_map(|(end, _)| {
        let blank = rest[end + 1..].len() - rest[end + 1..].trim_start().len();
        let last = rest[end + 1..end + 1 + blank].rfind('\n')?;
        Some((end, end + 2 + last))
    });
    let (end, next) = ends.next().unwrap_or((rest.len(), rest.len()));
    let line_of = |place: usize| 1 + text[..place].matches('\n').count();
    let rest_start = name_start + program.len();
    Some(UsageSection {
        before: &text[..start],
        program,
        patterns: &rest[..end],
        line: line_of(name_start),
        after: (&rest[next..], line_of(rest_start + next)),
    })
}

pub(super) fn read(text: &str) -> Result<Manual, TextError> {
    let Some(section) = usage_section(text) else { return Err(no_usage(text)) };
    let mut manual = Manual {
        title: text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned(),
        program: section.program.to_owned(),
        sections: sections(text),
        usages: Vec::new(),
        options: Vec::new(),
        positionals: Vec::new(),
        doubts: Vec::new(),
    };
    let mut descriptions = Descriptions { patterns: section.patterns, ..Descriptions::default() };
    for (number, line) in (1..).zip(section.before.lines()).chain((section.after.1..).zip(section.after.0.lines())) {
        descriptions.read(line, number).map_err(|why| TextError { line: number, why })?;
    }
    let Descriptions { mut names, options, positionals, doubts, .. } = descriptions;
    manual.doubts = doubts;
    manual.options = options;
    // docopt reads one usage line where nothing follows the program's name.
    let patterns = if section.patterns.is_empty() { "\n" } else { section.patterns };
    for (number, line) in (section.line..).zip(patterns.lines()) {
        let usage = read_usage(section.program, line.trim(), number, &mut names)?;
        manual.usages.push(usage);
    }
    manual.finish(&names, &positionals)?;
    manual.doubt();
    Ok(manual)
}

fn no_usage(text: &str) -> TextError {
    let heading = (1..).zip(text.lines()).find(|(_, line)| line.to_ascii_lowercase().contains("usage:"));
    match heading {
        Some((line, _)) => TextError { line, why: "the program's name is missing behind `Usage:`".to_owned() },
        None => {
            TextError { line: 1, why: "there is no `Usage:` in it, which tells how to call the program".to_owned() }
        }
    }
}

fn read_usage(program: &str, line: &str, number: usize, names: &mut Names) -> Result<Usage, TextError> {
    // The name is cut off wherever it stands first, also from a line that goes on with it.
    let words = line.strip_prefix(program).unwrap_or(line).trim();
    let pattern = grammar::read(words, names).map_err(|why| TextError { line: number, why })?;
    let once = |names: Vec<&str>| {
        let mut once: Vec<String> = Vec::new();
        for name in names {
            if !once.iter().any(|known| known == name) {
                once.push(name.to_owned());
            }
        }
        once
    };
    let (atoms, needed) = (pattern.atoms(), pattern.needed());
    let needs = once(needed.iter().filter_map(|atom| atom.option()).collect());
    let mut takes = once(atoms.iter().filter_map(|atom| atom.option()).collect());
    takes.retain(|name| !needs.contains(name));
    Ok(Usage {
        text: format!("{program} {words}").trim().to_owned(),
        commands: once(atoms.iter().filter_map(|atom| atom.command()).collect()),
        needs,
        takes,
        any: pattern.any(),
        positionals: once(atoms.iter().filter_map(|atom| atom.positional()).collect()),
        line: number,
        pattern,
    })
}

/// What the lines around the usage section describe.
#[derive(Default)]
struct Descriptions<'a> {
    patterns: &'a str,
    names: Names,
    options: Vec<Opt>,
    positionals: Vec<(String, String)>,
    doubts: Vec<TextError>,
    heading: String,
    in_: In,
}

/// What a line that says nothing of its own goes on with.
#[derive(Default, PartialEq)]
enum In {
    Option,
    Positional,
    #[default]
    Prose,
}

impl Descriptions<'_> {
    fn read(&mut self, line: &str, number: usize) -> Result<(), String> {
        let words = line.trim();
        match describe::line(line)? {
            describe::Line::Option(spelling, _) => {
                self.in_ = In::Option;
                if let Some((heading, _)) = words.split_once(':').filter(|_| !words.starts_with('-')) {
                    heading.clone_into(&mut self.heading);
                }
                self.add(spelling, number)?;
            }
            describe::Line::PassedOver => {
                self.in_ = In::Prose;
                let name = words.split([' ', '=']).next().unwrap_or_default();
                let why = format!("docopt passes over {name}: a short name is one letter, a long one begins with `--`");
                self.doubts.push(TextError { line: number, why });
            }
            describe::Line::Other => self.read_other(line, number),
        }
        self.read_default(line, number)?;
        if self.in_ == In::Option
            && let Some(option) = self.options.last_mut()
        {
            let text = describe::default(line).map_or_else(
                || line.to_owned(),
                // A full stop behind the default ends the sentence before it.
                |(_, rest)| rest.strip_suffix("..").map_or(rest.clone(), |rest| format!("{rest}.")),
            );
            let text = match describe::line(&text)? {
                describe::Line::Option(_, description) => description,
                _ => text.trim(),
            };
            append(&mut option.description, text);
        }
        Ok(())
    }

    fn read_other(&mut self, line: &str, number: usize) {
        let words = line.trim();
        let (name, description) = words.split_once("  ").unwrap_or((words, ""));
        if words.is_empty() {
            self.in_ = In::Prose;
        } else if let Some(text) = heading(line) {
            text.clone_into(&mut self.heading);
            self.in_ = In::Prose;
        } else if line.starts_with(' ') && is_placeholder(name) && self.patterns.contains(name) {
            self.in_ = In::Positional;
            let description = describe::default(description).map_or(description.to_owned(), |(_, rest)| rest);
            self.positionals.push((normal(name), description.trim().to_owned()));
        } else if !line.starts_with([' ', '\t']) {
            self.in_ = In::Prose;
        } else if let Some((_, description)) = self.positionals.last_mut().filter(|_| self.in_ == In::Positional) {
            append(description, words);
        }
        if self.in_ != In::Option
            && let (Some(option), Some(_)) = (self.options.last(), describe::default(line))
        {
            let why = format!(
                "docopt gives this default to {}, the option above: a default stands with its option",
                option.name
            );
            self.doubts.push(TextError { line: number, why });
        }
    }

    fn add(&mut self, spelling: describe::Spelling, number: usize) -> Result<(), String> {
        let describe::Spelling { short, long, placeholder, apart, repeats } = spelling;
        let (name, short) = match (long, short) {
            (Some(long), short) => (long, short),
            (None, short) => (short.unwrap_or_default(), None),
        };
        let long = self.names.resolve(&name);
        if long != name {
            return Err(format!(
                "{name} is the short name of {long}: write `{name}, {long}` here too, or docopt dies of it"
            ));
        }
        self.names.describe(&name, short.as_deref(), placeholder.is_some(), repeats);
        let group = self.heading.clone();
        let described = true;
        self.options.push(Opt { name, short, placeholder, apart, group, described, line: number, ..Opt::default() });
        Ok(())
    }

    /// A default belongs to the option that was described last, wherever it stands.
    fn read_default(&mut self, line: &str, number: usize) -> Result<(), String> {
        let Some((value, _)) = describe::default(line) else { return Ok(()) };
        let Some(option) = self.options.last_mut() else {
            return Err(format!(
                "the default '{value}' stands before the first option: docopt gives a default to the option above it"
            ));
        };
        if option.placeholder.is_none() {
            return Err(format!(
                "{} has no value, so it can have no default: write `{}`",
                option.name,
                grammar::with_value(&option.name)
            ));
        }
        if let Some(first) = option.default.replace(value.to_owned()) {
            return Err(format!("{} has two defaults, '{first}' and '{value}'", option.name));
        }
        if value.contains(['[', ']']) {
            let why =
                format!("the default of {} is '{value}' to docopt: `[default: …]` must be the last tag", option.name);
            self.doubts.push(TextError { line: number, why });
        }
        Ok(())
    }
}

fn append(text: &mut String, words: &str) {
    if !text.is_empty() && !words.is_empty() {
        text.push(' ');
    }
    text.push_str(words);
}

impl Manual {
    /// What can only be said when all lines are read.
    fn finish(&mut self, names: &Names, positionals: &[(String, String)]) -> Result<(), TextError> {
        let commands: Vec<String> = self.commands().into_iter().map(str::to_owned).collect();
        for option in &mut self.options {
            option.name = names.resolve(&option.name).to_owned();
            let own = option.short.take().filter(|short| names.resolve(short) == option.name);
            option.short = own.or_else(|| names.short(&option.name).map(str::to_owned));
            option.take_tags();
            let words: Vec<&str> = option.group.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').collect();
            option.commands = commands.iter().filter(|command| words.contains(&command.as_str())).cloned().collect();
        }
        for (place, option) in self.options.iter().enumerate() {
            let earlier = self.options[..place].iter().find(|earlier| earlier.name == option.name);
            if let Some(earlier) =
                earlier.filter(|earlier| earlier.placeholder.is_some() != option.placeholder.is_some())
            {
                let (name, first) = (&option.name, earlier.line);
                let why = format!(
                    "{name} is described twice, with a value and without (line {first}): docopt knows only one"
                );
                return Err(TextError { line: option.line, why });
            }
        }
        for (line, atom) in
            self.usages.iter().flat_map(|usage| usage.pattern.atoms().into_iter().map(|atom| (usage.line, atom)))
        {
            match atom {
                Atom::Option { name, placeholder } if !self.options.iter().any(|option| option.name == *name) => {
                    let (name, placeholder) = (name.clone(), placeholder.clone());
                    self.options.push(Opt { name, placeholder, line, ..Opt::default() });
                }
                Atom::Positional(name) if !self.positionals.iter().any(|known| known.name == *name) => {
                    let described = positionals.iter().find(|(known, _)| known == name);
                    let description = described.map(|(_, text)| text.clone()).unwrap_or_default();
                    self.positionals.push(Positional { name: name.clone(), repeats: names.repeats(name), description });
                }
                _ => {}
            }
        }
        for option in &mut self.options {
            option.repeats = names.repeats(&option.name);
        }
        Ok(())
    }
}
