//! One image of every kind that registries hold, each pushed and said how it is dated.

use firebreak::registry::{DateSource, Image, Undated};
use serde_json::{Value, json};

use super::{dated, undated};
use crate::support::registry::{DOCKER_LIST, DOCKER_MANIFEST, DockerRegistry, OCI_INDEX, OCI_MANIFEST, config};

const DOCKER_DATE: &str = "2026-11-19T08:00:00Z";

/// Where they are pushed to.
pub struct Exhibition<'a> {
    pub server: &'a DockerRegistry,
    pub repository: &'a str,
}

fn at(created: &str) -> Value {
    json!({"org.opencontainers.image.created": created})
}

impl Exhibition<'_> {
    /// Pushes an image whose config has a date, or none.
    pub async fn image(&self, tag: Option<&str>, created: Option<&str>) -> String {
        let mark = tag.or(created).unwrap_or_default();
        self.server.push_oci(self.repository, tag, config(created, mark)).await
    }

    fn dated(&self, tag: &str, digest: &str, created: &str, from: DateSource) -> Image {
        dated(self.repository, tag, digest, created, from)
    }

    /// Ten images that stand alone. The date of one is not in its config, so nine configs have to be read.
    pub async fn images(&self) -> Vec<Image> {
        let (server, repository) = (self.server, self.repository);
        let mut made = Vec::new();
        let digest = self.image(Some("a-oci-develop"), Some("2026-11-20T08:00:00.5+02:00")).await;
        made.push(self.dated("a-oci-develop", &digest, "2026-11-20T06:00:00.5Z", DateSource::Config));
        let docker = config(Some(DOCKER_DATE), "docker");
        let digest = server.push_schema2(repository, Some("b-docker.develop"), docker).await;
        made.push(self.dated("b-docker.develop", &digest, DOCKER_DATE, DateSource::Config));
        for (tag, created, why) in [
            ("c-absent-develop", None, Undated::Absent),
            ("d-epoch-develop", Some("1970-01-01T00:00:00Z"), Undated::Epoch),
            ("e-year-one-develop", Some("0001-01-01T00:00:00Z"), Undated::Epoch),
            ("f-future-develop", Some("2026-12-01T00:00:01Z"), Undated::Future),
            ("g-unreadable-develop", Some("last tuesday"), Undated::Unreadable),
        ] {
            let digest = self.image(Some(tag), created).await;
            made.push(undated(repository, tag, &digest, why));
        }

        // An annotation spares the config; a label is inside it, and so is the date where the annotation is no use.
        let (tag, created) = ("h-annotation_develop", "2026-11-18T08:00:00Z");
        let digest = server.push_image(repository, Some(tag), OCI_MANIFEST, config(None, "noted"), at(created)).await;
        made.push(self.dated(tag, &digest, created, DateSource::Annotation));
        let (tag, created) = ("i-label-develop", "2026-11-17T08:00:00Z");
        let labelled = json!({"config": {"Labels": {"org.label-schema.build-date": created}}});
        let digest = server.push_oci(repository, Some(tag), labelled).await;
        made.push(self.dated(tag, &digest, created, DateSource::Label));
        let (tag, created) = ("j-fallen-back-develop", "2026-11-16T08:00:00Z");
        let (both, epoch) = (config(Some(created), "both"), at("1970-01-01T00:00:00Z"));
        let digest = server.push_image(repository, Some(tag), OCI_MANIFEST, both, epoch).await;
        made.push(self.dated(tag, &digest, created, DateSource::Config));
        made
    }

    /// Eight indexes, as new as their newest child that is there. To read: five children, one of which is gone, and
    /// the configs of two of them; the config of one more is known from [`Self::images`].
    pub async fn indexes(&self) -> Vec<Image> {
        let (server, repository) = (self.server, self.repository);
        let mut made = Vec::new();
        let none = || json!({});
        let old = self.image(None, Some("2026-11-10T08:00:00Z")).await;
        let new = self.image(None, Some("2026-11-11T08:00:00Z")).await;
        let gone = self.image(None, Some("2026-11-13T08:00:00Z")).await;
        let attestation = self.image(None, Some("2026-11-12T08:00:00Z")).await;
        let nowhere = json!({"platform": {"os": "unknown", "architecture": "unknown"}});
        let children = [(old.as_str(), none()), (&new, none()), (&attestation, nowhere)];
        let inner = server.push_index(repository, Some("k-index-develop"), &children).await;
        made.push(self.dated("k-index-develop", &inner, "2026-11-11T08:00:00Z", DateSource::Config));
        let tag = "l-child-missing-develop";
        let digest = server.push_index(repository, Some(tag), &[(&gone, none()), (&old, none())]).await;
        made.push(self.dated(tag, &digest, "2026-11-10T08:00:00Z", DateSource::Config));
        let digest = server.push_index(repository, Some("m-all-missing-develop"), &[(&gone, none())]).await;
        made.push(undated(repository, "m-all-missing-develop", &digest, Undated::NoChild));
        let digest = server.push_index(repository, Some("n-empty-develop"), &[]).await;
        made.push(undated(repository, "n-empty-develop", &digest, Undated::NoChild));
        let index = json!({"mediaType": OCI_INDEX});
        let digest = server.push_index(repository, Some("o-nested-develop"), &[(&inner, index)]).await;
        made.push(self.dated("o-nested-develop", &digest, "2026-11-11T08:00:00Z", DateSource::Config));

        // An annotation on the descriptor or on the index spares the child, so that it does not matter that it is gone.
        let (tag, created) = ("p-descriptor-develop", "2026-11-14T08:00:00Z");
        let noted = json!({"annotations": at(created)});
        let digest = server.push_index(repository, Some(tag), &[(&gone, noted)]).await;
        made.push(self.dated(tag, &digest, created, DateSource::Annotation));
        let (tag, created) = ("q-index-annotated-develop", "2026-11-15T08:00:00Z");
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "annotations": at(created),
            "manifests": [{"mediaType": OCI_MANIFEST, "digest": gone, "size": 2}]});
        let digest = server.push_manifest(repository, Some(tag), OCI_INDEX, &index).await;
        made.push(self.dated(tag, &digest, created, DateSource::Annotation));
        let child = server.push_schema2(repository, None, config(Some(DOCKER_DATE), "docker")).await;
        let list = json!({"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [{"mediaType": DOCKER_MANIFEST,
            "digest": child, "size": 2, "platform": {"os": "linux", "architecture": "amd64"}}]});
        let digest = server.push_manifest(repository, Some("r-list-develop"), DOCKER_LIST, &list).await;
        made.push(self.dated("r-list-develop", &digest, DOCKER_DATE, DateSource::Config));
        server.delete(repository, &gone).await;
        made
    }

    /// Tags of other environments, and one that is a signature.
    pub async fn strangers(&self) {
        let mut digest = String::new();
        for tag in ["1.0-stage", "1.0-predevelop", "develop-1"] {
            digest = self.image(Some(tag), Some("2026-11-01T08:00:00Z")).await;
        }
        let signature = format!("{}-develop", digest.replace(':', "-"));
        self.image(Some(&signature), Some("2026-11-01T08:00:00Z")).await;
    }
}
