//! `firebreak adopt`: a program that is there already gets a role, and goes through the real Ansible.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use firebreak::drill::story::ShopState;
use serde_json::json;

use super::{AWKWARD, Workshop, output, repository, unsafe_text};
use crate::support::program::DrillFixture;

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
    let synced = workshop.firebreak(&["sync", "--check"]);
    assert_eq!(synced.code, 0, "{synced:?}");
    let checked = workshop.firebreak(&["check"]).stdout;
    assert!(checked.contains("no inventory gives rollback_env, which is needed for `get` and `run`"), "{checked}");
    assert_eq!(checked.trim_end().lines().count(), 2, "{checked}");

    let fixture = DrillFixture::open(&[]).await;
    let kept = workshop.path("kept");
    fs::create_dir(&kept).expect("a folder");
    let slack = format!("http://{}/services/geheim", fixture.drill.slack.address());
    let values = |env: &str, date: &str| {
        json!({
            "rollback_repo": "billing,orders,users,web", "rollback_env": env, "rollback_date": unsafe_text(date),
            "rollback_dump": kept, "rollback_slack": slack, "rollback_user": unsafe_text(AWKWARD),
            "rollback_pwd": unsafe_text("geheim's {{ word }}"),
        })
    };
    let looked = workshop.play(&fixture, "rollback", &[], &values("develop", "")).await;
    assert_eq!(looked.code, 0, "{}", looked.text);
    assert!(looked.text.contains(&format!("{} billing:1.2.0-develop", fixture.day())), "{}", looked.text);
    assert!(kept.join("rollback.json").is_file());

    let refused = workshop.play(&fixture, "rollback", &["--tags", "run", "-vvv"], &values("dev", AWKWARD)).await;
    assert_ne!(refused.code, 0, "{}", refused.text);
    assert!(refused.text.contains(&format!("there is no rollback of '{AWKWARD}'")), "{}", refused.text);
    fixture.stands(ShopState::Broken);

    let done = workshop.play(&fixture, "rollback", &["--tags", "run"], &values("dev", &fixture.day())).await;
    assert_eq!(done.code, 0, "{}", done.text);
    let deadline = Instant::now() + Duration::from_mins(1);
    while !fixture.drill.proof("dev", ShopState::Good).is_some_and(|proof| proof.holds) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    fixture.stands(ShopState::Good);
    assert_eq!(fixture.told(), ["dev: back to DAY"]);
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
    assert!(!workshop.path("roles/lamp").exists());
    let why = "firebreak error: the program has the commands `look`, `light`: say which of them acts with --run=<c>, \
               and which only looks with --get=<c>\n";
    assert_eq!((unsaid.code, unsaid.stderr.as_str()), (2, why));
    let words = ["adopt", "lamp", "--get=look", "--run=light", "--problem=It is dark.", "--solution=Light it."];
    let made = workshop.firebreak(&words);
    assert_eq!((made.code, made.stderr.as_str()), (0, ""), "{}", made.stdout);
    let text = workshop.read("roles/lamp/usage.txt");
    assert!(text.starts_with("Light a lamp.\n\nProblem:\n  It is dark.\n"), "{text}");

    let fixture = DrillFixture::open(&[]).await;
    let values = json!({ "lamp_room": unsafe_text(AWKWARD) });
    let looked = workshop.play(&fixture, "lamp", &[], &values).await;
    assert_eq!(looked.code, 0, "{}", looked.text);
    let lit = workshop.play(&fixture, "lamp", &["--tags", "run"], &values).await;
    assert_eq!(lit.code, 0, "{}", lit.text);
    assert!(lit.text.contains(&format!("light {AWKWARD}")), "{}", lit.text);

    let same = workshop.firebreak(&words);
    assert_eq!((same.code, same.stdout.as_str()), (0, "the role lamp is as the program says\n"));
    // What a person wrote is kept, and what the program says now is taken over.
    let own = text.replace("Light a lamp.\n", "Light a lamp.\n\nSymptoms:\n  Nobody sees anything\n");
    workshop.write("roles/lamp/usage.txt", &own);
    workshop.write("lamp.c", &LAMP.replace("light <room>", "light <room> --now"));
    compile(&[]);
    let planned = workshop.firebreak(&["adopt", "lamp", "--dry-run"]);
    assert_eq!(workshop.read("roles/lamp/usage.txt"), own);
    let changed = workshop.firebreak(&["adopt", "lamp"]);
    assert_eq!((planned.code, changed.code), (0, 0), "{planned:?} {changed:?}");
    let difference = "--- roles/lamp/usage.txt\n+++ roles/lamp/usage.txt\n@@ -12,8 +12,9 @@\n Usage:\n   lamp look\n-  lamp \
                      light <room>\n+  lamp light <room> --now\n   lamp --help\n\n Options:\n+  --now                 Not \
                      described yet.\n   --help                Show this text.\n";
    for shown in [&planned.stdout, &changed.stdout] {
        assert!(shown.starts_with(difference), "{shown}");
        assert!(shown.contains("\nroles/lamp/files/lamp\n"), "{shown}");
    }
    assert!(
        changed.stderr.starts_with("firebreak warning: 'lamp' needs libraries of the machine"),
        "{}",
        changed.stderr
    );
    let text = workshop.read("roles/lamp/usage.txt");
    assert!(text.contains("  Nobody sees anything\n") && text.contains("  lamp light <room> --now\n"), "{text}");
    assert!(workshop.read("roles/lamp/tasks/run.yml").contains("--now"), "what is derived follows");
    assert_eq!(workshop.firebreak(&["adopt", "lamp"]).stdout, "the role lamp is as the program says\n");

    // The same line was changed by both.
    workshop.write("roles/lamp/usage.txt", &text.replace("light <room> --now", "light <room> [--now]"));
    workshop.write("lamp.c", &LAMP.replace("light <room>", "light <room> --soon"));
    compile(&[]);
    let met = workshop.firebreak(&["adopt", "lamp"]);
    assert_eq!(met.code, 1, "{met:?}");
    let why = "firebreak error: what changed in the program's help meets what you changed in roles/lamp/usage.txt: mend that \
               file, then adopt the program again. The help changed like this:\n  --- --help\n  +++ --help\n";
    assert!(met.stderr.contains(why) && met.stderr.contains("\n  -  lamp light <room> --now\n"), "{}", met.stderr);
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

