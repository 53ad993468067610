//! Why a command line does not fit, in words: what is wrong, and what to type. No value of a secret option is shown.

use docopt::Docopt;

use super::UsageError;
use super::words::{Word, command_of, given};
use crate::action::manual::{Atom, Manual, Opt, Pattern, Usage};
use crate::address::printable;

/// Why docopt refused these parts, each of which it knows.
pub(super) fn explain(manual: &Manual, parts: &[Word]) -> UsageError {
    let commands = manual.commands();
    let command = command_of(manual, parts).unwrap_or_default();
    let alone = |usage: &&Usage| usage.foreign().is_none() && !usage.is_about_itself();
    if command.is_empty() && !commands.is_empty() {
        // Words for a line without a command, as some programs have, are explained like those of a command.
        let own = manual.usages_of("").filter(alone).any(|usage| !usage.positionals.is_empty());
        if !own {
            return no_command(manual, parts);
        }
    }
    if let Some(name) = given(parts).into_iter().find(|name| manual.option_of(command, name).is_none()) {
        return misplaced(manual, command, name);
    }
    let complaints = |usage| Line::new(manual, command, parts, usage).complaints();
    let lines: Vec<&Usage> = manual.usages_of(command).collect();
    let acting: Vec<&Usage> = lines.iter().copied().filter(|usage| alone(usage)).collect();
    let lines = if acting.is_empty() { lines } else { acting };
    let best = lines.into_iter().map(complaints).filter(|found| !found.is_empty()).min_by_key(Vec::len);
    best.and_then(|found| found.into_iter().next()).unwrap_or_else(|| other(manual))
}

/// One usage line, against which the parts are held.
struct Line<'a> {
    manual: &'a Manual,
    command: &'a str,
    options: Vec<&'a str>,
    /// The words that stand for themselves.
    plain: Vec<&'a Word>,
    pattern: Pattern,
}

impl<'a> Line<'a> {
    fn new(manual: &'a Manual, command: &'a str, parts: &'a [Word], usage: &Usage) -> Self {
        let plain = parts.iter().filter(|part| part.plain().is_some()).collect();
        Self { manual, command, options: given(parts), plain, pattern: usage.pattern.of(command) }
    }

    fn complaints(&self) -> Vec<UsageError> {
        let mut found = Vec::new();
        for (place, name) in self.options.iter().enumerate() {
            let Some(option) = self.option(name) else { continue };
            let again = self.options[..place].contains(name);
            if again && !option.repeats {
                found.push(error(format!("{name} is given more than once: it is taken once")));
            } else if !again && !self.takes(option) {
                found.push(self.conflict_of(option));
            }
        }
        self.walk(&self.pattern, &mut found);
        self.count(&mut found);
        found
    }

    fn takes(&self, option: &Opt) -> bool {
        self.pattern.names(&option.name) || (self.pattern.any() && option.described)
    }

