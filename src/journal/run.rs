//! One run as its journal tells it.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::line::{self, Damage, Lines};
use super::record::{Answer, Began, Counts, Ended, Kind, Planned, Record, State};

/// The only action whose runs could be resumed before a journal said so by itself (version 1).
const RESUMES: &str = "rollback_service";

/// How many bytes at the beginning and at the end of a journal are read for a [`Run::summary`].
const ENDS: usize = 16 << 10;

/// A run, as far as it was written down.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its id: its number in the folder, a dash, six letters.
    pub id: String,
    /// Its file.
    pub path: PathBuf,
    /// Everything that was written down, in order.
    pub records: Vec<Record>,
    /// The process that began it.
    pub began: Began,
    /// The process that went on with it last; the same where none did.
    pub latest: Began,
    /// What was to be done; none where it ended before that was known.
    pub planned: Option<Planned>,
    /// Where its environment is; none where it ended before that was known.
    pub place: Option<String>,
    /// The last state, and since when.
    pub state: Option<(State, DateTime<Utc>)>,
    /// The calls that were made.
    pub calls: Vec<Call>,
    /// How far a batch came.
    pub counts: Option<Counts>,
    /// How the last process ended; none where it is under way, or died.
    pub ended: Option<Ended>,
}

/// A journal that cannot be read to its end. It can be shown; nobody acts by it.
#[derive(Debug, thiserror::Error)]
#[error("failed to read the journal '{}': {why}", path.display())]
pub struct Unreadable {
    /// Its file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: Why,
    /// The run, as far as its journal goes; none where not even its beginning can be read.
    pub run: Option<Box<Run>>,
}

/// Why a journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// The system does not give it.
    #[error(transparent)]
    NotGiven(#[from] std::io::Error),
    /// It does not say what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
}

impl Unreadable {
    /// Why nothing is done while it is there, and the way out. `unknown` is what it might tell.
    #[must_use]
    pub fn stops(&self, unknown: &str) -> anyhow::Error {
        let path = self.path.to_string_lossy();
        let quoted = |path: &str| shlex::try_quote(path).map_or_else(|_| path.to_owned(), Into::into);
        let (here, aside) = (quoted(&path), quoted(&format!("{path}.damaged")));
        let way_out = match &self.why {
            Why::NotGiven(_) => "Try again as a user who may read it".to_owned(),
            Why::Damaged(Damage { is_newer: true, .. }) => "Try again with that version".to_owned(),
            Why::Damaged(_) => {
                format!("Look at what that run was changing, move the file away by `mv {here} {aside}`, and try again")
            }
        };
        anyhow!("{unknown}: {self}. {way_out}")
    }
}

/// A call to the outside, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its name, in the words of the port that made it.
    pub call: String,
    /// What it was about.
    pub about: Value,
    /// What came of it; none where that was not written down: it may have been sent, or not.
    pub answer: Option<Answer>,
}

