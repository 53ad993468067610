//! The format: what is refused, what fails that Catcher passes, and what things mean.

use super::{Place, fails, passes, refused};

#[test]
fn unknown_keys_keys_that_are_there_twice_and_an_empty_file_are_refused_with_their_place() {
    let place = Place::with(&[
        (
            "t/a.yaml",
            "variables: {a: 1, a: 2}\nstepz: []\nsteps:\n  - echo: {form: x}\n  - ecoh: x\n  - check: {equals: {thee: 1, is: 2}}\n",
        ),
        ("t/empty.yaml", "\n"),
        ("t/none.json", "{\"variables\": {}}"),
        ("t/no.yaml", "steps: [\n"),
        ("t/two.yaml", "steps: [{echo: x}]\n---\nsteps: []\n"),
    ]);
    let ended = place.run("get t");
    let expected = "\
t/a.yaml:1:19: 'a' is here a second time: it is in line 1 already
t/a.yaml:2:1: 'stepz' is not known in a test: the nearest is 'steps'; known are include, variables, steps, finally, ignore, catch, exclusive
t/a.yaml:4:12: 'form' is not known in `echo`: the nearest is 'from'; known are from, from_file, to, name, register, ignore_errors, tag, skip_if, run_if, until, actions
t/a.yaml:5:5: ecoh: no module of this name yet; the nearest is 'echo'; modules: check, echo, expect, http, loop, mysql, postgres, prepare, rabbit, redis, run, s3, sh, sqlite, stop, wait
t/a.yaml:6:21: `equals` takes `the`, and one of `is` and `is_not`
t/a.yaml:6:22: 'thee' is not known in `equals`: the nearest is 'the'; known are the, is, is_not
t/empty.yaml: the file is empty
t/no.yaml:2:1: this is no YAML: while parsing a node, did not find expected node content
t/none.json: the file has no steps: a test that does nothing cannot pass
t/two.yaml:3:1: a second document begins here: only one is read, so put it into a file of its own
";
    assert_eq!(ended.stdout.trim_end(), expected.trim_end());
    assert_eq!((ended.code, ended.stderr.as_str()), (2, "test_pipeline error: 10 mistakes in 5 tests\n"));
    let run = place.run("run t");
    assert_eq!((run.code, run.stdout), (2, ended.stdout));
    assert_eq!(run.stderr, "test_pipeline error: 10 mistakes in 5 tests: no test was run\n");
}

#[test]
fn a_good_file_is_shown_with_what_it_needs() {
    let place = Place::with(&[
        ("a.yaml", "include: {file: b.yaml, as: b}\nsteps: [{echo: x}, {run: b}]\n"),
        ("b.yaml", "steps: {sh: ls}\n"),
    ]);
    let ended = place.run("get a.yaml");
    let expected = "\
test    steps  needs          includes
a.yaml  2      echo, run, sh  b.yaml

1 test, and nothing is wrong with them
";
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (0, expected, ""));
}

#[test]
fn a_missing_file_a_circle_of_includes_and_a_missing_resource_are_found_before_anything_runs() {
    let place = Place::with(&[
        ("a.yaml", "include:\n  - b.yaml\n  - none.yaml\nsteps: [{echo: {from: x, to: ran}}]\n"),
        ("b.yaml", "include: c.yaml\nsteps: [{echo: x}]\n"),
        ("c.yaml", "include: b.yaml\nsteps: [{echo: x}]\n"),
        ("d.yaml", "steps: [{http: {post: {url: 'http://h/', body_from_file: none.json}}}]\n"),
    ]);
    let (code, report) = place.report("run a.yaml d.yaml");
    let said = report["problems"].to_string();
    assert!(
        code == 2 && said.contains("there is no file none.yaml") && said.contains("b.yaml → c.yaml → b.yaml"),
        "{report}"
    );
    assert!(said.contains("there is no file none.json in the resources"), "{said}");
    assert_eq!(place.read("ran"), None);
}

