//! Many operators at the same moment: exactly one acts, every other one is told why it does not, and all journals are
//! whole. On one host, and on hosts that know nothing of one another.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{Days, NaiveDate};
use firebreak::drill::Platform;
use firebreak::drill::story::{ShopState, application_id, workloads};
use firebreak::http::{self, Trust};
use firebreak::journal::Folder;
use futures_util::future::join_all;
use serde_json::Value;

use crate::support::program::{DrillFixture, Output};

/// How long all of them together may take, on a machine that has much else to do. Who waits for ever is found out.
const PATIENCE: Duration = Duration::from_mins(5);

/// What one operator was told.
struct ToldOperator {
    code: i32,
    outcome: String,
    message: String,
}

/// Who came when the first had set all services, and not yet brought them to their targets. On one host its lock says who.
const HOW: &str = "told how the services stand";

impl ToldOperator {
    fn of(output: &Output) -> Self {
        let report: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let text = |name: &str| report[name].as_str().unwrap_or_default().to_owned();
        Self { code: output.code, outcome: text("outcome"), message: text("message") }
    }

    /// What it comes to, in a few words; none where it is nothing that a second operator should be told.
    fn kind(&self) -> Option<&'static str> {
        let says = |part: &str| self.message.contains(part);
        match (self.code, self.outcome.as_str()) {
            (0, "done") => Some("done"),
            (0, "nothing_to_do") => Some("nothing to do any more"),
            (1, "failed") if says(" already, and these are not healthy: ") && says("Nothing was changed") => Some(HOW),
            (1, "failed") if !self.message.ends_with("nothing was changed") => None,
            (1, "failed") if says("locked by run ") && says(" since ") => Some("told who, since when"),
            (1, "failed") if says(" the plan was made: plan again") => Some("changed since the plan"),
            (1, "failed") if says("a deployment by others holds the services") => Some("held by a deployment"),
            _ => None,
        }
    }
}

/// One operator for each of these folders of journals begins, all at once. They want back to these days in turn.
async fn act(fixture: &DrillFixture, folders: &[PathBuf], days: &[String]) -> Vec<ToldOperator> {
    let children = folders.iter().zip(days.iter().cycle()).map(|(folder, day)| {
        let mut command = fixture.command(&format!("run --date={day} --env=dev --yes --format=json"));
        command.env("FIREBREAK_JOURNAL", folder).spawn().expect("a start")
    });
    let ends: Vec<_> = children.collect::<Vec<_>>().into_iter().map(|child| fixture.end(child)).collect();
    let outputs = tokio::time::timeout(PATIENCE, join_all(ends)).await.expect("nobody waits for ever");
    outputs.iter().map(ToldOperator::of).collect()
}

/// How many writes to the applications the platform took: on Marathon one is for all services, on Kubernetes for one.
fn taken(fixture: &DrillFixture) -> usize {
    let is_update = |method: &str, path: &str| match method {
        "PUT" | "POST" | "DELETE" => path.starts_with("/v2/"),
        "PATCH" => !path.contains("dryRun"),
        _ => false,
    };
    let log = fixture.drill.log.all();
    log.iter().filter(|one| one.status.is_some_and(|status| status < 300) && is_update(&one.method, &one.path)).count()
}

/// How often the services were changed: what Marathon keeps as versions of each, or the writes that Kubernetes took.
async fn changes(fixture: &DrillFixture, platform: Platform) -> Vec<usize> {
    if platform == Platform::Kubernetes {
        return vec![taken(fixture)];
    }
    let mut counts = Vec::new();
    for (workload, _) in workloads(platform) {
        let (address, id) = (fixture.drill.marathon().address(), application_id("dev", workload));
        let url = format!("http://{address}/v2/apps{id}/versions");
        let answer = http::client(&Trust::default()).expect("a client").get(url).send().await.expect("an answer");
        let versions: Value = answer.json().await.expect("JSON");
        counts.push(versions["versions"].as_array().expect("versions").len());
    }
    counts
}

/// So many operators act at once on so many hosts.
async fn crowd(platform: Platform, operators: usize, hosts: usize, is_of_one_mind: bool) {
    let fixture = DrillFixture::furnished(&[], |settings| {
        settings.platform = platform;
        // A deployment is longer than it takes from one's last read to one's write, as a real one is.
        settings.pace = Duration::from_millis(100);
    })
    .await;
    fixture.look().await;
    fixture.drill.log.clear();
    let before = changes(&fixture, platform).await;
    let days = if is_of_one_mind { vec![fixture.day()] } else { vec![fixture.day(), day_before(&fixture)] };
    let homes: Vec<PathBuf> = (0..hosts).map(|host| fixture.folder.path().join(format!("host-{host}"))).collect();
    let folders: Vec<PathBuf> = homes.iter().cycle().take(operators).cloned().collect();
    let told = act(&fixture, &folders, &days).await;

    let mut kinds = BTreeMap::<&str, usize>::new();
    for one in &told {
        let ToldOperator { code, outcome, message } = one;
        *kinds.entry(one.kind().unwrap_or_else(|| panic!("{outcome}, {code}: {message}"))).or_default() += 1;
    }
    let line = format!(
        "{operators} operators, {hosts} hosts, {} days, {platform:?}: {kinds:?}; {} writes taken\n",
        days.len(),
        taken(&fixture)
    );
    // Past the test harness, which keeps back what a test prints.
    std::io::stderr().write_all(line.as_bytes()).expect("stderr");

    assert_eq!(kinds.get("done"), Some(&1), "{line}");
    assert!(hosts > 1 || !kinds.contains_key(HOW), "{line}");
    let by = if platform == Platform::Kubernetes { workloads(platform).len() } else { 1 };
    let expected: Vec<usize> = before.iter().map(|count| count + by).collect();
    assert_eq!(changes(&fixture, platform).await, expected, "{line}");
    // Where Marathon alone decides, others may have set what was set already: that is taken, and changes nothing.
    assert!(taken(&fixture) == by || (platform == Platform::Marathon && hosts > 1), "{line}");
    if is_of_one_mind {
        fixture.stands(ShopState::Good);
    }
    let mut ended = 0;
    for home in homes {
        let (runs, damaged) = Folder::new(&home).runs().expect("the runs");
        assert!(damaged.is_empty(), "{damaged:?}");
        for run in runs {
            let end = run.ended.as_ref().unwrap_or_else(|| panic!("{run:?} has no end"));
            assert!(!run.is_open() && told.iter().any(|one| one.outcome == end.outcome), "{run:?}");
            ended += 1;
        }
    }
    assert_eq!(ended, operators, "each wrote down what it did");
}

fn day_before(fixture: &DrillFixture) -> String {
    let day: NaiveDate = fixture.day().parse().expect("a day");
    (day - Days::new(1)).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_on_one_host_exactly_one_acts() {
    crowd(Platform::Marathon, 50, 1, true).await;
    crowd(Platform::Kubernetes, 50, 1, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_hosts_exactly_one_acts() {
    crowd(Platform::Marathon, 10, 10, true).await;
    crowd(Platform::Kubernetes, 10, 10, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_hosts_that_want_different_days_exactly_one_acts() {
    crowd(Platform::Marathon, 10, 10, false).await;
    crowd(Platform::Kubernetes, 10, 10, false).await;
}
