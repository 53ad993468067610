//! All that was written down of one run.

use serde_json::Value;

use super::events::events;
use super::list::value;
use super::status::{RunStatus, took, words};
use super::{environment, shown};
use crate::action::context::Context;
use crate::action::report::{Finding, Outcome, Table};
use crate::image::short;
use crate::journal::record::Planned;
use crate::journal::{Run, Subject};

/// Everything of a run.
pub fn shown_of(run: &Run, status: RunStatus<'_>, context: &Context) -> Finding {
    let outcome = if matches!(status, RunStatus::Unreadable(_)) { Outcome::Failed } else { Outcome::Done };
    let message = match status {
        RunStatus::Ended(ended) => format!("{}: {}", ended.outcome.replace('_', " "), ended.message),
        _ => status.sentence(run).unwrap_or_default(),
    };
    let mut tables = vec![facts(run, status, context)];
    let steps: Vec<_> = run.planned.iter().flat_map(steps).collect();
    if !steps.is_empty() {
        tables.push(Table { title: "The plan:".to_owned(), ..Table::lines(steps) });
    }
    tables.push(events(run));
    let mut finding =
        Finding::new(outcome, message).with("run", value(run, status, context)).with("records", &run.records);
    finding.tables = tables;
    finding
}

fn facts(run: &Run, status: RunStatus<'_>, context: &Context) -> Table {
    let began = &run.began;
    let mut rows = vec![
        ("action", format!("{} {}, version {}", began.action, began.command, began.version)),
        ("who", began.who.to_string()),
        ("host", format!("{}, process {}", began.host, began.process)),
        ("began", shown(began.at)),
        ("took", words(took(run, status, context.started))),
    ];
    rows.extend(environment(run).map(|environment| ("environment", environment.to_owned())));
    if let Some(planned) = &run.planned {
        rows.push(("place", planned.place.clone()));
        rows.push(("plan", planned.id.clone()));
    }
    rows.extend(
        Some(run.purpose()).filter(|purpose| !purpose.is_empty()).map(|purpose| ("purpose", purpose.to_owned())),
    );
    rows.extend(run.counts.map(|counts| ("items", counts.to_string())));
    rows.push(("journal", run.path.display().to_string()));
    Table {
        title: format!("Run {}", run.id),
        head: vec![String::new(); 2],
        rows: rows.into_iter().map(|(name, text)| vec![name.into(), text.into()]).collect(),
        legend: Vec::new(),
    }
}

/// The steps of a plan; in journals of version 1 as far as its form is known: texts, or changes of an application's image.
fn steps(planned: &Planned) -> Vec<String> {
    if !planned.subjects.is_empty() {
        let step = |Subject { subject, before, after }: &Subject| format!("{subject}: from {before} to {after}");
        return planned.subjects.iter().map(step).collect();
    }
    let plan = &planned.plan;
    let step = |step: &Value| {
        let application = &step["change"]["application"];
        let from = application["images"].as_array().map(|images| {
            let images = images.iter().filter_map(Value::as_str);
            images.map(short).collect::<Vec<_>>().join(", ")
        });
        match (step.as_str(), application["service"].as_str(), from, step["change"]["to"].as_str()) {
            (Some(text), ..) => text.to_owned(),
            (None, Some(service), Some(from), Some(to)) => format!("{service}: from {from} to {}", short(to)),
            _ => step.to_string(),
        }
    };
    plan["steps"].as_array().into_iter().flatten().map(step).collect()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;

    use super::*;

    fn planned(subjects: Vec<Subject>, plan: Value) -> Planned {
        let (id, place, purpose) = (String::new(), String::new(), String::new());
        let option = String::new();
        Planned { at: DateTime::UNIX_EPOCH, id, place, option, kind: None, purpose, subjects, plan }
    }

    #[test]
    fn steps_are_told_as_far_as_their_form_is_known() {
        let plan = json!({"steps": [
            "stop it",
            {"change": {"application": {"service": "web", "images": ["r/web:2", "r/web:3"]}, "to": "r/web:1"}},
            {"other": 1},
        ]});
        assert_eq!(steps(&planned(Vec::new(), plan)), ["stop it", "web: from 2, 3 to 1", r#"{"other":1}"#]);
        assert_eq!(steps(&planned(Vec::new(), Value::Null)), [""; 0]);
        let subject = Subject { subject: "a".to_owned(), before: "1".to_owned(), after: "2".to_owned() };
        assert_eq!(steps(&planned(vec![subject], Value::Null)), ["a: from 1 to 2"]);
    }
}
