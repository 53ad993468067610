//! What the members of a cluster say, what a majority of them agrees on, and what makes it dangerous to move the leadership.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Facts, Seat};
use crate::words::{counted, of_them};

/// What was learnt of a cluster at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The cluster, as people call it.
    pub name: String,
    /// Its members, in the order of their names.
    pub members: Vec<Member>,
    /// What the cluster itself says that forbids to move its leadership now: `it is paused`.
    pub forbids: Vec<String>,
}

/// A member of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// As the cluster calls it.
    pub id: String,
    /// As people call it; no other member is called so.
    pub name: String,
    /// Where it was asked.
    pub address: String,
    /// What it is there for.
    pub role: Role,
    /// What it said, or why it said nothing.
    pub said: Result<Said, String>,
}

/// What a member is there for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// It votes, and may lead.
    Voter,
    /// It votes, and is not to lead: why.
    Barred(String),
    /// It only learns: it neither votes nor leads.
    Learner,
}

/// What a member said of itself and the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The id of the cluster that it belongs to.
    pub cluster: String,
    /// The id of the member that leads, as this one sees it.
    pub leader: Option<String>,
    /// Whether it says of itself that it leads.
    pub leads: bool,
    /// The term of that leadership.
    pub term: u64,
    /// How far it is behind the one that is furthest, in the unit of its kind; none where that is not known.
    pub lag: Option<u64>,
    /// Its version.
    pub version: String,
    /// How large its data is, in bytes.
    pub size: Option<u64>,
    /// Alarms that it knows of.
    pub alarms: Vec<String>,
    /// How long it took to serve a question, or why it did not.
    pub health: Result<Duration, String>,
}

/// A majority agrees on who leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Led<'a> {
    /// The member.
    pub leader: &'a Member,
    /// Its term.
    pub term: u64,
}

impl Member {
    /// It votes.
    #[must_use]
    pub fn votes(&self) -> bool {
        self.role != Role::Learner
    }

    /// Why it does not work as it should; none where it does.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        match &self.said {
            Err(why) => Some(format!("it does not answer: {why}")),
            Ok(said) => said.health.as_ref().err().cloned(),
        }
    }

    /// As a change names it.
    #[must_use]
    pub fn seat(&self) -> Seat {
        Seat { id: self.id.clone(), name: self.name.clone() }
    }
}

impl Survey {
    /// The member of this id.
    #[must_use]
    pub fn member(&self, id: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    fn said(&self) -> impl Iterator<Item = (&Member, &Said)> {
        self.members.iter().filter_map(|member| Some((member, member.said.as_ref().ok()?)))
    }

    /// The clusters that the members belong to, by their ids, with the members of each; one, if all is well. A member that is being
    /// made may not know yet.
    #[must_use]
    pub fn clusters(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut clusters = BTreeMap::<&str, Vec<&str>>::new();
        for (member, said) in self.said().filter(|(_, said)| !said.cluster.is_empty()) {
            clusters.entry(&said.cluster).or_default().push(&member.name);
        }
        clusters
    }

    /// Whether the members are all of one cluster, and that is not the one of this id.
    #[must_use]
    pub fn is_of_another(&self, cluster: &str) -> bool {
        let clusters = self.clusters();
        clusters.len() == 1 && !clusters.contains_key(cluster)
    }

    /// How many voters there are, how many of them are healthy, and how many are needed.
    #[must_use]
    pub fn quorum(&self) -> (usize, usize, usize) {
        let voters = self.members.iter().filter(|member| member.votes());
        let healthy = voters.clone().filter(|member| member.trouble().is_none()).count();
        let all = voters.count();
        (all, healthy, all / 2 + 1)
    }

    /// The alarms that any member knows of, each once.
    #[must_use]
    pub fn alarms(&self) -> Vec<&str> {
        let mut alarms: Vec<&str> = self.said().flat_map(|(_, said)| said.alarms.iter().map(String::as_str)).collect();
        alarms.sort_unstable();
        alarms.dedup();
        alarms
    }

    /// Who leads, where a majority of all voters says so and the leader itself as well.
    ///
    /// # Errors
    /// Why there is none: `2 of 3 members see no leader`.
    pub fn led(&self) -> Result<Led<'_>, String> {
        let clusters = self.clusters();
        if clusters.len() > 1 {
            let told = clusters.iter().map(|(id, members)| format!("{} to {id}", members.join(", ")));
            let told = told.collect::<Vec<_>>().join("; ");
            return Err(format!("the members belong to {} clusters ({told})", clusters.len()));
        }
        let (all, _, needed) = self.quorum();
        let voters: Vec<_> = self.said().filter(|(member, _)| member.votes()).collect();
        let leaders: Vec<_> = voters.iter().filter(|(_, said)| said.leads).collect();
        let is_agreed = |(leader, of_leader): &(&Member, &Said)| {
            let agrees = |said: &Said| said.leader.as_ref() == Some(&leader.id) && said.term == of_leader.term;
            voters.iter().filter(|(_, said)| agrees(said)).count() >= needed
        };
        let Some((leader, said)) = leaders.iter().find(|leader| is_agreed(leader)) else {
            return Err(format!(
                "no majority of the {} agrees on a leader ({})",
                counted(all, "voter"),
                self.views(all)
            ));
        };
        // One that was cut off goes on to say that it leads, in an earlier term, until it hears of the other.
        let rivals = leaders.iter().filter(|(rival, other)| rival.id != leader.id && other.term >= said.term);
        let rivals: Vec<&str> = rivals.map(|(rival, _)| rival.name.as_str()).collect();
        if !rivals.is_empty() {
            return Err(format!("{} and {} each say that they lead", leader.name, rivals.join(" and ")));
        }
        Ok(Led { leader, term: said.term })
    }

