//! The embedded registry, by a plain HTTP client and by skopeo.

use std::process::Command;

use firebreak::drill::faults::Faults;
use firebreak::drill::registry::{Auth, Description, Format, Registry, Settings, digest};
use firebreak::drill::{Drill, Log};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, Api, client, quick, start};
use crate::support::need;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

async fn manifest(api: &Api, method: Method, name: &str, reference: &str, accept: &str) -> Answer {
    let request = api.request(method, &format!("/v2/{name}/manifests/{reference}")).header("accept", accept);
    Api::read(request).await
}

async fn bytes(api: &Api, path: &str, accept: &str) -> Vec<u8> {
    let answer = api.request(Method::GET, path).header("accept", accept).send().await.expect("an answer");
    assert_eq!(answer.status(), 200, "{path}");
    answer.bytes().await.expect("a body").to_vec()
}

#[tokio::test]
async fn every_body_hashes_to_its_digest() {
    let drill = start(&[]).await;
    let api = Api::registry(&drill);
    assert_eq!(api.get("/v2/").await.header("docker-distribution-api-version"), "registry/2.0");
    let every = format!("{INDEX}, {MANIFEST}, {LIST}, {DOCKER}");
    let mut blobs = 0;
    for name in ["billing", "orders", "users", "web"] {
        let tags = api.get(&format!("/v2/{name}/tags/list")).await.body["tags"].take();
        for tag in tags.as_array().expect("tags").iter().filter_map(Value::as_str) {
            let top = manifest(&api, Method::HEAD, name, tag, &every).await;
            let mut left = vec![top.header("docker-content-digest").to_owned()];
            while let Some(wanted) = left.pop() {
                let body = bytes(&api, &format!("/v2/{name}/manifests/{wanted}"), &every).await;
                assert_eq!(digest(&body), wanted);
                let body: Value = serde_json::from_slice(&body).expect("JSON");
                let digests = |list: &Value| -> Vec<String> {
                    list.as_array()
                        .into_iter()
                        .flatten()
                        .filter_map(|item| Some(item["digest"].as_str()?.into()))
                        .collect()
                };
                left.extend(digests(&body["manifests"]));
                for blob in
                    digests(&body["layers"]).into_iter().chain(body["config"]["digest"].as_str().map(Into::into))
                {
                    let bytes = bytes(&api, &format!("/v2/{name}/blobs/{blob}"), "*/*").await;
                    assert_eq!(digest(&bytes), blob);
                    blobs += 1;
                }
            }
        }
    }
    assert!(blobs > 100, "{blobs}");
}

#[tokio::test]
async fn a_manifest_is_served_to_those_who_accept_it() {
    let drill = start(&[]).await;
    let api = Api::registry(&drill);
    for (name, tag, media_type) in [
        ("web", "2.2.0-develop", INDEX),
        ("web", "2.0.0-develop", LIST),
        ("users", "1.3.1-develop", MANIFEST),
        ("billing", "1.1.0-develop", DOCKER),
    ] {
        let answer = manifest(&api, Method::GET, name, tag, media_type).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, media_type));
        let wanted = drill.registry.images().digest(name, tag).expect("a digest");
        assert_eq!(answer.header("docker-content-digest"), wanted);
        assert_eq!(answer.header("etag"), format!("\"{wanted}\""));
        for accept in ["*/*", "application/json"] {
            let answer = manifest(&api, Method::GET, name, tag, accept).await;
            if media_type == DOCKER {
                assert_eq!(answer.status, 200);
            } else {
                assert_eq!((answer.status, &answer.body["errors"][0]["code"]), (404, &json!("MANIFEST_UNKNOWN")));
            }
        }
        let head = manifest(&api, Method::HEAD, name, &wanted, media_type).await;
        assert_eq!(
            (head.status, head.body.clone(), head.header("docker-content-digest")),
            (200, json!(""), wanted.as_str())
        );
        assert_ne!(head.header("content-length"), "0");
        let path = format!("/v2/{name}/manifests/{tag}");
        let known = api
            .request(Method::GET, &path)
            .header("accept", media_type)
            .header("if-none-match", format!("\"{wanted}\""));
        assert_eq!(Api::read(known).await.status, 304);
    }
    for (path, code) in [
        ("/v2/billing/manifests/none", "MANIFEST_UNKNOWN"),
        ("/v2/none/manifests/none", "MANIFEST_UNKNOWN"),
        ("/v2/none/tags/list", "NAME_UNKNOWN"),
        ("/v2/billing/blobs/sha256:0", "BLOB_UNKNOWN"),
    ] {
        let answer = api.get(path).await;
        assert_eq!((answer.status, &answer.body["errors"][0]["code"]), (404, &json!(code)));
    }
    assert_eq!(api.delete("/v2/billing/manifests/latest").await.status, 405);
}

async fn own(settings: Settings) -> (Registry, Faults, Log, Api) {
    let (faults, log) = (Faults::default(), Log::default());
    let registry = Registry::start(settings, &faults, &log).await.expect("a registry");
    let api = Api { client: client(), base: format!("http://{}", registry.address()) };
    (registry, faults, log, api)
}

