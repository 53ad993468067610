//! Whatever stands in a journal is read to its end or to its damage, and what was read is written again as it stands there.
//! The second part writes its lines itself, for nobody guesses a checksum.

use firebreak::journal::record::Record;
use firebreak::journal::{Run, line};

pub fn take(bytes: &[u8]) {
    let lines = line::read(bytes).unwrap_or_else(|damage| damage.before);
    assert_eq!(written(&lines.records).as_bytes(), &bytes[..lines.length], "it is read otherwise than it stands there");
    let _ = Run::of("1-abcdef", "1-abcdef.journal".as_ref(), lines);
    // Each line as a record, in a journal that is whole.
    let lines = bytes.split(|byte| *byte == b'\n');
    let records: Vec<Record> = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let text = written(&records);
    let again = line::read(text.as_bytes()).expect("what was written is a journal");
    assert_eq!((&again.records, again.length), (&records, text.len()), "it is read otherwise than it was written");
    let _ = Run::of("1-abcdef", "1-abcdef.journal".as_ref(), again);
}

/// A journal of these records.
fn written(records: &[Record]) -> String {
    let mut before = line::FIRST.to_owned();
    let mut text = String::new();
    for record in records {
        let (line, sum) = line::line(record, &before);
        text.push_str(&line);
        before = sum;
    }
    text
}
