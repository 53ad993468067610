//! Kill -9 at every point of a run: at each line of the journal before it is synced, and at each request to the platform
//! before it is sent, after it was carried out, after it was answered. Then `resume`, and in another run of the matrix
//! `undo`: the run always comes to an end, and the services are all at their targets or all as before, never a third.
//! On the drill's Marathon and Kubernetes, and on a real Podman. `make test FULL=1` plays all of it; else a part, see [`Part`].

mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Mutex;

use firebreak::journal::record::Record;
use futures_util::StreamExt as _;
use futures_util::stream;

use self::stage::Stage;
use crate::support::part::Part;
use crate::support::proxy::{Moment, Point};

/// How many cells of the matrix are tried at a time. Most of their time they wait.
const AT_ONCE: usize = 8;

/// How a run that died is ended.
const WAYS: [&str; 2] = ["resume", "undo"];

/// Where the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// At a request to the platform.
    Request(Point),
    /// When the nth line of the journal was written and is not synced.
    Line(usize),
}

impl Death {
    fn kind(self) -> &'static str {
        match self {
            Self::Request(Point { moment: Moment::Before, .. }) => "request, before",
            Self::Request(Point { moment: Moment::Between, .. }) => "request, between",
            Self::Request(Point { moment: Moment::After, .. }) => "request, after",
            Self::Line(_) => "journal line",
        }
    }
}

/// What the services run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    Marathon,
    Kubernetes,
    Podman,
}

/// What the run is, and what goes wrong in it besides its death.
#[derive(Clone, Copy)]
pub struct Scene {
    platform: Platform,
    name: &'static str,
    faults: &'static [&'static str],
    /// How long a deployment may take, in seconds.
    timeout: u64,
    /// Whether it is played from its first write on: until then it is as another scene.
    is_late: bool,
}

impl Scene {
    fn words(self, command: &str) -> String {
        format!("{command} --env=dev --timeout={}", self.timeout)
    }
}

/// The points at which the run of a scene can die, as one that lived to its end shows: the requests that it makes to the
/// platform, the lines of its journal. To die after a read, which changes nothing, is to die before the next request; and
/// of the same reads again and again, while a deployment takes its time, the first and the last are enough.
fn points(scene: Scene, stage: &Stage) -> Vec<Death> {
    let seen = stage.proxy.seen();
    let records = &stage.runs()[0].records;
    let first_write = seen.iter().position(|writes| *writes).expect("a write");
    let first_intent = records.iter().position(|record| matches!(record, Record::Intent { .. })).expect("an intent");
    let (from, first_line) = if scene.is_late { (first_write, first_intent + 1) } else { (0, 1) };
    let mut points = Vec::new();
    for request in from..seen.len() {
        let reads = |requests: &mut dyn Iterator<Item = &bool>| requests.take_while(|writes| !**writes).count();
        let (since, until) = (reads(&mut seen[..request].iter().rev()), reads(&mut seen[request..].iter()));
        let moments: &[_] = match (since, until) {
            (_, 0) => &[Moment::Before, Moment::Between, Moment::After],
            (0, _) if request > 0 => &[],
            (0 | 1, _) | (_, 1) => &[Moment::Before],
            _ => &[],
        };
        points.extend(moments.iter().map(|moment| Death::Request(Point { request, moment: *moment })));
    }
    points.extend((first_line..=records.len()).map(Death::Line));
    points
}

