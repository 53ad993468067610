//! Dates, times of a wall clock, and instants. They are never texts by accident: `1973-12-10` in a file stays a text, and a column of
//! dates holds dates.

use std::fmt;

use chrono::{DateTime, Datelike as _, FixedOffset, NaiveDate, NaiveDateTime, Timelike as _};

/// A point in time, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Instant {
    /// A day.
    Date(NaiveDate),
    /// What a clock on a wall shows, wherever the wall is.
    Local(NaiveDateTime),
    /// An instant, in the zone that it was told in.
    Zoned(DateTime<FixedOffset>),
}

impl Instant {
    /// Whether both are the same: two instants whatever their zones; otherwise of one kind.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Zoned(one), Self::Zoned(two)) => one == two,
            _ => self == other,
        }
    }

    /// What a text tells, where it is a day, a time or an instant.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if !text.starts_with(|c: char| c.is_ascii_digit()) || text.as_bytes().get(4) != Some(&b'-') {
            return None;
        }
        let date = || text.parse().ok().map(Self::Date);
        date().or_else(|| local_of(text).map(Self::Local)).or_else(|| zoned_of(text).map(Self::Zoned))
    }

    /// Whether a text tells it: `2026-11-28`, `2026-11-28 10:00:00`, `2026-11-28T11:00:00+01:00`.
    #[must_use]
    pub fn is_written(&self, text: &str) -> bool {
        let text = text.trim();
        match self {
            Self::Date(date) => text.parse::<NaiveDate>().is_ok_and(|told| told == *date),
            Self::Local(local) => local_of(text).is_some_and(|told| told == *local),
            Self::Zoned(zoned) => zoned_of(text).is_some_and(|told| told == *zoned),
        }
    }

    /// As Python's `repr` writes it.
    pub(super) fn repr(&self) -> String {
        let day = |date: NaiveDate| format!("{}, {}, {}", date.year(), date.month(), date.day());
        let time = |local: NaiveDateTime| {
            let seconds = local.second();
            let micros = local.nanosecond() / 1000;
            let tail = match (seconds, micros) {
                (0, 0) => String::new(),
                (_, 0) => format!(", {seconds}"),
                _ => format!(", {seconds}, {micros}"),
            };
            format!("{}, {}, {}{tail}", day(local.date()), local.hour(), local.minute())
        };
        match self {
            Self::Date(date) => format!("datetime.date({})", day(*date)),
            Self::Local(local) => format!("datetime.datetime({})", time(*local)),
            Self::Zoned(zoned) => {
                let zone = match zoned.offset().local_minus_utc() {
                    0 => "datetime.timezone.utc".to_owned(),
                    seconds => format!("datetime.timezone(datetime.timedelta(seconds={seconds}))"),
                };
                format!("datetime.datetime({}, tzinfo={zone})", time(zoned.naive_local()))
            }
        }
    }

    /// What [`Self::repr`] wrote, and how long it was; none where a text begins otherwise.
    pub(super) fn parse(text: &str) -> Option<(Self, usize)> {
        if let Some(rest) = text.strip_prefix("datetime.date(") {
            let (inner, _) = rest.split_once(')')?;
            let [year, month, day] = numbers(inner)?[..] else { return None };
            let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, small(month)?, small(day)?)?;
            return Some((Self::Date(date), text.len() - rest.len() + inner.len() + 1));
        }
        let rest = text.strip_prefix("datetime.datetime(")?;
        let (inner, zone) = match rest.split_once(", tzinfo=") {
            // A parenthesis before it: that zone is another one's.
            Some((inner, zone)) if !inner.contains(')') => (inner, Some(zone)),
            _ => (rest.split_once(')')?.0, None),
        };
        let parts = numbers(inner)?;
        let [year, month, day, hour, minute, ref more @ ..] = parts[..] else { return None };
        let at = |index: usize| more.get(index).copied().unwrap_or(0);
        let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, small(month)?, small(day)?)?;
        let local = date.and_hms_micro_opt(small(hour)?, small(minute)?, small(at(0))?, small(at(1))?)?;
        let Some(zone) = zone else {
            return (more.len() <= 2).then_some((Self::Local(local), text.len() - rest.len() + inner.len() + 1));
        };
        let before = text.len() - zone.len();
        let (offset, length) = if zone.starts_with("datetime.timezone.utc)") {
            (0, "datetime.timezone.utc)".len())
        } else {
            let seconds = zone.strip_prefix("datetime.timezone(datetime.timedelta(seconds=")?;
            let (seconds, _) = seconds.split_once(")))")?;
            let opening = "datetime.timezone(datetime.timedelta(seconds=".len();
            (seconds.parse().ok()?, opening + seconds.len() + 3)
        };
        let zoned = local.and_local_timezone(FixedOffset::east_opt(offset)?).single()?;
        Some((Self::Zoned(zoned), before + length))
    }
}

