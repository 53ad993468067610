//! Debian's own registry of container images, with images that are pushed to it by plain HTTP.

use std::path::PathBuf;
use std::process::Command;

use firebreak::http::Trust;
use firebreak::registry::digest;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Server, free_port, need};

/// The user that a guarded registry knows.
pub const USER: &str = "reader";
/// And the password.
pub const PASSWORD: &str = "correct horse";
/// The password as `htpasswd -B` would write it.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e";

pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// How a registry is guarded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    Open,
    Password,
    Tls,
}

/// A registry of its own, empty at first, gone with the value.
pub struct DockerRegistry {
    /// The port of loopback that it listens on.
    pub port: u16,
    /// The authority that signed its certificate (with [`Guard::Tls`]).
    pub authority: PathBuf,
    guard: Guard,
    client: reqwest::Client,
    _server: Server,
    _folder: TempDir,
}

impl DockerRegistry {
    /// Starts a registry that anybody may read and write.
    pub fn start() -> Self {
        Self::start_with(Guard::Open)
    }

    /// Starts a registry.
    pub fn start_with(guard: Guard) -> Self {
        let program = need("docker-registry", "docker-registry");
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let port = free_port();
        let mut http = json!({"addr": format!("127.0.0.1:{port}"), "relativeurls": true});
        let mut configuration = json!({
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": true}},
            "storage": {
                "filesystem": {"rootdirectory": path("storage"), "maxthreads": 100},
                "cache": {"blobdescriptor": "inmemory"},
                "delete": {"enabled": true},
            },
        });
        let authority = path("authority.pem");
        match guard {
            Guard::Open => {}
            Guard::Password => {
                std::fs::write(path("htpasswd"), format!("{USER}:{HASH}\n")).expect("a password file");
                configuration["auth"] = json!({"htpasswd": {"realm": "test", "path": path("htpasswd")}});
            }
            Guard::Tls => {
                let (certificate, key) = (path("certificate.pem"), path("key.pem"));
                let signed = certificates();
                for (file, text) in [(&authority, signed.0), (&certificate, signed.1), (&key, signed.2)] {
                    std::fs::write(file, text).expect("a file in PEM");
                }
                http["tls"] = json!({"certificate": certificate, "key": key});
            }
        }
        configuration["http"] = http;
        // JSON is YAML.
        std::fs::write(path("config.yml"), configuration.to_string()).expect("a configuration");
        let mut command = Command::new(program);
        // Collecting its garbage seldom about halves its work (tried: 1.7 to 1.1 ms for a manifest, 4.3 to 2.1 ms for
        // a blob), which it does on the same cores as what is tested and measured.
        command.arg("serve").arg(path("config.yml")).env("GOGC", "800");
        let server = Server::start(command, port, &path("log"));
        let client = firebreak::http::client(&Trust { insecure: true, ..Trust::default() }).expect("a client");
        Self { port, authority, guard, client, _server: server, _folder: folder }
    }

