//! `resume` and `undo`: what becomes of a run that died, and of one that ended and is regretted.

use std::collections::BTreeSet;

use super::apply::{Applied, Hands};
use super::arguments::{Again, pull_login};
use super::deed::Deed;
use super::recorded::Recorded;
use super::resume::{forecast, forecast_back, resume, take_back};
use super::reverse::reverse;
use super::run::{check_images, note_before, note_platform, note_standing, nothing_to_do, resolve};
use super::show::standings_table;
use super::site::Site;
use super::undertaking::{Undertaking, ended};
use super::verify::{Set, all_at_target};
use crate::action::consent::{Consent, Proposal, is_production};
use crate::action::context::Context;
use crate::action::notify::Notifier;
use crate::action::report::{Finding, Outcome, Table};
use crate::http;
use crate::journal::{Run, State};
use crate::platform::Platform;

/// Which way it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// `resume`: a run that died is finished, or taken back where that cannot be done.
    Forth,
    /// `undo`: what a run changed is taken back.
    Back,
}

/// Ends a run that died, or plans the way back from one that came to its end.
///
/// # Errors
/// When something is wrong before anything is written; all later ends are findings.
pub async fn again(again: &Again, way: Way, context: &Context) -> anyhow::Result<Finding> {
    let http = http::client(&again.shared.trust)?;
    let platform = platform(again, &http, context).await?;
    let notifier = Notifier::new(&http, again.means.slack.clone());
    let site = Site {
        means: &again.means,
        environment: &again.shared.environment,
        platform: &*platform,
        notifier: &notifier,
        context,
    };
    let run = match (&again.run, way) {
        (Some(id), _) => chosen(id, &site)?,
        (None, Way::Forth) => match site.open_run()? {
            Some(run) => run,
            None => return Ok(nothing(&format!("no run of {} died, by {}", place(&site), journals(&site)?))),
        },
        (None, Way::Back) => match last(&site)? {
            Some(run) if run.began.command == "undo" => return undone(&run, &site),
            Some(run) if !changed(&run) => return Ok(restored(&run)),
            Some(run) => run,
            None => return Ok(nothing(&format!("no run changed {}, by {}", place(&site), journals(&site)?))),
        },
    };
    match way {
        _ if run.is_open() => end(&site, &run, way).await,
        Way::Forth => ended_already(&site, &run).await,
        Way::Back => undo(again, site, &run, http.clone()).await,
    }
}

/// Restores what a run changed that came to its end.
async fn undo(again: &Again, site: Site<'_>, run: &Run, http: http::Client) -> anyhow::Result<Finding> {
    let Site { platform, context, .. } = site;
    if !changed(run) {
        return Ok(restored(run));
    }
    let recorded = recorded(run)?;
    if site.means.consent != Consent::Withheld {
        context.journal.begin()?;
    }
    if let Some(refusal) = site.refusal()? {
        return Ok(refusal);
    }
    let registry = again.shared.registry.clone().unwrap_or_else(|| recorded.registry.as_str().into());
    let registry = again.shared.registry_at(&registry, false, http, context)?;
    platform.recall(&run.calls);
    let wrote: Vec<bool> = recorded.steps.iter().map(|step| platform.wrote(&step.change)).collect();
    platform.recall(&[]);
    let mut plan = reverse(&recorded, &wrote, &site.workloads().await?, &run.id)?;
    resolve(&mut plan, &registry, context).await?;
    let unwell = note_standing(&mut plan, platform).await?;
    let changing = plan.steps.iter().filter(|step| !step.unchanged);
    check_images(changing, &registry, "choose a date for `rollback_service run`", context).await?;
    note_before(&mut plan, &registry, context).await;
    note_platform(&mut plan, platform);
    let purpose = Deed::undoing(&run.id);
    let images = format!(", which went {}", recorded.purpose);
    let undertaking = Undertaking { site, plan, purpose, images, registry: registry.address().to_owned() };
    undertaking.go(|| nothing_to_do(&format!("as before run {}", run.id), &unwell)).await
}

