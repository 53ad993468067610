//! Which of a repository's tags are images of an environment.

use serde::Deserialize;
use serde_json::Value;

/// One page of a list of tags. `tags` may be null, and some registries put nulls among them.
#[derive(Debug, Deserialize)]
struct Page {
    #[serde(default)]
    tags: Option<Vec<Value>>,
}

/// The tags of a page that can name an image: nulls, digests, and the tags that signatures and attestations hide
/// behind (`sha256-<hex>.sig`) are left out.
///
/// # Errors
/// When the page is no list of tags.
pub fn of_page(body: &[u8]) -> Result<Vec<String>, serde_json::Error> {
    let page: Page = serde_json::from_slice(body)?;
    let text = |tag: Value| match tag {
        Value::String(tag) if is_tag(&tag) && !is_attached(&tag) => Some(tag),
        _ => None,
    };
    Ok(page.tags.unwrap_or_default().into_iter().filter_map(text).collect())
}

/// Whether this is a tag by the grammar of the distribution specification.
pub(super) fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=128).contains(&text.len())
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

/// `sha256-` and 64 hexadecimal digits, alone or with a suffix: something attached to the image of that digest.
fn is_attached(tag: &str) -> bool {
    let Some(rest) = tag.strip_prefix("sha256-") else { return false };
    let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
    digits == 64 && matches!(rest.as_bytes().get(64), None | Some(b'.' | b'-'))
}

/// Whether a tag belongs to an environment: it is the environment, or ends with `-`, `.` or `_` and it.
#[must_use]
pub fn belongs(tag: &str, environment: &str) -> bool {
    match tag.strip_suffix(environment) {
        Some(before) if !environment.is_empty() => before.is_empty() || before.ends_with(['-', '.', '_']),
        _ => false,
    }
}

/// The words at the end of tags, each once, in the order of the alphabet: what environments there may be.
#[must_use]
pub fn endings(tags: &[String]) -> Vec<&str> {
    let endings = tags.iter().filter_map(|tag| tag.rsplit(['-', '.', '_']).next());
    let words = endings.filter(|word| !word.is_empty() && word.chars().all(char::is_alphabetic));
    words.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn endings_are_the_words_that_tags_end_with() {
        let tags = ["1.0-develop", "2.0-develop", "1.0_master", "latest", "1.2.3", "sha-1a", ""].map(str::to_owned);
        assert_eq!(endings(&tags), ["develop", "latest", "master"]);
    }

    #[test]
    fn a_page_gives_only_what_can_be_an_image() {
        let hex = "0123456789abcdef".repeat(4);
        let body = format!(
            r#"{{"name":"a","tags":["1.0-develop",null,"sha256-{hex}.sig","sha256-{hex}","sha256:{hex}","sha256-{hex}-develop",
            "sha256-develop","../develop",7,"-develop","2.0"]}}"#
        );
        assert_eq!(of_page(body.as_bytes()).unwrap(), ["1.0-develop", "sha256-develop", "2.0"]);
        assert!(of_page(br#"{"name":"a","tags":null}"#).unwrap().is_empty());
        assert!(of_page(br#"{"name":"a"}"#).unwrap().is_empty());
        of_page(b"<html>").unwrap_err();
    }

    #[test]
    fn an_environment_ends_a_tag_as_a_word() {
        for (tag, expected) in [
            ("develop", true),
            ("1.4.0-develop", true),
            ("1.4.0.develop", true),
            ("1_develop", true),
            ("x-predevelop", false),
            ("develop-1", false),
            ("Develop", false),
            ("", false),
        ] {
            assert_eq!(belongs(tag, "develop"), expected, "{tag}");
        }
        assert!(!belongs("1-", ""));
    }

    proptest! {
        #[test]
        fn a_tag_belongs_only_behind_a_separator(before in "[A-Za-z0-9._-]{0,12}", environment in "[a-z]{1,8}") {
            let separated = before.is_empty() || before.ends_with(['-', '.', '_']);
            prop_assert_eq!(belongs(&format!("{before}{environment}"), &environment), separated);
        }

        #[test]
        fn no_page_brings_a_tag_that_would_change_a_path(tags in proptest::collection::vec(".{0,12}", 0..8)) {
            let body = serde_json::json!({ "tags": tags }).to_string();
            for tag in of_page(body.as_bytes()).unwrap() {
                prop_assert!(tags.contains(&tag));
                prop_assert!(!tag.starts_with('.') && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)));
            }
        }
    }
}
