//! What a run leaves for people, for Jenkins and for other programs: a page, XML of `JUnit`, and TAP.

use std::process::Command;

use super::{Ended, Place};
use crate::support::need;

/// One that fails with evidence, one that cannot be judged, one that passes and one that is left out.
fn of_each_kind() -> Place {
    Place::with(&[
        (
            "t/bad.yaml",
            "variables: {my_password: hunter2secret}\nsteps:\n  - echo: {from: '{{ my_password }}', name: shows a secret}\n  - check: {equals: {the: {a: 1, b: <b>}, is: {a: 2, b: <b>}}, name: one is two}\ncatch:\n  - sh: {command: 'printf \"line of a log\\nand another, my_password=%s\" {{ my_password }}', name: log of the job}\nfinally:\n  - sh: {command: 'false', name: drop the table}\n",
        ),
        ("t/gone.yaml", "steps: [{http: {get: {url: 'http://127.0.0.1:1/'}}}]\n"),
        ("t/good.yaml", "steps:\n  - wait: {milliseconds: 300}\n  - echo: {from: '# \\ <i>', name: odd}\n"),
        ("t/left.yaml", "ignore: true\nsteps: [{echo: x}]\n"),
    ])
}

#[test]
fn a_page_has_all_that_a_person_looks_for_and_asks_nobody_for_anything() {
    let place = of_each_kind();
    let ended = place.run("run t --jobs=2 --report=out/of/it -p html");
    assert_eq!(ended.code, 1, "{ended:?}");
    let page = place.read("out/of/it/index.html").expect("the page");
    for text in [
        "<title>4 tests: 2 did not pass</title>",
        r#"<li class="good">1 passed</li>"#,
        r#"<li class="unsure">1 unreachable</li>"#,
        r#"<meta name="viewport" content="width=device-width, initial-scale=1">"#,
        "What ran beside what",
        "one is two",
        "t&#x2f;bad.yaml:4:5",
        ".a: 1 is not 2",
        "Evidence (catch)",
        "log of the job",
        "<pre>line of a log\nand another, my_password=***</pre>",
        "Clean-up (finally)",
        "drop the table",
        "Left behind: clean-up: `false` ended with 1, not 0",
        "Connection refused",
        "&lt;i&gt;",
    ] {
        assert!(page.contains(text), "{text}\n{page}");
    }
    for text in ["hunter2secret", "<script", "<link", "<img", "<iframe", "src=", "url(", "@import", "<i>", "<b>"] {
        assert!(!page.contains(text), "{text}\n{page}");
    }
    assert!(
        page.matches("href=\"").count() > 0 && page.matches("href=\"").count() == page.matches("href=\"#test-").count()
    );
    assert!(page.contains("default-src 'none'"), "a browser is told not to load anything");
    let catchers = place.read("reports/index.html").expect("the page where Catcher has it");
    assert_eq!(catchers, page);
}

#[test]
fn the_page_tells_what_ran_beside_what() {
    // Each waits for the other, so that they do run at the same time.
    let meets = |me: &str, other: &str| {
        format!("steps:\n  - sh: touch {me}\n  - wait: {{seconds: 60, pause: 0.05, for: {{sh: test -e {other}}}}}\n")
    };
    let place = Place::with(&[("t/a.yaml", &meets("a", "b")), ("t/b.yaml", &meets("b", "a"))]);
    let ended = place.run("run t --jobs=2 --report=out");
    assert_eq!(ended.code, 0, "{ended:?}");
    let page = place.read("out/index.html").expect("the page");
    assert_eq!(page.matches("<div class=\"lane\">").count(), 2, "{page}");
    assert!(page.contains("ran beside t&#x2f;b.yaml") && page.contains("ran beside t&#x2f;a.yaml"), "{page}");
    let place = Place::with(&[("t/a.yaml", "steps: {echo: x}"), ("t/b.yaml", "steps: {echo: x}")]);
    assert_eq!(place.run("run t --jobs=1 --report=out").code, 0);
    let page = place.read("out/index.html").expect("the page");
    assert_eq!((page.matches("<div class=\"lane\">").count(), page.contains(", ran beside ")), (1, false), "{page}");
}

