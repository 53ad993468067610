//! What is said of a rebuild that did not come to its end; the words are the same for every kind of database.

use std::fmt::Display;
use std::time::Duration;

use super::size::time;

/// Somebody interrupted the run.
pub(super) const INTERRUPTED: &str = "interrupted";

/// Somebody else ended the statement.
pub(super) const CANCELLED: &str = "somebody else cancelled it";

/// The index was removed meanwhile.
pub(super) const GONE: &str = "it is no longer there";

/// Another session waited too long.
pub(super) fn gave_way(session: impl Display, waited: Duration, lock: Duration) -> String {
    format!(
        "it gave way: session {session} waited for {} behind somebody who wants the whole table (--lock-timeout is {}); \
         run it again when the table is calmer",
        time(waited),
        time(lock)
    )
}

/// It waited too long itself.
pub(super) fn waited(lock: Duration) -> String {
    let lock = time(lock);
    format!("it waited {lock} for a lock or for the end of an older transaction (--lock-timeout); run it again")
}

/// It took too long.
pub(super) fn late(statement: Duration) -> String {
    format!("it had no end within {} (--timeout)", time(statement))
}

/// Its table has something that would hold it up.
pub(super) fn held_up(who: &str, way_out: &str) -> String {
    format!("{who}, and a rebuild would have to wait for its end: wait, or {way_out}")
}

/// Another session is at work on its table.
pub(super) fn busy(session: impl Display, table: &str) -> String {
    format!("session {session} builds an index on {table} just now")
}
