//! Rules over inventories, and over the variables that they give to roles.

use std::path::{Path, PathBuf};

use super::stock::{Stock, Yaml, is_variables};
use super::yaml::{Node, Value};
use super::{Violation, meant, nearest};
use crate::catalogue::facts::{Kind, Role, Variable};

/// The group whose first host runs the programs.
const GROUP: &str = "firebreak";

/// The files of an inventory that name hosts.
fn host_files(stock: &Stock, folder: &Path) -> Vec<PathBuf> {
    let files = stock.files(&folder.to_string_lossy()).into_iter();
    let hidden = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    files.filter(|path| !path.iter().any(|part| is_variables(Path::new(part))) && !hidden(path)).collect()
}

/// Whether a file names a host of the group; `None` where only Ansible can tell: it is a program or a plugin's settings.
fn has_host(stock: &Stock, path: &Path) -> Option<bool> {
    if let Some(file) = stock.yaml.iter().find(|file| file.path == path) {
        // A file that is no YAML has a finding of its own.
        let nodes = file.nodes();
        let plugin = nodes.is_empty() || nodes.iter().any(|node| node.get("plugin").is_some());
        let hosts = nodes.iter().filter_map(|node| node.get(GROUP)).any(|group| {
            ["hosts", "children"].iter().any(|name| group.get(name).is_some_and(|hosts| !hosts.members().is_empty()))
        });
        return (!plugin).then_some(hosts);
    }
    let text = std::fs::read_to_string(stock.path(path)).ok().filter(|text| !text.starts_with("#!"))?;
    let mut inside = false;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
        if line.starts_with('[') {
            inside = line.starts_with(&format!("[{GROUP}]")) || line.starts_with(&format!("[{GROUP}:children]"));
        } else if inside {
            return Some(true);
        }
    }
    Some(false)
}

/// An inventory without a host to act on.
pub fn empty(stock: &Stock) -> Vec<Violation> {
    let mut violations = Vec::new();
    for folder in &stock.inventories {
        let files = host_files(stock, folder);
        if files.iter().all(|path| has_host(stock, path) == Some(false)) {
            let place = files.first().unwrap_or(folder);
            let finding = format!("no host stands in the group '{GROUP}', on which the programs run");
            violations.push(Violation::at(place, 1, finding, format!("write [{GROUP}] and a host below it")));
        }
    }
    violations
}

/// A link that leads nowhere.
pub fn link(stock: &Stock) -> Vec<Violation> {
    let broken = |path: &PathBuf| {
        let full = stock.path(path);
        full.is_symlink() && !full.exists()
    };
    let target = |path: &Path| std::fs::read_link(stock.path(path)).unwrap_or_default().display().to_string();
    let violation = |path: PathBuf| {
        let finding = format!("this link leads nowhere: {}", target(&path));
        Violation::at(
            &path,
            1,
            finding,
            "lead it to a file that is there, as in `ln -s ../../../group_vars/00_global.yml`",
        )
    };
    stock.files("inventories").into_iter().filter(broken).map(violation).collect()
}

/// A value that an inventory gives to a name.
struct Given<'a> {
    file: &'a Yaml,
    name: &'a str,
    line: usize,
    value: &'a Node,
}

/// What inventories give to names that begin as a role's variables do; each file once, however many links lead to it.
fn given(stock: &Stock) -> Vec<(&Role, Given<'_>)> {
    let mut given = Vec::new();
    for file in stock.yaml_below(Path::new("inventories")).filter(|file| !stock.path(&file.path).is_symlink()) {
        for (key, value) in file.nodes().into_iter().flat_map(Node::members) {
            let Some(name) = key.text() else { continue };
            let roles = stock
                .roles
                .iter()
                .filter(|role| name.strip_prefix(&role.name).is_some_and(|rest| rest.starts_with('_')));
            // `restart` and `restart_all` may both be roles.
            if let Some(role) = roles.max_by_key(|role| role.name.len()) {
                given.push((role, Given { file, name, line: key.line, value }));
            }
        }
    }
    given
}

/// The same, with the variable that it is, where Ansible does not evaluate it first.
fn assignments(stock: &Stock) -> Vec<(&Variable, Given<'_>)> {
    let mut assignments = Vec::new();
    for (role, given) in given(stock) {
        let Some(variable) = role.variables.iter().find(|variable| variable.name == given.name) else { continue };
        let evaluated = given.value.text().is_some_and(|text| text.contains("{{") || text.contains("{%"));
        let tagged = given.value.tag.as_deref().is_some_and(|tag| tag.starts_with("!v") || tag.starts_with("!u"));
        if !evaluated && !tagged && !given.value.is_null() && given.value.value != Value::Alias {
            assignments.push((variable, given));
        }
    }
    assignments
}

/// Whether a role, a playbook or a value elsewhere uses this name: then it is a variable, though not an option's.
fn is_used(stock: &Stock, role: &Role, name: &str) -> bool {
    let word = |text: &str| {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        text.match_indices(name)
            .any(|(at, _)| !text[..at].ends_with(part) && !text[at + name.len()..].starts_with(part))
    };
    let folder = Path::new("roles").join(&role.name);
    stock.yaml.iter().any(|file| {
        if file.path.starts_with("inventories") {
            let values = file.nodes().into_iter().filter_map(Node::text);
            values.filter(|text| text.contains('{')).any(word)
        } else {
            (file.path.starts_with(&folder) || file.path.starts_with("playbooks")) && word(&file.text)
        }
    })
}

