//! `firebreak list`, `show`, `find` and `diff`, as they are called: against the texts of `tests/catalogue`, and against
//! real git repositories.

mod symptoms;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::program::Output;
use crate::support::{git, need};

const FIREBREAK: &str = env!("CARGO_BIN_EXE_firebreak");

fn texts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/catalogue")
}

fn run(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(FIREBREAK);
    command.args(words).current_dir(folder).env_remove("FIREBREAK_ROOT");
    let output = command.output().expect("firebreak starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Output { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn report(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("one JSON document: {error}: {output:?}"))
}

#[test]
fn find_says_which_role_fixes_it_and_how_to_look() {
    let output = run(&texts(), &["find", "slaves", "lost", "mastr"]);
    let expected = "\
elect_leader: Elect a new leader of a replica set
  why     slaves (symptoms), lost (symptoms), mastr → master (symptoms)
  look    elect_leader get --hosts=<h> [options]
  look    ansible-playbook -i inventories/<environment> playbooks/elect_leader.yml
  button  firebreak/elect_leader

`firebreak show elect_leader` tells more of the first
";
    assert_eq!(output, Output { code: 0, stdout: expected.to_owned(), stderr: String::new() });
    let found = report(&run(&texts(), &["find", "certificate expired", "--format=json"]));
    assert_eq!(
        found["roles"][0],
        json!({
            "name": "rotate_certificate",
            "title": "Rotate a certificate",
            "why": [
                {"said": "certificate", "found": "certificate", "place": "symptoms"},
                {"said": "expired", "found": "expired", "place": "symptoms"},
            ],
            "weak": false,
            "look": [
                "rotate_certificate get --host=<h> [options]",
                "ansible-playbook -i inventories/<environment> playbooks/rotate_certificate.yml",
            ],
            "button": "firebreak/rotate_certificate",
        })
    );
}

#[test]
fn find_says_so_where_no_role_fits() {
    let output = run(&texts(), &["find", "coffee", "is", "cold"]);
    let error = "firebreak error: no role fits 'coffee is cold': say what users see in other words, or read `firebreak \
                 list` for all there is\n";
    assert_eq!(output, Output { code: 1, stdout: String::new(), stderr: error.to_owned() });
    for odd in ["", "'", "🔥", "日本語 ÄÖÜ", "%s ${x} `id`"] {
        let output = run(&texts(), &["find", odd, "x"]);
        assert_eq!((output.code, output.stdout.as_str()), (1, ""), "for '{odd}': {output:?}");
    }
    let many = vec!["wörd"; 1000];
    let output = run(&texts(), &[&["find"][..], &many].concat());
    assert_eq!((output.code, output.stdout.as_str()), (1, ""), "{output:?}");
}

#[test]
fn a_word_of_a_symptom_may_be_a_command() {
    let output = run(&texts(), &["find", "list", "man", "show", "disk", "full"]);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output:?}");
    assert!(output.stdout.starts_with("free_space: Free space on a disk\n"), "{output:?}");
}

#[test]
fn list_names_all_there_is() {
    let listed = report(&run(&texts(), &["list", "--format=json"]));
    let names: Vec<&Value> = listed["programs"].as_array().expect("a list").iter().map(|it| &it["name"]).collect();
    assert_eq!(
        json!(names),
        json!([
            "clear_queue",
            "elect_leader",
            "free_space",
            "rebuild_indexes",
            "repopulate_images",
            "resolve_transactions",
            "restart_workers",
            "roll_back",
            "rotate_certificate",
            "unlock_accounts"
        ])
    );
    assert_eq!(
        listed["programs"][2],
        json!({
            "name": "free_space", "title": "Free space on a disk", "role": true,
            "usage": ["free_space get --host=<h> [options]", "free_space run --host=<h> [options]"],
        })
    );
    let own = run(Path::new(env!("CARGO_MANIFEST_DIR")), &["list"]);
    assert_eq!(own.code, 0, "{own:?}");
    let kinds: Vec<_> = own
        .stdout
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.next()?))
        })
        .take(8)
        .collect();
    let programs = [("firebreak", "program"), ("firedrill", "program")];
    let roles = [
        "rebuild_indexes",
        "reelect_leader",
        "repopulate_images",
        "resolve_transactions",
        "rollback_service",
        "test_pipeline",
    ];
    let roles = roles.map(|name| (name, "role"));
    assert_eq!(kinds, [&programs[..], &roles[..]].concat());
}

#[test]
fn show_tells_all_of_a_role() {
    let output = run(&texts(), &["show", "free_space"]);
    let expected = "\
free_space: Free space on a disk

Problem
  A disk of a host is full: logs, old images and temporary files grew, and
  services cannot write any more.

Solution
  `get` shows the largest folders. `run` removes what may go: rotated logs,
  unused images, caches.

Symptoms
  No space left on device
  The disk is full

Usage
  free_space get --host=<h> [options]
  free_space run --host=<h> [options]

Ansible
  ansible-playbook -i inventories/<environment> playbooks/free_space.yml
  ansible-playbook -i inventories/<environment> playbooks/free_space.yml --tags run

Jenkins
  firebreak/free_space

Options
  option      for  what it does
  --host=<h>       The host with the full disk.
  --keep=<d>       Days of logs to keep. [default: 7]

";
    assert_eq!(output, Output { code: 0, stdout: expected.to_owned(), stderr: String::new() });
}

