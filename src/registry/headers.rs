//! The two headers of a registry that have a grammar: `Link` (RFC 8288) and `WWW-Authenticate` (RFC 9110).
//!
//! Both are read leniently: what is not understood is left out.

/// What a `Link` header says of a next page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    None,
    /// Its address as it is written: often relative.
    Link(String),
    /// That there is one, but not where.
    Unclear,
}

/// The target of the link with `rel="next"`.
#[must_use]
pub fn next_link(header: &str) -> Next {
    let mut text = Text(header);
    loop {
        text.skip(|c| c != '<');
        if !text.take('<') {
            break;
        }
        let target = text.until(|c| c == '>').to_owned();
        text.take('>');
        let mut is_next = false;
        loop {
            text.skip(char::is_whitespace);
            if !text.take(';') {
                break;
            }
            text.skip(char::is_whitespace);
            let name = text.until(|c| "=;,".contains(c) || c.is_whitespace()).to_owned();
            text.skip(char::is_whitespace);
            let value = if text.take('=') { text.value() } else { String::new() };
            is_next |= name.eq_ignore_ascii_case("rel")
                && value.split_whitespace().any(|relation| relation.eq_ignore_ascii_case("next"));
        }
        if is_next {
            return Next::Link(target);
        }
    }
    let bare: String = header.chars().filter(|c| !c.is_whitespace() && *c != '"').collect();
    if bare.to_ascii_lowercase().contains("rel=next") { Next::Unclear } else { Next::None }
}

/// One way in that a server offers with its 401.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// `Basic`, `Bearer`, …; in lower case.
    pub scheme: String,
    /// `realm`, `service`, `scope`, …; the names in lower case.
    pub parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The parameter of this name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// All the ways in that a header offers; there may be several in one, separated by the same comma as parameters are.
#[must_use]
pub fn challenges(header: &str) -> Vec<Challenge> {
    let mut text = Text(header);
    let mut found: Vec<Challenge> = Vec::new();
    loop {
        text.skip(|c| c == ',' || c == '=' || c == '"' || c.is_whitespace());
        let word = text.until(|c| ",=\"".contains(c) || c.is_whitespace()).to_ascii_lowercase();
        if word.is_empty() {
            return found;
        }
        text.skip(char::is_whitespace);
        match found.last_mut() {
            Some(challenge) if text.take('=') => challenge.parameters.push((word, text.value())),
            _ => found.push(Challenge { scheme: word, parameters: Vec::new() }),
        }
    }
}

/// The rest of a header that is being read.
struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    fn until(&mut self, end: impl Fn(char) -> bool) -> &'a str {
        let (read, rest) = self.0.split_at(self.0.find(end).unwrap_or(self.0.len()));
        self.0 = rest;
        read
    }

    fn skip(&mut self, what: impl Fn(char) -> bool) {
        self.0 = self.0.trim_start_matches(what);
    }

    fn take(&mut self, what: char) -> bool {
        let rest = self.0.strip_prefix(what);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// A token, or a string in quotes, where a backslash takes the next character as it is.
    fn value(&mut self) -> String {
        self.skip(char::is_whitespace);
        if !self.take('"') {
            return self.until(|c| ",;\"".contains(c) || c.is_whitespace()).to_owned();
        }
        let mut value = String::new();
        let mut characters = self.0.chars();
        while let Some(character) = characters.next() {
            match character {
                '"' => break,
                '\\' => value.extend(characters.next()),
                _ => value.push(character),
            }
        }
        self.0 = characters.as_str();
        value
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_next_link_is_found_among_others() {
        for (header, expected) in [
            (r#"</v2/a/tags/list?last=b&n=2>; rel="next""#, Next::Link("/v2/a/tags/list?last=b&n=2".to_owned())),
            (
                r"<https://r.example/v2/a/tags/list?n=2>;rel=next",
                Next::Link("https://r.example/v2/a/tags/list?n=2".to_owned()),
            ),
            (r#"<a,b>; rel="prev"; title="x, <y>; rel=next", <c;d> ; REL = "last Next""#, Next::Link("c;d".to_owned())),
            (r#"<a>; rel="previous""#, Next::None),
            (r"<a>", Next::None),
            ("", Next::None),
            (r#"<a; rel="next""#, Next::Unclear),
            (r"/v2/a/tags/list?last=b; REL = next", Next::Unclear),
        ] {
            assert_eq!(next_link(header), expected, "{header}");
        }
    }

    fn challenge(scheme: &str, parameters: &[(&str, &str)]) -> Challenge {
        let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Challenge { scheme: scheme.to_owned(), parameters }
    }

    #[test]
    fn challenges_are_told_apart() {
        let bearer = challenge("bearer", &[("realm", "https://a/token"), ("service", "s"), ("scope", "r:x:pull,push")]);
        let header = r#"Bearer realm="https://a/token",service="s", scope="r:x:pull,push""#;
        assert_eq!(challenges(header), std::slice::from_ref(&bearer));
        let both = format!(r#"Negotiate YII==, BASIC Realm="say \"please\"" , {header}"#);
        let found = challenges(&both);
        assert_eq!(found.iter().find(|one| one.scheme == "basic").unwrap().parameter("realm"), Some("say \"please\""));
        assert_eq!(found.last(), Some(&bearer));
        assert_eq!(challenges("Basic"), [challenge("basic", &[])]);
        assert!(challenges(" , ").is_empty());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_to_its_end(header in ".{0,200}") {
            let _ = next_link(&header);
            let _ = challenges(&header);
        }

        #[test]
        fn a_link_survives_its_neighbours(target in "[^<>\\s]{1,40}", other in "[^<>\"\\\\]{0,20}", title in "[^\"\\\\]{0,20}") {
            let header = format!("<{other}>; title=\"{title}\"; rel=\"prev\", <{target}>; title=\"{title}\"; rel=next");
            prop_assert_eq!(next_link(&header), Next::Link(target));
        }

        #[test]
        fn a_challenge_is_read_back(scheme in "[A-Za-z][A-Za-z0-9-]{0,10}", parameters in proptest::collection::vec(("[a-z_]{1,8}", ".{0,20}"), 0..5)) {
            let written: Vec<String> = parameters.iter().map(|(name, value)| {
                format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
            }).collect();
            let header = format!("{scheme} {}", written.join(", "));
            let expected = Challenge { scheme: scheme.to_ascii_lowercase(), parameters };
            prop_assert_eq!(challenges(&header), vec![expected]);
        }
    }
}
