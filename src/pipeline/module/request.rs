//! `postgres`, `mysql` and `sqlite`: statements, and what they answer.

use std::path::Path;

use async_trait::async_trait;
use indexmap::IndexMap;

use super::definition::{Argument, Command, Definition, Kind, Shape};
use super::echo::resource;
use super::{Call, Failure, Module};
use crate::pipeline::database::{self, Engine};
use crate::pipeline::value::{Map, Value};
use crate::pipeline::world::World;
use crate::sql::tables::{Answer, Cell};

/// See the head of this file.
pub struct Request(&'static Definition, Engine);

/// PostgreSQL.
pub static POSTGRES: Request = Request(&OF_POSTGRES, Engine::Postgres);
/// `MySQL` and `MariaDB`.
pub static MYSQL: Request = Request(&OF_MYSQL, Engine::Mysql);
/// `SQLite`.
pub static SQLITE: Request = Request(&OF_SQLITE, Engine::Sqlite);

const OUTPUT: &str = "A row as a map; of several rows a list of maps, of none an empty list; of what answers no rows how many it changed.";

const SQL: Argument = Argument::may(
    "sql",
    Kind::Text,
    "The statements, one or several; or a file in the resources, `x.sql`, which is a template itself.",
);
const QUERY: Argument = Argument::may("query", Kind::Text, "The same as `sql`.");

static OF_POSTGRES: Definition = Definition {
    name: "postgres",
    about: "Runs statements in PostgreSQL. Several are one transaction.",
    short: None,
    shape: Shape::Commands(&[Command {
        name: "request",
        about: "Runs statements.",
        arguments: &[
            Argument::must(
                "conf",
                Kind::Any,
                "The database: `user:password@host:5432/database`, a URL, or a map of user, password, host, port and dbname.",
            ),
            SQL,
            QUERY,
        ],
    }]),
    output: OUTPUT,
};

static OF_MYSQL: Definition = Definition {
    name: "mysql",
    about: "Runs statements in MySQL or MariaDB. What they do is committed.",
    short: None,
    shape: Shape::Commands(&[Command {
        name: "request",
        about: "Runs statements.",
        arguments: &[
            Argument::must(
                "conf",
                Kind::Any,
                "The database: `user:password@host:3306/database`, a URL, or a map of user, password, host, port and dbname.",
            ),
            SQL,
            QUERY,
        ],
    }]),
    output: OUTPUT,
};

static OF_SQLITE: Definition = Definition {
    name: "sqlite",
    about: "Runs statements in a file of SQLite, which is made where there is none.",
    short: None,
    shape: Shape::Commands(&[Command {
        name: "request",
        about: "Runs statements.",
        arguments: &[
            Argument::must(
                "conf",
                Kind::Any,
                "The file: `/test.db` is in the folder that the program runs in, `//tmp/test.db` elsewhere.",
            ),
            SQL,
            QUERY,
        ],
    }]),
    output: OUTPUT,
};

#[async_trait]
impl Module for Request {
    fn definition(&self) -> &'static Definition {
        self.0
    }

    async fn act(&self, call: &Call<'_>, world: &mut World) -> Result<Value, Failure> {
        let conf = call.required("conf", world)?;
        world.confide("conf", &conf);
        let ((Some(said), None) | (None, Some(said))) = (call.text("sql", world)?, call.text("query", world)?) else {
            return Err(Failure::wrong("one of `sql` and `query` is expected"));
        };
        let file = said.trim();
        let is_file = !file.contains(char::is_whitespace)
            && Path::new(file).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql"));
        let statements = if is_file { resource(file, world)? } else { said };
        let mut database = database::open(self.1, &conf, &world.settings, true).await?;
        match database.run(&statements).await? {
            Answer::Changed(count) => Ok(i64::try_from(count).unwrap_or(i64::MAX).into()),
            Answer::Rows(names, rows) => answered(&names, rows),
        }
    }
}

fn answered(names: &[String], rows: Vec<Vec<Cell>>) -> Result<Value, Failure> {
    if let Some((_, twice)) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
        let why = format!("two columns of the answer are called '{twice}': give one of them another name by AS");
        return Err(Failure::failed(why));
    }
    let row = |cells: Vec<Cell>| {
        let members = names.iter().map(|name| Value::from(name.as_str())).zip(cells.into_iter().map(database::value));
        Value::Map(Map(members.collect::<IndexMap<_, _>>()))
    };
    let mut rows: Vec<Value> = rows.into_iter().map(row).collect();
    Ok(if rows.len() == 1 { rows.remove(0) } else { Value::List(rows) })
}
