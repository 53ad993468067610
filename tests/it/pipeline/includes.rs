//! Includes: each run is cleaned up with its own variables, also where it was cut off, and leaves the test its own.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Ended, Place, await_file};

/// An include that registers something and does not come to its end.
const ENDLESS: &str = "steps: [{echo: {from: 5, register: {made: '{{ OUTPUT }}'}}}, {sh: touch begun}, {sh: sleep 1000}]\nfinally: {sh: \"sh -c 'echo include {{ table }} >>order'\"}\n";

/// A step that notes where it is done, and what the variables are there.
fn note(place: &str) -> String {
    format!("{{sh: \"sh -c 'echo {place} {{{{ table }}}} {{{{ made }}}} >>order'\"}}")
}

#[test]
fn an_include_that_was_cut_off_is_cleaned_up_and_the_test_has_its_own_variables() {
    let text = format!(
        "include: {{file: i.yaml, as: i}}\nvariables: {{table: main}}\nsteps: [{{run: {{include: i, variables: {{table: tmp}}}}}}]\ncatch: [{}]\nfinally: [{{run: {{include: i, variables: {{table: late}}}}}}, {}]\n",
        note("catch"),
        note("test")
    );
    let place = Place::with(&[("a.yaml", &text), ("i.yaml", ENDLESS)]);
    let (code, report) = place.report("run a.yaml --timeout=4");
    assert_eq!(code, 1, "{report}");
    let order = place.read("order").unwrap_or_default();
    assert_eq!(order, "catch main 5\ntest main 5\ninclude late\ninclude tmp\n", "{report}");
    assert_eq!(report["tests"][0]["left_behind"].as_array().map(Vec::len), Some(1), "{report}");
}

#[test]
fn an_include_that_ran_before_the_test_is_cleaned_up_after_an_interrupt() {
    let text = format!(
        "include: {{file: i.yaml, variables: {{table: tmp}}}}\nsteps: [{{echo: x}}]\nfinally: {}\n",
        note("test")
    );
    let place = Place::with(&[("a.yaml", &text), ("i.yaml", ENDLESS)]);
    let child = place.command("run a.yaml -e table=main").spawn().expect("the program starts");
    await_file(&place.path("begun"));
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).expect("a signal");
    let ended = Ended::of(child.wait_with_output().expect("the program ends"));
    assert_eq!((ended.code, place.read("order").as_deref()), (130, Some("test main 5\ninclude main\n")), "{ended:?}");
}

#[test]
fn a_try_that_was_cut_off_within_an_include_leaves_the_next_step_the_variables_of_the_test() {
    let run = |table: &str, more: &str| format!("{{run: {{include: i, variables: {{table: {table}}}{more}}}}}");
    let text = format!(
        "include: {{file: i.yaml, as: i}}\nvariables: {{table: main}}\nsteps:\n  - wait: {{seconds: 1, ignore_errors: true, for: {}}}\n  - {}\n  - echo: {{from: '{{{{ table }}}}', to: seen}}\n",
        run("one", ""),
        run("two", ", ignore_errors: true, until: {timeout: 1}"),
    );
    let place = Place::with(&[("a.yaml", &text), ("i.yaml", ENDLESS)]);
    let ended = place.run("run a.yaml");
    assert_eq!((ended.code, place.read("seen").as_deref()), (0, Some("main")), "{ended:?}");
    assert_eq!(place.read("order").as_deref(), Some("include two\ninclude one\n"));
}

#[test]
fn each_run_of_an_include_is_cleaned_up_and_what_would_be_the_same_clean_up_once() {
    let place = Place::with(&[
        (
            "a.yaml",
            "include: {file: i.yaml, as: i}\nsteps:\n  - run: {include: i, variables: {name: a}}\n  - run: {include: i, variables: {name: b}}\n  - run: {include: i, variables: {name: b}}\n",
        ),
        ("i.yaml", "steps: [{echo: '{{ name }}'}]\nfinally: {sh: \"sh -c 'echo {{ name }} >>order'\"}\n"),
    ]);
    let ended = place.run("run a.yaml");
    assert_eq!((ended.code, place.read("order").as_deref()), (0, Some("b\na\n")), "{ended:?}");
}

#[test]
fn what_an_include_writes_may_be_a_resource_of_the_test() {
    let place = Place::with(&[
        (
            "a.yaml",
            "include: b.yaml\nsteps: [{echo: {from_file: x, register: {x: '{{ OUTPUT }}'}}}, {check: {equals: {the: '{{ x }}', is: made}}}]\n",
        ),
        ("b.yaml", "steps: [{sh: sh -c 'mkdir -p resources && printf made >resources/x'}]\n"),
    ]);
    let ended = place.run("run a.yaml");
    assert_eq!(ended.code, 0, "{ended:?}");
    // Where nothing writes, what is not there is told before anything runs.
    place.write("b.yaml", "steps: [{echo: x}]\n");
    std::fs::remove_file(place.path("resources/x")).expect("the resource");
    assert_eq!(place.run("run a.yaml").code, 2);
}
