//! A bucket of an S3 server: AWS', `MinIO`, Ceph and others alike.
//!
//! An object is put by one request, which the server takes whole or not at all, with its SHA-256 twice: as the checksum by which the
//! server checks what it received, and in the object's metadata, where it stays readable. Where a put got no answer, that is what
//! tells whether it had arrived.

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_LENGTH, ETAG, HeaderMap, LAST_MODIFIED};
use reqwest::{Client, Method, Request, StatusCode};
use rusty_s3::actions::{
    CreateBucket, DeleteBucket, DeleteObject, GetObject, HeadBucket, HeadObject, ListObjectsV2, PutObject, S3Action,
};
use rusty_s3::{Bucket, Credentials};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use super::address::{bucket, place};
use super::{Checksum, Head, Key, Listed, Object, Over, Source, Store, StoreError, Stored};
use crate::http::retry::{Answer, NoAnswer, Retry};
use crate::http::{Trust, client};
use crate::port::Unfit;
use crate::watch::Unwatched;

/// How long a signed request holds: longer than all its tries.
const HOLDS: Duration = Duration::from_mins(15);
/// No answer that is no object is longer: a list of a thousand names.
const LONGEST_ANSWER: usize = 4 << 20;
/// No refusal is longer.
const LONGEST_REFUSAL: usize = 64 << 10;
/// How S3 calls it that there is no such bucket.
const NO_BUCKET: &str = "NoSuchBucket";
/// Where an object's metadata has its SHA-256.
const CHECKSUM: &str = "x-amz-meta-sha256";

/// The keys of an S3 account.
#[derive(Debug, Clone)]
pub struct Access {
    key: String,
    secret: SecretString,
    /// That of a session.
    token: Option<SecretString>,
}

impl Access {
    /// Reads `KEY:SECRET`, or `KEY:SECRET:TOKEN` of a session.
    ///
    /// # Errors
    /// When it is neither.
    pub fn read(text: &SecretString) -> Result<Self, Unfit> {
        let parts: Vec<_> = text.expose_secret().trim().split(':').collect();
        match parts.as_slice() {
            [key, secret, rest @ ..] if rest.len() < 2 && parts.iter().all(|part| !part.is_empty()) => {
                let token = rest.first().map(|token| SecretString::from(*token));
                Ok(Self { token, ..Self::of(key, secret) })
            }
            _ => Err(Unfit("the access to S3 is KEY:SECRET, or KEY:SECRET:TOKEN of a session".to_owned())),
        }
    }

    /// The parts of it by themselves: a secret may have any letter.
    #[must_use]
    pub fn of(key: &str, secret: &str) -> Self {
        Self { key: key.to_owned(), secret: secret.into(), token: None }
    }

    fn credentials(&self) -> Credentials {
        let (key, secret) = (self.key.clone(), self.secret.expose_secret().to_owned());
        match &self.token {
            Some(token) => Credentials::new_with_token(key, secret, token.expose_secret().to_owned()),
            None => Credentials::new(key, secret),
        }
    }
}

/// What came of one try to put an object.
enum Tried {
    /// The server took it.
    Taken,
    /// What is there is not what was to be replaced.
    Changed,
    /// It is not known, or worth another try.
    Again,
    /// The server knows no conditions.
    NoConditions,
}

/// A bucket, or what is below a prefix of it.
pub struct S3 {
    http: Client,
    retry: Retry,
    bucket: Bucket,
    /// Empty, or ends with a `/`.
    prefix: String,
    credentials: Option<Credentials>,
    /// How whoever opened it gives the access, for what is said of one that is not right.
    given_by: &'static str,
    address: String,
}

