//! The port to a cluster that has one leader: how its members stand, and to move the leadership from one to another.
//!
//! [`survey`](mod@survey) is pure: what the members say, what a majority of them agrees on, and what makes a move dangerous.
//! A [`Kind`] knows how its members are asked; [`Cluster`] moves a leadership by it, the same for each.

mod address;
mod asked;
pub mod etcd;
mod gap;
mod mover;
pub mod patroni;
pub mod survey;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::http::{Address, Identity, Trust};
use crate::journal::{Answer, Ledger};
use crate::port::{self, Unfit};
pub use gap::Gap;
pub use mover::Cluster;
pub use survey::{Member, Role, Said, Survey};

/// A member, as a change names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// As its cluster calls it.
    pub id: String,
    /// As people call it.
    pub name: String,
}

/// A leadership that is moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The cluster's id: no other cluster is touched, though it answer at the same place.
    pub cluster: String,
    /// The cluster, as people call it.
    pub name: String,
    /// Who led when this was planned.
    pub from: Seat,
    /// Who is to lead.
    pub to: Seat,
    /// How far behind the leader the member that is to lead may be, in the [unit](Facts::unit) of its cluster.
    pub max_lag: u64,
}

impl Move {
    /// The way back.
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self { from: self.to.clone(), to: self.from.clone(), ..self.clone() }
    }
}

impl port::Change for Move {
    fn subject(&self) -> &str {
        &self.name
    }

    fn id(&self) -> &str {
        &self.cluster
    }

    fn before(&self) -> String {
        self.from.name.clone()
    }

    fn after(&self) -> &str {
        &self.to.name
    }
}

/// What is so in each cluster of a kind.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// What a lag is counted in: `entries`, `bytes`.
    pub unit: &'static str,
    /// What a term is called there: `term`, `timeline`.
    pub term: &'static str,
    /// How far behind a member may be that is to lead, where nobody says otherwise.
    pub max_lag: u64,
    /// How long the answer to a move is waited for, at most.
    pub patience: Duration,
    /// How long after its caller is gone a move can still come about.
    pub settles: Duration,
    /// Between two questions whether clients are served.
    pub pace: Duration,
    /// What is asked for that: `a linearizable read`.
    pub question: &'static str,
}

/// How the members of one kind of cluster are asked.
#[async_trait]
pub trait Kind: Send + Sync {
    /// Where it is, without credentials.
    fn address(&self) -> &str;

    /// What is so in each cluster of this kind.
    fn facts(&self) -> Facts;

    /// What each member says now; each has a deadline, and one that says nothing is in it with the reason.
    ///
    /// # Errors
    /// When no member says anything, or the credentials are refused.
    async fn survey(&self) -> anyhow::Result<Survey>;

    /// Asks the leader to hand its leadership over, and waits for its answer. Whoever calls this bounds the time, and believes
    /// no answer.
    async fn hand_over(&self, leader: &Member, to: &Member) -> Answer;

    /// Whether a client of these members is served now. The first of them is asked where one is enough.
    async fn serves(&self, members: &[Member]) -> bool;

    /// What a person types to move the leadership, for the shell.
    fn by_hand(&self, from: &Seat, to: &Seat) -> String;

    /// What a person types to see how the members stand, for the shell.
    fn look_into(&self) -> String;
}

/// How a cluster is reached.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Whose certificates are believed.
    pub trust: Trust,
    /// The certificate that the members are shown, if one is.
    pub identity: Option<Identity>,
}

/// The cluster at a URL, whose moves are held by this ledger. Nothing is asked yet.
///
/// # Errors
/// When the URL names no cluster that is known ([`Unfit`]), or a file of `access` cannot be used.
pub fn connect(url: &Address, access: &Access, ledger: Arc<dyn Ledger>) -> anyhow::Result<Cluster> {
    let place = address::Place::read(url)?;
    let http = crate::http::patient_client(&access.trust, access.identity.as_ref())?;
    let kind: Arc<dyn Kind> = match place.kind {
        address::Known::Etcd => Arc::new(etcd::Etcd::new(place, http)),
        address::Known::Patroni => Arc::new(patroni::Patroni::new(place, http)),
    };
    Ok(Cluster::new(kind, ledger))
}
