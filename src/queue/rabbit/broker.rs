//! A broker, for single messages: one put into an exchange, one taken out of a queue.

use std::sync::Arc;

use lapin::options::{BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldArray, FieldTable};
use lapin::{BasicProperties, Confirmation, ErrorKind};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::address::Place;
use super::link::{Door, Link, PATIENCE};
use crate::http::{self, Address, Identity, Trust};
use crate::queue::{AskError, shown};

/// A connection to a broker.
pub struct Broker {
    door: Door,
    link: Link,
}

impl Broker {
    /// Connects to the broker at `amqp://user:password@host:port/vhost`, or `amqps://` for TLS, as `name`.
    ///
    /// # Errors
    /// When the URL is none, a certificate cannot be read, or the broker does not let this client in.
    pub async fn open(
        address: &Address,
        trust: &Trust,
        identity: Option<&Identity>,
        name: &str,
    ) -> Result<Self, AskError> {
        let place = Place::of_broker(address).map_err(|error| AskError::Wrong(error.to_string()))?;
        let tls = http::tls_configuration(trust, identity).map_err(|error| AskError::Wrong(format!("{error:#}")))?;
        let door = Door { place, address: shown(address), tls: Arc::new(tls), worker: name.to_owned() };
        let link = door.open(1).await.map_err(|trouble| AskError::Lost(trouble.to_string()))?;
        Ok(Self { door, link })
    }

    /// Publishes a message, and waits until the broker has it. False where no queue took it: none is bound to the exchange for this key.
    ///
    /// # Errors
    /// When the broker refuses it, or gives no answer; it may have it then.
    pub async fn publish(
        &self,
        exchange: &str,
        key: &str,
        headers: &Map<String, Value>,
        content: &[u8],
    ) -> Result<bool, AskError> {
        let (channel, options) = (&self.link.channel, BasicPublishOptions { mandatory: true, ..Default::default() });
        let mut properties = BasicProperties::default();
        if !headers.is_empty() {
            properties = properties.with_headers(table(headers));
        }
        let published = async {
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            channel.basic_publish(exchange.into(), key.into(), options, content, properties).await?.await
        };
        let what = format!("publish to the exchange '{exchange}'");
        let Confirmation::Ack(returned) = self.answered(&what, published).await? else {
            let why = "does not take the message: is a queue full?";
            return Err(AskError::Refused(format!("RabbitMQ at {} {why}", self.door.address)));
        };
        Ok(returned.is_none())
    }

    /// Takes a message out of a queue; none where it is empty.
    ///
    /// # Errors
    /// When there is no such queue, or the broker gives no answer.
    pub async fn take(&self, queue: &str) -> Result<Option<Vec<u8>>, AskError> {
        let taken = async {
            let message = self.link.channel.basic_get(queue.into(), BasicGetOptions::default()).await?;
            let Some(message) = message else { return Ok(None) };
            self.link.channel.basic_ack(message.delivery.delivery_tag, BasicAckOptions::default()).await?;
            Ok(Some(message.delivery.data))
        };
        self.answered(&format!("give a message of the queue '{queue}'"), taken).await
    }

    /// Ends the connection, after the broker has done all that it was asked.
    ///
    /// # Errors
    /// When the broker gives no answer.
    pub async fn close(self) -> Result<(), AskError> {
        self.door.leave(self.link).await.map_err(|trouble| AskError::Lost(trouble.to_string()))
    }

    async fn answered<T>(&self, what: &str, asked: impl Future<Output = lapin::Result<T>>) -> Result<T, AskError> {
        let address = &self.door.address;
        let Ok(answer) = timeout(PATIENCE, asked).await else {
            return Err(AskError::Lost(format!("RabbitMQ at {address} gives no answer for {PATIENCE:?}")));
        };
        answer.map_err(|error| match error.kind() {
            ErrorKind::ProtocolError(refusal) => {
                AskError::Refused(format!("RabbitMQ at {address} does not {what}: {}", refusal.get_message()))
            }
            _ => AskError::Lost(format!("RabbitMQ at {address} breaks off: {error}")),
        })
    }
}

fn table(headers: &Map<String, Value>) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in headers {
        table.insert(name.as_str().into(), field(value));
    }
    table
}

/// A value of JSON as one of AMQP; a number that AMQP does not hold exactly is a text.
fn field(value: &Value) -> AMQPValue {
    match value {
        Value::Null => AMQPValue::Void,
        Value::Bool(value) => AMQPValue::Boolean(*value),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => AMQPValue::LongLongInt(number),
            (None, Some(double)) if number.is_f64() => AMQPValue::Double(double),
            _ => AMQPValue::LongString(number.to_string().into()),
        },
        Value::String(text) => AMQPValue::LongString(text.as_str().into()),
        Value::Array(items) => AMQPValue::FieldArray(FieldArray::from(items.iter().map(field).collect::<Vec<_>>())),
        Value::Object(members) => AMQPValue::FieldTable(table(members)),
    }
}
