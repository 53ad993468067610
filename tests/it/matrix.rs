//! Kill -9 at every point of a run: at each line of the journal before it is synced, and at each request to the platform
//! before it is sent, after it was carried out, after it was answered. Then `resume`, and in another run of the matrix
//! `undo`: the run always comes to an end, and the services are all at their targets or all as before, never a third.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;

use firebreak::drill::Platform;
use firebreak::drill::story::Stand;
use firebreak::journal::{Folder, Run};
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::Value;
use tokio::process::Command;

use crate::support::need;
use crate::support::program::{Hall, PROGRAM};
use crate::support::proxy::{Moment, Place, Point, Proxy};

/// How many cells of the matrix are tried at a time.
const AT_ONCE: usize = 4;

/// Where the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    /// At a request to the platform.
    Request(Point),
    /// When the nth line of the journal was written and is not synced.
    Line(usize),
}

/// A drill whose platform is reached through a proxy.
struct Stage {
    hall: Hall,
    proxy: Proxy,
    /// What leads the program to the proxy.
    environment: Vec<(&'static str, String)>,
}

impl Stage {
    async fn open(scene: Scene) -> Self {
        let hall = Hall::furnished(scene.faults, |settings| settings.platform = scene.platform).await;
        hall.look().await;
        let (address, kubeconfig) = match scene.platform {
            Platform::Marathon => (hall.drill.marathon().address(), String::new()),
            Platform::Kubernetes => (hall.drill.kubernetes().address(), hall.drill.kubernetes().kubeconfig()),
        };
        let proxy = Proxy::start(Place::Port(address.to_string()), None).await;
        let environment = match scene.platform {
            Platform::Marathon => ("FIREBREAK_PLATFORM", format!("marathon+http://{}", proxy.address)),
            Platform::Kubernetes => {
                let path = hall.folder.path().join("kubeconfig");
                let text = kubeconfig.replace(&address.to_string(), &proxy.address);
                std::fs::write(&path, text).expect("a kubeconfig");
                ("KUBECONFIG", path.display().to_string())
            }
        };
        Self { hall, proxy, environment: vec![environment] }
    }

    fn command(&self, words: &str, death: Option<Death>) -> Command {
        let mut command = self.hall.command(words);
        if let Some(Death::Line(line)) = death {
            let mut traced = Command::new(need("strace", "strace"));
            traced.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync"]);
            traced.arg("-e").arg(format!("inject=fdatasync:signal=KILL:when={line}")).arg(PROGRAM);
            traced.args(command.as_std().get_args()).current_dir(self.hall.folder.path()).env_clear();
            for (name, value) in command.as_std().get_envs() {
                traced.env(name, value.expect("a variable"));
            }
            traced.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
            command = traced;
        }
        command.envs(self.environment.clone());
        command
    }

    /// Runs the program, which dies where it is told to; its exit code and its report.
    async fn run(&self, words: &str, death: Option<Death>) -> (Option<i32>, Value) {
        self.proxy.aim(if let Some(Death::Request(point)) = death { Some(point) } else { None });
        let child = self.command(&format!("{words} --yes --format=json"), death).spawn().expect("a start");
        self.proxy.is(child.id().expect("it still runs"));
        let output = child.wait_with_output().await.expect("its end");
        (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
    }

    /// The runs that were written down.
    fn runs(&self) -> Vec<Run> {
        let journal = self.hall.drill.environment().into_iter().find(|(name, _)| name == "FIREBREAK_JOURNAL");
        let (runs, damaged) = Folder::new(journal.expect("a journal").1).runs().expect("the runs");
        assert!(damaged.is_empty(), "{damaged:?}");
        runs
    }

    /// All at their targets, all as before, or neither.
    fn stand(&self) -> &'static str {
        let is = |stand| self.hall.drill.proof("dev", stand).expect("an environment").holds;
        match (is(Stand::Good), is(Stand::Broken)) {
            (true, _) => "at target",
            (_, true) => "as before",
            _ => "a third",
        }
    }
}

/// What the run is, and what goes wrong in it besides its death.
#[derive(Clone, Copy)]
struct Scene {
    platform: Platform,
    name: &'static str,
    faults: &'static [&'static str],
    /// How long a deployment may take, in seconds.
    timeout: u64,
}

impl Scene {
    fn words(self, command: &str) -> String {
        format!("{command} --env=dev --timeout={}", self.timeout)
    }
}

const RUN: &str = "run --date=DAY";

