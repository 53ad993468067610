//! The pods of an object: why they do not get ready, and the one that holds a StatefulSet up.

use std::collections::HashMap;
use std::time::Duration;

use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Kubernetes;
use super::client::{Unanswered, Write};
use super::workload::Kind;
use crate::watch::Watch;

/// The name of the write that deletes a pod.
const EVICT: &str = "evict";
/// How long a pod of an old template may stay unready before it is deleted: it may just be starting.
const GRACE: Duration = Duration::from_secs(5);

/// Why the pods of an object do not get ready, in Kubernetes' words; none where that cannot be seen.
pub(super) async fn reason(kubernetes: &Kubernetes, object: &Value) -> Option<String> {
    let pods = of(kubernetes, object).await?;
    pods.iter().filter(|pod| !is_ready(pod)).find_map(waiting)
}

fn waiting(pod: &Value) -> Option<String> {
    let lists = ["initContainerStatuses", "containerStatuses"].map(|name| pod["status"][name].as_array());
    let mut waits = lists.into_iter().flatten().flatten().map(|one| &one["state"]["waiting"]);
    let normal = [json!("ContainerCreating"), json!("PodInitializing")];
    let name = pod["metadata"]["name"].as_str()?;
    let stuck = waits.find(|state| state["reason"].is_string() && !normal.contains(&state["reason"]));
    if let Some(reason) = stuck.and_then(|state| state["reason"].as_str()) {
        return Some(format!("pod {name}: {reason}"));
    }
    let unscheduled = |one: &&Value| one["type"] == "PodScheduled" && one["status"] == "False";
    let why = pod["status"]["conditions"].as_array()?.iter().find(unscheduled)?["message"].as_str()?;
    Some(format!("pod {name} finds no node: {why}"))
}

/// The pods that an object selects; none where they may not be seen.
async fn of(kubernetes: &Kubernetes, object: &Value) -> Option<Vec<Value>> {
    let labels = object["spec"]["selector"]["matchLabels"].as_object()?.iter();
    let labels: Option<Vec<String>> = labels.map(|(name, value)| Some(format!("{name}={}", value.as_str()?))).collect();
    let labels = labels?.join(",");
    let selector = utf8_percent_encode(&labels, NON_ALPHANUMERIC);
    let path = format!("/api/v1/namespaces/{}/pods?labelSelector={selector}", kubernetes.namespace);
    kubernetes.client.list(&path).await.ok()
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
}

/// Frees StatefulSets that replace their pods in order. Such a one waits for a pod that is not ready before it
/// replaces it, be it that the pod's template is the very thing that is being replaced; kubectl leaves it there, and
/// Kubernetes' manual says to delete that pod by hand (kubernetes/kubernetes#67250).
#[derive(Default)]
pub(super) struct Unblock {
    unready: HashMap<String, Instant>,
    warned: bool,
}

impl Unblock {
    /// Deletes the last pod of an old template that has not been ready for a while.
    pub(super) async fn free(
        &mut self,
        kubernetes: &Kubernetes,
        kind: Kind,
        id: &str,
        object: &Value,
        watch: &dyn Watch,
    ) {
        if kind != Kind::StatefulSet || object["spec"]["podManagementPolicy"] == "Parallel" {
            return;
        }
        let (Some(wanted), Some(pods)) = (object["status"]["updateRevision"].as_str(), of(kubernetes, object).await)
        else {
            return;
        };
        let uid = &object["metadata"]["uid"];
        let is_stuck = |pod: &&Value| {
            let metadata = &pod["metadata"];
            let owners = metadata["ownerReferences"].as_array();
            owners.is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == *uid))
                && metadata["labels"]["controller-revision-hash"] != wanted
                && metadata["deletionTimestamp"].is_null()
                && !is_ready(pod)
        };
        let Some(pod) = pods.iter().rev().find(is_stuck) else { return };
        let metadata = &pod["metadata"];
        let (Some(name), Some(pod_uid)) = (metadata["name"].as_str(), metadata["uid"].as_str()) else { return };
        let since = *self.unready.entry(pod_uid.to_owned()).or_insert_with(Instant::now);
        if since.elapsed() < GRACE {
            return;
        }
        // Only that pod, and only as it was seen: one that got ready meanwhile stays.
        let only = json!({ "uid": pod_uid, "resourceVersion": metadata["resourceVersion"] });
        let write = Write {
            call: EVICT,
            method: Method::DELETE,
            path: format!("/api/v1/namespaces/{}/pods/{name}", kubernetes.namespace),
            body: json!({ "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": only }),
        };
        let answer = kubernetes.client.write(write, json!({ "application": id, "pod": name, "uid": pod_uid })).await;
        let refused = match answer {
            Ok(answer) if answer.status.is_success() || answer.is_conflict() => None,
            Ok(answer) if answer.status == StatusCode::NOT_FOUND => None,
            Ok(answer) => Some(answer.error(&super::workload::secrets(object))),
            // It is looked at again.
            Err(Unanswered::Lost(_)) => None,
            Err(Unanswered::NotSent(error)) => Some(error),
        };
        if let Some(error) = refused.filter(|_| !self.warned) {
            self.warned = true;
            let hand = format!("kubectl --namespace={} delete pod {name}", kubernetes.namespace);
            watch.warn(&format!(
                "pod '{name}' is not ready and holds '{id}' up, and cannot be deleted ({error:#}): {hand}"
            ));
        }
    }
}
