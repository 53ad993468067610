//! What cannot be carried over is refused, not lost: the new container is compared with the old one before the old one
//! is touched.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::configuration::{is_empty, limit_name, link, overrides, plain, strings};
use super::container::Container;

/// A container, its image, and what Podman's own API says of it.
pub(super) struct Read<'a> {
    pub(super) container: &'a Container,
    pub(super) image: &'a Value,
    pub(super) podman: Option<&'a Value>,
}

/// The settings, by name and without their values, in which the new container differs from what the old one was
/// given and the new image brings. Empty: it changes the image and nothing else.
pub(super) fn differences(old: &Read, new: &Read) -> Vec<String> {
    let mut found = Vec::new();
    config(old, new, &mut found);
    let host = |read: &Read| canonical_host(&read.container.inspect["HostConfig"]);
    compare("HostConfig", &host(old), &host(new), &mut found);
    let missing = missing_mounts(old, new);
    found.extend(missing.into_iter().map(|at| format!("Mounts {at}")));
    if networks(old) != networks(new) {
        found.push("Networks".into());
    }
    if let (Some(before), Some(after)) = (old.podman, new.podman) {
        let host = |podman: &Value| canonical_host(&podman["HostConfig"]);
        compare("HostConfig", &host(before), &host(after), &mut found);
        compare("Config", &podman_config(before), &podman_config(after), &mut found);
    }
    found.sort();
    found.dedup();
    found
}

/// The container's own settings, with what the new image brings below them.
fn config(old: &Read, new: &Read, found: &mut Vec<String>) {
    let own = overrides(old.container, old.image, old.podman.is_some());
    let (image, actual) = (&new.image["Config"], &new.container.inspect["Config"]);
    let own_value = |key: &str| own.get(key).unwrap_or(&Value::Null);

    let mut environment = variables(&image["Env"]);
    environment.extend(variables(own_value("Env")));
    let set = variables(&actual["Env"]);
    let by_engine = ["PATH", "TERM", "HOSTNAME", "HOME", "container"];
    let added = set.keys().any(|name| !environment.contains_key(name) && !by_engine.contains(name));
    if added || environment.iter().any(|(name, value)| set.get(name) != Some(value)) {
        found.push("Config.Env".into());
    }

    let mut labels = image["Labels"].as_object().cloned().unwrap_or_default();
    labels.extend(own_value("Labels").as_object().cloned().unwrap_or_default());
    if labels != actual["Labels"].as_object().cloned().unwrap_or_default() {
        found.push("Config.Labels".into());
    }

    let own_entry = own.contains_key("Entrypoint");
    let entry = if own_entry { own_value("Entrypoint") } else { &image["Entrypoint"] };
    let command = if own_entry || own.contains_key("Cmd") { own_value("Cmd") } else { &image["Cmd"] };
    for (key, expected) in [("Entrypoint", entry), ("Cmd", command)] {
        if strings(expected) != strings(&actual[key]) {
            found.push(format!("Config.{key}"));
        }
    }
    for key in ["User", "WorkingDir", "StopSignal"] {
        let expected = if own.contains_key(key) { own_value(key) } else { &image[key] };
        if plain(key, expected) != plain(key, &actual[key]) {
            found.push(format!("Config.{key}"));
        }
    }
    for key in ["Hostname", "Healthcheck"] {
        if !is_empty(own_value(key)) && own_value(key) != &actual[key] {
            found.push(format!("Config.{key}"));
        }
    }
    for key in ["Tty", "OpenStdin", "StdinOnce", "Domainname", "StopTimeout"] {
        let before = &old.container.inspect["Config"][key];
        if before != &actual[key] && !(is_empty(before) && is_empty(&actual[key])) {
            found.push(format!("Config.{key}"));
        }
    }
}

fn variables(environment: &Value) -> BTreeMap<&str, &str> {
    strings(environment).into_iter().map(|variable| variable.split_once('=').unwrap_or((variable, ""))).collect()
}

