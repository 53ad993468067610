//! The images of an environment, in as few requests as there can be, as many at once as are allowed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use futures_util::future::{BoxFuture, try_join_all};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::OnceCell;

use super::cache::Memory;
use super::client::{Fetched, Head, Registry};
use super::dates::{Found, distrust_one_instant, image};
use super::error::RegistryError;
use super::manifest::{Child, Config, Manifest};
use super::{DateSource, Image, Undated, digest, tags};
use crate::watch::{Progress, Watch};

/// An index in an index in an index…: deeper ones are not read.
const DEEPEST: u8 = 4;

impl Registry {
    /// The images of an environment: those whose tag is the environment, or ends with `-`, `.` or `_` and it. By
    /// repository in the order given, then by tag.
    ///
    /// A tag that goes away meanwhile is left out with a warning, and so is one that is no image. A repository that
    /// has no tag of the environment is warned of.
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
    ) -> Result<Vec<Image>, RegistryError> {
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
        let mut images = Vec::new();
        for reading in readings {
            images.extend(reading.finish());
        }
        outcome.map(|()| images)
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
                let image = reading.image(&tag, now).await?;
                reading.done(image);
                Ok(Vec::new())
            }
        }
    }
}

/// One repository while it is read.
struct Reading<'a> {
    registry: &'a Registry,
    repository: &'a str,
    watch: &'a dyn Watch,
    state: Mutex<State>,
}

struct State {
    memory: Memory,
    /// All tags of the repository, once they are listed.
    listed: Option<Vec<String>>,
    images: Vec<Image>,
    done: u64,
    total: u64,
    /// What was read in this run, by digest, so that what several images share is read once.
    dated: HashMap<String, Arc<OnceCell<Dating>>>,
}

/// The date of a manifest or config, and whether everything was there that it depends on.
#[derive(Debug, Clone, Copy)]
struct Dating {
    found: Found,
    complete: bool,
}

impl Dating {
    const MISSING: Self = Self { found: Found::Nothing(Undated::NoChild), complete: false };

    fn complete(found: Found) -> Self {
        Self { found, complete: true }
    }
}

