//! What a server says in an answer that is not what was asked for: a sentence of its own, or a web page.

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde_json::Value;

/// No sentence of a server is longer, in letters.
const LONGEST: usize = 300;

/// Whether an answer is a web page: a proxy, a login or the wrong address answered.
#[must_use]
pub fn is_page(headers: &HeaderMap, body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body.get(..1024).unwrap_or(body));
    let text = text.trim_start_matches('\u{feff}').trim_start().to_lowercase();
    let begins = ["<!doctype html", "<html", "<head", "<body", "<center", "<h1", "<script", "<title"];
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_lowercase();
    begins.iter().any(|begin| text.starts_with(begin))
        || text.starts_with("<?xml") && text.contains("<html")
        || text.starts_with('<') && kind.contains("html")
}

/// What a server says of a refusal in words of its own, on one line: the errors of the distribution specification, the
/// message of a JSON object, or a text. They may repeat what it was asked with, so the `secret` is left out. None: it says
/// nothing that a person could use.
#[must_use]
pub fn sentence(body: &[u8], secret: &str) -> Option<String> {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(Value::String(text)) => text,
        Ok(document) => message(&document)?,
        // Markup is for programs.
        Err(_) => std::str::from_utf8(body).ok().filter(|text| !text.trim_start().starts_with('<'))?.to_owned(),
    };
    let text = if secret.is_empty() { text } else { text.replace(secret, "…") };
    let words =
        text.split(|letter: char| letter.is_control() || letter.is_whitespace()).filter(|word| !word.is_empty());
    let line: String = words.collect::<Vec<_>>().join(" ").chars().take(LONGEST).collect();
    (!line.is_empty()).then_some(line)
}

/// What a JSON document says of an error.
fn message(document: &Value) -> Option<String> {
    let texts = |value: &Value, names: &[&str]| -> Vec<String> {
        let found = names.iter().filter_map(|name| value.get(name)?.as_str()).filter(|text| !text.trim().is_empty());
        found.map(str::to_owned).collect()
    };
    if let Some(errors) = document["errors"].as_array() {
        let errors = errors.iter().map(|error| match error {
            Value::String(text) => text.clone(),
            error => texts(error, &["code", "message"]).join(": "),
        });
        return Some(errors.filter(|error| !error.is_empty()).collect::<Vec<_>>().join("; "));
    }
    let names = ["message", "description", "error_description", "details", "detail", "error", "title"];
    texts(document, &names).into_iter().next()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn a_server_is_quoted_in_its_own_words_on_one_line() {
        for (body, said) in [
            (
                r#"{"message": "Not authorised to perform this action!"}"#,
                Some("Not authorised to perform this action!"),
            ),
            (r#"{"title": "Unauthorized", "description": "The account is locked."}"#, Some("The account is locked.")),
            (r#"{"message": "", "error": "expired"}"#, Some("expired")),
            (r#"{"errors":[{"code":"UNKNOWN","message":"a\nb","detail":{}},{"code":"X"}]}"#, Some("UNKNOWN: a b; X")),
            (r#"{"errors":[{"message":"token has expired"}]}"#, Some("token has expired")),
            (r#"{"errors":["no", {}]}"#, Some("no")),
            (r#"{"errors":7}"#, None),
            (r#"{"details":"incorrect username or password"}"#, Some("incorrect username or password")),
            (r#"{"error":"invalid_grant","error_description":"locked"}"#, Some("locked")),
            ("\n  not from here\r\nsecond\tline\n", Some("not from here second line")),
            (r#""in quotes""#, Some("in quotes")),
            ("<html><body>no</body></html>", None),
            ("<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>", None),
            (r#"{"code": 403}"#, None),
            ("[1]", None),
            ("", None),
            ("\u{1b}[31mred", Some("[31mred")),
        ] {
            assert_eq!(sentence(body.as_bytes(), "").as_deref(), said, "{body}");
        }
        assert_eq!(sentence(&[0xff, 0xfe], ""), None);
        let long = format!(r#"{{"errors":[{{"message":"{}"}}]}}"#, "é".repeat(500));
        assert_eq!(sentence(long.as_bytes(), "").map(|text| text.chars().count()), Some(LONGEST));
        let repeats = format!("{} hunter 2 is wrong", "x".repeat(290));
        assert_eq!(sentence(repeats.as_bytes(), "hunter 2"), Some(format!("{} … is wron", "x".repeat(290))));
    }

    #[test]
    fn a_web_page_is_known_by_its_begin_or_by_what_it_is_called() {
        for (kind, body, is_it) in [
            ("text/plain", "<!DOCTYPE html><title>DC/OS</title>", true),
            ("", "\u{feff}\n <html lang=\"en\">", true),
            ("", "<?xml version=\"1.0\"?><html/>", true),
            ("application/xml", "<?xml version=\"1.0\"?><Error/>", false),
            ("text/html; charset=utf-8", "\n<p>No entry</p>", true),
            ("text/html", "no entry", false),
            ("", "{\"a\": \"<html>\"}", false),
            ("", "less < more", false),
            ("", "", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
            assert_eq!(is_page(&headers, body.as_bytes()), is_it, "{kind}: {body}");
        }
        assert!(is_page(&HeaderMap::new(), b"<html>"));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_one_short_line(body in ".{0,400}", quoted in ".{0,400}") {
            let document = serde_json::json!({"errors": [{"code": quoted, "message": [quoted]}, quoted]}).to_string();
            for body in [body, document] {
                let line = sentence(body.as_bytes(), "").unwrap_or_default();
                prop_assert!(line.chars().count() <= LONGEST && !line.contains(char::is_control), "{line:?}");
            }
        }
    }
}
