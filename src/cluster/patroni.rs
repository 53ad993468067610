//! Patroni, by the REST API that each member has (tried with 3.0.2 and PostgreSQL 15).
//!
//! `/cluster` is what the store behind the cluster (DCS) says, as this member reads it; `/patroni` is what the member says of its
//! own PostgreSQL. A switchover names the leader as a guard: Patroni refuses it (412) where another one leads, sometimes without
//! a reason. `/primary`, which load balancers ask, is 200 as soon as a member has the lock, before its PostgreSQL takes writes, and
//! until it has given it up, after that; so whether clients are served is read from `/patroni`, which asks PostgreSQL itself.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::join_all;
use reqwest::StatusCode;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::address::Place;
use super::asked::{DEADLINE, Silent, ask};
use super::{Facts, Kind, Member, Role, Said, Seat, Survey};
use crate::http::{Client, sentence};
use crate::journal::Answer;

pub(super) struct Patroni {
    http: Client,
    place: Place,
}

/// What a member says: what it knows of the cluster, what it says of itself, and how long it took.
struct Heard {
    cluster: Result<Value, String>,
    own: Result<(Value, Duration), String>,
}

impl Patroni {
    pub(super) fn new(place: Place, http: Client) -> Self {
        Self { http, place }
    }

    async fn get(&self, address: &str, path: &str) -> Result<Value, String> {
        let answer = ask(&self.http, self.http.get(format!("{address}/{path}")), DEADLINE).await;
        let answer = answer.map_err(|silent| silent.why)?;
        // A member that is not well says so by its status as well; what it says stands in the body all the same.
        serde_json::from_slice::<Value>(&answer.body).ok().filter(Value::is_object).ok_or_else(|| {
            let said = sentence(&answer.body, "").unwrap_or_default();
            format!("{} at /{path} is no answer of Patroni: {said}", answer.status)
        })
    }

    async fn hear(&self, address: &str) -> Heard {
        let own = async {
            let began = Instant::now();
            Ok((self.get(address, "patroni").await?, began.elapsed()))
        };
        let (cluster, own) = tokio::join!(self.get(address, "cluster"), own);
        Heard { cluster, own }
    }
}

fn members_of(cluster: &Value) -> impl Iterator<Item = &Value> {
    cluster["members"].as_array().into_iter().flatten()
}

fn leads(member: &Value) -> bool {
    matches!(member["role"].as_str(), Some("leader" | "standby_leader"))
}

/// Where a member can be asked: `http://host:8008`.
fn address_of(member: &Value) -> &str {
    let url = member["api_url"].as_str().unwrap_or_default();
    url.strip_suffix("/patroni").unwrap_or(url).trim_end_matches('/')
}

/// Whether a member says of itself that its PostgreSQL takes writes.
fn is_primary(own: &Value) -> bool {
    matches!(own["role"].as_str(), Some("master" | "primary" | "standby_leader"))
}

/// Whether its PostgreSQL has just answered, and is not in recovery: only then it says where it writes.
fn takes_writes(own: &Value) -> bool {
    is_primary(own) && own["state"] == "running" && own["xlog"]["location"].is_u64()
}

/// `150020` as `15.20`; before 10 there was one number more.
fn version(own: &Value) -> String {
    let patroni = own["patroni"]["version"].as_str().unwrap_or("?");
    match own["server_version"].as_u64() {
        Some(number) if number >= 100_000 => format!("{}.{}, Patroni {patroni}", number / 10_000, number % 10_000),
        Some(number) => format!("{}.{}.{}, Patroni {patroni}", number / 10_000, number / 100 % 100, number % 100),
        None => format!("?, Patroni {patroni}"),
    }
}

fn health(own: &Value, took: Duration, cluster: &Result<Value, String>) -> Result<Duration, String> {
    let state = own["state"].as_str().unwrap_or("unknown");
    if !matches!(state, "running" | "streaming") {
        return Err(format!("its PostgreSQL is '{state}'"));
    }
    cluster.as_ref().map(|_| took).map_err(|why| format!("it does not reach the store of the cluster (DCS): {why}"))
}

/// What the store says that keeps a member from leading.
fn role(listed: &Value, is_synchronous: bool) -> Role {
    let tag = |name: &str| listed["tags"][name].as_bool() == Some(true);
    let role = listed["role"].as_str().unwrap_or_default();
    if tag("nofailover") {
        return Role::Barred("its tag `nofailover` forbids it to lead".to_owned());
    }
    if is_synchronous && role == "replica" {
        return Role::Barred("it is no synchronous standby: confirmed transactions could be lost".to_owned());
    }
    Role::Voter
}

