//! `rollback_service` run as its users run it, against a drill in this process.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use chrono::{DateTime, Utc};
use firebreak::drill::faults::Fault;
use firebreak::drill::kubernetes;
use firebreak::drill::story::{ShopState, good_day};
use firebreak::drill::{Drill, Settings};
use firebreak::http::{self, Trust};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// The program under test, as cargo built it.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_rollback_service");

/// What came out of a program.
#[derive(Debug, PartialEq, Eq)]
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A drill, and a folder to run in.
pub struct DrillFixture {
    pub drill: Drill,
    pub folder: TempDir,
    now: DateTime<Utc>,
}

impl DrillFixture {
    pub async fn open(faults: &[&str]) -> Self {
        Self::furnished(faults, |_| {}).await
    }

    /// A drill whose settings are changed before it starts.
    pub async fn furnished(faults: &[&str], change: impl FnOnce(&mut Settings)) -> Self {
        let now = Utc::now();
        let mut settings = Settings::at(now);
        settings.pace = Duration::from_millis(5);
        settings.faults = faults.iter().map(|fault| fault.parse::<Fault>().expect("a fault")).collect();
        change(&mut settings);
        let drill = Drill::start(settings).await.expect("a drill on free ports");
        Self { drill, folder: tempfile::tempdir().expect("a folder"), now }
    }

    /// The day to go back to.
    pub fn day(&self) -> String {
        good_day(self.now).to_string()
    }

    /// The program with these words (split at spaces, `DAY` being the day to go back to), led to the drill by its
    /// environment, without a terminal.
    pub fn command(&self, words: &str) -> Command {
        self.command_by(PROGRAM, &[], words)
    }

    /// The same, by a program that runs it, with these arguments before the words.
    pub fn command_by(&self, program: &str, before: &[&str], words: &str) -> Command {
        let mut command = Command::new(program);
        command
            .args(before)
            .args(words.replace("DAY", &self.day()).split_whitespace())
            .current_dir(self.folder.path())
            .env_clear()
            .envs(self.drill.environment())
            .env("USER", "tester")
            .env("XDG_CACHE_HOME", self.folder.path().join("cache"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    pub async fn run(&self, words: &str) -> Output {
        self.end(self.command(words).spawn().expect("the program starts")).await
    }

    /// Waits for a program, and puts names in place of what differs from run to run.
    pub async fn end(&self, child: Child) -> Output {
        let output = child.wait_with_output().await.expect("the program ends");
        let text = |bytes: Vec<u8>| self.tame(&String::from_utf8(bytes).expect("UTF-8"));
        let code = output.status.code().unwrap_or(-1);
        Output { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    fn tame(&self, text: &str) -> String {
        let platform = self.drill.environment().into_iter().find(|(name, _)| name == "FIREBREAK_PLATFORM");
        let platform = platform.expect("a platform").1.replace("marathon+http://", "");
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        without_runs(text)
            .replace(&format!(" on {host} "), " on HOST ")
            .replace(&self.drill.registry.address().to_string(), "REGISTRY")
            .replace(&platform, "MARATHON")
            .replace(&self.folder.path().display().to_string(), "FOLDER")
            .replace(&self.day(), "DAY")
    }

    /// `get` for all services of `develop`, which must succeed.
    pub async fn look(&self) {
        let output = self.run("get --repo=billing,orders,users,web --env=develop").await;
        assert_eq!(output.code, 0, "{output:?}");
    }

    /// Whether the services of `dev` stand as they should; fails the test with what is wrong.
    pub fn stands(&self, stand: ShopState) {
        let proof = self.drill.proof("dev", stand).expect("an environment of the story");
        assert!(proof.holds, "{proof:#?}");
    }

    /// How many changes of services the platform has taken.
    pub fn changes(&self) -> usize {
        let taken = |status: Option<u16>| status.is_some_and(|status| status < 300);
        let is_change = |method: &str, path: &str| match method {
            "PUT" => path.starts_with("/v2/apps"),
            "PATCH" => !path.contains("dryRun"),
            _ => false,
        };
        self.drill.log.all().iter().filter(|one| taken(one.status) && is_change(&one.method, &one.path)).count()
    }

    /// Sets another image of `users`, as somebody with a terminal would. On Kubernetes.
    pub async fn set_users(&self) {
        let address = self.drill.kubernetes().address();
        let image = format!("{}/users:1.3.0-develop", self.drill.registry.address());
        let set = self.drill.kubernetes().objects().object("StatefulSet", "dev", "users").expect("the set");
        let containers = set["spec"]["template"]["spec"]["containers"].as_array().expect("its containers");
        let place = containers.iter().position(|container| container["name"] == "users").expect("its own");
        let path = format!("/spec/template/spec/containers/{place}/image");
        let answer = http::client(&Trust::default())
            .expect("a client")
            .patch(format!("http://{address}/apis/apps/v1/namespaces/dev/statefulsets/users"))
            .bearer_auth(kubernetes::OPERATOR.1)
            .header("content-type", "application/json-patch+json")
            .body(json!([{"op": "replace", "path": path, "value": image}]).to_string());
        let status = answer.send().await.expect("an answer").status();
        assert!(status.is_success(), "{status}");
    }

    pub fn dump(&self) -> std::path::PathBuf {
        Path::new(self.folder.path()).join("rollback.json")
    }

    /// The texts that Slack was told.
    pub fn told(&self) -> Vec<String> {
        let messages = self.drill.slack.messages();
        messages.iter().map(|message| self.tame(message["text"].as_str().expect("a text"))).collect()
    }
}

/// Sends a signal to a program.
pub async fn send(child: &Child, signal: &str) {
    let id = child.id().expect("it still runs").to_string();
    let status = Command::new("kill").args([signal, &id]).status().await.expect("kill");
    assert!(status.success());
}

/// Waits until something came about; fails the test after 30 seconds.
pub async fn until(what: &str, ready: impl Fn() -> bool) {
    for _ in 0..3000 {
        if ready() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} did not come about within 30 seconds");
}

/// The text with `RUN` in place of the ids of runs: a number, a dash, six hexadecimal letters.
fn without_runs(text: &str) -> String {
    let is_run = |word: &str| {
        let parts = word.split_once('-').filter(|(number, letters)| !number.is_empty() && letters.len() == 6);
        parts.is_some_and(|(number, letters)| {
            number.bytes().all(|byte| byte.is_ascii_digit()) && letters.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    };
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut tame = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find(is_part) {
        let word = &rest[begin..];
        let word = &word[..word.find(|c| !is_part(c)).unwrap_or(word.len())];
        tame.push_str(&rest[..begin]);
        tame.push_str(if is_run(word) { "RUN" } else { word });
        rest = &rest[begin + word.len()..];
    }
    tame + rest
}
