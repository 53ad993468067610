//! What a server says about a write may quote what it was sent. Values of an application's environment never pass.

/// The values that must not be shown.
#[derive(Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// Remembers a value.
    pub(super) fn add(&mut self, value: &str) {
        if !value.is_empty() {
            self.0.push(value.to_owned());
        }
    }

    /// The text without the values. A value of less than four letters is taken out only where it stands as a word,
    /// for else a `1` would garble every number.
    pub(super) fn scrub(&self, text: &str) -> String {
        let mut values: Vec<&String> = self.0.iter().collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.iter().fold(text.to_owned(), |text, value| {
            if value.len() >= 4 { text.replace(value.as_str(), "***") } else { replace_word(&text, value) }
        })
    }
}

fn replace_word(text: &str, word: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, from) = rest.split_at(at);
        let after = &from[word.len()..];
        let joined = before.ends_with(char::is_alphanumeric) || after.starts_with(char::is_alphanumeric);
        clean.push_str(before);
        clean.push_str(if joined { word } else { "***" });
        rest = after;
    }
    clean + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_out() {
        let mut secrets = Secrets::default();
        for value in ["s3cret", "s3cret-and-more", "7", ""] {
            secrets.add(value);
        }
        assert_eq!(secrets.scrub("got s3cret-and-more, xs3cretx, 7 of 17"), "got ***, x***x, *** of 17");
    }
}
