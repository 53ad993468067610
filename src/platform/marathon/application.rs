//! An application of Marathon as JSON: what is read from it, and what is sent to change its image and nothing else.

use serde_json::{Map, Value, json};

use super::super::secrets::Secrets;
use crate::platform::image::WrittenImage;
use crate::platform::{Apart, Application, Change, Standing};
use crate::words::counted;

/// What is said of an application that a deployment holds.
const UNDER_WAY: &str = "a deployment is running";

/// Which part of an id is the environment: `/<department>/<environment>/<project>/<service>`.
pub(super) const ENVIRONMENT: &str = "second";

/// Reads an application of an environment: one whose id `/<department>/<environment>/<project>/<service>` has it as its
/// second part. None where it is of another one, or runs no image.
pub(super) fn application(app: &Value, environment: &str) -> Option<Application> {
    let id = app["id"].as_str()?;
    let service = service(id, environment)?;
    Some(Application {
        id: id.to_owned(),
        service: service.to_owned(),
        images: vec![image(app)?.into()],
        revision: app["version"].as_str()?.to_owned(),
        instances: instances(app),
        notes: notes(app),
        obstacle: None,
        apart: Apart::held([&app["labels"]]),
    })
}

/// The service in the id of what is of this environment.
fn service<'a>(id: &'a str, environment: &str) -> Option<&'a str> {
    let mut parts: Vec<&str> = id.split('/').filter(|part| !part.is_empty()).collect();
    let service = parts.pop()?;
    (parts.get(1) == Some(&environment)).then_some(service)
}

/// Reads a pod of an environment, which runs several containers as one and is not set here; none where the pod is of another
/// environment, or runs no image.
pub(super) fn pod(pod: &Value, environment: &str) -> Option<Application> {
    let id = pod["id"].as_str()?;
    let service = format!("pod/{}", service(id, environment)?);
    let mut images: Vec<WrittenImage> = Vec::new();
    for image in pod["containers"].as_array()?.iter().filter_map(|one| one.pointer("/image/id")?.as_str()) {
        if !images.iter().any(|known| *known == image) {
            images.push(image.into());
        }
    }
    if images.is_empty() {
        return None;
    }
    let held = Apart::held([&pod["labels"]]);
    let apart = held.or_else(|| Some(Apart::Fixed("a pod, which is not set by this program".to_owned())));
    Some(Application { id: id.to_owned(), service, images, apart, ..Application::default() })
}

/// The image that it is set to.
pub(super) fn image(app: &Value) -> Option<&str> {
    app.pointer("/container/docker/image").and_then(Value::as_str)
}

/// How many instances are wanted.
pub(super) fn instances(app: &Value) -> u64 {
    app["instances"].as_u64().unwrap_or(1)
}

fn notes(app: &Value) -> Vec<String> {
    let mut notes = Vec::new();
    if instances(app) == 0 {
        notes.push("suspended (0 instances): only its image is set".to_owned());
        return notes;
    }
    let strategy = &app["upgradeStrategy"];
    let share = |name: &str| strategy[name].as_f64().unwrap_or(1.0);
    if share("minimumHealthCapacity") >= 1.0 {
        // Old instances stay until the new ones are healthy.
        notes.push("capacity doubles for a while".to_owned());
    } else if share("minimumHealthCapacity") <= 0.0 {
        notes.push("down while it restarts".to_owned());
    }
    if !has_health_checks(app) {
        notes.push("no health check: that it runs is all that can be seen".to_owned());
    }
    if is_held(app) {
        notes.push(UNDER_WAY.to_owned());
    }
    notes
}

/// A deployment holds it.
fn is_held(app: &Value) -> bool {
    app["deployments"].as_array().is_some_and(|deployments| !deployments.is_empty())
}

/// Nobody has changed it since it was read: a deployment that holds it is not ours.
pub(super) fn is_untouched(app: &Value, before: &Application) -> bool {
    app["version"] == before.revision.as_str()
}

fn has_health_checks(app: &Value) -> bool {
    app["healthChecks"].as_array().is_some_and(|checks| !checks.is_empty())
}

