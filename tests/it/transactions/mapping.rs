//! Services that speak otherwise than the contract: described in the services, without a change of code. The description is the
//! one that docs/transactions.md shows.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Json, Path};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{post, put};

use super::*;

/// The second description in the document, as JSON.
fn described() -> Value {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/transactions.md")).expect("the document");
    let text = text.split("```yaml\n").nth(2).and_then(|rest| rest.split("```").next()).expect("a description");
    let script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))";
    let mut python = std::process::Command::new(crate::support::ansible::tool("python"))
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python");
    std::io::Write::write_all(&mut python.stdin.take().expect("its input"), text.as_bytes()).expect("to write");
    let output = python.wait_with_output().expect("its end");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    document["resolve_transactions_services"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_bodies_and_fields_are_described_and_no_code_changes() {
    let asked = Arc::new(Mutex::new(Vec::<Value>::new()));
    let (queried, stored) = (Arc::clone(&asked), Arc::clone(&asked));
    let router = Router::new()
        .route(
            "/query",
            post(|Json(body): Json<Value>| async move {
                queried.lock().expect("asked").push(body.clone());
                let state = match body["ref"].as_str() {
                    Some("a/1") => "SETTLED",
                    Some("a/2") => "KO",
                    Some("a/3") => "WAIT",
                    Some("a/4") => "NONE",
                    _ => "WHO KNOWS",
                };
                Json(json!({ "payload": { "state": state } }))
            }),
        )
        .route(
            "/payments/{id}",
            put(|Path(id): Path<String>, headers: HeaderMap, Json(body): Json<Value>| async move {
                let key = headers.get("x-request-key").and_then(|key| key.to_str().ok()).unwrap_or_default().to_owned();
                stored.lock().expect("asked").push(json!([id, body, key]));
                StatusCode::NO_CONTENT
            }),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("its address"));
    tokio::spawn(async move { axum::serve(listener, router).await });

    let mut services = described();
    services["banks"]["south"]["url"] = base.as_str().into();
    services["banks"]["south"]["concurrency"] = 1.into();
    services["master"]["url"] = base.as_str().into();
    let world = World::open(quick()).await;
    let message =
        |number: u32| json!({ "payment": { "reference": format!("a/{number}"), "brand": "primary", "amount": 7.5 } });
    let bodies: Vec<String> = (1..=5).map(|number| message(number).to_string()).collect();
    world.queue.add(bodies.iter().map(String::as_str));
    let mut command = world.command("run --bank=south --yes");
    command.env("FIREBREAK_SERVICES", services.to_string());
    let ended = world.ends(command).await;
    assert_eq!((ended.code, numbers(&ended.report)), (3, [1, 1, 1, 1, 0, 0, 1]), "{ended:?}");
    let results = ended.report["results"].as_array().expect("results");
    let failed = results.iter().find(|one| one["state"] == "failed").expect("one that failed");
    assert_eq!(failed["detail"], "the bank 'south' answers 'WHO KNOWS', a status that is not described");
    let asked = asked.lock().expect("asked").clone();
    let query = |number: u32| json!({ "ref": format!("a/{number}"), "brand": "primary", "amount": "7.5" });
    for wanted in (1..=5).map(query).chain([
        json!(["a/1", { "brand": "primary", "state": "PAID" }, "firebreak/primary/a%2F1"]),
        json!(["a/2", { "brand": "primary", "state": "REFUSED" }, "firebreak/primary/a%2F2"]),
    ]) {
        assert_eq!(asked.iter().filter(|one| **one == wanted).count(), 1, "{wanted} in {asked:?}");
    }
    assert_eq!(asked.len(), 7);
}
