//! What the runner promises to every action, tried on three of the tests' own: a set of files, a batch of
//! lines, and a judge of files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use firebreak::drill::faults::Fault;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::program::{DrillFixture, Output};
use crate::support::pty;
use crate::support::{UNSHARE, need};

const SET: &str = env!("CARGO_BIN_EXE_set_files");
const BATCH: &str = env!("CARGO_BIN_EXE_batch_lines");
const JUDGE: &str = env!("CARGO_BIN_EXE_judge_files");

/// How many lines the batch has.
const LINES: usize = 10_000;

/// A folder with two files to be set, lines to be stored, and a journal.
struct Sandbox {
    folder: TempDir,
}

impl Sandbox {
    fn new() -> Self {
        let sandbox = Self { folder: tempfile::tempdir().expect("a folder") };
        for name in ["files", "store", "journals"] {
            fs::create_dir(sandbox.path(name)).expect("a folder");
        }
        sandbox.set(["old", "old"]);
        sandbox
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn set(&self, contents: [&str; 2]) {
        for (name, content) in ["a", "b"].into_iter().zip(contents) {
            fs::write(self.path("files").join(name), content).expect("a file");
        }
    }

    fn files(&self) -> [String; 2] {
        ["a", "b"].map(|name| fs::read_to_string(self.path("files").join(name)).expect("a file"))
    }

    fn lines(&self, lines: impl IntoIterator<Item = String>) {
        fs::write(self.path("lines"), lines.into_iter().collect::<Vec<_>>().join("\n")).expect("the lines");
    }

    fn stored(&self) -> usize {
        fs::read_dir(self.path("store")).expect("the store").count()
    }

    fn command(&self, program: &str, words: &str) -> Command {
        let mut command = Command::new(program);
        let (name, place) = match program {
            SET | JUDGE => ("--folder=files", ""),
            _ => ("--lines=lines", "--store=store"),
        };
        command.args(words.split_whitespace()).arg(name).args(Some(place).filter(|place| !place.is_empty()));
        command.current_dir(self.folder.path()).env_clear().env("FIREBREAK_JOURNAL", self.path("journals"));
        command.env("USER", "tester").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, program: &str, words: &str) -> Output {
        self.end(self.command(program, words).spawn().expect("the program starts"))
    }

    #[expect(clippy::unused_self, reason = "called as the others are")]
    fn end(&self, child: Child) -> Output {
        let output = child.wait_with_output().expect("the program ends");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Output { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    fn report(&self, program: &str, words: &str) -> (i32, Value) {
        let output = self.run(program, &format!("{words} --format=json"));
        let report = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        (output.code, report)
    }

    /// Waits until a record of this kind is in a journal.
    fn until_recorded(&self, what: &str) {
        for _ in 0..3000 {
            let entries = fs::read_dir(self.path("journals")).expect("the journals").filter_map(Result::ok);
            if entries.into_iter().any(|entry| fs::read_to_string(entry.path()).is_ok_and(|text| text.contains(what))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("no journal came to say {what}");
    }

    fn journals(&self) -> usize {
        let entries = fs::read_dir(self.path("journals")).expect("the journals").filter_map(Result::ok);
        entries.filter(|entry| entry.path().extension().is_some_and(|end| end == "journal")).count()
    }
}

const NEW: [&str; 2] = ["new", "new"];
const OLD: [&str; 2] = ["old", "old"];

#[test]
fn a_set_is_looked_at_planned_set_and_undone_once() {
    let sandbox = Sandbox::new();
    assert_eq!(
        sandbox.run(SET, "get").stdout,
        "The plan: to what is asked\nfile  from  to\na     old\nb     old\n\n2 files\n"
    );
    let (code, planned) = sandbox.report(SET, "run --to=new --check");
    assert_eq!((code, &planned["outcome"], sandbox.files()), (0, &"planned".into(), OLD.map(str::to_owned)));
    let step = serde_json::json!({"subject": "a", "before": "old", "after": "new", "unchanged": false, "note": ""});
    assert_eq!(planned["steps"][0], step);
    assert_eq!(sandbox.journals(), 0, "who only plans leaves no journal");
    let declined = sandbox.run(SET, "run --to=new");
    assert_eq!(declined.code, 4, "{declined:?}");
    let done = sandbox.run(SET, "run --to=new --yes");
    assert_eq!((done.code, sandbox.files()), (0, NEW.map(str::to_owned)));
    assert_eq!(done.stdout, "file  state  content\na     set    new\nb     set    new\n\n2 files set and verified\n");
    let (code, again) = sandbox.report(SET, "run --to=new --yes");
    assert_eq!((code, &again["outcome"]), (0, &"nothing_to_do".into()));
    let (code, undone) = sandbox.report(SET, "undo --yes");
    assert_eq!((code, &undone["outcome"], sandbox.files()), (0, &"done".into(), OLD.map(str::to_owned)));
    let (code, twice) = sandbox.report(SET, "undo --yes");
    assert_eq!((code, &twice["outcome"], sandbox.files()), (0, &"nothing_to_do".into(), OLD.map(str::to_owned)));
}

#[test]
fn a_set_that_does_not_get_well_is_restored() {
    let sandbox = Sandbox::new();
    let (code, report) = sandbox.report(SET, "run --to=sick --yes --timeout=1");
    assert_eq!((code, &report["outcome"], sandbox.files()), (1, &"restored".into(), OLD.map(str::to_owned)));
    let message = report["message"].as_str().expect("a message");
    assert!(message.starts_with("a did not become healthy: it is sick"), "{message}");
}

#[test]
fn a_set_whose_process_is_killed_at_any_point_is_finished_or_taken_back() {
    for recovery in ["resume", "undo"] {
        let codes: Vec<_> = (0..12).map(|point| killed_at(point, recovery)).collect();
        assert!(codes.contains(&1), "at least one died half-way: {codes:?}");
    }
}

/// Kills a run of the set at this point, and ends it; the exit code of a new run that came between.
fn killed_at(point: u64, recovery: &str) -> i32 {
    let sandbox = Sandbox::new();
    let mut child = sandbox.command(SET, "run --to=new --yes --pace=40").spawn().expect("the program starts");
    sandbox.until_recorded("\"locked\"");
    std::thread::sleep(Duration::from_millis(20 * point));
    child.kill().expect("to kill it");
    child.wait().expect("its end");
    let between = sandbox.run(SET, "run --to=other --yes");
    let (code, report) = sandbox.report(SET, &format!("{recovery} --yes"));
    assert_eq!(code, 0, "{recovery} at {point}: {report}");
    let files = sandbox.files();
    let is = |contents: [&str; 2]| files == contents.map(str::to_owned);
    // One that died before it changed anything, or after its end, stands in nobody's way.
    if between.code == 0 {
        assert!(is(["other", "other"]) || is(OLD) || is(NEW), "{files:?}");
    } else {
        assert!(between.stderr.contains("died while applying") || between.stderr.contains("died while verifying"));
        assert!(if recovery == "resume" { is(NEW) } else { is(OLD) }, "{recovery} at {point}: {files:?}");
    }
    between.code
}

#[test]
fn messages_speak_of_the_subjects_and_the_options_of_their_own_action() {
    let sandbox = Sandbox::new();
    let mut child = sandbox.command(SET, "run --to=new --yes --pace=20000").spawn().expect("the program starts");
    sandbox.until_recorded("\"intent\"");
    child.kill().expect("to kill it");
    child.wait().expect("its end");
    let refused = sandbox.run(SET, "run --to=other --yes").stderr;
    assert!(refused.contains("(--folder as before; in Ansible --tags resume or undo)"), "{refused}");
    let elsewhere = sandbox.run(SET, "undo --run=1 --env=dev --yes").stderr;
    assert!(elsewhere.contains(" was about files, not about 'dev' on files: give no --env"), "{elsewhere}");
    sandbox.set(["theirs", "theirs"]);
    let planned = sandbox.run(SET, "resume --check").stdout;
    assert!(planned.contains("A file was changed by others since: nothing is touched"), "{planned}");
    let ended = sandbox.run(SET, "resume --yes");
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stderr.contains("a file was changed by others since that run died"), "{ended:?}");
    for said in [refused, elsewhere, planned, ended.stdout, ended.stderr] {
        assert!(["service", "platform", "''", "--env="].iter().all(|word| !said.contains(word)), "{said}");
    }
}

#[test]
fn a_judge_says_what_passed_and_leaves_nothing_behind() {
    let sandbox = Sandbox::new();
    let passed = sandbox.run(JUDGE, "run --wanted=old");
    let table = "file  state   why\na     passed\nb     passed\n\n";
    let message = "files: 2 passed, 0 did not pass, 0 could not be judged\n";
    assert_eq!((passed.code, passed.stdout), (0, format!("{table}{message}")));
    sandbox.set(["old", "new"]);
    let (code, report) = sandbox.report(JUDGE, "run --wanted=old");
    assert_eq!((code, &report["outcome"], &report["changed"]), (1, &"not_passed".into(), &false.into()));
    let result = serde_json::json!({ "subject": "b", "state": "not_passed", "detail": "it holds 'new'" });
    assert_eq!((&report["results"][1], sandbox.journals()), (&result, 0));
    for name in ["a", "b"] {
        fs::remove_file(sandbox.path("files").join(name)).expect("a file");
    }
    let (code, report) = sandbox.report(JUDGE, "run --wanted=old");
    assert_eq!((code, &report["outcome"]), (5, &"not_judged".into()));
    let looked = sandbox.run(JUDGE, "get");
    assert_eq!(looked.code, 2, "{looked:?}");
}

#[test]
fn a_batch_ends_each_item_by_itself_and_names_those_that_need_somebody() {
    let sandbox = Sandbox::new();
    let of = |number: usize| match number % 2500 {
        7 => format!("pending {number}"),
        8 => format!("malformed {number}"),
        9 => format!("broken {number}"),
        _ => format!("line-{number}"),
    };
    sandbox.lines((0..LINES).map(of));
    let looked = sandbox.run(BATCH, "get");
    assert!(looked.stdout.ends_with("\n10000 lines to do\n"), "{looked:?}");
    let (code, planned) = sandbox.report(BATCH, "run --check");
    assert_eq!((code, &planned["outcome"], sandbox.stored(), sandbox.journals()), (0, &"planned".into(), 0, 0));
    let (code, report) = sandbox.report(BATCH, "run --yes");
    assert_eq!((code, &report["outcome"]), (3, &"needs_operator".into()), "{}", report["message"]);
    assert_eq!(report["message"], "lines: 9988 done, 4 left, 4 failed, 4 set aside");
    assert_eq!((sandbox.stored(), report["results"].as_array().map(Vec::len)), (9988, Some(12)));
    let path = report["journal"].as_str().expect("a journal");
    let text = fs::read_to_string(path).expect("the journal");
    assert!(text.lines().count() < 40, "an item that is done has no line of its own: {}", text.lines().count());
    assert_eq!(text.matches("\"record\":\"item\"").count(), 8, "each that needs somebody has one");
    let (code, again) = sandbox.report(BATCH, "run --yes");
    assert_eq!((code, again["message"].as_str()), (3, Some("lines: 0 done, 4 left, 4 failed, 4 set aside")));
}

#[test]
fn a_batch_whose_process_is_killed_is_simply_run_again() {
    let sandbox = Sandbox::new();
    sandbox.lines((0..LINES).map(|number| format!("line-{number}")));
    let mut runs = 0;
    while sandbox.stored() < LINES && runs < 4 {
        let before = sandbox.stored();
        let mut child = sandbox.command(BATCH, "run --yes --pace=3").spawn().expect("the program starts");
        for _ in 0..3000 {
            if sandbox.stored() > before + 200 || child.try_wait().expect("its state").is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().expect("to kill it");
        child.wait().expect("its end");
        runs += 1;
    }
    let (code, report) = sandbox.report(BATCH, "run --yes");
    assert_eq!((code, sandbox.stored()), (0, LINES), "{report}");
    assert_eq!(runs, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_takes_a_set_back_and_ends_a_batch_where_it_is() {
    let sandbox = Sandbox::new();
    let child = sandbox.command(SET, "run --to=new --yes --pace=300").spawn().expect("the program starts");
    while sandbox.files()[0] != "new" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    kill(&child, "-INT");
    let end = sandbox.end(child);
    assert_eq!((end.code, sandbox.files()), (130, OLD.map(str::to_owned)), "{end:?}");
    assert!(end.stderr.contains("interrupted; all that had been changed was restored"), "{end:?}");

    sandbox.lines((0..LINES).map(|number| format!("line-{number}")));
    let child = sandbox.command(BATCH, "run --yes --pace=20").spawn().expect("the program starts");
    while sandbox.stored() < 100 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    kill(&child, "-TERM");
    let end = sandbox.end(child);
    let stored = sandbox.stored();
    assert_eq!(end.code, 130, "{end:?}");
    assert!((100..LINES).contains(&stored));
    let said = format!("interrupted; lines: {stored} done. What is done stays done: run it again to go on");
    assert!(end.stderr.contains(&said), "{end:?}");
}

fn kill(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill").success());
}

#[test]
fn of_twenty_operators_one_acts_and_the_others_are_told_why_not() {
    for (program, words) in [(SET, "run --to=new --yes --pace=20000"), (BATCH, "run --yes --pace=20000")] {
        let sandbox = Sandbox::new();
        sandbox.lines((0..64).map(|number| format!("line-{number}")));
        let first = sandbox.command(program, words).spawn().expect("the program starts");
        sandbox.until_recorded("\"applying\"");
        let others: Vec<_> = (0..19).map(|_| sandbox.command(program, words).spawn().expect("it starts")).collect();
        for other in others {
            let end = sandbox.end(other);
            assert_eq!(end.code, 1, "{end:?}");
            assert!(end.stderr.contains("tester on "), "who holds it: {end:?}");
            assert!(end.stderr.contains("nothing was changed"), "{end:?}");
        }
        kill(&first, "-INT");
        let end = sandbox.end(first);
        assert_eq!(end.code, 130, "{end:?}");
    }
}

#[test]
fn a_protected_environment_must_be_typed_out() {
    for (program, words) in [(SET, "run --to=new --env=prod"), (BATCH, "run --env=prod")] {
        let sandbox = Sandbox::new();
        sandbox.lines(["line-1".to_owned()]);
        let codes = ["y", "prod"].map(|word| {
            let mut command = sandbox.command(program, words);
            command.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit()).env("TERM", "xterm");
            let mut session = pty::start(command);
            session.exp_string("Type the environment's name to change").expect("the question");
            session.send_line(word).expect("to type");
            session.exp_eof().expect("the end");
            match session.process().wait().expect("an exit code") {
                nix::sys::wait::WaitStatus::Exited(_, code) => code,
                other => panic!("the program ended by {other:?}"),
            }
        });
        assert_eq!(codes, [4, 0], "{program}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_is_told_and_its_failure_stops_nothing() {
    let fixture = DrillFixture::open(&[]).await;
    let variable = |name: &str| fixture.drill.environment().into_iter().find(|(known, _)| known == name).expect(name).1;
    let slack = variable("FIREBREAK_SLACK");
    for (program, words, last) in [
        (SET, "run --to=new --yes --env=dev", "dev: 2 files set and verified"),
        (BATCH, "run --yes --env=dev", "dev: lines: 1 done"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.lines(["line-1".to_owned()]);
        let child = sandbox.command(program, words).env("FIREBREAK_SLACK", &slack).spawn().expect("it starts");
        let end = tokio::task::spawn_blocking(move || (sandbox.end(child), sandbox)).await.expect("the end");
        assert_eq!(end.0.code, 0, "{:?}", end.0);
        assert_eq!(fixture.told().last().map(String::as_str), Some(last));
    }
    fixture.drill.faults.order("slack-fails".parse::<Fault>().expect("a fault"));
    for (program, words) in [(SET, "run --to=new --yes"), (BATCH, "run --yes")] {
        let sandbox = Sandbox::new();
        sandbox.lines(["line-1".to_owned()]);
        let child = sandbox.command(program, words).env("FIREBREAK_SLACK", &slack).spawn().expect("it starts");
        let (end, sandbox) = tokio::task::spawn_blocking(move || (sandbox.end(child), sandbox)).await.expect("the end");
        let (files, stored) = if program == SET { (NEW, 0) } else { (OLD, 1) };
        assert_eq!((end.code, sandbox.files(), sandbox.stored()), (0, files.map(str::to_owned), stored), "{end:?}");
        assert!(end.stderr.contains("Slack was not told"), "{end:?}");
    }
}

#[test]
fn on_a_full_disk_nothing_is_begun() {
    need("unshare", "util-linux");
    for (program, words) in
        [(SET, "run --to=new --yes --folder=files"), (BATCH, "run --yes --lines=lines --store=store")]
    {
        let sandbox = Sandbox::new();
        sandbox.lines(["line-1".to_owned()]);
        let script = "mount -t tmpfs -o size=64k none journals && dd if=/dev/zero of=journals/ballast bs=1k 2>/dev/null; exec \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", UNSHARE, "sh", "sh", "-c", script, "sh", program]).args(words.split_whitespace());
        command.current_dir(sandbox.folder.path()).env("FIREBREAK_JOURNAL", sandbox.path("journals"));
        let end = sandbox
            .end(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("sh"));
        assert_eq!((end.code, sandbox.files(), sandbox.stored()), (1, OLD.map(str::to_owned), 0), "{end:?}");
        assert!(end.stderr.contains("No space left on device"), "{end:?}");
    }
}

/// What its usage text says is what each program takes.
#[test]
fn their_manuals_are_read() {
    for program in [SET, BATCH, JUDGE] {
        let help = Command::new(program).arg("--help").output().expect("the help");
        let name = Path::new(program).file_name().expect("a name").to_string_lossy().into_owned();
        assert!(String::from_utf8_lossy(&help.stdout).contains(&format!("{name} run ")));
    }
}
