//! From a command line to checked arguments: docopt parses; the manual fills in what the environment gives, reads
//! secrets from their files, checks choices, and says in words what docopt only calls "Invalid arguments."

use docopt::{ArgvMap, Docopt};

use super::manual::{Manual, Opt};

/// What a command line asks for.
#[derive(Debug)]
pub enum Request {
    /// To act, with these values.
    Act(Arguments),
    /// To print a text on stdout and end: the help, the version.
    Print(String),
}

/// The values of a command line that fits the usage text.
#[derive(Debug, Clone)]
pub struct Arguments {
    /// The command word, empty for a program without commands.
    pub command: String,
    /// docopt's values.
    pub values: ArgvMap,
}

/// A command line that does not fit, or a value that does not: what is wrong and what to type. Exit code 2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Looks up a variable of the environment.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads `words` (without the program's name) as `usage` says, whose manual `manual` is.
///
/// # Errors
/// A [`UsageError`] that names what is wrong.
pub fn parse(
    usage: &str,
    manual: &Manual,
    version: &str,
    words: &[String],
    lookup: Lookup<'_>,
) -> Result<Request, UsageError> {
    if words.iter().take_while(|word| *word != "--").any(|word| word == "-h" || word == "--help") {
        return Ok(Request::Print(usage.trim().to_owned()));
    }
    let words = complete(manual, words, lookup)?;
    let argv = std::iter::once(manual.program.clone()).chain(words.iter().cloned());
    let parsed =
        Docopt::new(usage).and_then(|docopt| docopt.argv(argv).help(true).version(Some(version.to_owned())).parse());
    let values = match parsed {
        Ok(values) if is_foreign(manual, &words, &values) => {
            return Err(explain(manual, &words, &docopt::Error::NoMatch));
        }
        Ok(values) => values,
        Err(error) => {
            return match innermost(error) {
                docopt::Error::Help => Ok(Request::Print(usage.trim().to_owned())),
                docopt::Error::Version(version) => Ok(Request::Print(format!("{} {version}", manual.program))),
                error => Err(explain(manual, &words, &error)),
            };
        }
    };
    let command = command_of(manual, &words).unwrap_or_default().to_owned();
    if !command.is_empty() {
        refuse_misplaced(manual, &command, &words)?;
    }
    refuse_other_choices(manual, &values)?;
    Ok(Request::Act(Arguments { command, values }))
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

/// The command line with what the environment adds and what secrets' files hold; options given as nothing
/// (`--slack=`) are left out, so that a play or a job can pass a variable that is empty.
fn complete(manual: &Manual, words: &[String], lookup: Lookup<'_>) -> Result<Vec<String>, UsageError> {
    let (own, rest) = words.split_at(words.iter().position(|word| word == "--").unwrap_or(words.len()));
    let mut complete = Vec::with_capacity(words.len());
    let mut given = Vec::new();
    let mut own = own.iter();
    while let Some(word) = own.next() {
        let name = word.split('=').next().unwrap_or(word);
        let Some(option) = manual.option(name).filter(|option| option.placeholder.is_some()) else {
            complete.push(word.clone());
            continue;
        };
        let value = match word.split_once('=') {
            Some((_, value)) => value,
            None => match own.next() {
                Some(value) => value,
                None => return Err(needs_value(option)),
            },
        };
        if !value.is_empty() {
            given.push(&option.name);
            complete.push(format!("{}={}", option.name, reveal(option, &option.name, value)?));
        }
    }
    if let Some(command) = command_of(manual, words) {
        for option in manual.options.iter().filter(|option| !given.contains(&&option.name)) {
            let value = option.environment.as_deref().and_then(lookup).filter(|value| !value.is_empty());
            if let Some(value) = value.filter(|_| manual.takes(command, option)) {
                complete.push(format!(
                    "{}={}",
                    option.name,
                    reveal(option, option.environment.as_deref().unwrap_or_default(), &value)?
                ));
            }
        }
    }
    complete.extend_from_slice(rest);
    Ok(complete)
}

/// The value itself, or for a secret given as `@path` what that file holds, without the newline at its end. The path
/// is not told: it may be a password that happens to begin with `@`.
fn reveal(option: &Opt, source: &str, value: &str) -> Result<String, UsageError> {
    let Some(path) = value.strip_prefix('@').filter(|_| option.secret) else { return Ok(value.to_owned()) };
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

/// The first word that is a command.
fn command_of<'a>(manual: &Manual, words: &'a [String]) -> Option<&'a str> {
    let commands = manual.commands();
    words.iter().map(String::as_str).take_while(|word| *word != "--").find(|word| commands.contains(word))
}

/// Whether words were taken for somebody else's command line that do not stand behind a `--`: docopt cannot require
/// one, and without it every slip of a command of our own would be run as a program.
fn is_foreign(manual: &Manual, words: &[String], values: &ArgvMap) -> bool {
    let behind = manual.usages.iter().filter_map(|usage| usage.text.split("[--] ").nth(1));
    let mut names = behind.map(|name| name.trim_end_matches("..."));
    !words.iter().any(|word| word == "--") && names.any(|name| !values.get_vec(name).is_empty())
}

fn innermost(error: docopt::Error) -> docopt::Error {
    match error {
        docopt::Error::WithProgramUsage(inner, _) => innermost(*inner),
        error => error,
    }
}

