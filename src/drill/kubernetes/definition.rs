//! What an object may hold, what the API server fills in, and what it refuses.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::coordination::v1::Lease;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::refusal::{Cause, Refusal};
use super::resource::{Key, Resource};

/// Reads an object as one of its kind: fields of the wrong type are an error, unknown ones are dropped.
pub(super) fn typed(resource: Resource, object: Value) -> Result<Value, serde_json::Error> {
    fn through<T: DeserializeOwned + Serialize>(object: Value) -> Result<Value, serde_json::Error> {
        serde_json::to_value(serde_json::from_value::<T>(object)?)
    }
    let mut object = match resource {
        Resource::Deployments => through::<Deployment>(object)?,
        Resource::StatefulSets => through::<StatefulSet>(object)?,
        Resource::DaemonSets => through::<DaemonSet>(object)?,
        Resource::CronJobs => through::<CronJob>(object)?,
        Resource::Leases => through::<Lease>(object)?,
        _ => object,
    };
    if object["status"].is_null() && resource.is_workload() {
        object["status"] = first_status(resource);
    }
    Ok(object)
}

/// The status of what nobody has looked at yet.
pub(super) fn first_status(resource: Resource) -> Value {
    match resource {
        Resource::StatefulSets => json!({"replicas": 0, "availableReplicas": 0}),
        Resource::DaemonSets => json!({
            "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0,
        }),
        _ => json!({}),
    }
}

/// Fills in what a caller left out.
pub(super) fn fill_in(resource: Resource, object: &mut Value) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut).filter(|_| resource.is_workload()) else {
        return;
    };
    if resource.rolls_out() {
        default(spec, "revisionHistoryLimit", json!(10));
    }
    match resource {
        Resource::Deployments => {
            default(spec, "replicas", json!(1));
            default(spec, "progressDeadlineSeconds", json!(600));
            strategy(spec, "strategy", &json!({"maxSurge": "25%", "maxUnavailable": "25%"}));
        }
        Resource::StatefulSets => {
            default(spec, "replicas", json!(1));
            default(spec, "podManagementPolicy", json!("OrderedReady"));
            default(spec, "serviceName", json!(""));
            default(
                spec,
                "persistentVolumeClaimRetentionPolicy",
                json!({"whenDeleted": "Retain", "whenScaled": "Retain"}),
            );
            strategy(spec, "updateStrategy", &json!({"partition": 0}));
        }
        Resource::CronJobs => {
            for (name, value) in [
                ("concurrencyPolicy", json!("Allow")),
                ("suspend", json!(false)),
                ("successfulJobsHistoryLimit", json!(3)),
                ("failedJobsHistoryLimit", json!(1)),
            ] {
                default(spec, name, value);
            }
        }
        _ => strategy(spec, "updateStrategy", &json!({"maxSurge": 0, "maxUnavailable": 1})),
    }
    if resource == Resource::CronJobs {
        let Some(job) = spec.get_mut("jobTemplate").and_then(Value::as_object_mut) else { return };
        let metadata = job.entry("metadata").or_insert_with(|| json!({}));
        metadata.as_object_mut().into_iter().for_each(|metadata| default(metadata, "creationTimestamp", Value::Null));
        let template = job.get_mut("spec").and_then(|spec| spec.get_mut("template"));
        template.into_iter().for_each(fill_in_template);
    } else {
        spec.get_mut("template").into_iter().for_each(fill_in_template);
    }
}

