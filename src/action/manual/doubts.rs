//! What docopt takes without a word, though it is hardly what was meant.

use super::read::UsageSection;
use super::{Atom, Manual, Pattern, TextError, Usage};

impl Manual {
    /// Notes what is doubtful in the text, by line.
    pub(super) fn doubt(&mut self, text: &str, section: &UsageSection<'_>) {
        let mut doubts = std::mem::take(&mut self.doubts);
        let mut note = |line: usize, why: String| doubts.push(TextError { line, why });
        if let Some(line) = prose(text, section) {
            note(line, "docopt takes the first `usage:` for the usage section: word this line differently".to_owned());
        }
        let lines: Vec<&str> = text.lines().collect();
        for usage in &self.usages {
            let line = lines.get(usage.line - 1).map_or("", |line| line.trim());
            if !line.contains(&self.program) && !line.is_empty() {
                let why = "this usage line does not begin with the program's name: docopt takes it for one of its own, \
                           as a usage line cannot be wrapped";
                note(usage.line, why.to_owned());
            }
            for word in &usage.commands {
                if word.chars().any(char::is_uppercase) && !word.chars().any(char::is_lowercase) {
                    note(
                        usage.line,
                        format!("'{word}' is a command to docopt: write `<{}>` for a value", word.to_lowercase()),
                    );
                }
            }
            if is_exponential(&usage.pattern) {
                note(
                    usage.line,
                    "docopt tries every split of several things that repeat, which takes for ever: let one repeat"
                        .to_owned(),
                );
            }
        }
        for option in &self.options {
            let naming: Vec<&Usage> = self.usages.iter().filter(|usage| usage.pattern.names(&option.name)).collect();
            let name = &option.name;
            if option.default.is_some() && !naming.is_empty() && naming.iter().all(|usage| usage.needs.contains(name)) {
                note(
                    option.line,
                    format!(
                        "the default of {name} is never used, for the usage needs it: write `[{}]`",
                        option.typed()
                    ),
                );
            }
            if name.contains('_') {
                note(
                    option.line,
                    format!("{name} cannot be handed to a program in Rust: write `{}`", name.replace('_', "-")),
                );
            }
            let foreign = naming.iter().flat_map(|usage| &usage.commands).find(|command| {
                !option.commands.is_empty()
                    && !self.options.iter().any(|one| one.name == *name && self.takes(command, one))
            });
            if let Some(command) = foreign {
                note(option.line, format!("{name} is not described for `{command}`, whose usage line names it"));
            }
        }
        doubts.sort_by_key(|doubt| doubt.line);
        self.doubts = doubts;
    }
}

/// The line of a `usage:` within prose, where another line begins with it.
fn prose(text: &str, section: &UsageSection<'_>) -> Option<usize> {
    let begun = section.before.lines().next_back().filter(|_| !section.before.ends_with('\n'))?;
    let later = &text[section.before.len() + "usage:".len()..];
    let begins = |line: &str| line.trim().get(..6).is_some_and(|word| word.eq_ignore_ascii_case("usage:"));
    let another = later.lines().skip(1).any(begins);
    (another && !begun.trim().is_empty()).then(|| section.before.lines().count())
}

/// Several repeated things, of which one is a group or optional.
fn is_exponential(pattern: &Pattern) -> bool {
    fn repeats<'a>(pattern: &'a Pattern, found: &mut Vec<&'a Pattern>) {
        match pattern {
            Pattern::Sequence(parts) | Pattern::Alternatives(parts) | Pattern::Optional(parts) => {
                for part in parts {
                    repeats(part, found);
                }
            }
            Pattern::Repeat(part) => {
                if part.atoms().iter().any(|atom| !matches!(atom, Atom::Option { .. })) {
                    found.push(part);
                }
                repeats(part, found);
            }
            Pattern::Options | Pattern::Atom(_) => {}
        }
    }
    let mut found = Vec::new();
    repeats(pattern, &mut found);
    found.len() > 1 && found.iter().any(|part| !matches!(part, Pattern::Atom(_)))
}
