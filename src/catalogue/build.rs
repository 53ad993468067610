//! `build`: static release programs into `bin` and into the roles' files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

use super::list::named;
use super::package::put;
use super::{Program, Toolkit};
use crate::action::arguments::UsageError;
use crate::action::report::{Cell, Finding, Outcome, Table, Tone};
use crate::process;
use crate::registry::digest;

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
    sha256: String,
}

/// Builds these programs, or all, and puts each where its role and people find it.
///
/// # Errors
/// When a name is not that of a program written here, cargo fails, or a program cannot be put in its place.
pub fn build(toolkit: &Toolkit, names: &[String]) -> anyhow::Result<Finding> {
    let programs = chosen(toolkit, names)?;
    let executables = compile(&toolkit.root, &programs)?;
    let mut results = Vec::new();
    for program in programs {
        let executable = executables.get(&program.name);
        let (executable, fresh) = executable
            .with_context(|| format!("cargo built no program '{}': is it one in Cargo.toml?", program.name))?;
        results.push(place(&toolkit.root, program, executable, *fresh)?);
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

/// The executables by name, and whether each was up to date.
fn compile(root: &Path, programs: &[&Program]) -> anyhow::Result<BTreeMap<String, (PathBuf, bool)>> {
    // The target is named so that build scripts and macros, which cannot be static, are left alone.
    let version = process::read("rustc", &["-vV"], root)?;
    let target = version.lines().find_map(|line| line.strip_prefix("host: "));
    let target = target.context("`rustc -vV` does not say for which host it compiles")?;
    let mut words = vec!["build", "--release", "--message-format=json-render-diagnostics", "--target", target];
    words.extend(programs.iter().flat_map(|program| ["--bin", &program.name]));
    // cargo says where it left a program: that depends on its configuration and on CARGO_TARGET_DIR.
    let said = process::read_aloud("cargo", &words, &[STATIC], root)?;
    let artifacts = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let executables = artifacts.filter_map(|artifact| {
        let executable = PathBuf::from(artifact["executable"].as_str()?);
        Some((artifact["target"]["name"].as_str()?.to_owned(), (executable, artifact["fresh"] == true)))
    });
    Ok(executables.collect())
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
    let sha256 = digest::of(&bytes).trim_start_matches("sha256:").to_owned();
    Ok(Made { program: program.name.clone(), built: !fresh, placed: copied, places, size: bytes.len() as u64, sha256 })
}

fn finding(results: &[Made]) -> Finding {
    let new = results.iter().filter(|result| result.built || !result.placed.is_empty()).count();
    let programs = |count: usize| format!("{count} program{}", if count == 1 { "" } else { "s" });
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
        let size = format!("{}.{} MB", result.size / 1_000_000, result.size % 1_000_000 / 100_000);
        vec![
            result.program.as_str().into(),
            state,
            size.into(),
            result.sha256.as_str().into(),
            places.join(", ").into(),
        ]
    };
    let head = ["program", "", "size", "SHA-256", "where"].map(str::to_owned).to_vec();
    finding.tables = vec![Table { head, rows: results.iter().map(row).collect(), ..Table::default() }];
    finding
}
