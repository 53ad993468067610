//! What a server says in an answer that is not the one hoped for.

use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use url::Url;

use crate::http::retry::Answer;
use crate::http::without_credentials;

/// The longest sentence of a server that is passed on, in characters.
const LONGEST: usize = 200;

/// A server's own words about an error, on one line and not too long; none where it gives none. They may repeat what it
/// was asked with, so the `secret` is left out.
pub(super) fn said(answer: &Answer, secret: &str) -> Option<String> {
    if is_web_page(answer) {
        return Some(format!("a web page (HTML) from {}", place(&answer.url)));
    }
    let text = match serde_json::from_slice::<Value>(&answer.body) {
        Ok(document) => sentence(&document),
        Err(_) if is_plain_text(answer) => String::from_utf8_lossy(&answer.body).into_owned(),
        Err(_) => String::new(),
    };
    let text = if secret.is_empty() { text } else { text.replace(secret, "…") };
    let line: Vec<_> =
        text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty()).collect();
    Some(line.join(" ").chars().take(LONGEST).collect()).filter(|line: &String| !line.is_empty())
}

/// Whether this is a page for people, as portals, proxies and log-in screens give.
pub(super) fn is_web_page(answer: &Answer) -> bool {
    let start: Vec<u8> = answer.body.trim_ascii_start().iter().take(15).map(u8::to_ascii_lowercase).collect();
    start.starts_with(b"<!doctype html") || start.starts_with(b"<html") || start.starts_with(b"<") && is(answer, "html")
}

/// Where an answer came from. What a URL asks for can be a secret (storage has signed ones), so that is left out.
pub(super) fn place(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    without_credentials(&url)
}

fn is_plain_text(answer: &Answer) -> bool {
    is(answer, "text/plain")
}

fn is(answer: &Answer, kind: &str) -> bool {
    let header = answer.headers.get(CONTENT_TYPE).and_then(|header| header.to_str().ok());
    header.is_some_and(|header| header.to_ascii_lowercase().contains(kind))
}

/// What a JSON document says: the errors of the distribution specification, or what other servers write instead.
fn sentence(document: &Value) -> String {
    let texts = |value: &Value, names: &[&str]| {
        let found = names.iter().filter_map(|name| value.get(name)?.as_str()).filter(|text| !text.is_empty());
        found.map(str::to_owned).collect::<Vec<_>>()
    };
    if let Some(errors) = document["errors"].as_array() {
        let errors = errors.iter().map(|error| match error {
            Value::String(text) => text.clone(),
            error => texts(error, &["code", "message"]).join(": "),
        });
        return errors.filter(|error| !error.is_empty()).collect::<Vec<_>>().join("; ");
    }
    let found = texts(document, &["message", "error_description", "details", "detail", "error"]);
    found.into_iter().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::StatusCode;
    use reqwest::header::{HeaderMap, HeaderValue};

    use super::*;

    fn answer(kind: &'static str, body: &str) -> Answer {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
        let url = "https://user:pw@r.example/login?token=secret#x".parse().unwrap();
        Answer { status: StatusCode::FORBIDDEN, headers, url, body: body.to_owned().into() }
    }

    #[test]
    fn a_server_is_quoted_on_one_line_and_not_too_long() {
        for (kind, body, expected) in [
            (
                "application/json",
                r#"{"errors":[{"code":"UNKNOWN","message":"a\nb","detail":{}},{"code":"X"}]}"#,
                "UNKNOWN: a b; X",
            ),
            ("application/json", r#"{"errors":[{"message":"token has expired"}]}"#, "token has expired"),
            ("application/json", r#"{"errors":["no", {}]}"#, "no"),
            ("application/json", r#"{"details":"incorrect username or password"}"#, "incorrect username or password"),
            ("application/json", r#"{"error":"invalid_grant","error_description":"locked"}"#, "locked"),
            ("application/json", r#"{"error":"denied"}"#, "denied"),
            ("text/plain; charset=utf-8", "too\tmany \n", "too many"),
            ("application/octet-stream", "too many", ""),
            ("text/plain", "", ""),
            ("application/json", "{}", ""),
            ("application/json", r#"{"errors":7}"#, ""),
            ("text/html", "\n<p>No entry</p>", "a web page (HTML) from https://r.example/login"),
            ("text/plain", "<!DOCTYPE html><title>x", "a web page (HTML) from https://r.example/login"),
        ] {
            assert_eq!(said(&answer(kind, body), "").unwrap_or_default(), expected, "{body}");
        }
        let long = format!(r#"{{"errors":[{{"message":"{}"}}]}}"#, "é".repeat(500));
        assert_eq!(said(&answer("application/json", &long), "").unwrap().chars().count(), 200);
        let repeats = answer("text/plain", &format!("{} hunter 2 is wrong", "x".repeat(190)));
        assert_eq!(said(&repeats, "hunter 2").unwrap(), format!("{} … is wron", "x".repeat(190)));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_one_short_line(body in ".{0,300}", quoted in ".{0,300}") {
            let document = serde_json::json!({"errors": [{"code": quoted, "message": [quoted]}, quoted]}).to_string();
            for body in [body, document] {
                let line = said(&answer("text/plain", &body), "").unwrap_or_default();
                prop_assert!(line.chars().count() <= LONGEST || is_web_page(&answer("text/plain", &body)));
                prop_assert!(!line.contains(char::is_control), "{line:?}");
            }
        }
    }
}
