//! The operator's port of a drill: orders faults, shows what was asked, proves where the services stand.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use super::faults::{Fault, Faults, UnknownFault};
use super::server::{Log, Server};
use super::story::ShopState;
use super::world::Inspect;

/// Starts it: `GET`, `POST` and `DELETE /faults`, `GET /proof?environment=dev`, `GET /requests`.
pub(super) async fn start(
    port: u16,
    faults: &Faults,
    log: &Log,
    inspector: Arc<dyn Inspect>,
) -> anyhow::Result<Server> {
    let (shown, ordered, cleared, written) = (faults.clone(), faults.clone(), faults.clone(), log.clone());
    let faults_route = get(|| async move { list(&shown) })
        .post(|body: String| async move { order(&ordered, &body) })
        .delete(|| async move {
            cleared.clear();
            list(&cleared)
        });
    Server::start("control", port, faults, log, |_: SocketAddr| {
        Router::new()
            .route("/faults", faults_route)
            .route("/requests", get(|| async move { axum::Json(written.counts()) }))
            .route("/proof", get(|Query(asked): Query<Asked>| async move { prove(&*inspector, &asked) }))
    })
    .await
}

/// The faults in force, in their text form.
fn list(faults: &Faults) -> Response {
    axum::Json(faults.all().iter().map(Fault::to_string).collect::<Vec<_>>()).into_response()
}

/// Orders one fault on each line of a body: all of them or none.
fn order(faults: &Faults, body: &str) -> Response {
    let lines = body.lines().map(str::trim).filter(|line| !line.is_empty());
    match lines.map(str::parse).collect::<Result<Vec<Fault>, UnknownFault>>() {
        Ok(orders) => {
            for fault in orders {
                faults.order(fault);
            }
            list(faults)
        }
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, format!("{error}\n")).into_response(),
    }
}

#[derive(Debug, Deserialize)]
struct Asked {
    environment: String,
    #[serde(default)]
    before: bool,
}

fn prove(inspector: &dyn Inspect, asked: &Asked) -> Response {
    let stand = if asked.before { ShopState::Broken } else { ShopState::Good };
    match inspector.proof(&asked.environment, stand) {
        Some(proof) => axum::Json(proof).into_response(),
        None => (StatusCode::NOT_FOUND, format!("there is no environment '{}'\n", asked.environment)).into_response(),
    }
}
