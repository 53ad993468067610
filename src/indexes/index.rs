//! What is known of an index.

use std::fmt;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// What may be wrong with an index so that `run` does something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// What a rebuild that failed has left behind.
    Leftover,
    /// The server does not use it for queries, but keeps it up to date: each write pays for it.
    Invalid,
    /// Much of it is empty.
    Bloated,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Leftover, Self::Invalid, Self::Bloated];

    /// Its name on the command line and in the report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Leftover => "leftover",
            Self::Invalid => "invalid",
            Self::Bloated => "bloated",
        }
    }
}

/// How much of an index is empty, and how that was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waste {
    /// Measured: the whole index was read, by pgstattuple.
    Measured(u64),
    /// Whole extents of the table's file that hold nothing, in bytes; what is empty within its pages is not known.
    Free(u64),
    /// Estimated from the planner's statistics: bytes.
    Estimated(u64),
    /// Not known, and why.
    Unknown(&'static str),
}

impl Waste {
    /// In bytes; none where it is not known.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        match self {
            Self::Measured(bytes) | Self::Free(bytes) | Self::Estimated(bytes) => Some(*bytes),
            Self::Unknown(_) => None,
        }
    }
}

impl fmt::Display for Waste {
    /// How it was found out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measured(_) => f.write_str("measured by pgstattuple"),
            Self::Free(_) => f.write_str("free in the table's file; what its pages have empty is unknown"),
            Self::Estimated(_) => f.write_str("estimated from statistics"),
            Self::Unknown(why) => write!(f, "unknown: {why}"),
        }
    }
}

/// What an index is on, in the server's own terms: two that are equal do the same work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Definition {
    /// Its access method: `btree`.
    pub method: String,
    /// What it sorts by, each column or expression with its operator class, collation and order.
    pub keys: Vec<String>,
    /// Columns that it only carries.
    pub carried: Vec<String>,
    /// Which rows it holds; empty for all.
    pub predicate: String,
}

/// An index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own, as the server knows it")]
pub struct Index {
    /// How the server identifies it.
    pub id: u32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Whether that is a name among those of its table alone, as `MariaDB` has it: each table may have an index of that name.
    pub is_named_in_table: bool,
    /// Its table, with its schema: `shop.orders`.
    pub table: String,
    /// How the server identifies its table.
    pub table_id: u32,
    /// In bytes.
    pub size: u64,
    /// How many bytes its rebuild needs beside what there is.
    pub room: u64,
    /// How much of its size is empty.
    pub waste: Option<Waste>,
    /// Whether queries use it.
    pub is_valid: bool,
    /// Whether it keeps rows apart; this is never changed.
    pub is_unique: bool,
    /// Whether a constraint, or replication, stands on it.
    pub is_needed: bool,
    /// Whether it is a partitioned index, which only stands for those of the partitions.
    pub is_partitioned: bool,
    /// The index of the partitioned table that it is a part of.
    pub parent: Option<u32>,
    /// What it is on.
    pub definition: Definition,
    /// How often it was used since the statistics began to count; none where the server does not count.
    pub scans: Option<u64>,
    /// The index that it is a failed rebuild of, where it is one and nobody works on it.
    pub leftover_of: Option<String>,
    /// Why it cannot be rebuilt without blocking writers.
    pub obstacle: Option<String>,
    /// Whether a session builds it just now.
    pub is_being_built: bool,
}

impl Index {
    /// `shop.orders_day`; `shop.orders.PRIMARY` where a name is one of its table alone.
    #[must_use]
    pub fn full_name(&self) -> String {
        let of = if self.is_named_in_table { &self.table } else { &self.schema };
        format!("{of}.{}", self.name)
    }