#[tokio::test]
async fn tags_come_unsorted_in_pages_linked_one_to_the_next() {
    let (registry, faults, ..) = &own(Settings { page: Some(4), ..Settings::default() }).await;
    let api = Api { client: client(), base: format!("http://{}", registry.address()) };
    for number in 0..10 {
        registry.images().put(&Description::new("team/app", &format!("1.{number}"), Format::Docker));
    }
    registry.images().create("empty");
    assert_eq!(api.get("/v2/empty/tags/list").await.body, json!({"name": "empty", "tags": null}));
    let (mut path, mut tags, mut pages) = ("/v2/team/app/tags/list?n=1000".to_owned(), Vec::new(), Vec::new());
    loop {
        let answer = api.get(&path).await;
        let page = answer.body["tags"].as_array().expect("a list").clone();
        pages.push(page.len());
        tags.extend(page);
        let Some(next) = answer.header("link").strip_suffix(">; rel=\"next\"") else { break };
        next.trim_start_matches('<').clone_into(&mut path);
    }
    assert_eq!(pages, [4, 4, 2]);
    let found: Vec<&str> = tags.iter().filter_map(Value::as_str).collect();
    assert!(!found.is_sorted());
    let mut sorted = found;
    sorted.sort_unstable();
    assert_eq!(sorted, ["1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "1.8", "1.9"]);
    assert_eq!(api.get("/v2/team/app/tags/list?n=3").await.body["tags"].as_array().map(Vec::len), Some(3));
    assert_eq!(api.get("/v2/team/app/tags/list?n=x").await.status, 400);
    faults.order("registry-loops".parse().expect("a fault"));
    assert_eq!(api.get("/v2/empty/tags/list").await.header("link"), "</v2/empty/tags/list?last=>; rel=\"next\"");
}

#[tokio::test]
async fn it_cuts_its_list_without_a_word_where_it_is_to() {
    let (registry, _, _, api) = own(Settings { silent: true, ..Settings::default() }).await;
    for tag in ["c", "a", "d", "b"] {
        registry.images().put(&Description::new("app", tag, Format::Oci));
    }
    for (query, tags) in [
        ("", json!(["a", "b", "c", "d"])),
        ("?n=3", json!(["a", "b", "c"])),
        ("?n=3&last=b", json!(["c", "d"])),
        ("?n=3&last=d", json!([])),
    ] {
        let answer = api.get(&format!("/v2/app/tags/list{query}")).await;
        assert_eq!((answer.header("link"), &answer.body["tags"]), ("", &tags), "{query}");
    }
}

#[tokio::test]
async fn it_hides_what_it_has_where_it_is_to() {
    let auth = Auth::Basic { user: "robot".into(), password: "secret".into() };
    let (registry, _, _, api) = own(Settings { auth, hides: true, ..Settings::default() }).await;
    registry.images().put(&Description::new("app", "1", Format::Docker));
    for path in ["/v2/app/tags/list", "/v2/app/manifests/1", "/v2/none/tags/list"] {
        let answer = api.get(path).await;
        assert_eq!((answer.status, &answer.body["errors"][0]["code"]), (404, &json!("NAME_UNKNOWN")), "{path}");
    }
    assert_eq!(api.get("/v2/").await.status, 401);
    let known = api.request(Method::GET, "/v2/app/tags/list").basic_auth("robot", Some("secret"));
    assert_eq!(Api::read(known).await.body["tags"], json!(["1"]));
}

#[tokio::test]
async fn a_chart_is_kept_as_helm_pushes_it() {
    let (registry, _, _, api) = own(Settings::default()).await;
    let dated = "2026-01-01T00:00:00Z";
    registry.images().put(&Description::new("app", "1", Format::Chart).annotated(dated));
    let chart = manifest(&api, Method::GET, "app", "1", MANIFEST).await.body;
    assert_eq!(chart["config"]["mediaType"], "application/vnd.cncf.helm.config.v1+json");
    assert_eq!(chart["layers"][0]["mediaType"], "application/vnd.cncf.helm.chart.content.v1.tar+gzip");
    assert_eq!(chart["annotations"]["org.opencontainers.image.created"], dated);
}

#[tokio::test]
async fn tags_move_and_manifests_vanish() {
    let (registry, _, _, api) = own(Settings::default()).await;
    let images = registry.images();
    let old = images.put(&Description::new("app", "1", Format::Docker).created("2026-01-01T00:00:00Z"));
    let new = images.put(&Description::new("app", "1", Format::Docker).created("2026-01-02T00:00:00Z"));
    assert_ne!(old, new);
    let digest =
        async || manifest(&api, Method::HEAD, "app", "1", DOCKER).await.header("docker-content-digest").to_owned();
    assert_eq!(digest().await, new);
    images.tag("app", "1", &old);
    assert_eq!(digest().await, old);
    assert!(images.has("app:1") && images.has(&format!("app@{new}")) && !images.has("app") && !images.has("other:1"));
    images.remove("app", &old);
    assert_eq!(manifest(&api, Method::GET, "app", "1", DOCKER).await.status, 404);
    assert_eq!(api.get("/v2/app/tags/list").await.body["tags"], json!(["1"]));
    assert!(!images.has("app:1"));
    images.untag("app", "1");
    assert_eq!(api.get("/v2/app/tags/list").await.body["tags"], json!(null));
}

#[tokio::test]
async fn it_asks_for_a_password() {
    let auth = Auth::Basic { user: "robot".into(), password: "secret:ü".into() };
    let (_registry, _, _, api) = own(Settings { auth, ..Settings::default() }).await;
    let refused = api.get("/v2/").await;
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, "Basic realm=\"drill\""));
    let with =
        async |password| Api::read(api.request(Method::GET, "/v2/").basic_auth("robot", Some(password))).await.status;
    assert_eq!((with("secret:ü").await, with("secret").await), (200, 401));
}

