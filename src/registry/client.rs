//! The requests that a registry answers, with everything that can happen to them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use reqwest::header::{ACCEPT, LINK, LOCATION};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;
use url::Url;

use super::auth::{Credentials, Pass, Scheme, Token, Tokens, may_know_the_password, token_url};
use super::error::RegistryError;
use super::{digest, headers, manifest, tags};
use crate::action::watch::Watch;
use crate::http::retry::{Answer, NoAnswer, Retry, rest};
use crate::http::{is_loopback, without_credentials};

/// The header that names the digest of a manifest.
const CONTENT_DIGEST: &str = "docker-content-digest";
/// The most tags that any registry gives at once; some refuse to be asked for more.
const TAGS_IN_A_PAGE: &str = "1000";
/// No repository has so many pages.
const MOST_PAGES: usize = 10_000;
/// How often a blob may be sent elsewhere (to the storage behind the registry).
const REDIRECTS: usize = 5;
/// Bounds on bodies, in bytes. Registries refuse manifests above 4 MiB; some give all tags in one page.
const LONGEST_PAGE: usize = 32 << 20;
const LONGEST_MANIFEST: usize = 4 << 20;
const LONGEST_CONFIG: usize = 8 << 20;
const LONGEST_TOKEN: usize = 1 << 20;

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
    /// How many requests may be under way at once.
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
            concurrency: 16,
            retry: Retry::default(),
        }
    }
}

/// A registry of container images, read over HTTP.
pub struct Registry {
    /// Ends with a slash, and has no user part.
    base: Url,
    name: String,
    http: reqwest::Client,
    credentials: Option<Credentials>,
    /// None until the first answer has come.
    scheme: Mutex<Option<Scheme>>,
    tokens: Tokens,
    /// One for each request that may be under way.
    places: Semaphore,
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

/// One thing to ask a registry for.
struct Question<'a> {
    method: Method,
    url: Url,
    accept: Option<String>,
    repository: &'a str,
    limit: usize,
    /// For an error: `failed to …`.
    task: String,
}

impl Registry {
    /// A registry by its URL, `https://registry.example:5000`, with a prefix if it has one. A user and password in
    /// the URL count as credentials. Asks nothing yet.
    ///
    /// # Errors
    /// When the URL is none of HTTP.
    pub fn new(url: &str, http: reqwest::Client, options: Options) -> Result<Self, RegistryError> {
        let mut base = address(url)?;
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
        let (scheme, tokens, heads_are_mute) = (Mutex::new(None), Tokens::default(), AtomicBool::new(false));
        Ok(Self { base, name, http, credentials, scheme, tokens, places, heads_are_mute, options })
    }

    /// Host, port if it is not the usual one, and prefix: what stands before the repository in the name of an image.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
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

