//! `adopt`: a role of any program that explains itself in docopt's language, by what `--help` prints.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::build::put;
use super::help::{Kind, contradictions, help_of, options, read_help};
use super::name::is_secret;
use super::new::Wish;
use super::sync::{self, Stale};
use super::usage_text::{Tag, usage_text};
use super::{Adopted, PYTHON, Program, Toolkit, name, written};
use crate::action::arguments::UsageError;
use crate::action::context::Context;
use crate::action::manual::Manual;
use crate::action::report::{Finding, Outcome, Table};

/// What is to be adopted.
#[derive(Debug, Clone, Default)]
pub struct Stranger {
    /// The program's file.
    pub program: PathBuf,
    /// The list of Python packages that it needs.
    pub requirements: Option<PathBuf>,
    /// What the role is to be called; else like the program.
    pub role: Option<String>,
    /// The command that only looks; else `get`, if it has that.
    pub get: Option<String>,
    /// The command that acts; else `run`, if it has that.
    pub run: Option<String>,
    /// Options whose values must not be seen, beside those whose names say so.
    pub secrets: Vec<String>,
    /// `<option>:<file>`: in the folder which is its value the look leaves that file.
    pub keeps: Vec<String>,
    /// `<option>:<member>`: its values are those in that member of the kept file.
    pub found: Vec<String>,
    /// The words that the program does not say itself.
    pub wish: Wish,
}

/// Makes a role of a program; of one that is a role already, says what changed.
///
/// # Errors
/// When the program does not explain itself, a value does not fit it, or a file cannot be written: then none is.
pub async fn adopt(toolkit: &Toolkit, stranger: Stranger, context: &Context) -> anyhow::Result<Finding> {
    let path = &stranger.program;
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let role = stranger.role.clone().unwrap_or_else(|| {
        path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase().replace(['-', '.', ' '], "_")
    });
    let known = toolkit.program(&role).filter(|program| program.adopted.is_some());
    if known.is_none() {
        name::check(toolkit, &role).map_err(|why| UsageError(format!("{why}. --role=<name> gives another")))?;
    }
    name::check_file(&file).map_err(|why| UsageError(format!("the program cannot be called '{file}': {why}")))?;
    let bytes = std::fs::read(path).with_context(|| format!("failed to read '{}'", path.display()))?;
    let kind = Kind::of(path, &bytes);
    if kind == Some(Kind::Dynamic) {
        let message = "needs libraries of the machine it was built on: it may not start on another. A static one would";
        context.watch.warn(&format!("'{}' {message}", path.display()));
    }
    if stranger.requirements.is_some() {
        context.operator.say("Installing its packages, to ask it for its help");
    }
    let help = help_of(path, stranger.requirements.as_deref())?;
    let manual = read_help(&file, &help)?;
    if let Some(program) = known {
        return compared(toolkit, program, &stranger, &bytes, &manual);
    }

    if let Some((_, why)) = name::unsafe_in(&manual).first() {
        anyhow::bail!(UsageError(format!("'{file}' cannot be adopted: {why}. Rename it in the program")));
    }
    let (get, run) = words(&manual, stranger.get.as_deref(), stranger.run.as_deref())?;
    let tags = tags(&manual, &stranger)?;
    let requirements = stranger.requirements.as_ref().map(|_| "requirements.txt".to_owned());
    let language = (kind == Some(Kind::Python)).then(|| PYTHON.to_owned());
    let adopted = Adopted { program: file.clone(), requirements, language, get, run };
    let command = format!("`firebreak adopt {}`", path.display());
    let brief = told(stranger.wish, &help, &manual).brief(&command, context).await?;
    let text = usage_text(&brief, &help, &manual, &adopted, &tags)?;

    let folder = Path::new("roles").join(&role);
    let fresh = |path: PathBuf, text: String| Stale { path, old: None, new: Some(text) };
    let usage = folder.join("usage.txt");
    let program = Program::from_text(&usage, text.clone())?.context("usage.txt has no text")?;
    if let Some(odd) = contradictions(&program.manual, &manual).first() {
        anyhow::bail!("its usage text would not say what the program says: line {}: {}", odd.line, odd.why);
    }
    if !adopted.is_python() {
        for option in program.manual.options.iter().filter(|option| option.secret) {
            let message = "takes its value on the command line, where everybody on the host sees it while it runs";
            context.watch.warn(&format!("{} {message}", option.name));
        }
    }
    let mut files = vec![fresh(usage.clone(), text)];
    if let Some(list) = &stranger.requirements {
        let text = std::fs::read_to_string(list).with_context(|| format!("failed to read '{}'", list.display()))?;
        files.push(fresh(folder.join("files/requirements.txt"), text));
    }
    let toolkit = toolkit.with(program);
    files.extend(sync::stale(&toolkit)?);
    let place = folder.join("files").join(&file);
    put(&toolkit.root.join(&place), &bytes).with_context(|| format!("failed to write {}", place.display()))?;
    if let Err(error) = sync::mend(&toolkit.root, &files) {
        let gone = Stale { path: place, old: None, new: None };
        let _ = sync::mend(&toolkit.root, &[gone]);
        return Err(error);
    }
    let mut paths = files.into_iter().map(|file| file.path);
    let paths: Vec<PathBuf> = paths.next().into_iter().chain([place]).chain(paths).collect();
    let next = format!(
        "Next: read {}, describe what is not described, then `firebreak sync` and `firebreak check`",
        usage.display()
    );
    Ok(written(&paths, &next))
}

