//! What the controllers of Deployments and ReplicaSets do, in small steps: a ReplicaSet for each pod template, the old
//! ones scaled down as the new one gets ready, and a status that says how far that is.

use serde_json::{Value, json};

use super::pods::Fate;
use super::replica_set::{self, Counts};
use super::resource::{Key, Resource};
use super::status::{RolloutStatus, conditions};
use super::store::{Store, letters, number, owner};

const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
const HASH: &str = "pod-template-hash";

/// One small step. True when all is as the Deployment wants it, and said so.
pub(super) fn step(store: &mut Store, key: &Key, fate: &Fate, idle: &mut u32, deadline: Option<u32>) -> bool {
    let Some(deployment) = store.get(key).cloned() else { return true };
    let mut sets = sets(store, &deployment);
    for set in &sets {
        replica_set::step(store, set, fate);
    }
    let is_paused = deployment["spec"]["paused"] == true;
    let mut told = None;
    let mut new = sets.iter().position(|set| is_of(store, set, &deployment));
    if !is_paused {
        if let Some(place) = new {
            told = reuse(store, &deployment, key, &sets, place);
        } else {
            sets.push(begin(store, &deployment, key, &sets));
            new = Some(sets.len() - 1);
            told = Some("NewReplicaSetCreated");
        }
    }
    let current = new.map(|place| sets.remove(place));
    let counts = |set: &Key| replica_set::counts(store, set);
    let new_counts = current.as_ref().map(counts).unwrap_or_default();
    let old_counts: Vec<(Key, Counts)> = sets.iter().map(|set| (set.clone(), counts(set))).collect();
    let plan = Plan::of(&deployment["spec"], new_counts, old_counts.iter().map(|(_, counts)| *counts).collect());
    let scaled = plan.next(is_paused);
    for ((set, counts), wanted) in old_counts.iter().zip(&scaled.old) {
        if counts.wanted != *wanted {
            store.change_spec(set, "replicas", json!(wanted));
        }
    }
    if let Some(set) = &current
        && new_counts.wanted != scaled.new
    {
        store.change_spec(set, "replicas", json!(scaled.new));
    }
    let seen = Seen { new: current.as_ref(), old: &sets, told, is_paused, deadline };
    report(store, key, &seen, idle)
}

/// The ReplicaSets of a Deployment, the oldest first.
fn sets(store: &Store, deployment: &Value) -> Vec<Key> {
    let mut sets = store.owned(Resource::ReplicaSets, deployment);
    sets.sort_by_key(|set| store.get(set).map(|set| (set["metadata"]["creationTimestamp"].to_string(), revision(set))));
    sets
}

fn revision(object: &Value) -> u64 {
    object["metadata"]["annotations"][REVISION].as_str().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Whether a ReplicaSet is that of the Deployment's template.
fn is_of(store: &Store, set: &Key, deployment: &Value) -> bool {
    let Some(set) = store.get(set) else { return false };
    let mut template = set["spec"]["template"].clone();
    template["metadata"]["labels"].as_object_mut().map(|labels| labels.shift_remove(HASH));
    template == deployment["spec"]["template"]
}

/// Makes the ReplicaSet of a template that never was.
fn begin(store: &mut Store, deployment: &Value, key: &Key, sets: &[Key]) -> Key {
    let last = sets.iter().filter_map(|set| store.get(set)).map(revision).max().unwrap_or(0);
    let mut template = deployment["spec"]["template"].clone();
    let hash = letters(template.to_string().as_bytes(), 10);
    template["metadata"]["labels"][HASH] = json!(hash);
    let mut selector = deployment["spec"]["selector"].clone();
    selector["matchLabels"][HASH] = json!(hash);
    let set = Key::new(Resource::ReplicaSets, &key.namespace, &format!("{}-{hash}", key.name));
    let made = json!({
        "metadata": {
            "labels": template["metadata"]["labels"], "annotations": annotations(deployment, last + 1),
            "ownerReferences": owner(deployment),
        },
        "spec": {"replicas": 0, "selector": selector, "template": template},
        "status": {"replicas": 0},
    });
    store.make(&set, made);
    note(store, key, last + 1);
    set
}

/// Takes the ReplicaSet of a template that was there before: it gets the newest number, and keeps its old ones.
fn reuse(store: &mut Store, deployment: &Value, key: &Key, sets: &[Key], place: usize) -> Option<&'static str> {
    let numbers: Vec<u64> = sets.iter().map(|set| store.get(set).map_or(0, revision)).collect();
    let (own, last) = (numbers[place], numbers.iter().copied().max().unwrap_or(0));
    if own == last {
        return None;
    }
    store.change(&sets[place], |set| {
        let kept = &set["metadata"]["annotations"][HISTORY];
        let history = kept.as_str().map_or_else(|| own.to_string(), |kept| format!("{kept},{own}"));
        set["metadata"]["annotations"] = annotations(deployment, last + 1);
        set["metadata"]["annotations"][HISTORY] = json!(history);
    });
    note(store, key, last + 1);
    Some("FoundNewReplicaSet")
}

