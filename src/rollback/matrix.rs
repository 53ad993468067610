//! How the dates are told: a table of dates and services with what was built and what ran, and one of what ran.

use chrono::{DateTime, Utc};
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::points::Point;
use super::ran::{Held, held, is_image};
use super::target::Target;
use crate::action::report::{Cell, Table, Tone};
use crate::platform::Ran;
use crate::registry::Image;

/// What each service ran, by its repository, the newest first.
pub type Memories = IndexMap<String, Vec<Ran>>;

/// The mark of a cell where another image ran than the one that was built.
const DIFFERS: &str = "≠ ran";

/// The mark of a cell where it is not known what ran.
const NOT_KNOWN: &str = ", ran ?";

/// The dates offered, and for each service what was built by then and what ran.
pub struct Matrix<'a> {
    /// The services, by their repositories.
    pub repositories: &'a [String],
    /// All images that are known.
    pub images: &'a [Image],
    /// What ran; none where that was not read.
    pub ran: Option<&'a Memories>,
}

/// What is to be said of a service on a day: whether what was built ran at the end of it.
enum RanVerdict<'a> {
    AsBuilt(&'a Ran),
    Otherwise(&'a Ran),
    Unsure(String),
    Unknown,
}

impl<'a> Matrix<'a> {
    /// One date for programs.
    #[must_use]
    pub fn date(&self, point: &Point<'_>) -> Value {
        let services = self.repositories.iter().zip(&point.images).map(|(repository, image)| {
            let cell = image
                .map(|image| json!({"tag": image.tag, "created": image.created, "older": !point.is_of_the_day(image)}));
            (repository.clone(), cell.unwrap_or(Value::Null))
        });
        let services: Map<_, _> = services.collect();
        let mut date = json!({"date": point.date, "complete": point.is_complete(), "services": services});
        let told = self.repositories.iter().zip(&point.images).filter_map(|(repository, image)| {
            let told = match self.told(point, repository, *image)? {
                RanVerdict::AsBuilt(ran) => json!({"image": ran.image, "as_built": true}),
                RanVerdict::Otherwise(ran) => json!({"image": ran.image, "as_built": false}),
                RanVerdict::Unsure(why) => json!({"image": null, "unsure": why}),
                RanVerdict::Unknown => Value::Null,
            };
            Some((repository.clone(), told))
        });
        let told: Map<_, _> = told.collect();
        if !told.is_empty() {
            date["ran"] = told.into();
        }
        date
    }

    /// All dates for people: dates down, services across.
    #[must_use]
    pub fn table(&self, points: &[Point<'_>]) -> Table {
        let row = |point: &Point<'_>| {
            let pairs = self.repositories.iter().zip(&point.images);
            let cells = pairs.map(|(repository, image)| self.cell(point, repository, *image));
            std::iter::once(Cell::from(point.date.to_string())).chain(cells).collect()
        };
        let head = std::iter::once("date".to_owned()).chain(self.repositories.iter().cloned()).collect();
        let rows: Vec<Vec<Cell>> = points.iter().map(row).collect();
        let any = |mark: &str| rows.iter().flatten().any(|cell| cell.text.contains(mark));
        let meanings = [
            ("↑", "↑ nothing was built that day: the newest image from before it"),
            ("–", "– no image that old: `run` refuses that date unless --allow-partial"),
            (DIFFERS, "≠ ran at the end of that day another image ran: `run --by=ran` goes back to that one"),
            (NOT_KNOWN, "ran ? what ran at the end of that day is not known, or not sure"),
        ];
        let legend = meanings.iter().filter(|(mark, _)| any(mark)).map(|(_, meaning)| (*meaning).to_owned()).collect();
        Table { title: String::new(), head, rows, legend }
    }

    fn cell(&self, point: &Point<'_>, repository: &str, image: Option<&Image>) -> Cell {
        let mut cell = match image {
            None => Cell::new(Tone::Bad, "– none"),
            Some(image) if point.is_of_the_day(image) => Cell::from(image.tag.as_str()),
            Some(image) => Cell::new(Tone::Quiet, format!("↑ {}", image.tag)),
        };
        match self.told(point, repository, image) {
            None | Some(RanVerdict::AsBuilt(_)) => {}
            Some(RanVerdict::Otherwise(ran)) => {
                cell = Cell::new(Tone::Bad, format!("{} {DIFFERS} {}", cell.text, ran.image.short()));
            }
            Some(RanVerdict::Unsure(_) | RanVerdict::Unknown) => cell.text.push_str(NOT_KNOWN),
        }
        cell
    }

    /// None where what ran was not read.
    fn told(&self, point: &Point<'_>, repository: &str, image: Option<&Image>) -> Option<RanVerdict<'a>> {
        let spans = self.ran?.get(repository).map(Vec::as_slice).unwrap_or_default();
        Some(match held(spans, Target::Day(point.date).last_instant()) {
            Held::Ran(ran) if image.is_some_and(|image| is_image(&ran.image, image, self.images)) => {
                RanVerdict::AsBuilt(ran)
            }
            Held::Ran(ran) => RanVerdict::Otherwise(ran),
            Held::Unsure(why) => RanVerdict::Unsure(why),
            Held::Unknown => RanVerdict::Unknown,
        })
    }
}

/// What ran from when to when, as many spans of each service as dates are offered.
#[must_use]
pub fn ran_table(ran: &Memories, keep: usize) -> Table {
    let instant =
        |at: Option<DateTime<Utc>>, none: &str| at.map_or(none.to_owned(), |at| at.format("%F %R").to_string());
    let (mut rows, mut legend) = (Vec::new(), Vec::new());
    for (repository, spans) in ran {
        for span in spans.iter().take(keep) {
            let mut image = Cell::from(span.image.short());
            if let Some(doubt) = &span.doubt {
                image = Cell::new(Tone::Quiet, format!("{} ?", image.text));
                legend.push(format!("? {repository} {}: {doubt}", span.image.short()));
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
