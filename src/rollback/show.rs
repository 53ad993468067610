//! How a plan and its results are told: as tables for people, as JSON for programs, as sentences for Slack.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::plan::{By, Plan, Step};
use crate::action::report::{Cell, Table, Tone, Who};
use crate::platform::Application;
use crate::platform::image::WrittenImage;
use crate::words::counted;

/// The plan for people: its title, a line for each workload, and below what is to be known of it.
#[must_use]
pub fn plan_table(plan: &Plan, title: String, now: DateTime<Utc>) -> Table {
    let is_many = |id: &str| plan.steps.iter().filter(|step| step.change.application.id == id).count() > 1;
    // One that runs several services has a line for each.
    let name = |step: &Step| {
        let Application { service, id, .. } = &step.change.application;
        if is_many(id) { format!("{service} ({})", step.image.repository) } else { service.clone() }
    };
    let row = |step: &Step| {
        let built = step.image.created.map(|created| format!("{} ago", age(created, now))).unwrap_or_default();
        let to = if step.unchanged { Cell::new(Tone::Quiet, "unchanged") } else { step.change.to.short().into() };
        vec![name(step).into(), shortened(&step.change.application.images).into(), to, built.into()]
    };
    let of_note = plan.steps.iter().filter(|step| !step.notes.is_empty());
    let notes = of_note.map(|step| format!("{}: {}", name(step), step.notes.join("; ")));
    Table {
        title,
        head: ["workload", "from", "to", "built"].map(str::to_owned).to_vec(),
        rows: plan.steps.iter().map(row).collect(),
        legend: notes.chain(left_out(plan)).chain(plan.notes.iter().cloned()).collect(),
    }
}

/// The services and workloads that a plan leaves alone, for people.
pub fn left_out(plan: &Plan) -> impl Iterator<Item = String> {
    let why = match plan.by {
        By::Built => "it has no image that old",
        By::Ran => "what it ran then is not known",
    };
    let services = plan.left_out.iter().map(move |service| format!("{service}: left as it is, {why}"));
    services.chain(plan.left.iter().map(ToString::to_string))
}

/// The plan for programs: one value for each step.
#[must_use]
pub fn plan_values(plan: &Plan) -> Vec<Value> {
    let value = |step: &Step| {
        let application = &step.change.application;
        json!({
            "subject": application.service,
            "id": application.id,
            "repository": step.image.repository,
            "before": application.images.join(", "),
            "after": step.change.to,
            "tag": step.image.tag,
            "digest": step.image.digest,
            "created": step.image.created,
            "unchanged": step.unchanged,
            "note": step.notes.join("; "),
        })
    };
    plan.steps.iter().map(value).collect()
}

/// The beginning, for Slack.
#[must_use]
pub fn announcement(who: &Who, environment: &str, purpose: &str, plan: &Plan) -> String {
    let changed = plan.steps.iter().filter(|step| !step.unchanged);
    let list: Vec<_> =
        changed.map(|step| format!("{} to {}", step.change.application.service, step.image.tag)).collect();
    format!("{who} takes '{environment}' {purpose}: {}", list.join(", "))
}

fn shortened(images: &[WrittenImage]) -> String {
    images.iter().map(WrittenImage::short).collect::<Vec<_>>().join(", ")
}

/// How old something is, in the largest unit that says enough: `3 days`, `5 hours`.
fn age(created: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let age = (now - created).max(TimeDelta::zero());
    let (count, unit) = match (age.num_days(), age.num_hours(), age.num_minutes()) {
        (0, 0, minutes) => (minutes, "minute"),
        (0, hours, _) => (hours, "hour"),
        (days, _, _) => (days, "day"),
    };
    counted(count, unit)
}

#[cfg(test)]
mod tests {
    use super::super::points::tests::image;
    use super::*;

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        let day = 24 * 60;
        let at = |minutes| image("", "", Some(minutes)).created.expect("an instant");
        let ages = [(0, 0), (1, 0), (59, 0), (60, 0), (day, 0), (3 * day + 5, 0), (0, 5)];
        let texts: Vec<_> = ages.iter().map(|(now, created)| age(at(*created), at(*now))).collect();
        assert_eq!(texts, ["0 minutes", "1 minute", "59 minutes", "1 hour", "1 day", "3 days", "0 minutes"]);
    }
}