/// A variable that the role does not have. Ansible takes it silently.
pub fn unknown(stock: &Stock) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (role, given) in given(stock) {
        let known = role.variables.iter().any(|variable| variable.name == given.name);
        if !known && !is_used(stock, role, given.name) {
            // The role's name, which all of them share, makes none of them more alike.
            let short = given.name.strip_prefix(&format!("{}_", role.name)).unwrap_or(given.name);
            let near = nearest(short, role.variables.iter().map(|variable| variable.short.as_str()));
            let fix = near.map_or_else(
                || format!("use it in a value, or see roles/{}/README.md for the role's variables", role.name),
                |near| format!("write `{}_{near}`", role.name),
            );
            violations.push(Violation::at(
                &given.file.path,
                given.line,
                format!("there is no variable '{}'", given.name),
                fix,
            ));
        }
    }
    violations
}

/// A value that the option cannot have.
pub fn kind(stock: &Stock) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (variable, given) in assignments(stock) {
        let text = given.value.text();
        let switch = ["true", "false", "yes", "no", "on", "off", "1", "0", "t", "f", "y", "n"];
        let (fits, wanted) = match variable.kind {
            Kind::Number => (text.is_some_and(|text| text.trim().parse::<i64>().is_ok()), "a whole number"),
            Kind::Switch => (text.is_some_and(|text| switch.contains(&text.to_lowercase().as_str())), "true or false"),
            Kind::List => (given.value.members().is_empty(), "a list"),
            Kind::Text | Kind::Folder => (text.is_some(), "a text"),
        };
        if !fits {
            let finding = format!("{} takes {wanted}", given.name);
            violations.push(Violation::at(&given.file.path, given.line, finding, format!("write {wanted}")));
        }
    }
    violations
}

/// A value that is not among the choices.
pub fn choice(stock: &Stock) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (variable, given) in assignments(stock).into_iter().filter(|(variable, _)| !variable.choices.is_empty()) {
        let values: Vec<&Node> = std::iter::once(given.value).chain(given.value.items()).collect();
        for value in values.into_iter().filter_map(Node::text).filter(|value| !value.is_empty()) {
            if !variable.choices.iter().any(|choice| choice == value) {
                let otherwise = format!("take one of {}", variable.choices.join(", "));
                let fix = meant(value, variable.choices.iter().map(String::as_str), &otherwise);
                let finding = format!("{} cannot be '{value}'", given.name);
                violations.push(Violation::at(&given.file.path, given.line, finding, fix));
            }
        }
    }
    violations
}

/// A secret that everybody can read who reads the repository. The value itself is not told again.
pub fn plain_secret(stock: &Stock) -> Vec<Violation> {
    // `@path` names the file that holds it.
    let open = |value: &Node| value.text().is_none_or(|text| !text.is_empty() && !text.starts_with('@'));
    let plain = assignments(stock).into_iter().filter(|(variable, given)| variable.secret && open(given.value));
    let violation = |(variable, given): (&Variable, Given<'_>)| {
        let from = variable.environment.as_ref().map_or(String::new(), |name| format!(", or leave it to {name}"));
        let finding = format!("the secret {} is written in plain text", given.name);
        let fix = format!("encrypt it by `ansible-vault encrypt_string`{from}; and change it, as it was seen");
        Violation::at(&given.file.path, given.line, finding, fix)
    };
    plain.map(violation).collect()
}

/// A variable that a role needs, and that nobody gives: no inventory, no default, no button.
pub fn nowhere(stock: &Stock) -> Vec<Violation> {
    let mut violations = Vec::new();
    // What cannot be read may give it.
    let unread = stock.yaml_below(Path::new("inventories")).any(|file| file.documents.is_err());
    if stock.inventories.is_empty() || unread {
        return violations;
    }
    for text in &stock.texts {
        let Some(role) = &text.role else { continue };
        let folder = Path::new("roles").join(&role.name);
        for variable in
            role.variables.iter().filter(|one| !one.required.is_empty() && !one.asked && one.found.is_none())
        {
            let gives = |file: &Yaml| {
                let mut members = file.nodes().into_iter().flat_map(Node::members);
                members.any(|(key, value)| {
                    key.text() == Some(&variable.name) && !value.is_null() && value.text() != Some("")
                })
            };
            let files = stock.yaml.iter();
            let mut files = files.filter(|file| {
                file.path.starts_with("inventories")
                    || file.path.starts_with(folder.join("defaults"))
                    || file.path.starts_with(folder.join("vars"))
            });
            if !files.any(gives) {
                let option = variable.option.as_deref().unwrap_or_default();
                let line = super::texts::blocks(text)
                    .iter()
                    .find(|block| block.names().contains(&option))
                    .map_or(1, |block| block.line);
                let finding = format!(
                    "no inventory gives {}, which is needed for `{}`",
                    variable.name,
                    variable.required.join("` and `")
                );
                violations.push(text.violation(line, finding, "give it in inventories/<environment>/group_vars/all/"));
            }
        }
    }
    violations
}
