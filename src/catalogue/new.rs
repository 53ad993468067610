//! `new`: a role of one Rust file, which works from the beginning and does nothing yet.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::name::is_secret;
use super::sync::{self, Stale};
use super::{Program, Toolkit, manifest, name, render, written};
use crate::action::arguments::{Request, UsageError, parse};
use crate::action::context::Context;
use crate::action::manual::{Manual, Opt};
use crate::action::report::Finding;
use crate::{process, temporary};

/// What the new file of a role is made from that looks and acts, and of one that only judges.
const TEMPLATES: (&str, &str) = ("_new/action.rs", "_new/judge.rs");

/// Where the descriptions of options begin in the template, and where they end.
const COLUMNS: (usize, usize) = (24, 118);

/// What a role is to be, as far as it was given.
#[derive(Debug, Clone, Default)]
pub struct NewRole {
    /// What it does, in one line.
    pub title: Option<String>,
    /// The problem, as the operator sees it.
    pub problem: Option<String>,
    /// What it does about that.
    pub solution: Option<String>,
    /// Lines of its options, as a usage text has them: `--host=<h>  The host to mend. [env: HOST]`.
    pub options: Vec<String>,
    /// It has `run` alone, and says what passed, rather than looking and acting.
    pub judges: bool,
}

/// What a role is to be.
#[derive(Debug, Clone)]
pub struct Brief {
    /// What it does, in one line without a period.
    pub title: String,
    /// See [`NewRole::problem`].
    pub problem: String,
    /// See [`NewRole::solution`].
    pub solution: String,
}

/// Writes the program of a new role, what Cargo.toml says of it, and all that is derived from it.
///
/// # Errors
/// When the name cannot be, a text cannot stand in a usage text, or a file cannot be written: then none is.
pub async fn new(toolkit: &Toolkit, role: &str, new_role: NewRole, context: &Context) -> anyhow::Result<Finding> {
    name::check(toolkit, role)?;
    let judges = new_role.judges;
    let asks = new_role.title.is_none() || new_role.problem.is_none() || new_role.solution.is_none();
    let mut options = new_role.options.iter().map(|line| option(line)).collect::<Result<Vec<_>, _>>()?;
    let brief = new_role.brief(&format!("`firebreak new {role}`"), context).await?;
    if asks && options.is_empty() {
        options = ask_options(context).await?;
    }
    // A secret that only a command line could give would be seen by everybody on the host.
    for option in options.iter_mut().filter(|option| option.secret && option.environment.is_none()) {
        let name = format!("{role}_{}", option.name.trim_matches('-')).replace('-', "_").to_uppercase();
        option.environment = Some(name);
    }
    let path = Path::new("src/bin").join(format!("{role}.rs"));
    let (template, command) = if judges { (TEMPLATES.1, "run") } else { (TEMPLATES.0, "get") };
    let code = code(&toolkit.root, template, role, &brief, &options)?;
    let program = Program::from_text(&path, code.clone())?.context("the template has no `const USAGE`")?;
    check(&program, command, &brief, &options)?;
    let toolkit = toolkit.with(program);
    let mut files = vec![Stale { path: path.clone(), old: None, new: Some(code) }];
    files.extend(manifest::added(&toolkit.root, role)?);
    files.extend(sync::stale(&toolkit)?);
    sync::fix(&toolkit.root, &files)?;
    let steps = if judges { "`look` and `judge`" } else { "`look` and `act`" };
    let next = format!("fill in {steps}, then `cargo test --bin {role}` and `firebreak build {role}`");
    let paths: Vec<PathBuf> = files.into_iter().map(|file| file.path).collect();
    Ok(written(&paths, &format!("Next in {}: {next}", path.display())))
}

