//! A program with the files that it needs beside it, laid out and called as its role does it on a host.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;

use super::help::Kind;
use super::{Program, Toolkit, entries};
use crate::{process, temporary};

/// How long a program may take to print its help.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long it may take to look.
const LONG_PATIENCE: Duration = Duration::from_mins(2);

/// Prints which modules a script imports that lie beside it.
const SIBLINGS: &str = include_str!("siblings.py");

/// A program's files, wherever they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Package {
    /// The program's file.
    pub program: PathBuf,
    /// The files and folders that it needs beside it.
    pub beside: Vec<PathBuf>,
    /// The list of the Python packages that it needs.
    pub requirements: Option<PathBuf>,
}

/// A file of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where it lies, seen from the program.
    pub path: PathBuf,
    /// What it holds.
    pub bytes: Vec<u8>,
    /// It is the program.
    pub runs: bool,
}

impl Package {
    /// The files of an adopted program; none of one that was written here.
    #[must_use]
    pub fn of(toolkit: &Toolkit, program: &Program) -> Option<Self> {
        let adopted = program.adopted.as_ref()?;
        let files = toolkit.root.join("roles").join(&program.name).join("files");
        Some(Self {
            program: files.join(&adopted.program),
            beside: adopted.beside.iter().map(|name| files.join(name)).collect(),
            requirements: adopted.requirements.as_ref().map(|name| files.join(name)),
        })
    }

    /// Adds the modules beside a Python script that it imports.
    ///
    /// # Errors
    /// When Python cannot be asked for them.
    pub fn with_siblings(mut self) -> anyhow::Result<Self> {
        let program = self.program.canonicalize();
        let program = program.with_context(|| format!("failed to read '{}'", self.program.display()))?;
        let folder = program.parent().unwrap_or(Path::new("/")).to_owned();
        let words = ["-c", SIBLINGS, &program.display().to_string()];
        let named = process::read_within(PATIENCE, "python3", &words, &folder).map_err(|error| {
            let why = format!("{error:#}").lines().last().unwrap_or_default().to_owned();
            anyhow::anyhow!("failed to ask Python what '{}' imports: {why}", self.program.display())
        })?;
        let known = |path: &PathBuf| self.beside.iter().any(|own| own.file_name() == path.file_name());
        let found: Vec<PathBuf> = named.lines().map(|name| folder.join(name)).filter(|path| !known(path)).collect();
        self.beside.extend(found);
        Ok(self)
    }

    /// What the program's file is called.
    #[must_use]
    pub fn name(&self) -> String {
        name_of(&self.program)
    }

    /// What lies beside it.
    #[must_use]
    pub fn names_beside(&self) -> Vec<String> {
        self.beside.iter().map(|path| name_of(path)).collect()
    }

