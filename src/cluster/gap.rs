//! For how long clients were not served while a leadership moved: they are played by one that asks again and again.

use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::{Kind, Member};

/// How long a question may take; then the next is asked.
const QUESTION: Duration = Duration::from_secs(1);

/// How long after the move clients may go unserved until that is no longer waited for.
const LONGEST: Duration = Duration::from_secs(30);

/// What was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The longest time between two answers that followed one another: at most so long nobody was served.
    #[serde(rename = "longest_ms", serialize_with = "milliseconds")]
    pub longest: Duration,
    /// How many questions were not answered.
    pub unanswered: u64,
    /// How many were asked.
    pub asked: u64,
    /// How it was measured, in a clause: `a linearizable read through m3 every 10 ms`.
    pub measured: String,
    /// Whether clients are served again.
    pub is_over: bool,
}

fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// A measurement that goes on.
pub(super) struct Measurement {
    task: JoinHandle<Gap>,
    end: watch::Sender<bool>,
}

impl Measurement {
    /// Begins to ask these members.
    pub(super) fn begin(kind: Arc<dyn Kind>, members: Vec<Member>, measured: String) -> Self {
        let (end, ends) = watch::channel(false);
        Self { task: tokio::spawn(measure(kind, members, measured, ends)), end }
    }

    /// Asks until one more is answered, and gives what was measured.
    pub(super) async fn end(self) -> Option<Gap> {
        let _ = self.end.send(true);
        self.task.await.ok()
    }
}

async fn measure(kind: Arc<dyn Kind>, members: Vec<Member>, measured: String, ends: watch::Receiver<bool>) -> Gap {
    let pace = kind.facts().pace;
    let mut gap = Gap { longest: Duration::ZERO, unanswered: 0, asked: 0, measured, is_over: false };
    let mut served = Instant::now();
    let mut ended: Option<Instant> = None;
    // A sender that is gone was dropped with the move: nobody reads what is measured.
    while ends.has_changed().is_ok() || *ends.borrow() {
        let began = Instant::now();
        gap.asked += 1;
        if tokio::time::timeout(QUESTION, kind.serves(&members)).await.unwrap_or(false) {
            let now = Instant::now();
            gap.longest = gap.longest.max(now - served);
            served = now;
            // One that was asked after the move.
            if ended.is_some_and(|ended| began >= ended) {
                gap.is_over = true;
                return gap;
            }
        } else {
            gap.unanswered += 1;
        }
        if *ends.borrow() {
            let ended = *ended.get_or_insert_with(Instant::now);
            if ended.elapsed() >= LONGEST {
                gap.longest = gap.longest.max(served.elapsed());
                return gap;
            }
        }
        sleep(pace).await;
    }
    gap
}