/// The moment that a value tells, in seconds since 1970; a time without a zone is one of this host's.
pub(super) fn moment(value: &super::Value) -> Option<f64> {
    let of_local =
        |local: NaiveDateTime| local.and_local_timezone(chrono::Local).earliest().map(|at| at.timestamp_micros());
    let micros = match value {
        super::Value::Instant(Instant::Zoned(zoned)) => zoned.timestamp_micros(),
        super::Value::Instant(Instant::Local(local)) => of_local(*local)?,
        super::Value::Text(text) => match zoned_of(text.trim()) {
            Some(zoned) => zoned.timestamp_micros(),
            None => of_local(local_of(text.trim())?)?,
        },
        _ => return None,
    };
    #[expect(clippy::cast_precision_loss, reason = "microseconds of this age of the world fit")]
    Some(micros as f64 / 1e6)
}

fn numbers(text: &str) -> Option<Vec<i64>> {
    text.split(", ").map(|part| part.parse().ok()).collect()
}

fn small(number: i64) -> Option<u32> {
    u32::try_from(number).ok()
}

fn local_of(text: &str) -> Option<NaiveDateTime> {
    let formats = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"];
    formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
}

fn zoned_of(text: &str) -> Option<DateTime<FixedOffset>> {
    let formats = ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f %#z"];
    let text = text.strip_suffix('Z').map_or_else(|| text.to_owned(), |text| format!("{text}+00:00"));
    formats.iter().find_map(|format| DateTime::parse_from_str(&text, format).ok())
}

impl fmt::Display for Instant {
    /// As Python's `str` writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = |nanos: u32| if nanos == 0 { String::new() } else { format!(".{:06}", nanos / 1000) };
        match self {
            Self::Date(date) => write!(f, "{date}"),
            Self::Local(local) => {
                write!(f, "{}{}", local.format("%Y-%m-%d %H:%M:%S"), fraction(local.nanosecond()))
            }
            Self::Zoned(zoned) => {
                write!(
                    f,
                    "{}{}{}",
                    zoned.format("%Y-%m-%d %H:%M:%S"),
                    fraction(zoned.nanosecond()),
                    zoned.format("%:z")
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_the_same_in_every_zone_and_a_wall_clock_is_no_instant() {
        let zoned = |text: &str| Instant::Zoned(zoned_of(text).expect(text));
        let noon = zoned("2026-11-28T12:00:00Z");
        assert!(noon.same(&zoned("2026-11-28 13:00:00+01:00")));
        assert!(noon.is_written("2026-11-28 13:00:00+01") && !noon.is_written("2026-11-28 13:00:00"));
        let local = Instant::Local(local_of("2026-11-28 12:00:00").expect("a time"));
        assert!(!noon.same(&local) && local.is_written("2026-11-28T12:00"));
        assert_eq!(zoned("2026-11-28T13:00:00.5+01:00").to_string(), "2026-11-28 13:00:00.500000+01:00");
        assert!(Instant::Date(NaiveDate::from_ymd_opt(1973, 12, 15).expect("a day")).is_written("1973-12-15"));
    }
}
