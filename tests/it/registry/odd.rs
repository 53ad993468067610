//! What a real registry does not do on demand: paging, tokens, being busy, lying, losing tags.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::response::Response;
use firebreak::http::retry::Retry;
use firebreak::registry::{DateSource, Options, RegistryError, digest};
use firebreak::watch::Unwatched;
use serde_json::json;

use super::{WatchLog, dated, develop, names, now, open, remembering};
use crate::support::fake::{Asked, Fake, reply};

pub const CREATED: &str = "2026-11-20T08:00:00Z";

/// A config that tells this tag from others, and its digest.
pub fn config(tag: &str) -> (String, String) {
    let text = json!({"created": CREATED, "x": tag}).to_string();
    let digest = digest::of(text.as_bytes());
    (text, digest)
}

/// The manifest of a tag, and its digest.
pub fn manifest(tag: &str) -> (String, String) {
    let text = json!({"schemaVersion": 2, "config": {"digest": config(tag).1}}).to_string();
    let digest = digest::of(text.as_bytes());
    (text, digest)
}

/// Answers as a registry does whose every repository has these tags, all in one page.
pub fn honest(tags: &[&str], asked: &Asked) -> Response {
    let path = asked.line.rsplit(' ').next().unwrap();
    let name = path.rsplit('/').next().unwrap();
    if path.contains("/tags/list") {
        return reply(200, &[], json!({"name": "x", "tags": tags}).to_string());
    }
    for tag in tags {
        let (text, digest) = manifest(tag);
        if name == *tag || name == digest {
            return reply(200, &[("docker-content-digest", &digest)], text);
        }
        if name == config(tag).1 {
            return reply(200, &[], config(tag).0);
        }
    }
    reply(404, &[], r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#)
}

pub fn quick() -> Options {
    Options { retry: Retry { tries: 3, first_pause: Duration::from_millis(1) }, ..Options::default() }
}

/// A registry that wants a token for each repository, and gives it to `user:pw` (`dXNlcjpwdw==`) or to everybody.
async fn guarded(open_to_all: bool, lives: usize) -> (Fake, Arc<AtomicUsize>) {
    let given = Arc::new(AtomicUsize::new(0));
    let (count, used) = (Arc::clone(&given), AtomicUsize::new(0));
    let fake = Fake::start_slow(Duration::from_millis(5), move |url| {
        move |asked: &Asked| {
            let login = asked.header("authorization");
            if let Some(scope) = asked.line.strip_prefix("GET /token?service=s&scope=repository%3A") {
                if !open_to_all && login != "Basic dXNlcjpwdw==" {
                    return reply(401, &[], "");
                }
                let number = count.fetch_add(1, Ordering::SeqCst);
                used.store(0, Ordering::SeqCst);
                let repository = scope.trim_end_matches("%3Apull");
                return reply(200, &[], json!({"access_token": format!("{repository}-{number}")}).to_string());
            }
            let repository = asked.line.split('/').nth(2).unwrap();
            let good = login.starts_with(&format!("Bearer {repository}-"));
            if !good || used.fetch_add(1, Ordering::SeqCst) >= lives {
                let challenge =
                    format!(r#"Bearer realm="{url}/token",service="s",scope="repository:{repository}:pull""#);
                return reply(401, &[("www-authenticate", &challenge)], "");
            }
            honest(&["1-develop", "2-develop", "3-develop"], asked)
        }
    });
    (fake.await, given)
}

#[tokio::test]
async fn one_token_for_each_repository_is_shared_by_all_that_want_it() {
    let (fake, given) = guarded(true, usize::MAX).await;
    let registry = open(&fake.url(), quick());
    let repositories = ["web", "billing", "stock"];
    assert_eq!(develop(&registry, &repositories).await.unwrap().len(), 9);
    assert_eq!(given.load(Ordering::SeqCst), 3);
    // 1 that is refused, a token and a page for each repository, a manifest and a config for each tag.
    assert_eq!(fake.take().len(), 1 + 3 * (1 + 1 + 3 * 2));
    assert_eq!(registry.digest_of("web", "1-develop", &Unwatched).await.unwrap(), Some(manifest("1-develop").1));
    assert_eq!(given.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_token_that_ends_early_is_renewed() {
    let (fake, given) = guarded(true, 2).await;
    let registry = open(&fake.url(), Options { concurrency: 1, ..quick() });
    assert_eq!(develop(&registry, &["web"]).await.unwrap().len(), 3);
    // Seven requests, two with each token.
    assert_eq!(given.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_token_is_bought_with_the_password_and_refused_without() {
    let (fake, _) = guarded(false, usize::MAX).await;
    let with = |password: &str| Options {
        user: Some("user".to_owned()),
        password: Some(password.to_owned().into()),
        ..quick()
    };
    assert_eq!(develop(&open(&fake.url(), with("pw")), &["web"]).await.unwrap().len(), 3);
    let wrong = develop(&open(&fake.url(), with("wrong")), &["web"]).await.unwrap_err();
    assert!(matches!(wrong, RegistryError::WrongCredentials { .. }), "{wrong:?}");
    let none = develop(&open(&fake.url(), quick()), &["web"]).await.unwrap_err();
    assert!(matches!(none, RegistryError::NoCredentials { .. }), "{none:?}");
}

#[tokio::test]
async fn a_token_that_opens_nothing_is_said_to_lack_rights() {
    let (fake, _) = guarded(true, 0).await;
    let registry = open(&fake.url(), quick());
    let denied = develop(&registry, &["web"]).await.unwrap_err();
    let name = registry.name();
    let expected = format!(
        "registry {name} does not let us read repository 'web': it needs other rights, or is not there; no user and password were given"
    );
    assert_eq!(denied.to_string(), expected);
}

#[tokio::test]
async fn a_password_is_not_sent_where_a_registry_would_have_it() {
    let fake =
        Fake::start(|_| reply(401, &[("www-authenticate", r#"Bearer realm="http://thief.invalid/token""#)], "")).await;
    let options = Options { user: Some("user".into()), password: Some("pw".to_owned().into()), ..quick() };
    let error = develop(&open(&fake.url(), options), &["web"]).await.unwrap_err().to_string();
    assert!(error.ends_with("it wants the password sent to thief.invalid unencrypted"), "{error}");
}

#[tokio::test]
async fn a_busy_registry_is_asked_again() {
    // Every request is refused once: the first with a time to rest, the others without.
    let fake = Fake::start(|asked| match asked.number {
        0 => reply(429, &[("retry-after", "3")], ""),
        number if number % 2 == 0 => reply([429, 500, 502, 503][number / 2 % 4], &[], ""),
        _ => honest(&["1-develop"], asked),
    })
    .await;
    let told = WatchLog::default();
    let registry = open(&fake.url(), quick());
    let begun = std::time::Instant::now();
    assert_eq!(registry.images(&names(&["web"]), "develop", now(), &told).await.unwrap().images.len(), 1);
    // A least time only: no machine is too slow for it.
    assert!(begun.elapsed() >= Duration::from_secs(3), "came back before the time that Retry-After asks for");
    assert_eq!(fake.take().len(), 6);
    assert_eq!(told.warnings(), [format!("{} is busy (429): waiting 3 s before try 2 of 3", registry.name())]);
}

#[tokio::test]
async fn a_registry_that_stays_busy_or_breaks_off_is_given_up() {
    let busy = Fake::start(|_| reply(429, &[("retry-after", "0")], "")).await;
    let registry = open(&busy.url(), quick());
    let error = develop(&registry, &["web"]).await.unwrap_err().to_string();
    let task = format!("failed to list the tags of repository 'web' of registry {}", registry.name());
    assert_eq!(error, format!("{task}: the registry is busy (429 Too Many Requests) and asks to come back in 0 s"));
    assert_eq!(busy.take().len(), 3);

    let closed = Fake::start(|_| reply(429, &[("retry-after", "3600")], "")).await;
    let error = develop(&open(&closed.url(), quick()), &["web"]).await.unwrap_err().to_string();
    assert!(error.ends_with("the registry is busy (429 Too Many Requests) and asks to come back in 3600 s"), "{error}");
    assert_eq!(closed.take().len(), 1);

    let broken = Fake::start(|_| reply(500, &[], r#"{"errors":[{"code":"UNKNOWN","message":"disk full"}]}"#)).await;
    let error = develop(&open(&broken.url(), quick()), &["web"]).await.unwrap_err().to_string();
    assert!(error.ends_with("the registry answers 500 Internal Server Error (UNKNOWN: disk full)"), "{error}");
    assert_eq!(broken.take().len(), 3);

    let short = Fake::start(|_| reply(200, &[("content-length", "100"), ("connection", "close")], "{}")).await;
    let error = develop(&open(&short.url(), quick()), &["web"]).await.unwrap_err();
    assert!(matches!(error, RegistryError::NoAnswer { .. }), "{error:?}");
    assert_eq!(short.take().len(), 3);
}

#[tokio::test]
async fn what_cannot_be_a_list_or_is_far_too_long_is_an_error() {
    let page = Fake::start(|_| reply(200, &[], "tags")).await;
    let error = develop(&open(&page.url(), quick()), &["web"]).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unreadable { .. }), "{error:?}");
    let long = Fake::start(|_| reply(200, &[], vec![b' '; (32 << 20) + 1])).await;
    let error = develop(&open(&long.url(), quick()), &["web"]).await.unwrap_err().to_string();
    assert!(error.ends_with(&format!("the answer is longer than {} bytes", 32 << 20)), "{error}");
}

#[tokio::test]
async fn a_lie_about_a_digest_is_an_error() {
    type Lie = fn(&Asked) -> Option<Response>;
    let other = digest::of(b"other");
    // A manifest that is not what its header says, a child or a config that is not what was asked for.
    let lies: [(&str, Lie); 3] = [
        ("1-develop", |asked| {
            let lie = reply(200, &[("docker-content-digest", &digest::of(b"other"))], manifest("1-develop").0);
            asked.line.ends_with("/manifests/1-develop").then_some(lie)
        }),
        ("1-develop", |asked| asked.line.contains("/blobs/").then(|| reply(200, &[], "{}"))),
        ("1-develop", |asked| {
            let index = json!({"manifests": [{"digest": digest::of(b"other")}]}).to_string();
            asked.line.contains("/manifests/").then(|| reply(200, &[], index))
        }),
    ];
    for (tag, lie) in lies {
        let fake = Fake::start(move |asked| lie(asked).unwrap_or_else(|| honest(&[tag], asked))).await;
        let error = develop(&open(&fake.url(), quick()), &["web"]).await.unwrap_err();
        assert!(matches!(error, RegistryError::WrongDigest { .. }), "{error:?}");
        assert!(error.to_string().ends_with("; do not trust this registry"), "{error}");
    }
    let fake =
        Fake::start(|asked| reply(200, &[("docker-content-digest", &manifest("x").1)], asked.line.clone())).await;
    let error = open(&fake.url(), quick()).digest_of("web", &other, &Unwatched).await.unwrap_err();
    assert!(matches!(&error, RegistryError::WrongDigest { expected, .. } if *expected == other), "{error:?}");
}

#[tokio::test]
async fn a_tag_that_goes_away_is_left_out() {
    let listed = ["1-develop", "2-develop"];
    let fake = Fake::start(move |asked| {
        let listing = asked.line.contains("/tags/list");
        honest(if listing { &listed } else { &listed[..1] }, asked)
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let expected = [dated("web", "1-develop", &manifest("1-develop").1, CREATED, DateSource::Config)];
    for _ in 0..2 {
        let told = WatchLog::default();
        let registry = open(&fake.url(), Options { cache_folder: Some(folder.path().to_owned()), ..quick() });
        assert_eq!(registry.images(&names(&["web"]), "develop", now(), &told).await.unwrap().images, expected);
        let warning = "tag '2-develop' of repository 'web' is gone since it was listed: left out";
        assert_eq!(told.warnings(), [warning]);
    }
}

#[tokio::test]
async fn an_image_that_cannot_be_deployed_is_left_out() {
    let schema1 = r#"{"schemaVersion":1,"name":"web","tag":"1-develop","history":[]}"#;
    let fake = Fake::start(move |asked| {
        if asked.line.contains("/manifests/") {
            reply(200, &[("docker-content-digest", &digest::of(b"the inner part"))], schema1)
        } else {
            honest(&["1-develop"], asked)
        }
    })
    .await;
    let told = WatchLog::default();
    let images = open(&fake.url(), quick()).images(&names(&["web"]), "develop", now(), &told).await.unwrap().images;
    assert_eq!(images, []);
    let warning = "tag '1-develop' of repository 'web' is of Docker's schema 1, which has no reliable digest: left out; push it again";
    assert_eq!(told.warnings(), [warning]);
}

#[tokio::test]
async fn a_head_without_a_digest_is_made_up_for_with_a_get() {
    let fake = Fake::start(|asked| {
        let mut answer = honest(&["1-develop", "2-develop"], asked);
        answer.headers_mut().remove("docker-content-digest");
        answer
    })
    .await;
    let registry = open(&fake.url(), quick());
    assert_eq!(registry.digest_of("web", "1-develop", &Unwatched).await.unwrap(), Some(manifest("1-develop").1));
    assert_eq!(fake.take(), ["HEAD /v2/web/manifests/1-develop", "GET /v2/web/manifests/1-develop"]);
    assert_eq!(registry.digest_of("web", "2-develop", &Unwatched).await.unwrap(), Some(manifest("2-develop").1));
    assert_eq!(fake.take(), ["GET /v2/web/manifests/2-develop"]);
}

#[tokio::test]
async fn storage_behind_the_registry_is_asked_without_the_password() {
    let storage = Fake::start(|asked| match asked.header("authorization") {
        "" => reply(200, &[], config("1-develop").0),
        _ => reply(400, &[], "a signed URL and a login do not go together"),
    })
    .await;
    let place = format!("{}/signed?x=1", storage.url());
    let fake = Fake::start(move |asked| {
        if asked.header("authorization") != "Basic dXNlcjpwdw==" {
            reply(401, &[("www-authenticate", "Basic realm=x")], "")
        } else if asked.line.contains("/blobs/") {
            reply(307, &[("location", &place)], "")
        } else {
            honest(&["1-develop"], asked)
        }
    })
    .await;
    let options = Options { user: Some("user".into()), password: Some("pw".to_owned().into()), ..quick() };
    assert_eq!(develop(&open(&fake.url(), options), &["web"]).await.unwrap()[0].date_from, Some(DateSource::Config));
    assert_eq!(storage.take(), ["GET /signed?x=1"]);
}

#[tokio::test]
async fn requests_are_bounded_over_all_repositories() {
    let all: Vec<String> = (0..20).map(|number| format!("{number}-develop")).collect();
    let fake = Fake::start_slow(Duration::from_millis(10), move |_| {
        move |asked: &Asked| honest(&all.iter().map(String::as_str).collect::<Vec<_>>(), asked)
    })
    .await;
    let registry = open(&fake.url(), Options { concurrency: 5, ..quick() });
    assert_eq!(develop(&registry, &["a", "b", "c", "d", "e", "f", "g"]).await.unwrap().len(), 7 * 20);
    assert_eq!(fake.most_under_way(), 5);
    assert_eq!(fake.take().len(), 7 * (1 + 20 * 2));
}

#[tokio::test]
async fn a_broken_memory_is_as_good_as_none_and_mended() {
    let fake = Fake::start(|asked| honest(&["1-develop", "2-develop"], asked)).await;
    let folder = tempfile::tempdir().unwrap();
    let registry = open(&fake.url(), remembering(folder.path()));
    let expected = develop(&registry, &["web"]).await.unwrap();
    let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&file, "{").unwrap();
    let told = WatchLog::default();
    assert_eq!(registry.images(&names(&["web"]), "develop", now(), &told).await.unwrap().images, expected);
    assert_eq!(told.warnings().len(), 1);
    assert_eq!(fake.take().len(), 2 * (1 + 2 * 2));
    assert_eq!(develop(&registry, &["web"]).await.unwrap(), expected);
    assert_eq!(fake.take().iter().filter(|line| line.starts_with("HEAD ")).count(), 2);
}
