//! How a container is made again with another image: everything that it was given goes along, and what it has from
//! its image comes from the new one.

use serde_json::{Map, Value, json};

use super::container::Container;

/// What Podman puts into every container's environment by itself.
const PODMAN_ENVIRONMENT: [&str; 3] =
    ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm", "container=podman"];

/// What the engine is to be told, to make `old` again with the image `to`. `image` is what the engine says of the
/// image that `old` runs; `podman` what Podman's own API says of `old`, where the engine is Podman.
pub(super) fn request(old: &Container, image: &Value, podman: Option<&Value>, to: &str) -> Value {
    let mut body = overrides(old, image, podman.is_some());
    body.insert("Image".into(), to.into());
    body.insert("HostConfig".into(), host(old, podman));
    if let Some((network, endpoint)) = endpoints(old, podman).into_iter().next() {
        body.insert("NetworkingConfig".into(), json!({"EndpointsConfig": {network: endpoint}}));
    }
    Value::Object(body)
}

/// The part of a container's configuration that it was given itself, without what it has from its image.
pub(super) fn overrides(old: &Container, image: &Value, podman: bool) -> Map<String, Value> {
    let mut own = old.inspect["Config"].as_object().cloned().unwrap_or_default();
    let from_image = &image["Config"];
    let hostname = own.get("Hostname").and_then(Value::as_str).unwrap_or_default().to_owned();
    if old.id.starts_with(&hostname) || shares_host_name(old) {
        own.remove("Hostname");
    }
    if let Some(variables) = own.get_mut("Env").and_then(Value::as_array_mut) {
        let inherited = strings(&from_image["Env"]);
        variables.retain(|variable| {
            let variable = variable.as_str().unwrap_or_default();
            let by_podman =
                podman && (PODMAN_ENVIRONMENT.contains(&variable) || variable == format!("HOSTNAME={hostname}"));
            !by_podman && !inherited.contains(&variable)
        });
    }
    // A command without its entry point would be read as that of the image: both go or both stay.
    if strings(&own["Entrypoint"]) == strings(&from_image["Entrypoint"]) {
        own.remove("Entrypoint");
        if strings(own.get("Cmd").unwrap_or(&Value::Null)) == strings(&from_image["Cmd"]) {
            own.remove("Cmd");
        }
    }
    for key in ["Labels", "Volumes", "ExposedPorts"] {
        if let (Some(Value::Object(own)), Some(inherited)) = (own.get_mut(key), from_image[key].as_object()) {
            own.retain(|name, value| inherited.get(name) != Some(value));
        }
    }
    for key in ["User", "WorkingDir", "StopSignal"] {
        if plain(key, own.get(key).unwrap_or(&Value::Null)) == plain(key, &from_image[key]) {
            own.remove(key);
        }
    }
    if own.get("Healthcheck").is_some_and(|check| same_check(check, &from_image["Healthcheck"])) {
        own.remove("Healthcheck");
    }
    own
}

/// The networks of a container and how it stands in each, that of its `NetworkMode` first. None where it shares the
/// network of the host or of another container.
pub(super) fn endpoints(old: &Container, podman: Option<&Value>) -> Vec<(String, Value)> {
    let mode = old.inspect.pointer("/HostConfig/NetworkMode").and_then(Value::as_str).unwrap_or_default();
    if matches!(mode, "host" | "none") || mode.contains(':') {
        return Vec::new();
    }
    let networks = old.inspect.pointer("/NetworkSettings/Networks").and_then(Value::as_object);
    let mut endpoints: Vec<(String, Value)> = networks
        .into_iter()
        .flatten()
        .map(|(network, state)| (network.clone(), endpoint(old, state, podman)))
        .collect();
    endpoints.sort_by_key(|(network, _)| network != mode);
    endpoints
}

/// How a container is to stand in a network: what it was given, not what the network gave it.
fn endpoint(old: &Container, state: &Value, podman: Option<&Value>) -> Value {
    let aliases: Vec<&str> = strings(&state["Aliases"]).into_iter().filter(|alias| *alias != old.short()).collect();
    let mut endpoint = json!({"Aliases": aliases});
    for key in ["IPAMConfig", "Links", "DriverOpts", "GwPriority"] {
        if !is_empty(&state[key]) {
            endpoint[key] = state[key].clone();
        }
    }
    // Podman up to 4 does not say whether an address was asked for: then it stands in the command that was given.
    let asked = |key: &str| state[key].as_str().filter(|value| !value.is_empty() && was_given(podman, value));
    for (key, wanted) in [("IPAddress", "IPv4Address"), ("GlobalIPv6Address", "IPv6Address")] {
        if let Some(address) = asked(key) {
            endpoint["IPAMConfig"][wanted] = address.into();
        }
    }
    if let Some(address) = asked("MacAddress") {
        endpoint["MacAddress"] = address.into();
    }
    endpoint
}

