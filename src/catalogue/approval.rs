//! What a button asks for before it acts, as the section `Approval` of a usage text says it: `typed name; second person in
//! production`, which also holds where nothing is said.

use serde::Serialize;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// Nothing.
    None,
    /// The environment's name, typed out.
    TypedName,
    /// The same, by another person than who chose.
    SecondPerson,
}

/// What is asked for, and what in production.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Approval {
    /// Outside of production.
    pub elsewhere: Asked,
    /// In production.
    pub production: Asked,
}

impl Default for Approval {
    fn default() -> Self {
        Self { elsewhere: Asked::TypedName, production: Asked::SecondPerson }
    }
}

/// The words for what is asked for.
const WORDS: [(&str, Asked); 3] =
    [("none", Asked::None), ("typed name", Asked::TypedName), ("second person", Asked::SecondPerson)];

impl Approval {
    /// Reads the text of the section.
    ///
    /// # Errors
    /// What of it cannot be understood, and what can stand there.
    pub fn read(text: &str) -> Result<Self, String> {
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let line = line.trim_end_matches('.');
        let (mut elsewhere, mut production) = (None, None);
        for clause in line.split(';').map(str::trim) {
            let (words, place) = match clause.strip_suffix(" in production") {
                Some(words) => (words, &mut production),
                None => (clause, &mut elsewhere),
            };
            let asked = WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(words)).map(|(_, asked)| *asked);
            let known = WORDS.map(|(word, _)| word).join(", ");
            let asked = asked.ok_or_else(|| {
                format!("'{clause}' says nothing of an approval: these do, {known}, alone or before `in production`")
            })?;
            if place.replace(asked).is_some() {
                return Err(format!("'{clause}' is the second that is said of the same environments"));
            }
        }
        let elsewhere = elsewhere.ok_or("what is asked for outside of production is not said")?;
        Ok(Self { elsewhere, production: production.unwrap_or(elsewhere) })
    }

    /// What the section of a text says; where it says nothing, or nothing that can be understood, the most careful.
    #[must_use]
    pub fn of(section: Option<&str>) -> Self {
        section.and_then(|text| Self::read(text).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_is_read_or_refused_with_what_can_be_said() {
        let read = |text: &str| Approval::read(text).map(|it| (it.elsewhere, it.production));
        assert_eq!(read("  None.\n"), Ok((Asked::None, Asked::None)));
        assert_eq!(read("second person"), Ok((Asked::SecondPerson, Asked::SecondPerson)));
        assert_eq!(read("typed name in production;\n  none"), Ok((Asked::None, Asked::TypedName)));
        let usual = read("typed name; second person in production").expect("the usual");
        assert_eq!(usual, (Approval::default().elsewhere, Approval::default().production));
        let known = "these do, none, typed name, second person, alone or before `in production`";
        assert_eq!(read("a nod"), Err(format!("'a nod' says nothing of an approval: {known}")));
        assert_eq!(read(""), Err(format!("'' says nothing of an approval: {known}")));
        assert_eq!(read("none; none"), Err("'none' is the second that is said of the same environments".to_owned()));
        let unsaid = "what is asked for outside of production is not said";
        assert_eq!(read("second person in production"), Err(unsaid.to_owned()));
        assert_eq!(Approval::of(Some("a nod")), Approval::default(), "what is not understood opens no door");
    }
}
