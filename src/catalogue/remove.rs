//! `remove`: a role goes, with all that was derived from it and what Cargo.toml says of it, as far as git has it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::git::Repository;
use super::{Program, Toolkit, manifest, sync};
use crate::action::arguments::UsageError;
use crate::action::consent::{Consent, Proposal};
use crate::action::context::Context;
use crate::action::report::{Cell, Finding, Outcome, Table, Tone};
use crate::words::counted;

/// Removes the role of this program, after somebody agreed.
///
/// # Errors
/// Where it is no role, or git does not have all of it: then nothing is removed.
pub async fn remove(
    toolkit: &Toolkit,
    program: &Program,
    consent: Consent,
    context: &Context,
) -> anyhow::Result<Finding> {
    let name = &program.name;
    if !program.is_role() {
        anyhow::bail!(UsageError(format!("'{name}' is no role: remove {} yourself", program.source.path.display())));
    }
    let root = &toolkit.root;
    let folder = Path::new("roles").join(name);
    let made = [Path::new("bin").join(name), folder.join("files").join(name)];
    let made: Vec<PathBuf> =
        made.into_iter().filter(|path| program.adopted.is_none() && root.join(path).exists()).collect();
    let mut stale = sync::compare(&toolkit.without(name))?.unhindered()?;
    let gone = stale.stale.extract_if(.., |file| file.new.is_none()).map(|file| file.path);
    let mut files: Vec<PathBuf> =
        gone.chain(std::mem::take(&mut stale.orphans)).chain([program.source.path.clone()]).collect();
    below(root, &folder, &mut files)?;
    files.extend(made.iter().cloned());
    files.sort();
    files.dedup();

    // What a person wrote there of the program goes as well.
    let manifest = if program.adopted.is_none() { manifest::removed(root, name)? } else { None };

    let git = Repository::of(root).context("only what git has is removed")?;
    let touched = files.iter().chain(manifest.iter().map(|file| &file.path));
    let unsaved = git.unsaved(&touched.map(PathBuf::as_path).collect::<Vec<_>>())?;
    stale.stale.extend(manifest);
    // What was built can be built again.
    let lost: Vec<String> =
        unsaved.iter().filter(|path| !made.contains(path)).map(|path| path.display().to_string()).collect();
    anyhow::ensure!(
        lost.is_empty(),
        "git does not have these as they are, so nothing was removed: commit them, or remove them yourself: {}",
        lost.join(", ")
    );
    let lines = files.iter().map(|path| Cell::new(Tone::Bad, format!("--- {}", path.display())));
    let lines = lines.chain(stale.stale.iter().map(|file| Cell::from(format!("+++ {}", file.path.display()))));
    let what = counted(files.len(), "file");
    let proposal = Proposal {
        plan: Table::lines(lines),
        what: what.clone(),
        place: format!(" of the role {name} (remove: ---, write anew: +++)"),
        word: None,
    };
    if let Some(ended) = consent.confirm(&proposal, &*context.operator).await? {
        return Ok(ended);
    }
    sync::fix(root, &stale.stale)?;
    for path in &files {
        sync::leave(root, path, None).with_context(|| format!("failed to remove {}; git has it", path.display()))?;
    }
    let message =
        format!("{what} removed; git has them all. `firebreak check` names what inventories still say of {name}");
    let mut finding = Finding::new(Outcome::Done, message).with("files", &files);
    finding.changed = true;
    Ok(finding)
}

/// Notes all files below a folder of the toolkit. A link is a file: what it leads to is not below it.
fn below(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let full = root.join(folder);
    let kind = full.symlink_metadata().with_context(|| format!("failed to look at {}", folder.display()))?;
    if !kind.is_dir() {
        files.push(folder.to_owned());
        return Ok(());
    }
    let names = super::entries(&full)?.into_iter().filter_map(|path| Some(path.file_name()?.to_owned()));
    names.map(|name| folder.join(name)).try_for_each(|path| below(root, &path, files))
}
