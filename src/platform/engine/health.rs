//! Waiting until a container runs and is healthy.

use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::{Instant, sleep};

use super::Engine;
use super::client::Client;
use super::container::Container;

/// Between two looks at a container.
const PAUSE: Duration = Duration::from_millis(200);

/// How long a container without a health check must keep running to be believed.
const STEADY: Duration = Duration::from_secs(2);

/// Waits until a container that was just started runs and is healthy; one without a health check must keep running
/// for a short while. `limit` is the caller's to keep.
///
/// # Errors
/// When it ends, is started again by the engine, gets unhealthy or is gone.
pub(super) async fn wait_until_well(engine: &Engine, id: &str, restarts: i64) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut last_check = None;
    loop {
        let container = engine.inspect(id).await?.context("it was removed by others")?;
        if container.restarts() > restarts {
            bail!("it ended and was started again by the engine");
        }
        match (container.trouble(), container.health()) {
            (None, Some(_)) => return Ok(()),
            (None, None) if begun.elapsed() >= STEADY => return Ok(()),
            (None, None) => {}
            (Some(_), Some("starting")) if container.runs() => {
                // As often as it asks for itself, the first time at once.
                let interval = interval(&container);
                if last_check.is_none_or(|last: Instant| last.elapsed() >= interval) {
                    check(&engine.client, &container).await;
                    last_check = Some(Instant::now());
                    continue;
                }
            }
            (Some(why), _) => bail!("{why}"),
        }
        sleep(PAUSE).await;
    }
}

/// Runs a container's health check. Podman leaves that to timers of systemd, which a host need not have: there a
/// container would never get healthy. Docker runs it by itself.
pub(super) async fn check(client: &Client, container: &Container) {
    // It may have ended just now. What came of it is read from the container.
    let _ = client.get_podman(&format!("/containers/{}/healthcheck", container.id)).await;
}

fn interval(container: &Container) -> Duration {
    let nanoseconds = container.inspect.pointer("/Config/Healthcheck/Interval").and_then(serde_json::Value::as_u64);
    nanoseconds.map_or(STEADY, Duration::from_nanos).clamp(PAUSE, Duration::from_secs(30))
}
