//! The way back: what this run set, and what is still as it left it, is set to the images that it had.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use tokio::time::{Instant, sleep};

use super::deploy::{PAUSE, moved};
use super::own::{RESTORE, Sending, Sent, Written};
use super::workload::{self, Container};
use super::{Kubernetes, wait};
use crate::journal::write::Unanswered;
use crate::platform::Change;
use crate::platform::image::WrittenImage;
use crate::watch::Watch;

/// Between two tries of what did not get through.
const AGAIN: Duration = Duration::from_millis(500);

/// How long pods have at least to become healthy on the way back, however short the limit was: one that holds a StatefulSet up
/// is freed only after a while.
const LEAST_RECOVERY: Duration = Duration::from_secs(20);

pub(super) async fn go_back(
    kubernetes: &Kubernetes,
    changes: &[Change],
    limit: Duration,
    watch: &dyn Watch,
) -> anyhow::Result<()> {
    kubernetes.client.writes.over().await;
    let deadline = Instant::now() + limit;
    let (mut ours, mut failed) = (Vec::new(), Vec::new());
    for change in changes {
        let Some(written) = kubernetes.own.of(&change.application.id) else { continue };
        // One that cannot be taken back keeps none of the others.
        match restore(kubernetes, &written, deadline, watch).await {
            Ok(()) => ours.push(change.clone()),
            Err(error) => failed.push(format!("failed to take back '{}': {error:#}", written.application)),
        }
    }
    match wait::until_healthy(kubernetes, &ours, deadline.max(Instant::now() + LEAST_RECOVERY), watch).await {
        Ok(()) => ours.iter().for_each(|change| kubernetes.own.forget(&change.application.id, None)),
        Err(error) => {
            failed.push(format!("the services are set to what they were, and did not become healthy: {error:#}"));
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(anyhow!("{}", failed.join("; "))) }
}

/// Sets one application to what it was, if it is as we left it. Made again until that is known: once it is done, the
/// object is no longer as we left it.
async fn restore(
    kubernetes: &Kubernetes,
    written: &Written,
    deadline: Instant,
    watch: &dyn Watch,
) -> anyhow::Result<()> {
    let id = &written.application;
    loop {
        match kubernetes.object(id).await {
            Ok((_, None)) => return Ok(()),
            Ok((_, Some(object))) => {
                let read = kubernetes.own.read(id, &object);
                let Some(back) = written.back(&object, &read) else { return Ok(()) };
                let images: Vec<&str> = written.containers.iter().map(|images| images.from.as_str()).collect();
                let cause = kubernetes.cause(&format!("back to {}", images.join(", ")));
                let write = kubernetes.patch(RESTORE, id, &object, workload::patch(&object, &back, &cause))?;
                let sending = |(one, to): &(Container, WrittenImage)| Sending {
                    name: one.name.clone(),
                    to: to.clone(),
                    made: None,
                };
                let sent = Sent { application: id.clone(), cause, containers: back.iter().map(sending).collect() };
                let about = serde_json::to_value(&sent).context("what is written is plain data")?;
                match kubernetes.client.write(write, about).await {
                    Ok(answer) if answer.status.is_success() => {
                        kubernetes.own.sent(sent, Some(&answer.body));
                        return Ok(());
                    }
                    Ok(answer) if answer.is_busy() => sleep(AGAIN).await,
                    Ok(answer) => {
                        if !answer.is_conflict() && !moved(kubernetes, id, &object).await? {
                            return Err(answer.error(&workload::secrets(&object)));
                        }
                        sleep(PAUSE).await;
                    }
                    Err(unanswered) => {
                        if matches!(unanswered, Unanswered::Lost(_)) {
                            kubernetes.own.sent(sent, None);
                        }
                        watch.warn(&format!("{:#}: looking again", anyhow::Error::from(unanswered)));
                        sleep(AGAIN).await;
                    }
                }
            }
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => sleep(AGAIN).await,
        }
        if Instant::now() >= deadline {
            bail!("time ran out");
        }
    }
}