/// What a ReplicaSet is annotated with: what its Deployment is, and its number.
fn annotations(deployment: &Value, revision: u64) -> Value {
    let mut annotations = deployment["metadata"]["annotations"].clone();
    annotations[REVISION] = json!(revision.to_string());
    annotations["deployment.kubernetes.io/desired-replicas"] = json!(number(deployment, "/spec/replicas").to_string());
    let surge = Bounds::of(&deployment["spec"]).surge;
    annotations["deployment.kubernetes.io/max-replicas"] =
        json!((number(deployment, "/spec/replicas") + surge).to_string());
    annotations
}

/// Writes the number into the Deployment, as the real one does: with its status, so that no generation goes up.
fn note(store: &mut Store, key: &Key, revision: u64) {
    store.change(key, |deployment| deployment["metadata"]["annotations"][REVISION] = json!(revision.to_string()));
}

/// How far a roll-out may go from what is wanted, in pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) surge: u64,
    pub(super) unavailable: u64,
}

impl Bounds {
    fn of(spec: &Value) -> Self {
        let wanted = spec["replicas"].as_u64().unwrap_or(0);
        let rolling = &spec["strategy"]["rollingUpdate"];
        let surge = share(&rolling["maxSurge"], wanted, true);
        let unavailable = share(&rolling["maxUnavailable"], wanted, false);
        // Where none may be missing and none may be more, nothing could ever move: one may be missing.
        if surge == 0 && unavailable == 0 { Self { surge, unavailable: 1 } } else { Self { surge, unavailable } }
    }
}

/// A number of pods, or a share of them in percent.
pub(super) fn share(value: &Value, of: u64, up: bool) -> u64 {
    let percent = value.as_str().and_then(|text| text.strip_suffix('%')?.parse::<u64>().ok());
    match percent {
        Some(percent) if up => (of * percent).div_ceil(100),
        Some(percent) => of * percent / 100,
        None => value.as_u64().unwrap_or(0),
    }
}

/// What a Deployment has, and wants.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) wanted: u64,
    pub(super) recreate: bool,
    pub(super) bounds: Bounds,
    pub(super) new: Counts,
    /// The oldest first.
    pub(super) old: Vec<Counts>,
}

/// The numbers of replicas that the ReplicaSets are to have next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scaled {
    pub(super) new: u64,
    pub(super) old: Vec<u64>,
}

impl Plan {
    fn of(spec: &Value, new: Counts, old: Vec<Counts>) -> Self {
        let wanted = spec["replicas"].as_u64().unwrap_or(0);
        Self { wanted, recreate: spec["strategy"]["type"] == "Recreate", bounds: Bounds::of(spec), new, old }
    }

