//! Which tests are meant: files, folders with all below them, and what is left of these.

use std::collections::BTreeSet;
use std::path::Path;

use crate::port::Unfit;

/// The files of these names, each once, in order: a file as it is, of a folder all that is YAML or JSON below it, except for what is hidden
/// and for the resources.
///
/// # Errors
/// When one is not there, or a folder cannot be read.
pub fn files(names: &[String], folder: &Path, resources: &Path) -> Result<Vec<String>, Unfit> {
    let mut found = Vec::new();
    for name in names {
        let path = folder.join(name);
        if path.is_dir() {
            let before = found.len();
            below(name.trim_end_matches('/'), &path, resources, &mut found)?;
            found[before..].sort();
        } else if path.is_file() {
            found.push(name.clone());
        } else {
            return Err(Unfit(format!("there is no file and no folder {name}")));
        }
    }
    let mut seen = BTreeSet::new();
    found.retain(|name| seen.insert(folder.join(name).canonicalize().unwrap_or_else(|_| folder.join(name))));
    Ok(found)
}

fn below(shown: &str, path: &Path, resources: &Path, found: &mut Vec<String>) -> Result<(), Unfit> {
    let refusal = |error: std::io::Error| Unfit(format!("failed to read the folder {shown}: {error}"));
    for entry in std::fs::read_dir(path).map_err(refusal)? {
        let entry = entry.map_err(refusal)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') {
            continue;
        }
        let (shown, path) = (format!("{shown}/{name}"), entry.path());
        // A link to a folder may lead in a circle.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if path.canonicalize().ok() != resources.canonicalize().ok() {
                below(&shown, &path, resources, found)?;
            }
        } else if path.is_file()
            && path.extension().is_some_and(|end| ["yml", "yaml", "json"].iter().any(|known| end == *known))
        {
            found.push(shown);
        }
    }
    Ok(())
}

/// Those that have a text in their names, of these those that are in a list, of these one part of several.
#[must_use]
pub fn chosen(
    mut files: Vec<String>,
    only: Option<&str>,
    among: Option<&BTreeSet<String>>,
    shard: Option<(usize, usize)>,
) -> Vec<String> {
    files.retain(|file| only.is_none_or(|text| file.contains(text)) && among.is_none_or(|names| names.contains(file)));
    let Some((part, of)) = shard else { return files };
    files.into_iter().enumerate().filter(|(at, _)| at % of == part).map(|(_, file)| file).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_folder_is_all_tests_below_it_without_the_resources() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in [
            "tests/b.yaml",
            "tests/a.yml",
            "tests/deep/c.json",
            "tests/x.sql",
            "tests/.hidden.yml",
            "tests/resources/r.json",
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, "").expect("a file");
        }
        let names = ["tests/b.yaml".to_owned(), "tests/".to_owned()];
        let found = files(&names, folder.path(), &folder.path().join("tests/resources")).expect("files");
        assert_eq!(found, ["tests/b.yaml", "tests/a.yml", "tests/deep/c.json"]);
        let error = files(&["none".to_owned()], folder.path(), Path::new("/r")).expect_err("a refusal");
        assert_eq!(error.to_string(), "there is no file and no folder none");
    }

    proptest! {
        #[test]
        fn the_parts_of_the_tests_are_all_of_them_each_once(count in 0..50_usize, of in 1..9_usize) {
            let all: Vec<String> = (0..count).map(|at| at.to_string()).collect();
            let mut parts: Vec<String> = (0..of).flat_map(|part| chosen(all.clone(), None, None, Some((part, of)))).collect();
            parts.sort_by_key(|text| text.parse::<usize>().expect("a number"));
            prop_assert_eq!(parts, all);
        }
    }
}
