//! Which steps a rollback takes: pure. Each service gets its newest image that is not younger than the target (what ran
//! then: [`plan_ran`](mod@super::plan_ran)), and is
//! matched to exactly one running application; whatever is in doubt refuses the whole plan, with all its reasons.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::dump::Dump;
use super::points::{newest, rivals};
use super::ran::{Held, held, is_image};
use super::refusal::{Problem, Refusal};
use super::target::Target;
use crate::platform::image::ImageName;
use crate::platform::{Application, Change};
use crate::registry::Image;
use crate::registry::tags::belongs;

/// What is asked of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// The moment to go back to.
    pub target: Target,
    /// Leave out the services that have no image that old, rather than refuse.
    pub allow_partial: bool,
    /// Write `repo@digest` rather than `repo:tag`.
    pub pin: bool,
}

/// What the images of a plan are chosen by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// When they were built.
    Built,
    /// When they ran.
    Ran,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Built => "by when they were built",
            Self::Ran => "by what ran then",
        })
    }
}

/// The steps that take a set of services back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What its images were chosen by.
    pub by: By,
    /// One for each service, in the order of the dump; those that are already there as well.
    pub steps: Vec<Step>,
    /// Services without an image that old, or of which it is not known what ran, which `--allow-partial` leaves as they are.
    pub left_out: Vec<String>,
    /// What the operator should know about the whole.
    pub notes: Vec<String>,
}

/// What becomes of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The application and the image that it is set to.
    pub change: Change,
    /// That image, as the registry knows it.
    pub image: Image,
    /// What the operator should know.
    pub notes: Vec<String>,
    /// The application runs that image already.
    pub unchanged: bool,
    /// The image that it runs now, as the registry knows it; none until that is asked, or where it does not know it.
    pub before: Option<Image>,
    /// Why it is not well now; none until that is seen, or where it is.
    pub trouble: Option<String>,
}

/// Words at the end of a tag that say something else than the environment: the stage of a release, what it is made of.
const NO_ENVIRONMENTS: [&str; 26] = [
    "alpha", "alpine", "amd", "arm", "beta", "bookworm", "bullseye", "debian", "debug", "dirty", "final", "fix", "ga",
    "hotfix", "jammy", "jdk", "jre", "latest", "linux", "patch", "pre", "rc", "release", "slim", "snapshot", "ubuntu",
];

impl Plan {
    /// The changes that are to be written.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        self.steps.iter().filter(|step| !step.unchanged).map(|step| step.change.clone()).collect()
    }
}

/// Plans the rollback of a dump's services among the applications of an environment.
///
/// # Errors
/// A [`Refusal`] with every reason there is.
pub fn plan(dump: &Dump, applications: &[Application], wish: Wish) -> Result<Plan, Refusal> {
    let (mut steps, mut left_out, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for repository in &dump.all {
        let image = newest(&dump.images, repository, wish.target.last_instant());
        if image.is_none() && wish.allow_partial {
            left_out.push(repository.clone());
            continue;
        }
        let application = application_of(repository, &dump.registry, applications);
        match (image, application) {
            (Some(image), Ok(application)) => match step(dump, image, application, wish) {
                Ok(mut step) => {
                    step.notes.extend(ran_otherwise(dump, image, wish.target.last_instant()));
                    steps.push(step);
                }
                Err(problem) => problems.push(problem),
            },
            (image, application) => {
                problems.extend(application.err());
                if image.is_none() {
                    let undated = |image: &&Image| image.repository == *repository && image.created.is_none();
                    let undated = dump.images.iter().filter(undated).count();
                    problems.push(Problem::NoImage { repository: repository.clone(), undated });
                }
            }
        }
    }
    if steps.is_empty() && problems.is_empty() {
        problems.push(Problem::NothingThatOld);
    }
    if !problems.is_empty() {
        return Err(Refusal(problems));
    }
    Ok(Plan { by: By::Built, steps, left_out, notes: notes(dump, wish) })
}

/// What is to be said where another image ran at that time than the one that was built: as far as the dump knows.
fn ran_otherwise(dump: &Dump, image: &Image, at: DateTime<Utc>) -> Option<String> {
    let spans = dump.ran.get(&image.repository).filter(|_| at <= dump.generated)?;
    let Held::Ran(ran) = held(spans, at) else { return None };
    let note = || format!("'{}' ran then, not this one: --by=ran goes back to it", ran.image);
    (!is_image(&ran.image, image, &dump.images)).then(note)
}

/// A dump knows nothing of what was built after it.
pub(super) fn notes(dump: &Dump, wish: Wish) -> Vec<String> {
    let target = wish.target;
    let late =
        target.last_instant() > dump.generated && dump.generated.date_naive() < target.last_instant().date_naive();
    let note =
        || format!("rollback.json is of {}: images built later are not known", dump.generated.format("%F %R UTC"));
    late.then(note).into_iter().collect()
}

/// The one application that bears the service's name and runs its repository of a registry.
pub(super) fn application_of<'a>(
    repository: &str,
    registry: &str,
    applications: &'a [Application],
) -> Result<&'a Application, Problem> {
    let service = repository.rsplit('/').next().unwrap_or(repository);
    let of_that_name: Vec<_> = applications.iter().filter(|application| application.service == service).collect();
    let is_it = |image: &String| image.parse::<ImageName>().is_ok_and(|name| is_of(&name, repository, registry));
    let runs_it = |application: &&&Application| application.images.iter().all(is_it);
    let matching: Vec<_> = of_that_name.iter().filter(runs_it).copied().collect();
    let named = |list: &[&Application]| {
        list.iter()
            .map(|application| format!("'{}' with '{}'", application.id, application.images.join("', '")))
            .collect()
    };
    match matching[..] {
        [application] => Ok(application),
        [] => Err(Problem::NoApplication { repository: repository.to_owned(), candidates: named(&of_that_name) }),
        _ => Err(Problem::SeveralApplications { repository: repository.to_owned(), candidates: named(&matching) }),
    }
}

