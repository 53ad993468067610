//! `run`: back to a date. Plans, checks the plan against registry and platform, shows it, asks, and applies it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;

use super::apply::{Applied, Limits, apply};
use super::arguments::Act;
use super::dump::Dump;
use super::plan::{By, Plan, Step, plan};
use super::plan_ran::plan_ran;
use super::remember::memory;
use super::show::{announcement, left_out, plan_table, plan_values, results_table, sentence, services};
use super::target::Target;
use super::verify::{ServiceResult, State};
use crate::action::arguments::UsageError;
use crate::action::consent::{Proposal, is_production};
use crate::action::context::Context;
use crate::action::notify::Notifier;
use crate::action::report::{Finding, Outcome, Table};
use crate::journal::Unrecorded;
use crate::platform::{Access, Application, Platform, RegistryLogin, Standing, connect};
use crate::registry::Registry;
use crate::{http, registry};

/// How long at most the platform may be silent while the services' standing is asked for.
const SILENCE: Duration = Duration::from_mins(1);

/// How long services may take to get well after their deployment is done.
const CALM: Duration = Duration::from_secs(10);

/// Takes the set back to a date.
///
/// # Errors
/// When something is wrong before anything is written; all later ends are findings.
pub async fn run(act: &Act, context: &Context) -> anyhow::Result<Finding> {
    let dump = Dump::read(&act.shared.dump)?;
    let http = http::client(&act.shared.trust)?;
    let Some(target) = target(act, &dump, context).await? else {
        return Ok(Finding::new(Outcome::Declined, "no date was chosen: nothing was changed"));
    };
    let registry = act.registry.as_deref().unwrap_or(&dump.registry);
    let registry = act.shared.registry(registry, false, http.clone(), context)?;
    let access = Access {
        user: act.shared.user.clone(),
        password: act.shared.password.clone(),
        registry: pull_login(act, &registry),
        http: http.clone(),
        ledger: Arc::new(Unrecorded::default()),
    };
    let platform = connect(&act.platform, &act.shared.environment, access).await?;
    let applications = platform.applications(&act.shared.environment).await?;
    if applications.is_empty() {
        let (environment, address) = (&act.shared.environment, platform.address());
        anyhow::bail!(
            "no application of '{environment}' runs on {address}: is --env right? It is the one in the ids there"
        );
    }
    let wish = act.wish(target);
    let mut plan = match act.by {
        By::Built => plan(&dump, &applications, wish)?,
        By::Ran => {
            let environment = &act.shared.environment;
            let memory = memory(&dump, wish, environment, &*platform, &applications, &registry, context).await?;
            plan_ran(&dump, &applications, wish, &memory)?
        }
    };
    let unwell = note_unwell(&mut plan, &*platform).await?;
    check_images(&plan, &registry, context).await?;

    let course = Course { act, target, plan, images_of: dump.env, platform: &*platform, context };
    let changes = course.plan.changes();
    if changes.is_empty() {
        return Ok(course.end(nothing_to_do(target, &unwell)));
    }
    if let Some(finding) = act.consent.settle(&course.proposal(), &*context.operator).await? {
        return Ok(course.end(finding));
    }

    let shield = context.interrupt.shield();
    let notifier = Notifier::new(&http, act.slack.clone());
    notifier.say(&announcement(&context.who, &act.shared.environment, target, &course.plan), &*context.watch).await;
    let limits = Limits { deployment: act.limit, silence: SILENCE.min(act.limit), calm: CALM };
    let applied = apply(&changes, &*platform, limits, &shield, &*context.watch).await;
    tokio::select! {
        () = tell(&notifier, &act.shared.environment, &applied, context) => {}
        () = shield.hurried() => {}
    }
    Ok(course.end(finding(applied, &course.plan)))
}

/// What an engine needs to pull the images by itself.
fn pull_login(act: &Act, registry: &Registry) -> Option<RegistryLogin> {
    let login = act.shared.registry_user.clone().zip(act.shared.registry_password.clone());
    login.map(|(user, password)| RegistryLogin { host: registry.name().to_owned(), user, password })
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
    let dates: Vec<&String> = dump.rollbacks.keys().collect();
    anyhow::ensure!(
        !dates.is_empty(),
        "the dump offers no date: give one with --date, or run `rollback_service get` again"
    );
    let line = |date: &&String| match dump.incomplete.get(*date) {
        Some(missing) => format!("{date}  (no image that old: {})", missing.join(", ")),
        None => (*date).clone(),
    };
    let answers: Vec<String> = dates.iter().map(line).collect();
    let question = format!("Back to the end of which day? Images of '{}', UTC", dump.env);
    let Some(chosen) = context.operator.choose(&question, &answers).await? else { return Ok(None) };
    dates[chosen].parse().map(Some).map_err(anyhow::Error::msg)
}

