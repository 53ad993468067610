//! Connections to the broker, and what its refusals mean.

use std::sync::Arc;
use std::time::Duration;

use lapin::options::{BasicGetOptions, BasicNackOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ErrorKind};
use rustls::ClientConfig;
use tokio::time::timeout;

use super::address::Place;
use super::message::Delivered;
use super::wire;

/// How long the broker may take for an answer, and for a connection.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A kind of queue that there is not: who asks for it is told of which kind a queue is, and creates none.
const NO_TYPE: &str = "firebreak-asks";

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub(super) struct Trouble {
    /// What the broker refuses by these numbers, it refuses a second time.
    pub(super) is_final: bool,
    /// The number of the broker's refusal, where it is one.
    code: Option<u16>,
    why: String,
}

/// Which kind of queue it is, as far as that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// What is taken and given back stands where it stood, and nothing is counted.
    Classic,
    /// Each delivery of a message is counted, and there may be a limit.
    Quorum,
    /// A log, which gives no single messages: none can be taken there.
    Stream,
    /// The broker does not say.
    Unknown,
}

/// How to get in.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) place: Place,
    /// As it may be shown.
    pub(super) address: String,
    pub(super) tls: Arc<ClientConfig>,
    /// How the broker shows this worker.
    pub(super) worker: String,
}

/// A connection, and the one channel on which messages are taken and ended. What it has taken and not ended goes back to its place
/// when it is gone.
pub(super) struct Link {
    connection: Connection,
    pub(super) channel: Channel,
    /// Which of the worker's connections this is, counted from 1.
    pub(super) number: u32,
}

impl Door {
    /// Opens a connection.
    pub(super) async fn open(&self, number: u32) -> Result<Link, Trouble> {
        let opened = async {
            let broker = self.place.broker.clone();
            let connection = wire::connect(broker, Arc::clone(&self.tls), &self.worker).await?;
            let channel = connection.create_channel().await?;
            Ok(Link { connection, channel, number })
        };
        self.answered(opened).await
    }

    /// What came of asking the broker.
    pub(super) async fn answered<T>(&self, asked: impl Future<Output = lapin::Result<T>>) -> Result<T, Trouble> {
        let Ok(answer) = timeout(PATIENCE, asked).await else {
            let why = format!("RabbitMQ at {} gives no answer for {PATIENCE:?}", self.address);
            return Err(Trouble { is_final: false, code: None, why });
        };
        answer.map_err(|error| self.trouble(&error))
    }

    fn trouble(&self, error: &lapin::Error) -> Trouble {
        let (address, Place { broker, queue, .. }) = (&self.address, &self.place);
        let (vhost, user) = (&broker.vhost, self.place.user());
        let (code, said) = match error.kind() {
            ErrorKind::ProtocolError(refusal) => (Some(refusal.get_id()), refusal.get_message().to_string()),
            ErrorKind::IOError(error) => (None, error.to_string()),
            _ => (None, error.to_string()),
        };
        let why = match code {
            Some(403) if said.contains("Login was refused") => {
                format!("RabbitMQ at {address} refuses the user '{user}' or the password")
            }
            Some(403) => format!("the user '{user}' may not work on the queue '{queue}' at {address}: {said}"),
            Some(404) => format!("there is no queue '{queue}' in the vhost '{vhost}' at {address}: {said}"),
            Some(405) => format!("the queue '{queue}' at {address} belongs to one connection alone: {said}"),
            Some(530) => format!("RabbitMQ at {address} does not let '{user}' into the vhost '{vhost}': {said}"),
            Some(540) => format!("the queue '{queue}' at {address} is of a kind that gives no single messages: {said}"),
            Some(_) => format!("RabbitMQ at {address} breaks off: {said}"),
            None => format!("failed to reach RabbitMQ at {address}: {said}"),
        };
        Trouble { is_final: code.is_some_and(|code| [403, 404, 405, 530, 540].contains(&code)), code, why }
    }

