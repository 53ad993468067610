//! What can be gone back to. A rollback point is a day and, for each service, its newest image that is not younger
//! than that day's end. The date is that of the build: an image that was built and never deployed counts too.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};

use super::target::Target;
use crate::registry::Image;

/// A day that can be gone back to, and the images that make it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point<'a> {
    /// The day, UTC.
    pub date: NaiveDate,
    /// For each repository, in the order asked for, its image on that day; none where it has none that old.
    pub images: Vec<Option<&'a Image>>,
}

impl Point<'_> {
    /// Whether this image was built on the day itself: else it comes from an older one.
    #[must_use]
    pub fn is_of_the_day(&self, image: &Image) -> bool {
        image.created.is_some_and(|created| created.date_naive() == self.date)
    }

    /// Whether every service has an image.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.images.iter().all(Option::is_some)
    }
}

/// The newest image of a repository that is not younger than `last`. Undated images are never chosen. Of several that
/// bear the same instant the one with the longest tag is taken, `1.4.0-develop` rather than `develop`, and of these the
/// one that sorts last; [`rivals`] names those that are other images.
#[must_use]
pub fn newest<'a>(images: &'a [Image], repository: &str, last: DateTime<Utc>) -> Option<&'a Image> {
    let candidates = images.iter().filter(|image| image.repository == repository);
    let dated =
        candidates.filter_map(|image| image.created.filter(|created| *created <= last).map(|date| (date, image)));
    let rank = |(created, image): &(DateTime<Utc>, &'a Image)| (*created, image.tag.len(), &image.tag);
    dated.max_by(|a, b| rank(a).cmp(&rank(b))).map(|(_, image)| image)
}

/// Other images of the repository that bear the very same instant as the chosen one.
#[must_use]
pub fn rivals<'a>(images: &'a [Image], chosen: &Image) -> Vec<&'a Image> {
    let same = |image: &&Image| {
        image.repository == chosen.repository && image.created == chosen.created && image.digest != chosen.digest
    };
    images.iter().filter(same).collect()
}

/// The days on which an image was built, newest first.
#[must_use]
pub fn days(images: &[Image]) -> Vec<NaiveDate> {
    let days: BTreeSet<Reverse<NaiveDate>> =
        images.iter().filter_map(|image| image.created).map(|created| Reverse(created.date_naive())).collect();
    days.into_iter().map(|Reverse(day)| day).collect()
}

/// The newest `keep` rollback points, newest first.
#[must_use]
pub fn points<'a>(repositories: &[String], images: &'a [Image], keep: usize) -> Vec<Point<'a>> {
    let point = |date| {
        let last = Target::Day(date).last_instant();
        Point { date, images: repositories.iter().map(|repository| newest(images, repository, last)).collect() }
    };
    days(images).into_iter().take(keep).map(point).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An image built at this minute of 2026-11-01 and the days after it; `None` for an undated one.
    pub fn image(repository: &str, tag: &str, minute: Option<i64>) -> Image {
        let start = DateTime::parse_from_rfc3339("2026-11-01T00:00:00Z").expect("an instant").to_utc();
        Image {
            repository: repository.to_owned(),
            tag: tag.to_owned(),
            digest: format!("sha256:{repository}-{tag}"),
            created: minute.map(|minute| start + chrono::TimeDelta::minutes(minute)),
            date_from: minute.map(|_| crate::registry::DateSource::Config),
            older_date: None,
            undated: minute.is_none().then_some(crate::registry::MissingDate::Absent),
        }
    }

    fn images() -> impl Strategy<Value = Vec<Image>> {
        let minute = proptest::option::weighted(0.8, 0_i64..6 * 24 * 60);
        proptest::collection::vec((0..4_usize, 0..30_u8, minute), 0..40).prop_map(|list| {
            list.iter()
                .map(|(repository, tag, minute)| image(&format!("r{repository}"), &tag.to_string(), *minute))
                .collect()
        })
    }

    proptest! {
        /// The oracle walks through all images and keeps the best seen so far, by nothing but comparisons of instants.
        #[test]
        fn newest_agrees_with_a_brute_force_search(images in images(), minute in 0_i64..7 * 24 * 60) {
            let last = image("", "", Some(minute)).created.expect("an instant");
            for repository in ["r0", "r1", "r2", "r3", "r4"] {
                let mut best: Option<&Image> = None;
                for candidate in &images {
                    let Some(created) = candidate.created else { continue };
                    if candidate.repository != repository || created > last {
                        continue;
                    }
                    let better = match best.and_then(|image| image.created.map(|date| (date, image))) {
                        None => true,
                        Some((date, image)) if created == date => {
                            let longer = candidate.tag.len().cmp(&image.tag.len());
                            longer.then_with(|| candidate.tag.cmp(&image.tag)).is_gt()
                        }
                        Some((date, _)) => created > date,
                    };
                    if better {
                        best = Some(candidate);
                    }
                }
                let found = newest(&images, repository, last);
                prop_assert_eq!(found.map(|i| (&i.tag, i.created)), best.map(|i| (&i.tag, i.created)));
            }
        }

        #[test]
        fn points_are_the_newest_days_each_with_the_image_that_was_newest_then(images in images(), keep in 0..8_usize) {
            let repositories: Vec<String> = ["r0", "r1", "r2"].map(str::to_owned).to_vec();
            let points = points(&repositories, &images, keep);
            let mut days: Vec<_> = images.iter().filter_map(|i| i.created).map(|c| c.date_naive()).collect();
            days.sort_unstable();
            days.dedup();
            days.reverse();
            days.truncate(keep);
            prop_assert_eq!(points.iter().map(|point| point.date).collect::<Vec<_>>(), days);
            for point in &points {
                for (repository, chosen) in repositories.iter().zip(&point.images) {
                    let younger_or_same = images.iter().filter(|i| {
                        i.repository == *repository && i.created.is_some_and(|c| c.date_naive() <= point.date)
                    });
                    prop_assert_eq!(younger_or_same.map(|i| i.created).max().flatten(), chosen.and_then(|i| i.created));
                }
            }
        }
    }

    #[test]
    fn a_service_that_did_not_change_comes_from_an_older_day() {
        let day = 24 * 60;
        let images = [image("a", "1", Some(0)), image("b", "1", Some(0)), image("a", "2", Some(day))];
        let points = points(&["a".to_owned(), "b".to_owned()], &images, 10);
        assert_eq!(points[0].images, [Some(&images[2]), Some(&images[1])]);
        assert!(points[0].is_of_the_day(&images[2]) && !points[0].is_of_the_day(&images[1]));
        assert!(points[0].is_complete());
    }

    #[test]
    fn others_of_the_same_instant_are_named() {
        let images =
            [image("a", "1", Some(5)), image("a", "2", Some(5)), image("b", "1", Some(5)), image("a", "0", None)];
        let chosen = newest(&images, "a", DateTime::<Utc>::MAX_UTC).expect("an image");
        assert_eq!(chosen.tag, "2");
        assert_eq!(rivals(&images, chosen), [&images[0]]);
    }
}
