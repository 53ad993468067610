//! The program `firebreak`, behind its manual: each command is a function of its own.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::adopt::{Stranger, adopt};
use super::build::build;
use super::new::{NewRole, new};
use super::remove::remove;
use super::sync::{self, Comparison};
use super::{Toolkit, check, is_toolkit, list, revision, standard};
use crate::action::consent::Consent;
use crate::action::context::Context;
use crate::action::report::{Cell, Finding, Outcome, Table, Tone};
use crate::words::counted;

/// What the command line says.
#[derive(Debug, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of the command line")]
pub struct Args {
    cmd_find: bool,
    cmd_list: bool,
    cmd_show: bool,
    cmd_diff: bool,
    cmd_completions: bool,
    cmd_bash: bool,
    cmd_zsh: bool,
    cmd_man: bool,
    cmd_check: bool,
    cmd_new: bool,
    cmd_adopt: bool,
    cmd_remove: bool,
    cmd_build: bool,
    arg_words: Vec<String>,
    arg_name: String,
    arg_revision: String,
    arg_program: Option<String>,
    arg_file: Vec<PathBuf>,
    arg_programs: Vec<String>,
    flag_title: Option<String>,
    flag_problem: Option<String>,
    flag_solution: Option<String>,
    flag_option: Vec<String>,
    flag_shape: String,
    flag_with: Vec<PathBuf>,
    flag_requirements: Option<PathBuf>,
    flag_role: Option<String>,
    flag_get: Option<String>,
    flag_run: Option<String>,
    flag_check_by: Option<String>,
    flag_secret: Vec<String>,
    flag_keeps: Vec<String>,
    flag_found: Vec<String>,
    flag_check: bool,
    flag_dry_run: bool,
    flag_yes: bool,
    flag_root: Option<PathBuf>,
}

/// Does what the command line says.
///
/// # Errors
/// Where the toolkit cannot be read; see each command.
pub async fn go(args: Args, context: &Context) -> anyhow::Result<Finding> {
    let root = args.flag_root.clone().map_or_else(|| nearest(Path::new(".")), Ok)?;
    if args.cmd_check {
        // It goes on where a text cannot be read.
        return check::checked(&root);
    }
    let toolkit = Toolkit::open(&root)?;
    match args {
        _ if args.cmd_find => Ok(list::found(&toolkit, &args.arg_words)),
        _ if args.cmd_list => Ok(list::list(&toolkit)),
        _ if args.cmd_show => Ok(list::show(list::named(&toolkit, &args.arg_name)?)),
        _ if args.cmd_diff => revision::diff(&toolkit, &args.arg_revision),
        _ if args.cmd_completions => list::printed(&toolkit, &Path::new("share/completions").join(args.shell())),
        _ if args.cmd_man => {
            let program = list::named(&toolkit, args.arg_program.as_deref().unwrap_or("firebreak"))?;
            list::printed(&toolkit, &Path::new("share/man/man1").join(format!("{}.1", program.name)))
        }
        _ if args.cmd_new => new(&toolkit, &args.arg_name.clone(), args.new_role(), context).await,
        _ if args.cmd_adopt => adopt(&toolkit, args.stranger(), context).await,
        _ if args.cmd_remove => {
            let consent = Consent::of(args.flag_dry_run, args.flag_yes);
            remove(&toolkit, list::named(&toolkit, &args.arg_name)?, consent, context).await
        }
        _ if args.cmd_build => build(&toolkit, &args.arg_programs),
        _ => synced(toolkit, args.flag_check),
    }
}

impl Args {
    fn shell(&self) -> &'static str {
        match self {
            _ if self.cmd_bash => "bash",
            _ if self.cmd_zsh => "zsh",
            _ => "fish",
        }
    }

    fn new_role(self) -> NewRole {
        let (title, problem, solution) = (self.flag_title, self.flag_problem, self.flag_solution);
        NewRole { title, problem, solution, options: self.flag_option, judges: self.flag_shape == "judge" }
    }

    fn stranger(mut self) -> Stranger {
        let take = std::mem::take::<Vec<String>>;
        Stranger {
            programs: std::mem::take(&mut self.arg_file),
            with: std::mem::take(&mut self.flag_with),
            requirements: self.flag_requirements.take(),
            role: self.flag_role.take(),
            get: self.flag_get.take(),
            run: self.flag_run.take(),
            check: self.flag_check_by.take(),
            dry: self.flag_dry_run,
            secrets: take(&mut self.flag_secret),
            keeps: take(&mut self.flag_keeps),
            found: take(&mut self.flag_found),
            new_role: self.new_role(),
        }
    }
}

/// The toolkit's folder: this one, or the nearest above it.
fn nearest(folder: &Path) -> anyhow::Result<PathBuf> {
    let folder = folder.canonicalize()?;
    let found = folder.ancestors().find(|folder| is_toolkit(folder));
    let Some(found) = found else {
        anyhow::bail!(
            "neither '{}' nor a folder above it is the toolkit's (with src/bin and roles): call this there, or name it with --root",
            folder.display()
        );
    };
    Ok(found.to_owned())
}

fn synced(mut toolkit: Toolkit, check: bool) -> anyhow::Result<Finding> {
    let mut texts = standard::stale(&toolkit)?;
    if !check && !texts.is_empty() {
        // What is derived is derived from the texts as they are then.
        sync::fix(&toolkit.root, &texts)?;
        toolkit = Toolkit::open(&toolkit.root)?;
    }
    let Comparison { stale, orphans, .. } = sync::compare(&toolkit)?.unhindered()?;
    let derived = stale;
    texts.extend(derived.iter().cloned());
    let stale = texts;
    let paths: Vec<_> = stale.iter().map(|file| &file.path).chain(&orphans).collect();
    let files = |count| counted(count, "file");
    let left = (!orphans.is_empty()).then(|| {
        format!(
            "{} left over, which nothing derives any more and git does not have, so that removing is left to you",
            files(orphans.len())
        )
    });
    let changed = !check && !stale.is_empty();
    let mended = match stale.len() {
        0 => None,
        count if check => Some(format!("{} out of date. `firebreak sync` writes them anew", files(count))),
        count => {
            sync::fix(&toolkit.root, &derived)?;
            Some(format!("{} written", files(count)))
        }
    };
    let outcome = match (&mended, &left) {
        (None, None) => Outcome::NothingToDo,
        (Some(_), None) if !check => Outcome::Done,
        _ => Outcome::Failed,
    };
    let said = mended.into_iter().chain(left).collect::<Vec<_>>().join(". ");
    let said = if said.is_empty() { "all that is derived is up to date".to_owned() } else { said };
    let mut finding = Finding::new(outcome, said).with("files", &paths);
    finding.changed = changed;
    finding.tables = stale.iter().map(sync::difference).collect();
    let orphans = orphans.iter().map(|path| Cell::new(Tone::Bad, format!("--- {} (left over)", path.display())));
    finding.tables.extend(Some(orphans).filter(|it| it.len() > 0).map(Table::lines));
    Ok(finding)
}
