//! The embedded Marathon over plain HTTP, fact by fact.

mod faults;

use firebreak::drill::{Drill, Settings};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, Api, quick, start, within};

const BILLING: &str = "/shop/dev/shop/billing";
const ORDERS: &str = "/shop/dev/shop/orders";
const WEB: &str = "/shop/dev/shop/web";

/// The image of another version of a service.
fn image(drill: &Drill, name: &str) -> String {
    format!("{}/{name}", drill.registry.address())
}

/// An update as it should be made: the whole container and the two fields that would be wiped.
fn careful(app: &Value, image: &str) -> Value {
    let mut update = json!({"id": app["id"], "container": app["container"]});
    update["container"]["docker"]["image"] = json!(image);
    for name in ["executorResources", "resourceLimits"] {
        if !app[name].is_null() {
            update[name] = app[name].clone();
        }
    }
    update
}

/// An application without what changes with every deployment.
fn lasting(app: &Value) -> Value {
    let mut app = app.clone();
    let map = app.as_object_mut().expect("an application");
    for name in [
        "version",
        "versionInfo",
        "tasks",
        "deployments",
        "tasksStaged",
        "tasksRunning",
        "tasksHealthy",
        "tasksUnhealthy",
    ] {
        map.remove(name);
    }
    app
}

fn refused(answer: &Answer, status: u16, path: &str, error: &str) {
    let message = if status == 400 { "Invalid JSON" } else { "Object is not valid" };
    let body = json!({"message": message, "details": [{"path": path, "errors": [error]}]});
    assert_eq!((answer.status, &answer.body), (status, &body));
}

#[tokio::test]
async fn a_careful_update_changes_the_image_and_nothing_else() {
    let drill = start(&[]).await;
    let api = Api::marathon(&drill);
    let before = api.app(BILLING).await;
    let image = image(&drill, "billing:1.2.0-develop");
    let answer = api.put("/v2/apps", &json!([careful(&before, &image)])).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["deploymentId"], answer.header("marathon-deployment-id"));
    let during = api.app(BILLING).await;
    assert_eq!(during["version"], answer.body["version"]);
    assert_eq!(during["deployments"], json!([{"id": answer.body["deploymentId"]}]));
    api.quiet().await;
    let after = api.app(BILLING).await;
    let mut expected = lasting(&before);
    expected["container"]["docker"]["image"] = json!(image);
    assert_eq!(lasting(&after), expected);
    let counts = ["tasksStaged", "tasksRunning", "tasksHealthy", "tasksUnhealthy"].map(|name| after[name].as_u64());
    assert_eq!(counts, [Some(0), Some(2), Some(2), Some(0)]);
    assert_eq!(after["deployments"], json!([]));
    assert_eq!(
        after["versionInfo"],
        json!({"lastScalingAt": after["version"], "lastConfigChangeAt": after["version"]})
    );
}

#[tokio::test]
async fn the_merge_is_shallow_and_wipes_two_fields() {
    let drill = start(&[]).await;
    let api = Api::marathon(&drill);
    let before = api.app(BILLING).await;
    let image = image(&drill, "billing:1.2.0-develop");
    let answer = api.put(&format!("/v2/apps{BILLING}"), &json!({"container": {"docker": {"image": image}}})).await;
    assert_eq!(answer.status, 200);
    let after = api.app(BILLING).await;
    let container = json!({
        "docker": {"image": image, "forcePullImage": false, "parameters": [], "privileged": false},
        "type": "DOCKER",
        "volumes": [],
        "portMappings": [{"containerPort": 0, "hostPort": 0, "labels": {}, "name": "default", "protocol": "tcp", "servicePort": 10000}],
    });
    assert_eq!(after["container"], container);
    assert_eq!((&after["executorResources"], &after["resourceLimits"]), (&Value::Null, &Value::Null));
    assert_eq!(after["env"], before["env"]);
    assert_eq!(after["instances"], before["instances"]);
}

