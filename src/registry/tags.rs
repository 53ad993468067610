//! Which of a repository's tags are images of an environment.

use serde_json::Value;

/// One page of a list of tags.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// The tags that can name an image: nulls, digests, and the tags that signatures and attestations hide behind
    /// (`sha256-<hex>.sig`) are left out.
    pub tags: Vec<String>,
    /// How many entries it has, those that are left out as well.
    pub entries: usize,
    /// Its last entry, where all stand in the order of the specification: what comes after can then be asked for.
    pub last: Option<String>,
}

/// Reads a page. Its tags may be null, and some registries put nulls among them.
///
/// # Errors
/// When it is no list of tags.
pub fn of_page(body: &[u8]) -> Result<Page, String> {
    let mut document: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let entries = match document.get_mut("tags").map(Value::take) {
        Some(Value::Array(entries)) => entries,
        Some(Value::Null) => Vec::new(),
        // Some registries leave an empty list out. What is no list at all (an error that comes with 200) has no name.
        None if document.get("name").is_some() => Vec::new(),
        _ => return Err("it has no list of tags".to_owned()),
    };
    let texts = || entries.iter().filter_map(Value::as_str);
    let last = texts().next_back().filter(|_| texts().is_sorted()).map(str::to_owned);
    let tags = texts().filter(|tag| is_tag(tag) && !is_attached(tag)).map(str::to_owned).collect();
    Ok(Page { tags, entries: entries.len(), last })
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
        let page = of_page(body.as_bytes()).unwrap();
        assert_eq!(
            (page.tags, page.entries),
            (["1.0-develop", "sha256-develop", "2.0"].map(str::to_owned).to_vec(), 11)
        );
        for empty in [r#"{"name":"a","tags":null}"#, r#"{"name":"a","tags":[]}"#, r#"{"name":"a"}"#, r#"{"tags":null}"#]
        {
            assert_eq!(of_page(empty.as_bytes()).unwrap(), Page { tags: vec![], entries: 0, last: None }, "{empty}");
        }
    }

    #[test]
    fn what_is_no_page_is_not_taken_for_an_empty_one() {
        for text in ["<html>", "", "{}", "[]", "7", r#"{"tags":"a"}"#, r#"{"errors":[]}"#, r#"{"name":"a","tags":["#] {
            of_page(text.as_bytes()).unwrap_err();
        }
    }

    #[test]
    fn the_last_entry_of_a_page_is_known_where_it_is_sorted() {
        let last = |body: &str| of_page(body.as_bytes()).unwrap().last;
        assert_eq!(last(r#"{"tags":["1", null, "2.0-develop", "a:b"]}"#).as_deref(), Some("a:b"));
        assert_eq!(last(r#"{"tags":["2", "1"]}"#), None);
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
            for tag in of_page(body.as_bytes()).unwrap().tags {
                prop_assert!(tags.contains(&tag));
                prop_assert!(!tag.starts_with('.') && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)));
            }
        }
    }
}
