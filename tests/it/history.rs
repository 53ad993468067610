//! `firebreak history` as it is called, on journals that the journal's own type wrote.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use firebreak::journal::record::{Began, Ended};
use firebreak::journal::{Answer, Folder, Intention, Journal, Kind, Ledger as _, State, Who};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::need;
use crate::support::program::Output;

const FIREBREAK: &str = env!("CARGO_BIN_EXE_firebreak");

/// The journals of a host on which this and that was run.
struct Host {
    folder: TempDir,
    /// The number of a process that is gone.
    gone: u32,
    /// When all that has ended began.
    then: DateTime<Utc>,
}

impl Host {
    fn new() -> Self {
        let mut process = Command::new("true").spawn().expect("a process");
        process.wait().expect("it ends");
        let then = Utc::now() - TimeDelta::minutes(26 * 60) - TimeDelta::seconds(20);
        Self { folder: tempfile::tempdir().expect("a folder"), gone: process.id(), then }
    }

    fn journals(&self) -> PathBuf {
        self.folder.path().join("journals")
    }

    fn begin(&self, action: &str, environment: &str, began: impl FnOnce(&mut Began)) -> Journal {
        let mut value = Began {
            at: self.then,
            action: action.to_owned(),
            command: "run".to_owned(),
            environment: environment.to_owned(),
            version: "0.1.0".to_owned(),
            who: Who { user: "ann".to_owned(), ..Who::default() },
            host: name(),
            process: self.gone,
            ..Began::default()
        };
        began(&mut value);
        Folder::new(self.journals()).begin(value).expect("a journal")
    }

    fn ended(&self, outcome: &str, message: &str) -> Ended {
        let at = self.then + TimeDelta::seconds(125);
        Ended { at, outcome: outcome.to_owned(), message: message.to_owned(), ..Ended::default() }
    }

    fn firebreak(&self, words: &[&str]) -> Output {
        self.firebreak_with(&[("FIREBREAK_JOURNAL", &self.journals())], words)
    }

    /// The program, and what differs from run to run made the same, as wide as it was.
    fn firebreak_with(&self, variables: &[(&str, &Path)], words: &[&str]) -> Output {
        let mut command = Command::new(FIREBREAK);
        command.args(words).current_dir(self.folder.path()).env_clear().envs(variables.iter().copied());
        let output = command.env("USER", "tester").output().expect("firebreak starts");
        let text = |bytes: Vec<u8>| self.tame(&String::from_utf8(bytes).expect("UTF-8"));
        Output { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    fn tame(&self, text: &str) -> String {
        let mut text = text.replace(&self.folder.path().display().to_string(), "FOLDER").replace(&name(), "HOST");
        for process in [self.gone, std::process::id()] {
            text = text.replace(&format!("process {process}"), "process N");
        }
        for id in self.ids() {
            text = text.replace(&id, &format!("{}-xxxxxx", id.split('-').next().unwrap_or_default()));
        }
        without_times(&text)
    }

    fn ids(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.journals()).into_iter().flatten().flatten();
        entries.filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".journal")?.to_owned())).collect()
    }
}

fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// `YYYY-MM-DDTHH:MM:SSZ` in place of each such time, the same for days and times of what happened; no new days.
fn without_times(text: &str) -> String {
    const PLACE: &str = "YYYY-MM-DDTHH:MM:SSZ";
    let is_time = |text: &str| text.len() == PLACE.len() && text.parse::<DateTime<Utc>>().is_ok();
    let mut same = String::new();
    for line in text.split_inclusive('\n') {
        if line.trim_end().parse::<NaiveDate>().is_ok() {
            continue;
        }
        let mut rest = line;
        let day = rest.strip_prefix("What happened on ").filter(|rest| rest[..10].parse::<NaiveDate>().is_ok());
        let time = rest.get(..8).filter(|time| time.parse::<NaiveTime>().is_ok());
        if let Some(day) = day {
            same.push_str("What happened on YYYY-MM-DD");
            rest = &day[10..];
        } else if time.is_some() {
            same.push_str("HH:MM:SS");
            rest = &rest[8..];
        }
        while let Some(letter) = rest.chars().next() {
            let time = rest.get(..PLACE.len()).filter(|text| is_time(text));
            same.push_str(&time.map_or_else(|| letter.to_string(), |_| PLACE.to_owned()));
            rest = &rest[time.map_or(letter.len_utf8(), str::len)..];
        }
    }
    same
}

