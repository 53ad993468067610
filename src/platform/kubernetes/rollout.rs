//! How far an object's pods follow what is wanted of it, and what that makes of a change.

use serde_json::Value;

use super::workload::{Kind, containers_of, idle, revision, wanted};
use crate::platform::image::WrittenImage;
use crate::platform::{Change, Standing};
use crate::words::counted;

/// How far the pods of an object have come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rollout {
    /// Pods of the wanted template that are ready.
    pub(super) done: u64,
    /// Pods that are wanted.
    pub(super) total: u64,
    /// Pods are still being replaced.
    pub(super) moves: bool,
    /// How many of its pods lack what; none where it is well, and while its controller has not seen the change.
    pub(super) lacks: Option<String>,
    /// Why it is not well, with all that is known of it; none where it is.
    pub(super) trouble: Option<String>,
    /// Since when Kubernetes has given it up, in its own words; none where it has not.
    pub(super) given_up: Option<String>,
}

/// Reads it from the status.
pub(super) fn rollout(kind: Kind, object: &Value) -> Rollout {
    let status = &object["status"];
    let count = |name: &str| status[name].as_u64().unwrap_or(0);
    let total = wanted(kind, object);
    if kind == Kind::CronJob {
        // It makes nothing by itself before its time comes.
        return Rollout { done: 0, total, moves: false, lacks: None, trouble: None, given_up: None };
    }
    let generation = object["metadata"]["generation"].as_u64().unwrap_or(0);
    let late = condition(object, "Progressing", "False").filter(|one| one["reason"] == "ProgressDeadlineExceeded");
    let since = late.map(|one| one["lastUpdateTime"].to_string());
    if count("observedGeneration") < generation {
        let trouble = Some("a change that its controller has not seen yet".to_owned());
        return Rollout { done: 0, total, moves: true, lacks: None, trouble, given_up: since };
    }
    let (updated, ready, available) = match kind {
        Kind::DaemonSet => (count("updatedNumberScheduled"), count("numberReady"), count("numberAvailable")),
        _ => (count("updatedReplicas"), count("readyReplicas"), count("availableReplicas")),
    };
    // A StatefulSet and a DaemonSet replace pods one for one.
    let old = if kind == Kind::Deployment { count("replicas").saturating_sub(updated) } else { 0 };
    let lasts = object["spec"]["minReadySeconds"].as_u64().unwrap_or(0) > 0;
    let lacks = if updated < total {
        Some(format!("{updated} of {} updated, {ready} ready", counted(total, "pod")))
    } else if ready < total {
        Some(format!("{ready} of {} ready", counted(total, "pod")))
    } else if old > 0 {
        Some(format!("old pods still run: {old}"))
    } else if lasts && available < total {
        Some(format!("{available} of {} ready for long enough", counted(total, "pod")))
    } else {
        None
    };
    let no_pods = condition(object, "ReplicaFailure", "True").and_then(|one| one["message"].as_str());
    let trouble = lacks.clone().map(|lacks| match (&since, no_pods) {
        (_, Some(message)) => format!("{lacks}; no pod can be made: {message}"),
        (Some(_), None) => format!("{lacks}; it made no progress within its deadline"),
        (None, None) => lacks,
    });
    let given_up = since.filter(|_| trouble.is_some());
    let moves = updated < total || old > 0;
    Rollout { done: updated.min(ready).min(total), total, moves, lacks, trouble, given_up }
}

fn condition<'a>(object: &'a Value, kind: &str, status: &str) -> Option<&'a Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|one| one["type"] == kind && one["status"] == status)
}