#[test]
fn show_names_the_nearest_where_there_is_none() {
    let output = run(&texts(), &["show", "free_spase"]);
    let error = "firebreak error: there is no program or role 'free_spase': did you mean `free_space`?\n";
    assert_eq!(output, Output { code: 2, stdout: String::new(), stderr: error.to_owned() });
}

/// A repository with one role, at its first commit.
struct Repository(TempDir);

impl Repository {
    fn new() -> Self {
        let repository = Self(tempfile::tempdir().expect("a folder"));
        std::fs::create_dir_all(repository.0.path().join("src/bin")).expect("a folder");
        repository.write("src/bin/.gitkeep", "");
        for role in ["free_space", "clear_queue"] {
            let text = std::fs::read_to_string(texts().join(format!("roles/{role}/usage.txt"))).expect("a text");
            repository.write(&format!("roles/{role}/usage.txt"), &text);
        }
        git::keep(repository.0.path());
        repository
    }

    fn commit(&self) {
        git::commit(self.0.path());
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    fn change(&self, from: &str, to: &str) {
        let path = self.0.path().join("roles/free_space/usage.txt");
        let text = std::fs::read_to_string(path).expect("a text");
        assert!(text.contains(from), "{text}");
        self.write("roles/free_space/usage.txt", &text.replace(from, to));
    }

    fn diff(&self, words: &[&str]) -> Output {
        run(self.0.path(), &[&["diff"], words].concat())
    }
}

#[test]
fn diff_tells_what_breaks_and_fails() {
    let repository = Repository::new();
    let same = repository.diff(&["HEAD"]);
    assert_eq!((same.code, same.stdout.as_str()), (0, "the manuals say what they said at HEAD\n"), "{same:?}");
    repository.change("  The disk is full\n", "  The disk is almost full\n");
    repository.commit();
    let wording = repository.diff(&["HEAD~1"]);
    let expected = "\x20        program     what changed
wording  free_space  the section Symptoms: is told otherwise

since HEAD~1: 0 breaking, 0 compatible, 1 of wording
";
    assert_eq!(wording, Output { code: 0, stdout: expected.to_owned(), stderr: String::new() });
    repository.change("[default: 7]", "[default: 1]");
    repository.change("  --keep", "  --more       More.\n  --keep");
    std::fs::remove_dir_all(repository.0.path().join("roles/clear_queue")).expect("to remove it");
    let broken = repository.diff(&["HEAD~1", "--format=json"]);
    assert_eq!(broken.code, 1, "{broken:?}");
    let change = |level: &str, program: &str, what: &str| json!({"level": level, "program": program, "what": what});
    assert_eq!(
        report(&broken)["changes"],
        json!([
            change("breaking", "clear_queue", "the program clear_queue is gone"),
            change("breaking", "free_space", "--keep of `get`: the default changed: 7 → 1"),
            change("breaking", "free_space", "--keep of `run`: the default changed: 7 → 1"),
            change("compatible", "free_space", "--more of `get` is new"),
            change("compatible", "free_space", "--more of `run` is new"),
            change("wording", "free_space", "the section Symptoms: is told otherwise"),
        ])
    );
    assert_eq!(broken.stderr, "firebreak error: since HEAD~1: 3 breaking, 2 compatible, 1 of wording\n");
}

#[test]
fn diff_names_a_text_that_cannot_be_read_and_compares_the_others() {
    let repository = Repository::new();
    repository.write("src/bin/odd.rs", "fn main( {");
    repository.commit();
    std::fs::remove_file(repository.0.path().join("src/bin/odd.rs")).expect("to remove it");
    let output = repository.diff(&["HEAD"]);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output:?}");
    assert!(
        output.stdout.starts_with("not compared: src/bin/odd.rs as it was at HEAD: src/bin/odd.rs:1: it is no Rust: "),
        "{output:?}"
    );
    assert!(output.stdout.ends_with("the manuals say what they said at HEAD\n"), "{output:?}");
}

/// A package of several files, in its language, with an option of its own for a check: the role's callers see some of that.
#[test]
fn diff_tells_what_changed_in_how_an_adopted_program_is_called() {
    let repository = Repository::new();
    repository.change("  run: run\n", "  run: run\n  beside: lib\n  language: python\n");
    repository.change("  free_space run --host=<h> [options]\n", "  free_space run --host=<h> [--try] [options]\n");
    repository.change("  --keep", "  --try        Only show.\n  --keep");
    repository.commit();
    repository.change("  beside: lib\n  language: python\n", "  beside: lib words.py\n  check: --try\n");
    let output = repository.diff(&["HEAD"]);
    let expected = "\x20           program     what changed
breaking    free_space  --try: the role's variable free_space_try is gone
compatible  free_space  what is adopted: check is new
wording     free_space  what is adopted: beside changed: lib → lib words.py
wording     free_space  what is adopted: language is gone

";
    let error = "firebreak error: since HEAD: 1 breaking, 1 compatible, 2 of wording\n";
    assert_eq!(output, Output { code: 1, stdout: expected.to_owned(), stderr: error.to_owned() });
}

