//! What the server says of itself: its version, and which objects it keeps.

use serde_json::{Value, json};

use super::resource::Resource;

const GROUPS: [&str; 2] = ["apps", "coordination.k8s.io"];

/// The answer to a path that names no object. None: it is not one of these.
pub(super) fn page(path: &str) -> Option<Value> {
    let group = |name: &str| {
        let version = json!({"groupVersion": format!("{name}/v1"), "version": "v1"});
        json!({"name": name, "versions": [version], "preferredVersion": version})
    };
    let resources = |name: &str| {
        let own = Resource::ALL.into_iter().filter(|resource| resource.group() == name);
        let version = if name.is_empty() { "v1".to_owned() } else { format!("{name}/v1") };
        json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version,
            "resources": own.map(Resource::discovery).collect::<Vec<_>>(),
        })
    };
    match path.trim_matches('/').split('/').collect::<Vec<_>>().as_slice() {
        ["version"] => Some(json!({
            "major": "1", "minor": "33", "gitVersion": "v1.33.4+drill", "gitCommit": "", "gitTreeState": "",
            "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
        })),
        ["healthz" | "livez" | "readyz"] => Some(json!("ok")),
        ["api"] => Some(json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})),
        ["api", "v1"] => Some(resources("")),
        ["apis"] => Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": GROUPS.map(group)})),
        ["apis", name] if GROUPS.contains(name) => {
            let mut group = group(name);
            (group["kind"], group["apiVersion"]) = (json!("APIGroup"), json!("v1"));
            Some(group)
        }
        ["apis", name, "v1"] if GROUPS.contains(name) => {
            let mut list = resources(name);
            list["apiVersion"] = json!("v1");
            Some(list)
        }
        _ => None,
    }
}
