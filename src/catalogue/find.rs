//! `find`: from a symptom, as the caller words it, to the roles that fix it.

use std::collections::HashSet;

use serde::Serialize;

use super::facts::Role;
use super::words::{Word, joined, words};

/// What a word is worth by the place where a role says it.
const FIELDS: [(&str, f64); 5] =
    [("symptoms", 8.0), ("problem", 6.0), ("title", 4.0), ("solution", 2.0), ("options", 1.0)];
/// What a word is worth that only means the same, or that only a slip of the finger keeps apart.
const LIKE: f64 = 0.7;
const NEARLY: f64 = 0.6;
/// What a word is worth that fits every trouble.
const VAGUE: f64 = 0.25;
/// A role that is worth less than this part of the best one is not shown.
const TAIL: f64 = 0.3;

/// A role that fits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RankedRole {
    /// The role's name.
    pub role: String,
    /// How well it fits, beside others of the same search.
    pub score: f64,
    /// Most of what the caller said fits nothing here, or would fit every trouble.
    pub weak: bool,
    /// Which of the caller's words fit, and where the role says them.
    pub why: Vec<Match>,
}

/// A word that fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Match {
    /// As the caller said it.
    pub said: String,
    /// As the role says it.
    pub found: String,
    /// Where the role says it.
    pub place: &'static str,
}

struct Page<'a> {
    role: &'a Role,
    /// The words of each of [`FIELDS`].
    fields: [Vec<Word>; 5],
}

impl<'a> Page<'a> {
    fn of(role: &'a Role) -> Self {
        let variables = role.variables.iter();
        let options: Vec<_> =
            variables.map(|variable| format!("{} {}", variable.short, variable.description)).collect();
        let texts = [
            role.symptoms.join("\n"),
            role.problem.clone(),
            format!("{}\n{}", role.title, role.name),
            role.solution.clone(),
            options.join("\n"),
        ];
        let all = |text: &str| words(text).into_iter().chain(text.lines().flat_map(joined)).collect();
        let fields = texts.map(|text| distinct(all(&text)));
        Self { role, fields }
    }

    /// The best place at which the role says such a word.
    fn place(&self, fits: impl Fn(&Word) -> bool) -> Option<(usize, &Word)> {
        let mut places = self.fields.iter().enumerate();
        places.find_map(|(place, words)| Some((place, words.iter().find(|word| fits(word))?)))
    }

