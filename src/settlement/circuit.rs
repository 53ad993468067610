//! What stands between a run and a service: no more requests than the service bears, tries again where that may help, and where
//! it is down one request after the other asks whether it is back, while all others wait.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::CallError;
use crate::http::retry::Retry;
use crate::watch::Watch;

/// So many requests in a row that fail mean that the service is down.
const DOWN: u32 = 5;

/// How often one request is tried while the service is not down.
const TRIES: Retry = Retry { tries: 6, first_pause: Duration::from_millis(200) };

/// How long a service may be down before the run gives up.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long a call may still take when the run is interrupted.
const GRACE: Duration = Duration::from_secs(3);

/// How a request ended that is not to be believed yet.
pub(super) enum Failure {
    /// The same call may succeed later; with the headers of the answer, if there was one.
    Unavailable(String, HeaderMap),
    /// The service works, and is not done yet with the same call of another worker.
    Busy(String),
    /// The same call would end the same.
    Refused(String),
    /// Every call would end the same: no more is to be begun.
    Hopeless(String),
}

/// The way to one service.
pub(super) struct Circuit {
    /// As people call the service: `the bank 'north'`.
    name: String,
    slots: Semaphore,
    interval: Duration,
    state: Mutex<State>,
    hurry: CancellationToken,
    watch: Arc<dyn Watch>,
}

struct State {
    /// When the next request may leave.
    next: Instant,
    /// Requests that failed in a row.
    failures: u32,
    /// Since when the service is down; none while it is not.
    open: Option<Instant>,
    /// Somebody asks whether it is back.
    is_asked: bool,
    /// Why no more is to be begun.
    down: Option<String>,
}

impl Circuit {
    pub fn new(name: String, per_second: NonZeroU32, concurrency: NonZeroUsize, watch: Arc<dyn Watch>) -> Self {
        let state = State { next: Instant::now(), failures: 0, open: None, is_asked: false, down: None };
        let interval = Duration::from_secs(1) / per_second.get();
        let slots = Semaphore::new(concurrency.get());
        Self { name, slots, interval, state: Mutex::new(state), hurry: CancellationToken::new(), watch }
    }

    /// Makes a call, as soon and as often as the service bears it; where there is [hurry](Self::hurry), what has no answer soon is
    /// given up.
    pub async fn call<T, F>(&self, once: impl Fn() -> F + Send + Sync) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, Failure>> + Send,
        T: Send,
    {
        let soon = async {
            self.hurry.cancelled().await;
            sleep(GRACE).await;
        };
        tokio::select! {
            ended = self.called(once) => ended,
            () = soon => Err(CallError::Unavailable(format!("interrupted before {} answered", self.name))),
        }
    }

    /// No call takes more than a few seconds any more, and none is tried again.
    pub fn hurry(&self) {
        self.hurry.cancel();
    }

    async fn called<T, F>(&self, once: impl Fn() -> F + Send + Sync) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, Failure>> + Send,
        T: Send,
    {
        let _slot = self.slots.acquire().await.expect("nobody closes it");
        let mut tried = 0;
        loop {
            let asks = self.enter().await?;
            self.turn().await;
            tried += 1;
            let ended = once().await;
            drop(asks);
            let (why, headers, counts) = match ended {
                Ok(answer) => {
                    self.works();
                    return Ok(answer);
                }
                Err(Failure::Refused(why)) => {
                    self.works();
                    return Err(CallError::Refused(format!("{} {why}", self.name)));
                }
                Err(Failure::Hopeless(why)) => {
                    let why = format!("{} {why}", self.name);
                    self.lock().down = Some(why.clone());
                    return Err(CallError::Unavailable(why));
                }
                Err(Failure::Busy(why)) => (why, HeaderMap::new(), false),
                // One transaction that is never answered does not make the service one that is down.
                Err(Failure::Unavailable(why, headers)) => (why, headers, tried == 1),
            };
            let pause = TRIES.after(tried.min(TRIES.tries), &headers);
            if let Some(rest) = pause.filter(|_| headers.contains_key(RETRY_AFTER)) {
                // What it asks of one it asks of all.
                self.rest(rest);
            }
            let is_open = self.fails(&why, counts);
            let again = !self.hurry.is_cancelled() && (is_open || tried < TRIES.tries);
            let Some(pause) = pause.filter(|_| again) else {
                return Err(CallError::Unavailable(format!("{} {why}", self.name)));
            };
            sleep(pause).await;
        }
    }

    /// Why no more is to be begun.
    pub fn is_down(&self) -> Option<String> {
        self.lock().down.clone()
    }

