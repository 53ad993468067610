//! What a message of the queue says: pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::queue::Message;
use crate::settlement::{Message as Places, Transaction};

/// No id is longer, in bytes: it is part of a URL and of a header.
const LONGEST: usize = 256;

/// The transaction that a message is about.
///
/// # Errors
/// Why the message is malformed.
pub fn transaction(message: &Message, places: &Places) -> Result<Transaction, String> {
    if !message.body.is_object() {
        return Err("it is no JSON object".to_owned());
    }
    let text = |pointer: &str| match message.body.pointer(pointer) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) if text.len() > LONGEST => {
            Err(format!("the text at '{pointer}' is longer than {LONGEST} bytes"))
        }
        Some(Value::String(text)) if text.chars().any(char::is_control) => {
            Err(format!("the text at '{pointer}' holds a control character"))
        }
        // Steps of a path, and no part of one.
        Some(Value::String(text)) if text == "." || text == ".." => Err(format!("the text at '{pointer}' is '{text}'")),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        // A larger one is rounded where JSON is read: two ids would be one.
        Some(Value::Number(number)) if number.is_u64() || number.is_i64() => Ok(Some(number.to_string())),
        Some(_) => Err(format!("what stands at '{pointer}' is no text and no whole number")),
    };
    let id = text(&places.id)?.ok_or_else(|| format!("it has no id at '{}'", places.id))?;
    let issuer = text(&places.issuer)?.unwrap_or_else(|| places.default_issuer.clone());
    Ok(Transaction { id, issuer, document: message.body.clone() })
}

/// What was seen of messages.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// How many transactions of each issuer there are, and since when the oldest of them waits.
    pub issuers: BTreeMap<String, (u64, Option<DateTime<Utc>>)>,
    /// The first messages that are malformed, and why.
    pub malformed: Vec<(String, String)>,
    /// How many are.
    pub malformed_count: u64,
}

/// How many malformed messages are named.
const NAMED: usize = 20;

impl Seen {
    /// Adds a message.
    pub fn add(&mut self, message: &Message, places: &Places) {
        match transaction(message, places) {
            Ok(Transaction { issuer, .. }) => {
                let (count, oldest) = self.issuers.entry(issuer).or_default();
                *count += 1;
                *oldest = [*oldest, message.since].into_iter().flatten().min();
            }
            Err(why) => {
                self.malformed_count += 1;
                if self.malformed.len() < NAMED {
                    self.malformed.push((message.id.clone(), why));
                }
            }
        }
    }

    /// How many messages were seen.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.issuers.values().map(|(count, _)| count).sum::<u64>() + self.malformed_count
    }

    /// Since when the oldest waits.
    #[must_use]
    pub fn oldest(&self) -> Option<DateTime<Utc>> {
        self.issuers.values().filter_map(|(_, oldest)| *oldest).min()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn message(body: Value) -> Message {
        Message { id: "1-0".to_owned(), body, since: DateTime::<Utc>::from_timestamp_millis(5) }
    }

    fn read(body: Value) -> Result<(String, String), String> {
        let transaction = transaction(&message(body), &Places::default())?;
        Ok((transaction.id, transaction.issuer))
    }

    #[test]
    fn a_transaction_has_an_id_and_perhaps_an_issuer() {
        let found = |id: &str, issuer: &str| Ok((id.to_owned(), issuer.to_owned()));
        assert_eq!(read(json!({ "id": "a", "issuer": "b" })), found("a", "b"));
        assert_eq!(read(json!({ "id": 7, "issuer": null })), found("7", "primary"));
        assert_eq!(read(json!({ "id": "a", "issuer": " " })), found("a", "primary"));
        for (body, why) in [
            (json!("{"), "it is no JSON object"),
            (json!([]), "it is no JSON object"),
            (json!({}), "it has no id at '/id'"),
            (json!({ "id": "" }), "it has no id at '/id'"),
            (json!({ "id": {} }), "what stands at '/id' is no text and no whole number"),
            (json!({ "id": "a\nb" }), "the text at '/id' holds a control character"),
            (json!({ "id": "a", "issuer": [] }), "what stands at '/issuer' is no text and no whole number"),
            (json!({ "id": 1.5 }), "what stands at '/id' is no text and no whole number"),
            (json!({ "id": ".." }), "the text at '/id' is '..'"),
            (json!({ "id": "a".repeat(257) }), "the text at '/id' is longer than 256 bytes"),
        ] {
            assert_eq!(read(body), Err(why.to_owned()));
        }
    }

    #[test]
    fn what_was_seen_is_counted_by_issuer() {
        let mut seen = Seen::default();
        for body in [json!({ "id": 1 }), json!({ "id": 2, "issuer": "b" }), json!({ "id": 3 }), json!(1)] {
            seen.add(&message(body), &Places::default());
        }
        let since = DateTime::<Utc>::from_timestamp_millis(5);
        assert_eq!(seen.issuers, BTreeMap::from([("b".to_owned(), (1, since)), ("primary".to_owned(), (2, since))]));
        assert_eq!(seen.malformed, [("1-0".to_owned(), "it is no JSON object".to_owned())]);
        assert_eq!((seen.count(), seen.oldest()), (4, since));
    }

    proptest! {
        /// Whatever a message holds, it is a transaction whose id fits a header, or malformed with a reason.
        #[test]
        fn no_message_breaks_it(text in ".{0,60}", id in ".{0,300}") {
            for body in [serde_json::from_str(&text).unwrap_or(Value::String(text.clone())), json!({ "id": id })] {
                match read(body) {
                    Ok((id, _)) => prop_assert!(!id.is_empty() && id.len() <= LONGEST && !id.chars().any(char::is_control)),
                    Err(why) => prop_assert!(!why.is_empty()),
                }
            }
        }
    }
}
