//! How a plan of changes and its results are told: as tables for people, as JSON for programs, as sentences for Slack.

use serde_json::{Value, json};

use super::plan::Row;
use super::verify::{ItemResult, Verdict};
use super::vocabulary::Vocabulary;
use crate::action::report::{Cell, Table, Tone};
use crate::port::Standing;

/// The plan for people, where a domain has nothing more to show of it: a line for each row, and the notes below.
#[must_use]
pub fn plan_table<C>(rows: &[Row<C>], title: String, words: Vocabulary) -> Table {
    let line = |row: &Row<C>| {
        let after = match row.change {
            Some(_) => (words.short)(&row.after).into(),
            None => Cell::new(Tone::Quiet, "unchanged"),
        };
        vec![row.subject.as_str().into(), (words.short)(&row.before).into(), after]
    };
    let noted = rows.iter().filter(|row| !row.notes.is_empty());
    Table {
        title,
        head: [words.row, "from", "to"].map(str::to_owned).to_vec(),
        rows: rows.iter().map(line).collect(),
        legend: noted.map(|row| format!("{}: {}", row.subject, row.notes.join("; "))).collect(),
    }
}

/// The plan for programs: one value for each row.
#[must_use]
pub fn plan_values<C>(rows: &[Row<C>]) -> Vec<Value> {
    let value = |row: &Row<C>| {
        json!({
            "subject": row.subject,
            "before": row.before,
            "after": row.after,
            "unchanged": row.change.is_none(),
            "note": row.notes.join("; "),
        })
    };
    rows.iter().map(value).collect()
}

/// The results for people.
#[must_use]
pub fn results_table(results: &[ItemResult], words: Vocabulary) -> Table {
    table(results.iter().map(|result| (result, state(result.state, words))), words)
}

/// How subjects stand after a run that died, for people.
#[must_use]
pub fn standings_table(results: &[ItemResult], standings: &[Standing], words: Vocabulary) -> Table {
    let told = |standing: &Standing| match standing {
        Standing::Target | Standing::Idle { .. } => "at its target",
        Standing::Before { .. } => "as before",
        Standing::Unwell { .. } => "half-way",
        Standing::Other { .. } => "changed since",
        Standing::Gone => "gone",
    };
    table(results.iter().zip(standings.iter().map(told)), words)
}

fn table<'a>(results: impl Iterator<Item = (&'a ItemResult, &'static str)>, words: Vocabulary) -> Table {
    let (mut rows, mut legend) = (Vec::new(), Vec::new());
    for (result, state) in results {
        let tone = match result.state {
            Verdict::Target => Tone::Good,
            Verdict::Set | Verdict::Before => Tone::Plain,
            Verdict::Untouched => Tone::Quiet,
            Verdict::NeedsOperator => Tone::Bad,
        };
        let value = result.value.as_deref().map_or("unknown".to_owned(), words.short);
        rows.push(vec![result.subject.as_str().into(), Cell::new(tone, state), value.into()]);
        if !result.detail.is_empty() {
            legend.push(format!("{}: {}", result.subject, result.detail));
        }
    }
    Table { title: String::new(), head: [words.row, "state", words.value].map(str::to_owned).to_vec(), rows, legend }
}

/// What a person types where the program could not put things right.
#[must_use]
pub fn by_hand_table(commands: &[String]) -> Table {
    Table { title: "To set them back by hand:".to_owned(), ..Table::lines(commands.iter().map(String::as_str)) }
}

/// What a person types to see why those are not well that are set back.
#[must_use]
pub fn look_into_table(commands: &[String], words: Vocabulary) -> Table {
    Table {
        title: format!("To see why they are not {}:", words.well),
        ..Table::lines(commands.iter().map(String::as_str))
    }
}

/// A result for Slack.
#[must_use]
pub fn sentence(result: &ItemResult, words: Vocabulary) -> String {
    let value = result.value.clone().unwrap_or_else(|| format!("an unknown {}", words.value));
    let detail = if result.detail.is_empty() { String::new() } else { format!(" ({})", result.detail) };
    format!("{}: {}, {value}{detail}", result.id, state(result.state, words))
}

fn state(state: Verdict, words: Vocabulary) -> &'static str {
    match state {
        Verdict::Target => words.changed,
        Verdict::Set => "set",
        Verdict::Before => "as before",
        Verdict::Untouched => "unchanged",
        Verdict::NeedsOperator => "needs an operator",
    }
}
