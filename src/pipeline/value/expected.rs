//! What a value should be, member by member: values, and matchers where only a kind of value is known before.

use regex::Regex;

use super::instant::moment;
use super::{Decimal, Value};
use crate::action::context::local_now;

/// How many differences are told.
const TOLD: usize = 5;

/// What a value should be.
#[derive(Debug, Clone)]
pub enum Expected {
    /// This value.
    Value(Value),
    /// What a matcher takes.
    Matcher(Matcher),
    /// So many items, each as it should be.
    List(Vec<Expected>),
    /// These keys and no others, each value as it should be.
    Map(Vec<(Value, Expected)>),
}

/// What stands for values that are not known before: `<any>`, `<uuid>`, `<~ 3.14 ± 0.01>`, `<now ± 5s>`, `<regex [a-z]+>`.
#[derive(Debug, Clone)]
pub enum Matcher {
    /// Anything, as long as it is there.
    Any,
    /// A UUID.
    Uuid,
    /// A number that is so near.
    Near(f64, f64),
    /// An instant that is so near to now, in seconds.
    Now(f64),
    /// A text that is of this pattern, from its beginning to its end.
    Pattern(Box<Regex>),
}

impl Expected {
    /// What a text in a file says should be: a matcher, or the text itself. `<literal <any>>` is the text `<any>`.
    ///
    /// # Errors
    /// When it begins as a matcher, and is none.
    pub fn of_text(text: &str) -> Result<Self, String> {
        let inner = text.trim().strip_prefix('<').and_then(|text| text.strip_suffix('>'));
        let Some(inner) = inner.map(str::trim) else { return Ok(Self::Value(text.into())) };
        let (word, rest) = inner.split_once(char::is_whitespace).unwrap_or((inner, ""));
        let wrong =
            |like: &str| format!("'{text}' is no matcher: write {like}, or <literal {text}> for the text itself");
        let matcher = match (word, rest.trim()) {
            ("any", "") => Matcher::Any,
            ("uuid", "") => Matcher::Uuid,
            ("literal", rest) => return Ok(Self::Value(rest.into())),
            ("~", rest) => {
                let (number, by) = around(rest).ok_or_else(|| wrong("<~ 3.14 ± 0.01>"))?;
                let parsed = number.parse().ok().zip(by.parse().ok());
                let (number, by) = parsed.ok_or_else(|| wrong("<~ 3.14 ± 0.01>"))?;
                Matcher::Near(number, by)
            }
            ("now", rest) => {
                let by = around(rest).filter(|(before, _)| before.is_empty()).and_then(|(_, by)| seconds(by));
                Matcher::Now(by.ok_or_else(|| wrong("<now ± 5s>"))?)
            }
            ("regex", pattern) => {
                let whole = Regex::new(&format!("^(?s:{pattern})$"));
                Matcher::Pattern(Box::new(whole.map_err(|error| format!("'{pattern}' is no pattern: {error}"))?))
            }
            _ => return Ok(Self::Value(text.into())),
        };
        Ok(Self::Matcher(matcher))
    }

    /// Where a value is otherwise, each in a few words; none where it is as it should be.
    #[must_use]
    pub fn differences(&self, value: &Value) -> Vec<String> {
        let mut found = Vec::new();
        self.compare(value, "", &mut found);
        found
    }

    fn compare(&self, value: &Value, path: &str, found: &mut Vec<String>) {
        let at = if path.is_empty() { String::new() } else { format!("{path}: ") };
        match self {
            Self::Value(expected) if value.same(expected) => {}
            Self::Value(Value::List(items)) => {
                Self::List(items.iter().cloned().map(Self::Value).collect()).compare(value, path, found);
            }
            Self::Value(Value::Map(map)) => {
                let members = map.0.iter().map(|(key, value)| (key.clone(), Self::Value(value.clone())));
                Self::Map(members.collect()).compare(value, path, found);
            }
            Self::Value(expected) => found.push(format!("{at}{} is not {}", short(value), short(expected))),
            Self::Matcher(matcher) if matcher.takes(value) => {}
            Self::Matcher(matcher) => found.push(format!("{at}{} is not {matcher}", short(value))),
            Self::List(expected) => {
                let said = value.text().and_then(Value::literal);
                let Value::List(items) = said.as_ref().unwrap_or(value) else {
                    return found.push(format!("{at}{} is {}, not a list", short(value), value.kind()));
                };
                for (index, (item, expected)) in items.iter().zip(expected).enumerate() {
                    expected.compare(item, &format!("{path}[{index}]"), found);
                }
                if items.len() != expected.len() {
                    found.push(format!("{at}{} items, not {}", items.len(), expected.len()));
                }
            }
            Self::Map(expected) => {
                let said = value.text().and_then(Value::literal);
                let Value::Map(map) = said.as_ref().unwrap_or(value) else {
                    return found.push(format!("{at}{} is {}, not a map", short(value), value.kind()));
                };
                let member = |wanted: &Value| map.0.iter().find(|(key, _)| key.same(wanted)).map(|(_, value)| value);
                for (key, expected) in expected {
                    let path = format!("{path}.{key}");
                    match member(key) {
                        Some(value) => expected.compare(value, &path, found),
                        None => found.push(format!("{path} is missing")),
                    }
                }
                let more = map.0.keys().filter(|key| !expected.iter().any(|(wanted, _)| key.same(wanted)));
                found.extend(more.map(|key| format!("{path}.{key} should not be there")));
            }
        }
    }

