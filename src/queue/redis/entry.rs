//! An entry of a stream, whose names and values are any bytes.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use redis::{FromRedisValue, ParsingError, Value as Answer};
use serde_json::{Map, Value};

use crate::queue::{Message, content};

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub id: String,
    pub fields: HashMap<Vec<u8>, Vec<u8>>,
}

/// An entry as the server answers it: its id, and its fields.
type Row = HashMap<String, HashMap<Vec<u8>, Vec<u8>>>;

/// Entries, as XRANGE and XCLAIM answer them, and XREADGROUP for a stream.
#[derive(Debug, Default)]
pub struct Entries(pub Vec<Entry>);

impl FromRedisValue for Entries {
    fn from_redis_value(answer: Answer) -> Result<Self, ParsingError> {
        // One whose content is gone is none, before Redis 7.
        let rows: Vec<Option<Row>> = FromRedisValue::from_redis_value(answer)?;
        let entries = rows.into_iter().flatten().flatten().map(|(id, fields)| Entry { id, fields });
        Ok(Self(entries.collect()))
    }
}

impl From<Entry> for Message {
    /// The one field of an entry, or all of them as an object. What is no UTF-8 is a text, and so no transaction.
    fn from(entry: Entry) -> Self {
        let since = entry.id.split('-').next().and_then(|time| time.parse().ok());
        let since = since.and_then(DateTime::<Utc>::from_timestamp_millis);
        Self { body: body(entry.fields), id: entry.id, since }
    }
}

fn body(fields: HashMap<Vec<u8>, Vec<u8>>) -> Value {
    let text = |bytes: Vec<u8>| {
        String::from_utf8(bytes).map_err(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    };
    let mut all = Map::new();
    let mut odd = Vec::new();
    for (name, value) in fields {
        match (text(name), text(value)) {
            (Ok(name), Ok(value)) => drop(all.insert(name, Value::String(value))),
            (name, value) => odd.push(format!("{}: {}", either(name), either(value))),
        }
    }
    if !odd.is_empty() {
        return Value::String(odd.join("\n"));
    }
    match all.values().next() {
        Some(Value::String(only)) if all.len() == 1 => content(only.as_bytes()),
        _ => Value::Object(all),
    }
}

fn either(text: Result<String, String>) -> String {
    text.unwrap_or_else(|lossy| lossy)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(fields: &[(&[u8], &[u8])]) -> Message {
        let fields = fields.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        Entry { id: "1764230000000-0".to_owned(), fields }.into()
    }

    #[test]
    fn an_entry_of_one_field_is_that_fields_content_and_one_of_many_is_an_object() {
        assert_eq!(message(&[(b"body", br#"{"id": "1"}"#)]).body, json!({ "id": "1" }));
        assert_eq!(message(&[(b"body", b"{")]).body, json!("{"));
        assert_eq!(message(&[(b"id", b"1"), (b"issuer", b"a")]).body, json!({ "id": "1", "issuer": "a" }));
        let since = message(&[]).since.expect("an instant");
        assert_eq!(since.to_rfc3339(), "2025-11-27T07:53:20+00:00");
    }

    #[test]
    fn what_is_no_utf_8_is_kept_as_a_text_and_is_no_object() {
        let odd = [(&b"id"[..], &b"1"[..]), (b"issuer", b"M\xfcller")];
        assert_eq!(message(&odd).body, json!("issuer: M\u{fffd}ller"));
        assert_eq!(message(&[(b"\xff", b"{}")]).body, json!("\u{fffd}: {}"));
    }
}
