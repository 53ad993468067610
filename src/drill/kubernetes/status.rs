//! The conditions of a Deployment: what is told of its roll-out.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::store::written;

/// What is to be told of a Deployment.
pub(super) struct RolloutStatus<'a> {
    /// Its current ReplicaSet.
    pub(super) set: &'a str,
    /// Why it progresses or does not; empty: as before.
    pub(super) reason: &'a str,
    /// Whether enough of its pods are available.
    pub(super) is_available: bool,
    /// Why pods could not be made, as its ReplicaSet says.
    pub(super) failure: Option<Value>,
    pub(super) now: DateTime<Utc>,
}

/// The conditions that follow on those of the status `before`.
pub(super) fn conditions(before: &Value, told: &RolloutStatus) -> Value {
    let (set, reason) = (told.set, told.reason);
    let (available, why) = if told.is_available {
        ("MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    let earlier = |kind: &str| {
        let conditions = before["conditions"].as_array().into_iter().flatten();
        conditions.clone().find(|condition| condition["type"] == kind)
    };
    let is_available = if told.is_available { "True" } else { "False" };
    let mut conditions =
        vec![condition(earlier("Available"), told.now, ["Available", is_available, available, why], false)];
    let message = match reason {
        "NewReplicaSetAvailable" => format!("ReplicaSet {set:?} has successfully progressed."),
        "ProgressDeadlineExceeded" => format!("ReplicaSet {set:?} has timed out progressing."),
        "NewReplicaSetCreated" => format!("Created new replica set {set:?}"),
        "FoundNewReplicaSet" => format!("Found new replica set {set:?}"),
        "DeploymentPaused" => "Deployment is paused".to_owned(),
        _ => format!("ReplicaSet {set:?} is progressing."),
    };
    let status = match reason {
        "ProgressDeadlineExceeded" => "False",
        "DeploymentPaused" => "Unknown",
        _ => "True",
    };
    if reason.is_empty() {
        conditions.extend(earlier("Progressing").cloned());
    } else {
        // Only progress is told anew while it goes on.
        let is_news = reason == "ReplicaSetUpdated";
        conditions.push(condition(
            earlier("Progressing"),
            told.now,
            ["Progressing", status, reason, &message],
            is_news,
        ));
    }
    conditions.extend(told.failure.clone().map(|mut failure| {
        failure["lastUpdateTime"] = failure["lastTransitionTime"].clone();
        failure
    }));
    json!(conditions)
}

/// One condition: as it was where it says the same, and since when it says so.
fn condition(before: Option<&Value>, now: DateTime<Utc>, said: [&str; 4], is_news: bool) -> Value {
    let [kind, status, reason, message] = said;
    let now = json!(written(now));
    let is_same = |name: &str, value: &str| before.is_some_and(|before| before[name] == value);
    if let Some(before) = before
        && is_same("status", status)
        && is_same("reason", reason)
        && is_same("message", message)
        && !is_news
    {
        return before.clone();
    }
    let since =
        before.filter(|_| is_same("status", status)).map_or(now.clone(), |before| before["lastTransitionTime"].clone());
    json!({
        "type": kind, "status": status, "lastUpdateTime": now, "lastTransitionTime": since, "reason": reason,
        "message": message,
    })
}
