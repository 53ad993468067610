//! `http`: a request, and what must come of it.

mod body;
mod cookies;

use std::time::Duration;

use ::http::header::{COOKIE, LOCATION, SET_COOKIE};
use ::http::{Method, StatusCode};
use async_trait::async_trait;
use url::Url;

use super::definition::{Argument, Command, Definition, Kind, Shape};
use super::{Call, Failure, Fault, Module, time};
use crate::http::retry::causes;
use crate::http::{Client, Response};
use crate::pipeline::value::{Value, from_json};
use crate::pipeline::world::World;
use body::body;
use cookies::Sessions;

/// See the head of this file.
pub struct Http;

/// How long a server may keep silent where nothing is said.
const SILENCE: Duration = Duration::from_secs(30);

/// How often one request may be sent elsewhere on its own server.
const REDIRECTS: usize = 5;

/// How much of a body is shown where the status is another one.
const SHOWN: usize = 2_000;

const ARGUMENTS: &[Argument] = &[
    Argument::must("url", Kind::Text, "The URL."),
    Argument::may("headers", Kind::Map, "Headers."),
    Argument::may(
        "body",
        Kind::Any,
        "The body, of whichever method: a text as it is; a map or list as JSON where `Content-Type` is application/json, a map otherwise as a form.",
    ),
    Argument::may(
        "body_from_file",
        Kind::Resource,
        "A file in the resources, which is a template itself, as the body.",
    ),
    Argument::may(
        "files",
        Kind::Any,
        "Files to upload: a map of a field and a file in the resources, with a `type`; or a list of them. They go as they are, and the members of `body` beside them.",
    ),
    Argument::may(
        "response_code",
        Kind::Any,
        "The status that must come: `201`, `2xx`, `200-299`; 200 where nothing is said.",
    ),
    Argument::may("verify", Kind::Flag, "Whether the certificate must be valid, which is so where nothing is said."),
    Argument::may("should_fail", Kind::Flag, "There must be no answer at all."),
    Argument::may("session", Kind::Text, "Requests with one name share cookies; those without share one as well."),
    Argument::may(
        "fix_cookies",
        Kind::Flag,
        "Taken and without effect: a cookie goes back whether its host speaks TLS or not.",
    ),
    Argument::may("timeout", Kind::Number, "Seconds that the server may keep silent, 30 where nothing is said."),
];

const fn method(name: &'static str, about: &'static str) -> Command {
    Command { name, about, arguments: ARGUMENTS }
}

static DEFINITION: Definition = Definition {
    name: "http",
    about: "Sends a request and holds the status of its answer against what is expected.",
    short: None,
    shape: Shape::Commands(&[
        method("get", "A GET."),
        method("post", "A POST."),
        method("put", "A PUT."),
        method("patch", "A PATCH."),
        method("delete", "A DELETE."),
        method("head", "A HEAD."),
        method("options", "An OPTIONS."),
    ]),
    output: "The body: JSON as what it says, any other text as it is.",
};

