//! A text as docopt's reference implementation reads it (Python's docopt 0.6.2: `printable_usage`, `parse_defaults`,
//! `Option.parse`, `parse_pattern`), written so that our own grammar says the same. A program that was not written here
//! is read by its own parser, which is that one or follows it; our texts stay strict.

mod options;
mod usage;

use options::{Lines, Options};

/// A text in our own grammar.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// The text. It is the one that was given, where that says the same to both.
    pub text: String,
    /// What is read otherwise than it seems to be meant, with the line of the text that was given, from 1.
    pub notes: Vec<(usize, String)>,
}

/// Writes a text so that our own grammar reads in it what the reference implementation does. What neither reads stays.
#[must_use]
pub fn rewritten(text: &str) -> Rewritten {
    let text = text.replace("\r\n", "\n");
    let Some(section) = Section::find(&text) else { return Rewritten { text, notes: Vec::new() } };
    let options = Options::of(&text);
    let first = |part: &str| 1 + part.matches('\n').count();
    let (before, after) = (&text[..section.start], &text[section.end..]);
    let mut notes = Vec::new();
    let mut lines = Lines { options: &options, notes: &mut notes };
    // `usage:` may stand within a line.
    let (whole, begun) = before.split_at(before.rfind('\n').map_or(0, |end| end + 1));
    let before = format!("{}{begun}", lines.rewritten(whole, 1));
    let after = lines.rewritten(after, first(&text[..section.end]));
    let usage = usage::rewritten(&text[section.start..section.end], &options);
    // What only the usage lines describe is an option with a value there, and would be a switch without its description.
    let within = first(&text[..section.start])..first(&text[..section.end]) + 1;
    let unsaid = options.short_ones_in(&within);
    let more = if unsaid.is_empty() { String::new() } else { format!("\n\nMore options:\n{unsaid}") };
    notes.sort();
    Rewritten {
        text: format!("{before}{usage}{}{more}", after.trim_end_matches(|c| c == '\n' && !more.is_empty())),
        notes,
    }
}

/// Where the usage lines stand: from `usage:` to the first empty line.
struct Section {
    start: usize,
    end: usize,
}

impl Section {
    fn find(text: &str) -> Option<Self> {
        const WORD: &[u8] = b"usage:";
        let start = text.as_bytes().windows(WORD.len()).position(|part| part.eq_ignore_ascii_case(WORD))?;
        let mut end = start + WORD.len();
        for line in text[end..].split_inclusive('\n') {
            // A heading right below the usage lines is not part of them, though the reference implementation takes it so.
            let empty = line.trim().is_empty() && !text[start + WORD.len()..end].trim().is_empty();
            if empty {
                break;
            }
            end += line.len();
        }
        let trailing = text[start..end].len() - text[start..end].trim_end().len();
        Some(Self { start, end: end - trailing })
    }
}

/// A word between the brackets that a placeholder has: `DB_NAME` is `<DB_NAME>`.
fn placeholder(word: &str) -> String {
    let plain = !word.is_empty() && word.chars().all(char::is_uppercase);
    let inner = word.trim_matches(['<', '>']);
    if plain {
        return word.to_owned();
    }
    let inner: String =
        inner.chars().map(|c| if c.is_whitespace() || "<>[]()|=".contains(c) { '-' } else { c }).collect();
    let inner = inner.trim_matches('-');
    format!("<{}>", if inner.is_empty() { "value" } else { inner })
}

/// Whether all letters of a word are capitals, and there is one (Python's `isupper`).
fn is_upper(word: &str) -> bool {
    word.chars().any(char::is_uppercase) && !word.chars().any(char::is_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, Vec<(usize, String)>) {
        let Rewritten { text, notes } = rewritten(text);
        (text, notes)
    }

    #[test]
    fn a_text_that_says_the_same_to_both_stays_as_it_is() {
        let text = "Mend.\n\nUsage:\n  mend get [--repo=<r>] [options]\n  mend run FILE...\n\nOptions:\n  -r, --repo=<r>  \
                    Where it is.\n                 And more. [default: here]\n  --ignore=DIR\n  -q  Quiet.\n\nThe end.\n";
        assert_eq!(read(text), (text.to_owned(), Vec::new()));
        assert_eq!(read("no way to call it\n--x y z\n"), ("no way to call it\n--x y z\n".to_owned(), Vec::new()));
    }

    #[test]
    fn usage_lines_that_go_on_are_joined_and_their_values_are_marked() {
        let text = "Usage: mend.py [--word=<w> |\n                --word-file=<f>] DB_NAME [-o OUT_FILE]\n       mend.py options \
                    --level=high\n\n  -o OUT_FILE  Where to.\n";
        let expected = "Usage:\n  mend.py [--word=<w> | --word-file=<f>] <DB_NAME> [-o <OUT_FILE>]\n  mend.py [options] \
                        --level=<high>\n\n  -o <OUT_FILE>  Where to.\n";
        assert_eq!(read(text), (expected.to_owned(), Vec::new()));
    }

    #[test]
    fn options_are_described_in_our_grammar() {
        let usage = "Usage: mend [options]\n\n";
        for (line, expected, note) in [
            ("  --option SSHOPT=VAL  One of ssh's.", "  --option <SSHOPT-VAL>  One of ssh's.", ""),
            ("  --ignore <dirs>...  Not these.", "  --ignore <dirs>  Not these.", ""),
            ("  --user=<u> Whose it is.", "  --user=<u>  Whose it is.", ""),
            ("  -m msg  What to say.", "  -m <msg>  What to say.", ""),
            ("  -f <a file>, --from=<a file>  Where from.", "  -f, --from=<a-file>  Where from.", ""),
            (
                "  --loud Say more.",
                "  --loud=<value>  Say more.",
                "--loud takes a value to docopt, since only one space stands before its description",
            ),
            ("  --all  All. [default: no]", "  --all  All. (default: no)", ""),
            ("  <x>  One. [default: 2]", "  <x>  One. (default: 2)", ""),
            ("\t--tab  By a tab.", "", "docopt passes over --tab: its line begins with a tab"),
            ("  ------", "  –-----", ""),
            ("  --old, --new  Two.", "  --new  Two.", ""),
        ] {
            let (text, notes) = read(&format!("{usage}{line}\n"));
            assert_eq!(text, format!("{usage}{expected}\n"), "{line}");
            let expected: Vec<_> = Some((3, note.to_owned())).filter(|_| !note.is_empty()).into_iter().collect();
            assert_eq!(notes, expected, "{line}");
        }
    }

    #[test]
    fn an_option_that_is_described_twice_keeps_its_first_description() {
        let (text, notes) = read("Usage: mend [options]\n\n  --all  All.\n  --x=<x>  As with\n    --all of them.\n");
        assert_eq!(text, "Usage: mend [options]\n\n  --all  All.\n  --x=<x>  As with\n    –-all of them.\n");
        assert_eq!(notes, [(5, "--all is described a second time, which docopt refuses when it is given".to_owned())]);
    }
}
