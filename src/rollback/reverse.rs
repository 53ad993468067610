//! The way back from what a run did: pure. Each service that is still as the run left it gets the image that it had before.

use super::plan::{By, Plan, Step};
use super::recorded::{Recorded, RecordedStep};
use super::refusal::{Problem, Refusal};
use crate::platform::image::ImageName;
use crate::platform::{Application, Change};
use crate::registry::Image;

/// What a run left of one of its steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// It was that run that took the step.
    pub wrote: bool,
    /// The images that the application may show then: the target, and what the platform made of it.
    pub images: Vec<String>,
}

/// Plans the way back from what the run of this id did, among the applications as they are now. `left` says of each step
/// what that run left.
///
/// # Errors
/// A [`Refusal`] with every reason there is: somebody changed a service since, or it ran several images before.
pub fn reverse(recorded: &Recorded, left: &[Left], applications: &[Application], run: &str) -> Result<Plan, Refusal> {
    let (mut steps, mut problems) = (Vec::new(), Vec::new());
    for (was, left) in recorded.steps.iter().zip(left) {
        match step(was, left, applications, run) {
            Ok(step) => steps.push(step),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        Ok(Plan { by: By::Ran, steps, left_out: Vec::new(), notes: Vec::new() })
    } else {
        Err(Refusal(problems))
    }
}

fn step(was: &RecordedStep, left: &Left, applications: &[Application], run: &str) -> Result<Step, Problem> {
    let before = &was.change.application;
    let refused = |why: String| Problem::Obstacle { application: before.id.clone(), why };
    let [image] = &before.images[..] else {
        return Err(refused(format!("before run {run} its replicas ran different images")));
    };
    let Some(now) = applications.iter().find(|application| application.id == before.id) else {
        return Err(refused("it is no longer there".to_owned()));
    };
    if now.instances == 0 && before.instances > 0 {
        let count = before.instances;
        return Err(refused(format!("it has no instance, and {count} before run {run}: give it those first, by hand")));
    }
    let unchanged = now.images == before.images;
    let is_left = now.images.iter().all(|image| left.images.contains(image));
    if !unchanged && !is_left {
        let theirs = now.images.join(", ");
        let (to, hint) = (&was.change.to, "`firebreak history` shows whether a later run did");
        return Err(refused(format!("it was set to {theirs} since run {run}, which set it to {to}: {hint}")));
    }
    if !unchanged && !left.wrote {
        return Err(refused(format!("somebody else set it to {}, not run {run}", was.change.to)));
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
fn unknown(image: &str, was: &RecordedStep) -> Image {
    let name = image.parse::<ImageName>().ok();
    let tag = name.as_ref().and_then(|name| name.tag().or(name.digest())).unwrap_or_default();
    Image::undated(was.image.repository.clone(), tag.to_owned(), String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application(image: &str) -> Application {
        Application {
            id: "dev/billing".to_owned(),
            service: "billing".to_owned(),
            images: vec![image.to_owned()],
            revision: "1".to_owned(),
            instances: 2,
            notes: Vec::new(),
            obstacle: None,
        }
    }

    const DIGEST: &str = "sha256:cafe";

    /// What is planned, or why not, where a run took `billing` from 2 to 1 and this is what runs now.
    fn reversed(before: Application, wrote: bool, now: &[Application]) -> Result<Vec<(String, bool)>, String> {
        let image = Image::undated("team/billing".to_owned(), "1".to_owned(), "sha256:1".to_owned());
        let change = Change { application: before, to: "r/team/billing:1".to_owned() };
        let steps = vec![RecordedStep { change, image, before: None, trouble: None }];
        let recorded = Recorded { purpose: String::new(), registry: "https://r".to_owned(), steps };
        let images = vec!["r/team/billing:1".to_owned(), format!("r/team/billing:1@{DIGEST}")];
        match reverse(&recorded, &[Left { wrote, images }], now, "7-abcdef") {
            Ok(plan) => Ok(plan.steps.into_iter().map(|step| (step.change.to, step.unchanged)).collect()),
            Err(Refusal(problems)) => Err(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
        }
    }

    #[test]
    fn what_is_as_the_run_left_it_gets_what_it_had_before() {
        let before = || application("r/team/billing:2");
        let back = |unchanged| Ok(vec![("r/team/billing:2".to_owned(), unchanged)]);
        assert_eq!(reversed(before(), true, &[application("r/team/billing:1")]), back(false));
        assert_eq!(reversed(before(), true, &[before()]), back(true));
        let pinned = application(&format!("r/team/billing:1@{DIGEST}"));
        assert_eq!(reversed(before(), true, &[pinned]), back(false), "the platform made that of it");
        let scaled = Application { instances: 5, ..application("r/team/billing:1") };
        assert_eq!(reversed(before(), true, &[scaled]), back(false));
    }

    #[test]
    fn what_cannot_be_put_back_is_refused_by_name() {
        let before = || application("r/team/billing:2");
        let refused = |before, now: &[Application]| reversed(before, true, now).expect_err("a refusal");
        let blocked = Application { obstacle: Some("it is paused".to_owned()), ..application("r/team/billing:1") };
        let down = Application { instances: 0, ..before() };
        let several = Application { images: vec!["r/a:1".to_owned(), "r/a:2".to_owned()], ..before() };
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
        let theirs = reversed(before(), false, &[application("r/team/billing:1")]);
        let why = "somebody else set it to r/team/billing:1, not run 7-abcdef";
        assert_eq!(theirs, Err(format!("{prefix}{why}")));
    }
}
