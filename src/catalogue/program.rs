//! The program `firebreak`, behind its manual: each command is a function of its own.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Toolkit, check, list, revision, sync};
use crate::action::report::{Finding, Outcome};

/// What the command line says.
#[derive(Debug, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "docopt tells a command by a switch")]
pub struct Args {
    cmd_list: bool,
    cmd_show: bool,
    cmd_find: bool,
    cmd_diff: bool,
    cmd_completions: bool,
    cmd_man: bool,
    cmd_bash: bool,
    cmd_zsh: bool,
    arg_name: Option<String>,
    arg_words: Vec<String>,
    arg_revision: Option<String>,
    arg_program: Option<String>,
    cmd_check: bool,
    flag_check: bool,
    flag_root: Option<PathBuf>,
}

/// Does what the command line says.
///
/// # Errors
/// Where the toolkit cannot be read; see each command.
pub fn go(args: &Args) -> anyhow::Result<Finding> {
    let root = args.flag_root.clone().map_or_else(|| nearest(Path::new(".")), Ok)?;
    if args.cmd_check {
        // It goes on where a text cannot be read.
        return check::checked(&root);
    }
    let toolkit = Toolkit::open(&root)?;
    match args {
        _ if args.cmd_find => Ok(list::found(&toolkit, &args.arg_words)),
        _ if args.cmd_list => Ok(list::list(&toolkit)),
        _ if args.cmd_show => Ok(list::show(list::named(&toolkit, args.arg_name.as_deref().unwrap_or_default())?)),
        _ if args.cmd_diff => revision::diff(&toolkit, args.arg_revision.as_deref().unwrap_or_default()),
        _ if args.cmd_completions => {
            let shell = if args.cmd_bash {
                "bash"
            } else if args.cmd_zsh {
                "zsh"
            } else {
                "fish"
            };
            list::printed(&toolkit, &Path::new("share/completions").join(shell))
        }
        _ if args.cmd_man => {
            let program = list::named(&toolkit, args.arg_program.as_deref().unwrap_or("firebreak"))?;
            list::printed(&toolkit, &Path::new("share/man/man1").join(format!("{}.1", program.name)))
        }
        _ => synced(&toolkit, args.flag_check),
    }
}

/// The toolkit's folder: this one, or the nearest above it.
fn nearest(folder: &Path) -> anyhow::Result<PathBuf> {
    let folder = folder.canonicalize()?;
    let found = folder.ancestors().find(|folder| folder.join("src/bin").is_dir() && folder.join("roles").is_dir());
    let Some(found) = found else {
        anyhow::bail!(
            "neither '{}' nor a folder above it is the toolkit's (with src/bin and roles): call this there, or name it with --root",
            folder.display()
        );
    };
    Ok(found.to_owned())
}

fn synced(toolkit: &Toolkit, check: bool) -> anyhow::Result<Finding> {
    let stale = sync::stale(toolkit)?;
    let paths: Vec<_> = stale.iter().map(|file| &file.path).collect();
    let files = |count| format!("{count} file{}", if count == 1 { "" } else { "s" });
    let mut finding = if stale.is_empty() {
        Finding::new(Outcome::NothingToDo, "all that is derived is up to date")
    } else if check {
        let message = format!("{} out of date. `firebreak sync` mends that", files(stale.len()));
        Finding::new(Outcome::Failed, message)
    } else {
        sync::mend(&toolkit.root, &stale)?;
        let mut finding = Finding::new(Outcome::Done, format!("{} written", files(stale.len())));
        finding.changed = true;
        finding
    };
    finding = finding.with("files", &paths);
    finding.tables = stale.iter().map(sync::difference).collect();
    Ok(finding)
}
