//! The images of an environment, in as few requests as there can be, as many at once as are allowed.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::OnceCell;

use super::cache::Memory;
use super::client::{Head, Registry};
use super::dates::{Dates, distrust_one_instant, image};
use super::dating::{DEEPEST, Dating, Found, ReadOnce};
use super::error::RegistryError;
use super::manifest::Manifest;
use super::{Image, MissingDate, NotAnImage, Tagged, tags};
use crate::watch::{Progress, Watch};
use crate::words::{counted, of_them};

/// So many tags are named in a warning; the file of `get` has all of them.
const NAMED: usize = 3;

impl Registry {
    /// The images of an environment: those whose tag is the environment, or ends with `-`, `.` or `_` and it.
    ///
    /// A tag that goes away meanwhile is left out with a warning. A repository that has no tag of the environment is
    /// warned of, and so are tags that name no image.
    ///
    /// # Errors
    /// With the first repository that cannot be read, does not exist or has no tags at all, and where the registry
    /// lies about a digest.
    pub async fn images(
        &self,
        repositories: &[String],
        environment: &str,
        now: DateTime<Utc>,
        watch: &dyn Watch,
    ) -> Result<Tagged, RegistryError> {
        if self.exposes_the_password() {
            watch.warn(&format!("the password goes to registry {} unencrypted: use https", self.name()));
        }
        let mut seen = HashSet::new();
        let readings: Vec<Reading<'_>> = repositories
            .iter()
            .filter(|repository| seen.insert(repository.as_str()))
            .map(|repository| Reading::new(self, repository, watch))
            .collect();
        let outcome = self.work(&readings, environment, now).await;
        let mut tagged = Tagged::default();
        for reading in readings {
            let Tagged { images, not_images } = reading.finish();
            tagged.images.extend(images);
            tagged.not_images.extend(not_images);
        }
        outcome.map(|()| tagged)
    }

    /// Lists and reads everything. Half of the work under way may wait for a place among the requests, so that no
    /// place is ever idle; the rest waits here, where it costs next to nothing.
    async fn work(&self, readings: &[Reading<'_>], environment: &str, now: DateTime<Utc>) -> Result<(), RegistryError> {
        let mut waiting: VecDeque<Job<'_>> = readings.iter().map(Job::List).collect();
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < self.options.concurrency.max(1) * 2
                && let Some(job) = waiting.pop_front()
            {
                running.push(job.run(environment, now));
            }
            match running.next().await {
                None => return Ok(()),
                Some(more) => waiting.extend(more?),
            }
        }
    }
}

enum Job<'a> {
    List(&'a Reading<'a>),
    Read(&'a Reading<'a>, String),
}

impl Job<'_> {
    /// Does the job, and gives what else there is to do.
    async fn run(self, environment: &str, now: DateTime<Utc>) -> Result<Vec<Self>, RegistryError> {
        match self {
            Self::List(reading) => {
                let tags = reading.list(environment).await?;
                Ok(tags.into_iter().map(|tag| Self::Read(reading, tag)).collect())
            }
            Self::Read(reading, tag) => {
                let named = reading.named(&tag, now).await?;
                reading.done(named);
                Ok(Vec::new())
            }
        }
    }
}

/// What a tag names.
enum Named {
    Image(Image),
    NotAnImage(NotAnImage),
    /// Nothing that could be used, and a warning said so.
    Nothing,
}

/// One repository while it is read.
pub(super) struct Reading<'a> {
    pub(super) registry: &'a Registry,
    pub(super) repository: &'a str,
    pub(super) watch: &'a dyn Watch,
    state: Mutex<State>,
}

struct State {
    memory: Memory,
    /// All tags of the repository, once they are listed.
    listed: Option<Vec<String>>,
    tagged: Tagged,
    done: u64,
    total: u64,
    read: ReadOnce,
}

