//! Where a database is: `postgres://user:password@host:5432/database?sslmode=require`, `mariadb://…`, `mysql://…`.

use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;
use url::Url;

use crate::address::{Address, ESCAPES};
use crate::http::Trust;
use crate::port::Unfit;

const KNOWN: &str = "known are postgres://USER:PASSWORD@HOST:5432/DATABASE, mariadb:// and mysql://";

/// Stands for the host of a URL that has none.
const NO_HOST: &str = "none.invalid";

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL.
    Postgres,
    /// `MariaDB` or `MySQL`, which speak alike.
    Mysql,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name or an address, and a port.
    Network(String, u16),
    /// A socket of this host: the folder of PostgreSQL's, the very file of `MariaDB`'s.
    Socket(PathBuf, u16),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(name, port) if name.contains(':') => write!(f, "[{name}]:{port}"),
            Self::Network(name, port) => write!(f, "{name}:{port}"),
            Self::Socket(path, _) => f.write_str(&path.to_string_lossy()),
        }
    }
}

/// Whether a session speaks TLS, and whether the server's certificate is checked; the names and meanings are libpq's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// `disable`: never.
    Never,
    /// `prefer`, which holds where nothing is said: where the server offers it. Nobody's certificate is checked, since a server that
    /// offers none would be spoken to as well.
    Prefer,
    /// `require`: always. The certificate is checked only where `--cacert` names an authority.
    Require,
    /// `verify-full`, and `verify-ca`: always, and the certificate is checked, with its name.
    Verify,
}

impl Tls {
    /// Whether a server must prove with its certificate that it is the right one.
    #[must_use]
    pub fn verifies(self, trust: &Trust) -> bool {
        self == Self::Verify || self == Self::Require && trust.authorities.is_some()
    }
}

/// A database.
#[derive(Debug, Clone)]
pub struct Place {
    /// Of which kind.
    pub engine: Engine,
    /// Where its server is.
    pub host: Host,
    /// Who logs in.
    pub user: String,
    /// With which password; none where the server asks for none.
    password: Option<SecretString>,
    /// The name of the database; none for a `MariaDB` or `MySQL` as a whole.
    pub database: Option<String>,
    /// Whether TLS is spoken.
    pub tls: Tls,
    shown: String,
}

impl fmt::Display for Place {
    /// Without credentials: `postgres://db.example:5432/shop`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Place {
    /// Reads the URL of a database.
    ///
    /// # Errors
    /// When it is none, or says something that means nothing.
    pub fn read(address: &Address) -> Result<Self, Unfit> {
        let named = address.to_string().split(['?', '#']).next().unwrap_or_default().to_owned();
        let refused = |why: &str| Unfit(format!("'{named}' names no database: {why}"));
        if address.may_be_cut_by_a_password() {
            return Err(refused(ESCAPES));
        }
        let url = Url::parse(&with_a_host(address.whole())).map_err(|error| {
            refused(&format!(
                "{error}; {KNOWN}. What is no letter or digit in a password is written as %23 and the like"
            ))
        })?;
        let (engine, scheme, port) = match url.scheme() {
            "postgres" | "postgresql" => (Engine::Postgres, "postgres", 5432),
            scheme @ ("mysql" | "mariadb") => (Engine::Mysql, scheme, 3306),
            _ => return Err(refused(KNOWN)),
        };
        if url.fragment().is_some() {
            return Err(refused("a `#` in a password is written as %23"));
        }
        let user = decoded(url.username());
        if user.is_empty() {
            return Err(refused("it has no user before an `@`"));
        }
        let port = url.port().unwrap_or(port);
        let mut socket = None;
        let mut tls = Tls::Prefer;
        for (name, value) in url.query_pairs() {
            match (&*name, engine) {
                ("sslmode" | "ssl-mode", _) => tls = mode(&value).ok_or_else(|| refused(&modes(&name, &value)))?,
                ("host", Engine::Postgres) | ("socket", Engine::Mysql) if value.starts_with('/') => {
                    socket = Some(PathBuf::from(value.into_owned()));
                }
                _ => return Err(refused(&meaningless(&name, engine))),
            }
        }
        let name = decoded(url.host_str().filter(|name| *name != NO_HOST).unwrap_or_default());
        let host = match (socket, name) {
            (Some(path), name) if name.is_empty() => Host::Socket(path, port),
            (Some(_), _) => return Err(refused("it names a host and a socket")),
            (None, name) if name.starts_with('/') => Host::Socket(name.into(), port),
            (None, name) if name.is_empty() => return Err(refused("it has no host")),
            (None, name) => Host::Network(name.trim_matches(['[', ']']).to_owned(), port),
        };
        let database = Some(decoded(url.path().trim_matches('/'))).filter(|name| !name.is_empty());
        if database.is_none() && engine == Engine::Postgres {
            return Err(refused("it has no path, which is the database"));
        }
        let shown = format!("{scheme}://{host}/{}", database.as_deref().unwrap_or_default());
        let password = url.password().map(|password| decoded(password).into());
        Ok(Self { engine, host, user, password, database, tls, shown })
    }

    /// The password, to log in with and never to be shown.
    pub(super) fn password(&self) -> Option<&str> {
        self.password.as_ref().map(secrecy::ExposeSecret::expose_secret)
    }
}

