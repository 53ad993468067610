//! What Marathon says when it will not, in one readable line and without anything of an application's environment.

use reqwest::StatusCode;
use serde_json::Value;

use super::super::secrets::Secrets;
use super::client::{Answer, Client};

/// The deployments that a conflict names. None: it is not that sort of conflict.
pub(super) fn holders(answer: &Answer) -> Option<Vec<String>> {
    if answer.status != StatusCode::CONFLICT {
        return None;
    }
    let ids = answer.body["deployments"].as_array()?.iter();
    let ids: Vec<String> = ids.filter_map(|held| Some(held["id"].as_str()?.to_owned())).collect();
    (!ids.is_empty()).then_some(ids)
}

/// The answer as an error: status, message, and each detail with where it belongs.
pub(super) fn error(answer: &Answer, client: &Client, secrets: &Secrets) -> anyhow::Error {
    let status = answer.status;
    let text = match &answer.words {
        Some(words) if answer.body["message"].is_null() => secrets.scrub(&format!(": {words}")),
        _ => text(&answer.body, secrets),
    };
    anyhow::anyhow!("Marathon answered {status}{text}{}", client.hint(status))
}

fn text(body: &Value, secrets: &Secrets) -> String {
    let message = body["message"].as_str().map(|message| format!(": {}", message.trim_end_matches('.')));
    let message = message.unwrap_or_default();
    let details = body["details"].as_array().into_iter().flatten().map(|detail| {
        let path = detail["path"].as_str().unwrap_or("/");
        if path.split(['/', '.', '(', ')']).any(|part| part == "env") {
            // What it says there may quote a value in any form.
            return "its environment is not valid (not shown)".to_owned();
        }
        let errors: Vec<&str> = match &detail["errors"] {
            Value::Array(errors) => errors.iter().filter_map(Value::as_str).collect(),
            Value::String(error) => vec![error],
            _ => Vec::new(),
        };
        format!("{path} {}", errors.join(", "))
    });
    let details: Vec<String> = details.collect();
    let details = if details.is_empty() { String::new() } else { format!(" ({})", details.join("; ")) };
    secrets.scrub(&format!("{message}{details}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn details_are_readable_and_hold_no_secret() {
        let body = json!({"message": "Object is not valid", "details": [
            {"path": "/container/docker/image", "errors": ["must not be empty", "got s3cret"]},
            {"path": "/env(PASSWORD)", "errors": ["'t0p' is too short"]},
        ]});
        let mut secrets = Secrets::default();
        secrets.add("s3cret");
        assert_eq!(
            text(&body, &secrets),
            ": Object is not valid (/container/docker/image must not be empty, got ***; \
             its environment is not valid (not shown))"
        );
        assert_eq!(text(&Value::Null, &secrets), "");
    }

    #[test]
    fn a_conflict_names_who_holds() {
        let answer = |status, body| Answer { status, body, words: None };
        let held = json!({"message": "locked", "deployments": [{"id": "a"}, {"id": "b"}]});
        assert_eq!(holders(&answer(StatusCode::CONFLICT, held.clone())), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(holders(&answer(StatusCode::CONFLICT, json!({"message": "it exists"}))), None);
        assert_eq!(holders(&answer(StatusCode::OK, held)), None);
    }
}
