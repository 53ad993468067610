//! Writes that outlive whoever asked for them: an interrupt drops the caller's future, not a request half-way.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::Mutex;

/// One write at a time, each carried to its end. Whoever wants to know how things stand waits for it with
/// [`Writes::over`]; without that, what was sent before an interrupt could still change things afterwards.
#[derive(Debug, Clone, Default)]
pub(super) struct Writes(Arc<Mutex<()>>);

impl Writes {
    /// Carries a write to its end, even if this future is dropped meanwhile. It must be bounded in time.
    pub(super) async fn carry<T: Send + 'static>(
        &self,
        write: impl Future<Output = anyhow::Result<T>> + Send + 'static,
    ) -> anyhow::Result<T> {
        let turn = Arc::clone(&self.0).lock_owned().await;
        let task = tokio::spawn(async move {
            let outcome = write.await;
            drop(turn);
            outcome
        });
        task.await.context("a write was cut short")?
    }

    /// Waits until no write is under way.
    pub(super) async fn over(&self) {
        drop(self.0.lock().await);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_write_that_has_begun_is_carried_to_its_end() {
        let writes = Writes::default();
        let done = Arc::new(AtomicBool::new(false));
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let flag = Arc::clone(&done);
        let write = writes.carry(async move {
            let _ = begun.send(());
            tokio::time::sleep(Duration::from_millis(50)).await;
            flag.store(true, Ordering::SeqCst);
            Ok(())
        });
        tokio::select! {
            _ = write => panic!("it takes longer than to begin"),
            begun = has_begun => begun.expect("it begins"),
        }
        writes.over().await;
        assert!(done.load(Ordering::SeqCst));
    }
}
