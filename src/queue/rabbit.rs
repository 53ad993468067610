//! A queue of RabbitMQ, classic or quorum. A message that was taken (`basic.get`) is unacknowledged until it is ended; when its channel
//! is gone, however that comes, the broker puts it back where it stood. So this worker simply keeps what it leaves until its end: what
//! is given back at once would be the next that it takes.
//!
//! What was tried on 3.10.8:
//! - A classic queue has everything back in its old order, marked as redelivered.
//! - A quorum queue counts each time that a message comes back (`x-delivery-count`), and beyond its `x-delivery-limit` (20 in RabbitMQ
//!   4, where nothing is said) drops it or dead-letters it. So nothing is looked into there.
//! - A message that is kept for longer than `consumer_timeout` has its channel closed, also where no consumer took it.
//! - An acknowledgement has no answer. What was acknowledged just before a connection broke may come again.

mod address;
mod broker;
mod link;
mod message;
mod wire;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{anyhow, bail};
use async_trait::async_trait;
use lapin::Confirmation;
use lapin::options::{BasicAckOptions, BasicPublishOptions, ConfirmSelectOptions};
use reqwest::header::HeaderMap;
use tokio::sync::Mutex;
use tokio::time::sleep;

use self::address::Place;
pub use self::broker::Broker;
use self::link::{Door, Link, Sort};
use self::message::{Delivered, Fingerprint};
use super::{Lost, Message, Queue, Survey, Taken};

use crate::http::retry::Retry;
use crate::http::{self, Address, Trust};

/// How many messages are asked for at once.
const AT_ONCE: usize = 16;

/// How many of the messages that it ended a worker knows again. What a broker forgets that loses its power is a matter of seconds.
const REMEMBERED: usize = 10_000;

/// How often the broker is tried where a connection breaks, with growing pauses: about a minute in all. It takes some seconds to
/// start.
const TRIES: Retry = Retry { tries: 12, first_pause: Duration::from_millis(200) };

/// A queue of a broker, and what this worker has of it.
pub(super) struct Rabbit {
    address: String,
    door: Door,
    link: Mutex<Option<Link>>,
    /// A broker that is short of memory or disk hears nothing on a connection that publishes, not even acknowledgements.
    parking: Mutex<Option<Link>>,
    own: Lock<Own>,
}

/// What this worker has taken.
#[derive(Debug, Default)]
struct Own {
    /// How many connections it had.
    connections: u32,
    /// What it works on, by its ids.
    held: HashMap<String, Delivered>,
    /// What was left, and by which connection it had come: when it comes again by a later one, it is held and not worked on.
    left: HashMap<Fingerprint, u32>,
    /// What was ended last, likewise: when it comes again, for the broker did not know or has forgotten, it is acknowledged at once.
    ended: HashMap<Fingerprint, u32>,
    /// The same in the order of their ends.
    last: VecDeque<Fingerprint>,
}

impl Own {
    fn end(&mut self, id: &str, message: &Delivered) {
        self.held.remove(id);
        let fingerprint = message.fingerprint();
        if self.ended.insert(fingerprint, message.connection).is_none() {
            self.last.push_back(fingerprint);
        }
        if self.last.len() > REMEMBERED {
            let forgotten = self.last.pop_front();
            forgotten.map(|fingerprint| self.ended.remove(&fingerprint));
        }
    }

    /// Whether a message was ended when it came by an earlier connection.
    fn has_ended(&self, message: &Delivered) -> bool {
        self.ended.get(&message.fingerprint()).is_some_and(|earlier| *earlier < message.connection)
    }

    /// Whether a message was left when it came by an earlier connection.
    fn has_left(&self, message: &Delivered) -> bool {
        self.left.get(&message.fingerprint()).is_some_and(|earlier| *earlier < message.connection)
    }
}

impl Rabbit {
    pub(super) async fn open(address: &Address, worker: &str, trust: &Trust) -> anyhow::Result<Self> {
        let place = Place::read(address)?;
        let tls = Arc::new(http::tls_configuration(trust, None)?);
        let door = Door { place, address: super::shown(address), tls, worker: worker.to_owned() };
        // The first must be there: who mistyped the address waits for no retries.
        let link = door.open(1).await?;
        door.waiting(&link, &door.place.queue).await?;
        let own = Lock::new(Own { connections: 1, ..Own::default() });
        Ok(Self { address: address.to_string(), door, link: Mutex::new(Some(link)), parking: Mutex::default(), own })
    }

