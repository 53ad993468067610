//! From a URL to a place, or to what is wrong with it.

use std::path::Path;

use firebreak::journal::lock::Holder;

use super::*;
use crate::support::program::PROGRAM;
use crate::support::tls::{SelfSigned, TlsServer};

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
    let why = "failed to read the kubeconfig: KUBECONFIG names no file that is there: ";
    assert!(unread.contains(&format!("{why}{}", nowhere.display())), "{unread}");
    std::fs::create_dir(home.path().join(".kube")).expect("a folder");
    std::fs::write(&config, "contexts: [").expect("a file");
    let why = "it is not as a kubeconfig must be: `kubectl config view` says where";
    assert!(said(home.path(), None).contains(&format!("failed to read the kubeconfig: {why}")));
    let named = format!("failed to read the kubeconfig: {}: {why}", config.display());
    assert!(said(home.path(), Some(&config)).contains(&named));
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

/// As kubectl reads it: a list in which the first that sets something wins, and what is missing is passed over.
#[test]
fn a_list_of_kubeconfigs_is_read_as_kubectl_reads_it() {
    let home = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = home.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let context = |name: &str, of: &str| json!({"name": name, "context": {"cluster": of, "user": of}});
    let one =
        json!({"apiVersion": "v1", "kind": "Config", "current-context": "", "contexts": [context("both", "one")]});
    let two = json!({
        "kind": "Config", "apiVersion": "v1", "current-context": "both", "contexts": [context("both", "two"), context("two", "two")],
        "clusters": [{"name": "two", "cluster": {"server": "https://127.0.0.1:2"}}],
    });
    let three = "current-context: two\nclusters:\n- name: one\n  cluster:\n    server: https://127.0.0.1:3\nusers: [{name: one, user: {}}]\n";
    let tabs = serde_json::to_string_pretty(&one).expect("JSON").replace("  ", "\t");
    let list = [
        home.path().join("missing").display().to_string(),
        file("one/config.json", &tabs),
        String::new(),
        file("two.json", &two.to_string()),
        home.path().join("two/missing").display().to_string(),
        file("three", three),
    ];
    let list = list.join(":");
    let kubectl = |words: &[&str]| {
        let mut command = Command::new(Kubernetes::program("kubectl"));
        let output = command.args(words).env_clear().env("HOME", home.path()).env("KUBECONFIG", &list).output();
        let output = output.expect("kubectl");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("a text").trim().to_owned()
    };
    let contexts = kubectl(&["config", "get-contexts", "--output=name"]).replace('\n', ", ");
    let current = kubectl(&["config", "current-context"]);
    let server = kubectl(&["config", "view", "--minify", "--output=jsonpath={.clusters[0].cluster.server}"]);
    assert_eq!((&*contexts, &*current, &*server), ("both, two", "both", "https://127.0.0.1:3"));

    let ours = |url: &str| {
        let mut command = Command::new(PROGRAM);
        command.args(["undo", "--env=dev", "--yes", &format!("--platform={url}")]).env_clear();
        let output = command.env("HOME", home.path()).env("KUBECONFIG", &list).output().expect("the program");
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8(text).expect("a text")
    };
    let unknown = ours("kubernetes://prod/shop");
    assert!(unknown.contains(&format!("the kubeconfig has no context 'prod': it has {contexts}")), "{unknown}");
    let place =
        format!("no run changed 'dev' on kubernetes://{current}/shop ({})", server.trim_start_matches("https://"));
    let known = ours("kubernetes:///shop");
    assert!(known.contains(&place), "{known}");
}

