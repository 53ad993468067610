//! `expect`: tables as they should be after what is tested has ended.

use async_trait::async_trait;

use super::definition::{Argument, Command, Definition, Kind, Shape};
use super::echo::resource_with;
use super::{Call, Failure, Module};
use crate::pipeline::database::{self, Engine};
use crate::pipeline::scope::Scope;
use crate::pipeline::sheet::{self, Sheet};
use crate::pipeline::table::{Among, InOrder, Row, Wanted};
use crate::pipeline::value::{Expected, Value, from_json};
use crate::pipeline::world::{Settings, World};
use crate::sql::tables::{Cell, Column, Database};
use crate::words::counted;

/// See the head of this file.
pub struct Expect;

const DATABASE: &[Argument] = &[
    Argument::must("conf", Kind::Any, "The database, as the module of its name takes it."),
    Argument::may(
        "data",
        Kind::Resources,
        "Tables, each with a CSV file in the resources, which may be a template: its first line names the columns that are compared. An empty cell is NULL, `\"\"` an empty text; a cell may be a matcher.",
    ),
    Argument::may(
        "strict",
        Kind::Flag,
        "The table has these rows and no others, in this order. Otherwise each row of the file is there as often as it stands in it, among others.",
    ),
    Argument::may(
        "schema",
        Kind::Resource,
        "A JSON file of tables: `{\"foo\": {\"columns\": {\"id\": \"integer\"}, \"keys\": [\"id\"]}}`; with `strict` a table has no other columns.",
    ),
    Argument::may("ignore", Kind::List, "Ours: columns of the files that do not matter."),
];

static DEFINITION: Definition = Definition {
    name: "expect",
    about: "Compares tables with what they should be: numbers as numbers, instants whatever their zone, NULL apart from an empty text.",
    short: None,
    shape: Shape::Commands(&[Command {
        name: "compare",
        about: "Compares tables.",
        arguments: &sheet::arguments(DATABASE),
    }]),
    output: "Nothing.",
};

#[async_trait]
impl Module for Expect {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    async fn act(&self, call: &Call<'_>, world: &mut World) -> Result<Value, Failure> {
        let scope = sheet::scope(call, world)?;
        let mut wrong = Vec::new();
        for (engine, what) in sheet::databases(call, world)? {
            compare(engine, &what, &scope, &world.settings, &mut wrong).await?;
        }
        match wrong.as_slice() {
            [] => Ok(Value::Null),
            [(what, lines)] => Err(Failure::failed(what.clone()).with(lines.clone())),
            [(first, _), rest @ ..] => {
                let why = format!("{first}; and {} more", counted(rest.len(), "table"));
                let lines = wrong.iter().flat_map(|(what, lines)| {
                    std::iter::once(format!("{what}:")).chain(lines.iter().map(|line| format!("  {line}")))
                });
                Err(Failure::failed(why).with(lines.collect::<Vec<_>>()))
            }
        }
    }
}

/// What is wrong with a table, and each line of it.
type Wrong = Vec<(String, Vec<String>)>;

async fn compare(
    engine: Engine,
    what: &Value,
    scope: &Scope,
    settings: &Settings,
    wrong: &mut Wrong,
) -> Result<(), Failure> {
    let conf = sheet::conf(engine, what)?;
    let is_strict = what.get("strict").is_some_and(|strict| strict.same(&true.into()));
    let ignored: Vec<String> = match what.get("ignore") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::List(names)) => names.iter().map(ToString::to_string).collect(),
        Some(name) => vec![name.to_string()],
    };
    let schema = what.get("schema").filter(|schema| **schema != Value::Null).map(ToString::to_string);
    let tables = sheet::tables(what)?;
    if schema.is_none() && tables.is_empty() {
        return Err(Failure::wrong(format!(
            "`{}` has neither `data` nor `schema`: nothing is compared",
            engine.name()
        )));
    }
    let mut database = database::open(engine, conf, settings, false).await?;
    if let Some(file) = schema {
        let said = resource_with(&file, settings, scope)?;
        schemas(&mut *database, &file, &said, is_strict, wrong).await?;
    }
    for (table, file) in tables {
        let sheet = sheet::open(&file, scope, settings)?;
        let found = rows(&mut *database, &table, &file, sheet, is_strict, &ignored).await?;
        if found.count > 0 {
            let count = counted(found.count, "difference");
            wrong.push((format!("table {table} is not as {file} says: {count}"), found.lines()));
        }
    }
    Ok(())
}

