//! How a run stands: it ended, it is under way, or it died.

use chrono::{DateTime, TimeDelta, Utc};

use crate::action::context::Context;
use crate::action::report::Tone;
use crate::journal::record::{Ended, Record};
use crate::journal::{Run, Unreadable};

/// How a run stands.
#[derive(Debug, Clone, Copy)]
pub enum RunStatus<'a> {
    /// It came to its end.
    Ended(&'a Ended),
    /// Its process is there.
    UnderWay,
    /// Its process is gone, and what it began may be half done.
    DiedOpen,
    /// Its process is gone, and it changed nothing.
    Died,
    /// It has no end, and its process is one of another host.
    Elsewhere,
    /// Its journal tells only how it began.
    Unreadable(&'a Unreadable),
}

impl<'a> RunStatus<'a> {
    /// How this run stands now.
    pub fn of(run: &'a Run, context: &Context) -> Self {
        match (&run.ended, run.is_open(), context.journal.is_alive(run)) {
            (Some(ended), false, _) => Self::Ended(ended),
            // It was told to leave at once, and did not look back.
            (Some(_), true, _) | (None, true, Some(false)) => Self::DiedOpen,
            (None, _, Some(true)) => Self::UnderWay,
            (None, false, Some(false)) => Self::Died,
            (None, _, None) => Self::Elsewhere,
        }
    }

    /// Its name, for programs: an outcome, or what is in its place.
    pub fn name(&self) -> &'a str {
        match self {
            Self::Ended(ended) => &ended.outcome,
            Self::UnderWay => "under_way",
            Self::DiedOpen | Self::Died => "died",
            Self::Elsewhere | Self::Unreadable(_) => "unknown",
        }
    }

    /// How it is shown.
    pub fn tone(&self) -> Tone {
        match self.name() {
            "done" | "nothing_to_do" => Tone::Good,
            "needs_operator" => Tone::Bad,
            _ if matches!(self, Self::DiedOpen) => Tone::Bad,
            _ => Tone::Plain,
        }
    }

    /// What is to be known of a run that has no end, with the ways out.
    pub fn sentence(&self, run: &Run) -> Option<String> {
        let id = &run.id;
        match self {
            Self::Ended(_) => None,
            Self::UnderWay => Some(format!("run {id} is under way, as process {}", run.latest.process)),
            Self::DiedOpen | Self::Died => Some(run.died()),
            Self::Elsewhere => Some(format!(
                "run {id} has no end here: whether it is under way can be seen on {}, as process {}",
                run.latest.host, run.latest.process
            )),
            Self::Unreadable(error) => {
                Some(format!("{error}. What is shown stands before that: how the run went on is not known"))
            }
        }
    }
}

/// How long a run took, or takes until now; until its last word where that is all that is known.
pub fn took(run: &Run, status: RunStatus<'_>, now: DateTime<Utc>) -> TimeDelta {
    let end = match status {
        RunStatus::Ended(ended) => ended.at,
        RunStatus::UnderWay => now,
        RunStatus::DiedOpen | RunStatus::Died | RunStatus::Elsewhere | RunStatus::Unreadable(_) => {
            run.records.last().map_or(run.began.at, Record::at)
        }
    };
    (end - run.began.at).max(TimeDelta::zero())
}

/// `3 s`, `2 min 3 s`, `1 h 2 min`.
pub fn words(took: TimeDelta) -> String {
    let seconds = took.num_seconds();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_two_units() {
        let told = |seconds| words(TimeDelta::seconds(seconds));
        assert_eq!(
            [0, 59, 60, 3599, 3600, 90_061].map(told),
            ["0 s", "59 s", "1 min 0 s", "59 min 59 s", "1 h 0 min", "25 h 1 min"]
        );
    }
}
