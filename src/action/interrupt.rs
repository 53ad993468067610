//! Ctrl-C and its like. Outside of a [`CriticalSection`] an interrupt ends the action where it stands, as nothing has been
//! changed. Inside of one the action is told, takes back what it did, and ends by itself; a second interrupt leaves
//! at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Whether somebody interrupted, and whether the action takes care of it by itself.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    phase: Arc<AtomicU8>,
    token: CancellationToken,
    hurry: CancellationToken,
}

/// Nothing is under way.
const OPEN: u8 = 0;
/// Something is changed, and can be taken back.
const SHIELDED: u8 = 1;
/// Items are worked on, and each is ended once it is begun.
const DRAINED: u8 = 3;
/// Something is judged, and what was made for that is to be cleaned up.
const JUDGED: u8 = 4;
/// The outcome is decided.
const DECIDED: u8 = 2;

/// What an interrupt means at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing is under way: end.
    End,
    /// The action was told and takes back what it did.
    TakeBack,
    /// The action was told: it begins nothing more, and ends what it began.
    Drain,
    /// The action was told: it judges nothing more, and cleans up.
    CleanUp,
    /// It had been told before: leave at once.
    Leave,
    /// The outcome is decided, and only told to others still.
    Hurry,
}

/// While it lives, the action takes care of interrupts by itself.
#[derive(Debug)]
pub struct CriticalSection {
    interrupt: Interrupt,
}

impl Interrupt {
    /// Begins the part of an action that must not simply be cut off.
    #[must_use]
    pub fn critical_section(&self) -> CriticalSection {
        self.phase.store(SHIELDED, Ordering::SeqCst);
        CriticalSection { interrupt: self.clone() }
    }

    /// Begins the part of an action that works on many items, each of which is to be ended once it is begun.
    #[must_use]
    pub fn drained_section(&self) -> CriticalSection {
        self.phase.store(DRAINED, Ordering::SeqCst);
        CriticalSection { interrupt: self.clone() }
    }

    /// Begins the part of an action that judges, and has to clean up what it made for that.
    #[must_use]
    pub fn judging_section(&self) -> CriticalSection {
        self.phase.store(JUDGED, Ordering::SeqCst);
        CriticalSection { interrupt: self.clone() }
    }

    /// Is cancelled when somebody interrupts a section: for an item of a batch that takes so long that it is better broken off.
    #[must_use]
    pub fn told(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Notes an interrupt and says what it means.
    #[must_use]
    pub fn arrive(&self) -> Meaning {
        let phase = self.phase.load(Ordering::SeqCst);
        if phase == OPEN {
            Meaning::End
        } else if phase == DECIDED {
            self.hurry.cancel();
            Meaning::Hurry
        } else if self.token.is_cancelled() {
            Meaning::Leave
        } else {
            self.token.cancel();
            match phase {
                DRAINED => Meaning::Drain,
                JUDGED => Meaning::CleanUp,
                _ => Meaning::TakeBack,
            }
        }
    }
}

impl CriticalSection {
    /// Ends when somebody interrupts.
    pub async fn interrupted(&self) {
        self.interrupt.token.cancelled().await;
    }

    /// Notes that the outcome is decided: from now on an interrupt takes nothing back.
    pub fn over(&self) {
        self.interrupt.phase.store(DECIDED, Ordering::SeqCst);
    }

    /// Ends when somebody interrupts after the outcome was decided.
    pub async fn hurried(&self) {
        self.interrupt.hurry.cancelled().await;
    }

    /// Whether somebody interrupted before the outcome was decided.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.interrupt.token.is_cancelled()
    }
}

impl Drop for CriticalSection {
    fn drop(&mut self) {
        self.interrupt.phase.store(OPEN, Ordering::SeqCst);
    }
}

/// What a person or a system ends a process with: Ctrl-C, a termination, a terminal that is closed. From the moment
/// that it listens they no longer end this process by themselves.
#[derive(Debug)]
pub struct Ends {
    interrupt: Signal,
    terminate: Signal,
    /// None where whoever started us said that it is to be ignored, as `nohup` does.
    hang_up: Option<Signal>,
}

impl Ends {
    /// Begins to listen.
    ///
    /// # Errors
    /// When signals cannot be received.
    pub fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("failed to listen for signals");
        let (interrupt, terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        let hang_up = if ignores_hangup() { None } else { Some(listen(SignalKind::hangup())?) };
        Ok(Self { interrupt, terminate, hang_up })
    }

    /// Waits for any of them.
    pub async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            () = hung_up(self.hang_up.as_mut()) => {}
        }
    }

    /// Waits for any but a Ctrl-C, which reaches every program of a terminal by itself.
    pub async fn other(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            () = hung_up(self.hang_up.as_mut()) => {}
        }
    }
}

async fn hung_up(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether this process was started with SIGHUP ignored. Signal 1 is the lowest bit of the mask (proc(5)).
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or_default().trim();
    u64::from_str_radix(mask, 16).is_ok_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_means_more_each_time_and_nothing_is_lost_without_a_shield() {
        let interrupt = Interrupt::default();
        assert_eq!(interrupt.arrive(), Meaning::End);
        let section = interrupt.critical_section();
        assert!(!section.is_interrupted());
        assert_eq!((interrupt.arrive(), interrupt.arrive()), (Meaning::TakeBack, Meaning::Leave));
        assert!(section.is_interrupted());
        section.over();
        assert_eq!((interrupt.arrive(), interrupt.arrive()), (Meaning::Hurry, Meaning::Hurry));
        drop(section);
        assert_eq!(interrupt.arrive(), Meaning::End);
    }
}
