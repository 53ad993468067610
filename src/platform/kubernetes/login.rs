//! Who one is at a cluster: a token in a file, and programs that give a login.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, anyhow};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use kube::client::{AuthError, Body};
use kube::config::{AuthInfo, ExecInteractiveMode, Kubeconfig};
use secrecy::ExposeSecret as _;
use tower::util::MapRequestLayer;

use crate::platform::secrets::Secrets;

/// A word of so many letters with a digit in it may be a token.
const TOKEN: usize = 20;

/// A login that is a program gets the terminal only where it cannot do without: what it says there may hold a token.
pub(super) fn hush(file: &mut Kubeconfig) {
    let users = file.auth_infos.iter_mut().filter_map(|user| user.auth_info.as_mut());
    for login in users.filter_map(|user| user.exec.as_mut()) {
        if login.interactive_mode != Some(ExecInteractiveMode::Always) {
            login.interactive_mode = Some(ExecInteractiveMode::Never);
        }
    }
}

/// A program of the kubeconfig that gives a login.
#[derive(Debug, Clone)]
pub(super) struct Plugin {
    command: String,
    /// How it is installed, in the words of the kubeconfig.
    hint: Option<String>,
}

impl Plugin {
    /// That of a login, if a program gives it.
    pub(super) fn of(login: &AuthInfo) -> Option<Self> {
        let exec = login.exec.as_ref()?;
        let hint =
            exec.install_hint.as_deref().and_then(|hint| hint.lines().map(str::trim).find(|line| !line.is_empty()));
        Some(Self { command: exec.command.clone()?, hint: hint.map(str::to_owned) })
    }

    /// Why it gave none, with what it printed last: on stderr, and without what may be a token.
    fn failure(&self, error: &AuthError) -> String {
        let hint = self.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        match error {
            AuthError::AuthExecStart(why) => format!("{self} cannot be started: {why}{hint}"),
            AuthError::AuthExecRun { out, .. } => {
                let said = last_words(&out.stderr, &out.stdout).map(|said| format!(": {said}")).unwrap_or_default();
                format!("{self} failed ({}){said}", out.status)
            }
            AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed => format!("{self} printed no login"),
            _ => format!("{self} gave no login that can be used"),
        }
    }
}

impl fmt::Display for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the program '{}', which the kubeconfig names for the login,", self.command)
    }
}

/// The last line that a program printed for people, less what it printed for us and what else may be a token.
fn last_words(stderr: &[u8], stdout: &[u8]) -> Option<String> {
    let mut secrets = Secrets::default();
    let told = String::from_utf8_lossy(stdout).into_owned();
    let is_part = |letter: char| letter.is_alphanumeric() || "._~+/=-".contains(letter);
    told.split(|letter| !is_part(letter)).filter(|word| word.len() >= 8).for_each(|word| secrets.add(word));
    let text = String::from_utf8_lossy(stderr).into_owned();
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    for word in line.split_whitespace().filter(|word| !word.starts_with('/') && !word.contains("://")) {
        let parts = word.split(|letter| !is_part(letter));
        let is_token = |part: &&str| part.len() >= TOKEN && part.contains(|letter: char| letter.is_ascii_digit());
        parts.filter(is_token).for_each(|part| secrets.add(part));
    }
    let clean: String = secrets.scrub(line).chars().filter(|letter| !letter.is_control()).take(300).collect();
    Some(clean)
}

/// Why the login of a kubeconfig is of no use. The library shows all that a program printed: only what is safe is passed on.
pub(super) fn failure(error: &AuthError, plugin: Option<&Plugin>) -> anyhow::Error {
    match plugin {
        Some(plugin) => anyhow!("{}", plugin.failure(error)),
        None => useless(),
    }
}

/// The same of what the library says when it sets its client up.
pub(super) fn told(error: anyhow::Error, plugin: Option<&Plugin>) -> anyhow::Error {
    match error.downcast_ref::<kube::Error>() {
        Some(kube::Error::Auth(error)) => failure(error, plugin),
        Some(_) => useless(),
        None => error,
    }
}

fn useless() -> anyhow::Error {
    anyhow!("the login that the kubeconfig describes does not work: `kubectl auth whoami` says why")
}

