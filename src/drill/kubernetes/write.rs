//! What a caller may change, and how: every write is checked as a whole before anything of it is kept.

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use json_patch::Patch;
use serde_json::{Value, json};

use super::definition::{check, fill_in, first_status, typed};
use super::refusal::{Cause, Refusal, parse_error};
use super::resource::{Key, Resource};
use super::world::World;
use crate::drill::faults::{Fault, is_of};

const OTHER_NAMESPACE: &str = "the namespace of the provided object does not match the namespace sent on the request";

/// A DaemonSet's own generation, of its template alone.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

impl World {
    /// Makes an object of a kind in a namespace. `dry`: only as if.
    pub(super) fn create(&mut self, place: &Key, body: Value, dry: bool) -> Result<Value, Refusal> {
        let name = body["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let key = Key { name, ..place.clone() };
        let mut object = Self::read(&key, body)?;
        let given = object["metadata"]["namespace"].as_str().unwrap_or(&key.namespace);
        if given != key.namespace {
            return Err(Refusal::bad(OTHER_NAMESPACE));
        }
        let namespace = Key::new(Resource::Namespaces, "", &key.namespace);
        if self.store.get(&namespace).is_none() {
            return Err(Refusal::missing(&namespace));
        }
        if !object["metadata"]["resourceVersion"].is_null() {
            return Err(Refusal::has_version());
        }
        if key.name.is_empty() {
            let causes = [Cause::required("metadata.name", "name or generateName is required")];
            return Err(Refusal::invalid(key.resource.kind(), key.resource.group(), "", &causes));
        }
        fill_in(key.resource, &mut object);
        self.pin_as_ordered(&key, &mut object);
        check(&key, &object, None)?;
        self.refuse_as_ordered(&key)?;
        if !dry && key.resource == Resource::Leases {
            self.lock_as_ordered(&key);
        }
        if self.store.get(&key).is_some() {
            return Err(Refusal::exists(&key));
        }
        if key.resource.is_workload() {
            object["status"] = first_status(key.resource);
        }
        if key.resource == Resource::DaemonSets {
            object["metadata"]["annotations"][TEMPLATE_GENERATION] = json!("1");
        }
        let object = self.store.draft(&key, object);
        if dry {
            return Ok(object);
        }
        let object = self.store.insert(&key, object).clone();
        self.wake(&key);
        Ok(object)
    }

    /// Replaces an object by another. A Lease that is not there is made.
    pub(super) fn update(&mut self, key: &Key, body: Value, dry: bool) -> Result<(StatusCode, Value), Refusal> {
        let mut object = Self::read(key, body)?;
        named(key, &object)?;
        object["metadata"]["namespace"] = json!(key.namespace);
        if !dry && key.resource == Resource::Leases {
            self.lock_as_ordered(key);
        }
        let old = self.store.get(key).cloned();
        let found = old.as_ref().and_then(|old| old["metadata"]["uid"].as_str()).unwrap_or_default();
        if let Some(uid) = object["metadata"]["uid"].as_str().filter(|uid| *uid != found) {
            let place = format!("/registry/{}/{}/{}", key.resource.plural(), key.namespace, key.name);
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: {place}, ResourceVersion: 0, AdditionalErrorMsg: \
                 Precondition failed: UID in precondition: {uid}, UID in object meta: {found}"
            );
            return Err(Refusal::conflict(key, &why));
        }
        if let Some(old) = old {
            return Ok((StatusCode::OK, self.replace(key, &old, object, dry)?));
        }
        if key.resource != Resource::Leases {
            return Err(Refusal::missing(key));
        }
        object["metadata"].as_object_mut().map(|metadata| metadata.shift_remove("resourceVersion"));
        Ok((StatusCode::CREATED, self.create(key, object, dry)?))
    }

