//! A message of RabbitMQ, whose content is any bytes, and what its headers tell of its way.

use chrono::{DateTime, Utc};
use lapin::BasicProperties;
use lapin::message::BasicGetMessage;
use lapin::types::{AMQPValue, ShortString};
use sha2::{Digest as _, Sha256};

use crate::queue::{Message, content};

/// In how many deliveries a message came back; only quorum queues say, and drop a message that has come back too often.
const RETURNS: &str = "x-delivery-count";

/// The first bytes of a SHA-256, by which a message is known again: RabbitMQ gives it no id that would outlast a connection.
pub(super) type Fingerprint = [u8; 16];

/// A message that was delivered and not ended.
#[derive(Debug, Clone)]
pub(super) struct Delivered {
    /// By which of the connections, counted from 1.
    pub(super) connection: u32,
    pub(super) tag: u64,
    pub(super) content: Vec<u8>,
    pub(super) properties: BasicProperties,
}

impl Delivered {
    pub(super) fn new(connection: u32, message: BasicGetMessage) -> Self {
        let delivery = message.delivery;
        Self { connection, tag: delivery.delivery_tag, content: delivery.data, properties: delivery.properties }
    }

    /// How this worker calls it: `1-17`, the 17th that its first connection brought.
    pub(super) fn id(&self) -> String {
        format!("{}-{}", self.connection, self.tag)
    }

    pub(super) fn message(&self, id: String) -> Message {
        let since = self.properties.timestamp().and_then(|seconds| i64::try_from(seconds).ok());
        let since = since.and_then(|seconds| DateTime::<Utc>::from_timestamp(seconds, 0));
        Message { id, body: content(&self.content), since }
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut hash = Sha256::new();
        let id = self.properties.message_id().as_ref().map(ShortString::as_str).unwrap_or_default();
        // No id holds this byte, so that nothing of it can be taken for content.
        hash.update(id);
        hash.update([0xff]);
        hash.update(&self.content);
        let mut first = Fingerprint::default();
        first.copy_from_slice(&hash.finalize()[..16]);
        first
    }

    /// How often it came back; none in a classic queue, which does not count.
    pub(super) fn returns(&self) -> Option<i64> {
        match self.header(RETURNS)? {
            AMQPValue::LongLongInt(count) => Some(*count),
            AMQPValue::LongInt(count) => Some((*count).into()),
            _ => Some(0),
        }
    }

    /// From where it was dead-lettered first, and why: `'orders' (expired)`.
    pub(super) fn death(&self) -> Option<String> {
        let text = |name: &str| match self.header(name)? {
            AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
            AMQPValue::ShortString(text) => Some(text.to_string()),
            _ => None,
        };
        Some(format!("'{}' ({})", text("x-first-death-queue")?, text("x-first-death-reason")?))
    }

    fn header(&self, name: &str) -> Option<&AMQPValue> {
        self.properties.headers().as_ref()?.inner().get(name)
    }

    /// What it is published with once more, to be put aside: as it was, and why, and kept on the disk.
    pub(super) fn set_aside(&self, queue: &str, why: &str) -> BasicProperties {
        let mut headers = self.properties.headers().clone().unwrap_or_default();
        for (name, text) in [("x-firebreak-queue", queue), ("x-firebreak-reason", why)] {
            headers.insert(name.into(), AMQPValue::LongString(text.into()));
        }
        // Who may publish in somebody's name is the broker's question; and what expires would be lost.
        let without = BasicProperties::default();
        let own = [self.properties.content_type(), self.properties.message_id(), self.properties.correlation_id()];
        let [content_type, message_id, correlation_id] = own.map(Clone::clone);
        let mut kept = without.with_headers(headers).with_delivery_mode(2);
        kept = content_type.into_iter().fold(kept, BasicProperties::with_content_type);
        kept = message_id.into_iter().fold(kept, BasicProperties::with_message_id);
        kept = correlation_id.into_iter().fold(kept, BasicProperties::with_correlation_id);
        self.properties.timestamp().iter().copied().fold(kept, BasicProperties::with_timestamp)
    }
}

#[cfg(test)]
mod tests {
    use lapin::types::FieldTable;
    use serde_json::json;

    use super::*;

    fn delivered(content: &[u8], properties: BasicProperties) -> Delivered {
        Delivered { connection: 2, tag: 17, content: content.to_vec(), properties }
    }

    fn with_headers(headers: &[(&str, AMQPValue)]) -> Delivered {
        let mut table = FieldTable::default();
        for (name, value) in headers {
            table.insert((*name).into(), value.clone());
        }
        delivered(b"{}", BasicProperties::default().with_headers(table))
    }

    #[test]
    fn a_message_has_its_content_and_perhaps_a_time() {
        let one = delivered(br#"{"id": 1}"#, BasicProperties::default().with_timestamp(1_764_230_000));
        let message = one.message(one.id());
        assert_eq!((message.id.as_str(), message.body), ("2-17", json!({ "id": 1 })));
        assert_eq!(message.since.map(|since| since.timestamp()), Some(1_764_230_000));
        let odd = delivered(b"\xff{", BasicProperties::default().with_timestamp(u64::MAX)).message(String::new());
        assert_eq!((odd.body, odd.since), (json!("\u{fffd}{"), None));
    }

    #[test]
    fn it_is_known_again_by_its_id_and_content() {
        let of = |id: Option<&str>, content: &str| {
            let properties = BasicProperties::default();
            let properties = id.into_iter().fold(properties, |all, id| all.with_message_id(id.into()));
            delivered(content.as_bytes(), properties).fingerprint()
        };
        assert_eq!(of(Some("a"), "b"), of(Some("a"), "b"));
        let others = [of(None, "b"), of(None, "ab"), of(Some("ab"), ""), of(Some(""), "b")];
        assert!(others[..3].iter().all(|other| *other != of(Some("a"), "b")));
        assert_eq!(others[0], others[3]);
    }

    #[test]
    fn its_headers_tell_how_often_it_came_back_and_where_it_was_dead_lettered() {
        let text = |text: &str| AMQPValue::LongString(text.into());
        assert_eq!(with_headers(&[]).returns(), None);
        assert_eq!(with_headers(&[(RETURNS, AMQPValue::LongLongInt(3))]).returns(), Some(3));
        let death = [("x-first-death-queue", text("orders")), ("x-first-death-reason", text("expired"))];
        assert_eq!(with_headers(&death).death(), Some("'orders' (expired)".to_owned()));
        assert_eq!(with_headers(&death[..1]).death(), None);
    }

    #[test]
    fn what_is_set_aside_keeps_what_it_had_and_never_expires() {
        let properties = BasicProperties::default().with_message_id("m".into()).with_expiration("5".into());
        let aside =
            delivered(b"{", properties.with_user_id("slave".into())).set_aside("missed", "it is no JSON object");
        assert_eq!(aside.message_id().as_ref().map(ShortString::as_str), Some("m"));
        assert_eq!((aside.expiration(), aside.user_id(), aside.delivery_mode()), (&None, &None, &Some(2)));
        let headers = aside.headers().clone().expect("headers");
        assert_eq!(headers.inner()["x-firebreak-reason"], AMQPValue::LongString("it is no JSON object".into()));
        assert_eq!(headers.inner()["x-firebreak-queue"], AMQPValue::LongString("missed".into()));
    }
}