    fn option(&self, name: &str) -> Option<&'a Opt> {
        self.manual.option_of(self.command, name)
    }

    /// An option that another line of the command takes.
    fn conflict_of(&self, option: &Opt) -> UsageError {
        let others = self.options.iter().filter_map(|name| self.option(name));
        match others.into_iter().find(|other| self.manual.excludes(self.command, option, other)) {
            Some(other) => self.conflict(&other.name, &option.name),
            None => error(format!("{} does not take {} together with the rest", self.subject(), option.name)),
        }
    }

    fn conflict(&self, one: &str, other: &str) -> UsageError {
        error(format!("{} takes {one} or {other}, not both: leave one of them out", self.subject()))
    }

    fn subject(&self) -> String {
        subject(self.manual, self.command)
    }

    /// The words that are no command of this line.
    fn positional(&self) -> Vec<&'a Word> {
        let atoms = self.pattern.atoms();
        let mut commands: Vec<&str> = atoms.iter().filter_map(|atom| atom.command()).collect();
        let mut words = self.plain.clone();
        words.retain(|part| match commands.iter().position(|command| part.plain() == Some(command)) {
            Some(place) => {
                commands.remove(place);
                false
            }
            None => true,
        });
        words
    }

    fn is_given(&self, atom: &Atom) -> bool {
        match atom {
            Atom::Option { name, .. } => self.options.contains(&name.as_str()),
            Atom::Command(word) => self.plain.iter().any(|part| part.plain() == Some(word)),
            Atom::Positional(_) => false,
        }
    }

    /// What is given of the part that is not also in every other part.
    fn touch<'p>(&self, part: &'p Pattern, parts: &[Pattern]) -> Option<&'p Atom> {
        let own = |atom: &&Atom| self.is_given(atom) && !parts.iter().all(|other| other.names(atom.name()));
        part.atoms().into_iter().find(own)
    }

    fn walk(&self, pattern: &Pattern, found: &mut Vec<UsageError>) {
        match pattern {
            Pattern::Sequence(parts) => parts.iter().for_each(|part| self.walk(part, found)),
            Pattern::Repeat(part) => self.walk(part, found),
            Pattern::Options => {}
            Pattern::Optional(parts) => {
                let touched = |part: &&Pattern| part.atoms().iter().any(|atom| self.is_given(atom));
                parts.iter().filter(touched).for_each(|part| self.walk(part, found));
            }
            Pattern::Alternatives(parts) => self.choose(pattern, parts, found),
            Pattern::Atom(atom) if self.is_given(atom) => {}
            Pattern::Atom(Atom::Option { name, .. }) => {
                if let Some(option) = self.option(name) {
                    found.push(error(missing_for(self.manual, self.command, option)));
                }
            }
            Pattern::Atom(atom) => {
                if let Some(word) = atom.command() {
                    found.push(error(format!("{} needs the word `{word}`", self.subject())));
                }
            }
        }
    }

    fn choose(&self, pattern: &Pattern, parts: &[Pattern], found: &mut Vec<UsageError>) {
        let touched: Vec<(&Pattern, &Atom)> =
            parts.iter().filter_map(|part| Some((part, self.touch(part, parts)?))).collect();
        let clash = touched.iter().enumerate().find_map(|(place, (_, one))| {
            let others = touched[place + 1..].iter().map(|(_, other)| *other);
            let mut others = others.filter(|other| other.name() != one.name());
            others.find(|other| !pattern.allows_both(one.name(), other.name())).map(|other| (*one, other))
        });
        if let Some((one, other)) = clash {
            found.push(self.conflict(one.name(), other.name()));
            return;
        }
        let complaints = |part: &Pattern| {
            let mut own = Vec::new();
            self.walk(part, &mut own);
            own
        };
        let best = touched.iter().map(|(part, _)| complaints(part)).min_by_key(Vec::len);
        if let Some(best) = best {
            found.extend(best);
            return;
        }
        let words = self.positional().len();
        let fits = |part: &Pattern| complaints(part).is_empty() && range(part).0 <= words;
        if !parts.iter().any(fits) {
            let one_of: Vec<String> = parts.iter().map(|part| self.typed(part)).collect();
            found.push(error(format!("{} needs one of {}", self.subject(), one_of.join(", "))));
        }
    }

    /// How an alternative is typed.
    fn typed(&self, part: &Pattern) -> String {
        let needed = part.needed();
        let words = needed.iter().map(|atom| match atom {
            Atom::Option { name, .. } => self.option(name).map_or_else(|| name.clone(), Opt::typed),
            Atom::Command(word) => format!("`{word}`"),
            Atom::Positional(name) => name.clone(),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    /// Complains of too few or too many positional arguments.
    fn count(&self, found: &mut Vec<UsageError>) {
        let words = self.positional();
        let (least, most) = range(&self.pattern);
        if words.len() < least {
            let needed = self.pattern.needed();
            let names: Vec<&str> = needed.iter().filter_map(|atom| atom.positional()).collect();
            let Some(name) = names.get(words.len().min(names.len().saturating_sub(1))) else { return };
            let known = self.manual.positionals.iter().find(|known| known.name == **name);
            let description = known.map(|known| known.description.as_str()).filter(|text| !text.is_empty());
            let description = description.map_or(String::new(), |text| format!(": {text}"));
            found.push(error(format!("{} needs {name}{description}", self.subject())));
        }
        if let Some(part) = most.and_then(|most| words.get(most)) {
            let word = match part {
                Word::Hidden(_) => "the word behind an option that has an empty value".to_owned(),
                part => format!("'{}'", printable(part.plain().unwrap_or_default())),
            };
            found.push(error(format!("{} does not take {word}", self.subject())));
        }
    }
}

/// How many positional arguments a pattern takes: at least, and at most if there is an end.
fn range(pattern: &Pattern) -> (usize, Option<usize>) {
    let sum = |parts: &[Pattern]| {
        parts.iter().map(range).fold((0, Some(0)), |(least, most), (more, end)| {
            (least + more, most.zip(end).map(|(most, end)| most + end))
        })
    };
    match pattern {
        Pattern::Sequence(parts) => sum(parts),
        Pattern::Optional(parts) => (0, sum(parts).1),
        Pattern::Alternatives(parts) => {
            let ranges: Vec<_> = parts.iter().map(range).collect();
            let least = ranges.iter().map(|(least, _)| *least).min().unwrap_or(0);
            let most = ranges.iter().map(|(_, most)| *most).try_fold(0, |most, end| Some(most.max(end?)));
            (least, most)
        }
        Pattern::Repeat(part) => {
            let (least, most) = range(part);
            (least, most.filter(|most| *most == 0))
        }
        Pattern::Options => (0, Some(0)),
        Pattern::Atom(atom) => {
            let one = usize::from(atom.positional().is_some());
            (one, Some(one))
        }
    }
}

fn error(text: String) -> UsageError {
    UsageError(text)
}

fn subject(manual: &Manual, command: &str) -> String {
    format!("`{}`", if command.is_empty() { &manual.program } else { command })
}

/// What to type for an option that is missing.
#[must_use]
pub fn missing(command: &str, option: &Opt) -> String {
    let environment =
        option.environment.as_deref().map_or(String::new(), |name| format!(" (or {name} in the environment)"));
    let description = match (option.description.as_str(), option.choices.join(", ")) {
        ("", choices) if choices.is_empty() => String::new(),
        ("", choices) => format!(": one of {choices}"),
        (text, choices) if choices.is_empty() => format!(": {text}"),
        (text, choices) => format!(": {text} One of {choices}."),
    };
    format!("`{command}` needs {}{environment}{description}", option.typed())
}

/// The same, where the values are those that `get` found.
fn missing_for(manual: &Manual, command: &str, option: &Opt) -> String {
    if option.found.is_some() {
        let (subject, name) = (subject(manual, command), &option.name);
        return format!("{subject} needs {name}: one of those that `{} get` prints", manual.program);
    }
    missing(if command.is_empty() { &manual.program } else { command }, option)
}

pub(super) fn misplaced(manual: &Manual, command: &str, name: &str) -> UsageError {
    let owners: Vec<String> = owners(manual, name).into_iter().map(|owner| format!("`{owner}`")).collect();
    let where_ =
        if owners.is_empty() { "it is given alone".to_owned() } else { format!("it belongs to {}", owners.join(", ")) };
    error(format!("{} does not take {name}: {where_}", subject(manual, command)))
}

fn owners<'a>(manual: &'a Manual, name: &str) -> Vec<&'a str> {
    manual.commands().into_iter().filter(|owner| manual.option_of(owner, name).is_some()).collect()
}

