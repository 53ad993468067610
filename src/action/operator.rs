//! The person at the terminal, if there is one: shown things and asked. The logic sees an [`Operator`], only the
//! console knows of keys and prompts.

use async_trait::async_trait;

use super::report::Table;

/// Somebody who can be shown things, and perhaps asked. All of it goes to stderr.
#[async_trait]
pub trait Operator: Send + Sync {
    /// Whether there is somebody to answer: stdin and stderr are a terminal.
    fn present(&self) -> bool;

    /// Says a sentence.
    fn say(&self, text: &str);

    /// Shows a table.
    fn show(&self, table: &Table);

    /// Has one of the answers chosen; the number of the chosen one, none where the person left without choosing.
    ///
    /// # Errors
    /// When the terminal fails.
    async fn choose(&self, question: &str, answers: &[String]) -> anyhow::Result<Option<usize>>;

    /// Asks for a yes or a no.
    ///
    /// # Errors
    /// When the terminal fails.
    async fn confirm(&self, question: &str) -> anyhow::Result<bool>;

    /// Asks to type a word, so that it cannot be confirmed by a slip of a key: whether it was typed.
    ///
    /// # Errors
    /// When the terminal fails.
    async fn type_out(&self, question: &str, word: &str) -> anyhow::Result<bool>;

    /// Asks for a line of text, which may be empty; without the spaces around it.
    ///
    /// # Errors
    /// When the terminal fails.
    async fn ask(&self, question: &str) -> anyhow::Result<String>;
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// Nobody is at the terminal.
    pub struct Nobody;

    #[async_trait]
    impl Operator for Nobody {
        fn present(&self) -> bool {
            false
        }
        fn say(&self, _text: &str) {}
        fn show(&self, _table: &Table) {}
        async fn choose(&self, _question: &str, _answers: &[String]) -> anyhow::Result<Option<usize>> {
            Ok(None)
        }
        async fn confirm(&self, _question: &str) -> anyhow::Result<bool> {
            Ok(false)
        }
        async fn type_out(&self, _question: &str, _word: &str) -> anyhow::Result<bool> {
            Ok(false)
        }
        async fn ask(&self, _question: &str) -> anyhow::Result<String> {
            Ok(String::new())
        }
    }
}
