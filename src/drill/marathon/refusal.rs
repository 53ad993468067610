//! The answers of a Marathon that will not do what it is asked.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A status with its body.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, body: Value) -> Self {
        Self { status, body }
    }

    fn message(status: StatusCode, message: &str) -> Self {
        Self::new(status, json!({ "message": message }))
    }

    /// 400: not the JSON that was expected at `path`.
    pub(super) fn json(path: &str, error: &str) -> Self {
        let details = json!([{"path": path, "errors": [error]}]);
        Self::new(StatusCode::BAD_REQUEST, json!({"message": "Invalid JSON", "details": details}))
    }

    /// 400 for anything else.
    pub(super) fn bad(message: &str) -> Self {
        Self::message(StatusCode::BAD_REQUEST, message)
    }

    /// 422: understood, and against the rules.
    pub(super) fn invalid(path: &str, error: &str) -> Self {
        let details = json!([{"path": path, "errors": [error]}]);
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, json!({"message": "Object is not valid", "details": details}))
    }

    /// 404 for an application, or a version of it.
    pub(super) fn no_app(id: &str, version: Option<&str>) -> Self {
        let version = version.map(|version| format!(" in version {version}")).unwrap_or_default();
        Self::message(StatusCode::NOT_FOUND, &format!("App '{id}' does not exist{version}"))
    }

    /// 404 for a deployment, finished ones too.
    pub(super) fn no_deployment(id: &str) -> Self {
        Self::message(StatusCode::NOT_FOUND, &format!("DeploymentPlan {id} does not exist"))
    }

    /// 404 for a path.
    pub(super) fn no_page() -> Self {
        Self::message(StatusCode::NOT_FOUND, "Not Found")
    }

    /// 409: running deployments hold what was to be changed.
    pub(super) fn locked(deployments: &[String]) -> Self {
        let first = deployments.first().map_or("", String::as_str);
        let message = format!(
            "App is locked by one or more deployments. Override with the option '?force=true'. \
             View details at '/v2/deployments/{first}'."
        );
        let deployments: Vec<Value> = deployments.iter().map(|id| json!({ "id": id })).collect();
        Self::new(StatusCode::CONFLICT, json!({"message": message, "deployments": deployments}))
    }

    /// 409 of another sort: it is there already.
    pub(super) fn exists(id: &str) -> Self {
        Self::message(StatusCode::CONFLICT, &format!("An app with id [{id}] already exists."))
    }

    /// 403: so many deployments run that no more are taken.
    pub(super) fn too_many(limit: usize) -> Self {
        let message = format!(
            "Max number ({limit}) of running deployments is reached. No new deployment can be started now, unless \
             some of the running ones are cancelled."
        );
        Self::message(StatusCode::FORBIDDEN, &message)
    }

    /// 401.
    pub(super) fn who() -> Self {
        Self::message(StatusCode::UNAUTHORIZED, "Invalid username or password.")
    }

    /// 403: the account may not do this.
    pub(super) fn forbidden() -> Self {
        Self::message(StatusCode::FORBIDDEN, "Not Authorized to perform this action!")
    }

    /// 405.
    pub(super) fn method() -> Self {
        Self::message(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
    }

    /// 415: a write that does not say it is JSON.
    pub(super) fn media_type() -> Self {
        Self::message(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, axum::Json(self.body)).into_response()
    }
}