fn no_command(manual: &Manual, parts: &[Word]) -> UsageError {
    let mut commands: Vec<&str> = Vec::new();
    for command in manual.usages.iter().flat_map(|usage| usage.pattern.heads()) {
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    let known = commands.iter().map(|command| format!("`{command}`")).collect::<Vec<_>>().join(", ");
    match parts.iter().find_map(|part| part.plain().filter(|_| !matches!(part, Word::Hidden(_)))) {
        None => error(format!("a command is missing, one of {known}")),
        Some(word) => {
            let hint = nearest(word, commands.iter().copied())
                .map_or(String::new(), |near| format!(": did you mean `{near}`?"));
            let word = printable(word);
            error(format!("there is no command '{word}' (there are {known}){hint}"))
        }
    }
}

fn other(manual: &Manual) -> UsageError {
    let lines: Vec<&str> = manual.usages.iter().map(|usage| usage.text.as_str()).collect();
    error(format!("the command line fits none of these:\n  {}", lines.join("\n  ")))
}

pub(super) fn needs_value(option: &Opt) -> UsageError {
    error(format!("{} needs a value: {}", option.name, option.typed()))
}

pub(super) fn no_value(option: &Opt) -> UsageError {
    error(format!("{} takes no value: write {} alone", option.name, option.name))
}

/// There is no such option, long as it is typed.
pub(super) fn unknown(manual: &Manual, command: &str, name: &str) -> UsageError {
    error(format!("there is no option {name}{}", did_you_mean(manual, command, name)))
}

/// There is no such option among short ones; what stands behind it is not shown, as it may be a secret.
pub(super) fn unknown_short(manual: &Manual, command: &str, word: &str, letter: char, place: usize) -> UsageError {
    if place == 1 && letter.is_ascii_digit() {
        return error(format!(
            "there is no option -{letter}: a word that begins with `-` goes behind `--`, and a value of an option \
             behind `=`: --option=-{letter}"
        ));
    }
    if place > 1 {
        return error(format!("there is no option -{letter} (in `{}{letter}…`)", &word[..place]));
    }
    // `-date=x` is a long option with a dash too few.
    let name = word.split('=').next().unwrap_or(word);
    let hint =
        if name.chars().count() > 2 { did_you_mean(manual, command, &format!("-{name}")) } else { String::new() };
    error(format!("there is no option -{letter}{hint}"))
}

fn did_you_mean(manual: &Manual, command: &str, name: &str) -> String {
    let Some(near) = nearest(name, manual.options.iter().map(|option| option.name.as_str())) else {
        return String::new();
    };
    let owners: Vec<String> = owners(manual, near).into_iter().map(|owner| format!("`{owner}`")).collect();
    if command.is_empty() || manual.option_of(command, near).is_some() || owners.is_empty() {
        return format!(": did you mean {near}?");
    }
    format!(": did you mean {near}, which belongs to {}?", owners.join(", "))
}

pub(super) fn refuse_choice(option: &Opt, value: &str) -> UsageError {
    let (name, choices) = (&option.name, option.choices.join(", "));
    if option.secret {
        return error(format!("{name} cannot be that: it is one of {choices}"));
    }
    let hint = nearest(value, option.choices.iter().map(String::as_str));
    let hint = hint.map_or(String::new(), |near| format!(": did you mean {near}?"));
    error(format!("{name} cannot be '{value}': it is one of {choices}{hint}"))
}

/// The text itself is wrong.
pub(super) fn broken(usage: &str) -> UsageError {
    match (Manual::read(usage), Docopt::new(usage)) {
        (Err(why), _) => error(why.to_string()),
        (Ok(manual), Err(why)) => error(format!("the usage text of {} is broken: {why}", manual.program)),
        (Ok(manual), Ok(_)) => error(format!("the usage text of {} is broken", manual.program)),
    }
}

/// The nearest of the known words, if one is near enough to be meant.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let far = |candidate: &str| strsim::damerau_levenshtein(word, candidate);
    known.min_by_key(|candidate| far(candidate)).filter(|best| far(best) <= 1 + word.len() / 4)
}