    fn lock(&self) -> MutexGuard<'_, Own> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self) -> u32 {
        let mut own = self.lock();
        own.connections += 1;
        own.connections
    }

    /// Takes messages; where the connection broke, by a new one.
    async fn fetch(&self, limit: usize) -> anyhow::Result<Vec<Delivered>> {
        let mut tried = 0;
        loop {
            tried += 1;
            let mut link = self.link.lock().await;
            let found = async {
                let link = match &mut *link {
                    Some(link) => link,
                    none => none.insert(self.door.open(self.number()).await?),
                };
                self.door.take(link, limit).await
            };
            let trouble = match found.await {
                Ok(found) => return Ok(found),
                Err(trouble) => trouble,
            };
            // What it had taken is back in the queue.
            *link = None;
            drop(link);
            match TRIES.before_next(tried, &HeaderMap::new()).filter(|_| !trouble.is_final) {
                Some(pause) => sleep(pause).await,
                None => return Err(trouble.into()),
            }
        }
    }

    /// Acknowledges a message. False where its connection is gone: it comes again.
    async fn acknowledge(&self, message: &Delivered) -> bool {
        let link = self.link.lock().await;
        let Some(link) = link.as_ref().filter(|link| link.number == message.connection) else { return false };
        let acknowledged = link.channel.basic_ack(message.tag, BasicAckOptions::default());
        self.door.answered(acknowledged).await.is_ok()
    }

    /// Ends a message, now or when it comes again.
    async fn end(&self, id: &str, message: &Delivered) -> anyhow::Result<()> {
        let is_known = self.acknowledge(message).await;
        self.lock().end(id, message);
        if is_known {
            return Ok(());
        }
        Err(anyhow!("the connection to RabbitMQ at {} broke: the message comes again", self.door.address))
    }

    /// A copy of what is worked on.
    fn held(&self, message: &Message) -> anyhow::Result<Delivered> {
        let held = self.lock().held.get(&message.id).cloned();
        held.ok_or_else(|| anyhow!("message {} was ended already", message.id))
    }

    /// Publishes a message to the parking queue; true where the broker has it on its disk, false where there is no such queue.
    async fn publish(&self, link: &Link, message: &Delivered, why: &str) -> anyhow::Result<bool> {
        let Door { place, address, .. } = &self.door;
        let (queue, options) = (place.parking(), BasicPublishOptions { mandatory: true, ..Default::default() });
        let published = async {
            link.channel.confirm_select(ConfirmSelectOptions::default()).await?;
            let properties = message.set_aside(&place.queue, why);
            let confirm =
                link.channel.basic_publish("".into(), queue.as_str().into(), options, &message.content, properties);
            confirm.await?.await
        };
        match self.door.answered(published).await? {
            Confirmation::Ack(None) => Ok(true),
            Confirmation::Ack(Some(_)) => Ok(false),
            _ => bail!("RabbitMQ at {address} does not take the message into '{queue}': is that full?"),
        }
    }

    /// Shows the first messages, and gives all back; how many were dead-lettered, by where and why. None where the queue turns out to
    /// count each look.
    async fn show(
        &self,
        link: &Link,
        limit: usize,
        see: &mut (dyn for<'m> FnMut(&'m Message) + Send),
    ) -> anyhow::Result<Option<BTreeMap<String, usize>>> {
        let mut deaths = BTreeMap::new();
        let mut shown = 0;
        while shown < limit {
            let page = self.door.take(link, AT_ONCE.min(limit - shown)).await?;
            if page.is_empty() {
                break;
            }
            for message in page {
                if message.returns().is_some() {
                    return Ok(None);
                }
                shown += 1;
                *deaths.entry(message.death()).or_insert(0) += 1;
                see(&message.message(format!("no. {shown}")));
            }
        }
        Ok(Some(deaths.into_iter().filter_map(|(death, count)| Some((death?, count))).collect()))
    }
}

