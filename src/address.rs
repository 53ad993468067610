//! A URL as somebody gave it, which may hold a user and a password.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

/// A URL that may hold credentials. It is printed without them, by `{}` and by `{:?}`, and is never serialised.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Address(SecretString);

impl Address {
    /// The URL with its credentials: to get in with, never to be shown.
    #[must_use]
    pub fn whole(&self) -> &str {
        self.0.expose_secret()
    }
}

/// How a password is written in a URL.
pub const ESCAPES: &str = "an `@`, `/`, `?` or `#` of a password is written as %40, %2F, %3F or %23";

impl Address {
    /// Whether an `@` stands behind what a URL has for its host: then that host is, most likely, a part of a password that is not
    /// written as [`ESCAPES`] says, and would be connected to and shown.
    #[must_use]
    pub fn may_be_cut_by_a_password(&self) -> bool {
        let rest = self.whole().split_once("://").map_or(self.whole(), |(_, rest)| rest);
        rest.find(['/', '?', '#']).is_some_and(|end| rest[end..].contains('@'))
    }
}

impl From<&str> for Address {
    fn from(url: &str) -> Self {
        Self(url.into())
    }
}

impl From<String> for Address {
    fn from(url: String) -> Self {
        Self(url.into())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(self.whole()))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// A text that should be a URL, and may be none, as it may be printed: what stands before its last `@` may hold a
/// password, so only the scheme is left of that.
#[must_use]
pub fn printable(text: &str) -> String {
    match text.rsplit_once('@') {
        None => text.to_owned(),
        Some((before, rest)) => match before.split_once("://") {
            Some((scheme, _)) if scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+') => {
                format!("{scheme}://{rest}")
            }
            _ => rest.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_url_shows_no_password_either() {
        for (text, printed) in [
            ("marathon+https://ann:pw@host/x", "marathon+https://host/x"),
            ("marathon+https://ann:hun/ter2@host", "marathon+https://host"),
            ("ann:hunter2@host", "host"),
            ("marathon+ann:hunter2@host", "host"),
            ("an:n://hunter2@host", "host"),
            ("podman+unix:///run/podman.sock", "podman+unix:///run/podman.sock"),
        ] {
            assert_eq!(printable(text), printed);
        }
    }

    #[test]
    fn an_at_sign_behind_the_host_is_seen() {
        for (url, is_cut) in [
            ("amqp://u:p@h/v?queue=q", false),
            ("postgres://u:a@b@h/db", false),
            ("postgres://u:ab@cd/efghij@host/db", true),
            ("amqp://u:a@b?secret@h/v?queue=q", true),
            ("redis://u:a#b@h/s", true),
            ("/a@b", true),
            ("", false),
        ] {
            assert_eq!(Address::from(url).may_be_cut_by_a_password(), is_cut, "{url}");
        }
    }

    #[test]
    fn an_address_is_printed_without_its_credentials_and_can_be_had_whole() {
        let address = Address::from("marathon+https://ann:pw@host/x");
        assert_eq!(address.to_string(), "marathon+https://host/x");
        assert_eq!(format!("{address:?}"), "Address(marathon+https://host/x)");
        assert_eq!(address.whole(), "marathon+https://ann:pw@host/x");
        let read: Address = serde_json::from_str(r#""https://ann:pw@host""#).expect("a text");
        assert_eq!(read.whole(), "https://ann:pw@host");
    }
}
