//! What a cell is, and what a text says where a column is of a kind.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime};

/// How deep arrays are in one another; PostgreSQL's own limit is 6.
const DEEPEST: usize = 16;

/// A cell of a row, with its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// NULL.
    Null,
    /// True or false.
    Bool(bool),
    /// A number, digit by digit: `-12.50`, `1e+20`.
    Number(String),
    /// A text, and all that has no kind of its own, as the database writes it.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A day.
    Date(NaiveDate),
    /// What a clock on a wall shows.
    Local(NaiveDateTime),
    /// An instant, in the zone that it was told in.
    Instant(DateTime<FixedOffset>),
    /// A JSON text.
    Json(String),
    /// An array.
    List(Vec<Cell>),
}

/// What the cells of a column are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// True or false.
    Bool,
    /// Numbers, of whatever length.
    Number,
    /// Texts, and all that has no kind of its own.
    Text,
    /// Bytes, written as `\x00ff`.
    Bytes,
    /// Days.
    Date,
    /// Times of a wall clock.
    Local,
    /// Instants; one that is written without a zone is UTC.
    Instant,
    /// JSON.
    Json,
    /// Arrays, written as PostgreSQL does, `{1,2}`, or as JSON does, `[1, 2]`.
    List(Box<Kind>),
}

impl Kind {
    /// What a text says in a column of this kind; a text, where it says no such thing.
    #[must_use]
    pub fn cell(&self, text: &str) -> Cell {
        self.read(text).unwrap_or_else(|| Cell::Text(text.to_owned()))
    }

    fn read(&self, text: &str) -> Option<Cell> {
        let word = text.trim();
        match self {
            Self::Text => None,
            Self::Bool => match word.to_ascii_lowercase().as_str() {
                "t" | "true" | "1" => Some(Cell::Bool(true)),
                "f" | "false" | "0" => Some(Cell::Bool(false)),
                _ => None,
            },
            Self::Number => number(word).map(Cell::Number),
            Self::Bytes => match word.strip_prefix("\\x") {
                Some(digits) => bytes(digits).map(Cell::Bytes),
                None => Some(Cell::Bytes(text.as_bytes().to_vec())),
            },
            Self::Date => word.parse().ok().map(Cell::Date),
            Self::Local => local(word).map(Cell::Local).or_else(|| zoned(word).map(Cell::Instant)),
            Self::Instant => zoned(word).or_else(|| Some(local(word)?.and_utc().fixed_offset())).map(Cell::Instant),
            Self::Json => serde_json::from_str::<serde::de::IgnoredAny>(word).ok().map(|_| Cell::Json(text.to_owned())),
            Self::List(kind) if word.starts_with('[') && word.ends_with(']') => {
                let items: Vec<Box<serde_json::value::RawValue>> = serde_json::from_str(word).ok()?;
                items.iter().map(|item| kind.item(item.get())).collect::<Option<_>>().map(Cell::List)
            }
            // Bounds stand before it where they are not the usual ones: `[0:1]={1,2}`.
            Self::List(kind) => {
                let items = word.split_once('=').filter(|(bounds, _)| bounds.starts_with('[')).map_or(word, |of| of.1);
                let mut chars = items.chars().peekable();
                let list = array(&mut chars, kind, 0)?;
                chars.next().is_none().then_some(Cell::List(list))
            }
        }
    }

    /// An item of a JSON list.
    fn item(&self, json: &str) -> Option<Cell> {
        Some(match serde_json::from_str(json).ok()? {
            serde_json::Value::Null => Cell::Null,
            serde_json::Value::String(text) => self.cell(&text),
            serde_json::Value::Array(_) => Self::List(Box::new(self.clone())).cell(json),
            _ => self.cell(json),
        })
    }
}

/// A number without what says nothing: `+`, and zeros in front.
fn number(word: &str) -> Option<String> {
    let (sign, digits) = match word.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", word.strip_prefix('+').unwrap_or(word)),
    };
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = is_digits(whole)
        && is_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.parse::<i32>().is_ok();
    if !is_number {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let rest = &digits[mantissa.find('.').unwrap_or(mantissa.len())..];
    Some(format!("{sign}{whole}{rest}"))
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    if !digits.is_ascii() || !digits.len().is_multiple_of(2) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

/// A time without a zone; a day alone is its beginning.
pub(super) fn local(text: &str) -> Option<NaiveDateTime> {
    let formats = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"];
    let time = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    time.or_else(|| text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0))
}

/// A time with its zone: `2026-11-28 10:00:00.5+05:30`, `2026-11-28T10:00:00Z`.
pub(super) fn zoned(text: &str) -> Option<DateTime<FixedOffset>> {
    let at = text.get(10..)?.find(['+', '-', 'Z', 'z'])? + 10;
    let (time, zone) = (text[..at].trim_end(), &text[at..]);
    let seconds = match zone {
        "Z" | "z" => 0,
        _ => {
            let sign = if zone.starts_with('-') { -1 } else { 1 };
            let digits: Vec<&str> = match zone[1..].split(':').collect::<Vec<_>>()[..] {
                [both] if both.len() == 4 && both.is_ascii() => vec![&both[..2], &both[2..]],
                ref parts => parts.to_vec(),
            };
            let mut seconds = 0;
            for (part, of) in digits.iter().zip([3600, 60, 1]) {
                seconds += part.parse::<u16>().ok().map(i32::from)? * of;
            }
            sign * seconds
        }
    };
    local(time)?.and_local_timezone(FixedOffset::east_opt(seconds)?).single()
}

