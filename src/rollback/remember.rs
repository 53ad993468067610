//! Asks what ran: the platform, the journal of earlier runs, and the registry for images that the dump does not know.

use std::fmt::Display;

use futures_util::future::try_join_all;
use indexmap::IndexMap;

use super::dump::Dump;
use super::plan::{Wish, application_of};
use super::plan_ran::{Memory, unknown_images};
use super::ran::{Past, merge};
use super::recorded::Recorded;
use crate::action::context::Context;
use crate::action::runner::RunScope;
use crate::journal::Run;
use crate::platform::{Application, Platform, Ran};
use crate::registry::{Image, Registry};

/// What each service ran, by its repository of a registry; nothing of one that is not run by exactly one application.
///
/// # Errors
/// When the platform cannot be read.
pub async fn remember(
    repositories: &[String],
    registry: &str,
    environment: &str,
    platform: &dyn Platform,
    applications: &[Application],
    context: &Context,
) -> anyhow::Result<IndexMap<String, Vec<Ran>>> {
    let found = |repository: &String| {
        let application = application_of(repository, registry, applications).ok()?;
        Some((repository.clone(), application.clone()))
    };
    let (names, found): (Vec<String>, Vec<Application>) = repositories.iter().filter_map(found).unzip();
    let remembered = platform.history(&found).await?;
    let runs = past(environment, platform.address(), context);
    let merged = found.iter().zip(remembered).map(|(application, remembered)| merge(application, remembered, &runs));
    Ok(names.into_iter().zip(merged).collect())
}

/// The same for the services of a dump, with what the registry says of the images that are asked for.
///
/// # Errors
/// When the platform or the registry cannot be read.
pub async fn memory(
    dump: &Dump,
    wish: Wish,
    scope: &RunScope<'_>,
    platform: &dyn Platform,
    applications: &[Application],
    registry: &Registry,
) -> anyhow::Result<Memory> {
    let RunScope { environment, context, .. } = *scope;
    let spans = remember(&dump.all, &dump.registry, environment, platform, applications, context).await?;
    let ask = async |(repository, reference): (String, String)| {
        let digest = registry.digest_of(&repository, &reference, &*context.watch).await?;
        anyhow::Ok(digest.map(|digest| Image::undated(repository, reference, digest)))
    };
    let images = try_join_all(unknown_images(dump, &spans, wish).into_iter().map(ask)).await?;
    Ok(Memory { spans, images: images.into_iter().flatten().collect() })
}

/// What the journal says of an environment there. Where it cannot be read less is known: that is warned of.
fn past(environment: &str, place: &str, context: &Context) -> Vec<Past> {
    let Ok(folder) = context.journal.folder() else { return Vec::new() };
    let warn = |error: &dyn Display| context.watch.warn(&format!("what an earlier run did is not known: {error:#}"));
    let (runs, unreadable) = folder.runs().unwrap_or_else(|error| {
        warn(&error);
        (Vec::new(), Vec::new())
    });
    for error in &unreadable {
        warn(error);
    }
    runs.iter().filter(|run| run.is_of(environment, place)).filter_map(of_run).collect()
}

/// None for a run of another action, and for one that planned nothing.
fn of_run(run: &Run) -> Option<Past> {
    let (state, at) = run.state?;
    let changes = Recorded::read(run)?.changes();
    let resumed = run.latest != run.began;
    Some(Past { run: run.id.clone(), began: run.began.at, at, state, resumed, changes })
}