    /// What `word` is worth here, and why.
    fn worth(&self, word: &Word, slips: bool) -> Option<(f64, usize, &Word)> {
        let at = |likeness: f64, found: Option<(usize, &'_ Word)>| found.map(|(place, _)| likeness * FIELDS[place].1);
        let (same, like) = (self.place(|other| word.is(other)), self.place(|other| word.is_like(other)));
        let nearly = if slips { self.place(|other| word.is_nearly(other)) } else { None };
        let candidates = [(1.0, same), (LIKE, like), (NEARLY, nearly)];
        let best = candidates.into_iter().filter_map(|(likeness, found)| Some((at(likeness, found)?, found?)));
        best.max_by(|one, other| one.0.total_cmp(&other.0)).map(|(worth, (place, found))| (worth, place, found))
    }
}

/// The roles that fix what `asked` says, best first.
#[must_use]
pub fn find(asked: &str, roles: &[Role]) -> Vec<RankedRole> {
    let pages: Vec<Page> = roles.iter().map(Page::of).collect();
    let single = distinct(words(asked));
    let clear = single.iter().filter(|word| !word.is_vague()).count();
    // Two words that are written as one count where a role does so as well, and are never missed.
    let pairs = distinct(joined(asked)).into_iter().map(|word| (word, true));
    let mut roles: Vec<(RankedRole, usize, usize)> = pages
        .iter()
        .map(|page| (RankedRole { role: page.role.name.clone(), score: 0.0, weak: false, why: Vec::new() }, 0, 0))
        .collect();
    for (word, pair) in single.into_iter().map(|word| (word, false)).chain(pairs) {
        let worth = |slips: bool| pages.iter().map(|page| page.worth(&word, slips)).collect::<Vec<_>>();
        let mut worths = worth(false);
        if !pair && worths.iter().all(Option::is_none) {
            // A word that some role says was not mistyped.
            worths = worth(true);
        }
        let rarity = (1.0 + count(pages.len()) / count(worths.iter().flatten().count().max(1))).ln();
        let weight = rarity * if word.is_vague() { VAGUE } else { 1.0 };
        for (worth, (role, told, mentioned)) in worths.iter().zip(&mut roles) {
            if let Some((worth, place, found)) = worth {
                role.score += weight * worth;
                // Two words in the same order are worth more, and are no reason of their own where one of them is a reason:
                // of the term `crash loop` neither is.
                let is_half = |it: &&Match| word.said.starts_with(&it.said) || word.said.ends_with(&it.said);
                let is_reason = |it: &Match| !word.is_term() || words(&it.said).iter().any(|half| !half.is_vague());
                if pair && role.why.iter().filter(is_half).any(is_reason) {
                    continue;
                }
                role.why.push(Match { said: word.said.clone(), found: found.said.clone(), place: FIELDS[*place].0 });
                if !word.is_vague() {
                    // Nobody says a number by accident: `502` is as good as two words.
                    let number = word.said.chars().all(|letter| letter.is_ascii_digit());
                    *(if FIELDS[*place].0 == "options" { mentioned } else { told }) += 1 + usize::from(number);
                }
            }
        }
    }
    // One word of many fits by accident; so does what only stands in the description of an option.
    roles.retain(|(role, told, mentioned)| {
        !role.why.is_empty()
            && (clear == 0 || *told >= 2 || told * 4 >= clear.max(1) && *told > 0 || *mentioned >= clear)
    });
    let judged = roles.into_iter().map(|(role, told, _)| RankedRole { weak: told == 0 || told * 2 < clear, ..role });
    let mut roles: Vec<RankedRole> = judged.collect();
    roles.sort_by(|one, other| other.score.total_cmp(&one.score));
    let least = roles.first().map_or(0.0, |best| best.score * TAIL);
    roles.retain(|role| role.score >= least);
    roles
}

/// Each word once, whatever its form.
fn distinct(words: Vec<Word>) -> Vec<Word> {
    let mut seen = HashSet::new();
    words.into_iter().filter(|word| seen.insert(word.stem.clone())).collect()
}

fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::catalogue::Toolkit;

    fn roles() -> Vec<Role> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/catalogue");
        Toolkit::open(&folder).expect("the texts").roles().map(Role::of).collect()
    }

    #[test]
    fn the_role_that_fixes_it_comes_first_however_it_is_worded() {
        let roles = roles();
        let mut wrong = Vec::new();
        // What callers say, slips and all, behind the role that fixes it.
        let lines = include_str!("../../tests/catalogue/asked.txt").lines();
        for (role, asked) in lines.filter_map(|line| line.split_once(": ")) {
            let roles = find(asked, &roles);
            if roles.first().map(|role| role.role.as_str()) != Some(role) {
                wrong.push(format!("'{asked}': {role} expected, {roles:#?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn what_no_role_fixes_finds_none() {
        let roles = roles();
        for asked in [
            "",
            " ",
            "'",
            "the of and",
            "my coffee is cold",
            "coffee machine is broken",
            "ÄÖÜ ß 日本語 🔥",
            "printer jams on paper",
            "x",
        ] {
            assert_eq!(find(asked, &roles), [], "for '{asked}'");
        }
        assert_eq!(find("disk full", &[]), []);
    }

    #[test]
    fn says_which_words_fit_and_where() {
        let roles = find("slvaes lost the leader", &roles());
        let at = |said: &str, found: &str, place| Match { said: said.to_owned(), found: found.to_owned(), place };
        assert_eq!(roles[0].role, "elect_leader");
        assert_eq!(
            roles[0].why,
            [at("slvaes", "slaves", "symptoms"), at("lost", "lost", "symptoms"), at("leader", "master", "symptoms")]
        );
    }

    #[test]
    fn a_long_story_is_read_to_its_end() {
        let story = format!("{} slaves lost their master", "we had a long day and drank tea ".repeat(150));
        assert_eq!(find(&story, &roles()).first().map(|role| role.role.clone()).as_deref(), Some("elect_leader"));
        let odd: Vec<_> = (0..1000).map(|number| format!("wörd{number}’s")).collect();
        assert_eq!(find(&odd.join(" "), &roles()), []);
    }
}
