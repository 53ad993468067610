//! Which steps take a set of services back to what ran at an instant: pure, and by the same rules as
//! [`plan`](mod@super::plan). What is not known, or not sure, refuses the whole plan, with all its reasons.

use chrono::{DateTime, TimeDelta, Utc};
use indexmap::IndexMap;

use super::dump::Dump;
use super::members::{Environment, environment_of, is_of, workloads};
use super::plan::{By, Draft, Pin, Plan, PlanRequest, Step, notes, step};
use super::points::newest;
use super::ran::{Held, held, is_image};
use super::refusal::{Problem, Refusal};
use super::target::Target;
use crate::platform::{Application, Ran};
use crate::registry::Image;
use crate::words::counted;

/// What was set so shortly before may not have run yet.
const FRESH: TimeDelta = TimeDelta::minutes(10);

/// What is remembered of the services.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// What each ran, by its repository.
    pub spans: IndexMap<String, Vec<Ran>>,
    /// Images that ran and that the dump does not know, as the registry has them now.
    pub images: Vec<Image>,
}

/// Plans the way back to what ran at the target's last instant. All workloads of a service go back to one image: that of
/// those of which it is known what they ran. Where they disagree, it is not sure.
///
/// # Errors
/// A [`Refusal`] with every reason there is.
pub fn plan_ran(
    dump: &Dump,
    applications: &[Application],
    target: Target,
    request: &PlanRequest,
    memory: &Memory,
) -> Result<Plan, Refusal> {
    let at = target.last_instant();
    let mut draft = Draft::begin(dump, applications, request);
    for repository in &dump.all {
        let workloads = match workloads(repository, dump, applications, &request.only) {
            Ok(workloads) => workloads,
            Err(problem) => {
                draft.problems.push(problem);
                continue;
            }
        };
        draft.left.extend(workloads.left);
        draft.unnamed.extend(workloads.unnamed);
        if workloads.members.is_empty() {
            continue;
        }
        match steps_to(repository, &workloads.members, dump, (at, request.pin.into()), memory) {
            Ok(steps) => draft.steps.extend(steps),
            Err(Problem::NothingKnown { .. }) if request.allow_partial => draft.left_out.push(repository.clone()),
            Err(problem) => draft.problems.push(problem),
        }
    }
    draft.end(By::Ran, Problem::NothingKnownOfAny, notes(dump, at))
}

/// What of the images that ran at the target the dump does not know: repository, and tag or digest.
#[must_use]
pub fn unknown_images(dump: &Dump, spans: &IndexMap<String, Vec<Ran>>, target: Target) -> Vec<(String, String)> {
    let mut unknown = Vec::new();
    for (repository, spans) in spans {
        if let Held::Ran(ran) = held(spans, target.last_instant())
            && let Some(reference) = reference(ran)
            && !dump.images.iter().any(|image| is_named(image, repository, &reference))
        {
            unknown.push((repository.clone(), reference));
        }
    }
    unknown
}

/// How the registry is asked for an image that ran: by its digest, or else its tag.
fn reference(ran: &Ran) -> Option<String> {
    let name = ran.image.name()?;
    name.digest().or(name.tag()).map(str::to_owned)
}

fn is_named(image: &Image, repository: &str, reference: &str) -> bool {
    image.repository == repository && (image.digest == reference || image.tag == reference)
}

