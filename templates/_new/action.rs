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
  << name >> get << asked >>[options]
  << name >> run << asked >>[options]
  << name >> (-h | --help | --version)

<% if options %>
Options of get and run:
<% for option in options %>
<< option.line | rust >>
<% endfor %>

<% endif %>
Options of run:
  --check               Plan and stop: change nothing.
  --yes                 Do not ask. Needed where no terminal is.
  --journal=<dir>       Where runs are kept, if not in ~/.local/state/firebreak. [env: FIREBREAK_JOURNAL]

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

fn main() -> ExitCode {
    action::run(USAGE, async |args: Args, context| {
        let given = vec![
<% for option in options %>
            ("<< option.name >>", << option.shown >>),
<% endfor %>
        ];
        let course = Course { given, steps: plan(&look()) };
        let mut finding = if args.cmd_get {
            course.shown()
        } else {
            let consent = Consent::of(args.flag_check, args.flag_yes);
            course.run(consent, &context, async |step| Ok(act(step))).await?
        };
        // To be removed with what it says.
        finding.message += ". It is a beginning: `look` and `act` in src/bin/<< name >>.rs are to be filled in";
        Ok(finding)
    })
}

/// What is not well. A beginning: it looks at nothing, and finds one thing.
fn look() -> Vec<String> {
    vec!["the first thing".to_owned()]
}

/// What is to be done about that, step by step. It is pure: its test gives it plain values.
fn plan(found: &[String]) -> Vec<String> {
    found.iter().map(|thing| format!("mend {thing}")).collect()
}

/// Takes one step; whether that changed anything. A beginning: it changes nothing.
fn act(_step: &str) -> bool {
    false
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_not_well_is_mended() {
        assert_eq!(super::plan(&["one".to_owned()]), ["mend one"]);
    }
}