#[tokio::test]
async fn a_null_leaves_a_field_and_a_whole_update_replaces_all() {
    let drill = start(&[]).await;
    let api = Api::marathon(&drill);
    let path = format!("/v2/apps{BILLING}");
    let before = api.app(BILLING).await;
    let keep = json!({"env": null, "executorResources": before["executorResources"], "resourceLimits": before["resourceLimits"], "mem": 300});
    assert_eq!(api.put(&path, &keep).await.status, 200);
    api.quiet().await;
    let mut expected = lasting(&before);
    expected["mem"] = json!(300);
    assert_eq!(lasting(&api.app(BILLING).await), expected);
    let answer = api.put(&format!("{path}?partialUpdate=false"), &json!({"cmd": "sleep 60"})).await;
    assert_eq!(answer.status, 200);
    let after = api.app(BILLING).await;
    assert_eq!([&after["cmd"], &after["container"], &after["env"]], [&json!("sleep 60"), &Value::Null, &Value::Null]);
    assert_eq!(after["instances"], 1);
}

#[tokio::test]
async fn an_array_is_one_deployment_in_the_order_of_dependencies() {
    let drill = start(&["hang"]).await;
    let api = Api::marathon(&drill);
    let mut updates = Vec::new();
    for (id, name) in [(WEB, "web:2.2.0-develop"), (ORDERS, "orders:1.1.0-develop"), (BILLING, "billing:1.2.0-develop")]
    {
        updates.push(careful(&api.app(id).await, &image(&drill, name)));
    }
    let answer = api.put("/v2/apps", &json!(updates)).await;
    let restart = |id: &str| json!({"action": "RestartApplication", "app": id});
    let current = |id: &str| json!({"action": "RestartApplication", "app": id, "readinessCheckResults": []});
    let deployment = json!({
        "id": answer.body["deploymentId"],
        "version": answer.body["version"],
        "affectedApps": [BILLING, ORDERS, WEB],
        "affectedPods": [],
        "steps": [{"actions": [restart(BILLING), restart(ORDERS)]}, {"actions": [restart(WEB)]}],
        "currentActions": [current(BILLING), current(ORDERS)],
        "currentStep": 1,
        "totalSteps": 2,
    });
    assert_eq!(api.get("/v2/deployments").await.body, json!([deployment]));
    for id in [BILLING, ORDERS, WEB] {
        assert_eq!(api.app(id).await["version"], answer.body["version"]);
    }
}

#[tokio::test]
async fn an_array_is_taken_whole_or_not_at_all() {
    let drill = start(&[]).await;
    let api = Api::marathon(&drill);
    let before = api.app(BILLING).await;
    let good = careful(&before, &image(&drill, "billing:1.2.0-develop"));
    let unknown = json!({"id": "/not-there", "instances": 1});
    let answer = api.patch("/v2/apps", &json!([good, unknown])).await;
    assert_eq!((answer.status, answer.body), (404, json!({"message": "App '/not-there' does not exist"})));
    refused(&api.put("/v2/apps", &json!([good, {"instances": 1}])).await, 400, "/id", "error.path.missing");
    assert_eq!(api.app(BILLING).await, before);
}

#[tokio::test]
async fn put_creates_and_patch_does_not() {
    let drill = start(&[]).await;
    let api = Api::marathon(&drill);
    let body = json!({"cmd": "sleep 60", "instances": 2});
    let missing = api.patch("/v2/apps/new", &body).await;
    assert_eq!((missing.status, missing.body), (404, json!({"message": "App '/new' does not exist"})));
    assert_eq!(api.put("/v2/apps/new", &body).await.status, 201);
    api.quiet().await;
    let app = api.app("/new").await;
    assert_eq!([&app["tasksRunning"], &app["tasksHealthy"], &app["mem"]], [&json!(2), &json!(0), &json!(128)]);
    let again = Api::read(api.request(Method::POST, "/v2/apps").json(&json!({"id": "/new", "cmd": "sleep 1"}))).await;
    assert_eq!((again.status, again.body), (409, json!({"message": "An app with id [/new] already exists."})));
    assert_eq!(api.delete("/v2/apps/new").await.status, 200);
    api.quiet().await;
    assert_eq!(api.get("/v2/apps/new").await.status, 404);
}

