//! Where the shop of a drill runs: on a Marathon or on a Kubernetes.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::kubernetes::pods::tagged;
use super::kubernetes::{Kubernetes, Objects};
use super::marathon::{Applications, Marathon};
use super::story;
use crate::temporary;
use crate::words::counted;

/// Which platform a drill has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Mesosphere's Marathon.
    #[default]
    Marathon,
    /// Kubernetes.
    Kubernetes,
}

/// The platform of a drill, running.
#[derive(Debug)]
pub(super) enum PlatformServer {
    Marathon(Marathon),
    Kubernetes(Kubernetes, Kubeconfig),
}

impl PlatformServer {
    /// What leads a program of the toolkit there.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Marathon(marathon) => vec![("FIREBREAK_PLATFORM", format!("marathon+http://{}", marathon.address()))],
            Self::Kubernetes(_, kubeconfig) => vec![
                ("FIREBREAK_PLATFORM", "kubernetes://drill/".to_owned()),
                ("KUBECONFIG", kubeconfig.path().display().to_string()),
            ],
        }
    }

    /// What the proof looks at: it outlives the servers.
    pub(super) fn shop(&self) -> Shop {
        match self {
            Self::Marathon(marathon) => Shop::Marathon(marathon.applications().clone()),
            Self::Kubernetes(kubernetes, _) => Shop::Kubernetes(kubernetes.objects().clone()),
        }
    }
}

/// A kubeconfig in a folder of its own, which nobody else can read. Both go away with it.
#[derive(Debug)]
pub(super) struct Kubeconfig(TempDir);

impl Kubeconfig {
    pub(super) fn write(text: &str) -> anyhow::Result<Self> {
        let kubeconfig = Self(temporary::folder()?);
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(kubeconfig.path());
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written.context("failed to write the drill's kubeconfig")?;
        Ok(kubeconfig)
    }

    fn path(&self) -> PathBuf {
        Path::join(self.0.path(), "config")
    }
}

/// The applications of the shop, whatever they run on.
#[derive(Debug, Clone)]
pub(super) enum Shop {
    Marathon(Applications),
    Kubernetes(Objects),
}

/// An application, as far as a proof needs it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Application {
    /// The image that it is set to.
    pub(super) image: String,
    /// All else that nobody may have changed.
    pub(super) lasting: Map<String, Value>,
    /// What keeps it from running as it is set to.
    pub(super) unwell: Vec<String>,
}

impl Shop {
    /// What it runs on.
    pub(super) fn platform(&self) -> Platform {
        match self {
            Self::Marathon(_) => Platform::Marathon,
            Self::Kubernetes(_) => Platform::Kubernetes,
        }
    }

    /// The application of a workload, if it is there.
    pub(super) fn application(&self, environment: &str, workload: &str) -> Option<Application> {
        match self {
            Self::Marathon(applications) => {
                let app = applications.app(&story::application_id(environment, workload))?;
                Some(of_marathon(app))
            }
            Self::Kubernetes(objects) => {
                let object = objects.object(story::kubernetes::kind(workload), environment, workload)?;
                Some(of_kubernetes(object, workload))
            }
        }
    }
}

fn of_marathon(mut app: Value) -> Application {
    let number = |name: &str| app[name].as_u64().unwrap_or(0);
    let wanted = number("instances");
    let mut unwell = Vec::new();
    if number("tasksRunning") != wanted {
        unwell.push(format!("{} of {} running", number("tasksRunning"), counted(wanted, "instance")));
    }
    let has_checks = app["healthChecks"].as_array().is_some_and(|checks| !checks.is_empty());
    if has_checks && number("tasksHealthy") != wanted {
        unwell.push(format!("{} of {} healthy", number("tasksHealthy"), counted(wanted, "instance")));
    }
    if app["deployments"].as_array().is_some_and(|deployments| !deployments.is_empty()) {
        unwell.push("a deployment is under way".to_owned());
    }
    let image = app.pointer_mut("/container/docker/image").map(Value::take).unwrap_or_default();
    let passing =
        ["version", "versionInfo", "tasksStaged", "tasksRunning", "tasksHealthy", "tasksUnhealthy", "deployments"];
    let mut lasting = app.as_object().cloned().unwrap_or_default();
    lasting.retain(|name, _| !passing.contains(&name.as_str()));
    Application { image: image.as_str().unwrap_or_default().to_owned(), lasting, unwell }
}

fn of_kubernetes(mut object: Value, workload: &str) -> Application {
    let (pods, mut unwell) = if object["kind"] == "CronJob" {
        ("/spec/jobTemplate/spec/template/spec", Vec::new())
    } else {
        ("/spec/template/spec", of_rollout(&object))
    };
    let container = |object: &mut Value, list: &str, name: &str| {
        let containers = object.pointer_mut(&format!("{pods}/{list}")).and_then(Value::as_array_mut);
        let own = containers.into_iter().flatten().find(|container| container["name"] == name)?;
        own.get_mut("image").map(Value::take)
    };
    let image = container(&mut object, "containers", workload).unwrap_or_default();
    // What is run before it, of the same release.
    if let Some(other) = container(&mut object, "initContainers", "migrate").filter(|other| *other != image) {
        unwell.push(format!("it migrates by {other}"));
    }
    // Those of the sidecars may get a digest from a webhook.
    for list in ["containers", "initContainers"] {
        let containers = object.pointer_mut(&format!("{pods}/{list}")).and_then(Value::as_array_mut);
        for sidecar in containers.into_iter().flatten().filter(|container| container["image"].is_string()) {
            sidecar["image"] = json!(tagged(sidecar["image"].as_str().unwrap_or_default()));
        }
    }
    let mut lasting = object["spec"].as_object().cloned().unwrap_or_default();
    // The cluster's own numbers, and what whoever changes an image should say.
    let passing =
        ["deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation", "kubernetes.io/change-cause"];
    let mut annotations = object["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    annotations.retain(|name, _| !passing.contains(&name.as_str()));
    lasting.insert("labels".into(), object["metadata"]["labels"].clone());
    lasting.insert("annotations".into(), json!(annotations));
    Application { image: image.as_str().unwrap_or_default().to_owned(), lasting, unwell }
}

/// What keeps a workload from being rolled out.
fn of_rollout(object: &Value) -> Vec<String> {
    let status = &object["status"];
    let number = |name: &str| status[name].as_u64().unwrap_or(0);
    let (wanted, [all, updated, ready]) = match object["kind"].as_str() {
        Some("DaemonSet") => (
            number("desiredNumberScheduled"),
            ["currentNumberScheduled", "updatedNumberScheduled", "numberReady"].map(number),
        ),
        _ => (
            object["spec"]["replicas"].as_u64().unwrap_or(0),
            ["replicas", "updatedReplicas", "readyReplicas"].map(number),
        ),
    };
    let mut unwell = Vec::new();
    if ready != wanted {
        unwell.push(format!("{ready} of {} ready", counted(wanted, "pod")));
    }
    let is_seen = status["observedGeneration"] == object["metadata"]["generation"];
    if !is_seen || [all, updated] != [wanted; 2] {
        unwell.push("a roll-out is under way".to_owned());
    }
    unwell
}
