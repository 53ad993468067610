//! Cases of Catcher's own tests, each as Catcher itself was seen to end it. They lie beside the checkout, if at all.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::databases::Base;
use super::{Ended, PROGRAM};
use crate::support::need;
use crate::support::s3::Bucket;

/// The folder of the cases. None: they are not here, and `case` is left out.
fn cases(case: &str) -> Option<(PathBuf, Vec<Value>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/compat/catcher");
    let Ok(text) = std::fs::read_to_string(folder.join("manifest.json")) else {
        let _ = writeln!(std::io::stderr(), "left out, for {} is not here: {case}", folder.display());
        return None;
    };
    let cases: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    assert_eq!(cases.len(), 52);
    Some((folder, cases))
}

fn is_core(case: &Value) -> bool {
    case["needs"] == "none" || case["needs"] == "http"
}

fn is_of_objects(case: &Value) -> bool {
    case["needs"] == "s3"
}

#[test]
fn the_cases_of_the_core_end_as_catcher_ends_them() {
    let Some((folder, cases)) = cases("the cases of the core end as Catcher ends them") else { return };
    let names: Vec<&str> = cases.iter().filter(|case| is_core(case)).filter_map(|case| case["name"].as_str()).collect();
    assert_eq!(names.len(), 38);
    let state = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(need("python3", "python3"));
    command.arg(folder.join("run.py")).args(["--only", &format!("^({})$", names.join("|"))]);
    command.args(["--", PROGRAM, "run"]).env("XDG_STATE_HOME", state.path());
    let ended = Ended::of(command.output().expect("Python runs"));
    assert_eq!(ended.stdout, "38/38 ok, 0 skipped\n", "{}", ended.stderr);
}

/// The databases that the cases of one kind speak to.
const DATABASES: [&str; 3] = ["postgres", "mysql", "sqlite"];

#[tokio::test(flavor = "multi_thread")]
async fn the_cases_of_databases_end_as_catcher_ends_them() {
    let Some((folder, cases)) = cases("the cases of databases end as Catcher ends them") else { return };
    let mut ran = 0;
    for case in cases.iter().filter(|case| DATABASES.contains(&case["needs"].as_str().unwrap_or_default())) {
        let base = match case["needs"].as_str() {
            Some("postgres") => Base::postgres().await,
            Some("mysql") => Base::mysql().await,
            _ => Base::sqlite(),
        };
        ran += 1;
        case_of_a_database(&folder, case, &base).await;
    }
    assert_eq!(ran, 11);
}

async fn case_of_a_database(folder: &Path, case: &Value, base: &Base) {
    let text = |name: &Value| name.as_str().map(str::to_owned);
    let texts = |list: &Value| list.as_array().into_iter().flatten().filter_map(text).collect::<Vec<_>>();
    let (host, user, name) = base.account().await;
    let port = host.rsplit_once(':').map_or("", |(_, port)| port);
    // The databases of the cases have a place of their own; here each case has a database of its own.
    let moved = |file: &Path| {
        let said = std::fs::read_to_string(file).expect("a file of a case");
        let (of, here) = if base.engine == "mysql" {
            ("root:test@localhost:3307/test", "3307")
        } else {
            ("test:test@localhost:5433/test", "5433")
        };
        let old = if base.engine == "mysql" { "user: root" } else { "user: test" };
        let said =
            said.replace(of, &format!("{user}:test@{host}/{name}")).replace("dbname: test", &format!("dbname: {name}"));
        said.replace(old, &format!("user: {user}")).replace(&format!("port: {here}"), &format!("port: {port}"))
    };
    let place = super::Place::with(&[("resources/none", "")]);
    place.write("main.yaml", &moved(&folder.join(case["file"].as_str().expect("a file"))));
    for extra in texts(&case["extra_files"]) {
        place.write(&extra, &moved(&folder.join(case["extra_dir"].as_str().expect("a folder")).join(&extra)));
    }
    for statement in texts(&case["setup_sql"]) {
        base.run(&statement).await;
    }
    if base.engine == "sqlite" {
        let connection = rusqlite::Connection::open(place.path("test.db")).expect("a database");
        for statement in texts(&case["setup_sqlite"]) {
            connection.execute_batch(&statement).expect(&statement);
        }
    }
    for _ in 0..case["repeat"].as_u64().unwrap_or(1) {
        let ended = place.run(&format!("run {} main.yaml", texts(&case["args"]).join(" ")));
        let verdict = if ended.code == 0 { "pass" } else { "fail" };
        assert!(case["expect"] == verdict && ended.code < 2, "{}: {ended:?}", case["name"]);
    }
    for check in case["checks"]["sql_after"].as_array().into_iter().flatten() {
        let lines = base.lines(check[0].as_str().expect("a statement")).await;
        assert_eq!(check[1], lines.join("\n"), "{}", case["name"]);
    }
    for check in case["checks"]["sqlite_after"].as_array().into_iter().flatten() {
        let connection = rusqlite::Connection::open(place.path("test.db")).expect("a database");
        let count: String = connection
            .query_row(
                &format!(
                    "SELECT group_concat(id || '|' || num, char(10)) FROM ({})",
                    check[0].as_str().expect("a statement")
                ),
                [],
                |row| row.get(0),
            )
            .expect("rows");
        assert_eq!(check[1], count, "{}", case["name"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cases_of_objects_end_as_catcher_ends_them() {
    let Some((folder, cases)) = cases("the cases of S3 end as Catcher ends them") else { return };
    let mut ended = 0;
    for case in cases.iter().filter(|case| is_of_objects(case)) {
        let bucket = Bucket::new().await;
        let text = std::fs::read_to_string(folder.join(case["file"].as_str().expect("a file"))).expect("a case");
        // The bucket of the case is one of its own, where this test's server listens.
        let text =
            text.replace("http://127.0.0.1:9001", &bucket.endpoint()).replace("/foo/", &format!("/{}/", bucket.name));
        let objects = |member: &Value| -> Vec<(String, String)> {
            let key = |name: &String| name.strip_prefix("foo/").expect("an object of the bucket").to_owned();
            let members = member.as_object().into_iter().flatten();
            members.map(|(name, content)| (key(name), content.as_str().expect("a text").to_owned())).collect()
        };
        for (key, content) in objects(&case["s3_setup"]) {
            bucket.put(&key, &content).await;
        }
        let place = super::Place::with(&[("main.yaml", &text)]);
        let run = place.run("run main.yaml");
        assert_eq!((run.code, case["expect"].as_str()), (0, Some("pass")), "{run:?}");
        for (key, content) in objects(&case["checks"]["s3_after"]) {
            assert_eq!(bucket.content(&key).await, Some(content.into_bytes()), "{key}");
        }
        for key in case["checks"]["s3_absent"].as_array().into_iter().flatten() {
            let key = key.as_str().and_then(|key| key.strip_prefix("foo/")).expect("an object");
            assert_eq!(bucket.content(key).await, None, "{key}");
        }
        ended += 1;
    }
    assert_eq!(ended, 3);
}
