//! git as somebody without a configuration of their own calls it.

use std::path::Path;
use std::process::Command;

use super::need;

/// `git` with these words in a folder, which must succeed.
pub fn git(folder: &Path, words: &[&str]) {
    let mut command = Command::new(need("git", "git"));
    command.args(["-c", "user.name=tester", "-c", "user.email=tester@example.com"]).args(words);
    let output = command.current_dir(folder).output().expect("git starts");
    assert!(output.status.success(), "git {words:?}: {output:?}");
}

/// Makes a repository of a folder, with all that is in it.
pub fn keep(folder: &Path) {
    git(folder, &["init", "--quiet", "--initial-branch=main"]);
    commit(folder);
}

/// Commits all that is there.
pub fn commit(folder: &Path) {
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--message=x"]);
}
