//! The engine platform against a real Podman, which pulls from a real registry.

mod death;
mod lock;
mod others;

use std::time::Duration;

use firebreak::http::{self, Trust};
use firebreak::platform::image::ImageName;
use firebreak::platform::{Application, DeployError, Platform, RegistryLogin, Standing, connect};
use firebreak::watch::Unwatched;
use serde_json::{Value, json};

use crate::support::contract::{self, BEFORE, LIMIT, Tale, access, changes};
use crate::support::podman::{LOGIN, Podman, Temper, WELL};

async fn platform(podman: &Podman) -> Box<dyn Platform> {
    let http = http::client(&Trust::default()).expect("a client");
    connect(&podman.url().into(), "dev", access(http, None, None)).await.expect("a connection")
}

/// Two services that run: `billing` as two replicas, `web` as one.
fn two_services(podman: &Podman, billing: &str, web: &str) {
    for name in ["dev-billing-1", "dev-billing-2"] {
        podman.container(name, billing, &WELL);
    }
    podman.container("dev-web", web, &WELL);
}

/// Why nothing was sent.
fn nothing_sent(deployed: Result<(), DeployError>) -> String {
    match deployed {
        Err(DeployError::NothingSent(error)) => format!("{error:#}"),
        other => panic!("nothing was to be sent: {other:?}"),
    }
}

/// Why what was sent did not come to its end.
fn sent(deployed: Result<(), DeployError>) -> String {
    match deployed {
        Err(DeployError::Sent(error)) => format!("{error:#}"),
        other => panic!("something was to be sent, and to fail: {other:?}"),
    }
}

/// What Podman says of a container, without what is another for every container and what comes with its image.
fn settings(podman: &Podman, name: &str) -> Value {
    let mut inspect = podman.inspect(name);
    let mut kept = json!({
        "Config": inspect["Config"].take(), "HostConfig": inspect["HostConfig"].take(),
        "Mounts": inspect["Mounts"].take(), "Caps": inspect["EffectiveCaps"].take(),
    });
    for key in ["Image", "CreateCommand", "sdNotifyMode", "Annotations", "Umask", "Hostname"] {
        kept["Config"][key].take();
    }
    // The log is a file of the container's own, whose two kinds are one to Podman.
    for key in ["Path", "Type"] {
        kept["HostConfig"]["LogConfig"][key].take();
    }
    for (at, drop) in [("/Config/Env", "HOSTNAME="), ("/Config/Env", "RELEASE="), ("/HostConfig/Binds", "nothing")] {
        let list = kept.pointer_mut(at).and_then(Value::as_array_mut).expect(at);
        list.retain(|item| !item.as_str().expect("a text").starts_with(drop));
        list.sort_by_key(Value::to_string);
    }
    kept["Config"]["Labels"]["release"].take();
    let mounts = kept["Mounts"].as_array_mut().expect("mounts");
    mounts.sort_by_key(|mount| mount["Destination"].to_string());
    kept
}

