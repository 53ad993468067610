//! Which member is to lead: the named one, or the best; or why none is to.

use std::time::Duration;

use crate::cluster::survey::Led;
use crate::cluster::{Facts, Member, Move, Survey};
use crate::port::Unfit;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// The wanted member leads already.
    Already {
        /// Its name.
        leader: String,
        /// What is wrong with the cluster nevertheless.
        dangers: Vec<String>,
    },
    /// The leadership is to be moved.
    Move {
        /// From whom to whom.
        change: Move,
        /// What the operator should know of it.
        notes: Vec<String>,
    },
    /// It is not to be moved now: why.
    Refused(String),
}

/// Plans to have the member `to` lead, by its name or id; without one, the best of those that do not lead now.
///
/// # Errors
/// When there is no such member.
pub fn plan(survey: &Survey, to: Option<&str>, max_lag: u64, facts: &Facts) -> Result<Plan, Unfit> {
    let dangers = survey.dangers();
    // Where the members belong to several clusters, a name says nothing.
    let wanted = match to {
        Some(name) if survey.clusters().len() <= 1 => Some(named(survey, name)?),
        _ => None,
    };
    let Ok(led) = survey.led() else { return Ok(Plan::Refused(dangers.join("; "))) };
    if let Some(wanted) = wanted
        && wanted.id == led.leader.id
    {
        return Ok(Plan::Already { leader: wanted.name.clone(), dangers });
    }
    if !dangers.is_empty() {
        return Ok(Plan::Refused(dangers.join("; ")));
    }
    let target = match wanted {
        Some(wanted) => match survey.unfit(wanted, max_lag, facts) {
            Some(why) => return Ok(Plan::Refused(format!("{} cannot lead: {why}", wanted.name))),
            None => wanted,
        },
        None => match best(survey, &led, max_lag, facts) {
            Ok(best) => best,
            Err(why) => return Ok(Plan::Refused(why)),
        },
    };
    let cluster = target.said.as_ref().map(|said| said.cluster.clone()).unwrap_or_default();
    let (name, from, to) = (survey.name.clone(), led.leader.seat(), target.seat());
    let change = Move { cluster, name, from, to, max_lag };
    Ok(Plan::Move { change, notes: notes(survey, led.leader, target, facts) })
}

fn named<'s>(survey: &'s Survey, name: &str) -> Result<&'s Member, Unfit> {
    let found = survey.members.iter().find(|member| member.name == name).or_else(|| survey.member(name));
    found.ok_or_else(|| {
        let names: Vec<&str> = survey.members.iter().map(|member| member.name.as_str()).collect();
        Unfit(format!("there is no member '{name}'; there are {}", names.join(", ")))
    })
}

/// The one that is least behind, and of these the quickest to answer.
///
/// # Errors
/// Why none may lead.
pub fn best<'s>(survey: &'s Survey, led: &Led<'_>, max_lag: u64, facts: &Facts) -> Result<&'s Member, String> {
    let others = survey.members.iter().filter(|member| member.id != led.leader.id);
    let rank = |member: &Member| {
        let said = member.said.as_ref().ok();
        let took = said.and_then(|said| said.health.as_ref().ok()).copied().unwrap_or(Duration::MAX);
        (said.and_then(|said| said.lag), took, member.name.clone())
    };
    let fit = others.clone().filter(|member| survey.unfit(member, max_lag, facts).is_none());
    fit.min_by_key(|member| rank(member)).ok_or_else(|| {
        let why =
            others.filter_map(|member| Some(format!("{}: {}", member.name, survey.unfit(member, max_lag, facts)?)));
        let why: Vec<_> = why.collect();
        if why.is_empty() {
            "there is no other member".to_owned()
        } else {
            format!("no other member can lead: {}", why.join("; "))
        }
    })
}

