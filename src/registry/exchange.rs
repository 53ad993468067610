//! One question to a registry and its answer: getting in, being sent elsewhere, being refused.

use reqwest::header::{ACCEPT, LOCATION};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use tokio::time::Instant;
use url::Url;

use super::auth::{Pass, Scheme, Token, may_know_the_password, token_url};
use super::client::Registry;
use super::error::RegistryError;
use crate::http::retry::{Answer, NoAnswer, rest};
use crate::http::without_credentials;
use crate::watch::Watch;

/// How often a question may be sent elsewhere (to the storage behind the registry).
const REDIRECTS: usize = 5;
/// The longest answer of a server of tokens, in bytes.
const LONGEST_TOKEN: usize = 1 << 20;

/// One thing to ask a registry for.
pub(super) struct Question<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) accept: Option<String>,
    pub(super) repository: &'a str,
    pub(super) limit: usize,
    /// For an error: `failed to …`.
    pub(super) task: String,
}

impl Question<'_> {
    pub(super) fn lie(&self, expected: &str, found: &str) -> RegistryError {
        let (expected, found) = (expected.to_owned(), found.to_owned());
        RegistryError::WrongDigest { task: self.task.clone(), expected, found }
    }

    pub(super) fn unreadable(&self, why: String) -> RegistryError {
        RegistryError::Unreadable { task: self.task.clone(), why }
    }
}

impl Registry {
    /// Asks, and identifies itself if the registry wants that. Whether and how is learned from the answer to the
    /// first question, which all others wait for.
    pub(super) async fn ask(&self, question: &Question<'_>, watch: &dyn Watch) -> Result<Answer, RegistryError> {
        let mut known = self.scheme.lock().await;
        let scheme = if let Some(scheme) = &*known {
            scheme.clone()
        } else {
            let answer = self.exchange(question, None, watch).await?;
            let scheme = known.insert(Scheme::of(&answer, &self.name)?).clone();
            if answer.status != StatusCode::UNAUTHORIZED {
                return Ok(answer);
            }
            scheme
        };
        drop(known);
        let pass = self.pass(&scheme, question.repository, None, watch).await?;
        let answer = self.exchange(question, pass.as_ref(), watch).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        // The token ended early, or this repository is guarded and the first one was not.
        let scheme = Scheme::of(&answer, &self.name)?;
        let pass = self.pass(&scheme, question.repository, pass.as_ref(), watch).await?;
        *self.scheme.lock().await = Some(scheme);
        self.exchange(question, pass.as_ref(), watch).await
    }

    /// What to send along. `refused`: what was sent before, and was not enough.
    async fn pass(
        &self,
        scheme: &Scheme,
        repository: &str,
        refused: Option<&Pass>,
        watch: &dyn Watch,
    ) -> Result<Option<Pass>, RegistryError> {
        match (scheme, &self.credentials, refused) {
            (Scheme::Open, ..) => Ok(None),
            (Scheme::Basic, None, _) => Err(RegistryError::NoCredentials { registry: self.name.clone() }),
            (Scheme::Basic, Some(_), Some(Pass::Basic(_))) => Err(self.wrong_credentials(&self.base)),
            (Scheme::Basic, Some(credentials), _) => Ok(Some(Pass::Basic(credentials.clone()))),
            (Scheme::Bearer { realm, service }, ..) => {
                let refused = match refused {
                    Some(Pass::Bearer(token)) => Some(token),
                    _ => None,
                };
                let fetch = self.token(realm, service.as_deref(), repository, watch);
                Ok(Some(Pass::Bearer(self.tokens.get(repository, refused, fetch).await?)))
            }
        }
    }