/// Where the rows of a table are otherwise than a file says.
async fn rows(
    database: &mut dyn Database,
    table: &str,
    file: &str,
    sheet: Sheet,
    is_strict: bool,
    ignored: &[String],
) -> Result<crate::pipeline::table::Differences, Failure> {
    let Sheet { rows, source } = sheet;
    if let Some(name) = ignored.iter().find(|name| !rows.columns.contains(name)) {
        return Err(Failure::wrong(format!("`ignore` names a column '{name}', which {file} does not have")));
    }
    let kept: Vec<usize> = (0..rows.columns.len()).filter(|at| !ignored.contains(&rows.columns[*at])).collect();
    let names: Vec<String> = kept.iter().map(|at| rows.columns[*at].clone()).collect();
    if names.is_empty() {
        return Err(Failure::wrong(format!("`ignore` leaves no column of {file} to compare")));
    }
    let columns = database.columns(table).await?;
    let columns: Vec<Column> = sheet::columns(&names, &columns, table, file)?.into_iter().cloned().collect();
    let typed = columns.clone();
    let wanted = rows.map(|row| {
        let (line, mut row) = row?;
        let written: Row = kept.iter().map(|at| row[*at].take()).collect();
        let cells =
            written.iter().zip(&typed).map(|(cell, column)| expected(cell.as_deref(), column, source.as_deref()));
        let cells = cells.collect::<Result<_, _>>().map_err(|why| format!("line {line}: {why}"))?;
        Ok(Wanted { line, written, cells })
    });
    let wrong = |why: String| Failure::wrong(format!("{file}: {why}"));
    let values = |cells: Vec<Cell>| cells.into_iter().map(database::value).collect::<Vec<_>>();
    if is_strict {
        let mut order = InOrder::new(&names, wanted);
        database.read(table, &columns, &mut |cells| order.see(&values(cells))).await?;
        order.end().map_err(wrong)
    } else {
        let mut among = Among::new(&names, wanted).map_err(wrong)?;
        database.read(table, &columns, &mut |cells| among.see(values(cells))).await?;
        Ok(among.end())
    }
}

/// What a cell of a file says should be in a column. What only a template has made a matcher of is none.
fn expected(cell: Option<&str>, column: &Column, source: Option<&str>) -> Result<Expected, String> {
    let Some(text) = cell else { return Ok(Expected::Value(Value::Null)) };
    let typed = |text: &str| Ok(Expected::Value(database::value(column.kind.cell(text))));
    if !source.is_none_or(|source| source.contains(text)) {
        return typed(text);
    }
    match Expected::of_text(text)? {
        Expected::Value(Value::Text(text)) => typed(&text),
        matcher => Ok(matcher),
    }
}

/// Holds the columns of tables against a file of them.
async fn schemas(
    database: &mut dyn Database,
    file: &str,
    said: &str,
    is_strict: bool,
    wrong: &mut Wrong,
) -> Result<(), Failure> {
    let shape = || {
        let like = r#"{"foo": {"columns": {"id": "integer"}, "keys": ["id"]}}"#;
        Failure::wrong(format!("{file} is no schema: JSON like {like} is expected"))
    };
    let Some(Value::Map(tables)) = from_json(said) else { return Err(shape()) };
    for (table, meta) in &tables.0 {
        let Value::Map(members) = meta else { return Err(shape()) };
        if let Some(key) = members.0.keys().find(|key| !matches!(key.text(), Some("columns" | "keys"))) {
            return Err(Failure::wrong(format!("{file}: table {table} has a key '{key}': known are columns and keys")));
        }
        let table = table.to_string();
        let found = match database.columns(&table).await {
            Ok(found) => found,
            Err(crate::sql::tables::Trouble::Refused(why)) => {
                wrong.push((format!("table {table} is not as {file} says"), vec![why]));
                continue;
            }
            Err(trouble) => return Err(trouble.into()),
        };
        let mut lines = Vec::new();
        if let Some(columns) = meta.get("columns") {
            let Value::Map(columns) = columns else { return Err(shape()) };
            let names: Vec<String> = columns.0.keys().map(ToString::to_string).collect();
            let types: Vec<String> = columns.0.values().map(ToString::to_string).collect();
            let types = database.types(&types).await.map_err(|trouble| {
                let failure = Failure::from(trouble);
                Failure { why: format!("{file}: table {table}: {}", failure.why), ..failure }
            })?;
            for (name, typed) in names.iter().zip(&types) {
                match found.iter().find(|column| column.name == *name) {
                    None => lines.push(format!("there is no column {name}")),
                    Some(column) if !column.typed.eq_ignore_ascii_case(typed) => {
                        lines.push(format!("column {name} is {}, not {typed}", column.typed));
                    }
                    Some(_) => {}
                }
            }
            let more = found.iter().filter(|column| is_strict && !names.contains(&column.name));
            lines.extend(more.map(|column| format!("column {} should not be there", column.name)));
        }
        if let Some(keys) = meta.get("keys") {
            let Value::List(keys) = keys else { return Err(shape()) };
            let mut wanted: Vec<String> = keys.iter().map(ToString::to_string).collect();
            let mut is: Vec<String> =
                found.iter().filter(|column| column.is_key).map(|column| column.name.clone()).collect();
            wanted.sort();
            is.sort();
            if is != wanted {
                lines.push(format!("its primary key is ({}), not ({})", is.join(", "), wanted.join(", ")));
            }
        }
        if !lines.is_empty() {
            wrong.push((format!("table {table} is not as {file} says: {}", counted(lines.len(), "difference")), lines));
        }
    }
    Ok(())
}
