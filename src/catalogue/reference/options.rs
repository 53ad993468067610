//! The lines that describe options, as the reference implementation takes them.

use std::fmt::Write as _;
use std::ops::Range;

use super::{is_upper, placeholder};
use crate::action::manual::Manual;

/// What begins in a line that begins with a dash: an option, or what looks like one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Described {
    /// The line, from 1.
    line: usize,
    short: Option<String>,
    long: Option<String>,
    /// Whether it takes a value, which is so as soon as any word stands beside its names.
    value: bool,
    /// The line of its default, if it has one.
    default: Option<usize>,
    /// It is none: it has no name that can be typed, or another has it.
    twice: bool,
}

impl Described {
    fn name(&self) -> &str {
        self.long.as_deref().or(self.short.as_deref()).unwrap_or_default()
    }

    fn is_option(&self) -> bool {
        !self.twice && !self.name().is_empty()
    }
}

/// All options that a text describes.
#[derive(Debug, Default)]
pub struct Options(Vec<Described>);

impl Options {
    /// Reads a text, of which the first line describes nothing.
    pub fn of(text: &str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let starts: Vec<usize> = (1..lines.len()).filter(|at| begins(lines[*at])).collect();
        let mut options = Self::default();
        for (place, start) in starts.iter().enumerate() {
            let end = starts.get(place + 1).copied().unwrap_or(lines.len());
            if lines[*start].trim_start().starts_with('-') {
                let mut described = described(&lines[*start..end], start + 1);
                let known = |name: &Option<String>| name.as_deref().is_some_and(|name| options.get(name).is_some());
                described.twice = known(&described.short) || known(&described.long);
                options.0.push(described);
            }
        }
        options
    }

    /// Whether this option takes a value; none where it is not described.
    pub fn takes_value(&self, name: &str) -> Option<bool> {
        self.get(name).map(|described| described.value)
    }

    fn get(&self, name: &str) -> Option<&Described> {
        let is = |own: &Option<String>| own.as_deref() == Some(name);
        self.0.iter().find(|one| !one.twice && (is(&one.short) || is(&one.long)))
    }

    fn at(&self, line: usize) -> Option<&Described> {
        self.0.iter().find(|described| described.line == line)
    }

    /// Descriptions of those options with a short name that are described in these lines and take a value.
    pub fn short_ones_in(&self, lines: &Range<usize>) -> String {
        let mut text = String::new();
        for one in self.0.iter().filter(|one| one.is_option() && one.value && lines.contains(&one.line)) {
            if let Some(short) = &one.short {
                let _ = match &one.long {
                    Some(long) => writeln!(text, "  {short}, {long}=<value>"),
                    None => writeln!(text, "  {short} <value>"),
                };
            }
        }
        text
    }
}

/// Whether something begins in a line: behind spaces alone stands an option or `<name>`.
fn begins(line: &str) -> bool {
    let text = line.trim_start_matches(' ');
    let mut letters = text.chars();
    match letters.next() {
        Some('-') => letters.next().is_some_and(|next| !next.is_whitespace()),
        Some('<') => text[1..].find('>').is_some_and(|end| end > 0 && !text[1..=end].contains(char::is_whitespace)),
        _ => false,
    }
}

/// What these lines describe, of which the first begins with an option.
fn described(lines: &[&str], line: usize) -> Described {
    let text = lines.join("\n");
    let text = text.trim();
    let (names, _) = text.split_once("  ").unwrap_or((text, ""));
    let mut found = Described { line, ..Described::default() };
    for word in names.replace([',', '='], " ").split_whitespace() {
        if word.starts_with("--") {
            found.long = Some(word.to_owned()).filter(|name| name[2..].starts_with(char::is_alphanumeric));
        } else if word.starts_with('-') {
            found.short = Some(word.to_owned()).filter(|name| name.chars().count() == 2 && name.is_ascii());
        } else {
            found.value = true;
        }
    }
    // It stands behind the names.
    let mut behind = (line + names.matches('\n').count()..).zip(text[names.len()..].split('\n'));
    let given = behind.find(|(_, part)| default(part, "[default: ").is_some());
    found.default = given.map(|(number, _)| number).filter(|_| found.value);
    found
}

/// Where `[default…` and the last bracket behind it stand.
fn default(line: &str, tag: &str) -> Option<(usize, usize)> {
    let open = line.as_bytes().windows(tag.len()).position(|part| part.eq_ignore_ascii_case(tag.as_bytes()))?;
    let close = open + line[open..].rfind(']')?;
    Some((open, close))
}

/// The lines around the usage lines.
pub struct Lines<'a> {
    pub options: &'a Options,
    pub notes: &'a mut Vec<(usize, String)>,
}