    async fn token(
        &self,
        realm: &Url,
        service: Option<&str>,
        repository: &str,
        watch: &dyn Watch,
    ) -> Result<Token, RegistryError> {
        let server = &realm[url::Position::BeforeHost..url::Position::AfterPort];
        if self.credentials.is_some() && !may_know_the_password(realm, &self.base) {
            let why = format!("it wants the password sent to {server} unencrypted");
            return Err(RegistryError::Authentication { registry: self.name.clone(), why });
        }
        let question = Question {
            method: Method::GET,
            url: token_url(realm, service, repository),
            accept: None,
            repository,
            limit: LONGEST_TOKEN,
            task: format!("get a token from {server} for repository '{repository}' of registry {}", self.name),
        };
        let asked = Instant::now();
        let pass = self.credentials.clone().map(Pass::Basic);
        let answer = self.exchange(&question, pass.as_ref(), watch).await?;
        match answer.status {
            StatusCode::OK => Token::read(&answer.body, asked).map_err(|why| question.unreadable(why)),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if pass.is_some() => Err(self.wrong_credentials(realm)),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(RegistryError::NoCredentials { registry: self.name.clone() })
            }
            _ => Err(self.refusal(&question, &answer)),
        }
    }

    /// One question and its answer. A registry may send us to the storage behind it: we go there without any pass,
    /// and never from an encrypted connection to one that is not.
    async fn exchange(
        &self,
        question: &Question<'_>,
        pass: Option<&Pass>,
        watch: &dyn Watch,
    ) -> Result<Answer, RegistryError> {
        let _place = self.places.acquire().await.expect("the places are never closed");
        let no_answer = |why| RegistryError::NoAnswer { task: question.task.clone(), why };
        let mut pass = pass;
        let mut url = question.url.clone();
        for _ in 0..=REDIRECTS {
            let mut request = self.http.request(question.method.clone(), url.clone());
            if let Some(accept) = &question.accept {
                request = request.header(ACCEPT, accept);
            }
            request = match pass {
                None => request,
                Some(Pass::Basic(login)) => request.basic_auth(&login.user, Some(login.password.expose_secret())),
                Some(Pass::Bearer(token)) => request.bearer_auth(token.secret.expose_secret()),
            };
            let request = request.build().map_err(|error| no_answer(NoAnswer::Lost(error.without_url())))?;
            // Boxed: sending takes kilobytes, which every caller's future would hold.
            let sending = self.options.retry.send(&self.http, request, question.limit, watch);
            let answer = Box::pin(sending).await.map_err(no_answer)?;
            let location = answer.headers.get(LOCATION).filter(|_| answer.status.is_redirection());
            let Some(location) = location.and_then(|location| location.to_str().ok()) else { return Ok(answer) };
            let next = answer.url.join(location).map_err(|error| question.unreadable(error.to_string()))?;
            if !matches!((url.scheme(), next.scheme()), ("http", "http") | (_, "https")) {
                let why = format!("it leads to {}, unencrypted", without_credentials(&next));
                return Err(question.unreadable(why));
            }
            (url, pass) = (next, None);
        }
        Err(question.unreadable(format!("it led elsewhere more than {REDIRECTS} times")))
    }

    fn wrong_credentials(&self, server: &Url) -> RegistryError {
        let server = server[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
        RegistryError::WrongCredentials { registry: self.name.clone(), server }
    }

    /// The error that an answer stands for that is not what was asked for.
    pub(super) fn refusal(&self, question: &Question<'_>, answer: &Answer) -> RegistryError {
        let (task, status) = (question.task.clone(), answer.status);
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                RegistryError::Denied { registry: self.name.clone(), repository: question.repository.to_owned() }
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                RegistryError::Busy { task, status, rest: rest(&answer.headers).map(|rest| rest.as_secs()) }
            }
            _ => RegistryError::Status { task, status, message: message(&answer.body) },
        }
    }
}

/// What a registry says about an error, on one line and not too long.
fn message(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Errors {
        errors: Vec<One>,
    }
    #[derive(serde::Deserialize)]
    struct One {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let errors = serde_json::from_slice::<Errors>(body).map(|errors| errors.errors).unwrap_or_default();
    let texts: Vec<String> = errors.into_iter().map(|error| format!("{}: {}", error.code, error.message)).collect();
    texts.join("; ").chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_short_and_on_one_line() {
        let body = br#"{"errors":[{"code":"UNKNOWN","message":"a\nb","detail":{}},{"code":"X"}]}"#;
        assert_eq!(message(body), "UNKNOWN: a b; X: ");
        assert_eq!(message(b"<html>"), "");
        assert_eq!(
            message(format!(r#"{{"errors":[{{"message":"{}"}}]}}"#, "é".repeat(500)).as_bytes()).chars().count(),
            200
        );
    }
}
