//! `s3`: objects of a bucket.

use async_trait::async_trait;

use super::definition::{Argument, Command, Definition, Kind, Shape};
use super::echo::resource;
use super::settings::Settings;
use super::{Call, Failure, Module};
use crate::pipeline::value::{Value, from_json, to_json};
use crate::pipeline::world::World;
use crate::store::{Access, Key, Over, S3 as Bucket, Source as _, Store as _, StoreError};

/// See the head of this file.
pub struct S3;

/// No object that a test looks at is longer, in bytes.
const LONGEST: usize = 256 << 20;

/// How the keys are given, for who is refused with them.
const GIVEN_BY: &str = "`key_id` and `secret_key` of `config`";

const CONFIG: Argument = Argument::must(
    "config",
    Kind::Map,
    "The account: `key_id`, `secret_key`, and where they are not AWS' own `region` (us-east-1) and `url`, the endpoint.",
);

static DEFINITION: Definition = Definition {
    name: "s3",
    about: "Puts, gets, lists and deletes objects of S3 and of servers that speak as it does. The first part of a path is the bucket.",
    short: None,
    shape: Shape::Commands(&[
        Command {
            name: "put",
            about: "Puts an object, over one that is there; a bucket that is not there is made.",
            arguments: &[
                CONFIG,
                Argument::must("path", Kind::Text, "The bucket and the object: `/bucket/folder/file.csv`."),
                Argument::may("content", Kind::Any, "Its content: a text as it is, a map or list as JSON."),
                Argument::may(
                    "content_resource",
                    Kind::Resource,
                    "A file in the resources, which is a template itself; in the place of `content`.",
                ),
            ],
        },
        Command {
            name: "get",
            about: "Gets an object.",
            arguments: &[CONFIG, Argument::must("path", Kind::Text, "The bucket and the object, which must be there.")],
        },
        Command {
            name: "list",
            about: "Lists objects.",
            arguments: &[
                CONFIG,
                Argument::must(
                    "path",
                    Kind::Text,
                    "The bucket, and what the objects are below: `/bucket/dir` lists `dir` and `dir/…`, and not `dir2`.",
                ),
            ],
        },
        Command {
            name: "delete",
            about: "Deletes what is named, and nothing else; what is not there is deleted.",
            arguments: &[
                CONFIG,
                Argument::must(
                    "path",
                    Kind::Text,
                    "The bucket and the object; with `/` at its end all that is below it; a bucket alone must be empty.",
                ),
                Argument::may(
                    "recursive",
                    Kind::Flag,
                    "Whether all below the path is meant as well, false where nothing is said.",
                ),
            ],
        },
    ]),
    output: "Of `get` the content: JSON as what it says, any other text as it is; of `list` the objects' names, without the bucket.",
};

#[async_trait]
impl Module for S3 {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    async fn act(&self, call: &Call<'_>, world: &mut World) -> Result<Value, Failure> {
        let config = call.required("config", world)?;
        world.confide("config", &config);
        let path = Path::read(&call.required("path", world)?.to_string())?;
        let bucket = bucket(&config, &path.bucket, world)?;
        match call.command {
            "put" => {
                let content = match (call.value("content", world)?, call.text("content_resource", world)?) {
                    (Some(Value::Bytes(bytes)), None) => bytes,
                    (Some(value @ (Value::Map(_) | Value::List(_))), None) => to_json(&value).into_bytes(),
                    (Some(value), None) => value.to_string().into_bytes(),
                    (None, Some(file)) => resource(&file, world)?.into_bytes(),
                    _ => return Err(Failure::wrong("one of `content` and `content_resource` is expected")),
                };
                put(&bucket, &path, content).await?;
                Ok(Value::Null)
            }
            "get" => get(&bucket, &path).await,
            "list" => Ok(Value::List(path.listed(&bucket).await?.into_iter().map(Value::Text).collect())),
            _ => {
                let is_deep = call.flag("recursive", false, world)?;
                delete(&bucket, &path, is_deep).await.map(|()| Value::Null)
            }
        }
    }
}

fn bucket(config: &Value, name: &str, world: &World) -> Result<Bucket, Failure> {
    let settings = Settings::read("config", config, &["key_id", "secret_key", "region", "url"])?;
    let access = Access::of(&settings.required("key_id")?, &settings.required("secret_key")?);
    let (region, url) = (settings.text("region"), settings.text("url"));
    let place = (region.as_deref(), url.as_deref());
    let bucket = Bucket::of(name, place, (access, GIVEN_BY), &world.settings.http);
    bucket.map_err(|error| Failure::wrong(format!("'{name}' is no bucket: {error}")))
}

