//! What an application's definition may hold, what a Marathon fills in, and how an update is merged into it.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::refusal::Refusal;

/// A definition, without `id` and what a Marathon adds to it when it is read.
pub(super) type Definition = Map<String, Value>;

/// The JSON type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Flag,
    Whole,
    Number,
    List,
    Object,
    /// A word that switches it off, or an object.
    Switch,
}

use Kind::{Flag, List, Number, Object, Switch, Text, Whole};

/// The fields of an application that a caller may set.
const FIELDS: [(&str, Kind); 40] = [
    ("id", Text),
    ("acceptedResourceRoles", List),
    ("args", List),
    ("backoffFactor", Number),
    ("backoffSeconds", Whole),
    ("cmd", Text),
    ("constraints", List),
    ("container", Object),
    ("cpus", Number),
    ("dependencies", List),
    ("disk", Number),
    ("env", Object),
    ("executor", Text),
    ("executorResources", Object),
    ("fetch", List),
    ("healthChecks", List),
    ("check", Object),
    ("instances", Whole),
    ("labels", Object),
    ("maxLaunchDelaySeconds", Whole),
    ("mem", Number),
    ("gpus", Whole),
    ("ipAddress", Object),
    ("networks", List),
    ("ports", List),
    ("portDefinitions", List),
    ("readinessChecks", List),
    ("residency", Object),
    ("resourceLimits", Object),
    ("requirePorts", Flag),
    ("secrets", Object),
    ("taskKillGracePeriodSeconds", Whole),
    ("upgradeStrategy", Object),
    ("uris", List),
    ("user", Text),
    ("version", Text),
    ("killSelection", Text),
    ("unreachableStrategy", Switch),
    ("tty", Flag),
    ("role", Text),
];

const CONTAINER: [(&str, Kind); 5] =
    [("type", Text), ("docker", Object), ("linuxInfo", Object), ("volumes", List), ("portMappings", List)];

const DOCKER: [(&str, Kind); 8] = [
    ("credential", Object),
    ("pullConfig", Object),
    ("forcePullImage", Flag),
    ("image", Text),
    ("network", Text),
    ("parameters", List),
    ("portMappings", List),
    ("privileged", Flag),
];

const UPGRADE: [(&str, Kind); 2] = [("maximumOverCapacity", Number), ("minimumHealthCapacity", Number)];

/// The names of the fields that an update may hold.
#[must_use]
pub fn fields() -> Vec<&'static str> {
    FIELDS.iter().map(|(name, _)| *name).collect()
}

/// One application of an update: checked, its nulls left out, its id made absolute.
#[derive(Debug, Clone)]
pub(super) struct Update {
    pub(super) id: String,
    pub(super) version: Option<String>,
    pub(super) fields: Definition,
}

impl Update {
    /// Checks one application of a body. `id` is the one of the path; an application of an array brings its own.
    pub(super) fn read(body: &Value, id: Option<&str>) -> Result<Self, Refusal> {
        let Value::Object(body) = body else {
            return Err(Refusal::json("/", "error.expected.jsobject"));
        };
        // A null says nothing: the field stays as it is.
        let mut fields: Definition = body
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        check(&fields, &FIELDS, "")?;
        let own = fields.shift_remove("id");
        let id = id.or_else(|| own.as_ref().and_then(Value::as_str));
        let id = absolute(id.ok_or_else(|| Refusal::json("/id", "error.path.missing"))?)?;
        let version = fields.shift_remove("version").and_then(|version| version.as_str().map(str::to_owned));
        if version.is_some() && !fields.is_empty() {
            return Err(Refusal::invalid("/", "The 'version' field may only be combined with the 'id' field."));
        }
        check_values(&fields)?;
        Ok(Self { id, version, fields })
    }