/// Files beside the kubeconfig, a newline behind the token, and what is empty, against a real server.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_read_as_kubectl_reads_them() {
    let kubernetes = Kubernetes::start().await;
    billing(&kubernetes, json!({})).await;
    let view = |raw: &str| {
        let mut command = Command::new(Kubernetes::program("kubectl"));
        let path = format!("--output=jsonpath={raw}");
        let output =
            command.args(["config", "view", "--raw", &path, "--kubeconfig"]).arg(kubernetes.kubeconfig()).output();
        String::from_utf8(output.expect("kubectl").stdout).expect("a text")
    };
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("pki")).expect("a folder");
    let token = view("{.users[?(@.name==\"admin\")].user.token}");
    std::fs::write(folder.path().join("token"), format!("{token}\n")).expect("a token");
    let authority = view("{.clusters[0].cluster.certificate-authority}");
    let (authority, data) = if authority.is_empty() {
        let data = view("{.clusters[0].cluster.certificate-authority-data}");
        (base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &data).expect("a certificate"), data)
    } else {
        let bytes = std::fs::read(authority).expect("a certificate");
        let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &bytes);
        (bytes, data)
    };
    std::fs::write(folder.path().join("pki/ca.pem"), &authority).expect("a certificate");
    // base64 in lines, as some tools write it.
    let lines = data.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("base64"));
    let lines = lines.collect::<Vec<_>>().join("\n");
    for (cluster, user) in [
        (json!({"certificate-authority": "pki/ca.pem"}), json!({"tokenFile": "token"})),
        (
            json!({"certificate-authority": "", "certificate-authority-data": lines, "tls-server-name": ""}),
            json!({"token": "", "username": "", "tokenFile": "token", "client-certificate": "", "as": ""}),
        ),
        (
            json!({"certificate-authority": "pki/ca.pem", "certificate-authority-data": ""}),
            json!({"token": "an-old-one", "tokenFile": "token"}),
        ),
    ] {
        let mut cluster = cluster;
        cluster["server"] = kubernetes.server().into();
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c", "preferences": {},
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": cluster}], "users": [{"name": "u", "user": user}],
        });
        let path = folder.path().join("config");
        std::fs::write(&path, text.to_string()).expect("a kubeconfig");
        let mut asked = Command::new(Kubernetes::program("kubectl"));
        asked.args(["get", "deployments", "--output=name", "--namespace", &kubernetes.namespace, "--kubeconfig"]);
        let asked = asked.arg(&path).output().expect("kubectl");
        assert_eq!(String::from_utf8_lossy(&asked.stdout), "deployment.apps/billing\n", "{asked:?}");
        let url = format!("kubernetes:///{}?kubeconfig={}", kubernetes.namespace, path.display());
        let found = platform(&url).await.applications("dev").await.expect("applications");
        assert_eq!(found.iter().map(|one| &*one.service).collect::<Vec<_>>(), ["billing"], "{text}");
    }
}

#[test]
fn a_program_that_gives_no_login_is_named_with_what_it_printed_last() {
    let home = tempfile::tempdir().expect("a folder");
    let path = home.path().join("config");
    let with = |exec: Value| {
        let mut exec = exec;
        exec["apiVersion"] = "client.authentication.k8s.io/v1".into();
        let text = json!({
            "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
            "users": [{"name": "u", "user": {"exec": exec}}],
        });
        std::fs::write(&path, text.to_string()).expect("a kubeconfig");
        said(home.path(), Some(&path))
    };
    let begin = "rollback_service error: failed to set up the client of Kubernetes: the program";
    let names = "which the kubeconfig names for the login,";
    let missing = json!({"command": "no-such-login", "installHint": "Get it by:\n  pip install no-such-login"});
    let why = "cannot be started: No such file or directory (os error 2) (Get it by:)";
    assert_eq!(with(missing).lines().next(), Some(&*format!("{begin} 'no-such-login', {names} {why}")));
    let script = "echo first >&2; echo 'The SSO session has expired: run `aws sso login`' >&2; exit 3";
    let failing = json!({"command": "sh", "args": ["-c", script], "env": null});
    let why = "failed (exit status: 3): The SSO session has expired: run `aws sso login`";
    assert_eq!(with(failing).lines().next(), Some(&*format!("{begin} 'sh', {names} {why}")));
    let mute = json!({"command": "true"});
    assert_eq!(with(mute).lines().next(), Some(&*format!("{begin} 'true', {names} printed no login")));
}

/// As kubectl does: whoever names the very certificate of a server as the `certificate-authority` trusts it, for its own name.
#[tokio::test(flavor = "multi_thread")]
async fn a_servers_own_certificate_is_believed_where_the_kubeconfig_names_it() {
    let answer = |_: &str| (200, "content-type: application/json\r\n".to_owned(), json!({ "items": [] }).to_string());
    let own = SelfSigned::of("127.0.0.1", 2999);
    let (other, elsewhere) = (SelfSigned::of("127.0.0.1", 2999), SelfSigned::of("kubernetes.example", 2999));
    let looked = async |server: &TlsServer, named: &SelfSigned| {
        let folder = tempfile::tempdir().expect("a folder");
        let kubeconfig = folder.path().join("config");
        let cluster =
            json!({ "server": format!("https://127.0.0.1:{}", server.port), "certificate-authority": named.file });
        let text = json!({
            "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c"}}],
            "clusters": [{"name": "c", "cluster": cluster}],
        });
        std::fs::write(&kubeconfig, text.to_string()).expect("a kubeconfig");
        let platform = platform(&format!("kubernetes:///shop?kubeconfig={}", kubeconfig.display())).await;
        platform.applications("dev").await.map_err(|error| format!("{error:#}"))
    };
    let server = TlsServer::start(&own, answer);
    assert_eq!(looked(&server, &own).await, Ok(Vec::new()));
    server.take();
    let refused = looked(&server, &other).await.expect_err("another certificate");
    let why = "(CaUsedAsEndEntity): where it is known to be the right one, it can be named as the certificate-authority of the \
               cluster in the kubeconfig";
    assert!(refused.contains(why), "{refused}");
    let server = TlsServer::start(&elsewhere, answer);
    let refused = looked(&server, &elsewhere).await.expect_err("another name");
    assert!(refused.contains("certificate not valid for name \"127.0.0.1\""), "{refused}");
    assert!(server.take().is_empty());
}
