//! The requests that a registry answers, with everything that can happen to them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use tokio::sync::{Mutex, OnceCell, Semaphore};
use url::Url;

use super::auth::{Credentials, Scheme, Tokens};
use super::error::RegistryError;
use super::exchange::Question;
use super::{digest, manifest, tags};
use crate::http::retry::{Answer, Retry};
use crate::http::{Address, is_loopback};
use crate::watch::Watch;

/// The header that names the digest of a manifest.
const CONTENT_DIGEST: &str = "docker-content-digest";
/// Bounds on bodies, in bytes. Registries refuse manifests above 4 MiB.
const LONGEST_MANIFEST: usize = 4 << 20;
const LONGEST_CONFIG: usize = 8 << 20;

/// How to read a registry.
pub struct Options {
    /// The user, if the registry wants one. Goes before the one in the URL.
    pub user: Option<String>,
    /// The user's password, or an access token in its place. Goes before the one in the URL.
    pub password: Option<SecretString>,
    /// Tags of this registry never move: what is remembered of them is believed, and only new ones are asked for.
    pub immutable_tags: bool,
    /// Where dates are remembered; nowhere if none.
    pub cache_folder: Option<PathBuf>,
    /// How many requests may be under way at once. With 20 by default, a registry on two cores behind 20 ms took 1.2
    /// to 1.4 times the latency alone; with 32, 1.6 to 1.7 times, so that the registry was what was waited for.
    pub concurrency: usize,
    /// How often a request is repeated that the registry was too busy for.
    pub retry: Retry,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            user: None,
            password: None,
            immutable_tags: false,
            cache_folder: None,
            concurrency: 20,
            retry: Retry::default(),
        }
    }
}

/// A registry of container images, read over HTTP.
pub struct Registry {
    /// Ends with a slash, and has no user part.
    pub(super) base: Url,
    pub(super) name: String,
    pub(super) http: reqwest::Client,
    pub(super) credentials: Option<Credentials>,
    /// None until the first answer has come.
    pub(super) scheme: Mutex<Option<Scheme>>,
    /// What its entrance (`/v2/`) asks for, where it was asked; none where it asks for nothing.
    pub(super) entrance: OnceCell<Option<Scheme>>,
    pub(super) tokens: Tokens,
    /// One for each request that may be under way.
    pub(super) places: Semaphore,
    /// Whether a HEAD was seen to give no digest.
    heads_are_mute: AtomicBool,
    pub(super) options: Options,
}

/// A manifest as it came, of the digest that it was checked against.
pub(super) struct Fetched {
    pub(super) digest: String,
    pub(super) body: Bytes,
}

/// What a HEAD of a manifest says.
pub(super) enum Head {
    Gone,
    Digest(String),
    /// It is there, but the registry does not say its digest.
    Mute,
}

impl Registry {
    /// A registry by its URL, `https://registry.example:5000`, with a prefix if it has one. A user and password in
    /// the URL count as credentials. Asks nothing yet.
    ///
    /// # Errors
    /// When the URL is none of HTTP.
    pub fn new(address: &Address, http: reqwest::Client, options: Options) -> Result<Self, RegistryError> {
        let mut base = url_of(address)?;
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let user = options.user.clone().or_else(|| Some(decoded(base.username())).filter(|user| !user.is_empty()));
        let password = options.password.clone().or_else(|| base.password().map(|text| decoded(text).into()));
        let credentials =
            user.map(|user| Credentials { user, password: password.unwrap_or_else(|| String::new().into()) });
        let unusable = |()| RegistryError::Address { address: "…".to_owned(), why: "it has no host".to_owned() };
        base.set_username("").map_err(unusable)?;
        base.set_password(None).map_err(unusable)?;
        base.set_query(None);
        base.set_fragment(None);
        base.set_path(&format!("{}/", base.path().trim_end_matches('/')));
        let name = base[url::Position::BeforeHost..].trim_end_matches('/').to_owned();
        let places = Semaphore::new(options.concurrency.max(1));
        let (scheme, entrance, tokens) = (Mutex::new(None), OnceCell::new(), Tokens::default());
        let heads_are_mute = AtomicBool::new(false);
        Ok(Self { base, name, http, credentials, scheme, entrance, tokens, places, heads_are_mute, options })
    }

