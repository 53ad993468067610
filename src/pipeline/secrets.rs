//! Secrets, and how they are kept out of every report: as they are, in base64 and as in a URL.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::value::Value;

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

/// Shorter ones stand in too many other words: to mask them would make a report unreadable, and hide little.
const SHORTEST: usize = 4;

/// What stands in the place of a secret.
const MASK: &str = "***";

/// The secrets of a run, each way that it may be written, the longest first.
#[derive(Debug, Clone, Default)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// The secrets among variables: the values of names that say so, at any depth, and passwords in URLs.
    #[must_use]
    pub fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Self {
        let mut found = BTreeSet::new();
        for (name, value) in variables {
            collect(name, value, &mut found);
        }
        let mut all = BTreeSet::new();
        for secret in found.into_iter().filter(|secret| secret.chars().count() >= SHORTEST) {
            for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
                all.insert(engine.encode(&secret));
            }
            all.insert(utf8_percent_encode(&secret, NON_ALPHANUMERIC).to_string());
            all.insert(utf8_percent_encode(&secret, UNRESERVED).to_string());
            all.insert(secret.replace('\\', "\\\\").replace('\'', "\\'"));
            all.insert(secret.replace('\\', "\\\\").replace('"', "\\\""));
            all.insert(secret);
        }
        let mut all: Vec<String> = all.into_iter().collect();
        all.sort_by_key(|text| std::cmp::Reverse(text.len()));
        Self(all)
    }

    /// Masks them in a text.
    pub fn mask(&self, text: &mut String) {
        for secret in &self.0 {
            if text.contains(secret.as_str()) {
                *text = text.replace(secret.as_str(), MASK);
            }
        }
        if text.contains('@') {
            *text = without_passwords(text);
        }
    }

    /// The text without them.
    #[must_use]
    pub fn masked(&self, mut text: String) -> String {
        self.mask(&mut text);
        text
    }
}

/// What a URL leaves as it is.
const UNRESERVED: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn collect(name: &str, value: &Value, found: &mut BTreeSet<String>) {
    let name = name.to_lowercase().replace('-', "_");
    let is_secret = NAMES.iter().any(|part| name.contains(part)) || name == "secret_key" || name == "key_secret";
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
}
