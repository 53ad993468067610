//! What this run wrote: going back touches that, and nothing that anybody else did. What the server made of an image that
//! was written (a webhook adds its digest) is ours as well.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::workload::{CAUSE, Container, containers};
use crate::journal::{Answer, Call};
use crate::platform::image::{ImageName, WrittenImage};

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
    pub(super) from: WrittenImage,
    /// The image that it was set to.
    pub(super) to: WrittenImage,
    /// What the server makes of that, as it said when the change was tried; none where it could not be tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) made: Option<WrittenImage>,
}

/// Images that a write sent, as both writes put them into the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sent {
    /// The application's id.
    pub(super) application: String,
    /// Why it was changed, as it stands in the object.
    #[serde(default)]
    pub(super) cause: String,
    /// What was set, of each container.
    pub(super) containers: Vec<Sending>,
}

/// An image that was sent for a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sending {
    /// The container's name.
    pub(super) name: String,
    /// The image as it was sent.
    pub(super) to: WrittenImage,
    /// What the server made of it; none until that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) made: Option<WrittenImage>,
}

/// Whether an image may be what a cluster's own rules made of one that was sent: the same tag, with a digest or by another
/// way to the same repository.
pub(super) fn is_made_of(made: &WrittenImage, sent: &WrittenImage) -> bool {
    let (Some(one), Some(other)) = (made.name(), sent.name()) else { return made == sent };
    let last = |name: &ImageName| name.repository().rsplit('/').next().map(str::to_owned);
    let same = |one: Option<&str>, other: Option<&str>| one == other || one.is_none() || other.is_none();
    let is_named = one.tag().is_some() || one.digest().is_some();
    is_named && last(one) == last(other) && same(one.tag(), other.tag()) && same(one.digest(), other.digest())
}

impl From<&Written> for Sent {
    fn from(written: &Written) -> Self {
        let sending = |one: &Images| Sending { name: one.name.clone(), to: one.to.clone(), made: one.made.clone() };
        Self {
            application: written.application.clone(),
            cause: written.cause.clone(),
            containers: written.containers.iter().map(sending).collect(),
        }
    }
}

impl Sent {
    /// Learns from an object that this write, and nobody since, made what it is: by its answer, or by its cause.
    fn learn(&mut self, object: &Value) {
        let now = containers(object);
        for one in &mut self.containers {
            let found = now.iter().find(|container| container.name == one.name);
            if let Some(found) = found.filter(|found| is_made_of(&found.image, &one.to)) {
                one.made = Some(found.image.clone());
            }
        }
    }
}

impl Written {
    /// What is to be set to take it back, where the object is still as this write left it. `read` is the object with what
    /// the server made of our images read as what was sent.
    pub(super) fn back(&self, object: &Value, read: &Value) -> Option<Vec<(Container, WrittenImage)>> {
        let is_ours = object["metadata"]["annotations"][CAUSE] == self.cause.as_str();
        if is_ours { self.pairs(object, read, |images| (&images.to, &images.from)) } else { None }
    }

    /// The object runs what it ran before. `read` is as above.
    pub(super) fn is_back(&self, read: &Value) -> bool {
        self.pairs(read, read, |images| (&images.from, &images.from)).is_some()
    }

    fn pairs(
        &self,
        object: &Value,
        read: &Value,
        side: impl for<'a> Fn(&'a Images) -> (&'a WrittenImage, &'a WrittenImage),
    ) -> Option<Vec<(Container, WrittenImage)>> {
        if object["metadata"]["uid"] != self.uid.as_str() {
            return None;
        }
        let (now, read) = (containers(object), containers(read));
        let pair = |images: &Images| {
            let (is, set) = side(images);
            let place = read.iter().position(|one| one.name == images.name && one.image == *is)?;
            Some((now.get(place)?.clone(), set.clone()))
        };
        self.containers.iter().map(pair).collect()
    }
}

/// All that this run wrote.
#[derive(Debug, Default)]
pub(super) struct OwnWrites(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// What was set to its target, by the applications' ids.
    set: HashMap<String, Written>,
    /// Every image that was sent, there and back.
    sent: Vec<Sent>,
}

impl OwnWrites {
    /// Notes that a write is about to be sent: from now on it may have been. Gives what was known of the application.
    pub(super) fn send(&self, written: Written) -> Option<Written> {
        self.lock().set.insert(written.application.clone(), written)
    }

    /// Notes that a write did not leave, or was refused: what was known before it holds still.
    pub(super) fn forget(&self, id: &str, before: Option<Written>) {
        let known = &mut self.lock().set;
        match before {
            Some(before) => known.insert(id.to_owned(), before),
            None => known.remove(id),
        };
    }

    pub(super) fn of(&self, id: &str) -> Option<Written> {
        self.lock().set.get(id).cloned()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().set.is_empty()
    }

    /// Notes the images of a write that was taken or may have been, and what its answer says that they became.
    pub(super) fn sent(&self, mut sent: Sent, answer: Option<&Value>) {
        if let Some(object) = answer {
            sent.learn(object);
        }
        self.lock().sent.push(sent);
    }