/// A plan as a rollback of services has it.
fn plan() -> Value {
    let step = |service: &str| {
        json!({"change": {"application": {"service": service, "images": [format!("r/{service}:2")]},
               "to": format!("r/{service}:1")}})
    };
    json!({"purpose": "back to 2026-11-20", "registry": "https://r", "steps": [step("billing"), step("web")]})
}

const PLACE: &str = "podman+unix:///run/podman/podman.sock";

/// Runs of all kinds: one that is done, one that failed early, one that needs an operator, one that died half-way, one that
/// died before, one that is under way, one of another host.
fn busy_host() -> Host {
    let host = Host::new();
    let enter = |journal: &Journal, states: &[State]| {
        for state in states {
            journal.enter(*state).expect("a state");
        }
    };

    let journal = host.begin("rollback_service", "dev", |began| {
        began.who.approver = Some("bob".to_owned());
        began.who.build = Some("build 7".to_owned());
    });
    journal.plan(Intention::of_set(PLACE, plan())).expect("a plan");
    enter(&journal, &[State::Locked, State::Applying, State::Verifying, State::Done]);
    journal.end(host.ended("done", "2 services rolled back and verified"));

    host.begin("rollback_service", "dev", |_| {}).end(host.ended("failed", "the registry does not answer"));

    let journal = host.begin("rebuild_index", "stage", |began| began.who.sudo_user = Some("carl".to_owned()));
    let given = json!({"given": [["env", "stage"]], "steps": ["stop it", "start it"]});
    journal.plan(Intention { kind: Kind::Batch, ..Intention::of_set("rebuild_index", given) }).expect("a plan");
    enter(&journal, &[State::Locked, State::Applying]);
    let call = journal.intent("stop it", Value::Null).expect("an intent");
    journal.answer(call, Answer::Lost("no power".to_owned()));
    enter(&journal, &[State::NeedsOperator]);
    journal.end(host.ended("needs_operator", "failed to stop it, which may be half done: no power"));

    let journal = host.begin("rollback_service", "prod", |_| {});
    let option = "--platform".to_owned();
    journal.plan(Intention { option, ..Intention::of_set(PLACE, plan()) }).expect("a plan");
    enter(&journal, &[State::Locked, State::Applying]);
    let create = |name: &str| json!({"name": format!("{name}-firebreak-new"), "image": "r/web:1"});
    let call = journal.intent("create", create("prod-web")).expect("an intent");
    journal.answer(call, Answer::Taken(json!({"id": "7"})));
    let call = journal.intent("stop", json!({"id": "1", "name": "prod-web"})).expect("an intent");
    journal.answer(call, Answer::Refused("no such container (404 Not Found)".to_owned()));
    journal.intent("start", json!({"id": "7", "name": "prod-web"})).expect("an intent");

    let journal = host.begin("rollback_service", "dev", |_| {});
    journal.plan(Intention::of_set(PLACE, plan())).expect("a plan");
    // The line that was being written when the process died.
    let torn = std::fs::read(journal.path()).expect("the journal");
    std::fs::write(journal.path(), &torn[..torn.len() - 9]).expect("the journal");

    let journal = host.begin("rollback_service", "dev", |began| {
        began.process = std::process::id();
        // It takes no time yet, however slow this test is.
        began.at = Utc::now() + TimeDelta::hours(1);
    });
    journal.plan(Intention::of_set(PLACE, plan())).expect("a plan");
    enter(&journal, &[State::Locked, State::Applying]);

    host.begin("rollback_service", "", |began| "ops2".clone_into(&mut began.host));
    host
}

