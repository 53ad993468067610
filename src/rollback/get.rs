//! `get`: which dates can be gone back to.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::arguments::Look;
use super::dump::Dump;
use super::points::{Point, points};
use crate::action::arguments::UsageError;
use crate::action::context::Context;
use crate::action::report::{Cell, Finding, Outcome, Table, Tone};
use crate::http;
use crate::registry::Image;

/// Reads the registry, writes the dump, and says what was found.
///
/// # Errors
/// When the registry cannot be read, has no image of the environment, or the dump cannot be written.
pub async fn get(look: &Look, context: &Context) -> anyhow::Result<Finding> {
    if !look.dump.is_dir() {
        return Err(UsageError(format!("--dump: '{}' is no folder", look.dump.display())).into());
    }
    let http = http::client(&look.shared.trust)?;
    let registry = look.shared.registry_at(&look.registry, look.immutable_tags, http, context)?;
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
    let dump = Dump::new(&look.repositories, environment, registry.address(), context.started, &images, &points);
    let path = dump.write(&look.dump).context("the registry was read, and its dates could not be kept")?;
    let undated: Vec<_> = images.iter().filter(|image| image.created.is_none()).collect();
    let message = match points.first() {
        Some(newest) => format!("{} dates, the newest {}; written to {}", points.len(), newest.date, path.display()),
        None => {
            format!("no image of '{environment}' has a date that could be relied upon; written to {}", path.display())
        }
    };
    let mut finding = Finding::new(Outcome::Done, message)
        .with("environment", environment)
        .with("registry", registry.address())
        .with("dump", &path)
        .with("dates", points.iter().map(|point| date(look, point)).collect::<Vec<_>>())
        .with("undated", &undated);
    finding.tables = vec![matrix(look, &points)];
    if !undated.is_empty() {
        finding.tables.push(undated_table(&undated));
    }
    Ok(finding)
}

fn date(look: &Look, point: &Point<'_>) -> Value {
    let services = look.repositories.iter().zip(&point.images).map(|(repository, image)| {
        let cell = image
            .map(|image| json!({"tag": image.tag, "created": image.created, "older": !point.is_of_the_day(image)}));
        (repository.clone(), cell.unwrap_or(Value::Null))
    });
    let services: serde_json::Map<_, _> = services.collect();
    json!({"date": point.date, "complete": point.is_complete(), "services": services})
}

/// Dates down, services across.
fn matrix(look: &Look, points: &[Point<'_>]) -> Table {
    let row = |point: &Point<'_>| {
        let cells = point.images.iter().map(|image| match image {
            None => Cell::new(Tone::Bad, "– none"),
            Some(image) if point.is_of_the_day(image) => Cell::from(image.tag.as_str()),
            Some(image) => Cell::new(Tone::Quiet, format!("↑ {}", image.tag)),
        });
        std::iter::once(Cell::from(point.date.to_string())).chain(cells).collect()
    };
    let head = std::iter::once("date".to_owned()).chain(look.repositories.iter().cloned()).collect();
    let mut legend = Vec::new();
    let any = |test: &dyn Fn(&Point<'_>, Option<&Image>) -> bool| {
        points.iter().any(|point| point.images.iter().any(|image| test(point, *image)))
    };
    if any(&|point, image| image.is_some_and(|image| !point.is_of_the_day(image))) {
        legend.push("↑ nothing was built that day: the newest image from before it".to_owned());
    }
    if any(&|_, image| image.is_none()) {
        legend.push("– no image that old: `run` refuses that date unless --allow-partial".to_owned());
    }
    Table { title: String::new(), head, rows: points.iter().map(row).collect(), legend }
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