impl NewRole {
    /// What was given, and what somebody at the terminal adds. `command` is what lacks it where nobody is there.
    ///
    /// # Errors
    /// When something is missing or cannot stand in a usage text.
    pub async fn brief(self, command: &str, context: &Context) -> anyhow::Result<Brief> {
        let title = "What does it do, in one line? (Restart the slaves that lost their master)";
        let problem = "Which problem does it solve? (as the operator sees it)";
        let solution = "What does it do about it?";
        let title = answer(self.title, "--title", title, command, context).await?;
        Ok(Brief {
            title: title.trim_end_matches('.').to_owned(),
            problem: answer(self.problem, "--problem", problem, command, context).await?,
            solution: answer(self.solution, "--solution", solution, command, context).await?,
        })
    }
}

/// The text that was given, or one that is asked for.
async fn answer(
    given: Option<String>,
    option: &str,
    question: &str,
    command: &str,
    context: &Context,
) -> anyhow::Result<String> {
    if let Some(text) = given {
        plain(option, &text)?;
        return Ok(text.trim().to_owned());
    }
    if !context.operator.present() {
        let message =
            format!("{command} needs {option} where no terminal is, beside --title, --problem and --solution");
        anyhow::bail!(UsageError(message));
    }
    loop {
        let text = context.operator.ask(question).await?;
        match plain("the answer", &text) {
            Ok(()) => return Ok(text.trim().to_owned()),
            Err(why) => context.operator.say(&why.to_string()),
        }
    }
}

/// Refuses what would be read as something else in a usage text.
fn plain(source: &str, text: &str) -> Result<(), UsageError> {
    let refuse = |why: &str| Err(UsageError(format!("{source} cannot be '{text}': {why}")));
    if text.trim().is_empty() {
        return refuse("it is empty");
    }
    if text.contains(char::is_control) {
        return refuse("it is one line of text");
    }
    if text.to_lowercase().contains("usage:") {
        return refuse("`usage:` begins the usage lines; word it otherwise");
    }
    if text.trim().starts_with('-') || text.trim().ends_with(':') {
        return refuse("a line that begins with '-' is an option, one that ends with ':' a heading; word it otherwise");
    }
    Ok(())
}

async fn ask_options(context: &Context) -> anyhow::Result<Vec<Opt>> {
    let question = "An option? (--host=<h>  The host to mend. [env: HOST]) Nothing: no more";
    let mut options: Vec<Opt> = Vec::new();
    loop {
        let line = context.operator.ask(question).await?;
        if line.is_empty() {
            return Ok(options);
        }
        match option(&line) {
            Ok(option) => options.push(option),
            Err(why) => context.operator.say(&why.to_string()),
        }
    }
}

/// Reads the line of an option.
fn option(line: &str) -> Result<Opt, UsageError> {
    let refuse = |why: &str| Err(UsageError(format!("--option cannot be '{line}': {why}")));
    let shape = "write it like '--host=<h>  The host to mend. [env: HOST]'";
    if line.contains(char::is_control) || line.to_lowercase().contains("usage:") {
        return refuse(&format!("it is one line without `usage:`; {shape}"));
    }
    let text = format!("X.\n\nUsage:\n  x [options]\n\nOptions:\n  {}\n", line.trim());
    let mut option = match Manual::read(&text) {
        Ok(manual) => match (manual.doubts.first(), manual.options.as_slice()) {
            (None, [option]) => option.clone(),
            (Some(doubt), _) => return refuse(&format!("{}; {shape}", doubt.why)),
            (None, _) => return refuse(shape),
        },
        Err(error) => return refuse(&format!("{}; {shape}", error.why)),
    };
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let Some(name) = option.name.strip_prefix("--").filter(|name| !name.is_empty()) else {
        return refuse(&format!("it has no long name; {shape}"));
    };
    if !name.chars().all(word) || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return refuse("a name is small letters, digits and '-'");
    }
    if ["env", "slack", "timeout", "check", "yes", "journal", "format", "help", "version"].contains(&name) {
        return refuse("every action has that option already");
    }
    let placeholder = option.placeholder.as_deref();
    if placeholder.is_some_and(|it| !it.starts_with('<') || !it.ends_with('>')) {
        return refuse(&format!("a placeholder stands between '<' and '>'; {shape}"));
    }
    if option.description.is_empty() {
        return refuse(&format!("two spaces and what it is for are missing; {shape}"));
    }
    if placeholder.is_none() && (option.secret || option.default.is_some() || !option.choices.is_empty()) {
        return refuse(&format!("only an option with a value has such a tag; {shape}"));
    }
    if option.secret && (option.default.is_some() || !option.choices.is_empty()) {
        return refuse("a secret has neither a default nor choices: they would be seen");
    }
    option.secret = option.secret || (placeholder.is_some() && option.choices.is_empty() && is_secret(&option.name));
    Ok(option)
}