/// The points at which a run of a scene can die: the requests that it makes to the platform, the lines of its journal. A
/// read changes nothing, so to die after it is to die before the next request; and of the same reads again and again,
/// while a deployment takes its time, the first and the last are enough.
async fn points(scene: Scene) -> Vec<Death> {
    let stage = Stage::open(scene).await;
    stage.run(&scene.words(RUN), None).await;
    let seen = stage.proxy.seen();
    let mut points = Vec::new();
    for (request, writes) in seen.iter().enumerate() {
        let reads = |requests: &mut dyn Iterator<Item = &bool>| requests.take_while(|writes| !**writes).count();
        let (since, until) = (reads(&mut seen[..request].iter().rev()), reads(&mut seen[request..].iter()));
        let moments: &[_] = match since.min(until) {
            _ if *writes => &[Moment::Before, Moment::Between, Moment::After],
            0..5 => &[Moment::Before],
            _ => &[],
        };
        points.extend(moments.iter().map(|moment| Death::Request(Point { request, moment: *moment })));
    }
    points.extend((1..=stage.runs()[0].records.len()).map(Death::Line));
    points
}

/// One cell: the run dies there, and is ended that way. How the services stood when it had died, the outcome, how they
/// stand then.
async fn cell(scene: Scene, death: Death, way: &str) -> (String, String) {
    let stage = Stage::open(scene).await;
    let (code, _) = stage.run(&scene.words(RUN), Some(death)).await;
    let died = match death {
        Death::Request(_) => stage.proxy.has_hit(),
        // What strace ran was killed, and strace ends in the same way.
        Death::Line(_) => code.is_none() || code == Some(137),
    };
    if !died {
        // The polls of a deployment are more or less: this run had fewer requests.
        let stand = stage.stand();
        assert_ne!(stand, "a third", "{}: {death:?}: {code:?}", scene.name);
        return ("ended before it".to_owned(), stand.to_owned());
    }
    let (code, report) = stage.run(&scene.words(way), None).await;
    let outcome = report["outcome"].as_str().unwrap_or("no report").to_owned();
    let stand = stage.stand();
    let case = format!("{}: {death:?}, then {way}: exit code {code:?}, {stand}, {report:#}", scene.name);
    let expected = match outcome.as_str() {
        "done" => code == Some(0) && stand == if way == "undo" { "as before" } else { "at target" },
        "restored" => code == Some(1) && stand == "as before",
        // It had not begun, or it had ended already.
        "nothing_to_do" => code == Some(0) && stand != "a third",
        _ => false,
    };
    assert!(expected, "{case}");
    assert!(stage.runs().iter().all(|run| !run.is_open()), "a run that was ended is open: {case}");
    (outcome, stand.to_owned())
}

async fn matrix(scene: Scene) {
    let points = points(scene).await;
    let mut table = BTreeMap::<(String, &str, String, String), usize>::new();
    let cells = points.iter().flat_map(|death| ["resume", "undo"].map(|way| (*death, way)));
    let mut cells = stream::iter(cells.map(|(death, way)| async move {
        let kind = match death {
            Death::Request(point) => format!("request, {:?}", point.moment).to_lowercase(),
            Death::Line(_) => "journal line".to_owned(),
        };
        let (outcome, stand) = tokio::spawn(cell(scene, death, way)).await.expect("the cell holds");
        (kind, way, outcome, stand)
    }))
    .buffer_unordered(AT_ONCE);
    while let Some(cell) = cells.next().await {
        *table.entry(cell).or_default() += 1;
    }
    let mut text = format!("kill -9, {:?}, {}: {} points\n", scene.platform, scene.name, points.len());
    for ((kind, way, outcome, stand), count) in table {
        writeln!(text, "  {kind:<18} {way:<7} {outcome:<16} {stand:<10} {count}").expect("a string takes it");
    }
    // Past the test harness, which keeps back what a test prints.
    std::io::stderr().write_all(text.as_bytes()).expect("stderr");
}

/// Deployments have time.
const THERE: Scene = Scene { platform: Platform::Marathon, name: "on its way there", faults: &[], timeout: 60 };

/// One service never gets well, so the set goes back.
const BACK: Scene =
    Scene { platform: Platform::Marathon, name: "on its way back", faults: &["unhealthy=billing"], timeout: 3 };

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_dies_on_its_way_there_is_finished_or_taken_back() {
    matrix(THERE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_dies_on_its_way_back_is_taken_back() {
    matrix(BACK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_kubernetes_a_run_that_dies_on_its_way_there_is_finished_or_taken_back() {
    matrix(Scene { platform: Platform::Kubernetes, ..THERE }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_kubernetes_a_run_that_dies_on_its_way_back_is_taken_back() {
    matrix(Scene { platform: Platform::Kubernetes, timeout: 20, ..BACK }).await;
}
