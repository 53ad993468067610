//! Cookies, as a session keeps them from one request to the next (RFC 6265, as far as a test needs it).

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::action::context::local_now;

/// The cookies of each session, by host.
#[derive(Debug, Default)]
pub(super) struct Sessions(BTreeMap<(String, String), BTreeMap<String, String>>);

impl Sessions {
    /// The header with those that go to a host; none where there are none.
    pub(super) fn header(&self, session: &str, host: &str) -> Option<String> {
        let cookies = self.0.get(&(session.to_owned(), host.to_owned())).filter(|cookies| !cookies.is_empty())?;
        Some(cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; "))
    }

    /// Takes those of an answer.
    pub(super) fn keep<'a>(&mut self, session: &str, host: &str, cookies: impl IntoIterator<Item = &'a str>) {
        let jar = self.0.entry((session.to_owned(), host.to_owned())).or_default();
        cookies.into_iter().for_each(|cookie| keep(jar, cookie, local_now().into()));
    }
}

/// Takes a cookie; one whose life is over is forgotten.
fn keep(jar: &mut BTreeMap<String, String>, cookie: &str, now: SystemTime) {
    let mut parts = cookie.split(';').map(str::trim);
    let Some((name, value)) = parts.next().and_then(|part| part.split_once('=')) else { return };
    let (mut age, mut end) = (None, None);
    for (key, value) in parts.filter_map(|part| part.split_once('=')) {
        match key.trim().to_lowercase().as_str() {
            "max-age" => age = value.trim().parse::<i64>().ok().or(age),
            "expires" => end = date(value.trim()).or(end),
            _ => {}
        }
    }
    // The age wins over the end, whatever their order.
    let is_over = age.map_or_else(|| end.is_some_and(|end| end <= now), |age| age <= 0);
    if is_over || value.is_empty() {
        jar.remove(name);
    } else {
        jar.insert(name.to_owned(), value.to_owned());
    }
}

/// A date as servers write it; many with dashes: `Thu, 01-Jan-1970 00:00:00 GMT`.
fn date(text: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(text).or_else(|_| httpdate::parse_http_date(&text.replace('-', " "))).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn cookies_come_and_go() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 365 * 50);
        let mut jar = BTreeMap::new();
        for (cookie, expected) in [
            ("a=1; Path=/; Secure", Some("1")),
            ("a=1; Max-Age=0", None),
            ("a=2; Max-Age=5; Expires=Thu, 01 Jan 1970 00:00:00 GMT", Some("2")),
            ("a=2; Expires=Thu, 01 Jan 1970 00:00:00 GMT", None),
            ("a=3; expires=Fri, 01 Jan 2100 00:00:00 GMT", Some("3")),
            ("a=3; expires=Thu, 01-Jan-1970 00:00:00 GMT; path=/", None),
            ("a=4; Expires=soon", Some("4")),
            ("a=", None),
        ] {
            keep(&mut jar, cookie, now);
            assert_eq!(jar.get("a").map(String::as_str), expected, "{cookie}");
        }
    }
}
