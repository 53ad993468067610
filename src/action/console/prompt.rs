//! Questions to the person at the terminal: by keys where the cursor can be moved, else line by line.

use std::io::{Error, ErrorKind, Result, Write as _};

/// How a terminal can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt {
    /// Keys move a mark, and what is drawn is drawn anew.
    Keys,
    /// Each answer is a line, and nothing that was printed is touched again.
    Lines,
}

impl Prompt {
    /// Lets one of several answers be chosen; none where the person does not want any.
    pub async fn choose(self, question: String, answers: Vec<String>) -> anyhow::Result<Option<usize>> {
        ask(move || match self {
            Self::Keys => {
                let select = dialoguer::Select::new().with_prompt(question).items(&answers).default(0);
                plain(select.interact_opt())
            }
            Self::Lines => {
                say(&format!("{question}\n"))?;
                for (number, answer) in (1..).zip(&answers) {
                    say(&format!("{number:>4}  {answer}\n"))?;
                }
                let question = format!("Its number, 1 to {}; nothing for none of them: ", answers.len());
                line_that(&question, |line| match line {
                    "" => Some(None),
                    line => {
                        line.parse().ok().filter(|number| (1..=answers.len()).contains(number)).map(|it| Some(it - 1))
                    }
                })
            }
        })
        .await
    }

    /// Asks for a yes; nothing is a no.
    pub async fn confirm(self, question: String) -> anyhow::Result<bool> {
        ask(move || match self {
            Self::Keys => {
                let confirm = dialoguer::Confirm::new().with_prompt(question).default(false);
                plain(confirm.wait_for_newline(true).interact())
            }
            Self::Lines => line_that(&format!("{question} [y/N] "), |line| match line.to_lowercase().as_str() {
                "y" | "yes" => Some(true),
                "" | "n" | "no" => Some(false),
                _ => None,
            }),
        })
        .await
    }

    /// Asks for a text.
    pub async fn text(self, question: String) -> anyhow::Result<String> {
        ask(move || match self {
            Self::Keys => {
                plain(dialoguer::Input::<String>::new().with_prompt(question).allow_empty(true).interact_text())
            }
            Self::Lines => line_that(&format!("{question}: "), |line| Some(line.to_owned())),
        })
        .await
    }
}

/// Runs a prompt beside the other work, so that an interrupt can end the action while it waits.
async fn ask<T: Send + 'static>(prompt: impl FnOnce() -> Result<T> + Send + 'static) -> anyhow::Result<T> {
    let prompt = || {
        // What was typed before the question was seen is no answer to it.
        let _ = rustix::termios::tcflush(std::io::stdin(), rustix::termios::QueueSelector::IFlush);
        prompt()
    };
    match tokio::task::spawn_blocking(prompt).await? {
        // Ctrl-C while a key was awaited: the signal that it raised ends the action, in a moment.
        Err(error) if error.kind() == ErrorKind::Interrupted => std::future::pending().await,
        answer => Ok(answer?),
    }
}

/// The answer of a prompt that has no errors but those of the terminal.
fn plain<T>(answer: dialoguer::Result<T>) -> Result<T> {
    answer.map_err(|dialoguer::Error::IO(error)| error)
}

/// Asks until a line means something.
fn line_that<T>(question: &str, means: impl Fn(&str) -> Option<T>) -> Result<T> {
    loop {
        say(question)?;
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line)? == 0 {
            return Err(Error::new(
                ErrorKind::UnexpectedEof,
                format!("no answer to '{}': stdin ended", question.trim()),
            ));
        }
        if let Some(meaning) = means(line.trim()) {
            return Ok(meaning);
        }
    }
}

fn say(text: &str) -> Result<()> {
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "{text}")?;
    stderr.flush()
}
