//! The services as an operator describes them, in JSON: where they are, how to get in, how fast they may be asked, and, where
//! they speak otherwise than the contract, what is sent and where the answer stands.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::Address;
use crate::port::Unfit;

/// Everything that is known of the services.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Services {
    /// The banks, by their names.
    pub banks: BTreeMap<String, Bank>,
    /// The master.
    pub master: Master,
    /// Where a message has what is needed of it.
    #[serde(default)]
    pub message: Message,
}

/// A bank.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bank {
    /// Where it is, and how to get in.
    #[serde(flatten)]
    pub(super) service: Service,
    /// How it is asked for a confirmation.
    #[serde(default)]
    pub(super) confirmation: Confirmation,
}

/// The master.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Master {
    /// Where it is, and how to get in.
    #[serde(flatten)]
    pub(super) service: Service,
    /// How it is given a result.
    #[serde(default)]
    pub(super) result: Stored,
}

/// Where a service is, how to get in, and how much it bears.
#[derive(Debug, Deserialize)]
pub(super) struct Service {
    /// Its base URL.
    pub url: Address,
    /// A user, for HTTP's basic authentication.
    #[serde(default)]
    pub user: Option<String>,
    /// Its password.
    #[serde(default)]
    pub password: Option<SecretString>,
    /// A bearer token, in place of user and password.
    #[serde(default)]
    pub token: Option<SecretString>,
    /// How long a request may take, in seconds.
    #[serde(default = "ten")]
    pub timeout: NonZeroU64,
    /// How many requests a second it bears.
    #[serde(default = "fifty")]
    pub per_second: NonZeroU32,
    /// How many requests it bears at the same time.
    #[serde(default = "sixteen")]
    pub concurrency: NonZeroUsize,
}

fn ten() -> NonZeroU64 {
    NonZeroU64::new(10).expect("it is not zero")
}

fn fifty() -> NonZeroU32 {
    NonZeroU32::new(50).expect("it is not zero")
}

fn sixteen() -> NonZeroUsize {
    NonZeroUsize::new(16).expect("it is not zero")
}

/// What is sent to ask for a confirmation, and where the answer stands.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Confirmation {
    pub method: String,
    /// Below the service's URL; `{id}` and `{issuer}` stand for those of the transaction, `{/pointer}` for any part of it.
    pub path: String,
    /// The body, with the same placeholders in its texts; null for none.
    pub body: Value,
    /// A JSON pointer to the status in the answer.
    pub status: String,
    pub confirmed: Vec<String>,
    pub declined: Vec<String>,
    pub pending: Vec<String>,
    pub unknown: Vec<String>,
}

impl Default for Confirmation {
    fn default() -> Self {
        let word = |word: &str| vec![word.to_owned()];
        Self {
            method: "GET".to_owned(),
            path: "/confirmations/{id}?issuer={issuer}".to_owned(),
            body: Value::Null,
            status: "/status".to_owned(),
            confirmed: word("confirmed"),
            declined: word("declined"),
            pending: word("pending"),
            unknown: word("unknown"),
        }
    }
}

/// What is sent to have a result stored.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Stored {
    pub method: String,
    /// As that of a confirmation; `{result}` is the word for what became of the transaction.
    pub path: String,
    pub body: Value,
    /// The words for the two results.
    pub committed: String,
    pub cancelled: String,
    /// The header with the key by which the master knows a request that it had already.
    pub key: String,
}

impl Default for Stored {
    fn default() -> Self {
        Self {
            method: "POST".to_owned(),
            path: "/transactions/{id}/result".to_owned(),
            body: json!({ "issuer": "{issuer}", "result": "{result}" }),
            committed: "committed".to_owned(),
            cancelled: "cancelled".to_owned(),
            key: "Idempotency-Key".to_owned(),
        }
    }
}

/// Where a message has what is needed of it, as JSON pointers.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Message {
    /// Its transaction's id.
    pub id: String,
    /// Who issued it.
    pub issuer: String,
    /// The issuer of one that names none. It is the same for every run, for it is part of the key by which the master knows a
    /// transaction.
    pub default_issuer: String,
}

impl Default for Message {
    fn default() -> Self {
        let [id, issuer, default_issuer] = ["/id", "/issuer", "primary"].map(str::to_owned);
        Self { id, issuer, default_issuer }
    }
}

