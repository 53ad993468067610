//! What nothing derives any more is removed, where that can be undone, and nothing else ever.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{firebreak, odd, said, up_to_date};
use crate::support::git::{git, keep};

/// Every file and link below a folder, but git's own.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(if path.ends_with(".git") { Vec::new() } else { files(&path) });
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The odd toolkit, kept by git.
fn kept() -> TempDir {
    let folder = odd();
    keep(folder.path());
    folder
}

/// Takes a command from a program, so that `roles/more_ways/tasks/off.yml` is left over.
fn take_off(folder: &Path) {
    let source = folder.join("src/bin/more_ways.rs");
    let text = std::fs::read_to_string(&source).expect("the text");
    std::fs::write(&source, text.replace("(run | off)", "run").replace("run and off", "run")).expect("the text");
}

#[test]
fn a_link_is_no_way_to_what_is_removed() {
    let folder = kept();
    let root = folder.path();
    let elsewhere = tempfile::tempdir().expect("a folder");
    let derived = "# Derived from src/bin/mend.rs by `firebreak sync`: change that file, or the template.\n";
    std::fs::write(elsewhere.path().join("theirs.yml"), derived).expect("a file");
    symlink("../roles", root.join("playbooks/roles")).expect("a link");
    symlink(elsewhere.path(), root.join("roles/away")).expect("a link");
    symlink("main.yml", root.join("roles/more_ways/defaults/other.yml")).expect("a link");
    git(root, &["add", "--all"]);
    let before = files(root);
    for words in [&["sync", "--check"][..], &["sync"]] {
        assert_eq!(said(&firebreak(root, words)), up_to_date());
    }
    assert_eq!(files(root), before);

    // A folder that is a link itself: all of it is behind the link.
    std::fs::rename(root.join("share"), elsewhere.path().join("share")).expect("to move it");
    std::fs::write(elsewhere.path().join("share/left"), derived).expect("a file");
    symlink(elsewhere.path().join("share"), root.join("share")).expect("a link");
    assert_eq!(said(&firebreak(root, &["sync"])), up_to_date());
    assert!(elsewhere.path().join("share/left").is_file() && elsewhere.path().join("theirs.yml").is_file());
}

#[test]
fn what_git_has_is_removed_and_what_it_does_not_have_is_named() {
    let folder = kept();
    let root = folder.path();
    take_off(root);
    let off = "roles/more_ways/tasks/off.yml";
    git(root, &["rm", "--quiet", "--cached", off]);
    let left =
        "1 file left over, which nothing derives any more and git does not have, so that removing is left to you\n";
    let (code, shown, errors) = said(&firebreak(root, &["sync"]));
    assert_eq!(code, Some(1), "{shown}{errors}");
    assert!(shown.ends_with(&format!("\n--- {off} (left over)\n\n")), "{shown}");
    assert!(errors.starts_with("firebreak error: ") && errors.ends_with(&format!(" written. {left}")), "{errors}");
    assert!(root.join(off).is_file());
    for words in [&["sync", "--check"][..], &["sync"]] {
        let expected = (Some(1), format!("--- {off} (left over)\n\n"), format!("firebreak error: {left}"));
        assert_eq!(said(&firebreak(root, words)), expected);
    }
    let (_, found, _) = said(&firebreak(root, &["check"]));
    let mend = "remove it: git does not have it, so `sync` does not";
    assert!(found.lines().any(|line| line.starts_with(off) && line.contains(mend)), "{found}");

    git(root, &["add", off]);
    assert_eq!(firebreak(root, &["sync"]).status.code(), Some(0));
    assert!(!root.join(off).exists());
    assert_eq!(said(&firebreak(root, &["sync"])), up_to_date());
}

#[test]
fn without_git_nothing_is_removed() {
    let folder = odd();
    take_off(folder.path());
    let before = files(folder.path());
    assert_eq!(firebreak(folder.path(), &["sync"]).status.code(), Some(1));
    assert_eq!(files(folder.path()), before);
}
