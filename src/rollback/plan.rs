//! Which steps a rollback takes: pure. Each service gets its newest image that is not younger than the target (what ran
//! then: [`plan_ran`](mod@super::plan_ran)), and every workload that runs the service ([`members`](mod@super::members)) is
//! set to it; whatever is in doubt refuses the whole plan, with all its reasons.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::dump::Dump;
use super::members::{Environment, Left, environment_of, place, unknown_names, workloads};
use super::points::{newest, rivals};
use super::ran::{Held, held, is_image};
use super::refusal::{Problem, Refusal};
use super::target::Target;
use crate::platform::image::{ImageName, WrittenImage};
use crate::platform::{Application, Change};
use crate::registry::Image;

/// What is asked of a plan, besides the moment that it goes back to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanRequest {
    /// The names of the workloads that are meant; empty: all of the set.
    pub only: Vec<String>,
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
    /// One for each workload, in the order of the dump; those that are already there as well. A workload that runs
    /// several services of the set has one for each.
    pub steps: Vec<Step>,
    /// Services without an image that old, or of which it is not known what ran, which `--allow-partial` leaves as they are.
    pub left_out: Vec<String>,
    /// Workloads that run images of the set, and are left as they are.
    pub left: Vec<Left>,
    /// What the operator should know about the whole.
    pub notes: Vec<String>,
}

/// What becomes of one workload's images of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The workload and the image that it is set to.
    pub change: Change,
    /// That image, as the registry knows it.
    pub image: Image,
    /// What the operator should know.
    pub notes: Vec<String>,
    /// The workload runs that image already.
    pub unchanged: bool,
    /// The image that it runs now, as the registry knows it; none until that is asked, or where it does not know it.
    pub before: Option<Image>,
    /// Why it is not well now; none until that is seen, or where it is.
    pub trouble: Option<String>,
}

impl Plan {
    /// The changes that are to be written.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        self.steps.iter().filter(|step| !step.unchanged).map(|step| step.change.clone()).collect()
    }
}

/// A plan that is being made, and what stands against it.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) steps: Vec<Step>,
    pub(super) left_out: Vec<String>,
    pub(super) left: Vec<Left>,
    /// The names of the workloads that the request does not name.
    pub(super) unnamed: Vec<String>,
    pub(super) problems: Vec<Problem>,
}

impl Draft {
    /// One that names of workloads may stand against.
    pub(super) fn begin(dump: &Dump, applications: &[Application], request: &PlanRequest) -> Self {
        Self { problems: unknown_names(&request.only, dump, applications), ..Self::default() }
    }

    /// The plan, or all that stands against it; `nothing` does where nothing is left of it.
    pub(super) fn end(mut self, by: By, nothing: Problem, mut notes: Vec<String>) -> Result<Plan, Refusal> {
        self.unnamed.dedup();
        if !self.unnamed.is_empty() {
            notes.push(format!("left as they are, for --only does not name them: {}", self.unnamed.join(", ")));
        }
        if self.steps.is_empty() && self.problems.is_empty() {
            let all_left = Problem::AllLeft(self.left.iter().map(ToString::to_string).collect());
            self.problems.push(if self.left_out.is_empty() { all_left } else { nothing });
        }
        tell_apart(&mut self.steps);
        let Self { steps, left_out, left, problems, .. } = self;
        if problems.is_empty() { Ok(Plan { by, steps, left_out, left, notes }) } else { Err(Refusal(problems)) }
    }
}

/// Names those workloads by their ids that would else have the same name: a Deployment and a CronJob say.
fn tell_apart(steps: &mut [Step]) {
    let names: Vec<Application> = steps.iter().map(|step| step.change.application.clone()).collect();
    for application in steps.iter_mut().map(|step| &mut step.change.application) {
        let is_another = |other: &&Application| other.service == application.service && other.id != application.id;
        if names.iter().any(|other| is_another(&other)) {
            application.service.clone_from(&application.id);
        }
    }
}

