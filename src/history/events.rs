//! What happened in a run, a short line for each step; what is cut off here stands in the records.

use serde_json::Value;

use crate::action::report::{Cell, Table, Tone};
use crate::journal::record::Record;
use crate::journal::{Answer, Run};

/// How many letters say what was done.
const WHAT: usize = 70;
/// How many letters say why a call was not taken.
const WHY: usize = 500;

/// The members of what a port writes down of a call that tell people what it was about, the narrowest first.
const SUBJECTS: [&str; 7] = ["pod", "application", "applications", "name", "image", "lease", "deployment"];

/// What happened, in order: states, and calls with what came of each.
pub fn events(run: &Run) -> Table {
    let mut day = run.began.at.date_naive();
    let title = format!("What happened on {day}, UTC:");
    let (mut rows, mut reasons, mut calls) = (Vec::new(), Vec::new(), run.calls.iter());
    // The first says who began it, and that stands above.
    for record in run.records.iter().skip(1) {
        let (what, answer) = match record {
            Record::Began(began) => {
                (format!("goes on: {} {} by {}", began.action, began.command, began.who), "".into())
            }
            Record::Planned(_) | Record::Answer { .. } => continue,
            Record::State { state, .. } => (state.to_string(), "".into()),
            Record::Intent { call, about, .. } => {
                let found = calls.next().and_then(|call| call.answer.as_ref());
                (format!("  {call} {}", subject(about)).trim_end().to_owned(), answer(found, &mut reasons))
            }
            Record::Counted { counts, .. } => (counts.to_string(), "".into()),
            Record::Item { item, end, why, .. } => {
                reasons.push(why);
                (format!("  {item}"), Cell::new(Tone::Bad, format!("{end} ({})", reasons.len())))
            }
            Record::Ended(ended) => (format!("ended: {}", ended.outcome.replace('_', " ")), "".into()),
        };
        let at = record.at();
        if at.date_naive() != day {
            day = at.date_naive();
            rows.push(vec![day.to_string().into(), "".into(), "".into()]);
        }
        rows.push(vec![at.format("%H:%M:%S").to_string().into(), cut(&what, WHAT).into(), answer]);
    }
    let legend = (1..).zip(&reasons).map(|(number, why)| format!("({number}) {}", cut(why, WHY))).collect();
    Table { title, head: ["time", "what", "answer"].map(str::to_owned).to_vec(), rows, legend }
}

/// What a call was about, in a few words.
fn subject(about: &Value) -> String {
    let Some(known) = SUBJECTS.iter().find_map(|name| about.get(name)) else {
        return if about.is_null() { String::new() } else { about.to_string() };
    };
    let texts: Vec<_> = known.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let names: Vec<_> = texts.iter().map(|id| id.rsplit('/').next().unwrap_or_default()).collect();
    let subject = known.as_str().map_or_else(|| names.join(", "), str::to_owned);
    match about["to"].as_str() {
        Some(to) => format!("{subject} to {to}"),
        None => subject,
    }
}

/// What came of a call, and the number of the reason where it was not taken.
fn answer<'a>(found: Option<&'a Answer>, reasons: &mut Vec<&'a str>) -> Cell {
    let (word, why) = match found {
        Some(Answer::Taken(_)) => return "taken".into(),
        Some(Answer::Refused(why)) => ("refused", why),
        Some(Answer::Lost(why)) => ("lost", why),
        None => return Cell::new(Tone::Bad, "not known"),
    };
    let known = reasons.iter().position(|reason| reason == why);
    let place = known.unwrap_or_else(|| {
        reasons.push(why);
        reasons.len() - 1
    });
    Cell::new(Tone::Bad, format!("{word} ({})", place + 1))
}

/// The beginning of a text, if it is longer than that.
fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        None => text.to_owned(),
        Some(_) => text.chars().take(longest - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use chrono::{DateTime, TimeDelta};
    use serde_json::json;

    use super::*;
    use crate::journal::line::Lines;
    use crate::journal::record::Began;

    #[test]
    fn a_call_is_told_in_a_few_words() {
        for (about, expected) in [
            (Value::Null, ""),
            (json!({"applications": ["/shop/dev/billing", "/shop/dev/web"]}), "billing, web"),
            (
                json!({"application": "dev/deployment/billing", "uid": "1", "containers": [{"to": "r/b:1"}]}),
                "dev/deployment/billing",
            ),
            (json!({"application": "dev/statefulset/users", "pod": "users-0", "uid": "1"}), "users-0"),
            (
                json!({"id": "7", "name": "dev-web", "to": "dev-web-firebreak-old-1"}),
                "dev-web to dev-web-firebreak-old-1",
            ),
            (json!({"name": "dev-web-firebreak-new", "image": "r/web:1"}), "dev-web-firebreak-new"),
            (json!({"index": 1}), r#"{"index":1}"#),
        ] {
            assert_eq!(subject(&about), expected);
        }
        assert_eq!([cut("dévelop", 7), cut("dévelop", 6)], ["dévelop", "dével…"]);
    }

    #[test]
    fn a_reason_stands_once_and_a_day_where_it_begins() {
        let at = |hours| DateTime::UNIX_EPOCH + TimeDelta::hours(hours);
        let intent = |number, hours| Record::Intent { at: at(hours), number, call: "set".into(), about: Value::Null };
        let answer = |number, why: &str| Record::Answer { at: at(0), number, answer: Answer::Lost(why.into()) };
        let began = Record::Began(Began { at: at(1), ..Began::default() });
        let records = vec![
            began,
            intent(1, 2),
            answer(1, "reset"),
            intent(2, 23),
            answer(2, "gone"),
            intent(3, 25),
            answer(3, "reset"),
        ];
        let run = Run::of("1-abcdef", Path::new(""), Lines { records, sum: String::new(), length: 0 }).expect("a run");
        let Table { title, rows, legend, .. } = events(&run);
        let rows: Vec<_> =
            rows.iter().map(|row| row.iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>()).collect();
        assert_eq!(title, "What happened on 1970-01-01, UTC:");
        let expected = [
            ["02:00:00", "  set", "lost (1)"],
            ["23:00:00", "  set", "lost (2)"],
            ["1970-01-02", "", ""],
            ["01:00:00", "  set", "lost (1)"],
        ];
        assert_eq!(rows, expected);
        assert_eq!(legend, ["(1) reset", "(2) gone"]);
    }
}
