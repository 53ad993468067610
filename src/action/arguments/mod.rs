//! From a command line to checked arguments: docopt parses; the manual fills in what the environment gives, reads
//! secrets from their files, checks choices, and says in words what docopt only calls "Invalid arguments."

mod explain;
mod words;

use docopt::{ArgvMap, Docopt, Value, parse::Atom};

use serde_json::Map;

use super::manual::{Manual, Opt, has_tags};
use crate::address::printable;
use explain::{broken, explain, refuse_choice};
pub use explain::{missing, nearest};
use words::Word;

/// What a command line asks for.
#[derive(Debug)]
pub enum Request {
    /// To act, with these values.
    Act(Arguments),
    /// To print a text on stdout and end: the help, the version.
    Print(String),
}

/// The values of a command line that fits the usage text. Some are secrets, so it is printed without them.
#[derive(Clone)]
pub struct Arguments {
    /// The command word, empty for a program without commands.
    pub command: String,
    /// docopt's values.
    pub values: ArgvMap,
    /// What was asked, by the options' names, for people who ask later: what was given or is a default, without
    /// secrets, without the credentials of a URL, and without what only says how to go about it (`--yes`).
    pub asked: Map<String, serde_json::Value>,
}

/// A command line that does not fit, or a value that does not: what is wrong and what to type. Exit code 2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Looks up a variable of the environment.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads `words` (without the program's name) as the text `usage` says. Its manual is only read where the text has
/// more to say than docopt understands, or the words do not fit.
///
/// # Errors
/// A [`UsageError`] that names what is wrong.
pub fn parse(usage: &str, version: &str, words: &[String], lookup: Lookup<'_>) -> Result<Request, UsageError> {
    let own = || words.iter().take_while(|word| *word != "--");
    if own().any(|word| word == "-h" || word == "--help") {
        return Ok(Request::Print(usage.trim().to_owned()));
    }
    let docopt = Docopt::new(usage).map_err(|_| broken(usage))?;
    let simple = !has_tags(usage) && !own().any(|word| word.ends_with('='));
    if (simple || own().any(|word| word == "--version"))
        && let Some(values) = accept(&docopt, words)
    {
        if values.get_bool("--version") {
            return Ok(Request::Print(format!("{} {version}", docopt.parser().program)));
        }
        if simple {
            let command = commands(&docopt, &values, words).into_iter().next().unwrap_or_default();
            return Ok(Request::Act(Arguments { command, values, asked: Map::new() }));
        }
    }
    let manual = Manual::read(usage).map_err(|error| UsageError(error.to_string()))?;
    let parts = complete(&manual, words::parts(&manual, words)?, lookup)?;
    let words = words::write(&parts);
    let Some(mut values) = accept(&docopt, &words).filter(|values| !is_foreign(&manual, &parts, values)) else {
        return Err(explain(&manual, &parts));
    };
    if values.get_bool("--version") {
        return Ok(Request::Print(format!("{} {version}", manual.program)));
    }
    let commands = commands(&docopt, &values, &words);
    refuse_misplaced(&manual, &commands, &parts)?;
    let command = commands.into_iter().next().unwrap_or_default();
    give_defaults(&manual, &command, &parts, &mut values);
    refuse_other_choices(&manual, &command, &values)?;
    let asked = asked(&manual, &command, &values);
    Ok(Request::Act(Arguments { command, values, asked }))
}

impl std::fmt::Debug for Arguments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arguments").field("command", &self.command).finish_non_exhaustive()
    }
}

impl Arguments {
    /// The values as a struct with docopt's field names (`flag_env`, `cmd_get`, `arg_file`).
    ///
    /// # Errors
    /// Where a value does not fit its field.
    pub fn decode<T: serde::de::DeserializeOwned>(&self) -> Result<T, UsageError> {
        self.values.clone().deserialize().map_err(|error| UsageError(error.to_string()))
    }
}

/// Options that say how to go about it, not what is asked.
const MANNERS: [&str; 6] = ["--yes", "--check", "--format", "--help", "--version", "--journal"];

/// What was asked of a command, without secrets.
fn asked(manual: &Manual, command: &str, values: &ArgvMap) -> Map<String, serde_json::Value> {
    let wanted = manual.options_of(command).filter(|option| !option.secret && !MANNERS.contains(&option.name.as_str()));
    let value = |option: &Opt| match values.find(&option.name)? {
        Value::Switch(true) => Some(true.into()),
        Value::Plain(Some(text)) if !text.is_empty() => Some(printable(text).into()),
        Value::List(list) if !list.is_empty() => {
            Some(list.iter().map(|text| printable(text)).collect::<Vec<_>>().into())
        }
        _ => None,
    };
    wanted.filter_map(|option| Some((option.name.clone(), value(option)?))).collect()
}

/// docopt's values of words that fit.
fn accept(docopt: &Docopt, words: &[String]) -> Option<ArgvMap> {
    let argv = std::iter::once("").chain(words.iter().map(String::as_str));
    docopt.clone().help(false).argv(argv).parse().ok()
}