/// Plans the rollback of a dump's services among the applications of an environment.
///
/// # Errors
/// A [`Refusal`] with every reason there is.
pub fn plan(dump: &Dump, applications: &[Application], target: Target, request: &PlanRequest) -> Result<Plan, Refusal> {
    let at = target.last_instant();
    let mut draft = Draft::begin(dump, applications, request);
    for repository in &dump.all {
        let image = newest(&dump.images, repository, at);
        let workloads = workloads(repository, dump, applications, &request.only);
        let members = workloads.as_ref().map_or(1, |workloads| workloads.members.len());
        if image.is_none() && request.allow_partial && members > 0 {
            draft.left_out.push(repository.clone());
            continue;
        }
        match workloads {
            Ok(workloads) => {
                draft.left.extend(workloads.left);
                draft.unnamed.extend(workloads.unnamed);
                for application in workloads.members.iter().filter_map(|one| Some((one, image?))) {
                    match built(dump, application.1, application.0, at, request.pin) {
                        Ok(step) => draft.steps.push(step),
                        Err(problem) => draft.problems.push(problem),
                    }
                }
            }
            Err(problem) => draft.problems.push(problem),
        }
        if image.is_none() && members > 0 {
            let undated = |image: &&Image| image.repository == *repository && image.created.is_none();
            let undated = dump.images.iter().filter(undated).count();
            draft.problems.push(Problem::NoImage { repository: repository.clone(), undated });
        }
    }
    draft.end(By::Built, Problem::NothingThatOld, notes(dump, at))
}

/// The step of a workload to an image that was chosen by when it was built.
fn built(dump: &Dump, image: &Image, application: &Application, at: DateTime<Utc>, pin: bool) -> Result<Step, Problem> {
    let mut step = step(dump, image, application, pin.into())?;
    step.notes.extend(ran_otherwise(dump, image, at));
    Ok(step)
}

/// What is to be said where another image ran at that time than the one that was built: as far as the dump knows.
fn ran_otherwise(dump: &Dump, image: &Image, at: DateTime<Utc>) -> Option<String> {
    let spans = dump.ran.get(&image.repository).filter(|_| at <= dump.generated)?;
    let Held::Ran(ran) = held(spans, at) else { return None };
    let note = || format!("'{}' ran then, not this one: --by=ran goes back to it", ran.image);
    (!is_image(&ran.image, image, &dump.images)).then(note)
}

/// A dump knows nothing of what was built after it.
pub(super) fn notes(dump: &Dump, at: DateTime<Utc>) -> Vec<String> {
    let late = at > dump.generated && dump.generated.date_naive() < at.date_naive();
    let note =
        || format!("rollback.json is of {}: images built later are not known", dump.generated.format("%F %R UTC"));
    late.then(note).into_iter().collect()
}

/// How a target is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pin {
    /// As the present image: by its tag, its digest, or both.
    AsBefore,
    /// By its tag and its digest, which counts: the tag may have moved.
    TagAndDigest,
    /// By its digest alone, as the operator asked.
    Digest,
}

impl From<bool> for Pin {
    fn from(is_asked_for: bool) -> Self {
        if is_asked_for { Self::Digest } else { Self::AsBefore }
    }
}

/// The step of a workload to an image.
pub(super) fn step(dump: &Dump, image: &Image, application: &Application, pin: Pin) -> Result<Step, Problem> {
    let mut notes = Vec::new();
    let (registry, _) = place(&dump.registry);
    let first = application.images.first().and_then(WrittenImage::name);
    if let Some(host) = first.and_then(ImageName::host).filter(|host| *host != registry) {
        notes.push(format!("it pulls from {host}, and the images were looked up in {registry}"));
    }
    for text in &application.images {
        if environment_of(text, dump) == Environment::Unknown {
            notes.push(format!("which environment '{text}' was built for is not known"));
        }
    }
    if application.images.len() > 1 {
        notes.push("it runs different images of that repository now".to_owned());
    }
    for rival in rivals(&dump.images, image) {
        notes.push(format!("'{}' bears the same instant and is another image", rival.tag));
    }
    let to = target(&application.images, image, pin);
    let unchanged = application.images.iter().all(|now| *now == to || is_pinned_to(now, &image.digest));
    if !unchanged {
        if let Some(why) = &application.obstacle {
            return Err(Problem::Obstacle { application: application.id.clone(), why: why.clone() });
        }
        notes.extend(application.notes.iter().cloned());
    }
    let change = Change { application: application.clone(), to };
    Ok(Step { change, image: image.clone(), notes, unchanged, before: None, trouble: None })
}

