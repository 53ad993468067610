//! The way back from what a run did: pure. Each service that is still as the run left it gets the image that it had before.

use super::plan::{By, Plan, Step};
use super::recorded::{Recorded, RecordedStep};
use super::refusal::{Problem, Refusal};
use crate::platform::image::ImageName;
use crate::platform::{Application, Change};
use crate::registry::Image;

/// Plans the way back from what the run of this id did, among the applications as they are now.
///
/// # Errors
/// A [`Refusal`] with every reason there is: somebody changed a service since, or it ran several images before.
pub fn reverse(recorded: &Recorded, applications: &[Application], run: &str) -> Result<Plan, Refusal> {
    let (mut steps, mut problems) = (Vec::new(), Vec::new());
    for was in &recorded.steps {
        match step(was, applications, run) {
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

fn step(was: &RecordedStep, applications: &[Application], run: &str) -> Result<Step, Problem> {
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
    if !unchanged && now.images != [was.change.to.as_str()] {
        let theirs = now.images.join(", ");
        return Err(refused(format!("somebody set it to {theirs} since run {run}, which set it to {}", was.change.to)));
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
