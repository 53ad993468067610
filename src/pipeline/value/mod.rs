//! The values of a test: exact, and compared as a tester means it.
//!
//! An integer has any length, a decimal keeps its digits, an instant is an instant, and nothing ([`Value::Null`]) is apart from
//! the empty text. [`literal`] reads what Python and JSON write, and runs nothing; [`print`](mod@print) writes as Python does.

mod decimal;
mod expected;
mod instant;
mod json;
mod literal;
mod print;

use std::hash::{Hash, Hasher};

use indexmap::IndexMap;
use num_bigint::BigInt;

pub use decimal::Decimal;
pub use expected::{Expected, Matcher, short};
pub use instant::Instant;
pub use json::{from_json, to_json};
pub use print::escaped;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// Nothing: `None`, `null`, a cell that is NULL.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number of any length.
    Integer(BigInt),
    /// A number with a point, digit by digit.
    Decimal(Decimal),
    /// A text.
    Text(String),
    /// Bytes that are no text.
    Bytes(Vec<u8>),
    /// A date, a time of a wall clock, or an instant.
    Instant(Instant),
    /// Several values.
    List(Vec<Value>),
    /// Keys and values, in their order.
    Map(Map),
}

/// Keys and values, in their order, which does not matter to whether two are equal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Map(pub IndexMap<Value, Value>);

impl Hash for Map {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.len().hash(state);
    }
}

impl Map {
    /// The value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(&Value::from(name))
    }
}

impl Value {
    /// What a text says, where it is a number, `True`, `None`, a list or a map as Python or JSON write them; none where it is
    /// any other text. Nothing is run. `007` is a text, and so is a date.
    #[must_use]
    pub fn literal(text: &str) -> Option<Self> {
        literal::coerced(text)
    }

    /// What a text says ([`Self::literal`]), or the text itself.
    #[must_use]
    pub fn read(text: &str) -> Self {
        Self::literal(text).unwrap_or_else(|| Self::Text(text.to_owned()))
    }

