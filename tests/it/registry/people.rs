//! The program with registries as people have them: whole outputs.

use std::process::Stdio;

use axum::response::Response;
use firebreak::drill::Log;
use firebreak::drill::faults::Faults;
use firebreak::drill::registry::{Auth, Description, Format, Registry, Settings};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::odd::{config, honest, manifest};
use crate::support::fake::{Asked, Fake, reply};
use crate::support::program::{DrillFixture, Output, PROGRAM};
use crate::support::tls::{SelfSigned, TlsServer};
use firebreak::drill::story::ShopState;

const LOOK: &str = "get --repo=web --env=develop";
const LOGIN: &str = "get --repo=web --env=develop --registry-user=user";
const FOUND: &str =
    "date        web\n2026-11-20  1-develop\n\n1 date, the newest 2026-11-20; written to ./rollback.json\n";

/// A folder to run the program in, with a registry alone.
pub struct Sandbox {
    registry: String,
    folder: TempDir,
}

impl Sandbox {
    pub fn new(registry: &str) -> Self {
        Self { registry: registry.to_owned(), folder: tempfile::tempdir().expect("a folder") }
    }

    /// The program with these words, and the password `pw`.
    pub async fn run(&self, words: &str) -> Output {
        let output = Command::new(PROGRAM)
            .args(words.split_whitespace())
            .current_dir(self.folder.path())
            .env_clear()
            .env("FIREBREAK_REGISTRY", &self.registry)
            .env("FIREBREAK_REGISTRY_PWD", "pw")
            .env("XDG_CACHE_HOME", self.folder.path().join("cache"))
            .stdin(Stdio::null())
            .output()
            .await
            .expect("the program runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let code = output.status.code().unwrap_or(-1);
        Output { code, stdout: text(output.stdout), stderr: without_progress(&text(output.stderr)) }
    }

    fn dump(&self) -> Value {
        let text = std::fs::read(self.folder.path().join("rollback.json")).expect("the dump");
        serde_json::from_slice(&text).expect("JSON")
    }

    /// It fails with this line alone.
    async fn fails(&self, words: &str, error: &str) {
        let stderr = format!("rollback_service error: {error}\n");
        assert_eq!(self.run(words).await, Output { code: 1, stdout: String::new(), stderr });
    }
}

/// How far it has come is told in lines that are indented.
fn without_progress(stderr: &str) -> String {
    stderr.split_inclusive('\n').filter(|line| !line.starts_with("  ")).collect()
}

/// The one image, and nothing to be said about it.
fn found() -> Output {
    Output { code: 0, stdout: FOUND.to_owned(), stderr: String::new() }
}

async fn embedded(settings: Settings) -> (Registry, Sandbox) {
    let registry = Registry::start(settings, &Faults::default(), &Log::default()).await.expect("a registry");
    let sandbox = Sandbox::new(&format!("http://{}", registry.address()));
    (registry, sandbox)
}

/// `stage` of the story has images that bear their base image's date as well, and a chart among the tags of `orders`,
/// later than the image of the day to go back to.
#[tokio::test(flavor = "multi_thread")]
async fn inherited_dates_and_charts_lead_nobody_astray() {
    let fixture = DrillFixture::open(&[]).await;
    let look = fixture.run("get --repo=billing,orders,users,web --env=stage --keep=2").await;
    let warning = "rollback_service warning: tag '1.1.2-stage' (application/vnd.cncf.helm.config.v1+json) of repository \
                   'orders' names no image, and is left out\n";
    assert_eq!((look.code, without_progress(&look.stderr).as_str()), (0, warning), "{look:?}");
    let day = look.stdout.lines().find(|line| line.starts_with("DAY"));
    let day: Vec<_> = day.expect("the day to go back to").split_whitespace().skip(1).collect();
    assert_eq!(day, ["1.2.0-stage", "↑", "1.1.0-stage", "1.3.1-stage", "2.2.0-stage"]);
    let twice: Vec<_> = look.stdout.lines().skip_while(|line| !line.starts_with("with two dates")).collect();
    let words: Vec<_> = twice[2].split_whitespace().collect();
    assert_eq!(
        (words[0], words[1], words[4], words[7]),
        ("billing", "1.2.0-stage", "(config)", "(annotation)"),
        "{twice:?}"
    );
    assert_eq!(twice.len(), 6, "{twice:?}");
    assert_eq!(twice[3], "the older date is often that of a base image, or of a reproducible build");
    let dump: Value = serde_json::from_slice(&std::fs::read(fixture.dump()).expect("the dump")).expect("JSON");
    let kind = "application/vnd.cncf.helm.config.v1+json";
    assert_eq!(dump["not_images"], json!([{"repository": "orders", "tag": "1.1.2-stage", "kind": kind}]));
    let images = dump["images"].as_array().expect("images").iter();
    let older: Vec<_> = images.filter(|image| image.get("older_date").is_some()).collect();
    let tags: Vec<_> = older.iter().map(|image| (&image["tag"], &image["older_date"]["date_from"])).collect();
    let (from, to) = (json!("1.2.0-stage"), json!("1.3.0-stage"));
    assert_eq!(tags, [(&from, &json!("annotation")), (&to, &json!("annotation"))]);
    let run = fixture.run("run --date=DAY --env=stage --yes").await;
    assert_eq!(run.code, 0, "{run:?}");
    let proof = fixture.drill.proof("stage", ShopState::Good).expect("an environment of the story");
    assert!(proof.holds, "{proof:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_of_charts_alone_has_no_image() {
    let (registry, sandbox) = embedded(Settings::default()).await;
    for number in 1..=5 {
        let chart = Description::new("web", &format!("{number}-develop"), Format::Chart);
        registry.images().put(&chart.annotated("2026-11-20T08:00:00Z"));
    }
    let kind = "application/vnd.cncf.helm.config.v1+json";
    let stderr = format!(
        "rollback_service warning: tags '1-develop' ({kind}), '2-develop' ({kind}), '3-develop' ({kind}) and 2 others of \
         repository 'web' name no image, and are left out\nrollback_service error: no tag of 'web' that ends with \
         'develop' names an image: is --repo right? The warnings above say what they name\n"
    );
    // The second time from memory.
    for _ in 0..2 {
        assert_eq!(sandbox.run(LOOK).await, Output { code: 1, stdout: String::new(), stderr: stderr.clone() });
    }
    registry.images().put(&Description::new("web", "6-develop", Format::Oci).created("2026-11-20T08:00:00Z"));
    let output = sandbox.run(LOOK).await;
    assert_eq!((output.code, output.stdout.as_str()), (0, FOUND.replace("1-develop", "6-develop").as_str()));
    assert_eq!(sandbox.dump()["not_images"].as_array().map(Vec::len), Some(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_hides_what_it_has_is_asked_with_the_login() {
    let (user, password) = ("user".to_owned(), "pw".to_owned());
    for auth in [
        Auth::Basic { user: user.clone(), password: password.clone() },
        Auth::Token { user: user.clone(), password: password.clone() },
    ] {
        let (registry, sandbox) = embedded(Settings { auth, hides: true, ..Settings::default() }).await;
        registry.images().put(&Description::new("web", "1-develop", Format::Oci).created("2026-11-20T08:00:00Z"));
        let address = registry.address();
        let hidden = "it wants a user and a password, and none were given";
        let shows = format!("registry {address} shows no repository 'web' to whom it does not know: {hidden}");
        sandbox.fails(LOOK, &shows).await;
        assert_eq!(sandbox.run(LOGIN).await, found());
        let none = LOGIN.replace("web", "nothing");
        sandbox.fails(&none, &format!("registry {address} has no repository 'nothing'")).await;
    }
}

/// Other ways to hide: a 403, and an entrance that asks nobody; a 401 that does not say how.
#[tokio::test(flavor = "multi_thread")]
async fn the_login_is_tried_before_anything_is_said_not_to_be_there() {
    let open: fn(&Asked) -> Response = |_| reply(200, &[], "{}");
    let asks: fn(&Asked) -> Response = |_| reply(401, &[("www-authenticate", "Basic realm=x")], "");
    for (status, entrance) in [(403, asks), (404, open), (401, asks), (403, open)] {
        let fake = Fake::start(move |asked| match asked.line.as_str() {
            "GET /v2/" => entrance(asked),
            _ if asked.header("authorization") == "Basic dXNlcjpwdw==" => honest(&["1-develop"], asked),
            _ => reply(status, &[], ""),
        });
        let fake = fake.await;
        assert_eq!(Sandbox::new(&fake.url()).run(LOGIN).await, found(), "{status}");
        // Once it is known that the login helps, it is sent at once.
        let seen = fake.take();
        let list = "GET /v2/web/tags/list?n=1000";
        assert_eq!(seen[..3], [list, "GET /v2/", list]);
        assert_eq!(seen.len(), 5, "{seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_explains_itself_is_quoted() {
    let expired = r#"{"errors":[{"code":"DENIED","message":"token has expired, get another at /profile"}]}"#;
    let said = "DENIED: token has expired, get another at /profile";
    let basic: &[(&str, &str)] = &[("www-authenticate", "Basic realm=x")];
    let refuses = "REGISTRY refuses the user and password that were given for registry REGISTRY";
    let denied = "registry REGISTRY does not let us read repository 'web'";
    for (status, challenge, body, error) in [
        (401, basic, expired, format!("{refuses} ({said})")),
        (403, basic, expired, format!("{denied}: {said}")),
        (403, basic, "", format!("{denied}: it needs other rights, or is not there")),
        (403, basic, r#"{"message":"pw is no longer valid"}"#, format!("{denied}: … is no longer valid")),
        (401, &[], r#"{"message":"locked"}"#, format!("{denied}: locked")),
    ] {
        let fake = Fake::start(move |asked| match asked.header("authorization") {
            "" => reply(401, basic, ""),
            _ => reply(status, challenge, body),
        });
        let fake = fake.await;
        let error = error.replace("REGISTRY", &format!("127.0.0.1:{}", fake.port));
        Sandbox::new(&fake.url()).fails(LOGIN, &error).await;
    }
    let fake = Fake::start(move |_| reply(403, &[], expired)).await;
    let denied = denied.replace("REGISTRY", &format!("127.0.0.1:{}", fake.port));
    Sandbox::new(&fake.url()).fails(LOOK, &format!("{denied}: {said}; no user and password were given")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_page_is_called_one_with_the_address_that_it_came_from() {
    let fake = Fake::start(|asked| match asked.line.as_str() {
        "GET /v2/web/tags/list?n=1000" => reply(302, &[("location", "/login?from=/v2/&ticket=secret")], ""),
        _ => reply(200, &[("content-type", "text/html")], "<!doctype html><title>Log in"),
    });
    let fake = fake.await;
    let (url, name) = (fake.url(), format!("127.0.0.1:{}", fake.port));
    let advice = "is that a registry, and does a proxy or a login stand before it?";
    let task = format!("failed to list the tags of repository 'web' of registry {name}");
    let error = format!("{task}: a web page (HTML) came from {url}/login, not JSON: {advice}");
    Sandbox::new(&url).fails(LOOK, &error).await;

    // No registry at all.
    let other = Fake::start(|_| reply(404, &[("content-type", "text/html")], "<html>nginx")).await;
    let (url, name) = (other.url(), format!("127.0.0.1:{}", other.port));
    let error = format!(
        "failed to list the tags of repository 'web' of registry {name}: the registry answers 404 Not Found (a web page \
         (HTML) from {url}/v2/web/tags/list)"
    );
    Sandbox::new(&url).fails(LOOK, &error).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_a_token_is_read_however_it_is_written() {
    for life in [json!("300"), json!(300.0), json!(null), json!("soon")] {
        let fake = Fake::start_slow(std::time::Duration::ZERO, move |url| {
            move |asked: &Asked| match asked.header("authorization") {
                _ if asked.line.starts_with("GET /token?") => {
                    reply(200, &[], json!({"token": "t", "expires_in": life}).to_string())
                }
                "Bearer t" => honest(&["1-develop"], asked),
                _ => reply(401, &[("www-authenticate", &format!("Bearer realm=\"{url}/token\""))], ""),
            }
        });
        let fake = fake.await;
        assert_eq!(Sandbox::new(&fake.url()).run(LOOK).await, found());
    }
}

/// What the TLS stand-in answers: as `honest` does, for one tag; with a login, if it is to want one.
fn registry(wants_login: bool) -> impl Fn(&str) -> (u16, String, String) {
    move |path| {
        let (manifest, digest) = manifest("1-develop");
        let none = String::new();
        match path.rsplit('/').next().unwrap_or_default() {
            _ if wants_login => (401, "www-authenticate: Basic realm=x\r\n".to_owned(), none),
            "list?n=1000" => (200, none, json!({"tags": ["1-develop"]}).to_string()),
            "1-develop" => (200, format!("docker-content-digest: {digest}\r\n"), manifest),
            name if name == config("1-develop").1 => (200, none, config("1-develop").0),
            _ => (404, none.clone(), none),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_signs_itself_is_believed_where_it_is_named() {
    let own = SelfSigned::of("127.0.0.1", 2999);
    let other = SelfSigned::of("127.0.0.1", 2999);
    let server = TlsServer::start(&own, registry(false));
    let name = format!("127.0.0.1:{}", server.port);
    let sandbox = Sandbox::new(&format!("https://{name}"));
    let with = |file: &SelfSigned| format!("{LOOK} --cacert={}", file.file.display());
    assert_eq!(sandbox.run(&with(&own)).await, found());
    let task = format!("failed to list the tags of repository 'web' of registry {name}");
    let task = format!("{task}: error sending request: client error (Connect)");
    let refused = "other error: the server's certificate is not one of a server that an authority has signed \
                   (CaUsedAsEndEntity): where it is known to be the right one, it can be named as --cacert";
    for words in [LOOK.to_owned(), with(&other)] {
        sandbox.fails(&words, &format!("{task}: {refused}")).await;
    }
}

/// Whoever names a certificate trusts it for its own name, and as long as it says.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_named_must_have_the_right_name_and_date() {
    for (certificate, why) in [
        (
            SelfSigned::of("registry.example", 2999),
            "invalid peer certificate: certificate not valid for name \"127.0.0.1\"; certificate is only valid for \
             DnsName(\"registry.example\")",
        ),
        (SelfSigned::of("127.0.0.1", 2021), "invalid peer certificate: certificate expired: verification time"),
    ] {
        let server = TlsServer::start(&certificate, registry(false));
        let sandbox = Sandbox::new(&format!("https://127.0.0.1:{}", server.port));
        let output = sandbox.run(&format!("{LOOK} --cacert={}", certificate.file.display())).await;
        assert_eq!((output.code, output.stdout.as_str()), (1, ""), "{output:?}");
        assert!(output.stderr.contains(why), "{output:?}");
        assert!(server.take().is_empty());
    }
}

/// `http://` that answers 308 to `https://`: the password goes to neither.
#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_leads_to_its_encrypted_address_is_followed_without_the_password() {
    let certificate = SelfSigned::of("127.0.0.1", 2999);
    for wants_login in [false, true] {
        let server = TlsServer::start(&certificate, registry(wants_login));
        let address = format!("https://127.0.0.1:{}", server.port);
        let to = address.clone();
        let passwords = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let seen = std::sync::Arc::clone(&passwords);
        let fake = Fake::start(move |asked| {
            seen.fetch_add(
                usize::from(asked.headers.contains_key("authorization")),
                std::sync::atomic::Ordering::SeqCst,
            );
            reply(308, &[("location", &format!("{to}{}", asked.line.trim_start_matches("GET ")))], "")
        });
        let fake = fake.await;
        let (sandbox, words) = (Sandbox::new(&fake.url()), format!("{LOGIN} --cacert={}", certificate.file.display()));
        if wants_login {
            let error = format!(
                "failed to list the tags of repository 'web' of registry 127.0.0.1:{}: the registry sends us on to \
                 {address}/v2/web/tags/list, which answers 401 Unauthorized; no user and password are sent after it. If \
                 that is the registry, give its address: {address}",
                fake.port
            );
            sandbox.fails(&words, &error).await;
        } else {
            assert_eq!(sandbox.run(&words).await, found());
        }
        assert_eq!(passwords.load(std::sync::atomic::Ordering::SeqCst), 0);
        let requests = server.take();
        assert!(!requests.is_empty() && requests.iter().all(|head| !head.contains("authorization")), "{requests:?}");
    }
}

/// An encrypted registry that leads to one that is not: not followed, by nobody's password and by none.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_led_from_an_encrypted_registry_to_an_open_one() {
    let open = Fake::start(|asked| honest(&["1-develop"], asked)).await;
    let url = open.url();
    let certificate = SelfSigned::of("127.0.0.1", 2999);
    let to = url.clone();
    let server = TlsServer::start(&certificate, move |path| (307, format!("location: {to}{path}\r\n"), String::new()));
    let sandbox = Sandbox::new(&format!("https://127.0.0.1:{}", server.port));
    for words in [LOOK, LOGIN] {
        let error = format!(
            "failed to list the tags of repository 'web' of registry 127.0.0.1:{}: the registry sends us on to \
             {url}/v2/web/tags/list, unencrypted: that is not followed",
            server.port
        );
        sandbox.fails(&format!("{words} --cacert={}", certificate.file.display()), &error).await;
    }
    assert!(open.take().is_empty());
}