/// The words that docopt took for commands, in order.
fn commands(docopt: &Docopt, values: &ArgvMap, words: &[String]) -> Vec<String> {
    let known = |word: &String| match docopt.parser().descs.find(&Atom::Command(word.clone())) {
        Some(_) => word != "-" && word != "--" && values.get_count(word) > 0,
        None => false,
    };
    words.iter().filter(|word| known(word)).cloned().collect()
}

/// The command line with what the environment adds and what secrets' files hold; options given as nothing
/// (`--slack=`) are left out, so that a play or a job can pass a variable that is empty.
fn complete(manual: &Manual, parts: Vec<Word>, lookup: Lookup<'_>) -> Result<Vec<Word>, UsageError> {
    let command = words::command_of(manual, &parts).unwrap_or_default().to_owned();
    let mut complete: Vec<Word> = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Word::Option { value: Some(value), .. } if value.is_empty() => {}
            Word::Option { name, value: Some(value) } => {
                let option = manual.option_of(&command, &name).or_else(|| manual.option(&name));
                let value = option.map_or(Ok(value.clone()), |option| reveal(option, &option.name, &value))?;
                complete.push(Word::Option { name, value: Some(value) });
            }
            part => complete.push(part),
        }
    }
    let given = words::given(&complete);
    let mut added = Vec::new();
    for option in manual.options_of(&command).filter(|option| !given.contains(&option.name.as_str())) {
        let excluded =
            || given.iter().filter_map(|name| manual.option(name)).any(|one| manual.excludes(&command, option, one));
        let Some(variable) = option.environment.as_deref() else { continue };
        if let Some(value) = lookup(variable).filter(|value| !value.is_empty() && !excluded()) {
            let value = option.placeholder.is_some().then(|| reveal(option, variable, &value)).transpose()?;
            added.push(Word::Option { name: option.name.clone(), value });
        }
    }
    // In front: behind a `--` they would be taken for something else.
    added.extend(complete);
    Ok(added)
}

/// The value itself, or for a secret given as `@path` what that file holds, without the newline at its end. The path
/// is not told: it may be a password that happens to begin with `@`.
fn reveal(option: &Opt, source: &str, value: &str) -> Result<String, UsageError> {
    let Some(path) = value.strip_prefix('@').filter(|_| option.secret) else {
        if option.secret && std::path::Path::new(value).is_file() {
            let why = "a file is called so; `@` before its name gives what the file holds";
            return Err(UsageError(format!("{source}: {why}")));
        }
        return Ok(value.to_owned());
    };
    let refuse = |why: &str| {
        let hint = "a value that begins with @ is the name of a file that holds the secret";
        Err(UsageError(format!("{source}: the file that it names {why} ({hint})")))
    };
    match std::fs::read_to_string(path) {
        Ok(text) if text.trim_end_matches(['\r', '\n']).is_empty() => refuse("is empty"),
        Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
        Err(error) => refuse(&format!("cannot be read: {error}")),
    }
}

/// Whether words were taken for somebody else's command line that do not stand behind a `--`: docopt cannot require
/// one, and without it every slip of a command of our own would be run as a program.
fn is_foreign(manual: &Manual, parts: &[Word], values: &ArgvMap) -> bool {
    let mut names = manual.usages.iter().filter_map(|usage| usage.foreign());
    !parts.iter().any(|part| matches!(part, Word::Dashes)) && names.any(|name| !values.get_vec(name).is_empty())
}

/// Refuses what only the headings forbid: to docopt `[options]` are all that are described.
fn refuse_misplaced(manual: &Manual, commands: &[String], parts: &[Word]) -> Result<(), UsageError> {
    let belongs =
        |option: &Opt| option.commands.is_empty() || option.commands.iter().any(|command| commands.contains(command));
    let misplaced = words::given(parts)
        .into_iter()
        .find(|name| !manual.options.iter().filter(|option| option.name == *name).any(belongs));
    let command = commands.first().map_or("", String::as_str);
    misplaced.map_or(Ok(()), |name| Err(explain::misplaced(manual, command, name)))
}

/// docopt knows but the last description of an option that is described for several commands.
fn give_defaults(manual: &Manual, command: &str, parts: &[Word], values: &mut ArgvMap) {
    let given = words::given(parts);
    for option in manual.options_of(command).filter(|option| !given.contains(&option.name.as_str())) {
        let last = manual.options.iter().rfind(|other| other.name == option.name);
        if last.is_some_and(|last| last.default != option.default) {
            let value = match (&option.default, option.repeats) {
                (default, false) => Value::Plain(default.clone()),
                (default, true) => {
                    Value::List(default.iter().flat_map(|text| text.split_whitespace()).map(str::to_owned).collect())
                }
            };
            values.map.insert(option.name.clone(), value);
        }
    }
}

