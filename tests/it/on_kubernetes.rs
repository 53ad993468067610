//! `rollback_service` from its command line against a real Kubernetes, with images of a real registry that are dated by
//! their builds.

use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::kubernetes::Kubernetes;
use crate::support::program::PROGRAM;
use crate::support::registry::{DockerRegistry, config};

const SERVICES: [(&str, &str); 3] = [("billing", "deployments"), ("ledger", "statefulsets"), ("agent", "daemonsets")];

/// Releases with the days of their builds. No pod of the first one's `billing` gets ready.
const RELEASES: [(&str, &str); 3] = [("1", "2026-03-01"), ("2", "2026-03-02"), ("3", "2026-03-03")];

/// What else runs an image of `billing`: Helm calls it so.
const WORKER: &str = "shop-billing-worker";
const CRON_JOB: &str = "billing-report";

/// A shop whose third release runs.
struct Shop {
    kubernetes: Kubernetes,
    registry: DockerRegistry,
    folder: TempDir,
}

impl Shop {
    async fn open() -> Self {
        let (kubernetes, registry) = (Kubernetes::start().await, DockerRegistry::start());
        let shop = Self { kubernetes, registry, folder: tempfile::tempdir().expect("a folder") };
        for (release, day) in RELEASES {
            for (service, _) in SERVICES {
                let built = format!("{day}T10:00:00Z");
                let image = config(Some(&built), &format!("{service} {release}"));
                shop.registry.push_oci(service, Some(&tag(service, release)), image).await;
            }
        }
        for (service, kind) in SERVICES {
            let image = shop.image(service, "3");
            let containers = [("proxy", "r:5000/envoy:1"), (service, image.as_str())];
            let more = if kind == "deployments" { json!({"spec": {"progressDeadlineSeconds": 3}}) } else { json!({}) };
            shop.kubernetes.make(kind, service, &containers, more).await;
        }
        let image = shop.image("billing", "3");
        let containers = [("queue", image.as_str()), ("mail", &image)];
        let init = json!([{ "name": "migrate", "image": image }]);
        let more = json!({ "spec": { "template": { "spec": { "initContainers": init } } } });
        shop.kubernetes.make("deployments", WORKER, &containers, more).await;
        shop.kubernetes.make_cron_job(CRON_JOB, &image).await;
        for (service, kind) in SERVICES.into_iter().chain([(WORKER, "deployments")]) {
            shop.kubernetes.until_well(&format!("{kind}/{service}")).await;
        }
        shop
    }

    fn image(&self, service: &str, release: &str) -> String {
        format!("127.0.0.1:{}/{service}:{}", self.registry.port, tag(service, release))
    }

    /// The exit code of the program and what it printed.
    async fn run(&self, words: &str) -> (Option<i32>, String) {
        let mut command = Command::new(PROGRAM);
        command.args(words.split(' ')).current_dir(self.folder.path()).env_clear();
        command.env("XDG_CACHE_HOME", self.folder.path()).env("FIREBREAK_JOURNAL", self.folder.path().join("journal"));
        command.env("FIREBREAK_REGISTRY", self.registry.url()).env("FIREBREAK_PLATFORM", self.kubernetes.url());
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("its end").expect("a start");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).expect("UTF-8"))
    }

    /// How it ended, by its report.
    async fn act(&self, words: &str) -> (Option<i32>, Value) {
        let (code, text) = self.run(&format!("{words} --env=dev --yes --format=json")).await;
        let report = text.find("{\n").and_then(|at| serde_json::Deserializer::from_str(&text[at..]).into_iter().next());
        (code, report.unwrap_or_else(|| panic!("no report: {text}")).expect("JSON"))
    }

    /// All run this release, their sidecars are as they were, and their pods have followed.
    async fn runs(&self, release: &str) {
        for (service, kind) in SERVICES {
            let what = format!("{kind}/{service}");
            self.kubernetes.until_well(&what).await;
            let object = self.kubernetes.get(&what).await;
            let containers = object["spec"]["template"]["spec"]["containers"].as_array().expect("containers");
            let images: Vec<_> = containers.iter().filter_map(|one| one["image"].as_str()).collect();
            assert_eq!(images, ["r:5000/envoy:1", &self.image(service, release)], "{what}");
        }
        let billing = self.image("billing", release);
        self.kubernetes.until_well(&format!("deployments/{WORKER}")).await;
        let worker = self.kubernetes.get(&format!("deployments/{WORKER}")).await;
        let cron_job = self.kubernetes.get(&format!("cronjobs/{CRON_JOB}")).await;
        let pods = [&worker["spec"]["template"]["spec"], &cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]];
        let lists = pods.into_iter().flat_map(|pods| [&pods["containers"], &pods["initContainers"]]);
        let containers = lists.filter_map(Value::as_array).flatten();
        let images: Vec<_> = containers.filter_map(|one| one["image"].as_str()).collect();
        assert_eq!(images, [&billing; 4]);
    }
}

fn tag(service: &str, release: &str) -> String {
    let temper = if (service, release) == ("billing", "1") { "sick-" } else { "" };
    format!("{release}.0-{temper}develop")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_goes_back_is_undone_and_is_restored_where_it_never_gets_ready() {
    let shop = Shop::open().await;
    let (code, text) = shop.run("get --repo=agent,billing,ledger --env=develop --running=dev").await;
    assert_eq!(code, Some(0), "{text}");
    for (service, _) in SERVICES {
        let known: Vec<_> =
            text.lines().filter(|line| line.starts_with(service) && line.contains("3.0-develop")).collect();
        let workloads = if service == "billing" { 2 } else { 1 };
        assert_eq!(known.len(), workloads, "what {service} ran is told: {text}");
    }
    assert!(text.contains("as known by") && text.contains("billing: ReplicaSet billing-"), "{text}");

    let (code, report) = shop.act("run --date=2026-03-02 --check").await;
    assert_eq!((code, &report["outcome"]), (Some(0), &json!("planned")), "{report:#}");
    shop.runs("3").await;
    let (code, report) = shop.act("run --date=2026-03-02").await;
    assert_eq!((code, &report["outcome"]), (Some(0), &json!("done")), "{report:#}");
    assert_eq!(report["message"], "5 workloads of 3 services set; 4 verified, 1 has no instances");
    shop.runs("2").await;
    let (code, report) = shop.act("undo").await;
    assert_eq!((code, &report["outcome"]), (Some(0), &json!("done")), "{report:#}");
    shop.runs("3").await;

    let (code, report) = shop.act("run --date=2026-03-01").await;
    assert_eq!((code, &report["outcome"]), (Some(1), &json!("restored")), "{report:#}");
    assert!(report["message"].as_str().is_some_and(|message| message.contains("billing")), "{report:#}");
    shop.runs("3").await;
    let (code, report) = shop.act("resume").await;
    assert_eq!((code, &report["outcome"]), (Some(0), &json!("nothing_to_do")), "{report:#}");
    let leases = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", shop.kubernetes.namespace);
    let held = shop.kubernetes.call(axum::http::Method::GET, &leases, &Value::Null).await;
    assert_eq!(held["items"], json!([]), "nobody is kept out");
}
