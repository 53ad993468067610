//! The role as Ansible people use roles: by its name alone, with `~`, lists and their own plays beside it.

use std::process::Command;

use serde_json::json;

use super::{RUN, looked, succeeds};
use crate::support::ansible::{AnsibleSandbox, Played, tool};

/// The words of what was printed, with single spaces: Ansible wraps long lines.
fn flat(played: &Played) -> String {
    played.text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_role_by_its_name_alone_looks() {
    let sandbox = AnsibleSandbox::with_stand_in();
    sandbox
        .playbook("named", "- name: A play\n  hosts: firebreak\n  gather_facts: false\n  roles: [rollback_service]\n");
    let played = AnsibleSandbox::end(sandbox.command_of("named", &[]));
    succeeds(&played, 0);
    assert!(played.text.contains("        develop: Looked.\n"), "{}", played.text);
    assert_eq!(sandbox.notes()[0]["command"], "get");
    assert!(sandbox.path("rollback.json").exists());
}

/// Named alone the role looks, so a tag that acts would do nothing and look like success.
#[test]
fn a_tag_that_acts_is_refused_where_the_role_is_named_alone() {
    let sandbox = looked();
    let head = "- name: A play\n  hosts: firebreak\n  gather_facts: false\n";
    let named = format!("{head}  roles: [rollback_service]\n");
    let tagged = format!("{head}  roles: [{{role: rollback_service, tags: [run]}}]\n");
    let imported = format!("{head}  tasks:\n    - ansible.builtin.import_role: {{name: rollback_service}}\n");
    let why = |tag: &str| {
        format!(
            "`--tags {tag}` does nothing where a play names the role alone, for that only looks. Call the role's playbook with \
             this tag; or have your play include the role by `tasks_from: {tag}`, and call it without tags. Nothing was changed."
        )
    };
    for (play, tag) in [(&named, "run"), (&tagged, "run"), (&imported, "undo"), (&named, "get,run")] {
        sandbox.playbook("named", play);
        let played = AnsibleSandbox::end(sandbox.command_of("named", &["--tags", tag]));
        assert_eq!((played.code, played.recap("failed")), (2, 1), "{tag}: {play}: {}", played.text);
        let said = flat(&played).replace("''", "'");
        assert!(said.contains(&why(tag.trim_start_matches("get,"))), "{tag}: {play}: {}", played.text);
    }
    assert!(sandbox.notes().is_empty());

    sandbox.playbook("named", &named);
    succeeds(&AnsibleSandbox::end(sandbox.command_of("named", &["--tags", "get"])), 0);
    assert_eq!(sandbox.notes().len(), 1, "it looks by its own tag");
    // The tag is that of another task, or may be that of another play.
    let other = "    - name: Another task\n      ansible.builtin.debug: {msg: it is another}\n      tags: [run]\n";
    sandbox.playbook("named", &format!("{named}  tasks:\n{other}"));
    let played = AnsibleSandbox::end(sandbox.command_of("named", &["--tags", "run"]));
    succeeds(&played, 0);
    assert!(played.text.contains("it is another") && !flat(&played).contains("does nothing"), "{}", played.text);
    sandbox.playbook("named", &format!("{named}{head}  tasks:\n{other}"));
    let played = AnsibleSandbox::end(sandbox.command_of("named", &["--tags", "run"]));
    succeeds(&played, 0);
    assert!(played.text.contains("it is another"), "{}", played.text);
    assert!(
        flat(&played).contains("[WARNING]: `--tags run` does nothing where a play names the role"),
        "{}",
        played.text
    );
    assert_eq!(sandbox.notes().len(), 1);
}

#[test]
fn a_home_may_be_written_as_a_tilde_in_every_path() {
    let sandbox = AnsibleSandbox::with_stand_in();
    std::fs::create_dir(sandbox.path("home/temp")).expect("a folder");
    let journal = sandbox.path("home/7-abc123.journal");
    std::fs::write(&journal, "done\n").expect("a journal");
    let given = sandbox.variables(&json!({
        "rollback_service_dump": "~/found", "rollback_service_report": "~/out/report.json", "rollback_service_records": "~/records",
        "rollback_service_temp": "~/temp", "rollback_service_cacert": "~/ca.pem", "rollback_service_journal": "~/journals",
        "rollback_service_user": "~", "rollback_service_date": "2026-11-20",
    }));
    let mut command = sandbox.command(&["--tags", "get,run", "-e", &given]);
    command.env("STAND_IN_REPORT", json!({ "journal": journal }).to_string());
    succeeds(&AnsibleSandbox::end(command), 1);
    for kept in ["home/found/rollback.json", "home/out/report.json", "home/records/7-abc123.journal"] {
        assert!(sandbox.path(kept).is_file(), "{kept}");
    }
    let text = std::fs::read_to_string(sandbox.path("note")).expect("notes");
    let temp = format!("\"folder\": \"{}/firebreak.", sandbox.path("home/temp").display());
    assert_eq!(text.matches(&temp).count(), 2, "{text}");
    for note in sandbox.notes() {
        assert_eq!(note["options"]["--cacert"], json!(sandbox.path("home/ca.pem")));
        assert_eq!(note["options"]["--journal"], json!(sandbox.path("home/journals")));
        assert_eq!(note["options"]["--user"], "~", "no path");
    }
}

#[test]
fn a_mistyped_variable_is_named_before_anything_is_done() {
    let sandbox = looked();
    let head = "- name: A play\n  hosts: firebreak\n  gather_facts: false\n";
    let tasks = "  tasks:\n    - ansible.builtin.import_role: {name: rollback_service, tasks_from: run}\n";
    sandbox.playbook("own", &format!("{head}{tasks}"));
    for (playbook, words) in [("rollback_service", &RUN[..2]), ("own", &[])] {
        for (variable, near) in
            [("rollback_service_bye", "rollback_service_by"), ("rollback_service_envv", "rollback_service_env")]
        {
            let given = format!("{variable}=x");
            let played =
                AnsibleSandbox::end(sandbox.command_of(playbook, &[words, &RUN[2..], &["-e", &given]].concat()));
            assert_eq!((played.code, played.recap("failed")), (2, 1), "{}", played.text);
            let why = format!("The role has no variable {variable}: did you mean {near}? Nothing was done.");
            assert!(flat(&played).contains(&why), "{}", played.text);
        }
    }
    let given = sandbox.variables(&json!({
        "rollback_service_daet": "x", "rollback_service_registry_password": "x", "rollback_service_imageenv": "x",
        "rollback_service_repos": "x", "rollback_service_kep": 1, "rollback_service_team": "x",
    }));
    let played = sandbox.play(&["-e", &given]);
    assert_eq!((played.code, played.recap("failed")), (2, 1), "{}", played.text);
    let meant = [
        ("daet", "date"),
        ("imageenv", "image_env"),
        ("kep", "keep"),
        ("registry_password", "registry_pwd"),
        ("repos", "repo"),
    ];
    let why = meant.map(|(typed, near)| {
        format!("The role has no variable rollback_service_{typed}: did you mean rollback_service_{near}?")
    });
    assert!(flat(&played).contains(&format!("{} Nothing was done.", why.join(" "))), "{}", played.text);
    assert!(sandbox.notes().is_empty());
    // One that is like none of the role's is the playbook's own, or a mistake: it is named, and stops nothing.
    let own = ["name", "registry_url", "reports_bucket", "team", "wibble"];
    let given: Vec<_> = own.iter().flat_map(|own| ["-e".to_owned(), format!("rollback_service_{own}=x")]).collect();
    let played = sandbox.play(&given.iter().map(String::as_str).collect::<Vec<_>>());
    succeeds(&played, 0);
    for own in own {
        let why = format!("[WARNING]: The role has no variable rollback_service_{own}, so it is left out.");
        assert_eq!(flat(&played).matches(&why).count(), 1, "{}", played.text);
    }
    // Nor does one that the value of another names: it is a helper, whatever it is called.
    let helper = sandbox.variables(&json!({
        "rollback_service_repos": ["billing", "web"], "rollback_service_repo": "{{ rollback_service_repos | join(',') }}",
    }));
    let played = sandbox.play(&["-e", &helper]);
    succeeds(&played, 0);
    assert!(!played.text.contains("The role has no variable"), "{}", played.text);
    assert_eq!(sandbox.notes()[1]["options"]["--repo"], "billing,web");
    // Another role's variable may begin like one of this.
    std::fs::create_dir(sandbox.path("roles/rollback_service_more")).expect("a role");
    succeeds(&sandbox.play(&["-e", "rollback_service_more_wibble=x"]), 0);
}

#[test]
fn a_list_is_taken_for_several_values_and_refused_for_one() {
    let sandbox = AnsibleSandbox::with_stand_in();
    let given = sandbox.variables(&json!({ "rollback_service_repo": ["billing", "team/web"] }));
    succeeds(&sandbox.play(&["-e", &given]), 0);
    assert_eq!(sandbox.notes()[0]["options"]["--repo"], "billing,team/web");
    let given = sandbox.variables(&json!({ "rollback_service_running": ["dev", "stage"] }));
    let played = sandbox.play(&["-e", &given]);
    assert_eq!((played.code, played.recap("failed")), (2, 1), "{}", played.text);
    assert!(
        flat(&played).contains("rollback_service_running takes one value, and is given 2. Nothing was done."),
        "{}",
        played.text
    );
    assert_eq!(sandbox.notes().len(), 1);
}

#[test]
fn a_name_in_a_kubeconfig_is_no_password() {
    let sandbox = AnsibleSandbox::with_stand_in();
    let platform = "kubernetes://oidc:alice@prod/dev";
    succeeds(&sandbox.play(&["-e", &format!("rollback_service_platform={platform}")]), 0);
    assert_eq!(sandbox.notes()[0]["options"]["--platform"], platform);
    for url in [
        "marathon+https://ann:geheim@dcos.example",
        "podman+tcp://ann:geheim@host",
        "https://ann:geheim@registry.example",
    ] {
        let played = sandbox.play(&["-e", &format!("rollback_service_registry={url}")]);
        assert_eq!(played.code, 2, "{}", played.text);
        assert!(flat(&played).contains("rollback_service_registry holds a password in a URL"), "{}", played.text);
        assert!(!played.text.contains("geheim"), "{}", played.text);
    }
    assert_eq!(sandbox.notes().len(), 1);
}

/// A playbook of this sandbox, called from another folder by its full path.
fn from_elsewhere(sandbox: &AnsibleSandbox, playbook: &str, words: &[&str]) -> Played {
    let template = sandbox.command(&[]);
    let elsewhere = sandbox.path("home");
    let mut command = Command::new(tool("ansible-playbook"));
    command.arg("-i").arg(sandbox.path("inventories/local/hosts.ini")).arg(sandbox.path(playbook)).args(words);
    command.current_dir(elsewhere).env_clear();
    command.envs(template.get_envs().filter_map(|(name, value)| Some((name, value?))));
    AnsibleSandbox::end(command)
}

#[test]
fn the_playbook_works_from_any_folder_and_beside_others() {
    let sandbox = AnsibleSandbox::with_stand_in();
    let playbook = "playbooks/rollback_service.yml";
    succeeds(&from_elsewhere(&sandbox, playbook, &[]), 0);
    assert!(sandbox.path("home/rollback.json").is_file(), "a relative folder is seen from where Ansible was called");
    succeeds(&from_elsewhere(&sandbox, playbook, &RUN), 1);
    assert_eq!(sandbox.notes().len(), 2);

    let site = "- name: Another play\n  hosts: firebreak\n  gather_facts: false\n  tasks:\n    - name: Another task\n      \
                ansible.builtin.debug: {msg: it is another}\n      tags: [web]\n- name: Ours\n  \
                ansible.builtin.import_playbook: playbooks/rollback_service.yml\n";
    std::fs::write(sandbox.path("site.yml"), site).expect("a playbook");
    // The tags of others, also with what is ours left out by them.
    for (words, called) in
        [(&["--tags", "web"][..], 0), (&[&["--tags", "web,run"][..], &RUN[2..]].concat(), 1), (&[], 1)]
    {
        let before = sandbox.notes().len();
        let played = from_elsewhere(&sandbox, "site.yml", words);
        assert_eq!((played.code, played.recap("failed")), (0, 0), "{words:?}: {}", played.text);
        assert!(played.text.contains("it is another"), "{words:?}: {}", played.text);
        assert_eq!(sandbox.notes().len(), before + called, "{words:?}: {}", played.text);
    }
    for tags in ["rnu", "web", "run,rnu"] {
        let before = sandbox.notes().len();
        let played = from_elsewhere(&sandbox, playbook, &[&["--tags", tags][..], &RUN[2..]].concat());
        assert_eq!((played.code, played.recap("failed")), (2, 1), "{tags}: {}", played.text);
        let unknown = tags.trim_start_matches("run,");
        assert!(
            flat(&played).contains(&format!("There is no tag '{unknown}', so nothing was done.")),
            "{tags}: {}",
            played.text
        );
        assert_eq!(sandbox.notes().len(), before, "{tags}");
    }
}
