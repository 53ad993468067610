//! What this run made: going back removes that, and nothing that anybody else put into its place.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::client::call;
use super::container::{ContainerRole, place};
use crate::journal::{Answer, Call};

/// What a run did on the engine, by the ids of containers.
#[derive(Debug, Default)]
pub(super) struct OwnWrites(Mutex<Known>);

#[derive(Debug, Default, PartialEq, Eq)]
struct Known {
    /// Something may have been changed.
    begun: bool,
    /// The new containers.
    made: BTreeSet<String>,
    /// Old ones that were given their names back, and are to be started: their names do not tell that any more.
    put_back: BTreeSet<String>,
    /// Those whose stop was not answered: the engine may be at it still.
    stopping: BTreeSet<String>,
    /// Old ones were removed, or may have been.
    cleaned_up: bool,
}

impl OwnWrites {
    /// Notes that from now on the engine may have been changed; whether it may have been before.
    pub(super) fn begin(&self) -> bool {
        std::mem::replace(&mut self.lock().begun, true)
    }

    /// Notes that nothing is left to go back on.
    pub(super) fn forget(&self) {
        *self.lock() = Known::default();
    }

    /// Notes a container that was made.
    pub(super) fn add(&self, id: &str) {
        self.lock().made.insert(id.to_owned());
    }

    /// Learns from the calls of a run what it did. A call without an answer may have been carried out.
    pub(super) fn recall(&self, calls: &[Call]) {
        *self.lock() = Known::of(calls);
    }

    /// Something may have been changed.
    pub(super) fn has_begun(&self) -> bool {
        self.lock().begun
    }

    /// Whether this run made a container.
    pub(super) fn made(&self, id: &str) -> bool {
        self.lock().made.contains(id)
    }

    /// Whether this run gave an old container its name back, and died before it was started.
    pub(super) fn put_back(&self, id: &str) -> bool {
        self.lock().put_back.contains(id)
    }

    /// Whether a stop of this container was sent, and its answer is not known.
    pub(super) fn is_stopping(&self, id: &str) -> bool {
        self.lock().stopping.contains(id)
    }

    /// Whether this run was at its target, and began to remove what it had kept for going back.
    pub(super) fn has_cleaned_up(&self) -> bool {
        self.lock().cleaned_up
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn of(calls: &[Call]) -> Self {
        let mut known = Self::default();
        for Call { call, about, answer } in calls {
            if matches!(answer, Some(Answer::Refused(_))) || [call::PULL, call::LOCK, call::UNLOCK].contains(&&**call) {
                continue;
            }
            known.begun = true;
            let id = about["id"].as_str().unwrap_or_default().to_owned();
            let now = place(about["name"].as_str().unwrap_or_default()).1;
            match (call.as_str(), answer, now) {
                (call::CREATE, Some(Answer::Taken(answer)), _) => {
                    known.made.extend(answer["id"].as_str().map(str::to_owned));
                }
                // Where the answer of its making was lost, its id is here.
                (call::JOIN | call::RENAME, _, ContainerRole::Prepared) => drop(known.made.insert(id)),
                (call::RENAME, _, ContainerRole::Aside { ran: true }) => drop(known.put_back.insert(id)),
                (call::START, Some(Answer::Taken(_)), _) => drop(known.put_back.remove(&id)),
                (call::STOP, None | Some(Answer::Lost(_)), _) => drop(known.stopping.insert(id)),
                (call::STOP, Some(_), _) => drop(known.stopping.remove(&id)),
                (call::REMOVE, _, ContainerRole::Aside { .. }) => known.cleaned_up = true,
                _ => {}
            }
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn known(calls: &[(&str, Value, Option<Answer>)]) -> Known {
        let call = |(call, about, answer): &(&str, Value, Option<Answer>)| Call {
            call: (*call).to_owned(),
            about: about.clone(),
            answer: answer.clone(),
        };
        Known::of(&calls.iter().map(call).collect::<Vec<_>>())
    }

    fn taken(answer: Value) -> Answer {
        Answer::Taken(answer)
    }

    fn ids(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    const ASIDE: &str = "dev-web-firebreak-old-0123456789ab";

    #[test]
    fn what_changed_no_container_is_nothing() {
        let lock = json!({"name": "firebreak-lock-dev"});
        let refused = Some(Answer::Refused("409".to_owned()));
        let calls = [
            ("lock", lock.clone(), Some(taken(json!({"id": "7"})))),
            ("pull", json!({"image": "web:1"}), None),
            ("create", json!({"name": "dev-web-firebreak-new"}), refused),
            ("unlock", lock, None),
        ];
        assert_eq!(known(&calls), Known::default());
    }

    #[test]
    fn what_was_made_is_known_by_its_answer_or_by_what_followed() {
        let create = json!({"name": "dev-web-firebreak-new", "image": "web:1"});
        let expected = |made: &[&str]| Known { begun: true, made: ids(made), ..Known::default() };
        assert_eq!(known(&[("create", create.clone(), Some(taken(json!({"id": "7"}))))]), expected(&["7"]));
        for lost in [None, Some(Answer::Lost("reset".to_owned()))] {
            assert_eq!(known(&[("create", create.clone(), lost.clone())]), expected(&[]));
            let rename = json!({"id": "7", "name": "dev-web-firebreak-new", "to": "dev-web"});
            let aside = json!({"id": "1", "name": "dev-web", "to": ASIDE});
            let calls = [("create", create.clone(), lost), ("rename", aside, None), ("rename", rename, None)];
            assert_eq!(known(&calls), expected(&["7"]));
        }
    }

    #[test]
    fn one_that_was_put_back_is_to_be_started_until_it_was() {
        let rename = ("rename", json!({"id": "1", "name": ASIDE, "to": "dev-web"}), None);
        let start = |answer| ("start", json!({"id": "1", "name": "dev-web"}), answer);
        assert_eq!(known(&[rename.clone(), start(None)]).put_back, ids(&["1"]));
        assert_eq!(known(&[rename, start(Some(taken(Value::Null)))]).put_back, ids(&[]));
        let off = json!({"id": "1", "name": "dev-web-firebreak-off-0123456789ab", "to": "dev-web"});
        assert_eq!(known(&[("rename", off, None)]).put_back, ids(&[]), "it did not run before");
    }

    #[test]
    fn a_stop_without_an_answer_may_be_under_way_still() {
        let stop = |answer| ("stop", json!({"id": "1", "name": ASIDE}), answer);
        assert_eq!(known(&[stop(None)]).stopping, ids(&["1"]));
        assert_eq!(known(&[stop(Some(Answer::Lost("reset".to_owned())))]).stopping, ids(&["1"]));
        assert_eq!(known(&[stop(None), stop(Some(taken(Value::Null)))]).stopping, ids(&[]));
    }

    #[test]
    fn one_that_removes_what_it_kept_is_past_going_back() {
        assert!(known(&[("remove", json!({"id": "1", "name": ASIDE}), None)]).cleaned_up);
        assert!(!known(&[("remove", json!({"id": "7", "name": "dev-web-firebreak-new"}), None)]).cleaned_up);
        assert!(!known(&[("remove", json!({"id": "7", "name": "dev-web"}), None)]).cleaned_up);
    }
}
