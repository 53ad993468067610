//! The answers of an API server that will not do what it is asked: `Status` objects.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::resource::{Key, Resource};

/// A refusal with all that its `Status` says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Refusal {
    /// A `Status` object.
    Status(StatusCode, Box<Value>),
    /// A path that nothing is behind: that one is no `Status`, but text.
    NoPage,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cause {
    field: String,
    reason: &'static str,
    message: String,
}

impl Cause {
    /// A value that cannot be; it is shown.
    pub(super) fn invalid(field: &str, value: &str, why: &str) -> Self {
        Self { field: field.to_owned(), reason: "FieldValueInvalid", message: format!("Invalid value: {value}: {why}") }
    }

    /// A value that is missing.
    pub(super) fn required(field: &str, why: &str) -> Self {
        let message = if why.is_empty() { "Required value".to_owned() } else { format!("Required value: {why}") };
        Self { field: field.to_owned(), reason: "FieldValueRequired", message }
    }

    /// A value that must not be there.
    pub(super) fn forbidden(field: &str, why: &str) -> Self {
        Self { field: field.to_owned(), reason: "FieldValueForbidden", message: format!("Forbidden: {why}") }
    }

    /// A list of one value that is not one of a few.
    pub(super) fn unsupported(field: &str, value: &str, known: &str) -> Self {
        let message = format!("Unsupported value: []string{{{value:?}}}: supported values: {known}");
        Self { field: field.to_owned(), reason: "FieldValueNotSupported", message }
    }

    /// A name that is there twice.
    pub(super) fn duplicate(field: &str, value: &str) -> Self {
        let message = format!("Duplicate value: {value:?}");
        Self { field: field.to_owned(), reason: "FieldValueDuplicate", message }
    }
}

