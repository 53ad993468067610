//! Filters that put a text into a language in which some signs mean something.

use std::fmt::Write as _;

use minijinja::Environment;
use minijinja::value::Value;

/// Makes the filters known to templates.
pub fn add_to(environment: &mut Environment<'_>) {
    environment.add_filter("json", |value: Value| serde_json::to_string(&value).unwrap_or_default());
    environment.add_filter("shell", |text: String| shell(&text));
    environment.add_filter("fish", |text: String| fish(&text));
    environment.add_filter("zsh", |text: String| zsh(&text));
    environment.add_filter("roff", |text: String| roff(&text));
}

/// A text as one word of bash and zsh.
fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A text as one word of fish.
fn fish(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A text inside a specification of zsh's `_arguments`, before it is made a word.
fn zsh(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for sign in text.chars() {
        if matches!(sign, '\\' | '[' | ']' | ':') {
            quoted.push('\\');
        }
        quoted.push(sign);
    }
    quoted
}

/// A text of a man page: nothing in it is a request, and all of it is ASCII.
fn roff(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if line.starts_with(['.', '\'']) {
            quoted.push_str("\\&");
        }
        for sign in line.chars() {
            match sign {
                '\\' => quoted.push_str("\\e"),
                '-' => quoted.push_str("\\-"),
                '\'' => quoted.push_str("\\(aq"),
                '`' => quoted.push_str("\\(ga"),
                '^' => quoted.push_str("\\(ha"),
                '~' => quoted.push_str("\\(ti"),
                sign if sign.is_ascii() => quoted.push(sign),
                sign => {
                    let _ = write!(quoted, "\\[u{:04X}]", u32::from(sign));
                }
            }
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_is_quoted() {
        assert_eq!(shell("it's $x"), "'it'\\''s $x'");
        assert_eq!(fish("it's \\"), "'it\\'s \\\\'");
        assert_eq!(zsh("a: [b] `c`"), "a\\: \\[b\\] `c`");
        assert_eq!(roff(".TH\n'x' a-b \\ … `c`"), "\\&.TH\n\\&\\(aqx\\(aq a\\-b \\e \\[u2026] \\(gac\\(ga");
    }
}
