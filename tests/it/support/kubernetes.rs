//! A real Kubernetes of the tests' own: etcd, API server and controllers. What a kubelet would do is done here: pods get
//! ready, except those of an image whose tag holds `sick`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};
use firebreak::http::{self, Trust};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::{Server, Shared, free_port, need};

/// Who the API server knows: token, user, group. `reader` may do what a test lets it.
const TOKENS: &str = "admin,admin,1,system:masters\nreader,reader,2\n";

/// The node that every pod is on.
const NODE: &str = "node";

/// The servers, which all tests that run at the same time share. They end with the last of those.
struct Cluster {
    folder: tempfile::TempDir,
    port: u16,
    _servers: [Server; 3],
    _kubelet: Kubelet,
}

static RUNNING: Shared<Cluster> = Shared::new();
static NAMESPACES: AtomicUsize = AtomicUsize::new(1);

/// A namespace of a real Kubernetes.
pub struct Kubernetes {
    cluster: Arc<Cluster>,
    /// Its name.
    pub namespace: String,
    http: http::Client,
}

impl Kubernetes {
    /// A new namespace; starts the servers where no other test has.
    pub async fn start() -> Self {
        let cluster = tokio::task::spawn_blocking(Cluster::running).await.expect("the servers");
        let http = cluster.http();
        let namespace = format!("test-{}", NAMESPACES.fetch_add(1, Ordering::Relaxed));
        let kubernetes = Self { cluster, namespace, http };
        let body = json!({ "metadata": { "name": kubernetes.namespace } });
        kubernetes.call(Method::POST, "/api/v1/namespaces", &body).await;
        kubernetes
    }

    /// The platform's URL, for somebody who may do everything.
    pub fn url(&self) -> String {
        self.url_as("admin")
    }

    /// The platform's URL for a user.
    pub fn url_as(&self, user: &str) -> String {
        format!("kubernetes://{user}/{}?kubeconfig={}", self.namespace, self.kubeconfig().display())
    }

    /// What the platform says of itself where it is reached so.
    pub fn address_as(&self, user: &str) -> String {
        format!("kubernetes://{user}/{} (127.0.0.1:{})", self.namespace, self.cluster.port)
    }

    /// A kubeconfig with a context for each user: `admin`, which is the current one, and `reader`.
    pub fn kubeconfig(&self) -> PathBuf {
        self.cluster.folder.path().join("kubeconfig")
    }

    /// A kubeconfig whose server is another one, for the user `admin`: what stands between us and Kubernetes.
    pub fn kubeconfig_by(&self, server: &str) -> PathBuf {
        let path = self.cluster.folder.path().join(format!("kubeconfig-{}", self.namespace));
        write_kubeconfig(&path, server, None);
        path
    }

    /// The API server.
    pub fn server(&self) -> String {
        self.cluster.server()
    }

    /// A client that believes the API server.
    pub fn http(&self) -> http::Client {
        self.http.clone()
    }

    /// `kubectl`, and others that come with it.
    pub fn program(name: &str) -> PathBuf {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"))).unwrap_or_default();
        let path = cache.join("firebreak").join(format!("kubernetes-{}", version())).join(name);
        assert!(path.is_file(), "this test needs `{name}` as {}: run `make tools`, which builds it", path.display());
        path
    }

    /// Asks the API server as `admin`; fails the test where it refuses.
    pub async fn call(&self, method: Method, path: &str, body: &Value) -> Value {
        let (status, answer) = call(&self.http, &self.cluster.server(), method.clone(), path, body).await;
        assert!(status.is_success(), "{method} {path} gives {status}: {answer}");
        answer
    }

    /// What is at a path below the namespace's objects of `apps/v1` and `batch/v1`: `deployments/billing`.
    pub async fn get(&self, what: &str) -> Value {
        self.call(Method::GET, &self.path(what), &Value::Null).await
    }

