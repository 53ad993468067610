//! What Cargo.toml says of one program: its `[[bin]]` with the features that it is built with, and how large it may be. It is
//! changed as text, since a person writes it.

use std::ops::Range;
use std::path::Path;

use anyhow::Context as _;

use super::sync::Stale;

/// The file, below the toolkit's folder.
const FILE: &str = "Cargo.toml";

/// What every action shares needs this feature alone; a program of a domain needs the domain's as well.
const FEATURE: &str = "http";

/// How large a new program may be, in bytes, until a person knows it better.
const LARGEST: &str = "6_000_000";

/// The table of the limits.
const LIMITS: &str = "[package.metadata.largest]";

/// Cargo.toml with a new program; none where there is no such file.
///
/// # Errors
/// When it cannot be read.
pub fn added(root: &Path, program: &str) -> anyhow::Result<Option<Stale>> {
    changed(root, |text| with(text, program))
}

/// Cargo.toml without a program; none where it says nothing of that.
///
/// # Errors
/// When it cannot be read.
pub fn removed(root: &Path, program: &str) -> anyhow::Result<Option<Stale>> {
    changed(root, |text| without(text, program))
}

fn changed(root: &Path, change: impl Fn(&str) -> String) -> anyhow::Result<Option<Stale>> {
    let path = root.join(FILE);
    if !path.exists() {
        return Ok(None);
    }
    let old = std::fs::read_to_string(path).with_context(|| format!("failed to read {FILE}"))?;
    let new = change(&old);
    Ok((new != old).then(|| Stale { path: FILE.into(), old: Some(old), new: Some(new) }))
}

/// A table: from its heading to the end of the last line that belongs to it.
struct Table {
    heading: String,
    range: Range<usize>,
    /// Where each of its lines lies.
    lines: Vec<Range<usize>>,
}

impl Table {
    fn all(text: &str) -> Vec<Self> {
        let mut tables: Vec<Self> = Vec::new();
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let range = at..at + line.len();
            at = range.end;
            let words = line.trim_end();
            // An item of a list that goes over several lines is indented.
            if words.starts_with('[') {
                tables.push(Self { heading: words.to_owned(), range, lines: Vec::new() });
            } else if let Some(table) = tables.last_mut().filter(|_| !words.is_empty() && !words.starts_with('#')) {
                table.range.end = range.end;
                table.lines.push(range);
            }
        }
        tables
    }

    /// The line that gives a value to this key.
    fn line(&self, text: &str, key: &str) -> Option<Range<usize>> {
        let gives = |line: &&Range<usize>| value(&text[(*line).clone()], key).is_some();
        self.lines.iter().find(gives).cloned()
    }

    /// Whether it is the `[[bin]]` of this program.
    fn is_bin(&self, text: &str, program: &str) -> bool {
        let name = self.line(text, "name").and_then(|line| value(&text[line], "name"));
        self.heading == "[[bin]]" && name.is_some_and(|name| name.trim_matches(['"', '\'']) == program)
    }
}

/// What a line gives to a key.
fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.trim().strip_prefix(key)?.trim_start().strip_prefix('=').map(str::trim)
}

/// The text with a program that it does not name yet: its `[[bin]]` behind the last of those that lie in src/bin.
fn with(text: &str, program: &str) -> String {
    let mut text = text.trim_end().to_owned() + "\n";
    let tables = Table::all(&text);
    let features = tables.iter().find(|table| table.heading == "[features]");
    // Without that feature it is built with all there are.
    if features.is_some_and(|table| table.line(&text, FEATURE).is_some())
        && !tables.iter().any(|table| table.is_bin(&text, program))
    {
        let own = |table: &&Table| table.heading == "[[bin]]" && table.line(&text, "path").is_none();
        let at = tables.iter().rfind(own).map_or(text.len(), |table| table.range.end);
        text.insert_str(at, &format!("\n[[bin]]\nname = \"{program}\"\nrequired-features = [\"{FEATURE}\"]\n"));
    }
    let limit = format!("{program} = {LARGEST}\n");
    match Table::all(&text).iter().find(|table| table.heading == LIMITS) {
        Some(table) if table.line(&text, program).is_some() => {}
        Some(table) => text.insert_str(table.range.end, &limit),
        None => text.extend(["\n", LIMITS, "\n", &limit]),
    }
    text
}

/// The text without what it says of a program.
fn without(text: &str, program: &str) -> String {
    let tables = Table::all(text);
    let mut ranges: Vec<Range<usize>> = tables
        .iter()
        .filter_map(|table| {
            let limit = table.line(text, program).filter(|_| table.heading == LIMITS);
            // A table of limits that holds nothing else goes with it.
            if table.is_bin(text, program) || (limit.is_some() && table.lines.len() == 1) {
                Some(table.range.start - usize::from(text[..table.range.start].ends_with("\n\n"))..table.range.end)
            } else {
                limit
            }
        })
        .collect();
    ranges.sort_by_key(|range| range.start);
    let mut left = text.to_owned();
    for range in ranges.into_iter().rev() {
        left.replace_range(range, "");
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[package]
name = \"kit\"

[features]
default = [\"http\"]
http = []

# Each names its features.
[[bin]]
name = \"look\" # ours
required-features = [
  \"http\",
]

# Those of the tests.
[[bin]]
name = \"tests\"
path = \"tests/tests.rs\"

# In bytes.
[package.metadata.largest]
look = 5_000

# The rest.
[lints]
";

    #[test]
    fn a_program_is_added_behind_its_like_and_removed_without_a_trace() {
        let expected = TEXT
            .replace("]\n\n# Those", "]\n\n[[bin]]\nname = \"mend\"\nrequired-features = [\"http\"]\n\n# Those")
            .replace("5_000\n", "5_000\nmend = 6_000_000\n");
        assert_eq!(with(TEXT, "mend"), expected);
        assert_eq!(with(&expected, "mend"), expected, "once is enough");
        assert_eq!(without(&expected, "mend"), TEXT);
        assert_eq!(without(TEXT, "mend"), TEXT);
        // One whose name only begins like it is another.
        assert_eq!(without(&with(&expected, "mend_more"), "mend"), with(TEXT, "mend_more"));
    }

    #[test]
    fn where_no_such_feature_is_a_program_is_built_with_all_and_has_a_limit_all_the_same() {
        let text = "[package]\nname = \"kit\"\n";
        let expected = "[package]\nname = \"kit\"\n\n[package.metadata.largest]\nmend = 6_000_000\n";
        assert_eq!(with(text, "mend"), expected);
        assert_eq!(without(expected, "mend"), text);
    }

    #[test]
    fn our_own_manifest_can_be_added_to() {
        let own = include_str!("../../Cargo.toml");
        let more = with(own, "mend");
        let bin = "test = false\n\n[[bin]]\nname = \"mend\"\nrequired-features = [\"http\"]\n\n[[test]]\n";
        assert!(more.contains(bin) && more.contains("_000\nmend = 6_000_000\n\n#"), "{more}");
        assert_eq!(without(&more, "mend"), own);
    }
}
