//! << title >>.

use firebreak::action;
use firebreak::action::runner::{Judged, Judgement, PLAIN, Vocabulary, judged};

const USAGE: &str = "
<< title | rust >>.

Problem:
  << problem | wrap(110, 2) | rust >>

Solution:
  << solution | wrap(110, 2) | rust >>

Usage:
  << name >> run << asked >>[options]
  << name >> (-h | --help | --version)

<% if options %>
Options of run:
<% for option in options %>
<< option.line | rust >>
<% endfor %>

<% endif %>
General options:
  --format=<f>          Tables for people, or one JSON document. [choices: table json] [default: table]
  -h, --help            Show this text.
  --version             Show the version.

Approval:
  none

Verify:
  The message says how many checks passed; each that did not is named, with the reason.

Undo:
  Nothing is to be undone: it changes nothing.

Exit status:
  0    All checks passed.
  1    A check did not pass.
  2    The command line is wrong.
  5    A check could not be judged, or there was none.
  130  Interrupted.

Examples:
  << name >> run
";

const WORDS: Vocabulary = Vocabulary { one: "check", many: "checks", ..PLAIN };

#[derive(Debug, serde::Deserialize)]
struct Args {
<% for option in options %>
    << option.field >>: << option.kind >>,
<% endfor %>
}

fn main() -> std::process::ExitCode {
    action::run(USAGE, async |<< "args" if options else "_args" >>: Args, _context| {
        let given: [(&str, String); << options | length >>] = [
<% for option in options %>
            ("<< option.name >>", << option.shown >>),
<% endfor %>
        ];
        Ok(judged(&judge(&look(&given)), WORDS))
    })
}

/// What there is to be judged, by what was given. A beginning: it looks at nothing, and finds one thing.
fn look(given: &[(&str, String)]) -> Vec<String> {
    let given: Vec<_> = given.iter().map(|(name, value)| format!("{name} {value}")).collect();
    vec![format!("the first thing {}", given.join(", ")).trim_end().to_owned()]
}

/// What is to be said of each. It is pure: its test gives it plain values. A beginning: nothing is known.
fn judge(found: &[String]) -> Vec<Judged> {
    let detail = "`judge` in src/bin/<< name >>.rs is to be filled in";
    let one = |thing: &String| Judged {
        subject: thing.clone(),
        state: Judgement::NotJudged,
        detail: detail.to_owned(),
    };
    found.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_judged() {
        let judged = judge(&["one".to_owned()]);
        assert_eq!((judged[0].subject.as_str(), judged[0].state), ("one", Judgement::NotJudged));
    }
}
