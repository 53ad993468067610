//! The port to the two services that settle a transaction: the bank says whether it confirms, and the master stores the result.
//!
//! Their contract is `docs/transactions.openapi.yaml`. Those whose services speak otherwise describe paths, bodies and fields in
//! the [`Services`] that they hand over; no code changes.

mod call;
mod circuit;
mod services;
mod template;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

pub use services::{Bank, Message, Services};

use crate::http::Trust;
use crate::watch::Watch;

/// A transaction that is to be settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Its id.
    pub id: String,
    /// Who issued it.
    pub issuer: String,
    /// All that the queue says of it.
    pub document: Value,
}

/// What the bank says of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Confirmation {
    /// It is to be committed.
    Confirmed,
    /// It is to be cancelled.
    Declined,
    /// The bank does not know yet.
    Pending,
    /// The bank knows of no such transaction.
    Unknown,
}

/// What becomes of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Settled {
    /// The bank confirmed it.
    Committed,
    /// The bank declined it.
    Cancelled,
}

/// Why a service did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It cannot be had now: the same call may succeed later.
    #[error("{0}")]
    Unavailable(String),
    /// It refused, or answers what cannot be understood: the same call would end the same.
    #[error("{0}")]
    Refused(String),
}

/// Both services.
#[async_trait]
pub trait Settlement: Send + Sync {
    /// What the bank says of a transaction.
    ///
    /// # Errors
    /// A [`CallError`].
    async fn confirm(&self, transaction: &Transaction) -> Result<Confirmation, CallError>;

    /// Has the master store what became of a transaction. To ask this twice has one effect: the request bears a key by which the
    /// master knows it.
    ///
    /// # Errors
    /// A [`CallError`].
    async fn store(&self, transaction: &Transaction, settled: Settled) -> Result<(), CallError>;

    /// How many transactions may be settled at the same time.
    fn concurrency(&self) -> usize;

    /// Why no more should be begun: a service has been down for too long. None while that is not so.
    fn is_down(&self) -> Option<String>;

    /// The run is interrupted: from now on no call takes more than a few seconds.
    fn hurry(&self);
}

/// The bank of this name, and the master.
///
/// # Errors
/// When the services have no such bank, or a description that cannot be used ([`Unfit`](crate::port::Unfit)).
pub fn connect(
    services: &Services,
    bank: &str,
    trust: &Trust,
    watch: Arc<dyn Watch>,
) -> anyhow::Result<Arc<dyn Settlement>> {
    Ok(Arc::new(call::Calls::new(services, bank, trust, watch)?))
}