#[async_trait]
impl Queue for Rabbit {
    fn address(&self) -> &str {
        &self.address
    }

    async fn look(&self, limit: usize, see: &mut (dyn for<'m> FnMut(&'m Message) + Send)) -> anyhow::Result<Survey> {
        // A connection of its own: what is looked at is given back with all that it holds.
        let link = self.door.open(self.number()).await?;
        let waiting = self.door.waiting(&link, &self.door.place.queue).await?;
        let parked = self.door.count(&link, &self.door.place.parking()).await?.unwrap_or(0);
        let sort = self.door.sort(&link).await?;
        let deaths = match sort {
            Sort::Classic => self.show(&link, limit, see).await?,
            Sort::Quorum | Sort::Unknown => None,
            Sort::Stream => {
                let Door { place, address, .. } = &self.door;
                bail!("the queue '{}' at {address} is a stream, of a kind that gives no single messages", place.queue);
            }
        };
        self.door.leave(link).await?;
        let mut remarks = Vec::new();
        if deaths.is_none() && waiting > 0 {
            remarks.push(match sort {
                Sort::Unknown => "not looked into, for RabbitMQ does not tell this user whether it is a classic queue".to_owned(),
                _ => "not looked into, for a quorum queue counts each look as a delivery, and may drop what it delivered too often".to_owned(),
            });
        }
        let told = |(death, count)| format!("dead-lettered from {death}: {count}");
        remarks.extend(deaths.iter().flatten().map(told));
        remarks.push(
            "what the queue dropped by itself (too long, expired) is not known: RabbitMQ does not tell".to_owned(),
        );
        let lost = Lost { taken: Vec::new(), waiting: None };
        Ok(Survey { waiting, taken: None, left: 0, parked, lost, is_closed: deaths.is_none(), remarks })
    }

    async fn take(&self, limit: usize) -> anyhow::Result<Taken> {
        loop {
            let found = self.fetch(limit.min(AT_ONCE)).await?;
            if found.is_empty() {
                return Ok(Taken::None);
            }
            let mut taken = Vec::new();
            for message in found {
                if self.lock().has_ended(&message) {
                    // Where that fails, it comes again, and this is tried again.
                    self.acknowledge(&message).await;
                    continue;
                }
                let mut own = self.lock();
                if !own.has_left(&message) {
                    taken.push(message.message(message.id()));
                    own.held.insert(message.id(), message);
                }
            }
            if !taken.is_empty() {
                return Ok(Taken::Some(taken));
            }
        }
    }

    async fn done(&self, message: &Message) -> anyhow::Result<()> {
        let held = self.held(message)?;
        self.end(&message.id, &held).await
    }

    async fn leave(&self, message: &Message) -> anyhow::Result<()> {
        let mut own = self.lock();
        if let Some(held) = own.held.remove(&message.id) {
            own.left.entry(held.fingerprint()).or_insert(held.connection);
        }
        Ok(())
    }

    async fn park(&self, message: &Message, why: &str) -> anyhow::Result<String> {
        let held = self.held(message)?;
        let place = self.door.place.parking();
        let mut parking = self.parking.lock().await;
        let link = match parking.take() {
            Some(link) => link,
            None => self.door.open(self.number()).await?,
        };
        if !self.publish(&link, &held, why).await? {
            self.door.make(&link, &place).await.map_err(|error| anyhow!("there is no queue '{place}', and {error}"))?;
            if !self.publish(&link, &held, why).await? {
                bail!("the queue '{place}' at {} is gone again", self.door.address);
            }
        }
        *parking = Some(link);
        drop(parking);
        // It is parked; where the broker does not hear that it is ended, it is when it comes again.
        let _ = self.end(&message.id, &held).await;
        Ok(place)
    }

    async fn close(&self) -> anyhow::Result<()> {
        self.lock().held.clear();
        if let Some(link) = self.parking.lock().await.take() {
            let _ = self.door.leave(link).await;
        }
        match self.link.lock().await.take() {
            Some(link) => Ok(self.door.leave(link).await?),
            None => Ok(()),
        }
    }
}
