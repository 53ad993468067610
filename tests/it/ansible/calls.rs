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

/// A play in a mount namespace, after this script.
fn in_namespace(sandbox: &AnsibleSandbox, script: &str, words: &[&str]) -> Played {
    need("unshare", "util-linux");
    let template = sandbox.command(words);
    let mut command = Command::new("sh");
    command
        .args(["-c", UNSHARE, "sh", "sh", "-c", &format!("{script} && exec \"$@\""), "sh"])
        .arg(tool("ansible-playbook"))
        .args(template.get_args());
    command.current_dir(sandbox.folder.path()).env_clear();
    command.envs(template.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("FIREBREAK_PWD", "MARKED");
    AnsibleSandbox::end(command)
}

/// A play where programs may not be run from the usual folder.
fn without_programs(sandbox: &AnsibleSandbox, words: &[&str]) -> Played {
    in_namespace(sandbox, r#"mount -t tmpfs -o noexec none "$TMPDIR""#, words)
}

/// Puts a script in the place of the program.
fn program(sandbox: &AnsibleSandbox, text: &str) {
    let path = sandbox.path("roles/rollback_service/files/rollback_service");
    std::fs::write(&path, text).expect("a program");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("its mode");
}

/// The program leaves something that cannot be removed while the play runs.
#[test]
fn a_folder_that_cannot_be_removed_is_named_and_its_secrets_are_gone() {
    let sandbox = looked();
    program(
        &sandbox,
        "#!/bin/sh\nmkdir \"${0%/*}/stay\" && mount -t tmpfs none \"${0%/*}/stay\" && cat \"${0%/*}/secrets/pwd\" >&2 && \
         echo '{\"message\": \"Went back.\", \"changed\": true}'\n",
    );
    let played = in_namespace(&sandbox, "true", &RUN);
    assert_eq!((played.code, played.recap("failed"), played.recap("changed")), (2, 1, 1), "{}", played.text);
    let [left] = &sandbox.left_over()[..] else { panic!("one folder stays: {:?}", sandbox.left_over()) };
    let folder = sandbox.path("tmp").join(left);
    let stays = format!(
        "{} (Device or resource busy) could not be removed from the host, and may hold secrets: remove it.",
        folder.display()
    );
    let success = "rollback_service run itself succeeded: do not repeat it for this.";
    assert_eq!(last_words(&played), ["changed: false", "msg: |-", "dev: Went back.", &stays, success]);
    assert!(!folder.join("secrets").exists(), "the secrets are removed first");
    assert!(sandbox.files_with("MARKED").is_empty() && !played.text.contains("MARKED"), "{}", played.text);
}

/// What is only needed in the end is known before the program acts; the roles' own check of their variables is left out here.
#[test]
fn what_cannot_be_told_in_the_end_stops_the_call_before_it_begins() {
    let sandbox = looked();
    sandbox.playbook(
        "unchecked",
        "- name: A play\n  hosts: firebreak\n  gather_facts: false\n  tasks:\n    - ansible.builtin.include_role: {name: \
         rollback_service, tasks_from: run, rolespec_validate: false}\n      vars: {rollback_service_date: \
         '2026-11-20'}\n",
    );
    // Where none is named, journals are brought to where the look was kept.
    for (name, named) in [("records", "records"), ("report", "report"), ("env", "env"), ("dump", "records")] {
        let wrong = sandbox.variables(&json!({ format!("rollback_service_{name}"): "{{ nowhere.to_be_found }}" }));
        let played = AnsibleSandbox::end(sandbox.command_of("unchecked", &["-e", &wrong]));
        let said = played.text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(&format!("rollback_service_{named} cannot be told: ")), "{name}: {}", played.text);
        assert!(said.contains("Nothing was done."), "{name}: {}", played.text);
        assert!(sandbox.notes().is_empty(), "{name}: {}", played.text);
    }
    assert_eq!(sandbox.left_over(), [""; 0]);
}

#[test]
fn the_report_of_an_earlier_call_is_not_taken_for_that_of_one_that_does_not_begin() {
    let sandbox = looked();
    let report = sandbox.path("report.json");
    let kept = ["-e", "rollback_service_report=report.json"];
    let fails = |words: &[&str], why: &str| {
        std::fs::write(&report, r#"{"outcome": "done"}"#).expect("an older report");
        let played = sandbox.play(&[words, &kept].concat());
        assert_eq!(played.code, 2, "{words:?}: {}", played.text);
        assert!(played.text.contains(why), "{words:?}: {}", played.text);
        assert!(!report.exists(), "{words:?}: the older report is there: {}", played.text);
    };
    fails(&["--tags", "run"], "needs rollback_service_date");
    fails(&["--tags", "rnu"], "There is no tag 'rnu'");
    fails(&[&RUN[..], &["-e", "rollback_service_envv=x"]].concat(), "did you mean rollback_service_env?");
    fails(&[&RUN[..], &["-e", "rollback_service_dump=nowhere"]].concat(), "There is no rollback.json in 'nowhere'");
    fails(&[&RUN[..], &["-e", "rollback_service_temp=/proc/nope"]].concat(), "rollback_service was not called");

    // Where it cannot be removed it is emptied; where neither can be done, nothing is.
    let words = [&RUN[..], &["-e", "rollback_service_dump=nowhere"], &kept].concat();
    let bound = "mount --bind report.json report.json";
    std::fs::write(&report, r#"{"outcome": "done"}"#).expect("an older report");
    let played = in_namespace(&sandbox, bound, &words);
    assert!(played.text.contains("There is no rollback.json in 'nowhere'"), "{}", played.text);
    assert_eq!(std::fs::read_to_string(&report).expect("an empty file"), "");
    std::fs::write(&report, r#"{"outcome": "done"}"#).expect("an older report");
    let played = in_namespace(&sandbox, &format!("{bound} && mount -o remount,ro,bind report.json"), &words);
    let why = format!(
        "{} is the report of an earlier call, and can neither be removed nor emptied (Read-only file system). Nothing was done.",
        std::fs::canonicalize(&report).expect("a path").display()
    );
    let said = played.text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(played.code == 2 && said.contains(&why), "{}", played.text);
    assert!(sandbox.notes().is_empty());
    assert_eq!(sandbox.left_over(), [""; 0]);
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
    let path = sandbox.path("roles/rollback_service/files/rollback_service");
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
        std::fs::write(&path, content).expect("a program");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("its mode");
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
