//! The same shop on Kubernetes: a namespace for each environment, and in it three Deployments, a StatefulSet, a DaemonSet
//! and a CronJob, which ran the releases of the last days one after another.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{CRON_JOB, ENVIRONMENTS, NEVER_RAN, Platform, RELEASES, SECRET, deployed_at, workloads};

/// The kind of a workload's object.
#[must_use]
pub fn kind(workload: &str) -> &'static str {
    match workload {
        "users" => "StatefulSet",
        "web" => "DaemonSet",
        name if name == CRON_JOB.0 => "CronJob",
        _ => "Deployment",
    }
}

/// All that was ever applied, with the instants, the oldest first. `host` is the registry's.
#[must_use]
pub fn applied(host: &str, now: DateTime<Utc>) -> Vec<(DateTime<Utc>, Value)> {
    let long_ago = now - TimeDelta::days(30);
    let namespaces = ENVIRONMENTS.map(|(name, _)| name).into_iter().chain(["default", "tools", "devtools"]);
    let mut applied: Vec<(DateTime<Utc>, Value)> = namespaces
        .map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
        .chain(strangers(host))
        .map(|object| (long_ago, object))
        .collect();
    let deployed = (0..).zip(RELEASES).filter(|(_, (_, service, version, _))| (*service, *version) != NEVER_RAN);
    for (place, (days_ago, service, version, _)) in deployed {
        for (environment, tag) in ENVIRONMENTS {
            let image = format!("{host}/{service}:{version}-{tag}");
            let of_it = workloads(Platform::Kubernetes).into_iter().filter(|(_, of)| *of == service);
            let objects = of_it.map(|(name, _)| workload(host, environment, name, &image));
            applied.extend(objects.map(|object| (deployed_at(now, days_ago, place), object)));
        }
    }
    applied
}

/// The object of a workload with an image.
fn workload(host: &str, environment: &str, service: &str, image: &str) -> Value {
    if service == CRON_JOB.0 {
        return cron_job(environment, image);
    }
    let labels = |team: &str, tier: &str| json!({"app": service, "team": team, "tier": tier});
    let selector = json!({"matchLabels": {"app": service}});
    let probe = json!({"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 10, "timeoutSeconds": 5});
    let password = json!([{"name": "DATABASE_PASSWORD", "value": SECRET}, {"name": "LOG_LEVEL", "value": "info"}]);
    let mut container = json!({
        "name": service, "image": image, "env": password,
        "ports": [{"containerPort": 8080, "name": "http", "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "250m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
    });
    let (labels, spec) = match service {
        "billing" => {
            container["readinessProbe"] = probe;
            container["volumeMounts"] = json!([{"name": "data", "mountPath": "/var/lib/billing"}]);
            // It has the name of another service, and is none.
            let sidecar =
                json!({"name": "orders", "image": format!("{host}/proxy:1.0.0-develop"), "args": ["--to=orders"]});
            let volumes = json!([{"name": "data", "hostPath": {"path": "/srv/billing", "type": ""}}]);
            let pod = json!({"containers": [sidecar, container], "volumes": volumes});
            (labels("money", "back"), json!({"replicas": 2, "progressDeadlineSeconds": 1, "template": {"spec": pod}}))
        }
        "orders" => {
            let pod = json!({"containers": [container]});
            let spec = json!({
                "replicas": 1, "progressDeadlineSeconds": 1, "strategy": {"type": "Recreate"}, "template": {"spec": pod},
            });
            (labels("sales", "back"), spec)
        }
        "billing-worker" => {
            container["args"] = json!(["work"]);
            // It brings the database up to the release, and then works.
            let migrate = json!({"name": "migrate", "image": image, "args": ["migrate"], "env": container["env"]});
            let pod = json!({"initContainers": [migrate], "containers": [container]});
            (labels("money", "back"), json!({"replicas": 1, "progressDeadlineSeconds": 1, "template": {"spec": pod}}))
        }
        "users" => {
            container["readinessProbe"] = probe;
            let pod = json!({"containers": [container], "imagePullSecrets": [{"name": "pull"}]});
            (labels("accounts", "back"), json!({"replicas": 2, "serviceName": "users", "template": {"spec": pod}}))
        }
        _ => {
            container["env"] = json!([{"name": "SESSION_SECRET", "value": SECRET}]);
            (labels("shop", "front"), json!({"template": {"spec": {"containers": [container]}}}))
        }
    };
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": kind(service),
        "metadata": {"name": service, "namespace": environment, "labels": labels}, "spec": spec,
    });
    object["spec"]["selector"] = selector;
    object["spec"]["template"]["metadata"] = json!({"labels": labels});
    object
}

/// The cron job with an image: at night it says what was paid.
fn cron_job(environment: &str, image: &str) -> Value {
    let (name, labels) = (CRON_JOB.0, json!({"app": CRON_JOB.0, "team": "money", "tier": "back"}));
    let container = json!({
        "name": name, "image": image, "args": ["report"], "env": [{"name": "DATABASE_PASSWORD", "value": SECRET}],
    });
    let pods = json!({
        "metadata": {"labels": labels}, "spec": {"restartPolicy": "OnFailure", "containers": [container]},
    });
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob",
        "metadata": {"name": name, "namespace": environment, "labels": labels},
        "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": pods}}},
    })
}

/// Workloads that are none of the story's services, though something about them says so.
fn strangers(host: &str) -> Vec<Value> {
    let stranger = |namespace: &str, name: &str, image: &str| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "replicas": 1, "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": {"app": name}},
                    "spec": {"containers": [{"name": name, "image": format!("{host}/{image}")}]},
                },
            },
        })
    };
    vec![
        // The same name in the same namespace's neighbour, another image: what the team next door calls `web`.
        stranger("tools", "web", "proxy:1.0.0-develop"),
        // The same name and image in another namespace.
        stranger("devtools", "billing", "billing:1.3.0-develop"),
        // Ends with the name of a service, and runs another image.
        stranger("dev", "pre-orders", "proxy:1.0.0-develop"),
    ]
}
