//! The port to a store of objects: a folder, or a bucket of an S3 server. An object is a name and its bytes, whole or not there.
//!
//! What a store says of an object's content is believed only by the SHA-256 that whoever stored it wrote beside it: the `ETag` of an S3
//! object that was stored in parts is no checksum of its bytes.

mod address;
mod folder;
mod key;
mod s3;
mod web;

use std::io::{self, BufRead as _, BufReader, Read};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

pub use folder::Folder;
pub use key::Key;
pub use s3::{Access, S3};
pub use web::{UrlPattern, Web};

use crate::http::Trust;
use crate::words::hexadecimal;

/// How many bytes of a file are read at a time.
const PART: usize = 256 * 1024;

const KNOWN: &str = "known are a folder, and s3://BUCKET/PREFIX?endpoint=https://HOST&region=REGION";

/// A SHA-256 in 64 small hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum(String);

impl Checksum {
    /// The checksum of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_digest(&Sha256::digest(bytes))
    }

    /// How many bytes there are to be read, and their checksum. No more than a part of them is kept in memory.
    ///
    /// # Errors
    /// When they cannot be read.
    fn of_reader(source: impl Read) -> io::Result<(u64, Self)> {
        let (mut source, mut digest, mut size) = (BufReader::with_capacity(PART, source), Sha256::new(), 0);
        loop {
            let part = match source.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if part.is_empty() {
                return Ok((size, Self::of_digest(&digest.finalize())));
            }
            digest.update(part);
            let length = part.len();
            size += length as u64;
            source.consume(length);
        }
    }

    /// A SHA-256 that was computed already.
    fn of_digest(digest: &[u8]) -> Self {
        Self(hexadecimal(digest))
    }

    /// Reads a checksum that somebody wrote, in digits of either case; none where it is none.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let is_one = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_one.then(|| Self(text.to_ascii_lowercase()))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As people tell one from another: the first twelve digits.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

/// What a store says of an object without showing its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its size in bytes; none where that is not said.
    pub size: Option<u64>,
    /// When it was stored; none where that is not said.
    pub modified: Option<DateTime<Utc>>,
    /// Its SHA-256: a folder's by its content, S3's as whoever stored it wrote it down; none where nobody did.
    pub checksum: Option<Checksum>,
    /// What tells this version of it from any other, in the store's own way.
    pub version: Option<String>,
}

/// An object.
#[derive(Debug, Clone)]
pub struct Object {
    /// What the store says of it.
    pub head: Head,
    /// Its content.
    pub body: Bytes,
}

/// An object, as a list of a store names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was stored; none where that is not said.
    pub modified: Option<DateTime<Utc>>,
}

/// What a store is to have instead of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Over {
    /// None: it is stored only where there is none.
    Nothing,
    /// This version of it, and no other.
    Version(String),
    /// Whatever is there.
    Anything,
}

/// How storing ended, where nothing failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It is stored.
    Yes,
    /// What is there is not what was to be replaced: nothing was changed.
    Changed,
}

/// Why a store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It does not answer, or is not there: another object would fare no better.
    #[error("{0}")]
    Unavailable(String),
    /// It refuses this object.
    #[error("{0}")]
    Refused(String),
    /// The object is longer than the caller bears.
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
}

/// What objects can be had from.
#[async_trait]
pub trait Source: Send + Sync {
    /// Whether it is there, where that can be seen without asking for an object.
    ///
    /// # Errors
    /// When it is not.
    async fn there(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// What is said of an object; none where there is no such object.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn head(&self, key: &Key) -> Result<Option<Head>, StoreError>;

    /// An object, whose content has `limit` bytes at most; none where there is no such object.
    ///
    /// # Errors
    /// When the store cannot be read, or the content is longer.
    async fn get(&self, key: &Key, limit: usize) -> Result<Option<Object>, StoreError>;
}

/// A store of objects.
#[async_trait]
pub trait Store: Source {
    /// Where it is, without credentials.
    fn address(&self) -> &str;

    /// Whether it is there and, where that can be seen without writing, may be written.
    ///
    /// # Errors
    /// When it is not, or may not.
    async fn ready(&self, to_write: bool) -> Result<(), StoreError>;

    /// Makes the bucket or folder; one that is there already stays as it is.
    ///
    /// # Errors
    /// When it cannot be made.
    async fn make(&self) -> Result<(), StoreError>;

    /// Shows each object whose name begins with `prefix`, as it comes in; the list is not kept. Gives their number.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn list(&self, prefix: &str, see: &mut (dyn FnMut(Listed) + Send)) -> Result<u64, StoreError>;

    /// Stores an object whole or not at all, over what is said. `kind` is its media type.
    ///
    /// # Errors
    /// When it is not stored.
    async fn put(&self, key: &Key, body: Bytes, kind: &str, over: &Over) -> Result<Stored, StoreError>;

    /// Removes an object, where there is one.
    ///
    /// # Errors
    /// When it is still there.
    async fn delete(&self, key: &Key) -> Result<(), StoreError>;
}

/// Opens the store at an address: nothing is asked yet. `access` is for S3 alone.
///
/// # Errors
/// When the address names no store ([`Unfit`](crate::port::Unfit)), or no HTTP client can be made.
pub fn connect(address: &str, access: Option<Access>, trust: &Trust) -> anyhow::Result<Box<dyn Store>> {
    Ok(match address.split_once("://") {
        Some(("s3", _)) => Box::new(S3::open(address, access, trust)?),
        Some(_) => {
            let address = crate::address::printable(address);
            return Err(crate::port::Unfit(format!("'{address}' names no store: {KNOWN}")).into());
        }
        None => Box::new(Folder::open(address)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_sixty_four_digits() {
        let checksum = Checksum::of(b"abc");
        assert_eq!(checksum.as_str(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(checksum.short(), &checksum.as_str()[..12]);
        assert_eq!(Checksum::read(&checksum.as_str().to_uppercase()), Some(checksum.clone()));
        for text in ["", "abcd", &format!("{}é", &checksum.as_str()[..62]), &"g".repeat(64)] {
            assert_eq!(Checksum::read(text), None, "{text}");
        }
    }

    #[test]
    fn an_address_of_something_else_is_refused() {
        let error = connect("ftp://h/x", None, &Trust::default()).err().expect("refused").to_string();
        assert_eq!(error, format!("'ftp://h/x' names no store: {KNOWN}"));
        let error = connect("S3://KEY:hunter2@bucket/x", None, &Trust::default()).err().expect("refused").to_string();
        assert_eq!(error, format!("'S3://bucket/x' names no store: {KNOWN}"));
    }
}
