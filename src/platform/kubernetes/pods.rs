//! The pods of an object: why they do not get ready, and the one that holds a StatefulSet up.

use std::collections::HashMap;
use std::time::Duration;

use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Kubernetes;
use super::client::Write;
use super::workload::{Kind, is_owned, secrets};
use crate::journal::write::Unanswered;
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
        let Some(pods) = of(kubernetes, object).await else { return };
        let Some(pod) = self.overdue(&stuck(object, &pods), Instant::now()) else { return };
        let metadata = &pod["metadata"];
        let (Some(name), Some(uid)) = (metadata["name"].as_str(), metadata["uid"].as_str()) else { return };
        // Only that pod, and only as it was seen: one that got ready meanwhile stays.
        let only = json!({ "uid": uid, "resourceVersion": metadata["resourceVersion"] });
        let write = Write {
            call: EVICT,
            method: Method::DELETE,
            path: format!("/api/v1/namespaces/{}/pods/{name}", kubernetes.namespace),
            body: json!({ "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": only }),
            secrets: secrets(object),
        };
        let answer = kubernetes.client.write(write, json!({ "application": id, "pod": name, "uid": uid })).await;
        let refused = match answer {
            Ok(answer) if answer.status.is_success() || answer.is_conflict() => None,
            Ok(answer) if answer.status == StatusCode::NOT_FOUND => None,
            Ok(answer) => Some(answer.error(&secrets(object))),
            // It is looked at again.
            Err(Unanswered::Lost(_)) => None,
            Err(Unanswered::NotSent(error)) => Some(error),
        };
        if let Some(error) = refused.filter(|_| !self.warned) {
            self.warned = true;
            let hand = format!("{} delete pod {name}", kubernetes.kubectl);
            watch.warn(&format!(
                "pod '{name}' is not ready and holds '{id}' up, and cannot be deleted ({error:#}): {hand}"
            ));
        }
    }

    /// The last of the pods that are stuck now, if it has been so for long.
    fn overdue<'a>(&mut self, stuck: &[&'a Value], now: Instant) -> Option<&'a Value> {
        let uid = |pod: &Value| pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        self.unready.retain(|known, _| stuck.iter().any(|pod| uid(pod) == *known));
        for pod in stuck {
            self.unready.entry(uid(pod)).or_insert(now);
        }
        let last = *stuck.last()?;
        (now - self.unready[&uid(last)] >= GRACE).then_some(last)
    }
}

/// The pods of an old template that are not ready, where nothing else is on its way: a pod that goes, or a new one that
/// is not ready, may be what the StatefulSet waits for, and a set that needs most of its members bears no second loss.
/// A pod of the bad version is an old one as soon as the set is to run another.
fn stuck<'a>(object: &Value, pods: &'a [Value]) -> Vec<&'a Value> {
    let (uid, status) = (object["metadata"]["uid"].as_str().unwrap_or_default(), &object["status"]);
    if status["observedGeneration"] != object["metadata"]["generation"] {
        return Vec::new();
    }
    let own = pods.iter().filter(|pod| is_owned(pod, uid));
    let unready: Vec<&Value> = own.filter(|pod| is_going(pod) || !is_ready(pod)).collect();
    let is_new = |pod: &Value| pod["metadata"]["labels"]["controller-revision-hash"] == status["updateRevision"];
    if unready.iter().any(|pod| is_going(pod) || is_new(pod)) { Vec::new() } else { unready }
}

fn is_going(pod: &Value) -> bool {
    !pod["metadata"]["deletionTimestamp"].is_null()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pod of the set `u`, whose wanted template is `new`.
    fn pod(name: &str, revision: &str, ready: bool) -> Value {
        let ready = if ready { "True" } else { "False" };
        json!({
            "metadata": {
                "name": name, "uid": name, "ownerReferences": [{"uid": "u"}],
                "labels": {"controller-revision-hash": revision},
            },
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        })
    }

    fn names(pods: &[Value]) -> Vec<&str> {
        let set = json!({
            "metadata": {"uid": "u", "generation": 3}, "status": {"observedGeneration": 3, "updateRevision": "new"},
        });
        stuck(&set, pods).into_iter().filter_map(|pod| pod["metadata"]["name"].as_str()).collect()
    }

    #[test]
    fn a_pod_of_an_old_template_is_stuck_only_where_nothing_else_is_on_its_way() {
        let old = |name: &str| pod(name, "old", false);
        assert_eq!(names(&[pod("a-0", "new", true), old("a-1")]), ["a-1"], "a set that was set back");
        assert_eq!(names(&[old("a-0"), old("a-1")]), ["a-0", "a-1"]);
        assert_eq!(names(&[pod("a-0", "old", true), pod("a-1", "new", true)]), [""; 0]);
        assert_eq!(names(&[old("a-0"), pod("a-1", "new", false)]), [""; 0], "the new one starts, or is broken");
        let mut going = pod("a-1", "old", true);
        going["metadata"]["deletionTimestamp"] = "2026-11-20T10:00:00Z".into();
        assert_eq!(names(&[old("a-0"), going]), [""; 0], "another one goes");
        let mut another = pod("b-0", "new", false);
        another["metadata"]["ownerReferences"][0]["uid"] = "v".into();
        assert_eq!(names(&[another, old("a-1")]), ["a-1"], "another set's");
    }

    #[test]
    fn nothing_is_stuck_in_what_the_controller_has_not_seen() {
        let set = json!({
            "metadata": {"uid": "u", "generation": 4}, "status": {"observedGeneration": 3, "updateRevision": "bad"},
        });
        assert!(stuck(&set, &[pod("a-0", "old", false)]).is_empty());
    }

    #[test]
    fn only_the_last_goes_and_only_when_it_was_stuck_all_the_time() {
        let (one, two) = (pod("a-0", "old", false), pod("a-1", "old", false));
        let mut unblock = Unblock::default();
        let begin = Instant::now();
        let name = |pod: Option<&Value>| pod.map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned());
        let mut at =
            |stuck: &[&Value], seconds: u64| name(unblock.overdue(stuck, begin + Duration::from_secs(seconds)));
        assert_eq!(at(&[&one, &two], 0), None);
        assert_eq!(at(&[&one, &two], 4), None);
        assert_eq!(at(&[&one, &two], 5), Some("a-1".to_owned()));
        assert_eq!(at(&[], 6), None, "both recovered");
        assert_eq!(at(&[&one], 7), None, "it flaps");
        assert_eq!(at(&[&one], 12), Some("a-0".to_owned()));
    }
}
