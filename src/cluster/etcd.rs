//! etcd, by the JSON gateway that each member has (`/v3/…`, etcd 3.4 and later; tried with 3.4.23).
//!
//! Numbers of 64 bits are strings there, and what is zero, false or empty is left out. A member says of the cluster what it
//! knows itself (`maintenance/status`); a linearizable read is answered only where a leader has a majority behind it. Moving to
//! a member that stands still is never answered, as long as the caller waits; raft gives it up after one election timeout.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::join_all;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::address::Place;
use super::asked::{DEADLINE, Silent, ask};
use super::{Facts, Kind, Member, Role, Said, Seat, Survey};
use crate::http::{Client, sentence};
use crate::journal::Answer;

/// The key that `etcdctl endpoint health` reads as well, `health`, as the gateway wants it. It need not be there.
const KEY: &str = "aGVhbHRo";

/// What a member answers to a linearizable read after the majority was asked, where the user may not see the key.
const SERVED: [&str; 3] = ["permission denied", "user name is empty", "user name not found"];

pub(super) struct Etcd {
    http: Client,
    place: Place,
    token: Mutex<Option<SecretString>>,
}

/// Why a member did not do what it was asked.
enum Failed {
    Silent(Silent),
    /// It says so itself.
    Refused(String),
}

impl Failed {
    fn why(self) -> String {
        match self {
            Self::Silent(silent) => silent.why,
            Self::Refused(why) => why,
        }
    }
}

/// What the member at one address said.
struct Heard {
    address: String,
    /// Its id, what it says of itself, and the members that it knows.
    said: Result<(String, Said, u64, Vec<Value>), String>,
}

impl Etcd {
    pub(super) fn new(place: Place, http: Client) -> Self {
        Self { http, place, token: Mutex::default() }
    }

