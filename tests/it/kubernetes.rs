//! The Kubernetes platform against a real Kubernetes: API server and controllers, on etcd.

use std::time::Duration;

use axum::http::Method;
use firebreak::http::{self, Trust};
use firebreak::platform::{Platform, Standing, connect};
use firebreak::watch::Unwatched;
use serde_json::{Value, json};

use crate::support::contract::{self, BEFORE, LIMIT, access, changes};
use crate::support::kubernetes::Kubernetes;

async fn platform(url: &str) -> Box<dyn Platform> {
    let http = http::client(&Trust::default()).expect("a client");
    connect(url, "dev", access(http, None, None)).await.expect("a platform")
}

/// A Deployment with a sidecar, a StatefulSet, and a DaemonSet with a sidecar, all well.
async fn set(kubernetes: &Kubernetes) {
    let two = json!({ "spec": { "replicas": 2 } });
    let proxy = ("proxy", "r:5000/mesh/envoy:1.30");
    kubernetes.make("deployments", "billing", &[proxy, ("app", "r:5000/team/billing:2-dev")], two.clone()).await;
    kubernetes.make("statefulsets", "ledger", &[("ledger", "r:5000/team/ledger:2-dev")], two).await;
    kubernetes.make("daemonsets", "agent", &[("agent", "r:5000/team/agent:2-dev"), proxy], json!({})).await;
    for what in ["deployments/billing", "statefulsets/ledger", "daemonsets/agent"] {
        kubernetes.until_well(what).await;
    }
}

const TARGETS: [(&str, &str); 3] = [
    ("billing", "r:5000/team/billing:1-dev"),
    ("ledger", "r:5000/team/ledger:1-dev"),
    ("agent", "r:5000/team/agent:1-dev"),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds() {
    let kubernetes = Kubernetes::start().await;
    set(&kubernetes).await;
    let platform = platform(&kubernetes.url()).await;
    contract::hold(&*platform, "dev", &TARGETS).await;
}
