//! A program that is adopted once more, since it changed: its usage text is a person's, so that only what changed in the
//! program's own text changes there.

use std::path::Path;

use anyhow::Context as _;

use super::facts::paragraph;
use super::help::Help;
use super::new::Brief;
use super::package::{Package, UnpackedPackage};
use super::sync::{self, Stale};
use super::usage_text::{Tag, usage_text};
use super::{Adopted, Program, Toolkit};
use crate::action::manual::{Manual, Opt};
use crate::{process, temporary};

/// Adds to a program what its role has beside the one that it replaces, where nothing else was given.
pub fn add_known(toolkit: &Toolkit, program: &Program, package: &mut Package) {
    let Some(known) = Package::of(toolkit, program) else { return };
    let named = package.names_beside();
    let missing = known.beside.into_iter().filter(|path| {
        path.file_name().is_some_and(|name| !named.contains(&name.to_string_lossy().into_owned())) && path.exists()
    });
    package.beside.extend(missing.collect::<Vec<_>>());
    package.requirements = package.requirements.take().or(known.requirements);
}

/// The usage text of a role, with what changed in its program's help.
///
/// # Errors
/// When the program as it is in the role cannot be asked, or a person changed the same lines.
pub fn text(toolkit: &Toolkit, program: &Program, adopted: &Adopted, help: &Help) -> anyhow::Result<String> {
    let usage = program.source.path.display().to_string();
    let known = Package::of(toolkit, program).with_context(|| format!("'{}' was not adopted", program.name))?;
    let before = UnpackedPackage::out(&known).and_then(|laid| Help::of(&laid));
    let before = before.with_context(|| {
        format!("what {usage} was made of cannot be asked any more, so that changes cannot be told from yours")
    })?;
    let manual = &program.manual;
    let said = |heading: &str| paragraph(manual.section(heading).unwrap_or_default());
    let brief = Brief {
        title: manual.title.trim_end_matches('.').to_owned(),
        problem: said("Problem"),
        solution: said("Solution"),
    };
    let made = |help: &Help, adopted: &Adopted| {
        usage_text(&brief, &help.text, &help.manual, adopted, &tags(manual, &before.manual, &help.manual))
    };
    let old = program.adopted.clone().unwrap_or_default();
    let (base, fresh) = (made(&before, &old)?, made(help, adopted)?);
    if base == fresh {
        return Ok(program.text.clone());
    }
    if let Some(text) = merged(&program.text, &base, &fresh)
        .with_context(|| format!("failed to bring into {usage} what changed in the program's help"))?
    {
        return Ok(text);
    }
    let path = Path::new("--help").to_owned();
    let difference = sync::difference(&Stale { path, old: Some(before.text.clone()), new: Some(help.text.clone()) });
    let lines: Vec<_> = difference.rows.into_iter().flatten().map(|cell| format!("\n  {}", cell.text)).collect();
    anyhow::bail!(
        "what changed in the program's help meets what you changed in {usage}: mend that file, then adopt the program again. \
         The help changed like this:{}",
        lines.concat()
    )
}

/// The tags that a person, or the first adoption, added to options which the program still has.
fn tags(own: &Manual, before: &Manual, now: &Manual) -> Vec<Tag> {
    let mut tags = Vec::new();
    for option in &own.options {
        let Some(there) = now.option(&option.name).filter(|there| there.placeholder.is_some()) else { continue };
        let said = before.option(&option.name).map(Opt::tags).unwrap_or_default();
        let added = option.tags().into_iter().filter(|tag| !tag.starts_with("[default:") && !said.contains(tag));
        let added = added.filter(|tag| !there.tags().contains(tag));
        tags.extend(added.map(|text| Tag { option: option.name.clone(), text }));
    }
    tags
}

/// What a person made of `base`, with what changed between it and `fresh`; none where both changed the same lines.
fn merged(own: &str, base: &str, fresh: &str) -> anyhow::Result<Option<String>> {
    let folder = temporary::folder()?;
    for (name, text) in [("own", own), ("base", base), ("fresh", fresh)] {
        std::fs::write(folder.path().join(name), text).context("failed to write a temporary file")?;
    }
    match process::read("git", &["merge-file", "--stdout", "own", "base", "fresh"], folder.path()) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.downcast_ref::<process::Failed>().is_some_and(counts_conflicts) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether `git merge-file` ended as it does where both sides changed the same lines: with their number, at most 127.
fn counts_conflicts(failed: &process::Failed) -> bool {
    failed.status.code().is_some_and(|code| (1..=127).contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_changed_is_told_from_what_cannot_be_merged() {
        let merged = |own: &str, fresh: &str| merged(own, "a\nb\nc\nd\n", fresh);
        assert_eq!(merged("A\nb\nc\nd\n", "a\nb\nc\nD\n").expect("git").as_deref(), Some("A\nb\nc\nD\n"));
        assert_eq!(merged("A\nb\nc\nd\n", "X\nb\nc\nd\n").expect("git"), None);
        // git takes it for no text.
        let error = merged("A\0\n", "a\n").expect_err("no text");
        let said = format!("{error:#}");
        assert!(said.starts_with("`git merge-file ") && said.contains("Cannot merge binary files: own"), "{said}");
    }
}