    /// All tags of a repository that can name an image, each once, in the order of the registry.
    pub(super) async fn tags(&self, repository: &str, watch: &dyn Watch) -> Result<Vec<String>, RegistryError> {
        check_name(repository)?;
        let paging =
            |why: String| RegistryError::Paging { registry: self.name.clone(), repository: repository.to_owned(), why };
        let mut next = Some(self.url(repository, "tags/list")?);
        if let Some(url) = &mut next {
            url.query_pairs_mut().append_pair("n", TAGS_IN_A_PAGE);
        }
        let mut pages = std::collections::HashSet::new();
        let mut found = indexmap::IndexSet::new();
        while let Some(url) = next {
            if !pages.insert(url.clone()) {
                return Err(paging(format!("its pages go round in a circle, at {}", without_credentials(&url))));
            }
            if pages.len() > MOST_PAGES {
                return Err(paging(format!("it has more than {MOST_PAGES} pages")));
            }
            let task = format!("list the tags of repository '{repository}' of registry {}", self.name);
            let question = Question { method: Method::GET, url, accept: None, repository, limit: LONGEST_PAGE, task };
            let answer = self.ask(&question, watch).await?;
            match answer.status {
                StatusCode::OK => {}
                StatusCode::NOT_FOUND => {
                    let (registry, repository) = (self.name.clone(), repository.to_owned());
                    return Err(RegistryError::NoSuchRepository { registry, repository });
                }
                _ => return Err(self.refusal(&question, &answer)),
            }
            found.extend(tags::of_page(&answer.body).map_err(|error| unreadable(&question, error.to_string()))?);
            let links = answer.headers.get_all(LINK).iter().filter_map(|link| link.to_str().ok());
            next = match links.filter_map(headers::next_link).next() {
                None => None,
                Some(link) => {
                    let url = answer
                        .url
                        .join(&link)
                        .map_err(|error| paging(format!("the link to its next page, '{link}', is no URL ({error})")))?;
                    if url.origin() != self.base.origin() {
                        let elsewhere = without_credentials(&url);
                        return Err(paging(format!("its next page is on another server, {elsewhere}")));
                    }
                    Some(url)
                }
            };
        }
        Ok(found.into_iter().collect())
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
            return Err(lie(&question, reference, &digest));
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
            Some(expected) if expected != digest && !is_schema1(&answer.body) => {
                Err(lie(&question, &expected, &digest))
            }
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
        if found == digest { Ok(Some(answer.body)) } else { Err(lie(&question, digest, &found)) }
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

    fn url(&self, repository: &str, rest: &str) -> Result<Url, RegistryError> {
        let path = format!("v2/{repository}/{rest}");
        self.base.join(&path).map_err(|_| RegistryError::Repository { name: repository.to_owned() })
    }

    /// Asks, and identifies itself if the registry wants that. Whether and how is learned from the answer to the
    /// first question, which all others wait for.
    async fn ask(&self, question: &Question<'_>, watch: &dyn Watch) -> Result<Answer, RegistryError> {
        let mut known = self.scheme.lock().await;
        let scheme = if let Some(scheme) = &*known {
            scheme.clone()
        } else {
            let answer = self.exchange(question, None, watch).await?;
            let scheme = known.insert(Scheme::of(&answer, &self.name)?).clone();
            if answer.status != StatusCode::UNAUTHORIZED {
                return Ok(answer);
            }
            scheme
        };
        drop(known);
        let pass = self.pass(&scheme, question.repository, None, watch).await?;
        let answer = self.exchange(question, pass.as_ref(), watch).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        // The token ended early, or this repository is guarded and the first one was not.
        let scheme = Scheme::of(&answer, &self.name)?;
        let pass = self.pass(&scheme, question.repository, pass.as_ref(), watch).await?;
        *self.scheme.lock().await = Some(scheme);
        self.exchange(question, pass.as_ref(), watch).await
    }

    /// What to send along. `refused`: what was sent before, and was not enough.
    async fn pass(
        &self,
        scheme: &Scheme,
        repository: &str,
        refused: Option<&Pass>,
        watch: &dyn Watch,
    ) -> Result<Option<Pass>, RegistryError> {
        match (scheme, &self.credentials, refused) {
            (Scheme::Open, ..) => Ok(None),
            (Scheme::Basic, None, _) => Err(RegistryError::NoCredentials { registry: self.name.clone() }),
            (Scheme::Basic, Some(_), Some(Pass::Basic(_))) => Err(self.wrong_credentials(&self.base)),
            (Scheme::Basic, Some(credentials), _) => Ok(Some(Pass::Basic(credentials.clone()))),
            (Scheme::Bearer { realm, service }, ..) => {
                let refused = match refused {
                    Some(Pass::Bearer(token)) => Some(token),
                    _ => None,
                };
                let fetch = self.token(realm, service.as_deref(), repository, watch);
                Ok(Some(Pass::Bearer(self.tokens.get(repository, refused, fetch).await?)))
            }
        }
    }

    async fn token(
        &self,
        realm: &Url,
        service: Option<&str>,
        repository: &str,
        watch: &dyn Watch,
    ) -> Result<Token, RegistryError> {
        let server = &realm[url::Position::BeforeHost..url::Position::AfterPort];
        if self.credentials.is_some() && !may_know_the_password(realm, &self.base) {
            let why = format!("it wants the password sent to {server} unencrypted");
            return Err(RegistryError::Authentication { registry: self.name.clone(), why });
        }
        let question = Question {
            method: Method::GET,
            url: token_url(realm, service, repository),
            accept: None,
            repository,
            limit: LONGEST_TOKEN,
            task: format!("get a token from {server} for repository '{repository}' of registry {}", self.name),
        };
        let asked = Instant::now();
        let pass = self.credentials.clone().map(Pass::Basic);
        let answer = self.exchange(&question, pass.as_ref(), watch).await?;
        match answer.status {
            StatusCode::OK => Token::read(&answer.body, asked).map_err(|why| unreadable(&question, why)),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if pass.is_some() => Err(self.wrong_credentials(realm)),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(RegistryError::NoCredentials { registry: self.name.clone() })
            }
            _ => Err(self.refusal(&question, &answer)),
        }
    }

