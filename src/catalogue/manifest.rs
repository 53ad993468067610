//! What Cargo.toml says of one program: its `[[bin]]` with the features that it is built with, and how large it may be. All
//! else stays as it was written.

use std::path::Path;

use anyhow::Context as _;
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

use super::sync::Stale;

/// The file, below the toolkit's folder.
const FILE: &str = "Cargo.toml";

/// What every action shares needs this feature alone; a program of a domain needs the domain's as well.
const FEATURE: &str = "http";

/// How large a new program may be, in bytes, until a person knows it better.
const LARGEST: &str = "6_000_000";

/// The table of the limits.
const LIMITS: [&str; 3] = ["package", "metadata", "largest"];

/// Cargo.toml with a new program; none where there is no such file.
///
/// # Errors
/// When it cannot be read, or is no TOML.
pub fn added(root: &Path, program: &str) -> anyhow::Result<Option<Stale>> {
    changed(root, |manifest| add(manifest, program))
}

/// Cargo.toml without a program; none where it says nothing of that.
///
/// # Errors
/// When it cannot be read, or is no TOML.
pub fn removed(root: &Path, program: &str) -> anyhow::Result<Option<Stale>> {
    changed(root, |manifest| remove(manifest, program))
}

fn changed(root: &Path, change: impl Fn(&mut DocumentMut)) -> anyhow::Result<Option<Stale>> {
    let path = root.join(FILE);
    if !path.exists() {
        return Ok(None);
    }
    let old = std::fs::read_to_string(path).with_context(|| format!("failed to read {FILE}"))?;
    let mut manifest: DocumentMut = old.parse().with_context(|| format!("{FILE} is no TOML"))?;
    change(&mut manifest);
    let new = manifest.to_string();
    Ok((new != old).then(|| Stale { path: FILE.into(), old: Some(old), new: Some(new) }))
}

/// The position of a table behind all others.
const END: isize = isize::MAX;

/// Adds what is not there yet: the `[[bin]]` behind the last of those that lie in src/bin, and the limit.
fn add(manifest: &mut DocumentMut, program: &str) {
    // Without that feature a program is built with all there are.
    let has_feature = manifest.get("features").is_some_and(|features| features.get(FEATURE).is_some());
    let bins = manifest.entry("bin").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    let bins = bins.as_array_of_tables_mut().filter(|bins| has_feature && !bins.iter().any(|bin| is_of(bin, program)));
    if let Some(bins) = bins {
        let own = bins.iter().filter(|bin| !bin.contains_key("path")).last();
        let mut bin = Table::new();
        // Of two at one position the one that was pushed later comes later.
        bin.set_position(own.map_or(Some(END - 1), Table::position));
        bin.insert("name", value(program));
        bin.insert("required-features", value(Array::from_iter([FEATURE])));
        bin.decor_mut().set_prefix("\n");
        bins.push(bin);
    }
    let mut limits = manifest.as_table_mut();
    for name in LIMITS {
        let mut empty = Table::new();
        empty.set_implicit(name != LIMITS[LIMITS.len() - 1]);
        empty.set_position(Some(END));
        let Some(table) = limits.entry(name).or_insert(Item::Table(empty)).as_table_mut() else { return };
        limits = table;
    }
    limits.entry(program).or_insert_with(|| Item::Value(LARGEST.parse().expect("a number")));
}

/// Takes out what is said of a program; a table of limits that holds nothing else goes with it.
fn remove(manifest: &mut DocumentMut, program: &str) {
    if let Some(bins) = manifest.get_mut("bin").and_then(Item::as_array_of_tables_mut) {
        bins.retain(|bin| !is_of(bin, program));
    }
    let tables = LIMITS[..LIMITS.len() - 1]
        .iter()
        .try_fold(manifest.as_table_mut(), |table, name| table.get_mut(name).and_then(Item::as_table_mut));
    let Some(metadata) = tables else { return };
    let name = LIMITS[LIMITS.len() - 1];
    let Some(limits) = metadata.get_mut(name).and_then(Item::as_table_mut) else { return };
    if limits.remove(program).is_some() && limits.is_empty() {
        metadata.remove(name);
    }
}

/// Whether this is the `[[bin]]` of a program.
fn is_of(bin: &Table, program: &str) -> bool {
    bin.get("name").and_then(Item::as_str) == Some(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(text: &str, change: impl Fn(&mut DocumentMut)) -> String {
        let mut manifest = text.parse().expect("TOML");
        change(&mut manifest);
        manifest.to_string()
    }

    fn with(text: &str, program: &str) -> String {
        changed(text, |manifest| add(manifest, program))
    }

    fn without(text: &str, program: &str) -> String {
        changed(text, |manifest| remove(manifest, program))
    }

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