/// Whether an image is of this repository of a registry. One below a prefix: images are named with it, repositories without.
pub(super) fn is_of(name: &ImageName, repository: &str, registry: &str) -> bool {
    let (_, prefix) = place(registry);
    name.is_of(repository) || name.is_of(&format!("{prefix}{repository}"))
}

/// A registry's URL as images are named: host with its port, and what stands between it and the repository.
fn place(registry: &str) -> (&str, &str) {
    let place = registry.split_once("://").map_or(registry, |(_, place)| place);
    let (host, prefix) = place.split_once('/').unwrap_or((place, ""));
    (host, prefix)
}

pub(super) fn step(dump: &Dump, image: &Image, application: &Application, wish: Wish) -> Result<Step, Problem> {
    let mut notes = Vec::new();
    let (registry, _) = place(&dump.registry);
    let elsewhere = |host: &&str| *host != registry;
    let hosts = application.images.iter().filter_map(|text| text.parse::<ImageName>().ok());
    for host in hosts.filter_map(|name| name.host().filter(elsewhere).map(str::to_owned)) {
        notes.push(format!("it pulls from {host}, and the images were looked up in {registry}"));
    }
    for text in &application.images {
        match environment_of(text, dump) {
            Environment::Ours => {}
            Environment::Unknown => notes.push(format!("which environment '{text}' was built for is not known")),
            Environment::Other(theirs) => {
                return Err(Problem::OtherEnvironment {
                    application: application.id.clone(),
                    image: text.clone(),
                    theirs,
                    ours: dump.env.clone(),
                });
            }
        }
    }
    if application.images.len() > 1 {
        notes.push("its replicas run different images".to_owned());
    }
    for rival in rivals(&dump.images, image) {
        notes.push(format!("'{}' bears the same instant and is another image", rival.tag));
    }
    let present = application.images.first().map(String::as_str).unwrap_or_default();
    let to = target_text(present, image, wish.pin);
    let unchanged = application.images.iter().all(|text| *text == to || is_pinned_to(text, &image.digest));
    if !unchanged {
        if let Some(why) = &application.obstacle {
            return Err(Problem::Obstacle { application: application.id.clone(), why: why.clone() });
        }
        notes.extend(application.notes.iter().cloned());
    }
    let change = Change { application: application.clone(), to };
    Ok(Step { change, image: image.clone(), notes, unchanged, before: None, trouble: None })
}

/// The target as the platform writes its present image: same registry, same repository, another tag or digest.
fn target_text(present: &str, image: &Image, pin: bool) -> String {
    match present.parse::<ImageName>() {
        Ok(name) if pin => name.with_digest(&image.digest).to_string(),
        Ok(name) => name.with_tag(&image.tag).to_string(),
        Err(_) => format!("{}:{}", image.repository, image.tag),
    }
}

fn is_pinned_to(text: &str, digest: &str) -> bool {
    text.parse::<ImageName>().is_ok_and(|name| name.digest() == Some(digest))
}

pub(super) enum Environment {
    Ours,
    Other(String),
    Unknown,
}