/// What members say of a cluster: of each its address, what it says of itself (`/patroni`), and of the cluster (`/cluster`).
#[must_use]
pub fn survey_of(answers: &[(String, Value, Value)]) -> Survey {
    let heard = answers.iter().map(|(address, own, cluster)| {
        (address.clone(), Heard { cluster: Ok(cluster.clone()), own: Ok((own.clone(), Duration::ZERO)) })
    });
    put_together(&heard.collect(), "")
}

/// Puts what was heard together. `heard` is by the address that was asked.
fn put_together(heard: &BTreeMap<String, Heard>, shown: &str) -> Survey {
    let clusters: Vec<&Value> = heard.values().filter_map(|heard| heard.cluster.as_ref().ok()).collect();
    let mut listed = BTreeMap::<&str, &Value>::new();
    for member in clusters.iter().flat_map(|cluster| members_of(cluster)) {
        listed.entry(address_of(member)).or_insert(member);
    }
    let name_of = |member: &Value| member["name"].as_str().unwrap_or_default().to_owned();
    let names: Vec<String> = listed.values().map(|member| name_of(member)).collect();
    let own_of = |address: &str| heard.get(address).and_then(|heard| heard.own.as_ref().ok());
    // The leader knows best how far the others are behind.
    let by_leader = heard.values().find(|heard| heard.own.as_ref().is_ok_and(|(own, _)| is_primary(own)));
    let by_leader = by_leader.and_then(|heard| heard.cluster.as_ref().ok()).or(clusters.first().copied());
    let lag = |name: &str| {
        let member = by_leader.map(|cluster| members_of(cluster).find(|member| member["name"] == name))??;
        if leads(member) { Some(0) } else { member["lag"].as_u64() }
    };
    let is_synchronous = clusters
        .iter()
        .flat_map(|cluster| members_of(cluster))
        .any(|member| matches!(member["role"].as_str(), Some("sync_standby" | "quorum_standby")));
    let member = |(address, member): (&&str, &&Value)| {
        let name = name_of(member);
        let is_unique = names.iter().filter(|other| **other == name).count() == 1;
        let id = if is_unique { name.clone() } else { format!("{name} at {address}") };
        let said = match heard.get(*address) {
            None => Err("it gives no address that can be asked: name it in the URL of the cluster".to_owned()),
            Some(Heard { own: Err(why), .. }) => Err(why.clone()),
            Some(Heard { own: Ok((own, took)), cluster }) => {
                let leader = cluster.as_ref().ok().and_then(|cluster| members_of(cluster).find(|member| leads(member)));
                let timeline = |own: &Value| own["timeline"].as_u64();
                let of_leader = leader.and_then(|leader| timeline(&own_of(address_of(leader))?.0));
                Ok(Said {
                    cluster: own["database_system_identifier"].as_str().unwrap_or_default().to_owned(),
                    leader: leader.map(name_of),
                    leads: is_primary(own),
                    term: if is_primary(own) { timeline(own) } else { of_leader }.unwrap_or(0),
                    lag: lag(&name),
                    version: version(own),
                    size: None,
                    alarms: Vec::new(),
                    health: health(own, *took, cluster),
                })
            }
        };
        Member { id: id.clone(), name: id, address: (*address).to_owned(), role: role(member, is_synchronous), said }
    };
    let mut members: Vec<Member> = listed.iter().map(member).collect();
    members.sort_by(|one, other| one.name.cmp(&other.name));
    let scope = heard.values().find_map(|heard| heard.own.as_ref().ok()?.0["patroni"]["scope"].as_str());
    Survey { name: scope.unwrap_or(shown).to_owned(), forbids: forbids(&clusters, &members), members }
}

