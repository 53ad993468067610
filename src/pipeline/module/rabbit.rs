//! `rabbit`: a message into an exchange of RabbitMQ, or out of a queue.

use std::path::Path;

use async_trait::async_trait;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::definition::{Argument, Command, Definition, Kind, Shape};
use super::echo::resource;
use super::settings::Settings;
use super::{Call, Failure, Module};
use crate::http::{Address, Identity, Trust};
use crate::pipeline::value::{Value, from_json, to_json};
use crate::pipeline::world::World;
use crate::queue::Broker;

/// See the head of this file.
pub struct Rabbit;

/// How the broker shows the connections of tests.
const NAME: &str = "test_pipeline";

const CONFIG: Argument = Argument::must(
    "config",
    Kind::Map,
    "The broker: `server` (`host:port`), `username`, `password`, `virtualhost` (`/`), and for TLS `sslOptions` with `ca_certs`, `certfile`, `keyfile`, and `cert_reqs: CERT_NONE` to trust anybody.",
);

static DEFINITION: Definition = Definition {
    name: "rabbit",
    about: "Publishes a message to an exchange of RabbitMQ, or consumes one of a queue; an empty queue fails, so wait for a message with `until`.",
    short: None,
    shape: Shape::Commands(&[
        Command {
            name: "publish",
            about: "Publishes a message, which the broker must confirm.",
            arguments: &[
                CONFIG,
                Argument::must(
                    "exchange",
                    Kind::Text,
                    "The exchange; an empty text for the one where a routing key is a queue.",
                ),
                Argument::must("routing_key", Kind::Text, "The routing key."),
                Argument::may("headers", Kind::Map, "Headers."),
                Argument::may("data", Kind::Any, "The message: a text as it is, a map or list as JSON."),
                Argument::may(
                    "data_from_file",
                    Kind::Resource,
                    "A file in the resources, which is a template itself; in the place of `data`.",
                ),
                Argument::may(
                    "mandatory",
                    Kind::Flag,
                    "Ours: whether it fails where no queue takes the message, true where nothing is said.",
                ),
            ],
        },
        Command {
            name: "consume",
            about: "Takes a message out of a queue.",
            arguments: &[CONFIG, Argument::must("queue", Kind::Text, "The queue.")],
        },
    ]),
    output: "Of `consume` the message: JSON as what it says, any other text as it is.",
};

#[async_trait]
impl Module for Rabbit {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    async fn act(&self, call: &Call<'_>, world: &mut World) -> Result<Value, Failure> {
        let config = call.required("config", world)?;
        world.confide("config", &config);
        let (address, trust, identity) = server(&config, &world.settings.folder, &world.settings.trust)?;
        if call.command == "consume" {
            let queue = call.required("queue", world)?.to_string();
            let broker = Broker::open(&address, &trust, identity.as_ref(), NAME).await?;
            let message = broker.take(&queue).await?;
            broker.close().await?;
            let message = message.ok_or_else(|| Failure::failed(format!("the queue '{queue}' is empty")))?;
            return Ok(match String::from_utf8(message) {
                Ok(text) => from_json(&text).unwrap_or(Value::Text(text)),
                Err(error) => Value::Bytes(error.into_bytes()),
            });
        }
        let content = match (call.value("data", world)?, call.text("data_from_file", world)?) {
            (Some(Value::Bytes(bytes)), None) => bytes,
            (Some(value @ (Value::Map(_) | Value::List(_))), None) => to_json(&value).into_bytes(),
            (Some(value), None) => value.to_string().into_bytes(),
            (None, Some(file)) => resource(&file, world)?.into_bytes(),
            _ => return Err(Failure::wrong("one of `data` and `data_from_file` is expected")),
        };
        let (exchange, key) = (call.required("exchange", world)?.to_string(), call.required("routing_key", world)?);
        let headers = match call.value("headers", world)? {
            None | Some(Value::Null) => serde_json::Map::new(),
            Some(headers @ Value::Map(_)) => serde_json::from_str(&to_json(&headers))
                .map_err(|error| Failure::wrong(format!("`headers` cannot be sent: {error}")))?,
            Some(other) => return Err(Failure::wrong(format!("`headers` is {}: a map is expected", other.kind()))),
        };
        let is_mandatory = call.flag("mandatory", true, world)?;
        let broker = Broker::open(&address, &trust, identity.as_ref(), NAME).await?;
        let is_taken = broker.publish(&exchange, &key.to_string(), &headers, &content).await?;
        broker.close().await?;
        if is_mandatory && !is_taken {
            let why = format!(
                "no queue takes a message of the exchange '{exchange}' with the routing key '{key}': is one bound?"
            );
            return Err(Failure::failed(why).with(["mandatory: false lets such a message be lost".to_owned()]));
        }
        Ok(Value::Null)
    }
}

