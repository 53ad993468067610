//! Other programs that this one calls: cargo, git, an adopted program. The only place that starts one.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

/// What a program that ended well had printed on stdout.
///
/// # Errors
/// When it cannot be started, or ends otherwise: with what it said on stderr.
pub fn read(program: impl AsRef<OsStr>, words: &[impl AsRef<OsStr>], folder: &Path) -> anyhow::Result<String> {
    let program = program.as_ref();
    let called = called(program, words);
    let output = Command::new(program).args(words).current_dir(folder).output();
    let output = output.with_context(|| format!("failed to start `{called}`"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::bail!("`{called}` failed ({}): {}", output.status, said.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("what `{called}` printed is not UTF-8"))
}

/// Runs a program that talks to the terminal by itself.
///
/// # Errors
/// When it cannot be started, or does not end well.
pub fn show(
    program: impl AsRef<OsStr>,
    words: &[impl AsRef<OsStr>],
    variables: &[(&str, &str)],
    folder: &Path,
) -> anyhow::Result<()> {
    let program = program.as_ref();
    let called = called(program, words);
    let status = Command::new(program).args(words).envs(variables.iter().copied()).current_dir(folder).status();
    let status = status.with_context(|| format!("failed to start `{called}`"))?;
    anyhow::ensure!(status.success(), "`{called}` failed ({status})");
    Ok(())
}

fn called(program: &OsStr, words: &[impl AsRef<OsStr>]) -> String {
    let words = words.iter().map(|word| word.as_ref().to_string_lossy());
    std::iter::once(program.to_string_lossy()).chain(words).collect::<Vec<_>>().join(" ")
}
