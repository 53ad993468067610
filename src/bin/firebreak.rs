//! `firebreak`: finds the role that fixes a symptom, shows what was run, and keeps what is derived from the usage texts.

use firebreak::{action, catalogue::program, history};

const USAGE: &str = "
Find the role that helps, see what was run, keep what usage texts derive.

Problem:
  Production burns, and you do not know which role helps. Or you change an action, and its
  README, its role, its playbook and its button have to say the same.

Solution:
  `find` takes the symptom in your own words. `history` shows what was run on this host, and what died. An action is
  written once, as the usage text of its program; `sync` derives all the rest from it, and `check` finds what is wrong
  in any of it, and how to mend it.

Usage:
  firebreak find <words>... [options]
  firebreak list [options]
  firebreak show <name> [options]
  firebreak history [<id>] [options]
  firebreak diff <revision> [options]
  firebreak completions (bash | zsh | fish) [options]
  firebreak man [<program>] [options]
  firebreak sync [--check] [options]
  firebreak check [options]
  firebreak new <name> [options]
  firebreak adopt <file>... [options]
  firebreak remove <name> [options]
  firebreak build [<programs>...] [options]
  firebreak -h | --help
  firebreak --version

Options of history:
  --action=<a>           Only runs of this program.
  --env=<e>              Only runs that were about this environment.
  --outcome=<o>          Only runs that ended like this. [choices: done nothing_to_do failed restored needs_operator
                         declined interrupted usage died under_way unknown]
  --since=<d>            Only runs that began then or later: a day (2026-11-20: UTC) or an instant.
  --prune=<age>          Remove runs that ended longer ago (90d, 12w), not those without an end, nor a place's last.
  --journal=<dir>        Where runs are kept, if not in ~/.local/state/firebreak. [env: FIREBREAK_JOURNAL]

Options of sync:
  --check                Write nothing: show what is out of date, and end with 1 if anything is.

Options of new:
  --option=<line> ...    One more option: '--host=<h>  The host to mend. [env: HOST]'. May be given more than once.
  --shape=<s>            A `repair` looks (`get`) and acts on items (`run`); a `judge` has `run` alone: it changes
                         nothing, and says what passed. [choices: repair judge] [default: repair]

Options of adopt:
  --requirements=<file>  The list of the Python packages that the program needs.
  --with=<path> ...      A file or folder that it needs beside it. Modules that a Python script imports are found.
  --role=<name>          What the role is called; without it like the program.
  --get=<c>              The command that only looks, with all its words: 'index check'. Without it `get`, if the
                         program has that. Where it looks without a command, the program's name.
  --run=<c>              The command that acts, likewise; without it `run`, if the program has that.
  --check-by=<o>         Its option that shows what it would do and does nothing: --dry-run.
  --secret=<o> ...       An option whose value must not be seen, where its name does not say so.
  --keeps=<o:file> ...   An option that takes a folder, and the file that the look leaves there: --dump:dump.json.
  --found=<o:member> ...  An option, and the member of that file with the values that it can have: --date:dates.

Options of history and remove:
  --yes                  Remove without asking. Needed where no terminal is.

Options of adopt and remove:
  --dry-run              Write and remove nothing: show what would be.

Options of new and adopt:
  --title=<t>            What it does, in one line. What is not given is asked for, if a terminal is there.
  --problem=<p>          The problem, as the operator sees it.
  --solution=<s>         What it does about that.

General options:
  --root=<dir>           The toolkit's folder; without it this one, or the nearest above it. [env: FIREBREAK_ROOT]
  --format=<f>           Tables for people, or one JSON document. [choices: table json] [default: table]
  -h, --help             Show this text.
  --version              Show the version.

`list` names all programs and roles, `show` tells all of one. `diff` tells what changed in the manuals since a
revision of git, as breaking, compatible or wording. `completions` prints a script for all programs: source it.
`man` prints a page: `firebreak man rollback_service | man -l -`.

`adopt` takes several programs, and the folder of a Python package. A program that changed is adopted again: what
changed in its help is shown and taken over, and what you wrote is kept. `remove` removes a role and what was
derived, as far as git has it.

Exit status:
  0    Done, or nothing to do.
  1    Failed; or something was found: out of date, wrong, damaged, or breaking for callers. `find`: no role fits.
  2    The command line is wrong.
  4    Declined, or --yes is missing where no terminal is.

Examples:
  firebreak find yesterdays release is broken
  firebreak history --env=prod --since=2026-11-20
  firebreak new restart_slaves --option='--host=<h>  The master that came back. [env: HOST]'
  firebreak adopt ./rollback.py --requirements=requirements.txt --keeps=--dump:rollback.json
";

#[derive(serde::Deserialize)]
struct Args {
    cmd_history: bool,
    arg_history: history::Args,
    arg_rest: program::Args,
}

fn main() -> std::process::ExitCode {
    action::run(USAGE, async |args: Args, context| {
        if args.cmd_history {
            history::go(&args.arg_history, &context).await
        } else {
            program::go(args.arg_rest, &context).await
        }
    })
}
