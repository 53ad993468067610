//! Lists of tags: their pages, and lists that are cut.

use std::time::Duration;

use axum::response::Response;
use firebreak::drill::Log;
use firebreak::drill::faults::Faults;
use firebreak::drill::registry::{Description, Format, Settings};
use firebreak::registry::RegistryError;
use serde_json::json;

use super::odd::{honest, quick};
use super::people::Sandbox;
use super::{develop, open};
use crate::support::fake::{Asked, Fake, reply};
use crate::support::program::Output;

async fn tags(url: &str) -> Result<Vec<String>, RegistryError> {
    Ok(develop(&open(url, quick()), &["web"]).await?.into_iter().map(|image| image.tag).collect())
}

/// `GET /v2/web/tags/list?n=2&last=b`: 2 and b.
fn query<'a>(asked: &'a Asked, name: &str) -> Option<&'a str> {
    let query = asked.line.split_once('?')?.1;
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

fn list(tags: &[String], link: Option<&str>) -> Response {
    let link = link.map(|link| format!("<{link}>; rel=\"next\""));
    let headers: Vec<_> = link.iter().map(|link| ("link", link.as_str())).collect();
    reply(200, &headers, json!({"name": "web", "tags": tags}).to_string())
}

/// So many tags, of which the last alone is of `develop`.
fn many(count: usize) -> Vec<String> {
    (1..=count).map(|number| if number == count { "9-develop".into() } else { format!("1.{number:05}") }).collect()
}

#[tokio::test]
async fn pages_are_followed_wherever_their_links_point_on_the_same_server() {
    let fake = Fake::start_slow(Duration::ZERO, |url| {
        move |asked: &Asked| {
            let page = |tags, link: &str| {
                let link = format!("<{link}>; rel=\"next\"");
                reply(200, &[("link", &link)], json!({"tags": tags}).to_string())
            };
            match asked.line.as_str() {
                "GET /v2/web/tags/list?n=1000" => page(json!(["a-develop", null]), "/v2/web/tags/list?last=a&n=1"),
                "GET /v2/web/tags/list?last=a&n=1" => page(json!(null), &format!("{url}/v2/web/tags/list?last=b")),
                "GET /v2/web/tags/list?last=b" => page(json!(["b-develop", "a-develop", "sha256:00"]), "list?last=c"),
                "GET /v2/web/tags/list?last=c" => reply(200, &[], json!({"tags": ["c-develop"]}).to_string()),
                _ => honest(&["a-develop", "b-develop", "c-develop"], asked),
            }
        }
    });
    let fake = fake.await;
    assert_eq!(tags(&fake.url()).await.unwrap(), ["a-develop", "b-develop", "c-develop"]);
    assert_eq!(fake.take().len(), 4 + 3 * 2);
}

