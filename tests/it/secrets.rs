//! Marked secrets through everything that a program can come to: none is in anything that comes out.

use std::path::PathBuf;

use firebreak::action::arguments::{Request, parse};
use firebreak::drill::kubernetes::OPERATOR;
use firebreak::drill::registry::Auth;
use firebreak::drill::story::{SECRET, ShopState};
use firebreak::drill::{Platform, Settings};
use firebreak::rollback::arguments::Arguments;
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::ansible::AnsibleSandbox;
use crate::support::marks::{Outcome, encoded};
use crate::support::program::{DrillFixture, PROGRAM};

const TOOLKIT: &str = env!("CARGO_BIN_EXE_firebreak");

const DCOS: &str = "MARK/dcos pass+1=";
const REGISTRY: &str = "MARK@registry:pass/2%";
const SLACK: &str = "MARK-slack-path-3";
const WRONG: &str = "MARK/wrong guess=4";
const ALL: [&str; 5] = [DCOS, REGISTRY, SLACK, WRONG, SECRET];

const LOOK: &str = "get --repo=billing,orders,users,web --env=develop --running=dev";
const RUN: &str = "run --date=DAY --env=dev --yes";

/// A drill that is guarded by marked secrets, and everything that came out of the programs that ran against it.
struct Scene {
    fixture: DrillFixture,
    /// The files that hold the secrets.
    given: TempDir,
    outcome: Outcome,
}

/// How a secret is given.
#[derive(Clone, Copy, Debug)]
enum Way {
    Variable,
    Word,
    File,
}

impl Scene {
    async fn open(faults: &[&str], change: impl FnOnce(&mut Settings)) -> Self {
        let guarded = |settings: &mut Settings| {
            settings.login = Some(("ann".to_owned(), DCOS.to_owned()));
            settings.auth = Auth::Token { user: "bob".to_owned(), password: REGISTRY.to_owned() };
            change(settings);
        };
        let fixture = DrillFixture::furnished(faults, guarded).await;
        Self { fixture, given: tempfile::tempdir().expect("a folder"), outcome: Outcome::default() }
    }

    fn slack(&self) -> String {
        format!("http://{}/services/{SLACK}", self.fixture.drill.slack.address())
    }

    /// The program, without any secret yet.
    fn bare(&self, words: &str) -> Command {
        let mut command = self.fixture.command(words);
        for name in ["FIREBREAK_PWD", "FIREBREAK_REGISTRY_PWD", "FIREBREAK_SLACK"] {
            command.env_remove(name);
        }
        command
    }

    /// The program with the secrets.
    fn command(&self, words: &str, way: Way) -> Command {
        let mut command = self.bare(words);
        command.args(["--registry-user=bob", "--user=ann"]);
        let acts = !words.starts_with("get");
        let slack = acts.then(|| ("slack", "FIREBREAK_SLACK", self.slack()));
        let secrets = [
            ("pwd", "FIREBREAK_PWD", DCOS.to_owned()),
            ("registry-pwd", "FIREBREAK_REGISTRY_PWD", REGISTRY.to_owned()),
        ];
        for (option, variable, secret) in secrets.into_iter().chain(slack) {
            match way {
                Way::Variable => command.env(variable, secret),
                Way::Word => command.arg(format!("--{option}={secret}")),
                Way::File => {
                    let path = self.given.path().join(option);
                    std::fs::write(&path, secret).expect("a secret's file");
                    command.arg(format!("--{option}=@{}", path.display()))
                }
            };
        }
        command
    }

