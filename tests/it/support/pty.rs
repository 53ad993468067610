//! A pseudo-terminal, in which a program runs whose screen is read and whose keys are pressed.

use std::process::Command;

use rexpect::session::{PtySession, spawn_command};

/// The longest wait for one text on the screen, in milliseconds. What it waits for may install packages while all cores are
/// taken by other tests, so that this only ends what would never come.
const LONGEST_WAIT: u64 = 180_000;

/// Starts a program in a pseudo-terminal.
pub fn start(command: Command) -> PtySession {
    spawn_command(command, Some(LONGEST_WAIT)).expect("a pseudo-terminal")
}
