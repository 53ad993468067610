//! Values and JSON: read by [`Value::parse`], since a number of any length is to stay what it is; written here.

use serde_json::Value as Json;

use super::Value;

/// What a JSON text says, with all digits; none where it is no JSON.
#[must_use]
pub fn from_json(text: &str) -> Option<Value> {
    // Whether it is JSON says a reader of JSON, which Python's literals are not.
    serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
    Value::parse(text)
}

/// A value as a JSON text: what JSON cannot say becomes the text that Python prints for it.
#[must_use]
pub fn to_json(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(is) => is.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Decimal(number) => number.to_string(),
        Value::Text(_) | Value::Bytes(_) | Value::Instant(_) => Json::String(value.to_string()).to_string(),
        Value::List(items) => format!("[{}]", items.iter().map(to_json).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            let member =
                |(key, value): (&Value, &Value)| format!("{}: {}", Json::String(key.to_string()), to_json(value));
            format!("{{{}}}", map.0.iter().map(member).collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_its_digits_and_is_apart_from_what_python_writes() {
        let text = r#"{"id": 123456789012345678901234567890, "price": 1.10, "none": null, "text": "ä\"\n"}"#;
        let value = from_json(text).expect("JSON");
        assert_eq!(to_json(&value), text);
        assert_eq!(from_json("{'a': None}"), None);
        assert_eq!(from_json("007"), None);
    }
}
