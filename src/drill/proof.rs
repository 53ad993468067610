//! Where the services of the drill stand, and whether that is where they should.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::platform_server::{Application, Shop};
use super::registry::ImageStore;
use super::story::{self, ShopState};
use super::world::Inspect;

/// How one workload stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The workload: those come first that are called as their service.
    pub service: String,
    /// The image that it should run, without the registry.
    pub wanted: String,
    /// The image that it is set to, without the registry.
    pub found: String,
    /// What is wrong with it, if anything. Empty: it stands where it should.
    pub wrong: Vec<String>,
}

/// How the services of an environment stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The environment, as in the ids of applications.
    pub environment: String,
    /// Whether all stand where they should.
    pub holds: bool,
    /// Each of them.
    pub services: Vec<Standing>,
}

/// What a proof is made from.
#[derive(Debug, Clone)]
pub(super) struct Inspector {
    images: ImageStore,
    shop: Shop,
    /// `127.0.0.1:5000/`, what the registry's images begin with.
    prefix: String,
    /// Every application as it was placed, by its environment and name.
    placed: BTreeMap<(&'static str, &'static str), Application>,
}

impl Inspector {
    /// Takes the shop as it is now for what it was before.
    pub(super) fn new(images: ImageStore, shop: Shop, prefix: String) -> Self {
        let mut placed = BTreeMap::new();
        for (environment, _) in story::ENVIRONMENTS {
            for (workload, _) in story::workloads(shop.platform()) {
                placed.extend(shop.application(environment, workload).map(|app| ((environment, workload), app)));
            }
        }
        Self { images, shop, prefix, placed }
    }

    /// Looks at every workload of an environment.
    fn looked(&self, environment: &str, stand: ShopState) -> Option<Proof> {
        let tag = story::tag_of(environment)?;
        let mut services = Vec::new();
        for (workload, service) in story::workloads(self.shop.platform()) {
            let version = story::version(service, stand)?;
            services.push(self.standing(environment, workload, service, &format!("{version}-{tag}")));
        }
        let holds = services.iter().all(|service| service.wrong.is_empty());
        Some(Proof { environment: environment.to_owned(), holds, services })
    }

    fn standing(&self, environment: &str, workload: &str, service: &str, tag: &str) -> Standing {
        let wanted = format!("{service}:{tag}");
        let Some(app) = self.shop.application(environment, workload) else {
            let wrong = vec!["its application is gone".to_owned()];
            return Standing { service: workload.to_owned(), wanted, found: String::new(), wrong };
        };
        let found = app.image.strip_prefix(&self.prefix).unwrap_or(&app.image).to_owned();
        let digest = self.images.digest(service, tag).unwrap_or_default();
        let mut wrong = Vec::new();
        // A pinned image is as good as the tag that names it.
        if found != wanted && found != format!("{service}@{digest}") && found != format!("{wanted}@{digest}") {
            wrong.push(format!("it is set to {found}"));
        }
        wrong.extend(self.placed.get(&(environment, workload)).map(|placed| changed(placed, &app)).unwrap_or_default());
        wrong.extend(app.unwell);
        Standing { service: workload.to_owned(), wanted, found, wrong }
    }
}

impl Inspect for Inspector {
    fn proof(&self, environment: &str, stand: ShopState) -> Option<Proof> {
        self.looked(environment, stand)
    }
}

/// The fields, besides the image, that are no longer as they were. Names only: values can be secrets.
fn changed(placed: &Application, app: &Application) -> Vec<String> {
    let (before, after) = (&placed.lasting, &app.lasting);
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let names = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    names.map(|name| format!("its '{name}' is not as it was")).collect()
}