    /// One question and its answer. A registry may send us to the storage behind it: we go there without any pass,
    /// and never from an encrypted connection to one that is not.
    async fn exchange(
        &self,
        question: &Question<'_>,
        pass: Option<&Pass>,
        watch: &dyn Watch,
    ) -> Result<Answer, RegistryError> {
        let _place = self.places.acquire().await.expect("the places are never closed");
        let no_answer = |source| RegistryError::NoAnswer { task: question.task.clone(), source };
        let mut pass = pass;
        let mut url = question.url.clone();
        for _ in 0..=REDIRECTS {
            let mut request = self.http.request(question.method.clone(), url.clone());
            if let Some(accept) = &question.accept {
                request = request.header(ACCEPT, accept);
            }
            request = match pass {
                None => request,
                Some(Pass::Basic(login)) => request.basic_auth(&login.user, Some(login.password.expose_secret())),
                Some(Pass::Bearer(token)) => request.bearer_auth(token.secret.expose_secret()),
            };
            let request = request.build().map_err(|error| no_answer(NoAnswer::Lost(error.without_url())))?;
            let answer =
                self.options.retry.send(&self.http, request, question.limit, watch).await.map_err(no_answer)?;
            let location = answer.headers.get(LOCATION).filter(|_| answer.status.is_redirection());
            let Some(location) = location.and_then(|location| location.to_str().ok()) else { return Ok(answer) };
            let next = answer.url.join(location).map_err(|error| unreadable(question, error.to_string()))?;
            if !matches!((url.scheme(), next.scheme()), ("http", "http") | (_, "https")) {
                let why = format!("it leads to {}, unencrypted", without_credentials(&next));
                return Err(unreadable(question, why));
            }
            (url, pass) = (next, None);
        }
        Err(unreadable(question, format!("it led elsewhere more than {REDIRECTS} times")))
    }

    fn wrong_credentials(&self, server: &Url) -> RegistryError {
        let server = server[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
        RegistryError::WrongCredentials { registry: self.name.clone(), server }
    }

    /// The error that an answer stands for that is not what was asked for.
    fn refusal(&self, question: &Question<'_>, answer: &Answer) -> RegistryError {
        let (task, status) = (question.task.clone(), answer.status);
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                RegistryError::Denied { registry: self.name.clone(), repository: question.repository.to_owned() }
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                RegistryError::Busy { task, status, rest: rest(&answer.headers).map(|rest| rest.as_secs()) }
            }
            _ => RegistryError::Status { task, status, message: message(&answer.body) },
        }
    }
}

fn address(url: &str) -> Result<Url, RegistryError> {
    let wrong = |why: &str| {
        // What stands before the last @ may be a password, even in a text that is no URL.
        let address = url.rsplit('@').next().unwrap_or_default().to_owned();
        RegistryError::Address { address, why: why.to_owned() }
    };
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
fn check_name(repository: &str) -> Result<(), RegistryError> {
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

fn lie(question: &Question<'_>, expected: &str, found: &str) -> RegistryError {
    let (expected, found) = (expected.to_owned(), found.to_owned());
    RegistryError::WrongDigest { task: question.task.clone(), expected, found }
}

fn unreadable(question: &Question<'_>, why: String) -> RegistryError {
    RegistryError::Unreadable { task: question.task.clone(), why }
}

/// What a registry says about an error, on one line and not too long.
fn message(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Errors {
        errors: Vec<One>,
    }
    #[derive(serde::Deserialize)]
    struct One {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let errors = serde_json::from_slice::<Errors>(body).map(|errors| errors.errors).unwrap_or_default();
    let texts: Vec<String> = errors.into_iter().map(|error| format!("{}: {}", error.code, error.message)).collect();
    texts.join("; ").chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn registry(url: &str, options: Options) -> Result<Registry, RegistryError> {
        let client = crate::http::client(&crate::http::Trust { insecure: true, ..Default::default() }).unwrap();
        Registry::new(url, client, options)
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
            ("ftp://user:secret@registry.example", "registry.example", "its scheme is neither http nor https"),
            ("https://user:secret@", "", "empty host"),
        ] {
            let error = registry(url, Options::default()).err().unwrap().to_string();
            let expected = format!(
                "'{address}' is not the address of a registry: {why}; write it as https://host[:port][/prefix]"
            );
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn a_message_is_short_and_on_one_line() {
        let body = br#"{"errors":[{"code":"UNKNOWN","message":"a\nb","detail":{}},{"code":"X"}]}"#;
        assert_eq!(message(body), "UNKNOWN: a b; X: ");
        assert_eq!(message(b"<html>"), "");
        assert_eq!(
            message(format!(r#"{{"errors":[{{"message":"{}"}}]}}"#, "é".repeat(500)).as_bytes()).chars().count(),
            200
        );
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
