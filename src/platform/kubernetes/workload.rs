//! A Deployment, StatefulSet, DaemonSet or CronJob as JSON: what is read from it, and what is sent to change its images.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::super::secrets::Secrets;
use super::others::{Owner, owner};
use crate::platform::image::WrittenImage;
use crate::platform::{Apart, Application, Change};
use crate::words::hexadecimal;

/// Where it is said why an object was changed last; kubectl shows it beside each revision.
pub(super) const CAUSE: &str = "kubernetes.io/change-cause";

/// The kinds of objects that run services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
    CronJob,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Deployment, Self::StatefulSet, Self::DaemonSet, Self::CronJob];

    /// As kubectl and ids write it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
            Self::DaemonSet => "daemonset",
            Self::CronJob => "cronjob",
        }
    }

    /// Where those of a namespace are.
    pub(super) fn path(self, namespace: &str) -> String {
        let group = if self == Self::CronJob { "batch" } else { "apps" };
        format!("/apis/{group}/v1/namespaces/{namespace}/{}s", self.word())
    }
}

/// Kind and name of an application by its id, `dev/deployment/billing`.
pub(super) fn parts(id: &str) -> Option<(Kind, &str)> {
    let mut parts = id.split('/').skip(1);
    let word = parts.next()?;
    Some((Kind::ALL.into_iter().find(|kind| kind.word() == word)?, parts.next()?))
}

/// A container and the image that it is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Container {
    /// Where it stands in the object: `/spec/template/spec/containers/0`.
    pub(super) path: String,
    pub(super) name: String,
    pub(super) image: WrittenImage,
}

impl Container {
    /// It ends before the others begin.
    pub(super) fn is_init(&self) -> bool {
        self.path.contains("/initContainers/")
    }
}

/// Where the pods' spec stands in an object: a CronJob has it in what its jobs are made of.
fn pods(object: &Value) -> &'static str {
    if object["spec"]["jobTemplate"].is_null() { "/spec/template/spec" } else { "/spec/jobTemplate/spec/template/spec" }
}

/// Every container of an object, those that run before the others last.
pub(super) fn containers(object: &Value) -> Vec<Container> {
    let pods = pods(object);
    object.pointer(pods).map(|spec| containers_in(spec, pods)).unwrap_or_default()
}

/// Every container of a pod's spec, which stands at this place in its object.
pub(super) fn containers_in(spec: &Value, place: &str) -> Vec<Container> {
    let list = |name: &'static str| {
        let list = spec[name].as_array().into_iter().flatten().enumerate();
        list.filter_map(move |(number, container)| {
            Some(Container {
                path: format!("{place}/{name}/{number}"),
                name: container["name"].as_str()?.to_owned(),
                image: container["image"].as_str()?.into(),
            })
        })
    };
    list("containers").chain(list("initContainers")).collect()
}

/// The containers that a change is about, whatever image of its repository they are set to now.
pub(super) fn containers_of(object: &Value, change: &Change) -> Vec<Container> {
    containers(object).into_iter().filter(|one| change.is_about(&one.image)).collect()
}

/// An object as an application of its namespace, with all its images. None for one without a name or a container.
pub(super) fn application(kind: Kind, object: &Value) -> Option<Application> {
    let metadata = &object["metadata"];
    let (namespace, service) = (metadata["namespace"].as_str()?, metadata["name"].as_str()?);
    let mut images: Vec<WrittenImage> = Vec::new();
    for container in containers(object) {
        if !images.contains(&container.image) {
            images.push(container.image);
        }
    }
    if images.is_empty() {
        return None;
    }
    Some(Application {
        id: format!("{namespace}/{}/{service}", kind.word()),
        service: service.to_owned(),
        images,
        revision: revision(object)?,
        instances: wanted(kind, object),
        notes: notes(kind, object),
        obstacle: obstacle(kind, object),
        apart: Apart::held([&metadata["annotations"], &metadata["labels"]]).or_else(|| owned(object)),
    })
}

