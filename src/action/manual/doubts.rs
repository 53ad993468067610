//! What docopt takes without a word, though it is hardly what was meant; `firebreak check` has rules for all else.

use super::{Atom, Manual, Pattern, TextError};

impl Manual {
    /// Notes the usage lines that docopt does not come to an end with; puts all doubts in the order of their lines.
    pub(super) fn doubt(&mut self) {
        let endless = self.usages.iter().filter(|usage| is_exponential(&usage.pattern));
        let why = "docopt tries every split of several things that repeat, which takes for ever: let one repeat";
        self.doubts.extend(endless.map(|usage| TextError { line: usage.line, why: why.to_owned() }));
        self.doubts.sort_by_key(|doubt| doubt.line);
    }
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
