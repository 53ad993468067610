//! Which pictures there are to be: keys from a file or a database, each with the checksum of its picture where that is known.
//!
//! They are read once, into a temporary file: the database is not kept waiting while pictures are fetched, a pipe serves as well as a
//! file, their number is known, and the memory does not grow with it.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read as _, Seek as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};

use crate::address::Address;
use crate::http::Trust;
use crate::sql::{Engine, Place, Row, connect};
use crate::store::{Checksum, Key};

/// No line of a file is longer than a key and a checksum can be.
const LONGEST_LINE: u64 = 2048;

/// A picture that there is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its key.
    pub key: Key,
    /// The checksum of the right one; none where that is not known.
    pub checksum: Option<Checksum>,
}

/// Keys, in a temporary file that has no name.
#[derive(Debug)]
pub struct Keys {
    file: BufReader<File>,
    /// How many there are.
    pub count: u64,
    /// What is no key: where it stands, and why it is none. Only the first are kept.
    pub bad: Vec<(String, String)>,
    /// How many are none.
    pub bad_count: u64,
}

/// How many of what is no key are named.
const NAMED: usize = 1000;

/// Keys that are being written down.
#[derive(Debug)]
pub struct Spool {
    file: BufWriter<File>,
    count: u64,
    bad: Vec<(String, String)>,
    bad_count: u64,
}

impl Spool {
    /// An empty one.
    ///
    /// # Errors
    /// When there is no room for temporary files.
    pub fn new() -> anyhow::Result<Self> {
        let file = tempfile::tempfile().context("failed to make a temporary file for the keys")?;
        Ok(Self { file: BufWriter::new(file), count: 0, bad: Vec::new(), bad_count: 0 })
    }

    /// Writes a key down.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn add(&mut self, wanted: &Wanted) -> anyhow::Result<()> {
        self.count += 1;
        let checksum = wanted.checksum.as_ref().map_or("", Checksum::as_str);
        writeln!(self.file, "{}\t{checksum}", wanted.key).context("failed to write a key to a temporary file")
    }

    fn refuse(&mut self, place: String, why: String) {
        self.bad_count += 1;
        if self.bad.len() < NAMED {
            self.bad.push((place, why));
        }
    }

    fn read(&mut self, place: impl FnOnce() -> String, key: &str, checksum: Option<&str>) -> anyhow::Result<()> {
        let checksum = checksum.map(str::trim).filter(|text| !text.is_empty());
        let sum = checksum.map(Checksum::read);
        match (Key::read(key), sum) {
            (Err(why), _) => self.refuse(format!("{} {key:?}", place()), why),
            (Ok(_), Some(None)) => {
                self.refuse(
                    format!("{} {key:?}", place()),
                    "what stands behind it is no SHA-256 in 64 digits".to_owned(),
                );
            }
            (Ok(key), sum) => self.add(&Wanted { key, checksum: sum.flatten() })?,
        }
        Ok(())
    }

    /// What was written down, from its beginning.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn done(self) -> anyhow::Result<Keys> {
        let mut file = self.file.into_inner().map_err(|error| anyhow!("failed to write the keys down: {error}"))?;
        file.rewind().context("failed to read the keys again")?;
        Ok(Keys { file: BufReader::new(file), count: self.count, bad: self.bad, bad_count: self.bad_count })
    }
}

impl Keys {
    /// The next one; none where there is no more.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn read(&mut self) -> anyhow::Result<Option<Wanted>> {
        let mut line = String::new();
        if self.file.read_line(&mut line).context("failed to read the keys again")? == 0 {
            return Ok(None);
        }
        let (key, checksum) = line.trim_end_matches('\n').split_once('\t').unwrap_or((&line, ""));
        let key = Key::read(key).map_err(|why| anyhow!("the temporary file of the keys was changed: {why}"))?;
        Ok(Some(Wanted { key, checksum: Checksum::read(checksum) }))
    }
}

