//! Which of the dates that stand in an image can be relied upon.

use std::collections::HashSet;

use chrono::{DateTime, Datelike as _, Utc};
use serde::{Deserialize, Serialize};

use super::{DateSource, Image, Undated};

/// No image is older than containers are. Earlier years are what reproducible builds write: 1970, 1980 or 1.
const FIRST_YEAR: i32 = 2013;

/// What a manifest says about its date. It follows from the bytes that a digest names, so it never changes, and it is
/// not yet compared with the present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// An instant that a build could have happened at.
    Date(DateTime<Utc>, DateSource),
    /// None.
    Nothing(Undated),
}

impl Found {
    /// What a text says, or that there is none.
    pub(super) fn read(text: Option<&str>, source: DateSource) -> Self {
        let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
            return Self::Nothing(Undated::Absent);
        };
        match DateTime::parse_from_rfc3339(text).map(|instant| instant.to_utc()) {
            Ok(instant) if instant.year() < FIRST_YEAR => Self::Nothing(Undated::Epoch),
            Ok(instant) => Self::Date(instant, source),
            Err(_) => Self::Nothing(Undated::Unreadable),
        }
    }

    pub(super) fn is_date(self) -> bool {
        matches!(self, Self::Date(..))
    }

    /// The first date of several places in one image, or the best reason why there is none: a place further down is
    /// looked at only if those above it say nothing of use.
    pub(super) fn or(self, further: Self) -> Self {
        match (self, further) {
            (Self::Date(..), _) => self,
            (_, Self::Date(..)) => further,
            (Self::Nothing(one), Self::Nothing(other)) => {
                Self::Nothing(if weight(one) >= weight(other) { one } else { other })
            }
        }
    }

    /// The date of an index from those of its children: the newest. An index as it stands cannot have been there
    /// before its last part was built.
    pub(super) fn newest(children: impl IntoIterator<Item = Self>) -> Self {
        children.into_iter().fold(Self::Nothing(Undated::NoChild), |newest, child| match (newest, child) {
            (Self::Date(one, _), Self::Date(other, _)) => {
                if other > one {
                    child
                } else {
                    newest
                }
            }
            _ => newest.or(child),
        })
    }
}

/// Which reason says more, where several hold.
fn weight(reason: Undated) -> u8 {
    match reason {
        Undated::NoChild => 0,
        Undated::Absent => 1,
        Undated::Unreadable => 2,
        Undated::Epoch | Undated::Future | Undated::SameInstant => 3,
    }
}

/// An image with the date that was found, as it stands at `now`.
pub(super) fn image(repository: &str, tag: &str, digest: String, found: Found, now: DateTime<Utc>) -> Image {
    let (created, date_from, undated) = match found {
        Found::Date(instant, _) if instant > now => (None, None, Some(Undated::Future)),
        Found::Date(instant, source) => (Some(instant), Some(source), None),
        Found::Nothing(reason) => (None, None, Some(reason)),
    };
    Image { repository: repository.to_owned(), tag: tag.to_owned(), digest, created, date_from, undated }
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
        (image.created, image.date_from, image.undated) = (None, None, Some(Undated::SameInstant));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn instant(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn date(text: &str) -> Found {
        Found::Date(instant(text), DateSource::Config)
    }

    #[test]
    fn a_text_is_an_instant_or_says_why_not() {
        for (text, expected) in [
            (Some("2026-11-20T08:00:00Z"), date("2026-11-20T08:00:00Z")),
            (Some("2026-11-20T08:00:00.123456789+02:00"), date("2026-11-20T06:00:00.123456789Z")),
            (Some(" 2026-11-20T08:00:00Z\n"), date("2026-11-20T08:00:00Z")),
            (None, Found::Nothing(Undated::Absent)),
            (Some(""), Found::Nothing(Undated::Absent)),
            (Some("1970-01-01T00:00:00Z"), Found::Nothing(Undated::Epoch)),
            (Some("1970-01-01T00:00:00+14:00"), Found::Nothing(Undated::Epoch)),
            (Some("1980-01-01T00:00:01Z"), Found::Nothing(Undated::Epoch)),
            (Some("0001-01-01T00:00:00Z"), Found::Nothing(Undated::Epoch)),
            (Some("0000-01-01T00:00:00+23:59"), Found::Nothing(Undated::Epoch)),
            (Some("2026-11-20"), Found::Nothing(Undated::Unreadable)),
            (Some("yesterday"), Found::Nothing(Undated::Unreadable)),
        ] {
            assert_eq!(Found::read(text, DateSource::Config), expected, "{text:?}");
        }
    }

    #[test]
    fn the_first_place_with_a_date_counts() {
        let (one, other) = (date("2026-11-20T08:00:00Z"), date("2026-11-21T08:00:00Z"));
        assert_eq!(one.or(other), one);
        assert_eq!(Found::Nothing(Undated::Epoch).or(other), other);
        let nothing = [Undated::Absent, Undated::Epoch, Undated::Unreadable].map(Found::Nothing);
        assert_eq!(nothing[0].or(nothing[1]).or(nothing[2]), Found::Nothing(Undated::Epoch));
        assert_eq!(nothing[0].or(nothing[2]).or(nothing[0]), Found::Nothing(Undated::Unreadable));
    }

    #[test]
    fn an_index_is_as_new_as_its_newest_child() {
        let children = [date("2026-11-20T08:00:00Z"), date("2026-11-21T08:00:00Z"), Found::Nothing(Undated::Epoch)];
        assert_eq!(Found::newest(children), children[1]);
        assert_eq!(Found::newest([children[2], Found::Nothing(Undated::Absent)]), children[2]);
        assert_eq!(Found::newest([]), Found::Nothing(Undated::NoChild));
    }

    fn made(digest: &str, created: Option<&str>) -> Image {
        let found = created.map_or(Found::Nothing(Undated::Absent), date);
        image("billing", digest, digest.to_owned(), found, instant("2026-12-01T00:00:00Z"))
    }

    #[test]
    fn a_date_in_the_future_is_none() {
        let future = made("a", Some("2026-12-01T00:00:00.000000001Z"));
        assert_eq!((future.created, future.date_from, future.undated), (None, None, Some(Undated::Future)));
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
        assert_eq!(reasons, [Some(Undated::SameInstant), Some(Undated::SameInstant), Some(Undated::Absent)]);
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
            prop_assert_eq!(Found::read(Some(&written), DateSource::Label), Found::Date(instant, DateSource::Label));
        }

        #[test]
        fn no_text_breaks_it(text in ".{0,60}") {
            let _ = Found::read(Some(&text), DateSource::Annotation);
        }
    }
}