fn fill_in_template(template: &mut Value) {
    let Some(template) = template.as_object_mut() else { return };
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
        default(metadata, "creationTimestamp", Value::Null);
    }
    let Some(pod) = template.get_mut("spec").and_then(Value::as_object_mut) else { return };
    for (name, value) in [
        ("restartPolicy", json!("Always")),
        ("dnsPolicy", json!("ClusterFirst")),
        ("schedulerName", json!("default-scheduler")),
        ("securityContext", json!({})),
        ("terminationGracePeriodSeconds", json!(30)),
    ] {
        default(pod, name, value);
    }
    for container in pod.get_mut("containers").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(container) = container.as_object_mut() else { continue };
        let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
        let name = image.rsplit('/').next().unwrap_or_default();
        let moves = !name.contains('@') && (!name.contains(':') || name.ends_with(":latest"));
        default(container, "imagePullPolicy", json!(if moves { "Always" } else { "IfNotPresent" }));
        default(container, "resources", json!({}));
        default(container, "terminationMessagePath", json!("/dev/termination-log"));
        default(container, "terminationMessagePolicy", json!("File"));
    }
}

fn default(map: &mut Map<String, Value>, name: &str, value: Value) {
    let there = map.entry(name).or_insert(Value::Null);
    if there.is_null() {
        *there = value;
    }
}

/// The strategy of a roll-out with its bounds, which only `RollingUpdate` has.
fn strategy(spec: &mut Map<String, Value>, name: &str, bounds: &Value) {
    default(spec, name, json!({}));
    let Some(strategy) = spec.get_mut(name).and_then(Value::as_object_mut) else { return };
    default(strategy, "type", json!("RollingUpdate"));
    if strategy["type"] == "RollingUpdate" {
        default(strategy, "rollingUpdate", json!({}));
        let Some(rolling) = strategy.get_mut("rollingUpdate").and_then(Value::as_object_mut) else { return };
        for (bound, value) in bounds.as_object().into_iter().flatten() {
            default(rolling, bound, value.clone());
        }
    }
}

/// Refuses an object that cannot be. `old` is the one that it replaces.
pub(super) fn check(key: &Key, object: &Value, old: Option<&Value>) -> Result<(), Refusal> {
    let mut causes = metadata(key, object, old);
    match key.resource {
        Resource::Leases => causes.extend(lease(object)),
        Resource::CronJobs => causes.extend(cron_job(&object["spec"])),
        resource if resource.is_workload() => {
            causes.extend(workload(&object["spec"]));
            if let Some(old) = old {
                causes.extend(unchangeable(resource, &object["spec"], &old["spec"]));
            }
        }
        _ => {}
    }
    if causes.is_empty() {
        return Ok(());
    }
    Err(Refusal::invalid(key.resource.kind(), key.resource.group(), &key.name, &causes))
}

fn metadata(key: &Key, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    if let Some(old) = old {
        let (given, kept) = (&object["metadata"]["uid"], &old["metadata"]["uid"]);
        // The real one looks twice.
        let cause = || Cause::invalid("metadata.uid", &given.to_string(), "field is immutable");
        return if given == kept { Vec::new() } else { vec![cause(), cause()] };
    }
    if is_name(&key.name) {
        return Vec::new();
    }
    let why = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
               start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
               '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
    vec![Cause::invalid("metadata.name", &format!("{:?}", key.name), why)]
}

/// Whether a text can be the name of an object.
fn is_name(name: &str) -> bool {
    let is_part = |part: &str| {
        let is_plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
        part.starts_with(is_plain)
            && part.ends_with(is_plain)
            && part.chars().all(|letter| is_plain(letter) || letter == '-')
    };
    name.len() <= 253 && name.split('.').all(is_part)
}

fn lease(object: &Value) -> Vec<Cause> {
    let spec = &object["spec"];
    let mut causes = Vec::new();
    if let Some(seconds) = spec["leaseDurationSeconds"].as_i64().filter(|seconds| *seconds <= 0) {
        causes.push(Cause::invalid("spec.leaseDurationSeconds", &seconds.to_string(), "must be greater than 0"));
    }
    if let Some(count) = spec["leaseTransitions"].as_i64().filter(|count| *count < 0) {
        causes.push(Cause::invalid("spec.leaseTransitions", &count.to_string(), "must be greater than or equal to 0"));
    }
    causes
}