    /// Makes a Deployment, StatefulSet or DaemonSet of the containers `(name, image)`; with more fields for it.
    pub async fn make(&self, kind: &str, name: &str, containers: &[(&str, &str)], more: Value) {
        let containers: Vec<Value> = containers
            .iter()
            .map(|(name, image)| {
                json!({
                    "name": name, "image": image, "env": [{ "name": "PASSWORD", "value": "s3cret" }],
                    "readinessProbe": { "tcpSocket": { "port": 80 } },
                })
            })
            .collect();
        let labels = json!({ "service": name });
        let mut object = json!({
            "metadata": { "name": name },
            "spec": {
                "selector": { "matchLabels": labels },
                "template": {
                    "metadata": { "labels": labels },
                    "spec": { "nodeName": NODE, "terminationGracePeriodSeconds": 0, "containers": containers },
                },
            },
        });
        if kind == "statefulsets" {
            object["spec"]["serviceName"] = name.into();
        }
        json_patch::merge(&mut object, &more);
        self.call(Method::POST, &self.path(kind), &object).await;
    }

    /// Makes a CronJob with one container.
    pub async fn make_cron_job(&self, name: &str, image: &str) {
        let spec = json!({ "schedule": "0 3 * * *", "jobTemplate": { "spec": job(image) } });
        self.call(Method::POST, &self.path("cronjobs"), &json!({ "metadata": { "name": name }, "spec": spec })).await;
    }

    /// Sets the image of a CronJob as somebody else would.
    pub async fn set_cron_job(&self, name: &str, image: &str) {
        let spec = json!({ "jobTemplate": { "spec": job(image) } });
        self.change(&format!("cronjobs/{name}"), &json!({ "spec": spec })).await;
    }

    /// Makes a Job that nobody carries out.
    pub async fn make_job(&self, name: &str, image: &str) -> Value {
        let object = json!({ "metadata": { "name": name }, "spec": job(image) });
        self.call(Method::POST, &self.path("jobs"), &object).await
    }

    /// Makes a pod as its owner would.
    pub async fn make_pod(&self, name: &str, image: &str, owner: &Value) {
        let mut pod = job(image)["template"].take();
        pod["metadata"] = json!({ "name": name, "ownerReferences": owner });
        self.call(Method::POST, &format!("/api/v1/namespaces/{}/pods", self.namespace), &pod).await;
    }

    /// Changes an object as somebody else would.
    pub async fn change(&self, what: &str, merge: &Value) -> Value {
        self.call(Method::PATCH, &self.path(what), merge).await
    }

    /// Deletes an object as somebody else would.
    pub async fn delete(&self, what: &str) {
        self.call(Method::DELETE, &self.path(what), &Value::Null).await;
    }

    /// Lets the user `reader` do in this namespace what these rules of a Role say.
    pub async fn let_reader(&self, rules: &Value) {
        let rights = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}", self.namespace);
        let role = json!({ "metadata": { "name": "reader" }, "rules": rules });
        self.call(Method::POST, &format!("{rights}/roles"), &role).await;
        let binding = json!({
            "metadata": { "name": "reader" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader" },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "reader" }],
        });
        self.call(Method::POST, &format!("{rights}/rolebindings"), &binding).await;
        // The API server comes to know of it a moment later.
        let asked = json!({ "spec": { "user": "reader", "resourceAttributes": {
            "namespace": self.namespace, "group": rules[0]["apiGroups"][0],
            "resource": rules[0]["resources"][0], "verb": rules[0]["verbs"][0],
        } } });
        let reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        let may = async || self.call(Method::POST, reviews, &asked).await["status"]["allowed"] == true;
        until_so(may).await.expect("the rights of the reader");
    }

    /// Waits until a JSON Patch would be refused; nothing is written.
    pub async fn until_refused(&self, what: &str, patch: &Value) {
        let url = format!("{}{}?dryRun=All", self.cluster.server(), self.path(what));
        until_so(async || {
            let request = self.http.patch(&url).bearer_auth("admin");
            let request = request.header("Content-Type", "application/json-patch+json").body(patch.to_string());
            !request.send().await.expect("an answer").status().is_success()
        })
        .await
        .unwrap_or_else(|_| panic!("{what} would still be changed by {patch}"));
    }

