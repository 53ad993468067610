//! Which indexes are rebuilt, which leftovers are removed, and why others are not.

use super::index::{Index, Kind, Seen};
use crate::port::Unfit;

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// These indexes alone, as they are; empty for those of the kinds.
    pub indexes: Vec<String>,
    /// Those of these tables alone; empty for all.
    pub tables: Vec<String>,
    /// Those with whom this is wrong.
    pub kinds: Vec<Kind>,
    /// From which percentage on an index counts as bloated.
    pub min_waste: u64,
}

impl Request {
    /// Whether the indexes of all tables are meant, whatever is wrong with them.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.tables.is_empty() && self.kinds.len() == Kind::ALL.len()
    }
}

/// What is done with an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// It is rebuilt.
    Rebuild,
    /// It is removed: a leftover.
    Remove,
}

/// One index, and what is done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The index.
    pub index: Index,
    /// What is done.
    pub act: Act,
    /// Why: `invalid`, `62 % empty, estimated from statistics`, `named`.
    pub why: String,
}

/// What is done, in order, and what is not, with the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// What is done.
    pub steps: Vec<Step>,
    /// What would have been done, were it possible: its name, and why it is not.
    pub not: Vec<(String, String)>,
}

/// Chooses.
///
/// # Errors
/// When an index or a table is named that there is not, or several are meant.
pub fn choose(seen: &Seen, request: &Request) -> Result<Choice, Unfit> {
    for table in &request.tables {
        if !seen.indexes.iter().any(|index| is_named(&index.table, table)) {
            return Err(Unfit(format!("there is no index on a table '{table}' that this user can see")));
        }
    }
    let mut chosen: Vec<(Option<Kind>, &Index)> = Vec::new();
    if request.indexes.is_empty() {
        let is_asked = |index: &&Index| {
            request.tables.is_empty() || request.tables.iter().any(|table| is_named(&index.table, table))
        };
        for index in seen.indexes.iter().filter(is_asked) {
            let kind = index.kind(request.min_waste);
            chosen.extend(kind.filter(|kind| request.kinds.contains(kind)).map(|kind| (Some(kind), index)));
        }
    } else {
        for name in &request.indexes {
            for index in parts(seen, named(seen, name)?) {
                if !chosen.iter().any(|(_, other)| other.id == index.id) {
                    chosen.push((index.kind(request.min_waste), index));
                }
            }
        }
    }
    // First what costs each write for nothing, then what queries miss, then the largest gain.
    chosen.sort_by_key(|(kind, index)| {
        (kind.unwrap_or(Kind::Bloated), std::cmp::Reverse(gain(index)), index.full_name())
    });
    let mut choice = Choice::default();
    for (kind, index) in chosen {
        match impossible(index, kind) {
            Some(why) => choice.not.push((index.full_name(), why)),
            None => choice.steps.push(step(kind, index)),
        }
    }
    Ok(choice)
}

fn step(kind: Option<Kind>, index: &Index) -> Step {
    let (act, why) = match (kind, &index.leftover_of, index.wasted()) {
        (Some(Kind::Leftover), Some(of), _) => (Act::Remove, format!("left by a failed rebuild of {of}")),
        (Some(Kind::Invalid), ..) => (Act::Rebuild, "invalid: queries do not use it".to_owned()),
        (_, _, Some(percent)) => {
            let how = index.waste.as_ref().map(ToString::to_string).unwrap_or_default();
            (Act::Rebuild, format!("{percent} % empty, {how}"))
        }
        _ => (Act::Rebuild, "named".to_owned()),
    };
    Step { index: index.clone(), act, why }
}

fn impossible(index: &Index, kind: Option<Kind>) -> Option<String> {
    if kind == Some(Kind::Leftover) {
        None
    } else if index.is_partitioned {
        Some(
            "it is a partitioned index: one of its partitions has no such index, or an invalid one; create or rebuild \
             that, and attach it"
                .to_owned(),
        )
    } else {
        index.obstacle.as_ref().map(|why| format!("it cannot be rebuilt without blocking writers: {why}"))
    }
}

fn gain(index: &Index) -> u64 {
    index.waste.as_ref().and_then(super::index::Waste::bytes).unwrap_or(0)
}

/// Whether a table is meant by a name with or without its schema.
fn is_named(full: &str, name: &str) -> bool {
    full == name || full.split_once('.').is_some_and(|(_, bare)| bare == name)
}

