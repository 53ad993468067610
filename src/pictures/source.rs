//! Where good pictures come from.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_LENGTH, HeaderMap, LAST_MODIFIED, LOCATION};
use reqwest::{Client, Method, Request, StatusCode};

use super::template::{Template, UrlTemplate};
use crate::http::is_page;
use crate::http::retry::{Answer, NoAnswer, Retry};
use crate::store::{Checksum, Head, Key, Store, StoreError};
use crate::watch::Watch;

/// Why a source does not give a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It does not have it.
    Absent(String),
    /// What it gives is none.
    NoPicture(String),
    /// It does not answer, or is in trouble: the next may fare no better.
    Unavailable(String),
}

/// Where good pictures come from.
pub enum Source {
    /// A server.
    Server {
        /// Who asks.
        http: Client,
        /// For what.
        template: UrlTemplate,
        /// How often.
        retry: Retry,
        /// Who is told of a long wait.
        watch: Arc<dyn Watch>,
    },
    /// A store, and what stands before and behind a key there.
    Store(Box<dyn Store>, String, String),
}

impl Source {
    /// What is said of a picture without fetching it; none where nothing is.
    ///
    /// # Errors
    /// When the source does not answer.
    pub async fn head(&self, key: &Key) -> Result<Option<Head>, Fault> {
        match self {
            Self::Server { .. } => {
                let answer = self.ask(Method::HEAD, key, 0).await?;
                Ok(answer.status.is_success().then(|| told(&answer.headers)))
            }
            Self::Store(store, before, behind) => {
                let name = Template::name(before, key, behind).map_err(Fault::Absent)?;
                store.head(&name).await.map_err(of_the_store)
            }
        }
    }

    /// A picture, and the checksum that the source has written down for it.
    ///
    /// # Errors
    /// When there is none.
    pub async fn fetch(&self, key: &Key, limit: usize) -> Result<(Bytes, Option<Checksum>), Fault> {
        match self {
            Self::Server { .. } => {
                let answer = self.ask(Method::GET, key, limit).await?;
                body(answer).map(|body| (body, None))
            }
            Self::Store(store, before, behind) => {
                let name = Template::name(before, key, behind).map_err(Fault::Absent)?;
                let object = store.get(&name, limit).await.map_err(of_the_store)?;
                let absent = || Fault::Absent(format!("the source has no '{name}'"));
                object.map(|object| (object.body, object.head.checksum)).ok_or_else(absent)
            }
        }
    }

    async fn ask(&self, method: Method, key: &Key, limit: usize) -> Result<Answer, Fault> {
        let Self::Server { http, template, retry, watch } = self else { unreachable!("only a server is asked") };
        let request = Request::new(method, template.url(key).map_err(Fault::Absent)?);
        retry.send(http, request, limit, &**watch).await.map_err(|error| match error {
            NoAnswer::TooLong(limit) => too_long(limit),
            NoAnswer::Lost(_) => Fault::Unavailable(format!("the source gives no whole answer: {error}")),
        })
    }
}

fn too_long(limit: usize) -> Fault {
    Fault::NoPicture(format!("what the source has is larger than {} MiB (--largest)", limit >> 20))
}

fn of_the_store(error: StoreError) -> Fault {
    match error {
        StoreError::TooLong(limit) => too_long(limit),
        StoreError::Refused(why) => Fault::Absent(why),
        StoreError::Unavailable(why) => Fault::Unavailable(why),
    }
}

/// What a server says of a picture.
fn told(headers: &HeaderMap) -> Head {
    let text = |name| headers.get(name).and_then(|value: &reqwest::header::HeaderValue| value.to_str().ok());
    let modified = text(LAST_MODIFIED).and_then(|date| httpdate::parse_http_date(date).ok());
    Head {
        size: text(CONTENT_LENGTH).and_then(|length| length.parse().ok()),
        modified: modified.map(DateTime::<Utc>::from),
        checksum: None,
        version: None,
    }
}

/// The picture in an answer.
fn body(answer: Answer) -> Result<Bytes, Fault> {
    let status = answer.status;
    match status {
        StatusCode::OK if is_page(&answer.headers, &answer.body) => {
            Err(Fault::NoPicture("the source answers with a web page: is its URL right, and open without a login?".to_owned()))
        }
        StatusCode::OK => Ok(answer.body),
        _ if status.is_redirection() => {
            let to = answer.headers.get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default();
            let to = crate::http::printable(to.split('?').next().unwrap_or_default());
            Err(Fault::Absent(format!("the source sends elsewhere ({status}), to {to}: name that as --source")))
        }
        _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            Err(Fault::Unavailable(format!("the source is in trouble: {status}")))
        }
        _ => Err(Fault::Absent(format!("the source does not give it: {status}"))),
    }
}