/// What xmllint says of a file of results by the schema.
fn judged(place: &Place, file: &str) -> Ended {
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/junit/jenkins.xsd");
    let mut command = Command::new(need("xmllint", "libxml2-utils"));
    Ended::of(command.args(["--noout", "--schema", schema]).arg(place.path(file)).output().expect("xmllint runs"))
}

#[test]
fn the_results_are_xml_of_the_schema_that_jenkins_plug_ins_read_by() {
    let place = of_each_kind();
    // What no XML can hold, and what would end an element.
    place.write(
        "t/odd.yaml",
        "steps:\n  - sh: printf 'a\\001\\033[1m ]]> &amp; <x> \\360\\237\\222\\251'\n  - check: '{{ false }}'\n",
    );
    let ended = place.run("run t --junit=results.xml");
    assert_eq!(ended.code, 1, "{ended:?}");
    let said = judged(&place, "results.xml");
    assert_eq!((said.code, said.stderr.ends_with("results.xml validates\n")), (0, true), "{said:?}");
    assert_eq!(place.run("run t --only=good --junit=one.xml").code, 0);
    assert_eq!(judged(&place, "one.xml").code, 0);
    // The schema refuses what the plug-in refuses.
    let xml = place.read("results.xml").expect("the results");
    assert!(xml.contains(r#"<testsuites name="test_pipeline" tests="5" failures="2" errors="1">"#), "{xml}");
    for (from, to) in [
        ("tests=\"5\" f", "tests=\"5\" skipped=\"1\" f"),
        ("<testcase name=", "<testcase title="),
        ("<failure", "<fault"),
    ] {
        place.write("bad.xml", &xml.replacen(from, to, 1));
        assert_ne!(judged(&place, "bad.xml").code, 0, "{to}");
    }
}

#[test]
fn tap_has_a_point_for_each_test_and_bails_out_where_a_file_is_wrong() {
    let place = of_each_kind();
    let ended = place.run("run t --tap=out/results.tap");
    let tap = place.read("out/results.tap").expect("the results");
    let lines: Vec<&str> = tap.lines().filter(|line| !line.starts_with("  duration_ms: ")).collect();
    let expected = r#"
TAP version 14
1..4
not ok 1 - t/bad.yaml
  ---
  message: ".a: 1 is not 2 (check, t/bad.yaml:4:5)"
  severity: fail
  left_behind:
    - "clean-up: `false` ended with 1, not 0 (sh, t/bad.yaml:8:5)"
  ...
not ok 2 - t/gone.yaml
  ---
  message: "no answer from http://127.0.0.1:1/: error sending request: client error (Connect): tcp connect error: Connection refused (os error 111) (http, t/gone.yaml:1:10)"
  severity: unreachable
  ...
ok 3 - t/good.yaml
ok 4 - t/left.yaml # SKIP ignored"#;
    assert_eq!((ended.code, lines.join("\n").as_str()), (1, expected.trim_start()));
    place.write("t/wrong.yaml", "stepz: []\nsteps: [{echo: x}]\n");
    let wrong = place.run("run t --tap=out/results.tap");
    let first = "# t/wrong.yaml:1:1: 'stepz' is not known in a test: the nearest is 'steps'; known are include, variables, steps, finally, ignore, catch, exclusive";
    let expected = format!("TAP version 14\n{first}\nBail out! 1 mistake in 1 test: no test was run\n");
    assert_eq!((wrong.code, place.read("out/results.tap")), (2, Some(expected)));
}

#[test]
fn a_filter_in_python_is_refused_before_anything_runs() {
    let place = Place::with(&[("a.yaml", "steps: {sh: touch ran}\n")]);
    for command in ["run", "get"] {
        let ended = place.run(&format!("{command} a.yaml -f filters.py --filter more.py"));
        assert!(
            ended.code == 2 && ended.stderr.contains("-f filters.py: filters and functions in Python are not run here"),
            "{ended:?}"
        );
    }
    assert_eq!(place.read("ran"), None);
}
