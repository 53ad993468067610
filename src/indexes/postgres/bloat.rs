//! How much of a B-tree is empty, from what the planner's statistics say of its rows, or from what pgstattuple has read.
//!
//! The estimate is the well-known one: so many entries of such a width need so many pages. It is nonsense where the statistics do not
//! speak of the index's own rows (partial, expression), where they are old or missing, and where equal entries are stored once
//! (since PostgreSQL 13): there it is said to be unknown.

use crate::indexes::index::Waste;

/// What is known of a B-tree.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// `btree`, or another method.
    pub method: String,
    /// Its size in bytes.
    pub size: f64,
    /// Of a page, in bytes.
    pub page: f64,
    /// How many entries it has; below zero where nobody has counted.
    pub entries: f64,
    /// How full its pages are made, in percent.
    pub fill: f64,
    /// Whether it holds only some rows.
    pub is_partial: bool,
    /// Whether it is on an expression.
    pub is_expression: bool,
    /// How many columns it has, and of how many the statistics know.
    pub columns: (i64, i64),
    /// How wide an entry is on average, without its header.
    pub width: f64,
    /// Whether some entry has a NULL.
    pub has_nulls: bool,
    /// Which part of the table's rows was changed since the statistics were made.
    pub changed: f64,
}

/// Estimates the waste.
#[must_use]
pub fn estimate(facts: &Facts) -> Waste {
    let why = if facts.method != "btree" {
        "not a B-tree"
    } else if facts.is_partial {
        "a partial index has no statistics of its own"
    } else if facts.is_expression {
        "statistics do not tell how wide an expression is"
    } else if facts.entries < 0.0 || facts.columns.0 != facts.columns.1 {
        "the table was never analysed: ANALYZE it"
    } else if facts.changed > 0.2 {
        "a fifth of the table changed since it was analysed: ANALYZE it"
    } else {
        let needed = needed(facts);
        if needed <= facts.size {
            return Waste::Estimated(whole(facts.size - needed));
        }
        // The page of the root and a page more or less say nothing of a small one.
        if needed - facts.size <= 2.0 * facts.page {
            return Waste::Estimated(0);
        }
        "equal entries are stored once"
    };
    Waste::Unknown(why)
}

/// How many bytes it would have were it new.
fn needed(facts: &Facts) -> f64 {
    const ALIGNED: f64 = 8.0;
    // The header of an entry, with the map of its NULLs.
    let header = if facts.has_nulls { 12.0 } else { 8.0 };
    let aligned = |bytes: f64| (bytes / ALIGNED).ceil() * ALIGNED;
    // With its pointer from the head of the page.
    let entry = aligned(header) + aligned(facts.width) + 4.0;
    // Without the page's own header, and what a B-tree keeps at its end.
    let room = (facts.page - 24.0 - 16.0) * facts.fill / 100.0;
    let leaves = (facts.entries / (room / entry).floor().max(1.0)).ceil();
    // Above the leaves are pages that point to them; and the first page of all.
    let above = (leaves / (room / entry).floor().max(2.0)).ceil();
    (leaves + above + 1.0) * facts.page
}

/// What pgstattuple's `pgstatindex` says of a B-tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Pages that have entries.
    pub leaves: f64,
    /// How full these are on average, in percent; no number where there are none.
    pub density: f64,
    /// Pages that have none any more, or were given up.
    pub empty: f64,
}

/// What is empty by that.
#[must_use]
pub fn measured(measured: Measured, page: f64, fill: f64) -> Waste {
    let density = if measured.density.is_finite() { measured.density } else { fill };
    let leaves = measured.leaves * (1.0 - (density / fill).min(1.0));
    Waste::Measured(whole((leaves + measured.empty) * page))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the number of bytes of a file")]
fn whole(bytes: f64) -> u64 {
    bytes.max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A new index of a million integers: 2,745 pages of 8 KiB on PostgreSQL 15.
    fn new() -> Facts {
        Facts {
            method: "btree".to_owned(),
            size: 2745.0 * 8192.0,
            page: 8192.0,
            entries: 1e6,
            fill: 90.0,
            columns: (1, 1),
            width: 4.0,
            ..Facts::default()
        }
    }

    #[test]
    fn a_new_index_has_next_to_nothing_empty_and_a_bloated_one_what_it_is_larger() {
        let percent = |facts: &Facts| estimate(facts).bytes().map(|bytes| bytes * 100 / whole(facts.size));
        assert_eq!(percent(&new()), Some(0));
        let twice = Facts { size: 2.0 * 2745.0 * 8192.0, ..new() };
        assert_eq!(percent(&twice), Some(50), "{:?}", estimate(&twice));
    }

    #[test]
    fn where_an_estimate_would_lie_there_is_none() {
        for (facts, why) in [
            (Facts { method: "gin".to_owned(), ..new() }, "not a B-tree"),
            (Facts { is_partial: true, ..new() }, "a partial index has no statistics of its own"),
            (Facts { is_expression: true, ..new() }, "statistics do not tell how wide an expression is"),
            (Facts { entries: -1.0, ..new() }, "the table was never analysed: ANALYZE it"),
            (Facts { columns: (2, 1), ..new() }, "the table was never analysed: ANALYZE it"),
            (Facts { changed: 0.5, ..new() }, "a fifth of the table changed since it was analysed: ANALYZE it"),
            (Facts { size: 900.0 * 8192.0, ..new() }, "equal entries are stored once"),
        ] {
            assert_eq!(estimate(&facts), Waste::Unknown(why));
        }
    }

    #[test]
    fn what_was_measured_counts_empty_pages_and_half_full_ones() {
        let of = |leaves, density, empty| measured(Measured { leaves, density, empty }, 8192.0, 90.0);
        assert_eq!(of(100.0, 45.0, 10.0), Waste::Measured(60 * 8192));
        assert_eq!(of(100.0, 95.0, 0.0), Waste::Measured(0));
        assert_eq!(of(0.0, f64::NAN, 3.0), Waste::Measured(3 * 8192));
    }

    proptest! {
        #[test]
        fn no_more_is_empty_than_there_is(pages in 1u32..1_000_000, entries in 0u32..100_000_000, width in 1u32..2000, fill in 10u32..=100) {
            let facts = Facts {
                size: f64::from(pages) * 8192.0, entries: f64::from(entries), width: f64::from(width), fill: f64::from(fill), ..new()
            };
            if let Some(bytes) = estimate(&facts).bytes() {
                prop_assert!(bytes <= whole(facts.size));
            }
        }
    }
}
