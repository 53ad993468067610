//! `build`: static release programs into `bin` and into the roles' files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::list::named;
use super::package::put;
use super::{Program, Toolkit};
use crate::action::arguments::UsageError;
use crate::action::report::{Cell, Finding, Outcome, Table, Tone};
use crate::process;
use crate::words::{counted, hexadecimal};

/// Everything is in the program, so it runs on any Linux of its architecture; what is to be relocated is listed briefly.
const STATIC: (&str, &str) = ("RUSTFLAGS", include_str!("../../scripts/rustflags").trim_ascii());

/// A program that was built, or was up to date.
#[derive(Debug, Clone, Serialize)]
struct Made {
    program: String,
    /// It was compiled, or linked, just now.
    built: bool,
    /// Where it was put just now.
    placed: Vec<PathBuf>,
    /// Where it is.
    places: Vec<PathBuf>,
    size: u64,
    /// How large it may be.
    largest: Option<u64>,
    sha256: String,
}

/// What `cargo metadata` tells.
#[derive(Deserialize)]
struct Workspace {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    targets: Vec<Target>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
    #[serde(default, rename = "required-features")]
    features: Vec<String>,
}

/// The part of `Cargo.toml` that is for us: `[package.metadata.largest]`, the limits of the programs' sizes in bytes.
#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    largest: BTreeMap<String, u64>,
}

/// Builds these programs, or all, and puts each where its role and people find it.
///
/// # Errors
/// When a name is not that of a program written here, cargo fails, or a program cannot be put in its place.
pub fn build(toolkit: &Toolkit, names: &[String]) -> anyhow::Result<Finding> {
    let programs = chosen(toolkit, names)?;
    let package = package(&toolkit.root)?;
    let executables = compile(&toolkit.root, &programs, &package)?;
    let largest = package.metadata.unwrap_or_default().largest;
    let mut results = Vec::new();
    for program in programs {
        let executable = executables.get(&program.name);
        let (executable, fresh) = executable
            .with_context(|| format!("cargo built no program '{}': is it one in Cargo.toml?", program.name))?;
        let mut made = place(&toolkit.root, program, executable, *fresh)?;
        made.largest = largest.get(&program.name).copied();
        results.push(made);
    }
    Ok(finding(&results))
}

fn chosen<'a>(toolkit: &'a Toolkit, names: &[String]) -> anyhow::Result<Vec<&'a Program>> {
    let native: Vec<&Program> = toolkit.programs.iter().filter(|program| program.adopted.is_none()).collect();
    if names.is_empty() {
        return Ok(native);
    }
    for name in names {
        if named(toolkit, name)?.adopted.is_some() {
            anyhow::bail!(UsageError(format!("'{name}' is adopted: it is not built here")));
        }
    }
    Ok(native.into_iter().filter(|program| names.contains(&program.name)).collect())
}

/// The toolkit as cargo sees it.
fn package(root: &Path) -> anyhow::Result<Package> {
    let said = process::read("cargo", &["metadata", "--no-deps", "--format-version=1"], root)?;
    let workspace: Workspace = serde_json::from_str(&said).context("failed to read what `cargo metadata` tells")?;
    workspace.packages.into_iter().next().context("`cargo metadata` tells of no package")
}

impl Package {
    /// The features of a program; empty where it names none.
    fn features(&self, program: &Program) -> String {
        let is_it = |target: &&Target| target.name == program.name && target.kind.iter().any(|kind| kind == "bin");
        self.targets.iter().find(is_it).map(|target| target.features.join(",")).unwrap_or_default()
    }
}