impl<'a> Reading<'a> {
    fn new(registry: &'a Registry, repository: &'a str, watch: &'a dyn Watch) -> Self {
        let folder = registry.options.cache_folder.as_deref();
        let memory = Memory::load(folder, registry.name(), repository, watch);
        let (listed, tagged, read) = (None, Tagged::default(), ReadOnce::default());
        let state = Mutex::new(State { memory, listed, tagged, done: 0, total: 0, read });
        Self { registry, repository, watch, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of what a digest names, for all in this run that want it.
    pub(super) fn read_once(&self, digest: &str) -> Arc<OnceCell<Dating>> {
        Arc::clone(self.state().read.entry(digest.to_owned()).or_default())
    }

    fn tell(&self, note: &str) {
        let (done, total) = {
            let state = self.state();
            (state.done, state.total)
        };
        self.watch.at(self.repository, &Progress { done, total, note: note.to_owned() });
    }

    fn tell_of_images(&self) {
        let total = self.state().total;
        self.tell(&format!("{} read", of_them(total, "image")));
    }

    /// The tags of the environment.
    async fn list(&self, environment: &str) -> Result<Vec<String>, RegistryError> {
        self.tell("listing");
        let listed = self.registry.tags(self.repository, self.watch).await?;
        let (registry, repository) = (self.registry.name(), self.repository);
        if listed.is_empty() {
            let (registry, repository) = (registry.to_owned(), repository.to_owned());
            return Err(RegistryError::Empty { registry, repository });
        }
        let tags: Vec<String> = listed.iter().filter(|tag| tags::belongs(tag, environment)).cloned().collect();
        if tags.is_empty() {
            let whole = format!("repository '{repository}' of registry {registry}");
            let ends = match tags::endings(&listed) {
                endings if endings.is_empty() => "none ends with a word".to_owned(),
                endings => format!("they end with: {}", endings.join(", ")),
            };
            let none = match listed.as_slice() {
                [only] => format!("the only tag of {whole}, '{only}', is not of environment '{environment}'"),
                all => format!("none of the {} tags of {whole} is of environment '{environment}'; {ends}", all.len()),
            };
            self.watch.warn(&none);
        }
        {
            let mut state = self.state();
            state.total = tags.len() as u64;
            state.listed = Some(listed);
        }
        self.tell_of_images();
        Ok(tags)
    }

    fn done(&self, named: Named) {
        {
            let mut state = self.state();
            state.done += 1;
            match named {
                Named::Image(image) => state.tagged.images.push(image),
                Named::NotAnImage(other) => state.tagged.not_images.push(other),
                Named::Nothing => {}
            }
        }
        self.tell_of_images();
    }

    /// Remembers what was learned, also where the whole came to nothing, and gives the images.
    fn finish(self) -> Tagged {
        let State { mut memory, listed, mut tagged, .. } =
            self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        memory.save(listed.as_deref(), self.watch);
        tagged.images.sort_by(|one, other| one.tag.cmp(&other.tag));
        tagged.not_images.sort_by(|one, other| one.tag.cmp(&other.tag));
        distrust_one_instant(&mut tagged.images);
        if !tagged.not_images.is_empty() {
            self.watch.warn(&not_images(self.repository, &tagged.not_images));
        }
        tagged
    }

    /// What a tag names.
    async fn named(&self, tag: &str, now: DateTime<Utc>) -> Result<Named, RegistryError> {
        let (registry, repository, watch) = (self.registry, self.repository, self.watch);
        let gone = || {
            watch.warn(&format!("tag '{tag}' of repository '{repository}' is gone since it was listed: left out"));
            Ok(Named::Nothing)
        };
        let remembered = self.state().memory.tag(tag).map(str::to_owned);
        let mut fetched = None;
        let digest = match remembered {
            Some(digest) if registry.options.immutable_tags => Some(digest),
            Some(_) => match registry.head(repository, tag, watch).await? {
                Head::Gone => return gone(),
                Head::Digest(digest) => Some(digest),
                Head::Mute => None,
            },
            None => None,
        };
        let digest = match digest {
            Some(digest) => digest,
            None => match registry.manifest(repository, tag, watch).await? {
                Some(manifest) => fetched.insert(manifest).digest.clone(),
                None => return gone(),
            },
        };
        let named = |digest: String, found: Found| match found {
            Found::Image(dates) => Named::Image(image(repository, tag, digest, dates, now)),
            Found::Hollow => Named::Image(image(repository, tag, digest, Dates::none(MissingDate::NoChild), now)),
            Found::Other { kind } => {
                Named::NotAnImage(NotAnImage { repository: repository.to_owned(), tag: tag.to_owned(), kind })
            }
        };
        let known = self.state().memory.found(&digest);
        if let Some(found) = known {
            self.state().memory.learn(tag, &digest, &found);
            return Ok(named(digest, found));
        }
        let manifest = match fetched {
            Some(manifest) => manifest,
            None => match registry.manifest(repository, &digest, watch).await? {
                Some(manifest) => manifest,
                None => return gone(),
            },
        };
        if matches!(Manifest::parse(&manifest.body), Ok(Manifest::Schema1)) {
            let why = "is of Docker's schema 1, which has no reliable digest: left out; push it again";
            watch.warn(&format!("tag '{tag}' of repository '{repository}' {why}"));
            return Ok(Named::Nothing);
        }
        let Dating { found, complete } = self.date_of_manifest(manifest, DEEPEST).await?;
        // What a missing part would say is not known: it may come back.
        if complete {
            self.state().memory.learn(tag, &digest, &found);
        }
        Ok(named(digest, found))
    }
}

/// The warning of tags that name no image.
fn not_images(repository: &str, others: &[NotAnImage]) -> String {
    let named: Vec<_> = others.iter().take(NAMED).map(|other| format!("'{}' ({})", other.tag, other.kind)).collect();
    let more = match others.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {}", counted(more, "other")),
    };
    let tags = of_them(others.len(), "tag");
    let verb = if others.len() == 1 { "names no image, and is" } else { "name no image, and are" };
    format!("{tags} {}{more} of repository '{repository}' {verb} left out", named.join(", "))
}