    /// The value that [`Self::repr`] wrote: also a text in quotes, bytes and instants.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        literal::whole(text)
    }

    /// The value as Python's `repr` writes it, so that [`Self::parse`] gives it back.
    #[must_use]
    pub fn repr(&self) -> String {
        print::repr(self)
    }

    /// A map of texts and values.
    #[must_use]
    pub fn map<K: Into<Self>>(members: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Map(Map(members.into_iter().map(|(key, value)| (key.into(), value)).collect()))
    }

    /// The text, where it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The member of this name, where it is a map.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        if let Self::Map(map) = self { map.get(name) } else { None }
    }

    /// What kind of value it is, for people.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Integer(_) => "an integer",
            Self::Decimal(_) => "a decimal",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
            Self::Instant(_) => "a date or time",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// Whether two values are the same to a tester: `'5'` and 5, `'True'` and true, `'None'` and nothing, 1.0 and 1, one instant
    /// in two zones, maps whatever their order. Two texts are the same where they are the same letter for letter, or say the
    /// same list or map: `'1.10'` is not `'1.1'`.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(one), Self::Text(two)) => {
                one == two
                    || matches!((Self::literal(one), Self::literal(two)),
                        (Some(one @ (Self::List(_) | Self::Map(_))), Some(two)) if one.same(&two))
            }
            (Self::Text(text), Self::Instant(instant)) | (Self::Instant(instant), Self::Text(text)) => {
                instant.is_written(text)
            }
            (Self::Text(text), value) | (value, Self::Text(text)) => {
                Self::literal(text).is_some_and(|literal| literal.same(value))
            }
            (Self::List(one), Self::List(two)) => {
                one.len() == two.len() && one.iter().zip(two).all(|(one, two)| one.same(two))
            }
            (Self::Map(one), Self::Map(two)) => {
                let member =
                    |key: &Self| two.0.get(key).or_else(|| two.0.iter().find(|(k, _)| k.same(key)).map(|(_, v)| v));
                one.0.len() == two.0.len()
                    && one.0.iter().all(|(key, value)| member(key).is_some_and(|v| v.same(value)))
            }
            (Self::Instant(one), Self::Instant(two)) => one.same(two),
            _ => match (self.number(), other.number()) {
                (Some(one), Some(two)) => one.same(&two),
                _ => self == other,
            },
        }
    }

    /// Whether something is in this value: a part of a text, an item of a list, a key of a map.
    ///
    /// # Errors
    /// When it is of a kind that holds nothing.
    pub fn contains(&self, part: &Self) -> Result<bool, String> {
        match self {
            Self::List(items) => Ok(items.iter().any(|item| item.same(part))),
            Self::Map(map) => Ok(map.0.keys().any(|key| key.same(part))),
            Self::Text(text) => match Self::literal(text) {
                Some(literal @ (Self::List(_) | Self::Map(_))) => literal.contains(part),
                _ => Ok(text.contains(&part.to_string())),
            },
            other => {
                Err(format!("{} is {}, and holds nothing: give a text, a list or a map", other.repr(), other.kind()))
            }
        }
    }

    /// As a number, where it is one; true is 1, as in Python.
    #[must_use]
    pub fn number(&self) -> Option<Decimal> {
        match self {
            Self::Integer(number) => Some(Decimal::whole(number.clone())),
            Self::Decimal(number) => Some(number.clone()),
            Self::Bool(is) => Some(Decimal::whole(BigInt::from(u8::from(*is)))),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(is: bool) -> Self {
        Self::Bool(is)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Value {
        Value::read(text)
    }

    #[test]
    fn what_a_text_says_is_read_and_everything_else_stays_a_text() {
        for (text, value) in [
            ("5", Value::from(5)),
            (" 5\n", Value::from(5)),
            ("True", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("None", Value::Null),
            ("[1, 'a']", Value::List(vec![1.into(), "a".into()])),
            (r#"{"a": null}"#, Value::map([("a", Value::Null)])),
            ("(1, 2)", Value::List(vec![1.into(), 2.into()])),
        ] {
            assert_eq!(read(text), value, "{text}");
        }
        for text in [
            "",
            "007",
            "1973-12-10",
            "+49123",
            "1_000",
            "os",
            "__import__('os')",
            "[1, x]",
            "'a'",
            "1 + 1",
            "12:30",
            "NaN",
        ] {
            assert_eq!(read(text), Value::from(text), "{text}");
        }
    }

    #[test]
    fn values_are_the_same_as_a_tester_means_it() {
        for (one, two) in [
            (Value::from("5"), Value::from(5)),
            ("True".into(), true.into()),
            (true.into(), 1.into()),
            ("None".into(), Value::Null),
            (read("1.10"), read("1.1")),
            (read("1.0"), 1.into()),
            (read("1e2"), 100.into()),
            ("[1, 2]".into(), read("[1,2]")),
            ("[1,2]".into(), "[1, 2]".into()),
            (read("{'a': 1, 'b': '2'}"), read("{'b': 2, 'a': 1}")),
        ] {
            assert!(one.same(&two) && two.same(&one), "{one:?} {two:?}");
        }
        for (one, two) in [
            (Value::from("007"), Value::from(7)),
            ("".into(), Value::Null),
            ("1.10".into(), "1.1".into()),
            ("a".into(), "b".into()),
            (read("9007199254740993"), read("9007199254740992")),
            (read("0.1000000000000000055511151231257827"), read("0.1")),
            (read("[1]"), read("[1, 1]")),
            (read("{'a': 1}"), read("{'a': 1, 'b': 2}")),
        ] {
            assert!(!one.same(&two) && !two.same(&one), "{one:?} {two:?}");
        }
    }

    #[test]
    fn what_holds_something_is_a_text_a_list_or_a_map() {
        assert_eq!(Value::from("first hello").contains(&"hello".into()), Ok(true));
        assert_eq!(read("['a', 1]").contains(&"1".into()), Ok(true));
        assert_eq!(read("{'a': 1}").contains(&"b".into()), Ok(false));
        let error = Value::from(5).contains(&5.into());
        assert_eq!(error, Err("5 is an integer, and holds nothing: give a text, a list or a map".to_owned()));
    }
}
