//! Whoever asks for check mode, in whatever way Ansible has for that, changes nothing; where two answers are given, neither
//! is believed.

use std::path::Path;

use serde_json::{Value, json};

use super::{looked, succeeds};
use crate::derive::odd;
use crate::support::ansible::{AnsibleSandbox, Played};

/// A command of a role, and what it needs.
struct Act {
    role: &'static str,
    command: &'static str,
    given: &'static str,
    /// Whether the program can plan without acting.
    plans: bool,
}

const fn act(role: &'static str, command: &'static str, given: &'static str, plans: bool) -> Act {
    Act { role, command, given, plans }
}

/// Programs of the toolkit that plan, or cannot; adopted ones: an executable, Python with secrets, Python with packages.
const ODD: [Act; 5] = [
    act("more_ways", "off", "", true),
    act("more_ways", "roll-back", "", false),
    act("ring_bell", "run", "{ring_bell_bell: big}", false),
    act("fix_labels", "run", "{fix_labels_where: here, fix_labels_pwd: geheim}", false),
    act("in_venv", "run", "", false),
];

const ROLLBACK: Act = act("rollback_service", "run", "{rollback_service_date: '2026-11-20'}", true);

/// Every way to ask for check mode within a playbook.
fn ways(act: &Act) -> Vec<String> {
    let Act { role, command, .. } = act;
    let include = format!("ansible.builtin.include_role: {{name: {role}, tasks_from: '{command}'");
    let import = format!("ansible.builtin.import_role: {{name: {role}, tasks_from: '{command}'}}");
    vec![
        format!("  check_mode: true\n  tasks:\n    - {include}}}\n"),
        format!("  check_mode: true\n  tasks:\n    - {import}\n"),
        format!("  tasks:\n    - check_mode: true\n      block:\n        - {include}}}\n"),
        format!("  tasks:\n    - {include}, apply: {{check_mode: true}}}}\n"),
        format!("  tasks:\n    - {import}\n      check_mode: true\n"),
    ]
}

/// Two answers: a variable that Ansible does not look at, or `--check` and its contrary.
fn claims(act: &Act) -> Vec<String> {
    let Act { role, command, .. } = act;
    let role_call = format!("{{name: {role}, tasks_from: '{command}'}}");
    vec![
        format!("  vars: {{ansible_check_mode: true}}\n  tasks:\n    - ansible.builtin.import_role: {role_call}\n"),
        format!(
            "  tasks:\n    - ansible.builtin.include_role: {role_call}\n      vars: {{ansible_check_mode: 'yes'}}\n"
        ),
        format!(
            "  tasks:\n    - vars: {{ansible_check_mode: '{{{{ 1 == 1 }}}}'}}\n      block:\n        - \
             ansible.builtin.import_role: {role_call}\n"
        ),
    ]
}

/// Plays each of these in one playbook, the next also where one failed.
fn play(sandbox: &AnsibleSandbox, act: &Act, plays: &[String], words: &[&str]) -> Played {
    let head =
        "- name: A play\n  hosts: firebreak\n  gather_facts: false\n  ignore_errors: true\n  vars_files: [given.yml]\n";
    let text = plays.iter().map(|play| format!("{head}{play}")).collect::<Vec<_>>().concat();
    sandbox.playbook("ways", &text);
    let given = if act.given.is_empty() { "{}" } else { act.given };
    std::fs::write(sandbox.path("playbooks/given.yml"), given).expect("variables");
    let mut command = sandbox.command_of("ways", words);
    command.env("NOTE", sandbox.path("calls"));
    AnsibleSandbox::end(command)
}

/// Which words the program was given; none where it was not called.
fn calls(sandbox: &AnsibleSandbox, act: &Act) -> Vec<Value> {
    if act.role == "rollback_service" {
        return sandbox.notes().into_iter().map(|note| note["switches"].clone()).collect();
    }
    std::fs::read_to_string(sandbox.path("calls"))
        .map_or(Vec::new(), |text| text.lines().map(|line| serde_json::from_str(line).expect("a line")).collect())
}

/// A program that adds a line to its notes for each call, which holds its words.
fn note_every_call(path: &Path) {
    let text = "#!/usr/bin/env python3\nimport json, os, sys\nwith open(os.environ['NOTE'], 'a') as note:\n    \
                note.write(json.dumps(sys.argv[1:]) + '\\n')\n";
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, text).expect("a program");
}