async fn put(bucket: &Bucket, path: &Path, content: Vec<u8>) -> Result<(), Failure> {
    let (key, content) = (path.key()?, bytes::Bytes::from(content));
    let put = async || bucket.put(&key, content.clone(), "application/octet-stream", &Over::Anything).await;
    match put().await {
        Err(StoreError::NoBucket(_)) => {
            bucket.make().await?;
            put().await?;
        }
        other => drop(other?),
    }
    Ok(())
}

async fn get(bucket: &Bucket, path: &Path) -> Result<Value, Failure> {
    let object = bucket.get(&path.key()?, LONGEST).await?;
    let Some(object) = object else {
        return Err(Failure::failed(format!("there is no object '{}' in the bucket '{}'", path.name, path.bucket)));
    };
    Ok(match String::from_utf8(object.body.to_vec()) {
        Ok(text) => from_json(&text).unwrap_or(Value::Text(text)),
        Err(error) => Value::Bytes(error.into_bytes()),
    })
}

async fn delete(bucket: &Bucket, path: &Path, is_deep: bool) -> Result<(), Failure> {
    let is_deep = is_deep || path.is_folder;
    let found = match path.listed(bucket).await {
        Err(Missing::Bucket(_)) => return Ok(()),
        other => other?,
    };
    let below = found.iter().filter(|name| **name != path.name).count();
    if !is_deep && below > 0 && (path.name.is_empty() || below == found.len()) {
        let (bucket, name, slash) = (&path.bucket, &path.name, if path.name.is_empty() { "" } else { "/" });
        let what = if name.is_empty() {
            format!("the bucket '{bucket}' is not empty")
        } else {
            format!("there is no object '{name}' in the bucket '{bucket}'")
        };
        let end = crate::words::counted(below, "object");
        return Err(Failure::failed(format!(
            "{what}, and nothing was deleted: below '/{bucket}{slash}{name}/' is {end}: write `recursive: true` where all of that is meant"
        )));
    }
    for name in found.iter().filter(|name| is_deep || **name == path.name) {
        bucket.delete_listed(name).await?;
    }
    if path.name.is_empty() {
        bucket.remove().await?;
    }
    Ok(())
}

/// Where an object is, or objects are.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Path {
    bucket: String,
    /// The object's name; empty for the whole bucket.
    name: String,
    /// Whether only what is below the name is meant.
    is_folder: bool,
}

impl Path {
    fn read(text: &str) -> Result<Self, Failure> {
        let text = text.strip_prefix("s3://").unwrap_or(text);
        let mut parts = text.split('/').filter(|part| !part.is_empty());
        let Some(bucket) = parts.next() else {
            return Err(Failure::wrong(format!("'{text}' is no path: /BUCKET/OBJECT is expected")));
        };
        let (bucket, name) = (bucket.to_owned(), parts.collect::<Vec<_>>().join("/"));
        Ok(Self { is_folder: text.ends_with('/'), bucket, name })
    }

    fn key(&self) -> Result<Key, Failure> {
        let refused = |why: String| Failure::wrong(format!("'{}' is no name of an object: {why}", self.name));
        Key::read(&self.name).map_err(refused)
    }

    /// The names of the objects that are meant: that of the path, and those below it.
    async fn listed(&self, bucket: &Bucket) -> Result<Vec<String>, Missing> {
        let mut found = Vec::new();
        let folder = format!("{}/", self.name);
        let is_meant =
            |name: &str| self.name.is_empty() || name.starts_with(&folder) || name == self.name && !self.is_folder;
        bucket.list(&self.name, &mut |object| found.extend(Some(object.key).filter(|name| is_meant(name)))).await?;
        Ok(found)
    }
}

/// Why there is no list.
enum Missing {
    /// There is no such bucket.
    Bucket(Failure),
    /// Anything else.
    Other(Failure),
}

impl From<StoreError> for Missing {
    fn from(error: StoreError) -> Self {
        match error {
            error @ StoreError::NoBucket(_) => Self::Bucket(error.into()),
            error => Self::Other(error.into()),
        }
    }
}

impl From<Missing> for Failure {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Bucket(failure) | Missing::Other(failure) => failure,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(why) => Self::unreachable(why),
            error => Self::failed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_bucket_and_a_name() {
        let read =
            |text: &str| Path::read(text).map(|path| (path.bucket, path.name, path.is_folder)).map_err(|it| it.why);
        let found = |bucket: &str, name: &str, is_folder| Ok((bucket.to_owned(), name.to_owned(), is_folder));
        assert_eq!(read("/foo/bar/file.csv"), found("foo", "bar/file.csv", false));
        assert_eq!(read("foo//bar/"), found("foo", "bar", true));
        assert_eq!(read("s3://foo"), found("foo", "", false));
        assert_eq!(read("/"), Err("'/' is no path: /BUCKET/OBJECT is expected".to_owned()));
        assert!(Path::read("/foo/../x").expect("a path").key().is_err());
    }
}