    /// What the voters see: `2 name b, 1 sees no leader, 1 does not answer`.
    fn views(&self, all: usize) -> String {
        let mut named = BTreeMap::<&str, usize>::new();
        let (mut unled, mut silent) = (0, all);
        for (_, said) in self.said().filter(|(member, _)| member.votes()) {
            silent -= 1;
            match &said.leader {
                Some(leader) => *named.entry(leader).or_default() += 1,
                None => unled += 1,
            }
        }
        let verb = |count: usize, one: &str, many: &str| match count {
            0 => None,
            1 => Some(format!("1 {one}")),
            _ => Some(format!("{count} {many}")),
        };
        let named = named.into_iter().filter_map(|(id, count)| {
            let name = self.member(id).map_or(id, |member| member.name.as_str());
            verb(count, &format!("names {name}"), &format!("name {name}"))
        });
        let others = [verb(unled, "sees no leader", "see no leader"), verb(silent, "does not answer", "do not answer")];
        named.chain(others.into_iter().flatten()).collect::<Vec<_>>().join(", ")
    }

    /// Why the leadership of this cluster is not to be moved at all now.
    #[must_use]
    pub fn dangers(&self) -> Vec<String> {
        let (all, healthy, needed) = self.quorum();
        let mut dangers = Vec::new();
        let led = self.led();
        if self.clusters().len() <= 1 && healthy < needed {
            let verb = if healthy == 1 { "is" } else { "are" };
            dangers.push(format!(
                "there is no quorum: {healthy} of {} {verb} healthy, {needed} are needed",
                counted(all, "voter")
            ));
        }
        match &led {
            Err(why) => dangers.push(why.clone()),
            Ok(Led { leader, .. }) => {
                dangers.extend(leader.trouble().map(|why| format!("the leader {} is not healthy: {why}", leader.name)));
            }
        }
        let alarms = self.alarms();
        if !alarms.is_empty() {
            let alarms = (of_them(alarms.len(), "alarm"), alarms.join(", "));
            dangers.push(format!("writes are refused, whoever leads, by the {}: {}", alarms.0, alarms.1));
        }
        dangers.extend(self.forbids.iter().cloned());
        dangers
    }

