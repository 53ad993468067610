//! Where the picture of a key is: a text in which `{key}` stands for the key.

use crate::port::Unfit;
use crate::store::{Key, UrlPattern};

/// What stands for the key.
pub const PLACE: &str = "{key}";

/// Where pictures are, one for each key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Template {
    /// At URLs of a server.
    Url(UrlPattern),
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
        let lower = text.to_ascii_lowercase();
        if ["s3:", "http:", "https:"].iter().any(|scheme| lower.starts_with(scheme)) && !lower.contains("://") {
            return Err(refused("two slashes stand behind the `:`"));
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
            Some(("s3:/", _)) => return Err(refused("the bucket has no name")),
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
    UrlPattern::read(before, behind).map(Template::Url).map_err(|why| refused(&why))
}

#[cfg(test)]
mod tests {
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
}
