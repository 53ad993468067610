//! The look: how each picture stands. Nothing is changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::anyhow;
use futures_util::{StreamExt as _, stream};
use serde::Serialize;

use super::keys::{Keys, Spool, Wanted};
use super::picture::{Inspector, Verdict};
use super::source::{Fault, Source};
use super::template::Template;
use crate::store::{Checksum, Head, Key, Store, StoreError};
use crate::watch::{Progress, Watch};

/// How many pictures that are not good are named.
const NAMED: usize = 1000;

/// How a picture stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is there, and a picture.
    Good,
    /// It is a picture, and the source has a newer or another one: how that is known.
    Stale(String),
    /// It is not there.
    Missing,
    /// What is there is no picture: why.
    Broken(String),
    /// It is not known whether it is good, and it is left alone: why.
    Unclear(String),
}

/// How many pictures stand in which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Good ones.
    pub good: u64,
    /// Stale ones.
    pub stale: u64,
    /// Missing ones.
    pub missing: u64,
    /// Broken ones.
    pub broken: u64,
    /// Those that are not looked into.
    pub unclear: u64,
}

impl Counts {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.good + self.stale + self.missing + self.broken + self.unclear
    }

    fn add(&mut self, standing: &Standing) {
        *match standing {
            Standing::Good => &mut self.good,
            Standing::Stale(_) => &mut self.stale,
            Standing::Missing => &mut self.missing,
            Standing::Broken(_) => &mut self.broken,
            Standing::Unclear(_) => &mut self.unclear,
        } += 1;
    }
}

impl Standing {
    /// Whether a run stores it; a stale one only where such are replaced.
    #[must_use]
    pub fn is_to_store(&self, replace: bool) -> bool {
        match self {
            Self::Missing | Self::Broken(_) => true,
            Self::Stale(_) => replace,
            Self::Good | Self::Unclear(_) => false,
        }
    }

    /// The word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Stale(_) => "stale",
            Self::Missing => "missing",
            Self::Broken(_) => "broken",
            Self::Unclear(_) => "not looked into",
        }
    }

    /// Why it stands so; empty where that needs no words.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            Self::Good | Self::Missing => "",
            Self::Stale(why) | Self::Broken(why) | Self::Unclear(why) => why,
        }
    }
}

/// What was seen.
#[derive(Debug)]
pub struct Survey {
    /// How many stand how.
    pub counts: Counts,
    /// The first that are not good.
    pub named: Vec<(Key, Standing)>,
    /// Those that are to be stored.
    pub to_store: Keys,
    /// What among the keys is none, the first of them, and how many.
    pub bad: (Vec<(String, String)>, u64),
}

impl Survey {
    /// One of those that are to be stored.
    #[must_use]
    pub fn first_to_store(&self, replace: bool) -> Option<&Key> {
        self.named.iter().find(|(_, standing)| standing.is_to_store(replace)).map(|(key, _)| key)
    }
}

/// A picture as it lies in the target.
#[derive(Debug)]
pub struct Seen {
    /// How it stands.
    pub standing: Standing,
    /// Which version was looked at; none where there is none, or the store does not tell.
    pub version: Option<String>,
    /// The checksum of what is there.
    pub checksum: Option<Checksum>,
}

/// Where pictures come from and where they belong.
pub struct Gallery {
    /// Where they come from.
    pub source: Source,
    /// Where they belong.
    pub target: Box<dyn Store>,
    /// What stands before and behind a key there.
    around: (String, String),
    /// No picture of more bytes is looked into.
    pub largest: usize,
    /// What looks into pictures.
    pub inspector: Inspector,
    watch: Arc<dyn Watch>,
    is_source_silent: AtomicBool,
}

impl Gallery {
    /// A gallery.
    #[must_use]
    pub fn new(
        source: Source,
        target: Box<dyn Store>,
        around: (String, String),
        largest: usize,
        watch: Arc<dyn Watch>,
    ) -> Self {
        let (inspector, is_source_silent) = (Inspector::default(), AtomicBool::new(false));
        Self { source, target, around, largest, inspector, watch, is_source_silent }
    }

    /// How the object of a key is called in the target.
    ///
    /// # Errors
    /// When it would be none.
    pub fn name(&self, key: &Key) -> Result<Key, String> {
        Template::name(&self.around.0, key, &self.around.1)
    }

    /// How a picture stands. The source is asked only where `compare` says so.
    ///
    /// # Errors
    /// When the target does not answer.
    pub async fn stands(&self, wanted: &Wanted, compare: bool) -> anyhow::Result<Seen> {
        let of = |standing| Seen { standing, version: None, checksum: None };
        let name = match self.name(&wanted.key) {
            Ok(name) => name,
            Err(why) => return Ok(of(Standing::Unclear(format!("its name in the target cannot be: {why}")))),
        };
        let object = match self.target.get(&name, self.largest).await {
            Ok(Some(object)) => object,
            Ok(None) => return Ok(of(Standing::Missing)),
            Err(StoreError::Unavailable(why)) => return Err(anyhow!(why)),
            Err(StoreError::Refused(why)) => return Ok(of(Standing::Unclear(why))),
            Err(StoreError::TooLong(limit)) => {
                return Ok(of(Standing::Unclear(format!("it is larger than {} MiB (--largest)", limit >> 20))));
            }
        };
        let checksum = Checksum::of(&object.body);
        let mut seen = Seen { standing: Standing::Good, version: object.head.version.clone(), checksum: None };
        seen.standing = match self.inspector.inspect(object.body).await {
            Verdict::Broken(why) => Standing::Broken(why),
            Verdict::Unclear(why) => Standing::Unclear(why),
            Verdict::Good(_) => match (&object.head.checksum, &wanted.checksum) {
                (Some(stored), _) if *stored != checksum => Standing::Broken(format!(
                    "its SHA-256 is {}…, and {}… was written down when it was stored",
                    checksum.short(),
                    stored.short()
                )),
                (_, Some(wanted)) if *wanted != checksum => Standing::Stale(format!(
                    "the keys say that its SHA-256 is {}…, and it is {}…",
                    wanted.short(),
                    checksum.short()
                )),
                (_, None) if compare => {
                    let head = Head { checksum: Some(checksum.clone()), ..object.head };
                    self.compared(&wanted.key, &head).await
                }
                (_, _) => Standing::Good,
            },
        };
        seen.checksum = Some(checksum);
        Ok(seen)
    }