fn refuse_other_choices(manual: &Manual, command: &str, values: &ArgvMap) -> Result<(), UsageError> {
    let options = manual.options.iter().filter(|option| !option.choices.is_empty());
    for option in options.filter(|option| manual.option_of(command, &option.name).is_none_or(|own| own == *option)) {
        let given = if option.repeats { values.get_vec(&option.name) } else { vec![values.get_str(&option.name)] };
        for value in given.into_iter().filter(|value| !value.is_empty()) {
            if !option.choices.iter().any(|choice| choice == value) {
                return Err(refuse_choice(option, value));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Mend a thing.

Usage:
  mend get --repo=<r> [options]
  mend run --env=<e> [--date=<d>] [options]
  mend -h | --help
  mend --version

Options of get:
  --repo=<r>    Repositories. [env: REPO]
Options of run:
  --env=<e>     Environment.
  --date=<d>    The day.
  --yes         Do not ask.
General options:
  --pwd=<p>     The password. [env: PASSWORD] [secret]
  --format=<f>  How to print. [choices: table json] [default: table]
  -h, --help    This text.
  --version     The version.
";

    fn read(words: &str, environment: &[(&str, &str)]) -> Result<Request, UsageError> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let lookup = |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned());
        parse(TEXT, "1.2.3", &words, &lookup)
    }

    fn values(words: &str, environment: &[(&str, &str)]) -> Arguments {
        match read(words, environment) {
            Ok(Request::Act(arguments)) => arguments,
            other => panic!("expected values, got {other:?}"),
        }
    }

    fn refusal(words: &str) -> String {
        read(words, &[]).expect_err("a refusal").to_string()
    }

    #[test]
    fn fills_in_what_the_environment_gives_where_the_command_line_is_silent() {
        let environment = [("REPO", "a,b"), ("PASSWORD", "p")];
        let arguments = values("get", &environment);
        assert_eq!(arguments.command, "get");
        assert_eq!((arguments.values.get_str("--repo"), arguments.values.get_str("--pwd")), ("a,b", "p"));
        assert_eq!(values("get --repo=c", &environment).values.get_str("--repo"), "c");
        assert_eq!(values("get --repo c", &[]).values.get_str("--repo"), "c");
        assert_eq!(values("run --env=e", &environment).values.get_str("--repo"), "");
    }

    #[test]
    fn what_was_asked_is_told_without_secrets_and_without_manners() {
        let environment = [("REPO", "https://ann:pw@host/a"), ("PASSWORD", "p")];
        let asked = |words| serde_json::to_string(&values(words, &environment).asked).expect("plain data");
        assert_eq!(asked("get --format=json"), r#"{"--repo":"https://host/a"}"#);
        assert_eq!(asked("run --env=e --date=d --yes"), r#"{"--env":"e","--date":"d"}"#);
    }

    #[test]
    fn reads_a_secret_from_its_file() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), "s e=c\n").expect("to write it");
        let arguments = values(&format!("get --repo=a --pwd=@{}", file.path().display()), &[]);
        assert_eq!(arguments.values.get_str("--pwd"), "s e=c");
        assert_eq!(
            refusal("get --repo=a --pwd=@/no/such/file"),
            "--pwd: the file that it names cannot be read: No such file or directory (os error 2) (a value that begins \
             with @ is the name of a file that holds the secret)"
        );
        assert_eq!(
            refusal(&format!("get --repo=a --pwd={}", file.path().display())),
            "--pwd: a file is called so; `@` before its name gives what the file holds"
        );
        assert_eq!(values("get --repo=@a", &[]).values.get_str("--repo"), "@a");
    }

    #[test]
    fn takes_an_empty_value_for_none() {
        assert_eq!(refusal("run --env="), "`run` needs --env=<e>: Environment.");
        assert_eq!(values("run --env=e --date=", &[]).values.get_str("--date"), "");
    }

    #[test]
    fn names_what_is_wrong() {
        for (words, message) in [
            ("", "a command is missing, one of `get`, `run`"),
            ("gte", "there is no command 'gte' (there are `get`, `run`): did you mean `get`?"),
            ("get", "`get` needs --repo=<r> (or REPO in the environment): Repositories."),
            ("run", "`run` needs --env=<e>: Environment."),
            ("get --repo=a --date=b", "`get` does not take --date: it belongs to `run`"),
            ("get --repo=a --yes", "`get` does not take --yes: it belongs to `run`"),
            ("get --repo=a --repo=b", "--repo is given more than once: it is taken once"),
            ("get --repo=a --rep=b", "there is no option --rep: did you mean --repo?"),
            ("run --env=a --yes=1", "--yes takes no value: write --yes alone"),
            ("run --env", "--env needs a value: --env=<e>"),
            ("run --env=a more", "`run` does not take 'more'"),
            ("run --env=a --format=xml", "--format cannot be 'xml': it is one of table, json"),
        ] {
            assert_eq!(refusal(words), message, "for `mend {words}`");
        }
    }

    #[test]
    fn prints_help_and_version_when_asked() {
        let text = |words| match read(words, &[]) {
            Ok(Request::Print(text)) => text,
            other => panic!("expected a text, got {other:?}"),
        };
        assert_eq!(text("--help"), TEXT.trim());
        assert_eq!(text("-h"), TEXT.trim());
        assert_eq!(text("get --help"), TEXT.trim());
        assert_eq!(text("--version"), "mend 1.2.3");
    }
}
