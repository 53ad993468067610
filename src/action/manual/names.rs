//! What is known of each name while a text is read: docopt's `descs` (crate docopt 1.1.1, `parse.rs`).

use super::pattern::{Atom, Pattern};

/// A name of an option, a command or a positional argument.
#[derive(Debug)]
struct Name {
    text: String,
    value: bool,
    repeats: bool,
    described: bool,
}

#[derive(Debug, Default)]
pub(super) struct Names {
    names: Vec<Name>,
    /// Short and long name of one option.
    synonyms: Vec<(String, String)>,
}

impl Names {
    /// The name under which docopt keeps it: of an option the long one.
    pub(super) fn resolve<'a>(&'a self, name: &'a str) -> &'a str {
        self.synonyms.iter().rev().find(|(short, _)| short == name).map_or(name, |(_, long)| long)
    }

    /// The other spelling of an option.
    pub(super) fn short(&self, long: &str) -> Option<&str> {
        let mut shorts = self.synonyms.iter().rev().map(|(short, _)| short.as_str());
        shorts.find(|short| self.resolve(short) == long)
    }

    fn get(&self, name: &str) -> Option<&Name> {
        let name = self.resolve(name);
        self.names.iter().find(|known| known.text == name)
    }

    pub(super) fn knows(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn has_value(&self, name: &str) -> bool {
        self.get(name).is_some_and(|known| known.value)
    }

    pub(super) fn repeats(&self, name: &str) -> bool {
        self.get(name).is_some_and(|known| known.repeats)
    }

    /// Notes an option's description; one that comes later takes the place of one that came before, as in docopt.
    pub(super) fn describe(&mut self, name: &str, short: Option<&str>, value: bool, repeats: bool) {
        let name = self.resolve(name).to_owned();
        self.names.retain(|known| known.text != name);
        self.names.push(Name { text: name.clone(), value, repeats, described: true });
        if let Some(short) = short {
            self.synonyms.push((short.to_owned(), name));
        }
    }

    /// Notes what a usage line names.
    pub(super) fn add(&mut self, name: &str, value: bool) {
        if !self.knows(name) {
            self.names.push(Name { text: name.to_owned(), value, repeats: false, described: false });
        }
    }

    /// Notes what can be given more than once by this pattern (docopt: `tag_repeats`).
    pub(super) fn note_repeats(&mut self, pattern: &Pattern) {
        let own: Vec<&str> = pattern.atoms().into_iter().map(Atom::name).collect();
        let described = self.names.iter().filter(|known| known.described && !own.contains(&known.text.as_str()));
        let others: Vec<String> = described.map(|known| known.text.clone()).collect();
        self.note(pattern, false, &others, &mut Vec::new());
    }

    fn note(&mut self, pattern: &Pattern, repeated: bool, others: &[String], seen: &mut Vec<String>) {
        match pattern {
            Pattern::Sequence(parts) | Pattern::Optional(parts) => {
                for part in parts {
                    self.note(part, repeated, others, seen);
                }
            }
            Pattern::Alternatives(parts) => {
                // What stands in two alternatives is not seen twice.
                let before = seen.clone();
                for part in parts {
                    let mut own = before.clone();
                    self.note(part, repeated, others, &mut own);
                    seen.extend(own);
                }
            }
            Pattern::Repeat(part) => self.note(part, true, others, seen),
            Pattern::Options => others.iter().for_each(|name| self.see(name, repeated, seen)),
            Pattern::Atom(atom) => self.see(atom.name(), repeated, seen),
        }
    }

    fn see(&mut self, name: &str, repeated: bool, seen: &mut Vec<String>) {
        let again = repeated || seen.iter().any(|known| known == name);
        // What was described by its short name before it had a long one is that of the long one.
        let kept = self.resolve(name).to_owned();
        if let Some(known) = self.names.iter_mut().find(|known| known.text == kept) {
            known.repeats |= again;
        }
        seen.push(name.to_owned());
    }
}

/// Whether docopt takes it for a positional argument or the value of an option: `<file>` or `FILE`.
pub(super) fn is_placeholder(word: &str) -> bool {
    let named = word.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    match named {
        Some(name) => !name.is_empty() && !name.contains('>'),
        None => !word.is_empty() && word.chars().all(char::is_uppercase),
    }
}

/// A positional argument as docopt calls it: `<FILE>` and `FILE` are the same to it.
pub(super) fn normal(word: &str) -> String {
    let named = word.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    named.filter(|name| name.chars().all(char::is_uppercase)).unwrap_or(word).to_owned()
}
