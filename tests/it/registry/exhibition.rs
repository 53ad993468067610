//! One image of every kind that registries hold, each pushed and said how it is dated.

use firebreak::registry::{DateSource, Dated, Image, MissingDate};
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

    /// The same with a second, older date.
    fn dated_twice(&self, tag: &str, digest: &str, dates: [(&str, DateSource); 2]) -> Image {
        let [(created, from), (older, date_from)] = dates;
        let older_date = Some(Dated { created: older.parse().expect("an instant"), date_from });
        Image { older_date, ..self.dated(tag, digest, created, from) }
    }

    /// Twelve images that stand alone, each with a config of its own.
    pub async fn images(&self) -> Vec<Image> {
        let (server, repository) = (self.server, self.repository);
        let mut made = Vec::new();
        let digest = self.image(Some("a-oci-develop"), Some("2026-11-20T08:00:00.5+02:00")).await;
        made.push(self.dated("a-oci-develop", &digest, "2026-11-20T06:00:00.5Z", DateSource::Config));
        let docker = config(Some(DOCKER_DATE), "docker");
        let digest = server.push_schema2(repository, Some("b-docker.develop"), docker).await;
        made.push(self.dated("b-docker.develop", &digest, DOCKER_DATE, DateSource::Config));
        for (tag, created, why) in [
            ("c-absent-develop", None, MissingDate::Absent),
            ("d-epoch-develop", Some("1970-01-01T00:00:00Z"), MissingDate::Epoch),
            ("e-year-one-develop", Some("0001-01-01T00:00:00Z"), MissingDate::Epoch),
            ("f-future-develop", Some("2026-12-01T00:00:01Z"), MissingDate::Future),
            ("g-unreadable-develop", Some("last tuesday"), MissingDate::Unreadable),
        ] {
            let digest = self.image(Some(tag), created).await;
            made.push(undated(repository, tag, &digest, why));
        }

        // The date is in an annotation, in a label inside the config, or in the config, where the annotation is no use.
        let (tag, created) = ("h-annotation_develop", "2026-11-18T08:00:00Z");
        let digest = server.push_image(repository, Some(tag), OCI_MANIFEST, config(None, "noted"), at(created)).await;
        made.push(self.dated(tag, &digest, created, DateSource::Annotation));
        let (tag, created) = ("i-label-develop", "2026-11-17T08:00:00Z");
        let labelled = json!({"config": {"Labels": {"org.label-schema.build-date": created}}});
        let digest = server.push_oci(repository, Some(tag), labelled).await;
        made.push(self.dated(tag, &digest, created, DateSource::Label));
        // What most builds write; a config that was made reproducible has an old date beside it.
        let (tag, created, old) = ("i1-label-develop", "2026-11-17T09:00:00Z", "2026-11-02T08:00:00Z");
        let labels = json!({ "org.opencontainers.image.created": created, "org.label-schema.build-date": old });
        let labelled = json!({ "created": old, "config": { "Labels": labels } });
        let digest = server.push_oci(repository, Some(tag), labelled).await;
        made.push(self.dated_twice(tag, &digest, [(created, DateSource::Label), (old, DateSource::Config)]));
        let (tag, created) = ("j-fallen-back-develop", "2026-11-16T08:00:00Z");
        let (both, epoch) = (config(Some(created), "both"), at("1970-01-01T00:00:00Z"));
        let digest = server.push_image(repository, Some(tag), OCI_MANIFEST, both, epoch).await;
        made.push(self.dated(tag, &digest, created, DateSource::Config));

        // Builders hand on the annotation of the base image; reproducible builds write an old date into the config.
        let (base, built) = ("2026-11-02T08:00:00Z", "2026-11-27T08:00:00Z");
        for (tag, inside, noted, dates) in [
            ("j1-inherited-develop", built, base, [(built, DateSource::Config), (base, DateSource::Annotation)]),
            ("j2-reproducible-develop", base, built, [(built, DateSource::Annotation), (base, DateSource::Config)]),
        ] {
            let digest =
                server.push_image(repository, Some(tag), OCI_MANIFEST, config(Some(inside), tag), at(noted)).await;
            made.push(self.dated_twice(tag, &digest, dates));
        }
        made
    }

    /// Ten indexes, as new as the newest date in them. To read: six children, one of which is gone, and the configs of
    /// three of them; the config of one more is known from [`Self::images`].
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
        made.push(undated(repository, "m-all-missing-develop", &digest, MissingDate::NoChild));
        let digest = server.push_index(repository, Some("n-empty-develop"), &[]).await;
        made.push(undated(repository, "n-empty-develop", &digest, MissingDate::NoChild));
        let index = json!({"mediaType": OCI_INDEX});
        let digest = server.push_index(repository, Some("o-nested-develop"), &[(&inner, index)]).await;
        made.push(self.dated("o-nested-develop", &digest, "2026-11-11T08:00:00Z", DateSource::Config));

        // An annotation can be on the descriptor, on the index, or on a child.
        let (tag, created) = ("p-descriptor-develop", "2026-11-14T08:00:00Z");
        let noted = json!({"annotations": at(created)});
        let digest = server.push_index(repository, Some(tag), &[(&old, noted)]).await;
        let dates = |created, older| [(created, DateSource::Annotation), (older, DateSource::Config)];
        made.push(self.dated_twice(tag, &digest, dates(created, "2026-11-10T08:00:00Z")));
        let (tag, created) = ("q-index-annotated-develop", "2026-11-15T08:00:00Z");
        let annotated = |child: &str| {
            json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "annotations": at(created),
                "manifests": [{"mediaType": OCI_MANIFEST, "digest": child, "size": 2}]})
        };
        let digest = server.push_manifest(repository, Some(tag), OCI_INDEX, &annotated(&new)).await;
        made.push(self.dated_twice(tag, &digest, dates(created, "2026-11-11T08:00:00Z")));
        let child = server.push_schema2(repository, None, config(Some(DOCKER_DATE), "docker")).await;
        let list = json!({"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [{"mediaType": DOCKER_MANIFEST,
            "digest": child, "size": 2, "platform": {"os": "linux", "architecture": "amd64"}}]});
        let digest = server.push_manifest(repository, Some("r-list-develop"), DOCKER_LIST, &list).await;
        made.push(self.dated("r-list-develop", &digest, DOCKER_DATE, DateSource::Config));
        let (tag, inside, created) = ("r1-child-annotated-develop", "2026-11-09T08:00:00Z", "2026-11-16T08:00:00Z");
        let child = server.push_image(repository, None, OCI_MANIFEST, config(Some(inside), tag), at(created)).await;
        let digest = server.push_index(repository, Some(tag), &[(&child, none())]).await;
        made.push(self.dated_twice(tag, &digest, dates(created, inside)));
        // Without a child that is there an annotation is no use: nothing can be pulled.
        let tag = "r2-annotated-and-gone-develop";
        let digest = server.push_manifest(repository, Some(tag), OCI_INDEX, &annotated(&gone)).await;
        made.push(undated(repository, tag, &digest, MissingDate::NoChild));
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