#[tokio::test]
async fn pages_that_lead_nowhere_are_an_error_that_shows_the_link() {
    let circle = "/v2/web/tags/list?n=1000";
    for (header, why) in [
        (format!("<{circle}>; rel=next"), format!("its pages go round in a circle, by the link '{circle}'")),
        (
            "<http://[>; rel=next".to_owned(),
            "the link to its next page, 'http://[', is no URL (invalid IPv6 address)".to_owned(),
        ),
        (
            "/v2/web/tags/list?last=a; rel=next".to_owned(),
            "the link to its next page, '/v2/web/tags/list?last=a; rel=next', cannot be understood".to_owned(),
        ),
    ] {
        let fake = Fake::start(move |_| reply(200, &[("link", &header)], r#"{"tags":["a-develop"]}"#)).await;
        let error = tags(&fake.url()).await.unwrap_err();
        assert!(matches!(error, RegistryError::Paging { .. }), "{error:?}");
        let registry = fake.url().replace("http://", "");
        let expected = format!("failed to list the tags of repository 'web' of registry {registry}: {why}");
        assert_eq!(error.to_string(), expected);
        assert_eq!(fake.take().len(), 1);
    }
}

/// What comes instead of a page is never taken for an empty one: the error says which page, and by which link.
#[tokio::test]
async fn a_next_page_that_is_not_there_or_is_none_is_an_error() {
    let link = "https://user:pw@inside:8081/v2/web/tags/list?last=1";
    for (status, kind, body, why) in [
        (
            404,
            "application/json",
            r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#,
            "the registry answers 404 Not Found (NAME_UNKNOWN)",
        ),
        (
            200,
            "application/json",
            r#"{"errors":[{"code":"X"}]}"#,
            "the answer cannot be understood: it has no list of tags",
        ),
        (
            200,
            "application/json",
            r#"{"name":"web","tags":["2-dev"#,
            "the answer cannot be understood: EOF while parsing a string at line 1 column 28",
        ),
        (
            200,
            "text/html",
            "<p>Log in",
            "a web page (HTML) came from HERE/v2/web/tags/list, not JSON: is that a registry, and does a proxy or a login stand before it?",
        ),
    ] {
        let fake = Fake::start(move |asked| match query(asked, "last") {
            None => list(&["1".to_owned()], Some(link)),
            Some(_) => reply(status, &[("content-type", kind)], body),
        });
        let fake = fake.await;
        let (url, error) = (fake.url(), tags(&fake.url()).await.unwrap_err().to_string());
        let registry = url.replace("http://", "");
        let page = "(page 2, by the link 'https://inside:8081/v2/web/tags/list?last=1')";
        let expected = format!("failed to list the tags of repository 'web' of registry {registry} {page}: {why}");
        assert_eq!(error, expected.replace("HERE", &url));
        assert_eq!(fake.take(), ["GET /v2/web/tags/list?n=1000", "GET /v2/web/tags/list?last=1"]);
    }
}

/// Behind a proxy that knows the registry as `/prefix`, links bear what is known inside.
#[tokio::test]
async fn a_link_of_behind_a_proxy_is_asked_at_the_registry_itself() {
    for link in [
        "http://inside:8081/v2/web/tags/list?last=1&n=1000",
        "https://registry.example/prefix/v2/web/tags/list?last=1&n=1000",
        "/v2/web/tags/list?last=1&n=1000",
        "/repository/docker/v2/web/tags/list?last=1&n=1000",
        "?last=1&n=1000",
        "//inside/v2/web/tags/list?last=1&n=1000",
    ] {
        let fake = Fake::start(move |asked| match asked.line.as_str() {
            _ if asked.header("authorization") != "Basic dXNlcjpwdw==" => {
                reply(401, &[("www-authenticate", "Basic realm=x")], "")
            }
            "GET /prefix/v2/web/tags/list?n=1000" => list(&["1-develop".to_owned()], Some(link)),
            "GET /prefix/v2/web/tags/list?last=1&n=1000" => list(&["2-develop".to_owned()], None),
            line if line.contains("/prefix/") => honest(&["1-develop", "2-develop"], asked),
            _ => reply(404, &[], ""),
        });
        let fake = fake.await;
        let url = format!("http://user:pw@127.0.0.1:{}/prefix", fake.port);
        assert_eq!(tags(&url).await.unwrap(), ["1-develop", "2-develop"], "{link}");
    }
}

/// A registry as it can be, how many tags it has, and what is asked of it until they are known to be all.
#[tokio::test]
async fn a_list_that_is_whole_is_taken_whatever_its_length() {
    type Answer = fn(&[String], &Asked) -> Response;
    fn after<'a>(all: &'a [String], asked: &Asked) -> &'a [String] {
        let start = query(asked, "last").and_then(|last| all.iter().position(|tag| tag == last)).map_or(0, |at| at + 1);
        &all[start..]
    }
    fn cut<'a>(tags: &'a [String], asked: &Asked, most: usize) -> &'a [String] {
        let n = query(asked, "n").map_or(most, |n| n.parse::<usize>().unwrap().min(most));
        &tags[..tags.len().min(n)]
    }
    let all_at_once: Answer = |all, _| list(all, None);
    let in_no_order: Answer = |all, _| list(&all.iter().rev().cloned().collect::<Vec<_>>(), None);
    let says_so: Answer = |all, asked| {
        let rest = after(all, asked);
        let page = cut(rest, asked, usize::MAX);
        let link = format!("/v2/web/tags/list?n=1000&last={}", page.last().map_or("", String::as_str));
        list(page, Some(link.as_str()).filter(|_| page.len() < rest.len()))
    };
    let says_so_with_an_empty_end: Answer = |all, asked| {
        let page = cut(after(all, asked), asked, usize::MAX);
        let link = page.last().map(|last| format!("/v2/web/tags/list?n=1000&last={last}"));
        list(page, link.as_deref())
    };
    let silent_where_asked: Answer = |all, asked| list(cut(all, asked, usize::MAX), None);
    let silent_group_of_two: Answer = |all, asked| {
        let mut page = cut(&all[5..], asked, usize::MAX).to_vec();
        page.extend_from_slice(&all[..5]);
        list(&page, None)
    };
    let silent_and_knows_last: Answer = |all, asked| list(cut(after(all, asked), asked, 1000), None);
    let refuses_a_thousand: Answer = |all, asked| match query(asked, "n").map(|n| n.parse::<usize>().unwrap()) {
        Some(n) if n > 500 => reply(400, &[], r#"{"errors":[{"code":"PAGINATION_NUMBER_INVALID"}]}"#),
        _ => list(all, None),
    };
    for (name, registry, count, asked) in [
        ("all at once", all_at_once, 19, "n=1000"),
        ("all at once", all_at_once, 999, "n=1000 n=998"),
        ("all at once", all_at_once, 1000, "n=1000 n=999"),
        ("all at once", all_at_once, 1001, "n=1000 n=999"),
        ("all at once", all_at_once, 123, "n=1000 n=1000&last=9-develop"),
        ("says so", says_so, 123, "n=1000 n=1000&last=9-develop"),
        ("in no order", in_no_order, 123, "n=1000"),
        ("all at once", all_at_once, 100, "n=1000 n=99"),
        ("says so", says_so, 1000, "n=1000 n=999"),
        ("says so", says_so, 1001, "n=1000 n=1000&last=1.01000"),
        ("says so", says_so, 2000, "n=1000 n=1000&last=1.01000"),
        ("an empty end", says_so_with_an_empty_end, 1000, "n=1000 n=1000&last=9-develop"),
        ("silent where asked", silent_where_asked, 1001, "n=1000 n=999 -"),
        ("silent where asked", silent_where_asked, 1234, "n=1000 n=999 -"),
        ("silent group of two", silent_group_of_two, 1234, "n=1000 n=999 -"),
        ("silent, knows last", silent_and_knows_last, 1000, "n=1000 n=999 - n=1000&last=9-develop"),
        ("silent, knows last", silent_and_knows_last, 50, "n=1000 n=49 - n=1000&last=9-develop"),
        ("refuses a thousand", refuses_a_thousand, 100, "n=1000 - n=99"),
    ] {
        let all = many(count);
        let fake = Fake::start(move |asked| {
            if asked.line.contains("/tags/list") { registry(&all, asked) } else { honest(&["9-develop"], asked) }
        });
        let fake = fake.await;
        assert_eq!(tags(&fake.url()).await.expect(name), ["9-develop"], "{name}, {count}");
        let seen = fake.take();
        let lists = seen.iter().filter(|line| line.contains("/tags/list"));
        let lists: Vec<_> = lists.map(|line| line.split_once('?').map_or("-", |(_, query)| query)).collect();
        assert_eq!(lists.join(" "), asked, "{name}, {count}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_may_be_cut_is_refused() {
    let registries = [
        (1000, 1001, true),
        (1000, 1000, false),
        (1000, 2000, false),
        (50, 60, true),
        (137, 138, true),
        (37, 900, true),
    ];
    for (most, count, knows_last) in registries {
        let all = many(count);
        let fake = Fake::start(move |asked| {
            let last = query(asked, "last").filter(|_| knows_last);
            let start = last.and_then(|last| all.iter().position(|tag| tag == last)).map_or(0, |at| at + 1);
            let n = query(asked, "n").map_or(most, |n| n.parse::<usize>().unwrap().min(most));
            list(&all[start..all.len().min(start + n)], None)
        });
        let fake = fake.await;
        let error = tags(&fake.url()).await.unwrap_err().to_string();
        let task = format!("failed to list the tags of repository 'web' of registry 127.0.0.1:{}", fake.port);
        let why = format!("the registry cuts its lists without saying so, and {most} tags came: there may be more");
        let advice = "Give the address of a registry that lists them all, not that of a group of repositories";
        assert_eq!(error, format!("{task}: {why}. {advice}"), "{count}");
        let sandbox = Sandbox::new(&fake.url());
        let output = sandbox.run("get --repo=web --env=develop").await;
        assert_eq!(
            output,
            Output { code: 1, stdout: String::new(), stderr: format!("rollback_service error: {error}\n") },
            "{count}"
        );
    }
}

/// The program against the embedded registry, as a group of repositories was seen: a thousand tags of features come
/// before the newest of `develop`.
#[tokio::test(flavor = "multi_thread")]
async fn the_newest_images_are_found_behind_a_thousand_others() {
    let settings = Settings { silent: true, ..Settings::default() };
    let registry = firebreak::drill::registry::Registry::start(settings, &Faults::default(), &Log::default()).await;
    let registry = registry.expect("a registry");
    let images = registry.images();
    let image = |tag: &str, day: u32| {
        Description::new("web", tag, Format::Oci).created(format!("2026-{:02}-{:02}T08:00:00Z", day / 100, day % 100))
    };
    let feature = images.put(&image("1.0000.0-feature", 901));
    for number in 1..1000 {
        images.tag("web", &format!("1.{number:04}.0-feature"), &feature);
    }
    for (tag, day) in
        [("0.9.0-develop", 601), ("2.1.0-develop", 1118), ("2.2.0-develop", 1119), ("2.3.0-develop", 1120)]
    {
        images.put(&image(tag, day));
    }
    let sandbox = Sandbox::new(&format!("http://{}", registry.address()));
    let output = sandbox.run("get --repo=web --env=develop").await;
    let table = [
        "date        web",
        "2026-11-20  2.3.0-develop",
        "2026-11-19  2.2.0-develop",
        "2026-11-18  2.1.0-develop",
        "2026-06-01  0.9.0-develop",
    ];
    let stdout = format!("{}\n\n4 dates, the newest 2026-11-20; written to ./rollback.json\n", table.join("\n"));
    assert_eq!(output, Output { code: 0, stdout, stderr: String::new() });
}
