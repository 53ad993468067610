//! The two services by HTTP.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

use super::circuit::{Circuit, Failure};
use super::services::{self, Services};
use super::template::Values;
use super::{CallError, Confirmation, Settled, Settlement, Transaction};
use crate::http::retry::{NoAnswer, Retry};
use crate::http::{Client, Trust, is_page, patient_client, sentence};
use crate::port::Unfit;
use crate::watch::{Unwatched, Watch};

/// No answer of these services is longer, in bytes.
const LONGEST: usize = 64 * 1024;

/// The bank and the master.
pub(super) struct Calls {
    bank: Service,
    confirmation: services::Confirmation,
    master: Service,
    stored: services::Stored,
    key: HeaderName,
    concurrency: usize,
}

/// A service with the way to it.
struct Service {
    client: Client,
    base: Url,
    login: Login,
    timeout: Duration,
    circuit: Circuit,
}

enum Login {
    None,
    Basic(String, SecretString),
    Token(SecretString),
}

impl Login {
    /// The secret in it, which an answer must not repeat to people.
    fn secret(&self) -> &str {
        match self {
            Self::None => "",
            Self::Basic(_, secret) | Self::Token(secret) => secret.expose_secret(),
        }
    }
}

impl Calls {
    pub fn new(services: &Services, bank: &str, trust: &Trust, watch: Arc<dyn Watch>) -> anyhow::Result<Self> {
        let (described, master) = (services.bank(bank)?, &services.master);
        let client = patient_client(trust, None)?;
        let confirmation = described.confirmation.clone();
        let stored = master.result.clone();
        let key = HeaderName::from_bytes(stored.key.as_bytes()).map_err(|_| {
            Unfit(format!("master.result.key of the services: '{}' is no name of a header", stored.key))
        })?;
        for method in [&confirmation.method, &stored.method] {
            Method::from_bytes(method.as_bytes())
                .map_err(|_| Unfit(format!("'{method}' is no method of HTTP: the services cannot be used")))?;
        }
        let name = format!("the bank '{bank}'");
        Ok(Self {
            concurrency: described.service.concurrency.get(),
            bank: Service::new(&described.service, name, client.clone(), Arc::clone(&watch))?,
            master: Service::new(&master.service, "the master".to_owned(), client, watch)?,
            confirmation,
            stored,
            key,
        })
    }
}

impl Service {
    fn new(described: &services::Service, name: String, client: Client, watch: Arc<dyn Watch>) -> Result<Self, Unfit> {
        let unfit = |why: String| Unfit(format!("{name} in the services: {why}"));
        let mut base = Url::parse(described.url.whole()).map_err(|error| unfit(format!("its URL is none: {error}")))?;
        if !["http", "https"].contains(&base.scheme()) {
            return Err(unfit(format!("a URL of '{}:', and not of http or https", base.scheme())));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(unfit("its URL ends with a query or a fragment: a path is put behind it".to_owned()));
        }
        let written = (base.username().to_owned(), base.password().map(str::to_owned));
        let _ = base.set_username("");
        let _ = base.set_password(None);
        let login = match (&described.token, &described.user, &described.password, written) {
            (Some(token), None, None, _) => Login::Token(token.clone()),
            (None, Some(user), Some(password), _) => Login::Basic(user.clone(), password.clone()),
            (None, None, None, (user, Some(password))) => Login::Basic(user, password.into()),
            (None, None, None, (user, None)) if user.is_empty() => Login::None,
            _ => return Err(unfit("give a token, or a user with a password".to_owned())),
        };
        let circuit = Circuit::new(name, described.per_second, described.concurrency, watch);
        Ok(Self { client, base, login, timeout: Duration::from_secs(described.timeout.get()), circuit })
    }

