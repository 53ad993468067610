//! A folder of files.
//!
//! A file is written beside the others under `.firebreak/`, brought to the disk, and only then moved to its name: whoever looks sees
//! all of it or nothing. What a run that was killed leaves there is removed by a later one.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::Access as Permission;
use tempfile::NamedTempFile;

use super::key::PARTS;
use super::{Checksum, Head, Key, Listed, Object, Over, Source, Store, StoreError, Stored};
use crate::port::Unfit;

/// A part that is older was left by a run that was killed.
const ABANDONED: Duration = Duration::from_hours(1);

/// A folder of files.
pub struct Folder {
    root: PathBuf,
    address: String,
    swept: Arc<Once>,
}

impl Folder {
    /// A folder. Whether it is there shows when it is asked.
    ///
    /// # Errors
    /// When the address is empty.
    pub fn open(address: &str) -> Result<Self, Unfit> {
        if address.is_empty() {
            return Err(Unfit("a folder or an address is needed, and nothing was given".to_owned()));
        }
        Ok(Self { root: address.into(), address: address.to_owned(), swept: Arc::new(Once::new()) })
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }

    /// Runs what waits for the disk where it keeps nobody else waiting.
    async fn at_leisure<T, F>(work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, StoreError> + Send + 'static,
    {
        let ended = tokio::task::spawn_blocking(work).await;
        ended.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
    }
}

/// What an error of the system means for who asked for a file.
fn failed(what: &str, path: &Path, error: &io::Error) -> StoreError {
    let why = format!("failed to {what} {}: {error}", path.display());
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem => {
            StoreError::Unavailable(why)
        }
        _ => StoreError::Refused(why),
    }
}

/// Whether there is nothing at a path: also where a part of the path is a file.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// What tells a version of a file from any other.
fn version(metadata: &Metadata) -> String {
    let (device, inode, size) = (metadata.dev(), metadata.ino(), metadata.len());
    format!("{device}-{inode}-{size}-{}.{}", metadata.mtime(), metadata.mtime_nsec())
}

/// A file that is there, opened to be read.
fn opened(path: &Path) -> Result<Option<(File, Metadata)>, StoreError> {
    // A pipe would be waited for, and a device read for ever: what it is is looked at before it is opened.
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(StoreError::Refused(format!("{} is no file", path.display()))),
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => return Err(failed("read", path, &error)),
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => return Err(failed("read", path, &error)),
    };
    let metadata = file.metadata().map_err(|error| failed("read", path, &error))?;
    Ok(Some((file, metadata)))
}

fn head(path: &Path) -> Result<Option<Head>, StoreError> {
    let Some((file, metadata)) = opened(path)? else { return Ok(None) };
    let (size, checksum) = Checksum::of_reader(file).map_err(|error| failed("read", path, &error))?;
    Ok(Some(told(&metadata, size, checksum)))
}

fn told(metadata: &Metadata, size: u64, checksum: Checksum) -> Head {
    let modified = metadata.modified().ok().map(Into::into);
    Head { size: Some(size), modified, checksum: Some(checksum), version: Some(version(metadata)) }
}

fn read(path: &Path, limit: usize) -> Result<Option<Object>, StoreError> {
    let Some((file, metadata)) = opened(path)? else { return Ok(None) };
    let mut body = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut body).map_err(|error| failed("read", path, &error))?;
    if body.len() > limit {
        return Err(StoreError::TooLong(limit));
    }
    let head = told(&metadata, body.len() as u64, Checksum::of(&body));
    Ok(Some(Object { head, body: body.into() }))
}

fn write(root: &Path, path: &Path, body: &[u8], over: &Over) -> Result<Stored, StoreError> {
    let parts = root.join(PARTS);
    let folder = path.parent().unwrap_or(root);
    for folder in [&*parts, folder] {
        fs::create_dir_all(folder).map_err(|error| failed("make the folder", folder, &error))?;
    }
    let failed = |error: &io::Error| failed("write", path, error);
    let mut part = NamedTempFile::with_prefix_in("part-", &parts).map_err(|error| failed(&error))?;
    part.write_all(body).map_err(|error| failed(&error))?;
    // As a program that keeps no secrets writes a file: others may read it.
    part.as_file().set_permissions(fs::Permissions::from_mode(0o644)).map_err(|error| failed(&error))?;
    part.as_file().sync_all().map_err(|error| failed(&error))?;
    let moved = match over {
        Over::Nothing => part.persist_noclobber(path),
        Over::Version(seen) => match fs::metadata(path) {
            Ok(metadata) if version(&metadata) == *seen => part.persist(path),
            Ok(_) => return Ok(Stored::Changed),
            Err(error) if is_missing(&error) => return Ok(Stored::Changed),
            Err(error) => return Err(failed(&error)),
        },
        Over::Anything => part.persist(path),
    };
    match moved {
        Ok(_) => {}
        Err(refused) if refused.error.kind() == ErrorKind::AlreadyExists => return Ok(Stored::Changed),
        Err(refused) => return Err(failed(&refused.error)),
    }
    // The name is brought to the disk as well.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed(&error))?;
    Ok(Stored::Yes)
}

