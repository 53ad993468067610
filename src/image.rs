//! The name of an image as platforms write it: `host:port/path/name:tag@digest`.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An image's name, taken apart and kept as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageName {
    host: Option<String>,
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

/// A text that does not name an image of a repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not the name of an image: expected [host[:port]/]repository[:tag][@digest]")]
pub struct NotAnImage(pub String);

impl ImageName {
    /// The registry that it is pulled from, as written; none where it is left to the engine.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The repository without its host, as written: `team/billing`. To compare, see [`ImageName::is_of`].
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest that it is pinned to: `sha256:…`.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Whether it is of this repository of a registry. On Docker Hub `redis` and `library/redis` are the same.
    #[must_use]
    pub fn is_of(&self, repository: &str) -> bool {
        let hub = self.host.as_deref().is_none_or(|host| host == "docker.io" || host.ends_with(".docker.io"));
        let bare = |name: &str| name.strip_prefix("library/").filter(|_| hub).unwrap_or(name).to_owned();
        bare(&self.repository) == bare(repository)
    }

    /// Whether another image is of the same repository, and from the same registry, as both are written.
    #[must_use]
    pub fn is_beside(&self, other: &Self) -> bool {
        (&self.host, &self.repository) == (&other.host, &other.repository)
    }

    /// The same image at another tag; a digest goes, for it would outrank the tag.
    #[must_use]
    pub fn with_tag(&self, tag: &str) -> Self {
        Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() }
    }

    /// The same image at another tag, pinned to the digest that this tag has.
    #[must_use]
    pub fn with_tag_and_digest(&self, tag: &str, digest: &str) -> Self {
        Self { digest: Some(digest.to_owned()), ..self.with_tag(tag) }
    }

    /// The same image pinned to a digest; a tag goes, for it would say something else.
    #[must_use]
    pub fn with_digest(&self, digest: &str) -> Self {
        Self { tag: None, digest: Some(digest.to_owned()), ..self.clone() }
    }
}

/// An image as a platform writes it, taken apart once, where it comes in. It may name none: an image's id, say. Two are the
/// same where their texts are.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct WrittenImage {
    text: String,
    name: Option<ImageName>,
}

impl WrittenImage {
    /// As the platform writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its name; none where the text names no image of a repository.
    #[must_use]
    pub fn name(&self) -> Option<&ImageName> {
        self.name.as_ref()
    }

    /// Its name.
    ///
    /// # Errors
    /// [`NotAnImage`] where the text names none.
    pub fn known(&self) -> Result<&ImageName, NotAnImage> {
        self.name().ok_or_else(|| NotAnImage(self.text.clone()))
    }

    /// Whether both name an image of the same repository, from the same registry.
    #[must_use]
    pub fn is_beside(&self, other: &Self) -> bool {
        self.name().zip(other.name()).is_some_and(|(one, other)| one.is_beside(other))
    }

    /// Without its registry and repository, which are the same before and after: its tag, and its digest's begin.
    #[must_use]
    pub fn short(&self) -> String {
        let Some(name) = self.name() else { return self.text.clone() };
        let digest = name.digest().map(|digest| format!("@{}", digest.get(..19).unwrap_or(digest)));
        let short = [name.tag().map(str::to_owned), digest].into_iter().flatten().collect::<String>();
        if short.is_empty() { self.text.clone() } else { short }
    }
}

impl From<String> for WrittenImage {
    fn from(text: String) -> Self {
        Self { name: text.parse().ok(), text }
    }
}

impl From<&str> for WrittenImage {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<ImageName> for WrittenImage {
    fn from(name: ImageName) -> Self {
        Self { text: name.to_string(), name: Some(name) }
    }
}

impl From<WrittenImage> for String {
    fn from(image: WrittenImage) -> Self {
        image.text
    }
}

impl Borrow<str> for WrittenImage {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl PartialEq for WrittenImage {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for WrittenImage {}

impl PartialEq<str> for WrittenImage {
    fn eq(&self, text: &str) -> bool {
        self.text == text
    }
}

impl PartialEq<&str> for WrittenImage {
    fn eq(&self, text: &&str) -> bool {
        self.text == *text
    }
}

impl PartialEq<String> for WrittenImage {
    fn eq(&self, text: &String) -> bool {
        self.text == *text
    }
}

impl Hash for WrittenImage {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for WrittenImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// [`WrittenImage::short`] of a text.
#[must_use]
pub fn short(image: &str) -> String {
    WrittenImage::from(image).short()
}

impl FromStr for ImageName {
    type Err = NotAnImage;

