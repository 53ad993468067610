//! Secrets, and how they are kept out of every report: as they are, in base64 and as in a URL.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::value::{Value, escaped};

/// Parts of names whose values are secrets.
const NAMES: [&str; 11] = [
    "password",
    "passwd",
    "pwd",
    "secret",
    "token",
    "apikey",
    "api_key",
    "private_key",
    "credential",
    "fernet",
    "passphrase",
];

/// Names of a shell's own that are no passwords: the folder that it is in, and was in. Nor is what ends as the name of a path does.
const PLACES: [&str; 2] = ["pwd", "oldpwd"];

/// Shorter ones stand in too many other words: to mask them would make a report unreadable, and hide little.
const SHORTEST: usize = 4;

/// A line of a secret is a secret as well, where it is that long: reports show a text line by line.
const LINE: usize = 8;

/// What stands in the place of a secret.
const MASK: &str = "***";

/// What stands where a text was cut off.
const CUT: char = '…';

/// The secrets of variables, as they are.
#[derive(Debug, Clone, Default)]
pub struct Found(BTreeSet<String>);

impl Found {
    /// Takes the secrets of a variable: its value, where its name says so, at any depth, and passwords in URLs.
    pub fn note(&mut self, name: &str, value: &Value) {
        collect(name, value, &mut self.0);
    }
}

/// The secrets of a run, each way that it may be written, the longest first.
#[derive(Debug, Clone, Default)]
pub struct Secrets(Vec<String>);

impl From<Found> for Secrets {
    fn from(Found(found): Found) -> Self {
        let mut texts = BTreeSet::new();
        for secret in &found {
            texts.extend([secret.as_str(), secret.trim()].into_iter().filter(|text| text.chars().count() >= SHORTEST));
            texts.extend(secret.lines().map(str::trim).filter(|line| line.chars().count() >= LINE));
        }
        let mut all = BTreeSet::new();
        for secret in texts {
            for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
                all.insert(engine.encode(secret));
            }
            all.insert(utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string());
            all.insert(utf8_percent_encode(secret, UNRESERVED).to_string());
            all.insert(escaped(secret, '\''));
            all.insert(escaped(secret, '"'));
            all.insert(secret.to_owned());
        }
        let mut all: Vec<String> = all.into_iter().collect();
        all.sort_by_key(|text| std::cmp::Reverse(text.len()));
        Self(all)
    }
}

impl Secrets {
    /// The secrets among variables.
    #[must_use]
    pub fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Self {
        let mut found = Found::default();
        variables.into_iter().for_each(|(name, value)| found.note(name, value));
        Self::from(found)
    }

    /// Masks them in a text.
    pub fn mask(&self, text: &mut String) {
        if text.contains(CUT) {
            *text = self.without_beginnings(text);
        }
        for secret in &self.0 {
            if text.contains(secret.as_str()) {
                *text = text.replace(secret.as_str(), MASK);
            }
        }
        if text.contains('@') {
            *text = without_passwords(text);
        }
    }

    /// The text without beginnings of secrets at the places where it was cut off.
    fn without_beginnings(&self, text: &str) -> String {
        let mut masked = String::with_capacity(text.len());
        let mut parts = text.split(CUT).peekable();
        while let Some(part) = parts.next() {
            let is_cut = parts.peek().is_some();
            let longest = self.0.iter().map(|secret| begun(part, secret)).max().filter(|length| is_cut && *length > 0);
            match longest {
                Some(length) => masked.extend([&part[..part.len() - length], MASK]),
                None => masked.push_str(part),
            }
            masked.extend(is_cut.then_some(CUT));
        }
        masked
    }

    /// The text without them.
    #[must_use]
    pub fn masked(&self, mut text: String) -> String {
        self.mask(&mut text);
        text
    }
}

/// With how much of the beginning of a secret a text ends, in bytes; 0 where that is too short to tell.
fn begun(text: &str, secret: &str) -> usize {
    let lengths = secret.char_indices().map(|(at, _)| at).chain([secret.len()]).skip(SHORTEST);
    lengths.filter(|length| text.ends_with(&secret[..*length])).last().unwrap_or(0)
}

/// What a URL leaves as it is.
const UNRESERVED: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn collect(name: &str, value: &Value, found: &mut BTreeSet<String>) {
    let name = name.to_lowercase().replace('-', "_");
    let is_place = PLACES.contains(&name.as_str()) || ["_dir", "_file", "_path"].iter().any(|end| name.ends_with(end));
    let is_secret = !is_place && NAMES.iter().any(|part| name.contains(part));
    match value {
        Value::Map(map) => {
            for (key, value) in &map.0 {
                // Below a secret everything is one.
                let key = if is_secret { name.clone() } else { key.to_string() };
                collect(&key, value, found);
            }
        }
        Value::List(items) => items.iter().for_each(|item| collect(&name, item, found)),
        Value::Null | Value::Bool(_) => {}
        value => {
            let text = value.to_string();
            if let Some(password) = password_in(&text) {
                found.insert(percent_decode_str(password).decode_utf8_lossy().into_owned());
                found.insert(password.to_owned());
            }
            if is_secret {
                found.insert(text);
            } else if let Some(said @ (Value::Map(_) | Value::List(_))) = value.text().and_then(Value::literal) {
                collect(&name, &said, found);
            }
        }
    }
}