/// Services that are set to their target already are not touched; those that are not well get a note, and are named.
async fn note_unwell(plan: &mut Plan, platform: &dyn Platform) -> anyhow::Result<Vec<String>> {
    let mut unchanged: Vec<_> = plan.steps.iter_mut().filter(|step| step.unchanged).collect();
    let changes: Vec<_> = unchanged.iter().map(|step| step.change.clone()).collect();
    let mut unwell = Vec::new();
    for (step, standing) in unchanged.iter_mut().zip(platform.look(&changes).await?) {
        if let Standing::Unwell { why, .. } | Standing::Before { trouble: Some(why) } = standing {
            step.notes.push(format!("it is set to this image already, and is not well: {why}"));
            unwell.push(step.change.application.id.clone());
        }
    }
    Ok(unwell)
}

/// Every target must still be there, and its tag must still point at it.
async fn check_images(plan: &Plan, registry: &Registry, context: &Context) -> anyhow::Result<()> {
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
    let problems: Vec<String> = try_join_all(plan.steps.iter().map(check)).await?.into_iter().flatten().collect();
    anyhow::ensure!(
        problems.is_empty(),
        "the registry changed since `get`, and nothing was written: {}. Run `rollback_service get` again",
        problems.join("; ")
    );
    Ok(())
}

fn nothing_to_do(target: Target, unwell: &[String]) -> Finding {
    if unwell.is_empty() {
        let message = format!("every service stands at {target} already: nothing to do");
        return Finding::new(Outcome::NothingToDo, message);
    }
    let message =
        format!("every service is set to {target} already, and these are not well: '{}'", unwell.join("', '"));
    Finding::new(Outcome::Failed, format!("{message}. Nothing was changed: look at them"))
}

/// What a run goes by, once it is planned.
struct Course<'a> {
    act: &'a Act,
    target: Target,
    plan: Plan,
    /// The environment at the end of the images' tags.
    images_of: String,
    platform: &'a dyn Platform,
    context: &'a Context,
}

impl Course<'_> {
    fn place(&self) -> String {
        format!("'{}' on {} back to {}", self.act.shared.environment, self.platform.address(), self.target)
    }

    fn table(&self) -> Table {
        let by = match self.plan.by {
            By::Built => "by when they were built",
            By::Ran => "by what ran then",
        };
        let title = format!("The plan: {}, with images of '{}', {by}", self.place(), self.images_of);
        plan_table(&self.plan, title, self.context.started)
    }

    fn proposal(&self) -> Proposal {
        let environment = &self.act.shared.environment;
        Proposal {
            plan: self.table(),
            what: services(self.plan.changes().len()),
            place: format!(" of {}", self.place()),
            word: is_production(environment).then(|| environment.clone()),
        }
    }

    /// Adds to a finding what every end of `run` tells. The plan is shown where it has not been yet.
    fn end(&self, finding: Finding) -> Finding {
        let mut finding = finding
            .with("environment", &self.act.shared.environment)
            .with("date", self.target.to_string())
            .with("by", self.plan.by)
            .with("platform", self.platform.address())
            .with("steps", plan_values(&self.plan))
            .with("left_out", &self.plan.left_out)
            .with("notes", &self.plan.notes);
        if matches!(finding.outcome, Outcome::Planned | Outcome::NothingToDo | Outcome::Failed)
            && finding.tables.is_empty()
        {
            finding.tables = vec![self.table()];
        }
        finding
    }
}

async fn tell(notifier: &Notifier, environment: &str, applied: &Applied, context: &Context) {
    for result in &applied.results {
        notifier.say(&sentence(result), &*context.watch).await;
    }
    notifier.say(&format!("{environment}: {}", applied.message), &*context.watch).await;
}

/// The end of an applied plan, with a result for each of its services.
fn finding(applied: Applied, plan: &Plan) -> Finding {
    let mut applied_results = applied.results.into_iter();
    let result = |step: &Step| if step.unchanged { Some(untouched(step)) } else { applied_results.next() };
    let results: Vec<ServiceResult> = plan.steps.iter().filter_map(result).collect();
    let mut finding = Finding::new(applied.outcome, applied.message).with("results", &results);
    finding.changed = matches!(applied.outcome, Outcome::Done | Outcome::NeedsOperator);
    let mut table = results_table(&results);
    // Where nobody saw the plan, in Ansible say, this is the place to say it.
    table.legend.extend(left_out(plan));
    finding.tables = vec![table];
    finding
}

fn untouched(step: &Step) -> ServiceResult {
    let Application { id, service, images, .. } = &step.change.application;
    let (service, application, image) = (service.clone(), id.clone(), Some(images.join(", ")));
    ServiceResult { service, application, state: State::Unchanged, image, detail: String::new() }
}
