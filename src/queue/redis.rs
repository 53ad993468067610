//! A stream of Redis with a consumer group. An entry that a consumer took is pending until it is acknowledged; the entry itself
//! stays in the stream, for other groups.
//!
//! Two things that Redis does are losses here, and are counted as such: a pending entry whose content was deleted or trimmed
//! (XCLAIM and XAUTOCLAIM would drop it from the list of those pending without a word, so its content is read first; seen on
//! 7.0.15), and entries that were deleted before the group read them (the stream's `entries-added` against the group's
//! `entries-read`, Redis 7).

mod address;
mod entry;
mod server;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use async_trait::async_trait;
use redis::streams::{StreamInfoGroup, StreamInfoGroupsReply, StreamPendingCountReply, StreamPendingId};
use redis::{FromRedisValue, cmd, from_redis_value_ref};
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, sleep};

use self::address::parts;
use self::entry::{Entries, Entry};
use self::server::Server;
use super::{Lost, Message, Queue, Survey, Taken};
use crate::http::{Address, Trust};

/// An entry that nobody refreshed for so long belongs to a worker that died: it may be taken over.
const ABANDONED: Duration = Duration::from_secs(30);

/// How often a worker refreshes what it has taken.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// How much longer what others have taken is waited for than that.
const GRACE: Duration = Duration::from_secs(2);

/// The consumer that has what was left: whoever comes next may take it at once.
const LEFT: &str = "firebreak-left";

/// How long what was left seems to be abandoned: a day, in milliseconds.
const LONG_AGO: u64 = 86_400_000;

/// How many entries are read at a time where all are gone through.
const PAGE: usize = 1000;

/// A stream, and a group of it.
pub(super) struct Stream {
    server: Server,
    address: String,
    /// The stream's name.
    key: String,
    group: String,
    /// The consumer that this worker is.
    worker: String,
    own: Arc<Mutex<Own>>,
    heartbeat: JoinHandle<()>,
}

/// What this worker has taken.
#[derive(Debug, Default)]
struct Own {
    /// By their ids: those that are worked on.
    held: HashSet<String>,
    /// By their ids: those that are not taken again, for they were left.
    left: HashSet<String>,
    /// Where the search for abandoned entries goes on; none where it is over.
    abandoned: Option<String>,
    /// It has taken something at some time.
    took: bool,
    /// Since when it was waited for what others have taken.
    waits: Option<Instant>,
}

impl Own {
    /// Whether this worker took an entry, and knows of it.
    fn knows(&self, id: &str) -> bool {
        self.held.contains(id) || self.left.contains(id)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.heartbeat.abort();
    }
}

impl Stream {
    pub(super) async fn open(address: &Address, worker: &str, trust: &Trust) -> anyhow::Result<Self> {
        let (url, stream, group) = parts(address)?;
        let shown = address.to_string();
        let server = Server::connect(&url, &shown, trust).await?;
        let own = Arc::new(Mutex::new(Own { abandoned: Some("-".to_owned()), ..Own::default() }));
        let names = [stream.clone(), group.clone(), worker.to_owned()];
        let heartbeat = tokio::spawn(refresh(server.clone(), names, Arc::clone(&own)));
        Ok(Self { server, address: shown, key: stream, group, worker: worker.to_owned(), own, heartbeat })
    }

    async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> anyhow::Result<T> {
        self.server.ask(words).await.with_context(|| format!("{} of {} failed", words[0], self.address))
    }

    /// The group as it is now.
    async fn group(&self) -> anyhow::Result<StreamInfoGroup> {
        let kind: String = self.ask(&["TYPE", &self.key]).await?;
        match kind.as_str() {
            "stream" => {}
            "none" => bail!("there is no stream '{}' at {}", self.key, self.address),
            other => bail!("'{}' at {} is a {other}, not a stream", self.key, self.address),
        }
        let found: StreamInfoGroupsReply = self.ask(&["XINFO", "GROUPS", &self.key]).await?;
        let names: Vec<String> = found.groups.iter().map(|group| format!("'{}'", group.name)).collect();
        let group = found.groups.into_iter().find(|group| group.name == self.group);
        group.ok_or_else(|| {
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            anyhow!("the stream '{}' at {} has no group '{}'; it has {names}", self.key, self.address, self.group)
        })
    }

