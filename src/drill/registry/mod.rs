//! The embedded container registry: reads only, real HTTP on loopback, as strict as `docker-registry` 2.8.2.
//!
//! It differs from 2.8.2 where other registries are harder on a client: it pages its tags (2.8.2 returns all), and it
//! has no schema 1 to convert to, like version 3.

mod auth;
mod image;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use url::Url;

use self::auth::AccessControl;
pub use self::auth::Auth;
use self::image::{Body, DOCKER_MANIFEST};
pub use self::image::{Description, Format, digest};
use super::faults::{Fault, Faults};
use super::server::{Log, Server};

/// How the registry is to behave.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The port on loopback; 0 takes a free one.
    pub port: u16,
    /// Whom it lets in.
    pub auth: Auth,
    /// The most tags on a page, whatever a caller asks for. None: as many as asked for.
    pub page: Option<usize>,
    /// It sorts its tags, cuts its list to what is asked for, and sends no link to the rest: as some groups of
    /// repositories do.
    pub silent: bool,
    /// To whom it does not know it says that nothing is there (404): only `/v2/` asks for a login.
    pub hides: bool,
}

/// A running registry. Ends when it goes out of scope.
#[derive(Debug)]
pub struct Registry {
    server: Server,
    images: ImageStore,
}

impl Registry {
    /// Starts an empty registry.
    ///
    /// # Errors
    /// When the port cannot be taken.
    pub async fn start(settings: Settings, faults: &Faults, log: &Log) -> anyhow::Result<Self> {
        let images = ImageStore::default();
        let (kept, ordered) = (images.clone(), faults.clone());
        let server = Server::start("registry", settings.port, faults, log, |address| {
            let access = AccessControl::new(settings.auth.clone(), address.to_string());
            let api = Arc::new(Api { images: kept, access, faults: ordered, settings });
            Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap| async move {
                api.answer(&method, &uri, &headers)
            })
        })
        .await?;
        Ok(Self { server, images })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What is kept in it; a handle that outlives it and can be changed while it runs.
    #[must_use]
    pub fn images(&self) -> &ImageStore {
        &self.images
    }
}

/// The repositories of a registry.
#[derive(Debug, Clone, Default)]
pub struct ImageStore(Arc<Mutex<HashMap<String, Repository>>>);

#[derive(Debug, Default)]
struct Repository {
    /// Kept in the order of a hash, for lists come unsorted from 2.8.2.
    tags: Vec<(String, String)>,
    manifests: HashMap<String, Body>,
    blobs: HashMap<String, Body>,
}

impl ImageStore {
    /// Makes a repository without any tag, unless it is there.
    pub fn create(&self, repository: &str) {
        self.lock().entry(repository.to_owned()).or_default();
    }

    /// Puts an image in, moving its tag if there is one. Returns the digest of its manifest (or index).
    #[expect(clippy::must_use_candidate, reason = "it is called to put the image in")]
    pub fn put(&self, description: &Description) -> String {
        let bodies = description.bodies();
        let mut repositories = self.lock();
        let repository = repositories.entry(description.repository.clone()).or_default();
        let mut top = String::new();
        for manifest in bodies.manifests {
            top.clone_from(&manifest.digest);
            repository.manifests.insert(manifest.digest.clone(), manifest);
        }
        repository.blobs.extend(bodies.blobs.into_iter().map(|blob| (blob.digest.clone(), blob)));
        repository.tag(&description.tag, &top);
        top
    }

    /// Makes a tag name a digest.
    pub fn tag(&self, repository: &str, tag: &str, digest: &str) {
        self.lock().entry(repository.to_owned()).or_default().tag(tag, digest);
    }

    /// Takes a tag out of the list; its manifest stays.
    pub fn untag(&self, repository: &str, tag: &str) {
        if let Some(repository) = self.lock().get_mut(repository) {
            repository.tags.retain(|(name, _)| name != tag);
        }
    }

