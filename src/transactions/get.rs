//! The look: how many transactions wait, how long, whose they are, which are malformed, and what the queue has lost.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::arguments::Arguments;
use super::message::Seen;
use crate::action::context::Context;
use crate::action::report::{Cell, Finding, Outcome, Table, Tone};
use crate::queue::{Survey, connect};
use crate::settlement::Message;
use crate::words::counted;

/// How many messages are looked into where the command line does not say.
const LIMIT: usize = 10_000;

/// How many lost messages are named.
const NAMED: usize = 20;

/// Looks; takes no message and changes nothing.
///
/// # Errors
/// When the queue cannot be read.
pub async fn get(arguments: &Arguments, context: &Context) -> anyhow::Result<Finding> {
    let limit = arguments.limit()?.unwrap_or(LIMIT);
    let places = arguments.services()?.map(|services| services.message).unwrap_or_default();
    let queue = connect(&arguments.flag_queue, "firebreak-look", &arguments.trust()).await?;
    let (survey, seen) = look(&*queue, limit, &places).await?;
    Ok(told(&survey, &seen, queue.address(), context.started))
}

/// What is in a queue, and what its first messages say.
pub(super) async fn look(
    queue: &dyn crate::queue::Queue,
    limit: usize,
    places: &Message,
) -> anyhow::Result<(Survey, Seen)> {
    let mut seen = Seen::default();
    let survey = queue.look(limit, &mut |message| seen.add(message, places)).await?;
    Ok((survey, seen))
}

/// What was seen, for people and for programs.
fn told(survey: &Survey, seen: &Seen, address: &str, now: DateTime<Utc>) -> Finding {
    let all = survey.count();
    let mut finding = Finding::new(Outcome::Done, sentence(survey, seen, address, now))
        .with("waiting", survey.waiting)
        .with("taken", survey.taken)
        .with("left", survey.left)
        .with("parked", survey.parked)
        .with("lost", json!({ "taken": survey.lost.taken, "waiting": survey.lost.waiting }))
        .with("remarks", json!(survey.remarks))
        .with("seen", seen.count())
        .with("oldest", instant(seen.oldest()))
        .with("issuers", issuers(seen))
        .with("malformed", json!({ "count": seen.malformed_count, "first": seen.malformed }));
    finding.tables = tables(survey, seen, now);
    if all == 0 && survey.lost.count() == 0 {
        finding.outcome = Outcome::NothingToDo;
    }
    finding
}

fn issuers(seen: &Seen) -> Value {
    let issuer = |(name, (count, oldest)): (&String, &(u64, Option<DateTime<Utc>>))| json!({ "issuer": name, "transactions": count, "oldest": instant(*oldest) });
    seen.issuers.iter().map(issuer).collect()
}

fn instant(instant: Option<DateTime<Utc>>) -> Value {
    instant.map_or(Value::Null, |instant| instant.to_rfc3339_opts(SecondsFormat::Secs, true).into())
}

fn sentence(survey: &Survey, seen: &Seen, address: &str, now: DateTime<Utc>) -> String {
    let all = survey.count();
    let first = if all == 0 {
        format!("no transaction waits in {address}")
    } else {
        let wait = if all == 1 { "waits" } else { "wait" };
        let age = seen.oldest().map(|oldest| format!(", the oldest for {}", age(now, oldest))).unwrap_or_default();
        format!("{} {wait} in {address}{age}", counted(all, "transaction"))
    };
    let told = |count: u64, what: &str| (count > 0).then(|| format!("{what}: {count}"));
    let lost = told(survey.lost.count(), "LOST by the queue").map(|lost| lost + ", look for them at the slaves");
    let parts = [
        Some(first),
        told(survey.left, "left by an earlier run"),
        told(survey.taken.unwrap_or(0), "taken by a worker that is at it or died"),
        told(seen.malformed_count, "malformed"),
        told(survey.parked, "parked earlier"),
        lost,
    ];
    let text = parts.into_iter().flatten().chain(survey.remarks.iter().cloned()).collect::<Vec<_>>().join("; ");
    if seen.count() < all && !survey.is_closed {
        format!("{text}. Only the first {} were looked into (--limit)", seen.count())
    } else {
        text
    }
}

fn tables(survey: &Survey, seen: &Seen, now: DateTime<Utc>) -> Vec<Table> {
    let mut tables = Vec::new();
    if !seen.issuers.is_empty() {
        let row = |(name, (count, oldest)): (&String, &(u64, Option<DateTime<Utc>>))| {
            let oldest = oldest.map(|oldest| age(now, oldest)).unwrap_or_default();
            vec![name.as_str().into(), count.to_string().into(), oldest.into()]
        };
        let head = ["issuer", "transactions", "oldest"].map(str::to_owned).to_vec();
        tables.push(Table { head, rows: seen.issuers.iter().map(row).collect(), ..Table::default() });
    }
    let malformed = seen.malformed.iter().map(|(id, why)| format!("malformed: {id}: {why}"));
    let lost = survey
        .lost
        .taken
        .iter()
        .take(NAMED)
        .map(|id| format!("lost: {id}: a worker had taken it; its content is gone"));
    let gone = survey.lost.waiting.unwrap_or(0);
    let gone = (gone > 0).then(|| format!("lost: {} gone before a worker took them", counted(gone, "message")));
    let lines: Vec<Cell> = malformed.chain(lost).chain(gone).map(|line| Cell::new(Tone::Bad, line)).collect();
    if !lines.is_empty() {
        tables.push(Table::lines(lines));
    }
    tables
}

/// `3 h 12 min`: in the two largest units.
fn age(now: DateTime<Utc>, since: DateTime<Utc>) -> String {
    let seconds = (now - since).num_seconds().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Lost;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_764_230_000 + seconds, 0).expect("an instant")
    }

    #[test]
    fn an_age_is_told_in_its_two_largest_units() {
        for (seconds, expected) in [(-5, "0 s"), (59, "59 s"), (60, "1 min"), (3720, "1 h 2 min"), (90_000, "1 d 1 h")]
        {
            assert_eq!(age(at(seconds), at(0)), expected);
        }
    }

    #[test]
    fn what_was_lost_is_told_and_makes_even_an_empty_queue_worth_a_look() {
        let survey = Survey { lost: Lost { taken: vec!["1-0".to_owned()], waiting: Some(2) }, ..Survey::default() };
        let finding = told(&survey, &Seen::default(), "redis://h/missed", at(0));
        assert_eq!(finding.outcome, Outcome::Done);
        let expected = "no transaction waits in redis://h/missed; LOST by the queue: 3, look for them at the slaves";
        assert_eq!(finding.message, expected);
        let why = "what was deleted before is not known";
        let closed = Survey { waiting: 2, is_closed: true, remarks: vec![why.to_owned()], ..Survey::default() };
        let told_of = told(&closed, &Seen::default(), "redis://h/missed", at(0)).message;
        assert_eq!(told_of, format!("2 transactions wait in redis://h/missed; {why}"));
        let none = told(&Survey::default(), &Seen::default(), "redis://h/missed", at(0));
        assert_eq!(
            (none.outcome, none.message.as_str()),
            (Outcome::NothingToDo, "no transaction waits in redis://h/missed")
        );
    }
}
