//! Slack, as a stand-in for all who should know and are not at the terminal.

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::watch::Watch;

/// Tells a Slack channel. A message that cannot be delivered is a warning and changes nothing.
pub struct Notifier {
    webhook: Option<(reqwest::Client, SecretString)>,
}

impl Notifier {
    /// A notifier that posts to this webhook; without one it is silent. The URL is a secret: who has it can post.
    #[must_use]
    pub fn new(http: &reqwest::Client, webhook: Option<SecretString>) -> Self {
        Self { webhook: webhook.map(|url| (http.clone(), url)) }
    }

    /// Posts a message.
    pub async fn say(&self, text: &str, watch: &dyn Watch) {
        let Some((http, url)) = &self.webhook else { return };
        let answer = http.post(url.expose_secret()).json(&json!({ "text": text })).send().await;
        let problem = match answer {
            Ok(answer) if answer.status().is_success() => return,
            Ok(answer) => format!("it answered {}", answer.status()),
            Err(error) => error.without_url().to_string(),
        };
        watch.warn(&format!("Slack was not told: {problem}"));
    }
}
