//! Where the picture of a key is: a text in which `{key}` stands for the key.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::port::Unfit;
use crate::store::Key;

/// What stands for the key.
pub const PLACE: &str = "{key}";

/// What is no letter of a path: all but what RFC 3986 leaves unreserved, and the `/` between parts.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
/// What is no letter of a query: in one, a `/` is no border between parts.
const QUERY: &AsciiSet = &PATH.add(b'/');

/// Where pictures are, one for each key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Template {
    /// At URLs of a server.
    Url(UrlTemplate),
    /// In a store: its address, and how an object in it is called.
    Store {
        /// The address of the store.
        address: String,
        /// What stands before the key in the name of an object.
        before: String,
        /// What stands behind it: `.png`.
        behind: String,
    },
}

/// A URL with a place for the key in its path or its query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlTemplate {
    before: String,
    behind: String,
    is_in_query: bool,
}

impl UrlTemplate {
    /// The URL of a key's picture.
    ///
    /// # Errors
    /// When there is no such URL.
    pub fn url(&self, key: &Key) -> Result<Url, String> {
        let set = if self.is_in_query { QUERY } else { PATH };
        let text = format!("{}{}{}", self.before, utf8_percent_encode(key.as_str(), set), self.behind);
        text.parse().map_err(|error| format!("there is no URL for it: {error}"))
    }
}

impl Template {
    /// Reads a template; `option` is where it was given.
    ///
    /// # Errors
    /// When it names no place, or more than one for the key.
    pub fn read(option: &str, text: &str) -> Result<Self, Unfit> {
        let refused = |why: &str| Unfit(format!("{option} cannot be '{}': {why}", crate::address::printable(text)));
        if text.is_empty() {
            return Err(refused("it is empty"));
        }
        if text.matches(PLACE).count() > 1 {
            return Err(refused(&format!("{PLACE} stands there more than once")));
        }
        if text.replace(PLACE, "").contains(['{', '}']) {
            return Err(refused(&format!("braces stand only around `key`: {PLACE}")));
        }
        let (address, query) = match text.split_once('?') {
            Some((address, query)) if text.contains("://") => (address, Some(query)),
            _ => (text, None),
        };
        let whole = |address: &str| query.map_or_else(|| address.to_owned(), |query| format!("{address}?{query}"));
        if let Some((scheme, _)) = address.split_once("://") {
            match scheme.to_ascii_lowercase().as_str() {
                "http" | "https" => return url(&address_with_key(address, query), query, &refused),
                "s3" if query.is_some_and(|query| query.contains(PLACE)) => {
                    return Err(refused("of S3, the key stands before the `?`"));
                }
                "s3" => {}
                _ => return Err(refused("known are https://, http://, s3:// and a folder")),
            }
        }
        let Some((before, behind)) = address.split_once(PLACE) else {
            return Ok(Self::Store { address: whole(address), before: String::new(), behind: String::new() });
        };
        let (root, before) = match before.rsplit_once('/') {
            // `s3://{key}` has a bucket for each key, which nobody means.
            Some((root, _)) if root == "s3:/" => return Err(refused("the bucket has no name")),
            Some(("", before)) => ("/", before),
            Some((root, before)) => (root, before),
            None => (".", before),
        };
        Ok(Self::Store { address: whole(root), before: before.to_owned(), behind: behind.to_owned() })
    }

    /// How the object of a key is called in its store.
    ///
    /// # Errors
    /// When it would be none.
    pub fn name(before: &str, key: &Key, behind: &str) -> Result<Key, String> {
        Key::read(&format!("{before}{key}{behind}"))
    }
}

/// The address of a URL with a place for the key: at its end, where it has none.
fn address_with_key(address: &str, query: Option<&str>) -> String {
    if address.contains(PLACE) || query.is_some_and(|query| query.contains(PLACE)) {
        return address.to_owned();
    }
    format!("{}/{PLACE}", address.trim_end_matches('/'))
}

