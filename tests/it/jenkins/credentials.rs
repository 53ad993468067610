//! Credentials that Jenkins does not have: a part that needs no password has none.

use serde_json::{Value, json};

use super::{build, calls, lines, run, run_in, said};

#[test]
fn a_secret_without_a_credential_is_left_out_and_named() {
    let mut one = build("dev", "");
    one["credentials"] = json!({ "firebreak-dev-registry-pwd": "Secret text", "firebreak-prod-pwd": "Secret text" });
    let mut none = build("dev", "");
    none["credentials"] = json!({});
    let mut of_another_kind = build("dev", "");
    of_another_kind["credentials"]["firebreak-dev-registry-pwd"] = json!("Username with password");
    let builds = run(&json!([one, none, of_another_kind]));
    let [one, none, of_another_kind] = builds.as_slice() else { panic!("as many answers as builds") };
    let missing = |name: &str| format!("Could not find credentials entry with ID 'firebreak-dev-{name}': left out.");
    let environments =
        |build| calls(build, "ansiblePlaybook").iter().map(|play| play["env"].clone()).collect::<Vec<_>>();

    assert_eq!((&one["findings"], &one["result"]), (&json!([]), &json!("SUCCESS")), "{one:#}");
    let secret = "secret-of-firebreak-dev-registry-pwd";
    assert_eq!(
        environments(one),
        [
            json!({ "FIREBREAK_REGISTRY_PWD": secret }),
            json!({ "FIREBREAK_REGISTRY_PWD": secret }),
            json!({ "FIREBREAK_REGISTRY_PWD": secret, "FIREBREAK_APPROVER": "bert" }),
        ]
    );
    let done = "done: All services are at 2026-11-19.";
    assert_eq!(
        said(one),
        [&missing("pwd"), &missing("slack"), &missing("pwd"), &missing("slack"), &missing("pwd"), done]
    );

    assert_eq!((&none["findings"], &none["result"]), (&json!([]), &json!("SUCCESS")), "{none:#}");
    assert_eq!(environments(none), [json!({}), json!({}), json!({ "FIREBREAK_APPROVER": "bert" })]);

    // Somebody made it, so somebody means it to be used.
    assert_eq!((&of_another_kind["findings"], &of_another_kind["result"]), (&json!([]), &json!("FAILURE")));
    assert_eq!(
        of_another_kind["error"],
        "Credentials 'firebreak-dev-registry-pwd' is of type 'Username with password' where \
         'org.jenkinsci.plugins.plaincredentials.StringCredentials' was expected"
    );
    assert_eq!(calls(of_another_kind, "ansiblePlaybook"), Vec::<&Value>::new(), "{:?}", lines(of_another_kind));
}

/// The harness is as strict as Jenkins: who only asks for what is not there has a build that fails.
#[test]
fn a_credential_that_is_not_there_fails_a_build_that_does_not_provide_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipeline = |environment: &str, steps: &str| {
        format!(
            "pipeline {{\n agent any\n stages {{\n stage('One') {{\n {environment}\n steps {{\n {steps}\n }}\n }}\n }}\n}}\n"
        )
    };
    let binding = "string(variable: 'PWD_DEV', credentialsId: 'firebreak-dev-pwd')";
    let files = [
        ("environment", pipeline("environment { PWD_DEV = credentials('firebreak-dev-pwd') }", "echo 'one'")),
        ("step", pipeline("", &format!("withCredentials([{binding}]) {{ echo 'one' }}"))),
    ];
    for (name, text) in &files {
        std::fs::write(folder.path().join(name), text).expect("a pipeline");
    }
    let there = json!({ "firebreak-dev-pwd": "Secret text" });
    for (name, _) in &files {
        let builds = run_in(
            folder.path(),
            &json!([{ "file": name, "credentials": there }, { "file": name, "credentials": {} }, { "file": name }]),
        );
        assert_eq!((&builds[0]["findings"], &builds[0]["result"]), (&json!([]), &json!("SUCCESS")), "{name}");
        assert_eq!(said(&builds[0]), ["one"], "{name}");
        for build in &builds[1..] {
            assert_eq!((&build["findings"], &build["result"]), (&json!([]), &json!("FAILURE")), "{name}");
            assert_eq!(build["error"], "Could not find credentials entry with ID 'firebreak-dev-pwd'", "{name}");
            assert_eq!(said(build), Vec::<&str>::new(), "{name}");
        }
    }
}