/// The steps of the workloads of a repository to what ran.
fn steps_to(
    repository: &str,
    members: &[Application],
    dump: &Dump,
    (at, pin): (DateTime<Utc>, Pin),
    memory: &Memory,
) -> Result<Vec<Step>, Problem> {
    let names: Vec<&str> = members.iter().map(|member| member.id.as_str()).collect();
    let application = names.join("', '");
    let spans = memory.spans.get(repository).map(Vec::as_slice).unwrap_or_default();
    let ran = match held(spans, at) {
        Held::Ran(ran) => ran,
        Held::Unsure(why) => return Err(Problem::Unsure { application, why }),
        Held::Unknown => {
            let since = spans.iter().filter_map(|ran| ran.from).min();
            return Err(Problem::NothingKnown { application, since });
        }
    };
    let image = image_of(ran, repository, &application, dump, memory)?;
    let is_pinned = ran.image.name().is_some_and(|name| name.digest().is_some());
    let pin = if is_pinned && pin == Pin::AsBefore { Pin::TagAndDigest } else { pin };
    let mut notes = Vec::new();
    if let Some(built) = newest(&dump.images, repository, at)
        && !is_image(&ran.image, built, &dump.images)
    {
        notes.push(format!("by what was built it would be {}", built.tag));
    }
    if let Some(age) = ran.from.map(|from| at - from).filter(|age| *age < FRESH) {
        notes.push(format!("it had been set to this image only {} before", counted(age.num_minutes(), "minute")));
    }
    let step = |member| {
        let mut step = step(dump, &image, member, pin)?;
        step.notes.extend(notes.iter().cloned());
        Ok(step)
    };
    members.iter().map(step).collect()
}