/// The outcome of a cell, and how the services stand then.
type Cell = (&'static str, &'static str, String, &'static str);

/// The run of a cell dies, and is ended that way.
async fn cell(scene: Scene, stage: &mut Stage, death: Death, way: &'static str) -> Cell {
    let words = stage.begin();
    let (code, report) = stage.run(&scene.words(&words), Some(death)).await;
    let case = format!("{:?}, {}: {death:?}, then {way}", scene.platform, scene.name);
    let died = match death {
        Death::Request(_) => stage.proxy.has_hit(),
        // What strace ran was killed, and strace ends in the same way.
        Death::Line(_) => code.is_none() || code == Some(137),
    };
    if !died {
        // The polls of a deployment are more or less: this run had fewer.
        let had = match death {
            // A request that the program gave up has no answer after which it could die.
            Death::Request(point) => point.moment != Moment::Between && stage.proxy.seen().len() > point.request,
            Death::Line(line) => stage.runs()[0].records.len() >= line,
        };
        assert!(!had, "it came past the point, and lives: {case}: {code:?}, {report:#}");
        let stand = stage.stand();
        assert_ne!(stand, "a third", "{case}: {code:?}, {report:#}");
        return (death.kind(), way, ENDED_BEFORE.to_owned(), stand);
    }
    let (code, report) = stage.run(&scene.words(&stage.again(way)), None).await;
    let outcome = report["outcome"].as_str().unwrap_or("no report").to_owned();
    let stand = stage.stand();
    let expected = match outcome.as_str() {
        "done" => code == Some(0) && stand == if way == "undo" { "as before" } else { "at target" },
        "restored" => code == Some(1) && stand == "as before" && way == "resume",
        // It had changed nothing, or it had ended already.
        "nothing_to_do" => code == Some(0) && (stand == "as before" || stand == "at target" && way == "resume"),
        _ => false,
    };
    assert!(expected, "{case}: exit code {code:?}, {stand}, {report:#}");
    assert!(stage.runs().iter().all(|run| !run.is_open()), "a run that was ended is open: {case}");
    (death.kind(), way, outcome, stand)
}

const ENDED_BEFORE: &str = "ended before it";

/// How often each came of the cells.
type Table = BTreeMap<Cell, usize>;

/// The matrix of a scene in drills. One in which all that ran was taken back serves again: no lock is left in it, by which
/// the next run would have other requests, and no run that could be undone.
async fn matrix(scene: Scene) {
    let mut stage = Stage::open(scene).await;
    let words = stage.begin();
    stage.run(&scene.words(&words), None).await;
    let points = points(scene, &stage);
    let free = Mutex::new(Vec::new());
    let part = Part::new();
    let cells = part.of(points.iter().flat_map(|death| WAYS.map(|way| (*death, way))).collect(), kind_and_way);
    let mut cells = stream::iter(cells.into_iter().map(|(death, way)| {
        let free = &free;
        async move {
            let kept = free.lock().expect("those that are free").pop();
            let played = tokio::spawn(async move {
                let mut stage = if let Some(stage) = kept { stage } else { Stage::open(scene).await };
                (cell(scene, &mut stage, death, way).await, stage)
            });
            let (cell, stage) = played.await.expect("the cell holds");
            let is_ended = ["done", "restored"].contains(&&*cell.2);
            if is_ended && !stage.has_done() {
                free.lock().expect("those that are free").push(stage);
            }
            cell
        }
    }))
    .buffer_unordered(AT_ONCE);
    let mut table = Table::new();
    while let Some(cell) = cells.next().await {
        *table.entry(cell).or_default() += 1;
    }
    tell(scene, points.len(), &part, &table);
}

/// The matrix of a scene on a real Podman, whose containers go to and fro: every write, and of the two ways each in turn.
async fn matrix_of_engine(scene: Scene) {
    let mut stage = Stage::of_engine().await;
    let words = stage.begin();
    stage.run(&scene.words(&words), None).await;
    let is_request = |death: &Death| matches!(death, Death::Request(_));
    let points: Vec<Death> = points(scene, &stage).into_iter().filter(is_request).collect();
    let part = Part::new();
    let cells = part.of(points.iter().copied().zip(WAYS.into_iter().cycle()).collect(), kind_and_way);
    let mut table = Table::new();
    for (death, way) in cells {
        let cell = cell(scene, &mut stage, death, way).await;
        *table.entry(cell).or_default() += 1;
    }
    let words = stage.begin();
    let (code, report) = stage.run(&scene.words(&words), None).await;
    assert!(code == Some(0) && stage.is_tidy(), "what died was not cleared up after: {code:?}, {report:#}");
    tell(scene, points.len(), &part, &table);
}

fn kind_and_way((death, way): &(Death, &'static str)) -> (&'static str, &'static str) {
    (death.kind(), *way)
}

/// Prints the matrix of a scene, in which every sort of death was seen to be ended both ways.
fn tell(scene: Scene, points: usize, part: &Part, table: &Table) {
    let mut text = format!("kill -9, {:?}, {}: {points} points, {part}\n", scene.platform, scene.name);
    for ((kind, way, outcome, stand), count) in table {
        writeln!(text, "  {kind:<18} {way:<7} {outcome:<16} {stand:<10} {count}").expect("a string takes it");
    }
    // Past the test harness, which keeps back what a test prints.
    std::io::stderr().write_all(text.as_bytes()).expect("stderr");
    let count = |is: &dyn Fn(&Cell) -> bool| table.iter().filter(|(cell, _)| is(cell)).map(|(_, count)| count).sum();
    let kinds: BTreeSet<&str> = table.keys().map(|(kind, ..)| *kind).collect();
    assert!(kinds.len() >= 3, "{text}");
    for (kind, way) in kinds.iter().flat_map(|kind| WAYS.map(|way| (*kind, way))) {
        let ended: usize = count(&|cell| (cell.0, cell.1) == (kind, way) && ["done", "restored"].contains(&&*cell.2));
        // Of a part one point may be all that there is of a kind, and a run that is quick ends before it dies there.
        assert!(ended > 0 || !part.is_all(), "nothing was ended after {kind} by {way}:\n{text}");
    }
    for way in WAYS {
        let ended: usize = count(&|cell| cell.1 == way && ["done", "restored"].contains(&&*cell.2));
        assert!(ended >= 3, "{ended} were ended by {way}:\n{text}");
    }
    let (missed, all): (usize, usize) = (count(&|cell| cell.2 == ENDED_BEFORE), count(&|_| true));
    let few = if part.is_all() { 10 } else { 3 };
    assert!(missed * few < all, "{missed} of {all} died of nothing:\n{text}");
}

/// Deployments have time.
const THERE: Scene =
    Scene { platform: Platform::Marathon, name: "on its way there", faults: &[], timeout: 60, is_late: false };

/// One service never gets well, so the set goes back.
const BACK: Scene = Scene {
    platform: Platform::Marathon,
    name: "on its way back",
    faults: &["unhealthy=billing"],
    timeout: 3,
    is_late: true,
};

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

#[tokio::test(flavor = "multi_thread")]
async fn on_a_real_podman_a_run_that_dies_is_finished_or_taken_back() {
    matrix_of_engine(Scene { platform: Platform::Podman, ..THERE }).await;
}
