//! A write of a port, as every port sends one: written down before it is sent and after its answer, one at a time, and
//! carried to its end whatever becomes of the caller. An interrupt drops the caller's future, not a request half-way.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::Mutex;

use super::{Answer, Ledger};

/// What came of sending a write.
pub trait Answered {
    /// What is written down of it.
    fn written(&self) -> Answer;
}

/// Why a write was not answered.
#[derive(Debug)]
pub enum Unanswered {
    /// It never left: nothing was changed.
    NotSent(anyhow::Error),
    /// It was sent, and what became of it is not known.
    Lost(anyhow::Error),
}

/// The writes of a port, and the ledger that holds them.
#[derive(Clone)]
pub struct Writes {
    ledger: Arc<dyn Ledger>,
    turn: Arc<Mutex<()>>,
}

impl Writes {
    /// Writes that this ledger holds.
    #[must_use]
    pub fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger, turn: Arc::default() }
    }

    /// The run that writes; empty for one that makes no changes.
    #[must_use]
    pub fn run(&self) -> &str {
        self.ledger.run()
    }

    /// Carries a write to its end, even if this future is dropped meanwhile: how things stand is known once it is
    /// [`over`](Self::over). `call` names it, `about` is what must be known of it later, and `send` must be bounded in time.
    ///
    /// # Errors
    /// When it could not be written down, and was not sent; or when its sending was cut short.
    pub async fn carry<T: Answered + Send + 'static>(
        &self,
        call: &'static str,
        about: Value,
        send: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Unanswered> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let writes = self.clone();
        let task = tokio::spawn(async move {
            let outcome = writes.send(call, about, send).await;
            drop(turn);
            outcome
        });
        let cut_short = |error| Unanswered::Lost(anyhow::Error::new(error).context("a write was cut short"));
        task.await.unwrap_or_else(|error| Err(cut_short(error)))
    }

    /// Sends a write that may be dropped half-way, for it changes nothing that matters by then; its answer counts as lost.
    ///
    /// # Errors
    /// When it could not be written down, and was not sent.
    pub async fn send<T: Answered>(
        &self,
        call: &str,
        about: Value,
        send: impl Future<Output = T>,
    ) -> Result<T, Unanswered> {
        let number = self.ledger.intent(call, about).map_err(Unanswered::NotSent)?;
        let outcome = send.await;
        self.ledger.answer(number, outcome.written());
        Ok(outcome)
    }

    /// Waits until no write is under way: what was sent before an interrupt could still change things afterwards.
    pub async fn over(&self) {
        drop(self.turn.lock().await);
    }
}

impl Answered for Answer {
    fn written(&self) -> Answer {
        self.clone()
    }
}

impl<T: Answered> Answered for Result<T, Unanswered> {
    fn written(&self) -> Answer {
        match self {
            Ok(answer) => answer.written(),
            Err(Unanswered::NotSent(error)) => Answer::Refused(format!("{error:#}")),
            Err(Unanswered::Lost(error)) => Answer::Lost(format!("{error:#}")),
        }
    }
}