/// The target as the platform writes its present image: same registry, same repository, another tag or digest. What is
/// pinned stays pinned, so that the next pull gives no other image.
fn target(present: &[WrittenImage], image: &Image, pin: Pin) -> WrittenImage {
    let names: Vec<&ImageName> = present.iter().filter_map(WrittenImage::name).collect();
    let pinned = names.iter().find(|name| name.digest().is_some());
    let Some(name) = pinned.or(names.first()) else { return format!("{}:{}", image.repository, image.tag).into() };
    let digest = image.digest.as_str();
    match pin {
        // What is known by its digest alone has no tag to be written.
        _ if image.tag == digest => name.with_digest(digest).into(),
        Pin::TagAndDigest => name.with_tag_and_digest(&image.tag, digest).into(),
        Pin::AsBefore if pinned.is_none() => name.with_tag(&image.tag).into(),
        Pin::AsBefore if name.tag().is_some() => name.with_tag_and_digest(&image.tag, digest).into(),
        Pin::AsBefore | Pin::Digest => name.with_digest(digest).into(),
    }
}

fn is_pinned_to(image: &WrittenImage, digest: &str) -> bool {
    image.name().is_some_and(|name| name.digest() == Some(digest))
}

#[cfg(test)]
mod tests {
    use super::super::points::{points, tests::image};
    use super::*;
    use crate::platform::Apart;

    const DAY: i64 = 24 * 60;

