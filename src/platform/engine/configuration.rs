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
            limit["Name"] = limit_name(limit).into();
        }
    }
    if let Some(devices) = host["Devices"].as_array_mut() {
        for device in devices.iter_mut().filter(|device| is_empty(&device["CgroupPermissions"])) {
            device["CgroupPermissions"] = "rwm".into();
        }
    }
    if let Some(links) = host["Links"].as_array_mut() {
        for shown in links {
            *shown = link(shown).into();
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

/// The name of a limit as it is written, `nofile`; Podman shows it as `RLIMIT_NOFILE`.
pub(super) fn limit_name(limit: &Value) -> String {
    limit["Name"].as_str().unwrap_or_default().trim_start_matches("RLIMIT_").to_lowercase()
}

/// A link as it is written, `database:alias`; engines show it as `/database:/this-container/alias`.
pub(super) fn link(shown: &Value) -> String {
    let shown = shown.as_str().unwrap_or_default();
    let (other, alias) = shown.split_once(':').unwrap_or((shown, shown));
    format!("{}:{}", other.trim_start_matches('/'), alias.rsplit('/').next().unwrap_or(alias))
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

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What Docker says of a container that was given something of everything.
    pub(in super::super) fn docker_container() -> Container {
        Container::new(json!({
            "Id": "0123456789abcdef0123", "Name": "/dev-billing", "Image": "sha256:01d",
            "State": {"Running": true},
            "Config": {
                "Hostname": "0123456789ab", "User": "", "Tty": false, "Image": "r:5000/billing:2",
                "Env": ["PASSWORD=s3cret", "RELEASE=2", "PATH=/bin"],
                "Cmd": ["serve"], "Entrypoint": ["/billing"], "WorkingDir": "/srv",
                "Labels": {"team": "money", "release": "2"}, "Volumes": {"/data": {}},
                "ExposedPorts": {"80/tcp": {}}, "StopTimeout": 3,
            },
            "HostConfig": {
                "NetworkMode": "back", "Binds": ["/srv/billing:/etc/billing:ro"], "ContainerIDFile": "",
                "Links": ["/database:/dev-billing/db"], "NanoCpus": 500, "CpuPeriod": 100, "CpuQuota": 50,
                "Mounts": [{"Type": "volume", "Target": "/cache"}], "Memory": 64, "RestartPolicy": {"Name": "always"},
                "Ulimits": [{"Name": "RLIMIT_NOFILE", "Soft": 1, "Hard": 2}], "SomethingNew": {"kept": true},
                "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/x", "CgroupPermissions": ""}],
            },
            "Mounts": [
                {"Type": "bind", "Source": "/srv/billing", "Destination": "/etc/billing", "RW": false},
                {"Type": "volume", "Name": "anonymous1", "Destination": "/data", "RW": true},
                {"Type": "volume", "Name": "anonymous2", "Destination": "/cache", "RW": true},
            ],
            "NetworkSettings": {"Networks": {
                "audit": {"Aliases": ["0123456789ab"], "IPAddress": "10.0.1.9", "MacAddress": "02:42"},
                "back": {
                    "Aliases": ["billing", "0123456789ab"], "IPAMConfig": {"IPv4Address": "10.0.0.7"},
                    "IPAddress": "10.0.0.7", "GlobalIPv6Address": "", "MacAddress": "02:43", "NetworkID": "77",
                },
            }},
        }))
        .expect("a container")
    }

    /// What Docker says of the image that it runs.
    pub(in super::super) fn old_image() -> Value {
        json!({"Id": "sha256:01d", "Config": {
            "Env": ["RELEASE=2", "PATH=/bin"], "Entrypoint": ["/billing"], "Cmd": ["serve"], "WorkingDir": "/srv",
            "Labels": {"release": "2"}, "Volumes": {"/data": {}}, "ExposedPorts": {"80/tcp": {}},
        }})
    }

    #[test]
    fn everything_goes_along_and_what_comes_of_the_image_does_not() {
        let expected = json!({
            "User": null, "Tty": false, "Image": "r:5000/billing:1", "Env": ["PASSWORD=s3cret"], "StopTimeout": 3,
            "Labels": {"team": "money"}, "Volumes": {}, "ExposedPorts": {},
            "HostConfig": {
                "NetworkMode": "back", "Binds": ["/srv/billing:/etc/billing:ro", "anonymous1:/data"],
                "Links": ["database:db"], "NanoCpus": 500, "CpuPeriod": 0, "CpuQuota": 0, "Memory": 64,
                "Mounts": [{"Type": "volume", "Target": "/cache", "Source": "anonymous2"}],
                "RestartPolicy": {"Name": "always"}, "Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}],
                "SomethingNew": {"kept": true},
                "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/x", "CgroupPermissions": "rwm"}],
            },
            "NetworkingConfig": {"EndpointsConfig": {
                "back": {"Aliases": ["billing"], "IPAMConfig": {"IPv4Address": "10.0.0.7"}},
            }},
        });
        let mut body = request(&docker_container(), &old_image(), None, "r:5000/billing:1");
        body["User"].take();
        assert_eq!(body, expected);
        let second = endpoints(&docker_container(), None).remove(1);
        assert_eq!(second, ("audit".to_owned(), json!({"Aliases": []})), "its address was not asked for");
    }

    #[test]
    fn what_was_given_outranks_the_image() {
        let with = |key: &str, value: Value| {
            let mut container = docker_container();
            container.inspect["Config"][key] = value;
            overrides(&container, &old_image(), false)
        };
        let own = with("Cmd", json!(["import"]));
        assert_eq!((own.get("Entrypoint"), own.get("Cmd")), (None, Some(&json!(["import"]))));
        let own = with("Entrypoint", json!(["/other"]));
        assert_eq!((own.get("Entrypoint"), own.get("Cmd")), (Some(&json!(["/other"])), Some(&json!(["serve"]))));
        assert_eq!(with("WorkingDir", json!("/")).get("WorkingDir"), Some(&json!("/")));
        assert_eq!(with("Hostname", json!("till")).get("Hostname"), Some(&json!("till")));
        assert_eq!(with("Env", json!(["RELEASE=mine"])).get("Env"), Some(&json!(["RELEASE=mine"])));
        let check = json!({"Test": ["CMD", "/well"], "Interval": 7});
        assert_eq!(with("Healthcheck", check.clone()).get("Healthcheck"), Some(&check));
    }

    #[test]
    fn a_health_check_of_the_image_is_left_to_the_image() {
        let mut image = old_image();
        image["Config"]["Healthcheck"] = json!({"Test": ["CMD", "/well"], "Interval": 7});
        let mut container = docker_container();
        container.inspect["Config"]["Healthcheck"] = json!({"Test": ["CMD", "/well"], "Interval": 7, "Timeout": 30});
        assert_eq!(overrides(&container, &image, false).get("Healthcheck"), None);
    }

    #[test]
    fn an_address_that_podman_was_asked_for_stands_in_its_command() {
        let mut container = docker_container();
        container.inspect["NetworkSettings"]["Networks"]["back"]["IPAMConfig"].take();
        let asked = |command: &[&str]| {
            let podman = json!({"Config": {"CreateCommand": command}});
            endpoints(&container, Some(&podman)).remove(0).1
        };
        let expected = json!({"Aliases": ["billing"], "IPAMConfig": {"IPv4Address": "10.0.0.7"}});
        assert_eq!(asked(&["podman", "run", "--network", "back:ip=10.0.0.7"]), expected);
        assert_eq!(asked(&["podman", "run", "--network", "back"]), json!({"Aliases": ["billing"]}));
    }

    #[test]
    fn who_shares_a_network_joins_none() {
        for mode in ["host", "none", "container:77"] {
            let mut container = docker_container();
            container.inspect["HostConfig"]["NetworkMode"] = mode.into();
            assert_eq!(endpoints(&container, None), [], "{mode}");
        }
    }

    proptest! {
        #[test]
        fn what_is_given_and_what_the_image_brings_make_the_whole_again(
            own in prop::collection::btree_map("[A-C]", "[xy]{0,2}", 0..4),
            image in prop::collection::btree_map("[A-D]", "[xy]{0,2}", 0..4),
        ) {
            let lines = |map: &std::collections::BTreeMap<String, String>| -> Vec<String> {
                map.iter().map(|(name, value)| format!("{name}={value}")).collect()
            };
            // What the engine shows: the image's variables, overlaid by the container's.
            let mut shown = image.clone();
            shown.extend(own);
            let mut container = docker_container();
            container.inspect["Config"]["Env"] = json!(lines(&shown));
            let from_image = json!({"Config": {"Env": lines(&image)}});
            let kept = overrides(&container, &from_image, false);
            let mut again = image.clone();
            again.extend(strings(&kept["Env"]).iter().filter_map(|line| {
                line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
            }));
            prop_assert_eq!(again, shown);
        }
    }
}
