//! `get`: which dates can be gone back to, and what ran on them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use indexmap::IndexMap;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::arguments::Look;
use super::dump::Dump;
use super::plan::application_of;
use super::points::{Point, points};
use super::ran::{Held, held, is_image};
use super::remember::remember;
use super::show::short;
use super::target::Target;
use crate::action::arguments::UsageError;
use crate::action::context::Context;
use crate::action::report::{Cell, Finding, Outcome, Table, Tone};
use crate::http;
use crate::journal::Unrecorded;
use crate::platform::{Access, Ran, connect};
use crate::registry::Image;

/// What each service ran, by its repository, the newest first.
type Memories = IndexMap<String, Vec<Ran>>;

/// How long the platform may take to tell what ran.
const PATIENCE: Duration = Duration::from_mins(1);

/// The mark of a cell where another image ran than the one that was built.
const DIFFERS: &str = "≠ ran";

/// The mark of a cell where it is not known what ran.
const NOT_KNOWN: &str = ", ran ?";

/// Reads the registry, writes the dump, and says what was found.
///
/// # Errors
/// When the registry cannot be read, has no image of the environment, or the dump cannot be written.
pub async fn get(look: &Look, context: &Context) -> anyhow::Result<Finding> {
    if !look.shared.dump.is_dir() {
        return Err(UsageError(format!("--dump: '{}' is no folder", look.shared.dump.display())).into());
    }
    let http = http::client(&look.shared.trust)?;
    let registry = look.shared.registry(&look.registry, look.immutable_tags, http.clone(), context)?;
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
    let ran = ran(look, registry.address(), http, context).await;
    let points = points(&look.repositories, &images, look.keep);
    let mut dump = Dump::new(&look.repositories, environment, registry.address(), context.started, &images, &points);
    dump.ran = ran.clone().unwrap_or_default();
    let path = dump.write(&look.shared.dump).context("the registry was read, and its dates could not be kept")?;
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
        .with("dates", points.iter().map(|point| date(look, point, ran.as_ref(), &images)).collect::<Vec<_>>())
        .with("undated", &undated);
    if look.platform.is_some() {
        finding = finding.with("running", &look.running).with("ran", &ran);
    }
    finding.tables = vec![matrix(look, &points, ran.as_ref(), &images)];
    finding.tables.extend(ran.as_ref().map(|ran| ran_table(ran, look.keep)));
    if !undated.is_empty() {
        finding.tables.push(undated_table(&undated));
    }
    Ok(finding)
}

/// What each service ran, by its repository; none where that was not asked for, or cannot be read: the dates are worth
/// having where the platform is what burns.
async fn ran(look: &Look, registry: &str, http: http::Client, context: &Context) -> Option<Memories> {
    let url = look.platform.as_ref()?;
    let read = async {
        let access = Access {
            user: look.shared.user.clone(),
            password: look.shared.password.clone(),
            registry: None,
            http,
            ledger: Arc::new(Unrecorded::default()),
        };
        let platform = connect(url, &look.running, access).await?;
        let applications = platform.applications(&look.running).await?;
        let (running, address) = (&look.running, platform.address());
        anyhow::ensure!(
            !applications.is_empty(),
            "no application of '{running}' runs on {address}: name the environment in the ids there by --running"
        );
        for repository in &look.repositories {
            if let Err(problem) = application_of(repository, registry, &applications) {
                context.watch.warn(&format!("what '{repository}' ran is not known: {problem}"));
            }
        }
        remember(&look.repositories, registry, running, &*platform, &applications, context).await
    };
    let read = timeout(PATIENCE, read).await.unwrap_or_else(|_| {
        Err(anyhow::anyhow!("the platform took longer than {} seconds to tell", PATIENCE.as_secs()))
    });
    let warn = |error: anyhow::Error| context.watch.warn(&format!("what ran is not known: {error:#}"));
    read.map_err(warn).ok()
}

fn date(look: &Look, point: &Point<'_>, ran: Option<&Memories>, images: &[Image]) -> Value {
    let services = look.repositories.iter().zip(&point.images).map(|(repository, image)| {
        let cell = image
            .map(|image| json!({"tag": image.tag, "created": image.created, "older": !point.is_of_the_day(image)}));
        (repository.clone(), cell.unwrap_or(Value::Null))
    });
    let services: serde_json::Map<_, _> = services.collect();
    let mut date = json!({"date": point.date, "complete": point.is_complete(), "services": services});
    if let Some(ran) = ran {
        let told = |(repository, image): (&String, &Option<&Image>)| {
            let told = match told(ran, repository, point, *image, images) {
                Told::Agrees(ran) => json!({"image": ran.image, "as_built": true}),
                Told::Differs(ran) => json!({"image": ran.image, "as_built": false}),
                Told::Unsure(why) => json!({"image": null, "unsure": why}),
                Told::Unknown => Value::Null,
            };
            (repository.clone(), told)
        };
        date["ran"] = look.repositories.iter().zip(&point.images).map(told).collect::<serde_json::Map<_, _>>().into();
    }
    date
}

