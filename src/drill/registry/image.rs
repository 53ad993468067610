//! What an image of the embedded registry is made of: a description, and the real bodies with true digests made from it.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::words::hexadecimal;

pub(super) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(super) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// The form in which an image is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A Docker schema 2 manifest.
    Docker,
    /// An OCI manifest.
    Oci,
    /// An OCI index of amd64 and arm64 with the attestation child that `BuildKit` adds.
    OciIndex,
    /// A Docker manifest list of amd64 and arm64.
    DockerList,
    /// An OCI manifest of a cosign signature: no image at all.
    Signature,
    /// An OCI manifest of a Helm chart: no image either, though it may be tagged and dated like one.
    Chart,
}

/// What an image is to be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// `billing`, `team/billing`.
    pub repository: String,
    /// `1.4.0-develop`.
    pub tag: String,
    /// How it is stored.
    pub format: Format,
    /// `created` of the config, written as it stands here. None: the config has none.
    pub created: Option<String>,
    /// `org.opencontainers.image.created` on the manifest or index.
    pub annotation: Option<String>,
    /// `org.label-schema.build-date` among the config's labels.
    pub label: Option<String>,
}

impl Description {
    /// An image without any date.
    #[must_use]
    pub fn new(repository: &str, tag: &str, format: Format) -> Self {
        let (repository, tag) = (repository.to_owned(), tag.to_owned());
        Self { repository, tag, format, created: None, annotation: None, label: None }
    }

    /// The same with `created` in its config.
    #[must_use]
    pub fn created(self, created: impl Into<String>) -> Self {
        Self { created: Some(created.into()), ..self }
    }

    /// The same with an annotation that dates it.
    #[must_use]
    pub fn annotated(self, created: impl Into<String>) -> Self {
        Self { annotation: Some(created.into()), ..self }
    }

    /// The same with the older label that dates it.
    #[must_use]
    pub fn labelled(self, created: impl Into<String>) -> Self {
        Self { label: Some(created.into()), ..self }
    }
}

/// A body that a registry keeps under its digest.
#[derive(Debug, Clone)]
pub(super) struct Body {
    pub(super) digest: String,
    pub(super) media_type: &'static str,
    pub(super) bytes: Bytes,
}

impl Body {
    fn new(media_type: &'static str, bytes: Vec<u8>) -> Self {
        Self { digest: digest(&bytes), media_type, bytes: bytes.into() }
    }

    fn json(media_type: &'static str, value: &Value) -> Self {
        Self::new(media_type, value.to_string().into_bytes())
    }

    fn descriptor(&self) -> Map<String, Value> {
        let value = json!({"mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len()});
        if let Value::Object(map) = value { map } else { Map::new() }
    }
}

/// The bodies of one image. The last manifest is the one that the tag names.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    pub(super) manifests: Vec<Body>,
    pub(super) blobs: Vec<Body>,
}

/// `sha256:…` of some bytes.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hexadecimal(&Sha256::digest(bytes)))
}

impl Description {
    /// Makes the bodies: the same description gives the same digests.
    pub(super) fn bodies(&self) -> Bodies {
        let mut bodies = Bodies::default();
        let top = match self.format {
            Format::Docker => self.manifest(DOCKER_MANIFEST, "amd64", self.annotation.as_deref(), &mut bodies),
            Format::Oci => self.manifest(OCI_MANIFEST, "amd64", self.annotation.as_deref(), &mut bodies),
            Format::Signature => signature(&self.tag, &mut bodies),
            Format::Chart => chart(self, &mut bodies),
            Format::OciIndex => self.index(OCI_INDEX, OCI_MANIFEST, &mut bodies),
            Format::DockerList => self.index(DOCKER_LIST, DOCKER_MANIFEST, &mut bodies),
        };
        bodies.manifests.push(top);
        bodies
    }