fn named<'a>(seen: &'a Seen, name: &str) -> Result<&'a Index, Unfit> {
    let found: Vec<&Index> = seen.indexes.iter().filter(|index| index.is_called(name)).collect();
    match found[..] {
        [one] => Ok(one),
        [] => {
            let near = seen.indexes.iter().filter(|index| strsim::jaro(&index.name, name) > 0.85);
            let near: Vec<String> = near.take(3).map(Index::full_name).collect();
            let near = if near.is_empty() { String::new() } else { format!("; near are {}", near.join(", ")) };
            Err(Unfit(format!("there is no index '{name}'{near}")))
        }
        _ => {
            let all: Vec<String> = found.into_iter().map(Index::full_name).collect();
            Err(Unfit(format!("several indexes are called '{name}': say which, {}", all.join(" or "))))
        }
    }
}

/// The index itself, or the indexes of all partitions below it.
fn parts<'a>(seen: &'a Seen, index: &'a Index) -> Vec<&'a Index> {
    if !index.is_partitioned {
        return vec![index];
    }
    let below = seen.indexes.iter().filter(|part| part.parent == Some(index.id));
    below.flat_map(|part| parts(seen, part)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indexes::index::Waste;

    fn index(id: u32, name: &str) -> Index {
        let schema = "shop".to_owned();
        Index {
            id,
            schema,
            name: name.to_owned(),
            table: "shop.orders".to_owned(),
            is_valid: true,
            size: 10 << 20,
            ..Index::default()
        }
    }

    fn seen() -> Seen {
        let bloated = |id, name, waste| Index { waste: Some(Waste::Estimated(waste)), ..index(id, name) };
        let indexes = vec![
            index(1, "well"),
            bloated(2, "half", 5 << 20),
            bloated(3, "empty", 9 << 20),
            Index { is_valid: false, ..index(4, "broken") },
            Index { is_valid: false, leftover_of: Some("shop.half".to_owned()), ..index(5, "half_ccnew") },
            Index { is_partitioned: true, ..index(6, "roof") },
            Index { parent: Some(6), ..index(7, "roof_1") },
            Index { parent: Some(6), ..index(8, "roof_2") },
            Index { is_valid: false, obstacle: Some("an exclusion constraint".to_owned()), ..index(9, "apart") },
            Index { schema: "other".to_owned(), table: "other.orders".to_owned(), ..index(10, "well") },
        ];
        Seen { indexes, ..Seen::default() }
    }

    fn request(change: impl FnOnce(&mut Request)) -> Result<Vec<String>, String> {
        let mut request = Request { kinds: Kind::ALL.to_vec(), min_waste: 30, ..Request::default() };
        change(&mut request);
        let choice = choose(&seen(), &request).map_err(|error| error.to_string())?;
        let steps = choice.steps.iter().map(|step| format!("{:?} {}: {}", step.act, step.index.name, step.why));
        Ok(steps.chain(choice.not.iter().map(|(name, why)| format!("not {name}: {why}"))).collect())
    }

    #[test]
    fn what_is_wrong_is_chosen_the_most_urgent_first() {
        let all = request(|_| {}).expect("a choice");
        assert_eq!(
            all,
            [
                "Remove half_ccnew: left by a failed rebuild of shop.half",
                "Rebuild broken: invalid: queries do not use it",
                "Rebuild empty: 90 % empty, estimated from statistics",
                "Rebuild half: 50 % empty, estimated from statistics",
                "not shop.apart: it cannot be rebuilt without blocking writers: an exclusion constraint",
            ]
        );
        let some = request(|request| request.min_waste = 60).expect("a choice");
        assert!(!some.iter().any(|line| line.contains(" half:")), "{some:?}");
        let broken = request(|request| request.kinds = vec![Kind::Invalid]).expect("a choice");
        assert_eq!(broken.len(), 2, "{broken:?}");
        assert_eq!(request(|request| request.tables = vec!["other.orders".to_owned()]), Ok(vec![]));
    }

    #[test]
    fn who_is_named_is_rebuilt_whatever_is_wrong_and_a_roof_means_its_parts() {
        let one = |name: &str| request(|request| request.indexes = vec![name.to_owned()]);
        assert_eq!(one("shop.well"), Ok(vec!["Rebuild well: named".to_owned()]));
        assert_eq!(one("roof"), Ok(vec!["Rebuild roof_1: named".to_owned(), "Rebuild roof_2: named".to_owned()]));
        assert_eq!(
            one("well"),
            Err("several indexes are called 'well': say which, shop.well or other.well".to_owned())
        );
        assert_eq!(one("brokne"), Err("there is no index 'brokne'; near are shop.broken".to_owned()));
        let nowhere = request(|request| request.tables = vec!["nowhere".to_owned()]);
        assert_eq!(nowhere, Err("there is no index on a table 'nowhere' that this user can see".to_owned()));
    }
}
