//! `firedrill` itself, as a process.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Output, Stdio};

use firebreak::drill::faults::FORMS;

use crate::support::need;

fn firedrill() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
    command.env_remove("FIREDRILL_CONTROL");
    command
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        firedrill().args(arguments).stdin(Stdio::null()).output().expect("firedrill");
    (status.code(), String::from_utf8(stdout).expect("text"), String::from_utf8(stderr).expect("text"))
}

#[test]
fn the_help_tells_every_fault_as_it_is() {
    let (code, out, err) = run(&["--help"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let faults = out.split("Faults:\n").nth(1).and_then(|text| text.split("\n\n").next()).expect("a section");
    let told: Vec<(&str, &str)> = faults
        .lines()
        .map(|line| line.trim().split_once("  ").map(|(form, what)| (form, what.trim())).expect("two columns"))
        .collect();
    assert_eq!(told, FORMS);
    assert_eq!(
        run(&["--version"]),
        (Some(0), concat!("firedrill ", env!("CARGO_PKG_VERSION"), "\n").to_owned(), String::new())
    );
}

#[test]
fn a_command_runs_in_the_drill_and_its_exit_code_is_ours() {
    let script = "echo $FIREBREAK_REGISTRY $FIREBREAK_PLATFORM $FIREBREAK_SLACK; echo $FIREDRILL_REPO >&2; exit 7";
    let (code, out, err) = run(&["--", "sh", "-c", script]);
    assert_eq!((code, err.as_str()), (Some(7), "billing,orders,users,web\n"));
    let words: Vec<&str> = out.split_whitespace().collect();
    assert!(
        matches!(words[..], [registry, platform, slack]
        if registry.starts_with("http://127.0.0.1:") && platform.starts_with("marathon+http://127.0.0.1:")
            && slack.starts_with("http://127.0.0.1:") && slack.ends_with("/services/drill")),
        "{out}"
    );
    assert_eq!(run(&["--", "true", "--port=no", "-h"]).0, Some(0));
    assert_eq!(run(&["--", "sh", "-c", "kill -9 $$"]).0, Some(137));
    let missing = "failed to start 'no-such-program': No such file or directory (os error 2)\n";
    assert_eq!(run(&["--", "no-such-program"]), (Some(127), String::new(), missing.to_owned()));
    let folder = "failed to start '/': Permission denied (os error 13)\n";
    assert_eq!(run(&["--", "/"]), (Some(126), String::new(), folder.to_owned()));
}

#[test]
fn what_could_lead_elsewhere_is_not_handed_on() {
    let mut command = firedrill();
    command
        .env("FIREBREAK_PWD", "real")
        .env("FIREBREAK_REGISTRY_PWD", "real")
        .env("FIREBREAK_REGISTRY", "https://real");
    let output = command
        .args(["--", "sh", "-c", "echo \"$FIREBREAK_PWD$FIREBREAK_REGISTRY_PWD${FIREBREAK_REGISTRY%%:*}\""])
        .output();
    assert_eq!(String::from_utf8_lossy(&output.expect("firedrill").stdout), "http\n");
}

#[test]
fn faults_are_in_force_for_the_command_and_proof_tells_how_it_stands() {
    let own = env!("CARGO_BIN_EXE_firedrill");
    let curl = need("curl", "curl").display().to_string();
    let script = format!(
        "{curl} -sS -o /dev/null -w '%{{http_code}}\\n' $FIREBREAK_REGISTRY/v2/; {own} proof --before --env=prod && {own} proof"
    );
    let (code, out, err) = run(&["--fault=registry-429", "--fault=hang", "--", "sh", "-c", &script]);
    assert_eq!((code, err.as_str()), (Some(1), ""));
    let table = |tag: &str, wanted: [&str; 5], wrong: bool| {
        let found = [
            ("billing", "billing:1.3.0"),
            ("orders", "orders:1.2.0"),
            ("users", "users:1.4.0"),
            ("web", "web:2.3.0"),
            ("billing-worker", "billing:1.3.0"),
        ];
        let rows = found.into_iter().zip(wanted).map(|((workload, found), wanted)| {
            let verdict = if wrong { format!("✗ it is set to {found}-{tag}") } else { "✓".to_owned() };
            [workload.to_owned(), format!("{found}-{tag}"), format!("{wanted}-{tag}"), verdict].join("|") + "\n"
        });
        rows.collect::<String>()
    };
    let columns: String = out
        .lines()
        .skip(1)
        .filter(|line| !line.starts_with("what  "))
        .map(|line| {
            line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join("|") + "\n"
        })
        .collect();
    let before = table("master", ["billing:1.3.0", "orders:1.2.0", "users:1.4.0", "web:2.3.0", "billing:1.3.0"], false);
    let after = table("develop", ["billing:1.2.0", "orders:1.1.0", "users:1.3.1", "web:2.2.0", "billing:1.2.0"], true);
    assert_eq!((out.lines().next(), columns), (Some("429"), before + &after));
}

#[test]
fn what_is_typed_wrong_is_named() {
    let wrong = |arguments: &[&str], message: &str| {
        let (code, out, err) = run(arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""));
        assert_eq!(err.lines().next(), Some(format!("firedrill error: {message}").as_str()));
    };
    let forms: Vec<&str> = FORMS.iter().map(|(form, _)| *form).collect();
    let faults = format!("--fault: 'fire' is no fault that can be ordered; these are: {}", forms.join(", "));
    wrong(&["--fault=fire"], &faults);
    wrong(&["serve", "--fault=fire"], &faults);
    wrong(&["servee"], "there is no command 'servee' (there are `serve`, `proof`): did you mean `serve`?");
    wrong(&["sh", "-c"], "there is no option -c");
    wrong(&["serve", "now"], "`serve` does not take 'now'");
    wrong(&["serve", "--prot=1"], "there is no option --prot: did you mean --port?");
    wrong(
        &["proof", "--control=http://127.0.0.1:1", "--env=test"],
        "--env cannot be 'test': it is one of dev, stage, prod",
    );
    wrong(
        &["serve", "--dcos", "--platform=kubernetes"],
        "--dcos: a DC/OS has a Marathon, and no Kubernetes of the drill",
    );
    wrong(&["--dcos"], "a command is missing, one of `serve`, `proof`");
    wrong(&["proof", "--port=1"], "`proof` does not take --port: it belongs to `serve`");
    let missing = "`proof` needs --control=<url> (or FIREDRILL_CONTROL in the environment): The drill to ask, as `serve` prints it.";
    wrong(&["proof"], missing);
    let (code, out, err) = run(&["proof", "--control=http://127.0.0.1:1"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    let why = "firedrill error: failed to ask the drill at http://127.0.0.1:1; is `firedrill serve` still running?: ";
    assert!(err.starts_with(why), "{err}");
}

#[test]
fn serve_prints_the_environment_and_ends_when_told() {
    for signal in ["-INT", "-TERM"] {
        let mut child =
            firedrill().arg("serve").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("firedrill");
        let mut errors = BufReader::new(child.stderr.take().expect("stderr"));
        let mut line = String::new();
        errors.read_line(&mut line).expect("a line");
        assert_eq!(line, "The drill is up; Ctrl-C ends it. In another terminal paste the lines above, then:\n");
        let mut output = child.stdout.take().expect("stdout");
        let kill = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill");
        assert!(kill.success());
        assert_eq!(child.wait().expect("its end").code(), Some(0));
        let mut out = String::new();
        output.read_to_string(&mut out).expect("text");
        let names: Vec<&str> = out
            .lines()
            .map(|line| line.strip_prefix("export ").and_then(|line| line.split('=').next()).expect(line))
            .collect();
        let expected = [
            "FIREBREAK_REGISTRY",
            "FIREBREAK_PLATFORM",
            "FIREBREAK_SLACK",
            "FIREBREAK_JOURNAL",
            "FIREDRILL_CONTROL",
            "FIREDRILL_DATE",
            "FIREDRILL_REPO",
        ];
        assert_eq!(names, expected);
    }
}

/// What `serve` prints, pasted into a shell with what it says to type there.
#[test]
fn a_dcos_is_served_and_what_is_said_of_it_leads_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut child =
        firedrill().args(["serve", "--dcos"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("firedrill");
    let mut errors = BufReader::new(child.stderr.take().expect("stderr")).lines();
    let mut said = || errors.next().expect("a line").expect("text");
    let (begin, get, run) = (said(), said(), said());
    assert!(begin.starts_with("The drill is up"), "{begin}");
    let get_line = "  rollback_service get --repo=$FIREDRILL_REPO --env=develop --running=dev --user=$FIREDRILL_USER";
    assert_eq!((get.as_str(), run.as_str()), (get_line, "  rollback_service run --env=dev --user=$FIREDRILL_USER"));
    let mut exports = String::new();
    let mut output = BufReader::new(child.stdout.take().expect("stdout"));
    for _ in 0..9 {
        output.read_line(&mut exports).expect("a line");
    }
    let programs = std::path::Path::new(env!("CARGO_BIN_EXE_firedrill")).parent().expect("a folder");
    let own = "--date=$FIREDRILL_DATE --yes";
    let script = format!("set -e\n{exports}{get}\n{run} {own}\nfiredrill proof\n");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).current_dir(folder.path()).env_clear();
    shell.env("PATH", format!("{}:/usr/bin:/bin", programs.display())).env("HOME", folder.path());
    let ended = shell.output().expect("a shell");
    assert!(ended.status.success(), "{script}{ended:?}");
    assert!(exports.contains("export FIREDRILL_USER=ops\n"), "{exports}");
    let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill");
    assert!(kill.success() && child.wait().expect("its end").success());
}

#[test]
fn a_drill_that_is_ended_ends_its_command_and_a_ctrl_c_is_left_to_it() {
    let mut child = firedrill();
    // A shell runs its trap between two commands: one that waits for its input may have begun to before the signal came,
    // and to wait after it was looked for.
    let script = "trap 'echo heard; exit 5' INT; echo ready; while :; do sleep 0.1; done";
    child.args(["--", "sh", "-c", script]).stdin(Stdio::null()).stdout(Stdio::piped());
    // Ctrl-C goes to the whole group of a terminal's foreground, so the drill and its command get it.
    std::os::unix::process::CommandExt::process_group(&mut child, 0);
    for (signal, to_group, expected, heard) in [("-INT", true, 5, "heard\n"), ("-TERM", false, 137, "")] {
        let mut child = child.spawn().expect("firedrill");
        let mut output = BufReader::new(child.stdout.take().expect("stdout"));
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n");
        let target = if to_group { format!("-{}", child.id()) } else { child.id().to_string() };
        assert!(Command::new("kill").args([signal, "--", &target]).status().expect("kill").success());
        assert_eq!(child.wait().expect("its end").code(), Some(expected));
        let mut rest = String::new();
        output.read_to_string(&mut rest).expect("text");
        assert_eq!(rest, heard);
    }
}

/// What a walk says on stderr, without what the programs that it runs print.
fn walk(arguments: &[&str]) -> (Option<i32>, String) {
    let own = [
        "This is",
        "A shop",
        "today, and",
        "Step",
        "$ ",
        "Everything",
        "from the day",
        "There is no",
        "`rollback",
        "The look",
    ];
    let (code, _, err) = run(arguments);
    let said = err.lines().filter(|line| own.iter().any(|start| line.starts_with(start)));
    let said: Vec<&str> = said.map(|line| line.split(" --dump=").next().unwrap_or_default()).collect();
    (code, said.join("\n"))
}

#[test]
fn alone_it_walks_through_the_rollback() {
    let yesterday =
        |said: &str| said.split("Everything was well on ").nth(1).and_then(|rest| rest.get(..10)).map(str::to_owned);
    let begin = "This is a drill. A registry, a Marathon and a Slack run on this machine only; nothing here is real.
A shop runs four services in its environment `dev`, one of them with a worker besides. They were released
today, and since then customers cannot pay. This is what runs:
Step 1 of 2, look: which days can be gone back to? Nothing is changed by this.
$ rollback_service get --repo=billing,orders,users,web --env=develop --running=dev";
    let middle = |day: &str| {
        format!(
            "
Everything was well on {day}, yesterday. `orders` was not built on that day: its cell comes
from the day before, for the old and the new must not be mixed.
Step 2 of 2, act: go back to that day. The plan is shown before anything is written.
There is no terminal to ask at, so the day and the yes are given on the command line.
$ rollback_service run --env=dev --timeout=15"
        )
    };

    let (code, said) = walk(&[]);
    let day = yesterday(&said).expect("the day");
    let end = format!(
        "\n`rollback_service run` ended with exit code 0. All four services stand as they did on {day}: the fire is out."
    );
    assert_eq!((code, said), (Some(0), format!("{begin}{}{end}", middle(&day))));

    let (code, said) = walk(&["--fault=refuse=web"]);
    let end =
        "\n`rollback_service run` ended with exit code 1. The services run as before: still today's broken release.";
    let day = yesterday(&said).expect("the day");
    assert_eq!((code, said), (Some(1), format!("{begin}{}{end}", middle(&day))));

    let (code, said) = walk(&["--fault=registry-lies"]);
    let end = "\nThe look failed, so nothing was changed. The services run as before: still today's broken release.";
    assert_eq!((code, said), (Some(1), format!("{begin}{end}")));
}