impl From<Unanswered> for anyhow::Error {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::NotSent(error) | Unanswered::Lost(error) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex as Shared, PoisonError};
    use std::time::Duration;

    use anyhow::anyhow;
    use serde_json::json;

    use super::*;

    /// Remembers in which order things happened, and refuses intents where it is full.
    #[derive(Default)]
    struct Page {
        lines: Shared<Vec<String>>,
        is_full: bool,
    }

    impl Page {
        fn note(&self, line: String) {
            self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }

        fn lines(&self) -> Vec<String> {
            self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
        }
    }

    impl Ledger for Page {
        fn run(&self) -> &'static str {
            "7-abcdef"
        }

        fn intent(&self, call: &str, about: Value) -> anyhow::Result<u64> {
            anyhow::ensure!(!self.is_full, "the disk is full");
            self.note(format!("intent {call} {about}"));
            Ok(7)
        }

        fn answer(&self, call: u64, answer: Answer) {
            self.note(format!("answer {call} {answer:?}"));
        }
    }

    fn writes(is_full: bool) -> (Arc<Page>, Writes) {
        let page = Arc::new(Page { is_full, ..Page::default() });
        (Arc::clone(&page), Writes::new(page))
    }

    #[tokio::test]
    async fn the_intent_is_written_down_before_it_is_sent_and_the_answer_after() {
        let (page, writes) = writes(false);
        let sending = Arc::clone(&page);
        let sent = writes.carry("set", json!({"id": "a"}), async move {
            sending.note("sent".to_owned());
            Answer::Taken(json!({"version": 2}))
        });
        assert_eq!(sent.await.expect("an answer"), Answer::Taken(json!({"version": 2})));
        let expected = [r#"intent set {"id":"a"}"#, "sent", r#"answer 7 Taken(Object {"version": Number(2)})"#];
        assert_eq!((page.lines(), writes.run()), (expected.map(str::to_owned).to_vec(), "7-abcdef"));
    }

    #[tokio::test]
    async fn what_never_left_counts_as_refused_and_what_was_not_answered_as_lost() {
        for (outcome, expected) in [
            (
                Unanswered::NotSent(anyhow!("refused").context("failed to connect")),
                "Refused(\"failed to connect: refused\")",
            ),
            (Unanswered::Lost(anyhow!("it hung up")), "Lost(\"it hung up\")"),
        ] {
            let (page, writes) = writes(false);
            let sent = writes.carry("set", Value::Null, async { Err::<Answer, _>(outcome) }).await;
            assert!(sent.expect("it was sent").is_err());
            assert_eq!(page.lines(), ["intent set null".to_owned(), format!("answer 7 {expected}")]);
        }
    }

    #[tokio::test]
    async fn what_cannot_be_written_down_is_not_sent() {
        let (page, writes) = writes(true);
        let sending = Arc::clone(&page);
        let send = async move {
            sending.note("sent".to_owned());
            Answer::Taken(Value::Null)
        };
        match writes.carry("set", Value::Null, send).await {
            Err(Unanswered::NotSent(error)) => assert_eq!(error.to_string(), "the disk is full"),
            other => panic!("{other:?}"),
        }
        assert_eq!(page.lines(), [""; 0]);
    }

    #[tokio::test]
    async fn a_write_that_has_begun_is_carried_to_its_end_and_its_answer_written_down() {
        let (page, writes) = writes(false);
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let write = writes.carry("set", Value::Null, async move {
            let _ = begun.send(());
            tokio::time::sleep(Duration::from_millis(50)).await;
            Answer::Taken(Value::Null)
        });
        tokio::select! {
            _ = write => panic!("it takes longer than to begin"),
            begun = has_begun => begun.expect("it begins"),
        }
        assert_eq!(page.lines(), ["intent set null"]);
        writes.over().await;
        assert_eq!(page.lines(), ["intent set null", "answer 7 Taken(Null)"]);
    }

    #[tokio::test]
    async fn one_that_may_be_dropped_stays_unanswered() {
        let (page, writes) = writes(false);
        let never = std::future::pending::<Answer>();
        let sent = tokio::time::timeout(Duration::from_millis(20), writes.send("pull", Value::Null, never)).await;
        assert!(sent.is_err());
        writes.over().await;
        assert_eq!(page.lines(), ["intent pull null"]);
    }

    #[tokio::test]
    async fn one_that_breaks_is_lost_and_the_next_gets_its_turn() {
        let (_, writes) = writes(false);
        let broken = writes
            .carry("set", Value::Null, async { if true { panic!("it breaks") } else { Answer::Taken(Value::Null) } });
        assert!(matches!(broken.await, Err(Unanswered::Lost(_))));
        assert!(writes.carry("set", Value::Null, async { Answer::Taken(Value::Null) }).await.is_ok());
    }
}
