//! What ran, and when: pure. The platform's own memory, before it what the journal knows, and what held at an instant.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use crate::journal::State;
use crate::platform::image::WrittenImage;
use crate::platform::{Application, Change, Ran};
use crate::registry::Image;

/// A run of this toolkit that came to an end, or died: the part of its journal that says what ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// Its id.
    pub run: String,
    /// When it began to change something, or planned to.
    pub began: DateTime<Utc>,
    /// When its last state began.
    pub at: DateTime<Utc>,
    /// That state.
    pub state: State,
    /// It died, and another process went on with it.
    pub resumed: bool,
    /// What it was to change.
    pub changes: Vec<Change>,
}

/// What held at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held<'a> {
    /// This ran.
    Ran(&'a Ran),
    /// Something is known, and not sure enough to act upon: why.
    Unsure(String),
    /// Nothing is known of that time.
    Unknown,
}

/// What a service ran at an instant. A span holds from its beginning on, and no longer at its end. Spans that disagree, and
/// one that is in doubt, are not to be relied upon. Of those that agree one that names the digest comes first.
#[must_use]
pub fn held(spans: &[Ran], at: DateTime<Utc>) -> Held<'_> {
    let holds = |ran: &&Ran| ran.from.is_none_or(|from| from <= at) && ran.until.is_none_or(|until| at < until);
    let holding: Vec<&Ran> = spans.iter().filter(holds).collect();
    let Some(first) = holding.first() else { return Held::Unknown };
    let agrees = |one: &&Ran| holding.iter().all(|other| is_same(&one.image, &other.image));
    if !holding.iter().all(agrees) {
        let images: Vec<_> = holding.iter().map(|ran| format!("'{}' ({})", ran.image, ran.source)).collect();
        return Held::Unsure(format!("it may have been any of {}", images.join(", ")));
    }
    let sure = |ran: &&&Ran| ran.from.is_some() && ran.doubt.is_none();
    let is_pinned = |ran: &&&Ran| ran.image.name().is_some_and(|name| name.digest().is_some());
    let mut found = holding.iter().filter(sure);
    match found.clone().find(is_pinned).or_else(|| found.next()) {
        Some(sure) => Held::Ran(sure),
        None => Held::Unsure(doubt(first)),
    }
}

/// Whether two workloads of a service ran the same image, by whatever way they pulled it: by their digests, or else their
/// tags.
fn is_same(one: &WrittenImage, other: &WrittenImage) -> bool {
    let (Some(first), Some(second)) = (one.name(), other.name()) else { return one == other };
    match (first.digest().zip(second.digest()), first.tag().zip(second.tag())) {
        (Some((one, other)), _) | (None, Some((one, other))) => one == other,
        (None, None) => one == other,
    }
}

/// Whether an image, as a platform writes it, is one that the registry knows: by its digest, or else by its tag, which
/// may be another one of the same image.
#[must_use]
pub fn is_image(written: &WrittenImage, image: &Image, images: &[Image]) -> bool {
    let Some(name) = written.name() else { return false };
    match (name.digest(), name.tag()) {
        (Some(digest), _) => digest == image.digest,
        (None, Some(tag)) => {
            let alias = |other: &Image| {
                other.repository == image.repository && other.tag == tag && other.digest == image.digest
            };
            tag == image.tag || images.iter().any(alias)
        }
        (None, None) => false,
    }
}

/// Why a span is not to be relied upon, with its image.
fn doubt(ran: &Ran) -> String {
    let mut text = format!("perhaps '{}'", ran.image);
    let why = ran.doubt.as_deref().unwrap_or("since when is not known");
    let _ = write!(text, ": {why} ({})", ran.source);
    text
}

