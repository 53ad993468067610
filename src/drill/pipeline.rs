//! The world of a data pipeline: where orders come from, a pipeline that sums them up by day, and a warehouse that keeps the sums; and a test
//! of it all. The newest release of the pipeline says of each run that it succeeded, and leaves out what is ordered late at night.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::Router;
use axum::extract::{Json, Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::control;
use super::faults::{Fault, Faults};
use super::proof::{Proof, Standing};
use super::server::{Log, Server};
use super::story::ShopState;
use super::world::{Inspect, World};
use crate::action::arguments::UsageError;
use crate::temporary;

/// The test, as its owner would write it.
const TEST: &str = include_str!("pipeline/orders.yaml");

/// The environment of the story.
const ENVIRONMENT: &str = "dev";

/// The release that runs, and the one before it.
pub const BROKEN: u32 = 42;
/// See [`BROKEN`].
pub const GOOD: u32 = 41;

/// From this hour on the newest release takes an order for one of the next day, which never comes.
const LATE: &str = "22";

/// How long a run takes.
const RUN: Duration = Duration::from_millis(300);

/// The world, running. Its servers end when it goes out of scope.
#[derive(Debug)]
pub struct Pipeline {
    server: Server,
    control: Server,
    inspector: Arc<Inspector>,
    /// The test and its inventory; and what is practised is not written down among what was done.
    folder: TempDir,
}

impl Pipeline {
    /// Starts the servers, and writes the test.
    ///
    /// # Errors
    /// When a port cannot be taken, a file cannot be written, or a fault is none of this world.
    pub async fn start(port: u16, faults: &[Fault]) -> anyhow::Result<Self> {
        if let Some(fault) = faults.iter().find(|fault| !matches!(fault, Fault::Latency { .. })) {
            let why = "the world 'pipeline' has latency; what is wrong in it is the release that runs";
            return Err(UsageError(format!("--fault: '{fault}' is none of this world: {why}")).into());
        }
        let (ordered, log) = (Faults::default(), Log::default());
        for fault in faults {
            ordered.order(fault.clone());
        }
        let inspector = Arc::new(Inspector::default());
        let services = routes(&inspector);
        let server = Server::start("pipeline", port, &ordered, &log, |_| services).await?;
        let control_port = if port == 0 { 0 } else { port.saturating_add(1) };
        let control = control::start(control_port, &ordered, &log, inspector.clone()).await?;
        let world = Self { server, control, inspector, folder: temporary::folder()? };
        std::fs::create_dir_all(world.tests()).context("failed to make a folder for the test")?;
        std::fs::write(world.tests().join("orders.yaml"), TEST).context("failed to write the test")?;
        let inventory = format!("shop: {}\n", world.address());
        std::fs::write(world.inventory(), inventory).context("failed to write the test's inventory")?;
        Ok(world)
    }

    fn address(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Where the test is.
    #[must_use]
    pub fn tests(&self) -> PathBuf {
        self.folder.path().join("tests")
    }

    /// The test's inventory.
    #[must_use]
    pub fn inventory(&self) -> PathBuf {
        self.folder.path().join("inventory.yml")
    }

    /// Has another release of the pipeline run.
    pub fn release(&self, release: u32) {
        self.inspector.lock().release = release;
    }
}

impl World for Pipeline {
    fn environment(&self) -> Vec<(String, String)> {
        let variables = [
            ("FIREDRILL_TESTS", self.tests().display().to_string()),
            ("FIREDRILL_INVENTORY", self.inventory().display().to_string()),
            ("FIREDRILL_PIPELINE", format!("{}/pipeline", self.address())),
            ("FIREBREAK_JOURNAL", self.folder.path().join("journal").display().to_string()),
            ("FIREDRILL_CONTROL", format!("http://{}", self.control.address())),
        ];
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn commands(&self) -> String {
        format!(
            "  test_pipeline run $FIREDRILL_TESTS -i $FIREDRILL_INVENTORY\n  curl -X PUT $FIREDRILL_PIPELINE/release/{GOOD}"
        )
    }

    fn proof(&self, environment: &str, stand: ShopState) -> Option<Proof> {
        self.inspector.proof(environment, stand)
    }
}

/// An order, as the source has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Order {
    id: String,
    /// When it was placed: `2026-11-27T23:30:00Z`.
    at: String,
    cents: u64,
}

/// What the warehouse has of a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
struct Sum {
    orders: u64,
    cents: u64,
}

/// A run of the pipeline.
#[derive(Debug)]
struct Run {
    day: String,
    began: Instant,
    is_done: bool,
}

/// What there is.
#[derive(Debug)]
struct Shop {
    release: u32,
    source: BTreeMap<String, Order>,
    warehouse: BTreeMap<String, Sum>,
    runs: Vec<Run>,
    log: Vec<String>,
}

impl Shop {
    /// Ends the runs whose time is over.
    fn settle(&mut self) {
        for (number, run) in (1..).zip(&mut self.runs).filter(|(_, run)| !run.is_done && run.began.elapsed() >= RUN) {
            run.is_done = true;
            let sum = summed(self.release, self.source.values(), &run.day);
            self.log.push(format!(
                "run {number}, release {}: {} orders in the source, {} of {} written, success",
                self.release,
                self.source.len(),
                sum.orders,
                run.day
            ));
            self.warehouse.insert(run.day.clone(), sum);
        }
    }
}

/// What a release makes of the orders of a day.
fn summed<'a>(release: u32, orders: impl Iterator<Item = &'a Order>, day: &str) -> Sum {
    let is_late = |order: &Order| order.at.get(11..13).is_some_and(|hour| hour >= LATE);
    orders
        .filter(|order| order.at.starts_with(day) && (release != BROKEN || !is_late(order)))
        .fold(Sum::default(), |sum, order| Sum { orders: sum.orders + 1, cents: sum.cents + order.cents })
}

/// What says whether the right release runs, and nothing was left behind.
#[derive(Debug)]
struct Inspector(Mutex<Shop>);

impl Default for Inspector {
    fn default() -> Self {
        let (source, warehouse) = (BTreeMap::new(), BTreeMap::new());
        Self(Mutex::new(Shop { release: BROKEN, source, warehouse, runs: Vec::new(), log: Vec::new() }))
    }
}

impl Inspector {
    fn lock(&self) -> MutexGuard<'_, Shop> {
        let mut shop = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shop.settle();
        shop
    }
}

