//! Where a cell of the matrix is played: services on a platform, and a proxy before it that ends the program.

use std::process::Stdio;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use firebreak::drill;
use firebreak::drill::story::ShopState;
use firebreak::journal::{Folder, Run};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::{Death, Platform, Scene};
use crate::support::need;
use crate::support::podman::{Podman, Temper, WELL};
use crate::support::program::{DrillFixture, PROGRAM};
use crate::support::proxy::{Place, Proxy};

/// Services on a platform that is reached through a proxy.
pub struct Stage {
    shop: Shop,
    pub proxy: Proxy,
    /// What leads the program to the proxy.
    environment: (&'static str, String),
}

/// The services.
enum Shop {
    /// Four in a drill.
    Drill(Box<DrillFixture>),
    /// Two in three containers of a real engine.
    Engine(Box<PodmanFixture>),
}

impl Stage {
    /// The services of a drill.
    pub async fn open(scene: Scene) -> Self {
        let platform = match scene.platform {
            Platform::Kubernetes => drill::Platform::Kubernetes,
            _ => drill::Platform::Marathon,
        };
        let fixture = DrillFixture::furnished(scene.faults, |settings| {
            settings.platform = platform;
            if platform == drill::Platform::Kubernetes {
                // Many drills step at the same time, each as long as a service does not become healthy.
                settings.pace = Duration::from_millis(20);
            }
        })
        .await;
        fixture.look().await;
        let (address, kubeconfig) = match platform {
            drill::Platform::Marathon => (fixture.drill.marathon().address(), String::new()),
            drill::Platform::Kubernetes => {
                (fixture.drill.kubernetes().address(), fixture.drill.kubernetes().kubeconfig())
            }
        };
        let proxy = Proxy::start(Place::Port(address.to_string()), None).await;
        let environment = match platform {
            drill::Platform::Marathon => ("FIREBREAK_PLATFORM", format!("marathon+http://{}", proxy.address)),
            drill::Platform::Kubernetes => {
                let path = fixture.folder.path().join("kubeconfig");
                let text = kubeconfig.replace(&address.to_string(), &proxy.address);
                std::fs::write(&path, text).expect("a kubeconfig");
                ("KUBECONFIG", path.display().to_string())
            }
        };
        Self { shop: Shop::Drill(Box::new(fixture)), proxy, environment }
    }

    /// The services of a real Podman. They outlive a cell: the next one goes the other way.
    pub async fn of_engine() -> Self {
        let podman_fixture = tokio::task::spawn_blocking(PodmanFixture::open).await.expect("containers");
        let socket = podman_fixture.folder.path().join("socket");
        let proxy = Proxy::start(Place::Socket(podman_fixture.podman.path("socket")), Some(&socket)).await;
        let environment = ("FIREBREAK_PLATFORM", format!("podman+unix://{}", socket.display()));
        Self { shop: Shop::Engine(Box::new(podman_fixture)), proxy, environment }
    }

    /// A run that goes somewhere: on an engine to where the services do not stand.
    pub fn begin(&mut self) -> String {
        match &mut self.shop {
            Shop::Drill(_) => "run --date=DAY".to_owned(),
            Shop::Engine(podman_fixture) => podman_fixture.turn(),
        }
    }

    /// What ends the run that died, which is the last one.
    pub fn again(&self, way: &str) -> String {
        match &self.shop {
            Shop::Drill(_) => way.to_owned(),
            // Before it there are those of other cells.
            Shop::Engine(_) => format!("{way} --run={}", self.runs()[0].id),
        }
    }

