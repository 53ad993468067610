//! Other runs beside ours, runs that were cut short, and what counts as before.

use std::sync::Once;
use std::time::Duration;

use firebreak::platform::image::ImageName;
use firebreak::platform::{Change, Platform, Standing};
use firebreak::watch::{Progress, Unwatched, Watch};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::{WELL, nothing_sent, platform, sent, two_services};
use crate::support::contract::{BEFORE, LIMIT, changes};
use crate::support::podman::{Podman, Temper};

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changed_meanwhile_is_left_alone() {
    let podman = Podman::start();
    let (old, new) = (podman.image("web", "2-dev", Temper::Well), podman.image("web", "1-dev", Temper::Well));
    let other = podman.image("web", "3-dev", Temper::Well);
    two_services(&podman, &old, &old);
    let platform = platform(&podman).await;
    let planned = changes(&*platform, "dev", &[("billing", &new), ("web", &new)]).await;
    // Between plan and write.
    podman.run(&["rm", "--force", "--time", "0", "dev-web"]);
    podman.container("dev-web", &other, &WELL);
    let before = podman.containers();
    let error = nothing_sent(platform.deploy(&planned, LIMIT, &Unwatched).await);
    assert_eq!(
        error,
        "'dev/web' has other containers than when the plan was made: it was changed by others; plan again"
    );
    assert_eq!(podman.containers(), before);
    let is_other = Standing::Other { value: other.clone() };
    assert_eq!(platform.look(&planned).await.expect("a look"), [BEFORE, is_other]);

    // Between the write and the way back.
    let planned = changes(&*platform, "dev", &[("billing", &new), ("web", &new)]).await;
    platform.deploy(&planned, LIMIT, &Unwatched).await.expect("a deployment");
    podman.run(&["rm", "--force", "--time", "0", "dev-web"]);
    let theirs = podman.container("dev-web", &old, &WELL);
    let error = platform.go_back(&planned, LIMIT, &Unwatched).await.expect_err("somebody changed it").to_string();
    assert!(error.contains(&format!("others put '{old}' into the place of container 'dev-web'")), "{error}");
    assert_eq!(
        platform.look(&planned).await.expect("a look"),
        [BEFORE, Standing::Other { value: old }],
        "the other service went back"
    );
    assert_eq!(podman.inspect("dev-web")["Id"], theirs.as_str());
    podman.run(&["rm", "--force", "--all", "--time", "0"]);
    assert_eq!(platform.look(&planned).await.expect("a look"), [Standing::Gone, Standing::Gone]);
}

/// Another run with the same plan, which is quicker: at the first progress of this kind it brings all to the target.
struct Rival<'a> {
    platform: &'a dyn Platform,
    planned: &'a [Change],
    at: &'a str,
    once: Once,
}