#[async_trait]
impl Module for Http {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    async fn act(&self, call: &Call<'_>, world: &mut World) -> Result<Value, Failure> {
        let said = call.required("url", world)?.to_string();
        let url: Url = said.parse().map_err(|error| Failure::wrong(format!("'{said}' is no URL: {error}")))?;
        if !["http", "https"].contains(&url.scheme()) {
            return Err(Failure::wrong(format!("'{said}' is no URL of http or https")));
        }
        let expected = Expected::read(call.value("response_code", world)?.as_ref())?;
        let session = call.text("session", world)?.unwrap_or_else(|| "default".to_owned());
        let client = if call.flag("verify", true, world)? { &world.settings.http } else { &world.settings.trusting };
        let client = client.clone();
        let method = Method::from_bytes(call.command.to_uppercase().as_bytes()).expect("a method of the list");
        let mut headers = headers(call, world)?;
        let (body, kind) = body(call, world, &headers)?;
        if let Some(kind) = kind.filter(|_| header(&headers, "content-type").is_none()) {
            headers.push(("Content-Type".to_owned(), kind));
        }
        let silence = call.number("timeout", world)?.map_or(Ok(SILENCE), time)?;
        let should_fail = call.flag("should_fail", false, world)?;
        let request = Request { method, url, headers, body };
        let mut answer = match request.sent(&client, &session, silence, world).await {
            Ok(answer) => answer,
            Err(failure) if should_fail && failure.fault == Fault::Unreachable => return Ok(Value::Null),
            Err(failure) => return Err(failure),
        };
        let (url, status) = (answer.url().clone(), answer.status().as_u16());
        if should_fail {
            return Err(Failure::failed(format!("{url} answered {status}: there should be no answer (should_fail)")));
        }
        let text = text(&mut answer, &url, silence).await?;
        if !expected.fits(status) {
            let shown = match text.char_indices().nth(SHOWN) {
                Some((at, _)) => format!("{}…", &text[..at]),
                None => text,
            };
            let why = format!("{url} answered {status}, not {expected}");
            return Err(Failure::failed(why).with(shown.lines().map(str::to_owned)));
        }
        Ok(from_json(&text).unwrap_or(Value::Text(text)))
    }
}

/// A request that can be sent again, elsewhere.
struct Request {
    method: Method,
    url: Url,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// Sends it, and again wherever the answer leads within the server that was asked. Cookies are kept of each answer; what leads to
    /// another server is the answer itself.
    async fn sent(
        mut self,
        client: &Client,
        session: &str,
        silence: Duration,
        world: &mut World,
    ) -> Result<Response, Failure> {
        let host = self.url.host_str().unwrap_or_default().to_owned();
        for _ in 0..=REDIRECTS {
            let cookies = world.state::<Sessions>().header(session, &host);
            let answer = self.once(client, cookies, silence).await?;
            let cookies = answer.headers().get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
            world.state::<Sessions>().keep(session, &host, cookies);
            let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            match self.redirected(answer.status(), location) {
                Some(next) => self = next,
                None => return Ok(answer),
            }
        }
        Err(Failure::failed(format!("{} leads elsewhere again and again: more than {REDIRECTS} redirects", self.url)))
    }

    async fn once(&self, client: &Client, cookies: Option<String>, silence: Duration) -> Result<Response, Failure> {
        let mut request = client.request(self.method.clone(), self.url.clone());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(cookies) = cookies {
            request = request.header(COOKIE, cookies);
        }
        if let Some(body) = &self.body {
            request = request.body(body.clone());
        }
        let request = request.build();
        let request =
            request.map_err(|error| Failure::wrong(format!("this is no request: {}", causes(&error.without_url()))))?;
        let why = match tokio::time::timeout(silence, client.execute(request)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => causes(&error.without_url()),
            Err(_) => silent(silence),
        };
        Err(Failure::unreachable(format!("no answer from {}: {why}", self.url)))
    }

    /// The request that an answer asks for in the place of this one; none where it is the answer to it (Fetch, "HTTP-redirect fetch").
    fn redirected(&self, status: StatusCode, location: Option<&str>) -> Option<Self> {
        let is_redirect = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
        let mut url = self.url.join(location.filter(|_| is_redirect)?).ok()?;
        if url.origin() != self.url.origin() {
            return None;
        }
        if url.username().is_empty() {
            // Within one server the user stays the same. A URL with a host can have one.
            let _ = url.set_username(self.url.username());
            let _ = url.set_password(self.url.password());
        }
        let (mut method, mut headers, mut body) = (self.method.clone(), self.headers.clone(), self.body.clone());
        let becomes_get = match status.as_u16() {
            301 | 302 => method == Method::POST,
            303 => method != Method::GET && method != Method::HEAD,
            _ => false,
        };
        if becomes_get {
            (method, body) = (Method::GET, None);
            headers.retain(|(name, _)| !name.to_lowercase().starts_with("content-"));
        }
        Some(Self { method, url, headers, body })
    }
}

