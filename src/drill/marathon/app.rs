//! One application: its definition with its versions, its instances, and how a deployment replaces them.

use std::collections::VecDeque;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::definition::{self, Definition};

/// How many versions of an application are kept.
const VERSIONS: usize = 50;

/// When something was changed: also the name of a version.
pub(super) type Stamp = DateTime<Utc>;

/// A stamp as a Marathon writes it.
pub(super) fn written(stamp: Stamp) -> String {
    stamp.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A definition as it stood from one moment on.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) at: Stamp,
    /// When more than the number of instances was last changed: instances of an older one are replaced.
    pub(super) configured: Stamp,
    pub(super) definition: Definition,
}

impl Version {
    pub(super) fn json(&self, id: &str) -> Value {
        let mut value = json!({ "id": id });
        for (name, field) in &self.definition {
            value[name] = field.clone();
        }
        value["version"] = json!(written(self.at));
        value["versionInfo"] =
            json!({"lastScalingAt": written(self.at), "lastConfigChangeAt": written(self.configured)});
        value
    }
}

/// How far an instance has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Staging,
    Running,
    Healthy,
    Unhealthy,
}

/// A running (or starting) instance.
#[derive(Debug, Clone)]
pub(super) struct Instance {
    pub(super) name: String,
    pub(super) configured: Stamp,
    pub(super) stage: Stage,
}

/// What decides about new instances: whether their image can be pulled, and whether they ever get healthy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fate {
    pub(super) pullable: bool,
    pub(super) healthy: bool,
}

#[derive(Debug)]
pub(super) struct App {
    pub(super) id: String,
    /// The versions, the newest (the one in force) first. Never empty.
    versions: VecDeque<Version>,
    pub(super) instances: Vec<Instance>,
    /// The image it ran when it was made: the one that a fault leaves healthy.
    pub(super) first_image: Option<String>,
    pub(super) failure: Option<Value>,
    started: usize,
}

impl App {
    pub(super) fn new(id: &str, version: Version) -> Self {
        let first_image = definition::image(&version.definition).map(str::to_owned);
        Self {
            id: id.to_owned(),
            versions: VecDeque::from([version]),
            instances: Vec::new(),
            first_image,
            failure: None,
            started: 0,
        }
    }

    /// Says that it ran other images before, each set at its moment, the oldest first.
    pub(super) fn remember(&mut self, past: &[(Stamp, String)]) {
        for (at, image) in past.iter().rev() {
            let mut definition = self.current().definition.clone();
            definition["container"]["docker"]["image"] = json!(image);
            self.versions.push_back(Version { at: *at, configured: *at, definition });
        }
        self.versions.truncate(VERSIONS);
    }

    /// Makes it run as if it had always done so.
    pub(super) fn advance(&mut self) {
        self.instances.clear();
        for _ in 0..self.wanted() {
            let stage = if self.has_health_checks() { Stage::Healthy } else { Stage::Running };
            self.start();
            if let Some(instance) = self.instances.last_mut() {
                instance.stage = stage;
            }
        }
    }

    /// The version in force.
    pub(super) fn current(&self) -> &Version {
        &self.versions[0]
    }

    pub(super) fn version(&self, at: &str) -> Option<&Version> {
        let at = DateTime::parse_from_rfc3339(at).ok()?;
        self.versions.iter().find(|version| version.at == at)
    }

    pub(super) fn versions(&self) -> Vec<String> {
        self.versions.iter().map(|version| written(version.at)).collect()
    }

    /// Puts another definition into force.
    pub(super) fn set(&mut self, definition: Definition, at: Stamp) {
        let only_scaled = {
            let (mut old, mut new) = (self.current().definition.clone(), definition.clone());
            old.shift_remove("instances");
            new.shift_remove("instances");
            old == new
        };
        let configured = if only_scaled { self.current().configured } else { at };
        self.versions.push_front(Version { at, configured, definition });
        self.versions.truncate(VERSIONS);
    }

    /// Puts another definition into force and says that its instances had it all the time.
    pub(super) fn set_silently(&mut self, definition: Definition, at: Stamp) {
        self.set(definition, at);
        let configured = self.current().configured;
        for instance in &mut self.instances {
            instance.configured = configured;
        }
    }

    pub(super) fn image(&self) -> Option<&str> {
        definition::image(&self.current().definition)
    }

    fn wanted(&self) -> usize {
        definition::instances(&self.current().definition)
    }

    fn has_health_checks(&self) -> bool {
        let checks = self.current().definition.get("healthChecks").and_then(Value::as_array);
        checks.is_some_and(|checks| !checks.is_empty())
    }

    fn start(&mut self) {
        self.started += 1;
        let name = format!(
            "{}.instance-{:08x}.app.{}",
            self.id.trim_start_matches('/').replace('/', "_"),
            self.started,
            self.started
        );
        self.instances.push(Instance { name, configured: self.current().configured, stage: Stage::Staging });
    }

