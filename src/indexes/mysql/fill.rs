//! How much of an `InnoDB` index is empty: so many rows of such a width need so many pages, and more is waste.
//!
//! How wide a row is is known exactly where its columns have fixed widths, and on average where `MariaDB` has counted it (`ANALYZE TABLE …
//! PERSISTENT FOR ALL`). Where neither holds, an estimate would lie: there it is said to be unknown. How rows are laid out is in the
//! manual, "`InnoDB` Row Formats"; what is said here is rather too much than too little, so that what is called empty is.

use crate::indexes::index::Waste;

/// A column.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Column {
    /// `int`, `varchar`.
    pub kind: String,
    /// How many characters it may have, where it has characters.
    pub characters: Option<u64>,
    /// How many bytes these may be.
    pub octets: Option<u64>,
    /// Digits in all, and behind the point.
    pub digits: (u64, u64),
    /// Digits of a fraction of a second.
    pub fraction: u64,
    /// Whether it may be NULL.
    pub is_nullable: bool,
    /// Whether it is computed whenever it is read, and not stored with the row.
    pub is_virtual: bool,
    /// How many bytes it has on average, where somebody counted.
    pub average: Option<f64>,
}

/// How many bytes a column has in an entry that holds so many of its characters, or all; none where that is not known.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "the width of a column")]
pub fn width(column: &Column, prefix: Option<u64>) -> Option<f64> {
    let half = |digits: u64| digits.div_ceil(2);
    let fixed = match column.kind.as_str() {
        "tinyint" | "year" => 1,
        // Of an enum more than 255 values need a second byte.
        "smallint" | "enum" => 2,
        "mediumint" | "date" => 3,
        "int" | "float" | "inet4" => 4,
        // A set of many has as many bytes as an integer.
        "bigint" | "double" | "set" => 8,
        "time" => 3 + half(column.fraction),
        "timestamp" => 4 + half(column.fraction),
        "datetime" => 5 + half(column.fraction),
        "decimal" => {
            let part = |digits: u64| digits / 9 * 4 + half(digits % 9);
            part(column.digits.0.saturating_sub(column.digits.1)) + part(column.digits.1)
        }
        "bit" => column.digits.0.div_ceil(8),
        "uuid" | "inet6" => 16,
        // One byte a character.
        "char" if column.octets == column.characters => prefix.or(column.octets)?,
        "binary" => prefix.or(column.octets)?,
        _ => {
            // With what says how long it is.
            let length = if column.octets.unwrap_or(0) > 255 { 2.0 } else { 1.0 };
            let average = column.average?;
            // What is longer than this may lie on pages of its own.
            let is_apart = average > 700.0 || column.kind.ends_with("blob") || column.kind.ends_with("text");
            return match prefix {
                Some(prefix) => Some(average.min(prefix as f64 * 4.0) + length),
                None => (!is_apart).then_some(average + length),
            };
        }
    };
    Some(fixed as f64)
}

/// What is known of an index.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own")]
pub struct Facts {
    /// Whether it is a B-tree.
    pub is_tree: bool,
    /// Whether its pages are compressed.
    pub is_compressed: bool,
    /// Its size in bytes.
    pub size: f64,
    /// Of a page, in bytes.
    pub page: f64,
    /// How many rows its table has; none where nobody counted.
    pub rows: Option<f64>,
    /// Whether rows were changed since, and are not counted again by themselves.
    pub is_stale: bool,
    /// What its columns need, an entry; none where that is not known.
    pub width: Option<f64>,
    /// How many of them may be NULL.
    pub nullable: f64,
    /// Whether it is the table itself, whose rows carry what transactions need.
    pub is_clustered: bool,
    /// In how many partitions it lies.
    pub parts: f64,
    /// Bytes of the table's file that are free, where it is the table itself.
    pub free: u64,
}

/// The server makes a file larger by four extents at a time, and keeps some beside: what is free normally.
const SPARE: u64 = 8 * 1024 * 1024;

/// Estimates the waste.
#[must_use]
pub fn estimate(facts: &Facts) -> Waste {
    let free = facts.free.saturating_sub(SPARE);
    let why = if !facts.is_tree {
        "not a B-tree"
    } else if facts.is_compressed {
        "its pages are compressed"
    } else if facts.is_stale {
        "statistics are not kept up to date: ANALYZE TABLE it"
    } else {
        match (facts.rows, facts.width) {
            (Some(rows), Some(width)) if facts.size > 0.0 => {
                let empty = (facts.size - needed(facts, rows, width)).max(0.0);
                return Waste::Estimated(whole(empty) + free);
            }
            (_, None) => "how wide its columns are was not counted: ANALYZE TABLE … PERSISTENT FOR ALL, on MariaDB",
            _ => "the table has no statistics: ANALYZE TABLE it",
        }
    };
    if free > 0 { Waste::Free(free) } else { Waste::Unknown(why) }
}

