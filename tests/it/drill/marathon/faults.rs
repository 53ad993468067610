//! What can be ordered to go wrong with it.

use super::*;

#[tokio::test]
async fn somebody_else_holds_a_service_for_a_while_or_for_ever() {
    let drill = start(&["lock=billing:1", "lock=orders"]).await;
    let api = Api::marathon(&drill);
    let both = json!([{"id": BILLING, "instances": 3}, {"id": ORDERS, "instances": 3}]);
    let answer = api.put("/v2/apps", &both).await;
    assert_eq!((answer.status, answer.body["deployments"].as_array().map(Vec::len)), (409, Some(2)));
    let alone = json!([{"id": BILLING, "instances": 3}]);
    let free = async { while api.put("/v2/apps", &alone).await.status != 200 {} };
    within("billing is let go", free).await;
    assert_eq!(api.put("/v2/apps", &both).await.status, 409);
}

#[tokio::test]
async fn a_refused_service_refuses_the_whole_set() {
    let drill = start(&["refuse=orders"]).await;
    let api = Api::marathon(&drill);
    let before = api.app(BILLING).await;
    let both = json!([{"id": BILLING, "instances": 3}, {"id": ORDERS, "instances": 3}]);
    refused(&api.put("/v2/apps", &both).await, 422, "/container/docker/image", "is refused, as ordered");
    assert_eq!(api.app(BILLING).await, before);
}

#[tokio::test]
async fn a_reply_can_be_lost_after_and_a_connection_before_the_write() {
    let drill = start(&["reset"]).await;
    let api = Api::marathon(&drill);
    let path = format!("/v2/apps{BILLING}");
    let write = async |instances: u64| {
        let sent = api.request(Method::PUT, &path).json(&json!({ "instances": instances })).send().await;
        sent.map(|answer| answer.status().as_u16()).map_err(|error| error.is_request())
    };
    assert_eq!(write(3).await, Err(true));
    assert_eq!(api.app(BILLING).await["instances"], 2);
    drill.faults.order("lose-reply".parse().expect("a fault"));
    assert_eq!(write(3).await, Err(true));
    assert_eq!(api.app(BILLING).await["instances"], 3);
    api.quiet().await;
    assert_eq!(write(2).await, Ok(200));
    api.quiet().await;
    drill.faults.order("gone-at-write".parse().expect("a fault"));
    assert_eq!(write(5).await, Err(true));
    assert!(api.request(Method::GET, "/v2/info").send().await.is_err());
    drill.faults.clear();
    assert_eq!(api.app(BILLING).await["instances"], 5);
    let puts: Vec<Option<u16>> =
        drill.log.all().into_iter().filter(|request| request.method == "PUT").map(|request| request.status).collect();
    assert_eq!(puts, [None, None, Some(200), None]);
}

#[tokio::test]
async fn somebody_changes_an_application_after_it_was_read() {
    let drill = start(&["change=billing:2"]).await;
    let api = Api::marathon(&drill);
    let first = api.get("/v2/apps?id=/shop/dev/shop/billing").await.body["apps"][0].take();
    let second = api.app(BILLING).await;
    assert_eq!(first["version"], second["version"]);
    let third = api.app(BILLING).await;
    assert_ne!(third["version"], second["version"]);
    assert_eq!(third["labels"], json!({"changed-by": "somebody else"}));
    assert_eq!(third["deployments"], json!([]));
    assert_eq!(api.app(BILLING).await, third);

    drill.faults.order("change=dev/shop/web".parse().expect("a fault"));
    let versions = async || {
        let apps = api.get("/v2/apps?id=/web").await.body["apps"].take();
        let version = |app: &Value| Some((app["id"].as_str()?.to_owned(), app["version"].as_str()?.to_owned()));
        apps.as_array().expect("a list").iter().filter_map(version).collect::<Vec<_>>()
    };
    let (before, after) = (versions().await, versions().await);
    let changed = before.into_iter().zip(after).filter(|(before, after)| before != after).map(|(_, after)| after.0);
    assert_eq!(changed.collect::<Vec<_>>(), [WEB]);
}
