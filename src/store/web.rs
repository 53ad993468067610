//! A server that gives objects at URLs, and takes none.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{CONTENT_LENGTH, HeaderMap, LAST_MODIFIED, LOCATION};
use reqwest::{Client, Method, Request, StatusCode};
use url::Url;

use super::{Head, Key, Object, Source, StoreError};
use crate::http::retry::{Answer, NoAnswer, Retry};
use crate::http::{Trust, client, is_page, printable};
use crate::watch::Watch;

/// What is no letter of a path: all but what RFC 3986 leaves unreserved, and the `/` between parts.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
/// What is no letter of a query: in one, a `/` is no border between parts.
const QUERY: &AsciiSet = &PATH.add(b'/');

/// A URL with a place for the key in its path or its query.
#[derive(Clone, PartialEq, Eq)]
pub struct UrlPattern {
    before: String,
    behind: String,
    is_in_query: bool,
}

impl std::fmt::Debug for UrlPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UrlPattern({}…)", printable(&self.before))
    }
}

impl UrlPattern {
    /// A URL of what stands before the key, and what stands behind it.
    ///
    /// # Errors
    /// When it is none, or the key would choose the server.
    pub fn read(before: &str, behind: &str) -> Result<Self, String> {
        let is_in_query = before.contains('?');
        let tried: Url = format!("{before}key{behind}").parse().map_err(|error| format!("it is no URL: {error}"))?;
        let rest = before.split_once("://").map_or("", |(_, rest)| rest);
        if tried.host_str().is_none() || !rest.contains('/') && !is_in_query {
            return Err("the host has no key in it".to_owned());
        }
        Ok(Self { before: before.to_owned(), behind: behind.to_owned(), is_in_query })
    }

    /// The URL of a key's object.
    ///
    /// # Errors
    /// When there is no such URL.
    pub fn url(&self, key: &Key) -> Result<Url, String> {
        let set = if self.is_in_query { QUERY } else { PATH };
        let text = format!("{}{}{}", self.before, utf8_percent_encode(key.as_str(), set), self.behind);
        text.parse().map_err(|error| format!("there is no URL for it: {error}"))
    }
}

/// A server that gives objects.
pub struct Web {
    http: Client,
    retry: Retry,
    pattern: UrlPattern,
    watch: Arc<dyn Watch>,
}

impl Web {
    /// A server; `watch` is told of a long wait for it.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn open(pattern: UrlPattern, trust: &Trust, watch: &Arc<dyn Watch>) -> anyhow::Result<Self> {
        Ok(Self { http: client(trust)?, retry: Retry::default(), pattern, watch: Arc::clone(watch) })
    }

    async fn ask(&self, method: Method, key: &Key, limit: usize) -> Result<Answer, StoreError> {
        let request = Request::new(method, self.pattern.url(key).map_err(StoreError::Refused)?);
        self.retry.send(&self.http, request, limit, &*self.watch).await.map_err(|error| match error {
            NoAnswer::TooLong(limit) => StoreError::TooLong(limit),
            NoAnswer::Lost(_) => StoreError::Unavailable(format!("no whole answer of the server: {error}")),
        })
    }
}

#[async_trait]
impl Source for Web {
    async fn head(&self, key: &Key) -> Result<Option<Head>, StoreError> {
        let answer = self.ask(Method::HEAD, key, 0).await?;
        // Many servers do not let everybody ask so.
        Ok(answer.status.is_success().then(|| told(&answer.headers)))
    }

    async fn get(&self, key: &Key, limit: usize) -> Result<Option<Object>, StoreError> {
        let answer = self.ask(Method::GET, key, limit).await?;
        let status = answer.status;
        match status {
            StatusCode::OK if is_page(&answer.headers, &answer.body) => Err(StoreError::Refused(
                "the server answers with a web page: is the URL right, and open without a login?".to_owned(),
            )),
            StatusCode::OK => Ok(Some(Object { head: told(&answer.headers), body: answer.body })),
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            _ if status.is_redirection() => {
                let to = answer.headers.get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default();
                let to = printable(to.split('?').next().unwrap_or_default());
                Err(StoreError::Refused(format!("the server sends elsewhere ({status}), to {to}: name that place")))
            }
            _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(StoreError::Unavailable(format!("the server is in trouble: {status}")))
            }
            _ => Err(StoreError::Refused(format!("the server does not give it: {status}"))),
        }
    }
}

/// What a server says of an object.
fn told(headers: &HeaderMap) -> Head {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let modified = text(LAST_MODIFIED.as_str()).and_then(|date| httpdate::parse_http_date(date).ok());
    Head {
        size: text(CONTENT_LENGTH.as_str()).and_then(|length| length.parse().ok()),
        modified: modified.map(DateTime::<Utc>::from),
        checksum: None,
        version: None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_changes_neither_the_server_nor_the_depth_nor_the_query(text in "[./?#%@:a-b\\\\ ]{1,12}|.{1,30}") {
            let Ok(key) = Key::read(&text) else { return Ok(()) };
            let url = UrlPattern::read("https://h/x/", "?s=1").expect("a pattern").url(&key).expect("a URL");
            prop_assert_eq!(url.host_str(), Some("h"));
            prop_assert_eq!(url.query(), Some("s=1"));
            let path = percent_encoding::percent_decode_str(url.path()).decode_utf8_lossy().into_owned();
            prop_assert_eq!(path, format!("/x/{text}"));
            prop_assert_eq!(url.path().matches('/').count(), 2 + text.matches('/').count());
            let url = UrlPattern::read("https://h/x?id=", "&s=1").expect("a pattern").url(&key).expect("a URL");
            let pairs: Vec<_> = url.query_pairs().into_owned().collect();
            prop_assert_eq!(pairs, [("id".to_owned(), text), ("s".to_owned(), "1".to_owned())]);
        }
    }
}