/// Reads keys from text, a line each, up to `limit` of them. Empty lines are none, and what Windows adds to a text is left out.
///
/// # Errors
/// When it cannot be read, or there is no room to write the keys down.
pub fn of_lines(mut text: impl BufRead, limit: u64) -> anyhow::Result<Keys> {
    let mut spool = Spool::new()?;
    let mut line = Vec::new();
    for number in 1_u64.. {
        if spool.count + spool.bad_count >= limit {
            break;
        }
        line.clear();
        let read = text.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        let place = || format!("line {number}");
        if read as u64 == LONGEST_LINE && line.last() != Some(&b'\n') {
            spool.refuse(place(), format!("it is longer than {LONGEST_LINE} bytes"));
            text.skip_until(b'\n')?;
            continue;
        }
        let Ok(line) = std::str::from_utf8(&line) else {
            spool.refuse(place(), "it is no text in UTF-8".to_owned());
            continue;
        };
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let line = if number == 1 { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
        if line.is_empty() {
            continue;
        }
        let (key, checksum) = line.split_once('\t').map_or((line, None), |(key, sum)| (key, Some(sum)));
        spool.read(place, key, checksum)?;
    }
    spool.done()
}

/// Reads keys from a file, up to `limit` of them.
///
/// # Errors
/// As [`of_lines`], with the file's name.
pub fn of_file(path: &Path, limit: u64) -> anyhow::Result<Keys> {
    let failed = || format!("failed to read the keys {}", path.display());
    let file = File::open(path).with_context(failed)?;
    of_lines(BufReader::new(file), limit).with_context(failed)
}

/// Asks a database for keys, up to `limit` of them. Nothing can be changed by the query: the session only reads.
///
/// # Errors
/// When the database refuses it, or its answer has no column or more than two.
pub async fn of_database(database: &Address, query: &str, limit: u64, trust: &Trust) -> anyhow::Result<Keys> {
    let mut session = connect(database, trust, "firebreak repopulate_images").await?;
    let reads_only = match Place::read(database)?.engine {
        Engine::Postgres => "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        Engine::Mysql => "SET SESSION TRANSACTION READ ONLY",
    };
    session.query(reads_only, &mut |_| ()).await?;
    let mut spool = Spool::new()?;
    let (mut number, mut failed) = (0_u64, None);
    let mut see = |row: Row| {
        number += 1;
        if failed.is_none() && number <= limit {
            failed = of_row(&mut spool, number, &row).err();
        }
    };
    session.query(query, &mut see).await.context("the query of the keys failed")?;
    match failed {
        Some(error) => Err(error),
        None => spool.done(),
    }
}

fn of_row(spool: &mut Spool, number: u64, row: &Row) -> anyhow::Result<()> {
    let place = || format!("row {number}");
    match &*row.values {
        [Some(key)] => spool.read(place, key, None),
        [Some(key), checksum] => spool.read(place, key, checksum.as_deref()),
        [None, ..] if row.values.len() < 3 => {
            spool.refuse(place(), "it is NULL".to_owned());
            Ok(())
        }
        columns => bail!(
            "the query answers {} columns ({}): one is needed, the key, and a second may be its SHA-256",
            columns.len(),
            row.columns.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn all(mut keys: Keys) -> Vec<(String, bool)> {
        let next = || keys.read().expect("readable").map(|wanted| (wanted.key.to_string(), wanted.checksum.is_some()));
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn a_text_has_a_key_a_line_and_what_is_none_is_named() {
        let sum = "a".repeat(64);
        let text = format!("\u{feff}a.png\r\n\n\r\nb c\t{sum}\r\n../x\n/x\n d\ne\tabc\na.png\nlast");
        let keys = of_lines(text.as_bytes(), u64::MAX).expect("readable");
        assert_eq!((keys.count, keys.bad_count), (4, 4));
        let places: Vec<_> = keys.bad.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(places, [r#"line 5 "../x""#, r#"line 6 "/x""#, r#"line 7 " d""#, r#"line 8 "e""#]);
        let expected = [("a.png", false), ("b c", true), ("a.png", false), ("last", false)];
        assert_eq!(all(keys), expected.map(|(key, sum)| (key.to_owned(), sum)));
    }

    #[test]
    fn what_is_no_text_and_what_never_ends_are_told() {
        let mut text = b"ok\n\xff\xfe\n".to_vec();
        text.extend(std::iter::repeat_n(b'x', 10_000));
        text.extend(b"\nalso\n");
        let keys = of_lines(&*text, u64::MAX).expect("readable");
        let expected = [("line 2", "it is no text in UTF-8"), ("line 3", "it is longer than 2048 bytes")];
        assert_eq!(keys.bad, expected.map(|(place, why)| (place.to_owned(), why.to_owned())));
        assert_eq!(all(keys), [("ok".to_owned(), false), ("also".to_owned(), false)]);
    }

    #[test]
    fn no_more_than_the_limit_are_taken() {
        let keys = of_lines(&b"a\n\n..\nb\nc\n"[..], 3).expect("readable");
        assert_eq!((keys.count, keys.bad_count), (2, 1));
    }

    #[test]
    fn a_row_has_a_key_and_perhaps_a_checksum() {
        let mut spool = Spool::new().expect("room");
        let row = |values: &[Option<&str>]| Row {
            columns: (0..values.len()).map(|at| format!("c{at}")).collect::<Arc<[_]>>(),
            values: values.iter().map(|value| value.map(str::to_owned)).collect(),
        };
        let sum = "b".repeat(64);
        for values in [&[Some("a")][..], &[Some("b"), None], &[Some("c"), Some(&sum)], &[None], &[None, Some("x")]] {
            of_row(&mut spool, 7, &row(values)).expect("a row");
        }
        let error = of_row(&mut spool, 8, &row(&[None, None, None])).expect_err("three").to_string();
        assert!(error.starts_with("the query answers 3 columns (c0, c1, c2): "), "{error}");
        let keys = spool.done().expect("room");
        assert_eq!((keys.count, keys.bad_count), (3, 2));
        assert_eq!(keys.bad[0], ("row 7".to_owned(), "it is NULL".to_owned()));
    }
}
