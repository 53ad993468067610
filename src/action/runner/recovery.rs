//! `resume` and `undo`: what becomes of a run that died, and which run is undone.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::execution::ended;
use super::plan::Recorded;
use super::resume::{forecast, forecast_back, resume, take_back};
use super::scope::{RunScope, name_of};
use super::set::{Applied, ApplyContext};
use super::show::standings_table;
use super::verify::{Set, all_at_target};
use super::vocabulary::Vocabulary;
use crate::action::consent::Proposal;
use crate::action::report::{Finding, Outcome, Table};
use crate::journal::folder::ELSEWHERE;
use crate::journal::{Run, State};
use crate::port::{Change, Settable};

/// What is done about an earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// A run that died is finished, or taken back where that cannot be done.
    Resume,
    /// What a run changed is taken back.
    Undo,
}

/// What there is to recover.
pub enum Found {
    /// A run that died: [`end_run`] ends it.
    Died(Box<Run>),
    /// A run that came to its end, and changed something: the domain plans the way back from it.
    Ended(Box<Run>),
    /// Nothing, and why.
    Nothing(Box<Finding>),
}

impl Recovery {
    /// The run of this id, or the one that is meant where none is given.
    ///
    /// # Errors
    /// When the journals cannot be read, or the run is of another place.
    pub async fn find(self, id: Option<&str>, scope: &RunScope<'_>) -> anyhow::Result<Found> {
        let none = |what: &str| -> anyhow::Result<Found> {
            let (place, journals) = (scope.name(), journals(scope)?);
            Ok(Found::Nothing(Box::new(unknown(&format!("no run {}, by {journals}", what.replace("{}", &place))))))
        };
        let run = match (id, self) {
            (Some(id), _) => chosen(id, scope)?,
            (None, Self::Resume) => match scope.open_run()? {
                Some(run) => run,
                None => return none("of {} died"),
            },
            (None, Self::Undo) => match last(scope)? {
                Some(run) if run.began.command == "undo" => {
                    return Ok(Found::Nothing(Box::new(undone(&run, scope)?)));
                }
                Some(run) => run,
                None => return none("changed {}"),
            },
        };
        Ok(match self {
            _ if run.is_open() => Found::Died(Box::new(run)),
            Self::Resume => Found::Nothing(Box::new(ended_already(scope, &run).await?)),
            Self::Undo if !changed(&run) => Found::Nothing(Box::new(restored(&run))),
            Self::Undo => Found::Ended(Box::new(run)),
        })
    }
}

/// Ends a run that died. No other run may act meanwhile, and how the subjects stand is read first.
///
/// # Errors
/// When something is wrong before anything is written; all later ends are findings.
pub async fn end_run<C: Change + for<'a> Deserialize<'a>>(
    scope: &RunScope<'_>,
    port: &dyn Settable<Change = C>,
    run: &Run,
    recovery: Recovery,
) -> anyhow::Result<Finding> {
    let context = scope.context;
    let holder = context.journal.holder_of(&run.id);
    let _lock = match scope.lock_here(&holder)? {
        Ok(lock) => lock,
        Err(held) => return Ok(held),
    };
    // Whoever had the lock until now may have ended it.
    let run = context.journal.folder()?.run(&run.id)?;
    if !run.is_open() {
        return Ok(nothing(&format!("run {} was ended by another process meanwhile: {}", run.id, how_it_ended(&run))));
    }
    let recorded = Recorded::<C>::read(&run)?;
    let words = scope.words.of(&recorded.purpose);
    let changes = recorded.changes();
    port.recall(&run.calls);
    let set = Set { changes: &changes, initial: recorded.initial(), words };
    let standings = port.look(&changes).await?;
    let wrote = set.wrote(port);
    let legend = match recovery {
        Recovery::Resume => forecast(run.state.map(|(state, _)| state), wrote, &standings, words),
        Recovery::Undo => forecast_back(wrote, &standings).to_owned(),
    };
    let title = format!("Run {}, {}, {}. This is how it stands:", run.id, recorded.purpose, run.died_while());
    let mut table = Table { title, ..standings_table(&set.results(&standings), &standings, words) };
    table.legend.push(legend);
    let about =
        |finding: Finding| finding.with("environment", scope.environment).with("platform", scope.place.address());
    if let Some(finding) = scope.consent.confirm(&proposal(scope, &run, recovery, table), &*context.operator).await? {
        return Ok(about(finding));
    }
    let section = context.interrupt.critical_section();
    let journal = context.journal.go_on(&run.id)?;
    let (limits, watch) = (scope.limits(), &*context.watch);
    let act = async || {
        let does = match recovery {
            Recovery::Resume => "goes on with run",
            Recovery::Undo => "takes back run",
        };
        scope.notifier.say(&format!("{} {does} {} of {}", context.who, run.id, scope.name()), watch).await;
        let apply = ApplyContext { port, words, purpose: &recorded.purpose, limits, section: &section, watch, journal };
        Ok(match recovery {
            Recovery::Resume => resume(&changes, recorded.initial(), apply).await,
            Recovery::Undo => take_back(&changes, recorded.initial(), apply).await,
        })
    };
    match scope.locked_there(&holder, act).await? {
        Ok(applied) => {
            scope.tell(&applied.sentences(words), &applied.message, &section).await;
            Ok(about(ended_as(&applied, recovery, words)))
        }
        Err(held) => Ok(held),
    }
}