impl S3 {
    /// A bucket: `s3://bucket/prefix?endpoint=https://host&region=eu-west-1&style=virtual`. Without an endpoint it is one of AWS.
    /// Without `access` requests are not signed.
    ///
    /// # Errors
    /// When the address names no bucket, or no HTTP client can be made.
    pub fn open(address: &str, access: Option<Access>, trust: &Trust) -> anyhow::Result<Self> {
        let (bucket, prefix) = place(address)?;
        let shown = format!("s3://{}/{prefix}", bucket.name());
        let credentials = access.map(|access| access.credentials());
        let (http, retry) = (client(trust)?, Retry::default());
        Ok(Self { http, retry, bucket, prefix, credentials, given_by: "--access", address: shown })
    }

    /// A whole bucket by its name, at AWS where no endpoint is named. `given_by` says how `access` was given.
    ///
    /// # Errors
    /// Why there can be none: its name, the region or the endpoint is none.
    pub fn of(
        name: &str,
        (region, endpoint): (Option<&str>, Option<&str>),
        (access, given_by): (Access, &'static str),
        http: &Client,
    ) -> Result<Self, Unfit> {
        let bucket = bucket(name, region, endpoint, None).map_err(Unfit)?;
        let (credentials, address) = (Some(access.credentials()), format!("s3://{name}/"));
        let (http, retry, prefix) = (http.clone(), Retry::default(), String::new());
        Ok(Self { http, retry, bucket, prefix, credentials, given_by, address })
    }

    /// Removes the bucket, which must be empty; one that is not there is none.
    ///
    /// # Errors
    /// When it is still there.
    pub async fn remove(&self) -> Result<(), StoreError> {
        let Some(credentials) = &self.credentials else { return Err(self.no_access("removed")) };
        let action = DeleteBucket::new(&self.bucket, credentials);
        let answer = self.send(Method::DELETE, action, None, LONGEST_ANSWER).await;
        let answer = answer.map_err(|error| self.lost("remove the bucket", &error))?;
        let is_gone = answer.status.is_success() || said(&answer.body, "Code").as_deref() == Some(NO_BUCKET);
        if is_gone { Ok(()) } else { Err(self.refusal("remove the bucket", &answer)) }
    }

    /// Removes an object by its name as a list has it, which may be no [`Key`]: consoles make objects that end with a `/`.
    ///
    /// # Errors
    /// When it is still there.
    pub async fn delete_listed(&self, name: &str) -> Result<(), StoreError> {
        let action = DeleteObject::new(&self.bucket, self.credentials.as_ref(), name);
        let what = format!("remove '{name}'");
        let answer = self.send(Method::DELETE, action, None, LONGEST_ANSWER).await;
        let answer = answer.map_err(|error| self.lost(&what, &error))?;
        let is_gone = answer.status.is_success()
            || answer.status == StatusCode::NOT_FOUND && said(&answer.body, "Code").as_deref() != Some(NO_BUCKET);
        if is_gone { Ok(()) } else { Err(self.refusal(&what, &answer)) }
    }

    fn no_access(&self, what: &str) -> StoreError {
        let why = format!("a bucket cannot be {what} without access ({})", self.given_by);
        StoreError::Unavailable(format!("{}: {why}", self.address))
    }

    /// Sends a request of an action. What headers the action has are sent, since they are signed.
    async fn send<'a, A: S3Action<'a>>(
        &self,
        method: Method,
        mut action: A,
        body: Option<Bytes>,
        limit: usize,
    ) -> Result<Answer, NoAnswer> {
        let headers: Vec<_> =
            action.headers_mut().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut request = Request::new(method, action.sign(HOLDS));
        for (name, value) in headers {
            let (name, value) = (name.parse::<http::HeaderName>(), value.parse::<http::HeaderValue>());
            if let (Ok(name), Ok(value)) = (name, value) {
                request.headers_mut().insert(name, value);
            }
        }
        if let Some(body) = body {
            // An empty body has a length too, and S3 wants to know it.
            request.headers_mut().insert(CONTENT_LENGTH, body.len().into());
            *request.body_mut() = Some(body.into());
        }
        self.retry.send(&self.http, request, limit, &Unwatched).await
    }

    fn name(&self, key: &Key) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Why a request did not do what was asked.
    fn refusal(&self, what: &str, answer: &Answer) -> StoreError {
        let status = answer.status;
        let (code, message) = (said(&answer.body, "Code"), said(&answer.body, "Message"));
        let words = [code.as_deref(), message.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(": ");
        let region = answer.headers.get("x-amz-bucket-region").and_then(|region| region.to_str().ok());
        let hint = match (code.as_deref(), status) {
            (Some("RequestTimeTooSkewed"), _) => "; is the clock of this host right?".to_owned(),
            (Some(NO_BUCKET), _) => "; is the bucket's name right, and the endpoint?".to_owned(),
            (_, StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED) if self.credentials.is_none() => {
                format!("; no access was given ({})", self.given_by)
            }
            (_, StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED) => {
                format!("; is the access ({}) right, and allowed to do this?", self.given_by)
            }
            (_, StatusCode::MOVED_PERMANENTLY | StatusCode::TEMPORARY_REDIRECT | StatusCode::BAD_REQUEST) => region
                .filter(|region| *region != self.bucket.region())
                .map(|region| format!("; the bucket is in region {region}: add &region={region}"))
                .unwrap_or_default(),
            _ => String::new(),
        };
        let words = if words.is_empty() { String::new() } else { format!(" ({words})") };
        let why = format!("{}: failed to {what}: {status}{words}{hint}", self.address);
        // What is wrong with one object is one of these; all else would be the same for the next.
        let is_its_own = matches!(
            status,
            StatusCode::NOT_FOUND
                | StatusCode::CONFLICT
                | StatusCode::PRECONDITION_FAILED
                | StatusCode::PAYLOAD_TOO_LARGE
        );
        match code.as_deref() {
            Some(NO_BUCKET) => StoreError::NoBucket(why),
            _ if is_its_own => StoreError::Refused(why),
            _ => StoreError::Unavailable(why),
        }
    }

    fn lost(&self, what: &str, error: &NoAnswer) -> StoreError {
        match error {
            NoAnswer::TooLong(limit) => StoreError::TooLong(*limit),
            NoAnswer::Lost(_) => StoreError::Unavailable(format!("{}: failed to {what}: {error}", self.address)),
        }
    }

    /// One try to put an object.
    async fn put_once(
        &self,
        name: &str,
        (body, digest): (&Bytes, &[u8]),
        kind: &str,
        over: &Over,
    ) -> Result<Tried, StoreError> {
        let mut action = PutObject::new(&self.bucket, self.credentials.as_ref(), name);
        let headers = action.headers_mut();
        headers.insert("content-type", kind.to_owned());
        headers.insert("x-amz-checksum-sha256", BASE64_STANDARD.encode(digest));
        headers.insert(CHECKSUM, Checksum::of_digest(digest).as_str().to_owned());
        match over {
            Over::Nothing => headers.insert("if-none-match", "*"),
            Over::Version(version) => headers.insert("if-match", version.clone()),
            Over::Anything => {}
        }
        let Ok(answer) = self.send(Method::PUT, action, Some(body.clone()), LONGEST_ANSWER).await else {
            return Ok(Tried::Again);
        };
        let code = said(&answer.body, "Code");
        let is_without_bucket = code.as_deref() == Some(NO_BUCKET);
        match answer.status {
            status if status.is_success() => Ok(Tried::Taken),
            StatusCode::PRECONDITION_FAILED => Ok(Tried::Changed),
            // What was to be replaced is gone.
            StatusCode::NOT_FOUND if matches!(over, Over::Version(_)) && !is_without_bucket => Ok(Tried::Changed),
            StatusCode::NOT_IMPLEMENTED if *over != Over::Anything => Ok(Tried::NoConditions),
            // Two at once: whoever asks again sees how it ended.
            StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS => Ok(Tried::Again),
            status if status.is_server_error() => Ok(Tried::Again),
            _ => Err(self.refusal(&format!("put '{name}'"), &answer)),
        }
    }
}

#[async_trait]
impl Source for S3 {
    async fn head(&self, key: &Key) -> Result<Option<Head>, StoreError> {
        let name = self.name(key);
        let action = HeadObject::new(&self.bucket, self.credentials.as_ref(), &name);
        let what = format!("look at '{name}'");
        let answer = self.send(Method::HEAD, action, None, LONGEST_ANSWER).await;
        let answer = answer.map_err(|error| self.lost(&what, &error))?;
        match answer.status {
            status if status.is_success() => Ok(Some(head(&answer.headers, None))),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(self.refusal(&what, &answer)),
        }
    }

    async fn get(&self, key: &Key, limit: usize) -> Result<Option<Object>, StoreError> {
        let name = self.name(key);
        let action = GetObject::new(&self.bucket, self.credentials.as_ref(), &name);
        let what = format!("get '{name}'");
        // A refusal is a document, which may be longer than the object that was hoped for.
        let answer = self.send(Method::GET, action, None, limit.max(LONGEST_REFUSAL)).await;
        let answer = answer.map_err(|error| match error {
            NoAnswer::TooLong(_) => StoreError::TooLong(limit),
            error @ NoAnswer::Lost(_) => self.lost(&what, &error),
        })?;
        match answer.status {
            status if status.is_success() && answer.body.len() > limit => Err(StoreError::TooLong(limit)),
            status if status.is_success() => {
                let head = head(&answer.headers, Some(answer.body.len() as u64));
                Ok(Some(Object { head, body: answer.body }))
            }
            StatusCode::NOT_FOUND if said(&answer.body, "Code").as_deref() != Some(NO_BUCKET) => Ok(None),
            _ => Err(self.refusal(&what, &answer)),
        }
    }
}

#[async_trait]
impl Store for S3 {
    fn address(&self) -> &str {
        &self.address
    }

    async fn ready(&self, _to_write: bool) -> Result<(), StoreError> {
        let action = HeadBucket::new(&self.bucket, self.credentials.as_ref());
        let what = "look at the bucket";
        let answer = self.send(Method::HEAD, action, None, LONGEST_ANSWER).await;
        let answer = answer.map_err(|error| self.lost(what, &error))?;
        match answer.status {
            status if status.is_success() => Ok(()),
            StatusCode::NOT_FOUND => Err(StoreError::Unavailable(format!(
                "{}: there is no bucket '{}': is its name right, and the endpoint?",
                self.address,
                self.bucket.name()
            ))),
            _ => Err(self.refusal(what, &answer)),
        }
    }

    async fn make(&self) -> Result<(), StoreError> {
        let Some(credentials) = &self.credentials else { return Err(self.no_access("made")) };
        let action = CreateBucket::new(&self.bucket, credentials);
        let body = action.body();
        let answer = self.send(Method::PUT, action, Some(body.into()), LONGEST_ANSWER).await;
        let answer = answer.map_err(|error| self.lost("make the bucket", &error))?;
        let is_ours = said(&answer.body, "Code").as_deref() == Some("BucketAlreadyOwnedByYou");
        if answer.status.is_success() || is_ours { Ok(()) } else { Err(self.refusal("make the bucket", &answer)) }
    }

    async fn list(&self, prefix: &str, see: &mut (dyn FnMut(Listed) + Send)) -> Result<u64, StoreError> {
        let what = "list the bucket";
        let (mut count, mut from) = (0, None::<String>);
        loop {
            let mut action = ListObjectsV2::new(&self.bucket, self.credentials.as_ref());
            action.with_prefix(format!("{}{prefix}", self.prefix));
            if let Some(from) = from {
                action.with_continuation_token(from);
            }
            let answer = self.send(Method::GET, action, None, LONGEST_ANSWER).await;
            let answer = answer.map_err(|error| self.lost(what, &error))?;
            if !answer.status.is_success() {
                return Err(self.refusal(what, &answer));
            }
            let page = ListObjectsV2::parse_response(&String::from_utf8_lossy(&answer.body));
            let page = page.map_err(|error| {
                StoreError::Unavailable(format!("{}: the answer is no list of S3: {error}", self.address))
            })?;
            for object in page.contents {
                let Some(key) = object.key.strip_prefix(&self.prefix) else { continue };
                count += 1;
                let modified = object.last_modified.as_deref().and_then(|text| text.parse().ok());
                see(Listed { key: key.to_owned(), size: object.size.unwrap_or_default(), modified });
            }
            from = page.next_continuation_token;
            if from.is_none() {
                return Ok(count);
            }
        }
    }

    async fn put(&self, key: &Key, body: Bytes, kind: &str, over: &Over) -> Result<Stored, StoreError> {
        let name = self.name(key);
        let digest = Sha256::digest(&body);
        let (checksum, size) = (Checksum::of_digest(&digest), body.len() as u64);
        let mut over = over;
        for tried in 1..=self.retry.tries {
            let end = self.put_once(&name, (&body, &digest), kind, over).await?;
            match end {
                Tried::Changed if tried == 1 => return Ok(Stored::Changed),
                Tried::NoConditions => {
                    // An old server: that what is there may be replaced was looked at just before.
                    over = &Over::Anything;
                    continue;
                }
                Tried::Taken | Tried::Changed | Tried::Again => {}
            }
            // What a server says of a write is not believed: the object is looked at.
            let seen = self.head(key).await?;
            if seen.is_some_and(|seen| seen.checksum.as_ref() == Some(&checksum) && seen.size == Some(size)) {
                return Ok(Stored::Yes);
            }
            match end {
                Tried::Changed => return Ok(Stored::Changed),
                Tried::Taken => {
                    let why = "the server took it, and does not have what it was given: does it keep metadata?";
                    return Err(StoreError::Refused(format!("{}: '{name}': {why}", self.address)));
                }
                Tried::Again | Tried::NoConditions => {}
            }
            let Some(pause) = self.retry.before_next(tried, &HeaderMap::new()) else { break };
            tokio::time::sleep(pause).await;
        }
        let why = format!("{}: '{name}' could not be put: the server gave no answer, or is too busy", self.address);
        Err(StoreError::Unavailable(why))
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.delete_listed(&self.name(key)).await
    }
}

fn head(headers: &HeaderMap, size: Option<u64>) -> Head {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let modified = text(LAST_MODIFIED.as_str()).and_then(|date| httpdate::parse_http_date(date).ok());
    Head {
        size: size.or_else(|| text(CONTENT_LENGTH.as_str())?.parse().ok()),
        modified: modified.map(DateTime::<Utc>::from),
        checksum: text(CHECKSUM).and_then(Checksum::read),
        version: text(ETAG.as_str()).map(str::to_owned),
    }
}

/// What an element of S3's description of an error says.
fn said(body: &[u8], element: &str) -> Option<String> {
    let body = std::str::from_utf8(body).ok()?;
    let (_, rest) = body.split_once(&format!("<{element}>"))?;
    let (text, _) = rest.split_once(&format!("</{element}>"))?;
    let text: String = text.chars().filter(|letter| !letter.is_control()).take(300).collect();
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_has_two_parts_or_three() {
        for (text, is_one) in
            [("k:s", true), ("k:s:t\n", true), ("k", false), ("k:", false), ("", false), ("a:b:c:d", false)]
        {
            assert_eq!(Access::read(&text.into()).is_ok(), is_one, "{text}");
        }
        let access = Access::read(&"k:hunter2:t".into()).expect("an access");
        assert_eq!((access.credentials().secret(), access.credentials().token()), ("hunter2", Some("t")));
        assert!(!format!("{access:?}").contains("hunter2"));
    }

    #[test]
    fn an_error_is_told_in_the_servers_words() {
        let body = b"<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>It is\n not there.</Message></Error>";
        assert_eq!(said(body, "Code").as_deref(), Some("NoSuchKey"));
        assert_eq!(said(body, "Message").as_deref(), Some("It is not there."));
        assert_eq!(said(b"<Code>", "Code"), None);
        assert_eq!(said(b"\xff", "Code"), None);
    }
}