/// The platform. An engine pulls from the registry that is given, or that the last run of the environment used.
async fn platform(again: &Again, http: &http::Client, context: &Context) -> anyhow::Result<Box<dyn Platform>> {
    let Again { shared, means, .. } = again;
    let is_ours = |run: &Run| run.began.environment == shared.environment;
    let (runs, _) = context.journal.folder()?.runs()?;
    let used =
        || runs.iter().filter(|run| is_ours(run)).find_map(Recorded::read).map(|recorded| recorded.registry.into());
    let login = match shared.registry.clone().or_else(used) {
        Some(url) => pull_login(&shared.registry_at(&url, false, http.clone(), context)?),
        None => None,
    };
    means.place.connect(&shared.environment, login, http, context).await
}

/// A run that came to its end may have died before it gave its lock back.
async fn ended_already(site: &Site<'_>, run: &Run) -> anyhow::Result<Finding> {
    let holder = site.context.journal.holder_of(&run.id);
    let _lock = match site.lock_here(&holder)? {
        Ok(lock) => lock,
        Err(held) => return Ok(held),
    };
    if site.means.consent != Consent::Withheld {
        site.context.journal.begin()?;
        site.platform.unlock(site.environment, &holder).await?;
    }
    Ok(nothing(&format!("run {} needs no resume: {}", run.id, how_it_ended(run))))
}

/// Ends a run that died. Nobody else may act meanwhile, and it is looked first.
async fn end(site: &Site<'_>, run: &Run, way: Way) -> anyhow::Result<Finding> {
    let context = site.context;
    let holder = context.journal.holder_of(&run.id);
    let _lock = match site.lock_here(&holder)? {
        Ok(lock) => lock,
        Err(held) => return Ok(held),
    };
    // Whoever had the lock until now may have ended it.
    let run = context.journal.folder()?.run(&run.id)?;
    if !run.is_open() {
        return Ok(nothing(&format!("somebody ended run {} meanwhile: {}", run.id, how_it_ended(&run))));
    }
    let recorded = recorded(&run)?;
    let changes = recorded.changes();
    site.platform.recall(&run.calls);
    let set = Set { changes: &changes, initial: recorded.initial() };
    let standings = site.platform.look(&changes).await?;
    let wrote = set.wrote(site.platform);
    let legend = match way {
        Way::Forth => forecast(run.state.map(|(state, _)| state), wrote, &standings),
        Way::Back => forecast_back(wrote, &standings),
    };
    let mut table = Table { title: title(&run, &recorded), ..standings_table(&set.results(&standings), &standings) };
    table.legend.push(legend.to_owned());
    if let Some(finding) = site.means.consent.settle(&proposal(site, &run, way, table), &*context.operator).await? {
        return Ok(about(finding, site));
    }
    let shield = context.interrupt.shield();
    let journal = context.journal.go_on(&run.id)?;
    let (limits, watch) = (site.limits(), &*context.watch);
    let deed = Deed::of(&recorded.purpose);
    let act = async || {
        let text = format!("{} {} of '{}'", context.who, words(way, &run.id), site.environment);
        site.notifier.say(&text, watch).await;
        let hands = Hands { platform: site.platform, deed: &deed, limits, shield: &shield, watch, journal };
        Ok(match way {
            Way::Forth => resume(&changes, recorded.initial(), hands).await,
            Way::Back => take_back(&changes, recorded.initial(), hands).await,
        })
    };
    match site.locked_there(&holder, act).await? {
        Ok(applied) => {
            site.tell(&applied, &deed, &shield).await;
            Ok(about(ended_as(&applied, &deed, way), site))
        }
        Err(held) => Ok(held),
    }
}

/// The end of a run that had died. To have all as before is what `undo` is for.
fn ended_as(applied: &Applied, deed: &Deed, way: Way) -> Finding {
    let finding = ended(applied, deed);
    let is_there = all_at_target(&applied.results);
    match (way, applied.end) {
        (Way::Back, State::Restored) => Finding { outcome: Outcome::Done, changed: true, ..finding },
        (Way::Back, State::Unchanged) => Finding { outcome: Outcome::NothingToDo, ..finding },
        (Way::Forth, State::Unchanged) if is_there => Finding { outcome: Outcome::NothingToDo, ..finding },
        _ => finding,
    }
}