impl Lines<'_> {
    /// Writes these lines, of which the first has this number.
    pub fn rewritten(&mut self, text: &str, first: usize) -> String {
        let mut written = String::with_capacity(text.len());
        for (number, line) in (first..).zip(text.split_inclusive('\n')) {
            let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
            // The first may be what is left of a usage line: nothing.
            written += &if line.trim().is_empty() { line.to_owned() } else { self.line(line, number) };
            written += end;
        }
        written
    }

    fn line(&mut self, line: &str, number: usize) -> String {
        let described = self.options.at(number);
        let mut line = match described {
            Some(one) if one.is_option() => {
                if says(line, one) {
                    line.to_owned()
                } else {
                    self.described_anew(line, one)
                }
            }
            _ => self.none(line, number, described),
        };
        let own = self.options.0.iter().any(|one| one.is_option() && one.default == Some(number));
        while let Some((open, close)) = default(&line, "[default:").filter(|_| !own) {
            line.replace_range(close..=close, ")");
            line.replace_range(open..=open, "(");
        }
        line
    }

    /// A line that describes no option: it must not look like one.
    fn none(&mut self, line: &str, number: usize, described: Option<&Described>) -> String {
        let words = line.trim_start();
        let (heading, words) = match words.get(..8) {
            Some(heading) if heading.eq_ignore_ascii_case("options:") => words.split_at(8),
            _ => ("", words),
        };
        let text = words.trim_start();
        let looks = text.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| !c.is_whitespace()));
        if !looks || number == 0 {
            return line.to_owned();
        }
        let name = text.split([' ', ',', '=', '\t']).next().unwrap_or_default();
        let note = match described {
            Some(one) if one.twice => {
                Some(format!("{} is described a second time, which docopt refuses when it is given", one.name()))
            }
            None if !heading.is_empty() => Some(format!("docopt passes over {name}: it stands behind a heading")),
            None if line.trim_start_matches(' ').starts_with('\t') => {
                Some(format!("docopt passes over {name}: its line begins with a tab"))
            }
            _ => None,
        };
        let behind_tab = note.as_ref().is_some_and(|_| heading.is_empty() && described.is_none());
        self.notes.extend(note.map(|note| (number, note)));
        // What docopt passes over is no part of the description above, but for a default, which it takes.
        if behind_tab && default(line, "[default:").is_none() {
            return String::new();
        }
        let at = line.len() - text.len();
        format!("{}–{}", &line[..at], &line[at + 1..])
    }

    /// The line, with names and placeholder as our grammar has them.
    fn described_anew(&mut self, line: &str, option: &Described) -> String {
        let text = line.trim_start();
        let indent = &line[..line.len() - text.len()];
        let (names, description) = text.split_once("  ").unwrap_or((text, ""));
        let (value, rest) = value_in(names);
        let description = [rest.trim(), description.trim()].join(" ");
        let name = option.name();
        let mut spelling = match (&option.short, &option.long) {
            (Some(short), Some(long)) => format!("{short}, {long}"),
            _ => name.to_owned(),
        };
        if option.value {
            // Where the program has its value in a word of its own, its role gives it one.
            let behind = option.long.as_ref().and_then(|long| Some(&names[names.find(long.as_str())? + long.len()..]));
            let apart = behind.is_none_or(|behind| value.is_some() && behind.starts_with(' '));
            let sign = if apart { ' ' } else { '=' };
            let _ = write!(spelling, "{sign}{}", value.map_or("<value>".to_owned(), placeholder));
            if value.is_none() {
                let why = "takes a value to docopt, since only one space stands before its description";
                self.notes.push((option.line, format!("{name} {why}")));
            }
        }
        format!("{indent}{spelling}  {}", description.trim()).trim_end().to_owned()
    }
}

/// The value among the names of an option, and what follows them all.
fn value_in(names: &str) -> (Option<&str>, &str) {
    let mut value = None;
    let mut rest = names;
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if rest.starts_with('-') {
            rest = &rest[rest.find([' ', ',', '=']).unwrap_or(rest.len())..];
            continue;
        }
        let (sign, word) = match rest.strip_prefix('=') {
            Some(behind) => (true, behind),
            None => (false, rest),
        };
        let end = if word.starts_with('<') { word.find('>').map(|end| end + 1) } else { None };
        let end = end.unwrap_or_else(|| word.find([' ', ',']).unwrap_or(word.len()));
        let (word, behind) = word.split_at(end);
        let lone = behind.trim().is_empty();
        if word.is_empty() || !(sign || word.starts_with('<') || is_upper(word) || lone) {
            return (value, rest);
        }
        value = value.or(Some(word.trim_end_matches("...")));
        rest = behind.strip_prefix("...").unwrap_or(behind);
    }
}

/// Whether our own grammar reads this option in this line.
fn says(line: &str, option: &Described) -> bool {
    let text = format!("Usage: x [options]\n\nOptions:\n{line}\n");
    let Ok(manual) = Manual::read(&text) else { return false };
    let [read] = manual.options.as_slice() else { return false };
    let short = if option.long.is_some() { option.short.as_deref() } else { None };
    read.name == option.name()
        && read.short.as_deref() == short
        && read.placeholder.is_some() == option.value
        && !read.repeats
        && manual.doubts.is_empty()
}
