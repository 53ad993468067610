//! More tests run at a time than there are cores, since most wait. What keeps a core busy takes turns.

use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::available_parallelism;

static BUSY: Mutex<usize> = Mutex::new(0);
static FREE: Condvar = Condvar::new();

/// A core that is kept busy, until this goes out of scope.
pub struct Core(());

impl Core {
    /// Waits for a core. Nobody who has one may wait for another.
    pub fn wait() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        let busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
        let mut busy = FREE.wait_while(busy, |busy| *busy >= cores).unwrap_or_else(PoisonError::into_inner);
        *busy += 1;
        Self(())
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        *BUSY.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        FREE.notify_one();
    }
}
