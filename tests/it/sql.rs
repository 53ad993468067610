//! The port to databases against a real PostgreSQL and a real MariaDB: what a session is, and what is said where none comes about.

use std::sync::Arc;

use firebreak::http::{Address, Trust};
use firebreak::sql::{Session, connect};

use crate::support::tls::SelfSigned;
use crate::support::{free_port, mariadb, postgres};

async fn open(url: &str, trust: &Trust) -> Result<Box<dyn Session>, String> {
    connect(&Address::from(url), trust, "firebreak test").await.map_err(|error| format!("{error:#}"))
}

async fn refusal(url: &str) -> String {
    let error = open(url, &Trust::default()).await.err().unwrap_or_else(|| panic!("{url} was let in"));
    assert!(!error.contains("hunter2"), "{error}");
    error
}

/// What both kinds of databases have to answer alike.
async fn speaks(url: &str) {
    let mut session = open(url, &Trust::default()).await.expect("a session");
    session.rows("CREATE TABLE pictures (id integer, name varchar(20))").await.expect("a table");
    let changed = session.query("INSERT INTO pictures VALUES (1, 'é'), (2, NULL)", &mut |_| {}).await;
    assert_eq!(changed.expect("two rows"), 2);
    let rows = session.rows("SELECT id, name FROM pictures ORDER BY id").await.expect("rows");
    assert_eq!(rows[0].columns[..], ["id".to_owned(), "name".to_owned()]);
    let values: Vec<_> = rows.iter().map(|row| (row.get("id"), row.get("name"), row.get("none"))).collect();
    assert_eq!(values, [(Some("1"), Some("é"), None), (Some("2"), None, None)]);
    let error = session.rows("SELECT * FROM nowhere").await.expect_err("no such table").to_string();
    assert!(error.starts_with(session.address()) && error.contains("nowhere"), "{error}");
    // The session is of use after an error, and while an answer is left half-read nothing is lost.
    assert_eq!(session.rows("SELECT 1 AS one").await.expect("a row")[0].get("one"), Some("1"));
    let mut count = 0;
    session.query("SELECT id FROM pictures", &mut |_| count += 1).await.expect("rows");
    assert_eq!(count, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_kinds_of_databases_answer_alike() {
    let (postgres, mariadb) = tokio::join!(postgres::Database::new(), mariadb::Database::new());
    speaks(&postgres.url()).await;
    speaks(&mariadb.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_that_does_not_let_somebody_in_says_why() {
    let database = postgres::Database::new().await;
    database.run("CREATE USER ann PASSWORD 'hunter1'; CREATE USER wants_tls").await;
    let (server, name) = (&database.server, &database.name);
    let place = format!("failed to connect to postgres://127.0.0.1:{}/{name}: ", server.port);
    let said = |why: &str| format!("{place}{why}");
    assert!(open(&server.url("ann:hunter1", name), &Trust::default()).await.is_ok());
    let wrong = refusal(&server.url("ann:hunter2", name)).await;
    assert_eq!(wrong, said("the server refuses the password of user 'ann'"));
    let none = refusal(&server.url("ann", name)).await;
    assert_eq!(none, said("the server asks for the password of 'ann', and the URL has none"));
    let nowhere = refusal(&server.url("fire", "nowhere")).await;
    assert!(nowhere.ends_with(": there is no database 'nowhere'"), "{nowhere}");
    let plain = refusal(&server.url("wants_tls", name)).await;
    assert!(plain.starts_with(&said("the server wants TLS, or does not let 'wants_tls' in from this host")), "{plain}");
    let no_tls = refusal(&format!("{}?sslmode=require", database.url())).await;
    assert_eq!(no_tls, said("the server does not speak TLS; with sslmode=disable it is not asked to"));
    let port = free_port();
    let closed = refusal(&format!("postgres://fire@localhost:{port}/x")).await;
    assert!(closed.ends_with(&format!(": nothing listens at localhost:{port}")), "{closed}");
    let socket = format!("postgres://fire@:{}/{name}?host={}", server.port, server.folder.path().display());
    assert!(open(&socket, &Trust::default()).await.is_ok());
    let socket = format!("postgres://fire@{}:{}/{name}", encoded(server.folder.path()), server.port);
    assert!(open(&socket, &Trust::default()).await.is_ok());
    let elsewhere = refusal("postgres://fire@/x?host=/nowhere").await;
    assert!(elsewhere.ends_with(": there is no socket /nowhere"), "{elsewhere}");
}

fn encoded(path: &std::path::Path) -> String {
    path.display().to_string().replace('/', "%2F")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mariadb_that_does_not_let_somebody_in_says_why() {
    let database = mariadb::Database::new().await;
    let (server, name) = (&database.server, &database.name);
    database.lines(&format!("CREATE USER ann_{name} IDENTIFIED BY 'hunter1'")).await;
    database.lines(&format!("CREATE USER tls_{name} REQUIRE SSL")).await;
    let said = |why: &str| format!("failed to connect to mariadb://127.0.0.1:{}/{name}: {why}", server.port);
    let wrong = refusal(&server.url(&format!("ann_{name}:hunter2"), name)).await;
    assert!(wrong.starts_with(&said(&format!("the server refuses user 'ann_{name}' with this password"))), "{wrong}");
    let forbidden = refusal(&server.url(&format!("ann_{name}:hunter1"), name)).await;
    assert!(forbidden.starts_with(&said(&format!("user 'ann_{name}' may not use this database"))), "{forbidden}");
    let nowhere = refusal(&server.url("root", "nowhere")).await;
    assert!(nowhere.ends_with(": there is no database 'nowhere'"), "{nowhere}");
    let no_tls = refusal(&format!("{}?ssl-mode=REQUIRED", database.url())).await;
    assert_eq!(no_tls, said("the server does not speak TLS; with ssl-mode=disable it is not asked to"));
    let port = free_port();
    let closed = refusal(&format!("mysql://root@localhost:{port}/")).await;
    assert!(closed.ends_with(&format!(": nothing listens at localhost:{port}")), "{closed}");
    let socket = format!("mariadb://root@/{name}?socket={}/socket", server.folder.path().display());
    assert!(open(&socket, &Trust::default()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_full_says_so() {
    let full = ["max_connections=4", "superuser_reserved_connections=0", "max_wal_senders=0"];
    let server =
        tokio::task::spawn_blocking(move || Arc::new(postgres::Postgres::start(&full))).await.expect("a PostgreSQL");
    let mut held = Vec::new();
    let error = loop {
        match open(&server.url("fire", "postgres"), &Trust::default()).await {
            Ok(session) => held.push(session),
            Err(error) => break error,
        }
        assert!(held.len() < 10, "it is never full");
    };
    assert!(error.contains("the server has too many connections"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_believed_where_it_is_named_and_not_looked_at_where_nobody_asked() {
    let certificate = SelfSigned::of("localhost", 2090);
    let folder = crate::support::own_folder();
    let (pem, key) = (folder.path().join("server.pem"), folder.path().join("server.key"));
    std::fs::copy(&certificate.file, &pem).expect("a certificate");
    certificate.write_key(&key);
    for file in [&pem, &key] {
        crate::support::give_away(file);
    }
    let files = (pem.display().to_string(), key.display().to_string());
    let (one, other) = (files.clone(), files);
    let postgres = tokio::task::spawn_blocking(move || {
        postgres::Postgres::start(&["ssl=on", &format!("ssl_cert_file={}", one.0), &format!("ssl_key_file={}", one.1)])
    });
    let mariadb = tokio::task::spawn_blocking(move || {
        mariadb::Mariadb::start(&[&format!("--ssl-cert={}", other.0), &format!("--ssl-key={}", other.1)])
    });
    let (postgres, mariadb) = (postgres.await.expect("a PostgreSQL"), mariadb.await.expect("a MariaDB"));
    let named = Trust { authorities: Some(certificate.file.clone()), insecure: false };
    let urls = [
        (
            format!("postgres://fire@localhost:{}/postgres", postgres.port),
            "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
        ),
        (format!("mariadb://root@localhost:{}/", mariadb.port), "SHOW STATUS LIKE 'Ssl_version'"),
    ];
    for (url, question) in urls {
        let speaks_tls = async |trust: &Trust, mode: &str| {
            let mut session = open(&format!("{url}?sslmode={mode}"), trust).await?;
            let rows = session.rows(question).await.map_err(|error| error.to_string())?;
            let answer = rows[0].values.last().cloned().flatten().unwrap_or_default();
            Ok::<_, String>(answer == "t" || answer.starts_with("TLS"))
        };
        for mode in ["prefer", "require"] {
            assert_eq!(speaks_tls(&Trust::default(), mode).await, Ok(true), "{url} {mode}");
        }
        assert_eq!(speaks_tls(&Trust::default(), "disable").await, Ok(false), "{url}");
        let error = speaks_tls(&Trust::default(), "verify-full").await.expect_err("an unknown certificate");
        assert!(error.contains("certificate"), "{error}");
        assert_eq!(speaks_tls(&Trust { insecure: true, ..Trust::default() }, "verify-full").await, Ok(true));
        if url.starts_with("postgres") {
            assert_eq!(speaks_tls(&named, "verify-full").await, Ok(true), "{url}");
            let elsewhere = url.replace("localhost", "127.0.0.1");
            let error = open(&format!("{elsewhere}?sslmode=require"), &named).await.err().expect("another name");
            assert!(error.contains("certificate"), "{error}");
        }
    }
}