    fn index(&self, media_type: &'static str, child_type: &'static str, bodies: &mut Bodies) -> Body {
        let mut children = Vec::new();
        for architecture in ["amd64", "arm64"] {
            let child = self.manifest(child_type, architecture, None, bodies);
            let mut descriptor = child.descriptor();
            descriptor.insert("platform".into(), json!({"architecture": architecture, "os": "linux"}));
            children.push(descriptor);
            bodies.manifests.push(child);
        }
        if media_type == OCI_INDEX {
            let subject = children[0]["digest"].clone();
            let attestation = attestation(&subject, bodies);
            let mut descriptor = attestation.descriptor();
            descriptor.insert(
                "annotations".into(),
                json!({"vnd.docker.reference.digest": subject, "vnd.docker.reference.type": "attestation-manifest"}),
            );
            descriptor.insert("platform".into(), json!({"architecture": "unknown", "os": "unknown"}));
            children.push(descriptor);
            bodies.manifests.push(attestation);
        }
        let mut value = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": children});
        if let Some(created) = &self.annotation {
            value["annotations"] = json!({"org.opencontainers.image.created": created});
        }
        Body::json(media_type, &value)
    }

    fn manifest(
        &self,
        media_type: &'static str,
        architecture: &str,
        annotation: Option<&str>,
        bodies: &mut Bodies,
    ) -> Body {
        let (config_type, layer_type) = if media_type == OCI_MANIFEST {
            ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar")
        } else {
            ("application/vnd.docker.container.image.v1+json", "application/vnd.docker.image.rootfs.diff.tar")
        };
        // An empty tar archive: two blocks of zeros.
        let layer = Body::new(layer_type, vec![0; 1024]);
        let config = Body::json(config_type, &self.config(architecture, &layer.digest));
        let mut value = json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": config.descriptor(),
            "layers": [layer.descriptor()],
        });
        if let Some(created) = annotation {
            value["annotations"] = json!({"org.opencontainers.image.created": created});
        }
        bodies.blobs.extend([layer, config]);
        Body::json(media_type, &value)
    }

    /// The layers' history bears a base image's date, as real ones do: whoever reads it as the image's date is wrong.
    fn config(&self, architecture: &str, layer: &str) -> Value {
        let name = format!("{}:{}", self.repository, self.tag);
        let mut value = json!({
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["/serve"], "Labels": {"drill.name": name}},
            "rootfs": {"type": "layers", "diff_ids": [layer]},
            "history": [{"created": "2020-02-02T02:02:02Z", "created_by": "base"}],
        });
        if let Some(created) = &self.created {
            value["created"] = json!(created);
        }
        if let Some(created) = &self.label {
            value["config"]["Labels"]["org.label-schema.build-date"] = json!(created);
        }
        value
    }
}

fn attestation(subject: &Value, bodies: &mut Bodies) -> Body {
    let layer = Body::json(
        "application/vnd.in-toto+json",
        &json!({"_type": "https://in-toto.io/Statement/v0.1", "subject": [{"digest": subject}]}),
    );
    // BuildKit dates it like nothing else: an attestation must not date the image.
    let config = Body::json(
        "application/vnd.oci.image.config.v1+json",
        &json!({"architecture": "unknown", "os": "unknown", "config": {}, "rootfs": {"type": "layers", "diff_ids": [layer.digest]}}),
    );
    let value = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config.descriptor(), "layers": [layer.descriptor()],
    });
    bodies.blobs.extend([layer, config]);
    Body::json(OCI_MANIFEST, &value)
}

fn chart(description: &Description, bodies: &mut Bodies) -> Body {
    let (name, version) = (&description.repository, &description.tag);
    let layer = Body::new("application/vnd.cncf.helm.chart.content.v1.tar+gzip", version.clone().into_bytes());
    let config = Body::json(
        "application/vnd.cncf.helm.config.v1+json",
        &json!({"apiVersion": "v2", "name": name, "type": "application", "version": version}),
    );
    let mut value = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config.descriptor(), "layers": [layer.descriptor()],
    });
    if let Some(created) = &description.annotation {
        value["annotations"] = json!({"org.opencontainers.image.created": created});
    }
    bodies.blobs.extend([layer, config]);
    Body::json(OCI_MANIFEST, &value)
}

fn signature(tag: &str, bodies: &mut Bodies) -> Body {
    let payload = Body::json("application/vnd.dev.cosign.simplesigning.v1+json", &json!({"critical": {"image": tag}}));
    // cosign writes the year 1 into its config.
    let config = Body::json(
        "application/vnd.oci.image.config.v1+json",
        &json!({"architecture": "", "os": "", "created": "0001-01-01T00:00:00Z", "config": {}, "rootfs": {"type": "layers", "diff_ids": [payload.digest]}}),
    );
    let value = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config.descriptor(), "layers": [payload.descriptor()],
    });
    bodies.blobs.extend([payload, config]);
    Body::json(OCI_MANIFEST, &value)
}