    /// Changes an object by a JSON Patch.
    pub(super) fn patch(&mut self, key: &Key, body: &[u8], dry: bool) -> Result<Value, Refusal> {
        let old = self.store.get(key).cloned().ok_or_else(|| Refusal::missing(key))?;
        let operations: Value = serde_json::from_slice(body).map_err(|error| undecodable(&parse_error(&error)))?;
        let cannot = |value: &Value, what: &str| {
            undecodable(&format!("json: cannot unmarshal {} into Go value of type {what}", kind_of(value)))
        };
        let all = operations.as_array().ok_or_else(|| cannot(&operations, "[]handlers.jsonPatchOp"))?;
        if let Some(other) = all.iter().find(|one| !one.is_object()) {
            return Err(cannot(other, "handlers.jsonPatchOp"));
        }
        // From here on the real one says only that something is wrong: an operation that it does not know, a path that
        // is not there, a test that fails.
        let patch: Patch = serde_json::from_value(operations).map_err(|_| Refusal::patch())?;
        let mut object = old.clone();
        json_patch::patch(&mut object, &patch).map_err(|_| Refusal::patch())?;
        let object = typed(key.resource, object.clone()).map_err(|error| {
            let cause = Cause::invalid("patch", &format!("{:?}", object.to_string()), &error.to_string());
            Refusal::invalid("", "", "", &[cause])
        })?;
        named(key, &object)?;
        self.replace(key, &old, object, dry)
    }

