//! The stream of events, and the selection of applications by their labels.

use std::convert::Infallible;

use axum::http::{HeaderMap, Method, header};
use axum::response::sse::{Event as Sent, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;

use super::definition::Definition;
use super::refusal::Refusal;
use super::world::World;

/// Answers `GET /v2/events`: a stream for those who say that they understand one.
pub(super) fn answer(method: &Method, headers: &HeaderMap, world: &World) -> Result<Response, Refusal> {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    if method != Method::GET || !accepts.into_iter().any(|value| value.contains("text/event-stream")) {
        return Err(Refusal::method());
    }
    let attached =
        ("event_stream_attached", json!({"remoteAddress": "127.0.0.1", "eventType": "event_stream_attached"}));
    let later = stream::unfold(world.events(), |mut events| async move {
        loop {
            match events.recv().await {
                Ok(event) => return Some((event, events)),
                // Who is too slow misses some, as with the real one.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    });
    let events = stream::iter([attached])
        .chain(later)
        .map(|(name, data)| Ok::<_, Infallible>(Sent::default().event(name).data(data.to_string())));
    Ok(Sse::new(events).into_response())
}

/// Whether a definition is chosen.
pub(super) type Selector = Box<dyn Fn(&Definition) -> bool>;

/// Reads a selector of labels: `name`, `name==value`, `name!=value`, joined by commas. Sets are not understood.
pub(super) fn selector(text: &str) -> Result<Selector, Refusal> {
    let mut parts: Vec<(String, Option<(bool, String)>)> = Vec::new();
    for part in text.split(',').map(str::trim) {
        let (name, wish) = if let Some((name, value)) = part.split_once("!=") {
            (name, Some((false, value)))
        } else if let Some((name, value)) = part.split_once("==") {
            (name, Some((true, value)))
        } else {
            (part, None)
        };
        let is_plain = |text: &str| {
            !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
        };
        let (name, wish) = (name.trim(), wish.map(|(equal, value)| (equal, value.trim())));
        if !is_plain(name) || wish.is_some_and(|(_, value)| !is_plain(value)) {
            return Err(Refusal::bad(&format!("cannot read the label selector '{text}'")));
        }
        parts.push((name.to_owned(), wish.map(|(equal, value)| (equal, value.to_owned()))));
    }
    Ok(Box::new(move |definition| {
        parts.iter().all(|(name, wish)| {
            let value = definition.get("labels").and_then(|labels| labels[name].as_str());
            match (value, wish) {
                (Some(_), None) => true,
                (Some(value), Some((equal, wished))) => (value == wished) == *equal,
                (None, _) => false,
            }
        })
    }))
}