/// Where the old container has something mounted that the new one has not, or has in another way.
fn missing_mounts(old: &Read, new: &Read) -> Vec<String> {
    let mounts = |read: &Read| -> BTreeMap<String, String> {
        let mounts = read.container.inspect["Mounts"].as_array().cloned().unwrap_or_default();
        let place = |mount: &Value| mount["Destination"].as_str().unwrap_or_default().to_owned();
        let what = |mount: &Value| {
            let from = if mount["Type"] == "volume" { &mount["Name"] } else { &mount["Source"] };
            format!("{} {from} {} {}", mount["Type"], mount["RW"], mount["Propagation"])
        };
        mounts.iter().map(|mount| (place(mount), what(mount))).collect()
    };
    let after = mounts(new);
    mounts(old).into_iter().filter(|(at, what)| after.get(at) != Some(what)).map(|(at, _)| at).collect()
}

/// The networks and the names in each, without those that the engine makes of the container's id.
fn networks<'a>(read: &Read<'a>) -> BTreeMap<&'a str, Vec<&'a str>> {
    let networks = read.container.inspect.pointer("/NetworkSettings/Networks").and_then(Value::as_object);
    let names = |state: &'a Value| {
        let mut names = strings(&state["Aliases"]);
        names.retain(|name| *name != read.container.short());
        names.sort_unstable();
        names
    };
    networks.into_iter().flatten().map(|(network, state)| (network.as_str(), names(state))).collect()
}

/// `HostConfig` with what is another for every container taken out.
fn canonical_host(host: &Value) -> Map<String, Value> {
    let mut host = host.as_object().cloned().unwrap_or_default();
    // Volumes are compared as mounts; the others name a place on the host, or are there once more as Links and Cpus.
    for key in ["Binds", "Mounts", "ContainerIDFile", "LogConfig", "Links", "Ulimits", "Devices"] {
        if let Some(value) = host.remove(key) {
            let value = match key {
                "LogConfig" => {
                    let kind = value["Type"].as_str().unwrap_or_default().replace("k8s-file", "json-file");
                    Value::from(format!("{kind} {} {} {}", value["Config"], value["Size"], value["Tag"]))
                }
                "Ulimits" => {
                    in_order(&value, |limit| format!("{} {} {}", limit_name(limit), limit["Soft"], limit["Hard"]))
                }
                "Devices" => {
                    in_order(&value, |device| format!("{} {}", device["PathOnHost"], device["PathInContainer"]))
                }
                "Links" => in_order(&value, link),
                _ => continue,
            };
            host.insert(key.to_owned(), value);
        }
    }
    for (_, value) in &mut host {
        if let Value::Array(items) = value {
            items.sort_by_key(Value::to_string);
        }
    }
    host
}

fn in_order(value: &Value, text: impl Fn(&Value) -> String) -> Value {
    let mut texts: Vec<String> = value.as_array().into_iter().flatten().map(text).collect();
    texts.sort();
    texts.into()
}

/// What only Podman's own API shows: secrets, time zone, umask and the like.
fn podman_config(podman: &Value) -> Map<String, Value> {
    let config = &podman["Config"];
    let mut kept: Map<String, Value> = ["Secrets", "Timezone", "SystemdMode", "Timeout", "HealthcheckOnFailureAction"]
        .into_iter()
        .map(|key| (key.to_owned(), config[key].clone()))
        .collect();
    // The shared API makes containers with an empty umask, which is the default one.
    let umask = config["Umask"].as_str().filter(|umask| !matches!(*umask, "" | "0000")).unwrap_or("0022");
    kept.insert("Umask".into(), umask.into());
    let by_engine = ["io.container.", "io.kubernetes.", "io.podman.", "org.opencontainers.image.", "org.systemd."];
    let mut annotations = config["Annotations"].as_object().cloned().unwrap_or_default();
    annotations.retain(|name, _| !by_engine.iter().any(|prefix| name.starts_with(prefix)));
    kept.insert("Annotations".into(), annotations.into());
    kept
}

