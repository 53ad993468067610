//! Marathon's HTTP API, with the login of a DC/OS in front of it where that is asked for.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use percent_encoding::percent_decode_str;
use reqwest::header::LOCATION;
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::Url;

use crate::http::retry::{self, NoAnswer, Retry};
use crate::http::{is_page, sentence, without_credentials};
use crate::journal::write::{Answered, Unanswered, Writes};
use crate::journal::{self, Ledger};
use crate::watch::Unwatched;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads are asked again a few times; a write never is.
const RETRY: Retry = Retry { tries: 4, first_pause: Duration::from_millis(200) };

/// No answer of a Marathon is longer, in bytes: thousands of applications fit into it.
const LONGEST: usize = 64 << 20;

/// A connection to a Marathon.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    /// Without user and without a slash at its end.
    base: Arc<str>,
    access: Arc<Access>,
    pub(super) writes: Writes,
}

/// How to get in.
enum Access {
    /// Everybody may.
    Open,
    /// Marathon's own user and password, sent with every request.
    Basic { user: String, password: SecretString },
    /// A DC/OS: a login gives a token, which runs out some day.
    Dcos { login: Url, user: String, password: SecretString, token: Mutex<Option<SecretString>> },
}

/// An answer, whatever it says.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Its JSON; null where it is something else.
    pub(super) body: Value,
    /// What it says in words, where it is none that was hoped for; a web page with where it came from.
    pub(super) words: Option<String>,
}

impl Answer {
    fn of(answer: &retry::Answer) -> Self {
        let status = answer.status;
        let place = |url: &str| {
            let mut url = Url::parse(url).ok()?;
            url.set_query(None);
            Some(without_credentials(&url))
        };
        let body = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        let words = if status.is_redirection() {
            let to = answer.headers.get(LOCATION).and_then(|to| answer.url.join(to.to_str().ok()?).ok());
            to.and_then(|to| place(to.as_str())).map(|to| format!("it leads to {to}"))
        } else if is_page(&answer.headers, &answer.body) {
            place(answer.url.as_str()).map(|from| format!("a web page, from {from}"))
        } else if status.is_success() {
            None
        } else {
            sentence(&answer.body, "").map(|said| said.trim_end_matches('.').to_owned())
        };
        Self { status, body, words }
    }
}

/// The writes that there are.
pub(super) enum Write {
    /// The images of a set of applications.
    Update,
    /// The versions that they had.
    Restore,
    /// The end of a deployment, by one that reverts it.
    Revert {
        /// Its id.
        deployment: String,
    },
}

impl Write {
    /// The name of the one that says what is ours.
    pub(super) const UPDATE: &str = "update";

    fn parts(&self) -> (&'static str, Method, String) {
        match self {
            Self::Update => (Self::UPDATE, Method::PUT, "/v2/apps".to_owned()),
            Self::Restore => ("restore", Method::PUT, "/v2/apps".to_owned()),
            Self::Revert { deployment } => ("revert", Method::DELETE, format!("/v2/deployments/{deployment}")),
        }
    }
}

impl Answered for Answer {
    fn written(&self) -> journal::Answer {
        let Self { status, body, .. } = self;
        if !status.is_success() {
            return journal::Answer::Refused(status.to_string());
        }
        journal::Answer::Taken(json!({ "version": body["version"], "deploymentId": body["deploymentId"] }))
    }
}

impl Client {
    /// A client of the Marathon at `url`, or at its usual place where that is a DC/OS. `login` is that of DC/OS; a user in the URL is Marathon's own.
    pub(super) fn new(
        url: &Url,
        login: Option<(&str, &SecretString)>,
        http: reqwest::Client,
        ledger: Arc<dyn Ledger>,
    ) -> anyhow::Result<Self> {
        let base = without_credentials(url).trim_end_matches('/').to_owned();
        let access = match login {
            Some((user, password)) => {
                let mut login: Url = base.parse().with_context(|| format!("'{base}' is not a URL"))?;
                login.set_path("/acs/api/v1/auth/login");
                login.set_query(None);
                Access::Dcos { login, user: user.to_owned(), password: password.clone(), token: Mutex::default() }
            }
            None if !url.username().is_empty() => {
                let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
                let password = decoded(url.password().unwrap_or_default());
                Access::Basic { user: decoded(url.username()), password: password.into() }
            }
            None => Access::Open,
        };
        Ok(Self { http, base: base.into(), access: Arc::new(access), writes: Writes::new(ledger) })
    }

    /// Where it is, for people to read.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// How curl logs in, for a person; it asks for the password.
    pub(super) fn curl_login(&self) -> String {
        match &*self.access {
            Access::Open => String::new(),
            Access::Basic { user, .. } => format!(" -u '{}'", user.replace('\'', r"'\''")),
            Access::Dcos { .. } => " -H \"Authorization: token=$(dcos config show core.dcos_acs_token)\"".to_owned(),
        }
    }