    /// Host, port if it is not the usual one, and prefix: what stands before the repository in the name of an image.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Host and port alone: engines keep their logins by it, whatever the prefix.
    #[must_use]
    pub fn host(&self) -> &str {
        self.name.split('/').next().unwrap_or(&self.name)
    }

    /// The user and the password that it is asked with, be they given or in its URL.
    #[must_use]
    pub fn login(&self) -> Option<(&str, &SecretString)> {
        self.credentials.as_ref().map(|known| (known.user.as_str(), &known.password))
    }

    /// Its URL, without credentials.
    #[must_use]
    pub fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Whether a password would go over a network unencrypted.
    pub(super) fn exposes_the_password(&self) -> bool {
        self.credentials.is_some() && self.base.scheme() == "http" && !is_loopback(&self.base)
    }

    /// The digest that a tag points at, or of a digest whether it is still there. None: it is not there.
    ///
    /// # Errors
    /// When the registry cannot be asked, refuses, or lies.
    pub async fn digest_of(
        &self,
        repository: &str,
        reference: &str,
        watch: &dyn Watch,
    ) -> Result<Option<String>, RegistryError> {
        match self.head(repository, reference, watch).await? {
            Head::Gone => Ok(None),
            Head::Digest(digest) => Ok(Some(digest)),
            Head::Mute => Ok(self.manifest(repository, reference, watch).await?.map(|fetched| fetched.digest)),
        }
    }

    /// What a reference points at, without its manifest.
    pub(super) async fn head(
        &self,
        repository: &str,
        reference: &str,
        watch: &dyn Watch,
    ) -> Result<Head, RegistryError> {
        if self.heads_are_mute.load(Ordering::Relaxed) {
            return Ok(Head::Mute);
        }
        let question = self.about_manifest(Method::HEAD, repository, reference)?;
        let answer = self.ask(&question, watch).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(Head::Gone),
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => return Ok(self.mute()),
            _ => return Err(self.refusal(&question, &answer)),
        }
        let Some(digest) = said_digest(&answer) else { return Ok(self.mute()) };
        if reference.contains(':') && digest != reference {
            return Err(question.lie(reference, &digest));
        }
        Ok(Head::Digest(digest))
    }

    fn mute(&self) -> Head {
        self.heads_are_mute.store(true, Ordering::Relaxed);
        Head::Mute
    }

    /// The manifest that a tag or digest points at, checked against its digest. None: it is not there.
    pub(super) async fn manifest(
        &self,
        repository: &str,
        reference: &str,
        watch: &dyn Watch,
    ) -> Result<Option<Fetched>, RegistryError> {
        let question = self.about_manifest(Method::GET, repository, reference)?;
        let answer = self.ask(&question, watch).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            _ => return Err(self.refusal(&question, &answer)),
        }
        let expected = if reference.contains(':') { Some(reference.to_owned()) } else { said_digest(&answer) };
        let digest = digest::like(expected.as_deref().unwrap_or_default(), &answer.body);
        match expected {
            // The digest of a signed schema 1 manifest is that of its inner part.
            Some(expected) if expected != digest && !is_schema1(&answer.body) => Err(question.lie(&expected, &digest)),
            expected => Ok(Some(Fetched { digest: expected.unwrap_or(digest), body: answer.body })),
        }
    }

    /// A config, checked against its digest. None: it is not there.
    pub(super) async fn config(
        &self,
        repository: &str,
        digest: &str,
        watch: &dyn Watch,
    ) -> Result<Option<Bytes>, RegistryError> {
        let url = self.url(repository, &format!("blobs/{digest}"))?;
        let task = format!("read the config {digest} of repository '{repository}' of registry {}", self.name);
        let question = Question { method: Method::GET, url, accept: None, repository, limit: LONGEST_CONFIG, task };
        let answer = self.ask(&question, watch).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            _ => return Err(self.refusal(&question, &answer)),
        }
        let found = digest::like(digest, &answer.body);
        if found == digest { Ok(Some(answer.body)) } else { Err(question.lie(digest, &found)) }
    }

    fn about_manifest<'a>(
        &self,
        method: Method,
        repository: &'a str,
        reference: &str,
    ) -> Result<Question<'a>, RegistryError> {
        check_name(repository)?;
        let task = format!("look up '{reference}' in repository '{repository}' of registry {}", self.name);
        if !tags::is_tag(reference) && !digest::is_digest(reference) {
            return Err(RegistryError::Unreadable { task, why: "that is neither a tag nor a digest".to_owned() });
        }
        let url = self.url(repository, &format!("manifests/{reference}"))?;
        Ok(Question { method, url, accept: Some(manifest::accepted()), repository, limit: LONGEST_MANIFEST, task })
    }

    pub(super) fn url(&self, repository: &str, rest: &str) -> Result<Url, RegistryError> {
        let path = format!("v2/{repository}/{rest}");
        self.base.join(&path).map_err(|_| RegistryError::Repository { name: repository.to_owned() })
    }
}