    /// Sets the image of a container as somebody else would.
    pub async fn set_image(&self, what: &str, container: &str, image: &str) {
        let mut containers = self.get(what).await["spec"]["template"]["spec"]["containers"].take();
        let found = containers.as_array_mut().expect("containers").iter_mut().find(|one| one["name"] == container);
        found.expect("the container")["image"] = image.into();
        let merge = json!({ "spec": { "template": { "spec": { "containers": containers } } } });
        self.change(what, &merge).await;
    }

    /// Has a pod be ready, or not, until somebody says otherwise.
    pub async fn set_ready(&self, pod: &str, is_ready: bool) {
        let ready = if is_ready { "True" } else { "False" };
        let conditions = json!([{ "type": "Ready", "status": ready }]);
        let path = format!("/api/v1/namespaces/{}/pods/{pod}/status", self.namespace);
        self.call(Method::PATCH, &path, &json!({ "status": { "conditions": conditions } })).await;
    }

    /// Waits until every pod of an object has followed it and is ready.
    pub async fn until_well(&self, what: &str) {
        let is_well = |object: &Value| {
            let status = &object["status"];
            let count = |name: &str| status[name].as_u64().unwrap_or(0);
            let counts = if what.starts_with("daemonsets/") {
                ["desiredNumberScheduled", "updatedNumberScheduled", "numberReady"]
            } else {
                ["replicas", "updatedReplicas", "readyReplicas"]
            };
            let [all, updated, ready] = counts.map(count);
            let wanted = object["spec"]["replicas"].as_u64();
            status["observedGeneration"] == object["metadata"]["generation"]
                && all > 0
                && wanted.is_none_or(|wanted| wanted == all)
                && all == updated
                && all == ready
        };
        self.until(what, is_well).await;
    }

    /// Waits until a pod of a service waits for its image; its name.
    pub async fn until_waits(&self, service: &str) -> String {
        let waits = |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["waiting"].is_object();
        let found = |pods: &Value| pods["items"].as_array()?.iter().find(|pod| waits(pod)).cloned();
        let path = format!("/api/v1/namespaces/{}/pods?labelSelector=service%3D{service}", self.namespace);
        self.until_at(&path, |pods| found(pods).is_some()).await;
        let pods = self.call(Method::GET, &path, &Value::Null).await;
        found(&pods).expect("a pod that waits")["metadata"]["name"].as_str().expect("its name").to_owned()
    }

    /// Waits until an object is as wanted.
    pub async fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) {
        self.until_at(&self.path(what), is_so).await;
    }

    /// The same of what is at any path.
    pub async fn until_at(&self, path: &str, is_so: impl Fn(&Value) -> bool) {
        let mut last = Value::Null;
        until_so(async || {
            last = self.call(Method::GET, path, &Value::Null).await;
            is_so(&last)
        })
        .await
        .unwrap_or_else(|_| panic!("{path} did not come so far: {last:#}"));
    }

    fn path(&self, what: &str) -> String {
        let is_batch = what.starts_with("cronjobs") || what.starts_with("jobs");
        format!("/apis/{}/v1/namespaces/{}/{what}", if is_batch { "batch" } else { "apps" }, self.namespace)
    }
}

/// What a Job of an image is.
fn job(image: &str) -> Value {
    let container = json!({ "name": "app", "image": image });
    let pod = json!({ "nodeName": NODE, "restartPolicy": "Never", "containers": [container] });
    json!({ "template": { "spec": pod } })
}