    fn is_ready(&self, instance: &Instance) -> bool {
        instance.stage == Stage::Healthy || instance.stage == Stage::Running && !self.has_health_checks()
    }

    /// One small step towards the version in force. True when all is as that wants it.
    pub(super) fn step(&mut self, fate: Fate) -> bool {
        let configured = self.current().configured;
        let has_checks = self.has_health_checks();
        let wanted = self.wanted();
        for instance in self.instances.iter_mut().filter(|instance| instance.configured == configured) {
            instance.stage = match instance.stage {
                Stage::Staging if fate.pullable => Stage::Running,
                Stage::Running if has_checks && fate.healthy => Stage::Healthy,
                Stage::Running if has_checks => Stage::Unhealthy,
                stage => stage,
            };
        }
        if !fate.pullable && self.instances.iter().any(|instance| instance.stage == Stage::Staging) {
            self.failure = Some(self.cannot_pull());
        }
        let is_new = |instance: &Instance| instance.configured == configured;
        let new = self.instances.iter().filter(|instance| is_new(instance)).count();
        let ready = self.instances.iter().filter(|instance| self.is_ready(instance)).count();
        let (least, most) = self.bounds(wanted);
        // Old instances go first where they may, so that there is room for new ones.
        let may_go = |instance: &Instance| !is_new(instance) && (ready > least || !self.is_ready(instance));
        if let Some(old) = self.instances.iter().position(may_go) {
            self.instances.remove(old);
        } else if new > wanted
            && let Some(youngest) = self.instances.iter().rposition(is_new)
        {
            self.instances.remove(youngest);
        }
        if new < wanted && self.instances.len() < most {
            self.start();
        }
        let done = self.instances.len() == wanted
            && self.instances.iter().all(|instance| is_new(instance) && self.is_ready(instance));
        if done {
            self.failure = None;
        }
        done
    }

    /// The fewest ready and the most instances while an upgrade runs.
    fn bounds(&self, wanted: usize) -> (usize, usize) {
        let share = |name: &str| {
            let strategy = self.current().definition.get("upgradeStrategy");
            strategy.and_then(|strategy| strategy[name].as_f64()).unwrap_or(1.0)
        };
        #[expect(clippy::cast_precision_loss, reason = "a number of instances is far below 2^52")]
        let part = |share: f64| share * wanted as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "shares are between 0 and 1")]
        let (least, over) =
            (part(share("minimumHealthCapacity")).ceil() as usize, part(share("maximumOverCapacity")).floor() as usize);
        // Where none may be missing and none may be more, nothing could ever move: one more is let in.
        let most = if least == wanted && over == 0 { wanted + 1 } else { wanted + over };
        (least, most)
    }

    fn cannot_pull(&self) -> Value {
        let task = self.instances.iter().find(|instance| instance.stage == Stage::Staging);
        let at = written(self.current().at);
        json!({
            "appId": self.id,
            "host": "127.0.0.1",
            "message": format!("Failed to launch container: cannot pull image '{}'", self.image().unwrap_or_default()),
            "state": "TASK_FAILED",
            "taskId": task.map(|task| task.name.clone()),
            "timestamp": at,
            "version": at,
        })
    }

    /// The application as it is read: its definition, counts, and the deployments that hold it.
    pub(super) fn json(&self, deployments: &[String], with_tasks: bool) -> Value {
        let count =
            |stages: &[Stage]| self.instances.iter().filter(|instance| stages.contains(&instance.stage)).count();
        let mut value = self.current().json(&self.id);
        value["tasksStaged"] = json!(count(&[Stage::Staging]));
        value["tasksRunning"] = json!(count(&[Stage::Running, Stage::Healthy, Stage::Unhealthy]));
        value["tasksHealthy"] = json!(count(&[Stage::Healthy]));
        value["tasksUnhealthy"] = json!(count(&[Stage::Unhealthy]));
        value["deployments"] = deployments.iter().map(|id| json!({ "id": id })).collect();
        if with_tasks {
            value["tasks"] = self.instances.iter().map(|instance| self.task(instance)).collect();
            if let Some(failure) = &self.failure {
                value["lastTaskFailure"] = failure.clone();
            }
        }
        value
    }

    fn task(&self, instance: &Instance) -> Value {
        let state = if instance.stage == Stage::Staging { "TASK_STAGING" } else { "TASK_RUNNING" };
        let mut task = json!({
            "id": instance.name,
            "appId": self.id,
            "host": "127.0.0.1",
            "ports": [],
            "state": state,
            "stagedAt": written(instance.configured),
            "version": written(instance.configured),
        });
        if let Stage::Healthy | Stage::Unhealthy = instance.stage {
            task["healthCheckResults"] = json!([{
                "alive": instance.stage == Stage::Healthy,
                "consecutiveFailures": u8::from(instance.stage == Stage::Unhealthy),
                "instanceId": instance.name,
            }]);
        }
        task
    }
}
