//! The name of an object.

use std::fmt;

/// The longest name, in bytes: S3's limit.
const LONGEST: usize = 1024;
/// The longest part between two `/`, in bytes: the limit of Linux' file systems.
const LONGEST_PART: usize = 255;

/// The folder below a store's where files are until they are whole.
pub(super) const PARTS: &str = ".firebreak";

/// The name of an object: parts with a `/` between, which cannot lead out of the place where the objects are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(String);

impl Key {
    /// Reads a name.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(text: &str) -> Result<Self, String> {
        let refused = |why: &str| Err(why.to_owned());
        if text.is_empty() {
            return refused("it is empty");
        }
        if text.len() > LONGEST {
            return Err(format!("it is longer than {LONGEST} bytes"));
        }
        if text.trim() != text {
            return refused("it begins or ends with a blank");
        }
        if text.chars().any(char::is_control) {
            return refused("it has a control character");
        }
        if text.starts_with('/') {
            return refused("it begins with a `/`, and would lead out of the store");
        }
        if text.split('/').next() == Some(PARTS) {
            return Err(format!("`{PARTS}` is where files are until they are whole"));
        }
        for part in text.split('/') {
            match part {
                "" => return refused("it has two `/` in a row, or ends with one"),
                "." | ".." => return refused("it has the part `.` or `..`, and would lead out of the store"),
                part if part.len() > LONGEST_PART => {
                    return Err(format!("a part of it is longer than {LONGEST_PART} bytes"));
                }
                _ => {}
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_that_leads_elsewhere_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "empty"),
            ("/etc/passwd", "begins with a `/`"),
            ("..", "`..`"),
            ("a/../../b", "`..`"),
            ("./a", "`.`"),
            ("a//b", "two `/`"),
            ("a/", "two `/`"),
            (".firebreak/a", "whole"),
            ("a\0b", "control"),
            ("a\nb", "control"),
            (" a", "blank"),
            ("a\u{a0}", "blank"),
        ] {
            let error = Key::read(text).expect_err(text);
            assert!(error.contains(why), "{text:?}: {error}");
        }
        assert_eq!(Key::read(&"a".repeat(256)).expect_err("long"), "a part of it is longer than 255 bytes");
        assert_eq!(Key::read(&"a/".repeat(600)).expect_err("long"), "it is longer than 1024 bytes");
    }

    #[test]
    fn odd_letters_are_letters() {
        for text in ["a b", "é/日本.png", "a?b#c%2e", "...", "a\\b", "-rf", ".hidden", "a:b@c", "{key}", "~"] {
            assert_eq!(Key::read(text).expect(text).as_str(), text);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_taken_stays_below_its_folder(text in "[./a-c\\\\ ]{0,12}|.{0,40}") {
            if let Ok(key) = Key::read(&text) {
                let path = Path::new("/root").join(key.as_str());
                prop_assert!(path.starts_with("/root") && path != Path::new("/root"));
                prop_assert!(path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_))));
                prop_assert_eq!(path.to_str(), Some(&*format!("/root/{text}")));
            }
        }
    }
}