fn nothing_is_changed(sandbox: &AnsibleSandbox, act: &Act) {
    let name = format!("{} {}", act.role, act.command);
    let ways = ways(act);
    let played = play(sandbox, act, &ways, &[]);
    let planned = if act.plans { ways.len() } else { 0 };
    succeeds(&played, u32::try_from(planned).expect("a small number"));
    let called = calls(sandbox, act);
    assert_eq!(called.len(), planned, "{name}: {}", played.text);
    assert!(
        called.iter().all(|words| words.as_array().expect("words").contains(&json!("--check"))),
        "{name}: {called:?}"
    );
    let said = played.text.matches("Not run. The program cannot plan without acting").count();
    assert_eq!(said, ways.len() - planned, "{name}: {}", played.text);

    // `--check` on the command line, and the same with its contrary in the play.
    let plain =
        format!("  tasks:\n    - ansible.builtin.import_role: {{name: {}, tasks_from: '{}'}}\n", act.role, act.command);
    let taken_back = format!("  check_mode: false\n{plain}");
    let played = play(sandbox, act, &[plain.clone(), taken_back], &["--check"]);
    assert_eq!((played.code, played.recap("ignored")), (0, 1), "{name}: {}", played.text);
    assert!(played.text.contains("`check_mode: false` takes it back"), "{name}: {}", played.text);
    // A variable that Ansible does not look at, in the playbook and on the command line.
    for (claims, words) in [(claims(act), &[][..]), (vec![plain], &["-e", "ansible_check_mode=true"])] {
        let played = play(sandbox, act, &claims, words);
        assert_eq!(
            (played.code, played.recap("ignored")),
            (0, u32::try_from(claims.len()).expect("few")),
            "{name}: {}",
            played.text
        );
        assert_eq!(played.recap("changed"), 0, "{name}: {}", played.text);
        assert!(played.text.contains("ansible_check_mode is set as a variable"), "{name}: {}", played.text);
    }
    let called = calls(sandbox, act);
    assert_eq!(called.len(), planned + usize::from(act.plans), "{name}: {called:?}");
    assert!(
        called.iter().all(|words| words.as_array().expect("words").contains(&json!("--check"))),
        "{name}: {called:?}"
    );
    assert_eq!(sandbox.left_over(), [""; 0]);
}

#[test]
fn every_way_of_asking_for_check_mode_changes_nothing() {
    nothing_is_changed(&looked(), &ROLLBACK);
}

/// Where Ansible's own answer hides what somebody wrote: a file of the play, an earlier task, an inventory.
#[test]
fn a_variable_that_asks_for_check_mode_is_refused_wherever_it_is_set() {
    let sandbox = looked();
    std::fs::remove_file(sandbox.path("rollback.json")).expect("the dump");
    std::fs::write(sandbox.path("playbooks/claim.yml"), "ansible_check_mode: true\n").expect("variables");
    let call = |command: &str| {
        format!("    - ansible.builtin.import_role: {{name: rollback_service, tasks_from: {command}}}\n")
    };
    let (look, run) = (format!("  tasks:\n{}", call("get")), format!("  tasks:\n{}", call("run")));
    let refused = |act: &Act, plays: &[String]| {
        let played = play(&sandbox, act, plays, &[]);
        let expected = u32::try_from(plays.len()).expect("few");
        assert_eq!((played.code, played.recap("ignored")), (0, expected), "{plays:?}: {}", played.text);
        assert_eq!(played.recap("changed"), 0, "{plays:?}: {}", played.text);
        let words = played.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let why = "msg: 'ansible_check_mode is set as a variable, which Ansible itself does not look at";
        assert_eq!(words.matches(why).count(), plays.len(), "{plays:?}: {}", played.text);
        assert!(sandbox.notes().is_empty(), "{plays:?}: {}", played.text);
        assert!(!sandbox.path("rollback.json").exists(), "{plays:?}");
    };
    let in_a_file = Act { given: "{rollback_service_date: '2026-11-20', ansible_check_mode: true}", ..ROLLBACK };
    refused(&in_a_file, &[look.clone(), run.clone()]);
    let included = format!("  tasks:\n    - ansible.builtin.include_vars: ../playbooks/claim.yml\n{}", call("run"));
    refused(&ROLLBACK, &[included]);
    refused(
        &ROLLBACK,
        &[format!("  tasks:\n    - ansible.builtin.set_fact: {{ansible_check_mode: true}}\n{}", call("run"))],
    );
    for place in ["inventories/local/group_vars/all/20_check.yml", "inventories/local/host_vars/localhost.yml"] {
        let file = sandbox.path(place);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(&file, "ansible_check_mode: \"{{ 1 == 1 }}\"\n").expect("variables");
        refused(&ROLLBACK, &[look.clone(), run.clone()]);
        std::fs::write(&file, "ansible_check_mode: false\n").expect("variables");
    }
    // One that says no stands in nobody's way.
    succeeds(&play(&sandbox, &ROLLBACK, &[look, run], &[]), 1);
    assert_eq!(sandbox.notes().len(), 2);
    assert_eq!(sandbox.left_over(), [""; 0]);
}

#[test]
fn the_same_holds_for_programs_of_every_kind() {
    let sandbox = AnsibleSandbox::in_folder(odd());
    for (role, file) in
        [("more_ways", "more_ways"), ("ring_bell", "ring"), ("fix_labels", "fix.py"), ("in_venv", "look.py")]
    {
        note_every_call(&sandbox.path("roles").join(role).join("files").join(file));
    }
    for act in ODD {
        let _ = std::fs::remove_file(sandbox.path("calls"));
        nothing_is_changed(&sandbox, &act);
    }
}

/// A look changes nothing, so it is called; what it found is not written.
#[test]
fn a_look_under_check_mode_writes_nothing() {
    let sandbox = AnsibleSandbox::with_stand_in();
    let head = "- name: A play\n  hosts: firebreak\n  gather_facts: false\n";
    let ways = [
        "  roles:\n    - {role: rollback_service, check_mode: true}\n",
        "  check_mode: true\n  roles:\n    - rollback_service\n",
    ];
    sandbox.playbook("ways", &ways.map(|way| format!("{head}{way}")).concat());
    succeeds(&AnsibleSandbox::end(sandbox.command_of("ways", &[])), 0);
    succeeds(&sandbox.play(&["--check"]), 0);
    assert_eq!(sandbox.notes().len(), 3);
    assert!(!sandbox.path("rollback.json").exists(), "a check wrote what was found");
}
