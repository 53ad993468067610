//! Rules over the lines of a usage text: what its parser takes otherwise than it was meant.

use std::ops::Range;

use super::stock::Text;
use super::{Violation, meant};
use crate::action::manual::TAGS;

/// The headings below which people write, so that no option stands there.
const PROSE: [&str; 8] = ["problem", "solution", "symptoms", "verify", "undo", "exit status", "examples", "adopted"];

/// The widest line.
const COLUMNS: usize = 120;

/// An option as it is described: its line, and those that go on with it.
#[derive(Debug, Default)]
pub struct Block {
    /// Its first line, from 1.
    pub line: usize,
    /// Its names and the placeholder: all before two spaces.
    pub spelling: String,
    /// The rest.
    pub description: String,
    /// The column at which the description begins.
    column: usize,
}

impl Block {
    /// Its names: `-d`, `--date`.
    pub fn names(&self) -> Vec<&str> {
        let words = self.spelling.split([' ', ',']).filter(|word| word.starts_with('-'));
        words.map(|word| word.split('=').next().unwrap_or(word)).collect()
    }
}

fn begins_usage(line: &str) -> bool {
    line.trim_start().get(..6).is_some_and(|start| start.eq_ignore_ascii_case("usage:"))
}

/// The lines of the usage section, from 1.
fn usage_lines(text: &Text) -> Range<usize> {
    let Some((start, _)) = text.lines().find(|(_, line)| begins_usage(line)) else { return 0..0 };
    let end = text.lines().skip(start).find(|(_, line)| line.trim().is_empty() || is_heading(line));
    start..end.map_or(text.lines().count() + 1, |(end, _)| end)
}

fn is_heading(line: &str) -> bool {
    !line.starts_with([' ', '\t', '-']) && line.trim_end().ends_with(':')
}

fn is_prose(heading: &str) -> bool {
    PROSE.contains(&heading.trim_end().trim_end_matches(':').to_lowercase().as_str())
}

fn is_option(line: &str) -> bool {
    let mut characters = line.trim_start().chars();
    characters.next() == Some('-') && characters.next().is_some_and(|next| next == '-' || next.is_alphanumeric())
}

/// The options as they are described, outside of the usage lines and of prose.
pub fn blocks(text: &Text) -> Vec<Block> {
    let usage = usage_lines(text);
    let mut blocks: Vec<Block> = Vec::new();
    let (mut open, mut prose) = (false, false);
    for (number, line) in text.lines().filter(|(number, _)| !usage.contains(number)) {
        if is_heading(line) {
            (open, prose) = (false, is_prose(line));
        } else if line.trim().is_empty() {
            open = false;
        } else if is_option(line) && !prose {
            let words = line.trim();
            let (spelling, description) = words.split_once("  ").unwrap_or((words, ""));
            blocks.push(Block {
                line: number,
                spelling: spelling.to_owned(),
                description: description.trim().to_owned(),
                column: line.find(description.trim()).filter(|_| !description.is_empty()).unwrap_or(usize::MAX),
            });
            open = true;
        } else if let Some(block) = blocks.last_mut().filter(|_| open) {
            block.description.push(' ');
            block.description.push_str(line.trim());
        }
    }
    blocks
}

/// "usage:" elsewhere than at the head of the usage lines: the parser takes the first for those.
pub fn usage_in_prose(text: &Text) -> Vec<Violation> {
    let head = usage_lines(text).start;
    let stray = text.lines().filter(|(number, line)| *number != head && line.to_ascii_lowercase().contains("usage:"));
    let violation = |(number, _)| {
        text.violation(
            number,
            "'usage:' is taken for the beginning of the usage lines",
            "word it differently: 'use', 'call'",
        )
    };
    stray.map(violation).collect()
}

/// A usage line that goes on in a second one.
pub fn usage_wrapped(text: &Text) -> Vec<Violation> {
    let lines: Vec<_> = text.lines().filter(|(number, _)| usage_lines(text).contains(number)).collect();
    let words = |line: &str| if begins_usage(line) { line.trim_start()[6..].to_owned() } else { line.to_owned() };
    let first = |line: &str| words(line).split_whitespace().next().map(str::to_owned);
    let Some(program) = lines.iter().find_map(|(_, line)| first(line)) else { return Vec::new() };
    let wrapped = lines.iter().filter(|(_, line)| first(line).is_some_and(|word| word != program));
    let violation = |(number, _): &(usize, &str)| {
        let finding = format!("a usage line begins with the program's name, '{program}'; this one does not");
        text.violation(*number, finding, "write each usage line in one line; `[options]` makes it short")
    };
    wrapped.map(violation).collect()
}

