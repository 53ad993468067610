//! Values as Python prints them: `str` for people, `repr` within lists and maps.

use std::fmt;

use super::Value;

impl fmt::Display for Value {
    /// As Python's `str`: a text as it is, everything else as it would be written down.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Instant(instant) => write!(f, "{instant}"),
            other => f.write_str(&repr(other)),
        }
    }
}

pub(super) fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Decimal(number) => number.to_string(),
        Value::Text(text) => quoted(text),
        Value::Bytes(bytes) => bytes_of(bytes),
        Value::Instant(instant) => instant.repr(),
        Value::List(items) => format!("[{}]", items.iter().map(repr).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            let members = map.0.iter().map(|(key, value)| format!("{}: {}", repr(key), repr(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
    }
}

/// In single quotes, or in double ones where that needs no escape.
fn quote_for(has_single: bool, has_double: bool) -> char {
    if has_single && !has_double { '"' } else { '\'' }
}

fn quoted(text: &str) -> String {
    let quote = quote_for(text.contains('\''), text.contains('"'));
    format!("{quote}{}{quote}", escaped(text, quote))
}

/// A text as it is written between these quotes.
#[must_use]
pub fn escaped(text: &str, quote: char) -> String {
    let mut written = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            c if c == quote => written.extend(['\\', c]),
            c if c.is_control() && u32::from(c) < 0x100 => written.extend([format!("\\x{:02x}", u32::from(c))]),
            c => written.push(c),
        }
    }
    written
}

fn bytes_of(bytes: &[u8]) -> String {
    let quote = quote_for(bytes.contains(&b'\''), bytes.contains(&b'"'));
    let mut written = format!("b{quote}");
    for byte in bytes {
        match *byte {
            b'\\' => written.push_str("\\\\"),
            b'\n' => written.push_str("\\n"),
            b'\r' => written.push_str("\\r"),
            b'\t' => written.push_str("\\t"),
            byte if char::from(byte) == quote => written.extend(['\\', quote]),
            byte @ 0x20..0x7f => written.push(char::from(byte)),
            byte => written.extend([format!("\\x{byte:02x}")]),
        }
    }
    written.push(quote);
    written
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, FixedOffset, NaiveDate};
    use indexmap::IndexMap;
    use proptest::prelude::*;

    use super::super::{Decimal, Instant, Map};
    use super::*;

    #[test]
    fn values_are_printed_as_python_prints_them() {
        let value = Value::parse(r#"{"a": [1, 2.50, "x", null, true], "it's": "\ud83d\ude00\n"}"#).expect("JSON");
        assert_eq!(value.to_string(), r#"{'a': [1, 2.50, 'x', None, True], "it's": '😀\n'}"#);
        assert_eq!(Value::from("x").to_string(), "x");
    }

    fn instants() -> impl Strategy<Value = Instant> {
        let date = (2..9998_i32, 1..=12_u32, 1..=28_u32)
            .prop_map(|(year, month, day)| NaiveDate::from_ymd_opt(year, month, day).expect("a day"));
        let local = (date.clone(), 0..24_u32, 0..60_u32, 0..60_u32, prop_oneof![Just(0), 0..1_000_000_u32]).prop_map(
            |(date, hour, minute, second, micro)| date.and_hms_micro_opt(hour, minute, second, micro).expect("a time"),
        );
        let zoned = (local.clone(), -800..800_i32).prop_map(|(local, minutes)| {
            let zone = FixedOffset::east_opt(60 * minutes).expect("a zone");
            DateTime::from_naive_utc_and_offset(local, zone)
        });
        prop_oneof![date.prop_map(Instant::Date), local.prop_map(Instant::Local), zoned.prop_map(Instant::Zoned)]
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i128>().prop_map(|number| Value::Integer(num_bigint::BigInt::from(number) * i128::MAX)),
            (any::<i128>(), -80..80_i64)
                .prop_map(|(digits, places)| Value::Decimal(Decimal::new(digits.into(), places))),
            any::<String>().prop_map(Value::Text),
            any::<Vec<u8>>().prop_map(Value::Bytes),
            instants().prop_map(Value::Instant),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
                prop::collection::vec((inner.clone(), inner), 0..6)
                    .prop_map(|members| Value::Map(Map(members.into_iter().collect::<IndexMap<_, _>>()))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_as_the_same_value(value in values()) {
            prop_assert_eq!(Value::parse(&value.repr()), Some(value));
        }

        #[test]
        fn any_text_is_read_without_harm_and_a_text_in_quotes_as_itself(text in any::<String>()) {
            let _ = Value::read(&text);
            prop_assert_eq!(Value::parse(&Value::from(text.as_str()).repr()), Some(Value::Text(text)));
        }

        #[test]
        fn a_value_is_the_same_as_itself_and_as_what_is_read_of_its_print(value in values()) {
            prop_assert!(value.same(&value));
            if !matches!(value, Value::Text(_) | Value::Bytes(_)) {
                let printed = Value::from(value.to_string());
                prop_assert!(value.same(&printed), "{}", printed);
            }
        }
    }
}
