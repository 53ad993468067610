//! All runs, the newest first.

use std::path::Path;

use serde_json::{Value, json};

use super::status::{RunStatus, took, words};
use super::{environment, shown};
use crate::action::context::Context;
use crate::action::report::{Cell, Finding, Outcome, Table};
use crate::journal::Run;
use crate::journal::folder::ELSEWHERE;

/// The runs that were asked for, of so many in a folder, besides those that cannot be read.
pub fn listed(
    runs: &[(&Run, RunStatus<'_>)],
    all: usize,
    unreadable: usize,
    folder: &Path,
    context: &Context,
) -> Finding {
    let folder = folder.display();
    let message = match (runs.len(), all) {
        (0, 0) if unreadable > 0 => format!("no journal in '{folder}' can be read"),
        (0, 0) => format!("no run is in '{folder}'"),
        (0, _) => format!("none of the runs in '{folder}' is like that"),
        _ => "`firebreak history <id>` tells all of one".to_owned(),
    };
    let values: Vec<_> = runs.iter().map(|(run, status)| value(run, *status, context)).collect();
    let outcome = if runs.is_empty() { Outcome::NothingToDo } else { Outcome::Done };
    let mut finding = Finding::new(outcome, message).with("runs", values).with("folder", folder.to_string());
    if !runs.is_empty() {
        finding.tables = vec![table(runs, context)];
    } else if all == 0 {
        finding.tables = vec![Table::lines(ELSEWHERE)];
    }
    finding
}

fn table(runs: &[(&Run, RunStatus<'_>)], context: &Context) -> Table {
    let row = |(run, status): &(&Run, RunStatus<'_>)| {
        let state = run.state.map(|(state, _)| state.to_string()).unwrap_or_default();
        vec![
            run.id.as_str().into(),
            shown(run.began.at).into(),
            format!("{} {}", run.began.action, run.began.command).into(),
            environment(run).unwrap_or_default().into(),
            run.began.who.to_string().into(),
            state.into(),
            Cell::new(status.tone(), status.name().replace('_', " ")),
            words(took(run, *status, context.started)).into(),
        ]
    };
    Table {
        title: String::new(),
        head: ["run", "when", "action", "environment", "who", "state", "outcome", "took"].map(str::to_owned).to_vec(),
        rows: runs.iter().map(row).collect(),
        legend: runs.iter().filter_map(|(run, status)| status.sentence(run)).collect(),
    }
}

/// A run for programs.
pub fn value(run: &Run, status: RunStatus<'_>, context: &Context) -> Value {
    let ended = match status {
        RunStatus::Ended(ended) => Some(ended),
        _ => None,
    };
    json!({
        "run": run.id,
        "journal": run.path,
        "began": run.began.at,
        "action": run.began.action,
        "command": run.began.command,
        "environment": environment(run),
        "place": run.place,
        "who": run.began.who,
        "host": run.began.host,
        "state": run.state.map(|(state, _)| state),
        "outcome": status.name(),
        "message": ended.map_or_else(|| status.sentence(run), |ended| Some(ended.message.clone())),
        "seconds": took(run, status, context.started).num_seconds(),
    })
}
