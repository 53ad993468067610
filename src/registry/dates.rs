//! Which of the dates that stand in an image can be relied upon.

use std::collections::HashSet;

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{DateSource, Dated, Image, MissingDate};

/// No image is older than containers are. Earlier years are what reproducible builds write: 1970, 1980 or 1.
const FIRST_YEAR: i32 = 2013;

/// How far two dates of an image may be apart without a word: a build takes less.
const ONE_BUILD: TimeDelta = TimeDelta::days(1);

/// What is said of an image's date in all the places that can hold one. It follows from the bytes that a digest names,
/// so it never changes, and it is not yet compared with the present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dates {
    /// The newest that a config gives as its own.
    inside: Option<Dated>,
    /// The newest that stands in an annotation, or in a label of the config.
    noted: Option<Dated>,
    /// Why there is none, where there is none.
    lack: MissingDate,
}

impl Dates {
    /// None, and why.
    pub(super) fn none(lack: MissingDate) -> Self {
        Self { inside: None, noted: None, lack }
    }

    /// What a text says, or that there is none.
    pub(super) fn read(text: Option<&str>, date_from: DateSource) -> Self {
        let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
            return Self::none(MissingDate::Absent);
        };
        let date = match DateTime::parse_from_rfc3339(text).map(|instant| instant.to_utc()) {
            Ok(instant) if instant.year() < FIRST_YEAR => return Self::none(MissingDate::Epoch),
            Ok(created) => Some(Dated { created, date_from }),
            Err(_) => return Self::none(MissingDate::Unreadable),
        };
        match date_from {
            DateSource::Annotation | DateSource::Label => Self { noted: date, ..Self::none(MissingDate::Absent) },
            DateSource::Config => Self { inside: date, ..Self::none(MissingDate::Absent) },
        }
    }

    /// The newest. Builders hand the annotations and labels of a base image on, which is older than what is built on it; builds
    /// made reproducible have an old date in the config; and an index cannot have been there before its last part.
    fn newest(self) -> Option<Dated> {
        self.inside.max(self.noted)
    }

    /// Both these and those.
    pub(super) fn and(self, more: Self) -> Self {
        let lack = if weight(self.lack) >= weight(more.lack) { self.lack } else { more.lack };
        Self { inside: self.inside.max(more.inside), noted: self.noted.max(more.noted), lack }
    }
}

/// Which reason says more, where several hold.
fn weight(reason: MissingDate) -> u8 {
    match reason {
        MissingDate::NoChild => 0,
        MissingDate::Absent => 1,
        MissingDate::Unreadable => 2,
        MissingDate::Epoch | MissingDate::Future | MissingDate::SameInstant => 3,
    }
}

/// An image with the dates that were found, as it stands at `now`.
pub(super) fn image(repository: &str, tag: &str, digest: String, dates: Dates, now: DateTime<Utc>) -> Image {
    let image = Image::undated(repository.to_owned(), tag.to_owned(), digest);
    let Some(newest) = dates.newest() else { return Image { undated: Some(dates.lack), ..image } };
    if newest.created > now {
        return Image { undated: Some(MissingDate::Future), ..image };
    }
    let older = dates.inside.min(dates.noted);
    let older_date = older.filter(|older| newest.created - older.created > ONE_BUILD);
    Image { created: Some(newest.created), date_from: Some(newest.date_from), older_date, ..image }
}