/// `DB_NAME`, which is read as a command.
pub fn placeholder(text: &Text) -> Vec<Violation> {
    let usage = usage_lines(text);
    let mut violations = Vec::new();
    let blocks = blocks(text);
    let spellings = blocks.iter().map(|block| (block.line, block.spelling.as_str()));
    for (number, line) in text.lines().filter(|(number, _)| usage.contains(number)).chain(spellings) {
        for word in line.split(|c: char| c.is_whitespace() || "[]()|=,.".contains(c)) {
            let upper = word.starts_with(|c: char| c.is_ascii_uppercase());
            let value = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_' || c == '-';
            let odd = word.chars().any(|c| !c.is_ascii_uppercase());
            if upper && odd && word.chars().all(value) {
                let fix = format!("write `<{}>`", word.to_lowercase().replace('_', "-"));
                violations.push(text.violation(number, format!("'{word}' is read as a command, not as a value"), fix));
            }
        }
    }
    violations
}

/// One space between an option and its description, where two are needed.
pub fn one_space(text: &Text) -> Vec<Violation> {
    let value = |word: &str| {
        word.starts_with(['-', '<', '[', '.', '(']) || word.ends_with('>') || word.chars().all(char::is_uppercase)
    };
    let wrong = |block: &&Block| {
        let words: Vec<&str> = block.spelling.split([' ', ',', '=']).filter(|word| !word.is_empty()).collect();
        // A value in lower letters is no value to the parser, but it is no description either: `-m msg`.
        let lone = words.len() == 2 && !block.description.is_empty();
        words.iter().skip(1).any(|word| !value(word)) && !lone
    };
    let violation = |block: &Block| {
        let finding = "one space stands between the option and its description, so all of it is read as its name";
        text.violation(block.line, finding, "put two spaces there")
    };
    blocks(text).iter().filter(wrong).map(violation).collect()
}

/// A line of prose, or of a description, that begins with a dash.
pub fn dash_in_prose(text: &Text) -> Vec<Violation> {
    let usage = usage_lines(text);
    let mut violations = Vec::new();
    let mut prose = false;
    for (number, line) in text.lines().filter(|(number, _)| !usage.contains(number)) {
        if is_heading(line) {
            prose = is_prose(line);
        } else if prose && is_option(line) {
            let finding = "a line that begins with a dash is taken for an option";
            violations.push(text.violation(number, finding, "begin it with another word"));
        }
    }
    let blocks = blocks(text);
    for pair in blocks.windows(2) {
        let [before, block] = pair else { continue };
        let indent = text.lines().nth(block.line - 1).map_or(0, |(_, line)| line.len() - line.trim_start().len());
        if indent >= before.column {
            let finding = "a wrapped description that goes on with a dash is taken for an option";
            violations.push(text.violation(block.line, finding, "break the line elsewhere"));
        }
    }
    violations
}

/// The parser refuses the text, or there is none to be had.
pub fn refused(text: &Text) -> Vec<Violation> {
    let refused = text.refused.iter();
    let fix = "fix this line: without it the program has no manual";
    refused.map(|(line, why)| text.violation(*line, why, fix)).collect()
}

/// `[name]` or `[name: value]`, and whether it stands at the end, where tags do.
struct Tag {
    name: String,
    at_end: bool,
}

fn tags(description: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut rest = description.trim_end();
    // A full stop behind them ends the sentence before them.
    rest = rest.strip_suffix('.').filter(|rest| rest.ends_with(']')).unwrap_or(rest);
    let mut end = rest.len();
    while let Some(open) = rest.strip_suffix(']').and_then(|inner| inner.rfind('[')) {
        tags.insert(0, Tag { name: tag_name(&rest[open + 1..rest.len() - 1]), at_end: true });
        rest = rest[..open].trim_end();
        end = rest.len();
    }
    let before = &description[..end];
    // A quoted tag is talked about; but the parser takes `[default: …]` wherever it stands.
    let quoted = without_quotes(before);
    let names = |text: &str| -> Vec<String> {
        let parts = text.split('[').skip(1).filter_map(|part| part.split_once(']'));
        parts.map(|(inner, _)| tag_name(inner)).collect()
    };
    let defaults = names(before).into_iter().filter(|name| name == "default");
    let others = names(&quoted).into_iter().filter(|name| name != "default");
    let inside = defaults.chain(others).map(|name| Tag { name, at_end: false });
    inside.chain(tags).collect()
}