    /// Waits while the service is down, but for one that asks whether it is back.
    async fn enter(&self) -> Result<Asks<'_>, CallError> {
        loop {
            {
                let mut state = self.lock();
                if let Some(why) = &state.down {
                    return Err(CallError::Unavailable(why.clone()));
                }
                if state.open.is_none() {
                    return Ok(Asks(None));
                }
                if !state.is_asked {
                    state.is_asked = true;
                    return Ok(Asks(Some(self)));
                }
            }
            sleep(TRIES.first_pause).await;
        }
    }

    /// Waits until it is this request's turn.
    async fn turn(&self) {
        let at = {
            let mut state = self.lock();
            let at = state.next.max(Instant::now());
            state.next = at + self.interval;
            at
        };
        sleep_until(at).await;
    }

    fn works(&self) {
        let was_open = {
            let mut state = self.lock();
            state.failures = 0;
            state.open.take().is_some()
        };
        if was_open {
            self.watch.warn(&format!("{} answers again", self.name));
        }
    }

    /// Lets no request leave for so long.
    fn rest(&self, rest: Duration) {
        let mut state = self.lock();
        state.next = state.next.max(Instant::now() + rest);
    }

    /// Notes a request that failed, and counts it where that tells something of the service; whether the service is down.
    fn fails(&self, why: &str, counts: bool) -> bool {
        let mut state = self.lock();
        state.failures += u32::from(counts);
        match state.open {
            Some(since) if since.elapsed() >= PATIENCE => {
                let seconds = PATIENCE.as_secs();
                state.down = Some(format!("{} has been down for {seconds} s: it {why}", self.name));
            }
            None if state.failures >= DOWN => {
                state.open = Some(Instant::now());
                drop(state);
                self.watch.warn(&format!("{} is down (it {why}): waiting until it answers again", self.name));
                return true;
            }
            _ => {}
        }
        state.open.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request that asks whether the service is back. It may be dropped half-way: then the next one asks.
struct Asks<'a>(Option<&'a Circuit>);

impl Drop for Asks<'_> {
    fn drop(&mut self) {
        if let Some(circuit) = self.0 {
            circuit.lock().is_asked = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[derive(Default)]
    struct Told(Mutex<Vec<String>>);

    impl Watch for Told {
        fn at(&self, _: &str, _: &crate::watch::Progress) {}

        fn warn(&self, message: &str) {
            self.0.lock().expect("told").push(message.to_owned());
        }
    }

    fn circuit() -> (Arc<Circuit>, Arc<Told>) {
        let told = Arc::new(Told::default());
        let bears = (NonZeroU32::new(10_000).expect("many"), NonZeroUsize::new(8).expect("some"));
        let watch = Arc::clone(&told) as Arc<dyn Watch>;
        (Arc::new(Circuit::new("the bank".to_owned(), bears.0, bears.1, watch)), told)
    }

    #[tokio::test]
    async fn a_service_that_is_down_is_told_once_and_asked_by_one_until_it_is_back() {
        let (circuit, told) = circuit();
        let asked = Arc::new(AtomicU32::new(0));
        let calls = (0..8).map(|_| {
            let (circuit, asked) = (Arc::clone(&circuit), Arc::clone(&asked));
            tokio::spawn(async move {
                let once = || async {
                    match asked.fetch_add(1, Ordering::SeqCst) {
                        0..12 => Err(Failure::Unavailable("answers 503".to_owned(), HeaderMap::new())),
                        _ => Ok(()),
                    }
                };
                circuit.call(once).await
            })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.expect("no panic").expect("it is back");
        }
        let expected = ["the bank is down (it answers 503): waiting until it answers again", "the bank answers again"];
        assert_eq!(*told.0.lock().expect("told"), expected);
        assert_eq!(circuit.is_down(), None);
    }

    #[tokio::test]
    async fn who_asks_whether_it_is_back_may_be_dropped_and_the_next_asks() {
        let (circuit, _) = circuit();
        circuit.lock().open = Some(Instant::now());
        let hangs = circuit.call(std::future::pending::<Result<(), Failure>>);
        assert!(tokio::time::timeout(Duration::from_millis(20), hangs).await.is_err());
        circuit.call(|| async { Ok(()) }).await.expect("it is asked");
        assert!(circuit.lock().open.is_none());
    }

    #[tokio::test]
    async fn one_call_that_is_never_answered_and_one_that_is_under_way_leave_the_service_up() {
        let (circuit, told) = circuit();
        let ends =
            circuit.call(|| async { Err::<(), _>(Failure::Unavailable("answers 500".to_owned(), HeaderMap::new())) });
        assert!(matches!(ends.await, Err(CallError::Unavailable(why)) if why == "the bank answers 500"));
        let busy = circuit.call(|| async { Err::<(), _>(Failure::Busy("answers 409".to_owned())) }).await;
        assert!(matches!(busy, Err(CallError::Unavailable(why)) if why == "the bank answers 409"));
        assert_eq!((circuit.lock().failures, told.0.lock().expect("told").len()), (1, 0));
    }

    #[tokio::test]
    async fn what_would_end_the_same_is_not_tried_again() {
        let (circuit, told) = circuit();
        let refused = circuit.call(|| async { Err::<(), _>(Failure::Refused("answers 400".to_owned())) }).await;
        assert!(matches!(refused, Err(CallError::Refused(why)) if why == "the bank answers 400"));
        let hopeless = circuit.call(|| async { Err::<(), _>(Failure::Hopeless("refuses the token".to_owned())) }).await;
        assert!(matches!(hopeless, Err(CallError::Unavailable(why)) if why == "the bank refuses the token"));
        assert_eq!(circuit.is_down().as_deref(), Some("the bank refuses the token"));
        let next = circuit.call(|| async { Ok(()) }).await;
        assert!(matches!(next, Err(CallError::Unavailable(_))), "no more is begun");
        assert!(told.0.lock().expect("told").is_empty());
    }
}