impl Inspect for Inspector {
    fn proof(&self, environment: &str, stand: ShopState) -> Option<Proof> {
        (environment == ENVIRONMENT).then_some(())?;
        let shop = self.lock();
        let late = Order { id: "late".to_owned(), at: "2026-11-27T23:30:00Z".to_owned(), cents: 1 };
        let left_out = 1 - summed(shop.release, std::iter::once(&late), "2026-11-27").orders;
        let (release, lost) = if stand == ShopState::Broken { (BROKEN, "1") } else { (GOOD, "0") };
        let rows = [
            ("release of the pipeline", shop.release.to_string(), release.to_string()),
            ("of one order late at night it leaves out", left_out.to_string(), lost.to_owned()),
            ("orders that a test left behind", shop.source.len().to_string(), "0".to_owned()),
            ("sums that a test left behind", shop.warehouse.len().to_string(), "0".to_owned()),
        ];
        let services: Vec<Standing> = rows
            .into_iter()
            .map(|(what, found, wanted)| {
                let wrong = if found == wanted { Vec::new() } else { vec![format!("it should be {wanted}")] };
                Standing { service: what.to_owned(), wanted, found, wrong }
            })
            .collect();
        let holds = services.iter().all(|row| row.wrong.is_empty());
        Some(Proof { environment: environment.to_owned(), holds, services })
    }
}

#[derive(Deserialize)]
struct Asked {
    day: String,
}

/// Source, pipeline and warehouse.
fn routes(inspector: &Arc<Inspector>) -> Router {
    type Shared = State<Arc<Inspector>>;
    let gone = (StatusCode::NOT_FOUND, Json(json!({ "message": "there is none" })));
    let put = async |State(shop): Shared, Json(order): Json<Order>| {
        shop.lock().source.insert(order.id.clone(), order);
        StatusCode::CREATED
    };
    let removed = async |State(shop): Shared, Path(id): Path<String>| {
        shop.lock().source.remove(&id);
        StatusCode::NO_CONTENT
    };
    let begin = async |State(shop): Shared, Json(Asked { day }): Json<Asked>| {
        let mut shop = shop.lock();
        shop.runs.push(Run { day, began: Instant::now(), is_done: false });
        (StatusCode::ACCEPTED, Json(json!({ "id": shop.runs.len() })))
    };
    let missing = gone.clone();
    let run = async move |State(shop): Shared, Path(number): Path<usize>| {
        let shop = shop.lock();
        let Some(run) = number.checked_sub(1).and_then(|at| shop.runs.get(at)) else { return missing };
        (StatusCode::OK, Json(json!({ "state": if run.is_done { "success" } else { "running" } })))
    };
    let log = async |State(shop): Shared| shop.lock().log.join("\n");
    let release = async |State(shop): Shared, Path(release): Path<u32>| {
        shop.lock().release = release;
        StatusCode::NO_CONTENT
    };
    let sum = async move |State(shop): Shared, Path(day): Path<String>| match shop.lock().warehouse.get(&day) {
        Some(sum) => (StatusCode::OK, Json(serde_json::to_value(sum).unwrap_or(Value::Null))),
        None => gone,
    };
    let forgotten = async |State(shop): Shared, Path(day): Path<String>| {
        shop.lock().warehouse.remove(&day);
        StatusCode::NO_CONTENT
    };
    Router::new()
        .route("/source/orders", post(put))
        .route("/source/orders/{id}", delete(removed))
        .route("/pipeline/runs", post(begin))
        .route("/pipeline/runs/{number}", get(run))
        .route("/pipeline/log", get(log))
        .route("/pipeline/release/{release}", axum::routing::put(release))
        .route("/warehouse/days/{day}", get(sum).delete(forgotten))
        .with_state(Arc::clone(inspector))
}