    /// Whether the source has a newer or another one. A source that does not answer is told once, and not asked again.
    async fn compared(&self, key: &Key, ours: &Head) -> Standing {
        if self.is_source_silent.load(Ordering::Relaxed) {
            return Standing::Good;
        }
        match self.source.head(key).await {
            Ok(Some(theirs)) => differs(ours, &theirs).map_or(Standing::Good, Standing::Stale),
            Ok(None) | Err(Fault::Absent(_) | Fault::NoPicture(_)) => Standing::Good,
            Err(Fault::Unavailable(why)) => {
                if !self.is_source_silent.swap(true, Ordering::Relaxed) {
                    self.watch.warn(&format!("{why}: which pictures are stale is not known"));
                }
                Standing::Good
            }
        }
    }

    /// Looks at the pictures of these keys, so many at a time.
    ///
    /// # Errors
    /// When the target does not answer, or there is no room to write down which are to be stored.
    pub async fn look(&self, keys: Keys, jobs: usize, compare: bool, replace: bool) -> anyhow::Result<Survey> {
        let (total, bad) = (keys.count, (keys.bad.clone(), keys.bad_count));
        let wanted = stream::unfold(keys, |mut keys| async { keys.read().transpose().map(|wanted| (wanted, keys)) });
        let looked = wanted.map(|wanted| async {
            let wanted = wanted?;
            let seen = self.stands(&wanted, compare).await?;
            anyhow::Ok((wanted, seen.standing))
        });
        let mut looked = std::pin::pin!(looked.buffered(jobs));
        let (mut counts, mut named, mut to_store) = (Counts::default(), Vec::new(), Spool::new()?);
        while let Some(seen) = looked.next().await {
            let (wanted, standing) = seen?;
            counts.add(&standing);
            self.watch.at("pictures", &Progress { done: counts.all(), total, note: "looked at".to_owned() });
            if standing.is_to_store(replace) {
                to_store.add(&wanted)?;
            }
            if standing != Standing::Good && named.len() < NAMED {
                named.push((wanted.key, standing));
            }
        }
        Ok(Survey { counts, named, to_store: to_store.done()?, bad })
    }
}

/// How it is known that the source has another picture than ours; none where it has the same, or nothing tells.
fn differs(ours: &Head, theirs: &Head) -> Option<String> {
    let newer = ours.modified.zip(theirs.modified).filter(|(ours, theirs)| theirs > ours);
    let newer = newer.map(|(ours, theirs)| {
        let [ours, theirs] = [ours, theirs].map(|at| at.format("%Y-%m-%d %H:%M:%S").to_string());
        format!("the source's is of {theirs}, and this one of {ours} (UTC)")
    });
    if let (Some(ours), Some(theirs)) = (&ours.checksum, &theirs.checksum) {
        let differ = || format!("its SHA-256 is {}…, and the source's {}…", ours.short(), theirs.short());
        return (ours != theirs).then(|| newer.map_or_else(differ, |newer| format!("{}; {newer}", differ())));
    }
    match (ours.size, theirs.size) {
        (Some(ours), Some(theirs)) if ours != theirs => Some(format!("it has {ours} bytes, and the source's {theirs}")),
        _ => newer,
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn head(size: Option<u64>, at: Option<i64>, content: Option<&str>) -> Head {
        Head {
            size,
            modified: at.and_then(|at| DateTime::from_timestamp(1_700_000_000 + at, 0)),
            checksum: content.map(|content| Checksum::of(content.as_bytes())),
            version: None,
        }
    }

    #[test]
    fn another_checksum_counts_before_a_size_and_a_size_before_a_date() {
        let ours = head(Some(3), Some(0), Some("abc"));
        for (theirs, begin) in [
            (head(Some(3), Some(9), Some("abc")), None),
            (head(Some(3), Some(-9), Some("another")), Some("its SHA-256 is ")),
            (head(Some(4), Some(-9), None), Some("it has 3 bytes, and the source's 4")),
            (
                head(Some(3), Some(9), None),
                Some("the source's is of 2023-11-14 22:13:29, and this one of 2023-11-14 22:13:20"),
            ),
            (head(Some(3), Some(-9), None), None),
            (head(Some(3), Some(0), None), None),
            (head(None, None, None), None),
        ] {
            let found = differs(&ours, &theirs);
            match begin {
                None => assert_eq!(found, None, "{theirs:?}"),
                Some(begin) => assert!(found.as_deref().is_some_and(|found| found.starts_with(begin)), "{found:?}"),
            }
        }
        let both = differs(&ours, &head(None, Some(9), Some("x"))).expect("stale");
        assert!(both.contains("SHA-256") && both.contains("22:13:29"), "{both}");
    }
}
