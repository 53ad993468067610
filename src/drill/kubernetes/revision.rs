//! ControllerRevisions: what StatefulSets and DaemonSets remember their templates by.

use serde_json::{Value, json};

use super::resource::{Key, Resource};
use super::store::{Store, letters, number, owner};

/// The label that says which revision a pod is of.
pub(super) const LABEL: &str = "controller-revision-hash";

/// The revision of a workload's template: made where there is none, given the newest number where it was used before.
pub(super) fn current(store: &mut Store, workload: &Value, key: &Key) -> Key {
    let mut template = workload["spec"]["template"].clone();
    template["$patch"] = json!("replace");
    let data = json!({"spec": {"template": template}});
    let kept = store.owned(Resource::ControllerRevisions, workload);
    let revision = |store: &Store, key: &Key| store.get(key).map_or(0, |revision| number(revision, "/revision"));
    let last = kept.iter().map(|key| revision(store, key)).max().unwrap_or(0);
    if let Some(same) = kept.iter().find(|key| store.get(key).is_some_and(|revision| revision["data"] == data)) {
        if revision(store, same) < last {
            store.change(same, |revision| revision["revision"] = json!(last + 1));
        }
        return same.clone();
    }
    let hash = letters(data.to_string().as_bytes(), 10);
    let own = Key::new(Resource::ControllerRevisions, &key.namespace, &format!("{}-{hash}", key.name));
    let mut labels = workload["spec"]["template"]["metadata"]["labels"].clone();
    let label = if key.resource == Resource::StatefulSets { "controller.kubernetes.io/hash" } else { LABEL };
    labels[label] = json!(hash);
    let metadata = json!({"labels": labels, "ownerReferences": owner(workload)});
    store.make(&own, json!({"metadata": metadata, "data": data, "revision": last + 1}));
    own
}

/// What a pod of a revision is labelled with: a StatefulSet's with its whole name, a DaemonSet's with its hash.
pub(super) fn label(workload: &Key, revision: &Key) -> String {
    if workload.resource == Resource::StatefulSets {
        return revision.name.clone();
    }
    revision.name.strip_prefix(&format!("{}-", workload.name)).unwrap_or(&revision.name).to_owned()
}

/// Removes the oldest revisions that are more than are to be kept. `live` are in use.
pub(super) fn tidy(store: &mut Store, workload: &Value, live: &[&str]) {
    let limit = usize::try_from(number(workload, "/spec/revisionHistoryLimit")).unwrap_or(usize::MAX);
    let mut old = store.owned(Resource::ControllerRevisions, workload);
    old.retain(|key| !live.contains(&key.name.as_str()));
    old.sort_by_key(|key| store.get(key).map_or(0, |revision| number(revision, "/revision")));
    for key in old.iter().take(old.len().saturating_sub(limit)) {
        store.remove(key);
    }
}
