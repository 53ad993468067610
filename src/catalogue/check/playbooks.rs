//! Rules over playbooks.

use std::path::Path;

use super::stock::{Stock, Yaml};
use super::{Violation, meant};
use crate::yaml::Node;

/// The roles that a file names: in `roles`, or by `include_role` and `import_role`. Those of collections (`a.b.c`), of
/// other folders, and those that a variable names are somebody else's.
fn roles(file: &Yaml) -> Vec<(usize, &str)> {
    let mut named: Vec<&Node> = Vec::new();
    for node in file.nodes() {
        for (key, value) in node.members() {
            match key.text().map(|text| text.rsplit('.').next().unwrap_or(text)) {
                Some("roles") => {
                    let item = |item| Node::get(item, "role").or_else(|| Node::get(item, "name")).unwrap_or(item);
                    named.extend(value.items().iter().map(item));
                }
                Some("include_role" | "import_role") => named.extend(value.get("name")),
                _ => {}
            }
        }
    }
    let ours = named.into_iter().filter_map(|node| Some((node.line, node.text()?)));
    ours.filter(|(_, name)| !name.is_empty() && !name.contains(['.', '/', '{'])).collect()
}

/// A playbook, or a role's tasks, that names a role which is not there.
pub fn role_unknown(stock: &Stock) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in stock.yaml.iter().filter(|file| !file.path.starts_with("inventories")) {
        for (line, name) in roles(file).into_iter().filter(|(_, name)| !stock.folders.iter().any(|role| role == name)) {
            let fix = meant(name, stock.folders.iter().map(String::as_str), "name a folder of roles/");
            violations.push(Violation::at(&file.path, line, format!("there is no role '{name}'"), fix));
        }
    }
    violations
}

/// A playbook that calls no role: what it does is written in no usage text.
pub fn without_role(stock: &Stock) -> Vec<Violation> {
    let plays = |file: &Yaml| file.nodes().iter().any(|node| node.get("hosts").is_some());
    let others = |file: &Yaml| {
        let mut keys = file.nodes().into_iter().flat_map(Node::members).filter_map(|(key, _)| key.text());
        let words = ["import_playbook", "include_role", "import_role"];
        keys.any(|key| words.contains(&key.rsplit('.').next().unwrap_or(key)))
            || file.nodes().iter().any(|node| node.get("roles").is_some_and(|roles| !roles.items().is_empty()))
    };
    let empty = stock.yaml_below(Path::new("playbooks")).filter(|file| plays(file) && !others(file));
    let violation = |file: &Yaml| {
        Violation::at(&file.path, 1, "this playbook calls no role", "move what it does into a role, or remove it")
    };
    empty.map(violation).collect()
}
