//! What the members of a cluster say of themselves and of one another: a line each, of what one member says of itself and which
//! members it knows.

use firebreak::cluster::{etcd, patroni};
use serde_json::Value;

pub fn take(bytes: &[u8]) {
    let lines = crate::text(bytes).lines().filter_map(|line| serde_json::from_str::<(Value, Value)>(line).ok());
    let answers: Vec<_> =
        (1..).zip(lines).map(|(number, (own, cluster))| (format!("http://m{number}:1"), own, cluster)).collect();
    for survey in [etcd::survey_of(&answers), patroni::survey_of(&answers)] {
        if let Ok(led) = survey.led() {
            let (all, _, needed) = survey.quorum();
            assert!(led.leader.said.as_ref().is_ok_and(|said| said.leads) && needed * 2 > all);
        } else {
            assert!(!survey.dangers().is_empty(), "without a leader nothing is moved");
        }
    }
}
