//! What stands in manifests and configs, as far as a date is concerned.
//!
//! Real registries leave out fields that the specifications insist on, or set them to null: everything that is not needed
//! may be missing.

use std::collections::HashMap;

use serde::Deserialize;

/// When an image was made, as annotations of the OCI image specification have it, and labels in configs, which most builds write.
const ANNOTATION_CREATED: &str = "org.opencontainers.image.created";

/// A label inside the config, older than annotations.
const LABEL_BUILD_DATE: &str = "org.label-schema.build-date";
/// What `BuildKit` calls the manifests of attestations that it puts into an index.
const ANNOTATION_REFERENCE: &str = "vnd.docker.reference.type";

/// What the config of an image is called, in a manifest or as an `artifactType`. Besides the two names of the
/// specifications these are the ones that old clients pushed images with, and that Docker still takes for images.
const IMAGES: [&str; 6] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
    "application/octet-stream",
    "application/json",
    "text/html",
    "",
];

/// What an index is called by the OCI image specification, and by Docker.
const INDEXES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];

/// What the manifest of one image is called by both.
const MANIFESTS: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];

/// The kinds of manifests that we ask for: what the OCI calls them before what Docker does.
pub(super) fn accepted() -> String {
    [INDEXES[0], MANIFESTS[0], INDEXES[1], MANIFESTS[1]].join(", ")
}

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manifest {
    /// One image.
    Image {
        /// The digest of its config.
        config: String,
        /// The annotation with the date.
        created: Option<String>,
    },
    /// Images for several platforms.
    Index {
        /// Its images and indexes; attestations and other attachments are left out.
        children: Vec<Child>,
        /// The annotation with the date.
        created: Option<String>,
    },
    /// Docker's schema 1, which has neither config nor a digest that could be relied upon.
    Schema1,
    /// Something else that is kept in a registry: a Helm chart, an artifact.
    Other {
        /// What it says that it is.
        kind: String,
    },
}

/// An image or index that an index names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// The digest of its manifest.
    pub digest: String,
    /// The annotation with the date, on the descriptor.
    pub created: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    schema_version: Option<u64>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    annotations: Option<HashMap<String, Option<String>>>,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    artifact_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    digest: String,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    platform: Option<Platform>,
    #[serde(default)]
    annotations: Option<HashMap<String, Option<String>>>,
}

#[derive(Deserialize)]
struct Platform {
    #[serde(default)]
    os: Option<String>,
    #[serde(default)]
    architecture: Option<String>,
}

impl Manifest {
    /// Reads a manifest of any kind.
    ///
    /// # Errors
    /// When it is no JSON, or a part that matters has another shape than it must have.
    pub fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        let document: Document = serde_json::from_slice(body)?;
        let created = annotation(document.annotations.as_ref(), ANNOTATION_CREATED);
        let says_index = document.media_type.as_deref().is_some_and(|kind| INDEXES.contains(&kind));
        let config_type = document.config.as_ref().and_then(|config| config.media_type.clone());
        let other = [document.artifact_type, config_type].into_iter().flatten().find(|kind| !is_image(kind));
        Ok(match document {
            Document { schema_version: Some(1), .. } => Self::Schema1,
            _ if let Some(kind) = other => Self::Other { kind },
            Document { manifests: Some(manifests), .. } => {
                Self::Index { children: manifests.into_iter().filter_map(Descriptor::child).collect(), created }
            }
            _ if says_index => Self::Index { children: Vec::new(), created },
            Document { config: Some(config), .. } => Self::Image { config: config.digest, created },
            Document { media_type, .. } => {
                Self::Other { kind: media_type.unwrap_or_else(|| "a manifest of no known kind".to_owned()) }
            }
        })
    }
}

impl Descriptor {
    /// None for attestations and whatever else is attached to an index without being an image.
    fn child(self) -> Option<Child> {
        let unknown = |part: &Option<String>| part.as_deref() == Some("unknown");
        let nowhere = self.platform.is_some_and(|platform| unknown(&platform.os) && unknown(&platform.architecture));
        let attached = annotation(self.annotations.as_ref(), ANNOTATION_REFERENCE).is_some();
        let created = annotation(self.annotations.as_ref(), ANNOTATION_CREATED);
        let is_other = self.artifact_type.is_some_and(|kind| !is_image(&kind));
        (!nowhere && !attached && !is_other).then_some(Child { digest: self.digest, created })
    }
}

fn is_image(kind: &str) -> bool {
    IMAGES.contains(&kind)
}

fn annotation(annotations: Option<&HashMap<String, Option<String>>>, name: &str) -> Option<String> {
    annotations?.get(name)?.clone()
}

/// The dates that stand in the config of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// `created`.
    pub created: Option<String>,
    /// The labels `org.opencontainers.image.created` and `org.label-schema.build-date`.
    pub labels: [Option<String>; 2],
}