const LIST: &str = "\
run       when                  action                environment  who                            state              outcome         took
7-xxxxxx  YYYY-MM-DDTHH:MM:SSZ  rollback_service run               ann                                               unknown         0 s
6-xxxxxx  YYYY-MM-DDTHH:MM:SSZ  rollback_service run  dev          ann                            applying           under way       0 s
5-xxxxxx  YYYY-MM-DDTHH:MM:SSZ  rollback_service run  dev          ann                                               died            26 h 0 min
4-xxxxxx  YYYY-MM-DDTHH:MM:SSZ  rollback_service run  prod         ann                            applying           died            26 h 0 min
3-xxxxxx  YYYY-MM-DDTHH:MM:SSZ  rebuild_index run     stage        carl                           needs an operator  needs operator  2 min 5 s
2-xxxxxx  YYYY-MM-DDTHH:MM:SSZ  rollback_service run  dev          ann                                               failed          2 min 5 s
1-xxxxxx  YYYY-MM-DDTHH:MM:SSZ  rollback_service run  dev          ann, approved by bob, build 7  done               done            2 min 5 s
run 7-xxxxxx has no end here: whether it is under way can be seen on ops2, as process N
run 6-xxxxxx is under way, as process N
run 5-xxxxxx by ann on HOST died: it had changed nothing
run 4-xxxxxx by ann on HOST died while applying on podman+unix:///run/podman/podman.sock: `rollback_service resume --run=4-xxxxxx --env=prod` finishes it, or takes it back where that cannot be done; `rollback_service undo --run=4-xxxxxx --env=prod` takes it back (--platform as before; in Ansible --tags resume or undo)

`firebreak history <id>` tells all of one
";

#[test]
fn all_runs_are_shown_the_newest_first() {
    let host = busy_host();
    let expected = Output { code: 0, stdout: LIST.to_owned(), stderr: String::new() };
    assert_eq!(host.firebreak(&["history"]), expected);
    let folder = format!("--journal={}", host.journals().display());
    assert_eq!(host.firebreak_with(&[], &["history", &folder]), expected);
    std::fs::create_dir(host.folder.path().join("state")).expect("a folder");
    std::fs::rename(host.journals(), host.folder.path().join("state/firebreak")).expect("a folder");
    std::os::unix::fs::symlink(host.folder.path().join("state/firebreak"), host.journals()).expect("a link");
    let state = host.folder.path().join("state");
    assert_eq!(host.firebreak_with(&[("XDG_STATE_HOME", &state)], &["history"]), expected);
}

/// The runs that are shown, by their numbers.
fn numbers(output: &Output) -> Vec<String> {
    let report: Value = serde_json::from_str(&output.stdout).expect("one JSON document");
    let runs = report["runs"].as_array().expect("the runs");
    runs.iter().map(|run| run["run"].as_str().expect("an id").split('-').next().expect("a number").to_owned()).collect()
}

#[test]
fn those_that_are_asked_for_are_shown() {
    let host = busy_host();
    let soon = (Utc::now() + TimeDelta::minutes(1)).to_rfc3339();
    let day = (host.then + TimeDelta::days(1)).format("%Y-%m-%d").to_string();
    for (filters, expected) in [
        (vec!["--action=rebuild_index"], vec!["3"]),
        (vec!["--env=dev"], vec!["6", "5", "2", "1"]),
        (vec!["--outcome=died"], vec!["5", "4"]),
        (vec!["--outcome=under_way"], vec!["6"]),
        (vec!["--outcome=needs_operator"], vec!["3"]),
        (vec!["--env=dev", "--outcome=died"], vec!["5"]),
        (vec!["--since", &soon], vec!["6"]),
        (vec!["--since", &day], vec!["6"]),
        (vec!["--env=nowhere"], vec![]),
    ] {
        let output = host.firebreak(&[&["history", "--format=json"], &filters[..]].concat());
        assert_eq!(
            (output.code, numbers(&output)),
            (0, expected.iter().map(|id| (*id).to_owned()).collect()),
            "{filters:?}"
        );
    }
    let output = host.firebreak(&["history", "--env=nowhere"]);
    let stdout = "none of the runs in 'FOLDER/journals' is like that\n".to_owned();
    assert_eq!(output, Output { code: 0, stdout, stderr: String::new() });
}

