//! What becomes of each transaction: the bank is asked, the master stores the result, and only then the queue is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::bail;
use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tokio::sync::{Mutex, Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::message::transaction;
use crate::action::runner::{Batch, ItemEnd};
use crate::queue::{Message, Queue, Taken};
use crate::settlement::{CallError, Confirmation, Message as Places, Settled, Settlement, Transaction};
use crate::watch::Watch;

/// The transactions of a queue, as the runner takes them.
pub struct Transactions {
    /// Where they are.
    pub queue: Arc<dyn Queue>,
    /// What settles them.
    pub settlement: Arc<dyn Settlement>,
    /// Where a message has what is needed.
    pub places: Places,
    /// Whose transactions are settled.
    pub issuer: String,
    /// What became of them.
    pub ledger: Arc<Ledger>,
    /// Who is told.
    pub watch: Arc<dyn Watch>,
    /// Told when the first is asked for: nothing is taken before.
    pub start: Arc<Notify>,
    /// What was taken from the queue: see [`feed`].
    pub taken: Mutex<mpsc::Receiver<anyhow::Result<Message>>>,
    /// The task that feeds it; none when it is over.
    pub feeder: Mutex<Option<JoinHandle<()>>>,
}

/// How long until it is asked again for what other workers may abandon.
const PAUSE: Duration = Duration::from_secs(1);

/// Takes messages from a queue, a few ahead of the work, until there are no more, `limit` were taken, or nobody listens. In a task
/// of its own: the runner drops the future that waits for the next item whenever another one ends.
pub async fn feed(
    queue: Arc<dyn Queue>,
    ahead: usize,
    limit: Option<usize>,
    to: mpsc::Sender<anyhow::Result<Message>>,
    watch: Arc<dyn Watch>,
) {
    let mut has_told = false;
    let mut left = limit.unwrap_or(usize::MAX);
    while left > 0 && !to.is_closed() {
        match queue.take(ahead.min(left)).await {
            Ok(Taken::Some(messages)) => {
                left = left.saturating_sub(messages.len());
                for message in messages {
                    if to.send(Ok(message)).await.is_err() {
                        return;
                    }
                }
            }
            Ok(Taken::Later) => {
                if !std::mem::replace(&mut has_told, true) {
                    watch.warn(
                        "another worker has taken the rest: waiting half a minute to see whether it is at it or died",
                    );
                }
                tokio::select! {
                    () = to.closed() => return,
                    () = sleep(PAUSE) => {}
                }
            }
            Ok(Taken::None) => return,
            Err(error) => {
                // Nobody listens any more where it cannot be told.
                let _ = to.send(Err(error)).await;
                return;
            }
        }
    }
}

/// How many transactions ended in which way.
#[derive(Debug, Default)]
pub struct Ledger {
    committed: AtomicU64,
    cancelled: AtomicU64,
    pending: AtomicU64,
    unknown: AtomicU64,
    others: AtomicU64,
    malformed: AtomicU64,
    failed: AtomicU64,
}

impl Ledger {
    /// The numbers, as a report has them.
    #[must_use]
    pub fn numbers(&self) -> Map<String, Value> {
        let number = |counter: &AtomicU64| json!(counter.load(Ordering::Relaxed));
        Map::from_iter([
            ("committed".to_owned(), number(&self.committed)),
            ("cancelled".to_owned(), number(&self.cancelled)),
            ("pending".to_owned(), number(&self.pending)),
            ("unknown".to_owned(), number(&self.unknown)),
            ("of_other_issuers".to_owned(), number(&self.others)),
            ("parked".to_owned(), number(&self.malformed)),
            ("not_settled".to_owned(), number(&self.failed)),
        ])
    }

    /// The same in words: `8 committed, 2 cancelled; left: 2 not decided, 1 of another issuer; 1 parked`.
    #[must_use]
    pub fn sentence(&self) -> String {
        let told = |counters: &[(&AtomicU64, &str)]| {
            let counts = counters.iter().map(|(counter, what)| (counter.load(Ordering::Relaxed), what));
            counts
                .filter(|(count, _)| *count > 0)
                .map(|(count, what)| format!("{count} {what}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let done = format!("{} committed, {} cancelled", number(&self.committed), number(&self.cancelled));
        let left = told(&[
            (&self.pending, "not decided"),
            (&self.unknown, "unknown to the bank"),
            (&self.others, "of other issuers"),
            (&self.failed, "not settled"),
        ]);
        let parked = told(&[(&self.malformed, "parked")]);
        let left = if left.is_empty() { left } else { format!("left: {left}") };
        [done, left, parked].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
    }

    /// Whether the bank knew none of several transactions: more likely it is asked in the wrong place.
    fn is_unknown_to_all(&self) -> bool {
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        number(&self.unknown) >= 5
            && [&self.committed, &self.cancelled, &self.pending].into_iter().map(number).sum::<u64>() == 0
    }

    fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// How one transaction ended, before the queue is told.
enum End {
    Settled,
    Left(String),
    Failed(String),
}

impl Transactions {
    async fn settle(&self, transaction: &Transaction) -> End {
        if transaction.issuer != self.issuer {
            Ledger::count(&self.ledger.others);
            return End::Left(format!("its issuer is '{}'", transaction.issuer));
        }
        let settled = match self.settlement.confirm(transaction).await {
            Ok(Confirmation::Confirmed) => Settled::Committed,
            Ok(Confirmation::Declined) => Settled::Cancelled,
            Ok(Confirmation::Pending) => {
                Ledger::count(&self.ledger.pending);
                return End::Left("the bank has not decided yet".to_owned());
            }
            Ok(Confirmation::Unknown) => {
                Ledger::count(&self.ledger.unknown);
                return End::Left("the bank knows of no such transaction".to_owned());
            }
            Err(error) => return self.not_settled(error),
        };
        match self.settlement.store(transaction, settled).await {
            Ok(()) => {
                Ledger::count(match settled {
                    Settled::Committed => &self.ledger.committed,
                    Settled::Cancelled => &self.ledger.cancelled,
                });
                End::Settled
            }
            Err(error) => self.not_settled(error),
        }
    }

    fn not_settled(&self, error: CallError) -> End {
        Ledger::count(&self.ledger.failed);
        match error {
            CallError::Unavailable(why) => End::Left(why),
            CallError::Refused(why) => End::Failed(why),
        }
    }

    /// Leaves a message; where the queue does not take that, the message comes back all the same.
    async fn leave(&self, message: &Message) {
        if let Err(error) = self.queue.leave(message).await {
            self.watch.warn(&format!("message {} comes back a little later: {error:#}", message.id));
        }
    }
}

#[async_trait]
impl Batch for Transactions {
    type Item = Message;

    async fn next(&self) -> anyhow::Result<Option<Message>> {
        if let Some(why) = self.settlement.is_down() {
            bail!("{why}; what was not settled waits in the queue");
        }
        self.start.notify_one();
        self.taken.lock().await.recv().await.transpose()
    }

    fn name(&self, message: &Message) -> String {
        match transaction(message, &self.places) {
            Ok(transaction) => format!("transaction {} (message {})", transaction.id, message.id),
            Err(_) => format!("message {}", message.id),
        }
    }

    async fn act(&self, message: &Message) -> ItemEnd {
        let transaction = match transaction(message, &self.places) {
            Ok(transaction) => transaction,
            Err(why) => {
                return match self.queue.park(message, &why).await {
                    Ok(place) => {
                        Ledger::count(&self.ledger.malformed);
                        ItemEnd::SetAside(format!("{why}; it is in '{place}' now"))
                    }
                    Err(error) => ItemEnd::Failed(format!("{why}, and it could not be parked: {error:#}")),
                };
            }
        };
        match self.settle(&transaction).await {
            End::Settled => {
                if let Err(error) = self.queue.done(message).await {
                    let why =
                        "its result is stored, and the queue was not told: the next run asks again, with one effect";
                    self.watch.warn(&format!("transaction {}: {why} ({error:#})", transaction.id));
                }
                ItemEnd::Done
            }
            End::Left(why) => {
                self.leave(message).await;
                ItemEnd::Left(why)
            }
            End::Failed(why) => {
                self.leave(message).await;
                ItemEnd::Failed(why)
            }
        }
    }

    fn stopped(&self) -> Option<String> {
        self.settlement.is_down().map(|why| format!("{why}; what was not settled waits in the queue"))
    }

    fn summary(&self) -> Option<String> {
        Some(self.ledger.sentence())
    }

    async fn close(&self) {
        self.taken.lock().await.close();
        self.start.notify_one();
        if let Some(feeder) = self.feeder.lock().await.take() {
            // It ends with what it is taking just now.
            let _ = feeder.await;
        }
        if let Err(error) = self.queue.close().await {
            self.watch.warn(&format!("what this run had taken and not ended comes back a little later: {error:#}"));
        }
        if self.ledger.is_unknown_to_all() {
            self.watch.warn("the bank knows none of these transactions: is the path of its confirmation right?");
        }
    }
}
