//! `rollback_service` from its command line against real containers: images of a real registry, dated by their builds,
//! in a real Podman.

use std::path::Path;
use std::process::Command;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::support::podman::{LOGIN, Podman, Temper};
use crate::support::program::PROGRAM;

const REPOSITORIES: [&str; 2] = ["team/billing", "web"];

/// The containers that are set, each with its repository: the worker runs the image of its service.
const CONTAINERS: [(&str, &str); 3] =
    [("team/billing", "dev-billing"), ("team/billing", "dev-billing-worker"), ("web", "dev-web")];

/// One that runs an image of the set, and is held.
const HELD: &str = "dev-billing-audit";

fn run(folder: &Path, words: &[&str]) -> (i32, String) {
    let mut command = Command::new(PROGRAM);
    command
        .args(words)
        .current_dir(folder)
        .env_clear()
        .env("XDG_CACHE_HOME", folder)
        .env("FIREBREAK_JOURNAL", folder.join("journal"))
        .env("FIREBREAK_REGISTRY_PWD", LOGIN.1);
    let output = command.output().expect("the program runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap_or(-1), text)
}

/// Pushes this version of both services; the moment after which no younger image of it exists.
fn release(podman: &Podman, version: &str, temper: Temper) -> DateTime<Utc> {
    for repository in REPOSITORIES {
        podman.image(repository, &format!("{version}-develop"), temper);
    }
    let now = Utc::now();
    std::thread::sleep(std::time::Duration::from_millis(20));
    now
}

fn images(podman: &Podman) -> Vec<String> {
    let image = |(_, container): (&str, &str)| {
        podman.run(&["inspect", "--format", "{{.ImageName}} {{.State.Status}}", container])
    };
    CONTAINERS.map(image).map(|text| text.trim().to_owned()).to_vec()
}

fn expected(podman: &Podman, version: &str) -> Vec<String> {
    let registry = &podman.registry;
    CONTAINERS.map(|(repository, _)| format!("{registry}/{repository}:{version}-develop running")).to_vec()
}

#[test]
fn every_container_that_runs_the_image_is_set_and_what_is_held_or_kept_by_systemd_is_named() {
    let podman = Podman::start_locked();
    let folder = tempfile::tempdir().expect("a folder");
    let good = release(&podman, "1", Temper::Well);
    release(&podman, "2", Temper::Well);
    podman.run(&["login", "--tls-verify=false", "--username", LOGIN.0, "--password", LOGIN.1, &podman.registry]);
    let image = |version: &str| format!("{}/team/billing:{version}-develop", podman.registry);
    let labels = [
        ("dev-held", "--label=firebreak.io/hold=incident 7"),
        ("dev-unit", "--label=PODMAN_SYSTEMD_UNIT=dev-unit.service"),
        ("dev-web", "--label=tier=front"),
        ("dev-worker", "--label=tier=back"),
    ];
    for (name, label) in labels {
        podman.container(name, &image("2"), &[label]);
    }
    let running = || {
        labels.map(|(name, _)| {
            podman.run(&["inspect", "--format", "{{.ImageName}} {{.State.Status}}", name]).trim().to_owned()
        })
    };
    let (registry, user) = (format!("--registry=http://{}", podman.registry), format!("--registry-user={}", LOGIN.0));
    let (code, text) = run(folder.path(), &["get", "--repo=team/billing", "--env=develop", &registry, &user]);
    assert_eq!(code, 0, "{text}");
    let (platform, date) = (format!("--platform={}", podman.url()), good.to_rfc3339_opts(SecondsFormat::Nanos, true));
    let date = format!("--date={date}");
    let (code, text) = run(folder.path(), &["run", &date, "--env=dev", &platform, &user, "--yes", "--timeout=60"]);
    assert_eq!(code, 0, "{text}");
    for line in [
        "held: left as it is, with 2-develop: it is held (firebreak.io/hold: incident 7)\n",
        "unit: left as it is, with 2-develop: its systemd unit 'dev-unit.service' would start the old image again: set the \
         image in that unit (a quadlet: in its .container file), then `systemctl daemon-reload` and `systemctl restart \
         dev-unit.service`\n",
        "2 workloads of 1 service rolled back and verified (left as they are: held, unit)\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
    let [old, new] = ["2", "1"].map(|version| format!("{} running", image(version)));
    assert_eq!(running(), [old.clone(), old, new.clone(), new]);
}

#[test]
fn a_release_of_containers_goes_back_to_an_instant_and_one_that_fails_is_restored() {
    let podman = Podman::start_locked();
    let folder = tempfile::tempdir().expect("a folder");
    let sick = release(&podman, "1", Temper::Short);
    let good = release(&podman, "2", Temper::Well);
    release(&podman, "3", Temper::Well);
    podman.run(&["login", "--tls-verify=false", "--username", LOGIN.0, "--password", LOGIN.1, &podman.registry]);
    let image = |repository: &str| format!("{}/{repository}:3-develop", podman.registry);
    for (repository, container) in CONTAINERS {
        podman.container(container, &image(repository), &[]);
    }
    podman.container(HELD, &image("team/billing"), &["--label=firebreak.io/hold=incident 7"]);
    let audit = podman.inspect(HELD);
    let once =
        ["project=dev", "service=billing", "oneoff=True"].map(|label| format!("--label=com.docker.compose.{label}"));
    podman.container("dev-billing-run-7f3", &image("team/billing"), &once.each_ref().map(String::as_str));
    let registry = format!("--registry=http://{}", podman.registry);
    let user = format!("--registry-user={}", LOGIN.0);
    let (code, text) = run(folder.path(), &["get", "--repo=team/billing,web", "--env=develop", &registry, &user]);
    assert_eq!(code, 0, "{text}");

    let platform = format!("--platform={}", podman.url());
    let back = |to: DateTime<Utc>| {
        let date = format!("--date={}", to.to_rfc3339_opts(SecondsFormat::Nanos, true));
        run(folder.path(), &["run", &date, "--env=dev", &platform, &user, "--yes", "--timeout=60"])
    };
    let (code, text) = back(sick);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("all that had been changed was restored"), "{text}");
    assert_eq!(images(&podman), expected(&podman, "3"));

    let (code, text) = back(good);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains(
            "3 workloads of 2 services rolled back and verified (left as they are: billing-audit, dev-billing-run-7f3)"
        ),
        "{text}"
    );
    let held = "billing-audit: left as it is, with 3-develop: it is held (firebreak.io/hold: incident 7)";
    assert!(text.contains(held), "{text}");
    assert_eq!(podman.inspect(HELD)["Id"], audit["Id"]);
    let once =
        "dev-billing-run-7f3: left as it is, with 3-develop: compose runs it for one command, which keeps its image";
    assert!(text.contains(once), "{text}");
    assert_eq!(images(&podman), expected(&podman, "2"));
    assert_eq!(podman.containers().len(), 5, "nothing is left of the old ones");

    let (code, text) = back(good);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("nothing to do"), "{text}");
}
