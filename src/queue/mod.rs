//! The port to a queue of messages that were put aside to be worked on later: what is in it, and to take one after the other.
//!
//! A message that was taken stays in the queue until it is [done](Queue::done) or [parked](Queue::park). Where a worker dies, its
//! messages come back; whoever works on them must give a second time the same effect as the first.

mod rabbit;
mod redis;
mod wire;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::http::{Address, Trust};
use crate::port::Unfit;

const KNOWN: &str = "known are redis://HOST:PORT/STREAM?group=GROUP and amqp://HOST:PORT/VHOST?queue=QUEUE, and rediss:// and \
                     amqps:// for TLS";

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// How the queue calls it.
    pub id: String,
    /// Its content: JSON, or the text as it is where it is none.
    pub body: Value,
    /// When it was put into the queue; none where the queue does not say.
    pub since: Option<DateTime<Utc>>,
}

/// What is in a queue, as it says itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// Messages that no worker has taken yet.
    pub waiting: u64,
    /// Messages that a worker has taken and not ended: it works on them, or died; none where the queue does not say.
    pub taken: Option<u64>,
    /// Messages that an earlier worker of this toolkit has left.
    pub left: u64,
    /// Messages that were put aside because they cannot be worked on.
    pub parked: u64,
    /// What the queue has lost: messages whose content is gone, though no worker ended them.
    pub lost: Lost,
    /// Whether its messages may be shown before they are taken: where each look counts, as in a quorum queue, none is.
    pub is_closed: bool,
    /// What it cannot say, and what else is to be known, each in a few words for people.
    pub remarks: Vec<String>,
}

/// Messages that are gone, though no worker ended them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Those that a worker had taken, by their ids.
    pub taken: Vec<String>,
    /// How many were gone before any worker took them; none where the queue does not know.
    pub waiting: Option<u64>,
}

impl Default for Lost {
    fn default() -> Self {
        Self { taken: Vec::new(), waiting: Some(0) }
    }
}

impl Survey {
    /// How many are to be worked on.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.waiting + self.taken.unwrap_or(0) + self.left
    }
}

impl Lost {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.waiting.unwrap_or(0).saturating_add(self.taken.len() as u64)
    }
}

/// What came of taking messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// These; one at least.
    Some(Vec<Message>),
    /// None now: other workers have messages that they may yet abandon. Ask again a little later.
    Later,
    /// None any more.
    None,
}

/// A queue. Several programs on several hosts may work on one at the same time.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Where it is, without credentials.
    fn address(&self) -> &str;

    /// What is in it, with its first messages, `limit` at most, each shown to `see`. Takes none, and moves none.
    ///
    /// # Errors
    /// When the queue cannot be read, or there is none.
    async fn look(&self, limit: usize, see: &mut (dyn for<'m> FnMut(&'m Message) + Send)) -> anyhow::Result<Survey>;

    /// Takes messages, `limit` at most: first those that nobody took yet, then those whose worker is gone. A message that was
    /// [left](Queue::leave) is not taken a second time. The future is not to be dropped: what was taken by then would come back
    /// only later.
    ///
    /// # Errors
    /// When the queue cannot be read.
    async fn take(&self, limit: usize) -> anyhow::Result<Taken>;

    /// Ends a message: its work is done.
    ///
    /// # Errors
    /// When the queue does not confirm it. The message may come again.
    async fn done(&self, message: &Message) -> anyhow::Result<()>;

    /// Leaves a message in the queue, for a later worker.
    ///
    /// # Errors
    /// When the queue does not confirm it. The message comes back all the same, a little later.
    async fn leave(&self, message: &Message) -> anyhow::Result<()>;

    /// Puts a message that cannot be worked on aside, with the reason, and ends it here. Gives the place where it is then.
    ///
    /// # Errors
    /// When the queue does not confirm it. The message may come again.
    async fn park(&self, message: &Message, why: &str) -> anyhow::Result<String>;

    /// Leaves what was taken and not ended, and what keeps it from others. Called once, at the end.
    ///
    /// # Errors
    /// When the queue does not confirm it. The messages come back all the same, a little later.
    async fn close(&self) -> anyhow::Result<()>;
}

/// Opens the queue at a URL; `worker` names this run among those that work on it.
///
/// # Errors
/// When the URL names no known queue ([`Unfit`]), or its server does not answer.
pub async fn connect(address: &Address, worker: &str, trust: &Trust) -> anyhow::Result<Box<dyn Queue>> {
    match address.whole().split_once("://") {
        Some(("amqp" | "amqps", _)) => Ok(Box::new(rabbit::Rabbit::open(address, worker, trust).await?)),
        Some(("redis" | "rediss", _)) => Ok(Box::new(redis::Stream::open(address, worker, trust).await?)),
        _ => Err(Unfit(format!("'{}' names no queue: {KNOWN}", shown(address))).into()),
    }
}

/// An address that may be none, as it may be printed: what stands behind `?` may be a secret where it does not belong.
fn shown(address: &Address) -> String {
    address.to_string().split(['?', '#']).next().unwrap_or_default().to_owned()
}

/// The content of a message: JSON, or the text as it is. What is no UTF-8 is a text, and so no transaction.
fn content(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}
