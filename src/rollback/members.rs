//! Which workloads belong to a set: pure. Each that runs an image of one of its repositories does, whatever it is called,
//! for a worker, a cron job and a migration of an image break with it. What is left as it is all the same is named.

use std::fmt;

use serde::Serialize;

use super::dump::Dump;
use super::refusal::Problem;
use crate::platform::image::WrittenImage;
use crate::platform::{Apart, Application};
use crate::registry::tags::belongs;

/// A workload that is left as it is, though it runs an image of the set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Its name.
    pub service: String,
    /// Its id.
    pub application: String,
    /// Its images of the set.
    pub images: Vec<WrittenImage>,
    /// Why it is left.
    pub why: String,
}

impl Left {
    /// A workload, with its images of one repository, and why it is left.
    #[must_use]
    pub fn of(application: &Application, why: &str) -> Self {
        let Application { service, id, images, .. } = application.clone();
        Self { service, application: id, images, why: why.to_owned() }
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let images: Vec<_> = self.images.iter().map(WrittenImage::short).collect();
        write!(f, "{}: left as it is, with {}: {}", self.service, images.join(", "), self.why)
    }
}

/// The workloads of a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepositoryWorkloads {
    /// Those that are set, each with its images of the repository; once for each registry that it pulls them from.
    pub members: Vec<Application>,
    /// Those that are left as they are.
    pub left: Vec<Left>,
    /// The names of those that `only` does not name.
    pub unnamed: Vec<String>,
}

/// Words at the end of a tag that say something else than the environment: the stage of a release, what it is made of.
const NO_ENVIRONMENTS: [&str; 37] = [
    "alpha",
    "alpine",
    "amd",
    "apache",
    "arm",
    "beta",
    "bookworm",
    "bullseye",
    "buster",
    "debian",
    "debug",
    "dirty",
    "distroless",
    "final",
    "fix",
    "focal",
    "fpm",
    "ga",
    "hotfix",
    "jammy",
    "jdk",
    "jre",
    "latest",
    "linux",
    "musl",
    "noble",
    "patch",
    "pre",
    "rc",
    "release",
    "rootless",
    "slim",
    "snapshot",
    "trixie",
    "ubi",
    "ubuntu",
    "windows",
];

/// The workloads of one of a dump's repositories. With names in `only`, no others are set.
///
/// # Errors
/// When no workload that could be set runs the repository, or all run images of other environments than the dump's.
pub fn workloads(
    repository: &str,
    dump: &Dump,
    applications: &[Application],
    only: &[String],
) -> Result<RepositoryWorkloads, Problem> {
    let mut workloads = RepositoryWorkloads::default();
    let (mut settable, mut foreign) = (false, None);
    for application in runners(repository, &dump.all, &dump.registry, applications) {
        settable |= !matches!(application.apart, Some(Apart::Fixed(_)));
        if let Some(apart) = &application.apart {
            workloads.left.push(Left::of(&application, apart.why()));
        } else if !only.is_empty() && !only.iter().any(|name| is_called(&application, name)) {
            workloads.unnamed.push(application.service);
        } else if let Some((image, theirs)) = foreign_image(&application, dump) {
            workloads
                .left
                .push(Left::of(&application, &format!("its image is one of '{theirs}', not of '{}'", dump.env)));
            let (application, ours) = (application.id, dump.env.clone());
            foreign.get_or_insert(Problem::OtherEnvironment { application, image, theirs, ours });
        } else {
            workloads.members.push(application);
        }
    }
    match foreign {
        Some(problem) if workloads.members.is_empty() => Err(problem),
        _ if !settable => Err(nobody(repository, applications, &workloads.left)),
        _ => Ok(workloads),
    }
}

/// No workload runs a repository: with what bears its name and runs something else, and what runs it and cannot be set.
fn nobody(repository: &str, applications: &[Application], fixed: &[Left]) -> Problem {
    let service = repository.rsplit('/').next().unwrap_or(repository);
    let of_that_name = applications.iter().filter(|application| application.service == service);
    let named = of_that_name.map(|one| format!("'{}' with '{}'", one.id, one.images.join("', '")));
    let fixed = fixed.iter().map(|one| format!("'{}', {}", one.application, one.why));
    Problem::NoApplication { repository: repository.to_owned(), candidates: named.chain(fixed).collect() }
}