/// The environment that an image was built for: by its digest where it is pinned and the dump knows it, else by the
/// word at the end of its tag. A word that is not known to mean anything else is taken for an environment: it is safer
/// to refuse.
pub(super) fn environment_of(image: &str, dump: &Dump) -> Environment {
    let Ok(name) = image.parse::<ImageName>() else { return Environment::Unknown };
    let is_known = |digest: &str| dump.images.iter().any(|image| image.digest == digest);
    if name.digest().is_some_and(is_known) {
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
    use super::super::points::{points, tests::image};
    use super::*;

    const DAY: i64 = 24 * 60;

    fn application(id: &str, image: &str) -> Application {
        Application {
            id: id.to_owned(),
            service: id.rsplit('/').next().unwrap_or(id).to_owned(),
            images: vec![image.to_owned()],
            revision: "1".to_owned(),
            instances: 1,
            notes: Vec::new(),
            obstacle: None,
        }
    }

    fn dump(images: &[Image]) -> Dump {
        let repositories = ["team/billing".to_owned(), "orders".to_owned()];
        let now = image("", "", Some(9 * DAY)).created.expect("an instant");
        Dump::new(&repositories, "develop", "http://r:5000", now, images, &points(&repositories, images, 10))
    }

    fn images() -> Vec<Image> {
        vec![
            image("team/billing", "1-develop", Some(0)),
            image("team/billing", "2-develop", Some(DAY)),
            image("orders", "1-develop", Some(DAY)),
            image("orders", "odd-develop", None),
        ]
    }

    fn applications() -> Vec<Application> {
        vec![
            application("/shop/dev/web/billing", "r:5000/team/billing:2-develop"),
            application("/shop/dev/web/orders", "r:5000/orders:1-develop"),
        ]
    }

    fn wish(date: &str) -> Wish {
        Wish { target: date.parse().expect("a target"), allow_partial: false, pin: false }
    }

    fn refusal(applications: &[Application], wish: Wish) -> Vec<String> {
        let Refusal(problems) = plan(&dump(&images()), applications, wish).expect_err("a refusal");
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_service_gets_its_newest_image_that_is_not_younger_and_keeps_its_registry() {
        let mut applications = applications();
        applications[0].images = vec!["r:5000/team/billing:1-develop".to_owned()];
        let plan = plan(&dump(&images()), &applications, wish("2026-11-02")).expect("a plan");
        let steps: Vec<_> = plan.steps.iter().map(|step| (step.change.to.as_str(), step.unchanged)).collect();
        assert_eq!(steps, [("r:5000/team/billing:2-develop", false), ("r:5000/orders:1-develop", true)]);
        assert_eq!(plan.changes().len(), 1);
    }

    #[test]
    fn pinned_images_are_written_and_recognised_by_digest() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let mut images = images();
        images[0].digest.clone_from(&digest);
        let mut applications = applications();
        let dump =
            Dump::new(&["team/billing".to_owned()], "develop", "http://r:5000", DateTime::<Utc>::MAX_UTC, &images, &[]);
        let pinned = plan(&dump, &applications, Wish { pin: true, ..wish("2026-11-01") }).expect("a plan");
        assert_eq!(pinned.steps[0].change.to, format!("r:5000/team/billing@{digest}"));
        applications[0].images = vec![format!("r:5000/team/billing@{digest}")];
        let again = plan(&dump, &applications, wish("2026-11-01")).expect("a plan");
        assert!(again.steps[0].unchanged && again.steps[0].notes.is_empty());
        applications[0].images = vec![format!("r:5000/team/billing@sha256:{}", "cd".repeat(32))];
        let unknown = plan(&dump, &applications, wish("2026-11-01")).expect("a plan");
        assert_eq!(unknown.steps[0].notes.len(), 1);
        assert!(unknown.steps[0].notes[0].starts_with("which environment"));
    }

    #[test]
    fn a_service_without_an_image_that_old_refuses_the_plan_unless_it_may_be_left_out() {
        assert_eq!(
            refusal(&applications(), wish("2026-11-01")),
            [
                "'orders' has no image that old (it has 1 without a date, never chosen by themselves): choose a later date, \
              or leave it as it is with --allow-partial"
            ]
        );
        let partial = Wish { allow_partial: true, ..wish("2026-11-01") };
        let plan = plan(&dump(&images()), &applications(), partial).expect("a plan");
        assert_eq!((plan.steps.len(), plan.left_out), (1, vec!["orders".to_owned()]));
        assert_eq!(refusal(&applications(), wish("2020-01-01")).len(), 2);
    }

    #[test]
    fn a_service_is_matched_to_exactly_one_application_of_its_name_and_repository() {
        let mut applications = applications();
        applications.push(application("/other/dev/x/orders", "r:5000/orders:1-develop"));
        assert_eq!(
            refusal(&applications, wish("2026-11-02")),
            ["'orders' is run by several applications, and it is not known which is meant: there is \
              '/shop/dev/web/orders' with 'r:5000/orders:1-develop', '/other/dev/x/orders' with 'r:5000/orders:1-develop'"]
        );
        applications[1].images = vec!["r:5000/other/orders:1-develop".to_owned()];
        assert!(plan(&dump(&images()), &applications, wish("2026-11-02")).is_ok());
        applications.truncate(2);
        assert_eq!(
            refusal(&applications, wish("2026-11-02")),
            ["no application of the environment runs 'orders': there is '/shop/dev/web/orders' with \
              'r:5000/other/orders:1-develop'"]
        );
    }

    #[test]
    fn an_application_that_runs_an_image_of_another_environment_refuses_the_plan() {
        let mut applications = applications();
        applications[0].images = vec!["r:5000/team/billing:2-master".to_owned()];
        assert_eq!(
            refusal(&applications, wish("2026-11-02")),
            [
                "'/shop/dev/web/billing' runs 'r:5000/team/billing:2-master', an image of 'master', and rollback.json is of \
              'develop': run `rollback_service get --env=master` first"
            ]
        );
        applications[0].images = vec!["r:5000/team/billing:2".to_owned()];
        let plan = plan(&dump(&images()), &applications, wish("2026-11-02")).expect("a plan");
        assert_eq!(plan.steps[0].notes, ["which environment 'r:5000/team/billing:2' was built for is not known"]);
    }

    #[test]
    fn the_tag_that_stays_is_taken_and_one_that_moves_is_not_believed() {
        let mut images = images();
        let mut moving = images[1].clone();
        moving.tag = "develop".to_owned();
        images.push(moving);
        let mut applications = applications();
        for (tag, unchanged) in [("2-develop", true), ("develop", false)] {
            applications[0].images = vec![format!("r:5000/team/billing:{tag}")];
            let plan = plan(&dump(&images), &applications, wish("2026-11-02")).expect("a plan");
            assert_eq!((plan.steps[0].image.tag.as_str(), plan.steps[0].unchanged), ("2-develop", unchanged), "{tag}");
        }
    }

    #[test]
    fn a_word_at_the_end_of_a_tag_names_an_environment_unless_it_is_known_to_mean_something_else() {
        for (tag, other) in
            [("1-live", true), ("1_sandbox", true), ("1-rc", false), ("1.2.3", false), ("1-alpine", false)]
        {
            let mut applications = applications();
            applications[0].images = vec![format!("r:5000/team/billing:{tag}")];
            let refused = plan(&dump(&images()), &applications, wish("2026-11-02")).is_err();
            assert_eq!(refused, other, "{tag}");
        }
    }

    #[test]
    fn another_registry_and_an_old_dump_are_noted_and_an_obstacle_refuses() {
        let mut applications = applications();
        applications[0].images = vec!["mirror:5000/team/billing:1-develop".to_owned()];
        let noted = plan(&dump(&images()), &applications, wish("2026-12-24")).expect("a plan");
        assert_eq!(noted.steps[0].change.to, "mirror:5000/team/billing:2-develop");
        assert_eq!(noted.steps[0].notes, ["it pulls from mirror:5000, and the images were looked up in r:5000"]);
        assert_eq!(noted.notes, ["rollback.json is of 2026-11-10 00:00 UTC: images built later are not known"]);
        applications[0].obstacle = Some("it is paused".to_owned());
        assert_eq!(
            refusal(&applications, wish("2026-11-02")),
            ["'/shop/dev/web/billing' cannot be changed: it is paused"]
        );
    }

    #[test]
    fn a_registry_below_a_prefix_matches_images_named_with_it() {
        let mut applications = applications();
        applications[0].images = vec!["r:5000/mirror/team/billing:1-develop".to_owned()];
        let mut dump = dump(&images());
        dump.registry = "https://r:5000/mirror/".to_owned();
        let plan = plan(&dump, &applications, wish("2026-11-02")).expect("a plan");
        assert_eq!(plan.steps[0].change.to, "r:5000/mirror/team/billing:2-develop");
    }

    #[test]
    fn a_service_that_is_left_out_needs_no_application() {
        let partial = Wish { allow_partial: true, ..wish("2026-11-01") };
        let plan = plan(&dump(&images()), &applications()[..1], partial).expect("a plan");
        assert_eq!(plan.left_out, ["orders"]);
    }

    #[test]
    fn a_part_of_nothing_is_refused() {
        let partial = Wish { allow_partial: true, ..wish("2020-01-01") };
        assert_eq!(refusal(&applications(), partial), ["no service has an image that old: choose a later date"]);
    }

    #[test]
    fn every_reason_is_named_at_once() {
        assert_eq!(refusal(&[], wish("2020-01-01")).len(), 4);
    }
}
