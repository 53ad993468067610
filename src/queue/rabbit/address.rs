//! Where a queue of RabbitMQ is: `amqps://user:password@host:5671/vhost?queue=missed`.

use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use percent_encoding::percent_decode_str;
use url::Url;

use crate::address::{Address, ESCAPES};
use crate::port::Unfit;
use crate::queue::{KNOWN, shown};

/// Seconds between two signs of life; a broker that gives none for twice as long is gone.
const HEARTBEAT: u16 = 10;

/// What follows a queue's name in that of its parking queue.
const PARKED: &str = ".parked";

/// No name of AMQP is longer, in bytes.
const LONGEST: usize = 255;

/// A queue of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The broker, with credentials: never to be shown.
    pub(super) broker: AMQPUri,
    /// The queue's name.
    pub(super) queue: String,
}

impl Place {
    /// Reads the address. RabbitMQ's own conventions hold: the user `guest` where none is named, and the vhost `/` where there is no
    /// path.
    pub(super) fn read(address: &Address) -> Result<Self, Unfit> {
        let refused = |why: String| Unfit(format!("'{}' names no queue of RabbitMQ: {why}; {KNOWN}", shown(address)));
        if address.may_be_cut_by_a_password() {
            return Err(refused(ESCAPES.to_owned()));
        }
        let url = Url::parse(address.whole()).map_err(|error| refused(error.to_string()))?;
        let decoded = |text: &str| {
            let text = percent_decode_str(text).decode_utf8();
            text.map(String::from).map_err(|_| refused("it holds what is no UTF-8".to_owned()))
        };
        if let Some((other, _)) = url.query_pairs().find(|(name, _)| name != "queue") {
            return Err(refused(format!("'{other}' means nothing there")));
        }
        let queue = url.query_pairs().map(|(_, queue)| queue.into_owned()).find(|queue| !queue.is_empty());
        let queue = queue.ok_or_else(|| refused("it has no `?queue=`".to_owned()))?;
        let host =
            url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| refused("it has no host".to_owned()))?;
        let path = url.path().strip_prefix('/').unwrap_or_default();
        if path.contains('/') {
            return Err(refused("its path has two parts: a `/` in the name of a vhost is written %2F".to_owned()));
        }
        let vhost = if path.is_empty() { "/".to_owned() } else { decoded(path)? };
        if vhost.len() > LONGEST || queue.len() + PARKED.len() > LONGEST {
            return Err(refused(format!("a name of AMQP has {LONGEST} bytes at most, also with '{PARKED}' behind it")));
        }
        let (scheme, port) = if url.scheme() == "amqps" { (AMQPScheme::AMQPS, 5671) } else { (AMQPScheme::AMQP, 5672) };
        let userinfo = match (url.username(), url.password()) {
            ("", None) => AMQPUserInfo { username: "guest".to_owned(), password: "guest".to_owned() },
            (user, password) => {
                AMQPUserInfo { username: decoded(user)?, password: decoded(password.unwrap_or_default())? }
            }
        };
        // As a name server and a certificate know it: an address of IPv6 stands in brackets only in a URL.
        let host = host.trim_matches(['[', ']']).to_owned();
        let authority = AMQPAuthority { userinfo, host, port: url.port().unwrap_or(port) };
        let query = AMQPQueryString { heartbeat: Some(HEARTBEAT), ..AMQPQueryString::default() };
        Ok(Self { broker: AMQPUri { scheme, authority, vhost, query }, queue })
    }

    /// The queue where messages are put that cannot be worked on.
    pub(super) fn parking(&self) -> String {
        format!("{}{PARKED}", self.queue)
    }

    /// The user who gets in.
    pub(super) fn user(&self) -> &str {
        &self.broker.authority.userinfo.username
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<String, String> {
        let Place { broker, queue } = Place::read(&url.into()).map_err(|error| error.to_string())?;
        let AMQPAuthority { userinfo, host, port } = broker.authority;
        let AMQPUserInfo { username, password } = userinfo;
        Ok([broker.scheme.to_string(), username, password, host, port.to_string(), broker.vhost, queue].join(" "))
    }

    #[test]
    fn a_url_names_a_broker_a_vhost_and_a_queue() {
        for (url, place) in [
            ("amqp://h/?queue=missed", "amqp guest guest h 5672 / missed"),
            ("amqp://h?queue=missed", "amqp guest guest h 5672 / missed"),
            ("amqp://h:1/%2F?queue=missed", "amqp guest guest h 1 / missed"),
            ("amqps://u:p%40w@h/shop?queue=a%2Fb%20c", "amqps u p@w h 5671 shop a/b c"),
            ("amqps://u@[::1]/a%2Fb?queue=missed", "amqps u  ::1 5671 a/b missed"),
        ] {
            assert_eq!(read(url), Ok(place.to_owned()));
        }
        let long = format!("amqp://h/?queue={}", "a".repeat(249));
        for (url, why) in [
            ("amqp://u:p@h/shop", "it has no `?queue=`"),
            ("amqp://u:p@h/shop?queue=", "it has no `?queue=`"),
            ("amqp:///shop?queue=missed", "it has no host"),
            ("amqp://u:p@h/a/b?queue=missed", "its path has two parts: a `/` in the name of a vhost is written %2F"),
            ("amqp://u:p@h/a?queue=missed&heartbeat=1", "'heartbeat' means nothing there"),
            ("amqp://h/%ff?queue=missed", "it holds what is no UTF-8"),
            (&long, "a name of AMQP has 255 bytes at most, also with '.parked' behind it"),
        ] {
            let shown = url.replace("u:p@", "");
            let shown = shown.split('?').next().expect("what stands before the query");
            assert_eq!(read(url), Err(format!("'{shown}' names no queue of RabbitMQ: {why}; {KNOWN}")));
        }
        let printed = format!("{:?}", Place::read(&"amqp://u:p@h/?queue=missed".into()).expect("a place").queue);
        assert_eq!(printed, "\"missed\"");
    }
}
