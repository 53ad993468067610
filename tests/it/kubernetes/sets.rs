//! What belongs together: containers of several services in one pod, cron jobs, and what cannot be set.

use firebreak::platform::{Apart, Application};

use super::*;

/// The change of one of the services that a workload runs.
async fn change(platform: &dyn Platform, workload: &str, repository: &str) -> Change {
    let applications = platform.applications("dev").await.expect("applications");
    let mut application = applications.into_iter().find(|one| one.service == workload).expect("the workload");
    application.images.retain(|image| image.as_str().contains(repository));
    Change { application, to: format!("r:5000/{repository}:1-dev").into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_services_in_one_pod_are_written_as_one_and_go_back_together() {
    let kubernetes = Kubernetes::start().await;
    let containers = [("app", "r:5000/team/billing:2-dev"), PROXY, ("books", "r:5000/team/ledger:2-dev")];
    let init = json!([{ "name": "migrate", "image": "r:5000/team/ledger:2-dev" }]);
    let more = json!({ "spec": { "template": { "spec": { "initContainers": init } } } });
    kubernetes.make("deployments", "shop", &containers, more).await;
    kubernetes.until_well("deployments/shop").await;
    let before = specs(&kubernetes, &["deployments/shop"]).await;
    let notes = Arc::new(Notes::default());
    let platform = recorded(&kubernetes.url(), &notes).await;
    let planned = [change(&*platform, "shop", "team/billing").await, change(&*platform, "shop", "team/ledger").await];
    let together = "its containers books, migrate run the same repository and move together";
    assert_eq!((platform.notes(&planned[0]), platform.notes(&planned[1])), (vec![], vec![together.to_owned()]));
    platform.deploy(&planned, LIMIT, &Unwatched).await.expect("a deployment");
    assert_eq!(look(&*platform, &planned).await, [Target, Target]);
    let now = kubernetes.get("deployments/shop").await;
    let pods = &now["spec"]["template"]["spec"];
    let images = |list: &str| -> Vec<&str> {
        pods[list].as_array().expect("containers").iter().filter_map(|one| one["image"].as_str()).collect()
    };
    assert_eq!(images("containers"), ["r:5000/team/billing:1-dev", PROXY.1, "r:5000/team/ledger:1-dev"]);
    assert_eq!(images("initContainers"), ["r:5000/team/ledger:1-dev"]);
    assert_eq!(
        now["metadata"]["annotations"]["kubernetes.io/change-cause"],
        "firebreak run 7-abc: r:5000/team/billing:1-dev, r:5000/team/ledger:1-dev"
    );
    let by_hand = planned.each_ref().map(|change| platform.by_hand(change));
    assert!(by_hand[0].ends_with("set image deployment/shop app=r:5000/team/billing:2-dev"), "{by_hand:?}");
    let both = "set image deployment/shop books=r:5000/team/ledger:2-dev migrate=r:5000/team/ledger:2-dev";
    assert!(by_hand[1].ends_with(both), "{by_hand:?}");

    // Another process, which knows it from the journal.
    let fresh = self::platform(&kubernetes.url()).await;
    fresh.recall(&notes.calls());
    fresh.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(look(&*fresh, &planned).await, [BEFORE, BEFORE]);
    assert_eq!(specs(&kubernetes, &["deployments/shop"]).await, before);
    assert_eq!(notes.names(), ["set"], "one write for both");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_cron_job_the_image_is_set_and_nothing_is_verified() {
    let kubernetes = Kubernetes::start().await;
    kubernetes.make_cron_job("report", "r:5000/team/billing:2-dev").await;
    let before = specs(&kubernetes, &["cronjobs/report"]).await;
    let platform = platform(&kubernetes.url()).await;
    let planned = [change(&*platform, "report", "team/billing").await];
    assert_eq!(planned[0].application.id, format!("{}/cronjob/report", kubernetes.namespace));
    assert_eq!(planned[0].application.notes, ["it runs at its times: only its image is set"]);
    assert_eq!(look(&*platform, &planned).await, [BEFORE]);
    platform.deploy(&planned, LIMIT, &Unwatched).await.expect("a deployment");
    let active = json!({ "status": { "active": [{ "apiVersion": "batch/v1", "kind": "Job", "name": "report-7" }] } });
    kubernetes.change("cronjobs/report/status", &active).await;
    let why = "its next job runs this image; jobs that are under way keep the image that they began with: report-7";
    assert_eq!(look(&*platform, &planned).await, [Standing::Idle { why: why.to_owned() }]);
    let history = platform.history(&[planned[0].application.clone()]).await.expect("what ran");
    assert_eq!(history, [[]], "nothing tells what its jobs ran");
    let words = shlex::split(&platform.by_hand(&planned[0])).expect("words");
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(look(&*platform, &planned).await, [BEFORE]);
    assert_eq!(specs(&kubernetes, &["cronjobs/report"]).await, before);
    kubernetes.set_cron_job("report", "r:5000/team/billing:1-dev").await;
    let done = Command::new(Kubernetes::program("kubectl")).args(&words[1..]).output().expect("kubectl");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(specs(&kubernetes, &["cronjobs/report"]).await, before);
    let look_into = platform.look_into(&planned[0]);
    assert!(look_into.contains("describe cronjob/report && kubectl") && look_into.ends_with("get pods"), "{look_into}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_set_says_what_it_is() {
    let kubernetes = Kubernetes::start().await;
    set(&kubernetes).await;
    let image = "r:5000/team/billing:2-dev";
    let job = kubernetes.make_job("migrate", image).await;
    let owner = json!([{
        "apiVersion": "batch/v1", "kind": "Job", "name": "migrate", "uid": job["metadata"]["uid"], "controller": true,
    }]);
    kubernetes.make_pod("migrate-x2b4", image, &owner).await;
    kubernetes.make_pod("debug", image, &Value::Null).await;
    let platform = platform(&kubernetes.url()).await;
    let namespace = &kubernetes.namespace;
    let other = |name: &str, why: &str| Application {
        id: format!("{namespace}/{name}"),
        service: name.to_owned(),
        images: vec![image.into()],
        apart: Some(Apart::Fixed(why.to_owned())),
        ..Application::default()
    };
    let expected = [
        other("job/migrate", "a job under way, which keeps its image"),
        other("pod/debug", "a pod of its own, whose image cannot be set"),
    ];
    assert_eq!(platform.others("dev").await.expect("what else runs"), expected);
    let hold = json!({ "metadata": { "annotations": { "firebreak.io/hold": "incident 7" } } });
    kubernetes.change("daemonsets/agent", &hold).await;
    let applications = platform.applications("dev").await.expect("applications");
    let kept: Vec<_> = applications.iter().filter_map(|one| Some((&*one.service, one.apart.as_ref()?.why()))).collect();
    assert_eq!(kept, [("agent", "it is held (firebreak.io/hold: incident 7)")]);
}