/// The names that none of the workloads of the set bears, each as a reason to refuse.
#[must_use]
pub fn unknown_names(only: &[String], dump: &Dump, applications: &[Application]) -> Vec<Problem> {
    let known: Vec<Application> =
        dump.all.iter().flat_map(|one| runners(one, &dump.all, &dump.registry, applications)).collect();
    let is_unknown = |name: &&String| !known.iter().any(|application| is_called(application, name));
    let mut names: Vec<String> = known.iter().map(|application| application.service.clone()).collect();
    names.dedup();
    let problem = |name: &String| Problem::NoSuchWorkload { name: name.clone(), known: names.clone() };
    only.iter().filter(is_unknown).map(problem).collect()
}

/// Whether a workload is meant by a name: its own, its id, or the end of that from a slash on: `cronjob/billing`.
fn is_called(application: &Application, name: &str) -> bool {
    let id = application.id.trim_start_matches('/');
    application.service == name || id == name.trim_start_matches('/') || id.ends_with(&format!("/{name}"))
}

/// The workloads that run a repository of a registry, each with its images of it; once for each registry that it pulls
/// them from. `all` are the repositories that are told apart.
fn runners(repository: &str, all: &[String], registry: &str, applications: &[Application]) -> Vec<Application> {
    let is_it = |image: &&WrittenImage| repository_of(image, all, registry) == Some(repository);
    applications.iter().flat_map(|one| parts(one, one.images.iter().filter(is_it))).collect()
}

/// A workload with its images of one repository, for each of those that these images are of.
fn parts<'a>(application: &Application, images: impl Iterator<Item = &'a WrittenImage>) -> Vec<Application> {
    let mut parts: Vec<Application> = Vec::new();
    for image in images {
        let is_beside = |part: &&mut Application| image.is_beside(&part.images[0]);
        match parts.iter_mut().find(is_beside) {
            Some(part) => part.images.push(image.clone()),
            None => parts.push(Application { images: vec![image.clone()], ..application.clone() }),
        }
    }
    parts
}

/// Which of these repositories of a registry an image is of. Below a prefix images are named with it, and repositories
/// without.
fn repository_of<'a>(image: &WrittenImage, repositories: &'a [String], registry: &str) -> Option<&'a str> {
    let name = image.name()?;
    let (_, prefix) = place(registry);
    let exactly = repositories.iter().find(|repository| name.is_of(repository));
    let below = || repositories.iter().find(|repository| name.is_of(&format!("{prefix}{repository}")));
    exactly.or_else(below).map(String::as_str)
}

/// Whether an image is of this repository of a registry.
pub(super) fn is_of(image: &WrittenImage, repository: &str, registry: &str) -> bool {
    repository_of(image, &[repository.to_owned()], registry).is_some()
}

/// A registry's URL as images are named: host with its port, and what stands between it and the repository.
pub(super) fn place(registry: &str) -> (&str, &str) {
    let place = registry.split_once("://").map_or(registry, |(_, place)| place);
    place.split_once('/').unwrap_or((place, ""))
}

/// An image of a workload that is of another environment than the dump's, and which.
fn foreign_image(application: &Application, dump: &Dump) -> Option<(String, String)> {
    application.images.iter().find_map(|image| match environment_of(image, dump) {
        Environment::Other(theirs) => Some((image.to_string(), theirs)),
        Environment::Ours | Environment::Unknown => None,
    })
}

/// Which environment an image was built for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Environment {
    Ours,
    Other(String),
    Unknown,
}

