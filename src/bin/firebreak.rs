//! `firebreak`: keeps what is derived from the usage texts.

use std::process::ExitCode;

use firebreak::{action, catalogue};

const USAGE: &str = "
Keep all that is derived from the usage texts.

Problem:
  You change an action, and its README, its role, its playbook and its button have to say the same.

Solution:
  An action is written once, as the usage text of its program; `sync` derives all the rest from it.
  `check` finds what is wrong in usage texts, roles, playbooks, inventories and Jenkinsfiles, and how to mend it.

Usage:
  firebreak sync [--check] [options]
  firebreak check [options]
  firebreak -h | --help
  firebreak --version

Options of sync:
  --check                Write nothing: show what is out of date, and end with 1 if anything is.

General options:
  --root=<dir>           The toolkit's folder; without it this one, or the nearest above it. [env: FIREBREAK_ROOT]
  --format=<f>           Tables for people, or one JSON document. [choices: table json] [default: table]
  -h, --help             Show this text.
  --version              Show the version.

Exit status:
  0    Done, or nothing to do.
  1    Failed, or something is out of date, or something is wrong.
  2    The command line is wrong.

Examples:
  firebreak sync
  firebreak sync --check
  firebreak check
";

fn main() -> ExitCode {
    action::run(USAGE, async |args, _context| catalogue::program::go(&args))
}