    /// What is at a path; none where there is nothing.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Option<Value>> {
        let answer = self.send(&Method::GET, path, None).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            status if !status.is_success() => {
                let words = answer.words.map(|words| format!(": {words}")).unwrap_or_default();
                bail!("{} answered GET {path} with {status}{words}{}", self.base, self.hint(status))
            }
            _ if answer.body.is_null() => {
                let what = answer.words.unwrap_or_else(|| "what is not JSON".to_owned());
                bail!("{} answered GET {path} with {what}: it is no Marathon", self.base)
            }
            _ => Ok(Some(answer.body)),
        }
    }

    /// A write, sent once and carried to its end whatever becomes of the caller; written down before and after.
    pub(super) async fn write(&self, call: Write, about: Value, body: Option<Value>) -> Result<Answer, Unanswered> {
        let client = self.clone();
        let (name, method, path) = call.parts();
        let send = async move {
            match client.send(&method, &path, body.as_ref()).await {
                // Marathon, or a proxy before it, failed or gave up waiting; the change may have been taken all the same.
                Ok(Answer { status, .. }) if status.is_server_error() => {
                    Err(Unanswered::Lost(anyhow::anyhow!("Marathon answered {status}")))
                }
                outcome => outcome,
            }
        };
        self.writes.carry(name, about, send).await.flatten()
    }

    /// What an answer with this status asks of the operator.
    pub(super) fn hint(&self, status: StatusCode) -> &'static str {
        match (status, &*self.access) {
            (StatusCode::UNAUTHORIZED, Access::Open) => ": it wants a login, give --user and --pwd",
            (StatusCode::UNAUTHORIZED, _) => ": it does not accept the login, check --user and --pwd",
            (StatusCode::FORBIDDEN, _) => ": this user may not do that, or too many deployments are running",
            _ => "",
        }
    }

    /// Sends a request. A 401 was not carried out, so after a new login it can be sent again.
    async fn send(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<Answer, Unanswered> {
        let mut fresh = false;
        loop {
            let mut request = self.http.request(method.clone(), format!("{}{path}", self.base)).timeout(PATIENCE);
            match &*self.access {
                Access::Open => {}
                Access::Basic { user, password } => request = request.basic_auth(user, Some(password.expose_secret())),
                Access::Dcos { .. } => {
                    let token = self.token(fresh).await.map_err(Unanswered::NotSent)?;
                    request = request.header("Authorization", format!("token={}", token.expose_secret()));
                }
            }
            if let Some(body) = body {
                request = request.json(body);
            }
            let request = request.build().map_err(|error| Unanswered::NotSent(error.without_url().into()))?;
            let answer = RETRY.send(&self.http, request, LONGEST, &Unwatched).await;
            let answer = answer.map_err(|error| self.unanswered(method, path, error))?;
            let status = answer.status;
            if status == StatusCode::UNAUTHORIZED && !fresh && matches!(*self.access, Access::Dcos { .. }) {
                fresh = true;
                continue;
            }
            // Some errors come from a proxy before Marathon, as a page.
            return Ok(Answer::of(&answer));
        }
    }

    fn unanswered(&self, method: &Method, path: &str, error: NoAnswer) -> Unanswered {
        let never_left = error.never_left();
        let error = anyhow::Error::new(error);
        if never_left {
            Unanswered::NotSent(error.context(format!("failed to reach Marathon at {}", self.base)))
        } else {
            Unanswered::Lost(error.context(format!("Marathon at {} did not answer {method} {path}", self.base)))
        }
    }

    /// The token of the DC/OS; `fresh` where the one that was used is not taken any more.
    async fn token(&self, fresh: bool) -> anyhow::Result<SecretString> {
        let Access::Dcos { login, user, password, token } = &*self.access else { return Ok(String::new().into()) };
        let mut token = token.lock().await;
        if let Some(known) = token.as_ref().filter(|_| !fresh) {
            return Ok(known.clone());
        }
        let what = || format!("failed to log in to DC/OS at {login} as '{user}'");
        let body = json!({"uid": user, "password": password.expose_secret()});
        let request = self.http.post(login.clone()).timeout(PATIENCE).json(&body).build();
        let request = request.map_err(reqwest::Error::without_url).with_context(what)?;
        let answer = RETRY.send(&self.http, request, LONGEST, &Unwatched).await.with_context(what)?;
        let Answer { status, mut body, words } = Answer::of(&answer);
        let words = words.map(|words| format!(": {words}")).unwrap_or_default();
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => bail!("{}: user or password is wrong{words}", what()),
            StatusCode::NOT_FOUND => bail!("{}: there is no DC/OS; leave out --user and --pwd", what()),
            status if !status.is_success() => bail!("{}: it answered {status}{words}", what()),
            _ => {}
        }
        let Value::String(new) = body["token"].take() else { bail!("{}: it gave no token{words}", what()) };
        Ok(token.insert(new.into()).clone())
    }
}
