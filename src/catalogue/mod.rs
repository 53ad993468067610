//! The toolkit itself: which programs and roles there are, and what is derived from their usage texts.

pub mod check;
pub mod facts;
pub mod parts;
pub mod program;
pub mod render;
pub mod source;
pub mod sync;

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::action::manual::Manual;
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

/// A usage text that cannot be read, so that its program is not among the others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{}: {why}", place.path.display(), place.line_of(*line))]
pub struct Unread {
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
        let (toolkit, unread) = Self::survey(root)?;
        unread.into_iter().next().map_or(Ok(toolkit), |first| Err(first.into()))
    }

    /// The same, whatever some of the texts are like: those that cannot be read are told apart.
    ///
    /// # Errors
    /// Where `root` is not the toolkit.
    pub fn survey(root: &Path) -> anyhow::Result<(Self, Vec<Unread>)> {
        let is_toolkit = root.join("src/bin").is_dir() && root.join("roles").is_dir();
        anyhow::ensure!(
            is_toolkit,
            "'{}' is not the toolkit's folder (it has no src/bin and roles): call this there, or name it with --root",
            root.display()
        );
        let (mut programs, mut unread) = (Vec::new(), Vec::new());
        let mut sort = |read: Result<Option<Program>, Unread>| match read {
            Ok(program) => programs.extend(program),
            Err(why) => unread.push(why),
        };
        for path in entries(&root.join("src/bin"))? {
            if path.extension().is_some_and(|extension| extension == "rs") {
                sort(Program::in_rust(root, &path));
            }
        }
        for folder in entries(&root.join("roles"))? {
            let path = folder.join("usage.txt");
            if path.is_file() {
                sort(Program::adopted(root, &path).map(Some));
            }
        }
        programs.sort_by(|one, other| one.name.cmp(&other.name));
        Ok((Self { root: root.to_owned(), programs }, unread))
    }

    /// The programs that are packed as roles.
    pub fn roles(&self) -> impl Iterator<Item = &Program> {
        self.programs.iter().filter(|program| program.is_role())
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

    fn in_rust(root: &Path, path: &Path) -> Result<Option<Self>, Unread> {
        let mut program = Unread::at(root, path, &path.with_extension(""));
        let found = std::fs::read_to_string(path).map_err(anyhow::Error::from).and_then(|code| usage_in_rust(&code));
        match found {
            Ok(None) => Ok(None),
            Ok(Some((text, line))) => {
                (program.text, program.place.line) = (text, line);
                program.read().map(Some)
            }
            Err(error) => Err(Unread { why: format!("{error:#}"), ..program }),
        }
    }

    fn adopted(root: &Path, path: &Path) -> Result<Self, Unread> {
        let mut program = Unread::at(root, path, path.parent().unwrap_or(path));
        match std::fs::read_to_string(path) {
            Ok(text) => program.text = text,
            Err(error) => return Err(Unread { why: error.to_string(), ..program }),
        }
        let mut program = program.read()?;
        program.adopted = Some(Adopted::read(program.manual.section("Adopted").unwrap_or_default()));
        Ok(program)
    }
}

impl Unread {
    /// A text that nobody has tried to read yet.
    fn at(root: &Path, path: &Path, named: &Path) -> Self {
        let path = path.strip_prefix(root).unwrap_or(path).to_owned();
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

/// The paths in a folder, sorted by name.
fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let read = || std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>();
    let mut paths = read().with_context(|| format!("failed to list {}", folder.display()))?;
    paths.sort();
    Ok(paths)
}
