//! What a call leaves behind, and what it says in the end: also where something fails that is not the program.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::{Value, json};

use super::{RUN, looked};
use crate::support::ansible::{AnsibleSandbox, Played, tool};
use crate::support::{UNSHARE, need};

fn play(sandbox: &AnsibleSandbox, words: &[&str], code: &str, report: &Value) -> Played {
    let mut command = sandbox.command(words);
    command.env("STAND_IN_EXIT", code).env("STAND_IN_REPORT", report.to_string()).env("FIREBREAK_PWD", "geheim");
    AnsibleSandbox::end(command)
}

/// The lines of what failed, which are the last before the recap.
fn last_words(played: &Played) -> Vec<String> {
    let (before, _) = played.text.split_once("\nPLAY RECAP").expect("a recap");
    let (_, said) = before.rsplit_once("FAILED! => ").expect("what failed");
    said.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

#[test]
fn what_cannot_be_kept_spoils_nothing_else_and_is_no_failure_of_the_run() {
    let sandbox = looked();
    let journal = sandbox.path("7-abc123.journal");
    std::fs::write(&journal, "all that was done\n").expect("a journal");
    let report = json!({ "journal": journal });
    let records = "rollback_service_records=/proc/nope";
    let kept = ["-e", "rollback_service_report=kept/report.json"];
    let played = play(&sandbox, &[&RUN[..], &kept, &["-e", records]].concat(), "0", &report);
    assert_eq!((played.code, played.recap("failed"), played.recap("changed")), (2, 1, 1), "{}", played.text);
    let lost = format!(
        "The journal of the run could not be kept as /proc/nope/7-abc123.journal: No such file or directory. It is on the host as {}.",
        journal.display()
    );
    let table = ["service  from           to", "billing  billing:1.5.0  billing:1.4.0"];
    let success = "rollback_service run itself succeeded: do not repeat it for this.";
    let said: Vec<String> =
        ["changed: false", "msg: |-", table[0], table[1], "dev: Went back.", &lost, success].map(str::to_owned).into();
    assert_eq!(last_words(&played), said);
    let written: Value =
        serde_json::from_slice(&std::fs::read(sandbox.path("kept/report.json")).expect("a report")).expect("JSON");
    assert_eq!((&written["message"], &written["outcome"]), (&json!("Went back."), &json!("done")));
    assert_eq!(sandbox.left_over(), [""; 0], "what holds secrets is gone");

    // The same of the report; the journal is kept.
    let played = play(
        &sandbox,
        &[&RUN[..], &["-e", "rollback_service_report=/proc/nope/report.json", "-e", "rollback_service_records=kept"]]
            .concat(),
        "0",
        &report,
    );
    assert_eq!(
        last_words(&played)[5..],
        ["The report could not be kept as /proc/nope/report.json: No such file or directory.", success]
    );
    assert_eq!(
        std::fs::read_to_string(sandbox.path("kept/7-abc123.journal")).expect("a journal"),
        "all that was done\n"
    );
    // Where the program failed, what to do about that stands last.
    let failed = json!({ "journal": journal, "message": "Look at web: `--tags resume`.", "changed": true });
    let played = play(&sandbox, &[&RUN[..], &["-e", records]].concat(), "3", &failed);
    assert_eq!(last_words(&played)[4..], [lost.as_str(), "dev: Look at web: `--tags resume`.", "rc: 3"]);
    // What a look found is all that it is for.
    let played = play(&sandbox, &["-e", "rollback_service_dump=/proc/nope"], "0", &json!({}));
    assert_eq!((played.code, played.recap("failed")), (2, 1), "{}", played.text);
    let lost =
        "What was found (rollback.json) could not be kept as /proc/nope/rollback.json: No such file or directory.";
    assert!(last_words(&played).contains(&lost.to_owned()), "{}", played.text);
    assert_eq!(sandbox.left_over(), [""; 0]);
}

#[test]
fn a_call_that_does_not_begin_has_no_report_and_another_ones_is_not_taken_for_its_own() {
    let sandbox = looked();
    sandbox.playbook(
        "loop",
        "- name: A play\n  hosts: firebreak\n  gather_facts: false\n  ignore_errors: true\n  tasks:\n    - ansible.builtin.include_role:\n        \
         name: rollback_service\n        tasks_from: run\n      vars:\n        rollback_service_date: '2026-11-20'\n        \
         rollback_service_env: '{{ item.env }}'\n        rollback_service_dump: '{{ item.dump }}'\n        \
         rollback_service_report: '{{ item.env }}.json'\n      loop:\n        - {env: dev, dump: .}\n        - {env: stage, dump: nowhere}\n",
    );
    let mut command = sandbox.command_of("loop", &[]);
    command
        .env("STAND_IN_EXIT", "3")
        .env("STAND_IN_REPORT", json!({ "changed": true, "message": "Look at dev." }).to_string());
    let played = AnsibleSandbox::end(command);
    assert_eq!((played.code, played.recap("changed"), played.recap("ignored")), (0, 1, 2), "{}", played.text);
    assert!(sandbox.path("dev.json").exists() && !sandbox.path("stage.json").exists(), "{}", played.text);
    assert_eq!(played.text.matches("dev: Look at dev.\n        rc: 3\n").count(), 1, "{}", played.text);
    assert!(played.text.contains("There is no rollback.json in 'nowhere' on the controller"), "{}", played.text);
    assert_eq!(sandbox.notes().len(), 1);
    assert_eq!(sandbox.left_over(), [""; 0]);
}

/// A play in a mount namespace where programs may not be run from the usual folder.
fn without_programs(sandbox: &AnsibleSandbox, words: &[&str]) -> Played {
    need("unshare", "util-linux");
    let template = sandbox.command(words);
    let script = r#"mount -t tmpfs -o noexec none "$TMPDIR" && exec "$@""#;
    let mut command = Command::new("sh");
    command
        .args(["-c", UNSHARE, "sh", "sh", "-c", script, "sh"])
        .arg(tool("ansible-playbook"))
        .args(template.get_args());
    command.current_dir(sandbox.folder.path()).env_clear();
    command.envs(template.get_envs().filter_map(|(name, value)| Some((name, value?))));
    AnsibleSandbox::end(command)
}

#[test]
fn another_folder_is_found_where_programs_may_not_be_run_from_the_usual_one() {
    let sandbox = looked();
    let played = without_programs(&sandbox, &RUN);
    assert_eq!(played.code, 0, "{}", played.text);
    let text = std::fs::read_to_string(sandbox.path("note")).expect("a note");
    let note: Value = serde_json::from_str(text.trim()).expect("a note");
    let folder = note["folder"].as_str().expect("a folder");
    assert!(folder.starts_with("/var/tmp/firebreak.") && !std::path::Path::new(folder).exists(), "{folder}");

    let temp = format!("rollback_service_temp={}", sandbox.path("tmp").display());
    let played = without_programs(&sandbox, &[&RUN[..], &["-e", &temp]].concat());
    assert_eq!((played.code, played.recap("failed")), (2, 1), "{}", played.text);
    let words = played.text.split_whitespace().collect::<Vec<_>>().join(" ");
    let why = format!(
        "rollback_service was not called, so nothing was changed: programs may not be run from {} (mounted noexec). Set \
         rollback_service_temp to a folder of the host where programs may be run.",
        sandbox.path("tmp").display()
    );
    assert!(words.contains(&why), "{}", played.text);
    assert_eq!(sandbox.notes().len(), 1);
    let nowhere = sandbox.play(&[&RUN[..], &["-e", "rollback_service_temp=/proc/nope"]].concat());
    assert!(
        nowhere
            .text
            .contains("no folder can be made in /proc/nope (No such file or directory). Set rollback_service_temp"),
        "{}",
        nowhere.text
    );
}

#[test]
fn a_program_that_the_host_cannot_run_is_named_with_the_cause() {
    let sandbox = looked();
    let program = sandbox.path("roles/rollback_service/files/rollback_service");
    let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
    elf.resize(16, 0);
    elf.extend([2, 0, 183, 0]);
    elf.resize(64, 0);
    let machine = std::env::consts::ARCH;
    for (content, why) in [
        (elf, format!("it is built for aarch64, and the host is {machine}")),
        (
            b"just words\n".to_vec(),
            format!("it is no executable for this host ({machine}), nor a script that names its interpreter"),
        ),
        (b"#!/usr/bin/no-such\n".to_vec(), "the host lacks what runs it (#!/usr/bin/no-such)".to_owned()),
    ] {
        std::fs::write(&program, content).expect("a program");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("its mode");
        let played = sandbox.play(&RUN);
        assert_eq!((played.code, played.recap("failed")), (2, 1), "{}", played.text);
        let words = played.text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            words.contains(&format!("rollback_service was not called, so nothing was changed: {why}.")),
            "{}",
            played.text
        );
        assert_eq!(sandbox.left_over(), [""; 0]);
    }
}
