//! `resume` and `undo`: what becomes of a run that died, and of one that ended and is regretted.

use super::arguments::{Again, pull_login};
use super::execute::{WORDS, set_plan};
use super::recorded::{Recorded, RecordedStep};
use super::reverse::{After, reverse};
use super::run::{check_images, note_before, note_platform, note_standing, nothing_to_do, resolve, workloads};
use crate::action::context::Context;
use crate::action::report::Finding;
use crate::action::runner::{Execution, Found, Recovery, RunScope, UNDOES, end_run};
use crate::http;
use crate::journal::Run;
use crate::platform::Platform;

/// Ends a run that died, or plans the way back from one that came to its end.
///
/// # Errors
/// When something is wrong before anything is written; all later ends are findings.
pub async fn again(again: &Again, recovery: Recovery, context: &Context) -> anyhow::Result<Finding> {
    let http = http::client(&again.shared.trust)?;
    let platform = platform(again, &http, context).await?;
    let notifier = again.means.standard.notifier_by(&http);
    let scope = again.means.standard.scope(&*platform, WORDS, &notifier, context)?;
    match recovery.find(again.run.as_deref(), &scope).await? {
        Found::Nothing(finding) => Ok(*finding),
        Found::Died(run) => end_run(&scope, &*platform, &run, recovery).await,
        Found::Ended(run) => undo(again, scope, &*platform, &run, http.clone()).await,
    }
}

/// Restores what a run changed that came to its end.
async fn undo(
    again: &Again,
    scope: RunScope<'_>,
    platform: &dyn Platform,
    run: &Run,
    http: http::Client,
) -> anyhow::Result<Finding> {
    let context = scope.context;
    let recorded =
        Recorded::read(run).ok_or_else(|| anyhow::anyhow!("run {} is none of a rollback of {}", run.id, WORDS.many))?;
    context.journal.begin()?;
    if let Some(refusal) = scope.refusal()? {
        return Ok(refusal);
    }
    let registry = again.shared.registry.clone().unwrap_or_else(|| recorded.registry.as_str().into());
    let registry = again.shared.registry_at(&registry, false, http, context)?;
    platform.recall(&run.calls);
    let left =
        |step: &RecordedStep| After { wrote: platform.wrote(&step.change), images: platform.became(&step.change) };
    let left: Vec<After> = recorded.steps.iter().map(left).collect();
    platform.recall(&[]);
    let applications = workloads(platform, scope.environment, context).await?;
    let mut plan = reverse(&recorded, &left, &applications, &run.id)?;
    resolve(&mut plan, &registry, context).await?;
    let unwell = note_standing(&mut plan, platform).await?;
    let changing = plan.steps.iter().filter(|step| !step.unchanged);
    check_images(changing, &registry, "choose a date for `rollback_service run`", context).await?;
    note_before(&mut plan, &registry, context).await;
    note_platform(&mut plan, platform);
    let purpose = format!("{UNDOES}{}", run.id);
    let images = format!(", which went {}", recorded.purpose);
    let plan = set_plan(&plan, &scope, &purpose, &images, registry.address())?;
    let execution = Execution { scope, port: platform, plan };
    execution.go(|| nothing_to_do(&format!("as before run {}", run.id), &unwell)).await
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