#[test]
fn an_unknown_variable_is_named_with_the_nearest_and_none_of_the_test_is_run() {
    fails(
        "variables: {user: {id: 1}}\nsteps:\n  - sh: touch ran\n  - echo: '{{ usr.id }}'\n",
        "main.yaml:4:11: there is no variable 'usr'; the nearest is 'user'",
    );
    let place = Place::with(&[("a.yaml", "steps:\n  - echo: {from: x, to: ran}\n  - echo: '{{ usr }}'\n")]);
    assert_eq!((place.run("run a.yaml").code, place.run("get a.yaml").code, place.read("ran")), (1, 2, None));
    // What is given, asked after, or registered by a step is known.
    assert_eq!(place.run("run a.yaml -e usr=1").code, 0);
    passes("steps: [{check: \"{{ x is not defined }}\"}, {check: {equals: {the: \"{{ y | default(5) }}\", is: 5}}}]");
    passes(
        "steps: [{check: {equals: {the: '{{ later }}', is: ''}}}, {echo: {from: 1, register: {later: '{{ OUTPUT }}'}}}]",
    );
    fails("steps: [{echo: {from: {a: 1}, register: {x: '{{ OUTPUT.b }}'}}}]", "OUTPUT.b is not there");
}

#[test]
fn a_failing_include_fails_the_test() {
    let place = Place::with(&[
        ("a.yaml", "include: b.yaml\nsteps: [{echo: {from: x, to: ran}}]\n"),
        ("b.yaml", "steps: [{check: {equals: {the: 1, is: 2}}}]\n"),
    ]);
    let (code, report) = place.report("run a.yaml");
    assert_eq!(report["results"][0]["detail"], "include b.yaml: 1 is not 2 (check, b.yaml:1:10)");
    assert_eq!((code, place.read("ran")), (1, None));
}

#[test]
fn each_clean_up_is_done_in_order_and_one_that_fails_fails_the_test_and_is_named() {
    let place = Place::with(&[(
        "a.yaml",
        "steps: [{echo: x}]\nfinally:\n  - sh: sh -c 'echo 1 >>order'\n  - sh: {command: 'false', name: drop}\n  - sh: {command: sh -c 'echo 2 >>order', run_if: pass}\n  - sh: {command: sh -c 'echo 3 >>order', run_if: fail}\n",
    )]);
    let (code, report) = place.report("run a.yaml");
    assert_eq!((code, place.read("order").as_deref()), (1, Some("1\n2\n")));
    let why = "the test passed, and its clean-up failed: clean-up: `false` ended with 1, not 0 (sh, a.yaml:4:5)";
    assert_eq!(report["results"][0]["detail"], why);
    assert!(report["message"].as_str().expect("a message").ends_with("LEFT BEHIND: 1, see above"), "{report}");
    let keep = Place::with(&[("a.yaml", "steps: [{check: 'false'}]\nfinally: {sh: touch cleaned}\n")]);
    let (code, report) = keep.report("run a.yaml --keep");
    assert_eq!((code, keep.read("cleaned")), (1, None));
    assert_eq!(report["tests"][0]["left_behind"][0], "sh at a.yaml:2:11: not done, as --keep says");
}

#[test]
fn an_include_that_ran_is_cleaned_up_after_the_test_itself() {
    let place = Place::with(&[
        (
            "a.yaml",
            "include: {file: b.yaml, as: b}\nsteps: [{run: b}, {check: 'false'}]\nfinally: {sh: sh -c 'echo a >>order'}\n",
        ),
        ("b.yaml", "steps: {echo: x}\nfinally: {sh: sh -c 'echo b >>order'}\n"),
    ]);
    assert_eq!((place.run("run a.yaml").code, place.read("order").as_deref()), (1, Some("a\nb\n")));
}