/// A URL whose host is left out, as libpq has it where a socket is named, with a host: no URL has a user and no host.
fn with_a_host(url: &str) -> String {
    let at = url.find("://").map_or(0, |at| at + 3);
    let end = url[at..].find(['/', '?', '#']).map_or(url.len(), |end| at + end);
    let host = url[at..end].rfind('@').map_or(at, |user| at + user + 1);
    let is_missing = host == end || url[host..end].starts_with(':');
    if at > 0 && is_missing { format!("{}{NO_HOST}{}", &url[..host], &url[host..]) } else { url.to_owned() }
}

/// libpq's names, and `MySQL`'s.
fn mode(text: &str) -> Option<Tls> {
    Some(match text.to_ascii_lowercase().replace('_', "-").as_str() {
        "disable" | "disabled" => Tls::Never,
        "allow" | "prefer" | "preferred" => Tls::Prefer,
        "require" | "required" => Tls::Require,
        "verify-ca" | "verify-full" | "verify-identity" => Tls::Verify,
        _ => return None,
    })
}

fn modes(name: &str, value: &str) -> String {
    format!("{name} cannot be '{value}': it is disable, prefer, require or verify-full")
}

fn meaningless(name: &str, engine: Engine) -> String {
    let socket = match engine {
        Engine::Postgres => "host=/run/postgresql",
        Engine::Mysql => "socket=/run/mysqld/mysqld.sock",
    };
    format!("'{name}' means nothing there; known are sslmode=require and {socket}")
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(url: &str) -> Result<Place, String> {
        Place::read(&url.into()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_url_names_a_server_a_user_and_a_database() {
        let network = |name: &str, port| Host::Network(name.to_owned(), port);
        let socket = |path: &str, port| Host::Socket(path.into(), port);
        for (url, shown, host, user, password, tls) in [
            ("postgres://u:p@h/d", "postgres://h:5432/d", network("h", 5432), "u", Some("p"), Tls::Prefer),
            ("postgresql://u@h:1/d?sslmode=require", "postgres://h:1/d", network("h", 1), "u", None, Tls::Require),
            ("mysql://a%40b:p%23%2F@h/", "mysql://h:3306/", network("h", 3306), "a@b", Some("p#/"), Tls::Prefer),
            (
                "mariadb://u@[::1]/d?ssl-mode=VERIFY_IDENTITY",
                "mariadb://[::1]:3306/d",
                network("::1", 3306),
                "u",
                None,
                Tls::Verify,
            ),
            ("postgres://u@/d?host=/run/pg", "postgres:///run/pg/d", socket("/run/pg", 5432), "u", None, Tls::Prefer),
            (
                "postgres://u@%2Frun%2Fpg:6/d?sslmode=disable",
                "postgres:///run/pg/d",
                socket("/run/pg", 6),
                "u",
                None,
                Tls::Never,
            ),
        ] {
            let place = read(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!(place.to_string(), shown);
            assert_eq!(
                (place.host.clone(), place.user.as_str(), place.password(), place.tls),
                (host, user, password, tls)
            );
            assert!(!format!("{place:?}").contains(":p"), "{place:?}");
        }
    }

    #[test]
    fn what_names_no_database_is_refused_without_its_password() {
        for (url, why) in [
            ("http://u:hunter2@h/d", KNOWN),
            ("postgres://h/d", "it has no user before an `@`"),
            ("postgres://u:12?hunter2=x@h/d", ESCAPES),
            ("postgres://u:ab@cd/hunter2@h/d", ESCAPES),
            ("postgres://u:hunter2@h", "it has no path, which is the database"),
            (
                "postgres://u:hunter2@h/d?sslmode=on",
                "sslmode cannot be 'on': it is disable, prefer, require or verify-full",
            ),
            (
                "postgres://u:hunter2@h/d?pool=3",
                "'pool' means nothing there; known are sslmode=require and host=/run/postgresql",
            ),
            ("mysql://u:hunter2@h/d?socket=/x", "it names a host and a socket"),
            ("mysql://u:hunter2@h/d#x", "a `#` in a password is written as %23"),
        ] {
            let error = read(url).expect_err(url);
            assert!(error.ends_with(why) && error.contains("names no database: "), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let error = read("postgres://u:hunt#er2@h/d").expect_err("no port");
        assert!(!error.contains("er2@"), "{error}");
    }

    #[test]
    fn a_certificate_is_checked_where_that_was_ordered() {
        let (none, named) = (Trust::default(), Trust { authorities: Some("ca.pem".into()), insecure: false });
        let verifies = |tls: Tls| (tls.verifies(&none), tls.verifies(&named));
        assert_eq!(
            [Tls::Never, Tls::Prefer, Tls::Require, Tls::Verify].map(verifies),
            [(false, false), (false, false), (false, true), (true, true)]
        );
    }

    proptest! {
        #[test]
        fn no_text_breaks_it_and_a_password_is_shown_nowhere(
            scheme in "postgres|mysql|mariadb|http", password in "[a-z0-9#/?@:%&=\\[\\]]{8,20}", rest in "\\PC{0,30}",
        ) {
            let text = format!("{scheme}://u:{password}@{rest}");
            let secret = password.rsplit_once('@').map_or(password.as_str(), |(secret, _)| secret);
            let shown = match Place::read(&text.as_str().into()) {
                Ok(place) => format!("{place} {place:?}"),
                Err(error) => error.to_string(),
            };
            prop_assert!(secret.len() < 6 || rest.contains(secret) || !shown.contains(secret), "{}", shown);
        }
    }
}