impl Cluster {
    fn running() -> Arc<Self> {
        // A test that failed while it started them leaves nothing half.
        RUNNING.get(Self::start)
    }

    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("kubernetes").tempdir().expect("a temporary folder");
        let etcd_port = free_port();
        let etcd = start_etcd(folder.path(), etcd_port);
        let port = free_port();
        let server = start_api_server(folder.path(), port, etcd_port);
        let controllers = start_controllers(folder.path());
        let http = client(folder.path());
        let kubelet = Kubelet::start(http, format!("https://127.0.0.1:{port}"));
        Self { folder, port, _servers: [controllers, server, etcd], _kubelet: kubelet }
    }

    fn server(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    fn http(&self) -> http::Client {
        client(self.folder.path())
    }
}

/// Asks until it is so; a minute is far more than it takes.
async fn until_so(mut is_so: impl AsyncFnMut() -> bool) -> Result<(), Elapsed> {
    let coming = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_mins(1), coming).await
}

/// The server makes its certificate when it starts, and writes it piece by piece.
fn client(folder: &Path) -> http::Client {
    let certificate = folder.join("apiserver.crt");
    let is_whole = || std::fs::read_to_string(&certificate).is_ok_and(|text| text.contains("END CERTIFICATE"));
    let deadline = Instant::now() + Duration::from_mins(2);
    while !is_whole() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    let trust = Trust { authorities: Some(certificate), insecure: false };
    http::client(&trust).expect("a client")
}

async fn call(http: &http::Client, server: &str, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
    let kind = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
    let request = http.request(method, format!("{server}{path}")).bearer_auth("admin").header("Content-Type", kind);
    let request = if body.is_null() { request } else { request.body(body.to_string()) };
    match request.send().await {
        Ok(answer) => (answer.status(), answer.json().await.unwrap_or_default()),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string().into()),
    }
}

fn start_etcd(folder: &Path, port: u16) -> Server {
    let mut command = Command::new(need("etcd", "etcd-server"));
    let url = format!("http://127.0.0.1:{port}");
    let peers = format!("http://127.0.0.1:{}", free_port());
    command.arg("--data-dir").arg(folder.join("etcd")).args(["--unsafe-no-fsync", "--log-level=error"]);
    command.args(["--listen-client-urls", &url, "--advertise-client-urls", &url]);
    command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
    command.args(["--initial-cluster", &format!("default={peers}")]);
    Server::start(command, port, &folder.join("etcd.log"))
}

fn start_api_server(folder: &Path, port: u16, etcd: u16) -> Server {
    std::fs::write(folder.join("tokens"), TOKENS).expect("the file of tokens");
    let key = rcgen::KeyPair::generate().expect("a key");
    std::fs::write(folder.join("key"), key.serialize_pem()).expect("the file of the key");
    std::fs::write(folder.join("public-key"), key.public_key_pem()).expect("the file of its public half");
    let path = |name: &str| folder.join(name).display().to_string();
    let mut command = Command::new(Kubernetes::program("kube-apiserver"));
    command.args([
        &format!("--etcd-servers=http://127.0.0.1:{etcd}"),
        &format!("--secure-port={port}"),
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        &format!("--cert-dir={}", folder.display()),
        &format!("--service-account-key-file={}", path("public-key")),
        &format!("--service-account-signing-key-file={}", path("key")),
        "--service-account-issuer=https://kubernetes.default",
        &format!("--token-auth-file={}", path("tokens")),
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.0.0.0/24",
        // Nobody tells of the node that it is ready.
        "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
    ]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let url = format!("https://127.0.0.1:{port}");
    let ready = || {
        folder.join("apiserver.crt").is_file()
            && runtime.block_on(call(&client(folder), &url, Method::GET, "/readyz", &Value::Null)).0.is_success()
    };
    let server = Server::start_until(command, &folder.join("apiserver.log"), ready);
    write_kubeconfig(&folder.join("kubeconfig"), &url, Some(&folder.join("apiserver.crt")));
    let node = json!({ "metadata": { "name": NODE } });
    let (status, answer) = runtime.block_on(call(&client(folder), &url, Method::POST, "/api/v1/nodes", &node));
    assert!(status.is_success(), "no node: {answer}");
    server
}

fn start_controllers(folder: &Path) -> Server {
    let mut command = Command::new(Kubernetes::program("kube-controller-manager"));
    command.arg(format!("--kubeconfig={}", folder.join("kubeconfig").display()));
    command.args(["--leader-elect=false", "--secure-port=0"]);
    // Many tests share it: with the 20 requests a second that it asks by itself, pods wait for each other's tests.
    command.args(["--kube-api-qps=500", "--kube-api-burst=1000"]);
    command.arg("--controllers=deployment,replicaset,statefulset,daemonset,garbagecollector,namespace,resourcequota");
    let log = folder.join("controllers.log");
    // That they work shows with the first object.
    Server::start_until(command, &log, || true)
}

fn write_kubeconfig(path: &Path, server: &str, authority: Option<&Path>) {
    let users = ["admin", "reader"];
    let cluster = match authority {
        Some(file) => json!({ "server": server, "certificate-authority": file }),
        None => json!({ "server": server }),
    };
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "admin",
        "clusters": [{ "name": "test", "cluster": cluster }],
        "users": users.map(|user| json!({ "name": user, "user": { "token": user } })),
        "contexts": users.map(|user| json!({ "name": user, "context": { "cluster": "test", "user": user } })),
    });
    std::fs::write(path, kubeconfig.to_string()).expect("a kubeconfig");
}