/// Why docopt refused these words.
fn explain(manual: &Manual, words: &[String], error: &docopt::Error) -> UsageError {
    if let docopt::Error::Usage(why) = error {
        return UsageError(format!("the usage text of {} is broken: {why}", manual.program));
    }
    if let Some(unknown) = unknown_option(manual, words) {
        return unknown;
    }
    let commands = manual.commands();
    let Some(command) = command_of(manual, words) else {
        return if commands.is_empty() { other(manual) } else { no_command(&commands, words) };
    };
    if let Err(misplaced) = refuse_misplaced(manual, command, words) {
        return misplaced;
    }
    if let Some(option) = manual.options.iter().find(|option| given(words, option) > 1) {
        return UsageError(format!("{} is given more than once", option.name));
    }
    if let Some(option) = manual.needs(command).into_iter().find(|option| given(words, option) == 0) {
        return UsageError(missing(command, option));
    }
    match words.iter().find(|word| !word.starts_with('-') && word.as_str() != command) {
        Some(word) => UsageError(format!("`{command}` does not take '{word}'")),
        None => other(manual),
    }
}

/// What to type for an option that is missing.
#[must_use]
pub fn missing(command: &str, option: &Opt) -> String {
    let value = option.placeholder.as_deref().map_or(String::new(), |placeholder| format!("={placeholder}"));
    let environment =
        option.environment.as_deref().map_or(String::new(), |name| format!(" (or {name} in the environment)"));
    format!("`{command}` needs {}{value}{environment}: {}", option.name, option.description)
}

fn no_command(commands: &[&str], words: &[String]) -> UsageError {
    let known = commands.iter().map(|command| format!("`{command}`")).collect::<Vec<_>>().join(", ");
    match words.iter().find(|word| !word.starts_with('-')) {
        None => UsageError(format!("a command is missing, one of {known}")),
        Some(word) => {
            let hint = nearest(word, commands).map_or(String::new(), |near| format!(": did you mean `{near}`?"));
            UsageError(format!("there is no command '{word}' (there are {known}){hint}"))
        }
    }
}

fn other(manual: &Manual) -> UsageError {
    let lines: Vec<&str> = manual.usages.iter().map(|usage| usage.text.as_str()).collect();
    UsageError(format!("the command line fits none of these:\n  {}", lines.join("\n  ")))
}

fn needs_value(option: &Opt) -> UsageError {
    let placeholder = option.placeholder.as_deref().unwrap_or_default();
    UsageError(format!("{} needs a value: {}={placeholder}", option.name, option.name))
}

fn unknown_option(manual: &Manual, words: &[String]) -> Option<UsageError> {
    let names: Vec<&str> = manual.options.iter().map(|option| option.name.as_str()).collect();
    let own = words.iter().take_while(|word| *word != "--").filter(|word| word.starts_with('-') && word.len() > 1);
    for word in own {
        let (name, value) = word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
        match manual.option(name) {
            Some(option) if option.placeholder.is_none() && value.is_some() => {
                return Some(UsageError(format!("{name} takes no value")));
            }
            Some(_) => {}
            None => {
                let hint = nearest(name, &names).map_or(String::new(), |near| format!(": did you mean {near}?"));
                return Some(UsageError(format!("there is no option {name}{hint}")));
            }
        }
    }
    None
}

fn refuse_misplaced(manual: &Manual, command: &str, words: &[String]) -> Result<(), UsageError> {
    let taken = |option: &Opt| manual.options_of(command).any(|other| other.name == option.name);
    let misplaced = manual.options.iter().find(|option| given(words, option) > 0 && !taken(option));
    misplaced.map_or(Ok(()), |option| {
        let owners = manual.commands().into_iter().filter(|owner| manual.takes(owner, option));
        let owners = owners.map(|owner| format!("`{owner}`")).collect::<Vec<_>>().join(", ");
        Err(UsageError(format!("`{command}` does not take {}: it belongs to {owners}", option.name)))
    })
}

fn refuse_other_choices(manual: &Manual, values: &ArgvMap) -> Result<(), UsageError> {
    for option in manual.options.iter().filter(|option| !option.choices.is_empty()) {
        let value = values.get_str(&option.name);
        if !value.is_empty() && !option.choices.iter().any(|choice| choice == value) {
            let choices = option.choices.join(", ");
            return Err(UsageError(format!("{} cannot be '{value}': it is one of {choices}", option.name)));
        }
    }
    Ok(())
}

/// How often an option stands among words that [`complete`] wrote.
fn given(words: &[String], option: &Opt) -> usize {
    let own = words.iter().take_while(|word| *word != "--");
    own.filter(|word| {
        let name = word.split('=').next().unwrap_or(word);
        name == option.name || option.short.as_deref() == Some(name)
    })
    .count()
}

/// The nearest of the known words, if one is near enough to be meant.
#[must_use]
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |candidate: &&&'a str| strsim::damerau_levenshtein(word, candidate);
    known.iter().min_by_key(distance).filter(|best| distance(best) <= 1 + word.len() / 4).copied()
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
        parse(TEXT, &Manual::read(TEXT).expect("a manual"), "1.2.3", &words, &lookup)
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
            ("get --repo=a --repo=b", "--repo is given more than once"),
            ("get --repo=a --rep=b", "there is no option --rep: did you mean --repo?"),
            ("run --env=a --yes=1", "--yes takes no value"),
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