fn compare(what: &str, old: &Map<String, Value>, new: &Map<String, Value>, found: &mut Vec<String>) {
    for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
        let (before, after) = (old.get(key).unwrap_or(&Value::Null), new.get(key).unwrap_or(&Value::Null));
        if before != after && !(is_empty(before) && is_empty(after)) {
            found.push(format!("{what}.{key}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::configuration::tests::{docker_container, old_image};
    use super::*;

    fn new_image() -> Value {
        json!({"Config": {
            "Env": ["RELEASE=1", "EXTRA=1"], "Entrypoint": ["/billing"], "Cmd": ["start"], "WorkingDir": "/srv",
            "Labels": {"release": "1"}, "Volumes": {"/data": {}, "/more": {}},
        }})
    }

    /// The container that an engine makes of the request: another one, with what the new image brings.
    fn new_container() -> Container {
        let mut inspect = docker_container().inspect;
        inspect["Id"] = "fedcba9876543210fedc".into();
        inspect["Name"] = "/dev-billing-firebreak-new".into();
        let config = &mut inspect["Config"];
        config["Hostname"] = "fedcba987654".into();
        config["Env"] = json!(["RELEASE=1", "EXTRA=1", "PASSWORD=s3cret"]);
        config["Cmd"] = json!(["start"]);
        config["Labels"] = json!({"team": "money", "release": "1"});
        let host = &mut inspect["HostConfig"];
        host["Links"] = json!(["/database:/dev-billing-firebreak-new/db"]);
        host["Binds"] = json!(["anonymous1:/data", "/srv/billing:/etc/billing:ro"]);
        host["Ulimits"] = json!([{"Name": "nofile", "Soft": 1, "Hard": 2}]);
        let more = json!({"Type": "volume", "Name": "anonymous3", "Destination": "/more", "RW": true});
        inspect["Mounts"].as_array_mut().expect("mounts").push(more);
        let networks = &mut inspect["NetworkSettings"]["Networks"];
        networks["back"]["Aliases"] = json!(["billing", "fedcba987654"]);
        networks["audit"]["Aliases"] = json!(["fedcba987654"]);
        networks["back"]["IPAddress"] = "".into();
        Container::new(inspect).expect("a container")
    }

    fn found(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let (old, mut new) = (docker_container(), new_container());
        change(&mut new.inspect);
        let (old_image, new_image) = (old_image(), new_image());
        differences(
            &Read { container: &old, image: &old_image, podman: None },
            &Read { container: &new, image: &new_image, podman: None },
        )
    }

    #[test]
    fn a_faithful_copy_differs_in_nothing() {
        assert_eq!(found(|_| {}), [""; 0]);
    }

    #[test]
    fn whatever_was_lost_is_named_and_no_value_shown() {
        let cases: [(&str, Value, &str); 13] = [
            ("/Config/Env", json!(["RELEASE=1", "EXTRA=1", "PASSWORD=0ther"]), "Config.Env"),
            ("/Config/Env", json!(["RELEASE=1", "EXTRA=1"]), "Config.Env"),
            ("/Config/Labels", json!({"release": "1"}), "Config.Labels"),
            ("/Config/Cmd", json!(["serve"]), "Config.Cmd"),
            ("/Config/Entrypoint", json!(null), "Config.Entrypoint"),
            ("/Config/WorkingDir", json!("/"), "Config.WorkingDir"),
            ("/Config/StopTimeout", json!(10), "Config.StopTimeout"),
            ("/HostConfig/Memory", json!(0), "HostConfig.Memory"),
            ("/HostConfig/SomethingNew", json!(null), "HostConfig.SomethingNew"),
            ("/HostConfig/Links", json!([]), "HostConfig.Links"),
            ("/Mounts/1/Name", json!("anonymous9"), "Mounts /data"),
            ("/Mounts/0/RW", json!(true), "Mounts /etc/billing"),
            ("/NetworkSettings/Networks/back/Aliases", json!([]), "Networks"),
        ];
        for (at, value, expected) in cases {
            assert_eq!(found(|new| *new.pointer_mut(at).expect(at) = value), [expected], "{at}");
        }
    }

    #[test]
    fn what_only_podman_shows_is_compared_as_well() {
        let of = |umask: &str, secrets: Value| {
            podman_config(&json!({"Config": {"Umask": umask, "Secrets": secrets, "Annotations": {"io.podman.x": "1"}}}))
        };
        let mut found = Vec::new();
        compare("Config", &of("0022", Value::Null), &of("0000", json!([])), &mut found);
        assert_eq!(found, [""; 0]);
        compare("Config", &of("0077", json!([{"Name": "key"}])), &of("0000", Value::Null), &mut found);
        found.sort();
        assert_eq!(found, ["Config.Secrets", "Config.Umask"]);
    }
}
