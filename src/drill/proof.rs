//! Where the services of the drill stand, and whether that is where they should.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::marathon::Applications;
use super::registry::Shelves;
use super::story::{self, Stand};

/// How one service stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The service.
    pub service: String,
    /// The image that it should run, without the registry.
    pub wanted: String,
    /// The image that it is set to, without the registry.
    pub found: String,
    /// What is wrong with it, if anything. Empty: it stands where it should.
    pub wrong: Vec<String>,
}

/// How the services of an environment stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The environment, as in the ids of applications.
    pub environment: String,
    /// Whether all stand where they should.
    pub holds: bool,
    /// Each of them.
    pub services: Vec<Standing>,
}

/// What a proof is made from.
#[derive(Debug, Clone)]
pub(super) struct Inspector {
    pub(super) shelves: Shelves,
    pub(super) applications: Applications,
    /// `127.0.0.1:5000/`, what the registry's images begin with.
    pub(super) prefix: String,
    /// Every application as it was placed.
    pub(super) placed: Vec<Value>,
}

impl Inspector {
    /// Looks at every service of an environment. None: there is no such environment.
    pub(super) fn proof(&self, environment: &str, stand: Stand) -> Option<Proof> {
        let tag = story::tag_of(environment)?;
        let mut services = Vec::new();
        for service in story::SERVICES {
            let version = story::version(service, stand)?;
            services.push(self.standing(environment, service, &format!("{version}-{tag}")));
        }
        let holds = services.iter().all(|service| service.wrong.is_empty());
        Some(Proof { environment: environment.to_owned(), holds, services })
    }

    fn standing(&self, environment: &str, service: &str, tag: &str) -> Standing {
        let id = story::application_id(environment, service);
        let wanted = format!("{service}:{tag}");
        let Some(app) = self.applications.app(&id) else {
            let wrong = vec!["its application is gone".to_owned()];
            return Standing { service: service.to_owned(), wanted, found: String::new(), wrong };
        };
        let image = app["container"]["docker"]["image"].as_str().unwrap_or_default();
        let found = image.strip_prefix(&self.prefix).unwrap_or(image).to_owned();
        let digest = self.shelves.digest(service, tag).unwrap_or_default();
        let mut wrong = Vec::new();
        // A pinned image is as good as the tag that names it.
        if found != wanted && found != format!("{service}@{digest}") && found != format!("{wanted}@{digest}") {
            wrong.push(format!("it is set to {found}"));
        }
        let placed = self.placed.iter().find(|placed| placed["id"] == app["id"]);
        wrong.extend(placed.map(|placed| changed(placed, &app)).unwrap_or_default());
        wrong.extend(unwell(&app));
        Standing { service: service.to_owned(), wanted, found, wrong }
    }
}

/// The fields, besides the image, that are no longer as they were. Names only: values can be secrets.
fn changed(placed: &Value, app: &Value) -> Vec<String> {
    let rest = |app: &Value| {
        let mut app = app.clone();
        if let Some(image) = app.pointer_mut("/container/docker/image") {
            *image = Value::Null;
        }
        app
    };
    let (before, after) = (rest(placed), rest(app));
    let passing =
        ["version", "versionInfo", "tasksStaged", "tasksRunning", "tasksHealthy", "tasksUnhealthy", "deployments"];
    let names = before.as_object().into_iter().chain(after.as_object()).flat_map(|map| map.keys());
    let mut names: Vec<&String> = names
        .filter(|name| !passing.contains(&name.as_str()) && before.get(name.as_str()) != after.get(name.as_str()))
        .collect();
    names.sort();
    names.dedup();
    names.into_iter().map(|name| format!("its '{name}' is not as it was")).collect()
}

/// What keeps an application from running as it is set to.
fn unwell(app: &Value) -> Vec<String> {
    let number = |name: &str| app[name].as_u64().unwrap_or(0);
    let wanted = number("instances");
    let mut wrong = Vec::new();
    if number("tasksRunning") != wanted {
        wrong.push(format!("{} of {wanted} instances run", number("tasksRunning")));
    }
    let has_checks = app["healthChecks"].as_array().is_some_and(|checks| !checks.is_empty());
    if has_checks && number("tasksHealthy") != wanted {
        wrong.push(format!("{} of {wanted} instances are healthy", number("tasksHealthy")));
    }
    if app["deployments"].as_array().is_some_and(|deployments| !deployments.is_empty()) {
        wrong.push("a deployment is under way".to_owned());
    }
    wrong
}
