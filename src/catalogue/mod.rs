//! The toolkit itself: which programs and roles there are, and what is derived from their usage texts.

pub mod adopt;
pub mod build;
pub mod facts;
pub mod help;
pub mod name;
pub mod new;
pub mod parts;
pub mod program;
pub mod render;
pub mod source;
pub mod sync;
pub mod usage_text;
pub mod variables;

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::action::manual::Manual;
use crate::action::report::{Finding, Outcome, Table};
use source::{Source, usage_in_rust};

/// The repository's folder, with what its usage texts say.
#[derive(Debug)]
pub struct Toolkit {
    /// The folder.
    pub root: PathBuf,
    /// Every program, by name: those of `src/bin` and the adopted ones.
    pub programs: Vec<Program>,
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

/// A program that was not written here; the section `Adopted:` of its usage text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adopted {
    /// The program's file in the role's `files`.
    pub program: String,
    /// The list of Python packages that it needs, in the same place; with it, it is run in a virtual environment.
    pub requirements: Option<String>,
    /// The command that only looks.
    pub get: Option<String>,
    /// The command that acts.
    pub run: Option<String>,
}

impl Toolkit {
    /// Reads every usage text below `root`.
    ///
    /// # Errors
    /// Where `root` is not the toolkit, or a text cannot be read: with its file and line.
    pub fn open(root: &Path) -> anyhow::Result<Self> {
        let is_toolkit = root.join("src/bin").is_dir() && root.join("roles").is_dir();
        anyhow::ensure!(
            is_toolkit,
            "'{}' is not the toolkit's folder (it has no src/bin and roles): call this there, or name it with --root",
            root.display()
        );
        let mut programs = Vec::new();
        for path in entries(&root.join("src/bin"))? {
            if path.extension().is_some_and(|extension| extension == "rs") {
                let shown = path.strip_prefix(root).unwrap_or(&path);
                let code = std::fs::read_to_string(&path);
                let code = code.with_context(|| format!("failed to read {}", shown.display()))?;
                programs.extend(Program::in_rust(shown, &code)?);
            }
        }
        for folder in entries(&root.join("roles"))? {
            let path = folder.join("usage.txt");
            if path.is_file() {
                let shown = path.strip_prefix(root).unwrap_or(&path);
                let text = std::fs::read_to_string(&path);
                let text = text.with_context(|| format!("failed to read {}", shown.display()))?;
                programs.push(Program::adopted(shown, text)?);
            }
        }
        programs.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self { root: root.to_owned(), programs })
    }

    /// The programs that are packed as roles.
    pub fn roles(&self) -> impl Iterator<Item = &Program> {
        self.programs.iter().filter(|program| program.is_role())
    }

    /// The toolkit with one more program.
    #[must_use]
    pub fn with(&self, program: Program) -> Self {
        let mut programs: Vec<Program> = self.programs.iter().filter(|it| it.name != program.name).cloned().collect();
        programs.push(program);
        programs.sort_by(|one, other| one.name.cmp(&other.name));
        Self { root: self.root.clone(), programs }
    }

    /// The program of this name.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<&Program> {
        self.programs.iter().find(|program| program.name == name)
    }
}

impl Program {
    /// Whether it is packed as a role: it looks and acts, or was adopted.
    #[must_use]
    pub fn is_role(&self) -> bool {
        let commands = self.manual.commands();
        self.adopted.is_some() || (commands.contains(&"get") && commands.contains(&"run"))
    }

    /// The program of this Rust file; none where it has no usage text.
    ///
    /// # Errors
    /// Where the code or its usage text cannot be read: with the line.
    pub fn in_rust(path: &Path, code: &str) -> anyhow::Result<Option<Self>> {
        let found = usage_in_rust(code).with_context(|| format!("failed to read {}", path.display()))?;
        let Some((text, line)) = found else { return Ok(None) };
        let source = Source { path: path.to_owned(), line };
        Self::new(&path.with_extension(""), text, source).map(Some)
    }

    /// The adopted program of this usage text, the file `usage.txt` of its role.
    ///
    /// # Errors
    /// Where the text cannot be read: with the line.
    pub fn adopted(path: &Path, text: String) -> anyhow::Result<Self> {
        let source = Source { path: path.to_owned(), line: 1 };
        let mut program = Self::new(path.parent().unwrap_or(path), text, source)?;
        program.adopted = Some(Adopted::read(program.manual.section("Adopted").unwrap_or_default()));
        Ok(program)
    }

    fn new(named: &Path, text: String, source: Source) -> anyhow::Result<Self> {
        let manual = Manual::read(&text).map_err(|error| {
            anyhow::anyhow!("{}:{}: {}", source.path.display(), source.line_of(error.line), error.why)
        })?;
        let name = named.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, text, manual, source, adopted: None })
    }
}

impl Adopted {
    fn read(section: &str) -> Self {
        let value = |name: &str| {
            let line = section.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'));
            line.map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned)
        };
        Self {
            program: value("program").unwrap_or_default(),
            requirements: value("requirements"),
            get: value("get"),
            run: value("run"),
        }
    }
}

/// What a command that makes a role ends with: the files that it wrote, and what comes next.
fn written(paths: &[PathBuf], next: &str) -> Finding {
    let mut finding = Finding::new(Outcome::Done, format!("{} files written. {next}", paths.len()));
    finding.changed = true;
    finding.tables = vec![Table::lines(paths.iter().map(|path| path.display().to_string()))];
    finding.with("files", paths)
}

/// The paths in a folder, sorted by name.
fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let read = || std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>();
    let mut paths = read().with_context(|| format!("failed to list {}", folder.display()))?;
    paths.sort();
    Ok(paths)
}