fn words(way: Way, run: &str) -> String {
    match way {
        Way::Forth => format!("goes on with run {run}"),
        Way::Back => format!("takes back run {run}"),
    }
}

fn title(run: &Run, recorded: &Recorded) -> String {
    format!("Run {}, {}, {}. So it stands:", run.id, recorded.purpose, run.died_while())
}

fn proposal(site: &Site<'_>, run: &Run, way: Way, plan: Table) -> Proposal {
    let what = match way {
        Way::Forth => format!("what run {} left undone", run.id),
        Way::Back => format!("back what run {} did", run.id),
    };
    let word = is_production(site.environment).then(|| site.environment.to_owned());
    Proposal { plan, what, place: format!(" in {}", place(site)), word }
}

fn about(finding: Finding, site: &Site<'_>) -> Finding {
    finding.with("environment", site.environment).with("platform", site.platform.address())
}

fn place(site: &Site<'_>) -> String {
    format!("'{}' on {}", site.environment, site.platform.address())
}

/// Where runs were looked for; and where they were, if it was elsewhere.
fn journals(site: &Site<'_>) -> anyhow::Result<String> {
    let folder = site.context.journal.folder()?;
    let (runs, _) = folder.runs()?;
    let of = |run: &Run| Some(format!("'{}' on {}", run.began.environment, run.planned.as_ref()?.place));
    let known: BTreeSet<String> = runs.iter().filter_map(of).collect();
    let path = folder.path().display();
    if known.is_empty() {
        return Ok(format!("the journals in '{path}', where no run came to a plan"));
    }
    let known: Vec<_> = known.into_iter().collect();
    Ok(format!("the journals in '{path}', which tell of {}", known.join(", ")))
}

fn nothing(message: &str) -> Finding {
    Finding::new(Outcome::NothingToDo, format!("{message}: nothing to do"))
}

fn how_it_ended(run: &Run) -> String {
    let end = run.state.map(|(state, _)| state).filter(|state| state.is_end());
    end.map_or_else(|| "it changed nothing".to_owned(), |end| format!("it ended as {end}"))
}

/// The end where the last run was an `undo` itself: to undo once more, as after a lost connection, must not put back what
/// was undone.
fn undone(run: &Run, site: &Site<'_>) -> anyhow::Result<Finding> {
    let (id, purpose) = (&run.id, recorded(run)?.purpose);
    if run.is_open() {
        // It is under way, or it died.
        return Ok(site.refusal()?.unwrap_or_else(|| nothing(&format!("somebody ended run {id} meanwhile"))));
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
fn chosen(id: &str, site: &Site<'_>) -> anyhow::Result<Run> {
    let run = site.context.journal.folder()?.run(id)?;
    let (environment, planned) = (&run.began.environment, run.planned.as_ref());
    if environment != site.environment || planned.is_some_and(|planned| planned.place != site.platform.address()) {
        let there = planned.map_or_else(String::new, |planned| format!(" on {}", planned.place));
        let (id, here) = (&run.id, place(site));
        anyhow::bail!("run {id} was about '{environment}'{there}, not about {here}: give that --env and --platform");
    }
    Ok(run)
}

/// The last run here that changed something, also where all was restored since; but an `undo` that was restored has undone
/// nothing, and is as if it had not been.
fn last(site: &Site<'_>) -> anyhow::Result<Option<Run>> {
    let (runs, unreadable) = site.context.journal.folder()?.runs()?;
    // The last run may be the one that cannot be read.
    if let Some(journal) = unreadable.first() {
        return Err(journal.stops("which run was the last is not known"));
    }
    let is_restored = |run: &Run| run.state.is_some_and(|(state, _)| state == State::Restored);
    let is_meant = |run: &Run| changed(run) || is_restored(run) && run.began.command != "undo";
    Ok(runs.into_iter().find(|run| run.is_of(site.environment, site.platform.address()) && is_meant(run)))
}

fn recorded(run: &Run) -> anyhow::Result<Recorded> {
    Recorded::read(run).ok_or_else(|| anyhow::anyhow!("run {} is none of a rollback of services", run.id))
}
