//! What runs images in the namespace and cannot be set: pods of a job under way, bare pods, those of other controllers.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::Value;

use super::Kubernetes;
use super::workload::containers_in;
use crate::platform::image::WrittenImage;
use crate::platform::{Apart, Application};

/// Each of these, with the images of its pods that have not ended.
pub(super) async fn of(kubernetes: &Kubernetes) -> anyhow::Result<Vec<Application>> {
    let namespace = &kubernetes.namespace;
    let pods = kubernetes.client.list(&format!("/api/v1/namespaces/{namespace}/pods")).await;
    let pods = pods.with_context(|| format!("failed to list the pods at {}", kubernetes.address))?;
    let is_of_a_set = |pod: &Value| owner(pod).is_some_and(|owner| owner.kind == "ReplicaSet");
    let sets = if pods.iter().any(is_of_a_set) {
        let path = format!("/apis/apps/v1/namespaces/{namespace}/replicasets");
        kubernetes
            .client
            .list(&path)
            .await
            .with_context(|| format!("failed to list the replicasets at {}", kubernetes.address))?
    } else {
        Vec::new()
    };
    Ok(found(namespace, &pods, &sets))
}

fn found(namespace: &str, pods: &[Value], sets: &[Value]) -> Vec<Application> {
    let mut found: BTreeMap<(String, String), Vec<WrittenImage>> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| !has_ended(pod)) {
        let Some(controller) = controller(pod, sets) else { continue };
        let images = found.entry(controller).or_default();
        for container in containers_in(&pod["spec"], "") {
            if !images.contains(&container.image) {
                images.push(container.image);
            }
        }
    }
    let application = |((kind, name), images): ((String, String), Vec<WrittenImage>)| {
        let why = match kind.as_str() {
            "Pod" => "a pod of its own, whose image cannot be set".to_owned(),
            "Job" => "a job under way, which keeps its image".to_owned(),
            kind => format!("a {kind}, which is not set by this program"),
        };
        let service = format!("{}/{name}", kind.to_lowercase());
        let (id, apart) = (format!("{namespace}/{service}"), Some(Apart::Fixed(why)));
        Application { id, service, images, apart, ..Application::default() }
    };
    found.into_iter().map(application).collect()
}

/// Kind and name of what keeps a pod; none where that is one of the workloads that are set.
fn controller(pod: &Value, sets: &[Value]) -> Option<(String, String)> {
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let Some(mut owner) = owner(pod) else { return Some(("Pod".to_owned(), name(pod))) };
    if owner.kind == "ReplicaSet" {
        // One that is gone meanwhile was a Deployment's, most likely.
        let set = sets.iter().find(|set| set["metadata"]["uid"] == owner.uid.as_str())?;
        owner = self::owner(set).unwrap_or(owner);
    }
    let is_set = owner.is_of("apps", &["Deployment", "StatefulSet", "DaemonSet"]);
    (!is_set).then_some((owner.kind, owner.name))
}

pub(super) struct Owner {
    group: String,
    pub(super) kind: String,
    pub(super) name: String,
    uid: String,
}

impl Owner {
    fn is_of(&self, group: &str, kinds: &[&str]) -> bool {
        self.group == group && kinds.contains(&self.kind.as_str())
    }
}

/// What controls an object.
pub(super) fn owner(object: &Value) -> Option<Owner> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    let text = |name: &str| owner[name].as_str().unwrap_or_default().to_owned();
    let group = text("apiVersion").split_once('/').map_or(String::new(), |(group, _)| group.to_owned());
    Some(Owner { group, kind: text("kind"), name: text("name"), uid: text("uid") })
}

fn has_ended(pod: &Value) -> bool {
    pod["status"]["phase"] == "Succeeded" || pod["status"]["phase"] == "Failed"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, phase: &str, owner: &Value, image: &str) -> Value {
        json!({
            "metadata": {"name": name, "uid": name, "ownerReferences": owner}, "status": {"phase": phase},
            "spec": {"containers": [{"name": "app", "image": image}], "initContainers": [{"name": "wait", "image": "busy:1"}]},
        })
    }

    fn by(version: &str, kind: &str, name: &str) -> Value {
        json!([{"apiVersion": version, "kind": kind, "name": name, "uid": name, "controller": true}])
    }

    #[test]
    fn what_is_set_by_its_workload_or_has_ended_is_none_of_these() {
        let set = |name: &str, owner: Value| json!({"metadata": {"name": name, "uid": name, "ownerReferences": owner}});
        let sets = [
            set("billing-5d4f", by("apps/v1", "Deployment", "billing")),
            set("web-77", by("argoproj.io/v1alpha1", "Rollout", "web")),
            set("lone", Value::Null),
        ];
        let job = by("batch/v1", "Job", "report-7");
        let pods = [
            pod("billing-5d4f-a", "Running", &by("apps/v1", "ReplicaSet", "billing-5d4f"), "r/billing:2"),
            pod("users-0", "Running", &by("apps/v1", "StatefulSet", "users"), "r/users:2"),
            pod("report-6-a", "Succeeded", &by("batch/v1", "Job", "report-6"), "r/billing:1"),
            pod("report-7-a", "Running", &job, "r/billing:1"),
            pod("report-7-b", "Pending", &job, "r/billing:2"),
            pod("web-77-a", "Running", &by("apps/v1", "ReplicaSet", "web-77"), "r/web:2"),
            pod("lone-a", "Running", &by("apps/v1", "ReplicaSet", "lone"), "r/web:3"),
            pod("gone-a", "Running", &by("apps/v1", "ReplicaSet", "gone"), "r/web:3"),
            pod("debug", "Running", &Value::Null, "r/web:9"),
        ];
        let told: Vec<_> = found("dev", &pods, &sets)
            .into_iter()
            .map(|one| {
                (one.id, one.images.join(" "), one.apart.map(|apart| apart.why().to_owned()).unwrap_or_default())
            })
            .collect();
        let expected = [
            ("dev/job/report-7", "r/billing:1 busy:1 r/billing:2", "a job under way, which keeps its image"),
            ("dev/pod/debug", "r/web:9 busy:1", "a pod of its own, whose image cannot be set"),
            ("dev/replicaset/lone", "r/web:3 busy:1", "a ReplicaSet, which is not set by this program"),
            ("dev/rollout/web", "r/web:2 busy:1", "a Rollout, which is not set by this program"),
        ];
        assert_eq!(told, expected.map(|(id, images, why)| (id.to_owned(), images.to_owned(), why.to_owned())));
    }
}
