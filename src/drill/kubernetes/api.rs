//! The HTTP side: who asks, for what, and whether this may be.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use url::Url;

use super::refusal::{Cause, Refusal, parse_error};
use super::resource::{Key, Resource};
use super::selector::Selector;
use super::world::World;
use super::{OPERATOR, READER};
use crate::drill::faults::{Fault, Faults};

const PATCH: &str = "application/json-patch+json";

/// What only the real one takes.
const OTHER_PATCHES: [&str; 3] =
    ["application/merge-patch+json", "application/strategic-merge-patch+json", "application/apply-patch+yaml"];

pub(super) struct Api {
    pub(super) world: Arc<Mutex<World>>,
    pub(super) faults: Faults,
}

/// What a request asks for, besides its path.
pub(super) struct Asked<'a> {
    method: &'a Method,
    headers: &'a HeaderMap,
    body: &'a Bytes,
    query: Vec<(String, String)>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(method: &'a Method, uri: &Uri, headers: &'a HeaderMap, body: &'a Bytes) -> Self {
        let query = Url::parse(&format!("http://drill{uri}")).map(|url| url.query_pairs().into_owned().collect());
        Self { method, headers, body, query: query.unwrap_or_default() }
    }

    /// Whether it asks for something to be changed, not only as if.
    pub(super) fn writes(&self) -> bool {
        ![Method::GET, Method::HEAD].contains(self.method) && self.query("dryRun").is_none()
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).filter(|text| !text.is_empty())
    }

    fn media_type(&self) -> &str {
        let value = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim()
    }

    /// Whether it is only to be tried. `options` is the kind that the real server reads a query as.
    fn dry(&self, options: &str) -> Result<bool, Refusal> {
        match self.query("dryRun") {
            None => Ok(false),
            Some("All") => Ok(true),
            Some(other) => {
                let causes = [Cause::unsupported("dryRun", other, "\"All\"")];
                Err(Refusal::invalid(options, "meta.k8s.io", "", &causes))
            }
        }
    }

    /// The body of a write: JSON, also where it does not say what it is.
    fn json(&self, resource: Resource) -> Result<Value, Refusal> {
        if !["", "application/json"].contains(&self.media_type()) {
            let accepted = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
            return Err(Refusal::media_type(accepted));
        }
        serde_json::from_slice(self.body).map_err(|error| {
            let text = String::from_utf8_lossy(self.body);
            let why = parse_error(&error);
            Refusal::bad(&format!(
                "the object provided is unrecognized (must be of type {}): couldn't get version/kind; json parse error: \
                 {why} ({text})",
                resource.kind(),
            ))
        })
    }
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    /// Its name is empty where all of a kind are meant.
    key: Key,
    is_status: bool,
}

impl Target {
    fn read(path: &str) -> Result<Self, Refusal> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, rest) = match parts.as_slice() {
            ["api", "v1", rest @ ..] => ("", rest),
            ["apis", group @ ("apps" | "batch" | "coordination.k8s.io"), "v1", rest @ ..] => (*group, rest),
            _ => return Err(Refusal::NoPage),
        };
        let find = |plural: &str| {
            Resource::ALL.into_iter().find(|resource| resource.plural() == plural && resource.group() == group)
        };
        let (namespace, plural, rest) = match rest {
            ["namespaces", namespace, plural, rest @ ..] => (*namespace, *plural, rest),
            [plural, rest @ ..] => ("", *plural, rest),
            [] => return Err(Refusal::unknown()),
        };
        let resource = find(plural).ok_or_else(Refusal::unknown)?;
        let (name, is_status) = match rest {
            [] => ("", false),
            [name] => (*name, false),
            [name, "status"] if resource.is_workload() => (*name, true),
            _ => return Err(Refusal::unknown()),
        };
        // Only what is in no namespace can be named without one.
        let is_named_nowhere = namespace.is_empty() && !name.is_empty() && resource != Resource::Namespaces;
        if is_named_nowhere {
            return Err(Refusal::unknown());
        }
        Ok(Self { key: Key::new(resource, namespace, name), is_status })
    }

    fn verb(&self, method: &Method) -> &'static str {
        match *method {
            Method::GET | Method::HEAD if self.key.name.is_empty() => "list",
            Method::GET | Method::HEAD => "get",
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE if self.key.name.is_empty() => "deletecollection",
            Method::DELETE => "delete",
            _ => "",
        }
    }
}

