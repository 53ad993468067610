//! A collection of scripts: several at once, with what they import, and what becomes of their roles later.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use rexpect::session::PtySession;
use serde_json::json;

use super::Workshop;
use crate::support::git::{git, keep};
use crate::support::program::DrillFixture;
use crate::support::pty;

const TEXTS: [&str; 2] = ["--problem=It is broken.", "--solution=Mend it."];

/// A script whose docopt text is printed by itself, so that it needs no packages.
fn script(text: &str, body: &str) -> String {
    format!("\"\"\"{text}\"\"\"\nimport sys\n\nif \"--help\" in sys.argv:\n    sys.exit(print(__doc__))\n{body}\n")
}

const INDEX: &str = "Keep an index.

Usage:
  index.py index check [--deep] [--out DIR]
  index.py index rebuild [--dry-run] <name>...
  index.py --help

Options:
  --out DIR  Where to.
";

fn write(workshop: &Workshop, name: &str, text: &str) {
    let path = workshop.path(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    workshop.write(name, text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_of_several_words_runs_and_plans_by_an_option_of_its_own() {
    let workshop = Workshop::copied();
    // It imports a module beside it, which imports a package beside it.
    write(&workshop, "scripts/index.py", &script(INDEX, "import words\nprint(words.said(sys.argv[1:]))"));
    write(&workshop, "scripts/words.py", "def said(words):\n    from lib import text\n    return text.joined(words)\n");
    write(&workshop, "scripts/lib/__init__.py", "");
    write(&workshop, "scripts/lib/text.py", "def joined(words):\n    return '+'.join(words)\n");
    write(&workshop, "scripts/other.py", "never imported");
    let wrong = workshop.firebreak(&["adopt", "scripts/index.py", "--get=check", "--run=rebuild", TEXTS[0], TEXTS[1]]);
    let why = "firebreak error: the role would call `index.py check`, which the program does not take: name all words of the \
               command: --get='index check'\n";
    assert_eq!((wrong.code, wrong.stderr.as_str()), (2, why));
    assert!(!workshop.path("roles/index").exists());

    let words = ["adopt", "scripts/index.py", "--get=index check", "--run=index rebuild", "--check-by=--dry-run"];
    let planned = workshop.firebreak(&[&words[..], &TEXTS, &["--dry-run"]].concat());
    assert!(planned.stdout.starts_with("+Keep an index.\n+\n+Problem:\n+  It is broken.\n"), "{planned:?}");
    assert!(planned.code == 0 && !workshop.path("roles/index").exists(), "{planned:?}");
    let made = workshop.firebreak(&[&words[..], &TEXTS].concat());
    assert_eq!((made.code, made.stderr.as_str()), (0, ""), "{}", made.stdout);
    let text = workshop.read("roles/index/usage.txt");
    let adopted = "\nAdopted:\n  program: index.py\n  beside: lib words.py\n  language: python\n  get: index check\n  \
                   run: index rebuild\n  check: --dry-run\n";
    assert!(text.ends_with(adopted), "{text}");
    let files = workshop.path("roles/index/files");
    assert!(
        files.join("lib/text.py").is_file() && files.join("words.py").is_file() && !files.join("other.py").exists()
    );
    assert_eq!(workshop.firebreak(&["check"]).code, 0);
    // What the role would call it with is held against the program as well.
    for (from, to, line, why) in [
        (
            "check: --dry-run",
            "check: --deep-run",
            28,
            "--deep-run, by which a check is to be made, is no option of the program, or takes a value there",
        ),
        (
            "get: index check",
            "get: check",
            22,
            "the role would call `index.py check`, which the program does not take: name all",
        ),
        ("beside: lib words.py", "beside: lib sentences.py", 1, "failed to read './roles/index/files/sentences.py'"),
    ] {
        workshop.write("roles/index/usage.txt", &text.replace(from, to));
        assert_eq!(workshop.firebreak(&["sync"]).code, 0);
        let checked = workshop.firebreak(&["check"]);
        let expected = format!("roles/index/usage.txt:{line}  {why}");
        assert!(checked.code == 1 && checked.stdout.contains(&expected), "{checked:?}");
    }
    workshop.write("roles/index/usage.txt", &text);
    assert_eq!(workshop.firebreak(&["sync"]).code, 0);

    let fixture = DrillFixture::open(&[]).await;
    let values = json!({ "index_name": ["a", "b"], "index_deep": true, "index_out": "over there" });
    for (words, said) in [
        (&[][..], "index+check+--out+over there+--deep"),
        (&["--tags", "run", "--check"], "index+rebuild+--dry-run+a+b"),
        (&["--tags", "run"], "index+rebuild+a+b"),
    ] {
        let played = workshop.play(&fixture, "index", words, &values).await;
        assert_eq!(played.code, 0, "{}", played.text);
        assert!(played.text.contains(&format!("        {said}\n")), "{words:?}: {}", played.text);
    }
    assert_eq!(workshop.left_over(), [""; 0]);
    assert_eq!(workshop.firebreak(&words).stdout, "the role index is as the program says\n");
}

#[test]
fn several_programs_become_roles_at_once_or_none_does() {
    let workshop = Workshop::copied();
    for name in ["one", "two"] {
        let text = format!("Ring {name}.\n\nUsage:\n  {name}.py get\n  {name}.py run <bell>\n");
        write(&workshop, &format!("scripts/{name}.py"), &script(&text, ""));
    }
    // A package is run by its name, one that is none from its folder.
    for (name, init) in [("three", true), ("four", false)] {
        let text = format!("Ring {name}.\n\nUsage:\n  {name} get\n  {name} run <bell>\n");
        let import = if init { "from . import bells" } else { "import bells" };
        write(
            &workshop,
            &format!("scripts/{name}/__main__.py"),
            &script(&text, "").replace("import sys\n", &format!("import sys\n{import}\n")),
        );
        write(&workshop, &format!("scripts/{name}/bells.py"), "");
        if init {
            write(&workshop, &format!("scripts/{name}/__init__.py"), "");
        }
    }
    write(&workshop, "scripts/odd.py", &script("No usage.", ""));
    let all = ["scripts/one.py", "scripts/two.py", "scripts/three", "scripts/four"];
    let refused = workshop.firebreak(&[&["adopt"], &all[..], &["scripts/odd.py"], &TEXTS].concat());
    assert_eq!(refused.code, 1, "{refused:?}");
    let why = "firebreak error: 'scripts/odd.py' cannot be adopted, so nothing was written of the others either: what `odd.py \
               --help` prints is no docopt text: ";
    assert!(refused.stderr.starts_with(why), "{}", refused.stderr);
    assert!(!workshop.path("roles/one").exists());
    let named = workshop.firebreak(&[&["adopt"], &all[..], &["--role=x"], &TEXTS].concat());
    let why = "firebreak error: --role cannot be 'x' for several programs: adopt each by itself\n";
    assert_eq!((named.code, named.stderr.as_str()), (2, why));

    let made = workshop.firebreak(&[&["adopt"], &all[..], &TEXTS].concat());
    assert_eq!((made.code, made.stderr.as_str()), (0, ""), "{}", made.stdout);
    assert!(workshop.read("roles/three/usage.txt").ends_with(
        "\nAdopted:\n  program: run_three.py\n  beside: three\n  language: python\n  get: get\n  run: run\n"
    ));
    assert_eq!(workshop.firebreak(&["sync", "--check"]).code, 0);
    assert_eq!(workshop.firebreak(&["check"]).code, 0, "each is held against its help, with what lies beside it");
}

#[test]
fn a_role_is_removed_as_far_as_git_has_it() {
    let workshop = Workshop::copied();
    let text = "Ring.\n\nUsage:\n  ring.py get\n  ring.py run <bell>\n";
    write(&workshop, "scripts/ring.py", &script(text, ""));
    let made = workshop.firebreak(&["adopt", "scripts/ring.py", TEXTS[0], TEXTS[1]]);
    assert_eq!(made.code, 0, "{made:?}");
    let without = workshop.firebreak(&["remove", "ring", "--yes"]);
    assert_eq!(without.code, 1, "{without:?}");
    assert!(without.stderr.starts_with("firebreak error: only what git has is removed: "), "{}", without.stderr);

    keep(workshop.folder.path());
    workshop.write("roles/ring/notes.md", "mine");
    let unknown = workshop.firebreak(&["remove", "ring", "--yes"]);
    let why = "firebreak error: git does not have these as they are, so nothing was removed: commit them, or remove them \
               yourself: roles/ring/notes.md\n";
    assert_eq!((unknown.code, unknown.stderr.as_str()), (1, why));
    fs::remove_file(workshop.path("roles/ring/notes.md")).expect("to remove it");
    let declined = workshop.firebreak(&["remove", "ring"]);
    assert_eq!(declined.code, 4, "{declined:?}");
    let planned = workshop.firebreak(&["remove", "ring", "--dry-run"]);
    assert_eq!(planned.code, 0, "{planned:?}");
    assert!(workshop.path("roles/ring/files/ring.py").is_file());

    let removed = workshop.firebreak(&["remove", "ring", "--yes"]);
    assert_eq!(removed.code, 0, "{removed:?}");
    assert!(
        removed.stderr.starts_with("--- collection/roles/ring/README.md\n--- playbooks/ring.yml\n"),
        "{}",
        removed.stderr
    );
    assert!(removed.stdout.contains(" files removed; git has them all."), "{}", removed.stdout);
    assert!(!workshop.path("roles/ring").exists() && !workshop.path("playbooks/ring.yml").exists());
    assert_eq!(workshop.firebreak(&["sync", "--check"]).code, 0);
    git(workshop.folder.path(), &["checkout", "--quiet", "HEAD", "--", "."]);
    assert_eq!(workshop.firebreak(&["sync", "--check"]).code, 0, "all of it is there again");

    // Of a program that is built here Cargo.toml forgets what `new` had it say.
    let manifest = workshop.read("Cargo.toml");
    let texts = ["--title=Ring a bell", "--problem=It is still.", "--solution=`get` looks. `run` rings."];
    let made = workshop.firebreak(&[&["new", "rings"], &texts[..]].concat());
    assert!(made.code == 0 && workshop.read("Cargo.toml") != manifest, "{made:?}");
    let unsaved = workshop.firebreak(&["remove", "rings", "--yes"]);
    assert!(
        unsaved.code == 1
            && unsaved.stderr.contains(": Cargo.toml, collection/roles/rings/README.md, playbooks/rings.yml, "),
        "{unsaved:?}"
    );
    git(workshop.folder.path(), &["add", "."]);
    git(workshop.folder.path(), &["commit", "--quiet", "--message=rings"]);
    let removed = workshop.firebreak(&["remove", "rings", "--yes"]);
    assert_eq!(removed.code, 0, "{removed:?}");
    assert!(removed.stderr.contains("\n+++ Cargo.toml\n"), "{}", removed.stderr);
    assert_eq!(workshop.read("Cargo.toml"), manifest);
    assert!(!workshop.path("src/bin/rings.rs").exists());

    let none = workshop.firebreak(&["remove", "rung", "--yes"]);
    assert_eq!(none.stderr, "firebreak error: there is no program or role 'rung': did you mean `ring`?\n");
}

#[test]
fn the_look_is_tried_at_a_terminal() {
    let workshop = Workshop::copied();
    let text = "Ring.\n\nUsage:\n  ring.py get <bell>\n  ring.py run <bell>\n";
    write(&workshop, "ring.py", &script(text, "print('heard', sys.argv[1:])"));
    for answer in ["n", "y"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firebreak"));
        command.args(["adopt", "ring.py", TEXTS[0], TEXTS[1]]).current_dir(workshop.folder.path());
        command.envs(workshop.state());
        let mut session = pty::start(command);
        let says = |session: &mut PtySession, question: &str, answer: &str| {
            session.exp_string(question).unwrap_or_else(|error| panic!("{question}: {error}"));
            // What is typed before the question is shown is no answer to it.
            std::thread::sleep(std::time::Duration::from_millis(200));
            session.send_line(answer).expect("to type");
        };
        says(&mut session, "Try the look now, which should change nothing (`ring.py get`)?", "y");
        says(&mut session, "bell: The argument <bell>.", "big");
        session.exp_string("heard ['get', 'big']").expect("what the look prints");
        says(&mut session, "Make the role?", answer);
        session.exp_eof().expect("the end");
        assert_eq!(workshop.path("roles/ring").exists(), answer == "y");
    }
}

#[test]
fn what_is_no_package_is_refused() {
    let workshop = Workshop::copied();
    fs::create_dir(workshop.path("empty")).expect("a folder");
    let output = workshop.firebreak(&["adopt", "empty", TEXTS[0], TEXTS[1]]);
    let why = "firebreak error: 'empty' is a folder without __main__.py: name the program's file, and by --with what it needs \
               beside it\n";
    assert_eq!((output.code, output.stderr.as_str()), (2, why));
    // A program that is no script takes what is named.
    write(&workshop, "tool", "#!/bin/sh\n. \"$(dirname \"$0\")/words\"\ncat <<'END'\nUsage:\n  tool --all\nEND\n");
    write(&workshop, "words", "true\n");
    fs::set_permissions(workshop.path("tool"), fs::Permissions::from_mode(0o755)).expect("a mode");
    let made = workshop.firebreak(&["adopt", "tool", "--with=words", "--title=Mend", TEXTS[0], TEXTS[1]]);
    assert_eq!((made.code, made.stderr.as_str()), (0, ""), "{}", made.stdout);
    assert!(workshop.read("roles/tool/usage.txt").ends_with("\nAdopted:\n  program: tool\n  beside: words\n"));
    let ran = Command::new(workshop.path("roles/tool/files/tool")).stdout(Stdio::null()).status();
    assert!(ran.expect("the program in its role").success());
}
