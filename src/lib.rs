//! Repair and rollback programs for people whose production is on fire.
//!
//! Three floors, and an arrow only ever points down: `src/bin` holds one file an action; the domains (`rollback`, `transactions`, `indexes`, `leaders`) know what
//! is to be done, `catalogue` what the toolkit holds, and `history` what was run; below them stands what every action shares
//! ([`action`]) and the ports to the world (`registry`, `platform`, `queue`, `cluster`, `settlement`, `sql`, `http`), and at the bottom [`watch`], [`words`]
//! and [`journal`].
//! `drill` is the embedded world for practice, tests and benches.
//!
//! Each domain and each port is a feature of the same name: a program is compiled with those that it uses.

pub mod action;
pub mod address;
#[cfg(feature = "catalogue")]
pub mod catalogue;
#[cfg(feature = "cluster")]
pub mod cluster;
#[cfg(feature = "drill")]
pub mod drill;
#[cfg(feature = "history")]
pub mod history;
#[cfg(feature = "http")]
pub mod http;
pub mod image;
#[cfg(feature = "indexes")]
pub mod indexes;
pub mod journal;
#[cfg(feature = "leaders")]
pub mod leaders;
#[cfg(feature = "pictures")]
pub mod pictures;
#[cfg(feature = "pipeline")]
pub mod pipeline;
#[cfg(feature = "platform")]
pub mod platform;
pub mod poll;
pub mod port;
pub mod process;
#[cfg(feature = "queue")]
pub mod queue;
#[cfg(feature = "registry")]
pub mod registry;
#[cfg(feature = "rollback")]
pub mod rollback;
#[cfg(feature = "settlement")]
pub mod settlement;
#[cfg(feature = "sql")]
pub mod sql;
#[cfg(feature = "store")]
pub mod store;
pub mod temporary;
#[cfg(feature = "transactions")]
pub mod transactions;
pub mod watch;
pub mod words;
#[cfg(feature = "yaml")]
pub mod yaml;