    /// One small step of a roll-out.
    pub(super) fn next(&self, is_paused: bool) -> Scaled {
        let mut scaled = Scaled { new: self.new.wanted, old: self.old.iter().map(|set| set.wanted).collect() };
        let all: u64 = self.new.wanted + scaled.old.iter().sum::<u64>();
        if is_paused {
            return scaled;
        }
        if self.recreate {
            let still_there: u64 = self.old.iter().map(|set| set.pods).sum();
            scaled.old.fill(0);
            if still_there == 0 {
                scaled.new = self.wanted;
            }
            return scaled;
        }
        if self.new.wanted > self.wanted {
            scaled.new = self.wanted;
            return scaled;
        }
        let room = (self.wanted + self.bounds.surge).saturating_sub(all);
        let more = room.min(self.wanted - self.new.wanted);
        if more > 0 {
            scaled.new += more;
            return scaled;
        }
        self.shrink(&mut scaled.old, all);
        scaled
    }

    /// Takes away old replicas as far as enough are available: those that are not, first.
    fn shrink(&self, old: &mut [u64], all: u64) {
        let least = self.wanted.saturating_sub(self.bounds.unavailable);
        let coming = self.new.wanted.saturating_sub(self.new.ready);
        let mut may_go = all.saturating_sub(least + coming);
        for (count, set) in old.iter_mut().zip(&self.old) {
            let ill = count.saturating_sub(set.ready).min(may_go);
            *count -= ill;
            may_go -= ill;
        }
        let available = self.new.ready + self.old.iter().map(|set| set.ready).sum::<u64>();
        let mut may_go = available.saturating_sub(least).min(may_go);
        for count in old {
            let gone = (*count).min(may_go);
            *count -= gone;
            may_go -= gone;
        }
    }
}

/// What a step of a roll-out has come to.
struct Seen<'a> {
    /// The ReplicaSet of the template.
    new: Option<&'a Key>,
    /// The other ones.
    old: &'a [Key],
    /// What there is to tell.
    told: Option<&'static str>,
    is_paused: bool,
    /// How many steps it may go without progress.
    deadline: Option<u32>,
}

/// Writes the status, tidies up where all is done, and says whether it is.
fn report(store: &mut Store, key: &Key, seen: &Seen, idle: &mut u32) -> bool {
    let Seen { new, old, told, is_paused, deadline } = *seen;
    let Some(deployment) = store.get(key).cloned() else { return true };
    let wanted = number(&deployment, "/spec/replicas");
    let updated = new.map(|set| replica_set::counts(store, set)).unwrap_or_default();
    let others: Vec<Counts> = old.iter().map(|set| replica_set::counts(store, set)).collect();
    let sum = |of: &dyn Fn(&Counts) -> u64| of(&updated) + others.iter().map(of).sum::<u64>();
    let (pods, ready) = (sum(&|set| set.pods), sum(&|set| set.ready));
    let mut status = json!({"observedGeneration": deployment["metadata"]["generation"]});
    for (name, count) in [
        ("replicas", pods),
        ("updatedReplicas", updated.pods),
        ("readyReplicas", ready),
        ("availableReplicas", ready),
        ("unavailableReplicas", sum(&|set| set.wanted).saturating_sub(ready)),
    ] {
        // A 0 is left out, as in the real one.
        if count > 0 {
            status[name] = json!(count);
        }
    }
    let before = &deployment["status"];
    let earlier = |name: &str| before[name].as_u64().unwrap_or(0);
    let old_before = earlier("replicas").saturating_sub(earlier("updatedReplicas"));
    let progressed = told.is_some()
        || updated.pods > earlier("updatedReplicas")
        || pods - updated.pods < old_before
        || ready > earlier("readyReplicas");
    if progressed {
        *idle = 0;
    }
    let is_complete = new.is_some() && [pods, updated.pods, ready] == [wanted; 3];
    let name = new.map(|set| set.name.as_str()).unwrap_or_default();
    let failure = new.into_iter().chain(old).find_map(|set| replica_set::failure(store, set));
    let least = wanted.saturating_sub(Bounds::of(&deployment["spec"]).unavailable);
    let told = RolloutStatus {
        set: name,
        reason: match told {
            _ if is_paused => "DeploymentPaused",
            _ if is_complete => "NewReplicaSetAvailable",
            Some(reason) => reason,
            None if progressed => "ReplicaSetUpdated",
            None if deadline.is_some_and(|deadline| *idle >= deadline) => "ProgressDeadlineExceeded",
            None => "",
        },
        is_available: ready >= least,
        failure,
        now: store.now(),
    };
    status["conditions"] = conditions(before, &told);
    let is_same = *before == status;
    store.change(key, |deployment| deployment["status"] = status);
    if is_complete {
        tidy(store, &deployment, old);
    }
    is_complete && is_same
}

