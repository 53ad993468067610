//! The step `s3` against a real server of S3.

use super::{Place, fails, passes, verdict};
use crate::support::s3::Bucket;

/// A test with these steps, in which the account is `s3`.
fn with(bucket: &Bucket, steps: &[String]) -> String {
    let conf = format!("{{url: '{}', key_id: key, secret_key: hunter2secret, region: us-east-1}}", bucket.endpoint());
    format!("variables: {{s3: {conf}, deep: {{a: 1, b: [2]}}}}\nsteps:\n  - {}\n", steps.join("\n  - "))
}

fn step(command: &str, path: &str, more: &str) -> String {
    format!("s3: {{{command}: {{config: '{{{{ s3 }}}}', path: '{path}'{more}}}, register: {{x: '{{{{ OUTPUT }}}}'}}}}")
}

fn is(expected: &str) -> String {
    format!("check: {{equals: {{the: '{{{{ x }}}}', is: {expected}}}}}")
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_put_into_a_bucket_that_is_made_got_listed_and_deleted_as_named() {
    let server = Bucket::new().await;
    let name = format!("{}-made", server.name);
    let path = |rest: &str| format!("/{name}{rest}");
    let put = |rest: &str, content: &str| step("put", &path(rest), &format!(", content: {content}"));
    let steps = [
        put("/dir/a.csv", "\"id,name\\n1,Ann\\n\""),
        step("get", &path("/dir/a.csv"), ""),
        is("\"id,name\\n1,Ann\\n\""),
        put("/dir/deep/b.json", "'{{ deep }}'"),
        step("get", &format!("{name}/dir/deep/b.json"), ""),
        is("'{{ deep }}'"),
        put("/dir2/c", "1234"),
        put("/dir", "'007'"),
        step("get", &path("/dir"), ""),
        is("'007'"),
        put("/dir", "''"),
        step("get", &path("/dir"), ""),
        is("''"),
        step("list", &format!("/{name}"), ""),
        is("[dir, dir/a.csv, dir/deep/b.json, dir2/c]"),
        step("list", &path("/dir"), ""),
        is("[dir, dir/a.csv, dir/deep/b.json]"),
        step("list", &path("/dir/"), ""),
        is("[dir/a.csv, dir/deep/b.json]"),
        step("list", &path("/none"), ""),
        is("[]"),
        // The object of that name alone, and then all below it; what only begins like it stays.
        step("delete", &path("/dir"), ""),
        step("list", &format!("/{name}"), ""),
        is("[dir/a.csv, dir/deep/b.json, dir2/c]"),
        step("delete", &path("/dir/"), ""),
        step("delete", &path("/dir/"), ""),
        step("list", &format!("/{name}"), ""),
        is("[dir2/c]"),
        put("/dir2/deep/d", "x"),
        step("delete", &path("/dir2"), ", recursive: true"),
        step("delete", &format!("/{name}"), ""),
        step("delete", &format!("/{name}"), ""),
    ];
    passes(&with(&server, &steps));
    fails(&with(&server, &[step("list", &format!("/{name}"), "")]), "NoSuchBucket");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_fails_and_what_was_not_named_is_not_deleted() {
    let server = Bucket::new().await;
    let name = &server.name;
    passes(&with(
        &server,
        &[step("put", &format!("/{name}/dir/a"), ", content: x"), step("put", &format!("/{name}/b"), ", content: y")],
    ));
    let one = |step: String| with(&server, &[step]);
    fails(
        &one(step("get", &format!("/{name}/dir"), "")),
        &format!("there is no object 'dir' in the bucket '{name}' (s3, main.yaml:3:5)"),
    );
    fails(&one(step("get", &format!("/{name}-none/a"), "")), "NoSuchBucket");
    let why = format!(
        "there is no object 'dir' in the bucket '{name}', and nothing was deleted: below '/{name}/dir/' is 1 object: write `recursive: true`"
    );
    fails(&one(step("delete", &format!("/{name}/dir"), "")), &why);
    fails(
        &one(step("delete", &format!("/{name}"), "")),
        &format!("the bucket '{name}' is not empty, and nothing was deleted: below '/{name}/' is 2 objects"),
    );
    assert_eq!(
        (server.content("dir/a").await.as_deref(), server.content("b").await.as_deref()),
        (Some(&b"x"[..]), Some(&b"y"[..]))
    );
    fails(&one(step("put", &format!("/{name}/../x"), ", content: x")), "'../x' is no name of an object");
    fails(&one(step("put", &format!("/{name}/x"), "")), "one of `content` and `content_resource` is expected");
    fails(&one("s3: {get: {config: {key_id: k}, path: /a/b}}".to_owned()), "`config` needs `secret_key`");
    passes(&one(step("delete", &format!("/{name}"), ", recursive: true")));
    // A bucket that a test asks for before it is there is waited for as anything else.
    let late = Bucket::new().await;
    let text = with(
        &late,
        &[
            "sh: touch begun".to_owned(),
            format!(
                "s3: {{get: {{config: '{{{{ s3 }}}}', path: /{}/late}}, until: {{timeout: 60, pause: 0.1, factor: 1}}}}",
                late.name
            ),
        ],
    );
    let place = Place::with(&[("main.yaml", &text)]);
    let child = place.command("run main.yaml").spawn().expect("the program starts");
    super::await_file(&place.path("begun"));
    passes(&with(&late, &[step("put", &format!("/{}/late", late.name), ", content: now")]));
    let ended = super::Ended::of(child.wait_with_output().expect("the program ends"));
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[test]
fn a_store_that_is_not_there_is_unreachable() {
    let config = "{url: 'http://127.0.0.1:1', key_id: key, secret_key: hunter2secret}";
    for step in [
        "get: {config: C, path: /a/b}",
        "put: {config: C, path: /a/b, content: hunter2secret}",
        "list: {config: C, path: /a}",
        "delete: {config: C, path: /a/b}",
    ] {
        let (code, why) = verdict(&format!("steps: [{{s3: {{{}}}}}]", step.replace('C', config)));
        assert!(code == 5 && why.starts_with("s3://a/: ") && !why.contains("hunter2"), "{code} {why}");
    }
}
