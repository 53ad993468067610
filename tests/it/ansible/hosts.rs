//! Which host acts, and with whose rights.

use std::path::Path;
use std::process::Command;

use super::RUN;
use crate::support::ansible::{Ground, Played, tool};

const INVENTORY: &str = "[firebreak]\nhost1\nhost2\n[web]\nweb1\n[all:vars]\nansible_connection=local\nansible_python_interpreter=\"{{ ansible_playbook_python }}\"\n\
                         rollback_service_env=dev\nrollback_service_image_env=develop\nrollback_service_repo=billing,web\n";

/// A ground with this inventory, where somebody has looked.
fn ground(inventory: &str) -> Ground {
    let ground = super::looked();
    std::fs::write(ground.path("hosts.ini"), inventory).expect("an inventory");
    ground
}

/// `ansible-playbook` with the inventory of the ground alone.
fn command(ground: &Ground, playbook: &str, words: &[&str]) -> Command {
    let template = ground.command(&[]);
    let mut command = Command::new(tool("ansible-playbook"));
    command.args(["-i", "hosts.ini", playbook]).args(words).current_dir(ground.folder.path()).env_clear();
    command.envs(template.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

fn play(ground: &Ground, playbook: &str, words: &[&str]) -> Played {
    Ground::end(command(ground, playbook, words))
}

const PLAYBOOK: &str = "playbooks/rollback_service.yml";

#[test]
fn one_host_acts_whichever_the_limit_leaves() {
    let ground = ground(INVENTORY);
    for (limit, host) in [
        (&[][..], "host1"),
        (&["-l", "host2"], "host2"),
        (&["-l", "all"], "host1"),
        (&["-l", "web,host2"], "host2"),
        (&["-l", "!host1"], "host2"),
    ] {
        let before = ground.notes().len();
        let played = play(&ground, PLAYBOOK, &[&RUN[..], limit].concat());
        assert_eq!(played.code, 0, "{limit:?}: {}", played.text);
        assert!(played.text.contains(&format!("\nchanged: [{host}]")), "{limit:?}: {}", played.text);
        assert_eq!(played.text.matches("unreachable=0").count(), 1, "one host is in the play: {}", played.text);
        assert_eq!(ground.notes().len(), before + 1, "{limit:?}: one acts");
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
        let ground = ground(inventory);
        for tags in [&[][..], &RUN] {
            let played = play(&ground, PLAYBOOK, &[tags, limit].concat());
            assert_eq!((played.code, played.recap("failed")), (2, 1), "{limit:?}: {}", played.text);
            let words = played.text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains(&why.replace('\'', "''")) || words.contains(why), "{limit:?}: {}", played.text);
        }
        assert!(ground.notes().is_empty());
    }
    let unknown = play(&ground(INVENTORY), PLAYBOOK, &["-l", "host3"]);
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
    let ground = ground(&inventory);
    script(&ground.path("granted"), r#"while [ "$1" != /bin/sh ]; do shift; done; exec "$@""#);
    std::fs::create_dir(ground.path("refused")).expect("a folder");
    script(&ground.path("refused/sudo"), "echo 'sudo: a password is required' >&2; exit 1");
    let text = std::fs::read_to_string(ground.path(PLAYBOOK)).expect("the playbook");
    ground.playbook("become", &text.replacen("  gather_facts: false\n", "  gather_facts: false\n  become: true\n", 1));
    for words in [&[][..], &RUN] {
        let mut command = command(&ground, "playbooks/become.yml", words);
        let path = std::env::var("PATH").expect("a PATH");
        command.env("PATH", format!("{}:{path}", ground.path("refused").display()));
        let played = Ground::end(command);
        assert_eq!(played.code, 0, "{}", played.text);
        assert!(std::fs::remove_file(ground.path("kept/report.json")).is_ok(), "{}", played.text);
    }
    assert_eq!(ground.notes().len(), 2);
    assert_eq!(ground.left_over(), [""; 0]);
}

/// What several hosts find and report is kept apart.
#[test]
fn several_hosts_in_one_play_keep_their_own() {
    let ground = ground(INVENTORY);
    std::fs::remove_file(ground.path("rollback.json")).expect("the dump");
    let role = |command: &str| {
        format!(
            "- name: A play\n  hosts: firebreak\n  gather_facts: false\n  tasks:\n    - ansible.builtin.import_role: {{name: rollback_service, tasks_from: {command}}}\n"
        )
    };
    ground.playbook("both", &format!("{}{}", role("get"), role("run")));
    let given = ["-e", "rollback_service_date=2026-11-20", "-e", "rollback_service_report=out/report.json"];
    let played = play(&ground, "playbooks/both.yml", &given);
    assert_eq!(played.code, 0, "{}", played.text);
    let names = |folder: &str, with: &str| {
        let entries = std::fs::read_dir(ground.path(folder)).expect("a folder").flatten();
        let mut names: Vec<_> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.contains(with))
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("out", "report"), ["report.host1.json", "report.host2.json"]);
    assert_eq!(names(".", "rollback."), ["rollback.host1.json", "rollback.host2.json"]);
    assert_eq!(ground.notes().len(), 4);

    // One that fails says so, and what it is to do: the last that is said of it.
    std::fs::remove_file(ground.path("rollback.host2.json")).expect("a dump");
    ground.playbook("both", &role("run"));
    let run = play(&ground, "playbooks/both.yml", &given);
    assert_eq!(run.code, 2, "{}", run.text);
    assert!(run.text.contains("There is no rollback.host2.json in '.' on the controller"), "{}", run.text);
    assert_eq!(ground.notes().len(), 5, "the other one acted");
    assert_eq!(ground.left_over(), [""; 0]);
}

/// By way of something that stands for `ssh`: each way to the host is one call of it, and one of them can lose the host.
#[test]
fn a_host_that_is_lost_in_the_middle_is_told_apart_from_one_that_was_never_there() {
    let ssh =
        "ansible_connection=ssh ansible_ssh_executable=\"{{ inventory_dir }}/ssh\" ansible_ssh_transfer_method=piped";
    let ground =
        ground(&INVENTORY.replace("ansible_connection=local", "").replacen("host1", &format!("host1 {ssh}"), 1));
    script(
        &ground.path("ssh"),
        r#"for last; do :; done
case "$last" in
  *_call.py*\&\&*)
    case "$last" in *chmod*) ;; *)
      echo way >>"$STAND_IN_NOTE.ways"
      [ -z "$LOST" ] || exit 255
    esac
esac
exec sh -c "$last""#,
    );
    let call = |lost: &str| {
        let mut command = command(&ground, PLAYBOOK, &RUN);
        command.env("LOST", lost).env("FIREBREAK_PWD", "MARKED");
        Ground::end(command)
    };
    let played = call("");
    assert_eq!((played.code, played.recap("changed")), (0, 1), "{}", played.text);
    assert_eq!(ground.notes().len(), 1);
    let lost = call("1");
    assert_eq!((lost.code, lost.recap("unreachable")), (4, 1), "{}", lost.text);
    let said = "The host was lost while it was told to call rollback_service run: what was begun there goes on. Look before you act";
    assert!(lost.text.contains(said), "{}", lost.text);
    let ways = std::fs::read_to_string(ground.path("note.ways")).expect("the ways");
    assert_eq!(ways, "way\nway\n", "the program is called by one way");
    assert_eq!(ground.left_over(), [""; 0]);
    let kept: Vec<_> = ground.files_with("MARKED").into_iter().filter(|path| !path.ends_with("note")).collect();
    assert_eq!(kept, [""; 0].map(std::path::PathBuf::from), "what was sent is removed");
}
