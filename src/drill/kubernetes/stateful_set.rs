//! What the controller of StatefulSets does: pods with numbers, made in their order, replaced one after another from the
//! highest number down.
//!
//! With the policy `OrderedReady` nothing moves while a pod is not ready. So a template that never gets ready is not
//! taken back by setting the old one again: its pod has to be deleted as well, as with the real one.

use serde_json::{Value, json};

use super::pods::{self, Fate};
use super::resource::{Key, Resource};
use super::revision;
use super::store::{Store, number};

/// One small step. True when all is as it is to be, and said so.
pub(super) fn step(store: &mut Store, key: &Key, fate: &Fate) -> bool {
    let Some(set) = store.get(key).cloned() else { return true };
    let update = revision::current(store, &set, key);
    let current = match set["status"]["currentRevision"].as_str() {
        Some(name) => Key { name: name.to_owned(), ..update.clone() },
        None => update.clone(),
    };
    for pod in store.owned(Resource::Pods, &set) {
        pods::advance(store, &pod, fate);
    }
    move_on(store, &set, key, &update, &current, fate);

    let pods = store.owned(Resource::Pods, &set);
    let of = |revision: &Key| pods.iter().filter(|pod| is_of(store, pod, revision)).count() as u64;
    let (updated, ready, wanted) = (of(&update), pods::count_ready(store, &pods), number(&set, "/spec/replicas"));
    let is_complete = [pods.len() as u64, updated, ready] == [wanted; 3];
    let now = if is_complete { &update } else { &current };
    let mut status = json!({
        "observedGeneration": set["metadata"]["generation"], "replicas": pods.len(), "availableReplicas": ready,
        "currentRevision": now.name, "updateRevision": update.name, "collisionCount": 0,
    });
    for (name, count) in [("readyReplicas", ready), ("currentReplicas", of(now)), ("updatedReplicas", updated)] {
        if count > 0 {
            status[name] = json!(count);
        }
    }
    let is_same = set["status"] == status;
    store.change(key, |set| set["status"] = status);
    if is_complete {
        revision::tidy(store, &set, &[&update.name, &now.name]);
    }
    is_complete && is_same
}

fn is_of(store: &Store, pod: &Key, revision: &Key) -> bool {
    store.get(pod).is_some_and(|pod| pod["metadata"]["labels"][revision::LABEL] == revision.name.as_str())
}

/// Makes one pod that is missing, or takes one away, or waits.
fn move_on(store: &mut Store, set: &Value, key: &Key, update: &Key, current: &Key, fate: &Fate) {
    let wanted = number(set, "/spec/replicas");
    let in_order = set["spec"]["podManagementPolicy"] != "Parallel";
    let pod = |ordinal: u64| Key::new(Resource::Pods, &key.namespace, &format!("{}-{ordinal}", key.name));
    // Below the partition the pods stay with the revision that they had.
    let from = number(set, "/spec/updateStrategy/rollingUpdate/partition");
    for ordinal in 0..wanted {
        let pod = pod(ordinal);
        if store.get(&pod).is_none() {
            if fate.full {
                return;
            }
            let revision = if ordinal < from { current } else { update };
            let template = store.get(revision).map(|revision| revision["data"]["spec"]["template"].clone());
            let mut template = template.unwrap_or_else(|| set["spec"]["template"].clone());
            template.as_object_mut().map(|template| template.shift_remove("$patch"));
            let node = format!("node-{}", ordinal % 3 + 1);
            let label = revision::label(key, revision);
            pods::make(store, set, &template, &pod.name, (revision::LABEL, &label), &node);
            if in_order {
                return;
            }
        } else if in_order && !pods::is_ready(store, &pod) {
            return;
        }
    }
    let pods = store.owned(Resource::Pods, set);
    let ordinal = |key: &Key| key.name.rsplit('-').next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
    if let Some(surplus) = pods.iter().filter(|key| ordinal(key) >= wanted).max_by_key(|key| ordinal(key)) {
        store.remove(surplus);
        return;
    }
    if set["spec"]["updateStrategy"]["type"] == "OnDelete" {
        return;
    }
    for ordinal in (from..wanted).rev() {
        let pod = pod(ordinal);
        if !is_of(store, &pod, update) {
            store.remove(&pod);
            return;
        }
        if !pods::is_ready(store, &pod) {
            return;
        }
    }
}