/// What is to be said of a cell of the matrix: whether what was built ran at the end of that day.
enum Told<'a> {
    Agrees(&'a Ran),
    Differs(&'a Ran),
    Unsure(String),
    Unknown,
}

fn told<'a>(
    ran: &'a Memories,
    repository: &str,
    point: &Point<'_>,
    image: Option<&Image>,
    images: &[Image],
) -> Told<'a> {
    let spans = ran.get(repository).map(Vec::as_slice).unwrap_or_default();
    match held(spans, Target::Day(point.date).last_instant()) {
        Held::Ran(ran) if image.is_some_and(|image| is_image(&ran.image, image, images)) => Told::Agrees(ran),
        Held::Ran(ran) => Told::Differs(ran),
        Held::Unsure(why) => Told::Unsure(why),
        Held::Unknown => Told::Unknown,
    }
}

/// Dates down, services across.
fn matrix(look: &Look, points: &[Point<'_>], ran: Option<&Memories>, images: &[Image]) -> Table {
    let cell = |point: &Point<'_>, (repository, image): (&String, &Option<&Image>)| {
        let mut cell = match image {
            None => Cell::new(Tone::Bad, "– none"),
            Some(image) if point.is_of_the_day(image) => Cell::from(image.tag.as_str()),
            Some(image) => Cell::new(Tone::Quiet, format!("↑ {}", image.tag)),
        };
        match ran.map(|ran| told(ran, repository, point, *image, images)) {
            None | Some(Told::Agrees(_)) => {}
            Some(Told::Differs(ran)) => {
                cell = Cell::new(Tone::Bad, format!("{} {DIFFERS} {}", cell.text, short(&ran.image)));
            }
            Some(Told::Unsure(_) | Told::Unknown) => cell.text.push_str(NOT_KNOWN),
        }
        cell
    };
    let row = |point: &Point<'_>| {
        let cells = look.repositories.iter().zip(&point.images).map(|pair| cell(point, pair));
        std::iter::once(Cell::from(point.date.to_string())).chain(cells).collect()
    };
    let head = std::iter::once("date".to_owned()).chain(look.repositories.iter().cloned()).collect();
    let rows: Vec<Vec<Cell>> = points.iter().map(row).collect();
    let mut legend = Vec::new();
    let any = |mark: &str| rows.iter().flatten().any(|cell| cell.text.contains(mark));
    if any("↑") {
        legend.push("↑ nothing was built that day: the newest image from before it".to_owned());
    }
    if any("–") {
        legend.push("– no image that old: `run` refuses that date unless --allow-partial".to_owned());
    }
    if any(DIFFERS) {
        legend
            .push(format!("{DIFFERS} at the end of that day another image ran: `run --by=ran` goes back to that one"));
    }
    if any(NOT_KNOWN) {
        legend.push("ran ? what ran at the end of that day is not known, or not sure".to_owned());
    }
    Table { title: String::new(), head, rows, legend }
}

/// What ran from when to when, as many spans of each service as dates are offered.
fn ran_table(ran: &Memories, keep: usize) -> Table {
    let instant =
        |at: Option<DateTime<Utc>>, none: &str| at.map_or(none.to_owned(), |at| at.format("%F %R").to_string());
    let (mut rows, mut legend) = (Vec::new(), Vec::new());
    for (repository, spans) in ran {
        for span in spans.iter().take(keep) {
            let mut image = Cell::from(short(&span.image));
            if let Some(doubt) = &span.doubt {
                image = Cell::new(Tone::Quiet, format!("{} ?", image.text));
                legend.push(format!("? {repository} {}: {doubt}", short(&span.image)));
            }
            rows.push(vec![
                Cell::from(repository.as_str()),
                image,
                instant(span.from, "?").into(),
                instant(span.until, "now").into(),
                Cell::new(Tone::Quiet, span.source.as_str()),
            ]);
        }
        if spans.is_empty() {
            let nothing = Cell::new(Tone::Quiet, "nothing is remembered");
            rows.push(vec![repository.as_str().into(), Cell::from("?"), "?".into(), "?".into(), nothing]);
        }
    }
    legend.dedup();
    let head = ["service", "ran", "from (UTC)", "until", "as known by"].map(str::to_owned).to_vec();
    Table { title: String::new(), head, rows, legend }
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
