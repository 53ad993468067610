//! What Marathon remembers of an application: its versions, each a whole definition from the moment it was set.

use anyhow::Context as _;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use super::application;
use super::client::Client;
use crate::platform::image::WrittenImage;
use crate::platform::{Application, Ran};

/// How many versions of an application Marathon keeps, unless it was told otherwise.
const KEPT: usize = 50;

/// How many reads may be under way at once: fifty applications of fifty versions are two and a half thousand.
const AT_ONCE: usize = 16;

/// What was replaced sooner may never have run: a version does not say whether its deployment failed or was reverted.
const SHORT: TimeDelta = TimeDelta::minutes(10);

/// A version, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    /// When it was set, which is its name; not when its instances were healthy.
    at: DateTime<Utc>,
    /// None where it ran no image.
    image: Option<WrittenImage>,
    /// It was scaled to no instances.
    suspended: bool,
}

/// What each application ran, the newest first.
pub(super) async fn history(client: &Client, applications: &[Application]) -> anyhow::Result<Vec<Vec<Ran>>> {
    let lists: Vec<_> = applications.iter().map(|application| names(client, &application.id)).collect();
    let lists: Vec<Vec<String>> = stream::iter(lists).buffered(AT_ONCE).try_collect().await?;
    let wanted = applications.iter().zip(&lists).enumerate();
    let reads = wanted.flat_map(|(place, (application, names))| {
        names.iter().map(move |name| async move {
            let found = version(client, &application.id, name).await?;
            anyhow::Ok(found.map(|found| (place, found)))
        })
    });
    let reads: Vec<_> = reads.collect();
    let found: Vec<Option<(usize, Version)>> = stream::iter(reads).buffer_unordered(AT_ONCE).try_collect().await?;
    let mut versions = vec![Vec::new(); applications.len()];
    for (place, version) in found.into_iter().flatten() {
        versions[place].push(version);
    }
    Ok(versions.into_iter().zip(&lists).map(|(versions, names)| spans(versions, names.len() >= KEPT)).collect())
}

/// The names of an application's versions; none where it is gone.
pub(super) async fn names(client: &Client, id: &str) -> anyhow::Result<Vec<String>> {
    let what = || format!("failed to read which versions of '{id}' there are");
    let Some(list) = client.get(&format!("/v2/apps{id}/versions")).await.with_context(what)? else {
        return Ok(Vec::new());
    };
    let list = list["versions"].as_array().with_context(what)?;
    Ok(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// A version; none where it is no longer kept, for a newer one took its place.
async fn version(client: &Client, id: &str, name: &str) -> anyhow::Result<Option<Version>> {
    let what = || format!("failed to read version {name} of '{id}'");
    let at = DateTime::parse_from_rfc3339(name).with_context(what)?.to_utc();
    let found = client.get(&format!("/v2/apps{id}/versions/{name}")).await.with_context(what)?;
    Ok(found.map(|app| Version {
        at,
        image: application::image(&app).map(WrittenImage::from),
        suspended: application::instances(&app) == 0,
    }))
}

/// The spans of images: versions after one another that run the same image are one. `full`: as many versions are kept
/// as there can be, so that older ones are gone.
fn spans(mut versions: Vec<Version>, full: bool) -> Vec<Ran> {
    versions.sort_by_key(|version| version.at);
    let oldest = versions.first().cloned().filter(|_| full);
    versions.dedup_by(|later, earlier| (&later.image, later.suspended) == (&earlier.image, earlier.suspended));
    let ends = versions.iter().skip(1).map(|next| Some(next.at)).chain([None]);
    let mut spans: Vec<Ran> = versions.iter().zip(ends).filter_map(|(version, until)| span(version, until)).collect();
    if let Some(Version { at, image: Some(image), .. }) = oldest {
        spans.insert(
            0,
            Ran {
                image,
                from: None,
                until: Some(at),
                source: format!("Marathon's oldest version {}", written(at)),
                doubt: Some(format!("it may have begun earlier: only the last {KEPT} versions are kept")),
            },
        );
    }
    spans.reverse();
    spans
}

fn span(version: &Version, until: Option<DateTime<Utc>>) -> Option<Ran> {
    let short = until.is_some_and(|until| until - version.at < SHORT);
    let doubt = if version.suspended {
        Some("it was scaled to 0 instances, and did not run".to_owned())
    } else if short {
        let minutes = SHORT.num_minutes();
        Some(format!("it was replaced within {minutes} minutes: its deployment may have failed, or been reverted"))
    } else {
        None
    };
    Some(Ran {
        image: version.image.clone()?,
        from: Some(version.at),
        until,
        source: format!("set by Marathon's version {}", written(version.at)),
        doubt,
    })
}

fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339("2026-11-20T10:00:00Z").expect("an instant").to_utc() + TimeDelta::minutes(minute)
    }

    fn version(minute: i64, image: &str, suspended: bool) -> Version {
        Version { at: at(minute), image: Some(image.into()), suspended }
    }

    /// Image, from, until, doubt: in minutes, and by the doubt's begin.
    fn told(spans: &[Ran]) -> Vec<(&str, Option<i64>, Option<i64>, &str)> {
        let minute = |instant: Option<DateTime<Utc>>| instant.map(|instant| (instant - at(0)).num_minutes());
        let mut told = Vec::new();
        for ran in spans {
            let doubt = ran.doubt.as_deref().and_then(|doubt| doubt.split([':', ',']).next()).unwrap_or_default();
            told.push((ran.image.as_str(), minute(ran.from), minute(ran.until), doubt));
        }
        told
    }

    #[test]
    fn versions_of_one_image_are_one_span_whatever_order_they_come_in() {
        let versions = vec![version(60, "a:2", false), version(0, "a:1", false), version(20, "a:1", false)];
        let spans = spans(versions, false);
        assert_eq!(told(&spans), [("a:2", Some(60), None, ""), ("a:1", Some(0), Some(60), "")]);
        assert_eq!(spans[1].source, "set by Marathon's version 2026-11-20T10:00:00.000Z");
        assert_eq!(super::spans(Vec::new(), false), []);
    }

    #[test]
    fn what_is_short_or_did_not_run_is_doubted() {
        let versions = vec![
            version(0, "a:1", false),
            version(60, "a:2", false),
            version(69, "a:1", false),
            version(120, "a:1", true),
            version(180, "a:1", false),
        ];
        let expected = [
            ("a:1", Some(180), None, ""),
            ("a:1", Some(120), Some(180), "it was scaled to 0 instances"),
            ("a:1", Some(69), Some(120), ""),
            ("a:2", Some(60), Some(69), "it was replaced within 10 minutes"),
            ("a:1", Some(0), Some(60), ""),
        ];
        assert_eq!(told(&spans(versions, false)), expected);
    }

    #[test]
    fn a_version_without_an_image_ends_what_ran() {
        let command = Version { at: at(60), image: None, suspended: false };
        let spans = spans(vec![version(0, "a:1", false), command], false);
        assert_eq!(told(&spans), [("a:1", Some(0), Some(60), "")]);
    }

    #[test]
    fn the_oldest_of_as_many_as_are_kept_may_have_begun_earlier() {
        let spans = spans(vec![version(0, "a:1", false), version(60, "a:1", false)], true);
        assert_eq!(told(&spans), [("a:1", Some(0), None, ""), ("a:1", None, Some(0), "it may have begun earlier")]);
    }
}