impl Api {
    pub(super) fn answer(&self, path: &str, asked: &Asked) -> Result<Response, Refusal> {
        let user = user(asked.headers).ok_or_else(Refusal::who)?;
        let target = Target::read(path)?;
        let verb = target.verb(asked.method);
        // As the real one: first who may, then what is there.
        if !self.may(user, verb) {
            let mut key = target.key.clone();
            if key.resource == Resource::Namespaces {
                key.namespace.clone_from(&key.name);
            }
            return Err(Refusal::forbidden(user, verb, &key));
        }
        let is_one = !target.key.name.is_empty();
        let fits = is_one != ["create", "list"].contains(&verb) && (!target.is_status || verb == "get");
        if !fits || !target.key.resource.verbs().contains(&verb) {
            return Err(Refusal::method());
        }
        self.serve(&target.key, verb, asked)
    }

    fn may(&self, user: &str, verb: &str) -> bool {
        ["get", "list"].contains(&verb) || user == OPERATOR.0 && !self.faults.any(|fault| *fault == Fault::Forbid)
    }

    fn serve(&self, key: &Key, verb: &str, asked: &Asked) -> Result<Response, Refusal> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let ok = |value: Value| Ok(axum::Json(value).into_response());
        match verb {
            "list" => ok(list(&mut world, key, asked)?),
            "get" => {
                let object = world.store.get(key).cloned().ok_or_else(|| Refusal::missing(key))?;
                world.was_read(std::slice::from_ref(key));
                ok(object)
            }
            "create" => {
                let body = asked.json(key.resource)?;
                let object = world.create(key, body, asked.dry("CreateOptions")?)?;
                Ok((StatusCode::CREATED, axum::Json(object)).into_response())
            }
            "update" => {
                let body = asked.json(key.resource)?;
                let (status, object) = world.update(key, body, asked.dry("UpdateOptions")?)?;
                Ok((status, axum::Json(object)).into_response())
            }
            "patch" if asked.media_type() == PATCH => ok(world.patch(key, asked.body, asked.dry("PatchOptions")?)?),
            "patch" if OTHER_PATCHES.contains(&asked.media_type()) => {
                Err(Refusal::patch_type(" (the drill takes JSON Patch alone)"))
            }
            "patch" => Err(Refusal::patch_type("")),
            _ => ok(world.delete(key, asked.body, asked.dry("DeleteOptions")?)?),
        }
    }
}

/// Whose token a request bears.
fn user(headers: &HeaderMap) -> Option<&'static str> {
    let token = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
    [OPERATOR, READER].into_iter().find(|(_, known)| *known == token).map(|(user, _)| user)
}

/// The objects of a kind, in pages where so many are asked for.
fn list(world: &mut World, place: &Key, asked: &Asked) -> Result<Value, Refusal> {
    if asked.query("watch").is_some_and(|watch| watch != "false" && watch != "0") {
        return Err(Refusal::bad("the drill does not watch: list again"));
    }
    let resource = place.resource;
    let selector = Selector::read(asked.query("labelSelector"), asked.query("fieldSelector"))?;
    let number = |name: &str| -> Result<Option<usize>, Refusal> {
        asked
            .query(name)
            .map(|text| {
                text.parse().map_err(|_| Refusal::bad(&format!("strconv.ParseInt: parsing {text:?}: invalid syntax")))
            })
            .transpose()
    };
    let (start, limit) = (number("continue")?.unwrap_or(0), number("limit")?.filter(|limit| *limit > 0));
    let chosen: Vec<(Key, Value)> = world
        .store
        .list(resource, &place.namespace)
        .filter(|(_, object)| selector.chooses(object))
        .map(|(key, object)| (key.clone(), object.clone()))
        .collect();
    let end = limit.map_or(chosen.len(), |limit| chosen.len().min(start.saturating_add(limit)));
    let mut metadata = json!({"resourceVersion": world.store.revision().to_string()});
    if end < chosen.len() {
        metadata["continue"] = json!(end.to_string());
        metadata["remainingItemCount"] = json!(chosen.len() - end);
    }
    let page = chosen.get(start..end).unwrap_or_default();
    // The list says what they are; the objects in it do not.
    let items: Vec<Value> = page
        .iter()
        .map(|(_, object)| {
            let mut object = object.clone();
            for name in ["kind", "apiVersion"] {
                object.as_object_mut().map(|object| object.shift_remove(name));
            }
            object
        })
        .collect();
    let keys: Vec<Key> = page.iter().map(|(key, _)| key.clone()).collect();
    world.was_read(&keys);
    Ok(
        json!({"kind": format!("{}List", resource.kind()), "apiVersion": resource.version(), "metadata": metadata, "items": items}),
    )
}
