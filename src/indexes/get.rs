//! The look: which indexes are broken, bloated, left behind, unused or needless, and what stands in the way of a rebuild.

use std::collections::BTreeSet;

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::WORDS;
use super::arguments::Arguments;
use super::index::{Index, Kind, Obstacle, Seen, Waste, needless};
use super::run::connect;
use super::size::bytes;
use crate::action::context::Context;
use crate::action::report::{Cell, Finding, Outcome, Table, Tone};
use crate::words::of_them;

/// How many indexes that are only unused or needless the table for people shows.
const SHOWN: usize = 50;

/// Looks; changes nothing.
///
/// # Errors
/// When the database cannot be read.
pub async fn get(arguments: &Arguments, context: &Context) -> anyhow::Result<Finding> {
    let min_waste = arguments.min_waste()?;
    let server = connect(arguments, "")?;
    let seen = server.look(&*context.watch).await?;
    Ok(told(&seen, min_waste, server.address()))
}

/// What was seen, for people and for programs.
fn told(seen: &Seen, min_waste: u64, address: &str) -> Finding {
    let needless = needless(&seen.indexes);
    let why = |at: usize| needless.iter().find(|(one, _)| *one == at).map(|(_, why)| why.clone());
    let wrong = |at: usize| wrong(&seen.indexes[at], min_waste, why(at));
    let found: Vec<(usize, Vec<(Tone, String)>)> =
        (0..seen.indexes.len()).map(|at| (at, wrong(at))).filter(|(_, wrong)| !wrong.is_empty()).collect();
    let sentence = sentence(seen, min_waste, address, needless.len());
    let outcome = if found.is_empty() { Outcome::NothingToDo } else { Outcome::Done };
    let since = seen.counted_since.map(|since| since.to_rfc3339_opts(SecondsFormat::Secs, true));
    let row = |index: &Index, at: usize| {
        let mut told = index.told(min_waste);
        // Null where nobody counts.
        told["unused"] = index.scans.map(|_| index.is_unused()).into();
        told["needless"] = why(at).into();
        told
    };
    let indexes: Vec<Value> = seen.indexes.iter().enumerate().map(|(at, index)| row(index, at)).collect();
    let obstacles: Vec<Value> = seen.obstacles.iter().map(obstacle).collect();
    let mut finding = Finding::new(outcome, sentence)
        .with("indexes", indexes)
        .with("counted_since", since)
        .with("uncounted", seen.uncounted.as_deref())
        .with("obstacles", obstacles)
        .with("free", seen.free)
        .with("can_rebuild", seen.refusal.is_none());
    finding.tables = tables(seen, &found);
    finding
}

/// An obstacle, as the report has it.
pub(super) fn obstacle(obstacle: &Obstacle) -> Value {
    json!({ "who": obstacle.who, "way_out": obstacle.way_out, "stops": obstacle.stops })
}

/// What is wrong with an index, the worst first.
fn wrong(index: &Index, min_waste: u64, needless: Option<String>) -> Vec<(Tone, String)> {
    let kind = match index.kind(min_waste) {
        Some(Kind::Leftover) => {
            Some((Tone::Bad, format!("leftover of {}", index.leftover_of.as_deref().unwrap_or_default())))
        }
        Some(kind) => Some((Tone::Bad, kind.name().to_owned())),
        None if !index.is_valid => Some((Tone::Quiet, "invalid: a session builds it".to_owned())),
        None => None,
    };
    let unused = index.is_unused().then(|| (Tone::Quiet, "unused".to_owned()));
    kind.into_iter().chain(unused).chain(needless.map(|why| (Tone::Quiet, why))).collect()
}

