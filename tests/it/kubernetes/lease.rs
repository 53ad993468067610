//! One operator at a time.

use chrono::{TimeZone as _, Utc};
use firebreak::journal::lock::{Holder, LockError};

use super::*;

fn holder(run: &str, who: &str) -> Holder {
    let since = Utc.with_ymd_and_hms(2026, 11, 20, 10, 0, 0).single().expect("a time");
    Holder { run: run.to_owned(), who: who.to_owned(), since }
}

fn path(kubernetes: &Kubernetes) -> String {
    format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", kubernetes.namespace)
}

async fn held_by(platform: &dyn Platform, holder: &Holder) -> Holder {
    match platform.lock("dev", holder).await {
        Err(LockError::Held(Some(by))) => by,
        other => panic!("somebody holds it: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_has_it_and_the_other_is_told_who() {
    let kubernetes = Kubernetes::start().await;
    let (ann, bob) = (holder("7-abc", "ann on ops1"), holder("8-def", "bob on ops2"));
    let notes = Arc::new(Notes::default());
    let hers = recorded(&kubernetes.url(), &notes).await;
    let his = platform(&kubernetes.url()).await;
    hers.lock("dev", &ann).await.expect("the lock");
    // She renews it, so he does not wait until it runs out.
    assert_eq!(held_by(&*his, &bob).await, ann);
    his.unlock("dev", &bob).await.expect("what is not his is left alone");
    assert_eq!(held_by(&*his, &bob).await, ann);
    hers.unlock("dev", &ann).await.expect("to unlock");
    his.lock("dev", &bob).await.expect("the lock");
    hers.unlock("dev", &ann).await.expect("nothing of hers is there");
    assert_eq!(held_by(&*hers, &ann).await, bob);
    his.unlock("dev", &bob).await.expect("to unlock");
    let leases = kubernetes.call(Method::GET, &path(&kubernetes), &Value::Null).await;
    assert_eq!(leases["items"], json!([]));
    // What she tried once more was refused.
    assert_eq!(notes.names(), ["lock", "unlock", "lock"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_has_it() {
    let kubernetes = Kubernetes::start().await;
    let lock = async |number: usize| {
        let platform = platform(&kubernetes.url()).await;
        let got = platform.lock("dev", &holder(&format!("{number}-abc"), "somebody")).await;
        (got.is_ok(), platform)
    };
    let all = futures_util::future::join_all((0..8).map(lock)).await;
    assert_eq!(all.iter().filter(|(got, _)| *got).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_run_takes_its_own_over() {
    let kubernetes = Kubernetes::start().await;
    let dies = platform(&kubernetes.url()).await;
    dies.lock("dev", &holder("7-abc", "ann on ops1")).await.expect("the lock");
    drop(dies);
    let resumes = platform(&kubernetes.url()).await;
    let again = holder("7-abc", "bob on ops1");
    resumes.lock("dev", &again).await.expect("the lock of the run that died");
    let third = platform(&kubernetes.url()).await;
    assert_eq!(held_by(&*third, &holder("9-xyz", "eve on ops3")).await, again);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_nobody_renews_is_taken_whatever_its_times_say() {
    let kubernetes = Kubernetes::start().await;
    // Its holder's clock is a year ahead.
    let spec = json!({
        "holderIdentity": "6-old", "leaseDurationSeconds": 2, "renewTime": "2099-01-01T00:00:00.000000Z",
    });
    let lease = json!({ "metadata": { "name": "firebreak" }, "spec": spec });
    kubernetes.call(Method::POST, &path(&kubernetes), &lease).await;
    let platform = platform(&kubernetes.url()).await;
    platform.lock("dev", &holder("7-abc", "ann on ops1")).await.expect("the lock that was left");
    let lease = kubernetes.call(Method::GET, &format!("{}/firebreak", path(&kubernetes)), &Value::Null).await;
    assert_eq!(lease["spec"]["holderIdentity"], "7-abc");
    let told = json!({ "firebreak/who": "ann on ops1", "firebreak/since": "2026-11-20T10:00:00Z" });
    assert_eq!(lease["metadata"]["annotations"], told);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_keep_nobody_out_is_told_what_it_lacks() {
    let kubernetes = Kubernetes::start().await;
    let platform = platform(&kubernetes.url_as("reader")).await;
    let Err(LockError::Failed(error)) = platform.lock("dev", &holder("7-abc", "ann on ops1")).await else {
        panic!("it may not");
    };
    let (place, namespace) = (kubernetes.address_as("reader"), &kubernetes.namespace);
    assert_eq!(
        format!("{error:#}"),
        format!(
            "failed to lock {place}: the account may not keep others out: let it get, create, \
             update and delete leases.coordination.k8s.io: Kubernetes answered 403 Forbidden: leases.coordination.k8s.io \
             is forbidden: User \"reader\" cannot create resource \"leases\" in API group \"coordination.k8s.io\" in the \
             namespace \"{namespace}\""
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_make_a_lease_and_not_renew_it_is_told_at_once() {
    let kubernetes = Kubernetes::start().await;
    let leases =
        |verbs: &[&str]| json!([{ "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": verbs }]);
    kubernetes.let_reader(&leases(&["get", "create", "delete"])).await;
    let platform = platform(&kubernetes.url_as("reader")).await;
    let holder = holder("7-abc", "ann on ops1");
    let error = match platform.lock("dev", &holder).await {
        Err(LockError::Failed(error)) => format!("{error:#}"),
        other => panic!("it may not: {other:?}"),
    };
    assert!(error.contains("let it get, create, update and delete leases.coordination.k8s.io"), "{error}");
    assert!(error.contains("cannot update resource \"leases\""), "{error}");
    let left = kubernetes.call(Method::GET, &path(&kubernetes), &Value::Null).await;
    assert_eq!(left["items"], json!([]), "and nobody waits for it");
}
