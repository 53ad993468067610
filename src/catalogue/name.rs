//! What a role may be called, what its program's names may hold, and what the name of an option says of it.

use super::Toolkit;
use super::help::options;
use crate::action::arguments::UsageError;
use crate::action::manual::Manual;

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

/// What else lies beside the program while it runs.
const BESIDE: [&str; 4] = ["launch.py", "requirements.txt", "secrets", ".venv"];

/// What Ansible knows as a tag of its own, and what a role has as tasks of all its commands: no further command of a role
/// can have such a name.
pub const TAKEN: [&str; 7] = ["all", "always", "never", "tagged", "untagged", "main", "ready"];

/// What a name may hold that stands as it is in shell code: in completions and Jenkinsfiles.
const SAFE: &str = "letters, digits, '.', '_' and '-'";

fn is_safe(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// Refuses a name that no file can have which is copied beside the program.
///
/// # Errors
/// Why.
pub fn check_file(name: &str) -> Result<(), String> {
    if !is_safe(name) || name.starts_with('-') || ["", ".", ".."].contains(&name) {
        return Err(format!("it stands in scripts as it is, so it is {SAFE}, and does not begin with '-'"));
    }
    if BESIDE.contains(&name) {
        return Err("a file of this name is put beside the program".to_owned());
    }
    Ok(())
}

/// The commands, options and kept files of a text that no script can hold as they are: with their lines, from 1.
#[must_use]
pub fn unsafe_in(manual: &Manual) -> Vec<(usize, String)> {
    let usage = |word: &str| manual.usages.iter().find(|usage| usage.text.contains(word)).map_or(1, |usage| usage.line);
    let described = |name: &str| manual.option(name).map_or_else(|| usage(name), |option| option.line);
    let commands =
        manual.commands().into_iter().map(|name| (usage(name), format!("the command `{name}`"), name.to_owned()));
    let short = manual.options.iter().filter_map(|option| option.short.clone());
    let options = options(manual).into_iter().chain(short);
    let options = options.map(|name| (described(&name), format!("the option {name}"), name));
    let names = commands.chain(options).filter(|(_, _, name)| !is_safe(name));
    let why = |(line, what, _)| (line, format!("{what} stands in scripts as it is, so it may hold only {SAFE}"));
    let kept = manual.options.iter().filter_map(|option| {
        let why = check_file(option.keeps.as_ref()?).err()?;
        Some((option.line, format!("[keeps: {}]: {why}", option.keeps.as_ref()?)))
    });
    names.map(why).chain(kept).collect()
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
    fn what_a_shell_would_read_is_found_with_its_line() {
        let text =
            "Mend.\n\nUsage:\n  mend stop;id [--at=<a>] [-%]\n\n--at=<a>  When. [keeps: $(id)]\n-%        All.\n";
        let found = unsafe_in(&Manual::read(text).expect("a manual"));
        let may = "stands in scripts as it is, so it may hold only letters, digits, '.', '_' and '-'";
        let kept = "[keeps: $(id)]: it stands in scripts as it is, so it is letters, digits, '.', '_' and '-', and does \
                    not begin with '-'";
        let expected =
            [(4, format!("the command `stop;id` {may}")), (7, format!("the option -% {may}")), (6, kept.to_owned())];
        assert_eq!(found, expected);
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