/// Why a workload that another controller made cannot be set: that controller would set it back.
fn owned(object: &Value) -> Option<Apart> {
    let Owner { kind, name, .. } = owner(object)?;
    Some(Apart::Fixed(format!("{kind} '{name}' made it, and would set it back")))
}

/// Whether what Kubernetes made for an application, a pod or a kept template, is of the object of this uid.
pub(super) fn is_owned(object: &Value, uid: &str) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array();
    owners.is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == uid))
}

/// Changes whenever anybody changes what is wanted. Not when the status moves, nor when an autoscaler scales: the one
/// is no change, and the other no reason to keep a rollback waiting.
pub(super) fn revision(object: &Value) -> Option<String> {
    let uid = object["metadata"]["uid"].as_str()?;
    let mut spec = object["spec"].as_object()?.clone();
    spec.shift_remove("replicas");
    // With the uid in it, and cut short: values of the environment are in the spec.
    let digest = Sha256::digest(format!("{uid}{}", Value::Object(spec)));
    Some(format!("{uid}/{}", hexadecimal(&digest[..8])))
}

/// How many instances are wanted.
pub(super) fn wanted(kind: Kind, object: &Value) -> u64 {
    match kind {
        Kind::DaemonSet => object["status"]["desiredNumberScheduled"].as_u64().unwrap_or(0),
        Kind::Deployment | Kind::StatefulSet => object["spec"]["replicas"].as_u64().unwrap_or(1),
        // Its jobs come and go by themselves.
        Kind::CronJob => 0,
    }
}

/// Why a new image would not reach the pods of an object.
pub(super) fn obstacle(kind: Kind, object: &Value) -> Option<String> {
    let spec = &object["spec"];
    let strategy = &spec["updateStrategy"];
    if spec["paused"] == true {
        return Some("it is paused: `kubectl rollout resume` it first".to_owned());
    }
    if matches!(kind, Kind::StatefulSet | Kind::DaemonSet) && strategy["type"] == "OnDelete" {
        return Some("its pods are replaced only when they are deleted (OnDelete)".to_owned());
    }
    let partition = strategy["rollingUpdate"]["partition"].as_u64().unwrap_or(0);
    if kind == Kind::StatefulSet && partition > 0 {
        return Some(format!("its pods below number {partition} keep their image (partition)"));
    }
    None
}

/// Why nothing of an object runs by which it could be seen that its image is well; none where something does.
pub(super) fn idle(kind: Kind, object: &Value) -> Option<String> {
    if wanted(kind, object) > 0 {
        return None;
    }
    Some(match kind {
        Kind::CronJob if object["spec"]["suspend"] == true => "it is suspended".to_owned(),
        Kind::CronJob => {
            let jobs = object["status"]["active"].as_array().into_iter().flatten();
            let jobs: Vec<&str> = jobs.filter_map(|job| job["name"].as_str()).collect();
            let under_way =
                format!("; jobs that are under way keep the image that they began with: {}", jobs.join(", "));
            format!("its next job runs this image{}", if jobs.is_empty() { "" } else { &under_way })
        }
        Kind::DaemonSet => "no node runs it".to_owned(),
        Kind::Deployment | Kind::StatefulSet => "0 replicas".to_owned(),
    })
}

fn notes(kind: Kind, object: &Value) -> Vec<String> {
    let mut notes = Vec::new();
    if kind == Kind::CronJob {
        let suspended = if object["spec"]["suspend"] == true { ", and is suspended" } else { "" };
        notes.push(format!("it runs at its times{suspended}: only its image is set"));
    } else if let Some(idle) = idle(kind, object) {
        notes.push(format!("{idle}: only its image is set"));
    } else if kind == Kind::Deployment && object["spec"]["strategy"]["type"] == "Recreate" {
        notes.push("down while it restarts".to_owned());
    }
    if let Some(manager) = manager(object) {
        notes.push(format!(
            "{manager} keeps it as its repository says, and will put the bad version back: stop it first"
        ));
    }
    notes
}

