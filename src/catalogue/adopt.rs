//! `adopt`: a role of any program that explains itself in docopt's language, by what `--help` prints.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;

use super::facts::Role;
use super::help::{Help, Kind, contradictions, options};
use super::name::is_secret;
use super::new::NewRole;
use super::package::{Package, Piece, UnpackedPackage, put};
use super::sync::{self, Stale};
use super::usage_text::{Tag, usage_text};
use super::{Adopted, PYTHON, Program, Toolkit, again, calls, name, written};
use crate::action::arguments::UsageError;
use crate::action::context::Context;
use crate::action::manual::Manual;
use crate::action::report::{Finding, Outcome, Table};
use crate::temporary;
use crate::words::counted;

/// What is to be adopted.
#[derive(Debug, Clone, Default)]
pub struct Stranger {
    /// The programs' files; of a Python package its folder.
    pub programs: Vec<PathBuf>,
    /// Files and folders that they need beside them.
    pub with: Vec<PathBuf>,
    /// The list of Python packages that they need.
    pub requirements: Option<PathBuf>,
    /// What the role is to be called; else like the program.
    pub role: Option<String>,
    /// The command that only looks; else `get`, if it has that.
    pub get: Option<String>,
    /// The command that acts; else `run`, if it has that.
    pub run: Option<String>,
    /// The option by which it shows what it would do, and does nothing.
    pub check: Option<String>,
    /// Options whose values must not be seen, beside those whose names say so.
    pub secrets: Vec<String>,
    /// `<option>:<file>`: in the folder which is its value the look leaves that file.
    pub keeps: Vec<String>,
    /// `<option>:<member>`: its values are those in that member of the kept file.
    pub found: Vec<String>,
    /// The words that the program does not say itself.
    pub new_role: NewRole,
    /// Nothing is to be written.
    pub dry: bool,
}

/// A role that is ready to be written.
struct Ready {
    program: Program,
    /// The usage text, and the list of Python packages.
    texts: Vec<Stale>,
    /// The files of the program that are not in the role yet.
    pieces: Vec<(PathBuf, Piece)>,
    known: bool,
}

/// Makes a role of each program; one that is a role already is brought in line with its program.
///
/// # Errors
/// When a program does not explain itself, a value does not fit it, or a file cannot be written: then none is.
pub async fn adopt(toolkit: &Toolkit, stranger: Stranger, context: &Context) -> anyhow::Result<Finding> {
    if let (Some(role), true) = (&stranger.role, stranger.programs.len() > 1) {
        anyhow::bail!(UsageError(format!("--role cannot be '{role}' for several programs: adopt each by itself")));
    }
    let mut ready: Vec<Ready> = Vec::new();
    let mut grown = toolkit.clone();
    for path in &stranger.programs {
        let one = prepared(&grown, path, &stranger, context).await.with_context(|| {
            let nothing = if ready.is_empty() { "" } else { ", so nothing was written of the others either" };
            format!("'{}' cannot be adopted{nothing}", path.display())
        });
        // What is wrong with one program alone needs no more words.
        let one = if stranger.programs.len() == 1 { one.map_err(innermost)? } else { one? };
        grown = grown.with(one.program.clone());
        ready.push(one);
    }
    let mut files: Vec<Stale> = ready.iter().flat_map(|one| one.texts.clone()).collect();
    files.extend(sync::stale(&grown)?);
    let pieces: Vec<(PathBuf, Piece)> = ready.iter().flat_map(|one| one.pieces.clone()).collect();
    let roles = ready.iter().map(|one| one.program.name.as_str()).collect::<Vec<_>>().join(", ");
    if files.is_empty() && pieces.is_empty() {
        let message = match ready.len() {
            1 => format!("the role {roles} is as the program says"),
            _ => format!("the roles {roles} are as the programs say"),
        };
        return Ok(Finding::new(Outcome::NothingToDo, message));
    }
    if !stranger.dry {
        write(&toolkit.root, &files, &pieces)?;
    }
    let usage = |file: &&Stale| file.path.ends_with("usage.txt");
    let texts: Vec<&Stale> = files.iter().filter(usage).collect();
    let paths = texts.iter().map(|file| &file.path).chain(pieces.iter().map(|(path, _)| path));
    let paths: Vec<PathBuf> =
        paths.chain(files.iter().filter(|file| !usage(file)).map(|file| &file.path)).cloned().collect();
    let mut tables: Vec<Table> =
        texts.iter().filter(|file| stranger.dry || file.old.is_some()).map(|file| shown(file)).collect();
    let mut finding = if stranger.dry {
        Finding::new(Outcome::Planned, format!("would write {}", counted(paths.len(), "file")))
    } else if ready.iter().all(|one| one.known) {
        Finding::new(Outcome::Done, format!("{} written. Next: `firebreak check`", counted(paths.len(), "file")))
    } else {
        let usages = texts.iter().map(|file| file.path.display().to_string()).collect::<Vec<_>>().join(", ");
        let next = "describe what is not described, then `firebreak sync` and `firebreak check`";
        written(&paths, &format!("Next: read {usages}, {next}"))
    };
    finding.changed = true;
    tables.push(Table::lines(paths.iter().map(|path| path.display().to_string())));
    finding.tables = tables;
    Ok(finding.with("files", &paths))
}