/// Takes the dates from the images of one repository, where all that have one have the same, and are not one image
/// under several tags: some builders give every image one date, and it says nothing about any of them.
pub(super) fn distrust_one_instant(images: &mut [Image]) {
    let instants: HashSet<_> = images.iter().filter_map(|image| image.created).collect();
    let digests: HashSet<_> =
        images.iter().filter(|image| image.created.is_some()).map(|image| &image.digest).collect();
    if instants.len() != 1 || digests.len() < 2 {
        return;
    }
    for image in images.iter_mut().filter(|image| image.created.is_some()) {
        (image.created, image.date_from, image.older_date) = (None, None, None);
        image.undated = Some(MissingDate::SameInstant);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn instant(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn dated(text: &str, date_from: DateSource) -> Dated {
        Dated { created: instant(text), date_from }
    }

    fn inside(text: &str) -> Dates {
        Dates { inside: Some(dated(text, DateSource::Config)), ..Dates::none(MissingDate::Absent) }
    }

    fn noted(text: &str) -> Dates {
        Dates { noted: Some(dated(text, DateSource::Annotation)), ..Dates::none(MissingDate::Absent) }
    }

    #[test]
    fn a_text_is_an_instant_or_says_why_not() {
        for (text, expected) in [
            (Some("2026-11-20T08:00:00Z"), inside("2026-11-20T08:00:00Z")),
            (Some("2026-11-20T08:00:00.123456789+02:00"), inside("2026-11-20T06:00:00.123456789Z")),
            (Some(" 2026-11-20T08:00:00Z\n"), inside("2026-11-20T08:00:00Z")),
            (None, Dates::none(MissingDate::Absent)),
            (Some(""), Dates::none(MissingDate::Absent)),
            (Some("1970-01-01T00:00:00Z"), Dates::none(MissingDate::Epoch)),
            (Some("1970-01-01T00:00:00+14:00"), Dates::none(MissingDate::Epoch)),
            (Some("1980-01-01T00:00:01Z"), Dates::none(MissingDate::Epoch)),
            (Some("0001-01-01T00:00:00Z"), Dates::none(MissingDate::Epoch)),
            (Some("0000-01-01T00:00:00+23:59"), Dates::none(MissingDate::Epoch)),
            (Some("2026-11-20"), Dates::none(MissingDate::Unreadable)),
            (Some("yesterday"), Dates::none(MissingDate::Unreadable)),
        ] {
            assert_eq!(Dates::read(text, DateSource::Config), expected, "{text:?}");
        }
        let text = "2026-11-20T08:00:00Z";
        assert_eq!(Dates::read(Some(text), DateSource::Annotation), noted(text));
    }

    #[test]
    fn the_first_of_two_places_with_a_date_counts_or_the_best_reason() {
        let (one, other) = (inside("2026-11-20T08:00:00Z"), inside("2026-11-21T08:00:00Z"));
        assert_eq!(one.and(other).newest(), one.newest().max(other.newest()));
        assert_eq!(Dates::none(MissingDate::Epoch).and(other).newest(), other.newest());
        let nothing = [MissingDate::Absent, MissingDate::Epoch, MissingDate::Unreadable].map(Dates::none);
        assert_eq!(nothing[0].and(nothing[1]).and(nothing[2]), nothing[1]);
        assert_eq!(nothing[0].and(nothing[2]).and(nothing[0]), nothing[2]);
    }

    fn at(dates: Dates) -> (Option<Dated>, Option<Dated>, Option<MissingDate>) {
        let image = image("billing", "1", "a".to_owned(), dates, instant("2026-12-01T00:00:00Z"));
        let newest = image.created.zip(image.date_from).map(|(created, date_from)| Dated { created, date_from });
        (newest, image.older_date, image.undated)
    }

    #[test]
    fn the_later_of_config_and_annotation_counts_and_the_other_is_told() {
        let (base, built) = ("2026-11-02T08:00:00Z", "2026-11-27T08:00:00Z");
        let (config, annotation) = (DateSource::Config, DateSource::Annotation);
        // Inherited from the base image; and made reproducible.
        let inherited = inside(built).and(noted(base));
        assert_eq!(at(inherited), (Some(dated(built, config)), Some(dated(base, annotation)), None));
        let reproducible = inside(base).and(noted(built));
        assert_eq!(at(reproducible), (Some(dated(built, annotation)), Some(dated(base, config)), None));
        // A day apart is one build; a moment more is not.
        for (noted_at, older) in [("2026-11-26T08:00:00Z", false), ("2026-11-26T07:59:59.9Z", true)] {
            let (newest, told, undated) = at(inside(built).and(noted(noted_at)));
            assert_eq!((newest, told.is_some(), undated), (Some(dated(built, config)), older, None));
        }
        // The children of an index, of which only annotation and config are compared.
        let index = inside("2026-11-01T08:00:00Z").and(inside(built));
        assert_eq!(at(index), (Some(dated(built, config)), None, None));
        assert_eq!(at(index.and(noted(base))), (Some(dated(built, config)), Some(dated(base, annotation)), None));
    }

    #[test]
    fn where_one_of_two_is_in_the_future_there_is_no_date() {
        let (past, future) = ("2026-11-02T08:00:00Z", "2026-12-02T08:00:00Z");
        for dates in [inside(past).and(noted(future)), inside(future).and(noted(past)), inside(future)] {
            assert_eq!(at(dates), (None, None, Some(MissingDate::Future)));
        }
    }

    fn made(digest: &str, created: Option<&str>) -> Image {
        let dates = created.map_or(Dates::none(MissingDate::Absent), inside);
        image("billing", digest, digest.to_owned(), dates, instant("2026-12-01T00:00:00Z"))
    }

    #[test]
    fn a_date_in_the_future_is_none() {
        let future = made("a", Some("2026-12-01T00:00:00.000000001Z"));
        assert_eq!((future.created, future.date_from, future.undated), (None, None, Some(MissingDate::Future)));
        let present = made("a", Some("2026-12-01T00:00:00Z"));
        assert_eq!(present.created, Some(instant("2026-12-01T00:00:00Z")));
        assert_eq!((present.date_from, present.undated), (Some(DateSource::Config), None));
    }

    #[test]
    fn one_instant_for_different_images_is_no_date() {
        let same = Some("2026-11-20T08:00:00Z");
        let mut images = [made("a", same), made("b", Some("2026-11-20T09:00:00+01:00")), made("c", None)];
        distrust_one_instant(&mut images);
        let reasons = images.each_ref().map(|image| image.undated);
        assert_eq!(
            reasons,
            [Some(MissingDate::SameInstant), Some(MissingDate::SameInstant), Some(MissingDate::Absent)]
        );
        assert!(images.iter().all(|image| image.created.is_none() && image.date_from.is_none()));
    }

    #[test]
    fn one_image_under_two_tags_or_a_third_date_keep_theirs() {
        let same = Some("2026-11-20T08:00:00Z");
        for mut images in [
            vec![made("a", same), made("a", same)],
            vec![made("a", same), made("b", None)],
            vec![made("a", same), made("b", same), made("c", Some("2026-11-20T08:00:00.1Z"))],
            vec![],
        ] {
            let before = images.clone();
            distrust_one_instant(&mut images);
            assert_eq!(images, before);
        }
    }

    proptest! {
        #[test]
        fn every_instant_since_containers_is_read_back(seconds in 1_356_998_400_i64..4_102_444_800, nanoseconds in 0_u32..1_000_000_000, minutes in -14_i32 * 60..14 * 60) {
            let instant = DateTime::from_timestamp(seconds, nanoseconds).unwrap();
            let written = instant.with_timezone(&chrono::FixedOffset::east_opt(minutes * 60).unwrap()).to_rfc3339();
            let read = Dates::read(Some(&written), DateSource::Label).newest();
            prop_assert_eq!(read, Some(Dated { created: instant, date_from: DateSource::Label }));
        }

        #[test]
        fn no_text_breaks_it(text in ".{0,60}") {
            let _ = Dates::read(Some(&text), DateSource::Annotation);
        }
    }
}
