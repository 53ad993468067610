//! The objects, each with what the server itself writes into it: uid, resource version, generation, time of creation.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::resource::{Key, Resource};
use crate::drill::registry::digest;

/// All objects of the cluster.
#[derive(Debug, Default)]
pub(super) struct Store {
    objects: BTreeMap<Key, Value>,
    /// Of the last write, to whatever object.
    revision: u64,
    made: u64,
    /// The time, while the past is played. None: as the clock says.
    pub(super) then: Option<DateTime<Utc>>,
}

/// An instant as objects write it.
pub(super) fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

impl Store {
    pub(super) fn get(&self, key: &Key) -> Option<&Value> {
        self.objects.get(key)
    }

    /// The objects of a kind, of one namespace or of all, in the order of their names.
    pub(super) fn list(&self, resource: Resource, namespace: &str) -> impl Iterator<Item = (&Key, &Value)> {
        let first = Key::new(resource, namespace, "");
        let all = namespace.is_empty();
        self.objects.range(first..).take_while(move |(key, _)| key.resource == resource).take_while({
            let namespace = namespace.to_owned();
            move |(key, _)| all || key.namespace == namespace
        })
    }

    /// The objects of a kind that an object owns.
    pub(super) fn owned(&self, resource: Resource, owner: &Value) -> Vec<Key> {
        let namespace = owner["metadata"]["namespace"].as_str().unwrap_or_default();
        let is_owned = |object: &Value| object["metadata"]["ownerReferences"][0]["uid"] == owner["metadata"]["uid"];
        self.list(resource, namespace).filter(|(_, object)| is_owned(object)).map(|(key, _)| key.clone()).collect()
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.then.unwrap_or_else(Utc::now)
    }

    /// Of the last write: what a list says of itself.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// An object as it would be made: complete, and not there yet.
    pub(super) fn draft(&mut self, key: &Key, mut object: Value) -> Value {
        object["apiVersion"] = json!(key.resource.version());
        object["kind"] = json!(key.resource.kind());
        let metadata = &mut object["metadata"];
        metadata["name"] = json!(key.name);
        if !key.namespace.is_empty() {
            metadata["namespace"] = json!(key.namespace);
        }
        metadata["uid"] = json!(self.uid());
        metadata["creationTimestamp"] = json!(written(self.now()));
        if key.resource.is_workload() || key.resource == Resource::ReplicaSets {
            metadata["generation"] = json!(1);
        }
        object
    }

    /// Puts an object there and gives it as it is kept.
    pub(super) fn insert(&mut self, key: &Key, mut object: Value) -> &Value {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        self.objects.insert(key.clone(), object);
        &self.objects[key]
    }

    /// Makes an object that a controller wants.
    pub(super) fn make(&mut self, key: &Key, object: Value) {
        let object = self.draft(key, object);
        self.insert(key, object);
    }

    /// Changes an object, if it is there. What leaves it as it is is no write.
    pub(super) fn change(&mut self, key: &Key, change: impl FnOnce(&mut Value)) {
        let Some(object) = self.objects.get_mut(key) else { return };
        let mut changed = object.clone();
        change(&mut changed);
        if changed != *object {
            self.revision += 1;
            changed["metadata"]["resourceVersion"] = json!(self.revision.to_string());
            *object = changed;
        }
    }

    /// Changes what an object is to be: its generation goes up.
    pub(super) fn change_spec(&mut self, key: &Key, field: &str, value: Value) {
        self.change(key, |object| {
            if object["spec"][field] != value {
                object["spec"][field] = value;
                object["metadata"]["generation"] = json!(object["metadata"]["generation"].as_u64().unwrap_or(0) + 1);
            }
        });
    }

    /// Takes an object away, and with it all that it owns.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Value> {
        let object = self.objects.remove(key)?;
        self.revision += 1;
        for resource in Resource::ALL {
            for owned in self.owned(resource, &object) {
                self.remove(&owned);
            }
        }
        Some(object)
    }

    /// A name that was never given before.
    fn uid(&mut self) -> String {
        self.made += 1;
        let hex = digest(format!("drill {}", self.made).as_bytes());
        let hex = hex.trim_start_matches("sha256:");
        format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
    }

    /// A few letters that were never given before, for the names of pods.
    pub(super) fn suffix(&mut self) -> String {
        let uid = self.uid();
        letters(uid.as_bytes(), 5)
    }
}

/// A hash as the controllers write it into names: without vowels, so that it is no word.
pub(super) fn letters(bytes: &[u8], count: usize) -> String {
    const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let hex = digest(bytes);
    let pairs = hex.trim_start_matches("sha256:").as_bytes().chunks(2).take(count);
    let number =
        |pair: &[u8]| pair.iter().fold(0, |sum, digit| sum * 16 + char::from(*digit).to_digit(16).unwrap_or(0));
    pairs.map(|pair| char::from(LETTERS[number(pair) as usize % LETTERS.len()])).collect()
}

/// A whole number in an object; 0 where there is none, as the real ones leave a 0 out.
pub(super) fn number(object: &Value, pointer: &str) -> u64 {
    object.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

/// What an object says of its owner.
pub(super) fn owner(object: &Value) -> Value {
    json!([{
        "apiVersion": object["apiVersion"], "kind": object["kind"], "name": object["metadata"]["name"],
        "uid": object["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    }])
}
