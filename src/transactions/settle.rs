//! What becomes of each transaction: the bank is asked, the master stores the result, and only then the queue is told.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

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
    /// How many are taken at most; none for all.
    pub limit: Option<usize>,
    /// What became of them.
    pub ledger: Outcomes,
    /// Whether one of the messages was seen to be a transaction, or they are too few to say: else all may be read in the wrong way,
    /// and none is parked.
    pub is_sure: AtomicBool,
    /// Who is told.
    pub watch: Arc<dyn Watch>,
    /// What is taken from the queue; none before the first is asked for: then the plan was agreed to.
    pub feed: Mutex<Option<Feed>>,
}

/// One message, and the transaction that it is about, or why it is malformed.
pub struct Item {
    message: Message,
    transaction: Result<Transaction, String>,
}

/// Messages that are taken from a queue in a task of its own: the runner drops the future that waits for the next item whenever
/// another one ends.
pub struct Feed {
    taken: mpsc::Receiver<anyhow::Result<Message>>,
    task: JoinHandle<()>,
}

/// How long the queue may take in the end for what was asked of it last.
const SOON: Duration = Duration::from_secs(5);

/// How long until it is asked again for what other workers may abandon.
const PAUSE: Duration = Duration::from_secs(1);

/// So many messages of which none is a transaction are enough to know that they are read in the wrong way.
const UNREADABLE: u64 = 100;

