//! Asking again, where that is safe and may help.
//!
//! Only GET and HEAD are repeated: they change nothing, so it does not matter whether a lost one had arrived. A write
//! that got no answer is never repeated here; whoever wrote has to look first.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Method, Request, StatusCode};
use url::Url;

use crate::watch::Watch;

/// A wait of this length or more is worth telling.
const WORTH_TELLING: Duration = Duration::from_secs(3);
/// No pause of ours is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// A server that wants a longer rest than this (an hour, to the end of the quota's day) is not waited for.
const LONGEST_REST: Duration = Duration::from_mins(2);
/// A server that nobody can connect to is asked so often only: its address may be mistyped, and somebody waits.
const TRIES_TO_CONNECT: u32 = 3;

/// How often to ask, and how long to wait between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Requests in all.
    pub tries: u32,
    /// The pause after the first; it doubles each time, up to 15 s, and up to half of it is left away by chance, so
    /// that many who were refused at once do not come back at once.
    pub first_pause: Duration,
}

impl Default for Retry {
    /// Six tries within about a quarter of a minute, where the server does not ask for a longer rest.
    fn default() -> Self {
        Self { tries: 6, first_pause: Duration::from_millis(500) }
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Where it came from, after redirects within the server.
    pub url: Url,
    /// Its body.
    pub body: Bytes,
}

/// Why there is no [`Answer`].
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// No connection, none in time, or one that broke. Names no URL: these can hold secrets.
    #[error("{}", causes(.0))]
    Lost(reqwest::Error),
    /// The body is longer than the caller bears.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

impl NoAnswer {
    /// Whether the server cannot have heard of the request: there was no connection, or no request at all.
    #[must_use]
    pub fn never_left(&self) -> bool {
        matches!(self, Self::Lost(error) if error.is_connect() || error.is_builder())
    }
}

impl Retry {
    /// One try, whatever comes of it.
    pub const ONCE: Self = Self { tries: 1, first_pause: Duration::ZERO };

    /// Sends a request and reads the answer, whose body may have `limit` bytes at most. A GET or a HEAD is sent again
    /// where the answer is 429 or 5xx, or where it did not come or broke off.
    ///
    /// A `Retry-After` of up to two minutes is obeyed; with a longer one, or after the last try, the answer is handed
    /// back as it is.
    ///
    /// # Errors
    /// When the last try got no answer, or one that is too long.
    pub async fn send(
        &self,
        client: &Client,
        mut request: Request,
        limit: usize,
        watch: &dyn Watch,
    ) -> Result<Answer, NoAnswer> {
        let server = request.url().authority().rsplit('@').next().unwrap_or_default().to_owned();
        let mut tried = 0;
        loop {
            tried += 1;
            let repeatable = matches!(*request.method(), Method::GET | Method::HEAD) && tried < self.tries;
            let again = request.try_clone().filter(|_| repeatable);
            let answer = once(client, request, limit).await;
            let (Some(next), Some(why)) = (again, reason(&answer, tried)) else { return answer };
            let asked = answer.as_ref().ok().and_then(|answer| rest(&answer.headers));
            let Some(pause) = self.pause(tried, asked, chance()) else { return answer };
            if pause >= WORTH_TELLING {
                let (seconds, number, all) = (pause.as_secs(), tried + 1, self.tries);
                watch.warn(&format!("{server} {why}: waiting {seconds} s before try {number} of {all}"));
            }
            tokio::time::sleep(pause).await;
            request = next;
        }
    }

    /// How long to wait after so many tries, where the last answer had these headers. None: not at all, it was the last try, or
    /// another is no use.
    #[must_use]
    pub fn before_next(&self, tried: u32, headers: &HeaderMap) -> Option<Duration> {
        self.after(tried, headers).filter(|_| tried < self.tries)
    }

    /// The same for a caller that does not count its tries.
    #[must_use]
    pub fn after(&self, tried: u32, headers: &HeaderMap) -> Option<Duration> {
        self.pause(tried, rest(headers), chance())
    }

