//! Databases as a test names them: where one is, in each way that such tests write it, and its cells as values.

use std::path::{Path, PathBuf};

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::module::Failure;
use super::value::{Instant, Value, from_json};
use super::world::Settings;
use crate::address::Address;
use crate::sql::Place;
use crate::sql::tables::{self, Cell, Database, Trouble};

/// What a server shows of a session.
const APPLICATION: &str = "test_pipeline";

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL.
    Postgres,
    /// `MySQL` and `MariaDB`.
    Mysql,
    /// A file of `SQLite`.
    Sqlite,
}

impl Engine {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Postgres, Self::Mysql, Self::Sqlite];

    /// What a test calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Sqlite => "sqlite",
        }
    }

    /// What URLs of it begin with; what stands behind a `+` in one is a driver of Python's, and no matter.
    const fn schemes(self) -> &'static [&'static str] {
        match self {
            Self::Postgres => &["postgres", "postgresql"],
            Self::Mysql => &["mysql", "mariadb"],
            Self::Sqlite => &["sqlite"],
        }
    }
}

/// Opens the database that `conf` names, for one step: each has a session of its own, and so sees what others have committed.
///
/// # Errors
/// When `conf` names none, or it is not there.
pub async fn open(engine: Engine, conf: &Value, settings: &Settings, make: bool) -> Result<Box<dyn Database>, Failure> {
    if engine == Engine::Sqlite {
        let file = file(conf, &settings.folder)?;
        return tables::open_file(&file, make).await.map_err(Failure::from);
    }
    let place = Place::read(&address(engine, conf)?).map_err(|unfit| Failure::wrong(format!("`conf`: {unfit}")))?;
    tables::open(&place, &settings.trust, APPLICATION).await.map_err(Failure::from)
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Unreachable(why) => Self::unreachable(why),
            Trouble::Refused(why) => Self::failed(why),
            Trouble::Input(why) => Self::wrong(why),
        }
    }
}

/// The address of a server: `user:password@host:port/database`, a URL, or a map.
fn address(engine: Engine, conf: &Value) -> Result<Address, Failure> {
    let said = conf.text().and_then(Value::literal);
    match said.as_ref().unwrap_or(conf) {
        Value::Text(text) => of_text(engine, text),
        Value::Map(map) => {
            let names = |name: &str| match name {
                "user" | "username" => Some(0),
                "password" => Some(1),
                "host" => Some(2),
                "port" => Some(3),
                "dbname" | "database" => Some(4),
                _ => None,
            };
            let mut parts: [Option<String>; 5] = Default::default();
            for (key, value) in &map.0 {
                let at = names(&key.to_string()).ok_or_else(|| {
                    Failure::wrong(format!("`conf` has a key '{key}': known are user, password, host, port and dbname"))
                })?;
                if *value != Value::Null {
                    parts[at] = Some(value.to_string());
                }
            }
            let [user, password, host, port, database] = parts;
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            let host = format!("{}{port}", host.unwrap_or_else(|| "localhost".to_owned()));
            Ok(url(engine, [user.as_deref(), password.as_deref(), database.as_deref()], &host, ""))
        }
        other => Err(Failure::wrong(format!("`conf` is {}: an address or a map is expected", other.kind()))),
    }
}

/// Whether a text may be what a URL begins with.
fn is_scheme(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// An `@`, `/` or `:` in a password is its own, as far as a host follows; two `/` at its beginning make a URL of the text.
fn of_text(engine: Engine, text: &str) -> Result<Address, Failure> {
    let text = text.trim();
    let with_scheme = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme));
    let (scheme, rest) = with_scheme.unwrap_or((engine.name(), text));
    let scheme = scheme.split('+').next().unwrap_or_default();
    if !engine.schemes().contains(&scheme) {
        return Err(Failure::wrong(format!("`conf` names a database of {scheme}, and this is {}", engine.name())));
    }
    let (credentials, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
    let (user, password) = match credentials.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (credentials, None),
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (host, database) = rest.split_once('/').unwrap_or((rest, ""));
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    // How a driver of Python's is to write texts: here they are always UTF-8.
    let query: Vec<&str> = query.split('&').filter(|part| !part.is_empty() && !part.starts_with("charset=")).collect();
    let parts = [Some(decoded(user)), password.map(decoded), Some(decoded(database))];
    Ok(url(engine, parts.each_ref().map(Option::as_deref), host, &query.join("&")))
}

/// The URL of user, password and database at a host.
fn url(engine: Engine, parts: [Option<&str>; 3], host: &str, query: &str) -> Address {
    let [user, password, database] =
        parts.map(|part| part.map(|part| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string()));
    let password = password.map(|password| format!(":{password}")).unwrap_or_default();
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    let (user, database) = (user.unwrap_or_default(), database.unwrap_or_default());
    format!("{}://{user}{password}@{host}/{database}{query}", engine.schemes()[0]).as_str().into()
}