impl Run {
    /// Reads the journal of a run.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    pub fn read(path: &Path) -> Result<Self, Unreadable> {
        let id = path.file_stem().unwrap_or_default().to_string_lossy();
        let of = |lines| Self::of(&id, path, lines);
        let unreadable = |why, run: Option<Self>| Unreadable { path: path.to_owned(), why, run: run.map(Box::new) };
        let bytes = std::fs::read(path).map_err(|error| unreadable(error.into(), None))?;
        line::read(&bytes).and_then(of).map_err(|damage| {
            let run = of(damage.before.clone()).ok();
            unreadable(damage.into(), run)
        })
    }

    /// A run by the first and the last line of its journal, if it came to its end; the whole journal is read only of one
    /// that did not, or whose version 1 does not tell it there. What stands between is not looked at: `records` has the two.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    pub fn summary(path: &Path) -> Result<Self, Unreadable> {
        let by_ends = || {
            let file = File::open(path).ok()?;
            let length = file.metadata().ok()?.len();
            let read = |from: u64| {
                let count = usize::try_from(length - from).map_or(ENDS, |rest| rest.min(ENDS));
                let mut bytes = vec![0; count];
                file.read_exact_at(&mut bytes, from).ok()?;
                Some(bytes)
            };
            let head = read(0)?;
            let tail = if length > ENDS as u64 { read(length - ENDS as u64)? } else { head.clone() };
            let (first, Record::Ended(last @ Ended { state: Some(_), .. })) = line::ends(&head, &tail)? else {
                return None;
            };
            let lines = Lines { records: vec![first, Record::Ended(last)], sum: String::new(), length: 0 };
            Self::of(&path.file_stem()?.to_string_lossy(), path, lines).ok()
        };
        by_ends().map_or_else(|| Self::read(path), Ok)
    }

    /// The run that these lines tell of.
    ///
    /// # Errors
    /// When they have no beginning.
    pub fn of(id: &str, path: &Path, lines: Lines) -> Result<Self, Damage> {
        let Some(Record::Began(began)) = lines.records.first().cloned() else {
            return Err(Damage { line: 1, why: "is not the beginning of a run", is_newer: false, before: lines });
        };
        let mut run = Self {
            id: id.to_owned(),
            path: path.to_owned(),
            latest: began.clone(),
            began,
            planned: None,
            place: None,
            state: None,
            calls: Vec::new(),
            counts: None,
            ended: None,
            records: Vec::new(),
        };
        let mut numbers = Vec::new();
        for record in &lines.records {
            match record.clone() {
                Record::Began(began) => {
                    run.latest = began;
                    run.ended = None;
                }
                Record::Planned(planned) => {
                    run.place = Some(planned.place.clone());
                    run.planned = Some(planned);
                }
                Record::State { at, state } => run.state = Some((state, at)),
                Record::Intent { number, call, about, .. } => {
                    numbers.push(number);
                    run.calls.push(Call { call, about, answer: None });
                }
                Record::Answer { number, answer, .. } => {
                    // On a full disk a call that takes something back may be missing; its answer says nothing then.
                    if let Some(place) = numbers.iter().rposition(|known| *known == number) {
                        run.calls[place].answer = Some(answer);
                    }
                }
                Record::Counted { counts, .. } => run.counts = Some(counts),
                Record::Item { .. } => {}
                Record::Ended(ended) => {
                    run.state = run.state.or(ended.state.map(|state| (state, ended.at)));
                    run.place = ended.place.clone().or(run.place);
                    run.ended = Some(ended);
                }
            }
        }
        run.records = lines.records;
        Ok(run)
    }

    /// How it acts.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let known =
            self.planned.as_ref().and_then(|planned| planned.kind).or(self.ended.as_ref().and_then(|end| end.kind));
        known.unwrap_or(if self.began.action == RESUMES { Kind::Set } else { Kind::Batch })
    }

    /// It began to change a set, and did not come to an end. A batch that died is simply run again.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.kind() == Kind::Set && self.state.is_some_and(|(state, _)| state.is_open())
    }

    /// To what end it was; empty where that is not known.
    #[must_use]
    pub fn purpose(&self) -> &str {
        let Some(planned) = &self.planned else { return "" };
        if planned.purpose.is_empty() { planned.plan["purpose"].as_str().unwrap_or_default() } else { &planned.purpose }
    }

    /// All is at its target.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state.is_some_and(|(state, _)| state == State::Done)
    }

    /// What is said of one that died, with both ways out where its program has them.
    #[must_use]
    pub fn died(&self) -> String {
        let (id, Began { action, environment, .. }) = (&self.id, &self.began);
        let Began { who, host, .. } = &self.latest;
        let died = format!("run {id} by {who} on {host} {}", self.died_while());
        match &self.planned {
            Some(Planned { place, option, .. }) if self.is_open() => {
                let about = if environment.is_empty() { String::new() } else { format!(" --env={environment}") };
                let given = format!("--run={id}{about}");
                let option = if option.is_empty() { "all other options" } else { option };
                format!(
                    "{died} on {place}: `{action} resume {given}` finishes it, or takes it back where that cannot be done; \
                     `{action} undo {given}` takes it back ({option} as before; in Ansible --tags resume or undo)"
                )
            }
            _ if self.state.is_some_and(|(state, _)| state.is_open()) => {
                format!("{died}: what it had done stays done; run `{action}` again to go on")
            }
            _ => format!("{died}: it had changed nothing"),
        }
    }

    /// `died while applying`.
    #[must_use]
    pub fn died_while(&self) -> String {
        self.state.map_or_else(|| "died".to_owned(), |(state, _)| format!("died while {state}"))
    }

    /// Whether it was to change this environment there.
    #[must_use]
    pub fn is_of(&self, environment: &str, place: &str) -> bool {
        self.began.environment == environment && self.place.as_deref() == Some(place)
    }

    /// Its number in the folder; 0 for a file of another name.
    #[must_use]
    pub fn number(&self) -> u64 {
        number(&self.id)
    }
}

/// The number that an id begins with.
pub(super) fn number(id: &str) -> u64 {
    id.split('-').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_one_that_died_names_the_options_that_it_had() {
        let at = DateTime::UNIX_EPOCH;
        let said = |environment: &str, option: &str| {
            let (action, environment) = ("set_files".to_owned(), environment.to_owned());
            let began = Record::Began(Began { action, environment, ..Began::default() });
            let planned = Record::Planned(Planned {
                at,
                id: "7".to_owned(),
                place: "files".to_owned(),
                option: option.to_owned(),
                kind: Some(Kind::Set),
                purpose: String::new(),
                subjects: Vec::new(),
                plan: Value::Null,
            });
            let records = vec![began, planned, Record::State { at, state: State::Applying }];
            let lines = Lines { records, sum: String::new(), length: 0 };
            let died = Run::of("1-a", Path::new("1-a.journal"), lines).expect("a run").died();
            died.split_once(" on files: ").expect("its place").1.to_owned()
        };
        assert_eq!(
            said("dev", "--folder"),
            "`set_files resume --run=1-a --env=dev` finishes it, or takes it back where that cannot be done; \
             `set_files undo --run=1-a --env=dev` takes it back (--folder as before; in Ansible --tags resume or undo)"
        );
        assert_eq!(
            said("", ""),
            "`set_files resume --run=1-a` finishes it, or takes it back where that cannot be done; `set_files undo --run=1-a` \
             takes it back (all other options as before; in Ansible --tags resume or undo)"
        );
    }

    #[test]
    fn an_answer_whose_call_could_not_be_written_leaves_the_run_readable() {
        let at = DateTime::UNIX_EPOCH;
        let answer = |number| Record::Answer { at, number, answer: Answer::Taken(Value::Null) };
        let intent = Record::Intent { at, number: 2, call: "restore".to_owned(), about: Value::Null };
        let records = vec![Record::Began(Began::default()), answer(1), intent, answer(2)];
        let lines = Lines { records, sum: String::new(), length: 0 };
        let run = Run::of("1-abcdef", Path::new("1-abcdef.journal"), lines).expect("a run");
        let calls: Vec<_> = run.calls.iter().map(|call| (call.call.as_str(), call.answer.is_some())).collect();
        assert_eq!(calls, [("restore", true)]);
    }
}