fn url_of(address: &Address) -> Result<Url, RegistryError> {
    let url = address.whole();
    let wrong = |why: &str| RegistryError::Address { address: address.to_string(), why: why.to_owned() };
    if !url.contains("://") {
        return Err(wrong("it has no scheme"));
    }
    let parsed = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(wrong("its scheme is neither http nor https"));
    }
    Ok(parsed)
}

/// A name must not change the path of a request: no empty parts, no dots alone, nothing that a URL gives a meaning.
pub(super) fn check_name(repository: &str) -> Result<(), RegistryError> {
    let part = |part: &str| {
        part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
            && part.bytes().any(|byte| byte.is_ascii_alphanumeric())
    };
    if repository.len() <= 255 && repository.split('/').all(part) {
        Ok(())
    } else {
        Err(RegistryError::Repository { name: repository.to_owned() })
    }
}

fn said_digest(answer: &Answer) -> Option<String> {
    let said = answer.headers.get(CONTENT_DIGEST)?.to_str().ok()?;
    digest::is_digest(said).then(|| said.to_owned())
}

fn is_schema1(body: &[u8]) -> bool {
    matches!(manifest::Manifest::parse(body), Ok(manifest::Manifest::Schema1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret as _;

    use super::*;

    fn registry(url: &str, options: Options) -> Result<Registry, RegistryError> {
        let client = crate::http::client(&crate::http::Trust { insecure: true, ..Default::default() }).unwrap();
        Registry::new(&url.into(), client, options)
    }

    #[test]
    fn an_address_has_a_scheme_a_name_and_maybe_a_login() {
        let plain = registry("https://registry.example", Options::default()).unwrap();
        assert_eq!((plain.name(), plain.base.as_str()), ("registry.example", "https://registry.example/"));
        assert!(plain.credentials.is_none());
        let full = registry("http://us%65r:p%40ss@registry.example:5000/prefix//?q#f", Options::default()).unwrap();
        assert_eq!(
            (full.name(), full.base.as_str()),
            ("registry.example:5000/prefix", "http://registry.example:5000/prefix/")
        );
        let login = full.credentials.as_ref().unwrap();
        assert_eq!((login.user.as_str(), login.password.expose_secret()), ("user", "p@ss"));
        assert!(full.exposes_the_password());
        let options = Options { password: Some("other".to_owned().into()), ..Options::default() };
        let mixed = registry("http://user:x@127.0.0.1/", options).unwrap();
        assert_eq!(mixed.credentials.as_ref().unwrap().password.expose_secret(), "other");
        assert!(!mixed.exposes_the_password());
    }

    #[test]
    fn a_wrong_address_is_told_without_its_password() {
        for (url, address, why) in [
            ("registry.example:5000", "registry.example:5000", "it has no scheme"),
            ("user:secret@registry.example", "registry.example", "it has no scheme"),
            ("ftp://user:secret@registry.example", "ftp://registry.example", "its scheme is neither http nor https"),
            ("https://user:secret@", "https://", "empty host"),
        ] {
            let error = registry(url, Options::default()).err().unwrap().to_string();
            let expected = format!(
                "'{address}' is not the address of a registry: {why}; write it as https://host[:port][/prefix]"
            );
            assert_eq!(error, expected);
        }
    }

    proptest! {
        #[test]
        fn no_name_leaves_its_place_in_the_path(name in "[a-zA-Z0-9._/@:?#% -]{0,20}") {
            let registry = registry("https://r.example/p", Options::default()).unwrap();
            if check_name(&name).is_ok() {
                let url = registry.url(&name, "tags/list").unwrap();
                prop_assert_eq!(url.as_str(), format!("https://r.example/p/v2/{name}/tags/list"));
            }
        }
    }
}
