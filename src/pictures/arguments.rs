//! What the command line says.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::keys::{Keys, of_database, of_file};
use super::look::Gallery;
use super::source::Source;
use super::template::{PLACE, Template};
use crate::action::arguments::UsageError;
use crate::action::standard::{self, Standard, Trusted, number_up_to};
use crate::http::Address;
use crate::port::Unfit;
use crate::store::{Access, Store, Web, connect};
use crate::watch::Watch;

/// More at a time help nobody.
const MOST_JOBS: u64 = 256;
/// The largest picture that can be asked for, in MiB: each that is worked on is in memory.
const MOST_MIB: u64 = 256;

/// docopt's values.
#[derive(Debug, Deserialize)]
pub struct Arguments {
    cmd_get: bool,
    pub(super) arg_standard: Standard,
    pub(super) flag_source: Address,
    pub(super) flag_target: Address,
    flag_keys: Option<PathBuf>,
    flag_limit: Option<String>,
    flag_query: Option<String>,
    flag_database: Option<Address>,
    flag_access: Option<SecretString>,
    flag_jobs: String,
    flag_largest: String,
    pub(super) flag_stale: bool,
    arg_trusted: Trusted,
}

impl Arguments {
    /// Whether it only looks.
    #[must_use]
    pub fn looks(&self) -> bool {
        self.cmd_get
    }

    /// How many pictures are worked on at the same time.
    ///
    /// # Errors
    /// When it is no such number.
    pub(super) fn jobs(&self) -> Result<usize, UsageError> {
        up_to("--jobs", &self.flag_jobs, "pictures", MOST_JOBS)
    }

    /// The keys, read.
    ///
    /// # Errors
    /// When it is not said which, or they cannot be read.
    pub(super) async fn keys(&self) -> anyhow::Result<Keys> {
        let limit = standard::limit("--limit", self.flag_limit.as_deref(), "keys")?;
        let limit = limit.map_or(u64::MAX, |limit| limit as u64);
        let query = self.flag_query.as_deref().map(str::trim).filter(|query| !query.is_empty());
        let usage = |why: &str| Err(UsageError(why.to_owned()).into());
        let keys = match (self.flag_keys.as_deref().filter(|path| !path.as_os_str().is_empty()), query) {
            // What the environment always gives stands back behind what is said for this time.
            (Some(path), _) => of_file(path, limit)?,
            (None, Some(query)) => match &self.flag_database {
                Some(database) if !database.whole().is_empty() => {
                    of_database(database, query, limit, &self.arg_trusted.trust()).await?
                }
                _ => return usage("--query needs --database (or FIREBREAK_DATABASE): where it is asked"),
            },
            (None, None) => return usage("--keys or --query is needed: of which pictures"),
        };
        match keys.bad.first() {
            None if keys.count == 0 => anyhow::bail!("there are no keys: nothing was looked at. Nothing was changed"),
            Some((place, why)) if keys.count == 0 => {
                anyhow::bail!("none of the {} keys can be used; {place}: {why}. Nothing was changed", keys.bad_count)
            }
            _ => Ok(keys),
        }
    }

    /// Where pictures come from and where they belong.
    ///
    /// # Errors
    /// When one of the two is no such place.
    pub(super) fn gallery(&self, watch: &Arc<dyn Watch>) -> anyhow::Result<Gallery> {
        let trust = self.arg_trusted.trust();
        let access = self.flag_access.as_ref().filter(|access| !access.expose_secret().trim().is_empty());
        let access = access.map(Access::read).transpose()?;
        let open = |address: &str| -> anyhow::Result<Box<dyn Store>> { connect(address, access.clone(), &trust) };
        let (source, target) = (self.flag_source.whole(), self.flag_target.whole());
        let (from, to) = (Template::read("--source", source)?, Template::read("--target", target)?);
        if from == to {
            return Err(Unfit("--source and --target are the same place".to_owned()).into());
        }
        let Template::Store { address, before, behind } = to else {
            return Err(Unfit("--target is a folder or s3://…: pictures cannot be put to a URL".to_owned()).into());
        };
        if let Some(why) = endings_differ(source, target) {
            watch.warn(&why);
        }
        let target = open(&address)?;
        let source = match from {
            Template::Url(pattern) => {
                Source::new(Box::new(Web::open(pattern, &trust, watch)?), String::new(), String::new())
            }
            Template::Store { address, before, behind } => Source::new(open(&address)?, before, behind),
        };
        let largest = up_to("--largest", &self.flag_largest, "MiB", MOST_MIB)? << 20;
        Ok(Gallery::new(source, target, (before, behind), largest, Arc::clone(watch)))
    }
}

/// What is odd where only one of two places has an ending such as `.png` behind its key.
fn endings_differ(source: &str, target: &str) -> Option<String> {
    let ending = |place: &str| {
        let behind = place.split('?').next()?.split_once(PLACE)?.1;
        behind.starts_with('.').then(|| behind.to_owned())
    };
    let odd = |one: &str, ending: &str, other: &str| {
        format!("behind the key, {one} has '{ending}' and {other} has nothing: is {PLACE}{ending} missing there?")
    };
    match (ending(source), ending(target)) {
        (Some(ending), None) => Some(odd("--source", &ending, "--target")),
        (None, Some(ending)) => Some(odd("--target", &ending, "--source")),
        _ => None,
    }
}

fn up_to(option: &str, text: &str, unit: &str, most: u64) -> Result<usize, UsageError> {
    number_up_to(option, text, unit, most).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}
