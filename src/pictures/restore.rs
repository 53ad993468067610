//! What becomes of each picture: it is taken from the source, checked, and stored where there is no good one by then.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::anyhow;
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::keys::{Keys, Wanted};
use super::look::{Gallery, Standing};
use super::picture::{Kind, Verdict};
use super::source::Fault;
use crate::action::runner::{Batch, ItemEnd};
use crate::store::{Checksum, Over, StoreError, Stored};

/// After so many failures in a row without an answer, the source or the target is taken to be down.
const DOWN: u32 = 10;
/// How often a picture is looked at again where another one changes it meanwhile.
const TRIES: u32 = 5;

/// The pictures to be stored, as the runner takes them.
pub struct Pictures {
    /// Where from and where to.
    pub gallery: Gallery,
    /// Which.
    pub keys: Mutex<Keys>,
    /// Whether stale ones are replaced.
    pub replace: bool,
    /// What became of them.
    pub ledger: Ledger,
    /// Keys that cannot be used, where they stand, and why.
    unusable: Vec<(String, String)>,
    in_a_row: AtomicU32,
    down: Mutex<Option<String>>,
}

/// How many pictures ended in which way.
#[derive(Debug, Default)]
pub struct Ledger {
    stored: AtomicU64,
    good: AtomicU64,
    absent: AtomicU64,
    no_picture: AtomicU64,
    failed: AtomicU64,
}

