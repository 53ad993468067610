//! Rules over what a clone can break: links that became texts, and line ends.

use std::path::PathBuf;

use super::Violation;
use super::stock::Stock;

/// Where the files are that are read as text.
const FOLDERS: [&str; 7] = ["src/bin", "templates", "roles", "playbooks", "inventories", "jenkins", "share"];

/// The longest path that a link is taken for.
const LONGEST: u64 = 200;

/// The files that a clone may have broken: all but those that are copied to hosts.
fn files(stock: &Stock) -> impl Iterator<Item = PathBuf> {
    let files = FOLDERS.iter().flat_map(|folder| stock.files(folder));
    files.filter(|path| !(path.starts_with("roles") && path.iter().any(|part| part == "files")))
}

/// A text that holds nothing but the path to a file which is there: a link, cloned where there are none.
pub fn link_lost(stock: &Stock) -> Vec<Violation> {
    let leads = |path: &PathBuf| {
        let full = stock.path(path);
        let small = full.symlink_metadata().is_ok_and(|it| it.is_file() && it.len() <= LONGEST);
        let text = small.then(|| std::fs::read_to_string(&full).ok()).flatten()?;
        let target = text.trim_end();
        let is_path = target.starts_with("../") && !target.contains(char::is_whitespace);
        (is_path && full.parent()?.join(target).exists()).then(|| (path.clone(), target.to_owned()))
    };
    let violation = |(path, target): (PathBuf, String)| {
        let fix = format!("call `git config core.symlinks true` and `git checkout -- {}`", path.display());
        Violation::at(&path, 1, format!("this is the text of a link to {target}: the clone has no symbolic links"), fix)
    };
    files(stock).filter_map(|path| leads(&path)).map(violation).collect()
}

/// Line ends of Windows. Told once, since a clone gives them to all files alike.
pub fn line_ends(stock: &Stock) -> Vec<Violation> {
    let wrong: Vec<PathBuf> =
        files(stock).filter(|path| std::fs::read(stock.path(path)).is_ok_and(|bytes| has_them(&bytes))).collect();
    let Some(first) = wrong.first() else { return Vec::new() };
    let more = match wrong.len() - 1 {
        0 => String::new(),
        count => format!(", and those of {count} more"),
    };
    let finding = format!("the lines of this file{more} end as on Windows, with CRLF");
    let fix = "call `git config core.autocrlf false`, `git rm -r --cached --quiet .` and `git reset --hard`: \
                .gitattributes has them end as on Unix";
    vec![Violation::at(first, 1, finding, fix)]
}

/// Whether bytes have a line end of Windows.
fn has_them(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\r\n")
}