/// The platform's memory of an application, and before the first that it remembers what the runs say; newest first.
///
/// A run that is done took the application from its image to the target. One that was taken back, or changed nothing,
/// left it as it was. Of one that ended otherwise only what it found is known. `remembered` is the newest first.
#[must_use]
pub fn merge(application: &Application, remembered: Vec<Ran>, runs: &[Past]) -> Vec<Ran> {
    let first = remembered.iter().filter(|ran| ran.from.is_some()).min_by_key(|ran| ran.from).cloned();
    let known = first.as_ref().and_then(|ran| ran.from);
    let mut events: Vec<Event> = runs.iter().filter_map(|run| Event::of(run, application, known)).collect();
    events.sort_by_key(|event| event.at);
    if events.is_empty() {
        return remembered;
    }
    // The runs know better than one of which the platform knows only the end.
    let mut spans: Vec<Ran> = remembered.into_iter().filter(|ran| ran.from.is_some()).collect();
    let mut next = match first {
        Some(ran) => Next { at: ran.from, image: Some(ran.image) },
        None => Next { at: None, image: only(&application.images) },
    };
    for event in events.iter().rev() {
        if let Some(to) = &event.to
            && next.at.is_none_or(|until| event.at < until)
        {
            let changed = next.image.as_ref() != Some(to);
            let doubt = || "it was changed later without this toolkit, and when is not known".to_owned();
            spans.push(Ran {
                image: to.clone(),
                from: Some(event.at),
                until: next.at,
                source: format!("run {} set it", event.run),
                doubt: changed.then(doubt),
            });
        }
        spans.extend(event.half_way.clone());
        let begun = event.half_way.as_ref().and_then(|span| span.from);
        next = Next { at: begun.or(Some(event.at)), image: event.from.clone() };
    }
    spans.extend(next.image.map(|image| Ran {
        image,
        from: None,
        until: next.at,
        source: format!("run {} found it", events[0].run),
        doubt: Some("since when is not known".to_owned()),
    }));
    spans
}

/// What comes after a span: when, and which image; none where that is not known.
struct Next {
    at: Option<DateTime<Utc>>,
    image: Option<WrittenImage>,
}

/// What a run did to one application.
struct Event<'a> {
    run: &'a str,
    at: DateTime<Utc>,
    /// What it found; none where the replicas disagreed.
    from: Option<WrittenImage>,
    /// What it left; none where that is not known.
    to: Option<WrittenImage>,
    /// The time between its death and its end, in which its services may have stood either way.
    half_way: Option<Ran>,
}

impl<'a> Event<'a> {
    /// None where the run changed nothing of the application for good, or where the platform remembers it better.
    fn of(run: &'a Past, application: &Application, known: Option<DateTime<Utc>>) -> Option<Self> {
        let is_it = |change: &&Change| {
            change.application.id == application.id && application.images.iter().any(|image| change.is_about(image))
        };
        let change = run.changes.iter().find(is_it)?;
        let to = match run.state {
            State::Restored if run.resumed => only(&change.application.images),
            State::Planned | State::Locked | State::Restored | State::Unchanged => return None,
            State::Done => Some(change.to.clone()),
            State::Applying | State::Verifying | State::GoingBack | State::NeedsOperator | State::Stopped => None,
        };
        if known.is_some_and(|known| known <= run.began) {
            return None;
        }
        // The first that the platform remembers may be what this run made, shortly before its end.
        let at = known.map_or(run.at, |known| known.min(run.at));
        let half_way = run.resumed.then(|| Ran {
            image: change.to.clone(),
            from: Some(run.began),
            until: Some(at),
            source: format!("run {} died half-way", run.run),
            doubt: Some("from when on, until that run was ended, is not known".to_owned()),
        });
        Some(Self { run: &run.run, at, from: only(&change.application.images), to, half_way })
    }
}

/// The image of an application whose replicas agree.
fn only(images: &[WrittenImage]) -> Option<WrittenImage> {
    if let [image] = images { Some(image.clone()) } else { None }
}

