//! The way back from what a run did: pure. Each service that is still as the run left it gets the image that it had before.

use super::members::Left;
use super::plan::{By, Plan, Step};
use super::recorded::{Recorded, RecordedStep};
use super::refusal::{Problem, Refusal};
use crate::platform::image::WrittenImage;
use crate::platform::{Apart, Application, Change};
use crate::registry::Image;

/// What a run left of one of its steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After {
    /// It was that run that took the step.
    pub wrote: bool,
    /// The images that the application may show then: the target, and what the platform made of it.
    pub images: Vec<WrittenImage>,
}

/// Plans the way back from what the run of this id did, among the applications as they are now. `after` says of each step
/// what that run left.
///
/// # Errors
/// A [`Refusal`] with every reason there is: somebody changed a service since, or it ran several images before.
pub fn reverse(recorded: &Recorded, after: &[After], applications: &[Application], run: &str) -> Result<Plan, Refusal> {
    let (mut steps, mut left, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for (was, after) in recorded.steps.iter().zip(after) {
        let is_it = |application: &&Application| application.id == was.change.application.id;
        match applications.iter().find(is_it).and_then(|now| held(now, &was.change)) {
            Some(held) => left.push(held),
            None => match step(was, after, applications, run) {
                Ok(step) => steps.push(step),
                Err(problem) => problems.push(problem),
            },
        }
    }
    left.extend(applications.iter().filter_map(|application| fixed(application, recorded)));
    if steps.is_empty() && problems.is_empty() {
        problems.push(Problem::AllLeft(left.iter().map(ToString::to_string).collect()));
    }
    if problems.is_empty() {
        Ok(Plan { by: By::Ran, steps, left_out: Vec::new(), left, notes: Vec::new() })
    } else {
        Err(Refusal(problems))
    }
}

/// What somebody holds since the run, on purpose; none where it need not be set.
fn held(now: &Application, change: &Change) -> Option<Left> {
    let Some(Apart::Held(why)) = &now.apart else { return None };
    let now = about(now, change);
    (now.images != change.application.images).then(|| Left::of(&now, why))
}

/// What runs an image that the run set and cannot be set itself, a job under way say.
fn fixed(application: &Application, recorded: &Recorded) -> Option<Left> {
    let Some(Apart::Fixed(why)) = &application.apart else { return None };
    let mut parts = recorded.steps.iter().map(|was| about(application, &was.change));
    parts.find(|part| !part.images.is_empty()).map(|part| Left::of(&part, why))
}

/// A workload with those of its images that a change is about.
fn about(application: &Application, change: &Change) -> Application {
    let images = application.images.iter().filter(|image| change.is_about(image)).cloned().collect();
    Application { images, ..application.clone() }
}

fn step(was: &RecordedStep, after: &After, applications: &[Application], run: &str) -> Result<Step, Problem> {
    let before = &was.change.application;
    let refused = |why: String| Problem::Obstacle { application: before.id.clone(), why };
    let [image] = &before.images[..] else {
        return Err(refused(format!("before run {run} its replicas ran different images")));
    };
    let Some(now) = applications.iter().find(|application| application.id == before.id) else {
        return Err(refused("it is no longer there".to_owned()));
    };
    let now = &about(now, &was.change);
    if now.instances == 0 && before.instances > 0 {
        let count = before.instances;
        return Err(refused(format!("it has no instance, and {count} before run {run}: give it those first, by hand")));
    }
    let unchanged = now.images == before.images;
    let is_left = !now.images.is_empty() && now.images.iter().all(|image| after.images.contains(image));
    if !unchanged && !is_left {
        let theirs =
            if now.images.is_empty() { "nothing of that repository".to_owned() } else { now.images.join(", ") };
        let (to, hint) = (&was.change.to, "`firebreak history` shows whether a later run did");
        return Err(refused(format!("it was set to {theirs} since run {run}, which set it to {to}: {hint}")));
    }
    if !unchanged && !after.wrote {
        return Err(refused(format!("it was set to {} by others, not by run {run}", was.change.to)));
    }
    if let Some(why) = now.obstacle.as_ref().filter(|_| !unchanged) {
        return Err(refused(why.clone()));
    }
    let known = was.before.clone();
    let (target, notes) = match known {
        Some(known) => (known, Vec::new()),
        None => (unknown(image, was), vec!["whether its tag was moved since is not known".to_owned()]),
    };
    let notes = if unchanged { notes } else { notes.into_iter().chain(now.notes.iter().cloned()).collect() };
    let change = Change { application: now.clone(), to: image.clone() };
    Ok(Step { change, image: target, notes, unchanged, before: None, trouble: None })
}

/// An image whose digest was not known then.
fn unknown(image: &WrittenImage, was: &RecordedStep) -> Image {
    let tag = image.name().and_then(|name| name.digest().or(name.tag())).unwrap_or_default();
    Image::undated(was.image.repository.clone(), tag.to_owned(), String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application(image: &str) -> Application {
        Application {
            id: "dev/billing".to_owned(),
            service: "billing".to_owned(),
            images: vec![image.into()],
            revision: "1".to_owned(),
            instances: 2,
            ..Application::default()
        }
    }

    const DIGEST: &str = "sha256:cafecafecafecafecafecafecafecafecafecafecafecafecafecafecafecafe";

    /// What is planned, or why not, where a run took `billing` from 2 to 1 and this is what runs now.
    fn reversed(before: Application, wrote: bool, now: &[Application]) -> Result<Vec<(WrittenImage, bool)>, String> {
        let image = Image::undated("team/billing".to_owned(), "1".to_owned(), "sha256:1".to_owned());
        let change = Change { application: before, to: "r/team/billing:1".into() };
        let steps = vec![RecordedStep { change, image, before: None, trouble: None }];
        let recorded = Recorded { purpose: String::new(), registry: "https://r".to_owned(), steps };
        let images = vec!["r/team/billing:1".into(), format!("r/team/billing:1@{DIGEST}").into()];
        match reverse(&recorded, &[After { wrote, images }], now, "7-abcdef") {
            Ok(plan) => Ok(plan.steps.into_iter().map(|step| (step.change.to, step.unchanged)).collect()),
            Err(Refusal(problems)) => Err(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
        }
    }

    #[test]
    fn what_is_as_the_run_left_it_gets_what_it_had_before() {
        let before = || application("r/team/billing:2");
        let back = |unchanged| Ok(vec![("r/team/billing:2".into(), unchanged)]);
        assert_eq!(reversed(before(), true, &[application("r/team/billing:1")]), back(false));
        assert_eq!(reversed(before(), true, &[before()]), back(true));
        let pinned = application(&format!("r/team/billing:1@{DIGEST}"));
        assert_eq!(reversed(before(), true, &[pinned]), back(false), "the platform made that of it");
        let scaled = Application { instances: 5, ..application("r/team/billing:1") };
        assert_eq!(reversed(before(), true, &[scaled]), back(false));
    }

    #[test]
    fn what_is_beside_it_does_not_count_and_what_is_held_or_cannot_be_set_is_left() {
        let mut beside = application("r/proxy:1");
        beside.images.push("r/team/billing:1".into());
        let before = || application("r/team/billing:2");
        assert_eq!(reversed(before(), true, &[beside]), Ok(vec![("r/team/billing:2".into(), false)]));
        let held = Apart::Held("it is held".to_owned());
        let held = Application { apart: Some(held), ..application("r/team/billing:1") };
        let job = Application {
            id: "dev/job/1".to_owned(),
            service: "job/1".to_owned(),
            apart: Some(Apart::Fixed("a job under way".to_owned())),
            ..application("r/team/billing:1")
        };
        assert_eq!(
            reversed(before(), true, &[held, job]),
            Err("nothing is left to be set: billing: left as it is, with 1: it is held; job/1: left as it is, with 1: a job \
                 under way"
                .to_owned())
        );
    }

    #[test]
    fn what_cannot_be_put_back_is_refused_by_name() {
        let before = || application("r/team/billing:2");
        let refused = |before, now: &[Application]| reversed(before, true, now).expect_err("a refusal");
        let blocked = Application { obstacle: Some("it is paused".to_owned()), ..application("r/team/billing:1") };
        let down = Application { instances: 0, ..before() };
        let several = Application { images: vec!["r/a:1".into(), "r/a:2".into()], ..before() };
        let prefix = "'dev/billing' cannot be changed: ";
        for (before, now, why) in [
            (before(), vec![], "it is no longer there"),
            (before(), vec![blocked], "it is paused"),
            (
                before(),
                vec![application("r/team/billing:3")],
                "it was set to r/team/billing:3 since run 7-abcdef, which set it to r/team/billing:1: `firebreak history` \
                 shows whether a later run did",
            ),
            (before(), vec![down], "it has no instance, and 2 before run 7-abcdef: give it those first, by hand"),
            (several, vec![application("r/team/billing:1")], "before run 7-abcdef its replicas ran different images"),
        ] {
            assert_eq!(refused(before, &now), format!("{prefix}{why}"));
        }
        let foreign = application("r/other/billing:1");
        assert_eq!(
            refused(before(), &[foreign]),
            format!(
                "{prefix}it was set to nothing of that repository since run 7-abcdef, which set it to r/team/billing:1: \
                 `firebreak history` shows whether a later run did"
            )
        );
        let theirs = reversed(before(), false, &[application("r/team/billing:1")]);
        let why = "it was set to r/team/billing:1 by others, not by run 7-abcdef";
        assert_eq!(theirs, Err(format!("{prefix}{why}")));
    }
}