#[test]
fn programs_get_the_same() {
    let host = busy_host();
    let output = host.firebreak(&["history", "--env=prod", "--format=json"]);
    let mut report: Value = serde_json::from_str(&output.stdout).expect("one JSON document");
    let run = report["runs"][0].as_object_mut().expect("a run");
    assert!(run.remove("seconds").expect("seconds").as_i64() >= Some(26 * 3600));
    assert!(run["began"].take().as_str().expect("a time").parse::<DateTime<Utc>>().is_ok());
    let message = "run 4-xxxxxx by ann on HOST died while applying on podman+unix:///run/podman/podman.sock: \
        `rollback_service resume --run=4-xxxxxx --env=prod` finishes it, or takes it back where that cannot be done; \
        `rollback_service undo --run=4-xxxxxx --env=prod` takes it back (--platform as before; in Ansible --tags resume or undo)";
    let expected = json!([{
        "run": "4-xxxxxx", "journal": "FOLDER/journals/4-xxxxxx.journal", "began": null,
        "action": "rollback_service", "command": "run", "environment": "prod", "place": PLACE,
        "who": {"user": "ann"}, "host": "HOST", "state": "applying", "outcome": "died", "message": message,
    }]);
    assert_eq!(report["runs"], expected);
    let output = host.firebreak(&["history", "4", "--format=json"]);
    let report: Value = serde_json::from_str(&output.stdout).expect("one JSON document");
    assert_eq!((&report["message"], &report["run"]["state"]), (&json!(message), &json!("applying")));
    let records: Vec<_> = report["records"].as_array().expect("records").iter().map(|one| &one["record"]).collect();
    let expected = ["began", "planned", "state", "state", "state", "intent", "answer", "intent", "answer", "intent"];
    assert_eq!(records, expected);
}

/// What is told of the fourth run, up to its first call.
const BEGINNING: &str = "\
Run 4-xxxxxx
action       rollback_service run, version 0.1.0
who          ann
host         HOST, process N
began        YYYY-MM-DDTHH:MM:SSZ
took         26 h 0 min
environment  prod
place        podman+unix:///run/podman/podman.sock
plan         975d72552018
purpose      back to 2026-11-20
journal      FOLDER/journals/4-xxxxxx.journal

The plan:
billing: from 2 to 1
web: from 2 to 1

What happened on YYYY-MM-DD, UTC:
time        what                             answer
HH:MM:SS    planned
HH:MM:SS    locked
HH:MM:SS    applying
HH:MM:SS      create prod-web-firebreak-new  taken
";