    /// Whether somebody who says this means it: its name, alone, with that of its schema, or with those of its table.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        let full = self.full_name();
        let in_schema = full.strip_prefix(&self.schema).and_then(|rest| rest.strip_prefix('.'));
        [Some(full.as_str()), in_schema, Some(&self.name)].contains(&Some(name))
    }

    /// Which part of it is empty, in percent; none where that is not known.
    #[must_use]
    pub fn wasted(&self) -> Option<u64> {
        let bytes = self.waste.as_ref()?.bytes()?;
        Some(bytes.saturating_mul(100).checked_div(self.size).unwrap_or(0))
    }

    /// What is wrong with it; `min_waste` is the percentage from which it counts as bloated.
    #[must_use]
    pub fn kind(&self, min_waste: u64) -> Option<Kind> {
        let is_bloated = || {
            let wasted = self.waste.as_ref().and_then(Waste::bytes).unwrap_or(0);
            wasted >= WORTH_IT && self.wasted().is_some_and(|percent| percent >= min_waste)
        };
        if self.is_being_built {
            None
        } else if self.leftover_of.is_some() {
            Some(Kind::Leftover)
        } else if !self.is_valid {
            Some(Kind::Invalid)
        } else {
            is_bloated().then_some(Kind::Bloated)
        }
    }

    /// Whether nothing would be missed but the time of queries, as far as this server has counted.
    #[must_use]
    pub fn is_unused(&self) -> bool {
        self.scans == Some(0) && self.is_valid && !self.is_unique && !self.is_needed && !self.is_partitioned
    }

    /// As the report has it.
    #[must_use]
    pub fn told(&self, min_waste: u64) -> Value {
        let waste = self.waste.as_ref();
        json!({
            "index": self.full_name(), "table": self.table, "size": self.size,
            "waste": waste.and_then(Waste::bytes), "how": waste.map(ToString::to_string),
            "kind": self.kind(min_waste).map(Kind::name), "valid": self.is_valid, "unique": self.is_unique,
            "scans": self.scans, "leftover_of": self.leftover_of, "obstacle": self.obstacle,
        })
    }
}

/// What is empty in less than this is not worth a rebuild.
const WORTH_IT: u64 = 1024 * 1024;

/// Who or what stands in the way of a rebuild.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// `session 4711 (ann, psql, idle in transaction for 12 min)`.
    pub who: String,
    /// What to do about it.
    pub way_out: String,
    /// Whether a rebuild would not come to its end meanwhile; otherwise it is only good to know.
    pub stops: bool,
}

/// What was seen in a database.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Its indexes.
    pub indexes: Vec<Index>,
    /// Since when it counts how often they are used; none for always.
    pub counted_since: Option<DateTime<Utc>>,
    /// Why it does not count that, where it does not.
    pub uncounted: Option<String>,
    /// Who or what stands in the way.
    pub obstacles: Vec<Obstacle>,
    /// How many bytes are free where the indexes are; none where that cannot be known.
    pub free: Option<u64>,
    /// Where the data are on the server's disk; empty where this user may not know.
    pub folder: String,
    /// Why nothing can be rebuilt here at all.
    pub refusal: Option<String>,
}

