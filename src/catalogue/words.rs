//! Words as people type them: cut out of a text, reduced to their stems, without those that say nothing; and how alike
//! two of them are.

use rust_stemmers::{Algorithm, Stemmer};
use strsim::osa_distance;

/// A word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// As it was said, in lower case.
    pub said: String,
    /// What its forms have in common.
    pub stem: String,
    /// Which of [`SAME`] it is in.
    group: Option<usize>,
}

/// Words that say nothing of what is broken.
const EMPTY: &[&str] = &[
    "about",
    "after",
    "all",
    "also",
    "am",
    "an",
    "and",
    "any",
    "anybody",
    "anyone",
    "are",
    "as",
    "at",
    "be",
    "because",
    "been",
    "before",
    "but",
    "by",
    "can",
    "cannot",
    "could",
    "did",
    "didn",
    "do",
    "does",
    "doesn",
    "doing",
    "don",
    "even",
    "ever",
    "every",
    "everything",
    "everybody",
    "for",
    "from",
    "get",
    "gets",
    "got",
    "had",
    "has",
    "have",
    "he",
    "hello",
    "help",
    "her",
    "here",
    "hi",
    "his",
    "how",
    "if",
    "in",
    "into",
    "is",
    "isn",
    "it",
    "its",
    "just",
    "left",
    "let",
    "me",
    "more",
    "most",
    "must",
    "my",
    "need",
    "no",
    "not",
    "now",
    "of",
    "off",
    "on",
    "one",
    "only",
    "or",
    "other",
    "our",
    "out",
    "over",
    "own",
    "please",
    "re",
    "run",
    "seem",
    "seems",
    "she",
    "should",
    "since",
    "so",
    "some",
    "something",
    "still",
    "such",
    "suddenly",
    "than",
    "that",
    "the",
    "their",
    "them",
    "then",
    "there",
    "these",
    "they",
    "this",
    "those",
    "to",
    "today",
    "too",
    "up",
    "us",
    "very",
    "want",
    "was",
    "wasn",
    "we",
    "were",
    "what",
    "when",
    "where",
    "which",
    "while",
    "who",
    "why",
    "will",
    "with",
    "without",
    "won",
    "would",
    "you",
    "your",
];

/// Words that fit every trouble: they count where nothing else was said.
const VAGUE: &[&str] = &[
    "again",
    "app",
    "application",
    "bad",
    "break",
    "broke",
    "broken",
    "container",
    "crash",
    "customer",
    "down",
    "error",
    "fail",
    "failure",
    "issue",
    "offline",
    "outage",
    "page",
    "pod",
    "problem",
    "service",
    "show",
    "site",
    "system",
    "thing",
    "trouble",
    "unavailable",
    "unreachable",
    "user",
    "website",
    "work",
    "wrong",
];

/// Words of which each may stand for the others.
const SAME: &[&[&str]] = &[
    &["slave", "replica", "follower", "secondary", "standby"],
    &["master", "leader", "primary"],
    &["picture", "image", "photo", "thumbnail", "icon"],
    &["release", "deploy", "deployment", "version", "rollout", "update"],
    &["rollback", "revert", "undo", "downgrade"],
    &["payment", "pay", "paid", "checkout", "transaction"],
    &["hang", "stuck", "stall", "freeze", "frozen", "block"],
    &["slow", "sluggish", "latency"],
    &["missing", "gone", "lost", "vanish", "disappear", "absent"],
    &["certificate", "cert", "tls", "ssl", "https"],
    &["expire", "outdated", "invalid"],
    &["disk", "disc", "drive", "volume", "filesystem"],
    &["clear", "empty", "purge", "flush", "drain"],
    &["login", "signin", "logon"],
    &["account", "user"],
    &["mail", "email", "newsletter"],
    // A node evicts pods when memory runs short.
    &["memory", "ram", "oom", "oomkilled", "oomkill", "137", "evict", "eviction"],
    &["index", "indices", "reindex"],
    &["broken", "faulty", "buggy", "defective"],
    &["site", "website", "web", "app", "application", "page"],
    &["down", "outage", "offline", "unavailable", "unreachable"],
    // What a load balancer answers for a service that cannot, or a service for itself.
    &["500", "502", "503", "504", "5xx", "gateway"],
    // The words of Kubernetes.
    &[
        "crashloopbackoff",
        "crashloop",
        "backoff",
        "createcontainerconfigerror",
        "createcontainererror",
        "runcontainererror",
        "containercannotrun",
    ],
    &["imagepullbackoff", "errimagepull", "imagepull", "invalidimagename", "errimageneverpull"],
];