    fn application(id: &str, image: &str) -> Application {
        Application {
            id: id.to_owned(),
            service: id.rsplit('/').next().unwrap_or(id).to_owned(),
            images: vec![image.into()],
            revision: "1".to_owned(),
            instances: 1,
            ..Application::default()
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

    fn on(date: &str) -> Target {
        date.parse().expect("a target")
    }

    fn all() -> PlanRequest {
        PlanRequest::default()
    }

    fn refusal(applications: &[Application], target: Target, request: &PlanRequest) -> Vec<String> {
        let Refusal(problems) = plan(&dump(&images()), applications, target, request).expect_err("a refusal");
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_service_gets_its_newest_image_that_is_not_younger_and_keeps_its_registry() {
        let mut applications = applications();
        applications[0].images = vec!["r:5000/team/billing:1-develop".into()];
        let plan = plan(&dump(&images()), &applications, on("2026-11-02"), &all()).expect("a plan");
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
        let pinned = plan(&dump, &applications, on("2026-11-01"), &PlanRequest { pin: true, ..all() }).expect("a plan");
        assert_eq!(pinned.steps[0].change.to, format!("r:5000/team/billing@{digest}"));
        applications[0].images = vec![format!("r:5000/team/billing@{digest}").into()];
        let again = plan(&dump, &applications, on("2026-11-01"), &all()).expect("a plan");
        assert!(again.steps[0].unchanged && again.steps[0].notes.is_empty());
        applications[0].images = vec![format!("r:5000/team/billing@sha256:{}", "cd".repeat(32)).into()];
        let unknown = plan(&dump, &applications, on("2026-11-01"), &all()).expect("a plan");
        assert_eq!(unknown.steps[0].notes.len(), 1);
        assert!(unknown.steps[0].notes[0].starts_with("which environment"));
    }

    #[test]
    fn a_service_without_an_image_that_old_refuses_the_plan_unless_it_may_be_left_out() {
        assert_eq!(
            refusal(&applications(), on("2026-11-01"), &all()),
            [
                "'orders' has no image that old (it has 1 without a date, never chosen by themselves): choose a later date, \
              or leave it as it is with --allow-partial"
            ]
        );
        let partial = PlanRequest { allow_partial: true, ..all() };
        let plan = plan(&dump(&images()), &applications(), on("2026-11-01"), &partial).expect("a plan");
        assert_eq!((plan.steps.len(), plan.left_out), (1, vec!["orders".to_owned()]));
        assert_eq!(refusal(&applications(), on("2020-01-01"), &all()).len(), 2);
    }

    #[test]
    fn every_workload_of_a_service_is_set_and_none_that_runs_another() {
        let mut applications = applications();
        applications.push(application("/other/dev/x/worker", "m:5000/orders:0-develop"));
        applications.push(application("/shop/dev/web/other", "r:5000/other/orders:0-develop"));
        let made = plan(&dump(&images()), &applications, on("2026-11-02"), &all()).expect("a plan");
        let steps: Vec<_> =
            made.steps.iter().map(|step| (&*step.change.application.id, step.change.to.as_str())).collect();
        let expected = [
            ("/shop/dev/web/billing", "r:5000/team/billing:2-develop"),
            ("/shop/dev/web/orders", "r:5000/orders:1-develop"),
            ("/other/dev/x/worker", "m:5000/orders:1-develop"),
        ];
        assert_eq!(steps, expected);
        applications.truncate(2);
        applications[1].images = vec!["r:5000/other/orders:1-develop".into()];
        assert_eq!(
            refusal(&applications, on("2026-11-02"), &all()),
            ["no workload of the environment that could be set runs 'orders': there is '/shop/dev/web/orders' with \
              'r:5000/other/orders:1-develop'"]
        );
    }

    #[test]
    fn a_workload_that_runs_several_services_of_the_set_has_a_step_for_each() {
        let mut applications = applications();
        applications[0].images.push("r:5000/orders:0-develop".into());
        applications.truncate(1);
        let made = plan(&dump(&images()), &applications, on("2026-11-02"), &all()).expect("a plan");
        let steps: Vec<_> =
            made.steps.iter().map(|step| (&step.change.application.images[..], step.change.to.as_str())).collect();
        let (billing, orders) = (["r:5000/team/billing:2-develop".into()], ["r:5000/orders:0-develop".into()]);
        let expected = [(&billing[..], "r:5000/team/billing:2-develop"), (&orders[..], "r:5000/orders:1-develop")];
        assert_eq!(steps, expected);
    }

    #[test]
    fn workloads_of_one_name_are_called_by_their_ids() {
        let mut applications = applications();
        applications.push(application("/other/dev/x/orders", "r:5000/orders:0-develop"));
        applications.push(application("/other/dev/x/billing", "r:5000/proxy:1"));
        let made = plan(&dump(&images()), &applications, on("2026-11-02"), &all()).expect("a plan");
        let names: Vec<_> = made.steps.iter().map(|step| step.change.application.service.as_str()).collect();
        assert_eq!(names, ["billing", "/shop/dev/web/orders", "/other/dev/x/orders"]);
    }

    #[test]
    fn those_that_are_not_meant_or_held_are_left_and_where_all_are_that_is_refused() {
        let only = |name: &str| PlanRequest { only: vec![name.to_owned()], ..all() };
        let made = plan(&dump(&images()), &applications(), on("2026-11-01"), &only("billing"))
            .expect("orders has no image that old");
        assert_eq!((made.steps.len(), made.left.len(), made.left_out.len()), (1, 0, 0));
        assert_eq!(made.notes, ["left as they are, for --only does not name them: orders"]);
        let made = plan(
            &dump(&images()),
            &applications(),
            on("2026-11-01"),
            &PlanRequest { allow_partial: true, ..only("billing") },
        );
        assert_eq!(made.expect("a plan").left_out, [""; 0]);
        assert_eq!(
            refusal(&applications(), on("2026-11-01"), &only("bilings")),
            ["--only: no workload of the set is called 'bilings': did you mean 'billing'?"]
        );
        let mut applications = applications();
        for one in &mut applications {
            one.apart = Some(Apart::Held("it is held".to_owned()));
        }
        assert_eq!(
            refusal(&applications, on("2026-11-02"), &all()),
            [
                "nothing is left to be set: billing: left as it is, with 2-develop: it is held; orders: left as it is, with \
              1-develop: it is held"
            ]
        );
    }

    #[test]
    fn what_is_pinned_is_replaced_by_what_is_pinned() {
        let digest = |letters: &str| format!("sha256:{}", letters.repeat(32));
        let mut images = images();
        images[0].digest = digest("ab");
        let dump = Dump { all: vec!["team/billing".to_owned()], ..dump(&images) };
        let to = |present: &[&str], pin| {
            let images = present.iter().map(|end| format!("r:5000/team/billing{end}").into()).collect();
            let applications = [Application { images, ..application("billing", "") }];
            let made = plan(&dump, &applications, on("2026-11-01"), &PlanRequest { pin, ..all() }).expect("a plan");
            (made.steps[0].change.to.as_str().replace("r:5000/team/billing", ""), made.steps[0].unchanged)
        };
        let (old, both, bare) = (digest("cd"), format!(":1-develop@{}", digest("ab")), format!("@{}", digest("ab")));
        assert_eq!(to(&[&format!(":2-develop@{old}")], false), (both.clone(), false));
        assert_eq!(to(&[":2-develop", &format!(":2-develop@{old}")], false), (both.clone(), false), "one of them is");
        assert_eq!(to(&[&format!("@{old}")], false), (bare.clone(), false));
        assert_eq!(to(&[&format!(":2-develop@{old}")], true), (bare, false));
        assert_eq!(to(&[&both], false), (both.clone(), true));
    }

    #[test]
    fn the_tag_that_stays_is_taken_and_one_that_moves_is_not_believed() {
        let mut images = images();
        let mut moving = images[1].clone();
        moving.tag = "develop".to_owned();
        images.push(moving);
        let mut applications = applications();
        for (tag, unchanged) in [("2-develop", true), ("develop", false)] {
            applications[0].images = vec![format!("r:5000/team/billing:{tag}").into()];
            let plan = plan(&dump(&images), &applications, on("2026-11-02"), &all()).expect("a plan");
            assert_eq!((plan.steps[0].image.tag.as_str(), plan.steps[0].unchanged), ("2-develop", unchanged), "{tag}");
        }
    }

    #[test]
    fn another_registry_and_an_old_dump_are_noted_and_an_obstacle_refuses() {
        let mut applications = applications();
        applications[0].images = vec!["mirror:5000/team/billing:1-develop".into()];
        let noted = plan(&dump(&images()), &applications, on("2026-12-24"), &all()).expect("a plan");
        assert_eq!(noted.steps[0].change.to, "mirror:5000/team/billing:2-develop");
        assert_eq!(noted.steps[0].notes, ["it pulls from mirror:5000, and the images were looked up in r:5000"]);
        assert_eq!(noted.notes, ["rollback.json is of 2026-11-10 00:00 UTC: images built later are not known"]);
        applications[0].obstacle = Some("it is paused".to_owned());
        assert_eq!(
            refusal(&applications, on("2026-11-02"), &all()),
            ["'/shop/dev/web/billing' cannot be changed: it is paused"]
        );
    }

    #[test]
    fn a_service_that_is_left_out_needs_no_application() {
        let partial = PlanRequest { allow_partial: true, ..all() };
        let plan = plan(&dump(&images()), &applications()[..1], on("2026-11-01"), &partial).expect("a plan");
        assert_eq!(plan.left_out, ["orders"]);
    }

    #[test]
    fn a_part_of_nothing_is_refused() {
        let partial = PlanRequest { allow_partial: true, ..all() };
        assert_eq!(
            refusal(&applications(), on("2020-01-01"), &partial),
            ["no service has an image that old: choose a later date"]
        );
    }

    #[test]
    fn every_reason_is_named_at_once() {
        assert_eq!(refusal(&[], on("2020-01-01"), &all()).len(), 4);
    }
}