    fn token(&self) -> Option<SecretString> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn ask(&self, address: &str, path: &str, body: &Value, limit: Duration) -> Result<Value, Failed> {
        let mut request = self.http.post(format!("{address}/v3/{path}")).json(body);
        let token = self.token();
        if let Some(token) = &token {
            request = request.header("authorization", token.expose_secret());
        }
        let answer = ask(&self.http, request, limit).await.map_err(Failed::Silent)?;
        if answer.status.is_success() {
            return serde_json::from_slice(&answer.body)
                .map_err(|_| Failed::Refused("its answer is no JSON: is this a client port of etcd?".to_owned()));
        }
        let secret = token.as_ref().map_or("", |token| token.expose_secret());
        let said = sentence(&answer.body, secret).unwrap_or_else(|| answer.status.to_string());
        let said = match answer.status.as_u16() {
            _ if said.contains("CommonName") => {
                "while authentication is enabled, etcd's gateway takes no client certificate that has a common name (CN): give --cert \
                 one without"
                    .to_owned()
            }
            404 => "it has no JSON gateway at /v3: etcd 3.4 or later has one, unless --enable-grpc-gateway=false".to_owned(),
            _ => said.trim_start_matches("etcdserver: ").to_owned(),
        };
        if said.contains("invalid auth token") {
            *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        Err(Failed::Refused(said))
    }

    /// Logs in where a user is given and no token is known. A cluster without a majority lets nobody in, and can be looked at
    /// all the same.
    async fn log_in(&self) -> anyhow::Result<()> {
        let Some((user, password)) = &self.place.login else { return Ok(()) };
        if self.token().is_some() {
            return Ok(());
        }
        let body = json!({ "name": user, "password": password.expose_secret() });
        for address in &self.place.members {
            match self.ask(address, "auth/authenticate", &body, DEADLINE).await {
                Ok(answer) => {
                    *self.token.lock().unwrap_or_else(PoisonError::into_inner) =
                        answer["token"].as_str().map(Into::into);
                    return Ok(());
                }
                Err(Failed::Refused(why)) if why.contains("authentication failed") => {
                    anyhow::bail!("etcd refuses the user '{user}': {why}")
                }
                Err(Failed::Refused(why)) if why.contains("authentication is not enabled") => return Ok(()),
                Err(_) => {}
            }
        }
        Ok(())
    }

    async fn hear(&self, address: &str) -> Heard {
        let nothing = json!({});
        let (status, members, health) = tokio::join!(
            self.ask(address, "maintenance/status", &nothing, DEADLINE),
            self.ask(address, "cluster/member/list", &nothing, DEADLINE),
            self.read(address),
        );
        let said = match (status, members) {
            (Ok(status), Ok(members)) => {
                let (id, said, index) = said(&status, health);
                Ok((id, said, index, members["members"].as_array().cloned().unwrap_or_default()))
            }
            (Err(failed), _) | (_, Err(failed)) => Err(failed.why()),
        };
        Heard { address: address.to_owned(), said }
    }

    /// Asks every member once.
    async fn survey_once(&self) -> anyhow::Result<Survey> {
        let mut heard = join_all(self.place.members.iter().map(|address| self.hear(address))).await;
        let scheme = self.place.members.first().and_then(|address| address.split(':').next()).unwrap_or_default();
        let scheme = format!("{scheme}://");
        // Members that the URL does not name are asked where they say; never in the clear where the URL says TLS.
        let first = put_together(&heard);
        let unknown = heard.iter().filter_map(|heard| Some(&heard.said.as_ref().ok()?.3)).flatten().filter_map(listed);
        let mut others: Vec<String> = unknown
            .filter(|(id, ..)| first.member(id).is_none_or(|member| member.said.is_err()))
            .filter_map(|(_, _, urls, _)| urls.into_iter().find(|url| url.starts_with(&scheme)))
            .filter(|url| !self.place.members.contains(url))
            .collect();
        others.sort();
        others.dedup();
        let more = join_all(others.iter().map(|address| self.hear(address))).await;
        heard.extend(more);
        let survey = put_together(&heard);
        if survey.members.is_empty() {
            let told = heard.iter().map(|heard| {
                let why = heard.said.as_ref().err().map_or("it names no member", String::as_str);
                format!("{}: {why}", heard.address)
            });
            anyhow::bail!("no member of {} answers: {}", self.place.shown, told.collect::<Vec<_>>().join("; "));
        }
        Ok(survey)
    }

    /// How long a linearizable read takes.
    async fn read(&self, address: &str) -> Result<Duration, String> {
        let (key, began) = (json!({ "key": KEY, "keys_only": true }), Instant::now());
        match self.ask(address, "kv/range", &key, DEADLINE).await {
            Ok(_) => Ok(began.elapsed()),
            Err(Failed::Refused(why)) if SERVED.iter().any(|served| why.contains(served)) => Ok(began.elapsed()),
            Err(failed) => Err(format!("it serves no read: {}", failed.why())),
        }
    }
}

/// What a member says of itself by its status; its id before, its raft index behind.
fn said(status: &Value, health: Result<Duration, String>) -> (String, Said, u64) {
    let number =
        |value: &Value| value.as_str().and_then(|text| text.parse::<u64>().ok()).or(value.as_u64()).unwrap_or(0);
    let hex = |value: &Value| Some(number(value)).filter(|id| *id != 0).map(|id| format!("{id:x}"));
    let id = hex(&status["header"]["member_id"]).unwrap_or_default();
    let leader = hex(&status["leader"]);
    let errors = status["errors"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let said = Said {
        cluster: hex(&status["header"]["cluster_id"]).unwrap_or_default(),
        leads: leader.as_ref() == Some(&id),
        leader,
        term: number(&status["raftTerm"]),
        lag: None,
        version: status["version"].as_str().unwrap_or_default().to_owned(),
        size: Some(number(&status["dbSize"])),
        alarms: errors.filter_map(alarm).collect(),
        health,
    };
    (id, said, number(&status["raftIndex"]))
}

/// `memberID:4258002027696524752 alarm:NOSPACE ` as `NOSPACE of 3b177648c9be8dd0`.
fn alarm(error: &str) -> Option<String> {
    let (id, name) = error.trim().strip_prefix("memberID:")?.split_once(" alarm:")?;
    let id = id.parse::<u64>().map_or_else(|_| id.to_owned(), |id| format!("{id:x}"));
    Some(format!("{name} of {id}"))
}

/// The id of a member in a list of members, its name, where it can be asked, and whether it only learns.
fn listed(member: &Value) -> Option<(String, String, Vec<String>, bool)> {
    let id = member["ID"].as_str()?.parse::<u64>().ok()?;
    let urls = member["clientURLs"].as_array().into_iter().flatten();
    let urls = urls.filter_map(|url| Some(url.as_str()?.trim_end_matches('/').to_owned()));
    let name = member["name"].as_str().unwrap_or_default().to_owned();
    Some((format!("{id:x}"), name, urls.collect(), member["isLearner"].as_bool().unwrap_or(false)))
}

/// What members say of a cluster: of each its address, its status, and its list of members, as the gateway gives them.
#[must_use]
pub fn survey_of(answers: &[(String, Value, Value)]) -> Survey {
    let heard = answers.iter().map(|(address, status, members)| {
        let (id, said, index) = said(status, Ok(Duration::ZERO));
        let members = members["members"].as_array().cloned().unwrap_or_default();
        Heard { address: address.clone(), said: Ok((id, said, index, members)) }
    });
    put_together(&heard.collect::<Vec<_>>())
}

/// Puts what was heard together, each member once.
fn put_together(heard: &[Heard]) -> Survey {
    let lists = heard.iter().filter_map(|heard| Some(&heard.said.as_ref().ok()?.3));
    let known: BTreeMap<String, (String, Vec<String>, bool)> = lists
        .flatten()
        .filter_map(|member| listed(member).map(|(id, name, urls, learns)| (id, (name, urls, learns))))
        .collect();
    let furthest = heard.iter().filter_map(|heard| Some(heard.said.as_ref().ok()?.2)).max().unwrap_or(0);
    let is_unique = |name: &str| known.values().filter(|(other, ..)| other == name).count() == 1;
    let mut members: Vec<Member> = known
        .iter()
        .map(|(id, (name, urls, learns))| {
            let own = heard.iter().find(|heard| heard.said.as_ref().is_ok_and(|(own, ..)| own == id));
            let failed = || heard.iter().find(|heard| urls.contains(&heard.address));
            let (address, said) = match own.or_else(failed) {
                Some(Heard { address, said: Ok((own, said, index, _)) }) if own == id => {
                    (address.clone(), Ok(Said { lag: Some(furthest - index), ..said.clone() }))
                }
                Some(Heard { address, said: Ok(_) }) => {
                    (address.clone(), Err(format!("another member answers at {address}")))
                }
                Some(Heard { address, said: Err(why) }) => (address.clone(), Err(why.clone())),
                None => {
                    let address = urls.first().cloned().unwrap_or_default();
                    let why = "it gives no address that can be asked: name it in the URL of the cluster".to_owned();
                    (address, Err(why))
                }
            };
            let name = if !name.is_empty() && is_unique(name) { name.clone() } else { id.clone() };
            let role = if *learns { Role::Learner } else { Role::Voter };
            Member { id: id.clone(), name, address, role, said }
        })
        .collect();
    members.sort_by(|one, other| one.name.cmp(&other.name));
    let name = members.iter().find_map(|member| Some(member.said.as_ref().ok()?.cluster.clone())).unwrap_or_default();
    Survey { name, members, forbids: Vec::new() }
}

#[async_trait]
impl Kind for Etcd {
    fn address(&self) -> &str {
        &self.place.shown
    }

    fn facts(&self) -> Facts {
        Facts {
            unit: "entries",
            term: "term",
            max_lag: 1000,
            patience: Duration::from_secs(15),
            settles: Duration::from_secs(3),
            pace: Duration::from_millis(10),
            question: "a linearizable read through {}",
        }
    }

    async fn survey(&self) -> anyhow::Result<Survey> {
        self.log_in().await?;
        let was_in = self.token().is_some();
        let survey = self.survey_once().await;
        // A token that was given a while ago, before somebody was asked, is no good any more.
        if was_in && self.token().is_none() {
            self.log_in().await?;
            return self.survey_once().await;
        }
        survey
    }

    async fn hand_over(&self, leader: &Member, to: &Member) -> Answer {
        let Ok(id) = u64::from_str_radix(&to.id, 16) else { return Answer::Refused(format!("'{}' is no id", to.id)) };
        let body = json!({ "targetID": id.to_string() });
        // Whoever calls this bounds the time.
        match self.ask(&leader.address, "maintenance/transfer-leadership", &body, Duration::MAX).await {
            Ok(_) => Answer::Taken(json!({})),
            Err(Failed::Silent(Silent { why, never_left: false })) => Answer::Lost(why),
            // It timed out there: what became of it is not known.
            Err(Failed::Refused(why)) if why.contains("timed out") || why.contains("timeout") => Answer::Lost(why),
            Err(failed) => Answer::Refused(failed.why()),
        }
    }

    async fn serves(&self, members: &[Member]) -> bool {
        let Some(member) = members.first() else { return false };
        self.read(&member.address).await.is_ok()
    }

    fn by_hand(&self, from: &Seat, to: &Seat) -> String {
        let endpoints = self.place.members.join(",");
        format!("etcdctl --endpoints={endpoints} move-leader {} # called at {}", to.id, from.name)
    }

    fn look_into(&self) -> String {
        format!("etcdctl --endpoints={} endpoint status --cluster --write-out=table", self.place.members.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(cluster: u64, member: u64, leader: u64, index: u64) -> Value {
        json!({
            "header": { "cluster_id": cluster.to_string(), "member_id": member.to_string(), "raft_term": "2" },
            "version": "3.4.23", "dbSize": "36864", "leader": leader.to_string(), "raftIndex": index.to_string(), "raftTerm": "2",
        })
    }

    fn list(members: &[(u64, &str, &str)]) -> Vec<Value> {
        let one =
            |(id, name, url): &(u64, &str, &str)| json!({ "ID": id.to_string(), "name": name, "clientURLs": [url] });
        members.iter().map(one).collect()
    }

    fn heard(address: &str, status: &Value, members: &[Value]) -> Heard {
        let (id, said, index) = said(status, Ok(Duration::ZERO));
        Heard { address: address.to_owned(), said: Ok((id, said, index, members.to_vec())) }
    }

    #[test]
    fn what_a_member_leaves_out_is_none() {
        let without =
            json!({ "header": { "cluster_id": "171", "member_id": "16" }, "errors": ["etcdserver: no leader"] });
        let (id, said, index) = said(&without, Ok(Duration::ZERO));
        assert_eq!((id.as_str(), index, said.cluster.as_str()), ("10", 0, "ab"));
        assert_eq!((said.leader, said.leads, said.alarms), (None, false, Vec::new()));
    }

    #[test]
    fn an_alarm_is_told_with_its_member_in_the_way_of_etcdctl() {
        assert_eq!(
            alarm("memberID:4258002027696524752 alarm:NOSPACE ").as_deref(),
            Some("NOSPACE of 3b177648c9be8dd0")
        );
        assert_eq!(alarm("memberID:x alarm:CORRUPT").as_deref(), Some("CORRUPT of x"));
        assert_eq!(alarm("etcdserver: no leader"), None);
    }

    #[test]
    fn members_are_known_by_what_they_answer_and_not_by_where() {
        // The first address is a proxy in front of the second member, and the third member is called as another one.
        let members = list(&[(1, "m1", "http://a:1"), (2, "m2", "http://b:1"), (3, "m2", "http://c:1")]);
        let survey = put_together(&[
            heard("http://proxy:1", &status(9, 2, 1, 5), &members),
            heard("http://a:1", &status(9, 1, 1, 7), &members),
            Heard { address: "http://c:1".to_owned(), said: Err("no answer within 3 s".to_owned()) },
        ]);
        let told = |member: &Member| {
            (
                member.name.clone(),
                member.address.clone(),
                member.said.as_ref().map(|said| said.lag).map_err(Clone::clone),
            )
        };
        let expected = [
            ("2".to_owned(), "http://proxy:1".to_owned(), Ok(Some(2))),
            ("3".to_owned(), "http://c:1".to_owned(), Err("no answer within 3 s".to_owned())),
            ("m1".to_owned(), "http://a:1".to_owned(), Ok(Some(0))),
        ];
        assert_eq!(survey.members.iter().map(told).collect::<Vec<_>>(), expected);
        assert_eq!((survey.name.as_str(), survey.led().map(|led| led.leader.name.as_str())), ("9", Ok("m1")));
    }

    #[test]
    fn a_member_that_gives_no_address_or_that_of_another_is_told() {
        let members = list(&[(1, "m1", "http://a:1"), (2, "m2", "http://a:1"), (3, "", "")]);
        let mut third = members.clone();
        third[2] = json!({ "ID": "3" });
        let survey = put_together(&[heard("http://a:1", &status(9, 1, 1, 7), &third)]);
        let why = |name: &str| survey.members.iter().find(|member| member.name == name).and_then(Member::trouble);
        assert_eq!(why("m2").as_deref(), Some("it does not answer: another member answers at http://a:1"));
        let told = why("3").expect("it did not start yet");
        assert!(told.contains("it gives no address that can be asked"), "{told}");
    }
}
