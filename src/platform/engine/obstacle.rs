//! What is known to stand in the way of replacing a container, before anything is made.

use serde_json::Value;

use super::configuration::{is_empty, strings};
use super::container::Container;

/// Options of `podman run` that no API shows again.
const UNSEEN: [&str; 4] = ["--sysctl", "--personality", "--chrootdirs", "--passwd-entry"];

/// The label by which Podman remembers the systemd unit that made a container: that of a quadlet, or a generated one.
const UNIT: &str = "PODMAN_SYSTEMD_UNIT";

/// Why a container cannot be replaced; none where it can. `podman` is what Podman's own API says of it, where the
/// engine is Podman; `everybody` all containers of the engine.
pub(super) fn obstacle(old: &Container, podman: Option<&Value>, everybody: &[Container]) -> Option<String> {
    if let Some(why) = unit(old) {
        return Some(why);
    }
    let host = &old.inspect["HostConfig"];
    if host["AutoRemove"] == true {
        return Some("it removes itself when it stops (--rm): nothing would be left to go back to".into());
    }
    if old.inspect["State"]["Paused"] == true {
        return Some("it is paused".into());
    }
    if let Some(user) = everybody.iter().find(|user| shares(user, old)) {
        return Some(format!("'{}' shares its network, processes or volumes", user.name));
    }
    let podman = podman?;
    if podman["Pod"].as_str().is_some_and(|pod| !pod.is_empty()) {
        return Some("it belongs to a pod".into());
    }
    if !is_empty(&podman["Rootfs"]) {
        return Some("it runs from a folder, not from an image".into());
    }
    let command = strings(&podman["Config"]["CreateCommand"]);
    let given = |option: &str| command.iter().any(|word| word.split('=').next() == Some(option));
    let lost: Vec<&str> = UNSEEN.into_iter().filter(|option| given(option)).collect();
    (!lost.is_empty()).then(|| format!("the engine does not show what it was given with {}", lost.join(", ")))
}

/// Why a container is its systemd unit's to set; none where it has none.
pub(super) fn unit(container: &Container) -> Option<String> {
    let unit = container.label(UNIT)?;
    Some(format!(
        "its systemd unit '{unit}' would start the old image again: set the image in that unit (a quadlet: in its \
         .container file), then `systemctl daemon-reload` and `systemctl restart {unit}`"
    ))
}

/// Whether `user` has the network, the volumes or the like of `old`: it would be cut off.
fn shares(user: &Container, old: &Container) -> bool {
    let host = &user.inspect["HostConfig"];
    let modes = ["NetworkMode", "IpcMode", "PidMode"].map(|key| host[key].as_str().unwrap_or_default());
    let from = strings(&host["VolumesFrom"]);
    let is_old = |name: &str| name == old.name || (name.len() >= 12 && old.id.starts_with(name));
    modes.iter().any(|mode| mode.strip_prefix("container:").is_some_and(is_old))
        || from.iter().any(|from| is_old(from.split(':').next().unwrap_or(from)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::configuration::tests::docker_container;
    use super::*;

    #[test]
    fn what_cannot_be_replaced_says_why() {
        let obstacle_with = |at: &str, value: Value, podman: Value| {
            let mut container = docker_container();
            if !at.is_empty() {
                let (object, key) = at.split_once('.').expect("two parts");
                container.inspect[object][key] = value;
            }
            obstacle(&container, Some(&podman), &[docker_container()])
        };
        assert_eq!(obstacle_with("", Value::Null, json!({})), None);
        let fleeting = obstacle_with("HostConfig.AutoRemove", json!(true), json!({})).expect("an obstacle");
        assert!(fleeting.starts_with("it removes itself when it stops"), "{fleeting}");
        assert_eq!(obstacle_with("State.Paused", json!(true), json!({})).as_deref(), Some("it is paused"));
        assert_eq!(obstacle_with("", Value::Null, json!({"Pod": "7"})).as_deref(), Some("it belongs to a pod"));
        let unit = obstacle_with("Config.Labels", json!({"PODMAN_SYSTEMD_UNIT": "billing.service"}), json!({}));
        let expected = "its systemd unit 'billing.service' would start the old image again: set the image in that unit (a \
                        quadlet: in its .container file), then `systemctl daemon-reload` and `systemctl restart \
                        billing.service`";
        assert_eq!(unit.as_deref(), Some(expected));
        let command = json!({"Config": {"CreateCommand": ["podman", "run", "--sysctl=net.x=1", "image"]}});
        assert_eq!(
            obstacle_with("", Value::Null, command).as_deref(),
            Some("the engine does not show what it was given with --sysctl")
        );
    }

    #[test]
    fn one_that_others_hang_on_stays() {
        let shared_by = |key: &str, value: Value| {
            let mut user = docker_container();
            user.name = "guest".into();
            user.inspect["HostConfig"][key] = value;
            obstacle(&docker_container(), None, &[user])
        };
        let shared = Some("'guest' shares its network, processes or volumes".to_owned());
        assert_eq!(shared_by("NetworkMode", json!("container:dev-billing")), shared);
        assert_eq!(shared_by("PidMode", json!("container:0123456789abcdef0123")), shared);
        assert_eq!(shared_by("VolumesFrom", json!(["dev-billing:ro"])), shared);
        assert_eq!(shared_by("NetworkMode", json!("container:dev-web")), None);
    }
}