/// A file that holds a token. A cluster replaces it again and again, so it is read for each request.
#[derive(Debug, Clone)]
pub(super) struct TokenFile {
    path: PathBuf,
    /// As it was read last: the file may be gone later.
    header: Arc<Mutex<HeaderValue>>,
}

impl TokenFile {
    /// That of a login, if it has one that counts: it outranks a token that stands beside it, as long as it can be read.
    pub(super) fn of(login: &AuthInfo) -> anyhow::Result<Option<Self>> {
        let Some(path) = login.token_file.as_ref().map(PathBuf::from) else { return Ok(None) };
        if login.username.is_some() || login.auth_provider.is_some() {
            return Ok(None);
        }
        let header = match (header_in(&path), &login.token) {
            (Err(_), Some(token)) => bearer(token.expose_secret().trim())?,
            (header, _) => header?,
        };
        Ok(Some(Self { path, header: Arc::new(Mutex::new(header)) }))
    }

    /// What puts the token into each request.
    pub(super) fn layer(self) -> MapRequestLayer<impl Fn(Request<Body>) -> Request<Body> + Clone + Send + 'static> {
        MapRequestLayer::new(move |mut request: Request<Body>| {
            let mut header = self.header.lock().unwrap_or_else(PoisonError::into_inner);
            if let Ok(fresh) = header_in(&self.path) {
                *header = fresh;
            }
            request.headers_mut().insert(AUTHORIZATION, header.clone());
            request
        })
    }
}

/// The token that a file holds, less the newline at its end.
fn header_in(path: &Path) -> anyhow::Result<HeaderValue> {
    let what = || format!("failed to read the token in {}", path.display());
    let text = std::fs::read_to_string(path).with_context(what)?;
    let token = text.trim();
    if token.is_empty() { Err(anyhow!("it is empty").context(what())) } else { bearer(token).with_context(what) }
}

fn bearer(token: &str) -> anyhow::Result<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| anyhow!("it is no token"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(stderr: &str, stdout: &str) -> Option<String> {
        last_words(stderr.as_bytes(), stdout.as_bytes())
    }

    #[test]
    fn the_last_words_of_a_program_are_told_without_its_tokens() {
        let expired = "Error loading SSO Token: Token for start does not exist\n";
        assert_eq!(said(expired, "").as_deref(), Some(expired.trim()));
        assert_eq!(said("one\ntwo\n\n", "").as_deref(), Some("two"));
        assert_eq!(
            said("got drill-operator-token", "drill-operator-token").as_deref(),
            Some("got ***"),
            "it is the login"
        );
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl";
        assert_eq!(said(&format!("bad token=\"{token}\"!"), "").as_deref(), Some("bad token=\"***\"!"));
        let role =
            "no arn:aws:iam::123456789012:role/ops in /home/ann/.aws/config1 of https://sso.example/start1234567";
        assert_eq!(said(role, "").as_deref(), Some(role));
        assert_eq!(said("", "x"), None);
    }

    #[test]
    fn a_token_file_is_read_as_it_is_now_and_without_its_newline() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let login = |token: Option<&str>| AuthInfo {
            token_file: Some(path.display().to_string()),
            token: token.map(|token| token.to_owned().into()),
            ..AuthInfo::default()
        };
        let header = |login: &AuthInfo| {
            TokenFile::of(login).map(|file| file.unwrap().header.lock().unwrap().to_str().unwrap().to_owned())
        };
        let missing = format!("{:#}", header(&login(None)).unwrap_err());
        assert!(missing.starts_with(&format!("failed to read the token in {}: ", path.display())), "{missing}");
        assert_eq!(header(&login(Some("beside"))).unwrap(), "Bearer beside");
        std::fs::write(&path, "fresh\n").unwrap();
        assert_eq!(header(&login(Some("beside"))).unwrap(), "Bearer fresh");
        assert!(TokenFile::of(&AuthInfo { username: Some("ann".to_owned()), ..login(None) }).unwrap().is_none());
        std::fs::write(&path, "\n").unwrap();
        let empty = format!("{:#}", header(&login(None)).unwrap_err());
        assert_eq!(empty, format!("failed to read the token in {}: it is empty", path.display()));
    }
}