    /// How long to wait after so many tries. None: not at all, it is no use.
    fn pause(&self, tried: u32, asked: Option<Duration>, chance: f64) -> Option<Duration> {
        let doubled = 2_u32.saturating_pow(tried.saturating_sub(1));
        let ours = self.first_pause.saturating_mul(doubled).min(LONGEST_PAUSE);
        match asked {
            Some(asked) if asked > LONGEST_REST => None,
            // Never before the time that was asked for; a little after it, for the same reason as below.
            Some(asked) => Some(asked + self.first_pause.mul_f64(chance)),
            None => Some(ours.mul_f64(1.0 - chance / 2.0)),
        }
    }
}

async fn once(client: &Client, request: Request, limit: usize) -> Result<Answer, NoAnswer> {
    let lost = |error: reqwest::Error| NoAnswer::Lost(error.without_url());
    let mut response = client.execute(request).await.map_err(lost)?;
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        if body.len() + chunk.len() > limit {
            return Err(NoAnswer::TooLong(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        status: response.status(),
        headers: std::mem::take(response.headers_mut()),
        url: response.url().clone(),
        body: body.freeze(),
    })
}

/// Why it is worth asking again; None where it is not.
fn reason(answer: &Result<Answer, NoAnswer>, tried: u32) -> Option<String> {
    match answer {
        Ok(answer) if answer.status == StatusCode::TOO_MANY_REQUESTS => Some("is busy (429)".to_owned()),
        Ok(answer) if answer.status.is_server_error() => Some(format!("answers {}", answer.status)),
        Ok(_) | Err(NoAnswer::TooLong(_)) => None,
        // A certificate that is not believed stays so, and so does a URL that cannot be asked.
        Err(NoAnswer::Lost(error)) if error.is_builder() || error.is_redirect() || is_certificate(error) => None,
        Err(NoAnswer::Lost(error)) if error.is_connect() && tried >= TRIES_TO_CONNECT => None,
        Err(NoAnswer::Lost(_)) => Some("gives no answer".to_owned()),
    }
}

/// An error with its causes in one line: reqwest's own text names none of them. A cause that repeats what was said
/// before it is left out.
#[must_use]
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

fn is_certificate(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if error.is::<rustls::Error>() || inner.is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>)
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The rest that a server asks for with `Retry-After`: seconds, or a date, which is measured against the server's own
/// clock (its `Date` header), since ours may be wrong.
#[must_use]
pub fn rest(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let wanted = text(RETRY_AFTER)?;
    if let Ok(seconds) = wanted.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(wanted).ok()?;
    let now = httpdate::parse_http_date(text(DATE)?).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

/// A number from 0 to 1. The keys of a hash map are random enough for spreading requests.
fn chance() -> f64 {
    let number = u32::try_from(RandomState::new().build_hasher().finish() >> 32).unwrap_or(0);
    f64::from(number) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_of_the_servers_clock() {
        let date = (DATE, "Wed, 21 Oct 2015 07:28:00 GMT");
        for (pairs, expected) in [
            (vec![(RETRY_AFTER, "7")], Some(7)),
            (vec![(RETRY_AFTER, " 0 ")], Some(0)),
            (vec![(RETRY_AFTER, "Wed, 21 Oct 2015 07:29:30 GMT"), date.clone()], Some(90)),
            (vec![(RETRY_AFTER, "Wed, 21 Oct 2015 07:00:00 GMT"), date.clone()], Some(0)),
            (vec![(RETRY_AFTER, "Wed, 21 Oct 2015 07:29:30 GMT")], None),
            (vec![(RETRY_AFTER, "-1")], None),
            (vec![(RETRY_AFTER, "soon"), date], None),
            (vec![], None),
        ] {
            assert_eq!(rest(&headers(&pairs)), expected.map(Duration::from_secs), "{pairs:?}");
        }
    }

    #[test]
    fn a_rest_of_hours_is_not_waited_for() {
        assert_eq!(Retry::default().pause(1, Some(Duration::from_hours(6)), 0.5), None);
    }

    proptest! {
        #[test]
        fn pauses_double_up_to_a_bound_and_never_undercut_what_was_asked(tried in 1_u32..40, asked in 0_u64..=120, chance in 0.0..=1.0) {
            let retry = Retry::default();
            let ours = retry.pause(tried, None, chance).unwrap();
            let full = Duration::from_millis(500 * (1_u64 << tried.min(10).saturating_sub(1))).min(LONGEST_PAUSE);
            prop_assert!(ours >= full / 2 && ours <= full, "{ours:?}");
            let asked = Duration::from_secs(asked);
            let theirs = retry.pause(tried, Some(asked), chance).unwrap();
            prop_assert!(theirs >= asked && theirs <= asked + retry.first_pause, "{theirs:?}");
        }
    }

    #[test]
    fn chance_stays_within_its_bounds_and_varies() {
        let drawn: Vec<f64> = (0..50).map(|_| chance()).collect();
        assert!(drawn.iter().all(|number| (0.0..=1.0).contains(number)), "{drawn:?}");
        assert!(drawn.iter().any(|number| (number - drawn[0]).abs() > f64::EPSILON), "{drawn:?}");
    }
}