    /// Asks once. What is no answer of the service itself is a failure.
    async fn ask(
        &self,
        (method, path): (&str, &str),
        body: &Value,
        key: Option<(&HeaderName, &str)>,
    ) -> Result<(StatusCode, Value), Failure> {
        let refused = |why: String| Failure::Refused(why);
        let url = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        let method = Method::from_bytes(method.as_bytes()).expect("looked at before");
        let mut request = self.client.request(method, url).timeout(self.timeout);
        request = match &self.login {
            Login::None => request,
            Login::Basic(user, password) => request.basic_auth(user, Some(password.expose_secret())),
            Login::Token(token) => request.bearer_auth(token.expose_secret()),
        };
        if !body.is_null() {
            request = request.json(body);
        }
        if let Some((name, key)) = key {
            request = request.header(name, key);
        }
        let request = request.build().map_err(|error| refused(format!("cannot be asked: {}", error.without_url())))?;
        let asked = request.url().clone();
        let answer = match Retry::ONCE.send(&self.client, request, LONGEST, &Unwatched).await {
            Ok(answer) => answer,
            Err(error @ NoAnswer::Lost(_)) => {
                return Err(Failure::Unavailable(format!("gives no answer ({error})"), HeaderMap::new()));
            }
            Err(error @ NoAnswer::TooLong(_)) => return Err(refused(format!("cannot be understood: {error}"))),
        };
        if answer.url != asked {
            return Err(refused(format!("leads elsewhere ({}): is its URL in the services right?", answer.url.path())));
        }
        if is_page(&answer.headers, &answer.body) {
            let status = answer.status;
            return Err(refused(format!("answers {status} with a web page (HTML): is its URL in the services right?")));
        }
        let said = sentence(&answer.body, self.login.secret()).map(|said| format!(": {said}")).unwrap_or_default();
        match answer.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(Failure::Hopeless(format!("refuses the credentials ({}{said})", answer.status.as_u16())))
            }
            status @ StatusCode::CONFLICT => Err(Failure::Busy(format!("answers {status}{said}"))),
            status
                if status.is_server_error()
                    || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&status) =>
            {
                Err(Failure::Unavailable(format!("answers {status}{said}"), answer.headers))
            }
            status if status.is_success() => Ok((status, serde_json::from_slice(&answer.body).unwrap_or(Value::Null))),
            StatusCode::NOT_FOUND => Ok((StatusCode::NOT_FOUND, Value::Null)),
            status => Err(refused(format!("answers {status}{said}"))),
        }
    }
}

#[async_trait]
impl Settlement for Calls {
    async fn confirm(&self, transaction: &Transaction) -> Result<Confirmation, CallError> {
        let values = Values { transaction, result: None };
        let described = &self.confirmation;
        let (path, body) = filled(&values, &described.path, &described.body)?;
        self.bank
            .circuit
            .call(|| async {
                let (status, answer) = self.bank.ask((&described.method, &path), &body, None).await?;
                if status == StatusCode::NOT_FOUND {
                    return Ok(Confirmation::Unknown);
                }
                let word = answer.pointer(&described.status).and_then(Value::as_str);
                let word = word.ok_or_else(|| {
                    Failure::Refused(format!("answers {status} without a text at '{}'", described.status))
                })?;
                let is = |words: &[String]| words.iter().any(|known| known == word);
                match word {
                    _ if is(&described.confirmed) => Ok(Confirmation::Confirmed),
                    _ if is(&described.declined) => Ok(Confirmation::Declined),
                    _ if is(&described.pending) => Ok(Confirmation::Pending),
                    _ if is(&described.unknown) => Ok(Confirmation::Unknown),
                    _ => {
                        let word = sentence(word.as_bytes(), self.bank.login.secret()).unwrap_or_default();
                        Err(Failure::Refused(format!("answers '{word}', a status that is not described")))
                    }
                }
            })
            .await
    }

    async fn store(&self, transaction: &Transaction, settled: Settled) -> Result<(), CallError> {
        let described = &self.stored;
        let word = match settled {
            Settled::Committed => &described.committed,
            Settled::Cancelled => &described.cancelled,
        };
        let values = Values { transaction, result: Some(word) };
        let (path, body) = filled(&values, &described.path, &described.body)?;
        // The same for whoever asks, today or tomorrow: by it the master knows that it has the result already.
        let key = values.path("firebreak/{issuer}/{id}").map_err(CallError::Refused)?;
        self.master
            .circuit
            .call(|| async {
                match self.master.ask((&described.method, &path), &body, Some((&self.key, &key))).await? {
                    (StatusCode::NOT_FOUND, _) => {
                        Err(Failure::Refused("knows of no such transaction (404)".to_owned()))
                    }
                    _ => Ok(()),
                }
            })
            .await
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }

    fn is_down(&self) -> Option<String> {
        self.bank.circuit.is_down().or_else(|| self.master.circuit.is_down())
    }

    fn hurry(&self) {
        self.bank.circuit.hurry();
        self.master.circuit.hurry();
    }
}

/// The path and the body of a call for a transaction.
fn filled(values: &Values<'_>, path: &str, body: &Value) -> Result<(String, Value), CallError> {
    Ok((values.path(path).map_err(CallError::Refused)?, values.body(body).map_err(CallError::Refused)?))
}