/// An array as PostgreSQL writes it: `{1,NULL,"a \"b\""}`, also of arrays.
fn array(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, kind: &Kind, depth: usize) -> Option<Vec<Cell>> {
    if chars.next() != Some('{') || depth > DEEPEST {
        return None;
    }
    let mut items = Vec::new();
    if chars.next_if_eq(&'}').is_some() {
        return Some(items);
    }
    loop {
        items.push(match chars.peek()? {
            '{' => Cell::List(array(chars, kind, depth + 1)?),
            '"' => {
                chars.next();
                let mut text = String::new();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => text.push(chars.next()?),
                        c => text.push(c),
                    }
                }
                kind.cell(&text)
            }
            _ => {
                let mut text = String::new();
                while let Some(c) = chars.next_if(|c| !matches!(c, ',' | '}')) {
                    text.push(c);
                }
                if text == "NULL" { Cell::Null } else { kind.cell(&text) }
            }
        });
        match chars.next()? {
            ',' => {}
            '}' => return Some(items),
            _ => return None,
        }
    }
}

/// A JSON list as an array of PostgreSQL; any other text as it is.
pub(super) fn as_array(text: &str) -> String {
    fn written(value: &serde_json::Value) -> String {
        match value {
            serde_json::Value::Null => "NULL".to_owned(),
            serde_json::Value::Array(items) => {
                format!("{{{}}}", items.iter().map(written).collect::<Vec<_>>().join(","))
            }
            serde_json::Value::String(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
            other => format!("\"{}\"", other.to_string().replace('\\', "\\\\").replace('"', "\\\"")),
        }
    }
    if !text.trim_start().starts_with('[') {
        return text.to_owned();
    }
    // Numbers keep their digits: they are quoted as they are written.
    let items: Result<Vec<Box<serde_json::value::RawValue>>, _> = serde_json::from_str(text);
    let Ok(items) = items else { return text.to_owned() };
    let item = |item: &serde_json::value::RawValue| match serde_json::from_str(item.get()) {
        Ok(serde_json::Value::Number(_)) | Err(_) => item.get().to_owned(),
        Ok(value) => written(&value),
    };
    format!("{{{}}}", items.iter().map(|one| item(one)).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Cell {
        Cell::Number(text.to_owned())
    }

    #[test]
    fn a_text_says_what_its_column_is() {
        let numbers = Kind::List(Box::new(Kind::Number));
        let texts = Kind::List(Box::new(Kind::Text));
        let text = |text: &str| Cell::Text(text.to_owned());
        let at = |text: &str| Cell::Instant(DateTime::parse_from_rfc3339(text).expect(text));
        for (kind, said, cell) in [
            (&Kind::Bool, "false", Cell::Bool(false)),
            (&Kind::Bool, "perhaps", text("perhaps")),
            (&Kind::Number, "123456789012345678901234567890.10", number("123456789012345678901234567890.10")),
            (&Kind::Number, "-007", number("-7")),
            (&Kind::Number, "1e+20", number("1e+20")),
            (&Kind::Number, "NaN", text("NaN")),
            (&Kind::Text, "007", text("007")),
            (&Kind::Bytes, "\\x00fF", Cell::Bytes(vec![0, 255])),
            (&Kind::Bytes, "ab", Cell::Bytes(b"ab".to_vec())),
            (&Kind::Date, "2026-11-28", Cell::Date(NaiveDate::from_ymd_opt(2026, 11, 28).expect("a day"))),
            (&Kind::Instant, "2026-11-28 10:00:00+05:30", at("2026-11-28T10:00:00+05:30")),
            (&Kind::Instant, "2026-11-28 10:00:00.5-01", at("2026-11-28T10:00:00.5-01:00")),
            (&Kind::Instant, "2026-11-28 10:00:00", at("2026-11-28T10:00:00Z")),
            (&Kind::Instant, "infinity", text("infinity")),
            (&Kind::Json, "{\"a\": 1}", Cell::Json("{\"a\": 1}".to_owned())),
            (&numbers, "{1,NULL,{2}}", Cell::List(vec![number("1"), Cell::Null, Cell::List(vec![number("2")])])),
            (&numbers, "[1, null]", Cell::List(vec![number("1"), Cell::Null])),
            (&numbers, "[0:1]={1,2}", Cell::List(vec![number("1"), number("2")])),
            (&texts, r#"{"a \"b\"","NULL",c}"#, Cell::List(vec![text("a \"b\""), text("NULL"), text("c")])),
            (&texts, "{a", text("{a")),
        ] {
            assert_eq!(kind.cell(said), cell, "{kind:?} {said}");
        }
        assert_eq!(as_array(r#"[1.10, null, "a,\"b"]"#), r#"{1.10,NULL,"a,\"b"}"#);
        assert_eq!(as_array("{1,2}"), "{1,2}");
    }

    proptest! {
        #[test]
        fn any_text_is_a_cell_of_any_kind(text in "\\PC{0,12}|[-+:TZ0-9. ]{8,30}|[\\[{},\"\\\\]{0,9}") {
            use Kind::{Bool, Bytes, Date, Instant, Json, Local, Number};
            for kind in [Bool, Number, Bytes, Date, Local, Instant, Json] {
                let _ = kind.cell(&text);
                let _ = Kind::List(Box::new(kind)).cell(&text);
            }
            as_array(&text);
        }
    }
}
