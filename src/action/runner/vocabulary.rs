//! What an action calls its subjects and what it does to them, so that the runner speaks of them in the field's own terms.

/// How the purpose of an undo begins; behind it stands the run that is undone.
pub const UNDOES: &str = "as before run ";

/// The words of a domain for one kind of subject.
#[derive(Debug, Clone, Copy)]
pub struct Vocabulary {
    /// One subject: `service`.
    pub one: &'static str,
    /// Several: `services`.
    pub many: &'static str,
    /// What a row of a table is about: `workload`.
    pub row: &'static str,
    /// What a subject is set to: `image`.
    pub value: &'static str,
    /// What a subject is after a change that succeeded: `rolled back`.
    pub changed: &'static str,
    /// What a subject is that works as it should: `healthy`.
    pub well: &'static str,
    /// What the subjects are in or on: `platform`. The option that names it is called the same: `--platform`. Empty where
    /// there is no such option.
    pub place: &'static str,
    /// How a value is shown to people where room is short: an image by its tag.
    pub short: fn(&str) -> String,
}

impl Vocabulary {
    /// The words for a run of this purpose: one that undoes another sets back what that one did.
    #[must_use]
    pub fn of(self, purpose: &str) -> Self {
        if purpose.starts_with(UNDOES) { Self { changed: "set back", ..self } } else { self }
    }

    /// One subject that is not named: `a service`, `an item`.
    #[must_use]
    pub fn any(&self) -> String {
        format!("{} {}", if self.one.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }, self.one)
    }

    /// What the subjects are in or on, in a sentence: `the platform`.
    #[must_use]
    pub fn the_place(&self) -> String {
        format!("the {}", if self.place.is_empty() { "other side" } else { self.place })
    }

    /// The option of the action that names the place: `--platform`; empty where there is none.
    #[must_use]
    pub fn option(&self) -> String {
        if self.place.is_empty() { String::new() } else { format!("--{}", self.place) }
    }

    /// So many subjects: `1 service`, `4 services`.
    #[must_use]
    pub fn count(&self, count: usize) -> String {
        format!("{count} {}", if count == 1 { self.one } else { self.many })
    }
}

/// The words for subjects of which nothing more is known.
pub const PLAIN: Vocabulary = Vocabulary {
    one: "item",
    many: "items",
    row: "item",
    value: "value",
    changed: "changed",
    well: "healthy",
    place: "",
    short: str::to_owned,
};
