//! Other programs that this one calls: cargo, git, an adopted program. The only place that starts one.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::{DateTime, Utc};

/// The unit of times in `/proc`, in parts of a second: the same on all kernels that this is built for.
const TICKS: i64 = 100;

/// How much later than it was seen a process may seem to have begun: clocks are set now and then.
const LATER: Duration = Duration::from_mins(1);

/// Whether a process that was seen at a time is there still. One that began later only has its number; one that ended
/// and was not fetched by its parent is none.
#[must_use]
pub fn is_alive(process: u32, seen: DateTime<Utc>) -> bool {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{process}/stat")) else { return false };
    // The name may hold anything; behind it come the state and, as the twentieth, when it began.
    let mut fields = status.rsplit(')').next().unwrap_or_default().split_whitespace();
    if matches!(fields.next(), None | Some("Z" | "X")) {
        return false;
    }
    let boot = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<i64>().ok());
    let began = boot.zip(fields.nth(18).and_then(|ticks| ticks.parse::<i64>().ok()));
    began.is_none_or(|(boot, ticks)| boot + ticks / TICKS <= (seen + LATER).timestamp())
}

/// A program that ended otherwise than well.
#[derive(Debug, thiserror::Error)]
#[error("`{called}` failed ({status}): {said}")]
pub struct Failed {
    called: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it said on stderr.
    pub said: String,
}

/// What a program that ended well had printed on stdout.
///
/// # Errors
/// When it cannot be started, or ends otherwise: then [`Failed`], with what it said on stderr.
pub fn read(program: impl AsRef<OsStr>, words: &[impl AsRef<OsStr>], folder: &Path) -> anyhow::Result<String> {
    read_without(&[], program, words, folder)
}

/// The same as [`read`], without these variables of the environment.
///
/// # Errors
/// As there.
pub fn read_without(
    variables: &[&str],
    program: impl AsRef<OsStr>,
    words: &[impl AsRef<OsStr>],
    folder: &Path,
) -> anyhow::Result<String> {
    let program = program.as_ref();
    let called = called(program, words);
    let mut command = Command::new(program);
    command.args(words).current_dir(folder);
    for variable in variables {
        command.env_remove(variable);
    }
    let output = command.output();
    let output = output.with_context(|| format!("failed to start `{called}`"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Failed { called, status: output.status, said }.into());
    }
    String::from_utf8(output.stdout).with_context(|| format!("what `{called}` printed is not UTF-8"))
}

/// What a program printed on stdout, while the terminal sees what it says on stderr.
///
/// # Errors
/// When it cannot be started, or does not end well.
pub fn read_aloud(
    program: impl AsRef<OsStr>,
    words: &[impl AsRef<OsStr>],
    variables: &[(&str, &str)],
    folder: &Path,
) -> anyhow::Result<String> {
    let program = program.as_ref();
    let called = called(program, words);
    let mut command = Command::new(program);
    command.args(words).envs(variables.iter().copied()).current_dir(folder).stderr(Stdio::inherit());
    let output = command.output().with_context(|| format!("failed to start `{called}`"))?;
    anyhow::ensure!(output.status.success(), "`{called}` failed ({})", output.status);
    String::from_utf8(output.stdout).with_context(|| format!("what `{called}` printed is not UTF-8"))
}

/// The same as [`read`] of a program that is not trusted to end: after `limit` it is ended, with all that it started.
/// It has nothing to read on stdin.
///
/// # Errors
/// When it cannot be started, does not end in time, or ends otherwise than well: with what it said on stderr.
pub fn read_within(
    limit: Duration,
    program: impl AsRef<OsStr>,
    words: &[impl AsRef<OsStr>],
    folder: &Path,
) -> anyhow::Result<String> {
    let program = program.as_ref();
    let called = called(program, words);
    // Files rather than pipes: a pipe that nobody empties would hold the program, one that a grandchild keeps open us.
    let file = || tempfile::tempfile().context("failed to make a temporary file");
    let (stdout, stderr) = (file()?, file()?);
    let mut command = Command::new(program);
    command.args(words).current_dir(folder).stdin(Stdio::null()).process_group(0);
    command.stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
    let mut child = command.spawn().with_context(|| format!("failed to start `{called}`"))?;
    let deadline = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if Instant::now() > deadline {
            break None;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let Some(status) = status else {
        child.wait()?;
        anyhow::bail!("`{called}` did not end within {} seconds, and was ended", limit.as_secs());
    };
    anyhow::ensure!(status.success(), "`{called}` failed ({status}): {}", whole(stderr)?.trim());
    whole(stdout)
}

/// What a program that ended by itself has said.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// What it printed on stdout.
    pub stdout: String,
    /// What it said on stderr.
    pub stderr: String,
}

