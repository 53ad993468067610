//! The versions of ansible-core that the role takes, and what it says to others.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::{RUN, looked, succeeds};
use crate::support::ansible::{AnsibleSandbox, tool};

/// Older versions that are still taken, each with the last of its line. The newest is that of the other tests.
const OLDER: [&str; 3] = ["2.16.19", "2.17.14", "2.18.19"];

/// `ansible-playbook` of this version, in a virtual environment that outlives the tests.
fn installed(version: &str) -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"))).expect("a cache");
    let folder = cache.join("firebreak").join(format!("ansible-core-{version}"));
    let playbook = folder.join("bin/ansible-playbook");
    if !playbook.is_file() {
        std::fs::create_dir_all(&cache).expect("the cache");
        let run = |program: &Path, words: &[&str]| {
            let output = Command::new(program).args(words).output().expect("a program");
            assert!(output.status.success(), "{}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
        };
        let path = folder.to_str().expect("UTF-8");
        run(&tool("python"), &["-m", "venv", "--clear", path]);
        let core = format!("ansible-core=={version}");
        run(&folder.join("bin/python"), &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", &core]);
    }
    playbook
}

/// What differs between versions: templates, lists, vaults, omitted variables, failures, check mode.
fn does_its_work(playbook: &Path) {
    let sandbox = AnsibleSandbox::with_stand_in();
    let play = |words: &[&str], code: &str| {
        let mut command = sandbox.command_by(playbook, "rollback_service", words);
        command.env("STAND_IN_EXIT", code).env("FIREBREAK_REGISTRY_PWD", "geheim");
        if code == "3" {
            command.env("STAND_IN_REPORT", json!({ "changed": true, "message": "Look at web {{ 1 }}." }).to_string());
        }
        AnsibleSandbox::end(command)
    };
    let given = sandbox.variables(&json!({
        "rollback_service_repo": ["billing", "web"], "rollback_service_temp": "{{ omit }}", "rollback_service_keep": "{{ 2 + 3 }}",
        "rollback_service_user": { "__ansible_unsafe": "[1, '{{ 2 }}']" }, "rollback_service_immutable_tags": "yes",
        "rollback_service_report": "report.json", "rollback_service_pwd": "{{ 'of the' ~ ' vault' }}",
    }));
    let looked = play(&["-vvvv", "-e", &given], "0");
    succeeds(&looked, 0);
    assert!(looked.text.contains("develop: Looked."), "{}", looked.text);
    assert!(!looked.text.contains("geheim") && !looked.text.contains("of the vault"), "{}", looked.text);
    let note = &sandbox.notes()[0];
    assert_eq!((&note["options"]["--repo"], &note["options"]["--keep"]), (&json!("billing,web"), &json!("5")));
    assert_eq!(
        (&note["options"]["--user"], &note["switches"]),
        (&json!("[1, '{{ 2 }}']"), &json!(["--immutable-tags"]))
    );
    assert_eq!(note["secrets"]["--pwd"]["value"], "of the vault");
    assert_eq!(note["secrets"]["--registry-pwd"]["value"], "geheim");
    std::fs::remove_file(sandbox.path("report.json")).expect("a report");

    let planned = play(&[&RUN[..], &["--check", "--diff"]].concat(), "0");
    succeeds(&planned, 1);
    assert!(planned.text.contains("\n-billing: billing:1.5.0\n+billing: billing:1.4.0\n"), "{}", planned.text);
    assert_eq!(sandbox.notes()[1]["switches"], json!(["--yes", "--check"]));
    succeeds(&play(&RUN, "0"), 1);
    let failed = play(&RUN, "3");
    assert_eq!((failed.code, failed.recap("failed"), failed.recap("changed")), (2, 1, 1), "{}", failed.text);
    assert!(failed.text.contains("        dev: Look at web {{ 1 }}.\n        rc: 3\n\nPLAY RECAP"), "{}", failed.text);
    assert_eq!(sandbox.notes().len(), 4);

    sandbox.playbook(
        "checked",
        "- name: A play\n  hosts: firebreak\n  gather_facts: false\n  tasks:\n    - ansible.builtin.include_role: {name: rollback_service, \
         tasks_from: run, apply: {check_mode: true}}\n",
    );
    succeeds(&AnsibleSandbox::end(sandbox.command_by(playbook, "checked", &RUN[2..])), 1);
    assert_eq!(sandbox.notes()[4]["switches"], json!(["--yes", "--check"]));
    for (words, why) in
        [(&["--tags", "rnu"][..], "There is no tag 'rnu'"), (&["-e", "rollback_service_bye=x"], "rollback_service_by?")]
    {
        let refused = play(words, "0");
        assert!(refused.code == 2 && refused.text.contains(why), "{}", refused.text);
    }
    // What reads Ansible's own objects: the tasks of a play, and what a fact says of check mode.
    let head = "- name: A play\n  hosts: firebreak\n  gather_facts: false\n";
    sandbox.playbook("named", &format!("{head}  roles: [rollback_service]\n"));
    sandbox.playbook(
        "claimed",
        &format!(
            "{head}  tasks:\n    - ansible.builtin.set_fact: {{ansible_check_mode: true}}\n    - ansible.builtin.import_role: {{name: \
             rollback_service, tasks_from: run}}\n"
        ),
    );
    for (own, words, why) in [
        ("named", &RUN[..], "`--tags run` does nothing where a play names the role alone"),
        ("claimed", &RUN[2..], "ansible_check_mode is set as a variable"),
    ] {
        let refused = AnsibleSandbox::end(sandbox.command_by(playbook, own, words));
        assert!(refused.code == 2 && refused.text.contains(why), "{}", refused.text);
    }
    assert_eq!(sandbox.notes().len(), 5);
    assert_eq!(sandbox.left_over(), [""; 0]);
}

#[test]
fn the_newest_version_does_its_work() {
    does_its_work(&tool("ansible-playbook"));
}

#[test]
fn older_versions_do_it_as_well() {
    if std::env::var_os("FIREBREAK_FULL").is_none_or(|value| value != "1") {
        let _ = writeln!(std::io::stderr(), "left out, for FIREBREAK_FULL is not 1: ansible-core {}", OLDER.join(", "));
        return;
    }
    for version in OLDER {
        does_its_work(&installed(version));
    }
}

/// The real Ansible, which says that it is of another version: nobody has tried the role with those.
#[test]
fn other_versions_are_refused_before_anything_is_done() {
    let sandbox = looked();
    let own = "- name: A play\n  hosts: firebreak\n  gather_facts: false\n  tasks:\n    - ansible.builtin.import_role: {name: \
               rollback_service, tasks_from: run}\n";
    sandbox.playbook("own", own);
    for version in ["2.15.13", "2.20.1", "3.0.0"] {
        let claim = format!("import ansible.release\nansible.release.__version__ = '{version}'\n");
        std::fs::write(sandbox.path("home/sitecustomize.py"), claim).expect("a module");
        for (playbook, words) in [("rollback_service", &RUN[..]), ("own", &RUN[2..])] {
            let mut command = sandbox.command_of(playbook, words);
            command.env("PYTHONPATH", sandbox.path("home"));
            let played = AnsibleSandbox::end(command);
            assert_eq!((played.code, played.recap("failed")), (2, 1), "{}", played.text);
            let why = format!(
                "ansible-core {version} was never tried with this role, so nothing was done: it needs 2.16 to 2.19."
            );
            assert!(played.text.split_whitespace().collect::<Vec<_>>().join(" ").contains(&why), "{}", played.text);
        }
    }
    assert!(sandbox.notes().is_empty());
}
