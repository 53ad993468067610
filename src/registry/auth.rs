//! How a registry lets us in: not at all guarded, with user and password, or with a token for each repository.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::WWW_AUTHENTICATE;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::error::RegistryError;
use super::headers::challenges;
use super::said::said;
use crate::http::is_loopback;
use crate::http::retry::Answer;

/// How long a token holds, if its server does not say.
const USUAL_LIFE: Duration = Duration::from_mins(1);
/// A token that ends within this time is not used any more: the request could arrive too late.
const MARGIN: Duration = Duration::from_secs(10);

/// The user that a registry is read as.
#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: SecretString,
}

/// What a registry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scheme {
    /// Nothing.
    Open,
    /// User and password with each request.
    Basic,
    /// A token, to be had from a server of its choice.
    Bearer { realm: Url, service: Option<String> },
}

/// What is sent along with a request.
#[derive(Clone)]
pub(super) enum Pass {
    Basic(Credentials),
    Bearer(Token),
}

/// A token for one repository.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) secret: SecretString,
    until: Instant,
}

/// The tokens that were got: one request for each repository, shared by all that wait for it.
#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<String, Arc<tokio::sync::Mutex<Option<Token>>>>>);

impl Scheme {
    /// What an answer asks for. A token is preferred, as the specification has it.
    pub(super) fn of(answer: &Answer, registry: &str) -> Result<Self, RegistryError> {
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(Self::Open);
        }
        let headers = answer.headers.get_all(WWW_AUTHENTICATE);
        let offered: Vec<_> = headers.iter().filter_map(|header| header.to_str().ok()).flat_map(challenges).collect();
        let find = |scheme: &str| offered.iter().find(|challenge| challenge.scheme == scheme);
        if let Some(realm) = find("bearer").and_then(|bearer| bearer.parameter("realm")) {
            let realm = answer.url.join(realm).map_err(|error| RegistryError::Authentication {
                registry: registry.to_owned(),
                why: format!("its server of tokens '{realm}' is no URL ({error})"),
            })?;
            let service = find("bearer").and_then(|bearer| bearer.parameter("service")).map(str::to_owned);
            return Ok(Self::Bearer { realm, service });
        }
        if find("basic").is_some() {
            return Ok(Self::Basic);
        }
        let names: Vec<&str> = offered.iter().map(|challenge| challenge.scheme.as_str()).collect();
        let why = match said(answer, "") {
            _ if !names.is_empty() => names.join(", "),
            None => "it does not say which".to_owned(),
            Some(said) => format!("it does not say which ({said})"),
        };
        Err(RegistryError::Authentication { registry: registry.to_owned(), why })
    }
}

/// Whether the password may go to the server of tokens that a registry names: only under encryption, or within this
/// host, or to the registry's own host where the operator chose a registry without encryption.
pub(super) fn may_know_the_password(realm: &Url, registry: &Url) -> bool {
    realm.scheme() == "https"
        || is_loopback(realm)
        || (registry.scheme() == "http" && realm.host_str() == registry.host_str())
}

/// The URL that gives a token to pull from a repository.
pub(super) fn token_url(realm: &Url, service: Option<&str>, repository: &str) -> Url {
    let mut url = realm.clone();
    if let Some(service) = service {
        url.query_pairs_mut().append_pair("service", service);
    }
    url.query_pairs_mut().append_pair("scope", &format!("repository:{repository}:pull"));
    url
}

impl Token {
    /// Reads the answer of a server of tokens, asked at `asked`: the life of a token counts from before it came.
    pub(super) fn read(body: &[u8], asked: Instant) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Grant {
            token: Option<SecretString>,
            access_token: Option<SecretString>,
            /// A number, some with a point, or a text; what cannot be understood counts as nothing.
            expires_in: Option<Value>,
        }
        // The text of the error is not passed on: it could quote what it stumbled over.
        let grant: Grant = serde_json::from_slice(body).map_err(|_| "it is not JSON as a token is given".to_owned())?;
        let some = |token: &SecretString| !token.expose_secret().is_empty();
        let secret = grant.token.filter(some).or(grant.access_token.filter(some)).ok_or("there is no token in it")?;
        let seconds = grant.expires_in.as_ref().and_then(|life| match life {
            Value::String(text) => text.trim().parse::<f64>().ok(),
            number => number.as_f64(),
        });
        // A day is far enough: no run lasts longer, and an absurd number must not overflow the clock.
        let seconds = seconds.filter(|&seconds| seconds > 0.0).map(|seconds| seconds.min(86_400.0));
        let life = seconds.map_or(USUAL_LIFE, Duration::from_secs_f64);
        Ok(Self { secret, until: asked + life.saturating_sub(MARGIN.min(life / 2)) })
    }
}