/// How many bytes it would have were it new.
fn needed(facts: &Facts, rows: f64, width: f64) -> f64 {
    // Its header, which of its columns are NULL, the numbers of the transaction and of its undo, and its part of the page's directory.
    let entry = 5.0 + (facts.nullable / 8.0).ceil() + width + if facts.is_clustered { 13.0 } else { 0.0 } + 0.5;
    // Without what a page needs itself, and what a new one keeps free.
    let room = (facts.page - 128.0) * 15.0 / 16.0;
    let leaves = (rows / (room / entry).floor().max(1.0)).ceil();
    // An eighth of an index's extents may be empty, and the last of its two segments: 1 MiB. A small one has single pages.
    let spare = if leaves / facts.parts.max(1.0) < 32.0 { 0.0 } else { leaves / 7.0 + 64.0 * facts.parts.max(1.0) };
    let above = (leaves / (room / entry).floor().max(2.0)).ceil() + facts.parts.max(1.0);
    (leaves + above + spare) * facts.page
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the number of bytes of a file")]
fn whole(bytes: f64) -> u64 {
    bytes.max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAGE: f64 = 16384.0;

    /// A new index on an integer, of 300,000 rows whose key is one: 353 pages on `MariaDB` 10.11.
    fn new() -> Facts {
        Facts {
            is_tree: true,
            size: 353.0 * PAGE,
            page: PAGE,
            rows: Some(3e5),
            width: Some(8.0),
            nullable: 1.0,
            parts: 1.0,
            ..Facts::default()
        }
    }

    #[test]
    fn a_new_index_has_nothing_empty_and_a_bloated_one_what_it_is_larger() {
        assert_eq!(estimate(&new()), Waste::Estimated(0));
        let thrice = Facts { size: 3.0 * 353.0 * PAGE, ..new() };
        let bytes = estimate(&thrice).bytes().expect("an estimate");
        assert!((50..67).contains(&(bytes * 100 / whole(thrice.size))), "{bytes}");
        // After a deletion of nine of ten rows: 133 pages, of which 13 are needed.
        let small = Facts { size: 133.0 * PAGE, rows: Some(1e4), ..new() };
        assert!(estimate(&small).bytes() > Some(110 * 16384), "{:?}", estimate(&small));
    }

    #[test]
    fn where_an_estimate_would_lie_there_is_none() {
        for (facts, why) in [
            (Facts { is_tree: false, ..new() }, "not a B-tree"),
            (Facts { is_compressed: true, ..new() }, "its pages are compressed"),
            (Facts { is_stale: true, ..new() }, "statistics are not kept up to date: ANALYZE TABLE it"),
            (Facts { rows: None, ..new() }, "the table has no statistics: ANALYZE TABLE it"),
            (
                Facts { width: None, ..new() },
                "how wide its columns are was not counted: ANALYZE TABLE … PERSISTENT FOR ALL, on MariaDB",
            ),
        ] {
            assert_eq!(estimate(&facts), Waste::Unknown(why));
            let free = Facts { free: SPARE + 1, ..facts };
            assert_eq!(estimate(&free), Waste::Free(1), "that is known nevertheless");
        }
    }

    #[test]
    fn a_column_is_as_wide_as_its_kind_or_as_was_counted() {
        let of = |kind: &str| Column { kind: kind.to_owned(), ..Column::default() };
        let letters =
            |kind: &str, characters, octets| Column { characters: Some(characters), octets: Some(octets), ..of(kind) };
        for (column, prefix, bytes) in [
            (of("bigint"), None, Some(8.0)),
            (Column { fraction: 6, ..of("datetime") }, None, Some(8.0)),
            (Column { digits: (14, 4), ..of("decimal") }, None, Some(7.0)),
            (letters("char", 10, 10), None, Some(10.0)),
            (letters("char", 10, 40), None, None),
            (letters("binary", 16, 16), Some(4), Some(4.0)),
            (letters("varchar", 100, 400), None, None),
            (Column { average: Some(30.0), ..letters("varchar", 100, 400) }, None, Some(32.0)),
            (Column { average: Some(30.0), ..letters("varchar", 100, 400) }, Some(5), Some(22.0)),
            (Column { average: Some(30.0), ..letters("text", 65535, 65535) }, None, None),
            (of("geometry"), None, None),
        ] {
            assert_eq!(width(&column, prefix), bytes, "{column:?}");
        }
    }

    proptest! {
        #[test]
        fn no_more_is_empty_than_there_is(pages in 1u32..1_000_000, rows in 0u32..100_000_000, width in 1u32..4000, free in 0u64..1 << 40) {
            let facts = Facts {
                size: f64::from(pages) * PAGE, rows: Some(f64::from(rows)), width: Some(f64::from(width)), free, ..new()
            };
            if let Some(bytes) = estimate(&facts).bytes() {
                prop_assert!(bytes <= whole(facts.size) + free);
            }
        }
    }
}