fn notes(survey: &Survey, leader: &Member, target: &Member, facts: &Facts) -> Vec<String> {
    let mut notes = Vec::new();
    if let Ok(said) = &target.said {
        let lag = said.lag.map_or(String::new(), |lag| format!("{lag} {} behind, ", facts.unit));
        let took = said.health.as_ref().map(Duration::as_millis).unwrap_or_default();
        notes.push(format!("{} is {lag}and answered in {took} ms", target.name));
        if let Ok(leads) = &leader.said
            && leads.version != said.version
        {
            notes.push(format!("{} runs {}, and {} runs {}", leader.name, leads.version, target.name, said.version));
        }
    }
    let (all, healthy, needed) = survey.quorum();
    if healthy < all {
        let left = healthy.saturating_sub(needed);
        let lost = if left == 0 {
            "the next one that fails ends the quorum".to_owned()
        } else {
            format!("{left} more may fail")
        };
        notes.push(format!("only {healthy} of {all} voters are healthy: {lost}"));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Role;
    use crate::cluster::survey::tests::{FACTS, changed, member, silent, survey};

    fn planned(survey: &Survey, to: Option<&str>) -> Plan {
        plan(survey, to, 10, &FACTS).expect("a plan")
    }

    fn target(plan: &Plan) -> (&str, &str) {
        match plan {
            Plan::Move { change, .. } => (&change.from.name, &change.to.name),
            other => panic!("{other:?}"),
        }
    }

    fn whole() -> Survey {
        survey(["a", "b", "c"].map(|name| member(name, "b")))
    }

    #[test]
    fn the_named_member_is_to_lead_or_the_best_of_the_others() {
        assert_eq!(target(&planned(&whole(), Some("c"))), ("b", "c"));
        assert_eq!(target(&planned(&whole(), None)), ("b", "a"));
        let slow = changed(member("a", "b"), |said| said.health = Ok(Duration::from_millis(900)));
        assert_eq!(target(&planned(&survey([slow, member("b", "b"), member("c", "b")]), None)), ("b", "c"));
        let behind = changed(member("a", "b"), |said| said.lag = Some(9));
        assert_eq!(target(&planned(&survey([behind, member("b", "b"), member("c", "b")]), None)), ("b", "c"));
    }

    #[test]
    fn who_leads_already_is_left_and_what_is_wrong_is_told() {
        let already = |dangers: &[&str]| Plan::Already {
            leader: "b".to_owned(),
            dangers: dangers.iter().map(|&danger| danger.to_owned()).collect(),
        };
        assert_eq!(planned(&whole(), Some("b")), already(&[]));
        let full = |name: &str| changed(member(name, "b"), |said| said.alarms = vec!["NOSPACE of a".to_owned()]);
        let alarm = "writes are refused, whoever leads, by the alarm: NOSPACE of a";
        assert_eq!(planned(&survey(["a", "b", "c"].map(full)), Some("b")), already(&[alarm]));
    }

    #[test]
    fn who_is_no_member_is_an_error_of_the_command_line() {
        let why = plan(&whole(), Some("d"), 10, &FACTS).expect_err("no member").to_string();
        assert_eq!(why, "there is no member 'd'; there are a, b, c");
    }

    #[test]
    fn what_is_dangerous_is_refused_with_the_reason() {
        let refused = |members: Vec<Member>, to: Option<&str>| match planned(&survey(members), to) {
            Plan::Refused(why) => why,
            other => panic!("{other:?}"),
        };
        let learner = Member { role: Role::Learner, ..member("c", "b") };
        assert_eq!(
            refused(vec![member("a", "b"), member("b", "b"), learner], Some("c")),
            "c cannot lead: it is a learner: it has no vote and cannot lead"
        );
        assert_eq!(
            refused(vec![member("a", "b"), member("b", "b"), silent("c")], Some("c")),
            "c cannot lead: it does not answer: no answer within 3 s"
        );
        let behind = |name: &str| changed(member(name, "b"), |said| said.lag = Some(11));
        assert_eq!(
            refused(vec![behind("a"), member("b", "b"), silent("c")], None),
            "no other member can lead: a: it is 11 entries behind the leader, and 10 are allowed (--max-lag); \
             c: it does not answer: no answer within 3 s"
        );
        assert_eq!(refused(vec![member("b", "b")], None), "there is no other member");
        let other = changed(member("c", "c"), |said| said.cluster = "d".to_owned());
        let why = refused(vec![member("a", "b"), member("b", "b"), other], Some("nobody"));
        assert_eq!(why, "the members belong to 2 clusters (a, b to c; c to d)");
    }

    #[test]
    fn notes_tell_what_a_person_weighs() {
        let old = changed(member("a", "b"), |said| said.version = "3.4.20".to_owned());
        let Plan::Move { notes, .. } = planned(&survey([old, member("b", "b"), silent("c")]), None) else {
            panic!("a move")
        };
        assert_eq!(
            notes,
            [
                "a is 0 entries behind, and answered in 2 ms",
                "b runs 3.4.23, and a runs 3.4.20",
                "only 2 of 3 voters are healthy: the next one that fails ends the quorum",
            ]
        );
    }
}