#[test]
fn all_of_one_is_told() {
    let host = busy_host();
    let rest = "\
HH:MM:SS      stop prod-web                  refused (1)
HH:MM:SS      start prod-web                 not known
(1) no such container (404 Not Found)

run 4-xxxxxx by ann on HOST died while applying on podman+unix:///run/podman/podman.sock: `rollback_service resume --run=4-xxxxxx --env=prod` finishes it, or takes it back where that cannot be done; `rollback_service undo --run=4-xxxxxx --env=prod` takes it back (--platform as before; in Ansible --tags resume or undo)
";
    let stdout = format!("{BEGINNING}{rest}");
    let id = host.ids().into_iter().find(|id| id.starts_with("4-")).expect("the run");
    for id in ["4", &id] {
        assert_eq!(host.firebreak(&["history", id]), Output { code: 0, stdout: stdout.clone(), stderr: String::new() });
    }

    // Somebody goes on with it, and takes it back.
    let began = Began {
        at: host.then + TimeDelta::seconds(60),
        action: "rollback_service".to_owned(),
        command: "undo".to_owned(),
        environment: "prod".to_owned(),
        version: "0.1.0".to_owned(),
        who: Who { user: "carl".to_owned(), ..Who::default() },
        host: name(),
        process: host.gone,
        ..Began::default()
    };
    let journal = Folder::new(host.journals()).go_on(&id, began).expect("the journal");
    for state in [State::GoingBack, State::Restored] {
        journal.enter(state).expect("a state");
    }
    journal.end(host.ended("restored", "taken back as asked; all that had been changed was restored"));
    let above = stdout.split("time  ").next().expect("the tables").replace("26 h 0 min", "2 min 5 s");
    let happened = "\
time        what                                    answer
HH:MM:SS    planned
HH:MM:SS    locked
HH:MM:SS    applying
HH:MM:SS      create prod-web-firebreak-new         taken
HH:MM:SS      stop prod-web                         refused (1)
HH:MM:SS      start prod-web                        not known
HH:MM:SS    goes on: rollback_service undo by carl
HH:MM:SS    going back
HH:MM:SS    restored
HH:MM:SS    ended: restored
(1) no such container (404 Not Found)

restored: taken back as asked; all that had been changed was restored
";
    let expected = above + happened;
    assert_eq!(host.firebreak(&["history", "4"]), Output { code: 0, stdout: expected, stderr: String::new() });
}

#[test]
fn steps_that_are_plain_are_told_as_well() {
    let stdout = "\
Run 3-xxxxxx
action       rebuild_index run, version 0.1.0
who          carl
host         HOST, process N
began        YYYY-MM-DDTHH:MM:SSZ
took         2 min 5 s
environment  stage
place        rebuild_index
plan         a69b67fbe2c0
journal      FOLDER/journals/3-xxxxxx.journal

The plan:
stop it
start it

What happened on YYYY-MM-DD, UTC:
time        what                   answer
HH:MM:SS    planned
HH:MM:SS    locked
HH:MM:SS    applying
HH:MM:SS      stop it              lost (1)
HH:MM:SS    needs an operator
HH:MM:SS    ended: needs operator
(1) no power

needs operator: failed to stop it, which may be half done: no power
";
    let output = busy_host().firebreak(&["history", "3"]);
    assert_eq!(output, Output { code: 0, stdout: stdout.to_owned(), stderr: String::new() });
}

#[test]
fn a_journal_that_was_changed_is_named_and_shown_as_far_as_it_can_be_read() {
    let host = busy_host();
    let path = |number: &str| {
        let id = host.ids().into_iter().find(|id| id.starts_with(number)).expect("the run");
        host.journals().join(format!("{id}.journal"))
    };
    std::fs::write(path("2-"), "").expect("the journal");
    let text = std::fs::read_to_string(path("4-")).expect("the journal");
    std::fs::write(path("4-"), text.replacen("stop", "spot", 1)).expect("the journal");
    let output = host.firebreak(&["history", "--outcome=needs_operator"]);
    let changed = "failed to read the journal 'FOLDER/journals/4-xxxxxx.journal': it is damaged at line 8, \
        which does not match its checksum: the file was changed";
    let empty = "failed to read the journal 'FOLDER/journals/2-xxxxxx.journal': it is damaged at line 1, \
        which is not the beginning of a run";
    let stdout = "\
run       when                  action             environment  who   state              outcome         took
3-xxxxxx  YYYY-MM-DDTHH:MM:SSZ  rebuild_index run  stage        carl  needs an operator  needs operator  2 min 5 s

`firebreak history <id>` tells all of one
";
    assert_eq!((output.code, output.stdout.as_str()), (0, stdout));
    let mut warnings: Vec<_> = output.stderr.lines().collect();
    warnings.sort_unstable();
    assert_eq!(warnings, [format!("firebreak warning: {empty}"), format!("firebreak warning: {changed}")]);

    let stdout = format!("{BEGINNING}\n");
    let message = format!("{changed}. What is shown stands before that: how the run went on is not known");
    let stderr = format!("firebreak error: {message}\n");
    assert_eq!(host.firebreak(&["history", "4"]), Output { code: 1, stdout, stderr });

    let output = host.firebreak(&["history", "4", "--format=json"]);
    let report: Value = serde_json::from_str(&output.stdout).expect("one JSON document");
    assert_eq!((output.code, &report["outcome"], &report["message"]), (1, &json!("failed"), &json!(message)));
    assert_eq!((&report["run"]["outcome"], &report["run"]["message"]), (&json!("unknown"), &json!(message)));
    assert_eq!(report["records"].as_array().map(Vec::len), Some(7));

    let stderr = format!("firebreak error: {empty}\n");
    assert_eq!(host.firebreak(&["history", "2"]), Output { code: 1, stdout: String::new(), stderr });
}

