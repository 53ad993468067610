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
    fn an_address_is_printed_without_its_credentials_and_can_be_had_whole() {
        let address = Address::from("marathon+https://ann:pw@host/x");
        assert_eq!(address.to_string(), "marathon+https://host/x");
        assert_eq!(format!("{address:?}"), "Address(marathon+https://host/x)");
        assert_eq!(address.whole(), "marathon+https://ann:pw@host/x");
        let read: Address = serde_json::from_str(r#""https://ann:pw@host""#).expect("a text");
        assert_eq!(read.whole(), "https://ann:pw@host");
    }
}
