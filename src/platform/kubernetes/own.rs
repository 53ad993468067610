//! What this run wrote: going back touches that, and nothing that anybody else did.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::workload::{CAUSE, Container, containers};
use crate::journal::{Answer, Call};

/// The name of the write that sets a target.
pub(super) const SET: &str = "set";
/// The name of the one that takes it back.
pub(super) const RESTORE: &str = "restore";

/// An application that this run set to its target, or may have: it is written into the journal as it stands here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Written {
    /// The application's id.
    pub(super) application: String,
    /// The object: one of the same name that somebody made since is another.
    pub(super) uid: String,
    /// Why it was changed, as it stands in the object: that tells our write, even where its answer was lost.
    pub(super) cause: String,
    /// What it lacked before; none where it was well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lacked: Option<String>,
    /// Since when Kubernetes had given it up before, in its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) given_up: Option<String>,
    /// What was set.
    pub(super) containers: Vec<Images>,
}

/// The images of one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Images {
    /// Its name.
    pub(super) name: String,
    /// The image before.
    pub(super) from: String,
    /// The image that it was set to.
    pub(super) to: String,
}

impl Written {
    /// What is to be set to take it back, where the object is still as this write left it.
    pub(super) fn back(&self, object: &Value) -> Option<Vec<(Container, String)>> {
        let is_ours = object["metadata"]["annotations"][CAUSE] == self.cause.as_str();
        if is_ours { self.pairs(object, |images| (&images.to, &images.from)) } else { None }
    }

    /// The object runs what it ran before.
    pub(super) fn is_back(&self, object: &Value) -> bool {
        self.pairs(object, |images| (&images.from, &images.from)).is_some()
    }

    fn pairs(
        &self,
        object: &Value,
        side: impl for<'a> Fn(&'a Images) -> (&'a String, &'a String),
    ) -> Option<Vec<(Container, String)>> {
        if object["metadata"]["uid"] != self.uid.as_str() {
            return None;
        }
        let now = containers(object);
        let pair = |images: &Images| {
            let (is, set) = side(images);
            let found = now.iter().find(|one| one.name == images.name && one.image == *is)?;
            Some((found.clone(), set.clone()))
        };
        self.containers.iter().map(pair).collect()
    }
}

/// All that this run set, by the applications' ids.
#[derive(Debug, Default)]
pub(super) struct Own(Mutex<HashMap<String, Written>>);

impl Own {
    /// Notes that a write is about to be sent: from now on it may have been. Gives what was known of the application.
    pub(super) fn send(&self, written: Written) -> Option<Written> {
        self.lock().insert(written.application.clone(), written)
    }

    /// Notes that a write did not leave, or was refused: what was known before it holds still.
    pub(super) fn forget(&self, id: &str, before: Option<Written>) {
        let mut known = self.lock();
        match before {
            Some(before) => known.insert(id.to_owned(), before),
            None => known.remove(id),
        };
    }

    pub(super) fn of(&self, id: &str) -> Option<Written> {
        self.lock().get(id).cloned()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Learns what the journal of a run says of its writes.
    pub(super) fn recall(&self, calls: &[Call]) {
        let mut known = self.lock();
        known.clear();
        for call in calls.iter().filter(|call| call.call == SET) {
            let was_sent = !matches!(call.answer, Some(Answer::Refused(_)));
            if let Some(written) = serde_json::from_value::<Written>(call.about.clone()).ok().filter(|_| was_sent) {
                known.insert(written.application.clone(), written);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Written>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written() -> Written {
        let images = Images { name: "app".to_owned(), from: "b:2".to_owned(), to: "b:1".to_owned() };
        Written {
            application: "dev/deployment/b".to_owned(),
            uid: "u".to_owned(),
            cause: "firebreak run 7: b:1".to_owned(),
            lacked: None,
            given_up: None,
            containers: vec![images],
        }
    }

    fn object(image: &str, cause: &str) -> Value {
        json!({
            "metadata": {"uid": "u", "annotations": {CAUSE: cause}},
            "spec": {"template": {"spec": {"containers": [
                {"name": "proxy", "image": "b:1"}, {"name": "app", "image": image},
            ]}}},
        })
    }

    #[test]
    fn only_what_is_as_we_left_it_is_taken_back() {
        let cause = written().cause;
        let ours = Container {
            path: "/spec/template/spec/containers/1".to_owned(),
            name: "app".to_owned(),
            image: "b:1".to_owned(),
        };
        assert_eq!(written().back(&object("b:1", &cause)), Some(vec![(ours, "b:2".to_owned())]));
        assert_eq!(written().back(&object("b:3", &cause)), None, "another image");
        assert_eq!(written().back(&object("b:1", "somebody else")), None, "somebody else's doing");
        let mut another = object("b:1", &cause);
        another["metadata"]["uid"] = "v".into();
        assert_eq!(written().back(&another), None, "another object of that name");
        assert!(written().is_back(&object("b:2", "whatever")) && !written().is_back(&object("b:1", &cause)));
    }

    #[test]
    fn a_journal_tells_what_may_have_been_written() {
        let call = |answer: Option<Answer>| Call {
            call: SET.to_owned(),
            about: serde_json::to_value(written()).unwrap(),
            answer,
        };
        for (answer, known) in [
            (None, true),
            (Some(Answer::Lost("cut off".to_owned())), true),
            (Some(Answer::Taken(json!({}))), true),
            (Some(Answer::Refused("409".to_owned())), false),
        ] {
            let own = Own::default();
            own.recall(&[call(answer)]);
            assert_eq!(own.of("dev/deployment/b"), known.then(written));
        }
    }
}