impl Ledger {
    fn all(&self) -> [(&'static str, &AtomicU64); 5] {
        [
            ("stored", &self.stored),
            ("good_meanwhile", &self.good),
            ("not_at_the_source", &self.absent),
            ("no_picture_at_the_source", &self.no_picture),
            ("not_stored", &self.failed),
        ]
    }

    /// The numbers, as a report has them.
    #[must_use]
    pub fn numbers(&self) -> Map<String, Value> {
        self.all().into_iter().map(|(name, number)| (name.to_owned(), json!(number.load(Ordering::Relaxed)))).collect()
    }

    /// The same in words: `8 stored; 1 not at the source`.
    fn sentence(&self) -> String {
        let words =
            ["stored", "good by then", "not at the source", "without a good picture at the source", "not stored"];
        let numbers = self.all().map(|(_, number)| number.load(Ordering::Relaxed));
        let told = numbers.iter().zip(words).enumerate().filter(|(at, (number, _))| *at == 0 || **number > 0);
        let told: Vec<_> = told.map(|(_, (number, word))| format!("{number} {word}")).collect();
        format!("pictures: {}", told.join(", "))
    }
}

/// A picture that is being worked on: whoever waits for it no longer, since its time is over, has it counted as not stored.
struct Begun<'a>(Option<&'a Ledger>);

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if let Some(ledger) = self.0 {
            count(&ledger.failed);
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Why a picture was not stored.
enum NotStored {
    /// The source does not give a good one.
    Source(Fault),
    /// The target does not take it, or does not answer.
    Target(String),
    /// The target does not answer: the next would fare no better.
    TargetDown(String),
    /// There is a good one by then.
    Good,
    /// It is left alone.
    Unclear(String),
}

impl Pictures {
    /// The pictures of these keys.
    #[must_use]
    pub fn new(gallery: Gallery, keys: Keys, replace: bool, unusable: Vec<(String, String)>) -> Self {
        let (ledger, in_a_row, down) = (Ledger::default(), AtomicU32::new(0), Mutex::new(None));
        Self { gallery, keys: Mutex::new(keys), replace, ledger, unusable, in_a_row, down }
    }

    /// A picture from the source, checked.
    async fn fetch(&self, wanted: &Wanted) -> Result<(Bytes, Kind, Checksum), Fault> {
        let object = self.gallery.source.fetch(&wanted.key, self.gallery.largest).await?;
        let (body, noted) = (object.body, object.head.checksum);
        let kind = match self.gallery.inspector.inspect(body.clone()).await {
            Verdict::Good(kind) => kind,
            Verdict::Broken(why) | Verdict::Unclear(why) => {
                return Err(Fault::NoPicture(format!("what the source has is not stored: {why}")));
            }
        };
        let checksum = Checksum::of(&body);
        for (expected, by) in [(&wanted.checksum, "the keys say"), (&noted, "the source says")] {
            if let Some(expected) = expected.as_ref().filter(|expected| **expected != checksum) {
                return Err(Fault::NoPicture(format!(
                    "what the source has is not stored: its SHA-256 is {}…, and {by} {}…",
                    checksum.short(),
                    expected.short()
                )));
            }
        }
        Ok((body, kind, checksum))
    }

    /// Stores a picture where there is no good one; this is looked at right before.
    async fn store(&self, wanted: &Wanted) -> Result<(), NotStored> {
        let (body, kind, checksum) = self.fetch(wanted).await.map_err(NotStored::Source)?;
        let name = self.gallery.name(&wanted.key).map_err(NotStored::Unclear)?;
        for _ in 0..TRIES {
            let seen = self.gallery.stands(wanted, self.replace).await;
            let seen = seen.map_err(|error| NotStored::TargetDown(format!("{error:#}")))?;
            let over = match seen.standing {
                Standing::Missing => Over::Nothing,
                Standing::Good => return Err(NotStored::Good),
                Standing::Unclear(why) => return Err(NotStored::Unclear(why)),
                Standing::Stale(_) if !self.replace || seen.checksum.as_ref() == Some(&checksum) => {
                    return Err(NotStored::Good);
                }
                Standing::Broken(_) | Standing::Stale(_) => seen.version.map_or(Over::Anything, Over::Version),
            };
            match self.gallery.target.put(&name, body.clone(), kind.media_type(), &over).await {
                Ok(Stored::Yes) => return Ok(()),
                Ok(Stored::Changed) => {}
                Err(StoreError::Unavailable(why)) => return Err(NotStored::TargetDown(why)),
                Err(error) => return Err(NotStored::Target(error.to_string())),
            }
        }
        Err(NotStored::Target("somebody else changes it again and again".to_owned()))
    }

    fn told(&self, end: Result<(), NotStored>) -> ItemEnd {
        let ledger = &self.ledger;
        let (counter, end, silent) = match end {
            Ok(()) => (&ledger.stored, ItemEnd::Done, None),
            Err(NotStored::Good) => {
                let why = "there is a good one by then: stored meanwhile, or its key is listed twice";
                (&ledger.good, ItemEnd::Left(why.to_owned()), None)
            }
            Err(NotStored::Source(Fault::Absent(why))) => (&ledger.absent, ItemEnd::Failed(why), None),
            Err(NotStored::Source(Fault::NoPicture(why))) => (&ledger.no_picture, ItemEnd::Failed(why), None),
            Err(NotStored::Source(Fault::Unavailable(why)) | NotStored::TargetDown(why)) => {
                (&ledger.failed, ItemEnd::Failed(why.clone()), Some(why))
            }
            Err(NotStored::Target(why) | NotStored::Unclear(why)) => (&ledger.failed, ItemEnd::Failed(why), None),
        };
        count(counter);
        match silent {
            None => self.in_a_row.store(0, Ordering::Relaxed),
            Some(why) => {
                if self.in_a_row.fetch_add(1, Ordering::Relaxed) + 1 >= DOWN {
                    self.down.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
                }
            }
        }
        end
    }
}

#[async_trait]
impl Batch for Pictures {
    type Item = Wanted;

    async fn next(&self) -> anyhow::Result<Option<Wanted>> {
        if let Some(why) = self.stopped() {
            return Err(anyhow!(why));
        }
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).read()
    }

    fn name(&self, wanted: &Wanted) -> String {
        wanted.key.to_string()
    }

    async fn act(&self, wanted: &Wanted) -> ItemEnd {
        let mut begun = Begun(Some(&self.ledger));
        let end = self.store(wanted).await;
        begun.0 = None;
        self.told(end)
    }

    fn stopped(&self) -> Option<String> {
        let down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        down.as_ref().map(|why| format!("stopped after {DOWN} failures in a row, the last: {why}"))
    }

    fn unusable(&self) -> Vec<(String, String)> {
        self.unusable.clone()
    }

    fn summary(&self) -> Option<String> {
        Some(self.ledger.sentence())
    }

    fn details(&self) -> Map<String, Value> {
        self.ledger.numbers()
    }
}
