//! All that was written down of one run.

use serde_json::Value;

use super::life::{Life, took, words};
use super::list::value;
use super::{environment, shown};
use crate::action::context::Context;
use crate::action::report::{Cell, Finding, Outcome, Table, Tone};
use crate::journal::record::Record;
use crate::journal::{Answer, Run};

/// Everything of a run.
pub fn shown_of(run: &Run, life: Life<'_>, context: &Context) -> Finding {
    let outcome = if matches!(life, Life::Unreadable(_)) { Outcome::Failed } else { Outcome::Done };
    let message = match life {
        Life::Ended(ended) => format!("{}: {}", ended.outcome.replace('_', " "), ended.message),
        _ => life.sentence(run).unwrap_or_default(),
    };
    let mut tables = vec![facts(run, life, context)];
    let steps: Vec<_> = run.planned.iter().flat_map(|planned| steps(&planned.plan)).collect();
    if !steps.is_empty() {
        tables.push(Table { title: "The plan:".to_owned(), ..Table::lines(steps) });
    }
    tables.push(events(run));
    let mut finding =
        Finding::new(outcome, message).with("run", value(run, life, context)).with("records", &run.records);
    finding.tables = tables;
    finding
}

fn facts(run: &Run, life: Life<'_>, context: &Context) -> Table {
    let began = &run.began;
    let mut rows = vec![
        ("action", format!("{} {}, version {}", began.action, began.command, began.version)),
        ("who", began.who.to_string()),
        ("host", format!("{}, process {}", began.host, began.process)),
        ("began", shown(began.at)),
        ("took", words(took(run, life, context.started))),
    ];
    if let Some(planned) = &run.planned {
        rows.extend(environment(run).map(|environment| ("environment", environment.to_owned())));
        rows.push(("place", planned.place.clone()));
        rows.push(("plan", planned.id.clone()));
        let purpose = planned.plan["purpose"].as_str();
        rows.extend(purpose.map(|purpose| ("purpose", purpose.to_owned())));
    }
    rows.push(("journal", run.path.display().to_string()));
    Table {
        title: format!("Run {}", run.id),
        head: vec![String::new(); 2],
        rows: rows.into_iter().map(|(name, text)| vec![name.into(), text.into()]).collect(),
        legend: Vec::new(),
    }
}

/// The steps of a plan, as far as its form is known: texts, or changes of an application's image.
fn steps(plan: &Value) -> Vec<String> {
    let step = |step: &Value| {
        let application = &step["change"]["application"];
        let images = application["images"].as_array().map(|images| texts(images).join(", "));
        match (step.as_str(), application["service"].as_str(), images, step["change"]["to"].as_str()) {
            (Some(text), ..) => text.to_owned(),
            (None, Some(service), Some(from), Some(to)) => format!("{service}: from {from} to {to}"),
            _ => step.to_string(),
        }
    };
    plan["steps"].as_array().into_iter().flatten().map(step).collect()
}

fn texts(values: &[Value]) -> Vec<&str> {
    values.iter().filter_map(Value::as_str).collect()
}

/// What happened, in order: states, and calls with what came of each.
fn events(run: &Run) -> Table {
    // The first says who began it, and that stands above.
    let row = |record: &Record| {
        let (what, answer) = match record {
            Record::Began(began) => {
                (format!("{} {} by {} goes on with it", began.action, began.command, began.who), "".into())
            }
            Record::Planned(_) | Record::Answer { .. } => return None,
            Record::State { state, .. } => (state.to_string(), "".into()),
            Record::Intent { number, call, about, .. } => {
                (format!("  {call} {}", in_words(about)).trim_end().to_owned(), answer(run, *number))
            }
            Record::Ended(ended) => (format!("ended: {}", ended.outcome.replace('_', " ")), "".into()),
        };
        Some(vec![shown(record.at()).into(), what.into(), answer])
    };
    Table {
        title: "What happened:".to_owned(),
        head: ["when", "what", "answer"].map(str::to_owned).to_vec(),
        rows: run.records.iter().skip(1).filter_map(row).collect(),
        legend: Vec::new(),
    }
}

/// What a call was about: `name=dev-web to=web`; what is no plain value as JSON.
fn in_words(about: &Value) -> String {
    let value = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match about {
        Value::Null => String::new(),
        Value::Object(fields) => {
            fields.iter().map(|(name, field)| format!("{name}={}", value(field))).collect::<Vec<_>>().join(" ")
        }
        other => value(other),
    }
}

/// What came of a call: the number of its intent tells it from those before.
fn answer(run: &Run, call: u64) -> Cell {
    let found = run.records.iter().rev().find_map(|record| match record {
        Record::Answer { number, answer, .. } if *number == call => Some(answer),
        _ => None,
    });
    match found {
        Some(Answer::Taken(Value::Null)) => "taken".into(),
        Some(Answer::Taken(kept)) => format!("taken: {}", in_words(kept)).into(),
        Some(Answer::Refused(why)) => Cell::new(Tone::Bad, format!("refused: {why}")),
        Some(Answer::Lost(why)) => Cell::new(Tone::Bad, format!("lost: {why}")),
        None => Cell::new(Tone::Bad, "not known"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn steps_are_told_as_far_as_their_form_is_known() {
        let plan = json!({"steps": [
            "stop it",
            {"change": {"application": {"service": "web", "images": ["r/web:2", "r/web:3"]}, "to": "r/web:1"}},
            {"other": 1},
        ]});
        assert_eq!(steps(&plan), ["stop it", "web: from r/web:2, r/web:3 to r/web:1", r#"{"other":1}"#]);
        assert_eq!(steps(&Value::Null), [""; 0]);
        assert_eq!(in_words(&json!({"id": "7", "ids": ["a"], "force": false})), r#"id=7 ids=["a"] force=false"#);
    }
}