/// The words of a text that say something, in order.
#[must_use]
pub fn words(text: &str) -> Vec<Word> {
    let stemmer = Stemmer::create(Algorithm::English);
    let all = all_words(text).into_iter().filter(|said| !EMPTY.contains(&said.as_str()));
    all.map(|said| Word::new(&stemmer, said)).collect()
}

/// Neighbours written as one word: `roll back` is also `rollback`. Two that say nothing (`in the`) say nothing as one either.
#[must_use]
pub fn joined(text: &str) -> Vec<Word> {
    let stemmer = Stemmer::create(Algorithm::English);
    let all = all_words(text);
    let says = |word: &String| !EMPTY.contains(&word.as_str());
    let pairs = all.windows(2).filter(|pair| pair[0].len() + pair[1].len() <= 20 && pair.iter().any(says));
    pairs.map(|pair| Word::new(&stemmer, pair.concat())).collect()
}

fn all_words(text: &str) -> Vec<String> {
    let apostrophe = |c| matches!(c, '\'' | '’' | '`');
    let parts = text.split(|c: char| !c.is_alphanumeric() && !apostrophe(c));
    // What stands behind an apostrophe is a form: yesterday's, doesn't.
    let words = parts.map(|part| part.trim_matches(apostrophe).split(apostrophe).next().unwrap_or_default());
    words.filter(|word| word.chars().nth(1).is_some()).map(str::to_lowercase).collect()
}

impl Word {
    fn new(stemmer: &Stemmer, said: String) -> Self {
        let stem = if said.is_ascii() { stemmer.stem(&said).into_owned() } else { said.clone() };
        let group = SAME.iter().position(|group| group.iter().any(|same| *same == said || *same == stem));
        Self { said, stem, group }
    }

    /// Whether it fits every trouble.
    #[must_use]
    pub fn is_vague(&self) -> bool {
        VAGUE.iter().any(|vague| *vague == self.said || *vague == self.stem)
    }

    /// Whether it is a word of the trade, of which others say the same.
    #[must_use]
    pub fn is_term(&self) -> bool {
        self.group.is_some()
    }

    /// Whether it is a form of the other word.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.stem == other.stem
    }

    /// Whether one can stand for the other.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.group.is_some() && self.group == other.group
    }

    /// Whether the other word can be meant, and a finger slipped.
    #[must_use]
    pub fn is_nearly(&self, other: &Self) -> bool {
        slipped(&self.said, &other.said) || slipped(&self.stem, &other.stem)
    }
}

/// One slip in a word of four letters or more, two in one of eight; the first letter is seldom mistaken.
fn slipped(typed: &str, meant: &str) -> bool {
    let starts = |word: &str| {
        let mut letters = word.chars();
        (letters.next(), letters.next())
    };
    let ((first, second), (other_first, other_second)) = (starts(typed), starts(meant));
    if first != other_first && (first, second) != (other_second, other_first) {
        return false;
    }
    let (length, other_length) = (typed.chars().count(), meant.chars().count());
    let allowed = match length.min(other_length) {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    };
    // Of four letters, one other makes another word: `hang` and `hand`. Swapped ones do not.
    let short = length == 4 && other_length == 4;
    length.abs_diff(other_length) <= allowed
        && osa_distance(typed, meant) <= allowed
        && (!short || letters(typed) == letters(meant))
}

fn letters(word: &str) -> Vec<char> {
    let mut letters: Vec<char> = word.chars().collect();
    letters.sort_unstable();
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stems(text: &str) -> Vec<String> {
        words(text).into_iter().map(|word| word.stem).collect()
    }

    #[test]
    fn forms_of_a_word_have_one_stem_and_empty_words_are_dropped() {
        assert_eq!(stems("Yesterday's releases are BROKEN!"), ["yesterday", "releas", "broken"]);
        assert_eq!(stems("the election; electing, to re-elect"), ["elect", "elect", "elect"]);
        assert_eq!(stems("it doesn’t, a 'quoted' — größe"), ["quot", "größe"]);
        assert_eq!(stems("'' ’ ` - "), Vec::<String>::new());
    }

    #[test]
    fn a_slip_is_forgiven_and_another_word_is_not() {
        let nearly = |one: &str, other: &str| words(one)[0].is_nearly(&words(other)[0]);
        for (typed, meant) in [
            ("salves", "slaves"),
            ("mastr", "master"),
            ("indxes", "indexes"),
            ("certifcats", "certificate"),
            ("hagn", "hang"),
        ] {
            assert!(nearly(typed, meant), "{typed} is {meant}");
        }
        for (typed, other) in [("faster", "master"), ("hand", "hang"), ("cat", "cut"), ("coffee", "office")] {
            assert!(!nearly(typed, other), "{typed} is not {other}");
        }
    }
}