pub(super) fn has_readiness(object: &Value, container: &Container) -> bool {
    object.pointer(&container.path).is_some_and(|one| !one["readinessProbe"].is_null())
}

/// Who sets it back to what a repository says, by the marks that they leave and by who wrote it.
fn manager(object: &Value) -> Option<&'static str> {
    let marks = ["annotations", "labels"].map(|name| object["metadata"][name].as_object());
    let has = |prefix: &str| marks.iter().flatten().any(|marks| marks.keys().any(|key| key.starts_with(prefix)));
    // What Argo CD tracks by is often but a label that Helm sets, too; that it wrote is always known.
    let fields = object["metadata"]["managedFields"].as_array();
    let wrote = |prefix: &str| {
        let is_it = |one: &Value| one["manager"].as_str().is_some_and(|name| name.starts_with(prefix));
        fields.is_some_and(|fields| fields.iter().any(is_it))
    };
    if has("argocd.argoproj.io/") || wrote("argocd") {
        Some("Argo CD")
    } else if has("kustomize.toolkit.fluxcd.io/") || has("helm.toolkit.fluxcd.io/") {
        Some("Flux")
    } else {
        None
    }
}

/// The JSON Patch that sets containers to images, if the object is still the one that was read and they run what they
/// ran. It says in the object why.
pub(super) fn patch(object: &Value, set: &[(Container, WrittenImage)], cause: &str) -> Value {
    let mut steps = vec![json!({
        "op": "test", "path": "/metadata/resourceVersion", "value": object["metadata"]["resourceVersion"],
    })];
    for (Container { path, name, image }, to) in set {
        steps.push(json!({ "op": "test", "path": format!("{path}/name"), "value": name }));
        steps.push(json!({ "op": "test", "path": format!("{path}/image"), "value": image }));
        steps.push(json!({ "op": "replace", "path": format!("{path}/image"), "value": to }));
    }
    if object["metadata"]["annotations"].is_null() {
        steps.push(json!({ "op": "add", "path": "/metadata/annotations", "value": {} }));
    }
    let path = format!("/metadata/annotations/{}", CAUSE.replace('/', "~1"));
    steps.push(json!({ "op": "add", "path": path, "value": cause }));
    Value::Array(steps)
}