/// An option as the template sees it.
#[derive(Debug, Serialize)]
struct Given {
    name: String,
    /// Its lines in the usage text.
    line: String,
    field: String,
    kind: &'static str,
    /// How its value is shown.
    shown: String,
}

impl Given {
    fn of(option: &Opt) -> Self {
        let field = option.name.replacen("--", "flag_", 1).replace('-', "_");
        let value = format!("args.{field}");
        let (kind, shown) = if option.placeholder.is_none() {
            ("bool", format!("{value}.to_string()"))
        } else if option.secret {
            ("Option<secrecy::SecretString>", format!("{value}.map(|_| \"given\".to_owned()).unwrap_or_default()"))
        } else if option.default.is_some() {
            ("String", value)
        } else {
            ("Option<String>", format!("{value}.unwrap_or_default()"))
        };
        Self { name: option.name.clone(), line: described(option, COLUMNS.0), field, kind, shown }
    }
}

/// The option as it stands in the usage text: its tags in their order, its description wrapped, from this column on.
pub(super) fn described(option: &Opt, begin: usize) -> String {
    let short = option.short.as_ref().map_or(String::new(), |short| format!("{short}, "));
    let placeholder = option.placeholder.as_ref().map_or(String::new(), |placeholder| format!("={placeholder}"));
    let spelling = format!("  {short}{}{placeholder}  ", option.name);
    let text = std::iter::once(option.description.clone()).chain(option.tags()).collect::<Vec<_>>();
    let wrapped = render::wrap(&text.join(" "), COLUMNS.1.saturating_sub(begin), Some(begin));
    format!("{spelling:<begin$}{wrapped}")
}

fn code(root: &Path, template: &str, role: &str, brief: &Brief, options: &[Opt]) -> anyhow::Result<String> {
    let fields: Vec<Given> = options.iter().map(Given::of).collect();
    let switches = options.iter().any(|option| option.placeholder.is_none());
    let Brief { title, problem, solution } = brief;
    // What stands in the usage line is what a button asks for; where things are comes from the environment.
    let asked = options.iter().filter(|option| option.environment.is_none() && !option.secret);
    let asked = asked.map(|option| format!("[{}] ", option.typed())).collect::<Vec<_>>().concat();
    let options = Value::from(Serde(fields));
    let values = context! { name => role, title, problem, solution, options, switches, asked };
    let code = render::render_once(root, template, &values)?;
    let folder = temporary::folder()?;
    let path = folder.path().join("action.rs");
    std::fs::write(&path, code).context("failed to write a temporary file")?;
    let words = ["--edition=2024", "--config-path", &root.display().to_string(), &path.display().to_string()];
    process::read("rustfmt", &words, root).map_err(|error| {
        let why = format!("{error:#}").lines().next().unwrap_or_default().to_owned();
        anyhow::anyhow!("rustfmt is needed to write a program: `rustup component add rustfmt` brings it ({why})")
    })?;
    Ok(std::fs::read_to_string(&path)?)
}