#[test]
fn nothing_in_a_text_is_ever_run() {
    passes(
        "variables: {evil: \"__import__('os').system('touch ran')\", day: '1973-12-10', word: os}\nsteps:\n  - check: {equals: {the: '{{ evil }}', is: \"__import__('os').system('touch ran')\"}}\n  - check: {equals: {the: '{{ day }}', is: '1973-12-10'}}\n  - check: {equals: {the: '{{ day }}', is_not: 1951}}\n  - check: {equals: {the: '{{ word }}', is: os}}\n  - sh: {command: test -e ran, return_code: 1}\n  - sh: {command: sh -c 'printf %s \"$evil\"', register: {said: '{{ OUTPUT }}'}}\n  - check: {equals: {the: '{{ said }}', is: '{{ evil }}'}}\n",
    );
    // What was filled in is not filled in again.
    passes(
        "variables: {a: \"{{ '{{' }} b {{ '}}' }}\", b: 1}\nsteps: [{echo: {from: '{{ a }}', register: {c: '{{ OUTPUT }}'}}}, {check: \"{{ 'b' in c and c|length == 7 }}\"}]",
    );
}

#[test]
fn or_holds_where_one_does_and_not_always() {
    fails(
        "steps: [{check: {or: [{equals: {the: 1, is: 2}}, {contains: {the: a, in: bcd}}]}}]",
        "1 is not 2, and 'a' is not in 'bcd'",
    );
    passes("steps: [{check: {or: [{equals: {the: 1, is: 2}}, '{{ 1 == 1 }}']}}]");
    fails("steps: [{check: {and: ['{{ 1 == 1 }}', {equals: {the: 1, is_not: 1}}]}}]", "1 is what it should not be");
    fails("steps: [{check: {all: {of: [1, 2], equals: 1}}}]", "2 is not 1");
    fails("steps: [{check: {any: {of: [], equals: 1}}}]", "none of 0 items: there are none");
    passes("steps: [{check: {any: {of: {a: 1, b: 2}, equals: [b, 2]}}}]");
    refused("steps: [{check: {equals: {the: 1}}}]", "`equals` takes `the`, and one of `is` and `is_not`");
}

#[test]
fn values_are_exact_and_coerced_as_people_mean_it() {
    passes(
        "variables: {big: 123456789012345678901234567890, text: '5', zip: '007', none: null, empty: ''}\nsteps:\n  - check: {equals: {the: '{{ text }}', is: 5}}\n  - check: {equals: {the: 'True', is: true}}\n  - check: {equals: {the: 'None', is: '{{ none }}'}}\n  - check: {equals: {the: '{{ empty }}', is_not: '{{ none }}'}}\n  - check: {equals: {the: '{{ zip }}', is_not: 7}}\n  - check: {equals: {the: '{{ big + 1 }}', is: 123456789012345678901234567891}}\n  - check: {equals: {the: 0.1000000000000000055, is_not: 0.1}}\n  - check: {equals: {the: \"{{ [1, 'a', none] }}\", is: \"[1, 'a', None]\"}}\n",
    );
    fails(
        "steps: [{check: {equals: {the: 9007199254740993, is: 9007199254740992}}}]",
        "9007199254740993 is not 9007199254740992",
    );
}

#[test]
fn a_command_line_is_split_as_a_shell_splits_it_and_variables_are_its_environment() {
    passes(
        r#"
variables: {who: Ann}
steps:
  - sh:
      command: printf '%s|' 'a b' c\ d "e"
      register: {x: '{{ OUTPUT }}'}
  - check: {equals: {the: '{{ x }}', is: 'a b|c d|e|'}}
  - sh:
      command: sh -c 'printf "$who"'
      register: {y: '{{ OUTPUT }}'}
  - check: {equals: {the: '{{ y }}', is: Ann}}
  - sh:
      command: |
        echo '{"a": 1}'
      register: {z: '{{ OUTPUT.a }}'}
  - check: '{{ z == 1 }}'
  - sh: {command: sh -c 'exit 3', return_code: 3}
"#,
    );
    fails("steps: [{sh: \"echo 'a\"}]", "is a quote not closed?");
    fails("steps: [{sh: rm none}]", "`rm none` ended with 1, not 0: rm: cannot remove 'none'");
}

