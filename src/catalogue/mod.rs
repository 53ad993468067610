//! The toolkit itself: which programs and roles there are, and what is derived from their usage texts.

pub mod adopt;
pub mod again;
pub mod approval;
pub mod build;
pub mod calls;
pub mod check;
pub mod cli;
pub mod diff;
pub mod facts;
pub mod find;
pub mod git;
pub mod help;
pub mod list;
pub mod manifest;
pub mod name;
pub mod new;
pub mod package;
pub mod parts;
pub mod program;
pub mod quote;
pub mod reference;
pub mod remove;
pub mod render;
pub mod revision;
pub mod source;
mod standard;
pub mod sync;
pub mod usage_text;
pub mod variables;
pub mod words;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

use crate::action::consent::is_production;
use crate::action::manual::Manual;
use crate::action::report::{Finding, Outcome, Table};
use crate::words::counted;
use source::{Source, usage_in_rust};

/// The repository's folder, with what its usage texts say.
#[derive(Debug, Clone)]
pub struct Toolkit {
    /// The folder.
    pub root: PathBuf,
    /// Every program, by name: those of `src/bin` and the adopted ones.
    pub programs: Vec<Program>,
}

/// The language whose scripts get their secrets by a launcher.
const PYTHON: &str = "python";

/// The files of an inventory that tell an environment from a folder of variables.
const HOSTS: [&str; 5] = ["hosts", "hosts.ini", "hosts.yml", "hosts.yaml", "inventory.yml"];

/// An environment that has an inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// Whether a second person must agree.
    pub production: bool,
}

/// A program and its usage text.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its name, which is its role's name as well, if it has one.
    pub name: String,
    /// The usage text.
    pub text: String,
    /// The same, read.
    pub manual: Manual,
    /// Where the text stands.
    pub source: Source,
    /// What is known of a program that was not written here.
    pub adopted: Option<Adopted>,
}

/// A usage text that cannot be read, so that its program is not among the others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{}: {why}", place.path.display(), place.line_of(*line))]
pub struct UnreadableText {
    /// What the program would be called.
    pub name: String,
    /// Where the text stands.
    pub place: Source,
    /// The text; empty where there is none to be had.
    pub text: String,
    /// The line of the text, from 1.
    pub line: usize,
    /// What is wrong there.
    pub why: String,
}

/// A program that was not written here; the section `Adopted:` of its usage text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adopted {
    /// The program's file in the role's `files`.
    pub program: String,
    /// The list of Python packages that it needs, in the same place; with it, it is run in a virtual environment.
    pub requirements: Option<String>,
    /// The files and folders that it needs beside it.
    pub beside: Vec<String>,
    /// What it is written in, where that matters: `python`.
    pub language: Option<String>,
    /// The words of the command that only looks; empty where it looks without a command. None where nothing of it only
    /// looks.
    pub get: Option<String>,
    /// The words of the command that acts; empty or none where it acts without a command.
    pub run: Option<String>,
    /// Its option that shows what it would do, and does nothing.
    pub check: Option<String>,
}

impl Toolkit {
    /// Reads every usage text below `root`.
    ///
    /// # Errors
    /// Where `root` is not the toolkit, or a text cannot be read: with its file and line.
    pub fn open(root: &Path) -> anyhow::Result<Self> {
        let (toolkit, unread) = Self::survey(root)?;
        unread.into_iter().next().map_or(Ok(toolkit), |first| Err(first.into()))
    }

    /// The same, whatever some of the texts are like: those that cannot be read are told apart.
    ///
    /// # Errors
    /// Where `root` is not the toolkit.
    pub fn survey(root: &Path) -> anyhow::Result<(Self, Vec<UnreadableText>)> {
        anyhow::ensure!(
            is_toolkit(root),
            "'{}' is not the toolkit's folder (it has no src/bin and roles): call this there, or name it with --root",
            root.display()
        );
        let (mut programs, mut unread) = (Vec::new(), Vec::new());
        let mut sort = |read: Result<Option<Program>, UnreadableText>| match read {
            Ok(program) => programs.extend(program),
            Err(why) => unread.push(why),
        };
        for path in entries(&root.join("src/bin"))? {
            if path.extension().is_some_and(|extension| extension == "rs") {
                sort(Program::in_file(root, &path));
            }
        }
        for folder in entries(&root.join("roles"))? {
            let path = folder.join("usage.txt");
            if path.is_file() {
                sort(Program::in_file(root, &path));
            }
        }
        programs.sort_by(|one, other| one.name.cmp(&other.name));
        Ok((Self { root: root.to_owned(), programs }, unread))
    }

    /// The programs that are packed as roles.
    pub fn roles(&self) -> impl Iterator<Item = &Program> {
        self.programs.iter().filter(|program| program.is_role())
    }