#[tokio::test]
async fn what_is_against_the_rules_is_refused_and_changes_nothing() {
    let drill = start(&[]).await;
    let api = Api::marathon(&drill);
    let path = format!("/v2/apps{BILLING}");
    let before = api.app(BILLING).await;
    let version = &before["version"];
    let alone = "The 'version' field may only be combined with the 'id' field.";
    refused(&api.put(&path, &json!({"version": version, "instances": 1})).await, 422, "/", alone);
    for name in [
        "versionInfo",
        "tasksRunning",
        "tasksStaged",
        "tasksHealthy",
        "tasksUnhealthy",
        "deployments",
        "tasks",
        "lastTaskFailure",
        "colour",
    ] {
        let answer = api.put(&path, &json!({name: 1})).await;
        refused(&answer, 422, &format!("/{name}"), "is not a field that may be set");
    }
    refused(&api.put(&path, &before).await, 422, "/versionInfo", "is not a field that may be set");
    let strategy = json!({"upgradeStrategy": {"minimumHealthCapacity": 1.5}});
    refused(&api.put(&path, &strategy).await, 422, "/upgradeStrategy/minimumHealthCapacity", "is greater than 1");
    refused(&api.put(&path, &json!({"instances": -1})).await, 422, "/instances", "got a value that is less than 0");
    refused(&api.put(&path, &json!({"instances": "two"})).await, 400, "/instances", "error.expected.jsnumber");
    refused(&api.put(&path, &json!([])).await, 400, "/", "error.expected.jsobject");
    refused(&api.put("/v2/apps", &json!({})).await, 400, "/", "error.expected.jsarray");
    let container = json!({"container": {"docker": {}}});
    refused(&api.put(&path, &container).await, 400, "/container/docker/image", "error.path.missing");
    let container = json!({"container": {"docker": {"image": "a", "pullConfig": {"secret": "pull"}}}});
    let why = "pullConfig is not supported with Docker containerizer";
    refused(&api.put(&path, &container).await, 422, "/container/docker/pullConfig", why);
    let circle = json!({"dependencies": [WEB]});
    refused(&api.put(&path, &circle).await, 422, "/", "Dependency graph has cyclic dependencies.");
    let broken = api.request(Method::PUT, &path).header("content-type", "application/json").body("{");
    let broken = Api::read(broken).await;
    assert_eq!((broken.status, &broken.body["message"]), (400, &json!("Invalid JSON")));
    let plain = Api::read(api.request(Method::PUT, &path).body("{}")).await;
    assert_eq!(plain.status, 415);
    assert_eq!(api.app(BILLING).await, before);
    assert_eq!(api.get("/v2/deployments").await.body, json!([]));
}

#[tokio::test]
async fn a_version_alone_restores_it() {
    let drill = start(&[]).await;
    let api = Api::marathon(&drill);
    let path = format!("/v2/apps{BILLING}");
    let before = api.app(BILLING).await;
    assert_eq!(api.put(&path, &json!({"cmd": "true", "instances": 5})).await.status, 200);
    api.quiet().await;
    let changed = api.app(BILLING).await;
    let versions = api.get(&format!("{path}/versions")).await.body;
    let versions = versions["versions"].as_array().expect("a list");
    assert_eq!(versions[..2], [changed["version"].clone(), before["version"].clone()]);
    assert_eq!(versions.len(), 5, "those of the story come before");
    let old = before["version"].as_str().expect("a version");
    let mut kept = lasting(&before);
    kept["version"] = before["version"].clone();
    kept["versionInfo"] = before["versionInfo"].clone();
    assert_eq!(api.get(&format!("{path}/versions/{old}")).await.body, kept);

    let answer = api.put(&path, &json!({"id": BILLING, "version": old})).await;
    assert_eq!(answer.status, 200);
    api.quiet().await;
    let restored = api.app(BILLING).await;
    assert_eq!(lasting(&restored), lasting(&before));
    assert_eq!(restored["version"], answer.body["version"]);
    assert_eq!(restored["tasksHealthy"], 2);

    let unknown = api.put(&path, &json!({"version": "2001-01-01T00:00:00.000Z"})).await;
    let message = format!("App '{BILLING}' does not exist in version 2001-01-01T00:00:00.000Z");
    assert_eq!((unknown.status, unknown.body), (404, json!({ "message": message })));
    let array = api.put("/v2/apps", &json!([{"id": BILLING, "version": changed["version"]}])).await;
    assert_eq!(array.status, 200);
    assert_eq!(api.app(BILLING).await["instances"], 5);
}