    fn from_str(text: &str) -> Result<Self, NotAnImage> {
        let wrong = || NotAnImage(text.to_owned());
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        // A first part is a host only where it looks like one: `team/billing` has none.
        let (host, rest) = match rest.split_once('/') {
            Some((first, rest)) if first == "localhost" || first.contains(['.', ':']) => (Some(first), rest),
            _ => (None, rest),
        };
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (rest, None),
        };
        // `sha256:<64 digits>` is an image's id: it names no repository.
        let id = host.is_none() && repository == "sha256";
        let sound = !id
            && host.is_none_or(is_host)
            && repository.split('/').all(is_part)
            && tag.is_none_or(is_tag)
            && digest.is_none_or(is_digest);
        if !sound {
            return Err(wrong());
        }
        Ok(Self {
            host: host.map(str::to_owned),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || ".-_:[]".contains(letter))
}

fn is_part(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter))
}

fn is_tag(text: &str) -> bool {
    text.len() <= 128 && is_part(text) && !text.starts_with(['.', '-'])
}

fn is_digest(text: &str) -> bool {
    text.split_once(':')
        .is_some_and(|(method, hex)| is_part(method) && hex.len() >= 32 && hex.chars().all(|c| c.is_ascii_hexdigit()))
}

impl fmt::Display for ImageName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(out, "{host}/")?;
        }
        out.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(out, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(out, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(text: &str) -> (Option<String>, String, Option<String>, Option<String>) {
        let name: ImageName = text.parse().expect(text);
        (name.host, name.repository, name.tag, name.digest)
    }

    #[test]
    fn every_form_is_taken_apart() {
        let some = |text: &str| Some(text.to_owned());
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(parts("billing"), (None, "billing".into(), None, None));
        assert_eq!(parts("team/billing:1"), (None, "team/billing".into(), some("1"), None));
        assert_eq!(parts("localhost/billing"), (some("localhost"), "billing".into(), None, None));
        assert_eq!(parts("registry:5000/billing"), (some("registry:5000"), "billing".into(), None, None));
        assert_eq!(
            parts(&format!("[::1]:5000/a/b/c:1.4.0-develop@{digest}")),
            (some("[::1]:5000"), "a/b/c".into(), some("1.4.0-develop"), Some(digest.clone()))
        );
        assert_eq!(parts(&format!("r.example/a@{digest}")), (some("r.example"), "a".into(), None, Some(digest)));
    }

    #[test]
    fn what_names_no_image_is_refused() {
        let id = format!("sha256:{}", "0".repeat(64));
        for text in ["", ":1", "a:", "a@", "a@sha256", "host:5000/", "a b", "a//b", "a:.x", "https://host/a", &id] {
            assert_eq!(text.parse::<ImageName>(), Err(NotAnImage(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_repository_is_compared_without_its_host() {
        let is_of = |text: &str, repository: &str| text.parse::<ImageName>().expect(text).is_of(repository);
        assert!(is_of("registry:5000/team/billing:1", "team/billing"));
        assert!(!is_of("registry:5000/team/billing:1", "billing"));
        assert!(is_of("redis:6", "library/redis") && is_of("docker.io/library/redis", "redis"));
        assert!(is_of("index.docker.io/redis", "library/redis"));
        assert!(!is_of("registry:5000/redis", "library/redis"), "library is Docker Hub's own rule");
    }

    #[test]
    fn an_image_is_shortened_to_what_changes() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        assert_eq!(short("registry:5000/team/billing:1.4.0-develop"), "1.4.0-develop");
        assert_eq!(short(&format!("registry:5000/team/billing@{digest}")), "@sha256:abababababab");
        assert_eq!(
            short(&format!("r/billing:1.4.0@{digest}")),
            "1.4.0@sha256:abababababab",
            "its tag is what people know"
        );
        assert_eq!(short("billing"), "billing");
    }

    #[test]
    fn what_a_platform_writes_is_kept_and_written_again_as_it_was() {
        let id = format!("sha256:{}", "0".repeat(64));
        for (text, repository) in [("r:5000/team/billing:1", Some("team/billing")), (&id, None), ("", None)] {
            let image: WrittenImage = serde_json::from_value(text.into()).expect(text);
            assert_eq!(image.name().map(ImageName::repository), repository, "{text}");
            assert_eq!((image.to_string(), serde_json::to_value(&image).expect(text)), (text.to_owned(), text.into()));
            assert_eq!(image.known().is_err(), repository.is_none());
        }
        let image = |text: &str| WrittenImage::from(text);
        assert!(image("r/a:1").is_beside(&image("r/a@sha256:00000000000000000000000000000000")));
        assert!(!image("r/a:1").is_beside(&image("r/b:1")) && !image(&id).is_beside(&image(&id)));
    }

    proptest! {
        #[test]
        fn a_change_touches_the_end_and_nothing_else(
            host in prop::option::of("([a-z]{1,8}:[1-9][0-9]{1,4}|localhost|[a-z]{1,8}\\.[a-z]{2,3}(:[1-9][0-9]{1,3})?)"),
            path in "[a-z0-9]{1,6}(/[a-z0-9]{1,6}([._-][a-z0-9]{1,4})?){0,3}",
            tag in prop::option::of("[A-Za-z0-9_][A-Za-z0-9._-]{0,12}"),
            digest in prop::option::of("sha256:[0-9a-f]{64}"),
            new_tag in "[A-Za-z0-9_][A-Za-z0-9._-]{0,12}",
            new_digest in "sha256:[0-9a-f]{64}",
        ) {
            prop_assume!(path != "sha256");
            let front = host.as_ref().map_or_else(|| path.clone(), |host| format!("{host}/{path}"));
            let text = front.clone()
                + &tag.map(|tag| format!(":{tag}")).unwrap_or_default()
                + &digest.map(|digest| format!("@{digest}")).unwrap_or_default();
            let name: ImageName = text.parse().expect("a sound name");
            prop_assert_eq!(name.to_string(), text);
            prop_assert_eq!(name.repository(), path);
            prop_assert_eq!(name.with_tag(&new_tag).to_string(), format!("{front}:{new_tag}"));
            prop_assert_eq!(name.with_digest(&new_digest).to_string(), format!("{front}@{new_digest}"));
            let both = name.with_tag_and_digest(&new_tag, &new_digest);
            prop_assert_eq!(both.to_string(), format!("{front}:{new_tag}@{new_digest}"));
            prop_assert!(both.is_beside(&name));
        }
    }
}
