//! The moment that a set of services goes back to.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, SecondsFormat, TimeDelta, Utc};

/// The moment to go back to: the end of a day in UTC, or an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The end of this day, UTC.
    Day(NaiveDate),
    /// This instant.
    Instant(DateTime<Utc>),
}

impl Target {
    /// The last instant that belongs to it: nothing younger is chosen.
    #[must_use]
    pub fn last_instant(self) -> DateTime<Utc> {
        match self {
            Self::Instant(instant) => instant,
            Self::Day(day) => day.checked_add_days(Days::new(1)).map_or(DateTime::<Utc>::MAX_UTC, |next| {
                next.and_time(NaiveTime::MIN).and_utc() - TimeDelta::nanoseconds(1)
            }),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => day.fmt(f),
            Self::Instant(instant) => f.write_str(&instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|day| day.to_string() == text);
        let instant = || DateTime::parse_from_rfc3339(text).ok().map(|instant| Self::Instant(instant.to_utc()));
        day.map(Self::Day).or_else(instant).ok_or_else(|| {
            format!("'{text}' is neither a day (2026-11-20) nor an instant of RFC 3339 (2026-11-20T18:00:00Z)")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_with_its_last_nanosecond_and_an_instant_with_itself() {
        let last = |text: &str| text.parse::<Target>().map(|target| target.last_instant().to_rfc3339());
        assert_eq!(last("2026-11-20"), Ok("2026-11-20T23:59:59.999999999+00:00".to_owned()));
        assert_eq!(last("2024-02-29"), Ok("2024-02-29T23:59:59.999999999+00:00".to_owned()));
        assert_eq!(last("2026-11-20T01:30:00+02:00"), Ok("2026-11-19T23:30:00+00:00".to_owned()));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in ["", "yesterday", "2026-13-01", "2025-02-29", "20.11.2026", "2026-11-20T18:00:00", "2026-1-2"] {
            let refusal = text.parse::<Target>().expect_err("a refusal");
            assert!(refusal.starts_with(&format!("'{text}' is neither a day")), "{refusal}");
        }
    }

    #[test]
    fn is_printed_as_it_is_read() {
        for text in ["2026-11-20", "2026-11-20T18:00:00Z", "2026-11-20T18:00:00.250Z"] {
            assert_eq!(text.parse::<Target>().expect("a target").to_string(), text);
        }
    }
}
