//! What a server says in an answer that is not what was asked for: a sentence of its own, or a web page.

use serde_json::Value;

/// No sentence of a server is longer, in letters.
const LONGEST: usize = 300;

/// Whether a body is a web page: a proxy, a login or the wrong address answered.
pub(crate) fn is_page(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body.get(..1024).unwrap_or(body));
    let text = text.trim_start_matches('\u{feff}').trim_start().to_lowercase();
    ["<!doctype html", "<html", "<head", "<body", "<?xml", "<center", "<h1", "<script", "<title"]
        .iter()
        .any(|begin| text.starts_with(begin))
}

/// What a server says of a refusal in words of its own: the message of a JSON object, or a text. None: it says nothing that
/// a person could use.
pub(crate) fn sentence(body: &[u8]) -> Option<String> {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(said)) => {
            let names = ["message", "description", "error_description", "error", "title", "detail"];
            names.iter().find_map(|name| said.get(*name)?.as_str().filter(|text| !text.trim().is_empty()))?.to_owned()
        }
        Ok(Value::String(text)) => text,
        Ok(_) => return None,
        Err(_) if is_page(body) => return None,
        Err(_) => std::str::from_utf8(body).ok()?.to_owned(),
    };
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let clean: String = line.chars().filter(|letter| !letter.is_control()).take(LONGEST).collect();
    (!clean.is_empty()).then_some(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_quoted_in_its_own_words() {
        for (body, said) in [
            (
                r#"{"message": "Not authorised to perform this action!"}"#,
                Some("Not authorised to perform this action!"),
            ),
            (r#"{"title": "Unauthorized", "description": "The account is locked."}"#, Some("The account is locked.")),
            (r#"{"message": "", "error": "expired"}"#, Some("expired")),
            ("\n  not from here\r\nsecond line\n", Some("not from here")),
            (r#""in quotes""#, Some("in quotes")),
            ("<html><body>no</body></html>", None),
            (r#"{"code": 403}"#, None),
            ("[1]", None),
            ("", None),
            ("\u{1b}[31mred", Some("[31mred")),
        ] {
            assert_eq!(sentence(body.as_bytes()).as_deref(), said, "{body}");
        }
        assert_eq!(sentence("x".repeat(999).as_bytes()).map(|text| text.len()), Some(LONGEST));
        assert_eq!(sentence(&[0xff, 0xfe]), None);
    }

    #[test]
    fn a_web_page_is_known_by_its_begin() {
        for (body, is_it) in [
            ("<!DOCTYPE html><title>DC/OS</title>", true),
            ("\u{feff}\n <html lang=\"en\">", true),
            ("<?xml version=\"1.0\"?><html/>", true),
            ("{\"a\": \"<html>\"}", false),
            ("less < more", false),
            ("", false),
        ] {
            assert_eq!(is_page(body.as_bytes()), is_it, "{body}");
        }
    }
}