    /// All files but the list of Python packages.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn pieces(&self) -> anyhow::Result<Vec<Piece>> {
        let read = |path: &Path| std::fs::read(path).with_context(|| format!("failed to read '{}'", path.display()));
        let mut pieces = vec![Piece { path: PathBuf::from(self.name()), bytes: read(&self.program)?, runs: true }];
        for top in &self.beside {
            for path in files_of(top)? {
                let below = path.strip_prefix(top).ok().filter(|below| !below.as_os_str().is_empty());
                let name = PathBuf::from(name_of(top));
                let shown = below.map_or_else(|| name.clone(), |below| name.join(below));
                pieces.push(Piece { path: shown, bytes: read(&path)?, runs: false });
            }
        }
        Ok(pieces)
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The file itself, or all files below a folder, without what Python compiled.
fn files_of(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in entries(path)? {
        let linked = entry.is_symlink() && entry.is_dir();
        anyhow::ensure!(!linked, "'{}' is a link to a folder: put the folder itself there", entry.display());
        if !entry.ends_with("__pycache__") {
            files.extend(files_of(&entry)?);
        }
    }
    Ok(files)
}

/// A package laid out in a folder of its own.
#[derive(Debug)]
pub struct UnpackedPackage {
    /// What the program's file is called.
    pub name: String,
    folder: TempDir,
    /// What its call begins with.
    call: Vec<String>,
    /// What may help where it cannot be called.
    hint: &'static str,
}

impl UnpackedPackage {
    /// Lays a package out, with the Python packages that it needs in a virtual environment.
    ///
    /// # Errors
    /// When it is no program, or its Python packages cannot be had.
    pub fn out(package: &Package) -> anyhow::Result<Self> {
        let name = package.name();
        let pieces = package.pieces()?;
        let shown = package.program.display();
        let kind = pieces.first().and_then(|program| Kind::of(&package.program, &program.bytes));
        let kind = kind.with_context(|| {
            format!("'{shown}' is neither an executable, nor a script whose first line names its interpreter")
        })?;
        anyhow::ensure!(
            package.requirements.is_none() || kind == Kind::Python,
            "'{name}' is no Python script, so it needs no list of Python packages"
        );
        let folder = temporary::folder()?;
        for piece in &pieces {
            let written = lay(&folder.path().join(&piece.path), &piece.bytes, if piece.runs { 0o700 } else { 0o600 });
            written.context("failed to write into a temporary folder")?;
        }
        let copy = folder.path().join(&name).display().to_string();
        let mut call = vec![copy];
        if kind == Kind::Python {
            let python = match &package.requirements {
                Some(requirements) => environment(folder.path(), requirements)?,
                None => "python3".to_owned(),
            };
            call.insert(0, python);
        }
        let alone = kind == Kind::Python && package.requirements.is_none();
        let hint = if alone { " (if it needs packages, name their list with --requirements=<file>)" } else { "" };
        Ok(Self { name, folder, call, hint })
    }

    /// What the program prints when it is asked for its help.
    ///
    /// # Errors
    /// When it does not print that in time.
    pub fn help(&self) -> anyhow::Result<String> {
        let read = self.read(PATIENCE, &["--help".to_owned()]);
        read.with_context(|| format!("failed to ask '{}' for its help{}", self.name, self.hint))
    }

    /// What it prints when it is called with these words to look.
    ///
    /// # Errors
    /// When it fails, or does not end in time.
    pub fn look(&self, words: &[String]) -> anyhow::Result<String> {
        self.read(LONG_PATIENCE, words)
    }

    fn read(&self, limit: Duration, words: &[String]) -> anyhow::Result<String> {
        let words = [&self.call[1..], words].concat();
        process::read_within(limit, &self.call[0], &words, self.folder.path())
    }
}

/// Makes a virtual environment of Python in a folder; its interpreter.
fn environment(folder: &Path, requirements: &Path) -> anyhow::Result<String> {
    let list = requirements.canonicalize();
    let list = list.with_context(|| format!("failed to read '{}'", requirements.display()))?.display().to_string();
    let place = folder.join(".venv").display().to_string();
    let python = format!("{place}/bin/python");
    process::read("python3", &["-m", "venv", &place], folder)
        .context("failed to make a virtual environment for its packages")?;
    let words = ["-m", "pip", "install", "--quiet", "--requirement", &list];
    process::read(&python, &words, folder)
        .with_context(|| format!("failed to install the packages of '{}'", requirements.display()))?;
    Ok(python)
}

/// Writes a new file that only its owner reads.
fn lay(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    let draft = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    draft?.write_all(bytes)
}

/// Puts a file in place whole: somebody may be running or copying the one that is there.
///
/// # Errors
/// When it cannot be written.
pub fn put(path: &Path, bytes: &[u8], runs: bool) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let new = tempfile::NamedTempFile::new_in(folder)?;
    std::fs::write(new.path(), bytes)?;
    std::fs::set_permissions(new.path(), Permissions::from_mode(if runs { 0o755 } else { 0o644 }))?;
    new.persist(path).map(|_| ()).map_err(|error| error.error)
}
