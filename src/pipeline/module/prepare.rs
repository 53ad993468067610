//! `prepare`: tables made and filled, before what is tested begins.

use async_trait::async_trait;

use super::definition::{Argument, Command, Definition, Kind, Shape};
use super::echo::resource_with;
use super::{Call, Failure, Module};
use crate::pipeline::database::{self, Engine};
use crate::pipeline::scope::Scope;
use crate::pipeline::sheet::{self, Sheet};
use crate::pipeline::value::Value;
use crate::pipeline::world::{Settings, World};
use crate::sql::tables::Column;

/// See the head of this file.
pub struct Prepare;

const DATABASE: &[Argument] = &[
    Argument::must("conf", Kind::Any, "The database, as the module of its name takes it."),
    Argument::may("schema", Kind::Resource, "A file in the resources with statements that are run first; a template."),
    Argument::may(
        "data",
        Kind::Resources,
        "Tables, each with a CSV file in the resources, which may be a template: its first line names columns. An empty cell is NULL, and `\"\"` an empty text.",
    ),
    Argument::may("use_json", Kind::Flag, "Taken and without effect: a column says itself whether it holds JSON."),
];

static DEFINITION: Definition = Definition {
    name: "prepare",
    about: "Makes tables and fills them. What a cell is, its column says.",
    short: None,
    shape: Shape::Commands(&[Command {
        name: "populate",
        about: "Makes tables and fills them.",
        arguments: &sheet::arguments(DATABASE),
    }]),
    output: "How many rows each table was given: `OUTPUT.postgres.my_table`.",
};

#[async_trait]
impl Module for Prepare {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    async fn act(&self, call: &Call<'_>, world: &mut World) -> Result<Value, Failure> {
        let scope = sheet::scope(call, world)?;
        let mut given = Vec::new();
        for (engine, what) in sheet::databases(call, world)? {
            given.push((engine.name(), populate(engine, &what, &scope, &world.settings).await?));
        }
        Ok(Value::map(given))
    }
}

async fn populate(engine: Engine, what: &Value, scope: &Scope, settings: &Settings) -> Result<Value, Failure> {
    let conf = sheet::conf(engine, what)?;
    let mut database = database::open(engine, conf, settings, true).await?;
    if let Some(schema) = what.get("schema").filter(|schema| **schema != Value::Null) {
        let statements = resource_with(&schema.to_string(), settings, scope)?;
        database.run(&statements).await.map_err(|trouble| {
            let failure = Failure::from(trouble);
            Failure { why: format!("{schema}: {}", failure.why), ..failure }
        })?;
    }
    let mut given = Vec::new();
    for (table, file) in sheet::tables(what)? {
        let Sheet { rows, .. } = sheet::open(&file, scope, settings)?;
        let columns = database.columns(&table).await?;
        let columns: Vec<Column> =
            sheet::columns(&rows.columns, &columns, &table, &file)?.into_iter().cloned().collect();
        let mut rows = rows.map(|row| row.map(|(_, row)| row).map_err(|why| format!("{file}: {why}")));
        let filled = database.fill(&table, &columns, &mut rows).await;
        let count = filled.map_err(|trouble| {
            let failure = Failure::from(trouble);
            Failure { why: format!("{file} does not go into table {table}: {}", failure.why), ..failure }
        })?;
        given.push((table, Value::from(i64::try_from(count).unwrap_or(i64::MAX))));
    }
    Ok(Value::map(given))
}
