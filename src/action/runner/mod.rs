//! The runner: how an action carries out what it planned, the same for all.
//!
//! A **set** is all or nothing: [`Execution`] shows the plan, asks, locks, applies, looks, and goes back where one subject
//! is not at its target. [`Recovery`] ends a run that died, or finds the one to undo. A **batch** is many independent items
//! ([`BatchExecution`]): each ends by itself, and what is left is for the next run. A **judge** acts only to find out
//! ([`judged`]).
//!
//! A domain brings its plan as rows ([`SetPlan`]) and a port ([`Settable`](crate::port::Settable)) that makes the changes
//! ([`OneByOne`] is one for values of any kind), or its items ([`Batch`]); all else is done here: consent,
//! the lock of this host and that of the place ([`RunScope`]), refusal over an unfinished run, the journal's states,
//! limits, interrupts, Slack, progress, and the end.

mod batch;
#[cfg(test)]
mod batch_simulation;
mod execution;
mod judge;
mod plan;
mod recovery;
mod resume;
mod scope;
mod set;
mod show;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod testing;
mod values;
mod verify;
mod vocabulary;

pub use batch::{Batch, BatchExecution, BatchPlan, Each, ItemEnd, carry_out};
pub use execution::Execution;
pub use judge::{Judged, Judgement, judged};
pub use plan::{Recorded, RecordedStep, Row, SetPlan};
pub use recovery::{Found, Recovery, end_run};
pub use scope::RunScope;
pub use set::{Applied, Limits};
pub use show::{plan_table, plan_values};
pub use values::{OneByOne, ValueChange, Values};
pub use verify::{ItemResult, Verdict};
pub use vocabulary::{PLAIN, UNDOES, Vocabulary};
