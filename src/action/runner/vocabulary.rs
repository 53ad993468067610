//! What an action calls its subjects and what it does to them, so that the runner speaks of them in the field's own terms.

/// The words of a domain for one kind of subject.
#[derive(Debug, Clone, Copy)]
pub struct Vocabulary {
    /// One subject: `service`.
    pub one: &'static str,
    /// Several: `services`.
    pub many: &'static str,
    /// What a subject is set to: `image`.
    pub value: &'static str,
    /// What a subject is after a change that succeeded: `rolled back`.
    pub changed: &'static str,
    /// What a subject is that works as it should: `well`.
    pub well: &'static str,
    /// How a value is shown to people where room is short: an image by its tag.
    pub short: fn(&str) -> String,
}

impl Vocabulary {
    /// So many subjects: `1 service`, `4 services`.
    #[must_use]
    pub fn count(&self, count: usize) -> String {
        format!("{count} {}", if count == 1 { self.one } else { self.many })
    }
}

/// The words for subjects of which nothing more is known.
pub const PLAIN: Vocabulary =
    Vocabulary { one: "item", many: "items", value: "value", changed: "changed", well: "well", short: str::to_owned };
