//! Who is let in: the login of DC/OS, and servers that are not what they should be.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_login_of_dcos() {
    let login = Some(("ann".to_owned(), "p4ssword".to_owned()));
    let drill = Drill::start(Settings { login, ..Settings::at(Utc::now()) }).await.expect("a drill");
    let url = format!("marathon+http://{}/service/marathon", drill.marathon().address());
    let http = http::client(&Trust::default()).expect("a client");
    let with = async |user: Option<&str>, password: Option<&str>| {
        let password = password.map(|password| SecretString::from(password.to_owned()));
        let access = Access { user: user.map(str::to_owned), password, ..access(http.clone(), None, None) };
        let platform = connect(&url.as_str().into(), "dev", access).await?;
        platform.applications("dev").await.map(|applications| applications.len())
    };
    let failed = async |user, password| format!("{:#}", with(user, password).await.expect_err("no entry"));
    assert_eq!(with(Some("ann"), Some("p4ssword")).await.expect("applications"), 7);
    let base = format!("http://{}", drill.marathon().address());
    assert_eq!(
        failed(Some("ann"), Some("wr0ng")).await,
        format!(
            "failed to list the applications of 'dev': failed to log in to DC/OS at {base}/acs/api/v1/auth/login \
             as 'ann': user or password is wrong: The credentials are not known"
        )
    );
    assert_eq!(
        failed(None, None).await,
        format!(
            "failed to list the applications of 'dev': {base}/service/marathon answered GET /v2/apps with \
             401 Unauthorized: Invalid username or password: it wants a login, give --user and --pwd"
        )
    );
    assert_eq!(failed(Some("ann"), None).await, "the login of DC/OS has a user and no password: give --pwd as well");
    assert_eq!(failed(None, Some("x")).await, "the login of DC/OS has a password and no user: give --user as well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_in_the_url_is_sent_and_not_shown() {
    let base = misbehaving(Arc::new(|_, _, headers: &HeaderMap| {
        let sent = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        // ann:p4ss
        let status = if sent == "Basic YW5uOnA0c3M=" { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        (status, json!({"apps": []}))
    }))
    .await;
    let with = |user: &str| format!("marathon+http://{user}@{base}");
    assert_eq!(platform(&with("ann:p4ss")).await.applications("dev").await.expect("none"), []);
    let platform = platform(&with("ann:0ther")).await;
    assert_eq!(platform.address(), format!("http://{base}"));
    let error = format!("{:#}", platform.applications("dev").await.expect_err("no entry"));
    assert_eq!(
        error,
        format!(
            "failed to list the applications of 'dev': http://{base} answered GET /v2/apps with 401 Unauthorized: \
             it does not accept the login, check --user and --pwd"
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ran_out_is_renewed_once() {
    let logins = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&logins);
    let base = misbehaving(Arc::new(move |_, path, headers: &HeaderMap| {
        if path == "/acs/api/v1/auth/login" {
            let token = counted.fetch_add(1, Ordering::SeqCst) + 1;
            return (StatusCode::OK, json!({"token": format!("t{token}")}));
        }
        let sent = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        // The first token has run out already; the third one runs out at once.
        let status = if sent == "token=t2" { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        (status, json!({"apps": []}))
    }))
    .await;
    let http = http::client(&Trust::default()).expect("a client");
    let password = SecretString::from("p4ss".to_owned());
    let url = format!("marathon+http://{base}");
    let platform = connect(&url.as_str().into(), "dev", access(http.clone(), Some(("ann", &password)), None))
        .await
        .expect("a platform");
    assert_eq!(platform.applications("dev").await.expect("none"), []);
    assert_eq!(platform.applications("dev").await.expect("none"), []);
    assert_eq!(logins.load(Ordering::SeqCst), 2, "once at first, once more, and then no more");
    let second = connect(&url.as_str().into(), "dev", access(http.clone(), Some(("ann", &password)), None))
        .await
        .expect("a platform");
    let error = format!("{:#}", second.applications("dev").await.expect_err("no entry"));
    assert!(error.ends_with("it does not accept the login, check --user and --pwd"), "{error}");
    assert_eq!(logins.load(Ordering::SeqCst), 4, "one renewal, not one after another");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_quotes_the_environment_is_cleaned() {
    let base = misbehaving(Arc::new(|method: &Method, _, _| {
        let app = json!({"id": "/shop/dev/shop/billing", "version": "1", "instances": 1, "env": {"PASSWORD": SECRET},
            "container": {"docker": {"image": "r/billing:2"}}, "deployments": []});
        if *method == Method::GET {
            return (StatusCode::OK, json!({"app": app, "apps": [app]}));
        }
        let details = json!([{"path": "/0/env(PASSWORD)", "errors": [format!("{SECRET}x is no value")]}]);
        (StatusCode::UNPROCESSABLE_ENTITY, json!({"message": format!("bad {SECRET}"), "details": details}))
    }))
    .await;
    let platform = platform(&format!("marathon+http://{base}")).await;
    let planned = changes(&*platform, "dev", &[("billing", "r/billing:1")]).await;
    assert_eq!(
        failure(&*platform, &planned, LIMIT).await,
        "Marathon refused the deployment: Marathon answered 422 Unprocessable Entity: bad *** \
         (its environment is not valid (not shown))"
    );
    let shown = Application { notes: Vec::new(), ..planned[0].application.clone() };
    assert!(!format!("{shown:?}").contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_marathon_is_said_to_be_none() {
    let base = misbehaving(Arc::new(|_, _, _| (StatusCode::OK, json!({"hello": "world"})))).await;
    let error = platform(&format!("marathon+http://{base}")).await.applications("dev").await.expect_err("no Marathon");
    assert_eq!(
        error.to_string(),
        format!("what answers at http://{base} is no Marathon: it has no list of applications")
    );
}

/// The address that people know of a DC/OS: that of its page.
#[tokio::test(flavor = "multi_thread")]
async fn the_marathon_of_a_dcos_is_found_where_only_the_host_is_named() {
    let login = Some(("ann".to_owned(), "p4ssword".to_owned()));
    let drill = Drill::start(Settings { login, ..Settings::at(Utc::now()) }).await.expect("a drill");
    let base = format!("http://{}", drill.marathon().address());
    let http = http::client(&Trust::default()).expect("a client");
    let password = SecretString::from("p4ssword".to_owned());
    for url in [base.clone(), format!("{base}/"), format!("{base}/service/marathon/")] {
        let access = access(http.clone(), Some(("ann", &password)), None);
        let platform = connect(&format!("marathon+{url}").as_str().into(), "dev", access).await.expect("a platform");
        assert_eq!(platform.address(), format!("{base}/service/marathon"), "{url}");
        assert_eq!(platform.applications("dev").await.expect("applications").len(), 7);
    }
    // Whoever named a path meant it.
    let elsewhere = platform(&format!("marathon+{base}/marathon")).await;
    assert_eq!(elsewhere.address(), format!("{base}/marathon"));
    let error = format!("{:#}", elsewhere.applications("dev").await.expect_err("no Marathon"));
    assert_eq!(error, format!("what answers at {base}/marathon is no Marathon: it has no list of applications"));
    // Before it is known that a Marathon is there, no login is sent anywhere.
    let asked: Vec<_> =
        drill.log.all().into_iter().take(2).map(|one| format!("{} {:?}", one.path, one.status)).collect();
    assert_eq!(asked, ["/v2/info Some(404)", "/service/marathon/v2/info Some(401)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marathon_that_stands_alone_is_taken_as_it_is() {
    let drill = Drill::start(Settings::at(Utc::now())).await.expect("a drill");
    let base = format!("http://{}", drill.marathon().address());
    assert_eq!(platform(&format!("marathon+{base}")).await.address(), base);
    let asked: Vec<_> = drill.log.all().into_iter().map(|one| one.path).collect();
    assert_eq!(asked, ["/v2/info"]);
    let guarded = misbehaving(Arc::new(|_, _, _| (StatusCode::UNAUTHORIZED, json!({})))).await;
    assert_eq!(platform(&format!("marathon+http://{guarded}")).await.address(), format!("http://{guarded}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_says_in_its_own_words_is_told() {
    let page = |status: u16, body: &'static str| async move || (StatusCode::from_u16(status).expect("a status"), body);
    let router = axum::Router::new()
        .route("/denied/v2/apps", axum::routing::get(page(403, r#"{"message": "Only on weekdays."}"#)))
        .route("/plain/v2/apps", axum::routing::get(page(403, "not from this network\n")))
        .route("/page/v2/apps", axum::routing::get(page(401, "<html>Who are you?</html>")))
        .route("/sso", axum::routing::get(page(200, "<!DOCTYPE html><title>Log in</title>")))
        .route("/moved/v2/apps", axum::routing::get(async || axum::response::Redirect::to("/sso?state=s3cret")))
        .route(
            "/away/v2/apps",
            axum::routing::get(async || axum::response::Redirect::to("https://sso.example/x?y=s3cret")),
        )
        .route("/text/v2/apps", axum::routing::get(page(200, "pong")));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("its address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let may_not = "this user may not do that, or too many deployments are running";
    for (path, said) in [
        ("denied", format!("with 403 Forbidden: Only on weekdays: {may_not}")),
        ("plain", format!("with 403 Forbidden: not from this network: {may_not}")),
        (
            "page",
            format!(
                "with 401 Unauthorized: a web page, from {base}/page/v2/apps: it wants a login, give --user and --pwd"
            ),
        ),
        ("moved", format!("with a web page, from {base}/sso: it is no Marathon")),
        ("away", "with 303 See Other: it leads to https://sso.example/x".to_owned()),
        ("text", "with what is not JSON: it is no Marathon".to_owned()),
    ] {
        let platform = platform(&format!("marathon+{base}/{path}")).await;
        let error = format!("{:#}", platform.applications("dev").await.expect_err("no Marathon"));
        let expected = format!("failed to list the applications of 'dev': {base}/{path} answered GET /v2/apps {said}");
        assert_eq!(error, expected);
    }
}

type Answers = Arc<dyn Fn(&Method, &str, &HeaderMap) -> (StatusCode, Value) + Send + Sync>;

/// A server on loopback that answers as it is told, for as long as the test runs; where it listens.
async fn misbehaving(answers: Answers) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    let router = axum::Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap| async move {
        let (status, body) = answers(&method, uri.path(), &headers);
        (status, axum::Json(body))
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}
