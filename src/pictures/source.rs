//! Where good pictures come from.

use super::template::Template;
use crate::store::{self, Head, Key, Object, StoreError};

/// Why a source does not give a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It does not have it.
    Absent(String),
    /// It does not give it, or what it gives is no good picture.
    NoPicture(String),
    /// It does not answer, or is in trouble: the next may fare no better.
    Unavailable(String),
}

/// Where good pictures come from.
pub struct Source {
    place: Box<dyn store::Source>,
    before: String,
    behind: String,
}

impl Source {
    /// Pictures of a place, where `before` and `behind` stand around a key.
    #[must_use]
    pub fn new(place: Box<dyn store::Source>, before: String, behind: String) -> Self {
        Self { place, before, behind }
    }

    fn name(&self, key: &Key) -> Result<Key, Fault> {
        let unfit = |why| Fault::NoPicture(format!("its name at the source cannot be: {why}"));
        Template::name(&self.before, key, &self.behind).map_err(unfit)
    }

    /// Whether it is there, and answers when it is asked for one of its pictures.
    ///
    /// # Errors
    /// When it is not, or does not.
    pub async fn answers(&self, one: Option<&Key>) -> Result<(), String> {
        self.place.there().await.map_err(|error| format!("of the source: {error}"))?;
        match one {
            Some(key) => match self.head(key).await {
                Err(Fault::Unavailable(why)) => Err(why),
                _ => Ok(()),
            },
            None => Ok(()),
        }
    }

    /// What is said of a picture without fetching it; none where nothing is.
    ///
    /// # Errors
    /// When the source does not answer.
    pub async fn head(&self, key: &Key) -> Result<Option<Head>, Fault> {
        self.place.head(&self.name(key)?).await.map_err(fault)
    }

    /// A picture.
    ///
    /// # Errors
    /// When there is none.
    pub async fn fetch(&self, key: &Key, limit: usize) -> Result<Object, Fault> {
        let object = self.place.get(&self.name(key)?, limit).await.map_err(fault)?;
        object.ok_or_else(|| Fault::Absent("the source does not have it".to_owned()))
    }
}

fn fault(error: StoreError) -> Fault {
    match error {
        StoreError::TooLong(limit) => {
            Fault::NoPicture(format!("what the source has is larger than {} MiB (--largest)", limit >> 20))
        }
        StoreError::Refused(why) => Fault::NoPicture(format!("of the source: {why}")),
        StoreError::Unavailable(why) => Fault::Unavailable(format!("of the source: {why}")),
    }
}