    fn command(&self, words: &str, death: Option<Death>) -> Command {
        let mut command = match &self.shop {
            Shop::Drill(fixture) => fixture.command(words),
            Shop::Engine(podman_fixture) => podman_fixture.command(words),
        };
        if let Some(Death::Line(line)) = death {
            let mut traced = Command::new(need("strace", "strace"));
            traced.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync"]);
            traced.arg("-e").arg(format!("inject=fdatasync:signal=KILL:when={line}")).arg(PROGRAM);
            traced.args(command.as_std().get_args()).env_clear();
            if let Some(folder) = command.as_std().get_current_dir() {
                traced.current_dir(folder);
            }
            for (name, value) in command.as_std().get_envs() {
                traced.env(name, value.expect("a variable"));
            }
            command = traced;
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let (name, value) = &self.environment;
        command.env(name, value);
        command
    }

    /// Runs the program, which dies where it is told to; its exit code and its report.
    pub async fn run(&self, words: &str, death: Option<Death>) -> (Option<i32>, Value) {
        self.proxy.aim(if let Some(Death::Request(point)) = death { Some(point) } else { None });
        let child = self.command(&format!("{words} --yes --format=json"), death).spawn().expect("a start");
        self.proxy.is(child.id().expect("it still runs"));
        let output = child.wait_with_output().await.expect("its end");
        (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
    }

    /// Whether a run ended at its target.
    pub fn has_done(&self) -> bool {
        self.runs().iter().any(Run::is_done)
    }

    /// The runs that were written down, the newest first.
    pub fn runs(&self) -> Vec<Run> {
        let folder = match &self.shop {
            Shop::Drill(fixture) => {
                let variables = fixture.drill.environment().into_iter();
                let mut folder =
                    variables.filter(|(name, _)| name == "FIREBREAK_JOURNAL").map(|(_, folder)| folder.into());
                folder.next_back().expect("a journal")
            }
            Shop::Engine(podman_fixture) => podman_fixture.folder.path().join("journal"),
        };
        let (runs, damaged) = Folder::new(folder).runs().expect("the runs");
        assert!(damaged.is_empty(), "{damaged:?}");
        runs
    }

    /// Whether nothing is left of what died, after a run that came to its end.
    pub fn is_tidy(&self) -> bool {
        match &self.shop {
            Shop::Drill(_) => true,
            Shop::Engine(podman_fixture) => podman_fixture.all() == podman_fixture.containers(podman_fixture.target),
        }
    }

    /// All at their targets, all as before, or neither.
    pub fn stand(&self) -> &'static str {
        let (at_target, as_before) = match &self.shop {
            Shop::Drill(fixture) => {
                let is = |stand| fixture.drill.proof("dev", stand).expect("an environment").holds;
                (is(ShopState::Good), is(ShopState::Broken))
            }
            Shop::Engine(podman_fixture) => {
                let found = podman_fixture.found();
                (
                    found == podman_fixture.containers(podman_fixture.target),
                    found == podman_fixture.containers(1 - podman_fixture.target),
                )
            }
        };
        match (at_target, as_before) {
            (true, _) => "at target",
            (_, true) => "as before",
            _ => "a third",
        }
    }
}

/// Two services on a real Podman, one of them with a worker, and two releases of them.
struct PodmanFixture {
    podman: Podman,
    folder: TempDir,
    /// When each release was out.
    releases: [DateTime<Utc>; 2],
    /// The release that the run goes to.
    target: usize,
}

const SERVICES: [&str; 2] = ["billing", "web"];

/// The containers, and the service that each runs.
const CONTAINERS: [(&str, &str); 3] = [("billing", "billing"), ("billing-worker", "billing"), ("web", "web")];

impl PodmanFixture {
    fn open() -> Self {
        let podman = Podman::start();
        let release = |version: usize| {
            for service in SERVICES {
                podman.image(service, &format!("{version}-develop"), Temper::Well);
            }
            let now = Utc::now();
            std::thread::sleep(Duration::from_millis(20));
            now
        };
        let releases = [release(0), release(1)];
        for (name, service) in CONTAINERS {
            podman.container(&format!("dev-{name}"), &format!("{}/{service}:1-develop", podman.registry), &WELL);
        }
        let podman_fixture = Self { podman, folder: tempfile::tempdir().expect("a folder"), releases, target: 1 };
        let look = podman_fixture.command("get --repo=billing,web --env=develop");
        let output = look.into_std().output().expect("the program runs");
        assert!(output.status.success(), "{output:?}");
        podman_fixture
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(words.split_whitespace()).current_dir(self.folder.path()).env_clear();
        command.env("USER", "tester").env("XDG_CACHE_HOME", self.folder.path().join("cache"));
        command.env("FIREBREAK_REGISTRY", format!("http://{}", self.podman.registry));
        command.env("FIREBREAK_JOURNAL", self.folder.path().join("journal"));
        command
    }

    /// The run to the release that is not there.
    fn turn(&mut self) -> String {
        let is_there = |release: &usize| self.found() == self.containers(*release);
        self.target = 1 - (0..2).find(is_there).unwrap_or_else(|| panic!("a third: {:?}", self.found()));
        format!("run --date={}", self.releases[self.target].to_rfc3339_opts(SecondsFormat::Nanos, true))
    }

    /// The containers with their images and their states; but what runs left that died when they had ended: their lock,
    /// and old containers that stand by, stopped. The next run removes them.
    fn found(&self) -> Vec<String> {
        let is_left = |line: &String| {
            line.starts_with("firebreak-lock-dev ") || line.contains("-firebreak-old-") && line.ends_with(" exited")
        };
        self.all().into_iter().filter(|line| !is_left(line)).collect()
    }

    fn all(&self) -> Vec<String> {
        let list: Value = serde_json::from_str(&self.podman.run(&["ps", "--all", "--format", "json"])).expect("JSON");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let line = |one: &Value| format!("{} {} {}", text(&one["Names"][0]), text(&one["Image"]), text(&one["State"]));
        let mut found: Vec<String> = list.as_array().expect("a list").iter().map(line).collect();
        found.sort();
        found
    }

    /// The containers that are there when all is as in a release.
    fn containers(&self, release: usize) -> Vec<String> {
        let registry = &self.podman.registry;
        CONTAINERS.map(|(name, service)| format!("dev-{name} {registry}/{service}:{release}-develop running")).into()
    }
}
