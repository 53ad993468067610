//! What a drill can be about. A world starts its servers, breaks something in them, and proves whether that was mended.

use serde::Deserialize;

use super::proof::Proof;
use super::story::ShopState;

/// A world that runs.
pub trait World: Send + Sync {
    /// The environment variables that lead a program of the toolkit, and a script, into this world.
    fn environment(&self) -> Vec<(String, String)>;

    /// What to type in it, for who keeps it up.
    fn commands(&self) -> String;

    /// Where things stand in an environment, and whether that is where they should. None: there is no such environment.
    fn proof(&self, environment: &str, stand: ShopState) -> Option<Proof>;
}

/// What says where things stand in a world, and whether that is where they should.
pub(super) trait Inspect: Send + Sync {
    /// None: there is no such environment.
    fn proof(&self, environment: &str, stand: ShopState) -> Option<Proof>;
}

/// The worlds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Name {
    /// A shop with a broken release: registry, platform.
    #[default]
    Shop,
    /// Transactions that were missed: a queue, a bank, a master.
    Transactions,
    /// Indexes that are broken and bloated: a database, and an application that writes.
    Indexes,
    /// A data pipeline that loses orders: a source, the pipeline, a warehouse, and a test of them.
    Pipeline,
}
