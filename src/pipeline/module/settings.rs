//! How to get in at a server, as a map of a step says it.

use super::Failure;
use crate::action::arguments::nearest;
use crate::pipeline::value::{Map, Value};
use crate::queue::AskError;

/// A map of settings, of which each key is known.
pub(super) struct Settings<'a> {
    name: &'static str,
    map: &'a Map,
}

impl<'a> Settings<'a> {
    /// The settings of the argument `name`, whose keys are `known`.
    ///
    /// # Errors
    /// When it is no map, or has another key.
    pub(super) fn read(name: &'static str, value: &'a Value, known: &[&str]) -> Result<Self, Failure> {
        let Value::Map(map) = value else {
            return Err(Failure::wrong(format!("`{name}` is {}: a map is expected", value.kind())));
        };
        for key in map.0.keys().map(ToString::to_string) {
            if !known.contains(&key.as_str()) {
                let near = nearest(&key, known.iter().copied());
                let near = near.map(|near| format!("the nearest is '{near}'; ")).unwrap_or_default();
                let known = known.join(", ");
                return Err(Failure::wrong(format!("'{key}' is not known in `{name}`: {near}known are {known}")));
            }
        }
        Ok(Self { name, map })
    }

    /// A setting; none where it is not there, or is nothing.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| **value != Value::Null)
    }

    /// A setting as a text.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.get(key).map(ToString::to_string)
    }

    /// A setting that must be there.
    ///
    /// # Errors
    /// When it is not.
    pub(super) fn required(&self, key: &str) -> Result<String, Failure> {
        self.text(key).ok_or_else(|| Failure::wrong(format!("`{}` needs `{key}`", self.name)))
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Wrong(why) => Self::wrong(why),
            AskError::Lost(why) => Self::unreachable(why),
            AskError::Refused(why) => Self::failed(why),
        }
    }
}
