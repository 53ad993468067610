//! Now, and times as texts, in the zone of this host: as Python's `datetime` tells them.

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, Local, NaiveDateTime, TimeZone as _};
use minijinja::{Environment, Error, ErrorKind, Value as Jinja};

use super::convert::from_jinja;
use crate::action::context::local_now;
use crate::pipeline::value::{Decimal, Value};

/// How a time is written where nothing else is said.
const FORMAT: &str = "%Y-%m-%d %H:%M:%S.%f";

/// What the time is.
#[derive(Debug, Clone, Copy)]
pub struct Clock;

impl Clock {
    /// Seconds since 1970, to the microsecond.
    #[must_use]
    pub fn timestamp() -> Value {
        stamp(local_now())
    }

    /// As `NOW_DT` is: `2026-11-28T10:00:000+0000`, which is Catcher's way.
    #[must_use]
    pub fn written() -> Value {
        Value::from(local_now().format("%Y-%m-%dT%H:%M:%S0+0000").to_string())
    }
}

/// Adds the functions and filters of time.
pub(super) fn add(jinja: &mut Environment<'_>) {
    jinja.add_function("now", |format: Option<&str>| written(local_now(), format.unwrap_or(FORMAT)));
    jinja.add_function("now_ts", || super::convert::to_jinja(&Clock::timestamp()));
    jinja.add_filter("asdate", |value: Jinja, format: Option<&str>| {
        let value = from_jinja(&value);
        let number = value.number().or_else(|| Value::literal(value.text()?)?.number());
        let micros = number.as_ref().and_then(Decimal::exactly).map(|seconds| (seconds * 1e6).round());
        #[expect(clippy::cast_possible_truncation, reason = "what is beyond is no date, and refused as such")]
        let at = micros.and_then(|micros| Local.timestamp_micros(micros as i64).single());
        let at = at.ok_or_else(|| wrong(format!("{} is no number of seconds since 1970", value.repr())))?;
        written(at, format.unwrap_or(FORMAT))
    });
    jinja.add_filter("astimestamp", |text: &str, format: Option<&str>| {
        let format = format.unwrap_or(FORMAT);
        let refusal = || wrong(format!("'{text}' is no time that is written as '{format}'"));
        let at = NaiveDateTime::parse_from_str(text, &format.replace(".%f", "%.f").replace("%f", "%6f"));
        let at = at.ok().and_then(|at| at.and_local_timezone(Local).earliest()).ok_or_else(refusal)?;
        Ok::<_, Error>(super::convert::to_jinja(&stamp(at)))
    });
}

fn wrong(what: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, what)
}

fn stamp(at: DateTime<Local>) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "microseconds of this age of the world fit")]
    let seconds = at.timestamp_micros() as f64 / 1e6;
    Decimal::of(seconds).map_or(Value::Null, Value::Decimal)
}

fn written(at: DateTime<Local>, format: &str) -> Result<String, Error> {
    // Python's `%f` is microseconds.
    let format = format.replace("%f", "%6f");
    let items: Vec<Item<'_>> = StrftimeItems::new(&format).collect();
    if items.contains(&Item::Error) {
        return Err(wrong(format!("'{format}' is no format of a time")));
    }
    Ok(at.format_with_items(items.into_iter()).to_string())
}
