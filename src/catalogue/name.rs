//! What a role may be called, and what the name of an option says of it.

use super::Toolkit;
use crate::action::arguments::UsageError;

/// Folders of cargo's own: it builds no program of such a name.
const OF_CARGO: [&str; 4] = ["build", "deps", "examples", "incremental"];

/// The last words of options whose values must not be seen.
const SECRETS: [&str; 8] = ["pwd", "password", "passwd", "token", "secret", "webhook", "slack", "api-key"];

/// Whether an option is called like one whose value must not be seen: by the last word of its name.
#[must_use]
pub fn is_secret(option: &str) -> bool {
    let words = format!("-{}", option.trim_start_matches('-').replace('_', "-").to_lowercase());
    SECRETS.iter().any(|secret| words.ends_with(&format!("-{secret}")))
}

/// Refuses a name that no role can have, or that is taken.
///
/// # Errors
/// A [`UsageError`] that says why, and what a name looks like.
pub fn check(toolkit: &Toolkit, name: &str) -> Result<(), UsageError> {
    let refuse = |why: &str| Err(UsageError(format!("a role cannot be called '{name}': {why}")));
    let part = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.split('_').all(part) {
        return refuse("it is small letters and digits, in words between '_', like restart_slaves");
    }
    if syn::parse_str::<syn::Ident>(name).is_err() {
        return refuse("it is a word of Rust's own");
    }
    if OF_CARGO.contains(&name) {
        return refuse("cargo keeps a folder of this name");
    }
    if toolkit.program(name).is_some() {
        return refuse("there is a program of this name");
    }
    let places = [format!("src/bin/{name}.rs"), format!("roles/{name}"), format!("playbooks/{name}.yml")];
    let taken = places.iter().find(|place| toolkit.root.join(place).exists());
    taken.map_or(Ok(()), |place| refuse(&format!("there is {place}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_by_the_last_word_of_its_name() {
        for option in ["--pwd", "--registry-pwd", "--Slack", "--api-key", "--github_token", "--password"] {
            assert!(is_secret(option), "{option}");
        }
        for option in ["--key", "--tokens", "--slack-channel", "--user", "-p"] {
            assert!(!is_secret(option), "{option}");
        }
    }

    #[test]
    fn a_name_that_cannot_be_is_refused_with_the_reason() {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(root.path().join("roles/there")).expect("a role");
        let toolkit = Toolkit { root: root.path().to_owned(), programs: Vec::new() };
        let shape = "it is small letters and digits, in words between '_', like restart_slaves";
        for (name, why) in [
            ("Restart", shape),
            ("restart-slaves", shape),
            ("../x", shape),
            ("1st", shape),
            ("a__b", shape),
            ("", shape),
            ("match", "it is a word of Rust's own"),
            ("deps", "cargo keeps a folder of this name"),
            ("there", "there is roles/there"),
        ] {
            let refusal = UsageError(format!("a role cannot be called '{name}': {why}"));
            assert_eq!(check(&toolkit, name), Err(refusal));
        }
        assert_eq!(check(&toolkit, "restart_slaves"), Ok(()));
    }
}
