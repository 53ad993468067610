//! What the controller of ReplicaSets does: as many pods as are wanted, and a status that counts them.

use serde_json::{Value, json};

use super::pods::{self, Fate};
use super::resource::{Key, Resource};
use super::store::{Store, number, written};

/// The pods of a ReplicaSet: how many are wanted, are there, are ready.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) wanted: u64,
    pub(super) pods: u64,
    pub(super) ready: u64,
}

/// The counts as the status says them.
pub(super) fn counts(store: &Store, set: &Key) -> Counts {
    let Some(set) = store.get(set) else { return Counts::default() };
    Counts {
        wanted: number(set, "/spec/replicas"),
        pods: number(set, "/status/replicas"),
        ready: number(set, "/status/readyReplicas"),
    }
}

/// The condition that says that no pod could be made.
pub(super) fn failure(store: &Store, set: &Key) -> Option<Value> {
    let conditions = store.get(set)?["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == "ReplicaFailure").cloned()
}

/// One small step: its pods come on, some are made or go away, and the status is written.
pub(super) fn step(store: &mut Store, key: &Key, fate: &Fate) {
    let Some(set) = store.get(key).cloned() else { return };
    let mut pods = store.owned(Resource::Pods, &set);
    for pod in &pods {
        pods::advance(store, pod, fate);
    }
    let wanted = usize::try_from(number(&set, "/spec/replicas")).unwrap_or(usize::MAX);
    if pods.len() > wanted {
        // Those that are not ready go first.
        pods.sort_by_key(|pod| pods::is_ready(store, pod));
        for pod in pods.iter().take(pods.len() - wanted) {
            store.remove(pod);
        }
    }
    let is_short = pods.len() < wanted;
    if is_short && !fate.full {
        let hash = set["metadata"]["labels"]["pod-template-hash"].as_str().unwrap_or_default().to_owned();
        for place in pods.len()..wanted {
            let name = format!("{}-{}", key.name, store.suffix());
            let node = format!("node-{}", place % 3 + 1);
            pods::make(store, &set, &set["spec"]["template"], &name, ("pod-template-hash", &hash), &node);
        }
    }
    let pods = store.owned(Resource::Pods, &set);
    let ready = pods::count_ready(store, &pods);
    let mut status = json!({"replicas": pods.len(), "observedGeneration": set["metadata"]["generation"]});
    for (name, count) in
        [("fullyLabeledReplicas", pods.len() as u64), ("readyReplicas", ready), ("availableReplicas", ready)]
    {
        if count > 0 {
            status[name] = json!(count);
        }
    }
    if is_short && fate.full {
        let kept = failure(store, key);
        let message = format!(
            "pods \"{}-\" is forbidden: exceeded quota: drill, requested: pods=1, used: pods={count}, limited: pods={count}",
            key.name,
            count = pods.len()
        );
        let new = json!({
            "type": "ReplicaFailure", "status": "True", "lastTransitionTime": written(store.now()),
            "reason": "FailedCreate", "message": message,
        });
        status["conditions"] = json!([kept.unwrap_or(new)]);
    }
    store.change(key, |set| set["status"] = status);
}