/// The end of a run that had died. To have all as before is what `undo` is for.
fn ended_as(applied: &Applied, recovery: Recovery, words: Vocabulary) -> Finding {
    let finding = ended(applied, words);
    let is_there = all_at_target(&applied.results);
    match (recovery, applied.end) {
        (Recovery::Undo, State::Restored) => Finding { outcome: Outcome::Done, changed: true, ..finding },
        (Recovery::Undo, State::Unchanged) => Finding { outcome: Outcome::NothingToDo, ..finding },
        (Recovery::Resume, State::Unchanged) if is_there => Finding { outcome: Outcome::NothingToDo, ..finding },
        _ => finding,
    }
}

fn proposal(scope: &RunScope<'_>, run: &Run, recovery: Recovery, plan: Table) -> Proposal {
    let what = match recovery {
        Recovery::Resume => format!("what run {} left undone", run.id),
        Recovery::Undo => format!("back what run {} did", run.id),
    };
    Proposal { plan, what, place: format!(" in {}", scope.name()), word: scope.protected() }
}

/// Where runs were looked for; and where they were, if it was elsewhere.
fn journals(scope: &RunScope<'_>) -> anyhow::Result<String> {
    let folder = scope.context.journal.folder()?;
    let (runs, _) = folder.runs()?;
    let of = |run: &Run| Some(name_of(&run.began.environment, run.place.as_ref()?));
    let known: BTreeSet<String> = runs.iter().filter_map(of).collect();
    let path = folder.path().display();
    if known.is_empty() {
        return Ok(format!("the journals in '{path}', where no run came to a plan"));
    }
    let known: Vec<_> = known.into_iter().collect();
    Ok(format!("the journals in '{path}', which tell of {}", known.join(", ")))
}

/// The end where no run is known: it may be written down elsewhere.
fn unknown(message: &str) -> Finding {
    Finding { tables: vec![Table::lines(ELSEWHERE)], ..nothing(message) }
}

fn nothing(message: &str) -> Finding {
    Finding::new(Outcome::NothingToDo, format!("{message}: nothing to do"))
}

fn how_it_ended(run: &Run) -> String {
    let end = run.state.map(|(state, _)| state).filter(|state| state.is_end());
    end.map_or_else(|| "it changed nothing".to_owned(), |end| format!("it ended as {end}"))
}

/// A run that came to its end may have died before it gave its lock back.
async fn ended_already(scope: &RunScope<'_>, run: &Run) -> anyhow::Result<Finding> {
    let journal = &scope.context.journal;
    let holder = journal.holder_of(&run.id);
    let _lock = match scope.lock_here(&holder)? {
        Ok(lock) => lock,
        Err(held) => return Ok(held),
    };
    if journal.begin()?.is_some() {
        scope.place.unlock(scope.environment, &holder).await?;
    }
    Ok(nothing(&format!("run {} needs no resume: {}", run.id, how_it_ended(run))))
}

/// The end where the last run was an `undo` itself: to undo once more, as after a lost connection, must not put back what
/// was undone.
fn undone(run: &Run, scope: &RunScope<'_>) -> anyhow::Result<Finding> {
    let id = &run.id;
    let purpose = run.purpose();
    if run.is_open() {
        // It is under way, or it died.
        return Ok(scope
            .refusal()?
            .unwrap_or_else(|| nothing(&format!("run {id} was ended by another process meanwhile"))));
    }
    if run.is_done() {
        let message = format!("the last run, {id}, was an undo already, {purpose}; to undo that one, give --run={id}");
        return Ok(nothing(&message));
    }
    anyhow::bail!("run {id} was to undo, {purpose}, and {}: give --run with the run to undo", how_it_ended(run))
}

/// The end where a run left nothing changed. Nobody means the run before it without saying so.
fn restored(run: &Run) -> Finding {
    nothing(&format!("run {} left nothing changed, for {}; to undo another, give --run", run.id, how_it_ended(run)))
}

/// Whether something of it may still stand.
fn changed(run: &Run) -> bool {
    run.is_open() || run.state.is_some_and(|(state, _)| matches!(state, State::Done | State::NeedsOperator))
}

/// The run of this id, if it was about this environment here.
fn chosen(id: &str, scope: &RunScope<'_>) -> anyhow::Result<Run> {
    let run = scope.context.journal.folder()?.run(id)?;
    let environment = run.began.environment.as_str();
    let elsewhere = run.place.as_deref().filter(|place| *place != scope.place.address());
    let mut give = Vec::new();
    if environment != scope.environment {
        let leave_out = "no --env".to_owned();
        give.push(if environment.is_empty() { leave_out } else { format!("--env={environment}") });
    }
    if elsewhere.is_some() {
        let option = Some(scope.words.option()).filter(|option| !option.is_empty());
        give.push(option.map_or("what names that place".to_owned(), |option| format!("that {option}")));
    }
    if give.is_empty() {
        return Ok(run);
    }
    let there = name_of(environment, run.place.as_deref().unwrap_or_default());
    anyhow::bail!("run {} was about {there}, not about {}: give {}", run.id, scope.name(), give.join(" and "))
}

/// The last run here that changed something, also where all was restored since; but an `undo` that was restored has undone
/// nothing, and is as if it had not been.
fn last(scope: &RunScope<'_>) -> anyhow::Result<Option<Run>> {
    let (runs, unreadable) = scope.context.journal.folder()?.runs()?;
    // The last run may be the one that cannot be read.
    if let Some(journal) = unreadable.first() {
        return Err(journal.stops("which run was the last is not known"));
    }
    let is_restored = |run: &Run| run.state.is_some_and(|(state, _)| state == State::Restored);
    let is_meant = |run: &Run| changed(run) || is_restored(run) && run.began.command != "undo";
    Ok(runs.into_iter().find(|run| run.is_of(scope.environment, scope.place.address()) && is_meant(run)))
}
