//! `get`: which dates can be gone back to, and what ran on them.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::timeout;

use super::arguments::Look;
use super::dump::Dump;
use super::matrix::{Matrix, Memories, ran_table};
use super::members::crew;
use super::points::points;
use super::remember::remember;
use crate::action::arguments::UsageError;
use crate::action::context::Context;
use crate::action::report::{Cell, Finding, Outcome, Table};
use crate::http;
use crate::registry::Image;

/// How long the platform may take to tell what ran.
const PATIENCE: Duration = Duration::from_mins(1);

/// Reads the registry, writes the dump, and says what was found.
///
/// # Errors
/// When the registry cannot be read, has no image of the environment, or the dump cannot be written.
pub async fn get(look: &Look, context: &Context) -> anyhow::Result<Finding> {
    if !look.dump.is_dir() {
        return Err(UsageError(format!("--dump: '{}' is no folder", look.dump.display())).into());
    }
    let http = http::client(&look.shared.trust)?;
    let registry = look.shared.registry_at(&look.registry, look.immutable_tags, http.clone(), context)?;
    let environment = &look.shared.environment;
    let images = registry.images(&look.repositories, environment, context.started, &*context.watch).await?;
    let empty: Vec<_> =
        look.repositories.iter().filter(|name| !images.iter().any(|image| image.repository == **name)).collect();
    if !empty.is_empty() {
        let names = empty.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
        anyhow::bail!(
            "no tag of {names} ends with '{environment}': is --env right? The warnings above say what tags end with"
        );
    }
    let points = points(&look.repositories, &images, look.keep);
    let mut dump = Dump::new(&look.repositories, environment, registry.address(), context.started, &images, &points);
    let ran = ran(look, &dump, &http, context).await;
    dump.ran = ran.clone().unwrap_or_default();
    let path = dump.write(&look.dump).context("the registry was read, and its dates could not be kept")?;
    let undated: Vec<_> = images.iter().filter(|image| image.created.is_none()).collect();
    let message = match points.first() {
        Some(newest) => format!("{} dates, the newest {}; written to {}", points.len(), newest.date, path.display()),
        None => {
            format!("no image of '{environment}' has a date that could be relied upon; written to {}", path.display())
        }
    };
    let matrix = Matrix { repositories: &look.repositories, images: &images, ran: ran.as_ref() };
    let mut finding = Finding::new(Outcome::Done, message)
        .with("environment", environment)
        .with("registry", registry.address())
        .with("dump", &path)
        .with("dates", points.iter().map(|point| matrix.date(point)).collect::<Vec<_>>())
        .with("undated", &undated);
    if look.place.is_some() {
        finding = finding.with("running", &look.running).with("ran", &ran);
    }
    finding.tables = vec![matrix.table(&points)];
    finding.tables.extend(ran.as_ref().map(|ran| ran_table(ran, look.keep)));
    if !undated.is_empty() {
        finding.tables.push(undated_table(&undated));
    }
    Ok(finding)
}

/// What each service ran, by its repository; none where that was not asked for, or cannot be read: the dates are worth
/// having where the platform is what burns.
async fn ran(look: &Look, dump: &Dump, http: &http::Client, context: &Context) -> Option<Memories> {
    let place = look.place.as_ref()?;
    let read = async {
        let platform = place.connect(&look.running, None, http, context).await?;
        if let Ok(Some(run)) = context.journal.open_run(&look.running, platform.address())
            && context.journal.is_alive(&run) == Some(false)
        {
            context.watch.warn(&run.died());
        }
        let applications = platform.applications(&look.running).await?;
        let (running, address) = (&look.running, platform.address());
        anyhow::ensure!(
            !applications.is_empty(),
            "no application of '{running}' runs on {address}: name the environment in the ids there by --running"
        );
        let mut services = Vec::new();
        for repository in &look.repositories {
            match crew(repository, dump, &applications, &[]) {
                Ok(crew) => services.push((repository.clone(), crew.members)),
                Err(problem) => context.watch.warn(&format!("what '{repository}' ran is not known: {problem}")),
            }
        }
        remember(services, running, &*platform, context).await
    };
    let read = timeout(PATIENCE, read).await.unwrap_or_else(|_| {
        Err(anyhow::anyhow!("the platform took longer than {} seconds to tell", PATIENCE.as_secs()))
    });
    let warn = |error: anyhow::Error| context.watch.warn(&format!("what ran is not known: {error:#}"));
    read.map_err(warn).ok()
}

fn undated_table(undated: &[&Image]) -> Table {
    let row = |image: &&Image| {
        let why = serde_json::to_value(image.undated).ok().and_then(|why| why.as_str().map(str::to_owned));
        vec![
            Cell::from(image.repository.as_str()),
            image.tag.as_str().into(),
            why.unwrap_or_default().replace('_', " ").into(),
        ]
    };
    Table {
        title: String::new(),
        head: vec!["without a date".into(), "tag".into(), "why".into()],
        rows: undated.iter().map(row).collect(),
        legend: vec!["images without a date are never chosen".into()],
    }
}
