//! Whatever stands in a usage text is read to its end; a text that is a manual is one to docopt too, and whatever is
//! typed is taken or refused. The words that are typed stand below the text, after a form feed, a line each.

use firebreak::action::arguments::parse;
use firebreak::action::manual::Manual;
use firebreak::catalogue::reference::rewritten;

use super::text as text_of;

/// Patterns with more repeats are exponential in docopt itself.
const REPEATS: usize = 1;
const WORDS: usize = 8;

pub fn take(bytes: &[u8]) {
    let input = text_of(bytes);
    let (text, words) = input.split_once('\x0c').unwrap_or((input, ""));
    // As the text of a program that is adopted.
    let _ = rewritten(text);
    let Ok(manual) = Manual::read(text) else { return };
    let repeats: usize = manual.usages.iter().map(|usage| usage.text.matches("...").count()).sum();
    let words: Vec<String> = words.lines().take(WORDS).map(str::to_owned).collect();
    if repeats <= REPEATS {
        let typed = parse(text, "1", &words, &|_| None);
        let broken = typed.is_err_and(|error| error.to_string().starts_with("the usage text of "));
        assert!(!broken, "docopt refuses a text that is a manual");
    }
}
