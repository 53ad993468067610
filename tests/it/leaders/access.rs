//! A cluster that lets in only who shows a certificate, and who has a password.

use std::path::{Path, PathBuf};

use firebreak::http::{self, Identity, Trust};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, IsCa, KeyPair};

use super::*;
use crate::support::etcd::Setup;
use crate::support::pty;

/// An authority, and what it signed, as files.
fn certificates(folder: &Path) -> [PathBuf; 7] {
    let mut parameters = CertificateParams::new(Vec::new()).expect("an authority");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority =
        CertifiedIssuer::self_signed(parameters, KeyPair::generate().expect("a key")).expect("an authority");
    let keep = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a file");
        path
    };
    let signed = |name: &str, host: &str| {
        let key = KeyPair::generate().expect("a key");
        let mut parameters = CertificateParams::new([host.to_owned()]).expect("a name");
        if name == "nameless" {
            parameters.distinguished_name = DistinguishedName::new();
        }
        let certificate = parameters.signed_by(&key, &authority).expect("a certificate");
        (keep(&format!("{name}.pem"), certificate.pem()), keep(&format!("{name}.key"), key.serialize_pem()))
    };
    let (server, server_key) = signed("server", "127.0.0.1");
    let (client, client_key) = signed("client", "ops.example");
    let (nameless, nameless_key) = signed("nameless", "ops.example");
    [keep("authority.pem", authority.pem()), server, server_key, client, client_key, nameless, nameless_key]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_moved_by_who_shows_a_certificate_and_knows_the_password() {
    let folder = tempfile::tempdir().expect("a folder");
    let [authority, server, server_key, named, named_key, certificate, key] = certificates(folder.path());
    let trust = Trust { authorities: Some(authority.clone()), insecure: false };
    let identity = Identity { certificate: certificate.clone(), key: key.clone() };
    let arguments = [
        format!("--cert-file={}", server.display()),
        format!("--key-file={}", server_key.display()),
        format!("--trusted-ca-file={}", authority.display()),
        "--client-cert-auth".to_owned(),
        "--auth-token-ttl=5".to_owned(),
    ];
    let client = Some(http::patient_client(&trust, Some(&identity)).expect("a client"));
    let etcd =
        Etcd::start_with(Setup { arguments: arguments.into(), scheme: "https", client, ..Setup::default() }).await;
    let desk = Desk::at(etcd.url());
    let shown = format!("--cacert={} --cert={} --key={}", authority.display(), certificate.display(), key.display());
    desk.does("get").await.with(1, "certificate");
    desk.does(&format!("get --cacert={}", authority.display())).await.with(1, "no member of etcd+https://");
    let wrong =
        format!("get --cacert={} --cert={} --key={}", authority.display(), certificate.display(), server_key.display());
    desk.does(&wrong).await.with(1, "do not belong together");
    for (certificate, key) in [(&certificate, &key), (&named, &named_key)] {
        let shown =
            format!("--cacert={} --cert={} --key={}", authority.display(), certificate.display(), key.display());
        desk.does(&format!("get {shown}")).await.with(0, "3 of 3 voters healthy");
    }

    let leader = etcd.leader().await;
    for (path, body) in [
        ("auth/user/add", json!({ "name": "root", "password": "s3cr@t:x" })),
        ("auth/role/add", json!({ "name": "root" })),
        ("auth/user/grant", json!({ "user": "root", "role": "root" })),
        ("auth/enable", json!({})),
    ] {
        etcd.ask(&leader, path, &body).await.unwrap_or_else(|| panic!("{path} is refused"));
    }
    let by = |login: &str| etcd.url().replace("://", &format!("://{login}@"));
    let common = format!("--cacert={} --cert={} --key={}", authority.display(), named.display(), named_key.display());
    desk.does(&format!("get {common}"))
        .await
        .with(1, "takes no client certificate that has a common name (CN): give --cert one without");
    let refused = desk.does(&format!("run --yes {shown} --cluster={}", by("root:s3cret"))).await;
    let refused = refused.with(1, "etcd refuses the user 'root': authentication failed");
    assert!(!format!("{refused:?}").contains("s3cret"), "{refused:?}");
    assert_eq!(etcd.leader().await, leader);
    let target = etcd.followers().await.remove(0);
    let moved = desk.does(&format!("run --to={target} --yes {shown} --cluster={}", by("root:s3cr%40t%3Ax"))).await;
    let moved = moved.with(0, "1 leader moved and verified");
    assert!(!format!("{moved:?}").contains("s3cr"), "a secret is shown: {moved:?}");
    assert_eq!(etcd.leader().await, target);

    // At a terminal somebody takes their time: by then etcd no longer knows the token.
    let mut command = std::process::Command::new(PROGRAM);
    command.args(format!("run --to={leader} {shown}").split_whitespace()).env_clear().env("TERM", "xterm-256color");
    command.env("XDG_STATE_HOME", desk.folder.path()).env("FIREBREAK_CLUSTER", by("root:s3cr%40t%3Ax"));
    let screen = tokio::task::spawn_blocking(move || {
        let mut session = pty::start(command);
        session.exp_string("? [y/N]").expect("the question");
        std::thread::sleep(std::time::Duration::from_secs(9));
        session.send("y\r").and_then(|_| session.flush()).expect("to type");
        session.exp_eof().expect("the program ends")
    });
    let screen = screen.await.expect("a terminal");
    assert!(screen.contains("1 leader moved and verified"), "{screen}");
    assert_eq!(etcd.leader().await, leader);
}