    /// Its URL, without credentials.
    pub fn url(&self) -> String {
        let scheme = if self.guard == Guard::Tls { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with('/') { format!("{}{path}", self.url()) } else { path.to_owned() };
        let request = self.client.request(method, url);
        if self.guard == Guard::Password { request.basic_auth(USER, Some(PASSWORD)) } else { request }
    }

    /// Pushes a blob, and gives its digest.
    pub async fn push_blob(&self, repository: &str, content: Vec<u8>) -> String {
        let digest = digest::of(&content);
        let uploads = format!("/v2/{repository}/blobs/uploads/");
        let begun = self.request(Method::POST, &uploads).send().await.expect("an upload");
        assert_eq!(begun.status(), StatusCode::ACCEPTED, "{}", begun.text().await.unwrap_or_default());
        let place = begun.headers()["location"].to_str().expect("a place").to_owned();
        let done = self.request(Method::PUT, &place).query(&[("digest", &digest)]).body(content).send().await;
        let done = done.expect("the end of an upload");
        assert_eq!(done.status(), StatusCode::CREATED, "{}", done.text().await.unwrap_or_default());
        digest
    }

    /// Pushes a manifest under a tag (or under its digest, where `tag` is none), and gives its digest.
    pub async fn push_manifest(&self, repository: &str, tag: Option<&str>, kind: &str, manifest: &Value) -> String {
        let body = manifest.to_string();
        let digest = digest::of(body.as_bytes());
        let path = format!("/v2/{repository}/manifests/{}", tag.unwrap_or(&digest));
        let put = self.request(Method::PUT, &path).header("content-type", kind).body(body).send().await;
        let put = put.expect("a manifest");
        assert_eq!(put.status(), StatusCode::CREATED, "{path}: {}", put.text().await.unwrap_or_default());
        digest
    }

    /// Pushes an OCI image without layers, whose config is as given, and gives the digest of its manifest.
    pub async fn push_oci(&self, repository: &str, tag: Option<&str>, config: Value) -> String {
        self.push_image(repository, tag, OCI_MANIFEST, config, json!({})).await
    }

    /// Pushes a Docker image of schema 2, likewise.
    pub async fn push_schema2(&self, repository: &str, tag: Option<&str>, config: Value) -> String {
        self.push_image(repository, tag, DOCKER_MANIFEST, config, json!({})).await
    }

    /// Pushes an image of either kind, with annotations on its manifest.
    pub async fn push_image(
        &self,
        repository: &str,
        tag: Option<&str>,
        kind: &str,
        config: Value,
        annotations: Value,
    ) -> String {
        let content = config.to_string().into_bytes();
        let size = content.len();
        let digest = self.push_blob(repository, content).await;
        let config_kind = if kind == OCI_MANIFEST { OCI_CONFIG } else { DOCKER_CONFIG };
        let mut manifest = json!({"schemaVersion": 2, "mediaType": kind, "layers": [],
            "config": {"mediaType": config_kind, "digest": digest, "size": size}});
        if annotations.as_object().is_some_and(|annotations| !annotations.is_empty()) {
            manifest["annotations"] = annotations;
        }
        self.push_manifest(repository, tag, kind, &manifest).await
    }

    /// Pushes an index of children that are there already: their digests, and what else their descriptors say.
    pub async fn push_index(&self, repository: &str, tag: Option<&str>, children: &[(&str, Value)]) -> String {
        let children: Vec<Value> = children
            .iter()
            .map(|(digest, more)| {
                let mut child = json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": 2,
                    "platform": {"os": "linux", "architecture": "amd64"}});
                for (key, value) in more.as_object().into_iter().flatten() {
                    child[key] = value.clone();
                }
                child
            })
            .collect();
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children});
        self.push_manifest(repository, tag, OCI_INDEX, &index).await
    }

    /// Deletes a manifest by its digest, and with it every tag that points at it.
    pub async fn delete(&self, repository: &str, digest: &str) {
        let path = format!("/v2/{repository}/manifests/{digest}");
        let deleted = self.request(Method::DELETE, &path).send().await.expect("a deletion");
        assert_eq!(deleted.status(), StatusCode::ACCEPTED);
    }
}

/// The config of an image: when it was made, and what tells it from others of the same date.
pub fn config(created: Option<&str>, mark: &str) -> Value {
    let mut config = json!({"architecture": "amd64", "os": "linux", "config": {"Env": [format!("MARK={mark}")]},
        "rootfs": {"type": "layers", "diff_ids": []}});
    if let Some(created) = created {
        config["created"] = created.into();
    }
    config
}

/// An authority of our own, and a certificate of this machine's names and its key that it signed; all in PEM.
fn certificates() -> (String, String, String) {
    let authority_key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new([]).expect("an authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).expect("a certificate");
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().expect("a key");
    let parameters =
        CertificateParams::new(["127.0.0.1", "localhost", "registry.test"].map(str::to_owned)).expect("names");
    let certificate = parameters.signed_by(&key, &issuer).expect("a certificate");
    (authority_certificate.pem(), certificate.pem(), key.serialize_pem())
}
