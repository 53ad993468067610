//! `http`: a request, and what must come of it.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::definition::{Argument, Command, Definition, Kind, Shape};
use super::echo::resource;
use super::{Call, Failure, Module};
use crate::pipeline::template::uuid;
use crate::pipeline::value::{Map, Value, from_json, to_json};
use crate::pipeline::world::World;

/// See the head of this file.
pub struct Http;

/// How much of a body is shown where the status is another one.
const SHOWN: usize = 2_000;

const ARGUMENTS: &[Argument] = &[
    Argument::must("url", Kind::Text, "The URL."),
    Argument::may("headers", Kind::Map, "Headers."),
    Argument::may(
        "body",
        Kind::Any,
        "The body: a text as it is; a map or list as JSON where `Content-Type` is application/json, a map otherwise as a form.",
    ),
    Argument::may(
        "body_from_file",
        Kind::Resource,
        "A file in the resources, which is a template itself, as the body.",
    ),
    Argument::may(
        "files",
        Kind::Any,
        "Files to upload: a map of a field and a file in the resources, with a `type`; or a list of them.",
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
        method("get", "A GET, without a body."),
        method("post", "A POST."),
        method("put", "A PUT."),
        method("patch", "A PATCH."),
        method("delete", "A DELETE."),
        method("head", "A HEAD."),
        method("options", "An OPTIONS."),
    ]),
    output: "The body: JSON as what it says, any other text as it is.",
};

/// The cookies of each session, by host.
#[derive(Debug, Default)]
struct Sessions(BTreeMap<(String, String), BTreeMap<String, String>>);

#[async_trait]
impl Module for Http {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    async fn act(&self, call: &Call<'_>, world: &mut World) -> Result<Value, Failure> {
        let text = call.required("url", world)?.to_string();
        let url: url::Url = text.parse().map_err(|error| Failure::wrong(format!("'{text}' is no URL: {error}")))?;
        if !["http", "https"].contains(&url.scheme()) {
            return Err(Failure::wrong(format!("'{text}' is no URL of http or https")));
        }
        let expected = Expected::read(call.value("response_code", world)?.as_ref())?;
        let session = call.text("session", world)?.unwrap_or_else(|| "default".to_owned());
        let jar = (session, url.host_str().unwrap_or_default().to_owned());
        let verify = call.flag("verify", true, world)?;
        let client = if verify { &world.settings.http } else { &world.settings.trusting };
        let method = ::http::Method::from_bytes(call.command.to_uppercase().as_bytes()).expect("a method of the list");
        let mut request = client.request(method, url.clone());
        let mut headers = headers(call, world)?;
        let (body, kind) = body(call, world, &headers)?;
        if let Some(kind) = kind.filter(|_| header(&headers, "content-type").is_none()) {
            headers.push(("Content-Type".to_owned(), kind));
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let cookies = world.state::<Sessions>().0.get(&jar).filter(|cookies| !cookies.is_empty()).map(|cookies| {
            cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
        });
        request = match cookies {
            Some(cookies) => request.header("Cookie", cookies),
            None => request,
        };
        if let Some(body) = body {
            request = request.body(body);
        }
        if let Some(seconds) = call.number("timeout", world)? {
            let limit = Duration::try_from_secs_f64(seconds);
            request = request.timeout(limit.map_err(|_| Failure::wrong(format!("{seconds} is no number of seconds")))?);
        }
        let should_fail = call.flag("should_fail", false, world)?;
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.is_builder() => {
                return Err(Failure::wrong(format!("this is no request: {}", causes(&error))));
            }
            Err(_) if should_fail => return Ok(Value::Null),
            Err(error) => return Err(Failure::unreachable(format!("no answer from {url}: {}", causes(&error)))),
        };
        let status = answer.status().as_u16();
        if should_fail {
            return Err(Failure::failed(format!("{url} answered {status}: there should be no answer (should_fail)")));
        }
        let cookies: Vec<String> = answer
            .headers()
            .get_all("set-cookie")
            .iter()
            .filter_map(|value| Some(value.to_str().ok()?.to_owned()))
            .collect();
        keep(world.state::<Sessions>().0.entry(jar).or_default(), &cookies);
        let text = answer
            .text()
            .await
            .map_err(|error| Failure::unreachable(format!("{url} broke off its answer: {}", causes(&error))))?;
        if !expected.fits(status) {
            let shown: String = text.chars().take(SHOWN).collect();
            let why = format!("{url} answered {status}, not {expected}");
            return Err(Failure::failed(why).with(shown.lines().map(str::to_owned)));
        }
        Ok(from_json(&text).unwrap_or(Value::Text(text)))
    }
}