/// Does what kubelets do, as far as the API tells.
struct Kubelet {
    task: Option<JoinHandle<()>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Kubelet {
    fn start(http: http::Client, server: String) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let task = runtime.spawn(async move {
            loop {
                let (_, pods) = call(&http, &server, Method::GET, "/api/v1/pods", &Value::Null).await;
                for pod in pods["items"].as_array().into_iter().flatten() {
                    attend(&http, &server, pod).await;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        Self { task: Some(task), runtime: Some(runtime) }
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.task.take().expect("a task").abort();
        self.runtime.take().expect("a runtime").shutdown_background();
    }
}

async fn attend(http: &http::Client, server: &str, pod: &Value) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (namespace, name) = (text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]));
    let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
    if !pod["metadata"]["deletionTimestamp"].is_null() {
        call(http, server, Method::DELETE, &path, &json!({ "gracePeriodSeconds": 0 })).await;
        return;
    }
    if !pod["status"]["containerStatuses"].is_null() {
        return;
    }
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let statuses: Vec<Value> = containers.map(container_status).collect();
    let is_ready = statuses.iter().all(|one| one["ready"] == true);
    let ready = if is_ready { "True" } else { "False" };
    let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let condition = |kind: &str| json!({ "type": kind, "status": ready, "lastTransitionTime": now });
    let status = json!({
        "phase": if is_ready { "Running" } else { "Pending" },
        "startTime": now,
        "conditions": [condition("Ready"), condition("ContainersReady")],
        "containerStatuses": statuses,
    });
    call(http, server, Method::PATCH, &format!("{path}/status"), &json!({ "status": status })).await;
}

fn container_status(container: &Value) -> Value {
    let image = container["image"].as_str().unwrap_or_default();
    let is_sick = image.contains("sick");
    let state = if is_sick {
        json!({ "waiting": { "reason": "ImagePullBackOff", "message": "Back-off pulling image" } })
    } else {
        json!({ "running": { "startedAt": "2026-01-01T00:00:00Z" } })
    };
    json!({
        "name": container["name"], "image": image, "imageID": "", "ready": !is_sick, "restartCount": 0, "state": state,
    })
}

/// The version that `scripts/common.sh` names.
fn version() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/common.sh");
    let text = std::fs::read_to_string(&script).expect("scripts/common.sh");
    let line = text.lines().find_map(|line| line.strip_prefix("export kubernetes_version="));
    line.expect("the version of Kubernetes in scripts/common.sh").to_owned()
}
