//! The cluster: its objects, what is under way, and the faults that meet it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};

use super::Pulls;
use super::pods::{Fate, images, without_digests};
use super::resource::{Key, Resource};
use super::store::{Store, written};
use super::{daemon_set, deployment, stateful_set};
use crate::drill::faults::{Fault, Faults, is_of};

/// How often somebody else renews a Lease.
const RENEWED: Duration = Duration::from_millis(200);

/// The roll-out of one workload.
#[derive(Debug, Clone, Default)]
pub(super) struct Rollout {
    /// The images that it ran when it was made: the ones that a fault leaves healthy.
    first: Vec<String>,
    /// The template that it had when a fault made its roll-out hang: going back there ends it.
    hangs_since: Option<Value>,
    /// Small steps without any progress.
    pub(super) idle: u32,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) store: Store,
    pub(super) faults: Faults,
    rollouts: BTreeMap<Key, Rollout>,
    /// Workloads that are not as they are to be.
    restless: BTreeSet<Key>,
    /// Leases that somebody else holds, as ordered, each until when.
    foreign: Vec<(Key, Option<Instant>)>,
    /// When those were renewed.
    renewed: Option<Instant>,
    pace: Duration,
    /// What could be pulled, for who adds digests.
    pulls: Pulls,
}

impl World {
    pub(super) fn new(faults: &Faults, pace: Duration, pulls: Pulls) -> Self {
        let (rollouts, restless, foreign) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        Self {
            store: Store::default(),
            faults: faults.clone(),
            rollouts,
            restless,
            foreign,
            renewed: None,
            pace,
            pulls,
        }
    }

    /// A workload was made, changed, or lost a pod: its controller has to look.
    pub(super) fn wake(&mut self, key: &Key) {
        if let Some(object) = self.store.get(key).filter(|_| key.resource.rolls_out()) {
            let first = images(&object["spec"]["template"]["spec"]);
            self.rollouts.entry(key.clone()).or_insert_with(|| Rollout { first, ..Rollout::default() });
            self.restless.insert(key.clone());
        }
    }

    /// A workload got another template.
    pub(super) fn template_changed(&mut self, key: &Key, before: &Value, after: &Value) {
        let Some(rollout) = self.rollouts.get_mut(key) else { return };
        rollout.idle = 0;
        if rollout.hangs_since.as_ref() == Some(&without_digests(after)) {
            // It goes back: that one is not counted, and ends.
            rollout.hangs_since = None;
            return;
        }
        let hang = |fault: &Fault| matches!(fault, Fault::Hang { .. }).then_some(());
        if rollout.hangs_since.is_none() && self.faults.spend(hang).is_some() {
            rollout.hangs_since = Some(without_digests(before));
        }
    }

    /// Forgets a workload.
    pub(super) fn forget(&mut self, key: &Key) {
        self.rollouts.remove(key);
        self.restless.remove(key);
    }

    /// Lets all that is restless come up, at once.
    pub(super) fn advance(&mut self, pullable: &dyn Fn(&str) -> bool) {
        while !self.restless.is_empty() {
            self.tick(Instant::now(), pullable);
        }
    }

    /// What a workload runs now is what a fault leaves healthy.
    pub(super) fn is_well_as_it_is(&mut self, key: &Key) {
        if let (Some(object), Some(rollout)) = (self.store.get(key), self.rollouts.get_mut(key)) {
            rollout.first = images(&object["spec"]["template"]["spec"]);
        }
    }

