//! The usage lines, as the reference implementation takes them: one string, in which the program's name begins each way
//! to call it.

use super::options::Options;
use super::{is_upper, placeholder};

/// Writes each way to call the program in a line of its own, with values that our grammar knows for values. The section
/// begins with `usage:`, and stays as it is where nothing is to be changed.
pub fn rewritten(section: &str, options: &Options) -> String {
    const WORD: usize = "usage:".len();
    let mut words = section[WORD..].split_whitespace();
    let Some(program) = words.next() else { return section.to_owned() };
    let mut ways: Vec<Vec<&str>> = vec![Vec::new()];
    for word in words {
        match ways.last_mut() {
            Some(way) if word != program => way.push(word),
            _ => ways.push(Vec::new()),
        }
    }
    let mut known = Known { options, values: Vec::new() };
    let written: Vec<String> = ways.iter().map(|way| known.line(&way.join(" "))).collect();
    let lines = section[WORD..].trim().lines().map(|line| line.trim().strip_prefix(program).unwrap_or("-").trim());
    let spaced = |line: &str| shown(&tokens(line));
    if lines.clone().count() == written.len() && lines.map(spaced).eq(written.iter().cloned()) {
        return section.to_owned();
    }
    let lines: Vec<String> = written.iter().map(|way| format!("\n  {program} {way}").trim_end().to_owned()).collect();
    format!("{}{}", &section[..WORD], lines.concat())
}

/// What is known of the options of the usage lines so far.
struct Known<'a> {
    options: &'a Options,
    /// The long options with a value that no line describes.
    values: Vec<String>,
}

impl Known<'_> {
    fn line(&mut self, way: &str) -> String {
        let mut tokens = tokens(way);
        let mut at = 0;
        while at < tokens.len() {
            let token = tokens[at].clone();
            let bracketed = at > 0 && tokens[at - 1] == "[" && tokens.get(at + 1).is_some_and(|next| next == "]");
            let mut value_follows = false;
            if token == "options" && !bracketed {
                "[options]".clone_into(&mut tokens[at]);
            } else if token.starts_with("--") && token != "--" {
                value_follows = self.long(&mut tokens[at]);
            } else if token.starts_with('-') && token != "-" && token != "--" {
                value_follows = self.shorts(&mut tokens[at]);
            } else if (is_upper(&token) && !token.starts_with('<')) || is_one_of_several(&token) {
                tokens[at] = placeholder(&token);
            }
            at += 1;
            if value_follows && tokens.get(at).is_some_and(|value| !is_sign(value)) {
                tokens[at] = placeholder(&tokens[at]);
                at += 1;
            }
        }
        shown(&tokens)
    }

    /// Writes a long option; whether its value is the next word.
    fn long(&mut self, token: &mut String) -> bool {
        let (name, value) = token.split_once('=').map_or((token.as_str(), None), |(name, value)| (name, Some(value)));
        let takes = self.options.takes_value(name).unwrap_or_else(|| self.values.iter().any(|known| known == name));
        match value {
            None => takes,
            Some(value) => {
                self.values.push(name.to_owned());
                *token = format!("{name}={}", placeholder(value));
                false
            }
        }
    }

    /// Writes one or several short options; whether the value of the last is the next word.
    fn shorts(&self, token: &mut String) -> bool {
        for (place, letter) in token.char_indices().skip(1) {
            if self.options.takes_value(&format!("-{letter}")) == Some(true) {
                let behind = place + letter.len_utf8();
                if behind == token.len() {
                    return true;
                }
                *token = format!("{}{}", &token[..behind], placeholder(&token[behind..]));
                return false;
            }
        }
        false
    }
}

/// Whether a word is one argument, though it looks like several: `<box>/<thing>`.
fn is_one_of_several(token: &str) -> bool {
    token.starts_with('<') && token.ends_with('>') && token[1..token.len() - 1].contains('>')
}

fn is_sign(token: &str) -> bool {
    ["[", "]", "(", ")", "|", "..."].contains(&token)
}

/// The words and signs of a usage line; `<a b>` is one word.
fn tokens(line: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = if rest.starts_with("...") {
            3
        } else if "[]()|".contains(first) {
            1
        } else {
            word_end(rest)
        };
        tokens.push(rest[..end].to_owned());
        rest = rest[end..].trim_start();
    }
    tokens
}

/// Where a word ends: at a space or sign outside of `<…>`.
fn word_end(text: &str) -> usize {
    let mut inside = false;
    for (place, letter) in text.char_indices() {
        match letter {
            '<' if text[place..].contains('>') => inside = true,
            '>' => inside = false,
            _ if inside => {}
            _ if letter.is_whitespace() || "[]()|".contains(letter) || text[place..].starts_with("...") => {
                return place;
            }
            _ => {}
        }
    }
    text.len()
}

fn shown(tokens: &[String]) -> String {
    let mut line = String::new();
    let mut open = true;
    for token in tokens {
        if !open && !["]", ")", "..."].contains(&token.as_str()) {
            line.push(' ');
        }
        line += token;
        open = token == "[" || token == "(";
    }
    line
}
