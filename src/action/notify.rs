//! Slack, as a stand-in for all who should know and are not at the terminal.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::http::retry::causes;
use crate::http::sentence;
use crate::watch::Watch;

/// How long a message may take: nobody waits for Slack while production burns.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tells a Slack channel. A message that cannot be delivered is a warning and changes nothing.
pub struct Notifier {
    webhook: Option<(reqwest::Client, SecretString)>,
    /// It failed once: it is not tried again, for each try may cost its whole patience.
    silent: AtomicBool,
}

impl Notifier {
    /// A notifier that posts to this webhook; without one it is silent. The URL is a secret: who has it can post.
    #[must_use]
    pub fn new(http: &reqwest::Client, webhook: Option<SecretString>) -> Self {
        Self { webhook: webhook.map(|url| (http.clone(), url)), silent: AtomicBool::new(false) }
    }

    /// A notifier that tells nobody.
    #[must_use]
    pub fn silent() -> Self {
        Self { webhook: None, silent: AtomicBool::new(false) }
    }

    /// Posts a message.
    pub async fn say(&self, text: &str, watch: &dyn Watch) {
        let Some((http, url)) = self.webhook.as_ref().filter(|_| !self.silent.load(Ordering::Relaxed)) else { return };
        let answer = http.post(url.expose_secret()).json(&json!({ "text": text })).timeout(PATIENCE).send().await;
        let problem = match answer {
            Ok(answer) if answer.status().is_success() => return,
            Ok(answer) => {
                let status = answer.status();
                // The URL is a secret, and a server may repeat it.
                let said = answer.bytes().await.ok().and_then(|body| sentence(&body, url.expose_secret()));
                format!("it answered {status}{}", said.map(|said| format!(": {said}")).unwrap_or_default())
            }
            Err(error) => causes(&error.without_url()),
        };
        self.silent.store(true, Ordering::Relaxed);
        watch.warn(&format!("Slack was not told, and will not be: {problem}"));
    }
}