#[test]
fn diff_says_why_git_could_not_read_a_revision() {
    let repository = Repository::new();
    let spoil = "find .git/objects -type f -exec rm {} ';' -exec sh -c 'echo nothing >\"$1\"' sh {} ';'";
    let spoilt = Command::new("sh").args(["-c", spoil]).current_dir(repository.0.path()).status();
    assert!(spoilt.expect("sh").success());
    let output = repository.diff(&["HEAD"]);
    assert_eq!((output.code, output.stdout.as_str()), (1, ""), "{output:?}");
    let error = "firebreak error: failed to look for the revision 'HEAD': `git rev-parse ";
    assert!(output.stderr.starts_with(error) && output.stderr.contains("fatal: "), "{output:?}");
}

#[test]
fn diff_says_what_is_missing() {
    let repository = Repository::new();
    let output = repository.diff(&["no-such"]);
    let error = "firebreak error: there is no revision 'no-such' in this repository: `git log --oneline` lists them\n";
    assert_eq!((output.code, output.stderr.as_str()), (2, error), "{output:?}");

    std::fs::remove_dir_all(repository.0.path().join(".git")).expect("to remove it");
    let output = repository.diff(&["HEAD"]);
    let error = format!(
        "firebreak error: '{}' is in no git repository: ",
        repository.0.path().canonicalize().expect("a folder").display()
    );
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stderr.starts_with(&error), "{output:?}");

    let mut command = Command::new(FIREBREAK);
    let output = command.args(["diff", "HEAD"]).current_dir(repository.0.path()).env("PATH", "/nowhere").output();
    let output = output.expect("firebreak starts");
    let error = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.starts_with("firebreak error: git is needed here: install it: "), "{error}");
}

/// A hook of a work tree is led by git to a repository; the toolkit lies deeper in it.
#[test]
fn diff_in_a_hook_of_a_work_tree_looks_where_it_stands() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(place("main/kit/src/bin")).expect("a folder");
    std::fs::write(place("main/kit/src/bin/.gitkeep"), "").expect("a file");
    std::fs::create_dir_all(place("main/kit/roles/free_space")).expect("a folder");
    let text = std::fs::read_to_string(texts().join("roles/free_space/usage.txt")).expect("a text");
    std::fs::write(place("main/kit/roles/free_space/usage.txt"), &text).expect("a text");
    git::keep(&place("main"));
    git::git(&place("main"), &["worktree", "add", "--quiet", "../tree"]);
    let changed = text.replace("[default: 7]", "[default: 1]");
    std::fs::write(place("tree/kit/roles/free_space/usage.txt"), changed).expect("a text");
    let script = format!("#!/bin/sh\nenv | grep -q ^GIT_INDEX_FILE= && {FIREBREAK} diff HEAD --root=kit >said 2>&1\n");
    std::fs::write(place("main/.git/hooks/pre-commit"), script).expect("a hook");
    std::fs::set_permissions(place("main/.git/hooks/pre-commit"), Permissions::from_mode(0o755)).expect("a mode");
    let mut command = Command::new(need("git", "git"));
    command.args(["-c", "user.name=tester", "-c", "user.email=tester@example.com"]);
    let stopped = command.args(["commit", "--quiet", "--all", "--message=x"]).current_dir(place("tree")).output();
    assert!(!stopped.expect("git starts").status.success(), "what breaks callers ends with 1");
    let expected = "\x20         program     what changed
breaking  free_space  --keep of `get`: the default changed: 7 → 1
breaking  free_space  --keep of `run`: the default changed: 7 → 1

firebreak error: since HEAD: 2 breaking, 0 compatible, 0 of wording
";
    assert_eq!(std::fs::read_to_string(place("tree/said")).expect("what it said"), expected);
}

#[test]
fn diff_says_that_a_clone_is_shallow() {
    let repository = Repository::new();
    repository.change("  The disk is full\n", "  The disk is almost full\n");
    repository.commit();
    let folder = tempfile::tempdir().expect("a folder");
    let (from, to) = (format!("file://{}", repository.0.path().display()), folder.path().join("clone"));
    git::git(folder.path(), &["clone", "--quiet", "--depth=1", &from, "clone"]);
    let output = run(&to, &["diff", "HEAD~1"]);
    let error = "firebreak error: there is no revision 'HEAD~1' in this repository: this clone is shallow, and has only \
                 its newest commits: `git fetch --unshallow` brings the others\n";
    assert_eq!(output, Output { code: 2, stdout: String::new(), stderr: error.to_owned() });
}
