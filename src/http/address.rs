//! A URL as somebody gave it, which may hold a user and a password.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::printable;

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

#[cfg(test)]
mod tests {
    use super::*;

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