fn workload(spec: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    if let Some(count) = spec["replicas"].as_i64().filter(|count| *count < 0) {
        causes.push(Cause::invalid("spec.replicas", &count.to_string(), "must be greater than or equal to 0"));
    }
    let wanted = spec["selector"]["matchLabels"].as_object();
    let template = &spec["template"];
    let labels = &template["metadata"]["labels"];
    let is_empty = wanted.is_none_or(Map::is_empty);
    if is_empty {
        causes.push(Cause::required("spec.selector", ""));
    }
    if is_empty || wanted.into_iter().flatten().any(|(name, value)| labels[name] != *value) {
        let why = "`selector` does not match template `labels`";
        causes.push(Cause::invalid("spec.template.metadata.labels", &printed(labels), why));
    }
    causes.extend(containers(&template["spec"], "spec.template.spec.containers"));
    let (deadline, ready) = (spec["progressDeadlineSeconds"].as_i64(), spec["minReadySeconds"].as_i64().unwrap_or(0));
    if let Some(deadline) = deadline.filter(|deadline| *deadline <= ready) {
        let why = "must be greater than minReadySeconds";
        causes.push(Cause::invalid("spec.progressDeadlineSeconds", &deadline.to_string(), why));
    }
    causes
}

fn cron_job(spec: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    if spec["schedule"].as_str().is_none_or(str::is_empty) {
        causes.push(Cause::required("spec.schedule", ""));
    }
    let pods = &spec["jobTemplate"]["spec"]["template"]["spec"];
    causes.extend(containers(pods, "spec.jobTemplate.spec.template.spec.containers"));
    if pods["restartPolicy"] == "Always" {
        let place = "spec.jobTemplate.spec.template.spec.restartPolicy";
        causes.push(Cause::required(place, "valid values: \"OnFailure\", \"Never\""));
    }
    causes
}

fn containers(pods: &Value, place: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let containers = pods["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    if containers.is_empty() {
        causes.push(Cause::required(place, ""));
    }
    let mut names = Vec::new();
    for (index, container) in containers.iter().enumerate() {
        let text = |name: &str| container[name].as_str().unwrap_or_default();
        if text("name").is_empty() {
            causes.push(Cause::required(&format!("{place}[{index}].name"), ""));
        } else if names.contains(&text("name")) {
            causes.push(Cause::duplicate(&format!("{place}[{index}].name"), text("name")));
        }
        names.push(text("name"));
        if text("image").is_empty() {
            causes.push(Cause::required(&format!("{place}[{index}].image"), ""));
        }
    }
    causes
}

/// A map of texts as the server prints it.
fn printed(map: &Value) -> String {
    if map.is_null() {
        return "map[string]string(nil)".to_owned();
    }
    let mut pairs: Vec<(&String, &Value)> = map.as_object().into_iter().flatten().collect();
    pairs.sort_by_key(|(name, _)| name.as_str());
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
    format!("map[string]string{{{}}}", pairs.join(", "))
}

/// What can never be changed: whoever wants it otherwise deletes the object.
fn unchangeable(resource: Resource, spec: &Value, old: &Value) -> Vec<Cause> {
    const STATEFUL: [&str; 7] = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    if resource == Resource::StatefulSets {
        let fixed = |spec: &Value| {
            let fields = spec.as_object().into_iter().flatten();
            fields
                .filter(|(name, _)| !STATEFUL.contains(&name.as_str()))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect::<Map<_, _>>()
        };
        if fixed(spec) != fixed(old) {
            let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
                       'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
                       'minReadySeconds' are forbidden";
            return vec![Cause::forbidden("spec", why)];
        }
    } else if spec["selector"] != old["selector"] {
        let labels = printed(&spec["selector"]["matchLabels"]);
        let value =
            format!("v1.LabelSelector{{MatchLabels:{labels}, MatchExpressions:[]v1.LabelSelectorRequirement(nil)}}");
        return vec![Cause::invalid("spec.selector", &value, "field is immutable")];
    }
    Vec::new()
}
