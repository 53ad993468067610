//! The words of a command line, told apart by docopt's rules (crate docopt 1.1.1, `parse.rs`: `Argv::parse`).

use super::UsageError;
use super::explain;
use crate::action::manual::{Manual, is_short};

/// What a word, or an option with its value, is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// An option, by its long name if it has one.
    Option { name: String, value: Option<String> },
    /// A command or a positional argument.
    Plain(String),
    /// A word behind an option whose secret value is missing: it may be that value.
    Hidden(String),
    /// `--`: what follows is no option.
    Dashes,
    /// A word behind the `--`.
    Behind(String),
}

impl Word {
    /// A command or positional argument, if it is one.
    pub(super) fn plain(&self) -> Option<&str> {
        match self {
            Self::Plain(word) | Self::Hidden(word) | Self::Behind(word) => Some(word),
            Self::Option { .. } | Self::Dashes => None,
        }
    }
}

/// Tells the words apart.
///
/// # Errors
/// Where docopt would stop: at an option that there is not, that has no value, or one too many.
pub(super) fn parts(manual: &Manual, words: &[String]) -> Result<Vec<Word>, UsageError> {
    let mut parts: Vec<Word> = Vec::with_capacity(words.len());
    let mut rest = words.iter();
    // Good enough for a hint: it may be the value of an option.
    let commands = manual.commands();
    let command = words.iter().find(|word| commands.contains(&word.as_str())).map_or("", String::as_str);
    while let Some(word) = rest.next() {
        if word == "--" {
            parts.push(Word::Dashes);
            parts.extend(rest.map(|word| Word::Behind(word.clone())));
            break;
        } else if is_short(word) {
            short_options(manual, command, word, &mut rest, &mut parts)?;
        } else if is_long(word) {
            parts.push(long_option(manual, command, word, &mut rest)?);
        } else {
            let hidden = matches!(parts.last(), Some(Word::Option { name, value: Some(value) })
                if value.is_empty() && manual.option(name).is_some_and(|option| option.secret));
            parts.push(if hidden { Word::Hidden(word.clone()) } else { Word::Plain(word.clone()) });
        }
    }
    Ok(parts)
}

/// Whether docopt takes it for a long option. Unlike docopt's a value may hold a newline.
fn is_long(word: &str) -> bool {
    let Some(name) = word.strip_prefix("--").filter(|name| !name.is_empty()) else { return false };
    match name.find(char::is_whitespace) {
        None => true,
        Some(space) => name.find('=').is_some_and(|sign| 0 < sign && sign < space),
    }
}

fn long_option<'a>(
    manual: &Manual,
    command: &str,
    word: &str,
    rest: &mut impl Iterator<Item = &'a String>,
) -> Result<Word, UsageError> {
    let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value.to_owned())));
    let Some(option) = manual.option(name) else { return Err(explain::unknown(manual, command, name)) };
    let value = match (&option.placeholder, value) {
        (None, Some(_)) => return Err(explain::no_value(option)),
        (Some(_), None) => Some(rest.next().cloned().ok_or_else(|| explain::needs_value(option))?),
        (_, value) => value,
    };
    Ok(Word::Option { name: option.name.clone(), value })
}

fn short_options<'a>(
    manual: &Manual,
    command: &str,
    word: &str,
    rest: &mut impl Iterator<Item = &'a String>,
    parts: &mut Vec<Word>,
) -> Result<(), UsageError> {
    for (place, letter) in word.char_indices().skip(1) {
        let behind = &word[place + letter.len_utf8()..];
        let Some(option) = manual.option(&format!("-{letter}")) else {
            return Err(explain::unknown_short(manual, command, word, letter, place));
        };
        let name = option.name.clone();
        if option.placeholder.is_none() {
            parts.push(Word::Option { name, value: None });
            continue;
        }
        let value = match behind {
            "" => rest.next().cloned().ok_or_else(|| explain::needs_value(option))?,
            value => value.to_owned(),
        };
        parts.push(Word::Option { name, value: Some(value) });
        break;
    }
    Ok(())
}

/// The parts as words for docopt. An option and its value are two words: in one, docopt takes a value with a newline
/// for a positional argument.
pub(super) fn write(parts: &[Word]) -> Vec<String> {
    let mut words = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Word::Option { name, value } => {
                words.push(name.clone());
                words.extend(value.clone());
            }
            Word::Dashes => words.push("--".to_owned()),
            Word::Plain(word) | Word::Hidden(word) | Word::Behind(word) => words.push(word.clone()),
        }
    }
    words
}

/// The options among the parts, as often as they are given.
pub(super) fn given(parts: &[Word]) -> Vec<&str> {
    let names = parts.iter().filter_map(|part| match part {
        Word::Option { name, .. } => Some(name.as_str()),
        _ => None,
    });
    names.collect()
}

/// The first word that is a command.
pub(super) fn command_of<'a>(manual: &Manual, parts: &'a [Word]) -> Option<&'a str> {
    let commands = manual.commands();
    let mut words = parts.iter().filter_map(|part| match part {
        Word::Plain(word) => Some(word.as_str()),
        _ => None,
    });
    words.find(|word| commands.contains(word))
}