/// An error without what was said around it.
fn innermost(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<UsageError>() {
        Ok(usage) => usage.into(),
        Err(error) => {
            anyhow::anyhow!("{}", error.chain().skip(1).map(ToString::to_string).collect::<Vec<_>>().join(": "))
        }
    }
}

/// A usage text that is new as lines, one that changed as a difference.
fn shown(file: &Stale) -> Table {
    match (&file.old, &file.new) {
        (None, Some(text)) => Table::lines(text.lines().map(|line| format!("+{line}"))),
        _ => sync::difference(file),
    }
}

/// Writes all of it; where something cannot be written, all stands as before.
fn write(root: &Path, files: &[Stale], pieces: &[(PathBuf, Piece)]) -> anyhow::Result<()> {
    let before: Vec<Option<Vec<u8>>> = pieces.iter().map(|(path, _)| std::fs::read(root.join(path)).ok()).collect();
    let placed = pieces.iter().try_for_each(|(path, piece)| {
        put(&root.join(path), &piece.bytes, piece.runs).with_context(|| format!("failed to write {}", path.display()))
    });
    placed.and_then(|()| sync::fix(root, files)).inspect_err(|_| {
        for ((path, piece), bytes) in pieces.iter().zip(&before) {
            let _ = match bytes {
                Some(bytes) => put(&root.join(path), bytes, piece.runs),
                None => sync::leave(root, path, None),
            };
        }
    })
}

/// A program's files as they were named, with a launcher where that was a folder.
struct Named {
    package: Package,
    launcher: Option<TempDir>,
}

impl Named {
    fn of(path: &Path, stranger: &Stranger) -> anyhow::Result<Self> {
        let requirements = stranger.requirements.clone();
        let mut package = Package { program: path.to_owned(), beside: stranger.with.clone(), requirements };
        if !path.is_dir() {
            return Ok(Self { package, launcher: None });
        }
        let folder = path.canonicalize()?;
        if !folder.join("__main__.py").is_file() {
            let why = "is a folder without __main__.py: name the program's file, and by --with what it needs beside it";
            anyhow::bail!(UsageError(format!("'{}' {why}", path.display())));
        }
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // A package is imported by its name; of a folder that is none, all modules are at the top.
        let run = if folder.join("__init__.py").is_file() {
            format!("runpy.run_module({name:?}, run_name=\"__main__\", alter_sys=True)")
        } else {
            format!(
                "runpy.run_path(os.path.join(os.path.dirname(os.path.abspath(__file__)), {name:?}), run_name=\"__main__\")"
            )
        };
        let text =
            format!("\"\"\"Runs what lies in the folder {name} beside it.\"\"\"\nimport os\nimport runpy\n\n{run}\n");
        let place = temporary::folder()?;
        package.program = place.path().join(format!("run_{name}.py"));
        std::fs::write(&package.program, text).context("failed to write a temporary file")?;
        package.beside.insert(0, folder);
        Ok(Self { package, launcher: Some(place) })
    }
}