#[test]
fn units_of_time_are_what_they_say_and_a_wait_for_steps_has_a_pause_and_a_limit() {
    let wait = |unit: &str| {
        format!(
            "steps:\n  - echo: {{from: '{{{{ NOW_TS }}}}', register: {{a: '{{{{ OUTPUT }}}}'}}}}\n  - wait: {{{unit}}}\n  - check: '{{{{ NOW_TS - a >= 0.3 }}}}'\n"
        )
    };
    passes(&wait("milliseconds: 300"));
    // Taken for milliseconds it would be longer than a test may last.
    passes(&wait("microseconds: 900000"));
    fails("steps: [{wait: {seconds: 1, for: {sh: sleep 100}}}]", "not within 1 seconds: a step was still under way");
    let place = Place::with(&[(
        "a.yaml",
        "steps: [{wait: {seconds: 1, pause: 0.4, for: {sh: sh -c 'echo x >>tries; false'}}}]\n",
    )]);
    assert_eq!(place.run("run a.yaml").code, 1);
    let tries = place.read("tries").expect("tries").lines().count();
    assert!((1..=3).contains(&tries), "{tries}");
}

#[test]
fn who_wins_among_variables_is_as_it_is_written_down() {
    let place = Place::with(&[
        ("inventory/dev.yml", "v: inventory\nonly: '{{ ENV_ONLY }}'\n"),
        ("early.yaml", "variables: {v: early, e: early}\nsteps: [{echo: {from: 1, register: {r: early}}}]\n"),
        (
            "inc.yaml",
            "variables: {w: own}\nsteps: [{echo: {from: '{{ w }} {{ v }}', to: '{{ file }}'}}, {echo: {from: x, tag: one, to: tagged}}]\n",
        ),
        (
            "a.yaml",
            "include:\n  - early.yaml\n  - {file: inc.yaml, as: inc, variables: {w: given, file: included}}\nvariables: {t: test, u: '{{ t }}-{{ e }}'}\nsteps:\n  - check: {equals: {the: '{{ v }} {{ u }} {{ r }} {{ only }} {{ INVENTORY }}', is: 'early test-early early here dev'}}\n  - run: inc\n  - run: {include: inc, variables: {file: run, v: run}}\n  - run: {include: inc.one, variables: {file: never}}\n  - echo: {from: new, register: {t: '{{ OUTPUT }}'}}\n  - check: {equals: {the: '{{ t }}', is: new}}\n",
        ),
    ]);
    let mut command = place.command("run a.yaml -i inventory/dev.yml");
    let ended = super::Ended::of(command.env("ENV_ONLY", "here").output().expect("the program runs"));
    assert_eq!(ended.code, 0, "{ended:?}");
    let read = |name: &str| place.read(name).unwrap_or_default();
    assert_eq!([read("included"), read("run"), read("never"), read("tagged")], ["given early", "given run", "", "x"]);
    // The command line wins over test and include, and `run` over the command line.
    let place = Place::with(&[
        ("inc.yaml", "steps: [{echo: {from: '{{ v }}', to: '{{ file }}'}}]\n"),
        (
            "a.yaml",
            "include: {file: inc.yaml, as: inc, variables: {v: given}}\nvariables: {v: test, file: one}\nsteps: [{run: inc}, {run: {include: inc, variables: {v: run, file: two}}}]\n",
        ),
    ]);
    assert_eq!(place.run("run a.yaml -e v=5").code, 0);
    assert_eq!((place.read("one").as_deref(), place.read("two").as_deref()), (Some("5"), Some("run")));
}

#[test]
fn a_loop_has_items_and_an_end_and_steps_can_be_several_and_left_out() {
    passes(
        "variables: {sum: 0}\nsteps:\n  - loop: {foreach: {in: [1, 2, 3], do: [{echo: {from: '{{ sum + ITEM }}', register: {sum: '{{ OUTPUT }}'}}}]}}\n  - check: '{{ sum == 6 }}'\n  - loop: {foreach: {in: {a: 1}, do: {check: {equals: {the: '{{ ITEM[0] }}', is: a}}}}}\n  - echo: {actions: [{from: 1, register: {a: '{{ OUTPUT }}'}}, {from: '{{ a + 1 }}', register: {b: '{{ OUTPUT }}'}}]}\n  - check: '{{ b == 2 }}'\n  - check: {equals: {the: 1, is: 2}, skip_if: '{{ b == 2 }}'}\n  - check: {equals: {the: 1, is: 2}, ignore_errors: true}\n  - stop: {if: '{{ b == 2 }}'}\n  - check: 'no'\n",
    );
    fails("steps: [{loop: {foreach: {in: 5, do: {echo: x}}}}]", "5 is an integer: a list or a map is expected");
}