    /// The definition that comes of merging this into `old`, whole where there is none or `partial` is not wished.
    ///
    /// The merge is shallow: a field that is there replaces the old one with all that was below it. And two fields are
    /// lost by a partial update that leaves them out, as in the real one.
    pub(super) fn merge(&self, old: Option<&Definition>, partial: bool) -> Result<Definition, Refusal> {
        let mut definition = match old {
            Some(old) if partial => {
                let mut kept = old.clone();
                kept.shift_remove("executorResources");
                kept.shift_remove("resourceLimits");
                kept
            }
            _ => Definition::new(),
        };
        // The two ways to say what is run exclude each other: setting one unsets the other.
        for (one, other) in [("cmd", "args"), ("args", "cmd")] {
            if self.fields.contains_key(one) {
                definition.shift_remove(other);
            }
        }
        definition.extend(self.fields.clone());
        complete(&mut definition);
        check_whole(&definition)?;
        Ok(definition)
    }
}

/// `billing` and `/billing` are one application.
pub(super) fn absolute(id: &str) -> Result<String, Refusal> {
    let id = id.trim_matches('/');
    let is_good = |part: &str| {
        let mut letters = part.chars();
        let edge =
            |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit());
        let inner = |letter: char| edge(Some(letter)) || letter == '-' || letter == '.';
        edge(letters.next()) && part.chars().all(inner) && edge(part.chars().next_back())
    };
    if id.split('/').all(is_good) {
        return Ok(format!("/{id}"));
    }
    Err(Refusal::invalid("/id", "must fully match regular expression '^(\\/?([a-z0-9][a-z0-9.-]*)?($|\\/))+$'"))
}

/// Refuses fields that are not known (422) and fields of another JSON type (400).
fn check(fields: &Definition, known: &[(&str, Kind)], path: &str) -> Result<(), Refusal> {
    for (name, value) in fields {
        let place = format!("{path}/{name}");
        let Some((_, kind)) = known.iter().find(|(known, _)| known == name) else {
            return Err(Refusal::invalid(&place, "is not a field that may be set"));
        };
        let (fits, expected) = match kind {
            Text => (value.is_string(), "error.expected.jsstring"),
            Flag => (value.is_boolean(), "error.expected.jsboolean"),
            Whole => (value.is_i64() || value.is_u64(), "error.expected.jsnumber"),
            Number => (value.is_number(), "error.expected.jsnumber"),
            List => (value.is_array(), "error.expected.jsarray"),
            Object => (value.is_object(), "error.expected.jsobject"),
            Switch => (value.is_object() || value.is_string(), "error.expected.jsobject"),
        };
        if !fits {
            return Err(Refusal::json(&place, expected));
        }
    }
    Ok(())
}

fn check_values(fields: &Definition) -> Result<(), Refusal> {
    if fields.contains_key("cmd") && fields.contains_key("args") {
        return Err(Refusal::invalid("/", "must not specify both cmd and args"));
    }
    for name in ["instances", "mem", "disk", "gpus", "backoffSeconds", "maxLaunchDelaySeconds"] {
        if fields.get(name).and_then(Value::as_f64).is_some_and(|number| number < 0.0) {
            return Err(Refusal::invalid(&format!("/{name}"), "got a value that is less than 0"));
        }
    }
    if let Some(Value::Object(strategy)) = fields.get("upgradeStrategy") {
        check(strategy, &UPGRADE, "/upgradeStrategy")?;
        for (name, value) in strategy {
            let place = format!("/upgradeStrategy/{name}");
            match value.as_f64() {
                Some(number) if number < 0.0 => return Err(Refusal::invalid(&place, "is less than 0")),
                Some(number) if number > 1.0 => return Err(Refusal::invalid(&place, "is greater than 1")),
                _ => {}
            }
        }
    }
    let Some(Value::Object(container)) = fields.get("container") else { return Ok(()) };
    check(container, &CONTAINER, "/container")?;
    let kind = container.get("type").and_then(Value::as_str).unwrap_or("DOCKER");
    if !["DOCKER", "MESOS"].contains(&kind) {
        return Err(Refusal::json("/container/type", "error.expected.validenumvalue"));
    }
    match container.get("docker") {
        Some(Value::Object(docker)) => {
            check(docker, &DOCKER, "/container/docker")?;
            match docker.get("image").and_then(Value::as_str) {
                None => return Err(Refusal::json("/container/docker/image", "error.path.missing")),
                Some("") => return Err(Refusal::invalid("/container/docker/image", "must not be empty")),
                Some(_) => {}
            }
            if kind == "DOCKER" && docker.contains_key("pullConfig") {
                let why = "pullConfig is not supported with Docker containerizer";
                return Err(Refusal::invalid("/container/docker/pullConfig", why));
            }
        }
        _ if kind == "DOCKER" => return Err(Refusal::invalid("/container/docker", "not defined")),
        _ => {}
    }
    Ok(())
}

