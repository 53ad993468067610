//! What a registry says in an answer that is not the one hoped for, with where that came from.

use url::Url;

use crate::http::retry::Answer;
use crate::http::{is_page, sentence, without_credentials};

/// A server's own words about an error; none where it gives none.
pub(super) fn said(answer: &Answer, secret: &str) -> Option<String> {
    if is_web_page(answer) {
        return Some(format!("a web page (HTML) from {}", place(&answer.url)));
    }
    sentence(&answer.body, secret)
}

/// Whether this is a page for people, as portals, proxies and log-in screens give.
pub(super) fn is_web_page(answer: &Answer) -> bool {
    is_page(&answer.headers, &answer.body)
}

/// Where an answer came from. What a URL asks for can be a secret (storage has signed ones), so that is left out.
pub(super) fn place(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    without_credentials(&url)
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;

    use super::*;

    #[test]
    fn a_page_is_told_by_where_it_came_from_and_what_it_asked_for_is_not_shown() {
        let url = "https://user:pw@r.example/login?token=secret#x".parse().unwrap();
        let answer = |body: &str| {
            let (status, headers) = (StatusCode::FORBIDDEN, HeaderMap::new());
            Answer { status, headers, url: Url::clone(&url), body: body.to_owned().into() }
        };
        let page = said(&answer("<!DOCTYPE html><title>x"), "");
        assert_eq!(page.as_deref(), Some("a web page (HTML) from https://r.example/login"));
        assert_eq!(said(&answer("hunter 2 is wrong"), "hunter 2").as_deref(), Some("… is wrong"));
        assert_eq!(said(&answer("{}"), ""), None);
    }
}
