//! Cases of Catcher's own tests, each as Catcher itself was seen to end it. They lie beside the checkout, if at all.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

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

#[test]
fn cases_of_modules_that_are_not_here_are_refused_by_name_before_anything_runs() {
    let Some((folder, cases)) = cases("modules that are not here are refused by name") else { return };
    let mut refused = 0;
    for case in cases.iter().filter(|case| !is_core(case) && !is_of_objects(case)) {
        let place = super::Place::with(&[(
            "main.yaml",
            &std::fs::read_to_string(folder.join(case["file"].as_str().expect("a file"))).expect("a case"),
        )]);
        let (code, report) = place.report("get main.yaml");
        let said = report["problems"].to_string();
        assert!(code == 2 && said.contains("no module of this name yet; modules: check, "), "{code} {report}");
        refused += 1;
    }
    assert_eq!(refused, 11);
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
