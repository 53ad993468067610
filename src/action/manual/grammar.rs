//! Reads a usage line by docopt's own grammar (crate docopt 1.1.1, `parse.rs`: `PatParser`, `pattern_tokens`,
//! `Atom::new`), so that both understand it alike. What docopt refuses is refused here, in words.

use super::names::{Names, is_placeholder, normal};
use super::pattern::{Atom, Pattern};

/// Reads the pattern of one usage line (without the program's name), and notes in `names` what it says of each.
pub(super) fn read(line: &str, names: &mut Names) -> Result<Pattern, String> {
    let mut reader = Reader { tokens: tokens(line), at: 0, open: Vec::new(), names };
    let pattern = reader.pattern()?;
    if let Some(open) = reader.open.pop() {
        return Err(format!("`{open}` is not closed on this line: a usage line cannot be wrapped"));
    }
    names.note_repeats(&pattern);
    Ok(pattern)
}

struct Reader<'a> {
    tokens: Vec<String>,
    at: usize,
    /// The brackets that are open, outermost first.
    open: Vec<&'static str>,
    names: &'a mut Names,
}

impl Reader<'_> {
    fn pattern(&mut self) -> Result<Pattern, String> {
        let mut alternatives = Vec::new();
        let mut sequence = Vec::new();
        while let Some(token) = self.tokens.get(self.at).cloned() {
            match token.as_str() {
                "..." => return Err("`...` must stand right behind what repeats: `<file>...`".to_owned()),
                "|" => {
                    self.at += 1;
                    if sequence.is_empty() || self.at == self.tokens.len() {
                        return Err("`|` needs something on both sides: `(--a | --b)`".to_owned());
                    }
                    alternatives.push(Pattern::Sequence(std::mem::take(&mut sequence)));
                }
                "]" | ")" => {
                    let make: fn(Vec<Pattern>) -> Pattern =
                        if token == "]" { Pattern::Optional } else { Pattern::Sequence };
                    self.close(&token, sequence.is_empty())?;
                    return Ok(match in_turn(alternatives, sequence) {
                        Pattern::Sequence(parts) => make(parts),
                        choice => make(vec![choice]),
                    });
                }
                "[" if self.is_options() => {
                    self.at += 3;
                    sequence.push(self.repeated(Pattern::Options));
                }
                "[" => sequence.push(self.group("[")?),
                "(" => sequence.push(self.group("(")?),
                _ if is_short(&token) => sequence.extend(self.short_options(&token)?),
                _ if token.len() > 2 && token.starts_with("--") => sequence.push(self.long_option(&token)?),
                _ => {
                    let atom =
                        if is_placeholder(&token) { Atom::Positional(normal(&token)) } else { Atom::Command(token) };
                    self.at += 1;
                    self.names.add(atom.name(), false);
                    sequence.push(self.repeated(Pattern::Atom(atom)));
                }
            }
        }
        Ok(in_turn(alternatives, sequence))
    }

    fn is_options(&self) -> bool {
        let is = |offset: usize, word: &str| self.tokens.get(self.at + offset).is_some_and(|token| token == word);
        is(1, "options") && is(2, "]")
    }

    fn group(&mut self, bracket: &'static str) -> Result<Pattern, String> {
        self.open.push(bracket);
        self.at += 1;
        if self.at == self.tokens.len() {
            return Err(format!("the line ends right behind `{bracket}`: a usage line cannot be wrapped"));
        }
        let pattern = self.pattern()?;
        Ok(self.repeated(pattern))
    }

    fn close(&mut self, bracket: &str, empty: bool) -> Result<(), String> {
        if empty {
            return Err(format!("nothing stands before `{bracket}`: an empty group means nothing"));
        }
        let opened = if bracket == "]" { "[" } else { "(" };
        match self.open.pop() {
            None => return Err(format!("`{bracket}` closes nothing: its `{opened}` is missing")),
            Some(open) if open != opened => {
                let expected = if open == "[" { "]" } else { ")" };
                return Err(format!("`{bracket}` stands where `{expected}` should: `{open}` is open"));
            }
            Some(_) => self.at += 1,
        }
        Ok(())
    }

    /// `-a`, or several in a row: `-abc`, of which the last may have its value right behind it.
    fn short_options(&mut self, token: &str) -> Result<Vec<Pattern>, String> {
        if !token.is_ascii() {
            return Err(format!("'{token}' is no short option: docopt dies of letters that are not ASCII"));
        }
        let mut patterns = Vec::new();
        for (place, letter) in token.char_indices().skip(1) {
            let name = self.names.resolve(&format!("-{letter}")).to_owned();
            let rest = &token[place + 1..];
            let has_value = self.names.has_value(&name);
            let placeholder = match (has_value, rest) {
                (false, _) => None,
                (true, "") => Some(self.value(&name)?),
                (true, value) if is_placeholder(value) => Some(value.to_owned()),
                (true, value) => return Err(no_placeholder(&name, value)),
            };
            self.names.add(&name, has_value);
            let repeats = self.names.repeats(&name);
            let pattern = Pattern::Atom(Atom::Option { name, placeholder });
            patterns.push(if repeats { pattern.repeat() } else { pattern });
            if has_value {
                break;
            }
        }
        self.at += 1;
        if self.tokens.get(self.at).is_some_and(|token| token == "...") {
            self.at += 1;
            patterns = patterns.into_iter().map(Pattern::repeat).collect();
        }
        Ok(patterns)
    }

    fn long_option(&mut self, token: &str) -> Result<Pattern, String> {
        let (name, mut placeholder) = match token.split_once('=') {
            Some(("--", _)) => return Err(format!("'{token}' is an option without a name")),
            // Without a value behind it docopt takes the sign for a part of the name.
            Some((_, "")) => return Err(format!("the value is missing behind '{token}': write `{token}<value>`")),
            Some((name, value)) if is_placeholder(value) => (name, Some(value.to_owned())),
            Some((name, value)) => return Err(no_placeholder(name, value)),
            None => (token, None),
        };
        let name = self.names.resolve(name).to_owned();
        if self.names.knows(&name) {
            match (placeholder.is_some(), self.names.has_value(&name)) {
                (true, false) => {
                    return Err(format!(
                        "{name} has a value here and none elsewhere: write its value in its description as well"
                    ));
                }
                (false, true) => placeholder = Some(self.value(&name)?),
                _ => {}
            }
        }
        self.names.add(&name, placeholder.is_some());
        self.at += 1;
        let repeats = self.names.repeats(&name);
        let pattern = Pattern::Atom(Atom::Option { name, placeholder });
        Ok(self.repeated(if repeats { pattern.repeat() } else { pattern }))
    }

    /// The placeholder that must follow an option which has a value.
    fn value(&mut self, name: &str) -> Result<String, String> {
        self.at += 1;
        match self.tokens.get(self.at) {
            None => Err(format!("{name} has a value by its description, and none here: write `{}`", with_value(name))),
            Some(token) if is_placeholder(token) => Ok(token.clone()),
            Some(token) => Err(format!(
                "{name} has a value by its description, but '{token}' follows here: write `{}`",
                with_value(name)
            )),
        }
    }

    fn repeated(&mut self, pattern: Pattern) -> Pattern {
        if self.tokens.get(self.at).is_some_and(|token| token == "...") {
            self.at += 1;
            return pattern.repeat();
        }
        pattern
    }
}