/// The password of `scheme://user:password@host` or `user:password@host`; a `@` in it is its own.
fn password_in(text: &str) -> Option<&str> {
    if text.contains(char::is_whitespace) {
        return None;
    }
    let (before, _) = text.rsplit_once('@')?;
    let user = before.split_once("://").map_or(before, |(_, rest)| rest);
    user.split_once(':').map(|(_, password)| password).filter(|password| !password.is_empty())
}

/// Each URL of a text without its password.
fn without_passwords(text: &str) -> String {
    let parts = text.split_inclusive(|c: char| c.is_whitespace() || "'\"<>(),;".contains(c));
    let part = |part: &str| match (part.find("://"), part.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 < at => match part[scheme + 3..at].split_once(':') {
            Some((user, _)) => format!("{}{user}:{MASK}{}", &part[..scheme + 3], &part[at..]),
            None => part.to_owned(),
        },
        _ => part.to_owned(),
    };
    parts.map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::super::value::short;
    use super::*;

    #[test]
    fn a_secret_is_masked_in_every_way_that_it_may_be_written() {
        let inventory = Value::parse(
            "{'db': {'password': 'p@ss/wörd', 'host': 'db.example'}, 'api_token': 'abcd1234', 'conf': 'ann:hun@ter2@host:5432/db', 'pwd': 'x'}",
        );
        let Some(Value::Map(map)) = inventory else { panic!("a map") };
        let names: Vec<(String, Value)> = map.0.into_iter().map(|(key, value)| (key.to_string(), value)).collect();
        let secrets = Secrets::of(names.iter().map(|(name, value)| (name.as_str(), value)));
        let masked = |text: &str| secrets.masked(text.to_owned());
        for text in ["p@ss/wörd", "p%40ss%2Fw%C3%B6rd", "abcd1234", "hun@ter2"] {
            assert_eq!(masked(&format!("a {text} b")), "a *** b");
            assert_eq!(
                masked(&format!("a {} b", STANDARD.encode(text))),
                if text.contains('%') { format!("a {} b", STANDARD.encode(text)) } else { "a *** b".to_owned() }
            );
        }
        assert_eq!(masked("host db.example x"), "host db.example x");
        assert_eq!(masked("at postgresql://bob:other@host/db, again"), "at postgresql://bob:***@host/db, again");
        assert_eq!(masked("mail ann@example.org"), "mail ann@example.org");
    }

    const KEY: &str = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhk\nrest of it's\n=\n-----END KEY-----\n";

    fn of(secret: &str) -> Secrets {
        let value = Value::from(secret);
        Secrets::of([("private_key", &value)])
    }

    #[test]
    fn a_secret_of_several_lines_is_masked_as_a_whole_by_lines_and_as_it_is_told() {
        let secrets = of(KEY);
        let masked = |text: &str| secrets.masked(text.to_owned());
        assert_eq!(masked(&format!("a {KEY}b")), "a ***b");
        for value in [KEY.to_owned(), format!("{KEY}\"")] {
            let told = masked(&Value::from(value).repr());
            assert!(told.len() < 10 && told.contains("***"), "{told}");
        }
        assert_eq!(masked("> MIIEvQIBADANBgkqhk"), "> ***");
        assert_eq!(masked(&STANDARD.encode(KEY)), "***");
        assert_eq!(of("abcd12\n").masked("x abcd12 y".to_owned()), "x *** y", "without its last line end");
    }

    #[test]
    fn the_beginning_of_a_secret_before_a_cut_is_masked() {
        let text = |before: usize| Value::from(format!("{}{KEY}{}", "x".repeat(before), "y".repeat(400)));
        for before in [299 - 5, 299 - 12, 299 - 30, 299 - 60, 299 - 77] {
            let told = of(KEY).masked(short(&text(before)));
            let shown: String = "x".repeat(before);
            assert!(
                told[1..].starts_with(&format!("{shown}***")) && !told.contains("MII") && !told.contains("---B"),
                "{told}"
            );
        }
        assert_eq!(of("abcdefgh").masked("abcd, abcdefg… and abc… abcdefgh".to_owned()), "abcd, ***… and abc… ***");
        assert_eq!(of("wörterbuch").masked("wörterb… (300 characters)".to_owned()), "***… (300 characters)");
    }
}
