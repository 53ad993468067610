//! What a plain scalar of YAML says, as the readers of such files have always taken it (YAML 1.1, but nothing by surprise): `yes` is
//! true, and `007`, `12:30` and `1973-12-10` are texts.

use crate::pipeline::value::Value;

/// The value of a scalar.
pub(super) fn value(text: &str, plain: bool, tag: Option<&str>) -> Value {
    if !plain || tag.is_some_and(|tag| tag.ends_with("str")) {
        return Value::from(text);
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Value::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Value::Bool(false),
        _ => match text.strip_prefix("0x").map(|hex| i64::from_str_radix(hex, 16)) {
            Some(Ok(number)) => Value::from(number),
            _ => match Value::literal(text.strip_prefix('+').filter(|text| !text.starts_with('-')).unwrap_or(text)) {
                // A list in a plain text is a text: YAML has lists of its own.
                Some(number @ (Value::Integer(_) | Value::Decimal(_))) => number,
                _ => Value::from(text),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_scalar_is_what_it_looks_like_and_a_quoted_one_a_text() {
        for (text, expected) in [
            ("5", Value::from(5)),
            ("+5", 5.into()),
            ("0x1f", 31.into()),
            ("yes", true.into()),
            ("~", Value::Null),
            ("007", "007".into()),
            ("12:30", "12:30".into()),
            ("1973-12-10", "1973-12-10".into()),
            ("[a]", "[a]".into()),
            ("1.50", Value::parse("1.50").expect("a decimal")),
        ] {
            assert_eq!(value(text, true, None), expected, "{text}");
            assert_eq!(value(text, false, None), Value::from(text));
        }
        assert_eq!(value("5", true, Some("tag:yaml.org,2002:str")), Value::from("5"));
    }
}