/// The usage text must say what was given and nothing else, and docopt must read it so.
fn check(program: &Program, command: &str, brief: &Brief, options: &[Opt]) -> anyhow::Result<()> {
    let manual = &program.manual;
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let same = |section: &str, text: &str| words(manual.section(section).unwrap_or_default()) == words(text);
    let refuse = |option: &str, text: &str| {
        let why = "in a usage text it would be read as something else; word it otherwise";
        Err(UsageError(format!("{option} cannot be '{text}': {why}")).into())
    };
    if !same("Problem", &brief.problem) {
        return refuse("--problem", &brief.problem);
    }
    if !same("Solution", &brief.solution) {
        return refuse("--solution", &brief.solution);
    }
    let Request::Act(arguments) = parse(&program.text, "", &[command.to_owned()], &|_| None)? else {
        anyhow::bail!("the usage text does not take `{command}`");
    };
    for option in options {
        let meanings: Vec<_> = manual.options.iter().filter(|other| other.name == option.name).collect();
        let short = |other: &&Opt| option.short.is_some() && other.short == option.short;
        let read = meanings.len() == 1
            && meanings[0].description == option.description
            && manual.options.iter().filter(short).count() <= 1
            && option.default.as_deref().is_none_or(|default| arguments.values.get_str(&option.name) == default);
        if !read {
            return refuse("--option", described(option, COLUMNS.0).trim());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_written_in_columns_with_its_tags_in_order() {
        let line = "-h, --host=<h>  The host to mend, one of those that answer to nobody and stand in the cellar of \
                    the house next door. [env: HOST] [default: a]";
        assert_eq!(
            described(&option(line).expect("an option"), COLUMNS.0),
            "  -h, --host=<h>        The host to mend, one of those that answer to nobody and stand in the cellar of \
             the house next\n                        door. [env: HOST] [default: a]"
        );
    }

    #[test]
    fn an_option_that_cannot_be_is_refused() {
        let shape = "write it like '--host=<h>  The host to mend. [env: HOST]'";
        for (line, why) in [
            ("host", shape.to_owned()),
            ("-h  Short.", format!("it has no long name; {shape}")),
            ("--host=<h>", format!("two spaces and what it is for are missing; {shape}")),
            (
                "--host=<h> One space.",
                format!(
                    "'One space.' is read as part of the option's name: two spaces must stand before the description, \
                     and a line of prose cannot begin with `-`; {shape}"
                ),
            ),
            (
                "--host=<h>  The host. [default: a] [env: HOST]",
                format!(
                    "the default of --host is 'a] [env: HOST' to docopt: `[default: …]` must be the last tag; {shape}"
                ),
            ),
            ("--the_host=<h>  The host.", "a name is small letters, digits and '-'".to_owned()),
            ("--host=HOST  The host.", format!("a placeholder stands between '<' and '>'; {shape}")),
            ("--yes  Do it.", "every action has that option already".to_owned()),
            (
                "--dry  Dry. [default: x]",
                format!("--dry has no value, so it can have no default: write `--dry=<value>`; {shape}"),
            ),
            ("--dry  Dry. [choices: a b]", format!("only an option with a value has such a tag; {shape}")),
            (
                "--pwd=<p>  It. [choices: a b] [secret]",
                "a secret has neither a default nor choices: they would be seen".to_owned(),
            ),
            ("--host=<h>  See usage: below.", format!("it is one line without `usage:`; {shape}")),
        ] {
            let refusal = UsageError(format!("--option cannot be '{line}': {why}"));
            assert_eq!(option(line).expect_err("a refusal"), refusal);
        }
    }

    #[test]
    fn an_option_that_is_called_like_a_secret_is_one() {
        assert!(option("--registry-pwd=<p>  The password.").expect("an option").secret);
        assert!(!option("--keep=<n>  How many.").expect("an option").secret);
    }

    #[test]
    fn a_text_that_would_be_read_otherwise_is_refused() {
        for (text, why) in [
            ("", "it is empty"),
            ("two\nlines", "it is one line of text"),
            ("See the usage: below", "`usage:` begins the usage lines; word it otherwise"),
            (
                "--help me",
                "a line that begins with '-' is an option, one that ends with ':' a heading; word it otherwise",
            ),
        ] {
            let refusal = UsageError(format!("--title cannot be '{text}': {why}"));
            assert_eq!(plain("--title", text), Err(refusal));
        }
    }
}
