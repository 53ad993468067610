//! `get`: which dates can be gone back to, and what ran on them.

use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use tokio::time::timeout;

use super::arguments::Look;
use super::dump::Dump;
use super::matrix::{Matrix, Memories, ran_table};
use super::members::workloads;
use super::points::{Point, points};
use super::remember::remember;
use crate::action::arguments::UsageError;
use crate::action::context::Context;
use crate::action::report::{Cell, Finding, Outcome, Table};
use crate::http;
use crate::registry::{Dated, Image, Tagged};
use crate::words::counted;

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
    let tagged = registry.images(&look.repositories, environment, context.started, &*context.watch).await?;
    every_repository_has_an_image(&look.repositories, environment, &tagged)?;
    let Tagged { images, not_images } = tagged;
    let points = points(&look.repositories, &images, look.keep);
    let mut dump = Dump::new(&look.repositories, environment, registry.address(), context.started, &images, &points);
    dump.not_images.clone_from(&not_images);
    let ran = ran(look, &dump, &http, context).await;
    dump.ran = ran.clone().unwrap_or_default();
    let path = dump.write(&look.dump).context("the registry was read, and its dates could not be kept")?;
    let undated: Vec<_> = images.iter().filter(|image| image.created.is_none()).collect();
    let message = match points.first() {
        Some(newest) => {
            format!("{}, the newest {}; written to {}", counted(points.len(), "date"), newest.date, path.display())
        }
        None => {
            format!("no image of '{environment}' has a date that could be relied upon; written to {}", path.display())
        }
    };
    let two_dates = with_two_dates(&points);
    let matrix = Matrix { repositories: &look.repositories, images: &images, ran: ran.as_ref() };
    let mut finding = Finding::new(Outcome::Done, message)
        .with("environment", environment)
        .with("registry", registry.address())
        .with("dump", &path)
        .with("dates", points.iter().map(|point| matrix.date(point)).collect::<Vec<_>>())
        .with("undated", &undated)
        .with("two_dates", &two_dates)
        .with("not_images", &not_images);
    if look.place.is_some() {
        finding = finding.with("running", &look.running).with("ran", &ran);
    }
    finding.tables = vec![matrix.table(&points)];
    finding.tables.extend(ran.as_ref().map(|ran| ran_table(ran, look.keep)));
    if !undated.is_empty() {
        finding.tables.push(undated_table(&undated));
    }
    if !two_dates.is_empty() {
        finding.tables.push(two_dates_table(&two_dates));
    }
    Ok(finding)
}

fn every_repository_has_an_image(repositories: &[String], environment: &str, tagged: &Tagged) -> anyhow::Result<()> {
    let has_image = |name: &&String| tagged.images.iter().any(|image| image.repository == **name);
    let has_other = |name: &&String| tagged.not_images.iter().any(|other| other.repository == **name);
    let quoted = |names: Vec<&String>| names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    let (others, untagged): (Vec<_>, Vec<_>) = repositories.iter().filter(|name| !has_image(name)).partition(has_other);
    if !untagged.is_empty() {
        anyhow::bail!(
            "no tag of {} ends with '{environment}': is --env right? The warnings above say what tags end with",
            quoted(untagged)
        );
    }
    if !others.is_empty() {
        anyhow::bail!(
            "no tag of {} that ends with '{environment}' names an image: is --repo right? The warnings above say what \
             they name",
            quoted(others)
        );
    }
    Ok(())
}

/// The images offered that bear a second, older date.
fn with_two_dates<'a>(points: &[Point<'a>]) -> Vec<&'a Image> {
    let mut found: Vec<&Image> = Vec::new();
    for image in points.iter().flat_map(|point| point.images.iter().flatten()) {
        if image.older_date.is_some() && !found.contains(image) {
            found.push(image);
        }
    }
    found
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
            match workloads(repository, dump, &applications, &[]) {
                Ok(workloads) => services.push((repository.clone(), workloads.members)),
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
        vec![Cell::from(image.repository.as_str()), image.tag.as_str().into(), name_of(&image.undated).into()]
    };
    Table {
        title: String::new(),
        head: vec!["without a date".into(), "tag".into(), "why".into()],
        rows: undated.iter().map(row).collect(),
        legend: vec!["images without a date are never chosen".into()],
    }
}

fn two_dates_table(images: &[&Image]) -> Table {
    let day = |dated: Option<Dated>| {
        let text = |dated: Dated| format!("{} ({})", dated.created.format("%F %R"), name_of(&dated.date_from));
        Cell::from(dated.map(text).unwrap_or_default())
    };
    let row = |image: &&Image| {
        let counts = image.created.zip(image.date_from).map(|(created, date_from)| Dated { created, date_from });
        vec![image.repository.as_str().into(), image.tag.as_str().into(), day(counts), day(image.older_date)]
    };
    Table {
        title: String::new(),
        head: ["with two dates", "tag", "counts (UTC)", "does not count"].map(str::to_owned).to_vec(),
        rows: images.iter().map(row).collect(),
        legend: vec!["the older date is often that of a base image, or of a reproducible build".into()],
    }
}

/// What a reason or a place is called in the dump.
fn name_of(value: &impl Serialize) -> String {
    let name = serde_json::to_value(value).ok().and_then(|name| name.as_str().map(str::to_owned));
    name.unwrap_or_default().replace('_', " ")
}
