//! Pods: how one is made of a template, and how far it comes.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::resource::{Key, Resource};
use super::store::{Store, owner, written};

/// What decides about the pods of one workload.
pub(super) struct Fate<'a> {
    /// Whether an image can be pulled.
    pub(super) pullable: &'a dyn Fn(&str) -> bool,
    /// Whether new pods ever start.
    pub(super) starts: bool,
    /// Whether only pods with its first images get ready.
    pub(super) ill: bool,
    /// Whether a quota lets no pod be made.
    pub(super) full: bool,
    /// The images that the workload ran when it was made.
    pub(super) first: &'a [String],
}

/// The images of a pod's containers, in their order.
pub(super) fn images(pod: &Value) -> Vec<String> {
    let containers = pod["containers"].as_array().into_iter().flatten();
    containers.filter_map(|container| Some(container["image"].as_str()?.to_owned())).collect()
}

/// A template whose images are named by their tags alone, where they have one: the same, whoever added digests.
pub(super) fn without_digests(template: &Value) -> Value {
    let mut template = template.clone();
    let containers = template.pointer_mut("/spec/containers").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        let image = container["image"].as_str().unwrap_or_default();
        container["image"] = json!(tagged(image));
    }
    template
}

/// An image without its digest, where it has a tag as well.
pub(in crate::drill) fn tagged(image: &str) -> &str {
    let is_tagged = |name: &&str| name.rsplit('/').next().is_some_and(|last| last.contains(':'));
    image.split_once('@').map(|(name, _)| name).filter(is_tagged).unwrap_or(image)
}

/// Makes the pod of a template.
pub(super) fn make(store: &mut Store, owned_by: &Value, template: &Value, name: &str, label: (&str, &str), node: &str) {
    let mut metadata = template["metadata"].clone();
    metadata["labels"][label.0] = json!(label.1);
    metadata["ownerReferences"] = owner(owned_by);
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.shift_remove("creationTimestamp");
    }
    let mut spec = template["spec"].clone();
    spec["nodeName"] = json!(node);
    let namespace = owned_by["metadata"]["namespace"].as_str().unwrap_or_default();
    let pod = json!({"metadata": metadata, "spec": spec, "status": {"phase": "Pending"}});
    store.make(&Key::new(Resource::Pods, namespace, name), pod);
}

pub(super) fn is_ready(store: &Store, pod: &Key) -> bool {
    store.get(pod).is_some_and(|pod| pod["status"]["conditions"][0]["status"] == "True")
}

pub(super) fn count_ready(store: &Store, pods: &[Key]) -> u64 {
    pods.iter().filter(|pod| is_ready(store, pod)).count() as u64
}

/// One small step of a pod: its containers are pulled and run, then it is ready, or it never is.
pub(super) fn advance(store: &mut Store, key: &Key, fate: &Fate) {
    let Some(pod) = store.get(key) else { return };
    let images = images(&pod["spec"]);
    let is_running = pod["status"]["phase"] == "Running";
    if is_ready(store, key) || !is_running && !fate.starts {
        return;
    }
    let missing = |image: &String| !(fate.pullable)(image);
    let status = if !is_running && images.iter().any(missing) {
        status(pod, store.now(), "Pending", false, &|image| {
            if (fate.pullable)(image) {
                json!({"waiting": {"reason": "ContainerCreating"}})
            } else {
                json!({"waiting": {"reason": "ImagePullBackOff", "message": format!("Back-off pulling image {image:?}")}})
            }
        })
    } else {
        let is_first = || images.iter().map(|image| tagged(image)).eq(fate.first.iter().map(|image| tagged(image)));
        let is_ready = is_running && (!fate.ill || is_first());
        status(pod, store.now(), "Running", is_ready, &|_| json!({"running": {}}))
    };
    store.change(key, |pod| pod["status"] = status);
}

/// The status of a pod, whose containers are all in the state that `state` gives for their images.
fn status(pod: &Value, now: DateTime<Utc>, phase: &str, is_ready: bool, state: &dyn Fn(&str) -> Value) -> Value {
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let names: Vec<&str> = containers.clone().filter_map(|container| container["name"].as_str()).collect();
    let statuses: Vec<Value> = containers
        .map(|container| {
            json!({
                "name": container["name"], "image": container["image"], "imageID": "", "ready": is_ready,
                "started": phase == "Running", "restartCount": 0,
                "state": state(container["image"].as_str().unwrap_or_default()),
            })
        })
        .collect();
    let mut condition = json!({"type": "Ready", "status": if is_ready { "True" } else { "False" }});
    condition["lastTransitionTime"] = match &pod["status"]["conditions"][0] {
        before if before["status"] == condition["status"] => before["lastTransitionTime"].clone(),
        _ => json!(written(now)),
    };
    if !is_ready {
        condition["reason"] = json!("ContainersNotReady");
        condition["message"] = json!(format!("containers with unready status: [{}]", names.join(" ")));
    }
    json!({"phase": phase, "conditions": [condition], "containerStatuses": statuses})
}