    /// Runs a program, expects this exit code, and keeps what it printed.
    async fn run(&mut self, mut command: Command, code: i32) -> String {
        let output = command.output().await.expect("the program ends");
        let shown = format!("{:?}", command.as_std().get_args().collect::<Vec<_>>());
        let text = [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat();
        assert_eq!(output.status.code(), Some(code), "{shown}: {text}");
        self.outcome.add(format!("what was printed by {shown}"), text.clone());
        text
    }

    async fn play(&mut self, words: &str, way: Way, code: i32) -> String {
        let command = self.command(words, way);
        self.run(command, code).await
    }

    /// What the toolkit tells of the runs.
    async fn history(&mut self) {
        let journal = self.journal();
        let names = std::fs::read_dir(&journal).expect("the journals");
        let names = names.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let runs: Vec<String> = names.filter_map(|name| Some(name.strip_suffix(".journal")?.to_owned())).collect();
        assert!(!runs.is_empty());
        for run in runs.iter().map(Some).chain([None]) {
            for format in ["table", "json"] {
                let mut command = Command::new(TOOLKIT);
                command.arg("history").args(run).arg(format!("--format={format}"));
                command.env_clear().env("FIREBREAK_JOURNAL", &journal).current_dir(env!("CARGO_MANIFEST_DIR"));
                let output = command.output().await.expect("firebreak ends");
                assert_eq!(output.status.code(), Some(0), "{output:?}");
                self.outcome.add(format!("firebreak history {run:?}"), [output.stdout, output.stderr].concat());
            }
        }
    }

    fn order(&self, fault: &str) {
        self.fixture.drill.faults.order(fault.parse().expect("a fault"));
    }

    fn journal(&self) -> PathBuf {
        let variables = self.fixture.drill.environment();
        variables.iter().find(|(name, _)| name == "FIREBREAK_JOURNAL").map(|(_, path)| path.into()).expect("a folder")
    }

    /// Everything that came out: what was printed, the dump, the cache, the journals, Slack.
    fn end(mut self) -> Outcome {
        self.outcome.add_folder(self.fixture.folder.path());
        self.outcome.add_folder(&self.journal());
        self.outcome.add("Slack", json!(self.fixture.drill.slack.messages()).to_string());
        self.outcome
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_way_they_are_given_and_however_it_ends_nothing_shows_them() {
    let mut scene = Scene::open(&[], |_| {}).await;
    for (way, format) in [(Way::Variable, "table"), (Way::Word, "json"), (Way::File, "table")] {
        scene.play(&format!("{LOOK} --format={format}"), way, 0).await;
        scene.play(&format!("{RUN} --check --format={format}"), way, 0).await;
        scene.play(&format!("{RUN} --format={format}"), way, 0).await;
        scene.play(&format!("{RUN} --format={format}"), way, 0).await;
        scene.play(&format!("undo --env=dev --yes --format={format}"), way, 0).await;
        scene.play(&format!("resume --env=dev --yes --format={format}"), way, 0).await;
    }
    for (fault, code, then) in [
        ("unhealthy=billing", 1, "resume"),
        ("refuse=users", 1, "resume"),
        ("lose-reply", 0, "undo"),
        ("forbid", 1, "resume"),
        ("slack-fails", 0, "undo"),
        ("gone", 1, "resume"),
        ("gone-at-write", 3, "undo"),
    ] {
        scene.order(fault);
        scene.play(&format!("{RUN} --timeout=2 --format=json"), Way::Variable, code).await;
        scene.fixture.drill.faults.clear();
        scene.play(&format!("{then} --env=dev --yes"), Way::Word, 0).await;
        scene.fixture.stands(ShopState::Broken);
    }
    scene.history().await;
    let outcome = scene.end();
    outcome.is_free_of(&ALL);

    // What is no secret is found in each of these places, so that a secret would be.
    let found = outcome.places_of("billing").join("\n");
    for place in ["what was printed by", "firebreak history", "rollback.json", ".journal", "Slack"] {
        assert!(found.contains(place), "'{place}' is missing: {found}");
    }
    assert!(outcome.places_of("tester").iter().any(|place| place.ends_with(".journal")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_or_not_reached_does_not_say_what_was_tried() {
    let mut scene = Scene::open(&[], |_| {}).await;
    scene.play(LOOK, Way::Variable, 0).await;
    for variable in ["FIREBREAK_PWD", "FIREBREAK_REGISTRY_PWD"] {
        for words in [format!("{LOOK} --format=json"), RUN.to_owned(), "undo --env=dev --yes".to_owned()] {
            let mut command = scene.command(&words, Way::Variable);
            command.env(variable, WRONG);
            let output = command.output().await.expect("the program ends");
            scene.outcome.add(format!("{words} with a wrong {variable}"), [output.stdout, output.stderr].concat());
        }
    }
    let user = |name: &str, password: &str| format!("{name}:{}", encoded(password));
    let (ann, bob) = (user("ann", DCOS), user("bob", REGISTRY));
    for words in [
        format!("{RUN} --platform=marathon+http://{ann}@127.0.0.1:1"),
        format!("{RUN} --registry=http://{bob}@127.0.0.1:1"),
        format!("{LOOK} --registry=http://{bob}@127.0.0.1:1 --format=json"),
        format!("{RUN} --registry=http://{bob}@[nonsense"),
        format!("{RUN} --platform=marathon+http://{ann}@[nonsense"),
        format!("{RUN} --platform=mesos://{ann}@127.0.0.1:1"),
        format!("{RUN} --platform=kubernetes://{ann}@nowhere/dev"),
    ] {
        let mut command = scene.command(&words, Way::Variable);
        let output = command.output().await.expect("the program ends");
        assert!(!output.status.success(), "{words}");
        scene.outcome.add(words, [output.stdout, output.stderr].concat());
    }
    let elsewhere = [format!("http://127.0.0.1:1/services/{SLACK}"), SLACK.to_owned(), format!("http://[{SLACK}")];
    for webhook in elsewhere {
        let mut command = scene.command(&format!("{RUN} --check"), Way::Variable);
        command.env("FIREBREAK_SLACK", &webhook);
        scene.run(command, 0).await;
        let mut command = scene.command(&format!("{RUN} --timeout=2"), Way::Variable);
        command.env("FIREBREAK_SLACK", webhook);
        scene.run(command, 0).await;
    }
    let words = [
        vec![format!("--pwd={DCOS}"), "--pwdd".to_owned()],
        vec!["--pwd".to_owned(), DCOS.to_owned(), "--date=nonsense".to_owned()],
        vec![format!("--pwd=@{DCOS}")],
        vec![format!("--slack={SLACK}"), format!("--slack={SLACK}"), "more".to_owned()],
        vec!["--pwd=".to_owned(), DCOS.to_owned()],
        vec![format!("https://{bob}@registry.example")],
        vec!["--registry".to_owned(), format!("https://{bob}@registry.example"), "--keep=0".to_owned()],
    ];
    for words in words {
        let mut command = scene.bare(RUN);
        command.args(words).arg("--format=json");
        scene.run(command, 2).await;
    }
    for odd in [[b"--pwd=", SLACK.as_bytes(), b"\xff"].concat(), [SLACK.as_bytes(), b"\xff"].concat()] {
        let mut command = scene.bare(RUN);
        command.arg::<std::ffi::OsString>(std::os::unix::ffi::OsStringExt::from_vec(odd));
        scene.run(command, 2).await;
    }
    let outcome = scene.end();
    outcome.is_free_of(&ALL);
    assert!(!outcome.places_of("ann").is_empty(), "the user is named where the login fails");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_in_a_url_gets_in_and_is_not_shown() {
    let mut scene = Scene::open(&[], |settings| settings.login = None).await;
    let (registry, marathon) = (scene.fixture.drill.registry.address(), scene.fixture.drill.marathon().address());
    let registry = format!("http://bob:{}@{registry}", encoded(REGISTRY));
    let platform = format!("marathon+http://ann:{}@{marathon}", encoded(DCOS));
    for (words, code) in [
        (LOOK.to_owned(), 0),
        (format!("{RUN} --check --format=json"), 0),
        (RUN.to_owned(), 0),
        ("undo --env=dev --yes --format=json".to_owned(), 0),
        ("resume --env=dev --yes".to_owned(), 0),
        (format!("{RUN} --timeout=2 --format=json"), 1),
        (format!("{RUN} --timeout=2"), 1),
    ] {
        if code == 1 {
            scene.order("unhealthy=billing");
        }
        let mut command = scene.bare(&words);
        command.env("FIREBREAK_REGISTRY", &registry).env("FIREBREAK_PLATFORM", &platform);
        scene.run(command, code).await;
    }
    scene.end().is_free_of(&ALL);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubeconfigs_token_is_not_shown() {
    let mut scene = Scene::open(&[], |settings| {
        settings.platform = Platform::Kubernetes;
        settings.login = None;
        settings.auth = Auth::Open;
    })
    .await;
    for (words, code) in [
        (LOOK, 0),
        ("run --date=DAY --env=dev --yes --format=json", 0),
        ("undo --env=dev --yes", 0),
        ("resume --env=dev --yes --format=json", 0),
    ] {
        let command = scene.bare(words);
        scene.run(command, code).await;
    }
    for fault in ["unhealthy=billing", "refuse=users", "forbid"] {
        scene.order(fault);
        let command = scene.bare(&format!("{RUN} --timeout=2 --format=json"));
        scene.run(command, 1).await;
        scene.fixture.drill.faults.clear();
    }
    // A token that is not known, and kubeconfigs that cannot be read where the token stands.
    let good = scene.fixture.drill.kubernetes().kubeconfig();
    let path = scene.given.path().join("kubeconfig");
    let token = OPERATOR.1;
    let with = |user: serde_json::Value| {
        let mut file: serde_json::Value = serde_json::from_str(&good).expect("JSON");
        file["users"][0]["user"] = user;
        file.to_string()
    };
    let version = "client.authentication.k8s.io/v1";
    let script = format!("echo {token}; echo {token} >&2; false");
    let broken = [
        with(json!({ "token": WRONG })),
        with(json!(token)),
        with(json!({ "token": [token] })),
        with(json!({ "exec": { "command": "sh", "args": ["-c", script], "apiVersion": version } })),
        with(json!({ "exec": { "command": "echo", "args": [token], "apiVersion": version } })),
        with(
            json!({ "exec": { "command": "no-such", "env": [{ "name": "A", "value": token }], "apiVersion": version } }),
        ),
        with(json!({ "auth-provider": token })),
        with(json!({ "client-certificate-data": token, "client-key-data": token })),
        good.replacen(&format!("\"{token}\""), &format!("\"{token}\" {token}"), 1),
    ];
    for text in broken {
        std::fs::write(&path, text).expect("a kubeconfig");
        let mut command = scene.bare(RUN);
        command.env("KUBECONFIG", &path);
        scene.run(command, 1).await;
    }
    scene.end().is_free_of(&[OPERATOR.1, WRONG, SECRET]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drill_and_the_toolkit_say_nothing_of_what_their_environment_holds() {
    let mut scene = Scene::open(&[], |_| {}).await;
    let drill = env!("CARGO_BIN_EXE_firedrill");
    let programs: [(&str, &[&str], i32); 6] = [
        (drill, &[], 0),
        (drill, &["--platform=kubernetes"], 0),
        (drill, &["--fault=refuse=web"], 1),
        (drill, &["proof", "--control=http://127.0.0.1:1"], 1),
        (TOOLKIT, &["list"], 0),
        (TOOLKIT, &["no-such-command"], 2),
    ];
    for (program, words, code) in programs {
        let mut command = Command::new(program);
        command.args(words).env_clear().current_dir(env!("CARGO_MANIFEST_DIR")).stdin(std::process::Stdio::null());
        command.env("FIREBREAK_PWD", DCOS).env("FIREBREAK_REGISTRY_PWD", REGISTRY);
        command.env("FIREBREAK_SLACK", scene.slack()).env("USER", "tester");
        scene.run(command, code).await;
    }
    let outcome = scene.end();
    outcome.is_free_of(&ALL);
    outcome.is_free_of(&[OPERATOR.1]);
}

/// The real playbook at its loudest: it fails, then it succeeds.
#[tokio::test(flavor = "multi_thread")]
async fn ansible_at_its_loudest_shows_none() {
    let mut scene = Scene::open(&["unhealthy=billing"], |_| {}).await;
    let sandbox = AnsibleSandbox::with(PROGRAM.as_ref());
    let day = sandbox.variables(&json!({
        "rollback_service_date": scene.fixture.day(),
        "rollback_service_user": "ann",
        "rollback_service_registry_user": "bob",
    }));
    for (timeout, code) in [("2", 2), ("60", 0)] {
        let limit = format!("rollback_service_timeout={timeout}");
        let report = "rollback_service_report=report.json";
        let mut command =
            sandbox.command(&["--tags", "get,run", "-vvv", "--diff", "-e", &day, "-e", &limit, "-e", report]);
        command.envs(scene.fixture.drill.environment()).env("FIREBREAK_SLACK", scene.slack());
        let played = tokio::task::spawn_blocking(|| AnsibleSandbox::end(command)).await.expect("a play");
        assert_eq!(played.code, code, "{}", played.text);
        scene.outcome.add(format!("the play that ends with {code}"), played.text);
        scene.fixture.drill.faults.clear();
    }
    // What was put there for the play came out of nothing, and the program is large.
    std::fs::remove_dir_all(sandbox.path("roles")).expect("the roles");
    scene.outcome.add_folder(sandbox.folder.path());
    let outcome = scene.end();
    outcome.is_free_of(&ALL);
    let found = outcome.places_of("1.2.0-develop").join("\n");
    assert!(found.contains("the play that ends with 0") && found.contains("report.json"), "{found}");
}

/// What is no secret stands on the command line on the host, and is shown by Ansible.
#[test]
fn the_role_refuses_a_password_in_a_url_without_showing_it() {
    let sandbox = AnsibleSandbox::with_stand_in();
    std::fs::write(sandbox.path("rollback.json"), "{}").expect("a dump");
    let url = |scheme: &str, user: &str| format!("{scheme}://{user}@registry.example");
    let guarded = format!("bob:{}", encoded(REGISTRY));
    let mut outcome = Outcome::default();
    for (variable, url) in [
        ("rollback_service_registry", url("https", &guarded)),
        ("rollback_service_platform", url("marathon+https", &guarded)),
        ("rollback_service_platform", url("marathon+https", &format!("bob:{SLACK}/{SLACK}"))),
    ] {
        let given = sandbox.variables(&json!({ variable: url, "rollback_service_date": "2026-11-20" }));
        for tag in ["get", "run"] {
            let played = sandbox.play(&["-vvv", "--diff", "--tags", tag, "-e", &given]);
            assert_eq!(played.code, 2, "{}", played.text);
            let refusal = format!("{variable} holds a password in a URL");
            assert!(played.text.contains(&refusal), "{}", played.text);
            outcome.add(format!("{tag} with {variable}"), played.text);
        }
    }
    outcome.is_free_of(&ALL);
    assert_eq!(sandbox.left_over(), [""; 0]);
    assert!(!sandbox.path("note").exists(), "the program was called");
    let given = sandbox.variables(&json!({ "rollback_service_registry": url("https", "bob") }));
    assert_eq!(sandbox.play(&["-e", &given]).code, 0, "a user alone is no secret");
}

#[test]
fn what_is_printed_of_arguments_and_in_a_panic_holds_none() {
    let usage = std::process::Command::new(PROGRAM).arg("--help").output().expect("the program runs").stdout;
    let usage = String::from_utf8(usage).expect("UTF-8");
    let (ann, bob) = (encoded(DCOS), encoded(REGISTRY));
    let access = [
        format!("--platform=marathon+https://ann:{ann}@marathon.example"),
        format!("--registry=https://bob:{bob}@registry.example"),
        format!("--registry-pwd={REGISTRY}"),
        format!("--pwd={DCOS}"),
        "--env=dev".to_owned(),
    ];
    let mut outcome = Outcome::default();
    for command in ["get", "run", "undo", "resume"] {
        let own = if command == "get" { "--repo=billing".to_owned() } else { format!("--slack=https://hooks/{SLACK}") };
        let words: Vec<String> = [command.to_owned(), own].into_iter().chain(access.clone()).collect();
        let request = parse(&usage, "1", &words, &|_| None).expect("a command line");
        outcome.add(format!("the request of {command}"), format!("{request:?}"));
        let Request::Act(arguments) = request else { panic!("{command} is to act") };
        let arguments: Arguments = arguments.decode().expect("arguments");
        outcome.add(format!("the arguments of {command}"), format!("{arguments:#?}"));
        let checked = arguments.check().expect("a command");
        let panic = std::panic::catch_unwind(|| panic!("it is no use: {checked:?}")).expect_err("a panic");
        outcome.add(format!("the panic of {command}"), panic.downcast_ref::<String>().expect("a text").as_str());
    }
    outcome.is_free_of(&ALL);
    let seen = outcome.places_of("registry.example");
    assert_eq!(seen.len(), 8, "the addresses are seen in arguments and panics: {seen:?}");
}
