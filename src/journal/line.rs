//! A record as a line: 16 letters of a SHA-256 over the line before it and this one, a space, JSON. A line that was
//! changed, dropped or put elsewhere shows.

use sha2::{Digest as _, Sha256};

use super::record::Record;
use crate::words::hexadecimal;

/// The checksum that the first line follows.
pub const FIRST: &str = "0000000000000000";

/// A journal that cannot be read to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} at line {line}, which {why}", if *is_newer { "it cannot be understood" } else { "it is damaged" })]
pub struct Damage {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: &'static str,
    /// The line is as it was written, by a version that knows more kinds of records.
    pub is_newer: bool,
    /// What stands before it.
    pub before: Lines,
}

/// What a journal's bytes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// The records.
    pub records: Vec<Record>,
    /// The checksum of the last of them.
    pub sum: String,
    /// The bytes of all whole lines; what follows was being written when the process died.
    pub length: usize,
}

/// The checksum of a line that follows one of this checksum.
fn sum(before: &str, json: &str) -> String {
    digest(&format!("{before}{json}"), 8)
}

/// The first bytes of the SHA-256 of a text, in hexadecimal letters.
pub(super) fn digest(text: &str, bytes: usize) -> String {
    hexadecimal(&Sha256::digest(text)[..bytes])
}

/// The line of a record, with its end, and its checksum.
#[must_use]
pub fn line(record: &Record, before: &str) -> (String, String) {
    let json = serde_json::to_string(record).expect("a record is plain data");
    let sum = sum(before, &json);
    (format!("{sum} {json}\n"), sum)
}

/// Reads a journal. A last line that is not whole is left out.
///
/// # Errors
/// [`Damage`] at the first line that is not as it was written, unless it is the last, and at one that is of a kind unknown.
pub fn read(bytes: &[u8]) -> Result<Lines, Damage> {
    let mut lines = Lines { records: Vec::new(), sum: FIRST.to_owned(), length: 0 };
    for (number, line) in (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        let is_last = lines.length + line.len() == bytes.len();
        let (json, sum) = match checked(line, &lines.sum) {
            Ok(checked) => checked,
            Err(_) if is_last => break,
            Err(why) => return Err(Damage { line: number, why, is_newer: false, before: lines }),
        };
        let Ok(record) = serde_json::from_str(json) else {
            let why = "is of a newer version of firebreak";
            return Err(Damage { line: number, why, is_newer: true, before: lines });
        };
        lines.records.push(record);
        lines.sum = sum;
        lines.length += line.len();
    }
    Ok(lines)
}

/// The first record of a journal and the last, without what stands between, by its first bytes and its last ones. None where
/// either is not whole and as it was written, or where they are too few to tell.
#[must_use]
pub fn ends(head: &[u8], tail: &[u8]) -> Option<(Record, Record)> {
    let first = &head[..=head.iter().position(|byte| *byte == b'\n')?];
    let (first, _) = checked(first, FIRST).ok()?;
    let whole = tail.strip_suffix(b"\n")?;
    let last = whole.iter().rposition(|byte| *byte == b'\n')? + 1;
    // The checksum of the line before stands at its beginning, which must be within these bytes as well.
    let before = whole[..last - 1].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let before = std::str::from_utf8(whole.get(before..before + FIRST.len())?).ok()?;
    let (last, _) = checked(&tail[last..], before).ok()?;
    Some((serde_json::from_str(first).ok()?, serde_json::from_str(last).ok()?))
}

/// The JSON of a line that is as it was written, and its checksum.
fn checked<'a>(line: &'a [u8], before: &str) -> Result<(&'a str, String), &'static str> {
    let whole = line.strip_suffix(b"\n").ok_or("has no end")?;
    let text = std::str::from_utf8(whole).map_err(|_| "is not UTF-8")?;
    let (given, json) = text.split_once(' ').ok_or("is no line of a journal")?;
    let expected = sum(before, json);
    if given == expected { Ok((json, expected)) } else { Err("does not match its checksum: the file was changed") }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::super::record::State;
    use super::*;

    fn written(states: &[State]) -> (Vec<Record>, Vec<String>) {
        let at = DateTime::UNIX_EPOCH;
        let records: Vec<_> = states.iter().map(|state| Record::State { at, state: *state }).collect();
        let mut before = FIRST.to_owned();
        let mut lines = Vec::new();
        for record in &records {
            let (line, sum) = line(record, &before);
            lines.push(line);
            before = sum;
        }
        (records, lines)
    }

    #[test]
    fn a_changed_a_dropped_and_a_moved_line_show() {
        let (records, lines) = written(&State::ALL);
        let damage = |lines: &[&String]| {
            let text: String = lines.iter().map(|line| line.as_str()).collect();
            let damaged = |damage: Damage| {
                assert_eq!(damage.before.records, records[..damage.line - 1], "what stands before it is read");
                damage.line
            };
            read(text.as_bytes()).map(|read| read.records.len()).map_err(damaged)
        };
        let changed = lines[1].replace("locked", "lacked");
        assert_eq!(damage(&[&lines[0], &changed, &lines[2]]), Err(2));
        assert_eq!(damage(&[&lines[0], &lines[2], &lines[3]]), Err(2));
        assert_eq!(damage(&[&lines[1], &lines[0], &lines[2]]), Err(1));
        assert_eq!(damage(&[&lines[0], &lines[1], &changed]), Ok(2), "the last may be torn");
        assert_eq!(damage(&[]), Ok(0));
    }

    #[test]
    fn a_line_of_a_newer_version_is_not_taken_for_one_that_was_torn() {
        let json = r#"{"record":"dreamt"}"#;
        let text = format!("{} {json}\n", sum(FIRST, json));
        let damage = read(text.as_bytes()).expect_err("a refusal");
        assert_eq!(damage.to_string(), "it cannot be understood at line 1, which is of a newer version of firebreak");
    }

    #[test]
    fn the_ends_are_read_where_they_are_whole() {
        let (records, lines) = written(&State::ALL);
        let text = lines.concat();
        let (first, last) = (records[0].clone(), records[records.len() - 1].clone());
        for tail in [text.len(), lines[8].len() + lines[9].len()] {
            let tail = &text.as_bytes()[text.len() - tail..];
            assert_eq!(ends(text.as_bytes(), tail), Some((first.clone(), last.clone())));
        }
        let changed = text.replacen("stopped", "stepped", 1);
        for (head, tail) in [
            (text.as_bytes(), lines[9].as_bytes()),
            (text.as_bytes(), &text.as_bytes()[..text.len() - 1]),
            (text.as_bytes(), changed.as_bytes()),
            (&text.as_bytes()[1..], text.as_bytes()),
            (b"", b""),
        ] {
            assert_eq!(ends(head, tail), None);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_cut_off_the_whole_lines_are_read(count in 0..9_usize, cut in 0..2000_usize) {
            let (records, lines) = written(&State::ALL[..count]);
            let text = lines.concat();
            let cut = cut.min(text.len());
            let read = read(&text.as_bytes()[..cut]).expect("only its end is torn");
            let ends: Vec<_> = lines.iter().scan(0, |end, line| { *end += line.len(); Some(*end) }).collect();
            let whole = ends.iter().filter(|end| **end <= cut).count();
            prop_assert_eq!(&read.records[..], &records[..whole]);
            prop_assert_eq!(read.length, if whole == 0 { 0 } else { ends[whole - 1] });
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
            let _ = ends(&bytes, &bytes);
        }
    }
}