    /// Why this member is not to lead.
    #[must_use]
    pub fn unfit(&self, member: &Member, max_lag: u64, facts: &Facts) -> Option<String> {
        match &member.role {
            Role::Learner => return Some("it is a learner: it has no vote and cannot lead".to_owned()),
            Role::Barred(why) => return Some(why.clone()),
            Role::Voter => {}
        }
        if let Some(trouble) = member.trouble() {
            return Some(trouble);
        }
        match member.said.as_ref().ok()?.lag {
            None => Some("how far it is behind is not known".to_owned()),
            Some(lag) if lag > max_lag => {
                Some(format!("it is {lag} {} behind the leader, and {max_lag} are allowed (--max-lag)", facts.unit))
            }
            Some(_) => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const FACTS: Facts = Facts {
        unit: "entries",
        term: "term",
        max_lag: 1000,
        patience: Duration::from_secs(1),
        settles: Duration::ZERO,
        pace: Duration::from_millis(1),
        question: "a read",
    };

    /// A member in good health, of the cluster `c`, in term 7, that says who leads.
    pub(crate) fn member(name: &str, leader: &str) -> Member {
        let said = Said {
            cluster: "c".to_owned(),
            leader: Some(leader.to_owned()).filter(|leader| !leader.is_empty()),
            leads: name == leader,
            term: 7,
            lag: Some(0),
            version: "3.4.23".to_owned(),
            size: Some(4096),
            alarms: Vec::new(),
            health: Ok(Duration::from_millis(2)),
        };
        let (id, name) = (name.to_owned(), name.to_owned());
        Member { id, name, address: String::new(), role: Role::Voter, said: Ok(said) }
    }

    pub(crate) fn survey(members: impl IntoIterator<Item = Member>) -> Survey {
        Survey { name: "c".to_owned(), members: members.into_iter().collect(), forbids: Vec::new() }
    }

    pub(crate) fn changed(mut member: Member, change: impl FnOnce(&mut Said)) -> Member {
        change(member.said.as_mut().expect("it said something"));
        member
    }

    pub(crate) fn silent(name: &str) -> Member {
        Member { said: Err("no answer within 3 s".to_owned()), ..member(name, "") }
    }

    fn led(survey: &Survey) -> Result<(&str, u64), String> {
        survey.led().map(|led| (led.leader.name.as_str(), led.term))
    }

    #[test]
    fn a_leader_is_who_a_majority_of_all_voters_names_and_who_says_so() {
        assert_eq!(led(&survey(["a", "b", "c"].map(|name| member(name, "b")))), Ok(("b", 7)));
        assert_eq!(led(&survey([member("a", "b"), member("b", "b"), silent("c")])), Ok(("b", 7)));
        // One that is cut off still names itself, in an earlier term.
        let cut_off = changed(member("c", "c"), |said| said.term = 6);
        assert_eq!(led(&survey([member("a", "b"), member("b", "b"), cut_off])), Ok(("b", 7)));
        // Learners have no voice.
        let learner = Member { role: Role::Learner, ..member("c", "b") };
        assert_eq!(
            led(&survey([silent("a"), member("b", "b"), learner])),
            Err("no majority of the 2 voters agrees on a leader (1 names b, 1 does not answer)".to_owned())
        );
    }

    #[test]
    fn without_a_majority_there_is_no_leader_and_it_is_said_what_is_seen() {
        for (members, why) in [
            (vec![silent("a"), member("b", "b"), silent("c")], "(1 names b, 2 do not answer)"),
            (vec![member("a", ""), member("b", ""), silent("c")], "(2 see no leader, 1 does not answer)"),
            // The leader itself does not say so, or is not to be asked.
            (vec![member("a", "b"), silent("b"), member("c", "b")], "(2 name b, 1 does not answer)"),
            (vec![member("a", "b"), changed(member("b", "b"), |said| said.term = 6), member("c", "b")], "(3 name b)"),
        ] {
            assert_eq!(led(&survey(members)), Err(format!("no majority of the 3 voters agrees on a leader {why}")));
        }
        let rival = changed(member("c", "c"), |said| said.term = 8);
        assert_eq!(
            led(&survey([member("a", "b"), member("b", "b"), rival])),
            Err("b and c each say that they lead".to_owned())
        );
    }

    #[test]
    fn members_that_each_lead_in_one_term_belong_to_several_clusters() {
        let of = |name: &str| changed(member(name, name), |said| said.cluster = format!("cluster-{name}"));
        let survey = survey(["a", "b", "c"].map(of));
        let why = "the members belong to 3 clusters (a to cluster-a; b to cluster-b; c to cluster-c)";
        assert_eq!(survey.dangers(), [why]);
    }

    #[test]
    fn what_makes_a_move_dangerous_is_named() {
        let whole = survey(["a", "b", "c"].map(|name| member(name, "b")));
        assert_eq!(whole.dangers(), [""; 0]);
        let sick = |name: &str| changed(member(name, "b"), |said| said.health = Err("it serves no read".to_owned()));
        assert_eq!(
            survey([member("a", "b"), sick("b"), sick("c")]).dangers(),
            [
                "there is no quorum: 1 of 3 voters is healthy, 2 are needed",
                "the leader b is not healthy: it serves no read"
            ]
        );
        let full = |name: &str| changed(member(name, "b"), |said| said.alarms = vec!["NOSPACE of a".to_owned()]);
        assert_eq!(
            survey(["a", "b", "c"].map(full)).dangers(),
            ["writes are refused, whoever leads, by the alarm: NOSPACE of a"]
        );
        let paused = Survey { forbids: vec!["it is paused".to_owned()], ..whole };
        assert_eq!(paused.dangers(), ["it is paused"]);
    }

    #[test]
    fn a_member_that_is_not_to_lead_is_told_apart_with_the_reason() {
        let survey = survey(["a", "b", "c"].map(|name| member(name, "b")));
        let unfit = |member: Member| survey.unfit(&member, 10, &FACTS);
        assert_eq!(unfit(member("a", "b")), None);
        assert_eq!(unfit(changed(member("a", "b"), |said| said.lag = Some(10))), None);
        for (member, why) in [
            (silent("a"), "it does not answer: no answer within 3 s"),
            (Member { role: Role::Learner, ..member("a", "b") }, "it is a learner: it has no vote and cannot lead"),
            (Member { role: Role::Barred("its tag".to_owned()), ..member("a", "b") }, "its tag"),
            (changed(member("a", "b"), |said| said.health = Err("it serves no read".to_owned())), "it serves no read"),
            (
                changed(member("a", "b"), |said| said.lag = Some(11)),
                "it is 11 entries behind the leader, and 10 are allowed (--max-lag)",
            ),
            (changed(member("a", "b"), |said| said.lag = None), "how far it is behind is not known"),
        ] {
            assert_eq!(unfit(member).as_deref(), Some(why));
        }
    }
}