impl Tokens {
    /// The token for a repository: the one that was got before, if it still holds and is not the one that was just
    /// `refused`, or else what `fetch` gets. While it is fetched, others that want the same one wait here.
    pub(super) async fn get(
        &self,
        repository: &str,
        refused: Option<&Token>,
        fetch: impl Future<Output = Result<Token, RegistryError>>,
    ) -> Result<Token, RegistryError> {
        let place = {
            let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(places.entry(repository.to_owned()).or_default())
        };
        let mut token = place.lock().await;
        let is_refused = |token: &Token| {
            refused.is_some_and(|refused| refused.secret.expose_secret() == token.secret.expose_secret())
        };
        if let Some(token) = token.as_ref().filter(|token| token.until > Instant::now() && !is_refused(token)) {
            return Ok(token.clone());
        }
        let fresh = fetch.await?;
        *token = Some(fresh.clone());
        Ok(fresh)
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue};

    use super::*;

    fn answer(status: StatusCode, headers: &[&str]) -> Answer {
        let headers: HeaderMap =
            headers.iter().map(|value| (WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap())).collect();
        let url = "https://r.example/v2/billing/tags/list".parse().unwrap();
        Answer { status, headers, url, body: bytes::Bytes::new() }
    }

    #[test]
    fn a_challenge_is_understood_or_named() {
        let of = |headers: &[&str]| Scheme::of(&answer(StatusCode::UNAUTHORIZED, headers), "r.example");
        assert_eq!(Scheme::of(&answer(StatusCode::OK, &["Basic"]), "r.example").unwrap(), Scheme::Open);
        assert_eq!(of(&["Basic realm=x"]).unwrap(), Scheme::Basic);
        let bearer = |realm: &str| Scheme::Bearer { realm: realm.parse().unwrap(), service: Some("s".into()) };
        let both = ["Basic realm=x", r#"Bearer realm="https://auth.example/token",service="s""#];
        assert_eq!(of(&both).unwrap(), bearer("https://auth.example/token"));
        assert_eq!(of(&[r#"Bearer realm="/token",service=s"#]).unwrap(), bearer("https://r.example/token"));
        let text = |headers: &[&str]| of(headers).unwrap_err().to_string();
        let start = "registry r.example asks for authentication that we do not give: ";
        assert_eq!(text(&["Negotiate"]), format!("{start}negotiate"));
        assert_eq!(text(&[]), format!("{start}it does not say which"));
        assert!(
            text(&[r#"Bearer realm="https://[""#])
                .starts_with(&format!("{start}its server of tokens 'https://[' is no URL"))
        );
    }

    #[test]
    fn a_password_goes_nowhere_unencrypted_that_nobody_chose() {
        for (realm, registry, expected) in [
            ("https://auth.example/token", "https://r.example/", true),
            ("https://auth.example/token", "http://r.example/", true),
            ("http://auth.example/token", "https://r.example/", false),
            ("http://auth.example/token", "http://r.example/", false),
            ("http://r.example:81/token", "http://r.example/", true),
            ("http://r.example/token", "https://r.example/", false),
            ("http://127.0.0.1:1/token", "https://r.example/", true),
        ] {
            let may = may_know_the_password(&realm.parse().unwrap(), &registry.parse().unwrap());
            assert_eq!(may, expected, "{realm} of {registry}");
        }
    }

    #[test]
    fn a_token_is_asked_for_one_repository() {
        let realm = "https://auth.example/token?x=1".parse().unwrap();
        assert_eq!(
            token_url(&realm, Some("r & co"), "team/billing").as_str(),
            "https://auth.example/token?x=1&service=r+%26+co&scope=repository%3Ateam%2Fbilling%3Apull"
        );
    }

    #[tokio::test]
    async fn a_token_is_read_under_both_its_names_and_ends_early() {
        let now = Instant::now();
        for (body, secret, life) in [
            (r#"{"token":"a","expires_in":300}"#, "a", 290.0),
            (r#"{"access_token":"b"}"#, "b", 50.0),
            (r#"{"token":"","access_token":"b","expires_in":0}"#, "b", 50.0),
            (r#"{"token":"a","access_token":"b","expires_in":4}"#, "a", 2.0),
            (r#"{"token":"a","expires_in":18446744073709551615}"#, "a", 86_390.0),
            (r#"{"token":"a","expires_in":"300"}"#, "a", 290.0),
            (r#"{"token":"a","expires_in":300.0}"#, "a", 290.0),
            (r#"{"token":"a","expires_in":" 300.5 "}"#, "a", 290.5),
            (r#"{"token":"a","expires_in":"soon"}"#, "a", 50.0),
            (r#"{"token":"a","expires_in":"NaN"}"#, "a", 50.0),
            (r#"{"token":"a","expires_in":"inf"}"#, "a", 86_390.0),
            (r#"{"token":"a","expires_in":-1}"#, "a", 50.0),
            (r#"{"token":"a","expires_in":[300]}"#, "a", 50.0),
        ] {
            let token = Token::read(body.as_bytes(), now).unwrap();
            assert_eq!(token.secret.expose_secret(), secret);
            assert!(((token.until - now).as_secs_f64() - life).abs() < 0.001, "{body}");
        }
        assert_eq!(Token::read(b"{}", now).err().unwrap(), "there is no token in it");
        assert_eq!(Token::read(b"secret", now).err().unwrap(), "it is not JSON as a token is given");
    }
}