impl Services {
    /// Reads a description.
    ///
    /// # Errors
    /// When it is no JSON, or a member is missing, unknown or of another kind. What stands in it may be a secret, and is not
    /// shown.
    pub fn read(text: &str) -> Result<Self, Unfit> {
        let document: Value = serde_json::from_str(text).map_err(|error| {
            Unfit(format!("the services are no JSON (line {}, column {})", error.line(), error.column()))
        })?;
        let services: Self = serde_json::from_value(document).map_err(|error| Unfit(wrong(&error)))?;
        for pointer in [&services.message.id, &services.message.issuer] {
            is_pointer(pointer, "message")?;
        }
        for (name, bank) in &services.banks {
            is_pointer(&bank.confirmation.status, &format!("banks.{name}.confirmation.status"))?;
        }
        Ok(services)
    }

    /// The bank of this name.
    ///
    /// # Errors
    /// When there is none; with the names of those that there are.
    pub fn bank(&self, name: &str) -> Result<&Bank, Unfit> {
        self.banks.get(name).ok_or_else(|| {
            let known = self.banks.keys().map(String::as_str).collect::<Vec<_>>().join("', '");
            Unfit(if known.is_empty() {
                format!("there is no bank '{name}': the services have none")
            } else {
                format!("there is no bank '{name}'; there are '{known}'")
            })
        })
    }
}

fn is_pointer(text: &str, place: &str) -> Result<(), Unfit> {
    let is_one = text.is_empty() || text.starts_with('/');
    let why = || Unfit(format!("{place} of the services: '{text}' is no JSON pointer, which begins with `/`"));
    is_one.then_some(()).ok_or_else(why)
}

/// Why the description is wrong, without the values in it.
fn wrong(error: &serde_json::Error) -> String {
    let text = error.to_string();
    // serde quotes a value that is of another kind; a member's name stands between back quotes.
    let text = if text.contains("invalid type") || text.contains("invalid value") {
        text.split_once("expected").map_or_else(
            || "a value is of another kind".to_owned(),
            |(_, expected)| format!("a value is of another kind: expected{expected}"),
        )
    } else {
        text
    };
    format!("the services cannot be used: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(document: &Value) -> Result<Services, String> {
        Services::read(&document.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_said_is_as_in_the_contract() {
        let document = json!({ "banks": { "north": { "url": "https://u:p@north" } }, "master": { "url": "http://m" } });
        let services = read(&document).expect("services");
        let bank = services.bank("north").expect("the bank");
        assert_eq!((bank.service.per_second.get(), bank.confirmation.status.as_str()), (50, "/status"));
        assert_eq!(services.master.result.path, "/transactions/{id}/result");
        assert_eq!(services.message.issuer, "/issuer");
        let none = services.bank("south").map(drop).expect_err("none").to_string();
        assert_eq!(none, "there is no bank 'south'; there are 'north'");
    }

    #[test]
    fn what_is_wrong_is_named_and_no_value_is_shown() {
        let bank = json!({ "url": "http://b" });
        for (document, why) in [
            (json!({ "banks": {} }), "the services cannot be used: missing field `master`"),
            (
                json!({ "banks": { "b": bank }, "master": { "url": "http://m" }, "master_": 1 }),
                "the services cannot be used: unknown field `master_`, expected one of `banks`, `master`, `message`",
            ),
            (
                json!({ "banks": { "b": { "url": "http://b", "timeout": "s3cret" } }, "master": bank }),
                "the services cannot be used: a value is of another kind: expected a nonzero u64",
            ),
            (
                json!({ "banks": {}, "master": bank, "message": { "id": "id" } }),
                "message of the services: 'id' is no JSON pointer, which begins with `/`",
            ),
        ] {
            assert_eq!(read(&document).map(drop), Err(why.to_owned()), "{document}");
        }
        let mistyped = json!({ "banks": { "b": { "url": "http://b", "per_minute": 5 } }, "master": bank });
        let error = read(&mistyped).map(drop).expect_err("a mistyped member");
        assert!(error.starts_with("the services cannot be used: unknown field `per_minute`"), "{error}");
        let error = Services::read("{\"banks\": s3cret").map(drop).expect_err("no JSON").to_string();
        assert_eq!(error, "the services are no JSON (line 1, column 11)");
    }
}
