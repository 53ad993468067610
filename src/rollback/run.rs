//! `run`: back to a date. Plans, checks the plan against registry and platform, shows it, asks, and applies it.

use chrono::NaiveDate;
use futures_util::future::try_join_all;

use super::arguments::{Act, pull_login};
use super::dump::Dump;
use super::execute::{WORDS, set_plan};
use super::plan::{By, Plan, Step, plan};
use super::plan_ran::plan_ran;
use super::remember::memory;
use super::target::Target;
use crate::action::arguments::UsageError;
use crate::action::context::Context;
use crate::action::report::{Finding, Outcome};
use crate::action::runner::Execution;
use crate::platform::{Application, Platform, Standing};
use crate::registry::{Image, Registry};
use crate::{http, registry};

/// Takes the set back to a date.
///
/// # Errors
/// When something is wrong before anything is written; all later ends are findings.
pub async fn run(act: &Act, context: &Context) -> anyhow::Result<Finding> {
    let (shared, means) = (&act.shared, &act.means);
    context.journal.begin()?;
    let dump = Dump::read(&act.dump)?;
    let http = http::client(&shared.trust)?;
    let Some(target) = target(act, &dump, context).await? else {
        return Ok(Finding::new(Outcome::Declined, "no date was chosen: nothing was changed"));
    };
    let registry = shared.registry.clone().unwrap_or_else(|| dump.registry.as_str().into());
    let registry = shared.registry_at(&registry, false, http.clone(), context)?;
    let platform = means.place.connect(&shared.environment, pull_login(&registry), &http, context).await?;
    let notifier = means.standard.notifier_by(&http);
    let scope = means.standard.scope(&*platform, WORDS, &notifier, context)?;
    if let Some(refusal) = scope.refusal()? {
        return Ok(refusal);
    }
    let applications = workloads(&*platform, &shared.environment, context).await?;
    if applications.is_empty() {
        let (environment, address) = (&shared.environment, platform.address());
        anyhow::bail!(
            "no application of '{environment}' runs on {address}: is --env right? It is the one in the ids there"
        );
    }
    let mut plan = match act.by {
        By::Built => plan(&dump, &applications, target, &act.request)?,
        By::Ran => {
            let memory = memory(&dump, target, &act.request, &scope, &*platform, &applications, &registry).await?;
            plan_ran(&dump, &applications, target, &act.request, &memory)?
        }
    };
    note_platform(&mut plan, &*platform);
    let unwell = note_standing(&mut plan, &*platform).await?;
    check_images(&plan.steps, &registry, "run `rollback_service get` again", context).await?;
    note_before(&mut plan, &registry, context).await;

    let images = format!(", with images of '{}', {}", dump.env, act.by);
    let plan = set_plan(&plan, &scope, &format!("back to {target}"), &images, registry.address())?;
    let execution = Execution { scope, port: &*platform, plan };
    let finding = execution.go(|| nothing_to_do(&format!("at {target}"), &unwell)).await?;
    Ok(finding.with("date", target.to_string()).with("by", act.by))
}

/// The date given, or the one chosen at the terminal.
async fn target(act: &Act, dump: &Dump, context: &Context) -> anyhow::Result<Option<Target>> {
    if let Some(target) = act.target {
        return Ok(Some(target));
    }
    if !context.operator.present() {
        let message = "`run` needs --date where no terminal is: one of those that `rollback_service get` prints";
        return Err(UsageError(message.to_owned()).into());
    }
    let dates: Vec<NaiveDate> = dump.rollbacks.keys().copied().collect();
    anyhow::ensure!(
        !dates.is_empty(),
        "the dump offers no date: give one with --date, or run `rollback_service get` again"
    );
    let line = |date: &NaiveDate| match dump.incomplete.get(date) {
        Some(missing) => format!("{date}  (no image that old: {})", missing.join(", ")),
        None => date.to_string(),
    };
    let answers: Vec<String> = dates.iter().map(line).collect();
    let question = format!("Back to the end of which day? Images of '{}', UTC", dump.env);
    let chosen = context.operator.choose(&question, &answers).await?;
    Ok(chosen.map(|place| Target::Day(dates[place])))
}

/// The workloads of the environment; those that cannot be set as well, as far as they can be read.
///
/// # Errors
/// When the platform cannot be read.
pub(super) async fn workloads(
    platform: &dyn Platform,
    environment: &str,
    context: &Context,
) -> anyhow::Result<Vec<Application>> {
    let mut applications = platform.applications(environment).await?;
    match platform.others(environment).await {
        Ok(others) => applications.extend(others),
        Err(error) => context
            .watch
            .warn(&format!("what else runs there, and cannot be set, is not known, so none of it is named: {error:#}")),
    }
    Ok(applications)
}