fn sentence(seen: &Seen, min_waste: u64, address: &str, needless: usize) -> String {
    let of = |kind: Kind| seen.indexes.iter().filter(move |index| index.kind(min_waste) == Some(kind));
    let size: u64 = seen.indexes.iter().map(|index| index.size).sum();
    let gain: u64 = of(Kind::Bloated).filter_map(|index| index.waste.as_ref()?.bytes()).sum();
    let unused = seen.indexes.iter().filter(|index| index.is_unused()).count();
    let unknown = seen.indexes.iter().filter(|index| matches!(index.waste, Some(Waste::Unknown(_)))).count();
    let number = |count: usize, what: &str| (count > 0).then(|| format!("{count} {what}"));
    let gain = format!("bloated ({} to gain)", bytes(gain));
    let parts: Vec<String> = [
        number(of(Kind::Invalid).count(), "invalid"),
        number(of(Kind::Leftover).count(), "left by failed rebuilds"),
        number(of(Kind::Bloated).count(), &gain),
        number(unused, "unused"),
        number(needless, "needless beside others"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let wrong = if parts.is_empty() { "nothing is wrong with them".to_owned() } else { parts.join(", ") };
    let all = WORDS.count(seen.indexes.len());
    let unknown = if unknown > 0 { format!("; how much of {unknown} is empty is not known") } else { String::new() };
    let uncounted = seen.uncounted.as_ref();
    let uncounted = uncounted.map(|why| format!("; which are unused is not known: {why}")).unwrap_or_default();
    let stops = seen.obstacles.iter().filter(|obstacle| obstacle.stops).count();
    let stops = match stops {
        0 => String::new(),
        count => format!("; {count} open {} would hold a rebuild up", of_them(count, "transaction")),
    };
    let refusal = seen.refusal.as_ref().map(|why| format!(". Nothing can be rebuilt here: {why}")).unwrap_or_default();
    format!("{all} of {} in {address}: {wrong}{unknown}{uncounted}{stops}{refusal}", bytes(size))
}

fn tables(seen: &Seen, found: &[(usize, Vec<(Tone, String)>)]) -> Vec<Table> {
    let urgent = |(_, wrong): &&(usize, Vec<(Tone, String)>)| wrong.iter().any(|(tone, _)| *tone == Tone::Bad);
    let (first, others): (Vec<_>, Vec<_>) = found.iter().partition(urgent);
    let more = others.len().saturating_sub(SHOWN);
    let rows: Vec<Vec<Cell>> = first
        .into_iter()
        .chain(others.into_iter().take(SHOWN))
        .map(|(at, wrong)| row(&seen.indexes[*at], wrong))
        .collect();
    let mut legend = Vec::new();
    if found.iter().any(|(at, _)| seen.indexes[*at].is_unused()) {
        let since = seen.counted_since.map_or_else(
            || "since this database was made, or its statistics were lost in a crash".to_owned(),
            |since| format!("since {}", since.format("%Y-%m-%d")),
        );
        legend.push(format!("unused: by no query of this server {since}; replicas count for themselves. Nothing unused or needless is ever removed"));
    }
    legend.extend((more > 0).then(|| format!("and {more} more that are unused or needless: see the report as JSON")));
    let head = ["index", "table", "size", "empty", "how that is known", "what is wrong"].map(str::to_owned).to_vec();
    let mut tables = Vec::new();
    if !rows.is_empty() {
        tables.push(Table { head, rows, legend, ..Table::default() });
    }
    tables.extend(cannot(&seen.indexes));
    tables.extend(in_the_way(&seen.obstacles));
    tables
}

/// What no rebuild is possible for while others write: each table once, with the reason.
fn cannot(indexes: &[Index]) -> Option<Table> {
    let of = |index: &Index| {
        let what = if index.is_named_in_table { index.table.clone() } else { index.full_name() };
        index.obstacle.as_ref().map(|why| format!("cannot be rebuilt while others write: {what}: {why}"))
    };
    let lines: BTreeSet<String> = indexes.iter().filter_map(of).collect();
    (!lines.is_empty()).then(|| Table::lines(lines.into_iter().map(|line| Cell::new(Tone::Quiet, line))))
}

fn row(index: &Index, wrong: &[(Tone, String)]) -> Vec<Cell> {
    let (empty, how) = match &index.waste {
        None => (String::new(), String::new()),
        Some(waste) => {
            let empty = waste.bytes().map(|count| format!("{} ({} %)", bytes(count), index.wasted().unwrap_or(0)));
            (empty.unwrap_or_default(), waste.to_string())
        }
    };
    let tone = wrong.first().map_or(Tone::Plain, |(tone, _)| *tone);
    let wrong: Vec<&str> = wrong.iter().map(|(_, text)| text.as_str()).collect();
    vec![
        index.full_name().into(),
        index.table.as_str().into(),
        bytes(index.size).into(),
        empty.into(),
        Cell::new(Tone::Quiet, how),
        Cell::new(tone, wrong.join("; ")),
    ]
}

/// What stands in the way, for people.
pub(super) fn in_the_way(obstacles: &[Obstacle]) -> Option<Table> {
    let lines = obstacles.iter().map(|obstacle| {
        let tone = if obstacle.stops { Tone::Bad } else { Tone::Quiet };
        Cell::new(tone, format!("in the way: {}: {}", obstacle.who, obstacle.way_out))
    });
    (!obstacles.is_empty()).then(|| Table::lines(lines))
}
