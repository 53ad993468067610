//! Which row that is, is which one that should be.

use std::fmt::Write as _;

use super::compare::Wanted;
use crate::pipeline::value::{Expected, Instant, Value};

/// Whether a row that should be can be rows that have nothing in common: where a cell is a matcher.
pub(super) fn is_loose(cells: &[Expected]) -> bool {
    cells.iter().any(|cell| !matches!(cell, Expected::Value(_)))
}

/// What rows have in common that can be the same. Rows of one key need not be the same; those of two never are.
pub(super) fn key<'a>(cells: impl Iterator<Item = &'a Value>) -> String {
    let mut written = String::new();
    for cell in cells {
        common(cell, &mut written);
        written.push('\u{1f}');
    }
    written
}

fn common(value: &Value, written: &mut String) {
    match value {
        Value::Text(text) => match Value::literal(text) {
            Some(literal) => common(&literal, written),
            None => match Instant::read(text) {
                Some(instant) => common(&Value::Instant(instant), written),
                None => written.push_str(text),
            },
        },
        Value::Bool(_) | Value::Integer(_) | Value::Decimal(_) => {
            written.extend(value.number().map(|number| number.shortly()));
        }
        Value::Instant(Instant::Zoned(at)) => {
            let _ = write!(written, "{}", at.to_utc());
        }
        // The order of keys does not matter, nor whether they are texts: their number is enough.
        Value::Map(map) => {
            let _ = write!(written, "map {}", map.0.len());
        }
        Value::List(items) => {
            let _ = write!(written, "list {}", items.len());
        }
        Value::Null | Value::Bytes(_) | Value::Instant(_) => {
            let _ = write!(written, "{value}");
        }
    }
}

/// For each row the one that it is: as many as possible, also where one that should be could be several.
pub(super) fn matched(wanted: &[&Wanted], rows: &[Vec<Value>]) -> Vec<Option<usize>> {
    let mut of_row = vec![None; rows.len()];
    for at in 0..wanted.len() {
        let mut seen = vec![false; rows.len()];
        place(at, wanted, rows, &mut of_row, &mut seen);
    }
    of_row
}

/// Finds a row for one that should be, moving others where they can be something else.
fn place(at: usize, wanted: &[&Wanted], rows: &[Vec<Value>], of_row: &mut [Option<usize>], seen: &mut [bool]) -> bool {
    for row in 0..rows.len() {
        if seen[row] || !wanted[at].fits(&rows[row]) {
            continue;
        }
        seen[row] = true;
        let is_free = match of_row[row] {
            None => true,
            Some(other) => place(other, wanted, rows, of_row, seen),
        };
        if is_free {
            of_row[row] = Some(at);
            return true;
        }
    }
    false
}
