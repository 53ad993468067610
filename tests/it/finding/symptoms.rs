//! `firebreak find` in this repository itself: what people say when production burns, and what nobody here mends.

use std::path::Path;

use serde_json::Value;

use super::{report, run, texts};

fn found(words: &str) -> (i32, Vec<Value>) {
    let output = run(Path::new(env!("CARGO_MANIFEST_DIR")), &["find", words, "--format=json"]);
    (output.code, report(&output)["roles"].as_array().expect("a list").clone())
}

#[test]
fn the_words_of_a_night_lead_to_the_rollback() {
    for (weak, asked) in [
        (false, "CrashLoopBackOff"),
        (false, "pods in CrashLoopBackOff"),
        (false, "ImagePullBackOff"),
        (false, "OOMKilled"),
        (false, "crash loop"),
        (false, "evicted"),
        (false, "pod evicted"),
        (false, "CreateContainerConfigError"),
        (false, "RunContainerError"),
        (false, "back-off restarting"),
        (false, "Back-off restarting failed container"),
        (false, "502"),
        (false, "503 service unavailable"),
        (false, "since the deploy"),
        (false, "deployment failed"),
        (false, "yesterdays release is broken"),
        (true, "site down"),
        (true, "app is down"),
        (true, "the website is down!!"),
        (true, "502 from the load balancer in the data centre"),
    ] {
        let (code, roles) = found(asked);
        let names: Vec<_> = roles.iter().map(|role| (role["name"].as_str(), role["weak"].as_bool())).collect();
        assert_eq!((code, names.first()), (0, Some(&(Some("rollback_service"), Some(weak)))), "'{asked}'");
        assert!(names[1..].iter().all(|(_, weak)| *weak == Some(true)), "'{asked}': {names:?}");
    }
}

#[test]
fn what_no_role_here_mends_finds_none() {
    for asked in [
        "disk full",
        "no space left on device",
        "certificate expired",
        "users cannot log in",
        "my laptop is down",
        "the printer in the office is offline",
        "network unreachable",
        "password forgotten",
        "404",
        "coffee machine is broken",
    ] {
        let (code, roles) = found(asked);
        assert_eq!((code, roles), (1, Vec::new()), "'{asked}'");
    }
}

#[test]
fn a_hit_that_would_fit_every_trouble_says_so() {
    let output = run(&texts(), &["find", "site", "down"]);
    let expected = "\
roll_back: Roll back a set of services to a date
  why     site (symptoms), down (symptoms)
  weak    little of that says what is wrong: look before you act, or say more
  look    roll_back get --repo=<r> [options]
  look    ansible-playbook -i inventories/<environment> playbooks/roll_back.yml
  button  firebreak/roll_back
";
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output:?}");
    assert!(output.stdout.starts_with(expected), "{output:?}");
}
