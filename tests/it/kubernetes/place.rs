//! From a URL to a place, or to what is wrong with it.

use std::path::Path;

use firebreak::journal::lock::Holder;

use super::*;
use crate::support::program::PROGRAM;

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_not_there_is_named() {
    let kubernetes = Kubernetes::start().await;
    let kubeconfig = kubernetes.kubeconfig();
    let kubeconfig = kubeconfig.display();
    let http = http::client(&Trust::default()).expect("a client");
    let error = async |url: &str| {
        let platform = connect(&url.into(), "dev", access(http.clone(), None, None)).await;
        match platform {
            Ok(platform) => format!("{:#}", platform.applications("dev").await.expect_err("nothing there")),
            Err(error) => format!("{error:#}"),
        }
    };
    assert_eq!(
        error(&format!("kubernetes://prod/shop?kubeconfig={kubeconfig}")).await,
        "the kubeconfig has no context 'prod': it has admin, reader"
    );
    // Without a namespace it is the environment's, on the current context.
    assert_eq!(
        error(&format!("kubernetes://?kubeconfig={kubeconfig}")).await,
        format!(
            "there is no namespace 'dev' at kubernetes://admin/dev ({}): name it in the URL",
            kubernetes.server().trim_start_matches("https://")
        )
    );
    let unread = error("kubernetes://prod/shop?kubeconfig=/nowhere/config").await;
    assert!(unread.starts_with("failed to read the kubeconfig: ") && unread.contains("/nowhere/config"), "{unread}");
    let gone = kubernetes.kubeconfig_by("http://127.0.0.1:1");
    let unreached = error(&format!("kubernetes:///shop?kubeconfig={}", gone.display())).await;
    let said =
        unreached.strip_prefix("failed to list the ").and_then(|rest| rest.split_once(' ')).map(|(_, rest)| rest);
    let why = "client error (Connect): tcp connect error: Connection refused (os error 111)";
    assert_eq!(
        said,
        Some(&*format!("at kubernetes://admin/shop (127.0.0.1:1): failed to reach Kubernetes: {why}")),
        "{unreached}"
    );
}

#[test]
fn a_user_that_would_be_passed_over_is_refused() {
    for command in ["get --repo=billing --registry=http://127.0.0.1:1", "run", "undo", "resume"] {
        let words = format!("{command} --env=dev --user=ann --platform=kubernetes://prod/shop");
        let output = Command::new(PROGRAM).args(words.split(' ')).env_clear().output().expect("the program");
        assert_eq!(output.status.code(), Some(2), "{words}");
        let said = String::from_utf8(output.stderr).expect("a text");
        let why = "--user: 'ann' would be passed over at kubernetes://prod/shop: the kubeconfig says who you are there";
        assert!(said.contains(why), "{said}");
    }
}

/// What the program says of the current context, where a kubeconfig is as this home and this variable say.
fn said(home: &Path, kubeconfig: Option<&Path>) -> String {
    let mut command = Command::new(PROGRAM);
    command.args(["undo", "--env=dev", "--yes", "--platform=kubernetes:///shop"]).env_clear().env("HOME", home);
    // Within a pod these are set. What else is there in one is not here, so that is what it would miss.
    command.env("KUBERNETES_SERVICE_HOST", "127.0.0.1").env("KUBERNETES_SERVICE_PORT", "1");
    if let Some(path) = kubeconfig {
        command.env("KUBECONFIG", path);
    }
    let output = command.output().expect("the program");
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).expect("a text")
}

#[test]
fn only_where_nobody_named_a_kubeconfig_and_there_is_none_it_is_the_clusters_own() {
    let home = tempfile::tempdir().expect("a folder");
    let config = home.path().join(".kube/config");
    let own = "no cluster is known: there is no kubeconfig, and this is no pod (";
    assert!(said(home.path(), None).contains(own));
    assert!(said(home.path(), Some(Path::new(""))).contains(own), "an empty variable names none");

    let nowhere = home.path().join("nowhere");
    let unread = said(home.path(), Some(&nowhere));
    assert!(unread.contains("failed to read the kubeconfig: ") && unread.contains("nowhere"), "{unread}");
    std::fs::create_dir(home.path().join(".kube")).expect("a folder");
    std::fs::write(&config, "contexts: [").expect("a file");
    let why = "failed to read the kubeconfig: it is not as a kubeconfig must be";
    assert!(said(home.path(), None).contains(why));
    assert!(said(home.path(), Some(&config)).contains(why));
    std::fs::write(&config, "apiVersion: v1\nkind: Config\n").expect("a file");
    let why = "the kubeconfig has no current context: name one in the URL; it has none";
    assert!(said(home.path(), None).contains(why));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_that_is_there_to_be_applied_is_enough() {
    let kubernetes = Kubernetes::start().await;
    set(&kubernetes).await;
    kubernetes.set_image("statefulsets/ledger", "ledger", "r:5000/team/ledger:2-sick-dev").await;
    kubernetes.until("statefulsets/ledger", |object| object["status"]["readyReplicas"] == 1).await;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("share/kubernetes/role.yml");
    let mut read = Command::new(Kubernetes::program("kubectl"));
    read.args(["create", "--dry-run=client", "--output=json"]).arg("--kubeconfig").arg(kubernetes.kubeconfig());
    let role = read.arg("--filename").arg(file).output().expect("kubectl");
    assert!(role.status.success(), "{}", String::from_utf8_lossy(&role.stderr));
    let role: Value = serde_json::from_slice(&role.stdout).expect("a Role");
    kubernetes.let_reader(&role["rules"]).await;

    let platform = platform(&kubernetes.url_as("reader")).await;
    let planned = changes(&*platform, "dev", &TARGETS).await;
    let applications: Vec<_> = planned.iter().map(|change| change.application.clone()).collect();
    platform.history(&applications).await.expect("what ran");
    let holder = Holder { run: "7-abc".to_owned(), who: "ann on ops1".to_owned(), since: chrono::Utc::now() };
    platform.lock("dev", &holder).await.expect("the lock");
    let tale = Tale::default();
    platform.deploy(&planned, LIMIT, &tale).await.expect("a deployment, with a pod that was in its way");
    assert_eq!(look(&*platform, &planned).await, [Target, Target, Target]);
    platform.go_back(&planned[..1], LIMIT, &tale).await.expect("the way back");
    platform.unlock("dev", &holder).await.expect("to unlock");
    assert_eq!(tale.warnings(), [""; 0]);
}
