//! What the controller of DaemonSets does: a pod on each node, replaced a few at a time.

use serde_json::json;

use super::deployment::share;
use super::pods::{self, Fate};
use super::resource::{Key, Resource};
use super::revision;
use super::store::Store;

/// The nodes of the cluster.
pub(super) const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

/// One small step. True when all is as it is to be, and said so.
pub(super) fn step(store: &mut Store, key: &Key, fate: &Fate) -> bool {
    let Some(set) = store.get(key).cloned() else { return true };
    let current = revision::current(store, &set, key);
    let label = revision::label(key, &current);
    let pods = store.owned(Resource::Pods, &set);
    for pod in &pods {
        pods::advance(store, pod, fate);
    }
    let is_new = |store: &Store, pod: &Key| {
        store.get(pod).is_some_and(|pod| pod["metadata"]["labels"][revision::LABEL] == label.as_str())
    };
    let is_on =
        |store: &Store, pod: &Key, node: &str| store.get(pod).is_some_and(|pod| pod["spec"]["nodeName"] == node);
    let missing: Vec<&str> = NODES.into_iter().filter(|node| !pods.iter().any(|pod| is_on(store, pod, node))).collect();
    if !fate.full {
        for node in &missing {
            let name = format!("{}-{}", key.name, store.suffix());
            pods::make(store, &set, &set["spec"]["template"], &name, (revision::LABEL, &label), node);
        }
    }
    if set["spec"]["updateStrategy"]["type"] != "OnDelete" {
        let bound = &set["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"];
        let most = usize::try_from(share(bound, NODES.len() as u64, true)).unwrap_or(1).max(1);
        let down = missing.len() + pods.iter().filter(|pod| is_new(store, pod) && !pods::is_ready(store, pod)).count();
        // Old pods that do not run anyway go at once; the others as far as so many may be missing.
        let (ready, ill): (Vec<&Key>, Vec<&Key>) =
            pods.iter().filter(|pod| !is_new(store, pod)).partition(|pod| pods::is_ready(store, pod));
        let may_go = most.saturating_sub(down + ill.len());
        for pod in ill.into_iter().chain(ready.into_iter().take(may_go)) {
            store.remove(pod);
        }
    }
    let pods = store.owned(Resource::Pods, &set);
    let (updated, ready) = (pods.iter().filter(|pod| is_new(store, pod)).count(), pods::count_ready(store, &pods));
    let mut status = json!({
        "currentNumberScheduled": pods.len(), "numberMisscheduled": 0, "desiredNumberScheduled": NODES.len(),
        "numberReady": ready, "observedGeneration": set["metadata"]["generation"],
    });
    let wanted = NODES.len() as u64;
    for (name, count) in [
        ("updatedNumberScheduled", updated as u64),
        ("numberAvailable", ready),
        ("numberUnavailable", wanted.saturating_sub(ready)),
    ] {
        if count > 0 {
            status[name] = json!(count);
        }
    }
    let is_complete = [pods.len() as u64, updated as u64, ready] == [wanted; 3];
    let is_same = set["status"] == status;
    store.change(key, |set| set["status"] = status);
    if is_complete {
        revision::tidy(store, &set, &[&current.name]);
    }
    is_complete && is_same
}
