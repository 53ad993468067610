//! All that is checked, read once. What cannot be read is a finding, and stops nothing else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::yaml::{self, NoYaml, Node, Value};
use super::{Toolkit, Violation};
use crate::action::manual::Manual;
use crate::catalogue::facts::Role;
use crate::catalogue::source::Source;
use crate::catalogue::{Program, UnreadableText, sync};

/// All that is checked.
pub struct Stock {
    /// The toolkit, with the programs whose texts can be read.
    pub toolkit: Toolkit,
    /// Every usage text.
    pub texts: Vec<Text>,
    /// What templates see of each role.
    pub roles: Vec<Role>,
    /// The names of the folders in `roles`.
    pub folders: Vec<String>,
    /// Every YAML file of roles, playbooks and inventories.
    pub yaml: Vec<Yaml>,
    /// The folders in `inventories`, below the toolkit's folder.
    pub inventories: Vec<PathBuf>,
    /// The files that cannot be read, and why.
    pub unreadable: Vec<(PathBuf, String)>,
    /// What is derived, compared with what stands there; none where nothing is derived.
    pub derived: Option<Result<sync::Comparison, String>>,
}

/// A usage text.
pub struct Text {
    /// The program's name.
    pub name: String,
    /// Where it stands.
    pub source: Source,
    /// All of it.
    pub whole: String,
    /// What it says, or else the line and why it cannot be read.
    pub manual: Option<Manual>,
    /// Why it cannot be read, with the line.
    pub refused: Option<(usize, String)>,
    /// The program was written here.
    pub own: bool,
    /// What templates see of it, if it is a role.
    pub role: Option<Role>,
}

/// A YAML file.
pub struct Yaml {
    /// The file, below the toolkit's folder.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Its documents.
    pub documents: Result<Vec<Node>, NoYaml>,
}

impl Stock {
    /// Reads all that is checked.
    pub fn take(root: &Path) -> anyhow::Result<Self> {
        let (toolkit, unread) = Toolkit::survey(root)?;
        let mut texts: Vec<Text> = toolkit.programs.iter().map(Text::of).collect();
        texts.extend(unread.into_iter().map(Text::refused));
        let roles = toolkit.roles().map(Role::of).collect();
        let derived =
            root.join("templates").is_dir().then(|| sync::compare(&toolkit).map_err(|why| format!("{why:#}")));
        let mut stock = Self {
            texts,
            roles,
            derived,
            folders: Vec::new(),
            yaml: Vec::new(),
            inventories: Vec::new(),
            unreadable: Vec::new(),
            toolkit,
        };
        for path in stock.files("roles") {
            let folder = path.components().nth(1).map(|part| part.as_os_str().to_string_lossy().into_owned());
            if let Some(folder) = folder.filter(|folder| !stock.folders.contains(folder)) {
                stock.folders.push(folder);
            }
            let in_files = path.components().nth(2).is_some_and(|part| part.as_os_str() == "files");
            if !in_files {
                stock.read(&path, is_yaml(&path));
            }
        }
        for path in stock.files("playbooks") {
            stock.read(&path, is_yaml(&path));
        }
        for path in stock.files("inventories") {
            let holds = path.components().nth(1).map(|part| Path::new("inventories").join(part));
            let holds = holds.filter(|folder| stock.path(folder).is_dir() && !is_variables(folder));
            if let Some(folder) = holds.filter(|folder| !stock.inventories.contains(folder)) {
                stock.inventories.push(folder);
            }
            // Ansible reads variables from files without an ending, too.
            let variables = path.components().any(|part| is_variables(Path::new(&part)));
            stock.read(&path, is_yaml(&path) || (variables && path.extension().is_none()));
        }
        Ok(stock)
    }

    /// The place of a file below the toolkit's folder.
    #[must_use]
    pub fn path(&self, path: &Path) -> PathBuf {
        self.toolkit.root.join(path)
    }

    /// All files below one of the toolkit's folders, by name. Links to folders are not followed: they may go round.
    #[must_use]
    pub fn files(&self, folder: &str) -> Vec<PathBuf> {
        let mut files = BTreeSet::new();
        let mut folders = vec![PathBuf::from(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(self.path(&folder)).into_iter().flatten().flatten() {
                let path = folder.join(entry.file_name());
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(path);
                } else {
                    files.insert(path);
                }
            }
        }
        files.into_iter().collect()
    }

