//! What a role would call its program with, held against docopt: a call that it does not take can never run.

use super::facts::{Command, Role};
use crate::action::arguments::{Request, UsageError, parse};
use crate::action::manual::{Atom, Manual, Pattern, Usage};

/// Refuses a role that calls its program in a way that docopt does not take by the program's own text.
///
/// # Errors
/// A [`UsageError`] with the call, and with how the command is named.
pub fn check(role: &Role, text: &str, manual: &Manual) -> Result<(), UsageError> {
    if role.get.word.is_some() {
        check_one(role, &role.get, text, manual)?;
    }
    role.acts.iter().try_for_each(|act| check_one(role, act, text, manual))
}

fn check_one(role: &Role, command: &Command, text: &str, manual: &Manual) -> Result<(), UsageError> {
    let words = command.words.join(" ");
    let mut usages = manual.usages_of(&words).filter(|usage| !usage.is_about_itself()).peekable();
    let bare = Call { words: command.words.clone(), values: Vec::new() };
    let mut first = usages.peek().is_none().then_some(bare);
    for usage in usages {
        let call = Call::of(role, command, &words, manual, usage);
        if call.is_taken(text) {
            return Ok(());
        }
        first.get_or_insert(call);
    }
    let called = first.map(|call| [vec![role.program.clone()], call.words].concat().join(" ")).unwrap_or_default();
    let own: Vec<&str> = words.split_whitespace().collect();
    let has_own =
        |way: &String| own.iter().all(|word| way.split_whitespace().any(|part| part == *word)) && *way != words;
    let meant: Vec<String> = manual.ways().into_iter().filter(has_own).collect();
    let hint = match meant.as_slice() {
        [] => "its usage lines allow no such order of words".to_owned(),
        ways => format!("name all words of the command: --{}='{}'", command.entry, ways.join("', or '")),
    };
    Err(UsageError(format!("the role would call `{called}`, which the program does not take: {hint}")))
}

/// The shortest call that follows a usage line, as a role makes it: the command, options, arguments.
struct Call {
    words: Vec<String>,
    /// What each option and argument must then have for a value.
    values: Vec<(String, String)>,
}

impl Call {
    fn of(role: &Role, command: &Command, words: &str, manual: &Manual, usage: &Usage) -> Self {
        let pattern = usage.pattern.of(words);
        let needed = shortest(&pattern);
        let given = |name: &str| needed.iter().any(|atom| atom.name() == name);
        let mut call = Self { words: command.words.clone(), values: Vec::new() };
        for (place, variable) in command.variables.iter().enumerate() {
            let Some(name) = variable.option.as_ref().filter(|name| given(name)) else { continue };
            let takes_value = manual.option(name).is_some_and(|option| option.placeholder.is_some());
            if takes_value {
                let value = variable.choices.first().cloned().unwrap_or_else(|| format!("value{place}"));
                call.words.push(format!("{}{value}", variable.prefix));
                call.values.push((name.clone(), value));
            } else {
                call.words.push(name.clone());
            }
        }
        let arguments = manual.positionals.iter().filter(|argument| given(&argument.name));
        let values = (0..).zip(arguments).map(|(place, argument)| (argument.name.clone(), format!("argument{place}")));
        let values: Vec<(String, String)> = values.collect();
        call.words.extend(Some("--".to_owned()).filter(|_| role.dashes && !values.is_empty()));
        call.words.extend(values.iter().map(|(_, value)| value.clone()));
        call.values.extend(values);
        call
    }

    fn is_taken(&self, text: &str) -> bool {
        let Ok(Request::Act(arguments)) = parse(text, "", &self.words, &|_| None) else { return false };
        self.values.iter().all(|(name, value)| {
            let values = arguments.values.get_vec(name);
            arguments.values.get_str(name) == value || values == [value.as_str()]
        })
    }
}

/// The fewest things that a command line must have to fit a pattern.
fn shortest(pattern: &Pattern) -> Vec<&Atom> {
    match pattern {
        Pattern::Sequence(parts) => parts.iter().flat_map(shortest).collect(),
        Pattern::Alternatives(parts) => parts.iter().map(shortest).min_by_key(Vec::len).unwrap_or_default(),
        Pattern::Repeat(part) => shortest(part),
        Pattern::Optional(_) | Pattern::Options => Vec::new(),
        Pattern::Atom(atom) => vec![atom],
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::catalogue::Program;

    fn checked(usage: &str, get: &str, run: &str) -> Result<(), String> {
        let text = format!("Mend.\n\nUsage:\n{usage}\n");
        let own = format!("{text}\nAdopted:\n  program: t.py\n  get: {get}\n  run: {run}\n");
        let program = Program::from_text(Path::new("roles/t/usage.txt"), own).expect("a text").expect("a program");
        let manual = Manual::read(&text).expect("a manual");
        check(&Role::of(&program), &text, &manual).map_err(|error| error.to_string())
    }

    #[test]
    fn a_call_that_docopt_takes_is_right() {
        for (usage, get, run) in [
            ("  t.py index check\n  t.py index rebuild [--all] <name>...", "index check", "index rebuild"),
            ("  t.py (get | set) <name> --to=<t>", "get", "set"),
            ("  t.py index (check | rebuild)", "index check", "index rebuild"),
            ("  t.py list\n  t.py [--dry] <file>", "list", "t.py"),
            ("  t.py status\n  t.py (--all | <name>)", "status", "t.py"),
            ("  t.py show\n  t.py copy <from> <to>", "show", "copy"),
        ] {
            assert_eq!(checked(usage, get, run), Ok(()), "{usage}");
        }
    }

    #[test]
    fn a_call_that_docopt_does_not_take_is_refused_with_what_to_type() {
        let index = "  t.py index check\n  t.py index rebuild";
        let order = "its usage lines allow no such order of words";
        for (usage, get, run, why) in [
            (index, "check", "index rebuild", "t.py check|name all words of the command: --get='index check'"),
            (index, "index check", "rebuild", "t.py rebuild|name all words of the command: --run='index rebuild'"),
            (
                index,
                "index check",
                "index",
                "t.py index|name all words of the command: --run='index check', or 'index rebuild'",
            ),
            ("  t.py look\n  t.py ship <name> move", "look", "ship move", &format!("t.py ship move argument0|{order}")),
            (
                "  t.py look <from> <to>\n  t.py send <to> <from>",
                "look",
                "send",
                &format!("t.py send argument0 argument1|{order}"),
            ),
        ] {
            let (call, hint) = why.split_once('|').expect("a call and a hint");
            let why = format!("the role would call `{call}`, which the program does not take: {hint}");
            assert_eq!(checked(usage, get, run), Err(why), "{usage}");
        }
    }
}
