//! What is written down of a run, one record a line.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who runs an action, as far as the environment tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// The user of the process.
    pub user: String,
    /// The user who called sudo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sudo_user: Option<String>,
    /// The Jenkins build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// The person who approved it in Jenkins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<String>,
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.sudo_user.as_deref().unwrap_or(&self.user))?;
        if let Some(approver) = &self.approver {
            write!(f, ", approved by {approver}")?;
        }
        if let Some(build) = &self.build {
            write!(f, ", {build}")?;
        }
        Ok(())
    }
}

/// One record of a run's journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// A process began the run, or went on with one that died.
    Began(Began),
    /// What is to be done.
    Planned(Planned),
    /// How far it came.
    State {
        /// When.
        at: DateTime<Utc>,
        /// The state that begins now.
        state: State,
    },
    /// A call that is about to be made.
    Intent {
        /// When.
        at: DateTime<Utc>,
        /// Its number within the run, from 1.
        number: u64,
        /// Its name, in the words of the port that makes it.
        call: String,
        /// What that port needs to know of it later.
        about: Value,
    },
    /// What came of a call.
    Answer {
        /// When.
        at: DateTime<Utc>,
        /// The number of its intent.
        number: u64,
        /// What came of it.
        answer: Answer,
    },
    /// A process came to its end by itself.
    Ended(Ended),
}

impl Record {
    /// When it was written.
    #[must_use]
    pub fn at(&self) -> DateTime<Utc> {
        match self {
            Self::Began(Began { at, .. })
            | Self::Planned(Planned { at, .. })
            | Self::State { at, .. }
            | Self::Intent { at, .. }
            | Self::Answer { at, .. }
            | Self::Ended(Ended { at, .. }) => *at,
        }
    }
}

/// A process that began a run, or went on with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Began {
    /// When.
    pub at: DateTime<Utc>,
    /// The program.
    pub action: String,
    /// Its command.
    pub command: String,
    /// The environment that it is about; empty for one that has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub environment: String,
    /// The program's version.
    pub version: String,
    /// Who ran it.
    pub who: Who,
    /// The host that it ran on.
    pub host: String,
    /// The process there.
    pub process: u32,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// When.
    pub at: DateTime<Utc>,
    /// The plan's id: the beginning of its SHA-256. Equal plans have equal ids.
    pub id: String,
    /// Where its environment is, without credentials.
    pub place: String,
    /// The plan, as its action reads it.
    pub plan: Value,
}

/// The end of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: DateTime<Utc>,
    /// How: an outcome of the report.
    pub outcome: String,
    /// The outcome in a sentence.
    pub message: String,
    /// What became of each service or step.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub results: Value,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It was taken; with what the answer said that tells later what is ours.
    Taken(Value),
    /// It was refused, or never left: it changed nothing.
    Refused(String),
    /// It was sent, and what became of it is not known.
    Lost(String),
}

/// How far a run came: planned → locked → applying → verifying → done, or going back → restored; or an operator is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is known what is to be done, and somebody agreed.
    Planned,
    /// Nobody else acts there.
    Locked,
    /// Something is written.
    Applying,
    /// All was written; it is looked how things stand.
    Verifying,
    /// All is at its target.
    Done,
    /// What was written is taken back.
    GoingBack,
    /// All is as before.
    Restored,
    /// Nothing was changed.
    Unchanged,
    /// Something is neither at its target nor as before.
    NeedsOperator,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Planned,
        Self::Locked,
        Self::Applying,
        Self::Verifying,
        Self::Done,
        Self::GoingBack,
        Self::Restored,
        Self::Unchanged,
        Self::NeedsOperator,
    ];

    /// Nothing comes after it.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::Done | Self::Restored | Self::Unchanged | Self::NeedsOperator)
    }

    /// Something was written, or may have been, and it is not known how that ended.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Applying | Self::Verifying | Self::GoingBack)
    }

    /// Whether a run may come from this state to the next. A run that died is gone on with from the state it died in.
    #[must_use]
    pub fn leads_to(self, next: Self) -> bool {
        match self {
            Self::Planned => matches!(next, Self::Locked | Self::Unchanged),
            Self::Locked => matches!(next, Self::Applying | Self::Unchanged),
            Self::Applying => {
                matches!(
                    next,
                    Self::Applying | Self::Verifying | Self::GoingBack | Self::Unchanged | Self::NeedsOperator
                )
            }
            Self::Verifying => {
                matches!(
                    next,
                    Self::Applying
                        | Self::Verifying
                        | Self::Done
                        | Self::GoingBack
                        | Self::Unchanged
                        | Self::NeedsOperator
                )
            }
            Self::GoingBack => matches!(next, Self::GoingBack | Self::Restored | Self::NeedsOperator),
            Self::Done | Self::Restored | Self::Unchanged | Self::NeedsOperator => false,
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Planned => "planned",
            Self::Locked => "locked",
            Self::Applying => "applying",
            Self::Verifying => "verifying",
            Self::Done => "done",
            Self::GoingBack => "going back",
            Self::Restored => "restored",
            Self::Unchanged => "unchanged",
            Self::NeedsOperator => "needs an operator",
        })
    }
}