/// Where the broker is, whom to trust there, and who to be.
fn server(config: &Value, folder: &Path, trust: &Trust) -> Result<(Address, Trust, Option<Identity>), Failure> {
    // How long the end of a connection may take is our own affair.
    let known = ["server", "username", "password", "virtualhost", "sslOptions", "disconnect_timeout"];
    let settings = Settings::read("config", config, &known)?;
    let server = settings.required("server")?;
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let text = |key: &str| settings.text(key).unwrap_or_default();
    let user = match (text("username"), text("password")) {
        (user, password) if user.is_empty() && password.is_empty() => String::new(),
        (user, password) => format!("{}:{}@", encoded(&user), encoded(&password)),
    };
    let host = match text("virtualhost").as_str() {
        "" | "/" => text("virtualhost"),
        host => format!("/{}", encoded(host)),
    };
    let Some(options) = settings.get("sslOptions") else {
        return Ok((format!("amqp://{user}{server}{host}").into(), trust.clone(), None));
    };
    let options =
        Settings::read("sslOptions", options, &["ssl_version", "ca_certs", "certfile", "keyfile", "cert_reqs"])?;
    let file = |key: &str| options.text(key).map(|file| folder.join(file));
    let trust = Trust {
        authorities: file("ca_certs").or_else(|| trust.authorities.clone()),
        insecure: options.text("cert_reqs").as_deref() == Some("CERT_NONE"),
    };
    let identity = file("certfile").map(|certificate| {
        let key = file("keyfile").unwrap_or_else(|| certificate.clone());
        Identity { certificate, key }
    });
    Ok((format!("amqps://{user}{server}{host}").into(), trust, identity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_what_its_map_says() {
        let of = |config: &str| {
            let config = Value::parse(config).expect(config);
            let found = server(&config, Path::new("/f"), &Trust::default()).map_err(|failure| failure.why)?;
            Ok::<_, String>((found.0.whole().to_owned(), found.1.insecure, found.1.authorities.is_some()))
        };
        let found = |url: &str, insecure, authorities| Ok((url.to_owned(), insecure, authorities));
        assert_eq!(of("{'server': 'h:1'}"), found("amqp://h:1", false, false));
        let config = "{'server': 'h:1', 'username': 'u', 'password': 'p@w', 'virtualhost': 'a/b'}";
        assert_eq!(of(config), found("amqp://u:p%40w@h:1/a%2Fb", false, false));
        assert_eq!(of("{'server': 'h', 'virtualhost': '/', 'sslOptions': {}}"), found("amqps://h/", false, false));
        let options = "{'cert_reqs': 'CERT_NONE', 'ca_certs': 'ca.pem'}";
        assert_eq!(of(&format!("{{'server': 'h', 'sslOptions': {options}}}")), found("amqps://h", true, true));
        assert_eq!(of("{'username': 'u'}"), Err("`config` needs `server`".to_owned()));
        let error = of("{'server': 'h', 'usernam': 'u'}").expect_err("a refusal");
        assert!(error.starts_with("'usernam' is not known in `config`: the nearest is 'username'"), "{error}");
    }
}
