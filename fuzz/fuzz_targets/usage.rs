//! Whatever stands in a usage text is read to its end; a text that is a manual is one to docopt too, and whatever is
//! typed is taken or refused.
#![no_main]

use firebreak::action::arguments::parse;
use firebreak::action::manual::Manual;

/// Patterns with more repeats are exponential in docopt itself.
const REPEATS: usize = 1;
const WORDS: usize = 8;

libfuzzer_sys::fuzz_target!(|input: (&str, Vec<&str>)| {
    let (text, words) = input;
    let Ok(manual) = Manual::read(text) else { return };
    let repeats: usize = manual.usages.iter().map(|usage| usage.text.matches("...").count()).sum();
    let words: Vec<String> = words.into_iter().take(WORDS).map(str::to_owned).collect();
    if repeats <= REPEATS {
        let typed = parse(text, "1", &words, &|_| None);
        let broken = typed.is_err_and(|error| error.to_string().contains("usage text"));
        assert!(!broken, "docopt refuses a text that is a manual");
    }
});