/// Notes what the platform says of each change.
pub(super) fn note_platform(plan: &mut Plan, platform: &dyn Platform) {
    for step in plan.steps.iter_mut().filter(|step| !step.unchanged) {
        step.notes.extend(platform.notes(&step.change));
    }
}

/// Notes how the services stand now: those that are to be changed may not be well, and need not be so afterwards. Those
/// that are set to their target already are not touched; the ones that are not well are named.
pub(super) async fn note_standing(plan: &mut Plan, platform: &dyn Platform) -> anyhow::Result<Vec<String>> {
    let changes: Vec<_> = plan.steps.iter().map(|step| step.change.clone()).collect();
    let mut unwell = Vec::new();
    for (step, standing) in plan.steps.iter_mut().zip(platform.look(&changes).await?) {
        let (Standing::Unwell { why, .. } | Standing::Before { trouble: Some(why) }) = standing else { continue };
        if step.unchanged {
            step.notes.push(format!("it is set to this image already, and is not healthy: {why}"));
            unwell.push(step.change.application.id.clone());
        } else {
            step.trouble = Some(why);
        }
    }
    Ok(unwell)
}

/// Every target must still be there, and its tag must still point at it. `else_do` says what is to be done if not.
pub(super) async fn check_images(
    steps: impl IntoIterator<Item = &Step>,
    registry: &Registry,
    else_do: &str,
    context: &Context,
) -> anyhow::Result<()> {
    let check = async |step: &Step| -> Result<Option<String>, registry::RegistryError> {
        let image = &step.image;
        let by_tag = registry.digest_of(&image.repository, &image.tag, &*context.watch).await?;
        if by_tag.as_deref() != Some(&image.digest) {
            let now = by_tag.map_or("is gone".to_owned(), |digest| format!("now points at {digest}"));
            return Ok(Some(format!("the tag '{}' of '{}' {now}", image.tag, image.repository)));
        }
        let by_digest = registry.digest_of(&image.repository, &image.digest, &*context.watch).await?;
        Ok(by_digest.is_none().then(|| format!("the image {} of '{}' is gone", image.digest, image.repository)))
    };
    let problems: Vec<String> = try_join_all(steps.into_iter().map(check)).await?.into_iter().flatten().collect();
    anyhow::ensure!(
        problems.is_empty(),
        "the registry has changed, and nothing was written: {}. To go on: {else_do}",
        problems.join("; ")
    );
    Ok(())
}

/// Asks for the digests of images of which only the tag is known. One that is gone is found by [`check_images`].
pub(super) async fn resolve(plan: &mut Plan, registry: &Registry, context: &Context) -> anyhow::Result<()> {
    for image in plan.steps.iter_mut().map(|step| &mut step.image).filter(|image| image.digest.is_empty()) {
        let digest = registry.digest_of(&image.repository, &image.tag, &*context.watch).await?;
        image.digest = digest.unwrap_or_default();
    }
    Ok(())
}

/// Notes which images run now, so that `undo` can see later whether their tags were moved. What the registry does not
/// know stands in nobody's way.
pub(super) async fn note_before(plan: &mut Plan, registry: &Registry, context: &Context) {
    for step in plan.steps.iter_mut().filter(|step| !step.unchanged) {
        let [present] = &step.change.application.images[..] else { continue };
        let Some(name) = present.name() else { continue };
        // What is pinned is known by its digest alone: the tag may have moved since.
        let Some(tag) = name.digest().or(name.tag()) else { continue };
        let repository = step.image.repository.clone();
        if let Ok(Some(digest)) = registry.digest_of(&repository, tag, &*context.watch).await {
            step.before = Some(Image::undated(repository, tag.to_owned(), digest));
        }
    }
}

/// The end where every service is set already as it was to be, `at 2026-11-20` say; some may not be well nevertheless.
pub(super) fn nothing_to_do(wanted: &str, unwell: &[String]) -> Finding {
    if unwell.is_empty() {
        let message = format!("every service stands {wanted} already: nothing to do");
        return Finding::new(Outcome::NothingToDo, message);
    }
    let message =
        format!("every service is set {wanted} already, and these are not healthy: '{}'", unwell.join("', '"));
    Finding::new(Outcome::Failed, format!("{message}. Nothing was changed: look at them"))
}
