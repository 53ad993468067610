//! One question to a registry and its answer: getting in, being sent elsewhere, being refused.
//!
//! A password goes to the server that was named and to its server of tokens, never to where these send us on.

use reqwest::header::{ACCEPT, LOCATION};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use tokio::time::Instant;
use url::Url;

use super::auth::{Pass, Scheme, Token, may_know_the_password, token_url};
use super::client::Registry;
use super::error::RegistryError;
use super::said::{is_web_page, place, said};
use crate::http::retry::{Answer, NoAnswer, rest};
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

    fn web_page(&self, answer: &Answer) -> RegistryError {
        RegistryError::WebPage { task: self.task.clone(), from: place(&answer.url) }
    }

    fn redirect(&self, to: &Url, why: &str) -> RegistryError {
        RegistryError::Redirect { task: self.task.clone(), to: place(to), why: why.to_owned() }
    }
}

impl Registry {
    /// Asks, and identifies itself if the registry wants that. Whether and how is learned from the answer to the
    /// first question, which all others wait for.
    pub(super) async fn ask(&self, question: &Question<'_>, watch: &dyn Watch) -> Result<Answer, RegistryError> {
        let (mut answer, mut pass) = self.ask_as_known(question, watch).await?;
        if pass.is_none() && self.may_be_hidden(&answer) {
            (answer, pass) = self.ask_with_login(question, answer, watch).await?;
        }
        self.refuse_another_address(question, &answer)?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        // The token ended early, or this repository is guarded and the first one was not.
        let scheme = match Scheme::of(&answer, &self.name) {
            Err(_) if pass.is_some() => return Err(self.refusal(question, &answer)),
            scheme => scheme?,
        };
        let said = self.said(&answer);
        let pass = self.pass(&scheme, question.repository, pass.as_ref(), said, watch).await?;
        *self.scheme.lock().await = Some(scheme);
        let answer = self.exchange(question, pass.as_ref(), watch).await?;
        self.refuse_another_address(question, &answer)?;
        Ok(answer)
    }

    /// Asks as it was learned from the first answer, or learns it.
    async fn ask_as_known(
        &self,
        question: &Question<'_>,
        watch: &dyn Watch,
    ) -> Result<(Answer, Option<Pass>), RegistryError> {
        let mut known = self.scheme.lock().await;
        if known.is_none() {
            let answer = self.exchange(question, None, watch).await?;
            let scheme = match Scheme::of(&answer, &self.name) {
                _ if self.is_from_elsewhere(&answer) => Scheme::Open,
                // Its entrance may say how it wants to be asked.
                Err(_) if self.credentials.is_some() => Scheme::Open,
                scheme => scheme?,
            };
            if *known.insert(scheme) == Scheme::Open {
                return Ok((answer, None));
            }
        }
        let scheme = known.clone().unwrap_or(Scheme::Open);
        drop(known);
        let pass = self.pass(&scheme, question.repository, None, None, watch).await?;
        let answer = self.exchange(question, pass.as_ref(), watch).await?;
        Ok((answer, pass))
    }

    /// Some registries hide what a caller may not see, and only their entrance asks who that is.
    fn may_be_hidden(&self, answer: &Answer) -> bool {
        let refuses = match answer.status {
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => true,
            StatusCode::UNAUTHORIZED => Scheme::of(answer, &self.name).is_err(),
            _ => false,
        };
        refuses && self.credentials.is_some() && !self.is_from_elsewhere(answer)
    }

    /// Asks once more with the login, as the entrance says or, where it says nothing, as Basic.
    async fn ask_with_login(
        &self,
        question: &Question<'_>,
        answer: Answer,
        watch: &dyn Watch,
    ) -> Result<(Answer, Option<Pass>), RegistryError> {
        let entrance = self.entrance(watch).await?;
        let scheme = entrance.cloned().unwrap_or(Scheme::Basic);
        let pass = self.pass(&scheme, question.repository, None, None, watch).await?;
        let again = self.exchange(question, pass.as_ref(), watch).await?;
        if entrance.is_none() && !again.status.is_success() {
            return Ok((answer, None));
        }
        *self.scheme.lock().await = Some(scheme);
        Ok((again, pass))
    }

    /// What the registry asks for at its entrance, if it does.
    async fn entrance(&self, watch: &dyn Watch) -> Result<Option<&Scheme>, RegistryError> {
        let ask = async {
            let task = format!("ask registry {} whom it lets in", self.name);
            let url = self.base.join("v2/").map_err(|error| RegistryError::Unreadable {
                task: task.clone(),
                why: format!("its address has no entrance ({error})"),
            })?;
            let question =
                Question { method: Method::GET, url, accept: None, repository: "", limit: LONGEST_TOKEN, task };
            let answer = self.exchange(&question, None, watch).await?;
            // A login would go where nobody asked for it, over plain HTTP perhaps.
            if self.is_from_elsewhere(&answer) {
                return Err(self.refusal(&question, &answer));
            }
            let asks = answer.status == StatusCode::UNAUTHORIZED;
            Ok(if asks { Scheme::of(&answer, &self.name).ok() } else { None })
        };
        self.entrance.get_or_try_init(|| ask).await.map(Option::as_ref)
    }

