//! What a test needs of a queue, whichever it is.

/// A queue of missed transactions, of a real server.
pub trait TestQueue: Send + Sync + 'static {
    /// Its URL, as the command line has it.
    fn url(&self) -> String;

    /// Puts messages into it, each with this content.
    fn put(&self, bodies: &[String]);

    /// How many wait, where no worker is at it.
    fn left(&self) -> usize;

    /// Ends the server as a power cut does; what it had confirmed is there when it is [up](Self::up) again.
    fn down(&mut self);

    /// Starts it again.
    fn up(&mut self);
}
