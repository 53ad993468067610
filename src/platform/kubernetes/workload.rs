//! A Deployment, StatefulSet or DaemonSet as JSON: what is read from it, and what is sent to change its images.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::super::secrets::Secrets;
use crate::platform::Application;
use crate::platform::image::ImageName;

/// Where it is said why an object was changed last; kubectl shows it beside each revision.
pub(super) const CAUSE: &str = "kubernetes.io/change-cause";

/// The kinds of objects that run services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Deployment, Self::StatefulSet, Self::DaemonSet];

    /// As kubectl and ids write it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
            Self::DaemonSet => "daemonset",
        }
    }

    /// Where those of a namespace are.
    pub(super) fn path(self, namespace: &str) -> String {
        format!("/apis/apps/v1/namespaces/{namespace}/{}s", self.word())
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
    pub(super) image: String,
}

impl Container {
    fn is_init(&self) -> bool {
        self.path.contains("/initContainers/")
    }
}

/// Every container of an object, those that run before the others last.
pub(super) fn containers(object: &Value) -> Vec<Container> {
    let list = |name: &'static str| {
        let list = object["spec"]["template"]["spec"][name].as_array().into_iter().flatten().enumerate();
        list.filter_map(move |(number, container)| {
            Some(Container {
                path: format!("/spec/template/spec/{name}/{number}"),
                name: container["name"].as_str()?.to_owned(),
                image: container["image"].as_str()?.to_owned(),
            })
        })
    };
    list("containers").chain(list("initContainers")).collect()
}

/// The containers that run the service: all of the one repository that bears its name; else that of the container of
/// its name, else that of the only one. An init container of that repository moves along.
pub(super) fn of_service(object: &Value, service: &str) -> Result<Vec<Container>, String> {
    let all = containers(object);
    let main: Vec<&Container> = all.iter().filter(|one| !one.is_init()).collect();
    let is_named = |one: &&&Container| repository(&one.image).rsplit('/').next() == Some(service);
    let mut repositories: Vec<String> = main.iter().filter(is_named).map(|one| repository(&one.image)).collect();
    repositories.dedup();
    let chosen = match (&repositories[..], main.iter().find(|one| one.name == service), &main[..]) {
        ([one], _, _) => one.clone(),
        (_, Some(named), _) => repository(&named.image),
        (_, None, [only]) => repository(&only.image),
        _ => {
            let names: Vec<&str> = main.iter().map(|one| one.name.as_str()).collect();
            return Err(format!("which of its containers is the service is not known: {}", names.join(", ")));
        }
    };
    Ok(all.into_iter().filter(|one| repository(&one.image) == chosen).collect())
}

/// What is before tag and digest of an image.
fn repository(image: &str) -> String {
    image.parse::<ImageName>().map_or_else(|_| image.to_owned(), |name| name.repository().to_owned())
}

/// The containers that a change of an application sets: those that run one of the images that it ran.
pub(super) fn meant(object: &Value, application: &Application) -> Vec<Container> {
    let is_meant = |one: &Container| application.images.contains(&one.image);
    containers(object).into_iter().filter(is_meant).collect()
}

/// An object as an application of its namespace. None for one without a name or a container.
pub(super) fn application(kind: Kind, object: &Value) -> Option<Application> {
    let metadata = &object["metadata"];
    let (namespace, service) = (metadata["namespace"].as_str()?, metadata["name"].as_str()?);
    let (mut images, found): (Vec<String>, _) = match of_service(object, service) {
        Ok(found) => (found.iter().map(|one| one.image.clone()).collect(), Ok(found)),
        Err(why) => (containers(object).into_iter().map(|one| one.image).collect(), Err(why)),
    };
    let mut seen = Vec::new();
    images.retain(|image| {
        !seen.contains(image) && {
            seen.push(image.clone());
            true
        }
    });
    if images.is_empty() {
        return None;
    }
    Some(Application {
        id: format!("{namespace}/{}/{service}", kind.word()),
        service: service.to_owned(),
        images,
        revision: revision(object)?,
        instances: wanted(kind, object),
        notes: notes(kind, object, found.as_deref().unwrap_or_default()),
        obstacle: found.err().or_else(|| obstacle(kind, object)),
    })
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
    let digest = digest.iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    Some(format!("{uid}/{digest}"))
}

/// How many instances are wanted.
pub(super) fn wanted(kind: Kind, object: &Value) -> u64 {
    match kind {
        Kind::DaemonSet => object["status"]["desiredNumberScheduled"].as_u64().unwrap_or(0),
        Kind::Deployment | Kind::StatefulSet => object["spec"]["replicas"].as_u64().unwrap_or(1),
    }
}

/// Why a new image would not reach the pods of an object.
pub(super) fn obstacle(kind: Kind, object: &Value) -> Option<String> {
    let spec = &object["spec"];
    let strategy = &spec["updateStrategy"];
    if spec["paused"] == true {
        return Some("it is paused: `kubectl rollout resume` it first".to_owned());
    }
    if kind != Kind::Deployment && strategy["type"] == "OnDelete" {
        return Some("its pods are replaced only when somebody deletes them (OnDelete)".to_owned());
    }
    let partition = strategy["rollingUpdate"]["partition"].as_u64().unwrap_or(0);
    if kind == Kind::StatefulSet && partition > 0 {
        return Some(format!("its pods below number {partition} keep their image (partition)"));
    }
    None
}