/// The environment that an image was built for: by its digest where it is pinned and the dump knows it, else by the
/// word at the end of its tag. A word that is not known to mean anything else is taken for an environment: it is safer
/// to leave the workload as it is.
pub(super) fn environment_of(image: &WrittenImage, dump: &Dump) -> Environment {
    let Some(name) = image.name() else { return Environment::Unknown };
    if name.digest().is_some_and(|digest| dump.images.iter().any(|image| image.digest == digest)) {
        return Environment::Ours;
    }
    let Some(tag) = name.tag() else { return Environment::Unknown };
    if belongs(tag, &dump.env) {
        return Environment::Ours;
    }
    let word = tag.rsplit(['-', '.', '_']).next().unwrap_or(tag);
    let names_one = word.chars().all(char::is_alphabetic) && !NO_ENVIRONMENTS.contains(&word.to_lowercase().as_str());
    if names_one { Environment::Other(word.to_owned()) } else { Environment::Unknown }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::super::points::tests::image;
    use super::*;

    fn workload(id: &str, images: &[&str]) -> Application {
        Application {
            id: id.to_owned(),
            service: id.rsplit('/').next().unwrap_or(id).to_owned(),
            images: images.iter().map(|image| (*image).into()).collect(),
            ..Application::default()
        }
    }

    fn dump(registry: &str, repositories: &[&str]) -> Dump {
        let repositories: Vec<_> = repositories.iter().map(|name| (*name).to_owned()).collect();
        let images = [image("team/billing", "1-develop", Some(0))];
        Dump::new(&repositories, "develop", registry, DateTime::<Utc>::MAX_UTC, &images, &[])
    }

    fn set() -> Dump {
        dump("http://r:5000", &["team/billing"])
    }

    /// Names of those that are set with their images, and what is said of those that are left, or were not named.
    fn told(found: Result<RepositoryWorkloads, Problem>) -> (Vec<String>, Vec<String>) {
        let workloads = found.expect("a workloads");
        let members = workloads.members.iter().map(|one| format!("{}: {}", one.service, one.images.join(" ")));
        (members.collect(), workloads.left.iter().map(ToString::to_string).chain(workloads.unnamed).collect())
    }

    #[test]
    fn every_workload_that_runs_an_image_of_the_repository_belongs_whatever_its_name() {
        let applications = [
            workload("dev/deployment/shop-billing", &["r:5000/proxy:1", "r:5000/team/billing:2-develop"]),
            workload("dev/cronjob/report", &["r:5000/team/billing:1-develop"]),
            workload("dev/deployment/team", &["r:5000/team/billing-ui:2-develop", "r:5000/billing:1-develop"]),
            workload("dev/deployment/two", &["r:5000/team/billing:1-develop", "r:5000/team/billing:2-develop"]),
            workload("dev/deployment/mirrored", &["m:5000/team/billing:1-develop", "r:5000/team/billing:2-develop"]),
        ];
        let (members, left) = told(workloads("team/billing", &set(), &applications, &[]));
        let expected = [
            "shop-billing: r:5000/team/billing:2-develop",
            "report: r:5000/team/billing:1-develop",
            "two: r:5000/team/billing:1-develop r:5000/team/billing:2-develop",
            "mirrored: m:5000/team/billing:1-develop",
            "mirrored: r:5000/team/billing:2-develop",
        ];
        assert_eq!((members, left), (expected.map(str::to_owned).to_vec(), Vec::new()));
    }

    #[test]
    fn what_is_held_fixed_or_of_another_environment_is_left_and_named() {
        let held = Apart::held([&serde_json::json!({"firebreak.io/hold": "incident 7"})]);
        let fixed = Some(Apart::Fixed("a job under way".to_owned()));
        let image = "r:5000/team/billing:2-develop";
        let applications = [
            workload("dev/billing", &[image]),
            Application { apart: held, ..workload("dev/held", &[image]) },
            Application { apart: fixed, ..workload("dev/job/7", &[image]) },
            workload("dev/canary", &["r:5000/team/billing:3-master"]),
        ];
        let (members, left) = told(workloads("team/billing", &set(), &applications, &[]));
        assert_eq!(members, ["billing: r:5000/team/billing:2-develop"]);
        let expected = [
            "held: left as it is, with 2-develop: it is held (firebreak.io/hold: incident 7)",
            "7: left as it is, with 2-develop: a job under way",
            "canary: left as it is, with 3-master: its image is one of 'master', not of 'develop'",
        ];
        assert_eq!(left, expected);
        let problem = workloads("team/billing", &set(), &applications[2..], &[]).expect_err("a refusal").to_string();
        assert!(
            problem.starts_with("'dev/canary' runs 'r:5000/team/billing:3-master', an image of 'master'"),
            "{problem}"
        );
        let problem = workloads("team/billing", &set(), &applications[2..3], &[]).expect_err("a refusal").to_string();
        assert_eq!(
            problem,
            "no workload of the environment that could be set runs 'team/billing': there is 'dev/job/7', a job under way"
        );
        let (members, left) = told(workloads("team/billing", &set(), &applications[1..2], &[]));
        assert_eq!((members.len(), left.len()), (0, 1), "whoever holds it means it");
    }

    #[test]
    fn whether_it_is_held_is_what_the_label_says() {
        let held = |value: serde_json::Value| Apart::held([&value]).map(|apart| apart.why().to_owned());
        assert_eq!(
            held(serde_json::json!({"firebreak.io/hold": "true"})).as_deref(),
            Some("it is held (firebreak.io/hold)")
        );
        assert_eq!(
            held(serde_json::json!({"firebreak.io/hold": ""})).as_deref(),
            Some("it is held (firebreak.io/hold)")
        );
        assert_eq!(held(serde_json::json!({"firebreak.io/hold": "false"})), None);
        assert_eq!(held(serde_json::json!({"other": "true"})), None);
        assert_eq!(held(serde_json::Value::Null), None);
    }

    #[test]
    fn only_narrows_the_set_and_a_name_that_nobody_has_is_refused_with_the_nearest() {
        let image = "r:5000/team/billing:2-develop";
        let applications = [
            workload("dev/deployment/billing", &[image]),
            workload("dev/cronjob/report", &[image]),
            workload("dev/deployment/web", &["r:5000/web:1-develop"]),
        ];
        let only = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for name in ["report", "cronjob/report", "dev/cronjob/report"] {
            let (members, left) = told(workloads("team/billing", &set(), &applications, &only(&[name])));
            assert_eq!(members, ["report: r:5000/team/billing:2-develop"], "{name}");
            assert_eq!(left, ["billing"], "{name}");
        }
        let refused = |names: &[&str]| {
            unknown_names(&only(names), &set(), &applications).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(refused(&["billing", "cronjob/report"]), [""; 0]);
        let expected = [
            "--only: no workload of the set is called 'biling': did you mean 'billing'?",
            "--only: no workload of the set is called 'web': there are billing, report",
        ];
        assert_eq!(refused(&["biling", "web"]), expected);
    }

    #[test]
    fn below_a_prefix_images_are_named_with_it_and_the_whole_name_goes_first() {
        let applications = [workload("a", &["r:5000/mirror/team/billing:1-develop"])];
        let dump = dump("https://r:5000/mirror/", &["team/billing", "mirror/team/billing"]);
        assert!(workloads("team/billing", &dump, &applications, &[]).is_err());
        assert_eq!(told(workloads("mirror/team/billing", &dump, &applications, &[])).0.len(), 1);
    }

    #[test]
    fn an_environment_is_known_by_the_digest_or_the_word_at_the_end_of_the_tag() {
        let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
        let mut dump = set();
        dump.images[0].digest = digest("a");
        let of = |tag: &str| environment_of(&format!("r:5000/team/billing{tag}").into(), &dump);
        assert_eq!(of(":1-live"), Environment::Other("live".to_owned()));
        assert_eq!(of(":1_sandbox"), Environment::Other("sandbox".to_owned()));
        for tag in [":1-rc", ":1.2.3", ":1-alpine", "", &format!("@{}", digest("b"))] {
            assert_eq!(of(tag), Environment::Unknown, "{tag}");
        }
        assert_eq!(of(&format!("@{}", digest("a"))), Environment::Ours);
        assert_eq!(of(&format!(":1-live@{}", digest("a"))), Environment::Ours, "the digest says what it is");
        assert_eq!(of(&format!(":1-live@{}", digest("b"))), Environment::Other("live".to_owned()));
    }
}