/// The image that ran, as the registry knows it. What ran by its digest is known by that alone: the tag beside it, if any,
/// may have moved since.
fn image_of(ran: &Ran, repository: &str, application: &str, dump: &Dump, memory: &Memory) -> Result<Image, Problem> {
    let text = &ran.image;
    let unsure = |why: String| Problem::Unsure { application: application.to_owned(), why };
    let name = text.known().map_err(|error| unsure(error.to_string()))?;
    if !is_of(text, repository, &dump.registry) {
        return Err(unsure(format!("'{text}', an image of another repository than '{repository}'")));
    }
    if let Environment::Other(theirs) = environment_of(text, dump) {
        return Err(unsure(format!("'{text}' is an image of '{theirs}', and rollback.json is of '{}'", dump.env)));
    }
    let Some(reference) = reference(ran) else {
        return Err(unsure(format!("'{text}' has no tag: which image that was is not known")));
    };
    let images = dump.images.iter().chain(&memory.images);
    let Some(image) = images.into_iter().find(|image| is_named(image, repository, &reference)) else {
        return Err(Problem::Gone { application: application.to_owned(), image: text.to_string() });
    };
    if let Some(digest) = name.digest() {
        return Ok(Image { tag: name.tag().unwrap_or(digest).to_owned(), ..image.clone() });
    }
    // An image cannot have run before it was built: the tag named another one at that time.
    match image.created.filter(|created| ran.from.is_none_or(|from| *created > from)) {
        Some(created) => {
            let built = created.format("%F %R UTC");
            Err(unsure(format!("the tag '{reference}' was moved since: the image that bears it was built {built}")))
        }
        None => Ok(image.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::points::tests::image;
    use super::super::ran::tests::ran;
    use super::*;

    const DAY: i64 = 24 * 60;

    fn application(service: &str, image: &str) -> Application {
        Application {
            id: format!("/shop/dev/web/{service}"),
            service: service.to_owned(),
            images: vec![image.into()],
            revision: "1".to_owned(),
            instances: 1,
            ..Application::default()
        }
    }

    fn dump() -> Dump {
        let images = [
            image("billing", "1-develop", Some(0)),
            image("billing", "2-develop", Some(DAY)),
            image("orders", "1-develop", Some(0)),
            image("orders", "2-develop", Some(2 * DAY)),
        ];
        let now = image("", "", Some(9 * DAY)).created.expect("an instant");
        Dump::new(&["billing".to_owned(), "orders".to_owned()], "develop", "http://r:5000", now, &images, &[])
    }

    fn applications() -> Vec<Application> {
        vec![application("billing", "r:5000/billing:2-develop"), application("orders", "r:5000/orders:2-develop")]
    }

    /// `billing` 2 was built on the second day and ran only from the fourth on.
    fn memory() -> Memory {
        let billing = vec![
            ran("r:5000/billing:2-develop", Some(3 * DAY), None),
            ran("r:5000/billing:1-develop", Some(60), Some(3 * DAY)),
        ];
        let orders = vec![
            ran("r:5000/orders:2-develop", Some(2 * DAY + 60), None),
            ran("r:5000/orders:1-develop", Some(60), Some(2 * DAY + 60)),
        ];
        let spans = IndexMap::from([("billing".to_owned(), billing), ("orders".to_owned(), orders)]);
        Memory { spans, images: Vec::new() }
    }

    fn on(date: &str) -> Target {
        date.parse().expect("a target")
    }

    fn all() -> PlanRequest {
        PlanRequest::default()
    }

    fn refusal(memory: &Memory, target: Target, request: &PlanRequest) -> Vec<String> {
        let Refusal(problems) = plan_ran(&dump(), &applications(), target, request, memory).expect_err("a refusal");
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_service_goes_back_to_what_it_ran_though_another_was_built() {
        let plan = plan_ran(&dump(), &applications(), on("2026-11-02"), &all(), &memory()).expect("a plan");
        assert_eq!(plan.by, By::Ran);
        let steps: Vec<_> = plan.steps.iter().map(|step| (step.change.to.as_str(), step.unchanged)).collect();
        assert_eq!(steps, [("r:5000/billing:1-develop", false), ("r:5000/orders:1-develop", false)]);
        assert_eq!(plan.steps[0].notes, ["by what was built it would be 2-develop"]);
        assert_eq!(plan.steps[1].notes, [""; 0]);
        let now = plan_ran(&dump(), &applications(), on("2026-11-04T00:05:00Z"), &all(), &memory()).expect("a plan");
        assert!(now.steps.iter().all(|step| step.unchanged));
        assert_eq!(now.steps[0].notes, ["it had been set to this image only 5 minutes before"]);
    }

    #[test]
    fn by_what_was_built_it_is_noted_what_ran_as_far_as_the_dump_knows() {
        let mut dump = dump();
        dump.ran = memory().spans;
        let planned = super::super::plan::plan(&dump, &applications(), on("2026-11-02"), &all()).expect("a plan");
        let note = "'r:5000/billing:1-develop' ran then, not this one: --by=ran goes back to it";
        assert_eq!(
            (planned.steps[0].notes.as_slice(), planned.steps[1].notes.len()),
            ([note.to_owned()].as_slice(), 0)
        );
        dump.generated = image("", "", Some(DAY)).created.expect("an instant");
        let planned = super::super::plan::plan(&dump, &applications(), on("2026-11-02"), &all()).expect("a plan");
        assert_eq!(planned.steps[0].notes, [""; 0], "the dump was written before");
    }

    #[test]
    fn what_is_not_known_or_not_sure_is_refused_by_name_and_only_the_unknown_may_be_left_out() {
        let mut memory = memory();
        memory.spans.get_mut("orders").expect("orders")[1].doubt = Some("used twice".to_owned());
        memory.spans.get_mut("billing").expect("billing").truncate(1);
        let unsure = "what '/shop/dev/web/orders' ran then is not sure: perhaps 'r:5000/orders:1-develop': used twice \
             (the platform); choose another date, or go by what was built (--by=built)";
        let known = "what '/shop/dev/web/billing' ran then is not known (it is since 2026-11-04 00:00 UTC): choose a \
             later date, go by what was built (--by=built), or leave it as it is with --allow-partial";
        assert_eq!(refusal(&memory, on("2026-11-02"), &all()), [known, unsure]);
        let partial = PlanRequest { allow_partial: true, ..all() };
        assert_eq!(refusal(&memory, on("2026-11-02"), &partial), [unsure]);
        memory.spans.get_mut("orders").expect("orders")[1].doubt = None;
        let plan = plan_ran(&dump(), &applications(), on("2026-11-02"), &partial, &memory).expect("a plan");
        assert_eq!((plan.steps.len(), plan.left_out), (1, vec!["billing".to_owned()]));
        let nothing = "of no service it is known what ran then: choose a later date";
        assert_eq!(refusal(&Memory::default(), on("2026-11-02"), &partial), [nothing]);
    }

    #[test]
    fn a_tag_that_names_a_younger_image_than_what_ran_is_not_believed() {
        let mut memory = memory();
        let spans = memory.spans.get_mut("billing").expect("billing");
        spans[1] = ran("r:5000/billing:2-develop", Some(60), Some(3 * DAY));
        let expected = "what '/shop/dev/web/billing' ran then is not sure: the tag '2-develop' was moved since: the image \
             that bears it was built 2026-11-02 00:00 UTC; choose another date, or go by what was built (--by=built)";
        assert_eq!(refusal(&memory, on("2026-11-02"), &all()), [expected]);
    }

    #[test]
    fn an_image_that_the_dump_does_not_know_is_asked_for_or_gone() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        for (text, reference, tag) in [
            ("r:5000/billing:0-develop".to_owned(), "0-develop", "0-develop"),
            (format!("r:5000/billing@{digest}"), &*digest, &*digest),
            (format!("r:5000/billing:0-develop@{digest}"), &*digest, "0-develop"),
        ] {
            let mut memory = memory();
            memory.spans.get_mut("billing").expect("billing")[1].image = text.as_str().into();
            let unknown = unknown_images(&dump(), &memory.spans, on("2026-11-02"));
            assert_eq!(unknown, [("billing".to_owned(), reference.to_owned())]);
            let gone =
                "'/shop/dev/web/billing' ran 'IMAGE' then, and the registry has it no longer: choose another date";
            assert_eq!(refusal(&memory, on("2026-11-02"), &all()), [gone.replace("IMAGE", &text)]);
            memory.images = vec![Image { digest: digest.clone(), ..image("billing", reference, None) }];
            let plan = plan_ran(&dump(), &applications(), on("2026-11-02"), &all(), &memory).expect("a plan");
            let step = &plan.steps[0];
            assert_eq!((step.change.to.as_str(), &*step.image.tag), (&*text, tag), "it is written as it was then");
        }
    }

    #[test]
    fn an_image_of_another_environment_or_repository_is_no_target() {
        for (text, why) in [
            (
                "r:5000/billing:1-stage",
                "'r:5000/billing:1-stage' is an image of 'stage', and rollback.json is of 'develop'",
            ),
            (
                "r:5000/old/billing:1-develop",
                "'r:5000/old/billing:1-develop', an image of another repository than 'billing'",
            ),
            ("r:5000/billing", "'r:5000/billing' has no tag: which image that was is not known"),
        ] {
            let mut memory = memory();
            memory.spans.get_mut("billing").expect("billing")[1].image = text.into();
            let refused = refusal(&memory, on("2026-11-02"), &all());
            assert!(refused[0].contains(&format!("is not sure: {why}; choose another date")), "{refused:?}");
        }
    }

    #[test]
    fn all_workloads_of_a_service_go_back_to_the_image_of_those_that_remember() {
        let mut applications = applications();
        applications.push(application("report", "r:5000/billing:2-develop"));
        let made = plan_ran(&dump(), &applications, on("2026-11-02"), &all(), &memory()).expect("a plan");
        let steps: Vec<_> =
            made.steps.iter().map(|step| (&*step.change.application.service, step.change.to.as_str())).collect();
        let (old, orders) = ("r:5000/billing:1-develop", "r:5000/orders:1-develop");
        assert_eq!(steps, [("billing", old), ("report", old), ("orders", orders)]);
        let mut memory = memory();
        let spans = memory.spans.get_mut("billing").expect("billing");
        spans.push(ran("r:5000/billing:0-develop", Some(60), Some(3 * DAY)));
        let Refusal(problems) =
            plan_ran(&dump(), &applications, on("2026-11-02"), &all(), &memory).expect_err("a refusal");
        let said = problems[0].to_string();
        assert!(
            said.starts_with("what '/shop/dev/web/billing', '/shop/dev/web/report' ran then is not sure: it may"),
            "{said}"
        );
    }

    #[test]
    fn every_reason_is_named_at_once() {
        let partial = plan_ran(&dump(), &[], on("2026-11-02"), &all(), &memory()).expect_err("a refusal");
        assert_eq!(partial.0.len(), 2);
    }
}
