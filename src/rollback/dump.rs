//! `rollback.json`, the file between `get` and `run`: what there was, in the shape that Jenkins pipelines read, with
//! all images beside it. It belongs to one environment, and it is written by `get` alone: a file that was cut short
//! or edited is refused.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate, Utc};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::points::Point;
use crate::platform::Ran;
use crate::registry::{Image, NotAnImage, digest};

/// The name of the file.
pub const NAME: &str = "rollback.json";

/// What `get` found, for `run`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dump {
    /// The repositories, in the order asked for.
    pub all: Vec<String>,
    /// The dates offered, newest first, each with the images of that very day, as `{tag: repository}`.
    pub rollbacks: IndexMap<NaiveDate, Vec<IndexMap<String, String>>>,
    /// The dates offered at which a service has no image yet, with those services.
    pub incomplete: IndexMap<NaiveDate, Vec<String>>,
    /// The environment at the end of the images' tags.
    pub env: String,
    /// The registry's URL, without credentials.
    pub registry: String,
    /// When it was written.
    pub generated: DateTime<Utc>,
    /// Every image of the environment, those that are too old to be offered as well.
    pub images: Vec<Image>,
    /// The tags of the environment that name no image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_images: Vec<NotAnImage>,
    /// What each service ran, by its repository, the newest first: as far as that was read.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub ran: IndexMap<String, Vec<Ran>>,
}