/// The fields that an update sends, besides the id.
pub(super) const SENT: [&str; 3] = ["container", "executorResources", "resourceLimits"];

/// What is sent to set an image: the merge is shallow, so the whole `container` goes along, and what a partial update
/// wipes where it is left out. Nothing that is only read may be in it.
pub(super) fn update(app: &Value, to: &str) -> Value {
    let mut body = Map::new();
    for field in ["id"].into_iter().chain(SENT) {
        if let Some(value) = app.get(field).filter(|value| !value.is_null()) {
            body.insert(field.to_owned(), value.clone());
        }
    }
    let mut body = Value::Object(body);
    body["container"]["docker"]["image"] = to.into();
    body
}

/// What is sent to restore a version of an application.
pub(super) fn restore(id: &str, version: &str) -> Value {
    json!({"id": id, "version": version})
}

/// How an application stands towards a change. That no deployment is running says nothing: it may have failed.
pub(super) fn standing(app: &Value, change: &Change) -> Standing {
    let before = &change.application;
    let image = image(app).unwrap_or_default();
    let is_target = change.to == image;
    let unwell = |why: &str| Standing::Unwell { value: image.to_owned(), why: why.to_owned() };
    if !is_target && !before.images.iter().any(|was| *was == image) {
        return Standing::Other { value: image.to_owned() };
    }
    if instances(app) == 0 && before.instances > 0 {
        return unwell(&format!("0 instances, there were {}", before.instances));
    }
    // Held by somebody else's deployment, but set to what it was: that is as before.
    if is_held(app) && (is_target || !is_untouched(app, before)) {
        return unwell(UNDER_WAY);
    }
    match trouble(app) {
        Some(why) if is_target => unwell(&why),
        None if is_target && instances(app) == 0 => Standing::Idle { why: "0 instances".to_owned() },
        None if is_target => Standing::Target,
        trouble => Standing::Before { trouble },
    }
}

/// Why an application is not well; none where it is.
fn trouble(app: &Value) -> Option<String> {
    let count = |name: &str| app[name].as_u64().unwrap_or(0);
    let wanted = instances(app);
    if count("tasksRunning") != wanted {
        return Some(format!("{} of {} running", count("tasksRunning"), counted(wanted, "instance")));
    }
    if has_health_checks(app) && (count("tasksHealthy") != wanted || count("tasksUnhealthy") > 0) {
        return Some(format!("{} of {} healthy", count("tasksHealthy"), counted(wanted, "instance")));
    }
    None
}

/// How many instances of the version in force run, and are healthy where that is checked. Needs the tasks.
pub(super) fn arrived(app: &Value) -> u64 {
    let configured = app.pointer("/versionInfo/lastConfigChangeAt").unwrap_or(&app["version"]);
    let new = |task: &&Value| task["version"] == *configured || task["version"] == app["version"];
    let well = |task: &&Value| {
        let results = task["healthCheckResults"].as_array().map(Vec::as_slice).unwrap_or_default();
        let alive = !results.is_empty() && results.iter().all(|result| result["alive"] == true);
        task["state"] == "TASK_RUNNING" && (alive || !has_health_checks(app))
    };
    app["tasks"].as_array().into_iter().flatten().filter(new).filter(well).count() as u64
}