/// Removes the oldest ReplicaSets that are empty and more than are to be kept.
fn tidy(store: &mut Store, deployment: &Value, old: &[Key]) {
    let limit = usize::try_from(number(deployment, "/spec/revisionHistoryLimit")).unwrap_or(usize::MAX);
    let mut empty: Vec<&Key> = old.iter().filter(|set| replica_set::counts(store, set).wanted == 0).collect();
    empty.sort_by_key(|set| store.get(set).map_or(0, revision));
    for set in empty.iter().take(empty.len().saturating_sub(limit)) {
        store.remove(set);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A ReplicaSet after its pods followed it; of a new one as many get ready as `fate` lets.
    fn followed(before: Counts, wanted: u64, ready: u64) -> Counts {
        Counts { wanted, pods: wanted, ready: ready.min(wanted).max(before.ready.min(wanted)) }
    }

    fn any_plan() -> impl Strategy<Value = Plan> {
        let old = || (0..6_u64, 0..6_u64).prop_map(|(wanted, ready)| followed(Counts::default(), wanted, ready));
        let bounds = (0..4_u64, 0..4_u64).prop_filter("one of them moves", |bounds| *bounds != (0, 0));
        let sets = (prop::collection::vec(old(), 0..4), 0..6_u64);
        (0..8_u64, any::<bool>(), bounds, sets).prop_map(|(wanted, recreate, (surge, unavailable), (old, ready))| {
            Plan {
                wanted,
                recreate,
                bounds: Bounds { surge, unavailable },
                new: followed(Counts::default(), 0, ready),
                old,
            }
        })
    }

    fn all(plan: &Plan) -> u64 {
        plan.new.wanted + plan.old.iter().map(|set| set.wanted).sum::<u64>()
    }

    fn ready(plan: &Plan) -> u64 {
        plan.new.ready + plan.old.iter().map(|set| set.ready).sum::<u64>()
    }

    /// One step of a roll-out whose new pods get ready at once, or never.
    fn stepped(plan: &Plan, gets_ready: bool) -> Plan {
        let scaled = plan.next(false);
        let new = followed(plan.new, scaled.new, if gets_ready { scaled.new } else { 0 });
        let old = plan.old.iter().zip(scaled.old).map(|(set, wanted)| followed(*set, wanted, set.ready)).collect();
        Plan { new, old, ..plan.clone() }
    }

    proptest! {
        #[test]
        fn a_roll_out_stays_within_its_bounds_and_ends(plan in any_plan()) {
            let mut plan = plan;
            for _ in 0..64 {
                let next = stepped(&plan, true);
                if !plan.recreate {
                    let most = (plan.wanted + plan.bounds.surge).max(all(&plan));
                    prop_assert!(all(&next) <= most, "{plan:?} {next:?}");
                    let least = plan.wanted.saturating_sub(plan.bounds.unavailable).min(ready(&plan));
                    prop_assert!(ready(&next) >= least, "{plan:?} {next:?}");
                }
                plan = next;
            }
            prop_assert_eq!((plan.new.wanted, all(&plan)), (plan.wanted, plan.wanted));
        }

        #[test]
        fn one_that_never_gets_ready_leaves_enough_of_the_old(plan in any_plan()) {
            prop_assume!(!plan.recreate);
            let least = plan.wanted.saturating_sub(plan.bounds.unavailable).min(ready(&plan));
            let mut plan = plan;
            for _ in 0..64 {
                plan = stepped(&plan, false);
                prop_assert!(ready(&plan) >= least, "{plan:?}");
            }
        }

        #[test]
        fn a_paused_one_does_not_move(plan in any_plan()) {
            let still = Scaled { new: plan.new.wanted, old: plan.old.iter().map(|set| set.wanted).collect() };
            prop_assert_eq!(plan.next(true), still);
        }
    }
}
