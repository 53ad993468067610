//! A subject for tests that is nothing but a name and a value.

use serde::{Deserialize, Serialize};

use crate::port::Change;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thing {
    pub id: String,
    pub before: String,
    pub after: String,
    pub revision: u64,
}

impl Thing {
    pub fn new(id: &str, before: &str, after: &str) -> Self {
        Self { id: id.to_owned(), before: before.to_owned(), after: after.to_owned(), revision: 1 }
    }
}

impl Change for Thing {
    fn subject(&self) -> &str {
        self.id.rsplit('/').next().unwrap_or(&self.id)
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn before(&self) -> String {
        self.before.clone()
    }

    fn after(&self) -> &str {
        &self.after
    }
}