    /// How many messages wait in a queue; none where there is no such queue.
    pub(super) async fn count(&self, link: &Link, queue: &str) -> Result<Option<u64>, Trouble> {
        match self.waiting(link, queue).await {
            Ok(count) => Ok(Some(count)),
            Err(Trouble { code: Some(404), .. }) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// How many messages wait in a queue, which is there.
    pub(super) async fn waiting(&self, link: &Link, queue: &str) -> Result<u64, Trouble> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        self.declared(link, queue, options, FieldTable::default()).await
    }

    /// Asks which kind of queue it is. The only way in AMQP is to declare it as one of another kind, and to read the refusal; who may
    /// not declare queues learns nothing.
    pub(super) async fn sort(&self, link: &Link) -> Result<Sort, Trouble> {
        let mut wanted = FieldTable::default();
        wanted.insert("x-queue-type".into(), AMQPValue::LongString(NO_TYPE.into()));
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        match self.declared(link, &self.place.queue, options, wanted).await {
            Err(Trouble { code: Some(406), why, .. }) => Ok(sort_in(&why)),
            Ok(_) | Err(Trouble { code: Some(403), .. }) => Ok(Sort::Unknown),
            Err(trouble) => Err(trouble),
        }
    }

    /// Makes a queue that outlasts the broker, unless it is there.
    pub(super) async fn make(&self, link: &Link, queue: &str) -> Result<(), Trouble> {
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        self.declared(link, queue, options, FieldTable::default()).await.map(drop)
    }

    /// Declares a queue, on a channel of its own: a refusal ends it. Gives how many messages wait there.
    async fn declared(
        &self,
        link: &Link,
        queue: &str,
        options: QueueDeclareOptions,
        wanted: FieldTable,
    ) -> Result<u64, Trouble> {
        let declared = async {
            let channel = link.connection.create_channel().await?;
            let declared = channel.queue_declare(queue.into(), options, wanted).await?;
            channel.close(200, "done".into()).await?;
            Ok(declared.message_count().into())
        };
        self.answered(declared).await
    }

    /// Takes messages, as many as are there, in their order; `limit` at most.
    pub(super) async fn take(&self, link: &Link, limit: usize) -> Result<Vec<Delivered>, Trouble> {
        // All are asked for at once, so that a broker far away costs one journey.
        let one = || link.channel.basic_get(self.place.queue.as_str().into(), BasicGetOptions::default());
        let all = futures_util::future::try_join_all((0..limit).map(|_| one()));
        let found = self.answered(all).await?;
        Ok(found.into_iter().flatten().map(|message| Delivered::new(link.number, message)).collect())
    }

    /// Gives back all that was taken and not ended, each to its place, and ends the connection.
    pub(super) async fn leave(&self, link: Link) -> Result<(), Trouble> {
        let all = BasicNackOptions { multiple: true, requeue: true };
        self.answered(link.channel.basic_nack(0, all)).await?;
        // What is asked of a channel is done in order: who looks at the queue after this answer sees what was given back.
        self.answered(link.channel.close(200, "done".into())).await?;
        self.answered(link.connection.close(200, "done".into())).await
    }
}

/// The kind of queue that a refusal names: `… received 'firebreak-asks' but current is 'quorum'`, and `none` for a classic one that
/// was declared without a word of it (seen on 3.10.8).
fn sort_in(refusal: &str) -> Sort {
    // Only a classic queue can be gone with its broker, or with its last consumer.
    if refusal.contains("inequivalent arg 'durable'") || refusal.contains("inequivalent arg 'auto_delete'") {
        return Sort::Classic;
    }
    let current =
        refusal.split_once("inequivalent arg 'x-queue-type'").and_then(|(_, rest)| rest.split_once("current is"));
    match current.map(|(_, current)| current) {
        Some(current) if current.contains("'quorum'") => Sort::Quorum,
        Some(current) if current.contains("'stream'") => Sort::Stream,
        Some(current) if current.contains("'classic'") || current.trim() == "none" => Sort::Classic,
        _ => Sort::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_kind_of_queue() {
        let refused = |rest: &str| {
            format!("PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'none' in vhost '/': {rest}")
        };
        for (rest, sort) in [
            ("received 'firebreak-asks' but current is 'quorum'", Sort::Quorum),
            ("received 'firebreak-asks' but current is 'classic'", Sort::Classic),
            (
                "received the value 'firebreak-asks' of type 'longstr' but current is the value 'classic' of type 'longstr'",
                Sort::Classic,
            ),
            ("received the value 'firebreak-asks' of type 'longstr' but current is none", Sort::Classic),
            ("received 'firebreak-asks' but current is 'stream'", Sort::Stream),
            ("", Sort::Unknown),
        ] {
            assert_eq!(sort_in(&refused(rest)), sort, "{rest}");
        }
        let passing = "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': received 'true' but current is 'false'";
        assert_eq!(sort_in(passing), Sort::Classic);
        assert_eq!(sort_in("PRECONDITION_FAILED - inequivalent arg 'x-expires': current is 'none'"), Sort::Unknown);
    }
}