#[tokio::test]
async fn fifty_versions_are_kept() {
    let drill = start(&[]).await;
    let api = Api::marathon(&drill);
    assert_eq!(api.put("/v2/apps/many", &json!({"cmd": "true", "instances": 0})).await.status, 201);
    for number in 0..60 {
        let answer = api.put("/v2/apps/many?force=true", &json!({"labels": {"number": number.to_string()}})).await;
        assert_eq!(answer.status, 200);
    }
    let versions = api.get("/v2/apps/many/versions").await.body["versions"].take();
    let versions: Vec<&str> = versions.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(versions.len(), 50);
    assert!(versions.is_sorted_by(|newer, older| newer > older), "{versions:?}");
}

#[tokio::test]
async fn a_running_deployment_holds_its_applications() {
    let drill = start(&["hang"]).await;
    let api = Api::marathon(&drill);
    let path = format!("/v2/apps{BILLING}");
    let first = api.put(&path, &json!({"instances": 3})).await;
    let id = first.body["deploymentId"].as_str().expect("an id").to_owned();
    let answer = api.put(&path, &json!({"instances": 4})).await;
    let message = format!(
        "App is locked by one or more deployments. Override with the option '?force=true'. View details at '/v2/deployments/{id}'."
    );
    assert_eq!((answer.status, answer.body), (409, json!({"message": message, "deployments": [{"id": id}]})));
    assert_eq!(api.app(BILLING).await["instances"], 3);
    assert_eq!(api.put(&format!("/v2/apps{ORDERS}"), &json!({"instances": 2})).await.status, 200);
    let forced = api.put(&format!("{path}?force=true"), &json!({"instances": 4})).await;
    assert_eq!(forced.status, 200);
    api.quiet().await;
    assert_eq!(api.app(BILLING).await["tasksRunning"], 4);
}

#[tokio::test]
async fn an_update_that_changes_nothing_is_over_at_once() {
    let drill = start(&["hang"]).await;
    let api = Api::marathon(&drill);
    let before = api.app(BILLING).await;
    let same = careful(&before, before["container"]["docker"]["image"].as_str().expect("an image"));
    assert_eq!(api.put("/v2/apps", &json!([same])).await.status, 200);
    assert_eq!(api.app(BILLING).await, before);
    assert_eq!(api.get("/v2/deployments").await.body, json!([]));
}

