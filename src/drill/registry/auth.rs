//! Who may read from the embedded registry: everybody, whoever has the password, or whoever fetched a token with it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use url::Url;

/// How the embedded registry asks its callers who they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Auth {
    /// It does not.
    #[default]
    Open,
    /// A user and a password with every request.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// A bearer token for each repository, given for a user and a password at `/token`.
    Token {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
}

/// The access: what was configured, and the tokens that were given out with the repositories that they open.
#[derive(Debug)]
pub(super) struct AccessControl {
    auth: Auth,
    host: String,
    tokens: Mutex<HashMap<String, Vec<String>>>,
}

impl AccessControl {
    pub(super) fn new(auth: Auth, host: String) -> Self {
        Self { auth, host, tokens: Mutex::default() }
    }

    /// The refusal, unless the caller may read `repository` (None: the base `/v2/`).
    pub(super) fn refusal(&self, headers: &HeaderMap, repository: Option<&str>) -> Option<Response> {
        let challenge = match &self.auth {
            Auth::Open => return None,
            Auth::Basic { user, password } => {
                if basic(headers).as_ref() == Some(&(user.clone(), password.clone())) {
                    return None;
                }
                "Basic realm=\"drill\"".to_owned()
            }
            Auth::Token { .. } => {
                if self.opens(headers, repository) {
                    return None;
                }
                let scope = repository.map(|name| format!(",scope=\"repository:{name}:pull\"")).unwrap_or_default();
                format!("Bearer realm=\"http://{}/token\",service=\"drill\"{scope}", self.host)
            }
        };
        let mut response = super::error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required");
        if let Ok(value) = challenge.parse() {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
        Some(response)
    }

    fn opens(&self, headers: &HeaderMap, repository: Option<&str>) -> bool {
        let Some(token) = authorization(headers, "Bearer") else { return false };
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        match (tokens.get(token), repository) {
            (Some(opened), Some(repository)) => opened.iter().any(|name| name == repository),
            (Some(_), None) => true,
            (None, _) => false,
        }
    }

    /// Answers `/token?service=drill&scope=repository:<name>:pull`; several scopes may be asked for.
    pub(super) fn token(&self, headers: &HeaderMap, uri: &str) -> Response {
        let Auth::Token { user, password } = &self.auth else { return StatusCode::NOT_FOUND.into_response() };
        if basic(headers).as_ref() != Some(&(user.clone(), password.clone())) {
            return super::error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "incorrect username or password");
        }
        let Ok(url) = Url::parse(&format!("http://{}{uri}", self.host)) else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        let repositories: Vec<String> = url
            .query_pairs()
            .filter(|(name, _)| name == "scope")
            .flat_map(|(_, scopes)| scopes.split(' ').map(str::to_owned).collect::<Vec<_>>())
            .filter_map(|scope| Some(scope.strip_prefix("repository:")?.rsplit_once(':')?.0.to_owned()))
            .collect();
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let token = format!("drill-token-{}", tokens.len() + 1);
        tokens.insert(token.clone(), repositories);
        axum::Json(json!({"token": token, "expires_in": 300})).into_response()
    }
}

fn authorization<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (given, credentials) = value.split_once(' ')?;
    given.eq_ignore_ascii_case(scheme).then_some(credentials.trim())
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let text = String::from_utf8(decode(authorization(headers, "Basic")?)?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// Base64 as Basic uses it (RFC 4648, with padding).
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xFFFF;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xFF).ok()?);
        }
    }
    Some(bytes)
}