    /// The YAML files below this folder.
    pub fn yaml_below<'a>(&'a self, folder: &'a Path) -> impl Iterator<Item = &'a Yaml> {
        self.yaml.iter().filter(move |file| file.path.starts_with(folder))
    }

    fn read(&mut self, path: &Path, is_yaml: bool) {
        let full = self.path(path);
        // A link that leads nowhere has a rule of its own.
        if !is_yaml || !full.is_file() {
            return;
        }
        match std::fs::read_to_string(&full) {
            // A vault's file is not for our eyes.
            Ok(text) if text.starts_with("$ANSIBLE_VAULT") => {}
            Ok(text) => self.yaml.push(Yaml { path: path.to_owned(), documents: yaml::read(&text), text }),
            Err(error) => self.unreadable.push((path.to_owned(), error.to_string())),
        }
    }
}

impl std::fmt::Display for Stock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
        write!(
            f,
            "{}, {}, {} and {}",
            count(self.texts.len(), "usage text", "usage texts"),
            count(self.folders.len(), "role", "roles"),
            count(self.inventories.len(), "inventory", "inventories"),
            count(self.yaml.len(), "YAML file", "YAML files"),
        )
    }
}

impl Text {
    fn of(program: &Program) -> Self {
        Self {
            name: program.name.clone(),
            source: program.source.clone(),
            whole: program.text.clone(),
            manual: Some(program.manual.clone()),
            refused: None,
            own: program.adopted.is_none(),
            role: program.is_role().then(|| Role::of(program)),
        }
    }

    fn refused(unread: UnreadableText) -> Self {
        Self {
            name: unread.name,
            own: unread.place.path.starts_with("src"),
            source: unread.place,
            whole: unread.text,
            manual: None,
            refused: Some((unread.line, unread.why)),
            role: None,
        }
    }

    /// A violation in a line of the text.
    pub fn violation(&self, line: usize, finding: impl Into<String>, fix: impl Into<String>) -> Violation {
        Violation::at(&self.source.path, self.source.line_of(line.max(1)), finding, fix)
    }

    /// The lines with their numbers.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.whole.split('\n'))
    }
}

impl Yaml {
    /// All nodes of all documents.
    #[must_use]
    pub fn nodes(&self) -> Vec<&Node> {
        self.documents.iter().flatten().flat_map(Node::all).collect()
    }
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml")
}

/// Whether a folder is one of Ansible's two for variables.
pub fn is_variables(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| name == "group_vars" || name == "host_vars")
}

/// A file that cannot be read as text.
pub fn unreadable(stock: &Stock) -> Vec<Violation> {
    let violation = |(path, why): &(PathBuf, String)| {
        Violation::at(path, 1, format!("it cannot be read: {why}"), "write it as UTF-8 text that everybody may read")
    };
    stock.unreadable.iter().map(violation).collect()
}

/// YAML that is none.
pub fn broken(stock: &Stock) -> Vec<Violation> {
    let broken = stock.yaml.iter().filter_map(|file| Some((file, file.documents.as_ref().err()?)));
    let violation = |(file, error): (&Yaml, &NoYaml)| {
        Violation::at(&file.path, error.line, format!("no YAML: {}", error.why), "fix this line, or the one before it")
    };
    broken.map(violation).collect()
}

/// A key that a map has twice: the first value is lost.
pub fn key_twice(stock: &Stock) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in &stock.yaml {
        for node in file.nodes() {
            let Value::Map(members) = &node.value else { continue };
            let mut seen: Vec<(&str, usize)> = Vec::new();
            for (key, _) in members {
                let Some(name) = key.text().filter(|name| *name != "<<") else { continue };
                if let Some((_, line)) = seen.iter().find(|(known, _)| *known == name) {
                    let finding = format!("'{name}' stands in line {line} already, whose value is lost");
                    violations.push(Violation::at(&file.path, key.line, finding, "remove one of the two"));
                } else {
                    seen.push((name, key.line));
                }
            }
        }
    }
    violations
}
