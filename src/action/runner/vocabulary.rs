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
    /// How a value is shown to people where room is short: an image by its tag.
    pub short: fn(&str) -> String,
}

impl Vocabulary {
    /// The words for a run of this purpose: one that undoes another sets back what that one did.
    #[must_use]
    pub fn of(self, purpose: &str) -> Self {
        if purpose.starts_with(UNDOES) { Self { changed: "set back", ..self } } else { self }
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
    short: str::to_owned,
};
