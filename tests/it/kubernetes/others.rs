//! Those who are there besides us: what they set, what they forbid, what they keep.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_should_know_is_told() {
    let kubernetes = Kubernetes::start().await;
    let app = [("app", "r:5000/team/app:2-dev")];
    let argo = json!({ "metadata": { "annotations": { "argocd.argoproj.io/tracking-id": "shop" } } });
    let flux = json!({ "metadata": { "labels": { "helm.toolkit.fluxcd.io/name": "shop" } } });
    let recreate = json!({ "spec": { "strategy": { "type": "Recreate" } } });
    let partition = json!({ "spec": { "updateStrategy": { "rollingUpdate": { "partition": 1 } } } });
    let on_delete = json!({ "spec": { "updateStrategy": { "type": "OnDelete" } } });
    let none = json!({ "spec": { "replicas": 0 } });
    let paused = json!({ "spec": { "paused": true } });
    for (kind, name, more) in [
        ("deployments", "argo", argo),
        ("deployments", "flux", flux),
        ("deployments", "recreate", recreate),
        ("deployments", "none", none),
        ("deployments", "paused", paused),
        ("statefulsets", "partition", partition),
        ("daemonsets", "on-delete", on_delete),
    ] {
        kubernetes.make(kind, name, &app, more).await;
    }
    let path = format!("/apis/apps/v1/namespaces/{}/deployments", kubernetes.namespace);
    kubernetes.make("deployments", "argo-label", &app, json!({})).await;
    let label = json!({ "metadata": { "labels": { "app.kubernetes.io/instance": "shop" } } });
    let by = format!("{path}/argo-label?fieldManager=argocd-controller");
    kubernetes.call(Method::PATCH, &by, &label).await;
    kubernetes.make("deployments", "which", &[PROXY, ("app", "r:5000/team/other:1")], json!({})).await;
    kubernetes.until_well("daemonsets/on-delete").await;
    let platform = platform(&kubernetes.url()).await;
    let applications = platform.applications("dev").await.expect("applications");
    let told: Vec<_> = applications
        .iter()
        .map(|one| {
            let id = one.id.strip_prefix(&format!("{}/", kubernetes.namespace)).expect("an id of the namespace");
            (id, one.instances, one.images.len(), one.notes.join("; "), one.obstacle.as_deref())
        })
        .collect();
    let keeps =
        |who: &str| format!("{who} keeps it as its repository says, and will put the bad version back: stop it first");
    let on_delete = "its pods are replaced only when they are deleted (OnDelete)";
    let expected = [
        ("deployment/argo", 1, 1, keeps("Argo CD"), None),
        ("deployment/argo-label", 1, 1, keeps("Argo CD"), None),
        ("deployment/flux", 1, 1, keeps("Flux"), None),
        ("deployment/none", 0, 1, "0 replicas: only its image is set".to_owned(), None),
        ("daemonset/on-delete", 1, 1, String::new(), Some(on_delete)),
        ("statefulset/partition", 1, 1, String::new(), Some("its pods below number 1 keep their image (partition)")),
        ("deployment/paused", 1, 1, String::new(), Some("it is paused: `kubectl rollout resume` it first")),
        ("deployment/recreate", 1, 1, "down while it restarts".to_owned(), None),
        ("deployment/which", 1, 2, String::new(), None),
    ];
    assert_eq!(told, expected);

    // An obstacle is one for whoever did not plan as well, and one without replicas is only set.
    let planned = changes(&*platform, "dev", &[("paused", "r:5000/team/app:1-dev")]).await;
    assert_eq!(
        refusal(&*platform, &planned).await,
        format!(
            "application '{}/deployment/paused' cannot be changed: it is paused: `kubectl rollout resume` it first",
            kubernetes.namespace
        )
    );
    let planned = changes(&*platform, "dev", &[("none", "r:5000/team/app:1-dev")]).await;
    platform.deploy(&planned, LIMIT, &Unwatched).await.expect("a deployment");
    assert_eq!(look(&*platform, &planned).await, [Standing::Idle { why: "0 replicas".to_owned() }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changed_since_the_plan_is_not_written() {
    let kubernetes = Kubernetes::start().await;
    set(&kubernetes).await;
    let platform = platform(&kubernetes.url()).await;
    let planned = changes(&*platform, "dev", &TARGETS).await;
    kubernetes.change("daemonsets/agent", &json!({ "spec": { "minReadySeconds": 1 } })).await;
    let before = specs(&kubernetes, &OBJECTS).await;
    assert_eq!(
        refusal(&*platform, &planned).await,
        format!(
            "application '{}/daemonset/agent' was changed by others since the plan was made: plan again",
            kubernetes.namespace
        )
    );
    assert_eq!(specs(&kubernetes, &OBJECTS).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_nothing_that_matters_keeps_nobody_from_it() {
    let kubernetes = Kubernetes::start().await;
    set(&kubernetes).await;
    let platform = platform(&kubernetes.url()).await;
    let planned = changes(&*platform, "dev", &TARGETS).await;
    // An autoscaler that scales, and somebody who marks the object again and again: each is a new version of it.
    kubernetes.change("deployments/billing", &json!({ "spec": { "replicas": 3 } })).await;
    let marks = async {
        for number in 0.. {
            let label = json!({ "metadata": { "labels": { "mark": number.to_string() } } });
            for what in OBJECTS {
                kubernetes.change(what, &label).await;
            }
            // Without a pause the controllers' own writes fail so often that they wait for minutes before the next.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        deployed = platform.deploy(&planned, LIMIT, &Unwatched) => deployed.expect("a deployment"),
        () = marks => unreachable!("it marks for ever"),
    }
    assert_eq!(look(&*platform, &planned).await, [Target, Target, Target]);
    assert_eq!(kubernetes.get("deployments/billing").await["spec"]["replicas"], 3);
    kubernetes.change("deployments/billing", &json!({ "spec": { "replicas": 4 } })).await;
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    // The pod that is new by the other's change may take a moment.
    let deadline = tokio::time::Instant::now() + Duration::from_mins(2);
    while look(&*platform, &planned).await != [BEFORE, BEFORE, BEFORE] && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(look(&*platform, &planned).await, [BEFORE, BEFORE, BEFORE]);
    assert_eq!(kubernetes.get("deployments/billing").await["spec"]["replicas"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changed_since_the_write_is_left_alone() {
    let kubernetes = Kubernetes::start().await;
    set(&kubernetes).await;
    let platform = platform(&kubernetes.url()).await;
    let planned = changes(&*platform, "dev", &TARGETS).await;
    platform.deploy(&planned, LIMIT, &Unwatched).await.expect("a deployment");
    let theirs = "r:5000/team/ledger:3-dev";
    kubernetes.set_image("statefulsets/ledger", "ledger", theirs).await;
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    let other = Standing::Other { value: theirs.to_owned() };
    assert_eq!(look(&*platform, &planned).await, [BEFORE, other, BEFORE]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_deleted_since_the_write_keeps_none_of_the_others_from_going_back() {
    let kubernetes = Kubernetes::start().await;
    set(&kubernetes).await;
    let platform = platform(&kubernetes.url()).await;
    let planned = changes(&*platform, "dev", &TARGETS).await;
    platform.deploy(&planned, LIMIT, &Unwatched).await.expect("a deployment");
    kubernetes.delete("deployments/billing").await;
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(look(&*platform, &planned).await, [Standing::Gone, BEFORE, BEFORE]);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_sets_it_while_it_is_waited_for_is_noticed() {
    let kubernetes = Kubernetes::start().await;
    billing(&kubernetes, json!({})).await;
    let platform = platform(&kubernetes.url()).await;
    let planned = changes(&*platform, "dev", &[("billing", "r:5000/team/billing:sick-dev")]).await;
    let theirs = "r:5000/team/billing:3-dev";
    let (error, ()) = tokio::join!(failure(&*platform, &planned, LIMIT), async {
        kubernetes.until("deployments/billing", |object| object["status"]["updatedReplicas"] == 1).await;
        kubernetes.set_image("deployments/billing", "billing", theirs).await;
    });
    let id = format!("{}/deployment/billing", kubernetes.namespace);
    assert!(error.ends_with(&format!(": '{id}' was set to '{theirs}' by others meanwhile")), "{error}");
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("nothing to take back");
    assert_eq!(look(&*platform, &planned).await, [Standing::Other { value: theirs.to_owned() }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_only_read_is_refused_before_anything_is_written() {
    let kubernetes = Kubernetes::start().await;
    set(&kubernetes).await;
    // It may set Deployments, the first of the set, but not the others.
    let read = json!({ "apiGroups": ["apps"], "resources": ["*"], "verbs": ["get", "list"] });
    let write = json!({ "apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["patch"] });
    let jobs = json!({ "apiGroups": ["batch"], "resources": ["cronjobs"], "verbs": ["list"] });
    kubernetes.let_reader(&json!([read, write, jobs])).await;
    let before = specs(&kubernetes, &OBJECTS).await;
    let platform = platform(&kubernetes.url_as("reader")).await;
    let planned = changes(&*platform, "dev", &TARGETS).await;
    let namespace = &kubernetes.namespace;
    assert_eq!(
        refusal(&*platform, &planned).await,
        format!(
            "Kubernetes refused the change of application '{namespace}/statefulset/ledger': \
             Kubernetes answered 403 Forbidden: statefulsets.apps \"ledger\" is forbidden: User \"reader\" cannot patch \
             resource \"statefulsets\" in API group \"apps\" in the namespace \"{namespace}\""
        )
    );
    assert_eq!(specs(&kubernetes, &OBJECTS).await, before);
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("nothing to take back");
    assert_eq!(specs(&kubernetes, &OBJECTS).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admission_that_refuses_does_so_before_anything_is_written_and_no_secret_is_told() {
    let kubernetes = Kubernetes::start().await;
    set(&kubernetes).await;
    let name = &kubernetes.namespace;
    let policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic";
    let containers = "object.spec.template.spec.containers";
    let rules = json!([{
        "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["daemonsets"],
    }]);
    let validation = json!({
        "expression": format!("{containers}.all(one, !one.image.endsWith(':1-dev'))"),
        "messageExpression": format!("'too old, with the password ' + {containers}[0].env[0].value"),
    });
    let policy = json!({
        "metadata": { "name": name },
        "spec": { "matchConstraints": { "resourceRules": rules }, "validations": [validation] },
    });
    kubernetes.call(Method::POST, &format!("{policies}ies"), &policy).await;
    let only = json!({ "matchLabels": { "kubernetes.io/metadata.name": name } });
    let binding = json!({
        "metadata": { "name": name },
        "spec": {
            "policyName": name, "validationActions": ["Deny"], "matchResources": { "namespaceSelector": only },
        },
    });
    kubernetes.call(Method::POST, &format!("{policies}ybindings"), &binding).await;
    let before = specs(&kubernetes, &OBJECTS).await;
    let platform = platform(&kubernetes.url()).await;
    let planned = changes(&*platform, "dev", &TARGETS).await;
    // The API server comes to know of it a moment later.
    let patch = json!([{ "op": "replace", "path": "/spec/template/spec/containers/0/image", "value": TARGETS[2].1 }]);
    kubernetes.until_refused("daemonsets/agent", &patch).await;
    let refusal = refusal(&*platform, &planned).await;
    assert_eq!(
        refusal,
        format!(
            "Kubernetes refused the change of application '{name}/daemonset/agent': Kubernetes answered 422 Unprocessable \
             Entity: daemonsets.apps \"agent\" is forbidden: ValidatingAdmissionPolicy '{name}' with binding '{name}' \
             denied request: too old, with the password ***"
        )
    );
    assert_eq!(specs(&kubernetes, &OBJECTS).await, before);
}