fn url(address: &str, query: Option<&str>, refused: &dyn Fn(&str) -> Unfit) -> Result<Template, Unfit> {
    let text = query.map_or_else(|| address.to_owned(), |query| format!("{address}?{query}"));
    if text.contains('#') {
        return Err(refused("a `#` is written as %23"));
    }
    let (before, behind) = text.split_once(PLACE).unwrap_or((&text, ""));
    let is_in_query = before.contains('?');
    let tried: Url =
        format!("{before}key{behind}").parse().map_err(|error| refused(&format!("it is no URL: {error}")))?;
    // A key must not choose the server.
    let rest = before.split_once("://").map_or("", |(_, rest)| rest);
    if tried.host_str().is_none() || !rest.contains('/') && !is_in_query {
        return Err(refused("the host has no key in it"));
    }
    Ok(Template::Url(UrlTemplate { before: before.to_owned(), behind: behind.to_owned(), is_in_query }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn store(text: &str) -> (String, String, String) {
        match Template::read("--target", text).expect(text) {
            Template::Store { address, before, behind } => (address, before, behind),
            Template::Url(url) => panic!("{url:?}"),
        }
    }

    fn url(text: &str, key: &str) -> String {
        match Template::read("--source", text).expect(text) {
            Template::Url(url) => url.url(&Key::read(key).expect("a key")).expect("a URL").into(),
            Template::Store { address, .. } => panic!("{address}"),
        }
    }

    #[test]
    fn a_store_and_how_its_objects_are_called() {
        for (text, address, before, behind) in [
            ("/srv/pictures", "/srv/pictures", "", ""),
            ("/srv/{key}.png", "/srv", "", ".png"),
            ("/{key}", "/", "", ""),
            ("{key}.png", ".", "", ".png"),
            ("pictures/u-{key}/large.png", "pictures", "u-", "/large.png"),
            ("what?/{key}", "what?", "", ""),
            ("s3://b/p/{key}.png?region=r", "s3://b/p?region=r", "", ".png"),
            ("s3://b/{key}", "s3://b", "", ""),
            ("s3://b?endpoint=http://h", "s3://b?endpoint=http://h", "", ""),
        ] {
            assert_eq!(store(text), (address.to_owned(), before.to_owned(), behind.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_url_has_the_key_where_it_stands_and_odd_letters_written_out() {
        for (text, key, expected) in [
            ("https://h/{key}.png", "a/b c", "https://h/a/b%20c.png"),
            ("https://h", "a", "https://h/a"),
            ("https://h/x/?v=1", "a", "https://h/x/a?v=1"),
            ("http://h/get?id={key}&s=1", "a/b&c", "http://h/get?id=a%2Fb%26c&s=1"),
            ("http://h/{key}", "?#%", "http://h/%3F%23%25"),
            ("http://h/{key}", "é", "http://h/%C3%A9"),
        ] {
            assert_eq!(url(text, key), expected);
        }
    }

    #[test]
    fn what_names_no_place_is_refused() {
        for (text, why) in [
            ("", "it is empty"),
            ("/a/{key}/{key}", "more than once"),
            ("/a/{id}", "braces"),
            ("ftp://h/{key}", "known are"),
            ("https://{key}/x", "the host has no key in it"),
            ("https://u:hunter2@{key}", "the host has no key in it"),
            ("https://h/{key}#x", "%23"),
            ("https://h:port/{key}", "it is no URL"),
            ("s3://{key}/x", "the bucket has no name"),
            ("s3://b?endpoint={key}", "before the `?`"),
        ] {
            let error = Template::read("--source", text).expect_err(text).to_string();
            assert!(error.starts_with("--source cannot be '") && error.contains(why), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_key_changes_neither_the_server_nor_the_depth_nor_the_query(text in "[./?#%@:a-b\\\\ ]{1,12}|.{1,30}") {
            let Ok(key) = Key::read(&text) else { return Ok(()) };
            let Template::Url(template) = Template::read("--source", "https://h/x/{key}?s=1").expect("a template") else {
                panic!("no URL")
            };
            let url = template.url(&key).expect("a URL");
            prop_assert_eq!(url.host_str(), Some("h"));
            prop_assert_eq!(url.query(), Some("s=1"));
            let path = percent_encoding::percent_decode_str(url.path()).decode_utf8_lossy().into_owned();
            prop_assert_eq!(path, format!("/x/{text}"));
            prop_assert_eq!(url.path().matches('/').count(), 2 + text.matches('/').count());
        }
    }
}