/// Why a dump cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// There is none.
    #[error("there is no '{}': run `rollback_service get` first, or name its folder with --dump", .0.display())]
    Missing(PathBuf),
    /// It cannot be read.
    #[error("failed to read '{}'", .0.display())]
    Unreadable(PathBuf, #[source] std::io::Error),
    /// It is no dump, or only the beginning of one.
    #[error("'{}' is damaged or cut short: run `rollback_service get` again", .0.display())]
    Damaged(PathBuf, #[source] serde_json::Error),
    /// Somebody changed it.
    #[error("'{}' was edited since `rollback_service get` wrote it: run `rollback_service get` again", .0.display())]
    Edited(PathBuf),
    /// It cannot be written.
    #[error("failed to write '{}'", .0.display())]
    Unwritable(PathBuf, #[source] std::io::Error),
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    #[serde(flatten)]
    dump: Dump,
    /// SHA-256 of the dump in compact JSON: white space may change, nothing else.
    checksum: String,
}

impl Dump {
    /// The dump of what was found.
    #[must_use]
    pub fn new(
        repositories: &[String],
        environment: &str,
        registry: &str,
        now: DateTime<Utc>,
        images: &[Image],
        points: &[Point<'_>],
    ) -> Self {
        let of_the_day = |point: &Point<'_>| {
            let same_day = images.iter().filter(|image| point.is_of_the_day(image));
            same_day.map(|image| IndexMap::from([(image.tag.clone(), image.repository.clone())])).collect()
        };
        let without_image = |point: &Point<'_>| {
            let pairs = repositories.iter().zip(&point.images).filter(|(_, image)| image.is_none());
            pairs.map(|(repository, _)| repository.clone()).collect()
        };
        let incomplete = points.iter().filter(|point| !point.is_complete());
        Self {
            all: repositories.to_vec(),
            rollbacks: points.iter().map(|point| (point.date, of_the_day(point))).collect(),
            incomplete: incomplete.map(|point| (point.date, without_image(point))).collect(),
            env: environment.to_owned(),
            registry: registry.to_owned(),
            generated: now,
            images: images.to_vec(),
            not_images: Vec::new(),
            ran: IndexMap::new(),
        }
    }

    /// Writes the dump into a folder, whole or not at all, and returns the file's path.
    ///
    /// # Errors
    /// [`DumpError::Unwritable`]; a dump that was there is then still there.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, DumpError> {
        let path = folder.join(NAME);
        let write = || {
            // As any file that a program makes: what others may do with it is the umask's business.
            let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(0o666)).tempfile_in(folder)?;
            let sealed = Sealed { dump: self.clone(), checksum: self.checksum() };
            serde_json::to_writer_pretty(&mut file, &sealed)?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)?;
            std::fs::File::open(folder)?.sync_all()
        };
        write().map_err(|error| DumpError::Unwritable(path.clone(), error)).map(|()| path)
    }

    /// Reads the dump in a folder.
    ///
    /// # Errors
    /// A [`DumpError`] that says what is wrong with it.
    pub fn read(folder: &Path) -> Result<Self, DumpError> {
        let path = folder.join(NAME);
        let bytes = std::fs::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => DumpError::Missing(path.clone()),
            _ => DumpError::Unreadable(path.clone(), error),
        })?;
        let sealed = Self::open(&bytes).map_err(|error| DumpError::Damaged(path.clone(), error))?;
        sealed.ok_or(DumpError::Edited(path))
    }

    /// The dump in these bytes; none where its checksum is that of another.
    ///
    /// # Errors
    /// Where the bytes are not a dump.
    pub fn open(bytes: &[u8]) -> Result<Option<Self>, serde_json::Error> {
        let Sealed { dump, checksum } = serde_json::from_slice(bytes)?;
        Ok((dump.checksum() == checksum).then_some(dump))
    }

    fn checksum(&self) -> String {
        digest::of(&serde_json::to_vec(self).expect("a dump is plain data"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::points::{points, tests::image};
    use super::*;
    use crate::registry::{DateSource, Dated};

    fn dump() -> Dump {
        let day = 24 * 60;
        let images = [
            image("orders", "1-develop", Some(day)),
            image("billing", "1-develop", Some(0)),
            image("billing", "2-develop", Some(day)),
            image("billing", "3-develop", Some(day + 1)),
            image("billing", "odd-develop", None),
        ];
        let repositories = ["billing".to_owned(), "orders".to_owned()];
        let now = image("", "", Some(3 * day)).created.expect("an instant");
        Dump::new(&repositories, "develop", "https://registry.test", now, &images, &points(&repositories, &images, 10))
    }

    #[test]
    fn has_the_shape_that_pipelines_read_newest_day_first() {
        let value = serde_json::to_value(dump()).expect("JSON");
        assert_eq!(value["all"], serde_json::json!(["billing", "orders"]));
        assert_eq!(
            serde_json::to_string(&value["rollbacks"]).expect("JSON"),
            r#"{"2026-11-02":[{"1-develop":"orders"},{"2-develop":"billing"},{"3-develop":"billing"}],"2026-11-01":[{"1-develop":"billing"}]}"#
        );
        assert_eq!(value["incomplete"], serde_json::json!({"2026-11-01": ["orders"]}));
        assert_eq!(value["images"].as_array().map(Vec::len), Some(5));
        assert_eq!(value["images"][4]["undated"], "absent");
    }

    /// What is not there is not written, so that a dump of before it was known still has its checksum.
    #[test]
    fn what_names_no_image_and_a_second_date_are_kept_where_there_are_any() {
        let mut dump = dump();
        let value = serde_json::to_value(&dump).expect("JSON");
        assert!(value.get("not_images").is_none() && value["images"][0].get("older_date").is_none());
        let kind = "application/vnd.cncf.helm.config.v1+json".to_owned();
        dump.not_images = vec![NotAnImage { repository: "orders".to_owned(), tag: "1.2.1-develop".to_owned(), kind }];
        let created = "2026-10-01T08:00:00Z".parse().expect("an instant");
        dump.images[0].older_date = Some(Dated { created, date_from: DateSource::Annotation });
        let value = serde_json::to_value(&dump).expect("JSON");
        let chart =
            r#"[{"repository":"orders","tag":"1.2.1-develop","kind":"application/vnd.cncf.helm.config.v1+json"}]"#;
        assert_eq!(value["not_images"].to_string(), chart);
        let older = r#"{"created":"2026-10-01T08:00:00Z","date_from":"annotation"}"#;
        assert_eq!(value["images"][0]["older_date"].to_string(), older);
        let folder = tempfile::tempdir().expect("a folder");
        dump.write(folder.path()).expect("to write");
        assert_eq!(Dump::read(folder.path()).expect("to read"), dump);
    }

    #[test]
    fn is_read_as_it_was_written_and_leaves_nothing_else_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = dump().write(folder.path()).expect("to write");
        dump().write(folder.path()).expect("to write again");
        assert_eq!(Dump::read(folder.path()).expect("to read"), dump());
        let files: Vec<_> =
            std::fs::read_dir(folder.path()).expect("a folder").map(|f| f.expect("a file").path()).collect();
        assert_eq!(files, [path]);
    }

    #[test]
    fn a_dump_that_is_missing_cut_short_edited_or_something_else_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(matches!(Dump::read(folder.path()), Err(DumpError::Missing(_))));
        let path = dump().write(folder.path()).expect("to write");
        let text = std::fs::read_to_string(&path).expect("to read");
        for end in 0..text.len() - 2 {
            std::fs::write(&path, &text[..end]).expect("to write");
            assert!(matches!(Dump::read(folder.path()), Err(DumpError::Damaged(..))), "cut at {end}");
        }
        for (from, to) in [("3-develop", "4-develop"), ("\"develop\"", "\"stage\""), ("2026-11-02T", "2026-11-03T")] {
            std::fs::write(&path, text.replace(from, to)).expect("to write");
            assert!(matches!(Dump::read(folder.path()), Err(DumpError::Edited(_))), "{from} → {to}");
        }
        let respaced = serde_json::from_str::<serde_json::Value>(&text).expect("JSON").to_string();
        std::fs::write(&path, respaced).expect("to write");
        assert_eq!(Dump::read(folder.path()).expect("white space may change"), dump());
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = dump().write(Path::new("/no/such/folder")).expect_err("a refusal");
        assert_eq!(error.to_string(), "failed to write '/no/such/folder/rollback.json'");
    }
}