/// What went wrong, down to its cause.
fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.last().map_or_else(|| error.to_string(), ToString::to_string)
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

/// The body and its kind.
fn body(
    call: &Call<'_>,
    world: &World,
    headers: &[(String, String)],
) -> Result<(Option<Vec<u8>>, Option<String>), Failure> {
    if call.command == "get" || call.command == "head" {
        return Ok((None, None));
    }
    let value = match (call.value("body", world)?, call.text("body_from_file", world)?, call.value("files", world)?) {
        (None, None, None) => return Ok((None, None)),
        (Some(value), None, None) => value,
        (None, Some(file), None) => Value::from(resource(&file, world)?),
        (fields, None, Some(files)) => return upload(fields.as_ref(), &files, world),
        _ => return Err(Failure::wrong("one of `body`, `body_from_file` and `files` is expected")),
    };
    let is_json = header(headers, "content-type").is_some_and(|kind| kind.contains("json"));
    Ok(match value {
        Value::Map(map) if !is_json => {
            (Some(form(&map).into_bytes()), Some("application/x-www-form-urlencoded".to_owned()))
        }
        value @ (Value::Map(_) | Value::List(_)) => {
            (Some(to_json(&value).into_bytes()), Some("application/json".to_owned()))
        }
        Value::Bytes(bytes) => (Some(bytes), None),
        Value::Null => (None, None),
        value => (Some(value.to_string().into_bytes()), None),
    })
}

/// A form, as a browser sends it; a list is its name several times.
fn form(map: &Map) -> String {
    let encode =
        |value: &Value| utf8_percent_encode(&value.to_string(), NON_ALPHANUMERIC).to_string().replace("%20", "+");
    let mut parts = Vec::new();
    for (key, value) in &map.0 {
        let values = if let Value::List(items) = value { items.as_slice() } else { std::slice::from_ref(value) };
        parts.extend(
            values
                .iter()
                .filter(|value| **value != Value::Null)
                .map(|value| format!("{}={}", encode(key), encode(value))),
        );
    }
    parts.join("&")
}

/// A form with files (RFC 7578).
fn upload(fields: Option<&Value>, files: &Value, world: &World) -> Result<(Option<Vec<u8>>, Option<String>), Failure> {
    let boundary = uuid();
    let mut body = String::new();
    if let Some(Value::Map(map)) = fields {
        for (key, value) in &map.0 {
            body.extend([format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{key}\"\r\n\r\n{value}\r\n")]);
        }
    }
    let single = std::slice::from_ref(files);
    for file in if let Value::List(items) = files { items.as_slice() } else { single } {
        let Value::Map(map) = file else {
            return Err(Failure::wrong("`files` is a map of a field and a file, or a list of them"));
        };
        let kind = map.get("type").map_or_else(|| "text/plain".to_owned(), Value::to_string);
        let found: Vec<_> = map.0.iter().filter(|(key, _)| key.text() != Some("type")).collect();
        let [(field, path)] = found.as_slice() else {
            return Err(Failure::wrong("each of `files` has one field with its file, and may have a `type`"));
        };
        let path = path.to_string();
        let name = std::path::Path::new(&path).file_name().unwrap_or_default().to_string_lossy();
        let content = resource(&path, world)?;
        body.extend([format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n{content}\r\n")]);
    }
    body.extend([format!("--{boundary}--\r\n")]);
    Ok((Some(body.into_bytes()), Some(format!("multipart/form-data; boundary={boundary}"))))
}

/// Takes the cookies of an answer; one whose life is over is forgotten.
fn keep(jar: &mut BTreeMap<String, String>, cookies: &[String]) {
    for cookie in cookies {
        let mut parts = cookie.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|part| part.split_once('=')) else { continue };
        let is_over = parts.any(|part| {
            part.to_lowercase().strip_prefix("max-age=").is_some_and(|age| age.parse::<i64>().is_ok_and(|age| age <= 0))
        });
        if is_over || value.is_empty() {
            jar.remove(name);
        } else {
            jar.insert(name.to_owned(), value.to_owned());
        }
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
    fn a_map_is_a_form_and_cookies_come_and_go() {
        let Some(Value::Map(map)) = Value::parse("{'a': 'x y&', 'b': [1, 2], 'c': None}") else { panic!("a map") };
        assert_eq!(form(&map), "a=x+y%26&b=1&b=2");
        let mut jar = BTreeMap::new();
        keep(&mut jar, &["a=1; Path=/; Secure".to_owned(), "b=2".to_owned()]);
        keep(&mut jar, &["b=2; Max-Age=0".to_owned()]);
        assert_eq!(jar, BTreeMap::from([("a".to_owned(), "1".to_owned())]));
    }
}