impl Watch for Rival<'_> {
    fn at(&self, _: &str, progress: &Progress) {
        if progress.note.starts_with(self.at) {
            self.once.call_once(|| {
                let deployed = self.platform.deploy(self.planned, LIMIT, &Unwatched);
                block_in_place(|| Handle::current().block_on(deployed)).expect("the rival's deployment");
            });
        }
    }

    fn warn(&self, message: &str) {
        panic!("nothing to warn of: {message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_run_brought_to_the_same_target_is_left_alone() {
    let podman = Podman::start();
    let (old, new) = (podman.image("web", "2-dev", Temper::Well), podman.image("web", "1-dev", Temper::Well));
    let (ours, theirs) = (platform(&podman).await, platform(&podman).await);
    let stale = |service: &str| {
        format!(
            "'dev/{service}' has other containers than when the plan was made: it was changed by others; plan again"
        )
    };
    // The rival is done before we begin, while we pull, or when all is made and only to be put into its place.
    for (at, expected) in [("", Ok(stale("billing"))), ("pulling", Ok(stale("billing"))), ("replaced", Err(()))] {
        two_services(&podman, &old, &old);
        let planned = changes(&*ours, "dev", &[("billing", &new), ("web", &new)]).await;
        let rival = Rival { platform: &*theirs, planned: &planned, at, once: Once::new() };
        if at.is_empty() {
            rival.at("billing", &Progress { done: 0, total: 0, note: String::new() });
        }
        let deployed = ours.deploy(&planned, LIMIT, &rival).await;
        let before_going_back = podman.containers();
        if let Ok(expected) = expected {
            assert_eq!(nothing_sent(deployed), expected, "{at}");
            ours.go_back(&planned, LIMIT, &Unwatched).await.expect("nothing to take back");
        } else {
            let error = sent(deployed);
            assert!(error.contains("container 'dev-billing-1': it was put aside or renamed by others"), "{error}");
            let error = ours.go_back(&planned, LIMIT, &Unwatched).await.expect_err("it is not ours").to_string();
            for name in ["dev-billing-1", "dev-billing-2", "dev-web"] {
                let left = format!("others put '{new}' into the place of container '{name}': left as it is");
                assert!(error.contains(&left), "{error}");
            }
        }
        assert_eq!(podman.containers(), before_going_back, "{at}");
        assert_eq!(theirs.look(&planned).await.expect("a look"), [Standing::Target, Standing::Target], "{at}");
        theirs.clean_up(&planned).await.expect("to settle");
        let names: Vec<String> =
            podman.containers().iter().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect();
        assert_eq!(names, ["dev-billing-1", "dev-billing-2", "dev-web"], "{at}");
        podman.run(&["rm", "--force", "--all", "--time", "0"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn before_is_where_the_same_containers_stand_and_nothing_else_is_left() {
    let podman = Podman::start();
    let (old, new) = (podman.image("web", "2-dev", Temper::Well), podman.image("web", "1-dev", Temper::Well));
    two_services(&podman, &old, &old);
    podman.run(&["stop", "--time", "0", "dev-web"]);
    let platform = platform(&podman).await;
    // To the same image by its digest: nothing tells the target from the one before but the containers.
    let digest = podman.run(&["image", "inspect", "--format", "{{.Digest}}", &old]);
    let pinned = old.parse::<ImageName>().expect("a name").with_digest(&digest).to_string();
    let planned = changes(&*platform, "dev", &[("billing", &pinned), ("web", &new)]).await;
    let down = Standing::Before { trouble: Some("ended with exit code 137".into()) };
    let look = async || platform.look(&planned).await.expect("a look");
    let unwell = |why: &str| Standing::Unwell { value: old.clone(), why: why.into() };
    assert_eq!(look().await, [BEFORE, down.clone()]);

    // One that did not run, put aside.
    let id = podman.inspect("dev-web")["Id"].as_str().expect("an id").to_owned();
    let aside = format!("dev-web-firebreak-off-{}", &id[..12]);
    podman.run(&["rename", "dev-web", &aside]);
    assert_eq!(look().await, [BEFORE, unwell("put aside, and nothing in its place")]);
    podman.run(&["rename", &aside, "dev-web"]);
    // One that was made and not started, beside one that is not well and beside one that is.
    for name in ["dev-web-firebreak-new", "dev-billing-2-firebreak-new"] {
        podman.run(&["create", "--name", name, "--network", "none", &new]);
    }
    let made = "a new container was made and not started";
    assert_eq!(look().await, [unwell(made), unwell(made)]);
    podman.run(&["rm", "dev-web-firebreak-new", "dev-billing-2-firebreak-new"]);
    assert_eq!(look().await, [BEFORE, down.clone()]);

    platform.deploy(&planned, LIMIT, &Unwatched).await.expect("a deployment");
    assert_eq!(look().await, [Standing::Target, Standing::Target]);
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(look().await, [BEFORE, down]);
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_short_anywhere_it_goes_back() {
    let podman = Podman::start();
    let (old, new) = (podman.image("web", "2-dev", Temper::Well), podman.image("web", "1-dev", Temper::Well));
    two_services(&podman, &old, &old);
    let before = podman.containers();
    let platform = platform(&podman).await;
    let planned = changes(&*platform, "dev", &[("billing", &new), ("web", &new)]).await;
    for milliseconds in [5, 50, 150, 250, 350, 450, 600, 800, 1000, 1300, 1600, 2000] {
        let cut =
            tokio::time::timeout(Duration::from_millis(milliseconds), platform.deploy(&planned, LIMIT, &Unwatched));
        drop(cut.await);
        platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
        let standings = platform.look(&planned).await.expect("a look");
        assert_eq!(standings, [BEFORE, BEFORE], "after {milliseconds} ms");
        assert_eq!(podman.containers(), before, "after {milliseconds} ms");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_run_copes_with_one_that_was_killed() {
    let podman = Podman::start();
    let (old, new) = (podman.image("web", "2-dev", Temper::Well), podman.image("web", "1-dev", Temper::Well));
    let id = podman.container("dev-web", &old, &WELL);
    podman.run(&["stop", "--time", "0", "dev-web"]);
    // Killed after the old one was put aside, and before the new one had its name.
    let aside = format!("dev-web-firebreak-old-{}", &id[..12]);
    podman.run(&["rename", "dev-web", &aside]);
    podman.container("dev-web-firebreak-new", &new, &WELL);
    let platform = platform(&podman).await;
    let planned = changes(&*platform, "dev", &[("web", &new)]).await;
    assert_eq!(planned[0].application.revision, id);
    let note = "an earlier rollback was cut short and left containers behind";
    assert!(planned[0].application.notes.contains(&note.to_owned()), "{:?}", planned[0].application.notes);
    platform.deploy(&planned, LIMIT, &Unwatched).await.expect("a deployment");
    assert_eq!(platform.look(&planned).await.expect("a look"), [Standing::Target]);
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(platform.look(&planned).await.expect("a look"), [BEFORE]);
    assert_eq!(podman.containers(), [format!("dev-web {id} running")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_systemd_keeps_is_refused_and_what_compose_keeps_is_noted() {
    let podman = Podman::start();
    let image = podman.image("web", "2-dev", Temper::Well);
    let target = podman.image("web", "1-dev", Temper::Well);
    let unit = "PODMAN_SYSTEMD_UNIT=dev-unit.service";
    podman.container("dev-unit", &image, &["--label", unit]);
    let compose = |name: &str| {
        let labels = ["project=dev".to_owned(), format!("service={name}")];
        labels.map(|label| format!("--label=com.docker.compose.{label}"))
    };
    let (bare, full) = (compose("bare"), compose("full"));
    podman.container("c1", &image, &bare.each_ref().map(String::as_str));
    let label = "--label=com.docker.compose.image=sha256:77";
    podman.container("c2", &image, &[&full[0], &full[1], label]);
    let platform = platform(&podman).await;
    let applications = platform.applications("dev").await.expect("applications");
    let told: Vec<_> =
        applications.iter().map(|one| (&*one.service, one.notes.last().map_or("", String::as_str))).collect();
    let noted = |what: &str| {
        format!(
            "its compose file{what} the bad version still, and `compose up` will put that back: set the image there, too"
        )
    };
    let blind = "no health check: that it keeps running is all that can be seen";
    let label = noted(" and its label com.docker.compose.image name");
    assert_eq!(told, [("bare", &*noted(" names")), ("full", &*label), ("unit", blind)]);
    let obstacles: Vec<_> = applications.iter().map(|one| one.obstacle.as_deref()).collect();
    let why = "container 'dev-unit' cannot be replaced: its systemd unit 'dev-unit.service' would start the old image \
               again: set the image in that unit (a quadlet: in its .container file), then `systemctl daemon-reload` and \
               `systemctl restart dev-unit.service`";
    assert_eq!(obstacles, [None, None, Some(why)]);
    // It is refused to whoever did not plan as well.
    let before = podman.containers();
    let planned = changes(&*platform, "dev", &[("unit", &target)]).await;
    let refused = nothing_sent(platform.deploy(&planned, LIMIT, &Unwatched).await);
    assert_eq!(refused, why);
    assert_eq!(podman.containers(), before);
}
