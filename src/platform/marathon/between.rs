//! What others wrote between the last read and a write of this run. Marathon has no conditional write, but keeps versions.

use chrono::{DateTime, FixedOffset};
use futures_util::future::join_all;
use serde_json::Value;

use super::application::{SENT, image};
use super::history::names;
use super::own::Written;
use super::{Marathon, application};
use crate::platform::Change;
use crate::watch::Watch;

/// Tells what our write overwrote, with the command that brings it back. What cannot be read is not told: it is looked at
/// later how the services stand.
pub(super) async fn tell(marathon: &Marathon, changes: &[Change], watch: &dyn Watch) {
    let Ok(apps) = marathon.apps(changes).await else { return };
    let written = marathon.own.written();
    let ours = changes.iter().zip(&apps).filter_map(|(change, app)| {
        let app = app.as_ref().filter(|app| written.left(app, change))?;
        let id = &change.application.id;
        Some(overwritten(marathon, id, &change.application.revision, app["version"].as_str()?))
    });
    join_all(ours).await.into_iter().flatten().for_each(|told| watch.warn(&told));
}

/// Tells what a write that restored applications overwrote: each by its id, with the version that was read before. `written` is
/// the version that they got.
pub(super) async fn tell_restored(marathon: &Marathon, read: &[(String, String)], written: &str, watch: &dyn Watch) {
    let told = read.iter().map(|(id, read)| overwritten(marathon, id, read, written));
    join_all(told).await.into_iter().flatten().for_each(|told| watch.warn(&told));
}

/// What was overwritten of an application by the version that we wrote after we had read another; none where nothing was.
/// What others changed that is not in our write stands beside it.
async fn overwritten(marathon: &Marathon, id: &str, read: &str, written: &str) -> Option<String> {
    let theirs = before(marathon, id, read, written).await.filter(|theirs| theirs != read)?;
    let version = async |name: &str| marathon.client.get(&format!("/v2/apps{id}/versions/{name}")).await.ok().flatten();
    let (was, is) = (version(read).await?, version(&theirs).await?);
    if SENT.iter().all(|field| was[*field] == is[*field]) {
        return None;
    }
    let what = match (image(&was), image(&is)) {
        (was, Some(is)) if was != Some(is) => format!("to '{is}'"),
        _ => "in another way".to_owned(),
    };
    let command = marathon.restoring(id, &theirs);
    Some(format!(
        "'{id}' was set {what} by others between the last look and the write of this run, which overwrote that change; this \
         brings it back: {command}"
    ))
}

/// The version of an application that `version` took the place of, no older than `read`; none where that is not known.
async fn before(marathon: &Marathon, id: &str, read: &str, version: &str) -> Option<String> {
    let at = |name: &str| DateTime::<FixedOffset>::parse_from_rfc3339(name).ok();
    let (read, limit) = (at(read)?, at(version)?);
    let names = names(&marathon.client, id).await.ok()?;
    let known = names.into_iter().filter_map(|name| Some((at(&name)?, name)));
    known.filter(|(at, _)| (read..limit).contains(at)).max().map(|(_, name)| name)
}

/// What is sent to take our write of an application back: the version that it took the place of, whosever that is.
pub(super) async fn restore(marathon: &Marathon, change: &Change, app: &Value, written: &Written) -> Value {
    let mut before_ours = None;
    if let Some(version) = app["version"].as_str().filter(|_| written.left(app, change)) {
        before_ours = before(marathon, &change.application.id, &change.application.revision, version).await;
    }
    let version = before_ours.unwrap_or_else(|| change.application.revision.clone());
    application::restore(&change.application.id, &version)
}
