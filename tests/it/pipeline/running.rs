//! How tests are run: beside one another, each by itself, to the end whatever comes, and told without secrets.

use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Ended, Place, await_file};

/// A test that passes only where the other one runs beside it.
fn meeting(me: &str, other: &str, more: &str) -> String {
    format!("{more}steps:\n  - sh: touch {me}\n  - wait: {{seconds: 20, pause: 0.05, for: {{sh: test -e {other}}}}}\n")
}

#[test]
fn tests_run_beside_one_another_and_those_that_share_a_thing_do_not() {
    let place = Place::with(&[("t/a.yaml", &meeting("a", "b", "")), ("t/b.yaml", &meeting("b", "a", ""))]);
    let ended = place.run("run t --jobs=2");
    assert_eq!(ended.code, 0, "{ended:?}");
    let own = |name: &str| {
        format!(
            "exclusive: db\nsteps:\n  - sh: {{command: mkdir lock, name: '{name}'}}\n  - wait: {{milliseconds: 200}}\n  - sh: rmdir lock\n"
        )
    };
    let place = Place::with(&[("t/a.yaml", &own("a")), ("t/b.yaml", &own("b")), ("t/c.yaml", &own("c"))]);
    let ended = place.run("run t --jobs=3");
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[test]
fn a_test_sees_no_variable_of_its_neighbour() {
    let text = |mine: &str| {
        format!(
            "steps:\n  - echo: {{from: {mine}, register: {{x: '{{{{ OUTPUT }}}}'}}}}\n  - wait: {{milliseconds: 50}}\n  - check: {{equals: {{the: '{{{{ x }}}}', is: {mine}}}}}\n"
        )
    };
    let place = Place::with(&[]);
    for at in 0..8 {
        place.write(&format!("t/{at}.yaml"), &text(&format!("v{at}")));
    }
    assert_eq!(place.run("run t --jobs=8").code, 0);
}

#[test]
fn those_that_are_meant_are_run_in_the_order_that_is_asked_for() {
    let place = Place::with(&[]);
    for name in ["a", "b", "c", "d"] {
        place.write(&format!("t/{name}.yaml"), &format!("steps:\n  - sh: sh -c 'echo {name} >>order'\n  - check: {{equals: {{the: '{name}', is_not: '{{{{ bad }}}}'}}, tag: last}}\n"));
    }
    let order = |words: &str| {
        let _ = std::fs::remove_file(place.path("order"));
        let ended = place.run(&format!("run t --jobs=1 {words}"));
        (ended.code, place.read("order").unwrap_or_default().replace('\n', ""))
    };
    assert_eq!(order("-e bad=x"), (0, "abcd".to_owned()));
    assert_eq!(order("-e bad=c"), (1, "abcd".to_owned()));
    assert_eq!(order("-e bad=x --failed"), (0, "c".to_owned()));
    assert_eq!(order("-e bad=x --failed"), (5, String::new()), "nothing failed the last time");
    assert_eq!(order("-e bad=x --only=b"), (0, "b".to_owned()));
    assert_eq!(order("-e bad=x --shard=2/3"), (0, "b".to_owned()));
    assert_eq!(order("-e bad=b --fail-fast"), (1, "ab".to_owned()));
    assert_eq!(order("-e bad=b --tag=last"), (1, String::new()), "the other steps have no tag");
    let (code, shuffled) = order("-e bad=x --shuffle=3");
    assert_eq!((code, shuffled.len(), order("-e bad=x --shuffle=3").1), (0, 4, shuffled));
}

#[test]
fn secrets_are_masked_in_every_report() {
    let place = Place::with(&[
        ("dev.yml", "db: {password: 'hunter2 &x'}\napi_token: tok3n-abc\nconf: 'ann:pa55word@host:5432/db'\n"),
        (
            "a.yaml",
            "variables: {my_secret: s3cr3t-own}\nsteps:\n  - echo: '{{ my_secret }} {{ cli_token }}'\n  - echo: '{{ db.password }} {{ api_token }} {{ conf }}'\n  - echo: '{{ db.password | b64encode }} {{ api_token | urlencode }}'\n  - sh: {command: \"sh -c 'echo {{ api_token }} >&2; exit 1'\", name: 'with {{ api_token }}'}\n",
        ),
    ]);
    let run =
        |words: &str| place.run(&format!("run a.yaml -i dev.yml --journal=journal -e cli_token=t0k3n-cli {words}"));
    let ended = [run("-l debug --junit=out.xml -p json --report=out --tap=out.tap"), run("--format=json")];
    let mut texts: Vec<String> = ended.iter().flat_map(|ended| [ended.stdout.clone(), ended.stderr.clone()]).collect();
    texts.extend(
        ["out.xml", "out.tap", "out/index.html", "reports/report.json"].map(|name| place.read(name).expect(name)),
    );
    let journals = std::fs::read_dir(place.path("journal")).expect("the journals");
    texts.extend(journals.filter_map(|entry| std::fs::read_to_string(entry.expect("an entry").path()).ok()));
    assert!(texts.len() >= 7 && texts[0].contains("***"), "{texts:?}");
    for secret in ["hunter2", "tok3n-abc", "pa55word", "s3cr3t-own", "t0k3n-cli", "aHVudGVyMiAmeA"] {
        assert!(!texts.iter().any(|text| text.contains(secret)), "{secret}: {texts:?}");
    }
}

#[test]
fn the_results_are_written_for_jenkins() {
    let place = Place::with(&[
        ("t/bad.yaml", "steps: [{check: {equals: {the: 1, is: 2}, name: one is two}}]\n"),
        ("t/gone.yaml", "steps: [{http: {get: {url: 'http://127.0.0.1:1/'}}}]\n"),
        ("t/good.yaml", "steps: [{echo: x}]\n"),
        ("t/left.yaml", "ignore: true\nsteps: [{echo: x}]\n"),
    ]);
    let ended = place.run("run t --junit=out/results.xml");
    assert_eq!(ended.code, 1, "{ended:?}");
    let xml = place.read("out/results.xml").expect("the results");
    assert!(xml.contains(r#"<testsuites name="test_pipeline" tests="4" failures="1" errors="1">"#), "{xml}");
    assert!(xml.contains(r#"<testcase name="t/bad.yaml" classname="t.bad" time=""#), "{xml}");
    assert!(
        xml.contains(r#"<failure message="1 is not 2 (check, t/bad.yaml:1:10)" type="failed"/>"#)
            || xml.contains(r#"<failure message="1 is not 2 (check, t/bad.yaml:1:10)" type="failed">"#),
        "{xml}"
    );
    let expected = "\
test         state                why
t/bad.yaml   did not pass         1 is not 2 (check, t/bad.yaml:1:10)
t/gone.yaml  could not be judged  no answer from http://127.0.0.1:1/: Connection refused (os error 111) (http, t/gone.yaml:1:10)
t/good.yaml  passed
t/left.yaml  passed               ignored

";
    assert_eq!(ended.stdout, expected);
}

#[test]
fn a_test_that_takes_too_long_is_ended_and_cleaned_up() {
    let place = Place::with(&[("a.yaml", "steps: [{sh: sleep 1000}]\nfinally: {sh: touch cleaned}\n")]);
    let (code, report) = place.report("run a.yaml --timeout=1");
    assert_eq!((code, place.read("cleaned").as_deref()), (1, Some("")));
    assert_eq!(report["results"][0]["detail"], "it did not end within 1 seconds (--timeout)");
    assert_eq!(report["tests"][0]["steps"][0]["state"], "cut_off");
}

#[test]
fn an_interrupt_ends_the_tests_and_each_is_cleaned_up() {
    let place =
        Place::with(&[("a.yaml", "steps: [{sh: touch begun}, {sh: sleep 1000}]\nfinally: {sh: touch cleaned}\n")]);
    let child = place.command("run a.yaml").spawn().expect("the program starts");
    await_file(&place.path("begun"));
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).expect("a signal");
    let ended = Ended::of(child.wait_with_output().expect("the program ends"));
    assert_eq!((ended.code, place.read("cleaned").as_deref()), (130, Some("")), "{ended:?}");
}

#[test]
fn what_a_run_left_that_was_killed_is_named_by_the_next_look() {
    let place = Place::with(&[
        ("a.yaml", "steps: [{sh: touch begun}, {sh: sleep 1000}]\nfinally: {sh: touch cleaned}\n"),
        ("b.yaml", "steps: [{echo: x}]\n"),
    ]);
    let mut command = place.command("run b.yaml a.yaml --jobs=1");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
    await_file(&place.path("begun"));
    child.kill().expect("a signal");
    child.wait().expect("the program ends");
    let ended = place.run("get b.yaml");
    assert!(ended.code == 0 && ended.stderr.contains(" died: the clean-up of a.yaml may not be done"), "{ended:?}");
    assert!(!ended.stderr.contains("b.yaml"), "{ended:?}");
    place.run("run b.yaml");
    assert_eq!(place.run("get b.yaml").stderr, "");
}

#[test]
fn no_tests_are_no_pass() {
    let place = Place::with(&[("t/x.txt", "")]);
    let ended = place.run("run t");
    assert_eq!(
        (ended.code, ended.stderr.lines().last()),
        (5, Some("test_pipeline error: there are no tests: nothing was judged"))
    );
    assert_eq!(place.run("run none").code, 2);
    assert_eq!(place.run("get t").code, 5);
}