    /// The error of a repository that is not there, or is not shown.
    pub(super) async fn no_such_repository(
        &self,
        question: &Question<'_>,
        answer: &Answer,
        watch: &dyn Watch,
    ) -> RegistryError {
        let (registry, repository) = (self.name.clone(), question.repository.to_owned());
        if is_web_page(answer) {
            return self.refusal(question, answer);
        }
        match self.entrance(watch).await {
            Ok(Some(_)) if self.credentials.is_none() => RegistryError::Hidden { registry, repository },
            _ => RegistryError::NoSuchRepository { registry, repository },
        }
    }

    /// Whether another server answered than the one that was named.
    fn is_from_elsewhere(&self, answer: &Answer) -> bool {
        answer.url.origin() != self.base.origin()
    }

    /// Stops where we were sent to another server which would know us: a login is not sent after a redirect, so what
    /// it answers says nothing about the login.
    fn refuse_another_address(&self, question: &Question<'_>, answer: &Answer) -> Result<(), RegistryError> {
        let is_itself = answer.url.host() == self.base.host() && answer.url.path() == question.url.path();
        let wants_login = match answer.status {
            StatusCode::UNAUTHORIZED => true,
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => is_itself && self.credentials.is_some(),
            _ => false,
        };
        if !wants_login || !self.is_from_elsewhere(answer) {
            return Ok(());
        }
        let address = answer.url.origin().ascii_serialization();
        let prefix = if answer.url.path() == question.url.path() { self.base.path().trim_end_matches('/') } else { "" };
        let why = format!(
            ", which answers {}; no user and password are sent after it. If that is the registry, give its address: \
             {address}{prefix}",
            answer.status
        );
        Err(question.redirect(&answer.url, &why))
    }

    /// What to send along. `refused`: what was sent before, and was not enough, as the registry `said`.
    async fn pass(
        &self,
        scheme: &Scheme,
        repository: &str,
        refused: Option<&Pass>,
        said: Option<String>,
        watch: &dyn Watch,
    ) -> Result<Option<Pass>, RegistryError> {
        match (scheme, &self.credentials, refused) {
            (Scheme::Open, ..) => Ok(None),
            (Scheme::Basic, None, _) => Err(RegistryError::NoCredentials { registry: self.name.clone(), said: None }),
            (Scheme::Basic, Some(_), Some(Pass::Basic(_))) => Err(self.wrong_credentials(&self.base, said)),
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
        let said = self.said(&answer);
        match answer.status {
            StatusCode::OK => Token::read(&answer.body, asked).map_err(|why| question.unreadable(why)),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if answer.url.origin() != realm.origin() => {
                let why = format!(", which answers {}; no user and password are sent after it", answer.status);
                Err(question.redirect(&answer.url, &why))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if pass.is_some() => {
                Err(self.wrong_credentials(realm, said))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(RegistryError::NoCredentials { registry: self.name.clone(), said })
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
            let Some(location) = location.and_then(|location| location.to_str().ok()) else {
                let is_web_page = answer.status.is_success() && is_web_page(&answer);
                return if is_web_page { Err(question.web_page(&answer)) } else { Ok(answer) };
            };
            let next = answer.url.join(location).map_err(|error| question.unreadable(error.to_string()))?;
            if !matches!((answer.url.scheme(), next.scheme()), ("http", "http") | (_, "https")) {
                return Err(question.redirect(&next, ", unencrypted: that is not followed"));
            }
            (url, pass) = (next, None);
        }
        Err(question.redirect(&url, &format!(", after {REDIRECTS} other places")))
    }

    fn wrong_credentials(&self, server: &Url, said: Option<String>) -> RegistryError {
        let server = server[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
        RegistryError::WrongCredentials { registry: self.name.clone(), server, said }
    }

    fn said(&self, answer: &Answer) -> Option<String> {
        let password = self.credentials.as_ref().map(|known| known.password.expose_secret());
        said(answer, password.unwrap_or_default())
    }

    /// The error that an answer stands for that is not what was asked for.
    pub(super) fn refusal(&self, question: &Question<'_>, answer: &Answer) -> RegistryError {
        let (task, status, said) = (question.task.clone(), answer.status, self.said(answer));
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if !self.is_from_elsewhere(answer) => {
                let repository = question.repository.to_owned();
                let given = if self.credentials.is_none() { "; no user and password were given" } else { "" };
                let said = said.unwrap_or_else(|| "it needs other rights, or is not there".to_owned()) + given;
                RegistryError::Denied { registry: self.name.clone(), repository, said }
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                RegistryError::Busy { task, status, rest: rest(&answer.headers).map(|rest| rest.as_secs()), said }
            }
            _ if self.is_from_elsewhere(answer) => {
                let said = said.map_or_else(String::new, |said| format!(" ({said})"));
                question.redirect(&answer.url, &format!(", which answers {status}{said}"))
            }
            _ => RegistryError::Status { task, status, said },
        }
    }
}
