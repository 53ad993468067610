//! One question to one member, with a deadline of its own.

use std::time::Duration;

use reqwest::RequestBuilder;
use tokio::time::timeout;

use crate::http::Client;
use crate::http::retry::{Answer, Retry};
use crate::watch::Unwatched;

/// How long a member may take to say how it stands. One that stands still (SIGSTOP) takes a connection and says nothing.
pub(super) const DEADLINE: Duration = Duration::from_secs(3);

/// No answer of a member is longer, in bytes.
const LONGEST: usize = 4 << 20;

/// Why a member did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub(super) struct Silent {
    pub(super) why: String,
    /// There was no connection: the member has not heard of it.
    pub(super) never_left: bool,
}

/// Asks once: whoever wants to know asks again, and sees how the member stands by then.
pub(super) async fn ask(http: &Client, request: RequestBuilder, limit: Duration) -> Result<Answer, Silent> {
    let silent = |why: String, never_left| Silent { why, never_left };
    let request = request.build().map_err(|error| silent(error.without_url().to_string(), true))?;
    match timeout(limit, Retry::ONCE.send(http, request, LONGEST, &Unwatched)).await {
        Err(_) => Err(silent(format!("no answer within {} s", limit.as_secs()), false)),
        Ok(Err(error)) => {
            let never_left = error.never_left();
            Err(silent(error.to_string(), never_left))
        }
        Ok(Ok(answer)) => Ok(answer),
    }
}
