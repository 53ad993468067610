//! When was an image made? A client of container registries that reads dates and writes nothing.

mod auth;
mod cache;
mod client;
mod dates;
mod dating;
pub mod digest;
mod error;
mod exchange;
pub mod headers;
mod images;
mod listing;
pub mod manifest;
mod said;
pub mod tags;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use client::{Options, Registry};
pub use error::RegistryError;

/// What the tags of an environment name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tagged {
    /// The images, by repository in the order asked for, then by tag.
    pub images: Vec<Image>,
    /// The tags that name something else, likewise.
    pub not_images: Vec<NotAnImage>,
}

/// A tag that names no image: a Helm chart, a signature, another artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotAnImage {
    /// The repository without its registry.
    pub repository: String,
    /// The tag.
    pub tag: String,
    /// What the registry says that it is: `application/vnd.cncf.helm.config.v1+json`.
    pub kind: String,
}

/// An image as a tag named it at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The repository without its registry, `team/billing`.
    pub repository: String,
    /// The tag, `1.4.0-develop`.
    pub tag: String,
    /// The digest of the manifest (of the index, where the tag names one): `sha256:…`.
    pub digest: String,
    /// When the image was built. None: see `undated`.
    pub created: Option<DateTime<Utc>>,
    /// Where the date was found.
    pub date_from: Option<DateSource>,
    /// A date over a day older that stands elsewhere on the image: builders hand on the dates of base images, and
    /// reproducible builds write old ones, so the later one counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_date: Option<Dated>,
    /// Why there is no date that could be relied upon.
    pub undated: Option<MissingDate>,
}

impl Image {
    /// An image of which nothing is known but its place and its digest.
    #[must_use]
    pub fn undated(repository: String, tag: String, digest: String) -> Self {
        Self { repository, tag, digest, created: None, date_from: None, older_date: None, undated: None }
    }
}

/// A date, and where it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dated {
    /// The instant.
    pub created: DateTime<Utc>,
    /// Where it was found. Of two places with the same instant the later in this list is named.
    pub date_from: DateSource,
}

/// Where a date was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateSource {
    /// `created` of the image's config blob.
    Config,
    /// `org.opencontainers.image.created` on the manifest, the index or a descriptor.
    Annotation,
    /// `org.opencontainers.image.created` or `org.label-schema.build-date`, labels inside the config.
    Label,
}

/// Why an image has no date that could be relied upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingDate {
    /// No date stands anywhere.
    Absent,
    /// A date that reproducible builds write, from before there were containers: the year 1970, 1980 or 1.
    Epoch,
    /// A date later than now.
    Future,
    /// Two or more different images of the repository all bear one and the same instant.
    SameInstant,
    /// A date stands there, and cannot be read as an RFC 3339 instant.
    Unreadable,
    /// An index none of whose children is an image that could be read.
    NoChild,
}