    /// Takes a manifest away. Tags that named it stay in the list, as between a list and a deletion.
    pub fn remove(&self, repository: &str, digest: &str) {
        if let Some(repository) = self.lock().get_mut(repository) {
            repository.manifests.remove(digest);
        }
    }

    /// What a tag names.
    #[must_use]
    pub fn digest(&self, repository: &str, tag: &str) -> Option<String> {
        self.lock().get(repository)?.named(tag).map(str::to_owned)
    }

    /// Whether `repository[:tag][@digest]` could be pulled.
    #[must_use]
    pub fn has(&self, image: &str) -> bool {
        self.pulled(image).is_some()
    }

    /// The digest of what `repository[:tag][@digest]` names, where it could be pulled.
    #[must_use]
    pub fn pulled(&self, image: &str) -> Option<String> {
        let (name, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
        let (name, tag) = name.split_once(':').unwrap_or((name, "latest"));
        let repositories = self.lock();
        let repository = repositories.get(name)?;
        let digest = digest.or_else(|| repository.named(tag))?;
        repository.manifests.contains_key(digest).then(|| digest.to_owned())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Repository>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Repository {
    fn tag(&mut self, tag: &str, digest: &str) {
        self.tags.retain(|(name, _)| name != tag);
        self.tags.push((tag.to_owned(), digest.to_owned()));
        self.tags.sort_by_cached_key(|(name, _)| image::digest(name.as_bytes()));
    }

    fn named(&self, tag: &str) -> Option<&str> {
        self.tags.iter().find(|(name, _)| name == tag).map(|(_, digest)| digest.as_str())
    }
}

/// What the handler of a request needs.
struct Api {
    images: ImageStore,
    access: AccessControl,
    faults: Faults,
    settings: Settings,
}

/// An error as the distribution specification writes it.
fn error(status: StatusCode, code: &str, message: &str) -> Response {
    (status, axum::Json(json!({"errors": [{"code": code, "message": message, "detail": null}]}))).into_response()
}

impl Api {
    fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
        let mut response = self.ordered().unwrap_or_else(|| self.honest(method, uri, headers));
        let version = header::HeaderValue::from_static("registry/2.0");
        response.headers_mut().insert("docker-distribution-api-version", version);
        response
    }

    /// What a fault makes of any request.
    fn ordered(&self) -> Option<Response> {
        let too_many = |fault: &Fault| match fault {
            Fault::TooMany { seconds, .. } => Some(*seconds),
            _ => None,
        };
        if let Some(seconds) = self.faults.spend(too_many) {
            let mut response = error(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", "too many requests");
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            return Some(response);
        }
        let unavailable = |fault: &Fault| matches!(fault, Fault::Unavailable { .. }).then_some(());
        self.faults
            .spend(unavailable)
            .map(|()| error(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", "service unavailable"))
    }

    fn honest(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
        if method != Method::GET && method != Method::HEAD {
            return error(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "the operation is unsupported");
        }
        if uri.path() == "/token" {
            return self.access.token(headers, &uri.to_string());
        }
        let Some(path) = uri.path().strip_prefix("/v2/") else { return StatusCode::NOT_FOUND.into_response() };
        let asked = if let Some(name) = path.strip_suffix("/tags/list") {
            (name, "tags", "")
        } else {
            match path.rsplitn(3, '/').collect::<Vec<_>>()[..] {
                [reference, what @ ("manifests" | "blobs"), name] => (name, what, reference),
                _ if path.is_empty() => {
                    return self.access.refusal(headers, None).unwrap_or_else(|| axum::Json(json!({})).into_response());
                }
                _ => return StatusCode::NOT_FOUND.into_response(),
            }
        };
        let (name, what, reference) = asked;
        if let Some(refusal) = self.access.refusal(headers, Some(name)) {
            return if self.settings.hides {
                error(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "repository name not known to registry")
            } else {
                refusal
            };
        }
        let repositories = self.images.lock();
        let repository = repositories.get(name);
        match (what, repository) {
            ("tags", Some(repository)) => self.tags(name, repository, uri),
            ("tags", None) => error(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "repository name not known to registry"),
            ("manifests", _) => self.manifest(repository, reference, headers),
            (_, _) => match repository.and_then(|repository| repository.blobs.get(reference)) {
                Some(blob) => self.body(blob, "application/octet-stream", headers),
                None => error(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown to registry"),
            },
        }
    }

    fn tags(&self, name: &str, repository: &Repository, uri: &Uri) -> Response {
        let Ok(url) = Url::parse(&format!("http://drill{uri}")) else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        let query = |key: &str| url.query_pairs().find(|(name, _)| name == key).map(|(_, value)| value.into_owned());
        let asked = match query("n").map(|n| n.parse::<usize>()) {
            None => usize::MAX,
            Some(Ok(n)) if n > 0 => n,
            Some(_) => {
                return error(
                    StatusCode::BAD_REQUEST,
                    "PAGINATION_NUMBER_INVALID",
                    "invalid number of results requested",
                );
            }
        };
        let size = asked.min(self.settings.page.unwrap_or(usize::MAX));
        let mut tags: Vec<&str> = repository.tags.iter().map(|(tag, _)| tag.as_str()).collect();
        if self.settings.silent {
            tags.sort_unstable();
        }
        let start =
            query("last").and_then(|last| tags.iter().position(|tag| *tag == last)).map_or(0, |position| position + 1);
        let page: Vec<&str> = tags.iter().skip(start).take(size).copied().collect();
        let more = start + page.len() < tags.len() && !self.settings.silent;
        let loops = self.faults.any(|fault| *fault == Fault::Loop);
        let n = if asked == usize::MAX { String::new() } else { format!("n={asked}&") };
        let link = match page.last() {
            _ if loops => Some(format!("</v2/{name}/tags/list?{n}last=>; rel=\"next\"")),
            Some(last) if more => Some(format!("</v2/{name}/tags/list?{n}last={last}>; rel=\"next\"")),
            _ => None,
        };
        // An empty repository has the tags `null`.
        let tags = if repository.tags.is_empty() { json!(null) } else { json!(page) };
        let mut response = axum::Json(json!({"name": name, "tags": tags})).into_response();
        if let Some(link) = link.and_then(|link| link.parse().ok()) {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }

    fn manifest(&self, repository: Option<&Repository>, reference: &str, headers: &HeaderMap) -> Response {
        let unknown = |message: &str| error(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", message);
        let found = repository.and_then(|repository| {
            let digest = if reference.starts_with("sha256:") { Some(reference) } else { repository.named(reference) };
            repository.manifests.get(digest?)
        });
        let Some(manifest) = found else { return unknown("manifest unknown") };
        // Exact names only: 2.8.2 does not understand `*/*` here. Schema 2 is what a registry falls back to.
        if manifest.media_type != DOCKER_MANIFEST && !accepts(headers, manifest.media_type) {
            return unknown(&format!("{} found, but accept header does not support it", manifest.media_type));
        }
        self.body(manifest, manifest.media_type, headers)
    }

    /// A body that never changes, with its digest as its entity tag.
    fn body(&self, body: &Body, media_type: &str, headers: &HeaderMap) -> Response {
        let etag = format!("\"{}\"", body.digest);
        let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        let common = [(header::ETAG.as_str(), etag.as_str()), ("docker-content-digest", body.digest.as_str())];
        if known.is_some_and(|known| known.split(',').any(|known| known.trim().trim_start_matches("W/") == etag)) {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        let bytes = if self.faults.any(|fault| *fault == Fault::Lie) {
            let mut bytes = body.bytes.to_vec();
            bytes.push(b'\n');
            bytes.into()
        } else {
            body.bytes.clone()
        };
        (common, [(header::CONTENT_TYPE, media_type)], bytes).into_response()
    }
}

fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.split(';').next().is_some_and(|value| value.trim() == media_type))
}