/// No program that is run to its end prints more, in bytes, on stdout or on stderr.
const LONGEST: u64 = 16 << 20;

/// How often it is looked how much a program has printed.
const LOOK: Duration = Duration::from_millis(200);

/// Runs a program to its end, with these variables alone, and nothing to read on stdin. What it has started and left running goes on.
/// Where the future is dropped, it is ended with all that it started.
///
/// # Errors
/// When it cannot be started, or prints more than 16 MiB.
pub async fn run_with(
    program: &str,
    words: &[String],
    variables: &[(String, String)],
    folder: &Path,
) -> anyhow::Result<Ended> {
    let mut command = tokio::process::Command::new(program);
    command.args(words).env_clear().envs(variables.iter().map(|(name, value)| (name, value)));
    command.current_dir(folder).process_group(0).kill_on_drop(true);
    // Files rather than pipes: one that a program left running keeps open would be waited for.
    let file = || tempfile::tempfile().context("failed to make a temporary file");
    let (stdout, stderr) = (file()?, file()?);
    command.stdin(Stdio::null()).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
    let mut child = command.spawn().with_context(|| format!("failed to start `{program}` in {}", folder.display()))?;
    let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw));
    let is_too_long = |file: &File| file.metadata().is_ok_and(|metadata| metadata.len() > LONGEST);
    let status = loop {
        match tokio::time::timeout(LOOK, child.wait()).await {
            Ok(status) => break Some(status.with_context(|| format!("failed to wait for `{program}`"))?),
            Err(_) if is_too_long(&stdout) || is_too_long(&stderr) => break None,
            Err(_) => {}
        }
    };
    let status = status.filter(|_| !is_too_long(&stdout) && !is_too_long(&stderr));
    let Some(status) = status else {
        anyhow::bail!("`{program}` printed more than {} MiB, and was ended", LONGEST >> 20);
    };
    // It ended by itself: what it started and left running is meant to run.
    group.0 = None;
    Ok(Ended { code: status.code(), stdout: whole(stdout)?, stderr: whole(stderr)? })
}

/// A group of processes that ends with whoever started it.
struct Group(Option<rustix::process::Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

/// All that was written to a file.
fn whole(mut file: File) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn called(program: &OsStr, words: &[impl AsRef<OsStr>]) -> String {
    let words = words.iter().map(|word| word.as_ref().to_string_lossy());
    std::iter::once(program.to_string_lossy()).chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_ends_though_what_it_started_goes_on_and_one_that_prints_for_ever_is_ended() {
        let run = async |words: &str| {
            let words = ["-c".to_owned(), words.to_owned()];
            run_with("/bin/sh", &words, &[("PATH".to_owned(), "/usr/bin:/bin".to_owned())], Path::new("/")).await
        };
        let ended = run("sleep 100 & echo $!; echo odd >&2; exit 3").await.expect("it ran");
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(3), "odd\n"));
        let left = rustix::process::Pid::from_raw(ended.stdout.trim().parse().expect("a number")).expect("a process");
        rustix::process::kill_process(left, rustix::process::Signal::KILL).expect("it goes on");
        let error = run("yes").await.expect_err("too much");
        assert_eq!(error.to_string(), "`/bin/sh` printed more than 16 MiB, and was ended");
    }

    #[test]
    fn a_process_is_known_by_its_number_and_by_when_it_was_seen() {
        let me = std::process::id();
        assert!(is_alive(me, Utc::now()));
        assert!(!is_alive(me, DateTime::UNIX_EPOCH), "it began later: it only has that number");
        let mut child = Command::new("true").spawn().expect("a process");
        while is_alive(child.id(), Utc::now()) {
            std::thread::sleep(Duration::from_millis(5));
        }
        // It ended, and nobody has fetched it yet: it is there, and is none.
        assert!(Path::new(&format!("/proc/{}", child.id())).exists());
        child.wait().expect("it ended");
        assert!(!is_alive(child.id(), Utc::now()));
    }
}