/// Removes what runs that were killed left behind. What cannot be removed is in nobody's way.
fn sweep(root: &Path) {
    for part in fs::read_dir(root.join(PARTS)).into_iter().flatten().flatten() {
        let age = part.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|when| when.elapsed().ok());
        if age.is_some_and(|age| age > ABANDONED) {
            let _ = fs::remove_file(part.path());
        }
    }
}

/// Shows each file below a folder; `name` is the name of that folder, empty for the root.
fn walk(root: &Path, name: &str, prefix: &str, see: &mut dyn FnMut(Listed)) -> io::Result<u64> {
    let mut count = 0;
    for entry in fs::read_dir(root.join(name))? {
        let entry = entry?;
        // A name that is no text is no object's.
        let Ok(own) = entry.file_name().into_string() else { continue };
        let key = if name.is_empty() { own } else { format!("{name}/{own}") };
        if key == PARTS {
            continue;
        }
        let metadata = match fs::metadata(entry.path()) {
            Ok(metadata) => metadata,
            Err(error) if is_missing(&error) => continue,
            Err(error) => return Err(error),
        };
        let is_folder = entry.file_type()?.is_dir();
        if is_folder && (key.starts_with(prefix) || prefix.starts_with(&format!("{key}/"))) {
            count += walk(root, &key, prefix, see)?;
        } else if metadata.is_file() && key.starts_with(prefix) {
            count += 1;
            see(Listed { key, size: metadata.len(), modified: metadata.modified().ok().map(Into::into) });
        }
    }
    Ok(count)
}

#[async_trait]
impl Source for Folder {
    async fn there(&self) -> Result<(), StoreError> {
        self.ready(false).await
    }

    async fn head(&self, key: &Key) -> Result<Option<Head>, StoreError> {
        let path = self.path(key);
        Self::at_leisure(move || head(&path)).await
    }

    async fn get(&self, key: &Key, limit: usize) -> Result<Option<Object>, StoreError> {
        let path = self.path(key);
        Self::at_leisure(move || read(&path, limit)).await
    }
}

#[async_trait]
impl Store for Folder {
    fn address(&self) -> &str {
        &self.address
    }

    async fn ready(&self, to_write: bool) -> Result<(), StoreError> {
        let unavailable = |why: &str| StoreError::Unavailable(format!("{}: {why}", self.address));
        match fs::metadata(&self.root) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(unavailable("it is no folder")),
            Err(error) if is_missing(&error) => {
                return Err(unavailable("there is no such folder: is its file system mounted, and the path right?"));
            }
            Err(error) => return Err(unavailable(&error.to_string())),
        }
        let needed = if to_write { Permission::WRITE_OK | Permission::EXEC_OK } else { Permission::EXEC_OK };
        rustix::fs::access(&self.root, needed).map_err(|error| {
            let what = if to_write { "written" } else { "read" };
            unavailable(&format!("it cannot be {what} by this user: {}", io::Error::from(error)))
        })
    }

    async fn make(&self) -> Result<(), StoreError> {
        fs::create_dir_all(&self.root).map_err(|error| failed("make the folder", &self.root, &error))
    }

    async fn list(&self, prefix: &str, see: &mut (dyn FnMut(Listed) + Send)) -> Result<u64, StoreError> {
        walk(&self.root, "", prefix, see).map_err(|error| failed("list", &self.root, &error))
    }

    async fn put(&self, key: &Key, body: Bytes, _kind: &str, over: &Over) -> Result<Stored, StoreError> {
        let (root, path, swept) = (self.root.clone(), self.path(key), Arc::clone(&self.swept));
        let over = over.clone();
        Self::at_leisure(move || {
            swept.call_once(|| sweep(&root));
            write(&root, &path, &body, &over)
        })
        .await
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        let path = self.path(key);
        match fs::remove_file(&path) {
            Err(error) if !is_missing(&error) => Err(failed("remove", &path, &error)),
            _ => Ok(()),
        }
    }
}
