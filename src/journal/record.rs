//! What is written down of a run, one record a line.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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
    /// How far a batch has come.
    Counted {
        /// When.
        at: DateTime<Utc>,
        /// How its items ended so far.
        counts: Counts,
    },
    /// An item of a batch needs somebody.
    Item {
        /// When.
        at: DateTime<Utc>,
        /// The item.
        item: String,
        /// It failed, or was set aside.
        end: ItemState,
        /// Why.
        why: String,
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
            | Self::Counted { at, .. }
            | Self::Item { at, .. }
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
    /// What was asked, by the options' names; never a secret. Since version 2.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub asked: Map<String, Value>,
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
    /// The option of its program that names the place: `--platform`; empty where none does, or that was not written down.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub option: String,
    /// How the run acts, and so what ends it where it dies. Since version 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// To what end: `back to 2026-11-20`. Since version 2; before, a member of the plan.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub purpose: String,
    /// What is changed, in order; empty for a batch. Since version 2.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<Subject>,
    /// The plan, as its action reads it.
    pub plan: Value,
}

/// One subject of a plan: from what to what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The subject, as people call it.
    pub subject: String,
    /// What it was.
    pub before: String,
    /// What it was to be.
    pub after: String,
}

/// How a run acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// All or nothing. One that died is finished by `resume`, or taken back by `undo`.
    Set,
    /// Many independent items. One that died is run again.
    Batch,
    /// It finds something out, and leaves nothing behind. One that died is run again.
    Judge,
}

/// How the items of a batch ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// What was to be done with them is done.
    pub done: u64,
    /// They stay as they are, for a later run.
    pub left: u64,
    /// They failed: somebody must look.
    pub failed: u64,
    /// They were put where they are in nobody's way: somebody must look.
    pub set_aside: u64,
}

impl Counts {
    /// The items that somebody must look at.
    #[must_use]
    pub fn need_somebody(&self) -> u64 {
        self.failed + self.set_aside
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.done + self.left + self.need_somebody()
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} done", self.done)?;
        for (count, word) in [(self.left, "left"), (self.failed, "failed"), (self.set_aside, "set aside")] {
            if count > 0 {
                write!(f, ", {count} {word}")?;
            }
        }
        Ok(())
    }
}

impl std::fmt::Display for ItemState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Left => "left",
            Self::Failed => "failed",
            Self::SetAside => "set aside",
        })
    }
}

/// How an item ended that is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemState {
    /// It stays as it is, for a later run.
    Left,
    /// It failed.
    Failed,
    /// It was put where it is in nobody's way.
    SetAside,
}

/// The end of a process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The last state of the run, so that its last line tells how it stands. Since version 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Where its environment is. Since version 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// How the run acted. Since version 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
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
    /// Something is neither at its target nor as before; of a batch, that items failed or were set aside.
    NeedsOperator,
    /// A batch ended before all its items were done: what is done stays done, and the next run goes on.
    Stopped,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Planned,
        Self::Locked,
        Self::Applying,
        Self::Verifying,
        Self::Done,
        Self::GoingBack,
        Self::Restored,
        Self::Unchanged,
        Self::NeedsOperator,
        Self::Stopped,
    ];

    /// Nothing comes after it.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::Done | Self::Restored | Self::Unchanged | Self::NeedsOperator | Self::Stopped)
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
                // A batch has no way back, and each item is judged where it is done.
                matches!(
                    next,
                    Self::Applying
                        | Self::Verifying
                        | Self::GoingBack
                        | Self::Unchanged
                        | Self::NeedsOperator
                        | Self::Done
                        | Self::Stopped
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
            Self::Done | Self::Restored | Self::Unchanged | Self::NeedsOperator | Self::Stopped => false,
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
            Self::Stopped => "stopped",
        })
    }
}
