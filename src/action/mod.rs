//! What every action shares: its manual, arguments, context, report and console.

pub mod watch;