#[tokio::test]
async fn deleting_a_deployment_starts_another_that_reverts() {
    let drill = start(&["unhealthy=billing"]).await;
    let api = Api::marathon(&drill);
    let before = api.app(BILLING).await;
    let update = careful(&before, &image(&drill, "billing:1.2.0-develop"));
    let first = api.put("/v2/apps", &json!([update])).await;
    let id = first.body["deploymentId"].as_str().expect("an id").to_owned();
    let sick = async {
        while api.app(BILLING).await["tasksUnhealthy"] != 2 {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    within("new instances that are unhealthy", sick).await;
    assert_eq!(api.app(BILLING).await["tasksRunning"], 4);

    let revert = api.delete(&format!("/v2/deployments/{id}")).await;
    assert_eq!(revert.status, 200);
    assert_ne!(revert.body["deploymentId"], first.body["deploymentId"]);
    assert_eq!(revert.header("marathon-deployment-id"), revert.body["deploymentId"]);
    api.quiet().await;
    let after = api.app(BILLING).await;
    assert_eq!(lasting(&after), lasting(&before));
    assert_eq!([&after["tasksRunning"], &after["tasksHealthy"]], [2, 2]);
    assert_eq!(after["version"], revert.body["version"]);
    for id in [id.as_str(), "nonsense"] {
        let gone = api.delete(&format!("/v2/deployments/{id}")).await;
        assert_eq!((gone.status, gone.body), (404, json!({"message": format!("DeploymentPlan {id} does not exist")})));
    }
}

#[tokio::test]
async fn a_forced_deletion_reverts_nothing() {
    let drill = start(&["hang"]).await;
    let api = Api::marathon(&drill);
    let first = api.put(&format!("/v2/apps{BILLING}"), &json!({"instances": 3})).await;
    let id = first.body["deploymentId"].as_str().expect("an id").to_owned();
    let answer = api.delete(&format!("/v2/deployments/{id}?force=true")).await;
    assert_eq!((answer.status, answer.body), (202, json!("")));
    assert_eq!(api.get("/v2/deployments").await.body, json!([]));
    assert_eq!(api.app(BILLING).await["instances"], 3);
}

#[tokio::test]
async fn a_revert_can_end_at_no_instances() {
    let drill = start(&["hang", "revert-to-zero=billing"]).await;
    let api = Api::marathon(&drill);
    let update = careful(&api.app(BILLING).await, &image(&drill, "billing:1.2.0-develop"));
    let first = api.put("/v2/apps", &json!([update])).await;
    let id = first.body["deploymentId"].as_str().expect("an id").to_owned();
    assert_eq!(api.delete(&format!("/v2/deployments/{id}")).await.status, 200);
    api.quiet().await;
    let after = api.app(BILLING).await;
    assert_eq!([&after["instances"], &after["tasksRunning"]], [0, 0]);
    assert_eq!(after["container"]["docker"]["image"], image(&drill, "billing:1.3.0-develop"));
}

#[tokio::test]
async fn an_image_that_is_nowhere_never_starts() {
    let drill = start(&[]).await;
    let api = Api::marathon(&drill);
    let update = careful(&api.app(ORDERS).await, &image(&drill, "orders:9.9.9-develop"));
    assert_eq!(api.put("/v2/apps", &json!([update])).await.status, 200);
    let stuck = async {
        loop {
            let app = api.app(ORDERS).await;
            if app["lastTaskFailure"]["message"].is_string() {
                return app;
            }
        }
    };
    let app = within("a failure that is told", stuck).await;
    let message = format!("Failed to launch container: cannot pull image '{}'", image(&drill, "orders:9.9.9-develop"));
    assert_eq!(app["lastTaskFailure"]["message"], message);
    assert_eq!([&app["tasksStaged"], &app["tasksRunning"]], [1, 0]);
    assert_eq!(api.get("/v2/deployments").await.body.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn capacity_stays_within_what_the_strategy_allows() {
    let drill = start(&[]).await;
    let api = Api::marathon(&drill);
    let app = json!({"cmd": "one", "instances": 4, "upgradeStrategy": {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0.25}});
    api.put("/v2/apps/held", &app).await;
    api.quiet().await;
    api.put("/v2/apps/held", &json!({"cmd": "two"})).await;
    let mut seen = Vec::new();
    while api.get("/v2/deployments").await.body != json!([]) {
        let app = api.app("/held").await;
        let count = |name: &str| app[name].as_u64().expect("a count");
        seen.push((count("tasksRunning"), count("tasksRunning") + count("tasksStaged")));
    }
    assert!(seen.iter().all(|(running, all)| *running >= 2 && *all <= 5), "{seen:?}");
}

#[tokio::test]
async fn lists_can_be_filtered() {
    let drill = start(&[]).await;
    let api = Api::marathon(&drill);
    let ids = async |query: &str| -> Vec<String> {
        let apps = api.get(&format!("/v2/apps?{query}")).await.body["apps"].take();
        apps.as_array().expect("a list").iter().filter_map(|app| Some(app["id"].as_str()?.to_owned())).collect()
    };
    assert_eq!(ids("").await.len(), 18);
    assert_eq!(ids("id=/shop/dev/shop/bi").await, [BILLING, "/shop/dev/shop/billing-worker"]);
    assert_eq!(ids("id=/dev/&label=tier%3D%3Dfront").await, [WEB]);
    assert_eq!(ids("id=/dev/&label=tier!%3Dback").await, [WEB]);
    assert_eq!(ids("id=/stage/&label=team,tier%3D%3Dback").await.len(), 4);
    assert_eq!(api.get("/v2/apps?label=tier%20in%20(a,b)").await.status, 400);
}

#[tokio::test]
async fn events_need_a_client_that_understands_a_stream() {
    let drill = start(&[]).await;
    let api = Api::marathon(&drill);
    assert_eq!(api.get("/v2/events").await.status, 405);
    let stream = api.request(Method::GET, "/v2/events").header("accept", "text/event-stream");
    let mut stream = stream.send().await.expect("a stream");
    let id = api.put(&format!("/v2/apps{ORDERS}"), &json!({"instances": 2})).await.body["deploymentId"].clone();
    let mut text = String::new();
    let read = async {
        while !text.contains("deployment_success\n") || !text.ends_with("\n\n") {
            let chunk = stream.chunk().await.expect("a chunk").expect("more of it");
            text.push_str(std::str::from_utf8(&chunk).expect("text"));
        }
    };
    within("the deployment's end", read).await;
    let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(names, ["event_stream_attached", "deployment_info", "deployment_success"]);
    let last = text.lines().filter_map(|line| line.strip_prefix("data: ")).next_back().expect("data");
    let last: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!((&last["id"], &last["eventType"]), (&id, &json!("deployment_success")));
}

#[tokio::test]
async fn a_login_is_asked_for_below_dcos() {
    let login = Some(("robot".to_owned(), "secret".to_owned()));
    let drill = Drill::start(Settings { login, ..quick() }).await.expect("a drill");
    let api = Api::marathon(&drill);
    for path in ["/service/marathon/v2/apps", "/service/marathon/v2/deployments"] {
        let answer = api.get(path).await;
        assert_eq!((answer.status, answer.body), (401, json!({"message": "Invalid username or password."})));
    }
    let try_password = async |password: &str| {
        let body = json!({"uid": "robot", "password": password});
        Api::read(api.request(Method::POST, "/acs/api/v1/auth/login").json(&body)).await
    };
    assert_eq!(try_password("wrong").await.status, 401);
    let token = try_password("secret").await.body["token"].as_str().expect("a token").to_owned();
    let with = async |path: &str, kind: &str| {
        let request = api.request(Method::GET, path).header("authorization", format!("{kind}{token}"));
        let answer = request.send().await.expect("an answer");
        let page = answer.headers()["content-type"].to_str().expect("a type").starts_with("text/html");
        (answer.status().as_u16(), page)
    };
    assert_eq!(with("/service/marathon/v2/apps", "token=").await, (200, false));
    assert_eq!(with("/service/marathon/v2/apps", "Bearer ").await, (401, false));
    // The Marathon is nowhere else: what is there is for people.
    assert_eq!(with("/", "token=").await, (200, true));
    for path in ["/v2/apps", "/v2/info", "/service/marathons/v2/apps"] {
        assert_eq!(with(path, "token=").await, (404, true), "{path}");
    }
    // Without a DC/OS there is nothing of one.
    let alone = Drill::start(quick()).await.expect("a drill");
    for path in ["/service/marathon/v2/apps", "/acs/api/v1/auth/login"] {
        assert_eq!(Api::marathon(&alone).get(path).await.status, 404, "{path}");
    }
}