/// Takes messages from a queue, a few ahead of the work, until there are no more, `limit` were taken, or nobody listens.
async fn feed(
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

/// So many settled transactions are named in the report; the others are only counted, so that memory does not grow with the queue.
const NAMED: usize = 1000;

/// How many transactions ended in which way.
#[derive(Debug, Default)]
pub struct Outcomes {
    /// The first that were settled, and how.
    settled: Lock<Vec<Value>>,
    committed: AtomicU64,
    cancelled: AtomicU64,
    pending: AtomicU64,
    unknown: AtomicU64,
    others: AtomicU64,
    malformed: AtomicU64,
    failed: AtomicU64,
}

impl Outcomes {
    /// Counts a transaction that is settled, and keeps its name while there are not too many.
    fn settled(&self, Transaction { id, issuer, .. }: &Transaction, settled: Settled) {
        let (counter, result) = match settled {
            Settled::Committed => (&self.committed, "committed"),
            Settled::Cancelled => (&self.cancelled, "cancelled"),
        };
        Self::count(counter);
        let mut named = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        if named.len() < NAMED {
            named.push(json!({ "transaction": id, "issuer": issuer, "result": result }));
        }
    }

    /// The numbers, and the first that were settled, as a report has them.
    #[must_use]
    pub fn told(&self) -> Map<String, Value> {
        let mut told = self.numbers();
        let named = self.settled.lock().unwrap_or_else(PoisonError::into_inner).clone();
        told.insert("settled".to_owned(), named.into());
        told
    }

    fn numbers(&self) -> Map<String, Value> {
        let numbers = [
            ("committed", &self.committed),
            ("cancelled", &self.cancelled),
            ("pending", &self.pending),
            ("unknown", &self.unknown),
            ("of_other_issuers", &self.others),
            ("parked", &self.malformed),
            ("not_settled", &self.failed),
        ];
        numbers.into_iter().map(|(name, counter)| (name.to_owned(), json!(number(counter)))).collect()
    }

    /// The same in words: `8 committed, 2 cancelled; left: 2 not decided, 1 of other issuers; 1 parked`.
    fn sentence(&self) -> String {
        let left = [
            (&self.pending, "not decided"),
            (&self.unknown, "unknown to the bank"),
            (&self.others, "of other issuers"),
            (&self.failed, "not settled"),
        ];
        let left = left.into_iter().map(|(counter, what)| (number(counter), what)).filter(|(count, _)| *count > 0);
        let left: Vec<_> = left.map(|(count, what)| format!("{count} {what}")).collect();
        let mut parts = vec![format!("{} committed, {} cancelled", number(&self.committed), number(&self.cancelled))];
        parts.extend((!left.is_empty()).then(|| format!("left: {}", left.join(", "))));
        parts.extend(Some(number(&self.malformed)).filter(|count| *count > 0).map(|count| format!("{count} parked")));
        parts.join("; ")
    }

    /// Whether the bank knew none of several transactions: more likely it is asked in the wrong place.
    fn is_unknown_to_all(&self) -> bool {
        let known = [&self.committed, &self.cancelled, &self.pending];
        number(&self.unknown) >= 5 && known.into_iter().all(|counter| number(counter) == 0)
    }

    fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn number(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Transactions {
    fn begin(&self) -> Feed {
        let (to, taken) = mpsc::channel(1);
        let ahead = self.settlement.concurrency();
        let task = tokio::spawn(feed(Arc::clone(&self.queue), ahead, self.limit, to, Arc::clone(&self.watch)));
        Feed { taken, task }
    }

    /// Why no more is taken from the queue; none while it is worth it.
    fn halted(&self) -> Option<String> {
        if !self.is_sure.load(Ordering::Relaxed) && number(&self.ledger.failed) >= UNREADABLE {
            let why =
                "none of the messages is a transaction: is `message` of the services right? They wait in the queue";
            return Some(why.to_owned());
        }
        self.settlement.is_down().map(|why| format!("{why}; what was not settled waits in the queue"))
    }

    /// Has a transaction settled; the queue is told of nothing.
    async fn settle(&self, transaction: &Transaction) -> ItemEnd {
        if transaction.issuer != self.issuer {
            Outcomes::count(&self.ledger.others);
            return ItemEnd::Left(format!("its issuer is '{}'", transaction.issuer));
        }
        let settled = match self.settlement.confirm(transaction).await {
            Ok(Confirmation::Confirmed) => Settled::Committed,
            Ok(Confirmation::Declined) => Settled::Cancelled,
            Ok(Confirmation::Pending) => {
                Outcomes::count(&self.ledger.pending);
                return ItemEnd::Left("the bank has not decided yet".to_owned());
            }
            Ok(Confirmation::Unknown) => {
                Outcomes::count(&self.ledger.unknown);
                return ItemEnd::Left("the bank knows of no such transaction".to_owned());
            }
            Err(error) => return self.not_settled(error),
        };
        match self.settlement.store(transaction, settled).await {
            Ok(()) => {
                self.ledger.settled(transaction, settled);
                ItemEnd::Done
            }
            Err(error) => self.not_settled(error),
        }
    }

    fn not_settled(&self, error: CallError) -> ItemEnd {
        Outcomes::count(&self.ledger.failed);
        match error {
            CallError::Unavailable(why) => ItemEnd::Left(why),
            CallError::Refused(why) => ItemEnd::Failed(why),
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
    type Item = Item;

    async fn next(&self) -> anyhow::Result<Option<Item>> {
        if let Some(why) = self.halted() {
            return Err(anyhow!(why));
        }
        let mut feed = self.feed.lock().await;
        let message = feed.get_or_insert_with(|| self.begin()).taken.recv().await.transpose()?;
        let item = |message| {
            let transaction = transaction(&message, &self.places);
            self.is_sure.fetch_or(transaction.is_ok(), Ordering::Relaxed);
            Item { message, transaction }
        };
        Ok(message.map(item))
    }

    fn name(&self, Item { message, transaction }: &Item) -> String {
        match transaction {
            Ok(transaction) => format!("transaction {} (message {})", transaction.id, message.id),
            Err(_) => format!("message {}", message.id),
        }
    }

    async fn act(&self, Item { message, transaction }: &Item) -> ItemEnd {
        let transaction = match transaction {
            Ok(transaction) => transaction,
            Err(why) if !self.is_sure.load(Ordering::Relaxed) => {
                Outcomes::count(&self.ledger.failed);
                self.leave(message).await;
                let more =
                    "it is not parked before one of the messages is a transaction: is `message` of the services right?";
                return ItemEnd::Failed(format!("{why}; {more}"));
            }
            Err(why) => {
                return match self.queue.park(message, why).await {
                    Ok(place) => {
                        Outcomes::count(&self.ledger.malformed);
                        ItemEnd::SetAside(format!("{why}; it is in '{place}' now"))
                    }
                    Err(error) => ItemEnd::Failed(format!("{why}, and it could not be parked: {error:#}")),
                };
            }
        };
        let end = self.settle(transaction).await;
        if end != ItemEnd::Done {
            self.leave(message).await;
        } else if let Err(error) = self.queue.done(message).await {
            let why = "its result is stored, and the queue was not told: the next run asks again, with one effect";
            self.watch.warn(&format!("transaction {}: {why} ({error:#})", transaction.id));
        }
        end
    }

    fn stopped(&self) -> Option<String> {
        let unknown = "the bank knows none of these transactions: are its URL and the path of its confirmation right?";
        self.halted().or_else(|| self.ledger.is_unknown_to_all().then(|| unknown.to_owned()))
    }

    fn hurry(&self) {
        self.settlement.hurry();
    }

    fn details(&self) -> Map<String, Value> {
        self.ledger.told()
    }

    fn summary(&self) -> Option<String> {
        Some(self.ledger.sentence())
    }

    async fn close(&self) {
        if let Some(mut feed) = self.feed.lock().await.take() {
            feed.taken.close();
            // It ends with what it is taking just now; where the queue cannot be reached, that takes too long.
            if timeout(SOON, &mut feed.task).await.is_err() {
                feed.task.abort();
            }
        }
        if let Err(error) = self.queue.close().await {
            self.watch.warn(&format!("what this run had taken and not ended comes back a little later: {error:#}"));
        }
    }
}