/// The file of a database. As in Catcher one `/` in front is none of the path: `/test.db` is in the folder that the program runs in, and
/// `//tmp/test.db` is elsewhere; but where only that elsewhere is a folder, `/tmp/test.db` is there.
fn file(conf: &Value, folder: &Path) -> Result<PathBuf, Failure> {
    let text = match conf {
        Value::Text(text) => text.as_str(),
        Value::Map(_) => conf.get("path").or_else(|| conf.get("dbname")).and_then(Value::text).unwrap_or_default(),
        _ => "",
    };
    let path = text.trim().strip_prefix("sqlite://").unwrap_or(text.trim());
    let inner = path.strip_prefix('/').unwrap_or(path);
    if inner.is_empty() || inner == ":memory:" {
        let why = "`conf` is a file of SQLite: `/test.db` beside where the program runs, `//tmp/test.db` elsewhere";
        return Err(Failure::wrong(why));
    }
    let (here, there) = (folder.join(inner), PathBuf::from(path));
    let has_folder = |path: &Path| path.parent().is_some_and(Path::is_dir);
    Ok(if has_folder(&here) || !there.is_absolute() || !has_folder(&there) { here } else { there })
}

/// A cell as a value.
#[must_use]
pub fn value(cell: Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Bool(is) => is.into(),
        Cell::Number(digits) => Value::parse(&digits).unwrap_or(Value::Text(digits)),
        Cell::Text(text) => text.into(),
        Cell::Bytes(bytes) => Value::Bytes(bytes),
        Cell::Date(date) => Value::Instant(Instant::Date(date)),
        Cell::Local(time) => Value::Instant(Instant::Local(time)),
        Cell::Instant(at) => Value::Instant(Instant::Zoned(at)),
        Cell::Json(text) => from_json(&text).unwrap_or(Value::Text(text)),
        Cell::List(items) => Value::List(items.into_iter().map(value).collect()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(conf: &Value) -> String {
        address(Engine::Postgres, conf).expect("an address").whole().to_owned()
    }

    #[test]
    fn an_address_is_read_in_each_way_that_tests_write_it() {
        for (conf, url) in [
            ("test:test@localhost:5433/test", "postgres://test:test@localhost:5433/test"),
            ("test:p@ss:/w@localhost/test", "postgres://test:p%40ss%3A%2Fw@localhost/test"),
            (
                "postgresql+psycopg2://ann:a%40b@db.example/x?sslmode=require&charset=utf8",
                "postgres://ann:a%40b@db.example/x?sslmode=require",
            ),
            (
                "{'dbname': 'd', 'user': 'u', 'password': 'p%40@', 'host': 'h', 'port': 1}",
                "postgres://u:p%2540%40@h:1/d",
            ),
            ("{'database': 'd', 'username': 'u', 'password': 5}", "postgres://u:5@localhost/d"),
        ] {
            assert_eq!(whole(&conf.into()), url);
            assert_eq!(whole(&Value::read(conf)), url);
        }
        let refused = |conf: &str| address(Engine::Postgres, &Value::read(conf)).expect_err(conf).why;
        assert_eq!(refused("mysql://u@h/d"), "`conf` names a database of mysql, and this is postgres");
        assert_eq!(refused("ann://x@h/d"), "`conf` names a database of ann, and this is postgres");
        assert_eq!(refused("{'db': 1}"), "`conf` has a key 'db': known are user, password, host, port and dbname");
        assert_eq!(refused("5"), "`conf` is an integer: an address or a map is expected");
    }

    #[test]
    fn a_file_is_beside_the_program_unless_only_elsewhere_is_a_folder() {
        let folder = Path::new("/usr");
        let read = |conf: &str| file(&conf.into(), folder).map(|path| path.display().to_string());
        for (conf, path) in [
            ("/test.db", "/usr/test.db"),
            ("test.db", "/usr/test.db"),
            ("sqlite:///test.db", "/usr/test.db"),
            ("lib/test.db", "/usr/lib/test.db"),
            ("/lib/test.db", "/usr/lib/test.db"),
            ("//lib/test.db", "/lib/test.db"),
            ("sqlite:////tmp/test.db", "/tmp/test.db"),
            ("/tmp/test.db", "/tmp/test.db"),
        ] {
            assert_eq!(read(conf), Ok(path.to_owned()), "{conf}");
        }
        assert!(read("").is_err() && read("/:memory:").is_err());
    }

    proptest! {
        #[test]
        fn any_user_and_password_come_out_as_they_went_in(user in "[^:/@?%\\s]{1,8}", password in "[^?%\\s][^?%]{0,9}[^?%\\s]") {
            // That is a URL, as is said above, unless no scheme is written so.
            prop_assume!(!password.starts_with("//") || !is_scheme(&user));
            let conf = format!("{user}:{password}@host:1/base");
            let url: url::Url = whole(&conf.as_str().into()).parse().expect("a URL");
            let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            prop_assert_eq!(decoded(url.username()), user);
            prop_assert_eq!(url.password().map(decoded), Some(password));
            prop_assert_eq!(url.path(), "/base");
        }
    }
}