    /// A page of what is pending, from an id on.
    async fn pending(&self, from: &str, idle: Duration) -> anyhow::Result<Vec<StreamPendingId>> {
        let (idle, count) = (idle.as_millis().to_string(), PAGE.to_string());
        let words = ["XPENDING", &self.key, &self.group, "IDLE", &idle, from, "+", &count];
        Ok(self.ask::<StreamPendingCountReply>(&words).await?.ids)
    }

    /// The contents of entries, in their order; none where it is gone.
    async fn contents(&self, ids: &[String]) -> anyhow::Result<Vec<Option<Entry>>> {
        contents(&self.server, &self.key, ids).await.with_context(|| format!("XRANGE of {} failed", self.address))
    }

    /// Those of the entries whose content is there. No other may be claimed: Redis would forget that it was pending, and the next
    /// look could not count it as lost.
    async fn existing(&self, ids: &[String]) -> anyhow::Result<Vec<String>> {
        Ok(self.contents(ids).await?.into_iter().flatten().map(|entry| entry.id).collect())
    }

    /// Takes over what was abandoned, from where the search stands.
    async fn take_abandoned(&self, limit: usize) -> anyhow::Result<Vec<Message>> {
        loop {
            let from = self.lock().abandoned.clone();
            let Some(from) = from else { return Ok(Vec::new()) };
            let page = self.pending(&from, ABANDONED).await?;
            let ids: Vec<String> = {
                let own = self.lock();
                let is_new = |id: &String| !own.knows(id);
                page.iter().map(|one| one.id.clone()).filter(is_new).take(limit).collect()
            };
            let there = self.existing(&ids).await?;
            self.lock().abandoned = match ids.last() {
                Some(last) if ids.len() == limit => Some(format!("({last}")),
                _ => behind(&page, |one| &one.id),
            };
            if there.is_empty() {
                continue;
            }
            let idle = ABANDONED.as_millis().to_string();
            let mut words = vec!["XCLAIM", &self.key, &self.group, &self.worker, &idle];
            words.extend(there.iter().map(String::as_str));
            let Entries(claimed) = self.ask(&words).await?;
            if !claimed.is_empty() {
                return Ok(self.hold(claimed));
            }
        }
    }

    /// Takes what nobody took yet.
    async fn take_new(&self, limit: usize) -> anyhow::Result<Vec<Message>> {
        let count = limit.to_string();
        let words = ["XREADGROUP", "GROUP", &self.group, &self.worker, "COUNT", &count, "STREAMS", &self.key, ">"];
        let reply: Option<Vec<HashMap<String, Entries>>> = self.ask(&words).await?;
        let streams = reply.into_iter().flatten().flat_map(HashMap::into_values);
        Ok(self.hold(streams.flat_map(|Entries(entries)| entries).collect()))
    }

    fn hold(&self, entries: Vec<Entry>) -> Vec<Message> {
        let mut own = self.lock();
        own.took = true;
        own.waits = None;
        own.held.extend(entries.iter().map(|entry| entry.id.clone()));
        entries.into_iter().map(Message::from).collect()
    }

