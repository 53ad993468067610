//! What a drill can be about. A world starts its servers, breaks something in them, and proves whether that was mended.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::proof::Proof;
use super::story::Stand;

/// A world that runs.
pub trait World: Send + Sync {
    /// The environment variables that lead a program of the toolkit, and a script, into this world.
    fn environment(&self) -> Vec<(String, String)>;

    /// What to type in it, for who keeps it up.
    fn commands(&self) -> String;
}

/// What says where things stand in a world, and whether that is where they should.
pub(super) trait Inspect: Send + Sync {
    /// None: there is no such environment.
    fn proof(&self, environment: &str, stand: Stand) -> Option<Proof>;
}

/// The worlds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Name {
    /// A shop with a broken release: registry, platform.
    #[default]
    Shop,
    /// Transactions that were missed: a queue, a bank, a master.
    Transactions,
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "shop" => Ok(Self::Shop),
            "transactions" => Ok(Self::Transactions),
            _ => Err(format!("'{text}' is no world: these are shop, transactions")),
        }
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shop => "shop",
            Self::Transactions => "transactions",
        })
    }
}