async fn prepared(toolkit: &Toolkit, path: &Path, stranger: &Stranger, context: &Context) -> anyhow::Result<Ready> {
    let role = stranger.role.clone().unwrap_or_else(|| {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase().replace(['-', '.', ' '], "_")
    });
    let known = toolkit.program(&role).filter(|program| program.adopted.is_some());
    if known.is_none() {
        name::check(toolkit, &role).map_err(|why| UsageError(format!("{why}. --role=<name> gives another")))?;
    }
    let Named { mut package, launcher } = Named::of(path, stranger)?;
    let file = package.name();
    name::check_file(&file).map_err(|why| UsageError(format!("the program cannot be called '{file}': {why}")))?;
    let bytes = std::fs::read(&package.program).with_context(|| format!("failed to read '{}'", path.display()))?;
    let kind = Kind::of(&package.program, &bytes);
    if kind == Some(Kind::Dynamic) {
        let message = "needs libraries of the machine it was built on: it may not start on another. A static one would";
        context.watch.warn(&format!("'{}' {message}", path.display()));
    }
    if kind == Some(Kind::Python) && launcher.is_none() {
        package = package.with_siblings()?;
    }
    if let Some(program) = known {
        again::add_known(toolkit, program, &mut package);
    }
    for name in package.names_beside() {
        name::check_file(&name)
            .map_err(|why| UsageError(format!("what lies beside it cannot be called '{name}': {why}")))?;
    }
    if package.requirements.is_some() {
        context.operator.say("Installing its packages, to ask it for its help");
    }
    let laid = UnpackedPackage::out(&package)?;
    let help = Help::of(&laid)?;
    for (line, note) in &help.notes {
        context.watch.warn(&format!("line {line} of what `{file} --help` prints: {note}"));
    }
    if let Some((_, why)) = name::unsafe_in(&help.manual).first() {
        anyhow::bail!(UsageError(format!("'{file}' cannot be adopted: {why}. Rename it in the program")));
    }
    let before = known.and_then(|program| program.adopted.as_ref());
    let (get, run) = words(&help.manual, &file, stranger, before)?;
    let check = check_option(&help.manual, stranger.check.as_ref().or(before.and_then(|it| it.check.as_ref())))?;
    let adopted = Adopted {
        program: file.clone(),
        requirements: package.requirements.as_ref().map(|_| "requirements.txt".to_owned()),
        beside: package.names_beside(),
        language: (kind == Some(Kind::Python)).then(|| PYTHON.to_owned()),
        get,
        run,
        check,
    };
    let text = if let Some(program) = known {
        again::text(toolkit, program, &adopted, &help)?
    } else {
        let tags = tags(&help.manual, stranger)?;
        let command = format!("`firebreak adopt {}`", path.display());
        let brief = told(stranger.new_role.clone(), &help.text, &help.manual).brief(&command, context).await?;
        usage_text(&brief, &help.text, &help.manual, &adopted, &tags)?
    };
    let folder = Path::new("roles").join(&role);
    let usage = folder.join("usage.txt");
    let program = Program::from_text(&usage, text.clone())?.context("usage.txt has no text")?;
    if let Some(odd) = contradictions(&program.manual, &help.manual).first() {
        anyhow::bail!("{}:{} would not say what the program says: {}", usage.display(), odd.line, odd.why);
    }
    let facts = Role::of(&program);
    calls::check(&facts, &help.text, &help.manual)?;
    if known.is_none() {
        if !adopted.is_python() {
            for option in program.manual.options.iter().filter(|option| option.secret) {
                let message = "takes its value on the command line, where everybody on the host sees it while it runs";
                context.watch.warn(&format!("{} {message}", option.name));
            }
        }
        trial(&laid, &facts, &program.manual, context).await?;
    }
    let mut texts = vec![(usage, text)];
    if let Some(list) = &package.requirements {
        let text = std::fs::read_to_string(list).with_context(|| format!("failed to read '{}'", list.display()))?;
        texts.push((folder.join("files/requirements.txt"), text));
    }
    let texts = texts.into_iter().map(|(path, text)| Stale {
        old: std::fs::read_to_string(toolkit.root.join(&path)).ok(),
        new: Some(text),
        path,
    });
    let pieces = package.pieces()?.into_iter().map(|piece| (folder.join("files").join(&piece.path), piece));
    let newer =
        |(path, piece): &(PathBuf, Piece)| !std::fs::read(toolkit.root.join(path)).is_ok_and(|old| old == piece.bytes);
    Ok(Ready {
        texts: texts.filter(|file| file.old != file.new).collect(),
        pieces: pieces.filter(newer).collect(),
        known: known.is_some(),
        program,
    })
}

