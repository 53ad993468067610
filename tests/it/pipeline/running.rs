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
    // An order of chance can be had again.
    std::fs::remove_file(place.path("order")).expect("the order");
    let (_, report) = place.report("run t --jobs=1 -e bad=x --shuffle=0");
    let (_, seed) = report["message"].as_str().and_then(|text| text.rsplit_once("--shuffle=")).expect("the seed");
    let by_chance = place.read("order").unwrap_or_default().replace('\n', "");
    assert_eq!(order(&format!("-e bad=x --shuffle={seed}")), (0, by_chance), "{report}");
}

#[test]
fn a_test_that_waited_for_its_turn_does_not_begin_after_the_end() {
    let text = |last: &str| {
        format!(
            "exclusive: db\nsteps: [{{sh: sh -c 'echo x >>order'}}, {last}]\nfinally: {{sh: sh -c 'echo c >>order'}}\n"
        )
    };
    // Whichever comes first fails, and the other one waits for it.
    let place = Place::with(&[("t/a.yaml", &text("{check: 'false'}")), ("t/b.yaml", &text("{check: 'false'}"))]);
    let ended = place.run("run t --jobs=2 --fail-fast");
    assert_eq!((ended.code, place.read("order").as_deref()), (1, Some("x\nc\n")), "{ended:?}");
    let endless = text("{sh: touch begun}, {sh: sleep 1000}");
    let place = Place::with(&[("t/a.yaml", &endless), ("t/b.yaml", &endless)]);
    let child = place.command("run t --jobs=2").spawn().expect("the program starts");
    await_file(&place.path("begun"));
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).expect("a signal");
    let ended = Ended::of(child.wait_with_output().expect("the program ends"));
    assert_eq!((ended.code, place.read("order").as_deref()), (130, Some("x\nc\n")), "{ended:?}");
}

#[test]
fn the_verdict_stands_where_results_cannot_be_written() {
    let place = Place::with(&[
        ("good.yaml", "steps: [{echo: x}]\n"),
        ("bad.yaml", "steps: [{check: {equals: {the: 1, is: 2}}}]\n"),
        ("reports", "no folder"),
    ]);
    let words = "--junit=good.yaml/x.xml -p json";
    let (code, report) = place.report(&format!("run good.yaml {words}"));
    let message = report["message"].as_str().expect("a message");
    for file in ["good.yaml/x.xml", "reports/report.json"] {
        assert!(message.contains(&format!("{file} could not be written")), "{message}");
    }
    assert!(code == 1 && report["tests"][0]["state"] == "passed", "{code} {report}");
    let (code, report) = place.report(&format!("run good.yaml bad.yaml {words}"));
    assert!(code == 1 && report["outcome"] == "not_passed", "{code} {report}");
    assert_eq!(report["results"][1]["detail"], "1 is not 2 (check, bad.yaml:1:10)");
}

#[test]
fn what_is_told_of_each_test_stands_in_their_order_above_the_table() {
    let place = Place::with(&[("a.yaml", "steps: [{echo: x}]\n"), ("b.yaml", "steps: [{echo: x}]\n")]);
    let ended = place.run("run a.yaml b.yaml -l debug");
    let at = |text: &str| ended.stdout.find(text).unwrap_or_else(|| panic!("{text}: {ended:?}"));
    assert!(at("a.yaml:\n") < at("b.yaml:\n") && at("b.yaml:\n") < at("\na.yaml "), "{ended:?}");
}

#[test]
fn runs_of_another_folder_are_none_of_ours() {
    let text = "steps: [{check: 'false'}]\n";
    let (ours, theirs) = (Place::with(&[("a.yaml", text)]), Place::with(&[("a.yaml", text)]));
    let journal = ours.path("journal");
    let words = |words: &str| format!("{words} --journal={}", journal.display());
    assert_eq!(theirs.run(&words("run a.yaml")).code, 1);
    let ended = ours.run(&words("run a.yaml --failed"));
    assert!(ended.code == 2 && ended.stderr.contains("--failed: no earlier run of tests in "), "{ended:?}");
    assert_eq!(theirs.run(&words("run a.yaml --failed")).code, 1);
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
t/gone.yaml  could not be judged  no answer from http://127.0.0.1:1/: error sending request: client error (Connect): tcp connect error: Connection refused (os error 111) (http, t/gone.yaml:1:10)
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
fn a_second_interrupt_leaves_at_once_and_says_whose_clean_up_was_broken_off() {
    let cleaning = "finally: {sh: sh -c 'touch cleaning; sleep 1000'}";
    let place = Place::with(&[("a.yaml", &format!("steps: [{{sh: touch begun}}, {{sh: sleep 1000}}]\n{cleaning}\n"))]);
    let child = place.command("run a.yaml").spawn().expect("the program starts");
    for file in ["begun", "cleaning"] {
        await_file(&place.path(file));
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).expect("a signal");
    }
    let ended = Ended::of(child.wait_with_output().expect("the program ends"));
    let why = "left at once: the clean-up of a.yaml was broken off";
    assert!(ended.code == 130 && ended.stderr.contains(why), "{ended:?}");
    assert!(ended.stderr.contains("what was begun is broken off and cleaned up"), "{ended:?}");
    let look = place.run("get a.yaml");
    assert!(look.stderr.contains(" was cut off: the clean-up of a.yaml may not be done"), "{look:?}");
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
    assert!(
        ended.code == 0 && ended.stderr.contains(" was cut off: the clean-up of a.yaml may not be done"),
        "{ended:?}"
    );
    assert!(!ended.stderr.contains("b.yaml"), "{ended:?}");
    let other = Place::with(&[("b.yaml", "steps: [{echo: x}]\n")]);
    let ended =
        Ended::of(other.command("get b.yaml").env("HOME", place.folder.path()).output().expect("the program runs"));
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "another folder's runs are not told of");
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