    /// The environments that have an inventory, the one of this machine left out; production comes last, since the
    /// first of a list is taken by who does not look.
    ///
    /// # Errors
    /// When the folder of inventories cannot be listed.
    pub fn environments(&self) -> anyhow::Result<Vec<Environment>> {
        let folder = self.root.join("inventories");
        let folders = if folder.is_dir() { entries(&folder)? } else { Vec::new() };
        let names_hosts = |folder: &PathBuf| HOSTS.iter().any(|name| folder.join(name).is_file());
        let inventories = folders.iter().filter(|folder| names_hosts(folder));
        let names = inventories.filter_map(|folder| folder.file_name()?.to_str()).filter(|name| *name != "local");
        let mut environments: Vec<_> =
            names.map(|name| Environment { name: name.to_owned(), production: is_production(name) }).collect();
        environments.sort_by_key(|environment| environment.production);
        Ok(environments)
    }

    /// The toolkit with one more program.
    #[must_use]
    pub fn with(&self, program: Program) -> Self {
        let mut toolkit = self.without(&program.name);
        toolkit.programs.push(program);
        toolkit.programs.sort_by(|one, other| one.name.cmp(&other.name));
        toolkit
    }

    /// The toolkit without a program.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        let programs = self.programs.iter().filter(|program| program.name != name).cloned().collect();
        Self { root: self.root.clone(), programs }
    }

    /// The program of this name.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<&Program> {
        self.programs.iter().find(|program| program.name == name)
    }
}

impl Program {
    /// Whether it is packed as a role: it acts by `run`, or was adopted. Most look by `get` as well.
    #[must_use]
    pub fn is_role(&self) -> bool {
        self.adopted.is_some() || self.manual.commands().contains(&"run")
    }

    /// Reads the text of the file `path`, which is below the toolkit's folder: a Rust file, or an adopted usage text.
    /// None where the Rust file has no usage text.
    ///
    /// # Errors
    /// Where it cannot be read: with its file and line.
    pub fn from_text(path: &Path, text: String) -> Result<Option<Self>, UnreadableText> {
        if path.extension().is_some_and(|extension| extension == "rs") {
            let mut program = UnreadableText::at(path, &path.with_extension(""));
            return match usage_in_rust(&text) {
                Ok(None) => Ok(None),
                Ok(Some((text, line))) => {
                    (program.text, program.place.line) = (text, line);
                    program.read().map(Some)
                }
                Err(error) => Err(UnreadableText { why: format!("{error:#}"), ..program }),
            };
        }
        let mut program = UnreadableText { text, ..UnreadableText::at(path, path.parent().unwrap_or(path)) }.read()?;
        program.adopted = Some(Adopted::read(program.manual.section("Adopted").unwrap_or_default()));
        Ok(Some(program))
    }

    fn in_file(root: &Path, path: &Path) -> Result<Option<Self>, UnreadableText> {
        let shown = path.strip_prefix(root).unwrap_or(path);
        match std::fs::read_to_string(path) {
            Ok(text) => Self::from_text(shown, text),
            Err(error) => {
                Err(UnreadableText { why: error.to_string(), ..UnreadableText::at(shown, &shown.with_extension("")) })
            }
        }
    }
}

impl UnreadableText {
    /// A text that nobody has tried to read yet.
    fn at(path: &Path, named: &Path) -> Self {
        let path = path.to_owned();
        let name = named.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { name, place: Source { path, line: 1 }, text: String::new(), line: 1, why: String::new() }
    }

    fn read(self) -> Result<Program, Self> {
        match Manual::read(&self.text) {
            Ok(manual) => Ok(Program { name: self.name, text: self.text, manual, source: self.place, adopted: None }),
            Err(error) => Err(Self { line: error.line, why: error.why, ..self }),
        }
    }
}

impl Adopted {
    /// Whether it is a Python script. `adopt` writes that down; a text written by hand may leave it to the file's ending.
    #[must_use]
    pub fn is_python(&self) -> bool {
        self.language.as_deref() == Some(PYTHON)
            || self.requirements.is_some()
            || Path::new(&self.program).extension().is_some_and(|extension| extension == "py")
    }

    fn read(section: &str) -> Self {
        let value = |name: &str| {
            let line = section.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'));
            line.map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned)
        };
        let program = value("program").unwrap_or_default();
        // A line without a command is named by the program.
        let command = |name: &str| value(name).map(|words| if words == program { String::new() } else { words });
        Self {
            requirements: value("requirements"),
            beside: value("beside").unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
            language: value("language"),
            get: command("get"),
            run: command("run"),
            check: value("check"),
            program,
        }
    }
}

/// What a command that makes a role ends with: the files that it wrote, and what comes next.
fn written(paths: &[PathBuf], next: &str) -> Finding {
    let mut finding = Finding::new(Outcome::Done, format!("{} written. {next}", counted(paths.len(), "file")));
    finding.changed = true;
    finding.tables = vec![Table::lines(paths.iter().map(|path| path.display().to_string()))];
    finding.with("files", paths)
}

/// Whether a folder is a toolkit's.
fn is_toolkit(folder: &Path) -> bool {
    folder.join("src/bin").is_dir() && folder.join("roles").is_dir()
}

/// The paths in a folder, sorted by name.
fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let read = || std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>();
    let mut paths = read().with_context(|| format!("failed to list {}", folder.display()))?;
    paths.sort();
    Ok(paths)
}