/// Has somebody at the terminal try the look, with values for what it cannot do without.
async fn trial(laid: &UnpackedPackage, role: &Role, manual: &Manual, context: &Context) -> anyhow::Result<()> {
    let look = &role.get;
    let secret = look.variables.iter().any(|it| it.secret && it.required.contains(&look.entry));
    if look.word.is_none() || secret || !context.operator.present() {
        return Ok(());
    }
    let call = [vec![laid.name.clone()], look.words.clone()].concat().join(" ");
    if !context.operator.confirm(&format!("Try the look now, which should change nothing (`{call}`)?")).await? {
        return Ok(());
    }
    let (mut words, mut arguments) = (look.words.clone(), Vec::new());
    for variable in look.variables.iter().filter(|variable| variable.required.contains(&look.entry)) {
        let value = context.operator.ask(&format!("{}: {}", variable.short, variable.description)).await?;
        match &variable.option {
            Some(name) if manual.option(name).is_some_and(|option| option.placeholder.is_none()) => {
                words.push(name.clone());
            }
            Some(name) if variable.apart => words.extend([name.clone(), value]),
            Some(_) => words.push(format!("{}{value}", variable.prefix)),
            None => arguments.push(value),
        }
    }
    words.extend(Some("--".to_owned()).filter(|_| role.dashes && !arguments.is_empty()));
    words.extend(arguments);
    match laid.look(&words) {
        Ok(printed) => context.operator.show(&Table::lines(printed.lines())),
        Err(error) => context.operator.say(&format!("The look failed: {error:#}")),
    }
    let goes_on = context.operator.confirm("Make the role?").await?;
    anyhow::ensure!(goes_on, "declined after the trial: nothing was written");
    Ok(())
}

/// The words of the commands of the program that look and act; empty for a call without a command, which is named by the
/// program.
fn words(
    manual: &Manual,
    file: &str,
    stranger: &Stranger,
    before: Option<&Adopted>,
) -> Result<(Option<String>, Option<String>), UsageError> {
    let ways = manual.ways();
    let named = |way: &String| if way.is_empty() { format!("`{file}`") } else { format!("`{way}`") };
    let list = ways.iter().map(named).collect::<Vec<_>>().join(", ");
    let commands = manual.commands();
    let word = |option: &str, given: Option<&String>, before: Option<&Option<String>>, usual: &str| {
        let Some(given) = given else {
            let usual = || commands.contains(&usual).then(|| usual.to_owned());
            return Ok(before.cloned().unwrap_or_else(usual));
        };
        let words = given.split_whitespace().collect::<Vec<_>>().join(" ");
        if words == file && (ways.iter().any(String::is_empty)) {
            return Ok(Some(String::new()));
        }
        if !words.is_empty() && words.split(' ').all(|word| commands.contains(&word)) {
            return Ok(Some(words));
        }
        Err(UsageError(if commands.is_empty() {
            format!("{option} cannot be '{words}': the program has no commands, and is run as a whole")
        } else {
            format!("{option} cannot be '{words}': it is one of {list}")
        }))
    };
    let get = word("--get", stranger.get.as_ref(), before.map(|it| &it.get), "get")?;
    let run = word("--run", stranger.run.as_ref(), before.map(|it| &it.run), "run")?;
    if run.is_none() && !commands.is_empty() && before.is_none() {
        return Err(UsageError(format!(
            "the program has the commands {list}: say which of them acts with --run=<c>, and which only looks with --get=<c>"
        )));
    }
    if run.is_some() && run == get {
        return Err(UsageError("--get and --run are the same command: one looks and the other acts".to_owned()));
    }
    Ok((get, run))
}