/// What must hold for a definition as a whole, after the merge.
fn check_whole(definition: &Definition) -> Result<(), Refusal> {
    let runs = ["cmd", "args"].iter().any(|name| definition.contains_key(*name));
    let image = definition.get("container").is_some_and(|container| container["docker"]["image"].is_string());
    if !runs && !image {
        return Err(Refusal::invalid(
            "/",
            "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'.",
        ));
    }
    let secret = definition.get("container").and_then(|container| container["docker"]["pullConfig"]["secret"].as_str());
    if let Some(secret) = secret
        && definition.get("secrets").is_none_or(|secrets| secrets.get(secret).is_none())
    {
        let why = "pullConfig.secret must refer to an existing secret";
        return Err(Refusal::invalid("/container/docker/pullConfig", why));
    }
    Ok(())
}

/// Fills in what a Marathon fills in.
fn complete(definition: &mut Definition) {
    let defaults = json!({
        "acceptedResourceRoles": ["*"],
        "backoffFactor": 1.15,
        "backoffSeconds": 1,
        "cpus": 1,
        "disk": 0,
        "executor": "",
        "gpus": 0,
        "instances": 1,
        "killSelection": "YOUNGEST_FIRST",
        "labels": {},
        "maxLaunchDelaySeconds": 300,
        "networks": [{"mode": "host"}],
        "mem": 128,
        "requirePorts": false,
        "role": "*",
        "unreachableStrategy": {"inactiveAfterSeconds": 0, "expungeAfterSeconds": 0},
        "upgradeStrategy": {"minimumHealthCapacity": 1, "maximumOverCapacity": 1},
    });
    fill(definition, &defaults);
    if let Some(Value::Object(strategy)) = definition.get_mut("upgradeStrategy") {
        fill(strategy, &defaults["upgradeStrategy"]);
    }
    let bridged = definition.get("networks").and_then(Value::as_array).is_some_and(|networks| {
        networks.iter().any(|network| network["mode"].as_str().is_some_and(|mode| mode.starts_with("container")))
    });
    let Some(Value::Object(container)) = definition.get_mut("container") else { return };
    fill(container, &json!({"type": "DOCKER", "volumes": []}));
    if bridged {
        // Who drops his port mappings gets one that leads nowhere he knows of.
        let mapping = json!([{"containerPort": 0, "hostPort": 0, "labels": {}, "name": "default", "protocol": "tcp", "servicePort": 10000}]);
        fill(container, &json!({ "portMappings": mapping }));
    }
    if let Some(Value::Object(docker)) = container.get_mut("docker") {
        fill(docker, &json!({"forcePullImage": false, "parameters": [], "privileged": false}));
    }
}

fn fill(into: &mut Definition, defaults: &Value) {
    for (name, value) in defaults.as_object().into_iter().flatten() {
        into.entry(name.clone()).or_insert_with(|| value.clone());
    }
}

/// The image that a definition runs.
pub(super) fn image(definition: &Definition) -> Option<&str> {
    definition.get("container")?["docker"]["image"].as_str()
}

/// A whole number of a definition.
pub(super) fn instances(definition: &Definition) -> usize {
    definition.get("instances").and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok()).unwrap_or(1)
}

/// What a body that is no JSON is answered.
pub(super) fn parse(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        Refusal::new(StatusCode::BAD_REQUEST, json!({"message": "Invalid JSON", "details": error.to_string()}))
    })
}