fn notes(kind: Kind, object: &Value, found: &[Container]) -> Vec<String> {
    let mut notes = Vec::new();
    if found.len() > 1 {
        let names: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
        notes.push(format!("its containers {} run the same repository and move together", names.join(", ")));
    }
    if wanted(kind, object) == 0 {
        notes.push(match kind {
            Kind::DaemonSet => "no node runs it: only its image is set".to_owned(),
            Kind::Deployment | Kind::StatefulSet => "0 replicas: only its image is set".to_owned(),
        });
    } else if kind == Kind::Deployment && object["spec"]["strategy"]["type"] == "Recreate" {
        notes.push("down while it restarts".to_owned());
    } else if !found.is_empty() && !found.iter().any(|one| has_readiness(object, one)) {
        notes.push("no readiness probe: that it runs is all that can be seen".to_owned());
    }
    if let Some(keeper) = keeper(object) {
        notes.push(format!(
            "{keeper} keeps it as its repository says, and will put the bad version back: stop it first"
        ));
    }
    notes
}

fn has_readiness(object: &Value, container: &Container) -> bool {
    object.pointer(&container.path).is_some_and(|one| !one["readinessProbe"].is_null())
}

/// Who sets it back to what a repository says, by the marks that they leave and by who wrote it.
fn keeper(object: &Value) -> Option<&'static str> {
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
pub(super) fn patch(object: &Value, set: &[(Container, String)], cause: &str) -> Value {
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
        for container in object["spec"]["template"]["spec"][list].as_array().into_iter().flatten() {
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

    fn chosen(containers: &[(&str, &str)], init: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let found = of_service(&object(containers, init), "billing")?;
        Ok(found.into_iter().map(|one| one.name).collect())
    }

    #[test]
    fn the_container_is_found_by_repository_then_by_name_then_by_being_the_only_one() {
        let (ours, proxy) = ("r:5000/team/billing:2", "r:5000/mesh/envoy:1");
        assert_eq!(chosen(&[("proxy", proxy), ("app", ours)], &[]).unwrap(), ["app"]);
        assert_eq!(chosen(&[("billing", proxy), ("app", ours)], &[]).unwrap(), ["app"], "the image decides");
        assert_eq!(chosen(&[("billing", "r/api:2"), ("proxy", proxy)], &[]).unwrap(), ["billing"]);
        assert_eq!(chosen(&[("app", "r/api:2")], &[("wait", "busy:1")]).unwrap(), ["app"]);
        assert_eq!(
            chosen(&[("app", ours), ("worker", ours)], &[("migrate", ours)]).unwrap(),
            ["app", "worker", "migrate"]
        );
        let which = "which of its containers is the service is not known: ";
        assert_eq!(chosen(&[("app", "r/api:2"), ("proxy", proxy)], &[]).unwrap_err(), format!("{which}app, proxy"));
        let two = [("app", ours), ("old", "r:5000/other/billing:1")];
        assert_eq!(chosen(&two, &[]).unwrap_err(), format!("{which}app, old"), "two repositories of that name");
        assert_eq!(chosen(&[], &[]).unwrap_err(), which);
    }

    #[test]
    fn an_application_is_read_whole() {
        let object = object(&[("app", "r:5000/team/billing:2"), ("proxy", "envoy:1")], &[]);
        let expected = Application {
            id: "dev/deployment/billing".to_owned(),
            service: "billing".to_owned(),
            images: vec!["r:5000/team/billing:2".to_owned()],
            revision: revision(&object).unwrap(),
            instances: 2,
            notes: Vec::new(),
            obstacle: None,
        };
        assert_eq!(application(Kind::Deployment, &object), Some(expected));
        assert_eq!(parts("dev/deployment/billing"), Some((Kind::Deployment, "billing")));
        assert_eq!(parts("dev/pod/billing"), None);
        assert_eq!(application(Kind::Deployment, &json!({"metadata": {"name": "x"}})), None);
    }

    #[test]
    fn only_the_services_own_readiness_probe_counts() {
        let notes = |container: usize| {
            let mut object = object(&[("proxy", "envoy:1"), ("app", "billing:2")], &[]);
            object["spec"]["template"]["spec"]["containers"][container]["readinessProbe"] = Value::Null;
            application(Kind::Deployment, &object).unwrap().notes
        };
        assert_eq!(notes(0), [""; 0]);
        assert_eq!(notes(1), ["no readiness probe: that it runs is all that can be seen"]);
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
        let application = application(Kind::Deployment, &object).unwrap();
        let set: Vec<_> = meant(&object, &application).into_iter().map(|one| (one, "billing:1".to_owned())).collect();
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
            to in "[a-z]{1,5}:[0-9]{1,3}",
        ) {
            let mut containers: Vec<(&str, &str)> = sidecars.iter().map(|name| (name.as_str(), "mesh/proxy:1")).collect();
            containers.insert(place.min(containers.len()), ("app", "team/billing:2"));
            let mut object = object(&containers, &[]);
            if let Some(name) = annotations {
                object["metadata"]["annotations"] = json!({ name: "kept" });
            }
            let application = application(Kind::Deployment, &object).unwrap();
            let set: Vec<_> = meant(&object, &application).into_iter().map(|one| (one, to.clone())).collect();
            let steps: json_patch::Patch = serde_json::from_value(patch(&object, &set, "why")).unwrap();
            let mut expected = object.clone();
            expected["metadata"]["annotations"][CAUSE] = "why".into();
            let place = containers.iter().position(|(name, _)| *name == "app").unwrap();
            expected["spec"]["template"]["spec"]["containers"][place]["image"] = to.into();
            json_patch::patch(&mut object, &steps).unwrap();
            prop_assert_eq!(object, expected);
        }
    }
}