/// The body of an answer, as a text.
async fn text(answer: &mut Response, url: &Url, silence: Duration) -> Result<String, Failure> {
    let mut body = Vec::new();
    let why = loop {
        match tokio::time::timeout(silence, answer.chunk()).await {
            Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
            Ok(Ok(None)) => return Ok(String::from_utf8_lossy(&body).into_owned()),
            Ok(Err(error)) => break causes(&error.without_url()),
            Err(_) => break silent(silence),
        }
    };
    Err(Failure::unreachable(format!("{url} broke off its answer: {why}")))
}

fn silent(silence: Duration) -> String {
    format!("it kept silent for {} seconds (`timeout`)", silence.as_secs_f64())
}

/// Which status is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Expected {
    from: u16,
    to: u16,
    said: String,
}

impl Expected {
    fn read(value: Option<&Value>) -> Result<Self, Failure> {
        let said = value.map_or_else(|| "200".to_owned(), |value| value.to_string().trim().to_lowercase());
        let (from, to) = said.split_once('-').unwrap_or((&said, &said));
        let end = |text: &str, digit: &str| {
            let text = text.trim().replace('x', digit);
            (text.len() == 3).then(|| text.parse::<u16>().ok()).flatten()
        };
        match (end(from, "0"), end(to, "9")) {
            (Some(from), Some(to)) if from <= to => Ok(Self { from, to, said }),
            _ => Err(Failure::wrong(format!("'{said}' is no status: write 201, 2xx or 200-299"))),
        }
    }

    fn fits(&self, status: u16) -> bool {
        (self.from..=self.to).contains(&status)
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.said)
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

fn headers(call: &Call<'_>, world: &World) -> Result<Vec<(String, String)>, Failure> {
    match call.value("headers", world)? {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Map(map)) => Ok(map.0.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()),
        Some(other) => Err(Failure::wrong(format!("`headers` is {}: a map is expected", other.kind()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_what_is_written_and_not_what_begins_like_it() {
        let expected = |text: &str| Expected::read(Some(&Value::from(text))).expect(text);
        assert!(expected("2xx").fits(201) && !expected("2xx").fits(300));
        assert!(expected("200-300").fits(300) && !expected("200-299").fits(300));
        assert!(expected("20x").fits(204) && !expected("201").fits(200));
        for text in ["20", "2", "abc", "300-200", "2000", ""] {
            assert!(Expected::read(Some(&Value::from(text))).is_err(), "{text}");
        }
    }

    #[test]
    fn a_redirect_within_the_server_is_followed_as_a_browser_does() {
        let request = |method: Method| Request {
            method,
            url: "http://ann:pw@h:8/a/b".parse().expect("a URL"),
            headers: vec![("Content-Type".to_owned(), "x".to_owned()), ("X".to_owned(), "y".to_owned())],
            body: Some(b"b".to_vec()),
        };
        let next = |method: Method, status: u16, to: &str| {
            let next = request(method).redirected(StatusCode::from_u16(status).expect("a status"), Some(to))?;
            Some((next.method, next.url.to_string(), next.headers.len(), next.body.is_some()))
        };
        let at = |path: &str| format!("http://ann:pw@h:8/{path}");
        for status in [301, 302, 303] {
            assert_eq!(next(Method::POST, status, "/c"), Some((Method::GET, at("c"), 1, false)));
        }
        assert_eq!(next(Method::PUT, 302, "c"), Some((Method::PUT, at("a/c"), 2, true)));
        assert_eq!(next(Method::PUT, 303, "c"), Some((Method::GET, at("a/c"), 1, false)));
        assert_eq!(next(Method::POST, 308, "http://h:8/"), Some((Method::POST, at(""), 2, true)));
        for (status, to) in [(307, "http://h:9/"), (302, "https://h:8/"), (304, "/c"), (200, "/c"), (302, "http://[")] {
            assert_eq!(next(Method::POST, status, to), None, "{status} {to}");
        }
        assert!(request(Method::GET).redirected(StatusCode::FOUND, None).is_none());
    }
}
