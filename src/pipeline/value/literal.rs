//! What Python and JSON write for plain values, read as data: there is no name, no call and no operator in it, so nothing is run.

use indexmap::IndexMap;
use num_bigint::BigInt;

use super::{Decimal, Instant, Map, Value};

/// How deep lists and maps may be nested.
const DEEPEST: usize = 100;

/// A number, a switch, nothing, a list or a map: what a text in a test is taken for. A text in quotes stays as it is.
pub(super) fn coerced(text: &str) -> Option<Value> {
    let trimmed = text.trim();
    let first = *trimmed.as_bytes().first()?;
    let may_be = first.is_ascii_digit() || b"-.[{(TFNtfn".contains(&first);
    whole(trimmed).filter(|value| may_be && !matches!(value, Value::Text(_) | Value::Bytes(_) | Value::Instant(_)))
}

/// The one value that a text is.
pub(super) fn whole(text: &str) -> Option<Value> {
    let mut reader = Reader { rest: text, depth: 0 };
    reader.space();
    let value = reader.value()?;
    reader.space();
    reader.rest.is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl Reader<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, word: &str) -> bool {
        self.rest.strip_prefix(word).map(|rest| self.rest = rest).is_some()
    }

    fn value(&mut self) -> Option<Value> {
        let first = self.rest.chars().next()?;
        match first {
            '[' => self.list(']').map(|(items, _)| Value::List(items)),
            // One value in parentheses is that value; with a comma it is a tuple, and so are none.
            '(' => self.list(')').map(|(mut items, comma)| match items.len() {
                1 if !comma => items.remove(0),
                _ => Value::List(items),
            }),
            '{' => self.map(),
            '\'' | '"' => self.text().map(Value::Text),
            'b' if self.rest[1..].starts_with(['\'', '"']) => {
                self.rest = &self.rest[1..];
                // Each character of it is a byte.
                let bytes = self.text()?.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect::<Option<_>>()?;
                Some(Value::Bytes(bytes))
            }
            'd' => {
                let (instant, length) = Instant::parse(self.rest)?;
                self.rest = &self.rest[length..];
                Some(Value::Instant(instant))
            }
            '-' | '.' | '0'..='9' => self.number(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Option<Value> {
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word {
            "True" | "true" => Some(Value::Bool(true)),
            "False" | "false" => Some(Value::Bool(false)),
            "None" | "null" => Some(Value::Null),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<Value> {
        let is_part = |at: usize, c: char| {
            c.is_ascii_digit()
                || matches!(c, '.' | 'e' | 'E')
                || (matches!(c, '-' | '+') && (at == 0 || self.rest[..at].ends_with(['e', 'E'])))
        };
        let end = self.rest.char_indices().find(|(at, c)| !is_part(*at, *c)).map_or(self.rest.len(), |(at, _)| at);
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        let digits = number.strip_prefix('-').unwrap_or(number);
        if digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let has_zeros = digits.len() > 1 && digits.starts_with('0');
            return number.parse::<BigInt>().ok().filter(|_| !has_zeros).map(Value::Integer);
        }
        Decimal::parse(number).map(Value::Decimal)
    }

    /// The items up to a bracket, and whether a comma stood behind the last.
    fn list(&mut self, end: char) -> Option<(Vec<Value>, bool)> {
        self.enter()?;
        let (mut items, mut comma) = (Vec::new(), false);
        loop {
            self.space();
            if self.rest.starts_with(end) {
                break;
            }
            if !items.is_empty() && !comma {
                return None;
            }
            items.push(self.value()?);
            self.space();
            comma = self.eat(",");
        }
        self.rest = &self.rest[1..];
        self.depth -= 1;
        Some((items, comma))
    }

    fn map(&mut self) -> Option<Value> {
        self.enter()?;
        let (mut members, mut comma) = (IndexMap::new(), true);
        loop {
            self.space();
            if self.eat("}") {
                break;
            }
            if !comma {
                return None;
            }
            let key = self.value()?;
            self.space();
            self.eat(":").then_some(())?;
            self.space();
            let value = self.value()?;
            members.insert(key, value);
            self.space();
            comma = self.eat(",");
        }
        self.depth -= 1;
        Some(Value::Map(Map(members)))
    }

    fn enter(&mut self) -> Option<()> {
        self.rest = &self.rest[1..];
        self.depth += 1;
        (self.depth <= DEEPEST).then_some(())
    }

    fn text(&mut self) -> Option<String> {
        let quote = self.rest.chars().next()?;
        let mut text = String::new();
        let mut chars = self.rest[1..].char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.rest = &self.rest[1 + at + 1..];
                    return Some(text);
                }
                '\\' => {
                    let (at, escape) = chars.next()?;
                    let after = &self.rest[1 + at + escape.len_utf8()..];
                    let (character, length) = escaped(escape, after)?;
                    text.extend(character);
                    for _ in 0..length {
                        chars.next();
                    }
                }
                c => text.push(c),
            }
        }
        None
    }
}

/// What an escape stands for, and how many characters behind its letter belong to it.
fn escaped(escape: char, after: &str) -> Option<(Option<char>, usize)> {
    let hex = |from: usize, digits: usize| {
        let text = after.get(from..from + digits).filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        u32::from_str_radix(text, 16).ok()
    };
    let plain = |c| Some((Some(c), 0));
    match escape {
        'n' => plain('\n'),
        't' => plain('\t'),
        'r' => plain('\r'),
        'b' => plain('\u{8}'),
        'f' => plain('\u{c}'),
        '0' => plain('\0'),
        '\\' | '\'' | '"' | '/' => plain(escape),
        '\n' => Some((None, 0)),
        'x' => Some((Some(char::from_u32(hex(0, 2)?)?), 2)),
        'U' => Some((Some(char::from_u32(hex(0, 8)?)?), 8)),
        'u' => {
            let high = hex(0, 4)?;
            // JSON writes what is beyond 16 bits in two halves.
            if (0xD800..0xDC00).contains(&high) && after.get(4..6) == Some("\\u") {
                let low = hex(6, 4).filter(|low| (0xDC00..0xE000).contains(low))?;
                return Some((Some(char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))?), 10));
            }
            Some((Some(char::from_u32(high)?), 4))
        }
        _ => None,
    }
}
