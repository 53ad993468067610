//! `get`: who leads, how the members stand, and what makes it dangerous to move the leadership.

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::plan::best;
use crate::action::context::Context;
use crate::action::report::{Cell, Finding, Outcome, Table, Tone};
use crate::cluster::{Facts, Member, Role, Survey};
use crate::words::counted;

/// Looks, and changes nothing.
///
/// # Errors
/// When no member can be asked.
pub async fn get(arguments: &Arguments, context: &Context) -> anyhow::Result<Finding> {
    let cluster = arguments.cluster(context)?;
    let facts = cluster.facts();
    let max_lag = arguments.max_lag(&facts)?;
    Ok(told(&cluster.survey().await?, max_lag, &facts))
}

fn told(survey: &Survey, max_lag: u64, facts: &Facts) -> Finding {
    let (dangers, led) = (survey.dangers(), survey.led());
    let (all, healthy, needed) = survey.quorum();
    let best = led.as_ref().ok().and_then(|led| best(survey, led, max_lag, facts).ok()).map(|best| best.name.as_str());
    let who = match &led {
        Ok(led) => format!("{} leads {} in {} {}", led.leader.name, survey.name, facts.term, led.term),
        Err(_) => format!("{} has no leader", survey.name),
    };
    let mut message = format!("{who}; {healthy} of {} healthy", counted(all, "voter"));
    if !dangers.is_empty() {
        message = format!("{message}. The leadership cannot be moved now: {}", dangers.join("; "));
    } else if let Some(best) = best {
        message = format!("{message}. The best to lead instead is {best}");
    }
    let members: Vec<Value> = survey.members.iter().map(|member| value(member, facts)).collect();
    let mut finding = Finding::new(Outcome::Done, message)
        .with("cluster", &survey.name)
        .with("clusters", survey.clusters().into_keys().collect::<Vec<_>>())
        .with("leader", led.as_ref().ok().map(|led| &led.leader.name))
        .with("term", led.as_ref().ok().map(|led| led.term))
        .with("quorum", json!({ "voters": all, "healthy": healthy, "needed": needed }))
        .with("alarms", survey.alarms())
        .with("dangers", &dangers)
        .with("best", best)
        .with("members", members);
    finding.tables = vec![table(survey, facts)];
    finding
}

fn role(member: &Member) -> &'static str {
    match (&member.role, &member.said) {
        (Role::Learner, _) => "learner",
        (_, Ok(said)) if said.leads => "leader",
        _ => "follower",
    }
}

fn value(member: &Member, facts: &Facts) -> Value {
    let said = member.said.as_ref().ok();
    json!({
        "name": member.name,
        "id": member.id,
        "address": member.address,
        "role": role(member),
        "trouble": member.trouble(),
        "barred": match &member.role { Role::Barred(why) => Some(why), _ => None },
        "answered_ms": said.and_then(|said| said.health.as_ref().ok()).map(std::time::Duration::as_millis).map(|ms| u64::try_from(ms).unwrap_or(u64::MAX)),
        "cluster": said.map(|said| &said.cluster),
        "leader": said.map(|said| &said.leader),
        "term": said.map(|said| said.term),
        "lag": said.and_then(|said| said.lag),
        "lag_unit": facts.unit,
        "version": said.map(|said| &said.version),
        "size": said.and_then(|said| said.size),
        "alarms": said.map(|said| &said.alarms),
    })
}

/// The members, for people.
pub(super) fn table(survey: &Survey, facts: &Facts) -> Table {
    let sized = survey.members.iter().any(|member| member.said.as_ref().is_ok_and(|said| said.size.is_some()));
    let row = |member: &Member| {
        let said = member.said.as_ref().ok();
        let health = match said.map(|said| &said.health) {
            Some(Ok(took)) => Cell::new(Tone::Good, format!("healthy, {} ms", took.as_millis())),
            Some(Err(_)) => Cell::new(Tone::Bad, "unhealthy"),
            None => Cell::new(Tone::Bad, "no answer"),
        };
        let lag = said.map(|said| said.lag.map_or("unknown".to_owned(), |lag| lag.to_string()));
        let term = said.map(|said| said.term.to_string());
        let version = said.map(|said| said.version.clone());
        let mut row: Vec<Cell> = vec![member.name.as_str().into(), role(member).into(), health];
        row.extend([lag, term, version].map(|text| Cell::from(text.unwrap_or_default())));
        if sized {
            row.push(said.and_then(|said| said.size).map_or(String::new(), mebibytes).into());
        }
        row
    };
    let mut head = vec!["member".to_owned(), "role".to_owned(), "health".to_owned(), format!("{} behind", facts.unit)];
    head.extend([facts.term, "version"].map(str::to_owned));
    head.extend(sized.then(|| "data".to_owned()));
    let told = |member: &Member| {
        let barred = match &member.role {
            Role::Barred(why) => Some(why.clone()),
            _ => None,
        };
        Some(format!("{}: {}", member.name, member.trouble().or(barred)?))
    };
    let legend = survey.members.iter().filter_map(told);
    Table { title: String::new(), head, legend: legend.collect(), rows: survey.members.iter().map(row).collect() }
}

/// `20.4 MiB`.
fn mebibytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) >> 20;
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::survey::tests::{FACTS, member, silent, survey};

    #[test]
    fn it_is_said_who_leads_and_who_could_instead() {
        let finding = told(&survey(["a", "b", "c"].map(|name| member(name, "b"))), 10, &FACTS);
        assert_eq!(finding.message, "b leads c in term 7; 3 of 3 voters healthy. The best to lead instead is a");
        assert_eq!(finding.details["best"], "a");
        assert_eq!(finding.details["members"][1]["role"], "leader");
    }

    #[test]
    fn what_makes_a_move_dangerous_is_said_at_once() {
        let finding = told(&survey([member("a", ""), silent("b"), silent("c")]), 10, &FACTS);
        assert_eq!(
            finding.message,
            "c has no leader; 1 of 3 voters healthy. The leadership cannot be moved now: there is no quorum: 1 of 3 voters is \
             healthy, 2 are needed; no majority of the 3 voters agrees on a leader (1 sees no leader, 2 do not answer)"
        );
        assert_eq!(
            finding.tables[0].legend,
            ["b: it does not answer: no answer within 3 s", "c: it does not answer: no answer within 3 s"]
        );
        assert_eq!(finding.details["leader"], Value::Null);
    }

    #[test]
    fn sizes_are_told_in_mebibytes() {
        assert_eq!([0, 36_864, 21_390_950].map(mebibytes), ["0.0 MiB", "0.0 MiB", "20.3 MiB"]);
    }
}