/// A text without what stands in quotes; an apostrophe in a word is none.
fn without_quotes(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(open) = rest.find(['`', '\'', '"']) {
        let (before, from) = rest.split_at(open);
        let (quote, inner) = from.split_at(1);
        let opens = !before.ends_with(char::is_alphanumeric);
        let close = inner.match_indices(quote).find(|(at, _)| !inner[at + 1..].starts_with(char::is_alphanumeric));
        kept.push_str(before);
        rest = close.filter(|_| opens).map_or(inner, |(at, _)| &inner[at + 1..]);
    }
    kept + rest
}

/// The name of what could be a tag; empty for what cannot: `[a b]`, `[1]`.
fn tag_name(inner: &str) -> String {
    let name = inner.split(':').next().unwrap_or_default();
    let word = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic());
    if word { name.to_owned() } else { String::new() }
}

/// Tags in another order: the parser takes all behind `[default:` for the default.
pub fn tag_order(text: &Text) -> Vec<Violation> {
    let mut violations = Vec::new();
    for block in blocks(text) {
        let tags = tags(&block.description);
        let places: Vec<_> = tags.iter().filter_map(|tag| TAGS.iter().position(|name| *name == tag.name)).collect();
        let early = tags.iter().find(|tag| !tag.at_end && TAGS.contains(&tag.name.as_str()));
        if let Some(tag) = early {
            let finding = format!("[{}] stands in the middle of the description, so it is not read as meant", tag.name);
            violations.push(text.violation(block.line, finding, "put it at the end"));
        } else if let Some(pair) = places.windows(2).find(|pair| pair[0] >= pair[1]) {
            let finding = format!("[{}] stands before [{}]", TAGS[pair[0]], TAGS[pair[1]]);
            violations.push(text.violation(block.line, finding, format!("order the tags: {}", TAGS.join(", "))));
        }
    }
    violations
}

/// A tag that there is not.
pub fn tag_unknown(text: &Text) -> Vec<Violation> {
    let mut violations = Vec::new();
    for block in blocks(text) {
        for tag in tags(&block.description).iter().filter(|tag| tag.at_end && !tag.name.is_empty()) {
            if !TAGS.contains(&tag.name.as_str()) {
                let fix = meant(&tag.name, TAGS, "use parentheses for what is no tag");
                violations.push(text.violation(block.line, format!("there is no tag [{}]", tag.name), fix));
            }
        }
    }
    violations
}

/// `_` in an option's name.
pub fn option_underscore(text: &Text) -> Vec<Violation> {
    let blocks = blocks(text);
    let named = blocks.iter().flat_map(|block| block.names().into_iter().map(|name| (block.line, name)));
    let violation = |(line, name): (usize, &str)| {
        text.violation(
            line,
            format!("{name} has a '_', which cannot be decoded"),
            format!("write `{}`", name.replace('_', "-")),
        )
    };
    named.filter(|(_, name)| name.contains('_')).map(violation).collect()
}

/// A line that a terminal would wrap.
pub fn line_too_long(text: &Text) -> Vec<Violation> {
    let long = text.lines().filter(|(_, line)| line.chars().count() > COLUMNS);
    let violation = |(number, line): (usize, &str)| {
        text.violation(number, format!("{} columns; a line has at most {COLUMNS}", line.chars().count()), "wrap it")
    };
    long.map(violation).collect()
}

/// Tabs, and blanks at the end of a line.
pub fn blanks(text: &Text) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (number, line) in text.lines() {
        if line.contains('\t') {
            violations.push(text.violation(
                number,
                "there is a tab in it, which is not as wide everywhere",
                "use spaces",
            ));
        } else if line.ends_with(' ') {
            violations.push(text.violation(number, "it ends with blanks", "remove them"));
        }
    }
    violations
}

/// Characters that nobody sees.
pub fn non_printing(text: &Text) -> Vec<Violation> {
    let hidden = |c: char| {
        (c.is_control() && c != '\t') || ('\u{200b}'..='\u{200f}').contains(&c) || c == '\u{feff}' || c == '\u{a0}'
    };
    // A line end of Windows is named elsewhere, once for all files.
    let shown = |line: &str| line.strip_suffix('\r').unwrap_or(line).chars().find(|c| hidden(*c));
    let found = text.lines().filter_map(|(number, line)| Some((number, shown(line)?)));
    let violation = |(number, c): (usize, char)| {
        text.violation(number, format!("there is a character that nobody sees, U+{:04X}", u32::from(c)), "remove it")
    };
    found.map(violation).collect()
}
