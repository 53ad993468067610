//! Ctrl-C and its like. Outside of a [`Shield`] an interrupt ends the action where it stands, as nothing has been
//! changed. Under a shield the action is told, takes back what it did, and ends by itself; a second interrupt leaves
//! at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

/// Whether somebody interrupted, and whether the action takes care of it by itself.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    shielded: Arc<AtomicBool>,
    token: CancellationToken,
}

/// What an interrupt means at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing is under way: end.
    End,
    /// The action was told and takes back what it did.
    TakeBack,
    /// It had been told before: leave at once.
    Leave,
}

/// While it lives, the action takes care of interrupts by itself.
#[derive(Debug)]
pub struct Shield {
    interrupt: Interrupt,
}

impl Interrupt {
    /// Begins the part of an action that must not simply be cut off.
    #[must_use]
    pub fn shield(&self) -> Shield {
        self.shielded.store(true, Ordering::SeqCst);
        Shield { interrupt: self.clone() }
    }

    /// Notes an interrupt and says what it means.
    #[must_use]
    pub fn arrive(&self) -> Meaning {
        if !self.shielded.load(Ordering::SeqCst) {
            Meaning::End
        } else if self.token.is_cancelled() {
            Meaning::Leave
        } else {
            self.token.cancel();
            Meaning::TakeBack
        }
    }
}

impl Shield {
    /// Ends when somebody interrupts.
    pub async fn interrupted(&self) {
        self.interrupt.token.cancelled().await;
    }

    /// Whether somebody interrupted.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.interrupt.token.is_cancelled()
    }
}

impl Drop for Shield {
    fn drop(&mut self) {
        self.interrupt.shielded.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_means_more_each_time_and_nothing_is_lost_without_a_shield() {
        let interrupt = Interrupt::default();
        assert_eq!(interrupt.arrive(), Meaning::End);
        let shield = interrupt.shield();
        assert!(!shield.is_interrupted());
        assert_eq!((interrupt.arrive(), interrupt.arrive()), (Meaning::TakeBack, Meaning::Leave));
        assert!(shield.is_interrupted());
        drop(shield);
        assert_eq!(interrupt.arrive(), Meaning::End);
    }
}
