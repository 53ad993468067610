//! Where a Marathon is, of which only the host was told: there, or below a DC/OS.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use url::Url;

use crate::http::retry::Retry;
use crate::http::{Client, without_credentials};
use crate::watch::Unwatched;

/// Where a DC/OS has its Marathon.
const BEHIND: &str = "/service/marathon";

/// How long to wait for an answer: whoever is not there is told later, and by whoever needs it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a Marathon tells of itself is not longer, in bytes.
const LONGEST: usize = 1 << 20;

/// What answers at an address.
#[derive(Debug, PartialEq, Eq)]
enum There {
    Marathon,
    /// It wants a login first.
    Guarded,
    /// Something that is no Marathon.
    Other,
    /// Nothing that says what it is.
    Silence,
}

/// The Marathon at a URL. Where that names no path, and no Marathon is there, it is the one of a DC/OS, if that is there.
pub(super) async fn find(url: &Url, http: &Client) -> Url {
    if url.path() != "/" || there(url, http).await != There::Other {
        return url.clone();
    }
    let mut behind = url.clone();
    behind.set_path(BEHIND);
    match there(&behind, http).await {
        There::Marathon | There::Guarded => behind,
        There::Other | There::Silence => url.clone(),
    }
}

/// Asks once, and without a login: whom that would be told is what is to be found out.
async fn there(url: &Url, http: &Client) -> There {
    let info = format!("{}/v2/info", without_credentials(url).trim_end_matches('/'));
    let Ok(request) = http.get(info).timeout(PATIENCE).build() else { return There::Silence };
    let Ok(answer) = Retry::ONCE.send(http, request, LONGEST, &Unwatched).await else { return There::Silence };
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match answer.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => There::Guarded,
        status if status.is_success() && body["marathon_config"].is_object() => There::Marathon,
        StatusCode::NOT_FOUND => There::Other,
        status if status.is_success() || status.is_redirection() => There::Other,
        _ => There::Silence,
    }
}