#[tokio::test]
async fn it_gives_tokens_for_a_password() {
    let auth = Auth::Token { user: "robot".into(), password: "secret".into() };
    let (registry, _, log, api) = own(Settings { auth, ..Settings::default() }).await;
    registry.images().put(&Description::new("team/app", "1", Format::Docker));
    let refused = api.get("/v2/team/app/tags/list").await;
    let realm = format!("{}/token", api.base);
    let challenge = format!("Bearer realm=\"{realm}\",service=\"drill\",scope=\"repository:team/app:pull\"");
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, challenge.as_str()));
    let path = "/token?service=drill&scope=repository:team/app:pull&scope=repository:other:pull";
    assert_eq!(api.get(path).await.status, 401);
    let answer = Api::read(api.request(Method::GET, path).basic_auth("robot", Some("secret"))).await;
    let token = answer.body["token"].as_str().expect("a token").to_owned();
    let read = async |path: &str| Api::read(api.request(Method::GET, path).bearer_auth(&token)).await.status;
    assert_eq!(read("/v2/team/app/tags/list").await, 200);
    assert_eq!(read("/v2/third/tags/list").await, 401);
    let counts: Vec<(String, usize)> = log.counts().into_iter().collect();
    assert_eq!(counts, [("registry GET tags".to_owned(), 3), ("registry GET token".to_owned(), 2)]);
}

#[tokio::test]
async fn it_is_busy_or_lies_when_ordered() {
    let drill = start(&["registry-429=2:7", "registry-503"]).await;
    let api = Api::registry(&drill);
    for _ in 0..2 {
        let busy = api.get("/v2/").await;
        assert_eq!((busy.status, busy.header("retry-after")), (429, "7"));
    }
    assert_eq!(api.get("/v2/").await.status, 503);
    assert_eq!(api.get("/v2/").await.status, 200);
    drill.faults.order("registry-lies".parse().expect("a fault"));
    let answer = api.request(Method::GET, "/v2/billing/manifests/1.0.0-develop").send().await.expect("an answer");
    let said = answer.headers()["docker-content-digest"].to_str().expect("a digest").to_owned();
    assert_ne!(digest(&answer.bytes().await.expect("a body")), said);
}

fn skopeo(arguments: &[&str]) -> Value {
    let output = Command::new(need("skopeo", "skopeo")).args(arguments).output().expect("skopeo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON from skopeo")
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_reads_it() {
    let drill = Drill::start(quick()).await.expect("a drill");
    let host = drill.registry.address();
    let listed = skopeo(&["list-tags", "--tls-verify=false", &format!("docker://{host}/billing")]);
    let mut tags: Vec<&str> = listed["Tags"].as_array().expect("tags").iter().filter_map(Value::as_str).collect();
    tags.retain(|tag| tag.ends_with("develop"));
    tags.sort_unstable();
    assert_eq!(tags, ["1.0.0-develop", "1.1.0-develop", "1.2.0-develop", "1.3.0-develop", "1.9.0-predevelop"]);
    for (name, tag, created) in [
        ("billing", "1.1.0-develop", "2026-11-19T08:25:00Z"),
        ("orders", "1.1.0-develop", "2026-11-20T10:35:00+02:00"),
        ("users", "1.3.1-develop", "2026-11-21T09:00:00Z"),
        ("web", "2.2.0-develop", "2026-11-21T09:05:00Z"),
        ("web", "2.0.0-develop", "2026-11-18T08:20:00Z"),
    ] {
        let found = skopeo(&["inspect", "--no-tags", "--tls-verify=false", &format!("docker://{host}/{name}:{tag}")]);
        let instant = |text: &str| chrono::DateTime::parse_from_rfc3339(text).expect("an instant");
        assert_eq!(instant(found["Created"].as_str().expect("a date")), instant(created), "{name}:{tag}");
        assert_eq!(found["Digest"].as_str(), drill.registry.images().digest(name, tag).as_deref());
        assert_eq!(found["Labels"], json!({"drill.name": format!("{name}:{tag}")}));
    }
}