/// What the cluster says that forbids to move its leadership now.
fn forbids(clusters: &[&Value], members: &[Member]) -> Vec<String> {
    let any = |is: fn(&Value) -> bool| clusters.iter().any(|cluster| is(cluster));
    let primaries: Vec<&str> = members
        .iter()
        .filter(|one| one.said.as_ref().is_ok_and(|said| said.leads))
        .map(|one| one.name.as_str())
        .collect();
    [
        any(|cluster| cluster["pause"] == true).then(|| {
            "Patroni is paused, and would not put right what fails: end that by `patronictl resume`".to_owned()
        }),
        any(|cluster| !cluster["scheduled_switchover"].is_null())
            .then(|| "a switchover is scheduled: `patronictl flush` removes it".to_owned()),
        any(|cluster| members_of(cluster).any(|member| member["role"] == "standby_leader"))
            .then(|| "it is a standby cluster, which follows another one".to_owned()),
        (primaries.len() > 1).then(|| format!("{} each take writes (split brain)", primaries.join(" and "))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What came of a switchover, by the answer of the leader.
fn came(status: StatusCode, body: &[u8]) -> Answer {
    let said = sentence(body, "");
    let told = said.clone().unwrap_or_else(|| format!("{status}, without a reason"));
    match status.as_u16() {
        200..300 => Answer::Taken(json!({ "said": said })),
        401 | 403 => Answer::Refused(format!(
            "{told}: give the user of its REST API, as patroni+https://USER:PASSWORD@HOST:PORT"
        )),
        // It gave up waiting, or failed half-way.
        500.. => Answer::Lost(told),
        _ => Answer::Refused(told),
    }
}

#[async_trait]
impl Kind for Patroni {
    fn address(&self) -> &str {
        &self.place.shown
    }

    fn facts(&self) -> Facts {
        Facts {
            unit: "bytes",
            term: "timeline",
            // As Patroni's own `maximum_lag_on_failover`.
            max_lag: 1 << 20,
            // The leader's PostgreSQL is shut down in order before: it writes a checkpoint, and the others get all of it.
            patience: Duration::from_mins(2),
            // Patroni acts in the next round of its loop, which is 10 s by default.
            settles: Duration::from_secs(30),
            pace: Duration::from_millis(100),
            question: "asking each member's `/patroni` whether it takes writes",
        }
    }

    async fn survey(&self) -> anyhow::Result<Survey> {
        let asked = &self.place.members;
        let first = join_all(asked.iter().map(|address| self.hear(address))).await;
        let mut heard: BTreeMap<String, Heard> = asked.iter().cloned().zip(first).collect();
        let scheme = asked.first().and_then(|address| address.split_once(':')).map_or("", |(scheme, _)| scheme);
        // Members that the URL does not name are asked where they say, by the same scheme.
        let known = heard.values().filter_map(|heard| heard.cluster.as_ref().ok()).flat_map(members_of);
        let mut others: Vec<String> = known.map(|member| address_of(member).to_owned()).collect();
        others.retain(|address| !asked.contains(address) && address.split(':').next() == Some(scheme));
        others.sort();
        others.dedup();
        let more = join_all(others.iter().map(|address| self.hear(address))).await;
        heard.extend(others.into_iter().zip(more));
        let survey = put_together(&heard, &self.place.shown);
        if survey.members.is_empty() {
            let told = heard.iter().map(|(address, heard)| {
                let why = heard.own.as_ref().err().or(heard.cluster.as_ref().err());
                format!("{address}: {}", why.map_or("it names no member", String::as_str))
            });
            anyhow::bail!(
                "no member of {} says who its cluster is: {}",
                self.place.shown,
                told.collect::<Vec<_>>().join("; ")
            );
        }
        Ok(survey)
    }

    async fn hand_over(&self, leader: &Member, to: &Member) -> Answer {
        let mut request = self.http.post(format!("{}/switchover", leader.address));
        if let Some((user, password)) = &self.place.login {
            request = request.basic_auth(user, Some(password.expose_secret()));
        }
        // The leader's name is a guard: where another one leads by now, it is refused.
        let request = request.json(&json!({ "leader": leader.id, "candidate": to.id }));
        // Whoever calls this bounds the time.
        match ask(&self.http, request, Duration::MAX).await {
            Ok(answer) => came(answer.status, &answer.body),
            Err(Silent { why, never_left: true }) => Answer::Refused(why),
            Err(Silent { why, .. }) => Answer::Lost(why),
        }
    }

    async fn serves(&self, members: &[Member]) -> bool {
        let asked = members.iter().map(|member| self.get(&member.address, "patroni"));
        join_all(asked).await.into_iter().any(|own| own.is_ok_and(|own| takes_writes(&own)))
    }

    fn by_hand(&self, from: &Seat, to: &Seat) -> String {
        let body = json!({ "leader": from.id, "candidate": to.id }).to_string();
        format!("curl -X POST -H 'Content-Type: application/json' -d '{body}' {}/switchover", self.place.members[0])
    }

    fn look_into(&self) -> String {
        format!("curl {}/cluster", self.place.members[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(name: &str, role: &str) -> Value {
        json!({ "name": name, "role": role, "state": "running", "api_url": format!("http://{name}:8008/patroni"), "lag": 7 })
    }

    fn own(role: &str, timeline: u64) -> Value {
        json!({
            "state": "running", "role": role, "server_version": 150_020, "timeline": timeline,
            "database_system_identifier": "77", "patroni": { "version": "3.0.2", "scope": "demo" },
        })
    }

    fn heard(cluster: &Value, own: Value) -> Heard {
        Heard { cluster: Ok(cluster.clone()), own: Ok((own, Duration::ZERO)) }
    }

    fn together(cluster: &Value, own: [(&str, Value); 3]) -> Survey {
        let heard = own.map(|(name, own)| (format!("http://{name}:8008"), heard(cluster, own)));
        put_together(&heard.into_iter().collect(), "shown")
    }

    #[test]
    fn the_leader_is_whom_the_store_names_and_who_takes_writes() {
        let cluster = json!({ "members": [listed("a", "leader"), listed("b", "replica"), listed("c", "replica")] });
        // A replica is on the old timeline for a while.
        let survey = together(&cluster, [("a", own("master", 2)), ("b", own("replica", 2)), ("c", own("replica", 1))]);
        let led = survey.led().expect("a leader");
        assert_eq!((led.leader.name.as_str(), led.term, survey.name.as_str()), ("a", 2, "demo"));
        let lags: Vec<_> =
            survey.members.iter().map(|member| member.said.as_ref().ok().and_then(|said| said.lag)).collect();
        assert_eq!((lags, survey.dangers()), (vec![Some(0), Some(7), Some(7)], Vec::new()));
        // It has the lock, and does not take writes yet.
        let survey = together(&cluster, [("a", own("replica", 2)), ("b", own("replica", 2)), ("c", own("replica", 2))]);
        assert_eq!(survey.led().expect_err("no leader"), "no majority of the 3 voters agrees on a leader (3 name a)");
    }

    #[test]
    fn what_forbids_a_switchover_is_told() {
        let plain = json!({ "members": [listed("a", "leader"), listed("b", "replica"), listed("c", "replica")] });
        let with = |name: &str, value: Value| {
            let mut cluster = plain.clone();
            cluster[name] = value;
            together(&cluster, [("a", own("master", 2)), ("b", own("replica", 2)), ("c", own("replica", 2))]).dangers()
        };
        assert_eq!(
            with("pause", json!(true)),
            ["Patroni is paused, and would not put right what fails: end that by `patronictl resume`"]
        );
        assert_eq!(
            with("scheduled_switchover", json!({ "at": "x" })),
            ["a switchover is scheduled: `patronictl flush` removes it"]
        );
        let twice = together(&plain, [("a", own("master", 2)), ("b", own("master", 1)), ("c", own("replica", 2))]);
        assert_eq!(twice.dangers(), ["a and b each take writes (split brain)"]);
    }

    #[test]
    fn tags_and_synchronous_standbys_decide_whom_a_switchover_may_name() {
        let mut tagged = listed("c", "replica");
        tagged["tags"] = json!({ "nofailover": true });
        assert_eq!(role(&tagged, false), Role::Barred("its tag `nofailover` forbids it to lead".to_owned()));
        let asynchronous =
            Role::Barred("it is no synchronous standby: confirmed transactions could be lost".to_owned());
        let roles = ["leader", "sync_standby", "replica"].map(|name| role(&listed("c", name), true));
        assert_eq!(roles, [Role::Voter, Role::Voter, asynchronous]);
    }

    #[test]
    fn a_switchover_that_is_refused_is_told_apart_from_one_that_may_have_come_about() {
        let of = |status: u16, body: &str| came(StatusCode::from_u16(status).expect("a status"), body.as_bytes());
        let refused = |why: &str| Answer::Refused(why.to_owned());
        assert_eq!(
            of(200, "Successfully switched over to \"b\""),
            Answer::Taken(json!({ "said": "Successfully switched over to \"b\"" }))
        );
        assert_eq!(of(412, "leader name does not match"), refused("leader name does not match"));
        assert_eq!(of(412, ""), refused("412 Precondition Failed, without a reason"));
        assert_eq!(of(503, "Switchover status unknown"), Answer::Lost("Switchover status unknown".to_owned()));
        let login =
            "no auth header received: give the user of its REST API, as patroni+https://USER:PASSWORD@HOST:PORT";
        assert_eq!(of(401, "no auth header received"), refused(login));
    }

    #[test]
    fn who_takes_writes_has_just_said_where() {
        let with = |name: &str, value: Value| {
            let mut own = own("master", 2);
            own["xlog"] = json!({ "location": 7 });
            own[name] = value;
            takes_writes(&own)
        };
        assert!(with("timeline", json!(3)));
        assert!(!with("xlog", json!({ "received_location": 7 })) && !with("xlog", Value::Null));
        assert!(!with("state", json!("stopping")) && !with("role", json!("replica")));
    }

    #[test]
    fn a_version_is_told_as_people_write_it() {
        let of = |number: u64| version(&json!({ "server_version": number, "patroni": { "version": "4.1.5" } }));
        assert_eq!([of(150_020), of(90_624)], ["15.20, Patroni 4.1.5", "9.6.24, Patroni 4.1.5"]);
    }
}
