//! What a manifest says about its date, with all that it leads to: its config, and the parts of an index.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::{BoxFuture, try_join_all};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use super::client::Fetched;
use super::dates::Dates;
use super::error::RegistryError;
use super::images::Reading;
use super::manifest::{Child, Config, Manifest};
use super::{DateSource, MissingDate, digest};

/// An index in an index in an index…: deeper ones are not read.
pub(super) const DEEPEST: u8 = 4;

/// What a digest names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Found {
    /// An image, or an index of images.
    Image(Dates),
    /// An index without any image that is there: it cannot be pulled, whatever an annotation says of it.
    Hollow,
    /// Something else.
    Other { kind: String },
}

/// What a digest names, and whether everything was there that this depends on.
#[derive(Debug, Clone)]
pub(super) struct Dating {
    pub(super) found: Found,
    pub(super) complete: bool,
}

/// What was read in this run, by digest, so that what several images share is read once.
pub(super) type ReadOnce = HashMap<String, Arc<OnceCell<Dating>>>;

impl Dating {
    fn complete(dates: Dates) -> Self {
        Self { found: Found::Image(dates), complete: true }
    }

    fn other(kind: impl Into<String>) -> Self {
        Self { found: Found::Other { kind: kind.into() }, complete: true }
    }

    /// The same with what an annotation says.
    fn noted(mut self, annotation: Option<&str>) -> Self {
        if let Found::Image(dates) = &mut self.found {
            *dates = dates.and(Dates::read(annotation, DateSource::Annotation));
        }
        self
    }
}

impl Reading<'_> {
    /// The dates of an image: of its annotation and its config. Of an index: of its annotation and all its images.
    pub(super) fn date_of_manifest(
        &self,
        manifest: Fetched,
        depth: u8,
    ) -> BoxFuture<'_, Result<Dating, RegistryError>> {
        Box::pin(async move {
            Ok(match Manifest::parse(&manifest.body) {
                Ok(Manifest::Image { config, created }) => self.date_of_config(config).await?.noted(created.as_deref()),
                Ok(Manifest::Index { children, created }) => {
                    self.date_of_children(children, depth).await?.noted(created.as_deref())
                }
                Ok(Manifest::Schema1) => Dating::other("Docker's schema 1"),
                Ok(Manifest::Other { kind }) => Dating::other(kind),
                Err(_) => Dating::complete(Dates::none(MissingDate::Unreadable)),
            })
        })
    }

    async fn date_of_children(&self, children: Vec<Child>, depth: u8) -> Result<Dating, RegistryError> {
        let children = if depth > 0 { children } else { Vec::new() };
        let read = try_join_all(children.into_iter().map(|child| self.date_of_child(child, depth))).await?;
        let complete = read.iter().all(|dating| dating.complete);
        let images = read.iter().filter_map(|dating| match dating.found {
            Found::Image(dates) => Some(dates),
            Found::Hollow | Found::Other { .. } => None,
        });
        Ok(Dating { found: images.reduce(Dates::and).map_or(Found::Hollow, Found::Image), complete })
    }

    async fn date_of_child(&self, child: Child, depth: u8) -> Result<Dating, RegistryError> {
        let digest = child.digest;
        let read = self.once(&digest, async {
            let missing = Dating { found: Found::Hollow, complete: false };
            if !digest::is_digest(&digest) {
                return Ok(missing);
            }
            match self.registry.manifest(self.repository, &digest, self.watch).await? {
                Some(manifest) => self.date_of_manifest(manifest, depth - 1).await,
                None => Ok(missing),
            }
        });
        Ok(read.await?.noted(child.created.as_deref()))
    }

    async fn date_of_config(&self, digest: String) -> Result<Dating, RegistryError> {
        self.once(&digest, async {
            let unreadable = Dating::complete(Dates::none(MissingDate::Unreadable));
            if !digest::is_digest(&digest) {
                return Ok(unreadable);
            }
            let Some(body) = self.registry.config(self.repository, &digest, self.watch).await? else {
                let repository = self.repository;
                self.watch.warn(&format!("an image of repository '{repository}' lacks its config {digest}"));
                return Ok(Dating { found: Found::Image(Dates::none(MissingDate::Absent)), complete: false });
            };
            let Ok(config) = Config::parse(&body) else { return Ok(unreadable) };
            let created = Dates::read(config.created.as_deref(), DateSource::Config);
            let labels = config.labels.iter().map(|label| Dates::read(label.as_deref(), DateSource::Label));
            Ok(Dating::complete(labels.fold(created, Dates::and)))
        })
        .await
    }

    /// Reads what a digest names once, however many images share it.
    async fn once(
        &self,
        digest: &str,
        read: impl Future<Output = Result<Dating, RegistryError>>,
    ) -> Result<Dating, RegistryError> {
        self.read_once(digest).get_or_try_init(|| read).await.cloned()
    }
}
