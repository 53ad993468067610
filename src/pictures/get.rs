//! What a look has seen, for people and for programs.

use serde_json::{Map, Value, json};

use super::arguments::Arguments;
use super::look::{Standing, Survey};
use crate::action::context::Context;
use crate::action::report::{Cell, Finding, Outcome, Table, Tone};
use crate::words::counted;

/// How many pictures the table for people shows.
const SHOWN: usize = 20;

/// Looks; changes nothing.
///
/// # Errors
/// When the keys or the target cannot be read.
pub async fn get(arguments: &Arguments, context: &Context) -> anyhow::Result<Finding> {
    let (gallery, jobs) = (arguments.gallery(&context.watch)?, arguments.jobs()?);
    gallery.target.ready(false).await?;
    let keys = arguments.keys().await?;
    let survey = gallery.look(keys, jobs, true, false).await?;
    if let Err(why) = gallery.source.answers(survey.first_to_store(false)).await {
        context.watch.warn(&format!("{why}: nothing could be stored from there now"));
    }
    Ok(told(&survey, gallery.target.address()))
}

fn told(survey: &Survey, target: &str) -> Finding {
    let counts = survey.counts;
    let is_well = counts.good == counts.all() && survey.bad.1 == 0;
    let outcome = if is_well { Outcome::NothingToDo } else { Outcome::Done };
    let mut finding = Finding::new(outcome, sentence(survey, target));
    finding.details = details(survey);
    finding.tables = table(survey).into_iter().collect();
    finding
}

/// What was seen in one sentence: `of 9 pictures in /srv, 7 are good, 1 is missing`.
#[must_use]
pub fn sentence(survey: &Survey, target: &str) -> String {
    let counts = survey.counts;
    let all = counts.all();
    let bad = (survey.bad.1 > 0).then(|| counted(survey.bad.1, "unusable key"));
    let first = if all == 0 {
        "there are no keys: nothing was looked at".to_owned()
    } else if counts.good == all {
        format!("{} in {target}: all good", counted(all, "picture"))
    } else {
        let told = [
            (counts.good, "good"),
            (counts.missing, "missing"),
            (counts.broken, "broken"),
            (counts.stale, "stale"),
            (counts.unclear, "not looked into"),
        ];
        let told: Vec<_> =
            told.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        format!("{} in {target}: {}", counted(all, "picture"), told.join(", "))
    };
    [Some(first), bad].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// What a report has of it.
#[must_use]
pub fn details(survey: &Survey) -> Map<String, Value> {
    let picture = |(key, standing): &(_, Standing)| json!({ "key": format!("{key}"), "state": standing.word(), "why": standing.why() });
    Map::from_iter([
        ("looked_at".to_owned(), json!(survey.counts)),
        ("pictures".to_owned(), survey.named.iter().map(picture).collect()),
        ("bad_keys".to_owned(), json!({ "count": survey.bad.1, "first": survey.bad.0 })),
    ])
}

fn table(survey: &Survey) -> Option<Table> {
    let counts = survey.counts;
    let row = |(key, standing): &(crate::store::Key, Standing)| {
        let tone = match standing {
            Standing::Missing | Standing::Broken(_) => Tone::Bad,
            _ => Tone::Quiet,
        };
        vec![key.as_str().into(), Cell::new(tone, standing.word()), standing.why().into()]
    };
    let bad = survey
        .bad
        .0
        .iter()
        .map(|(place, why)| vec![place.as_str().into(), Cell::new(Tone::Bad, "unusable"), why.as_str().into()]);
    let rows: Vec<_> = survey.named.iter().map(row).chain(bad).take(SHOWN).collect();
    let more = (counts.all() - counts.good + survey.bad.1).saturating_sub(rows.len() as u64);
    let legend = (more > 0).then(|| format!("and {more} more: the report as JSON names the first 1000"));
    let head = ["picture", "state", "why"].map(str::to_owned).to_vec();
    (!rows.is_empty()).then(|| Table { title: String::new(), head, rows, legend: legend.into_iter().collect() })
}