fn umask(podman: &Podman, name: &str) -> String {
    let process = podman.run(&["container", "inspect", "--format", "{{.State.Pid}}", name]);
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process");
    status.lines().find(|line| line.starts_with("Umask")).expect("its umask").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds() {
    let podman = Podman::start();
    let (old_billing, old_web) =
        (podman.image("team/billing", "2-dev", Temper::Well), podman.image("web", "2-dev", Temper::Well));
    let (new_billing, new_web) =
        (podman.image("team/billing", "1-dev", Temper::Well), podman.image("web", "1-dev", Temper::Well));
    two_services(&podman, &old_billing, &old_web);
    contract::hold(&*platform(&podman).await, "dev", &[("billing", &new_billing), ("web", &new_web)]).await;
    let names: Vec<String> =
        podman.run(&["ps", "--all", "--format", "{{.Names}} {{.Image}}"]).lines().map(str::to_owned).collect();
    let mut names = names;
    names.sort();
    let expected =
        [format!("dev-billing-1 {new_billing}"), format!("dev-billing-2 {new_billing}"), format!("dev-web {new_web}")];
    assert_eq!(names, expected, "nothing is left of the old ones");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_cannot_write_whatever_its_domain_forgets() {
    let podman = Podman::start();
    let (old, new) =
        (podman.image("team/billing", "2-dev", Temper::Well), podman.image("team/billing", "1-dev", Temper::Well));
    podman.container("dev-billing", &old, &WELL);
    contract::a_dry_run_cannot_write(&podman.url(), "dev", &[("billing", &new)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_are_found_by_labels_or_names() {
    let podman = Podman::start();
    let image = podman.image("team/billing", "2-dev", Temper::Well);
    let project = ["--label", "com.docker.compose.project=dev", "--label"];
    podman.container("anything", &image, &[&project[..], &["com.docker.compose.service=web"]].concat());
    podman.container(
        "dev-job",
        &image,
        &[&project[..], &["com.docker.compose.service=job", "--label", "com.docker.compose.oneoff=True"]].concat(),
    );
    podman.container("stage-billing", &image, &[]);
    let two = podman.container("dev-billing-2", &image, &WELL);
    let one = podman.container("dev-billing_1", &image, &WELL);
    podman.run(&["stop", "--time", "0", "dev-billing-2"]);
    let web = podman.inspect("anything")["Id"].as_str().expect("an id").to_owned();
    let (first, second) = if one < two { (&one, &two) } else { (&two, &one) };
    let application = |service: &str, revision: String, instances, notes: &[&str]| Application {
        id: format!("dev/{service}"),
        service: service.to_owned(),
        images: vec![image.as_str().into()],
        revision,
        instances,
        notes: notes.iter().map(|note| (*note).to_owned()).collect(),
        ..Application::default()
    };
    let expected = [
        application(
            "billing",
            format!("{first}+{second}"),
            2,
            &["2 containers, replaced one after another", "1 of 2 containers not running: will be started"],
        ),
        application(
            "web",
            web,
            1,
            &[
                "down while it restarts",
                "no health check: that it keeps running is all that can be seen",
                "its compose file names the bad version still, and `compose up` will put that back: set the image there, too",
            ],
        ),
    ];
    let platform = platform(&podman).await;
    assert_eq!(platform.applications("dev").await.expect("applications"), expected);
    assert_eq!(platform.applications("nowhere").await.expect("applications"), []);
    assert_eq!(platform.address(), podman.url());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_image_changes_and_nothing_else() {
    let podman = Podman::start();
    let old = podman.image("team/billing", "2-dev", Temper::Well);
    let new = podman.image("team/billing", "1-dev", Temper::Well);
    let folder = podman.path("configuration");
    std::fs::create_dir(&folder).expect("a folder");
    let bind = format!("{}:/etc/billing:ro", folder.display());
    let more = [
        &WELL[..],
        &["--env", "PASSWORD=s3cret", "--label", "team=shop", "--volume", &bind, "--volume", "named:/named"],
        &["--mount", "type=tmpfs,destination=/scratch", "--cap-add", "NET_ADMIN", "--cap-drop", "CHOWN"],
        &["--memory", "64m", "--cpus", "0.5", "--restart", "on-failure:3", "--workdir", "/data", "--user", "7:8"],
        &["--hostname", "till", "--stop-timeout", "3", "--log-opt", "max-size=10mb", "--add-host", "db:192.0.2.7"],
        &["--device", "/dev/null:/dev/nothing", "--read-only", "--security-opt", "no-new-privileges"],
        &["--group-add", "44", "--oom-score-adj", "10", "--pids-limit", "77", "--stop-signal", "SIGTERM"],
    ]
    .concat();
    podman.container("dev-billing", &old, &more);
    // A second one, whose entry point is its own and whose network is the host's.
    podman.container("dev-web", &old, &["--entrypoint", "[\"/program\", \"stay\"]", "--network", "host"]);
    let before = ["dev-billing", "dev-web"].map(|name| (settings(&podman, name), umask(&podman, name)));

    let platform = platform(&podman).await;
    let planned = changes(&*platform, "dev", &[("billing", &new), ("web", &new)]).await;
    platform.deploy(&planned, LIMIT, &Unwatched).await.expect("a deployment");
    assert_eq!(platform.look(&planned).await.expect("a look"), [Standing::Target, Standing::Target]);
    platform.clean_up(&planned).await.expect("to settle");

    let after = ["dev-billing", "dev-web"].map(|name| (settings(&podman, name), umask(&podman, name)));
    for ((name, before), after) in ["dev-billing", "dev-web"].iter().zip(&before).zip(&after) {
        assert_eq!(after.0, before.0, "{name}");
        assert_eq!(after.1, before.1, "{name}");
        let now = podman.inspect(name);
        assert_eq!(now["ImageName"], new.as_str(), "{name}");
        assert_eq!(now["Config"]["Labels"]["release"], "1-dev", "the label of the new image");
        let variables = now["Config"]["Env"].as_array().expect("variables");
        assert!(variables.contains(&json!("RELEASE=1-dev")), "the variable of the new image: {variables:?}");
        assert!(!variables.contains(&json!("RELEASE=2-dev")), "that of the old one: {variables:?}");
    }
    assert_eq!(podman.containers().len(), 2);

    // Once more, from containers that were made by a rollback.
    let planned = changes(&*platform, "dev", &[("billing", &old), ("web", &old)]).await;
    platform.deploy(&planned, LIMIT, &Unwatched).await.expect("a deployment");
    let again = ["dev-billing", "dev-web"].map(|name| (settings(&podman, name), umask(&podman, name)));
    assert_eq!(again, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_ends_at_once_takes_the_set_back() {
    restored_from(Temper::Short, "ended with exit code 3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_not_healthy_takes_the_set_back() {
    restored_from(Temper::Sick, "unhealthy").await;
}

/// `billing` goes well and `web` does not: both are restored, as the same containers.
async fn restored_from(temper: Temper, why: &str) {
    let podman = Podman::start();
    let (old, new) =
        (podman.image("team/billing", "2-dev", Temper::Well), podman.image("team/billing", "1-dev", Temper::Well));
    let (old_web, new_web) = (podman.image("web", "2-dev", Temper::Well), podman.image("web", "1-dev", temper));
    two_services(&podman, &old, &old_web);
    let before = podman.containers();
    let platform = platform(&podman).await;
    let planned = changes(&*platform, "dev", &[("billing", &new), ("web", &new_web)]).await;
    let error = sent(platform.deploy(&planned, LIMIT, &Unwatched).await);
    assert_eq!(error, format!("failed to bring 'web' to '{new_web}': container 'dev-web': {why}"));
    let unwell = Standing::Unwell { value: new_web, why: why.to_owned() };
    assert_eq!(platform.look(&planned).await.expect("a look"), [Standing::Target, unwell]);
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(platform.look(&planned).await.expect("a look"), [BEFORE, BEFORE]);
    assert_eq!(podman.containers(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_ends_the_wait() {
    let podman = Podman::start();
    let (old, new) = (podman.image("web", "2-dev", Temper::Well), podman.image("web", "1-dev", Temper::Sick));
    // Its health check has time without end, so it never gets unhealthy.
    podman.container("dev-web", &old, &[&WELL[..], &["--health-start-period", "1h"]].concat());
    let platform = platform(&podman).await;
    let planned = changes(&*platform, "dev", &[("web", &new)]).await;
    let said = sent(platform.deploy(&planned, Duration::from_secs(4), &Unwatched).await);
    assert!(said.starts_with(&format!("failed to bring 'web' to '{new}': time ran out after 4s")), "{said}");
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(platform.look(&planned).await.expect("a look"), [BEFORE]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_refused_before_anything_is_changed() {
    let podman = Podman::start();
    let (old, new) = (podman.image("web", "2-dev", Temper::Well), podman.image("web", "1-dev", Temper::Well));
    podman.container("dev-web", &old, &WELL);
    podman.container("dev-fleeting", &old, &["--rm"]);
    std::fs::write(podman.path("key"), "a key").expect("a file");
    podman.run(&["secret", "create", "key", &podman.path("key").display().to_string()]);
    podman.container("dev-secret", &old, &["--secret", "key", "--env", "PASSWORD=s3cret"]);
    podman.container("dev-masked", &old, &["--umask", "0077"]);
    podman.container("dev-shared", &old, &["--ipc", "shareable"]);
    podman.container("guest", &old, &["--network", "container:dev-shared"]);
    let before = podman.containers();
    let platform = platform(&podman).await;
    let missing = format!("{}/web:none-dev", podman.registry);
    for (service, to, expected) in [
        ("fleeting", &new, "container 'dev-fleeting' cannot be replaced: it removes itself when it stops (--rm)"),
        ("secret", &new, "the engine would not carry over everything that it was given: Config.Secrets"),
        ("masked", &new, "the engine would not carry over everything that it was given: Config.Umask"),
        ("shared", &new, "container 'dev-shared' cannot be replaced: 'guest' shares its network"),
        ("web", &missing, "failed to pull"),
    ] {
        let planned = changes(&*platform, "dev", &[("web", &new), (service, to)]).await;
        let error = nothing_sent(platform.deploy(&planned, LIMIT, &Unwatched).await);
        assert!(error.contains(expected), "{service}: {error}");
        assert!(!error.contains("s3cret"), "{error}");
        assert_eq!(podman.containers(), before, "{service}");
    }
    // What needs no try is known to the plan already.
    let applications = platform.applications("dev").await.expect("applications");
    let obstacles: Vec<_> = applications.into_iter().map(|one| (one.service, one.obstacle)).collect();
    let fleeting = "it removes itself when it stops (--rm): nothing would be left to go back to";
    let shared = "'guest' shares its network, processes or volumes";
    let expected = [
        ("fleeting", Some(format!("container 'dev-fleeting' cannot be replaced: {fleeting}"))),
        ("masked", None),
        ("secret", None),
        ("shared", Some(format!("container 'dev-shared' cannot be replaced: {shared}"))),
        ("web", None),
    ];
    assert_eq!(obstacles, expected.map(|(service, obstacle)| (service.to_owned(), obstacle)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_whose_name_ends_in_a_number_is_found() {
    let podman = Podman::start();
    let image = podman.image("team/oauth-2", "2-dev", Temper::Well);
    podman.container("dev-oauth-2", &image, &[]);
    let new = podman.image("team/oauth-2", "1-dev", Temper::Well);
    let platform = platform(&podman).await;
    let planned = changes(&*platform, "dev", &[("oauth-2", &new)]).await;
    platform.deploy(&planned, LIMIT, &Unwatched).await.expect("a deployment");
    assert_eq!(platform.look(&planned).await.expect("a look"), [Standing::Target]);
    platform.clean_up(&planned).await.expect("to settle");
    assert_eq!(podman.containers().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_image_is_pulled_and_recognised() {
    let podman = Podman::start();
    let (old, new) = (podman.image("web", "2-dev", Temper::Well), podman.image("web", "1-dev", Temper::Well));
    podman.container("dev-web", &old, &WELL);
    let platform = platform(&podman).await;
    podman.run(&["pull", "--quiet", &new]);
    let digest = podman.run(&["image", "inspect", "--format", "{{.Digest}}", &new]);
    podman.run(&["rmi", &new]);
    let pinned = new.parse::<ImageName>().expect("a name").with_digest(&digest).to_string();
    let planned = changes(&*platform, "dev", &[("web", &pinned)]).await;
    let tale = Tale::default();
    platform.deploy(&planned, LIMIT, &tale).await.expect("a deployment");
    assert_eq!(platform.look(&planned).await.expect("a look"), [Standing::Target]);
    let applications = platform.applications("dev").await.expect("applications");
    assert_eq!(applications[0].images, [pinned]);
    assert_eq!(tale.warnings(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_login_of_a_registry_is_used_for_it_alone() {
    let podman = Podman::start_locked();
    let (old, new) = (podman.image("web", "2-dev", Temper::Well), podman.image("web", "1-dev", Temper::Well));
    let login = format!("{}:{}", LOGIN.0, LOGIN.1);
    podman.run(&["pull", "--quiet", "--creds", &login, &old]);
    podman.container("dev-web", &old, &WELL);
    let http = http::client(&Trust::default()).expect("a client");
    let with = async |host: &str, password: &str| {
        let login =
            RegistryLogin { host: host.to_owned(), user: LOGIN.0.to_owned(), password: password.to_owned().into() };
        let platform =
            connect(&podman.url().into(), "dev", access(http.clone(), None, Some(login))).await.expect("a connection");
        let planned = changes(&*platform, "dev", &[("web", &new)]).await;
        let deployed = platform.deploy(&planned, LIMIT, &Unwatched).await;
        (deployed, platform.look(&planned).await.expect("a look"))
    };
    for (host, password) in [(podman.registry.as_str(), "wr0ng"), ("registry.example", LOGIN.1)] {
        let (deployed, standing) = with(host, password).await;
        let error = nothing_sent(deployed);
        assert!(error.starts_with(&format!("failed to pull '{new}' for 'web': ")), "{error}");
        assert!(!error.contains(password), "{error}");
        assert_eq!(standing, [BEFORE]);
    }
    let (deployed, standing) = with(&podman.registry, LOGIN.1).await;
    deployed.expect("a deployment");
    assert_eq!(standing, [Standing::Target]);
}
