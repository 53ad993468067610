//! Cases of Catcher's own tests, each as Catcher itself was seen to end it. They lie beside the checkout, if at all.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{Ended, PROGRAM};
use crate::support::need;

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
    for case in cases.iter().filter(|case| !is_core(case)) {
        let place = super::Place::with(&[(
            "main.yaml",
            &std::fs::read_to_string(folder.join(case["file"].as_str().expect("a file"))).expect("a case"),
        )]);
        let (code, report) = place.report("get main.yaml");
        let said = report["problems"].to_string();
        assert!(code == 2 && said.contains("no module of this name yet; modules: check, "), "{code} {report}");
        refused += 1;
    }
    assert_eq!(refused, 14);
}
