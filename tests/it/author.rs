//! `firebreak build`, `new` and `adopt`: what they make is built, and goes through the real Ansible against a drill.
//! Needs cargo, gcc, python3 and, for two packages, pip's index.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use firebreak::drill::story::Stand;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::ansible::{Ground, Played, tool};
use crate::support::program::{Hall, Output};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn output(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Output { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A toolkit in a folder of its own.
struct Workshop {
    folder: TempDir,
}

impl Workshop {
    /// An empty one, whose programs need nothing.
    fn bare() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["src/bin", "roles", "templates"] {
            fs::create_dir_all(folder.path().join(name)).expect("a folder");
        }
        Self { folder }
    }

    /// A copy of the repository, whose programs use the library where it is: so it is not compiled for each test.
    fn copied() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let names =
            ["ansible.cfg", "inventories", "jenkins", "playbooks", "roles", "templates", "rustfmt.toml", "Cargo.lock"];
        let names = names.map(|name| repository().join(name));
        let copied = Command::new("cp").arg("-r").args(names).arg(folder.path()).status();
        assert!(copied.expect("cp").success());
        let workshop = Self { folder };
        fs::create_dir_all(workshop.path("src/bin")).expect("a folder");
        for name in ["tmp", "home"] {
            fs::create_dir(workshop.path(name)).expect("a folder");
        }
        let bin = "src/bin/rollback_service.rs";
        fs::copy(repository().join(bin), workshop.path(bin)).expect("the program of the role that is there");
        let manifest = fs::read_to_string(repository().join("Cargo.toml")).expect("the manifest");
        let (_, lints) = manifest.split_once("[lints.rust]").expect("lints");
        workshop.write(
            "Cargo.toml",
            &format!(
                "[package]\nname = \"workshop\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n\
                 firebreak = {{ path = '{}' }}\nsecrecy = {{ version = \"0.10\", features = [\"serde\"] }}\n\
                 serde = {{ version = \"1\", features = [\"derive\"] }}\n\n[profile.dev]\ndebug = \"line-tables-only\"\n\n\
                 [lints.rust]{lints}",
                repository().display()
            ),
        );
        workshop
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// `firebreak` in the workshop, which is called WORKSHOP in what it says.
    fn firebreak(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firebreak"));
        command.args(words).arg("--root=.").current_dir(self.folder.path());
        let mut output = output(command.env("CARGO_TARGET_DIR", self.path("made")).env("CARGO_TERM_COLOR", "never"));
        for text in [&mut output.stdout, &mut output.stderr] {
            *text = text.replace(&self.folder.path().display().to_string(), "WORKSHOP");
        }
        output
    }

    /// cargo in the workshop, with the folder in which the tests are compiled.
    fn cargo(&self, words: &[&str]) -> PathBuf {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
        let made =
            output(Command::new("cargo").args(words).env("CARGO_TARGET_DIR", &target).current_dir(self.folder.path()));
        assert_eq!(made.code, 0, "cargo {words:?}: {}", made.stderr);
        target.join("debug")
    }

    async fn play(&self, hall: &Hall, role: &str, words: &[&str], values: &Value) -> Played {
        self.write("vars.json", &values.to_string());
        let mut command = Command::new(tool("ansible-playbook"));
        command.args(["-i", "inventories/local/hosts.ini", "-e", "@vars.json"]).args(words);
        command.arg(format!("playbooks/{role}.yml")).current_dir(self.folder.path());
        command.env("HOME", self.path("home")).env("TMPDIR", self.path("tmp")).env("LANG", "C.UTF-8");
        command.envs(hall.drill.environment());
        tokio::task::spawn_blocking(|| Ground::end(command)).await.expect("a play")
    }

    /// The names in the folder for temporary files: nothing may stay there.
    fn left_over(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("tmp")).expect("a folder");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }
}

/// What people do not type to test, with nothing that a terminal would escape.
const AWKWARD: &str = "it's $(touch evil) {{ 1 + 1 }} a=b `id` ünï";

fn unsafe_text(text: &str) -> Value {
    json!({ "__ansible_unsafe": text })
}