#[cfg(test)]
pub(super) mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    pub fn at(minute: i64) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339("2026-11-01T00:00:00Z").expect("an instant").to_utc() + TimeDelta::minutes(minute)
    }

    /// The image of a tag, of the repository that all of these are of.
    fn named(tag: &str) -> WrittenImage {
        if tag.contains(['/', ':']) { tag.into() } else { format!("r/billing:{tag}").into() }
    }

    pub fn ran(image: &str, from: Option<i64>, until: Option<i64>) -> Ran {
        let (from, until) = (from.map(at), until.map(at));
        Ran { image: named(image), from, until, source: "the platform".to_owned(), doubt: None }
    }

    fn application(image: &str) -> Application {
        Application {
            id: "dev/billing".to_owned(),
            service: "billing".to_owned(),
            images: vec![named(image)],
            revision: "1".to_owned(),
            instances: 1,
            ..Application::default()
        }
    }

    /// A run of the five minutes before this one.
    fn run(minute: i64, from: &str, to: &str, state: State) -> Past {
        let change = Change { application: application(from), to: named(to) };
        let run = format!("{minute}-abcdef");
        Past { run, began: at(minute - 5), at: at(minute), state, resumed: false, changes: vec![change] }
    }

    /// Image, since, until, and whether it is in doubt.
    fn told(spans: &[Ran]) -> Vec<(&str, Option<i64>, Option<i64>, bool)> {
        let minute = |instant: Option<DateTime<Utc>>| instant.map(|instant| (instant - at(0)).num_minutes());
        spans
            .iter()
            .map(|r| {
                (r.image.as_str().trim_start_matches("r/billing:"), minute(r.from), minute(r.until), r.doubt.is_some())
            })
            .collect()
    }

    #[test]
    fn a_span_holds_from_its_beginning_and_no_longer_at_its_end() {
        let spans = [ran("b", Some(20), None), ran("a", Some(10), Some(20)), ran("z", None, Some(5))];
        assert_eq!(held(&spans, at(20)), Held::Ran(&spans[0]));
        assert_eq!(held(&spans, at(19)), Held::Ran(&spans[1]));
        assert_eq!(held(&spans, at(10)), Held::Ran(&spans[1]));
        assert_eq!(held(&spans, at(9)), Held::Unknown);
        let unsure = "perhaps 'r/billing:z': since when is not known (the platform)";
        assert_eq!(held(&spans, at(4)), Held::Unsure(unsure.to_owned()));
    }

    #[test]
    fn spans_that_disagree_or_are_in_doubt_are_not_relied_upon() {
        let spans = [ran("b", Some(20), None), ran("a", Some(10), Some(30))];
        let unsure = "it may have been any of 'r/billing:b' (the platform), 'r/billing:a' (the platform)";
        assert_eq!(held(&spans, at(25)), Held::Unsure(unsure.to_owned()));
        let mut doubted = ran("a", Some(0), None);
        doubted.doubt = Some("used twice".to_owned());
        let unsure = "perhaps 'r/billing:a': used twice (the platform)";
        assert_eq!(held(std::slice::from_ref(&doubted), at(1)), Held::Unsure(unsure.to_owned()));
        let sure = ran("a", Some(0), None);
        assert_eq!(held(&[doubted, sure.clone()], at(1)), Held::Ran(&sure), "another source is sure of the same");
    }

    #[test]
    fn one_image_by_several_ways_is_no_disagreement() {
        let digest = |end: char| format!("sha256:{}", end.to_string().repeat(64));
        let pinned = ran(&format!("r/billing:a@{}", digest('1')), Some(0), None);
        let mirrored = ran("mirror/library/billing:a", Some(5), None);
        let by_digest = ran(&format!("mirror/billing@{}", digest('1')), Some(5), None);
        let spans = [mirrored.clone(), pinned.clone()];
        assert_eq!(held(&spans, at(10)), Held::Ran(&pinned), "the one that names the digest, whichever is first");
        assert_eq!(held(&[pinned.clone(), by_digest.clone()], at(10)), Held::Ran(&pinned));
        let moved = ran(&format!("r/billing:a@{}", digest('2')), Some(0), None);
        for spans in [
            vec![mirrored.clone(), pinned, moved],
            vec![mirrored.clone(), by_digest],
            vec![mirrored, ran("b", Some(0), None)],
        ] {
            assert!(matches!(held(&spans, at(10)), Held::Unsure(_)), "{spans:?}");
        }
    }

    #[test]
    fn without_runs_the_platforms_memory_stays_as_it_is() {
        let remembered = vec![ran("b", Some(20), None), ran("a", None, Some(20))];
        assert_eq!(merge(&application("b"), remembered.clone(), &[]), remembered);
        let others = [run(10, "x", "y", State::Restored), run(12, "x", "y", State::Unchanged)];
        assert_eq!(merge(&application("b"), remembered.clone(), &others), remembered);
        let mut other = run(15, "x", "y", State::Done);
        other.changes[0].application.id = "dev/orders".to_owned();
        assert_eq!(merge(&application("b"), remembered.clone(), &[other]), remembered);
    }

    #[test]
    fn between_its_death_and_its_end_a_run_leaves_in_doubt_what_ran() {
        for (state, after) in [(State::Done, "b"), (State::Restored, "a")] {
            let died = Past { resumed: true, ..run(50, "a", "b", state) };
            let merged = merge(&application("c"), Vec::new(), &[run(100, after, "c", State::Done), died]);
            let expected = [
                ("c", Some(100), None, false),
                (after, Some(50), Some(100), false),
                ("b", Some(45), Some(50), true),
                ("a", None, Some(45), true),
            ];
            assert_eq!(told(&merged), expected);
        }
    }

    #[test]
    fn an_engine_that_forgot_is_filled_in_from_the_runs() {
        // The container of `b` was made at minute 98 by the run that ended at minute 100.
        let runs = [run(100, "a", "b", State::Done), run(50, "c", "a", State::Done)];
        let merged = merge(&application("b"), vec![ran("b", Some(98), None)], &runs);
        let expected = [("b", Some(98), None, false), ("a", Some(50), Some(98), false), ("c", None, Some(50), true)];
        assert_eq!(told(&merged), expected);
        assert_eq!((&*merged[1].source, &*merged[2].source), ("run 50-abcdef set it", "run 50-abcdef found it"));
    }

    #[test]
    fn what_somebody_else_changed_between_is_in_doubt() {
        let runs = [run(50, "c", "a", State::Done), run(100, "x", "b", State::Done)];
        let merged = merge(&application("b"), Vec::new(), &runs);
        let expected = [("b", Some(100), None, false), ("a", Some(50), Some(100), true), ("c", None, Some(50), true)];
        assert_eq!(told(&merged), expected);
        let merged = merge(&application("other"), Vec::new(), &runs[1..]);
        assert_eq!(told(&merged), [("b", Some(100), None, true), ("x", None, Some(100), true)]);
    }

    #[test]
    fn of_a_run_that_did_not_end_well_only_what_it_found_is_known() {
        for state in [State::NeedsOperator, State::Applying, State::Verifying, State::GoingBack] {
            let runs = [run(50, "c", "a", State::Done), run(100, "a", "b", state)];
            let merged = merge(&application("b"), Vec::new(), &runs);
            assert_eq!(told(&merged), [("a", Some(50), Some(100), false), ("c", None, Some(50), true)], "{state}");
            assert_eq!(held(&merged, at(150)), Held::Unknown);
        }
    }

    #[test]
    fn what_the_platform_remembers_is_not_told_again() {
        let remembered = vec![ran("b", Some(90), None), ran("a", Some(40), Some(90))];
        let runs = [run(95, "a", "b", State::Done), run(30, "z", "y", State::Done)];
        let merged = merge(&application("b"), remembered, &runs);
        let expected = [
            ("b", Some(90), None, false),
            ("a", Some(40), Some(90), false),
            ("y", Some(30), Some(40), true),
            ("z", None, Some(30), true),
        ];
        assert_eq!(told(&merged), expected);
    }

    fn spans() -> impl Strategy<Value = Vec<Ran>> {
        let span = (
            0..4_u8,
            proptest::option::weighted(0.8, 0_i64..60),
            proptest::option::weighted(0.8, 0_i64..60),
            proptest::bool::weighted(0.2),
        );
        let ran = |(image, from, until, doubted): (u8, Option<i64>, Option<i64>, bool)| {
            let mut ran = ran(&image.to_string(), from, until);
            ran.doubt = doubted.then(|| "so".to_owned());
            ran
        };
        proptest::collection::vec(span.prop_map(ran), 0..6)
    }

    proptest! {
        /// The oracle goes by whole minutes: in which of them does each span hold?
        #[test]
        fn what_held_agrees_with_a_brute_force_search(spans in spans(), minute in 0_i64..60) {
            let minutes = |ran: &Ran| -> Vec<i64> {
                (0..60).filter(|minute| {
                    let begun = ran.from.is_none() || ran.from <= Some(at(*minute));
                    let over = ran.until.is_some() && ran.until <= Some(at(*minute));
                    begun && !over
                }).collect()
            };
            let mut images: Vec<&str> = Vec::new();
            let mut sure = false;
            for ran in &spans {
                if minutes(ran).contains(&minute) {
                    images.push(ran.image.as_str());
                    sure |= ran.doubt.is_none() && ran.from.is_some();
                }
            }
            images.sort_unstable();
            images.dedup();
            match held(&spans, at(minute)) {
                Held::Ran(ran) => prop_assert_eq!((images, sure), (vec![ran.image.as_str()], true)),
                Held::Unsure(_) => prop_assert!(images.len() > 1 || images.len() == 1 && !sure),
                Held::Unknown => prop_assert!(images.is_empty()),
            }
        }

        /// Runs follow one another, each from where the one before it ended; the platform remembers the last `kept` of
        /// them. Whatever is forgotten, each minute after the first run is told as it was.
        #[test]
        fn what_the_platform_forgot_the_runs_tell(
            steps in proptest::collection::vec((10_i64..50, 0..5_u8), 1..8),
            kept in 0..9_usize,
            restored in proptest::collection::vec(any::<bool>(), 8),
        ) {
            let (mut now, mut image) = (0, "start".to_owned());
            let (mut truth, mut runs) = (Vec::new(), Vec::new());
            for (place, (minutes, to)) in steps.iter().enumerate() {
                now += minutes;
                let to = format!("{place}-{to}");
                if restored[place] {
                    runs.push(run(now, &image, &to, State::Restored));
                    continue;
                }
                runs.push(run(now, &image, &to, State::Done));
                truth.push((now, to.clone()));
                image = to;
            }
            let ends = truth.iter().skip(1).map(|(minute, _)| Some(*minute)).chain([None]);
            let mut remembered: Vec<Ran> = truth.iter().zip(ends).map(|((from, image), until)| ran(image, Some(*from), until)).collect();
            remembered.reverse();
            remembered.truncate(kept);
            let merged = merge(&application(&image), remembered, &runs);
            for minute in 0..now + 20 {
                let wanted = truth.iter().rev().find(|(from, _)| *from <= minute).map(|(_, image)| image.as_str());
                match (held(&merged, at(minute)), wanted) {
                    (Held::Ran(ran), Some(wanted)) => prop_assert_eq!(&ran.image, &named(wanted)),
                    (Held::Unsure(_) | Held::Unknown, None) => {}
                    (found, wanted) => prop_assert!(false, "minute {}: {:?}, not {:?}", minute, found, wanted),
                }
            }
        }
    }
}