/// The commands of the program that look and act.
fn words(
    manual: &Manual,
    get: Option<&str>,
    run: Option<&str>,
) -> Result<(Option<String>, Option<String>), UsageError> {
    let commands = manual.commands();
    let list = commands.iter().map(|command| format!("`{command}`")).collect::<Vec<_>>().join(", ");
    let word = |option: &str, given: Option<&str>, usual: &str| match given {
        Some(word) if commands.contains(&word) => Ok(Some(word.to_owned())),
        Some(word) if commands.is_empty() => {
            Err(UsageError(format!("{option} cannot be '{word}': the program has no commands, and is run as a whole")))
        }
        Some(word) => Err(UsageError(format!("{option} cannot be '{word}': it is one of {list}"))),
        None => Ok(commands.contains(&usual).then(|| usual.to_owned())),
    };
    let (get, run) = (word("--get", get, "get")?, word("--run", run, "run")?);
    if run.is_none() && !commands.is_empty() {
        return Err(UsageError(format!(
            "the program has the commands {list}: say which of them acts with --run=<c>, and which only looks with --get=<c>"
        )));
    }
    if run.is_some() && run == get {
        return Err(UsageError("--get and --run are the same command: one looks and the other acts".to_owned()));
    }
    Ok((get, run))
}

fn tags(manual: &Manual, stranger: &Stranger) -> Result<Vec<Tag>, UsageError> {
    let takes_value = |name: &String| manual.option(name).is_some_and(|option| option.placeholder.is_some());
    let names: Vec<String> = options(manual).into_iter().filter(takes_value).collect();
    let known = |from: &str, option: &str| {
        if names.iter().any(|name| name == option) {
            return Ok(option.to_owned());
        }
        let list = names.join(", ");
        Err(UsageError(format!("{from}: the program has no option '{option}' with a value; it has {list}")))
    };
    let tag = |option: String, text: String| Tag { option, text };
    let mut tags = Vec::new();
    for (from, name, pairs) in [("--keeps", "keeps", &stranger.keeps), ("--found", "found", &stranger.found)] {
        for pair in pairs {
            let split = pair.split_once(':').filter(|(_, value)| !value.is_empty() && !value.contains(['[', ']', ' ']));
            let shape =
                || UsageError(format!("{from} cannot be '{pair}': write <option>:<name>, like --dump:dump.json"));
            let (option, value) = split.ok_or_else(shape)?;
            if name == "keeps" {
                name::check_file(value).map_err(|why| UsageError(format!("{from} cannot be '{pair}': {why}")))?;
            }
            tags.push(tag(known(from, option)?, format!("[{name}: {value}]")));
        }
    }
    let mut secrets: Vec<String> =
        stranger.secrets.iter().map(|option| known("--secret", option)).collect::<Result<_, _>>()?;
    let open = |name: &&String| manual.option(name).is_none_or(|option| option.choices.is_empty());
    secrets.extend(names.iter().filter(open).filter(|name| is_secret(name)).cloned());
    secrets.sort();
    secrets.dedup();
    secrets.retain(|name| !manual.option(name).is_some_and(|option| option.secret));
    tags.extend(secrets.into_iter().map(|name| tag(name, "[secret]".to_owned())));
    Ok(tags)
}