/// How an object stands towards a change.
pub(super) fn standing(kind: Kind, object: &Value, change: &Change) -> Standing {
    let before = &change.application;
    let containers = containers_of(object, change);
    let is_target = !containers.is_empty() && containers.iter().all(|one| one.image == change.to);
    let other = containers.iter().find(|one| one.image != change.to && !before.images.contains(&one.image));
    let Some(value) = other.or(containers.first()).map(|one| one.image.to_string()) else {
        // Somebody set its containers to another repository.
        let images: Vec<WrittenImage> = super::workload::containers(object).into_iter().map(|one| one.image).collect();
        return Standing::Other { value: images.join(", ") };
    };
    if other.is_some() {
        return Standing::Other { value };
    }
    let rollout = rollout(kind, object);
    let unwell = |why: String| Standing::Unwell { value: value.clone(), why };
    if kind != Kind::DaemonSet && rollout.total == 0 && before.instances > 0 {
        return unwell(format!("0 instances, there were {}", before.instances));
    }
    let was = before.images.iter().all(|was| containers.iter().any(|one| one.image == *was));
    match rollout.trouble {
        None if is_target => idle(kind, object).map_or(Standing::Target, |why| Standing::Idle { why }),
        Some(why) if is_target => unwell(why),
        _ if !was => unwell("some of its containers are set to another image than others".to_owned()),
        // Somebody's change that leaves the image is on its way.
        Some(why) if rollout.moves && revision(object).as_deref() != Some(&before.revision) => unwell(why),
        trouble => Standing::Before { trouble },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::workload::application;
    use super::*;

    fn deployment() -> Value {
        json!({
            "metadata": {"namespace": "dev", "name": "billing", "uid": "u", "generation": 3},
            "spec": {"replicas": 2, "template": {"spec": {"containers": [
                {"name": "app", "image": "r:5000/team/billing:2"}, {"name": "proxy", "image": "envoy:1"},
            ]}}},
            "status": {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2},
        })
    }

    fn with(fields: &Value) -> Value {
        let mut object = deployment();
        json_patch::merge(&mut object, fields);
        object
    }

    fn of(kind: Kind, fields: &Value) -> (u64, u64, bool, Option<String>, bool) {
        let Rollout { done, total, moves, trouble, given_up, .. } = rollout(kind, &with(fields));
        (done, total, moves, trouble, given_up.is_some())
    }

    #[test]
    fn a_deployment_has_arrived_when_only_new_pods_run_and_all_are_ready() {
        let of = |fields: Value| of(Kind::Deployment, &fields);
        let moves = |done, trouble: &str| (done, 2, true, Some(trouble.to_owned()), false);
        assert_eq!(of(json!({})), (2, 2, false, None, false));
        assert_eq!(
            of(json!({"metadata": {"generation": 4}})),
            moves(0, "a change that its controller has not seen yet")
        );
        assert_eq!(of(json!({"status": {"updatedReplicas": 1}})), moves(1, "1 of 2 pods updated, 2 ready"));
        assert_eq!(of(json!({"status": {"replicas": 3}})), moves(2, "old pods still run: 1"));
        let unready = of(json!({"status": {"readyReplicas": 1}}));
        assert_eq!(unready, (1, 2, false, Some("1 of 2 pods ready".to_owned()), false));
        let short = of(json!({"spec": {"minReadySeconds": 5}, "status": {"availableReplicas": 1}}));
        assert_eq!(short, (2, 2, false, Some("1 of 2 pods ready for long enough".to_owned()), false));
        assert_eq!(of(json!({"spec": {"replicas": 0}})), (0, 0, false, None, false));
    }

    #[test]
    fn what_kubernetes_gives_up_has_failed_and_a_quota_is_named() {
        let late = json!({"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"});
        let quota = json!({"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: small"});
        let (_, _, _, trouble, failed) =
            of(Kind::Deployment, &json!({"status": {"updatedReplicas": 1, "readyReplicas": 1, "conditions": [late]}}));
        let why = "1 of 2 pods updated, 1 ready; it made no progress within its deadline";
        assert_eq!((trouble.as_deref(), failed), (Some(why), true));
        let (_, _, _, trouble, failed) =
            of(Kind::Deployment, &json!({"status": {"updatedReplicas": 0, "conditions": [quota]}}));
        let why = "0 of 2 pods updated, 2 ready; no pod can be made: exceeded quota: small";
        assert_eq!((trouble.as_deref(), failed), (Some(why), false));
        let (_, _, _, trouble, failed) = of(Kind::Deployment, &json!({"status": {"conditions": [late]}}));
        assert_eq!((trouble, failed), (None, false), "it arrived after all");
        let (.., failed) =
            of(Kind::Deployment, &json!({"metadata": {"generation": 4}, "status": {"conditions": [late]}}));
        assert!(failed, "given up before the change that is not seen yet");
    }

    #[test]
    fn of_what_has_no_instances_only_that_it_is_set_can_be_said() {
        let stands = |kind: Kind, object: &Value, from: &str| {
            let mut before = application(kind, object).unwrap();
            before.images = vec![format!("r:5000/team/billing:{from}").into()];
            standing(kind, object, &Change { application: before, to: "r:5000/team/billing:2".into() })
        };
        let idle = |why: &str| Standing::Idle { why: why.to_owned() };
        let none = with(&json!({"spec": {"replicas": 0}, "status": null}));
        assert_eq!(stands(Kind::Deployment, &with(&json!({"spec": {"replicas": 0}})), "1"), idle("0 replicas"));
        assert_eq!(
            stands(Kind::DaemonSet, &none, "1"),
            Standing::Unwell {
                value: "r:5000/team/billing:2".to_owned(),
                why: "a change that its controller has not seen yet".to_owned(),
            }
        );
        let pods = json!({"containers": [{"name": "app", "image": "r:5000/team/billing:2"}]});
        let cron = json!({
            "metadata": {"namespace": "dev", "name": "report", "uid": "u", "generation": 3},
            "spec": {"jobTemplate": {"spec": {"template": {"spec": pods}}}},
        });
        assert_eq!(stands(Kind::CronJob, &cron, "1"), idle("its next job runs this image"));
        let mut before = application(Kind::CronJob, &cron).unwrap();
        before.images = vec!["r:5000/team/billing:2".into()];
        let change = Change { application: before, to: "r:5000/team/billing:1".into() };
        assert_eq!(standing(Kind::CronJob, &cron, &change), Standing::Before { trouble: None });
    }

    #[test]
    fn a_daemon_set_counts_nodes() {
        let status = json!({"observedGeneration": 3, "desiredNumberScheduled": 3, "updatedNumberScheduled": 2,
            "numberReady": 3});
        let told = of(Kind::DaemonSet, &json!({ "status": status }));
        assert_eq!(told, (2, 3, true, Some("2 of 3 pods updated, 3 ready".to_owned()), false));
    }

    #[test]
    fn how_it_stands_is_seen_in_its_images_and_its_pods() {
        let (old, new) = ("r:5000/team/billing:2", "r:5000/team/billing:1");
        let mut before = application(Kind::Deployment, &deployment()).unwrap();
        before.images.truncate(1);
        let change = Change { application: before, to: new.into() };
        let stands = |image: &str, fields: Value| {
            let mut object = with(&fields);
            object["spec"]["template"]["spec"]["containers"][0]["image"] = image.into();
            standing(Kind::Deployment, &object, &change)
        };
        let unwell = |image: &str, why: &str| Standing::Unwell { value: image.to_owned(), why: why.to_owned() };
        let sick = json!({"status": {"readyReplicas": 1}});
        let before = |trouble: Option<&str>| Standing::Before { trouble: trouble.map(str::to_owned) };
        assert_eq!(stands(old, json!({})), before(None));
        assert_eq!(stands(old, sick.clone()), before(Some("1 of 2 pods ready")));
        assert_eq!(stands(new, json!({})), Standing::Target);
        assert_eq!(stands(new, sick), unwell(new, "1 of 2 pods ready"));
        assert_eq!(
            stands("r:5000/team/billing:9", json!({})),
            Standing::Other { value: "r:5000/team/billing:9".to_owned() }
        );
        assert_eq!(stands(new, json!({"spec": {"replicas": 0}})), unwell(new, "0 instances, there were 2"));
        let changed = json!({"spec": {"minReadySeconds": 1}, "status": {"updatedReplicas": 1}});
        assert_eq!(stands(old, changed), unwell(old, "1 of 2 pods updated, 2 ready"));
        assert_eq!(
            stands("r:5000/other:1", json!({})),
            Standing::Other { value: "r:5000/other:1, envoy:1".to_owned() }
        );
        let theirs = json!({"status": {"updatedReplicas": 1}});
        assert_eq!(stands(old, theirs), before(Some("1 of 2 pods updated, 2 ready")), "it was like this before");
    }
}
