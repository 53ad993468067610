//! << title >>.

use firebreak::action::runner::{BatchPlan, Each, ItemEnd, PLAIN, Vocabulary, carry_out};
use firebreak::action::{self, standard::Standard};
use firebreak::port::NoRemoteLock;

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
  --env=<env>           The environment that it is about; the name of a protected one is typed out.
  --slack=<url>         Tell this Slack webhook of the start, the results and the end. [env: FIREBREAK_SLACK] [secret]
  --timeout=<s>         Seconds that one step, such as a deployment, may take. [default: 600]
  --check               Plan and stop: change nothing.
  --yes                 Do not ask. Needed where no terminal is.
  --journal=<dir>       Where runs are kept, if not in ~/.local/state/firebreak. [env: FIREBREAK_JOURNAL]

General options:
  --format=<f>          Tables for people, or one JSON document. [choices: table json] [default: table]
  -h, --help            Show this text.
  --version             Show the version.

Exit status:
  0    Done, or nothing to do.
  1    Failed; what was done stays done, and the next run goes on.
  2    The command line is wrong.
  3    Steps failed: needs an operator. Each is named.
  4    Declined, or --yes is missing where no terminal is.
  130  Interrupted; what was done stays done.

Examples:
  << name >> get
  << name >> run --check
";

const WORDS: Vocabulary = Vocabulary { one: "step", many: "steps", ..PLAIN };

#[derive(Debug, serde::Deserialize)]
struct Args {
    cmd_get: bool,
    arg_standard: Standard,
<% for option in options %>
    << option.field >>: << option.kind >>,
<% endfor %>
}

fn main() -> std::process::ExitCode {
    action::run(USAGE, async |args: Args, context| {
        let given: [(&str, String); << options | length >>] = [
<% for option in options %>
            ("<< option.name >>", << option.shown >>),
<% endfor %>
        ];
        let steps = plan(&look());
        let plan = BatchPlan::listed(WORDS, &given, steps.iter().map(String::as_str));
        if args.cmd_get {
            return Ok(plan.shown(WORDS));
        }
        let place = NoRemoteLock("<< name >>".to_owned());
        carry_out(&args.arg_standard, &place, WORDS, (Each::new(steps, act), 1), plan, &context).await
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

/// Takes one step; to take it twice must have one effect. A beginning: it changes nothing.
async fn act(_step: String) -> ItemEnd {
    ItemEnd::Left("`act` in src/bin/<< name >>.rs is to be filled in".to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_not_well_is_mended() {
        assert_eq!(super::plan(&["one".to_owned()]), ["mend one"]);
    }
}
