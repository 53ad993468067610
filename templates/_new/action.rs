//! << title >>.

use std::process::ExitCode;

use firebreak::action::{self, consent::Consent, course::Course};
use serde::Deserialize;

const USAGE: &str = "
<< title | rust >>.

Problem:
  << problem | wrap(110, 2) | rust >>

Solution:
  << solution | wrap(110, 2) | rust >>

Usage:
  << name >> get [options]
  << name >> run [options]
  << name >> -h | --help
  << name >> --version

<% if options %>
Options of get and run:
<% for option in options %>
<< option.line | rust >>
<% endfor %>

<% endif %>
Options of run:
  --check               Plan and stop: change nothing.
  --yes                 Do not ask. Needed where no terminal is.

General options:
  --format=<f>          Tables for people, or one JSON document. [choices: table json] [default: table]
  -h, --help            Show this text.
  --version             Show the version.

Exit status:
  0    Done, or nothing to do.
  1    Failed; nothing was changed.
  2    The command line is wrong.
  3    Changed in part: needs an operator.
  4    Declined, or --yes is missing where no terminal is.
  130  Interrupted.

Examples:
  << name >> get
  << name >> run --check
";

#[derive(Debug, Deserialize)]
<% if switches %>
#[expect(clippy::struct_excessive_bools, reason = "each is a word of the command line")]
<% endif %>
struct Args {
    cmd_get: bool,
    flag_check: bool,
    flag_yes: bool,
<% for option in options %>
    << option.field >>: << option.kind >>,
<% endfor %>
}

/// What was looked at, and whether it is as it should be.
struct Thing {
    name: String,
    well: bool,
}

fn main() -> ExitCode {
    action::run(USAGE, async |args: Args, context| {
        let given = vec![
<% for option in options %>
            ("<< option.name >>", << option.shown >>),
<% endfor %>
        ];
        let course = Course { given, steps: plan(&look()) };
        let consent = Consent::of(args.flag_check, args.flag_yes);
        let mut finding = match args.cmd_get {
            true => course.shown(),
            false => course.run(consent, &context, async |step| Ok(act(step))).await?,
        };
        // To be removed with what it says.
        finding.message += ". It is a beginning: `look` and `act` in src/bin/<< name >>.rs are to be filled in";
        Ok(finding)
    })
}

/// Looks at the world and changes nothing. A beginning: it finds one thing, which is not well.
fn look() -> Vec<Thing> {
    vec![Thing { name: "the first thing".to_owned(), well: false }]
}

/// What is to be done about what was found, step by step. It is pure: tests give it plain values.
fn plan(things: &[Thing]) -> Vec<String> {
    things.iter().filter(|thing| !thing.well).map(|thing| format!("mend {}", thing.name)).collect()
}

/// Takes one step; whether that changed anything. A beginning: it changes nothing.
fn act(_step: &str) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_well_is_left_alone() {
        let thing = |name: &str, well| Thing { name: name.to_owned(), well };
        assert_eq!(plan(&[thing("one", true), thing("two", false)]), ["mend two"]);
    }
}