    /// Moves everything on by one small step.
    pub(super) fn tick(&mut self, now: Instant, pullable: &dyn Fn(&str) -> bool) {
        let over = |until: &Option<Instant>| until.is_some_and(|until| now >= until);
        for (key, _) in self.foreign.extract_if(.., |(_, until)| over(until)) {
            self.store.remove(&key);
        }
        // Whoever holds a Lease renews it: one that nobody renews may be taken.
        if !self.foreign.is_empty() && self.renewed.is_none_or(|last| now - last >= RENEWED) {
            self.renewed = Some(now);
            let at = json!(Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true));
            for (key, _) in &self.foreign {
                self.store.change(key, |lease| lease["spec"]["renewTime"] = at.clone());
            }
        }
        for key in self.restless.clone() {
            let (Some(object), Some(rollout)) = (self.store.get(&key).cloned(), self.rollouts.get_mut(&key)) else {
                self.restless.remove(&key);
                continue;
            };
            let meets = |service: &str| is_of(service, &key.id());
            let fate = Fate {
                pullable,
                starts: rollout.hangs_since.is_none(),
                first: &rollout.first,
                ill: self.faults.any(|fault| matches!(fault, Fault::Unhealthy { service } if meets(service))),
                full: self.faults.any(|fault| matches!(fault, Fault::Quota { service } if meets(service))),
            };
            let deadline = deadline(&object, self.pace);
            rollout.idle = rollout.idle.saturating_add(1);
            let is_at_rest = match key.resource {
                Resource::Deployments => deployment::step(&mut self.store, &key, &fate, &mut rollout.idle, deadline),
                Resource::StatefulSets => stateful_set::step(&mut self.store, &key, &fate),
                _ => daemon_set::step(&mut self.store, &key, &fate),
            };
            if is_at_rest {
                self.restless.remove(&key);
            }
        }
    }

    /// After a request read these objects: somebody else changes those of them that a fault names, if this was the last
    /// read before that.
    pub(super) fn was_read(&mut self, keys: &[Key]) {
        let read =
            |service: &str| keys.iter().filter(|key| key.resource.is_workload()).find(|key| is_of(service, &key.id()));
        let change = |fault: &Fault| match fault {
            Fault::Change { service, reads } if read(service).is_some() => Some((service.clone(), *reads)),
            _ => None,
        };
        let Some((service, 1)) = self.faults.spend(change) else { return };
        for key in keys.iter().filter(|key| key.resource.is_workload() && is_of(&service, &key.id())) {
            self.store.change(key, |object| object["metadata"]["labels"]["changed-by"] = json!("somebody-else"));
        }
    }

    /// A webhook adds its digest to every image of a workload that has none and can be pulled, if a fault says so.
    pub(super) fn pin_as_ordered(&self, key: &Key, object: &mut Value) {
        if !key.resource.is_workload() || !self.faults.any(|fault| *fault == Fault::Digests) {
            return;
        }
        for list in ["containers", "initContainers"] {
            let containers = object.pointer_mut(&format!("/spec/template/spec/{list}")).and_then(Value::as_array_mut);
            for container in containers.into_iter().flatten() {
                let image = container["image"].as_str().unwrap_or_default();
                if let Some(digest) = self.pulls.0(image).filter(|_| !image.contains('@')) {
                    container["image"] = json!(format!("{image}@{digest}"));
                }
            }
        }
    }

    /// Before a Lease is written: somebody else has it just now, if a fault says so for a service of its namespace.
    pub(super) fn lock_as_ordered(&mut self, key: &Key) {
        let store = &self.store;
        let lives_here = |service: &str| {
            let mut workloads = Resource::ALL
                .into_iter()
                .filter(|resource| resource.is_workload())
                .flat_map(|resource| store.list(resource, &key.namespace));
            workloads.any(|(workload, _)| is_of(service, &workload.id()))
        };
        let lock = |fault: &Fault| match fault {
            Fault::Lock { service, milliseconds } if lives_here(service) => Some(*milliseconds),
            _ => None,
        };
        let Some(milliseconds) = self.faults.spend(lock) else { return };
        let at = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
        let spec = json!({
            "holderIdentity": "somebody-else", "acquireTime": at, "renewTime": at, "leaseDurationSeconds": 15,
            "leaseTransitions": 0,
        });
        // As another operator of this toolkit would hold it.
        let said = json!({"firebreak/who": "somebody else", "firebreak/since": written(Utc::now())});
        let lease = self.store.draft(key, json!({"metadata": {"annotations": said}, "spec": spec}));
        self.store.insert(key, lease);
        self.foreign.push((key.clone(), milliseconds.map(|time| Instant::now() + Duration::from_millis(time))));
    }
}

/// How many small steps a roll-out may go without progress. None: for ever. Counted in steps, not by the clock, so that
/// a machine that stands still for a while fails no roll-out.
fn deadline(object: &Value, pace: Duration) -> Option<u32> {
    let seconds = object["spec"]["progressDeadlineSeconds"].as_u64()?;
    let steps = Duration::from_secs(seconds).as_micros() / pace.as_micros().max(1);
    Some(u32::try_from(steps).unwrap_or(u32::MAX))
}
