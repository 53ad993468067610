//! How a plan and its results are told: as tables for people, as JSON for programs, as sentences for Slack.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::deed::Deed;
use super::plan::{By, Plan, Step};
use super::verify::{ServiceResult, Verdict};
use crate::action::report::{Cell, Table, Tone, Who};
use crate::platform::image::{ImageName, short};
use crate::platform::{Application, Change, Standing};

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
        let to = if step.unchanged { Cell::new(Tone::Quiet, "unchanged") } else { short(&step.change.to).into() };
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
            "service": application.service,
            "application": application.id,
            "repository": step.image.repository,
            "from": application.images.join(", "),
            "to": step.change.to,
            "tag": step.image.tag,
            "digest": step.image.digest,
            "created": step.image.created,
            "unchanged": step.unchanged,
            "note": step.notes.join("; "),
        })
    };
    plan.steps.iter().map(value).collect()
}

/// The results for people.
#[must_use]
pub fn results_table(results: &[ServiceResult], deed: &Deed) -> Table {
    table(results.iter().map(|result| (result, words(result.state, deed))))
}

/// How services stand after a run that died, for people.
#[must_use]
pub fn standings_table(results: &[ServiceResult], standings: &[Standing]) -> Table {
    let words = |standing: &Standing| match standing {
        Standing::Target | Standing::Idle { .. } => "at its target",
        Standing::Before { .. } => "as before",
        Standing::Unwell { .. } => "half-way",
        Standing::Other { .. } => "changed since",
        Standing::Gone => "gone",
    };
    table(results.iter().zip(standings.iter().map(words)))
}

fn table<'a>(results: impl Iterator<Item = (&'a ServiceResult, &'static str)>) -> Table {
    let (mut rows, mut legend) = (Vec::new(), Vec::new());
    for (result, words) in results {
        let tone = match result.state {
            Verdict::Target => Tone::Good,
            Verdict::Set | Verdict::Before => Tone::Plain,
            Verdict::Untouched => Tone::Quiet,
            Verdict::NeedsOperator => Tone::Bad,
        };
        let image = result.image.as_deref().map_or("unknown".to_owned(), short);
        rows.push(vec![result.service.as_str().into(), Cell::new(tone, words), image.into()]);
        if !result.detail.is_empty() {
            legend.push(format!("{}: {}", result.service, result.detail));
        }
    }
    Table { title: String::new(), head: ["workload", "state", "image"].map(str::to_owned).to_vec(), rows, legend }
}

/// What a person types where the program could not put things right.
#[must_use]
pub fn by_hand_table(commands: &[String]) -> Table {
    Table { title: "To set them back by hand:".to_owned(), ..Table::lines(commands.iter().map(String::as_str)) }
}

/// What a person types to see why those are not well that are set back.
#[must_use]
pub fn look_into_table(commands: &[String]) -> Table {
    Table { title: "To see why they are not well:".to_owned(), ..Table::lines(commands.iter().map(String::as_str)) }
}

/// A result for Slack.
#[must_use]
pub fn sentence(result: &ServiceResult, deed: &Deed) -> String {
    let image = result.image.as_deref().unwrap_or("an unknown image");
    let detail = if result.detail.is_empty() { String::new() } else { format!(" ({})", result.detail) };
    format!("{}: {}, {image}{detail}", result.application, words(result.state, deed))
}

/// The beginning, for Slack.
#[must_use]
pub fn announcement(who: &Who, environment: &str, purpose: &str, plan: &Plan) -> String {
    let changed = plan.steps.iter().filter(|step| !step.unchanged);
    let list: Vec<_> =
        changed.map(|step| format!("{} to {}", step.change.application.service, step.image.tag)).collect();
    format!("{who} takes '{environment}' {purpose}: {}", list.join(", "))
}

/// How many services changes are about, and how many workloads where that is another number.
#[must_use]
pub fn counted(changes: &[Change]) -> String {
    let many = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let workloads: BTreeSet<&str> = changes.iter().map(|change| change.application.id.as_str()).collect();
    let repository = |change: &Change| {
        let name = change.to.parse::<ImageName>();
        name.map_or_else(|_| change.to.clone(), |name| name.repository().to_owned())
    };
    let services: BTreeSet<String> = changes.iter().map(repository).collect();
    if workloads.len() == services.len() {
        return many(services.len(), "service");
    }
    format!("{} of {}", many(workloads.len(), "workload"), many(services.len(), "service"))
}

fn words(state: Verdict, deed: &Deed) -> &'static str {
    match state {
        Verdict::Target => deed.word(),
        Verdict::Set => "set",
        Verdict::Before => "as before",
        Verdict::Untouched => "unchanged",
        Verdict::NeedsOperator => "needs an operator",
    }
}

fn shortened(images: &[String]) -> String {
    images.iter().map(|image| short(image)).collect::<Vec<_>>().join(", ")
}

/// How old something is, in the largest unit that says enough: `3 days`, `5 hours`.
fn age(created: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let age = (now - created).max(TimeDelta::zero());
    let (count, unit) = match (age.num_days(), age.num_hours(), age.num_minutes()) {
        (0, 0, minutes) => (minutes, "minute"),
        (0, hours, _) => (hours, "hour"),
        (days, _, _) => (days, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::super::points::tests::image;
    use super::*;

    #[test]
    fn workloads_are_counted_where_they_are_more_than_services() {
        let change = |id: &str, to: &str| Change {
            application: Application { id: id.to_owned(), ..Application::default() },
            to: to.to_owned(),
        };
        let changes = [change("billing", "r/billing:1"), change("worker", "r/billing:1"), change("web", "r/web:1")];
        assert_eq!(counted(&changes), "3 workloads of 2 services");
        assert_eq!(counted(&changes[1..]), "2 services");
        assert_eq!(counted(&changes[..2]), "2 workloads of 1 service");
        assert_eq!(counted(&[change("pod", "r/billing:1"), change("pod", "r/web:1")]), "1 workload of 2 services");
    }

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        let day = 24 * 60;
        let at = |minutes| image("", "", Some(minutes)).created.expect("an instant");
        let ages = [(0, 0), (1, 0), (59, 0), (60, 0), (day, 0), (3 * day + 5, 0), (0, 5)];
        let texts: Vec<_> = ages.iter().map(|(now, created)| age(at(*created), at(*now))).collect();
        assert_eq!(texts, ["0 minutes", "1 minute", "59 minutes", "1 hour", "1 day", "3 days", "0 minutes"]);
    }
}
