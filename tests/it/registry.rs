//! The registry client against Debian's docker-registry, and against servers that misbehave (`odd`).

mod cut;
mod exhibition;
mod odd;
mod people;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, Utc};
use firebreak::http::Trust;
use firebreak::registry::{DateSource, Image, MissingDate, Options, Registry, RegistryError, Tagged};
use firebreak::watch::{Progress, Unwatched, Watch};

use crate::support::registry::{DockerRegistry, Guard, PASSWORD, USER, config};
use crate::support::wire::Wire;
use exhibition::Exhibition;

const NOW: &str = "2026-12-01T00:00:00Z";

/// Keeps what it is told.
#[derive(Default)]
struct WatchLog {
    warnings: Mutex<Vec<String>>,
    progress: Mutex<Vec<(String, u64, u64)>>,
}

impl Watch for WatchLog {
    fn at(&self, subject: &str, progress: &Progress) {
        self.progress.lock().unwrap().push((subject.to_owned(), progress.done, progress.total));
    }

    fn warn(&self, message: &str) {
        self.warnings.lock().unwrap().push(message.to_owned());
    }
}

impl WatchLog {
    fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap().clone()
    }
}

fn now() -> DateTime<Utc> {
    NOW.parse().unwrap()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn open(url: &str, options: Options) -> Registry {
    let client = firebreak::http::client(&Trust::default()).unwrap();
    Registry::new(&url.into(), client, options).unwrap()
}

fn remembering(folder: &Path) -> Options {
    Options { cache_folder: Some(folder.to_owned()), ..Options::default() }
}

async fn develop(registry: &Registry, repositories: &[&str]) -> Result<Vec<Image>, RegistryError> {
    registry.images(&names(repositories), "develop", now(), &Unwatched).await.map(|tagged| tagged.images)
}

fn dated(repository: &str, tag: &str, digest: &str, created: &str, from: DateSource) -> Image {
    let (created, date_from) = (Some(created.parse().unwrap()), Some(from));
    let image = Image::undated(repository.into(), tag.into(), digest.into());
    Image { created, date_from, ..image }
}

fn undated(repository: &str, tag: &str, digest: &str, why: MissingDate) -> Image {
    Image { undated: Some(why), ..Image::undated(repository.into(), tag.into(), digest.into()) }
}

/// How many requests of each kind there were.
fn kinds(requests: &[String]) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    for line in requests {
        let kind = match line.split_once(' ').unwrap() {
            ("GET", path) if path.contains("/tags/list") => "list",
            ("GET", path) if path.contains("/manifests/") => "manifest",
            ("GET", path) if path.contains("/blobs/") => "config",
            ("HEAD", path) if path.contains("/manifests/") => "head",
            _ => "other",
        };
        *kinds.entry(kind).or_default() += 1;
    }
    kinds
}

