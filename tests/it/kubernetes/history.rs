//! What ran, as a real Kubernetes remembers it.

use chrono::{DateTime, Utc};
use firebreak::platform::Ran;

use super::*;

/// Waits until all run, and lets a second pass: Kubernetes counts in seconds.
async fn run(kubernetes: &Kubernetes, objects: &[&str]) {
    for what in objects {
        kubernetes.until_well(what).await;
    }
    tokio::time::sleep(Duration::from_millis(1100)).await;
}

/// Has all run this tag, in their only container.
async fn set_all(kubernetes: &Kubernetes, objects: &[&str], tag: &str) {
    for what in objects {
        let name = what.split('/').nth(1).expect("a name");
        kubernetes.set_image(what, name, &format!("r:5000/team/{name}:{tag}")).await;
    }
    run(kubernetes, objects).await;
}

/// Images and doubts, the newest first; the times are those of the objects that are named.
fn told(ran: &[Ran]) -> Vec<(&str, Option<String>)> {
    let bare = |doubt: &String, source: &str| {
        let mut text = doubt.clone();
        for one in ran {
            text = text.replace(&one.source, if one.source == source { "it" } else { "another" });
        }
        text
    };
    ran.iter().map(|one| (one.image.as_str(), one.doubt.as_ref().map(|doubt| bare(doubt, &one.source)))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ran_is_told_with_its_times_and_its_doubts() {
    let kubernetes = Kubernetes::start().await;
    let objects = ["deployments/billing", "statefulsets/ledger", "daemonsets/agent"];
    for what in objects {
        let (kind, name) = what.split_once('/').expect("kind and name");
        kubernetes.make(kind, name, &[(name, &format!("r:5000/team/{name}:1-dev"))], json!({})).await;
    }
    run(&kubernetes, &objects).await;
    for tag in ["2-dev", "3-dev"] {
        set_all(&kubernetes, &objects, tag).await;
    }
    let platform = platform(&kubernetes.url()).await;
    let applications = platform.applications("dev").await.expect("applications");
    for (application, ran) in applications.iter().zip(platform.history(&applications).await.expect("what ran")) {
        let image = |tag: &str| format!("r:5000/team/{}:{tag}", application.service);
        let (one, two, three) = (image("1-dev"), image("2-dev"), image("3-dev"));
        assert_eq!(told(&ran), [(&*three, None), (&*two, None), (&*one, None)]);
        let from: Vec<DateTime<Utc>> = ran.iter().map(|one| one.from.expect("a beginning")).collect();
        assert!(from.is_sorted_by(|newer, older| newer > older), "{from:?}");
        assert_eq!([ran[0].until, ran[1].until, ran[2].until], [None, Some(from[0]), Some(from[1])]);
        let object = if application.service == "billing" { "ReplicaSet billing-" } else { "ControllerRevision " };
        assert!(ran.iter().all(|one| one.source.starts_with(object)), "{ran:?}");
    }

    // The first runs a second time: since when is lost, and with it until when the third ran.
    set_all(&kubernetes, &objects, "1-dev").await;
    let applications = platform.applications("dev").await.expect("applications");
    for (application, ran) in applications.iter().zip(platform.history(&applications).await.expect("what ran")) {
        let image = |tag: &str| format!("r:5000/team/{}:{tag}", application.service);
        let (one, two, three) = (image("1-dev"), image("2-dev"), image("3-dev"));
        let since = Some("since when is not known: it was used a second time".to_owned());
        let until = Some("until when is not known: another was used a second time".to_owned());
        let expected = [(&*one, since), (&*three, until), (&*two, None), (&*one, None)];
        assert_eq!(told(&ran), expected, "{}", application.id);
        assert_eq!((ran[0].from, ran[0].until, ran[1].until), (ran[1].from, None, None), "as far as it may reach");
        assert_eq!(ran[2].until, ran[1].from);
        assert_eq!(ran[3].until, ran[2].from);
    }
}