/// The executables by name, and whether each was up to date. One call of cargo for all programs of the same features: in
/// one call for all, each would be compiled with the features of every other.
fn compile(root: &Path, programs: &[&Program], package: &Package) -> anyhow::Result<BTreeMap<String, (PathBuf, bool)>> {
    // The target is named so that build scripts and macros, which cannot be static, are left alone.
    let version = process::read("rustc", &["-vV"], root)?;
    let target = version.lines().find_map(|line| line.strip_prefix("host: "));
    let target = target.context("`rustc -vV` does not say for which host it compiles")?;
    let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for program in programs {
        groups.entry(package.features(program)).or_default().push(&program.name);
    }
    let mut executables = BTreeMap::new();
    for (features, names) in groups {
        let mut words = vec!["build", "--release", "--message-format=json-render-diagnostics", "--target", target];
        if !features.is_empty() {
            words.extend(["--no-default-features", "--features", &features]);
        }
        words.extend(names.iter().flat_map(|name| ["--bin", name]));
        // cargo says where it left a program: that depends on its configuration and on CARGO_TARGET_DIR.
        let said = process::read_aloud("cargo", &words, &[STATIC], root)?;
        let artifacts = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        executables.extend(artifacts.filter_map(|artifact| {
            let executable = PathBuf::from(artifact["executable"].as_str()?);
            Some((artifact["target"]["name"].as_str()?.to_owned(), (executable, artifact["fresh"] == true)))
        }));
    }
    Ok(executables)
}

fn place(root: &Path, program: &Program, executable: &Path, fresh: bool) -> anyhow::Result<Made> {
    let bytes = std::fs::read(executable).with_context(|| format!("failed to read {}", executable.display()))?;
    let mut places = vec![PathBuf::from("bin").join(&program.name)];
    if program.is_role() {
        places.push(Path::new("roles").join(&program.name).join("files").join(&program.name));
    }
    let mut copied = Vec::new();
    for place in &places {
        let path = root.join(place);
        if std::fs::read(&path).is_ok_and(|there| there == bytes) {
            continue;
        }
        put(&path, &bytes, true).with_context(|| format!("failed to write {}", place.display()))?;
        copied.push(place.clone());
    }
    let sha256 = hexadecimal(&Sha256::digest(&bytes));
    let size = bytes.len() as u64;
    Ok(Made { program: program.name.clone(), built: !fresh, placed: copied, places, size, largest: None, sha256 })
}

fn finding(results: &[Made]) -> Finding {
    let new = results.iter().filter(|result| result.built || !result.placed.is_empty()).count();
    let programs = |count: usize| counted(count, "program");
    let mut finding = if new == 0 {
        Finding::new(Outcome::NothingToDo, format!("{} up to date", programs(results.len())))
    } else {
        let rest = results.len() - new;
        let rest = if rest == 0 { String::new() } else { format!(", {rest} up to date") };
        Finding::new(Outcome::Done, format!("{} built{rest}", programs(new)))
    };
    finding.changed = new > 0;
    finding = finding.with("programs", results);
    let row = |result: &Made| -> Vec<Cell> {
        let state = match (result.built, result.placed.is_empty()) {
            (true, _) => Cell::new(Tone::Good, "built"),
            (false, false) => Cell::new(Tone::Good, "copied"),
            (false, true) => Cell::new(Tone::Quiet, "up to date"),
        };
        let places: Vec<_> = result.places.iter().map(|place| place.display().to_string()).collect();
        vec![
            result.program.as_str().into(),
            state,
            size(result),
            result.sha256.as_str().into(),
            places.join(", ").into(),
        ]
    };
    let head = ["program", "", "size", "SHA-256", "where"].map(str::to_owned).to_vec();
    finding.tables = vec![Table { head, rows: results.iter().map(row).collect(), ..Table::default() }];
    finding
}

/// The size, and the limit that there is for it.
fn size(result: &Made) -> Cell {
    let megabytes = |size: u64| format!("{}.{} MB", size / 1_000_000, size % 1_000_000 / 100_000);
    let size = megabytes(result.size);
    match result.largest {
        None => size.into(),
        Some(largest) if result.size <= largest => format!("{size} of {}", megabytes(largest)).into(),
        Some(largest) => Cell::new(Tone::Bad, format!("{size}, more than {}", megabytes(largest))),
    }
}