/// What was given, and for the rest what the program says itself.
fn told(wish: Wish, help: &str, manual: &Manual) -> Wish {
    let section = |heading: &str| {
        let text = manual.section(heading)?.split_whitespace().collect::<Vec<_>>().join(" ");
        Some(text).filter(|text| !text.is_empty())
    };
    let title = help.lines().map(str::trim).find(|line| !line.is_empty());
    let title = title.filter(|line| !line.to_lowercase().starts_with("usage:")).map(str::to_owned);
    Wish {
        title: wish.title.or(title),
        problem: wish.problem.or_else(|| section("Problem")),
        solution: wish.solution.or_else(|| section("Solution")),
        options: wish.options,
    }
}

/// What changed since a program was adopted. Nothing is written: its usage text is a person's.
fn compared(
    toolkit: &Toolkit,
    program: &Program,
    stranger: &Stranger,
    bytes: &[u8],
    help: &Manual,
) -> anyhow::Result<Finding> {
    let Some(adopted) = &program.adopted else { anyhow::bail!("'{}' was not adopted", program.name) };
    let files = Path::new("roles").join(&program.name).join("files");
    let usage = program.source.path.display();
    let odd = contradictions(&program.manual, help);
    let mut lines: Vec<String> = odd.iter().map(|odd| format!("{usage}:{}: {}", odd.line, odd.why)).collect();
    let mut pairs = vec![(stranger.program.clone(), Some(&adopted.program))];
    pairs.extend(stranger.requirements.clone().map(|list| (list, adopted.requirements.as_ref())));
    for (given, there) in pairs {
        let Some(there) = there else {
            lines.push(format!("{usage}: its section `Adopted:` names no requirements"));
            continue;
        };
        let place = files.join(there);
        let new = if given == stranger.program { bytes.to_vec() } else { std::fs::read(&given)? };
        if !std::fs::read(toolkit.root.join(&place)).is_ok_and(|old| old == new) {
            lines.push(format!("{0} differs from {1}: `cp {1} {0}`", place.display(), given.display()));
        }
    }
    if lines.is_empty() {
        return Ok(Finding::new(Outcome::NothingToDo, format!("the role {} is as the program says", program.name)));
    }
    let message = format!(
        "the role {} is there already, and nothing was written. This differs: mend {usage}, copy what is newer, then \
         `firebreak sync`",
        program.name
    );
    let mut finding = Finding::new(Outcome::Failed, message).with("differences", &lines);
    finding.tables = vec![Table::lines(lines)];
    Ok(finding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_that_look_and_act_are_known_or_asked_for() {
        let words = |usage: &str, get, run| {
            let manual = Manual::read(&format!("Usage:\n{usage}")).expect("a manual");
            words(&manual, get, run).map_err(|error| error.to_string())
        };
        let some = |word: &str| Some(word.to_owned());
        assert_eq!(words("  x get\n  x run\n", None, None), Ok((some("get"), some("run"))));
        assert_eq!(words("  x see\n  x do\n", Some("see"), Some("do")), Ok((some("see"), some("do"))));
        assert_eq!(words("  x --all\n", None, None), Ok((None, None)));
        for (usage, get, run, why) in [
            (
                "  x see\n  x do\n",
                None,
                None,
                "the program has the commands `see`, `do`: say which of them acts with --run=<c>, and which only looks \
                 with --get=<c>",
            ),
            ("  x get\n  x run\n", Some("got"), None, "--get cannot be 'got': it is one of `get`, `run`"),
            (
                "  x get\n  x run\n",
                Some("run"),
                None,
                "--get and --run are the same command: one looks and the other acts",
            ),
            (
                "  x --all\n",
                None,
                Some("do"),
                "--run cannot be 'do': the program has no commands, and is run as a whole",
            ),
        ] {
            assert_eq!(words(usage, get, run), Err(why.to_owned()));
        }
    }
}