/// A script that reads its command line by itself, takes its secret in a word of its own, and describes an option behind a
/// tab, which docopt passes over.
const BELL: &str = r#"#!/usr/bin/env python3
"""Ring a bell.

Usage:
  bell look
  bell ring [options] <bell>

Options:
  --key KEY   The key of the tower.
\t--loud      Louder.
  --times <n times>  How often. [default: 1]
"""
import sys

if "--help" in sys.argv:
    sys.exit(print(__doc__))
with open("/proc/self/cmdline") as line:
    seen = line.read()
values = dict(zip(sys.argv[2:-1:2], sys.argv[3:-1:2]))
assert set(values) <= {"--key", "--times"}, sys.argv
print("key of", len(values.get("--key", "")), "times", values.get("--times"), "seen" if "geheim" in seen else "unseen", sys.argv[-1])
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_a_word_of_its_own_reaches_a_script_unseen_and_what_docopt_passes_over_is_warned_of() {
    let workshop = Workshop::copied();
    workshop.write("bell", &BELL.replace("\\t", "\t"));
    let words =
        ["adopt", "bell", "--get=look", "--run=ring", "--secret=--key", "--problem=It is still.", "--solution=Ring."];
    let made = workshop.firebreak(&words);
    let warning = "firebreak warning: line 9 of what `bell --help` prints: docopt passes over --loud: its line begins with a tab\n";
    assert_eq!((made.code, made.stderr.as_str()), (0, warning), "{}", made.stdout);
    let text = workshop.read("roles/bell/usage.txt");
    assert!(text.contains("  --key KEY   The key of the tower. [secret]\n") && !text.contains("loud"), "{text}");
    assert!(text.contains("  --times <n-times>  How often. [default: 1]\n"), "{text}");

    assert_eq!(workshop.firebreak(&["check"]).code, 0);

    let fixture = DrillFixture::open(&[]).await;
    let values = json!({ "bell_key": unsafe_text("geheim @x"), "bell_bell": "big" });
    let rung = workshop.play(&fixture, "bell", &["--tags", "run", "-vvvvv"], &values).await;
    assert_eq!(rung.code, 0, "{}", rung.text);
    assert!(rung.text.contains("key of 9 times 1 unseen big\n"), "{}", rung.text);
    assert!(!rung.text.contains("geheim"), "{}", rung.text);
    assert_eq!(workshop.left_over(), [""; 0]);
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