fn in_turn(mut alternatives: Vec<Pattern>, sequence: Vec<Pattern>) -> Pattern {
    if alternatives.is_empty() {
        return Pattern::Sequence(sequence);
    }
    alternatives.push(Pattern::Sequence(sequence));
    Pattern::Alternatives(alternatives)
}

/// How an option is written that has a value.
pub(super) fn with_value(name: &str) -> String {
    let sign = if name.starts_with("--") { '=' } else { ' ' };
    format!("{name}{sign}<value>")
}

fn no_placeholder(name: &str, value: &str) -> String {
    format!("'{value}' is no name for the value of {name}: write `<name>`, or upper-case letters alone")
}

/// Whether docopt takes it for one or several short options.
pub(crate) fn is_short(word: &str) -> bool {
    let mut letters = word.chars();
    letters.next() == Some('-')
        && letters.next().is_some_and(|letter| letter != '-')
        && !letters.any(char::is_whitespace)
}

/// The words and brackets of a line. A placeholder may hold spaces: `<input file>`, `--in=<input file>`.
fn tokens(line: &str) -> Vec<String> {
    let mut spaced = line.trim().replace("...", " ... ");
    for bracket in ["[", "]", "(", ")", "|"] {
        spaced = spaced.replace(bracket, &format!(" {bracket} "));
    }
    let mut tokens = Vec::new();
    let mut rest = spaced.trim_start();
    while !rest.is_empty() {
        let end = placeholder_end(rest)
            .or_else(|| option_end(rest))
            .unwrap_or_else(|| rest.find(char::is_whitespace).unwrap_or(rest.len()));
        tokens.push(rest[..end].to_owned());
        rest = rest[end..].trim_start();
    }
    tokens
}

/// Where `<name>` ends, if the text begins with one.
fn placeholder_end(text: &str) -> Option<usize> {
    let end = text.strip_prefix('<')?.find('>').filter(|end| *end > 0)?;
    Some(end + 2)
}

/// Where `--option=<name>` ends, if the text begins with one.
fn option_end(text: &str) -> Option<usize> {
    let name = text.strip_prefix("--")?;
    let word = name.find(char::is_whitespace).unwrap_or(name.len());
    let mut ends = name[..word].match_indices("=<").filter(|(place, _)| *place > 0);
    ends.find_map(|(place, _)| Some(place + 3 + placeholder_end(&name[place + 1..])?))
}