/// A text is part of the command line that made a container of Podman.
fn was_given(podman: Option<&Value>, text: &str) -> bool {
    let command = podman.map(|podman| strings(&podman["Config"]["CreateCommand"])).unwrap_or_default();
    command.iter().any(|argument| argument.contains(text))
}

/// `HostConfig` as it goes back to the engine: a few things are read in another form than they are written.
fn host(old: &Container, podman: Option<&Value>) -> Value {
    let mut host = old.inspect["HostConfig"].clone();
    if let Some(limits) = host["Ulimits"].as_array_mut() {
        for limit in limits {
            let name = limit["Name"].as_str().unwrap_or_default().trim_start_matches("RLIMIT_").to_lowercase();
            limit["Name"] = name.into();
        }
    }
    if let Some(devices) = host["Devices"].as_array_mut() {
        for device in devices.iter_mut().filter(|device| is_empty(&device["CgroupPermissions"])) {
            device["CgroupPermissions"] = "rwm".into();
        }
    }
    if let Some(links) = host["Links"].as_array_mut() {
        for link in links {
            // Read as `/database:/this-container/alias`, written as `database:alias`.
            let text = link.as_str().unwrap_or_default();
            if let Some((other, alias)) = text.split_once(':') {
                let alias = alias.rsplit('/').next().unwrap_or(alias);
                *link = format!("{}:{alias}", other.trim_start_matches('/')).into();
            }
        }
    }
    if !is_empty(&host["NanoCpus"]) {
        // They say the same twice, and engines refuse to be told both.
        host["CpuPeriod"] = 0.into();
        host["CpuQuota"] = 0.into();
    }
    if let Some(host) = host.as_object_mut() {
        host.remove("ContainerIDFile");
    }
    if let Some(podman) = podman {
        host["CgroupnsMode"] = podman["HostConfig"]["CgroupMode"].clone();
        keep_log(old, &podman["HostConfig"]["LogConfig"], &mut host);
        if podman["Config"]["Annotations"]["io.podman.annotations.init"] == "TRUE" {
            host["Init"] = true.into();
        }
    }
    keep_volumes(old, &mut host);
    host
}

/// Podman takes the options of a log in one place and shows them in others. Its path is shown even where it is the
/// container's own.
fn keep_log(old: &Container, shown: &Value, host: &mut Value) {
    for (field, option, usual) in [("Size", "max-size", "0B"), ("Tag", "tag", ""), ("Path", "path", "")] {
        if let Some(value) = shown[field].as_str()
            && value != usual
            && !value.contains(&old.id)
        {
            host["LogConfig"]["Config"][option] = value.into();
        }
    }
}

/// Names every volume that the container has without having named it: else the new one would get empty ones.
fn keep_volumes(old: &Container, host: &mut Value) {
    let volumes = old.inspect["Mounts"].as_array().into_iter().flatten().filter(|mount| mount["Type"] == "volume");
    for volume in volumes {
        let (Some(name), Some(at)) = (volume["Name"].as_str(), volume["Destination"].as_str()) else { continue };
        if let Some(mounts) = host["Mounts"].as_array_mut()
            && let Some(mount) = mounts.iter_mut().find(|mount| mount["Target"] == at)
        {
            mount["Source"] = name.into();
            continue;
        }
        let bound = strings(&host["Binds"]).iter().any(|bind| bind.split(':').nth(1) == Some(at));
        if !bound {
            let mode = if volume["RW"] == false { ":ro" } else { "" };
            let bind = Value::from(format!("{name}:{at}{mode}"));
            match host["Binds"].as_array_mut() {
                Some(binds) => binds.push(bind),
                None => host["Binds"] = Value::Array(vec![bind]),
            }
        }
    }
}

/// The container has the host's name, or that of another container.
fn shares_host_name(old: &Container) -> bool {
    let mode = |key: &str| old.inspect["HostConfig"][key].as_str().unwrap_or_default();
    mode("UTSMode") == "host" || mode("NetworkMode") == "host" || mode("NetworkMode").contains(':')
}

/// A single value, with the ways of saying nothing made one.
pub(super) fn plain(key: &str, value: &Value) -> String {
    match (key, value.as_str().unwrap_or_default()) {
        ("WorkingDir", "/") | ("StopSignal", "15" | "SIGTERM") => String::new(),
        (_, text) => text.to_owned(),
    }
}

/// Whether a container's health check is that of its image; engines fill in what the image leaves open.
fn same_check(own: &Value, inherited: &Value) -> bool {
    strings(&own["Test"]) == strings(&inherited["Test"])
        && ["Interval", "Timeout", "Retries", "StartPeriod", "StartInterval"]
            .iter()
            .all(|key| is_empty(&inherited[*key]) || own[*key] == inherited[*key])
}

/// The texts of an array, or of the single text that stands in its place.
pub(super) fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) if !text.is_empty() => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Nothing, in one of the ways in which engines say it.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(yes) => !yes,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}
