//! Asks what ran: the platform, the journal of earlier runs, and the registry for images that the dump does not know.

use std::cmp::Reverse;
use std::fmt::Display;

use futures_util::future::try_join_all;
use indexmap::IndexMap;

use super::dump::Dump;
use super::members::workloads;
use super::plan::PlanRequest;
use super::plan_ran::{Memory, unknown_images};
use super::ran::{Past, merge};
use super::recorded::Recorded;
use super::target::Target;
use crate::action::context::Context;
use crate::action::runner::RunScope;
use crate::journal::Run;
use crate::platform::{Application, Platform, Ran};
use crate::registry::{Image, Registry};

/// What each service ran, by its repository, as its workloads remember it: pairs of both are given. The newest is first.
///
/// # Errors
/// When the platform cannot be read.
pub async fn remember(
    services: Vec<(String, Vec<Application>)>,
    environment: &str,
    platform: &dyn Platform,
    context: &Context,
) -> anyhow::Result<IndexMap<String, Vec<Ran>>> {
    let all: Vec<Application> = services.iter().flat_map(|(_, members)| members.iter().cloned()).collect();
    let mut remembered = platform.history(&all).await?.into_iter();
    let runs = past(environment, platform.address(), context);
    let mut services_ran = IndexMap::new();
    for (repository, members) in services {
        let mut spans: Vec<Ran> = Vec::new();
        for (application, remembered) in members.iter().zip(remembered.by_ref()) {
            let mut ran = merge(application, remembered, &runs);
            if members.len() > 1 {
                for ran in &mut ran {
                    ran.source = format!("{}: {}", application.service, ran.source);
                }
            }
            spans.extend(ran);
        }
        spans.sort_by_key(|ran| Reverse(ran.from));
        services_ran.insert(repository, spans);
    }
    Ok(services_ran)
}

/// The same for the services of a dump, with what the registry says of the images that are asked for.
///
/// # Errors
/// When the platform or the registry cannot be read.
pub async fn memory(
    dump: &Dump,
    target: Target,
    request: &PlanRequest,
    scope: &RunScope<'_>,
    platform: &dyn Platform,
    applications: &[Application],
    registry: &Registry,
) -> anyhow::Result<Memory> {
    let RunScope { environment, context, .. } = *scope;
    let members = |repository: &String| {
        let workloads = workloads(repository, dump, applications, &request.only).ok()?;
        Some((repository.clone(), workloads.members))
    };
    let services = dump.all.iter().filter_map(members).collect();
    let spans = remember(services, environment, platform, context).await?;
    let ask = async |(repository, reference): (String, String)| {
        let digest = registry.digest_of(&repository, &reference, &*context.watch).await?;
        anyhow::Ok(digest.map(|digest| Image::undated(repository, reference, digest)))
    };
    let images = try_join_all(unknown_images(dump, &spans, target).into_iter().map(ask)).await?;
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
