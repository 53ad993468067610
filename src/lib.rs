//! Repair and rollback programs for people whose production is on fire.
//!
//! Three floors, and an arrow only ever points down: `src/bin` holds one file an action; the domains
//! ([`rollback`]) know what is to be done, [`catalogue`] what the toolkit holds, and [`history`] what was run; below them stands what every action shares ([`action`]) and the ports to
//! the world ([`registry`], [`platform`], [`http`]), and at the bottom [`watch`], [`words`] and [`journal`]. [`drill`] is the embedded world for practice, tests and benches.

pub mod action;
pub mod catalogue;
pub mod drill;
pub mod history;
pub mod http;
pub mod journal;
pub mod platform;
pub mod port;
pub mod process;
pub mod registry;
pub mod rollback;
pub mod temporary;
pub mod watch;
pub mod words;
