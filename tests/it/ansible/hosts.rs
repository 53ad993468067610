//! Which host acts, and with whose rights.

use std::path::Path;
use std::process::Command;

use super::RUN;
use crate::support::ansible::{AnsibleSandbox, Played, tool};

const INVENTORY: &str = "[firebreak]\nhost1\nhost2\n[web]\nweb1\n[all:vars]\nansible_connection=local\nansible_python_interpreter=\"{{ ansible_playbook_python }}\"\n\
                         rollback_service_env=dev\nrollback_service_image_env=develop\nrollback_service_repo=billing,web\n";

/// A sandbox with this inventory, where somebody has looked.
fn sandbox(inventory: &str) -> AnsibleSandbox {
    let sandbox = super::looked();
    std::fs::write(sandbox.path("hosts.ini"), inventory).expect("an inventory");
    sandbox
}

/// `ansible-playbook` with the inventory of the sandbox alone.
fn command(sandbox: &AnsibleSandbox, playbook: &str, words: &[&str]) -> Command {
    let template = sandbox.command(&[]);
    let mut command = Command::new(tool("ansible-playbook"));
    command.args(["-i", "hosts.ini", playbook]).args(words).current_dir(sandbox.folder.path()).env_clear();
    command.envs(template.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

fn play(sandbox: &AnsibleSandbox, playbook: &str, words: &[&str]) -> Played {
    AnsibleSandbox::end(command(sandbox, playbook, words))
}

const PLAYBOOK: &str = "playbooks/rollback_service.yml";

#[test]
fn one_host_acts_whichever_the_limit_leaves() {
    let sandbox = sandbox(INVENTORY);
    for (limit, host) in [
        (&[][..], "host1"),
        (&["-l", "host2"], "host2"),
        (&["-l", "all"], "host1"),
        (&["-l", "web,host2"], "host2"),
        (&["-l", "!host1"], "host2"),
    ] {
        let before = sandbox.notes().len();
        let played = play(&sandbox, PLAYBOOK, &[&RUN[..], limit].concat());
        assert_eq!(played.code, 0, "{limit:?}: {}", played.text);
        assert!(played.text.contains(&format!("\nchanged: [{host}]")), "{limit:?}: {}", played.text);
        assert_eq!(played.text.matches("unreachable=0").count(), 1, "one host is in the play: {}", played.text);
        assert_eq!(sandbox.notes().len(), before + 1, "{limit:?}: one acts");
    }
}

#[test]
fn a_limit_or_an_inventory_that_leaves_no_host_is_an_error() {
    let none = "`--limit` leaves no host of the group 'firebreak', so nothing was done. It has: host1, host2.";
    let empty = "The inventory has no host in the group 'firebreak', so nothing was done.";
    for (inventory, limit, why) in [
        (INVENTORY, &["-l", "web1"][..], none),
        ("[firebreak]\n", &[], empty),
        ("[web]\nweb1\n", &["-l", "web1"], empty),
    ] {
        let sandbox = sandbox(inventory);
        for tags in [&[][..], &RUN] {
            let played = play(&sandbox, PLAYBOOK, &[tags, limit].concat());
            assert_eq!((played.code, played.recap("failed")), (2, 1), "{limit:?}: {}", played.text);
            let words = played.text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains(&why.replace('\'', "''")) || words.contains(why), "{limit:?}: {}", played.text);
        }
        assert!(sandbox.notes().is_empty());
    }
    let unknown = play(&sandbox(INVENTORY), PLAYBOOK, &["-l", "host3"]);
    assert_ne!(unknown.code, 0, "{}", unknown.text);
}

fn script(path: &Path, text: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).expect("a script");
    let made = Command::new("chmod").arg("+x").arg(path).status();
    assert!(made.expect("chmod").success());
}

/// Root's rights are the host's affair: on the controller nobody may have any.
#[test]
fn rights_on_the_host_ask_for_none_on_the_controller() {
    let inventory = format!(
        "{INVENTORY}ansible_become_exe={{{{ inventory_dir }}}}/granted\nrollback_service_report=kept/report.json\n"
    );
    let sandbox = sandbox(&inventory);
    script(&sandbox.path("granted"), r#"while [ "$1" != /bin/sh ]; do shift; done; exec "$@""#);
    std::fs::create_dir(sandbox.path("refused")).expect("a folder");
    script(&sandbox.path("refused/sudo"), "echo 'sudo: a password is required' >&2; exit 1");
    let text = std::fs::read_to_string(sandbox.path(PLAYBOOK)).expect("the playbook");
    sandbox.playbook("become", &text.replacen("  gather_facts: false\n", "  gather_facts: false\n  become: true\n", 1));
    for words in [&[][..], &RUN] {
        let mut command = command(&sandbox, "playbooks/become.yml", words);
        let path = std::env::var("PATH").expect("a PATH");
        command.env("PATH", format!("{}:{path}", sandbox.path("refused").display()));
        let played = AnsibleSandbox::end(command);
        assert_eq!(played.code, 0, "{}", played.text);
        assert!(std::fs::remove_file(sandbox.path("kept/report.json")).is_ok(), "{}", played.text);
    }
    assert_eq!(sandbox.notes().len(), 2);
    assert_eq!(sandbox.left_over(), [""; 0]);
}

/// What several hosts find and report is kept apart.
#[test]
fn several_hosts_in_one_play_keep_their_own() {
    let sandbox = sandbox(INVENTORY);
    std::fs::remove_file(sandbox.path("rollback.json")).expect("the dump");
    let role = |command: &str| {
        format!(
            "- name: A play\n  hosts: firebreak\n  gather_facts: false\n  tasks:\n    - ansible.builtin.import_role: {{name: rollback_service, tasks_from: {command}}}\n"
        )
    };
    sandbox.playbook("both", &format!("{}{}", role("get"), role("run")));
    let given = ["-e", "rollback_service_date=2026-11-20", "-e", "rollback_service_report=out/report.json"];
    let played = play(&sandbox, "playbooks/both.yml", &given);
    assert_eq!(played.code, 0, "{}", played.text);
    let names = |folder: &str, with: &str| {
        let entries = std::fs::read_dir(sandbox.path(folder)).expect("a folder").flatten();
        let mut names: Vec<_> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.contains(with))
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("out", "report"), ["report.host1.json", "report.host2.json"]);
    assert_eq!(names(".", "rollback."), ["rollback.host1.json", "rollback.host2.json"]);
    assert_eq!(sandbox.notes().len(), 4);

    // One that fails says so, and what it is to do: the last that is said of it.
    std::fs::remove_file(sandbox.path("rollback.host2.json")).expect("a dump");
    sandbox.playbook("both", &role("run"));
    let run = play(&sandbox, "playbooks/both.yml", &given);
    assert_eq!(run.code, 2, "{}", run.text);
    assert!(run.text.contains("There is no rollback.host2.json in '.' on the controller"), "{}", run.text);
    assert_eq!(sandbox.notes().len(), 5, "the other one acted");
    assert_eq!(sandbox.left_over(), [""; 0]);
}