    /// Whether another worker has taken what it may yet abandon: it is waited for as long as that takes to show.
    async fn may_be_abandoned(&self) -> anyhow::Result<bool> {
        let since = {
            let mut own = self.lock();
            *own.waits.get_or_insert_with(Instant::now)
        };
        if since.elapsed() > ABANDONED + GRACE {
            return Ok(false);
        }
        let mut next = Some("-".to_owned());
        while let Some(from) = next {
            // As it was before the page was asked for: what is done meanwhile is on the page still.
            let held = self.lock().held.clone();
            let page = self.pending(&from, Duration::ZERO).await?;
            next = behind(&page, |one| &one.id);
            // Its own as well that it does not know of: the answer was lost by which it took them.
            let ids: Vec<String> = {
                let own = self.lock();
                let is_out =
                    |one: &&StreamPendingId| one.consumer != LEFT && !held.contains(&one.id) && !own.knows(&one.id);
                page.iter().filter(is_out).map(|one| one.id.clone()).collect()
            };
            if !ids.is_empty() && self.contents(&ids).await?.iter().any(Option::is_some) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn give_back(&self, ids: &[String]) -> anyhow::Result<()> {
        let ids = self.existing(ids).await?;
        if ids.is_empty() {
            return Ok(());
        }
        let idle = LONG_AGO.to_string();
        let mut words = vec!["XCLAIM", self.key.as_str(), &self.group, LEFT, "0"];
        words.extend(ids.iter().map(String::as_str));
        words.extend(["IDLE", &idle, "JUSTID"]);
        self.ask::<redis::Value>(&words).await.map(drop)
    }

    fn parking(&self) -> String {
        format!("{}:parked", self.key)
    }

    fn lock(&self) -> MutexGuard<'_, Own> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the page behind this one begins; none where it was the last.
fn behind<T>(page: &[T], id: impl Fn(&T) -> &str) -> Option<String> {
    page.last().filter(|_| page.len() == PAGE).map(|last| format!("({}", id(last)))
}

async fn contents(server: &Server, stream: &str, ids: &[String]) -> redis::RedisResult<Vec<Option<Entry>>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipe = redis::pipe();
    for id in ids {
        pipe.cmd("XRANGE").arg(stream).arg(id).arg(id);
    }
    let found: Vec<Entries> = server.ask_all(&pipe).await?;
    Ok(found.into_iter().map(|Entries(entries)| entries.into_iter().next()).collect())
}

/// Keeps what this worker has taken from seeming abandoned.
async fn refresh(server: Server, [stream, group, worker]: [String; 3], own: Arc<Mutex<Own>>) {
    let mut beat = interval(HEARTBEAT);
    loop {
        beat.tick().await;
        let held: Vec<String> = own.lock().unwrap_or_else(PoisonError::into_inner).held.iter().cloned().collect();
        let Ok(there) = contents(&server, &stream, &held).await else { continue };
        let there: Vec<&str> = there.iter().flatten().map(|entry| entry.id.as_str()).collect();
        if there.is_empty() {
            continue;
        }
        // One that was ended since is no longer pending, and XCLAIM passes over it.
        let mut words = vec!["XCLAIM", stream.as_str(), &group, &worker, "0"];
        words.extend(there);
        words.push("JUSTID");
        // The next beat tries again; whoever takes an entry over meanwhile gives the same effect.
        let _ = server.ask::<redis::Value>(&words).await;
    }
}

#[async_trait]
impl Queue for Stream {
    fn address(&self) -> &str {
        &self.address
    }

    async fn look(&self, limit: usize, see: &mut (dyn for<'m> FnMut(&'m Message) + Send)) -> anyhow::Result<Survey> {
        let group = self.group().await?;
        // What is added from here on is neither counted as added nor as waiting.
        let info: HashMap<String, redis::Value> = self.ask(&["XINFO", "STREAM", &self.key]).await?;
        let added = info.get("entries-added").and_then(|value| from_redis_value_ref::<u64>(value).ok());
        let newest = info.get("last-generated-id").and_then(|value| from_redis_value_ref::<String>(value).ok());
        let newest = newest.unwrap_or_else(|| "+".to_owned());
        let (mut shown, mut gone, mut left, mut waiting) = (0, Vec::new(), 0, 0);
        let mut show = |entry: Entry| {
            if shown < limit {
                shown += 1;
                see(&Message::from(entry));
            }
        };
        let mut next = Some("-".to_owned());
        while let Some(from) = next {
            let page = self.pending(&from, Duration::ZERO).await?;
            next = behind(&page, |one| &one.id);
            let ids: Vec<String> = page.iter().map(|one| one.id.clone()).collect();
            for (one, content) in page.into_iter().zip(self.contents(&ids).await?) {
                let Some(entry) = content else {
                    gone.push(one.id);
                    continue;
                };
                left += u64::from(one.consumer == LEFT);
                show(entry);
            }
        }
        // Counted by reading them: after some deletions Redis does not know their number.
        let mut next = Some(format!("({}", group.last_delivered_id));
        let count = PAGE.to_string();
        while let Some(from) = next {
            let Entries(page) = self.ask(&["XRANGE", &self.key, &from, &newest, "COUNT", &count]).await?;
            next = behind(&page, |entry| &entry.id);
            waiting += page.len() as u64;
            page.into_iter().for_each(&mut show);
        }
        let lost = gone_unread(added, &group, waiting);
        let parked: u64 = self.ask(&["XLEN", &self.parking()]).await?;
        let taken = (group.pending as u64).saturating_sub(gone.len() as u64 + left);
        let unsure = "whether entries were deleted before they were read is not known".to_owned();
        let remarks = if lost.is_none() { vec![unsure] } else { Vec::new() };
        let lost = Lost { taken: gone, waiting: lost };
        Ok(Survey { waiting, taken: Some(taken), left, parked, lost, is_closed: false, remarks })
    }

    async fn take(&self, limit: usize) -> anyhow::Result<Taken> {
        // What was left comes last: it would keep a run of a few from all that waits behind it.
        let new = self.take_new(limit).await?;
        if !new.is_empty() {
            return Ok(Taken::Some(new));
        }
        let abandoned = self.take_abandoned(limit).await?;
        if !abandoned.is_empty() {
            return Ok(Taken::Some(abandoned));
        }
        if !self.may_be_abandoned().await? {
            return Ok(Taken::None);
        }
        self.lock().abandoned = Some("-".to_owned());
        Ok(Taken::Later)
    }

    async fn done(&self, message: &Message) -> anyhow::Result<()> {
        self.ask::<u64>(&["XACK", &self.key, &self.group, &message.id]).await?;
        self.lock().held.remove(&message.id);
        Ok(())
    }

    async fn leave(&self, message: &Message) -> anyhow::Result<()> {
        {
            let mut own = self.lock();
            own.held.remove(&message.id);
            own.left.insert(message.id.clone());
        }
        self.give_back(std::slice::from_ref(&message.id)).await
    }

    async fn park(&self, message: &Message, why: &str) -> anyhow::Result<String> {
        let parking = self.parking();
        let body = message.body.to_string();
        let mut pipe = redis::pipe();
        pipe.atomic();
        pipe.cmd("XADD")
            .arg(&parking)
            .arg("*")
            .arg("id")
            .arg(&message.id)
            .arg("reason")
            .arg(why)
            .arg("body")
            .arg(&body);
        pipe.cmd("XACK").arg(&self.key).arg(&self.group).arg(&message.id);
        // Both happen or none: what is no longer pending was parked the first time.
        let mut question = cmd("XPENDING");
        question.arg(&[self.key.as_str(), &self.group, &message.id, &message.id, "1"]);
        let is_parked = |pending: &redis::Value| {
            from_redis_value_ref::<StreamPendingCountReply>(pending).is_ok_and(|pending| pending.ids.is_empty())
        };
        let end = self.server.ask_all_unless(&question, is_parked, &pipe).await;
        end.with_context(|| format!("XADD of {} failed", self.address))?;
        self.lock().held.remove(&message.id);
        Ok(parking)
    }

    async fn close(&self) -> anyhow::Result<()> {
        // A beat that is under way would take back what is given back.
        self.heartbeat.abort();
        while !self.heartbeat.is_finished() {
            sleep(Duration::from_millis(5)).await;
        }
        let took = {
            let mut own = self.lock();
            own.held.clear();
            own.took
        };
        if !took {
            return Ok(());
        }
        // What it knows of, and what it took without an answer.
        let count = PAGE.to_string();
        let mut next = Some("-".to_owned());
        while let Some(from) = next {
            let words = ["XPENDING", &self.key, &self.group, &from, "+", &count, &self.worker];
            let page: StreamPendingCountReply = self.ask(&words).await?;
            next = behind(&page.ids, |one| &one.id);
            let own: Vec<String> = page.ids.into_iter().map(|one| one.id).collect();
            self.give_back(&own).await?;
        }
        // A consumer that has nothing is of no use to anybody. With one that has something, that would be forgotten.
        let words = ["XPENDING", &self.key, &self.group, "-", "+", "1", &self.worker];
        if self.ask::<StreamPendingCountReply>(&words).await?.ids.is_empty() {
            let words = ["XGROUP", "DELCONSUMER", &self.key, &self.group, &self.worker];
            self.ask::<redis::Value>(&words).await?;
        }
        Ok(())
    }
}

/// How many entries were gone before the group read them, where so many were added to the stream and so many of those wait. Redis
/// knows since 7, and only until the group has read past what is gone; none where it does not.
fn gone_unread(added: Option<u64>, group: &StreamInfoGroup, waiting: u64) -> Option<u64> {
    // A group that never read says nothing of how much it read.
    let read = group.entries_read.map(|read| read as u64).or((group.last_delivered_id == "0-0").then_some(0));
    Some(added?.saturating_sub(read?).saturating_sub(waiting))
}
