//! Statements apart from one another: not at a `;` in quotes, in a comment, or between dollars, which only PostgreSQL has.

/// The statements of a text, without their `;`; none for what is empty. With `backslashes` one escapes what follows in each quote, as in
/// `MySQL`, and otherwise only in `E'...'`.
pub(super) fn split(text: &str, backslashes: bool) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut begin, mut at) = (0, 0);
    let mut is_empty = true;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = match c {
            ';' => {
                if !is_empty {
                    found.push(text[begin..at].trim());
                }
                (begin, is_empty) = (at + 1, true);
                at += 1;
                continue;
            }
            '-' if rest.starts_with("--") => comment(rest, rest.find('\n'), &mut at),
            '/' if rest.starts_with("/*") => comment(rest, Some(nested(rest)), &mut at),
            '\'' => quoted(rest, '\'', backslashes || escapes(&text[..at])),
            '"' => quoted(rest, '"', backslashes),
            '$' if !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') => {
                dollars(rest).unwrap_or(c.len_utf8())
            }
            c => c.len_utf8(),
        };
        is_empty &= length == 0 || c.is_whitespace();
        at += length;
    }
    if !is_empty {
        found.push(text[begin..].trim());
    }
    found
}

/// Steps over a comment, which is no part of a statement.
fn comment(rest: &str, end: Option<usize>, at: &mut usize) -> usize {
    *at += end.unwrap_or(rest.len());
    0
}

/// Whether what comes before a quote makes a backslash in it an escape: `E'...'`.
fn escapes(before: &str) -> bool {
    let mut back = before.chars().rev();
    matches!(back.next(), Some('e' | 'E')) && !back.next().is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// The length of what stands in quotes; of all that is left where they are not closed.
fn quoted(rest: &str, quote: char, escapes: bool) -> usize {
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == '\\' && escapes {
            chars.next();
        } else if c == quote {
            // Of two in a row the second opens what is quoted once more, which comes to the same.
            return at + 1;
        }
    }
    rest.len()
}

/// The length of a comment, which may have others in it.
fn nested(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of what stands between `$tag$` and `$tag$`; none where no such thing begins.
fn dollars(rest: &str) -> Option<usize> {
    let end = rest[1..].find('$')? + 2;
    let tag = &rest[..end];
    let word = &tag[1..end - 1];
    let is_tag = word.chars().all(|c| c.is_alphanumeric() || c == '_') && !word.starts_with(|c: char| c.is_numeric());
    is_tag.then(|| rest[end..].find(tag).map_or(rest.len(), |at| 2 * end + at))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn statements_end_where_the_server_ends_them() {
        for (text, statements) in [
            ("select 1", vec!["select 1"]),
            ("a; b ;\n", vec!["a", "b"]),
            (";; -- a;\n /* b; /* c; */ ; */ ;", vec![]),
            ("select ';', \"a;b\", 'it''s;'; b", vec!["select ';', \"a;b\", 'it''s;'", "b"]),
            ("select E'a\\';b'; c", vec!["select E'a\\';b'", "c"]),
            ("select '\\'; c", vec!["select '\\'", "c"]),
            ("DO $$ begin; end $$; DO $x$ $$; $x$", vec!["DO $$ begin; end $$", "DO $x$ $$; $x$"]),
            ("select $1; select a$b; c$", vec!["select $1", "select a$b", "c$"]),
            ("select 'open; b", vec!["select 'open; b"]),
        ] {
            assert_eq!(split(text, false), statements, "{text}");
        }
        assert_eq!(split("select '\\'; -- '; b -- c", true), ["select '\\'; -- '", "b -- c"]);
    }

    proptest! {
        #[test]
        fn any_text_is_split_and_nothing_is_lost(text in "[-;'\"$a/*E\\\\ \nä]{0,40}") {
            let found = split(&text, text.len() % 2 == 0);
            prop_assert!(found.iter().all(|statement| text.contains(statement)), "{:?}", found);
        }
    }
}
