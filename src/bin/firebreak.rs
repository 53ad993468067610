//! `firebreak`: keeps what is derived from the usage texts.

use std::process::ExitCode;

use firebreak::{action, catalogue};

const USAGE: &str = "
Keep all that is derived from the usage texts.

Problem:
  You change an action, and its README, its role, its playbook and its button have to say the same.

Solution:
  An action is written once, as the usage text of its program; `sync` derives all the rest from it.

Usage:
  firebreak sync [--check] [options]
  firebreak new <name> [--option=<line>]... [options]
  firebreak adopt <file> [--secret=<o>]... [--keeps=<o:file>]... [--found=<o:member>]... [options]
  firebreak build [<programs>...] [options]
  firebreak -h | --help
  firebreak --version

Options of sync:
  --check                Write nothing: show what is out of date, and end with 1 if anything is.

Options of new:
  --option=<line>        One more option: '--host=<h>  The host to mend. [env: HOST]'. May be given more than once.

Options of adopt:
  --requirements=<file>  The list of the Python packages that the program needs.
  --role=<name>          What the role is called; without it like the program.
  --get=<c>              The command that only looks; without it `get`, if the program has that.
  --run=<c>              The command that acts; without it `run`, if the program has that.
  --secret=<o>           An option whose value must not be seen, where its name does not say so.
  --keeps=<o:file>       An option that takes a folder, and the file that the look leaves there: --dump:dump.json.
  --found=<o:member>     An option, and the member of that file with the values that it can have: --date:dates.

Options of new and adopt:
  --title=<t>            What it does, in one line. What is not given is asked for, if a terminal is there.
  --problem=<p>          What is wrong in the world when somebody needs it.
  --solution=<s>         What it does about that.

General options:
  --root=<dir>           The toolkit's folder; without it this one, or the nearest above it. [env: FIREBREAK_ROOT]
  --format=<f>           Tables for people, or one JSON document. [choices: table json] [default: table]
  -h, --help             Show this text.
  --version              Show the version.

Exit status:
  0    Done, or nothing to do.
  1    Failed, or something is out of date.
  2    The command line is wrong.

Examples:
  firebreak sync
  firebreak sync --check
  firebreak new restart_slaves --option='--host=<h>  The master that came back. [env: HOST]'
  firebreak adopt ./rollback.py --requirements=requirements.txt --keeps=--dump:rollback.json
  firebreak build
";

fn main() -> ExitCode {
    action::run(USAGE, async |args, context| catalogue::program::go(args, &context).await)
}