#[test]
fn a_folder_that_is_not_there_has_no_runs() {
    let host = Host::new();
    let elsewhere = "\
Each user has journals of their own, in ~/.local/state/firebreak, that only this user and root can read.
A run of a button or of Ansible is in those of the user that it runs as: become that user, or give --journal=<dir>.
";
    let stdout = format!("{elsewhere}\nno run is in 'FOLDER/journals'\n");
    assert_eq!(host.firebreak(&["history"]), Output { code: 0, stdout, stderr: String::new() });
    assert!(!host.journals().exists(), "nothing is made for somebody who only looks");
    let output = host.firebreak(&["history", "7"]);
    let elsewhere = elsewhere.trim_end().replace('\n', " ");
    let stderr = format!(
        "firebreak error: there is no run '7' in 'FOLDER/journals': `firebreak history` shows which there are. {elsewhere}\n"
    );
    assert_eq!(output, Output { code: 1, stdout: String::new(), stderr });
}

/// As who calls `undo` by hand after a button ran.
#[test]
fn who_may_not_read_the_journals_of_another_is_told_whose_they_are() {
    let host = Host::new();
    drop(host.begin("rollback_service", "dev", |_| {}));
    std::fs::set_permissions(host.journals(), Permissions::from_mode(0o000)).expect("a mode");
    let is_root = rustix::process::geteuid().is_root();
    let as_another = ["--reuid=65534", "--regid=65534", "--clear-groups", FIREBREAK];
    let mut command = Command::new(if is_root { need("setpriv", "util-linux") } else { FIREBREAK.into() });
    if is_root {
        std::fs::set_permissions(host.folder.path(), Permissions::from_mode(0o755)).expect("a mode");
        command.args(as_another);
    }
    let output = command.arg("history").env_clear().env("FIREBREAK_JOURNAL", host.journals()).output().expect("an end");
    std::fs::set_permissions(host.journals(), Permissions::from_mode(0o700)).expect("a mode");
    let passwd = std::fs::read_to_string("/etc/passwd").expect("the users");
    let id = rustix::process::geteuid().as_raw().to_string();
    let user = passwd.lines().find(|line| line.split(':').nth(2) == Some(&id)).expect("this user");
    let user = user.split(':').next().expect("a name");
    let journals = host.journals().display().to_string();
    let stderr = format!(
        "firebreak error: failed to read the folder of the journals, '{journals}': '{journals}' belongs to the user {user}: \
         become that user, or root: Permission denied (os error 13)\n"
    );
    assert_eq!(String::from_utf8(output.stderr).expect("UTF-8"), stderr);
    assert_eq!((output.status.code(), output.stdout), (Some(1), Vec::new()));
}