impl Config {
    /// Reads a config.
    ///
    /// # Errors
    /// When it is no JSON, or a part that matters has another shape than it must have.
    pub fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Document {
            #[serde(default)]
            created: Option<String>,
            #[serde(default)]
            config: Option<Inner>,
        }
        #[derive(Deserialize)]
        struct Inner {
            #[serde(default, rename = "Labels")]
            labels: Option<HashMap<String, Option<String>>>,
        }
        let document: Document = serde_json::from_slice(body)?;
        let labels = document.config.and_then(|inner| inner.labels);
        Ok(Self {
            created: document.created,
            labels: [ANNOTATION_CREATED, LABEL_BUILD_DATE].map(|name| annotation(labels.as_ref(), name)),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse(document: &serde_json::Value) -> Manifest {
        Manifest::parse(document.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn all_four_kinds_are_asked_for() {
        assert_eq!(
            accepted(),
            "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
             application/vnd.docker.distribution.manifest.list.v2+json, \
             application/vnd.docker.distribution.manifest.v2+json"
        );
    }

    #[test]
    fn an_image_needs_no_more_than_its_config() {
        let image = Manifest::Image { config: "sha256:a".into(), created: None };
        assert_eq!(parse(&json!({"config": {"digest": "sha256:a"}, "layers": null, "annotations": null})), image);
        let created = "2026-11-20T08:00:00Z";
        let kind = "application/vnd.oci.image.config.v1+json";
        let annotated = json!({"schemaVersion": 2, "config": {"digest": "sha256:a", "mediaType": kind, "size": 1},
            "annotations": {"org.opencontainers.image.created": created, "other": null}});
        assert_eq!(parse(&annotated), Manifest::Image { config: "sha256:a".into(), created: Some(created.into()) });
    }

    #[test]
    fn an_index_names_its_images_and_leaves_out_what_is_attached() {
        let index = json!({"schemaVersion": 2, "manifests": [
            {"digest": "sha256:a", "platform": {"os": "linux", "architecture": "arm64"}},
            {"digest": "sha256:b", "mediaType": "some/thing", "annotations": {"org.opencontainers.image.created": "x"}},
            {"digest": "sha256:c", "platform": {"os": "unknown", "architecture": "unknown"}},
            {"digest": "sha256:d", "annotations": {"vnd.docker.reference.type": "attestation-manifest"}},
            {"digest": "sha256:e", "artifactType": "application/spdx+json"},
        ]});
        let children = vec![
            Child { digest: "sha256:a".into(), created: None },
            Child { digest: "sha256:b".into(), created: Some("x".into()) },
        ];
        assert_eq!(parse(&index), Manifest::Index { children, created: None });
        let empty = Manifest::Index { children: vec![], created: None };
        assert_eq!(parse(&json!({"manifests": []})), empty);
        let kind = "application/vnd.docker.distribution.manifest.list.v2+json";
        assert_eq!(parse(&json!({"mediaType": kind, "manifests": null})), empty);
    }

    #[test]
    fn the_rest_is_told_apart() {
        assert_eq!(parse(&json!({"schemaVersion": 1, "history": [], "config": {"digest": "x"}})), Manifest::Schema1);
        let other = |kind: &str| Manifest::Other { kind: kind.to_owned() };
        assert_eq!(parse(&json!({"schemaVersion": 2, "blobs": []})), other("a manifest of no known kind"));
        let old = "application/vnd.oci.artifact.manifest.v1+json";
        assert_eq!(parse(&json!({"mediaType": old, "blobs": []})), other(old));
        Manifest::parse(b"<html>").unwrap_err();
        Manifest::parse(br#"{"config": {}}"#).unwrap_err();
    }

    #[test]
    fn charts_and_artifacts_are_no_images() {
        let (chart, empty) = ("application/vnd.cncf.helm.config.v1+json", "application/vnd.oci.empty.v1+json");
        let with = |kind: &str| json!({"config": {"digest": "sha256:a", "mediaType": kind}});
        for (document, kind) in [
            (with(chart), chart),
            (with(empty), empty),
            (
                json!({"artifactType": "application/spdx+json", "config": {"digest": "x", "mediaType": empty}}),
                "application/spdx+json",
            ),
            (json!({"artifactType": "a/b", "config": {"digest": "x", "mediaType": IMAGES[0]}}), "a/b"),
            (json!({"artifactType": "a/b", "manifests": []}), "a/b"),
            (json!({"artifactType": "a/b"}), "a/b"),
        ] {
            assert_eq!(parse(&document), Manifest::Other { kind: kind.to_owned() }, "{document}");
        }
        for kind in IMAGES {
            let image = Manifest::Image { config: "sha256:a".into(), created: None };
            assert_eq!(parse(&with(kind)), image, "{kind}");
            let said_twice = json!({"artifactType": kind, "config": {"digest": "sha256:a", "mediaType": kind}});
            assert_eq!(parse(&said_twice), image, "{kind}");
        }
    }

    #[test]
    fn a_config_gives_both_its_dates() {
        let body = json!({"created": "a", "config": {"Labels": {"org.label-schema.build-date": "b", "x": null}}});
        let both = Config { created: Some("a".into()), labels: [None, Some("b".into())] };
        assert_eq!(Config::parse(body.to_string().as_bytes()).unwrap(), both);
        for body in ["{}", r#"{"created": null, "config": null}"#, r#"{"config": {"Labels": null}}"#] {
            assert_eq!(Config::parse(body.as_bytes()).unwrap(), Config::default());
        }
        Config::parse(b"").unwrap_err();
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Manifest::parse(&body);
            let _ = Config::parse(&body);
        }
    }
}