impl<'a> Reading<'a> {
    fn new(registry: &'a Registry, repository: &'a str, watch: &'a dyn Watch) -> Self {
        let folder = registry.options.cache_folder.as_deref();
        let memory = Memory::load(folder, registry.name(), repository, watch);
        let (listed, images, dated) = (None, Vec::new(), HashMap::new());
        Self {
            registry,
            repository,
            watch,
            state: Mutex::new(State { memory, listed, images, done: 0, total: 0, dated }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, note: &str) {
        let (done, total) = {
            let state = self.state();
            (state.done, state.total)
        };
        self.watch.at(self.repository, &Progress { done, total, note: note.to_owned() });
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
            let (all, endings) = (listed.len(), tags::endings(&listed).join(", "));
            self.watch.warn(&format!(
                "none of the {all} tags of repository '{repository}' of registry {registry} is of environment \
                 '{environment}'; they end with: {endings}"
            ));
        }
        {
            let mut state = self.state();
            state.total = tags.len() as u64;
            state.listed = Some(listed);
        }
        self.tell("images read");
        Ok(tags)
    }

    fn done(&self, image: Option<Image>) {
        {
            let mut state = self.state();
            state.done += 1;
            state.images.extend(image);
        }
        self.tell("images read");
    }

    /// Remembers what was learned, also where the whole came to nothing, and gives the images.
    fn finish(self) -> Vec<Image> {
        let mut state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        state.memory.save(state.listed.as_deref(), self.watch);
        state.images.sort_by(|one, other| one.tag.cmp(&other.tag));
        distrust_one_instant(&mut state.images);
        state.images
    }

    /// The image of a tag. None, and a warning: there is none.
    async fn image(&self, tag: &str, now: DateTime<Utc>) -> Result<Option<Image>, RegistryError> {
        let (registry, repository, watch) = (self.registry, self.repository, self.watch);
        let gone = || {
            watch.warn(&format!("tag '{tag}' of repository '{repository}' is gone since it was listed: left out"));
            Ok(None)
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
        let known = self.state().memory.date(&digest);
        if let Some(found) = known {
            self.state().memory.learn(tag, &digest, found);
            return Ok(Some(image(repository, tag, digest, found, now)));
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
            return Ok(None);
        }
        let dating = self.date_of_manifest(manifest, DEEPEST).await?;
        if dating.complete || dating.found.is_date() {
            self.state().memory.learn(tag, &digest, dating.found);
        }
        Ok(Some(image(repository, tag, digest, dating.found, now)))
    }

    /// The date of an image: its annotation, or else what its config says. Of an index: its annotation, or else the
    /// newest of its children.
    fn date_of_manifest(&self, manifest: Fetched, depth: u8) -> BoxFuture<'_, Result<Dating, RegistryError>> {
        Box::pin(async move {
            let (annotation, rest) = match Manifest::parse(&manifest.body) {
                Ok(Manifest::Image { config, created }) => (created, Rest::Config(config)),
                Ok(Manifest::Index { children, created }) => (created, Rest::Children(children)),
                Ok(Manifest::Schema1 | Manifest::Other) => (None, Rest::None),
                Err(_) => return Ok(Dating::complete(Found::Nothing(Undated::Unreadable))),
            };
            let annotation = Found::read(annotation.as_deref(), DateSource::Annotation);
            if annotation.is_date() {
                return Ok(Dating::complete(annotation));
            }
            let further = match rest {
                Rest::Config(digest) => self.date_of_config(digest).await?,
                Rest::Children(children) if depth > 0 => self.newest_of(children, depth).await?,
                Rest::Children(_) => Dating::complete(Found::Nothing(Undated::NoChild)),
                Rest::None => Dating::complete(Found::Nothing(Undated::Absent)),
            };
            let found = match (annotation, further.found) {
                // That there is no annotation is no news where it is known what else is missing.
                (Found::Nothing(Undated::Absent), further) => further,
                (annotation, further) => annotation.or(further),
            };
            Ok(Dating { found, ..further })
        })
    }

    async fn newest_of(&self, children: Vec<Child>, depth: u8) -> Result<Dating, RegistryError> {
        let datings = try_join_all(children.into_iter().map(|child| self.date_of_child(child, depth))).await?;
        let there = datings.iter().filter(|dating| dating.complete || dating.found.is_date());
        let found = Found::newest(there.map(|dating| dating.found));
        Ok(Dating { found, complete: datings.iter().all(|dating| dating.complete) })
    }

    async fn date_of_child(&self, child: Child, depth: u8) -> Result<Dating, RegistryError> {
        let annotation = Found::read(child.created.as_deref(), DateSource::Annotation);
        if annotation.is_date() {
            return Ok(Dating::complete(annotation));
        }
        let digest = child.digest;
        self.once(&digest, async {
            if !digest::is_digest(&digest) {
                return Ok(Dating::MISSING);
            }
            match self.registry.manifest(self.repository, &digest, self.watch).await? {
                Some(manifest) => self.date_of_manifest(manifest, depth - 1).await,
                None => Ok(Dating::MISSING),
            }
        })
        .await
    }

    async fn date_of_config(&self, digest: String) -> Result<Dating, RegistryError> {
        self.once(&digest, async {
            let unreadable = Dating::complete(Found::Nothing(Undated::Unreadable));
            if !digest::is_digest(&digest) {
                return Ok(unreadable);
            }
            let Some(body) = self.registry.config(self.repository, &digest, self.watch).await? else {
                let repository = self.repository;
                self.watch.warn(&format!("an image of repository '{repository}' lacks its config {digest}"));
                return Ok(Dating { found: Found::Nothing(Undated::Absent), complete: false });
            };
            let Ok(config) = Config::parse(&body) else { return Ok(unreadable) };
            let created = Found::read(config.created.as_deref(), DateSource::Config);
            let label = Found::read(config.label.as_deref(), DateSource::Label);
            Ok(Dating::complete(created.or(label)))
        })
        .await
    }

    /// Reads what a digest names once, however many images share it.
    async fn once(
        &self,
        digest: &str,
        read: impl Future<Output = Result<Dating, RegistryError>>,
    ) -> Result<Dating, RegistryError> {
        let cell = Arc::clone(self.state().dated.entry(digest.to_owned()).or_default());
        cell.get_or_try_init(|| read).await.copied()
    }
}

/// Where else in a manifest a date can be.
enum Rest {
    Config(String),
    Children(Vec<Child>),
    None,
}
