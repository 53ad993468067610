//! A part of many cases that are much alike, another one each time; all of them with `FULL=1`.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher as _, DefaultHasher, Hash, Hasher as _, RandomState};

/// Of the cases that are left when of each kind some were taken, one in so many is tried.
const ONE_IN: u64 = 8;

/// Which cases are tried.
pub enum Part {
    /// All of them.
    All,
    /// Of each kind two in the middle, and some more that this number chooses.
    Seed(u64),
}

impl Part {
    /// What the environment says: all where `FIREBREAK_FULL` is set; the part of `FIREBREAK_SEED`, which is a part that was
    /// told; else another one.
    pub fn new() -> Self {
        let said = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        if said("FIREBREAK_FULL").is_some() {
            return Self::All;
        }
        let seed = said("FIREBREAK_SEED").map(|seed| seed.parse().expect("FIREBREAK_SEED is a number"));
        Self::Seed(seed.unwrap_or_else(|| RandomState::new().hash_one(0) >> 32))
    }

    /// Whether it is no part.
    pub fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// The cases of it, in their order.
    pub fn of<T, K: Ord>(&self, cases: Vec<T>, kind: impl Fn(&T) -> K) -> Vec<T> {
        let Self::Seed(seed) = self else { return cases };
        let mut kinds: BTreeMap<K, Vec<usize>> = BTreeMap::new();
        for (place, case) in cases.iter().enumerate() {
            kinds.entry(kind(case)).or_default().push(place);
        }
        // Not those at the ends: what dies there has nothing to take back.
        let middle: Vec<usize> =
            kinds.values().flat_map(|places| [places[places.len() / 2], places[places.len() * 2 / 3]]).collect();
        let chosen = |place: usize| {
            let mut hasher = DefaultHasher::new();
            (seed, place).hash(&mut hasher);
            middle.contains(&place) || hasher.finish().is_multiple_of(ONE_IN)
        };
        cases.into_iter().enumerate().filter(|(place, _)| chosen(*place)).map(|(_, case)| case).collect()
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => write!(f, "all of it"),
            Self::Seed(seed) => write!(f, "the part of FIREBREAK_SEED={seed} (FULL=1: all of it)"),
        }
    }
}

#[test]
fn a_part_has_each_kind_and_is_the_same_for_the_same_seed() {
    let cases = || (0..200).collect::<Vec<u32>>();
    let kind = |case: &u32| case % 4;
    assert_eq!(Part::All.of(cases(), kind), cases());
    let parts: Vec<_> = (1..20).map(|seed| Part::Seed(seed).of(cases(), kind)).collect();
    assert_eq!(parts[0], Part::Seed(1).of(cases(), kind));
    for part in &parts {
        assert!((8..60).contains(&part.len()), "{}", part.len());
        assert!((0..4).all(|number| part.iter().filter(|case| kind(case) == number).count() >= 2), "{part:?}");
    }
    // Every case comes in its turn.
    let all: std::collections::BTreeSet<u32> = parts.into_iter().flatten().collect();
    assert!(all.len() > 150, "{}", all.len());
}