impl Refusal {
    fn new(status: StatusCode, reason: &str, message: &str, details: Option<Value>) -> Self {
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
            "reason": reason,
        });
        if let Some(details) = details {
            body["details"] = details;
        }
        body["code"] = json!(status.as_u16());
        Self::Status(status, Box::new(body))
    }

    /// The `details` that name an object, or all of a kind.
    fn details(resource: Resource, kind: &str, name: &str) -> Value {
        let mut details = json!({});
        for (field, value) in [("name", name), ("group", resource.group()), ("kind", kind)] {
            if !value.is_empty() {
                details[field] = json!(value);
            }
        }
        details
    }

    /// 400: it cannot be understood.
    pub(super) fn bad(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message, None)
    }

    /// 401: no token, or one that nobody has.
    pub(super) fn who() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized", None)
    }

    /// 403: this account may not.
    pub(super) fn forbidden(user: &str, verb: &str, key: &Key) -> Self {
        let plural = key.resource.plural();
        let place = if key.namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace {:?}", key.namespace)
        };
        let name = if key.name.is_empty() { String::new() } else { format!(" {:?}", key.name) };
        let message = format!(
            "{}{name} is forbidden: User {user:?} cannot {verb} resource {plural:?} in API group {:?} {place}",
            key.resource.qualified(plural),
            key.resource.group(),
        );
        Self::new(StatusCode::FORBIDDEN, "Forbidden", &message, Some(Self::details(key.resource, plural, &key.name)))
    }

    /// 404 for an object.
    pub(super) fn missing(key: &Key) -> Self {
        let plural = key.resource.plural();
        let message = format!("{} {:?} not found", key.resource.qualified(plural), key.name);
        Self::new(StatusCode::NOT_FOUND, "NotFound", &message, Some(Self::details(key.resource, plural, &key.name)))
    }

    /// 405: known, and not to be had this way.
    pub(super) fn method() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message, Some(json!({})))
    }

    /// 409: it was changed since it was read.
    pub(super) fn modified(key: &Key) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(key, why)
    }

    /// 409: it is not what the caller takes it for.
    pub(super) fn conflict(key: &Key, why: &str) -> Self {
        Self::conflict_of(key.resource.plural(), key, why)
    }

    /// 409: a precondition of a deletion does not hold. It names the kind otherwise than the others do.
    pub(super) fn precondition(key: &Key, why: &str) -> Self {
        Self::conflict_of(key.resource.kind(), key, why)
    }

    fn conflict_of(kind: &str, key: &Key, why: &str) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {} {:?}: {why}", key.resource.qualified(kind), key.name);
        Self::new(StatusCode::CONFLICT, "Conflict", &message, Some(Self::details(key.resource, kind, &key.name)))
    }

    /// 409 of another sort: it is there already.
    pub(super) fn exists(key: &Key) -> Self {
        let plural = key.resource.plural();
        let message = format!("{} {:?} already exists", key.resource.qualified(plural), key.name);
        Self::new(StatusCode::CONFLICT, "AlreadyExists", &message, Some(Self::details(key.resource, plural, &key.name)))
    }

    /// 404 for a path below a group that is known.
    pub(super) fn unknown() -> Self {
        let message = "the server could not find the requested resource";
        Self::new(StatusCode::NOT_FOUND, "NotFound", message, Some(json!({})))
    }

    /// 415, with what would have been taken.
    pub(super) fn media_type(accepted: &str) -> Self {
        let message =
            format!("the body of the request was in an unknown format - accepted media types include: {accepted}");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", &message, None)
    }

    /// 415 for a patch: `why` is said where the real one would have taken it.
    pub(super) fn patch_type(why: &str) -> Self {
        let message = format!("415: Unsupported Media Type{why}");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", &message, Some(json!({})))
    }

    /// 500, as the real one has it: a new object with a resource version.
    pub(super) fn has_version() -> Self {
        let message = "resourceVersion should not be set on objects to be created";
        Self::without_reason(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    fn without_reason(status: StatusCode, message: &str) -> Self {
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
            "code": status.as_u16(),
        });
        Self::Status(status, Box::new(body))
    }

    /// 422: a JSON Patch that cannot be applied; a test that fails is one. The server does not say which operation.
    pub(super) fn patch() -> Self {
        let message = "the server rejected our request due to an error in our request";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message, Some(json!({})))
    }

    /// 422: an object, or the options of a request, against the rules. `kind` is as in `Deployment.apps`.
    pub(super) fn invalid(kind: &str, group: &str, name: &str, causes: &[Cause]) -> Self {
        let mut said: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        // What is wrong twice in the same words is said once.
        said.dedup();
        let said = if let [one] = said.as_slice() { one.clone() } else { format!("[{}]", said.join(", ")) };
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let mut details = json!({});
        for (field, value) in [("name", name), ("group", group), ("kind", kind)] {
            if !value.is_empty() {
                details[field] = json!(value);
            }
        }
        details["causes"] = causes
            .iter()
            .map(|cause| json!({"reason": cause.reason, "message": cause.message, "field": cause.field}))
            .collect();
        let message = format!("{qualified} {name:?} is invalid: {said}");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", &message, Some(details))
    }

    /// By an admission webhook, which may be anybody's rule: 422, or what one that gives no status makes of it, a 400
    /// without a reason.
    pub(super) fn admission(is_bare: bool) -> Self {
        let message = "admission webhook \"drill.firebreak\" denied the request: it is refused, as ordered";
        if is_bare {
            Self::without_reason(StatusCode::BAD_REQUEST, message)
        } else {
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message, None)
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Status(status, body) => (status, axum::Json(*body)).into_response(),
            Self::NoPage => {
                let text = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
                (StatusCode::NOT_FOUND, text, "404 page not found\n").into_response()
            }
        }
    }
}

/// What is said of a body that is no JSON: it ends too early, or something else.
pub(super) fn parse_error(error: &serde_json::Error) -> String {
    if error.is_eof() { "unexpected end of JSON input".to_owned() } else { error.to_string() }
}