/// Adds what of an application must never be shown: the values of its environment.
pub(super) fn secrets(app: &Value, secrets: &mut Secrets) {
    for value in app["env"].as_object().into_iter().flatten().map(|(_, value)| value) {
        let text = value.as_str().unwrap_or_else(|| value["secret"].as_str().unwrap_or_default());
        secrets.add(text);
    }
    for parameter in app.pointer("/container/docker/parameters").and_then(Value::as_array).into_iter().flatten() {
        if parameter["key"] == "env" {
            let value = parameter["value"].as_str().unwrap_or_default();
            secrets.add(value.split_once('=').map_or(value, |(_, value)| value));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn app() -> Value {
        json!({
            "id": "/shop/dev/web/billing", "version": "2026-11-20T10:00:00.000Z", "instances": 2,
            "container": {
                "type": "DOCKER", "volumes": [{"containerPath": "/data", "hostPath": "/srv", "mode": "RW"}],
                "docker": {"image": "r:5000/billing:2-develop", "parameters": [{"key": "env", "value": "A=hidden-one"}]},
                "portMappings": [{"containerPort": 80}],
            },
            "env": {"PASSWORD": "s3cret", "KEY": {"secret": "key0"}}, "executorResources": {"cpus": 0.1},
            "healthChecks": [{"protocol": "HTTP"}], "deployments": [],
            "tasksRunning": 2, "tasksHealthy": 2, "tasksUnhealthy": 0, "tasksStaged": 0,
            "versionInfo": {"lastConfigChangeAt": "2026-11-20T10:00:00.000Z"},
            "upgradeStrategy": {"minimumHealthCapacity": 0, "maximumOverCapacity": 0},
        })
    }

    fn change() -> Change {
        Change { application: application(&app(), "dev").expect("of dev"), to: "r:5000/billing:1-develop".into() }
    }

    #[test]
    fn an_application_is_read_whole() {
        let expected = Application {
            id: "/shop/dev/web/billing".to_owned(),
            service: "billing".to_owned(),
            images: vec!["r:5000/billing:2-develop".into()],
            revision: "2026-11-20T10:00:00.000Z".to_owned(),
            instances: 2,
            notes: vec!["down while it restarts".to_owned()],
            ..Application::default()
        };
        assert_eq!(application(&app(), "dev"), Some(expected));
        assert_eq!(application(&app(), "billing"), None, "the last part is the service");
        assert_eq!(application(&app(), "de"), None, "only whole parts");
        assert_eq!(application(&app(), "shop"), None, "the first part is the department");
        assert_eq!(application(&app(), "web"), None, "the third part is the project");
        let mut held = app();
        held["labels"] = json!({"firebreak.io/hold": "true"});
        assert!(application(&held, "dev").expect("of dev").apart.is_some());
        let mut command = app();
        command["container"] = Value::Null;
        assert_eq!(application(&command, "dev"), None, "it runs no image");
    }

    #[test]
    fn what_an_operator_should_know_is_noted() {
        let notes_with = |pointer: &str, value: Value| {
            let mut app = app();
            app[pointer] = value;
            notes(&app)
        };
        assert_eq!(
            notes_with("upgradeStrategy", json!({"minimumHealthCapacity": 1})),
            ["capacity doubles for a while"]
        );
        assert_eq!(notes_with("upgradeStrategy", json!({"minimumHealthCapacity": 0.5})), [""; 0]);
        assert_eq!(notes_with("upgradeStrategy", Value::Null), ["capacity doubles for a while"], "Marathon's default");
        assert_eq!(notes_with("instances", json!(0)), ["suspended (0 instances): only its image is set"]);
        assert_eq!(
            notes_with("healthChecks", json!([])),
            ["down while it restarts", "no health check: that it runs is all that can be seen"]
        );
        assert_eq!(
            notes_with("deployments", json!([{"id": "1"}])),
            ["down while it restarts", "a deployment is running"]
        );
    }

    #[test]
    fn an_update_holds_the_whole_container_and_what_would_be_wiped() {
        let mut container = app()["container"].clone();
        container["docker"]["image"] = "r:5000/billing:1".into();
        let expected =
            json!({"id": "/shop/dev/web/billing", "container": container, "executorResources": {"cpus": 0.1}});
        assert_eq!(update(&app(), "r:5000/billing:1"), expected);
    }

    #[test]
    fn how_it_stands_is_seen_in_its_tasks() {
        let stands = |image: &str, fields: Value| {
            let mut app = app();
            app["container"]["docker"]["image"] = image.into();
            for (name, value) in fields.as_object().expect("fields") {
                app[name] = value.clone();
            }
            standing(&app, &change())
        };
        let (old, new) = ("r:5000/billing:2-develop", "r:5000/billing:1-develop");
        let unwell = |why: &str| Standing::Unwell { value: new.to_owned(), why: why.to_owned() };
        let before = |trouble: Option<&str>| Standing::Before { trouble: trouble.map(str::to_owned) };
        assert_eq!(stands(old, json!({})), before(None));
        assert_eq!(stands(old, json!({"tasksHealthy": 1})), before(Some("1 of 2 instances healthy")));
        assert_eq!(stands(new, json!({})), Standing::Target);
        assert_eq!(stands("r:5000/billing:9", json!({})), Standing::Other { value: "r:5000/billing:9".to_owned() });
        assert_eq!(stands(old, json!({"deployments": [{"id": "1"}]})), before(None), "it is not ours");
        assert_eq!(
            stands(new, json!({"deployments": [{"id": "1"}], "version": "later"})),
            unwell("a deployment is running")
        );
        assert_eq!(stands(new, json!({"tasksRunning": 1})), unwell("1 of 2 instances running"));
        assert_eq!(stands(new, json!({"tasksRunning": 3})), unwell("3 of 2 instances running"));
        assert_eq!(stands(new, json!({"tasksHealthy": 1})), unwell("1 of 2 instances healthy"));
        assert_eq!(stands(new, json!({"tasksUnhealthy": 1})), unwell("2 of 2 instances healthy"));
        assert_eq!(stands(new, json!({"instances": 0, "tasksRunning": 0})), unwell("0 instances, there were 2"));
        assert_eq!(stands(new, json!({"healthChecks": [], "tasksHealthy": 0})), Standing::Target);
        let mut change = change();
        change.application.instances = 0;
        let mut none = app();
        none["container"]["docker"]["image"] = new.into();
        (none["instances"], none["tasksRunning"], none["tasksHealthy"]) = (0.into(), 0.into(), 0.into());
        assert_eq!(standing(&none, &change), Standing::Idle { why: "0 instances".to_owned() });
    }

    #[test]
    fn only_new_and_healthy_instances_have_arrived() {
        let task = |version: &str, state: &str, alive: Option<bool>| {
            let results = alive.map(|alive| json!([{ "alive": alive }]));
            json!({"version": version, "state": state, "healthCheckResults": results})
        };
        let (now, old) = ("2026-11-20T10:00:00.000Z", "2026-11-19T10:00:00.000Z");
        let mut app = app();
        app["tasks"] = json!([
            task(now, "TASK_RUNNING", Some(true)),
            task(now, "TASK_RUNNING", Some(false)),
            task(now, "TASK_RUNNING", None),
            task(now, "TASK_STAGING", None),
            task(old, "TASK_RUNNING", Some(true)),
        ]);
        assert_eq!(arrived(&app), 1);
        app["healthChecks"] = json!([]);
        assert_eq!(arrived(&app), 3);
    }

    #[test]
    fn values_of_the_environment_are_secrets() {
        let mut found = Secrets::default();
        secrets(&app(), &mut found);
        assert_eq!(found.scrub("s3cret key0 hidden-one PASSWORD"), "*** *** *** PASSWORD");
    }

    proptest! {
        #[test]
        fn an_update_changes_the_image_and_nothing_else(
            volumes in prop::collection::vec("[a-z/]{1,9}", 0..3),
            limits in prop::option::of(1_u32..9),
            image in "[a-z]{1,5}:[0-9]{1,3}",
        ) {
            let mut app = app();
            app["container"]["volumes"] = json!(volumes);
            app["resourceLimits"] = limits.map_or(Value::Null, |limit| json!({"mem": limit}));
            let body = update(&app, &image);
            // A shallow merge, which wipes the two fields that are left out.
            let mut merged = app.clone();
            for field in ["executorResources", "resourceLimits"] {
                merged[field] = Value::Null;
            }
            for (name, value) in body.as_object().expect("an object") {
                merged[name] = value.clone();
            }
            let mut expected = app;
            expected["container"]["docker"]["image"] = image.into();
            prop_assert_eq!(merged, expected);
        }
    }
}
