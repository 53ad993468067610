//! The results as TAP 14 (<https://testanything.org/tap-version-14-specification.html>): a test point for each test, with why as YAML.

use serde_json::Value;

use crate::pipeline::record::{TestState, Tested};

/// What every such document begins with.
const VERSION: &str = "TAP version 14";

/// The document of the results.
#[must_use]
pub fn tap(tested: &[Tested]) -> String {
    let mut lines = vec![VERSION.to_owned(), format!("1..{}", tested.len())];
    for (number, test) in (1..).zip(tested) {
        let name = escaped(&test.test);
        match test.state {
            TestState::Passed => lines.push(format!("ok {number} - {name}")),
            TestState::Skipped => lines.push(format!("ok {number} - {name} # SKIP {}", escaped(&test.why))),
            TestState::Failed => lines.extend(failed(number, &name, "fail", test)),
            TestState::Unreachable => lines.extend(failed(number, &name, "unreachable", test)),
            TestState::Interrupted => lines.extend(failed(number, &name, "interrupted", test)),
        }
    }
    lines.join("\n") + "\n"
}

/// The document where no test was run: why, and each problem.
#[must_use]
pub fn bail_out(why: &str, problems: impl IntoIterator<Item = String>) -> String {
    let problems = problems.into_iter().map(|problem| format!("# {}", flat(&problem)));
    let lines = [VERSION.to_owned()].into_iter().chain(problems).chain([format!("Bail out! {}\n", flat(why))]);
    lines.collect::<Vec<_>>().join("\n")
}

/// A test point that is not ok. A text of JSON is one of YAML as well.
fn failed(number: usize, name: &str, severity: &str, test: &Tested) -> Vec<String> {
    let quoted = |text: &str| Value::from(text).to_string();
    let mut lines = vec![
        format!("not ok {number} - {name}"),
        "  ---".to_owned(),
        format!("  message: {}", quoted(&test.why)),
        format!("  severity: {severity}"),
        format!("  duration_ms: {}", test.took.as_millis()),
    ];
    for (key, list) in [("details", &test.details), ("left_behind", &test.left_behind)] {
        if !list.is_empty() {
            lines.push(format!("  {key}:"));
            lines.extend(list.iter().map(|line| format!("    - {}", quoted(line))));
        }
    }
    lines.push("  ...".to_owned());
    lines
}

/// A description, in which a `#` begins no directive.
fn escaped(text: &str) -> String {
    flat(text).replace('\\', "\\\\").replace('#', "\\#")
}

fn flat(text: &str) -> String {
    text.split(['\n', '\r']).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_point_for_each_test_and_nothing_in_a_name_or_a_reason_is_a_directive() {
        let test =
            |name: &str, state, why: &str| Tested { took: Duration::from_millis(12), ..Tested::new(name, state, why) };
        let mut bad = test("b # SKIP.yaml", TestState::Failed, "1 is \"2\"\n...");
        bad.details = vec!["missing: id=1".to_owned()];
        bad.left_behind = vec!["clean-up: x".to_owned()];
        let gone = test("c.yaml", TestState::Unreachable, "no answer");
        let expected = r#"
TAP version 14
1..4
ok 1 - a.yaml
not ok 2 - b \# SKIP.yaml
  ---
  message: "1 is \"2\"\n..."
  severity: fail
  duration_ms: 12
  details:
    - "missing: id=1"
  left_behind:
    - "clean-up: x"
  ...
not ok 3 - c.yaml
  ---
  message: "no answer"
  severity: unreachable
  duration_ms: 12
  ...
ok 4 - d.yaml # SKIP ignored \# yes
"#;
        let tests =
            [test("a.yaml", TestState::Passed, ""), bad, gone, test("d.yaml", TestState::Skipped, "ignored # yes")];
        assert_eq!(tap(&tests), expected.trim_start());
        let expected = "TAP version 14\n# a:1: x y\nBail out! 1 mistake\n";
        assert_eq!(bail_out("1 mistake", ["a:1: x\ny".to_owned()]), expected);
    }
}