/// What must never be shown of an object: the values of its environment.
pub(super) fn secrets(object: &Value) -> Secrets {
    let mut secrets = Secrets::default();
    for list in ["containers", "initContainers"] {
        let list = object.pointer(&format!("{}/{list}", pods(object))).and_then(Value::as_array);
        for container in list.into_iter().flatten() {
            for variable in container["env"].as_array().into_iter().flatten() {
                secrets.add(variable["value"].as_str().unwrap_or_default());
            }
        }
    }
    secrets
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn object(containers: &[(&str, &str)], init: &[(&str, &str)]) -> Value {
        let list = |list: &[(&str, &str)]| -> Value {
            list.iter().map(|(name, image)| json!({ "name": name, "image": image, "readinessProbe": {} })).collect()
        };
        json!({
            "metadata": {"namespace": "dev", "name": "billing", "uid": "u", "generation": 3, "resourceVersion": "17"},
            "spec": {"replicas": 2, "template": {"spec": {
                "containers": list(containers), "initContainers": list(init),
            }}},
        })
    }

    fn change(object: &Value, images: &[&str], to: &str) -> Change {
        let images = images.iter().map(|image| (*image).into()).collect();
        Change { application: Application { images, ..application(Kind::Deployment, object).unwrap() }, to: to.into() }
    }

    #[test]
    fn a_change_is_about_every_container_of_its_repository_and_no_other() {
        let (ours, newer, proxy) = ("r:5000/team/billing:2", "r:5000/team/billing:3", "r:5000/mesh/envoy:1");
        let about = |containers: &[(&str, &str)], init: &[(&str, &str)]| -> Vec<String> {
            let object = object(containers, init);
            let found = containers_of(&object, &change(&object, &[ours], "r:5000/team/billing:1"));
            found.into_iter().map(|one| one.name).collect()
        };
        assert_eq!(about(&[("proxy", proxy), ("app", ours)], &[]), ["app"]);
        assert_eq!(about(&[("billing", proxy), ("app", ours)], &[]), ["app"], "the image decides");
        assert_eq!(about(&[("app", ours), ("worker", newer)], &[("migrate", ours)]), ["app", "worker", "migrate"]);
        assert_eq!(
            about(&[("app", ours), ("old", "r:5000/other/billing:1"), ("far", "m/team/billing:2")], &[]),
            ["app"]
        );
        assert_eq!(about(&[("proxy", proxy)], &[]), [""; 0]);
    }

    #[test]
    fn a_cron_job_is_read_by_what_its_jobs_are_made_of() {
        let pods =
            json!({"containers": [{"name": "app", "image": "r/billing:2", "env": [{"name": "A", "value": "s3cret"}]}]});
        let mut object = json!({
            "metadata": {"namespace": "dev", "name": "report", "uid": "u", "resourceVersion": "17"},
            "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": pods}}}},
            "status": {"active": [{"name": "report-7"}, {"name": "report-8"}]},
        });
        let read = application(Kind::CronJob, &object).unwrap();
        assert_eq!(
            (&*read.id, &read.images[..], read.instances),
            ("dev/cronjob/report", &["r/billing:2".into()][..], 0)
        );
        assert_eq!(read.notes, ["it runs at its times: only its image is set"]);
        assert_eq!(secrets(&object).scrub("A=s3cret"), "A=***");
        assert_eq!(
            idle(Kind::CronJob, &object).unwrap(),
            "its next job runs this image; jobs that are under way keep the image that they began with: report-7, report-8"
        );
        let set: Vec<_> = containers(&object).into_iter().map(|one| (one, "r/billing:1".into())).collect();
        let steps: json_patch::Patch = serde_json::from_value(patch(&object, &set, "why")).unwrap();
        json_patch::patch(&mut object, &steps).unwrap();
        assert_eq!(containers(&object)[0].image, "r/billing:1");
        object["spec"]["suspend"] = true.into();
        assert_eq!(idle(Kind::CronJob, &object).unwrap(), "it is suspended");
    }

    #[test]
    fn who_holds_it_says_so_in_an_annotation_or_a_label() {
        let held = |marks: &str, value: &str| {
            let mut object = object(&[("app", "billing:2")], &[]);
            object["metadata"][marks] = json!({"firebreak.io/hold": value});
            application(Kind::Deployment, &object).unwrap().apart.is_some()
        };
        assert!(held("annotations", "incident 7") && held("labels", "true"));
        assert!(!held("annotations", "false") && !held("labels", "false"));
    }

    #[test]
    fn an_application_is_read_whole() {
        let object = object(&[("app", "r:5000/team/billing:2"), ("proxy", "envoy:1")], &[]);
        let expected = Application {
            id: "dev/deployment/billing".to_owned(),
            service: "billing".to_owned(),
            images: vec!["r:5000/team/billing:2".into(), "envoy:1".into()],
            revision: revision(&object).unwrap(),
            instances: 2,
            ..Application::default()
        };
        assert_eq!(application(Kind::Deployment, &object), Some(expected));
        assert_eq!(parts("dev/deployment/billing"), Some((Kind::Deployment, "billing")));
        assert_eq!(parts("dev/pod/billing"), None);
        assert_eq!(application(Kind::Deployment, &json!({"metadata": {"name": "x"}})), None);
    }

    #[test]
    fn a_revision_is_that_of_what_is_wanted() {
        let first = object(&[("app", "billing:2")], &[]);
        let with = |pointer: &str, value: Value| {
            let mut object = first.clone();
            *object.pointer_mut(pointer).unwrap() = value;
            revision(&object)
        };
        let same = revision(&first);
        assert_eq!(with("/metadata/resourceVersion", "18".into()), same, "its status moved");
        assert_eq!(with("/spec/replicas", 5.into()), same, "it was scaled");
        assert_ne!(with("/metadata/uid", "v".into()), same, "it is another object");
        assert_ne!(with("/spec/template/spec/containers/0/image", "billing:3".into()), same);
        assert_ne!(with("/spec/template/spec/initContainers", json!([1])), same);
    }

    #[test]
    fn a_patch_holds_only_where_nothing_changed() {
        let mut object = object(&[("proxy", "envoy:1"), ("app", "billing:2")], &[("migrate", "billing:2")]);
        let change = change(&object, &["billing:2"], "billing:1");
        let set: Vec<_> = containers_of(&object, &change).into_iter().map(|one| (one, change.to.clone())).collect();
        let steps: json_patch::Patch = serde_json::from_value(patch(&object, &set, "why")).unwrap();
        for (pointer, value) in [
            ("/metadata/resourceVersion", "18"),
            ("/spec/template/spec/containers/1/image", "billing:3"),
            ("/spec/template/spec/containers/1/name", "other"),
            ("/spec/template/spec/initContainers/0/image", "billing:3"),
        ] {
            let mut changed = object.clone();
            *changed.pointer_mut(pointer).unwrap() = value.into();
            json_patch::patch(&mut changed, &steps).expect_err(pointer);
        }
        let mut expected = object.clone();
        expected["metadata"]["annotations"] = json!({ CAUSE: "why" });
        for pointer in ["/spec/template/spec/containers/1/image", "/spec/template/spec/initContainers/0/image"] {
            *expected.pointer_mut(pointer).unwrap() = "billing:1".into();
        }
        json_patch::patch(&mut object, &steps).unwrap();
        assert_eq!(object, expected);
    }

    #[test]
    fn values_of_the_environment_are_secrets() {
        let mut object = object(&[("app", "billing:2")], &[("migrate", "billing:2")]);
        object["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{"name": "A", "value": "s3cret"}]);
        object["spec"]["template"]["spec"]["initContainers"][0]["env"] = json!([{"name": "B", "value": "hidden"}]);
        assert_eq!(secrets(&object).scrub("A=s3cret B=hidden"), "A=*** B=***");
    }

    proptest! {
        #[test]
        fn a_patch_changes_images_and_the_cause_and_nothing_else(
            sidecars in prop::collection::vec("[a-z]{1,6}", 0..4),
            place in 0_usize..4,
            annotations in prop::option::of("[a-z]{1,6}"),
            to in "[0-9]{1,3}",
        ) {
            let mut containers: Vec<(&str, &str)> = sidecars.iter().map(|name| (name.as_str(), "mesh/proxy:1")).collect();
            containers.insert(place.min(containers.len()), ("app", "team/billing:2"));
            let mut object = object(&containers, &[]);
            if let Some(name) = annotations {
                object["metadata"]["annotations"] = json!({ name: "kept" });
            }
            let change = change(&object, &["team/billing:2"], &format!("team/billing:{to}"));
            let set: Vec<_> = containers_of(&object, &change).into_iter().map(|one| (one, change.to.clone())).collect();
            let steps: json_patch::Patch = serde_json::from_value(patch(&object, &set, "why")).unwrap();
            let mut expected = object.clone();
            expected["metadata"]["annotations"][CAUSE] = "why".into();
            let place = containers.iter().position(|(name, _)| *name == "app").unwrap();
            expected["spec"]["template"]["spec"]["containers"][place]["image"] = change.to.as_str().into();
            json_patch::patch(&mut object, &steps).unwrap();
            prop_assert_eq!(object, expected);
        }
    }
}
