//! The URL of a cluster: its kind, its members, and the credentials.

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::Url;

use super::Unfit;
use crate::http::{Address, printable};

const KNOWN: &str =
    "known are etcd+https://HOST:PORT,HOST:PORT and patroni+https://HOST:PORT,HOST:PORT, and both with http";

/// The kinds that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Etcd,
    Patroni,
}

/// A URL of a cluster, taken apart.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) kind: Known,
    /// The members that are named, without a slash at the end: `https://host:2379`.
    pub(super) members: Vec<String>,
    pub(super) login: Option<(String, SecretString)>,
    /// The whole without credentials, and the members in order, so that it is the same however they are given.
    pub(super) shown: String,
}

impl Place {
    /// # Errors
    /// When it names no cluster.
    pub(super) fn read(address: &Address) -> Result<Self, Unfit> {
        let text = address.whole();
        // What stands behind these may be a secret that does not belong there.
        let shown = printable(text).split(['?', '#']).next().unwrap_or_default().to_owned();
        let refused = |why: &str| Unfit(format!("'{shown}' names no cluster: {why}"));
        let (kind, rest) = text.split_once("://").ok_or_else(|| refused(KNOWN))?;
        let (kind, scheme) = match kind {
            "etcd+http" => (Known::Etcd, "http"),
            "etcd+https" => (Known::Etcd, "https"),
            "patroni+http" => (Known::Patroni, "http"),
            "patroni+https" => (Known::Patroni, "https"),
            "kafka" => return Err(refused(&format!("leaders of Kafka's partitions cannot be moved yet; {KNOWN}"))),
            _ => return Err(refused(KNOWN)),
        };
        let (login, hosts) = match rest.rsplit_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
            None => (None, rest),
        };
        let login = login.map(|login| {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            (decoded(user), SecretString::from(decoded(password)))
        });
        let mut members = Vec::new();
        for host in hosts.trim_end_matches('/').split(',') {
            let url = Url::parse(&format!("{scheme}://{host}")).ok();
            let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
            let is_bare = |url: &Url| url.path() == "/" && url.query().is_none() && url.fragment().is_none();
            let url = url.filter(|url| is_bare(url) && has_port);
            let url = url.ok_or_else(|| refused("each of its members is HOST:PORT, separated by commas"))?;
            members.push(url.as_str().trim_end_matches('/').to_owned());
        }
        members.sort();
        members.dedup();
        let hosts: Vec<&str> = members.iter().map(|url| url.split("://").nth(1).unwrap_or_default()).collect();
        let name = if kind == Known::Etcd { "etcd" } else { "patroni" };
        let shown = format!("{name}+{scheme}://{}", hosts.join(","));
        Ok(Self { kind, members, login, shown })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret as _;

    use super::*;

    fn read(text: &str) -> Result<Place, String> {
        Place::read(&text.into()).map_err(|unfit| unfit.to_string())
    }

    #[test]
    fn a_url_names_the_kind_the_members_and_the_credentials() {
        let place = read("etcd+https://root:p%40ss@b.example:2379,a.example:2379,[::1]:2379/").expect("a place");
        assert_eq!(place.kind, Known::Etcd);
        assert_eq!(place.members, ["https://[::1]:2379", "https://a.example:2379", "https://b.example:2379"]);
        let (user, password) = place.login.expect("a login");
        assert_eq!((user.as_str(), password.expose_secret()), ("root", "p@ss"));
        assert_eq!(place.shown, "etcd+https://[::1]:2379,a.example:2379,b.example:2379");
        let place = read("patroni+http://pg1:8008").expect("a place");
        assert_eq!(
            (place.kind, place.members, place.login.is_none()),
            (Known::Patroni, vec!["http://pg1:8008".to_owned()], true)
        );
    }

    #[test]
    fn what_names_no_cluster_is_refused_and_shows_no_password() {
        let members = "each of its members is HOST:PORT, separated by commas";
        for (text, shown, why) in [
            ("a.example:2379", "a.example:2379", KNOWN),
            ("https://a.example:2379", "https://a.example:2379", KNOWN),
            ("etcd+https://a.example", "etcd+https://a.example", members),
            ("etcd+https://", "etcd+https://", members),
            ("etcd+https://a:1,", "etcd+https://a:1,", members),
            ("etcd+https://a:1/x", "etcd+https://a:1/x", members),
            ("etcd+https://u:hunter2@a:1?k=hunter2", "etcd+https://a:1", members),
            ("u:hunter2@a:1", "a:1", KNOWN),
        ] {
            assert_eq!(read(text).expect_err(text), format!("'{shown}' names no cluster: {why}"));
        }
        let kafka = read("kafka://a:9092").expect_err("kafka");
        assert!(kafka.contains("leaders of Kafka's partitions cannot be moved yet"), "{kafka}");
    }

    proptest! {
        #[test]
        fn whatever_is_given_is_read_or_refused_without_its_password(text in ".{0,40}", hosts in "[a-z:,/]{0,20}") {
            for text in [text.clone(), format!("etcd+http://{hosts}"), format!("etcd+http://u:hunter2@{text}")] {
                match read(&text) {
                    Ok(place) => prop_assert!(!place.members.is_empty() && !place.shown.contains("hunter2")),
                    Err(why) => prop_assert!(!why.contains("hunter2")),
                }
            }
        }
    }
}