/// Of each index that another makes needless, why: `duplicate of shop.orders_day`. Names none that is unique or needed itself.
#[must_use]
pub fn needless(indexes: &[Index]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, index) in indexes.iter().enumerate() {
        let is_candidate = index.is_valid && !index.is_needed && index.leftover_of.is_none() && index.parent.is_none();
        let others = indexes.iter().enumerate().filter(|(other, one)| {
            *other != at && one.table_id == index.table_id && one.is_valid && one.leftover_of.is_none()
        });
        if !is_candidate {
            continue;
        }
        for (other, one) in others {
            let (own, its) = (&index.definition, &one.definition);
            // Of two that do the same the one that can go is the one that keeps nothing apart; else the later.
            let is_same = own == its
                && index.is_unique <= one.is_unique
                && (one.is_needed || !index.is_unique & one.is_unique || other < at);
            let is_prefix = !index.is_unique
                && own.method == "btree"
                && (&own.method, &own.predicate) == (&its.method, &its.predicate)
                && own.carried.iter().all(|column| its.carried.contains(column) || its.keys.contains(column))
                && its.keys.len() > own.keys.len()
                && its.keys.starts_with(&own.keys);
            if is_same {
                found.push((at, format!("duplicate of {}", one.full_name())));
                break;
            } else if is_prefix {
                found.push((at, format!("redundant: {} begins with the same columns", one.full_name())));
                break;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(name: &str, keys: &str) -> Index {
        let keys = keys.split_whitespace().map(str::to_owned).collect();
        let definition = Definition { method: "btree".to_owned(), keys, ..Definition::default() };
        Index {
            schema: "s".to_owned(),
            name: name.to_owned(),
            is_valid: true,
            size: 10 << 20,
            definition,
            ..Index::default()
        }
    }

    #[test]
    fn an_index_is_bloated_from_a_share_on_that_is_worth_it() {
        let of = |size, waste| Index { size, waste: Some(waste), ..index("i", "a") };
        assert_eq!(of(10 << 20, Waste::Estimated(5 << 20)).kind(50), Some(Kind::Bloated));
        assert_eq!(of(10 << 20, Waste::Estimated(5 << 20)).kind(51), None);
        assert_eq!(of(1 << 20, Waste::Estimated(1 << 19)).kind(10), None, "too little");
        assert_eq!(of(10 << 20, Waste::Free(9 << 20)).kind(50), Some(Kind::Bloated));
        assert_eq!(of(10 << 20, Waste::Unknown("partial")).kind(1), None);
        let broken = Index { is_valid: false, ..index("i", "a") };
        assert_eq!(broken.kind(50), Some(Kind::Invalid));
        assert_eq!(Index { leftover_of: Some("j".to_owned()), ..broken.clone() }.kind(50), Some(Kind::Leftover));
        assert_eq!(Index { is_being_built: true, ..broken }.kind(50), None, "somebody is at it");
    }

    #[test]
    fn an_index_is_called_by_its_name_with_or_without_what_it_is_in() {
        let of_a_schema = Index { table: "s.t".to_owned(), ..index("i", "a") };
        let of_a_table = Index { is_named_in_table: true, ..of_a_schema.clone() };
        let called = |index: &Index| ["i", "s.i", "t.i", "s.t.i", "s", ".i"].map(|name| index.is_called(name));
        assert_eq!(called(&of_a_schema), [true, true, false, false, false, false]);
        assert_eq!(called(&of_a_table), [true, false, true, true, false, false]);
        assert_eq!((of_a_schema.full_name(), of_a_table.full_name()), ("s.i".to_owned(), "s.t.i".to_owned()));
    }

    #[test]
    fn what_another_index_does_as_well_is_needless() {
        let unique = |index: Index| Index { is_unique: true, ..index };
        let needed = |index: Index| Index { is_needed: true, ..index };
        let names = |indexes: &[Index]| {
            needless(indexes).into_iter().map(|(at, why)| format!("{}: {why}", indexes[at].name)).collect::<Vec<_>>()
        };
        assert_eq!(names(&[index("a", "x"), index("b", "x")]), ["b: duplicate of s.a"]);
        assert_eq!(names(&[index("a", "x"), unique(index("b", "x"))]), ["a: duplicate of s.b"]);
        assert_eq!(names(&[unique(needed(index("a", "x"))), unique(index("b", "x"))]), ["b: duplicate of s.a"]);
        assert_eq!(names(&[index("a", "x"), index("b", "x y")]), ["a: redundant: s.b begins with the same columns"]);
        assert_eq!(names(&[unique(index("a", "x")), index("b", "x y")]), [""; 0], "it keeps rows apart");
        assert_eq!(names(&[index("a", "y"), index("b", "x y")]), [""; 0]);
        let partial = Definition { predicate: "x > 1".to_owned(), ..index("b", "x y").definition };
        assert_eq!(names(&[index("a", "x"), Index { definition: partial, ..index("b", "x y") }]), [""; 0]);
        let elsewhere = Index { table_id: 7, ..index("b", "x") };
        assert_eq!(names(&[index("a", "x"), elsewhere]), [""; 0]);
        let broken = Index { is_valid: false, ..index("b", "x") };
        assert_eq!(names(&[index("a", "x"), broken]), [""; 0], "what is broken does no work");
    }
}
