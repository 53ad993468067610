//! The DC/OS in front of a Marathon: a login, a page of its own, and the Marathon below `/service/marathon`.

use axum::http::{Method, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use serde_json::json;

use super::Asked;
use super::refusal::Refusal;

/// The token that a login gives.
const TOKEN: &str = "drill-dcos-token";

/// What the page says that is there for people, whatever is asked for.
const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>DC/OS</title></head><body>The drill's DC/OS</body></html>\n";

/// What becomes of a request.
pub(super) enum Passed {
    /// It ends here.
    Answered(Response),
    /// It is for the Marathon, at this path.
    ToMarathon(String),
}

/// Lets a request pass, if it is for the Marathon and bears the token. `login` is user and password.
pub(super) fn pass((user, password): &(String, String), path: &str, asked: &Asked) -> Result<Passed, Refusal> {
    if path == "/acs/api/v1/auth/login" {
        if *asked.method != Method::POST {
            return Err(Refusal::method());
        }
        let body = asked.json()?;
        if (body["uid"].as_str(), body["password"].as_str()) != (Some(user), Some(password)) {
            return Err(refused());
        }
        return Ok(Passed::Answered(axum::Json(json!({ "token": TOKEN })).into_response()));
    }
    let Some(path) = path.strip_prefix("/service/marathon").filter(|rest| rest.is_empty() || rest.starts_with('/'))
    else {
        let answer = match (path, asked.method.clone()) {
            ("/", Method::GET | Method::HEAD) => Html(PAGE).into_response(),
            _ => (StatusCode::NOT_FOUND, Html("<html><body>404 Not Found</body></html>\n")).into_response(),
        };
        return Ok(Passed::Answered(answer));
    };
    let authorization = asked.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if authorization != Some(&format!("token={TOKEN}")) {
        return Err(Refusal::who());
    }
    Ok(Passed::ToMarathon(path.to_owned()))
}

/// 401, in the words of a DC/OS.
fn refused() -> Refusal {
    let body = json!({"title": "Unauthorized", "description": "The credentials are not known."});
    Refusal::new(StatusCode::UNAUTHORIZED, body)
}