    /// An object with what the server made of our images read as what was sent. The answer may have been lost that would
    /// have said so: then the object tells, as long as it says that ours was the last change.
    pub(super) fn read(&self, id: &str, object: &Value) -> Value {
        let mut read = object.clone();
        let cause = object["metadata"]["annotations"][CAUSE].as_str().unwrap_or_default();
        for sent in self.lock().sent.iter_mut().filter(|sent| sent.application == id) {
            if !sent.cause.is_empty() && sent.cause == cause && sent.containers.iter().any(|one| one.made.is_none()) {
                sent.learn(object);
            }
            for Container { path, name, image } in containers(object) {
                let is_it = |one: &&Sending| one.name == name && one.made.as_ref() == Some(&image);
                if let (Some(one), Some(place)) = (sent.containers.iter().find(is_it), read.pointer_mut(&path)) {
                    place["image"] = one.to.as_str().into();
                }
            }
        }
        read
    }

    /// What the server made of an image that was sent for an application: itself where it took it as it is.
    pub(super) fn became(&self, id: &str, image: &WrittenImage) -> Vec<WrittenImage> {
        let known = self.lock();
        let sent = known.sent.iter().filter(|sent| sent.application == id).flat_map(|sent| &sent.containers);
        let made = sent.filter(|one| one.to == *image).filter_map(|one| one.made.clone());
        std::iter::once(image.clone()).chain(made).collect()
    }

    /// Learns what the journal of a run says of its writes.
    pub(super) fn recall(&self, calls: &[Call]) {
        let mut known = self.lock();
        *known = Known::default();
        let was_sent = |call: &&Call| !matches!(call.answer, Some(Answer::Refused(_)));
        for call in calls.iter().filter(was_sent) {
            if call.call == SET
                && let Ok(written) = serde_json::from_value::<Written>(call.about.clone())
            {
                known.set.insert(written.application.clone(), written);
            }
            if [SET, RESTORE].contains(&call.call.as_str())
                && let Ok(mut sent) = serde_json::from_value::<Sent>(call.about.clone())
            {
                if let Some(Answer::Taken(answer)) = &call.answer {
                    for one in &mut sent.containers {
                        one.made = answer["images"][&one.name].as_str().map(WrittenImage::from).or(one.made.take());
                    }
                }
                known.sent.push(sent);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written() -> Written {
        let images = Images { name: "app".to_owned(), from: "b:2".into(), to: "b:1".into(), made: None };
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
        let back = |object: &Value| written().back(object, object);
        let ours = Container {
            path: "/spec/template/spec/containers/1".to_owned(),
            name: "app".to_owned(),
            image: "b:1".into(),
        };
        assert_eq!(back(&object("b:1", &cause)), Some(vec![(ours, "b:2".into())]));
        assert_eq!(back(&object("b:3", &cause)), None, "another image");
        assert_eq!(back(&object("b:1", "somebody else")), None, "somebody else's doing");
        let mut another = object("b:1", &cause);
        another["metadata"]["uid"] = "v".into();
        assert_eq!(back(&another), None, "another object of that name");
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
            let own = OwnWrites::default();
            own.recall(&[call(answer)]);
            assert_eq!(own.of("dev/deployment/b"), known.then(written));
        }
    }

    const DIGEST: &str = "sha256:cafecafecafecafecafecafecafecafecafecafecafecafecafecafecafecafe";

    /// The image of `app` as it is read, where the journal says this of the write, and this is its cause now.
    fn reads(made: Option<&str>, answer: Option<Answer>, image: &str, cause: &str) -> WrittenImage {
        let mut written = written();
        written.containers[0].made = made.map(WrittenImage::from);
        let about = serde_json::to_value(written).unwrap();
        let own = OwnWrites::default();
        own.recall(&[Call { call: SET.to_owned(), about, answer }]);
        containers(&own.read("dev/deployment/b", &object(image, cause)))[1].image.clone()
    }

    #[test]
    fn what_the_server_made_of_our_image_reads_as_ours_and_nothing_else_does() {
        let cause = written().cause;
        let pinned = format!("b:1@{DIGEST}");
        let taken = |image: &str| Some(Answer::Taken(json!({ "images": { "app": image } })));
        let lost = || Some(Answer::Lost("cut off".to_owned()));
        assert_eq!(reads(None, taken(&pinned), &pinned, "another"), "b:1", "the answer says so");
        assert_eq!(reads(Some(&pinned), None, &pinned, "another"), "b:1", "it was tried before");
        assert_eq!(reads(None, lost(), &pinned, &cause), "b:1", "ours was the last change");
        assert_eq!(reads(None, lost(), &pinned, "another"), *pinned, "whose that is is not known");
        assert_eq!(reads(None, lost(), "b:3", &cause), "b:3", "nothing makes that of it");
        assert_eq!(reads(None, taken("b:1"), &pinned, &cause), *pinned, "somebody pinned it since");
        assert_eq!(reads(None, Some(Answer::Refused("409".to_owned())), &pinned, &cause), *pinned);
    }

    #[test]
    fn what_a_cluster_may_make_of_an_image_is_the_same_image() {
        let pinned = format!("b:1@{DIGEST}");
        let only = format!("r:5000/team/b@{DIGEST}");
        for (made, sent, is_it) in [
            ("b:1", "b:1", true),
            (&*pinned, "b:1", true),
            ("mirror.example/hub/team/b:1", "team/b:1", true),
            (&*only, "r:5000/team/b:1", true),
            ("b:2", "b:1", false),
            ("c:1", "b:1", false),
            ("b:1", &*pinned, true),
            (&*pinned, &*format!("b:1@sha256:{}", "0".repeat(64)), false),
            ("no image!", "no image!", true),
            ("no image!", "b:1", false),
        ] {
            assert_eq!(is_made_of(&made.into(), &sent.into()), is_it, "{made} of {sent}");
        }
    }
}