    /// Takes an object away, if it is still the one that the caller means.
    pub(super) fn delete(&mut self, key: &Key, body: &[u8], dry: bool) -> Result<Value, Refusal> {
        let object = self.store.get(key).ok_or_else(|| Refusal::missing(key))?;
        let metadata = &object["metadata"];
        let options: Value = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(body)
                .map_err(|error| Refusal::bad(&format!("error decoding the options: {error}")))?
        };
        let wanted = &options["preconditions"];
        for (field, name, hint) in [
            ("uid", "UID", "The object might have been deleted and then recreated"),
            ("resourceVersion", "ResourceVersion", "The object might have been modified"),
        ] {
            if let Some(given) = wanted[field].as_str().filter(|given| metadata[field] != *given) {
                let found = metadata[field].as_str().unwrap_or_default();
                let why = format!(
                    "the {name} in the precondition ({given}) does not match the {name} in record ({found}). {hint}"
                );
                return Err(Refusal::precondition(key, &why));
            }
        }
        let answer = if key.resource == Resource::Pods {
            object.clone()
        } else {
            let mut details = json!({"name": key.name, "kind": key.resource.plural(), "uid": metadata["uid"]});
            if !key.resource.group().is_empty() {
                details["group"] = json!(key.resource.group());
            }
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
        };
        if !dry {
            let owner = self.workload_of(key);
            self.store.remove(key);
            self.forget(key);
            if let Some(owner) = owner {
                self.wake(&owner);
            }
        }
        Ok(answer)
    }

    /// Puts an object there as if somebody had done so at an instant of the past, and all had gone well since.
    pub(super) fn place(
        &mut self,
        object: &Value,
        at: DateTime<Utc>,
        pullable: &dyn Fn(&str) -> bool,
    ) -> Result<(), Refusal> {
        let resource = Resource::ALL.into_iter().find(|resource| object["kind"] == resource.kind());
        let resource = resource.ok_or_else(|| Refusal::bad("an object of no kind that the drill knows"))?;
        let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default();
        let key = Key::new(resource, text("namespace"), text("name"));
        let faults = std::mem::take(&mut self.faults);
        self.store.then = Some(at);
        let placed = if resource == Resource::Namespaces {
            let mut object = object.clone();
            object["metadata"]["labels"] = json!({"kubernetes.io/metadata.name": key.name});
            (object["spec"], object["status"]) = (json!({"finalizers": ["kubernetes"]}), json!({"phase": "Active"}));
            self.store.make(&key, object);
            Ok(())
        } else if self.store.get(&key).is_some() {
            self.update(&key, object.clone(), false).map(|_| ())
        } else {
            self.create(&Key::new(resource, text("namespace"), ""), object.clone(), false).map(|_| ())
        };
        self.advance(pullable);
        self.store.then = None;
        self.faults = faults;
        self.is_well_as_it_is(&key);
        placed
    }

    /// A body as an object of its kind.
    fn read(key: &Key, body: Value) -> Result<Value, Refusal> {
        let (kind, version) = (key.resource.kind(), key.resource.version());
        let is = |name: &str, expected: &str| body[name].as_str().is_none_or(|given| given == expected);
        if !is("kind", kind) || !is("apiVersion", &version) {
            let given = body["kind"].as_str().unwrap_or_default();
            let group = key.resource.group().split('.').next().unwrap_or_default();
            return Err(Refusal::bad(&format!(
                "{given} in version \"v1\" cannot be handled as a {kind}: converting (v1.{given}) to ({group}.{kind}): \
                 unknown conversion"
            )));
        }
        typed(key.resource, body)
            .map_err(|error| Refusal::bad(&format!("{kind} in version \"v1\" cannot be handled as a {kind}: {error}")))
    }

    /// Puts a whole object in the place of the one that is there.
    fn replace(&mut self, key: &Key, old: &Value, mut object: Value, dry: bool) -> Result<Value, Refusal> {
        let given = object["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        if given.is_empty() && key.resource == Resource::Leases {
            let causes = [Cause::invalid("metadata.resourceVersion", "0x0", "must be specified for an update")];
            return Err(Refusal::invalid(key.resource.plural(), key.resource.group(), &key.name, &causes));
        }
        if !given.is_empty() && old["metadata"]["resourceVersion"] != given.as_str() {
            return Err(Refusal::modified(key));
        }
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = old["metadata"]["uid"].clone();
        }
        // What only the server writes stays as it was, whatever a caller says.
        for field in ["creationTimestamp", "resourceVersion", "generation"] {
            object["metadata"][field] = old["metadata"][field].clone();
        }
        if object["metadata"]["generation"].is_null() {
            object["metadata"].as_object_mut().map(|metadata| metadata.shift_remove("generation"));
        }
        if key.resource.is_workload() {
            object["status"] = old["status"].clone();
        }
        fill_in(key.resource, &mut object);
        self.pin_as_ordered(key, &mut object);
        check(key, &object, Some(old))?;
        self.refuse_as_ordered(key)?;
        // The generation is that of what is to be. A Deployment counts its annotations in, as in the real one.
        let annotated = key.resource == Resource::Deployments
            && object["metadata"]["annotations"] != old["metadata"]["annotations"];
        let is_other = object["spec"] != old["spec"];
        if key.resource.is_workload() && (is_other || annotated) {
            object["metadata"]["generation"] = json!(old["metadata"]["generation"].as_u64().unwrap_or(0) + 1);
        }
        if key.resource == Resource::DaemonSets {
            let before = &old["metadata"]["annotations"][TEMPLATE_GENERATION];
            let number = before.as_str().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
            let is_other = object["spec"]["template"] != old["spec"]["template"];
            let number = number + u64::from(is_other);
            object["metadata"]["annotations"][TEMPLATE_GENERATION] = json!(number.to_string());
        }
        if dry || object == *old {
            return Ok(object);
        }
        let (before, after) = (&old["spec"]["template"], object["spec"]["template"].clone());
        let object = self.store.insert(key, object).clone();
        if *before != after {
            self.template_changed(key, before, &after);
        }
        self.wake(key);
        Ok(object)
    }

    /// An ordered fault that meets a change of a workload.
    fn refuse_as_ordered(&self, key: &Key) -> Result<(), Refusal> {
        let refused = |fault: &Fault| match fault {
            Fault::Refuse { service, is_bare } if is_of(service, &key.id()) => Some(*is_bare),
            _ => None,
        };
        let refused = if key.resource.is_workload() { self.faults.find(refused) } else { None };
        refused.map_or(Ok(()), |is_bare| Err(Refusal::admission(is_bare)))
    }

    /// The workload that a pod belongs to.
    fn workload_of(&self, key: &Key) -> Option<Key> {
        let owner = &self.store.get(key)?["metadata"]["ownerReferences"][0];
        let resource = Resource::ALL.into_iter().find(|resource| owner["kind"] == resource.kind())?;
        let owner = Key::new(resource, &key.namespace, owner["name"].as_str()?);
        if resource.rolls_out() { Some(owner) } else { self.workload_of(&owner) }
    }
}

/// Refuses an object that says it is another one than the URL's.
fn named(key: &Key, object: &Value) -> Result<(), Refusal> {
    let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default();
    if text("name").is_empty() {
        let why =
            format!("the name of the object ({} based on URL) was undeterminable: name must be provided", key.name);
        return Err(Refusal::bad(&why));
    }
    if text("name") != key.name {
        let why =
            format!("the name of the object ({}) does not match the name on the URL ({})", text("name"), key.name);
        return Err(Refusal::bad(&why));
    }
    if !text("namespace").is_empty() && text("namespace") != key.namespace {
        return Err(Refusal::bad(OTHER_NAMESPACE));
    }
    Ok(())
}

fn undecodable(why: &str) -> Refusal {
    Refusal::bad(&format!("error decoding patch: {why}"))
}

/// What the real one calls a kind of JSON.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