fn counts(kinds: &[(&'static str, usize)]) -> BTreeMap<&'static str, usize> {
    kinds.iter().copied().collect()
}

#[tokio::test]
async fn every_kind_of_image_is_dated_in_the_least_requests() {
    let server = DockerRegistry::start();
    let repository = "team/billing";
    let exhibition = Exhibition { server: &server, repository };
    let mut expected = exhibition.images().await;
    expected.extend(exhibition.indexes().await);
    exhibition.strangers().await;

    let wire = Wire::to(server.port, Duration::ZERO);
    let url = format!("http://127.0.0.1:{}", wire.port);
    let folder = tempfile::tempdir().unwrap();
    let told = WatchLog::default();
    let cold = open(&url, remembering(folder.path()));
    let images = cold.images(&names(&[repository, repository]), "develop", now(), &told).await.unwrap();
    assert_eq!(images.images, expected);
    assert!(told.warnings().is_empty(), "{:?}", told.warnings());
    let steps: Vec<_> = [(0, 0)].into_iter().chain((0..=23).map(|done| (done, 23))).collect();
    let seen: Vec<_> = told.progress.lock().unwrap().iter().map(|(_, done, total)| (*done, *total)).collect();
    assert_eq!(seen, steps);
    // 23 tags; 6 different children (three images, one that is lost, an index in an index, one in the list); configs:
    // 12 of images that stand alone (one of them shared with the list), 3 of children.
    assert_eq!(kinds(&wire.take()), counts(&[("list", 1), ("manifest", 23 + 6), ("config", 13 + 3)]));

    // What has no date, or an old one, because a child is missing is not remembered: the child may come back. Three
    // indexes lack the same one; one of them has another.
    let warm = open(&url, remembering(folder.path()));
    assert_eq!(develop(&warm, &[repository]).await.unwrap(), expected);
    assert_eq!(kinds(&wire.take()), counts(&[("head", 20), ("list", 1), ("manifest", 3 + 2), ("config", 1)]));
    let unmoving = || Options { immutable_tags: true, ..remembering(folder.path()) };
    assert_eq!(develop(&open(&url, unmoving()), &[repository]).await.unwrap(), expected);
    assert_eq!(kinds(&wire.take()), counts(&[("list", 1), ("manifest", 3 + 2), ("config", 1)]));

    for tag in ["l-child-missing-develop", "m-all-missing-develop", "r2-annotated-and-gone-develop"] {
        let place = expected.iter().position(|image| image.tag == tag).unwrap();
        server.delete(repository, &expected.remove(place).digest).await;
    }
    assert_eq!(develop(&warm, &[repository]).await.unwrap(), expected);
    assert_eq!(kinds(&wire.take()), counts(&[("head", 20), ("list", 1)]));
    assert_eq!(develop(&open(&url, unmoving()), &[repository]).await.unwrap(), expected);
    assert_eq!(kinds(&wire.take()), counts(&[("list", 1)]));

    // A new tag costs its manifest and config, whether or not the others are asked for.
    let digest = exhibition.image(Some("s-new-develop"), Some("2026-11-21T08:00:00Z")).await;
    expected.push(dated(repository, "s-new-develop", &digest, "2026-11-21T08:00:00Z", DateSource::Config));
    assert_eq!(develop(&open(&url, unmoving()), &[repository]).await.unwrap(), expected);
    assert_eq!(kinds(&wire.take()), counts(&[("list", 1), ("manifest", 1), ("config", 1)]));

    // A tag that moves is seen at once, except where it was declared that none does.
    let digest = exhibition.image(Some("a-oci-develop"), Some("2026-11-22T08:00:00Z")).await;
    assert_eq!(develop(&open(&url, unmoving()), &[repository]).await.unwrap(), expected);
    expected[0] = dated(repository, "a-oci-develop", &digest, "2026-11-22T08:00:00Z", DateSource::Config);
    assert_eq!(develop(&warm, &[repository]).await.unwrap(), expected);
}

#[tokio::test]
async fn one_instant_for_all_images_of_a_repository_is_no_date() {
    let server = DockerRegistry::start();
    let mut expected = Vec::new();
    for (tag, mark) in [("1-develop", "one"), ("2-develop", "two"), ("3-develop", "two")] {
        let digest = server.push_oci("kaniko", Some(tag), config(Some("2026-11-20T08:00:00Z"), mark)).await;
        expected.push(undated("kaniko", tag, &digest, MissingDate::SameInstant));
    }
    for tag in ["1-develop", "2-develop"] {
        let digest = server.push_oci("retagged", Some(tag), config(Some("2026-11-20T08:00:00Z"), "one")).await;
        expected.push(dated("retagged", tag, &digest, "2026-11-20T08:00:00Z", DateSource::Config));
    }
    let registry = open(&server.url(), Options::default());
    assert_eq!(develop(&registry, &["kaniko", "retagged"]).await.unwrap(), expected);
}

#[tokio::test]
async fn repositories_that_cannot_be_read_are_named() {
    let server = DockerRegistry::start();
    let digest = server.push_oci("emptied", Some("1-develop"), config(None, "x")).await;
    server.delete("emptied", &digest).await;
    server.push_oci("web", Some("1-stage"), config(None, "x")).await;
    let registry = open(&server.url(), Options::default());
    let name = registry.name();
    let error = async |repository: &str| develop(&registry, &["web", repository]).await.unwrap_err().to_string();
    assert_eq!(error("nowhere").await, format!("registry {name} has no repository 'nowhere'"));
    assert_eq!(error("emptied").await, format!("repository 'emptied' of registry {name} is empty: it has no tags"));
    assert_eq!(
        error("../web").await,
        "'../web' is not the name of a repository; write it as team/billing, without registry and tag"
    );
    let told = WatchLog::default();
    assert_eq!(registry.images(&names(&["web"]), "develop", now(), &told).await.unwrap(), Tagged::default());
    let only = "the only tag of repository 'web' of registry";
    let warning = format!("{only} {name}, '1-stage', is not of environment 'develop'");
    assert_eq!(told.warnings(), [warning]);
}

#[tokio::test]
async fn a_tag_and_a_digest_are_looked_up() {
    let server = DockerRegistry::start();
    let digest = server.push_schema2("web", Some("1-develop"), config(None, "x")).await;
    let registry = open(&server.url(), Options::default());
    let look = async |repository: &str, reference: &str| registry.digest_of(repository, reference, &Unwatched).await;
    assert_eq!(look("web", "1-develop").await.unwrap(), Some(digest.clone()));
    assert_eq!(look("web", &digest).await.unwrap(), Some(digest.clone()));
    assert_eq!(look("web", "2-develop").await.unwrap(), None);
    assert_eq!(look("nowhere", "1-develop").await.unwrap(), None);
    assert_eq!(look("web", &digest.replace(&digest[7..10], "000")).await.unwrap(), None);
    let error = look("web", "a/../b").await.unwrap_err().to_string();
    assert!(error.ends_with("that is neither a tag nor a digest"), "{error}");
}

#[tokio::test]
async fn a_password_opens_a_guarded_registry() {
    let server = DockerRegistry::start_with(Guard::Password);
    let digest = server.push_oci("web", Some("1-develop"), config(Some("2026-11-20T08:00:00Z"), "x")).await;
    let expected = [dated("web", "1-develop", &digest, "2026-11-20T08:00:00Z", DateSource::Config)];
    let wire = Wire::to(server.port, Duration::ZERO);
    let url = format!("http://127.0.0.1:{}", wire.port);
    let with = |password: &str| Options {
        user: Some(USER.to_owned()),
        password: Some(password.to_owned().into()),
        ..Options::default()
    };
    assert_eq!(develop(&open(&url, with(PASSWORD)), &["web"]).await.unwrap(), expected);
    // The first is refused and tells how to get in.
    assert_eq!(kinds(&wire.take()), counts(&[("list", 2), ("manifest", 1), ("config", 1)]));
    let in_url = format!("http://{USER}:correct%20horse@127.0.0.1:{}", wire.port);
    assert_eq!(develop(&open(&in_url, Options::default()), &["web"]).await.unwrap(), expected);

    let name = format!("127.0.0.1:{}", wire.port);
    let wrong = develop(&open(&url, with("battery staple")), &["web"]).await.unwrap_err();
    assert!(matches!(wrong, RegistryError::WrongCredentials { .. }), "{wrong:?}");
    let refuses = format!("{name} refuses the user and password that were given for registry {name}");
    assert_eq!(wrong.to_string(), format!("{refuses} (UNAUTHORIZED: authentication required)"));
    let none = develop(&open(&url, Options::default()), &["web"]).await.unwrap_err();
    assert!(matches!(none, RegistryError::NoCredentials { .. }), "{none:?}");
    assert_eq!(none.to_string(), format!("registry {name} wants a user and a password, and none were given"));
}

#[tokio::test]
async fn an_authority_of_our_own_is_believed_only_when_named() {
    let server = DockerRegistry::start_with(Guard::Tls);
    let digest = server.push_oci("web", Some("1-develop"), config(Some("2026-11-20T08:00:00Z"), "x")).await;
    let expected = [dated("web", "1-develop", &digest, "2026-11-20T08:00:00Z", DateSource::Config)];
    let registry = |trust: &Trust| {
        let client = firebreak::http::client(trust).unwrap();
        Registry::new(&server.url().into(), client, Options::default()).unwrap()
    };
    let named = Trust { authorities: Some(server.authority.clone()), insecure: false };
    assert_eq!(develop(&registry(&named), &["web"]).await.unwrap(), expected);
    let insecure = Trust { authorities: None, insecure: true };
    assert_eq!(develop(&registry(&insecure), &["web"]).await.unwrap(), expected);
    let error = develop(&registry(&Trust::default()), &["web"]).await.unwrap_err().to_string();
    let name = format!("127.0.0.1:{}", server.port);
    let start = format!("failed to list the tags of repository 'web' of registry {name}: ");
    assert!(error.starts_with(&start) && error.ends_with("invalid peer certificate: UnknownIssuer"), "{error}");
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_told_as_such() {
    let url = format!("http://user:secret@127.0.0.1:{}", crate::support::free_port());
    let error = develop(&open(&url, Options::default()), &["web"]).await.unwrap_err().to_string();
    assert!(error.contains("Connection refused") && !error.contains("secret"), "{error}");
}