#[test]
fn a_step_is_tried_again_until_it_passes_or_waiting_is_in_vain() {
    let place = Place::with(&[(
        "a.yaml",
        "steps: [{sh: {command: sh -c 'echo x >>tries; test $(wc -l <tries) -ge 3', until: {timeout: 60, pause: 0.01}}}]\n",
    )]);
    assert_eq!((place.run("run a.yaml").code, place.read("tries").as_deref()), (0, Some("x\nx\nx\n")));
    fails(
        "steps: [{check: {equals: {the: 1, is: 2}, until: {timeout: 0.2, pause: 0.1}}}]",
        "not within 0.2 seconds: 1 is not 2",
    );
    fails(
        "steps: [{check: {equals: {the: 1, is: 2}, until: {timeout: 100, fail_if: {contains: {the: 'is not', in: '{{ ERROR }}'}}}}}]",
        "waiting is in vain (fail_if): 1 is not 2",
    );
    for until in ["timeout: 1e19", "timeout: 40000000", "pause: 1e19"] {
        let text = format!("steps: [{{check: {{equals: {{the: 1, is: 2}}, until: {{{until}}}}}}}]");
        fails(&text, "is no number of seconds, 0 to 31536000 (a year)");
    }
    fails(
        "steps: [{check: {equals: {the: 1, is: 2}, until: {timeout: 1, pause: 0.1, factor: 1e19}}}]",
        "not within 1 seconds: 1 is not 2",
    );
    fails("steps: [{wait: {days: 400}}]", "34560000 is no number of seconds, 0 to 31536000 (a year)");
}

#[test]
fn evidence_is_collected_where_a_test_fails() {
    let place = Place::with(&[(
        "a.yaml",
        "steps: [{check: {equals: {the: 1, is: 2}}}]\ncatch: [{echo: {from: 'why: {{ ERROR }}', to: evidence}}]\n",
    )]);
    assert_eq!(place.run("run a.yaml").code, 1);
    assert_eq!(place.read("evidence").as_deref(), Some("why: 1 is not 2 (check, a.yaml:1:10)"));
}

#[test]
fn a_test_that_is_ignored_needs_nothing() {
    let (code, why) = super::verdict("ignore: true\ninclude: none.yaml\nsteps: [{postgres: {request: {conf: x}}}]\n");
    assert_eq!((code, why.as_str()), (0, "ignored"));
}

#[test]
fn what_is_left_out_says_what_to_use() {
    refused(
        "steps: [{selenium: {test: x}}]",
        "selenium: this module is left out: use `sh` with the browser test's own runner",
    );
    let place = Place::with(&[("a.yaml", "steps: [{echo: x}]\n")]);
    let ended = place.run("run a.yaml -m my_steps");
    assert!(ended.code == 2 && ended.stderr.contains("-m my_steps: modules in Python are not run here"), "{ended:?}");
}

#[test]
fn the_schema_is_json_on_stdout_and_has_each_module() {
    let place = Place::with(&[]);
    let ended = place.run("schema");
    let schema: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let steps: Vec<&String> = schema["definitions"]["step"]["properties"].as_object().expect("steps").keys().collect();
    let all = [
        "check", "echo", "expect", "http", "loop", "mysql", "postgres", "prepare", "rabbit", "redis", "run", "s3",
        "sh", "sqlite", "stop", "wait",
    ];
    assert_eq!(steps, all);
    let url =
        &schema["definitions"]["step"]["properties"]["http"]["anyOf"][0]["properties"]["get"]["properties"]["url"];
    assert_eq!(url["description"], "The URL.");
}