    /// Why a value is otherwise, in a sentence; none where it is as it should be.
    #[must_use]
    pub fn refusal(&self, value: &Value) -> Option<String> {
        let found = self.differences(value);
        let more = found.len().saturating_sub(TOLD);
        let more = if more == 0 { String::new() } else { format!("; and {more} more") };
        (!found.is_empty()).then(|| format!("{}{more}", found[..found.len().min(TOLD)].join("; ")))
    }
}

impl Matcher {
    fn takes(&self, value: &Value) -> bool {
        let number = || value.number().or_else(|| Value::literal(value.text()?)?.number()).as_ref().and_then(as_float);
        match self {
            Self::Any => true,
            Self::Uuid => value.text().is_some_and(is_uuid),
            Self::Near(near, by) => number().is_some_and(|number| (number - near).abs() <= *by),
            Self::Now(by) => {
                let at = number().or_else(|| moment(value));
                #[expect(clippy::cast_precision_loss, reason = "milliseconds of this age of the world fit")]
                let now = local_now().timestamp_millis() as f64 / 1e3;
                at.is_some_and(|at| (at - now).abs() <= *by)
            }
            Self::Pattern(pattern) => pattern.is_match(&value.to_string()),
        }
    }
}

impl std::fmt::Display for Matcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Any => f.write_str("there"),
            Self::Uuid => f.write_str("a UUID"),
            Self::Near(near, by) => write!(f, "{near} ± {by}"),
            Self::Now(by) => write!(f, "now ± {by} s"),
            Self::Pattern(pattern) => {
                let pattern = pattern.as_str();
                write!(f, "of the pattern {}", &pattern["^(?s:".len()..pattern.len() - ")$".len()])
            }
        }
    }
}

fn as_float(number: &Decimal) -> Option<f64> {
    number.to_string().parse().ok()
}

/// What stands on both sides of `±`, or of `+-`.
fn around(text: &str) -> Option<(&str, &str)> {
    let (before, after) = text.split_once('±').or_else(|| text.split_once("+-"))?;
    Some((before.trim(), after.trim()))
}

/// `5s`, `2m`, `1.5h`, `1d` in seconds.
fn seconds(text: &str) -> Option<f64> {
    let units = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)];
    units.iter().find_map(|(unit, length)| {
        let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        (number >= 0.0).then_some(number * length)
    })
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// How much of a value is shown in a sentence.
const SHOWN: usize = 300;

/// A value as it is written, cut off where it is long.
#[must_use]
pub fn short(value: &Value) -> String {
    let text = value.repr();
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}… ({} characters)", &text[..at], text.chars().count()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(expected: &str, value: &str) -> Option<String> {
        Expected::of_text(expected).expect(expected).refusal(&Value::parse(value).expect(value))
    }

    #[test]
    fn a_matcher_takes_a_kind_of_value_and_says_what_it_wanted() {
        for (expected, value) in [
            ("<any>", "None"),
            ("<uuid>", "'0e3f6a8e-7c3a-4d9b-9a53-0a8f4ad2bb10'"),
            ("<~ 3.14 ± 0.01>", "3.145"),
            ("<~ 100 +- 1>", "'99'"),
            ("<regex [a-z]+\\d>", "'abc1'"),
            ("<literal <any>>", "'<any>'"),
            ("<html>", "'<html>'"),
            ("plain", "'plain'"),
        ] {
            assert_eq!(refusal(expected, value), None, "{expected} {value}");
        }
        for (expected, value, why) in [
            ("<uuid>", "'x'", "'x' is not a UUID"),
            ("<~ 3.14 ± 0.01>", "3.2", "3.2 is not 3.14 ± 0.01"),
            ("<regex [a-z]+>", "'abc1'", "'abc1' is not of the pattern [a-z]+"),
            ("<now ± 5s>", "'2020-01-01T00:00:00Z'", "'2020-01-01T00:00:00Z' is not now ± 5 s"),
        ] {
            assert_eq!(refusal(expected, value).as_deref(), Some(why));
        }
        let now = Value::from(local_now().to_rfc3339());
        assert_eq!(Expected::of_text("<now ± 1d>").expect("a matcher").refusal(&now), None);
        for text in ["<~ x ± 1>", "<now ± 5>", "<now>", "<regex [>"] {
            assert!(Expected::of_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_differs_is_told_by_its_place() {
        let expected = Expected::Value(Value::parse("{'a': [1, {'b': 2}], 'c': 3}").expect("a value"));
        let value = Value::parse("{'a': [1, {'b': 5}, 6], 'd': 4}").expect("a value");
        let told = ".a[1].b: 5 is not 2; .a: 3 items, not 2; .c is missing; .d should not be there";
        assert_eq!(expected.refusal(&value).as_deref(), Some(told));
        assert_eq!(expected.refusal(&Value::Null).as_deref(), Some("None is nothing, not a map"));
    }
}
