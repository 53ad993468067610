//! What long work tells whoever watches it: the logic sees a [`Watch`], only the console knows of progress bars.

/// Receives the progress of long work. Implementations must be cheap and must not fail.
pub trait Watch: Send + Sync {
    /// `subject` (a repository that is read, a service that is deployed) has come this far.
    fn at(&self, subject: &str, progress: &Progress);

    /// Something that a person should know and that stops nothing.
    fn warn(&self, message: &str);
}

/// How far a subject has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Parts that are done: images read, instances that run and are healthy.
    pub done: u64,
    /// Parts in all; 0 while that is unknown.
    pub total: u64,
    /// What the parts are, in a few words that follow the count: `healthy`, `images read`; without a total, what is
    /// going on: `listing`.
    pub note: String,
}

/// A watch that looks away: for tests and for programs that have nobody to tell.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn at(&self, _subject: &str, _progress: &Progress) {}

    fn warn(&self, _message: &str) {}
}