/// The option by which a program shows what it would do.
fn check_option(manual: &Manual, given: Option<&String>) -> Result<Option<String>, UsageError> {
    let Some(given) = given else { return Ok(None) };
    match manual.option(given) {
        Some(option) if option.placeholder.is_none() => Ok(Some(option.name.clone())),
        Some(_) => Err(UsageError(format!("--check-by cannot be '{given}': it takes a value"))),
        None => Err(UsageError(format!("--check-by cannot be '{given}': the program has no such option"))),
    }
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
fn told(new_role: NewRole, help: &str, manual: &Manual) -> NewRole {
    let section = |heading: &str| {
        let text = manual.section(heading)?.split_whitespace().collect::<Vec<_>>().join(" ");
        Some(text).filter(|text| !text.is_empty())
    };
    let title = help.lines().map(str::trim).find(|line| !line.is_empty());
    let title = title.filter(|line| !line.to_lowercase().starts_with("usage:")).map(str::to_owned);
    NewRole {
        title: new_role.title.or(title),
        problem: new_role.problem.or_else(|| section("Problem")),
        solution: new_role.solution.or_else(|| section("Solution")),
        options: new_role.options,
        judges: new_role.judges,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_that_look_and_act_are_known_or_asked_for() {
        let words = |usage: &str, get: Option<&str>, run: Option<&str>| {
            let manual = Manual::read(&format!("Usage:\n{usage}")).expect("a manual");
            let (get, run) = (get.map(str::to_owned), run.map(str::to_owned));
            words(&manual, "x.py", &Stranger { get, run, ..Stranger::default() }, None)
                .map_err(|error| error.to_string())
        };
        let some = |word: &str| Some(word.to_owned());
        let index = "  x index check\n  x index rebuild [all]\n";
        assert_eq!(words("  x get\n  x run\n", None, None), Ok((some("get"), some("run"))));
        assert_eq!(words("  x see\n  x do\n", Some("see"), Some("do")), Ok((some("see"), some("do"))));
        assert_eq!(
            words(index, Some(" index  check"), Some("index rebuild")),
            Ok((some("index check"), some("index rebuild")))
        );
        assert_eq!(words("  x list\n  x <y>\n", Some("list"), Some("x.py")), Ok((some("list"), some(""))));
        assert_eq!(words("  x --all\n", None, None), Ok((None, None)));
        let which = "say which of them acts with --run=<c>, and which only looks with --get=<c>";
        for (usage, get, run, why) in [
            ("  x see\n  x do\n", None, None, format!("the program has the commands `see`, `do`: {which}")),
            (index, None, None, format!("the program has the commands `index check`, `index rebuild`: {which}")),
            ("  x list\n  x <y>\n", None, None, format!("the program has the commands `list`, `x.py`: {which}")),
            ("  x get\n  x run\n", Some("got"), None, "--get cannot be 'got': it is one of `get`, `run`".to_owned()),
            (
                "  x get\n  x run\n",
                Some("run"),
                None,
                "--get and --run are the same command: one looks and the other acts".to_owned(),
            ),
            (
                "  x --all\n",
                None,
                Some("do"),
                "--run cannot be 'do': the program has no commands, and is run as a whole".to_owned(),
            ),
        ] {
            assert_eq!(words(usage, get, run), Err(why));
        }
    }
}