#[test]
fn build_makes_static_programs_and_says_what_is_up_to_date() {
    let workshop = Workshop::bare();
    workshop.write("Cargo.toml", "[package]\nname = \"tiny\"\nversion = \"0.0.0\"\nedition = \"2024\"\n");
    let code = |usage: &str, word: &str| {
        format!(
            "const USAGE: &str = \"A thing.\n\nUsage:\n{usage}\";\nfn main() {{\n    println!(\"{word}{{}}\", USAGE.len());\n}}\n"
        )
    };
    workshop.write("src/bin/mend.rs", &code("  mend get\n  mend run\n", ""));
    workshop.write("src/bin/look.rs", &code("  look\n", ""));
    let table = |output: &Output| -> Vec<Vec<String>> {
        let row =
            |line: &str| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect();
        output.stdout.lines().filter(|line| line.contains(" MB ")).map(row).collect()
    };
    let state = |output: &Output| -> Vec<(String, String)> {
        table(output).into_iter().map(|row| (row[0].clone(), row[1].clone())).collect()
    };
    let states = |pairs: [(&str, &str); 2]| pairs.map(|(one, other)| (one.to_owned(), other.to_owned())).to_vec();

    let first = workshop.firebreak(&["build"]);
    assert_eq!(first.code, 0, "{first:?}");
    assert_eq!(state(&first), states([("look", "built"), ("mend", "built")]));
    assert!(first.stdout.ends_with("\n2 programs built\n"), "{}", first.stdout);
    assert!(first.stderr.contains("Compiling tiny"), "cargo speaks for itself: {}", first.stderr);
    let rows = table(&first);
    assert_eq!((rows[0][4].as_str(), rows[1][4].as_str()), ("bin/look", "bin/mend, roles/mend/files/mend"));
    for place in ["bin/look", "bin/mend", "roles/mend/files/mend"] {
        let said = output(Command::new("file").arg("--brief").arg(workshop.path(place))).stdout;
        assert!(said.contains("static-pie linked") || said.contains("statically linked"), "{place}: {said}");
        let sum = output(Command::new("sha256sum").arg(workshop.path(place))).stdout;
        assert!(rows.iter().any(|row| sum.starts_with(&row[3])), "{place}: {sum}");
    }
    assert!(workshop.path("made").is_dir(), "CARGO_TARGET_DIR is respected");

    let second = workshop.firebreak(&["build"]);
    assert_eq!(state(&second), states([("look", "up to date"), ("mend", "up to date")]));
    assert!(second.stdout.ends_with("\n2 programs up to date\n"), "{}", second.stdout);
    fs::remove_file(workshop.path("bin/look")).expect("a program that is lost");
    assert_eq!(state(&workshop.firebreak(&["build"])), states([("look", "copied"), ("mend", "up to date")]));

    let before = fs::read(workshop.path("bin/mend")).expect("the program");
    workshop.write("src/bin/mend.rs", &code("  mend get\n  mend run\n", "\" + 1 + \""));
    let broken = workshop.firebreak(&["build", "mend"]);
    assert_eq!(broken.code, 1, "{broken:?}");
    assert!(broken.stderr.contains("error: could not compile `tiny`"), "{}", broken.stderr);
    assert_eq!(fs::read(workshop.path("bin/mend")).expect("the program"), before, "nothing is half placed");

    let unknown = workshop.firebreak(&["build", "mond"]);
    let hint = "firebreak error: there is no program or role 'mond': did you mean `mend`?\n";
    assert_eq!((unknown.code, unknown.stderr.as_str()), (2, hint));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_role_is_built_passes_and_goes_through_ansible() {
    let workshop = Workshop::copied();
    let options =
        ["--option=--host=<h>  The host to mend. [env: HOST_TO_MEND]", "--option=--pwd=<p>  Its password. [secret]"];
    let texts = [
        "--title=Mend a \"host\"",
        "--problem=A host is \\ broken.",
        "--solution=`get` shows the host. `run` mends it.",
    ];
    let made = workshop.firebreak(&[&["new", "mend_host"], &options[..], &texts[..]].concat());
    assert_eq!(made.code, 0, "{made:?}");
    assert!(made.stdout.starts_with("src/bin/mend_host.rs\n"), "{}", made.stdout);
    let lines = workshop.read("src/bin/mend_host.rs").lines().count();
    assert!((40..=100).contains(&lines), "{lines} lines");
    assert_eq!(workshop.firebreak(&["sync", "--check"]).code, 0);
    let checked = workshop.firebreak(&["check"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    let again = workshop.firebreak(&["new", "mend_host"]);
    let taken = "firebreak error: a role cannot be called 'mend_host': there is a program of this name\n";
    assert_eq!((again.code, again.stderr.as_str()), (2, taken));

    workshop.cargo(&["clippy", "--offline", "--bin", "mend_host", "--", "-D", "warnings"]);
    workshop.cargo(&["fmt", "--check"]);
    workshop.cargo(&["test", "--offline", "--bin", "mend_host"]);
    let program = workshop.cargo(&["build", "--offline", "--bin", "mend_host"]).join("mend_host");

    let run = |words: &[&str]| output(Command::new(&program).args(words).env("HOST_TO_MEND", AWKWARD));
    let beginning = "It is a beginning: `look` and `act` in src/bin/mend_host.rs are to be filled in\n";
    let table = format!("--host  {AWKWARD}\n--pwd   given\nstep    mend the first thing\n\n");
    let looked = run(&["get", "--pwd=geheim"]);
    assert_eq!((looked.code, looked.stdout), (0, format!("{table}1 step to do. {beginning}")));
    let planned = run(&["run", "--check", "--pwd=geheim"]);
    assert_eq!((planned.code, planned.stdout), (0, format!("{table}would change 1 step. {beginning}")));
    let declined = run(&["run"]);
    assert_eq!(declined.code, 4);
    assert!(declined.stderr.contains("--yes is needed where no terminal is: nothing was changed."), "{declined:?}");
    let done = run(&["run", "--yes", "--pwd=geheim"]);
    assert_eq!((done.code, done.stdout), (0, format!("{table}1 step taken. {beginning}")));
    assert!(done.stderr.contains("  mend the first thing: 1 of 1 done\n"), "{}", done.stderr);
    let drill = output(Command::new(env!("CARGO_BIN_EXE_firedrill")).arg("--").arg(&program).arg("get"));
    assert_eq!(drill.code, 0, "{drill:?}");

    let files = workshop.path("roles/mend_host/files");
    fs::create_dir_all(&files).expect("a folder");
    fs::copy(&program, files.join("mend_host")).expect("the program in its role");
    let hall = Hall::open(&[]).await;
    let values = json!({ "mend_host_host": unsafe_text(AWKWARD), "mend_host_pwd": unsafe_text("geheim") });
    for words in [&[][..], &["--tags", "run", "--check", "--diff"], &["--tags", "run", "-vvv"]] {
        let played = workshop.play(&hall, "mend_host", words, &values).await;
        assert_eq!(played.code, 0, "{words:?}: {}", played.text);
        assert!(played.text.contains(AWKWARD), "{words:?}: {}", played.text);
        assert!(!played.text.contains("geheim"), "{words:?}: {}", played.text);
    }
    assert_eq!(workshop.left_over(), [""; 0]);
    assert!(!workshop.path("evil").exists());
}

#[test]
fn what_is_not_given_is_asked_for_at_a_terminal() {
    let workshop = Workshop::copied();
    let sit_down = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firebreak"));
        command.args(["new", "warm_caches"]).current_dir(workshop.folder.path()).env("TERM", "xterm-256color");
        rexpect::session::spawn_command(command, Some(30_000)).expect("a pseudo-terminal")
    };
    let mut left = sit_down();
    left.exp_string("What does it do, in one line?").expect("the first question");
    left.send_control('c').expect("Ctrl-C");
    left.exp_string("interrupted: nothing was changed").expect("the end");
    left.exp_eof().expect("the end");
    assert!(!workshop.path("src/bin/warm_caches.rs").exists() && !workshop.path("roles/warm_caches").exists());

    let mut session = sit_down();
    let mut says = |question: &str, answer: &str| {
        session.exp_string(question).expect(question);
        session.send_line(answer).expect("to type");
    };
    says("What does it do, in one line?", "see usage: below");
    says("`usage:` begins the usage lines", "Warm the caches.");
    says("Which problem does it mend?", "The first users wait.");
    says("What does it do about it?", "It asks for every page.");
    says("An option?", "host");
    says("--option cannot be 'host'", "--pages=<n>  How many. [default: 10]");
    // What was typed is shown once more when it is taken, with its question; then comes the next.
    says("[default: 10]\r\nAn option?", "");
    session.exp_string("fill in `look` and `act`").expect("what is next");
    session.exp_eof().expect("the end");
    let code = workshop.read("src/bin/warm_caches.rs");
    for line in ["Warm the caches.\n", "  The first users wait.\n", "--pages=<n>           How many. [default: 10]\n"] {
        assert!(code.contains(line), "'{line}' is missing:\n{code}");
    }
}

#[test]
fn nothing_of_a_new_role_is_written_where_something_is_wrong() {
    let workshop = Workshop::copied();
    let texts = ["--title=t", "--problem=p", "--solution=s"];
    for (words, why) in [
        (&["new", "match"][..], "a role cannot be called 'match': it is a word of Rust's own"),
        (
            &["new", "x"],
            "`firebreak new x` needs --title where no terminal is, beside --title, --problem and --solution",
        ),
        (&[&["new", "x", "--option=host"], &texts[..]].concat(), "--option cannot be 'host': "),
        (&["new", "x", "--title=see usage: x"], "--title cannot be 'see usage: x': `usage:` begins the usage lines"),
    ] {
        let refused = workshop.firebreak(words);
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.stderr.starts_with(&format!("firebreak error: {why}")), "{}", refused.stderr);
    }
    // A template that breaks on the way.
    workshop.write("templates/late", "<< nothing >>");
    let failed = workshop.firebreak(&[&["new", "x"], &texts[..]].concat());
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.stderr.starts_with("firebreak error: templates/late:1: "), "{}", failed.stderr);
    assert!(!workshop.path("src/bin/x.rs").exists() && !workshop.path("roles/x").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_python_script_goes_through_ansible() {
    let workshop = Workshop::copied();
    let fixture = |name: &str| repository().join("tests/adopt").join(name).display().to_string();
    let requirements = format!("--requirements={}", fixture("requirements.txt"));
    let (script, texts) =
        (fixture("rollback.py"), ["--title=Roll back", "--problem=A release broke.", "--solution=Go back."]);
    let words =
        [&["adopt", &script, &requirements, "--keeps=--dump:rollback.json", "--found=--date:rollbacks"], &texts[..]];
    let made = workshop.firebreak(&words.concat());
    assert_eq!(made.code, 0, "{made:?}");
    assert_eq!(
        workshop.read("roles/rollback/usage.txt"),
        "Roll back.

Problem:
  A release broke.

Solution:
  Go back.

Usage:
  rollback.py get --repo=<r> --env=<e> [--dump=<dr>]
  rollback.py run --date=<d> --env=<e> --slack=<s> --user=<u> --pwd=<p> [--dump=<dr>]

Options:
  --repo=<r>            Not described yet.
  --env=<e>             Not described yet.
  --dump=<dr>           Not described yet. [keeps: rollback.json]
  --date=<d>            Not described yet. [found: rollbacks]
  --slack=<s>           Not described yet. [secret]
  --user=<u>            Not described yet.
  --pwd=<p>             Not described yet. [secret]

Adopted:
  program: rollback.py
  requirements: requirements.txt
  language: python
  get: get
  run: run
"
    );
    assert_eq!(workshop.firebreak(&["sync", "--check"]).code, 0);
    let checked = workshop.firebreak(&["check"]).stdout;
    assert!(checked.contains("no inventory gives rollback_env, which is needed for `get` and `run`"), "{checked}");
    assert_eq!(checked.trim_end().lines().count(), 2, "{checked}");

    let hall = Hall::open(&[]).await;
    let kept = workshop.path("kept");
    fs::create_dir(&kept).expect("a folder");
    let slack = format!("http://{}/services/geheim", hall.drill.slack.address());
    let values = |env: &str, date: &str| {
        json!({
            "rollback_repo": "billing,orders,users,web", "rollback_env": env, "rollback_date": unsafe_text(date),
            "rollback_dump": kept, "rollback_slack": slack, "rollback_user": unsafe_text(AWKWARD),
            "rollback_pwd": unsafe_text("geheim's {{ word }}"),
        })
    };
    let looked = workshop.play(&hall, "rollback", &[], &values("develop", "")).await;
    assert_eq!(looked.code, 0, "{}", looked.text);
    assert!(looked.text.contains(&format!("{} billing:1.2.0-develop", hall.day())), "{}", looked.text);
    assert!(kept.join("rollback.json").is_file());

    let refused = workshop.play(&hall, "rollback", &["--tags", "run", "-vvv"], &values("dev", AWKWARD)).await;
    assert_ne!(refused.code, 0, "{}", refused.text);
    assert!(refused.text.contains(&format!("there is no rollback of '{AWKWARD}'")), "{}", refused.text);
    hall.stands(Stand::Broken);

    let done = workshop.play(&hall, "rollback", &["--tags", "run"], &values("dev", &hall.day())).await;
    assert_eq!(done.code, 0, "{}", done.text);
    let deadline = Instant::now() + Duration::from_mins(1);
    while !hall.drill.proof("dev", Stand::Good).is_some_and(|proof| proof.holds) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    hall.stands(Stand::Good);
    assert_eq!(hall.told(), ["dev: back to DAY"]);
    for played in [looked, refused, done] {
        assert!(!played.text.contains("geheim"), "{}", played.text);
    }
    assert_eq!(workshop.left_over(), [""; 0]);
    assert!(!workshop.path("evil").exists());
}

const LAMP: &str = r#"#include <stdio.h>
#include <string.h>
int main(int count, char **words) {
    if (count == 2 && !strcmp(words[1], "--help"))
        return puts("Light a lamp.\n\nUsage:\n  lamp look\n  lamp light <room>\n  lamp --help"), 0;
    return printf("%s %s\n", words[1], words[count - 1]), 0;
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_c_program_goes_through_ansible_and_is_held_against_its_help() {
    let workshop = Workshop::copied();
    workshop.write("lamp.c", LAMP);
    let compile = |words: &[&str]| {
        let made =
            output(Command::new("gcc").args(words).args(["-o", "lamp", "lamp.c"]).current_dir(workshop.folder.path()));
        assert_eq!(made.code, 0, "{made:?}");
    };
    compile(&["-static"]);
    let unsaid = workshop.firebreak(&["adopt", "lamp"]);
    let why = "firebreak error: the program has the commands `look`, `light`: say which of them acts with --run=<c>, \
               and which only looks with --get=<c>\n";
    assert_eq!((unsaid.code, unsaid.stderr.as_str()), (2, why));
    let words = ["adopt", "lamp", "--get=look", "--run=light", "--problem=It is dark.", "--solution=Light it."];
    let made = workshop.firebreak(&words);
    assert_eq!((made.code, made.stderr.as_str()), (0, ""), "{}", made.stdout);
    let text = workshop.read("roles/lamp/usage.txt");
    assert!(text.starts_with("Light a lamp.\n\nProblem:\n  It is dark.\n"), "{text}");

    let hall = Hall::open(&[]).await;
    let values = json!({ "lamp_room": unsafe_text(AWKWARD) });
    let looked = workshop.play(&hall, "lamp", &[], &values).await;
    assert_eq!(looked.code, 0, "{}", looked.text);
    let lit = workshop.play(&hall, "lamp", &["--tags", "run"], &values).await;
    assert_eq!(lit.code, 0, "{}", lit.text);
    assert!(lit.text.contains(&format!("light {AWKWARD}")), "{}", lit.text);

    let same = workshop.firebreak(&words);
    assert_eq!((same.code, same.stdout.as_str()), (0, "the role lamp is as the program says\n"));
    workshop.write("lamp.c", &LAMP.replace("light <room>", "light <room> --now"));
    compile(&[]);
    let changed = workshop.firebreak(&words);
    assert_eq!(changed.code, 1, "{changed:?}");
    assert_eq!(
        changed.stdout,
        "roles/lamp/usage.txt:10: the program has the option --now, which is missing here\n\
         roles/lamp/usage.txt:10: `light` needs --now in the program, and not here\n\
         roles/lamp/files/lamp differs from lamp: `cp lamp roles/lamp/files/lamp`\n\n"
    );
    assert!(
        changed.stderr.starts_with("firebreak warning: 'lamp' needs libraries of the machine"),
        "{}",
        changed.stderr
    );
    assert_eq!(workshop.read("roles/lamp/usage.txt"), text);
}

#[test]
fn a_name_that_could_mean_something_in_a_script_is_refused() {
    let workshop = Workshop::copied();
    let script = |usage: &str| format!("#!/bin/sh\ncat <<'END'\nUsage:\n  x {usage}\nEND\n");
    let beside = "a file of this name is put beside the program";
    let safe = "letters, digits, '.', '_' and '-'";
    for (name, usage, words, why) in [
        ("launch.py", "--all", &[][..], format!("the program cannot be called 'launch.py': {beside}")),
        (
            "it's",
            "--all",
            &["--role=its"],
            format!(
                "the program cannot be called 'it's': it stands in scripts as it is, so it is {safe}, and does not \
                 begin with '-'"
            ),
        ),
        (
            "stop",
            "a;b",
            &["--run=a;b"],
            format!(
                "'stop' cannot be adopted: the command `a;b` stands in scripts as it is, so it may hold only {safe}. \
                 Rename it in the program"
            ),
        ),
        (
            "keep",
            "--dump=<d>",
            &["--keeps=--dump:$(id)"],
            format!(
                "--keeps cannot be '--dump:$(id)': it stands in scripts as it is, so it is {safe}, and does not begin \
                 with '-'"
            ),
        ),
        ("kept", "--dump=<d>", &["--keeps=--dump:secrets"], format!("--keeps cannot be '--dump:secrets': {beside}")),
    ] {
        workshop.write(name, &script(usage));
        let refused = workshop.firebreak(&[&["adopt", name], words].concat());
        assert_eq!((refused.code, refused.stderr), (2, format!("firebreak error: {why}\n")));
    }
}

#[test]
fn a_secret_that_must_go_on_the_command_line_is_warned_of() {
    let workshop = Workshop::copied();
    let usage = "Ring.\n\nUsage:\n  ring --token=<t>\n";
    let texts = ["--problem=It is still.", "--solution=Ring it."];
    let warning = "firebreak warning: --token takes its value on the command line, where everybody on the host sees it \
                   while it runs\n";
    for (name, text, said, language) in [
        ("ring", format!("#!/bin/sh\ncat <<'END'\n{usage}END\n"), warning, ""),
        ("rung", format!("#!/usr/bin/env python3\nprint({usage:?})\n"), "", "  language: python\n"),
    ] {
        workshop.write(name, &text.replace("  ring", &format!("  {name}")));
        let made = workshop.firebreak(&[&["adopt", name], &texts[..]].concat());
        assert_eq!((made.code, made.stderr.as_str()), (0, said), "{}", made.stdout);
        let text = workshop.read(&format!("roles/{name}/usage.txt"));
        assert!(text.ends_with(&format!("\nAdopted:\n  program: {name}\n{language}")), "{text}");
        assert_eq!(workshop.path(&format!("roles/{name}/files/launch.py")).exists(), !language.is_empty());
        let paths: Vec<_> = made.stdout.lines().take(2).collect();
        assert_eq!(paths, [format!("roles/{name}/usage.txt"), format!("roles/{name}/files/{name}")]);
    }
}

#[test]
fn a_program_that_does_not_explain_itself_is_refused() {
    let workshop = Workshop::copied();
    for (name, text, why) in [
        (
            "words",
            "just words",
            "'words' is neither an executable, nor a script whose first line names its interpreter",
        ),
        ("mute", "#!/bin/sh\necho hello\n", "what `mute --help` prints is no docopt text: line 1 ('hello'): "),
        ("slow", "#!/bin/sh\nsleep 60 & sleep 60\n", "failed to ask 'slow' for its help: "),
        ("poor.py", "import no_such_package\n", "failed to ask 'poor.py' for its help (if it needs packages, "),
    ] {
        workshop.write(name, text);
        let refused = workshop.firebreak(&["adopt", name]);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.stderr.starts_with(&format!("firebreak error: {why}")), "{}", refused.stderr);
        let ended = refused.stderr.contains("did not end within 10 seconds, and was ended");
        assert_eq!(ended, name == "slow", "{}", refused.stderr);
        assert!(!workshop.path("roles").join(name.trim_end_matches(".py")).exists());
    }
}