/// By way of something that stands for `ssh`: each way to the host is one call of it, and one of them can lose the host.
#[test]
fn a_host_that_is_lost_in_the_middle_is_told_apart_from_one_that_was_never_there() {
    let ssh =
        "ansible_connection=ssh ansible_ssh_executable=\"{{ inventory_dir }}/ssh\" ansible_ssh_transfer_method=piped";
    let sandbox = sandbox(
        &INVENTORY
            .replacen("host1", &format!("host1 {ssh}"), 1)
            .replace("\nhost2", "\nhost2 ansible_connection=local")
            .replace("\nansible_connection=local", ""),
    );
    script(
        &sandbox.path("ssh"),
        r#"for last; do :; done
case "$DOWN:$last" in all:*|files:*"dd of="*) echo "no route" >&2; exit 255; esac
case "$last" in
  *_call.py*\&\&*)
    case "$last" in *chmod*) ;; *)
      echo way >>"$STAND_IN_NOTE.ways"
      [ -z "$LOST" ] || exit 255
    esac
esac
exec sh -c "$last""#,
    );
    let play = |words: &[&str], lost: &str, down: &str| {
        let mut command = command(&sandbox, PLAYBOOK, words);
        command.env("LOST", lost).env("DOWN", down).env("FIREBREAK_PWD", "MARKED");
        AnsibleSandbox::end(command)
    };
    let call = |lost: &str| play(&RUN, lost, "");
    let played = call("");
    assert_eq!((played.code, played.recap("changed")), (0, 1), "{}", played.text);
    assert_eq!(sandbox.notes().len(), 1);
    let lost = call("1");
    assert_eq!((lost.code, lost.recap("unreachable")), (4, 1), "{}", lost.text);
    let said = "The host was lost while it was told to call rollback_service run: what was begun there goes on. Look before you act";
    assert!(lost.text.contains(said), "{}", lost.text);
    let ways = std::fs::read_to_string(sandbox.path("note.ways")).expect("the ways");
    assert_eq!(ways, "way\nway\n", "the program is called by one way");

    // One that cannot be reached at all, or no more before the call: another can act.
    let other = "Another host of the group 'firebreak' can act: `--limit host2`.";
    let alone = "A run that was begun on host1 can be ended there alone.";
    for (words, down, end) in [
        (
            &RUN[..],
            "all",
            format!("host1 could not be reached, so rollback_service run was not begun. {other} {alone}"),
        ),
        (&RUN, "files", format!("host1 could not be reached, so rollback_service run was not begun. {other} {alone}")),
        (&[], "all", format!("host1 could not be reached, so rollback_service get was not begun. {other}")),
    ] {
        let unreached = play(words, "", down);
        assert_eq!((unreached.code, unreached.recap("unreachable")), (4, 1), "{down}: {}", unreached.text);
        let said = unreached.text.split_whitespace().collect::<Vec<_>>().join(" ").replace("''", "'");
        assert!(said.contains(&end), "{down}: {}", unreached.text);
        assert!(!unreached.text.contains("what was begun there goes on"), "{down}: {}", unreached.text);
    }
    let limited = play(&[&RUN[..], &["--limit", "host2"]].concat(), "", "all");
    assert_eq!((limited.code, limited.recap("changed")), (0, 1), "{}", limited.text);
    std::fs::write(sandbox.path("hosts.ini"), INVENTORY.replacen("host1\nhost2", &format!("host1 {ssh}"), 1))
        .expect("an inventory");
    let only = play(&RUN, "", "all");
    assert!(only.text.contains("of the inventory has no other host that could act."), "{}", only.text);
    assert_eq!(sandbox.notes().len(), 2);
    assert_eq!(sandbox.left_over(), [""; 0]);
    let kept: Vec<_> = sandbox.files_with("MARKED").into_iter().filter(|path| !path.ends_with("note")).collect();
    assert_eq!(kept, [""; 0].map(std::path::PathBuf::from), "what was sent is removed");
}
